//! Evidence, as the entries have it.

use super::{Replay, ReplayError, typed};
use crate::evidence::Evidence;
use chancery_base::{EvidenceId, Timestamp};
use chancery_ledger::Record;
use serde_json::{Map, Value};

impl Replay {
    /// An artefact was added, or its time is over.
    pub(super) fn evidence(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let id = record.data.get_word("evidence").and_then(|word| word.parse::<EvidenceId>().ok());
        let id = id.ok_or(ReplayError::Row("evidence"))?;
        match (record.kind.as_str(), self.rows.evidence.contains_key(&id)) {
            ("evidence.added", false) => {
                let until = record.data.get_int("until").map(Timestamp::from_micros);
                let until = until.ok_or(ReplayError::Row("until"))?;
                let terms = typed(payload, "terms")?;
                let evidence = Evidence { id, terms, by: record.actor, added_at: record.at, until };
                let transaction = evidence.transaction().map(|transaction| transaction.to_string());
                if record.data.get_word("transaction") != transaction.as_deref() {
                    return Err(ReplayError::Row("transaction"));
                }
                self.rows.evidence.insert(id, evidence.row());
            }
            ("evidence.expired", true) => {
                self.rows.evidence.remove(&id);
            }
            _ => return Err(ReplayError::Dangling(format!("evidence {id}"))),
        }
        Ok(())
    }
}
