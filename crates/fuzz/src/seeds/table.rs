//! Decision tables: each kind of cell, hit policy and fault.

use serde_json::{Value, json};

/// Cells of a number, a text and a boolean.
const CELLS: &[[&str; 3]] = &[
    ["-", "-", "-"],
    ["1", "\"a\"", "true"],
    ["[1..10)", "not('a', \"b\")", "not(true)"],
    ["(1..2.5]", "['a'..'f']", "false"],
    ["< 1, >= 7, null", "null", "value || n > 1"],
    ["!= 3", "value.startsWith('a')", "-"],
    ["not(> 2, 1)", "> \"m\\u0000\"", "b"],
    ["value % 2 == 0", "'a\\'b'", "null"],
    ["[5..1]", "'a", "1"],
    ["9007199254740993", "a", "value +"],
    ["[1..5", "not('a'", "> true"],
];

const POLICIES: [&str; 12] = [
    "unique",
    "any",
    "priority",
    "first",
    "rule_order",
    "output_order",
    "collect",
    "collect_sum",
    "collect_min",
    "collect_max",
    "collect_count",
    "last",
];

fn document(hit_policy: &str, rows: &[Value]) -> Value {
    json!({
        "name": "seed", "version": 1, "hit_policy": hit_policy,
        "inputs": [
            { "name": "n", "type": "number", "expression": "given.n", "optional": true },
            { "name": "s", "type": "string", "expression": "given.?s", "optional": true },
            { "name": "b", "type": "boolean", "expression": "given.b", "optional": true },
        ],
        "outputs": [{ "name": "out", "type": "integer", "values": [3, 2, 1, 0] }],
        "rows": rows,
        "tests": [{ "name": "one", "input": { "given": { "n": 1, "s": "a", "b": true } }, "expect": { "out": 1 } }],
    })
}

pub(super) fn tables() -> Vec<String> {
    let row = |[n, s, b]: &[&str; 3], out: Value| json!({ "when": { "n": n, "s": s, "b": b }, "then": { "out": out } });
    let single = CELLS.iter().map(|cells| document("first", &[row(cells, json!("n == null ? 0 : 1"))]));
    let sound: Vec<Value> = CELLS.iter().take(8).zip(0..8).map(|(cells, at)| row(cells, json!(at % 4))).collect();
    let all = POLICIES.iter().map(|policy| document(policy, &sound));
    let split = [row(&["< 1", "-", "-"], json!(1)), row(&[">= 1, null", "-", "-"], json!(2))];
    let mut edited = document("unique", &split);
    if let Some(map) = edited.as_object_mut() {
        map.insert("more".to_owned(), Value::Null);
    }
    let others = [document("unique", &split), edited, document("any", &[]), json!([])];
    single.chain(all).chain(others).map(|table| table.to_string()).collect()
}
