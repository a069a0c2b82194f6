//! Money from one account to another, with somebody's leave where it is much.

use crate::breaks::Breaks;
use crate::examples::{approval, books, handlers};
use crate::house::{House, Running, STARTER, balance, definition, money, name};
use chancery_sdk::Start;
use chancery_sdk::api::transaction::{Status, Transaction};
use serde_json::{Value, json};
use tempfile::TempDir;

/// More than may be sent without leave.
const MUCH: i64 = 150_000;

struct Bank {
    house: House,
    data: TempDir,
    worker: Running,
}

impl Bank {
    async fn new() -> Self {
        let house = House::new(STARTER, &[definition("transfer.yaml")], &[]).await;
        let data = tempfile::tempdir().unwrap();
        let worker = house.work(&Breaks::default(), |worker| handlers(worker, data.path()));
        Self { house, data, worker }
    }

    fn books(&self) -> Value {
        books(self.data.path())
    }

    fn balances(&self) -> (i64, i64) {
        let books = self.books();
        (balance(&books, "ann"), balance(&books, "ben"))
    }

    /// A transfer that began; the payer's debit may not be done yet.
    async fn begin(&self, start: &Start) -> Transaction {
        let started = self.house.client.start(start).await.unwrap();
        self.house.client.get(started.id).await.unwrap()
    }
}

fn transfer(to: &str, amount: i64, patience: &str) -> Start {
    let input = json!({"transfer": "p-1", "from": "ann", "to": to, "amount": amount, "patience": patience});
    Start::new(name("transfer"), input)
}

#[tokio::test]
async fn money_arrives_or_comes_back() {
    let bank = Bank::new().await;
    let (all, (ann, ben)) = (money(&bank.books()), bank.balances());

    // Little goes without leave.
    let little = bank.house.run(&transfer("ben", 100, "1h")).await;
    assert_eq!((little.status, little.output), (Status::Completed, Some(json!({"amount": 100}))));
    assert_eq!((bank.balances(), money(&bank.books())), ((ann - 100, ben + 100), all));

    // Much waits for somebody to approve it, with the money taken.
    let much = bank.begin(&transfer("ben", MUCH, "1h")).await;
    bank.house.client.signal(much.id, &approval(true)).await.unwrap();
    let ended = bank.house.ended(much.id).await;
    assert_eq!(ended.output, Some(json!({"amount": MUCH, "approved_by": "Ada"})), "{ended:?}");
    assert_eq!((bank.balances(), money(&bank.books())), ((ann - 100 - MUCH, ben + 100 + MUCH), all));

    // What fails from here on leaves all as it is now.
    let before = bank.books();
    let check = |case: &str, ended: &Transaction, error: &str| {
        assert_eq!(ended.status, Status::Compensated, "{case}: {ended:?}");
        let cause = ended.cause.as_ref().and_then(|cause| cause.error.as_ref()).unwrap();
        assert_eq!(cause.error_type, error, "{case}");
        assert_eq!(bank.books(), before, "{case}");
    };
    let refused = bank.begin(&transfer("ben", MUCH, "1h")).await;
    bank.house.client.signal(refused.id, &approval(false)).await.unwrap();
    check("refused", &bank.house.ended(refused.id).await, "NotApproved");

    check("nobody says anything", &bank.house.run(&transfer("ben", MUCH, "20ms")).await, "SignalTimeout");
    check("nobody is there to get it", &bank.house.run(&transfer("nobody", 100, "1h")).await, "NoAccount");
    check("who gets it is frozen", &bank.house.run(&transfer("frozen", 100, "1h")).await, "Frozen");

    // Where nothing was taken there is nothing to undo.
    let poor = bank.house.run(&transfer("ben", MUCH * 3, "1h").signal(approval(true))).await;
    assert_eq!((poor.status, bank.books()), (Status::Failed, before));
    bank.worker.end().await;
}
