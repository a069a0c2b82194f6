//! Writes other than batches' hot rows: tenants, the directory, definitions and bundles, ownership, the integrator's.

use crate::check::{self};
use crate::error;
use crate::postgres::pool::{Connections, Trouble};
use crate::postgres::statement::{Statement, column, int};
use crate::postgres::{fault, rows};
use crate::scan::{BUNDLE, SHADOW};
use crate::{CheckpointRow, TileRow};
use chancery_base::{Digest, Kind, Secret, SigningSecretId, TenantId};
use chancery_shard::Origin;
use chancery_shard::batch::StoreError;
use chancery_shard::row::{
    BundleRow, ControlRow, CredentialRow, DefinitionRow, LogId, LogRow, NotifierRow, PrincipalRow, Sealed, SettingsRow,
    SigningSecretRow, TenantRow,
};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

const FIRST_TENANT: &str = "make the first tenant";
const PUT_CHECKPOINT: &str = "store tiles and a checkpoint";

/// Adds the parts of a batch's control rows, one a row and in their order, to a statement whose first part is `guard`.
pub(super) fn parts<'a>(statement: &mut Statement<'a>, control: &'a [ControlRow]) {
    let mut made_logs = 0;
    for (index, row) in control.iter().enumerate() {
        let later = control.get(index + 1..).unwrap_or_default();
        let earlier = control.get(..index).unwrap_or_default();
        let name = format!("control_{index}");
        if is_overtaken(row, later) {
            continue;
        }
        match row {
            ControlRow::Tenant(row, origins) => {
                make_tenant(statement, &name, row, origins, made_logs);
                made_logs += origins.len();
            }
            ControlRow::Principal(row) => principal(statement, name, row),
            ControlRow::Credential(row) => credential(statement, name, row),
            ControlRow::Target(row) => put(statement, name, TARGETS, (row.target.as_str(), &row.body)),
            ControlRow::Queue(row) => put(statement, name, QUEUES, (row.queue.as_str(), &row.body)),
            ControlRow::QueueGone(queue) => gone(statement, name, QUEUES, queue.as_str()),
            ControlRow::Settings(row) => settings(statement, name, row),
            ControlRow::Maintenance(row) => put_single(statement, name, "maintenance", &row.body),
            ControlRow::MaintenanceOver => single_gone(statement, name, "maintenance"),
            ControlRow::Stop(row) => put(statement, name, STOPS, (row.id.to_string(), &row.body)),
            ControlRow::StopGone(id) => gone(statement, name, STOPS, id.to_string()),
            ControlRow::Budget(row) => put(statement, name, BUDGETS, (row.name.as_str(), &row.body)),
            ControlRow::BudgetGone(budget) => gone(statement, name, BUDGETS, budget.as_str()),
            ControlRow::Evidence(row, content) => {
                if let Some(content) = content {
                    put(statement, format!("{name}_content"), CONTENTS, (content.id.to_string(), &content.body));
                }
                put(statement, name, EVIDENCE, (row.id.to_string(), &row.body));
            }
            ControlRow::EvidenceGone(id) => {
                gone(statement, format!("{name}_content"), CONTENTS, id.to_string());
                gone(statement, name, EVIDENCE, id.to_string());
            }
            ControlRow::Notifier(row) => notifier(statement, name, row),
            ControlRow::NotifierGone(notifier) => gone(statement, name, NOTIFIERS, notifier.as_str()),
            ControlRow::Override(row) => put(statement, name, OVERRIDES, (row.id.to_string(), &row.body)),
            ControlRow::OverrideGone(id) => gone(statement, name, OVERRIDES, id.to_string()),
            ControlRow::Retention(row) => put_single(statement, name, "retention", &row.body),
            ControlRow::RetentionGone => single_gone(statement, name, "retention"),
            ControlRow::Trust(row) => put_single(statement, name, "trust", &row.body),
            ControlRow::TrustGone => single_gone(statement, name, "trust"),
            ControlRow::SigningSecret(row) => signing_secret(statement, name, row),
            ControlRow::SigningSecretGone(id) => signing_secret_gone(statement, name, *id),
            ControlRow::Schedule(row) => put(statement, name, SCHEDULES, (row.name.as_str(), &row.body)),
            ControlRow::ScheduleGone(schedule) => gone(statement, name, SCHEDULES, schedule.as_str()),
            ControlRow::Definition(row) => definition(statement, name, row),
            ControlRow::Bundle(row) => bundle(statement, name, row, later),
            ControlRow::BundleSigned(digest, signatures) => {
                bundle_signed(statement, name, (*digest, signatures), earlier, later);
            }
            ControlRow::ActiveBundle(digest) => point(statement, name, (BUNDLE, *digest), (earlier, later)),
            ControlRow::ShadowBundle(Some(digest)) => point(statement, name, (SHADOW, *digest), (earlier, later)),
            ControlRow::ShadowBundle(None) => point_nowhere(statement, name, SHADOW, later),
        }
    }
}

