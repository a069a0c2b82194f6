//! What single facts say.

use super::Fact;
use chancery_engine::{Phase, Status};

/// The attempt that began: of which step, and of what.
pub(super) const fn began(fact: &Fact) -> Option<(usize, Phase)> {
    match fact {
        Fact::HandedOut { step, phase, .. } => Some((*step, *phase)),
        Fact::ChildBegan { step, .. } => Some((*step, Phase::Do)),
        Fact::ChildRecalled { step, .. } => Some((*step, Phase::Undo)),
        Fact::Accepted { .. }
        | Fact::Done { .. }
        | Fact::Failed { .. }
        | Fact::Polled { .. }
        | Fact::RoundBegan { .. }
        | Fact::Denied { .. }
        | Fact::Expanded { .. }
        | Fact::Skipped { .. }
        | Fact::WaitBegan { .. }
        | Fact::TimeCame { .. }
        | Fact::SignalCame { .. }
        | Fact::SignalTaken { .. }
        | Fact::Recalled
        | Fact::Inherited(_)
        | Fact::Paused
        | Fact::Unpaused
        | Fact::OutputFailed
        | Fact::TimedOut
        | Fact::Confirming
        | Fact::Cancelled
        | Fact::Parked { .. }
        | Fact::Resumed { .. }
        | Fact::Resolved { .. }
        | Fact::Asked { .. }
        | Fact::Heard { .. }
        | Fact::TakenOver { .. }
        | Fact::Lost
        | Fact::Ended { .. } => None,
    }
}

/// The step that is done because its time or its signal came.
pub(super) fn waited(fact: &Fact) -> Option<usize> {
    match fact {
        Fact::TimeCame { step } => *step,
        Fact::SignalTaken { step, .. } => Some(*step),
        Fact::HandedOut { .. }
        | Fact::Accepted { .. }
        | Fact::ChildBegan { .. }
        | Fact::ChildRecalled { .. }
        | Fact::Recalled
        | Fact::Inherited(_)
        | Fact::Done { .. }
        | Fact::Failed { .. }
        | Fact::Polled { .. }
        | Fact::RoundBegan { .. }
        | Fact::Denied { .. }
        | Fact::Skipped { .. }
        | Fact::Expanded { .. }
        | Fact::WaitBegan { .. }
        | Fact::SignalCame { .. }
        | Fact::Paused
        | Fact::Unpaused
        | Fact::OutputFailed
        | Fact::TimedOut
        | Fact::Confirming
        | Fact::Cancelled
        | Fact::Parked { .. }
        | Fact::Resumed { .. }
        | Fact::Resolved { .. }
        | Fact::Asked { .. }
        | Fact::Heard { .. }
        | Fact::TakenOver { .. }
        | Fact::Lost
        | Fact::Ended { .. } => None,
    }
}

pub(super) const fn word(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Confirming => "confirming",
        Status::Compensating => "compensating",
        Status::Parked => "parked",
        Status::Completed => "completed",
        Status::Compensated => "compensated",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
        Status::Terminated => "terminated",
    }
}
