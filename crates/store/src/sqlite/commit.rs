//! Applying a batch inside a database transaction: the guard first, then every row with its prepared statement.

use crate::check::{self, COMMIT};
use crate::error;
use crate::sqlite::fault::{WriteError, during};
use crate::sqlite::{control, expiry, rows};
use crate::words;
use chancery_base::{Kind, Name, TenantId, TransactionId};
use chancery_shard::batch::{Batch, CommitError};
use chancery_shard::row::{
    EntryRow, EventRow, KeyRow, KeyScope, LabelRow, LogId, PayloadRow, RequestRow, Sealed, StepRow, TransactionRow,
};
use rusqlite::{Connection, OptionalExtension as _, Statement, params};

const GUARD: &str = "UPDATE logs SET size = ?1, control_epoch = control_epoch + ?2 \
     WHERE id = ?3 AND epoch = ?4 AND size = ?5 AND control_epoch = ?6 RETURNING tenant";

const RAISE_OTHERS: &str = "UPDATE logs SET control_epoch = control_epoch + ?3 WHERE tenant = ?1 AND id <> ?2";

const ENTRY: &str = "INSERT INTO entries \
     (position, transaction_id, n, record, salt, payload_key, payload_nonce, payload, subject) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// What changes of a transaction that goes on. Setting a column, even to what it is, writes the indexes over it again:
/// so none of those is set here, and a transaction of which one did change is not found.
const GOES_ON: &str = "UPDATE transactions SET wake_at = ?1, output_seq = ?2, kept = ?3, body_key = ?4, \
     body_nonce = ?5, body = ?6 WHERE id = ?7 AND log = ?8 AND status = ?9 AND ended_at IS NULL";

/// Columns that never change are not set again, so that the index over them is not written again.
const TRANSACTION: &str = "INSERT INTO transactions \
     (id, log, definition, version, definition_digest, status, principal, started_at, ended_at, wake_at, input_seq, \
      output_seq, kept, body_key, body_nonce, body, business_key, parent_id, settings) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) \
     ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_at = excluded.ended_at, \
      wake_at = excluded.wake_at, output_seq = excluded.output_seq, kept = excluded.kept, \
      body_key = excluded.body_key, body_nonce = excluded.body_nonce, body = excluded.body \
     WHERE log = excluded.log";

const STEP: &str = "INSERT INTO steps \
     (transaction_id, step, clone, status, attempt, wake_at, output_seq, undo_seq, intent_seq, body_key, body_nonce, \
      body) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
     ON CONFLICT (transaction_id, step, clone) DO UPDATE SET status = excluded.status, attempt = excluded.attempt, \
      wake_at = excluded.wake_at, output_seq = excluded.output_seq, undo_seq = excluded.undo_seq, \
      intent_seq = excluded.intent_seq, body_key = excluded.body_key, body_nonce = excluded.body_nonce, body = excluded.body";

const KEY_ONCE: &str = "INSERT INTO keys (tenant, scope, slot, key, request, transaction_id) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const BUSINESS_KEY: &str = "INSERT INTO keys (tenant, scope, slot, key, request, transaction_id) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (tenant, scope, slot, key) \
     DO UPDATE SET request = excluded.request, transaction_id = excluded.transaction_id";

const LABEL: &str = "INSERT INTO labels (log, name, value, transaction_id) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (log, name, value, transaction_id) DO NOTHING";

const REQUEST: &str = "INSERT INTO requests \
     (transaction_id, id, log, step, clone, status, kind, role, opened_at, due_at, decided_at, body_key, body_nonce, \
      body) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
     ON CONFLICT (transaction_id, id) DO UPDATE SET status = excluded.status, due_at = excluded.due_at, \
      decided_at = excluded.decided_at, body_key = excluded.body_key, body_nonce = excluded.body_nonce, \
      body = excluded.body";

const EVENT: &str = "INSERT INTO events (log, seq, type, subject) VALUES (?1, ?2, ?3, ?4)";

