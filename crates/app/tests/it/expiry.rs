//! Transactions that have expired: what still is said of them.

use crate::house::{Calls, House, config, services};
use chancery_app::receipts::{self, Subject};
use chancery_app::transactions;
use chancery_app::verify::{self, Options};
use chancery_app::{Config, Error, Page, data, operations, retention};
use chancery_base::{Kind, TransactionId};
use chancery_engine::Phase;
use chancery_ledger::{Keys, Receipt};
use chancery_policy::Action;
use chancery_shard::retention::Expiry;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A node that keeps nothing that has ended.
fn soon() -> Config {
    let every = Duration::from_millis(20);
    Config { expiry: Expiry { every, retention: Duration::ZERO, pause: every, ..Expiry::NIGHTLY }, ..config() }
}

async fn gone(house: &House, id: TransactionId) -> Error {
    let grant = house.granted(Action::TransactionRead).await;
    loop {
        match transactions::get(&house.app, &grant, id).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => return error,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_says_so_and_its_history_and_receipts_stay() {
    let calls = Arc::new(Calls::default());
    let house = House::new(services(&calls)).await;
    let id = house.start(json!({"sku": "tea"}), Some("k-1")).await.unwrap();
    house.wait(id).await;
    assert_eq!(house.start(json!({"sku": "tea"}), Some("k-1")).await.unwrap(), id);

    let house = house.reopened(soon()).await;
    let error = gone(&house, id).await;
    assert!(matches!(error, Error::Expired(expired) if expired == id), "{error}");
    assert_eq!(error.kind(), Kind::Missing);
    let cancel = house.granted(Action::TransactionCancel).await;
    let refused = operations::cancel(&house.app, &cancel, id, String::new()).await.unwrap_err();
    assert!(matches!(refused, Error::Expired(_)), "{refused}");
    let never = TransactionId::from_bytes([1; 16]);
    let unknown = transactions::get(&house.app, &cancel, never).await.unwrap_err();
    assert!(!matches!(unknown, Error::Expired(_)), "{unknown}");

    let read = house.granted(Action::TransactionRead).await;
    let history = transactions::history(&house.app, &read, id, Page { after: None, limit: 100 }).await.unwrap();
    assert!(history.items.len() > 4 && history.items.last().unwrap().record.contains("\"last\":true"));
    let keys = Keys::one(data::verifier_key(&house.data_dir()).unwrap());
    let grant = house.granted(Action::ReceiptRead).await;
    let step = |step: &str| Subject::Step { transaction: id, step: step.to_owned(), phase: Phase::Do };
    for subject in [Subject::Transaction(id), step("charge")] {
        let receipt = receipts::json(&house.app, &grant, &subject).await.unwrap();
        Receipt::parse(&receipt).unwrap().verify(&keys).unwrap();
    }
    let unknown = receipts::json(&house.app, &grant, &step("other")).await.unwrap_err();
    assert_eq!(unknown.kind(), Kind::Missing);

    // Its key is free.
    let again = house.start(json!({"sku": "tea"}), Some("k-1")).await.unwrap();
    assert_ne!(again, id);
    let view = retention::get(&house.app, &house.granted(Action::RetentionRead).await).await.unwrap();
    assert_eq!((view.transactions, view.is_set), (Duration::ZERO, false));
    assert!(view.last.is_some());
    house.app.shutdown().await.unwrap();
    let dir = house.data_dir();
    verify::run(&dir, &Options::default(), &mut |_| ()).unwrap();
}
