//! What steps reach over HTTP: breakers that hold steps back, settings that last, signatures, and answers that come
//! later.

use crate::house::{House, config, name};
use chancery_app::callbacks::{self, CallbackAck};
use chancery_app::ledger::{self, EntryFilter};
use chancery_app::signals::{self, SendSignal};
use chancery_app::targets::{self, TargetHealth, TargetView};
use chancery_app::transactions::{self, TransactionView};
use chancery_app::{Config, Error, Page, signing};
use chancery_base::limits::NESTING_MAX;
use chancery_base::webhook::{Headers, SigningSecret, verify};
use chancery_base::{Document, Kind, TargetId, Timestamp, TransactionId};
use chancery_engine::StepError;
use chancery_policy::Action;
use chancery_shard::TaskToken;
use chancery_shard::input::ReportedOutcome;
use chancery_shard::target::{Forced, TargetSettings};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A service that answers with the statuses that it is told, then with 200, and keeps what it was asked. What it says at
/// `/deep` nests as deep as values may.
struct Service {
    origin: String,
    answers: Arc<Mutex<VecDeque<u16>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn new(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<u16>>()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (mut queue, seen) = (Arc::clone(&answers), Arc::clone(&asked));
        // The clippy lint on spawning is for the product, whose shutdown waits; a test's service ends with its runtime.
        drop(tokio::runtime::Handle::current().spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, &seen, &mut queue).await;
            }
        }));
        Self { origin, answers, asked }
    }

    fn target(&self) -> TargetId {
        self.origin.parse().unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    async fn until_asked(&self, times: usize) {
        for _ in 0..1_000 {
            if self.asked() == times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it was asked {} times", self.asked());
    }

    fn config(&self) -> Config {
        Config {
            targets: self.origin.parse().unwrap(),
            public_url: Some("https://chancery.example/".to_owned()),
            ..config()
        }
    }
}

/// Takes one call and answers it.
async fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>, queue: &mut Arc<Mutex<VecDeque<u16>>>) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        if read == 0 {
            break;
        }
        request.extend_from_slice(&part[..read]);
    }
    let request = String::from_utf8(request).unwrap();
    if request.starts_with("POST /slow") {
        tokio::time::sleep(Duration::from_millis(5_500)).await;
    }
    let body = if request.starts_with("POST /deep") { deep().to_string() } else { r#"{"done":true}"#.to_owned() };
    seen.lock().unwrap().push(request);
    let status = next(queue);
    let head = format!("HTTP/1.1 {status} So\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    drop(stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await);
    drop(stream.shutdown().await);
}

fn deep() -> Value {
    (1..NESTING_MAX).fold(json!([]), |inner, _| json!([inner]))
}

fn next(queue: &mut Arc<Mutex<VecDeque<u16>>>) -> u16 {
    queue.lock().unwrap().pop_front().unwrap_or(200)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let start = format!("{name}: ");
    request.lines().find_map(|line| line.strip_prefix(&start)).unwrap()
}

async fn define(house: &House, version: u32, service: &Service) {
    let origin = &service.origin;
    house
        .register(&format!(
            "name: order\nversion: {version}\nsteps:\n  - id: call\n    run: {{http: {{url: \"{origin}/x\"}}}}\n    \
             with: {{n: 1}}\n    timeout: 30s\n    retry: {{attempts: 9, backoff: 1ms, max: 1ms}}\n  - id: other\n    \
             run: noop\noutput: \"${{{{ steps.call.output }}}}\"\n"
        ))
        .await;
}

async fn force(house: &House, target: &TargetId, forced: Option<Forced>) -> TargetView {
    let grant = house.granted(Action::TargetForce).await;
    targets::force(&house.app, &grant, target, forced, "a test".to_owned()).await.unwrap()
}

async fn look(house: &House, target: &TargetId) -> TargetView {
    targets::get(&house.app, &house.granted(Action::TargetRead).await, target).await.unwrap()
}

/// How it stands after a moment in which it could have got on.
async fn after_a_moment(house: &House, id: TransactionId) -> TransactionView {
    let grant = house.granted(Action::TransactionRead).await;
    transactions::wait(&house.app, &grant, id, Duration::from_millis(150)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_holds_steps_back_and_burns_nothing_also_after_a_restart() {
    let service = Service::new(&[]).await;
    let house = House::with(service.config()).await;
    define(&house, 2, &service).await;
    let view = force(&house, &service.target(), Some(Forced::Open)).await;
    assert_eq!(view.health, TargetHealth::Unavailable);
    let id = house.start(json!({}), None).await.unwrap();
    let held = after_a_moment(&house, id).await;
    let (call, other) = (&held.steps[0], &held.steps[1]);
    assert_eq!((call.status.word(), call.attempts, other.status.word()), ("ready", 0, "completed"));
    let wait = held.waiting_for.iter().map(|wait| (wait.kind.word(), wait.name.clone().unwrap())).collect::<Vec<_>>();
    assert_eq!(wait, [("target", format!("http POST {}/x", service.origin))]);
    let grant = house.granted(Action::TransactionRead).await;
    let history = transactions::history(&house.app, &grant, id, Page::default()).await.unwrap();
    assert_eq!((history.items.len(), service.asked()), (3, 0), "start and `other`, and nothing of what waits");
    assert_eq!(look(&house, &service.target()).await.waiting, 1);

    let house = house.reopened(service.config()).await;
    assert_eq!(after_a_moment(&house, id).await.steps[0].attempts, 0);
    let view = look(&house, &service.target()).await;
    assert_eq!((view.waiting, view.origin.unwrap().forced), (1, Some(Forced::Open)));
    force(&house, &service.target(), None).await;
    let done = house.wait(id).await;
    assert_eq!((done.head.status.word(), done.steps[0].attempts, service.asked()), ("completed", 1, 1));
    assert_eq!(done.output, Some(json!({"done": true})));
    let view = look(&house, &service.target()).await;
    assert_eq!((view.health, view.waiting, view.origin.unwrap().health.calls), (TargetHealth::Healthy, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_take_as_long_as_its_step_says() {
    let service = Service::new(&[]).await;
    let house = House::with(service.config()).await;
    let origin = &service.origin;
    let step = format!("{{id: call, run: {{http: {{url: \"{origin}/slow\"}}}}, timeout: 20s, retry: {{attempts: 1}}}}");
    house.register(&format!("name: order\nversion: 2\nsteps:\n  - {step}\n")).await;
    let done = house.run(json!({})).await;
    assert_eq!((done.head.status.word(), done.steps[0].attempts, service.asked()), ("completed", 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_opens_by_itself_probes_and_closes_again() {
    let service = Service::new(&[503, 503, 503]).await;
    let house = House::with(service.config()).await;
    define(&house, 2, &service).await;
    let settings = TargetSettings {
        calls_min: Some(2),
        window: Some(2),
        open_ms: Some(100),
        probes: Some(1),
        ..TargetSettings::default()
    };
    let grant = house.granted(Action::TargetSet).await;
    targets::set(&house.app, &grant, &service.target(), settings.clone()).await.unwrap();
    let done = house.run(json!({})).await;
    // Two failures open it, the first probe fails, the second closes it: no attempt is made while it is open.
    assert_eq!((done.head.status.word(), done.steps[0].attempts, service.asked()), ("completed", 4, 4));
    let view = look(&house, &service.target()).await;
    let origin = view.origin.unwrap();
    assert_eq!((view.health, origin.health.calls, origin.health.failed), (TargetHealth::Healthy, 4, 3));
    assert_eq!((origin.limits.breaker.window, origin.settings), (2, settings));
    assert!(service.answers.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tenant_forbids_fails_at_once_and_so_does_what_nobody_listed() {
    let service = Service::new(&[]).await;
    let house = House::with(service.config()).await;
    define(&house, 2, &service).await;
    let grant = house.granted(Action::TargetSet).await;
    let set = async |target: &TargetId, allowed: Option<bool>| {
        let settings = TargetSettings { allowed, ..TargetSettings::default() };
        targets::set(&house.app, &grant, target, settings).await.unwrap()
    };
    set(&TargetId::fallback(), Some(false)).await;
    let failed = house.run(json!({})).await;
    assert_eq!(
        (failed.head.status.word(), failed.steps[0].error.as_ref().unwrap().r#type.as_str()),
        ("failed", "TargetNotAllowed")
    );
    assert_eq!(look(&house, &service.target()).await.health, TargetHealth::Forbidden);
    set(&service.target(), Some(true)).await;
    assert_eq!(house.run(json!({})).await.head.status.word(), "completed");
    house.register("name: order\nversion: 3\nsteps: [{id: call, run: {http: {url: \"http://127.0.0.1:1/\"}}}]").await;
    let failed = house.run(json!({})).await;
    assert_eq!(failed.steps[0].error.as_ref().unwrap().r#type, "TargetNotAllowed");
    assert_eq!((failed.steps[0].attempts, service.asked()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_signed_with_what_is_shown_once_and_kept_nowhere_else() {
    let service = Service::new(&[]).await;
    let house = House::with(service.config()).await;
    define(&house, 2, &service).await;
    let issued = signing::issue(&house.app, &house.granted(Action::SigningSecretIssue).await, None).await.unwrap();
    let second = signing::issue(&house.app, &house.granted(Action::SigningSecretIssue).await, None).await.unwrap();
    house.run(json!({})).await;
    signing::retire(&house.app, &house.granted(Action::SigningSecretRetire).await, issued.id).await.unwrap();
    house.run(json!({})).await;
    let asked = service.asked.lock().unwrap().clone();
    let secrets = [&issued, &second].map(|issued| SigningSecret::parse(issued.secret.expose()).unwrap());
    for (request, expected) in asked.iter().zip([[true, true], [false, true]]) {
        let headers = Headers {
            id: header(request, "webhook-id"),
            timestamp: header(request, "webhook-timestamp"),
            signature: header(request, "webhook-signature"),
        };
        let seconds: i64 = headers.timestamp.parse().unwrap();
        let now = Timestamp::from_micros(seconds * 1_000_000);
        let body = request.split_once("\r\n\r\n").unwrap().1.as_bytes();
        let verified = secrets.clone().map(|secret| verify(&[secret], headers, body, now).is_ok());
        assert_eq!(verified, expected);
    }
    let listed = signing::list(&house.app, &house.granted(Action::SigningSecretList).await).unwrap();
    assert_eq!((listed.len(), listed[0].hash), (1, secrets[1].digest()));
    // Nowhere in the ledger: not its text, and not its bytes.
    let grant = house.granted(Action::LedgerRead).await;
    let page = Page { after: None, limit: 1_000 };
    let entries = ledger::entries(&house.app, &grant, EntryFilter { transaction: None }, page).await.unwrap();
    let text = format!("{entries:?}");
    assert!(text.contains(&secrets[0].digest().to_string()) && !text.contains("whsec_"));
    for secret in [&issued, &second] {
        assert!(!text.contains(secret.secret.expose().trim_start_matches("whsec_")));
    }
}

async fn report(house: &House, token: TaskToken, outcome: Option<ReportedOutcome>) -> Result<CallbackAck, Error> {
    callbacks::report(&house.app, house.caller.tenant(), token, outcome).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_has_a_deadline_and_no_lease_and_its_token_completes_it() {
    let service = Service::new(&[202, 202]).await;
    let house = House::with(service.config()).await;
    define(&house, 2, &service).await;
    let id = house.start(json!({}), None).await.unwrap();
    service.until_asked(1).await;
    // A restart gives a lease to everything that is out with a worker.
    let house = house.reopened(service.config()).await;
    let view = after_a_moment(&house, id).await;
    assert_eq!((view.steps[0].status.word(), view.steps[0].attempts, service.asked()), ("dispatched", 1, 1));
    let request = service.asked.lock().unwrap()[0].clone();
    let tenant = house.caller.tenant();
    assert_eq!(header(&request, "chancery-callback"), format!("https://chancery.example/v1/callbacks/{tenant}"));
    let token: TaskToken = header(&request, "chancery-task-token").parse().unwrap();

    assert_eq!(report(&house, token, None).await.unwrap(), CallbackAck::Waiting);
    let mut forged = token;
    forged.attempt.attempt = 2;
    for outcome in [None, Some(ReportedOutcome::Completed(Document::shared(json!(1))))] {
        let refused = report(&house, forged, outcome).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Unauthenticated);
    }
    let nobody = callbacks::report(&house.app, &"nobody".parse().unwrap(), token, None).await.unwrap_err();
    assert_eq!(nobody.kind(), Kind::Unauthenticated);

    // It failed for now: the next attempt is another call, and another token.
    let failed = ReportedOutcome::Failed(StepError::new("Busy", "come again"));
    assert_eq!(report(&house, token, Some(failed)).await.unwrap(), CallbackAck::Recorded);
    service.until_asked(2).await;
    let request = service.asked.lock().unwrap()[1].clone();
    let second: TaskToken = header(&request, "chancery-task-token").parse().unwrap();
    let done = ReportedOutcome::Completed(Document::shared(json!({"id": 7})));
    assert_eq!(report(&house, token, Some(done.clone())).await.unwrap(), CallbackAck::Superseded);
    assert_eq!(report(&house, second, Some(done)).await.unwrap(), CallbackAck::Recorded);
    assert_eq!(report(&house, second, None).await.unwrap(), CallbackAck::Superseded);
    let view = house.wait(id).await;
    assert_eq!((view.head.status.word(), view.output), ("completed", Some(json!({"id": 7}))));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_public_url_202_is_an_answer_like_any_other() {
    let service = Service::new(&[202]).await;
    let house = House::with(Config { public_url: None, ..service.config() }).await;
    define(&house, 2, &service).await;
    let done = house.run(json!({})).await;
    assert_eq!((done.head.status.word(), done.output), ("completed", Some(json!({"done": true}))));
    assert!(!service.asked.lock().unwrap()[0].contains("chancery-callback"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nests_as_deep_as_a_value_may_is_read_again_whoever_said_it() {
    let service = Service::new(&[200, 200, 422]).await;
    let house = House::with(service.config()).await;
    let call = format!("method: POST, url: \"{}/deep\"", service.origin);
    house
        .register(&format!(
            "name: order\nversion: 2\nsteps:\n  - id: call\n    run: {{http: {{{call}}}}}\n  - id: kept\n    \
             run: {{http: {{{call}, keep: [content-length]}}}}\n    after: [call]\n  - id: hold\n    \
             run: {{signal: {{name: go}}}}\n    after: [kept]\n  - id: refused\n    run: {{http: {{{call}}}}}\n    \
             with: \"${{{{ steps.call.output }}}}\"\n    after: [hold]\n"
        ))
        .await;
    let id = house.start(json!({}), None).await.unwrap();
    service.until_asked(2).await;
    let before = after_a_moment(&house, id).await;
    let kept = json!({ "body": deep(), "headers": { "content-length": "64" } });
    assert_eq!((&before.steps[0].output, &before.steps[1].output), (&Some(deep()), &Some(kept)));

    let house = house.reopened(service.config()).await;
    assert_eq!(after_a_moment(&house, id).await.steps, before.steps, "held by nobody, and read");
    let signal = SendSignal { name: name("go"), id: None, payload: deep() };
    signals::send(&house.app, &house.granted(Action::TransactionSignal).await, id, signal).await.unwrap();
    let failed = house.wait(id).await;
    assert_eq!((failed.head.status.word(), &failed.steps[2].output), ("failed", &Some(deep())));
    let detail = failed.steps[3].error.as_ref().and_then(|error| error.detail.as_deref());
    assert_eq!(detail, Some(&json!({ "body": deep(), "status": 422 })));
    let house = house.reopened(service.config()).await;
    assert_eq!(after_a_moment(&house, id).await.steps, failed.steps);
    let grant = house.granted(Action::TransactionRead).await;
    let history = transactions::history(&house.app, &grant, id, Page::default()).await.unwrap();
    assert_eq!(history.items.len(), 11);
}
