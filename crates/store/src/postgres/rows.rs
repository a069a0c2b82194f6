//! Columns to rows. A value that this build does not write is an error that names its column, never a guess.

use crate::error;
use crate::expiry::Below;
use crate::scan::{BUNDLE, PointerRow, SHADOW, SlotRow};
use crate::words;
use crate::{CheckpointRow, TileRow};
use chancery_base::webhook::SigningSecret;
use chancery_base::{
    Digest, KeyId, Kind, Name, PrincipalId, RequestId, Salt, Secret, SigningSecretId, TargetId, TenantId, Timestamp,
    TransactionId,
};
use chancery_shard::batch::StoreError;
use chancery_shard::row::{
    AccountRow, BudgetRow, BundleRow, CredentialRow, DefinitionRow, EntryRow, EventRow, EvidenceContentRow,
    EvidenceRow, KeyRow, LabelRow, LogId, LogRow, MaintenanceRow, NotifierRow, OverrideRow, PayloadRow, PrincipalRow,
    QueueRow, RequestRow, RetentionRow, ScheduleRow, Sealed, SettingsRow, SigningSecretRow, StepRow, StopRow,
    TargetRow, TenantRow, TransactionRow, TrustRow,
};
use chancery_shard::{RequestKind, RequestStatus};
use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, FromSqlOwned, Type};
use uuid::Uuid;

/// The columns that [`log`] reads.
pub(super) const LOG: &str = "id, tenant, shard, generation, origin, epoch, size, control_epoch, owner";
/// The columns that [`tenant`] reads.
pub(super) const TENANT: &str = "tenant, shards, hash_key, created_at";
/// The columns that [`slot`] reads.
pub(super) const SLOT: &str = "tenant, first_slot, last_slot, shard, version";
/// The columns that [`entry`] reads.
pub(super) const ENTRY: &str =
    "log, seq, transaction_id, n, record, salt, payload_key, payload_nonce, payload, subject";
/// The columns that [`entry`] reads, without the payload's.
pub(super) const ENTRY_BARE: &str = "log, seq, transaction_id, n, record, NULL::bytea AS salt, \
     NULL::text AS payload_key, NULL::bytea AS payload_nonce, NULL::bytea AS payload, NULL::bytea AS subject";
/// The columns that [`payload`] reads.
pub(super) const PAYLOAD: &str = "seq, salt, payload_key, payload_nonce, payload, subject";
/// The columns that [`transaction`] reads.
pub(super) const TRANSACTION: &str = "id, log, definition, version, definition_digest, status, principal, started_at, \
     ended_at, wake_at, input_seq, output_seq, kept, body_key, body_nonce, body, business_key, parent_id, settings";
/// The columns that [`event`] reads.
pub(super) const EVENT: &str = "log, seq, type, subject";
/// The columns that [`request`] reads.
pub(super) const REQUEST: &str = "transaction_id, id, log, step, clone, status, kind, role, opened_at, due_at, \
     decided_at, body_key, body_nonce, body";
