//! A log made with the crate, for tests to verify and to damage.

use chancery_base::{DecisionId, Digest, Entropy, PrincipalId, PrincipalKind, Salt, Slot, Timestamp, TransactionId};
use chancery_ledger::{Checkpoint, Data, Keys, Origin, Record, Refs, SigningKey, TileId, Tree, Word, leaf_hash};
use std::collections::BTreeMap;

/// Entries of one transaction of the sample.
const KINDS: [&str; 4] = ["transaction.started", "step.dispatched", "step.completed", "transaction.completed"];

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) record: Vec<u8>,
    pub(crate) payload: Payload,
}

#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) origin: Origin,
    pub(crate) key: SigningKey,
    pub(crate) entries: Vec<Entry>,
    pub(crate) tiles: BTreeMap<TileId, Vec<u8>>,
    pub(crate) checkpoints: Vec<String>,
}

pub(crate) fn origin() -> Origin {
    "example.org/acme/0/0".parse().unwrap()
}

pub(crate) fn signing_key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name.parse().unwrap(), &[seed; 32])
}

pub(crate) fn bundle() -> Digest {
    Digest::of(b"a bundle")
}

/// What is kept beside a record.
pub(crate) type Payload = Option<(Salt, Vec<u8>)>;

/// The records of `count` entries: transactions of four entries each, two at a time.
pub(crate) fn records(count: u64) -> Vec<(Record, Payload)> {
    let mut entropy = Entropy::from_seed([3; 32]);
    let origin = origin();
    let mut at = Timestamp::from_micros(1_795_246_020_000_000);
    let mut running = Vec::new();
    let mut out = Vec::new();
    for seq in 0..count {
        at = at.plus(std::time::Duration::from_micros(37));
        if seq % 8 == 0 {
            let slot = Slot::new(u16::try_from(seq % 4096).unwrap()).unwrap();
            running = vec![TransactionId::draw(at, slot, &mut entropy), TransactionId::draw(at, slot, &mut entropy)];
        }
        let n = usize::try_from(seq % 8 / 2).unwrap();
        let of_step = n == 1 || n == 2;
        let payload =
            (n < 3).then(|| (Salt::draw(&mut entropy), format!("{{\"sku\":\"a \\\"b\\\" {seq}\"}}").into_bytes()));
        let mut data = Data::new().int("size", 17).word("cause", "none");
        if n < 2 {
            data = data.digest("bundle", bundle());
        }
        let record = Record {
            actor: PrincipalId::draw(PrincipalKind::Agent, at, &mut entropy),
            at,
            data,
            epoch: 1 + seq / 100,
            kind: Word::from(KINDS[n]),
            log: origin.clone(),
            payload: payload.as_ref().map(|(salt, bytes)| salt.digest(bytes)),
            refs: Refs {
                attempt: of_step.then_some(1),
                clone: None,
                decision: (n < 2).then(|| DecisionId::draw(at, &mut entropy)),
                last: n == 3,
                n: Some(u64::try_from(n).unwrap()),
                step: of_step.then_some(0),
                transaction: Some(running[usize::try_from(seq % 2).unwrap()]),
            },
            seq,
        };
        out.push((record, payload));
    }
    out
}

impl Log {
    /// A log with a checkpoint at each of the sizes, of which the last one is that of the tiles.
    pub(crate) fn new(entries: u64, checkpoints: &[u64]) -> Self {
        Self::of(records(entries), checkpoints)
    }

    /// As [`Log::new`], of these records.
    pub(crate) fn of(records: Vec<(Record, Payload)>, checkpoints: &[u64]) -> Self {
        let key = signing_key("example.org", 7);
        let mut log =
            Self { origin: origin(), key, entries: Vec::new(), tiles: BTreeMap::new(), checkpoints: Vec::new() };
        let mut tree = Tree::new();
        for (record, payload) in records {
            let record = record.to_bytes();
            if checkpoints.last().is_some_and(|last| tree.size().0 < *last) {
                tree.push(leaf_hash(&record));
            }
            log.entries.push(Entry { record, payload });
            if checkpoints.contains(&tree.size().0) && tree.size().0 == u64::try_from(log.entries.len()).unwrap() {
                log.tiles.extend(tree.take_rows().into_iter().map(|row| (row.id, row.bytes)));
                let head = Checkpoint { origin: log.origin.clone(), size: tree.size(), root: tree.root() };
                log.checkpoints.push(head.sign(&log.key).unwrap());
            }
        }
        log
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::one(self.key.verifier())
    }
}
