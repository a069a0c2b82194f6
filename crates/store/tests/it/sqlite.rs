//! What is SQLite's own: merging, the write-ahead log, reading the files without the store.

use crate::dump::{dump, try_dump};
use crate::fixture::*;
use crate::subject::{Subject, block_on};
use chancery_base::Kind;
use chancery_engine::{ShownStatus, StepStatus, UndoStatus};
use chancery_shard::row::*;
use chancery_shard::{Batch, CommitError};
use chancery_store::sqlite::{DATABASE, Table, flip_bit};
use chancery_store::{CheckpointRow, Durability, Options, Scan as _, SqliteStore, Store, TileRow, words};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;

fn connect(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join(DATABASE)).unwrap()
}

type Committing<'a> = Pin<Box<dyn Future<Output = Result<(), CommitError>> + Send + 'a>>;

/// Sends commits in order without waiting for their answers.
async fn send(commits: &mut [Committing<'_>]) {
    for commit in commits {
        poll_fn(|context| {
            assert!(commit.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
}

#[test]
fn batches_that_wait_are_one_database_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), &Options::default()).unwrap();
    block_on(async {
        tenants(&store, &[("acme", 8)]).await;
        let mut logs = Vec::new();
        for shard in 0..8 {
            logs.push(log(&store, "acme", shard).await);
        }
        let before = store.stats();
        // While another connection holds the write lock, the writer waits with the first and the rest queue up.
        let blocker = connect(dir.path());
        blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        let second = LogRow { size: 2, ..logs[1].clone() };
        let third = LogRow { size: 5, ..logs[1].clone() };
        let duplicate = Batch { keys: vec![key(KeyScope::Start, 1, 1)], ..batch_of(&logs[3], 3, 0, 2) };
        let batches = vec![
            batch_of(&logs[0], 10, 0, 2),
            batch_of(&logs[1], 11, 0, 2),
            // The same log again: in order, and each sees the one before.
            batch_of(&second, 11, 2, 3),
            batch_of(&third, 11, 5, 1),
            // Stale: its savepoint alone is undone.
            batch_of(&logs[1], 12, 0, 4),
            Batch { keys: vec![key(KeyScope::Start, 1, 1)], ..batch_of(&logs[2], 13, 0, 1) },
            duplicate,
            batch_of(&logs[4], 14, 0, 1),
        ];
        let mut commits: Vec<Committing<'_>> = batches.into_iter().map(|batch| store.commit(batch)).collect();
        send(&mut commits).await;
        blocker.execute_batch("ROLLBACK").unwrap();
        let mut answers = Vec::new();
        for commit in commits {
            answers.push(commit.await);
        }
        let fenced = CommitError::Fenced { log: logs[1].id, epoch: 1, size: 6 };
        assert_eq!(answers[4], Err(fenced));
        assert!(matches!(&answers[6], Err(CommitError::Failed(error)) if error.kind == Kind::Conflict));
        for index in [0, 1, 2, 3, 5, 7] {
            assert_eq!(answers[index], Ok(()), "batch {index}");
        }
        let after = store.stats();
        assert_eq!((after.batches - before.batches, after.entries - before.entries), (6, 10));
        assert!(after.commits - before.commits <= 2, "{before:?} {after:?}");
        let mut sizes = Vec::new();
        for shard in 0..8 {
            sizes.push(log(&store, "acme", shard).await.size);
        }
        assert_eq!(sizes, [2, 6, 1, 0, 1, 0, 0, 0]);
    });
}

#[test]
fn a_caller_that_stops_waiting_does_not_stop_its_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), &Options::default()).unwrap();
    block_on(async {
        let log = system(&store).await;
        let mut commits: Vec<Committing<'_>> = vec![store.commit(batch_of(&log, 1, 0, 2))];
        send(&mut commits).await;
        drop(commits);
        store.close().await.unwrap();
        assert_eq!(store.logs().await.unwrap(), [LogRow { size: 2, ..log }]);
    });
}

#[test]
fn a_lock_that_somebody_else_holds_too_long_fails_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), &Options::default()).unwrap();
    let log = block_on(system(&store));
    let blocker = connect(dir.path());
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = block_on(store.commit(batch_of(&log, 1, 0, 2)));
    assert!(matches!(&answer, Err(CommitError::Failed(error)) if error.kind == Kind::Busy), "{answer:?}");
    blocker.execute_batch("ROLLBACK").unwrap();
    block_on(store.commit(batch_of(&log, 1, 0, 2))).unwrap();
}

