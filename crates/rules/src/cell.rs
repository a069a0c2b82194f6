//! Cells: tests of one value, else a CEL condition.

use crate::point::{Cut, Point, Type};
use crate::set::Set;
use chancery_base::limits::CELL_BYTES_MAX;
use chancery_expr::Program;
use serde_json::Value;
use std::sync::Arc;

/// A cell of an input's column.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) text: Arc<str>,
    pub(crate) test: Test,
}

/// When a cell holds.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// For the values of a set.
    Among(Set),
    /// Where an expression says so.
    If(Program),
}

impl Cell {
    /// A cell that is left out.
    pub(crate) fn anything() -> Self {
        Self { text: Arc::from("-"), test: Test::Among(Set::everything()) }
    }

    /// Reads a cell of a column of this type that can have the values of `domain`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn read(kind: Type, domain: &Set, cell: &Value) -> Result<Self, String> {
        let text = match cell {
            Value::String(text) => text.trim().to_owned(),
            Value::Null | Value::Bool(_) | Value::Number(_) => cell.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err("a cell is a text, a number, true, false or null".to_owned());
            }
        };
        if text.len() > CELL_BYTES_MAX {
            return Err(format!("a cell has at most {CELL_BYTES_MAX} bytes, this one has {}", text.len()));
        }
        let test = match Parser::new(kind, domain, &text).cell() {
            Ok(set) => Test::Among(set),
            Err(Unread::Wrong(problem)) => return Err(problem),
            Err(Unread::NoTest(problem)) => Test::If(condition(&text, &problem)?),
        };
        Ok(Self { text: Arc::from(text), test })
    }

    pub(crate) const fn set(&self) -> Option<&Set> {
        match &self.test {
            Test::Among(set) => Some(set),
            Test::If(_) => None,
        }
    }

    pub(crate) const fn program(&self) -> Option<&Program> {
        match &self.test {
            Test::If(program) => Some(program),
            Test::Among(_) => None,
        }
    }
}

fn condition(text: &str, no_test: &str) -> Result<Program, String> {
    let program = Program::compile(text).map_err(|err| {
        format!("`{text}` is neither a test ({no_test}) nor a condition ({err}, column {})", err.column)
    })?;
    if program.provably_not_bool() {
        return Err(format!("`{text}` is neither a test ({no_test}) nor a condition (it is never true or false)"));
    }
    Ok(program)
}

/// The constant that a text is, in the syntax of cells; none where it is something else.
pub(crate) fn constant(text: &str) -> Option<Value> {
    let domain = Set::everything();
    let mut parser = Parser::new(Type::Number, &domain, text);
    match parser.literal() {
        Ok(Some(value)) if parser.rest.is_empty() => Some(value),
        Ok(_) | Err(_) => None,
    }
}

/// The set that a list of tests names: what an input says of its values.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn set(kind: Type, text: &str) -> Result<Set, String> {
    Parser::new(kind, &Set::everything(), text).cell().map_err(|err| match err {
        Unread::Wrong(problem) | Unread::NoTest(problem) => problem,
    })
}

/// Why a text is no list of tests.
enum Unread {
    /// It may be an expression.
    NoTest(String),
    /// It is a test, and a wrong one.
    Wrong(String),
}

/// Reads tests from the left.
struct Parser<'a> {
    kind: Type,
    domain: &'a Set,
    rest: &'a str,
    /// What is wrong with what was read, which counts only if the whole is tests: `true && value > 1` is none.
    wrong: Option<String>,
}

type Read<T> = Result<T, Unread>;

impl<'a> Parser<'a> {
    const fn new(kind: Type, domain: &'a Set, text: &'a str) -> Self {
        Self { kind, domain, rest: text.trim_ascii(), wrong: None }
    }

    fn cell(&mut self) -> Read<Set> {
        if self.rest == "-" {
            return Ok(Set::everything());
        }
        let negated = self.takes("not(");
        let set = self.list()?;
        if negated && !self.takes(")") {
            return self.unexpected("`)`");
        }
        if !self.rest.is_empty() {
            return self.unexpected("`,` or the end");
        }
        if let Some(problem) = self.wrong.take() {
            return Err(Unread::Wrong(problem));
        }
        Ok(if negated { set.others() } else { set })
    }

