//! What expressions see as `env`.

use super::Changed;
use crate::control::Control;
use crate::entry::kind;
use crate::input::Refusal;
use crate::payload::Payload;
use crate::row::{ControlRow, SettingsRow};
use crate::settings::{Edit, Settings};
use crate::shard::work::Work;
use chancery_base::PrincipalId;
use chancery_ledger::Data;
use std::sync::Arc;

/// Makes the next version, if it is another than the one before.
pub(super) fn set(
    actor: PrincipalId,
    edit: &Edit,
    expected: Option<u32>,
    control: &Control,
    work: &mut Work,
) -> Changed {
    let before = &control.settings;
    let now = before.version().unwrap_or(0);
    if let Some(expected) = expected.filter(|expected| *expected != now) {
        return Err(Refusal::SettingsMoved { expected, now });
    }
    let settings = Settings::new(now.saturating_add(1), edit.apply(before)).map_err(Refusal::Invalid)?;
    if settings.values() == before.values() {
        return Ok(None);
    }
    let source = Arc::from(settings.values().canonical().as_bytes());
    let row = SettingsRow { version: now.saturating_add(1), changed_at: work.now, changed_by: actor, source };
    let data = Data::new().count("version", u64::from(row.version));
    let payload = Payload::new().document("values", settings.values());
    work.control.push(ControlRow::Settings(row));
    work.raise();
    Ok(Some(work.write_control(kind::SETTINGS_CHANGED, actor, data, Some(payload.finish()))))
}
