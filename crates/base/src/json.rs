//! JSON: a guarded reader of other people's text and the canonical writer of RFC 8785.
//!
//! Two domains. *Any* JSON can be canonicalised. *Values*, which is what definitions, payloads and expressions
//! work on, have whole numbers as integers within ±2⁵³ and other numbers as doubles, so that the live run and a
//! replay from the ledger see the same.

mod scan;

pub use scan::{Members, is_canonical};

use crate::limits::{JSON_OBJECT_COUNTS, JSON_VALUE_BYTES, NESTING_MAX, STORED_NESTING_MAX};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// The largest magnitude of a whole number: 2⁵³.
pub const INTEGER_MAX: i64 = 1 << 53;

/// Why a text was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More bytes than allowed.
    #[error("{bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// How many there are.
        bytes: usize,
        /// How many may be.
        max: usize,
    },
    /// More values than allowed, objects counting for several: see [`Bounds`].
    #[error("more values than {max}, where an object counts {} and each of its members two", JSON_OBJECT_COUNTS + 1)]
    TooMany {
        /// What they may count.
        max: usize,
    },
    /// Not JSON, or JSON of a kind that is refused; serde's message with line and column.
    #[error("{0}")]
    Syntax(String),
}

/// What a text may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many bytes it may have.
    pub bytes: usize,
    /// What its values may count: each counts one, the name of a member one more, and an object with members
    /// [`JSON_OBJECT_COUNTS`] more. What counts one takes about [`JSON_VALUE_BYTES`] of memory, besides texts.
    pub values: usize,
}

/// A value, and what it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The value.
    pub value: Value,
    /// What its values count, as [`Bounds`] says.
    pub values: usize,
}

/// Reads a value: UTF-8, no key twice, at most [`NESTING_MAX`] deep, numbers within ±2⁵³, `max_bytes` at most.
///
/// It is for what whoever runs this gives; what strangers send is for [`parse_within`], and what has been taken and
/// stored for [`parse_stored`].
///
/// # Errors
/// Says what is wrong, with line and column.
pub fn parse(bytes: &[u8], max_bytes: usize) -> Result<Value, JsonError> {
    parse_nested(bytes, unbounded(max_bytes), NESTING_MAX).map(|parsed| parsed.value)
}

/// Reads what is stored, as [`parse`] does, but at most [`STORED_NESTING_MAX`] deep: values that were taken lie in rows,
/// payloads and records, which nest a little deeper than they do.
///
/// # Errors
/// As [`parse`].
pub fn parse_stored(bytes: &[u8], max_bytes: usize) -> Result<Value, JsonError> {
    parse_nested(bytes, unbounded(max_bytes), STORED_NESTING_MAX).map(|parsed| parsed.value)
}

/// Reads a value as [`parse`] does, and stops as soon as it has more values than `bounds` say: a text of small values
/// takes many times its bytes in memory.
///
/// # Errors
/// As [`parse`], or that there are too many values.
pub fn parse_within(bytes: &[u8], bounds: Bounds) -> Result<Parsed, JsonError> {
    parse_nested(bytes, bounds, NESTING_MAX)
}

fn unbounded(bytes: usize) -> Bounds {
    Bounds { bytes, values: usize::MAX }
}

fn parse_nested(bytes: &[u8], bounds: Bounds, nesting: usize) -> Result<Parsed, JsonError> {
    if bytes.len() > bounds.bytes {
        return Err(JsonError::TooLarge { bytes: bytes.len(), max: bounds.bytes });
    }
    let left = Cell::new(Some(bounds.values));
    let wrong = |err: serde_json::Error| match left.get() {
        Some(_) => JsonError::Syntax(err.to_string()),
        None => JsonError::TooMany { max: bounds.values },
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Guarded { depth: 0, nesting, left: &left }.deserialize(&mut deserializer).map_err(wrong)?;
    deserializer.end().map_err(wrong)?;
    Ok(Parsed { value, values: bounds.values - left.get().unwrap_or(0) })
}

/// About how many bytes of memory a value takes.
#[must_use]
pub fn memory(value: &Value) -> usize {
    JSON_VALUE_BYTES
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(memory).sum(),
            Value::Object(map) if map.is_empty() => 0,
            Value::Object(map) => {
                let members = map.iter().map(|(name, item)| JSON_VALUE_BYTES + name.len() + memory(item));
                JSON_OBJECT_COUNTS * JSON_VALUE_BYTES + members.sum::<usize>()
            }
        }
}

/// How many lists and objects lie in one another.
#[must_use]
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
    }
}

