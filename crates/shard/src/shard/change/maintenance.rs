//! Whether a tenant takes new transactions.

use crate::control::Control;
use crate::entry::kind;
use crate::maintenance::Maintenance;
use crate::payload::Payload;
use crate::row::ControlRow;
use crate::shard::work::Work;
use chancery_base::PrincipalId;
use chancery_ledger::Data;

/// Begins it or ends it; none where it is so already.
pub(super) fn set(
    actor: PrincipalId,
    on: bool,
    justification: &str,
    control: &Control,
    work: &mut Work,
) -> Option<u64> {
    if on == control.maintenance.is_some() {
        return None;
    }
    let (kind, row) = if on {
        let began = Maintenance { by: actor, justification: justification.to_owned(), since: work.now };
        (kind::MAINTENANCE_BEGAN, ControlRow::Maintenance(began.row()))
    } else {
        (kind::MAINTENANCE_ENDED, ControlRow::MaintenanceOver)
    };
    work.control.push(row);
    work.raise();
    let payload = Payload::new().text("justification", justification);
    Some(work.write_control(kind, actor, Data::new(), Some(payload.finish())))
}
