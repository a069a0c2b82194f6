//! Replay: the rows that a log's entries amount to, computed from the entries alone.
//!
//! `chancery verify` feeds the entries in order and compares what comes out with what the store has. Only the
//! transactions that are not final are in memory; the rows of one that becomes so are given back at once. A child that
//! completed is final with its root, for until then it may be recalled. Of those that are final their places are kept
//! until an entry says that they expired: their rows are gone then, and those of no others.

mod budgets;
mod bundles;
mod evidence;
mod families;
mod notifiers;
mod overrides;

pub use notifiers::NotifierSeen;

use crate::budget::{Accounts, movements};
use crate::control::{self, principal_row};
use crate::entry::{DecodeError, Recorded, decode, kind, schedules};
use crate::expiry::Removed;
use crate::maintenance::Maintenance;
use crate::notifier::Notifier;
use crate::queue::QueueSettings;
use crate::retention::Retention;
use crate::row::{
    AccountRow, BudgetRow, BundleRow, CredentialRow, DefinitionRow, EntryRow, EventRow, EvidenceRow, KeyRow, KeyScope,
    LabelRow, LogId, MaintenanceRow, OverrideRow, PrincipalRow, QueueRow, RequestRow, RetentionRow, ScheduleRow,
    SettingsRow, SigningSecretRow, StepRow, StopRow, TargetRow, TenantRow, TransactionRow, TrustRow,
};
use crate::rows;
use crate::schedule;
use crate::shard::{fork_hash, fork_request, key_hash, request_hash};
use crate::stop::Stop;
use crate::target::{Forced, TargetSettings, TargetState};
use chancery_base::{
    DecisionId, Digest, Document, EvidenceId, KeyId, Name, OverrideId, PrincipalId, RequestId, SigningSecretId, StopId,
    TargetId, TenantId, Timestamp, TransactionId, digest,
};
use chancery_engine::definition::Definition;
use chancery_engine::schedule::{Head, apply};
use chancery_engine::{Beginning, Deed, Event, Fork, Given, Phase, RequestFact, Settings, Status, Transaction};
use chancery_ledger::{Record, RecordError};
use chancery_policy::{Bundle, Principal};
use families::Families;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Why an entry does not follow from those before it.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The record is damaged.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The entry is not what its kind says.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The payload is under a key that is not here.
    #[error("the payload is under key `{0}`, which is not here")]
    Sealed(String),
    /// The event can't happen there.
    #[error("{0}")]
    Illegal(String),
    /// The entry names what no entry before it made.
    #[error("it names {0}, which no entry before it made")]
    Dangling(String),
    /// A digest in the record is not that of the payload's part.
    #[error("`data.{0}` is not the digest of what the payload holds")]
    Digest(&'static str),
    /// The row's copy of a number differs from the record's.
    #[error("the row's {0} is not the record's")]
    Row(&'static str),
}

/// The rows of a transaction, as the entries have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionRows {
    /// The head.
    pub transaction: TransactionRow,
    /// The steps, in order.
    pub steps: Vec<StepRow>,
    /// The labels, in order.
    pub labels: Vec<LabelRow>,
    /// The requests to people, by their ids.
    pub requests: Vec<RequestRow>,
}

/// What an entry has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The rows of the transactions that are final with it: its own, and its children's.
    pub ended: Vec<TransactionRows>,
    /// The transactions that have no rows from here on.
    pub expired: Vec<TransactionId>,
}

/// What an outsider may know of a signing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSecretSeen {
    /// Its id.
    pub id: SigningSecretId,
    /// The one target whose calls it signs.
    pub target: Option<TargetId>,
    /// The secret's digest.
    pub hash: Digest,
    /// When it was issued.
    pub issued_at: Timestamp,
}

impl SigningSecretSeen {
    /// What may be known of a row.
    #[must_use]
    pub fn of(row: &SigningSecretRow) -> Self {
        Self { id: row.id, target: row.target.clone(), hash: row.secret.digest(), issued_at: row.issued_at }
    }
}

