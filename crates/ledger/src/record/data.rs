//! What a record says beside its fixed fields.

use super::{Word, push, put};
use chancery_base::Digest;
use chancery_base::json::INTEGER_MAX;

/// Pairs of a record's `data` at most.
pub const DATA_PAIRS_MAX: usize = 64;

/// The `data` of a record: a few pairs, sorted by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Data(Vec<(Word, DataValue)>);

/// A value in a record's `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataValue {
    /// A whole number within ±2⁵³.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// A digest; of what people know or may guess only a salted one.
    Digest(Digest),
    /// One of a few words, or an id.
    Word(Word),
}

impl Data {
    /// No pairs.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// With a whole number, which must be within ±2⁵³ (beyond, the nearest bound is kept).
    #[must_use]
    pub fn int(self, key: &'static str, value: i64) -> Self {
        debug_assert!((-INTEGER_MAX..=INTEGER_MAX).contains(&value), "`{key}` is beyond ±2^53");
        self.with(key, DataValue::Int(value.clamp(-INTEGER_MAX, INTEGER_MAX)))
    }

    /// With a count, at most 2⁵³ (beyond, 2⁵³ is kept).
    #[must_use]
    pub fn count(self, key: &'static str, value: u64) -> Self {
        self.with(key, DataValue::Int(i64::try_from(value).unwrap_or(INTEGER_MAX).min(INTEGER_MAX)))
    }

    /// With a yes or no.
    #[must_use]
    pub fn bool(self, key: &'static str, value: bool) -> Self {
        self.with(key, DataValue::Bool(value))
    }

    /// With a digest.
    #[must_use]
    pub fn digest(self, key: &'static str, value: Digest) -> Self {
        self.with(key, DataValue::Digest(value))
    }

    /// With a word, or an id by reference.
    #[must_use]
    pub fn word(self, key: &'static str, value: impl Into<Word>) -> Self {
        self.with(key, DataValue::Word(value.into()))
    }

    /// With a pair; a key that is there already gets the new value. At most [`DATA_PAIRS_MAX`] pairs.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: DataValue) -> Self {
        let key = Word::from(key);
        match self.0.binary_search_by(|(have, _)| have.cmp(&key)) {
            Ok(at) => {
                if let Some((_, old)) = self.0.get_mut(at) {
                    *old = value;
                }
            }
            Err(at) => self.0.insert(at, (key, value)),
        }
        debug_assert!(self.0.len() <= DATA_PAIRS_MAX);
        self
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&DataValue> {
        let at = self.0.binary_search_by(|(have, _)| have.as_str().cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The number under a key, if there is one.
    #[must_use]
    pub fn get_int(&self, key: &str) -> Option<i64> {
        if let Some(DataValue::Int(value)) = self.get(key) { Some(*value) } else { None }
    }

    /// The yes or no under a key, if there is one.
    #[must_use]
    pub fn get_bool(&self, key: &str) -> Option<bool> {
        if let Some(DataValue::Bool(value)) = self.get(key) { Some(*value) } else { None }
    }

    /// The digest under a key, if there is one.
    #[must_use]
    pub fn get_digest(&self, key: &str) -> Option<Digest> {
        if let Some(DataValue::Digest(value)) = self.get(key) { Some(*value) } else { None }
    }

    /// The word under a key, if there is one.
    #[must_use]
    pub fn get_word(&self, key: &str) -> Option<&str> {
        if let Some(DataValue::Word(value)) = self.get(key) { Some(value.as_str()) } else { None }
    }

    /// The pairs in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &DataValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there is no pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends a pair that was read; false if its key does not come after the last one.
    pub(super) fn push_read(&mut self, key: Word, value: DataValue) -> bool {
        if self.0.last().is_some_and(|(last, _)| *last >= key) {
            return false;
        }
        self.0.push((key, value));
        true
    }

    /// Appends the pairs without the braces.
    pub(super) fn write(&self, out: &mut String) {
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            push(out, &["\"", key.as_str(), "\":"]);
            match value {
                DataValue::Int(value) => put(out, format_args!("{value}")),
                DataValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
                DataValue::Digest(value) => push(out, &["\"", &value.text(), "\""]),
                DataValue::Word(value) => push(out, &["\"", value.as_str(), "\""]),
            }
        }
    }
}
