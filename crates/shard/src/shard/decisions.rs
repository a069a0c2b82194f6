//! Decisions that were taken under the control state that holds.
//!
//! A decision is a function of bundle, directory and request, and the last two are the same throughout a control
//! epoch; what was asked before under it need not be worked out again. Each permit has an id of its own all the same.

use crate::risk::{ATTRIBUTE, Asker, RiskTables};
use chancery_base::Digest;
use chancery_base::limits::{DECISION_KEPT_BYTES_MAX, DECISIONS_KEPT_MAX, RISK_BUNDLES_KEPT_MAX};
use chancery_policy::{
    Bundle, Decision, Directory, Override, Request, Risk, Subject, decide, decide_at_risk, decide_overridden,
};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// INVARIANT: the decisions are emptied whenever the directory may be another, that is with each control state that is
/// loaded. A bundle's tables stay what they are.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    known: HashMap<(Digest, Request), Arc<Decision>>,
    tables: HashMap<Digest, Result<RiskTables, String>>,
}

/// What a bundle says to a request, its risk tables asked: what a shard would decide. Nothing is kept of it.
#[must_use]
pub fn decide_as_shard(bundle: &Bundle, directory: &Directory, request: &Request) -> Decision {
    Decisions::default().decide_anew(bundle, directory, request)
}

impl Decisions {
    /// What the bundle says to the request.
    pub(super) fn decide(&mut self, bundle: &Bundle, directory: &Directory, request: Request) -> Arc<Decision> {
        let key = (bundle.digest(), request);
        if let Some(known) = self.known.get(&key) {
            return Arc::clone(known);
        }
        let decision = Arc::new(self.decide_anew(bundle, directory, &key.1));
        if decision.payload().len() <= DECISION_KEPT_BYTES_MAX {
            if self.known.len() >= DECISIONS_KEPT_MAX {
                self.known.clear();
            }
            self.known.insert(key, Arc::clone(&decision));
        }
        decision
    }

    /// The same where an override is in force. It is not kept.
    pub(super) fn decide_overridden(
        &mut self,
        bundle: &Bundle,
        directory: &Directory,
        request: &Request,
        over: &Override,
    ) -> Decision {
        match self.risk(bundle, directory, request) {
            None => decide_overridden(bundle, directory, request, Ok(None), over),
            Some((request, risk)) => decide_overridden(bundle, directory, &request, risk.map(Some), over),
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    fn decide_anew(&mut self, bundle: &Bundle, directory: &Directory, request: &Request) -> Decision {
        match self.risk(bundle, directory, request) {
            None => decide(bundle, directory, request),
            Some((request, risk)) => decide_at_risk(bundle, directory, &request, risk),
        }
    }

    /// What the bundle's risk tables say, and the request with what its policies are to know of that; none where there
    /// are none, or nobody to ask about.
    fn risk(
        &mut self,
        bundle: &Bundle,
        directory: &Directory,
        request: &Request,
    ) -> Option<(Request, Result<Risk, String>)> {
        let asker = match &request.principal {
            Subject::Principal(id) => {
                let principal = directory.principal(id).filter(|principal| !principal.suspended);
                principal.map(Asker::Principal)
            }
            Subject::External(external) => Some(Asker::External(external)),
        };
        let (Some(document), Some(asker)) = (bundle.risk(), asker) else { return None };
        let risk = self.assess(bundle, document, asker, request);
        let mut request = request.clone();
        if let Ok(risk) = &risk
            && bundle.context_declares(&request.action, ATTRIBUTE)
        {
            request.context.insert(ATTRIBUTE.to_owned(), Value::from(risk.score));
        }
        Some((request, risk))
    }

    fn assess(
        &mut self,
        bundle: &Bundle,
        document: &Value,
        asker: Asker<'_>,
        request: &Request,
    ) -> Result<Risk, String> {
        if request.context.contains_key(ATTRIBUTE) {
            return Err(format!("`context.{ATTRIBUTE}` may not be given: the bundle's risk tables say what it is"));
        }
        if self.tables.len() >= RISK_BUNDLES_KEPT_MAX && !self.tables.contains_key(&bundle.digest()) {
            self.tables.clear();
        }
        let tables = self.tables.entry(bundle.digest()).or_insert_with(|| {
            let read = RiskTables::read(document);
            read.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        });
        tables.as_ref().map_err(Clone::clone)?.assess(bundle, asker, request)
    }
}