/// The columns that [`label`] reads.
pub(super) const LABEL: &str = "log, name, value, transaction_id";
/// The columns that [`step`] reads.
pub(super) const STEP: &str = "transaction_id, step, clone, status, attempt, wake_at, output_seq, undo_seq, intent_seq, body_key, body_nonce, body";
/// The columns that [`key`] reads.
pub(super) const KEY: &str = "tenant, scope, slot, key, request, transaction_id";
/// The columns that [`principal`] reads.
pub(super) const PRINCIPAL: &str = "tenant, id, body_key, body_nonce, body";
/// The columns that [`credential`] reads.
pub(super) const CREDENTIAL: &str = "tenant, id, principal, hash, issued_at, expires_at, revoked_at";
/// The columns that [`target`] reads.
pub(super) const TARGET: &str = "tenant, target, body_key, body_nonce, body";
/// The columns that [`queue`] reads.
pub(super) const QUEUE: &str = "tenant, queue, body_key, body_nonce, body";
/// The columns that [`tenant_settings`] reads.
pub(super) const SETTINGS: &str = "tenant, version, changed_at, changed_by, source";
/// The columns that [`maintenance`] reads.
pub(super) const MAINTENANCE: &str = "tenant, body_key, body_nonce, body";
/// The columns that [`schedule`] reads.
pub(super) const SCHEDULE: &str = "tenant, name, body_key, body_nonce, body";
/// The columns that [`evidence`] and [`evidence_content`] read.
pub(super) const EVIDENCE: &str = "tenant, id, body_key, body_nonce, body";
/// The columns that [`notifier`] reads.
pub(super) const NOTIFIER: &str = "tenant, name, body_key, body_nonce, body, secret";
/// The columns that [`stop`] reads.
pub(super) const STOP: &str = "tenant, id, body_key, body_nonce, body";
/// The columns that [`over`] reads.
pub(super) const OVERRIDE: &str = "tenant, id, body_key, body_nonce, body";
/// The columns that [`retention`] reads.
pub(super) const RETENTION: &str = MAINTENANCE;
/// The columns that [`trust`] reads.
pub(super) const TRUST: &str = MAINTENANCE;
/// The columns that [`budget`] reads.
pub(super) const BUDGET: &str = "tenant, name, body_key, body_nonce, body";
/// The columns that [`account`] reads.
pub(super) const ACCOUNT: &str = "tenant, account, body_key, body_nonce, body";
/// The columns that [`signing_secret`] reads.
pub(super) const SIGNING_SECRET: &str = "tenant, id, target, secret, issued_at";
/// The columns that [`definition`] reads.
pub(super) const DEFINITION: &str = "tenant, name, version, digest, registered_at, source";
/// The columns that [`bundle`] reads.
pub(super) const BUNDLES: &str = "tenant, name, version, digest, pushed_at, pushed_by, signatures, source";

/// A column that does not hold what it must.
#[derive(Debug)]
pub(super) struct BadColumn {
    column: usize,
    message: String,
}

type Read<T> = Result<T, BadColumn>;

fn bad(column: usize, message: impl Display) -> BadColumn {
    BadColumn { column, message: message.to_string() }
}

impl BadColumn {
    /// As the store's error: which column of which row.
    pub(super) fn into_store(self, operation: &'static str, row: &Row) -> StoreError {
        let name = row.columns().get(self.column).map_or("?", |column| column.name());
        // The columns of the longest key.
        let key: Vec<String> = (0..4).filter_map(|column| show(row, column)).collect();
        let message = format!("column `{name}` of row ({}…): {}", key.join(", "), self.message);
        error(operation, Kind::Broken, message)
    }
}

/// A value of a key, to say which row.
fn show(row: &Row, column: usize) -> Option<String> {
    let kind = row.columns().get(column)?.type_();
    if *kind == Type::INT8 {
        row.try_get::<_, i64>(column).ok().map(|value| value.to_string())
    } else if *kind == Type::TEXT {
        row.try_get::<_, &str>(column).ok().map(|value| value.chars().take(64).collect())
    } else if *kind == Type::UUID {
        row.try_get::<_, Uuid>(column).ok().map(|value| value.to_string())
    } else {
        None
    }
}

/// Reads every row of an answer.
pub(super) fn all<T>(
    operation: &'static str,
    rows: &[Row],
    read: impl Fn(&Row) -> Read<T>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| read(row).map_err(|bad| bad.into_store(operation, row))).collect()
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Read<T> {
    row.try_get(column).map_err(|failure| bad(column, super::fault::chain(&failure)))
}

/// A count, a number or a version, which PostgreSQL keeps as a signed one.
pub(super) fn number<T: TryFrom<i64>>(row: &Row, column: usize) -> Read<T> {
    let value: i64 = get(row, column)?;
    T::try_from(value).ok().ok_or_else(|| bad(column, format!("{value} is out of range")))
}

fn number_or_null<T: TryFrom<i64>>(row: &Row, column: usize) -> Read<Option<T>> {
    let Some(value) = get::<Option<i64>>(row, column)? else { return Ok(None) };
    T::try_from(value).ok().map(Some).ok_or_else(|| bad(column, format!("{value} is out of range")))
}

fn text<T: FromStr>(row: &Row, column: usize) -> Read<T>
where
    T::Err: Display,
{
    get::<&str>(row, column)?.parse().map_err(|failure: T::Err| bad(column, failure))
}

