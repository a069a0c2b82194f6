//! Evidence: what there is of it, of what, and until when it counts.

use super::governed::Of;
use super::{Check, ensure};
use crate::reference::WrongRule;
use chancery_base::{Digest, EvidenceId, Timestamp};
use chancery_ledger::Record;
use chancery_shard::evidence::Terms;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is demanded: what it is called, and whether it is to be of the tenant as a whole.
type Demanded = (&'static str, bool);

#[derive(Debug, Default)]
pub(super) struct Artefacts {
    of: BTreeMap<EvidenceId, (Terms, Timestamp)>,
    wrong: Option<WrongRule>,
}

impl Artefacts {
    pub(super) fn new(wrong: Option<WrongRule>) -> Self {
        Self { wrong, ..Self::default() }
    }

    /// It was added, or its time has come.
    pub(super) fn follow(&mut self, record: &Record, payload: &Map<String, Value>) -> Check {
        let id = record.data.get_word("evidence").and_then(|word| word.parse().ok()).ok_or("evidence without id")?;
        if record.kind.as_str() == "evidence.expired" {
            let gone = self.of.remove(&id);
            return ensure(gone.is_some_and(|(_, until)| until <= record.at), || format!("{id} counts still"));
        }
        let terms = payload.get("terms").cloned().unwrap_or_default();
        let terms: Terms = serde_json::from_value(terms).map_err(|err| err.to_string())?;
        let until = record.data.get_int("until").map(Timestamp::from_micros).ok_or("no time")?;
        ensure(self.of.insert(id, (terms, until)).is_none(), || format!("{id} was added before"))
    }

    /// What is cited is there, and is what is demanded.
    pub(super) fn is_cited(
        &self,
        cited: (EvidenceId, Digest),
        demanded: Demanded,
        of: &Of<'_>,
        at: Timestamp,
    ) -> Check {
        let (terms, until) = self.of.get(&cited.0).ok_or_else(|| format!("{} is cited, and is not there", cited.0))?;
        let is_it = terms.digest == cited.1 && *until > at && self.counts(terms, demanded, of);
        ensure(is_it, || format!("{demanded:?} is demanded, and {terms:?} until {until} cited"))
    }

    /// Whether something is there that is what is demanded.
    pub(super) fn is_there(&self, demanded: Demanded, of: &Of<'_>, at: Timestamp) -> bool {
        self.of.values().any(|(terms, until)| *until > at && self.counts(terms, demanded, of))
    }

    fn counts(&self, terms: &Terms, (name, of_tenant): Demanded, of: &Of<'_>) -> bool {
        let is_any = self.wrong == Some(WrongRule::AnyEvidence);
        let is_of_it = match &terms.bound {
            None => of_tenant || is_any,
            Some(bound) => {
                let is_step = bound.step.as_ref().is_none_or(|step| of.is_of(step.as_str()));
                !of_tenant && bound.transaction == of.transaction && is_step
            }
        };
        terms.name.as_str() == name && is_of_it
    }
}
