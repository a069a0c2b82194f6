//! Columns to rows. A value that this build does not write is an error that names its column, never a guess.

use crate::expiry::Below;
use crate::scan::{BUNDLE, PointerRow, SHADOW, SlotRow};
use crate::words;
use crate::{CheckpointRow, TileRow};
use chancery_base::webhook::SigningSecret;
use chancery_base::{
    Digest, EvidenceId, KeyId, Name, OverrideId, PrincipalId, RequestId, Salt, Secret, SigningSecretId, StopId,
    TargetId, TenantId, Timestamp, TransactionId,
};
use chancery_shard::row::{
    AccountRow, BudgetRow, BundleRow, CredentialRow, DefinitionRow, EntryRow, EventRow, EvidenceContentRow,
    EvidenceRow, KeyRow, KeyScope, LabelRow, LogId, LogRow, MaintenanceRow, NotifierRow, OverrideRow, PayloadRow,
    PrincipalRow, QueueRow, RequestRow, RetentionRow, ScheduleRow, Sealed, SettingsRow, SigningSecretRow, StepRow,
    StopRow, TargetRow, TenantRow, TransactionRow, TrustRow,
};
use chancery_shard::{Origin, RequestKind, RequestStatus};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use std::borrow::Cow;
use std::str::FromStr;

use crate::check::{LOG_ENTRIES_MAX, SEQ_BITS};

/// The columns that [`log`] reads.
pub(super) const LOG: &str = "id, tenant, shard, generation, origin, epoch, size, control_epoch, owner";
/// The columns that [`tenant`] reads.
pub(super) const TENANT: &str = "tenant, shards, hash_key, created_at";
/// The columns that [`slot`] reads.
pub(super) const SLOT: &str = "tenant, first_slot, last_slot, shard, version";
/// The columns that [`entry`] reads.
pub(super) const ENTRY: &str =
    "position, transaction_id, n, record, salt, payload_key, payload_nonce, payload, subject";
/// The columns that [`entry`] reads, without the payload's.
pub(super) const ENTRY_BARE: &str = "position, transaction_id, n, record, NULL, NULL, NULL, NULL, NULL";
/// The columns that [`payload`] reads, from 0.
pub(super) const PAYLOAD: &str = "salt, payload_key, payload_nonce, payload, subject";
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
/// The columns that [`settings`] reads.
pub(super) const SETTINGS: &str = "tenant, version, changed_at, changed_by, source";
/// The columns that [`maintenance`], [`retention`] and [`trust`] read.
pub(super) const SINGLE: &str = "tenant, body_key, body_nonce, body";
/// The columns that [`schedule`] reads.
pub(super) const SCHEDULE: &str = "tenant, name, body_key, body_nonce, body";
/// The columns that [`evidence`] and [`evidence_content`] read.
pub(super) const EVIDENCE: &str = "tenant, id, body_key, body_nonce, body";
/// The columns that [`stop`] reads.
pub(super) const STOP: &str = "tenant, id, body_key, body_nonce, body";
/// The columns that [`budget`] reads.
pub(super) const BUDGET: &str = "tenant, name, body_key, body_nonce, body";
/// The columns that [`account`] reads.
pub(super) const ACCOUNT: &str = "tenant, account, body_key, body_nonce, body";
/// The columns that [`notifier`] reads.
pub(super) const NOTIFIER: &str = "tenant, name, body_key, body_nonce, body, secret";
/// The columns that [`over`] reads.
pub(super) const OVERRIDE: &str = "tenant, id, body_key, body_nonce, body";
/// The columns that [`signing_secret`] reads.
pub(super) const SIGNING_SECRET: &str = "tenant, id, target, secret, issued_at";
/// The columns that [`definition`] reads.
pub(super) const DEFINITION: &str = "tenant, name, version, digest, registered_at, source";
/// The columns that [`bundle`] reads.
pub(super) const BUNDLES: &str = "tenant, name, version, digest, pushed_at, pushed_by, signatures, source";

/// A value as a column holds it.
struct Db<T>(T);

