//! Open transactions: what their drivers ask, and what comes of it.
//!
//! A driver names its number with each call: of those that there were only the last is heard. A step that it asks for
//! becomes a node with the permit of its first attempt, in one entry; a step that is denied leaves nothing but the
//! denial. Whatever fails of a step is for the driver to see to: it stops nothing by itself.

use super::apply::IllegalEvent;
use super::command::Outgoing;
use super::nodes::Node;
use super::{Cx, Refusal, Transaction};
use crate::conditions::Charge;
use crate::definition::{OpenFrame, Step, StepIndex};
use crate::event::{Event, Permitted, StepError};
use crate::node::NodeRef;
use crate::open::{Intent, OpenHead};
use crate::request::{Demand, Opener, RequestState};
use crate::state::StepState;
use crate::status::{CauseKind, Status, StepStatus};
use chancery_base::limits::{OPEN_BYTES_MAX, REQUESTS_A_STEP_MAX};
use chancery_base::{DecisionId, Document, Name, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// Steps that a refusal names.
const NAMED_MAX: usize = 10;

/// What a step is by its driver's word.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) intent: Arc<Intent>,
    step: Step,
}

/// What is derived from the nodes of an open transaction, so that a call costs the same however many there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Open {
    ids: HashMap<String, NodeRef>,
    /// What the payloads of all steps have together.
    bytes: usize,
}

/// What a step that was asked for comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It was done: this came of it.
    Completed(Arc<Document>),
    /// Its driver asks again: the attempt that is out is what it has.
    Out(NodeRef),
    /// People are asked, and have yet to answer.
    Waits(NodeRef),
    /// People were asked, and did not say yes: it is not done under this id.
    Refused(NodeRef),
    /// An attempt may begin, if policy permits it: of a node that there is, or of a new one.
    Attempt(NodeRef),
}

