//! Who asks: a principal of the directory, or somebody that the directory does not know.

use crate::bundle::Bundle;
use crate::entity::{self, Draft};
use crate::request::EntityRef;
use crate::types::no_type;
use chancery_base::{PrincipalId, PrincipalKind};
use serde_json::{Map, Value};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A principal of the tenant's directory.
    Principal(PrincipalId),
    /// Somebody of another entity type than `User`, `Service` and `Agent`.
    External(Box<External>),
}

/// Somebody that the directory does not know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct External {
    /// Type and id.
    pub entity: EntityRef,
    /// Attributes that the request asserts. Each must be marked `@asserted` in the bundle's schema.
    pub attributes: Map<String, Value>,
    /// What a policy information point says.
    pub information: Information,
}

/// What a policy information point says of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Information {
    /// None was asked: the bundle and the request say what there is to say.
    Unasked,
    /// None was asked because the bundle has the subject. Denies where the bundle that decides has it not.
    InBundle,
    /// It knows the subject. A bundle sees those attributes that its schema declares for the type, and those parents
    /// that the schema lets it be in.
    Known {
        /// Its attributes.
        attributes: Map<String, Value>,
        /// What it is in.
        parents: Vec<EntityRef>,
    },
    /// It gave no answer, or does not know the subject, which denies; why.
    Missing(String),
}

impl From<PrincipalId> for Subject {
    fn from(id: PrincipalId) -> Self {
        Self::Principal(id)
    }
}

impl From<External> for Subject {
    fn from(external: External) -> Self {
        Self::External(Box::new(external))
    }
}

impl Subject {
    /// The id in the directory, if it is one of a principal.
    #[must_use]
    pub const fn id(&self) -> Option<PrincipalId> {
        match self {
            Self::Principal(id) => Some(*id),
            Self::External(_) => None,
        }
    }

    /// Type and id.
    #[must_use]
    pub fn entity(&self) -> EntityRef {
        match self {
            Self::Principal(id) => EntityRef::new(id.kind().entity_type(), id.to_string()),
            Self::External(external) => external.entity.clone(),
        }
    }
}

impl EntityRef {
    /// Whether it is of a type whose entities come from the directory: `User`, `Service`, `Agent`.
    #[must_use]
    pub fn is_of_directory(&self) -> bool {
        PrincipalKind::ALL.iter().any(|kind| kind.entity_type() == self.kind)
    }
}

impl External {
    /// Somebody of whom nothing is asserted and nobody was asked.
    #[must_use]
    pub fn new(entity: EntityRef) -> Self {
        Self { entity, attributes: Map::new(), information: Information::Unasked }
    }

    /// Checks what needs no schema.
    ///
    /// # Errors
    /// Says why the request is denied whatever the policies say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.entity.is_of_directory() {
            return Err(format!("{} is unknown: it is of a type whose entities come from the directory", self.entity));
        }
        entity::check_values("subject.attributes", &self.attributes)?;
        match &self.information {
            Information::Unasked | Information::InBundle => Ok(()),
            Information::Known { attributes, .. } => entity::check_values("information.attrs", attributes),
            Information::Missing(why) => Err(format!("{} is unknown: {why}", self.entity)),
        }
    }

    /// Its entity: what the bundle has of it, what the information point says, what the request asserts.
    ///
    /// # Errors
    /// Names an attribute that may not be asserted, or that two of them give.
    pub(crate) fn entity_json(&self, bundle: &Bundle) -> Result<Value, String> {
        let kind = self.entity.kind.as_str();
        let declared = bundle.schema_facts().entity_type(kind).ok_or_else(|| no_type(kind))?;
        let mut draft = Draft::of_statics(bundle, &self.entity);
        match &self.information {
            Information::InBundle if !bundle.has_entity(&self.entity) => {
                return Err(format!("{} is unknown: the bundle has it no longer", self.entity));
            }
            Information::Known { attributes, parents } => {
                let known = attributes.iter().filter(|(name, _)| declared.attributes.attributes.contains_key(*name));
                draft.give("information.attrs", known, "the bundle's entities give it")?;
                draft.add_parents(parents.iter().filter(|parent| declared.parents.contains(&parent.kind)));
            }
            Information::Unasked | Information::InBundle | Information::Missing(_) => {}
        }
        entity::check_asserted(bundle, "subject.attributes", kind, &self.attributes)?;
        draft.give("subject.attributes", &self.attributes, "the bundle or the information point gives it")?;
        Ok(draft.into_json())
    }
}
