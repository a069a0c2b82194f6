//! Whether the store answers: asked beside the probes of the node, which never wait for it, and only when they come.

use crate::clock;
use crate::tasks::Tasks;
use chancery_store::Store;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// How old an answer of the store may be before it is asked again.
const AGE_MAX: Duration = Duration::from_secs(1);
/// How long the store may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What is known of the store. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probe(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    is_away: bool,
    is_asking: bool,
    asked_at: Option<Instant>,
}

impl Probe {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the store answered when it was asked last; has it asked anew if that was a while ago.
    pub(crate) fn answers(&self, store: &Arc<dyn Store>, tasks: &Tasks) -> bool {
        let mut known = self.known();
        let is_old = known.asked_at.is_none_or(|asked_at| asked_at.elapsed() >= AGE_MAX);
        if is_old && !known.is_asking && !tasks.is_stopping() {
            known.is_asking = true;
            drop(tasks.spawn(self.clone().ask(Arc::clone(store))));
        }
        !known.is_away
    }

    async fn ask(self, store: Arc<dyn Store>) {
        let answer = tokio::time::timeout(ANSWER_MAX, store.ping()).await;
        let trouble = match answer {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("it did not answer in time".to_owned()),
        };
        let mut known = self.known();
        match &trouble {
            Some(trouble) if !known.is_away => warn!("the store is away, and the node not ready: {trouble}"),
            None if known.is_away => info!("the store is back"),
            Some(_) | None => {}
        }
        *known = Known { is_away: trouble.is_some(), is_asking: false, asked_at: Some(clock::instant()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_store::sqlite::{Options, SqliteStore};

    #[tokio::test]
    async fn what_does_not_answer_is_noticed_and_asked_no_more_than_needed() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path(), &Options::default()).unwrap());
        let (probe, tasks) = (Probe::default(), Tasks::new());
        assert!(probe.answers(&store, &tasks), "unasked, it was opened a moment ago");
        tasks.stop();
        assert!(tasks.ended(ANSWER_MAX * 2).await);
        let asked_at = probe.known().asked_at;
        assert!(asked_at.is_some());
        // What is stopping asks nothing.
        assert!(probe.answers(&store, &tasks));
        assert_eq!(probe.known().asked_at, asked_at);

        store.close().await.unwrap();
        let (probe, tasks) = (Probe::default(), Tasks::new());
        assert!(probe.answers(&store, &tasks));
        tasks.stop();
        assert!(tasks.ended(ANSWER_MAX * 2).await);
        assert!(!probe.answers(&store, &tasks));
    }
}
