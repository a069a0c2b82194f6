//! A table that was read.

use crate::case::Case;
use crate::cell::Cell;
use crate::document;
use crate::finding::TableError;
use crate::hit::HitPolicy;
use crate::index::Column;
use crate::point::Type;
use crate::set::Set;
use chancery_base::Name;
use chancery_expr::{Access, Program, on_large_stack};
use serde_json::Value;
use std::sync::Arc;

/// A decision table, compiled and indexed. Cloning shares it.
///
/// The document is an object: `name`, `version` (from 1), `description` (optional), `hit_policy` (`unique` where it does
/// not say), and lists of
/// - `inputs`: `name`, `type`, `expression` (CEL), `values` (optional: a list of tests that its values pass), `optional`
///   (whether it may be null);
/// - `outputs`: `name`, `type`, `values` (optional: the only ones there are, the one that goes before the others first);
/// - `rows`: `id` (optional), `when` (cells by input; one that is left out is `-`), `then` (a cell for each output: a
///   number, `true`, `false`, or a text that is a constant such as `"high"` in its quotes, else CEL over the inputs);
/// - `tests`: `name`, `input` (what the names stand for that the inputs' expressions use) and `expect` (the outputs, a
///   list of such, or null where no row is to fire).
///
/// Any other key is refused. The crate's page says what cells are.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) name: Name,
    pub(crate) version: u64,
    pub(crate) description: Option<String>,
    pub(crate) hit_policy: HitPolicy,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) rows: Vec<Row>,
    pub(crate) cases: Vec<Case>,
    /// One for each input.
    pub(crate) columns: Vec<Column>,
}

#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) expression: Program,
    /// What it can be: its values, and null where it is optional.
    pub(crate) domain: Set,
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) kind: Type,
    /// The only values there are, the one that goes before the others first.
    pub(crate) values: Option<Vec<Value>>,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: Option<Name>,
    /// One for each input.
    pub(crate) cells: Vec<Cell>,
    /// One for each output.
    pub(crate) then: Vec<Then>,
}

/// What a row gives for an output.
#[derive(Debug, PartialEq)]
pub(crate) enum Then {
    Constant(Value),
    Computed(Program),
}

impl Table {
    /// Reads and compiles a document.
    ///
    /// # Errors
    /// If it is not of the form of a table, is larger than a limit, or a cell does not fit its column: everything that
    /// is wrong, with its row.
    pub fn read(document: &Value) -> Result<Self, TableError> {
        let inner = on_large_stack(|| document::read(document)).map_err(|err| TableError::one(err.to_string()))??;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.inner.name
    }

    /// Its version, from 1.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.inner.version
    }

    /// What its author says of it.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.inner.description.as_deref()
    }

    /// What it makes of the rows that fire.
    #[must_use]
    pub fn hit_policy(&self) -> HitPolicy {
        self.inner.hit_policy
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.inner.rows.len()
    }

    /// The id of a row, counted from 1, where it has one.
    #[must_use]
    pub fn row_id(&self, row: usize) -> Option<&Name> {
        self.inner.rows.get(row.checked_sub(1)?)?.id.as_ref()
    }

    /// The outputs and their types.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, Type)> {
        self.inner.outputs.iter().map(|output| (output.name.as_str(), output.kind))
    }

    /// What a row, counted from 1, gives for an output, where that is a constant.
    #[must_use]
    pub fn constant(&self, row: usize, output: &str) -> Option<&Value> {
        let column = self.inner.outputs.iter().position(|other| other.name == output)?;
        match self.inner.rows.get(row.checked_sub(1)?)?.then.get(column)? {
            Then::Constant(value) => Some(value),
            Then::Computed(_) => None,
        }
    }

    /// What the inputs' expressions use of what surrounds the table, each with the name of its input.
    pub fn references(&self) -> impl Iterator<Item = (&str, &Access)> {
        let inputs = self.inner.inputs.iter();
        inputs.flat_map(|input| input.expression.references().map(|access| (input.name.as_str(), access)))
    }
}
