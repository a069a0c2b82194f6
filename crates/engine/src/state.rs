//! The state of a transaction: a head and one part a step, so that a commit writes only what it touched.
//!
//! Each is written at nearly every commit, so their fields stand in the order of their names: what they serialise to is
//! canonical JSON as it is, and need not be sorted.

use crate::conditions::{Charge, Conditions};
use crate::definition::{Classes, Definition, Step};
use crate::event::{Beginning, Cause, Parent, StepError};
use crate::fault::Fault;
use crate::fork::{Fork, Origin};
use crate::headers::Headers;
use crate::node::NodeRef;
use crate::open::OpenHead;
use crate::request::{RequestState, RequestStatus};
use crate::status::{Phase, Status, StepStatus, UndoStatus};
use chancery_base::{DecisionId, Digest, Name, PrincipalId, Timestamp, TransactionId};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The head: what belongs to the transaction as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// What it began with.
    #[serde(flatten)]
    pub beginning: Arc<Beginning>,
    /// Where it stands.
    pub status: Status,
    /// Why it does not complete.
    pub cause: Option<Cause>,
    /// When the decision to confirm was taken.
    #[serde(default)]
    pub confirming_at: Option<Timestamp>,
    /// The decision that permitted its start. What undoes or confirms a step that was never decided itself, since a
    /// person settled it by hand, cites this one.
    pub decision: DecisionId,
    /// The error that belongs to the cause.
    pub error: Option<StepError>,
    /// How many entries it has.
    pub entries: u64,
    /// Nothing is handed out until a person has it go on.
    #[serde(default)]
    pub held: bool,
    /// Its time has run out; it does so once.
    #[serde(default)]
    pub timed_out: bool,
    /// Its first steps begin then; none: they have begun.
    #[serde(default)]
    pub begins_at: Option<Timestamp>,
    /// Since when it is paused.
    #[serde(default)]
    pub paused_at: Option<Timestamp>,
    /// The newest signals that came, by what [`KeptSignal::mark`] makes of their ids, the newest last.
    #[serde(default)]
    pub signal_marks: Vec<String>,
    /// The signals that no step has taken yet, in the order in which they came.
    #[serde(default)]
    pub signals: Vec<KeptSignal>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The sequence number of its first entry.
    pub input_seq: u64,
    /// Of an open transaction: who drives it.
    #[serde(default)]
    pub open: Option<OpenHead>,
    /// The sequence number of its last entry, where that has the output.
    pub output_seq: Option<u64>,
    /// Where it is parked: the step, or the step whose compensation, failed for good; none: its time ran out or its
    /// output failed, past its pivot.
    pub parked_at: Option<NodeRef>,
    /// Since when there is a place again where `concurrency` had left none: for all (0), and for the clones of a step
    /// with one of its own (its index and 1), in this order. Nobody waits for a worker before that.
    #[serde(default)]
    pub room_since: Vec<(u32, Timestamp)>,
    /// Bytes of the data of the events that its steps emitted, and of the decisions that they asked for.
    #[serde(default)]
    pub written: u64,
}

/// A signal that no step has taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSignal {
    /// Its name.
    pub name: Name,
    /// The sequence number of its entry, whose payload says what it says.
    pub seq: u64,
}

