//! Which index a database takes for a search.

use crate::fixture::*;
use crate::server::Server;
use crate::subject::{block_on, migrated, postgres_options};
use chancery_shard::Batch;
use chancery_shard::row::{LogRow, TransactionRow};
use chancery_store::{Options, SqliteStore, Store};

/// So many that reading them all would not pay.
const TRANSACTIONS: u32 = 20_000;

/// Transactions that have ended, but for one in a hundred, and a label and a key for some of them.
async fn filled(store: &dyn Store) -> LogRow {
    let log = system(store).await;
    for first in (1..=TRANSACTIONS).step_by(2_000) {
        let numbers = first..first + 2_000;
        let status = |number: u32| if number.is_multiple_of(100) { "running" } else { "completed" };
        let transaction = |number: u32| TransactionRow {
            business_key: number.is_multiple_of(3).then(|| format!("key {number}")),
            parent: number.is_multiple_of(3).then(|| id(number - number % 1_000)),
            ..transaction(log.id, number, status(number))
        };
        let transactions = numbers.clone().map(transaction).collect();
        let labels = numbers.flat_map(|number| labels(log.id, number)).collect();
        store.commit(Batch { transactions, labels, ..Batch::after(&log) }).await.unwrap();
    }
    log
}

/// The labels' own key.
const LABELS: &str = "labels";

const CASES: [(&str, &str); 8] = [
    ("", "transactions_by_log"),
    ("definition:order started<2h", "transactions_by_log"),
    ("status:running", "transactions_by_status"),
    ("status:running,parked definition:order", "transactions_by_status"),
    ("key:\"key 6000\"", "transactions_by_business_key"),
    ("status:running key:\"key 6000\" -definition:order", "transactions_by_business_key"),
    ("label.region:eu", LABELS),
    ("label.region:eu status:running", LABELS),
];

#[track_caller]
fn check(text: &str, plan: &[String], indexes: &[&str], whole: &[&str]) {
    let follows = |index: &&str| plan.iter().any(|line| line.contains(index));
    assert!(indexes.iter().any(follows), "{text}: {plan:#?}");
    for line in plan {
        assert!(!whole.iter().any(|words| line.contains(words)), "{text}: {plan:#?}");
    }
}

#[test]
fn sqlite_follows_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), &Options::default()).unwrap();
    let LogRow { id, .. } = block_on(filled(&store));
    for (text, index) in CASES {
        let before = reach(Some(crate::fixture::id(9_000)), 100);
        let plan = block_on(store.search_plan(id, search(text), before)).unwrap();
        let index = index.replace(LABELS, "SEARCH l USING PRIMARY KEY (log=? AND name=? AND value=?");
        check(text, &plan, &[&index], &["SCAN transactions", "SCAN t", "SCAN l", "SCAN labels"]);
    }
}

#[test]
fn postgres_follows_an_index() {
    let server = Server::shared();
    let database = server.database("template0");
    let store = migrated(&postgres_options(&server.url(&database)));
    let LogRow { id, .. } = block_on(filled(&store));
    // As the server does by itself, a minute later.
    server.psql(&database, "VACUUM ANALYZE").unwrap();
    for (text, index) in CASES {
        let before = reach(Some(crate::fixture::id(9_000)), 100);
        let plan = block_on(store.search_plan(id, search(text), before)).unwrap();
        let index = index.replace(LABELS, "labels_pkey");
        // With one log only, the ids of all logs are those of this one.
        let same = if index == "transactions_by_log" { "transactions_pkey" } else { &index };
        check(text, &plan, &[&index, same], &["Seq Scan", "Bitmap", "Hash Join"]);
    }
}