/// Why a column's value is refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

fn refused<T>(message: &impl ToString) -> FromSqlResult<T> {
    Err(FromSqlError::Other(Box::new(Refused(message.to_string()))))
}

macro_rules! bytes {
    ($($type:ident),*) => {
        $(impl FromSql for Db<$type> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                FromSql::column_result(value).map(|bytes| Self($type::from_bytes(bytes)))
            }
        })*
    };
}

macro_rules! text {
    ($($type:ident),*) => {
        $(impl FromSql for Db<$type> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                $type::from_str(value.as_str()?).map(Self).or_else(|error| refused(&error))
            }
        })*
    };
}

bytes!(TransactionId, KeyId, RequestId, SigningSecretId, Digest);
text!(TenantId, Name, OverrideId, PrincipalId, EvidenceId, StopId, TargetId, Origin);

impl FromSql for Db<SigningSecret> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        SigningSecret::from_bytes(value.as_blob()?).map(Self).or_else(|error| refused(&error))
    }
}

impl FromSql for Db<Salt> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        FromSql::column_result(value).map(|bytes| Self(Salt(bytes)))
    }
}

impl FromSql for Db<Timestamp> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let micros = value.as_i64()?;
        let time = Timestamp::from_micros(micros);
        if time.as_micros() == micros { Ok(Self(time)) } else { Err(FromSqlError::OutOfRange(micros)) }
    }
}

macro_rules! word {
    ($($type:ident),*) => {
        $(impl FromSql for Db<$type> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let text = value.as_str()?;
                let found = $type::from_word(text).map(Self);
                found.map_or_else(|| refused(&format!("`{text}` is no word of this column")), Ok)
            }
        })*
    };
}

word!(RequestKind, RequestStatus);

impl FromSql for Db<KeyScope> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        words::scope_of(text).map(Self).map_or_else(|| refused(&format!("`{text}` is no scope of keys")), Ok)
    }
}

impl FromSql for Db<Cow<'static, str>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        Ok(Self(if text == Sealed::PLAIN { Cow::Borrowed(Sealed::PLAIN) } else { Cow::Owned(text.to_owned()) }))
    }
}

/// A text that may have any character, which a column of texts may not.
struct Utf8(String);

impl FromSql for Db<Utf8> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = String::from_utf8(value.as_blob()?.to_vec());
        text.map(|text| Self(Utf8(text))).or_else(|error| refused(&error))
    }
}

/// The word in a column, if it is one that `known` knows.
fn word(row: &Row<'_>, column: usize, known: &[&'static str]) -> rusqlite::Result<&'static str> {
    let text = row.get_ref(column)?.as_str()?;
    let unknown = || Refused(format!("`{text}` is no word of this column"));
    words::find(known, text).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(unknown()))
    })
}

/// The entries' numbers in a column.
fn kept(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u64>> {
    let refused = || Refused("it is not a list of entries".to_owned());
    words::kept_of(row.get_ref(column)?.as_str_or_null()?).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(refused()))
    })
}

fn get<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    Db<T>: FromSql,
{
    row.get(column).map(|Db(value)| value)
}

fn optional<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    Db<T>: FromSql,
{
    Ok(row.get::<_, Option<Db<T>>>(column)?.map(|Db(value)| value))
}

fn sealed(row: &Row<'_>, first: usize) -> rusqlite::Result<Sealed> {
    Ok(Sealed { key: get(row, first)?, nonce: row.get(first + 1)?, bytes: row.get(first + 2)? })
}

/// Where an entry lies: its log in the upper bits, its number below.
pub(super) fn position(log: LogId, seq: u64) -> Option<i64> {
    let seq = i64::try_from(seq).ok().filter(|_| seq < LOG_ENTRIES_MAX)?;
    let fits = (0..1 << (63 - SEQ_BITS)).contains(&log.0);
    fits.then_some((log.0 << SEQ_BITS) | seq)
}

