//! A batch as one statement: the guard moves the log on, and every row is written *from* the guard's row, so that
//! without it nothing is written. The statement is its own transaction, so a lost connection leaves none open.

use crate::check::{self, COMMIT};
use crate::error;
use crate::postgres::pool::{Connection, Connections, Trouble};
use crate::postgres::statement::{Statement, column};
use crate::postgres::{control, expiry, fault, rows};
use crate::words;
use chancery_base::{Kind, Name, Timestamp};
use chancery_shard::batch::{Batch, CommitError, StoreError};
use chancery_shard::row::{
    EntryRow, EventRow, KeyRow, KeyScope, LabelRow, PayloadRow, RequestRow, Sealed, StepRow, TransactionRow,
};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// Commits a batch.
pub(super) async fn commit(connections: &Connections, batch: &Batch) -> Result<(), CommitError> {
    check::batch(batch).map_err(CommitError::Failed)?;
    fits(batch).map_err(CommitError::Failed)?;
    let conn = connections.get(COMMIT).await.map_err(CommitError::Failed)?;
    if is_question(batch) {
        return answer(&conn, batch).await;
    }
    let statement = statement(batch).map_err(CommitError::Failed)?;
    match statement.run(&conn, COMMIT).await {
        Ok(found) => {
            let guards = rows::all(COMMIT, &found, rows::value::<i64>).map_err(CommitError::Unknown)?;
            if guards == [1] { Ok(()) } else { mismatch(&conn, batch).await }
        }
        Err(Trouble::Unsent(error)) => Err(CommitError::Failed(error)),
        Err(Trouble::Failed(failure)) => Err(fault::commit(&failure)),
        Err(trouble @ Trouble::Late) => Err(CommitError::Unknown(trouble.into_store(COMMIT))),
    }
}

/// Whether a batch only asks whether the guard still holds.
fn is_question(batch: &Batch) -> bool {
    let Batch { entries, transactions, steps, keys, labels, events, requests, accounts, gone, control, .. } = batch;
    let writes_rows = !transactions.is_empty() || !steps.is_empty() || !keys.is_empty() || !control.is_empty();
    let writes_rows = writes_rows || !labels.is_empty() || !events.is_empty() || !gone.transactions.is_empty();
    let writes_rows = writes_rows || !requests.is_empty() || !accounts.is_empty();
    entries.is_empty() && !writes_rows && batch.raises_control_epoch == 0
}

/// Answers it by reading: what was true when it was read is all that a write would say, too.
async fn answer(conn: &Connection, batch: &Batch) -> Result<(), CommitError> {
    match look(conn, batch).await.map_err(CommitError::Failed)? {
        (epoch, size, control_epoch)
            if epoch == batch.epoch && size == batch.size && control_epoch == batch.control_epoch =>
        {
            Ok(())
        }
        found => Err(guard_error(batch, found)),
    }
}

/// What the guard stumbled over. Nothing was written, so a failure to find out changes no outcome.
async fn mismatch(conn: &Connection, batch: &Batch) -> Result<(), CommitError> {
    Err(guard_error(batch, look(conn, batch).await.map_err(CommitError::Failed)?))
}

async fn look(conn: &Connection, batch: &Batch) -> Result<(u64, u64, u64), StoreError> {
    let query = "SELECT epoch, size, control_epoch FROM logs WHERE id = $1";
    let found = conn.rows(COMMIT, query, &[(&batch.log.0, Type::INT8)]).await?;
    let found = rows::all(COMMIT, &found, rows::guard)?;
    let missing = || error(COMMIT, Kind::Missing, format!("there is no log {}", batch.log.0));
    found.first().copied().ok_or_else(missing)
}

fn guard_error(batch: &Batch, (epoch, size, now): (u64, u64, u64)) -> CommitError {
    let owned = epoch == batch.epoch && size == batch.size;
    if owned { CommitError::Control { now } } else { CommitError::Fenced { log: batch.log, epoch, size } }
}

/// Checks that every number is one that PostgreSQL can hold, so that none has to be changed on its way.
fn fits(batch: &Batch) -> Result<(), StoreError> {
    let guards = [batch.epoch, batch.size, batch.control_epoch];
    let entries = batch.entries.iter().filter_map(|entry| entry.transaction.map(|(_, n)| n));
    let heads = batch.transactions.iter().flat_map(|row| [Some(row.input_seq), row.output_seq]).flatten();
    let steps = batch.steps.iter().flat_map(|row| [row.output_seq, row.undo_seq, row.intent_seq]).flatten();
    let large = guards.into_iter().chain(entries).chain(heads).chain(steps).find(|value| *value > i64::MAX as u64);
    match large {
        None => Ok(()),
        Some(value) => Err(error(COMMIT, Kind::Bug, format!("{value} is no number of an entry"))),
    }
}