impl KeptSignal {
    /// What is remembered of a signal's id: 64 bits of its SHA-256, as many as tell the few that are kept.
    #[must_use]
    pub fn mark(id: &str) -> String {
        Digest::of(id.as_bytes()).as_bytes().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A head with what it began with, as it serialises.
#[derive(Serialize)]
struct FlatHead<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    begins_at: Option<Timestamp>,
    bundle: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    business_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirming_at: Option<Timestamp>,
    decision: DecisionId,
    definition: &'a Name,
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    entries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a StepError>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    faults: &'a [Fault],
    #[serde(skip_serializing_if = "Option::is_none")]
    fork: Option<&'a Fork>,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    headers: &'a Headers,
    #[serde(skip_serializing_if = "is_not")]
    held: bool,
    id: TransactionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    input_seq: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<OpenHead>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a Parent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parked_at: Option<NodeRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_at: Option<Timestamp>,
    principal: PrincipalId,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    room_since: &'a [(u32, Timestamp)],
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    signal_marks: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    signals: &'a [KeptSignal],
    #[serde(skip_serializing_if = "Option::is_none")]
    start_at: Option<Timestamp>,
    started_at: Timestamp,
    status: Status,
    #[serde(skip_serializing_if = "Classes::is_empty")]
    taint: &'a Classes,
    #[serde(skip_serializing_if = "is_not")]
    timed_out: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_asked: Option<u32>,
    #[serde(skip_serializing_if = "is_no")]
    written: u64,
}

impl Serialize for Head {
    #[expect(clippy::too_many_lines, reason = "a field a line")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Named one by one, so that a field that is added is not forgotten here.
        let Self {
            beginning,
            status,
            cause,
            confirming_at,
            decision,
            error,
            entries,
            held,
            timed_out,
            begins_at,
            paused_at,
            signal_marks,
            signals,
            started_at,
            ended_at,
            input_seq,
            open,
            output_seq,
            parked_at,
            room_since,
            written,
        } = self;
        let Beginning {
            bundle,
            business_key,
            definition,
            digest,
            faults,
            fork,
            headers,
            id,
            idempotency_key,
            labels,
            parent,
            principal,
            settings,
            start_at,
            taint,
            traceparent,
            version,
            version_asked,
        } = &**beginning;
        let flat = FlatHead {
            begins_at: *begins_at,
            bundle: *bundle,
            business_key: business_key.as_deref(),
            cause: cause.as_ref(),
            confirming_at: *confirming_at,
            decision: *decision,
            definition,
            digest: *digest,
            ended_at: *ended_at,
            entries: *entries,
            error: error.as_ref(),
            faults,
            fork: fork.as_ref(),
            headers,
            held: *held,
            id: *id,
            idempotency_key: idempotency_key.as_deref(),
            input_seq: *input_seq,
            labels,
            open: *open,
            output_seq: *output_seq,
            parent: parent.as_ref(),
            parked_at: *parked_at,
            paused_at: *paused_at,
            principal: *principal,
            room_since,
            settings: *settings,
            signal_marks,
            signals,
            start_at: *start_at,
            started_at: *started_at,
            status: *status,
            taint,
            timed_out: *timed_out,
            traceparent: traceparent.as_deref(),
            version: *version,
            version_asked: *version_asked,
            written: *written,
        };
        flat.serialize(serializer)
    }
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepState {
    /// The attempt that is out is with a target that reports later.
    #[serde(default, skip_serializing_if = "is_not")]
    pub accepted: bool,
    /// Attempts handed out.
    pub attempts: u32,
    /// Attempts handed out before a person had it tried again, or before the present round: retries count from here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts_before: u32,
    /// The child that it ran last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<TransactionId>,
    /// How many clones it has, once it fanned out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clones: Option<u32>,
    /// What policy demanded of its latest attempt; what was counted for it is there while it is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Arc<Conditions>>,
    /// The decision that permitted its latest attempt, which its compensation cites; where there was none, the denial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// Which driver of an open transaction asked for it last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub driver: u32,
    /// When it was done, failed for good, was skipped or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The number, within the transaction, of the entry that ended it: the order of completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_n: Option<u64>,
    /// Its latest error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// SHA-256 of the canonical input of its latest attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Digest>,
    /// The sequence number of the entry with what its driver declared of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_seq: Option<u64>,
    /// The sequence number of the entry with the elements over which it fanned out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_seq: Option<u64>,
    /// Of what a fork took over: who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Box<Origin>>,
    /// The sequence number of the entry with its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_seq: Option<u64>,
    /// Since when it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// The requests that it opened since a person had it tried again, in their order: the last one may be open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestState>,
    /// Rounds that were done and were not enough.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: u32,
    /// The same before a person had it tried again: the most that there may be count from here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds_before: u32,
    /// When its first attempt was handed out, or it fanned out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Where it stands.
    pub status: StepStatus,
    /// The classes of data that the child which it ran had come to use.
    #[serde(default, skip_serializing_if = "Classes::is_empty")]
    pub taint: Classes,
    /// Its compensation; of a participant, its cancel or its confirm: [`Head::closing`] says which.
    #[serde(default, skip_serializing_if = "UndoState::is_none")]
    pub undo: UndoState,
    /// Whether an attempt may have taken effect without saying so.
    #[serde(default, skip_serializing_if = "is_not")]
    pub unknown: bool,
    /// When the attempt that is out expires, the next may be handed out or its round begins, or what it waits for comes,
    /// or fails to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
}

/// A step's compensation, or a participant's confirm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoState {
    /// The attempt that is out is with a target that reports later.
    #[serde(default, skip_serializing_if = "is_not")]
    pub accepted: bool,
    /// Attempts handed out.
    pub attempts: u32,
    /// Attempts handed out before a person had it tried again: retries count from here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts_before: u32,
    /// When it was done or failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Its latest error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// SHA-256 of the canonical input of its latest attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Digest>,
    /// The sequence number of the entry with its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_seq: Option<u64>,
    /// Since when it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// When its first attempt was handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Where it stands.
    pub status: UndoStatus,
    /// When the attempt that is out expires, or the next may be handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
}

