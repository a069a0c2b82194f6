//! What a schema says, as far as it is looked up here rather than left to Cedar.

use crate::entity::check_hierarchy;
use crate::request::EntityRef;
use chancery_base::limits::{ENVIRONMENTS_MAX, NESTING_MAX, SCHEMA_ITEMS_MAX};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The annotation of an attribute that a request may fill.
const ASSERTED: &str = "asserted";
/// Nodes of all types of a schema when every common type is written out where it is used.
const TYPE_NODES_MAX: usize = 100_000;

/// What is declared of an entity type.
#[derive(Debug, Default)]
pub(crate) struct EntityTypeFacts {
    /// Its attributes; whether the request may fill each.
    pub(crate) attributes: BTreeMap<String, bool>,
    /// The types that it may be in.
    pub(crate) parents: BTreeSet<String>,
}

/// What a schema declares.
#[derive(Debug, Default)]
pub(crate) struct SchemaFacts {
    entity_types: BTreeMap<String, EntityTypeFacts>,
    /// Names in the context of each action that is declared outside any namespace.
    contexts: BTreeMap<String, BTreeSet<String>>,
}

impl SchemaFacts {
    pub(crate) fn entity_type(&self, name: &str) -> Option<&EntityTypeFacts> {
        self.entity_types.get(name)
    }

    pub(crate) fn context(&self, action: &str) -> Option<&BTreeSet<String>> {
        self.contexts.get(action)
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
                facts.entity_types.insert(qualify(namespace, name), reader.entity_type(namespace, entity_type));
            }
            for (id, action) in members(declared, "actions").filter(|_| namespace.is_empty()) {
                facts.contexts.insert(id.clone(), reader.context(action));
            }
        }
        Ok(facts)
    }
}

struct Reader<'a> {
    namespaces: Option<&'a Map<String, Value>>,
}

impl<'a> Reader<'a> {
    fn namespaces(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.namespaces.into_iter().flatten()
    }

    fn entity_type(&self, namespace: &str, declared: &Value) -> EntityTypeFacts {
        let attributes = declared.pointer("/shape/attributes").and_then(Value::as_object);
        let is_asserted = |attribute: &Value| attribute.pointer("/annotations").and_then(|all| all.get(ASSERTED)).is_some();
        let parents = declared.get("memberOfTypes").and_then(Value::as_array);
        EntityTypeFacts {
            attributes: attributes
                .into_iter()
                .flatten()
                .map(|(name, attribute)| (name.clone(), is_asserted(attribute)))
                .collect(),
            parents: parents
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|parent| self.resolve_entity_type(namespace, parent))
                .collect(),
        }
    }

    /// A name without a namespace is of this one, if this one declares it.
    fn resolve_entity_type(&self, namespace: &str, name: &str) -> String {
        let here = self.namespaces.and_then(|all| all.get(namespace)).and_then(|own| own.get("entityTypes"));
        if here.is_some_and(|types| types.get(name).is_some()) { qualify(namespace, name) } else { name.to_owned() }
    }

    fn context(&self, action: &Value) -> BTreeSet<String> {
        let mut context = action.pointer("/appliesTo/context");
        // INVARIANT: ends, because `check_sizes` refused circles.
        while let Some((_, common)) = context.and_then(|declared| self.common("", declared)) {
            context = Some(common);
        }
        let attributes = context.and_then(|declared| declared.get("attributes")).and_then(Value::as_object);
        attributes.into_iter().flatten().map(|(name, _)| name.clone()).collect()
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
