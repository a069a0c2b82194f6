//! Forks: what one takes over of a transaction that has ended, and how it begins with it.

use super::apply::IllegalEvent;
use super::command::Refusal;
use super::{Cx, Transaction};
use crate::conditions::Conditions;
use crate::definition::{Definition, DefinitionKind, Mode, Run, StepIndex};
use crate::event::Event;
use crate::fork::{ForkRefusal, Inherited, Origin, Stood};
use crate::node::NodeRef;
use crate::state::StepState;
use crate::status::StepStatus;
use chancery_base::limits::{FORK_BYTES_MAX, FORK_NODES_MAX};
use chancery_base::{Document, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The steps that a fork does anew; it takes over the others.
type Anew = BTreeSet<StepIndex>;

impl Transaction {
    /// What a fork from the step that is named so takes over, in the order in which it was done.
    ///
    /// # Errors
    /// If it has not ended, is none that can be forked, or not from there.
    pub fn fork_from(&self, named: &str) -> Result<Vec<Inherited>, ForkRefusal> {
        match self.definition.kind {
            DefinitionKind::Saga => {}
            DefinitionKind::Tcc => return Err(ForkRefusal::Kind("a TCC")),
            DefinitionKind::Open => return Err(ForkRefusal::Kind("an open transaction")),
        }
        if let Some(parent) = self.parent() {
            return Err(ForkRefusal::Child(parent.id));
        }
        if !self.head.status.is_ended() {
            return Err(ForkRefusal::Status(self.head.status));
        }
        let anew = self.anew_from(named)?;
        let kept = |node: &NodeRef| !anew.contains(&node.step);
        let mut nodes: Vec<NodeRef> = self.nodes().map(|(node, _)| node).filter(kept).collect();
        let recalls = |node: &&NodeRef| {
            let has_effect = self.state(**node).is_some_and(StepState::took_effect);
            has_effect && self.step_of(**node).is_some_and(|step| step.recalls_child())
        };
        if let Some(node) = nodes.iter().find(recalls) {
            return Err(ForkRefusal::Recalls(self.name_of(NodeRef::of_step(node.step))));
        }
        if nodes.len() > FORK_NODES_MAX {
            return Err(ForkRefusal::Nodes(nodes.len()));
        }
        nodes.sort_by_cached_key(|node| (self.place_of(*node), *node));
        let inherited: Vec<Inherited> = nodes.into_iter().map(|node| self.leave(node)).collect();
        let bytes = inherited.iter().map(Inherited::bytes).sum();
        if bytes > FORK_BYTES_MAX {
            return Err(ForkRefusal::Bytes(bytes));
        }
        Ok(inherited)
    }

    /// The step that is named, what comes after it, and what did not come to an end that stands.
    fn anew_from(&self, named: &str) -> Result<Anew, ForkRefusal> {
        let mut steps = self.definition.indices().zip(&self.definition.steps);
        let from = steps.find(|(_, step)| step.id.as_str() == named).map(|(index, _)| index);
        let no_step = || ForkRefusal::NoStep(named.chars().take(128).collect());
        let (mut anew, users) = (Anew::new(), users(&self.definition));
        add_after(from.ok_or_else(no_step)?, &self.definition, &users, &mut anew);
        let unended: Vec<StepIndex> =
            self.definition.indices().filter(|step| !anew.contains(step) && !self.stands(*step)).collect();
        anew.extend(&unended);
        for step in unended {
            let mut after = Anew::new();
            add_after(step, &self.definition, &users, &mut after);
            // INVARIANT: what is taken over comes after nothing that is done anew, so that all it was made from is as
            // it was; and what took effect is never done again unless whoever forks says so.
            if let Some(stands) = after.iter().find(|other| !anew.contains(other) && self.has_effect(**other)) {
                let name = |step: StepIndex| self.name_of(NodeRef::of_step(step));
                return Err(ForkRefusal::Stands { stands: name(*stands), anew: name(step) });
            }
            anew.extend(after);
        }
        Ok(anew)
    }

    /// Whether a step is over, and nothing of it was undone, or may have been. What people said does not stand: they were
    /// asked by another transaction.
    fn stands(&self, step: StepIndex) -> bool {
        let asks = self.definition.step(step).is_some_and(|step| step.run.request().is_some());
        if asks && self.nodes_of(step).any(|(_, state)| state.status != StepStatus::Skipped) {
            return false;
        }
        let is_untouched = |(_, state): (_, &StepState)| state.undo.attempts == 0 && !state.undo.is_done();
        self.is_done(step.into()) && self.nodes_of(step).all(is_untouched)
    }

    /// Whether a step took effect on others, or may have.
    fn has_effect(&self, step: StepIndex) -> bool {
        let is_own = |run: &Run| run.is_passive() || matches!(run, Run::Noop);
        let runs = self.definition.step(step).is_some_and(|step| !is_own(&step.run));
        runs && self.nodes_of(step).any(|(_, state)| state.took_effect())
    }

    fn nodes_of(&self, step: StepIndex) -> impl Iterator<Item = (NodeRef, &StepState)> {
        let whole = NodeRef::of_step(step);
        let clones = self.state(whole).and_then(|state| state.clones).unwrap_or(0);
        (0..=clones).filter_map(move |clone| {
            let node = NodeRef { step, clone };
            self.state(node).map(|state| (node, state))
        })
    }

    /// When it was done, among all. A step that fanned out comes before its first clone: there are none before it.
    fn place_of(&self, node: NodeRef) -> Option<u64> {
        if node.clone > 0 {
            return self.state(node)?.ended_n;
        }
        self.nodes_of(node.step).filter_map(|(_, state)| state.ended_n).min()
    }

    /// A node as a fork takes it over.
    fn leave(&self, node: NodeRef) -> Inherited {
        let blank = StepState::new();
        let state = self.state(node).unwrap_or(&blank);
        let items = state.clones.and_then(|_| self.nodes.items(node.step));
        let origin = state.origin.as_deref().cloned().unwrap_or_else(|| Origin {
            key: self.step_key(node),
            set: self.nodes.variables(node.step).filter(|_| node.clone == 0).cloned().unwrap_or_default(),
            transaction: self.id(),
        });
        let stood = Stood {
            attempts: state.attempts,
            decision: state.decision,
            // INVARIANT: what stands has ended.
            ended_at: state.ended_at.unwrap_or(self.head.started_at),
            error: state.error.clone(),
            input: state.input,
            origin,
            ready_at: state.ready_at,
            rounds: state.rounds,
            started_at: state.started_at,
            status: state.status,
            conditions: Conditions::lasting(state.conditions.as_ref()),
            unknown: state.unknown,
        };
        let document = items.or_else(|| self.nodes.output(node)).map(Arc::clone);
        Inherited { node, document, fans_out: items.is_some(), stood }
    }

    /// Emits [`Event::Started`] for what [`Transaction::begin`] made of a fork at the same time and number, what it took
    /// over, and what follows.
    ///
    /// # Errors
    /// If that is not what its beginning says.
    pub fn start_fork(&mut self, inherited: Vec<Inherited>, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        self.emit_started(cx);
        for inherited in inherited {
            self.emit(Event::Inherited(Box::new(inherited)), cx)?;
        }
        self.advance(cx)
    }

    /// Whether a fork has not yet taken over all that its beginning says. It is so within one commit only.
    pub(super) fn is_inheriting(&self) -> bool {
        let inherits = self.head.beginning.fork.as_ref().map_or(0, |fork| u64::from(fork.inherits));
        self.head.entries <= inherits
    }

    pub(super) fn apply_inherited(
        &mut self,
        inherited: &Inherited,
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        let Inherited { node, document, fans_out, stood } = inherited;
        let step = self.step_of(*node).ok_or_else(|| self.illegal(event))?;
        let may_fan_out = node.clone == 0 && step.each.is_some();
        let is_over = match stood.status {
            StepStatus::Completed => may_fan_out == *fans_out,
            StepStatus::Skipped => document.is_none() && node.clone == 0,
            StepStatus::Failed | StepStatus::Unknown => step.optional && (document.is_none() || *fans_out),
            StepStatus::Pending
            | StepStatus::Ready
            | StepStatus::Dispatched
            | StepStatus::Backoff
            | StepStatus::Waiting
            | StepStatus::Expanded
            | StepStatus::Cancelled => false,
        };
        let items = document.as_ref().filter(|_| *fans_out);
        let is_list = |items: &Arc<Document>| items.as_array().is_some_and(|items| self.may_expand(items.len()));
        let fits = items.is_none_or(is_list) && (items.is_some() == *fans_out) && (may_fan_out || !fans_out);
        self.expect(*node, event, |state| is_over && fits && state.status == StepStatus::Pending)?;
        match (items, document) {
            (Some(items), _) => self.expand_anew(*node, items, seq),
            (None, Some(output)) => self.set_output(*node, output, seq),
            (None, None) => {}
        }
        self.nodes.set_variables(node.step, stood.origin.set.clone());
        let n = self.head.entries;
        let state = self.touch(*node);
        state.attempts = stood.attempts;
        state.decision = stood.decision;
        state.ended_at = Some(stood.ended_at);
        state.ended_n = Some(n);
        state.error.clone_from(&stood.error);
        state.input = stood.input;
        state.origin = Some(Box::new(stood.origin.clone()));
        state.ready_at = stood.ready_at;
        state.rounds = stood.rounds;
        state.conditions.clone_from(&stood.conditions);
        state.started_at = stood.started_at;
        state.status = stood.status;
        state.unknown = stood.unknown;
        let inherits = self.head.beginning.fork.as_ref().map_or(0, |fork| u64::from(fork.inherits));
        if n < inherits {
            return Ok(());
        }
        self.place_touched();
        self.ready_rest(now);
        Ok(())
    }

    /// The clones that a fork took over are told of one by one.
    fn expand_anew(&mut self, node: NodeRef, items: &Arc<Document>, seq: u64) {
        let count = self.nodes.expand(node.step, items);
        let state = self.touch(node);
        state.clones = Some(count);
        state.items_seq = Some(seq);
        for clone in 1..=count {
            let clone = NodeRef { step: node.step, clone };
            self.touch(clone);
            self.displaced.push(clone);
        }
    }

    /// Makes every step ready that nothing is in the way of.
    fn ready_rest(&mut self, now: Timestamp) {
        let definition = Arc::clone(&self.definition);
        if definition.mode == Mode::Layers {
            return self.ready_layers(0, now);
        }
        for (index, step) in definition.indices().zip(&definition.steps) {
            if step.after.iter().all(|before| self.is_done((*before).into())) {
                self.make_ready(index.into(), now);
            }
        }
    }
}

/// The steps that use what a step gives, where no `after` says so: by layers one may use any of the layers before.
type Users = BTreeMap<StepIndex, Vec<StepIndex>>;

fn users(definition: &Definition) -> Users {
    let mut users = Users::new();
    for (index, step) in definition.indices().zip(&definition.steps).filter(|_| definition.mode == Mode::Layers) {
        let set = step.variables.iter().flat_map(|(_, setters)| setters);
        for used in step.reads.iter().chain(set) {
            users.entry(*used).or_default().push(index);
        }
    }
    users
}

/// Adds a step and all that comes after it or is made from it.
fn add_after(step: StepIndex, definition: &Definition, users: &Users, all: &mut Anew) {
    let mut open = vec![step];
    while let Some(step) = open.pop() {
        if all.insert(step) {
            open.extend(definition.step(step).into_iter().flat_map(|step| &step.dependents));
            open.extend(users.get(&step).into_iter().flatten());
        }
    }
}
