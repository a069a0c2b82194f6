//! From the document to the table.

use crate::case::{Case, Expected};
use crate::cell::{self, Cell};
use crate::finding::{Finding, TableError};
use crate::hit::HitPolicy;
use crate::index::Column;
use crate::point::Type;
use crate::set::Set;
use crate::table::{Inner, Input, Output, Row, Then};
use chancery_base::limits::{
    CELL_BYTES_MAX, TABLE_CASES_MAX, TABLE_EXPRESSIONS_MAX, TABLE_FINDINGS_MAX, TABLE_INDEX_BYTES_MAX,
    TABLE_INPUTS_MAX, TABLE_OUTPUTS_MAX, TABLE_ROWS_MAX, TABLE_VALUES_MAX, TEXT_BYTES_MAX,
};
use chancery_base::{Name, json};
use chancery_expr::Program;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What a cell calls the value that it tests.
pub(crate) const VALUE: &str = "value";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableDocument {
    name: Name,
    version: u64,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    hit_policy: HitPolicy,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    rows: Vec<Value>,
    #[serde(default)]
    tests: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputDocument {
    name: String,
    #[serde(rename = "type")]
    kind: Type,
    expression: String,
    #[serde(default)]
    values: Option<String>,
    #[serde(default)]
    optional: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputDocument {
    name: String,
    #[serde(rename = "type")]
    kind: Type,
    #[serde(default)]
    values: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowDocument {
    #[serde(default)]
    id: Option<Name>,
    #[serde(default)]
    when: Map<String, Value>,
    then: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseDocument {
    name: String,
    input: Map<String, Value>,
    expect: Value,
}

/// Reads a document, on a large stack.
pub(crate) fn read(document: &Value) -> Result<Inner, TableError> {
    let document = json::normalize(document.clone()).map_err(TableError::one)?;
    let document: TableDocument = form(document).map_err(TableError::one)?;
    check_sizes(&document)?;
    let mut faults = Faults(Vec::new());
    let inputs = faults.each(document.inputs, |number, value| {
        input(value).map_err(|message| (None, Some(format!("inputs[{number}]")), message))
    });
    let outputs = faults.each(document.outputs, |number, value| {
        output(value).map_err(|message| (None, Some(format!("outputs[{number}]")), message))
    });
    check_names(&inputs, &outputs, document.hit_policy, &mut faults);
    // Rows are read only against columns that are right.
    faults.end()?;
    let rows: Vec<Row> = document
        .rows
        .into_iter()
        .enumerate()
        .filter_map(|(number, value)| row(number + 1, value, &inputs, &outputs, &mut faults))
        .collect();
    let cases = faults.each(document.tests, |number, value| {
        case(value).map_err(|message| (None, Some(format!("tests[{number}]")), message))
    });
    faults.end()?;
    check_expressions(&rows)?;
    Ok(Inner {
        name: document.name,
        version: document.version,
        description: document.description,
        hit_policy: document.hit_policy,
        columns: index(&inputs, &rows)?,
        inputs,
        outputs,
        rows,
        cases,
    })
}

/// What is wrong so far.
struct Faults(Vec<Finding>);

type Fault = (Option<usize>, Option<String>, String);

impl Faults {
    fn add(&mut self, row: Option<usize>, column: Option<&str>, message: impl Into<String>) {
        if self.0.len() < TABLE_FINDINGS_MAX {
            self.0.push(Finding::error(row, column, message));
        }
    }

    fn each<T>(&mut self, values: Vec<Value>, read: impl Fn(usize, Value) -> Result<T, Fault>) -> Vec<T> {
        let read = values.into_iter().enumerate().filter_map(|(number, value)| match read(number, value) {
            Ok(read) => Some(read),
            Err((row, column, message)) => {
                self.add(row, column.as_deref(), message);
                None
            }
        });
        read.collect()
    }

    fn end(&mut self) -> Result<(), TableError> {
        if self.0.is_empty() { Ok(()) } else { Err(TableError(std::mem::take(&mut self.0))) }
    }
}

fn form<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    // What is derived would take a list for an object, too.
    if !value.is_object() {
        return Err("it is no object".to_owned());
    }
    serde_json::from_value(value).map_err(|err| err.to_string())
}

fn check_sizes(document: &TableDocument) -> Result<(), TableError> {
    let counts = [
        ("inputs", document.inputs.len(), TABLE_INPUTS_MAX),
        ("outputs", document.outputs.len(), TABLE_OUTPUTS_MAX),
        ("rows", document.rows.len(), TABLE_ROWS_MAX),
        ("tests", document.tests.len(), TABLE_CASES_MAX),
    ];
    for (what, count, max) in counts {
        if count > max {
            return Err(TableError::one(format!("a table has at most {max} {what}, this one has {count}")));
        }
    }
    if document.outputs.is_empty() || document.rows.is_empty() {
        return Err(TableError::one("a table has an output and a row at least"));
    }
    if document.version == 0 {
        return Err(TableError::one("`version` is a whole number from 1"));
    }
    if document.description.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
        return Err(TableError::one(format!("`description` has at most {TEXT_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn input(value: Value) -> Result<Input, String> {
    let InputDocument { name, kind, expression, values, optional } = form(value)?;
    check_name(&name)?;
    if name == VALUE {
        return Err(format!("`{VALUE}` is what a cell tests: an input has another name"));
    }
    let domain = match values {
        None => Set::everything(),
        Some(text) => cell::set(kind, &text).map_err(|problem| format!("values: {problem}"))?,
    };
    if domain.spans().is_empty() {
        return Err("values: there are none".to_owned());
    }
    let expression = Program::compile(&expression)
        .map_err(|err| format!("expression: {err} (line {}, column {})", err.line, err.column))?;
    Ok(Input { name, kind, expression, domain: domain.with_null(optional) })
}

fn output(value: Value) -> Result<Output, String> {
    let OutputDocument { name, kind, values } = form(value)?;
    check_name(&name)?;
    let all = values.iter().flatten();
    if let Some(other) = all.clone().find(|value| kind.point(value).is_none()) {
        return Err(format!("values: {other} is not {}", kind.phrase()));
    }
    let distinct: BTreeSet<_> = all.clone().filter_map(|value| kind.point(value)).collect();
    if distinct.len() < all.count() {
        return Err("values: one stands twice".to_owned());
    }
    if values.as_ref().is_some_and(|values| values.is_empty() || values.len() > TABLE_VALUES_MAX) {
        return Err(format!("values: there are 1 to {TABLE_VALUES_MAX}"));
    }
    Ok(Output { name, kind, values })
}

/// Whether CEL can name it.
fn check_name(name: &str) -> Result<(), String> {
    let first = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let rest = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    let is_reference = || {
        let program = Program::compile(name).ok();
        program.is_some_and(|program| program.references().any(|access| access.root == name))
    };
    if first && rest && name.len() <= chancery_base::limits::NAME_BYTES_MAX && is_reference() {
        return Ok(());
    }
    Err(format!("`{name}` is not a name that expressions can use: a-z, A-Z, 0-9, `_`, no digit first, no word of CEL"))
}

fn check_names(inputs: &[Input], outputs: &[Output], policy: HitPolicy, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    let twice = inputs.iter().map(|input| input.name.as_str()).filter(|name| !seen.insert(*name));
    twice.for_each(|name| faults.add(None, Some(name), "another input has the same name"));
    let mut seen = BTreeSet::new();
    let twice = outputs.iter().map(|output| output.name.as_str()).filter(|name| !seen.insert(*name));
    twice.for_each(|name| faults.add(None, Some(name), "another output has the same name"));
    if policy.aggregates() && outputs.len() > 1 {
        faults.add(None, None, format!("a table of the hit policy `{}` has one output", policy.word()));
    }
    if let Some(text) = outputs.iter().find(|output| policy.is_arithmetic() && !output.kind.is_number()) {
        faults.add(None, Some(&text.name), format!("the hit policy `{}` is for numbers", policy.word()));
    }
    if policy.ranks() && outputs.iter().all(|output| output.values.is_none()) {
        let message = format!("the hit policy `{}` goes by the order of `values`, which no output has", policy.word());
        faults.add(None, None, message);
    }
}

fn row(number: usize, value: Value, inputs: &[Input], outputs: &[Output], faults: &mut Faults) -> Option<Row> {
    let row = Some(number);
    let RowDocument { id, mut when, mut then } = form(value).map_err(|message| faults.add(row, None, message)).ok()?;
    let before = faults.0.len();
    let cells = inputs.iter().filter_map(|input| {
        let cell =
            when.remove(&input.name).map_or_else(|| Ok(Cell::anything()), |cell| read_cell(input, inputs, &cell));
        cell.map_err(|message| faults.add(row, Some(&input.name), message)).ok()
    });
    let cells = cells.collect();
    let given = outputs.iter().filter_map(|output| {
        let given = then.remove(&output.name).ok_or_else(|| "the row does not say".to_owned());
        let given = given.and_then(|given| read_then(output, inputs, &given));
        given.map_err(|message| faults.add(row, Some(&output.name), message)).ok()
    });
    let given = given.collect();
    when.keys().for_each(|name| faults.add(row, Some(name), "there is no such input"));
    then.keys().for_each(|name| faults.add(row, Some(name), "there is no such output"));
    (faults.0.len() == before).then_some(Row { id, cells, then: given })
}

fn read_cell(input: &Input, inputs: &[Input], cell: &Value) -> Result<Cell, String> {
    let cell = Cell::read(input.kind, &input.domain, cell)?;
    if let Some(program) = cell.program() {
        check_references(program, inputs, Some(VALUE))?;
    }
    if let Some(set) = cell.set().filter(|set| !set.meets(&input.domain)) {
        let (said, can) = (set.text(input.kind), input.domain.text(input.kind));
        return Err(format!("it never holds: the cell is for {said}, the input can be {can}"));
    }
    Ok(cell)
}

fn read_then(output: &Output, inputs: &[Input], given: &Value) -> Result<Then, String> {
    let constant = match given {
        Value::String(text) => cell::constant(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(given.clone()),
    };
    if let Some(value) = constant {
        return output.check(&value).map(|()| Then::Constant(value));
    }
    let text = given.as_str().unwrap_or_default();
    if text.len() > CELL_BYTES_MAX {
        return Err(format!("a cell has at most {CELL_BYTES_MAX} bytes, this one has {}", text.len()));
    }
    let program = Program::compile(text)
        .map_err(|err| format!("`{text}` is neither a constant nor an expression: {err}, column {}", err.column))?;
    check_references(&program, inputs, None)?;
    if output.kind == Type::Boolean && program.provably_not_bool() {
        return Err(format!("`{text}` is never true or false"));
    }
    Ok(Then::Computed(program))
}

impl Output {
    /// Whether a value is one of this output's.
    ///
    /// # Errors
    /// Says why not.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        if self.kind.point(value).is_none() {
            return Err(format!("{value} is not {}", self.kind.phrase()));
        }
        if self.values.as_ref().is_some_and(|values| !values.contains(value)) {
            return Err(format!("{value} is none of its values"));
        }
        Ok(())
    }
}

fn check_references(program: &Program, inputs: &[Input], own: Option<&str>) -> Result<(), String> {
    let is_known = |name: &str| own == Some(name) || inputs.iter().any(|input| input.name == name);
    match program.references().find(|access| !is_known(&access.root)) {
        None => Ok(()),
        Some(access) => Err(format!("`{0}` is no input; a text stands in quotes: \"{0}\"", access.root)),
    }
}

fn case(value: Value) -> Result<Case, String> {
    let CaseDocument { name, input, expect } = form(value)?;
    let outputs = |value: Value| match value {
        Value::Object(map) => Ok(map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("`expect` is an object of outputs, a list of such, or null".to_owned())
        }
    };
    let expected = match expect {
        Value::Null => Expected::None,
        Value::Array(items) => Expected::List(items.into_iter().map(outputs).collect::<Result<_, _>>()?),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Expected::One(outputs(other)?)
        }
    };
    Ok(Case { name, input, expected })
}

fn check_expressions(rows: &[Row]) -> Result<(), TableError> {
    let cells = rows.iter().flat_map(|row| &row.cells).filter(|cell| cell.program().is_some()).count();
    let outputs = rows.iter().flat_map(|row| &row.then).filter(|then| matches!(then, Then::Computed(_))).count();
    if cells + outputs > TABLE_EXPRESSIONS_MAX {
        let count = cells + outputs;
        let message = format!("at most {TABLE_EXPRESSIONS_MAX} cells of a table are expressions, here {count} are");
        return Err(TableError::one(message));
    }
    Ok(())
}

fn index(inputs: &[Input], rows: &[Row]) -> Result<Vec<Column>, TableError> {
    let cells = |column: usize| -> Vec<Option<&Set>> {
        rows.iter().map(|row| row.cells.get(column).and_then(Cell::set)).collect()
    };
    let sizes = inputs.iter().enumerate().map(|(at, input)| Column::bytes(&cells(at), &input.domain));
    let bytes: usize = sizes.sum();
    if bytes > TABLE_INDEX_BYTES_MAX {
        let message = format!(
            "the table's index would take {bytes} bytes, at most {TABLE_INDEX_BYTES_MAX}: it has too many rows that \
             begin and end at different values in too many columns"
        );
        return Err(TableError::one(message));
    }
    Ok(inputs.iter().enumerate().map(|(at, input)| Column::new(&cells(at), &input.domain)).collect())
}
