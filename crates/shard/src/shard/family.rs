//! Families: transactions, and the children that their steps run. The engine knows one transaction at a time; what one
//! of a family does is carried over to the others here, within the call that did it, and so in its commit.

use super::demands::{Deed, unmet};
use super::dispatch::{BUNDLE_LOST, START, Standing, act_of, observe, start_question, start_request};
use super::index::{Place, ReadyKey};
use super::judge::Under;
use super::lookup;
use super::overrides;
use super::work::Work;
use super::{Control, Shard, State};
use crate::batch::StoreError;
use crate::input::{Refusal, faults_in_words};
use crate::over::Act;
use crate::row::DefinitionRow;
use chancery_base::limits::{CHILD_DEPTH_MAX, SHARD_CLONES_MAX};
use chancery_base::{DecisionId, Digest, Document, Kind, Name, Timestamp, TransactionId};
use chancery_engine::definition::{Child, Definition, DefinitionKind, InputFault};
use chancery_engine::{
    Beginning, Call, ChildStart, Failure, Given, NodeRef, Offer, Parent, Phase, Status, StepError, Transaction,
};
use chancery_policy::Decision;
use serde_json::{Map, Value, json};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How many times as many transactions may run, children included, and clones be there, as starts are let in.
const CHILDREN_ROOM: usize = 2;

/// Who in memory is whose child, and who of a family is wanted there.
#[derive(Debug, Default)]
pub(super) struct Family {
    /// The children in memory, by their parents.
    children: HashMap<TransactionId, BTreeSet<TransactionId>>,
    /// What has to be loaded.
    wanted: BTreeSet<TransactionId>,
    /// Transactions that went backward, and whose children may not know it yet.
    untold: BTreeSet<TransactionId>,
    /// The versions of definitions that were looked up for children; none: there is no such version.
    versions: BTreeMap<(Name, u32), Option<Digest>>,
    wanted_versions: BTreeSet<(Name, u32)>,
}

/// Where a transaction stood before something was done to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stood {
    status: Status,
    has_turned: bool,
}

impl Stood {
    pub(super) fn of(member: &Transaction) -> Self {
        Self { status: member.status(), has_turned: member.has_turned() }
    }
}

/// A definition for a child.
enum Found {
    Known(Arc<Definition>),
    /// The store is asked for it.
    NotYet,
    Missing,
}

impl Family {
    pub(super) fn has_children(&self, id: TransactionId) -> bool {
        self.children.contains_key(&id)
    }

    /// Takes a child out; gives its parent.
    pub(super) fn leave(&mut self, member: &Transaction) -> Option<TransactionId> {
        let parent = member.parent()?.id;
        let children = self.children.get_mut(&parent)?;
        children.remove(&member.id());
        if children.is_empty() {
            self.children.remove(&parent);
        }
        Some(parent)
    }

    /// The next version of a definition that the store is to be asked for.
    pub(super) fn next_version(&mut self) -> Option<(Name, u32)> {
        self.wanted_versions.pop_first()
    }

    /// What the store said of a version.
    pub(super) fn know_version(&mut self, version: (Name, u32), digest: Option<Digest>) {
        self.versions.insert(version, digest);
    }

    /// A definition may have been registered since, and of others only those that are known say which version they are.
    pub(super) fn forget_versions(&mut self, is_known: impl Fn(&Digest) -> bool) {
        self.versions.retain(|_, digest| digest.as_ref().is_some_and(&is_known));
    }

    /// Whether something has to be loaded before all that could be done is done.
    pub(super) fn is_wanting(&self) -> bool {
        !self.wanted.is_empty() || !self.wanted_versions.is_empty()
    }
}

impl Shard {
    /// A transaction came into memory.
    ///
    /// INVARIANT: whatever is in memory has its parent in memory before anything is done, so that its end can be told
    /// in the commit in which it ends.
    pub(super) fn join(&mut self, member: &Transaction) {
        if let Some(parent) = member.parent() {
            self.family.children.entry(parent.id).or_default().insert(member.id());
            if !self.members.contains_key(&parent.id) {
                self.family.wanted.insert(parent.id);
            }
        }
        if member.has_turned() && member.children_out().next().is_some() {
            self.family.untold.insert(member.id());
        }
    }

