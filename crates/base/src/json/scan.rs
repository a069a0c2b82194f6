//! Reads canonical JSON (RFC 8785) where it lies, building nothing: what the ledger keeps is canonical already, and
//! most of it is only passed on.

use super::{INTEGER_MAX, number, plain, write_string};
use crate::Document;
use crate::limits::STORED_NESTING_MAX;
use serde_json::Value;
use std::cmp::Ordering;
use std::sync::Arc;

/// Whether a text is the canonical text of a value that [`super::parse_stored`] takes: its one spelling.
#[must_use]
pub fn is_canonical(text: &str) -> bool {
    let mut scanner = Scanner { rest: text };
    scanner.value(0).is_some() && scanner.rest.is_empty()
}

/// The members of a canonical object.
#[derive(Debug, Clone)]
pub struct Members<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Members<'a> {
    /// No members.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The members of an object, none if the bytes are not the canonical text of one.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut scanner = Scanner { rest: text };
        let mut members = Vec::with_capacity(4);
        scanner.object(0, |name, value| members.push((name, value)))?;
        scanner.rest.is_empty().then_some(Self(members))
    }

    /// The canonical text of a member, which has a name that needs no escapes.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(have, _)| *have == name).map(|(_, value)| *value)
    }

    /// A member as a document, which is not read before somebody looks into it.
    #[must_use]
    pub fn document(&self, name: &str) -> Option<Arc<Document>> {
        self.text(name).map(|text| Arc::new(Document::scanned(text)))
    }
}

/// What follows in the text. Every method gives nothing where it is not as RFC 8785 writes it.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.rest.as_bytes().first()? {
            b'{' => self.object(depth, |_, _| ()),
            b'[' => self.array(depth),
            b'"' => self.string().map(|_| ()),
            b'n' => self.literal("null"),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.byte(b'[')?;
        if depth >= STORED_NESTING_MAX {
            return None;
        }
        if self.byte(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            if self.byte(b',').is_none() {
                return self.byte(b']');
            }
        }
    }

    /// Gives each member's name, as it stands between its quotes, and the text of its value.
    fn object(&mut self, depth: usize, mut member: impl FnMut(&'a str, &'a str)) -> Option<()> {
        self.byte(b'{')?;
        if self.byte(b'}').is_some() {
            return Some(());
        }
        if depth >= STORED_NESTING_MAX {
            return None;
        }
        let mut last = None;
        loop {
            let name = self.string()?;
            if last.is_some_and(|last| order(last, name) != Ordering::Less) {
                return None;
            }
            last = Some(name);
            self.byte(b':')?;
            let from = self.rest;
            self.value(depth + 1)?;
            member(name, from.get(..from.len() - self.rest.len())?);
            if self.byte(b',').is_none() {
                return self.byte(b'}');
            }
        }
    }

    /// What stands between the quotes of a string.
    fn string(&mut self) -> Option<&'a str> {
        self.byte(b'"')?;
        let from = self.rest;
        loop {
            self.rest = self.rest.get(plain(self.rest)..)?;
            if self.byte(b'"').is_some() {
                return from.get(..from.len() - self.rest.len() - 1);
            }
            self.escape()?;
        }
    }

    /// An escape that RFC 8785 uses, of what it uses it for.
    fn escape(&mut self) -> Option<()> {
        self.byte(b'\\')?;
        let kind = *self.rest.as_bytes().first()?;
        if kind != b'u' {
            self.rest = self.rest.get(1..)?;
            return matches!(kind, b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r').then_some(());
        }
        let digits = self.rest.get(1..5)?;
        let control = u32::from_str_radix(digits, 16).ok().filter(|code| *code < 0x20).and_then(char::from_u32)?;
        let mut spelling = String::with_capacity(8);
        write_string(control.encode_utf8(&mut [0; 4]), &mut spelling);
        self.rest = self.rest.get(5..)?;
        (spelling.get(3..7) == Some(digits)).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let of_number = |byte: u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e');
        let length = self.rest.bytes().take_while(|byte| of_number(*byte)).count();
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let whole = text.parse::<i64>().ok().filter(|whole| whole.unsigned_abs() <= INTEGER_MAX.unsigned_abs());
            return (whole.is_some() && (!digits.starts_with('0') || text == "0")).then_some(());
        }
        let double = number(text.parse().ok()?).ok().filter(Value::is_f64)?.as_f64()?;
        (ryu_js::Buffer::new().format_finite(double) == text).then_some(())
    }

    #[inline]
    fn byte(&mut self, byte: u8) -> Option<()> {
        if *self.rest.as_bytes().first()? != byte {
            return None;
        }
        self.rest = self.rest.get(1..)?;
        Some(())
    }

    fn literal(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }
}

