use chancery_base::digest::{hex_decode, hex_encode};
use chancery_ledger::proof::{ProofError, range_hashes};
use chancery_ledger::range::{Fold, RANGE_HASHES_MAX};
use chancery_ledger::tree::TreeError;
use chancery_ledger::{Hash, LeafIndex, TileId, Tree, TreeSize, leaf_hash, node_hash};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::LazyLock;

const LEAVES: usize = 70_000;

struct Made {
    leaves: Vec<Hash>,
    /// Each tile as long as it gets.
    tiles: BTreeMap<TileId, Vec<u8>>,
    tree: Tree,
}

static MADE: LazyLock<Made> = LazyLock::new(|| made((0..LEAVES).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect()));

fn made(leaves: Vec<Hash>) -> Made {
    let mut tree = Tree::new();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    let tiles = tree.take_rows().into_iter().map(|row| (row.id, row.bytes)).collect();
    Made { leaves, tiles, tree }
}

fn size(count: usize) -> TreeSize {
    TreeSize(u64::try_from(count).unwrap())
}

fn hashes(made: &Made, from: usize, to: usize, of: usize) -> Vec<Hash> {
    let read = |id| Ok::<_, Infallible>(made.tiles[&id].clone());
    range_hashes(LeafIndex(u64::try_from(from).unwrap()), size(to), size(of), read).unwrap()
}

fn model_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&model_root(left), &model_root(right))
        }
    }
}

/// The nodes of the tree (RFC 6962, section 2.1) over `leaves`, the first of which is the `first`, that have leaves in
/// the range alone, and are complete; none below one that has.
fn model_range(leaves: &[Hash], first: usize, from: usize, to: usize) -> Vec<Hash> {
    let last = first + leaves.len();
    if to <= first || last <= from {
        return Vec::new();
    }
    if from <= first && last <= to && leaves.len().is_power_of_two() {
        return vec![model_root(leaves)];
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let right_first = first + left.len();
    [model_range(left, first, from, to), model_range(right, right_first, from, to)].concat()
}

/// The root of the leaves, of which only those of the ranges are given.
fn folded(made: &Made, of: usize, shown: &[(usize, usize)]) -> Hash {
    let mut fold = Fold::default();
    for (from, to) in shown {
        let next = usize::try_from(fold.size().0).unwrap();
        fold.range(size(*from), &hashes(made, next, *from, of)).unwrap();
        made.leaves[*from..*to].iter().for_each(|leaf| fold.leaf(*leaf));
    }
    let next = usize::try_from(fold.size().0).unwrap();
    fold.range(size(of), &hashes(made, next, of, of)).unwrap();
    fold.root()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_range_is_what_rfc_6962_says(of in 1..600_usize, from in 0..600_usize, to in 0..600_usize) {
        let (from, to) = (from.min(to).min(of), to.max(from).min(of));
        let found = hashes(&MADE, from, to, of);
        prop_assert_eq!(&found, &model_range(&MADE.leaves[..of], 0, from, to));
        prop_assert!(found.len() <= RANGE_HASHES_MAX);
        prop_assert_eq!(folded(&MADE, of, &[(from, to)]), model_root(&MADE.leaves[..of]));
    }

    #[test]
    fn leaves_here_and_there_lead_to_the_root(cuts in prop::collection::btree_set(0..=LEAVES, 2..12)) {
        let cuts: Vec<usize> = cuts.into_iter().collect();
        let shown: Vec<(usize, usize)> = cuts.as_chunks::<2>().0.iter().map(|[from, to]| (*from, *to)).collect();
        prop_assert_eq!(folded(&MADE, LEAVES, &shown), MADE.tree.root());
    }

    #[test]
    fn another_leaf_or_hash_leads_elsewhere(from in 0..300_usize, to in 0..300_usize, which in any::<prop::sample::Index>()) {
        const OF: usize = 300;
        let (from, to) = (from.min(to), from.max(to));
        let (mut left, right) = (hashes(&MADE, 0, from, OF), hashes(&MADE, to, OF, OF));
        let mut leaves = MADE.leaves[from..to].to_vec();
        let all = left.iter_mut().chain(&mut leaves);
        let mut all: Vec<&mut Hash> = all.collect();
        prop_assume!(!all.is_empty());
        let at = which.index(all.len());
        all[at].0[7] ^= 4;
        let mut fold = Fold::default();
        fold.range(size(from), &left).unwrap();
        leaves.iter().for_each(|leaf| fold.leaf(*leaf));
        fold.range(size(OF), &right).unwrap();
        prop_assert_ne!(fold.root(), model_root(&MADE.leaves[..OF]));
    }
}

/// The example tree of Certificate Transparency, whose roots RFC 6962's authors published.
#[test]
fn the_published_roots_follow_from_every_range() {
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let byte = |pair: &[u8]| hex_decode::<1>(std::str::from_utf8(pair).unwrap()).unwrap()[0];
    let leaf = |hex: &&str| leaf_hash(&hex.as_bytes().chunks(2).map(byte).collect::<Vec<u8>>());
    for of in 1..=8 {
        let made = made(LEAVES[..of].iter().map(leaf).collect());
        for from in 0..=of {
            for to in from..=of {
                assert_eq!(hex_encode(&folded(&made, of, &[(from, to)]).0), ROOTS[of - 1], "{from} to {to} of {of}");
            }
        }
    }
}

#[test]
fn a_range_takes_its_number_of_hashes() {
    let mut hashes = hashes(&MADE, 3, 300, 300);
    let fold = || {
        let mut fold = Fold::default();
        MADE.leaves[..3].iter().for_each(|leaf| fold.leaf(*leaf));
        fold
    };
    assert_eq!(fold().range(TreeSize(300), &hashes), Ok(()));
    hashes.push(MADE.leaves[0]);
    assert_eq!(fold().range(TreeSize(300), &hashes), Err(ProofError::Length(hashes.len())));
    hashes.truncate(4);
    assert_eq!(fold().range(TreeSize(300), &hashes), Err(ProofError::Length(4)));
    let beyond = range_hashes(LeafIndex(3), TreeSize(301), TreeSize(300), |_| Ok::<Vec<u8>, Infallible>(Vec::new()));
    assert!(matches!(beyond, Err(TreeError::Leaf { leaf: LeafIndex(300), size: TreeSize(300) })));
}
