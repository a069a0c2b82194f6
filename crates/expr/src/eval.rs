//! The evaluator. Everything that it does is charged to its fuel, so that no expression takes long whatever it says
//! and whatever it is given.

use crate::error::EvalError;
use crate::node::{Loop, LoopKind, Node};
use crate::scope::Scope;
use crate::value::{Map, Val};
use chancery_base::json;
use chancery_base::limits::NESTING_MAX;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

pub(crate) type Evaluated<'e> = Result<Val<'e>, EvalError>;

#[derive(Debug)]
pub(crate) struct Machine<'e> {
    scope: &'e Scope<'e>,
    locals: Vec<Val<'e>>,
    fuel: u64,
}

impl<'e> Machine<'e> {
    pub(crate) const fn new(scope: &'e Scope<'e>, fuel: u64) -> Self {
        Self { scope, locals: Vec::new(), fuel }
    }

    /// What is left.
    pub(crate) const fn fuel(&self) -> u64 {
        self.fuel
    }

    /// Pays for `amount` of work.
    pub(crate) fn charge(&mut self, amount: usize) -> Result<(), EvalError> {
        let amount = u64::try_from(amount).unwrap_or(u64::MAX);
        // Once out of fuel it stays so: `costly || true` must not hide that `costly` was cut short.
        self.fuel = self.fuel.saturating_sub(amount);
        if self.fuel == 0 { Err(EvalError::OutOfFuel) } else { Ok(()) }
    }

    /// Pays for handling that many bytes of text.
    pub(crate) fn charge_text(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.charge(bytes / 16)
    }

    pub(crate) fn eval(&mut self, node: &'e Node) -> Evaluated<'e> {
        self.charge(1)?;
        match node {
            Node::Literal(value) => Ok(Val::from_json(value)),
            Node::Uint(number) => Ok(Val::Uint(*number)),
            Node::Type(name) => Ok(Val::Type(name)),
            Node::Root(name) => self.root(name),
            Node::Local(index) => self.locals.get(*index).cloned().ok_or(EvalError::Absent),
            Node::Select { operand, field, optional } => {
                let operand = self.eval(operand)?;
                select(operand, field, *optional)
            }
            Node::Has { operand, field } => {
                let operand = self.eval(operand)?;
                has(&operand, field)
            }
            Node::Index { operand, index, optional } => self.eval_index(operand, index, *optional),
            Node::Not(operand) => self.eval_bool(operand, "!").map(|value| Val::Bool(!value)),
            Node::Negate(operand) => self.eval_negate(operand),
            Node::And(left, right) => self.eval_logic(left, right, false),
            Node::Or(left, right) => self.eval_logic(left, right, true),
            Node::Condition(parts) => self.eval_condition(parts),
            Node::Binary(operator, left, right) => {
                let left = self.eval(left)?;
                let right = self.eval(right)?;
                self.binary(*operator, &left, &right)
            }
            Node::List(elements) => self.eval_list(elements),
            Node::Map(entries) => self.eval_map(entries),
            Node::Call(function, arguments) => self.eval_call(*function, arguments),
            Node::Loop(inner) => self.eval_loop(inner),
        }
    }

    fn root(&self, name: &str) -> Evaluated<'e> {
        self.scope.get(name).map(Val::from_tree).ok_or_else(|| EvalError::Unbound(name.to_owned()))
    }

