//! Payloads: canonical JSON objects, written without building a tree of them first.

use chancery_base::{Document, json};

/// Writes one canonical object; keys must come in code-point order.
#[derive(Debug)]
pub(crate) struct Payload {
    text: String,
    last: &'static str,
}

impl Payload {
    pub(crate) fn new() -> Self {
        Self { text: String::from("{"), last: "" }
    }

    /// With room for so many bytes of members, beside what stands around a few of them.
    pub(crate) fn with_room(bytes: usize) -> Self {
        const AROUND: usize = 64;
        let mut text = String::with_capacity(bytes + AROUND);
        text.push('{');
        Self { text, last: "" }
    }

    pub(crate) fn text(mut self, key: &'static str, text: &str) -> Self {
        self.key(key);
        json::write_string(text, &mut self.text);
        self
    }

    pub(crate) fn document(self, key: &'static str, document: &Document) -> Self {
        self.canonical(key, document.canonical())
    }

    /// What is canonical JSON already.
    pub(crate) fn canonical(mut self, key: &'static str, text: &str) -> Self {
        // As much as it takes with what stands around it: doubling would leave half of the room empty until the commit.
        self.text.reserve_exact(key.len() + text.len() + "{\"\":,}".len());
        self.key(key);
        self.text.push_str(text);
        self
    }

    /// Something that serialises; what it gives is brought into canonical form.
    pub(crate) fn serialize(self, key: &'static str, value: &impl serde::Serialize) -> Self {
        self.canonical(key, &Self::text_of(value))
    }

    /// What that gives.
    pub(crate) fn text_of(value: &impl serde::Serialize) -> String {
        // Types of ours serialise: they have text keys and finite numbers.
        json::canonical_of(value).unwrap_or_else(|_| "null".to_owned())
    }

    /// The same of a type that is canonical as it serialises.
    pub(crate) fn written(value: &impl serde::Serialize) -> String {
        json::written(value).unwrap_or_else(|_| "null".to_owned())
    }

    pub(crate) fn maybe_text(self, key: &'static str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    pub(crate) fn maybe_document(self, key: &'static str, document: Option<&Document>) -> Self {
        match document {
            Some(document) => self.document(key, document),
            None => self,
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.text.push('}');
        self.text.into_bytes()
    }

    fn key(&mut self, key: &'static str) {
        debug_assert!(self.last < key, "keys of a payload come in order: {} before {key}", self.last);
        if !self.last.is_empty() {
            self.text.push(',');
        }
        self.last = key;
        json::write_string(key, &mut self.text);
        self.text.push(':');
    }
}
