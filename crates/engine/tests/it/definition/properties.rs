//! Properties: canonical form is a fixed point, both spellings agree, nothing panics.

use super::read::ORDER;
use chancery_base::json;
use chancery_engine::definition::Definition;
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-json::INTEGER_MAX..=json::INTEGER_MAX).prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(|double| json::number(double).unwrap_or(Value::Null)),
        any::<String>().prop_map(|text| Value::from(text.replace("${{", "$"))),
        Just(Value::from("${{ input.a }}")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z\u{e9}\"' :]{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A definition of up to eight steps, each after some of those before it.
fn any_definition() -> impl Strategy<Value = Value> {
    proptest::collection::vec((any_value(), any::<u8>(), any::<bool>()), 1..8).prop_map(|steps| {
        let step = |(at, (with, after, undo)): (usize, &(Value, u8, bool))| {
            let after: Vec<String> =
                (0..at).filter(|before| after >> before & 1 == 1).map(|before| format!("s{before}")).collect();
            let undo = if *undo { json!({"run": "noop", "with": with}) } else { json!({"run": {"worker": "u"}}) };
            json!({"id": format!("s{at}"), "run": {"worker": "w"}, "with": with, "after": after, "compensate": undo})
        };
        json!({"name": "x", "version": 1, "steps": steps.iter().enumerate().map(step).collect::<Vec<_>>()})
    })
}

/// YAML in block style, with every text in double quotes.
fn to_yaml(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().map(|(key, item)| format!("\n{pad}{}: {}", quoted(key), to_yaml(item, indent + 2))).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| format!("\n{pad}- {}", to_yaml(item, indent + 2))).collect()
        }
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\U{:08x}", u32::from(c)) })
        .collect();
    format!("\"{escaped}\"")
}

proptest! {
    #[test]
    fn every_spelling_gives_the_same_digest(document in any_definition()) {
        let definition = Definition::parse(document.to_string().as_bytes());
        prop_assert!(definition.is_ok(), "{:?}", definition);
        let definition = definition.unwrap();
        prop_assert_eq!(Definition::from_canonical(&definition.source).unwrap().digest, definition.digest);
        let yaml = to_yaml(&document, 0);
        let from_yaml = Definition::parse(yaml.as_bytes());
        prop_assert!(from_yaml.is_ok(), "{}\n{:?}", yaml, from_yaml);
        prop_assert_eq!(from_yaml.unwrap().digest, definition.digest);
        prop_assert_eq!(definition.document(), document);
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(err) = Definition::parse(&bytes) {
            prop_assert!(!err.problems.is_empty());
        }
    }

    #[test]
    fn a_damaged_definition_does_not_panic(at in 0..ORDER.len(), cut in 0..20_usize, put in "[a-z{}\\[\\]:&*!|>'\"#%@` \n-]{0,8}") {
        let mut bytes = ORDER.as_bytes().to_vec();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, put.bytes());
        match Definition::parse(&bytes) {
            Ok(definition) => prop_assert!(Definition::from_canonical(&definition.source).is_ok()),
            Err(err) => prop_assert!(err.problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1)),
        }
    }
}
