//! What a decision rests on, gathered once and kept with it.

use crate::bundle::{Base, Bundle};
use crate::chain;
use crate::directory::{Directory, Principal};
use crate::entity::{self, Draft, reach};
use crate::index::{Answer, Slice};
use crate::mode::Mode;
use crate::request::{EntityRef, Request};
use crate::subject::Subject;
use crate::types::{self, Key, Path, no_type};
use crate::vocabulary::{CLASS, CLASSES};
use cedar_policy::{Context, Entities, EntityId, EntityTypeName, EntityUid};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Principals that the entities of one decision may name.
const PRINCIPALS_NAMED_MAX: usize = 1_000;

/// The request and those entities that do not come from the bundle, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    principal: EntityRef,
    action: String,
    resource: EntityRef,
    request: Value,
    entities: Value,
}

/// An environment of a bundle.
struct Environment<'a> {
    principal: EntityUid,
    action: &'a EntityUid,
    resource: EntityUid,
    slices: Slices<'a>,
    base: &'a Base,
}

/// What can apply in an environment.
#[derive(Clone, Copy)]
struct Slices<'a> {
    policies: &'a Slice,
    /// None where the bundle demands nothing.
    obligations: Option<&'a Slice>,
}

/// A request as Cedar takes it.
pub(super) struct Case<'a> {
    request: cedar_policy::Request,
    entities: Entities,
    /// None where the schema does not declare the action: then all are asked.
    slices: Option<Slices<'a>>,
}

impl Case<'_> {
    /// What the policies say.
    pub(super) fn policies(&self, bundle: &Bundle) -> Answer {
        match self.slices {
            Some(Slices { policies, .. }) => bundle.index().evaluate_in(policies, &self.request, &self.entities),
            None => bundle.index().evaluate_all(&self.request, &self.entities),
        }
    }

    /// Which obligations apply.
    pub(super) fn obligations(&self, bundle: &Bundle) -> Answer {
        let Some(index) = bundle.obligation_index() else { return Answer::default() };
        match self.slices.and_then(|slices| slices.obligations) {
            Some(slice) => index.evaluate_in(slice, &self.request, &self.entities),
            None => index.evaluate_all(&self.request, &self.entities),
        }
    }
}

impl Facts {
    pub(super) fn of_request(request: &Request) -> Self {
        let principal = request.principal.entity();
        let resource = request.resource.entity.clone();
        let members = [
            ("action", Some(Value::from(request.action.clone()))),
            ("context", Some(Value::Object(request.context.clone()))),
            // What is the rule is not said.
            ("irreversible", request.irreversible.then_some(Value::Bool(true))),
            ("principal", Some(principal.to_json())),
            ("resource", Some(resource.to_json())),
        ];
        let json = members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let entities = Value::Array(Vec::new());
        Self { principal, action: request.action.clone(), resource, request: json, entities }
    }

    pub(super) fn of_payload(payload: &Value) -> Option<Self> {
        let request = payload.get("request")?;
        let reference = |key: &str| serde_json::from_value::<EntityRef>(request.get(key)?.clone()).ok();
        Some(Self {
            principal: reference("principal")?,
            action: request.get("action")?.as_str()?.to_owned(),
            resource: reference("resource")?,
            request: request.clone(),
            entities: payload.get("entities").filter(|entities| entities.is_array())?.clone(),
        })
    }

    pub(super) const fn entities(&self) -> &Value {
        &self.entities
    }

    pub(super) const fn request(&self) -> &Value {
        &self.request
    }

