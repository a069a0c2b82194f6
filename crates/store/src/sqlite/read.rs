//! Reads: each on a connection of its own that cannot write, in one snapshot where there is more than one statement.

use crate::events::Gather;
use crate::page;
use crate::scan::{BUNDLE, SHADOW};
use crate::search::{self, Plan, Statement, Value};
use crate::sqlite::fault::reading;
use crate::sqlite::rows;
use crate::words;
use crate::{
    CheckpointRow, Count, EventReach, EventSearch, EventsFound, Found, Reach, RequestReach, RequestSearch, TileRow,
    error,
};
use chancery_base::{Digest, EvidenceId, Kind, Name, RequestId, TenantId, Timestamp, TransactionId};
use chancery_shard::batch::{ControlRows, Loaded, LoadedTransaction, Sources, StoreError};
use chancery_shard::row::{
    BundleRow, DefinitionRow, EntryRow, EvidenceContentRow, KeyRow, KeyScope, LogId, LogRow, PayloadRow, RequestRow,
    ScheduleRow, SettingsRow, TenantRow, TransactionRow,
};
use chancery_shard::search::Search;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params, params_from_iter};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::check::LOG_ENTRIES_MAX;

type Answer<T> = Result<T, StoreError>;

/// Every row of a query.
pub(super) fn all<T, P: Params>(
    conn: &Connection,
    operation: &'static str,
    sql: &str,
    params: P,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Answer<Vec<T>> {
    let query = || conn.prepare_cached(sql)?.query_map(params, read)?.collect::<rusqlite::Result<Vec<T>>>();
    query().map_err(reading(operation))
}

/// The first rows of a query, for as long as they are wanted.
fn all_while<T, P: Params>(
    conn: &Connection,
    operation: &'static str,
    sql: &str,
    params: P,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    mut wants: impl FnMut(&T) -> bool,
) -> Answer<Vec<T>> {
    let query = || {
        let mut statement = conn.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        rows.take_while(|row| row.as_ref().map_or(true, &mut wants)).collect::<rusqlite::Result<Vec<T>>>()
    };
    query().map_err(reading(operation))
}

/// The row of a query, if there is one.
pub(super) fn one<T, P: Params>(
    conn: &Connection,
    operation: &'static str,
    sql: &str,
    params: P,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Answer<Option<T>> {
    let query = || conn.prepare_cached(sql)?.query_row(params, read).optional();
    query().map_err(reading(operation))
}

/// Runs several reads on one snapshot.
pub(super) fn snapshot<T>(conn: &Connection, read: impl FnOnce(&Connection) -> Answer<T>) -> Answer<T> {
    let transaction = conn.unchecked_transaction().map_err(reading("begin to read"))?;
    let answer = read(&transaction);
    transaction.finish().map_err(reading("end reading"))?;
    answer
}

/// A limit as SQLite takes it.
pub(super) fn rows_max(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn logs(conn: &Connection) -> Answer<Vec<LogRow>> {
    all(conn, "read logs", &format!("SELECT {} FROM logs ORDER BY id", rows::LOG), [], rows::log)
}

fn log(conn: &Connection, log: LogId) -> Answer<LogRow> {
    let statement = format!("SELECT {} FROM logs WHERE id = ?1", rows::LOG);
    one(conn, "read a log", &statement, [log.0], rows::log)?
        .ok_or_else(|| error("read a log", Kind::Missing, format!("there is no log {}", log.0)))
}

pub(super) fn control(conn: &Connection, id: LogId) -> Answer<ControlRows> {
    snapshot(conn, |conn| {
        let log = log(conn, id)?;
        let tenant = log.tenant.as_str();
        let missing = || error("read control rows", Kind::Broken, format!("log {} is of no tenant", id.0));
        Ok(ControlRows {
            control_epoch: log.control_epoch,
            tenant: one(
                conn,
                "read a tenant",
                &format!("SELECT {} FROM tenants WHERE tenant = ?1", rows::TENANT),
                [tenant],
                rows::tenant,
            )?
            .ok_or_else(missing)?,
            principals: of_tenant(conn, tenant, ("principals", "id", rows::PRINCIPAL), rows::principal)?,
            credentials: of_tenant(conn, tenant, ("credentials", "id", rows::CREDENTIAL), rows::credential)?,
            targets: of_tenant(conn, tenant, ("targets", "target", rows::TARGET), rows::target)?,
            queues: of_tenant(conn, tenant, ("queues", "queue", rows::QUEUE), rows::queue)?,
            settings: settings(conn, &log.tenant, None)?,
            maintenance: single(conn, tenant, "maintenance", "read maintenance", rows::maintenance)?,
            stops: of_tenant(conn, tenant, ("stops", "id", rows::STOP), rows::stop)?,
            budgets: of_tenant(conn, tenant, ("budgets", "name", rows::BUDGET), rows::budget)?,
            accounts: of_tenant(conn, tenant, ("accounts", "account", rows::ACCOUNT), rows::account)?,
            evidence: of_tenant(conn, tenant, ("evidence", "id", rows::EVIDENCE), rows::evidence)?,
            notifiers: of_tenant(conn, tenant, ("notifiers", "name", rows::NOTIFIER), rows::notifier)?,
            overrides: of_tenant(conn, tenant, ("overrides", "id", rows::OVERRIDE), rows::over)?,
            retention: single(conn, tenant, "retention", "read retention", rows::retention)?,
            trust: single(conn, tenant, "trust", "read what is said of bundles", rows::trust)?,
            signing_secrets: of_tenant(
                conn,
                tenant,
                ("signing_secrets", "id", rows::SIGNING_SECRET),
                rows::signing_secret,
            )?,
            // With max() SQLite takes the other columns from the row that has the maximum.
            definitions: all(
                conn,
                "read definitions",
                "SELECT name, max(version), digest FROM definitions WHERE tenant = ?1 GROUP BY name ORDER BY name",
                [tenant],
                rows::definition_head,
            )?,
            bundle: pointed(conn, &log.tenant, BUNDLE)?,
            shadow: pointed(conn, &log.tenant, SHADOW)?,
        })
    })
}

/// The rows that a tenant has in a table, in the order of a column of it.
fn of_tenant<T>(
    conn: &Connection,
    tenant: &str,
    (table, order, columns): (&str, &str, &str),
    read: fn(&Row<'_>) -> rusqlite::Result<(TenantId, T)>,
) -> Answer<Vec<T>> {
    let statement = format!("SELECT {columns} FROM {table} WHERE tenant = ?1 ORDER BY {order}");
    all(conn, "read control rows", &statement, [tenant], |row| Ok(read(row)?.1))
}

/// The row of a table of which a tenant has one at most.
fn single<T>(
    conn: &Connection,
    tenant: &str,
    table: &str,
    operation: &'static str,
    read: fn(&Row<'_>) -> rusqlite::Result<(TenantId, T)>,
) -> Answer<Option<T>> {
    let statement = format!("SELECT {} FROM {table} WHERE tenant = ?1", rows::SINGLE);
    one(conn, operation, &statement, [tenant], |row| Ok(read(row)?.1))
}

/// The bundle that a pointer of this kind is to.
fn pointed(conn: &Connection, tenant: &TenantId, kind: &str) -> Answer<Option<BundleRow>> {
    let Some(digest) = pointer(conn, tenant, kind)? else { return Ok(None) };
    let found = bundle(conn, tenant, digest)?;
    let missing = || error("read a pointer", Kind::Broken, format!("there is no bundle {digest}"));
    found.map(Some).ok_or_else(missing)
}

fn pointer(conn: &Connection, tenant: &TenantId, kind: &str) -> Answer<Option<Digest>> {
    let statement = "SELECT digest FROM pointers WHERE tenant = ?1 AND kind = ?2";
    one(conn, "read a pointer", statement, [tenant.as_str(), kind], rows::digest)
}

pub(super) fn recover(conn: &Connection, log: LogId, after: Option<TransactionId>, limit: usize) -> Answer<Loaded> {
    snapshot(conn, |conn| {
        // The condition is the index's own, word for word, so that it is used.
        let statement = format!(
            "SELECT {} FROM transactions WHERE log = ?1 AND id > ?2 AND ended_at IS NULL \
             AND status <> 'parked' AND status <> 'waiting' ORDER BY id LIMIT ?3",
            rows::TRANSACTION
        );
        let after = after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
        let heads =
            all(conn, "recover transactions", &statement, params![log.0, after, rows_max(limit)], rows::transaction)?;
        complete(conn, log, heads)
    })
}

pub(super) fn asleep(
    conn: &Connection,
    log: LogId,
    after: Option<TransactionId>,
    limit: usize,
) -> Answer<Vec<(TransactionId, Timestamp)>> {
    let statement = "SELECT id, wake_at FROM transactions WHERE log = ?1 AND id > ?2 AND status = 'waiting' \
                     AND wake_at IS NOT NULL ORDER BY id LIMIT ?3";
    let after = after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
    let page = params![log.0, after, rows_max(limit)];
    all(conn, "read when transactions wake", statement, page, rows::asleep)
}

pub(super) fn load(
    conn: &Connection,
    log: LogId,
    transactions: &[TransactionId],
    keys: &[(KeyScope, u16, [u8; 32])],
) -> Answer<Loaded> {
    snapshot(conn, |conn| {
        let mut heads = Vec::with_capacity(transactions.len());
        let statement = format!("SELECT {} FROM transactions WHERE id = ?1 AND log = ?2", rows::TRANSACTION);
        for id in transactions {
            let key = params![id.as_bytes(), log.0];
            heads.extend(one(conn, "load transactions", &statement, key, rows::transaction)?);
        }
        let mut loaded = complete(conn, log, heads)?;
        loaded.keys = load_keys(conn, log, keys)?;
        Ok(loaded)
    })
}

fn load_keys(conn: &Connection, log: LogId, keys: &[(KeyScope, u16, [u8; 32])]) -> Answer<Vec<KeyRow>> {
    let statement = format!(
        "SELECT {} FROM keys WHERE tenant = (SELECT tenant FROM logs WHERE id = ?1) \
         AND scope = ?2 AND slot = ?3 AND key = ?4",
        rows::KEY
    );
    let mut found = Vec::new();
    for (scope, slot, key) in keys {
        let key = params![log.0, words::scope(*scope), slot, key];
        found.extend(one(conn, "load keys", &statement, key, |row| Ok(rows::key(row)?.1))?);
    }
    Ok(found)
}

/// Adds to transactions of one log their steps and payloads, their definitions, and the settings that they see.
fn complete(conn: &Connection, log: LogId, heads: Vec<TransactionRow>) -> Answer<Loaded> {
    let versions: BTreeSet<(Name, u32)> = heads.iter().map(|row| (row.definition.clone(), row.version)).collect();
    let definitions = load_definitions(conn, log, versions.iter())?;
    let settings = load_settings(conn, log, &heads.iter().filter_map(|row| row.settings).collect())?;
    let transactions = heads.into_iter().map(|row| with_steps(conn, row)).collect::<Answer<_>>()?;
    Ok(Loaded { transactions, keys: Vec::new(), definitions, settings })
}

fn load_settings(conn: &Connection, log: LogId, versions: &BTreeSet<u32>) -> Answer<Vec<SettingsRow>> {
    let mut found = Vec::with_capacity(versions.len());
    for version in versions {
        let statement = format!(
            "SELECT {} FROM settings WHERE tenant = (SELECT tenant FROM logs WHERE id = ?1) AND version = ?2",
            rows::SETTINGS
        );
        let key = params![log.0, version];
        found.extend(one(conn, "load settings", &statement, key, |row| Ok(rows::settings(row)?.1))?);
    }
    Ok(found)
}

pub(super) fn settings(conn: &Connection, tenant: &TenantId, version: Option<u32>) -> Answer<Option<SettingsRow>> {
    let statement = format!(
        "SELECT {} FROM settings WHERE tenant = ?1 AND (?2 IS NULL OR version = ?2) ORDER BY version DESC LIMIT 1",
        rows::SETTINGS
    );
    let key = params![tenant.as_str(), version];
    one(conn, "read settings", &statement, key, |row| Ok(rows::settings(row)?.1))
}

pub(super) fn settings_list(
    conn: &Connection,
    tenant: &TenantId,
    before: Option<u32>,
    limit: usize,
) -> Answer<Vec<SettingsRow>> {
    let statement = format!(
        "SELECT {} FROM settings WHERE tenant = ?1 AND (?2 IS NULL OR version < ?2) ORDER BY version DESC LIMIT ?3",
        rows::SETTINGS
    );
    let page = params![tenant.as_str(), before, rows_max(limit)];
    all(conn, "list settings", &statement, page, |row| Ok(rows::settings(row)?.1))
}

fn load_definitions<'a>(
    conn: &Connection,
    log: LogId,
    versions: impl Iterator<Item = &'a (Name, u32)>,
) -> Answer<Vec<DefinitionRow>> {
    let mut definitions = Vec::new();
    for (name, version) in versions {
        let statement = format!(
            "SELECT {} FROM definitions WHERE tenant = (SELECT tenant FROM logs WHERE id = ?1) \
             AND name = ?2 AND version = ?3",
            rows::DEFINITION
        );
        let key = params![log.0, name.as_str(), version];
        definitions.extend(one(conn, "load definitions", &statement, key, |row| Ok(rows::definition(row)?.1))?);
    }
    Ok(definitions)
}

pub(super) fn sources(conn: &Connection, log: LogId, payloads: &[u64], definitions: &[(Name, u32)]) -> Answer<Sources> {
    snapshot(conn, |conn| {
        let mut found = Vec::with_capacity(payloads.len());
        for seq in payloads {
            found.extend(payload(conn, log, *seq)?.map(|payload| (*seq, Arc::new(payload))));
        }
        Ok(Sources { payloads: found, definitions: load_definitions(conn, log, definitions.iter())? })
    })
}

pub(super) fn evidence_content(
    conn: &Connection,
    tenant: &TenantId,
    id: EvidenceId,
) -> Answer<Option<EvidenceContentRow>> {
    let statement = format!("SELECT {} FROM evidence_contents WHERE tenant = ?1 AND id = ?2", rows::EVIDENCE);
    let key = [tenant.as_str(), &id.to_string()];
    one(conn, "read the content of evidence", &statement, key, |row| Ok(rows::evidence_content(row)?.1))
}

pub(super) fn schedule(conn: &Connection, tenant: &TenantId, name: &Name) -> Answer<Option<ScheduleRow>> {
    let statement = format!("SELECT {} FROM schedules WHERE tenant = ?1 AND name = ?2", rows::SCHEDULE);
    let key = [tenant.as_str(), name.as_str()];
    one(conn, "read a schedule", &statement, key, |row| Ok(rows::schedule(row)?.1))
}

pub(super) fn schedules(
    conn: &Connection,
    tenant: &TenantId,
    after: Option<&Name>,
    limit: usize,
) -> Answer<Vec<ScheduleRow>> {
    let statement =
        format!("SELECT {} FROM schedules WHERE tenant = ?1 AND name > ?2 ORDER BY name LIMIT ?3", rows::SCHEDULE);
    let page = params![tenant.as_str(), after.map_or("", Name::as_str), rows_max(limit)];
    all(conn, "list schedules", &statement, page, |row| Ok(rows::schedule(row)?.1))
}

pub(super) fn schedules_of(
    conn: &Connection,
    id: LogId,
    after: Option<&Name>,
    limit: usize,
) -> Answer<Vec<ScheduleRow>> {
    schedules(conn, &log(conn, id)?.tenant, after, limit)
}

fn with_steps(conn: &Connection, row: TransactionRow) -> Answer<LoadedTransaction> {
    let statement = format!("SELECT {} FROM steps WHERE transaction_id = ?1 ORDER BY step, clone", rows::STEP);
    let steps = all(conn, "load steps", &statement, [row.id.as_bytes()], rows::step)?;
    let of_steps = steps.iter().flat_map(|step| [step.output_seq, step.undo_seq, step.intent_seq]).flatten();
    let wanted: BTreeSet<u64> =
        of_steps.chain([row.input_seq]).chain(row.output_seq).chain(row.kept.iter().copied()).collect();
    let mut payloads = Vec::with_capacity(wanted.len());
    for seq in wanted {
        payloads.extend(payload(conn, row.log, seq)?.map(|payload| (seq, Arc::new(payload))));
    }
    Ok(LoadedTransaction { row, steps, payloads })
}

fn payload(conn: &Connection, log: LogId, seq: u64) -> Answer<Option<PayloadRow>> {
    let Some(position) = rows::position(log, seq) else { return Ok(None) };
    let statement = format!("SELECT {} FROM entries WHERE position = ?1", rows::PAYLOAD);
    Ok(one(conn, "load payloads", &statement, [position], rows::payload)?.flatten())
}

pub(super) fn entries(conn: &Connection, log: LogId, from: u64, limit: usize, payloads: bool) -> Answer<Vec<EntryRow>> {
    let last = rows::position(log, LOG_ENTRIES_MAX - 1);
    let (Some(first), Some(last)) = (rows::position(log, from), last) else { return Ok(Vec::new()) };
    let columns = if payloads { rows::ENTRY } else { rows::ENTRY_BARE };
    let statement =
        format!("SELECT {columns} FROM entries WHERE position BETWEEN ?1 AND ?2 ORDER BY position LIMIT ?3");
    let page = params![first, last, rows_max(limit)];
    all_while(conn, "read entries", &statement, page, |row| Ok(rows::entry(row)?.1), page::wants())
}

pub(super) fn entries_at(conn: &Connection, log: LogId, numbers: &[u64]) -> Answer<Vec<EntryRow>> {
    let statement = format!("SELECT {} FROM entries WHERE position = ?1", rows::ENTRY);
    let mut wanted = numbers.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let positions = wanted.into_iter().filter(|seq| *seq < LOG_ENTRIES_MAX).filter_map(|seq| rows::position(log, seq));
    let read = |position| one(conn, "read entries", &statement, [position], |row| Ok(rows::entry(row)?.1));
    positions.map(read).filter_map(Answer::transpose).collect()
}

pub(super) fn events(conn: &Connection, log: LogId, search: &EventSearch, reach: EventReach) -> Answer<EventsFound> {
    let mut gather = Gather::new(search, reach);
    while let Some((from, rows)) = gather.wants() {
        // Beyond is nothing.
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let statement = search.statement('?', log, (from, rows), rows::EVENT);
        gather.take(ask(conn, "read events", statement, rows::event)?, rows);
    }
    Ok(gather.finish())
}

pub(super) fn requests(
    conn: &Connection,
    log: LogId,
    search: &RequestSearch,
    reach: RequestReach,
) -> Answer<Vec<RequestRow>> {
    ask(conn, "list requests", search.statement('?', log, reach, rows::REQUEST), rows::request)
}

pub(super) fn request(conn: &Connection, tenant: &TenantId, id: RequestId) -> Answer<Option<RequestRow>> {
    let statement = format!(
        "SELECT {} FROM requests WHERE id = ?1 AND log IN (SELECT id FROM logs WHERE tenant = ?2)",
        rows::REQUEST
    );
    one(conn, "read a request", &statement, params![id.as_bytes(), tenant.as_str()], rows::request)
}

pub(super) fn checkpoint(conn: &Connection, log: LogId, at_most: Option<u64>) -> Answer<Option<CheckpointRow>> {
    let statement = "SELECT size, note FROM checkpoints WHERE log = ?1 AND size <= ?2 ORDER BY size DESC LIMIT 1";
    let at_most = at_most.map_or(i64::MAX, |size| i64::try_from(size).unwrap_or(i64::MAX));
    one(conn, "read a checkpoint", statement, params![log.0, at_most], rows::checkpoint)
}

pub(super) fn tile(conn: &Connection, log: LogId, level: u8, index: u64) -> Answer<Option<TileRow>> {
    let Ok(index) = i64::try_from(index) else { return Ok(None) };
    let statement = "SELECT level, tile, hashes FROM tiles WHERE log = ?1 AND level = ?2 AND tile = ?3";
    one(conn, "read a tile", statement, params![log.0, level, index], rows::tile)
}

pub(super) fn transaction(
    conn: &Connection,
    tenant: &TenantId,
    id: TransactionId,
) -> Answer<Option<LoadedTransaction>> {
    snapshot(conn, |conn| {
        let statement = format!(
            "SELECT {} FROM transactions WHERE id = ?1 AND log IN (SELECT id FROM logs WHERE tenant = ?2)",
            rows::TRANSACTION
        );
        let key = params![id.as_bytes(), tenant.as_str()];
        let row = one(conn, "read a transaction", &statement, key, rows::transaction)?;
        row.map(|row| with_steps(conn, row)).transpose()
    })
}

pub(super) fn transactions(conn: &Connection, tenant: &TenantId, search: &Search, reach: Reach) -> Answer<Found> {
    let operation = "search transactions";
    let plan = Plan::of(search);
    snapshot(conn, |conn| {
        let logs = logs_of(conn, tenant)?;
        let floor = floor(conn, operation, &plan, &logs, reach)?;
        let mut found = Vec::new();
        for logs in search::some(&logs, &plan) {
            let mut statement = Statement::new('?');
            search::page(&mut statement, &plan, logs, reach, floor, rows::TRANSACTION);
            found.extend(ask(conn, operation, statement, rows::transaction)?);
        }
        found.sort_unstable_by_key(|row| Reverse(row.id));
        found.truncate(reach.limit);
        Ok(Found { rows: found, floor })
    })
}

pub(super) fn transaction_count(conn: &Connection, tenant: &TenantId, search: &Search, reach: Reach) -> Answer<Count> {
    let operation = "count transactions";
    let plan = Plan::of(search);
    snapshot(conn, |conn| {
        let logs = logs_of(conn, tenant)?;
        let floor = floor(conn, operation, &plan, &logs, reach)?;
        let mut counts = Vec::new();
        for logs in search::some(&logs, &plan) {
            let mut statement = Statement::new('?');
            search::count(&mut statement, &plan, logs, reach, floor);
            counts.extend(ask(conn, operation, statement, |row| row.get::<_, u64>(0))?);
        }
        Ok(Count::of(counts, floor, reach))
    })
}

/// How a page is searched, as SQLite explains it.
pub(super) fn search_plan(conn: &Connection, log: LogId, search: &Search, reach: Reach) -> Answer<Vec<String>> {
    let mut statement = Statement::new('?');
    search::page(&mut statement, &Plan::of(search), &[log], reach, None, rows::TRANSACTION);
    statement.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
    ask(conn, "explain a search", statement, |row| row.get(3))
}

/// Where a search stops looking.
fn floor(
    conn: &Connection,
    operation: &'static str,
    plan: &Plan<'_>,
    logs: &[LogId],
    reach: Reach,
) -> Answer<Option<TransactionId>> {
    let mut floors = Vec::new();
    for logs in search::some(logs, plan).filter(|_| !plan.rest.is_empty()) {
        let mut statement = Statement::new('?');
        search::floor(&mut statement, plan, logs, reach);
        floors.extend(ask(conn, operation, statement, rows::transaction_id)?);
    }
    Ok(floors.into_iter().max())
}

/// The rows of a statement that is not kept: there are too many forms of them.
fn ask<T>(
    conn: &Connection,
    operation: &'static str,
    statement: Statement,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Answer<Vec<T>> {
    let values = statement.values.into_iter().map(|value| match value {
        Value::Text(text) => Sql::Text(text),
        Value::Bytes(bytes) => Sql::Blob(bytes),
        Value::Int(number) => Sql::Integer(number),
        Value::Id(id) => Sql::Blob(id.as_bytes().to_vec()),
        Value::Request(id) => Sql::Blob(id.as_bytes().to_vec()),
    });
    let query = || {
        conn.prepare(&statement.sql)?.query_map(params_from_iter(values), read)?.collect::<rusqlite::Result<Vec<T>>>()
    };
    query().map_err(reading(operation))
}

fn logs_of(conn: &Connection, tenant: &TenantId) -> Answer<Vec<LogId>> {
    let statement = "SELECT id FROM logs WHERE tenant = ?1 ORDER BY id";
    all(conn, "read logs", statement, [tenant.as_str()], |row| row.get(0).map(LogId))
}

pub(super) fn history(
    conn: &Connection,
    tenant: &TenantId,
    id: TransactionId,
    from: u64,
    limit: usize,
) -> Answer<Vec<(LogId, EntryRow)>> {
    let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
    let statement = format!(
        "SELECT {} FROM entries WHERE transaction_id = ?1 AND n >= ?2 \
         AND EXISTS (SELECT 1 FROM logs WHERE logs.id = position >> 40 AND tenant = ?4) ORDER BY n LIMIT ?3",
        rows::ENTRY
    );
    let page = params![id.as_bytes(), from, rows_max(limit), tenant.as_str()];
    all(conn, "read a history", &statement, page, rows::entry)
}

pub(super) fn definition(
    conn: &Connection,
    tenant: &TenantId,
    name: &Name,
    version: Option<u32>,
) -> Answer<Option<DefinitionRow>> {
    let statement = format!(
        "SELECT {} FROM definitions WHERE tenant = ?1 AND name = ?2 AND (?3 IS NULL OR version = ?3) \
         ORDER BY version DESC LIMIT 1",
        rows::DEFINITION
    );
    let key = params![tenant.as_str(), name.as_str(), version];
    one(conn, "read a definition", &statement, key, |row| Ok(rows::definition(row)?.1))
}

pub(super) fn definition_of(conn: &Connection, id: LogId, name: &Name, version: u32) -> Answer<Option<DefinitionRow>> {
    definition(conn, &log(conn, id)?.tenant, name, Some(version))
}

pub(super) fn definitions(
    conn: &Connection,
    tenant: &TenantId,
    after: Option<&(Name, u32)>,
    limit: usize,
) -> Answer<Vec<DefinitionRow>> {
    let statement = format!(
        "SELECT {} FROM definitions WHERE tenant = ?1 AND (name, version) > (?2, ?3) ORDER BY name, version LIMIT ?4",
        rows::DEFINITION
    );
    let (name, version) = after.map_or(("", 0), |(name, version)| (name.as_str(), *version));
    let page = params![tenant.as_str(), name, version, rows_max(limit)];
    all(conn, "list definitions", &statement, page, |row| Ok(rows::definition(row)?.1))
}

pub(super) fn bundle(conn: &Connection, tenant: &TenantId, digest: Digest) -> Answer<Option<BundleRow>> {
    let statement = format!("SELECT {} FROM bundles WHERE tenant = ?1 AND digest = ?2", rows::BUNDLES);
    let key = params![tenant.as_str(), digest.as_bytes()];
    one(conn, "read a bundle", &statement, key, |row| Ok(rows::bundle(row)?.1))
}

pub(super) fn bundle_of(conn: &Connection, id: LogId, digest: Digest) -> Answer<Option<BundleRow>> {
    bundle(conn, &log(conn, id)?.tenant, digest)
}

pub(super) fn bundles(
    conn: &Connection,
    tenant: &TenantId,
    after: Option<&(Name, u32)>,
    limit: usize,
) -> Answer<(Vec<BundleRow>, Option<Digest>)> {
    let statement = format!(
        "SELECT {} FROM bundles WHERE tenant = ?1 AND (name, version) > (?2, ?3) ORDER BY name, version LIMIT ?4",
        rows::BUNDLES
    );
    let (name, version) = after.map_or(("", 0), |(name, version)| (name.as_str(), *version));
    let page = params![tenant.as_str(), name, version, rows_max(limit)];
    snapshot(conn, |conn| {
        let rows = all(conn, "list bundles", &statement, page, |row| Ok(rows::bundle(row)?.1))?;
        Ok((rows, pointer(conn, tenant, BUNDLE)?))
    })
}

pub(super) fn tenants(conn: &Connection, after: Option<&TenantId>, limit: usize) -> Answer<Vec<TenantRow>> {
    let statement = format!("SELECT {} FROM tenants WHERE tenant > ?1 ORDER BY tenant LIMIT ?2", rows::TENANT);
    let page = params![after.map_or("", TenantId::as_str), rows_max(limit)];
    all(conn, "list tenants", &statement, page, rows::tenant)
}

/// Reads one page, so that files that went away show.
pub(super) fn ping(conn: &Connection) -> Answer<()> {
    one(conn, "read", "SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map(|_| ())
}
