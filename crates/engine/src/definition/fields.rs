//! Reading a document's maps, with every key accounted for.

use super::document::{Data, Node, Place};
use super::problem::Problems;
use chancery_base::{Name, duration};
use std::time::Duration;

/// A value in the document and its path.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'n> {
    pub(crate) node: &'n Node,
    pub(crate) path: String,
}

/// The keys that a map may have, those that it may have in a later version of Chancery, and those that belong
/// elsewhere, with the reason.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) known: &'static [&'static str],
    pub(crate) later: &'static [&'static str],
    pub(crate) elsewhere: &'static [(&'static str, &'static str)],
}

impl<'n> Cursor<'n> {
    pub(crate) const fn root(node: &'n Node) -> Self {
        Self { node, path: String::new() }
    }

    pub(crate) fn place(&self) -> Place {
        self.node.place
    }

    pub(crate) fn fail(&self, problems: &mut Problems, message: impl Into<String>) {
        problems.add(self.place(), &self.path, message);
    }

    /// The value of a key, if the map has it.
    pub(crate) fn field(&self, key: &str) -> Option<Self> {
        self.node.entry(key).map(|entry| Self { node: &entry.node, path: join(&self.path, key) })
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&self, key: &str, problems: &mut Problems) -> Option<Self> {
        let field = self.field(key);
        if field.is_none() && matches!(self.node.data, Data::Map(_)) {
            self.fail(problems, format!("`{key}` is missing"));
        }
        field
    }

    /// Checks that it is a map and has no other keys than these.
    pub(crate) fn check_keys(&self, keys: &Keys, problems: &mut Problems) -> bool {
        let Data::Map(entries) = &self.node.data else {
            self.fail(problems, format!("a map is expected here, not {}", self.node.kind()));
            return false;
        };
        for entry in entries {
            let key = entry.key.as_str();
            if keys.known.contains(&key) {
                continue;
            }
            let elsewhere = keys.elsewhere.iter().find(|(name, _)| *name == key);
            let message = if let Some((_, why)) = elsewhere {
                format!("`{key}` does not belong here: {why}")
            } else if keys.later.contains(&key) {
                format!("`{key}` is not supported yet")
            } else {
                let all = keys.known.iter().chain(keys.later).copied();
                format!("unknown key `{key}`{}", did_you_mean(key, all))
            };
            problems.add(entry.place, &join(&self.path, key), message);
        }
        true
    }

    /// The pairs of a map whose keys are free.
    pub(crate) fn pairs(&self, problems: &mut Problems) -> Vec<(&'n str, Self)> {
        let Data::Map(entries) = &self.node.data else {
            self.fail(problems, format!("a map is expected here, not {}", self.node.kind()));
            return Vec::new();
        };
        let pair = |entry: &'n super::document::Entry| {
            (entry.key.as_str(), Self { node: &entry.node, path: join(&self.path, &entry.key) })
        };
        entries.iter().map(pair).collect()
    }

    pub(crate) fn items(&self, problems: &mut Problems) -> Vec<Self> {
        let Data::List(items) = &self.node.data else {
            self.fail(problems, format!("a list is expected here, not {}", self.node.kind()));
            return Vec::new();
        };
        let item = |(index, node)| Self { node, path: format!("{}[{index}]", self.path) };
        items.iter().enumerate().map(item).collect()
    }

    pub(crate) fn text(&self, problems: &mut Problems) -> Option<&'n str> {
        if let Data::Text(text) = &self.node.data {
            return Some(text);
        }
        self.fail(problems, format!("a text is expected here, not {}", self.node.kind()));
        None
    }

    /// Whether the map has the key, and not as `false`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.node.entry(key).is_some_and(|entry| !matches!(entry.node.data, Data::Bool(false)))
    }

    pub(crate) fn flag(&self, problems: &mut Problems) -> Option<bool> {
        if let Data::Bool(flag) = &self.node.data {
            return Some(*flag);
        }
        self.fail(problems, format!("`true` or `false` is expected here, not {}", self.node.kind()));
        None
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, what: &str, words: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let text = self.text(problems)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint = did_you_mean(text, all.iter().copied());
            self.fail(problems, format!("unknown {what} `{text}`; there is `{}`{hint}", all.join("`, `")));
        }
        found
    }

    pub(crate) fn name(&self, problems: &mut Problems) -> Option<Name> {
        let text = self.text(problems)?;
        text.parse().map_err(|err: chancery_base::name::NameError| self.fail(problems, err.to_string())).ok()
    }

    pub(crate) fn duration(&self, problems: &mut Problems) -> Option<Duration> {
        if let Data::Number(number) = &self.node.data {
            self.fail(problems, format!("`{number}` has no unit: write `{number}s`, say; there are ms, s, m, h and d"));
            return None;
        }
        let text = self.text(problems)?;
        duration::parse(text).map_err(|err| self.fail(problems, err.to_string())).ok()
    }

    /// A duration above zero.
    pub(crate) fn timeout(&self, problems: &mut Problems) -> Option<Duration> {
        let timeout = self.duration(problems)?;
        if timeout.is_zero() {
            self.fail(problems, "a timeout is longer than nothing");
            return None;
        }
        Some(timeout)
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn whole(&self, min: u32, max: u32, problems: &mut Problems) -> Option<u32> {
        let number = match &self.node.data {
            Data::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            Data::Null | Data::Bool(_) | Data::Text(_) | Data::List(_) | Data::Map(_) => None,
        };
        let in_range = number.filter(|number| (min..=max).contains(number));
        if in_range.is_none() {
            self.fail(problems, format!("a whole number from {min} to {max} is expected here"));
        }
        in_range
    }

    /// A whole number from `-most` to `most`.
    pub(crate) fn signed(&self, most: i8, problems: &mut Problems) -> Option<i8> {
        let number = match &self.node.data {
            Data::Number(number) => number.as_i64().and_then(|number| i8::try_from(number).ok()),
            Data::Null | Data::Bool(_) | Data::Text(_) | Data::List(_) | Data::Map(_) => None,
        };
        let in_range = number.filter(|number| (-most..=most).contains(number));
        if in_range.is_none() {
            self.fail(problems, format!("a whole number from -{most} to {most} is expected here"));
        }
        in_range
    }

    /// A number from `min` to `max`.
    pub(crate) fn number(&self, min: f64, max: f64, problems: &mut Problems) -> Option<f64> {
        let number = match &self.node.data {
            Data::Number(number) => number.as_f64(),
            Data::Null | Data::Bool(_) | Data::Text(_) | Data::List(_) | Data::Map(_) => None,
        };
        let in_range = number.filter(|number| (min..=max).contains(number));
        if in_range.is_none() {
            self.fail(problems, format!("a number from {min} to {max} is expected here"));
        }
        in_range
    }
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// `; did you mean …?` if one of the candidates is close to what was written.
pub(crate) fn did_you_mean<'c>(written: &str, candidates: impl Iterator<Item = &'c str>) -> String {
    let allowed = if written.len() <= 3 { 1 } else { 2 };
    let near = candidates.map(|candidate| (distance(written, candidate), candidate));
    let nearest = near.filter(|(distance, _)| *distance <= allowed).min();
    nearest.map_or_else(String::new, |(_, candidate)| format!("; did you mean `{candidate}`?"))
}

/// How many letters must be put in, taken out or changed (Levenshtein); much for texts of very different length.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 || a.len() > chancery_base::limits::NAME_BYTES_MAX {
        return usize::MAX;
    }
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (y, cell) in b.chars().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            let here = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            (diagonal, left, *cell) = (above, here, here);
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
