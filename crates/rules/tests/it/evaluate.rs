//! What tables say.

use crate::support::{ask, table};
use chancery_rules::{Hit, Table};
use serde_json::{Value, json};

/// The outputs as a number or a list of them; an error as its text.
fn said(table: &Table, input: &Value) -> Value {
    let out = |outputs: &serde_json::Map<String, Value>| outputs["out"].clone();
    match ask(table, input).map(|evaluation| evaluation.hit) {
        Ok(Hit::None) => Value::Null,
        Ok(Hit::One(outputs)) => out(&outputs),
        Ok(Hit::List(rows)) => rows.iter().map(out).collect(),
        Err(error) => Value::from(error.to_string()),
    }
}

#[track_caller]
fn check(hit_policy: &str, rows: &Value, input: &Value, expected: &Value) {
    assert_eq!(said(&table(hit_policy, rows), input), *expected, "{hit_policy} {rows} {input}");
}

#[test]
fn hit_policies_say_what_becomes_of_the_rows() {
    let rows = json!([
        { "when": { "n": "< 4" }, "then": { "out": 1 } },
        { "when": { "n": "[2..6)" }, "then": { "out": 3 } },
        { "when": { "n": "not(> 2)" }, "then": { "out": 1 } },
    ]);
    let (one, two, three, none) = (
        json!({ "n": 4, "b": true }),
        json!({ "n": 3, "b": true }),
        json!({ "n": 2, "b": true }),
        json!({ "n": 9, "b": true }),
    );
    for (policy, for_one, for_two, for_three, for_none) in [
        (
            "unique",
            json!(3),
            json!("rows 1 and 2 fire both, of which `unique` allows one"),
            json!("rows 1 and 2 fire both, of which `unique` allows one"),
            json!(null),
        ),
        (
            "any",
            json!(3),
            json!("rows 1 and 2 fire both and differ, which `any` does not allow"),
            json!("rows 1 and 2 fire both and differ, which `any` does not allow"),
            json!(null),
        ),
        ("first", json!(3), json!(1), json!(1), json!(null)),
        ("priority", json!(3), json!(3), json!(3), json!(null)),
        ("rule_order", json!([3]), json!([1, 3]), json!([1, 3, 1]), json!([])),
        ("output_order", json!([3]), json!([3, 1]), json!([3, 1, 1]), json!([])),
        ("collect", json!([3]), json!([1, 3]), json!([1, 3, 1]), json!([])),
        ("collect_sum", json!(3), json!(4), json!(5), json!(null)),
        ("collect_min", json!(3), json!(1), json!(1), json!(null)),
        ("collect_max", json!(3), json!(3), json!(3), json!(null)),
        ("collect_count", json!(1), json!(2), json!(3), json!(0)),
    ] {
        check(policy, &rows, &one, &for_one);
        check(policy, &rows, &two, &for_two);
        check(policy, &rows, &three, &for_three);
        check(policy, &rows, &none, &for_none);
    }
    // Under `any` rows may fire together that give the same.
    check("any", &rows, &json!({ "n": 1, "b": true }), &json!(1));
}

#[test]
fn null_is_unknown_to_every_test_but_two() {
    let check = |cell: &str, given: Value, fires: bool| {
        let rows = json!([{ "when": { "s": cell }, "then": { "out": 1 } }]);
        let input = json!({ "n": 1, "b": true, "s": given });
        check("first", &rows, &input, &if fires { json!(1) } else { Value::Null });
    };
    check("-", Value::Null, true);
    check("null", Value::Null, true);
    check("not(null)", Value::Null, false);
    check("not(null)", json!("a"), true);
    check("'a'", Value::Null, false);
    check("not('a')", Value::Null, false);
    check("!= 'a'", Value::Null, false);
    check("< 'a'", Value::Null, false);
    check("'a', null", Value::Null, true);
    check("not('a', null)", Value::Null, false);
    check("not('a', null)", json!("b"), true);
    // An expression is not even evaluated, and one that gives null does not hold.
    check("value == null", Value::Null, false);
    check("value.size() > 3", Value::Null, false);
    check("value == 'a' ? true : null", json!("a"), true);
    check("value == 'a' ? true : null", json!("b"), false);
}

#[test]
fn what_is_absent_is_null_only_where_it_may_be() {
    let rows = json!([{ "when": { "s": "null" }, "then": { "out": 1 } }]);
    check("first", &rows, &json!({ "n": 1, "b": true }), &json!(1));
    check("first", &rows, &json!({ "n": null, "b": true }), &json!("input `n` is null, which is not a whole number"));
    let missing = "input `n`: there is no `n`; write `.?n` or `[?'n']` if it may be absent";
    check("first", &rows, &json!({ "b": true }), &json!(missing));
    check(
        "first",
        &rows,
        &json!({ "n": 12, "b": true }),
        &json!("input `n` is 12, which is not one of its values: [0..10)"),
    );
    check("first", &rows, &json!({ "n": 1, "b": "x" }), &json!("input `b` is \"x\", which is not true or false"));
}