/// The rows that belong to the tenant as a whole, as the entries have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantRows {
    /// The tenant itself, from the log's first entry.
    pub tenant: Option<TenantRow>,
    /// Tenants made on this log, which is that of `system`; their hash keys are in their own logs.
    pub tenants: Vec<(TenantId, Timestamp)>,
    /// Principals.
    pub principals: BTreeMap<PrincipalId, PrincipalRow>,
    /// Credentials.
    pub credentials: BTreeMap<KeyId, CredentialRow>,
    /// What it says of targets.
    pub targets: BTreeMap<TargetId, TargetRow>,
    /// What it says of queues.
    pub queues: BTreeMap<Name, QueueRow>,
    /// Settings, in the order of their versions.
    pub settings: Vec<SettingsRow>,
    /// That it is in maintenance.
    pub maintenance: Option<MaintenanceRow>,
    /// Stops that are in force.
    pub stops: BTreeMap<StopId, StopRow>,
    /// Budgets.
    pub budgets: BTreeMap<Name, BudgetRow>,
    /// Accounts of budgets and of rates, by what their rows are named.
    pub accounts: BTreeMap<String, AccountRow>,
    /// Evidence whose time is not over.
    pub evidence: BTreeMap<EvidenceId, EvidenceRow>,
    /// What is known of its notifiers; passwords are in no entry.
    pub notifiers: BTreeMap<Name, NotifierSeen>,
    /// Overrides, whatever became of them.
    pub overrides: BTreeMap<OverrideId, OverrideRow>,
    /// How long it keeps what has ended.
    pub retention: Option<RetentionRow>,
    /// What it says of bundles.
    pub trust: Option<TrustRow>,
    /// What is known of its signing secrets; they themselves are in no entry.
    pub signing_secrets: BTreeMap<SigningSecretId, SigningSecretSeen>,
    /// Schedules.
    pub schedules: BTreeMap<Name, ScheduleRow>,
    /// Definitions, in the order of registration.
    pub definitions: Vec<DefinitionRow>,
    /// Bundles, in the order in which they were pushed.
    pub bundles: Vec<BundleRow>,
    /// The active bundle.
    pub active_bundle: Option<Digest>,
    /// The bundle in the shadow.
    pub shadow_bundle: Option<Digest>,
    /// How often the control epoch was raised.
    pub control_epoch: u64,
    /// Keys.
    pub keys: BTreeMap<(KeyScope, u16, [u8; 32]), KeyRow>,
}

/// What an entry says, read by itself, whatever stands before it: several can be read at once.
///
/// # Errors
/// If the row is not its record's, or the entry is not what its kind says.
pub fn read(record: &Record, entry: &EntryRow) -> Result<Recorded, ReplayError> {
    if record.seq != entry.seq {
        return Err(ReplayError::Row("number"));
    }
    if record.refs.transaction.zip(record.refs.n) != entry.transaction {
        return Err(ReplayError::Row("transaction"));
    }
    let Some(row) = &entry.payload else { return Ok(decode(record, None)?) };
    if row.subject.is_some() {
        return Err(ReplayError::Row("subject"));
    }
    let payload = row.sealed.open().ok_or_else(|| ReplayError::Sealed(row.sealed.key.to_string()))?;
    let recorded = decode(record, Some(payload))?;
    check_salted(record, &recorded, row)?;
    Ok(recorded)
}

/// The row of the event that an entry emitted, if it did.
#[must_use]
pub fn event_row(log: LogId, record: &Record, recorded: &Recorded) -> Option<EventRow> {
    match recorded {
        Recorded::Event(event) => rows::event_row(log, record.seq, event),
        Recorded::Other(_) => None,
    }
}

/// A replay of one log.
#[derive(Debug)]
pub struct Replay {
    log: LogId,
    open: HashMap<TransactionId, Transaction>,
    /// The children that completed, by their parents: they are open still.
    completed: HashMap<TransactionId, Vec<TransactionId>>,
    /// The requests of those that are open.
    requests: HashMap<TransactionId, BTreeMap<RequestId, RequestRow>>,
    families: Families,
    definitions: HashMap<Digest, Arc<Definition>>,
    /// The tenant's settings, by their versions.
    settings: BTreeMap<u32, Arc<Settings>>,
    /// Bundles that were read already.
    bundles: HashMap<Digest, Arc<Bundle>>,
    schedules: BTreeMap<Name, Head>,
    accounts: Accounts,
    notifiers: BTreeMap<Name, Notifier>,
    rows: TenantRows,
}

