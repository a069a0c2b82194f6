//! What parent and child say of one another.

use super::{Check, Model, TransactionModel, ensure};
use crate::reference::WrongRule;
use chancery_base::TransactionId;
use chancery_engine::{Beginning, ChildStart, Event, Phase, Status};
use chancery_ledger::Record;

/// A child whose first entry is the next one.
#[derive(Debug)]
pub(super) struct Expected {
    parent: TransactionId,
    start: ChildStart,
    seq: u64,
}

impl Model {
    /// A child begins with the entry after the one that names it.
    pub(super) fn begins(&mut self, record: &Record, beginning: &Beginning) -> Check {
        let expected = self.expected.take();
        let Some(parent) = &beginning.parent else {
            return ensure(expected.is_none(), || format!("{expected:?} does not begin"));
        };
        let expected = expected.ok_or("nobody began it")?;
        let is_it = expected.start.child == beginning.id && expected.parent == parent.id;
        ensure(is_it && expected.seq == record.seq, || format!("{expected:?} was to begin"))?;
        let above = self.transactions.get(&parent.id).ok_or("its parent has not begun")?;
        ensure(beginning.id.slot() == parent.id.slot(), || "it is in another slot".to_owned())?;
        ensure(above.bundle == beginning.bundle && above.principal == beginning.principal, || {
            "it is not decided as its parent is".to_owned()
        })?;
        ensure(record.refs.decision == Some(expected.start.decision), || "it cites another decision".to_owned())
    }

    /// What an entry says of the other side.
    pub(super) fn follow_family(&mut self, id: TransactionId, record: &Record, event: &Event) -> Check {
        if let Event::ChildStarted(start) = event {
            let expected = Expected { parent: id, start: ChildStart::clone(start), seq: record.seq + 1 };
            ensure(self.expected.replace(expected).is_none(), || "another one was to begin".to_owned())?;
        }
        let of = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let child = |node: &chancery_engine::NodeRef| {
            of.saga.child_of(of.saga.unit(node)).and_then(|child| self.transactions.get(&child))
        };
        if let Event::Completed { node, child_entries: Some(entries), output, .. } = event {
            let child = child(node).ok_or("it has no child")?;
            let is_so = child.ended == Some(Status::Completed) && child.entries == *entries;
            ensure(is_so, || format!("reference: its child {child} has {} entries", child.entries))?;
            let given = child.saga.output_given();
            return ensure(given.is_some_and(|given| *given == *output.value()), || {
                "its child gave another".to_owned()
            });
        }
        if let Event::Completed { node, phase: Phase::Undo, .. } = event
            && of.saga.recalls(of.saga.unit(node))
        {
            let child = child(node).ok_or("it has no child")?;
            return ensure(child.ended == Some(Status::Compensated), || format!("reference: its child is {child}"));
        }
        if let Event::AttemptFailed { node, phase, failure, .. } = event
            && failure.was_dispatched()
            && let Some(child) = child(node)
            && of.saga.is_of_child_at(of.saga.unit(node), *phase)
        {
            return self.failed_child(child, *phase, failure.is_unknown());
        }
        Ok(())
    }

    fn failed_child(&self, child: &TransactionModel, phase: Phase, is_unknown: bool) -> Check {
        ensure(self.wrong_rule != Some(WrongRule::FailedChildIsDone), || {
            "reference: what its child came to is nothing to it".to_owned()
        })?;
        let has_failed = match child.ended {
            Some(Status::Failed | Status::Terminated) => true,
            Some(Status::Compensated | Status::Cancelled) => phase == Phase::Do,
            Some(Status::Running | Status::Confirming | Status::Compensating | Status::Parked | Status::Completed)
            | None => false,
        };
        ensure(has_failed, || format!("reference: its child is {child}"))?;
        let leaves = child.saga.leaves_something() && self.wrong_rule != Some(WrongRule::ForgetWhatChildLeft);
        ensure(leaves == is_unknown, || format!("reference: its child leaves something: {leaves}"))
    }

    /// After a batch parent and child agree.
    pub(super) fn agree(&self, id: TransactionId) -> Check {
        let of = self.transactions.get(&id).ok_or("an unknown transaction")?;
        for (step, phase, child) in of.saga.waits_for_children() {
            let below = self.transactions.get(&child).ok_or("its child has not begun")?;
            let why = |what: &str| format!("reference: {child} of step {step} {what}: {below}");
            if of.ended.is_some() {
                ensure(below.ended.is_some(), || why("goes on though its parent has ended"))?;
                continue;
            }
            ensure(below.ended.is_none(), || why("has ended, and its parent waits"))?;
            let has_turned = below.saga.has_turned();
            match phase {
                // It may have turned by itself; a wrong rule says that it turns in no other way.
                Phase::Do if self.wrong_rule == Some(WrongRule::CancelNobodyBelow) => {
                    ensure(!of.saga.has_turned() || !has_turned, || why("turned with its parent"))?;
                }
                // What is parked or only waits may have to be loaded first.
                Phase::Do => {
                    let is_absent = below.parked.is_some() || below.saga.only_waits();
                    let stays = of.saga.has_turned() && below.saga.is_cancellable() && !is_absent;
                    ensure(!stays, || why("goes on though its parent goes backward"))?;
                }
                Phase::Undo | Phase::Confirm => {
                    ensure(has_turned && below.saga.was_recalled(), || why("is not told to undo what it did"))?;
                }
            }
        }
        Ok(())
    }
}
