//! The schema of a definition's input: what is refused of it, and what it says of inputs.

use chancery_engine::definition::Definition;
use serde_json::{Value, json};

fn read(schema: &Value) -> Result<Definition, Vec<String>> {
    let document = json!({ "name": "x", "version": 1, "input": schema, "steps": [{ "id": "a", "run": "noop" }] });
    Definition::parse(document.to_string().as_bytes()).map_err(|err| {
        err.problems.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
    })
}

/// What is wrong with an input, each as pointer, message and rule.
fn faults(schema: &Value, input: &Value) -> Vec<String> {
    let definition = read(schema).unwrap_or_else(|why| panic!("{schema}: {why:?}"));
    definition.input_faults(input).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(schema: &Value, good: &[Value], bad: &[Value]) {
    for input in good {
        assert_eq!(faults(schema, input), [] as [&str; 0], "{schema}: {input}");
    }
    for input in bad {
        assert!(!faults(schema, input).is_empty(), "{schema} takes {input}");
    }
}

#[test]
fn an_order_is_checked_and_all_is_told_at_once() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["id", "items"],
        "additionalProperties": false,
        "properties": {
            "id": { "type": "string", "pattern": "^o-\\d+$" },
            "items": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/item" } },
            "note": { "type": ["string", "null"], "maxLength": 5 }
        },
        "$defs": {
            "item": {
                "type": "object", "required": ["sku"],
                "properties": { "sku": { "type": "string" }, "quantity": { "type": "integer", "minimum": 1 } }
            }
        }
    });
    let good = json!({ "id": "o-17", "items": [{ "sku": "chair", "quantity": 2 }], "note": null });
    assert_eq!(faults(&schema, &good), [] as [&str; 0]);
    let bad = json!({ "id": "17", "items": [{ "quantity": 0 }, 5], "note": "too long", "a/b": 1 });
    assert_eq!(
        faults(&schema, &bad),
        [
            "/id: it does not match `^o-[0-9]+$` (/properties/id/pattern)",
            "/items/0: `sku` is needed (/$defs/item/required)",
            "/items/0/quantity: 0 is not at least 1 (/$defs/item/properties/quantity/minimum)",
            "/items/1: object is needed here, not integer (/$defs/item/type)",
            "/note: 8 characters, at most 5 are allowed (/properties/note/maxLength)",
            "/a~1b: it is not allowed here (/additionalProperties)",
        ]
    );
    assert_eq!(faults(&schema, &json!(null)), ["object is needed here, not null (/type)"]);
}

#[test]
fn values_and_numbers() {
    check(&json!(true), &[json!(1), Value::Null], &[]);
    check(&json!(false), &[], &[json!(1), json!({})]);
    check(
        &json!({ "enum": [1, "a", { "b": [null] }] }),
        &[json!(1), json!({ "b": [null] })],
        &[json!(2), json!({ "b": [] })],
    );
    check(&json!({ "const": { "a": 1 } }), &[json!({ "a": 1 })], &[json!({ "a": 1, "b": 2 })]);
    check(&json!({ "type": "integer" }), &[json!(1), json!(1e300)], &[json!(1.5), json!("1")]);
    check(&json!({ "multipleOf": 0.0001 }), &[json!(0.0075), json!("x")], &[json!(0.00751)]);
    check(&json!({ "multipleOf": 3 }), &[json!(0), json!(-9)], &[json!(10), json!(4.5)]);
    check(&json!({ "minimum": 1, "exclusiveMaximum": 2 }), &[json!(1), json!(1.9)], &[json!(0.9), json!(2)]);
    check(&json!({ "maximum": 1, "exclusiveMinimum": 0 }), &[json!(1), json!(0.1)], &[json!(0), json!(1.1)]);
    check(&json!({ "minLength": 2, "maxLength": 2 }), &[json!("éü"), json!(3)], &[json!("é"), json!("abc")]);
}

