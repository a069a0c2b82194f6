//! The index gives what a reading cell by cell gives, and the analysis finds what trying every input finds.

use crate::support::ask;
use chancery_rules::{EvaluateError, Hit, Severity, Table};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const TEXTS: [&str; 3] = ["a", "b", "c"];

/// A test of a cell, which says itself when it holds.
#[derive(Debug, Clone)]
enum Test {
    Anything,
    Constant(Value),
    Compare(&'static str, Value),
    Range(bool, Value, Value, bool),
    List(Vec<Test>),
    Not(Vec<Test>),
    /// CEL: the value is less than the input `n`, or the text equals.
    Expression(Value),
}

fn less(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one < other,
        _ => one.as_i64() < other.as_i64(),
    }
}

impl Test {
    fn text(&self) -> String {
        let list = |tests: &[Test]| tests.iter().map(Test::text).collect::<Vec<_>>().join(", ");
        match self {
            Self::Anything => "-".to_owned(),
            Self::Constant(value) => value.to_string(),
            Self::Compare(operator, value) => format!("{operator} {value}"),
            Self::Range(from_in, from, to, to_in) => {
                let (begin, end) = (if *from_in { '[' } else { '(' }, if *to_in { ']' } else { ')' });
                format!("{begin}{from}..{to}{end}")
            }
            Self::List(tests) => list(tests),
            Self::Not(tests) => format!("not({})", list(tests)),
            Self::Expression(value) => format!("value == {value} || false"),
        }
    }

    /// Three-valued: none is unknown.
    fn holds(&self, value: &Value) -> Option<bool> {
        let any = |tests: &[Test]| {
            let all: Vec<Option<bool>> = tests.iter().map(|test| test.holds(value)).collect();
            if all.contains(&Some(true)) {
                Some(true)
            } else if all.contains(&None) {
                None
            } else {
                Some(false)
            }
        };
        match self {
            Self::Anything => return Some(true),
            Self::Constant(Value::Null) => return Some(value.is_null()),
            Self::List(tests) => return any(tests),
            Self::Not(tests) => return any(tests).map(|holds| !holds),
            Self::Constant(_) | Self::Compare(..) | Self::Range(..) | Self::Expression(_) => {}
        }
        if value.is_null() {
            return None;
        }
        Some(match self {
            Self::Constant(other) | Self::Expression(other) => value == other,
            Self::Compare("<", other) => less(value, other),
            Self::Compare("<=", other) => !less(other, value),
            Self::Compare(">", other) => less(other, value),
            Self::Compare(">=", other) => !less(value, other),
            Self::Compare(_, other) => value != other,
            Self::Range(from_in, from, to, to_in) => {
                (less(from, value) || (*from_in && value == from)) && (less(value, to) || (*to_in && value == to))
            }
            Self::Anything | Self::List(_) | Self::Not(_) => false,
        })
    }
}

/// Cells over values that are written as numbers from 0.
fn test(points: i64, make: fn(i64) -> Value, null: bool) -> impl Strategy<Value = Test> {
    let value = move || (0..points).prop_map(make);
    let operator = prop::sample::select(vec!["<", "<=", ">", ">=", "!="]);
    let range = (any::<bool>(), 0..points, 0..points, any::<bool>()).prop_map(move |(from_in, a, b, to_in)| {
        // Closed where it would be empty else.
        let is_point = (a - b).abs() <= 1;
        Test::Range(from_in || is_point, make(a.min(b)), make(a.max(b)), to_in || is_point)
    });
    let single = prop_oneof![
        4 => value().prop_map(Test::Constant),
        2 => (operator, value()).prop_map(|(operator, value)| Test::Compare(operator, value)),
        2 => range,
        u32::from(null) => Just(Test::Constant(Value::Null)),
    ];
    prop_oneof![
        3 => Just(Test::Anything),
        5 => single.clone(),
        2 => prop::collection::vec(single.clone(), 1..4).prop_map(Test::List),
        2 => prop::collection::vec(single, 1..3).prop_map(Test::Not),
        1 => value().prop_map(Test::Expression),
    ]
}

