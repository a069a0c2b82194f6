//! A store in memory that answers at once, with the faults that a database on a network has.
//!
//! It keeps the same promises as the others and passes the same suite. What it adds is control: a simulator says
//! which commit fails, which one's outcome stays unknown, and when an orphan (a commit whose connection is gone)
//! lands after all.

mod apply;
mod inspect;
mod state;

pub use inspect::Dump;

use crate::page;
use crate::{
    Answer, CheckpointRow, Count, EventReach, EventSearch, EventsFound, Found, Reach, RequestReach, RequestSearch,
    Store, StoreStats, TileRow, check, error,
};
use chancery_base::{Digest, EvidenceId, Kind, Name, RequestId, TenantId, Timestamp, TransactionId};
use chancery_shard::batch::{
    Batch, Call, CommitError, ControlRows, Loaded, LoadedTransaction, Reply, Sources, StoreError,
};
use chancery_shard::expiry::{Expired, Expiring};
use chancery_shard::row::{
    BundleRow, DefinitionRow, EntryRow, EvidenceContentRow, KeyScope, LogId, LogRow, RequestRow, ScheduleRow,
    SettingsRow, TenantRow, TransactionRow,
};
use chancery_shard::search::Search;
use chancery_shard::{Grant, Origin};
use state::State;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// It fails and nothing is written.
    Fail,
    /// It is written, and nobody learns of it.
    UnknownApplied,
    /// It is not written, and nobody learns of it.
    UnknownLost,
    /// Its outcome is unknown, and it is written when [`SimStore::land_orphans`] is called, if its guard still holds.
    Orphan,
}

impl Fault {
    /// Every fault there is.
    pub const ALL: [Self; 4] = [Self::Fail, Self::UnknownApplied, Self::UnknownLost, Self::Orphan];
}

/// A guard that the store leaves out, to prove that the simulator notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sabotage {
    /// A commit under an older epoch is written.
    SkipEpoch,
    /// A commit that expects another size is written.
    SkipSize,
    /// A commit that was decided under an older control epoch is written.
    SkipControlEpoch,
}

/// What is durable at one moment, to go back to.
#[derive(Debug, Clone)]
pub struct Checkout(State);

/// A handle on a store in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct SimStore(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    state: State,
    stats: StoreStats,
    /// For the next commits, in order.
    faults: VecDeque<Fault>,
    /// How many of the next calls other than commits fail.
    failing_calls: usize,
    orphans: Vec<Batch>,
    closed: bool,
    sabotage: Option<Sabotage>,
}

const INJECTED: &str = "the simulator let it fail";

impl Inner {
    fn commit(&mut self, batch: Batch) -> Result<(), CommitError> {
        if self.closed {
            return Err(CommitError::Failed(closed()));
        }
        let unknown = || Err(CommitError::Unknown(error(check::COMMIT, Kind::Busy, INJECTED)));
        match self.faults.pop_front() {
            None => self.apply(&batch),
            Some(Fault::Fail) => Err(CommitError::Failed(error(check::COMMIT, Kind::Busy, INJECTED))),
            Some(Fault::UnknownApplied) => match self.apply(&batch) {
                Ok(()) | Err(_) => unknown(),
            },
            Some(Fault::UnknownLost) => unknown(),
            Some(Fault::Orphan) => {
                self.orphans.push(batch);
                unknown()
            }
        }
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), CommitError> {
        apply::batch(&mut self.state, batch, self.sabotage)?;
        self.stats.commits += 1;
        self.stats.batches += 1;
        self.stats.entries += u64::try_from(batch.entries.len()).unwrap_or(0);
        Ok(())
    }

    /// A call other than a commit, unless it is to fail.
    fn call<T>(
        &mut self,
        operation: &'static str,
        answer: impl FnOnce(&mut State) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.failing_calls > 0 {
            self.failing_calls -= 1;
            return Err(error(operation, Kind::Busy, INJECTED));
        }
        answer(&mut self.state)
    }

    fn write<T>(
        &mut self,
        operation: &'static str,
        answer: impl FnOnce(&mut State) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.closed {
            return Err(closed());
        }
        let answer = self.call(operation, answer)?;
        self.stats.commits += 1;
        Ok(answer)
    }
}

fn closed() -> StoreError {
    error("write", Kind::Busy, "the store is closed")
}

