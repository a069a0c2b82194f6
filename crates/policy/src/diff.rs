//! How two bundles differ, in words.

use crate::bundle::Bundle;
use crate::index::Index;
use crate::types::Record;
use crate::words;
use cedar_policy::Policy;
use chancery_base::json;
use chancery_base::limits::BUNDLE_BYTES_MAX;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A part of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A policy, by its id.
    Policy,
    /// An obligation, by its id.
    Obligation,
    /// A risk table, by its name.
    RiskTable,
    /// An entity type of the schema.
    EntityType,
    /// An action of the schema.
    Action,
    /// A static entity.
    Entity,
    /// A test, by its name.
    Test,
    /// Another key of the document, such as `description`.
    Key,
}

impl Part {
    /// What it is called.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Obligation => "obligation",
            Self::RiskTable => "risk table",
            Self::EntityType => "entity type",
            Self::Action => "action",
            Self::Entity => "entity",
            Self::Test => "test",
            Self::Key => "key",
        }
    }
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only the later bundle has it.
    Added,
    /// Only the earlier bundle has it.
    Removed,
    /// It is another.
    Changed,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub part: Part,
    /// Which one.
    pub name: String,
    /// How.
    pub change: Change,
    /// In words, a line each: of what changed `- ` what was and `+ ` what is.
    pub details: Vec<String>,
}

/// The things of one part by name, each in lines of words.
type Lines = BTreeMap<String, Vec<String>>;

/// Every difference between two bundles: policies, obligations, risk tables, schema, entities, tests, other keys.
#[must_use]
pub fn between(before: &Bundle, after: &Bundle) -> Vec<Difference> {
    let of = |bundle: &Bundle| {
        let document = json::parse_stored(bundle.canonical(), BUNDLE_BYTES_MAX).unwrap_or_default();
        [
            (Part::Policy, policies(Some(bundle.index()), words::scope)),
            (Part::Obligation, policies(bundle.obligation_index(), demanded_of)),
            (Part::RiskTable, risk_tables(&document)),
            (Part::EntityType, entity_types(bundle)),
            (Part::Action, actions(bundle)),
            (Part::Entity, entities(bundle)),
            (Part::Test, tests(&document)),
            (Part::Key, keys(&document)),
        ]
    };
    let pairs = of(before).into_iter().zip(of(after));
    pairs.flat_map(|((part, before), (_, after))| compare(part, &before, &after)).collect()
}

fn compare(part: Part, before: &Lines, after: &Lines) -> Vec<Difference> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let difference = |name: &String| {
        let (change, details) = match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(old), Some(new)) => {
                let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
                let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
                (Change::Changed, gone.chain(come).collect())
            }
            (Some(old), None) => (Change::Removed, old.clone()),
            (None, Some(new)) => (Change::Added, new.clone()),
            (None, None) => return None,
        };
        Some(Difference { part, name: name.clone(), change, details })
    };
    names.into_iter().filter_map(difference).collect()
}

fn policies(index: Option<&Index>, scope: fn(&Policy) -> String) -> Lines {
    let lines = |policy: &Policy| {
        let conditions = Some(words::conditions(policy)).filter(|text| !text.is_empty());
        let annotations = policy.annotations().filter(|(key, _)| *key != "id");
        let annotations = annotations.map(|(key, value)| format!("@{key}({value:?})"));
        [scope(policy)].into_iter().chain(conditions).chain(annotations).collect()
    };
    let all = index.into_iter().flat_map(|index| index.policies().policies());
    all.map(|policy| (AsRef::<str>::as_ref(policy.id()).to_owned(), lines(policy))).collect()
}

/// An obligation is written as a permit, and permits nothing.
fn demanded_of(obligation: &Policy) -> String {
    let scope = words::scope(obligation);
    format!("is demanded of {}", scope.strip_prefix("permits ").unwrap_or(&scope))
}

fn risk_tables(document: &Value) -> Lines {
    let tables = document.get("risk").and_then(|risk| risk.get("tables")).and_then(Value::as_array);
    let lines = |table: &Value| {
        let rows = table.get("rows").and_then(Value::as_array).into_iter().flatten();
        let rows = rows.map(|row| format!("row {row}"));
        members(table, &["name", "rows"]).into_iter().chain(rows).collect()
    };
    tables
        .into_iter()
        .flatten()
        .filter_map(|table| Some((table.get("name")?.as_str()?.to_owned(), lines(table))))
        .collect()
}

