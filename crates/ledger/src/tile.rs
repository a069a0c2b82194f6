//! Where the parts of a log are served and what is in them (C2SP tlog-tiles, tiles of height 8).
//!
//! Stored is one row a tile, with up to 256 hashes; it only ever gets longer. A partial tile of width W is the
//! first W hashes of its row, so partial tiles of every past checkpoint can be served without being stored.

use crate::hash::{HASH_BYTES, Hash, LeafIndex, TreeSize, node_hash};
use chancery_base::limits::RECORD_BYTES_MAX;
use std::fmt;
use std::str::FromStr;

/// Hashes of a full tile, and entries of a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// Bytes of a full tile.
pub const TILE_BYTES: usize = 256 * HASH_BYTES;
/// The highest level that tlog-tiles knows.
pub const LEVEL_MAX: u8 = 63;

/// Which tile: its level (0 holds the leaves' hashes, each level above one hash a full tile below) and its index
/// within the level. The key of a tile's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// 0 to 63.
    pub level: u8,
    /// From 0.
    pub index: u64,
}

impl TileId {
    /// How many hashes of this tile a tree of a size has: 0 if it has none of it, 256 if it has all.
    #[must_use]
    pub fn width_in(self, size: TreeSize) -> u16 {
        let hashes = hashes_at(self.level, size);
        let before = self.index.saturating_mul(u64::from(TILE_WIDTH));
        let width = hashes.saturating_sub(before).min(u64::from(TILE_WIDTH));
        u16::try_from(width).unwrap_or(TILE_WIDTH)
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile {}/{}", self.level, self.index)
    }
}

/// How many hashes the level holds over all its tiles in a tree of a size: ⌊size / 256^level⌋.
#[must_use]
pub fn hashes_at(level: u8, size: TreeSize) -> u64 {
    size.0.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// Something that a log serves, by its path below the log's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// `checkpoint`
    Checkpoint,
    /// `tile/<L>/<N>[.p/<W>]`
    Tile {
        /// Which tile.
        id: TileId,
        /// 1 to 256 hashes; under 256 it is a partial tile.
        width: u16,
    },
    /// `tile/entries/<N>[.p/<W>]`
    Entries {
        /// From 0; the bundle's first entry is 256 times this.
        index: u64,
        /// 1 to 256 entries; under 256 it is a partial bundle.
        width: u16,
    },
}

/// Why a path is not a [`Resource`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a log serves `checkpoint`, `tile/<level>/<index>[.p/<width>]` and `tile/entries/<index>[.p/<width>]`")]
pub struct ResourceError;

impl Resource {
    /// Everything that a log serves beside its checkpoint for a tree of this size.
    pub fn all(size: TreeSize) -> impl Iterator<Item = Self> {
        let bundles = tiles_at(0, size).map(move |id| Self::Entries { index: id.index, width: id.width_in(size) });
        let levels = (0..8_u8).filter(move |level| hashes_at(*level, size) > 0);
        let tiles = levels.flat_map(move |level| tiles_at(level, size));
        bundles.chain(tiles.map(move |id| Self::Tile { id, width: id.width_in(size) }))
    }

    /// Whether it never changes, so that it may be cached for ever.
    #[must_use]
    pub const fn is_immutable(self) -> bool {
        match self {
            Self::Checkpoint => false,
            Self::Tile { .. } | Self::Entries { .. } => true,
        }
    }
}

