//! What single facts say.

use super::Fact;
use chancery_engine::{Phase, RequestFact, Status};

/// The attempt that began: of which step, and of what.
pub(super) const fn began(fact: &Fact) -> Option<(usize, Phase)> {
    if let Fact::HandedOut { step, phase, .. } = fact {
        return Some((*step, *phase));
    }
    if let Fact::ChildRecalled { step, .. } = fact {
        return Some((*step, Phase::Undo));
    }
    if let Fact::ChildBegan { step, .. } = fact { Some((*step, Phase::Do)) } else { None }
}

/// The step that is done because its time or its signal came, or because people said yes.
pub(super) const fn waited(fact: &Fact) -> Option<usize> {
    if let Fact::SignalTaken { step, .. } = fact {
        return Some(*step);
    }
    if let Fact::Requested { step, said: RequestFact::Answered { output: Some(_), .. } } = fact {
        return Some(*step);
    }
    if let Fact::TimeCame { step } = fact { *step } else { None }
}

/// The step that a person had tried again.
pub(super) const fn resumed(fact: &Fact) -> Option<usize> {
    if let Fact::Resumed { step } = fact { *step } else { None }
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
