//! Every step of every example, refused, lost and repeated; and so is everything that undoes or confirms one.
//!
//! What is held against is what the participants' own databases say, before anything and after a run that nobody broke.

use crate::breaks::{Break, Breaks, Place};
use crate::examples::{Example, Fails, NIGHTLY, ORDER, Step, TRANSFER, TRIP, payments};
use crate::house::House;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chancery_sdk::api::transaction::{Status, Transaction};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tower::ServiceExt as _;

/// Who answers the calls over HTTP now: each run has a payment service of its own, at the same address.
type Counter = Arc<Mutex<Option<(Router, Breaks)>>>;

/// An example on its server, and what its books say when nothing is broken.
struct Stage {
    example: Example,
    house: House,
    counter: Counter,
    before: Value,
    after: Value,
}

/// How a run ended, and the books then.
struct Ran {
    ended: Transaction,
    books: Value,
}

impl Stage {
    async fn new(example: Example) -> Self {
        let counter = Counter::default();
        let origin = listen(Arc::clone(&counter)).await;
        let definition = (example.definition)().replace("http://payments.invalid", &origin);
        let house = House::new(example.bundle, &[definition], &[origin]).await;
        let mut stage = Self { example, house, counter, before: Value::Null, after: Value::Null };
        let (before, whole) = stage.books_around(&[]).await;
        assert_eq!(whole.ended.status, Status::Completed, "{:?}", whole.ended);
        assert_ne!(before, whole.books, "it does something");
        (stage.before, stage.after) = (before, whole.books);
        stage
    }

    /// Runs it with empty books, and something broken.
    async fn run(&self, rules: &[(Place, Break)]) -> Ran {
        let (before, ran) = self.books_around(rules).await;
        assert_eq!(before, self.before);
        ran
    }

    async fn books_around(&self, rules: &[(Place, Break)]) -> (Value, Ran) {
        let data = tempfile::tempdir().unwrap();
        let breaks = Breaks::new(rules);
        *self.counter.lock().unwrap() = Some(payments(data.path(), &breaks));
        let worker = self.house.work(&breaks, |worker| (self.example.handlers)(worker, data.path()));
        let before = (self.example.books)(data.path());
        let ended = self.house.run(&(self.example.start)()).await;
        worker.end().await;
        breaks.assert_met();
        let books = (self.example.books)(data.path());
        (before, Ran { ended, books })
    }

    /// Holds that a step that failed for good left the books as it should: what was done, if it was, is undone.
    #[track_caller]
    fn assert_failed(&self, step: &Step, what: &str, was_done: bool, ran: &Ran) {
        // Where the first step was refused there is nothing to undo.
        let has_undone = ran.ended.steps.iter().any(|step| {
            let of_clones = step.clones.iter().flat_map(|clones| clones.keys());
            step.compensation.is_some() || of_clones.into_iter().any(|word| word.starts_with("undo_"))
        });
        let (status, mut expected) = match step.fails {
            Fails::Alone(_) => (Status::Completed, self.after.clone()),
            Fails::Whole | Fails::WholeBut(_) if was_done || has_undone => (Status::Compensated, self.before.clone()),
            Fails::Whole | Fails::WholeBut(_) => (Status::Failed, self.before.clone()),
        };
        match step.fails {
            Fails::Alone(part) => put(&mut expected, part, &self.before),
            Fails::WholeBut(part) if was_done => put(&mut expected, part, &self.after),
            Fails::Whole | Fails::WholeBut(_) => {}
        }
        assert_eq!(ran.ended.status, status, "{what}: {:?}", ran.ended);
        assert_eq!(ran.books, expected, "{what}: {:?}", ran.ended);
        assert!(ran.ended.left_undone.is_empty(), "{what}: {:?}", ran.ended);
    }

    #[track_caller]
    fn assert_whole(&self, what: &str, ran: &Ran) {
        assert_eq!(ran.ended.status, Status::Completed, "{what}: {:?}", ran.ended);
        assert_eq!(ran.books, self.after, "{what}");
    }
}

/// Puts a part of other books into these.
fn put(books: &mut Value, part: &str, from: &Value) {
    *books.pointer_mut(part).unwrap() = from.pointer(part).unwrap().clone();
}

