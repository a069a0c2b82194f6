//! What a tenant says of its queues.

use super::Changed;
use crate::control::Control;
use crate::entry::kind;
use crate::input::Refusal;
use crate::payload::Payload;
use crate::queue::QueueSettings;
use crate::row::ControlRow;
use crate::shard::work::Work;
use chancery_base::limits::QUEUES_MAX;
use chancery_base::{Name, PrincipalId};
use chancery_ledger::Data;
use std::time::Duration;

/// When who meets the limit should come again: somebody has to make room.
const RETRY_AFTER: Duration = Duration::from_secs(60);

pub(super) fn set(
    actor: PrincipalId,
    queue: &Name,
    settings: &QueueSettings,
    control: &Control,
    work: &mut Work,
) -> Changed {
    settings.check().map_err(Refusal::Invalid)?;
    let before = control.queues.get(queue);
    if before.map_or(settings.is_empty(), |before| before == settings) {
        return Ok(None);
    }
    if before.is_none() && control.queues.len() >= QUEUES_MAX {
        let what = "queues that a tenant has settings of";
        return Err(Refusal::Limited { what, max: QUEUES_MAX, retry_after: RETRY_AFTER });
    }
    let payload = Payload::new().text("queue", queue.as_str()).serialize("settings", settings);
    work.control.push(if settings.is_empty() {
        ControlRow::QueueGone(queue.clone())
    } else {
        ControlRow::Queue(settings.row(queue))
    });
    work.raise();
    Ok(Some(work.write_control(kind::QUEUE_CHANGED, actor, Data::new(), Some(payload.finish()))))
}
