//! Permits that notifiers tell of, as those read them who have them told.

use chancery_base::{Name, json};
use chancery_ledger::Record;
use chancery_policy::EntityRef;
use serde::Deserialize;

/// In the data of a permit's entry: how many notifiers tell of it. A record holds no name that somebody chose.
pub(super) const NOTIFY: &str = "notify";

/// A permit by which something is done, of which a notifier tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldPermit {
    /// Who acts.
    pub principal: EntityRef,
    /// What is done.
    pub action: String,
    /// To what.
    pub resource: EntityRef,
    /// The obligations that demand it: the policies, and what they say of themselves.
    pub because: Vec<(Option<String>, Option<String>)>,
    /// The step, where the entry names it itself.
    pub step: Option<String>,
}

/// Whether an entry is a permit that some notifier tells of. The payload need not be read for that.
#[must_use]
pub fn is_told(record: &Record) -> bool {
    record.data.get_int(NOTIFY).is_some()
}

#[derive(Deserialize)]
struct Payload {
    decision: Decided,
    event: Option<OfStep>,
    intent: Option<OfStep>,
}

#[derive(Deserialize)]
struct Decided {
    obligations: Vec<Demanded>,
    request: Asked,
}

#[derive(Deserialize)]
struct Demanded {
    #[serde(default)]
    notifiers: Vec<Name>,
    policy: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Asked {
    action: String,
    principal: EntityRef,
    resource: EntityRef,
}

#[derive(Deserialize)]
struct OfStep {
    step: String,
}

impl ToldPermit {
    /// What the payload of a permit's entry says; none where another notifier tells of it.
    ///
    /// # Errors
    /// If it is no such payload.
    pub fn read(payload: &[u8], notifier: &Name) -> Result<Option<Self>, json::JsonError> {
        let Payload { decision, event, intent } = json::parse_stored_as(payload, payload.len())?;
        let demands = decision.obligations.into_iter().filter(|demand| demand.notifiers.contains(notifier));
        let because: Vec<_> = demands.map(|demand| (demand.policy, demand.reason)).collect();
        let Asked { action, principal, resource } = decision.request;
        let step = event.or(intent).map(|of| of.step);
        Ok((!because.is_empty()).then_some(Self { principal, action, resource, because, step }))
    }
}
