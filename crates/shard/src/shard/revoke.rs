//! Revoking the capability token of an attempt: the attempt ends with it, and nothing that its worker reports counts.

use super::Shard;
use super::desk::LeaseKey;
use super::dispatch::Standing;
use super::work::Work;
use crate::entry::kind;
use crate::input::{Operation, Refusal, ReplyTo, Response};
use crate::payload::Payload;
use crate::token::{AttemptRef, CapabilityId};
use chancery_engine::definition::Run;
use chancery_engine::{Answer, Refusal as EngineRefusal, StepError};
use chancery_ledger::Data;

/// The `type` of the error that an attempt ends with whose token was revoked.
const REVOKED: &str = "CapabilityRevoked";

impl Shard {
    pub(super) fn revoke(&mut self, reply: ReplyTo, operation: &Operation, attempt: AttemptRef, work: &mut Work) {
        let answer = self.try_revoke(operation, attempt, work);
        // What is not out may have been so a moment ago, or be so on another node: the guard knows.
        work.rests_on_memory |= answer.is_err();
        work.reply(reply, answer.map(|seq| Response::Done { seq: Some(seq) }));
    }

    fn try_revoke(&mut self, operation: &Operation, attempt: AttemptRef, work: &mut Work) -> Result<u64, Refusal> {
        let id = CapabilityId(attempt);
        let (node, phase) = (attempt.node(), attempt.phase);
        let member = self.members.get(&attempt.transaction).ok_or(Refusal::Missing(attempt.transaction))?;
        let step = member.step_of(node).filter(|step| step.capability.is_some());
        let is_worker = step.and_then(|step| step.run_of(phase)).and_then(Run::queue).is_some();
        if !is_worker {
            return Err(Refusal::NotFound(format!("capability {id}")));
        }
        let is_ended = member.status().is_ended();
        if is_ended || member.dispatched(node, phase).is_none_or(|(out, _)| out != attempt.attempt) {
            let step = member.definition().name_of(node).unwrap_or_default();
            return Err(EngineRefusal::NotOut { step, attempt: attempt.attempt }.into());
        }
        let data = Data::new()
            .word("transaction", super::change::id_word(attempt.transaction.to_string()))
            .count("step", attempt.step.into())
            .count("clone", attempt.clone.into())
            .count("attempt", attempt.attempt.into());
        let payload =
            Payload::new().text("capability", &id.to_string()).text("justification", &operation.justification);
        let seq = work.write_control(kind::CAPABILITY_REVOKED, operation.actor, data, Some(payload.finish()));
        self.desk.tell_cancelled(LeaseKey { transaction: attempt.transaction, node, phase });
        // It may have taken effect by then: what can be undone is.
        let message = "the capability token of the attempt was revoked; whether it took effect is unknown";
        let answer = Answer::Unknown(StepError::fatal(REVOKED, message));
        let standing = Standing { actor: operation.actor, decision: None };
        self.run(attempt.transaction, standing, work, |member, cx| {
            member.answer(node, phase, attempt.attempt, answer, cx)
        })?;
        Ok(seq)
    }
}
