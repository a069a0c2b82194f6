//! Which origins may be called.

use chancery_base::Kind;
use reqwest::Url;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The origins that may be called; empty: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(BTreeSet<String>);

/// Why a text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin: write `https://host` or `http://host:port`, without a path")]
pub struct OriginError(String);

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
    /// If one is not an origin: scheme `http` or `https`, host, port if it is not the scheme's own.
    pub fn new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        origins.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a URL is on the list.
    #[must_use]
    pub fn permits(&self, url: &Url) -> bool {
        origin(url).is_some_and(|origin| self.0.contains(&origin))
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
        let origins: Vec<&str> = self.0.iter().map(String::as_str).collect();
        f.write_str(&origins.join(","))
    }
}

fn parse(text: &str) -> Result<String, OriginError> {
    let wrong = || OriginError(text.chars().take(200).collect());
    let url: Url = text.parse().ok().ok_or_else(wrong)?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    origin(&url).filter(|_| bare && anonymous).ok_or_else(wrong)
}

/// `scheme://host:port`, the port always said; none where the scheme is not HTTP's.
fn origin(url: &Url) -> Option<String> {
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    Some(format!("{}://{}:{}", url.scheme(), url.host_str()?, url.port_or_known_default()?))
}
