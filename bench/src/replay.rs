//! How fast the decisions of a log are taken again, under the bundle that took them and under another.

use crate::fixture::{Node, Variant};
use crate::harness::{Error, rate};
use crate::inprocess::now;
use crate::verify::fill;
use chancery_app::bundles::replay::{Range, replay};
use chancery_app::data::Database;
use chancery_policy::Action;
use serde_json::{Value, json};
use std::sync::Arc;

/// The workload's name.
pub(crate) const REPLAY: &str = "replay";
/// Entries of the log at least; two in five are decisions.
const ENTRIES_MIN: u64 = 200_000;

/// Fills a store with sagas, replays its decisions, and gives the figures.
pub(crate) async fn measure() -> Result<Vec<Value>, Error> {
    let dir = tempfile::tempdir()?;
    let node = Arc::new(Node::new(dir.path(), &Database::Embedded).await?);
    fill(&node, ENTRIES_MIN).await?;
    let mut figures = Vec::new();
    for (under, variant) in [("its own bundle", Variant::Plain), ("another bundle", Variant::Obliged)] {
        figures.push(one(&node, under, variant).await?);
    }
    node.app.shutdown().await?;
    Ok(figures)
}

async fn one(node: &Node, under: &str, variant: Variant) -> Result<Value, Error> {
    let digest = node.push(variant).await?;
    let grant = node.grant(Action::BundleReplay).await?;
    let (mut range, mut decisions, mut flips) = (Range::default(), 0, 0);
    let began = now();
    loop {
        let part = replay(&node.app, &grant, digest, range).await?;
        decisions += part.report.tally.decisions;
        flips += part.report.flips.len();
        let Some(next) = part.next else { break };
        range.from = next;
    }
    let took = began.elapsed();
    if flips > 0 {
        return Err(Error::Failed(format!("{flips} decisions come out otherwise under {under}")));
    }
    let count = usize::try_from(decisions).unwrap_or(usize::MAX);
    Ok(json!({ "name": REPLAY, "under": under, "decisions": decisions, "per_second": rate(count, took) }))
}