/// A tenant with its logs and slots. Where it may not be made, its name is null, which fails the statement.
fn make_tenant<'a>(
    statement: &mut Statement<'a>,
    name: &str,
    row: &'a TenantRow,
    origins: &'a [Origin],
    made_logs: usize,
) {
    let well_formed = check::shards("", row.shards, origins.len()).is_ok();
    let tenant = statement.bind(row.tenant.as_str(), Type::TEXT);
    let system = statement.bind(TenantId::system().as_str().to_owned(), Type::TEXT);
    let allowed = statement.bind(well_formed, Type::BOOL);
    let shards = statement.bind(i64::from(row.shards), Type::INT8);
    let hash_key = statement.bind(row.hash_key.as_slice(), Type::BYTEA);
    let created_at = statement.bind(row.created_at.as_micros(), Type::INT8);
    statement.part(
        name,
        format!(
            "INSERT INTO tenants (tenant, shards, hash_key, created_at) \
             SELECT CASE WHEN guard.tenant = {system} AND {allowed} THEN {tenant} END, {shards}, {hash_key}, \
             {created_at} FROM guard RETURNING tenant"
        ),
    );
    logs_and_slots(statement, name, row, origins, made_logs);
}

/// Numbers go on from the greatest that there is; the guard's row lock has one batch at a time make tenants.
fn logs_and_slots<'a>(
    statement: &mut Statement<'a>,
    name: &str,
    row: &'a TenantRow,
    origins: &'a [Origin],
    made_logs: usize,
) {
    let numbered: Vec<(i64, String)> =
        (0_i64..).zip(origins).map(|(shard, origin)| (shard, origin.to_string())).collect();
    let made = statement.bind(i64::try_from(made_logs).unwrap_or(i64::MAX), Type::INT8);
    let source = statement.unnest(vec![
        column(&numbered, Type::INT8_ARRAY, |(shard, _)| *shard),
        column(&numbered, Type::TEXT_ARRAY, |(_, origin)| origin.clone()),
    ]);
    statement.part(
        format!("{name}_logs"),
        format!(
            "INSERT INTO logs (id, tenant, shard, generation, origin, epoch, size, control_epoch, owner) \
             SELECT (SELECT coalesce(max(id), 0) FROM logs) + {made} + 1 + new.shard, made.tenant, new.shard, 1, \
             new.origin, 0, 0, 0, '' FROM {name} AS made, {source} AS new (shard, origin) RETURNING 1"
        ),
    );
    let ranges: Vec<(i64, (u16, u16))> = (0_i64..).zip(check::slot_ranges(row.shards)).collect();
    let source = statement.unnest(vec![
        column(&ranges, Type::INT8_ARRAY, |(_, (first, _))| i64::from(*first)),
        column(&ranges, Type::INT8_ARRAY, |(_, (_, last))| i64::from(*last)),
        column(&ranges, Type::INT8_ARRAY, |(shard, _)| *shard),
    ]);
    statement.part(
        format!("{name}_slots"),
        format!(
            "INSERT INTO slots (tenant, first_slot, last_slot, shard, version) \
             SELECT made.tenant, new.*, 1 FROM {name} AS made, {source} AS new RETURNING 1"
        ),
    );
}

fn principal<'a>(statement: &mut Statement<'a>, name: String, row: &'a PrincipalRow) {
    let id = statement.bind(row.id.to_string(), Type::TEXT);
    let key = statement.bind(row.body.key.as_ref(), Type::TEXT);
    let nonce = statement.bind(row.body.nonce.as_slice(), Type::BYTEA);
    let body = statement.bind(row.body.bytes.as_slice(), Type::BYTEA);
    statement.part(
        name,
        format!(
            "INSERT INTO principals (tenant, id, body_key, body_nonce, body) \
             SELECT guard.tenant, {id}, {key}, {nonce}, {body} FROM guard \
             ON CONFLICT (tenant, id) DO UPDATE SET body_key = excluded.body_key, \
             body_nonce = excluded.body_nonce, body = excluded.body RETURNING 1"
        ),
    );
}