impl StepState {
    /// A step that nothing has happened to.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            status: StepStatus::Pending,
            accepted: false,
            attempts: 0,
            attempts_before: 0,
            child: None,
            clones: None,
            unknown: false,
            ready_at: None,
            requests: Vec::new(),
            rounds: 0,
            rounds_before: 0,
            wake_at: None,
            started_at: None,
            ended_at: None,
            ended_n: None,
            decision: None,
            driver: 0,
            input: None,
            intent_seq: None,
            items_seq: None,
            origin: None,
            output_seq: None,
            error: None,
            conditions: None,
            taint: Classes::new(),
            undo: UndoState::NONE,
        }
    }

    /// When it next needs a look though nothing arrives: its attempt's deadline, or the next attempt's time.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Timestamp> {
        self.wake_at.or(self.undo.wake_at)
    }
}

/// What took effect, or may have, and is not undone, of a transaction that goes or went backward; of one that decided
/// to confirm, what may have taken effect and is to be cancelled. A step that waited or asked a question took none, nor
/// did one that only reads or does nothing, unless it says how it is undone.
pub fn left_undone<'a>(
    definition: &Definition,
    head: &Head,
    nodes: impl IntoIterator<Item = (NodeRef, &'a StepState)>,
) -> Vec<NodeRef> {
    if head.cause.is_none() && head.confirming_at.is_none() {
        return Vec::new();
    }
    let leaves_nothing = |step: &Step| step.compensate.is_none() && step.run.leaves_nothing();
    let without_effect = |node: NodeRef| definition.step(node.step).is_some_and(leaves_nothing);
    let counts = |state: &StepState| head.cause.is_some() || head.closing(state) == Phase::Undo;
    // What was out when it was terminated may have taken effect, and nobody waits for it any more.
    let was_out = |state: &StepState| head.status == Status::Terminated && state.status == StepStatus::Dispatched;
    let is_left = |state: &StepState| {
        let took_effect = state.took_effect() && !state.undo.is_done();
        (took_effect || was_out(state)) && counts(state)
    };
    let left = nodes.into_iter().filter(|(node, state)| is_left(state) && !without_effect(*node)).map(|(node, _)| node);
    // In one order, wherever the nodes come from.
    let mut left: Vec<NodeRef> = left.collect();
    left.sort_unstable();
    left
}

impl StepState {
    /// Whether it took effect, or may have. What fanned out did so by its clones.
    #[must_use]
    pub const fn took_effect(&self) -> bool {
        self.clones.is_none() && matches!(self.status, StepStatus::Completed | StepStatus::Unknown)
    }

    /// What was counted for an attempt that is out.
    pub(crate) fn charges(&self) -> &[Charge] {
        self.conditions.as_ref().map_or(&[], |conditions| &conditions.charges)
    }

    /// Takes what was counted; what else was demanded lasts.
    pub(crate) fn take_charges(&mut self) -> Vec<Charge> {
        let lasting = Conditions::lasting(self.conditions.as_ref());
        let taken = std::mem::replace(&mut self.conditions, lasting);
        taken.map_or_else(Vec::new, |conditions| Arc::unwrap_or_clone(conditions).charges)
    }

