//! How long a tenant keeps what has ended.

use super::Changed;
use crate::control::Control;
use crate::entry::kind;
use crate::input::Refusal;
use crate::payload::Payload;
use crate::retention::Retention;
use crate::row::ControlRow;
use crate::shard::work::Work;
use chancery_base::PrincipalId;
use chancery_ledger::Data;

pub(super) fn set(actor: PrincipalId, retention: &Retention, control: &Control, work: &mut Work) -> Changed {
    retention.check().map_err(Refusal::Invalid)?;
    if control.retention.as_ref().map_or(retention.is_empty(), |before| before == retention) {
        return Ok(None);
    }
    work.control.push(if retention.is_empty() {
        ControlRow::RetentionGone
    } else {
        ControlRow::Retention(retention.row())
    });
    work.raise();
    let payload = Payload::new().serialize("settings", retention);
    Ok(Some(work.write_control(kind::RETENTION_CHANGED, actor, Data::new(), Some(payload.finish()))))
}
