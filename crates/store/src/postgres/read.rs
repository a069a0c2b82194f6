//! Reads: one statement, or several in one snapshot.

use crate::check::LOG_ENTRIES_MAX;
use crate::events::Gather;
use crate::postgres::pool::{Connection, Connections, Param};
use crate::postgres::rows;
use crate::scan::{BUNDLE, SHADOW};
use crate::search::{self, Plan, Statement, Value};
use crate::words;
use crate::{
    CheckpointRow, Count, EventReach, EventSearch, EventsFound, Found, Reach, RequestReach, RequestSearch, TileRow,
    error,
};
use chancery_base::limits::{ENTRIES_BYTES_MAX, PAGE_STEP};
use chancery_base::{Digest, EvidenceId, Kind, Name, RequestId, TenantId, Timestamp, TransactionId};
use chancery_shard::batch::{ControlRows, Loaded, LoadedTransaction, Sources, StoreError};
use chancery_shard::row::{
    BundleRow, DefinitionRow, EntryRow, EvidenceContentRow, KeyRow, KeyScope, LogId, LogRow, PayloadRow, RequestRow,
    ScheduleRow, SettingsRow, StepRow, TenantRow, TransactionRow,
};
use chancery_shard::search::Search;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

pub(super) type Answer<T> = Result<T, StoreError>;

/// Reads one row, or says which column is wrong.
pub(super) type Reader<T> = fn(&Row) -> Result<T, rows::BadColumn>;

