//! What a transaction is told beside its input: who asks, for which customer, under which correlation id. Its steps'
//! expressions see them as `headers`, every task carries them, and a call of a URL passes on those that it names.

use crate::definition::header_fault;
use chancery_base::limits::{HEADER_BYTES_MAX, HEADERS_BYTES_MAX, HEADERS_MAX};
use chancery_expr::Tree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Headers in which secrets go. What a transaction is told is recorded, and a secret must not be.
const SECRETS: [&str; 7] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "api-key", "x-api-key", "x-auth-token"];

/// The headers of a transaction: names in lower case, with texts that a header field can carry (RFC 9110, 5.5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    /// These, their names in lower case.
    ///
    /// # Errors
    /// Says which can't be a header of a transaction, or that there are too many.
    pub fn new(headers: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        for (name, value) in headers {
            if let Some(fault) = header_fault(&name) {
                return Err(fault);
            }
            let lower = name.to_ascii_lowercase();
            if is_secret(&lower) {
                return Err(format!("`{lower}` is for secrets, and what a transaction is told is recorded"));
            }
            if name.len() > HEADER_BYTES_MAX || value.len() > HEADER_BYTES_MAX {
                return Err(format!("`{lower}`: at most {HEADER_BYTES_MAX} bytes are allowed"));
            }
            if !is_field_value(&value) {
                return Err(format!("`{lower}`: visible ASCII is expected here, with blanks only between"));
            }
            if all.insert(lower.clone(), value).is_some() {
                return Err(format!("`{lower}` stands twice"));
            }
        }
        let bytes: usize = all.iter().map(|(name, value)| name.len() + value.len()).sum();
        if all.len() > HEADERS_MAX {
            return Err(format!("{} headers, at most {HEADERS_MAX} are allowed", all.len()));
        }
        if bytes > HEADERS_BYTES_MAX {
            return Err(format!("the headers have {bytes} bytes, at most {HEADERS_BYTES_MAX} are allowed"));
        }
        Ok(Self(all))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of one, by its name in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them, by name.
    #[must_use]
    pub const fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// What expressions see.
    pub(crate) fn tree(&self) -> Tree<'_> {
        Tree::Map(self.0.iter().map(|(name, value)| (name.as_str(), Tree::Text(value.clone()))).collect())
    }
}

/// Whether secrets go in a header of this name, in lower case.
pub(crate) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

fn is_field_value(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && text.trim() == text
}