fn credential<'a>(statement: &mut Statement<'a>, name: String, row: &'a CredentialRow) {
    let id = statement.bind(Uuid::from_bytes(*row.id.as_bytes()), Type::UUID);
    let principal = statement.bind(row.principal.to_string(), Type::TEXT);
    let hash = statement.bind(row.hash.as_bytes().as_slice(), Type::BYTEA);
    let issued_at = statement.bind(row.issued_at.as_micros(), Type::INT8);
    let expires_at = statement.bind(row.expires_at.map(|time| time.as_micros()), Type::INT8);
    let revoked_at = statement.bind(row.revoked_at.map(|time| time.as_micros()), Type::INT8);
    statement.part(
        name,
        format!(
            "INSERT INTO credentials (tenant, id, principal, hash, issued_at, expires_at, revoked_at) \
             SELECT guard.tenant, {id}, {principal}, {hash}, {issued_at}, {expires_at}, {revoked_at} FROM guard \
             ON CONFLICT (tenant, id) DO UPDATE SET principal = excluded.principal, hash = excluded.hash, \
             issued_at = excluded.issued_at, expires_at = excluded.expires_at, revoked_at = excluded.revoked_at \
             RETURNING 1"
        ),
    );
}

/// A table of sealed bodies, one of a tenant's under each name, and the column of that.
type Named = (&'static str, &'static str);

const TARGETS: Named = ("targets", "target");
const QUEUES: Named = ("queues", "queue");
const SCHEDULES: Named = ("schedules", "name");
const STOPS: Named = ("stops", "id");
const BUDGETS: Named = ("budgets", "name");
const EVIDENCE: Named = ("evidence", "id");
const CONTENTS: Named = ("evidence_contents", "id");
const NOTIFIERS: Named = ("notifiers", "name");
const OVERRIDES: Named = ("overrides", "id");

fn put<'a>(
    statement: &mut Statement<'a>,
    name: String,
    (table, column): Named,
    (under, sealed): (impl ToSql + Sync + Send + 'a, &'a Sealed),
) {
    let under = statement.bind(under, Type::TEXT);
    let key = statement.bind(sealed.key.as_ref(), Type::TEXT);
    let nonce = statement.bind(sealed.nonce.as_slice(), Type::BYTEA);
    let body = statement.bind(sealed.bytes.as_slice(), Type::BYTEA);
    statement.part(
        name,
        format!(
            "INSERT INTO {table} (tenant, {column}, body_key, body_nonce, body) \
             SELECT guard.tenant, {under}, {key}, {nonce}, {body} FROM guard \
             ON CONFLICT (tenant, {column}) DO UPDATE SET body_key = excluded.body_key, \
             body_nonce = excluded.body_nonce, body = excluded.body RETURNING 1"
        ),
    );
}

fn gone<'a>(statement: &mut Statement<'a>, name: String, (table, column): Named, under: impl ToSql + Sync + Send + 'a) {
    let under = statement.bind(under, Type::TEXT);
    statement.part(
        name,
        format!(
            "DELETE FROM {table} USING guard \
             WHERE {table}.tenant = guard.tenant AND {table}.{column} = {under} RETURNING 1"
        ),
    );
}

fn settings<'a>(statement: &mut Statement<'a>, name: String, row: &'a SettingsRow) {
    let version = statement.bind(i64::from(row.version), Type::INT8);
    let changed_at = statement.bind(row.changed_at.as_micros(), Type::INT8);
    let changed_by = statement.bind(row.changed_by.to_string(), Type::TEXT);
    let source = statement.bind(&row.source[..], Type::BYTEA);
    statement.part(
        name,
        format!(
            "INSERT INTO settings (tenant, version, changed_at, changed_by, source) \
             SELECT guard.tenant, {version}, {changed_at}, {changed_by}, {source} FROM guard RETURNING 1"
        ),
    );
}