/// The log and number of a position.
pub(super) fn place(position: i64) -> (LogId, u64) {
    let seq = position & ((1 << SEQ_BITS) - 1);
    (LogId(position >> SEQ_BITS), u64::try_from(seq).unwrap_or_default())
}

pub(super) fn log(row: &Row<'_>) -> rusqlite::Result<LogRow> {
    Ok(LogRow {
        id: LogId(row.get(0)?),
        tenant: get(row, 1)?,
        shard: row.get(2)?,
        generation: row.get(3)?,
        origin: get(row, 4)?,
        epoch: row.get(5)?,
        size: row.get(6)?,
        control_epoch: row.get(7)?,
        owner: row.get(8)?,
    })
}

pub(super) fn tenant(row: &Row<'_>) -> rusqlite::Result<TenantRow> {
    Ok(TenantRow { tenant: get(row, 0)?, shards: row.get(1)?, hash_key: row.get(2)?, created_at: get(row, 3)? })
}

/// The tenant in the first column, where a row needs nothing else of it.
pub(super) fn tenant_id(row: &Row<'_>) -> rusqlite::Result<TenantId> {
    get(row, 0)
}

pub(super) fn slot(row: &Row<'_>) -> rusqlite::Result<SlotRow> {
    Ok(SlotRow {
        tenant: get(row, 0)?,
        first: row.get(1)?,
        last: row.get(2)?,
        shard: row.get(3)?,
        version: row.get(4)?,
    })
}

/// Columns that are null where the one before them is.
fn null(row: &Row<'_>, mut columns: std::ops::RangeInclusive<usize>) -> rusqlite::Result<()> {
    columns.try_for_each(|column| match row.get_ref(column)? {
        ValueRef::Null => Ok(()),
        value @ (ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_)) => {
            Err(rusqlite::Error::FromSqlConversionFailure(
                column,
                value.data_type(),
                Box::new(Refused("it belongs to nothing".to_owned())),
            ))
        }
    })
}

fn payload_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<PayloadRow>> {
    let Some(salt) = optional(row, first)? else {
        return null(row, first + 1..=first + 4).map(|()| None);
    };
    Ok(Some(PayloadRow { salt, sealed: sealed(row, first + 1)?, subject: row.get(first + 4)? }))
}

pub(super) fn payload(row: &Row<'_>) -> rusqlite::Result<Option<PayloadRow>> {
    payload_at(row, 0)
}

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<(LogId, EntryRow)> {
    let (log, seq) = place(row.get(0)?);
    let transaction = match optional(row, 1)? {
        Some(id) => Some((id, row.get(2)?)),
        None => null(row, 2..=2).map(|()| None)?,
    };
    Ok((log, EntryRow { seq, transaction, record: row.get(3)?, payload: payload_at(row, 4)? }))
}

pub(super) fn transaction(row: &Row<'_>) -> rusqlite::Result<TransactionRow> {
    Ok(TransactionRow {
        id: get(row, 0)?,
        log: LogId(row.get(1)?),
        definition: get(row, 2)?,
        version: row.get(3)?,
        definition_digest: get(row, 4)?,
        status: word(row, 5, words::TRANSACTION_STATUSES)?,
        principal: get(row, 6)?,
        started_at: get(row, 7)?,
        ended_at: optional(row, 8)?,
        wake_at: optional(row, 9)?,
        input_seq: row.get(10)?,
        output_seq: row.get(11)?,
        kept: kept(row, 12)?,
        body: sealed(row, 13)?,
        business_key: optional(row, 16)?.map(|Utf8(key)| key),
        parent: optional(row, 17)?,
        settings: row.get(18)?,
    })
}

/// The id and when it wakes.
pub(super) fn asleep(row: &Row<'_>) -> rusqlite::Result<(TransactionId, Timestamp)> {
    Ok((get(row, 0)?, get(row, 1)?))
}

/// An id, and whether something holds of it.
pub(super) fn flagged(row: &Row<'_>) -> rusqlite::Result<(TransactionId, bool)> {
    Ok((get(row, 0)?, row.get(1)?))
}

