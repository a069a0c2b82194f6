//! Schedules on a node: what starts by itself, also after a restart, and what an idle node does about it.

use crate::house::{House, config, name};
use chancery_app::schedules::{self, CatchUp, Overlap, ScheduleView, Terms, Triggered, When};
use chancery_app::transactions::{self, Search, TransactionHead};
use chancery_app::verify::{self, Options};
use chancery_app::{About, Error, Page, clock, principals};
use chancery_base::{Kind, Timestamp};
use chancery_engine::Headers;
use chancery_policy::Action;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const NOOP: &str = "name: tick\nversion: 1\nsteps:\n  - {id: only, run: noop, with: \"${{ input }}\"}\noutput: \"${{ \
                    steps.only.output }}\"\n";
const HANG: &str = "name: hang\nversion: 1\nsteps:\n  - {id: only, run: {worker: nobody}}\n";
const OPEN: &str = "name: open\nversion: 1\nkind: open\n";

fn terms(definition: &str, when: When) -> Terms {
    Terms {
        definition: name(definition),
        version: None,
        labels: BTreeMap::new(),
        headers: Headers::default(),
        when,
        zone: "Europe/Berlin".to_owned(),
        from: None,
        until: None,
        overlap: Overlap::Skip,
        catch_up: CatchUp::Last,
        window_ms: 3_600_000,
    }
}

fn every(seconds: u64) -> When {
    When::Every { interval_ms: seconds * 1_000, offset_ms: 0 }
}

async fn create(house: &House, schedule: &str, terms: Terms, input: Value) -> Result<ScheduleView, Error> {
    let grant = house.granted(Action::ScheduleCreate).await;
    schedules::create(&house.app, &grant, &name(schedule), terms, input).await
}

async fn get(house: &House, schedule: &str) -> ScheduleView {
    schedules::get(&house.app, &house.granted(Action::ScheduleRead).await, &name(schedule)).await.unwrap()
}

/// What a schedule started, newest first.
async fn started(house: &House, schedule: &str) -> Vec<TransactionHead> {
    let search: Search = transactions::search(&format!("label.schedule:{schedule}")).unwrap();
    let grant = house.granted(Action::TransactionList).await;
    transactions::list(&house.app, &grant, search, Page::default()).await.unwrap().items
}

