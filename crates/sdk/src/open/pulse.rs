//! The sign of life of a driver, as long as it lives.

use crate::Client;
use chancery_base::{Kind, TransactionId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, warn};

/// Has the driver of an open transaction heard until it is dropped, or the driver is none any more: for who drives one
/// by the calls of [`Client`]. An [`Open`](super::Open) has its own.
#[derive(Debug)]
pub struct Pulse {
    heard_at: Arc<Mutex<Instant>>,
    beating: Mutex<JoinSet<()>>,
}

impl Pulse {
    /// Beats three times within the time after which a driver counts as lost; not at all if that is zero. The driver
    /// was heard just now.
    #[must_use]
    pub fn start(client: Client, id: TransactionId, driver: u32, grace: Duration) -> Self {
        let heard_at = Arc::new(Mutex::new(Instant::now()));
        let mut beating = JoinSet::new();
        if !grace.is_zero() {
            beating.spawn(beat(client, (id, driver), grace / 3, Arc::clone(&heard_at)));
        }
        Self { heard_at, beating: Mutex::new(beating) }
    }

    /// The server heard of the driver by another call.
    pub(super) fn heard(&self) {
        *lock(&self.heard_at) = Instant::now();
    }

    /// Beats no more.
    pub(super) fn stop(&self) {
        lock(&self.beating).abort_all();
    }
}

async fn beat(client: Client, (id, driver): (TransactionId, u32), every: Duration, heard_at: Arc<Mutex<Instant>>) {
    loop {
        let due = *lock(&heard_at) + every;
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
            // Another call may have been heard meanwhile.
            continue;
        }
        match client.open_heartbeat(id, driver).await {
            Ok(_) => *lock(&heard_at) = Instant::now(),
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::Missing | Kind::Denied) => {
                return debug!(transaction = %id, driver, "the driver is none any more: {error}");
            }
            Err(error) => {
                warn!(transaction = %id, driver, "a heartbeat was not heard: {error}");
                tokio::time::sleep(every).await;
            }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
