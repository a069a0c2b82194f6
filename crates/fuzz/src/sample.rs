//! A log and tokens whose keys only this module has: what anything else makes of them is a forgery.

mod capability;
mod export;

pub use capability::{Capabilities, capabilities};
pub use export::{Export, exports, verify};

use crate::check::{find, sure};
use crate::tile::merkle_tree_hash;
use chancery_base::{
    DecisionId, Digest, Entropy, PrincipalId, PrincipalKind, Salt, Slot, TenantId, Timestamp, TransactionId,
};
use chancery_engine::Phase;
use chancery_ledger::proof::inclusion_proof;
use chancery_ledger::tlog_proof::TlogProof;
use chancery_ledger::{
    Checkpoint, Data, Hash, Keys, LeafIndex, Origin, Proven, Receipt, Record, Refs, Shown, SigningKey, TileId, Tree,
    TreeSize, Word, leaf_hash,
};
use chancery_shard::{AttemptRef, TaskToken, TokenKey};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

/// The sizes at which the log was signed; the last one is its size.
const CHECKPOINTS: [u64; 3] = [1, 256, 300];
/// Entries of one transaction. Two transactions take turns.
const KINDS: [&str; 4] = ["transaction.started", "step.dispatched", "step.completed", "transaction.completed"];
/// Outcomes of the log and the entries that permitted them.
pub const PAIRS: [(u64, u64); 3] = [(12, 10), (13, 11), (14, 8)];

/// A log of the sample.
#[derive(Debug)]
pub struct Log {
    /// Its entries, by their numbers.
    pub entries: Vec<Entry>,
    /// Its signed heads.
    pub checkpoints: Vec<String>,
    key: SigningKey,
    leaves: Vec<Hash>,
    tiles: BTreeMap<TileId, Vec<u8>>,
}

/// An entry of the sample.
#[derive(Debug)]
pub struct Entry {
    /// The canonical bytes.
    pub record: Vec<u8>,
    payload: Option<(Salt, String)>,
}

/// Tokens of the sample.
#[derive(Debug)]
pub struct Tokens {
    /// The key that issued them.
    pub key: TokenKey,
    /// For whom.
    pub tenant: TenantId,
    /// For whom not.
    pub other_tenant: TenantId,
    /// The digest of the input of them all.
    pub input: Digest,
    /// All that were issued.
    pub tokens: Vec<TaskToken>,
}

/// The log, made once.
pub fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(Log::new)
}

/// The tokens, made once.
pub fn tokens() -> &'static Tokens {
    static TOKENS: OnceLock<Tokens> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let (key, input) = (TokenKey::new([9; 32]), Digest::of(b"{}"));
        let tenant: TenantId = sure("acme".parse(), "a tenant");
        let mut entropy = Entropy::from_seed([5; 32]);
        let transaction = TransactionId::draw(start(), slot(7), &mut entropy);
        let attempts = [(0, Phase::Do, 1), (0, Phase::Do, 2), (3, Phase::Undo, 1)];
        let attempts =
            attempts.map(|(step, phase, attempt)| AttemptRef { transaction, step, clone: 0, phase, attempt });
        let tokens = attempts.iter().map(|attempt| key.issue(&tenant, *attempt, &input)).collect();
        Tokens { key, tenant, other_tenant: sure("umbrella".parse(), "a tenant"), input, tokens }
    })
}

