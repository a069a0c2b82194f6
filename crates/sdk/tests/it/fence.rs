//! The fence under every order of events: two connections to one real database, whose transactions interleave.

use chancery_sdk::fence::sqlite::{self, Confirm, FenceError, Forward, Undo};
use proptest::prelude::*;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const KEYS: [&str; 2] = ["a/step", "b/step"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Do,
    Undo,
    Confirm,
}

/// One call of the participant: what arrives, on which key, and whether the process dies before it commits.
#[derive(Debug, Clone)]
struct Visit {
    call: Call,
    key: usize,
    commits: bool,
    immediate: bool,
}

/// What must be so after the calls that committed, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    rows: BTreeMap<usize, Row>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Row {
    /// The result if it was done.
    done: Option<Value>,
    undone: bool,
    confirmed: bool,
}

/// What a call answered.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Permitted,
    AlreadyDone(Value),
    Refused,
    Undid(Value),
    NothingDone,
    AlreadyUndone,
    Confirmed(Value),
    AlreadyConfirmed,
    /// An undo after its confirm.
    TooLate,
    Busy,
}

impl Model {
    fn answer(&mut self, visit: &Visit, result: &Value) -> Answer {
        let mut row = self.rows.get(&visit.key).cloned().unwrap_or_default();
        let answer = match (visit.call, row.done.clone()) {
            (Call::Do, _) if row.undone => Answer::Refused,
            (Call::Do, Some(done)) => Answer::AlreadyDone(done),
            (Call::Do, None) => {
                row.done = Some(result.clone());
                Answer::Permitted
            }
            (Call::Undo, _) if row.undone => Answer::AlreadyUndone,
            (Call::Undo, _) if row.confirmed => Answer::TooLate,
            (Call::Undo, done) => {
                row.undone = true;
                done.map_or(Answer::NothingDone, Answer::Undid)
            }
            (Call::Confirm, Some(done)) if !row.undone => {
                let was_confirmed = std::mem::replace(&mut row.confirmed, true);
                if was_confirmed { Answer::AlreadyConfirmed } else { Answer::Confirmed(done) }
            }
            (Call::Confirm, _) => Answer::Refused,
        };
        if visit.commits {
            self.rows.insert(visit.key, row);
        }
        answer
    }

    fn stock(&self) -> i64 {
        let held = self.rows.values().filter(|row| row.done.is_some() && !row.undone).count();
        100 - i64::try_from(held).unwrap()
    }

    fn sold(&self) -> i64 {
        i64::try_from(self.rows.values().filter(|row| row.confirmed).count()).unwrap()
    }
}

fn open(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.busy_timeout(Duration::ZERO).unwrap();
    db
}

fn set_up(path: &Path, journal: &str) {
    let db = open(path);
    db.pragma_update(None, "journal_mode", journal).unwrap();
    db.execute_batch("CREATE TABLE stock (count INTEGER, sold INTEGER); INSERT INTO stock VALUES (100, 0);").unwrap();
    sqlite::prepare(&db).unwrap();
    sqlite::prepare(&db).unwrap();
}

fn begin<'c>(db: &'c mut Connection, visit: &Visit) -> Option<Transaction<'c>> {
    let behavior = if visit.immediate { TransactionBehavior::Immediate } else { TransactionBehavior::Deferred };
    db.transaction_with_behavior(behavior).ok()
}

fn change_stock(tx: &Transaction<'_>, by: i64) {
    tx.execute("UPDATE stock SET count = count + ?1", [by]).unwrap();
}

/// What a participant does in its transaction.
fn act(tx: &Transaction<'_>, visit: &Visit, result: &Value) -> Answer {
    let key = KEYS[visit.key];
    match visit.call {
        Call::Do => match sqlite::forward(tx, key) {
            Ok(Forward::Permit(permit)) => {
                change_stock(tx, -1);
                permit.done(result.clone()).unwrap();
                Answer::Permitted
            }
            Ok(Forward::AlreadyDone(result)) => Answer::AlreadyDone(result),
            Ok(Forward::Refused) => Answer::Refused,
            Err(FenceError::Database { .. }) => Answer::Busy,
            Err(error) => panic!("{error}"),
        },
        Call::Undo => match sqlite::undo(tx, key) {
            Ok(Undo::Needed { result }) => {
                change_stock(tx, 1);
                Answer::Undid(result)
            }
            Ok(Undo::NothingDone) => Answer::NothingDone,
            Ok(Undo::AlreadyUndone) => Answer::AlreadyUndone,
            Err(FenceError::Confirmed(_)) => Answer::TooLate,
            Err(FenceError::Database { .. }) => Answer::Busy,
            Err(error) => panic!("{error}"),
        },
        Call::Confirm => match sqlite::confirm(tx, key) {
            Ok(Confirm::Needed { result }) => {
                tx.execute("UPDATE stock SET sold = sold + 1", []).unwrap();
                Answer::Confirmed(result)
            }
            Ok(Confirm::AlreadyConfirmed) => Answer::AlreadyConfirmed,
            Ok(Confirm::Refused) => Answer::Refused,
            Err(FenceError::Database { .. }) => Answer::Busy,
            Err(error) => panic!("{error}"),
        },
    }
}

