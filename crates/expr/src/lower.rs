//! From the parser's tree to ours: macros are recognised, functions looked up, variables of comprehensions
//! numbered, and every use of a bound name noted.

use crate::function::{self, Function, TYPES};
use crate::macros;
use crate::node::{Access, Accesses, Arithmetic, Binary, Node, Order, Segment};
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr, SelectExpr, operators};
use chancery_base::json;
use serde_json::Value;
use std::sync::Arc;

/// What is wrong with a node of the parser's tree.
#[derive(Debug)]
pub(crate) struct LowerError {
    pub(crate) id: u64,
    pub(crate) message: String,
}

pub(crate) type Lowered = Result<Node, LowerError>;

/// Comprehensions within comprehensions: each level multiplies the work, and fuel should not be all that says so.
pub(crate) const LOOPS_MAX: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Lowering {
    pub(crate) locals: Vec<String>,
    pub(crate) accesses: Accesses,
}

pub(crate) fn fail<T>(id: u64, message: impl Into<String>) -> Result<T, LowerError> {
    Err(LowerError { id, message: message.into() })
}

impl Lowering {
    pub(crate) fn lower(&mut self, expr: &IdedExpr) -> Lowered {
        match &expr.expr {
            Expr::Literal(literal) => lower_literal(expr.id, literal),
            Expr::Ident(_) | Expr::Select(_) => self.lower_chain(expr, false),
            Expr::Call(call) if is_index(call) => self.lower_chain(expr, false),
            Expr::Call(call) => self.lower_call(expr.id, call),
            Expr::List(list) => self.lower_list(list),
            Expr::Map(map) => self.lower_map(expr.id, map),
            Expr::Struct(_) => fail(expr.id, "messages are not supported: write a map"),
            Expr::Comprehension(_) | Expr::Unspecified => fail(expr.id, "this is not supported"),
        }
    }

    /// Lowers `a.b['c'].?d` and notes the access if `a` is a bound name.
    pub(crate) fn lower_chain(&mut self, expr: &IdedExpr, test: bool) -> Lowered {
        let mut segments = Vec::new();
        let mut dynamic = false;
        let mut at = expr;
        while let Some((operand, segment)) = link(at) {
            if let Some(segment) = segment {
                segments.push(segment);
            } else {
                segments.clear();
                dynamic = true;
            }
            at = operand;
        }
        if let Expr::Ident(root) = &at.expr
            && !self.is_local(root)
            && !TYPES.contains(&root.as_str())
        {
            segments.reverse();
            self.accesses.insert(Access { root: root.clone(), segments, dynamic, test });
        }
        self.lower_link(expr)
    }

