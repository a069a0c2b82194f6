//! Terms, and what refers to them.

use super::{Change, ImportError, Note, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a term is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Actor,
    Action,
    Data,
    Resource,
    Context,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::Actor, Self::Action, Self::Data, Self::Resource, Self::Context];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Action => "action",
            Self::Data => "data_class",
            Self::Resource => "resource",
            Self::Context => "context",
        }
    }

    /// How ids of it begin, one way or the other.
    const fn prefixes(self) -> [&'static str; 2] {
        match self {
            Self::Actor => ["actor:", "act_"],
            Self::Action => ["action:", "axn_"],
            Self::Data => ["data:", "data_"],
            Self::Resource => ["resource:", "res_"],
            Self::Context => ["context:", "ctx_"],
        }
    }

    /// An id of this kind without what it begins with.
    fn strip(self, id: &str) -> Option<&str> {
        self.prefixes().iter().find_map(|prefix| id.strip_prefix(prefix)).filter(|rest| !rest.is_empty())
    }
}

#[derive(Debug)]
struct Term {
    id: String,
    kind: Kind,
    label: Option<String>,
    /// What it is called in the bundle.
    local: String,
}

/// The terms of a policy.
#[derive(Debug, Default)]
pub(super) struct Terms {
    terms: Vec<Term>,
    /// What each kind's terms are called in the bundle, and in the policy.
    known: BTreeMap<Kind, BTreeMap<String, String>>,
}

impl Terms {
    pub(super) fn read(terms: Option<&Value>, notes: &mut Vec<Note>) -> Result<Self, ImportError> {
        let mut read = Self::default();
        let Some(terms) = terms else { return Ok(read) };
        let terms = terms.as_array().ok_or_else(|| ImportError::new("terms", "it must be a list"))?;
        for (number, json) in terms.iter().enumerate() {
            let at = format!("terms[{number}]");
            let map = json.as_object().ok_or_else(|| ImportError::new(&at, "it must be an object"))?;
            let missing = |key: &str| ImportError::new(format!("{at}.{key}"), "it is missing");
            let id = text(map, &["term_id", "id"], &at)?.ok_or_else(|| missing("id"))?;
            let word = text(map, &["term_type", "type"], &at)?.ok_or_else(|| missing("type"))?;
            let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word);
            let kind = kind.ok_or_else(|| ImportError::new(format!("{at}.type"), format!("`{word}` is no term")))?;
            if read.terms.iter().any(|term| term.id == id) {
                return Err(ImportError::new(&at, format!("`{id}` stands twice")));
            }
            let local = read.call(&at, kind, kind.strip(id).unwrap_or(id), id, notes)?;
            let label = text(map, &["label", "name"], &at)?.map(str::to_owned);
            if let Some(label) = label.as_ref().filter(|label| **label != local) {
                let text = format!("requests say `{local}`: Lexecon takes `{label}`, its label, too");
                notes.push(Note { at: at.clone(), change: Change::Stricter, text });
            }
            let known = ["term_id", "id", "term_type", "type", "label", "name", "description", "metadata"];
            let unused: Vec<&str> = map.keys().map(String::as_str).filter(|key| !known.contains(key)).collect();
            if !unused.is_empty() {
                let text = format!("{}: Lexecon records it and does not evaluate it", unused.join(", "));
                notes.push(Note { at: at.clone(), change: Change::LeftOut, text });
            }
            read.terms.push(Term { id: id.to_owned(), kind, label, local });
        }
        Ok(read)
    }

    /// What the terms of a kind are called in the bundle.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.known.get(&kind).into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }

    /// The term that a text names, of one of these kinds: its id, else its label, else its id in another spelling or
    /// without what says its kind. One that is not declared is taken for what it says it is.
    pub(super) fn resolve(
        &mut self,
        at: &str,
        name: &str,
        kinds: &[Kind],
        notes: &mut Vec<Note>,
    ) -> Result<(Kind, String), ImportError> {
        if let Some(term) = self.terms.iter().find(|term| term.id == name) {
            if kinds.contains(&term.kind) {
                return Ok((term.kind, term.local.clone()));
            }
            let wanted: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
            let problem =
                format!("`{name}` is of kind {}, where one of {} is meant", term.kind.word(), wanted.join(", "));
            return Err(ImportError::new(at, problem));
        }
        let spelled = kinds.iter().find_map(|kind| Some((*kind, kind.strip(name)?)));
        let (by_label, by_local) = (
            self.matching(kinds, |term| term.label.as_deref() == Some(name)),
            self.matching(kinds, |term| match spelled {
                Some((kind, local)) => term.kind == kind && term.local == local,
                None => term.local == name,
            }),
        );
        for found in [by_label, by_local] {
            let mut found = found.into_iter();
            match (found.next(), found.next()) {
                (Some(only), None) => return Ok(only),
                (Some(_), Some(_)) => {
                    return Err(ImportError::new(at, format!("`{name}` names several terms: say the id of one")));
                }
                (None, _) => {}
            }
        }
        let first = kinds.first().copied().unwrap_or(Kind::Context);
        let (kind, local) = spelled.unwrap_or((first, name));
        if self.known.get(&kind).is_some_and(|known| known.contains_key(local)) {
            return Ok((kind, local.to_owned()));
        }
        let text = format!("`{name}` names no term; it is taken for a term of kind {}", kind.word());
        notes.push(Note { at: at.to_owned(), change: Change::Same, text });
        Ok((kind, self.call(at, kind, local, name, notes)?))
    }

    fn matching(&self, kinds: &[Kind], is_it: impl Fn(&Term) -> bool) -> BTreeSet<(Kind, String)> {
        let found = self.terms.iter().filter(|term| kinds.contains(&term.kind) && is_it(term));
        found.map(|term| (term.kind, term.local.clone())).collect()
    }

    /// Gives a term its name in the bundle. An actor's is a role, whose names have fewer characters.
    fn call(
        &mut self,
        at: &str,
        kind: Kind,
        name: &str,
        id: &str,
        notes: &mut Vec<Note>,
    ) -> Result<String, ImportError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let mut local = name.to_owned();
        if kind == Kind::Actor {
            local = name.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect();
            if !local.starts_with(|c: char| c.is_ascii_alphanumeric()) {
                local.insert_str(0, "role");
            }
        }
        if local != name {
            let text = format!("the role is called `{local}`, since roles have no other characters");
            notes.push(Note { at: at.to_owned(), change: Change::Same, text });
        }
        let known = self.known.entry(kind).or_default();
        match known.get(&local) {
            // `actor:x` and `act_x` would be two terms with one name.
            Some(other) if other != id => Err(ImportError::new(at, format!("`{id}` and `{other}` are both `{local}`"))),
            Some(_) => Ok(local),
            None => {
                known.insert(local.clone(), id.to_owned());
                Ok(local)
            }
        }
    }
}