/// Reads a value into a type, guarded as [`parse`] is.
///
/// # Errors
/// As [`parse`], or that the value does not have the type's form.
pub fn parse_as<T: serde::de::DeserializeOwned>(bytes: &[u8], max_bytes: usize) -> Result<T, JsonError> {
    parse(bytes, max_bytes).and_then(typed)
}

/// Reads what is stored into a type, guarded as [`parse_stored`] is.
///
/// # Errors
/// As [`parse_stored`], or that the value does not have the type's form.
pub fn parse_stored_as<T: serde::de::DeserializeOwned>(bytes: &[u8], max_bytes: usize) -> Result<T, JsonError> {
    parse_stored(bytes, max_bytes).and_then(typed)
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, JsonError> {
    serde_json::from_value(value).map_err(|err| JsonError::Syntax(err.to_string()))
}

#[derive(Clone, Copy)]
struct Guarded<'a> {
    depth: usize,
    /// How deep it may nest.
    nesting: usize,
    /// What values may still count; none once they counted more.
    left: &'a Cell<Option<usize>>,
}

impl Guarded<'_> {
    fn count<E: serde::de::Error>(&self, values: usize) -> Result<(), E> {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(values)));
        if self.left.get().is_some() { Ok(()) } else { Err(E::custom("too many values")) }
    }

    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= self.nesting {
            return Err(E::custom(format_args!("nested deeper than {}", self.nesting)));
        }
        Ok(Self { depth: self.depth + 1, ..*self })
    }
}

impl<'de> DeserializeSeed<'de> for Guarded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Guarded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        integer(value).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value).ok().ok_or(OUT_OF_RANGE).and_then(integer).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        number(value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(element) = seq.next_element_seed(self.deeper()?)? {
            out.push(element);
        }
        // Many short lists would take several times what they count: room is made in fours.
        out.shrink_to_fit();
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            self.count(if out.is_empty() { 1 + JSON_OBJECT_COUNTS } else { 1 })?;
            let element = map.next_value_seed(self.deeper()?)?;
            match out.entry(key) {
                Entry::Vacant(place) => {
                    place.insert(element);
                }
                Entry::Occupied(place) => {
                    return Err(A::Error::custom(format_args!("key `{}` stands twice", place.key())));
                }
            }
        }
        Ok(Value::Object(out))
    }
}

const OUT_OF_RANGE: &str = "a number beyond ±2^53 has no exact value everywhere: send it as text";

fn integer(value: i64) -> Result<Value, &'static str> {
    if (-INTEGER_MAX..=INTEGER_MAX).contains(&value) { Ok(Value::from(value)) } else { Err(OUT_OF_RANGE) }
}

/// The value of a double: an integer if it is whole.
///
/// # Errors
/// If it is not finite or beyond ±2⁵³.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within ±2^53, where i64 and f64 agree")]
pub fn number(value: f64) -> Result<Value, &'static str> {
    const BOUND: f64 = 9_007_199_254_740_992.0;
    if !value.is_finite() || value.abs() > BOUND {
        return Err(OUT_OF_RANGE);
    }
    if value.fract() == 0.0 {
        return Ok(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number).ok_or(OUT_OF_RANGE)
}

/// Brings a value that did not come through [`parse`] into the form that [`parse`] gives.
///
/// # Errors
/// If a number is beyond ±2⁵³ or the value nests deeper than [`NESTING_MAX`].
pub fn normalize(value: Value) -> Result<Value, &'static str> {
    normalize_at(value, 0)
}

fn normalize_at(value: Value, depth: usize) -> Result<Value, &'static str> {
    if depth >= NESTING_MAX && (value.is_array() || value.is_object()) {
        return Err("nested deeper than 32");
    }
    Ok(match value {
        Value::Number(n) => match n.as_i64() {
            Some(whole) => integer(whole)?,
            None => number(n.as_f64().ok_or(OUT_OF_RANGE)?)?,
        },
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| normalize_at(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let pairs = map.into_iter().map(|(key, item)| Ok((key, normalize_at(item, depth + 1)?)));
            Value::Object(pairs.collect::<Result<_, &'static str>>()?)
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    })
}

/// The canonical bytes of a value (RFC 8785).
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    canonical_text(value).into_bytes()
}