    /// One link of a chain whose access is noted already.
    fn lower_link(&mut self, expr: &IdedExpr) -> Lowered {
        if let Expr::Ident(name) = &expr.expr {
            return self.lower_ident(expr.id, name);
        }
        let Some((operand, segment)) = link(expr) else { return self.lower(expr) };
        let operand = Box::new(self.lower_link(operand)?);
        if let Expr::Call(call) = &expr.expr
            && let [_, index] = call.args.as_slice()
            && call.func_name != operators::OPT_SELECT
        {
            let optional = call.func_name == operators::OPT_INDEX;
            return Ok(Node::Index { operand, index: Box::new(self.lower(index)?), optional });
        }
        match segment {
            Some(Segment { name, optional }) => Ok(Node::Select { operand, field: Arc::from(name), optional }),
            None => fail(expr.id, "a field's name is expected here"),
        }
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|local| local == name)
    }

    fn lower_ident(&self, id: u64, name: &str) -> Lowered {
        if let Some(local) = self.locals.iter().rposition(|local| local == name) {
            return Ok(Node::Local(local));
        }
        if let Some(type_name) = TYPES.iter().find(|type_name| **type_name == name) {
            return Ok(Node::Type(type_name));
        }
        if name.starts_with('.') {
            return fail(id, "a name does not begin with a point");
        }
        Ok(Node::Root(Arc::from(name)))
    }

    fn lower_call(&mut self, id: u64, call: &CallExpr) -> Lowered {
        if let Some(node) = self.lower_operator(id, call) {
            return node;
        }
        if let Some(node) = macros::lower(self, id, call) {
            return node;
        }
        let namespaced = call.target.as_ref().is_some_and(|target| {
            matches!(&target.expr, Expr::Ident(name) if name == "optional") && !self.is_local("optional")
        });
        let name = if namespaced { format!("optional.{}", call.func_name) } else { call.func_name.clone() };
        let receiver = call.target.as_deref().filter(|_| !namespaced);
        let arguments = usize::from(receiver.is_some()) + call.args.len();
        let function = match function::find(&name, receiver.is_some(), arguments) {
            Ok(function) => function,
            Err(message) => return fail(id, message),
        };
        let operands = receiver.into_iter().chain(&call.args).map(|operand| self.lower(operand));
        Ok(Node::Call(function, operands.collect::<Result<_, _>>()?))
    }

    fn lower_operator(&mut self, id: u64, call: &CallExpr) -> Option<Lowered> {
        if call.target.is_some() {
            return None;
        }
        let binary = match call.func_name.as_str() {
            operators::ADD => Binary::Arithmetic(Arithmetic::Add),
            operators::SUBSTRACT => Binary::Arithmetic(Arithmetic::Subtract),
            operators::MULTIPLY => Binary::Arithmetic(Arithmetic::Multiply),
            operators::DIVIDE => Binary::Arithmetic(Arithmetic::Divide),
            operators::MODULO => Binary::Arithmetic(Arithmetic::Remainder),
            operators::EQUALS => Binary::Equal,
            operators::NOT_EQUALS => Binary::NotEqual,
            operators::LESS => Binary::Order(Order::Less),
            operators::LESS_EQUALS => Binary::Order(Order::LessOrEqual),
            operators::GREATER => Binary::Order(Order::Greater),
            operators::GREATER_EQUALS => Binary::Order(Order::GreaterOrEqual),
            operators::IN => Binary::In,
            _ => return self.lower_logic(id, call),
        };
        let [left, right] = call.args.as_slice() else { return Some(fail(id, "an operator lacks an operand")) };
        Some(self.pair(left, right).map(|(left, right)| Node::Binary(binary, left, right)))
    }

    fn lower_logic(&mut self, id: u64, call: &CallExpr) -> Option<Lowered> {
        let name = call.func_name.as_str();
        let known = [operators::LOGICAL_NOT, operators::NEGATE, operators::LOGICAL_AND, operators::LOGICAL_OR];
        if name != operators::CONDITIONAL && !known.contains(&name) {
            return None;
        }
        Some(match (name, call.args.as_slice()) {
            (operators::LOGICAL_NOT, [operand]) => self.lower(operand).map(|node| Node::Not(Box::new(node))),
            (operators::NEGATE, [operand]) => self.lower(operand).map(|node| Node::Negate(Box::new(node))),
            (operators::LOGICAL_AND, [left, right]) => self.pair(left, right).map(|(l, r)| Node::And(l, r)),
            (operators::LOGICAL_OR, [left, right]) => self.pair(left, right).map(|(l, r)| Node::Or(l, r)),
            (operators::CONDITIONAL, [condition, then, other]) => self.lower_condition([condition, then, other]),
            _ => fail(id, "an operator lacks an operand"),
        })
    }

    fn lower_condition(&mut self, [condition, then, other]: [&IdedExpr; 3]) -> Lowered {
        Ok(Node::Condition(Box::new([self.lower(condition)?, self.lower(then)?, self.lower(other)?])))
    }

    fn pair(&mut self, left: &IdedExpr, right: &IdedExpr) -> Result<(Box<Node>, Box<Node>), LowerError> {
        Ok((Box::new(self.lower(left)?), Box::new(self.lower(right)?)))
    }

    fn lower_list(&mut self, list: &ListExpr) -> Lowered {
        let elements = list.elements.iter().enumerate();
        let nodes = elements.map(|(index, element)| Ok((self.lower(element)?, list.optional_indices.contains(&index))));
        Ok(Node::List(nodes.collect::<Result<_, _>>()?))
    }

    fn lower_map(&mut self, id: u64, map: &MapExpr) -> Lowered {
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { return fail(id, "messages are not supported") };
            let key = self.lower(&entry.key)?;
            if matches!(&key, Node::Literal(literal) if !literal.is_string()) || matches!(key, Node::Uint(_)) {
                return fail(entry.key.id, "a key of a map is a string");
            }
            entries.push((key, self.lower(&entry.value)?, entry.optional));
        }
        Ok(Node::Map(entries))
    }
}

fn is_index(call: &CallExpr) -> bool {
    let name = call.func_name.as_str();
    call.target.is_none() && [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT].contains(&name)
}

/// What a lookup looks into, and its key if that is constant; `None` if the expression is no lookup.
fn link(expr: &IdedExpr) -> Option<(&IdedExpr, Option<Segment>)> {
    if let Expr::Select(SelectExpr { operand, field, .. }) = &expr.expr {
        return Some((operand, Some(Segment { name: field.clone(), optional: false })));
    }
    let Expr::Call(call) = &expr.expr else { return None };
    let [operand, index] = call.args.as_slice() else { return None };
    let optional = call.func_name != operators::INDEX;
    is_index(call).then(|| (operand, constant_text(index).map(|name| Segment { name, optional })))
}

fn constant_text(expr: &IdedExpr) -> Option<String> {
    if let Expr::Literal(LiteralValue::String(text)) = &expr.expr {
        return Some(text.inner().to_owned());
    }
    None
}

fn lower_literal(id: u64, literal: &LiteralValue) -> Lowered {
    Ok(match literal {
        LiteralValue::Boolean(boolean) => Node::Literal(Value::Bool(*boolean.inner())),
        LiteralValue::Null => Node::Literal(Value::Null),
        LiteralValue::String(text) => Node::Literal(Value::String(text.inner().to_owned())),
        LiteralValue::Int(whole) => Node::Literal(Value::from(*whole.inner())),
        LiteralValue::UInt(whole) => Node::Uint(*whole.inner()),
        LiteralValue::Double(double) => lower_double(id, *double.inner())?,
        LiteralValue::Bytes(_) => return fail(id, "bytes are not supported: values are JSON"),
    })
}

/// `2.0` stays a double although JSON would make it an integer: in an expression the writer chose the type.
fn lower_double(id: u64, double: f64) -> Lowered {
    if json::number(double).is_err() {
        return fail(id, "a number beyond ±2^53");
    }
    if double.fract() != 0.0 {
        return Ok(Node::Literal(Value::from(double)));
    }
    let whole = Node::Literal(json::number(double).unwrap_or(Value::Null));
    Ok(Node::Call(Function::ToDouble, vec![whole]))
}
