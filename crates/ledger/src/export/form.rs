//! The forms of an export: the package itself, and reports of it for people.
//!
//! A report shows each line of the package as a piece of text of its own, whose first line carries the package's line.
//! Whoever verifies a report reads the package out of it, makes the report of that again, and compares.

use super::{Part, html, markdown};
use crate::receipt::Shown;
use crate::record::{Data, DataValue, Record};
use chancery_base::Digest;
use std::borrow::Cow;

/// Characters of a digest that a report for people shows.
const DIGEST_SHOWN: usize = "sha256:12345678".len();

/// In which form an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The package: JSON Lines.
    Json,
    /// A table for spreadsheets (RFC 4180, lines end in a line feed).
    Csv,
    /// A report in Markdown.
    Markdown,
    /// A report as one HTML page without scripts or parts from elsewhere.
    Html,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Json, Self::Csv, Self::Markdown, Self::Html];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }

    /// What its files end in.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "jsonl",
            Self::Csv => "csv",
            Self::Markdown => "md",
            Self::Html => "html",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// The form of a file that begins with this line.
    pub(super) fn of_first_line(line: &str) -> Option<Self> {
        if line.starts_with('{') {
            return Some(Self::Json);
        }
        Self::ALL.into_iter().find(|form| form.prefix().lines().next() == Some(line))
    }

    /// What stands before everything.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Json => "",
            Self::Csv => "part,seq,at,kind,actor,transaction,n,step,attempt,decision,data,payload,line\n",
            Self::Markdown => markdown::PREFIX,
            Self::Html => html::PREFIX,
        }
    }

    /// What it shows of a line of the package. It ends in a line feed.
    pub(super) fn chunk(self, line: &str, part: Part<'_>) -> String {
        match self {
            Self::Json => [line, "\n"].concat(),
            Self::Csv => csv(line, part),
            Self::Markdown => markdown::chunk(&carry(line), part),
            Self::Html => html::chunk(&carry(line), part),
        }
    }

    /// The line of the package that a line of the file carries.
    pub(super) fn carried(self, text: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Json => Some(Cow::Borrowed(text)),
            Self::Csv => {
                // Within a quoted column no quote stands alone, so this is the beginning of the last one.
                let (_, quoted) = text.rsplit_once(",\"{\"\"chain\"\":\"\"")?;
                let rest = quoted.strip_suffix('"')?;
                Some(Cow::Owned(["{\"chain\":\"", &rest.replace("\"\"", "\"")].concat()))
            }
            Self::Markdown | Self::Html => {
                let (_, rest) = text.split_once("<!--")?;
                let (carried, _) = rest.split_once("-->")?;
                Some(Cow::Owned(unescape(carried)))
            }
        }
    }
}

/// A row: the line itself is its last column.
fn csv(line: &str, part: Part<'_>) -> String {
    let empty = ",".repeat(9);
    let head = match part {
        Part::Manifest(manifest) => format!("manifest,,{},,{}{}", manifest.at, manifest.actor, ",".repeat(7)),
        Part::Skip(from, _) => format!("skip,{from},{empty}"),
        Part::Closing(_) => format!("closing,,{empty}"),
        Part::Entry(record, payload) => {
            let payload = match payload {
                Shown::Nothing => String::new(),
                Shown::Redacted => "erased".to_owned(),
                Shown::Payload { text, .. } => quoted(text),
            };
            format!("entry,{},{},{payload}", cells(record).join(","), data(&record.data, false))
        }
    };
    format!("{head},{}\n", quoted(line))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// What reports show of a record, in the order of their columns: none of it needs to be escaped.
pub(super) fn cells(record: &Record) -> [String; 9] {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let refs = &record.refs;
    [
        record.seq.to_string(),
        record.at.to_string(),
        record.kind.to_string(),
        record.actor.to_string(),
        text(refs.transaction),
        text(refs.n),
        text(refs.step),
        text(refs.attempt),
        text(refs.decision),
    ]
}

/// A record's data, in one cell: names, words, numbers and digests.
pub(super) fn data(data: &Data, short: bool) -> String {
    let pair = |(key, value): (&str, &DataValue)| match value {
        DataValue::Int(value) => format!("{key}={value}"),
        DataValue::Bool(value) => format!("{key}={value}"),
        DataValue::Word(value) => format!("{key}={value}"),
        DataValue::Digest(value) if short => format!("{key}={}", shortened(value)),
        DataValue::Digest(value) => format!("{key}={value}"),
    };
    data.iter().map(pair).collect::<Vec<_>>().join(" ")
}

fn shortened(digest: &Digest) -> String {
    let text = digest.to_string();
    text.get(..DIGEST_SHOWN).map_or(text.clone(), |head| format!("{head}…"))
}

const ESCAPES: [(char, &str); 4] = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('|', "&#124;")];

/// Text for HTML and for a cell of a Markdown table, in one line.
pub(super) fn shown(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    escape(&text)
}

fn escape(text: &str) -> String {
    ESCAPES.iter().fold(text.to_owned(), |text, (character, escaped)| text.replace(*character, escaped))
}

/// A line of the package in a comment, which people don't see.
fn carry(line: &str) -> String {
    format!("<!--{}-->", escape(line))
}

fn unescape(text: &str) -> String {
    // What stands for `&` comes last: it may be the beginning of what looks like another.
    ESCAPES
        .iter()
        .rev()
        .fold(text.to_owned(), |text, (character, escaped)| text.replace(escaped, character.encode_utf8(&mut [0; 4])))
}
