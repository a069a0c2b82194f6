//! Equality and order. Numbers compare by value whatever their type.

use crate::error::EvalError;
use crate::eval::Machine;
use crate::value::{List, Map, Val};
use std::cmp::Ordering;

impl Machine<'_> {
    pub(crate) fn equal(&mut self, left: &Val<'_>, right: &Val<'_>) -> Result<bool, EvalError> {
        self.charge(1)?;
        Ok(match (left, right) {
            (Val::Null, Val::Null) => true,
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::Text(a), Val::Text(b)) => {
                self.charge_text(a.as_str().len().min(b.as_str().len()))?;
                a == b
            }
            (Val::Type(a), Val::Type(b)) => a == b,
            (Val::List(a), Val::List(b)) => self.lists_equal(a, b)?,
            (Val::Map(a), Val::Map(b)) => self.maps_equal(a, b)?,
            (Val::Optional(a), Val::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => self.equal(a, b)?,
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            },
            (left, right) => numbers(left, right) == Some(Some(Ordering::Equal)),
        })
    }

    fn lists_equal(&mut self, left: &List<'_>, right: &List<'_>) -> Result<bool, EvalError> {
        if left.len() != right.len() {
            return Ok(false);
        }
        for (a, b) in left.iter().zip(right.iter()) {
            if !self.equal(&a, &b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn maps_equal(&mut self, left: &Map<'_>, right: &Map<'_>) -> Result<bool, EvalError> {
        if left.len() != right.len() {
            return Ok(false);
        }
        for key in left.keys() {
            let (Some(a), Some(b)) = (left.get(key.as_str()), right.get(key.as_str())) else { return Ok(false) };
            if !self.equal(&a, &b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The order of two values; `Some(None)` where a number is not one.
    pub(crate) fn order(&mut self, left: &Val<'_>, right: &Val<'_>) -> Result<Option<Option<Ordering>>, EvalError> {
        Ok(match (left, right) {
            (Val::Bool(a), Val::Bool(b)) => Some(Some(a.cmp(b))),
            (Val::Text(a), Val::Text(b)) => {
                self.charge_text(a.as_str().len().min(b.as_str().len()))?;
                Some(Some(a.cmp(b)))
            }
            (left, right) => numbers(left, right),
        })
    }
}

/// How two numbers compare; the outer `None` if one of them is no number, the inner if one is NaN.
fn numbers(left: &Val<'_>, right: &Val<'_>) -> Option<Option<Ordering>> {
    let whole = |value: &Val<'_>| match value {
        Val::Int(number) => Some(i128::from(*number)),
        Val::Uint(number) => Some(i128::from(*number)),
        Val::Null | Val::Bool(_) | Val::Double(_) | Val::Text(_) => None,
        Val::List(_) | Val::Map(_) | Val::Optional(_) | Val::Type(_) => None,
    };
    match (whole(left), left, whole(right), right) {
        (Some(a), _, Some(b), _) => Some(Some(a.cmp(&b))),
        (Some(a), _, None, Val::Double(b)) => Some(whole_and_double(a, *b)),
        (None, Val::Double(a), Some(b), _) => Some(whole_and_double(b, *a).map(Ordering::reverse)),
        (None, Val::Double(a), None, Val::Double(b)) => Some(a.partial_cmp(b)),
        (_, _, _, _) => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float's cast to i128 saturates, far beyond any 64-bit number")]
fn whole_and_double(whole: i128, double: f64) -> Option<Ordering> {
    let by_fraction = || 0.0_f64.partial_cmp(&double.fract());
    if double.is_nan() {
        return None;
    }
    match whole.cmp(&(double.trunc() as i128)) {
        Ordering::Equal if double.is_finite() => by_fraction(),
        order @ (Ordering::Less | Ordering::Equal | Ordering::Greater) => Some(order),
    }
}