/// Waits until a schedule has started so many.
async fn until_started(house: &House, schedule: &str, count: usize) -> Vec<TransactionHead> {
    for _ in 0..3_000 {
        let found = started(house, schedule).await;
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("`{schedule}` has not started {count}: {:?}", get(house, schedule).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_by_itself_and_what_it_did_verifies() {
    let house = House::with(config()).await;
    house.register(NOOP).await;
    let input = json!({"at": "${{ schedule.due }}", "by": "${{ schedule.name }}"});
    let made = create(&house, "tick", terms("tick", every(1)), input.clone()).await.unwrap();
    assert_eq!((made.input, made.next.len(), made.head.owner), (Some(input), 5, house.caller.principal().id));
    let found = until_started(&house, "tick", 2).await;
    let view = house.wait(found[0].id).await;
    let due: Timestamp = view.input.as_ref().unwrap()["at"].as_str().unwrap().parse().unwrap();
    assert_eq!(due.as_micros() % 1_000_000, 0, "the time is the calendar's");
    assert_eq!(view.input.unwrap()["by"], "tick");
    assert_eq!(view.head.labels["schedule"], "tick");
    let pause = house.granted(Action::SchedulePause).await;
    let paused = schedules::pause(&house.app, &pause, &name("tick"), "enough".to_owned()).await.unwrap();
    assert_eq!((paused.head.paused.as_deref(), paused.next.len()), (Some("enough"), 0));
    let count = started(&house, "tick").await.len();
    assert_eq!(paused.head.fired, count as u64);
    let dir = house.data_dir();
    house.app.shutdown().await.unwrap();
    let report = verify::run(&dir, &Options::default(), &mut |_| ()).unwrap();
    assert!(report.rows > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_the_node_was_down_is_made_up_for_once() {
    let house = House::with(config()).await;
    house.register(NOOP).await;
    let at = clock::now().plus(Duration::from_millis(300));
    create(&house, "once", terms("tick", When::At(at)), json!(7)).await.unwrap();
    let house = house.reopened(config()).await;
    let found = until_started(&house, "once", 1).await;
    assert_eq!(house.wait(found[0].id).await.output, Some(json!(7)));
    let house = house.reopened(config()).await;
    let view = get(&house, "once").await;
    assert_eq!((view.head.fired, view.next.len(), started(&house, "once").await.len()), (1, 0, 1));
    house.app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_is_not_due_asks_nothing_of_the_store() {
    let house = House::with(config()).await;
    house.register(NOOP).await;
    create(&house, "yearly", terms("tick", When::Cron("@yearly".to_owned())), json!(null)).await.unwrap();
    // A checkpoint covers what there is, then nothing is left to do.
    let mut before = house.store.calls();
    loop {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let now = house.store.calls();
        if now == before {
            break;
        }
        before = now;
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(house.store.calls(), before, "looking at the clock takes no store");
    house.app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_under_its_owner_s_roles_and_not_beyond_them() {
    let house = House::with(config()).await;
    house.register(NOOP).await;
    let new = principals::NewPrincipal {
        kind: chancery_base::PrincipalKind::Service,
        name: "batch".to_owned(),
        roles: BTreeSet::from([name("developer")]),
        attributes: serde_json::Map::new(),
    };
    let grant = house.granted(Action::PrincipalCreate).await;
    let made = principals::create(&house.app, &grant, new).await.unwrap();
    let grant = house.granted(Action::KeyIssue).await;
    let key = chancery_app::keys::issue(&house.app, &grant, made.id, None).await.unwrap();
    let caller = house.app.authenticate(&key.key).unwrap();
    let grant = house.app.authorize(&caller, Action::ScheduleCreate, About::Tenant).await.unwrap();
    // It may start, and cancel what it started, and no more.
    let terminates = Terms { overlap: Overlap::TerminateRunning, ..terms("tick", every(3_600)) };
    let refused = schedules::create(&house.app, &grant, &name("hard"), terminates, json!(null)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Denied);
    schedules::create(&house.app, &grant, &name("mine"), terms("tick", every(3_600)), json!(null)).await.unwrap();
    let trigger = house.granted(Action::ScheduleTrigger).await;
    let Triggered::Started(id) = schedules::trigger(&house.app, &trigger, &name("mine"), None).await.unwrap() else {
        panic!("nothing runs")
    };
    assert_eq!(house.wait(id).await.head.principal, made.id, "whoever asks, its owner starts");
    let patch = principals::PrincipalPatch { roles: Some(BTreeSet::new()), ..principals::PrincipalPatch::default() };
    principals::set(&house.app, &house.granted(Action::PrincipalSet).await, made.id, patch).await.unwrap();
    let refused = schedules::trigger(&house.app, &trigger, &name("mine"), None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Denied, "{refused}");
    house.app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schedule_is_told_is_checked_before_it_is_made() {
    let house = House::with(config()).await;
    for source in [NOOP, HANG, OPEN] {
        house.register(source).await;
    }
    let fine = || terms("tick", every(60));
    for (terms, input, kind, message) in [
        (terms("nothing", every(60)), json!(1), Kind::Missing, "there is no definition `nothing`"),
        (Terms { version: Some(7), ..fine() }, json!(1), Kind::Missing, "there is no definition `tick` 7"),
        (
            terms("open", every(60)),
            json!(1),
            Kind::Invalid,
            "definition `open` is open: what drives it has to begin it",
        ),
        (fine(), json!({"a": "${{ now }}"}), Kind::Invalid, "input.a: there is no `now` here"),
        (Terms { zone: "Mars".to_owned(), ..fine() }, json!(1), Kind::Invalid, "zone: there is no time zone `Mars`"),
        (terms("tick", When::At(Timestamp::EPOCH)), json!(1), Kind::Invalid, "it would never be due"),
    ] {
        let refused = create(&house, "x", terms, input).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
        assert!(refused.to_string().starts_with(message), "{refused}");
    }
    create(&house, "x", fine(), json!(1)).await.unwrap();
    assert_eq!(create(&house, "x", fine(), json!(1)).await.unwrap_err().kind(), Kind::Conflict);
    let grant = house.granted(Action::ScheduleDelete).await;
    schedules::delete(&house.app, &grant, &name("x")).await.unwrap();
    assert_eq!(schedules::delete(&house.app, &grant, &name("x")).await.unwrap_err().kind(), Kind::Missing);
    // What runs holds back what comes, also what somebody asks for.
    create(&house, "hang", terms("hang", every(3_600)), json!(1)).await.unwrap();
    let trigger = house.granted(Action::ScheduleTrigger).await;
    let trigger = async |overlap| schedules::trigger(&house.app, &trigger, &name("hang"), overlap).await;
    let Triggered::Started(first) = trigger(None).await.unwrap() else { panic!("nothing runs") };
    let refused = trigger(None).await.unwrap_err();
    assert!(refused.to_string().contains(&first.to_string()), "{refused}");
    assert_eq!(trigger(Some(Overlap::BufferOne)).await.unwrap(), Triggered::Waits);
    assert!(matches!(trigger(Some(Overlap::TerminateRunning)).await.unwrap(), Triggered::Started(id) if id != first));
    house.app.shutdown().await.unwrap();
}
