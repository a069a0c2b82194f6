use crate::error::{EvalError, ExprError};
use crate::eval::Machine;
use crate::guard;
use crate::lower::Lowering;
use crate::node::{Access, Accesses, Node};
use crate::scope::Scope;
use crate::stack::on_large_stack;
use crate::value::Val;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A compiled expression; cheap to clone.
#[derive(Clone, PartialEq)]
pub struct Program {
    inner: Arc<Inner>,
}

#[derive(PartialEq)]
struct Inner {
    text: String,
    node: Node,
    accesses: Accesses,
}

impl Program {
    /// Compiles an expression: at most `EXPRESSION_BYTES_MAX` bytes, `NESTING_MAX` deep, `OPERATORS_MAX` operators.
    ///
    /// # Errors
    /// Says what is wrong, with line and column.
    pub fn compile(text: &str) -> Result<Self, ExprError> {
        guard::check(text)?;
        if text.trim().is_empty() {
            return Err(ExprError::at(text, 0, "the expression is empty"));
        }
        on_large_stack(|| parse(text)).unwrap_or_else(|err| Err(ExprError::at(text, 0, err.to_string())))
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// Every use of a bound name, in order, each once.
    pub fn references(&self) -> impl Iterator<Item = &Access> {
        self.inner.accesses.iter()
    }

    /// Whether the result cannot be a boolean, whatever the names stand for: a literal, a list, a sum, ….
    #[must_use]
    pub fn provably_not_bool(&self) -> bool {
        self.inner.node.is_never_bool()
    }

    /// Evaluates; `None` is an absent optional.
    ///
    /// # Errors
    /// If the expression does not apply to what the names stand for, its result is no value, or fuel runs out.
    pub fn evaluate(&self, scope: &Scope<'_>, fuel: u64) -> Result<Option<Value>, EvalError> {
        self.evaluate_within(scope, &mut { fuel })
    }

    /// Evaluates as [`Program::evaluate`] does, and takes what that costs from `fuel`: for a budget that several
    /// evaluations share.
    ///
    /// # Errors
    /// As [`Program::evaluate`].
    pub fn evaluate_within(&self, scope: &Scope<'_>, fuel: &mut u64) -> Result<Option<Value>, EvalError> {
        let mut machine = Machine::new(scope, *fuel);
        let value = machine.eval(&self.inner.node).and_then(|value| machine.make_json(&value, 0));
        *fuel = machine.fuel();
        value
    }

    /// Evaluates a condition; an absent optional is false.
    ///
    /// # Errors
    /// As [`Program::evaluate`], or if the result is not a boolean.
    pub fn evaluate_bool(&self, scope: &Scope<'_>, fuel: u64) -> Result<bool, EvalError> {
        let value = Machine::new(scope, fuel).eval(&self.inner.node)?;
        if let Val::Optional(None) = value {
            return Ok(false);
        }
        let inner = if let Val::Optional(Some(inner)) = &value { inner } else { &value };
        inner.as_bool().ok_or_else(|| EvalError::NotBool(inner.type_name()))
    }

    pub(crate) fn node(&self) -> &Node {
        &self.inner.node
    }
}

fn parse(text: &str) -> Result<Program, ExprError> {
    // Without macros: they are recognised when lowering, which keeps the tree small and the errors ours.
    let parser = cel::Env::default().parser().max_recursion_depth(1024);
    let (tree, source) = parser.parse_with_source_info(text).map_err(|errors| first_error(text, &errors))?;
    let mut lowering = Lowering::default();
    let node = lowering.lower(&tree).map_err(|err| {
        let offset = source.offset_for(err.id).map_or(0, |(start, _)| usize::try_from(start).unwrap_or(0));
        ExprError::at(text, offset, err.message)
    })?;
    Ok(Program { inner: Arc::new(Inner { text: text.to_owned(), node, accesses: lowering.accesses }) })
}

fn first_error(text: &str, errors: &cel::ParseErrors) -> ExprError {
    let Some(first) = errors.errors.first() else { return ExprError::at(text, 0, "this is not an expression") };
    let (line, column) = first.pos;
    let message = in_words(first.msg.strip_prefix("Syntax error: ").unwrap_or(&first.msg));
    let at_least_one = |number: isize| usize::try_from(number).unwrap_or(0).max(1);
    ExprError { message, line: at_least_one(line), column: at_least_one(column) }
}

/// What a generated parser says, as people would: it names the tokens of its grammar.
fn in_words(message: &str) -> String {
    let said = |prefix: &str| message.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('\''));
    let token = |rest: &str, end: &str| rest.split_once(end).map(|(token, _)| token.to_owned());
    let unexpected = said("mismatched input ").or_else(|| said("extraneous input "));
    if let Some(token) = unexpected.and_then(|rest| token(rest, "' expecting ")) {
        return not_here(&token);
    }
    if let Some(input) = said("no viable alternative at input ").and_then(|rest| rest.strip_suffix('\'')) {
        return not_here(input);
    }
    if let Some(text) = said("token recognition error at: ").and_then(|rest| rest.strip_suffix('\'')) {
        return format!("`{text}` has no meaning in an expression");
    }
    if let Some((missing, at)) = said("missing ").and_then(|rest| rest.split_once("' at '")) {
        let at = at.trim_end_matches('\'');
        return if at == END {
            format!("`{missing}` is missing at the end")
        } else {
            format!("`{missing}` is missing before `{at}`")
        };
    }
    message.to_owned()
}

/// What the parser calls the end of the text.
const END: &str = "<EOF>";

fn not_here(token: &str) -> String {
    if token == END { "the expression ends too early".to_owned() } else { format!("`{token}` is not expected here") }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.inner.text).finish()
    }
}
