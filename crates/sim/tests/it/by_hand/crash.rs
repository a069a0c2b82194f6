//! Owners that die at a commit, and those who take over.

use super::hand::{Hand, Tenant};
use chancery_base::TransactionId;
use chancery_ledger::Record;
use chancery_store::scan::Scan;
use chancery_store::sim::Fault;
use serde_json::Value;

/// One who dies at a commit, and those who take over.
#[derive(Debug)]
pub(super) struct Drive {
    pub(super) tenant: Tenant,
    pub(super) hand: Hand,
    pub(super) commits: usize,
    /// At which commit, and whether it lands.
    dies: Option<(usize, Fault)>,
}

impl Drive {
    pub(super) fn new(tenant: Tenant, dies: Option<(usize, Fault)>) -> Self {
        let hand = tenant.hand(0);
        Self { tenant, hand, commits: 0, dies }
    }

    /// Does something that commits; the owner may die at it.
    pub(super) fn act<R>(&mut self, act: impl FnOnce(&mut Hand) -> R) -> R {
        self.act_unless(None, act)
    }

    /// The same, but one fault has no effect but that the owner dies afterwards.
    pub(super) fn act_unless<R>(&mut self, harmless: Option<Fault>, act: impl FnOnce(&mut Hand) -> R) -> R {
        let dies = self.dies.filter(|(at, _)| *at == self.commits);
        self.commits += 1;
        if let Some((_, fault)) = dies.filter(|(_, fault)| Some(*fault) != harmless) {
            self.tenant.store.fault_next(fault);
        }
        let answer = act(&mut self.hand);
        if dies.is_some() {
            self.hand = self.tenant.hand_at(0, self.hand.now);
        }
        answer
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
