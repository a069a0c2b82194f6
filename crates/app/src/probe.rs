//! Whether the store answers, and whose the logs are in it: asked beside the probes of the node, which
//! never wait for it, and only when they come.

use crate::clock;
use crate::tasks::Tasks;
use crate::tenant::Tenant;
use chancery_base::TenantId;
use chancery_shard::batch::StoreError;
use chancery_store::Store;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// The tenants that are served.
pub(crate) type Served = Arc<BTreeMap<TenantId, Arc<Tenant>>>;

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
    pub(crate) fn answers(&self, store: &Arc<dyn Store>, served: &Served, tasks: &Tasks) -> bool {
        let mut known = self.known();
        let is_old = known.asked_at.is_none_or(|asked_at| asked_at.elapsed() >= AGE_MAX);
        if is_old && !known.is_asking && !tasks.is_stopping() {
            known.is_asking = true;
            drop(tasks.spawn(self.clone().ask(Arc::clone(store), Arc::clone(served))));
        }
        !known.is_away
    }

    async fn ask(self, store: Arc<dyn Store>, served: Served) {
        let answer = tokio::time::timeout(ANSWER_MAX, look(store.as_ref(), &served)).await;
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

/// Has the store do a little, and has those shards end whose logs others own: without work they would not find out.
async fn look(store: &dyn Store, served: &Served) -> Result<(), StoreError> {
    store.ping().await?;
    for row in store.logs().await? {
        let tenant = served.get(&row.tenant).filter(|tenant| tenant.log == row.id);
        if let Some(tenant) = tenant.filter(|tenant| tenant.head().epoch < row.epoch) {
            tenant.pump.seen(row.epoch);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_store::sqlite::{Options, SqliteStore};

    #[tokio::test]
    async fn what_does_not_answer_is_noticed_and_asked_no_more_than_needed() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path(), &Options::default()).unwrap());
        let (probe, tasks, served) = (Probe::default(), Tasks::new(), Served::default());
        assert!(probe.answers(&store, &served, &tasks), "unasked, it was opened a moment ago");
        tasks.stop();
        assert!(tasks.ended(ANSWER_MAX * 2).await);
        let asked_at = probe.known().asked_at;
        assert!(asked_at.is_some());
        // What is stopping asks nothing.
        assert!(probe.answers(&store, &served, &tasks));
        assert_eq!(probe.known().asked_at, asked_at);

        store.close().await.unwrap();
        let (probe, tasks) = (Probe::default(), Tasks::new());
        assert!(probe.answers(&store, &served, &tasks));
        tasks.stop();
        assert!(tasks.ended(ANSWER_MAX * 2).await);
        assert!(!probe.answers(&store, &served, &tasks));
    }
}
