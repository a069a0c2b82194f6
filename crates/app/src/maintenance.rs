//! Maintenance: a tenant, or from the tenant `system` the platform, takes no new transactions. What runs goes on.

use crate::Error;
use crate::app::App;
use chancery_base::TenantId;
use chancery_base::limits::TEXT_BYTES_MAX;
use chancery_policy::Grant;
use chancery_shard::input::Change;
pub use chancery_shard::maintenance::Maintenance;

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceView {
    /// Of the tenant, where it is.
    pub tenant: Option<Maintenance>,
    /// Whether the platform as a whole is.
    pub platform: bool,
}

/// How it stands for the caller's tenant.
///
/// # Errors
/// If the shard has been given up.
pub fn get(app: &App, grant: &Grant) -> Result<MaintenanceView, Error> {
    let tenant = app.tenant(grant)?.control()?.maintenance.clone();
    Ok(MaintenanceView { tenant, platform: of_platform(app) })
}

/// Begins it or ends it; in force when this returns. That of the tenant `system` is the platform's: starts in other
/// tenants that were on their way are done.
///
/// # Errors
/// If no justification is given.
pub async fn set(app: &App, grant: &Grant, on: bool, justification: String) -> Result<MaintenanceView, Error> {
    if justification.trim().is_empty() || justification.len() > TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("a justification is needed, of at most {TEXT_BYTES_MAX} bytes")));
    }
    app.tenant(grant)?.change(grant, Change::Maintenance { on, justification }).await?;
    get(app, grant)
}

/// Whether the platform takes no new transactions. The tenant `system` is always there; while its control state is not
/// loaded, nothing is known of it.
pub(crate) fn of_platform(app: &App) -> bool {
    let control = app.tenant_of(&TenantId::system()).and_then(|tenant| tenant.control().ok());
    control.is_some_and(|control| control.maintenance.is_some())
}