impl Replay {
    /// A replay that begins with entry 0 of a log.
    #[must_use]
    pub fn new(log: LogId) -> Self {
        let rows = TenantRows::default();
        Self {
            log,
            open: HashMap::new(),
            completed: HashMap::new(),
            requests: HashMap::new(),
            families: Families::default(),
            definitions: HashMap::new(),
            settings: BTreeMap::new(),
            bundles: HashMap::new(),
            schedules: BTreeMap::new(),
            accounts: Accounts::default(),
            notifiers: BTreeMap::new(),
            rows,
        }
    }

    /// A definition that was registered on the tenant's first log: the transactions of its other logs run it too.
    /// An entry with the same source need not be read again.
    pub fn know(&mut self, definition: &Arc<Definition>) {
        self.definitions.insert(definition.digest, Arc::clone(definition));
    }

    /// Settings that were set on the tenant's first log: the transactions of its other logs see them too.
    ///
    /// # Errors
    /// If the row is damaged.
    pub fn know_settings(&mut self, row: &SettingsRow) -> Result<(), ReplayError> {
        let settings = control::settings(row).map_err(|err| ReplayError::Illegal(err.to_string()))?;
        self.settings.insert(row.version, settings);
        Ok(())
    }

    /// A bundle that was read already: an entry with the same source need not be read again.
    pub fn know_bundle(&mut self, bundle: &Arc<Bundle>) {
        self.bundles.insert(bundle.digest(), Arc::clone(bundle));
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// If the entry does not follow from those before it.
    pub fn entry(&mut self, entry: &EntryRow) -> Result<Taken, ReplayError> {
        let record = Record::parse(&entry.record)?;
        let recorded = read(&record, entry)?;
        self.take(&record, &recorded)
    }

    /// As [`Replay::entry`], with what [`read`] gave.
    ///
    /// # Errors
    /// If the entry does not follow from those before it.
    pub fn take(&mut self, record: &Record, recorded: &Recorded) -> Result<Taken, ReplayError> {
        match (recorded, record.refs.transaction) {
            (Recorded::Event(event), Some(id)) => {
                Ok(Taken { ended: self.event(id, event, record)?, expired: Vec::new() })
            }
            (Recorded::Event(_), None) => Err(ReplayError::Row("transaction")),
            (Recorded::Other(_), _) if record.kind == kind::TRANSACTIONS_EXPIRED => {
                Ok(Taken { ended: Vec::new(), expired: self.expire(record)? })
            }
            (Recorded::Other(payload), _) => self.other(payload, record).map(|()| Taken::default()),
        }
    }

    /// The rows of what has not ended, and of the tenant as a whole.
    #[must_use]
    pub fn finish(mut self) -> (Vec<TransactionRows>, TenantRows) {
        let log = self.log;
        let schedules = self.schedules.iter().map(|(name, head)| (name.clone(), schedule::row(name, head)));
        self.rows.schedules = schedules.collect();
        let accounts = self.accounts.iter().map(|account| account.row());
        self.rows.accounts = accounts.map(|row| (row.account.clone(), row)).collect();
        self.rows.notifiers = self.notifier_rows();
        let requests = &mut self.requests;
        let mut open: Vec<TransactionRows> =
            self.open.iter().map(|(id, open)| rows_of(log, open, requests.remove(id))).collect();
        open.sort_by_key(|rows| rows.transaction.id);
        (open, self.rows)
    }

    fn event(
        &mut self,
        id: TransactionId,
        event: &Event,
        record: &Record,
    ) -> Result<Vec<TransactionRows>, ReplayError> {
        if let Event::Started { beginning, input, decision } = event {
            self.begin(id, (beginning, *decision), input, record)?;
            return Ok(Vec::new());
        }
        self.check_family(id, event, record)?;
        let open = self.open.get_mut(&id).ok_or_else(|| ReplayError::Dangling(format!("transaction {id}")))?;
        open.apply(event, record.at, record.seq).map_err(|err| ReplayError::Illegal(err.to_string()))?;
        for movement in movements(open, event) {
            movement.apply(&mut self.accounts, record.at);
        }
        open.settle_replay();
        if let Some(row) = rows::request_row(self.log, open, event) {
            self.requests.entry(id).or_default().insert(row.id, row);
        }
        // What undoes what it did is no longer final with its parent: it ends by itself, though that may end before.
        if matches!(event, Event::Recalled)
            && let Some(of_parent) = open.parent().map(|parent| parent.id).and_then(|id| self.completed.get_mut(&id))
        {
            of_parent.retain(|child| *child != id);
        }
        Ok(self.take_final(id))
    }

    /// Parent and child say the same of one another.
    fn check_family(&self, id: TransactionId, event: &Event, record: &Record) -> Result<(), ReplayError> {
        let open = self.open.get(&id).ok_or_else(|| ReplayError::Dangling(format!("transaction {id}")))?;
        let child = |node| open.state(node).and_then(|state| state.child);
        let fits = match event {
            Event::Ended { status, .. } => {
                let is_last = *status != Status::Completed || open.parent().is_none();
                record.refs.last == is_last
            }
            Event::Completed { node, child_entries: Some(entries), .. } => {
                let child = child(*node).and_then(|child| self.open.get(&child));
                child.is_some_and(|child| child.status() == Status::Completed && child.head().entries == *entries)
            }
            Event::ChildRecalled { node, .. } => {
                child(*node).and_then(|child| self.open.get(&child)).is_some_and(Transaction::may_be_recalled)
            }
            Event::Recalled => self.waits_above(open) == Some(Phase::Undo),
            Event::Started { .. }
            | Event::Dispatched { .. }
            | Event::Permitted(_)
            | Event::StepDenied { .. }
            | Event::Claimed { .. }
            | Event::DriverResumed { .. }
            | Event::DriverHeard { .. }
            | Event::DriverLost
            | Event::Accepted { .. }
            | Event::Completed { child_entries: None, .. }
            | Event::CarriedOut(_)
            | Event::Inherited(_)
            | Event::ChildStarted(_)
            | Event::Resolved { .. }
            | Event::AttemptFailed { .. }
            | Event::Denied { .. }
            | Event::Expanded { .. }
            | Event::Skipped { .. }
            | Event::TimerStarted { .. }
            | Event::Polled { .. }
            | Event::TimerFired { .. }
            | Event::SignalAwaited { .. }
            | Event::SignalReceived { .. }
            | Event::SignalTaken { .. }
            | Event::Requested(_)
            | Event::Paused { .. }
            | Event::Unpaused { .. }
            | Event::OutputFailed { .. }
            | Event::CancelRequested { .. }
            | Event::TimedOut
            | Event::Confirming
            | Event::Parked { .. }
            | Event::Resumed { .. } => true,
        };
        if fits {
            return Ok(());
        }
        Err(ReplayError::Illegal(format!("`{}` does not fit what its parent or its child says", event.word())))
    }

    /// In which phase its parent waits for a child.
    fn waits_above(&self, child: &Transaction) -> Option<Phase> {
        let parent = child.parent()?;
        Some(self.open.get(&parent.id)?.waits_for_child(parent.node, child.id())?.0)
    }

    /// Takes out a transaction that is final, and the children that are so with it.
    fn take_final(&mut self, id: TransactionId) -> Vec<TransactionRows> {
        let Some(open) = self.open.get(&id).filter(|open| open.status().is_ended()) else { return Vec::new() };
        if let Some(parent) = open.parent().filter(|_| open.status() == Status::Completed) {
            self.completed.entry(parent.id).or_default().push(id);
            return Vec::new();
        }
        let (mut ids, mut rows) = (vec![id], Vec::new());
        while let Some(id) = ids.pop() {
            ids.extend(self.completed.remove(&id).into_iter().flatten());
            let Some(ended) = self.open.remove(&id) else { continue };
            self.families.end(id, ended.head().ended_at.unwrap_or(Timestamp::EPOCH));
            rows.push(rows_of(self.log, &ended, self.requests.remove(&id)));
        }
        rows
    }

    /// Takes an entry's word that transactions have no rows any more.
    fn expire(&mut self, record: &Record) -> Result<Vec<TransactionId>, ReplayError> {
        let removed = Removed::of(record).ok_or(ReplayError::Row("expiry"))?;
        let mut expired = Vec::new();
        for (id, keys) in self.families.expire(&removed) {
            for key in &keys {
                // A business key may be another's by now.
                if self.rows.keys.get(key).is_some_and(|row| row.transaction == id) {
                    self.rows.keys.remove(key);
                }
            }
            expired.push(id);
        }
        if u64::try_from(expired.len()) != Ok(removed.transactions) {
            let (said, found) = (removed.transactions, expired.len());
            return Err(ReplayError::Illegal(format!("it says that {said} transactions expired, and {found} could")));
        }
        Ok(expired)
    }

    fn begin(
        &mut self,
        id: TransactionId,
        (beginning, decision): (&Arc<Beginning>, DecisionId),
        input: &Arc<Document>,
        record: &Record,
    ) -> Result<(), ReplayError> {
        if beginning.id != id || self.open.contains_key(&id) {
            return Err(ReplayError::Row("transaction"));
        }
        let definition = self.definitions.get(&beginning.digest);
        let definition = definition.ok_or_else(|| ReplayError::Dangling(format!("definition {}", beginning.digest)))?;
        if let Some(fork) = &beginning.fork {
            self.check_fork(id, fork)?;
        }
        let mut keys = Vec::new();
        if let Some(tenant) = &self.rows.tenant {
            for row in keys_of(id, &tenant.hash_key, beginning, input) {
                let key = (row.scope, row.slot, row.key);
                keys.push(key);
                self.rows.keys.insert(key, row);
            }
        }
        let given = Given { input: Arc::clone(input), settings: self.settings_of(beginning)? };
        let mut open =
            Transaction::begin(Arc::clone(definition), Arc::clone(beginning), given, decision, record.at, record.seq);
        if open.parent().is_some() && self.waits_above(&open) != Some(Phase::Do) {
            return Err(ReplayError::Dangling(format!("a parent of {id}")));
        }
        open.settle_replay();
        self.families.begin(id, open.parent().map(|parent| parent.id), keys);
        self.open.insert(id, open);
        Ok(())
    }

    /// What a fork takes over from has ended, and was not forked before.
    fn check_fork(&self, id: TransactionId, fork: &Fork) -> Result<(), ReplayError> {
        let (source, slot) = (fork.source, fork.source.slot());
        let key = |tenant: &TenantRow| (KeyScope::Fork, slot.number(), fork_hash(&tenant.hash_key, source));
        let is_forked = self.rows.tenant.as_ref().is_some_and(|tenant| self.rows.keys.contains_key(&key(tenant)));
        if is_forked || self.open.contains_key(&source) || slot != id.slot() {
            return Err(ReplayError::Illegal(format!("{source} can't be forked here: it goes on, or was forked")));
        }
        Ok(())
    }

    fn other(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let mut raises = true;
        match record.kind.as_str() {
            "log.opened" => {
                self.rows.tenant = Some(opened(payload, record)?);
                raises = false;
            }
            "tenant.created" => {
                let tenant: TenantId = typed(payload, "tenant")?;
                self.rows.tenants.push((tenant, record.at));
                raises = false;
            }
            "principal.created" | "principal.changed" => {
                let principal: Principal = typed(payload, "principal")?;
                self.rows.principals.insert(principal.id, principal_row(&principal));
            }
            "key.issued" | "key.revoked" => self.key(payload, record)?,
            "target.changed" | "target.forced" => self.target(payload, record)?,
            "queue.changed" => self.queue(payload)?,
            "settings.changed" => self.settings(payload, record)?,
            "maintenance.began" => {
                let justification = typed(payload, "justification")?;
                let began = Maintenance { by: record.actor, justification, since: record.at };
                self.rows.maintenance = Some(began.row());
            }
            "maintenance.ended" => self.rows.maintenance = None,
            "stop.set" | "stop.lifted" => self.stop(payload, record)?,
            "budget.set" | "budget.deleted" => self.budget(payload, record)?,
            "evidence.added" | "evidence.expired" => self.evidence(payload, record)?,
            "retention.changed" => {
                let retention: Retention = typed(payload, "settings")?;
                self.rows.retention = (!retention.is_empty()).then(|| retention.row());
            }
            "signing_secret.issued" | "signing_secret.retired" => self.signing_secret(payload, record)?,
            "definition.registered" => self.definition(payload, record)?,
            "bundle.pushed" => {
                self.bundle(payload, record)?;
                raises = false;
            }
            "bundle.shadowed" => self.bundle_shadowed(record)?,
            "bundle.signed" => {
                self.bundle_signed(payload, record)?;
                raises = false;
            }
            "bundle_rules.changed" | "signer.added" | "signer.removed" => self.trust(payload, record)?,
            "export.made" => raises = false,
            "bundle.activated" => self.bundle_activated(record)?,
            _ => {
                raises =
                    self.notifier(payload, record)? || self.over(payload, record)? || self.schedule(payload, record)?;
            }
        }
        self.rows.control_epoch += u64::from(raises);
        Ok(())
    }

    fn key(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let id = record.data.get_word("key").and_then(|word| word.parse::<KeyId>().ok());
        let id = id.ok_or(ReplayError::Row("key"))?;
        let (principal, hash) = (typed(payload, "principal")?, typed(payload, "hash")?);
        let expires_at = record.data.get_int("expires_at").map(Timestamp::from_micros);
        let before = self.rows.credentials.get(&id);
        let row = match (record.kind.as_str(), before) {
            ("key.issued", None) => {
                CredentialRow { id, principal, hash, issued_at: record.at, expires_at, revoked_at: None }
            }
            ("key.revoked", Some(before)) => CredentialRow { revoked_at: Some(record.at), ..before.clone() },
            _ => return Err(ReplayError::Dangling(format!("key {id}"))),
        };
        self.rows.credentials.insert(id, row);
        Ok(())
    }

    /// What happened to a schedule, if that is what the entry says: it never raises the control epoch.
    fn schedule(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<bool, ReplayError> {
        let Some(read) = schedules::read(record, payload) else { return Ok(false) };
        let (name, event) =
            read.map_err(|part| ReplayError::Illegal(format!("an entry of a schedule without a proper `{part}`")))?;
        let head = self.schedules.remove(&name);
        let head = apply(head, &event, record.at, record.seq)
            .map_err(|err| ReplayError::Illegal(format!("schedule `{name}`: {err}")))?;
        self.schedules.extend(head.map(|head| (name, head)));
        Ok(false)
    }

    fn target(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let target: TargetId = typed(payload, "target")?;
        let before = self.rows.targets.get(&target).map(|row| TargetState::of(row).ok_or(ReplayError::Row("settings")));
        let mut state = before.transpose()?.unwrap_or_default();
        if record.kind.as_str() == "target.changed" {
            state.settings = typed::<TargetSettings>(payload, "settings")?;
        } else {
            state.forced = match record.data.get_word("forced") {
                Some("open") => Some(Forced::Open),
                Some("closed") => Some(Forced::Closed),
                Some("auto") => None,
                Some(_) | None => return Err(ReplayError::Row("forced")),
            };
        }
        let row = state.row(&target);
        self.rows.targets.insert(target, row);
        Ok(())
    }

    fn queue(&mut self, payload: &Map<String, Value>) -> Result<(), ReplayError> {
        let queue: Name = typed(payload, "queue")?;
        let settings: QueueSettings = typed(payload, "settings")?;
        if settings.is_empty() {
            self.rows.queues.remove(&queue);
        } else {
            let row = settings.row(&queue);
            self.rows.queues.insert(queue, row);
        }
        Ok(())
    }

    fn stop(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let id = record.data.get_word("stop").and_then(|word| word.parse::<StopId>().ok());
        let id = id.ok_or(ReplayError::Row("stop"))?;
        let justification = typed(payload, "justification")?;
        match (record.kind.as_str(), self.rows.stops.contains_key(&id)) {
            ("stop.set", false) => {
                let stop = Stop { id, on: typed(payload, "on")?, by: record.actor, justification, since: record.at };
                if record.data.get_word("on") != Some(stop.on.word()) {
                    return Err(ReplayError::Row("on"));
                }
                self.rows.stops.insert(id, stop.row());
            }
            ("stop.lifted", true) => {
                self.rows.stops.remove(&id);
            }
            _ => return Err(ReplayError::Dangling(format!("stop {id}"))),
        }
        Ok(())
    }

    fn settings(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let version = record.data.get_int("version").and_then(|version| u32::try_from(version).ok());
        let before = self.rows.settings.last().map_or(0, |row| row.version);
        let version = version.filter(|version| before.checked_add(1) == Some(*version));
        let version = version.ok_or(ReplayError::Row("version"))?;
        let settings = Settings::new(version, typed(payload, "values")?).map_err(ReplayError::Illegal)?;
        let source = Arc::from(settings.values().canonical().as_bytes());
        let row = SettingsRow { version, changed_at: record.at, changed_by: record.actor, source };
        self.rows.settings.push(row);
        self.settings.insert(version, Arc::new(settings));
        Ok(())
    }

    /// The settings that a transaction sees: its parent's, or else those that hold when it begins.
    fn settings_of(&self, beginning: &Beginning) -> Result<Arc<Settings>, ReplayError> {
        let parent = beginning.parent.as_ref().and_then(|parent| self.open.get(&parent.id));
        let is_own = self.settings.len() == self.rows.settings.len();
        let expected = match parent {
            Some(parent) => Some(parent.head().beginning.settings),
            // Of those that are known from the tenant's first log it is not known when they were set.
            None => is_own.then(|| self.rows.settings.last().map(|row| row.version)),
        };
        if expected.is_some_and(|expected| expected != beginning.settings) {
            return Err(ReplayError::Illegal("the transaction does not begin with the settings that hold".to_owned()));
        }
        let Some(version) = beginning.settings else { return Ok(Settings::none()) };
        let known = self.settings.get(&version).map(Arc::clone);
        known.ok_or_else(|| ReplayError::Dangling(format!("settings {version}")))
    }

    fn signing_secret(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let id = record.data.get_word("secret").and_then(|word| word.parse::<SigningSecretId>().ok());
        let id = id.ok_or(ReplayError::Row("secret"))?;
        let secrets = &mut self.rows.signing_secrets;
        match (record.kind.as_str(), secrets.contains_key(&id)) {
            ("signing_secret.issued", false) => {
                let (target, hash) = (typed(payload, "target")?, typed(payload, "hash")?);
                secrets.insert(id, SigningSecretSeen { id, target, hash, issued_at: record.at });
            }
            ("signing_secret.retired", true) => {
                secrets.remove(&id);
            }
            _ => return Err(ReplayError::Dangling(format!("signing secret {id}"))),
        }
        Ok(())
    }

    fn definition(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let source: String = typed(payload, "source")?;
        let known = self.definitions.get(&Digest::of(source.as_bytes()));
        let definition = match known.filter(|known| *known.source == *source.as_bytes()) {
            Some(known) => Arc::clone(known),
            None => Definition::from_canonical(source.as_bytes())
                .map(Arc::new)
                .map_err(|err| ReplayError::Illegal(format!("the definition can't be read: {err}")))?,
        };
        if record.data.get_digest("definition") != Some(definition.digest) {
            return Err(ReplayError::Digest("definition"));
        }
        self.rows.definitions.push(DefinitionRow {
            name: definition.name.clone(),
            version: definition.version,
            digest: definition.digest,
            registered_at: record.at,
            source: Arc::clone(&definition.source),
        });
        self.definitions.insert(definition.digest, definition);
        Ok(())
    }
}

/// The rows of the keys with which a transaction began.
fn keys_of(id: TransactionId, hash_key: &[u8; 32], beginning: &Beginning, input: &Document) -> Vec<KeyRow> {
    let slot = id.slot().number();
    let row = |scope, key, request| KeyRow { scope, slot, key, request, transaction: id };
    let business = beginning.business_key.as_deref();
    let key = beginning.idempotency_key.as_deref();
    let mut rows = Vec::new();
    if let Some(fork) = &beginning.fork {
        // Its idempotency key tells only whether the same fork is asked for again.
        let request = fork_request(hash_key, key, &fork.step, &fork.justification);
        rows.push(row(KeyScope::Fork, fork_hash(hash_key, fork.source), request));
    } else if let Some(key) = key {
        let definition = (&beginning.definition, beginning.version_asked);
        let said = (&beginning.labels, beginning.start_at, &*beginning.faults, &beginning.headers);
        let request = request_hash(hash_key, definition, said, input);
        let hash = key_hash(hash_key, KeyScope::Start, business.unwrap_or_default(), key);
        rows.push(row(KeyScope::Start, hash, request));
    }
    if let Some(business) = business {
        rows.push(row(KeyScope::Business, key_hash(hash_key, KeyScope::Business, business, ""), [0; 32]));
    }
    rows
}

fn opened(payload: &Map<String, Value>, record: &Record) -> Result<TenantRow, ReplayError> {
    let hash_key = payload.get("hash_key").and_then(Value::as_str).and_then(digest::hex_decode::<32>);
    let shards = record.data.get_int("shards").and_then(|shards| u16::try_from(shards).ok());
    let created_at = record.data.get_int("created_at").map(Timestamp::from_micros);
    Ok(TenantRow {
        tenant: record.log.tenant().clone(),
        shards: shards.ok_or(ReplayError::Row("shards"))?,
        hash_key: hash_key.ok_or(ReplayError::Row("hash key"))?,
        created_at: created_at.ok_or(ReplayError::Row("time"))?,
    })
}

fn typed<T: DeserializeOwned>(payload: &Map<String, Value>, part: &'static str) -> Result<T, ReplayError> {
    T::deserialize(payload.get(part).unwrap_or(&Value::Null)).ok().ok_or(ReplayError::Row(part))
}

fn rows_of(
    log: LogId,
    transaction: &Transaction,
    requests: Option<BTreeMap<RequestId, RequestRow>>,
) -> TransactionRows {
    let head = transaction.head();
    let mut nodes: Vec<_> = transaction.nodes().collect();
    nodes.sort_by_key(|(node, _)| *node);
    let steps = nodes.into_iter().map(|(node, state)| rows::step_row(head, node, state)).collect();
    let labels = rows::label_rows(log, &head.beginning).collect();
    let requests = requests.into_iter().flat_map(BTreeMap::into_values).collect();
    TransactionRows { transaction: rows::transaction_row(log, transaction), steps, labels, requests }
}

/// The salted digests in a record are those of the payload's parts.
fn check_salted(record: &Record, recorded: &Recorded, row: &crate::row::PayloadRow) -> Result<(), ReplayError> {
    let input = match recorded {
        Recorded::Event(
            Event::Started { input, .. } | Event::Dispatched { input, .. } | Event::StepDenied { input, .. },
        ) => input,
        Recorded::Event(Event::Permitted(permitted)) => &permitted.input,
        Recorded::Event(Event::Requested(requested)) => match &requested.fact {
            RequestFact::Opened { input, .. } => input,
            RequestFact::Acknowledged { .. }
            | RequestFact::Answered { .. }
            | RequestFact::Deferred { .. }
            | RequestFact::Delegated { .. }
            | RequestFact::DueSoon
            | RequestFact::Expired
            | RequestFact::Withdrawn => return Ok(()),
        },
        Recorded::Event(Event::CarriedOut(done)) => match &done.deed {
            Deed::Emitted(_, input, _) => input,
            Deed::Answered { .. } => return Ok(()),
        },
        Recorded::Event(_) | Recorded::Other(_) => return Ok(()),
    };
    let digest = row.salt.digest(input.canonical().as_bytes());
    if record.data.get_digest("input") == Some(digest) { Ok(()) } else { Err(ReplayError::Digest("input")) }
}
