//! Who is told, and how far that has come. A password is in its row and in no entry.

use super::Changed;
use crate::control::Control;
use crate::entry::kind;
use crate::input::Refusal;
use crate::notifier::{Notified, Notifier, NotifierSettings};
use crate::payload::Payload;
use crate::row::ControlRow;
use crate::shard::work::Work;
use chancery_base::limits::NOTIFIERS_MAX;
use chancery_base::{Name, PrincipalId, Secret};
use chancery_ledger::Data;
use std::time::Duration;

/// When who meets the limit should come again: somebody has to delete one.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Sets one, in place of what was set before: where it stands stays. One that is new tells of what comes after.
pub(super) fn set(
    actor: PrincipalId,
    name: &Name,
    settings: &NotifierSettings,
    password: Option<&Secret>,
    control: &Control,
    work: &mut Work,
) -> Changed {
    let before = control.notifiers.get(name);
    if before.is_none() && control.notifiers.len() >= NOTIFIERS_MAX {
        return Err(Refusal::Limited { what: "notifiers of a tenant", max: NOTIFIERS_MAX, retry_after: RETRY_AFTER });
    }
    let kept = before.and_then(|(_, secret)| secret.as_ref()).filter(|_| settings.has_username());
    let secret = password.or(kept).cloned();
    settings.check(secret.is_some()).map_err(Refusal::Invalid)?;
    let fresh = Notifier {
        name: name.clone(),
        settings: settings.clone(),
        password: secret.is_some(),
        next: work.seq() + 1,
        told: 0,
        failed: 0,
        given_up: None,
    };
    let notifier = match before {
        Some((before, _)) => Notifier { settings: fresh.settings, password: fresh.password, ..before.clone() },
        None => fresh,
    };
    let data = Data::new().bool("password", notifier.password);
    let payload = Payload::new().text("name", name.as_str()).serialize("settings", settings);
    work.control.push(ControlRow::Notifier(notifier.row(secret)));
    work.raise();
    Ok(Some(work.write_control(kind::NOTIFIER_SET, actor, data, Some(payload.finish()))))
}

/// Deletes one, with its password.
pub(super) fn delete(actor: PrincipalId, name: &Name, control: &Control, work: &mut Work) -> Changed {
    if !control.notifiers.contains_key(name) {
        return Err(Refusal::NotFound(format!("notifier `{name}`")));
    }
    let payload = Payload::new().text("name", name.as_str());
    work.control.push(ControlRow::NotifierGone(name.clone()));
    work.raise();
    Ok(Some(work.write_control(kind::NOTIFIER_DELETED, actor, Data::new(), Some(payload.finish()))))
}

/// One came further; nothing where it is gone, or was further already.
pub(super) fn notified(name: &Name, notified: &Notified, control: &Control, work: &mut Work) -> Changed {
    let Some((before, secret)) = control.notifiers.get(name) else { return Ok(None) };
    let Some(after) = before.after(notified, work.now) else { return Ok(None) };
    let payload = Payload::new();
    let (kind, entry, payload) = match notified {
        Notified::Told(entry) => (kind::NOTIFIER_TOLD, *entry, payload),
        Notified::GaveUp(entry, error) => (kind::NOTIFIER_GAVE_UP, *entry, payload.text("error", error)),
        Notified::Nothing(next) => (kind::NOTIFIER_PASSED, *next, payload),
    };
    let payload = payload.text("name", name.as_str());
    work.control.push(ControlRow::Notifier(after.row(secret.clone())));
    work.raise();
    let data = Data::new().count("entry", entry);
    Ok(Some(work.write_control(kind, PrincipalId::SYSTEM, data, Some(payload.finish()))))
}
