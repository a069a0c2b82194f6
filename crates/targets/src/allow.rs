//! Which origins may be called.

use chancery_base::limits::TARGETS_MAX;
use chancery_base::{Kind, TargetId};
use reqwest::Url;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The origins that may be called; empty: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(BTreeSet<TargetId>);

/// Why texts are no list of origins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// One is not an origin.
    #[error("`{0}` is not an origin: write `https://host` or `http://host:port`, without a path")]
    Not(String),
    /// There are too many.
    #[error("{0} origins, at most {TARGETS_MAX} are allowed")]
    TooMany(usize),
}

impl OriginError {
    /// What it means to the one who wrote it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl AllowList {
    /// The list of these origins.
    ///
    /// # Errors
    /// If one is not an origin: scheme `http` or `https`, host, port if it is not the scheme's own; or if there are more
    /// than [`TARGETS_MAX`].
    pub fn new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        let list: BTreeSet<TargetId> = origins.into_iter().map(parse).collect::<Result<_, _>>()?;
        if list.len() > TARGETS_MAX { Err(OriginError::TooMany(list.len())) } else { Ok(Self(list)) }
    }

    /// The origins, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = &TargetId> {
        self.0.iter()
    }

    /// Whether an origin is on the list.
    #[must_use]
    pub fn contains(&self, target: &TargetId) -> bool {
        self.0.contains(target)
    }

    /// Whether a URL is on the list.
    #[must_use]
    pub fn permits(&self, url: &Url) -> bool {
        TargetId::of_url(url.as_str()).is_some_and(|origin| self.0.contains(&origin))
    }

    /// Whether nothing may be called.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for AllowList {
    type Err = OriginError;

    /// Reads origins separated by commas.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        Self::new(text.split(',').map(str::trim).filter(|part| !part.is_empty()))
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins: Vec<String> = self.0.iter().filter_map(TargetId::origin).collect();
        f.write_str(&origins.join(","))
    }
}

fn parse(text: &str) -> Result<TargetId, OriginError> {
    let wrong = || OriginError::Not(text.chars().take(200).collect());
    let url: Url = text.parse().ok().ok_or_else(wrong)?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    TargetId::of_url(url.as_str()).filter(|_| bare && anonymous).ok_or_else(wrong)
}
