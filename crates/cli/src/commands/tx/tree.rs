//! A transaction and all that it runs.

use crate::error::CliError;
use chancery_api::transaction::{Status, Transaction};
use chancery_base::{Name, TransactionId};
use chancery_sdk::Client;
use serde::Serialize;
use std::collections::BTreeMap;

/// Transactions of one tree: each is a call.
const BRANCHES_MAX: usize = 1_000;

/// A transaction, and below it those that its steps run.
#[derive(Debug, Serialize)]
pub(crate) struct Branch {
    /// Which.
    pub(crate) transaction: TransactionId,
    /// The step that runs it, or the clone of one; none: it is where the tree begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
    /// What it runs.
    pub(crate) definition: Name,
    /// Which version.
    pub(crate) version: u32,
    /// What it is doing.
    pub(crate) status: Status,
    /// Whether all that is below it is here.
    pub(crate) is_all: bool,
    /// What its steps run.
    pub(crate) children: Vec<Self>,
}

/// Reads a tree from its root down, as much of it as [`BRANCHES_MAX`] allows.
pub(super) async fn of(client: &Client, root: TransactionId) -> Result<Branch, CliError> {
    let first = client.get(root).await?;
    let mut found = BTreeMap::new();
    let mut wanted = first.children.clone();
    while let Some(id) = wanted.pop().filter(|_| found.len() + 1 < BRANCHES_MAX) {
        let child = client.get(id).await?;
        wanted.extend(&child.children);
        found.insert(id, child);
    }
    Ok(branch(None, &first, &found))
}

fn branch(step: Option<String>, of: &Transaction, found: &BTreeMap<TransactionId, Transaction>) -> Branch {
    let children = of.children.iter().filter_map(|child| {
        let child = found.get(child)?;
        Some(branch(child.parent.as_ref().map(|parent| parent.step.clone()), child, found))
    });
    let children: Vec<Branch> = children.collect();
    Branch {
        transaction: of.id,
        step,
        definition: of.definition.clone(),
        version: of.version,
        status: of.status,
        is_all: children.len() == of.children.len() && children.iter().all(|child| child.is_all),
        children,
    }
}