impl SimStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves out a guard from here on.
    pub fn sabotage(&self, sabotage: Sabotage) {
        self.inner().sabotage = Some(sabotage);
    }

    /// Lets the next commit that has no fault yet meet one.
    pub fn fault_next(&self, fault: Fault) {
        self.inner().faults.push_back(fault);
    }

    /// Lets the next `count` calls other than commits fail with `Busy`.
    pub fn fail_calls(&self, count: usize) {
        self.inner().failing_calls = count;
    }

    /// How many orphans have yet to land.
    #[must_use]
    pub fn orphans(&self) -> usize {
        self.inner().orphans.len()
    }

    /// Lets every orphan arrive, oldest first. Returns how many were written: those whose log's epoch, size and
    /// control epoch are still what they expect.
    pub fn land_orphans(&self) -> usize {
        let mut inner = self.inner();
        let orphans = std::mem::take(&mut inner.orphans);
        orphans.iter().filter(|batch| inner.apply(batch).is_ok()).count()
    }

    /// Ends the process that used the store: faults that were set are gone, what was committed stays, and orphans
    /// are still on their way. A closed store opens again.
    pub fn crash(&self) {
        let mut inner = self.inner();
        inner.faults.clear();
        inner.failing_calls = 0;
        inner.closed = false;
    }

    /// What is durable now.
    #[must_use]
    pub fn checkout(&self) -> Checkout {
        Checkout(self.inner().state.clone())
    }

    /// Goes back to what was durable then: what a store that does not sync does when the machine fails.
    pub fn restore(&self, checkout: &Checkout) {
        self.inner().state = checkout.0.clone();
    }

    /// Everything in the store.
    #[must_use]
    pub fn dump(&self) -> Dump {
        inspect::dump(&self.inner().state)
    }

    /// The epoch of a log.
    #[must_use]
    pub fn epoch(&self, log: LogId) -> Option<u64> {
        self.inner().state.logs.get(&log).map(|log| log.epoch)
    }

    /// The logs whose size is not what was seen of them, each with that.
    #[must_use]
    pub fn grown(&self, seen: impl Fn(LogId) -> u64) -> Vec<(LogRow, u64)> {
        let inner = self.inner();
        let logs = inner.state.logs.values().map(|log| (log, seen(log.id)));
        logs.filter(|(log, seen)| log.size != *seen).map(|(log, seen)| (log.clone(), seen)).collect()
    }

    /// A log's entries from a number on, shared.
    #[must_use]
    pub fn entries_since(&self, log: LogId, from: u64) -> Vec<Arc<EntryRow>> {
        self.inner().state.entries.range((log, from)..=(log, u64::MAX)).map(|(_, entry)| Arc::clone(entry)).collect()
    }

    /// The rows of a transaction as one looks at them: the head, and each step's word and attempts, in order.
    #[must_use]
    pub fn standing(&self, id: TransactionId) -> Option<(TransactionRow, Vec<(&'static str, u32)>)> {
        let inner = self.inner();
        let head = inner.state.transactions.get(&id)?.clone();
        let steps = inner.state.steps.range((id, 0, 0)..=(id, u32::MAX, u32::MAX));
        Some((head, steps.map(|(_, step)| (step.status, step.attempt)).collect()))
    }

    /// Carries out what a shard asks for, at once.
    #[must_use]
    pub fn answer(&self, call: Call, owner: &str) -> Reply {
        let mut inner = self.inner();
        match call {
            Call::Own { log } => Reply::Owned(inner.write("own a log", |state| apply::own(state, log, owner))),
            Call::Control { log } => {
                Reply::Control(inner.call("read control rows", |state| state.control(log).map(Box::new)))
            }
            Call::Recover { log, after, limit } => {
                Reply::Loaded(inner.call("recover transactions", |state| Ok(state.recover(log, after, limit))))
            }
            Call::Asleep { log, after, limit } => {
                Reply::Asleep(inner.call("read when transactions wake", |state| Ok(state.asleep(log, after, limit))))
            }
            Call::Load { log, transactions, keys } => {
                Reply::Loaded(inner.call("load transactions", |state| Ok(state.load(log, &transactions, &keys))))
            }
            Call::Bundle { log, digest } => {
                Reply::Bundle(inner.call("read a bundle", |state| state.bundle_of(log, digest)))
            }
            Call::Definition { log, name, version } => {
                Reply::Definition(inner.call("read a definition", |state| state.definition_of(log, &name, version)))
            }
            Call::Schedules { log, after, limit } => {
                Reply::Schedules(inner.call("list schedules", |state| state.schedules_of(log, after.as_ref(), limit)))
            }
            Call::Sources { log, payloads, definitions } => {
                let sources = |state: &mut State| Ok(state.sources(log, &payloads, &definitions));
                Reply::Sources(inner.call("load what schedules start", sources))
            }
            Call::Expired { log, expiring } => {
                Reply::Expired(inner.call(crate::expiry::OPERATION, |state| Ok(state.expired(log, expiring))))
            }
            Call::Commit(batch) => Reply::Committed(inner.commit(*batch)),
        }
    }

    fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&State) -> Result<T, StoreError>,
    ) -> Answer<'static, T> {
        ready(self.inner().call(operation, |state| read(state)))
    }
}

