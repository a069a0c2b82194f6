//! Verifies a whole log in one pass over its entries.
//!
//! Shares no code with the writer beyond hashing and parsing: it keeps its own tree, so a fault in [`crate::tree`]
//! cannot hide itself. Memory: one tile a level, the checkpoints that wait for their size, and an id for each
//! transaction that was seen.
//!
//! What is checked of each entry: the record's one spelling, its log, its `seq`, that epochs never go back, that
//! the numbers of a transaction have no gaps and nothing comes after its last one, and its payload's digest. Of the
//! tree: that every stored tile holds exactly the hashes that the entries give, that no tile is missing which a
//! checkpoint covers, that every checkpoint is signed and has the root of the entries before it. An earlier
//! checkpoint that somebody kept is given with the others: that it has the root at its size *is* the consistency.
//! Times are reported, not judged: clocks are set back, and the hashes say the order.

mod entry;
mod fault;
mod tiles;

pub use entry::{EntryCheck, Kept};
pub use fault::{BoxError, Fault, Place, Problem};

use crate::checkpoint::Checkpoint;
use crate::hash::{Hash, LeafIndex, TreeSize, node_hash, root_of};
use crate::note::{Keys, Note};
use crate::record::{Origin, Record};
use crate::tile::TileId;
use chancery_base::{Timestamp, TransactionId};
use entry::Digested;
use std::collections::{HashMap, HashSet};
use tiles::TileCheck;

/// Gives the stored row of a tile, nothing if there is none.
pub type TileReader<'a> = dyn FnMut(TileId) -> Result<Option<Vec<u8>>, BoxError> + 'a;

/// Verifies a log: give it the checkpoints, then every entry in order, then finish.
pub struct LogVerifier<'a> {
    origin: Origin,
    /// Those that no entry has reached yet, the smallest last.
    waiting: Vec<Checkpoint>,
    newest: Option<Checkpoint>,
    /// Roots of complete subtrees from the left, as the bits of the size.
    roots: Vec<Hash>,
    size: u64,
    tiles: Option<TileCheck<'a>>,
    epoch: u64,
    at: Timestamp,
    open: HashMap<TransactionId, u64>,
    closed: HashSet<TransactionId>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    checkpoints: u64,
    payloads_checked: u64,
    payloads_withheld: u64,
    clock_set_back: u64,
}

/// What a verified log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    /// Which log.
    pub origin: Origin,
    /// How many entries.
    pub size: TreeSize,
    /// The root over all of them, also those that no checkpoint covers yet.
    pub root: Hash,
    /// The largest checkpoint that was given.
    pub newest: Option<Checkpoint>,
    /// How many checkpoints were verified.
    pub checkpoints: u64,
    /// How many rows of tiles were compared: a store that has more has rows that belong to nothing.
    pub tiles: u64,
    /// How many entries the tiles cover.
    pub integrated: TreeSize,
    /// Payloads whose digest was checked.
    pub payloads_checked: u64,
    /// Payloads that were not given.
    pub payloads_withheld: u64,
    /// Transactions whose last entry is here.
    pub transactions_closed: u64,
    /// Transactions that go on.
    pub transactions_open: u64,
    /// Entries with an earlier time than the one before them.
    pub clock_set_back: u64,
}

impl std::fmt::Debug for LogVerifier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogVerifier").field("origin", &self.origin).field("size", &self.size).finish_non_exhaustive()
    }
}

