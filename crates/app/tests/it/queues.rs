//! Queues with limits, on a node with workers of its own: what is set lasts, and one tenant's backlog is nobody else's.

use crate::house::{Calls, House, ORDER, config, name, services};
use chancery_app::definitions::Format;
use chancery_app::queues::{self, QueueView};
use chancery_app::transactions::{self, TransactionView};
use chancery_app::{About, Config, Error, bundles, definitions, tenants};
use chancery_base::Kind;
use chancery_policy::Action;
use chancery_shard::input::Hold;
use chancery_shard::queue::QueueSettings;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Barrier;

fn at_most(concurrency: u32) -> QueueSettings {
    QueueSettings { concurrency: Some(concurrency), ..QueueSettings::default() }
}

async fn set(house: &House, queue: &str, settings: QueueSettings) -> QueueView {
    let grant = house.granted(Action::QueueSet).await;
    queues::set(&house.app, &grant, &name(queue), settings).await.unwrap()
}

async fn look(house: &House, queue: &str) -> QueueView {
    queues::get(&house.app, &house.granted(Action::QueueRead).await, &name(queue)).await.unwrap()
}

/// Waits until a queue is as it is wanted.
async fn until(house: &House, queue: &str, wanted: impl Fn(&QueueView) -> bool) -> QueueView {
    let mut view = look(house, queue).await;
    for _ in 0..1_000 {
        if wanted(&view) {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        view = look(house, queue).await;
    }
    panic!("it is {view:?}");
}

async fn hang(house: &House, count: usize) {
    for _ in 0..count {
        house.start(json!({"sku": "a", "hang": true}), None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_is_seen_lasts_and_is_forgotten() {
    let calls = Arc::new(Calls::default());
    let house = House::new(services(&calls)).await;
    let view = set(&house, "charge", at_most(2)).await;
    assert_eq!((view.settings.clone(), view.waiting, view.out), (at_most(2), 0, 0));
    hang(&house, 5).await;
    let view = until(&house, "charge", |view| (view.waiting, view.out) == (3, 2)).await;
    assert_eq!((view.held, view.workers), (Some(Hold::Concurrency), 1));
    assert!(view.waited.is_some());
    assert_eq!(calls.charged.load(Ordering::SeqCst), 2, "no third is called");
    // Its worker takes from `reserve` again as soon as it has reported.
    let mut names = Vec::new();
    for _ in 0..1_000 {
        let listed = queues::list(&house.app, &house.granted(Action::QueueRead).await).await.unwrap();
        names = listed.into_iter().map(|view| view.name.to_string()).collect();
        if names.len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(names, ["charge", "release", "reserve"], "those that workers take from, too");

    // Nobody works here, and no hand-out lapses meanwhile.
    let house = house.reopened(Config { lease: Duration::from_secs(600), ..config() }).await;
    // Its shard has yet to load what runs.
    let view = until(&house, "charge", |view| (view.waiting, view.out) == (3, 2)).await;
    assert_eq!((view.settings, view.waiting, view.out), (at_most(2), 3, 2), "the steps say what is out");
    queues::reset(&house.app, &house.granted(Action::QueueSet).await, &name("charge")).await.unwrap();
    let grant = house.granted(Action::QueueSet).await;
    let again = queues::reset(&house.app, &grant, &name("charge")).await.unwrap_err();
    assert_eq!(again.kind(), Kind::Missing);
    assert_eq!(look(&house, "charge").await.settings, QueueSettings::default());
    let unknown = queues::get(&house.app, &house.granted(Action::QueueRead).await, &name("nobody")).await;
    assert!(matches!(unknown, Err(Error::Missing(what)) if what == "queue `nobody`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_run_at_once_than_may_and_all_of_them_run() {
    let (now, most, calls) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
    let (inside, seen) = (Arc::clone(&now), Arc::clone(&most));
    // The first three wait for each other, so that all may be in at once however slow the machine is.
    let together = Arc::new(Barrier::new(3));
    let closures = services(&Arc::default()).with(name("charge"), move |_| {
        let (inside, seen) = (Arc::clone(&inside), Arc::clone(&seen));
        let (calls, together) = (Arc::clone(&calls), Arc::clone(&together));
        async move {
            seen.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            if calls.fetch_add(1, Ordering::SeqCst) < 3 {
                together.wait().await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            inside.fetch_sub(1, Ordering::SeqCst);
            Ok(json!(1))
        }
    });
    let house = House::new(closures).await;
    set(&house, "charge", at_most(3)).await;
    let mut ids = Vec::new();
    for _ in 0..60 {
        ids.push(house.start(json!({"sku": "a"}), None).await.unwrap());
    }
    for id in ids {
        assert_eq!(house.wait(id).await.head.status.word(), "completed");
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(look(&house, "charge").await.out, 0);
}

/// Steps wait in their own tenant's shard, and workers' credit is there, too: tenants share no queue, so that a backlog
/// of one stands before nobody else's steps.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_one_tenant_holds_up_no_other() {
    let calls = Arc::new(Calls::default());
    let house = House::new(services(&calls)).await;
    set(&house, "charge", at_most(1)).await;
    set(&house, "reserve", QueueSettings { rate: Some(1), rate_per_ms: Some(3_600_000), ..at_most(1) }).await;
    hang(&house, 50).await;
    until(&house, "reserve", |view| view.waiting == 49 && matches!(view.held, Some(Hold::Rate(_)))).await;

    let grant = house.granted(Action::TenantCreate).await;
    let made = tenants::create(&house.app, &grant, "other".parse().unwrap()).await.unwrap();
    let caller = house.app.authenticate(&made.owner.key).unwrap();
    let granted = async |action| house.app.authorize(&caller, action, About::Tenant).await.unwrap();
    let bundle = crate::house::bundle();
    let pushed = bundles::push(&house.app, &granted(Action::BundlePush).await, &bundle).await.unwrap();
    bundles::activate(&house.app, &granted(Action::BundleActivate).await, pushed.checked.digest, 0).await.unwrap();
    let grant = granted(Action::DefinitionRegister).await;
    definitions::register(&house.app, &grant, ORDER.as_bytes(), Format::Yaml).await.unwrap();
    let start = House::order(json!({"sku": "b"}), None);
    let grant = granted(Action::TransactionStart).await;
    let id = transactions::start(&house.app, &grant, start).await.unwrap().id;
    let grant = granted(Action::TransactionRead).await;
    let view: TransactionView = transactions::wait(&house.app, &grant, id, Duration::from_secs(30)).await.unwrap();
    assert_eq!(view.head.status.word(), "completed");
    let listed = queues::list(&house.app, &granted(Action::QueueRead).await).await.unwrap();
    let limited = listed.iter().filter(|view| view.waiting > 0 || view.settings != QueueSettings::default());
    assert_eq!(limited.count(), 0, "what the first said of its queues is its own");
    assert_eq!(look(&house, "reserve").await.waiting, 49);
}
