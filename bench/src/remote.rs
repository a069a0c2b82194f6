//! `saga-remote-10`: each client loops start → ten sequential steps → result over HTTP; one worker process on the SDK.
//! `saga-capable-10`: the same where each task has a capability token, with which the worker proves who it is.

use crate::fixture::{DURABILITY, Node, REMOTE_STEPS, name, payload};
use crate::harness::{Error, SyncCounter, rss_mib, this_program};
use crate::load::{Caller, Load};
use crate::report::Figure;
use chancery_app::data::Database;
use chancery_base::Secret;
use chancery_sdk::api::transaction::Status;
use chancery_sdk::{Client, ClientOptions, HandlerError, Start, Task, Worker};
use chancery_server::{ServerOptions, serve};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinSet;

/// The workload's name, and its definition's.
pub(crate) const SAGA: &str = "saga-remote-10";
/// The same with capability tokens.
pub(crate) const CAPABLE: &str = "saga-capable-10";
/// What a service asks of a worker that shows it a token.
const CHALLENGE: &[u8] = b"a challenge that is drawn for each call";
/// Instances of the worker.
pub(crate) const INSTANCES: u32 = 2;
/// Tasks of a queue that it works on at a time.
pub(crate) const CONCURRENCY: u32 = 256;
/// How long one saga may take before the run is given up.
pub(crate) const SAGA_MAX: Duration = Duration::from_secs(30);

/// The child: serves until standard input ends, and says where on its first line and on its last how long its
/// commits took, counted from the line that it reads.
pub(crate) async fn server(database: &Database) -> Result<(), Error> {
    let dir = tempfile::tempdir()?;
    let node = Node::new(dir.path(), database).await?;
    let (server, _) = serve_node(&node).await?;
    // The key is of this run alone and goes to the parent's pipe.
    let hello = json!({ "url": format!("http://{}", server.local_addr()), "key": node.key.expose() });
    writeln!(std::io::stdout(), "{hello}")?;
    std::io::stdout().flush()?;
    let store = Arc::clone(&node.store);
    let ended = tokio::task::spawn_blocking(move || {
        std::io::stdin().lines().try_for_each(|line| line.map(|_| drop(store.take_times())))
    });
    ended.await.map_err(|err| Error::Failed(err.to_string()))??;
    let mut commits = node.store.take_times();
    server.shutdown().await;
    node.app.shutdown().await?;
    let figures = json!({ "commits": commits.len(), "commit_p50_us": commits.percentile(50), "commit_p99_us": commits.percentile(99) });
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}

/// Serves a node in this process.
pub(crate) async fn serve_node(node: &Node) -> Result<(chancery_server::Server, Client), Error> {
    let options = ServerOptions { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..ServerOptions::default() };
    let server = serve(node.app.clone(), options).await?;
    let url = format!("http://{}", server.local_addr());
    let client = Client::new(ClientOptions::new(url, Secret::new(node.key.expose().to_owned())))?;
    Ok((server, client))
}

/// A server in a child process.
#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    pub(crate) url: String,
    key: String,
}

impl Served {
    /// Starts this program in a role that serves, and waits until it does.
    pub(crate) async fn start(role: &[&str], syncs: Option<&SyncCounter>) -> Result<Self, Error> {
        let mut command = this_program()?;
        command.args(role).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        if let Some(syncs) = syncs {
            syncs.watch(&mut command);
        }
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Error::Failed("the server has no output".to_owned()))?;
        let mut output = BufReader::new(stdout).lines();
        let hello: Value = serde_json::from_str(&output.next_line().await?.unwrap_or_default())?;
        let text = |key: &str| hello.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (url, key) = (text("url"), text("key"));
        Ok(Self { child, output, url, key })
    }

    pub(crate) fn client(&self) -> Result<Client, Error> {
        Ok(Client::new(ClientOptions::new(&self.url, Secret::new(self.key.clone())))?)
    }

    /// Where it is, and the key of who may call it.
    pub(crate) fn address(&self) -> Result<(SocketAddr, String), Error> {
        let address = self.url.strip_prefix("http://").and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| Error::Failed(format!("`{}` is no address", self.url)))?;
        Ok((address, self.key.clone()))
    }

    /// Where it is and with which key, for another process of this run.
    pub(crate) fn hello(&self) -> Value {
        json!({ "url": self.url, "key": self.key })
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Has it count its commits from now on.
    pub(crate) async fn count_anew(&mut self) -> Result<(), Error> {
        let Some(input) = &mut self.child.stdin else { return Ok(()) };
        Ok(input.write_all(b"count\n").await?)
    }

    /// Ends it; gives the last line that it wrote.
    pub(crate) async fn end(mut self) -> Result<Value, Error> {
        drop(self.child.stdin.take());
        let mut last = Value::Null;
        while let Some(line) = self.output.next_line().await? {
            last = serde_json::from_str(&line)?;
        }
        self.child.wait().await?;
        Ok(last)
    }
}