/// Writes the row of a table of which a tenant has one at most.
fn put_single<'a>(statement: &mut Statement<'a>, name: String, table: &str, body: &'a Sealed) {
    let key = statement.bind(body.key.as_ref(), Type::TEXT);
    let nonce = statement.bind(body.nonce.as_slice(), Type::BYTEA);
    let bytes = statement.bind(body.bytes.as_slice(), Type::BYTEA);
    statement.part(
        name,
        format!(
            "INSERT INTO {table} (tenant, body_key, body_nonce, body) \
             SELECT guard.tenant, {key}, {nonce}, {bytes} FROM guard \
             ON CONFLICT (tenant) DO UPDATE SET body_key = excluded.body_key, \
             body_nonce = excluded.body_nonce, body = excluded.body RETURNING 1"
        ),
    );
}

fn single_gone(statement: &mut Statement<'_>, name: String, table: &str) {
    statement.part(name, format!("DELETE FROM {table} USING guard WHERE {table}.tenant = guard.tenant RETURNING 1"));
}

fn notifier<'a>(statement: &mut Statement<'a>, name: String, row: &'a NotifierRow) {
    let under = statement.bind(row.name.as_str(), Type::TEXT);
    let key = statement.bind(row.body.key.as_ref(), Type::TEXT);
    let nonce = statement.bind(row.body.nonce.as_slice(), Type::BYTEA);
    let body = statement.bind(row.body.bytes.as_slice(), Type::BYTEA);
    let secret = statement.bind(row.secret.as_ref().map(Secret::expose), Type::TEXT);
    statement.part(
        name,
        format!(
            "INSERT INTO notifiers (tenant, name, body_key, body_nonce, body, secret) \
             SELECT guard.tenant, {under}, {key}, {nonce}, {body}, {secret} FROM guard \
             ON CONFLICT (tenant, name) DO UPDATE SET body_key = excluded.body_key, \
             body_nonce = excluded.body_nonce, body = excluded.body, secret = excluded.secret RETURNING 1"
        ),
    );
}

fn signing_secret<'a>(statement: &mut Statement<'a>, name: String, row: &'a SigningSecretRow) {
    let id = statement.bind(Uuid::from_bytes(*row.id.as_bytes()), Type::UUID);
    let target = statement.bind(row.target.as_ref().map(ToString::to_string), Type::TEXT);
    let secret = statement.bind(row.secret.expose(), Type::BYTEA);
    let issued_at = statement.bind(row.issued_at.as_micros(), Type::INT8);
    statement.part(
        name,
        format!(
            "INSERT INTO signing_secrets (tenant, id, target, secret, issued_at) \
             SELECT guard.tenant, {id}, {target}, {secret}, {issued_at} FROM guard RETURNING 1"
        ),
    );
}

fn signing_secret_gone(statement: &mut Statement<'_>, name: String, id: SigningSecretId) {
    let id = statement.bind(Uuid::from_bytes(*id.as_bytes()), Type::UUID);
    statement.part(
        name,
        format!(
            "DELETE FROM signing_secrets USING guard \
             WHERE signing_secrets.tenant = guard.tenant AND signing_secrets.id = {id} RETURNING 1"
        ),
    );
}

/// Whether a later row of the batch takes the place of this one: one statement cannot write a row twice, so that of
/// several the last counts.
fn is_overtaken(row: &ControlRow, later: &[ControlRow]) -> bool {
    let place = if later.is_empty() { None } else { place(row) };
    place.is_some_and(|place| later.iter().any(|other| self::place(other).as_ref() == Some(&place)))
}