fn ready<T: Send + 'static, E: Send + 'static>(answer: Result<T, E>) -> Answer<'static, T, E> {
    Box::pin(std::future::ready(answer))
}

impl Store for SimStore {
    fn bootstrap(&self, tenant: TenantRow, origin: Origin) -> Answer<'_, LogRow> {
        let operation = "make the first tenant";
        ready(self.inner().write(operation, |state| apply::bootstrap(state, &tenant, &origin)))
    }

    fn logs(&self) -> Answer<'_, Vec<LogRow>> {
        self.read("read logs", |state| Ok(state.logs.values().cloned().collect()))
    }

    fn own<'a>(&'a self, log: LogId, owner: &'a str) -> Answer<'a, LogRow> {
        ready(self.inner().write("own a log", |state| apply::own(state, log, owner)))
    }

    fn control(&self, log: LogId) -> Answer<'_, ControlRows> {
        self.read("read control rows", |state| state.control(log))
    }

    fn recover(&self, log: LogId, after: Option<TransactionId>, limit: usize) -> Answer<'_, Loaded> {
        self.read("recover transactions", |state| Ok(state.recover(log, after, limit)))
    }

    fn asleep(
        &self,
        log: LogId,
        after: Option<TransactionId>,
        limit: usize,
    ) -> Answer<'_, Vec<(TransactionId, Timestamp)>> {
        self.read("read when transactions wake", |state| Ok(state.asleep(log, after, limit)))
    }

    fn load(
        &self,
        log: LogId,
        transactions: Vec<TransactionId>,
        keys: Vec<(KeyScope, u16, [u8; 32])>,
    ) -> Answer<'_, Loaded> {
        self.read("load transactions", |state| Ok(state.load(log, &transactions, &keys)))
    }

    fn bundle_of(&self, log: LogId, digest: Digest) -> Answer<'_, Option<BundleRow>> {
        self.read("read a bundle", |state| state.bundle_of(log, digest))
    }

    fn definition_of(&self, log: LogId, name: Name, version: u32) -> Answer<'_, Option<DefinitionRow>> {
        self.read("read a definition", |state| state.definition_of(log, &name, version))
    }

    fn schedules(&self, log: LogId, after: Option<Name>, limit: usize) -> Answer<'_, Vec<ScheduleRow>> {
        self.read("list schedules", |state| state.schedules_of(log, after.as_ref(), limit))
    }

    fn sources(&self, log: LogId, payloads: Vec<u64>, definitions: Vec<(Name, u32)>) -> Answer<'_, Sources> {
        self.read("load what schedules start", |state| Ok(state.sources(log, &payloads, &definitions)))
    }

    fn expired(&self, log: LogId, expiring: Expiring) -> Answer<'_, Expired> {
        self.read(crate::expiry::OPERATION, |state| Ok(state.expired(log, expiring)))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, (), CommitError> {
        ready(self.inner().commit(batch))
    }

    fn entries(&self, log: LogId, from: u64, limit: usize, payloads: bool) -> Answer<'_, Vec<EntryRow>> {
        self.read("read entries", |state| {
            let (mut rows, mut wants) = (state.entries(log, from, limit, payloads), page::wants());
            let count = rows.iter().take_while(|row| wants(row)).count();
            rows.truncate(count);
            Ok(rows)
        })
    }

    fn entries_at(&self, log: LogId, numbers: Vec<u64>) -> Answer<'_, Vec<EntryRow>> {
        self.read("read entries", |state| Ok(state.entries_at(log, &numbers)))
    }

    fn events(&self, log: LogId, search: EventSearch, reach: EventReach) -> Answer<'_, EventsFound> {
        self.read("read events", |state| Ok(state.events(log, &search, reach)))
    }

    fn requests(&self, log: LogId, search: RequestSearch, reach: RequestReach) -> Answer<'_, Vec<RequestRow>> {
        self.read("list requests", |state| Ok(state.requests(log, &search, reach)))
    }

    fn checkpoint_put(
        &self,
        log: LogId,
        tiles: Vec<TileRow>,
        checkpoint: Option<CheckpointRow>,
        epoch: u64,
    ) -> Answer<'_, bool> {
        let put = |state: &mut State| Ok(apply::checkpoint_put(state, log, tiles, checkpoint, epoch));
        ready(self.inner().write("store tiles and a checkpoint", put))
    }

    fn checkpoint(&self, log: LogId, at_most: Option<u64>) -> Answer<'_, Option<CheckpointRow>> {
        self.read("read a checkpoint", |state| Ok(state.checkpoint(log, at_most)))
    }

    fn tile(&self, log: LogId, level: u8, index: u64) -> Answer<'_, Option<TileRow>> {
        self.read("read a tile", |state| Ok(state.tiles.get(&(log, level, index)).cloned()))
    }

    fn transaction<'a>(&'a self, grant: &'a Grant, id: TransactionId) -> Answer<'a, Option<LoadedTransaction>> {
        self.read("read a transaction", |state| Ok(state.transaction(grant.tenant(), id)))
    }

    fn transactions<'a>(&'a self, grant: &'a Grant, search: Search, reach: Reach) -> Answer<'a, Found> {
        self.read("search transactions", |state| Ok(state.transactions(grant.tenant(), &search, reach)))
    }

    fn transaction_count<'a>(&'a self, grant: &'a Grant, search: Search, reach: Reach) -> Answer<'a, Count> {
        self.read("count transactions", |state| Ok(state.transaction_count(grant.tenant(), &search, reach)))
    }

    fn history<'a>(
        &'a self,
        grant: &'a Grant,
        id: TransactionId,
        from: u64,
        limit: usize,
    ) -> Answer<'a, Vec<(LogId, EntryRow)>> {
        self.read("read a history", |state| Ok(state.history(grant.tenant(), id, from, limit)))
    }

    fn request<'a>(&'a self, grant: &'a Grant, id: RequestId) -> Answer<'a, Option<RequestRow>> {
        self.read("read a request", |state| Ok(state.request(grant.tenant(), id)))
    }

    fn evidence_content<'a>(&'a self, grant: &'a Grant, id: EvidenceId) -> Answer<'a, Option<EvidenceContentRow>> {
        self.read("read the content of evidence", move |state| Ok(state.evidence_content(grant.tenant(), id)))
    }

    fn schedule<'a>(&'a self, grant: &'a Grant, name: &'a Name) -> Answer<'a, Option<ScheduleRow>> {
        self.read("read a schedule", |state| Ok(state.schedule(grant.tenant(), name)))
    }

    fn schedule_list<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<Name>,
        limit: usize,
    ) -> Answer<'a, Vec<ScheduleRow>> {
        self.read("list schedules", |state| Ok(state.schedules(grant.tenant(), after.as_ref(), limit)))
    }

    fn settings<'a>(&'a self, grant: &'a Grant, version: Option<u32>) -> Answer<'a, Option<SettingsRow>> {
        self.read("read settings", |state| Ok(state.settings(grant.tenant(), version)))
    }

    fn settings_list<'a>(
        &'a self,
        grant: &'a Grant,
        before: Option<u32>,
        limit: usize,
    ) -> Answer<'a, Vec<SettingsRow>> {
        self.read("list settings", |state| Ok(state.settings_list(grant.tenant(), before, limit)))
    }

    fn definition<'a>(
        &'a self,
        grant: &'a Grant,
        name: &'a Name,
        version: Option<u32>,
    ) -> Answer<'a, Option<DefinitionRow>> {
        self.read("read a definition", |state| Ok(state.definition(grant.tenant(), name, version)))
    }

    fn definitions<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, Vec<DefinitionRow>> {
        self.read("list definitions", |state| Ok(state.definitions(grant.tenant(), after.as_ref(), limit)))
    }

    fn bundle<'a>(&'a self, grant: &'a Grant, digest: Digest) -> Answer<'a, Option<BundleRow>> {
        self.read("read a bundle", |state| Ok(state.bundle(grant.tenant(), digest)))
    }

    fn bundles<'a>(
        &'a self,
        grant: &'a Grant,
        after: Option<(Name, u32)>,
        limit: usize,
    ) -> Answer<'a, (Vec<BundleRow>, Option<Digest>)> {
        self.read("list bundles", |state| Ok(state.bundles(grant.tenant(), after.as_ref(), limit)))
    }

    fn tenants<'a>(&'a self, grant: &'a Grant, after: Option<TenantId>, limit: usize) -> Answer<'a, Vec<TenantRow>> {
        self.read("list tenants", |state| {
            check::platform(grant)?;
            Ok(state.tenants(after.as_ref(), limit))
        })
    }

    fn ping(&self) -> Answer<'_, ()> {
        let mut inner = self.inner();
        if inner.closed {
            return ready(Err(closed()));
        }
        ready(inner.call("ping", |_| Ok(())))
    }

    fn stats(&self) -> StoreStats {
        self.inner().stats
    }

    fn close(&self) -> Answer<'_, ()> {
        self.inner().closed = true;
        ready(Ok(()))
    }
}
