//! One run of a definition: commands and answers in, events out.
//!
//! Every event is applied as it is emitted, by the same transition table that a replay uses, so that the live state
//! and the replayed one can't differ. What follows from an event at once (a skip, the end) is emitted by
//! [`Transaction::advance`] in the same call; what follows without being an event (a step becoming ready) is part of
//! applying.

mod active;
mod apply;
mod backward;
mod child;
mod command;
mod faults;
mod fork;
mod inline;
mod load;
mod nodes;
mod offer;
mod open;
mod poll;
mod request;
mod room;
mod taint;
mod wait;

pub use apply::IllegalEvent;
pub use child::ChildEnd;
pub use command::{Answer, Outgoing, Refusal};
pub use load::{LoadError, Parts};
pub use offer::{Authorization, Call, Offer};
pub use open::{Asked, OpenRefusal};
pub use request::RequestAt;
pub use room::{Look, queue_ends};

use crate::conditions::Charge;
use crate::definition::{Definition, DefinitionKind, Step};
use crate::event::{Beginning, Cause, Event, Signal, StepError};
use crate::node::NodeRef;
use crate::open::OpenHead;
use crate::settings::Settings;
use crate::state::{Head, StepState, left_undone};
use crate::status::{Phase, ShownStatus, Status, StepStatus, UndoStatus};
use crate::tcc::TccState;
use active::{Active, Class};
use chancery_base::{DecisionId, Document, Timestamp, TransactionId};
use nodes::Nodes;
use open::Open;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A transaction.
#[derive(Debug, Clone)]
pub struct Transaction {
    definition: Arc<Definition>,
    head: Head,
    nodes: Nodes,
    given: Given,
    /// Derived from the nodes of an open transaction.
    open: Option<Box<Open>>,
    /// What the signals say that the head keeps, in their order.
    kept: Vec<Arc<Document>>,
    /// Derived from the nodes.
    active: Active,
    /// Nodes that were touched and that `active` does not know.
    displaced: Vec<NodeRef>,
    /// Steps that became ready since [`Transaction::advance`] looked: their `when` is to be asked. And those that fanned
    /// out, whose clones are over and whose variables can't be set.
    fresh: Vec<NodeRef>,
    /// Nodes whose rows are to be written.
    touched: BTreeSet<NodeRef>,
    /// No wait for a worker is over before then. It is of this stay in memory, and no part of the state.
    held_until: Option<Timestamp>,
}

/// What a transaction is given when it begins, and keeps, beside what its [`Beginning`] says.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its input.
    pub input: Arc<Document>,
    /// The settings of the version that its beginning names.
    pub settings: Arc<Settings>,
}

impl Given {
    /// An input, where the tenant has no settings.
    #[must_use]
    pub fn of_input(input: Arc<Document>) -> Self {
        Self { input, settings: Settings::none() }
    }
}

/// Where events go: the time, the number of the next entry, and the list.
#[derive(Debug)]
pub struct Cx<'a> {
    /// The time of everything in this call.
    pub now: Timestamp,
    /// The sequence number that the next entry gets.
    pub seq: u64,
    /// The events so far.
    pub out: &'a mut Vec<Staged>,
}

/// An event with its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// What happened.
    pub event: Event,
    /// The number of its entry in the log.
    pub seq: u64,
    /// The number of its entry in the transaction, from 0.
    pub n: u64,
}

/// A step or compensation that can be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready {
    /// Since when it waits.
    pub since: Timestamp,
    /// Which step.
    pub node: NodeRef,
    /// The step or its compensation.
    pub phase: Phase,
}

/// How a transaction stands, for those who wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Which.
    pub id: TransactionId,
    /// What it is doing, as callers see it.
    pub status: ShownStatus,
    /// Why it does not complete.
    pub cause: Option<Cause>,
    /// The error that belongs to the cause.
    pub error: Option<StepError>,
    /// Its output, where it completed.
    pub output: Option<Arc<Document>>,
    /// The step that waits for a person, or whose compensation does.
    pub parked_at: Option<NodeRef>,
    /// Steps that took effect, or may have, and are not undone.
    pub left_undone: Vec<NodeRef>,
    /// Where it stands as a TCC.
    pub state: Option<TccState>,
}

