//! Clients that call in a loop for a turn, and rest until the next.

use crate::harness::{Error, Times};
use crate::inprocess::now;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long calls may take to end when a turn is over.
const DRAIN_MAX: Duration = Duration::from_secs(40);

/// A client.
pub(super) trait Caller: Send + 'static {
    /// One call from its start to its end. Gives the time that counts.
    fn call(&mut self) -> impl Future<Output = Result<Duration, Error>> + Send;
}

/// Clients at work.
pub(super) struct Crew<C> {
    counts: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    running: JoinSet<Result<(C, Times), Error>>,
}

impl<C: Caller> Crew<C> {
    /// Sets them to work. Their calls do not count yet.
    pub(super) fn begin(callers: Vec<C>) -> Self {
        let (counts, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut running = JoinSet::new();
        for caller in callers {
            running.spawn(work(caller, Arc::clone(&counts), Arc::clone(&stop)));
        }
        Self { counts, stop, running }
    }

    /// Counts the calls that end within so long, whenever they began: what runs at the start of it stands for what
    /// runs at its end. Gives how long it was.
    pub(super) async fn count(&self, time: Duration) -> Duration {
        let began = now();
        self.counts.store(true, Ordering::Relaxed);
        tokio::time::sleep(time).await;
        self.counts.store(false, Ordering::Relaxed);
        began.elapsed()
    }

    /// Lets them end what they are at. Gives them back, and the times that counted.
    pub(super) async fn end(mut self) -> Result<(Vec<C>, Times), Error> {
        self.stop.store(true, Ordering::Relaxed);
        let drained = tokio::time::timeout(DRAIN_MAX, async {
            let (mut callers, mut times) = (Vec::new(), Times::default());
            while let Some(joined) = self.running.join_next().await {
                let (caller, counted) = joined.map_err(|err| Error::Failed(err.to_string()))??;
                callers.push(caller);
                times.extend(counted);
            }
            Ok((callers, times))
        });
        let late = |_| Error::Failed(format!("a call took longer than {} s", DRAIN_MAX.as_secs()));
        drained.await.map_err(late)?
    }
}

async fn work<C: Caller>(mut caller: C, counts: Arc<AtomicBool>, stop: Arc<AtomicBool>) -> Result<(C, Times), Error> {
    let mut times = Times::default();
    while !stop.load(Ordering::Relaxed) {
        let took = caller.call().await?;
        if counts.load(Ordering::Relaxed) {
            times.add(took);
        }
    }
    Ok((caller, times))
}