fn entity_types(bundle: &Bundle) -> Lines {
    let types = bundle.schema_facts().entity_types();
    types
        .map(|(name, declared)| {
            let parents = declared.parents.iter().map(|parent| format!("may be in {parent}"));
            let tags = declared.tags.iter().map(|kind| format!("tags {}", words::type_text(kind)));
            let ids = declared.ids.iter().flatten().map(|id| format!("is {id:?}"));
            (name.clone(), parents.chain(attributes(&declared.attributes)).chain(tags).chain(ids).collect())
        })
        .collect()
}

fn actions(bundle: &Bundle) -> Lines {
    let mut all = Lines::new();
    for uid in bundle.schema().actions() {
        let lines = all.entry(words::action(uid)).or_default();
        let groups = bundle.index().action_entities(uid).into_iter().map(|group| group.uid());
        lines.extend(groups.filter(|group| group != uid).map(|group| format!("is in {}", words::action(&group))));
        if uid.type_name().to_string() == "Action" {
            let declared = bundle.schema_facts().context(AsRef::<str>::as_ref(uid.id()));
            lines.extend(declared.into_iter().flat_map(attributes).map(|line| format!("context {line}")));
        }
    }
    for environment in bundle.schema().request_envs() {
        let lines = all.entry(words::action(environment.action())).or_default();
        lines.push(format!("is done by {} to {}", environment.principal(), environment.resource()));
    }
    all.values_mut().for_each(|lines| lines.sort());
    all
}

fn attributes(record: &Record) -> impl Iterator<Item = String> {
    record.attributes.iter().map(|(name, attribute)| {
        let asserted = if attribute.is_asserted { "@asserted " } else { "" };
        let optional = if attribute.is_required { "" } else { "?" };
        format!("{asserted}{name}{optional}: {}", words::type_text(&attribute.kind))
    })
}

fn entities(bundle: &Bundle) -> Lines {
    let all = bundle.statics().iter();
    all.map(|(own, found)| (own.to_string(), members(&found.json, &["uid"]))).collect()
}

fn tests(document: &Value) -> Lines {
    let all = document.get("tests").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|test| Some((test.get("name")?.as_str()?.to_owned(), members(test, &["name"])))).collect()
}

/// What is compared nowhere else.
fn keys(document: &Value) -> Lines {
    const ELSEWHERE: [&str; 8] = ["name", "version", "schema", "policies", "obligations", "risk", "entities", "tests"];
    let all = document.as_object().into_iter().flatten().filter(|(key, _)| !ELSEWHERE.contains(&key.as_str()));
    all.map(|(key, value)| (key.clone(), vec![value.to_string()])).collect()
}

/// An object's members, a line each.
fn members(object: &Value, but: &[&str]) -> Vec<String> {
    let members = object.as_object().into_iter().flatten().filter(|(key, _)| !but.contains(&key.as_str()));
    members.map(|(key, value)| format!("{key}: {value}")).collect()
}

#[cfg(test)]
mod tests_of_differences {
    use super::*;
    use serde_json::json;

    fn bundle(edit: impl FnOnce(&mut Value)) -> Bundle {
        let mut document = json!({
            "name": "library", "version": 1,
            "schema": "entity Role; entity User in [Role]; entity Shelf; entity Book in [Shelf] = { pages?: Long };
                action read appliesTo { principal: [User], resource: [Book], context: { loud?: Bool } };",
            "policies": "@id(\"a\") @reason(\"r\") permit (principal in Role::\"x\", action == Action::\"read\", resource) when { resource has pages };",
        });
        edit(&mut document);
        Bundle::parse(&json::canonical(&document)).unwrap()
    }

