//! What a tenant has stopped.

use super::{Changed, id_word};
use crate::control::Control;
use crate::entry::kind;
use crate::input::Refusal;
use crate::payload::Payload;
use crate::row::ControlRow;
use crate::shard::work::Work;
use crate::stop::{Stop, StopOn};
use chancery_base::limits::STOPS_MAX;
use chancery_base::{PrincipalId, StopId};
use chancery_ledger::Data;
use std::time::Duration;

/// When who meets the limit should come again: somebody has to lift one.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Sets a stop; none where there is one on the same thing.
pub(super) fn set(
    actor: PrincipalId,
    (id, on): (StopId, &StopOn),
    justification: &str,
    control: &Control,
    work: &mut Work,
) -> Changed {
    check(actor, on, control)?;
    if control.stops.on(on).is_some() {
        return Ok(None);
    }
    if control.stops.get(id).is_some() {
        return Err(Refusal::Exists(format!("stop {id}")));
    }
    // The tenant as a whole can always be stopped.
    if *on != StopOn::Tenant && control.stops.len() >= STOPS_MAX {
        return Err(Refusal::Limited { what: "stops of a tenant", max: STOPS_MAX, retry_after: RETRY_AFTER });
    }
    let stop = Stop { id, on: on.clone(), by: actor, justification: justification.to_owned(), since: work.now };
    let data = Data::new().word("on", on.word()).word("stop", id_word(id.to_string()));
    let payload = Payload::new().text("justification", justification).serialize("on", on);
    work.control.push(ControlRow::Stop(stop.row()));
    work.raise();
    Ok(Some(work.write_control(kind::STOP_SET, actor, data, Some(payload.finish()))))
}

/// A stop on what does not exist would stop nothing, and whoever set it would not know.
fn check(actor: PrincipalId, on: &StopOn, control: &Control) -> Result<(), Refusal> {
    match on {
        StopOn::Tenant | StopOn::Action(_) => Ok(()),
        StopOn::Principal(id) if *id == actor => {
            Err(Refusal::Invalid("a principal does not stop itself: it could not lift that again".to_owned()))
        }
        StopOn::Principal(id) if control.directory.principal(id).is_none() => {
            Err(Refusal::NotFound(format!("principal {id}")))
        }
        StopOn::Principal(_) => Ok(()),
        StopOn::Target(target) if target.is_fallback() => {
            Err(Refusal::Invalid("a stop is on one target: an origin, or `worker:<queue>`".to_owned()))
        }
        StopOn::Target(_) => Ok(()),
        StopOn::Definition(name) if control.definitions.contains_key(name) => Ok(()),
        StopOn::Definition(name) => Err(Refusal::NotFound(format!("definition `{name}`"))),
    }
}

/// Lifts one.
pub(super) fn lift(actor: PrincipalId, id: StopId, justification: &str, control: &Control, work: &mut Work) -> Changed {
    if control.stops.get(id).is_none() {
        return Err(Refusal::NotFound(format!("stop {id}")));
    }
    let data = Data::new().word("stop", id_word(id.to_string()));
    let payload = Payload::new().text("justification", justification);
    work.control.push(ControlRow::StopGone(id));
    work.raise();
    Ok(Some(work.write_control(kind::STOP_LIFTED, actor, data, Some(payload.finish()))))
}
