//! Asking a table.

use crate::bits::Bits;
use crate::document::VALUE;
use crate::hit::{Hit, HitPolicy};
use crate::table::{Input, Table, Then};
use chancery_base::{Kind, json};
use chancery_expr::{EvalError, Scope, Tree};
use serde_json::{Map, Value};

/// What a table says, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// What it says.
    pub hit: Hit,
    /// What its inputs were, in their order.
    pub inputs: Vec<Value>,
    /// The rows that fired: of the policies that go by an order in that order, else in the order of the rows. Under
    /// `first` it is that one; later rows were not looked at.
    pub fired: Vec<Fired>,
    /// How many cells were looked at one by one, which is those that are expressions.
    pub cells: usize,
}

/// A row that fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Fired {
    /// Which, from 1.
    pub row: usize,
    /// What it gives.
    pub outputs: Map<String, Value>,
}

/// A cell of a row that fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    /// The input.
    pub input: String,
    /// The cell as it was written; `-` where it was left out.
    pub cell: String,
    /// The value that it held for.
    pub value: Value,
}

/// Why a table could not say anything.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EvaluateError {
    /// It would have taken more work than allowed.
    #[error("the table takes more work than allowed")]
    OutOfFuel,
    /// The expression of an input failed.
    #[error("input `{input}`: {source}")]
    Input {
        /// The input.
        input: String,
        /// Why.
        #[source]
        source: EvalError,
    },
    /// An input is not what it is declared to be.
    #[error("input `{input}` is {value}, which is not {expected}")]
    Value {
        /// The input.
        input: String,
        /// What it is.
        value: Value,
        /// What it was to be.
        expected: String,
    },
    /// The expression of a cell failed.
    #[error("row {row}, `{input}`: {source}")]
    Cell {
        /// The row, from 1.
        row: usize,
        /// The input.
        input: String,
        /// Why.
        #[source]
        source: EvalError,
    },
    /// The expression of a cell is no condition.
    #[error("row {row}, `{input}`: a condition is true or false, this one is {value}")]
    NoCondition {
        /// The row, from 1.
        row: usize,
        /// The input.
        input: String,
        /// What it gave.
        value: Value,
    },
    /// The expression of an output failed.
    #[error("row {row}, `{output}`: {source}")]
    Output {
        /// The row, from 1.
        row: usize,
        /// The output.
        output: String,
        /// Why.
        #[source]
        source: EvalError,
    },
    /// An output is not what it is declared to be.
    #[error("row {row}, `{output}`: {problem}")]
    OutputValue {
        /// The row, from 1.
        row: usize,
        /// The output.
        output: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two rows fired under `unique`.
    #[error("rows {first} and {second} fire both, of which `unique` allows one")]
    Several {
        /// A row, from 1.
        first: usize,
        /// A later one.
        second: usize,
    },
    /// Two rows that fired under `any` do not give the same.
    #[error("rows {first} and {second} fire both and differ, which `any` does not allow")]
    Conflict {
        /// A row, from 1.
        first: usize,
        /// A later one.
        second: usize,
    },
    /// A sum is beyond ±2⁵³.
    #[error("the sum is beyond ±2^53")]
    Sum,
}

impl EvaluateError {
    /// Whose fault it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Table {
    /// Asks the table. `scope` binds what the inputs' expressions use; what it costs is taken from `fuel`, of which an
    /// input takes one and what its expression takes, a row that may fire one, and an expression what it takes.
    ///
    /// # Errors
    /// If an expression fails, a value is not of its type, rows fire together that may not, or fuel runs out.
    pub fn evaluate(&self, scope: &Scope<'_>, fuel: &mut u64) -> Result<Evaluation, EvaluateError> {
        let inputs = self.inner.inputs.iter().map(|input| input.value(scope, fuel)).collect::<Result<Vec<_>, _>>()?;
        let candidates = self.candidates(&inputs, fuel)?;
        let mut asked = Asked { table: self, inputs: &inputs, scope: Scope::new(), fuel, cells: 0 };
        for (input, value) in self.inner.inputs.iter().zip(&inputs) {
            asked.scope.bind(&input.name, Tree::Value(value));
        }
        let fired = asked.fired(&candidates)?;
        let cells = asked.cells;
        let (hit, fired) = self.hit(fired)?;
        Ok(Evaluation { hit, inputs, fired, cells })
    }

