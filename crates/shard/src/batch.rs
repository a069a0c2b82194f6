//! What a shard asks of the store, and what it is told.

use crate::expiry::{Expired, Expiring, Gone};
use crate::row::{
    AccountRow, BudgetRow, BundleRow, ControlRow, CredentialRow, DefinitionRow, EntryRow, EventRow, EvidenceRow,
    KeyRow, KeyScope, LabelRow, LogId, LogRow, MaintenanceRow, NotifierRow, OverrideRow, PayloadRow, PrincipalRow,
    QueueRow, RequestRow, RetentionRow, ScheduleRow, Sealed, SettingsRow, SigningSecretRow, StepRow, StopRow,
    TargetRow, TenantRow, TransactionRow, TrustRow,
};
use chancery_base::{Digest, Kind, Name, Timestamp, TransactionId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One commit of one shard: all or nothing, and only if the log is as the shard believes it to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which log.
    pub log: LogId,
    /// Guard: the epoch that this owner raised the log to.
    pub epoch: u64,
    /// Guard: the log's size before this batch.
    pub size: u64,
    /// Guard: the control epoch under which every decision in it was taken.
    pub control_epoch: u64,
    /// By how much the commit raises the control epoch of every log of the tenant: by one an entry that changes the
    /// control state, so that it can be computed from the entries.
    pub raises_control_epoch: u64,
    /// New entries, in order, from `size` on.
    pub entries: Vec<EntryRow>,
    /// Touched transactions, each once, as they are after the batch.
    pub transactions: Vec<TransactionRow>,
    /// Touched steps, each once, as they are after the batch.
    pub steps: Vec<StepRow>,
    /// New idempotency keys, and business keys as they are after the batch.
    pub keys: Vec<KeyRow>,
    /// Labels of the transactions that start.
    pub labels: Vec<LabelRow>,
    /// Events that steps emitted, in the order of their entries.
    pub events: Vec<EventRow>,
    /// Requests to people that something happened to, each once, as they are after the batch.
    pub requests: Vec<RequestRow>,
    /// Accounts that something was counted in, by what their rows are named, as they are after the batch; none: the row
    /// goes.
    pub accounts: BTreeMap<String, Option<Sealed>>,
    /// What is removed of transactions that ended long ago.
    pub gone: Gone,
    /// Changes of the directory, definitions, bundles.
    pub control: Vec<ControlRow>,
}

impl Batch {
    /// An empty batch whose guard expects the log as it is.
    #[must_use]
    pub const fn after(log: &LogRow) -> Self {
        Self {
            log: log.id,
            epoch: log.epoch,
            size: log.size,
            control_epoch: log.control_epoch,
            raises_control_epoch: 0,
            entries: Vec::new(),
            transactions: Vec::new(),
            steps: Vec::new(),
            keys: Vec::new(),
            labels: Vec::new(),
            events: Vec::new(),
            requests: Vec::new(),
            accounts: BTreeMap::new(),
            gone: Gone { transactions: Vec::new(), keys: Vec::new(), labels: Vec::new() },
            control: Vec::new(),
        }
    }
}

/// Why a batch is not in the log, or may not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Another owner raised the epoch or wrote: this one must stop.
    #[error("log {log:?} is owned by another: its epoch is {epoch}, its size {size}")]
    Fenced {
        /// Which log.
        log: LogId,
        /// Its epoch now.
        epoch: u64,
        /// Its size now.
        size: u64,
    },
    /// The control epoch was raised meanwhile: load it and decide again.
    #[error("the control epoch is {now} now")]
    Control {
        /// What it is now.
        now: u64,
    },
    /// Nothing was written.
    #[error("the batch was not written: {0}")]
    Failed(StoreError),
    /// It may have been written or may yet be: own the log anew, then look.
    #[error("whether the batch was written is unknown: {0}")]
    Unknown(StoreError),
}

/// Why the store did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct StoreError {
    /// What was tried, such as `load transactions`.
    pub operation: &'static str,
    /// What it means: `Busy` may pass, `Broken` needs an operator.
    pub kind: Kind,
    /// What the database said.
    pub message: String,
}

