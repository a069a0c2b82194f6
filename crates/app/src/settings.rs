//! A tenant's settings: what expressions see as `env`.

use crate::Error;
use crate::app::App;
use crate::page::{Page, Paged};
use crate::transactions::damaged;
use chancery_base::limits::SETTINGS_BYTES_MAX;
use chancery_base::{PrincipalId, Timestamp, json};
use chancery_policy::Grant;
use chancery_shard::control;
use chancery_shard::input::Change;
use chancery_shard::row::{SettingsRow, TransactionRow};
pub use chancery_shard::settings::{Edit, Settings};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The settings at one version.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsView {
    /// Their version; 0 where nothing was ever set.
    pub version: u32,
    /// Who set them, and when; none where nothing was ever set.
    pub changed: Option<(PrincipalId, Timestamp)>,
    /// Their values, by name.
    pub values: Map<String, Value>,
}

/// The settings that what starts now sees.
///
/// # Errors
/// If the store does not answer.
pub async fn get(app: &App, grant: &Grant) -> Result<SettingsView, Error> {
    let row = app.store().settings(grant, None).await?;
    let none = SettingsView { version: 0, changed: None, values: Map::new() };
    row.as_ref().map_or(Ok(none), view)
}

/// Sets them; in force when this returns. Transactions that run keep those that they began with.
///
/// # Errors
/// If they are another version than `expected`, or a name or value is none that can be set.
pub async fn set(app: &App, grant: &Grant, edit: Edit, expected: Option<u32>) -> Result<SettingsView, Error> {
    app.tenant(grant)?.change(grant, Change::Settings { edit, expected }).await?;
    get(app, grant).await
}

/// A page of their versions, the newest first.
///
/// # Errors
/// If the store does not answer.
pub async fn list(app: &App, grant: &Grant, page: Page<u32>) -> Result<Paged<SettingsView, u32>, Error> {
    let rows = page.rows();
    let found = app.store().settings_list(grant, page.after, rows + 1).await?;
    let views = found.iter().map(view).collect::<Result<Vec<_>, _>>()?;
    Ok(Paged::cut(views, rows, |view| view.version))
}

/// The settings that a transaction sees.
pub(crate) async fn of_row(app: &App, grant: &Grant, row: &TransactionRow) -> Result<Arc<Settings>, Error> {
    let Some(version) = row.settings else { return Ok(Settings::none()) };
    let found = app.store().settings(grant, Some(version)).await?;
    let missing = || damaged("a transaction")(format!("{} names settings {version}, which are missing", row.id));
    control::settings(&found.ok_or_else(missing)?).map_err(damaged("settings"))
}

fn view(row: &SettingsRow) -> Result<SettingsView, Error> {
    let values = match json::parse_stored(&row.source, SETTINGS_BYTES_MAX).map_err(damaged("settings"))? {
        Value::Object(values) => values,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(damaged("settings")(format!("version {} is no object", row.version)));
        }
    };
    Ok(SettingsView { version: row.version, changed: Some((row.changed_by, row.changed_at)), values })
}