/// Applies a batch, or says why not; the caller rolls back then.
pub(super) fn apply(conn: &Connection, batch: &Batch) -> Result<(), WriteError> {
    check::batch(batch)?;
    let tenant = guard(conn, batch)?;
    entries(conn, batch.log, &batch.entries)?;
    transactions(conn, batch.size, &batch.transactions)?;
    steps(conn, &batch.steps)?;
    keys(conn, &tenant, &batch.keys)?;
    labels(conn, &batch.labels)?;
    events(conn, &batch.events)?;
    requests(conn, &batch.requests)?;
    control::accounts(conn, &tenant, &batch.accounts)?;
    expiry::remove(conn, batch.log, &tenant, &batch.gone)?;
    for row in &batch.control {
        control::apply(conn, &tenant, row)?;
    }
    Ok(())
}

/// Moves the log on if it is as the batch expects.
fn guard(conn: &Connection, batch: &Batch) -> Result<TenantId, WriteError> {
    let sql = during(COMMIT);
    let size = check::size_after(batch)?;
    let raise = batch.raises_control_epoch;
    let expected = params![size, raise, batch.log.0, batch.epoch, batch.size, batch.control_epoch];
    let mut statement = conn.prepare_cached(GUARD).map_err(&sql)?;
    let tenant = statement.query_row(expected, rows::tenant_id).optional().map_err(&sql)?;
    let Some(tenant) = tenant else { return Err(mismatch(conn, batch)?) };
    if raise > 0 {
        let mut statement = conn.prepare_cached(RAISE_OTHERS).map_err(&sql)?;
        statement.execute(params![tenant.as_str(), batch.log.0, raise]).map_err(&sql)?;
    }
    Ok(tenant)
}