    fn list(&mut self) -> Read<Set> {
        let mut set = self.test()?;
        while self.takes(",") {
            set = set.union(self.test()?);
        }
        Ok(set)
    }

    fn test(&mut self) -> Read<Set> {
        if self.takes("<=") {
            return Ok(Set::span(Cut::Low, Cut::after(self.kind, self.bound()?)));
        }
        if self.takes("<") {
            return Ok(Set::span(Cut::Low, Cut::before(self.bound()?)));
        }
        if self.takes(">=") {
            return Ok(Set::span(Cut::before(self.bound()?), Cut::High));
        }
        if self.takes(">") {
            return Ok(Set::span(Cut::after(self.kind, self.bound()?), Cut::High));
        }
        if self.takes("!=") {
            return self.value().map(|set| set.others());
        }
        if self.takes("==") {
            return self.value();
        }
        if self.takes("[") {
            let from = self.bound()?;
            return self.range(Cut::before(from));
        }
        if self.takes("(") {
            let from = self.bound()?;
            return self.range(Cut::after(self.kind, from));
        }
        self.value()
    }

    fn range(&mut self, from: Cut) -> Read<Set> {
        if !self.takes("..") {
            return self.unexpected("`..`");
        }
        let end = self.bound()?;
        let to = if self.takes("]") {
            Cut::after(self.kind, end)
        } else if self.takes(")") {
            Cut::before(end)
        } else {
            return self.unexpected("`]` or `)`");
        };
        let set = Set::span(from, to);
        if set.is_empty() {
            self.wrong.get_or_insert_with(|| "the range is empty".to_owned());
        }
        Ok(set)
    }

    /// A constant, null included.
    fn value(&mut self) -> Read<Set> {
        let Some(value) = self.literal()? else { return self.unexpected("a constant, a comparison or a range") };
        if value.is_null() {
            if !self.domain.has_null() {
                self.wrong.get_or_insert_with(|| "the input is never null: it is not `optional`".to_owned());
            }
            return Ok(Set::null());
        }
        let point = self.point(&value);
        if !self.domain.contains(&point) {
            self.wrong.get_or_insert_with(|| format!("{value} is none of the input's values"));
        }
        Ok(Set::point(self.kind, point))
    }

    /// A constant that has an order.
    fn bound(&mut self) -> Read<Point> {
        let Some(value) = self.literal()? else { return self.unexpected("a constant") };
        if value.is_null() || value.is_boolean() {
            self.wrong.get_or_insert_with(|| format!("{value} is neither less nor more than another value"));
        }
        Ok(self.point(&value))
    }

    /// The point of a constant; any where it is of another type, which is noted.
    fn point(&mut self, value: &Value) -> Point {
        self.kind.point(value).unwrap_or_else(|| {
            self.wrong.get_or_insert_with(|| format!("{value} is not {}", self.kind.phrase()));
            Point::Bool(true)
        })
    }

