//! Documents that are no tables, and what is said of them.

use crate::support::document;
use chancery_base::limits::{TABLE_INPUTS_MAX, TABLE_ROWS_MAX};
use chancery_rules::{HitPolicy, Table, Type};
use serde_json::{Value, json};

#[track_caller]
fn check(document: &Value, expected: &str) {
    let error = Table::read(document).unwrap_err().to_string();
    assert!(error.contains(expected), "expected {expected:?} in {error:?}");
}

fn with(path: &str, value: Value) -> Value {
    let mut document = document("first", &json!([{ "id": "all", "when": { "n": "1" }, "then": { "out": 1 } }]));
    let (parent, key) = path.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => panic!("{other} has no parts"),
    }
    document
}

#[test]
fn a_table_says_what_it_is() {
    let table = Table::read(&with("/description", json!("what it is for"))).unwrap();
    assert_eq!((table.name().as_str(), table.version(), table.rows()), ("table", 1, 1));
    assert_eq!((table.description(), table.hit_policy()), (Some("what it is for"), HitPolicy::First));
    assert_eq!(table.outputs().collect::<Vec<_>>(), [("out", Type::Integer)]);
    assert_eq!((table.constant(1, "out"), table.constant(2, "out")), (Some(&json!(1)), None));
    assert_eq!(table.row_id(1).map(|id| id.as_str()), Some("all"));
    assert_eq!(table.row_id(0), None);
    let roots: Vec<_> = table.references().map(|(input, access)| (input, access.root.as_str())).collect();
    assert_eq!(roots, [("n", "given"), ("s", "given"), ("b", "given")]);
}

#[test]
fn the_form_is_checked() {
    check(&json!([]), "it is no object");
    check(&with("/rule", json!(1)), "unknown field `rule`");
    check(&with("/name", json!("a b")), "not allowed in a name");
    check(&with("/version", json!(0)), "`version` is a whole number from 1");
    check(&with("/hit_policy", json!("second")), "unknown variant `second`");
    check(&with("/inputs/0/type", json!("date")), "`inputs[0]`: unknown variant `date`");
    check(&with("/inputs/0/name", json!("b")), "`b`: another input has the same name");
    check(&with("/inputs/0/name", json!("value")), "`value` is what a cell tests");
    check(&with("/inputs/0/name", json!("in")), "not a name that expressions can use");
    check(&with("/inputs/0/expression", json!("given.")), "`inputs[0]`: expression: ");
    check(&with("/inputs/0/values", json!("\"a\"")), "values: \"a\" is not a whole number");
    check(&with("/outputs/0/values", json!([1, 1])), "values: one stands twice");
    check(&with("/outputs/0/values", json!(["a"])), "values: \"a\" is not a whole number");
    check(&with("/outputs", json!([])), "a table has an output and a row at least");
    check(&with("/rows/0/if", json!({})), "row 1: unknown field `if`");
    check(&with("/tests", json!([{ "name": "t", "input": {} }])), "`tests[0]`: missing field `expect`");
}

#[test]
fn cells_are_checked_against_their_columns() {
    check(&with("/rows/0/when", json!({ "n": "> 3.5" })), "row 1, `n`: 3.5 is not a whole number");
    check(&with("/rows/0/when", json!({ "n": "12" })), "row 1, `n`: 12 is none of the input's values");
    check(&with("/rows/0/when", json!({ "n": "> 20" })), "row 1, `n`: it never holds");
    check(&with("/rows/0/when", json!({ "n": null })), "row 1, `n`: the input is never null");
    check(&with("/rows/0/when", json!({ "s": "gold" })), "`gold` is no input; a text stands in quotes: \"gold\"");
    check(&with("/rows/0/when", json!({ "x": "1" })), "row 1, `x`: there is no such input");
    check(&with("/rows/0/then", json!({})), "row 1, `out`: the row does not say");
    check(&with("/rows/0/then", json!({ "out": 7 })), "row 1, `out`: 7 is none of its values");
    check(&with("/rows/0/then", json!({ "out": "'a'" })), "row 1, `out`: \"a\" is not a whole number");
    check(&with("/rows/0/then", json!({ "out": null })), "row 1, `out`: null is not a whole number");
    check(&with("/rows/0/then", json!({ "out": "1 +" })), "neither a constant nor an expression");
    check(&with("/rows/0/then", json!({ "out": "value" })), "`value` is no input");
    check(&with("/rows/0/then", json!({ "out": 1, "more": 1 })), "row 1, `more`: there is no such output");
    // All of them at once.
    check(
        &with("/rows/0", json!({ "when": { "n": "x", "b": "1" }, "then": {} })),
        "row 1, `b`: 1 is not true or false",
    );
}

#[test]
fn hit_policies_have_conditions() {
    let mut document = with("/hit_policy", json!("collect_sum"));
    assert!(Table::read(&document).is_ok());
    document["outputs"] = json!([{ "name": "out", "type": "string" }]);
    document["rows"] = json!([{ "then": { "out": "'a'" } }]);
    check(&document, "`out`: the hit policy `collect_sum` is for numbers");
    document["hit_policy"] = json!("priority");
    check(&document, "goes by the order of `values`, which no output has");
    document["hit_policy"] = json!("collect_count");
    document["outputs"] = json!([{ "name": "out", "type": "string" }, { "name": "two", "type": "string" }]);
    check(&document, "has one output");
}

#[test]
fn limits_are_reached() {
    let row = json!({ "then": { "out": 1 } });
    check(&with("/rows", vec![row; TABLE_ROWS_MAX + 1].into()), "at most 2000 rows, this one has 2001");
    let input = json!({ "name": "n", "type": "integer", "expression": "given.n" });
    check(&with("/inputs", vec![input; TABLE_INPUTS_MAX + 1].into()), "at most 32 inputs");
    let row = json!({ "when": { "n": "value > 1", "b": "value" }, "then": { "out": 1 } });
    check(&with("/rows", vec![row; 1_001].into()), "at most 2000 cells of a table are expressions, here 2002 are");
    let inputs = (0..20).map(|at| json!({ "name": format!("n{at}"), "type": "integer", "expression": "given.n" }));
    let rows = (0..TABLE_ROWS_MAX).map(|row| {
        let cell = format!("[{}..{})", row * 10, row * 10 + 5);
        let cells: serde_json::Map<_, _> = (0..20).map(|at| (format!("n{at}"), json!(cell))).collect();
        json!({ "when": cells, "then": { "out": 1 } })
    });
    let mut document = with("/inputs", inputs.collect());
    document["rows"] = rows.collect();
    check(&document, "the table's index would take");
}
