//! Words: the only texts in a record that are not ids, digests or times.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Bytes of a word at most.
pub const WORD_BYTES_MAX: usize = 64;

/// 1 to 64 of `a-z 0-9 . _ -`: a kind, a key, an id, one of a few values. Never a text that a caller chose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Word(Cow<'static, str>);

/// Why a text is not a [`Word`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a word is 1 to 64 of a-z, 0-9, `.`, `_`, `-`")]
pub struct WordError;

const fn is_word(text: &str) -> bool {
    let mut bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > WORD_BYTES_MAX {
        return false;
    }
    while let [first, rest @ ..] = bytes {
        if !matches!(first, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-') {
            return false;
        }
        bytes = rest;
    }
    true
}

impl Word {
    /// A word of the program. Use it in a `const`, where a text that is no word does not compile.
    ///
    /// # Panics
    /// If it is no word.
    #[must_use]
    pub const fn literal(text: &'static str) -> Self {
        assert!(is_word(text), "a word is 1 to 64 of a-z, 0-9, `.`, `_`, `-`");
        Self(Cow::Borrowed(text))
    }

    /// Takes a text that was made at run time.
    ///
    /// # Errors
    /// If it is no word.
    pub fn new(text: String) -> Result<Self, WordError> {
        if is_word(&text) { Ok(Self(Cow::Owned(text))) } else { Err(WordError) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Word {
    /// A literal of the program. A debug build asserts that it is a word; a release build writes `invalid`
    /// rather than a record that nobody can read.
    fn from(text: &'static str) -> Self {
        debug_assert!(is_word(text), "`{text}` is no word");
        Self(Cow::Borrowed(if is_word(text) { text } else { "invalid" }))
    }
}

macro_rules! from_id {
    ($($id:ident),*) => {$(
        impl From<&chancery_base::$id> for Word {
            /// Ids are words: a prefix, `_` and 32 hex digits.
            fn from(id: &chancery_base::$id) -> Self {
                Self(Cow::Owned(id.to_string()))
            }
        }
    )*};
}

from_id!(DecisionId, EventId, KeyId, OverrideId, PrincipalId, RequestId, TransactionId);

impl FromStr for Word {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        Self::new(text.to_owned())
    }
}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl AsRef<str> for Word {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
