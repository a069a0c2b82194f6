//! The driver's sign of life while a step waits or its command runs: either may take longer than the driver may say
//! nothing.

use chancery_base::{Kind, TransactionId};
use chancery_sdk::Client;
use chancery_sdk::open::Pulse;
use std::convert::Infallible;
use std::time::Duration;

/// What takes less needs no sign: each is an entry.
const FIRST: Duration = Duration::from_secs(1);
/// How long the driver may say nothing, where it may not be read.
const GRACE_UNREAD: Duration = Duration::from_secs(30);
/// Between two looks while nobody says how long that is: while it is paused it can't be lost.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Does something, and has the driver heard meanwhile.
pub(super) async fn alive<T>(client: &Client, id: TransactionId, driver: u32, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = beat(client, id, driver) => match never {},
    }
}

async fn beat(client: &Client, id: TransactionId, driver: u32) -> Infallible {
    tokio::time::sleep(FIRST).await;
    let grace = grace(client, id).await;
    // When it was heard last nobody knows. If this is not taken, the pulse says why, or the call that follows does.
    drop(client.open_heartbeat(id, driver).await);
    let _pulse = Pulse::start(client.clone(), id, driver, grace);
    std::future::pending().await
}

/// How long the driver may say nothing.
async fn grace(client: &Client, id: TransactionId) -> Duration {
    loop {
        match client.get(id).await {
            Ok(transaction) => {
                let driver = transaction.waiting_for.iter().find(|wait| wait.what == "driver");
                if let Some((since, until)) = driver.and_then(|wait| Some((wait.since, wait.until?))) {
                    return until.since(since);
                }
            }
            Err(error) if error.kind() == Kind::Denied => return GRACE_UNREAD,
            Err(_) => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
