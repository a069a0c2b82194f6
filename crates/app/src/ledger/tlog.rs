//! The log as C2SP tlog-tiles serves it: checkpoint, hash tiles, entry bundles.

use super::tiles::{Tiles, TilesError, with_tiles, with_tiles_at_hand};
use crate::Error;
use crate::app::App;
use crate::tenant::Tenant;
use crate::transactions::damaged;
use chancery_ledger::proof::{consistency_proof, inclusion_proof, range_hashes};
use chancery_ledger::tile::{TILE_WIDTH, TileId, write_bundle};
use chancery_ledger::{Hash, LeafIndex, Origin, Resource, TreeSize};
use chancery_policy::Grant;
use chancery_store::CheckpointRow;
use std::time::Duration;

/// What is served under a path of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// The newest checkpoint's note: `text/plain; charset=utf-8`, changes.
    Checkpoint(String),
    /// A hash tile or an entry bundle: `application/octet-stream`, never changes.
    Immutable(Vec<u8>),
}

/// What a log serves under a path below its prefix.
///
/// # Errors
/// If the log is not the tenant's, or its newest checkpoint does not cover what is asked for.
pub async fn tlog(app: &App, grant: &Grant, shard: u16, generation: u32, resource: Resource) -> Result<Served, Error> {
    let tenant = app.tenant(grant)?;
    if (tenant.origin.shard(), tenant.origin.generation()) != (shard, generation) {
        return Err(Error::Missing(format!("log {}/{shard}/{generation}", tenant.id)));
    }
    let newest = newest(app, &tenant).await?;
    let size = TreeSize(newest.size);
    match resource {
        Resource::Checkpoint => Ok(Served::Checkpoint(newest.note)),
        Resource::Tile { id, width } => {
            if id.width_in(size) < width {
                return Err(missing(resource, &tenant.origin));
            }
            let row = app.store().tile(tenant.log, id.level, id.index).await?;
            let mut hashes = row.ok_or_else(|| missing(resource, &tenant.origin))?.hashes;
            let bytes = usize::from(width) * chancery_ledger::hash::HASH_BYTES;
            if hashes.len() < bytes {
                return Err(damaged("a tile")(format!("{id} has {} bytes, {bytes} are needed", hashes.len())));
            }
            hashes.truncate(bytes);
            Ok(Served::Immutable(hashes))
        }
        Resource::Entries { index, width } => {
            if (TileId { level: 0, index }).width_in(size) < width {
                return Err(missing(resource, &tenant.origin));
            }
            let from = index * u64::from(TILE_WIDTH);
            let rows = app.store().entries(tenant.log, from, usize::from(width), false).await?;
            if rows.len() < usize::from(width) {
                return Err(damaged("a log")(format!("{} entries from {from} on, {width} are needed", rows.len())));
            }
            let bundle = write_bundle(rows.iter().map(|row| row.record.as_slice())).map_err(damaged("a record"))?;
            Ok(Served::Immutable(bundle))
        }
    }
}

fn missing(resource: Resource, origin: &Origin) -> Error {
    Error::Missing(format!("`{resource}` in the newest checkpoint of `{origin}`"))
}

/// The newest checkpoint.
pub(crate) async fn newest(app: &App, tenant: &Tenant) -> Result<CheckpointRow, Error> {
    let row = app.store().checkpoint(tenant.log, None).await?;
    row.ok_or(Error::NotYet { what: "the first checkpoint", retry_after: Duration::from_secs(1) })
}

pub(crate) async fn inclusion(app: &App, tenant: &Tenant, leaf: LeafIndex, size: TreeSize) -> Result<Vec<Hash>, Error> {
    let proof = with_tiles(app.store(), tenant.log, |read| inclusion_proof(leaf, size, read)).await;
    proof.map_err(tiles_error)
}

pub(crate) async fn consistency(app: &App, tenant: &Tenant, old: TreeSize, new: TreeSize) -> Result<Vec<Hash>, Error> {
    let proof = with_tiles(app.store(), tenant.log, |read| consistency_proof(old, new, read)).await;
    proof.map_err(tiles_error)
}

/// The hashes that stand for the entries from `from` up to but not including `to`; `tiles` are those at hand.
pub(crate) async fn range(
    app: &App,
    tenant: &Tenant,
    (from, to): (u64, u64),
    size: TreeSize,
    tiles: &mut Tiles,
) -> Result<Vec<Hash>, Error> {
    let hashes = with_tiles_at_hand(app.store(), tenant.log, tiles, |read| {
        range_hashes(LeafIndex(from), TreeSize(to), size, read)
    });
    hashes.await.map_err(tiles_error)
}

fn tiles_error(error: TilesError) -> Error {
    match error {
        TilesError::Store(error) => Error::Store(error),
        TilesError::Tree(detail) => Error::Damaged { what: "a log's tiles", detail },
    }
}
