//! The fence in a real PostgreSQL, whose transactions run at once.

use crate::postgres_server::Server;
use chancery_sdk::fence::postgres::{self, Confirm, FenceError, Forward, Undo};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, IsolationLevel, NoTls, Transaction};

const KEY: &str = "a/step";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Do,
    Undo,
    Confirm,
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
}

/// A participant's database: a stock of 100 and the fence.
struct Database {
    _server: Arc<Server>,
    url: String,
}

async fn database() -> Database {
    let server = Server::shared();
    let url = server.url(&server.database("template0"));
    let made = Database { _server: server, url };
    let db = made.connect().await;
    db.batch_execute("CREATE TABLE stock (count bigint); INSERT INTO stock VALUES (100)").await.unwrap();
    postgres::prepare(&db).await.unwrap();
    postgres::prepare(&db).await.unwrap();
    made
}

impl Database {
    async fn connect(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        drop(spawn(connection));
        client
    }

    async fn stock(&self) -> i64 {
        self.connect().await.query_one("SELECT count FROM stock", &[]).await.unwrap().get(0)
    }

    /// Waits until so many sessions wait for a lock.
    async fn waits(&self, count: i64) {
        let db = self.connect().await;
        let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND wait_event_type = 'Lock'";
        for _ in 0..3_000 {
            if db.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{count} sessions never wait");
    }

    /// A call in a transaction of its own, as a task.
    async fn spawn(&self, call: Call, result: Value) -> JoinHandle<Answer> {
        let mut db = self.connect().await;
        spawn(async move { visit(&mut db, call, &result, true).await })
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no shutdown that would wait for tasks")]
fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

async fn act(tx: &Transaction<'_>, call: Call, result: &Value) -> Result<Answer, FenceError> {
    let change = async |by: i64| tx.execute("UPDATE stock SET count = count + $1", &[&by]).await.unwrap();
    Ok(match call {
        Call::Do => match postgres::forward(tx, KEY).await? {
            Forward::Permit(permit) => {
                change(-1).await;
                permit.done(result.clone()).await?;
                Answer::Permitted
            }
            Forward::AlreadyDone(result) => Answer::AlreadyDone(result),
            Forward::Refused => Answer::Refused,
        },
        Call::Undo => match postgres::undo(tx, KEY).await {
            Ok(Undo::Needed { result }) => {
                change(1).await;
                Answer::Undid(result)
            }
            Ok(Undo::NothingDone) => Answer::NothingDone,
            Ok(Undo::AlreadyUndone) => Answer::AlreadyUndone,
            Err(FenceError::Confirmed(_)) => Answer::TooLate,
            Err(error) => return Err(error),
        },
        Call::Confirm => match postgres::confirm(tx, KEY).await? {
            Confirm::Needed { result } => Answer::Confirmed(result),
            Confirm::AlreadyConfirmed => Answer::AlreadyConfirmed,
            Confirm::Refused => Answer::Refused,
        },
    })
}

async fn visit(db: &mut Client, call: Call, result: &Value, commits: bool) -> Answer {
    let tx = db.transaction().await.unwrap();
    let answer = act(&tx, call, result).await.unwrap();
    // What the fence had to refuse is rolled back, as its documentation says.
    if commits && answer != Answer::TooLate {
        tx.commit().await.unwrap()
    } else {
        tx.rollback().await.unwrap()
    }
    answer
}

#[tokio::test]
async fn the_table_of_cases_holds() {
    let done = || Answer::AlreadyDone(json!(1));
    let undid = || Answer::Undid(json!(1));
    for (calls, wanted, stock) in [
        (vec![Call::Do], vec![Answer::Permitted], 99),
        (vec![Call::Do, Call::Do], vec![Answer::Permitted, done()], 99),
        (vec![Call::Do, Call::Undo], vec![Answer::Permitted, undid()], 100),
        (vec![Call::Undo], vec![Answer::NothingDone], 100),
        (vec![Call::Undo, Call::Undo], vec![Answer::NothingDone, Answer::AlreadyUndone], 100),
        (vec![Call::Undo, Call::Do], vec![Answer::NothingDone, Answer::Refused], 100),
        (
            vec![Call::Do, Call::Undo, Call::Undo, Call::Do],
            vec![Answer::Permitted, undid(), Answer::AlreadyUndone, Answer::Refused],
            100,
        ),
        (
            vec![Call::Do, Call::Confirm, Call::Confirm, Call::Undo, Call::Do],
            vec![Answer::Permitted, Answer::Confirmed(json!(1)), Answer::AlreadyConfirmed, Answer::TooLate, done()],
            99,
        ),
        (vec![Call::Confirm, Call::Do], vec![Answer::Refused, Answer::Permitted], 99),
        (vec![Call::Undo, Call::Confirm, Call::Do], vec![Answer::NothingDone, Answer::Refused, Answer::Refused], 100),
    ] {
        let database = database().await;
        let mut db = database.connect().await;
        let mut answers = Vec::new();
        for call in &calls {
            // Whoever dies before it commits has asked nothing.
            visit(&mut db, *call, &json!("rolled back"), false).await;
            answers.push(visit(&mut db, *call, &json!(1), true).await);
        }
        assert_eq!(answers, wanted, "{calls:?}");
        assert_eq!(database.stock().await, stock, "{calls:?}");
    }
}

/// What arrives while another call of the key is under way waits for that, and then answers as if it came after.
#[tokio::test]
async fn what_comes_meanwhile_waits() {
    for (before, first, second, commits, wanted, stock) in [
        (None, Call::Do, Call::Do, true, Answer::AlreadyDone(json!(1)), 99),
        (None, Call::Do, Call::Do, false, Answer::Permitted, 99),
        (None, Call::Do, Call::Undo, true, Answer::Undid(json!(1)), 100),
        (None, Call::Do, Call::Undo, false, Answer::NothingDone, 100),
        (None, Call::Undo, Call::Do, true, Answer::Refused, 100),
        (None, Call::Undo, Call::Do, false, Answer::Permitted, 99),
        (Some(Call::Do), Call::Undo, Call::Undo, true, Answer::AlreadyUndone, 100),
        (Some(Call::Do), Call::Undo, Call::Undo, false, Answer::Undid(json!(0)), 100),
        (Some(Call::Do), Call::Undo, Call::Do, true, Answer::Refused, 100),
        (Some(Call::Do), Call::Undo, Call::Do, false, Answer::AlreadyDone(json!(0)), 99),
        (Some(Call::Do), Call::Confirm, Call::Confirm, true, Answer::AlreadyConfirmed, 99),
        (Some(Call::Do), Call::Confirm, Call::Confirm, false, Answer::Confirmed(json!(0)), 99),
        (Some(Call::Do), Call::Confirm, Call::Undo, true, Answer::TooLate, 99),
        (Some(Call::Do), Call::Undo, Call::Confirm, true, Answer::Refused, 100),
    ] {
        let case = format!("{before:?}, then {second:?} during {first:?}, which commits: {commits}");
        let database = database().await;
        let mut db = database.connect().await;
        if let Some(before) = before {
            visit(&mut db, before, &json!(0), true).await;
        }
        let tx = db.transaction().await.unwrap();
        act(&tx, first, &json!(1)).await.unwrap();
        let other = database.spawn(second, json!(2)).await;
        database.waits(1).await;
        assert!(!other.is_finished(), "{case}");
        if commits {
            tx.commit().await.unwrap()
        } else {
            tx.rollback().await.unwrap()
        }
        assert_eq!(other.await.unwrap(), wanted, "{case}");
        assert_eq!(database.stock().await, stock, "{case}");
    }
}

/// Ten copies of one do at once; it happens once, and all get the same answer. So with its undo.
#[tokio::test]
async fn copies_of_a_call_happen_once() {
    let database = database().await;
    for (call, stock) in [(Call::Do, 99), (Call::Undo, 100)] {
        let mut tasks = Vec::new();
        for number in 0..10 {
            tasks.push(database.spawn(call, json!(number)).await);
        }
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        let first = |answer: &&Answer| matches!(answer, Answer::Permitted | Answer::Undid(_));
        assert_eq!(answers.iter().filter(first).count(), 1, "{answers:?}");
        let mut others: Vec<_> = answers.iter().filter(|answer| !first(answer)).collect();
        others.dedup();
        assert_eq!(others.len(), 1, "{answers:?}");
        assert_eq!(database.stock().await, stock);
    }
}

/// Under a stricter isolation a copy fails, or else it would not see the first.
#[tokio::test]
async fn a_stricter_isolation_fails_rather_than_doing_it_twice() {
    for level in [IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        let database = database().await;
        let (mut one, mut two) = (database.connect().await, database.connect().await);
        let tx = two.build_transaction().isolation_level(level).start().await.unwrap();
        // Its moment is before the other's commit.
        tx.query("SELECT count FROM stock", &[]).await.unwrap();
        assert_eq!(visit(&mut one, Call::Do, &json!(1), true).await, Answer::Permitted);
        let error = act(&tx, Call::Do, &json!(2)).await.unwrap_err();
        assert_eq!(error.kind(), chancery_sdk::Kind::Busy, "{error}");
        tx.rollback().await.unwrap();
        let tx = two.build_transaction().isolation_level(level).start().await.unwrap();
        assert_eq!(act(&tx, Call::Do, &json!(2)).await.unwrap(), Answer::AlreadyDone(json!(1)));
        tx.commit().await.unwrap();
        assert_eq!(database.stock().await, 99);
    }
}

#[tokio::test]
async fn what_is_out_of_range_is_refused_and_what_is_unrecorded_is_null() {
    let database = database().await;
    let mut db = database.connect().await;
    let tx = db.transaction().await.unwrap();
    assert!(matches!(postgres::forward(&tx, "").await, Err(FenceError::Key(0))));
    assert!(matches!(postgres::undo(&tx, &"k".repeat(4_097)).await, Err(FenceError::Key(4097))));
    let Forward::Permit(permit) = postgres::forward(&tx, &"k".repeat(512)).await.unwrap() else {
        panic!("it is the first")
    };
    let large = json!("x".repeat(1 << 20));
    assert!(matches!(permit.done(large).await, Err(FenceError::ResultTooLarge(_))));
    assert!(matches!(postgres::forward(&tx, KEY).await.unwrap(), Forward::Permit(_)));
    tx.commit().await.unwrap();
    let tx = db.transaction().await.unwrap();
    assert!(matches!(postgres::forward(&tx, KEY).await.unwrap(), Forward::AlreadyDone(Value::Null)));
    tx.batch_execute("UPDATE chancery_fence SET result = '{' ").await.unwrap();
    assert!(matches!(postgres::forward(&tx, KEY).await, Err(FenceError::Damaged(_))));
}
