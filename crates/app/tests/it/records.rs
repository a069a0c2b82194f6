//! What auditors get: receipts, proofs, served tiles.

use crate::house::{Calls, House, ORDER, config, services};
use chancery_app::ledger::{self, EntryFilter, Served};
use chancery_app::receipts::{self, Subject};
use chancery_app::{Closures, Config, Page};
use chancery_base::Kind;
use chancery_engine::Phase;
use chancery_ledger::tile::TILE_WIDTH;
use chancery_ledger::tlog_proof::TlogProof;
use chancery_ledger::{Checkpoint, Keys, LeafIndex, Receipt, Resource, TreeSize, leaf_hash, proof};
use chancery_policy::Action;
use chancery_store::Store as _;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn receipts_verify_without_the_server() {
    let house = House::new(services(&Arc::new(Calls::default()))).await;
    let done = house.run(json!({"sku": "tea"})).await.head.id;
    let undone = house.run(json!({"sku": "tea", "fail": true})).await.head.id;
    let grant = house.granted(Action::ReceiptRead).await;
    let keys = Keys::one(ledger::key(&house.app));
    let step = |transaction, step: &str, phase| Subject::Step { transaction, step: step.to_owned(), phase };
    for (subject, kind) in [
        (step(done, "reserve", Phase::Do), "step.completed"),
        (step(undone, "charge", Phase::Do), "step.failed"),
        (step(undone, "reserve", Phase::Undo), "compensation.completed"),
        (Subject::Transaction(done), "transaction.completed"),
        (Subject::Transaction(undone), "transaction.failed"),
    ] {
        let text =
            receipts::json(&house.app, &grant, &subject).await.unwrap_or_else(|error| panic!("{subject:?}: {error}"));
        let report =
            Receipt::parse(&text).unwrap().verify(&keys).unwrap_or_else(|error| panic!("{subject:?}: {error}"));
        assert_eq!(report.outcome.kind.as_str(), kind);
        let proof: TlogProof = receipts::tlog_proof(&house.app, &grant, &subject).await.unwrap().parse().unwrap();
        proof.verify(proof.extra.as_ref().unwrap(), &keys).unwrap();
    }
    let nothing = receipts::json(&house.app, &grant, &step(done, "reserve", Phase::Undo)).await.unwrap_err();
    assert_eq!(nothing.kind(), Kind::Missing);
    let not_an_outcome = receipts::json(&house.app, &grant, &Subject::Entry(0)).await.unwrap_err();
    assert_eq!(not_an_outcome.kind(), Kind::Missing);
    receipts::tlog_proof(&house.app, &grant, &Subject::Entry(0)).await.unwrap();
}

/// A checkpoint that failed just before the end is tried once more, without the wait that is usual.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_checkpoint_covers_everything() {
    let config = Config { store_retry: Duration::from_secs(600), ..config() };
    let house = House::bare_with(Closures::new(), config).await;
    house.store.fail_checkpoints(true);
    house.register(ORDER).await;
    while house.store.failed_checkpoints() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    house.store.fail_checkpoints(false);
    house.app.shutdown().await.unwrap();
    for log in house.store.logs().await.unwrap() {
        let checkpoint = house.store.checkpoint(log.id, None).await.unwrap();
        assert_eq!(checkpoint.map(|row| row.size), Some(log.size), "{log:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_served_log_is_the_log_and_stays_so_after_a_restart() {
    let house = House::new(services(&Arc::new(Calls::default()))).await;
    for number in 0..60 {
        house.run(json!({"sku": "tea", "total": number})).await;
    }
    let early = check_log(&house).await;
    assert!(early.size.0 > u64::from(TILE_WIDTH), "{early:?}");
    let house = house.closed_and_opened(services(&Arc::new(Calls::default()))).await;
    house.run(json!({"sku": "tea"})).await;
    let late = check_log(&house).await;
    assert!(late.size.0 > early.size.0);
    let grant = house.granted(Action::LedgerRead).await;
    let view = ledger::consistency(&house.app, &grant, early.size.0, Some(late.size.0)).await.unwrap();
    proof::verify_consistency(early.size, &early.root, late.size, &late.root, &view.hashes).unwrap();
    let none = ledger::consistency(&house.app, &grant, 0, None).await.unwrap_err();
    assert_eq!(none.kind(), Kind::Invalid);
}

/// Reads everything that the newest checkpoint covers as a client of the files would, and checks it.
async fn check_log(house: &House) -> Checkpoint {
    let grant = house.granted(Action::LedgerRead).await;
    let log = ledger::logs(&house.app, &grant).await.unwrap().remove(0);
    // A proof of the newest entry has a checkpoint signed that covers it.
    receipts::tlog_proof(&house.app, &grant, &Subject::Entry(log.size - 1)).await.unwrap();
    let Served::Checkpoint(note) = ledger::tlog(&house.app, &grant, 0, 1, Resource::Checkpoint).await.unwrap() else {
        panic!("not a checkpoint")
    };
    let checkpoint = Checkpoint::open(&note, &Keys::one(ledger::key(&house.app))).unwrap();
    assert!(checkpoint.size.0 >= log.size);
    let mut records = Vec::new();
    for resource in Resource::all(checkpoint.size) {
        let Served::Immutable(bytes) = ledger::tlog(&house.app, &grant, 0, 1, resource).await.unwrap() else {
            panic!("{resource} changes")
        };
        match resource {
            Resource::Entries { .. } => {
                let bundle = chancery_ledger::tile::read_bundle(&bytes).unwrap();
                records.extend(bundle.into_iter().map(<[u8]>::to_vec));
            }
            Resource::Tile { id, width } => assert_eq!(bytes.len(), usize::from(width) * 32, "{id}"),
            Resource::Checkpoint => panic!("a checkpoint among the tiles"),
        }
    }
    let mut tree = chancery_ledger::Tree::new();
    for record in &records {
        tree.push(leaf_hash(record));
    }
    assert_eq!((tree.size(), tree.root()), (checkpoint.size, checkpoint.root));
    for seq in [0, log.size / 2, log.size - 1] {
        let view = ledger::inclusion(&house.app, &grant, seq, Some(checkpoint.size.0)).await.unwrap();
        let leaf = leaf_hash(&records[usize::try_from(seq).unwrap()]);
        proof::verify_inclusion(&leaf, LeafIndex(seq), checkpoint.size, &view.hashes, &checkpoint.root).unwrap();
    }
    let beyond = Resource::Tile { id: chancery_ledger::TileId { level: 0, index: 1 << 20 }, width: 1 };
    assert_eq!(ledger::tlog(&house.app, &grant, 0, 1, beyond).await.unwrap_err().kind(), Kind::Missing);
    checkpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_entries_are_gapless() {
    let house = House::bare(Closures::new()).await;
    let grant = house.granted(Action::LedgerRead).await;
    let mut page = Page { after: None, limit: 2 };
    let mut seqs = Vec::new();
    loop {
        let found = ledger::entries(&house.app, &grant, EntryFilter::default(), page.clone()).await.unwrap();
        assert!(found.items.len() <= 2);
        seqs.extend(found.items.iter().map(|entry| entry.seq));
        let Some(next) = found.next else { break };
        page.after = Some(next);
    }
    assert_eq!(seqs, (0..u64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(TreeSize(seqs.len() as u64).0, ledger::logs(&house.app, &grant).await.unwrap()[0].size);
}
