//! A JSON value that many hold, with its canonical text and digest once somebody has asked for them.

use crate::{Digest, json};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// A JSON value that does not change: the input or output of a step, which is stored, digested and sent several times.
///
/// Made of a value or of a canonical text; the other one is made when it is asked for.
#[derive(Debug, Clone)]
pub struct Document {
    value: OnceLock<Value>,
    canonical: OnceLock<Box<str>>,
    digest: OnceLock<Digest>,
}

impl Document {
    /// The document of a value.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self { value: OnceLock::from(value), canonical: OnceLock::new(), digest: OnceLock::new() }
    }

    /// The document of a text that is known to be canonical.
    pub(crate) fn scanned(text: &str) -> Self {
        debug_assert!(json::is_canonical(text), "not canonical: {text}");
        Self { value: OnceLock::new(), canonical: OnceLock::from(Box::from(text)), digest: OnceLock::new() }
    }

    /// The document of a value, to be held by many.
    #[must_use]
    pub fn shared(value: Value) -> Arc<Self> {
        Arc::new(Self::new(value))
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &Value {
        self.value.get_or_init(|| self.read())
    }

    fn read(&self) -> Value {
        // INVARIANT: without a value there is a text, and that was found to be what `parse_stored` takes.
        let text = self.canonical.get().map_or("null", |text| text);
        json::parse_stored(text.as_bytes(), text.len()).unwrap_or_default()
    }

    /// The value, and no more.
    #[must_use]
    pub fn into_value(mut self) -> Value {
        self.value.take().unwrap_or_else(|| self.read())
    }

    /// Its canonical text (RFC 8785).
    #[must_use]
    pub fn canonical(&self) -> &str {
        self.canonical.get_or_init(|| json::canonical_text(self.value()).into_boxed_str())
    }

    /// SHA-256 of its canonical text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest::of(self.canonical().as_bytes()))
    }
}

impl Deref for Document {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.value()
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Eq for Document {}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_and_digest_are_those_of_the_value() {
        let value = json!({ "b": [1, "é"], "a": null });
        let document = Document::new(value.clone());
        assert_eq!(document.canonical(), "{\"a\":null,\"b\":[1,\"é\"]}");
        assert_eq!(document.digest(), Digest::of(&json::canonical(&value)));
        let back: Document = serde_json::from_str(&serde_json::to_string(&document).unwrap()).unwrap();
        assert_eq!(back, document);
    }
}
