//! What another bundle would make of a transaction that runs.

use crate::shard::{add_built_ins, decide, resource_of};
use chancery_engine::definition::Run;
use chancery_engine::{Authorization, NodeRef, Status, StepStatus, Transaction};
use chancery_policy::{Bundle, Directory, EntityRef, Reason, Request};

/// A step that one bundle permits and another denies.
#[derive(Debug, Clone, PartialEq)]
pub struct Flip {
    /// The step, or the clone of one: `ship[3]`.
    pub step: String,
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: EntityRef,
    /// Why the other one denies.
    pub reasons: Vec<Reason>,
}

/// What it would make of all that is still to be decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preview {
    /// Steps that would be denied and are permitted now.
    pub flips: Vec<Flip>,
    /// Decisions that were taken to tell so.
    pub decisions: usize,
    /// Steps of which it can't be told: what policy is asked depends on what comes before them, or on who takes them.
    pub untold: usize,
}

/// Asks two bundles about each step that may still be handed out, with what its transaction knows now.
///
/// Compensations are left out, since the decision about their step covers them, and so is what goes backward.
#[must_use]
pub fn preview(member: &Transaction, now: &Bundle, then: &Bundle, directory: &Directory) -> Preview {
    let mut preview = Preview::default();
    if member.status() != Status::Running {
        return preview;
    }
    for (node, _) in member.nodes().filter(|(_, state)| may_go_out(state.status)) {
        match question(member, node, [now, then]) {
            None => {}
            Some(Err(Untold)) => preview.untold += 1,
            Some(Ok([of_now, of_then])) => {
                preview.decisions += 1;
                let after = decide(then, directory, &of_then);
                if after.is_permit() {
                    continue;
                }
                preview.decisions += 1;
                if decide(now, directory, &of_now).is_permit() {
                    let (step, resource) = (member.name_of(node), of_then.resource.entity);
                    preview.flips.push(Flip { step, action: of_then.action, resource, reasons: after.reasons });
                }
            }
        }
    }
    preview
}

/// Whether a step may still have an attempt.
const fn may_go_out(status: StepStatus) -> bool {
    match status {
        StepStatus::Pending
        | StepStatus::Ready
        | StepStatus::Dispatched
        | StepStatus::Backoff
        | StepStatus::Waiting => true,
        StepStatus::Expanded
        | StepStatus::Completed
        | StepStatus::Failed
        | StepStatus::Unknown
        | StepStatus::Skipped
        | StepStatus::Cancelled => false,
    }
}

/// It can't be told yet what policy is asked.
#[derive(Debug)]
struct Untold;

/// What each bundle is asked before a step's next attempt; none where no policy is asked.
fn question(member: &Transaction, node: NodeRef, bundles: [&Bundle; 2]) -> Option<Result<[Request; 2], Untold>> {
    let step = member.step_of(node)?;
    match step.run {
        Run::Worker(_) | Run::Http(_) | Run::Noop | Run::Emit(_) => {}
        // What a question comes to is the step's output, and no denial of the step.
        Run::Decide(_) | Run::Wait(_) | Run::Signal(_) | Run::Request(_) => return None,
        // What a child is asked is its own definition's matter.
        Run::Transaction(_) => return Some(Err(Untold)),
    }
    let Ok(Authorization::Ask { action, resource, context }) = member.authorization(node) else {
        return Some(Err(Untold));
    };
    let asks_for_worker = |bundle: &&Bundle| bundle.context_declares(&action, "worker");
    if bundles.iter().any(asks_for_worker) {
        return Some(Err(Untold));
    }
    let request = bundles.map(|bundle| {
        let mut context = context.clone();
        add_built_ins(bundle, &action, member, node, None, &mut context);
        Request {
            principal: member.head().beginning.principal.into(),
            action: action.clone(),
            resource: resource_of(member, node, resource.as_ref()),
            context,
            irreversible: step.irreversible,
        }
    });
    Some(Ok(request))
}
