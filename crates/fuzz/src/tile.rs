//! Tiles, entry bundles, their paths, and the tree that they are of.

use crate::Verdict;
use crate::check::sure;
use chancery_ledger::hash::empty_root;
use chancery_ledger::proof::{consistency_proof, inclusion_proof, root_at, verify_consistency, verify_inclusion};
use chancery_ledger::tile::{TILE_BYTES, TILE_WIDTH, read_bundle, read_tile, write_bundle, write_tile};
use chancery_ledger::{Hash, LeafIndex, Resource, TileId, Tree, TreeSize, leaf_hash, node_hash};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Leaves of a tree that is grown: five tiles, so that there is a second level.
const LEAVES_MAX: u16 = 1_300;

pub(crate) fn tile(data: &[u8]) -> Verdict {
    match data.split_first() {
        Some((b'b', rest)) => entries(rest),
        Some((b'h', rest)) => hashes(rest),
        Some((b'g', rest)) => grown(rest),
        Some((b's', rest)) => stored(rest),
        _ => path(data),
    }
}

fn path(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else { return Verdict::Refused };
    let Ok(resource) = text.parse::<Resource>() else { return Verdict::Refused };
    assert_eq!(resource.to_string(), text, "a path of two spellings");
    match resource {
        Resource::Checkpoint => {}
        Resource::Tile { width, .. } | Resource::Entries { width, .. } => {
            assert!((1..=TILE_WIDTH).contains(&width), "a width of {width}");
        }
    }
    Verdict::Taken
}

fn entries(bytes: &[u8]) -> Verdict {
    let Ok(records) = read_bundle(bytes) else { return Verdict::Refused };
    assert!(records.len() <= usize::from(TILE_WIDTH), "{} entries", records.len());
    assert_eq!(write_bundle(records).as_deref(), Ok(bytes), "an entry bundle of two spellings");
    assert!(read_bundle(&[bytes, &[0]].concat()).is_err(), "an entry bundle that is cut");
    Verdict::Taken
}

fn hashes(bytes: &[u8]) -> Verdict {
    match read_tile(bytes) {
        Ok(hashes) => {
            assert!(bytes.len() <= TILE_BYTES, "the limit does not hold");
            assert_eq!(write_tile(&hashes), bytes, "a tile of two spellings");
            Verdict::Taken
        }
        Err(count) => {
            assert_eq!(count, bytes.len());
            Verdict::Refused
        }
    }
}

/// Tiles of any content and a size of any magnitude: an error or an answer, and never more tiles than the tree has.
fn stored(bytes: &[u8]) -> Verdict {
    let Some((size, rest)) = bytes.split_first_chunk::<8>() else { return Verdict::Refused };
    let Some((index, row)) = rest.split_first_chunk::<8>() else { return Verdict::Refused };
    let (size, index) = (TreeSize(u64::from_le_bytes(*size)), u64::from_le_bytes(*index));
    let read = |id: TileId| {
        assert!(id.width_in(size) > 0, "{id} is not in a tree of {size}");
        Ok::<_, Infallible>(row.to_vec())
    };
    let restored = Tree::restore(size, read);
    if let Ok(tree) = &restored {
        assert_eq!(tree.size(), size, "a tree of another size");
        if let Ok(root) = root_at(size, read) {
            // Every tile is the same row here, so the tiles do not agree with one another; the answer is still one.
            assert_eq!(root_at(size, read).ok(), Some(root));
        }
    }
    let proof = inclusion_proof(LeafIndex(index), size, read);
    assert!(proof.is_err() || size.contains(LeafIndex(index)), "a proof of an entry that is not there");
    let proof = consistency_proof(TreeSize(index), size, read);
    assert!(proof.is_err() || (index > 0 && index <= size.0), "a proof from a tree that is not there");
    if restored.is_ok() { Verdict::Taken } else { Verdict::Refused }
}

/// Grows a tree with breaks, goes on from what was stored, and holds it against RFC 6962's definition.
fn grown(bytes: &[u8]) -> Verdict {
    let mut tree = Tree::new();
    let (mut leaves, mut stored) = (Vec::new(), BTreeMap::new());
    for chunk in bytes.as_chunks::<3>().0 {
        let [low, high, restart] = *chunk;
        let more = usize::from(u16::from_le_bytes([low, high]) % LEAVES_MAX);
        let room = usize::from(LEAVES_MAX).saturating_sub(leaves.len());
        for _ in 0..more.min(room) {
            let leaf = leaf_hash(&leaves.len().to_be_bytes());
            leaves.push(leaf);
            tree.push(leaf);
        }
        stored.extend(tree.take_rows().into_iter().map(|row| (row.id, row.bytes)));
        if restart % 2 == 1 {
            tree = sure(Tree::restore(tree.size(), |id| read(&stored, id)), "what was stored is a tree");
        }
    }
    let size = tree.size();
    assert_eq!(usize::try_from(size.0), Ok(leaves.len()));
    let root = merkle_tree_hash(&leaves);
    assert_eq!(tree.root(), root, "the root of {size} leaves");
    assert_eq!(root_at(size, |id| read(&stored, id)).ok(), Some(root), "the root from the tiles");
    let Some(middle) = size.0.checked_div(2).filter(|_| size.0 > 0) else { return Verdict::Refused };
    let at = usize::try_from(middle).unwrap_or(0);
    let (Some(leaf), Some(before)) = (leaves.get(at), leaves.get(..=at)) else { return Verdict::Refused };
    let proof = sure(inclusion_proof(LeafIndex(middle), size, |id| read(&stored, id)), "a proof is made");
    assert_eq!(verify_inclusion(leaf, LeafIndex(middle), size, &proof, &root), Ok(()));
    let earlier = TreeSize(middle + 1);
    let proof = sure(consistency_proof(earlier, size, |id| read(&stored, id)), "a proof is made");
    assert_eq!(verify_consistency(earlier, &merkle_tree_hash(before), size, &root, &proof), Ok(()));
    Verdict::Taken
}

fn read(stored: &BTreeMap<TileId, Vec<u8>>, id: TileId) -> Result<Vec<u8>, TileId> {
    stored.get(&id).cloned().ok_or(id)
}

/// RFC 6962, section 2.1, to the letter.
pub(crate) fn merkle_tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        more => {
            let (left, right) = more.split_at(1 << (more.len() - 1).ilog2());
            node_hash(&merkle_tree_hash(left), &merkle_tree_hash(right))
        }
    }
}
