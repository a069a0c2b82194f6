//! The tenant's logs: what auditors read.

mod tiles;
mod tlog;

pub(crate) use tiles::{Tiles, TilesError, with_tiles};
pub use tlog::{Served, tlog};
pub(crate) use tlog::{inclusion as inclusion_hashes, newest, range as range_hashes};

use crate::Error;
use crate::app::App;
use crate::page::{Page, Paged};
use crate::transactions::{HistoryEntry, Source, entry_views};
use chancery_base::TransactionId;
use chancery_ledger::{Hash, LeafIndex, Origin, TreeSize, VerifierKey};
use chancery_policy::Grant;

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogView {
    /// Its name, the first line of its checkpoints.
    pub origin: Origin,
    /// How many entries are committed.
    pub size: u64,
    /// How many entries the newest checkpoint covers.
    pub checkpoint_size: u64,
}

/// A proof that an entry is in the tree of a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionView {
    /// Which log.
    pub origin: Origin,
    /// Which entry.
    pub index: LeafIndex,
    /// In the tree of this size, which a checkpoint covers.
    pub size: TreeSize,
    /// From the leaf up.
    pub hashes: Vec<Hash>,
    /// The checkpoint of that size, where there is one.
    pub checkpoint: Option<String>,
}

/// A proof that a tree goes on from an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyView {
    /// Which log.
    pub origin: Origin,
    /// The earlier size.
    pub old: TreeSize,
    /// The later size, which a checkpoint covers.
    pub new: TreeSize,
    /// The proof (RFC 6962, section 2.1.2).
    pub hashes: Vec<Hash>,
}

/// Which entries are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Only those of this transaction.
    pub transaction: Option<TransactionId>,
}

/// The tenant's logs.
///
/// # Errors
/// If the store does not answer.
pub async fn logs(app: &App, grant: &Grant) -> Result<Vec<LogView>, Error> {
    let tenant = app.tenant(grant)?;
    let checkpoint = app.store().checkpoint(tenant.log, None).await?;
    Ok(vec![LogView {
        origin: tenant.origin.clone(),
        size: tenant.head().size,
        checkpoint_size: checkpoint.map_or(0, |row| row.size),
    }])
}

/// The public key that verifies the checkpoints.
#[must_use]
pub fn key(app: &App) -> VerifierKey {
    app.keys().log.verifier()
}

/// A page of the log's entries in order, or of a transaction's. The page's key is an entry's `seq`, and for a
/// transaction's entries its number within.
///
/// # Errors
/// If the store does not answer or there is no such transaction.
pub async fn entries(
    app: &App,
    grant: &Grant,
    filter: EntryFilter,
    page: Page<u64>,
) -> Result<Paged<HistoryEntry, u64>, Error> {
    if let Some(id) = filter.transaction {
        return crate::transactions::history(app, grant, id, page).await;
    }
    let tenant = app.tenant(grant)?;
    entry_views(app, &tenant, Source::Log, page).await
}

/// Proves that an entry is in the tree of `size`, of the newest checkpoint where none is named.
///
/// # Errors
/// If no checkpoint covers the entry or the size.
pub async fn inclusion(app: &App, grant: &Grant, entry: u64, size: Option<u64>) -> Result<InclusionView, Error> {
    let tenant = app.tenant(grant)?;
    let newest = newest(app, &tenant).await?;
    let size = size.unwrap_or(newest.size);
    if size > newest.size || entry >= size {
        return Err(Error::Missing(format!(
            "entry {entry} in a tree of {size}: the newest checkpoint has {}",
            newest.size
        )));
    }
    let hashes = tlog::inclusion(app, &tenant, LeafIndex(entry), TreeSize(size)).await?;
    let checkpoint = app.store().checkpoint(tenant.log, Some(size)).await?.filter(|row| row.size == size);
    Ok(InclusionView {
        origin: tenant.origin.clone(),
        index: LeafIndex(entry),
        size: TreeSize(size),
        hashes,
        checkpoint: checkpoint.map(|row| row.note),
    })
}

/// Proves that the tree of `new` entries (of the newest checkpoint where none is named) goes on from that of `old`.
///
/// # Errors
/// If `old` is 0 or greater than `new`, or no checkpoint covers `new`.
pub async fn consistency(app: &App, grant: &Grant, old: u64, new: Option<u64>) -> Result<ConsistencyView, Error> {
    let tenant = app.tenant(grant)?;
    let newest = newest(app, &tenant).await?;
    let new = new.unwrap_or(newest.size);
    if new > newest.size {
        return Err(Error::Missing(format!("a tree of {new}: the newest checkpoint has {}", newest.size)));
    }
    if old == 0 || old > new {
        return Err(Error::Invalid(format!("there is no consistency proof from {old} to {new} entries")));
    }
    let hashes = tlog::consistency(app, &tenant, TreeSize(old), TreeSize(new)).await?;
    Ok(ConsistencyView { origin: tenant.origin.clone(), old: TreeSize(old), new: TreeSize(new), hashes })
}
