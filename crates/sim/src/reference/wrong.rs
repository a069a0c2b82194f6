//! Rules that the reference model is told wrong.

/// A rule that the model is told wrong, to prove that the comparison notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongRule {
    /// What was done first is undone first.
    UndoInOrder,
    /// Every step is tried once more.
    OneAttemptMore,
    /// What may have taken effect counts as if it had not.
    ForgetUnknown,
    /// Conditions are not asked.
    IgnoreConditions,
    /// Steps wait for nothing.
    IgnoreOrder,
    /// One step fewer is out at once.
    LessConcurrency,
    /// Final errors are tried again.
    RetryFinalErrors,
    /// What was cancelled ends as what failed does.
    CancelAsFailure,
    /// A compensation that failed for good counts as done.
    NeverPark,
    /// A failure past a pivot turns the saga.
    TurnPastPivot,
    /// What may fail stops the saga like anything else.
    StopAtOptional,
    /// A layer does not wait for the one before it.
    IgnoreLayers,
    /// Every saga undoes one step at a time.
    UndoInSequence,
    /// After the failure of a critical compensation the rest is undone.
    IgnoreCritical,
    /// The saga's own time never runs out.
    IgnoreTimeout,
    /// A wait takes a quarter of a second longer.
    WaitLonger,
    /// What comes before a step waits for it is lost.
    LoseEarlySignals,
    /// The newest signal is taken first.
    TakeNewestSignal,
    /// A signal comes as often as it is sent.
    TakeSignalTwice,
    /// A paused saga goes on.
    IgnorePause,
    /// A start that is to come later comes at once.
    StartAtOnce,
    /// A driver is never lost.
    IgnoreGrace,
    /// Only steps are signs of a driver.
    IgnoreHeartbeats,
    /// An attempt that a driver before left took no effect.
    ForgetSuperseded,
    /// What an earlier driver asked for counts as asked for.
    IgnoreClaims,
    /// What a target accepted counts as done.
    AcceptedIsDone,
    /// A TCC of which all are tried is done.
    ForgetDecision,
    /// A failure past the decision to confirm turns the TCC.
    TurnPastDecision,
    /// Every TCC confirms all together.
    ConfirmTogether,
    /// A confirm that waits for a person holds up those after it.
    ConfirmAfterFailure,
    /// What may have been tried is confirmed with the rest.
    ConfirmUnknown,
    /// A confirm that failed for good counts as done.
    ConfirmFailedIsDone,
    /// A child that failed does not fail its parent.
    FailedChildIsDone,
    /// The undo of a step that ran a child is nothing.
    RecallNobody,
    /// A parent that goes backward goes alone.
    CancelNobodyBelow,
    /// What a child left is nothing.
    ForgetWhatChildLeft,
    /// A step that fans out has one clone fewer.
    OneCloneLess,
    /// One clone fewer of a step is out at once.
    LessWindow,
    /// To wait for a place is to wait for a worker.
    WaitForPlace,
    /// What comes after a step that fanned out does not wait for its clones.
    IgnoreClones,
    /// What the last step added to the variable is lost.
    ForgetVariable,
    /// What the shard carries out itself takes a place while it does.
    InlineTakesPlace,
    /// A question that was answered with no fails its step.
    DenialFails,
    /// A fork takes over what was undone.
    TakeOverUndone,
    /// A fork does nothing anew but the step that it is from.
    TakeOverAfter,
    /// Settings that change while a transaction runs are another for it.
    SeeNewestSettings,
    /// A schedule starts whatever still runs.
    IgnoreOverlap,
    /// A schedule makes up for nothing.
    IgnoreCatchUp,
    /// Every schedule makes up for all that it missed.
    MakeUpForAll,
    /// Clocks show UTC everywhere.
    ForgetZone,
    /// A schedule that was paused has missed what came meanwhile.
    CountWhilePaused,
    /// A step polls one round more.
    OneRoundMore,
    /// The next round begins a tenth of a second later.
    RoundLater,
    /// Rounds that were not enough took no effect.
    ForgetRounds,
    /// Whatever a round gives is enough.
    AnythingIsEnough,
    /// One person fewer has to say yes.
    OneYesLess,
    /// Nobody is asked before a step is handed out.
    AskNobody,
    /// What was said yes to may be done once, and is asked anew before it is tried again.
    YesForOneAttempt,
    /// What people do not answer is asked for good.
    AskForGood,
    /// What was put off is due when it was due.
    ForgetDeferral,
    /// What is masked is in the input all the same.
    MaskNothing,
    /// An attempt has all the time that its step says.
    IgnoreLimits,
    /// Nothing is reserved of a budget.
    ReserveNothing,
    /// What failed stays reserved.
    KeepWhatFailed,
    /// What was done costs all that was reserved.
    IgnoreCost,
    /// Windows never end.
    OneWindow,
    /// Evidence of the tenant as a whole counts for any transaction.
    AnyEvidence,
    /// An override is good after its time.
    ForgetExpiry,
    /// What is for one act is for all.
    OverrideAll,
    /// What nothing permits is denied, whatever the mode.
    IgnoreMode,
}

