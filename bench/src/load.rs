//! Clients that call in a loop.

use crate::fixture::REMOTE_STEPS;
use crate::harness::{Error, Times, rate};
use crate::http::Http;
use crate::inprocess::{now, per_unit};
use crate::report::Figure;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A client.
pub(crate) trait Caller: Send + 'static {
    /// One saga from its start to its end.
    fn call(&mut self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A client by plain HTTP: posts a body, and is answered with the saga's output.
pub(crate) struct Poster {
    http: Http,
    path: &'static str,
    body: Value,
}

impl Poster {
    pub(crate) async fn connect(server: SocketAddr, path: &'static str, body: Value) -> Result<Self, Error> {
        Ok(Self { http: Http::connect(server).await?, path, body })
    }

    /// The same, with the key of who calls.
    pub(crate) fn with_key(self, key: &str) -> Result<Self, Error> {
        Ok(Self { http: self.http.with_key(key)?, ..self })
    }
}

impl Caller for Poster {
    async fn call(&mut self) -> Result<(), Error> {
        let answer = self.http.post(self.path, serde_json::to_vec(&self.body)?).await?;
        let _output: Value = serde_json::from_slice(&answer)?;
        Ok(())
    }
}

/// Clients at work, whose calls count from when they are told.
pub(crate) struct Load {
    counts: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    running: JoinSet<Result<Times, Error>>,
    began: Instant,
}

impl Load {
    /// Sets clients to work, and lets them warm up for a fifth of the time that is measured.
    pub(crate) async fn warm_up(callers: Vec<impl Caller>, time: Duration) -> Self {
        let (counts, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut running = JoinSet::new();
        for caller in callers {
            running.spawn(client(caller, Arc::clone(&counts), Arc::clone(&stop)));
        }
        tokio::time::sleep(time / 5).await;
        Self { counts, stop, running, began: now() }
    }

    /// Counts from here on, for so long.
    pub(crate) async fn count(&mut self, time: Duration) {
        self.began = now();
        self.counts.store(true, Ordering::Relaxed);
        tokio::time::sleep(time).await;
    }

    /// Ends the clients. Adds to the figure what came of their calls: steps a second, a step's share of a saga's time,
    /// and of the syncs that were counted meanwhile.
    pub(crate) async fn end(self, figure: Figure, syncs: Option<u64>) -> Result<Figure, Error> {
        self.end_of(REMOTE_STEPS, figure, syncs).await
    }

    /// The same of calls of so many units each.
    pub(crate) async fn end_of(mut self, units: usize, figure: Figure, syncs: Option<u64>) -> Result<Figure, Error> {
        self.stop.store(true, Ordering::Relaxed);
        let took = self.began.elapsed();
        let mut times = Times::default();
        while let Some(joined) = self.running.join_next().await {
            times.extend(joined.map_err(|err| Error::Failed(err.to_string()))??);
        }
        let in_all = times.len() * units;
        // A unit's share of a call's time.
        let share = |call_us: u64| call_us / u64::try_from(units).unwrap_or(1);
        Ok(Figure {
            per_second: rate(in_all, took),
            p50_us: share(times.percentile(50)),
            p99_us: share(times.percentile(99)),
            syncs_per_unit: syncs.map(|syncs| per_unit(syncs, u64::try_from(in_all).unwrap_or(1))),
            ..figure
        })
    }
}

async fn client(mut caller: impl Caller, counts: Arc<AtomicBool>, stop: Arc<AtomicBool>) -> Result<Times, Error> {
    let mut times = Times::default();
    while !stop.load(Ordering::Relaxed) {
        let (is_counted, began) = (counts.load(Ordering::Relaxed), now());
        caller.call().await?;
        if is_counted && !stop.load(Ordering::Relaxed) {
            times.add(began.elapsed());
        }
    }
    Ok(times)
}
