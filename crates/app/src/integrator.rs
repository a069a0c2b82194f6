//! The integrator of a log: committed records become tiles, a root and, at least each second while the log grows,
//! a signed checkpoint. It runs behind the commits and never in their way.

mod leaves;

use crate::clock;
use crate::config::Config;
use crate::ledger::with_tiles;
use crate::measure;
use crate::tasks::Tasks;
use crate::tenant::{Head, Tenant};
use chancery_base::Timestamp;
use chancery_ledger::proof::{inclusion_proof, verify_inclusion};
use chancery_ledger::{Checkpoint, Hash, LeafIndex, SigningKey, Tree, TreeSize, leaf_hash};
use chancery_shard::batch::StoreError;
use chancery_store::{CheckpointRow, Store, TileRow};
use leaves::Leaves;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::{error, warn};

/// Entries that are integrated at a time, and that are not waited any longer for.
const BATCH: u64 = 1_024;
/// Entries of a batch that are read again and proved.
const SAMPLE: u64 = 4;

/// What others see of an integrator.
#[derive(Debug)]
pub(crate) struct Handle {
    progress: watch::Sender<Progress>,
    hurry: Notify,
    leaves: Mutex<Leaves>,
}

/// How far an integrator is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Entries in the tree.
    pub(crate) integrated: u64,
    /// Entries that the newest checkpoint covers.
    pub(crate) checkpointed: u64,
    /// When that was signed.
    pub(crate) checkpoint_at: Option<Timestamp>,
}

impl Default for Handle {
    fn default() -> Self {
        Self { progress: watch::channel(Progress::default()).0, hurry: Notify::new(), leaves: Mutex::default() }
    }
}

impl Handle {
    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Hands over the leaves of entries that were committed, from this number on.
    pub(crate) fn committed(&self, from: u64, leaves: Vec<Hash>) {
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner).add(from, leaves);
    }

    /// How long committed entries have been without a checkpoint; zero where there are none.
    pub(crate) fn behind_for(&self, size: u64) -> Duration {
        let progress = self.progress();
        match progress.checkpoint_at {
            Some(at) if progress.checkpointed < size => clock::now().since(at),
            Some(_) | None => Duration::ZERO,
        }
    }

    /// Waits until a checkpoint covers the entry, and has one signed without delay; false if it takes too long.
    pub(crate) async fn covers(&self, seq: u64, longest: Duration) -> bool {
        let mut progress = self.progress.subscribe();
        if progress.borrow().checkpointed > seq {
            return true;
        }
        self.hurry.notify_one();
        let covered = progress.wait_for(|progress| progress.checkpointed > seq);
        tokio::time::timeout(longest, covered).await.is_ok_and(|covered| covered.is_ok())
    }
}

/// Everything that the task of an integrator works with.
#[derive(Debug)]
pub(crate) struct Integrator {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) key: SigningKey,
    pub(crate) config: Arc<Config>,
    pub(crate) tasks: Tasks,
}

/// What an integrator has in hand between two turns.
struct State {
    tree: Tree,
    checkpointed: u64,
    signed_at: Option<Instant>,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the log's tiles can't be read: {0}")]
    Tiles(String),
    #[error("the tree of the stored tiles has another root than the checkpoint of {0}: tampering or damage")]
    Root(u64),
    #[error("the log has {found} entries from {from} on, {expected} were committed")]
    Missing { from: u64, expected: u64, found: u64 },
    #[error("the checkpoint can't be signed: {0}")]
    Sign(#[from] chancery_ledger::CheckpointError),
    #[error("entry {0} is not in the tree as it was committed: tampering or damage")]
    Sample(u64),
    #[error("another signs this log's checkpoints")]
    Superseded,
}

impl Trouble {
    /// Whether the ledger itself is wrong, rather than the store slow.
    const fn is_integrity(&self) -> bool {
        match self {
            Self::Tiles(_) | Self::Root(_) | Self::Missing { .. } | Self::Sample(_) => true,
            Self::Store(_) | Self::Sign(_) | Self::Superseded => false,
        }
    }
}

impl Integrator {
    /// Runs until the node stops, and then until a checkpoint covers all that was committed.
    pub(crate) async fn run(self) {
        let mut head = self.tenant.watch_head();
        tokio::select! {
            owned = head.wait_for(|head| head.epoch > 0) => if owned.is_err() { return },
            () = self.tasks.stopping() => return,
        }
        let Some(mut state) = self.restored().await else { return };
        loop {
            let stopping = self.tenant.is_over();
            let now = *head.borrow_and_update();
            let behind = now.size.saturating_sub(state.tree.size().0.min(state.checkpointed));
            if behind == 0 {
                if stopping {
                    return;
                }
                self.until_grown(&mut head).await;
                continue;
            }
            let hurried = if stopping { true } else { self.linger(&mut head, &state).await };
            let now = *head.borrow();
            if !self.turn(&mut state, now, hurried).await {
                return;
            }
        }
    }