pub(super) async fn all<T>(
    conn: &Connection,
    operation: &'static str,
    sql: &str,
    params: &[Param<'_>],
    read: Reader<T>,
) -> Answer<Vec<T>> {
    let found = conn.rows(operation, sql, params).await?;
    rows::all(operation, &found, read)
}

async fn one<T>(
    conn: &Connection,
    operation: &'static str,
    sql: &str,
    params: &[Param<'_>],
    read: Reader<T>,
) -> Answer<Option<T>> {
    Ok(all(conn, operation, sql, params, read).await?.into_iter().next())
}

/// A limit as PostgreSQL takes it.
pub(super) fn rows_max(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn uuid(id: TransactionId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

fn second<A, B>(pairs: Vec<(A, B)>) -> Vec<B> {
    pairs.into_iter().map(|(_, row)| row).collect()
}

pub(super) async fn logs(connections: &Connections) -> Answer<Vec<LogRow>> {
    let conn = connections.get("read logs").await?;
    all(&conn, "read logs", &format!("SELECT {} FROM logs ORDER BY id", rows::LOG), &[], rows::log).await
}

async fn log(conn: &Connection, log: LogId) -> Answer<LogRow> {
    let query = format!("SELECT {} FROM logs WHERE id = $1", rows::LOG);
    let found = one(conn, "read a log", &query, &[(&log.0, Type::INT8)], rows::log).await?;
    found.ok_or_else(|| error("read a log", Kind::Missing, format!("there is no log {}", log.0)))
}

pub(super) async fn control(connections: &Connections, id: LogId) -> Answer<ControlRows> {
    let conn = connections.get("read control rows").await?;
    conn.begin().await?;
    let log = log(&conn, id).await?;
    let name = log.tenant.as_str();
    let tenant: &[Param<'_>] = &[(&name, Type::TEXT)];
    let query = format!("SELECT {} FROM tenants WHERE tenant = $1", rows::TENANT);
    let row = one(&conn, "read a tenant", &query, tenant, rows::tenant).await?;
    let missing = || error("read control rows", Kind::Broken, format!("log {} is of no tenant", id.0));
    let query = format!("SELECT {} FROM principals WHERE tenant = $1 ORDER BY id", rows::PRINCIPAL);
    let principals = second(all(&conn, "read principals", &query, tenant, rows::principal).await?);
    let query = format!("SELECT {} FROM credentials WHERE tenant = $1 ORDER BY id", rows::CREDENTIAL);
    let credentials = second(all(&conn, "read credentials", &query, tenant, rows::credential).await?);
    let query = format!("SELECT {} FROM targets WHERE tenant = $1 ORDER BY target", rows::TARGET);
    let targets = second(all(&conn, "read targets", &query, tenant, rows::target).await?);
    let query = format!("SELECT {} FROM queues WHERE tenant = $1 ORDER BY queue", rows::QUEUE);
    let queues = second(all(&conn, "read queues", &query, tenant, rows::queue).await?);
    let settings = newest_settings(&conn, name).await?;
    let query = format!("SELECT {} FROM maintenance WHERE tenant = $1", rows::MAINTENANCE);
    let maintenance = second(all(&conn, "read maintenance", &query, tenant, rows::maintenance).await?).pop();
    let query = format!("SELECT {} FROM evidence WHERE tenant = $1 ORDER BY id", rows::EVIDENCE);
    let evidence = second(all(&conn, "read evidence", &query, tenant, rows::evidence).await?);
    let query = format!("SELECT {} FROM stops WHERE tenant = $1 ORDER BY id", rows::STOP);
    let stops = second(all(&conn, "read stops", &query, tenant, rows::stop).await?);
    let query = format!("SELECT {} FROM budgets WHERE tenant = $1 ORDER BY name", rows::BUDGET);
    let budgets = second(all(&conn, "read budgets", &query, tenant, rows::budget).await?);
    let query = format!("SELECT {} FROM accounts WHERE tenant = $1 ORDER BY account", rows::ACCOUNT);
    let accounts = second(all(&conn, "read accounts", &query, tenant, rows::account).await?);
    let query = format!("SELECT {} FROM notifiers WHERE tenant = $1 ORDER BY name", rows::NOTIFIER);
    let notifiers = second(all(&conn, "read notifiers", &query, tenant, rows::notifier).await?);
    let query = format!("SELECT {} FROM overrides WHERE tenant = $1 ORDER BY id", rows::OVERRIDE);
    let overrides = second(all(&conn, "read overrides", &query, tenant, rows::over).await?);
    let query = format!("SELECT {} FROM retention WHERE tenant = $1", rows::RETENTION);
    let retention = second(all(&conn, "read retention", &query, tenant, rows::retention).await?).pop();
    let query = format!("SELECT {} FROM trust WHERE tenant = $1", rows::TRUST);
    let trust = second(all(&conn, "read what is said of bundles", &query, tenant, rows::trust).await?).pop();
    let query = format!("SELECT {} FROM signing_secrets WHERE tenant = $1 ORDER BY id", rows::SIGNING_SECRET);
    let signing_secrets = second(all(&conn, "read signing secrets", &query, tenant, rows::signing_secret).await?);
    let query = "SELECT DISTINCT ON (name) name, version, digest FROM definitions WHERE tenant = $1 \
         ORDER BY name, version DESC";
    let definitions = all(&conn, "read definitions", query, tenant, rows::definition_head).await?;
    let bundle = pointed(&conn, &log.tenant, BUNDLE).await?;
    let shadow = pointed(&conn, &log.tenant, SHADOW).await?;
    conn.end().await?;
    let tenant = row.ok_or_else(missing)?;
    Ok(ControlRows {
        control_epoch: log.control_epoch,
        tenant,
        principals,
        credentials,
        targets,
        queues,
        settings,
        maintenance,
        stops,
        accounts,
        budgets,
        evidence,
        notifiers,
        overrides,
        retention,
        trust,
        signing_secrets,
        definitions,
        bundle,
        shadow,
    })
}

/// The bundle that a pointer of this kind is to.
async fn pointed(conn: &Connection, tenant: &TenantId, kind: &'static str) -> Answer<Option<BundleRow>> {
    let Some(digest) = pointer(conn, tenant, kind).await? else { return Ok(None) };
    let found = bundle_by(conn, tenant, digest).await?;
    let missing = || error("read a pointer", Kind::Broken, format!("there is no bundle {digest}"));
    found.map(Some).ok_or_else(missing)
}

async fn pointer(conn: &Connection, tenant: &TenantId, kind: &'static str) -> Answer<Option<Digest>> {
    let query = "SELECT digest FROM pointers WHERE tenant = $1 AND kind = $2";
    one(conn, "read a pointer", query, &[(&tenant.as_str(), Type::TEXT), (&kind, Type::TEXT)], rows::digest).await
}

pub(super) async fn recover(
    connections: &Connections,
    log: LogId,
    after: Option<TransactionId>,
    limit: usize,
) -> Answer<Loaded> {
    let operation = "recover transactions";
    let conn = connections.get(operation).await?;
    conn.begin().await?;
    // The condition is the index's own, so that it is used.
    let query = format!(
        "SELECT {} FROM transactions WHERE log = $1 AND ($2::uuid IS NULL OR id > $2) AND ended_at IS NULL \
         AND status <> 'parked' AND status <> 'waiting' ORDER BY id LIMIT $3",
        rows::TRANSACTION
    );
    let after = after.map(uuid);
    let page: &[Param<'_>] = &[(&log.0, Type::INT8), (&after, Type::UUID), (&rows_max(limit), Type::INT8)];
    let heads = all(&conn, operation, &query, page, rows::transaction).await?;
    let loaded = complete(&conn, log, heads).await?;
    conn.end().await?;
    Ok(loaded)
}

pub(super) async fn asleep(
    connections: &Connections,
    log: LogId,
    after: Option<TransactionId>,
    limit: usize,
) -> Answer<Vec<(TransactionId, Timestamp)>> {
    let operation = "read when transactions wake";
    let conn = connections.get(operation).await?;
    let query = "SELECT id, wake_at FROM transactions WHERE log = $1 AND ($2::uuid IS NULL OR id > $2) \
                 AND status = 'waiting' AND wake_at IS NOT NULL ORDER BY id LIMIT $3";
    let after = after.map(uuid);
    let page: &[Param<'_>] = &[(&log.0, Type::INT8), (&after, Type::UUID), (&rows_max(limit), Type::INT8)];
    all(&conn, operation, query, page, rows::asleep).await
}

pub(super) async fn load(
    connections: &Connections,
    log: LogId,
    transactions: &[TransactionId],
    keys: &[(KeyScope, u16, [u8; 32])],
) -> Answer<Loaded> {
    let conn = connections.get("load transactions").await?;
    if transactions.is_empty() {
        return Ok(Loaded { keys: load_keys(&conn, log, keys).await?, ..Loaded::default() });
    }
    conn.begin().await?;
    let query = format!("SELECT {} FROM transactions WHERE id = ANY($1) AND log = $2", rows::TRANSACTION);
    let ids: Vec<Uuid> = transactions.iter().copied().map(uuid).collect();
    let params: &[Param<'_>] = &[(&ids, Type::UUID_ARRAY), (&log.0, Type::INT8)];
    let found = all(&conn, "load transactions", &query, params, rows::transaction).await?;
    let found: HashMap<TransactionId, TransactionRow> = found.into_iter().map(|row| (row.id, row)).collect();
    // As they were asked for, one that was asked for twice too.
    let heads = transactions.iter().filter_map(|id| found.get(id).cloned()).collect();
    let mut loaded = complete(&conn, log, heads).await?;
    loaded.keys = load_keys(&conn, log, keys).await?;
    conn.end().await?;
    Ok(loaded)
}

async fn load_keys(conn: &Connection, log: LogId, keys: &[(KeyScope, u16, [u8; 32])]) -> Answer<Vec<KeyRow>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let scopes: Vec<&str> = keys.iter().map(|(scope, _, _)| words::scope(*scope)).collect();
    let slots: Vec<i64> = keys.iter().map(|(_, slot, _)| i64::from(*slot)).collect();
    let hashes: Vec<&[u8]> = keys.iter().map(|(_, _, key)| key.as_slice()).collect();
    let query = "SELECT keys.tenant, keys.scope, keys.slot, keys.key, keys.request, keys.transaction_id \
         FROM unnest($2, $3, $4) WITH ORDINALITY AS asked (scope, slot, key, place) \
         JOIN logs ON logs.id = $1 \
         JOIN keys ON keys.tenant = logs.tenant AND keys.scope = asked.scope AND keys.slot = asked.slot \
         AND keys.key = asked.key ORDER BY asked.place";
    let params: &[Param<'_>] =
        &[(&log.0, Type::INT8), (&scopes, Type::TEXT_ARRAY), (&slots, Type::INT8_ARRAY), (&hashes, Type::BYTEA_ARRAY)];
    Ok(second(all(conn, "load keys", query, params, rows::key).await?))
}

/// Adds to transactions of one log their steps and payloads, their definitions, and the settings that they see.
async fn complete(conn: &Connection, log: LogId, heads: Vec<TransactionRow>) -> Answer<Loaded> {
    if heads.is_empty() {
        return Ok(Loaded::default());
    }
    let versions: BTreeSet<(Name, u32)> = heads.iter().map(|row| (row.definition.clone(), row.version)).collect();
    let definitions = load_definitions(conn, log, versions.iter()).await?;
    let settings = load_settings(conn, log, heads.iter().filter_map(|row| row.settings).collect()).await?;
    Ok(Loaded { transactions: with_steps(conn, log, heads).await?, keys: Vec::new(), definitions, settings })
}

async fn load_settings(conn: &Connection, log: LogId, versions: BTreeSet<u32>) -> Answer<Vec<SettingsRow>> {
    if versions.is_empty() {
        return Ok(Vec::new());
    }
    let versions: Vec<i64> = versions.into_iter().map(i64::from).collect();
    let query = "SELECT found.tenant, found.version, found.changed_at, found.changed_by, found.source \
         FROM logs JOIN settings AS found ON found.tenant = logs.tenant AND found.version = ANY($2) \
         WHERE logs.id = $1 ORDER BY found.version";
    let params: &[Param<'_>] = &[(&log.0, Type::INT8), (&versions, Type::INT8_ARRAY)];
    Ok(second(all(conn, "load settings", query, params, rows::tenant_settings).await?))
}

async fn newest_settings(conn: &Connection, tenant: &str) -> Answer<Option<SettingsRow>> {
    let query = format!("SELECT {} FROM settings WHERE tenant = $1 ORDER BY version DESC LIMIT 1", rows::SETTINGS);
    Ok(second(all(conn, "read settings", &query, &[(&tenant, Type::TEXT)], rows::tenant_settings).await?).pop())
}

pub(super) async fn settings(
    connections: &Connections,
    tenant: &TenantId,
    version: Option<u32>,
) -> Answer<Option<SettingsRow>> {
    let conn = connections.get("read settings").await?;
    let Some(version) = version else { return newest_settings(&conn, tenant.as_str()).await };
    let query = format!("SELECT {} FROM settings WHERE tenant = $1 AND version = $2", rows::SETTINGS);
    let key: &[Param<'_>] = &[(&tenant.as_str(), Type::TEXT), (&i64::from(version), Type::INT8)];
    Ok(second(all(&conn, "read settings", &query, key, rows::tenant_settings).await?).pop())
}

pub(super) async fn settings_list(
    connections: &Connections,
    tenant: &TenantId,
    before: Option<u32>,
    limit: usize,
) -> Answer<Vec<SettingsRow>> {
    let conn = connections.get("list settings").await?;
    let query = format!(
        "SELECT {} FROM settings WHERE tenant = $1 AND ($2::bigint IS NULL OR version < $2) \
         ORDER BY version DESC LIMIT $3",
        rows::SETTINGS
    );
    let before = before.map(i64::from);
    let page: &[Param<'_>] = &[(&tenant.as_str(), Type::TEXT), (&before, Type::INT8), (&rows_max(limit), Type::INT8)];
    Ok(second(all(&conn, "list settings", &query, page, rows::tenant_settings).await?))
}

async fn load_definitions(
    conn: &Connection,
    log: LogId,
    versions: impl Iterator<Item = &(Name, u32)> + Clone,
) -> Answer<Vec<DefinitionRow>> {
    let names: Vec<&str> = versions.clone().map(|(name, _)| name.as_str()).collect();
    let numbers: Vec<i64> = versions.map(|(_, version)| i64::from(*version)).collect();
    let query = "SELECT found.tenant, found.name, found.version, found.digest, found.registered_at, found.source \
         FROM logs JOIN unnest($2, $3) AS asked (name, version) ON true \
         JOIN definitions AS found ON found.tenant = logs.tenant AND found.name = asked.name \
         AND found.version = asked.version WHERE logs.id = $1 ORDER BY found.name, found.version";
    let params: &[Param<'_>] = &[(&log.0, Type::INT8), (&names, Type::TEXT_ARRAY), (&numbers, Type::INT8_ARRAY)];
    Ok(second(all(conn, "load definitions", query, params, rows::definition).await?))
}

pub(super) async fn sources(
    connections: &Connections,
    log: LogId,
    wanted: &[u64],
    definitions: &[(Name, u32)],
) -> Answer<Sources> {
    // Entries and definitions never change, so this needs no snapshot.
    let conn = connections.get("load what schedules start").await?;
    let payloads = if wanted.is_empty() { BTreeMap::new() } else { payloads(&conn, log, wanted.iter()).await? };
    let definitions =
        if definitions.is_empty() { Vec::new() } else { load_definitions(&conn, log, definitions.iter()).await? };
    Ok(Sources { payloads: payloads.into_iter().collect(), definitions })
}

pub(super) async fn evidence_content(
    connections: &Connections,
    tenant: &TenantId,
    id: EvidenceId,
) -> Answer<Option<EvidenceContentRow>> {
    let conn = connections.get("read the content of evidence").await?;
    let query = format!("SELECT {} FROM evidence_contents WHERE tenant = $1 AND id = $2", rows::EVIDENCE);
    let id = id.to_string();
    let key: &[Param<'_>] = &[(&tenant.as_str(), Type::TEXT), (&id, Type::TEXT)];
    Ok(one(&conn, "read the content of evidence", &query, key, rows::evidence_content).await?.map(|(_, row)| row))
}

pub(super) async fn schedule(connections: &Connections, tenant: &TenantId, name: &Name) -> Answer<Option<ScheduleRow>> {
    let conn = connections.get("read a schedule").await?;
    let query = format!("SELECT {} FROM schedules WHERE tenant = $1 AND name = $2", rows::SCHEDULE);
    let key: &[Param<'_>] = &[(&tenant.as_str(), Type::TEXT), (&name.as_str(), Type::TEXT)];
    Ok(one(&conn, "read a schedule", &query, key, rows::schedule).await?.map(|(_, row)| row))
}

pub(super) async fn schedules(
    connections: &Connections,
    tenant: &TenantId,
    after: Option<&Name>,
    limit: usize,
) -> Answer<Vec<ScheduleRow>> {
    schedule_page(&connections.get("list schedules").await?, tenant, after, limit).await
}

pub(super) async fn schedules_of(
    connections: &Connections,
    id: LogId,
    after: Option<&Name>,
    limit: usize,
) -> Answer<Vec<ScheduleRow>> {
    let conn = connections.get("list schedules").await?;
    // A log's tenant never changes, so this needs no snapshot.
    let tenant = log(&conn, id).await?.tenant;
    schedule_page(&conn, &tenant, after, limit).await
}

async fn schedule_page(
    conn: &Connection,
    tenant: &TenantId,
    after: Option<&Name>,
    limit: usize,
) -> Answer<Vec<ScheduleRow>> {
    let query =
        format!("SELECT {} FROM schedules WHERE tenant = $1 AND name > $2 ORDER BY name LIMIT $3", rows::SCHEDULE);
    let (tenant, name, limit) = (tenant.as_str(), after.map_or("", Name::as_str), rows_max(limit));
    let page: &[Param<'_>] = &[(&tenant, Type::TEXT), (&name, Type::TEXT), (&limit, Type::INT8)];
    Ok(second(all(conn, "list schedules", &query, page, rows::schedule).await?))
}

async fn with_steps(conn: &Connection, log: LogId, heads: Vec<TransactionRow>) -> Answer<Vec<LoadedTransaction>> {
    let ids: Vec<Uuid> = heads.iter().map(|row| uuid(row.id)).collect();
    let query =
        format!("SELECT {} FROM steps WHERE transaction_id = ANY($1) ORDER BY transaction_id, step, clone", rows::STEP);
    let found = all(conn, "load steps", &query, &[(&ids, Type::UUID_ARRAY)], rows::step).await?;
    let mut steps: HashMap<TransactionId, Vec<StepRow>> = HashMap::with_capacity(heads.len());
    for step in found {
        steps.entry(step.transaction).or_default().push(step);
    }
    let mut loaded = Vec::with_capacity(heads.len());
    for row in heads {
        let steps = steps.get(&row.id).cloned().unwrap_or_default();
        let of_steps = steps.iter().flat_map(|step| [step.output_seq, step.undo_seq, step.intent_seq]).flatten();
        let wanted: BTreeSet<u64> =
            of_steps.chain([row.input_seq]).chain(row.output_seq).chain(row.kept.iter().copied()).collect();
        loaded.push((row, steps, wanted));
    }
    let payloads = payloads(conn, log, loaded.iter().flat_map(|(_, _, wanted)| wanted)).await?;
    let complete = |(row, steps, wanted): (_, _, BTreeSet<u64>)| {
        let of_row = wanted.iter().filter_map(|seq| Some((*seq, Arc::clone(payloads.get(seq)?))));
        LoadedTransaction { row, steps, payloads: of_row.collect() }
    };
    Ok(loaded.into_iter().map(complete).collect())
}

async fn payloads(
    conn: &Connection,
    log: LogId,
    wanted: impl Iterator<Item = &u64>,
) -> Answer<BTreeMap<u64, Arc<PayloadRow>>> {
    let wanted: BTreeSet<i64> = wanted.filter_map(|seq| i64::try_from(*seq).ok()).collect();
    let wanted: Vec<i64> = wanted.into_iter().collect();
    let query = format!("SELECT {} FROM entries WHERE log = $1 AND seq = ANY($2)", rows::PAYLOAD);
    let params: &[Param<'_>] = &[(&log.0, Type::INT8), (&wanted, Type::INT8_ARRAY)];
    let found = all(conn, "load payloads", &query, params, rows::payload).await?;
    Ok(found.into_iter().filter_map(|(seq, payload)| Some((seq, Arc::new(payload?)))).collect())
}

pub(super) async fn entries(
    connections: &Connections,
    log: LogId,
    from: u64,
    limit: usize,
    payloads: bool,
) -> Answer<Vec<EntryRow>> {
    let Some(from) = i64::try_from(from).ok().filter(|_| from < LOG_ENTRIES_MAX) else { return Ok(Vec::new()) };
    let conn = connections.get("read entries").await?;
    let columns = if payloads { rows::ENTRY } else { rows::ENTRY_BARE };
    let of_log = "FROM entries WHERE log = $1 AND seq >= $2 ORDER BY seq LIMIT $3";
    let query = if payloads && limit > PAGE_STEP {
        // As `page::wants`, of what is not sent before it is asked.
        format!(
            "SELECT {columns} FROM (SELECT *, row_number() OVER w AS place, \
             sum(coalesce(octet_length(payload), 0)) OVER w - coalesce(octet_length(payload), 0) AS before \
             FROM (SELECT * {of_log}) AS asked WINDOW w AS (ORDER BY seq)) AS page \
             WHERE place <= {PAGE_STEP} OR before < {ENTRIES_BYTES_MAX} ORDER BY seq"
        )
    } else {
        format!("SELECT {columns} {of_log}")
    };
    let page: &[Param<'_>] = &[(&log.0, Type::INT8), (&from, Type::INT8), (&rows_max(limit), Type::INT8)];
    Ok(second(all(&conn, "read entries", &query, page, rows::entry).await?))
}

pub(super) async fn entries_at(connections: &Connections, log: LogId, numbers: &[u64]) -> Answer<Vec<EntryRow>> {
    let conn = connections.get("read entries").await?;
    let numbers: Vec<i64> = numbers.iter().filter_map(|seq| i64::try_from(*seq).ok()).collect();
    let query = format!("SELECT {} FROM entries WHERE log = $1 AND seq = ANY($2) ORDER BY seq", rows::ENTRY);
    let wanted: &[Param<'_>] = &[(&log.0, Type::INT8), (&numbers, Type::INT8_ARRAY)];
    Ok(second(all(&conn, "read entries", &query, wanted, rows::entry).await?))
}

pub(super) async fn events(
    connections: &Connections,
    log: LogId,
    search: &EventSearch,
    reach: EventReach,
) -> Answer<EventsFound> {
    let conn = connections.get("read events").await?;
    let mut gather = Gather::new(search, reach);
    while let Some((from, rows)) = gather.wants() {
        // Beyond is nothing.
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let statement = search.statement('$', log, (from, rows), rows::EVENT);
        gather.take(ask(&conn, "read events", statement, rows::event).await?, rows);
    }
    Ok(gather.finish())
}

pub(super) async fn requests(
    connections: &Connections,
    log: LogId,
    search: &RequestSearch,
    reach: RequestReach,
) -> Answer<Vec<RequestRow>> {
    let conn = connections.get("list requests").await?;
    ask(&conn, "list requests", search.statement('$', log, reach, rows::REQUEST), rows::request).await
}

pub(super) async fn request(connections: &Connections, tenant: &TenantId, id: RequestId) -> Answer<Option<RequestRow>> {
    let conn = connections.get("read a request").await?;
    let query = format!(
        "SELECT {} FROM requests WHERE id = $1 AND log IN (SELECT id FROM logs WHERE tenant = $2)",
        rows::REQUEST
    );
    let key: &[Param<'_>] = &[(&Uuid::from_bytes(*id.as_bytes()), Type::UUID), (&tenant.as_str(), Type::TEXT)];
    one(&conn, "read a request", &query, key, rows::request).await
}

pub(super) async fn checkpoint(
    connections: &Connections,
    log: LogId,
    at_most: Option<u64>,
) -> Answer<Option<CheckpointRow>> {
    let conn = connections.get("read a checkpoint").await?;
    let query = "SELECT size, note FROM checkpoints WHERE log = $1 AND size <= $2 ORDER BY size DESC LIMIT 1";
    let at_most = at_most.map_or(i64::MAX, |size| i64::try_from(size).unwrap_or(i64::MAX));
    one(&conn, "read a checkpoint", query, &[(&log.0, Type::INT8), (&at_most, Type::INT8)], rows::checkpoint).await
}

pub(super) async fn tile(connections: &Connections, log: LogId, level: u8, index: u64) -> Answer<Option<TileRow>> {
    let Ok(index) = i64::try_from(index) else { return Ok(None) };
    let conn = connections.get("read a tile").await?;
    let query = "SELECT level, tile, hashes FROM tiles WHERE log = $1 AND level = $2 AND tile = $3";
    let params: &[Param<'_>] = &[(&log.0, Type::INT8), (&i64::from(level), Type::INT8), (&index, Type::INT8)];
    one(&conn, "read a tile", query, params, rows::tile).await
}

pub(super) async fn transaction(
    connections: &Connections,
    tenant: &TenantId,
    id: TransactionId,
) -> Answer<Option<LoadedTransaction>> {
    let conn = connections.get("read a transaction").await?;
    conn.begin().await?;
    let query = format!(
        "SELECT {} FROM transactions WHERE id = $1 AND log IN (SELECT id FROM logs WHERE tenant = $2)",
        rows::TRANSACTION
    );
    let key: &[Param<'_>] = &[(&uuid(id), Type::UUID), (&tenant.as_str(), Type::TEXT)];
    let loaded = match one(&conn, "read a transaction", &query, key, rows::transaction).await? {
        None => None,
        Some(row) => with_steps(&conn, row.log, vec![row]).await?.pop(),
    };
    conn.end().await?;
    Ok(loaded)
}

pub(super) async fn transactions(
    connections: &Connections,
    tenant: &TenantId,
    search: &Search,
    reach: Reach,
) -> Answer<Found> {
    let operation = "search transactions";
    let conn = connections.get(operation).await?;
    let (plan, logs) = (Plan::of(search), logs_of(&conn, tenant).await?);
    let floor = floor(&conn, operation, &plan, &logs, reach).await?;
    let mut found = Vec::new();
    for logs in search::some(&logs, &plan) {
        let mut statement = Statement::new('$');
        search::page(&mut statement, &plan, logs, reach, floor, rows::TRANSACTION);
        found.extend(ask(&conn, operation, statement, rows::transaction).await?);
    }
    found.sort_unstable_by_key(|row| Reverse(row.id));
    found.truncate(reach.limit);
    Ok(Found { rows: found, floor })
}

pub(super) async fn transaction_count(
    connections: &Connections,
    tenant: &TenantId,
    search: &Search,
    reach: Reach,
) -> Answer<Count> {
    let operation = "count transactions";
    let conn = connections.get(operation).await?;
    let (plan, logs) = (Plan::of(search), logs_of(&conn, tenant).await?);
    let floor = floor(&conn, operation, &plan, &logs, reach).await?;
    let mut counts = Vec::new();
    for logs in search::some(&logs, &plan) {
        let mut statement = Statement::new('$');
        search::count(&mut statement, &plan, logs, reach, floor);
        counts.extend(ask(&conn, operation, statement, |row| rows::number::<u64>(row, 0)).await?);
    }
    Ok(Count::of(counts, floor, reach))
}

/// How a page is searched, as PostgreSQL explains it.
pub(super) async fn search_plan(
    connections: &Connections,
    log: LogId,
    search: &Search,
    reach: Reach,
) -> Answer<Vec<String>> {
    let operation = "explain a search";
    let conn = connections.get(operation).await?;
    let mut statement = Statement::new('$');
    search::page(&mut statement, &Plan::of(search), &[log], reach, None, rows::TRANSACTION);
    statement.sql.insert_str(0, "EXPLAIN ");
    ask(&conn, operation, statement, rows::value).await
}

async fn logs_of(conn: &Connection, tenant: &TenantId) -> Answer<Vec<LogId>> {
    let query = "SELECT id FROM logs WHERE tenant = $1 ORDER BY id";
    all(conn, "read logs", query, &[(&tenant.as_str(), Type::TEXT)], |row| rows::value(row).map(LogId)).await
}

/// Where a search stops looking.
async fn floor(
    conn: &Connection,
    operation: &'static str,
    plan: &Plan<'_>,
    logs: &[LogId],
    reach: Reach,
) -> Answer<Option<TransactionId>> {
    let mut floors = Vec::new();
    for logs in search::some(logs, plan).filter(|_| !plan.rest.is_empty()) {
        let mut statement = Statement::new('$');
        search::floor(&mut statement, plan, logs, reach);
        floors.extend(ask(conn, operation, statement, rows::transaction_id).await?);
    }
    Ok(floors.into_iter().max())
}

/// The rows of a statement that is not kept: there are too many forms of them.
async fn ask<T>(conn: &Connection, operation: &'static str, statement: Statement, read: Reader<T>) -> Answer<Vec<T>> {
    let values: Vec<(Box<dyn ToSql + Sync + Send>, Type)> = statement.values.into_iter().map(sql).collect();
    let params: Vec<Param<'_>> =
        values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
    let found = conn.rows_once(operation, &statement.sql, &params).await?;
    rows::all(operation, &found, read)
}

fn sql(value: Value) -> (Box<dyn ToSql + Sync + Send>, Type) {
    match value {
        Value::Text(text) => (Box::new(text), Type::TEXT),
        Value::Bytes(bytes) => (Box::new(bytes), Type::BYTEA),
        Value::Int(number) => (Box::new(number), Type::INT8),
        Value::Id(id) => (Box::new(uuid(id)), Type::UUID),
        Value::Request(id) => (Box::new(Uuid::from_bytes(*id.as_bytes())), Type::UUID),
    }
}

pub(super) async fn history(
    connections: &Connections,
    tenant: &TenantId,
    id: TransactionId,
    from: u64,
    limit: usize,
) -> Answer<Vec<(LogId, EntryRow)>> {
    let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
    let conn = connections.get("read a history").await?;
    let query = format!(
        "SELECT {} FROM entries WHERE transaction_id = $1 AND n >= $2 \
         AND log IN (SELECT id FROM logs WHERE tenant = $4) ORDER BY n LIMIT $3",
        rows::ENTRY
    );
    let page: &[Param<'_>] =
        &[(&uuid(id), Type::UUID), (&from, Type::INT8), (&rows_max(limit), Type::INT8), (&tenant.as_str(), Type::TEXT)];
    all(&conn, "read a history", &query, page, rows::entry).await
}

pub(super) async fn definition(
    connections: &Connections,
    tenant: &TenantId,
    name: &Name,
    version: Option<u32>,
) -> Answer<Option<DefinitionRow>> {
    definition_by(&connections.get("read a definition").await?, tenant, name, version).await
}

pub(super) async fn definition_of(
    connections: &Connections,
    id: LogId,
    name: &Name,
    version: u32,
) -> Answer<Option<DefinitionRow>> {
    let conn = connections.get("read a definition").await?;
    // A log's tenant never changes, so this needs no snapshot.
    let tenant = log(&conn, id).await?.tenant;
    definition_by(&conn, &tenant, name, Some(version)).await
}

async fn definition_by(
    conn: &Connection,
    tenant: &TenantId,
    name: &Name,
    version: Option<u32>,
) -> Answer<Option<DefinitionRow>> {
    let query = format!(
        "SELECT {} FROM definitions WHERE tenant = $1 AND name = $2 AND ($3::bigint IS NULL OR version = $3) \
         ORDER BY version DESC LIMIT 1",
        rows::DEFINITION
    );
    let key: &[Param<'_>] =
        &[(&tenant.as_str(), Type::TEXT), (&name.as_str(), Type::TEXT), (&version.map(i64::from), Type::INT8)];
    Ok(one(conn, "read a definition", &query, key, rows::definition).await?.map(|(_, row)| row))
}

/// A page by (name, version): `$1` is the tenant, `$2` and `$3` what it begins after, `$4` how many rows.
struct Page<'a> {
    tenant: &'a str,
    name: &'a str,
    version: i64,
    limit: i64,
}

impl<'a> Page<'a> {
    fn new(tenant: &'a TenantId, after: Option<&'a (Name, u32)>, limit: usize) -> Self {
        let (name, version) = after.map_or(("", 0), |(name, version)| (name.as_str(), *version));
        Self { tenant: tenant.as_str(), name, version: i64::from(version), limit: rows_max(limit) }
    }

    fn params(&self) -> [Param<'_>; 4] {
        [(&self.tenant, Type::TEXT), (&self.name, Type::TEXT), (&self.version, Type::INT8), (&self.limit, Type::INT8)]
    }
}

pub(super) async fn definitions(
    connections: &Connections,
    tenant: &TenantId,
    after: Option<&(Name, u32)>,
    limit: usize,
) -> Answer<Vec<DefinitionRow>> {
    let conn = connections.get("list definitions").await?;
    let query = format!(
        "SELECT {} FROM definitions WHERE tenant = $1 AND (name, version) > ($2, $3) ORDER BY name, version LIMIT $4",
        rows::DEFINITION
    );
    let page = Page::new(tenant, after, limit);
    Ok(second(all(&conn, "list definitions", &query, &page.params(), rows::definition).await?))
}

async fn bundle_by(conn: &Connection, tenant: &TenantId, digest: Digest) -> Answer<Option<BundleRow>> {
    let query = format!("SELECT {} FROM bundles WHERE tenant = $1 AND digest = $2", rows::BUNDLES);
    let digest = digest.as_bytes().as_slice();
    let key: &[Param<'_>] = &[(&tenant.as_str(), Type::TEXT), (&digest, Type::BYTEA)];
    Ok(one(conn, "read a bundle", &query, key, rows::bundle).await?.map(|(_, row)| row))
}

pub(super) async fn bundle(connections: &Connections, tenant: &TenantId, digest: Digest) -> Answer<Option<BundleRow>> {
    bundle_by(&connections.get("read a bundle").await?, tenant, digest).await
}

pub(super) async fn bundle_of(connections: &Connections, id: LogId, digest: Digest) -> Answer<Option<BundleRow>> {
    let conn = connections.get("read a bundle").await?;
    // A log's tenant never changes, so this needs no snapshot.
    let tenant = log(&conn, id).await?.tenant;
    bundle_by(&conn, &tenant, digest).await
}

pub(super) async fn bundles(
    connections: &Connections,
    tenant: &TenantId,
    after: Option<&(Name, u32)>,
    limit: usize,
) -> Answer<(Vec<BundleRow>, Option<Digest>)> {
    let conn = connections.get("list bundles").await?;
    conn.begin().await?;
    let query = format!(
        "SELECT {} FROM bundles WHERE tenant = $1 AND (name, version) > ($2, $3) ORDER BY name, version LIMIT $4",
        rows::BUNDLES
    );
    let page = Page::new(tenant, after, limit);
    let found = second(all(&conn, "list bundles", &query, &page.params(), rows::bundle).await?);
    let active = pointer(&conn, tenant, BUNDLE).await?;
    conn.end().await?;
    Ok((found, active))
}

pub(super) async fn tenants(
    connections: &Connections,
    after: Option<&TenantId>,
    limit: usize,
) -> Answer<Vec<TenantRow>> {
    let conn = connections.get("list tenants").await?;
    let query = format!("SELECT {} FROM tenants WHERE tenant > $1 ORDER BY tenant LIMIT $2", rows::TENANT);
    let after = after.map_or("", TenantId::as_str);
    let page: &[Param<'_>] = &[(&after, Type::TEXT), (&rows_max(limit), Type::INT8)];
    all(&conn, "list tenants", &query, page, rows::tenant).await
}

/// Reads, and says if a write could not begin: a standby, or a database that was set to be read only.
pub(super) async fn ping(connections: &Connections) -> Answer<()> {
    let conn = connections.get("ping").await?;
    let query = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool";
    match one(&conn, "ping", query, &[], rows::value::<bool>).await? {
        Some(false) => Ok(()),
        Some(true) | None => {
            Err(error("ping", Kind::Busy, "the database takes no writes: it is a standby or read only"))
        }
    }
}
