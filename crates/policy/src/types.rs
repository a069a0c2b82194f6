//! JSON to Cedar values, by the types that the schema declares.
//!
//! Cedar can do this itself, and does when a bundle is loaded. For a decision that takes several times as long as
//! asking the policies, so it is done here: what is not of its declared type does not become a value, and the error
//! says where. In debug builds every result is checked against Cedar's own answer.

use crate::bundle::Bundle;
use crate::request::EntityRef;
use cedar_policy::{Entity, EntityId, EntityUid, RestrictedExpression};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A type of the schema, common types written out.
#[derive(Debug, Clone)]
pub(crate) enum Type {
    Long,
    String,
    Bool,
    Set(Box<Self>),
    Record(Record),
    /// The full name of an entity type.
    Entity(String),
    Extension(Extension),
}

/// The extension types.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extension {
    Ip,
    Decimal,
    Datetime,
    Duration,
}

/// A record type, closed as all are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) attributes: BTreeMap<String, Attribute>,
}

/// An attribute of a record or entity type.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) kind: Type,
    pub(crate) is_required: bool,
    /// Whether the request may fill it.
    pub(crate) is_asserted: bool,
}

impl Type {
    /// A type that every schema has.
    pub(crate) fn builtin(name: &str) -> Option<Self> {
        Some(match name {
            "Long" => Self::Long,
            "String" => Self::String,
            "Bool" | "Boolean" => Self::Bool,
            "ipaddr" => Self::Extension(Extension::Ip),
            "decimal" => Self::Extension(Extension::Decimal),
            "datetime" => Self::Extension(Extension::Datetime),
            "duration" => Self::Extension(Extension::Duration),
            _ => return None,
        })
    }

    /// The value, if it is of this type.
    ///
    /// # Errors
    /// Says what must stand at `at`.
    fn value(&self, bundle: &Bundle, at: &Path<'_>, value: &Value) -> Result<RestrictedExpression, String> {
        match (self, value) {
            (Self::Long, Value::Number(number)) => match number.as_i64() {
                Some(whole) => Ok(RestrictedExpression::new_long(whole)),
                None => Err(format!("`{at}` must be a whole number")),
            },
            (Self::String, Value::String(text)) => Ok(RestrictedExpression::new_string(text.clone())),
            (Self::Bool, Value::Bool(truth)) => Ok(RestrictedExpression::new_bool(*truth)),
            (Self::Set(element), Value::Array(items)) => {
                let values = items.iter().enumerate().map(|(n, item)| element.value(bundle, &at.index(n), item));
                Ok(RestrictedExpression::new_set(values.collect::<Result<Vec<_>, String>>()?))
            }
            (Self::Record(record), Value::Object(map)) => {
                let pairs = record.pairs(bundle, at, map)?;
                RestrictedExpression::new_record(pairs).map_err(|err| format!("`{at}`: {}", crate::chain(&err)))
            }
            (Self::Entity(kind), Value::Object(map)) => {
                let reference = reference(map).filter(|(named, _)| *named == kind);
                let (kind, id) = reference.ok_or_else(|| self.expected(at))?;
                Ok(RestrictedExpression::new_entity_uid(bundle.uid(kind, id)?))
            }
            (Self::Extension(extension), value) => {
                extension.argument(value).map(|text| extension.value(text)).ok_or_else(|| self.expected(at))
            }
            (Self::Long | Self::String | Self::Bool | Self::Set(_) | Self::Record(_) | Self::Entity(_), _) => {
                Err(self.expected(at))
            }
        }
    }

    fn expected(&self, at: &Path<'_>) -> String {
        let what = match self {
            Self::Long => "a whole number".to_owned(),
            Self::String => "text".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Set(_) => "a list".to_owned(),
            Self::Record(_) => "an object".to_owned(),
            Self::Entity(kind) => format!("an entity {{\"type\": \"{kind}\", \"id\": …}}"),
            Self::Extension(extension) => format!("text that is a {}", extension.constructor()),
        };
        format!("`{at}` must be {what}")
    }
}

impl Extension {
    const fn constructor(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Decimal => "decimal",
            Self::Datetime => "datetime",
            Self::Duration => "duration",
        }
    }

    fn value(self, text: &str) -> RestrictedExpression {
        match self {
            Self::Ip => RestrictedExpression::new_ip(text),
            Self::Decimal => RestrictedExpression::new_decimal(text),
            Self::Datetime => RestrictedExpression::new_datetime(text),
            Self::Duration => RestrictedExpression::new_duration(text),
        }
    }

    /// `"…"`, or `{"__extn": {"fn": "ip", "arg": "…"}}` as Cedar writes it.
    fn argument(self, value: &Value) -> Option<&str> {
        let Value::Object(map) = value else { return value.as_str() };
        let call = map.get("__extn").filter(|_| map.len() == 1)?;
        call.get("arg").filter(|_| call.get("fn").is_some_and(|name| name == self.constructor()))?.as_str()
    }
}

