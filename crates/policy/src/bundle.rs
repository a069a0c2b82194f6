//! A bundle: a Cedar schema, policies and static entities, content-addressed.

mod document;
mod error;
mod load;

pub use error::{BundleError, Problem};
pub use load::faults;
pub(crate) use load::on_a_large_stack;

use crate::cases::Case;
use crate::decide::Effect;
use crate::entity::{Statics, reach};
use crate::index::{Index, Slice};
use crate::mode::{Mode, Modes};
use crate::obligation::Obligation;
use crate::request::EntityRef;
use crate::schema::SchemaFacts;
use crate::vocabulary::Vocabulary;
use cedar_policy::{Entities, EntityTypeName, EntityUid, PolicyId, Schema};
use chancery_base::{Digest, Name, PrincipalId};
use document::Document;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// A bundle that was read and validated. Cloning shares it.
///
/// The document is JSON: `name`, `version` (from 1), `schema` (Cedar schema text), `policies` (Cedar text, or texts by
/// file name), and where wanted `obligations` (as policies), `mode`, `modes` (by action), `risk_threshold`, `risk` (tables),
/// `entities` (a list in Cedar's JSON), `description`, `tests` (a list of cases that it must pass to be pushed; see
/// [`crate::cases`]). Any other key is refused.
///
/// Principals are the entity types `User`, `Service` and `Agent`, and come from the directory, never from the bundle.
/// The directory gives `id`, `name` and `roles`, if the schema declares them. Who asks may also be of another type: then
/// the bundle's entities, a policy information point and the request say what it is. Actions are those declared outside
/// any namespace. A request may fill those attributes of its resource, and of an asker that is not of the directory,
/// that the schema marks `@asserted`.
///
/// A policy's id is its `@id`, else `policy0`, `policy1`, … or `<file>#0`, …; its `@reason`, or `@justification`, is
/// what a decision says of it. An obligation's id is made likewise: `obligation0`, `obligation1`, …
#[derive(Debug, Clone)]
pub struct Bundle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: Name,
    version: u64,
    description: Option<String>,
    digest: Digest,
    canonical: Vec<u8>,
    modes: Modes,
    vocabulary: Vocabulary,
    risk: Option<Value>,
    loaded: Loaded,
    cases: Vec<Case>,
}

/// What the document's texts are to Cedar.
#[derive(Debug)]
pub(crate) struct Loaded {
    schema: Schema,
    facts: SchemaFacts,
    index: Index,
    /// None where the bundle demands nothing.
    obligation_index: Option<Index>,
    statics: Statics,
    policies: BTreeMap<PolicyId, PolicyFacts>,
    obligations: BTreeMap<PolicyId, Obligation>,
    types: HashMap<String, EntityTypeName>,
    actions: HashMap<String, EntityUid>,
}

/// What a decision says of a policy.
#[derive(Debug)]
pub(crate) struct PolicyFacts {
    pub(crate) effect: Effect,
    pub(crate) reason: Option<String>,
}

/// What of a bundle's entities every decision in one environment needs.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) entities: Entities,
    /// The principals that those entities name.
    pub(crate) principals: BTreeSet<PrincipalId>,
}