/// One that stands below a root.
pub(super) fn below(row: &Row<'_>) -> rusqlite::Result<Below> {
    Ok(Below { id: get(row, 0)?, has_ended: row.get(1)?, depth: row.get(2)? })
}

/// The id in the first column.
pub(super) fn transaction_id(row: &Row<'_>) -> rusqlite::Result<TransactionId> {
    get(row, 0)
}

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let subject = optional(row, 3)?.map(|Utf8(subject)| subject);
    Ok(EventRow { log: LogId(row.get(0)?), seq: row.get(1)?, event_type: row.get(2)?, subject })
}

pub(super) fn request(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
    Ok(RequestRow {
        transaction: get(row, 0)?,
        id: get(row, 1)?,
        log: LogId(row.get(2)?),
        step: row.get(3)?,
        clone: row.get(4)?,
        status: get(row, 5)?,
        kind: get(row, 6)?,
        role: optional(row, 7)?,
        opened_at: get(row, 8)?,
        due_at: get(row, 9)?,
        decided_at: optional(row, 10)?,
        body: sealed(row, 11)?,
    })
}

pub(super) fn label(row: &Row<'_>) -> rusqlite::Result<LabelRow> {
    let Utf8(value) = get(row, 2)?;
    Ok(LabelRow { log: LogId(row.get(0)?), name: row.get(1)?, value, transaction: get(row, 3)? })
}

pub(super) fn step(row: &Row<'_>) -> rusqlite::Result<StepRow> {
    Ok(StepRow {
        transaction: get(row, 0)?,
        step: row.get(1)?,
        clone: row.get(2)?,
        status: word(row, 3, words::STEP_STATUSES)?,
        attempt: row.get(4)?,
        wake_at: optional(row, 5)?,
        output_seq: row.get(6)?,
        undo_seq: row.get(7)?,
        intent_seq: row.get(8)?,
        body: sealed(row, 9)?,
    })
}

pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<(TenantId, KeyRow)> {
    let key = KeyRow {
        scope: get(row, 1)?,
        slot: row.get(2)?,
        key: row.get(3)?,
        request: row.get(4)?,
        transaction: get(row, 5)?,
    };
    Ok((get(row, 0)?, key))
}

