//! The principals of one tenant.

use crate::bundle::Bundle;
use chancery_base::limits::PRINCIPALS_MAX;
use chancery_base::{Digest, Kind, Name, PrincipalId, json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A principal as the directory keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Who it is; the kind of id says whether it is a `User`, a `Service` or an `Agent`.
    pub id: PrincipalId,
    /// What people call it; attribute `name`.
    pub name: String,
    /// Its roles: attribute `roles`, and a `Role` parent each where the schema says that its type may be in roles.
    #[serde(default)]
    pub roles: BTreeSet<Name>,
    /// Further attributes. A bundle sees those that its schema declares for the type.
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// Whether everything it asks for is denied.
    #[serde(default)]
    pub suspended: bool,
}

impl Principal {
    /// A principal without roles and attributes that is not suspended.
    #[must_use]
    pub fn new(id: PrincipalId, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), roles: BTreeSet::new(), attributes: Map::new(), suspended: false }
    }

    /// The same with these roles.
    #[must_use]
    pub fn with_roles(mut self, roles: impl IntoIterator<Item = Name>) -> Self {
        self.roles.extend(roles);
        self
    }

    /// SHA-256 over the canonical JSON of all that is known of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let roles = self.roles.iter().map(|role| Value::from(role.as_str())).collect::<Vec<_>>();
        let value = serde_json::json!({
            "id": self.id.to_string(), "name": self.name, "roles": roles,
            "attributes": self.attributes, "suspended": self.suspended,
        });
        Digest::of(&json::canonical(&value))
    }
}

/// Why rows do not make a directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// More principals than a tenant may have.
    #[error("more than {PRINCIPALS_MAX} principals")]
    TooMany,
    /// Two rows are of one principal.
    #[error("principal {0} stands twice")]
    Duplicate(PrincipalId),
    /// An attribute has the name of what the directory itself gives.
    #[error("principal {id}: attribute `{attribute}` is given by the directory and cannot be set")]
    Reserved {
        /// Whose attribute.
        id: PrincipalId,
        /// Its name.
        attribute: String,
    },
    /// An attribute has a value that Cedar has no type for.
    #[error("principal {id}: {problem}")]
    Value {
        /// Whose attribute.
        id: PrincipalId,
        /// Where and what.
        problem: String,
    },
}

impl DirectoryError {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::TooMany => Kind::Limited,
            Self::Duplicate(_) => Kind::Conflict,
            Self::Reserved { .. } | Self::Value { .. } => Kind::Invalid,
        }
    }
}

/// The principals of one tenant. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    principals: Arc<BTreeMap<PrincipalId, Principal>>,
}

/// The attributes that the directory gives; [`Principal::attributes`] has none of these names.
pub(crate) const OWN_ATTRIBUTES: [&str; 3] = ["id", "name", "roles"];

impl Directory {
    /// A directory of these principals.
    ///
    /// # Errors
    /// If there are too many, one stands twice, or an attribute is not one that [`Principal::check`] takes.
    pub fn new(principals: impl IntoIterator<Item = Principal>) -> Result<Self, DirectoryError> {
        let mut map = BTreeMap::new();
        for principal in principals {
            principal.check()?;
            let id = principal.id;
            if map.insert(id, principal).is_some() {
                return Err(DirectoryError::Duplicate(id));
            }
            if map.len() > PRINCIPALS_MAX {
                return Err(DirectoryError::TooMany);
            }
        }
        Ok(Self { principals: Arc::new(map) })
    }

    /// The principal of that id.
    #[must_use]
    pub fn principal(&self, id: &PrincipalId) -> Option<&Principal> {
        self.principals.get(id)
    }

    /// Every principal, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Principal> {
        self.principals.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.principals.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.principals.is_empty()
    }
}

impl Principal {
    /// Checks what the directory takes: attributes have no reserved name, no null, no fraction and no number beyond ±2⁵³.
    ///
    /// # Errors
    /// Names the attribute.
    pub fn check(&self) -> Result<(), DirectoryError> {
        if let Some(name) = OWN_ATTRIBUTES.iter().find(|name| self.attributes.contains_key(**name)) {
            return Err(DirectoryError::Reserved { id: self.id, attribute: (*name).to_owned() });
        }
        crate::entity::check_values("attributes", &self.attributes)
            .map_err(|problem| DirectoryError::Value { id: self.id, problem })
    }

    /// Its entity as the bundle's schema sees it; `None` if the schema does not declare its type.
    pub(crate) fn entity_json(&self, bundle: &Bundle) -> Option<Value> {
        let kind = self.id.kind().entity_type();
        let declared = bundle.schema_facts().entity_type(kind)?;
        let mut attributes = Map::new();
        for name in declared.attributes.attributes.keys() {
            let value = match name.as_str() {
                "id" => Some(Value::from(self.id.to_string())),
                "name" => Some(Value::from(self.name.clone())),
                "roles" => Some(self.roles.iter().map(|role| Value::from(role.as_str())).collect()),
                other => self.attributes.get(other).cloned(),
            };
            if let Some(value) = value {
                attributes.insert(name.clone(), value);
            }
        }
        let parents: Vec<Value> = if declared.parents.contains("Role") {
            self.roles.iter().map(|role| serde_json::json!({ "type": "Role", "id": role.as_str() })).collect()
        } else {
            Vec::new()
        };
        Some(serde_json::json!({
            "uid": { "type": kind, "id": self.id.to_string() }, "attrs": attributes, "parents": parents,
        }))
    }
}
