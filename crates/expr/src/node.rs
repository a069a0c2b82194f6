//! The tree that is evaluated.

use crate::function::Function;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One step of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// A JSON value as it stands.
    Literal(Value),
    /// An unsigned number, which JSON does not tell from a signed one.
    Uint(u64),
    /// A type's name.
    Type(&'static str),
    /// A name that the scope binds.
    Root(Arc<str>),
    /// A variable of a comprehension, counted from the outermost.
    Local(usize),
    Select {
        operand: Box<Node>,
        field: Arc<str>,
        optional: bool,
    },
    /// `has(operand.field)`.
    Has {
        operand: Box<Node>,
        field: Arc<str>,
    },
    Index {
        operand: Box<Node>,
        index: Box<Node>,
        optional: bool,
    },
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Condition(Box<[Node; 3]>),
    Binary(Binary, Box<Node>, Box<Node>),
    /// Elements, and whether each is `?element`.
    List(Vec<(Node, bool)>),
    /// Keys, values, and whether each is `?key: value`.
    Map(Vec<(Node, Node, bool)>),
    Call(Function, Vec<Node>),
    Loop(Box<Loop>),
}

/// `range.macro(variable, …)`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loop {
    pub(crate) kind: LoopKind,
    pub(crate) range: Node,
    /// The predicate of `map` with three arguments.
    pub(crate) only: Option<Node>,
    pub(crate) body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
    OptMap,
    OptFlatMap,
}

/// An operator of two operands that evaluates both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Arithmetic(Arithmetic),
    Order(Order),
    Equal,
    NotEqual,
    In,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Arithmetic {
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

impl Order {
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    pub(crate) const fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Node {
    /// Whether the node's value, where it has one, cannot be a boolean.
    pub(crate) fn is_never_bool(&self) -> bool {
        match self {
            Self::Literal(value) => !value.is_boolean(),
            Self::Uint(_) | Self::Type(_) | Self::Negate(_) | Self::List(_) | Self::Map(_) => true,
            Self::Root(_) | Self::Local(_) | Self::Select { .. } | Self::Index { .. } => false,
            Self::Has { .. } | Self::Not(_) | Self::And(..) | Self::Or(..) => false,
            Self::Condition(parts) => {
                let [_, then, other] = parts.as_ref();
                then.is_never_bool() && other.is_never_bool()
            }
            Self::Binary(operator, ..) => matches!(operator, Binary::Arithmetic(_)),
            Self::Call(function, _) => function.is_never_bool(),
            Self::Loop(inner) => matches!(inner.kind, LoopKind::Filter | LoopKind::Map),
        }
    }
}

/// One use of a bound name: `steps.charge.?output` is the root `steps` and the segments `charge` and `?output`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// The bound name.
    pub root: String,
    /// The constant fields and string indices that follow.
    pub segments: Vec<Segment>,
    /// Whether a part that is not constant follows: `steps[input.which]`.
    pub dynamic: bool,
    /// Whether it only asks for presence, `has(…)`.
    pub test: bool,
}

/// One constant part of an [`Access`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// The field's name.
    pub name: String,
    /// Whether it is `.?name` or `[?'name']`.
    pub optional: bool,
}

pub(crate) type Accesses = BTreeSet<Access>;
