//! What is said of tables that mean something wrong.

use crate::support::table;
use serde_json::{Value, json};

#[track_caller]
fn check(hit_policy: &str, rows: &Value, expected: &[&str]) {
    let findings = table(hit_policy, rows).analyse();
    let said: Vec<String> = findings.iter().map(|finding| format!("{:?}: {finding}", finding.severity)).collect();
    assert_eq!(said, expected, "{hit_policy} {rows}");
}

fn row(n: &str, s: &str, out: i64) -> Value {
    json!({ "when": { "n": n, "s": s }, "then": { "out": out } })
}

#[test]
fn a_sound_table_has_no_findings() {
    check("unique", &json!([row("< 5", "-", 1), row(">= 5", "'a', null", 2), row(">= 5", "not('a')", 3)]), &[]);
    check("first", &json!([row("< 5", "'a'", 1), row("< 5", "-", 2), row("-", "-", 0)]), &[]);
    check("collect_sum", &json!([row("< 5", "'a'", 1), row("< 7", "-", 2)]), &[]);
}

#[test]
fn overlaps_under_unique_are_named() {
    check(
        "unique",
        &json!([row("< 5", "-", 1), row("[3..9]", "-", 2)]),
        &["Error: row 2: it fires together with row 1, for `n` [3..5): `unique` allows one of them"],
    );
    check(
        "unique",
        &json!([row("-", "null, 'a'", 1), row("-", "'b', null", 2)]),
        &[
            "Error: row 2: it fires together with row 1, for `s` null: `unique` allows one of them",
            "Warning: no row fires for `s` < \"a\", (\"a\"..\"b\"), > \"b\"",
        ],
    );
}

#[test]
fn conflicts_under_any_are_named() {
    check(
        "any",
        &json!([row("<= 5", "-", 1), row(">= 5", "-", 2), row("-", "'a'", 1)]),
        &[
            "Error: row 2: it fires together with row 1, for `n` 5: `out` is 1 there and 2 here, which `any` does not allow",
            "Error: row 3: it fires together with row 2, for `n` [5..10) and `s` \"a\": `out` is 2 there and 1 here, which `any` does not allow",
        ],
    );
}

#[test]
fn rows_that_never_fire_are_named() {
    check(
        "first",
        &json!([row("< 5", "-", 1), row("-", "-", 2), row("3", "'a'", 3)]),
        &["Error: row 3: it can never fire: the rows that go before it take every case"],
    );
    // By two rows together.
    check(
        "first",
        &json!([row("< 5", "-", 1), row(">= 5", "-", 2), row("[4..6]", "-", 3)]),
        &["Error: row 3: it can never fire: the rows that go before it take every case"],
    );
    // 3 goes before 1 in the order of the outputs, wherever the rows stand.
    check(
        "priority",
        &json!([row("4", "-", 1), row("-", "-", 3)]),
        &["Error: row 1: it can never fire: the rows that go before it take every case"],
    );
}

#[test]
fn gaps_are_named() {
    check(
        "unique",
        &json!([row("< 4", "-", 1), row("[6..8]", "not('a')", 2), row("9", "-", 1)]),
        &["Warning: no row fires for `n` [4..6)", "Warning: no row fires for `n` [6..9) and `s` \"a\", null"],
    );
    check("first", &json!([row("-", "'a'", 1)]), &["Warning: no row fires for `s` < \"a\", > \"a\", null"]);
}

#[test]
fn what_can_not_be_seen_is_said() {
    check(
        "unique",
        &json!([row("value > 3", "-", 1), row("value <= 3", "-", 1)]),
        &[
            "Warning: no row fires for all values",
            "Note: `n`: nothing can be seen through the expressions in rows 1, 2: overlaps with them are not found, and what \
         they cover counts as a gap",
        ],
    );
    // A row with an expression may be covered all the same, but covers nothing.
    check(
        "first",
        &json!([row("-", "-", 1), row("value > 3", "-", 2)]),
        &[
            "Error: row 2: it can never fire: the rows that go before it take every case",
            "Note: `n`: nothing can be seen through the expressions in rows 2: overlaps with them are not found, and what \
         they cover counts as a gap",
        ],
    );
}
