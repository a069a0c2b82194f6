//! What a shard tells of itself, to be counted and shown.

use super::Queue;
use crate::expiry::ExpiryRun;
use chancery_base::{Name, Timestamp};
use chancery_engine::Phase;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Something to count. Labels are bounded: names of definitions, never ids.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// A transaction began.
    Started {
        /// What it runs.
        definition: Name,
    },
    /// A transaction ended or was parked.
    Ended {
        /// What it ran.
        definition: Name,
        /// How.
        status: &'static str,
        /// How long it took.
        took: Duration,
    },
    /// An attempt was handed out.
    Dispatched {
        /// Step or compensation.
        phase: Phase,
        /// Which attempt; of a step that polls, of its round.
        attempt: u32,
        /// How long it waited.
        waited: Duration,
    },
    /// An attempt ended.
    Attempted {
        /// Step or compensation.
        phase: Phase,
        /// `accepted`, `completed`, `polled`, or how it failed: `failed`, `unknown`, `lapsed`, `timed_out`, `denied`, …
        outcome: &'static str,
    },
    /// A time of a schedule was dealt with.
    Scheduled {
        /// `fired`, `buffered`, `missed`, `overlap`, `denied`, `conflict`, `failed`.
        came: &'static str,
    },
    /// A decision was taken.
    Decided {
        /// The Cedar action.
        action: String,
        /// Permitted or not.
        permitted: bool,
        /// Policies that erred.
        errors: usize,
    },
    /// A bundle in the shadow was asked beside the one that counts.
    Shadowed {
        /// Whether it says the same.
        agrees: bool,
    },
    /// Transactions that ended long ago were removed.
    Expired {
        /// How many.
        transactions: usize,
    },
    /// A batch was committed.
    Committed {
        /// Inputs in it.
        inputs: usize,
        /// Entries in it.
        entries: usize,
    },
}

/// Which limit of a queue keeps what is ready in it waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// As many attempts are out as may be.
    Concurrency,
    /// Those who would take it are of none of the versions that it goes to.
    Versions,
    /// Its target is stopped.
    Stopped,
    /// What waits needs a capability token, and none of those who would take it presents a key to bind one to.
    Keys,
    /// As many were handed out as may be, until then.
    Rate(Timestamp),
}

/// Numbers of the moment, for gauges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Running transactions in memory.
    pub active: usize,
    /// Ready steps by queue, with the age of the oldest.
    pub queues: Vec<(Queue, usize, Option<Timestamp>)>,
    /// Attempts that are out, by queue; of origins, those that this owner handed out itself.
    pub out: BTreeMap<Queue, usize>,
    /// Workers' instances with a call open that takes from a queue, or with a lease on a task of it.
    pub takers: BTreeMap<Queue, usize>,
    /// The same by the versions that they say, of each queue the first [`VERSIONS_SHOWN_MAX`] of these.
    ///
    /// [`VERSIONS_SHOWN_MAX`]: chancery_base::limits::VERSIONS_SHOWN_MAX
    pub versions: BTreeMap<Queue, BTreeMap<Option<Arc<str>>, usize>>,
    /// Queues whose own limits keep steps waiting.
    pub held: BTreeMap<Name, Hold>,
    /// Workers with a call open or a lease.
    pub workers: usize,
    /// Open hand-outs.
    pub leases: usize,
    /// Inputs waiting.
    pub inputs: usize,
    /// The log's size.
    pub size: u64,
    /// The owner's epoch.
    pub epoch: u64,
    /// The control epoch.
    pub control_epoch: u64,
    /// How the newest search for what ended long ago went, or goes; none: there was none since the process began.
    pub expiry: Option<ExpiryRun>,
}
