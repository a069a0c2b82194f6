//! The floor of `saga-remote-10`: the payloads go to a worker and back by HTTP, and what a saga writes is written.
//!
//! As with the real server a client's call waits for its saga's end, and a worker's call takes outcomes in and gives
//! tasks out, as many as there are. Nothing is checked, nobody is asked, no state is kept but which stage comes next.

use super::group::{Group, Saga};
use super::template::{Sizes, Template};
use crate::fixture::{DURABILITY, Node, REMOTE_STEPS, payload};
use crate::harness::{Error, SyncCounter, rss_mib, spawn};
use crate::http::Http;
use crate::load::{Load, Poster};
use crate::remote::{SAGA, Served, one, work};
use crate::report::Figure;
use chancery_app::data::Database;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

/// Calls that the worker has open at a time.
const WORKER_CALLS_MAX: usize = 4;
/// Sagas that run before the one that is looked at.
const SAGAS_BEFORE: usize = 20;

/// A step on its way to the worker or back.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    task: u64,
    payload: Value,
}

struct Running {
    saga: Saga,
    steps_left: usize,
    ended: oneshot::Sender<Value>,
}

struct Server {
    group: Group,
    running: Mutex<BTreeMap<u64, Running>>,
    next: AtomicU64,
    tasks: Mutex<VecDeque<Step>>,
    there_are_tasks: Notify,
}

