//! Reading a search, one character at a time, so that whatever is wrong has its column.

use super::{Condition, Search, SearchError, Side, Term};
use crate::status::ShownStatus;
use chancery_base::limits::{SEARCH_BYTES_MAX, SEARCH_TERMS_MAX, SEARCH_VALUES_MAX};
use chancery_base::{Name, Timestamp, duration};
use std::iter::Peekable;
use std::str::{Chars, FromStr};

const FIELDS: &str = "status, definition, version, principal, key, parent, label.<name>, id, started, ended";

/// Whether a value with this character needs no quotes.
pub(super) fn is_bare(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, ',' | '"')
}

pub(super) fn search(text: &str, now: Timestamp) -> Result<Search, SearchError> {
    if text.len() > SEARCH_BYTES_MAX {
        let message = format!("a search has at most {SEARCH_BYTES_MAX} bytes, this one has {}", text.len());
        return Err(SearchError { column: 1, message });
    }
    let mut reader = Reader { chars: text.chars().peekable(), column: 1, now };
    let mut terms = Vec::new();
    loop {
        reader.take(char::is_whitespace);
        if reader.chars.peek().is_none() {
            return Ok(Search { terms });
        }
        if terms.len() == SEARCH_TERMS_MAX {
            return Err(reader.wrong(format!("a search has at most {SEARCH_TERMS_MAX} terms")));
        }
        terms.push(reader.term()?);
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    /// Of the next character.
    column: usize,
    now: Timestamp,
}

/// A value and where it began.
struct Value {
    text: String,
    column: usize,
}

impl Value {
    fn wrong(&self, message: impl Into<String>) -> SearchError {
        SearchError { column: self.column, message: message.into() }
    }

    fn parse<T: FromStr<Err: ToString>>(&self) -> Result<T, SearchError> {
        self.text.parse().map_err(|error: T::Err| self.wrong(error.to_string()))
    }
}

impl Reader<'_> {
    fn wrong(&self, message: impl Into<String>) -> SearchError {
        SearchError { column: self.column, message: message.into() }
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let found = self.chars.next_if(|c| wanted(*c))?;
        self.column += 1;
        Some(found)
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.next_if(&wanted) {
            taken.push(c);
        }
        taken
    }

    fn term(&mut self) -> Result<Term, SearchError> {
        let negated = self.next_if(|c| c == '-').is_some();
        let column = self.column;
        let field = self.take(|c| is_bare(c) && !matches!(c, ':' | '<' | '>'));
        let field = Value { text: field, column };
        let condition = match self.next_if(|c| matches!(c, ':' | '<' | '>')) {
            Some('<') => self.time(&field, Side::Before)?,
            Some('>') => self.time(&field, Side::After)?,
            Some(_) => self.values(&field)?,
            None => return Err(field.wrong(format!("write a field, `:` and a value; the fields are {FIELDS}"))),
        };
        match self.chars.peek().copied() {
            Some(c) if !c.is_whitespace() => Err(self.wrong(format!("a space belongs before `{c}`"))),
            Some(_) | None => Ok(Term { negated, condition }),
        }
    }

    /// `started` or `ended`, and when.
    fn time(&mut self, field: &Value, side: Side) -> Result<Condition, SearchError> {
        let condition: fn(Side, Timestamp) -> Condition = match field.text.as_str() {
            "started" => Condition::Started,
            "ended" => Condition::Ended,
            _ => return Err(field.wrong(format!("only `started` and `ended` take `{}`", side.sign()))),
        };
        let value = self.value()?;
        if let Ok(age) = duration::parse(&value.text) {
            let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            let then = Timestamp::from_micros(self.now.as_micros().saturating_sub(age));
            // The older, the earlier.
            let side = match side {
                Side::Before => Side::After,
                Side::After => Side::Before,
            };
            return Ok(condition(side, then));
        }
        let wrong = || value.wrong("write an age such as `2h`, or a time such as `2026-11-21T07:27:00Z`");
        Ok(condition(side, value.text.parse().ok().ok_or_else(wrong)?))
    }

    /// A field and the values of which one must be its.
    fn values(&mut self, field: &Value) -> Result<Condition, SearchError> {
        let mut values = vec![self.value()?];
        while self.next_if(|c| c == ',').is_some() {
            if values.len() == SEARCH_VALUES_MAX {
                return Err(self.wrong(format!("a term has at most {SEARCH_VALUES_MAX} values")));
            }
            values.push(self.value()?);
        }
        Ok(match field.text.as_str() {
            "status" => Condition::Status(each(&values, status)?),
            "definition" => Condition::Definition(each(&values, Value::parse)?),
            "version" => Condition::Version(each(&values, version)?),
            "principal" => Condition::Principal(each(&values, Value::parse)?),
            "key" => Condition::Key(each(&values, |value| Ok(value.text.clone()))?),
            "parent" => Condition::Parent(each(&values, Value::parse)?),
            "id" => Condition::Id(each(&values, Value::parse)?),
            "started" | "ended" => {
                return Err(field.wrong("`started` and `ended` take `<` or `>`, such as `started<2h`"));
            }
            other => match other.strip_prefix("label.") {
                Some(label) => Condition::Label(
                    Value { text: label.to_owned(), column: field.column + 6 }.parse::<Name>()?,
                    each(&values, |value| Ok(value.text.clone()))?,
                ),
                None => return Err(field.wrong(format!("there is no field `{other}`; the fields are {FIELDS}"))),
            },
        })
    }

    fn value(&mut self) -> Result<Value, SearchError> {
        let column = self.column;
        if self.next_if(|c| c == '"').is_none() {
            let text = self.take(is_bare);
            let value = Value { text, column };
            return if value.text.is_empty() { Err(value.wrong("a value is missing")) } else { Ok(value) };
        }
        let mut text = String::new();
        loop {
            text.push_str(&self.take(|c| !matches!(c, '"' | '\\')));
            if self.next_if(|c| c == '"').is_some() {
                return Ok(Value { text, column });
            }
            if self.next_if(|c| c == '\\').is_none() {
                return Err(SearchError { column, message: "this quote is not closed".to_owned() });
            }
            match self.next_if(|c| matches!(c, '"' | '\\')) {
                Some(c) => text.push(c),
                None => return Err(self.wrong("only `\"` and `\\` stand behind a `\\`")),
            }
        }
    }
}

/// Every value read, in order and once.
fn each<T: Ord>(values: &[Value], read: impl Fn(&Value) -> Result<T, SearchError>) -> Result<Vec<T>, SearchError> {
    let mut read = values.iter().map(read).collect::<Result<Vec<T>, _>>()?;
    read.sort_unstable();
    read.dedup();
    Ok(read)
}

fn status(value: &Value) -> Result<ShownStatus, SearchError> {
    let words = || ShownStatus::ALL.iter().map(|status| status.word()).collect::<Vec<_>>().join(", ");
    ShownStatus::from_word(&value.text)
        .ok_or_else(|| value.wrong(format!("there is no status `{}`; there are {}", value.text, words())))
}

fn version(value: &Value) -> Result<u32, SearchError> {
    let version = value.text.parse().ok().filter(|_| value.text.bytes().all(|byte| byte.is_ascii_digit()));
    version.ok_or_else(|| value.wrong("a version is a whole number"))
}