    /// A definition that the store has.
    pub(super) fn take_definition(&mut self, row: &DefinitionRow) -> Result<(), StoreError> {
        if let Entry::Vacant(vacant) = self.definitions.entry(row.digest) {
            let definition = Definition::from_canonical(&row.source).map_err(|err| StoreError {
                operation: "read a definition",
                kind: Kind::Broken,
                message: format!("definition {} {}: {err}", row.name, row.version),
            })?;
            vacant.insert(Arc::new(definition));
        }
        Ok(())
    }

    /// What the store has of a version that a child was looked for in.
    pub(super) fn definition_loaded(&mut self, version: (Name, u32), row: Option<DefinitionRow>, now: Timestamp) {
        if let Some(Err(err)) = row.as_ref().map(|row| self.take_definition(row)) {
            return self.unavailable(&err, now);
        }
        self.family.know_version(version, row.map(|row| row.digest));
        self.state = State::Open;
    }

    /// What families want in memory that nobody has asked the store for.
    pub(super) fn wanted_of_families(&mut self) -> BTreeSet<TransactionId> {
        let mut wanted = std::mem::take(&mut self.family.wanted);
        wanted.retain(|id| !self.members.contains_key(id) && !self.asked.contains(id));
        wanted
    }

    /// What runs below a transaction and is not in memory: all of it is ended with it.
    pub(super) fn absent_below(&self, id: TransactionId, absent: &mut BTreeSet<TransactionId>) {
        let Some(member) = self.members.get(&id) else { return };
        for (.., child) in member.children_out() {
            if self.members.contains_key(&child) {
                self.absent_below(child, absent);
            } else if !self.asked.contains(&child) {
                absent.insert(child);
            }
        }
    }

    /// Tells the children of those that went backward what could not be told at once.
    pub(super) fn tell_untold(&mut self, work: &mut Work) {
        for id in std::mem::take(&mut self.family.untold) {
            self.cancel_children(id, work);
        }
    }

    /// Carries over what was done to a transaction: to its children, and to its parent. `output` is what its last entry
    /// gave.
    pub(super) fn carry_over(
        &mut self,
        id: TransactionId,
        before: Stood,
        output: Option<Arc<Document>>,
        work: &mut Work,
    ) {
        let Some(member) = self.members.get(&id) else { return };
        let (now, is_child) = (Stood::of(member), member.parent().is_some());
        if now.status == Status::Terminated && before.status != Status::Terminated {
            self.terminate_children(id, work);
        } else if now.has_turned && !before.has_turned {
            self.cancel_children(id, work);
        }
        // One that was recalled and had nothing to undo goes from one end to another.
        if is_child && now.status.is_ended() && now.status != before.status {
            self.tell_parent(id, output, work);
        }
    }

    fn tell_parent(&mut self, id: TransactionId, output: Option<Arc<Document>>, work: &mut Work) {
        let Some(member) = self.members.get(&id) else { return };
        let Some((parent, end)) = member.parent().zip(member.child_end(output)) else { return };
        let (parent, node) = (parent.id, parent.node);
        let outcome = self.run(parent, Standing::system(), work, |member, cx| member.child_ended(node, id, end, cx));
        debug_assert!(outcome.is_ok(), "{outcome:?}");
    }

    /// A transaction goes backward: so do its children, if they still can. The others go on, and are waited for.
    fn cancel_children(&mut self, id: TransactionId, work: &mut Work) {
        let Some(member) = self.members.get(&id).filter(|member| !member.status().is_ended()) else { return };
        let running = member.children_out().filter(|(_, phase, _)| *phase == Phase::Do);
        let running: Vec<TransactionId> = running.map(|(.., child)| child).collect();
        for child in running {
            match self.members.get(&child) {
                Some(member) if member.is_cancellable() => {
                    let why = format!("its parent {id} goes backward");
                    let outcome = self.run(child, Standing::system(), work, |member, cx| member.cancel(why, cx));
                    debug_assert!(outcome.is_ok(), "{outcome:?}");
                }
                Some(_) => {}
                // It is parked.
                None if !self.asked.contains(&child) => {
                    self.family.wanted.insert(child);
                    self.family.untold.insert(id);
                }
                None => {}
            }
        }
    }

