//! Computing with tiles that are in a store: the computation says which one it lacks, and is done again with it.

use chancery_ledger::TileId;
use chancery_ledger::tree::TreeError;
use chancery_shard::batch::StoreError;
use chancery_shard::row::LogId;
use chancery_store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A tile that is not at hand.
#[derive(Debug, thiserror::Error)]
#[error("not at hand")]
pub(crate) struct Absent;

/// Why a computation over tiles was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TilesError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A tile is missing or too short, or the sizes do not fit.
    #[error("{0}")]
    Tree(String),
}

/// Tiles that are at hand from one computation to the next.
pub(crate) type Tiles = BTreeMap<TileId, Vec<u8>>;

/// Tiles at hand, above which a computation begins with none: each has up to 8 KiB, and no computation takes as many.
const TILES_KEPT_MAX: usize = 64;

/// Computes something from the tiles of a log.
pub(crate) async fn with_tiles<T>(
    store: &Arc<dyn Store>,
    log: LogId,
    compute: impl Fn(&dyn Fn(TileId) -> Result<Vec<u8>, Absent>) -> Result<T, TreeError<Absent>>,
) -> Result<T, TilesError> {
    with_tiles_at_hand(store, log, &mut Tiles::new(), compute).await
}

/// The same, with tiles that are at hand, and those that are read are from then on.
pub(crate) async fn with_tiles_at_hand<T>(
    store: &Arc<dyn Store>,
    log: LogId,
    tiles: &mut Tiles,
    compute: impl Fn(&dyn Fn(TileId) -> Result<Vec<u8>, Absent>) -> Result<T, TreeError<Absent>>,
) -> Result<T, TilesError> {
    if tiles.len() > TILES_KEPT_MAX {
        tiles.clear();
    }
    loop {
        let done = compute(&|id| tiles.get(&id).cloned().ok_or(Absent));
        let id = match done {
            Ok(value) => return Ok(value),
            Err(TreeError::Read { id, .. }) => id,
            Err(error) => return Err(TilesError::Tree(error.to_string())),
        };
        let row = store.tile(log, id.level, id.index).await?;
        let row = row.ok_or_else(|| TilesError::Tree(format!("{id} is missing")))?;
        tiles.insert(id, row.hashes);
    }
}
