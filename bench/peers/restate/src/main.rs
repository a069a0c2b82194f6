//! The benchmark's workloads as Restate services.
//!
//! A step is `ctx.run`: it runs in this process, apart from the server, and the next one begins when the server has
//! made its result durable. Another service's call as a step would cost Restate more. Steps at once are calls of
//! another handler, since this SDK has `ctx.run` awaited at once.
//!
//! ```text
//! peer-restate ADDRESS
//! ```
//!
//! A line on standard input is answered with one on standard output: how many steps ran so far, and how late those
//! were that were waited for since the line before. A line that begins with `awakeable` says under which id a saga of a
//! client waits. The program ends with its standard input.

use restate_sdk::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many steps ran.
static STEPS: AtomicU64 = AtomicU64::new(0);
/// Microseconds after the time that each was waited for, since they were last asked for.
static LATE: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// A saga of so many steps, each of which passes the payload on.
#[derive(Deserialize)]
struct Order {
    steps: usize,
    payload: Value,
}

/// One that waits: so many milliseconds.
#[derive(Deserialize)]
struct Sleep {
    ms: u64,
}

/// One that waits until then, in milliseconds since 1970.
#[derive(Deserialize)]
struct At {
    due_ms: u64,
}

/// One that waits for a signal, of this client.
#[derive(Deserialize)]
struct Wait {
    client: usize,
}

/// The step: it is counted, and gives what it was given.
async fn pass_on(payload: Value) -> Result<Json<Value>, HandlerError> {
    STEPS.fetch_add(1, Ordering::Relaxed);
    Ok(Json(payload))
}

/// The step that can't be done.
async fn refuse() -> Result<Json<Value>, HandlerError> {
    STEPS.fetch_add(1, Ordering::Relaxed);
    Err(TerminalError::new("refused").into())
}

/// The step behind a wait: how late it runs is kept.
async fn note(due: SystemTime) -> Result<(), HandlerError> {
    STEPS.fetch_add(1, Ordering::Relaxed);
    let late = SystemTime::now().duration_since(due).unwrap_or_default();
    LATE.lock().map_err(|_| TerminalError::new("a step panicked"))?.push(late.as_micros() as u64);
    Ok(())
}

struct Saga;

#[service]
impl Saga {
    /// Steps one after the other.
    #[handler]
    async fn run(&self, ctx: Context<'_>, order: Json<Order>) -> Result<Json<Value>, HandlerError> {
        let Order { steps, mut payload } = order.into_inner();
        for _ in 0..steps {
            payload = ctx.run(move || pass_on(payload)).await?.into_inner();
        }
        Ok(Json(payload))
    }

    /// The last step is refused, and those before it are undone, the newest first, as Restate's guide to sagas has it:
    /// undos gather while it goes forward. What was refused was not done, so that it is not undone. Gives how many were.
    #[handler]
    async fn compensate(&self, ctx: Context<'_>, order: Json<Order>) -> Result<u64, HandlerError> {
        let Order { steps, mut payload } = order.into_inner();
        let mut undos = Vec::new();
        for step in 1..=steps {
            let given = payload.clone();
            let done = match step == steps {
                true => ctx.run(refuse).await,
                false => ctx.run(move || pass_on(given)).await,
            };
            match done {
                Ok(output) => {
                    payload = output.into_inner();
                    undos.push(payload.clone());
                }
                Err(_) => break,
            }
        }
        let undone = undos.len() as u64;
        for output in undos.into_iter().rev() {
            ctx.run(move || pass_on(output)).await?;
        }
        Ok(undone)
    }

    /// Steps all at once; waits for all.
    #[handler]
    async fn fan(&self, ctx: Context<'_>, order: Json<Order>) -> Result<u64, HandlerError> {
        let Order { steps, payload } = order.into_inner();
        let item = || ctx.service_client::<ItemClient>().pass_on(Json(payload.clone())).call();
        // Each is sent when it is made, so that waiting for one after the other is waiting for all.
        let calls: Vec<_> = (0..steps).map(|_| item()).collect();
        for call in calls {
            call.await?;
        }
        Ok(steps as u64)
    }

    /// Waits for a time.
    #[handler]
    async fn sleep(&self, ctx: Context<'_>, sleep: Json<Sleep>) -> Result<(), HandlerError> {
        Ok(ctx.sleep(Duration::from_millis(sleep.into_inner().ms)).await?)
    }

    /// Waits until then, and has a step behind that.
    #[handler]
    async fn at(&self, ctx: Context<'_>, at: Json<At>) -> Result<(), HandlerError> {
        let due = UNIX_EPOCH + Duration::from_millis(at.into_inner().due_ms);
        ctx.sleep(due.duration_since(SystemTime::now()).unwrap_or_default()).await?;
        Ok(ctx.run(move || note(due)).await?)
    }

    /// Waits for what somebody outside says. Under which id is told beside the journal, which costs Restate nothing.
    #[handler]
    async fn signal(&self, ctx: Context<'_>, wait: Json<Wait>) -> Result<Json<Value>, HandlerError> {
        let (id, said) = ctx.awakeable::<Json<Value>>();
        say(&format!("awakeable {} {id}", wait.into_inner().client))?;
        Ok(said.await?)
    }
}

struct Item;

#[service]
impl Item {
    #[handler]
    async fn pass_on(&self, _ctx: Context<'_>, payload: Json<Value>) -> Result<Json<Value>, HandlerError> {
        pass_on(payload.into_inner()).await
    }
}

/// One line to whoever started this.
fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Answers lines until there are no more.
fn answer() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for line in std::io::stdin().lines() {
        line?;
        let late = std::mem::take(&mut *LATE.lock().map_err(|_| "a step panicked")?);
        say(&json!({ "steps": STEPS.load(Ordering::Relaxed), "late_us": late }).to_string())?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let listen = std::env::args().nth(1).ok_or("the address to listen on is missing")?.parse()?;
    let ended = tokio::task::spawn_blocking(answer);
    let endpoint = Endpoint::builder().bind(Saga).bind(Item).build();
    tokio::select! {
        ended = ended => ended?,
        () = HttpServer::new(endpoint).listen_and_serve(listen) => Ok(()),
    }
}
