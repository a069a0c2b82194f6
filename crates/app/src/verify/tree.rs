//! A log's tiles and checkpoints, as the store has them.

use super::{Fault, PAGE, each};
use chancery_ledger::note::Note;
use chancery_ledger::verify::TileReader;
use chancery_ledger::{Checkpoint, Keys, LogReport, LogVerifier, TileId, TreeSize, tile};
use chancery_shard::row::{LogId, LogRow};
use chancery_store::{CheckpointRow, Scan};

/// Reads tiles of a log.
pub(super) fn reader<'a>(store: &'a impl Scan, log: LogId) -> Box<TileReader<'a>> {
    Box::new(move |id: TileId| {
        let before = match (id.index.checked_sub(1), id.level.checked_sub(1)) {
            (Some(index), _) => Some((id.level, index)),
            (None, Some(level)) => Some((level, TILE_AFTER_ALL)),
            (None, None) => None,
        };
        let row = store.tiles(log, before, 1)?.pop();
        Ok(row.filter(|row| (row.level, row.index) == (id.level, id.index)).map(|row| row.hashes))
    })
}

/// A tile's index beyond any that there can be, and that every store can hold.
const TILE_AFTER_ALL: u64 = i64::MAX.unsigned_abs();

/// Compares how many rows of tiles were verified with how many there are.
pub(super) fn check_rows(store: &impl Scan, log: &LogRow, report: &LogReport) -> Result<(), Fault> {
    each(
        |last| store.tiles(log.id, last.map(|row: &chancery_store::TileRow| (row.level, row.index)), PAGE),
        |row| {
            let tiles = tile::hashes_at(row.level, report.integrated).div_ceil(u64::from(tile::TILE_WIDTH));
            if row.index < tiles {
                Ok(())
            } else {
                Err(Fault::stray("tiles", format!("{}/{}/{}", log.id.0, row.level, row.index)))
            }
        },
    )
}

/// A log's checkpoints, given to the verifier as the entries come near them.
pub(super) struct Checkpoints<'a> {
    log: &'a LogRow,
    keys: &'a Keys,
    /// The size of the last one that was given.
    given: Option<u64>,
}

impl<'a> Checkpoints<'a> {
    pub(super) const fn new(log: &'a LogRow, keys: &'a Keys) -> Self {
        Self { log, keys, given: None }
    }

    /// Gives those of at most `size`, and perhaps some more.
    pub(super) fn give(&mut self, store: &impl Scan, verifier: &mut LogVerifier<'_>, size: u64) -> Result<(), Fault> {
        while self.given.is_none_or(|given| given < size) {
            let page = store.checkpoints(self.log.id, self.given, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            self.given = Some(last.size);
            // The verifier takes the largest first without moving the others.
            for row in page.iter().rev() {
                self.check(row)?;
                verifier.checkpoint(&row.note, self.keys).map_err(|fault| Fault::log(&self.log.origin, &fault))?;
            }
        }
        Ok(())
    }

    /// The row's size is the note's.
    fn check(&self, row: &CheckpointRow) -> Result<(), Fault> {
        let claimed = Note::parse(&row.note).ok().and_then(|note| Checkpoint::parse_text(note.text()).ok());
        match claimed {
            Some(claimed) if claimed.size != TreeSize(row.size) => {
                Err(self.fault(row.size, format!("its note is of size {}", claimed.size)))
            }
            // What is no checkpoint is for the verifier to refuse.
            Some(_) | None => Ok(()),
        }
    }

    fn fault(&self, size: u64, what: String) -> Fault {
        Fault::row("checkpoints", format!("{}/{size}", self.log.id.0), what)
    }
}