    /// Waits until the log grows or its shard is over.
    async fn until_grown(&self, head: &mut watch::Receiver<Head>) {
        tokio::select! {
            changed = head.changed() => drop(changed),
            () = self.tenant.over() => {}
        }
    }

    /// Lets entries gather; says whether somebody waits for a checkpoint.
    async fn linger(&self, head: &mut watch::Receiver<Head>, state: &State) -> bool {
        let size = state.tree.size().0;
        // With everything in the tree, all that is left to do is to sign when it is time.
        let until = match state.signed_at {
            Some(signed_at) if head.borrow().size == size => signed_at + self.config.checkpoint_every,
            Some(_) | None => clock::instant() + self.config.integrate_every,
        };
        tokio::select! {
            () = tokio::time::sleep_until(until) => false,
            full = head.wait_for(|head| head.size >= size + BATCH) => { drop(full); false }
            () = self.tenant.integrator.hurry.notified() => true,
            () = self.tenant.over() => true,
        }
    }

    /// Integrates what there is, a batch at most; false if the integrator must end: the ledger is wrong, or the store
    /// failed though it was asked after the shard was over.
    async fn turn(&self, state: &mut State, head: Head, hurried: bool) -> bool {
        let was_over = self.tenant.is_over();
        let before = state.tree.clone();
        let trouble = match self.integrate(state, head, hurried).await {
            Ok(()) => return true,
            Err(trouble) => trouble,
        };
        state.tree = before;
        self.report(&trouble);
        if trouble.is_integrity() || was_over {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(self.config.store_retry) => {}
            () = self.tenant.over() => {}
        }
        if matches!(trouble, Trouble::Superseded) {
            let Some(restored) = self.restored().await else { return false };
            *state = restored;
        }
        true
    }

    fn report(&self, trouble: &Trouble) {
        let tenant = &self.tenant.id;
        if trouble.is_integrity() {
            measure::verified(Duration::ZERO, false);
            error!(%tenant, log = %self.tenant.origin, "ledger integrity failure in `{}`: {trouble}", self.tenant.origin);
        } else {
            warn!(%tenant, log = %self.tenant.origin, "the tree of `{}` was not extended: {trouble}", self.tenant.origin);
        }
    }

    async fn integrate(&self, state: &mut State, head: Head, hurried: bool) -> Result<(), Trouble> {
        let from = state.tree.size().0;
        let to = head.size.min(from + BATCH);
        while state.tree.size().0 < to {
            let leaves = self.leaves(state.tree.size().0, to).await?;
            leaves.into_iter().for_each(|leaf| state.tree.push(leaf));
        }
        let size = state.tree.size();
        let due = state.signed_at.is_none_or(|signed_at| signed_at.elapsed() >= self.config.checkpoint_every);
        let signs = (due || hurried) && size.0 > state.checkpointed;
        let checkpoint = if signs { Some(self.checkpoint(&state.tree)?) } else { None };
        let tiles: Vec<TileRow> = state.tree.take_rows().into_iter().map(tile_row).collect();
        if !tiles.is_empty() || checkpoint.is_some() {
            let stored = self.store.checkpoint_put(self.tenant.log, tiles, checkpoint, head.epoch).await?;
            if !stored {
                return Err(Trouble::Superseded);
            }
        }
        if signs {
            state.checkpointed = size.0;
            state.signed_at = Some(clock::instant());
        }
        let (checkpointed, at) = (state.checkpointed, clock::now());
        self.tenant.integrator.progress.send_modify(|progress| {
            progress.integrated = size.0;
            if signs {
                *progress = Progress { integrated: size.0, checkpointed, checkpoint_at: Some(at) };
            }
        });
        if signs { self.check_sample(&state.tree, from).await } else { Ok(()) }
    }

