//! What a tenant says of its targets, and what their calls are signed with.

use super::{Changed, id_word};
use crate::control::Control;
use crate::entry::kind;
use crate::input::Refusal;
use crate::payload::Payload;
use crate::row::{ControlRow, SigningSecretRow};
use crate::shard::work::Work;
use crate::target::{Forced, TargetSettings, TargetState};
use chancery_base::limits::{SIGNATURES_MAX, SIGNING_SECRETS_MAX, TARGETS_MAX};
use chancery_base::webhook::SigningSecret;
use chancery_base::{PrincipalId, SigningSecretId, TargetId};
use chancery_ledger::{Data, Word};
use std::time::Duration;

/// When who meets a limit of what is kept should come again: somebody has to make room.
const RETRY_AFTER: Duration = Duration::from_secs(60);

pub(super) fn set(
    actor: PrincipalId,
    target: &TargetId,
    settings: &TargetSettings,
    control: &Control,
    work: &mut Work,
) -> Changed {
    settings.check().map_err(Refusal::Invalid)?;
    if target.is_worker() {
        return Err(Refusal::Invalid(
            "a worker's queue is given its limits as a queue: `chancery queue set`, `PUT /v1/queues/{name}`".to_owned(),
        ));
    }
    let before = known(target, control)?;
    if before.settings == *settings {
        return Ok(None);
    }
    let state = TargetState { settings: settings.clone(), ..before };
    let payload = Payload::new().serialize("settings", settings).text("target", target.as_str());
    work.control.push(ControlRow::Target(state.row(target)));
    work.raise();
    Ok(Some(work.write_control(kind::TARGET_CHANGED, actor, Data::new(), Some(payload.finish()))))
}

pub(super) fn force(
    actor: PrincipalId,
    target: &TargetId,
    forced: Option<Forced>,
    justification: &str,
    control: &Control,
    work: &mut Work,
) -> Changed {
    if target.origin().is_none() {
        return Err(Refusal::Invalid("only an origin has a breaker".to_owned()));
    }
    let state = TargetState { forced, ..known(target, control)? };
    let data = Data::new().word("forced", word(forced));
    let payload = Payload::new().text("justification", justification).text("target", target.as_str());
    work.control.push(ControlRow::Target(state.row(target)));
    work.raise();
    Ok(Some(work.write_control(kind::TARGET_FORCED, actor, data, Some(payload.finish()))))
}

const fn word(forced: Option<Forced>) -> Word {
    match forced {
        Some(Forced::Open) => Word::literal("open"),
        Some(Forced::Closed) => Word::literal("closed"),
        None => Word::literal("auto"),
    }
}

/// What is kept of a target; nothing where there is room for it.
fn known(target: &TargetId, control: &Control) -> Result<TargetState, Refusal> {
    match control.targets.get(target) {
        Some(state) => Ok(state.clone()),
        None if control.targets.len() >= TARGETS_MAX => {
            let what = "targets that a tenant has settings of";
            Err(Refusal::Limited { what, max: TARGETS_MAX, retry_after: RETRY_AFTER })
        }
        None => Ok(TargetState::default()),
    }
}

pub(super) fn issue(
    actor: PrincipalId,
    id: SigningSecretId,
    (target, secret): (Option<&TargetId>, &SigningSecret),
    control: &Control,
    work: &mut Work,
) -> Changed {
    let row = SigningSecretRow { id, target: target.cloned(), secret: secret.clone(), issued_at: work.now };
    if row.target.as_ref().is_some_and(|target| target.origin().is_none()) {
        return Err(Refusal::Invalid("only calls of an origin are signed".to_owned()));
    }
    if control.signing_secrets.iter().any(|other| other.id == row.id) {
        return Err(Refusal::Exists(format!("signing secret {}", row.id)));
    }
    let of_target = control.signing_secrets.iter().filter(|other| other.target == row.target).count();
    let limits = [
        (of_target, SIGNATURES_MAX, "signing secrets at a time: retire one that receivers do not need any more"),
        (control.signing_secrets.len(), SIGNING_SECRETS_MAX, "signing secrets of a tenant"),
    ];
    if let Some((_, max, what)) = limits.into_iter().find(|(count, max, _)| count >= max) {
        return Err(Refusal::Limited { what, max, retry_after: RETRY_AFTER });
    }
    let data = Data::new().word("secret", id_word(row.id.to_string()));
    let target = row.target.as_ref().map(TargetId::as_str);
    let payload = Payload::new().text("hash", &row.secret.digest().to_string()).maybe_text("target", target);
    work.control.push(ControlRow::SigningSecret(row));
    work.raise();
    Ok(Some(work.write_control(kind::SIGNING_SECRET_ISSUED, actor, data, Some(payload.finish()))))
}

pub(super) fn retire(actor: PrincipalId, id: SigningSecretId, control: &Control, work: &mut Work) -> Changed {
    if !control.signing_secrets.iter().any(|row| row.id == id) {
        return Err(Refusal::NotFound(format!("signing secret {id}")));
    }
    let data = Data::new().word("secret", id_word(id.to_string()));
    work.control.push(ControlRow::SigningSecretGone(id));
    work.raise();
    Ok(Some(work.write_control(kind::SIGNING_SECRET_RETIRED, actor, data, None)))
}
