//! Bundles that were asked last. A replay asks one in many calls, and to read it takes longer than most of them.

use super::parse;
use crate::Error;
use chancery_policy::Bundle;
use chancery_shard::row::BundleRow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many are kept.
const KEPT_MAX: usize = 4;

/// The bundles that were asked last, the last one first. They are known by their digests, so that it does not matter
/// whose they are: who asks has found the row.
#[derive(Debug, Default)]
pub(crate) struct ReadBundles(Mutex<VecDeque<Arc<Bundle>>>);

impl ReadBundles {
    /// What a row says.
    ///
    /// # Errors
    /// If it no longer loads.
    pub(super) fn of(&self, row: &BundleRow) -> Result<Arc<Bundle>, Error> {
        if let Some(known) = self.known(row) {
            return Ok(known);
        }
        let bundle = Arc::new(parse(&row.source)?.0);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front(Arc::clone(&bundle));
        kept.truncate(KEPT_MAX);
        Ok(bundle)
    }

    fn known(&self, row: &BundleRow) -> Option<Arc<Bundle>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|bundle| bundle.digest() == row.digest)?;
        let bundle = kept.remove(at)?;
        kept.push_front(Arc::clone(&bundle));
        Some(bundle)
    }
}
