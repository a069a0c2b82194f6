//! Proofs: what was made for an entry and a tree proves that, and once changed proves nothing.

use crate::Verdict;
use crate::check::{sure, words};
use crate::sample;
use chancery_ledger::proof::{
    PROOF_HASHES_MAX, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion,
};
use chancery_ledger::tlog_proof::{EXTRA_BYTES_MAX, TLOG_PROOF_BYTES_MAX, TlogProof};
use chancery_ledger::{Hash, LeafIndex, TreeSize, leaf_hash};

pub(crate) fn proof(data: &[u8]) -> Verdict {
    match data.split_first() {
        Some((b'i', rest)) => inclusion(&mut Bytes(rest)),
        Some((b'c', rest)) if !data.starts_with(b"c2sp") => consistency(&mut Bytes(rest)),
        Some((b'w', rest)) => wild(&mut Bytes(rest)),
        _ => text(data),
    }
}

struct Bytes<'d>(&'d [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    /// A number from 1 to `most`.
    fn count(&mut self, most: u64) -> u64 {
        self.take().map_or(1, |bytes| 1 + u64::from(u16::from_le_bytes(bytes)) % most)
    }

    /// Changes the hashes as the remaining bytes say.
    fn edit(&mut self, hashes: &mut Vec<Hash>) {
        while let Some([what, at, with]) = self.take() {
            let at = usize::from(at) % (hashes.len() + 1);
            match (what % 4, hashes.get_mut(at)) {
                (0, Some(hash)) => {
                    if let Some(byte) = hash.0.get_mut(usize::from(with) % 32) {
                        *byte ^= 1 << (with >> 5);
                    }
                }
                (1, Some(_)) => drop(hashes.remove(at)),
                (2, Some(_)) => hashes.swap(0, at),
                _ => hashes.insert(at, leaf_hash(&[with])),
            }
        }
    }
}

fn inclusion(bytes: &mut Bytes<'_>) -> Verdict {
    let log = sample::log();
    let size = bytes.count(log.size());
    let index = bytes.count(size) - 1;
    let (size, leaf_index) = (TreeSize(size), LeafIndex(index));
    let root = log.root(size);
    let leaf = log.leaf(index);
    let genuine = sure(inclusion_proof(leaf_index, size, |id| log.tile(id)), "a proof is made");
    assert!(genuine.len() <= PROOF_HASHES_MAX, "{} hashes", genuine.len());
    let verify = |hashes: &[Hash]| verify_inclusion(&leaf, leaf_index, size, hashes, &root);
    assert_eq!(verify(&genuine), Ok(()), "entry {index} of {size}");
    let elsewhere = LeafIndex(index ^ 1);
    assert!(verify_inclusion(&leaf, elsewhere, size, &genuine, &root).is_err(), "entry {index} proven elsewhere");
    assert!(verify_inclusion(&log.leaf(elsewhere.0), leaf_index, size, &genuine, &root).is_err(), "another entry");
    assert!(verify_inclusion(&leaf, leaf_index, size, &genuine, &leaf_hash(b"root")).is_err(), "another root");
    let mut changed = genuine.clone();
    bytes.edit(&mut changed);
    judge(verify(&changed).map_err(|error| error.to_string()), changed == genuine)
}

fn consistency(bytes: &mut Bytes<'_>) -> Verdict {
    let log = sample::log();
    let new = bytes.count(log.size());
    let (old, new) = (TreeSize(bytes.count(new)), TreeSize(new));
    let (old_root, new_root) = (log.root(old), log.root(new));
    let genuine = sure(consistency_proof(old, new, |id| log.tile(id)), "a proof is made");
    let verify = |hashes: &[Hash]| verify_consistency(old, &old_root, new, &new_root, hashes);
    assert_eq!(verify(&genuine), Ok(()), "from {old} to {new}");
    let forged = leaf_hash(b"root");
    assert!(verify_consistency(old, &forged, new, &new_root, &genuine).is_err(), "another earlier root");
    assert!(verify_consistency(old, &old_root, new, &forged, &genuine).is_err(), "another later root");
    let mut changed = genuine.clone();
    bytes.edit(&mut changed);
    judge(verify(&changed).map_err(|error| error.to_string()), changed == genuine)
}

fn judge(verified: Result<(), String>, genuine: bool) -> Verdict {
    assert_eq!(verified.is_ok(), genuine, "a changed proof proves it, or the genuine one does not");
    match verified {
        Ok(()) => Verdict::Taken,
        Err(error) => {
            words(&error);
            Verdict::Refused
        }
    }
}

/// Any numbers and any hashes: they prove nothing of a root that nobody chose to fit.
fn wild(bytes: &mut Bytes<'_>) -> Verdict {
    let mut number = || bytes.take().map_or(0, u64::from_le_bytes);
    let (index, size) = (number(), number());
    let mut hashes = Vec::new();
    while let Some(hash) = bytes.take() {
        hashes.push(Hash(hash));
    }
    let (leaf, root) = (leaf_hash(b"leaf"), leaf_hash(b"root"));
    let included = verify_inclusion(&leaf, LeafIndex(index), TreeSize(size), &hashes, &root);
    assert!(included.is_err(), "anything proves anything");
    let consistent = verify_consistency(TreeSize(index), &leaf, TreeSize(size), &root, &hashes);
    assert!(consistent.is_err(), "anything goes on from anything");
    Verdict::Refused
}

fn text(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else { return Verdict::Refused };
    let proof = match text.parse::<TlogProof>() {
        Ok(proof) => proof,
        Err(error) => {
            words(&error.to_string());
            return Verdict::Refused;
        }
    };
    assert!(text.len() <= TLOG_PROOF_BYTES_MAX && proof.hashes.len() <= PROOF_HASHES_MAX, "the limit does not hold");
    assert!(proof.extra.as_ref().is_none_or(|extra| extra.len() <= EXTRA_BYTES_MAX), "the extra data's limit");
    assert_eq!(proof.to_string(), text, "a proof of two spellings");
    let log = sample::log();
    let claimed = usize::try_from(proof.index.0).ok().and_then(|at| log.entries.get(at));
    if let Some(entry) = claimed {
        if let Ok(head) = proof.verify(&entry.record, &log.keys()) {
            let genuine = inclusion_proof(proof.index, head.size, |id| log.tile(id));
            assert_eq!(proof.hashes, sure(genuine, "a proof is made"), "another proof of the same");
        }
        assert!(proof.verify(&entry.record, &log.others_keys()).is_err(), "believed under another key");
        assert!(proof.verify(b"no record", &log.keys()).is_err(), "proves what is not in the log");
    }
    Verdict::Taken
}
