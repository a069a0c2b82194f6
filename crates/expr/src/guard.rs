//! What an expression must satisfy before a parser sees it: its size, nesting and number of operators.

use crate::error::ExprError;
use chancery_base::limits::{EXPRESSION_BYTES_MAX, NESTING_MAX, OPERATORS_MAX};

/// Refuses what would cost the parser too much.
pub(crate) fn check(text: &str) -> Result<(), ExprError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(ExprError::too_long(text));
    }
    let (mut depth, mut operators) = (0_usize, 0_usize);
    let mut at = 0;
    while let Some(token) = next(text, at) {
        match token.kind {
            TokenKind::Open => {
                depth += 1;
                operators += 1;
            }
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Operator => operators += 1,
            TokenKind::Other => {}
        }
        if depth > NESTING_MAX {
            return Err(ExprError::too_deep(text, at));
        }
        if operators > OPERATORS_MAX {
            return Err(ExprError::too_many(text, at));
        }
        at = token.end;
    }
    Ok(())
}

/// Where the `}}` is that closes a `${{` whose expression begins at `from`.
pub(crate) fn end_of_hole(text: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = from;
    loop {
        if depth == 0 && text.get(at..)?.starts_with("}}") {
            return Some(at);
        }
        let token = next(text, at)?;
        match text.as_bytes().get(at)? {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at = token.end;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    Open,
    Close,
    Operator,
    Other,
}

struct Token {
    kind: TokenKind,
    end: usize,
}

/// The token at `at`: as much of CEL's lexer as tells strings, comments, words and operators apart.
fn next(text: &str, at: usize) -> Option<Token> {
    let rest = text.get(at..)?;
    let bytes = rest.as_bytes();
    let first = *bytes.first()?;
    let token = |kind, len: usize| Some(Token { kind, end: at + len });
    if let Some(len) = string_len(rest) {
        return token(TokenKind::Other, len);
    }
    if rest.starts_with("//") {
        return token(TokenKind::Other, rest.find('\n').unwrap_or(rest.len()));
    }
    match first {
        b'(' | b'[' | b'{' => token(TokenKind::Open, 1),
        b')' | b']' | b'}' => token(TokenKind::Close, 1),
        b'&' | b'|' | b'=' | b'!' | b'<' | b'>' => {
            let two = ["&&", "||", "==", "!=", "<=", ">="].iter().any(|two| rest.starts_with(two));
            token(TokenKind::Operator, if two { 2 } else { 1 })
        }
        b'+' | b'-' | b'*' | b'/' | b'%' | b'.' | b'?' => token(TokenKind::Operator, 1),
        b'0'..=b'9' => token(TokenKind::Other, number_len(bytes)),
        b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
            let len = bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
            let kind = if rest.get(..len) == Some("in") { TokenKind::Operator } else { TokenKind::Other };
            token(kind, len)
        }
        _ => token(TokenKind::Other, rest.chars().next().map_or(1, char::len_utf8)),
    }
}

/// A number's length; its point is no operator.
fn number_len(bytes: &[u8]) -> usize {
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_alphanumeric()).count();
    let whole = digits(0);
    let fraction = bytes.get(whole) == Some(&b'.') && bytes.get(whole + 1).is_some_and(u8::is_ascii_digit);
    if fraction { whole + 1 + digits(whole + 1) } else { whole }
}

/// The length of the string literal that `rest` begins with; an unterminated one goes to the end.
fn string_len(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let prefix = bytes.iter().take(2).take_while(|b| matches!(b, b'r' | b'R' | b'b' | b'B')).count();
    let raw = bytes.iter().take(prefix).any(|b| matches!(b, b'r' | b'R'));
    let quote = *bytes.get(prefix)?;
    if !matches!(quote, b'"' | b'\'' | b'`') {
        return None;
    }
    let triple = quote != b'`' && bytes.get(prefix..prefix + 3).is_some_and(|three| three.iter().all(|b| *b == quote));
    let width = if triple { 3 } else { 1 };
    let mut at = prefix + width;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'\\' && !raw {
            at += 2;
        } else if bytes.get(at..at + width).is_some_and(|end| end.iter().all(|b| *b == quote)) {
            return Some(at + width);
        } else {
            at += 1;
        }
    }
    Some(rest.len())
}
