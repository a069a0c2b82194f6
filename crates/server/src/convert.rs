//! Domain types to wire types and back, field by field.

mod documents;
mod people;
mod records;
mod transactions;
mod workers;

pub(crate) use documents::{bundle, bundle_summary, checked, definition, definition_summary, registered};
pub(crate) use people::{created_tenant, issued_key, key, new_principal, patch, principal};
pub(crate) use records::{consistency, decision, entry, health, inclusion, log, question};
pub(crate) use transactions::{filter, resolution, start, started, step, transaction, transaction_summary};
pub(crate) use workers::{call, exchanged};

use std::time::Duration;

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
