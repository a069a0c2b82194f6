//! Packs as documents: JSON, read whole, with what is wrong and where.

use chancery_base::limits::{PACK_BYTES_MAX, PACK_CONTROLS_MAX, PACK_EVERY_MIN, PACK_QUERIES_MAX, TEXT_BYTES_MAX};
use chancery_base::{Name, duration, json};
use chancery_ledger::{DataValue, Record, Word};
use chancery_shard::entry::kind;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// What a framework asks for, as questions to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// What it is called by programs.
    pub name: Name,
    /// What it is called by people.
    pub title: String,
    /// Its version, from 1.
    pub version: u32,
    /// Its controls, in their order.
    pub controls: Vec<Control>,
}

/// Something that a framework asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Where in the framework.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// What it asks for, in our words.
    pub asks: String,
    /// What the ledger is asked; at least one that expects entries.
    pub queries: Vec<Query>,
}

/// Which entries are counted, and how many are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What such an entry says of the control.
    pub says: String,
    /// Of which kinds; any of them.
    pub kinds: Vec<Word>,
    /// What their `data` must be; all of it.
    pub data: BTreeMap<String, DataValue>,
    /// How many there should be.
    pub expected: Expected,
}

/// How many entries a query should find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// At least so many: in the range, or in every part of it that is so long.
    AtLeast(u64, Option<Duration>),
    /// At most so many: more contradict the control.
    AtMost(u64),
}

/// What is wrong with a pack, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct PackError {
    /// Where, such as `controls[2].queries[0].kinds[1]`; empty for the whole.
    pub path: String,
    /// What.
    pub message: String,
}

static BUILTIN: LazyLock<Result<Vec<Arc<Pack>>, PackError>> = LazyLock::new(|| {
    let sources: [&str; 7] = [
        include_str!("../../packs/eu-ai-act.json"),
        include_str!("../../packs/gdpr.json"),
        include_str!("../../packs/hipaa.json"),
        include_str!("../../packs/iso-27001.json"),
        include_str!("../../packs/nist-csf.json"),
        include_str!("../../packs/pci-dss.json"),
        include_str!("../../packs/soc2.json"),
    ];
    sources.iter().map(|source| Pack::parse(source.as_bytes()).map(Arc::new)).collect()
});

