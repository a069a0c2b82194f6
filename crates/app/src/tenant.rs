//! What the node holds of a tenant: the ways in to its shard and integrator, and what they last said.

use crate::Error;
use crate::definitions::Definitions;
use crate::inputs::Inputs;
use crate::integrator;
use crate::local::{Book, Loops};
use crate::notify::Board;
use crate::pump::Inlet;
use crate::watch::Watchers;
use arc_swap::ArcSwapOption;
use chancery_base::limits::{EXPORTS_AT_ONCE, PAGES_AT_ONCE};
use chancery_base::{KeyId, TenantId};
use chancery_ledger::Origin;
use chancery_policy::Grant;
use chancery_shard::control::Control;
use chancery_shard::input::{Change, Command, ControlChange, Response};
use chancery_shard::row::{LogId, LogRow};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, Semaphore, watch};

/// Which tenant a key belongs to, over all tenants. Keys are never removed, only revoked in the tenant's directory.
pub(crate) type KeyIndex = Arc<RwLock<HashMap<KeyId, TenantId>>>;

/// Where the log's head is, as far as this node knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The owner's epoch; 0 before the log is owned.
    pub(crate) epoch: u64,
    /// Committed entries.
    pub(crate) size: u64,
}

/// A tenant that this node serves.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) log: LogId,
    pub(crate) origin: Origin,
    pub(crate) pump: Inlet,
    pub(crate) watchers: Watchers,
    pub(crate) inputs: Inputs,
    /// Whose turn it is to have a page of entries read.
    pub(crate) pages: Semaphore,
    /// Whose turn it is to push a bundle or its signatures.
    pub(crate) signing: Mutex<()>,
    /// Places for exports that are under way.
    pub(crate) exports: Arc<Semaphore>,
    pub(crate) definitions: Definitions,
    pub(crate) integrator: integrator::Handle,
    pub(crate) local: Loops,
    pub(crate) targets: Arc<Book>,
    pub(crate) notifying: Board,
    key_index: KeyIndex,
    control: ArcSwapOption<Control>,
    ready: watch::Sender<Readiness>,
    head: watch::Sender<Head>,
    /// Told whenever there are events among what was committed.
    emitted: watch::Sender<()>,
}

/// Whether a shard takes inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Not yet.
    Starting,
    /// It does.
    Ready,
    /// No longer.
    Over,
}

impl Tenant {
    pub(crate) fn new(row: &LogRow, pump: Inlet, key_index: KeyIndex, inputs: Inputs, targets: Book) -> Self {
        Self {
            id: row.tenant.clone(),
            log: row.id,
            origin: row.origin.clone(),
            pump,
            watchers: Watchers::default(),
            inputs,
            pages: Semaphore::new(PAGES_AT_ONCE),
            signing: Mutex::new(()),
            exports: Arc::new(Semaphore::new(EXPORTS_AT_ONCE)),
            definitions: Definitions::default(),
            integrator: integrator::Handle::default(),
            local: Loops::default(),
            targets: Arc::new(targets),
            notifying: Board::default(),
            key_index,
            control: ArcSwapOption::empty(),
            ready: watch::channel(Readiness::Starting).0,
            head: watch::channel(Head::default()).0,
            emitted: watch::channel(()).0,
        }
    }

    /// The control state as it was last committed.
    pub(crate) fn control(&self) -> Result<Arc<Control>, Error> {
        self.control.load_full().ok_or(Error::Refused(chancery_shard::input::Refusal::Stopping))
    }

    /// Where the log's head is.
    pub(crate) fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// Sees the log's head move.
    pub(crate) fn watch_head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Sees when there are new events.
    pub(crate) fn watch_events(&self) -> watch::Receiver<()> {
        self.emitted.subscribe()
    }

    /// Waits until the shard takes inputs; an error if it never will.
    pub(crate) async fn is_ready(&self) -> Result<(), Error> {
        let mut ready = self.ready.subscribe();
        let settled = ready.wait_for(|ready| *ready != Readiness::Starting).await.map(|ready| *ready);
        match settled {
            Ok(Readiness::Ready) => Ok(()),
            Ok(Readiness::Over | Readiness::Starting) | Err(_) => {
                Err(Error::Refused(chancery_shard::input::Refusal::Stopping))
            }
        }
    }

    /// Whether the shard takes inputs no longer.
    pub(crate) fn is_over(&self) -> bool {
        self.readiness() == Readiness::Over
    }

    /// Ends when the shard takes inputs no longer.
    pub(crate) async fn over(&self) {
        let mut ready = self.ready.subscribe();
        // The sender lives as long as `self`.
        drop(ready.wait_for(|ready| *ready == Readiness::Over).await);
    }

    /// Whether the shard takes inputs.
    pub(crate) fn readiness(&self) -> Readiness {
        *self.ready.borrow()
    }

    /// Makes a change of what belongs to the tenant as a whole; gives the entry, none where nothing changed.
    pub(crate) async fn change(&self, grant: &Grant, change: Change) -> Result<Option<u64>, Error> {
        let change = ControlChange { actor: grant.principal(), change };
        match self.pump.ask(Command::Control(Box::new(change))).await? {
            Response::Done { seq } => Ok(seq),
            Response::Started { .. }
            | Response::Signalled { .. }
            | Response::Exchanged(_)
            | Response::Operated(_)
            | Response::Requested(_)
            | Response::Driven(_)
            | Response::Triggered(_)
            | Response::Decided(_) => Err(Error::Bug("a change was answered as something else")),
        }
    }

    /// The log is owned.
    pub(crate) fn owned(&self, epoch: u64, size: u64) {
        self.head.send_replace(Head { epoch, size });
    }

    /// The log grew, perhaps by events.
    pub(crate) fn grown(&self, size: u64, emits: bool) {
        self.head.send_modify(|head| head.size = size);
        if emits {
            self.emitted.send_replace(());
        }
    }

    /// The control state is another.
    pub(crate) fn controlled(&self, control: Arc<Control>) {
        {
            let mut index = self.key_index.write().unwrap_or_else(PoisonError::into_inner);
            for key in control.credentials.keys() {
                index.entry(*key).or_insert_with(|| self.id.clone());
            }
        }
        self.targets.controlled(&control);
        self.control.store(Some(control));
        self.ready.send_if_modified(|ready| {
            let starts = *ready == Readiness::Starting;
            if starts {
                *ready = Readiness::Ready;
            }
            starts
        });
    }

    /// The shard takes inputs no longer.
    pub(crate) fn unready(&self) {
        self.watchers.close();
        self.ready.send_replace(Readiness::Over);
    }
}