    /// The request of it that can be answered.
    #[must_use]
    pub fn open_request(&self) -> Option<&RequestState> {
        self.requests.last().filter(|request| request.is_open())
    }

    /// Whether people were asked before it was handed out, and did not say yes.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let last = self.requests.last().map(|request| request.status);
        matches!(last, Some(RequestStatus::Denied | RequestStatus::Expired))
    }

    /// Since when it waits for a worker: since it was ready, or since its retry was due.
    #[must_use]
    pub const fn queued_since(&self) -> Option<Timestamp> {
        match self.status {
            StepStatus::Ready => self.ready_at,
            StepStatus::Backoff => self.wake_at,
            StepStatus::Pending
            | StepStatus::Dispatched
            | StepStatus::Waiting
            | StepStatus::Expanded
            | StepStatus::Completed
            | StepStatus::Failed
            | StepStatus::Unknown
            | StepStatus::Skipped
            | StepStatus::Cancelled => None,
        }
    }
}

impl Default for StepState {
    fn default() -> Self {
        Self::new()
    }
}

impl UndoState {
    const NONE: Self = Self {
        status: UndoStatus::None,
        accepted: false,
        attempts: 0,
        attempts_before: 0,
        ready_at: None,
        wake_at: None,
        started_at: None,
        ended_at: None,
        input: None,
        output_seq: None,
        error: None,
    };

    fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether the step counts as undone.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        match self.status {
            UndoStatus::Completed | UndoStatus::Marked => true,
            UndoStatus::None
            | UndoStatus::Ready
            | UndoStatus::Dispatched
            | UndoStatus::Backoff
            | UndoStatus::Failed
            | UndoStatus::Skipped => false,
        }
    }
}