/// The table and key of what may be written again in the same batch.
fn place(row: &ControlRow) -> Option<(&'static str, String)> {
    match row {
        ControlRow::Principal(row) => Some(("principals", row.id.to_string())),
        ControlRow::Credential(row) => Some(("credentials", row.id.to_string())),
        ControlRow::Target(row) => Some((TARGETS.0, row.target.to_string())),
        ControlRow::Queue(row) => Some((QUEUES.0, row.queue.to_string())),
        ControlRow::Stop(row) => Some((STOPS.0, row.id.to_string())),
        ControlRow::Budget(row) => Some((BUDGETS.0, row.name.to_string())),
        ControlRow::Evidence(row, _) => Some((EVIDENCE.0, row.id.to_string())),
        ControlRow::Notifier(row) => Some((NOTIFIERS.0, row.name.to_string())),
        ControlRow::NotifierGone(name) => Some((NOTIFIERS.0, name.to_string())),
        ControlRow::Override(row) => Some((OVERRIDES.0, row.id.to_string())),
        ControlRow::Schedule(row) => Some((SCHEDULES.0, row.name.to_string())),
        ControlRow::ScheduleGone(name) => Some((SCHEDULES.0, name.to_string())),
        ControlRow::Tenant(..)
        | ControlRow::QueueGone(_)
        | ControlRow::Settings(_)
        | ControlRow::Maintenance(_)
        | ControlRow::MaintenanceOver
        | ControlRow::StopGone(_)
        | ControlRow::BudgetGone(_)
        | ControlRow::EvidenceGone(_)
        | ControlRow::OverrideGone(_)
        | ControlRow::Retention(_)
        | ControlRow::RetentionGone
        | ControlRow::Trust(_)
        | ControlRow::TrustGone
        | ControlRow::SigningSecret(_)
        | ControlRow::SigningSecretGone(_)
        | ControlRow::Definition(_)
        | ControlRow::Bundle(_)
        | ControlRow::BundleSigned(..)
        | ControlRow::ActiveBundle(_)
        | ControlRow::ShadowBundle(_) => None,
    }
}

fn definition<'a>(statement: &mut Statement<'a>, name: String, row: &'a DefinitionRow) {
    let definition = statement.bind(row.name.as_str(), Type::TEXT);
    let version = statement.bind(i64::from(row.version), Type::INT8);
    let digest = statement.bind(row.digest.as_bytes().as_slice(), Type::BYTEA);
    let registered_at = statement.bind(row.registered_at.as_micros(), Type::INT8);
    let source = statement.bind(&row.source[..], Type::BYTEA);
    statement.part(
        name,
        format!(
            "INSERT INTO definitions (tenant, name, version, digest, registered_at, source) \
             SELECT guard.tenant, {definition}, {version}, {digest}, {registered_at}, {source} FROM guard RETURNING 1"
        ),
    );
}

fn bundle<'a>(statement: &mut Statement<'a>, name: String, row: &'a BundleRow, later: &'a [ControlRow]) {
    // What the same statement writes it cannot change: the bundle has the signatures that come after it.
    let signatures = signatures_of(later, row.digest).unwrap_or(&row.signatures);
    let bundle = statement.bind(row.name.as_str(), Type::TEXT);
    let version = statement.bind(i64::from(row.version), Type::INT8);
    let digest = statement.bind(row.digest.as_bytes().as_slice(), Type::BYTEA);
    let pushed_at = statement.bind(row.pushed_at.as_micros(), Type::INT8);
    let pushed_by = statement.bind(row.pushed_by.to_string(), Type::TEXT);
    let signatures = statement.bind(signatures, Type::TEXT);
    let source = statement.bind(&row.source[..], Type::BYTEA);
    statement.part(
        name,
        format!(
            "INSERT INTO bundles (tenant, name, version, digest, pushed_at, pushed_by, signatures, source) \
             SELECT guard.tenant, {bundle}, {version}, {digest}, {pushed_at}, {pushed_by}, {signatures}, {source} \
             FROM guard RETURNING 1"
        ),
    );
}

/// The signatures that rows give a bundle at last.
fn signatures_of(rows: &[ControlRow], digest: Digest) -> Option<&str> {
    rows.iter().rev().find_map(|row| {
        let ControlRow::BundleSigned(of, signatures) = row else { return None };
        (*of == digest).then_some(&**signatures)
    })
}

/// Where there is no such bundle, its name is null, which fails the statement.
fn bundle_signed<'a>(
    statement: &mut Statement<'a>,
    name: String,
    (digest, signatures): (Digest, &'a str),
    earlier: &[ControlRow],
    later: &[ControlRow],
) {
    let pushed = |other: &ControlRow| matches!(other, ControlRow::Bundle(row) if row.digest == digest);
    if earlier.iter().any(pushed) || signatures_of(later, digest).is_some() {
        return;
    }
    let digest = statement.bind(digest.as_bytes().to_vec(), Type::BYTEA);
    let signatures = statement.bind(signatures, Type::TEXT);
    statement.part(
        name,
        format!(
            "INSERT INTO bundles (tenant, name, version, digest, pushed_at, pushed_by, signatures, source) \
             SELECT guard.tenant, old.name, old.version, {digest}, old.pushed_at, old.pushed_by, {signatures}, \
             old.source FROM guard LEFT JOIN bundles AS old ON old.tenant = guard.tenant AND old.digest = {digest} \
             ON CONFLICT (tenant, digest) DO UPDATE SET signatures = excluded.signatures RETURNING 1"
        ),
    );
}

