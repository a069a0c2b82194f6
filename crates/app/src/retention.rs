//! How long a tenant keeps what has ended, and how the search for what it keeps no longer goes.

use crate::app::App;
use crate::{Error, clock};
use chancery_base::Timestamp;
use chancery_policy::Grant;
use chancery_shard::expiry::ExpiryRun;
use chancery_shard::input::{Change, Refusal};
pub use chancery_shard::retention::Retention;
use std::time::Duration;

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionView {
    /// How long transactions are kept after their end.
    pub transactions: Duration,
    /// Whether the tenant said so; else it is what holds for everybody.
    pub is_set: bool,
    /// When it is looked for what is kept no longer.
    pub next: Timestamp,
    /// How that went the last time, or goes; none: it was not done since the server began.
    pub last: Option<ExpiryRun>,
}

/// How it stands for the caller's tenant.
///
/// # Errors
/// If the shard has been given up.
pub async fn get(app: &App, grant: &Grant) -> Result<RetentionView, Error> {
    let tenant = app.tenant(grant)?;
    let said = tenant.control()?.retention.as_ref().and_then(Retention::transactions);
    let gauges = tenant.pump.gauges().await.ok_or(Error::Refused(Refusal::Stopping))?;
    let expiry = app.config().expiry;
    Ok(RetentionView {
        transactions: said.unwrap_or(expiry.retention),
        is_set: said.is_some(),
        next: expiry.next(clock::now()),
        last: gauges.expiry,
    })
}

/// Sets it, in place of what was set before; with nothing said, what was set is forgotten. It holds from the next
/// search on, and for what one under way has not removed.
///
/// # Errors
/// If it is a time that may not be set.
pub async fn set(app: &App, grant: &Grant, retention: Retention) -> Result<RetentionView, Error> {
    app.tenant(grant)?.change(grant, Change::RetentionSet(retention)).await?;
    get(app, grant).await
}
