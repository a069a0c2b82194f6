//! Writes other than batches' hot rows: tenants, the directory, definitions and bundles, ownership, the integrator's.

use crate::check::{self, COMMIT};
use crate::error;
use crate::scan::{BUNDLE, SHADOW};
use crate::sqlite::fault::{WriteError, during};
use crate::sqlite::rows;
use crate::{CheckpointRow, TileRow};
use chancery_base::{Digest, Kind, Secret, SigningSecretId, TargetId, TenantId};
use chancery_shard::Origin;
use chancery_shard::row::{
    BundleRow, ControlRow, CredentialRow, DefinitionRow, LogId, LogRow, NotifierRow, PrincipalRow, Sealed, SettingsRow,
    SigningSecretRow, TenantRow,
};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;

const MAKE_TENANT: &str = "make a tenant";
const PUT_CHECKPOINT: &str = "store tiles and a checkpoint";

/// Applies one control row of a batch.
pub(super) fn apply(conn: &Connection, tenant: &TenantId, row: &ControlRow) -> Result<(), WriteError> {
    check::control(tenant, row)?;
    match row {
        ControlRow::Tenant(made, origins) => make_tenant(conn, made, origins),
        ControlRow::Principal(row) => principal(conn, tenant, row),
        ControlRow::Credential(row) => credential(conn, tenant, row),
        ControlRow::Target(row) => put(conn, tenant, TARGETS, (row.target.as_str(), &row.body), "write a target"),
        ControlRow::Queue(row) => put(conn, tenant, QUEUES, (row.queue.as_str(), &row.body), "write a queue"),
        ControlRow::Settings(row) => settings(conn, tenant, row),
        ControlRow::Maintenance(row) => put_single(conn, tenant, MAINTENANCE, &row.body, "begin maintenance"),
        ControlRow::MaintenanceOver => single_gone(conn, tenant, MAINTENANCE, "end maintenance"),
        ControlRow::Stop(row) => put(conn, tenant, STOPS, (&row.id.to_string(), &row.body), "write a stop"),
        ControlRow::StopGone(id) => gone(conn, tenant, STOPS, &id.to_string(), "lift a stop"),
        ControlRow::Budget(row) => put(conn, tenant, BUDGETS, (row.name.as_str(), &row.body), "write a budget"),
        ControlRow::BudgetGone(name) => gone(conn, tenant, BUDGETS, name.as_str(), "delete a budget"),
        ControlRow::Evidence(row, content) => {
            put(conn, tenant, EVIDENCE, (&row.id.to_string(), &row.body), "write evidence")?;
            let Some(content) = content else { return Ok(()) };
            put(conn, tenant, CONTENTS, (&content.id.to_string(), &content.body), "write the content of evidence")
        }
        ControlRow::EvidenceGone(id) => {
            gone(conn, tenant, CONTENTS, &id.to_string(), "erase the content of evidence")?;
            gone(conn, tenant, EVIDENCE, &id.to_string(), "erase evidence")
        }
        ControlRow::Notifier(row) => notifier(conn, tenant, row),
        ControlRow::NotifierGone(name) => gone(conn, tenant, NOTIFIERS, name.as_str(), "delete a notifier"),
        ControlRow::Override(row) => {
            put(conn, tenant, OVERRIDES, (&row.id.to_string(), &row.body), "write an override")
        }
        ControlRow::OverrideGone(id) => gone(conn, tenant, OVERRIDES, &id.to_string(), "forget an override"),
        ControlRow::Retention(row) => put_single(conn, tenant, RETENTION, &row.body, "write retention"),
        ControlRow::RetentionGone => single_gone(conn, tenant, RETENTION, "forget retention"),
        ControlRow::Trust(row) => put_single(conn, tenant, TRUST, &row.body, "write what is said of bundles"),
        ControlRow::TrustGone => single_gone(conn, tenant, TRUST, "forget what is said of bundles"),
        ControlRow::QueueGone(name) => gone(conn, tenant, QUEUES, name.as_str(), "forget a queue"),
        ControlRow::SigningSecret(row) => signing_secret(conn, tenant, row),
        ControlRow::SigningSecretGone(id) => signing_secret_gone(conn, tenant, *id),
        ControlRow::Schedule(row) => put(conn, tenant, SCHEDULES, (row.name.as_str(), &row.body), "write a schedule"),
        ControlRow::ScheduleGone(name) => gone(conn, tenant, SCHEDULES, name.as_str(), "delete a schedule"),
        ControlRow::Definition(row) => definition(conn, tenant, row),
        ControlRow::Bundle(row) => bundle(conn, tenant, row),
        ControlRow::BundleSigned(digest, signatures) => bundle_signed(conn, tenant, *digest, signatures),
        ControlRow::ActiveBundle(digest) => point(conn, tenant, BUNDLE, *digest),
        ControlRow::ShadowBundle(Some(digest)) => point(conn, tenant, SHADOW, *digest),
        ControlRow::ShadowBundle(None) => {
            let values = params![tenant.as_str(), SHADOW];
            let gone = conn.execute("DELETE FROM pointers WHERE tenant = ?1 AND kind = ?2", values);
            gone.map(drop).map_err(during("take a bundle out of the shadow"))
        }
    }
}