/// The packs that come with Chancery, by name.
///
/// # Errors
/// If one of them is not sound.
pub fn builtin() -> Result<&'static [Arc<Pack>], &'static PackError> {
    BUILTIN.as_ref().map(Vec::as_slice)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackBody {
    name: Name,
    title: String,
    version: u32,
    controls: Vec<ControlBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlBody {
    id: String,
    title: String,
    asks: String,
    queries: Vec<QueryBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryBody {
    says: String,
    kinds: Vec<String>,
    #[serde(default)]
    data: BTreeMap<String, ValueBody>,
    at_least: Option<u64>,
    every: Option<String>,
    at_most: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ValueBody {
    Bool(bool),
    Int(i64),
    Word(String),
}

impl Pack {
    /// Reads a pack.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackError> {
        let body: PackBody = json::parse_as(bytes, PACK_BYTES_MAX).map_err(|error| wrong("", error))?;
        check_text("title", &body.title)?;
        if body.version == 0 {
            return Err(wrong("version", "versions begin at 1"));
        }
        if body.controls.is_empty() || body.controls.len() > PACK_CONTROLS_MAX {
            return Err(wrong("controls", format_args!("a pack has 1 to {PACK_CONTROLS_MAX} controls")));
        }
        let mut controls: Vec<Control> = Vec::with_capacity(body.controls.len());
        for (index, control) in body.controls.into_iter().enumerate() {
            let path = format!("controls[{index}]");
            if controls.iter().any(|other| other.id == control.id) {
                return Err(wrong(format!("{path}.id"), format_args!("`{}` stands twice", control.id)));
            }
            controls.push(read_control(&path, control)?);
        }
        Ok(Self { name: body.name, title: body.title, version: body.version, controls })
    }
}

impl Query {
    /// Whether it counts this entry.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        self.kinds.contains(&record.kind) && self.data.iter().all(|(key, value)| record.data.get(key) == Some(value))
    }
}

fn read_control(path: &str, body: ControlBody) -> Result<Control, PackError> {
    for (name, text) in [("id", &body.id), ("title", &body.title), ("asks", &body.asks)] {
        check_text(&format!("{path}.{name}"), text)?;
    }
    let at = format!("{path}.queries");
    if body.queries.len() > PACK_QUERIES_MAX {
        return Err(wrong(at, format_args!("a control has at most {PACK_QUERIES_MAX} queries")));
    }
    let queries = body.queries.into_iter().enumerate();
    let queries = queries.map(|(index, query)| read_query(&format!("{path}.queries[{index}]"), query));
    let queries: Vec<Query> = queries.collect::<Result<_, _>>()?;
    // Else nothing at all would support it.
    if !queries.iter().any(|query| matches!(query.expected, Expected::AtLeast(..))) {
        return Err(wrong(at, "one of them must expect entries: `at_least`"));
    }
    Ok(Control { id: body.id, title: body.title, asks: body.asks, queries })
}

fn read_query(path: &str, body: QueryBody) -> Result<Query, PackError> {
    check_text(&format!("{path}.says"), &body.says)?;
    if body.kinds.is_empty() {
        return Err(wrong(format!("{path}.kinds"), "no kind is named"));
    }
    let known = |(index, text): (usize, &String)| {
        let found = kind::ALL.iter().find(|kind| kind.as_str() == text.as_str()).cloned();
        found.ok_or_else(|| wrong(format!("{path}.kinds[{index}]"), format_args!("`{text}` is no kind of entry")))
    };
    let kinds = body.kinds.iter().enumerate().map(known).collect::<Result<_, _>>()?;
    let value = |(key, value): (String, ValueBody)| {
        let value = match value {
            ValueBody::Bool(value) => DataValue::Bool(value),
            ValueBody::Int(value) => DataValue::Int(value),
            ValueBody::Word(text) => {
                let word = Word::new(text).map_err(|error| wrong(format!("{path}.data.{key}"), error));
                DataValue::Word(word?)
            }
        };
        Ok((key, value))
    };
    let data = body.data.into_iter().map(value).collect::<Result<_, _>>()?;
    let expected = match (body.at_least, body.every, body.at_most) {
        (Some(count), every, None) if count > 0 => {
            let every = every.as_deref().map(duration::parse).transpose();
            let every = every.map_err(|error| wrong(format!("{path}.every"), error))?;
            if every.is_some_and(|every| every < PACK_EVERY_MIN) {
                return Err(wrong(format!("{path}.every"), "it is at least `1d`"));
            }
            Expected::AtLeast(count, every)
        }
        (None, None, Some(count)) => Expected::AtMost(count),
        (Some(_), _, _) | (None, _, _) => {
            return Err(wrong(path, "it says `at_least`, 1 or more, with `every` or without, or else `at_most`"));
        }
    };
    Ok(Query { says: body.says, kinds, data, expected })
}

fn check_text(path: &str, text: &str) -> Result<(), PackError> {
    if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(wrong(path, format_args!("a text of 1 to {TEXT_BYTES_MAX} bytes is needed")));
    }
    Ok(())
}

fn wrong(path: impl Into<String>, message: impl std::fmt::Display) -> PackError {
    PackError { path: path.into(), message: message.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pack(query: &Value) -> Value {
        let control = json!({ "id": "1", "title": "t", "asks": "a", "queries": [query] });
        json!({ "name": "own", "title": "Our own", "version": 1, "controls": [control] })
    }

    fn query(more: &Value) -> Value {
        let mut query = json!({ "says": "it was done", "kinds": ["step.completed"], "at_least": 1 });
        for (name, value) in more.as_object().unwrap() {
            query[name.as_str()] = value.clone();
        }
        query.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        query
    }

    fn refused(document: &Value) -> String {
        let read = Pack::parse(document.to_string().as_bytes());
        read.map_or_else(|error| error.to_string(), |_| "ok".to_owned())
    }

    #[test]
    fn the_packs_that_come_along_are_sound() {
        let packs = builtin().unwrap();
        let names: Vec<&str> = packs.iter().map(|pack| pack.name.as_str()).collect();
        assert_eq!(names, ["eu-ai-act", "gdpr", "hipaa", "iso-27001", "nist-csf", "pci-dss", "soc2"]);
        for pack in packs {
            assert!(pack.controls.len() >= 6, "{}", pack.name);
            for control in &pack.controls {
                for text in [&control.title, &control.asks] {
                    // What a person has to judge is not for a program to say.
                    assert!(!text.to_lowercase().contains("complian"), "{} {}", pack.name, control.id);
                }
            }
        }
    }

    #[test]
    fn a_pack_of_one_own_is_checked_with_places() {
        let of = |more: Value| refused(&pack(&query(&more)));
        assert_eq!(of(json!({})), "ok");
        assert_eq!(of(json!({ "every": "30d", "data": { "by_hand": true, "count": 3, "status": "failed" } })), "ok");
        let kind = of(json!({ "kinds": ["step.completed", "nothing.done"] }));
        assert_eq!(kind, "controls[0].queries[0].kinds[1]: `nothing.done` is no kind of entry");
        assert_eq!(of(json!({ "kinds": [] })), "controls[0].queries[0].kinds: no kind is named");
        assert!(of(json!({ "at_least": 0 })).starts_with("controls[0].queries[0]: it says `at_least`, 1 or more"));
        assert!(of(json!({ "at_most": 0 })).starts_with("controls[0].queries[0]: it says"));
        assert!(of(json!({ "at_least": null })).starts_with("controls[0].queries[0]: it says"));
        let only_against = of(json!({ "at_least": null, "at_most": 0 }));
        assert_eq!(only_against, "controls[0].queries: one of them must expect entries: `at_least`");
        assert_eq!(of(json!({ "every": "1h" })), "controls[0].queries[0].every: it is at least `1d`");
        assert!(of(json!({ "every": "often" })).starts_with("controls[0].queries[0].every: "));
        assert!(of(json!({ "says": " " })).starts_with("controls[0].queries[0].says: a text of 1 to"));
        assert!(
            of(json!({ "data": { "status": "Failed!" } })).starts_with("controls[0].queries[0].data.status: a word")
        );
        assert!(of(json!({ "expects": "none" })).contains("unknown field `expects`"));
        let mut twice = pack(&query(&json!({})));
        let control = twice["controls"][0].clone();
        twice["controls"].as_array_mut().unwrap().push(control);
        assert_eq!(refused(&twice), "controls[1].id: `1` stands twice");
        twice["controls"] = json!([]);
        assert_eq!(refused(&twice), "controls: a pack has 1 to 500 controls");
    }
}
