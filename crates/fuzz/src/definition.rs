//! Definitions: YAML and JSON are two spellings of one document.

use crate::Verdict;
use crate::check::{place, sure, words};
use chancery_base::json::{canonical, write_canonical};
use chancery_base::limits::STEPS_MAX;
use chancery_base::{Timestamp, TransactionId};
use chancery_engine::Headers;
use chancery_engine::definition::{Definition, DefinitionError, Diff, Facts};
use serde_json::{Value, json};

/// YAML takes no key on one line that is longer than 1,024 characters.
const KEY_BYTES_MAX: usize = 1_000;

pub(crate) fn definition(data: &[u8]) -> Verdict {
    let definition = match Definition::parse(data) {
        Ok(definition) => definition,
        Err(error) => {
            refused(data, &error);
            return Verdict::Refused;
        }
    };
    graph(&definition);
    let (linted, warnings) = sure(Definition::lint(data), "what is read can be linted");
    same(&definition, &linted);
    warnings.iter().for_each(|warning| place(data, warning.problem.line, warning.problem.column));
    assert!(Diff::between(&definition, &linted).is_empty(), "a definition differs from itself");
    assert!(definition.graph_svg().ends_with("</svg>\n"), "the picture does not end");
    waits(&definition);
    let document = definition.document();
    assert_eq!(canonical(&document), *definition.source, "the source is not canonical");
    let again = sure(Definition::from_canonical(&definition.source), "a source is a definition");
    same(&definition, &again);
    let pretty = sure(serde_json::to_vec_pretty(&document), "a document is JSON");
    same(&definition, &sure(Definition::parse(&pretty), "laid out otherwise it is the same"));
    if keys_fit(&document) {
        let mut yaml = String::new();
        write_yaml(&document, 0, &mut yaml);
        same(&definition, &sure(Definition::parse(yaml.as_bytes()), &yaml));
    }
    Verdict::Taken
}

fn refused(data: &[u8], error: &DefinitionError) {
    assert!((1..=DefinitionError::PROBLEMS_MAX).contains(&error.problems.len()), "{} problems", error.problems.len());
    for problem in &error.problems {
        words(&problem.message);
        place(data, problem.line, problem.column);
    }
}

fn graph(definition: &Definition) {
    assert!((1..=STEPS_MAX).contains(&definition.steps.len()), "{} steps", definition.steps.len());
    for (index, step) in definition.indices().zip(&definition.steps) {
        assert_eq!(definition.find(step.id.as_str()), Some(index), "two steps have one id");
        for before in &step.after {
            let known = definition.step(*before).is_some_and(|other| other.dependents.contains(&index));
            assert!(known, "step {} follows one that does not know it", step.id);
        }
    }
    // Steps are taken away as what they wait for is gone; a circle would stay.
    let mut left: Vec<_> = definition.indices().collect();
    while !left.is_empty() {
        let before = left.clone();
        let waits =
            |index: &_| definition.step(*index).is_some_and(|step| step.after.iter().any(|a| before.contains(a)));
        left.retain(waits);
        assert!(left.len() < before.len(), "steps wait for one another in a circle");
    }
}

/// A step that waits ends at an instant, whatever it is told, or says why not.
fn waits(definition: &Definition) {
    let input = json!({ "a": "5m", "b": 5, "c": "2026-11-21T07:27:00Z" });
    let now = Timestamp::from_micros(1_795_246_020_000_000);
    let (transaction, headers) = (TransactionId::from_bytes([7; 16]), Headers::default());
    let facts = Facts { transaction, key: None, input: &input, env: &Value::Null, headers: &headers, now };
    for step in definition.steps.iter().filter(|step| step.run.is_passive()) {
        match step.waits_until(&facts.step_scope(definition, step, |_| None), now) {
            Ok(until) => assert!(until.is_none_or(|until| until <= Timestamp::MAX), "beyond the calendar"),
            Err(error) => words(&error.to_string()),
        }
    }
}

fn same(one: &Definition, other: &Definition) {
    assert_eq!((&one.source, one.digest), (&other.source, other.digest), "another digest");
    assert_eq!((&one.name, one.version, one.concurrency), (&other.name, other.version, other.concurrency));
    assert_eq!(one.output_reads, other.output_reads, "the output reads other steps");
    let steps = |definition: &Definition| {
        let steps = definition.steps.iter();
        steps.map(|step| (step.id.clone(), step.after.clone(), step.reads.clone(), step.timeout)).collect::<Vec<_>>()
    };
    assert_eq!(steps(one), steps(other), "other steps");
}

fn keys_fit(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(items) => items.iter().all(keys_fit),
        Value::Object(map) => map.iter().all(|(key, item)| quoted(key).len() <= KEY_BYTES_MAX && keys_fit(item)),
    }
}

/// Block style with every text in double quotes: written by hand, so that nothing of the reader is in it.
fn write_yaml(value: &Value, indent: usize, out: &mut String) {
    let begin = |out: &mut String, lead: &str| {
        out.push_str(&" ".repeat(indent));
        out.push_str(lead);
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, item) in map {
                begin(out, &quoted(key));
                out.push(':');
                write_item(item, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                begin(out, "-");
                write_item(item, indent, out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            write_item(value, indent, out);
        }
    }
}

fn write_item(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(&format!(" {}\n", quoted(text))),
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write_yaml(value, indent + 1, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write_yaml(value, indent + 1, out);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            out.push(' ');
            write_canonical(value, out);
            out.push('\n');
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}