pub(super) fn principal(row: &Row<'_>) -> rusqlite::Result<(TenantId, PrincipalRow)> {
    Ok((get(row, 0)?, PrincipalRow { id: get(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn credential(row: &Row<'_>) -> rusqlite::Result<(TenantId, CredentialRow)> {
    let credential = CredentialRow {
        id: get(row, 1)?,
        principal: get(row, 2)?,
        hash: get(row, 3)?,
        issued_at: get(row, 4)?,
        expires_at: optional(row, 5)?,
        revoked_at: optional(row, 6)?,
    };
    Ok((get(row, 0)?, credential))
}

pub(super) fn target(row: &Row<'_>) -> rusqlite::Result<(TenantId, TargetRow)> {
    Ok((get(row, 0)?, TargetRow { target: get(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn notifier(row: &Row<'_>) -> rusqlite::Result<(TenantId, NotifierRow)> {
    let secret = row.get::<_, Option<String>>(5)?.map(Secret::new);
    Ok((get(row, 0)?, NotifierRow { name: get(row, 1)?, body: sealed(row, 2)?, secret }))
}

pub(super) fn stop(row: &Row<'_>) -> rusqlite::Result<(TenantId, StopRow)> {
    Ok((get(row, 0)?, StopRow { id: get(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn budget(row: &Row<'_>) -> rusqlite::Result<(TenantId, BudgetRow)> {
    Ok((get(row, 0)?, BudgetRow { name: get(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<(TenantId, AccountRow)> {
    Ok((get(row, 0)?, AccountRow { account: row.get(1)?, body: sealed(row, 2)? }))
}

pub(super) fn evidence(row: &Row<'_>) -> rusqlite::Result<(TenantId, EvidenceRow)> {
    Ok((get(row, 0)?, EvidenceRow { id: get(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn evidence_content(row: &Row<'_>) -> rusqlite::Result<(TenantId, EvidenceContentRow)> {
    Ok((get(row, 0)?, EvidenceContentRow { id: get(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn over(row: &Row<'_>) -> rusqlite::Result<(TenantId, OverrideRow)> {
    Ok((get(row, 0)?, OverrideRow { id: get(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn queue(row: &Row<'_>) -> rusqlite::Result<(TenantId, QueueRow)> {
    Ok((get(row, 0)?, QueueRow { queue: get(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn settings(row: &Row<'_>) -> rusqlite::Result<(TenantId, SettingsRow)> {
    let settings =
        SettingsRow { version: row.get(1)?, changed_at: get(row, 2)?, changed_by: get(row, 3)?, source: row.get(4)? };
    Ok((get(row, 0)?, settings))
}

pub(super) fn maintenance(row: &Row<'_>) -> rusqlite::Result<(TenantId, MaintenanceRow)> {
    Ok((get(row, 0)?, MaintenanceRow { body: sealed(row, 1)? }))
}

pub(super) fn schedule(row: &Row<'_>) -> rusqlite::Result<(TenantId, ScheduleRow)> {
    Ok((get(row, 0)?, ScheduleRow { name: get(row, 1)?, body: sealed(row, 2)? }))
}

pub(super) fn retention(row: &Row<'_>) -> rusqlite::Result<(TenantId, RetentionRow)> {
    Ok((get(row, 0)?, RetentionRow { body: sealed(row, 1)? }))
}

pub(super) fn trust(row: &Row<'_>) -> rusqlite::Result<(TenantId, TrustRow)> {
    Ok((get(row, 0)?, TrustRow { body: sealed(row, 1)? }))
}

pub(super) fn signing_secret(row: &Row<'_>) -> rusqlite::Result<(TenantId, SigningSecretRow)> {
    let secret =
        SigningSecretRow { id: get(row, 1)?, target: optional(row, 2)?, secret: get(row, 3)?, issued_at: get(row, 4)? };
    Ok((get(row, 0)?, secret))
}

pub(super) fn definition(row: &Row<'_>) -> rusqlite::Result<(TenantId, DefinitionRow)> {
    let definition = DefinitionRow {
        name: get(row, 1)?,
        version: row.get(2)?,
        digest: get(row, 3)?,
        registered_at: get(row, 4)?,
        source: row.get(5)?,
    };
    Ok((get(row, 0)?, definition))
}

/// Name, version and digest, without the rest of the definition.
pub(super) fn definition_head(row: &Row<'_>) -> rusqlite::Result<(Name, u32, Digest)> {
    Ok((get(row, 0)?, row.get(1)?, get(row, 2)?))
}

pub(super) fn bundle(row: &Row<'_>) -> rusqlite::Result<(TenantId, BundleRow)> {
    let bundle = BundleRow {
        name: get(row, 1)?,
        version: row.get(2)?,
        digest: get(row, 3)?,
        pushed_at: get(row, 4)?,
        pushed_by: get(row, 5)?,
        signatures: row.get(6)?,
        source: row.get(7)?,
    };
    Ok((get(row, 0)?, bundle))
}

/// Tenant, kind and digest.
pub(super) fn pointer(row: &Row<'_>) -> rusqlite::Result<PointerRow> {
    let kind = word(row, 1, &[BUNDLE, SHADOW])?;
    Ok(PointerRow { tenant: get(row, 0)?, kind, digest: get(row, 2)? })
}

/// The digest in the first column.
pub(super) fn digest(row: &Row<'_>) -> rusqlite::Result<Digest> {
    get(row, 0)
}

/// Level, tile and hashes.
pub(super) fn tile(row: &Row<'_>) -> rusqlite::Result<TileRow> {
    Ok(TileRow { level: row.get(0)?, index: row.get(1)?, hashes: row.get(2)? })
}

/// Size, epoch and note.
pub(super) fn checkpoint(row: &Row<'_>) -> rusqlite::Result<CheckpointRow> {
    Ok(CheckpointRow { size: row.get(0)?, note: row.get(1)? })
}
