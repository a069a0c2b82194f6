//! What can go wrong in a run, and how often it did.

use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// A kind of fault or disturbance.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])* $variant,)*
        }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word for it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

faults! {
    /// A commit failed, and nothing was written.
    CommitFailed = "commit failed",
    /// A commit took long.
    CommitSlow = "commit slow",
    /// A commit was written, and its answer was lost.
    UnknownApplied = "commit applied, outcome unknown",
    /// A commit was not written, and its answer was lost.
    UnknownLost = "commit lost, outcome unknown",
    /// A commit whose outcome was unknown was written later, while its guard still held.
    OrphanLanded = "orphan landed late",
    /// The same, but somebody else owned the log by then.
    OrphanShutOut = "orphan shut out",
    /// A commit that was written arrived a second time.
    CommitRepeated = "commit repeated",
    /// Owning or loading failed.
    CallFailed = "read failed",
    /// A server crashed with no call out.
    CrashIdle = "server crashed while idle",
    /// A server crashed before its commit was carried out; it never was.
    CrashBefore = "server crashed before its commit",
    /// A server crashed after its commit was carried out, before it learnt of it.
    CrashAfter = "server crashed after its commit",
    /// A server crashed, and its commit arrived later.
    CrashInFlight = "server crashed, its commit landed later or was shut out",
    /// Two servers believed that they owned one log.
    StaleOwner = "stale owner",
    /// A stale owner tried to write and was fenced.
    Fenced = "owner fenced",
    /// A batch was decided again because the control epoch was raised.
    ControlConflict = "control epoch conflict",
    /// The answer to a client was lost, and it asked again.
    ClientReplyLost = "client reply lost",
    /// The answer to a worker was lost.
    WorkerReplyLost = "worker reply lost",
    /// A worker reported the same outcome again.
    AnswerRepeated = "answer repeated",
    /// A worker reported an outcome after its attempt was over.
    AnswerLate = "answer late",
    /// A worker process died with what it held.
    WorkerCrashed = "worker crashed",
    /// A lease lapsed.
    LeaseLapsed = "lease lapsed",
    /// An attempt passed its deadline.
    TimedOut = "attempt timed out",
    /// A worker presented a token that was never issued.
    TokenForged = "token forged",
    /// A bundle was activated while transactions ran.
    BundleActivated = "bundle activated",
    /// A principal was suspended while transactions ran.
    Suspended = "principal suspended",
    /// A start or an attempt was denied.
    Denied = "denied",
    /// A compensation failed for good.
    Parked = "parked",
    /// A driver of an open transaction died.
    DriverDied = "driver died",
    /// A driver came back after another had taken over, and was told so.
    DriverSuperseded = "driver superseded",
    /// A driver was not heard in time.
    DriverLost = "driver lost",
    /// The clock was set forward.
    ClockSetForward = "clock set forward",
    /// A round of a step that polls was not enough.
    Polled = "polled",
    /// Settings were changed while transactions ran.
    SettingsChanged = "settings changed",
    /// Something was stopped while transactions ran.
    Stopped = "stopped",
    /// A stop was lifted.
    StopLifted = "stop lifted",
    /// A transaction was forked.
    Forked = "forked",
    /// A transaction could not be forked from where somebody would.
    ForkRefused = "fork refused",
    /// People said yes to a request.
    RequestApproved = "request approved",
    /// Somebody said no to a request.
    RequestDenied = "request denied",
    /// Nobody answered a request in time.
    RequestExpired = "request expired",
    /// A request was of no more use.
    RequestWithdrawn = "request withdrawn",
    /// Somebody spoke to a request who may not, or too late, and was refused.
    SayRefused = "say refused",
    /// A budget was set, or set otherwise.
    BudgetSet = "budget set",
    /// A budget was deleted.
    BudgetDeleted = "budget deleted",
    /// What was asked for did not fit a budget.
    BudgetShort = "budget short",
    /// What was reserved was settled.
    Settled = "settled",
    /// Less was settled than was reserved.
    SettledBelow = "settled below what was reserved",
    /// What was reserved was returned.
    Returned = "returned",
    /// Evidence was added.
    EvidenceAdded = "evidence added",
    /// Evidence that was demanded was not there.
    EvidenceLacking = "evidence lacking",
    /// People answered for what policy denies.
    Overridden = "overridden",
    /// An override expired.
    OverrideExpired = "override expired",
}

/// How often each kind occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(Vec<u64>);

impl Default for Counts {
    fn default() -> Self {
        Self(vec![0; Fault::ALL.len()])
    }
}

impl Counts {
    /// How often this kind occurred.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        let index = Fault::ALL.iter().position(|other| *other == fault);
        index.and_then(|index| self.0.get(index)).copied().unwrap_or(0)
    }

    /// Each kind with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL.iter().copied().zip(self.0.iter().copied())
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        let index = Fault::ALL.iter().position(|other| *other == fault);
        if let Some(count) = index.and_then(|index| self.0.get_mut(index)) {
            *count += 1;
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