/// A call that the shard wants made; one is out at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Raise the log's epoch and become its owner.
    Own {
        /// Which log.
        log: LogId,
    },
    /// Load the tenant's control state.
    Control {
        /// Which log of the tenant asks.
        log: LogId,
    },
    /// Load transactions that have not ended and are neither parked nor waiting, `limit` at most, in order of their
    /// ids.
    Recover {
        /// Which log.
        log: LogId,
        /// The last id of the page before.
        after: Option<TransactionId>,
        /// How many at most.
        limit: usize,
    },
    /// When the transactions wake that only wait: those that wake by themselves, `limit` at most, in order of their
    /// ids.
    Asleep {
        /// Which log.
        log: LogId,
        /// The last id of the page before.
        after: Option<TransactionId>,
        /// How many at most.
        limit: usize,
    },
    /// Load what inputs name: absent ones are left out of the answer.
    Load {
        /// Which log.
        log: LogId,
        /// Transactions.
        transactions: Vec<TransactionId>,
        /// Keys.
        keys: Vec<(KeyScope, u16, [u8; 32])>,
    },
    /// Load a bundle that running transactions are pinned to.
    Bundle {
        /// Which log of the tenant asks.
        log: LogId,
        /// Which.
        digest: Digest,
    },
    /// Load a version of a definition that a step is to run.
    Definition {
        /// Which log of the tenant asks.
        log: LogId,
        /// Its name.
        name: Name,
        /// Its version.
        version: u32,
    },
    /// Load the tenant's schedules, `limit` at most, in order of their names.
    Schedules {
        /// Which log of the tenant asks: that of its shard 0.
        log: LogId,
        /// The last name of the page before.
        after: Option<Name>,
        /// How many at most.
        limit: usize,
    },
    /// Load what schedules that are due start: absent ones are left out of the answer.
    Sources {
        /// Which log.
        log: LogId,
        /// Entries whose payloads have the inputs.
        payloads: Vec<u64>,
        /// Names and versions of definitions.
        definitions: Vec<(Name, u32)>,
    },
    /// Find transactions that ended long ago.
    Expired {
        /// Which log.
        log: LogId,
        /// Which of them.
        expiring: Expiring,
    },
    /// Commit.
    Commit(Box<Batch>),
}

/// The answer to a [`Call`].
#[derive(Debug, Clone)]
pub enum Reply {
    /// To [`Call::Own`]: the log as it is now, its epoch raised.
    Owned(Result<LogRow, StoreError>),
    /// To [`Call::Control`].
    Control(Result<Box<ControlRows>, StoreError>),
    /// To [`Call::Recover`] and [`Call::Load`].
    Loaded(Result<Loaded, StoreError>),
    /// To [`Call::Asleep`].
    Asleep(Result<Vec<(TransactionId, Timestamp)>, StoreError>),
    /// To [`Call::Bundle`].
    Bundle(Result<Option<BundleRow>, StoreError>),
    /// To [`Call::Definition`].
    Definition(Result<Option<DefinitionRow>, StoreError>),
    /// To [`Call::Schedules`].
    Schedules(Result<Vec<ScheduleRow>, StoreError>),
    /// To [`Call::Sources`].
    Sources(Result<Sources, StoreError>),
    /// To [`Call::Expired`].
    Expired(Result<Expired, StoreError>),
    /// To [`Call::Commit`].
    Committed(Result<(), CommitError>),
}

/// A tenant's control state at one control epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlRows {
    /// The epoch of this state.
    pub control_epoch: u64,
    /// The tenant.
    pub tenant: TenantRow,
    /// All its principals.
    pub principals: Vec<PrincipalRow>,
    /// All its credentials.
    pub credentials: Vec<CredentialRow>,
    /// What it says of targets.
    pub targets: Vec<TargetRow>,
    /// What it says of queues.
    pub queues: Vec<QueueRow>,
    /// Its newest settings; none: nothing was ever set.
    pub settings: Option<SettingsRow>,
    /// That it is in maintenance, where it is.
    pub maintenance: Option<MaintenanceRow>,
    /// Its stops, in the order of their ids.
    pub stops: Vec<StopRow>,
    /// Its budgets, in the order of their names.
    pub budgets: Vec<BudgetRow>,
    /// The accounts of its budgets and of its rates.
    pub accounts: Vec<AccountRow>,
    /// Its evidence, in the order of its ids, without the contents.
    pub evidence: Vec<EvidenceRow>,
    /// Its notifiers, in the order of their names.
    pub notifiers: Vec<NotifierRow>,
    /// Its overrides, in the order of their ids.
    pub overrides: Vec<OverrideRow>,
    /// How long it keeps what has ended, where it says so.
    pub retention: Option<RetentionRow>,
    /// What it says of bundles, where it says anything.
    pub trust: Option<TrustRow>,
    /// The secrets that its calls are signed with, oldest first.
    pub signing_secrets: Vec<SigningSecretRow>,
    /// The newest version of each definition, without its source.
    pub definitions: Vec<(Name, u32, Digest)>,
    /// The active bundle.
    pub bundle: Option<BundleRow>,
    /// The bundle in the shadow.
    pub shadow: Option<BundleRow>,
}

/// What schedules start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Payloads with inputs, by the numbers of their entries.
    pub payloads: Vec<(u64, Arc<PayloadRow>)>,
    /// Definitions.
    pub definitions: Vec<DefinitionRow>,
}

/// What a load brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Transactions.
    pub transactions: Vec<LoadedTransaction>,
    /// Keys.
    pub keys: Vec<KeyRow>,
    /// The definitions of these transactions, each once.
    pub definitions: Vec<DefinitionRow>,
    /// The settings that these transactions see, each version once, in their order.
    pub settings: Vec<SettingsRow>,
}

/// A transaction with all that its state is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedTransaction {
    /// The row.
    pub row: TransactionRow,
    /// Its steps, in order of (step, clone).
    pub steps: Vec<StepRow>,
    /// The payloads at `input_seq`, `output_seq`, `kept`, and the steps' `output_seq`, `undo_seq` and `intent_seq`, by
    /// sequence number.
    pub payloads: Vec<(u64, Arc<PayloadRow>)>,
}
