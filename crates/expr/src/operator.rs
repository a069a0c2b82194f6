//! Operators of two operands, and the functions.

use crate::error::EvalError;
use crate::eval::{Evaluated, Machine, overload, unwrap_optional};
use crate::function::{Change, Function, Test};
use crate::node::{Arithmetic, Binary, Node};
use crate::value::{List, Val};
use chancery_base::json;

impl<'e> Machine<'e> {
    pub(crate) fn binary(&mut self, operator: Binary, left: &Val<'e>, right: &Val<'e>) -> Evaluated<'e> {
        match operator {
            Binary::Equal => self.equal(left, right).map(Val::Bool),
            Binary::NotEqual => self.equal(left, right).map(|equal| Val::Bool(!equal)),
            Binary::In => self.contains(left, right),
            Binary::Order(order) => match self.order(left, right)? {
                Some(found) => Ok(Val::Bool(found.is_some_and(|found| order.accepts(found)))),
                None => Err(overload(order.symbol(), &[left, right])),
            },
            Binary::Arithmetic(Arithmetic::Add) => self.add(left, right),
            Binary::Arithmetic(operator) => arithmetic(operator, left, right),
        }
    }

    fn contains(&mut self, wanted: &Val<'e>, container: &Val<'e>) -> Evaluated<'e> {
        match (wanted, container) {
            (Val::Text(key), Val::Map(map)) => Ok(Val::Bool(map.get(key.as_str()).is_some())),
            (_, Val::Map(_)) => Ok(Val::Bool(false)),
            (_, Val::List(list)) => {
                for item in list.iter() {
                    if self.equal(wanted, &item)? {
                        return Ok(Val::Bool(true));
                    }
                }
                Ok(Val::Bool(false))
            }
            (wanted, container) => Err(overload("in", &[wanted, container])),
        }
    }

    fn add(&mut self, left: &Val<'e>, right: &Val<'e>) -> Evaluated<'e> {
        match (left, right) {
            (Val::Text(a), Val::Text(b)) => {
                self.charge_text(a.as_str().len() + b.as_str().len())?;
                Ok(Val::text([a.as_str(), b.as_str()].concat()))
            }
            (Val::List(a), Val::List(b)) => {
                self.charge(a.len() + b.len())?;
                Ok(Val::list(a.iter().chain(b.iter()).collect()))
            }
            _ => arithmetic(Arithmetic::Add, left, right),
        }
    }

    pub(crate) fn eval_call(&mut self, function: Function, arguments: &'e [Node]) -> Evaluated<'e> {
        match arguments {
            [] => Ok(Val::Optional(None)),
            [argument] => {
                let argument = self.eval(argument)?;
                self.call_one(function, argument)
            }
            [receiver, argument] => {
                let receiver = self.eval(receiver)?;
                self.call_two(function, receiver, argument)
            }
            [receiver, from, to] => {
                let (receiver, from, to) = (self.eval(receiver)?, self.eval(from)?, self.eval(to)?);
                self.replace(&receiver, &from, &to)
            }
            [_, _, _, ..] => Err(EvalError::Overload { operation: function.name(), operands: "so many".to_owned() }),
        }
    }

    fn call_one(&mut self, function: Function, argument: Val<'e>) -> Evaluated<'e> {
        match function {
            Function::Size => self.size(&argument),
            Function::ToInt => to_int(&argument),
            Function::ToUint => to_uint(&argument),
            Function::ToDouble => to_double(&argument),
            Function::ToText => self.string(argument),
            Function::ToBool => to_bool(&argument),
            Function::Dyn => Ok(argument),
            Function::TypeOf => Ok(Val::Type(argument.type_name())),
            Function::OptionalOf => Ok(Val::present(argument)),
            Function::OptionalOfNonZero => {
                Ok(if is_zero(&argument) { Val::Optional(None) } else { Val::present(argument) })
            }
            Function::HasValue => unwrap_optional("hasValue", argument).map(|inner| Val::Bool(inner.is_some())),
            Function::Value => unwrap_optional("value", argument)?.ok_or(EvalError::Absent),
            Function::Join => self.join(&argument, ""),
            Function::Change(change) => self.change_text(change, &argument),
            Function::Test(_) | Function::Split | Function::Replace | Function::OptionalNone => {
                Err(overload(function.name(), &[&argument]))
            }
            Function::OrValue | Function::Or => Err(overload(function.name(), &[&argument])),
        }
    }

    fn call_two(&mut self, function: Function, receiver: Val<'e>, argument: &'e Node) -> Evaluated<'e> {
        if function == Function::OrValue || function == Function::Or {
            return self.alternative(function, receiver, argument);
        }
        let argument = self.eval(argument)?;
        let wrong = || overload(function.name(), &[&receiver, &argument]);
        let part = argument.as_text().ok_or_else(wrong)?;
        if function == Function::Join {
            return self.join(&receiver, part);
        }
        let text = receiver.as_text().ok_or_else(wrong)?;
        self.charge_text(text.len() + part.len())?;
        if let Function::Test(test) = function {
            return Ok(Val::Bool(match test {
                Test::Contains => text.contains(part),
                Test::StartsWith => text.starts_with(part),
                Test::EndsWith => text.ends_with(part),
            }));
        }
        if function == Function::Split {
            self.charge(text.len())?;
            // CEL: splitting by nothing gives the characters, without the empty texts around them.
            let by_part = || text.split(part).map(|piece| Val::text(piece.to_owned())).collect();
            let by_character = || text.chars().map(|piece| Val::text(piece.to_string())).collect();
            return Ok(Val::list(if part.is_empty() { by_character() } else { by_part() }));
        }
        Err(wrong())
    }

    /// `or` and `orValue`, whose argument is evaluated only if it is needed.
    fn alternative(&mut self, function: Function, receiver: Val<'e>, argument: &'e Node) -> Evaluated<'e> {
        match &receiver {
            Val::Optional(Some(_)) if function == Function::Or => Ok(receiver),
            Val::Optional(Some(inner)) => Ok(inner.as_ref().clone()),
            Val::Optional(None) => self.eval(argument),
            Val::Null
            | Val::Bool(_)
            | Val::Int(_)
            | Val::Uint(_)
            | Val::Double(_)
            | Val::Text(_)
            | Val::List(_)
            | Val::Map(_)
            | Val::Type(_) => Err(overload(function.name(), &[&receiver])),
        }
    }

    fn size(&mut self, value: &Val<'e>) -> Evaluated<'e> {
        let size = match value {
            Val::Text(text) => {
                self.charge_text(text.as_str().len())?;
                text.as_str().chars().count()
            }
            Val::List(list) => list.len(),
            Val::Map(map) => map.len(),
            Val::Null
            | Val::Bool(_)
            | Val::Int(_)
            | Val::Uint(_)
            | Val::Double(_)
            | Val::Optional(_)
            | Val::Type(_) => {
                return Err(overload("size", &[value]));
            }
        };
        Ok(Val::Int(i64::try_from(size).unwrap_or(i64::MAX)))
    }

    fn change_text(&mut self, change: Change, value: &Val<'e>) -> Evaluated<'e> {
        let text = value.as_text().ok_or_else(|| overload(Function::Change(change).name(), &[value]))?;
        self.charge_text(text.len())?;
        Ok(Val::text(match change {
            Change::LowerAscii => text.to_ascii_lowercase(),
            Change::UpperAscii => text.to_ascii_uppercase(),
            Change::Trim => text.trim().to_owned(),
        }))
    }

    fn join(&mut self, value: &Val<'e>, separator: &str) -> Evaluated<'e> {
        let Val::List(list) = value else { return Err(overload("join", &[value])) };
        let mut out = String::new();
        for (index, item) in list.iter().enumerate() {
            let Val::Text(text) = &item else { return Err(overload("join", &[&item])) };
            self.charge(1)?;
            self.charge_text(separator.len() + text.as_str().len())?;
            if index > 0 {
                out.push_str(separator);
            }
            out.push_str(text.as_str());
        }
        Ok(Val::text(out))
    }

    fn replace(&mut self, text: &Val<'e>, from: &Val<'e>, to: &Val<'e>) -> Evaluated<'e> {
        let (Val::Text(text), Val::Text(from), Val::Text(to)) = (text, from, to) else {
            return Err(overload("replace", &[text, from, to]));
        };
        let (text, from, to) = (text.as_str(), from.as_str(), to.as_str());
        self.charge_text(text.len())?;
        // What it will be is paid for before it is made: each replacement may add much.
        let replacements = text.matches(from).count();
        self.charge(replacements)?;
        self.charge_text(replacements.saturating_mul(to.len()))?;
        Ok(Val::text(text.replace(from, to)))
    }

    fn string(&mut self, value: Val<'e>) -> Evaluated<'e> {
        if let Val::Text(_) = value {
            return Ok(value);
        }
        match self.scalar_text(&value) {
            Err(EvalError::NotText(_)) => Err(overload("string", &[&value])),
            text => text.map(Val::text),
        }
    }

    /// A scalar as it stands within text: numbers as JSON writes them.
    pub(crate) fn scalar_text(&mut self, value: &Val<'_>) -> Result<String, EvalError> {
        match value {
            Val::Text(text) => {
                self.charge_text(text.as_str().len())?;
                Ok(text.as_str().to_owned())
            }
            Val::Bool(boolean) => Ok(boolean.to_string()),
            Val::Int(number) => Ok(number.to_string()),
            Val::Uint(number) => Ok(number.to_string()),
            Val::Double(number) => {
                let mut out = String::new();
                json::write_canonical(&json::number(*number).map_err(EvalError::NotAValue)?, &mut out);
                Ok(out)
            }
            Val::Optional(Some(inner)) => self.scalar_text(inner),
            Val::Null | Val::List(_) | Val::Map(_) | Val::Optional(None) | Val::Type(_) => {
                Err(EvalError::NotText(value.type_name()))
            }
        }
    }
}

fn arithmetic<'e>(operator: Arithmetic, left: &Val<'e>, right: &Val<'e>) -> Evaluated<'e> {
    let divides = matches!(operator, Arithmetic::Divide | Arithmetic::Remainder);
    let overflow = EvalError::Overflow(operator.symbol());
    match (left, right) {
        (Val::Int(_), Val::Int(0)) | (Val::Uint(_), Val::Uint(0)) if divides => Err(EvalError::DivisionByZero),
        (Val::Int(a), Val::Int(b)) => {
            let result = match operator {
                Arithmetic::Add => a.checked_add(*b),
                Arithmetic::Subtract => a.checked_sub(*b),
                Arithmetic::Multiply => a.checked_mul(*b),
                Arithmetic::Divide => a.checked_div(*b),
                Arithmetic::Remainder => a.checked_rem(*b),
            };
            result.map(Val::Int).ok_or(overflow)
        }
        (Val::Uint(a), Val::Uint(b)) => {
            let result = match operator {
                Arithmetic::Add => a.checked_add(*b),
                Arithmetic::Subtract => a.checked_sub(*b),
                Arithmetic::Multiply => a.checked_mul(*b),
                Arithmetic::Divide => a.checked_div(*b),
                Arithmetic::Remainder => a.checked_rem(*b),
            };
            result.map(Val::Uint).ok_or(overflow)
        }
        (Val::Double(a), Val::Double(b)) => match operator {
            Arithmetic::Add => Ok(Val::Double(a + b)),
            Arithmetic::Subtract => Ok(Val::Double(a - b)),
            Arithmetic::Multiply => Ok(Val::Double(a * b)),
            Arithmetic::Divide => Ok(Val::Double(a / b)),
            Arithmetic::Remainder => Err(overload(operator.symbol(), &[left, right])),
        },
        (left, right) => Err(overload(operator.symbol(), &[left, right])),
    }
}

fn is_zero(value: &Val<'_>) -> bool {
    match value {
        Val::Null | Val::Optional(None) => true,
        Val::Bool(boolean) => !boolean,
        Val::Int(number) => *number == 0,
        Val::Uint(number) => *number == 0,
        Val::Double(number) => *number == 0.0,
        Val::Text(text) => text.as_str().is_empty(),
        Val::List(List::Json(items)) => items.is_empty(),
        Val::List(List::Documents(items)) => items.is_empty(),
        Val::List(List::Owned(items)) => items.is_empty(),
        Val::Map(map) => map.len() == 0,
        Val::Optional(Some(_)) | Val::Type(_) => false,
    }
}

fn conversion<'e>(function: &'static str, from: &Val<'e>) -> EvalError {
    EvalError::Conversion { function, from: from.type_name() }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be within ±2^63, where the cast drops the fraction only"
)]
fn to_int<'e>(value: &Val<'e>) -> Evaluated<'e> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    let converted = match value {
        Val::Int(number) => Some(*number),
        Val::Uint(number) => i64::try_from(*number).ok(),
        Val::Double(number) if *number > -BOUND && *number < BOUND => Some(*number as i64),
        Val::Text(text) => text.as_str().parse().ok(),
        Val::Null | Val::Bool(_) | Val::Double(_) | Val::List(_) | Val::Map(_) | Val::Optional(_) | Val::Type(_) => {
            None
        }
    };
    converted.map(Val::Int).ok_or_else(|| conversion("int", value))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be within 0..2^64")]