impl Transaction {
    /// The state right after [`Event::Started`] at `now`, whose entry is number `seq` of the log, where `decision`
    /// permits it.
    #[must_use]
    pub fn begin(
        definition: Arc<Definition>,
        beginning: Arc<Beginning>,
        given: Given,
        decision: DecisionId,
        now: Timestamp,
        seq: u64,
    ) -> Self {
        debug_assert_eq!(beginning.settings, given.settings.version(), "it sees the settings that it began with");
        let nodes = Nodes::of_definition(&definition);
        let is_open = definition.kind == DefinitionKind::Open;
        let begins_at = beginning.start_at.filter(|at| *at > now);
        let head = Head {
            beginning,
            status: Status::Running,
            cause: None,
            confirming_at: None,
            decision,
            error: None,
            entries: 1,
            held: false,
            timed_out: false,
            begins_at,
            paused_at: None,
            signal_marks: Vec::new(),
            signals: Vec::new(),
            started_at: now,
            ended_at: None,
            input_seq: seq,
            open: is_open.then_some(OpenHead { driver: 1, heard_at: now }),
            output_seq: None,
            parked_at: None,
            room_since: Vec::new(),
            written: 0,
        };
        let mut transaction = Self {
            definition,
            head,
            touched: nodes.iter().map(|node| node.at).collect(),
            nodes,
            given,
            open: is_open.then(Box::default),
            kept: Vec::new(),
            active: Active::default(),
            displaced: Vec::new(),
            fresh: Vec::new(),
            held_until: None,
        };
        if begins_at.is_none() && !transaction.is_inheriting() {
            transaction.ready_all(now);
        }
        transaction.place_all();
        transaction
    }

    /// Emits [`Event::Started`] for what [`Transaction::begin`] made at the same time and number, and what follows.
    ///
    /// # Errors
    /// Only for a defect.
    pub fn start(&mut self, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        self.start_with(None, cx)
    }

    /// The same, with a signal that it begins with.
    ///
    /// # Errors
    /// If no step of the definition waits for such a signal; otherwise only for a defect.
    pub fn start_with(&mut self, signal: Option<Signal>, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        signal.as_ref().map_or(Ok(()), |signal| self.takes(signal))?;
        self.emit_started(cx);
        if let Some(signal) = signal {
            self.emit(Event::SignalReceived { signal }, cx)?;
        }
        self.advance(cx)
    }

    fn emit_started(&mut self, cx: &mut Cx<'_>) {
        let (beginning, input) = (Arc::clone(&self.head.beginning), Arc::clone(&self.given.input));
        self.head.input_seq = cx.seq;
        let event = Event::Started { beginning, input, decision: self.head.decision };
        cx.out.push(Staged { event, seq: cx.seq, n: 0 });
        cx.seq += 1;
    }