/// A number that [`fits`].
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn uuid(bytes: &[u8; 16]) -> Uuid {
    Uuid::from_bytes(*bytes)
}

fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(|time| time.as_micros())
}

fn statement(batch: &Batch) -> Result<Statement<'_>, StoreError> {
    let mut statement = Statement::new();
    guard(&mut statement, batch)?;
    if !batch.entries.is_empty() {
        entries(&mut statement, &batch.entries);
    }
    if !batch.transactions.is_empty() {
        transactions(&mut statement, &batch.transactions);
    }
    if !batch.steps.is_empty() {
        steps(&mut statement, &batch.steps);
    }
    keys(&mut statement, &batch.keys);
    if !batch.labels.is_empty() {
        labels(&mut statement, &batch.labels);
    }
    if !batch.events.is_empty() {
        events(&mut statement, &batch.events);
    }
    if !batch.requests.is_empty() {
        requests(&mut statement, &batch.requests);
    }
    accounts(&mut statement, &batch.accounts);
    expiry::parts(&mut statement, &batch.gone);
    control::parts(&mut statement, &batch.control);
    Ok(statement)
}

fn guard<'a>(statement: &mut Statement<'a>, batch: &'a Batch) -> Result<(), StoreError> {
    let size = statement.bind(int(check::size_after(batch)?), Type::INT8);
    let raise = statement.bind(int(batch.raises_control_epoch), Type::INT8);
    let id = statement.bind(batch.log.0, Type::INT8);
    let epoch = statement.bind(int(batch.epoch), Type::INT8);
    let before = statement.bind(int(batch.size), Type::INT8);
    let control = statement.bind(int(batch.control_epoch), Type::INT8);
    statement.part(
        "guard",
        format!(
            "UPDATE logs SET size = {size}, control_epoch = control_epoch + {raise} \
             WHERE id = {id} AND epoch = {epoch} AND size = {before} AND control_epoch = {control} \
             RETURNING id, tenant"
        ),
    );
    if batch.raises_control_epoch > 0 {
        statement.part(
            "raised",
            format!(
                "UPDATE logs SET control_epoch = logs.control_epoch + {raise} FROM guard \
                 WHERE logs.tenant = guard.tenant AND logs.id <> guard.id RETURNING 1"
            ),
        );
    }
    Ok(())
}

