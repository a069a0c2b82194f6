//! A small server that speaks the exchange, and does what a test tells it to.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chancery_api::worker::{Ack, Acknowledged, Exchange, Exchanged, Phase, Report, Task};
use chancery_api::{Problem, ProblemKind};
use chancery_base::{DecisionId, Document, Entropy, Name, Slot, TenantId, Timestamp, TransactionId, duration};
use chancery_sdk::{Client, ClientOptions, Secret};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Tasks to hand out.
    pub(crate) waiting: VecDeque<Task>,
    /// Tasks handed out and not reported.
    pub(crate) out: BTreeMap<String, Task>,
    /// Every task that was ever handed out.
    pub(crate) taken: BTreeSet<String>,
    /// The taking call that counts: the latest.
    latest: u64,
    /// What was reported, in order.
    pub(crate) reports: Vec<Report>,
    /// Tasks whose outcome is no longer wanted.
    pub(crate) cancelled: Vec<String>,
    /// Every exchange that arrived.
    pub(crate) exchanges: Vec<Exchange>,
    /// Answers to give instead of doing anything, the next first.
    pub(crate) refusals: VecDeque<Problem>,
    /// Bodies and idempotency keys of starts.
    pub(crate) starts: Vec<(Option<String>, Value)>,
    /// Paths and queries of the other calls.
    pub(crate) paths: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Server {
    book: Arc<Mutex<Book>>,
    changed: Arc<Notify>,
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Listening {
    /// Stops at once: connections are cut.
    pub(crate) async fn stop(self) {
        self.serving.abort();
        drop(self.serving.await);
    }
}

impl Server {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Listens on a port; 0 takes a free one.
    pub(crate) async fn listen(&self, port: u16) -> Listening {
        let router = Router::new()
            .route("/v1/workers/exchange", post(exchange))
            .route("/v1/transactions", post(start))
            .route("/v1/receipts/{*entry}", get(echo))
            .route("/v1/principals", get(principals))
            .fallback(|| async { (StatusCode::BAD_GATEWAY, "<html>a proxy</html>") })
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the test ends it")]
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Listening { address, serving }
    }

    pub(crate) fn offer(&self, task: Task) {
        self.book().waiting.push_back(task);
        self.changed.notify_waiters();
    }

    /// Waits until so many outcomes were reported.
    pub(crate) async fn reports(&self, count: usize) -> Vec<Report> {
        self.until(|book| (book.reports.len() >= count).then(|| book.reports.clone())).await
    }

    /// Waits until something is so.
    pub(crate) async fn until<T>(&self, look: impl Fn(&Book) -> Option<T>) -> T {
        let waiting = async {
            loop {
                if let Some(found) = look(&self.book()) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it happens within 30 s")
    }

    /// Takes outcomes in and hands tasks out, as the real one does.
    fn exchange(&self, exchange: &Exchange) -> Exchanged {
        let mut book = self.book();
        let mut exchanged = Exchanged::default();
        for report in &exchange.done {
            let ack = if book.out.remove(&report.task).is_some() { Ack::Recorded } else { Ack::Superseded };
            book.reports.push(report.clone());
            exchanged.acks.push(Acknowledged { task: report.task.clone(), ack });
        }
        for task in &exchange.holding {
            if book.cancelled.contains(task) {
                exchanged.cancelled.push(task.clone());
            }
        }
        let lost = book.out.values().filter(|task| !exchange.holding.contains(&task.task));
        let lost: Vec<Task> = lost.filter(|_| !exchange.queues.is_empty()).cloned().collect();
        exchanged.tasks.extend(lost);
        for queue in &exchange.queues {
            for _ in 0..queue.want {
                let Some(index) = book.waiting.iter().position(|task| task.queue == queue.name) else { break };
                let Some(task) = book.waiting.remove(index) else { break };
                book.taken.insert(task.task.clone());
                book.out.insert(task.task.clone(), task.clone());
                exchanged.tasks.push(task);
            }
        }
        exchanged
    }

    /// Notes a call. One that takes replaces the one before, which is answered with what it has: nothing.
    fn enter(&self, exchange: &Exchange) -> u64 {
        let mut book = self.book();
        book.exchanges.push(exchange.clone());
        if !exchange.queues.is_empty() {
            book.latest += 1;
            self.changed.notify_waiters();
        }
        book.latest
    }

    fn refusal(&self) -> Option<Response> {
        let problem = self.book().refusals.pop_front()?;
        let status = StatusCode::from_u16(problem.status).unwrap();
        Some((status, Json(problem)).into_response())
    }
}

async fn exchange(State(server): State<Server>, Json(body): Json<Exchange>) -> Response {
    if let Some(refusal) = server.refusal() {
        return refusal;
    }
    let number = server.enter(&body);
    let wait = duration::parse(body.wait.as_deref().unwrap_or("0s")).unwrap();
    let until = tokio::time::Instant::now() + wait;
    let mut exchanged = server.exchange(&body);
    while body.done.is_empty() && exchanged == Exchanged::default() {
        let changed = server.changed.notified();
        let is_over = tokio::time::timeout_at(until, changed).await.is_err();
        if is_over || server.book().latest > number {
            break;
        }
        exchanged = server.exchange(&body);
    }
    Json(exchanged).into_response()
}

async fn start(State(server): State<Server>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    server.book().starts.push((key, body));
    if let Some(refusal) = server.refusal() {
        return refusal;
    }
    let body = json!({
        "id": transaction().to_string(), "definition": "hello", "version": 1,
        "definition_digest": chancery_base::Digest::of(b"").to_string(),
        "bundle": chancery_base::Digest::of(b"").to_string(), "status": "running",
        "principal": "svc_019312d8a0b07c3e9f2a4b5c6d7e8f90", "started_at": Timestamp::EPOCH.to_string(), "steps": [],
    });
    (StatusCode::CREATED, Json(body)).into_response()
}

async fn echo(State(server): State<Server>, uri: axum::http::Uri) -> Response {
    server.book().paths.push(uri.to_string());
    server.refusal().unwrap_or_else(|| uri.to_string().into_response())
}

async fn principals(State(server): State<Server>, uri: axum::http::Uri) -> Response {
    server.book().paths.push(uri.to_string());
    let next = if uri.query().is_some_and(|query| query.contains("cursor")) { Value::Null } else { json!("a b&c") };
    Json(json!({"items": [], "next": next})).into_response()
}

/// A client of a server that listens there.
pub(crate) fn client(address: SocketAddr) -> Client {
    let mut options = ClientOptions::new(format!("http://{address}"), Secret::new("chk_test".to_owned()));
    options.patience = Duration::from_secs(10);
    Client::new(options).unwrap()
}

pub(crate) fn problem(kind: ProblemKind) -> Problem {
    Problem::new(kind, "as the test wants it")
}

pub(crate) fn transaction() -> TransactionId {
    TransactionId::draw(Timestamp::EPOCH, Slot::of_key(&TenantId::system(), ""), &mut Entropy::from_seed([3; 32]))
}

pub(crate) fn task(token: &str, queue: &str, input: Value) -> Task {
    let queue: Name = queue.parse().unwrap();
    Task {
        task: token.to_owned(),
        queue,
        transaction: transaction(),
        step: "step".parse().unwrap(),
        index: None,
        phase: Phase::Do,
        attempt: 1,
        input: Document::shared(input),
        limits: Map::new(),
        idempotency_key: format!("key/{token}"),
        forward_key: None,
        forward_unknown: false,
        decision: DecisionId::draw(Timestamp::EPOCH, &mut Entropy::from_seed([4; 32])),
        deadline: Timestamp::from_micros(4_000_000_000_000_000),
        traceparent: None,
        headers: BTreeMap::new(),
        capability: None,
    }
}