#[test]
fn what_was_committed_is_in_the_files_of_a_process_that_died() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), &Options::default()).unwrap();
    block_on(async {
        let mut log = system(&store).await;
        for number in 0..20 {
            store.commit(batch_of(&log, number, 0, 3)).await.unwrap();
            log.size += 3;
        }
        // The files as they are while the store is open are what a killed process leaves.
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            if !file.file_name().to_string_lossy().ends_with("-shm") {
                std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
        }
        let expected = dump(&SqliteStore::open_read_only(dir.path()).unwrap());
        assert_eq!(dump(&SqliteStore::open_read_only(copy.path()).unwrap()), expected);
        let survivor = SqliteStore::open(copy.path(), &Options::default()).unwrap();
        assert_eq!(survivor.logs().await.unwrap(), [log]);
        drop(survivor);
        assert_eq!(dump(&SqliteStore::open_read_only(copy.path()).unwrap()), expected);
    });
}

/// Commits batches of four entries of 1 MiB each.
async fn commit_large(store: &SqliteStore, log: &mut LogRow, batches: u64) {
    for _ in 0..batches {
        let mut batch = batch_of(log, u32::try_from(log.size).unwrap(), 0, 4);
        for entry in &mut batch.entries {
            let bytes = vec![u8::try_from(log.size / 4).unwrap(); 1 << 20];
            entry.payload = Some(PayloadRow { sealed: Sealed::plain(bytes), ..payload(1) });
        }
        store.commit(batch).await.unwrap();
        log.size += 4;
    }
}

#[test]
fn the_write_ahead_log_stays_within_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Off, ..Options::default() };
    let store = SqliteStore::open(dir.path(), &options).unwrap();
    assert_eq!(store.durability(), "off");
    block_on(async {
        let mut log = system(&store).await;
        let mut largest = 0;
        for _ in 0..40 {
            commit_large(&store, &mut log, 1).await;
            let wal = std::fs::metadata(dir.path().join(format!("{DATABASE}-wal"))).unwrap().len();
            largest = largest.max(wal);
        }
        // 160 MiB went through it; the writer waits at 64, after a batch.
        assert!(largest <= 72 << 20, "{largest}");
        assert!(store.stats().wal_bytes <= 72 << 20);
        assert!(store.stats().wal_waits >= 1);
        let last = store.entries(log.id, 159, 1, true).await.unwrap();
        assert_eq!(last[0].payload.as_ref().unwrap().sealed.bytes, vec![39; 1 << 20]);
        store.close().await.unwrap();
    });
    drop(store);
    let snapshot = SqliteStore::open_read_only(dir.path()).unwrap();
    assert_eq!(snapshot.integrity().unwrap(), Vec::<String>::new());
    assert_eq!(snapshot.entry_logs().unwrap().len(), 1);
}

#[test]
fn a_reader_that_stays_holds_the_writer_up_and_does_not_stop_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Off, ..Options::default() };
    let store = SqliteStore::open(dir.path(), &options).unwrap();
    block_on(async {
        let mut log = system(&store).await;
        commit_large(&store, &mut log, 1).await;
        let reader = SqliteStore::open_read_only(dir.path()).unwrap();
        commit_large(&store, &mut log, 12).await;
        assert_eq!(store.stats().wal_waits, 0, "below the bound nobody waits");
        commit_large(&store, &mut log, 12).await;
        // The log could not begin anew: it went beyond its bound, and the writer waited there and every 16 MiB on.
        let held = store.stats();
        assert!(held.wal_bytes > 96 << 20, "{held:?}");
        assert!((2..=4).contains(&held.wal_waits), "{held:?}");
        assert_eq!(reader.entries(log.id, 0, 100).unwrap().len(), 4, "what it reads does not change");
        drop(reader);
        commit_large(&store, &mut log, 8).await;
        let freed = store.stats();
        assert!(freed.wal_bytes < 64 << 20, "{freed:?}");
        assert!(freed.wal_waits > held.wal_waits, "{freed:?}");
        let last = store.entries(log.id, log.size - 1, 1, true).await.unwrap();
        assert_eq!(last[0].payload.as_ref().unwrap().sealed.bytes, vec![32; 1 << 20]);
    });
}

#[test]
fn a_snapshot_stays_at_its_moment_beside_the_writer() {
    let Subject::Sqlite(store, dir) = Subject::sqlite() else { panic!() };
    block_on(async {
        let log = system(&store).await;
        store.commit(batch_of(&log, 1, 0, 2)).await.unwrap();
        let snapshot = SqliteStore::open_read_only(dir.path()).unwrap();
        let log = LogRow { size: 2, ..log };
        store.commit(batch_of(&log, 1, 2, 5)).await.unwrap();
        assert_eq!(snapshot.entries(log.id, 0, 100).unwrap().len(), 2);
        assert_eq!(snapshot.logs().unwrap()[0].size, 2);
        let later = SqliteStore::open_read_only(dir.path()).unwrap();
        assert_eq!(later.entries(log.id, 0, 100).unwrap().len(), 7);
    });
}

