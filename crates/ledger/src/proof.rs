//! Inclusion and consistency proofs: made from stored tiles (RFC 6962, section 2.1), verified without them
//! (RFC 9162, sections 2.1.3.2 and 2.1.4.2).

use crate::hash::{Hash, LeafIndex, TreeSize, empty_root, node_hash};
use crate::range::pieces;
use crate::tile::{self, TILE_WIDTH, TileId};
use crate::tree::{TreeError, read_hashes};
use chancery_base::Kind;
use std::collections::BTreeMap;

/// Hashes of a proof at most: a tree has at most 2⁶⁴ leaves, a consistency proof one hash more than its height.
pub const PROOF_HASHES_MAX: usize = 65;

/// Why a proof does not prove it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not in a tree of that size.
    #[error("entry {leaf} is not in a tree of {size}")]
    Leaf {
        /// The leaf.
        leaf: LeafIndex,
        /// The tree.
        size: TreeSize,
    },
    /// The earlier tree is empty, which proves nothing, or larger than the later one.
    #[error("a tree of {new} does not go on from one of {old}")]
    Order {
        /// The earlier tree.
        old: TreeSize,
        /// The later tree.
        new: TreeSize,
    },
    /// Too few or too many hashes for these sizes.
    #[error("the proof has {0} hashes, which is not what these sizes take")]
    Length(usize),
    /// The hashes lead to another root.
    #[error("the proof leads to another root than the {0} one")]
    Root(&'static str),
}

impl ProofError {
    /// What it means to the one who sent the proof.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Verifies that a leaf is at an index of the tree with this root.
///
/// # Errors
/// If the proof does not prove it.
pub fn verify_inclusion(
    leaf: &Hash,
    index: LeafIndex,
    size: TreeSize,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if !size.contains(index) {
        return Err(ProofError::Leaf { leaf: index, size });
    }
    let wrong_length = ProofError::Length(proof.len());
    let (mut node, mut last, mut hash) = (index.0, size.0 - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root("tree's")),
        (_, _) => Err(wrong_length),
    }
}

/// Verifies that the later tree begins with all the leaves of the earlier one, which must not be empty.
///
/// # Errors
/// If the proof does not prove it.
pub fn verify_consistency(
    old: TreeSize,
    old_root: &Hash,
    new: TreeSize,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old.0 == 0 || old.0 > new.0 {
        return Err(ProofError::Order { old, new });
    }
    let wrong_length = ProofError::Length(proof.len());
    if old == new {
        return match (proof.is_empty(), old_root == new_root) {
            (true, true) => Ok(()),
            (true, false) => Err(ProofError::Root("later")),
            (false, _) => Err(wrong_length),
        };
    }
    // A complete earlier tree is itself the first node of the proof and is left out of it.
    let (first, rest) = match (old.0.is_power_of_two(), proof.split_first()) {
        (true, Some(_)) => (old_root, proof),
        (false, Some((first, rest))) => (first, rest),
        (_, None) => return Err(wrong_length),
    };
    let (mut node, mut last) = (old.0 - 1, new.0 - 1);
    let complete = node.trailing_ones();
    node = node.checked_shr(complete).unwrap_or(0);
    last = last.checked_shr(complete).unwrap_or(0);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last, old_hash == *old_root, new_hash == *new_root) {
        (0, true, true) => Ok(()),
        (0, false, _) => Err(ProofError::Root("earlier")),
        (0, true, false) => Err(ProofError::Root("later")),
        (_, _, _) => Err(wrong_length),
    }
}

