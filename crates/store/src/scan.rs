//! Reading a whole store, for verification and for tests: every table in pages, in order of its key.

use crate::{CheckpointRow, TileRow};
use chancery_base::{
    Digest, EvidenceId, KeyId, Name, OverrideId, PrincipalId, RequestId, SigningSecretId, StopId, TargetId, TenantId,
    TransactionId,
};
use chancery_shard::batch::StoreError;
use chancery_shard::replay::{NotifierSeen, SigningSecretSeen};
use chancery_shard::row::{
    AccountRow, BudgetRow, BundleRow, CredentialRow, DefinitionRow, EntryRow, EventRow, EvidenceContentRow,
    EvidenceRow, KeyRow, KeyScope, LabelRow, LogId, LogRow, MaintenanceRow, OverrideRow, PrincipalRow, QueueRow,
    RequestRow, RetentionRow, ScheduleRow, SettingsRow, StepRow, StopRow, TargetRow, TenantRow, TransactionRow,
    TrustRow,
};

/// Which shard a range of a tenant's slots is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRow {
    /// Whose slots.
    pub tenant: TenantId,
    /// The first slot of the range.
    pub first: u16,
    /// The last one.
    pub last: u16,
    /// The shard.
    pub shard: u16,
    /// Raised each time that the range moves.
    pub version: u32,
}

/// Which of a tenant's immutable things is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointerRow {
    /// Whose.
    pub tenant: TenantId,
    /// What it is active as: `bundle` or `shadow`.
    pub kind: &'static str,
    /// Its digest.
    pub digest: Digest,
}

/// The kind of the pointer to the active bundle.
pub const BUNDLE: &str = "bundle";

/// The kind of the pointer to the bundle in the shadow.
pub const SHADOW: &str = "shadow";

/// Where a page of keys ended.
pub type KeyPlace = (TenantId, KeyScope, u16, [u8; 32]);