/// The child: serves until standard input ends, and says where on its first line.
pub(crate) async fn server() -> Result<(), Error> {
    let template = learn().await?;
    let dir = tempfile::tempdir()?;
    let (group, commits) = Group::open(dir.path(), &Database::Embedded, template).await?;
    let server = Arc::new(Server {
        group,
        running: Mutex::default(),
        next: AtomicU64::new(0),
        tasks: Mutex::default(),
        there_are_tasks: Notify::new(),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(std::io::stdout(), "{}", json!({ "url": listener.local_addr()?.to_string(), "key": "" }))?;
    std::io::stdout().flush()?;
    let accepting = spawn(accept(listener, server));
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
    ended.map_err(|err| Error::Failed(err.to_string()))??;
    accepting.abort();
    commits.abort();
    Ok(())
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    while let Ok((stream, _)) = listener.accept().await {
        let server = Arc::clone(&server);
        drop(spawn(async move {
            let serve = |request| {
                let server = Arc::clone(&server);
                async move { server.serve(request).await.map(|body| Response::new(Full::new(Bytes::from(body)))) }
            };
            let connected = connection(stream, serve).await;
            // A client that leaves in the middle of a call is how each run ends.
            connected.ok()
        }));
    }
}

async fn connection<F, S>(stream: TcpStream, serve: S) -> Result<(), Error>
where
    S: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<Full<Bytes>>, Error>>,
{
    stream.set_nodelay(true)?;
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(serve));
    Ok(served.await?)
}

impl Server {
    async fn serve(&self, request: Request<Incoming>) -> Result<Vec<u8>, Error> {
        let starts = request.uri().path() == "/sagas";
        let body = request.into_body().collect().await?.to_bytes();
        if starts { self.saga(&body).await } else { self.exchange(&body).await }
    }

    /// Starts a saga and waits for its end.
    async fn saga(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let payload: Value = serde_json::from_slice(body)?;
        let mut saga = self.group.saga()?;
        self.group.write(&mut saga).await?;
        let (ended, end) = oneshot::channel();
        let task = self.next.fetch_add(1, Ordering::Relaxed);
        let running = Running { saga, steps_left: REMOTE_STEPS, ended };
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(task, running);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push_back(Step { task, payload });
        self.there_are_tasks.notify_one();
        let output = end.await.map_err(|err| Error::Failed(format!("the saga was dropped: {err}")))?;
        Ok(serde_json::to_vec(&output)?)
    }

    /// Takes outcomes in, and gives tasks out once there are any.
    async fn exchange(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let done: Vec<Step> = serde_json::from_slice(body)?;
        let mut written = Vec::with_capacity(done.len());
        for step in done {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&step.task);
            let mut running = running.ok_or_else(|| Error::Failed(format!("there is no task {}", step.task)))?;
            let durable = self.group.submit(&mut running.saga).await?;
            written.push((step, running, durable));
        }
        let mut tasks = Vec::new();
        for (step, running, durable) in written {
            durable.await.map_err(|err| Error::Failed(format!("the floor's commits have ended: {err}")))?;
            tasks.extend(self.advance(step, running));
        }
        loop {
            tasks.extend(self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
            if !tasks.is_empty() {
                return Ok(serde_json::to_vec(&tasks)?);
            }
            self.there_are_tasks.notified().await;
        }
    }

    /// The step behind one whose outcome is durable, or none if it was the last.
    fn advance(&self, step: Step, mut running: Running) -> Option<Step> {
        running.steps_left -= 1;
        if running.steps_left == 0 {
            // The client may have left.
            running.ended.send(step.payload).ok();
            return None;
        }
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(step.task, running);
        Some(step)
    }
}

/// Runs the floor against a server in a child process.
pub(crate) async fn measure(clients: usize, time: Duration) -> Result<Figure, Error> {
    let dir = tempfile::tempdir()?;
    let syncs = SyncCounter::new(dir.path())?;
    let served = Served::start(&["floor-server"], Some(&syncs)).await?;
    let server: SocketAddr = served.url.parse().map_err(|err| Error::Failed(format!("{err}")))?;
    let mut workers = JoinSet::new();
    for _ in 0..clients.min(WORKER_CALLS_MAX) {
        workers.spawn(worker(server));
    }
    let mut callers = Vec::new();
    for _ in 0..clients {
        callers.push(Poster::connect(server, "/sagas", payload()).await?);
    }
    let mut load = Load::warm_up(callers, time).await;
    let syncs_before = syncs.count()?;
    load.count(time).await;
    let (rss_mib, synced) = (served.pid().map_or(0, rss_mib), syncs.count()? - syncs_before);
    let figure = Figure { rss_mib, ..Figure::new("floor-remote-10", clients, DURABILITY) };
    let figure = load.end(figure, Some(synced)).await?;
    workers.abort_all();
    served.end().await?;
    Ok(figure)
}

async fn worker(server: SocketAddr) -> Result<(), Error> {
    let mut http = Http::connect(server).await?;
    let mut done: Vec<Step> = Vec::new();
    loop {
        let answer = http.post("/exchange", serde_json::to_vec(&done)?).await?;
        done = serde_json::from_slice(&answer)?;
    }
}

/// Runs sagas one at a time against the real server, and takes the last one's batches.
async fn learn() -> Result<Template, Error> {
    let dir = tempfile::tempdir()?;
    let node = Node::new(dir.path(), &Database::Embedded).await?;
    let (server, client) = crate::remote::serve_node(&node).await?;
    let mut worker = JoinSet::new();
    worker.spawn(work(client.clone(), SAGA));
    for _ in 0..SAGAS_BEFORE {
        one(&client, SAGA).await?;
    }
    // The worker's call is open again then, so that the start and the first hand-out are one commit.
    tokio::time::sleep(Duration::from_millis(50)).await;
    node.store.keep();
    one(&client, SAGA).await?;
    let batches = node.store.take_batches();
    worker.abort_all();
    server.shutdown().await;
    node.app.shutdown().await?;
    writeln!(std::io::stderr(), "saga-remote-10 writes: {}", Sizes::of(&batches).text())?;
    let template = Template::of(&batches)?;
    if template.stages() != REMOTE_STEPS + 1 {
        return Err(Error::Failed(format!("a saga of {REMOTE_STEPS} steps took {} commits", template.stages())));
    }
    Ok(template)
}