fn entries<'a>(statement: &mut Statement<'a>, rows: &'a [EntryRow]) {
    let rows: Vec<&'a EntryRow> = rows.iter().collect();
    let payload = |row: &&'a EntryRow| row.payload.as_ref();
    let source = statement.unnest(vec![
        column(&rows, Type::INT8_ARRAY, |row| int(row.seq)),
        column(&rows, Type::UUID_ARRAY, |row| row.transaction.as_ref().map(|(id, _)| uuid(id.as_bytes()))),
        column(&rows, Type::INT8_ARRAY, |row| row.transaction.map(|(_, n)| int(n))),
        column(&rows, Type::BYTEA_ARRAY, |row| row.record.as_slice()),
        column(&rows, Type::BYTEA_ARRAY, |row| payload(row).map(|payload: &'a PayloadRow| payload.salt.0.as_slice())),
        column(&rows, Type::TEXT_ARRAY, |row| payload(row).map(|payload| payload.sealed.key.as_ref())),
        column(&rows, Type::BYTEA_ARRAY, |row| payload(row).map(|payload| payload.sealed.nonce.as_slice())),
        column(&rows, Type::BYTEA_ARRAY, |row| payload(row).map(|payload| payload.sealed.bytes.as_slice())),
        column(&rows, Type::BYTEA_ARRAY, |row| {
            payload(row).and_then(|payload| payload.subject.as_ref().map(<[u8; 32]>::as_slice))
        }),
    ]);
    statement.part(
        "new_entries",
        format!(
            "INSERT INTO entries (log, seq, transaction_id, n, record, salt, payload_key, payload_nonce, payload, \
             subject) SELECT guard.id, new.* FROM guard, {source} AS new RETURNING 1"
        ),
    );
}

/// Of rows with one key the last, where the first one stood; `keep` takes over what only the first row counts for.
fn coalesce<'a, R: Clone, K: Hash + Eq>(rows: &'a [R], key: impl Fn(&'a R) -> K, keep: impl Fn(&R, &mut R)) -> Vec<R> {
    let mut places = HashMap::with_capacity(rows.len());
    let mut last: Vec<R> = Vec::with_capacity(rows.len());
    for row in rows {
        let place = *places.entry(key(row)).or_insert(last.len());
        match last.get_mut(place) {
            Some(first) => {
                let mut row = row.clone();
                keep(first, &mut row);
                *first = row;
            }
            None => last.push(row.clone()),
        }
    }
    last
}

fn transactions<'a>(statement: &mut Statement<'a>, rows: &'a [TransactionRow]) {
    // What never changes counts from the first row, as it does where the row is there already.
    let rows = coalesce(
        rows,
        |row| row.id,
        |first, row| {
            let (status, ended_at, wake_at, output_seq) = (row.status, row.ended_at, row.wake_at, row.output_seq);
            let (kept, body) = (row.kept.clone(), row.body.clone());
            *row = TransactionRow { status, ended_at, wake_at, output_seq, kept, body, ..first.clone() };
        },
    );
    let source = statement.unnest(vec![
        column(&rows, Type::UUID_ARRAY, |row| uuid(row.id.as_bytes())),
        column(&rows, Type::INT8_ARRAY, |row| row.log.0),
        column(&rows, Type::TEXT_ARRAY, |row| row.definition.to_string()),
        column(&rows, Type::INT8_ARRAY, |row| i64::from(row.version)),
        column(&rows, Type::BYTEA_ARRAY, |row| row.definition_digest.as_bytes().to_vec()),
        column(&rows, Type::TEXT_ARRAY, |row| row.status),
        column(&rows, Type::TEXT_ARRAY, |row| row.principal.to_string()),
        column(&rows, Type::INT8_ARRAY, |row| row.started_at.as_micros()),
        column(&rows, Type::INT8_ARRAY, |row| micros(row.ended_at)),
        column(&rows, Type::INT8_ARRAY, |row| micros(row.wake_at)),
        column(&rows, Type::INT8_ARRAY, |row| int(row.input_seq)),
        column(&rows, Type::INT8_ARRAY, |row| row.output_seq.map(int)),
        column(&rows, Type::TEXT_ARRAY, |row| words::kept_text(&row.kept)),
        column(&rows, Type::TEXT_ARRAY, |row| row.body.key.to_string()),
        column(&rows, Type::BYTEA_ARRAY, |row| row.body.nonce.clone()),
        column(&rows, Type::BYTEA_ARRAY, |row| row.body.bytes.clone()),
        column(&rows, Type::BYTEA_ARRAY, |row| row.business_key.clone().map(String::into_bytes)),
        column(&rows, Type::UUID_ARRAY, |row| row.parent.map(|parent| uuid(parent.as_bytes()))),
        column(&rows, Type::INT8_ARRAY, |row| row.settings.map(i64::from)),
    ]);
    // A row on another log must fail the statement, not be left out of it: `log` cannot be null.
    statement.part(
        "new_transactions",
        format!(
            "INSERT INTO transactions (id, log, definition, version, definition_digest, status, principal, \
             started_at, ended_at, wake_at, input_seq, output_seq, kept, body_key, body_nonce, body, \
             business_key, parent_id, settings) \
             SELECT new.* FROM guard, {source} AS new \
             ON CONFLICT (id) DO UPDATE SET \
             log = CASE WHEN transactions.log = excluded.log THEN transactions.log END, \
             status = excluded.status, ended_at = excluded.ended_at, wake_at = excluded.wake_at, \
             output_seq = excluded.output_seq, kept = excluded.kept, body_key = excluded.body_key, \
             body_nonce = excluded.body_nonce, body = excluded.body RETURNING 1"
        ),
    );
}

