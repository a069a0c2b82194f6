//! Decision tables.

use crate::Verdict;
use crate::check::words;
use chancery_base::json;
use chancery_base::limits::{TABLE_FINDINGS_MAX, TABLE_ROWS_MAX};
use chancery_expr::{Scope, Tree};
use chancery_rules::{EvaluateError, Evaluation, HitPolicy, Severity, Table};
use serde_json::{Value, json};

/// Bytes of a document.
const DOCUMENT_BYTES_MAX: usize = 64 << 10;
/// Less than what is usual, so that it runs out.
const FUEL: u64 = 20_000;

pub(crate) fn table(data: &[u8]) -> Verdict {
    let Ok(document) = json::parse(data, DOCUMENT_BYTES_MAX) else { return Verdict::Refused };
    let table = match Table::read(&document) {
        Ok(table) => table,
        Err(error) => {
            assert!(!error.0.is_empty(), "a refusal of nothing");
            for finding in &error.0 {
                words(&finding.message);
                assert!(finding.row.is_none_or(|row| (1..=TABLE_ROWS_MAX).contains(&row)), "{finding}");
            }
            return Verdict::Refused;
        }
    };
    let findings = table.analyse();
    assert_eq!(table.analyse(), findings, "looked at twice, found otherwise");
    assert!(findings.len() <= TABLE_FINDINGS_MAX + 2, "{} findings", findings.len());
    assert!(findings.iter().all(|finding| finding.row.is_none_or(|row| (1..=table.rows()).contains(&row))));
    // What is sound, and seen as a whole, has no rows that fire together; and no gap, if it has none.
    let is_sound = findings.iter().all(|finding| finding.severity != Severity::Error);
    let is_seen = findings.iter().all(|finding| finding.severity != Severity::Note);
    for given in inputs() {
        let said = evaluate(&table, &given, &mut { FUEL });
        assert_eq!(evaluate(&table, &given, &mut { FUEL }), said, "asked twice, said otherwise");
        match said {
            Ok(evaluation) => {
                let rows: Vec<usize> = evaluation.fired.iter().map(|fired| fired.row).collect();
                assert!(rows.iter().all(|row| (1..=table.rows()).contains(row)), "{rows:?}");
                assert!(table.hit_policy() != HitPolicy::Unique || rows.len() <= 1, "{rows:?} under `unique`");
                let wants_a_hit = table.hit_policy().wants_a_hit() && findings.is_empty();
                assert!(!wants_a_hit || !rows.is_empty(), "a gap that was not found: {given}");
            }
            Err(EvaluateError::Several { first, second } | EvaluateError::Conflict { first, second }) => {
                let is_computed = table
                    .outputs()
                    .any(|(name, _)| [first, second].iter().any(|row| table.constant(*row, name).is_none()));
                assert!(
                    !is_sound || !is_seen || is_computed,
                    "rows {first} and {second} were taken for sound: {given}"
                );
            }
            Err(error) => words(&error.to_string()),
        }
    }
    for result in table.test() {
        result.failure.as_deref().into_iter().for_each(words);
    }
    Verdict::Taken
}

fn evaluate(table: &Table, given: &Value, fuel: &mut u64) -> Result<Evaluation, EvaluateError> {
    let mut scope = Scope::new();
    scope.bind("given", Tree::Value(given));
    table.evaluate(&scope, fuel)
}

fn inputs() -> Vec<Value> {
    let numbers = [json!(-1), json!(0), json!(1), json!(2.5), json!(1_000_000), Value::Null];
    let texts = [json!(""), json!("a"), json!("b\u{0}"), Value::Null];
    let pairs = numbers.iter().flat_map(|n| texts.iter().map(move |s| (n, s)));
    pairs.flat_map(|(n, s)| [true, false].map(|b| json!({ "n": n, "s": s, "b": b }))).collect()
}
