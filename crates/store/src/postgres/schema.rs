//! The schema and its migrations.

use crate::migration::{Applied, Migrations, State};
use crate::postgres::pool::{Connection, Connections};
use crate::postgres::{OpenError, rows};

/// Every migration, in order. One that was released never changes.
pub(super) const MIGRATIONS: Migrations = Migrations(&[
    ("V1__schema", include_str!("../../migrations/postgres/V1__schema.sql")),
    ("V2__transactions", include_str!("../../migrations/postgres/V2__transactions.sql")),
    ("V3__stops", include_str!("../../migrations/postgres/V3__stops.sql")),
    ("V4__requests", include_str!("../../migrations/postgres/V4__requests.sql")),
    ("V5__bundle_trust", include_str!("../../migrations/postgres/V5__bundle_trust.sql")),
    ("V6__budgets", include_str!("../../migrations/postgres/V6__budgets.sql")),
    ("V7__evidence", include_str!("../../migrations/postgres/V7__evidence.sql")),
    ("V8__overrides", include_str!("../../migrations/postgres/V8__overrides.sql")),
    ("V9__notifiers", include_str!("../../migrations/postgres/V9__notifiers.sql")),
]);

/// How often migrating is tried when another process does the same at once.
const TRIES: usize = 3;

/// What is applied and what is pending; changes nothing.
pub(super) async fn state(connections: &Connections) -> Result<State, OpenError> {
    let mut conn = connections.open("read the schema's version").await?;
    let query = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    let found = conn.rows("read the schema's version", query, &[]).await?;
    let has_history = rows::all("read the schema's version", &found, rows::value::<bool>)?.first() == Some(&true);
    let applied = if has_history { applied(&mut conn).await? } else { Vec::new() };
    Ok(MIGRATIONS.state(&applied)?)
}

async fn applied(conn: &mut Connection) -> Result<Vec<Applied>, OpenError> {
    let Some(client) = conn.client() else { return Ok(Vec::new()) };
    let applied = MIGRATIONS.runner()?.get_applied_migrations_async(client).await;
    let applied = applied.map_err(|source| OpenError::Migrate { source: Box::new(source) })?;
    Ok(applied.iter().map(Applied::from).collect())
}

/// Applies what is pending.
pub(super) async fn migrate(connections: &Connections) -> Result<State, OpenError> {
    for attempt in 1.. {
        let state = state(connections).await?;
        if state.pending.is_empty() {
            return Ok(state);
        }
        let mut conn = connections.open("migrate").await?;
        let Some(client) = conn.client() else { break };
        match MIGRATIONS.runner()?.run_async(client).await {
            Ok(_) => {}
            // Another process may have been first: then the next look finds nothing pending.
            Err(_) if attempt < TRIES => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
            Err(source) => return Err(OpenError::Migrate { source: Box::new(source) }),
        }
    }
    state(connections).await
}
