//! What has to be answered by people before a ready step is handed out.
//!
//! Each demand of a step is met by a request of that very step, or clone of one, that was approved for that very input.
//! Where one is not, it is asked, and the step waits; once it is approved the step is ready again and is decided anew,
//! so that what became stricter meanwhile asks again.

use crate::input::Refusal;
use crate::shard::Shard;
use crate::shard::demands::{approvals_of, conditions_of, masked, risk_of};
use crate::shard::dispatch::Standing;
use crate::shard::index::ReadyKey;
use crate::shard::work::Work;
use chancery_base::Document;
use chancery_engine::{Demand, Gate, Phase};
use chancery_policy::Decision;
use std::sync::Arc;

impl Shard {
    /// Whether a ready step that policy permits may go out with this input; where people are to be asked first they are,
    /// and where it can't be said what they are to be asked the step fails.
    pub(in crate::shard) fn may_go(
        &mut self,
        key: ReadyKey,
        input: &Arc<Document>,
        decision: &Decision,
        work: &mut Work,
    ) -> Result<bool, Refusal> {
        let (id, node) = (key.transaction, key.node);
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        match member.demand(node) {
            Ok(demand) => {
                // Its author may say what the risk is; else the bundle's tables do.
                let demand = demand.map(|demand| Demand { risk: demand.risk.or(risk_of(decision)), ..demand });
                let demands: Vec<Demand> = demand.into_iter().chain(approvals_of(decision)).collect();
                if demands.is_empty() {
                    return Ok(true);
                }
                // People are shown what would go out.
                let input = masked(input, conditions_of(decision, Vec::new()).as_deref());
                self.are_met(key, &demands, &input, decision, work)
            }
            Err(error) => {
                let refuse = |member: &mut chancery_engine::Transaction, cx: &mut chancery_engine::Cx<'_>| {
                    member.refuse(node, Phase::Do, error, cx)
                };
                self.run(id, Standing::system(), work, refuse)?;
                Ok(false)
            }
        }
    }

    /// Whether all that is demanded of a ready step is answered with yes, for this input; else the first that is not is
    /// asked, and the step waits. The decision that demands it stands in the entry that asks.
    pub(in crate::shard) fn are_met(
        &mut self,
        key: ReadyKey,
        demands: &[Demand],
        input: &Arc<Document>,
        decision: &Decision,
        work: &mut Work,
    ) -> Result<bool, Refusal> {
        let (id, node) = (key.transaction, key.node);
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        match member.gate(node, demands, &input.digest()) {
            Gate::Open => Ok(true),
            // INVARIANT: what waits for people is not ready.
            Gate::Waits(_) => Ok(false),
            Gate::Shut(demand) => {
                let standing = Standing { decision: Some(decision), ..Standing::system() };
                let input = Arc::clone(input);
                self.run(id, standing, work, |member, cx| member.ask(node, demand, input, cx))?;
                Ok(false)
            }
        }
    }
}