fn steps<'a>(statement: &mut Statement<'a>, rows: &'a [StepRow]) {
    let rows = coalesce(rows, |row| (row.transaction, row.step, row.clone), |_, _| {});
    let source = statement.unnest(vec![
        column(&rows, Type::UUID_ARRAY, |row| uuid(row.transaction.as_bytes())),
        column(&rows, Type::INT8_ARRAY, |row| i64::from(row.step)),
        column(&rows, Type::INT8_ARRAY, |row| i64::from(row.clone)),
        column(&rows, Type::TEXT_ARRAY, |row| row.status),
        column(&rows, Type::INT8_ARRAY, |row| i64::from(row.attempt)),
        column(&rows, Type::INT8_ARRAY, |row| micros(row.wake_at)),
        column(&rows, Type::INT8_ARRAY, |row| row.output_seq.map(int)),
        column(&rows, Type::INT8_ARRAY, |row| row.undo_seq.map(int)),
        column(&rows, Type::INT8_ARRAY, |row| row.intent_seq.map(int)),
        column(&rows, Type::TEXT_ARRAY, |row| row.body.key.to_string()),
        column(&rows, Type::BYTEA_ARRAY, |row| row.body.nonce.clone()),
        column(&rows, Type::BYTEA_ARRAY, |row| row.body.bytes.clone()),
    ]);
    statement.part(
        "new_steps",
        format!(
            "INSERT INTO steps (transaction_id, step, clone, status, attempt, wake_at, output_seq, undo_seq, \
             intent_seq, body_key, body_nonce, body) SELECT new.* FROM guard, {source} AS new \
             ON CONFLICT (transaction_id, step, clone) DO UPDATE SET status = excluded.status, \
             attempt = excluded.attempt, wake_at = excluded.wake_at, output_seq = excluded.output_seq, \
             undo_seq = excluded.undo_seq, intent_seq = excluded.intent_seq, body_key = excluded.body_key, body_nonce = excluded.body_nonce, \
             body = excluded.body RETURNING 1"
        ),
    );
}

fn keys<'a>(statement: &mut Statement<'a>, rows: &'a [KeyRow]) {
    let of = |scope| rows.iter().filter(move |row| row.scope == scope).cloned().collect::<Vec<KeyRow>>();
    let (start, business, fork) = (of(KeyScope::Start), of(KeyScope::Business), of(KeyScope::Fork));
    if !start.is_empty() {
        key_part(statement, "start_keys", KeyScope::Start, &start, "");
    }
    if !fork.is_empty() {
        key_part(statement, "fork_keys", KeyScope::Fork, &fork, "");
    }
    if !business.is_empty() {
        let newest = coalesce(&business, |row| (row.slot, row.key), |_, _| {});
        let moves = "ON CONFLICT (tenant, scope, slot, key) \
             DO UPDATE SET request = excluded.request, transaction_id = excluded.transaction_id";
        key_part(statement, "business_keys", KeyScope::Business, &newest, moves);
    }
}

fn key_part(statement: &mut Statement<'_>, name: &str, scope: KeyScope, rows: &[KeyRow], on_conflict: &str) {
    let source = statement.unnest(vec![
        column(rows, Type::INT8_ARRAY, |row| i64::from(row.slot)),
        column(rows, Type::BYTEA_ARRAY, |row| row.key.to_vec()),
        column(rows, Type::BYTEA_ARRAY, |row| row.request.to_vec()),
        column(rows, Type::UUID_ARRAY, |row| uuid(row.transaction.as_bytes())),
    ]);
    let scope = words::scope(scope);
    statement.part(
        name,
        format!(
            "INSERT INTO keys (tenant, scope, slot, key, request, transaction_id) \
             SELECT guard.tenant, '{scope}', new.* FROM guard, {source} AS new {on_conflict} RETURNING 1"
        ),
    );
}

fn labels<'a>(statement: &mut Statement<'a>, rows: &'a [LabelRow]) {
    let rows: Vec<&'a LabelRow> = rows.iter().collect();
    let source = statement.unnest(vec![
        column(&rows, Type::INT8_ARRAY, |row| row.log.0),
        column(&rows, Type::TEXT_ARRAY, |row| row.name.as_str()),
        column(&rows, Type::BYTEA_ARRAY, |row| row.value.as_bytes()),
        column(&rows, Type::UUID_ARRAY, |row| uuid(row.transaction.as_bytes())),
    ]);
    statement.part(
        "new_labels",
        format!(
            "INSERT INTO labels (log, name, value, transaction_id) SELECT new.* FROM guard, {source} AS new \
             ON CONFLICT (log, name, value, transaction_id) DO NOTHING RETURNING 1"
        ),
    );
}