#[test]
fn lists_and_maps() {
    check(
        &json!({ "prefixItems": [{ "const": 1 }], "items": { "const": 2 } }),
        &[json!([]), json!([1, 2, 2])],
        &[json!([2]), json!([1, 1])],
    );
    check(&json!({ "uniqueItems": true }), &[json!([1, "1", [1]])], &[json!([{ "a": 1, "b": 2 }, { "b": 2, "a": 1 }])]);
    check(
        &json!({ "contains": { "const": 5 }, "minContains": 2, "maxContains": 3 }),
        &[json!([5, 1, 5]), json!("x")],
        &[json!([5]), json!([5, 5, 5, 5])],
    );
    check(&json!({ "minItems": 1, "maxItems": 2 }), &[json!([1])], &[json!([]), json!([1, 2, 3])]);
    check(
        &json!({ "minProperties": 1, "maxProperties": 1 }),
        &[json!({ "a": 1 })],
        &[json!({}), json!({ "a": 1, "b": 2 })],
    );
    check(
        &json!({ "properties": { "a": true }, "patternProperties": { "^x-": { "type": "string" } }, "additionalProperties": false }),
        &[json!({ "a": 1, "x-b": "c" })],
        &[json!({ "b": 1 }), json!({ "x-b": 1 })],
    );
    check(&json!({ "propertyNames": { "pattern": "^[a-z]+$" } }), &[json!({ "a": 1 })], &[json!({ "A": 1 })]);
    check(
        &json!({ "dependentRequired": { "a": ["b"] } }),
        &[json!({ "b": 1 }), json!({ "a": 1, "b": 1 })],
        &[json!({ "a": 1 })],
    );
    check(
        &json!({ "dependentSchemas": { "a": { "maxProperties": 1 } } }),
        &[json!({ "b": 1, "c": 1 })],
        &[json!({ "a": 1, "b": 1 })],
    );
}

#[test]
fn schemas_of_schemas() {
    let (small, text) = (json!({ "maximum": 5 }), json!({ "type": "string" }));
    check(&json!({ "allOf": [small, { "minimum": 2 }] }), &[json!(3)], &[json!(1), json!(6)]);
    check(&json!({ "anyOf": [text, { "type": "integer" }] }), &[json!("a"), json!(1)], &[json!(1.5), json!(null)]);
    check(&json!({ "oneOf": [small, { "multipleOf": 2 }] }), &[json!(3), json!(8)], &[json!(4), json!(7)]);
    check(&json!({ "not": text }), &[json!(1)], &[json!("a")]);
    check(
        &json!({ "if": { "properties": { "kind": { "const": "card" } } }, "then": { "required": ["card"] }, "else": { "required": ["iban"] } }),
        &[json!({ "kind": "card", "card": 1 }), json!({ "kind": "bank", "iban": 1 })],
        &[json!({ "kind": "card", "iban": 1 }), json!({ "kind": "bank" })],
    );
    // What refers to itself goes deeper into the input.
    let tree =
        json!({ "properties": { "left": { "$ref": "#" }, "value": { "type": "integer" } }, "required": ["value"] });
    check(&tree, &[json!({ "value": 1, "left": { "value": 2 } })], &[json!({ "value": 1, "left": { "left": {} } })]);
    check(&json!({ "$ref": "#/$defs/a~1b", "$defs": { "a/b": { "const": 1 } } }), &[json!(1)], &[json!(2)]);
    check(&json!({ "$ref": "#/$defs/a%25b", "$defs": { "a%b": { "const": 1 } } }), &[json!(1)], &[json!(2)]);
}

#[test]
fn what_no_schema_has_looked_at() {
    check(
        &json!({ "allOf": [{ "properties": { "a": true } }], "properties": { "b": true }, "unevaluatedProperties": false }),
        &[json!({ "a": 1, "b": 2 })],
        &[json!({ "a": 1, "c": 2 })],
    );
    // What does not hold has looked at nothing.
    check(
        &json!({
            "anyOf": [{ "required": ["a"], "properties": { "a": true } }, { "required": ["b"], "properties": { "b": true } }],
            "unevaluatedProperties": false
        }),
        &[json!({ "a": 1 }), json!({ "a": 1, "b": 1 })],
        &[json!({ "a": 1, "c": 1 })],
    );
    check(
        &json!({ "prefixItems": [true], "unevaluatedItems": { "type": "string" } }),
        &[json!([1, "a"])],
        &[json!([1, 2])],
    );
    check(&json!({ "contains": { "const": 1 }, "unevaluatedItems": false }), &[json!([1, 1])], &[json!([1, 2])]);
}

