//! Owners that die at a commit, and those who take over; each of their batches is judged.

use super::hand::{Hand, Tenant};
use super::watch::Death;
use chancery_base::TransactionId;
use chancery_ledger::Record;
use chancery_sim::Judge;
use chancery_store::scan::Scan;
use serde_json::Value;
use std::time::Duration;

/// One who dies at a commit, and those who take over.
#[derive(Debug)]
pub(super) struct Drive {
    pub(super) tenant: Tenant,
    pub(super) hand: Hand,
}

impl Drive {
    /// At which commit the owner dies, if at one.
    pub(super) fn new(tenant: Tenant, judge: Judge, dies: Option<(usize, Death)>) -> Self {
        tenant.watch.begin(&tenant.store, dies, judge);
        let hand = tenant.hand(0);
        Self { tenant, hand }
    }

    /// Does something; the owner may die at a commit of it.
    pub(super) fn act<R>(&mut self, act: impl FnOnce(&mut Hand) -> R) -> R {
        let answer = act(&mut self.hand);
        if self.tenant.watch.take_death() {
            self.hand = self.tenant.hand_at(0, self.hand.now);
        }
        answer
    }

    /// The same, but what was committed is heard of: of [`Death::After`] the owner dies only then.
    pub(super) fn act_heard<R>(&mut self, act: impl FnOnce(&mut Hand) -> R) -> R {
        self.tenant.watch.hears(true);
        let answer = self.act(act);
        self.tenant.watch.hears(false);
        answer
    }

    /// Does it, and once more if there was no answer: whoever asks does so under a key.
    pub(super) fn insist<T, E: std::fmt::Debug>(&mut self, act: impl Fn(&mut Hand) -> Result<T, E>) -> T {
        let first = self.act(&act);
        first.or_else(|_| self.act(&act)).unwrap()
    }

    /// Lets time pass, in which the owner may die as well.
    pub(super) fn wait(&mut self, duration: Duration) {
        self.act(|hand| hand.wait(duration));
    }

    pub(super) fn commits(&self) -> usize {
        self.tenant.watch.commits()
    }

    /// What the rows of a transaction and of the steps say.
    pub(super) fn words(&self, id: TransactionId) -> Vec<&'static str> {
        let row = Scan::transactions(&self.tenant.store, None, 10).unwrap().into_iter().find(|row| row.id == id);
        let steps = Scan::steps(&self.tenant.store, None, 100).unwrap();
        row.map(|row| row.status).into_iter().chain(steps.iter().map(|step| step.status)).collect()
    }

    pub(super) fn is_settled(&self) -> bool {
        let rows = Scan::transactions(&self.tenant.store, None, 10).unwrap();
        rows.iter().any(|row| row.ended_at.is_some() || row.status == "parked")
    }

    /// The kinds of the transactions' entries.
    pub(super) fn kinds(&self) -> Vec<String> {
        let log = Scan::logs(&self.tenant.store).unwrap().into_iter().find(|log| log.tenant == self.tenant.id).unwrap();
        let entries = Scan::entries(&self.tenant.store, log.id, 0, 1_000).unwrap();
        let records = entries.iter().map(|entry| Record::parse(&entry.record).unwrap());
        records.filter(|record| record.refs.transaction.is_some()).map(|record| record.kind.to_string()).collect()
    }

    /// The payload of an entry of the tenant's log.
    pub(super) fn payload(&self, seq: u64) -> Value {
        let log = Scan::logs(&self.tenant.store).unwrap().into_iter().find(|log| log.tenant == self.tenant.id).unwrap();
        let entries = Scan::entries(&self.tenant.store, log.id, seq, 1).unwrap();
        let payload = entries[0].payload.as_ref().and_then(|payload| payload.sealed.open()).unwrap();
        serde_json::from_slice(payload).unwrap()
    }
}