/// Makes the first tenant.
pub(super) fn bootstrap(conn: &Connection, tenant: &TenantRow, origin: &Origin) -> Result<LogRow, WriteError> {
    let sql = during("make the first tenant");
    check::shards("make the first tenant", tenant.shards, 1)?;
    let any: bool = conn.query_row("SELECT EXISTS (SELECT 1 FROM tenants)", [], |row| row.get(0)).map_err(&sql)?;
    if any {
        return Err(error("make the first tenant", Kind::Conflict, "the store has tenants already").into());
    }
    make_tenant(conn, tenant, std::slice::from_ref(origin))?;
    let columns = rows::LOG;
    conn.query_row(&format!("SELECT {columns} FROM logs ORDER BY id LIMIT 1"), [], rows::log).map_err(&sql)
}

fn make_tenant(conn: &Connection, tenant: &TenantRow, origins: &[Origin]) -> Result<(), WriteError> {
    let sql = during(MAKE_TENANT);
    let name = tenant.tenant.as_str();
    let values = params![name, tenant.shards, tenant.hash_key, tenant.created_at.as_micros()];
    conn.execute("INSERT INTO tenants (tenant, shards, hash_key, created_at) VALUES (?1, ?2, ?3, ?4)", values)
        .map_err(&sql)?;
    for (shard, origin) in (0_u16..).zip(origins) {
        conn.execute(
            "INSERT INTO logs (tenant, shard, generation, origin, epoch, size, control_epoch, owner) \
             VALUES (?1, ?2, 1, ?3, 0, 0, 0, '')",
            params![name, shard, origin.to_string()],
        )
        .map_err(&sql)?;
    }
    for (shard, (first, last)) in (0_u16..).zip(check::slot_ranges(tenant.shards)) {
        conn.execute(
            "INSERT INTO slots (tenant, first_slot, last_slot, shard, version) VALUES (?1, ?2, ?3, ?4, 1)",
            params![name, first, last, shard],
        )
        .map_err(&sql)?;
    }
    Ok(())
}

fn principal(conn: &Connection, tenant: &TenantId, row: &PrincipalRow) -> Result<(), WriteError> {
    let body = &row.body;
    conn.execute(
        "INSERT INTO principals (tenant, id, body_key, body_nonce, body) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (tenant, id) DO UPDATE SET body_key = excluded.body_key, body_nonce = excluded.body_nonce, \
         body = excluded.body",
        params![tenant.as_str(), row.id.to_string(), body.key, body.nonce, body.bytes],
    )
    .map_err(during("write a principal"))?;
    Ok(())
}

fn credential(conn: &Connection, tenant: &TenantId, row: &CredentialRow) -> Result<(), WriteError> {
    conn.execute(
        "INSERT INTO credentials (tenant, id, principal, hash, issued_at, expires_at, revoked_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (tenant, id) DO UPDATE SET principal = excluded.principal, hash = excluded.hash, \
         issued_at = excluded.issued_at, expires_at = excluded.expires_at, revoked_at = excluded.revoked_at",
        params![
            tenant.as_str(),
            row.id.as_bytes(),
            row.principal.to_string(),
            row.hash.as_bytes(),
            row.issued_at.as_micros(),
            row.expires_at.map(|time| time.as_micros()),
            row.revoked_at.map(|time| time.as_micros()),
        ],
    )
    .map_err(during("write a credential"))?;
    Ok(())
}

/// Writes the accounts of a batch.
pub(super) fn accounts(
    conn: &Connection,
    tenant: &TenantId,
    accounts: &BTreeMap<String, Option<Sealed>>,
) -> Result<(), WriteError> {
    accounts.iter().try_for_each(|(account, body)| match body {
        Some(body) => put(conn, tenant, ACCOUNTS, (account, body), "write an account"),
        None => gone(conn, tenant, ACCOUNTS, account, "close an account"),
    })
}

/// A table of sealed bodies, one of a tenant's under each name, and the column of that.
type Named = (&'static str, &'static str);

