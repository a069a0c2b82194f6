//! What a decision rests on, gathered once and kept with it.

use crate::bundle::{Base, Bundle};
use crate::chain;
use crate::directory::{Directory, Principal};
use crate::entity::{self, reach};
use crate::index::{Answer, Slice};
use crate::request::{EntityRef, Request};
use crate::types::{self, Key, Path, no_type};
use cedar_policy::{Context, Entities, EntityUid};
use serde_json::{Map, Value, json};
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
    slice: &'a Slice,
    base: &'a Base,
}

impl Facts {
    pub(super) fn of_request(request: &Request) -> Self {
        let principal = EntityRef::new(request.principal.kind().entity_type(), request.principal.to_string());
        let resource = request.resource.entity.clone();
        let json = json!({
            "principal": principal.to_json(), "action": request.action, "resource": resource.to_json(),
            "context": request.context,
        });
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
        let principal = principal.ok_or_else(|| format!("principal {} is unknown", request.principal))?;
        if principal.suspended {
            return Err(format!("principal {} is suspended", request.principal));
        }
        entity::check_values("context", &request.context)?;
        entity::check_values("resource.attributes", &request.resource.attributes)?;
        let environment = self.environment(bundle)?;
        let own = principal.entity_json(bundle).ok_or_else(|| no_type(&self.principal.kind))?;
        let mut entities = vec![own];
        entities.extend(resource_json(bundle, request)?);
        let mut wanted: BTreeSet<EntityRef> = environment.base.principals.iter().map(named).collect();
        for value in entities.iter().chain(request.context.values()) {
            entity::references(value, &mut wanted);
        }
        add_principals(bundle, directory, wanted, &self.principal, &mut entities)?;
        self.entities = Value::Array(entities);
        Ok(())
    }

    fn environment<'a>(&self, bundle: &'a Bundle) -> Result<Environment<'a>, String> {
        let action = bundle.action(&self.action);
        let action = action.ok_or_else(|| format!("the bundle's schema has no action `{}`", self.action))?;
        let principal = bundle.uid(&self.principal.kind, &self.principal.id)?;
        let resource = bundle.uid(&self.resource.kind, &self.resource.id)?;
        let slice = bundle.index().slice(action, principal.type_name(), resource.type_name()).ok_or_else(|| {
            let (who, what) = (&self.principal.kind, &self.resource.kind);
            format!("the bundle's schema does not let `{}` be done by {who} to {what}", self.action)
        })?;
        Ok(Environment { principal, action, resource, slice, base: bundle.base(slice, action) })
    }

    /// Asks the policies.
    ///
    /// # Errors
    /// Says what does not conform to the schema.
    pub(super) fn evaluate(&self, bundle: &Bundle) -> Result<Answer, String> {
        let Environment { principal, action, resource, slice, base } = self.environment(bundle)?;
        let none = Map::new();
        let context = self.request.get("context").and_then(Value::as_object).unwrap_or(&none);
        let (mut named, mut given, mut added) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        context.values().for_each(|value| entity::references(value, &mut named));
        for json in self.entities.as_array().into_iter().flatten() {
            entity::references(json, &mut named);
            let own = json.get("uid").and_then(EntityRef::of_json);
            added.push(types::entity(bundle, self.root(own.as_ref()), json)?);
            given.extend(own);
        }
        let (known, _) = reach(bundle.statics(), named);
        let statics = known.into_iter().filter(|(own, _)| !given.contains(*own));
        added.extend(statics.map(|(_, found)| found.entity.clone()));
        let entities = base.entities.clone().upsert_entities(added, None).map_err(|err| chain(&err))?;
        let declared = bundle.schema_facts().context(&self.action);
        let at = Path { before: None, last: Key::Name("context") };
        let pairs = declared.map_or_else(|| Ok(Vec::new()), |record| record.pairs(bundle, &at, context))?;
        let context = Context::from_pairs(pairs).map_err(|err| chain(&err))?;
        debug_assert_eq!(conformity(bundle, &entities, &context, action), Ok(()), "we take what Cedar would not");
        let request = cedar_policy::Request::new(principal, action.clone(), resource, context, None);
        let request = request.map_err(|err| chain(&err))?;
        Ok(bundle.index().evaluate_in(slice, &request, &entities))
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

fn named(id: &chancery_base::PrincipalId) -> EntityRef {
    EntityRef::new(id.kind().entity_type(), id.to_string())
}

/// The resource's entity: what the bundle has of it, its parents, and what the request may assert. `None` if the
/// resource is a principal, which the directory gives.
fn resource_json(bundle: &Bundle, request: &Request) -> Result<Option<Value>, String> {
    let resource = &request.resource;
    for name in resource.attributes.keys() {
        if !bundle.is_asserted(&resource.entity.kind, name) {
            let kind = &resource.entity.kind;
            return Err(format!(
                "`resource.attributes.{name}` may not be given: the schema does not mark it @asserted on {kind}"
            ));
        }
    }
    if resource.entity.principal().is_some() {
        return if resource.attributes.is_empty() {
            Ok(None)
        } else {
            Err("a principal's attributes come from the directory".to_owned())
        };
    }
    let own = bundle.statics().get(&resource.entity).map(|found| &found.json);
    let part = |key: &str| own.and_then(|json| json.get(key)).cloned();
    let mut attributes = part("attrs").and_then(|attrs| attrs.as_object().cloned()).unwrap_or_default();
    for (name, value) in &resource.attributes {
        if attributes.insert(name.clone(), value.clone()).is_some() {
            return Err(format!("`resource.attributes.{name}` may not be given: the bundle's entities give it"));
        }
    }
    let mut parents = part("parents").and_then(|parents| parents.as_array().cloned()).unwrap_or_default();
    parents.extend(resource.parents.iter().map(EntityRef::to_json));
    let mut entity = Map::new();
    entity.insert("uid".to_owned(), resource.entity.to_json());
    entity.insert("attrs".to_owned(), Value::Object(attributes));
    entity.insert("parents".to_owned(), Value::Array(parents));
    if let Some(tags) = part("tags") {
        entity.insert("tags".to_owned(), tags);
    }
    Ok(Some(Value::Object(entity)))
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