/// The order of names, given as they stand between their quotes: by UTF-16 code units of what they mean.
fn order(one: &str, other: &str) -> Ordering {
    let of_ascii = |byte: Option<&u8>| byte.is_none_or(|byte| byte.is_ascii() && *byte != b'\\');
    let pairs = one.bytes().zip(other.bytes());
    let same = pairs.take_while(|(a, b)| a == b && *a != b'\\').count();
    let (a, b) = (one.as_bytes().get(same), other.as_bytes().get(same));
    // What stands for itself up to where they differ is in the order of its bytes; an end is before all.
    if of_ascii(a) && of_ascii(b) {
        return a.cmp(&b);
    }
    // INVARIANT: both were read as strings, so they mean something.
    let meant = |name: &str| serde_json::from_str::<String>(&format!("\"{name}\"")).unwrap_or_default();
    meant(one).encode_utf16().cmp(meant(other).encode_utf16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::tests::any_value;
    use crate::json::{canonical_text, parse_stored};
    use proptest::prelude::*;

    /// What is canonical by definition: what reading and writing gives back.
    fn naive(text: &str) -> bool {
        parse_stored(text.as_bytes(), text.len()).is_ok_and(|value| canonical_text(&value) == text)
    }

    #[test]
    fn one_spelling_is_canonical() {
        for text in [
            "null",
            "true",
            "0",
            "-1",
            "9007199254740992",
            "0.5",
            "-1e-7",
            "1.5e-9",
            "\"\"",
            "\"a\\n\\u0001\\\"\\\\é\u{7f}\"",
            "[]",
            "[1,[]]",
            "{}",
            r#"{"a":1,"b":{"c":[]}}"#,
            "{\"\u{10000}\":1,\"\u{ff41}\":2}",
            r#"{"\n":1,"a":2}"#,
        ] {
            assert!(naive(text) && is_canonical(text), "{text}");
        }
        for text in [
            "",
            " 1",
            "1 ",
            "01",
            "-0",
            "+1",
            "1.0",
            "1e2",
            "0.50",
            "1E-7",
            "9007199254740993",
            "1e300",
            "-",
            "nul",
            "[1,]",
            "[1 ]",
            "[,1]",
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,}"#,
            r#"{"a" :1}"#,
            "\"\\u000a\"",
            "\"\\u001F\"",
            "\"\\u+001\"",
            "\"\\/\"",
            "\"\\u0041\"",
            "\"\n\"",
            "\"a",
            "{\"\u{ff41}\":1,\"\u{10000}\":2}",
            r#"{"a":2,"\n":1}"#,
            "[1][2]",
        ] {
            assert!(!naive(text) && !is_canonical(text), "{text}");
        }
    }

    #[test]
    fn nests_as_deep_as_a_value_may() {
        for depth in STORED_NESTING_MAX - 1..STORED_NESTING_MAX + 3 {
            for (open, inner, close) in
                [("[", "1", "]"), ("[", "[]", "]"), ("{\"a\":", "{}", "}"), ("{\"a\":", "1", "}")]
            {
                let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
                assert_eq!(is_canonical(&text), naive(&text), "{depth} of {open}{inner}{close}");
            }
        }
    }

    #[test]
    fn members_are_found_by_name() {
        let text = r#"{"a":[1,{"x":2}],"b\n":3,"c":"d"}"#;
        let members = Members::read(text.as_bytes()).unwrap();
        assert_eq!(members.text("a"), Some(r#"[1,{"x":2}]"#));
        assert_eq!(members.text("x"), None);
        let document = members.document("c").unwrap();
        assert_eq!((document.canonical(), document.value()), ("\"d\"", &Value::from("d")));
        assert!(
            Members::read(b"[1]").is_none()
                && Members::read(b"{}1").is_none()
                && Members::read(b"{\"\xff\":1}").is_none()
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_canonical(value in any_value()) {
            prop_assert!(is_canonical(&canonical_text(&value)));
        }

        #[test]
        fn a_change_is_seen_as_reading_and_writing_sees_it(value in any_value(), at in any::<prop::sample::Index>(), with in "[ -~]{0,2}") {
            let text = canonical_text(&value);
            let (before, after) = text.split_at(text.floor_char_boundary(at.index(text.len())));
            let mut rest = after.chars();
            rest.next();
            let changed = format!("{before}{with}{}", rest.as_str());
            prop_assert_eq!(is_canonical(&changed), naive(&changed), "{}", changed);
        }
    }
}