    fn eval_index(&mut self, operand: &'e Node, index: &'e Node, optional: bool) -> Evaluated<'e> {
        let operand = self.eval(operand)?;
        let index = self.eval(index)?;
        if let Val::Optional(inner) = operand {
            let Some(inner) = inner else { return Ok(Val::Optional(None)) };
            return Ok(optional_of(element(&inner, &index)));
        }
        let found = element(&operand, &index);
        if optional { Ok(optional_of(found)) } else { found }
    }

    fn eval_negate(&mut self, operand: &'e Node) -> Evaluated<'e> {
        let operand = self.eval(operand)?;
        if let Val::Int(number) = operand {
            return number.checked_neg().map(Val::Int).ok_or(EvalError::Overflow("-"));
        }
        if let Val::Double(number) = operand {
            return Ok(Val::Double(-number));
        }
        Err(overload("-", &[&operand]))
    }

    fn eval_bool(&mut self, node: &'e Node, operation: &'static str) -> Result<bool, EvalError> {
        let value = self.eval(node)?;
        value.as_bool().ok_or_else(|| overload(operation, &[&value]))
    }

    /// `&&` (decided by false) and `||` (decided by true): an operand that decides excuses the other's error.
    fn eval_logic(&mut self, left: &'e Node, right: &'e Node, decisive: bool) -> Evaluated<'e> {
        let operation = if decisive { "||" } else { "&&" };
        let left = self.eval_bool(left, operation);
        if left == Ok(decisive) {
            return Ok(Val::Bool(decisive));
        }
        let right = self.eval_bool(right, operation)?;
        if right == decisive {
            return Ok(Val::Bool(decisive));
        }
        left.map(Val::Bool)
    }

    fn eval_condition(&mut self, parts: &'e [Node; 3]) -> Evaluated<'e> {
        let [condition, then, other] = parts;
        if self.eval_bool(condition, "? :")? { self.eval(then) } else { self.eval(other) }
    }

    fn eval_list(&mut self, elements: &'e [(Node, bool)]) -> Evaluated<'e> {
        let mut items = Vec::with_capacity(elements.len());
        for (element, optional) in elements {
            let value = self.eval(element)?;
            items.extend(if *optional { unwrap_optional("[?]", value)? } else { Some(value) });
        }
        Ok(Val::list(items))
    }

    fn eval_map(&mut self, entries: &'e [(Node, Node, bool)]) -> Evaluated<'e> {
        let mut map = BTreeMap::new();
        for (key, value, optional) in entries {
            let key = self.eval(key)?;
            let Val::Text(key) = key else { return Err(overload("{}", &[&key])) };
            let value = self.eval(value)?;
            let value = if *optional { unwrap_optional("{?}", value)? } else { Some(value) };
            let Some(value) = value else { continue };
            if map.contains_key(key.as_str()) {
                return Err(EvalError::DuplicateKey(key.as_str().to_owned()));
            }
            map.insert(key, value);
        }
        Ok(Val::Map(Map::Owned(Rc::new(map))))
    }

    fn eval_loop(&mut self, inner: &'e Loop) -> Evaluated<'e> {
        let range = self.eval(&inner.range)?;
        match inner.kind {
            LoopKind::OptMap | LoopKind::OptFlatMap => self.eval_optional(inner, range),
            LoopKind::All => self.eval_quantifier(inner, &range, false),
            LoopKind::Exists => self.eval_quantifier(inner, &range, true),
            LoopKind::ExistsOne | LoopKind::Filter | LoopKind::Map => self.eval_collect(inner, &range),
        }
    }

    fn elements(&mut self, range: &Val<'e>) -> Result<Vec<Val<'e>>, EvalError> {
        if let Val::List(list) = range {
            self.charge(list.len())?;
            return Ok(list.iter().collect());
        }
        let Val::Map(map) = range else { return Err(overload("a comprehension", &[range])) };
        self.charge(map.len())?;
        Ok(map.keys().into_iter().map(Val::Text).collect())
    }

    fn with_local<T>(&mut self, value: Val<'e>, run: impl FnOnce(&mut Self) -> T) -> T {
        self.locals.push(value);
        let result = run(self);
        self.locals.pop();
        result
    }

    /// `all` (decided by false) and `exists` (decided by true), whose elements combine as with `&&` and `||`.
    fn eval_quantifier(&mut self, inner: &'e Loop, range: &Val<'e>, decisive: bool) -> Evaluated<'e> {
        let operation = if decisive { "exists" } else { "all" };
        let mut failed = None;
        for element in self.elements(range)? {
            match self.with_local(element, |machine| machine.eval_bool(&inner.body, operation)) {
                Ok(value) if value == decisive => return Ok(Val::Bool(decisive)),
                Ok(_) => {}
                Err(EvalError::OutOfFuel) => return Err(EvalError::OutOfFuel),
                Err(err) => failed = failed.or(Some(err)),
            }
        }
        failed.map_or(Ok(Val::Bool(!decisive)), Err)
    }

    fn eval_collect(&mut self, inner: &'e Loop, range: &Val<'e>) -> Evaluated<'e> {
        let mut items = Vec::new();
        for element in self.elements(range)? {
            let kept = self.with_local(element.clone(), |machine| match inner.kind {
                LoopKind::Map => match &inner.only {
                    Some(only) if !machine.eval_bool(only, "map")? => Ok(None),
                    Some(_) | None => machine.eval(&inner.body).map(Some),
                },
                LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne | LoopKind::Filter => {
                    Ok(machine.eval_bool(&inner.body, "filter")?.then_some(element))
                }
                LoopKind::OptMap | LoopKind::OptFlatMap => Ok(None),
            })?;
            items.extend(kept);
        }
        Ok(if inner.kind == LoopKind::ExistsOne { Val::Bool(items.len() == 1) } else { Val::list(items) })
    }

    fn eval_optional(&mut self, inner: &'e Loop, range: Val<'e>) -> Evaluated<'e> {
        let Some(value) = unwrap_optional("optMap", range)? else { return Ok(Val::Optional(None)) };
        let mapped = self.with_local(value, |machine| machine.eval(&inner.body))?;
        match (inner.kind, mapped) {
            (LoopKind::OptFlatMap, mapped @ Val::Optional(_)) => Ok(mapped),
            (LoopKind::OptFlatMap, other) => Err(overload("optFlatMap", &[&other])),
            (_, mapped) => Ok(Val::present(mapped)),
        }
    }

    /// The JSON value; `None` for an absent optional.
    pub(crate) fn make_json(&mut self, value: &Val<'_>, depth: usize) -> Result<Option<Value>, EvalError> {
        self.charge(1)?;
        if depth >= NESTING_MAX && matches!(value, Val::List(_) | Val::Map(_)) {
            return Err(EvalError::NotAValue("it nests deeper than 32"));
        }
        Ok(Some(match value {
            Val::Null => Value::Null,
            Val::Bool(boolean) => Value::Bool(*boolean),
            Val::Int(number) => whole(i128::from(*number))?,
            Val::Uint(number) => whole(i128::from(*number))?,
            Val::Double(number) => json::number(*number).map_err(EvalError::NotAValue)?,
            Val::Text(text) => {
                self.charge_text(text.as_str().len())?;
                Value::String(text.as_str().to_owned())
            }
            Val::List(list) => {
                let mut items = Vec::with_capacity(list.len().min(1024));
                for item in list.iter() {
                    items.extend(self.make_json(&item, depth + 1)?);
                }
                Value::Array(items)
            }
            Val::Map(map) => self.map_to_json(map, depth)?,
            Val::Optional(None) => return Ok(None),
            Val::Optional(Some(inner)) => return self.make_json(inner, depth),
            Val::Type(_) => return Err(EvalError::NotAValue("it is a type")),
        }))
    }

    fn map_to_json(&mut self, map: &Map<'_>, depth: usize) -> Result<Value, EvalError> {
        let mut object = serde_json::Map::new();
        for key in map.keys() {
            let Some(item) = map.get(key.as_str()) else { continue };
            self.charge_text(key.as_str().len())?;
            if let Some(item) = self.make_json(&item, depth + 1)? {
                object.insert(key.as_str().to_owned(), item);
            }
        }
        Ok(Value::Object(object))
    }
}

fn whole(number: i128) -> Result<Value, EvalError> {
    let in_range =
        i64::try_from(number).ok().filter(|number| number.unsigned_abs() <= json::INTEGER_MAX.unsigned_abs());
    in_range.map(Value::from).ok_or(EvalError::NotAValue("it is beyond ±2^53"))
}

pub(crate) fn overload(operation: &'static str, operands: &[&Val<'_>]) -> EvalError {
    let names: Vec<&str> = operands.iter().map(|operand| operand.type_name()).collect();
    EvalError::Overload { operation, operands: names.join(" and ") }
}

