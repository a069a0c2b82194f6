//! Requests to people: who may say what to them, and that it was recorded once.

use super::{Check, Model, ensure};
use crate::faults::Fault;
use chancery_base::{Digest, Name, PrincipalId, PrincipalKind, RequestId, TransactionId};
use chancery_engine::{NodeRef, RequestFact, Requested, Say};
use chancery_ledger::Record;
use std::collections::BTreeSet;

/// A request, as entries have told of it.
#[derive(Debug)]
pub(crate) struct RequestModel {
    /// Of which step, or clone of one.
    pub(crate) node: NodeRef,
    /// Nobody can say anything to it any more.
    pub(crate) is_over: bool,
    role: Option<Name>,
    approvers: usize,
    input: Digest,
    is_seen: bool,
    yes: usize,
    answered: BTreeSet<PrincipalId>,
    /// Who put it off or handed their say on.
    moved: BTreeSet<PrincipalId>,
    handed_on: BTreeSet<PrincipalId>,
    delegates: BTreeSet<PrincipalId>,
}

impl Model {
    pub(super) fn requested(&mut self, record: &Record, requested: &Requested) -> Check {
        let Requested { node, request, fact } = requested;
        let id = record.refs.transaction.ok_or("no transaction")?;
        if let Some(by) = by(fact) {
            ensure(by == record.actor, || format!("{} is said to have done what {by} did", record.actor))?;
            self.may_say(id, *request, by)?;
        }
        let transaction = self.transactions.get_mut(&id).ok_or("an unknown transaction")?;
        let n = transaction.entries;
        if let RequestFact::Opened { terms, input, .. } = fact {
            let (role, approvers) = (terms.role.clone(), usize::try_from(terms.approvers).unwrap_or(usize::MAX));
            let new = RequestModel {
                node: *node,
                is_over: false,
                role,
                approvers,
                input: input.digest(),
                is_seen: false,
                yes: 0,
                answered: BTreeSet::new(),
                moved: BTreeSet::new(),
                handed_on: BTreeSet::new(),
                delegates: BTreeSet::new(),
            };
            let before = transaction.requests.insert(*request, new);
            return ensure(before.is_none(), || format!("{request} was opened before"));
        }
        let known = transaction.requests.get_mut(request).ok_or("a request that nobody opened")?;
        ensure(known.node == *node, || format!("{request} is of {:?}", known.node))?;
        ensure(!known.is_over, || format!("{request} is over"))?;
        let fault = known.take(fact)?;
        fault.into_iter().for_each(|fault| self.counts.add(fault));
        if matches!(fact, RequestFact::Answered { output: Some(_), .. }) {
            return self.with_step(record, |step| step.completed_n = Some(n));
        }
        Ok(())
    }

    /// Who requested never approves, nor does a machine, nor anybody twice, nor anybody without the role.
    fn may_say(&self, id: TransactionId, request: RequestId, by: PrincipalId) -> Check {
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let known = transaction.requests.get(&request).ok_or("a request that nobody opened")?;
        ensure(by.kind() == PrincipalKind::User, || format!("{by} is no person"))?;
        ensure(by != transaction.principal, || format!("{by} requested it"))?;
        ensure(!known.answered.contains(&by), || format!("{by} has answered it"))?;
        ensure(!known.handed_on.contains(&by), || format!("{by} has handed their say on"))?;
        let roles = self.tenants.get(&transaction.tenant).and_then(|tenant| tenant.roles.get(&by));
        let has = |role: &Name| roles.is_some_and(|roles| roles.contains(role)) || known.delegates.contains(&by);
        ensure(known.role.as_ref().is_none_or(has), || format!("{by} lacks the role {:?}", known.role))
    }

    /// What somebody said was acknowledged: it is in the ledger.
    pub(crate) fn said_acknowledged(
        &self,
        id: TransactionId,
        request: RequestId,
        by: PrincipalId,
        what: &'static str,
    ) -> Check {
        // Its transaction may have ended and expired since.
        if self.expired.contains(&id) {
            return Ok(());
        }
        let transaction = self.transactions.get(&id).ok_or_else(|| format!("a request of {id}, which is not there"))?;
        let known = transaction.requests.get(&request).ok_or("a request that nobody opened")?;
        let said = match what {
            "acknowledge" => known.is_seen,
            "answer" => known.answered.contains(&by),
            _ => known.moved.contains(&by),
        };
        ensure(said, || format!("{what} of {request} by {by} was acknowledged before it was durable"))
    }
}

impl RequestModel {
    /// Takes what happened to it; what is counted of that.
    fn take(&mut self, fact: &RequestFact) -> Check<Option<Fault>> {
        match fact {
            RequestFact::Opened { .. } | RequestFact::DueSoon => Ok(None),
            RequestFact::Acknowledged { .. } => {
                self.is_seen = true;
                Ok(None)
            }
            RequestFact::Answered { by, answer, input, justification, .. } => {
                ensure(*input == self.input, || "it was answered for another input".to_owned())?;
                ensure(justification.chars().count() >= 20, || format!("{justification:?} says too little"))?;
                self.answered.insert(*by);
                self.yes += usize::from(*answer == Say::Approved);
                let is_yes = self.yes >= self.approvers;
                self.is_over = is_yes || *answer == Say::Denied;
                let fault = if is_yes { Fault::RequestApproved } else { Fault::RequestDenied };
                Ok(self.is_over.then_some(fault))
            }
            RequestFact::Deferred { by, .. } => {
                self.moved.insert(*by);
                Ok(None)
            }
            RequestFact::Delegated { by, to, .. } => {
                ensure(to.kind() == PrincipalKind::User, || format!("{to} is no person"))?;
                self.moved.insert(*by);
                self.handed_on.insert(*by);
                self.delegates.insert(*to);
                Ok(None)
            }
            RequestFact::Expired => {
                self.is_over = true;
                Ok(Some(Fault::RequestExpired))
            }
            RequestFact::Withdrawn => {
                self.is_over = true;
                Ok(Some(Fault::RequestWithdrawn))
            }
        }
    }
}

/// Who said something, if somebody did.
const fn by(fact: &RequestFact) -> Option<PrincipalId> {
    match fact {
        RequestFact::Acknowledged { by }
        | RequestFact::Answered { by, .. }
        | RequestFact::Deferred { by, .. }
        | RequestFact::Delegated { by, .. } => Some(*by),
        RequestFact::Opened { .. } | RequestFact::DueSoon | RequestFact::Expired | RequestFact::Withdrawn => None,
    }
}
