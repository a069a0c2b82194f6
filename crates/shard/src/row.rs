//! Rows as the store keeps them: what a [`Batch`](crate::Batch) writes and a load brings back.
//!
//! Entries are the truth; every other row is a cache of them, written in the same commit, that
//! `chancery verify` computes anew from the entries and compares. Key columns are there to be searched by; what
//! else a row holds is in its `body`, canonical JSON with a version, sealed as payloads are.

use chancery_base::webhook::SigningSecret;
use chancery_base::{
    Digest, EvidenceId, KeyId, Name, OverrideId, PrincipalId, RequestId, Salt, Secret, SigningSecretId, StopId,
    TargetId, TenantId, Timestamp, TransactionId, json,
};
use chancery_engine::{RequestKind, RequestStatus};
use chancery_ledger::Origin;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::sync::Arc;

/// The store's number of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId(pub i64);

/// Bytes at rest and the key that they are encrypted under: `none` until there are keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The data key's id; [`Sealed::PLAIN`] for none.
    pub key: Cow<'static, str>,
    /// The nonce, empty where the key is `none`.
    pub nonce: Vec<u8>,
    /// The bytes, encrypted under `key`.
    pub bytes: Vec<u8>,
}

impl Sealed {
    /// The key of bytes that are not encrypted.
    pub const PLAIN: &'static str = "none";

    /// Bytes as they are.
    #[must_use]
    pub const fn plain(bytes: Vec<u8>) -> Self {
        Self { key: Cow::Borrowed(Self::PLAIN), nonce: Vec::new(), bytes }
    }

    /// What a thing is, as canonical JSON: it has text keys, and numbers that JSON keeps.
    pub(crate) fn json(thing: &impl Serialize) -> Self {
        Self::plain(json::canonical_of(thing).unwrap_or_default().into_bytes())
    }

    /// What a thing is whose type is canonical as it serialises: it is not read through to see whether it is.
    pub(crate) fn written(thing: &impl Serialize) -> Self {
        Self::plain(json::written(thing).unwrap_or_default().into_bytes())
    }

    /// What JSON says; none if this build can't read the bytes, or they are damaged.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let bytes = self.open()?;
        json::parse_stored_as(bytes, bytes.len()).ok()
    }

    /// The bytes, if this build can read them: key `none`, no nonce.
    #[must_use]
    pub fn open(&self) -> Option<&[u8]> {
        (self.key == Self::PLAIN && self.nonce.is_empty()).then_some(self.bytes.as_slice())
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRow {
    /// Its name.
    pub tenant: TenantId,
    /// How many shards it has.
    pub shards: u16,
    /// What its keys and request digests are hashed with; destroyed with the tenant.
    pub hash_key: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
}

/// A log: one shard of a tenant, one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// The store's number.
    pub id: LogId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Which shard, from 0.
    pub shard: u16,
    /// Which generation, from 1.
    pub generation: u32,
    /// Its name in checkpoints: `<cluster>/<tenant>/<shard>/<generation>`.
    pub origin: Origin,
    /// Raised by each new owner.
    pub epoch: u64,
    /// How many entries it has.
    pub size: u64,
    /// Raised by each change of the tenant's directory, active bundle, definitions or stops.
    pub control_epoch: u64,
    /// Who owns it: a node's name.
    pub owner: String,
}

/// A payload beside its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadRow {
    /// Goes before the bytes when they are digested.
    pub salt: Salt,
    /// The canonical JSON.
    pub sealed: Sealed,
    /// The keyed hash of the person whose data it is; none until definitions name subjects.
    pub subject: Option<[u8; 32]>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Its number in the log, from 0.
    pub seq: u64,
    /// The transaction that it belongs to, and its number within, from 0.
    pub transaction: Option<(TransactionId, u64)>,
    /// The record's canonical bytes: what the leaf is the hash of.
    pub record: Vec<u8>,
    /// Its payload, if it has one that was not erased.
    pub payload: Option<PayloadRow>,
}

/// A transaction: key columns and the head of its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionRow {
    /// Its id; its slot is in it.
    pub id: TransactionId,
    /// The log that it is on.
    pub log: LogId,
    /// The definition's name.
    pub definition: Name,
    /// The definition's version.
    pub version: u32,
    /// The definition's digest.
    pub definition_digest: Digest,
    /// The status' word, such as `running`.
    pub status: &'static str,
    /// Who started it.
    pub principal: PrincipalId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it next needs a look though nothing arrives: a retry, a deadline.
    pub wake_at: Option<Timestamp>,
    /// The sequence number of `transaction.started`, whose payload is the input.
    pub input_seq: u64,
    /// The sequence number of the closing entry, whose payload is the output.
    pub output_seq: Option<u64>,
    /// The sequence numbers of the signals that no step has taken yet, whose payloads a load brings too.
    pub kept: Vec<u64>,
    /// The rest of the head.
    pub body: Sealed,
    /// The business key, to be searched by.
    pub business_key: Option<String>,
    /// What it is a child of, to be searched by.
    pub parent: Option<TransactionId>,
    /// The version of the tenant's settings that it sees: a load brings them. None: nothing was ever set.
    pub settings: Option<u32>,
}