/// The canonical form of a value (RFC 8785), as text.
#[must_use]
pub fn canonical_text(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

/// The canonical text (RFC 8785) of something that serialises. It need not be built as a value first where it
/// serialises its members in their canonical order, as what is written often should.
///
/// # Errors
/// If it does not serialise, or has a number that JSON cannot say.
pub fn canonical_of(thing: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(thing)?;
    if is_canonical(&text) {
        return Ok(text);
    }
    serde_json::to_value(thing).map(|value| canonical_text(&value))
}

/// The text of something whose type serialises canonically, which a test of that type shows.
///
/// # Errors
/// If it does not serialise.
pub fn written(thing: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    // A row of a transaction or a step fits, so that it is not moved while it grows.
    let mut text = Vec::with_capacity(512);
    serde_json::to_writer(&mut text, thing)?;
    let text = String::from_utf8(text).map_err(serde::ser::Error::custom)?;
    debug_assert!(is_canonical(&text), "not canonical as it serialises: {text}");
    Ok(text)
}

/// Serialises something as its canonical text (RFC 8785): serde's `serialize_with` for members that hold values of other
/// people in types that are written as they serialise. Only for JSON.
///
/// # Errors
/// If it does not serialise.
pub fn serialize_canonical<T: serde::Serialize, S: serde::Serializer>(
    thing: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = canonical_of(thing).map_err(serde::ser::Error::custom)?;
    serde::Serialize::serialize(&RawValue::from_string(text).map_err(serde::ser::Error::custom)?, serializer)
}

/// Appends the canonical form of a value (RFC 8785).
pub fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => write_object(map, out),
    }
}

fn write_object(map: &Map<String, Value>, out: &mut String) {
    // RFC 8785 orders by UTF-16 code units; for ASCII keys that is the order of bytes. INVARIANT: sorted here and not
    // taken from the map, because a dependency's feature (`serde_json/preserve_order`) may make maps keep the order in
    // which they were filled.
    let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
    if pairs.iter().all(|(key, _)| key.is_ascii()) {
        if !pairs.is_sorted_by_key(|(key, _)| *key) {
            pairs.sort_unstable_by_key(|(key, _)| *key);
        }
    } else {
        pairs.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    }
    out.push('{');
    for (index, (key, item)) in pairs.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(key, out);
        out.push(':');
        write_canonical(item, out);
    }
    out.push('}');
}

fn write_number(number: &Number, out: &mut String) {
    use fmt::Write as _;
    let written = match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), _, _) if whole.unsigned_abs() <= INTEGER_MAX.unsigned_abs() => write!(out, "{whole}"),
        (_, _, Some(double)) => out.write_str(ryu_js::Buffer::new().format_finite(double)),
        (_, _, None) => write!(out, "{number}"),
    };
    // Writing to a String cannot fail.
    debug_assert!(written.is_ok());
}

/// Appends a JSON string as RFC 8785 (that is, ECMAScript's `JSON.stringify`) writes it.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at_checked(plain(rest)).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut characters = special.chars();
        let Some(character) = characters.next() else { break };
        write_escaped(character, out);
        rest = characters.as_str();
    }
    out.push('"');
}

/// How many bytes stand before the first that a string escapes, which is ASCII.
fn plain(text: &str) -> usize {
    let special = |byte: &u8| *byte < 0x20 || matches!(*byte, b'"' | b'\\');
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        if let Some(at) = first_special(u64::from_le_bytes(*word)) {
            return number * 8 + at;
        }
    }
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Which of eight bytes, the lowest first, is the first that a string escapes. The highest bit of a byte is set where it
/// borrows: of those above the first it may be without being one.
const fn first_special(word: u64) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGHEST: u64 = ONES << 7;
    const fn below(word: u64, bound: u8) -> u64 {
        word.wrapping_sub(ONES * bound as u64) & !word & HIGHEST
    }
    let (quote, backslash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    match below(word, 0x20) | below(quote, 1) | below(backslash, 1) {
        0 => None,
        found => Some(found.trailing_zeros() as usize / 8),
    }
}

