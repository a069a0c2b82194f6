//! JSON: the guarded reader and the canonical writer.

use crate::Verdict;
use crate::check::{find, place, sure, words};
use chancery_base::json::{
    Bounds, INTEGER_MAX, JsonError, Members, canonical, canonical_text, depth, is_canonical, normalize, parse,
    parse_stored, parse_within,
};
use chancery_base::limits::NESTING_MAX;
use serde_json::Value;

/// Small, so that the fuzzer reaches it.
const BYTES_MAX: usize = 2_048;

pub(crate) fn json(data: &[u8]) -> Verdict {
    let value = match parse_stored(data, BYTES_MAX) {
        Ok(value) => value,
        Err(JsonError::TooLarge { bytes, max }) => {
            assert!(bytes == data.len() && max == BYTES_MAX && bytes > max, "a limit that was not reached");
            return Verdict::Refused;
        }
        Err(JsonError::TooMany { max }) => find(format_args!("a limit of {max} that was not set")),
        Err(JsonError::Syntax(message)) => {
            refused(data, &message);
            assert!(!scans(data), "canonical, and refused: {message}");
            return Verdict::Refused;
        }
    };
    assert!(data.len() <= BYTES_MAX, "the limit does not hold");
    let is_shallow = depth(&value) <= NESTING_MAX;
    if is_shallow {
        in_domain(&value, 0);
    }
    canonical_is_one_form(&value);
    assert_eq!(scans(data), canonical(&value) == data, "the scanner takes another text for canonical");
    members_are_found(&value);
    let theirs = sure(serde_json::from_slice::<Value>(data), "what this takes, serde_json takes");
    match normalize(theirs) {
        Ok(theirs) => assert!(is_shallow && theirs == value, "serde_json reads something else"),
        Err(reason) => assert!(!is_shallow, "a value is not one: {reason}"),
    }
    let bounds = Bounds { bytes: BYTES_MAX, values: usize::MAX };
    assert_eq!(parse_within(data, bounds).is_ok(), is_shallow, "what strangers send nests too deep, or not");
    assert_eq!(parse(data, BYTES_MAX).is_ok(), is_shallow, "what is given nests too deep, or not");
    Verdict::Taken
}

fn scans(data: &[u8]) -> bool {
    std::str::from_utf8(data).is_ok_and(is_canonical)
}

/// The scanner finds the members that the reader finds, as far as their names need no escapes.
fn members_are_found(value: &Value) {
    let Value::Object(map) = value else { return };
    let bytes = canonical(value);
    let Some(members) = Members::read(&bytes) else { find(format_args!("a canonical object has no members")) };
    for (name, member) in map {
        if !name.contains(['"', '\\']) && !name.chars().any(|character| character < ' ') {
            assert_eq!(members.text(name), Some(&*canonical_text(member)), "member `{name}`");
        }
    }
}

/// What [`parse`] gives, and an expression's result, is in the domain of values.
pub(crate) fn in_domain(value: &Value, depth: usize) {
    assert!(depth <= NESTING_MAX, "nested deeper than {NESTING_MAX}");
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => {}
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => assert!(whole.unsigned_abs() <= INTEGER_MAX.unsigned_abs(), "{whole} is beyond 2^53"),
            (None, Some(double)) => assert!(double.is_finite() && double.fract() != 0.0, "{double} is no fraction"),
            (None, None) => find(format_args!("{number} is no number")),
        },
        Value::Array(items) => items.iter().for_each(|item| in_domain(item, depth + 1)),
        Value::Object(map) => map.values().for_each(|item| in_domain(item, depth + 1)),
    }
}

/// What is written reads back as the same value and is written the same again.
pub(crate) fn canonical_is_one_form(value: &Value) {
    let bytes = canonical(value);
    let back = sure(parse_stored(&bytes, usize::MAX), "a canonical text is read");
    assert_eq!(&back, value, "a canonical text reads back as another value");
    assert_eq!(canonical(&back), bytes, "a canonical form is not its own");
}

fn refused(data: &[u8], message: &str) {
    words(message);
    let at = message.rsplit_once(" at line ").and_then(|(_, place)| place.split_once(" column "));
    let Some((Ok(line), Ok(column))) = at.map(|(line, column)| (line.parse(), column.parse())) else {
        find(format_args!("a refusal that does not say where: {message}"))
    };
    place(data, line, column);
    // Only the guard's own words may refuse what is JSON to others.
    if serde_json::from_slice::<Value>(data).is_ok() {
        let ours = ["stands twice", "beyond ±2^53", "nested deeper than 48"];
        assert!(ours.iter().any(|words| message.contains(words)), "refused without a ground: {message}");
    }
}