    pub(super) fn is_irreversible(&self) -> bool {
        self.request.get("irreversible").and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn context(&self) -> Option<&Map<String, Value>> {
        self.request.get("context").and_then(Value::as_object)
    }

    pub(super) fn action(&self) -> &str {
        &self.action
    }

    /// The same of one class of data: what is asked of each of several.
    pub(super) fn of_class(&self, bundle: &Bundle, class: &str) -> Self {
        let mut facts = self.clone();
        let context = facts.request.get_mut("context").and_then(Value::as_object_mut);
        if let Some(context) = context {
            context.insert(CLASS.to_owned(), Value::from(class));
            // Who looks at one at a time need not declare them all.
            context.retain(|name, _| name != CLASSES || bundle.context_declares(&self.action, CLASSES));
        }
        facts
    }

    /// The risk in the context, where the schema declares one.
    pub(super) fn risk(&self) -> Option<u64> {
        self.request.pointer("/context/risk").and_then(Value::as_u64)
    }

    /// How what the bundle's policies leave open is answered.
    pub(super) fn mode(&self, bundle: &Bundle) -> Mode {
        bundle.mode(&self.action)
    }

    pub(super) fn describe(&self) -> String {
        format!("`{}` on {}", self.action, self.resource)
    }

    /// Adds the entities that the directory and the request give.
    ///
    /// # Errors
    /// Says why the request is denied whatever the policies say.
    pub(super) fn gather(
        &mut self,
        bundle: &Bundle,
        principal: Option<&Principal>,
        directory: &Directory,
        request: &Request,
    ) -> Result<(), String> {
        check_subject(&request.principal, principal)?;
        entity::check_values("context", &request.context)?;
        entity::check_values("resource.attributes", &request.resource.attributes)?;
        let mut wanted: BTreeSet<EntityRef> = match self.is_open(bundle) {
            true => BTreeSet::new(),
            false => self.environment(bundle)?.base.principals.iter().map(named).collect(),
        };
        let own = match &request.principal {
            Subject::External(external) => external.entity_json(bundle)?,
            Subject::Principal(_) => {
                let own = principal.and_then(|principal| principal.entity_json(bundle));
                own.ok_or_else(|| no_type(&self.principal.kind))?
            }
        };
        let mut entities = vec![own];
        entities.extend(resource_json(bundle, request)?);
        for value in entities.iter().chain(request.context.values()) {
            entity::references(value, &mut wanted);
        }
        add_principals(bundle, directory, wanted, &self.principal, &mut entities)?;
        self.entities = Value::Array(entities);
        Ok(())
    }

    /// Whether the action is none of the schema's and all the same not denied for that.
    fn is_open(&self, bundle: &Bundle) -> bool {
        bundle.action(&self.action).is_none() && self.mode(bundle) == Mode::Permissive
    }

    fn environment<'a>(&self, bundle: &'a Bundle) -> Result<Environment<'a>, String> {
        let action = bundle.action(&self.action);
        let action = action.ok_or_else(|| format!("the bundle's schema has no action `{}`", self.action))?;
        let principal = bundle.uid(&self.principal.kind, &self.principal.id)?;
        let resource = bundle.uid(&self.resource.kind, &self.resource.id)?;
        let slice = |index: &'a crate::index::Index| {
            index.slice(action, principal.type_name(), resource.type_name()).ok_or_else(|| {
                let (who, what) = (&self.principal.kind, &self.resource.kind);
                format!("the bundle's schema does not let `{}` be done by {who} to {what}", self.action)
            })
        };
        let obligations = bundle.obligation_index().map(slice).transpose()?;
        let slices = Slices { policies: slice(bundle.index())?, obligations };
        let base = bundle.base(slices.policies, slices.obligations, action);
        Ok(Environment { principal, action, resource, slices, base })
    }

    /// The request as Cedar takes it.
    ///
    /// # Errors
    /// Says what does not conform to the schema.
    pub(super) fn case<'a>(&self, bundle: &'a Bundle) -> Result<Case<'a>, String> {
        if self.is_open(bundle) {
            return self.open_case(bundle);
        }
        let Environment { principal, action, resource, slices, base } = self.environment(bundle)?;
        let none = Map::new();
        let context = self.context().unwrap_or(&none);
        let mut named = BTreeSet::new();
        context.values().for_each(|value| entity::references(value, &mut named));
        let entities = self.with_own(bundle, named, base.entities.clone())?;
        let declared = bundle.schema_facts().context(&self.action);
        let at = Path { before: None, last: Key::Name("context") };
        let pairs = declared.map_or_else(|| Ok(Vec::new()), |record| record.pairs(bundle, &at, context))?;
        let context = Context::from_pairs(pairs).map_err(|err| chain(&err))?;
        debug_assert_eq!(conformity(bundle, &entities, &context, action), Ok(()), "we take what Cedar would not");
        let request = cedar_policy::Request::new(principal, action.clone(), resource, context, None);
        let request = request.map_err(|err| chain(&err))?;
        Ok(Case { request, entities, slices: Some(slices) })
    }

    /// The same of an action that the schema does not declare: its context is taken as it is, and all of the bundle's
    /// entities are there, since no environment says which are needed.
    fn open_case<'a>(&self, bundle: &Bundle) -> Result<Case<'a>, String> {
        let principal = bundle.uid(&self.principal.kind, &self.principal.id)?;
        let resource = bundle.uid(&self.resource.kind, &self.resource.id)?;
        let kind: EntityTypeName = "Action".parse().map_err(|err| chain(&err))?;
        let action = EntityUid::from_type_name_and_id(kind, EntityId::new(&self.action));
        let statics = bundle.statics().values().map(|found| found.entity.clone());
        let statics = Entities::from_entities(statics, None).map_err(|err| chain(&err))?;
        let entities = self.with_own(bundle, BTreeSet::new(), statics)?;
        let context = self.request.get("context").cloned().unwrap_or_default();
        let context = Context::from_json_value(context, None).map_err(|err| chain(&err))?;
        let request = cedar_policy::Request::new(principal, action, resource, context, None);
        Ok(Case { request: request.map_err(|err| chain(&err))?, entities, slices: None })
    }

    /// Adds the entities of the request, and those of the bundle's that they and what is `named` lead to.
    fn with_own(&self, bundle: &Bundle, mut named: BTreeSet<EntityRef>, base: Entities) -> Result<Entities, String> {
        let (mut given, mut added) = (BTreeSet::new(), Vec::new());
        for json in self.entities.as_array().into_iter().flatten() {
            entity::references(json, &mut named);
            let own = json.get("uid").and_then(EntityRef::of_json);
            added.push(types::entity(bundle, self.root(own.as_ref()), json)?);
            given.extend(own);
        }
        let (known, _) = reach(bundle.statics(), named);
        let statics = known.into_iter().filter(|(own, _)| !given.contains(*own));
        added.extend(statics.map(|(_, found)| found.entity.clone()));
        base.upsert_entities(added, None).map_err(|err| chain(&err))
    }

    /// What an error calls an entity.
    fn root(&self, own: Option<&EntityRef>) -> &'static str {
        match own {
            Some(own) if *own == self.principal => "principal",
            Some(own) if *own == self.resource => "resource",
            Some(_) | None => "entity",
        }
    }
}