fn array<const N: usize>(row: &Row, column: usize) -> Read<[u8; N]> {
    let bytes: &[u8] = get(row, column)?;
    bytes.try_into().ok().ok_or_else(|| bad(column, format!("{} bytes instead of {N}", bytes.len())))
}

fn array_or_null<const N: usize>(row: &Row, column: usize) -> Read<Option<[u8; N]>> {
    if get::<Option<&[u8]>>(row, column)?.is_none() { Ok(None) } else { array(row, column).map(Some) }
}

/// A text that may have any character, which a column of texts may not.
fn utf8_or_null(row: &Row, column: usize) -> Read<Option<String>> {
    let bytes: Option<Vec<u8>> = get(row, column)?;
    bytes.map(String::from_utf8).transpose().map_err(|error| bad(column, error))
}

fn uuid(row: &Row, column: usize) -> Read<[u8; 16]> {
    get::<Uuid>(row, column).map(Uuid::into_bytes)
}

fn time_of(column: usize, micros: i64) -> Read<Timestamp> {
    let time = Timestamp::from_micros(micros);
    if time.as_micros() == micros { Ok(time) } else { Err(bad(column, format!("{micros} is out of range"))) }
}

fn time(row: &Row, column: usize) -> Read<Timestamp> {
    time_of(column, get(row, column)?)
}

fn time_or_null(row: &Row, column: usize) -> Read<Option<Timestamp>> {
    get::<Option<i64>>(row, column)?.map(|micros| time_of(column, micros)).transpose()
}

