//! YAML 1.2, the part of it that is JSON written otherwise: no anchors, aliases, tags, directives or second document.

use super::document::{Data, Entry, Node, Place, SyntaxError};
use chancery_base::json;
use chancery_base::limits::NESTING_MAX;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Number, Value};
use std::collections::BTreeSet;

type Parsed = Result<Node, SyntaxError>;

/// Reads one document.
///
/// # Errors
/// The first thing that is not YAML, or not of the part that is taken.
pub(crate) fn parse(text: &str) -> Parsed {
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: NESTING_MAX + 1,
        block_nesting_limit: NESTING_MAX + 1,
    };
    let mut reader = Reader { parser: Parser::new_from_str_with_options(text, options), place: Place::START };
    let mut root = None;
    while let Some(event) = reader.next()? {
        if !matches!(event, Event::DocumentStart(..)) {
            continue;
        }
        if root.is_some() {
            return reader.fail("a second document begins; one is allowed");
        }
        let Some(first) = reader.next()? else { break };
        root = Some(reader.node(first, 0)?);
    }
    root.ok_or_else(|| SyntaxError::new(Place::START, "the document is empty"))
}

struct Reader<'t> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    /// Where the event begins that was read last.
    place: Place,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<Event<'t>>, SyntaxError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                self.place = place_of(&span);
                Ok(Some(event))
            }
            Some(Err(err)) => Err(scan_error(&err)),
        }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError::new(self.place, message))
    }

    fn node(&mut self, event: Event<'t>, depth: usize) -> Parsed {
        let place = self.place;
        if event.anchor_id().is_some_and(|id| id != 0) || event.is_alias() {
            return self.fail("anchors and aliases are not allowed: write the value out");
        }
        if event.tag().is_some() {
            return self.fail("tags are not allowed");
        }
        let data = if let Event::Scalar(text, style, ..) = event {
            scalar(&text, style).or_else(|message| self.fail(message))?
        } else if depth >= NESTING_MAX {
            return self.fail(format!("nested deeper than {NESTING_MAX}"));
        } else if let Event::SequenceStart(..) = event {
            self.sequence(depth)?
        } else if let Event::MappingStart(..) = event {
            self.mapping(depth)?
        } else {
            return self.fail("a value is missing here");
        };
        Ok(Node { data, place })
    }

    fn sequence(&mut self, depth: usize) -> Result<Data, SyntaxError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Some(Event::SequenceEnd) => {
                    items.shrink_to_fit();
                    return Ok(Data::List(items));
                }
                Some(event) => items.push(self.node(event, depth + 1)?),
                None => return self.fail("the list does not end"),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Data, SyntaxError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            let Some(event) = self.next()? else { return self.fail("the map does not end") };
            if event == Event::MappingEnd {
                // Most have few, and room for more is made in fours.
                entries.shrink_to_fit();
                return Ok(Data::Map(entries));
            }
            let place = self.place;
            let key = match self.node(event, depth + 1)?.data {
                Data::Text(text) => text,
                // `1: …` and `true: …` are keys in JSON's sense too: as they would be written there.
                Data::Null | Data::Bool(_) | Data::Number(_) | Data::List(_) | Data::Map(_) => {
                    return Err(SyntaxError::new(place, "a key is a text: put it in quotes"));
                }
            };
            if !seen.insert(key.clone()) {
                return Err(SyntaxError::new(place, format!("key `{key}` stands twice")));
            }
            let Some(event) = self.next()? else { return self.fail("the map does not end") };
            let node = self.node(event, depth + 1)?;
            entries.push(Entry { key, place, node });
        }
    }
}

fn place_of(span: &Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

fn scan_error(err: &ScanError) -> SyntaxError {
    let place = Place { line: err.marker().line().max(1), column: err.marker().col() + 1 };
    SyntaxError::new(place, err.info())
}

/// A scalar by YAML's core schema; only a plain one can be something other than a text.
fn scalar(text: &str, style: ScalarStyle) -> Result<Data, String> {
    if style != ScalarStyle::Plain {
        return Ok(Data::Text(text.to_owned()));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Bool(true),
        "false" | "False" | "FALSE" => Data::Bool(false),
        _ if looks_like_number(text) => Data::Number(number(text)?),
        _ if matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") => {
            return Err(format!("`{text}` is not a number that JSON has"));
        }
        _ => Data::Text(text.to_owned()),
    })
}

/// `[-+]? ( digits ( . digits? )? | . digits ) ( [eE] [-+]? digits )?`, or `0o` or `0x` and digits.
fn looks_like_number(text: &str) -> bool {
    if let Some(digits) = text.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let some_digit = !whole.is_empty() || !fraction.is_empty();
    some_digit && digits(whole) && digits(fraction) && exponent.is_none_or(|exp| !exp.is_empty() && digits(exp))
}

fn number(text: &str) -> Result<Number, String> {
    let out_of_range = || format!("`{text}` is beyond ±2^53: put it in quotes");
    let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok();
    let value = match (text.strip_prefix("0x"), text.strip_prefix("0o"), text.parse::<i64>()) {
        (Some(digits), ..) => radix(digits, 16).map(Value::from),
        (_, Some(digits), _) => radix(digits, 8).map(Value::from),
        (.., Ok(whole)) => Some(Value::from(whole)),
        (.., Err(_)) => text.parse::<f64>().ok().and_then(|double| json::number(double).ok()),
    };
    match value.map(json::normalize) {
        Some(Ok(Value::Number(number))) => Ok(number),
        _ => Err(out_of_range()),
    }
}
