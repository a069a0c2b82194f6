//! Exports as the server streams them.

use crate::house::{Calls, House, services};
use chancery_app::exports::{self, Ask, Bound, Export, Filter, Form};
use chancery_app::{Closures, ledger};
use chancery_base::{Kind, Timestamp};
use chancery_ledger::Keys;
use chancery_ledger::export::{ExportReport, ExportVerifier};
use chancery_policy::Action;
use serde_json::json;
use std::sync::Arc;

fn ask() -> Ask {
    Ask {
        from: None,
        to: None,
        filter: Filter::default(),
        payloads: true,
        form: Form::Json,
        justification: "a test".to_owned(),
    }
}

async fn make(house: &House, ask: Ask) -> Result<Export, chancery_app::Error> {
    exports::make(&house.app, &house.granted(Action::ExportMake).await, ask).await
}

async fn verified(house: &House, ask: Ask) -> ExportReport {
    let keys = Keys::one(ledger::key(&house.app));
    let mut export = make(house, ask).await.unwrap();
    let mut verifier = ExportVerifier::new(&keys);
    while let Some(piece) = export.next().await.unwrap() {
        for line in piece.split_inclusive('\n') {
            verifier.line(line.as_bytes()).unwrap();
        }
    }
    verifier.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn long_and_scattered_exports_verify() {
    let house = House::new(services(&Arc::new(Calls::default()))).await;
    let mut last = None;
    for number in 0..60 {
        last = Some(house.run(json!({"sku": "tea", "total": number})).await.head.id);
    }
    for form in Form::ALL {
        for payloads in [true, false] {
            let report = verified(&house, Ask { form, payloads, ..ask() }).await;
            assert!(report.complete && report.closing.counts.entries > 300, "{report:?}");
        }
    }
    // One in every few entries is of a kind: nearly as many gaps as entries.
    let filter = Filter { transaction: None, kinds: Some("step.completed".parse().unwrap()) };
    let report = verified(&house, Ask { filter, ..ask() }).await;
    assert!(report.closing.counts.entries >= 60, "{report:?}");
    let filter = Filter { transaction: last, kinds: None };
    let report = verified(&house, Ask { filter, ..ask() }).await;
    assert!(report.whole_transaction, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_under_way_have_places() {
    let house = House::bare(Closures::new()).await;
    let (first, second) = (make(&house, ask()).await.unwrap(), make(&house, ask()).await.unwrap());
    let refused = make(&house, ask()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.to_string().as_str()), (Kind::Limited, "exports under way: at most 2"));
    drop(first);
    verified(&house, ask()).await;
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_found_over_restarts() {
    let house = House::new(services(&Arc::new(Calls::default()))).await;
    house.run(json!({"sku": "tea"})).await;
    let grant = house.granted(Action::LedgerRead).await;
    let first_life = ledger::logs(&house.app, &grant).await.unwrap()[0].size;
    let house = house.closed_and_opened(services(&Arc::new(Calls::default()))).await;
    house.run(json!({"sku": "tea"})).await;
    let whole = verified(&house, ask()).await;
    let (begin, end) = whole.times.unwrap();
    let micro = std::time::Duration::from_micros(1);
    let all = verified(&house, between(begin, end.plus(micro))).await;
    assert_eq!((all.manifest.from, all.manifest.to), (0, whole.manifest.to));
    let later = verified(&house, Ask { from: Some(Bound::Entry(first_life)), ..ask() }).await;
    let (second_life, _) = later.times.unwrap();
    let later = verified(&house, Ask { from: Some(Bound::Time(second_life)), ..ask() }).await;
    assert!((1..=first_life).contains(&later.manifest.from), "{later:?}");
    let before = verified(&house, Ask { to: Some(Bound::Time(second_life)), ..ask() }).await;
    assert_eq!((before.manifest.from, before.manifest.to), (0, later.manifest.from));
    let nothing = make(&house, between(end.plus(micro), end.plus(micro))).await.unwrap_err();
    assert_eq!(nothing.kind(), Kind::Missing, "{nothing}");
}

fn between(since: Timestamp, until: Timestamp) -> Ask {
    Ask { from: Some(Bound::Time(since)), to: Some(Bound::Time(until)), ..ask() }
}