    fn terminate_children(&mut self, id: TransactionId, work: &mut Work) {
        let Some(member) = self.members.get(&id) else { return };
        let running: Vec<TransactionId> = member.children_out().map(|(.., child)| child).collect();
        for child in running {
            let runs = self.members.get(&child).is_some_and(|member| !member.status().is_ended());
            debug_assert!(runs, "what is terminated has all that runs below it in memory");
            if runs {
                let why = format!("its parent {id} was terminated");
                let outcome = self.run(child, Standing::system(), work, |member, cx| member.terminate(why, cx));
                debug_assert!(outcome.is_ok(), "{outcome:?}");
            }
        }
    }

    /// Begins the children whose turn it is, and recalls those that are to undo what they did; whether there was one.
    pub(super) fn hand_to_children(&mut self, control: &Control, work: &mut Work) -> bool {
        let mut progress = false;
        for key in self.index.keys(&Place::Child) {
            // One that began or ended before it may have taken its place.
            if work.is_full() || !self.index.has(&Place::Child, key) {
                continue;
            }
            let done = match key.phase {
                Phase::Do => self.begin_child(key, control, work),
                Phase::Undo | Phase::Confirm => self.recall_child(key, work),
            };
            match done {
                Ok(done) => progress |= done,
                Err(refusal) => {
                    debug_assert!(false, "{refusal}");
                    self.index.remove(key.transaction);
                }
            }
        }
        progress
    }

    fn begin_child(&mut self, key: ReadyKey, control: &Control, work: &mut Work) -> Result<bool, Refusal> {
        let (id, node) = (key.transaction, key.node);
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        let (offer, child) = match member.offer(node, Phase::Do) {
            Ok(Offer { call: Call::Child(child), input, .. }) => (input, child),
            Ok(_) => return Ok(false),
            Err(err) => return self.refuse_child(key, err, work),
        };
        let definition = match self.definition_of(&child, control) {
            Found::Known(definition) => definition,
            Found::NotYet => return Ok(false),
            Found::Missing => {
                let version = child.version.map_or_else(String::new, |version| format!(" version {version}"));
                let message = format!("no definition `{}`{version} is registered", child.name);
                return self.refuse_child(key, StepError::fatal(StepError::DEFINITION_MISSING, message), work);
            }
        };
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        if let Some(why) = self.no_child(member, node, &definition) {
            return self.refuse_child(key, StepError::fatal(StepError::CHILD_REFUSED, why), work);
        }
        let faults = definition.input_faults(&offer);
        if !faults.is_empty() {
            return self.refuse_child(key, input_refused(&definition, &faults), work);
        }
        let child = begin(member, node, &definition, offer, work);
        self.decide_child(key, child, control, work).map(|()| true)
    }

    fn refuse_child(&mut self, key: ReadyKey, error: StepError, work: &mut Work) -> Result<bool, Refusal> {
        let (node, phase) = (key.node, key.phase);
        self.run(key.transaction, Standing::system(), work, |member, cx| member.refuse(node, phase, error, cx))?;
        Ok(true)
    }

    /// The newest version, as the control state has it, or the one that the step names.
    fn definition_of(&mut self, child: &Child, control: &Control) -> Found {
        let newest = control.definitions.get(&child.name);
        let Some(version) = child.version.or(newest.map(|(version, _)| *version)) else { return Found::Missing };
        let of_newest = newest.filter(|(newest, _)| *newest == version).map(|(_, digest)| Some(*digest));
        let place = (child.name.clone(), version);
        match of_newest.or_else(|| self.family.versions.get(&place).copied()) {
            Some(None) => Found::Missing,
            Some(Some(digest)) if self.definitions.contains_key(&digest) => {
                self.definitions.get(&digest).map_or(Found::NotYet, |known| Found::Known(Arc::clone(known)))
            }
            // Asked for and not there: it can't be one that the control state names.
            Some(Some(_)) if self.family.versions.contains_key(&place) => Found::Missing,
            Some(Some(_)) | None => {
                self.family.wanted_versions.insert(place);
                Found::NotYet
            }
        }
    }

