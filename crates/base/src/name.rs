//! Names that people choose, checked once.

use crate::limits::NAME_BYTES_MAX;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or longer than [`NAME_BYTES_MAX`] bytes.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes, this one has {0}")]
    Length(usize),
    /// A character that names do not have.
    #[error("`{0}` is not allowed in a name: use a-z, A-Z, 0-9, `-`, `_`, `.`, and begin with a letter or digit")]
    Character(char),
    /// Empty, or longer than 63 bytes.
    #[error("a tenant's name has 1 to {TENANT_BYTES_MAX} bytes, this one has {0}")]
    TenantLength(usize),
    /// A character that names of tenants do not have.
    #[error("`{0}` is not allowed in a tenant's name: use a-z, 0-9, `-`, and begin with a letter or digit")]
    TenantCharacter(char),
}

/// Bytes of a tenant's name: it is a part of log origins.
const TENANT_BYTES_MAX: usize = 63;

/// A name of a definition, step, worker, bundle or label: letters, digits, `-`, `_`, `.`; the first one a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// A tenant's name, as it stands in log origins: as [`Name`], but lower case, without dots and underscores, 63 bytes at most.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TenantId {
    /// The tenant of the platform itself.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::from("system"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str, max: usize, allowed: fn(char) -> bool) -> Result<Arc<str>, NameError> {
    if text.is_empty() || text.len() > max {
        return Err(NameError::Length(text.len()));
    }
    let begins_badly = text.chars().next().filter(|first| !first.is_ascii_alphanumeric());
    if let Some(bad) = begins_badly.or_else(|| text.chars().find(|c| !allowed(*c))) {
        return Err(NameError::Character(bad));
    }
    Ok(Arc::from(text))
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check(text, NAME_BYTES_MAX, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).map(Self)
    }
}

impl FromStr for TenantId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let checked = check(text, TENANT_BYTES_MAX, allowed);
        checked.map(Self).map_err(|error| match error {
            NameError::Length(bytes) => NameError::TenantLength(bytes),
            NameError::Character(bad) => NameError::TenantCharacter(bad),
            NameError::TenantLength(_) | NameError::TenantCharacter(_) => error,
        })
    }
}

/// A text that is written as it is and read by its own rules.
macro_rules! text_like {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        crate::wire::serde_as!($type, it => it.0);
    };
}

pub(crate) use text_like;

text_like!(Name);
text_like!(TenantId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_wrong_with_them() {
        assert_eq!("a b".parse::<Name>(), Err(NameError::Character(' ')));
        assert_eq!("-a".parse::<Name>(), Err(NameError::Character('-')));
        assert_eq!("".parse::<Name>(), Err(NameError::Length(0)));
        assert_eq!("a".repeat(129).parse::<Name>(), Err(NameError::Length(129)));
        assert_eq!("Acme".parse::<TenantId>(), Err(NameError::TenantCharacter('A')));
        assert_eq!("".parse::<TenantId>(), Err(NameError::TenantLength(0)));
        assert!("inventory.reserve".parse::<Name>().is_ok());
    }
}
