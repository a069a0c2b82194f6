//! CEL: expressions, and templates that hold them.

use crate::Verdict;
use crate::check::{find, place, sure, words};
use crate::json::{canonical_is_one_form, in_domain};
use chancery_base::limits::EXPRESSION_BYTES_MAX;
use chancery_expr::{EvalError, Program, Scope, Template, Tree};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Less than what is usual, so that it runs out.
const FUEL: u64 = 20_000;

pub(crate) fn expression(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else { return Verdict::Refused };
    template(text);
    let program = match Program::compile(text) {
        Ok(program) => program,
        Err(error) => {
            words(&error.message);
            place(data, error.line, error.column.saturating_sub(1));
            return Verdict::Refused;
        }
    };
    assert!(text.len() <= EXPRESSION_BYTES_MAX, "the limit does not hold");
    assert_eq!(program.text(), text, "the text is not kept");
    let whole = scope(None);
    let result = evaluate(&program, &whole);
    let names: BTreeSet<&str> = program.references().map(|access| access.root.as_str()).collect();
    let narrow = program.evaluate(&scope(Some(&names)), FUEL);
    assert_eq!(narrow, result, "a name that it does not use changes the result");
    // A hole in a template ends where the expression does, whatever quotes and braces it has.
    let hole = Value::String(format!("${{{{ {text}\n}}}}"));
    let template = sure(Template::compile(&hole), "an expression stands in a template");
    let Some(held) = template.as_program() else { find("a hole is not one expression") };
    assert_eq!(held.text(), text.trim(), "a hole holds another expression");
    Verdict::Taken
}

fn evaluate(program: &Program, scope: &Scope<'_>) -> Result<Option<Value>, EvalError> {
    let result = program.evaluate(scope, FUEL);
    assert_eq!(program.evaluate(scope, FUEL), result, "the same expression gives another result");
    match &result {
        Ok(value) => {
            assert_eq!(&program.evaluate(scope, FUEL * 4), &result, "fuel changes the result");
            let Some(value) = value else {
                assert_eq!(program.evaluate_bool(scope, FUEL), Ok(false), "an absent condition is false");
                return result;
            };
            in_domain(value, 0);
            canonical_is_one_form(value);
            if let Value::Bool(boolean) = value {
                assert!(!program.provably_not_bool(), "a boolean that it cannot be");
                assert_eq!(program.evaluate_bool(scope, FUEL), Ok(*boolean), "a condition of another value");
            } else {
                assert!(program.evaluate_bool(scope, FUEL).is_err(), "a condition that is no boolean");
            }
        }
        Err(error) => words(&error.to_string()),
    }
    result
}

fn template(text: &str) {
    match Template::compile(&Value::String(text.to_owned())) {
        Ok(template) => {
            if !text.contains("${{") {
                assert_eq!(template.as_literal(), Some(&Value::String(text.to_owned())), "a text without a hole");
            }
            if let Ok(Some(value)) = template.render(&scope(None), FUEL) {
                in_domain(&value, 0);
            }
        }
        Err(errors) => {
            assert!(text.contains("${{") && !errors.is_empty(), "a text without a hole is refused");
            errors.iter().for_each(|error| words(&error.message));
        }
    }
}

/// What a step sees, or those names of it.
fn scope(names: Option<&BTreeSet<&str>>) -> Scope<'static> {
    static VALUES: OnceLock<Value> = OnceLock::new();
    let values = VALUES.get_or_init(|| {
        json!({
            "input": { "sku": "a-1", "quantity": 3, "price": 12.5, "gift": true, "none": null,
                       "items": [{ "id": "x", "n": 1 }, { "id": "y", "n": 2 }], "ключ": "значение" },
            "steps": { "charge": { "output": { "id": "ch_1", "cents": 1250 } }, "ship-it": { "output": [1, 2, 3] } },
            "transaction": { "id": "txn_1", "key": "order-1" },
            "now": "2026-11-21T12:00:00Z",
        })
    });
    let mut scope = Scope::new();
    for (name, value) in values.as_object().into_iter().flatten() {
        if names.is_none_or(|names| names.contains(name.as_str())) {
            scope.bind(name, Tree::Value(value));
        }
    }
    scope
}