#[test]
fn expressions_see_the_inputs() {
    let rows = json!([
        { "when": { "n": "value > 2 && b" }, "then": { "out": "n - 1" } },
        { "when": { "s": "value.startsWith('x')" }, "then": { "out": "b ? 1 : 0" } },
        { "when": { "n": "value == 1 ? n : b" }, "then": { "out": 2 } },
    ]);
    check("first", &rows, &json!({ "n": 3, "b": true }), &json!(2));
    check("first", &rows, &json!({ "n": 9, "b": true }), &json!("row 1, `out`: 8 is none of its values"));
    check("first", &rows, &json!({ "n": 2, "b": false, "s": "xy" }), &json!(0));
    check(
        "first",
        &rows,
        &json!({ "n": 1, "b": false }),
        &json!("row 3, `n`: a condition is true or false, this one is 1"),
    );
    let failing = json!([{ "when": { "n": "1 / value > 0" }, "then": { "out": 1 } }]);
    check("first", &failing, &json!({ "n": 0, "b": true }), &json!("row 1, `n`: division by zero"));
    let failing = json!([{ "then": { "out": "1 / n" } }]);
    check("first", &failing, &json!({ "n": 0, "b": true }), &json!("row 1, `out`: division by zero"));
}

#[test]
fn a_trace_says_which_rows_cells_and_values() {
    let rows = json!([
        { "when": { "n": 1 }, "then": { "out": 1 } },
        { "when": { "n": "[2..4]", "s": "value == 'a'" }, "then": { "out": 2 } },
    ]);
    let table = table("first", &rows);
    let evaluation = ask(&table, &json!({ "n": 3, "b": true, "s": "a" })).unwrap();
    assert_eq!(evaluation.inputs, [json!(3), json!("a"), json!(true)]);
    let [fired] = evaluation.fired.as_slice() else { panic!("{evaluation:?}") };
    assert_eq!((fired.row, &fired.outputs["out"]), (2, &json!(2)));
    let cells: Vec<String> = table
        .trace(&evaluation, fired)
        .into_iter()
        .map(|traced| format!("{} {} {}", traced.input, traced.cell, traced.value))
        .collect();
    assert_eq!(cells, ["n [2..4] 3", "s value == 'a' \"a\"", "b - true"]);
}

#[test]
fn a_thousand_rows_cost_what_a_few_do() {
    let rows = |count: i64| -> Value {
        let row = |at: i64| json!({ "when": { "n": format!("[{}..{})", at * 10, at * 10 + 10), "t": format!("'t{}', 'x'", at % 7), "m": "value > n" }, "then": { "out": at } });
        (0..count).map(row).collect()
    };
    let read = |count: i64| {
        let document = json!({
            "name": "wide", "version": 1,
            "inputs": [
                { "name": "n", "type": "number", "expression": "given.n" },
                { "name": "t", "type": "string", "expression": "given.t" },
                { "name": "m", "type": "number", "expression": "given.m" },
            ],
            "outputs": [{ "name": "out", "type": "integer" }],
            "rows": rows(count),
        });
        Table::read(&document).unwrap()
    };
    let cost = |table: &Table, n: f64| {
        let mut scope = chancery_expr::Scope::new();
        let input = json!({ "n": n, "t": "x", "m": 100_000 });
        scope.bind("given", chancery_expr::Tree::Value(&input));
        let mut fuel = 10_000;
        let evaluation = table.evaluate(&scope, &mut fuel).unwrap();
        (evaluation, 10_000 - fuel)
    };
    let (small, large) = (read(10), read(1_000));
    let (few, few_cost) = cost(&small, 45.5);
    let (many, many_cost) = cost(&large, 45.5);
    assert_eq!((&few.hit, few_cost), (&many.hit, many_cost), "the same whatever rows there are beside the one");
    let (last, last_cost) = cost(&large, 9_999.0);
    assert_eq!(last.fired[0].row, 1_000);
    assert_eq!((many.cells, last.cells, last_cost), (1, 1, many_cost), "one expression is looked at");
    assert!(many_cost < 40, "{many_cost}");
}

#[test]
fn fuel_bounds_what_a_table_costs() {
    let table = table("collect", &json!([{ "when": { "n": "value > 0" }, "then": { "out": "n" } }]));
    let input = json!({ "n": 1, "b": true });
    let mut scope = chancery_expr::Scope::new();
    scope.bind("given", chancery_expr::Tree::Value(&input));
    let mut fuel = 1_000;
    table.evaluate(&scope, &mut fuel).unwrap();
    let cost = 1_000 - fuel;
    for short in 0..=cost {
        let error = table.evaluate(&scope, &mut { short }).unwrap_err();
        assert_eq!(error.to_string(), "the table takes more work than allowed", "{short} of {cost}");
    }
    assert!(table.evaluate(&scope, &mut (cost + 1)).is_ok());
}

#[test]
fn cases_beside_the_table_are_run() {
    let mut document = crate::support::document("first", &json!([{ "when": { "n": "< 5" }, "then": { "out": 1 } }]));
    document["tests"] = json!([
        { "name": "small", "input": { "given": { "n": 1, "b": true } }, "expect": { "out": 1 } },
        { "name": "large", "input": { "given": { "n": 7, "b": true } }, "expect": null },
        { "name": "wrong", "input": { "given": { "n": 2, "b": true } }, "expect": { "out": 2 } },
        { "name": "list", "input": { "given": { "n": 7, "b": true } }, "expect": [] },
        { "name": "unbound", "input": {}, "expect": null },
    ]);
    let results: Vec<String> = Table::read(&document).unwrap().test().iter().map(ToString::to_string).collect();
    assert_eq!(
        results,
        [
            "test `small` passed",
            "test `large` passed",
            "test `wrong`: expected {\"out\":2}, got {\"out\":1} (rows 1 fired)",
            "test `list`: expected [], got no hit (no row fired)",
            "test `unbound`: expected no hit, but input `n`: `given` is not known here",
        ]
    );
}