    /// Leaves of committed entries before `to`, at least one: as they were handed over, or else of what the store has.
    async fn leaves(&self, from: u64, to: u64) -> Result<Vec<Hash>, Trouble> {
        let limit = usize::try_from(to - from).unwrap_or(usize::MAX);
        let handed = self.tenant.integrator.leaves.lock().unwrap_or_else(PoisonError::into_inner).take(from, limit);
        if !handed.is_empty() {
            return Ok(handed);
        }
        let rows = self.store.entries(self.tenant.log, from, limit, false).await?;
        let found = rows.iter().zip(from..).take_while(|(row, seq)| row.seq == *seq).count();
        if found < limit {
            let count = |many| u64::try_from(many).unwrap_or(u64::MAX);
            return Err(Trouble::Missing { from, expected: count(limit), found: count(found) });
        }
        Ok(rows.iter().map(|row| leaf_hash(&row.record)).collect())
    }

    fn checkpoint(&self, tree: &Tree) -> Result<CheckpointRow, Trouble> {
        let checkpoint = Checkpoint { origin: self.tenant.origin.clone(), size: tree.size(), root: tree.root() };
        Ok(CheckpointRow { size: tree.size().0, note: checkpoint.sign(&self.key)? })
    }

    /// Reads some of the entries again, new ones and old ones, and proves them with the stored tiles.
    async fn check_sample(&self, tree: &Tree, from: u64) -> Result<(), Trouble> {
        let began = clock::instant();
        let Ok(mut entropy) = clock::entropy() else { return Ok(()) };
        let (size, root) = (tree.size(), tree.root());
        for number in 0..SAMPLE {
            let low = if number % 2 == 0 { from.min(size.0 - 1) } else { 0 };
            let seq = low + entropy.next_u64() % (size.0 - low);
            let rows = self.store.entries(self.tenant.log, seq, 1, false).await?;
            let row = rows.first().filter(|row| row.seq == seq);
            let row = row.ok_or(Trouble::Missing { from: seq, expected: 1, found: 0 })?;
            let index = LeafIndex(seq);
            let proof = with_tiles(&self.store, self.tenant.log, |read| inclusion_proof(index, size, read)).await?;
            let proved = verify_inclusion(&leaf_hash(&row.record), index, size, &proof, &root);
            proved.ok().ok_or(Trouble::Sample(seq))?;
        }
        measure::verified(began.elapsed(), true);
        Ok(())
    }

    /// The tree as it is stored, compared with the newest checkpoint; tried until the store answers. None where the
    /// node stops meanwhile, or the stored tree is wrong.
    async fn restored(&self) -> Option<State> {
        loop {
            let trouble = match self.restore().await {
                Ok(state) => return Some(state),
                Err(trouble) => trouble,
            };
            self.report(&trouble);
            if trouble.is_integrity() || self.tasks.is_stopping() {
                return None;
            }
            tokio::time::sleep(self.config.store_retry).await;
        }
    }

    async fn restore(&self) -> Result<State, Trouble> {
        let Some(row) = self.store.checkpoint(self.tenant.log, None).await? else {
            return Ok(State { tree: Tree::new(), checkpointed: 0, signed_at: None });
        };
        let keys = chancery_ledger::Keys::one(self.key.verifier());
        let checkpoint = Checkpoint::open(&row.note, &keys)?;
        let size = TreeSize(row.size);
        let tree = with_tiles(&self.store, self.tenant.log, |read| Tree::restore(size, read)).await?;
        if checkpoint.size != size || checkpoint.root != tree.root() || checkpoint.origin != self.tenant.origin {
            return Err(Trouble::Root(row.size));
        }
        self.tenant.integrator.progress.send_replace(Progress {
            integrated: row.size,
            checkpointed: row.size,
            checkpoint_at: None,
        });
        Ok(State { tree, checkpointed: row.size, signed_at: None })
    }
}

fn tile_row(row: chancery_ledger::tree::TileRow) -> TileRow {
    TileRow { level: row.id.level, index: row.id.index, hashes: row.bytes }
}

impl From<crate::ledger::TilesError> for Trouble {
    fn from(error: crate::ledger::TilesError) -> Self {
        match error {
            crate::ledger::TilesError::Store(error) => Self::Store(error),
            crate::ledger::TilesError::Tree(message) => Self::Tiles(message),
        }
    }
}