impl Record {
    /// The attributes of a value of this type.
    ///
    /// # Errors
    /// Names what is missing, what is not declared, and what is not of its type.
    pub(crate) fn pairs(
        &self,
        bundle: &Bundle,
        at: &Path<'_>,
        map: &Map<String, Value>,
    ) -> Result<Vec<(String, RestrictedExpression)>, String> {
        let missing = |(name, attribute): &(&String, &Attribute)| attribute.is_required && !map.contains_key(*name);
        if let Some((name, _)) = self.attributes.iter().find(missing) {
            return Err(format!("`{}` is missing", at.key(name)));
        }
        let pair = |(name, value): (&String, &Value)| {
            let at = at.key(name);
            let declared = self.attributes.get(name).ok_or_else(|| format!("`{at}` is not declared by the schema"))?;
            Ok((name.clone(), declared.kind.value(bundle, &at, value)?))
        };
        map.iter().map(pair).collect()
    }
}

/// An entity of Cedar's JSON.
///
/// # Errors
/// Says what does not conform to the schema.
pub(crate) fn entity(bundle: &Bundle, root: &str, json: &Value) -> Result<Entity, String> {
    let uid = json.get("uid").and_then(Value::as_object).and_then(reference);
    let (kind, id) = uid.ok_or_else(|| format!("`{root}` has no `uid`"))?;
    let declared = bundle.schema_facts().entity_type(kind).ok_or_else(|| no_type(kind))?;
    let part = |key: &str| json.get(key).and_then(Value::as_object);
    let (none, root) = (Map::new(), Path { before: None, last: Key::Name(root) });
    let attributes = declared.attributes.pairs(bundle, &root, part("attrs").unwrap_or(&none))?;
    let parents = json.get("parents").and_then(Value::as_array).into_iter().flatten().map(|parent| {
        let (parent_kind, parent_id) = parent
            .as_object()
            .and_then(reference)
            .ok_or_else(|| format!("`{root}` has a parent without type and id"))?;
        if !declared.parents.contains(parent_kind) {
            return Err(format!("the bundle's schema does not let {kind} be in {parent_kind}"));
        }
        bundle.uid(parent_kind, parent_id)
    });
    let tags = part("tags").into_iter().flatten().map(|(name, value)| {
        let declared = declared.tags.as_ref().ok_or_else(|| format!("the schema gives {kind} no tags"))?;
        Ok((name.clone(), declared.value(bundle, &root.key(name), value)?))
    });
    let (parents, tags) = (parents.collect::<Result<Vec<_>, String>>()?, tags.collect::<Result<Vec<_>, String>>()?);
    Entity::new_with_tags(bundle.uid(kind, id)?, attributes, parents, tags).map_err(|err| crate::chain(&err))
}

/// The type and id of `{"type": …, "id": …}`, also inside `__entity`.
fn reference(map: &Map<String, Value>) -> Option<(&str, &str)> {
    let map = map.get("__entity").and_then(Value::as_object).unwrap_or(map);
    Some((map.get("type")?.as_str()?, map.get("id")?.as_str()?)).filter(|_| map.len() == 2)
}

pub(crate) fn no_type(kind: &str) -> String {
    format!("the bundle's schema has no entity type `{kind}`")
}

impl Bundle {
    /// The entity's name for Cedar.
    ///
    /// # Errors
    /// If the schema does not declare its type, or lists the type's ids and this is none of them.
    pub(crate) fn uid(&self, kind: &str, id: &str) -> Result<EntityUid, String> {
        let name = self.type_name(kind).ok_or_else(|| no_type(kind))?;
        let declared = self.schema_facts().entity_type(kind).and_then(|declared| declared.ids.as_ref());
        if declared.is_some_and(|ids| !ids.contains(id)) {
            return Err(format!("the bundle's schema has no {}", EntityRef::new(kind, id)));
        }
        Ok(EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id)))
    }
}

/// Where a value stands; written out only in an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    pub(crate) before: Option<&'a Self>,
    pub(crate) last: Key<'a>,
}

/// One part of a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    const fn key(&'a self, name: &'a str) -> Self {
        Self { before: Some(self), last: Key::Name(name) }
    }

    const fn index(&'a self, index: usize) -> Self {
        Self { before: Some(self), last: Key::Index(index) }
    }
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(before) = self.before {
            before.fmt(f)?;
        }
        match self.last {
            Key::Name(name) if self.before.is_some() => write!(f, ".{name}"),
            Key::Name(name) => f.write_str(name),
            Key::Index(index) => write!(f, "[{index}]"),
        }
    }
}