/// Of several rows of one pointer the last one counts.
fn is_last(kind: &str, later: &[ControlRow]) -> bool {
    !later.iter().any(|row| match kind {
        SHADOW => matches!(row, ControlRow::ShadowBundle(_)),
        _ => matches!(row, ControlRow::ActiveBundle(_)),
    })
}

fn point_nowhere(statement: &mut Statement<'_>, name: String, kind: &str, later: &[ControlRow]) {
    if is_last(kind, later) {
        let is_it = format!("pointers.tenant = guard.tenant AND pointers.kind = '{kind}'");
        statement.part(name, format!("DELETE FROM pointers USING guard WHERE {is_it} RETURNING 1"));
    }
}

/// Points to a bundle. Where there is none, its digest is null, which fails the statement; a pointing that is not
/// the batch's last writes nothing else.
fn point(
    statement: &mut Statement<'_>,
    name: String,
    (kind, digest): (&str, Digest),
    (earlier, later): (&[ControlRow], &[ControlRow]),
) {
    let is_pushed = earlier.iter().any(|row| matches!(row, ControlRow::Bundle(row) if row.digest == digest));
    let is_last = is_last(kind, later);
    let digest = statement.bind(digest.as_bytes().to_vec(), Type::BYTEA);
    // What the same statement writes it cannot read.
    let is_there = statement.bind(is_pushed, Type::BOOL);
    let exists = format!(
        "({is_there} OR EXISTS (SELECT 1 FROM bundles WHERE bundles.tenant = guard.tenant AND bundles.digest = {digest}))"
    );
    let only_to_fail = if is_last { String::new() } else { format!("WHERE NOT {exists}") };
    statement.part(
        name,
        format!(
            "INSERT INTO pointers (tenant, kind, digest) \
             SELECT guard.tenant, '{kind}', CASE WHEN {exists} THEN {digest} END FROM guard {only_to_fail} \
             ON CONFLICT (tenant, kind) DO UPDATE SET digest = excluded.digest RETURNING 1"
        ),
    );
}

/// Makes the first tenant.
pub(super) async fn bootstrap(
    connections: &Connections,
    tenant: &TenantRow,
    origin: &Origin,
) -> Result<LogRow, StoreError> {
    check::shards(FIRST_TENANT, tenant.shards, 1)?;
    let conflict = || error(FIRST_TENANT, Kind::Conflict, "the store has tenants already");
    let conn = connections.get(FIRST_TENANT).await?;
    let mut statement = Statement::new();
    let system = statement.bind(TenantId::system().as_str().to_owned(), Type::TEXT);
    statement.part("guard", format!("SELECT {system} AS tenant WHERE NOT EXISTS (SELECT 1 FROM tenants)"));
    make_tenant(&mut statement, "control", tenant, std::slice::from_ref(origin), 0);
    match statement.run(&conn, FIRST_TENANT).await {
        Ok(found) => {
            let made: i64 = rows::all(FIRST_TENANT, &found, rows::value)?.first().copied().unwrap_or(0);
            if made != 1 {
                return Err(conflict());
            }
        }
        // Another made it meanwhile.
        Err(Trouble::Failed(failure)) if fault::is_conflict(&failure) => return Err(conflict()),
        Err(trouble) => return Err(trouble.into_store(FIRST_TENANT)),
    }
    let query = format!("SELECT {} FROM logs ORDER BY id LIMIT 1", rows::LOG);
    let found = conn.rows(FIRST_TENANT, &query, &[]).await?;
    let found = rows::all(FIRST_TENANT, &found, rows::log)?;
    found.into_iter().next().ok_or_else(|| error(FIRST_TENANT, Kind::Broken, "the log is gone"))
}

