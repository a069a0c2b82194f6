//! Entities in Cedar's JSON: what they refer to, and which of a bundle's own a decision needs.

use crate::bundle::Bundle;
use crate::request::EntityRef;
use chancery_base::json::INTEGER_MAX;
use chancery_base::limits::NESTING_MAX;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Refuses null and fractions, which Cedar has no values for, and whole numbers that a payload cannot keep.
///
/// # Errors
/// Names the path and what is wrong there.
pub(crate) fn check_values(at: &str, map: &Map<String, Value>) -> Result<(), String> {
    map.iter().try_for_each(|(key, value)| check_value(&format!("{at}.{key}"), value, 0))
}

fn check_value(at: &str, value: &Value, depth: usize) -> Result<(), String> {
    if depth > NESTING_MAX {
        return Err(format!("`{at}` nests deeper than {NESTING_MAX}"));
    }
    match value {
        Value::Null => Err(format!("`{at}` is null, which policies have no value for: leave it out")),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if whole.unsigned_abs() <= INTEGER_MAX.unsigned_abs() => Ok(()),
            // Canonical JSON would keep another number, and deciding again another outcome.
            Some(_) => Err(format!("`{at}` is {number}, beyond ±2^53, which has no exact value everywhere")),
            None => Err(format!("`{at}` is {number}, but policies know whole numbers only: use minor units, or text")),
        },
        Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(n, item)| check_value(&format!("{at}[{n}]"), item, depth + 1))
        }
        Value::Object(map) => {
            map.iter().try_for_each(|(key, item)| check_value(&format!("{at}.{key}"), item, depth + 1))
        }
    }
}

/// Every entity that a value may refer to: each object with a `type` and an `id`. One that is only a record of that
/// form is found too, which costs a look and changes nothing.
pub(crate) fn references(value: &Value, found: &mut BTreeSet<EntityRef>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(map) => {
            if let (Some(Value::String(kind)), Some(Value::String(id))) = (map.get("type"), map.get("id")) {
                found.insert(EntityRef::new(kind.clone(), id.clone()));
            }
            map.values().for_each(|item| references(item, found));
        }
    }
}

/// Refuses attributes that a request may not fill.
///
/// # Errors
/// Names the attribute.
pub(crate) fn check_asserted(
    bundle: &Bundle,
    at: &str,
    kind: &str,
    asserted: &Map<String, Value>,
) -> Result<(), String> {
    match asserted.keys().find(|name| !bundle.is_asserted(kind, name)) {
        Some(name) => Err(format!("`{at}.{name}` may not be given: the schema does not mark it @asserted on {kind}")),
        None => Ok(()),
    }
}

/// An entity's JSON in the making: each attribute comes from one source. One that a second source repeats is no
/// contradiction.
#[derive(Debug)]
pub(crate) struct Draft {
    entity: EntityRef,
    attributes: Map<String, Value>,
    parents: Vec<Value>,
    tags: Option<Value>,
}

impl Draft {
    /// What a bundle has of the entity; nothing if it has not this one.
    pub(crate) fn of_statics(bundle: &Bundle, entity: &EntityRef) -> Self {
        let own = bundle.statics().get(entity).map(|found| &found.json);
        let part = |key: &str| own.and_then(|json| json.get(key)).cloned();
        Self {
            entity: entity.clone(),
            attributes: part("attrs").and_then(|attrs| attrs.as_object().cloned()).unwrap_or_default(),
            parents: part("parents").and_then(|parents| parents.as_array().cloned()).unwrap_or_default(),
            tags: part("tags"),
        }
    }

    /// Adds attributes.
    ///
    /// # Errors
    /// Names one that is there already and is another.
    pub(crate) fn give<'a>(
        &mut self,
        at: &str,
        attributes: impl IntoIterator<Item = (&'a String, &'a Value)>,
        giver: &str,
    ) -> Result<(), String> {
        for (name, value) in attributes {
            if self.attributes.insert(name.clone(), value.clone()).is_some_and(|before| before != *value) {
                return Err(format!("`{at}.{name}` may not be given: {giver}"));
            }
        }
        Ok(())
    }

    /// Adds what it is in.
    pub(crate) fn add_parents<'a>(&mut self, parents: impl IntoIterator<Item = &'a EntityRef>) {
        self.parents.extend(parents.into_iter().map(EntityRef::to_json));
    }

    pub(crate) fn into_json(self) -> Value {
        let mut entity = Map::new();
        entity.insert("uid".to_owned(), self.entity.to_json());
        entity.insert("attrs".to_owned(), Value::Object(self.attributes));
        entity.insert("parents".to_owned(), Value::Array(self.parents));
        if let Some(tags) = self.tags {
            entity.insert("tags".to_owned(), tags);
        }
        Value::Object(entity)
    }
}

/// An entity of a bundle.
#[derive(Debug)]
pub(crate) struct StaticEntity {
    pub(crate) json: Value,
    pub(crate) entity: cedar_policy::Entity,
    /// What its attributes and parents name, itself left out.
    pub(crate) references: BTreeSet<EntityRef>,
}

/// The entities of a bundle.
pub(crate) type Statics = BTreeMap<EntityRef, StaticEntity>;

/// Those entities of `statics` that can be reached from `seeds`, and what else was reached, which is not among them.
pub(crate) fn reach(
    statics: &Statics,
    seeds: impl IntoIterator<Item = EntityRef>,
) -> (BTreeMap<&EntityRef, &StaticEntity>, BTreeSet<EntityRef>) {
    let mut queue: Vec<EntityRef> = seeds.into_iter().collect();
    let (mut known, mut others) = (BTreeMap::new(), BTreeSet::new());
    while let Some(reference) = queue.pop() {
        match statics.get_key_value(&reference) {
            Some((key, found)) => {
                if known.insert(key, found).is_none() {
                    queue.extend(found.references.iter().cloned());
                }
            }
            None => {
                others.insert(reference);
            }
        }
    }
    (known, others)
}

/// The longest chain of parents.
///
/// # Errors
/// If it is longer than [`NESTING_MAX`], or goes in a circle.
pub(crate) fn check_hierarchy(parents: &BTreeMap<EntityRef, Vec<EntityRef>>) -> Result<(), String> {
    let mut heights: BTreeMap<&EntityRef, usize> = BTreeMap::new();
    for child in parents.keys() {
        height(parents, child, 0, &mut heights)?;
    }
    Ok(())
}

fn height<'a>(
    parents: &'a BTreeMap<EntityRef, Vec<EntityRef>>,
    child: &'a EntityRef,
    depth: usize,
    heights: &mut BTreeMap<&'a EntityRef, usize>,
) -> Result<usize, String> {
    if let Some(known) = heights.get(child) {
        return if depth + known > NESTING_MAX { Err(too_high(child)) } else { Ok(*known) };
    }
    if depth > NESTING_MAX {
        return Err(too_high(child));
    }
    let mut highest = 0;
    for parent in parents.get(child).into_iter().flatten() {
        highest = highest.max(1 + height(parents, parent, depth + 1, heights)?);
    }
    heights.insert(child, highest);
    Ok(highest)
}

fn too_high(at: &EntityRef) -> String {
    format!("{at} stands in a chain of more than {NESTING_MAX} parents, or in a circle")
}
