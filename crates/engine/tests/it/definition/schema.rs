//! The published JSON Schema takes what is a definition, and refuses what is wrong in its form alone.

use chancery_engine::definition::{Definition, SCHEMA};
use regex::Regex;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::OnceLock;

/// Messages about the form alone: a key, a type, a word, a number out of range. What refers to something else, an
/// editor does not see.
const OF_FORM: [&str; 40] = [
    "unknown key",
    "unknown kind",
    "unknown mode",
    "unknown compensation policy",
    "unknown action",
    "unknown outcome",
    "unknown method",
    "unknown rule",
    "is missing",
    "is expected here",
    "; there are ms",
    "only one of",
    "has at least one step",
    "is not allowed in a name",
    "is not a name here",
    "is not the name of",
    "a timeout is longer than nothing",
    "a URL begins with",
    "a condition is written as",
    "a condition is one",
    "a list of elements is written as",
    "a list of elements is one",
    "has no `each`",
    "` has no `",
    "a step that waits has no",
    "a step that asks people has no",
    "a step that runs a transaction has no",
    "a step that decides a question has no",
    "a step that emits an event has no",
    "an undo that emits an event has no",
    "is not allowed in an event's type",
    "something before and after every dot",
    "has at least one participant",
    "is of kind `",
    "of a participant",
    "is that of a `transaction`",
    "does not belong here",
    "it has no `until`",
    "what a `noop` gives is its input",
    "what must be called once does not poll",
];

/// What the schema says of a text that is YAML or JSON.
fn judge(text: &str) -> Option<Result<(), String>> {
    static SCHEMA_READ: OnceLock<Value> = OnceLock::new();
    let value: Value = serde_saphyr::from_str(text).ok()?;
    let schema = SCHEMA_READ.get_or_init(|| serde_json::from_str(SCHEMA).unwrap());
    Some(validate(schema, schema, &value).map_err(|(at, why)| format!("{at}: {why}")))
}

/// Where a value is not as the schema says, and why.
type Judged = Result<(), (String, String)>;

/// JSON Schema 2020-12, as much of it as the published schema uses; any other keyword is a panic.
fn validate(root: &Value, schema: &Value, value: &Value) -> Judged {
    if let Value::Bool(allowed) = schema {
        return if *allowed { Ok(()) } else { Err((String::new(), "nothing is allowed here".to_owned())) };
    }
    for (keyword, said) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "default" | "examples" | "then" | "else" => true,
            "if" => {
                let branch = if validate(root, said, value).is_ok() { "then" } else { "else" };
                validate(root, schema.get(branch).unwrap_or(&Value::Bool(true)), value)?;
                true
            }
            "$ref" => {
                let target = said.as_str().unwrap().strip_prefix('#').unwrap();
                validate(root, root.pointer(target).unwrap(), value)?;
                true
            }
            // What is said of the members of a map comes after the rest.
            "properties"
            | "additionalProperties"
            | "propertyNames"
            | "required"
            | "minProperties"
            | "maxProperties" => true,
            "type" => is_of_type(said.as_str().unwrap(), value),
            "enum" => said.as_array().unwrap().contains(value),
            "const" => said == value,
            "minimum" => value.as_f64().is_none_or(|number| number >= said.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= said.as_f64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| Regex::new(said.as_str().unwrap()).unwrap().is_match(text)),
            "maxLength" => value.as_str().is_none_or(|text| count(text.chars()) <= said.as_u64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| count(items) >= said.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| count(items) <= said.as_u64().unwrap()),
            "uniqueItems" => value.as_array().is_none_or(|items| {
                items.iter().enumerate().all(|(at, item)| !items.iter().take(at).any(|other| other == item))
            }),
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    validate(root, said, item).map_err(|(path, why)| (format!("[{at}]{path}"), why))?;
                }
                true
            }
            "not" => validate(root, said, value).is_err(),
            "allOf" => said.as_array().unwrap().iter().all(|part| validate(root, part, value).is_ok()),
            "oneOf" => {
                let taken = said.as_array().unwrap().iter().filter(|part| validate(root, part, value).is_ok());
                taken.count() == 1
            }
            other => panic!("the schema uses `{other}`, which this test does not know"),
        };
        if !holds {
            return Err((String::new(), format!("`{keyword}` says no to {value}")));
        }
    }
    value.as_object().map_or(Ok(()), |map| members(root, schema, map))
}

fn members(root: &Value, schema: &Value, map: &Map<String, Value>) -> Judged {
    let fail = |at: &str, why: &str| Err((at.to_owned(), why.to_owned()));
    let number = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
    let size = count(map);
    if size < number("minProperties").unwrap_or(0) || size > number("maxProperties").unwrap_or(u64::MAX) {
        return fail("", "it has too few or too many keys");
    }
    for key in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !map.contains_key(key.as_str().unwrap()) {
            return fail(key.as_str().unwrap(), "it is missing");
        }
    }
    for (key, value) in map {
        if let Some(names) = schema.get("propertyNames") {
            validate(root, names, &Value::from(key.as_str()))?;
        }
        let known = schema.get("properties").and_then(|properties| properties.get(key));
        if let Some(schema) = known.or_else(|| schema.get("additionalProperties")) {
            validate(root, schema, value).map_err(|(path, why)| (format!(".{key}{path}"), why))?;
        }
    }
    Ok(())
}

fn is_of_type(named: &str, value: &Value) -> bool {
    match named {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the schema names a type `{other}`"),
    }
}

fn count(items: impl IntoIterator) -> u64 {
    items.into_iter().map(|_| 1).sum()
}

#[track_caller]
pub(super) fn takes(text: &str) {
    if let Some(Err(err)) = judge(text) {
        panic!("the schema refuses a definition: {err}\n{text}");
    }
}

/// Holds the schema against what the parser told of a text.
#[track_caller]
pub(super) fn agrees(text: &str, told: &[String]) {
    if told.is_empty() {
        return takes(text);
    }
    if told.iter().any(|message| is_of_form(message)) {
        let judged = judge(text);
        assert!(judged.is_none_or(|judged| judged.is_err()), "the schema takes what is refused: {told:?}\n{text}");
    }
}

fn is_of_form(message: &str) -> bool {
    // `…: steps[0].each: `each` is not supported yet` is about a key, a name in an expression has another path.
    let later = message.strip_suffix("` is not supported yet").and_then(|rest| rest.rsplit_once('`'));
    let is_key = later.is_some_and(|(before, key)| before.ends_with("kind ") || before.ends_with(&format!("{key}: ")));
    is_key || OF_FORM.iter().any(|of_form| message.contains(of_form))
}

#[test]
fn every_example_is_taken() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if !path.extension().is_some_and(|ending| ending == "yaml" || ending == "json") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            if Definition::parse(text.as_bytes()).is_ok() {
                takes(&text);
                seen += 1;
            }
        }
    }
    assert!(seen >= 2, "{seen} examples");
}

#[test]
fn the_schema_is_one() {
    let value: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(value["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(judge("name: x\nversion: 1\nsteps: [{id: a, run: noop}]"), Some(Ok(())));
    assert!(judge("name: x\nversion: 1\nsteps: [{id: a, run: noop, colour: red}]").unwrap().is_err());
}