/// A label of a transaction, to be searched by: written when it starts, and never changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelRow {
    /// The log that the transaction is on.
    pub log: LogId,
    /// The label's name.
    pub name: String,
    /// What it says.
    pub value: String,
    /// Whose.
    pub transaction: TransactionId,
}

/// An event that a step emitted, to be found by: written with its entry, and never changed. What it says is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The log that it is on.
    pub log: LogId,
    /// The number of its entry.
    pub seq: u64,
    /// What it is called.
    pub event_type: String,
    /// What it is about.
    pub subject: Option<String>,
}

/// A request to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Its id.
    pub id: RequestId,
    /// The log that its transaction is on.
    pub log: LogId,
    /// Whose.
    pub transaction: TransactionId,
    /// Of which step, by its index in the definition.
    pub step: u32,
    /// Of which clone, as a [`StepRow`] has it.
    pub clone: u32,
    /// Where it stands.
    pub status: RequestStatus,
    /// Of what kind it is.
    pub kind: RequestKind,
    /// The role of those who may answer.
    pub role: Option<Name>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it expires.
    pub due_at: Timestamp,
    /// When it was decided, expired or withdrawn.
    pub decided_at: Option<Timestamp>,
    /// The rest: a [`RequestBody`](crate::RequestBody).
    pub body: Sealed,
}

/// A step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    /// Whose step.
    pub transaction: TransactionId,
    /// Which step, by its index in the definition.
    pub step: u32,
    /// 0 for the step as a whole; a clone of a fan-out is one more than its index.
    pub clone: u32,
    /// The status' word, such as `completed`.
    pub status: &'static str,
    /// Attempts handed out so far.
    pub attempt: u32,
    /// When the attempt that is out expires, or the next one may be handed out.
    pub wake_at: Option<Timestamp>,
    /// The sequence number of the entry whose payload is the output.
    pub output_seq: Option<u64>,
    /// The sequence number of the entry whose payload is the undo's output.
    pub undo_seq: Option<u64>,
    /// The sequence number of the entry whose payload says what the driver of an open transaction declared of it.
    pub intent_seq: Option<u64>,
    /// The rest.
    pub body: Sealed,
}

/// What a [`KeyRow`] keeps one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyScope {
    /// An idempotency key: the same key and body give the same transaction.
    Start,
    /// A business key: one running transaction per key.
    Business,
    /// The id of a transaction that was forked: one fork of each.
    Fork,
}

/// An idempotency or business key, or what was forked. A business key's row moves to the newest transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Which kind.
    pub scope: KeyScope,
    /// The slot that it is in.
    pub slot: u16,
    /// The keyed hash of tenant, business key and idempotency key; of what was forked, of its id.
    pub key: [u8; 32],
    /// The keyed hash of the request, to tell the same from another; zero for a business key.
    pub request: [u8; 32],
    /// The transaction that it stands for.
    pub transaction: TransactionId,
}

/// A principal of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalRow {
    /// Its id.
    pub id: PrincipalId,
    /// Name, roles, attributes, whether suspended: canonical JSON.
    pub body: Sealed,
}

/// A credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// Its id, which is public.
    pub id: KeyId,
    /// Whose it is.
    pub principal: PrincipalId,
    /// SHA-256 of the secret.
    pub hash: Digest,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// What a tenant says of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRow {
    /// Which.
    pub target: TargetId,
    /// Its settings, and how its breaker is held: canonical JSON.
    pub body: Sealed,
}

/// What a tenant says of a queue; where it says nothing there is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    /// Which: the name of a worker.
    pub queue: Name,
    /// Its settings: canonical JSON.
    pub body: Sealed,
}

/// That a tenant is in maintenance; where it is not there is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceRow {
    /// Who began it, when, and why: canonical JSON.
    pub body: Sealed,
}

/// A tenant's settings at one version: immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsRow {
    /// Their version, from 1.
    pub version: u32,
    /// When they were set.
    pub changed_at: Timestamp,
    /// Who set them.
    pub changed_by: PrincipalId,
    /// Their values: canonical JSON.
    pub source: Arc<[u8]>,
}

/// A stop that is in force; of one that was lifted there is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopRow {
    /// Its id.
    pub id: StopId,
    /// What it is on, who set it, when, and why: canonical JSON.
    pub body: Sealed,
}

/// A budget of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRow {
    /// Its name.
    pub name: Name,
    /// What is said of it, who said it, when, and when its accounts began: canonical JSON.
    pub body: Sealed,
}

/// An account of a budget or of a rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// What it is of and whose it is, as one text.
    pub account: String,
    /// What was settled and what is reserved, in what time: canonical JSON.
    pub body: Sealed,
}

