//! How fast a log is exported and the export verified, in each form.

use crate::fixture::Node;
use crate::harness::Error;
use crate::inprocess::now;
use crate::verify::fill;
use chancery_app::data::Database;
use chancery_app::exports::{self, Ask, Bound, Filter, Form};
use chancery_app::ledger;
use chancery_ledger::Keys;
use chancery_ledger::export::ExportVerifier;
use chancery_policy::Action;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The workload's name.
pub(crate) const EXPORT: &str = "export";
/// Entries that are exported.
const ENTRIES: u64 = 100_000;

/// Fills a store with sagas, exports it in several ways, and gives the figures.
pub(crate) async fn measure() -> Result<Vec<Value>, Error> {
    let dir = tempfile::tempdir()?;
    let node = Arc::new(Node::new(dir.path(), &Database::Embedded).await?);
    fill(&node, ENTRIES).await?;
    let mut figures = Vec::new();
    for form in Form::ALL {
        figures.push(one(&node, form, true, None).await?);
    }
    figures.push(one(&node, Form::Json, false, None).await?);
    figures.push(one(&node, Form::Json, false, Some("step.")).await?);
    node.app.shutdown().await?;
    Ok(figures)
}

async fn one(node: &Node, form: Form, payloads: bool, kinds: Option<&str>) -> Result<Value, Error> {
    let grant = node.grant(Action::ExportMake).await?;
    let filter = Filter { transaction: None, kinds: kinds.map(str::parse).transpose().map_err(failed)? };
    let to = Some(Bound::Entry(ENTRIES));
    let justification = "a measurement".to_owned();
    let ask = Ask { from: None, to, filter, payloads, form, justification };
    let began = now();
    let mut export = exports::make(&node.app, &grant, ask).await.map_err(failed)?;
    let mut text = String::new();
    while let Some(piece) = export.next().await.map_err(failed)? {
        text += &piece;
    }
    let made = began.elapsed();
    let keys = Keys::one(ledger::key(&node.app));
    let began = now();
    let mut verifier = ExportVerifier::new(&keys);
    for line in text.split_inclusive('\n') {
        verifier.line(line.as_bytes()).map_err(failed)?;
    }
    let report = verifier.finish().map_err(failed)?;
    Ok(json!({
        "name": EXPORT, "format": form.word(), "payloads": payloads, "kinds": kinds,
        "entries": report.closing.counts.entries, "bytes": text.len(), "ms": millis(made),
        "verify_ms": millis(began.elapsed()),
    }))
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn failed(err: impl std::fmt::Display) -> Error {
    Error::Failed(err.to_string())
}
