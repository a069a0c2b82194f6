//! The benchmark's saga on Temporal: ten sequential steps, each of which takes 1 KiB and passes it on.
//!
//! A step is an activity: its result is in the server before the next one begins. A local activity would cost less, but
//! the results of those that follow one another are kept together, when the workflow's task ends. Worker and clients are
//! in this process. Prints a line of figures.
//!
//! ```text
//! peer-temporal http://ADDRESS CLIENTS SECONDS
//! ```

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, Url, WorkflowGetResultOptions, WorkflowStartOptions,
};
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::{ActivityOptions, Runtime, Worker, WorkerOptions, WorkflowContext, WorkflowResult};
use tokio::task::JoinSet;

const STEPS: usize = 10;
const PAYLOAD_BYTES: usize = 1024;
const TASK_QUEUE: &str = "bench";
/// How long the server may take to be there.
const START_MAX: Duration = Duration::from_secs(60);
/// Longer than a step takes on the slowest disk, so that none is tried again.
const STEP_MAX: Duration = Duration::from_secs(60);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The steps, and how many were done so far.
struct Steps(Arc<AtomicU64>);

#[activities]
impl Steps {
    #[activity]
    async fn pass_on(self: Arc<Self>, _ctx: ActivityContext, payload: Value) -> Result<Value, ActivityError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(payload)
    }
}

#[workflow]
#[derive(Default)]
struct Saga;

#[workflow_methods]
impl Saga {
    #[run]
    async fn run(ctx: &mut WorkflowContext<Self>, input: Value) -> WorkflowResult<Value> {
        let mut payload = input;
        for _ in 0..STEPS {
            let options = ActivityOptions::start_to_close_timeout(STEP_MAX);
            payload = ctx.execute_activity(Steps::pass_on, payload, options).await?;
        }
        Ok(payload)
    }
}

/// One saga from its start to its end.
async fn call(client: &Client, id: String) -> Result<(), Error> {
    let payload = json!({ "filler": "x".repeat(PAYLOAD_BYTES - 13) });
    let options = WorkflowStartOptions::new(TASK_QUEUE, id).build();
    let handle = client.start_workflow(Saga::run, payload, options).await?;
    let _output: Value = handle.get_result(WorkflowGetResultOptions::default()).await?;
    Ok(())
}

/// What clients count while they work.
#[derive(Default)]
struct Signals {
    counts: AtomicBool,
    stop: AtomicBool,
}

/// One saga after the other until it is told to stop; the microseconds of those that end while it is counted.
async fn work(client: Client, index: usize, signals: Arc<Signals>) -> Result<Vec<u128>, Error> {
    let mut times = Vec::new();
    for turn in 0_u64.. {
        if signals.stop.load(Ordering::Relaxed) {
            break;
        }
        let began = Instant::now();
        call(&client, format!("saga-{index}-{turn}")).await?;
        if signals.counts.load(Ordering::Relaxed) && !signals.stop.load(Ordering::Relaxed) {
            times.push(began.elapsed().as_micros());
        }
    }
    Ok(times)
}

/// Sets the clients to work, once a first saga has shown that the worker is there.
///
/// Steps are counted rather than sagas: a saga can take most of the time, so that few would end within it.
async fn measure(client: &Client, clients: usize, time: Duration, done: &AtomicU64) -> Result<Value, Error> {
    call(client, "first".to_owned()).await?;
    let signals = Arc::new(Signals::default());
    let mut running = JoinSet::new();
    for index in 0..clients {
        running.spawn(work(client.clone(), index, Arc::clone(&signals)));
    }
    tokio::time::sleep(time / 5).await;
    let (began, before) = (Instant::now(), done.load(Ordering::Relaxed));
    signals.counts.store(true, Ordering::Relaxed);
    tokio::time::sleep(time).await;
    signals.stop.store(true, Ordering::Relaxed);
    let (took, steps) = (began.elapsed(), done.load(Ordering::Relaxed) - before);
    let mut times = Vec::new();
    while let Some(joined) = running.join_next().await {
        times.extend(joined??);
    }
    times.sort_unstable();
    // The value at or below which so many of a hundred lie: a step's share of it.
    let percentile = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1) - 1;
        times.get(rank).map(|saga| saga / STEPS as u128).ok_or("no saga ended within the time")
    };
    Ok(json!({
        "per_second": steps as f64 / took.as_secs_f64(),
        "p50_us": percentile(50)?,
        "p99_us": percentile(99)?,
    }))
}

/// Waits for the server, which is started beside this program.
async fn connect(server: &Url) -> Result<Client, Error> {
    let began = Instant::now();
    loop {
        match Connection::connect(ConnectionOptions::new(server.clone()).build()).await {
            Ok(connection) => return Ok(Client::new(connection, ClientOptions::new("default").build())?),
            Err(err) if began.elapsed() > START_MAX => return Err(err.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |name: &str| arguments.next().ok_or_else(|| format!("{name} is missing"));
    let server = argument("the server's URL")?.parse()?;
    let clients = argument("the number of clients")?.parse()?;
    let time = Duration::from_secs(argument("the number of seconds")?.parse()?);
    let runtime = Runtime::from_current_tokio(Default::default())?;
    let client = connect(&server).await?;
    let done = Arc::new(AtomicU64::new(0));
    let steps = Steps(Arc::clone(&done));
    let options = WorkerOptions::new(TASK_QUEUE).register_workflow::<Saga>()?.register_activities(steps).build();
    let mut worker = Worker::new(&runtime, client.clone(), options)?;
    let stop = worker.shutdown_handle();
    let mut serving = std::pin::pin!(worker.run());
    let figures = tokio::select! {
        ended = &mut serving => {
            ended?;
            return Err("the worker ended by itself".into());
        }
        figures = measure(&client, clients, time, &done) => figures?,
    };
    stop();
    serving.await?;
    println!("{figures}");
    Ok(())
}
