//! Who is told, and how far that has come. A password is in its row and in no entry.
//!
//! How far it has come bears on no decision, so it is no new control state: what tells much would have everything decided
//! anew. Until that is loaded again the shard keeps it beside.

use super::Changed;
use crate::control::Control;
use crate::entry::kind;
use crate::input::{Effect, Refusal};
use crate::notifier::{Notified, Notifier, NotifierSettings};
use crate::payload::Payload;
use crate::row::ControlRow;
use crate::shard::Shard;
use crate::shard::work::Work;
use chancery_base::limits::NOTIFIERS_MAX;
use chancery_base::{Name, PrincipalId, Secret};
use chancery_ledger::Data;
use std::collections::BTreeMap;
use std::time::Duration;

/// How far notifiers have come since the control state was loaded, also by what is being built and by what is on its way.
pub(in crate::shard) type Came = BTreeMap<Name, Notifier>;

/// When who meets the limit should come again: somebody has to delete one.
const RETRY_AFTER: Duration = Duration::from_secs(60);

impl Shard {
    /// Sets one, in place of what was set before: where it stands stays. One that is new tells of what comes after.
    pub(super) fn notifier_set(
        &self,
        actor: PrincipalId,
        name: &Name,
        (settings, password): (&NotifierSettings, Option<&Secret>),
        control: &Control,
        work: &mut Work,
    ) -> Changed {
        let before = standing(name, control, &self.came);
        if before.is_none() && control.notifiers.len() >= NOTIFIERS_MAX {
            return Err(Refusal::Limited {
                what: "notifiers of a tenant",
                max: NOTIFIERS_MAX,
                retry_after: RETRY_AFTER,
            });
        }
        let kept = before.and_then(|(_, secret)| secret).filter(|_| settings.has_username());
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

    /// One came further; nothing where it is gone, or was further already.
    pub(super) fn notified(&mut self, name: &Name, notified: &Notified, control: &Control, work: &mut Work) -> Changed {
        let Some((before, secret)) = standing(name, control, &self.came) else { return Ok(None) };
        let Some(after) = before.after(notified, work.now) else { return Ok(None) };
        let payload = Payload::new();
        let (kind, entry, payload) = match notified {
            Notified::Told(entry) => (kind::NOTIFIER_TOLD, *entry, payload),
            Notified::GaveUp(entry, error) => (kind::NOTIFIER_GAVE_UP, *entry, payload.text("error", error)),
            Notified::Nothing(next) => (kind::NOTIFIER_PASSED, *next, payload),
        };
        let payload = payload.text("name", name.as_str());
        work.control.push(ControlRow::Notifier(after.row(secret.cloned())));
        work.held.effects.push(Effect::Notified(Box::new(after.clone())));
        self.came.insert(name.clone(), after);
        let data = Data::new().count("entry", entry);
        Ok(Some(work.write_control(kind, PrincipalId::SYSTEM, data, Some(payload.finish()))))
    }
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

/// A notifier as it stands, and its password.
fn standing<'a>(name: &Name, control: &'a Control, came: &'a Came) -> Option<(&'a Notifier, Option<&'a Secret>)> {
    let (notifier, secret) = control.notifiers.get(name)?;
    Some((came.get(name).unwrap_or(notifier), secret.as_ref()))
}
