//! The JSON Schema of the format (draft 2020-12), for editors. It says what keys there are and what they take; what
//! steps refer to and what expressions use only [`Definition::parse`](super::Definition::parse) knows.

/// The schema, as it is published in `schemas/definition.schema.json`.
pub const SCHEMA: &str = include_str!("../../../../schemas/definition.schema.json");

#[cfg(test)]
mod tests {
    use super::SCHEMA;
    use crate::definition::fields::Keys;
    use crate::definition::inline::{DECIDE, EMIT};
    use crate::definition::lint::{LINT, Rule};
    use crate::definition::read::{COMPENSATION, HTTP, RESOURCE, RETRY, RUN, STEP, TOP, UNDO, open, participant};
    use crate::definition::request::{APPROVAL, REQUEST};
    use crate::definition::wait::SIGNAL;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    #[track_caller]
    fn check(pointer: &str, keys: &Keys) {
        let schema = schema();
        let properties = schema.pointer(&format!("{pointer}/properties")).and_then(Value::as_object);
        let published: BTreeSet<&str> = properties.unwrap().keys().map(String::as_str).collect();
        let read: BTreeSet<&str> = keys.known.iter().copied().collect();
        assert_eq!(published, read, "{pointer} of the schema has other keys than the parser reads");
    }

    #[test]
    fn the_schema_has_the_keys_that_are_read() {
        check("/$defs/saga", &TOP);
        check("/$defs/open", &open::TOP);
        check("/$defs/tcc", &participant::TOP);
        check("/$defs/step", &STEP);
        check("/$defs/participant", &participant::PARTICIPANT);
        check("/$defs/try", &participant::TRY);
        check("/$defs/confirm", &participant::CONFIRM);
        check("/$defs/run/oneOf/1", &RUN);
        check("/$defs/http", &HTTP);
        check("/$defs/signal", &SIGNAL);
        check("/$defs/request", &REQUEST);
        check("/$defs/approval", &APPROVAL);
        check("/$defs/decide", &DECIDE);
        check("/$defs/emit", &EMIT);
        check("/$defs/undo", &UNDO);
        check("/$defs/retry", &RETRY);
        check("/$defs/resource", &RESOURCE);
        check("/$defs/compensation", &COMPENSATION);
        check("/$defs/lint", &LINT);
    }

    #[test]
    fn the_schema_has_the_linters_rules() {
        let schema = schema();
        let rules = schema.pointer("/$defs/lint/properties/allow/items/enum").and_then(Value::as_array).unwrap();
        let published: Vec<&str> = rules.iter().filter_map(Value::as_str).collect();
        assert_eq!(published, Rule::ALL.map(Rule::id));
    }

    /// What an editor shows beside a key.
    #[test]
    fn every_key_of_the_schema_is_described() {
        let schema = schema();
        let defs = schema.pointer("/$defs").and_then(Value::as_object).unwrap();
        let is_described = |value: &Value| {
            let named = value.pointer("/$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
            let target = named.and_then(|name| defs.get(name));
            [Some(value), target].into_iter().flatten().any(|value| value.get("description").is_some())
        };
        fn walk(value: &Value, is_described: &impl Fn(&Value) -> bool) {
            if let Some(properties) = value.get("properties").and_then(Value::as_object) {
                let bare = properties.iter().filter(|(_, value)| value.get("const").is_none() && !is_described(value));
                let bare: Vec<&String> = bare.map(|(key, _)| key).collect();
                assert_eq!(bare, [] as [&String; 0], "these keys have no description");
            }
            match value {
                Value::Object(map) => map.values().for_each(|value| walk(value, is_described)),
                Value::Array(items) => items.iter().for_each(|value| walk(value, is_described)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        walk(&schema, &is_described);
    }
}