impl WrongRule {
    /// Every one that is about TCCs.
    pub const OF_TCC: [Self; 6] = [
        Self::ForgetDecision,
        Self::TurnPastDecision,
        Self::ConfirmTogether,
        Self::ConfirmAfterFailure,
        Self::ConfirmUnknown,
        Self::ConfirmFailedIsDone,
    ];

    /// Every one that is about children.
    pub const OF_CHILDREN: [Self; 4] =
        [Self::FailedChildIsDone, Self::RecallNobody, Self::CancelNobodyBelow, Self::ForgetWhatChildLeft];

    /// Every one that is about schedules.
    pub const OF_SCHEDULES: [Self; 5] =
        [Self::IgnoreOverlap, Self::IgnoreCatchUp, Self::MakeUpForAll, Self::ForgetZone, Self::CountWhilePaused];

    /// Every one that is about steps that poll.
    pub const OF_POLLS: [Self; 4] = [Self::OneRoundMore, Self::RoundLater, Self::ForgetRounds, Self::AnythingIsEnough];

    /// Every one that is about requests to people.
    pub const OF_REQUESTS: [Self; 5] =
        [Self::OneYesLess, Self::AskNobody, Self::YesForOneAttempt, Self::AskForGood, Self::ForgetDeferral];

    /// Every one that is about what bundles say, and what is counted, shown and answered for because of that.
    pub const OF_LAWS: [Self; 10] = [
        Self::MaskNothing,
        Self::IgnoreLimits,
        Self::ReserveNothing,
        Self::KeepWhatFailed,
        Self::IgnoreCost,
        Self::OneWindow,
        Self::AnyEvidence,
        Self::ForgetExpiry,
        Self::OverrideAll,
        Self::IgnoreMode,
    ];

    /// Every one that is about forks.
    pub const OF_FORKS: [Self; 2] = [Self::TakeOverUndone, Self::TakeOverAfter];

    /// Every one that is about steps that fan out.
    pub const OF_CLONES: [Self; 4] = [Self::OneCloneLess, Self::LessWindow, Self::WaitForPlace, Self::IgnoreClones];

    /// Every one that is about other sagas or open transactions.
    pub const ALL: [Self; 30] = [
        Self::UndoInOrder,
        Self::OneAttemptMore,
        Self::ForgetUnknown,
        Self::IgnoreConditions,
        Self::IgnoreOrder,
        Self::LessConcurrency,
        Self::RetryFinalErrors,
        Self::CancelAsFailure,
        Self::NeverPark,
        Self::TurnPastPivot,
        Self::StopAtOptional,
        Self::IgnoreLayers,
        Self::UndoInSequence,
        Self::IgnoreCritical,
        Self::IgnoreTimeout,
        Self::WaitLonger,
        Self::LoseEarlySignals,
        Self::TakeNewestSignal,
        Self::TakeSignalTwice,
        Self::IgnorePause,
        Self::StartAtOnce,
        Self::IgnoreGrace,
        Self::IgnoreHeartbeats,
        Self::ForgetSuperseded,
        Self::IgnoreClaims,
        Self::AcceptedIsDone,
        Self::ForgetVariable,
        Self::InlineTakesPlace,
        Self::DenialFails,
        Self::SeeNewestSettings,
    ];

    /// Whether it is about open transactions.
    #[must_use]
    pub const fn is_of_open(self) -> bool {
        matches!(self, Self::IgnoreGrace | Self::IgnoreHeartbeats | Self::ForgetSuperseded | Self::IgnoreClaims)
    }
}