    /// Why a step can't run this definition; none: it can.
    fn no_child(&self, parent: &Transaction, node: NodeRef, definition: &Definition) -> Option<String> {
        let name = &definition.name;
        let depth = depth_below(parent);
        let is_undone_by_child = parent.step_of(node).is_some_and(|step| step.recalls_child());
        if definition.kind == DefinitionKind::Open {
            Some(format!("`{name}` is open: whoever drives it begins it, no step does"))
        } else if definition.key.is_some() {
            Some(format!("`{name}` has a `key`: who has it can be told only of what is started by itself"))
        } else if depth > CHILD_DEPTH_MAX {
            Some(format!("`{name}` would stand {depth} below its root, at most {CHILD_DEPTH_MAX} are allowed"))
        } else if is_undone_by_child && !definition.can_be_recalled() {
            Some(format!(
                "`{name}` can't undo what it did once it completed: the step needs `compensate`, `pivot: true` or \
                 `irreversible: true`"
            ))
        } else if self.running >= self.config.active_max.saturating_mul(CHILDREN_ROOM) {
            Some(format!("{} transactions run already", self.running))
        } else if self.clones >= SHARD_CLONES_MAX.saturating_mul(CHILDREN_ROOM) {
            Some(format!("{} clones of running transactions are there already", self.clones))
        } else {
            None
        }
    }

    /// Has policy decide a child's start, as any start of its definition, and begins it.
    fn decide_child(
        &mut self,
        key: ReadyKey,
        child: Transaction,
        control: &Control,
        work: &mut Work,
    ) -> Result<(), Refusal> {
        let (id, node) = (key.transaction, key.node);
        let context = match child.start_context() {
            Ok(context) => context,
            Err(err) => return self.refuse_child(key, err, work).map(|_| ()),
        };
        let (beginning, decision_id) = (Arc::clone(&child.head().beginning), child.head().decision);
        let act = self.members.get(&id).map(|member| act_of(member, node)).ok_or(Refusal::Missing(id))?;
        let Some((decision, failure)) = self.judge_child((id, node), &child, context, (control, &act), work)? else {
            let (denial, why) = ((decision_id, Failure::Denied), BUNDLE_LOST.to_owned());
            return self.run(id, Standing::system(), work, |member, cx| member.deny(node, denial, why, cx));
        };
        let standing = Standing { decision: Some(&*decision), ..Standing::system() };
        let unmet = unmet(&decision, Deed::Child);
        if !decision.is_permit() || unmet.is_some() {
            let why = unmet.unwrap_or_else(|| decision.explanation());
            return self.run(id, standing, work, |member, cx| member.deny(node, (decision_id, failure), why, cx));
        }
        if !self.may_go(key, &child.given().input, &decision, work)? {
            return Ok(());
        }
        let start = ChildStart {
            node,
            attempt: self.members.get(&id).and_then(|member| member.state(node)).map_or(0, |state| state.attempts) + 1,
            child: beginning.id,
            version: beginning.version,
            decision: decision_id,
            input: child.input_digest(),
        };
        overrides::used(&decision, decision_id, &act, control, work);
        self.run(id, Standing::system(), work, |member, cx| member.start_child(start, cx))?;
        self.running += 1;
        self.join(&child);
        self.definitions.entry(beginning.digest).or_insert_with(|| Arc::clone(child.definition()));
        self.members.insert(beginning.id, Box::new(child));
        self.run(beginning.id, standing, work, |member, cx| member.start(cx))
    }

