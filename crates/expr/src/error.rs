use chancery_base::Kind;
use chancery_base::limits::{EXPRESSION_BYTES_MAX, NESTING_MAX, OPERATORS_MAX};

/// Why a text is not an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// What is wrong, in words.
    pub message: String,
    /// The line in the expression, from 1.
    pub line: usize,
    /// The column in that line, in characters from 1.
    pub column: usize,
}

impl ExprError {
    pub(crate) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count());
        Self { message: message.into(), line: before.matches('\n').count() + 1, column: column + 1 }
    }

    pub(crate) fn too_long(text: &str) -> Self {
        let message = format!("the expression has {} bytes, at most {EXPRESSION_BYTES_MAX} are allowed", text.len());
        Self { message, line: 1, column: 1 }
    }

    pub(crate) fn too_deep(text: &str, offset: usize) -> Self {
        Self::at(text, offset, format!("the expression nests deeper than {NESTING_MAX}"))
    }

    pub(crate) fn too_many(text: &str, offset: usize) -> Self {
        Self::at(text, offset, format!("the expression has more than {OPERATORS_MAX} operators"))
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Why an evaluation gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// It would have taken more work than allowed.
    #[error("the expression takes more work than allowed")]
    OutOfFuel,
    /// A name that the scope does not bind.
    #[error("`{0}` is not known here")]
    Unbound(String),
    /// A map without that key.
    #[error("there is no `{0}`; write `.?{0}` or `[?'{0}']` if it may be absent")]
    NoSuchKey(String),
    /// A list without that index.
    #[error("there is no element {0}")]
    NoSuchIndex(i64),
    /// An operator or function on types that it does not take.
    #[error("`{operation}` does not work on {operands}")]
    Overload {
        /// The operator or function.
        operation: &'static str,
        /// The types that it was given.
        operands: String,
    },
    /// Beyond 64 bits.
    #[error("`{0}` overflows")]
    Overflow(&'static str),
    /// Division or remainder by the integer 0.
    #[error("division by zero")]
    DivisionByZero,
    /// A text or number that does not convert.
    #[error("`{function}` cannot convert this {from}")]
    Conversion {
        /// The conversion.
        function: &'static str,
        /// The type of what was given.
        from: &'static str,
    },
    /// A map literal with the same key twice.
    #[error("the key `{0}` stands twice in a map")]
    DuplicateKey(String),
    /// `value()` of an absent optional.
    #[error("the optional value is absent")]
    Absent,
    /// A result that is not a JSON value: a type, a number beyond ±2⁵³ or too deep a nesting.
    #[error("the result is not a value: {0}")]
    NotAValue(&'static str),
    /// A condition that is not `true` or `false`.
    #[error("a condition is true or false, this one is {0}")]
    NotBool(&'static str),
    /// Something other than a text, number or boolean between other text.
    #[error("only a text, a number or a boolean can stand within text, this is {0}")]
    NotText(&'static str),
}

impl EvalError {
    /// Whose fault it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}
