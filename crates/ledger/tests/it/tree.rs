use chancery_ledger::hash::empty_root;
use chancery_ledger::proof::{consistency_proof, inclusion_proof, root_at, verify_consistency, verify_inclusion};
use chancery_ledger::tree::TreeError;
use chancery_ledger::{Hash, LeafIndex, TileId, Tree, TreeSize, leaf_hash, node_hash};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::convert::Infallible;

type Rows = BTreeMap<TileId, Vec<u8>>;

/// RFC 6962, section 2.1, as it is written.
fn model_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&model_root(left), &model_root(right))
        }
    }
}

/// RFC 6962, section 2.1.1.
fn model_inclusion(leaf: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, sibling) = if leaf < left.len() {
        (model_inclusion(leaf, left), model_root(right))
    } else {
        (model_inclusion(leaf - left.len(), right), model_root(left))
    };
    path.push(sibling);
    path
}

/// RFC 6962, section 2.1.2.
fn model_consistency(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![model_root(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, sibling) = if old <= left.len() {
        (model_consistency(old, left, whole), model_root(right))
    } else {
        (model_consistency(old - left.len(), right, false), model_root(left))
    };
    path.push(sibling);
    path
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect()
}

fn size(count: usize) -> TreeSize {
    TreeSize(u64::try_from(count).unwrap())
}

/// Grows a tree in steps, and after each one goes on from what was stored.
fn grow(leaves: &[Hash], steps: &[usize]) -> (Tree, Rows) {
    let mut rows = Rows::new();
    let mut tree = Tree::new();
    let mut rest = leaves;
    for step in steps.iter().copied().chain([usize::MAX]) {
        let (now, later) = rest.split_at(step.min(rest.len()));
        now.iter().for_each(|leaf| tree.push(*leaf));
        rest = later;
        for row in tree.take_rows() {
            let before = rows.insert(row.id, row.bytes.clone()).unwrap_or_default();
            assert!(row.bytes.starts_with(&before) && row.bytes.len() > before.len(), "{} only grows", row.id);
        }
        tree = Tree::restore(tree.size(), |id| read(&rows, id)).unwrap();
    }
    (tree, rows)
}

fn read(rows: &Rows, id: TileId) -> Result<Vec<u8>, Infallible> {
    Ok(rows.get(&id).cloned().unwrap_or_default())
}

fn check(leaves: &[Hash], steps: &[usize], old: usize, leaf: usize) {
    let (tree, rows) = grow(leaves, steps);
    let (new, root) = (size(leaves.len()), model_root(leaves));
    assert_eq!((tree.size(), tree.root()), (new, root));
    assert_eq!(root_at(new, |id| read(&rows, id)).unwrap(), root);

    let (old, old_leaves) = (size(old), &leaves[..old]);
    let old_root = model_root(old_leaves);
    assert_eq!(root_at(old, |id| read(&rows, id)).unwrap(), old_root);
    assert_eq!(Tree::restore(old, |id| read(&rows, id)).unwrap().root(), old_root);

    let index = LeafIndex(u64::try_from(leaf).unwrap());
    let proof = inclusion_proof(index, new, |id| read(&rows, id)).unwrap();
    assert_eq!(proof, model_inclusion(leaf, leaves));
    verify_inclusion(&leaves[leaf], index, new, &proof, &root).unwrap();
    let mut wrong = proof;
    if let Some(hash) = wrong.last_mut() {
        hash.0[3] ^= 4;
        assert!(verify_inclusion(&leaves[leaf], index, new, &wrong, &root).is_err());
    }

    let proof = consistency_proof(old, new, |id| read(&rows, id)).unwrap();
    assert_eq!(proof, model_consistency(old_leaves.len(), leaves, true));
    verify_consistency(old, &old_root, new, &root, &proof).unwrap();
    assert!(verify_consistency(old, &empty_root(), new, &root, &proof).is_err());
    assert!(verify_consistency(old, &old_root, new, &empty_root(), &proof).is_err());
}

#[test]
fn sizes_at_the_edges_of_tiles() {
    for count in [1, 2, 3, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_000] {
        let leaves = leaves(count);
        check(&leaves, &[1, 254, 1, 1, 300], count.div_ceil(2), count / 3);
        check(&leaves, &[], count, count - 1);
    }
}

#[test]
fn the_empty_tree_has_the_root_of_nothing() {
    assert_eq!(Tree::new().root(), empty_root());
    assert_eq!(empty_root().to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(Tree::restore(TreeSize(0), |_| Err::<Vec<u8>, _>("nothing is read")).unwrap().root(), empty_root());
}

#[test]
fn what_cannot_be_proven_says_why() {
    let (_, rows) = grow(&leaves(300), &[]);
    let error = inclusion_proof(LeafIndex(300), TreeSize(300), |id| read(&rows, id)).unwrap_err();
    assert_eq!(error.to_string(), "entry 300 is not in a tree of 300");
    let error = inclusion_proof(LeafIndex(0), TreeSize(400), |id| read(&rows, id)).unwrap_err();
    assert_eq!(error.to_string(), "tile 0/1 has 1408 bytes, 144 hashes of 32 bytes are needed");
    for (old, new) in [(0, 300), (301, 300)] {
        let error = consistency_proof(TreeSize(old), TreeSize(new), |id| read(&rows, id)).unwrap_err();
        assert!(matches!(error, TreeError::Order { .. }), "{error}");
    }
    let failed: Result<_, TreeError<&str>> = inclusion_proof(LeafIndex(0), TreeSize(300), |_| Err("no disk"));
    assert!(matches!(failed.unwrap_err(), TreeError::Read { source: "no disk", .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn trees_agree_with_the_model(
        count in 1_usize..1_400,
        steps in proptest::collection::vec(0_usize..400, 0..6),
        old in any::<prop::sample::Index>(),
        leaf in any::<prop::sample::Index>(),
    ) {
        check(&leaves(count), &steps, old.index(count) + 1, leaf.index(count));
    }
}