/// Why a driver's call was not done. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenRefusal {
    /// It is a saga.
    #[error("can't {0} a transaction that is not open: its steps are its definition's")]
    NotOpen(&'static str),
    /// Somebody else drives it.
    #[error("driver {asked} was superseded: driver {driver} drives the transaction")]
    Superseded {
        /// Who asks.
        asked: u32,
        /// Who drives it.
        driver: u32,
    },
    /// It is paused: nothing begins, and it does not end.
    #[error("can't {0} a transaction that is paused")]
    Paused(&'static str),
    /// The step is recorded with another input.
    #[error("step `{0}` is recorded with another {1}")]
    Differs(Name, &'static str),
    /// The definition does not allow it.
    #[error("the definition does not allow {0}")]
    Frame(String),
    /// As many entries, or payloads of so many bytes, as a transaction may have.
    #[error("the transaction has {0} as one may have: commit or abort it")]
    Full(&'static str),
    /// It can't be committed yet.
    #[error("can't commit: {0}")]
    Unfinished(String),
    /// It has asked people too often.
    #[error("step `{0}` has asked people {REQUESTS_A_STEP_MAX} times, as often as one may")]
    AskedTooOften(Name),
}

impl Transaction {
    /// Looks at what the present driver asks for. Where it takes up what is recorded, that is an entry.
    ///
    /// # Errors
    /// If it is not the driver, or the definition does not allow it.
    pub fn ask_step(
        &mut self,
        driver: u32,
        intent: &Intent,
        input: &Document,
        cx: &mut Cx<'_>,
    ) -> Result<Asked, Refusal> {
        self.expect_driver("add a step to", driver)?;
        let known = self.find(intent.step.as_str());
        let Some((node, declared, state)) =
            known.and_then(|node| Some((node, self.declared(node)?, self.state(node)?)))
        else {
            self.expect_moving("add a step to")?;
            self.may_declare(intent, input)?;
            return Ok(Asked::Attempt(self.next_node()));
        };
        if !declared.intent.is_same(intent) {
            return Err(OpenRefusal::Differs(intent.step.clone(), "action or resource").into());
        }
        if state.input != Some(input.digest()) {
            return Err(OpenRefusal::Differs(intent.step.clone(), "input").into());
        }
        let (is_claimed, is_refused) = (state.driver == driver, state.is_refused());
        let (status, waits) = (state.status, state.open_request().is_some());
        if let Some(output) = self.nodes.output(node).cloned() {
            self.claim(node, driver, cx)?;
            return Ok(Asked::Completed(output));
        }
        if waits {
            return Ok(Asked::Waits(node));
        }
        if is_refused {
            self.claim(node, driver, cx)?;
            return Ok(Asked::Refused(node));
        }
        if is_claimed && status == StepStatus::Dispatched {
            return Ok(Asked::Out(node));
        }
        self.expect_moving("try a step again of")?;
        self.expect_room()?;
        Ok(Asked::Attempt(node))
    }

    /// Takes up what is recorded, for a driver that had not.
    fn claim(&mut self, node: NodeRef, driver: u32, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if self.state(node).is_some_and(|state| state.driver != driver) {
            self.expect_room()?;
            self.emit(Event::Claimed { node, driver }, cx)?;
        }
        Ok(())
    }

    /// Records that policy permits the attempt that was asked for, and with the first one what is declared of the step.
    ///
    /// # Errors
    /// If the attempt may not begin.
    pub fn permit(
        &mut self,
        node: NodeRef,
        intent: &Arc<Intent>,
        outgoing: Outgoing,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let Outgoing { decision, input, deadline, conditions } = outgoing;
        let permitted = Permitted {
            node,
            attempt: self.state(node).map_or(0, |state| state.attempts) + 1,
            decision,
            input,
            deadline,
            driver: self.driver().unwrap_or_default(),
            intent: self.state(node).is_none().then(|| Arc::clone(intent)),
            conditions,
            returned: self.left(node).to_vec(),
        };
        Ok(self.emit(Event::Permitted(Box::new(permitted)), cx)?)
    }

    /// Asks people before the attempt that was asked for: its driver asks again once they have answered. Meanwhile the
    /// driver need not be heard.
    ///
    /// # Errors
    /// If the attempt may not begin, or the step has asked as often as one may.
    pub fn ask_for_step(
        &mut self,
        node: NodeRef,
        intent: &Arc<Intent>,
        demand: &Demand,
        input: Arc<Document>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        if self.state(node).is_some_and(|state| state.requests.len() >= REQUESTS_A_STEP_MAX) {
            return Err(OpenRefusal::AskedTooOften(intent.step.clone()).into());
        }
        let opener = Opener {
            driver: self.driver().unwrap_or_default(),
            intent: self.state(node).is_none().then(|| Arc::clone(intent)),
            returned: self.left(node).to_vec(),
        };
        let terms = self.terms_of(demand, intent.step.as_str(), cx.now);
        self.open_request(node, (terms, input), Some(Box::new(opener)), cx)
    }

    /// What was counted for an attempt that is out, which the next one takes the place of.
    #[must_use]
    pub fn left(&self, node: NodeRef) -> &[Charge] {
        let left = self.state(node).filter(|state| state.status == StepStatus::Dispatched);
        left.map_or(&[], StepState::charges)
    }

    /// Records that policy denies a step.
    ///
    /// # Errors
    /// If it is not open.
    pub fn deny_step(
        &mut self,
        intent: Arc<Intent>,
        input: Arc<Document>,
        decision: DecisionId,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let driver = self.driver().unwrap_or_default();
        Ok(self.emit(Event::StepDenied { intent, input, decision, driver }, cx)?)
    }

    /// Ends it as completed with this output. Asked again it has been.
    ///
    /// # Errors
    /// If a step is out, unknown or not asked for by this driver.
    pub fn commit(&mut self, driver: u32, output: Arc<Document>, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if self.head.status == Status::Completed && self.driver() == Some(driver) {
            return Ok(());
        }
        self.expect_driver("commit", driver)?;
        self.expect_moving("commit")?;
        if let Some(left) = self.unfinished() {
            return Err(OpenRefusal::Unfinished(left).into());
        }
        Ok(self.emit(Event::Ended { status: Status::Completed, output: Some(output), justification: None }, cx)?)
    }

    /// Undoes what was done once nothing is out any more. Asked again it is being done.
    ///
    /// # Errors
    /// If it is not the driver, or it does not go forward.
    pub fn abort(&mut self, driver: u32, reason: String, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let is_cancelled = self.head.cause.as_ref().is_some_and(|cause| cause.kind == CauseKind::Cancelled);
        if is_cancelled && self.driver() == Some(driver) {
            return Ok(());
        }
        self.expect_driver("abort", driver)?;
        self.cancel(reason, cx)
    }

    /// Another driver takes over: gives its number.
    ///
    /// # Errors
    /// If it does not go forward.
    pub fn resume(&mut self, cx: &mut Cx<'_>) -> Result<u32, Refusal> {
        let driver = self.expect_open("resume")? + 1;
        self.expect_room()?;
        self.emit(Event::DriverResumed { driver }, cx)?;
        Ok(driver)
    }

    /// Records that the driver lives.
    ///
    /// # Errors
    /// If it is not the driver.
    pub fn heartbeat(&mut self, driver: u32, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        self.expect_driver("heartbeat", driver)?;
        self.expect_room()?;
        Ok(self.emit(Event::DriverHeard { driver }, cx)?)
    }

    /// When it aborts unless its driver is heard before; not before it goes on where it is paused or waits for people.
    #[must_use]
    pub fn lost_at(&self) -> Option<Timestamp> {
        let open = self.head.open.filter(|_| self.head.status == Status::Running)?;
        Some(open.heard_at.plus(self.definition.frame.as_ref()?.grace))
    }

    /// When its driver is lost. While it is paused, or people are asked, there is nothing that its driver could say.
    pub(super) fn loses_driver_at(&self) -> Option<Timestamp> {
        self.lost_at().filter(|_| self.moves() && !self.is_asking())
    }

    /// What drives it, where it is open.
    #[must_use]
    pub fn driver(&self) -> Option<u32> {
        self.head.open.map(|open| open.driver)
    }

    /// Whether attempts are its driver's, so that no lease is on them.
    #[must_use]
    pub const fn is_driven(&self) -> bool {
        self.head.open.is_some()
    }

    /// The node of the step with this id, or of its clone: `ship[3]`.
    #[must_use]
    pub fn find(&self, named: &str) -> Option<NodeRef> {
        match &self.open {
            Some(open) => open.ids.get(named).copied(),
            None => self.definition.find_node(named).filter(|node| self.state(*node).is_some()),
        }
    }

    /// What its driver declared of a node.
    #[must_use]
    pub fn intent(&self, node: NodeRef) -> Option<&Arc<Intent>> {
        self.declared(node).map(|declared| &declared.intent)
    }

    pub(super) fn declared(&self, node: NodeRef) -> Option<&Declared> {
        self.nodes.get(node)?.declared.as_deref()
    }

    pub(super) fn declared_step(&self, node: NodeRef) -> Option<&Step> {
        self.declared(node).map(|declared| &declared.step)
    }

    fn next_node(&self) -> NodeRef {
        StepIndex::at(self.nodes.iter().len()).into()
    }

    /// Whether a step may be added.
    fn may_declare(&self, intent: &Intent, input: &Document) -> Result<(), Refusal> {
        self.expect_room()?;
        let Some(frame) = &self.definition.frame else { return Err(OpenRefusal::NotOpen("add a step to").into()) };
        let is_allowed = |actions: &Vec<Name>| actions.contains(&intent.action);
        if !frame.actions.as_ref().is_none_or(is_allowed) {
            return Err(OpenRefusal::Frame(format!("the action `{}`", intent.action)).into());
        }
        let steps = self.nodes.iter().len();
        if u32::try_from(steps).is_ok_and(|steps| steps >= frame.steps_max) {
            return Err(OpenRefusal::Frame(format!("more than {} steps", frame.steps_max)).into());
        }
        let bytes = self.open.as_ref().map_or(0, |open| open.bytes) + intent_bytes(intent, input);
        if bytes > OPEN_BYTES_MAX {
            return Err(OpenRefusal::Full("payloads of as many bytes").into());
        }
        Ok(())
    }

    fn expect_room(&self) -> Result<(), Refusal> {
        if self.is_full() { Err(OpenRefusal::Full("as many entries").into()) } else { Ok(()) }
    }

    fn expect_moving(&self, operation: &'static str) -> Result<(), Refusal> {
        if self.moves() { Ok(()) } else { Err(OpenRefusal::Paused(operation).into()) }
    }

    fn expect_open(&self, operation: &'static str) -> Result<u32, Refusal> {
        let driver = self.driver().ok_or(OpenRefusal::NotOpen(operation))?;
        let status = self.head.status;
        if status == Status::Running { Ok(driver) } else { Err(Refusal::Status { operation, status }) }
    }

    fn expect_driver(&self, operation: &'static str, asked: u32) -> Result<(), Refusal> {
        let driver = self.driver().ok_or(OpenRefusal::NotOpen(operation))?;
        // Whoever was superseded is told so, however the transaction stands.
        if asked != driver {
            return Err(OpenRefusal::Superseded { asked, driver }.into());
        }
        self.expect_open(operation).map(|_| ())
    }

    /// What is in the way of a commit, in words.
    fn unfinished(&self) -> Option<String> {
        let driver = self.driver()?;
        let named = |what: &str, holds: &dyn Fn(&StepState) -> bool| {
            let mut found = self.nodes().filter(|(_, state)| holds(state)).map(|(node, _)| node);
            let names: Vec<String> = found.by_ref().take(NAMED_MAX).map(|node| self.name_of(node)).collect();
            let more = found.count();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            (!names.is_empty()).then(|| format!("{what}: `{}`{more}", names.join("`, `")))
        };
        named("a step is out", &|state| state.status == StepStatus::Dispatched)
            .or_else(|| named("a step waits for people", &|state| state.status == StepStatus::Waiting))
            .or_else(|| named("whether a step took effect is unknown", &|state| state.status == StepStatus::Unknown))
            .or_else(|| {
                named("a step is recorded and this driver has not asked for it", &|state| state.driver != driver)
            })
    }

    /// What a driver does, and that it does nothing any more.
    pub(super) fn apply_driven(&mut self, event: &Event, now: Timestamp, seq: u64) -> Result<(), IllegalEvent> {
        match event {
            Event::Permitted(permitted) => self.apply_permitted(permitted, event, now, seq),
            Event::StepDenied { driver, .. } | Event::DriverHeard { driver } => {
                self.expect_driving(*driver, event)?;
                self.hear(now);
                Ok(())
            }
            Event::Claimed { node, driver } => {
                self.expect_driving(*driver, event)?;
                let is_over = |state: &StepState| state.status == StepStatus::Completed || state.is_refused();
                let is_new = |state: &StepState| is_over(state) && state.driver != *driver;
                self.expect(*node, event, is_new)?;
                self.touch(*node).driver = *driver;
                self.hear(now);
                Ok(())
            }
            Event::DriverResumed { driver } => {
                let before = self.driver().filter(|_| self.head.status == Status::Running);
                self.expect_that(before.is_some_and(|before| before + 1 == *driver), event)?;
                self.head.open = Some(OpenHead { driver: *driver, heard_at: now });
                Ok(())
            }
            Event::DriverLost => {
                self.expect_that(self.loses_driver_at().is_some_and(|at| at <= now), event)?;
                let error = StepError::new(StepError::DRIVER_LOST, "the driver was not heard in time");
                self.turn(CauseKind::DriverLost, None, Some(error), now, self.head.entries);
                Ok(())
            }
            Event::Started { .. }
            | Event::Dispatched { .. }
            | Event::Accepted { .. }
            | Event::Completed { .. }
            | Event::CarriedOut(_)
            | Event::Requested(_)
            | Event::ChildStarted(_)
            | Event::ChildRecalled { .. }
            | Event::Recalled
            | Event::Inherited(_)
            | Event::Resolved { .. }
            | Event::AttemptFailed { .. }
            | Event::Denied { .. }
            | Event::Expanded { .. }
            | Event::Skipped { .. }
            | Event::TimerStarted { .. }
            | Event::Polled { .. }
            | Event::TimerFired { .. }
            | Event::SignalAwaited { .. }
            | Event::SignalReceived { .. }
            | Event::SignalTaken { .. }
            | Event::Paused { .. }
            | Event::Unpaused { .. }
            | Event::OutputFailed { .. }
            | Event::CancelRequested { .. }
            | Event::TimedOut
            | Event::Confirming
            | Event::Parked { .. }
            | Event::Resumed { .. }
            | Event::Ended { .. } => Err(self.illegal(event)),
        }
    }

    fn apply_permitted(
        &mut self,
        permitted: &Permitted,
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        let Permitted { node, attempt, decision, input, deadline, driver, intent, conditions, returned } = permitted;
        self.expect_that(self.state(*node).map_or(0, |state| state.attempts) + 1 == *attempt, event)?;
        self.begin_attempt((*node, *driver), intent.as_ref(), (input, returned), event, now, seq)?;
        let state = self.touch(*node);
        state.status = StepStatus::Dispatched;
        state.attempts = *attempt;
        state.wake_at = Some(*deadline);
        state.started_at.get_or_insert(now);
        state.decision = Some(*decision);
        state.conditions.clone_from(conditions);
        Ok(())
    }

    /// People are asked before an attempt of a driver's step: it waits.
    pub(super) fn apply_asked(
        &mut self,
        (node, request): (NodeRef, RequestState),
        (opener, input): (&Opener, &Document),
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        let Opener { driver, intent, returned } = opener;
        let asked = self.state(node).map_or(0, |state| state.requests.len());
        self.expect_that(asked < REQUESTS_A_STEP_MAX, event)?;
        self.begin_attempt((node, *driver), intent.as_ref(), (input, returned), event, now, seq)?;
        let state = self.touch(node);
        state.status = StepStatus::Waiting;
        state.wake_at = Some(request.wakes_at());
        state.requests.push(request);
        Ok(())
    }

    /// What the permit of an attempt and the question whether there may be one have in common. What a driver before
    /// this one has out may have taken effect.
    fn begin_attempt(
        &mut self,
        (node, driver): (NodeRef, u32),
        intent: Option<&Arc<Intent>>,
        (input, returned): (&Document, &[Charge]),
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        self.expect_driving(driver, event)?;
        self.expect_that(self.moves() && self.left(node) == returned, event)?;
        match intent {
            Some(intent) => {
                let is_next = node == self.next_node() && self.find(intent.step.as_str()).is_none();
                self.expect_that(is_next, event)?;
                self.declare(node, intent, input, seq, event)?;
            }
            None => self.expect(node, event, |state| {
                let is_over = matches!(state.status, StepStatus::Failed | StepStatus::Unknown | StepStatus::Waiting);
                let is_left = state.status == StepStatus::Dispatched && state.driver != driver;
                let is_asked = state.open_request().is_some() || state.is_refused();
                (is_over || is_left) && !is_asked && state.input == Some(input.digest())
            })?,
        }
        let state = self.touch(node);
        state.driver = driver;
        state.unknown |= state.status == StepStatus::Dispatched;
        (state.ended_at, state.ended_n) = (None, None);
        state.input = Some(input.digest());
        self.hear(now);
        Ok(())
    }

    /// The driver that an attempt is with has said how it ended.
    pub(super) fn hear_of(&mut self, node: NodeRef, now: Timestamp) {
        if !self.is_driven() {
            return;
        }
        let is_driving = self.state(node).is_some_and(|state| self.driver() == Some(state.driver));
        if is_driving {
            self.hear(now);
        }
        let output = self.nodes.output(node).map_or(0, |output| bytes_of(output));
        if let Some(open) = &mut self.open {
            open.bytes += output;
        }
    }

    /// Whether its driver may end it as completed.
    pub(super) fn may_commit(&self) -> bool {
        self.head.status == Status::Running && self.moves() && self.unfinished().is_none()
    }

    fn expect_driving(&self, driver: u32, event: &Event) -> Result<(), IllegalEvent> {
        self.expect_that(self.head.status == Status::Running && self.driver() == Some(driver), event)
    }

    pub(super) fn hear(&mut self, now: Timestamp) {
        if let Some(open) = &mut self.head.open {
            open.heard_at = now;
        }
    }

    fn declare(
        &mut self,
        at: NodeRef,
        intent: &Arc<Intent>,
        input: &Document,
        seq: u64,
        event: &Event,
    ) -> Result<(), IllegalEvent> {
        let Some(frame) = &self.definition.frame else { return Err(self.illegal(event)) };
        let declared = Declared::new(Arc::clone(intent), input, frame);
        let state = StepState { intent_seq: Some(seq), ..StepState::new() };
        let mut node = Node::new(at, state);
        node.declared = Some(Box::new(declared));
        self.nodes.push(node);
        self.displaced.push(at);
        if let Some(open) = &mut self.open {
            open.ids.insert(intent.step.to_string(), at);
            open.bytes += intent_bytes(intent, input);
        }
        Ok(())
    }
}

impl Declared {
    pub(super) fn new(intent: Arc<Intent>, input: &Document, frame: &OpenFrame) -> Self {
        let step = intent.step(input, frame.on_error);
        Self { intent, step }
    }
}

impl Open {
    /// What the nodes amount to, each with what was declared of it.
    pub(super) fn of_nodes<'a>(nodes: impl Iterator<Item = (&'a Node, &'a Document)>) -> Self {
        let mut open = Self::default();
        for (node, input) in nodes {
            let Some(declared) = &node.declared else { continue };
            open.ids.insert(declared.intent.step.to_string(), node.at);
            open.bytes += intent_bytes(&declared.intent, input);
            open.bytes += node.output().map_or(0, bytes_of);
        }
        open
    }
}

fn intent_bytes(intent: &Intent, input: &Document) -> usize {
    let undo = intent.undo.as_ref().and_then(|undo| undo.input.as_deref()).map_or(0, bytes_of);
    bytes_of(input) + undo
}

fn bytes_of(document: &Document) -> usize {
    document.canonical().len()
}
