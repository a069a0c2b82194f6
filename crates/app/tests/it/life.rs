//! Transactions through their lives.

use crate::house::{Calls, House, ORDER, config, name, services};
use chancery_app::transactions::{ResultView, TransactionView};
use chancery_app::{About, Closures, Config, Error, health, operations, principals, transactions};
use chancery_base::Kind;
use chancery_base::limits::{BATCH_INPUTS_MAX, SHARD_QUEUE_MAX, SHARD_QUEUE_RESERVED};
use chancery_policy::Action;
use chancery_shard::input::Refusal;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// The outcome in one line: status, then each step, its attempts, its error and its compensation.
fn show(view: &TransactionView) -> String {
    let steps = view.steps.iter().map(|step| {
        let error = step.error.as_ref().map(|error| format!("({})", error.r#type)).unwrap_or_default();
        let undo = step.undo.as_ref().map(|undo| format!(" undo {}", undo.status.word())).unwrap_or_default();
        format!("{} {}×{}{error}{undo}", step.step, step.status.word(), step.attempts)
    });
    format!("{}: {}", view.head.status.word(), steps.collect::<Vec<_>>().join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_completes_with_its_output() {
    let house = House::new(services(&Arc::new(Calls::default()))).await;
    let view = house.run(json!({"sku": "tea", "total": 5})).await;
    assert_eq!(show(&view), "completed: reserve completed×1, charge completed×1");
    assert_eq!(view.output, Some(json!({"reservation": 1, "charge": {"charged": 5}})));
    assert_eq!(view.input, Some(json!({"sku": "tea", "total": 5})));
    assert!(view.left_undone.is_empty());
    let key = view.steps[0].output.as_ref().unwrap()["key"].as_str().unwrap().to_owned();
    assert_eq!(key, format!("{}/reserve", view.head.id));
    assert!(view.steps.iter().all(|step| step.decision.is_some() && step.latency.is_some()));
    house.app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_step_has_what_was_done_undone() {
    let calls = Arc::new(Calls::default());
    let house = House::new(services(&calls)).await;
    let view = house.run(json!({"sku": "tea", "fail": true})).await;
    assert_eq!(show(&view), "compensated: reserve completed×1 undo completed, charge failed×1(CardDeclined)");
    let cause = view.cause.unwrap();
    assert_eq!(cause.step.as_deref(), Some("charge"));
    assert_eq!(cause.error.unwrap().message, "no money");
    assert_eq!(calls.released.load(Ordering::SeqCst), 1);
    // A panic may have taken effect, and this step says nothing of how it is undone.
    let view = house.run(json!({"sku": "tea", "panic": true})).await;
    assert_eq!(show(&view), "compensated: reserve completed×1 undo completed, charge unknown×1(Panic)");
    assert_eq!(view.left_undone, ["charge"]);
}

/// What a start answers is what is read of it afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_starts_and_waits_is_told_the_result() {
    let house = House::new(services(&Arc::new(Calls::default()))).await;
    let grant = house.granted(Action::TransactionStart).await;
    let hold = Some(Duration::from_secs(30));
    let inputs = [json!({"sku": "tea"}), json!({"sku": "tea", "fail": true}), json!({"sku": "tea", "panic": true})];
    let mut ends = Vec::new();
    for (number, input) in inputs.into_iter().enumerate() {
        let start = House::order(input, Some(&number.to_string()));
        let (started, result) = transactions::run(&house.app, &grant, start.clone(), hold).await.unwrap();
        assert!(!started.existing && started.id == result.id);
        let read = transactions::get(&house.app, &grant, started.id).await.unwrap();
        assert_eq!(result, ResultView::from(read));
        let again = transactions::run(&house.app, &grant, start.clone(), hold).await.unwrap();
        assert_eq!((again.0.existing, &again.1), (true, &result));
        let again = transactions::run(&house.app, &grant, start, None).await.unwrap();
        assert_eq!((again.0.existing, &again.1), (true, &result));
        ends.push((result.status.word(), result.left_undone));
    }
    assert_eq!(ends, [("completed", vec![]), ("compensated", vec![]), ("compensated", vec!["charge".to_owned()])]);
    let start = House::order(json!({"sku": "tea"}), None);
    let (_, result) = transactions::run(&house.app, &grant, start.clone(), None).await.unwrap();
    assert_eq!((result.status.word(), result.output), ("running", None));
    let (started, result) = transactions::run(&house.app, &grant, start, Some(Duration::ZERO)).await.unwrap();
    assert!(!started.existing && result.id == started.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_step_is_never_handed_out() {
    let calls = Arc::new(Calls::default());
    let house = House::new(services(&calls)).await;
    let forbidden = ORDER
        .replace("version: 1", "version: 2")
        .replace("id: charge", "id: forbidden")
        .replace("steps.charge", "steps.forbidden");
    house.register(&forbidden).await;
    let view = house.run(json!({"sku": "tea"})).await;
    assert_eq!(show(&view), "compensated: reserve completed×1 undo completed, forbidden failed×0(PolicyDenied)");
    assert_eq!(calls.charged.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_transaction() {
    let house = House::new(services(&Arc::new(Calls::default()))).await;
    let first = house.start(json!({"sku": "tea"}), Some("k")).await.unwrap();
    assert_eq!(house.start(json!({"sku": "tea"}), Some("k")).await.unwrap(), first);
    let other = house.start(json!({"sku": "coffee"}), Some("k")).await.unwrap_err();
    assert!(matches!(other, Error::Refused(Refusal::KeyReused(id)) if id == first), "{other:?}");
    assert_ne!(house.start(json!({"sku": "coffee"}), Some("l")).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_running_at_a_kill_goes_on() {
    let calls = Arc::new(Calls::default());
    let house = House::new(services(&calls)).await;
    let id = house.start(json!({"sku": "tea", "hang": true}), None).await.unwrap();
    while calls.charged.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // The one that is killed never answers; the next one's lease on the attempt lapses, which is an unknown outcome.
    let house = house.killed_and_opened(services(&Arc::new(Calls::default()))).await;
    let view = house.wait(id).await;
    assert_eq!(show(&view), "compensated: reserve completed×1 undo completed, charge unknown×1(LeaseLapsed)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_compensates_and_waits_for_what_is_out() {
    let calls = Arc::new(Calls::default());
    let house = House::new(services(&calls)).await;
    house.register(&ORDER.replace("version: 1", "version: 2").replace("timeout: 60s", "timeout: 300ms")).await;
    let id = house.start(json!({"sku": "tea", "hang": true}), None).await.unwrap();
    while calls.charged.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let grant = house.granted(Action::TransactionCancel).await;
    let view = operations::cancel(&house.app, &grant, id, String::new()).await.unwrap();
    assert_eq!(view.head.status.word(), "compensating");
    assert_eq!(house.wait(id).await.head.status.word(), "cancelled");
    let again = operations::cancel(&house.app, &grant, id, String::new()).await.unwrap_err();
    assert_eq!(again.kind(), Kind::Conflict);
    let unjustified = operations::terminate(&house.app, &grant, id, String::from(" ")).await.unwrap_err();
    assert_eq!(unjustified.kind(), Kind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_all_complete() {
    let house = Arc::new(House::new(services(&Arc::new(Calls::default()))).await);
    let mut runs = JoinSet::new();
    for number in 0..200 {
        let house = Arc::clone(&house);
        runs.spawn(async move { house.run(json!({"sku": "tea", "total": number, "fail": number % 4 == 0})).await });
    }
    let mut completed = 0;
    while let Some(view) = runs.join_next().await {
        completed += usize::from(view.unwrap().head.status.word() == "completed");
    }
    assert_eq!(completed, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_node_asks_nothing_of_the_store() {
    let house = House::new(services(&Arc::new(Calls::default()))).await;
    house.run(json!({"sku": "tea"})).await;
    let grant = house.granted(Action::LedgerRead).await;
    let newest = || async { chancery_app::ledger::logs(&house.app, &grant).await.unwrap()[0].clone() };
    while newest().await.checkpoint_size < newest().await.size {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A checkpoint is followed by the check of a sample; after that, and past every renewal of a lease, nothing.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = house.store.calls();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(house.store.calls(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_principal_and_a_revoked_key_are_nobody_at_once() {
    let house = House::bare(Closures::new()).await;
    let grant = house.granted(Action::KeyIssue).await;
    let second = chancery_app::keys::issue(&house.app, &grant, house.caller.principal().id, None).await.unwrap();
    house.app.authenticate(&second.key).unwrap();
    chancery_app::keys::revoke(&house.app, &grant, second.id).await.unwrap();
    assert!(matches!(house.app.authenticate(&second.key), Err(Error::Unauthenticated)));

    let suspended = principals::PrincipalPatch { suspended: Some(true), ..Default::default() };
    principals::set(&house.app, &grant, house.caller.principal().id, suspended).await.unwrap();
    assert!(matches!(house.app.authenticate(&house.key().key), Err(Error::Unauthenticated)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_its_own_owner_log_and_nothing_of_others() {
    let house = House::new(services(&Arc::new(Calls::default()))).await;
    let mine = house.run(json!({"sku": "tea"})).await.head.id;
    let grant = house.granted(Action::TenantCreate).await;
    let made = chancery_app::tenants::create(&house.app, &grant, "acme".parse().unwrap()).await.unwrap();
    let owner = house.app.authenticate(&made.owner.key).unwrap();
    assert_eq!(owner.tenant().as_str(), "acme");
    let theirs = house.app.authorize(&owner, Action::TransactionRead, About::Tenant).await.unwrap();
    let hidden = transactions::get(&house.app, &theirs, mine).await.unwrap_err();
    assert_eq!(hidden.kind(), Kind::Missing);
    let logs = chancery_app::ledger::logs(&house.app, &theirs).await.unwrap();
    assert_eq!(logs[0].origin.as_str(), "test.example/acme/0/1");
    let again = chancery_app::tenants::create(&house.app, &grant, "acme".parse().unwrap()).await.unwrap_err();
    assert_eq!(again.kind(), Kind::Conflict);
    // The tenant is still there, and served, when the node comes back.
    let house = house.closed_and_opened(Closures::new()).await;
    assert_eq!(house.app.authenticate(&made.owner.key).unwrap().tenant().as_str(), "acme");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_leaves_an_entry() {
    let house = House::bare(Closures::new()).await;
    let grant = house.granted(Action::PrincipalCreate).await;
    let agent = principals::NewPrincipal {
        kind: chancery_base::PrincipalKind::Agent,
        name: String::from("agent"),
        roles: [name("agent")].into(),
        attributes: Default::default(),
    };
    let agent = principals::create(&house.app, &grant, agent).await.unwrap();
    let key = chancery_app::keys::issue(&house.app, &grant, agent.id, None).await.unwrap();
    let agent = house.app.authenticate(&key.key).unwrap();
    assert!(house.app.permits(&agent, Action::TransactionStart));
    let size = || async { chancery_app::ledger::logs(&house.app, &grant).await.unwrap()[0].size };
    let before = size().await;
    let denied = house.app.authorize(&agent, Action::PrincipalCreate, About::Tenant).await.unwrap_err();
    assert_eq!(denied.kind(), Kind::Denied);
    assert_eq!(size().await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_step_is_called_with_its_key_and_gives_its_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 65_536];
        let mut length = 0;
        while !String::from_utf8_lossy(&request[..length]).ends_with("{\"total\":9}") {
            length += stream.read(&mut request[length..]).await.unwrap();
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"id\":3}";
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let house = House::calling(Closures::new(), &origin).await;
    let definition = format!(
        "name: order\nversion: 2\nsteps:\n  - id: pay\n    run: {{http: {{method: POST, url: \"{origin}/charges\"}}}}\n    \
         with: {{total: \"${{{{ input.total }}}}\"}}\noutput: \"${{{{ steps.pay.output }}}}\"\n"
    );
    house.register(&definition).await;
    let view = house.run(json!({"total": 9})).await;
    assert_eq!(show(&view), "completed: pay completed×1");
    assert_eq!(view.output, Some(json!({"id": 3})));
    let request = server.join_next().await.unwrap().unwrap();
    assert!(request.contains(&format!("idempotency-key: {}/pay\r\n", view.head.id)), "{request}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_what_is_new_and_keeps_room_for_outcomes() {
    let house = Arc::new(House::new(Closures::new()).await);
    let started = house.start(json!({"sku": "tea"}), None).await.unwrap();
    let held = house.store.hold_commits().await;
    let grant = house.granted(Action::TransactionStart).await;
    let room = SHARD_QUEUE_MAX - SHARD_QUEUE_RESERVED;
    let mut asking = JoinSet::new();
    // No longer in the queue is what the shard has taken: into the batch that waits for its commit, into the one after,
    // and what it keeps beside them.
    let most = room + 3 * BATCH_INPUTS_MAX;
    for _ in 0..=most {
        let (house, grant) = (Arc::clone(&house), grant.clone());
        asking.spawn(async move { transactions::start(&house.app, &grant, order()).await });
    }
    let refused = asking.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!((refused.kind(), refused.retry_after().is_some()), (Kind::Limited, true), "{refused}");
    // A cancel has its place all the same: it is not refused, it waits.
    let cancel = operations::cancel(&house.app, &grant, started, String::new());
    let waiting = tokio::time::timeout(Duration::from_millis(50), cancel).await;
    assert!(waiting.is_err(), "{waiting:?}");
    drop(held);
    let mut done = 0;
    while let Some(answer) = asking.join_next().await {
        done += usize::from(answer.unwrap().is_ok());
    }
    assert!((1..=most).contains(&done), "{done}");
}

fn order() -> transactions::Start {
    transactions::Start {
        definition: name("order"),
        version: None,
        input: json!({"sku": "tea"}),
        idempotency_key: None,
        labels: Default::default(),
        headers: Default::default(),
        traceparent: None,
        start_at: None,
        signal: None,
        faults: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_retires_lets_what_is_out_come_in_and_answers_everybody() {
    let inside = Arc::new(Notify::new());
    let (go, gone) = watch::channel(false);
    let entered = Arc::clone(&inside);
    let closures = services(&Arc::default()).with(name("reserve"), move |_| {
        let (entered, mut gone) = (Arc::clone(&entered), gone.clone());
        async move {
            entered.notify_one();
            gone.wait_for(|may_go| *may_go).await.unwrap();
            Ok(json!({"id": 1}))
        }
    });
    let house = House::bare_with(closures, Config { drain: Duration::from_secs(60), ..config() }).await;
    house.furnish().await;
    let id = house.start(json!({"sku": "a"}), None).await.unwrap();
    inside.notified().await;
    let grant = house.granted(Action::TransactionRead).await;
    let waiting = transactions::wait(&house.app, &grant, id, Duration::from_secs(600));
    let retired = async {
        let retiring = house.app.retire();
        let goes_on = async {
            while health::health(&house.app).ready {
                tokio::task::yield_now().await;
            }
            // Until the shard has heard of it.
            let mut asked = house.start(json!({"sku": "b"}), None).await;
            while asked.is_ok() {
                asked = house.start(json!({"sku": "b"}), None).await;
            }
            assert_eq!(asked.unwrap_err().kind(), Kind::Busy);
            go.send_replace(true);
        };
        tokio::join!(retiring, goes_on);
    };
    let (view, ()) = tokio::join!(waiting, retired);
    let view = view.unwrap();
    let step = view.steps.iter().find(|step| step.step.as_str() == "reserve").unwrap();
    assert_eq!(
        (view.head.status.word(), step.status.word()),
        ("running", "completed"),
        "who waited is told how far it came"
    );
    let house = house.closed_and_opened(services(&Arc::default())).await;
    assert_eq!(house.wait(id).await.head.status.word(), "completed");
}
