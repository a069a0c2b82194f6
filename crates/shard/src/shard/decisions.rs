//! Decisions that were taken under the control state that holds.
//!
//! A decision is a function of bundle, directory and request, and the last two are the same throughout a control
//! epoch; what was asked before under it need not be worked out again. Each permit has an id of its own all the same.

use chancery_base::Digest;
use chancery_base::limits::{DECISION_KEPT_BYTES_MAX, DECISIONS_KEPT_MAX};
use chancery_policy::{Bundle, Decision, Directory, Request, decide};
use std::collections::HashMap;
use std::sync::Arc;

/// INVARIANT: emptied whenever the directory may be another, that is with each control state that is loaded.
#[derive(Debug, Default)]
pub(super) struct Decisions(HashMap<(Digest, Request), Arc<Decision>>);

impl Decisions {
    /// What the bundle says to the request.
    pub(super) fn decide(&mut self, bundle: &Bundle, directory: &Directory, request: Request) -> Arc<Decision> {
        let key = (bundle.digest(), request);
        if let Some(known) = self.0.get(&key) {
            return Arc::clone(known);
        }
        let decision = Arc::new(decide(bundle, directory, &key.1));
        if decision.payload().len() <= DECISION_KEPT_BYTES_MAX {
            if self.0.len() >= DECISIONS_KEPT_MAX {
                self.0.clear();
            }
            self.0.insert(key, Arc::clone(&decision));
        }
        decision
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