fn tiles_at(level: u8, size: TreeSize) -> impl Iterator<Item = TileId> {
    let tiles = hashes_at(level, size).div_ceil(u64::from(TILE_WIDTH));
    (0..tiles).map(move |index| TileId { level, index })
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, width) = match *self {
            Self::Checkpoint => return f.write_str("checkpoint"),
            Self::Tile { id, width } => {
                write!(f, "tile/{}/", id.level)?;
                (id.index, width)
            }
            Self::Entries { index, width } => {
                f.write_str("tile/entries/")?;
                (index, width)
            }
        };
        let digits = index.to_string();
        // Three digits an element: 1234067 is x001/x234/067, so that a folder never gets too large.
        let groups = digits.len().div_ceil(3);
        let padded = format!("{digits:0>width$}", width = groups * 3);
        for group in 0..groups {
            let element: String = padded.chars().skip(group * 3).take(3).collect();
            let more = group + 1 < groups;
            write!(f, "{}{element}{}", if more { "x" } else { "" }, if more { "/" } else { "" })?;
        }
        if width < TILE_WIDTH { write!(f, ".p/{width}") } else { Ok(()) }
    }
}

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(path: &str) -> Result<Self, ResourceError> {
        if path == "checkpoint" {
            return Ok(Self::Checkpoint);
        }
        let rest = path.strip_prefix("tile/").ok_or(ResourceError)?;
        let (level, rest) = rest.split_once('/').ok_or(ResourceError)?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().ok().ok_or(ResourceError)?),
            None => (rest, TILE_WIDTH),
        };
        let index = parse_index(index).ok_or(ResourceError)?;
        let resource = if level == "entries" {
            Self::Entries { index, width }
        } else {
            let level = level.parse().ok().filter(|level| *level <= LEVEL_MAX).ok_or(ResourceError)?;
            Self::Tile { id: TileId { level, index }, width }
        };
        // One spelling: what does not write itself like this was not written like it.
        let one_spelling = (1..=TILE_WIDTH).contains(&width) && resource.to_string() == path;
        if one_spelling { Ok(resource) } else { Err(ResourceError) }
    }
}

fn parse_index(text: &str) -> Option<u64> {
    let mut index = 0_u64;
    for element in text.split('/') {
        let digits = element.strip_prefix('x').unwrap_or(element);
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok().filter(|_| digits.len() == 3)?)?;
    }
    Some(index)
}

/// Writes an entry bundle: each record after its length as a big-endian u16. Records are at most 65,535 bytes.
///
/// # Errors
/// If a record is longer.
pub fn write_bundle<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut out = Vec::new();
    for record in records {
        let length = u16::try_from(record.len()).ok().ok_or(BundleError::TooLong(record.len()))?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(record);
    }
    Ok(out)
}

/// Reads an entry bundle.
///
/// # Errors
/// If it ends within a record or has more than 256.
pub fn read_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (record, after) = after.split_at_checked(length).ok_or(BundleError::Cut)?;
        if records.len() == usize::from(TILE_WIDTH) {
            return Err(BundleError::TooMany);
        }
        records.push(record);
        rest = after;
    }
    if rest.is_empty() { Ok(records) } else { Err(BundleError::Cut) }
}

/// What is wrong with an entry bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A record does not fit its length.
    #[error("an entry has at most {RECORD_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// It ends within a record.
    #[error("the entry bundle ends within an entry")]
    Cut,
    /// It has more than 256 entries.
    #[error("an entry bundle has at most 256 entries")]
    TooMany,
}

/// The hashes of a tile's row.
///
/// # Errors
/// If the bytes are not 1 to 256 whole hashes; the count of bytes is given back.
pub fn read_tile(bytes: &[u8]) -> Result<Vec<Hash>, usize> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() || hashes.is_empty() || bytes.len() > TILE_BYTES {
        return Err(bytes.len());
    }
    Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// The bytes of a tile's row.
#[must_use]
pub fn write_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The root of a complete subtree over these hashes, whose number is a power of two; nothing has no root.
pub(crate) fn subtree_root(hashes: &[Hash]) -> Option<Hash> {
    debug_assert!(hashes.len().is_power_of_two());
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    level.first().copied()
}

impl LeafIndex {
    /// The bundle that the entry is in, and its place there.
    #[must_use]
    pub fn bundle(self) -> (u64, usize) {
        let width = u64::from(TILE_WIDTH);
        (self.0 / width, usize::try_from(self.0 % width).unwrap_or(0))
    }
}