/// What the guard stumbled over.
fn mismatch(conn: &Connection, batch: &Batch) -> Result<WriteError, WriteError> {
    let sql = during(COMMIT);
    let mut statement =
        conn.prepare_cached("SELECT epoch, size, control_epoch FROM logs WHERE id = ?1").map_err(&sql)?;
    let found: Option<(u64, u64, u64)> = statement
        .query_row([batch.log.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
        .map_err(&sql)?;
    let Some((epoch, size, now)) = found else {
        return Ok(WriteError::Refused(error(COMMIT, Kind::Missing, format!("there is no log {}", batch.log.0))));
    };
    let owned = epoch == batch.epoch && size == batch.size;
    let guard = if owned { CommitError::Control { now } } else { CommitError::Fenced { log: batch.log, epoch, size } };
    Ok(WriteError::Guard(guard))
}

fn entries(conn: &Connection, log: LogId, entries: &[EntryRow]) -> Result<(), WriteError> {
    if entries.is_empty() {
        return Ok(());
    }
    let sql = during("write entries");
    let mut insert = conn.prepare_cached(ENTRY).map_err(&sql)?;
    for entry in entries {
        let position = rows::position(log, entry.seq)
            .ok_or_else(|| error(COMMIT, Kind::Limited, format!("log {} cannot hold entry {}", log.0, entry.seq)))?;
        let (transaction, n) = entry.transaction.as_ref().map(|(id, n)| (id.as_bytes(), *n)).unzip();
        let payload = entry.payload.as_ref();
        let sealed = payload.map(|payload| &payload.sealed);
        insert
            .execute(params![
                position,
                transaction,
                n,
                entry.record,
                payload.map(|payload: &PayloadRow| payload.salt.0),
                sealed.map(|sealed: &Sealed| &sealed.key),
                sealed.map(|sealed| &sealed.nonce),
                sealed.map(|sealed| &sealed.bytes),
                payload.and_then(|payload| payload.subject),
            ])
            .map_err(&sql)?;
    }
    Ok(())
}

/// Writes transactions; those that began before entry `size` have their row already.
fn transactions(conn: &Connection, size: u64, transactions: &[TransactionRow]) -> Result<(), WriteError> {
    if transactions.is_empty() {
        return Ok(());
    }
    let sql = during("write transactions");
    let mut update = conn.prepare_cached(GOES_ON).map_err(&sql)?;
    let mut upsert = conn.prepare_cached(TRANSACTION).map_err(&sql)?;
    for row in transactions {
        if row.input_seq < size && row.ended_at.is_none() && goes_on(&mut update, row).map_err(&sql)? {
            continue;
        }
        let written = upsert
            .execute(params![
                row.id.as_bytes(),
                row.log.0,
                row.definition.as_str(),
                row.version,
                row.definition_digest.as_bytes(),
                row.status,
                row.principal.to_string(),
                row.started_at.as_micros(),
                row.ended_at.map(|time| time.as_micros()),
                row.wake_at.map(|time| time.as_micros()),
                row.input_seq,
                row.output_seq,
                words::kept_text(&row.kept),
                row.body.key,
                row.body.nonce,
                row.body.bytes,
                row.business_key.as_ref().map(String::as_bytes),
                row.parent.as_ref().map(TransactionId::as_bytes),
                row.settings,
            ])
            .map_err(&sql)?;
        if written == 0 {
            return Err(error(COMMIT, Kind::Bug, format!("{} is on another log", row.id)).into());
        }
    }
    Ok(())
}

/// Writes a transaction that has a row with the same status; whether there is one.
fn goes_on(update: &mut Statement<'_>, row: &TransactionRow) -> rusqlite::Result<bool> {
    let written = update.execute(params![
        row.wake_at.map(|time| time.as_micros()),
        row.output_seq,
        words::kept_text(&row.kept),
        row.body.key,
        row.body.nonce,
        row.body.bytes,
        row.id.as_bytes(),
        row.log.0,
        row.status,
    ])?;
    Ok(written > 0)
}

fn steps(conn: &Connection, steps: &[StepRow]) -> Result<(), WriteError> {
    if steps.is_empty() {
        return Ok(());
    }
    let sql = during("write steps");
    let mut upsert = conn.prepare_cached(STEP).map_err(&sql)?;
    for row in steps {
        upsert
            .execute(params![
                row.transaction.as_bytes(),
                row.step,
                row.clone,
                row.status,
                row.attempt,
                row.wake_at.map(|time| time.as_micros()),
                row.output_seq,
                row.undo_seq,
                row.intent_seq,
                row.body.key,
                row.body.nonce,
                row.body.bytes,
            ])
            .map_err(&sql)?;
    }
    Ok(())
}

fn keys(conn: &Connection, tenant: &TenantId, keys: &[KeyRow]) -> Result<(), WriteError> {
    let sql = during("write keys");
    for row in keys {
        let statement = match row.scope {
            KeyScope::Start | KeyScope::Fork => KEY_ONCE,
            KeyScope::Business => BUSINESS_KEY,
        };
        let scope = words::scope(row.scope);
        let mut insert = conn.prepare_cached(statement).map_err(&sql)?;
        let values = params![tenant.as_str(), scope, row.slot, row.key, row.request, row.transaction.as_bytes()];
        insert.execute(values).map_err(&sql)?;
    }
    Ok(())
}

fn labels(conn: &Connection, labels: &[LabelRow]) -> Result<(), WriteError> {
    if labels.is_empty() {
        return Ok(());
    }
    let sql = during("write labels");
    let mut insert = conn.prepare_cached(LABEL).map_err(&sql)?;
    for row in labels {
        let values = params![row.log.0, row.name, row.value.as_bytes(), row.transaction.as_bytes()];
        insert.execute(values).map_err(&sql)?;
    }
    Ok(())
}

fn events(conn: &Connection, events: &[EventRow]) -> Result<(), WriteError> {
    if events.is_empty() {
        return Ok(());
    }
    let sql = during("write events");
    let mut insert = conn.prepare_cached(EVENT).map_err(&sql)?;
    for row in events {
        let subject = row.subject.as_ref().map(String::as_bytes);
        insert.execute(params![row.log.0, row.seq, row.event_type, subject]).map_err(&sql)?;
    }
    Ok(())
}

fn requests(conn: &Connection, requests: &[RequestRow]) -> Result<(), WriteError> {
    if requests.is_empty() {
        return Ok(());
    }
    let sql = during("write requests");
    let mut upsert = conn.prepare_cached(REQUEST).map_err(&sql)?;
    for row in requests {
        upsert
            .execute(params![
                row.transaction.as_bytes(),
                row.id.as_bytes(),
                row.log.0,
                row.step,
                row.clone,
                row.status.word(),
                row.kind.word(),
                row.role.as_ref().map(Name::as_str),
                row.opened_at.as_micros(),
                row.due_at.as_micros(),
                row.decided_at.map(|time| time.as_micros()),
                row.body.key,
                row.body.nonce,
                row.body.bytes,
            ])
            .map_err(&sql)?;
    }
    Ok(())
}
