//! A bundle: a Cedar schema, policies and static entities, content-addressed.

mod document;
mod error;
mod load;

pub use error::{BundleError, Problem};
pub use load::faults;

use crate::decide::Effect;
use crate::entity::{Statics, reach};
use crate::index::{Index, Slice};
use crate::request::EntityRef;
use crate::schema::SchemaFacts;
use cedar_policy::{Entities, EntityTypeName, EntityUid, PolicyId, Schema};
use chancery_base::{Digest, Name, PrincipalId};
use document::Document;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A bundle that was read and validated. Cloning shares it.
///
/// The document is JSON: `name`, `version` (from 1), `schema` (Cedar schema text), `policies` (Cedar text, or texts by
/// file name), `entities` (a list in Cedar's JSON, optional), `description` (optional). Any other key is refused.
///
/// Principals are the entity types `User`, `Service` and `Agent`, and come from the directory, never from the bundle.
/// The directory gives `id`, `name` and `roles`, if the schema declares them. Actions are those declared outside any
/// namespace. A request may fill those attributes of its resource that the schema marks `@asserted`.
///
/// A policy's id is its `@id`, else `policy0`, `policy1`, … or `<file>#0`, …; its `@reason`, or `@justification`, is
/// what a decision says of it.
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
    loaded: Loaded,
}

/// What the document's texts are to Cedar.
#[derive(Debug)]
pub(crate) struct Loaded {
    schema: Schema,
    facts: SchemaFacts,
    index: Index,
    statics: Statics,
    policies: BTreeMap<PolicyId, PolicyFacts>,
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
        let Document { name, version, description, canonical, texts } = Document::read(bytes)?;
        let digest = Digest::of(&canonical);
        let loaded = load::load(texts)?;
        Ok(Self { inner: Arc::new(Inner { name, version, description, digest, canonical, loaded }) })
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

    /// The policies' ids, in order.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.inner.loaded.policies.keys().map(AsRef::as_ref)
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

    /// Whether a request may fill this attribute of a resource of this type.
    #[must_use]
    pub fn is_asserted(&self, resource_type: &str, attribute: &str) -> bool {
        let declared = self.inner.loaded.facts.entity_type(resource_type);
        let declared = declared.and_then(|declared| declared.attributes.attributes.get(attribute));
        declared.is_some_and(|attribute| attribute.is_asserted)
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

    /// What every decision in the environment of `slice` needs: the action with its groups, what the policies name,
    /// and what can be reached from there.
    pub(crate) fn base<'a>(&self, slice: &'a Slice, action: &EntityUid) -> &'a Base {
        slice.base.get_or_init(|| {
            let seeds = slice
                .literals
                .iter()
                .map(|uid| EntityRef::new(uid.type_name().to_string(), AsRef::<str>::as_ref(uid.id())));
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