/// An artefact that proves something, until its time is over. Its content has a row of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRow {
    /// Its id.
    pub id: EvidenceId,
    /// What it is, whose it is, and until when it is kept: canonical JSON.
    pub body: Sealed,
}

/// The content of an artefact, where that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceContentRow {
    /// Whose content.
    pub id: EvidenceId,
    /// The content.
    pub body: Sealed,
}

/// A notifier. Its password is here and nowhere else: entries say only that there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifierRow {
    /// Its name.
    pub name: Name,
    /// What it is told to do, and where it stands: canonical JSON.
    pub body: Sealed,
    /// The password to its username.
    pub secret: Option<Secret>,
}

/// An override of the tenant's policy, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideRow {
    /// Its id.
    pub id: OverrideId,
    /// What was asked for, and what became of it: canonical JSON.
    pub body: Sealed,
}

/// How long a tenant keeps what has ended; where it says nothing there is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRow {
    /// What it says: canonical JSON.
    pub body: Sealed,
}

/// What a bundle needs to be put into force, and whose signatures count; where nothing is said there is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRow {
    /// What is said: canonical JSON.
    pub body: Sealed,
}

/// A secret that a tenant's calls are signed with. It is here and nowhere else: entries have its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSecretRow {
    /// Its id, which is public.
    pub id: SigningSecretId,
    /// The one target whose calls it signs; none: those of every target that has no secret of its own.
    pub target: Option<TargetId>,
    /// The secret.
    pub secret: SigningSecret,
    /// When it was issued.
    pub issued_at: Timestamp,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Its name.
    pub name: Name,
    /// What it was told, when it is due next, and what came of it: canonical JSON. Its input is in an entry.
    pub body: Sealed,
}

/// A definition: immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionRow {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// SHA-256 of `source`.
    pub digest: Digest,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Its canonical JSON.
    pub source: Arc<[u8]>,
}

/// A bundle: immutable but for its signatures, of which there may come more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleRow {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// SHA-256 of `source`.
    pub digest: Digest,
    /// When it was pushed.
    pub pushed_at: Timestamp,
    /// Who pushed it.
    pub pushed_by: PrincipalId,
    /// Lines of signatures, as below a signed note's text; empty where nobody signed it.
    pub signatures: Arc<str>,
    /// Its canonical JSON.
    pub source: Arc<[u8]>,
}

/// A change of what belongs to the tenant as a whole, on its shard 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlRow {
    /// A tenant was made, with one log a shard. Only on the log of the tenant `system`.
    Tenant(TenantRow, Vec<Origin>),
    /// A principal was made or changed.
    Principal(PrincipalRow),
    /// A credential was issued or revoked.
    Credential(CredentialRow),
    /// Settings of a target, or how its breaker is held, were changed.
    Target(TargetRow),
    /// Settings of a queue were changed.
    Queue(QueueRow),
    /// Nothing is said of a queue any more: its row goes.
    QueueGone(Name),
    /// Settings of the tenant were set; the newest version is the one that holds.
    Settings(SettingsRow),
    /// Maintenance began.
    Maintenance(MaintenanceRow),
    /// Maintenance is over: its row goes.
    MaintenanceOver,
    /// A stop was set.
    Stop(StopRow),
    /// A stop was lifted: its row goes.
    StopGone(StopId),
    /// A budget was set.
    Budget(BudgetRow),
    /// A budget was deleted: its row goes.
    BudgetGone(Name),
    /// An artefact was added, and its content, where that is stored.
    Evidence(EvidenceRow, Option<EvidenceContentRow>),
    /// Its time is over: its row goes, and its content.
    EvidenceGone(EvidenceId),
    /// A notifier was set, or came further.
    Notifier(NotifierRow),
    /// A notifier was deleted: its row is destroyed.
    NotifierGone(Name),
    /// An override was asked for, or something happened to one.
    Override(OverrideRow),
    /// An override that nothing more comes of made room for another: its row goes.
    OverrideGone(OverrideId),
    /// How long what has ended is kept was changed.
    Retention(RetentionRow),
    /// Nothing is said of it any more: its row goes.
    RetentionGone,
    /// What a bundle needs to be put into force was changed, or whose signatures count.
    Trust(TrustRow),
    /// Nothing is said of it any more: its row goes.
    TrustGone,
    /// A signing secret was issued.
    SigningSecret(SigningSecretRow),
    /// A signing secret was retired: its row is destroyed.
    SigningSecretGone(SigningSecretId),
    /// A schedule was made or changed, or one of its times was dealt with.
    Schedule(ScheduleRow),
    /// A schedule was deleted.
    ScheduleGone(Name),
    /// A definition was registered; the newest version is the active one.
    Definition(DefinitionRow),
    /// A bundle was pushed.
    Bundle(BundleRow),
    /// A bundle has these signatures from here on.
    BundleSigned(Digest, Arc<str>),
    /// A bundle was activated.
    ActiveBundle(Digest),
    /// A bundle was put in the shadow; none: there is none any more.
    ShadowBundle(Option<Digest>),
}