fn events<'a>(statement: &mut Statement<'a>, rows: &'a [EventRow]) {
    let rows: Vec<&'a EventRow> = rows.iter().collect();
    let source = statement.unnest(vec![
        column(&rows, Type::INT8_ARRAY, |row| row.log.0),
        column(&rows, Type::INT8_ARRAY, |row| int(row.seq)),
        column(&rows, Type::TEXT_ARRAY, |row| row.event_type.as_str()),
        column(&rows, Type::BYTEA_ARRAY, |row| row.subject.as_ref().map(String::as_bytes)),
    ]);
    statement.part(
        "new_events",
        format!("INSERT INTO events (log, seq, type, subject) SELECT new.* FROM guard, {source} AS new RETURNING 1"),
    );
}

fn requests(statement: &mut Statement<'_>, rows: &[RequestRow]) {
    let rows = coalesce(rows, |row| row.id, |_, _| {});
    let source = statement.unnest(vec![
        column(&rows, Type::UUID_ARRAY, |row| uuid(row.transaction.as_bytes())),
        column(&rows, Type::UUID_ARRAY, |row| uuid(row.id.as_bytes())),
        column(&rows, Type::INT8_ARRAY, |row| row.log.0),
        column(&rows, Type::INT8_ARRAY, |row| i64::from(row.step)),
        column(&rows, Type::INT8_ARRAY, |row| i64::from(row.clone)),
        column(&rows, Type::TEXT_ARRAY, |row| row.status.word()),
        column(&rows, Type::TEXT_ARRAY, |row| row.kind.word()),
        column(&rows, Type::TEXT_ARRAY, |row| row.role.as_ref().map(Name::to_string)),
        column(&rows, Type::INT8_ARRAY, |row| row.opened_at.as_micros()),
        column(&rows, Type::INT8_ARRAY, |row| row.due_at.as_micros()),
        column(&rows, Type::INT8_ARRAY, |row| micros(row.decided_at)),
        column(&rows, Type::TEXT_ARRAY, |row| row.body.key.to_string()),
        column(&rows, Type::BYTEA_ARRAY, |row| row.body.nonce.clone()),
        column(&rows, Type::BYTEA_ARRAY, |row| row.body.bytes.clone()),
    ]);
    statement.part(
        "new_requests",
        format!(
            "INSERT INTO requests (transaction_id, id, log, step, clone, status, kind, role, opened_at, due_at, \
             decided_at, body_key, body_nonce, body) SELECT new.* FROM guard, {source} AS new \
             ON CONFLICT (transaction_id, id) DO UPDATE SET status = excluded.status, due_at = excluded.due_at, \
             decided_at = excluded.decided_at, body_key = excluded.body_key, body_nonce = excluded.body_nonce, \
             body = excluded.body RETURNING 1"
        ),
    );
}

fn accounts(statement: &mut Statement<'_>, accounts: &BTreeMap<String, Option<Sealed>>) {
    let rows = accounts.iter().filter_map(|(account, body)| Some((account, body.as_ref()?)));
    let rows: Vec<(&String, &Sealed)> = rows.collect();
    if !rows.is_empty() {
        let source = statement.unnest(vec![
            column(&rows, Type::TEXT_ARRAY, |(account, _)| (*account).clone()),
            column(&rows, Type::TEXT_ARRAY, |(_, body)| body.key.to_string()),
            column(&rows, Type::BYTEA_ARRAY, |(_, body)| body.nonce.clone()),
            column(&rows, Type::BYTEA_ARRAY, |(_, body)| body.bytes.clone()),
        ]);
        statement.part(
            "new_accounts",
            format!(
                "INSERT INTO accounts (tenant, account, body_key, body_nonce, body) \
                 SELECT guard.tenant, new.* FROM guard, {source} AS new ON CONFLICT (tenant, account) DO UPDATE SET \
                 body_key = excluded.body_key, body_nonce = excluded.body_nonce, body = excluded.body RETURNING 1"
            ),
        );
    }
    let gone: Vec<String> =
        accounts.iter().filter(|(_, body)| body.is_none()).map(|(account, _)| account.clone()).collect();
    if !gone.is_empty() {
        let gone = statement.bind(gone, Type::TEXT_ARRAY);
        statement.part(
            "gone_accounts",
            format!(
                "DELETE FROM accounts USING guard \
                 WHERE accounts.tenant = guard.tenant AND accounts.account = ANY({gone}) RETURNING 1"
            ),
        );
    }
}
