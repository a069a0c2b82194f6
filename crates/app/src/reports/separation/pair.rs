//! Pairs of duties as documents: JSON, read whole, with what is wrong and where.

use chancery_base::limits::{DUTY_PAIRS_MAX, PACK_BYTES_MAX, TEXT_BYTES_MAX};
use chancery_base::{Name, json};
use chancery_ledger::Record;
use chancery_policy::Action;
use chancery_shard::entry::kind;
use serde::Deserialize;
use std::sync::LazyLock;

/// Two duties that are kept apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// What it is called by programs.
    pub name: Name,
    /// What it is called by people.
    pub title: String,
    /// The one.
    pub first: Duty,
    /// The other.
    pub second: Duty,
    /// Within what they are kept apart.
    pub within: Within,
}

/// A duty: how one may do it, and what shows that one did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// What who does it does.
    pub says: String,
    /// The call of the API that it takes.
    pub call: Option<Action>,
    /// The action that policy is asked about, of each definition.
    pub action: Option<String>,
    /// The kinds of entry that show it, by their beginnings.
    pub kinds: Vec<String>,
}

impl Duty {
    /// Whether an entry shows it.
    pub(super) fn takes(&self, record: &Record) -> bool {
        self.kinds.iter().any(|kind| record.kind.as_str().starts_with(kind.as_str()))
    }
}

/// Within what two duties are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Within {
    /// One transaction.
    Transaction,
    /// One bundle.
    Bundle,
    /// All transactions of one definition.
    Definition,
    /// All that is done.
    Tenant,
}

impl Within {
    /// The word in documents and on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Bundle => "bundle",
            Self::Definition => "definition",
            Self::Tenant => "tenant",
        }
    }
}

/// What is wrong with pairs, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct PairsError {
    /// Where, such as `pairs[0].first.call`.
    pub path: String,
    /// What.
    pub message: String,
}

static BUILTIN: LazyLock<Result<Vec<Pair>, PairsError>> =
    LazyLock::new(|| Pair::parse(include_bytes!("../../../duties/pairs.json")));

/// The pairs that come with Chancery.
///
/// # Errors
/// If they are not sound.
pub fn pairs() -> Result<&'static [Pair], &'static PairsError> {
    BUILTIN.as_ref().map(Vec::as_slice)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    pairs: Vec<PairBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairBody {
    name: Name,
    title: String,
    first: DutyBody,
    second: DutyBody,
    within: Within,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DutyBody {
    says: String,
    call: Option<String>,
    action: Option<String>,
    kinds: Vec<String>,
}

impl Pair {
    /// Reads pairs.
    ///
    /// # Errors
    /// What is wrong with them, and where.
    pub fn parse(bytes: &[u8]) -> Result<Vec<Self>, PairsError> {
        let body: Body = json::parse_as(bytes, PACK_BYTES_MAX).map_err(|err| fault("", err.to_string()))?;
        if body.pairs.is_empty() || body.pairs.len() > DUTY_PAIRS_MAX {
            return Err(fault("pairs", format!("there are 1 to {DUTY_PAIRS_MAX} of them")));
        }
        body.pairs.into_iter().enumerate().map(|(number, pair)| pair.read(&format!("pairs[{number}]"))).collect()
    }
}

impl PairBody {
    fn read(self, path: &str) -> Result<Pair, PairsError> {
        if self.title.len() > TEXT_BYTES_MAX {
            return Err(fault(&format!("{path}.title"), format!("it has at most {TEXT_BYTES_MAX} bytes")));
        }
        let first = self.first.read(&format!("{path}.first"))?;
        let second = self.second.read(&format!("{path}.second"))?;
        if (first.action.is_some() || second.action.is_some()) && self.within != Within::Definition {
            return Err(fault(path, "an `action` is asked of definitions: it takes `within: definition`".to_owned()));
        }
        Ok(Pair { name: self.name, title: self.title, first, second, within: self.within })
    }
}

impl DutyBody {
    fn read(self, path: &str) -> Result<Duty, PairsError> {
        if self.says.len() > TEXT_BYTES_MAX {
            return Err(fault(&format!("{path}.says"), format!("it has at most {TEXT_BYTES_MAX} bytes")));
        }
        let call = match &self.call {
            Some(text) => {
                let none = |_| fault(&format!("{path}.call"), format!("no call of the API is named `{text}`"));
                Some(text.parse().map_err(none)?)
            }
            None => None,
        };
        if self.kinds.is_empty() || self.kinds.len() > kind::ALL.len() {
            return Err(fault(&format!("{path}.kinds"), "name the kinds of entry that show it".to_owned()));
        }
        // A kind that no entry has is a slip of the pen, and nothing found would look like nothing done.
        let known = |kinds: &&String| !kind::ALL.iter().any(|kind| kind.as_str().starts_with(kinds.as_str()));
        if let Some(unknown) = self.kinds.iter().find(known) {
            return Err(fault(&format!("{path}.kinds"), format!("no kind of entry begins with `{unknown}`")));
        }
        Ok(Duty { says: self.says, call, action: self.action, kinds: self.kinds })
    }
}

fn fault(path: &str, message: String) -> PairsError {
    PairsError { path: path.to_owned(), message }
}
