//! A Rust file as the checks see it: its lines, its string literals, and which of it is test code.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::Finding;

/// A string literal, as it stands in the source.
#[derive(Debug)]
pub(super) struct Literal {
    pub(super) line: usize,
    /// What is between the quotes, escapes not resolved.
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) lines: usize,
    literals: Vec<Literal>,
    /// The lines of items under `#[cfg(test)]`.
    test_lines: Vec<RangeInclusive<usize>>,
}

impl Source {
    /// Splits a file into tokens.
    ///
    /// # Errors
    /// A finding, when the file is not Rust.
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, Finding> {
        let tokens: TokenStream = text.parse().map_err(|err: proc_macro2::LexError| Finding {
            path: path.to_owned(),
            line: err.span().start().line,
            message: format!("not Rust: {err}"),
        })?;
        let lines = text.lines().count();
        let mut source = Self { path: path.to_owned(), lines, literals: Vec::new(), test_lines: Vec::new() };
        source.walk(tokens);
        Ok(source)
    }

    /// How many lines there are without those of test items.
    pub(super) fn lines_without_tests(&self) -> usize {
        (1..=self.lines).filter(|line| !self.is_test(*line)).count()
    }

    /// The string literals outside tests and documentation.
    pub(super) fn literals(&self) -> impl Iterator<Item = &Literal> {
        self.literals.iter().filter(|literal| !self.is_test(literal.line))
    }

    fn is_test(&self, line: usize) -> bool {
        self.test_lines.iter().any(|range| range.contains(&line))
    }

    fn walk(&mut self, tokens: TokenStream) {
        // The line on which the `#[cfg(test)]` of the item at hand begins.
        let mut test_since: Option<usize> = None;
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(hash) if hash.as_char() == '#' => {
                    let inner = tokens.next_if(|next| matches!(next, TokenTree::Punct(bang) if bang.as_char() == '!'));
                    let Some(TokenTree::Group(attribute)) = tokens.next_if(is_bracketed) else { continue };
                    if is_cfg_test(&attribute) {
                        match inner {
                            Some(_) => self.test_lines.push(1..=self.lines),
                            None => test_since = test_since.or(Some(hash.span().start().line)),
                        }
                    } else if !is_doc(&attribute) {
                        self.walk(attribute.stream());
                    }
                }
                TokenTree::Punct(mark) if mark.as_char() == ';' => {
                    self.close_test(&mut test_since, mark.span().end().line);
                }
                TokenTree::Group(group) => {
                    if group.delimiter() == Delimiter::Brace {
                        self.close_test(&mut test_since, group.span_close().end().line);
                    }
                    self.walk(group.stream());
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if let Some((_, quoted)) = text.split_once('"') {
                        let quoted = quoted.trim_end_matches('#').trim_end_matches('"');
                        self.literals.push(Literal { line: literal.span().start().line, text: quoted.to_owned() });
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    fn close_test(&mut self, since: &mut Option<usize>, end: usize) {
        if let Some(start) = since.take() {
            self.test_lines.push(start..=end);
        }
    }
}

fn is_bracketed(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket)
}

fn is_cfg_test(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

fn is_doc(attribute: &Group) -> bool {
    matches!(attribute.stream().into_iter().next(), Some(TokenTree::Ident(name)) if name == "doc")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, lines_without_tests: usize, literals: &[&str]) {
        let source = Source::parse("crates/a/src/lib.rs", text).unwrap();
        assert_eq!(source.lines_without_tests(), lines_without_tests, "{text}");
        let found: Vec<_> = source.literals().map(|literal| literal.text.as_str()).collect();
        assert_eq!(found, literals, "{text}");
    }

    #[test]
    fn test_items_do_not_count() {
        check("fn a() {}\n", 1, &[]);
        check("fn a() {}\n#[cfg(test)]\nmod tests {\n  const A: &str = \"x\";\n}\n", 1, &[]);
        check("#[cfg(test)]\nuse a::b;\nfn a() {\n}\n", 2, &[]);
        check("#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\nfn a() {}\n", 1, &[]);
        check("#[cfg(all(test, unix))]\nmod tests {\n}\nfn a() {}\n", 1, &[]);
        check("#![cfg(test)]\nfn a() {}\n", 0, &[]);
    }

    #[test]
    fn other_conditions_count() {
        check("#[cfg(not(test))]\nfn a() {\n}\n", 3, &[]);
        check("#[cfg(any(test, feature = \"x\"))]\nfn a() {}\n", 2, &["x"]);
    }

    #[test]
    fn literals_are_found_in_every_form() {
        check("fn a() { b(\"one\", r#\"t\"wo\"#, b\"three\", 'c', 4); }", 1, &["one", "t\"wo", "three"]);
        check("fn a() { format!(\"{} in a macro\", 1); }", 1, &["{} in a macro"]);
        check("#[error(\"in an attribute\")]\nstruct A;", 2, &["in an attribute"]);
        check("/// documentation \"is none\"\nfn a<'a>() {} // nor \"this\"", 2, &[]);
    }

    #[test]
    fn what_is_not_rust_is_a_finding_with_its_line() {
        let finding = Source::parse("crates/a/src/lib.rs", "fn a() {}\nfn b( {}\n").unwrap_err();
        assert!(finding.message.starts_with("not Rust"), "{finding}");
        assert!(finding.line >= 1);
    }
}
