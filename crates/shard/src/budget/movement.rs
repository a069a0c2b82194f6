//! What an event moves between accounts. Running and replay ask this, so that they count the same.

use super::Accounts;
use chancery_base::{Document, Timestamp};
use chancery_engine::{AccountId, Charge, Event, NodeRef, Phase, RequestFact, Status, StepStatus, Transaction};
use chancery_expr::{Scope, Tree};
use chancery_policy::Amount;

/// What happened to what was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Movement {
    /// It was handed out.
    Taken(Charge),
    /// It was done, at this cost.
    Settled(Charge, u64),
    /// It was not done, or nobody said so in time.
    Returned(Charge),
}

impl Movement {
    /// Applies it; gives the accounts that changed or went.
    pub fn apply(&self, accounts: &mut Accounts, now: Timestamp) -> Vec<AccountId> {
        match self {
            Self::Taken(charge) => accounts.take(charge, now),
            Self::Settled(charge, cost) => accounts.settle(charge, *cost).into_iter().collect(),
            Self::Returned(charge) => accounts.give_back(charge).into_iter().collect(),
        }
    }
}

/// What an event moves, of a transaction to which it happened. An attempt is out from the event that hands it out to
/// the one that says how it ended, that people are asked before its step is done again, or that its transaction was
/// terminated: what was counted for it is taken from the step then, so that each is moved back once. A permit that takes
/// its place gave the step what was counted for itself, and says what it gives back.
pub(crate) fn movements(transaction: &mut Transaction, event: &Event) -> Vec<Movement> {
    match event {
        Event::Dispatched { phase: Phase::Do, conditions: Some(conditions), .. } => {
            conditions.charges.iter().cloned().map(Movement::Taken).collect()
        }
        Event::Permitted(permitted) => {
            let taken = permitted.conditions.iter().flat_map(|conditions| &conditions.charges);
            let returned = permitted.returned.iter().cloned().map(Movement::Returned);
            returned.chain(taken.cloned().map(Movement::Taken)).collect()
        }
        Event::Requested(requested) => match &requested.fact {
            // The event says it, too, for those who read the log.
            RequestFact::Opened { opener: Some(_), .. } => returned(transaction, requested.node),
            RequestFact::Opened { .. }
            | RequestFact::Acknowledged { .. }
            | RequestFact::Answered { .. }
            | RequestFact::Deferred { .. }
            | RequestFact::Delegated { .. }
            | RequestFact::DueSoon
            | RequestFact::Expired
            | RequestFact::Withdrawn => Vec::new(),
        },
        Event::Completed { node, phase: Phase::Do, output, .. } | Event::Polled { node, output, .. } => {
            transaction.take_charges(*node).into_iter().map(|charge| settled(charge, output)).collect()
        }
        Event::AttemptFailed { node, phase: Phase::Do, failure, .. } if failure.was_dispatched() => {
            returned(transaction, *node)
        }
        Event::Ended { status: Status::Terminated, .. } => {
            let out = transaction.nodes().filter(|(_, state)| state.status == StepStatus::Dispatched);
            let out: Vec<NodeRef> = out.map(|(node, _)| node).collect();
            out.into_iter().flat_map(|node| returned(transaction, node)).collect()
        }
        Event::Dispatched { .. }
        | Event::Completed { .. }
        | Event::AttemptFailed { .. }
        | Event::Ended { .. }
        | Event::Started { .. }
        | Event::StepDenied { .. }
        | Event::Claimed { .. }
        | Event::DriverResumed { .. }
        | Event::DriverHeard { .. }
        | Event::DriverLost
        | Event::Accepted { .. }
        | Event::CarriedOut(_)
        | Event::Inherited(_)
        | Event::ChildStarted(_)
        | Event::ChildRecalled { .. }
        | Event::Recalled
        | Event::Resolved { .. }
        | Event::Denied { .. }
        | Event::Expanded { .. }
        | Event::Skipped { .. }
        | Event::TimerStarted { .. }
        | Event::TimerFired { .. }
        | Event::SignalAwaited { .. }
        | Event::SignalReceived { .. }
        | Event::SignalTaken { .. }
        | Event::Paused { .. }
        | Event::Unpaused { .. }
        | Event::OutputFailed { .. }
        | Event::CancelRequested { .. }
        | Event::TimedOut
        | Event::Confirming
        | Event::Parked { .. }
        | Event::Resumed { .. } => Vec::new(),
    }
}

fn returned(transaction: &mut Transaction, node: NodeRef) -> Vec<Movement> {
    transaction.take_charges(node).into_iter().map(Movement::Returned).collect()
}

fn settled(charge: Charge, output: &Document) -> Movement {
    let cost = cost_of(&charge, output);
    Movement::Settled(charge, cost)
}

/// What it cost, as its output says; all that was reserved where that can't be told, or is said to be more.
fn cost_of(charge: &Charge, output: &Document) -> u64 {
    let Some(text) = &charge.cost else { return charge.amount };
    let mut scope = Scope::new();
    scope.bind("output", Tree::Value(output.value()));
    let cost = Amount::read(text, Amount::OF_OUTCOME).and_then(|amount| amount.evaluate(&scope));
    cost.map_or(charge.amount, |cost| cost.min(charge.amount))
}
