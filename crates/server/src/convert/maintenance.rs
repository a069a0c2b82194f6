//! Maintenance.

use chancery_api::maintenance::Maintenance;
use chancery_app::maintenance::MaintenanceView;

pub(crate) fn maintenance(view: MaintenanceView) -> Maintenance {
    let on = view.tenant.is_some();
    let (since, by, justification) = match view.tenant {
        Some(tenant) => (Some(tenant.since), Some(tenant.by), Some(tenant.justification)),
        None => (None, None, None),
    };
    Maintenance { on, since, by, justification, platform: view.platform }
}
