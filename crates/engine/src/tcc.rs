//! The words of a TCC: where it and its participants stand. Derived from what is kept of any transaction.

use crate::state::{Head, StepState};
use crate::status::{Phase, Status, StepStatus, UndoStatus, words};
use serde::{Deserialize, Serialize};

words!(
    /// Where a TCC stands; what ended otherwise than confirmed or cancelled stands where it was then.
    TccState {
        /// Its participants are tried.
        Trying = "trying",
        /// All are tried, and the decision to confirm was taken.
        Confirming = "confirming",
        /// Every participant that was tried is confirmed.
        Confirmed = "confirmed",
        /// Not all could be tried: those that were, or may have been, are cancelled.
        Cancelling = "cancelling",
        /// Every participant that was tried, or may have been, is cancelled.
        Cancelled = "cancelled",
    }
);

words!(
    /// Where a participant stands.
    ParticipantState {
        /// Its try waits for those before it.
        Pending = "pending",
        /// Its try is under way.
        Trying = "trying",
        /// It is tried.
        Tried = "tried",
        /// Its try failed and took no effect.
        TryFailed = "try_failed",
        /// Its try may have taken effect.
        Unknown = "unknown",
        /// Its confirm is under way.
        Confirming = "confirming",
        /// It is confirmed.
        Confirmed = "confirmed",
        /// Its confirm failed for good: a person is needed.
        ConfirmFailed = "confirm_failed",
        /// Its cancel is under way.
        Cancelling = "cancelling",
        /// It is cancelled.
        Cancelled = "cancelled",
        /// Its cancel failed for good.
        CancelFailed = "cancel_failed",
        /// It was not tried: its `when` said no, or it was not its turn any more.
        Skipped = "skipped",
    }
);

impl Head {
    /// How what took effect, or may have, at a step is closed: what a TCC that decided to confirm had tried is
    /// confirmed, everything else is undone.
    #[must_use]
    pub const fn closing(&self, state: &StepState) -> Phase {
        match state.status {
            StepStatus::Completed if self.confirming_at.is_some() => Phase::Confirm,
            StepStatus::Completed
            | StepStatus::Pending
            | StepStatus::Ready
            | StepStatus::Dispatched
            | StepStatus::Backoff
            | StepStatus::Waiting
            | StepStatus::Expanded
            | StepStatus::Failed
            | StepStatus::Unknown
            | StepStatus::Skipped
            | StepStatus::Cancelled => Phase::Undo,
        }
    }
}

impl TccState {
    /// Where a TCC stands, of its head and its participants.
    pub fn of<'a>(head: &Head, participants: impl IntoIterator<Item = &'a StepState>) -> Self {
        let mut participants = participants.into_iter();
        match head.status {
            Status::Completed => Self::Confirmed,
            Status::Running
            | Status::Confirming
            | Status::Compensating
            | Status::Parked
            | Status::Compensated
            | Status::Failed
            | Status::Cancelled
            | Status::Terminated
                if head.confirming_at.is_some() =>
            {
                Self::Confirming
            }
            Status::Running | Status::Confirming => Self::Trying,
            Status::Compensating | Status::Parked => Self::Cancelling,
            Status::Compensated | Status::Cancelled => Self::Cancelled,
            Status::Failed => {
                let is_left = participants.any(|state| state.took_effect() && !state.undo.is_done());
                if is_left { Self::Cancelling } else { Self::Cancelled }
            }
            Status::Terminated => {
                let cancels = participants.any(|state| state.undo.status != UndoStatus::None);
                if cancels { Self::Cancelling } else { Self::Trying }
            }
        }
    }
}

impl ParticipantState {
    /// Where a participant stands, of the TCC's head and its own state.
    #[must_use]
    pub fn of(head: &Head, state: &StepState) -> Self {
        match state.status {
            StepStatus::Pending => Self::Pending,
            StepStatus::Ready
            | StepStatus::Dispatched
            | StepStatus::Backoff
            | StepStatus::Waiting
            | StepStatus::Expanded => Self::Trying,
            StepStatus::Failed => Self::TryFailed,
            StepStatus::Cancelled if state.attempts > 0 => Self::TryFailed,
            StepStatus::Skipped | StepStatus::Cancelled => Self::Skipped,
            StepStatus::Completed | StepStatus::Unknown => {
                let confirms = head.closing(state) == Phase::Confirm;
                match state.undo.status {
                    UndoStatus::None | UndoStatus::Skipped if state.status == StepStatus::Unknown => Self::Unknown,
                    UndoStatus::None | UndoStatus::Skipped => Self::Tried,
                    UndoStatus::Ready | UndoStatus::Dispatched | UndoStatus::Backoff if confirms => Self::Confirming,
                    UndoStatus::Ready | UndoStatus::Dispatched | UndoStatus::Backoff => Self::Cancelling,
                    UndoStatus::Completed | UndoStatus::Marked if confirms => Self::Confirmed,
                    UndoStatus::Completed | UndoStatus::Marked => Self::Cancelled,
                    UndoStatus::Failed if confirms => Self::ConfirmFailed,
                    UndoStatus::Failed => Self::CancelFailed,
                }
            }
        }
    }
}