#[derive(Debug, Clone)]
struct TestRow {
    n: Test,
    s: Test,
    b: Option<bool>,
    out: i64,
}

fn rows() -> impl Strategy<Value = Vec<TestRow>> {
    let n = test(10, Value::from, false);
    let s = test(3, |at| json!(TEXTS[usize::try_from(at).unwrap()]), true);
    let row = (n, s, any::<Option<bool>>(), 0..4_i64).prop_map(|(n, s, b, out)| TestRow { n, s, b, out });
    prop::collection::vec(row, 1..12)
}

impl TestRow {
    fn json(&self) -> Value {
        let mut when = Map::from_iter([("n".to_owned(), json!(self.n.text())), ("s".to_owned(), json!(self.s.text()))]);
        when.extend(self.b.map(|b| ("b".to_owned(), json!(b))));
        json!({ "when": when, "then": { "out": self.out } })
    }

    fn fires(&self, n: &Value, s: &Value, b: bool) -> bool {
        let holds = [self.n.holds(n), self.s.holds(s), Some(self.b.is_none_or(|wanted| wanted == b))];
        holds.iter().all(|holds| *holds == Some(true))
    }

    fn is_solid(&self) -> bool {
        !matches!(self.n, Test::Expression(_)) && !matches!(self.s, Test::Expression(_))
    }
}

/// The table, with `s` restricted to the texts, so that there are few enough inputs to try them all; none where a row
/// is refused because it can never fire.
fn read(policy: &str, rows: &[TestRow]) -> Option<Table> {
    let mut document = crate::support::document(policy, &rows.iter().map(TestRow::json).collect());
    document["inputs"][1]["values"] = json!("'a', 'b', 'c'");
    match Table::read(&document) {
        Ok(table) => Some(table),
        Err(error) => {
            let is_dead = |row: &TestRow| every_input().iter().all(|(n, s, b)| !row.fires(n, s, *b));
            assert!(rows.iter().any(is_dead) && error.to_string().contains("it never holds"), "{error}");
            None
        }
    }
}

fn every_input() -> Vec<(Value, Value, bool)> {
    let texts = TEXTS.iter().map(|text| json!(text)).chain([Value::Null]);
    let texts: Vec<Value> = texts.collect();
    let numbers = (0..10).flat_map(|n| texts.iter().map(move |s| (json!(n), s.clone())));
    numbers.flat_map(|(n, s)| [(n.clone(), s.clone(), true), (n, s, false)]).collect()
}

/// What the rows that fire come to, worked out one by one; the error's rows where they may not fire together.
fn naive(policy: &str, fired: &[(usize, i64)]) -> Result<Hit, (usize, usize)> {
    let one = |out: i64| Hit::One(Map::from_iter([("out".to_owned(), json!(out))]));
    let list = |outs: Vec<i64>| {
        Hit::List(outs.into_iter().map(|out| Map::from_iter([("out".to_owned(), json!(out))])).collect())
    };
    let outs: Vec<i64> = fired.iter().map(|(_, out)| *out).collect();
    // The order of the values is 3, 2, 1, 0.
    let mut ordered = outs.clone();
    ordered.sort_by_key(|out| 3 - out);
    Ok(match policy {
        "unique" if fired.len() > 1 => return Err((fired[0].0, fired[1].0)),
        "any" => match fired.iter().find(|(_, out)| *out != outs[0]) {
            Some((row, _)) => return Err((fired[0].0, *row)),
            None => outs.first().map_or(Hit::None, |out| one(*out)),
        },
        "unique" | "first" => outs.first().map_or(Hit::None, |out| one(*out)),
        "priority" => ordered.first().map_or(Hit::None, |out| one(*out)),
        "output_order" => list(ordered),
        "collect_sum" if !outs.is_empty() => one(outs.iter().sum()),
        "collect_min" => outs.iter().min().map_or(Hit::None, |out| one(*out)),
        "collect_max" => outs.iter().max().map_or(Hit::None, |out| one(*out)),
        "collect_count" => one(i64::try_from(outs.len()).unwrap()),
        "collect_sum" => Hit::None,
        _ => list(outs),
    })
}