fn place(name: &'static str) -> Place {
    Place { name, index: None }
}

async fn listen(counter: Counter) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(counter);
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    drop(tokio::spawn(async move { axum::serve(listener, router).await }));
    origin
}

/// Has a call answered, broken as the test wants it.
async fn answer(State(counter): State<Counter>, request: Request) -> Response {
    let (router, breaks) = counter.lock().unwrap().clone().unwrap();
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let call = async || {
        let request = Request::from_parts(head.clone(), Body::from(body.clone()));
        router.clone().oneshot(request).await.unwrap()
    };
    match breaks.of(&path, None) {
        None => call().await,
        Some((Break::Refuse, _)) => StatusCode::PAYMENT_REQUIRED.into_response(),
        Some((Break::LoseOnce, met)) if met > 1 => call().await,
        Some((Break::Lose | Break::LoseOnce, _)) => {
            assert!(call().await.status().is_success());
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Some((Break::Repeat, _)) => {
            assert!(call().await.status().is_success());
            call().await
        }
    }
}

/// Fails each step in turn: before it does anything, and after it did it, so that nobody knows.
async fn fail_at_every_step(example: Example) {
    let stage = Stage::new(example).await;
    for step in example.steps {
        for what in [Break::Refuse, Break::Lose] {
            let ran = stage.run(&[(step.does, what)]).await;
            let told = format!("{what:?} {}", step.does.name);
            stage.assert_failed(step, &told, what == Break::Lose, &ran);
        }
    }
}

/// Does each step and each confirm twice: within an attempt, and at another one.
async fn repeat_at_every_step(example: Example) {
    let stage = Stage::new(example).await;
    let is_tcc = !example.confirms.is_empty();
    let steps = example.steps.iter().map(|step| (step.does, !is_tcc));
    let confirms = example.confirms.iter().map(|confirm| (place(confirm), true));
    for (place, has_attempts) in steps.chain(confirms) {
        for what in [Some(Break::Repeat), has_attempts.then_some(Break::LoseOnce)].into_iter().flatten() {
            let ran = stage.run(&[(place, what)]).await;
            stage.assert_whole(&format!("{what:?} {}", place.name), &ran);
        }
    }
}

/// Undoes each step twice: within an attempt, and at another one.
async fn repeat_at_every_undo(example: Example) {
    let stage = Stage::new(example).await;
    for step in example.steps {
        let Some(undo) = step.undo else { continue };
        for what in [Break::Repeat, Break::LoseOnce] {
            let ran = stage.run(&[(step.does, Break::Lose), (place(undo), what)]).await;
            stage.assert_failed(step, &format!("{what:?} {undo}"), true, &ran);
        }
    }
}

#[tokio::test]
async fn a_step_of_an_order_fails() {
    fail_at_every_step(ORDER).await;
}

#[tokio::test]
async fn a_step_of_an_order_is_repeated() {
    repeat_at_every_step(ORDER).await;
}

#[tokio::test]
async fn an_undo_of_an_order_is_repeated() {
    repeat_at_every_undo(ORDER).await;
}

#[tokio::test]
async fn a_try_of_a_trip_fails() {
    fail_at_every_step(TRIP).await;
}

#[tokio::test]
async fn a_try_or_a_confirm_of_a_trip_is_repeated() {
    repeat_at_every_step(TRIP).await;
}

#[tokio::test]
async fn a_cancel_of_a_trip_is_repeated() {
    repeat_at_every_undo(TRIP).await;
}

#[tokio::test]
async fn a_step_of_a_transfer_fails() {
    fail_at_every_step(TRANSFER).await;
}

#[tokio::test]
async fn a_step_of_a_transfer_is_repeated() {
    repeat_at_every_step(TRANSFER).await;
}

#[tokio::test]
async fn an_undo_of_a_transfer_is_repeated() {
    repeat_at_every_undo(TRANSFER).await;
}

#[tokio::test]
async fn a_step_of_a_night_fails() {
    fail_at_every_step(NIGHTLY).await;
}

#[tokio::test]
async fn a_step_of_a_night_is_repeated() {
    repeat_at_every_step(NIGHTLY).await;
}

#[tokio::test]
async fn an_undo_of_a_night_is_repeated() {
    repeat_at_every_undo(NIGHTLY).await;
}
