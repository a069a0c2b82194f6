//! Notifiers: who is told that people are asked something, and by which way.

use chancery_base::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a connection for mail is kept from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotifierTls {
    /// It begins in the clear and must go on under TLS.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: for a relay next door that takes no password.
    None,
}

/// By which way a notifier tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum NotifierChannel {
    /// A POST, signed as calls of targets are, to an origin that the node may call.
    Webhook {
        /// Where to.
        url: String,
    },
    /// Mail.
    Smtp {
        /// The relay.
        host: String,
        /// Its port.
        port: u16,
        /// How the connection is kept from being read.
        tls: NotifierTls,
        /// As whom; absent: as nobody in particular.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        /// From whom.
        from: String,
        /// To whom.
        to: Vec<String>,
    },
}

/// Sets a notifier.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetNotifier {
    /// By which way.
    pub channel: NotifierChannel,
    /// The password to its username. It is never shown again; absent: the one that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub password: Option<String>,
    /// Of what it tells, such as `request.opened`; absent: of all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
}

/// Without the password.
impl std::fmt::Debug for SetNotifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let password = self.password.as_ref().map(|_| "[redacted]");
        let mut shown = f.debug_struct("SetNotifier");
        shown.field("channel", &self.channel).field("password", &password).field("events", &self.events).finish()
    }
}

/// A notifier, and how it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notifier {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// By which way it tells.
    pub channel: NotifierChannel,
    /// Whether a password is kept for it.
    pub password: bool,
    /// Of what it tells; empty: of all of it.
    pub events: Vec<String>,
    /// The first entry that it has not told of or passed over.
    pub next: u64,
    /// How often it told.
    pub told: u64,
    /// How often it gave up.
    pub failed: u64,
    /// What it gave up telling last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<NotifierGivenUp>,
    /// What is being tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrying: Option<NotifierRetry>,
}

/// What a notifier gave up telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotifierGivenUp {
    /// Of which entry.
    pub entry: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Why.
    pub error: String,
}

/// What a notifier tries again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotifierRetry {
    /// Of which entry.
    pub entry: u64,
    /// Attempts so far.
    pub attempts: u32,
    /// What the last one failed with.
    pub error: String,
    /// When the next one is.
    #[schema(value_type = String, format = DateTime)]
    pub next_at: Timestamp,
}

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotifierTested {
    /// Whether the receiver took it.
    pub told: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
