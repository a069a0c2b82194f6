//! What an event is about.

use super::Event;
use crate::node::NodeRef;
use crate::open::Intent;
use crate::request::RequestFact;
use crate::status::Phase;
use chancery_base::Document;
use std::sync::Arc;

impl Event {
    /// The node that it is about.
    #[must_use]
    pub const fn node(&self) -> Option<NodeRef> {
        match self {
            Self::Dispatched { node, .. }
            | Self::Accepted { node, .. }
            | Self::Completed { node, .. }
            | Self::Resolved { node, .. }
            | Self::AttemptFailed { node, .. }
            | Self::Denied { node, .. }
            | Self::Expanded { node, .. }
            | Self::Skipped { node }
            | Self::Claimed { node, .. }
            | Self::Polled { node, .. }
            | Self::TimerStarted { node, .. }
            | Self::SignalAwaited { node, .. }
            | Self::ChildRecalled { node, .. }
            | Self::SignalTaken { node, .. } => Some(*node),
            Self::ChildStarted(start) => Some(start.node),
            Self::CarriedOut(done) => Some(done.node),
            Self::Requested(requested) => Some(requested.node),
            Self::Inherited(inherited) => Some(inherited.node),
            Self::Permitted(permitted) => Some(permitted.node),
            Self::Parked { node } | Self::Resumed { node, .. } | Self::TimerFired { node } => *node,
            Self::Started { .. }
            | Self::Recalled
            | Self::StepDenied { .. }
            | Self::DriverResumed { .. }
            | Self::DriverHeard { .. }
            | Self::DriverLost
            | Self::SignalReceived { .. }
            | Self::Paused { .. }
            | Self::Unpaused { .. }
            | Self::OutputFailed { .. }
            | Self::TimedOut
            | Self::Confirming
            | Self::CancelRequested { .. }
            | Self::Ended { .. } => None,
        }
    }

    /// The step of an open transaction that its driver declares with it: it is the first entry of the step.
    #[must_use]
    pub fn declares(&self) -> Option<(NodeRef, &Intent)> {
        if let Self::Permitted(permitted) = self {
            return Some((permitted.node, permitted.intent.as_deref()?));
        }
        let Self::Requested(requested) = self else { return None };
        let RequestFact::Opened { opener: Some(opener), .. } = &requested.fact else { return None };
        Some((requested.node, opener.intent.as_deref()?))
    }

    /// A word for it, for errors.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Dispatched { phase: Phase::Do, .. } => "dispatched",
            Self::Dispatched { phase: Phase::Undo, .. } => "undo dispatched",
            Self::Dispatched { phase: Phase::Confirm, .. } => "confirm dispatched",
            Self::Accepted { phase: Phase::Do, .. } => "accepted",
            Self::Accepted { phase: Phase::Undo, .. } => "undo accepted",
            Self::Accepted { phase: Phase::Confirm, .. } => "confirm accepted",
            Self::Completed { phase: Phase::Do, .. } => "completed",
            Self::Completed { phase: Phase::Undo, .. } => "undo completed",
            Self::Completed { phase: Phase::Confirm, .. } => "confirm completed",
            Self::Resolved { phase: Phase::Do, .. } => "resolved",
            Self::Resolved { phase: Phase::Undo, .. } => "undo resolved",
            Self::Resolved { phase: Phase::Confirm, .. } => "confirm resolved",
            Self::AttemptFailed { phase: Phase::Do, .. } => "attempt failed",
            Self::AttemptFailed { phase: Phase::Undo, .. } => "undo attempt failed",
            Self::AttemptFailed { phase: Phase::Confirm, .. } => "confirm attempt failed",
            Self::CarriedOut(_) => "carried out",
            Self::Denied { .. } => "denied",
            Self::Expanded { .. } => "expanded",
            Self::Skipped { .. } => "skipped",
            Self::ChildStarted(_) => "child started",
            Self::ChildRecalled { .. } => "child recalled",
            Self::Recalled => "recalled",
            Self::Inherited(_) => "inherited",
            Self::Permitted(_) => "permitted",
            Self::StepDenied { .. } => "step denied",
            Self::Claimed { .. } => "claimed",
            Self::DriverResumed { .. } => "driver resumed",
            Self::DriverHeard { .. } => "driver heard",
            Self::DriverLost => "driver lost",
            Self::Polled { .. } => "polled",
            Self::TimerStarted { .. } => "timer started",
            Self::TimerFired { .. } => "timer fired",
            Self::SignalAwaited { .. } => "signal awaited",
            Self::SignalReceived { .. } => "signal received",
            Self::SignalTaken { .. } => "signal taken",
            Self::Requested(requested) => requested.fact.word(),
            Self::Paused { .. } => "paused",
            Self::Unpaused { .. } => "unpaused",
            Self::OutputFailed { .. } => "output failed",
            Self::TimedOut => "timed out",
            Self::Confirming => "confirming",
            Self::CancelRequested { .. } => "cancel requested",
            Self::Parked { .. } => "parked",
            Self::Resumed { .. } => "resumed",
            Self::Ended { .. } => "ended",
        }
    }

    /// The value that later steps and callers see of it.
    #[must_use]
    pub const fn output(&self) -> Option<&Arc<Document>> {
        match self {
            Self::Completed { output, .. } | Self::Resolved { output, .. } => Some(output),
            Self::CarriedOut(done) => Some(&done.output),
            Self::Requested(requested) => requested.fact.output(),
            Self::Ended { output, .. } => output.as_ref(),
            Self::Started { .. }
            | Self::Dispatched { .. }
            | Self::ChildStarted(_)
            | Self::ChildRecalled { .. }
            | Self::Recalled
            | Self::Inherited(_)
            | Self::Permitted(_)
            | Self::StepDenied { .. }
            | Self::Claimed { .. }
            | Self::DriverResumed { .. }
            | Self::DriverHeard { .. }
            | Self::DriverLost
            | Self::Accepted { .. }
            | Self::AttemptFailed { .. }
            | Self::Denied { .. }
            | Self::Expanded { .. }
            | Self::Skipped { .. }
            | Self::Polled { .. }
            | Self::TimerStarted { .. }
            | Self::TimerFired { .. }
            | Self::SignalAwaited { .. }
            | Self::SignalReceived { .. }
            | Self::SignalTaken { .. }
            | Self::Paused { .. }
            | Self::Unpaused { .. }
            | Self::OutputFailed { .. }
            | Self::TimedOut
            | Self::Confirming
            | Self::CancelRequested { .. }
            | Self::Parked { .. }
            | Self::Resumed { .. } => None,
        }
    }
}
