//! What a fork says of the transaction that it takes over from.

use super::{Check, Model, StepModel, TransactionModel, ensure};
use crate::faults::Fault;
use crate::reference::Saga;
use chancery_base::TransactionId;
use chancery_engine::{Beginning, ForkRefusal, Inherited, Phase, StepStatus};
use chancery_ledger::Record;

impl Model {
    /// A fork begins: of a transaction that has ended and was not forked before, on the same log and in the same slot,
    /// with the same input and key. What it takes over is what the reference model says.
    pub(super) fn forked(&mut self, beginning: &Beginning, record: &Record, saga: Saga) -> Check<Saga> {
        let Some(fork) = &beginning.fork else { return Ok(saga) };
        let source = self.transactions.get(&fork.source).ok_or("its source has not begun")?;
        ensure(source.ended.is_some() && source.parent.is_none(), || format!("its source is {source}"))?;
        let names_it = record.data.get_word("fork_of") == Some(fork.source.to_string().as_str());
        ensure(names_it, || "its record does not name its source".to_owned())?;
        ensure(fork.source.slot() == beginning.id.slot(), || "it is in another slot".to_owned())?;
        ensure(source.tenant == *record.log.tenant(), || "its source is another tenant's".to_owned())?;
        ensure(source.definition.digest == beginning.digest, || "it runs another definition".to_owned())?;
        ensure(source.business_key == beginning.business_key, || "it has another business key".to_owned())?;
        let (saga, count) = saga
            .forked_from(&source.saga, source.position(fork.step.as_str()))
            .map_err(|why| format!("reference: {} can't be forked from {}: {why}", fork.source, fork.step))?;
        let told = usize::try_from(fork.inherits).unwrap_or(usize::MAX);
        ensure(told == count, || format!("reference: it takes over {told}, not {count}"))?;
        let before = self.forks.insert(fork.source, beginning.id);
        ensure(before.is_none(), || format!("{} was forked before, by {before:?}", fork.source))?;
        self.counts.add(Fault::Forked);
        Ok(saga)
    }

    /// What was taken over is what was there: its output, its permit, the key under which it was done.
    pub(super) fn inherited(&mut self, id: TransactionId, record: &Record, inherited: &Inherited) -> Check {
        let Inherited { node, document, fans_out, stood } = inherited;
        let source = self.forks.iter().find(|(_, fork)| **fork == id).map(|(source, _)| *source);
        let source = source.ok_or("it is no fork")?;
        let before = self.transactions.get(&source).and_then(|source| source.steps.get(node));
        let before = before.ok_or("its source has no such step")?.clone();
        ensure(before.decision == stood.decision, || "it cites another decision".to_owned())?;
        let gave = before.output.as_ref().filter(|_| !fans_out);
        ensure(gave.is_none_or(|gave| Some(gave) == document.as_ref()), || "its output is another".to_owned())?;
        let origin = before.origin.clone();
        let done_by = origin.as_ref().map_or(source, |(done_by, _)| *done_by);
        ensure(stood.origin.transaction == done_by, || format!("{done_by} did it"))?;
        let known = self.keys_of_steps.get(&(done_by, *node, Phase::Do, 0));
        ensure(known.is_none_or(|key| *key == stood.origin.key), || format!("it was done under {known:?}"))?;
        let n = self.transactions.get(&id).map(|fork| fork.entries);
        let items = document.as_ref().filter(|_| *fans_out);
        if let Some(items) = items {
            self.expanded(record, *node, items.value())?;
        }
        let (output, origin) = (document.clone().filter(|_| !fans_out), (done_by, stood.origin.key.clone()));
        self.with_step(record, |step| {
            step.completed_n = n.filter(|_| stood.status == StepStatus::Completed && !fans_out);
            step.skipped = stood.status == StepStatus::Skipped;
            step.passed = matches!(stood.status, StepStatus::Failed | StepStatus::Unknown);
            step.unknown = before.unknown;
            step.decision = stood.decision;
            step.output = output;
            step.origin = Some(origin);
        })
    }

    /// A fork was acknowledged, or named as what was there before.
    pub(crate) fn fork_acknowledged(&self, source: TransactionId, fork: TransactionId) -> Check {
        let stored = self.forks.get(&source);
        ensure(stored == Some(&fork), || format!("{fork} was named as the fork of {source}, which is {stored:?}"))
    }

    /// A fork was refused: what that says of a transaction that has ended is so for good.
    pub(crate) fn fork_refused(&mut self, source: TransactionId, step: &str, refusal: &ForkRefusal) -> Check {
        self.counts.add(Fault::ForkRefused);
        let source = self.transactions.get(&source).ok_or("an unknown transaction")?;
        let is_right = match refusal {
            // It may have ended since.
            ForkRefusal::Status(_) => true,
            ForkRefusal::Child(parent) => source.parent == Some(*parent),
            ForkRefusal::Stands { .. } | ForkRefusal::Recalls(_) => {
                source.saga.left_to_fork(source.position(step)).is_err()
            }
            ForkRefusal::Kind(_) => !source.saga.is_saga(),
            ForkRefusal::NoStep(_) | ForkRefusal::Nodes(_) | ForkRefusal::Bytes(_) => false,
        };
        ensure(is_right, || format!("reference: {source} may be forked from {step}: {refusal}"))
    }
}

impl TransactionModel {
    /// Where a step stands in the definition that is called so; beyond all where none is.
    fn position(&self, step: &str) -> usize {
        self.definition.steps.iter().position(|of| of.id.as_str() == step).unwrap_or(usize::MAX)
    }

    /// The steps that it may be forked from, or not.
    pub(crate) fn step_count(&self) -> usize {
        self.definition.steps.len()
    }
}

impl StepModel {
    /// The key that its undo names, where another transaction did it.
    pub(super) fn key_of_origin(&self) -> Option<&str> {
        self.origin.as_ref().map(|(_, key)| key.as_str())
    }
}