    fn literal(&mut self) -> Read<Option<Value>> {
        self.skip();
        for (word, value) in [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))] {
            let after = self.rest.strip_prefix(word);
            if let Some(after) = after.filter(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')) {
                self.rest = after;
                return Ok(Some(value));
            }
        }
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.text(quote).map(|text| Some(Value::from(text))),
            Some('-' | '0'..='9') => self.number().map(Some),
            Some(_) | None => Ok(None),
        }
    }

    fn number(&mut self) -> Read<Value> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let sign = usize::from(bytes.first() == Some(&b'-'));
        let mut len = sign + digits(sign);
        // `1..10` has no fraction.
        let fraction = if bytes.get(len) == Some(&b'.') { digits(len + 1) } else { 0 };
        len += if fraction > 0 { 1 + fraction } else { 0 };
        let (text, after) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        let number = text.parse::<f64>().ok();
        let Some(number) = number.filter(|_| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')) else {
            return self.unexpected("a number");
        };
        self.rest = after;
        Ok(chancery_base::json::number(number).unwrap_or_else(|problem| {
            self.wrong.get_or_insert_with(|| format!("{text}: {problem}"));
            Value::from(0)
        }))
    }

    /// A text in quotes, with the escapes that JSON has.
    fn text(&mut self, quote: char) -> Read<String> {
        let mut out = String::new();
        let mut characters = self.rest.chars();
        characters.next();
        loop {
            match characters.next() {
                None => return self.unexpected("a text that ends"),
                Some(end) if end == quote => break,
                Some('\\') => match escaped(&mut characters) {
                    Some(character) => out.push(character),
                    None => return self.unexpected("one of the escapes \\\\ \\\" \\' \\n \\r \\t \\uXXXX"),
                },
                Some(character) => out.push(character),
            }
        }
        self.rest = characters.as_str();
        Ok(out)
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Whether `token` comes next, which it then no longer does.
    fn takes(&mut self, token: &str) -> bool {
        self.skip();
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn unexpected<T>(&self, expected: &str) -> Read<T> {
        let found = if self.rest.is_empty() { "the end".to_owned() } else { format!("`{}`", self.rest) };
        Err(Unread::NoTest(format!("expected {expected}, found {found}")))
    }
}

fn escaped(characters: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match characters.next()? {
        same @ ('\\' | '"' | '\'' | '/') => same,
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let code = characters.by_ref().take(4).try_fold(0, |code, digit| Some(code * 16 + digit.to_digit(16)?))?;
            char::from_u32(code)?
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(kind: Type, cell: &str, expected: &str) {
        let read = Cell::read(kind, &Set::everything(), &json!(cell));
        let said = match &read {
            Ok(Cell { test: Test::Among(set), .. }) => set.text(kind),
            Ok(Cell { test: Test::If(program), .. }) => format!("if {}", program.text()),
            Err(problem) => problem.clone(),
        };
        assert!(said.contains(expected), "{cell}: {said}");
    }

    #[test]
    fn tests_are_read() {
        check(Type::Number, "-", "anything, null");
        check(Type::Number, "10", "10");
        check(Type::Number, "-1.5", "-1.5");
        check(Type::Number, "[1..10)", "[1..10)");
        check(Type::Number, "( 1 .. 10 ]", "(1..10]");
        check(Type::Integer, "(1..10]", "[2..11)");
        check(Type::Number, "< 3, >= 7, null", "< 3, >= 7, null");
        check(Type::Number, "not([1..2], null)", "< 1, > 2");
        check(Type::Number, "!= 4", "< 4, > 4");
        check(Type::String, "'a', \"b\\\"\"", r#""a", "b\"""#);
        check(Type::String, "[\"a\"..\"f\")", r#"["a".."f")"#);
        check(Type::Boolean, "not(true)", "false");
        check(Type::Integer, "value % 2 == 0", "if value % 2 == 0");
        check(Type::String, "value.startsWith('a')", "if value.startsWith('a')");
        check(Type::Boolean, "trueish", "if trueish");
        check(Type::Integer, "true && value > 1", "if true && value > 1");
        check(Type::Integer, "1.5 < value", "if 1.5 < value");
    }

    #[test]
    fn bad_cells_say_what_is_wrong() {
        check(Type::Integer, "1.5", "1.5 is not a whole number");
        check(Type::String, "10", "10 is not a text");
        check(Type::Integer, "\"a\"", "\"a\" is not a whole number");
        check(Type::Boolean, "> true", "neither less nor more");
        check(Type::Number, "[5..1]", "the range is empty");
        check(Type::Integer, "(1..2)", "the range is empty");
        check(Type::Number, "[1..5", "expected `]` or `)`, found the end");
        check(Type::Number, "1 + 1", "never true or false");
        check(Type::Number, "9007199254740994", "beyond ±2^53");
        check(Type::Number, "", "expected a constant, a comparison or a range, found the end");
        check(Type::Number, &"1,".repeat(600), "at most 1024 bytes");
        let any = Set::everything();
        assert!(Cell::read(Type::Number, &any, &json!([1])).is_err());
        assert_eq!(Cell::read(Type::Integer, &any, &json!(7)).unwrap().text.as_ref(), "7");
        let domain = set(Type::String, "'a', 'b'").ok().unwrap();
        let error = |cell: &str| Cell::read(Type::String, &domain, &json!(cell)).unwrap_err();
        assert_eq!(error("'a', 'c'"), "\"c\" is none of the input's values");
        assert_eq!(error("not(null)"), "the input is never null: it is not `optional`");
    }
}