    #[track_caller]
    fn check(edit: impl FnOnce(&mut Value), expected: &[(Part, &str, Change, &[&str])]) {
        let found = between(&bundle(|_| ()), &bundle(edit));
        let found: Vec<_> = found
            .iter()
            .map(|found| {
                let details: Vec<&str> = found.details.iter().map(String::as_str).collect();
                (found.part, found.name.as_str(), found.change, details)
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(part, name, change, lines)| (*part, *name, *change, lines.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_laid_out_otherwise_is_no_difference() {
        check(|_| (), &[]);
        check(
            |document| {
                document["version"] = json!(2);
                document["policies"] = json!(
                    "@id(\"a\")@reason(\"r\")\npermit(principal in Role::\"x\",\naction==Action::\"read\",resource)\n// all\nwhen{resource has pages};"
                );
            },
            &[],
        );
    }

    #[test]
    fn differences_are_in_words() {
        check(
            |document| {
                document["policies"] = json!(
                    "@id(\"a\") forbid (principal, action, resource is Book in Shelf::\"s\") when { resource has pages && resource.pages > 3 }; @id(\"b\") permit (principal, action, resource);"
                );
            },
            &[
                (
                    Part::Policy,
                    "a",
                    Change::Changed,
                    &[
                        "- permits whoever is in Role::\"x\" `read` on anything",
                        "- when { resource has pages }",
                        "- @reason(\"r\")",
                        "+ forbids everybody everything on every Book in Shelf::\"s\"",
                        "+ when { resource has pages && resource.pages > 3 }",
                    ],
                ),
                (Part::Policy, "b", Change::Added, &["permits everybody everything on anything"]),
            ],
        );
        check(
            |document| {
                document["schema"] = json!("entity Role; entity User in [Role]; entity Book = { pages?: Long, @asserted by: Set<User> };
                    action read appliesTo { principal: [User], resource: [Book, Role], context: { loud: Bool } }; action burn;");
            },
            &[
                (Part::EntityType, "Book", Change::Changed, &["- may be in Shelf", "+ @asserted by: Set<User>"]),
                (Part::EntityType, "Shelf", Change::Removed, &[]),
                (Part::Action, "`burn`", Change::Added, &[]),
                (
                    Part::Action,
                    "`read`",
                    Change::Changed,
                    &["- context loud?: Bool", "+ context loud: Bool", "+ is done by User to Role"],
                ),
            ],
        );
        let test = json!([{ "name": "t", "principal": { "kind": "user" }, "action": "read", "resource": { "type": "Book", "id": "b" }, "expect": "deny" }]);
        check(
            |document| {
                document["description"] = json!("d");
                document["entities"] = json!([{ "uid": { "type": "Book", "id": "b" }, "attrs": {}, "parents": [] }]);
                document["tests"] = test;
            },
            &[
                (Part::Entity, "Book::\"b\"", Change::Added, &["attrs: {}", "parents: []"]),
                (
                    Part::Test,
                    "t",
                    Change::Added,
                    &[
                        "action: \"read\"",
                        "expect: \"deny\"",
                        "principal: {\"kind\":\"user\"}",
                        "resource: {\"id\":\"b\",\"type\":\"Book\"}",
                    ],
                ),
                (Part::Key, "description", Change::Added, &["\"d\""]),
            ],
        );
    }

    #[test]
    fn obligations_and_risk_tables_are_told_one_by_one() {
        let eyes = "@id(\"eyes\") @obligation(\"approval\") permit (principal is User, action, resource);";
        let table = json!({ "name": "money", "version": 1, "hit_policy": "first",
            "inputs": [{ "name": "id", "type": "string", "expression": "resource.id" }],
            "outputs": [{ "name": "financial", "type": "integer" }], "rows": [{ "then": { "financial": 10 } }] });
        check(
            |document| {
                document["obligations"] = json!(eyes);
                document["risk"] = json!({ "tables": [table] });
            },
            &[
                (
                    Part::Obligation,
                    "eyes",
                    Change::Added,
                    &["is demanded of every User everything on anything", "@obligation(\"approval\")"],
                ),
                (
                    Part::RiskTable,
                    "money",
                    Change::Added,
                    &[
                        "hit_policy: \"first\"",
                        "inputs: [{\"expression\":\"resource.id\",\"name\":\"id\",\"type\":\"string\"}]",
                        "outputs: [{\"name\":\"financial\",\"type\":\"integer\"}]",
                        "version: 1",
                        "row {\"then\":{\"financial\":10}}",
                    ],
                ),
            ],
        );
    }
}
