//! What a schema says, as far as it is looked up here rather than left to Cedar.

use crate::entity::check_hierarchy;
use crate::request::EntityRef;
use crate::types::{Attribute, Record, Type};
use chancery_base::limits::{ENVIRONMENTS_MAX, NESTING_MAX, SCHEMA_ITEMS_MAX};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The annotation of an attribute that a request may fill.
const ASSERTED: &str = "asserted";
/// Nodes of all types of a schema when every common type is written out where it is used.
const TYPE_NODES_MAX: usize = 100_000;

/// What is declared of an entity type.
#[derive(Debug, Default)]
pub(crate) struct EntityTypeFacts {
    pub(crate) attributes: Record,
    /// The types that it may be in, directly or through others.
    pub(crate) parents: BTreeSet<String>,
    pub(crate) tags: Option<Type>,
    /// The only ids there are, if the schema lists them.
    pub(crate) ids: Option<BTreeSet<String>>,
}

/// What a schema declares.
#[derive(Debug, Default)]
pub(crate) struct SchemaFacts {
    entity_types: BTreeMap<String, EntityTypeFacts>,
    /// The context of each action that is declared outside any namespace.
    contexts: BTreeMap<String, Record>,
}

impl SchemaFacts {
    pub(crate) fn entity_type(&self, name: &str) -> Option<&EntityTypeFacts> {
        self.entity_types.get(name)
    }

    pub(crate) fn entity_types(&self) -> impl Iterator<Item = (&String, &EntityTypeFacts)> {
        self.entity_types.iter()
    }

    pub(crate) fn context(&self, action: &str) -> Option<&Record> {
        self.contexts.get(action)
    }

    /// The actions outside any namespace, in order, those after `after`.
    pub(crate) fn actions(&self, after: Option<&str>) -> impl Iterator<Item = &str> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.contexts.range::<str, _>((from, Bound::Unbounded)).map(|(id, _)| id.as_str())
    }

    /// The actions whose context declares this name as something else than a `Long`.
    pub(crate) fn not_long<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let is_other = move |record: &Record| {
            record.attributes.get(name).is_some_and(|attribute| !matches!(attribute.kind, Type::Long))
        };
        self.contexts.iter().filter(move |(_, record)| is_other(record)).map(|(action, _)| action.as_str())
    }

    /// Reads a schema fragment in Cedar's JSON, before Cedar resolves it, and bounds what resolving it costs.
    ///
    /// # Errors
    /// Says what is too much.
    pub(crate) fn read(fragment: &Value) -> Result<Self, String> {
        let reader = Reader { namespaces: fragment.as_object() };
        reader.check_sizes()?;
        let mut facts = Self::default();
        for (namespace, declared) in reader.namespaces() {
            for (name, entity_type) in members(declared, "entityTypes") {
                facts.entity_types.insert(qualify(namespace, name), reader.entity_type(namespace, entity_type)?);
            }
            for (id, action) in members(declared, "actions").filter(|_| namespace.is_empty()) {
                facts.contexts.insert(id.clone(), reader.context(action)?);
            }
        }
        facts.close_parents();
        Ok(facts)
    }

    fn close_parents(&mut self) {
        let direct: BTreeMap<String, BTreeSet<String>> =
            self.entity_types.iter().map(|(name, declared)| (name.clone(), declared.parents.clone())).collect();
        for (name, declared) in &mut self.entity_types {
            declared.parents = reachable(&direct, name);
        }
    }
}

/// What can be reached from `start` by one step or more.
fn reachable(direct: &BTreeMap<String, BTreeSet<String>>, start: &str) -> BTreeSet<String> {
    let (mut reached, mut queue) = (BTreeSet::new(), vec![start]);
    while let Some(next) = queue.pop() {
        queue.extend(
            direct
                .get(next)
                .into_iter()
                .flatten()
                .filter(|parent| reached.insert((*parent).clone()))
                .map(String::as_str),
        );
    }
    reached
}

struct Reader<'a> {
    namespaces: Option<&'a Map<String, Value>>,
}

