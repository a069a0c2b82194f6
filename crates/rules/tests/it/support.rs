//! A table that all tests share, and asking it.

use chancery_expr::{Scope, Tree};
use chancery_rules::{EvaluateError, Evaluation, Table};
use serde_json::{Value, json};

/// A table of an integer `n`, an optional text `s` and a boolean `b`, each of the value that `given` has of that name.
pub(crate) fn document(hit_policy: &str, rows: &Value) -> Value {
    json!({
        "name": "table", "version": 1, "hit_policy": hit_policy,
        "inputs": [
            { "name": "n", "type": "integer", "expression": "given.n", "values": "[0..9]" },
            { "name": "s", "type": "string", "expression": "given.?s", "optional": true },
            { "name": "b", "type": "boolean", "expression": "given.b" },
        ],
        "outputs": [{ "name": "out", "type": "integer", "values": [3, 2, 1, 0] }],
        "rows": rows,
    })
}

pub(crate) fn table(hit_policy: &str, rows: &Value) -> Table {
    Table::read(&document(hit_policy, rows)).unwrap_or_else(|err| panic!("{err}"))
}

pub(crate) fn ask(table: &Table, input: &Value) -> Result<Evaluation, EvaluateError> {
    let mut scope = Scope::new();
    scope.bind("given", Tree::Value(input));
    table.evaluate(&scope, &mut 100_000)
}
