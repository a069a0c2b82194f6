//! What waits for a person, and what is left undone.

use crate::house::{Calls, House, ORDER, name, services};
use chancery_app::transactions::TransactionView;
use chancery_app::{Closures, Error, operations};
use chancery_base::{Kind, TransactionId};
use chancery_engine::StepError;
use chancery_policy::Action;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The order, whose goods can't be put back once they are reserved.
fn pivoted() -> String {
    ORDER.replace("version: 1", "version: 2").replace("    compensate: {run: {worker: release}}", "    pivot: true")
}

async fn resolve(house: &House, id: TransactionId, step: &str, output: Value) -> Result<TransactionView, Error> {
    let grant = house.granted(Action::TransactionResolve).await;
    let justification = String::from("paid in cash");
    operations::resolve(&house.app, &grant, id, operations::Resolution { step: step.to_owned(), justification, output })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_pivot_a_failure_waits_for_a_person_also_after_a_restart() {
    let calls = Arc::new(Calls::default());
    let house = House::new(services(&calls)).await;
    house.register(&pivoted()).await;
    let view = house.run(json!({"sku": "tea", "fail": true})).await;
    assert_eq!((view.head.status.word(), view.parked_at.clone()), ("parked", Some("charge".to_owned())));
    assert!(view.cause.is_none() && view.left_undone.is_empty(), "it goes forward: {view:?}");
    let id = view.head.id;

    let cancel = house.granted(Action::TransactionCancel).await;
    let refused = operations::cancel(&house.app, &cancel, id, String::new()).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    assert!(refused.to_string().contains("past its pivot `reserve`"), "{refused}");

    let house = house.killed_and_opened(services(&calls)).await;
    let retry = house.granted(Action::TransactionRetry).await;
    operations::retry(&house.app, &retry, id, String::from("the card was topped up")).await.unwrap();
    let view = house.wait(id).await;
    assert_eq!((view.head.status.word(), view.steps[1].attempts), ("parked", 2), "it was not");
    assert_eq!(calls.charged.load(Ordering::SeqCst), 2);

    let other = resolve(&house, id, "reserve", json!({})).await.unwrap_err();
    assert_eq!(
        (other.kind(), other.to_string().contains("waits for a person at step `charge`")),
        (Kind::Conflict, true)
    );
    resolve(&house, id, "charge", json!({"charged": 5})).await.unwrap();
    let view = house.wait(id).await;
    assert_eq!(view.head.status.word(), "completed");
    assert_eq!(view.output, Some(json!({"reservation": 1, "charge": {"charged": 5}})));
    assert_eq!((view.steps[1].status.word(), calls.charged.load(Ordering::SeqCst)), ("completed", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compensation_that_is_given_up_is_told_and_not_swallowed() {
    let (calls, kept) = (Arc::new(Calls::default()), Arc::new(Calls::default()));
    let counted = Arc::clone(&kept);
    let closures: Closures = services(&calls).with(name("keep"), move |_| {
        counted.released.fetch_add(1, Ordering::SeqCst);
        async { Err(StepError::new("Kept", "it is gone")) }
    });
    let house = House::new(closures).await;
    let of = |version: u32, on_error: &str| {
        ORDER
            .replace(
                "version: 1",
                &format!("version: {version}\ncompensation: {{policy: retry-with-backoff{on_error}}}"),
            )
            .replace("{worker: release}", "{worker: keep}, retry: {attempts: 2, backoff: 1ms}")
    };
    house.register(&of(2, "")).await;
    let view = house.run(json!({"sku": "tea", "fail": true})).await;
    assert_eq!((view.head.status.word(), view.left_undone.as_slice()), ("failed", &["reserve".to_owned()][..]));
    let undo = view.steps[0].undo.clone().unwrap();
    assert_eq!((undo.status.word(), undo.attempts, undo.error.unwrap().r#type.as_str()), ("failed", 2, "Kept"));

    house.register(&of(3, ", on_error: skip")).await;
    let view = house.run(json!({"sku": "tea", "fail": true})).await;
    assert_eq!((view.head.status.word(), view.steps[0].undo.as_ref().unwrap().attempts), ("failed", 1));

    house.register(&of(4, ", on_error: mark-compensated")).await;
    let view = house.run(json!({"sku": "tea", "fail": true})).await;
    let undo = view.steps[0].undo.as_ref().unwrap();
    assert_eq!((view.head.status.word(), undo.status.word(), view.left_undone.len()), ("compensated", "marked", 0));
    assert!(undo.error.is_some(), "its error stays to be read");
    assert_eq!(kept.released.load(Ordering::SeqCst), 2 + 1 + 2);
}