fn stock(path: &Path) -> i64 {
    open(path).query_row("SELECT count FROM stock", [], |row| row.get(0)).unwrap()
}

fn sold(path: &Path) -> i64 {
    open(path).query_row("SELECT sold FROM stock", [], |row| row.get(0)).unwrap()
}

fn end(tx: Transaction<'_>, commits: bool) -> bool {
    if commits { tx.commit().is_ok() } else { tx.rollback().is_ok() }
}

/// Runs two participants whose calls overlap as `overlap` says: after the first began and acted, the second begins
/// and acts, and only then the first ends.
fn run(journal: &str, pairs: &[(Visit, Visit, bool)]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("participant.db");
    set_up(&path, journal);
    let (mut left, mut right) = (open(&path), open(&path));
    let mut model = Model::default();
    for (number, (first, second, overlap)) in pairs.iter().enumerate() {
        let results = [json!({"call": number, "by": "left"}), json!({"call": number, "by": "right"})];
        let tx = begin(&mut left, first).expect("nobody else is in a transaction");
        let answer = act(&tx, first, &results[0]);
        if *overlap {
            let other = begin(&mut right, second).map(|tx| {
                let answer = act(&tx, second, &results[1]);
                // The first one holds the write lock since its fence, so the second can do nothing.
                assert_eq!(answer, Answer::Busy);
                tx.rollback().unwrap();
            });
            assert!(other.is_some() != second.immediate, "a second immediate transaction must not begin");
        }
        assert_eq!(answer, model.answer(first, &results[0]));
        assert!(end(tx, first.commits));
        let tx = begin(&mut right, second).expect("the first one ended");
        assert_eq!(act(&tx, second, &results[1]), model.answer(second, &results[1]));
        assert!(end(tx, second.commits));
        assert_eq!((stock(&path), sold(&path)), (model.stock(), model.sold()));
    }
}

fn visits() -> impl Strategy<Value = Visit> {
    let call = prop_oneof![Just(Call::Do), Just(Call::Undo), Just(Call::Confirm)];
    (call, 0..KEYS.len(), prop::bool::weighted(0.8), any::<bool>()).prop_map(|(call, key, commits, immediate)| Visit {
        call,
        key,
        commits,
        immediate,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_agrees_with_the_model(
        pairs in prop::collection::vec((visits(), visits(), any::<bool>()), 1..12),
        wal in any::<bool>(),
    ) {
        run(if wal { "wal" } else { "delete" }, &pairs);
    }
}

/// The cases of the table in the documentation, one by one.
#[test]
fn the_table_of_cases_holds() {
    let visit = |call| Visit { call, key: 0, commits: true, immediate: false };
    let check = |calls: &[Call], wanted: &[Answer], stock_after: i64| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("participant.db");
        set_up(&path, "wal");
        let mut db = open(&path);
        let answers: Vec<Answer> = calls
            .iter()
            .map(|call| {
                let tx = begin(&mut db, &visit(*call)).unwrap();
                let answer = act(&tx, &visit(*call), &json!(1));
                tx.commit().unwrap();
                answer
            })
            .collect();
        assert_eq!(answers, wanted, "{calls:?}");
        assert_eq!(stock(&path), stock_after, "{calls:?}");
    };
    check(&[Call::Do], &[Answer::Permitted], 99);
    check(&[Call::Do, Call::Do], &[Answer::Permitted, Answer::AlreadyDone(json!(1))], 99);
    check(&[Call::Do, Call::Undo], &[Answer::Permitted, Answer::Undid(json!(1))], 100);
    check(&[Call::Undo], &[Answer::NothingDone], 100);
    check(&[Call::Undo, Call::Undo], &[Answer::NothingDone, Answer::AlreadyUndone], 100);
    check(&[Call::Undo, Call::Do], &[Answer::NothingDone, Answer::Refused], 100);
    check(
        &[Call::Do, Call::Undo, Call::Undo, Call::Do],
        &[Answer::Permitted, Answer::Undid(json!(1)), Answer::AlreadyUndone, Answer::Refused],
        100,
    );
    let done = Answer::AlreadyDone(json!(1));
    check(
        &[Call::Do, Call::Confirm, Call::Confirm, Call::Do, Call::Undo],
        &[Answer::Permitted, Answer::Confirmed(json!(1)), Answer::AlreadyConfirmed, done, Answer::TooLate],
        99,
    );
    check(&[Call::Confirm, Call::Do], &[Answer::Refused, Answer::Permitted], 99);
    check(&[Call::Undo, Call::Confirm, Call::Do], &[Answer::NothingDone, Answer::Refused, Answer::Refused], 100);
}

/// An undo that arrives while its do runs waits for it and then finds it, on threads and with real waiting.
#[test]
fn an_undo_during_its_do_waits_and_then_undoes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("participant.db");
    set_up(&path, "wal");
    let mut db = open(&path);
    let tx = db.transaction().unwrap();
    let Forward::Permit(permit) = sqlite::forward(&tx, KEYS[0]).unwrap() else { panic!("the first do is permitted") };
    change_stock(&tx, -1);
    let (began, begins) = std::sync::mpsc::channel();
    let undoing = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut db = Connection::open(&path).unwrap();
            db.busy_timeout(Duration::from_secs(30)).unwrap();
            began.send(()).unwrap();
            let tx = db.transaction().unwrap();
            let answer = sqlite::undo(&tx, KEYS[0]).unwrap();
            if let Undo::Needed { .. } = answer {
                change_stock(&tx, 1);
            }
            tx.commit().unwrap();
            answer
        }
    });
    begins.recv().unwrap();
    permit.done(json!("done")).unwrap();
    tx.commit().unwrap();
    assert_eq!(undoing.join().unwrap(), Undo::Needed { result: json!("done") });
    assert_eq!(stock(&path), 100);
}

