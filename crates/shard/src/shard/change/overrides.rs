//! What people say of overrides. Who has a part in one is refused what takes another; that they were is an entry.

use super::Changed;
use crate::control::Control;
use crate::input::{OverrideSay, Refusal};
use crate::over::{Override, OverrideEvent, OverrideKind, OverrideOn, OverrideRefusal};
use crate::payload::Payload;
use crate::row::ControlRow;
use crate::shard::overrides::happens;
use crate::shard::work::Work;
use chancery_base::limits::OVERRIDES_MAX;
use chancery_base::{DecisionId, Kind, OverrideId, PrincipalId, Timestamp};
use std::time::Duration;

/// When who meets the limit should come again: somebody has to review one.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Somebody asks for one.
pub(super) fn request(
    actor: PrincipalId,
    id: OverrideId,
    (kind, on, until): (OverrideKind, &OverrideOn, Timestamp),
    justification: &str,
    control: &Control,
    work: &mut Work,
) -> Changed {
    if control.overrides.get(id).is_some() {
        return Err(Refusal::Exists(format!("override {id}")));
    }
    if control.directory.principal(&on.principal()).is_none() {
        return Err(Refusal::NotFound(format!("principal {}", on.principal())));
    }
    let what = "overrides of a tenant that are not answered, over and reviewed";
    let limited = Refusal::Limited { what, max: OVERRIDES_MAX, retry_after: RETRY_AFTER };
    let is_full = control.overrides.len() >= OVERRIDES_MAX;
    let forgets = if is_full { Some(control.overrides.oldest_closed().ok_or(limited)?) } else { None };
    let asked = Override::requested(id, (kind, on.clone(), until), justification, (actor, work.now));
    let over = asked.map_err(|refusal| refused(actor, refusal, work))?;
    let (on, justification) = (on.clone(), justification.to_owned());
    let event = OverrideEvent::Requested { kind, on, until, justification, forgets };
    work.control.extend(forgets.map(ControlRow::OverrideGone));
    Ok(Some(happens(&over, &event, actor, work)))
}

/// Somebody says something of one.
pub(super) fn say(
    actor: PrincipalId,
    id: OverrideId,
    say: OverrideSay,
    justification: &str,
    control: &Control,
    work: &mut Work,
) -> Changed {
    let before = control.overrides.get(id).ok_or_else(|| Refusal::NotFound(format!("override {id}")))?;
    let event = match (say, justification.to_owned()) {
        (OverrideSay::Grant, why) => OverrideEvent::Granted(why),
        (OverrideSay::Refuse, why) => OverrideEvent::Refused(why),
        (OverrideSay::Revoke, why) => OverrideEvent::Revoked(why),
        (OverrideSay::Review, note) => OverrideEvent::Reviewed(note),
    };
    let said = before.clone().after(&event, actor, work.now);
    #[cfg(feature = "sabotage")]
    let said = work.sabotage_said(said, before, (&event, actor));
    let over = said.map_err(|refusal| refused(actor, refusal, work))?;
    Ok(Some(happens(&over, &event, actor, work)))
}

/// That somebody tried what is not theirs is an entry.
fn refused(actor: PrincipalId, refusal: OverrideRefusal, work: &mut Work) -> Refusal {
    if refusal.kind() == Kind::Denied {
        let id = DecisionId::draw(work.now, &mut work.entropy);
        let payload = Payload::new().text("call", "override").serialize("reasons", &[refusal.to_string()]);
        work.write_decision(actor, id, None, payload);
    }
    Refusal::Override(refusal)
}
