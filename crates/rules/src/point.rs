//! Values of columns as points of an ordered line, and the places between them.

use chancery_base::json::{self, INTEGER_MAX};
use serde::Deserialize;
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The type of an input or an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// A whole number within ±2⁵³.
    Integer,
    /// A number within ±2⁵³.
    Number,
    /// A text; in the order of its UTF-8 bytes.
    String,
    /// True or false.
    Boolean,
}

impl Type {
    /// What a message calls it.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::String => "a text",
            Self::Boolean => "true or false",
        }
    }

    /// Whether it is a number.
    #[must_use]
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Number)
    }

    /// The value as a point of this type's line; none where it is of another type.
    pub(crate) fn point(self, value: &Value) -> Option<Point> {
        match (self, value) {
            (Self::Integer, Value::Number(number)) => {
                number.as_f64().filter(|number| number.fract() == 0.0).and_then(Number::new).map(Point::Number)
            }
            (Self::Number, Value::Number(number)) => number.as_f64().and_then(Number::new).map(Point::Number),
            (Self::String, Value::String(text)) => Some(Point::Text(Arc::from(text.as_str()))),
            (Self::Boolean, Value::Bool(boolean)) => Some(Point::Bool(*boolean)),
            (Self::Integer | Self::Number | Self::String | Self::Boolean, _) => None,
        }
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Point {
    Bool(bool),
    Number(Number),
    Text(Arc<str>),
}

/// A number within ±2⁵³.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(f64);

const BOUND: Number = Number(9_007_199_254_740_992.0);
const _: () = assert!(INTEGER_MAX == 9_007_199_254_740_992);

impl Number {
    /// None where it is no number or beyond ±2⁵³.
    pub(crate) fn new(number: f64) -> Option<Self> {
        // Of the two zeros the positive one.
        (number.abs() <= BOUND.0).then_some(Self(number + 0.0))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Point {
    /// The value; in the form in which values are read.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Bool(boolean) => Value::Bool(*boolean),
            // INVARIANT: within ±2⁵³, which is what makes a number a value.
            Self::Number(number) => json::number(number.0).unwrap_or_default(),
            Self::Text(text) => Value::from(&**text),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&json::canonical_text(&self.value()))
    }
}

/// A place of a line: before or after a point, or an end of the line. A stretch of the line lies between two of them,
/// so that stretches with and without their ends are the same kind of thing.
///
/// INVARIANT: of one type there is one cut for one place, wherever two points are neighbours that anybody would write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cut {
    Low,
    At(Point, Side),
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Before,
    After,
}

impl Cut {
    pub(crate) fn before(point: Point) -> Self {
        match &point {
            Point::Bool(false) => Self::Low,
            Point::Number(number) if number.0 <= -BOUND.0 => Self::Low,
            Point::Text(text) if text.is_empty() => Self::Low,
            // Nothing stands between a text and the same with a zero after it.
            Point::Text(text) => match text.strip_suffix('\0') {
                Some(shorter) => Self::At(Point::Text(Arc::from(shorter)), Side::After),
                None => Self::At(point, Side::Before),
            },
            Point::Bool(true) | Point::Number(_) => Self::At(point, Side::Before),
        }
    }

    pub(crate) fn after(kind: Type, point: Point) -> Self {
        match &point {
            Point::Bool(true) => Self::High,
            Point::Bool(false) => Self::At(Point::Bool(true), Side::Before),
            Point::Number(number) if *number >= BOUND => Self::High,
            Point::Number(number) if kind == Type::Integer => {
                Self::At(Point::Number(Number(number.0 + 1.0)), Side::Before)
            }
            Point::Number(_) | Point::Text(_) => Self::At(point, Side::After),
        }
    }
}