/// Runs one of the workloads against a server in a child process.
pub(crate) async fn measure(saga: &'static str, clients: usize, time: Duration) -> Result<Figure, Error> {
    let dir = tempfile::tempdir()?;
    let syncs = SyncCounter::new(dir.path())?;
    let mut served = Served::start(&["server"], Some(&syncs)).await?;
    let client = served.client()?;
    let mut worker = JoinSet::new();
    worker.spawn(work(client.clone(), saga));
    let mut load = Load::warm_up(vec![Starter { client, saga }; clients], time).await;
    served.count_anew().await?;
    let syncs_before = syncs.count()?;
    load.count(time).await;
    let (rss_mib, synced) = (served.pid().map_or(0, rss_mib), syncs.count()? - syncs_before);
    let figure = Figure { rss_mib, ..Figure::new(saga, clients, DURABILITY) };
    let figure = load.end(figure, Some(synced)).await;
    if let Some(ended) = worker.try_join_next() {
        ended.map_err(|err| Error::Failed(err.to_string()))??;
        return Err(Error::Failed("the worker ended before the clients".to_owned()));
    }
    worker.abort_all();
    let commits = served.end().await?;
    Ok(Figure { commit_p99_us: commits.get("commit_p99_us").and_then(Value::as_u64), ..figure? })
}

/// The workload without capability tokens, and with them.
pub(crate) async fn measure_capable(clients: usize, time: Duration) -> Result<[Figure; 2], Error> {
    let without = measure(SAGA, clients, time).await?;
    let mut capable = measure(CAPABLE, clients, time).await?;
    capable.floor_ratio = capable.over(&without);
    Ok([without, capable])
}

/// Starts sagas of a definition.
#[derive(Debug, Clone)]
struct Starter {
    client: Client,
    saga: &'static str,
}

impl Caller for Starter {
    async fn call(&mut self) -> Result<(), Error> {
        one(&self.client, self.saga).await
    }
}

/// Works on the steps of one of the sagas.
pub(crate) async fn work(client: Client, saga: &str) -> Result<(), Error> {
    let mut worker = Worker::new(client, "bench").concurrency(CONCURRENCY).instances(INSTANCES);
    for step in 0..REMOTE_STEPS {
        worker = if saga == CAPABLE {
            worker.handle(&format!("capable.{step}"), |task: Task| async move {
                task.capability()?
                    .prove(CHALLENGE)
                    .map_err(|err| HandlerError::refused("Unproven", err.to_string()))?;
                Ok(task.input)
            })
        } else {
            worker.handle(&format!("remote.{step}"), |task: Task| async move { Ok(task.input) })
        };
    }
    worker.run(std::future::pending()).await.map_err(|err| Error::Failed(err.to_string()))
}

/// One saga from its start to its end.
pub(crate) async fn one(client: &Client, saga: &str) -> Result<(), Error> {
    let start = Start::new(name(saga)?, payload()).wait(SAGA_MAX);
    let transaction = client.start(&start).await?;
    if transaction.status == Status::Completed {
        return Ok(());
    }
    Err(Error::Failed(format!("a saga ended as {:?}", transaction.status)))
}