const TARGETS: Named = ("targets", "target");
const QUEUES: Named = ("queues", "queue");
const SCHEDULES: Named = ("schedules", "name");
const STOPS: Named = ("stops", "id");
const BUDGETS: Named = ("budgets", "name");
const ACCOUNTS: Named = ("accounts", "account");
const EVIDENCE: Named = ("evidence", "id");
const CONTENTS: Named = ("evidence_contents", "id");
const NOTIFIERS: Named = ("notifiers", "name");
const OVERRIDES: Named = ("overrides", "id");

fn put(
    conn: &Connection,
    tenant: &TenantId,
    (table, column): Named,
    (under, body): (&str, &Sealed),
    operation: &'static str,
) -> Result<(), WriteError> {
    let statement = format!(
        "INSERT INTO {table} (tenant, {column}, body_key, body_nonce, body) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (tenant, {column}) DO UPDATE SET body_key = excluded.body_key, \
         body_nonce = excluded.body_nonce, body = excluded.body"
    );
    // Accounts are written at most commits: the statement is kept.
    let mut statement = conn.prepare_cached(&statement).map_err(during(operation))?;
    statement.execute(params![tenant.as_str(), under, body.key, body.nonce, body.bytes]).map_err(during(operation))?;
    Ok(())
}

fn gone(
    conn: &Connection,
    tenant: &TenantId,
    (table, column): Named,
    under: &str,
    operation: &'static str,
) -> Result<(), WriteError> {
    let statement = format!("DELETE FROM {table} WHERE tenant = ?1 AND {column} = ?2");
    conn.execute(&statement, [tenant.as_str(), under]).map_err(during(operation))?;
    Ok(())
}

fn settings(conn: &Connection, tenant: &TenantId, row: &SettingsRow) -> Result<(), WriteError> {
    conn.execute(
        "INSERT INTO settings (tenant, version, changed_at, changed_by, source) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![tenant.as_str(), row.version, row.changed_at.as_micros(), row.changed_by.to_string(), &row.source[..],],
    )
    .map_err(during("write settings"))?;
    Ok(())
}

/// The tables of which a tenant has one row at most.
const MAINTENANCE: &str = "maintenance";
const RETENTION: &str = "retention";
const TRUST: &str = "trust";

fn put_single(
    conn: &Connection,
    tenant: &TenantId,
    table: &str,
    body: &Sealed,
    operation: &'static str,
) -> Result<(), WriteError> {
    let statement = format!(
        "INSERT INTO {table} (tenant, body_key, body_nonce, body) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (tenant) DO UPDATE SET body_key = excluded.body_key, body_nonce = excluded.body_nonce, \
         body = excluded.body"
    );
    conn.execute(&statement, params![tenant.as_str(), body.key, body.nonce, body.bytes]).map_err(during(operation))?;
    Ok(())
}

fn single_gone(conn: &Connection, tenant: &TenantId, table: &str, operation: &'static str) -> Result<(), WriteError> {
    conn.execute(&format!("DELETE FROM {table} WHERE tenant = ?1"), params![tenant.as_str()])
        .map_err(during(operation))?;
    Ok(())
}

fn signing_secret(conn: &Connection, tenant: &TenantId, row: &SigningSecretRow) -> Result<(), WriteError> {
    let target = row.target.as_ref().map(TargetId::as_str);
    conn.execute(
        "INSERT INTO signing_secrets (tenant, id, target, secret, issued_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![tenant.as_str(), row.id.as_bytes(), target, row.secret.expose(), row.issued_at.as_micros()],
    )
    .map_err(during("write a signing secret"))?;
    Ok(())
}

fn notifier(conn: &Connection, tenant: &TenantId, row: &NotifierRow) -> Result<(), WriteError> {
    let (body, secret) = (&row.body, row.secret.as_ref().map(Secret::expose));
    conn.execute(
        "INSERT INTO notifiers (tenant, name, body_key, body_nonce, body, secret) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (tenant, name) DO UPDATE SET body_key = excluded.body_key, body_nonce = excluded.body_nonce, \
         body = excluded.body, secret = excluded.secret",
        params![tenant.as_str(), row.name.as_str(), body.key, body.nonce, body.bytes, secret],
    )
    .map_err(during("write a notifier"))?;
    Ok(())
}

fn signing_secret_gone(conn: &Connection, tenant: &TenantId, id: SigningSecretId) -> Result<(), WriteError> {
    conn.execute("DELETE FROM signing_secrets WHERE tenant = ?1 AND id = ?2", params![tenant.as_str(), id.as_bytes()])
        .map_err(during("destroy a signing secret"))?;
    Ok(())
}