#[test]
fn nothing_is_written_while_nothing_is_asked() {
    let Subject::Sqlite(store, dir) = Subject::sqlite() else { panic!() };
    block_on(async {
        let log = system(&store).await;
        store.commit(batch_of(&log, 1, 0, 2)).await.unwrap();
        let before = store.stats();
        store.load(log.id, vec![], vec![]).await.unwrap();
        store.ping().await.unwrap();
        store.commit(Batch::after(&log)).await.unwrap_err();
        assert!(!store.checkpoint_put(log.id, vec![], None, 9).await.unwrap());
        assert_eq!(store.stats(), before);
    });
    drop(dir);
}

#[test]
fn the_schema_s_tables_are_enumerated_with_their_keys() {
    let Subject::Sqlite(_store, dir) = Subject::sqlite() else { panic!() };
    let tables = SqliteStore::open_read_only(dir.path()).unwrap().tables().unwrap();
    let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "accounts",
            "budgets",
            "bundles",
            "checkpoints",
            "credentials",
            "definitions",
            "entries",
            "events",
            "evidence",
            "evidence_contents",
            "keys",
            "labels",
            "logs",
            "maintenance",
            "notifiers",
            "overrides",
            "pointers",
            "principals",
            "queues",
            "requests",
            "retention",
            "schedules",
            "settings",
            "signing_secrets",
            "slots",
            "steps",
            "stops",
            "targets",
            "tenants",
            "tiles",
            "transactions",
            "trust"
        ]
    );
    let is_bare = |table: &&Table| table.columns.len() == table.key.len();
    assert!(tables.iter().all(|table| !table.key.is_empty()));
    assert_eq!(tables.iter().filter(is_bare).map(|table| &table.name).collect::<Vec<_>>(), ["labels"]);
    let steps = tables.iter().find(|table| table.name == "steps").unwrap();
    assert_eq!(steps.key, ["transaction_id", "step", "clone"]);
    assert_eq!(steps.columns[3], "status");
}

#[test]
fn a_bad_row_is_named_by_table_column_and_key() {
    for (sql, table, says) in [
        ("UPDATE transactions SET status = 'rubbing'", "transactions", "column `status`"),
        ("UPDATE transactions SET definition_digest = x'00'", "transactions", "column `definition_digest`"),
        ("UPDATE transactions SET started_at = -5", "transactions", "column `started_at`"),
        ("UPDATE steps SET status = 'undo_none'", "steps", "column `status`"),
        ("UPDATE logs SET origin = 'nowhere'", "logs", "column `origin`"),
        ("UPDATE logs SET epoch = -1", "logs", "column `epoch`"),
        ("UPDATE keys SET scope = 'other'", "keys", "column `scope`"),
        ("UPDATE entries SET n = -1 WHERE n = 0", "entries", "column `n`"),
        ("UPDATE principals SET id = 'root'", "principals", "column `id`"),
    ] {
        let Subject::Sqlite(store, dir) = Subject::sqlite() else { panic!() };
        block_on(async {
            let log = system(&store).await;
            let written = Batch {
                transactions: vec![transaction(log.id, 1, "running")],
                steps: vec![step(1, 0, "ready")],
                keys: vec![key(KeyScope::Start, 1, 1)],
                control: vec![ControlRow::Principal(principal_row(1, "{}"))],
                ..batch_of(&log, 1, 0, 2)
            };
            store.commit(written).await.unwrap();
        });
        connect(dir.path()).execute_batch(sql).unwrap();
        let snapshot = SqliteStore::open_read_only(dir.path()).unwrap();
        let error = match table {
            "transactions" => snapshot.transactions(None, 9).unwrap_err(),
            "steps" => snapshot.steps(None, 9).unwrap_err(),
            "logs" => snapshot.logs().unwrap_err(),
            "keys" => snapshot.keys(None, 9).unwrap_err(),
            "entries" => snapshot.entries(LogId(1), 0, 9).unwrap_err(),
            _ => snapshot.principals(None, 9).unwrap_err(),
        };
        assert_eq!(error.kind, Kind::Broken);
        let text = error.to_string();
        assert!(text.starts_with(&format!("{table}: {says} of row (")), "{text}");
        // The store itself says so too where it meets the row.
        if table == "transactions" {
            assert_eq!(block_on(store.load(LogId(1), vec![id(1)], vec![])).unwrap_err().kind, Kind::Broken);
        }
    }
}

