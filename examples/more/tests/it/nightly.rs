//! Interest for every account, whatever becomes of one of them.

use crate::breaks::{Break, Breaks, Place};
use crate::examples::{all_or_nothing, books, handlers, replaced};
use crate::house::{House, STARTER, balance, definition, money, name};
use chancery_sdk::Start;
use chancery_sdk::api::transaction::Status;
use serde_json::json;

#[tokio::test]
async fn a_night_leaves_out_who_can_t_be_paid_or_pays_nobody() {
    let nightly = definition("nightly.yaml");
    let strict = replaced(&all_or_nothing(&nightly), "name: nightly", "name: strict");
    let house = House::new(STARTER, &[nightly, strict], &[]).await;
    let data = tempfile::tempdir().unwrap();
    let worker = house.work(&Breaks::default(), |worker| handlers(worker, data.path()));
    let before = books(data.path());
    let input = json!({"night": "2026-11-28", "accounts": ["ann", "frozen", "ben", "nobody", "cleo"]});

    let undone = house.run(&Start::new(name("strict"), input.clone())).await;
    assert_eq!(undone.status, Status::Compensated, "{undone:?}");
    assert_eq!(books(data.path()), before, "what the others got is taken back");

    let paid = house.run(&Start::new(name("nightly"), input)).await;
    assert_eq!(paid.status, Status::Completed, "{paid:?}");
    let got = |account: &str, amount: i64| json!({"account": account, "amount": amount});
    let interest = json!([got("ann", 5_000), null, got("ben", 200), null, got("cleo", 800)]);
    assert_eq!(paid.output, Some(json!({"interest": interest})));
    let clones = house.client.clones(paid.id, &name("interest")).all().await.unwrap();
    let errors: Vec<_> = clones.into_iter().map(|clone| clone.error.map(|error| error.error_type)).collect();
    let error = |kind: &str| Some(kind.to_owned());
    assert_eq!(errors, [None, error("Frozen"), None, error("NoAccount"), None]);
    let after = books(data.path());
    assert_eq!(after["bank"]["reports"], json!([["2026-11-28", 3, 2]]));
    assert_eq!(balance(&after, "ben"), balance(&before, "ben") + 200);
    assert_eq!((balance(&after, "frozen"), money(&after)), (balance(&before, "frozen"), money(&before)));

    // A night without a list of accounts fails.
    let none = house.run(&Start::new(name("nightly"), json!({"night": "2026-11-29", "accounts": null}))).await;
    assert_eq!((none.status, books(data.path())), (Status::Failed, after));
    worker.end().await;
}

/// Whose payment is refused, or is lost on the way, does not hold up the others; what is lost was paid all the same,
/// and shows as unknown.
#[tokio::test]
async fn each_account_by_itself_may_fail() {
    let house = House::new(STARTER, &[definition("nightly.yaml")], &[]).await;
    let accounts = ["ann", "ben", "cleo"];
    for (index, account) in (0..).zip(accounts) {
        for what in [Break::Refuse, Break::Lose] {
            let data = tempfile::tempdir().unwrap();
            let breaks = Breaks::new(&[(Place { name: "account.interest", index: Some(index) }, what)]);
            let worker = house.work(&breaks, |worker| handlers(worker, data.path()));
            let before = books(data.path());
            let start = Start::new(name("nightly"), json!({"night": "n", "accounts": accounts}));
            let ended = house.run(&start).await;
            worker.end().await;
            breaks.assert_met();
            assert_eq!(ended.status, Status::Completed, "{account}: {ended:?}");
            let after = books(data.path());
            assert_eq!((&after["bank"]["reports"], money(&after)), (&json!([["n", 2, 1]]), money(&before)));
            for other in accounts {
                let is_paid = balance(&after, other) > balance(&before, other);
                assert_eq!(is_paid, other != account || what == Break::Lose, "{what:?} {account}: {other}");
            }
        }
    }
}
