//! Numbers of the moment.

use super::Shard;
use crate::input::{Gauges, Queue};
use std::collections::BTreeMap;

impl Shard {
    /// Numbers of the moment.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            active: self.running,
            queues: self.index.depths(),
            out: self.out(),
            takers: self.desk.takers(),
            versions: self.desk.versions(),
            held: self.limits.held().clone(),
            workers: self.desk.worker_count(),
            leases: self.desk.lease_count(),
            inputs: self.queue.len(),
            size: self.log.as_ref().map_or(0, |log| log.size),
            epoch: self.epoch(),
            control_epoch: self.control.as_ref().map_or(0, |control| control.epoch),
            expiry: self.expiry.newest().cloned(),
        }
    }

    /// Attempts that are out, by queue.
    fn out(&self) -> BTreeMap<Queue, usize> {
        let of_workers = self.index.all_out().map(|(queue, count)| (Queue::Worker(queue.clone()), count));
        self.desk.out_at_origins().into_iter().chain(of_workers).collect()
    }
}