/// Ten threads bring copies of one do; it happens once, and all get the same answer.
#[test]
fn copies_of_a_do_happen_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("participant.db");
    set_up(&path, "wal");
    let threads: Vec<_> = (0..10)
        .map(|number| {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut db = Connection::open(&path).unwrap();
                db.busy_timeout(Duration::from_secs(30)).unwrap();
                let tx = db.transaction().unwrap();
                let result = match sqlite::forward(&tx, KEYS[0]).unwrap() {
                    Forward::Permit(permit) => {
                        change_stock(&tx, -1);
                        permit.done(json!(number)).unwrap()
                    }
                    Forward::AlreadyDone(result) => result,
                    Forward::Refused => panic!("nobody undid it"),
                };
                tx.commit().unwrap();
                result
            })
        })
        .collect();
    let results: Vec<Value> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(results.iter().all(|result| result == &results[0]), "{results:?}");
    assert_eq!(stock(&path), 99);
}

/// A permit whose result nobody recorded still counts as done.
#[test]
fn a_permit_without_a_result_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("participant.db");
    set_up(&path, "wal");
    let mut db = open(&path);
    let tx = db.transaction().unwrap();
    assert!(matches!(sqlite::forward(&tx, KEYS[0]).unwrap(), Forward::Permit(_)));
    tx.commit().unwrap();
    let tx = db.transaction().unwrap();
    assert!(matches!(sqlite::forward(&tx, KEYS[0]).unwrap(), Forward::AlreadyDone(Value::Null)));
}

#[test]
fn bad_keys_and_large_results_are_refused() {
    let mut db = Connection::open_in_memory().unwrap();
    sqlite::prepare(&db).unwrap();
    let tx = db.transaction().unwrap();
    assert!(matches!(sqlite::forward(&tx, ""), Err(FenceError::Key(0))));
    assert!(matches!(sqlite::undo(&tx, &"k".repeat(4_097)), Err(FenceError::Key(4097))));
    let Forward::Permit(permit) = sqlite::forward(&tx, &"k".repeat(512)).unwrap() else { panic!("it is the first") };
    let large = json!("x".repeat(1 << 20));
    assert!(matches!(permit.done(large), Err(FenceError::ResultTooLarge(_))));
}

#[test]
fn keys_as_long_as_a_server_gives_are_told_apart() {
    let mut db = Connection::open_in_memory().unwrap();
    sqlite::prepare(&db).unwrap();
    let [one, other] = ["a", "b"].map(|end| format!("{}/{end}", "k".repeat(4_000)));
    let tx = db.transaction().unwrap();
    let Forward::Permit(permit) = sqlite::forward(&tx, &one).unwrap() else { panic!("it is the first") };
    permit.done(json!(7)).unwrap();
    assert!(matches!(sqlite::forward(&tx, &one).unwrap(), Forward::AlreadyDone(result) if result == json!(7)));
    assert!(matches!(sqlite::undo(&tx, &other).unwrap(), Undo::NothingDone));
    assert!(matches!(sqlite::undo(&tx, &one).unwrap(), Undo::Needed { result } if result == json!(7)));
}