    /// What it runs.
    #[must_use]
    pub const fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// Its head.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// What it was given when it began.
    #[must_use]
    pub const fn given(&self) -> &Given {
        &self.given
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        self.head.beginning.id
    }

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.head.status
    }

    /// What it is doing, as its row and callers see it.
    #[must_use]
    pub fn shown(&self) -> ShownStatus {
        let status = self.head.status;
        let waits = self.head.begins_at.is_some() || self.active.any(&[Class::Waiting, Class::Signal]);
        match status {
            Status::Running | Status::Confirming | Status::Compensating if self.head.paused_at.is_some() => {
                ShownStatus::Paused
            }
            // A retry whose time has come waits for a worker without an entry that says so.
            Status::Running
                if waits
                    && !self.active.any(&[Class::Ready, Class::Inline, Class::Backoff, Class::Out, Class::Child]) =>
            {
                ShownStatus::Waiting
            }
            Status::Running
            | Status::Confirming
            | Status::Compensating
            | Status::Parked
            | Status::Completed
            | Status::Compensated
            | Status::Failed
            | Status::Cancelled
            | Status::Terminated => status.into(),
        }
    }

    /// Its nodes: the steps in the definition's order, then what was added.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeRef, &StepState)> {
        self.nodes.iter().map(|node| (node.at, &node.state))
    }

    /// How many clones its steps have.
    #[must_use]
    pub fn clone_count(&self) -> usize {
        self.nodes.clone_count()
    }

    /// Where a node stands.
    #[must_use]
    pub fn state(&self, node: NodeRef) -> Option<&StepState> {
        self.nodes.get(node).map(|node| &node.state)
    }

    /// What a node is of, as it is defined.
    #[must_use]
    pub fn step_of(&self, node: NodeRef) -> Option<&Step> {
        self.definition.step(node.step).or_else(|| self.declared_step(node))
    }

    /// The attempts that are out.
    pub fn out(&self) -> impl Iterator<Item = (NodeRef, Phase)> {
        let forward = self.active.all(Class::Out).map(|(_, node)| (node, Phase::Do));
        forward.chain(self.active.all(Class::UndoOut).map(|(_, node)| (node, self.closing(node))))
    }

    /// The attempt that is out, and its deadline.
    #[must_use]
    pub fn dispatched(&self, node: NodeRef, phase: Phase) -> Option<(u32, Timestamp)> {
        let state = self.state(node)?;
        let (is_out, attempt, deadline) = match phase {
            Phase::Do => (state.status == StepStatus::Dispatched, state.attempts, state.wake_at),
            Phase::Undo | Phase::Confirm => {
                let is_out = state.undo.status == UndoStatus::Dispatched && self.head.closing(state) == phase;
                (is_out, state.undo.attempts, state.undo.wake_at)
            }
        };
        if is_out { Some((attempt, deadline?)) } else { None }
    }

    /// Whether an attempt is out with a worker, which has to show that it lives: not with a target that reports later.
    #[must_use]
    pub fn is_leased(&self, node: NodeRef, phase: Phase) -> bool {
        let is_accepted = self.state(node).is_some_and(|state| match phase {
            Phase::Do => state.accepted,
            Phase::Undo | Phase::Confirm => state.undo.accepted,
        });
        !is_accepted && self.dispatched(node, phase).is_some()
    }

    /// Whether the answer of an attempt that is out is still wanted: not where the transaction goes backward.
    #[must_use]
    pub const fn wants(&self, phase: Phase) -> bool {
        match phase {
            Phase::Do => matches!(self.head.status, Status::Running),
            Phase::Undo | Phase::Confirm => !self.head.status.is_ended(),
        }
    }

    /// Takes the list of nodes whose rows have changed since the last call.
    pub fn take_touched(&mut self) -> BTreeSet<NodeRef> {
        std::mem::take(&mut self.touched)
    }

    /// How many nodes' rows have changed since they were taken.
    #[must_use]
    pub fn touched_count(&self) -> usize {
        self.touched.len()
    }

    /// When it next needs a look though nothing arrives: a deadline, a retry, a wait for a worker that lasts too long.
    /// A function of the state alone, so that the row that keeps it can be computed from the entries.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake_after(None, self.next_queue_end())
    }

    /// When it next needs a look after `past`, where nothing is overdue then. `queue_end` is when the first that is next
    /// has waited for a worker too long.
    fn wake_after(&self, past: Option<Timestamp>, queue_end: Option<Timestamp>) -> Option<Timestamp> {
        if self.head.status.is_settled() {
            return None;
        }
        let moves = self.moves();
        let waits: &[Class] = if moves { &[Class::Backoff, Class::UndoBackoff] } else { &[] };
        let classes = waits.iter().chain(&[Class::Out, Class::UndoOut]);
        let of_nodes = classes.filter_map(|class| self.active.next(*class, past));
        let of_others = self.loses_driver_at().into_iter().chain(queue_end);
        let held = self.held_until.filter(|_| past.is_some());
        let of_others = of_others.map(|at| held.map_or(at, |held| at.max(held)));
        let own = self.times_out_at().into_iter().chain(of_others);
        let of_all = own.filter(|at| past.is_none_or(|past| *at > past));
        // What waits for nobody but for its time is not over because its time has come: it has yet to be looked at.
        let fires = if moves { self.fires_at() } else { None };
        of_nodes.chain(of_all).chain(fires).min()
    }

    /// When its own time runs out.
    pub(crate) fn times_out_at(&self) -> Option<Timestamp> {
        let may = matches!(self.head.status, Status::Running | Status::Confirming) && !self.head.timed_out;
        let from = self.head.started_at.max(self.head.beginning.start_at.unwrap_or(Timestamp::EPOCH));
        self.definition.timeout.filter(|_| may).map(|timeout| from.plus(timeout))
    }

    /// How it stands.
    #[must_use]
    pub fn summary(&self, output: Option<Arc<Document>>) -> Summary {
        Summary {
            id: self.id(),
            status: self.shown(),
            cause: self.head.cause.clone(),
            error: self.head.error.clone(),
            output,
            parked_at: self.head.parked_at,
            left_undone: left_undone(&self.definition, &self.head, self.nodes()),
            state: (self.definition.kind == DefinitionKind::Tcc)
                .then(|| TccState::of(&self.head, self.nodes().map(|(_, state)| state))),
        }
    }

    /// Takes what was counted for an attempt, once it is out no more.
    pub fn take_charges(&mut self, node: NodeRef) -> Vec<Charge> {
        if self.state(node).is_none_or(|state| state.charges().is_empty()) {
            return Vec::new();
        }
        // Its row is to be written; where the step stands does not rest on it.
        self.touched.insert(node);
        self.nodes.node_mut(node).state.take_charges()
    }

    /// Forgets what only a live run needs: in replay, what follows from an event is in the log itself.
    pub fn settle_replay(&mut self) {
        self.fresh.clear();
        self.touched.clear();
    }

    /// How what took effect, or may have, at a node is closed.
    fn closing(&self, node: NodeRef) -> Phase {
        self.state(node).map_or(Phase::Undo, |state| self.head.closing(state))
    }

    /// Emits what follows at once: skips, waits that begin, signals that are taken, the decision to confirm, the end, or
    /// that it waits for a person.
    pub(crate) fn advance(&mut self, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        while self.head.status == Status::Running {
            if let Some(node) = self.fresh.pop() {
                self.ask_when(node, cx)?;
                self.begin_to_wait(node, cx)?;
                self.fail_unset(node, cx)?;
            } else if let Some((node, signal)) = self.next_delivery() {
                self.deliver(node, signal, cx)?;
            } else {
                break;
            }
        }
        self.fresh.clear();
        self.withdraw(cx)?;
        let is_over = self.active.is_finished() && !self.head.held && !self.is_driven();
        if self.head.status == Status::Running && is_over {
            match self.definition.kind {
                DefinitionKind::Saga | DefinitionKind::Open => self.complete(cx)?,
                // From the decision on it can't be cancelled: what is paused does not take it.
                DefinitionKind::Tcc if self.moves() => self.decide(cx)?,
                DefinitionKind::Tcc => {}
            }
        }
        if self.is_confirmed() && !self.head.held {
            self.complete(cx)?;
        }
        if let Some(status) = self.ending() {
            return Ok(self.emit(Event::Ended { status, output: None, justification: None }, cx)?);
        }
        if let Some(node) = self.parking() {
            self.emit(Event::Parked { node }, cx)?;
        }
        Ok(())
    }

    pub(crate) fn emit(&mut self, event: Event, cx: &mut Cx<'_>) -> Result<(), IllegalEvent> {
        let n = self.head.entries;
        self.apply(&event, cx.now, cx.seq)?;
        cx.out.push(Staged { event, seq: cx.seq, n });
        cx.seq += 1;
        Ok(())
    }
}
