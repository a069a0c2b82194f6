//! What happened to overrides, by the table that running them goes by.

use super::{Replay, ReplayError};
use crate::entry::overrides;
use crate::over::{Override, OverrideEvent};
use chancery_ledger::Record;
use serde_json::{Map, Value};

impl Replay {
    /// What happened to an override, if that is what the entry says; whether that raised the control epoch.
    pub(super) fn over(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<bool, ReplayError> {
        let Some(read) = overrides::read(record, payload) else { return Ok(false) };
        let (id, event) =
            read.map_err(|part| ReplayError::Illegal(format!("an entry of an override without a proper `{part}`")))?;
        let before = self.rows.overrides.get(&id);
        let before = before.map(|row| Override::of(row).ok_or(ReplayError::Row("override"))).transpose()?;
        let illegal = |err| ReplayError::Illegal(format!("override {id}: {err}"));
        let after = match (before.clone(), &event) {
            (None, OverrideEvent::Requested { kind, on, until, justification, forgets }) => {
                if forgets.is_some_and(|gone| self.rows.overrides.remove(&gone).is_none()) {
                    return Err(ReplayError::Dangling(format!("the override that {id} has go")));
                }
                let said = (record.actor, record.at);
                Override::requested(id, (*kind, on.clone(), *until), justification, said).map_err(illegal)?
            }
            (Some(before), event) => before.after(event, record.actor, record.at).map_err(illegal)?,
            (None, _) => return Err(ReplayError::Dangling(format!("override {id}"))),
        };
        let is_changed = before.as_ref() != Some(&after);
        self.rows.overrides.insert(id, after.row());
        Ok(is_changed)
    }
}
