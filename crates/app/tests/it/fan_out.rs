//! Steps that fan out, as callers see them.

use crate::house::{Calls, House, name, services};
use chancery_app::receipts::{self, Subject};
use chancery_app::transactions::{self, Start};
use chancery_app::{Error, Page, operations};
use chancery_base::TransactionId;
use chancery_engine::Phase;
use chancery_policy::Action;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const FAN: &str = r#"
name: fan
version: 1
steps:
  - id: first
    run: {worker: reserve}
    pivot: true
  - id: each
    after: [first]
    each: "${{ input.list }}"
    concurrency: 2
    run: {worker: charge}
    with: "${{ item }}"
    retry: {attempts: 1}
output: {charged: "${{ steps.each.output.map(one, one.charged) }}"}
"#;

async fn start(house: &House, list: Value) -> TransactionId {
    let grant = house.granted(Action::TransactionStart).await;
    let start = Start { definition: name("fan"), ..House::order(json!({ "list": list }), None) };
    transactions::start(&house.app, &grant, start).await.unwrap().id
}

async fn clones(house: &House, id: TransactionId, step: &str, page: Page<u32>) -> Result<(Vec<String>, bool), Error> {
    let grant = house.granted(Action::TransactionRead).await;
    let found = transactions::clones(&house.app, &grant, id, &name(step), page).await?;
    let told = |view: &transactions::StepView| format!("{}: {}", view.index.unwrap(), view.status.word());
    Ok((found.items.iter().map(told).collect(), found.next.is_some()))
}

#[tokio::test(flavor = "multi_thread")]
async fn clones_are_counted_listed_and_proven() {
    let house = House::new(services(&Arc::new(Calls::default()))).await;
    house.register(FAN).await;
    let id = start(&house, json!([{"total": 1}, {"total": 2}, {"total": 3}])).await;
    let view = house.wait(id).await;
    assert_eq!(view.output, Some(json!({ "charged": [1, 2, 3] })));
    let each = &view.steps[1];
    assert_eq!((view.steps.len(), each.status.word(), each.attempts), (2, "completed", 0));
    assert_eq!(each.clones.as_ref().unwrap().get("completed"), Some(&3));
    let page = |after, limit| Page { after, limit };
    let told = |at: usize| format!("{at}: completed");
    assert_eq!(clones(&house, id, "each", page(None, 2)).await.unwrap(), (vec![told(0), told(1)], true));
    assert_eq!(clones(&house, id, "each", page(Some(1), 2)).await.unwrap(), (vec![told(2)], false));
    assert_eq!(clones(&house, id, "first", page(None, 2)).await.unwrap(), (vec![], false));
    assert!(matches!(clones(&house, id, "none", page(None, 2)).await, Err(Error::Missing(_))));
    let grant = house.granted(Action::ReceiptRead).await;
    let mut seen = BTreeSet::new();
    for at in 0..3 {
        let subject = Subject::Step { transaction: id, step: format!("each[{at}]"), phase: Phase::Do };
        let receipt = receipts::json(&house.app, &grant, &subject).await.unwrap();
        assert!(seen.insert(receipt), "each clone has a receipt of its own");
    }
    let beyond = Subject::Step { transaction: id, step: "each[3]".to_owned(), phase: Phase::Do };
    assert!(matches!(receipts::json(&house.app, &grant, &beyond).await, Err(Error::Missing(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_waits_for_a_person_is_resolved_by_its_name_also_after_a_restart() {
    let calls = Arc::new(Calls::default());
    let house = House::new(services(&calls)).await;
    house.register(FAN).await;
    let id = start(&house, json!([{"total": 1}, {"fail": true}, {"total": 3}])).await;
    let view = house.wait(id).await;
    assert_eq!((view.head.status.word(), view.parked_at.as_deref()), ("parked", Some("each[1]")));
    let waits: Vec<_> = view.waiting_for.iter().map(|wait| (wait.kind.word(), wait.step.as_deref())).collect();
    assert_eq!(waits, [("person", Some("each[1]"))]);
    let read = house.granted(Action::TransactionRead).await;
    let seen = transactions::query(&house.app, &read, id).await.unwrap();
    let whole = &seen.transaction.steps[1];
    assert_eq!((whole.status.word(), &whole.output), ("expanded", &None));
    let house = house.closed_and_opened(services(&calls)).await;
    let grant = house.granted(Action::TransactionResolve).await;
    let resolution = |step: &str| operations::Resolution {
        step: step.to_owned(),
        justification: "paid in cash".to_owned(),
        output: json!({ "charged": 2 }),
    };
    let wrong = operations::resolve(&house.app, &grant, id, resolution("each[0]")).await.unwrap_err();
    assert!(wrong.to_string().contains("at step `each[1]`, not at `each[0]`"), "{wrong}");
    let view = operations::resolve(&house.app, &grant, id, resolution("each[1]")).await.unwrap();
    assert_eq!((view.head.status.word(), view.output), ("completed", Some(json!({ "charged": [1, 2, 3] }))));
    assert_eq!(calls.charged.load(Ordering::SeqCst), 3);
    let read = house.granted(Action::TransactionRead).await;
    let seen = transactions::query(&house.app, &read, id).await.unwrap();
    assert_eq!(seen.transaction.steps[1].output, Some(json!([{ "charged": 1 }, { "charged": 2 }, { "charged": 3 }])));
}