    /// What policy says to a child's start, and how its step fails where that is no. It is a step of the parent's, which
    /// says under which bundle it is decided; none: that can't be loaded.
    fn judge_child(
        &mut self,
        (parent, node): (TransactionId, NodeRef),
        child: &Transaction,
        context: Map<String, Value>,
        (control, act): (&Control, &Act),
        work: &mut Work,
    ) -> Result<Option<(Arc<Decision>, Failure)>, Refusal> {
        let beginning = &child.head().beginning;
        let question = start_request(beginning, context);
        if let Some(stop) = self.stop_on(child, START, control) {
            return Ok(Some((Arc::new(stop.decision(beginning.bundle, &question)), Failure::Denied)));
        }
        let member = self.members.get(&parent).ok_or(Refusal::Missing(parent))?;
        let under = Under::of(member, &self.bundles, control);
        let judged = self.decisions.judge_in_flight(under, (control, Some(act)), start_question(child, question), work);
        Ok(judged.map(|judged| {
            let failure = judged.failure();
            // It is the step that has a transaction already, whose evidence counts.
            let of = member.step_of(node).map(|step| (parent, step.id.as_str()));
            let decision = lookup::held(judged.decision, of, control, work.now);
            observe(&judged.bundle, START, &decision, work);
            (decision, failure)
        }))
    }

    /// Has the child of a step that is to be undone undo what it did.
    fn recall_child(&mut self, key: ReadyKey, work: &mut Work) -> Result<bool, Refusal> {
        let (id, node) = (key.transaction, key.node);
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        let child = member.state(node).and_then(|state| state.child);
        let why = match child.map(|child| (child, self.members.get(&child))) {
            Some((child, Some(member))) if member.may_be_recalled() => {
                self.run(id, Standing::system(), work, |member, cx| member.recall_child(node, cx))?;
                self.run(child, Standing::system(), work, Transaction::recall)?;
                return Ok(true);
            }
            Some((child, None)) if !self.asked.contains(&child) => {
                self.family.wanted.insert(child);
                return Ok(false);
            }
            Some((child, None)) => format!("{child} is not here"),
            Some((child, Some(member))) => format!("{child} ended as {}", member.status().word()),
            None => "the step ran no transaction".to_owned(),
        };
        let message = format!("{why}: nothing can be recalled; undo by hand what is left, and resolve this");
        self.refuse_child(key, StepError::fatal(StepError::CHILD_FAILED, message), work)
    }
}

/// What a step gives its child is not as that one's definition says.
fn input_refused(definition: &Definition, faults: &[InputFault]) -> StepError {
    let message = format!("the input of `{}` is not as it says: {}", definition.name, faults_in_words(faults));
    let told =
        faults.iter().map(|fault| json!({ "path": fault.pointer, "rule": fault.rule, "message": fault.message }));
    let detail = json!({ "errors": told.collect::<Vec<_>>() });
    StepError { detail: Some(Box::new(detail)), ..StepError::fatal(StepError::INPUT_REFUSED, message) }
}

/// How many stand above a child of this one.
fn depth_below(parent: &Transaction) -> u32 {
    parent.parent().map_or(0, |parent| parent.depth) + 1
}

/// A child, in its parent's slot, under its parent's bundle and with its settings. Its first entry comes after the one
/// that names it.
fn begin(
    parent: &Transaction,
    node: NodeRef,
    definition: &Arc<Definition>,
    input: Arc<Document>,
    work: &mut Work,
) -> Transaction {
    let above = &parent.head().beginning;
    let step = parent.step_of(node).map(|step| step.id.clone());
    let beginning = Beginning {
        bundle: above.bundle,
        business_key: None,
        definition: definition.name.clone(),
        digest: definition.digest,
        // What its parent's start asked for is of the parent's steps.
        faults: Vec::new(),
        fork: None,
        headers: above.headers.clone(),
        id: TransactionId::draw(work.now, above.id.slot(), &mut work.entropy),
        idempotency_key: None,
        labels: BTreeMap::new(),
        parent: Some(Parent {
            depth: depth_below(parent),
            id: above.id,
            key: parent.child_key(node),
            node,
            // INVARIANT: the node is a step of the definition.
            step: step.unwrap_or_else(|| definition.name.clone()),
        }),
        principal: above.principal,
        settings: above.settings,
        start_at: None,
        taint: parent.taint(),
        traceparent: above.traceparent.clone(),
        version: definition.version,
        version_asked: None,
    };
    let given = Given { input, ..parent.given().clone() };
    let decision = DecisionId::draw(work.now, &mut work.entropy);
    Transaction::begin(Arc::clone(definition), Arc::new(beginning), given, decision, work.now, work.seq() + 1)
}