/// Raises the epoch of a log, on a new connection: the row's lock waits for a batch whose outcome is unknown, or
/// this comes first and shuts it out.
pub(super) async fn own(connections: &Connections, log: LogId, owner: &str) -> Result<LogRow, StoreError> {
    let operation = "own a log";
    let conn = connections.open(operation).await?;
    let statement = format!("UPDATE logs SET epoch = epoch + 1, owner = $2 WHERE id = $1 RETURNING {}", rows::LOG);
    let found = conn.rows(operation, &statement, &[(&log.0, Type::INT8), (&owner, Type::TEXT)]).await?;
    let found = rows::all(operation, &found, rows::log)?;
    found.into_iter().next().ok_or_else(|| error(operation, Kind::Missing, format!("there is no log {}", log.0)))
}

/// Stores what the integrator made, if the log's owner still is who made it: one statement, as a batch is.
pub(super) async fn checkpoint_put(
    connections: &Connections,
    log: LogId,
    tiles: &[TileRow],
    checkpoint: Option<&CheckpointRow>,
    epoch: u64,
) -> Result<bool, StoreError> {
    let mut statement = Statement::new();
    let id = statement.bind(log.0, Type::INT8);
    let epoch = statement.bind(int(PUT_CHECKPOINT, epoch)?, Type::INT8);
    let size = checkpoint.map(|row| int(PUT_CHECKPOINT, row.size)).transpose()?;
    let least = statement.bind(size.unwrap_or(0), Type::INT8);
    // Without a checkpoint there is none that could be older than one that is stored.
    let newer_than = statement.bind(size.unwrap_or(i64::MAX), Type::INT8);
    // The lock shuts out a new owner until this is done; a batch waits for it, and is not failed by it.
    statement.part(
        "guard",
        format!(
            "SELECT id FROM logs WHERE id = {id} AND epoch = {epoch} AND size >= {least} \
             AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE log = {id} AND size >= {newer_than}) FOR SHARE"
        ),
    );
    put_tiles(&mut statement, tiles)?;
    if let (Some(row), Some(size)) = (checkpoint, size) {
        let size = statement.bind(size, Type::INT8);
        let note = statement.bind(row.note.as_str(), Type::TEXT);
        let insert = "INSERT INTO checkpoints (log, size, note)";
        statement.part("put", format!("{insert} SELECT guard.id, {size}, {note} FROM guard RETURNING 1"));
    }
    let conn = connections.get(PUT_CHECKPOINT).await?;
    match statement.run(&conn, PUT_CHECKPOINT).await {
        Ok(found) => Ok(rows::all(PUT_CHECKPOINT, &found, rows::value::<i64>)?.first() == Some(&1)),
        // Another stored one of this size meanwhile.
        Err(Trouble::Failed(failure)) if fault::is_conflict(&failure) => Ok(false),
        Err(trouble) => Err(trouble.into_store(PUT_CHECKPOINT)),
    }
}

/// A tile only grows: a shorter one is a late retry. Of several the longest counts, of equal ones the first.
fn put_tiles<'a>(statement: &mut Statement<'a>, tiles: &'a [TileRow]) -> Result<(), StoreError> {
    if tiles.is_empty() {
        return Ok(());
    }
    let mut longest: Vec<(i64, i64, &'a [u8])> = Vec::with_capacity(tiles.len());
    for tile in tiles {
        let (level, index) = (i64::from(tile.level), int(PUT_CHECKPOINT, tile.index)?);
        match longest.iter_mut().find(|(l, i, _)| (*l, *i) == (level, index)) {
            Some((_, _, hashes)) if hashes.len() < tile.hashes.len() => *hashes = &tile.hashes,
            Some(_) => {}
            None => longest.push((level, index, &tile.hashes)),
        }
    }
    let source = statement.unnest(vec![
        column(&longest, Type::INT8_ARRAY, |(level, _, _)| *level),
        column(&longest, Type::INT8_ARRAY, |(_, index, _)| *index),
        column(&longest, Type::BYTEA_ARRAY, |(_, _, hashes)| *hashes),
    ]);
    statement.part(
        "grown",
        format!(
            "INSERT INTO tiles (log, level, tile, hashes) SELECT guard.id, new.* FROM guard, {source} AS new \
             ON CONFLICT (log, level, tile) DO UPDATE SET hashes = excluded.hashes \
             WHERE length(excluded.hashes) > length(tiles.hashes) RETURNING 1"
        ),
    );
    Ok(())
}