impl Default for UndoState {
    fn default() -> Self {
        Self::NONE
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
const fn is_not(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
const fn is_no(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::{AccountId, AccountOf};
    use crate::definition::StepIndex;
    use crate::fault::FaultKind;
    use crate::status::CauseKind;
    use chancery_base::{Entropy, json};
    use serde::de::DeserializeOwned;
    use serde_json::json;
    use std::fmt::Debug;

    fn is_sorted<T: Serialize + DeserializeOwned + PartialEq + Debug>(part: &T) {
        let text = serde_json::to_string(part).unwrap();
        assert!(json::is_canonical(&text), "{text}");
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), part);
    }

    const AT: Option<Timestamp> = Some(Timestamp::from_micros(1_000_001));

    fn error() -> Option<StepError> {
        Some(StepError {
            // In another order and with other digits than serde writes them.
            detail: Some(Box::new(json!({ "\u{ffff}": 1e-7, "\u{10000}": [1] }))),
            is_final: true,
            injected: true,
            message: "no \"more\"".to_owned(),
            r#type: "OutOfStock".to_owned(),
        })
    }

    /// What has every part that there is.
    #[test]
    fn what_is_written_of_a_step_at_each_commit_is_canonical_as_it_is() {
        let mut entropy = Entropy::from_seed([7; 32]);
        let (at, digest) = (AT, Some(Digest::of(b"a")));
        let undo = UndoState {
            accepted: true,
            attempts: 2,
            attempts_before: 1,
            ended_at: at,
            error: error(),
            input: digest,
            output_seq: Some(9),
            ready_at: at,
            started_at: at,
            status: UndoStatus::Completed,
            wake_at: at,
        };
        is_sorted(&undo);
        is_sorted(&conditions());
        is_sorted(&StepState {
            accepted: true,
            attempts_before: 1,
            attempts: 3,
            child: Some(TransactionId::from_bytes([9; 16])),
            clones: Some(2),
            decision: Some(DecisionId::draw(at.unwrap(), &mut entropy)),
            driver: 2,
            intent_seq: Some(7),
            ended_at: at,
            ended_n: Some(4),
            error: error(),
            input: digest,
            items_seq: Some(7),
            origin: Some(Box::new(Origin {
                key: "k/reserve".to_owned(),
                set: [("v".to_owned(), json!({ "\u{ffff}": 1e-7, "\u{10000}": 1 }))].into(),
                transaction: TransactionId::from_bytes([9; 16]),
            })),
            output_seq: Some(8),
            ready_at: at,
            requests: Vec::new(),
            rounds: 4,
            rounds_before: 2,
            started_at: at,
            status: StepStatus::Completed,
            taint: taint(),
            undo,
            conditions: Some(Arc::new(conditions())),
            unknown: true,
            wake_at: at,
        });
    }

    fn conditions() -> Conditions {
        let charge = |of, cost: Option<&str>| Charge {
            account: AccountId { holder: "\u{10000}".to_owned(), of },
            amount: 12,
            cost: cost.map(str::to_owned),
            opened: Some(3),
            since: AT.unwrap(),
            until: AT,
        };
        let (budget, rate) = (AccountOf::Budget("b".parse().unwrap()), AccountOf::Rate("p/1h".to_owned()));
        let charges = vec![charge(budget, Some("output.n")), charge(rate, None)];
        let limits = json!({ "cpu": 500, "network": ["a"], "timeout": "30s" }).as_object().unwrap().clone();
        let mask = Arc::new(["\u{10000}", "\u{ffff}"].map(str::to_owned).into());
        Conditions { charges, limits: Arc::new(limits), mask }
    }

    fn faults() -> Vec<Fault> {
        let kinds = [
            FaultKind::Error { error: error().unwrap(), unknown: true },
            FaultKind::LoseAnswer,
            FaultKind::Repeat,
            FaultKind::Delay { us: 5_000_000 },
        ];
        let fault = |fault| Fault { attempts: Some(vec![1, 2]), fault, phase: Phase::Undo, step: "a[1]".to_owned() };
        kinds.map(fault).into()
    }

    fn taint() -> Classes {
        ["personal", "health"].map(|class| class.parse().unwrap()).into()
    }

    fn beginning(id: TransactionId) -> Beginning {
        Beginning {
            bundle: Digest::of(b"b"),
            business_key: Some("order-1".to_owned()),
            definition: "order".parse().unwrap(),
            digest: Digest::of(b"c"),
            faults: faults(),
            fork: Some(Fork {
                inherits: 2,
                justification: "the carrier is back".to_owned(),
                source: TransactionId::from_bytes([6; 16]),
                step: "ship".parse().unwrap(),
            }),
            headers: Headers::new([("X-User".to_owned(), "ada".to_owned())]).unwrap(),
            id,
            idempotency_key: Some("k".to_owned()),
            labels: [("b", "1"), ("a", "2")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            parent: Some(Parent {
                depth: 2,
                id: TransactionId::from_bytes([8; 16]),
                key: "k/ship".to_owned(),
                node: StepIndex(1).into(),
                step: "ship".parse().unwrap(),
            }),
            principal: PrincipalId::SYSTEM,
            settings: Some(3),
            start_at: AT,
            taint: taint(),
            traceparent: Some("00-a-b-01".to_owned()),
            version: 2,
            version_asked: Some(2),
        }
    }

    /// What has every part that there is.
    #[test]
    fn what_is_written_of_a_transaction_at_each_commit_is_canonical_as_it_is() {
        let at = AT;
        let beginning = beginning(TransactionId::from_bytes([7; 16]));
        is_sorted(&beginning);
        is_sorted(&Head {
            held: true,
            timed_out: true,
            begins_at: at,
            paused_at: at,
            signal_marks: vec![KeptSignal::mark("a")],
            signals: vec![KeptSignal { name: "approved".parse().unwrap(), seq: 7 }],
            beginning: Arc::new(beginning),
            status: Status::Parked,
            confirming_at: at,
            decision: DecisionId::from_bytes([9; 16]),
            cause: Some(Cause { kind: CauseKind::StepFailed, step: Some(StepIndex(1).into()) }),
            error: error(),
            room_since: vec![(0, at.unwrap()), (10, at.unwrap())],
            entries: 12,
            started_at: at.unwrap(),
            ended_at: at,
            input_seq: 1,
            open: Some(OpenHead { driver: 2, heard_at: at.unwrap() }),
            output_seq: Some(2),
            parked_at: Some(StepIndex(1).into()),
            written: 3,
        });
    }
}
