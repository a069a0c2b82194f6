//! `open-10k`: the steps of a long open transaction, one after the other, in the server's own process, on either
//! store.

use crate::fixture::{DURABILITY, Node, name, payload};
use crate::harness::{Error, Times, rss_mib};
use crate::inprocess::now;
use crate::postgres;
use chancery_app::data::Database;
use chancery_app::driving::{self, Step};
use chancery_app::transactions::{self, Start};
use chancery_base::Document;
use chancery_engine::definition::Classes;
use chancery_engine::{Intent, IntentTarget, IntentUndo};
use chancery_policy::Action;
use chancery_shard::input::{Report, ReportedOutcome, Stepped};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The workload's name, and its definition's.
pub(crate) const OPEN: &str = "open-10k";
/// Steps of the transaction.
pub(crate) const STEPS: usize = 10_000;
/// Steps from the tenth on, and before the last, whose times are compared.
const WINDOW: usize = 500;

/// Runs it, and gives the figures: a step's time at the beginning and at the end.
pub(crate) async fn measure(on_postgres: bool) -> Result<Value, Error> {
    if !on_postgres {
        return on(&Database::Embedded, DURABILITY).await;
    }
    let dir = tempfile::tempdir()?;
    let mut server = postgres::Server::start(dir.path(), postgres::CONNECTIONS).await?;
    let url = server.create("chancery").await?;
    let figures = on(&postgres::database(Some(&url)), postgres::DURABILITY).await?;
    server.stop().await?;
    Ok(figures)
}

async fn on(database: &Database, durability: &str) -> Result<Value, Error> {
    let dir = tempfile::tempdir()?;
    let node = Node::new(dir.path(), database).await?;
    let drive = node.grant(Action::TransactionDrive).await?;
    let start = Start {
        definition: name(OPEN)?,
        version: None,
        input: Value::Null,
        idempotency_key: None,
        labels: BTreeMap::new(),
        headers: BTreeMap::new(),
        traceparent: None,
        start_at: None,
        signal: None,
        faults: Vec::new(),
    };
    let id = transactions::start(&node.app, &node.grant(Action::TransactionStart).await?, start).await?.id;
    let (mut first, mut last) = (Times::default(), Times::default());
    for number in 0..STEPS {
        let began = now();
        let asked = driving::step(&node.app, &drive, id, step(number)?).await?;
        let Stepped::Permitted(permit) = asked else { return Err(Error::Failed(format!("step {number}: {asked:?}"))) };
        let outcome = ReportedOutcome::Completed(Document::shared(json!({ "of": number })));
        let report = Report { task: permit.token, outcome };
        driving::outcome(&node.app, &drive, id, name(&format!("s{number}"))?, report).await?;
        if (10..10 + WINDOW).contains(&number) {
            first.add(began.elapsed());
        }
        if number >= STEPS - WINDOW {
            last.add(began.elapsed());
        }
    }
    let ended = driving::commit(&node.app, &drive, id, 1, Value::Null).await?;
    let rss = rss_mib(std::process::id());
    node.app.shutdown().await?;
    let (tenth, last) = (first.percentile(50), last.percentile(50));
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark are far below 2^53")]
    let ratio = last as f64 / tenth.max(1) as f64;
    Ok(json!({
        "name": OPEN, "steps": STEPS, "status": ended.status.word(), "tenth_p50_us": tenth, "last_p50_us": last,
        "ratio": (ratio * 1_000.0).round() / 1_000.0, "rss_mib": rss, "durability": durability,
    }))
}

fn step(number: usize) -> Result<Step, Error> {
    let undo = IntentUndo {
        attempts: 3,
        critical: false,
        input: None,
        on_error: None,
        target: IntentTarget::Worker(name("local.0")?),
        timeout_ms: 30_000,
    };
    let step = name(&format!("s{number}"))?;
    let (action, classes) = (name("run")?, Classes::new());
    let intent = Intent { action, classes, purpose: None, resource: None, step, timeout_ms: 30_000, undo: Some(undo) };
    Ok(Step { driver: 1, intent, input: payload() })
}
