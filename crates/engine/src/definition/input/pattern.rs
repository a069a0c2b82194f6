//! Patterns: ECMA-262's, as far as they can be matched in linear time.

use chancery_base::limits::INPUT_PATTERN_BYTES_MAX;
use regex::{Regex, RegexBuilder};

/// White space and ends of lines of ECMA-262, 22.2.2.9: those of ASCII, the separators that are spaces by Unicode, and
/// three more.
const BLANKS: &str =
    "\\t\\n\\x0B\\f\\r \\u{A0}\\u{1680}\\u{2000}-\\u{200A}\\u{2028}\\u{2029}\\u{202F}\\u{205F}\\u{3000}\\u{FEFF}";

/// A pattern.
///
/// # Errors
/// Why it is none, or none that can be matched in linear time.
pub(super) fn read(text: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(&translated(text));
    let built = builder.size_limit(INPUT_PATTERN_BYTES_MAX).nest_limit(64).build();
    built.map_err(|err| {
        if matches!(err, regex::Error::CompiledTooBig(_)) {
            return format!("`{text}` is too large a pattern");
        }
        let why = err.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("`{text}` is no pattern that can be matched in linear time: {why}")
    })
}

/// The classes that ECMA-262 has of ASCII, written out.
fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('s') => out.push_str(&format!("[{BLANKS}]")),
            Some('S') => out.push_str(&format!("[^{BLANKS}]")),
            Some('b') => out.push_str("(?-u:\\b)"),
            Some('B') => out.push_str("(?-u:\\B)"),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ecma_262_says_of_ascii_is_said_of_ascii() {
        for (pattern, yes, no) in [
            (r"^\d+$", "0123", "٣"),
            (r"^[\d.]+$", "1.5", "1,5"),
            (r"^\w+$", "a_9", "é"),
            (r"^\S+$", "aé", "a b"),
            (r"^\s$", "\u{2003}", "\u{200B}"),
            (r"^\S$", "\u{200B}", "\u{3000}"),
            (r"\bcat\b", "a cat!", "concat"),
            (r"^\/a\.b$", "/a.b", "/axb"),
            ("^.{2}$", "éü", "é"),
            ("a|b", "xb", "xc"),
        ] {
            let read = read(pattern).unwrap_or_else(|why| panic!("{why}"));
            assert!(read.is_match(yes) && !read.is_match(no), "{pattern}");
        }
    }

    #[test]
    fn what_takes_more_than_linear_time_is_refused() {
        for pattern in ["(?=a)b", r"(a)\1", "(?<!a)b", "(", "[", "a{100000}"] {
            assert!(read(pattern).is_err(), "{pattern}");
        }
    }
}
