//! Test cases that stand beside a table.

use crate::hit::Hit;
use crate::table::Table;
use chancery_expr::{FUEL_DEFAULT, Scope, Tree};
use serde_json::{Map, Value};
use std::fmt;

/// A test case.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// What the names stand for that the inputs' expressions use.
    pub(crate) input: Map<String, Value>,
    pub(crate) expected: Expected,
}

/// What a test case expects.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// That no row fires.
    None,
    /// These outputs.
    One(Map<String, Value>),
    /// A list of outputs.
    List(Vec<Map<String, Value>>),
}

/// How a test case went.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// What went otherwise than expected; none where nothing did.
    pub failure: Option<String>,
}

impl CaseResult {
    /// Whether it went as expected.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            None => write!(f, "test `{}` passed", self.name),
            Some(failure) => write!(f, "test `{}`: {failure}", self.name),
        }
    }
}

impl Table {
    /// Runs the test cases, each with the same fuel as an expression has by default.
    #[must_use]
    pub fn test(&self) -> Vec<CaseResult> {
        let results =
            self.inner.cases.iter().map(|case| CaseResult { name: case.name.clone(), failure: self.run(case) });
        results.collect()
    }

    fn run(&self, case: &Case) -> Option<String> {
        let mut scope = Scope::new();
        case.input.iter().for_each(|(name, value)| scope.bind(name, Tree::Value(value)));
        match self.evaluate(&scope, &mut { FUEL_DEFAULT }) {
            Err(err) => Some(format!("expected {}, but {err}", case.expected)),
            Ok(evaluation) if case.expected.is(&evaluation.hit) => None,
            Ok(evaluation) => {
                let rows: Vec<String> = evaluation.fired.iter().map(|fired| fired.row.to_string()).collect();
                let rows = if rows.is_empty() { "no row".to_owned() } else { format!("rows {}", rows.join(", ")) };
                Some(format!("expected {}, got {} ({rows} fired)", case.expected, shown(&evaluation.hit)))
            }
        }
    }
}

impl Expected {
    fn is(&self, hit: &Hit) -> bool {
        match (self, hit) {
            (Self::None, Hit::None) => true,
            (Self::One(expected), Hit::One(outputs)) => expected == outputs,
            (Self::List(expected), Hit::List(outputs)) => expected == outputs,
            (Self::None | Self::One(_) | Self::List(_), Hit::None | Hit::One(_) | Hit::List(_)) => false,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::None => shown(&Hit::None),
            Self::One(outputs) => shown(&Hit::One(outputs.clone())),
            Self::List(list) => shown(&Hit::List(list.clone())),
        })
    }
}

fn shown(hit: &Hit) -> String {
    match hit {
        Hit::None => "no hit".to_owned(),
        Hit::One(outputs) => Value::Object(outputs.clone()).to_string(),
        Hit::List(list) => Value::from(list.iter().cloned().map(Value::Object).collect::<Vec<_>>()).to_string(),
    }
}