impl Bundle {
    /// Reads and validates a document.
    ///
    /// # Errors
    /// If the text is not such a document, is larger than a limit, asks for what is not supported, or Cedar's strict
    /// validation finds fault; then every problem is listed with its place.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let Document { name, version, description, canonical, modes, vocabulary, risk, texts, cases } =
            Document::read(bytes)?;
        let digest = Digest::of(&canonical);
        let loaded = load::load(&texts)?;
        if let Some(action) = modes.actions().find(|action| !loaded.actions.contains_key(*action)) {
            let expected = "of an action that the schema declares".to_owned();
            return Err(BundleError::Form { at: format!("modes.{action}"), expected });
        }
        let inner = Inner { name, version, description, digest, canonical, modes, vocabulary, risk, loaded, cases };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.inner.name
    }

    /// Its version, from 1.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.inner.version
    }

    /// What its author says of it.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.inner.description.as_deref()
    }

    /// SHA-256 over its canonical JSON (RFC 8785): equal documents have equal digests, however they were laid out.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }

    /// Its canonical JSON (RFC 8785), as the store keeps it. [`Bundle::parse`] reads it back.
    #[must_use]
    pub fn canonical(&self) -> &[u8] {
        &self.inner.canonical
    }

    /// What it says of risk, as it stands there: whoever computes risks reads it.
    #[must_use]
    pub fn risk(&self) -> Option<&Value> {
        self.inner.risk.as_ref()
    }

    /// The attributes that its entities give one.
    #[must_use]
    pub fn attributes_of(&self, entity: &EntityRef) -> Option<&Map<String, Value>> {
        self.inner.loaded.statics.get(entity)?.json.get("attrs")?.as_object()
    }

    /// The policies' ids, in order.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.inner.loaded.policies.keys().map(AsRef::as_ref)
    }

    /// What its obligations demand, in the order of their ids.
    pub fn demands(&self) -> impl Iterator<Item = &Obligation> {
        self.inner.loaded.obligations.values()
    }

    /// The obligations' ids, in order.
    pub fn obligations(&self) -> impl Iterator<Item = &str> {
        self.inner.loaded.obligations.keys().map(AsRef::as_ref)
    }

    /// How what its policies leave open is answered for this action.
    #[must_use]
    pub fn mode(&self, action: &str) -> Mode {
        self.inner.modes.of(action)
    }

    /// The classes of data and the purposes that it knows.
    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.inner.vocabulary
    }

    /// From which risk on [`Mode::Paranoid`] asks for an approval.
    pub(crate) fn risk_threshold(&self) -> u8 {
        self.inner.modes.threshold()
    }

    /// Whether the schema declares the action, outside any namespace.
    #[must_use]
    pub fn declares(&self, action: &str) -> bool {
        self.inner.loaded.facts.context(action).is_some()
    }

    /// Whether the schema declares this name in the context of this action. The built-ins (`attempt`, `transaction`,
    /// `worker`) are put in only where it does.
    #[must_use]
    pub fn context_declares(&self, action: &str, name: &str) -> bool {
        self.inner.loaded.facts.context(action).is_some_and(|context| context.attributes.contains_key(name))
    }

    /// The actions whose context declares this name as something else than a `Long`.
    pub fn not_long<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.inner.loaded.facts.not_long(name)
    }

    /// Whether a request may fill this attribute of a resource of this type.
    #[must_use]
    pub fn is_asserted(&self, resource_type: &str, attribute: &str) -> bool {
        let declared = self.inner.loaded.facts.entity_type(resource_type);
        let declared = declared.and_then(|declared| declared.attributes.attributes.get(attribute));
        declared.is_some_and(|attribute| attribute.is_asserted)
    }

    /// Whether the schema declares this entity type.
    #[must_use]
    pub fn declares_type(&self, kind: &str) -> bool {
        self.inner.loaded.facts.entity_type(kind).is_some()
    }

    /// Whether it has this entity.
    #[must_use]
    pub fn has_entity(&self, entity: &EntityRef) -> bool {
        self.inner.loaded.statics.contains_key(entity)
    }

    /// The ids of its entities of a type, in order, those after `after`.
    pub fn entity_ids(&self, kind: &str, after: Option<&str>) -> impl Iterator<Item = &str> {
        let kind = kind.to_owned();
        let from = match after {
            Some(after) => Bound::Excluded(EntityRef::new(kind.clone(), after)),
            None => Bound::Included(EntityRef::new(kind.clone(), "")),
        };
        let entities = self.inner.loaded.statics.range((from, Bound::Unbounded)).map(|(entity, _)| entity);
        entities.take_while(move |entity| entity.kind == kind).map(|entity| entity.id.as_str())
    }

    /// The actions that the schema declares outside any namespace, groups among them, in order, those after `after`.
    pub fn actions(&self, after: Option<&str>) -> impl Iterator<Item = &str> {
        self.inner.loaded.facts.actions(after)
    }

    /// What may be asked: each action outside any namespace with the types of who does it and of what it is done to, in
    /// order.
    #[must_use]
    pub fn environments(&self) -> BTreeSet<(String, String, String)> {
        let all = self.schema().request_envs();
        let named = all.map(|environment| {
            let action = AsRef::<str>::as_ref(environment.action().id()).to_owned();
            let outside = environment.action().type_name().to_string() == "Action";
            (outside, (action, environment.principal().to_string(), environment.resource().to_string()))
        });
        named.filter_map(|(outside, named)| outside.then_some(named)).collect()
    }

    /// Its own tests, in order.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.inner.cases
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.inner.loaded.schema
    }

    pub(crate) fn schema_facts(&self) -> &SchemaFacts {
        &self.inner.loaded.facts
    }

    pub(crate) fn index(&self) -> &Index {
        &self.inner.loaded.index
    }

    pub(crate) fn obligation_index(&self) -> Option<&Index> {
        self.inner.loaded.obligation_index.as_ref()
    }

    pub(crate) fn obligation(&self, id: &PolicyId) -> Option<&Obligation> {
        self.inner.loaded.obligations.get(id)
    }

    pub(crate) fn statics(&self) -> &Statics {
        &self.inner.loaded.statics
    }

    pub(crate) fn policy(&self, id: &PolicyId) -> Option<&PolicyFacts> {
        self.inner.loaded.policies.get(id)
    }

    pub(crate) fn type_name(&self, kind: &str) -> Option<&EntityTypeName> {
        self.inner.loaded.types.get(kind)
    }

    pub(crate) fn action(&self, id: &str) -> Option<&EntityUid> {
        self.inner.loaded.actions.get(id)
    }

    /// What every decision in the environment of `slice` needs: the action with its groups, what the policies and the
    /// `obligations` name, and what can be reached from there.
    pub(crate) fn base<'a>(&self, slice: &'a Slice, obligations: Option<&Slice>, action: &EntityUid) -> &'a Base {
        slice.base.get_or_init(|| {
            let named = slice.literals.iter().chain(obligations.into_iter().flat_map(|slice| &slice.literals));
            let seeds = named.map(|uid| EntityRef::new(uid.type_name().to_string(), AsRef::<str>::as_ref(uid.id())));
            let (known, others) = reach(self.statics(), seeds);
            let actions = self.index().action_entities(action);
            let entities = known.values().map(|found| found.entity.clone()).chain(actions);
            Base {
                // INVARIANT: a part of a hierarchy that Cedar took whole, ancestors included, is one that it takes.
                entities: Entities::from_entities(entities, None).unwrap_or_else(|_| Entities::empty()),
                principals: others.iter().filter_map(EntityRef::principal).collect(),
            }
        })
    }
}

impl EntityRef {
    /// The principal that this names, if it names one.
    pub(crate) fn principal(&self) -> Option<PrincipalId> {
        let id: PrincipalId = self.id.parse().ok()?;
        (id.kind().entity_type() == self.kind).then_some(id)
    }
}