/// The inclusion proof of a leaf in a tree of a size, from stored tiles.
///
/// # Errors
/// If the leaf is not in the tree, or a tile cannot be read or is too short.
pub fn inclusion_proof<E>(
    leaf: LeafIndex,
    size: TreeSize,
    read: impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Vec<Hash>, TreeError<E>> {
    if !size.contains(leaf) {
        return Err(TreeError::Leaf { leaf, size });
    }
    let mut tiles = Tiles::new(size, read);
    let mut proof = Vec::new();
    let (mut low, mut high) = (0, size.0);
    while high - low > 1 {
        let middle = low + split(high - low);
        if leaf.0 < middle {
            proof.push(tiles.range(middle, high)?);
            high = middle;
        } else {
            proof.push(tiles.range(low, middle)?);
            low = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The consistency proof between trees of two sizes, from stored tiles.
///
/// # Errors
/// If the earlier tree is empty or larger than the later one, or a tile cannot be read or is too short.
pub fn consistency_proof<E>(
    old: TreeSize,
    new: TreeSize,
    read: impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Vec<Hash>, TreeError<E>> {
    if old.0 == 0 || old.0 > new.0 {
        return Err(TreeError::Order { old, new });
    }
    let mut tiles = Tiles::new(new, read);
    let mut proof = Vec::new();
    let (mut low, mut high) = (0, new.0);
    while high != old.0 {
        let middle = low + split(high - low);
        if old.0 <= middle {
            proof.push(tiles.range(middle, high)?);
            high = middle;
        } else {
            proof.push(tiles.range(low, middle)?);
            low = middle;
        }
    }
    if low > 0 {
        proof.push(tiles.range(low, high)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The hashes that stand for the leaves from `from` up to but not including `to` in a tree of a size, from stored
/// tiles: what [`crate::range::Fold::range`] takes. None where there are no such leaves.
///
/// # Errors
/// If the leaves are not in the tree, or a tile cannot be read or is too short.
pub fn range_hashes<E>(
    from: LeafIndex,
    to: TreeSize,
    size: TreeSize,
    read: impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Vec<Hash>, TreeError<E>> {
    if to > size {
        return Err(TreeError::Leaf { leaf: LeafIndex(to.0 - 1), size });
    }
    let mut tiles = Tiles::new(size, read);
    pieces(from, to).map(|piece| tiles.subtree(piece.height, piece.index)).collect()
}

/// The root of the tree at a size, from stored tiles.
///
/// # Errors
/// If a tile cannot be read or is too short.
pub fn root_at<E>(size: TreeSize, read: impl FnMut(TileId) -> Result<Vec<u8>, E>) -> Result<Hash, TreeError<E>> {
    if size.0 == 0 { Ok(empty_root()) } else { Tiles::new(size, read).range(0, size.0) }
}

/// The largest power of two under `leaves`, which is at least 2.
const fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// Reads each tile once.
struct Tiles<F> {
    size: TreeSize,
    read: F,
    seen: BTreeMap<TileId, Vec<Hash>>,
}

impl<E, F: FnMut(TileId) -> Result<Vec<u8>, E>> Tiles<F> {
    const fn new(size: TreeSize, read: F) -> Self {
        Self { size, read, seen: BTreeMap::new() }
    }

    /// The root over the leaves from `low` up to but not including `high`.
    // INVARIANT: `low` is a multiple of every power of two up to the range's size, as RFC 6962 splits trees, so
    // that the recursion ends in complete subtrees after at most 64 turns.
    fn range(&mut self, low: u64, high: u64) -> Result<Hash, TreeError<E>> {
        let leaves = high - low;
        if leaves.is_power_of_two() {
            return self.subtree(leaves.ilog2(), low >> leaves.ilog2());
        }
        let middle = low + split(leaves);
        let (left, right) = (self.range(low, middle)?, self.range(middle, high)?);
        Ok(node_hash(&left, &right))
    }

    /// The root of the `index`-th complete subtree of 2^height leaves.
    fn subtree(&mut self, height: u32, index: u64) -> Result<Hash, TreeError<E>> {
        let level = u8::try_from(height / 8).unwrap_or(tile::LEVEL_MAX);
        let hashes = 1_u64 << (height % 8);
        let first = index * hashes;
        let id = TileId { level, index: first / u64::from(TILE_WIDTH) };
        let width = id.width_in(self.size);
        if !self.seen.contains_key(&id) {
            let row = read_hashes(id, width, &mut self.read)?;
            self.seen.insert(id, row);
        }
        let offset = usize::try_from(first % u64::from(TILE_WIDTH)).unwrap_or(usize::MAX);
        let count = usize::try_from(hashes).unwrap_or(usize::MAX);
        let row = self.seen.get(&id).map(Vec::as_slice).unwrap_or_default();
        let part = row.get(offset..).and_then(|rest| rest.get(..count)).and_then(tile::subtree_root);
        part.ok_or(TreeError::Short { id, bytes: row.len() * 32, needed: width })
    }
}
