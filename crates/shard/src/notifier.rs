//! Notifiers: who is told that people are asked something, and by which way.
//!
//! A notifier reads its tenant's log from where it stands. What it told, or gave up telling, moves it on by an entry of
//! its own, so that a crash loses none; it may tell the same again, under the same id.

use crate::row::{NotifierRow, Sealed};
use chancery_base::limits::{NOTIFIER_RECIPIENTS_MAX, NOTIFIER_TEXT_BYTES_MAX};
use chancery_base::{Name, Secret, TargetId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a notifier can tell of: the kinds of entry.
pub const NOTIFIED: [&str; 11] = [
    "request.opened",
    "request.due_soon",
    "request.answered",
    "request.expired",
    "override.requested",
    "override.granted",
    "override.refused",
    "override.used",
    "override.revoked",
    "override.expired",
    "override.reviewed",
];

/// How a connection for mail is kept from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// It begins in the clear and must go on under TLS.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: for a relay next door that takes no password.
    None,
}

/// By which way a notifier tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Channel {
    /// A signed POST, under the rules of targets.
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
        tls: MailTls,
        /// As whom; none: nobody in particular. The password is kept apart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        /// From whom.
        from: String,
        /// To whom.
        to: Vec<String>,
    },
}

impl Channel {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Smtp { .. } => "smtp",
        }
    }
}

/// What a notifier is told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifierSettings {
    /// By which way.
    pub channel: Channel,
    /// Of what, of [`NOTIFIED`]; empty: of all of it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub events: BTreeSet<String>,
}

impl NotifierSettings {
    /// Whether it tells of entries of this kind.
    #[must_use]
    pub fn tells_of(&self, kind: &str) -> bool {
        NOTIFIED.contains(&kind) && (self.events.is_empty() || self.events.contains(kind))
    }

    /// Whether it tells as somebody, which takes a password.
    #[must_use]
    pub const fn has_username(&self) -> bool {
        matches!(&self.channel, Channel::Smtp { username: Some(_), .. })
    }

    /// What is wrong with it; `password` says whether one is known.
    ///
    /// # Errors
    /// In words for the caller.
    pub fn check(&self, password: bool) -> Result<(), String> {
        if let Some(unknown) = self.events.iter().find(|event| !NOTIFIED.contains(&event.as_str())) {
            return Err(format!("`{unknown}` is nothing that is told of; there is `{}`", NOTIFIED.join("`, `")));
        }
        match &self.channel {
            Channel::Webhook { url } => match TargetId::of_url(url) {
                Some(_) if url.len() <= NOTIFIER_TEXT_BYTES_MAX => Ok(()),
                Some(_) | None => {
                    Err(format!("the URL is none of http or https of at most {NOTIFIER_TEXT_BYTES_MAX} bytes"))
                }
            },
            Channel::Smtp { host, port, tls, username, from, to } => {
                check_text("host", host)?;
                check_text("from", from)?;
                to.iter().try_for_each(|to| check_text("to", to))?;
                username.iter().try_for_each(|name| check_text("username", name))?;
                if *port == 0 {
                    return Err("the port is 1 to 65535".to_owned());
                }
                if to.is_empty() || to.len() > NOTIFIER_RECIPIENTS_MAX {
                    return Err(format!("mail goes to 1 to {NOTIFIER_RECIPIENTS_MAX} addresses"));
                }
                match (username.is_some(), password, *tls) {
                    (true, false, _) => Err("a username needs a password".to_owned()),
                    (false, true, _) => Err("a password needs a username".to_owned()),
                    (true, true, MailTls::None) => Err("a password is not sent in the clear: use TLS".to_owned()),
                    (true, true, MailTls::Starttls | MailTls::Tls) | (false, false, _) => Ok(()),
                }
            }
        }
    }
}

fn check_text(what: &str, text: &str) -> Result<(), String> {
    let is_fit = !text.is_empty() && text.len() <= NOTIFIER_TEXT_BYTES_MAX && !text.chars().any(char::is_control);
    if is_fit {
        Ok(())
    } else {
        Err(format!("`{what}` has 1 to {NOTIFIER_TEXT_BYTES_MAX} bytes and no control characters"))
    }
}

/// What a notifier gave up telling last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenUp {
    /// Of which entry.
    pub entry: u64,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub error: String,
}

/// A notifier, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notifier {
    /// Its name.
    pub name: Name,
    /// What it is told to do.
    pub settings: NotifierSettings,
    /// Whether a password is kept for it.
    pub password: bool,
    /// The first entry that it has not looked at.
    pub next: u64,
    /// How often it told.
    pub told: u64,
    /// How often it gave up.
    pub failed: u64,
    /// What it gave up telling last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<GivenUp>,
}

/// How far a notifier has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notified {
    /// It told of the entry.
    Told(u64),
    /// It gave up telling of the entry, and why.
    GaveUp(u64, String),
    /// There was nothing to tell before this entry.
    Nothing(u64),
}

impl Notifier {
    /// It after it came further; none where it was further already.
    #[must_use]
    pub fn after(&self, notified: &Notified, at: Timestamp) -> Option<Self> {
        let (mut next, before) = (self.clone(), self.next);
        match notified {
            Notified::Told(entry) => (next.next, next.told) = (entry.saturating_add(1), self.told + 1),
            Notified::GaveUp(entry, error) => {
                (next.next, next.failed) = (entry.saturating_add(1), self.failed + 1);
                next.given_up = Some(GivenUp { entry: *entry, at, error: error.clone() });
            }
            Notified::Nothing(to) => next.next = *to,
        }
        (next.next > before).then_some(next)
    }

    /// What a row says; none if it is damaged.
    pub(crate) fn of(row: &NotifierRow) -> Option<Self> {
        row.body
            .read::<Self>()
            .filter(|notifier| notifier.name == row.name && notifier.password == row.secret.is_some())
    }

    /// Its row.
    pub(crate) fn row(&self, secret: Option<Secret>) -> NotifierRow {
        NotifierRow { name: self.name.clone(), body: Sealed::json(self), secret }
    }
}