fn start() -> Timestamp {
    Timestamp::from_micros(1_795_246_020_000_000)
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap_or_else(|| find("no slot"))
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl Log {
    fn new() -> Self {
        let mut entropy = Entropy::from_seed([3; 32]);
        let origin: Origin = sure("example.org/acme/0/0".parse(), "an origin");
        let key = SigningKey::from_seed(sure("example.org".parse(), "a name"), &[7; 32]);
        let (entries, leaves, checkpoints, tiles) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        let mut log = Self { entries, leaves, checkpoints, key, tiles };
        let (mut tree, mut running) = (Tree::new(), Vec::new());
        for seq in 0..CHECKPOINTS.last().copied().unwrap_or_default() {
            let at = start().plus(Duration::from_micros(37 * seq));
            if seq % 8 == 0 {
                running = (0..2).map(|which| TransactionId::draw(at, slot(which), &mut entropy)).collect();
            }
            let entry = entry(seq, at, &origin, &running, &mut entropy);
            let leaf = leaf_hash(&entry.record);
            tree.push(leaf);
            log.leaves.push(leaf);
            log.entries.push(entry);
            if CHECKPOINTS.contains(&(seq + 1)) {
                log.tiles.extend(tree.take_rows().into_iter().map(|row| (row.id, row.bytes)));
                let head = Checkpoint { origin: origin.clone(), size: tree.size(), root: tree.root() };
                log.checkpoints.push(sure(head.sign(&log.key), "a checkpoint is signed"));
            }
        }
        log
    }

    /// How many entries it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        number(self.entries.len())
    }

    /// The key that signed it.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys::one(self.key.verifier())
    }

    /// A key of the same name that did not sign it.
    #[must_use]
    pub fn others_keys(&self) -> Keys {
        Keys::one(SigningKey::from_seed(self.key.name().clone(), &[8; 32]).verifier())
    }

    /// The root of the first entries, by RFC 6962's definition.
    #[must_use]
    pub fn root(&self, size: TreeSize) -> Hash {
        let size = usize::try_from(size.0).unwrap_or(usize::MAX);
        merkle_tree_hash(self.leaves.get(..size).unwrap_or(&self.leaves))
    }

    /// An entry's leaf; of one that is not there, some hash.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Hash {
        let leaf = usize::try_from(index).ok().and_then(|at| self.leaves.get(at));
        leaf.copied().unwrap_or_else(|| leaf_hash(b"none"))
    }

    /// A stored tile.
    ///
    /// # Errors
    /// Its id, if there is none.
    pub fn tile(&self, id: TileId) -> Result<Vec<u8>, TileId> {
        self.tiles.get(&id).cloned().ok_or(id)
    }

    /// The receipt of an outcome; with the payloads or without.
    #[must_use]
    pub fn receipt(&self, outcome: u64, permit: u64, redacted: bool) -> Receipt {
        let (outcome, permit) = (self.proven(outcome, redacted), self.proven(permit, redacted));
        let checkpoint = self.checkpoints.last().cloned().unwrap_or_default();
        Receipt { outcome, permit, forward: None, checkpoint, bundle: bundle() }
    }

    /// An entry's proof as one text.
    #[must_use]
    pub fn tlog_proof(&self, index: u64) -> TlogProof {
        let proven = self.proven(index, true);
        let checkpoint = self.checkpoints.last().cloned().unwrap_or_default();
        let extra = Some(proven.record.into_bytes());
        TlogProof { extra, index: LeafIndex(index), hashes: proven.proof, checkpoint }
    }

    fn proven(&self, seq: u64, redacted: bool) -> Proven {
        let entry = usize::try_from(seq).ok().and_then(|at| self.entries.get(at));
        let Some(entry) = entry else { find(format_args!("no entry {seq}")) };
        let payload = match &entry.payload {
            None => Shown::Nothing,
            Some(_) if redacted => Shown::Redacted,
            Some((salt, text)) => Shown::Payload { salt: *salt, text: text.clone() },
        };
        let proof = inclusion_proof(LeafIndex(seq), TreeSize(self.size()), |id| self.tile(id));
        let record = sure(String::from_utf8(entry.record.clone()), "a record is text");
        Proven { record, payload, proof: sure(proof, "a proof is made") }
    }
}

fn bundle() -> Digest {
    Digest::of(b"a bundle")
}

fn entry(seq: u64, at: Timestamp, origin: &Origin, running: &[TransactionId], entropy: &mut Entropy) -> Entry {
    let n = seq % 8 / 2;
    let of_step = n == 1 || n == 2;
    let payload = (n < 3).then(|| (Salt::draw(entropy), format!("{{\"sku\":\"a \\\"b\\\" {seq}\"}}")));
    let mut data = Data::new().int("size", 17).word("cause", "none");
    if n < 2 {
        data = data.digest("bundle", bundle());
    }
    let kind = usize::try_from(n).ok().and_then(|n| KINDS.get(n)).copied().unwrap_or_default();
    let record = Record {
        actor: PrincipalId::draw(PrincipalKind::Agent, at, entropy),
        at,
        data,
        epoch: 1 + seq / 100,
        kind: Word::from(kind),
        log: origin.clone(),
        payload: payload.as_ref().map(|(salt, text)| salt.digest(text.as_bytes())),
        refs: Refs {
            attempt: of_step.then_some(1),
            clone: None,
            decision: (n < 2).then(|| DecisionId::draw(at, entropy)),
            last: n == 3,
            n: Some(n),
            step: of_step.then_some(0),
            transaction: running.get(usize::from(seq % 2 == 1)).copied(),
        },
        seq,
    };
    Entry { record: record.to_bytes(), payload }
}
