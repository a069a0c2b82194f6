//! Range proofs: many leaves of a tree in one pass, each hashed once.
//!
//! Every range of leaves splits in one way into the largest complete subtrees that are nodes of the tree (RFC 6962,
//! section 2.1), at most two of each height. Their roots stand for the leaves. So a tree's root follows from the leaves
//! that are shown, in their order, and a few hashes for each range that is not: left of them, right of them and in
//! between. This is what an export proves its entries with.

use crate::hash::{Hash, LeafIndex, TreeSize, node_hash, root_of};
use crate::proof::ProofError;

/// Hashes that stand for a range at most: two of each height.
pub const RANGE_HASHES_MAX: usize = 126;

/// A complete subtree of 2^height leaves, the `index`-th of its height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) height: u32,
    pub(crate) index: u64,
}

/// The complete subtrees that the leaves from `from` up to but not including `to` are, left to right.
pub(crate) fn pieces(from: LeafIndex, to: TreeSize) -> impl Iterator<Item = Piece> {
    let mut at = from.0;
    std::iter::from_fn(move || {
        let left = to.0.checked_sub(at).filter(|left| *left > 0)?;
        let height = at.trailing_zeros().min(left.ilog2());
        let piece = Piece { height, index: at >> height };
        at += 1 << height;
        Some(piece)
    })
}

/// A tree from the left, of which some leaves are given and others only by the hashes that stand for them. Memory: one
/// hash a height.
///
/// ```
/// # use chancery_ledger::range::Fold;
/// # use chancery_ledger::{Tree, TreeSize, leaf_hash};
/// let leaves: Vec<_> = (0_u8..3).map(|n| leaf_hash(&[n])).collect();
/// let mut tree = Tree::new();
/// leaves.iter().for_each(|leaf| tree.push(*leaf));
/// // The third leaf is shown, and one hash stands for the first two.
/// let mut fold = Fold::default();
/// fold.range(TreeSize(2), &[chancery_ledger::node_hash(&leaves[0], &leaves[1])])?;
/// fold.leaf(leaves[2]);
/// assert_eq!(fold.root(), tree.root());
/// # Ok::<(), chancery_ledger::proof::ProofError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Fold {
    size: u64,
    /// Roots of complete subtrees from the left, as the bits of the size.
    roots: Vec<Hash>,
}

impl Fold {
    /// How many leaves there are so far.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Takes the next leaf.
    pub fn leaf(&mut self, leaf: Hash) {
        self.push(0, leaf);
    }

    /// Takes the hashes that stand for the next leaves, up to but not including `to`.
    ///
    /// # Errors
    /// If it takes more or fewer hashes.
    pub fn range(&mut self, to: TreeSize, hashes: &[Hash]) -> Result<(), ProofError> {
        let mut rest = hashes.iter();
        for piece in pieces(LeafIndex(self.size), to) {
            let hash = rest.next().ok_or(ProofError::Length(hashes.len()))?;
            self.push(piece.height, *hash);
        }
        if rest.next().is_none() { Ok(()) } else { Err(ProofError::Length(hashes.len())) }
    }

    /// The root over all of them (RFC 6962, section 2.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        root_of(&self.roots)
    }

    // INVARIANT: the size is a multiple of 2^height, so that no root of a smaller subtree stands to the left.
    fn push(&mut self, height: u32, hash: Hash) {
        let merges = (self.size >> height).trailing_ones();
        self.size += 1 << height;
        let mut hash = hash;
        for _ in 0..merges {
            let Some(left) = self.roots.pop() else { break };
            hash = node_hash(&left, &hash);
        }
        self.roots.push(hash);
    }
}
