//! The schema of a definition's input: JSON Schema, draft 2020-12, as one document that refers to nothing outside of it.
//!
//! It is held against inputs in the shard, so that it must end soon whatever it says and is given: patterns are matched
//! in linear time, what refers to itself goes deeper into the input each time, and looks are counted.

mod compile;
mod judge;
mod pattern;

pub(super) use compile::compile;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A schema that passed every check.
#[derive(Debug, Clone)]
pub struct InputSchema {
    /// All that it is made of; the first is the whole.
    schemas: Vec<Schema>,
    /// Whether something in it depends on what other schemas have looked at.
    tracks: bool,
}

/// What is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFault {
    /// Where: a JSON pointer (RFC 6901) into the input; empty for the whole.
    pub pointer: String,
    /// By which rule: a JSON pointer into the schema, such as `/properties/quantity/minimum`.
    pub rule: String,
    /// What is wrong.
    pub message: String,
}

/// A schema: one of those that a document is made of.
#[derive(Debug, Clone)]
struct Schema {
    /// Where it stands: a JSON pointer into the document.
    at: String,
    rules: Vec<(&'static str, Rule)>,
}

/// Which schema of an [`InputSchema`].
type Id = usize;

#[derive(Debug, Clone)]
enum Rule {
    /// Nothing is allowed.
    Nothing,
    Type(Vec<Type>),
    Enum(Vec<Value>),
    Const(Value),
    MultipleOf(f64),
    Maximum(f64),
    ExclusiveMaximum(f64),
    Minimum(f64),
    ExclusiveMinimum(f64),
    MaxLength(usize),
    MinLength(usize),
    Pattern(regex::Regex),
    MaxItems(usize),
    MinItems(usize),
    UniqueItems,
    Contains {
        schema: Id,
        min: usize,
        max: Option<usize>,
    },
    /// The first of them, then the others.
    Items {
        first: Vec<Id>,
        rest: Option<Id>,
    },
    MaxProperties(usize),
    MinProperties(usize),
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    DependentSchemas(Vec<(String, Id)>),
    Properties {
        named: BTreeMap<String, Id>,
        patterns: Vec<(regex::Regex, Id)>,
        rest: Option<Id>,
    },
    PropertyNames(Id),
    Ref(Id),
    AllOf(Vec<Id>),
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If {
        condition: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
    },
    UnevaluatedItems(Id),
    UnevaluatedProperties(Id),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    const ALL: [(&'static str, Self); 7] = [
        ("null", Self::Null),
        ("boolean", Self::Boolean),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("string", Self::String),
        ("array", Self::Array),
        ("object", Self::Object),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, other)| *other == self).map_or("", |(word, _)| word)
    }

    fn has(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number, Value::Number(_))
            | (Self::String, Value::String(_))
            | (Self::Array, Value::Array(_))
            | (Self::Object, Value::Object(_)) => true,
            (Self::Integer, Value::Number(number)) => {
                number.is_i64() || number.as_f64().is_some_and(|double| double.fract() == 0.0)
            }
            _ => false,
        }
    }
}

impl fmt::Display for InputFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        write!(f, "{} ({})", self.message, self.rule)
    }
}

/// A part of a JSON pointer (RFC 6901).
fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}
