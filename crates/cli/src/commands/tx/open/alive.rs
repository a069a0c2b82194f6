//! The driver's sign of life while a step waits or its command runs: either may take longer than the driver may say
//! nothing.

use chancery_base::{Kind, TransactionId};
use chancery_sdk::Client;
use std::pin::pin;
use std::time::Duration;

/// What takes less needs no sign: each is an entry.
const FIRST: Duration = Duration::from_secs(1);
/// Between two where nobody says how long the driver may say nothing: while it is paused, or where it may not be read.
const USUAL: Duration = Duration::from_secs(10);
/// Between two at least.
const LEAST: Duration = Duration::from_millis(200);

/// Does something, and has the driver heard three times within its grace meanwhile.
pub(super) async fn alive<T>(client: &Client, id: TransactionId, driver: u32, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut beats = pin!(beat(client, id, driver));
    tokio::select! {
        done = &mut work => return done,
        () = &mut beats => {}
    }
    // Another drives it now, or it has ended: the call that follows says so.
    work.await
}

/// Until the driver is none any more.
async fn beat(client: &Client, id: TransactionId, driver: u32) {
    tokio::time::sleep(FIRST).await;
    let mut every = None;
    loop {
        if every.is_none() {
            every = grace(client, id).await.map(|grace| (grace / 3).max(LEAST));
        }
        match client.open_heartbeat(id, driver).await {
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::Missing | Kind::Denied) => return,
            // One that is not heard for another reason is followed by the next.
            Ok(_) | Err(_) => tokio::time::sleep(every.unwrap_or(USUAL)).await,
        }
    }
}

/// How long the driver may say nothing.
async fn grace(client: &Client, id: TransactionId) -> Option<Duration> {
    let transaction = client.get(id).await.ok()?;
    let driver = transaction.waiting_for.iter().find(|wait| wait.what == "driver")?;
    Some(driver.until?.since(driver.since))
}
