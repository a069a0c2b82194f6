//! `saga-remote-10`: each client loops start → ten sequential steps → result over HTTP; one worker process on the SDK.

use crate::fixture::{DURABILITY, Node, REMOTE_STEPS, name, payload};
use crate::harness::{Error, SyncCounter, Times, rate, rss_mib};
use crate::inprocess::{now, per_unit};
use crate::report::Figure;
use chancery_base::Secret;
use chancery_sdk::api::transaction::Status;
use chancery_sdk::{Client, ClientOptions, Start, Task, Worker};
use chancery_server::{ServerOptions, serve};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// How long one saga may take before the run is given up.
const SAGA_MAX: Duration = Duration::from_secs(30);

/// The child: serves until standard input ends, and says where on its first line.
pub(crate) async fn server() -> Result<(), Error> {
    let dir = tempfile::tempdir()?;
    let node = Node::new(dir.path()).await?;
    let options = ServerOptions { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..ServerOptions::default() };
    let server = serve(node.app.clone(), options).await?;
    // The key is of this run alone and goes to the parent's pipe.
    let hello = json!({ "url": format!("http://{}", server.local_addr()), "key": node.key.expose() });
    writeln!(std::io::stdout(), "{hello}")?;
    std::io::stdout().flush()?;
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
    ended.map_err(|err| Error::Failed(err.to_string()))??;
    server.shutdown().await;
    node.app.shutdown().await?;
    Ok(())
}

/// Runs the workload against a server in a child process.
pub(crate) async fn measure(clients: usize, time: Duration) -> Result<Figure, Error> {
    let dir = tempfile::tempdir()?;
    let syncs = SyncCounter::new(dir.path())?;
    let (mut child, client) = start_server(&syncs).await?;
    let mut worker = JoinSet::new();
    worker.spawn(work(client.clone()));
    let (warm, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut running = JoinSet::new();
    for _ in 0..clients {
        let (client, warm, stop) = (client.clone(), Arc::clone(&warm), Arc::clone(&stop));
        running.spawn(async move { run(&client, &warm, &stop).await });
    }
    tokio::time::sleep(time / 5).await;
    let (began, syncs_before) = (now(), syncs.count()?);
    warm.store(true, Ordering::Relaxed);
    tokio::time::sleep(time).await;
    let rss = child.id().map_or(0, rss_mib);
    let synced = syncs.count()? - syncs_before;
    stop.store(true, Ordering::Relaxed);
    let took = began.elapsed();
    let mut times = Times::default();
    while let Some(joined) = running.join_next().await {
        let counted = joined.map_err(|err| Error::Failed(err.to_string()))?;
        if let Some(ended) = worker.try_join_next() {
            ended.map_err(|err| Error::Failed(err.to_string()))??;
            return Err(Error::Failed("the worker ended before the clients".to_owned()));
        }
        times.extend(counted?);
    }
    worker.abort_all();
    drop(child.stdin.take());
    child.wait().await?;
    let steps = times.len() * REMOTE_STEPS;
    let step_us = |saga_us: u64| saga_us / u64::try_from(REMOTE_STEPS).unwrap_or(1);
    Ok(Figure {
        name: "saga-remote-10",
        clients,
        per_second: rate(steps, took),
        p50_us: step_us(times.percentile(50)),
        p99_us: step_us(times.percentile(99)),
        rss_mib: rss,
        syncs_per_unit: Some(per_unit(synced, u64::try_from(steps).unwrap_or(1))),
        durability: DURABILITY,
    })
}

async fn start_server(syncs: &SyncCounter) -> Result<(Child, Client), Error> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("server").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    syncs.watch(&mut command);
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| Error::Failed("the server has no output".to_owned()))?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).await?;
    let hello: Value =
        serde_json::from_str(&line).map_err(|err| Error::Failed(format!("the server's hello: {err}")))?;
    let text = |key: &str| hello.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let client = Client::new(ClientOptions::new(text("url"), Secret::new(text("key"))))?;
    Ok((child, client))
}

async fn work(client: Client) -> Result<(), Error> {
    let mut worker = Worker::new(client, "bench").concurrency(256);
    for step in 0..REMOTE_STEPS {
        worker = worker.handle(&format!("remote.{step}"), |task: Task| async move { Ok(task.input) });
    }
    worker.run(std::future::pending()).await.map_err(|err| Error::Failed(err.to_string()))
}

async fn run(client: &Client, warm: &AtomicBool, stop: &AtomicBool) -> Result<Times, Error> {
    let mut times = Times::default();
    let definition = name("saga-remote-10")?;
    while !stop.load(Ordering::Relaxed) {
        let (counts, began) = (warm.load(Ordering::Relaxed), now());
        let start = Start::new(definition.clone(), payload()).wait(SAGA_MAX);
        let transaction = client.start(&start).await?;
        if transaction.status != Status::Completed {
            return Err(Error::Failed(format!("a saga ended as {:?}", transaction.status)));
        }
        if counts && !stop.load(Ordering::Relaxed) {
            times.add(began.elapsed());
        }
    }
    Ok(times)
}