fn write_escaped(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{9}' => out.push_str("\\t"),
        '\u{a}' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\u{d}' => out.push_str("\\r"),
        control => {
            out.push_str("\\u00");
            out.push_str(&crate::digest::hex_encode(&[u8::try_from(u32::from(control)).unwrap_or(0)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(text: &str, expected: &str) {
        match parse(text.as_bytes(), 1024) {
            Ok(value) => assert_eq!(String::from_utf8(canonical(&value)).unwrap(), expected, "{text}"),
            Err(err) => assert_eq!(err.to_string(), expected, "{text}"),
        }
    }

    #[test]
    fn values_are_read_in_one_form() {
        check(r#"{"b":1.0,"a":[-0.0,1e2,0.5]}"#, r#"{"a":[0,100,0.5],"b":1}"#);
        check("9007199254740992", "9007199254740992");
    }

    #[test]
    fn bad_text_says_what_and_where() {
        check(r#"{"a":1,"a":2}"#, "key `a` stands twice at line 1 column 13");
        check(
            "9007199254740993",
            "a number beyond ±2^53 has no exact value everywhere: send it as text at line 1 column 16",
        );
        check("1e300", "a number beyond ±2^53 has no exact value everywhere: send it as text at line 1 column 5");
        check("[1", "EOF while parsing a list at line 1 column 2");
        check("1 2", "trailing characters at line 1 column 3");
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        let says = |read: Result<Value, JsonError>| read.unwrap_err().to_string();
        assert!(says(parse(deep.as_bytes(), 1 << 20)).starts_with("nested deeper than 32"));
        assert!(says(parse_stored(deep.as_bytes(), 1 << 20)).starts_with("nested deeper than 48"));
        for (deep, is_taken) in [(NESTING_MAX, true), (NESTING_MAX + 1, false)] {
            let text = "[".repeat(deep) + &"]".repeat(deep);
            let bounds = Bounds { bytes: 1 << 10, values: 100 };
            assert_eq!(parse_within(text.as_bytes(), bounds).is_ok(), is_taken);
            assert_eq!(parse(text.as_bytes(), 1 << 10).is_ok(), is_taken);
            let value = parse_stored(text.as_bytes(), 1 << 10).unwrap();
            assert_eq!((depth(&value), depth(&json!({ "a": value, "b": [] }))), (deep, deep + 1));
            assert_eq!(normalize(value).is_ok(), is_taken);
        }
        assert!(parse(b"\"\xff\"", 16).is_err());
        assert_eq!(parse(b"12345", 4), Err(JsonError::TooLarge { bytes: 5, max: 4 }));
    }

    #[test]
    fn values_are_counted_and_reading_stops_at_the_limit() {
        let within = |text: &str, values| parse_within(text.as_bytes(), Bounds { bytes: 1 << 20, values });
        for (text, counts) in [
            ("7", 1),
            ("[]", 1),
            ("{}", 1),
            ("[1,[2,3],\"a\"]", 6),
            (r#"{"a":1}"#, 3 + JSON_OBJECT_COUNTS),
            (r#"[{"a":{},"b":null},true]"#, 7 + JSON_OBJECT_COUNTS),
        ] {
            assert_eq!(within(text, counts).unwrap().values, counts, "{text}");
            let error = JsonError::TooMany { max: counts - 1 };
            assert_eq!(within(text, counts - 1), Err(error), "{text}");
        }
        // What comes after the limit is not even looked at.
        assert_eq!(within("[1,1,1,}", 3), Err(JsonError::TooMany { max: 3 }));
        assert!(matches!(within("[1,1,1,}", 5), Err(JsonError::Syntax(_))));
    }

    #[test]
    fn what_counts_one_takes_what_the_limit_says() {
        assert!(size_of::<Value>() <= JSON_VALUE_BYTES, "{}", size_of::<Value>());
        let text = r#"[{"a":1},[true,null],"text"]"#;
        let parsed = parse_within(text.as_bytes(), Bounds { bytes: 1 << 20, values: 100 }).unwrap();
        assert_eq!(memory(&parsed.value), parsed.values * JSON_VALUE_BYTES + "atext".len());
    }

    #[test]
    fn keys_sort_by_utf16_code_units() {
        let value = json!({"\u{10000}": 1, "\u{ff41}": 2});
        assert_eq!(String::from_utf8(canonical(&value)).unwrap(), "{\"\u{10000}\":1,\"\u{ff41}\":2}");
    }

    pub(super) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-INTEGER_MAX..=INTEGER_MAX).prop_map(Value::from),
            (-1e15..1e15_f64).prop_map(|double| number(double).unwrap()),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_a_string_escapes_is_found(text in "[ -~]{0,20}[\\x00-\\x7fé]{0,3}[ -~]{0,20}") {
            let naive = text.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
            prop_assert_eq!(plain(&text), naive.unwrap_or(text.len()));
        }

        #[test]
        fn canonical_bytes_read_back_as_the_same_value(value in any_value()) {
            let bytes = canonical(&value);
            let back = parse(&bytes, 1 << 20).unwrap();
            prop_assert_eq!(&back, &value);
            prop_assert_eq!(canonical(&back), bytes);
            // Serialised in the order of a map that is not UTF-16's, and with doubles in another spelling.
            prop_assert_eq!(canonical_of(&value).unwrap(), canonical_text(&value));
        }
    }
}
