//! The words for where a transaction, a step and a compensation stand.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            /// Every value there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word for it on the wire and in the store.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The value with this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }
    };
}

pub(crate) use words;

words!(
    /// Where a transaction stands.
    Status {
        /// Steps go forward.
        Running = "running",
        /// Everything is tried, and the decision to confirm was taken.
        Confirming = "confirming",
        /// It failed or was cancelled: what is out comes in, then what was done is undone.
        Compensating = "compensating",
        /// It waits for a person: a compensation failed for good, or it is past its pivot and can't go forward.
        Parked = "parked",
        /// All steps are done.
        Completed = "completed",
        /// It failed, and what was done is undone.
        Compensated = "compensated",
        /// It failed, and nothing had been done that could be undone, or something could not be undone.
        Failed = "failed",
        /// It was cancelled, and what was done is undone.
        Cancelled = "cancelled",
        /// It was ended at once; nothing was undone.
        Terminated = "terminated",
    }
);

words!(
    /// What a transaction is doing, as its row and callers see it: where it stands, and whether it moves.
    ShownStatus {
        /// Steps go forward.
        Running = "running",
        /// It goes forward, and nothing is out or queued: its steps wait for a time, a signal, their next
        /// round or people who were asked, or its start does.
        Waiting = "waiting",
        /// Everything is tried, and the decision to confirm was taken.
        Confirming = "confirming",
        /// What is out comes in, then what was done is undone.
        Compensating = "compensating",
        /// Nothing is handed out until somebody has it go on.
        Paused = "paused",
        /// It waits for a person.
        Parked = "parked",
        /// All steps are done.
        Completed = "completed",
        /// It failed, and what was done is undone.
        Compensated = "compensated",
        /// It failed, and nothing had been done that could be undone, or something could not be undone.
        Failed = "failed",
        /// It was cancelled, and what was done is undone.
        Cancelled = "cancelled",
        /// It was ended at once; nothing was undone.
        Terminated = "terminated",
    }
);

impl From<Status> for ShownStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Running => Self::Running,
            Status::Confirming => Self::Confirming,
            Status::Compensating => Self::Compensating,
            Status::Parked => Self::Parked,
            Status::Completed => Self::Completed,
            Status::Compensated => Self::Compensated,
            Status::Failed => Self::Failed,
            Status::Cancelled => Self::Cancelled,
            Status::Terminated => Self::Terminated,
        }
    }
}

words!(
    /// Where a step stands.
    StepStatus {
        /// Steps before it are not done.
        Pending = "pending",
        /// It waits for a worker.
        Ready = "ready",
        /// An attempt is with a worker, or its child runs.
        Dispatched = "dispatched",
        /// An attempt failed; the next waits for its time.
        Backoff = "backoff",
        /// It waits for a time, a signal, its next round or people who were asked.
        Waiting = "waiting",
        /// It fanned out, and its clones run.
        Expanded = "expanded",
        /// It is done.
        Completed = "completed",
        /// It failed for good and took no effect.
        Failed = "failed",
        /// It failed for good and may have taken effect.
        Unknown = "unknown",
        /// Its `when` said no.
        Skipped = "skipped",
        /// It was not handed out any more because the transaction failed or was cancelled.
        Cancelled = "cancelled",
    }
);

words!(
    /// Where a compensation stands.
    UndoStatus {
        /// There is none, or its turn has not come.
        None = "none",
        /// It waits for a worker.
        Ready = "ready",
        /// An attempt is with a worker.
        Dispatched = "dispatched",
        /// An attempt failed; the next waits for its time.
        Backoff = "backoff",
        /// It is done.
        Completed = "completed",
        /// It failed for good.
        Failed = "failed",
        /// It failed for good and counts as done: its definition says so.
        Marked = "marked",
        /// It was not tried, since a critical one failed.
        Skipped = "skipped",
    }
);

words!(
    /// A step, its compensation or its confirm.
    Phase {
        /// The step; a participant's try.
        Do = "do",
        /// Its compensation; a participant's cancel.
        Undo = "undo",
        /// A participant's confirm.
        Confirm = "confirm",
    }
);

words!(
    /// Why a transaction did not complete.
    CauseKind {
        /// A step failed.
        StepFailed = "step_failed",
        /// Policy denied a step, or people who were asked did or did not answer in time.
        StepDenied = "step_denied",
        /// A step's attempts or its wait for a worker timed out.
        StepTimedOut = "step_timed_out",
        /// The transaction's own time ran out.
        TimedOut = "timed_out",
        /// The driver of an open transaction was not heard in time.
        DriverLost = "driver_lost",
        /// The definition's `output` could not be evaluated.
        OutputFailed = "output_failed",
        /// What it is a part of went backward after it had completed.
        Recalled = "recalled",
        /// Somebody cancelled it.
        Cancelled = "cancelled",
        /// Somebody terminated it.
        Terminated = "terminated",
    }
);

impl Status {
    /// Whether it is final.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Running | Self::Confirming | Self::Compensating | Self::Parked => false,
            Self::Completed | Self::Compensated | Self::Failed | Self::Cancelled | Self::Terminated => true,
        }
    }

    /// Whether nothing happens by itself any more: ended, or waiting for a person.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        self.is_ended() || matches!(self, Self::Parked)
    }
}
