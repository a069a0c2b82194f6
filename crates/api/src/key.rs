//! A key that is shown once, and the names of headers.

use chancery_base::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What stands before an API key in the header `Authorization`.
pub const BEARER: &str = "Bearer ";
/// The header under which a start is repeated safely.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header that names a request in logs and problems.
pub const REQUEST_ID: &str = "x-request-id";
/// The header of W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";
/// The header that says, in seconds, when to try again.
pub const RETRY_AFTER: &str = "retry-after";

/// An API key, in the one answer that shows it. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeKey(Secret);

impl OneTimeKey {
    /// Puts a key into an answer.
    #[must_use]
    pub const fn new(key: Secret) -> Self {
        Self(key)
    }

    /// Takes it out.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        self.0
    }
}

impl fmt::Debug for OneTimeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for OneTimeKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for OneTimeKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}
