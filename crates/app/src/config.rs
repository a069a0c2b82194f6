//! What a node can be told.

use chancery_base::limits::ACTIVE_TRANSACTIONS_MAX;
use chancery_shard::retention::Expiry;
use chancery_targets::{AllowList, Guard, InformationOptions, Limits};
use std::time::Duration;

/// The settings of a node, with the defaults that it has unless told otherwise.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node's name, as it stands in the logs' owner column.
    pub node: String,
    /// The cluster's name: the first part of every log's origin.
    pub cluster: String,
    /// How long a hand-out lives without a sign of its worker. Default 10 s.
    pub lease: Duration,
    /// How long an exchange that finds nothing is held at most. Default 5 s.
    pub hold_max: Duration,
    /// How long a caller may wait for a result at most. Default 60 s.
    pub wait_max: Duration,
    /// How often the integrator extends a tree that grows. Default 100 ms.
    pub integrate_every: Duration,
    /// How old the newest checkpoint may get while the log grows. Default 1 s.
    pub checkpoint_every: Duration,
    /// How long a receipt waits for a checkpoint that covers it. Default 3 s.
    pub receipt_wait: Duration,
    /// How long a shutdown gives handlers in this process. Default 30 s.
    pub drain: Duration,
    /// How long the node waits before it asks a store again that failed. Default 100 ms.
    pub store_retry: Duration,
    /// Tasks that one in-process handler works on at a time, in each tenant. Default 256.
    pub local_concurrency: u32,
    /// Running transactions of a tenant at most: a start beyond is refused. Default [`ACTIVE_TRANSACTIONS_MAX`], which
    /// is also the most.
    pub running_max: usize,
    /// When what ended long ago is removed, and how much at a time. Default [`Expiry::NIGHTLY`].
    pub expiry: Expiry,
    /// Which origins `run: {http: …}` may reach. Default none.
    pub targets: AllowList,
    /// Which addresses these may be at. Default public ones.
    pub target_guard: Guard,
    /// What each of them is given where the tenant says nothing else. Default [`Limits::DEFAULT`].
    pub target_limits: Limits,
    /// Where others reach this server, such as `https://chancery.example`: targets report there what they accepted.
    /// Default none: then a target has to answer with what came of a call.
    pub public_url: Option<String>,
    /// Where subjects are looked up that no tenant's directory knows; its address is held against `target_guard`.
    /// Default none: then the bundle and the request say what there is to say of them.
    pub information: Option<InformationOptions>,
    /// Whether a start may ask for faults. Default no: it is for servers that teams test their handlers on.
    pub allow_faults: bool,
}

impl Config {
    /// The defaults for a node of a cluster.
    #[must_use]
    pub fn new(cluster: impl Into<String>, node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            cluster: cluster.into(),
            lease: Duration::from_secs(10),
            hold_max: Duration::from_secs(5),
            wait_max: Duration::from_secs(60),
            integrate_every: Duration::from_millis(100),
            checkpoint_every: Duration::from_secs(1),
            receipt_wait: Duration::from_secs(3),
            drain: Duration::from_secs(30),
            store_retry: Duration::from_millis(100),
            local_concurrency: 256,
            running_max: ACTIVE_TRANSACTIONS_MAX,
            expiry: Expiry::NIGHTLY,
            targets: AllowList::default(),
            target_guard: Guard::default(),
            target_limits: Limits::DEFAULT,
            public_url: None,
            information: None,
            allow_faults: false,
        }
    }
}
