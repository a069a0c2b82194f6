//! What obligations cost: sagas whose steps are held to limits and counted in a budget, beside the same without.

use crate::harness::Error;
use crate::inprocess::{SAGA, in_child};
use crate::postgres;
use crate::report::Figure;

/// The workload's name, on the embedded store and on PostgreSQL.
pub(crate) const OBLIGED: &str = "saga-obliged-3";
const OBLIGED_POSTGRES: &str = "saga-obliged-postgres-3";
/// The role of the child process.
pub(crate) const ROLE: &str = "obliged";

/// The sagas without obligations and then with them. `floor_ratio` of the second is its share of the first.
pub(crate) async fn measure(clients: usize, seconds: u64) -> Result<[Figure; 2], Error> {
    let free = in_child([SAGA, postgres::SAGA], "inprocess", clients, seconds, None).await?;
    let mut obliged = in_child([OBLIGED, OBLIGED_POSTGRES], ROLE, clients, seconds, None).await?;
    obliged.floor_ratio = obliged.over(&free);
    Ok([free, obliged])
}
