//! Decision tables: rows of conditions over a few inputs, each with what it gives, and a hit policy that says what to
//! make of the rows that fire. As in DMN 1.3 (<https://www.omg.org/spec/DMN/1.3/>), with CEL for its expressions.
//!
//! [`Table::read`] compiles a document, [`Table::analyse`] says what is wrong with what it means, [`Table::evaluate`]
//! asks it, [`Table::test`] runs the cases that stand beside it.
//!
//! **Cells.** A cell tests the value of its input: `-` (anything), a constant (`10`, `"gold"`, `true`, `null`), a
//! comparison (`< 10`, `>= "m"`, `!= 3`), a range (`[1..10)`, a bracket including its end and a parenthesis not), a
//! list of these with commas (one must hold), or `not(…)` of such a list. Whatever else stands there is a CEL condition
//! over `value` and the inputs by name. Constants, comparisons, ranges and lists are indexed: what a table costs grows
//! with its inputs and its expressions, not with its rows.
//!
//! **Null.** An input that is absent or null is an error, unless it is `optional`. Of an optional one that is null, `-`
//! and `null` hold, `not(null)` does not, and every other test is *unknown*: so is its `not(…)`, a list is unknown
//! where none of its tests holds and one is unknown, and an expression is unknown without being evaluated. An
//! expression that gives null is unknown too. A row fires where all of its cells hold; unknown does not hold. Elsewhere
//! in an expression null is a value like any other: `limit > 3` of a limit that is null is an error, and an error ends
//! the evaluation. An output is never null.
//!
//! **Gaps and overlaps** are looked for wherever cells are indexed. Through an expression nothing can be seen, and the
//! analysis says which ones these are.
//!
//! The crate is pure. Its one thread parses expressions and ends before the call returns.

mod analysis;
mod bits;
mod case;
mod cell;
mod document;
mod evaluate;
mod finding;
mod hit;
mod index;
mod point;
mod set;
mod table;

pub use case::{CaseResult, Expected};
pub use evaluate::{EvaluateError, Evaluation, Fired, Traced};
pub use finding::{Finding, Severity, TableError};
pub use hit::{Hit, HitPolicy};
pub use point::Type;
pub use table::Table;