/// The word in a column, if it is one that `known` knows.
fn word(row: &Row, column: usize, known: &[&'static str]) -> Read<&'static str> {
    let text = get(row, column)?;
    words::find(known, text).ok_or_else(|| bad(column, format!("`{text}` is no word of this column")))
}

/// A word in a column of a type that knows its words.
fn of_word<T>(row: &Row, column: usize, read: impl Fn(&str) -> Option<T>) -> Read<T> {
    let text: &str = get(row, column)?;
    read(text).ok_or_else(|| bad(column, format!("`{text}` is no word of this column")))
}

fn text_or_null<T: FromStr>(row: &Row, column: usize) -> Read<Option<T>>
where
    T::Err: Display,
{
    if get::<Option<&str>>(row, column)?.is_none() { Ok(None) } else { text(row, column).map(Some) }
}

fn sealed(row: &Row, first: usize) -> Read<Sealed> {
    let key: &str = get(row, first)?;
    let key = if key == Sealed::PLAIN { Cow::Borrowed(Sealed::PLAIN) } else { Cow::Owned(key.to_owned()) };
    Ok(Sealed { key, nonce: get(row, first + 1)?, bytes: get(row, first + 2)? })
}

/// The value in an answer's only column.
pub(super) fn value<T: FromSqlOwned>(row: &Row) -> Read<T> {
    get(row, 0)
}

pub(super) fn log(row: &Row) -> Read<LogRow> {
    Ok(LogRow {
        id: LogId(get(row, 0)?),
        tenant: text(row, 1)?,
        shard: number(row, 2)?,
        generation: number(row, 3)?,
        origin: text(row, 4)?,
        epoch: number(row, 5)?,
        size: number(row, 6)?,
        control_epoch: number(row, 7)?,
        owner: get(row, 8)?,
    })
}

pub(super) fn tenant(row: &Row) -> Read<TenantRow> {
    Ok(TenantRow {
        tenant: text(row, 0)?,
        shards: number(row, 1)?,
        hash_key: array(row, 2)?,
        created_at: time(row, 3)?,
    })
}

pub(super) fn slot(row: &Row) -> Read<SlotRow> {
    Ok(SlotRow {
        tenant: text(row, 0)?,
        first: number(row, 1)?,
        last: number(row, 2)?,
        shard: number(row, 3)?,
        version: number(row, 4)?,
    })
}

/// Columns that are null where the one before them is.
fn null(row: &Row, mut columns: RangeInclusive<usize>) -> Read<()> {
    columns.try_for_each(|column| match get::<Option<Present>>(row, column)? {
        None => Ok(()),
        Some(Present) => Err(bad(column, "it belongs to nothing")),
    })
}

/// Any value at all.
struct Present;

impl<'a> FromSql<'a> for Present {
    fn from_sql(_: &Type, _: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn payload_at(row: &Row, first: usize) -> Read<Option<PayloadRow>> {
    let Some(salt) = array_or_null(row, first)? else {
        return null(row, first + 1..=first + 4).map(|()| None);
    };
    let subject = array_or_null(row, first + 4)?;
    Ok(Some(PayloadRow { salt: Salt(salt), sealed: sealed(row, first + 1)?, subject }))
}

/// An entry's number and its payload.
pub(super) fn payload(row: &Row) -> Read<(u64, Option<PayloadRow>)> {
    Ok((number(row, 0)?, payload_at(row, 1)?))
}

pub(super) fn entry(row: &Row) -> Read<(LogId, EntryRow)> {
    let transaction = match get::<Option<Uuid>>(row, 2)? {
        Some(id) => Some((TransactionId::from_bytes(id.into_bytes()), number(row, 3)?)),
        None => null(row, 3..=3).map(|()| None)?,
    };
    let entry = EntryRow { seq: number(row, 1)?, transaction, record: get(row, 4)?, payload: payload_at(row, 5)? };
    Ok((LogId(get(row, 0)?), entry))
}

pub(super) fn transaction(row: &Row) -> Read<TransactionRow> {
    Ok(TransactionRow {
        id: TransactionId::from_bytes(uuid(row, 0)?),
        log: LogId(get(row, 1)?),
        definition: text(row, 2)?,
        version: number(row, 3)?,
        definition_digest: Digest::from_bytes(array(row, 4)?),
        status: word(row, 5, words::TRANSACTION_STATUSES)?,
        principal: text(row, 6)?,
        started_at: time(row, 7)?,
        ended_at: time_or_null(row, 8)?,
        wake_at: time_or_null(row, 9)?,
        input_seq: number(row, 10)?,
        output_seq: number_or_null(row, 11)?,
        kept: kept(row, 12)?,
        body: sealed(row, 13)?,
        business_key: utf8_or_null(row, 16)?,
        parent: get::<Option<Uuid>>(row, 17)?.map(|id| TransactionId::from_bytes(id.into_bytes())),
        settings: number_or_null(row, 18)?,
    })
}

fn kept(row: &Row, column: usize) -> Read<Vec<u64>> {
    let text: Option<&str> = get(row, column)?;
    words::kept_of(text).ok_or_else(|| bad(column, "it is not a list of entries"))
}

pub(super) fn event(row: &Row) -> Read<EventRow> {
    let (log, seq) = (LogId(get(row, 0)?), number(row, 1)?);
    Ok(EventRow { log, seq, event_type: get(row, 2)?, subject: utf8_or_null(row, 3)? })
}

pub(super) fn request(row: &Row) -> Read<RequestRow> {
    Ok(RequestRow {
        transaction: TransactionId::from_bytes(uuid(row, 0)?),
        id: RequestId::from_bytes(uuid(row, 1)?),
        log: LogId(get(row, 2)?),
        step: number(row, 3)?,
        clone: number(row, 4)?,
        status: of_word(row, 5, RequestStatus::from_word)?,
        kind: of_word(row, 6, RequestKind::from_word)?,
        role: text_or_null(row, 7)?,
        opened_at: time(row, 8)?,
        due_at: time(row, 9)?,
        decided_at: time_or_null(row, 10)?,
        body: sealed(row, 11)?,
    })
}

pub(super) fn label(row: &Row) -> Read<LabelRow> {
    let value = utf8_or_null(row, 2)?.ok_or_else(|| bad(2, "there is no value"))?;
    let transaction = TransactionId::from_bytes(uuid(row, 3)?);
    Ok(LabelRow { log: LogId(get(row, 0)?), name: get(row, 1)?, value, transaction })
}

/// The id and when it wakes.
pub(super) fn asleep(row: &Row) -> Read<(TransactionId, Timestamp)> {
    Ok((transaction_id(row)?, time(row, 1)?))
}

/// An id, and whether something holds of it.
pub(super) fn flagged(row: &Row) -> Read<(TransactionId, bool)> {
    Ok((transaction_id(row)?, get(row, 1)?))
}

/// A root, and one that stands below it.
pub(super) fn below(row: &Row) -> Read<(TransactionId, Below)> {
    let id = TransactionId::from_bytes(uuid(row, 1)?);
    Ok((transaction_id(row)?, Below { id, has_ended: get(row, 2)?, depth: number(row, 3)? }))
}

/// An id and a count.
pub(super) fn counted(row: &Row) -> Read<(TransactionId, u64)> {
    Ok((transaction_id(row)?, number(row, 1)?))
}

/// The id in the first column.
pub(super) fn transaction_id(row: &Row) -> Read<TransactionId> {
    uuid(row, 0).map(TransactionId::from_bytes)
}

pub(super) fn step(row: &Row) -> Read<StepRow> {
    Ok(StepRow {
        transaction: TransactionId::from_bytes(uuid(row, 0)?),
        step: number(row, 1)?,
        clone: number(row, 2)?,
        status: word(row, 3, words::STEP_STATUSES)?,
        attempt: number(row, 4)?,
        wake_at: time_or_null(row, 5)?,
        output_seq: number_or_null(row, 6)?,
        undo_seq: number_or_null(row, 7)?,
        intent_seq: number_or_null(row, 8)?,
        body: sealed(row, 9)?,
    })
}

pub(super) fn key(row: &Row) -> Read<(TenantId, KeyRow)> {
    let scope: &str = get(row, 1)?;
    let key = KeyRow {
        scope: words::scope_of(scope).ok_or_else(|| bad(1, format!("`{scope}` is no scope of keys")))?,
        slot: number(row, 2)?,
        key: array(row, 3)?,
        request: array(row, 4)?,
        transaction: TransactionId::from_bytes(uuid(row, 5)?),
    };
    Ok((text(row, 0)?, key))
}

pub(super) fn principal(row: &Row) -> Read<(TenantId, PrincipalRow)> {
    Ok((text(row, 0)?, PrincipalRow { id: text::<PrincipalId>(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn credential(row: &Row) -> Read<(TenantId, CredentialRow)> {
    let credential = CredentialRow {
        id: KeyId::from_bytes(uuid(row, 1)?),
        principal: text(row, 2)?,
        hash: Digest::from_bytes(array(row, 3)?),
        issued_at: time(row, 4)?,
        expires_at: time_or_null(row, 5)?,
        revoked_at: time_or_null(row, 6)?,
    };
    Ok((text(row, 0)?, credential))
}

pub(super) fn target(row: &Row) -> Read<(TenantId, TargetRow)> {
    Ok((text(row, 0)?, TargetRow { target: text(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn evidence(row: &Row) -> Read<(TenantId, EvidenceRow)> {
    Ok((text(row, 0)?, EvidenceRow { id: text(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn evidence_content(row: &Row) -> Read<(TenantId, EvidenceContentRow)> {
    Ok((text(row, 0)?, EvidenceContentRow { id: text(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn notifier(row: &Row) -> Read<(TenantId, NotifierRow)> {
    let secret = get::<Option<String>>(row, 5)?.map(Secret::new);
    Ok((text(row, 0)?, NotifierRow { name: text(row, 1)?, body: sealed(row, 2)?, secret }))
}

pub(super) fn stop(row: &Row) -> Read<(TenantId, StopRow)> {
    Ok((text(row, 0)?, StopRow { id: text(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn budget(row: &Row) -> Read<(TenantId, BudgetRow)> {
    Ok((text(row, 0)?, BudgetRow { name: text(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn account(row: &Row) -> Read<(TenantId, AccountRow)> {
    Ok((text(row, 0)?, AccountRow { account: get(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn over(row: &Row) -> Read<(TenantId, OverrideRow)> {
    Ok((text(row, 0)?, OverrideRow { id: text(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn queue(row: &Row) -> Read<(TenantId, QueueRow)> {
    Ok((text(row, 0)?, QueueRow { queue: text(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn tenant_settings(row: &Row) -> Read<(TenantId, SettingsRow)> {
    let settings = SettingsRow {
        version: number(row, 1)?,
        changed_at: time(row, 2)?,
        changed_by: text(row, 3)?,
        source: get::<&[u8]>(row, 4)?.into(),
    };
    Ok((text(row, 0)?, settings))
}

pub(super) fn maintenance(row: &Row) -> Read<(TenantId, MaintenanceRow)> {
    Ok((text(row, 0)?, MaintenanceRow { body: sealed(row, 1)? }))
}

pub(super) fn schedule(row: &Row) -> Read<(TenantId, ScheduleRow)> {
    Ok((text(row, 0)?, ScheduleRow { name: text(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn retention(row: &Row) -> Read<(TenantId, RetentionRow)> {
    Ok((text(row, 0)?, RetentionRow { body: sealed(row, 1)? }))
}

pub(super) fn trust(row: &Row) -> Read<(TenantId, TrustRow)> {
    Ok((text(row, 0)?, TrustRow { body: sealed(row, 1)? }))
}

pub(super) fn signing_secret(row: &Row) -> Read<(TenantId, SigningSecretRow)> {
    let target: Option<TargetId> = match get::<Option<&str>>(row, 2)? {
        Some(_) => Some(text(row, 2)?),
        None => None,
    };
    let secret = SigningSecret::from_bytes(get(row, 3)?).map_err(|failure| bad(3, failure))?;
    let id = SigningSecretId::from_bytes(uuid(row, 1)?);
    Ok((text(row, 0)?, SigningSecretRow { id, target, secret, issued_at: time(row, 4)? }))
}

pub(super) fn definition(row: &Row) -> Read<(TenantId, DefinitionRow)> {
    let definition = DefinitionRow {
        name: text(row, 1)?,
        version: number(row, 2)?,
        digest: Digest::from_bytes(array(row, 3)?),
        registered_at: time(row, 4)?,
        source: get::<&[u8]>(row, 5)?.into(),
    };
    Ok((text(row, 0)?, definition))
}

/// Name, version and digest, without the rest of the definition.
pub(super) fn definition_head(row: &Row) -> Read<(Name, u32, Digest)> {
    Ok((text(row, 0)?, number(row, 1)?, Digest::from_bytes(array(row, 2)?)))
}

pub(super) fn bundle(row: &Row) -> Read<(TenantId, BundleRow)> {
    let bundle = BundleRow {
        name: text(row, 1)?,
        version: number(row, 2)?,
        digest: Digest::from_bytes(array(row, 3)?),
        pushed_at: time(row, 4)?,
        pushed_by: text(row, 5)?,
        signatures: get::<&str>(row, 6)?.into(),
        source: get::<&[u8]>(row, 7)?.into(),
    };
    Ok((text(row, 0)?, bundle))
}

/// Tenant, kind and digest.
pub(super) fn pointer(row: &Row) -> Read<PointerRow> {
    let kind = word(row, 1, &[BUNDLE, SHADOW])?;
    Ok(PointerRow { tenant: text(row, 0)?, kind, digest: Digest::from_bytes(array(row, 2)?) })
}

/// The digest in the first column.
pub(super) fn digest(row: &Row) -> Read<Digest> {
    array(row, 0).map(Digest::from_bytes)
}

/// Level, tile and hashes.
pub(super) fn tile(row: &Row) -> Read<TileRow> {
    Ok(TileRow { level: number(row, 0)?, index: number(row, 1)?, hashes: get(row, 2)? })
}

/// Size, epoch and note.
pub(super) fn checkpoint(row: &Row) -> Read<CheckpointRow> {
    Ok(CheckpointRow { size: number(row, 0)?, note: get(row, 1)? })
}

/// Epoch, size and control epoch of a log.
pub(super) fn guard(row: &Row) -> Read<(u64, u64, u64)> {
    Ok((number(row, 0)?, number(row, 1)?, number(row, 2)?))
}

/// The server's version, as a number and as it says it, and three settings.
pub(super) fn settings(row: &Row) -> Read<(i32, String, [bool; 3])> {
    Ok((get(row, 0)?, get(row, 1)?, [get(row, 2)?, get(row, 3)?, get(row, 4)?]))
}
