//! CEL, the Common Expression Language (<https://cel.dev>), over JSON values.
//!
//! The `cel` crate parses; what it gives is lowered to a small tree of our own, which is evaluated here. That way
//! a value is read where it lies instead of being converted, every step of an evaluation is charged to a budget,
//! and nothing but the bound names can influence a result: the live run and a replay agree.
//!
//! What differs from CEL: map keys are strings and there are no bytes, messages, timestamps or durations, since
//! values are JSON. Integral numbers are `int`, others `double`, nothing is beyond ±2⁵³.

mod compare;
mod error;
mod eval;
mod function;
mod guard;
mod lower;
mod macros;
mod node;
mod operator;
mod program;
mod scope;
mod stack;
mod template;
mod value;

pub use error::{EvalError, ExprError};
pub use node::{Access, Segment};
pub use program::Program;
pub use scope::{Scope, Tree};
pub use stack::{StackError, on_large_stack};
pub use template::{Path, PathSegment, RenderError, Template, TemplateError};

/// Fuel of one evaluation or rendering where nothing else is said: roughly a million tree nodes visited or list
/// elements read, some ten milliseconds.
pub const FUEL_DEFAULT: u64 = 1_000_000;
