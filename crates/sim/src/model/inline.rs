//! What the shard carries out itself: decided in the very entry that says that it is done.

use super::entries::{next, outcome_of, permitted};
use super::{Attempt, Check, Model, StepModel, TransactionModel, ensure};
use chancery_engine::{CarriedOut, Deed, Phase};
use chancery_ledger::Record;
use serde_json::Value;

impl Model {
    pub(super) fn carried_out(&mut self, record: &Record, done: &CarriedOut, payload: Option<&[u8]>) -> Check {
        let CarriedOut { node, phase, attempt, decision, deed, output } = done;
        let id = record.refs.transaction.ok_or("no transaction")?;
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let state = transaction.steps.get(node).ok_or("an unknown step")?;
        ensure(transaction.parked.is_none() && !transaction.is_paused, || "it stands still".to_owned())?;
        let is_suspended = self.is_suspended(&transaction.tenant, transaction.principal);
        match phase {
            Phase::Do => {
                let goes_forward = !transaction.turned && !transaction.confirming;
                ensure(goes_forward, || "carried out though the transaction does no more".to_owned())?;
                ensure(record.data.get_digest("bundle") == self.decides(transaction), || {
                    "decided by another bundle".to_owned()
                })?;
                let step = transaction.definition.step(node.step).ok_or("an unknown step")?;
                for before in &step.after {
                    ensure(transaction.is_over(*before), || format!("before step {} was done", before.0))?;
                }
                // A question is answered though its action is stopped: with no.
                let action = Some(step.action.as_str()).filter(|_| matches!(deed, Deed::Emitted(..)));
                self.goes_unstopped(id, action)?;
                decided(deed, output, record, payload, is_suspended)?;
            }
            Phase::Undo | Phase::Confirm => undoes(transaction, state, done)?,
        }
        let said = Attempt { outcome: Some("completed"), ..Attempt::new(record.at, record.at, *decision) };
        let (n, mut outcome) = (transaction.entries, Ok(()));
        self.with(record, |transaction| transaction.turned |= *phase == Phase::Undo && !transaction.confirming)?;
        self.with_step(record, |step| match phase {
            Phase::Do => {
                outcome = next(&step.forward, *attempt);
                step.forward.push(said);
                (step.completed_n, step.decision) = (Some(n), Some(*decision));
            }
            Phase::Undo | Phase::Confirm => {
                outcome = next(&step.undo, *attempt);
                step.undo.push(said);
                step.undone = true;
            }
        })?;
        outcome
    }
}

/// An event is permitted in its entry; an answer is the decision in its entry, and says no to whoever is suspended.
fn decided(deed: &Deed, output: &Value, record: &Record, payload: Option<&[u8]>, is_suspended: bool) -> Check {
    match deed {
        Deed::Emitted(emission, ..) => {
            permitted(payload)?;
            ensure(!is_suspended, || "emitted for somebody who is suspended".to_owned())?;
            let id = Value::from(emission.id.to_string());
            ensure(output.get("id") == Some(&id), || format!("the output of {id} is {output}"))
        }
        Deed::Answered { permitted, .. } => {
            let word = if *permitted { "permit" } else { "deny" };
            ensure(!(*permitted && is_suspended), || "somebody who is suspended may do nothing".to_owned())?;
            let kind = if *permitted { "decision.permitted" } else { "decision.denied" };
            let recorded = outcome_of(payload).map(|outcome| outcome.trim_matches('"'));
            let id = record.refs.decision.map(|id| Value::from(id.to_string()));
            let is_it = output.get("decision") == Some(&Value::from(word)) && output.get("id") == id.as_ref();
            ensure(recorded == Some(word) && record.kind == kind && is_it, || {
                format!("{recorded:?} was decided, and {output} given")
            })
        }
    }
}

/// Of a step that took effect or may have, whose decision it cites.
fn undoes(transaction: &TransactionModel, state: &StepModel, done: &CarriedOut) -> Check {
    ensure(state.may_have_run() && !state.undone, || "there is nothing to undo".to_owned())?;
    let is_out = transaction.steps.values().any(|step| step.is_out(Phase::Do));
    ensure(!is_out, || "a step is out".to_owned())?;
    transaction.covers(state, done.decision)
}
