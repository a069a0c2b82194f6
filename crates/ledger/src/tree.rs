//! Growing a tree: leaves in, rows of tiles out.

use crate::hash::{Hash, LeafIndex, TreeSize, empty_root, node_hash};
use crate::tile::{self, TILE_WIDTH, TileId};
use chancery_base::Kind;
use std::mem;

/// A tree by its right edge: of each level the hashes of the last tile that is not full. A few kilobytes,
/// whatever the tree's size; cheap to clone, so that a writer can go back when storing fails.
///
/// ```
/// # use chancery_ledger::{Tree, leaf_hash};
/// let mut tree = Tree::new();
/// tree.push(leaf_hash(b"first"));
/// let rows = tree.take_rows(); // to be stored together with the size
/// assert_eq!((rows.len(), tree.size().0), (1, 1));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tree {
    size: u64,
    levels: Vec<Level>,
    /// Tiles that became full since the rows were last taken.
    full: Vec<TileRow>,
}

#[derive(Debug, Clone, Default)]
struct Level {
    /// Full tiles before the last one.
    full: u64,
    /// The hashes of the last tile, under 256.
    hashes: Vec<Hash>,
    /// Whether `hashes` grew since the rows were last taken.
    grown: bool,
}

/// A tile to be stored: insert it, or replace the shorter row of the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileRow {
    /// Which tile.
    pub id: TileId,
    /// Its hashes one after the other: 1 to 256 times 32 bytes.
    pub bytes: Vec<u8>,
}

/// Why a tree or a proof could not be made from stored tiles.
#[derive(Debug, thiserror::Error)]
pub enum TreeError<E> {
    /// The store could not read a tile.
    #[error("failed to read {id}")]
    Read {
        /// Which tile.
        id: TileId,
        /// Why.
        #[source]
        source: E,
    },
    /// A tile has fewer hashes than a tree of that size needs.
    #[error("{id} has {bytes} bytes, {needed} hashes of 32 bytes are needed")]
    Short {
        /// Which tile.
        id: TileId,
        /// How many bytes it has.
        bytes: usize,
        /// How many hashes it should have at least.
        needed: u16,
    },
    /// The leaf is not in the tree.
    #[error("entry {leaf} is not in a tree of {size}")]
    Leaf {
        /// The leaf that was asked for.
        leaf: LeafIndex,
        /// The tree.
        size: TreeSize,
    },
    /// The earlier tree is empty or larger than the later one.
    #[error("there is no consistency proof from {old} to {new} entries")]
    Order {
        /// The earlier tree.
        old: TreeSize,
        /// The later tree.
        new: TreeSize,
    },
}

impl<E> TreeError<E> {
    /// What it means to the one who asked.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Read { .. } | Self::Short { .. } => Kind::Broken,
            Self::Leaf { .. } => Kind::Missing,
            Self::Order { .. } => Kind::Invalid,
        }
    }
}

impl Tree {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of a size whose tiles are stored. Rows may be longer than that size needs. Compare the root with
    /// the last checkpoint's before going on.
    ///
    /// # Errors
    /// If a tile of the right edge cannot be read or is too short.
    pub fn restore<E>(
        size: TreeSize,
        mut read: impl FnMut(TileId) -> Result<Vec<u8>, E>,
    ) -> Result<Self, TreeError<E>> {
        let mut levels = Vec::new();
        for level in 0_u8.. {
            let count = tile::hashes_at(level, size);
            if count == 0 {
                break;
            }
            let id = TileId { level, index: count / u64::from(TILE_WIDTH) };
            let width = id.width_in(size);
            let hashes = if width == 0 { Vec::new() } else { read_hashes(id, width, &mut read)? };
            levels.push(Level { full: id.index, hashes, grown: false });
        }
        Ok(Self { size: size.0, levels, full: Vec::new() })
    }

    /// How many leaves there are.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.size += 1;
        let mut carried = Some(leaf);
        for level in 0_u8.. {
            let Some(hash) = carried else { return };
            carried = self.add(level, hash);
        }
    }

    /// Adds a hash to a level; if that fills its tile, the hash that goes to the level above.
    fn add(&mut self, number: u8, hash: Hash) -> Option<Hash> {
        if self.levels.len() == usize::from(number) {
            self.levels.push(Level::default());
        }
        let level = self.levels.get_mut(usize::from(number))?;
        level.hashes.push(hash);
        level.grown = true;
        if level.hashes.len() < usize::from(TILE_WIDTH) {
            return None;
        }
        let hashes = mem::take(&mut level.hashes);
        let id = TileId { level: number, index: level.full };
        level.full += 1;
        level.grown = false;
        self.full.push(TileRow { id, bytes: tile::write_tile(&hashes) });
        tile::subtree_root(&hashes)
    }

    /// The rows that were added or grew since this was last called. Store them and the size in one commit; if it
    /// fails, go back to a clone from before.
    pub fn take_rows(&mut self) -> Vec<TileRow> {
        let mut rows = mem::take(&mut self.full);
        for (number, level) in (0_u8..).zip(&mut self.levels) {
            if mem::take(&mut level.grown) {
                let id = TileId { level: number, index: level.full };
                rows.push(TileRow { id, bytes: tile::write_tile(&level.hashes) });
            }
        }
        rows
    }

    /// The root (RFC 6962, section 2.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for level in &self.levels {
            // A tile of width w is complete subtrees of the sizes of w's bits, the smallest at the right.
            let mut rest = level.hashes.as_slice();
            while !rest.is_empty() {
                let smallest = 1_usize << rest.len().trailing_zeros();
                let Some((before, last)) = rest.split_at_checked(rest.len() - smallest) else { break };
                rest = before;
                let left = tile::subtree_root(last);
                root = match (left, root) {
                    (Some(left), Some(right)) => Some(node_hash(&left, &right)),
                    (left, right) => left.or(right),
                };
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

/// The first `width` hashes of a stored tile.
pub(crate) fn read_hashes<E>(
    id: TileId,
    width: u16,
    read: &mut impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Vec<Hash>, TreeError<E>> {
    let bytes = read(id).map_err(|source| TreeError::Read { id, source })?;
    let short = TreeError::Short { id, bytes: bytes.len(), needed: width };
    let Ok(mut hashes) = tile::read_tile(&bytes) else { return Err(short) };
    if hashes.len() < usize::from(width) {
        return Err(short);
    }
    hashes.truncate(usize::from(width));
    Ok(hashes)
}
