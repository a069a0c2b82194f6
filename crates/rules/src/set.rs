//! Sets of values of a column: stretches of its line, and whether null is among them.

use crate::point::{Cut, Point, Side, Type};
use std::cmp::{max, min};

/// The values for which a cell holds, or that an input can have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Set {
    /// INVARIANT: in order, none empty, none touching the next.
    spans: Vec<(Cut, Cut)>,
    null: bool,
}

impl Set {
    pub(crate) fn everything() -> Self {
        Self { spans: vec![(Cut::Low, Cut::High)], null: true }
    }

    pub(crate) const fn null() -> Self {
        Self { spans: Vec::new(), null: true }
    }

    pub(crate) fn point(kind: Type, point: Point) -> Self {
        Self::span(Cut::before(point.clone()), Cut::after(kind, point))
    }

    /// What lies between two cuts; nothing where they are in the wrong order.
    pub(crate) fn span(low: Cut, high: Cut) -> Self {
        Self { spans: if low < high { vec![(low, high)] } else { Vec::new() }, null: false }
    }

    pub(crate) const fn has_null(&self) -> bool {
        self.null
    }

    pub(crate) const fn with_null(mut self, null: bool) -> Self {
        self.null = null;
        self
    }

    pub(crate) fn spans(&self) -> &[(Cut, Cut)] {
        &self.spans
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty() && !self.null
    }

    pub(crate) fn contains(&self, point: &Point) -> bool {
        let at = Cut::before(point.clone());
        self.spans.iter().any(|(low, high)| *low <= at && at < *high)
    }

    pub(crate) fn union(mut self, other: Self) -> Self {
        self.null |= other.null;
        self.spans.extend(other.spans);
        self.spans.sort();
        let mut joined: Vec<(Cut, Cut)> = Vec::with_capacity(self.spans.len());
        for (low, high) in std::mem::take(&mut self.spans) {
            match joined.last_mut() {
                Some((_, end)) if low <= *end => *end = max(high, end.clone()),
                Some(_) | None => joined.push((low, high)),
            }
        }
        Self { spans: joined, null: self.null }
    }

    /// The values, null left out, that are not in it: of null it is unknown whether it is another than these, and of
    /// null itself it is not.
    pub(crate) fn others(&self) -> Self {
        let (mut spans, mut from) = (Vec::new(), Cut::Low);
        for (low, high) in &self.spans {
            if from < *low {
                spans.push((from, low.clone()));
            }
            from = high.clone();
        }
        if from < Cut::High {
            spans.push((from, Cut::High));
        }
        Self { spans, null: false }
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut spans = Vec::new();
        let (mut left, mut right) = (self.spans.iter().peekable(), other.spans.iter().peekable());
        while let (Some((low, high)), Some((other_low, other_high))) = (left.peek(), right.peek()) {
            let (from, to) = (max(low, other_low), min(high, other_high));
            if from < to {
                spans.push((from.clone(), to.clone()));
            }
            if high <= other_high {
                left.next()
            } else {
                right.next()
            };
        }
        Self { spans, null: self.null && other.null }
    }

    /// Whether the two have a value in common.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        if self.null && other.null {
            return true;
        }
        let (mut left, mut right) = (self.spans.iter().peekable(), other.spans.iter().peekable());
        while let (Some((low, high)), Some((other_low, other_high))) = (left.peek(), right.peek()) {
            if max(low, other_low) < min(high, other_high) {
                return true;
            }
            if high <= other_high {
                left.next()
            } else {
                right.next()
            };
        }
        false
    }

    /// As a cell would say it.
    pub(crate) fn text(&self, kind: Type) -> String {
        let null = self.null.then(|| "null".to_owned());
        let texts: Vec<String> = self.spans.iter().map(|span| span_text(kind, span)).chain(null).collect();
        if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
    }
}

fn span_text(kind: Type, (low, high): &(Cut, Cut)) -> String {
    let single = |point: &Point| Cut::after(kind, point.clone()) == *high;
    match (low, high) {
        (Cut::Low, Cut::At(Point::Bool(_), _)) => "false".to_owned(),
        (Cut::At(point, Side::Before), _) if single(point) => point.to_string(),
        (Cut::Low | Cut::High, Cut::Low | Cut::High) => "anything".to_owned(),
        (Cut::Low | Cut::High, Cut::At(point, Side::Before)) => format!("< {point}"),
        (Cut::Low | Cut::High, Cut::At(point, Side::After)) => format!("<= {point}"),
        (Cut::At(point, Side::Before), Cut::Low | Cut::High) => format!(">= {point}"),
        (Cut::At(point, Side::After), Cut::Low | Cut::High) => format!("> {point}"),
        (Cut::At(from, begin), Cut::At(to, end)) => {
            let begin = if *begin == Side::Before { '[' } else { '(' };
            let end = if *end == Side::After { ']' } else { ')' };
            format!("{begin}{from}..{to}{end}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn number(value: i64) -> Point {
        Type::Integer.point(&json!(value)).unwrap()
    }

    #[track_caller]
    fn check(set: &Set, text: &str) {
        assert_eq!(set.text(Type::Integer), text);
    }

    #[test]
    fn sets_join_meet_and_turn_over() {
        let below = Set::span(Cut::Low, Cut::before(number(5)));
        let point = Set::point(Type::Integer, number(5));
        check(&below.clone().union(point.clone()), "< 6");
        check(&below.others(), ">= 5");
        check(&point.others(), "< 5, >= 6");
        check(&point.others().others(), "5");
        check(&below.intersection(&point), "nothing");
        assert!(!below.meets(&point) && below.others().meets(&point));
        assert!(Set::null().meets(&Set::everything()) && !Set::null().others().has_null());
        assert!(Set::everything().others().is_empty());
    }

    #[test]
    fn neighbours_are_one_place() {
        let text = |text: &str| Type::String.point(&json!(text)).unwrap();
        assert_eq!(Cut::after(Type::String, text("a")), Cut::before(text("a\0")));
        assert_eq!(Cut::after(Type::Integer, number(4)), Cut::before(number(5)));
        let half = Type::Number.point(&json!(4.5)).unwrap();
        assert!(Cut::after(Type::Number, number(4)) < Cut::before(half));
        let no = Type::Boolean.point(&json!(false)).unwrap();
        assert_eq!(Set::point(Type::Boolean, no.clone()).text(Type::Boolean), "false");
        assert_eq!(Set::point(Type::Boolean, no).others().text(Type::Boolean), "true");
    }
}