impl<'a> Reader<'a> {
    fn namespaces(&self) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        self.namespaces.into_iter().flatten()
    }

    fn entity_type(&self, namespace: &str, declared: &'a Value) -> Result<EntityTypeFacts, String> {
        let parents = declared.get("memberOfTypes").and_then(Value::as_array).into_iter().flatten();
        let ids = declared.get("enum").and_then(Value::as_array);
        Ok(EntityTypeFacts {
            attributes: declared
                .get("shape")
                .map_or_else(|| Ok(Record::default()), |shape| self.record(namespace, shape))?,
            parents: parents
                .filter_map(Value::as_str)
                .map(|parent| self.entity_name(namespace, parent).unwrap_or_else(|| parent.to_owned()))
                .collect(),
            tags: declared.get("tags").map(|tags| self.resolve(namespace, tags)).transpose()?,
            ids: ids.map(|ids| ids.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        })
    }

    fn context(&self, action: &'a Value) -> Result<Record, String> {
        match action.pointer("/appliesTo/context").map(|context| self.resolve("", context)).transpose()? {
            Some(Type::Record(record)) => Ok(record),
            Some(_) | None => Ok(Record::default()),
        }
    }

    fn record(&self, namespace: &str, declared: &'a Value) -> Result<Record, String> {
        match self.resolve(namespace, declared)? {
            Type::Record(record) => Ok(record),
            Type::Long | Type::String | Type::Bool | Type::Set(_) | Type::Entity(_) | Type::Extension(_) => {
                Err("the shape of an entity type must be a record".to_owned())
            }
        }
    }

    /// The type that is declared, with common types written out. Ends, because `check_sizes` refused circles.
    fn resolve(&self, namespace: &str, declared: &'a Value) -> Result<Type, String> {
        let word = declared.get("type").and_then(Value::as_str).unwrap_or_default();
        let name = declared.get("name").and_then(Value::as_str).unwrap_or(word);
        if let Some((home, common)) = self.common(namespace, declared) {
            return self.resolve(&home, common);
        }
        Ok(match word {
            "Record" => {
                let attributes = declared.get("attributes").and_then(Value::as_object).into_iter().flatten();
                let attributes = attributes.map(|(name, attribute)| {
                    let kind = self.resolve(namespace, attribute)?;
                    let is_required = attribute.get("required").and_then(Value::as_bool).unwrap_or(true);
                    let is_asserted = attribute.pointer("/annotations").and_then(|all| all.get(ASSERTED)).is_some();
                    Ok((name.clone(), Attribute { kind, is_required, is_asserted }))
                });
                Type::Record(Record { attributes: attributes.collect::<Result<_, String>>()? })
            }
            "Set" => {
                let element = declared.get("element").ok_or("a set has no element type")?;
                Type::Set(Box::new(self.resolve(namespace, element)?))
            }
            "Entity" => Type::Entity(self.entity_name(namespace, name).unwrap_or_else(|| name.to_owned())),
            _ => match Type::builtin(name.trim_start_matches("__cedar::")) {
                Some(builtin) if self.entity_name(namespace, name).is_none() => builtin,
                Some(_) | None => {
                    Type::Entity(self.entity_name(namespace, name).ok_or_else(|| format!("type `{name}` is unknown"))?)
                }
            },
        })
    }

    /// The full name of an entity type; one without a namespace is of this namespace, if this one declares it.
    fn entity_name(&self, namespace: &str, name: &str) -> Option<String> {
        let (home, base) = name.rsplit_once("::").unwrap_or((namespace, name));
        [home, ""]
            .into_iter()
            .find_map(|home| self.namespaces?.get(home)?.get("entityTypes")?.get(base).map(|_| qualify(home, base)))
    }

    /// The common type that a type names, and the namespace it stands in.
    fn common(&self, namespace: &str, declared: &'a Value) -> Option<(String, &'a Value)> {
        let name = match declared.get("type").and_then(Value::as_str)? {
            "EntityOrCommon" => declared.get("name").and_then(Value::as_str)?,
            "Record" | "Set" | "Entity" | "Extension" | "Long" | "String" | "Boolean" => return None,
            name => name,
        };
        let (home, base) = name.rsplit_once("::").unwrap_or((namespace, name));
        [home, ""].into_iter().find_map(|home| {
            let found = self.namespaces?.get(home)?.get("commonTypes")?.get(base)?;
            Some((home.to_owned(), found))
        })
    }

    fn check_sizes(&self) -> Result<(), String> {
        let (mut items, mut environments) = (0_usize, 0_usize);
        let mut sizes = BTreeMap::new();
        let mut nodes = 0_usize;
        for (namespace, declared) in self.namespaces() {
            for key in ["entityTypes", "commonTypes", "actions"] {
                items = items.saturating_add(members(declared, key).count());
            }
            for (_, action) in members(declared, "actions") {
                let count = |key| action.pointer(key).and_then(Value::as_array).map_or(0, Vec::len);
                let pairs = count("/appliesTo/principalTypes").saturating_mul(count("/appliesTo/resourceTypes"));
                environments = environments.saturating_add(pairs);
            }
            let shapes = members(declared, "entityTypes").filter_map(|(_, entity)| entity.get("shape"));
            let tags = members(declared, "entityTypes").filter_map(|(_, entity)| entity.get("tags"));
            let contexts = members(declared, "actions").filter_map(|(_, action)| action.pointer("/appliesTo/context"));
            let commons = members(declared, "commonTypes").map(|(_, common)| common);
            for root in shapes.chain(tags).chain(contexts).chain(commons) {
                nodes = nodes.saturating_add(self.size(namespace, root, 0, &mut sizes)?.0);
            }
        }
        let too_many = |what, max| Err(format!("the schema has more than {max} {what}"));
        if items > SCHEMA_ITEMS_MAX {
            return too_many("types and actions", SCHEMA_ITEMS_MAX);
        }
        if environments > ENVIRONMENTS_MAX {
            return too_many("combinations of action, principal type and resource type", ENVIRONMENTS_MAX);
        }
        if nodes > TYPE_NODES_MAX {
            return too_many("attributes when its common types are written out", TYPE_NODES_MAX);
        }
        self.check_parents()
    }

    /// How many nodes a type has when common types are written out, and how deep they nest.
    fn size(
        &self,
        namespace: &str,
        declared: &'a Value,
        depth: usize,
        known: &mut BTreeMap<*const Value, (usize, usize)>,
    ) -> Result<(usize, usize), String> {
        // INVARIANT: a pointer names a node of the one fragment, which outlives this map.
        let found = known.get(&std::ptr::from_ref(declared)).copied();
        if depth + found.map_or(0, |(_, height)| height) > NESTING_MAX {
            return Err(format!("types of the schema nest deeper than {NESTING_MAX}, or in a circle"));
        }
        if let Some(found) = found {
            return Ok(found);
        }
        let (mut nodes, mut height) = (1_usize, 0_usize);
        let mut add = |(more, high): (usize, usize)| {
            nodes = nodes.saturating_add(more);
            height = height.max(high + 1);
        };
        if let Some((home, common)) = self.common(namespace, declared) {
            add(self.size(&home, common, depth + 1, known)?);
        }
        if let Some(element) = declared.get("element") {
            add(self.size(namespace, element, depth + 1, known)?);
        }
        for attribute in declared.get("attributes").and_then(Value::as_object).into_iter().flat_map(Map::values) {
            add(self.size(namespace, attribute, depth + 1, known)?);
        }
        known.insert(std::ptr::from_ref(declared), (nodes, height));
        Ok((nodes, height))
    }

    fn check_parents(&self) -> Result<(), String> {
        let mut actions = BTreeMap::new();
        for (namespace, declared) in self.namespaces() {
            let own = qualify(namespace, "Action");
            let group_ref = |group: &Value| {
                let kind = group.get("type").and_then(Value::as_str).unwrap_or(&own).to_owned();
                Some(EntityRef::new(kind, group.get("id").and_then(Value::as_str)?))
            };
            for (id, action) in members(declared, "actions") {
                let groups = action.get("memberOf").and_then(Value::as_array).into_iter().flatten();
                actions.insert(EntityRef::new(own.clone(), id.clone()), groups.filter_map(group_ref).collect());
            }
        }
        check_hierarchy(&actions)
    }
}

fn members<'a>(declared: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    declared.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn qualify(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}::{name}") }
}