/// A row of each table of what belongs to the tenant as a whole.
fn one_of_each() -> Vec<ControlRow> {
    vec![
        ControlRow::Principal(principal_row(1, "{}")),
        ControlRow::Credential(credential(2, true)),
        ControlRow::Definition(definition("order", 1)),
        ControlRow::Bundle(bundle("main", 1)),
        ControlRow::ActiveBundle(bundle("main", 1).digest),
        ControlRow::Target(target(1, "{}")),
        ControlRow::Maintenance(maintenance("{}")),
        ControlRow::Retention(retention("{}")),
        ControlRow::Trust(trust("{}")),
        ControlRow::BundleSigned(bundle("main", 1).digest, "— a b\n".into()),
        ControlRow::Queue(queue(1, "{}")),
        ControlRow::Schedule(schedule(1, "{}")),
        ControlRow::Stop(stop(1, "{}")),
        ControlRow::Budget(budget(1, "{}")),
        ControlRow::Evidence(evidence(1, "{}"), Some(content(1, "{}"))),
        ControlRow::Notifier(notifier(1, "{}")),
        ControlRow::Override(over(1, "{}")),
        ControlRow::Settings(settings(1)),
        ControlRow::SigningSecret(signing_secret(2)),
    ]
}

#[test]
fn every_column_can_be_tampered_with() {
    let Subject::Sqlite(store, dir) = Subject::sqlite() else { panic!() };
    block_on(async {
        let log = system(&store).await;
        let written = Batch {
            transactions: vec![TransactionRow {
                wake_at: Some(time(1)),
                kept: vec![2],
                business_key: Some("key".to_owned()),
                parent: Some(id(9)),
                settings: Some(1),
                ..transaction(log.id, 1, "completed")
            }],
            labels: labels(log.id, 1),
            steps: vec![StepRow {
                output_seq: Some(1),
                undo_seq: Some(2),
                intent_seq: Some(3),
                ..step(1, 0, "dispatched")
            }],
            keys: vec![key(KeyScope::Start, 1, 1)],
            events: vec![EventRow {
                log: log.id,
                seq: log.size,
                event_type: "order.paid".to_owned(),
                subject: Some("order 1".to_owned()),
            }],
            control: one_of_each(),
            requests: vec![request(log.id, 1, 5)],
            accounts: BTreeMap::from([(account(1, "").account, Some(account(1, "{}").body))]),
            ..batch_of(&log, 1, 0, 1)
        };
        store.commit(written).await.unwrap();
        let tile = TileRow { level: 0, index: 0, hashes: vec![1; 32] };
        let checkpoint = CheckpointRow { size: 1, note: "note".to_owned() };
        assert!(store.checkpoint_put(log.id, vec![tile], Some(checkpoint), 1).await.unwrap());
    });
    drop(store);
    let tables = SqliteStore::open_read_only(dir.path()).unwrap().tables().unwrap();
    let before = dump(&SqliteStore::open_read_only(dir.path()).unwrap());
    for table in &tables {
        for column in &table.columns {
            let name = format!("{}.{column}", table.name);
            let flipped = flip_bit(dir.path(), table, column, 0, 0).unwrap();
            // Where there is no key its nonce is empty, and there is no password: there is nothing to flip.
            assert_eq!(flipped, column != "body_nonce" && name != "notifiers.secret", "{name}");
            let snapshot = SqliteStore::open_read_only(dir.path()).unwrap();
            let read = try_dump(&snapshot);
            assert_eq!(read.ok().as_ref() == Some(&before), !flipped, "{name}");
            drop(snapshot);
            if flipped {
                assert!(flip_bit(dir.path(), table, column, 0, 0).unwrap(), "{name}");
            }
        }
    }
    assert_eq!(dump(&SqliteStore::open_read_only(dir.path()).unwrap()), before);
    let bundles = tables.iter().find(|table| table.name == "bundles").unwrap();
    assert!(!flip_bit(dir.path(), bundles, "name", 1, 0).unwrap());
    assert_eq!(flip_bit(dir.path(), bundles, "nothing", 0, 0).unwrap_err().kind, Kind::Missing);
}

#[test]
fn every_word_of_the_engine_is_known() {
    let transactions: Vec<_> = ShownStatus::ALL.iter().map(|status| status.word()).collect();
    assert_eq!(words::TRANSACTION_STATUSES, transactions);
    let steps = StepStatus::ALL.iter().map(|status| status.word().to_owned());
    let undos = UndoStatus::ALL.iter().filter(|status| **status != UndoStatus::None);
    // A confirm is neither left nor marked: one that failed waits for a person.
    let confirms = undos.clone().filter(|status| !matches!(status, UndoStatus::Marked | UndoStatus::Skipped));
    let undos = undos.map(|status| format!("undo_{}", status.word()));
    let confirms = confirms.map(|status| format!("confirm_{}", status.word()));
    let steps: Vec<_> = steps.chain(undos).chain(confirms).collect();
    assert_eq!(words::STEP_STATUSES, steps);
}