    /// The cells of a row that fired, with the values that they held for.
    #[must_use]
    pub fn trace(&self, evaluation: &Evaluation, fired: &Fired) -> Vec<Traced> {
        let row = fired.row.checked_sub(1).and_then(|row| self.inner.rows.get(row));
        let cells = row.into_iter().flat_map(|row| &row.cells);
        let inputs = self.inner.inputs.iter().zip(&evaluation.inputs);
        let traced = cells.zip(inputs).map(|(cell, (input, value))| Traced {
            input: input.name.clone(),
            cell: cell.text.as_ref().to_owned(),
            value: value.clone(),
        });
        traced.collect()
    }

    /// The rows whose indexed cells all hold.
    fn candidates(&self, inputs: &[Value], fuel: &mut u64) -> Result<Bits, EvaluateError> {
        let mut rows = Bits::all(self.inner.rows.len());
        for ((input, column), value) in self.inner.inputs.iter().zip(&self.inner.columns).zip(inputs) {
            charge(fuel)?;
            rows.keep(column.rows(input.kind.point(value).as_ref()));
        }
        Ok(rows)
    }

    fn hit(&self, mut fired: Vec<Fired>) -> Result<(Hit, Vec<Fired>), EvaluateError> {
        let policy = self.inner.hit_policy;
        if policy.ranks() {
            fired.sort_by_cached_key(|row| self.rank(&row.outputs));
        }
        if let [first, rest @ ..] = fired.as_slice() {
            let first_row = first.row;
            let differs = |row: &&Fired| policy == HitPolicy::Unique || row.outputs != first.outputs;
            let wrong = rest.iter().find(differs).map(|second| second.row);
            match (policy, wrong) {
                (HitPolicy::Unique, Some(second)) => return Err(EvaluateError::Several { first: first_row, second }),
                (HitPolicy::Any, Some(second)) => return Err(EvaluateError::Conflict { first: first_row, second }),
                (_, _) => {}
            }
        }
        let all = || fired.iter().map(|row| row.outputs.clone()).collect();
        let hit = match policy {
            HitPolicy::Unique | HitPolicy::Any | HitPolicy::Priority | HitPolicy::First => {
                fired.first().map_or(Hit::None, |row| Hit::One(row.outputs.clone()))
            }
            HitPolicy::RuleOrder | HitPolicy::OutputOrder | HitPolicy::Collect => Hit::List(all()),
            HitPolicy::CollectCount => self.one(Value::from(fired.len())),
            HitPolicy::CollectSum => self.sum(&fired)?,
            HitPolicy::CollectMin => numbers(&fired).min_by(order).map_or(Hit::None, |least| self.one(least)),
            HitPolicy::CollectMax => numbers(&fired).max_by(order).map_or(Hit::None, |most| self.one(most)),
        };
        Ok((hit, fired))
    }

    /// Where the outputs stand in the order that their values list; less goes before more.
    pub(crate) fn rank(&self, outputs: &Map<String, Value>) -> Vec<usize> {
        let ranks = self.inner.outputs.iter().filter_map(|output| {
            let (values, value) = (output.values.as_ref()?, outputs.get(&output.name)?);
            values.iter().position(|other| other == value)
        });
        ranks.collect()
    }

    fn one(&self, value: Value) -> Hit {
        let name = self.inner.outputs.first().map(|output| output.name.clone());
        Hit::One(name.map(|name| (name, value)).into_iter().collect())
    }

    fn sum(&self, fired: &[Fired]) -> Result<Hit, EvaluateError> {
        if fired.is_empty() {
            return Ok(Hit::None);
        }
        // In the order of the rows, so that it is the same each time. Below 2⁵³ whole numbers add up exactly.
        let sum: f64 = numbers(fired).filter_map(|number| number.as_f64()).sum();
        json::number(sum).ok().map(|sum| self.one(sum)).ok_or(EvaluateError::Sum)
    }
}

/// The values of the one output.
fn numbers(fired: &[Fired]) -> impl Iterator<Item = Value> {
    fired.iter().filter_map(|row| row.outputs.values().next().cloned())
}