/// A whole store at one moment. Every page has at most `limit` rows and begins after the key of the last row of the
/// page before.
///
/// # Errors
/// Every method fails with `Broken` at a row that is not as this build writes it, and names its table, key and column.
pub trait Scan {
    /// Tenants, by name.
    fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantRow>, StoreError>;
    /// All logs, by number.
    fn logs(&self) -> Result<Vec<LogRow>, StoreError>;
    /// Ranges of slots, by (tenant, first).
    fn slots(&self, after: Option<(&TenantId, u16)>, limit: usize) -> Result<Vec<SlotRow>, StoreError>;
    /// Entries of a log with payloads, from `from` on.
    fn entries(&self, log: LogId, from: u64, limit: usize) -> Result<Vec<EntryRow>, StoreError>;
    /// Logs that entries are on, whether or not they have a row.
    fn entry_logs(&self) -> Result<Vec<LogId>, StoreError>;
    /// Logs that tiles or checkpoints are of, whether or not they have a row: name of the table and log.
    fn tree_logs(&self) -> Result<Vec<(&'static str, LogId)>, StoreError>;
    /// How many transactions there are.
    fn transaction_count(&self) -> Result<u64, StoreError>;
    /// How many steps there are.
    fn step_count(&self) -> Result<u64, StoreError>;
    /// Transactions, by id.
    fn transactions(&self, after: Option<TransactionId>, limit: usize) -> Result<Vec<TransactionRow>, StoreError>;
    /// Steps, by (transaction, step, clone).
    fn steps(&self, after: Option<(TransactionId, u32, u32)>, limit: usize) -> Result<Vec<StepRow>, StoreError>;
    /// How many labels there are.
    fn label_count(&self) -> Result<u64, StoreError>;
    /// Labels, by (log, name, value, transaction).
    fn labels(&self, after: Option<&LabelRow>, limit: usize) -> Result<Vec<LabelRow>, StoreError>;
    /// Events, by (log, seq).
    fn events(&self, after: Option<(LogId, u64)>, limit: usize) -> Result<Vec<EventRow>, StoreError>;
    /// How many requests to people there are.
    fn request_count(&self) -> Result<u64, StoreError>;
    /// Requests to people, by (transaction, id).
    fn requests(&self, after: Option<(TransactionId, RequestId)>, limit: usize) -> Result<Vec<RequestRow>, StoreError>;
    /// Keys, by (tenant, scope, slot, key).
    fn keys(&self, after: Option<&KeyPlace>, limit: usize) -> Result<Vec<(TenantId, KeyRow)>, StoreError>;
    /// Principals, by (tenant, id as text).
    fn principals(
        &self,
        after: Option<(&TenantId, PrincipalId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, PrincipalRow)>, StoreError>;
    /// Credentials, by (tenant, id).
    fn credentials(
        &self,
        after: Option<(&TenantId, KeyId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, CredentialRow)>, StoreError>;
    /// Settings of targets, by (tenant, target).
    fn targets(
        &self,
        after: Option<(&TenantId, &TargetId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, TargetRow)>, StoreError>;
    /// Settings of queues, by (tenant, queue).
    fn queues(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Result<Vec<(TenantId, QueueRow)>, StoreError>;
    /// Settings, by (tenant, version).
    fn settings(
        &self,
        after: Option<(&TenantId, u32)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, SettingsRow)>, StoreError>;
    /// That tenants are in maintenance, by tenant.
    fn maintenance(
        &self,
        after: Option<&TenantId>,
        limit: usize,
    ) -> Result<Vec<(TenantId, MaintenanceRow)>, StoreError>;
    /// Evidence, by (tenant, id).
    fn evidence(
        &self,
        after: Option<(&TenantId, EvidenceId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, EvidenceRow)>, StoreError>;
    /// Contents of evidence, by (tenant, id); each may be large.
    fn evidence_contents(
        &self,
        after: Option<(&TenantId, EvidenceId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, EvidenceContentRow)>, StoreError>;
    /// How long tenants keep what has ended, by tenant.
    fn retention(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<(TenantId, RetentionRow)>, StoreError>;
    /// What tenants say of bundles, by tenant.
    fn trust(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<(TenantId, TrustRow)>, StoreError>;
    /// What may be known of notifiers, by (tenant, name).
    fn notifiers(
        &self,
        after: Option<(&TenantId, &Name)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, NotifierSeen)>, StoreError>;

    /// Overrides, by (tenant, id).
    fn overrides(
        &self,
        after: Option<(&TenantId, OverrideId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, OverrideRow)>, StoreError>;

    /// Stops, by (tenant, id).
    fn stops(&self, after: Option<(&TenantId, StopId)>, limit: usize) -> Result<Vec<(TenantId, StopRow)>, StoreError>;
    /// Budgets, by (tenant, name).
    fn budgets(
        &self,
        after: Option<(&TenantId, &Name)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, BudgetRow)>, StoreError>;
    /// Accounts, by (tenant, account).
    fn accounts(
        &self,
        after: Option<(&TenantId, &str)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, AccountRow)>, StoreError>;
    /// Signing secrets, by (tenant, id): their digests in their place.
    fn signing_secrets(
        &self,
        after: Option<(&TenantId, SigningSecretId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, SigningSecretSeen)>, StoreError>;
    /// Schedules, by (tenant, name).
    fn schedules(
        &self,
        after: Option<(&TenantId, &Name)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, ScheduleRow)>, StoreError>;
    /// Definitions, by (tenant, name, version).
    fn definitions(
        &self,
        after: Option<(&TenantId, &Name, u32)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, DefinitionRow)>, StoreError>;
    /// Bundles, by (tenant, name, version).
    fn bundles(
        &self,
        after: Option<(&TenantId, &Name, u32)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, BundleRow)>, StoreError>;
    /// All pointers, by (tenant, kind).
    fn pointers(&self) -> Result<Vec<PointerRow>, StoreError>;
    /// Tiles of a log, by (level, index).
    fn tiles(&self, log: LogId, after: Option<(u8, u64)>, limit: usize) -> Result<Vec<TileRow>, StoreError>;
    /// Checkpoints of a log, by size.
    fn checkpoints(&self, log: LogId, after: Option<u64>, limit: usize) -> Result<Vec<CheckpointRow>, StoreError>;
}