/// What is in an optional; anything else is refused.
pub(crate) fn unwrap_optional<'e>(operation: &'static str, value: Val<'e>) -> Result<Option<Val<'e>>, EvalError> {
    let Val::Optional(inner) = value else { return Err(overload(operation, &[&value])) };
    Ok(inner.map(|inner| inner.as_ref().clone()))
}

/// A lookup as an optional: what is not there is absent, of whatever kind the operand is.
fn optional_of(found: Evaluated<'_>) -> Val<'_> {
    found.map_or(Val::Optional(None), Val::present)
}

fn select<'e>(operand: Val<'e>, name: &str, optional: bool) -> Evaluated<'e> {
    // A field of an optional is optional again, so that one `?` in a chain is enough.
    if let Val::Optional(inner) = operand {
        return Ok(inner.map_or(Val::Optional(None), |inner| optional_of(field(&inner, name))));
    }
    let found = field(&operand, name);
    if optional { Ok(optional_of(found)) } else { found }
}

fn field<'e>(operand: &Val<'e>, name: &str) -> Evaluated<'e> {
    let Val::Map(map) = operand else { return Err(overload(".", &[operand])) };
    map.get(name).ok_or_else(|| EvalError::NoSuchKey(name.to_owned()))
}

fn has<'e>(operand: &Val<'e>, name: &str) -> Evaluated<'e> {
    if let Val::Optional(inner) = operand {
        return inner.as_ref().map_or(Ok(Val::Bool(false)), |inner| has(inner, name));
    }
    let Val::Map(map) = operand else { return Err(overload("has", &[operand])) };
    Ok(Val::Bool(map.get(name).is_some()))
}

fn element<'e>(operand: &Val<'e>, index: &Val<'e>) -> Evaluated<'e> {
    match (operand, index) {
        (Val::Map(map), Val::Text(key)) => {
            map.get(key.as_str()).ok_or_else(|| EvalError::NoSuchKey(key.as_str().to_owned()))
        }
        (Val::List(list), Val::Int(at)) => {
            let found = usize::try_from(*at).ok().and_then(|at| list.get(at));
            found.ok_or(EvalError::NoSuchIndex(*at))
        }
        (Val::List(list), Val::Uint(at)) => {
            let found = usize::try_from(*at).ok().and_then(|at| list.get(at));
            found.ok_or(EvalError::NoSuchIndex(i64::try_from(*at).unwrap_or(i64::MAX)))
        }
        (operand, index) => Err(overload("[]", &[operand, index])),
    }
}
