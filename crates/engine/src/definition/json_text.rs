//! JSON with line and column for each value. What it reads has passed `chancery_base::json::parse` before, so that
//! there is one judge of what JSON is; this one only walks it.

use super::document::{Data, Entry, Node, Place, SyntaxError};
use chancery_base::json;
use serde_json::Value;

/// Reads a JSON document that `json::parse` takes.
///
/// # Errors
/// If it is not JSON.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut walker = Walker { rest: text, place: Place::START };
    walker.blanks();
    walker.node().ok_or_else(|| SyntaxError::new(walker.place, "this is not JSON"))
}

struct Walker<'t> {
    rest: &'t str,
    place: Place,
}

impl<'t> Walker<'t> {
    fn advance(&mut self, bytes: usize) -> Option<&'t str> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        for c in taken.chars() {
            if c == '\n' {
                self.place = Place { line: self.place.line + 1, column: 1 };
            } else {
                self.place.column += 1;
            }
        }
        self.rest = rest;
        Some(taken)
    }

    fn blanks(&mut self) -> Option<&'t str> {
        let blanks = self.rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.advance(blanks)
    }

    fn take(&mut self, expected: char) -> bool {
        let found = self.rest.starts_with(expected);
        if found {
            self.advance(expected.len_utf8());
            self.blanks();
        }
        found
    }

    fn node(&mut self) -> Option<Node> {
        let place = self.place;
        let data = match self.rest.bytes().next()? {
            b'{' => self.map()?,
            b'[' => self.list()?,
            b'"' => Data::Text(self.text()?),
            _ => self.word()?,
        };
        self.blanks();
        Some(Node { data, place })
    }

    fn list(&mut self) -> Option<Data> {
        let mut items = Vec::new();
        self.take('[');
        while !self.take(']') {
            items.push(self.node()?);
            self.take(',');
        }
        Some(Data::List(items))
    }

    fn map(&mut self) -> Option<Data> {
        let mut entries = Vec::new();
        self.take('{');
        while !self.take('}') {
            let place = self.place;
            let key = self.text()?;
            self.blanks();
            self.take(':');
            let node = self.node()?;
            entries.push(Entry { key, place, node });
            self.take(',');
        }
        Some(Data::Map(entries))
    }

    fn text(&mut self) -> Option<String> {
        let mut escaped = false;
        let end = self.rest.bytes().skip(1).position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        })?;
        let literal = self.advance(end + 2)?;
        serde_json::from_str(literal).ok()
    }

    fn word(&mut self) -> Option<Data> {
        let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
        let length = self.rest.bytes().position(|byte| ends(&byte)).unwrap_or(self.rest.len());
        let word = self.advance(length)?;
        match json::parse(word.as_bytes(), word.len()).ok()? {
            Value::Null => Some(Data::Null),
            Value::Bool(boolean) => Some(Data::Bool(boolean)),
            Value::Number(number) => Some(Data::Number(number)),
            Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}