const POLICIES: [&str; 11] = [
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
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_index_says_what_reading_row_by_row_says(rows in rows(), policy in prop::sample::select(POLICIES.to_vec())) {
        let Some(table) = read(policy, &rows) else { return Ok(()) };
        for (n, s, b) in every_input() {
            let fired: Vec<(usize, i64)> = rows
                .iter()
                .enumerate()
                .filter(|(_, row)| row.fires(&n, &s, b))
                .map(|(at, row)| (at + 1, row.out))
                .collect();
            let said = ask(&table, &json!({ "n": n, "s": s, "b": b }));
            match (naive(policy, &fired), said) {
                (Ok(hit), Ok(evaluation)) => {
                    prop_assert_eq!(&hit, &evaluation.hit, "{} {} {}", n, s, b);
                    let rows: BTreeSet<usize> = evaluation.fired.iter().map(|fired| fired.row).collect();
                    let count = if policy == "first" { 1 } else { usize::MAX };
                    prop_assert_eq!(rows, fired.iter().take(count).map(|(row, _)| *row).collect::<BTreeSet<_>>());
                }
                (
                    Err(rows),
                    Err(EvaluateError::Several { first, second } | EvaluateError::Conflict { first, second }),
                ) => prop_assert_eq!(rows, (first, second)),
                (expected, said) => prop_assert!(false, "{:?} but {:?}", expected, said),
            }
        }
    }

    #[test]
    fn the_analysis_finds_what_trying_every_input_finds(
        rows in rows(),
        policy in prop::sample::select(vec!["unique", "any", "priority", "first"]),
    ) {
        let Some(table) = read(policy, &rows) else { return Ok(()) };
        let inputs = every_input();
        let solid: Vec<bool> = rows.iter().map(TestRow::is_solid).collect();
        let fires = |row: usize, (n, s, b): &(Value, Value, bool)| rows[row].fires(n, s, *b);
        // Seen from the analysis a row with expressions may fire wherever its other cells let it.
        let may_fire = |row: usize, (n, s, b): &(Value, Value, bool)| {
            let open = |test: &Test| if matches!(test, Test::Expression(_)) { Test::Anything } else { test.clone() };
            TestRow { n: open(&rows[row].n), s: open(&rows[row].s), ..rows[row].clone() }.fires(n, s, *b)
        };
        let goes_before = |other: usize, row: usize| match policy {
            "first" => other < row,
            _ => (3 - rows[other].out, other) < (3 - rows[row].out, row),
        };
        let mut errors = BTreeSet::new();
        for row in 0..rows.len() {
            let clashes = |other: usize| {
                let differs = policy == "unique" || rows[other].out != rows[row].out;
                differs && solid[other] && solid[row] && inputs.iter().any(|at| fires(other, at) && fires(row, at))
            };
            let taken = |at: &(Value, Value, bool)| {
                (0..rows.len()).any(|other| other != row && solid[other] && goes_before(other, row) && fires(other, at))
            };
            let is_wrong = match policy {
                "unique" | "any" => (0..row).any(clashes),
                _ => inputs.iter().all(|at| !may_fire(row, at) || taken(at)),
            };
            if is_wrong {
                errors.insert(row + 1);
            }
        }
        let findings = table.analyse();
        let found = findings.iter().filter(|finding| finding.severity == Severity::Error);
        prop_assert_eq!(found.filter_map(|finding| finding.row).collect::<BTreeSet<_>>(), errors);
        let has_gap = inputs.iter().any(|at| (0..rows.len()).all(|row| !solid[row] || !fires(row, at)));
        let finds_gap = findings.iter().any(|finding| finding.severity == Severity::Warning);
        prop_assert_eq!(finds_gap, has_gap, "{:?}", findings);
        let opaque = findings.iter().any(|finding| finding.severity == Severity::Note);
        prop_assert_eq!(opaque, solid.contains(&false));
    }
}