#[test]
fn what_is_wrong_with_a_schema_is_said_with_its_place() {
    for (schema, expected) in [
        (json!(5), "input: a schema is a map, `true` or `false`, not a number"),
        (json!({ "tpye": "string" }), "input.tpye: no keyword of JSON Schema is called `tpye`; did you mean `type`?"),
        (
            json!({ "type": "text" }),
            "input.type: `text` is no type; there are null, boolean, integer, number, string, array, object",
        ),
        (json!({ "type": 5 }), "input.type: `type` is the name of a type, or a list of such"),
        (json!({ "minLength": -1 }), "input.minLength: `minLength` is a whole number from 0"),
        (json!({ "maximum": "5" }), "input.maximum: `maximum` is a number"),
        (json!({ "multipleOf": 0 }), "input.multipleOf: `multipleOf` is above 0"),
        (json!({ "enum": [] }), "input.enum: `enum` is a list of values"),
        (json!({ "required": "a" }), "input.required: `required` is a list of texts"),
        (json!({ "allOf": [] }), "input.allOf: `allOf` is a list of at least one schema"),
        (json!({ "properties": { "a": 5 } }), "input.properties.a: a schema is a map, `true` or `false`, not a number"),
        (
            json!({ "anyOf": [true, { "uniqueItems": 1 }] }),
            "input.anyOf[1].uniqueItems: `uniqueItems` is `true` or `false`",
        ),
        (json!({ "$ref": "#/$defs/none" }), "input.$ref: there is no schema at `#/$defs/none`"),
        (json!({ "$ref": "#item" }), "input.$ref: `#item` is an anchor: refer to `#/$defs/…`"),
        (
            json!({ "$ref": "https://example.com/order.json" }),
            "input.$ref: `https://example.com/order.json` is elsewhere: a schema refers to nothing outside of the definition",
        ),
        (
            json!({ "$ref": "schemas/order.json" }),
            "input.$ref: `schemas/order.json` is a file: `chancery definition check` and `push` put it in its place",
        ),
        (json!({ "definitions": {} }), "input.definitions: `definitions` is of an older draft: 2020-12 is read"),
        (
            json!({ "properties": { "a": { "$id": "x" } } }),
            "input.properties.a.$id: `$id` is said of the whole, where `input` begins",
        ),
        (
            json!({ "$schema": "http://json-schema.org/draft-07/schema#" }),
            "input.$schema: only draft 2020-12 is read: `https://json-schema.org/draft/2020-12/schema`",
        ),
    ] {
        assert_eq!(read(&schema).unwrap_err(), [expected], "{schema}");
    }
    let lookahead = read(&json!({ "pattern": "(?=a)b" })).unwrap_err();
    assert!(
        lookahead[0].starts_with("input.pattern: `(?=a)b` is no pattern that can be matched in linear time"),
        "{lookahead:?}"
    );
    for circle in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "not": { "$ref": "#/$defs/b" } }, "b": { "anyOf": [{ "$ref": "#/$defs/a" }] } } }),
    ] {
        let refused = read(&circle).unwrap_err();
        assert!(refused[0].ends_with("this schema comes to itself without going deeper into the input"), "{refused:?}");
    }
}

/// A schema that would take for ever says so instead.
#[test]
fn looks_are_counted() {
    let twice =
        |name: &str| json!({ "allOf": [{ "$ref": format!("#/$defs/{name}") }, { "$ref": format!("#/$defs/{name}") }] });
    let mut defs = serde_json::Map::from_iter([("s0".to_owned(), json!({ "type": "integer" }))]);
    defs.extend((1..40).map(|n| (format!("s{n}"), twice(&format!("s{}", n - 1)))));
    let schema = json!({ "$ref": "#/$defs/s39", "$defs": defs });
    let told = faults(&schema, &json!(1));
    assert!(told.len() == 1 && told[0].starts_with("it takes more than 1048576 looks"), "{told:?}");
    let long = json!({ "pattern": "^a*$" });
    let told = faults(&long, &json!("a".repeat(20_000)));
    assert_eq!(told, ["20000 bytes, at most 16384 are matched with a pattern (/pattern)"]);
    let many = json!({ "items": { "type": "string" } });
    assert_eq!(faults(&many, &json!(vec![1; 100])).len(), 20, "so many are told at once");
}

#[test]
fn every_kind_of_definition_may_have_one() {
    for text in [
        "{name: x, version: 1, kind: open, input: {type: object}}",
        "{name: x, version: 1, kind: tcc, input: {type: object}, participants: [{id: a, try: {run: noop}, confirm: {run: noop}, cancel: {run: noop}}]}",
    ] {
        let definition = Definition::parse(text.as_bytes()).unwrap();
        assert!(definition.input_faults(&json!({})).is_empty() && definition.input_faults(&json!(1)).len() == 1);
    }
    let without = Definition::parse(b"{name: x, version: 1, steps: [{id: a, run: noop}]}").unwrap();
    assert!(without.input_faults(&json!(1)).is_empty());
}

/// JSON Schema 2020-12, 11.2 and 11.3: what a schema looked at is known to those around it, not to its cousins.
#[test]
fn what_a_cousin_looked_at_is_not_looked_at() {
    let closed = json!({ "unevaluatedProperties": false });
    let named = json!({ "properties": { "a": true } });
    check(&json!({ "allOf": [named, closed] }), &[json!({})], &[json!({ "a": 1 })]);
    check(&json!({ "properties": { "a": true }, "allOf": [closed] }), &[json!({})], &[json!({ "a": 1 })]);
    check(
        &json!({ "allOf": [named], "unevaluatedProperties": false }),
        &[json!({ "a": 1 })],
        &[json!({ "a": 1, "b": 1 })],
    );
    let items = json!([{ "prefixItems": [true] }, { "unevaluatedItems": false }]);
    check(&json!({ "allOf": items }), &[json!([])], &[json!([1])]);
}
