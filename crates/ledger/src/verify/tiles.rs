//! Compares stored tiles with the hashes that the entries give.

use super::TileReader;
use super::fault::{Fault, Place, Problem};
use crate::hash::{Hash, TreeSize};
use crate::tile::{self, TILE_WIDTH, TileId};

pub(super) struct TileCheck<'a> {
    read: Box<TileReader<'a>>,
    levels: Vec<Level>,
    rows: u64,
}

#[derive(Default)]
struct Level {
    /// The hashes that the entries give for the tile that is not full yet.
    given: Vec<Hash>,
    /// Tiles before it.
    full: u64,
    /// Hashes in the stored rows.
    stored: u64,
    /// The first row that is missing or not full: no row may come after it.
    short: Option<TileId>,
}

impl<'a> TileCheck<'a> {
    pub(super) const fn new(read: Box<TileReader<'a>>) -> Self {
        Self { read, levels: Vec::new(), rows: 0 }
    }

    /// Takes the next hash of a level, and compares the tile that it fills.
    pub(super) fn add(&mut self, level: u32, hash: Hash) -> Result<(), Fault> {
        let number = usize::try_from(level).unwrap_or(usize::MAX);
        if self.levels.len() == number {
            self.levels.push(Level::default());
        }
        let Some(row) = self.levels.get_mut(number) else { return Ok(()) };
        row.given.push(hash);
        if row.given.len() < usize::from(TILE_WIDTH) {
            return Ok(());
        }
        self.rows += row.compare(level_number(number), &mut self.read)?;
        row.given.clear();
        row.full += 1;
        Ok(())
    }

    /// Compares the tiles that are not full; gives the number of rows and of the entries that they cover.
    pub(super) fn finish(mut self, covered: Option<TreeSize>) -> Result<(u64, TreeSize), Fault> {
        for (number, level) in self.levels.iter_mut().enumerate() {
            if !level.given.is_empty() {
                self.rows += level.compare(level_number(number), &mut self.read)?;
            }
        }
        let integrated = TreeSize(self.levels.first().map_or(0, |level| level.stored));
        let needed = covered.unwrap_or(TreeSize::EMPTY).max(integrated);
        for (number, level) in self.levels.iter().enumerate() {
            let number = level_number(number);
            let needed = tile::hashes_at(number, needed);
            if level.stored != needed {
                let index = level.stored / u64::from(TILE_WIDTH);
                let place = level.short.unwrap_or(TileId { level: number, index });
                return Err(Fault::new(Place::Tile(place), Problem::TileShort { found: level.stored, needed }));
            }
        }
        Ok((self.rows, integrated))
    }
}

fn level_number(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(tile::LEVEL_MAX)
}

impl Level {
    /// Compares the row of the tile in hand; gives how many rows that were.
    fn compare(&mut self, level: u8, read: &mut Box<TileReader<'_>>) -> Result<u64, Fault> {
        let id = TileId { level, index: self.full };
        let fault = |problem| Fault::new(Place::Tile(id), problem);
        let row = read(id).map_err(|err| fault(Problem::TileRead(err)))?;
        let Some(bytes) = row else {
            self.short.get_or_insert(id);
            return Ok(0);
        };
        let hashes = tile::read_tile(&bytes).map_err(|length| fault(Problem::TileForm(length)))?;
        let wrong = hashes.iter().zip(&self.given).position(|(stored, given)| stored != given);
        if let Some(wrong) = wrong {
            return Err(fault(Problem::TileHash(wrong)));
        }
        if hashes.len() > self.given.len() {
            return Err(fault(Problem::TileBeyond { found: hashes.len(), given: self.given.len() }));
        }
        if let Some(short) = self.short {
            let (found, needed) = (self.stored, id.index * u64::from(TILE_WIDTH));
            return Err(Fault::new(Place::Tile(short), Problem::TileShort { found, needed }));
        }
        self.stored += u64::try_from(hashes.len()).unwrap_or(0);
        if hashes.len() < usize::from(TILE_WIDTH) {
            self.short = Some(id);
        }
        Ok(1)
    }
}