fn definition(conn: &Connection, tenant: &TenantId, row: &DefinitionRow) -> Result<(), WriteError> {
    conn.execute(
        "INSERT INTO definitions (tenant, name, version, digest, registered_at, source) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            tenant.as_str(),
            row.name.as_str(),
            row.version,
            row.digest.as_bytes(),
            row.registered_at.as_micros(),
            &row.source[..],
        ],
    )
    .map_err(during("write a definition"))?;
    Ok(())
}

fn bundle(conn: &Connection, tenant: &TenantId, row: &BundleRow) -> Result<(), WriteError> {
    conn.execute(
        "INSERT INTO bundles (tenant, name, version, digest, pushed_at, pushed_by, signatures, source) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            tenant.as_str(),
            row.name.as_str(),
            row.version,
            row.digest.as_bytes(),
            row.pushed_at.as_micros(),
            row.pushed_by.to_string(),
            &*row.signatures,
            &row.source[..],
        ],
    )
    .map_err(during("write a bundle"))?;
    Ok(())
}

fn bundle_signed(conn: &Connection, tenant: &TenantId, digest: Digest, signatures: &str) -> Result<(), WriteError> {
    let statement = "UPDATE bundles SET signatures = ?3 WHERE tenant = ?1 AND digest = ?2";
    let written = conn
        .execute(statement, params![tenant.as_str(), digest.as_bytes(), signatures])
        .map_err(during("write a bundle's signatures"))?;
    if written == 0 {
        return Err(error(COMMIT, Kind::Missing, format!("there is no bundle {digest} to sign")).into());
    }
    Ok(())
}

fn point(conn: &Connection, tenant: &TenantId, kind: &str, digest: Digest) -> Result<(), WriteError> {
    let written = conn
        .execute(
            "INSERT INTO pointers (tenant, kind, digest) \
             SELECT tenant, ?1, digest FROM bundles WHERE tenant = ?2 AND digest = ?3 \
             ON CONFLICT (tenant, kind) DO UPDATE SET digest = excluded.digest",
            params![kind, tenant.as_str(), digest.as_bytes()],
        )
        .map_err(during("point to a bundle"))?;
    if written == 0 {
        return Err(error(COMMIT, Kind::Missing, format!("there is no bundle {digest} to activate")).into());
    }
    Ok(())
}

/// Raises the epoch of a log.
pub(super) fn own(conn: &Connection, log: LogId, owner: &str) -> Result<LogRow, WriteError> {
    let statement = format!("UPDATE logs SET epoch = epoch + 1, owner = ?2 WHERE id = ?1 RETURNING {}", rows::LOG);
    let row = conn.query_row(&statement, params![log.0, owner], rows::log).optional().map_err(during("own a log"))?;
    row.ok_or_else(|| error("own a log", Kind::Missing, format!("there is no log {}", log.0)).into())
}

/// Stores what the integrator made, if the log's owner still is who made it.
pub(super) fn checkpoint_put(
    conn: &Connection,
    log: LogId,
    tiles: &[TileRow],
    checkpoint: Option<&CheckpointRow>,
    epoch: u64,
) -> Result<bool, WriteError> {
    let sql = during(PUT_CHECKPOINT);
    let size = checkpoint.map(|checkpoint| checkpoint.size);
    let current: bool = conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM logs WHERE id = ?1 AND epoch = ?2 AND size >= ?3) \
             AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE log = ?1 AND size >= ?4)",
        )
        .and_then(|mut statement| {
            // Without a checkpoint there is none that could be older than one that is stored.
            let newer_than = size.unwrap_or(i64::MAX.unsigned_abs());
            statement.query_row(params![log.0, epoch, size.unwrap_or(0), newer_than], |row| row.get(0))
        })
        .map_err(&sql)?;
    if !current {
        return Ok(false);
    }
    // A tile only grows: a shorter one is a late retry.
    let mut upsert = conn
        .prepare_cached(
            "INSERT INTO tiles (log, level, tile, hashes) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (log, level, tile) DO UPDATE SET hashes = excluded.hashes \
             WHERE length(excluded.hashes) > length(hashes)",
        )
        .map_err(&sql)?;
    for tile in tiles {
        upsert.execute(params![log.0, tile.level, tile.index, tile.hashes]).map_err(&sql)?;
    }
    if let Some(row) = checkpoint {
        let mut insert =
            conn.prepare_cached("INSERT INTO checkpoints (log, size, note) VALUES (?1, ?2, ?3)").map_err(&sql)?;
        insert.execute(params![log.0, row.size, row.note]).map_err(&sql)?;
    }
    Ok(true)
}