/// Cedar's own opinion of what [`types`] made.
fn conformity(bundle: &Bundle, entities: &Entities, context: &Context, action: &EntityUid) -> Result<(), String> {
    context.validate(bundle.schema(), action).map_err(|err| chain(&err))?;
    let own = entities.iter().cloned();
    Entities::from_entities(own, Some(bundle.schema())).map(|_| ()).map_err(|err| chain(&err))
}

/// Whether somebody may ask at all.
fn check_subject(subject: &Subject, principal: Option<&Principal>) -> Result<(), String> {
    match (subject, principal) {
        (Subject::Principal(id), None) => Err(format!("principal {id} is unknown")),
        (Subject::Principal(id), Some(principal)) if principal.suspended => Err(format!("principal {id} is suspended")),
        (Subject::Principal(_), Some(_)) => Ok(()),
        (Subject::External(external), _) => external.check(),
    }
}

fn named(id: &chancery_base::PrincipalId) -> EntityRef {
    EntityRef::new(id.kind().entity_type(), id.to_string())
}

/// The resource's entity: what the bundle has of it, its parents, and what the request may assert. `None` if the
/// resource is a principal, which the directory gives, or the one who asks.
fn resource_json(bundle: &Bundle, request: &Request) -> Result<Option<Value>, String> {
    let resource = &request.resource;
    let (kind, at) = (&resource.entity.kind, "resource.attributes");
    entity::check_asserted(bundle, at, kind, &resource.attributes)?;
    let given_elsewhere = if resource.entity.principal().is_some() {
        Some("a principal's attributes come from the directory")
    } else if request.principal.entity() == resource.entity {
        Some("the resource is the subject, whose attributes are given with it")
    } else {
        None
    };
    match given_elsewhere {
        Some(_) if resource.attributes.is_empty() => return Ok(None),
        Some(why) => return Err(why.to_owned()),
        None => {}
    }
    let mut draft = Draft::of_statics(bundle, &resource.entity);
    draft.give(at, &resource.attributes, "the bundle's entities give it")?;
    draft.add_parents(&resource.parents);
    Ok(Some(draft.into_json()))
}

/// Adds every principal that can be reached from what is `wanted`.
fn add_principals(
    bundle: &Bundle,
    directory: &Directory,
    mut wanted: BTreeSet<EntityRef>,
    own: &EntityRef,
    entities: &mut Vec<Value>,
) -> Result<(), String> {
    let mut added: BTreeSet<EntityRef> = BTreeSet::from([own.clone()]);
    while !wanted.is_empty() {
        let (_, others) = reach(bundle.statics(), std::mem::take(&mut wanted));
        for other in others {
            let found = other.principal().filter(|_| !added.contains(&other)).and_then(|id| directory.principal(&id));
            let Some(json) = found.and_then(|principal| principal.entity_json(bundle)) else { continue };
            entity::references(&json, &mut wanted);
            entities.push(json);
            added.insert(other);
            if added.len() > PRINCIPALS_NAMED_MAX {
                return Err(format!(
                    "the entities that this rests on name more than {PRINCIPALS_NAMED_MAX} principals"
                ));
            }
        }
        wanted.retain(|reference| !added.contains(reference));
    }
    Ok(())
}