impl<'a> LogVerifier<'a> {
    /// A verifier of a log from its first entry.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            waiting: Vec::new(),
            newest: None,
            roots: Vec::new(),
            size: 0,
            tiles: None,
            epoch: 0,
            at: Timestamp::EPOCH,
            open: HashMap::new(),
            closed: HashSet::new(),
            counts: Counts::default(),
        }
    }

    /// Compares the stored tiles too. Call it before the first entry.
    #[must_use]
    pub fn with_tiles(mut self, read: Box<TileReader<'a>>) -> Self {
        self.tiles = Some(TileCheck::new(read));
        self
    }

    /// Takes a checkpoint's note, in any order, before the first entry.
    ///
    /// # Errors
    /// If it is not believed, or is of another log.
    pub fn checkpoint(&mut self, note: &str, keys: &Keys) -> Result<(), Fault> {
        let unread = Place::Note(self.counts.checkpoints);
        let parsed = Note::parse(note).map_err(|err| Fault::new(unread, Problem::Checkpoint(err.into())))?;
        let claimed = Checkpoint::parse_text(parsed.text());
        let place = claimed.map_or(unread, |claimed| Place::Checkpoint(claimed.size));
        let (checkpoint, _) =
            Checkpoint::verify(&parsed, keys).map_err(|err| Fault::new(place, Problem::Checkpoint(err)))?;
        if checkpoint.origin != self.origin {
            return Err(Fault::new(place, Problem::OtherLog(checkpoint.origin)));
        }
        self.counts.checkpoints += 1;
        if self.newest.as_ref().is_none_or(|newest| newest.size <= checkpoint.size) {
            self.newest = Some(checkpoint.clone());
        }
        let place = self.waiting.partition_point(|waiting| waiting.size > checkpoint.size);
        self.waiting.insert(place, checkpoint);
        self.reach_checkpoints()
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// What is wrong with the entry, or with the tile or checkpoint that it completes.
    pub fn entry(&mut self, bytes: &[u8], payload: Kept<'_>) -> Result<(), Fault> {
        self.take(&EntryCheck::new(&self.origin, bytes, payload))
    }

    /// Takes the next entry, of which what needs no other entry was done already. It has a record if there is no error.
    ///
    /// # Errors
    /// As [`LogVerifier::entry`].
    pub fn take(&mut self, check: &EntryCheck) -> Result<(), Fault> {
        let place = Place::Entry(LeafIndex(self.size));
        self.check(check).map_err(|problem| Fault::new(place, problem))?;
        self.add(check.leaf)?;
        self.reach_checkpoints()
    }

    fn check(&mut self, check: &EntryCheck) -> Result<(), Problem> {
        let record = check.record.as_ref().map_err(|err| Problem::Record(err.clone()))?;
        self.check_place(record)?;
        self.check_transaction(record)?;
        match check.payload {
            Digested::Nothing => Ok(()),
            Digested::Right => {
                self.counts.payloads_checked += 1;
                Ok(())
            }
            Digested::Withheld => {
                self.counts.payloads_withheld += 1;
                Ok(())
            }
            Digested::Stray => Err(Problem::PayloadStray),
            Digested::Missing => Err(Problem::PayloadMissing),
            Digested::Wrong => Err(Problem::PayloadDigest),
        }
    }

    /// How many entries were taken.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The owner's epoch of the newest entry, 0 before the first.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Ends the log. `expected` is how many entries there should be, where something beside the log says so.
    ///
    /// # Errors
    /// If entries are missing that `expected`, a checkpoint or a tile covers, or tiles that a checkpoint covers.
    pub fn finish(self, expected: Option<TreeSize>) -> Result<LogReport, Fault> {
        let size = TreeSize(self.size);
        if let Some(waiting) = self.waiting.last() {
            return Err(Fault::new(Place::Entry(LeafIndex(self.size)), Problem::MissingEntry(waiting.size)));
        }
        let (tiles, integrated) = match self.tiles {
            Some(tiles) => tiles.finish(self.newest.as_ref().map(|newest| newest.size))?,
            None => (0, TreeSize::EMPTY),
        };
        if let Some(expected) = expected.filter(|expected| *expected != size) {
            return Err(Fault::new(
                Place::Entry(LeafIndex(self.size.min(expected.0))),
                Problem::Size { expected, size },
            ));
        }
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Ok(LogReport {
            root: root_of(&self.roots),
            origin: self.origin,
            size,
            newest: self.newest,
            checkpoints: self.counts.checkpoints,
            tiles,
            integrated,
            payloads_checked: self.counts.payloads_checked,
            payloads_withheld: self.counts.payloads_withheld,
            transactions_closed: count(self.closed.len()),
            transactions_open: count(self.open.len()),
            clock_set_back: self.counts.clock_set_back,
        })
    }

    fn check_place(&mut self, record: &Record) -> Result<(), Problem> {
        if record.log != self.origin {
            return Err(Problem::OtherLog(record.log.clone()));
        }
        if record.seq != self.size {
            return Err(Problem::Seq(record.seq));
        }
        if record.epoch < self.epoch {
            return Err(Problem::Epoch { found: record.epoch, before: self.epoch });
        }
        if record.at < self.at {
            self.counts.clock_set_back += 1;
        }
        self.epoch = record.epoch;
        self.at = record.at;
        Ok(())
    }

    fn check_transaction(&mut self, record: &Record) -> Result<(), Problem> {
        let refs = &record.refs;
        let (transaction, n) = match (refs.transaction, refs.n) {
            (Some(transaction), Some(n)) => (transaction, n),
            (None, None) if !refs.last => return Ok(()),
            (_, _) => return Err(Problem::Refs),
        };
        if self.closed.contains(&transaction) {
            return Err(Problem::AfterLast(transaction));
        }
        let next = self.open.get(&transaction).copied().unwrap_or(0);
        if n != next {
            return Err(Problem::Number { transaction, found: n, expected: next });
        }
        if refs.last {
            self.open.remove(&transaction);
            self.closed.insert(transaction);
        } else {
            self.open.insert(transaction, next + 1);
        }
        Ok(())
    }

    /// Adds a leaf: as many complete subtrees merge as the size has trailing ones, and each hash at a height that
    /// is a multiple of 8 is one of a tile.
    fn add(&mut self, leaf: Hash) -> Result<(), Fault> {
        let merges = self.size.trailing_ones();
        self.size += 1;
        let mut hash = leaf;
        self.tile_hash(0, hash)?;
        for height in 1..=merges {
            let Some(left) = self.roots.pop() else { break };
            hash = node_hash(&left, &hash);
            self.tile_hash(height, hash)?;
        }
        self.roots.push(hash);
        Ok(())
    }

    fn tile_hash(&mut self, height: u32, hash: Hash) -> Result<(), Fault> {
        match &mut self.tiles {
            Some(tiles) if height.is_multiple_of(8) => tiles.add(height / 8, hash),
            Some(_) | None => Ok(()),
        }
    }

    fn reach_checkpoints(&mut self) -> Result<(), Fault> {
        while let Some(checkpoint) = self.waiting.pop_if(|waiting| waiting.size.0 <= self.size) {
            let place = Place::Checkpoint(checkpoint.size);
            if checkpoint.size.0 < self.size {
                return Err(Fault::new(place, Problem::TooLate));
            }
            let root = root_of(&self.roots);
            if root != checkpoint.root {
                return Err(Fault::new(place, Problem::Root { signed: checkpoint.root, found: root }));
            }
        }
        Ok(())
    }
}