fn to_uint<'e>(value: &Val<'e>) -> Evaluated<'e> {
    const BOUND: f64 = 18_446_744_073_709_551_616.0;
    let converted = match value {
        Val::Uint(number) => Some(*number),
        Val::Int(number) => u64::try_from(*number).ok(),
        Val::Double(number) if *number > -1.0 && *number < BOUND => Some(*number as u64),
        Val::Text(text) => text.as_str().parse().ok(),
        Val::Null | Val::Bool(_) | Val::Double(_) | Val::List(_) | Val::Map(_) | Val::Optional(_) | Val::Type(_) => {
            None
        }
    };
    converted.map(Val::Uint).ok_or_else(|| conversion("uint", value))
}

#[expect(clippy::cast_precision_loss, reason = "rounding to the nearest double is what the conversion means")]
fn to_double<'e>(value: &Val<'e>) -> Evaluated<'e> {
    let converted = match value {
        Val::Double(number) => Some(*number),
        Val::Int(number) => Some(*number as f64),
        Val::Uint(number) => Some(*number as f64),
        Val::Text(text) => text.as_str().parse().ok(),
        Val::Null | Val::Bool(_) | Val::List(_) | Val::Map(_) | Val::Optional(_) | Val::Type(_) => None,
    };
    converted.map(Val::Double).ok_or_else(|| conversion("double", value))
}

fn to_bool<'e>(value: &Val<'e>) -> Evaluated<'e> {
    if let Val::Bool(boolean) = value {
        return Ok(Val::Bool(*boolean));
    }
    match value.as_text() {
        Some("true" | "True" | "TRUE" | "t" | "1") => Ok(Val::Bool(true)),
        Some("false" | "False" | "FALSE" | "f" | "0") => Ok(Val::Bool(false)),
        Some(_) | None => Err(conversion("bool", value)),
    }
}
