//! What happened to notifiers. Of a password only that there is one can be known.

use super::{Replay, ReplayError, typed};
use crate::notifier::{Notified, Notifier};
use crate::row::NotifierRow;
use chancery_base::Name;
use chancery_ledger::Record;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What an outsider may know of a notifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifierSeen {
    /// Its name.
    pub name: Name,
    /// What its row's body says.
    pub body: crate::row::Sealed,
    /// Whether a password is kept.
    pub password: bool,
}

impl NotifierSeen {
    /// What may be known of a row.
    #[must_use]
    pub fn of(row: &NotifierRow) -> Self {
        Self { name: row.name.clone(), body: row.body.clone(), password: row.secret.is_some() }
    }
}

impl Replay {
    /// What happened to a notifier, if that is what the entry says; whether it raises the control epoch. That it came
    /// further does not.
    pub(super) fn notifier(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<bool, ReplayError> {
        if !record.kind.as_str().starts_with("notifier.") {
            return Ok(false);
        }
        let name: Name = typed(payload, "name")?;
        let raises = matches!(record.kind.as_str(), "notifier.set" | "notifier.deleted");
        let before = self.notifiers.remove(&name);
        let entry = || record.data.get_int("entry").and_then(|entry| u64::try_from(entry).ok());
        let came = |notified: Notified| before.as_ref().and_then(|before| before.after(&notified, record.at));
        let after = match record.kind.as_str() {
            "notifier.set" => {
                let (settings, password) = (typed(payload, "settings")?, record.data.get_bool("password"));
                let password = password.ok_or(ReplayError::Row("password"))?;
                let fresh = Notifier {
                    name: name.clone(),
                    settings,
                    password,
                    next: record.seq + 1,
                    told: 0,
                    failed: 0,
                    given_up: None,
                };
                Some(match before {
                    Some(before) => Notifier { settings: fresh.settings, password, ..before },
                    None => fresh,
                })
            }
            "notifier.deleted" if before.is_some() => None,
            "notifier.told" => Some(entry().map(Notified::Told).and_then(came).ok_or(ReplayError::Row("entry"))?),
            "notifier.gave_up" => {
                let error: String = typed(payload, "error")?;
                let gave_up = entry().map(|entry| Notified::GaveUp(entry, error));
                Some(gave_up.and_then(came).ok_or(ReplayError::Row("entry"))?)
            }
            "notifier.passed" => Some(entry().map(Notified::Nothing).and_then(came).ok_or(ReplayError::Row("entry"))?),
            _ => return Err(ReplayError::Dangling(format!("notifier `{name}`"))),
        };
        self.notifiers.extend(after.map(|after| (name, after)));
        Ok(raises)
    }

    /// The notifiers, as their rows are.
    pub(super) fn notifier_rows(&self) -> BTreeMap<Name, NotifierSeen> {
        let seen = self.notifiers.iter().map(|(name, notifier)| {
            let (body, password) = (notifier.row(None).body, notifier.password);
            (name.clone(), NotifierSeen { name: name.clone(), body, password })
        });
        seen.collect()
    }
}