fn order(one: &Value, other: &Value) -> std::cmp::Ordering {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    number(one).total_cmp(&number(other))
}

fn charge(fuel: &mut u64) -> Result<(), EvaluateError> {
    *fuel = fuel.saturating_sub(1);
    if *fuel == 0 { Err(EvaluateError::OutOfFuel) } else { Ok(()) }
}

/// An expression's failure, unless it is that there is no more fuel.
fn failed(source: EvalError, of: impl FnOnce(EvalError) -> EvaluateError) -> EvaluateError {
    if source == EvalError::OutOfFuel { EvaluateError::OutOfFuel } else { of(source) }
}

impl Input {
    fn value(&self, scope: &Scope<'_>, fuel: &mut u64) -> Result<Value, EvaluateError> {
        charge(fuel)?;
        let value = self.expression.evaluate_within(scope, fuel);
        let value =
            value.map_err(|err| failed(err, |source| EvaluateError::Input { input: self.name.clone(), source }))?;
        let value = value.unwrap_or_default();
        let point = self.kind.point(&value);
        let expected = match (&value, &point) {
            (Value::Null, _) if self.domain.has_null() => return Ok(value),
            (_, Some(point)) if self.domain.contains(point) => return Ok(value),
            (_, Some(_)) => format!("one of its values: {}", self.domain.text(self.kind)),
            (_, None) => self.kind.phrase().to_owned(),
        };
        Err(EvaluateError::Value { input: self.name.clone(), value, expected })
    }
}

/// A table that is being asked.
struct Asked<'a> {
    table: &'a Table,
    inputs: &'a [Value],
    /// The inputs by name, and the value that a cell tests.
    scope: Scope<'a>,
    fuel: &'a mut u64,
    cells: usize,
}

impl Asked<'_> {
    fn fired(&mut self, candidates: &Bits) -> Result<Vec<Fired>, EvaluateError> {
        let mut fired = Vec::new();
        for row in candidates.iter() {
            charge(self.fuel)?;
            if self.holds(row)? {
                fired.push(Fired { row: row + 1, outputs: self.outputs(row)? });
                if self.table.inner.hit_policy == HitPolicy::First {
                    break;
                }
            }
        }
        Ok(fired)
    }

    /// Whether the cells of a row that are expressions hold.
    fn holds(&mut self, row: usize) -> Result<bool, EvaluateError> {
        let table = self.table;
        let cells = table.inner.rows.get(row).into_iter().flat_map(|row| &row.cells);
        for ((cell, input), value) in cells.zip(&table.inner.inputs).zip(self.inputs) {
            let Some(program) = cell.program() else { continue };
            self.cells += 1;
            self.scope.bind(VALUE, Tree::Value(value));
            let (row, input) = (row + 1, || input.name.clone());
            let said = program.evaluate_within(&self.scope, self.fuel);
            match said.map_err(|err| failed(err, |source| EvaluateError::Cell { row, input: input(), source }))? {
                Some(Value::Bool(true)) => {}
                Some(Value::Bool(false) | Value::Null) | None => return Ok(false),
                Some(value @ (Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_))) => {
                    return Err(EvaluateError::NoCondition { row, input: input(), value });
                }
            }
        }
        Ok(true)
    }

    fn outputs(&mut self, row: usize) -> Result<Map<String, Value>, EvaluateError> {
        let table = self.table;
        let given = table.inner.rows.get(row).into_iter().flat_map(|row| &row.then);
        let mut outputs = Map::new();
        for (then, output) in given.zip(&table.inner.outputs) {
            let (row, name) = (row + 1, output.name.clone());
            let value = match then {
                Then::Constant(value) => value.clone(),
                Then::Computed(program) => {
                    let value = program.evaluate_within(&self.scope, self.fuel).map_err(|err| {
                        failed(err, |source| EvaluateError::Output { row, output: name.clone(), source })
                    })?;
                    let value = value.unwrap_or_default();
                    let wrong = |problem| EvaluateError::OutputValue { row, output: name.clone(), problem };
                    output.check(&value).map_err(wrong)?;
                    value
                }
            };
            outputs.insert(name, value);
        }
        Ok(outputs)
    }
}
