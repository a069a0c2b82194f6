//! Decisions: of a start, of each hand-out, of a question. A hand-out and its permit are one entry.

mod gate;
mod inline;

use super::budgets::{Basis, Counted};
use super::demands::{self, Deed, unmet};
use super::desk::{CallId, Lease, LeaseKey};
use super::index::{Place, ReadyKey};
use super::judge::{Under, add_data, add_data_of_step};
use super::lookup;
use super::overrides;
use super::work::Work;
use super::{Control, Shard};
use crate::input::{
    Capability, DecisionSummary, Denial, Observation, Question, Queue, Refusal, ReplyTo, Response, Start, Task,
};
use crate::over::Act;
use crate::payload::Payload;
use crate::row::{KeyRow, KeyScope};
use crate::rows;
use crate::token::AttemptRef;
use chancery_base::limits::SHARD_CLONES_MAX;
use chancery_base::webhook::hmac_sha256;
use chancery_base::{DecisionId, Digest, Document, Name, PrincipalId, Timestamp, TransactionId, json};
use chancery_engine::definition::{Classes, Resource};
use chancery_engine::{
    Answer, Authorization, Beginning, Call, Charge, Conditions, Cx, Failure, Fault, Given, Headers, NodeRef, Offer,
    Outgoing, Phase, Settings, ShownStatus, Transaction,
};
use chancery_policy::{Bundle, Decision, EntityRef, Reason, Request, ResourceRef};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A key's row: its scope, slot and keyed hash.
pub(super) type KeyOf = (KeyScope, u16, [u8; 32]);

/// What goes out next: where it waits, what it is, and which call gets it out of which queue, if one does.
type Next = (Place, ReadyKey, Option<(CallId, Queue)>);

/// What a hand-out may rest on.
enum Permit {
    /// It goes out on this decision, taken now or cited, and this is counted for it.
    Granted(DecisionId, Option<Arc<Decision>>, Vec<Charge>),
    /// Policy denies it, why, and how the step fails.
    Denied(Option<Arc<Decision>>, String, Failure),
    /// It does not go out now: people are asked first, it can't even be said what they are to be asked, or a rate has no
    /// room.
    Held,
}

/// Who causes what happens, and by which decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'a> {
    pub(super) actor: PrincipalId,
    pub(super) decision: Option<&'a Decision>,
}

impl Standing<'_> {
    /// The platform itself: time, leases.
    pub(super) const fn system() -> Self {
        Self { actor: PrincipalId::SYSTEM, decision: None }
    }
}

/// The action that a start asks for.
pub(super) const START: &str = "start";
pub(super) const NO_BUNDLE: &str = "no bundle is active, so nothing is permitted: push and activate one";
pub(super) const BUNDLE_LOST: &str = "the bundle that the transaction began with can't be loaded";

impl Shard {
    /// The rows that a start's keys would have.
    pub(super) fn keys_of(&self, start: &Start) -> [Option<KeyOf>; 2] {
        let Some(control) = &self.control else { return [None, None] };
        let business = start.business_key.as_deref();
        let hash = |scope, key| {
            let hash = key_hash(&control.tenant.hash_key, scope, business.unwrap_or_default(), key);
            (scope, start.id.slot().number(), hash)
        };
        let of_start = start.idempotency_key.as_deref().map(|key| hash(KeyScope::Start, key));
        [of_start, business.map(|_| hash(KeyScope::Business, ""))]
    }

    pub(super) fn start(&mut self, reply: ReplyTo, start: &Start, control: &Control, work: &mut Work) {
        let answer = self.try_start(start, None, control, work);
        work.reply(reply, answer);
    }

    /// Starts a transaction, unless one is there. What it `replaces` may have its business key: whoever calls ends that
    /// one once the other is there.
    pub(super) fn try_start(
        &mut self,
        start: &Start,
        replaces: Option<TransactionId>,
        control: &Control,
        work: &mut Work,
    ) -> Result<Response, Refusal> {
        let [of_start, of_business] = self.keys_of(start);
        let request = request_hash(
            &control.tenant.hash_key,
            (&start.definition.name, start.version_asked),
            (&start.labels, start.start_at, &start.faults, &start.headers),
            &start.input,
        );
        if let Some(Some(row)) = of_start.and_then(|key| self.keys.get(&key)) {
            let (id, is_same) = (row.transaction, row.request == request);
            return if is_same { self.started_before(id, start, work) } else { Err(Refusal::KeyReused(id)) };
        }
        if let Some(Some(row)) = of_business.and_then(|key| self.keys.get(&key))
            && replaces != Some(row.transaction)
            && self.members.get(&row.transaction).is_some_and(|member| !member.status().is_ended())
        {
            work.rests_on_memory = true;
            let id = row.transaction;
            return if start.signal.is_some() {
                self.started_before(id, start, work)
            } else {
                Err(Refusal::BusinessKeyTaken(id))
            };
        }
        if self.members.contains_key(&start.id) {
            return Err(Refusal::Exists(format!("transaction {}", start.id)));
        }
        self.expect_open(start.is_closed, control, work)?;
        let faults = start.definition.input_faults(&start.input);
        if !faults.is_empty() {
            return Err(Refusal::InputRefused { definition: start.definition.name.clone(), faults: faults.into() });
        }
        let id = DecisionId::draw(work.now, &mut work.entropy);
        let Some(bundle) = &control.bundle else {
            return Err(Refusal::Denied(Arc::new(refused(start.actor, id, NO_BUNDLE, work))));
        };
        let member = begin(start, id, (bundle.digest(), &control.settings), work);
        start.signal.as_ref().map_or(Ok(()), |signal| member.takes(signal))?;
        if member.is_driven() && start.start_at.is_some() {
            return Err(Refusal::Invalid("an open transaction does not begin later: its driver is there".to_owned()));
        }
        let decision = self.decide_start(&member, bundle, control, work)?;
        self.keep_key(of_start, request, start.id, work);
        self.keep_key(of_business, [0; 32], start.id, work);
        self.enter(member, bundle, work);
        let standing = Standing { actor: start.actor, decision: Some(&*decision) };
        let signal = start.signal.clone();
        self.run(start.id, standing, work, |transaction, cx| transaction.start_with(signal, cx))?;
        let status = self.members.get(&start.id).map_or(ShownStatus::Running, |member| member.shown());
        Ok(Response::Started { id: start.id, existing: false, status })
    }

    /// Has the tenant's policy decide what a transaction's starter asks for.
    pub(super) fn decide_start(
        &mut self,
        member: &Transaction,
        bundle: &Bundle,
        control: &Control,
        work: &mut Work,
    ) -> Result<Arc<Decision>, Refusal> {
        let (beginning, id) = (&member.head().beginning, member.head().decision);
        let context = member.start_context().map_err(|err| Refusal::Invalid(err.message))?;
        let question = start_request(beginning, context);
        if let Some(stop) = self.stop_on(member, START, control) {
            let decision = stop.decision(bundle.digest(), &question);
            let summary = recorded(beginning.principal, id, (bundle, START), (&decision, None), work);
            return Err(Refusal::Stopped(Arc::new(summary)));
        }
        let act = Act { transaction: beginning.id, step: None };
        let ask = start_question(member, question);
        let decision = self.decisions.judge(bundle, (control, Some(&act)), ask, work);
        let decision = lookup::held(decision, None, control, work.now);
        let unmet = unmet(&decision, Deed::Start);
        if decision.is_permit() && unmet.is_none() {
            overrides::used(&decision, id, &act, control, work);
            observe(bundle, START, &decision, work);
            return Ok(decision);
        }
        let summary = recorded(beginning.principal, id, (bundle, START), (&decision, unmet), work);
        Err(Refusal::Denied(Arc::new(summary)))
    }

    /// Takes a transaction that begins into memory.
    pub(super) fn enter(&mut self, member: Transaction, bundle: &Arc<Bundle>, work: &mut Work) {
        let beginning = Arc::clone(&member.head().beginning);
        work.labels.extend(rows::label_rows(self.config.log, &beginning));
        self.definitions.entry(beginning.digest).or_insert_with(|| Arc::clone(member.definition()));
        self.bundles.entry(bundle.digest()).or_insert_with(|| Some(Arc::clone(bundle)));
        self.running += 1;
        self.members.insert(beginning.id, Box::new(member));
    }

    /// Whether transactions may begin.
    pub(super) fn expect_open(&self, is_closed: bool, control: &Control, work: &mut Work) -> Result<(), Refusal> {
        if is_closed || control.maintenance.is_some() {
            // It may be over since, on another shard: the guard knows.
            work.rests_on_memory = true;
            return Err(Refusal::Maintenance { platform: is_closed });
        }
        self.expect_room(work)
    }

    /// Whether another transaction may run.
    fn expect_room(&self, work: &mut Work) -> Result<(), Refusal> {
        let refusal = if self.running >= self.config.active_max {
            Refusal::TooManyRunning { max: self.config.active_max }
        } else if self.clones >= SHARD_CLONES_MAX {
            let (what, retry_after) = ("clones of running transactions", Duration::from_secs(1));
            Refusal::Limited { what, max: SHARD_CLONES_MAX, retry_after }
        } else {
            return Ok(());
        };
        // Memory alone says so: another shard, or an owner since, has its own count.
        work.rests_on_memory = true;
        Err(refusal)
    }

    /// What was started before gets the signal that would have started it.
    fn started_before(&mut self, id: TransactionId, start: &Start, work: &mut Work) -> Result<Response, Refusal> {
        let status = match start.signal.clone() {
            Some(signal) => self.send(id, start.actor, signal, work)?.1,
            None => self.members.get(&id).map_or(ShownStatus::Running, |member| member.shown()),
        };
        Ok(Response::Started { id, existing: true, status })
    }

    /// Writes down that a key stands for a transaction.
    pub(super) fn keep_key(
        &mut self,
        key: Option<KeyOf>,
        request: [u8; 32],
        transaction: TransactionId,
        work: &mut Work,
    ) {
        let Some(key) = key else { return };
        let (scope, slot, hash) = key;
        let row = KeyRow { scope, slot, key: hash, request, transaction };
        self.keys.insert(key, Some(row.clone()));
        // A business key may move twice in one batch: the last one stands.
        work.keys.retain(|other| (other.scope, other.slot, other.key) != key);
        work.keys.push(row);
    }

    /// Hands out what is ready and wanted.
    pub(super) fn hand_out(&mut self, control: &Control, work: &mut Work) {
        self.limits.look();
        self.index.resume(work.now);
        self.tell_stopped(control);
        if self.draining {
            return;
        }
        // What is handed out to nobody is done at once and may make something else ready: until nothing is.
        loop {
            let mut progress = self.stop_ready(control, work);
            for place in self.index.places() {
                progress |= self.hand_out_at(&place, control, work);
            }
            if !progress || work.is_full() {
                return;
            }
        }
    }

    /// The same for one place; whether anything was.
    fn hand_out_at(&mut self, place: &Place, control: &Control, work: &mut Work) -> bool {
        match place {
            Place::Child => return self.hand_to_children(control, work),
            Place::Inline => return self.carry_out_inline(control, work),
            Place::Queue(_) | Place::Keyed(_) | Place::Noop => {}
        }
        let mut progress = false;
        while !work.is_full() {
            let Some((place, key, call)) = self.next_out(place, control, work.now) else { break };
            progress = true;
            self.index.take_turn(&place);
            let call = call.as_ref().map(|(call, queue)| (*call, queue));
            if let Err(refusal) = self.hand_out_one(key, call, control, work) {
                debug_assert!(false, "{refusal}");
                self.index.remove(key.transaction);
            }
        }
        progress
    }

    /// What goes out next at a place, where it waits, and the call that gets it.
    fn next_out(&mut self, place: &Place, control: &Control, now: Timestamp) -> Option<Next> {
        let name = match place {
            Place::Noop | Place::Child | Place::Inline => return Some((place.clone(), self.index.next(place)?, None)),
            Place::Queue(queue @ (Queue::Http(_) | Queue::AnyHttp)) => {
                let key = self.index.next(place)?;
                if self.holds_target(queue, control) {
                    return None;
                }
                let call = self.desk.credit(queue)?;
                return Some((place.clone(), key, Some((call, queue.clone()))));
            }
            Place::Queue(Queue::Worker(name)) | Place::Keyed(name) => name,
        };
        let turns = self.index.turns(name);
        let queue = Queue::Worker(name.clone());
        if turns.is_empty() || self.holds_target(&queue, control) || !self.may_go_out(name, control, now) {
            return None;
        }
        turns.into_iter().find_map(|(place, key)| {
            let call = self.credit(name, matches!(place, Place::Keyed(_)), control)?;
            Some((place, key, Some((call, Queue::Worker(name.clone())))))
        })
    }

    pub(super) fn hand_out_one(
        &mut self,
        key: ReadyKey,
        call: Option<(CallId, &Queue)>,
        control: &Control,
        work: &mut Work,
    ) -> Result<(), Refusal> {
        let (id, node, phase) = (key.transaction, key.node, key.phase);
        let Some(member) = self.members.get(&id) else { return Err(Refusal::Missing(id)) };
        let offer = match member.offer(node, phase) {
            Ok(offer) => offer,
            Err(err) => {
                return self.run(id, Standing::system(), work, |member, cx| member.refuse(node, phase, err, cx));
            }
        };
        let worker = call.and_then(|(call, _)| self.desk.worker(call)).map(|worker| worker.principal);
        let actor = worker.unwrap_or(PrincipalId::SYSTEM);
        match self.permit(key, &offer, worker, control, work)? {
            Permit::Granted(id, decision, charges) => {
                if let Some((_, Queue::Worker(name))) = call {
                    self.went_out(name, control, work.now);
                }
                self.dispatch(key, call, &offer, (id, decision.as_deref(), charges, actor), work)
            }
            Permit::Denied(decision, why, failure) => {
                let denial = (DecisionId::draw(work.now, &mut work.entropy), failure);
                let standing = Standing { actor, decision: decision.as_deref() };
                self.run(id, standing, work, |member, cx| member.deny(node, denial, why, cx))
            }
            Permit::Held => Ok(()),
        }
    }

    /// Has policy decide a hand-out, unless it was decided with its step. What is permitted goes out once people have
    /// said yes, where that is demanded.
    fn permit(
        &mut self,
        key: ReadyKey,
        offer: &Offer,
        worker: Option<PrincipalId>,
        control: &Control,
        work: &mut Work,
    ) -> Result<Permit, Refusal> {
        let (action, resource, context) = match &offer.authorization {
            Authorization::Cite(decision) => return Ok(Permit::Granted(*decision, None, Vec::new())),
            Authorization::AsStart => return Err(Refusal::Invalid("a child is not handed out".to_owned())),
            Authorization::Ask { action, resource, context } => (action, resource, context),
        };
        let member = self.members.get(&key.transaction).ok_or(Refusal::Missing(key.transaction))?;
        let beginning = &member.head().beginning;
        let resource = resource_of(member, key.node, resource.as_ref());
        let (principal, context) = (beginning.principal.into(), context.clone());
        let irreversible = member.step_of(key.node).is_some_and(|step| step.irreversible);
        #[cfg(feature = "sabotage")]
        let irreversible = irreversible && !self.breaks(super::Sabotage::HideIrreversible);
        let request = Request { principal, action: action.clone(), resource, context, irreversible };
        if let Some(stop) = self.stop_on(member, action, control) {
            return Ok(denied(stop.decision(beginning.bundle, &request), Failure::Denied));
        }
        let ask = |bundle: &Bundle| {
            let mut request = request.clone();
            add_built_ins(bundle, action, member, key.node, worker, &mut request.context);
            request
        };
        let act = act_of(member, key.node);
        let under = Under::of(member, &self.bundles, control);
        let Some(judged) = self.decisions.judge_in_flight(under, (control, Some(&act)), ask, work) else {
            return Ok(Permit::Denied(None, BUNDLE_LOST.to_owned(), Failure::Denied));
        };
        let failure = judged.failure();
        let step = member.step_of(key.node).map_or("", |step| step.id.as_str());
        let decision = lookup::held(Arc::clone(&judged.decision), Some((key.transaction, step)), control, work.now);
        #[cfg(feature = "sabotage")]
        let decision = self.sabotage_held(decision, &judged.decision);
        observe(&judged.bundle, action, &decision, work);
        if !decision.is_permit() {
            return Ok(denied(decision, failure));
        }
        if let Some(why) = unmet(&decision, Deed::Emitted).filter(|_| matches!(offer.call, Call::Emit { .. })) {
            return Ok(Permit::Denied(Some(decision), why, Failure::Denied));
        }
        if !self.may_go(key, &offer.input, &decision, work)? {
            return Ok(Permit::Held);
        }
        match self.count(key.transaction, &Basis::of(offer), &decision, control, work.now) {
            Counted::Fits(charges) => {
                let id = DecisionId::draw(work.now, &mut work.entropy);
                overrides::used(&decision, id, &act, control, work);
                Ok(Permit::Granted(id, Some(decision), charges))
            }
            Counted::Waits(until) => {
                self.index.defer(key, until);
                Ok(Permit::Held)
            }
            Counted::Denied(why) => Ok(Permit::Denied(Some(decision), why, Failure::Denied)),
        }
    }

    fn dispatch(
        &mut self,
        key: ReadyKey,
        call: Option<(CallId, &Queue)>,
        offer: &Offer,
        (decision_id, decision, charges, actor): (DecisionId, Option<&Decision>, Vec<Charge>, PrincipalId),
        work: &mut Work,
    ) -> Result<(), Refusal> {
        let (id, node, phase) = (key.transaction, key.node, key.phase);
        let conditions = match decision {
            Some(decision) => demands::conditions_of(decision, charges),
            None => offer.conditions.clone(),
        };
        let deadline = work.now.plus(demands::timeout(offer.timeout, conditions.as_deref()));
        let input = demands::masked(&offer.input, conditions.as_deref());
        #[cfg(feature = "sabotage")]
        let (deadline, input) = (self.sabotage_deadline(deadline, offer, work.now), self.sabotage_input(input, offer));
        let outgoing =
            Outgoing { decision: decision_id, input: Arc::clone(&input), deadline, conditions: conditions.clone() };
        let attempt =
            self.run(id, Standing { actor, decision }, work, |member, cx| member.dispatch(node, phase, outgoing, cx))?;
        let state = self.members.get(&id).and_then(|member| member.state(node)).filter(|_| phase == Phase::Do);
        let attempt_of_round = attempt - state.map_or(0, |state| state.attempts_before);
        let waited = work.now.since(key.since);
        work.observe(Observation::Dispatched { phase, attempt: attempt_of_round, waited });
        let injected = self.members.get(&id).and_then(|member| member.injected(node, phase, attempt));
        if let Some(answer) = injected {
            // The worker that it was meant for keeps its credit, and has no part in how it ends.
            let fail = |member: &mut Transaction, cx: &mut Cx<'_>| member.answer(node, phase, attempt, answer, cx);
            return self.run(id, Standing::system(), work, fail).map(|_| ());
        }
        let Some((call, queue)) = call else {
            return self
                .run(id, Standing { actor, decision: None }, work, |member, cx| {
                    member.answer(node, phase, attempt, Answer::Completed(input), cx)
                })
                .map(|_| ());
        };
        let lease_key = LeaseKey { transaction: id, node, phase };
        let Some(task) = self.task(lease_key, queue, offer, (decision_id, input, conditions.as_deref())) else {
            return Err(Refusal::Missing(id));
        };
        let capability = self.capability(key, call, offer, work.now);
        debug_assert_eq!(
            capability.is_some(),
            offer.capability.is_some(),
            "what needs a key went to one that has none"
        );
        let task = Arc::new(Task { capability: capability.map(Box::new), ..task });
        let lease = Lease {
            worker: self.desk.worker(call).cloned(),
            version: self.desk.version(call),
            until: work.now.plus(self.config.lease),
            token: Some(task.token),
            task: Some(Arc::clone(&task)),
        };
        self.desk.set_lease(lease_key, lease);
        work.held.leases.push(lease_key);
        self.desk.deliver(call, queue, task);
        Ok(())
    }

    /// What the capability token of an attempt says that is out with who called. It is good for no longer than the
    /// attempt is.
    fn capability(&self, key: ReadyKey, call: CallId, offer: &Offer, now: Timestamp) -> Option<Capability> {
        let terms = offer.capability.as_ref()?;
        let member = self.members.get(&key.transaction)?;
        let (_, deadline) = member.dispatched(key.node, key.phase)?;
        let state = member.state(key.node)?;
        let input = match key.phase {
            Phase::Do => state.input?,
            Phase::Undo | Phase::Confirm => state.undo.input?,
        };
        Some(Capability {
            principal: member.head().beginning.principal,
            input,
            action: terms.action.clone(),
            resource: resource_of(member, key.node, terms.resource.as_ref()).entity,
            purpose: terms.purpose.clone(),
            budget: terms.budget,
            worker: self.desk.worker(call)?.principal,
            key: self.desk.key(call)?,
            expires_at: now.plus(terms.lifetime).min(deadline),
        })
    }

    /// The task of an attempt that is out.
    fn task(
        &self,
        key: LeaseKey,
        queue: &Queue,
        offer: &Offer,
        (decision, handed, conditions): (DecisionId, Arc<Document>, Option<&Conditions>),
    ) -> Option<Task> {
        let member = self.members.get(&key.transaction)?;
        let (attempt, deadline) = member.dispatched(key.node, key.phase)?;
        let state = member.state(key.node)?;
        let input = match key.phase {
            Phase::Do => state.input?,
            Phase::Undo | Phase::Confirm => state.undo.input?,
        };
        let attempt_ref = AttemptRef::of(key.transaction, key.node, key.phase, attempt);
        let http = match &offer.call {
            Call::Http(request) => Some(request.clone()),
            Call::Worker(_) | Call::Noop | Call::Child(_) | Call::Decide { .. } | Call::Emit { .. } => None,
        };
        Some(Task {
            token: self.config.token_key.issue(&self.control.as_ref()?.tenant.tenant, attempt_ref, &input),
            queue: queue.clone(),
            transaction: key.transaction,
            step: member.step_of(key.node)?.id.clone(),
            index: key.node.index(),
            phase: key.phase,
            attempt,
            input: handed,
            limits: conditions.map(|conditions| conditions.limits.clone()).unwrap_or_default(),
            idempotency_key: offer.idempotency_key.clone(),
            forward_key: offer.forward_key.clone(),
            forward_unknown: offer.forward_unknown,
            decision,
            deadline,
            traceparent: member.head().beginning.traceparent.clone(),
            headers: member.head().beginning.headers.clone(),
            http,
            capability: None,
        })
    }

    pub(super) fn decide(&mut self, reply: ReplyTo, question: &Question, control: &Control, work: &mut Work) {
        let mut decided = Vec::with_capacity(question.requests.len());
        for request in &question.requests {
            let id = DecisionId::draw(work.now, &mut work.entropy);
            let summary = match &control.bundle {
                Some(bundle) => {
                    let decision = match control.stops.about(request) {
                        Some(stop) => Arc::new(stop.decision(bundle.digest(), request)),
                        None => self.decisions.judge(bundle, (control, None), |_| request.clone(), work),
                    };
                    let decision = lookup::told(decision, control);
                    let (decision, lack) = match lookup::cited(&decision, None, control, work.now) {
                        Ok(cited) => (cited.map_or(decision, Arc::new), None),
                        Err(reason) => (decision, Some(reason.text)),
                    };
                    let unmet = unmet(&decision, Deed::Asked).or(lack);
                    recorded(question.actor, id, (bundle, &request.action), (&decision, unmet), work)
                }
                None => refused(question.actor, id, NO_BUNDLE, work),
            };
            let is_last = question.until.is_reached(summary.is_unconditional());
            decided.push(Arc::new(summary));
            if is_last {
                break;
            }
        }
        work.reply(reply, Ok(Response::Decided(decided)));
    }

    /// Records a call that the role bundle refused.
    pub(super) fn deny_call(reply: ReplyTo, denial: &Denial, work: &mut Work) {
        let id = DecisionId::draw(work.now, &mut work.entropy);
        let payload = Payload::new().text("call", &denial.action).serialize("reasons", &denial.reasons);
        let seq = work.write_decision(denial.actor, id, None, payload);
        work.reply(reply, Ok(Response::Done { seq: Some(seq) }));
    }
}

fn begin(
    start: &Start,
    decision: DecisionId,
    (bundle, settings): (Digest, &Arc<Settings>),
    work: &Work,
) -> Transaction {
    let beginning = Beginning {
        id: start.id,
        definition: start.definition.name.clone(),
        version: start.definition.version,
        version_asked: start.version_asked,
        digest: start.definition.digest,
        fork: None,
        headers: start.headers.clone(),
        principal: start.actor,
        bundle,
        idempotency_key: start.idempotency_key.clone(),
        business_key: start.business_key.clone(),
        labels: start.labels.clone(),
        parent: None,
        settings: settings.version(),
        traceparent: start.traceparent.clone(),
        start_at: start.start_at,
        taint: Classes::new(),
        faults: start.faults.clone(),
    };
    let given = Given { input: Arc::clone(&start.input), settings: Arc::clone(settings) };
    Transaction::begin(Arc::clone(&start.definition), Arc::new(beginning), given, decision, work.now, work.seq())
}

/// The keyed hash of a key: an idempotency key counts within its business key.
pub(crate) fn key_hash(hash_key: &[u8; 32], scope: KeyScope, business: &str, key: &str) -> [u8; 32] {
    let scope = match scope {
        KeyScope::Start => 1,
        KeyScope::Business => 2,
        KeyScope::Fork => 3,
    };
    let business_len = u64::try_from(business.len()).unwrap_or(u64::MAX).to_be_bytes();
    hmac_sha256(hash_key, &[&[scope], &business_len, business.as_bytes(), key.as_bytes()])
}

/// What tells one request under an idempotency key from another.
pub(crate) fn request_hash(
    hash_key: &[u8; 32],
    (definition, version_asked): (&Name, Option<u32>),
    (labels, start_at, faults, headers): (&BTreeMap<String, String>, Option<Timestamp>, &[Fault], &Headers),
    input: &Document,
) -> [u8; 32] {
    let version = version_asked.map_or(Value::Null, Value::from);
    let object = |texts: &BTreeMap<String, String>| -> Value {
        texts.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect()
    };
    let mut head = vec![Value::from(definition.as_str()), version, object(labels)];
    // What is not said is not hashed, so that requests of before there was such a time are the same still.
    head.extend(start_at.map(|at| Value::from(at.as_micros())));
    // A list, which no time is.
    let faults = Some(faults).filter(|faults| !faults.is_empty());
    head.extend(faults.map(|faults| serde_json::to_value(faults).unwrap_or_default()));
    // An object, which neither is.
    head.extend((!headers.is_empty()).then(|| object(headers.as_map())));
    let head = json::canonical(&Value::from(head));
    // Canonical JSON ends where it ends: an array and a value after it can be read in one way only.
    hmac_sha256(hash_key, &[&head, input.canonical().as_bytes()])
}

/// Counts a decision. A caller may ask about any action: only those that the bundle declares become labels.
pub(super) fn observe(bundle: &Bundle, action: &str, decision: &Decision, work: &mut Work) {
    let (permitted, errors) = (decision.is_permit(), decision.errors.len());
    let action = if bundle.declares(action) { action } else { "undeclared" };
    work.observe(Observation::Decided { action: action.to_owned(), permitted, errors });
}

/// Records a decision about a start or a question, and why what it permits can't be done all the same.
fn recorded(
    actor: PrincipalId,
    id: DecisionId,
    (bundle, action): (&Bundle, &str),
    (decision, unmet): (&Decision, Option<String>),
    work: &mut Work,
) -> DecisionSummary {
    let payload = Payload::new().canonical("decision", decision.payload());
    let seq = work.write_decision(actor, id, Some(decision), payload);
    observe(bundle, action, decision, work);
    DecisionSummary::of(id, decision, unmet, seq)
}

/// Records a denial that no bundle could be asked about.
pub(super) fn refused(actor: PrincipalId, id: DecisionId, why: &str, work: &mut Work) -> DecisionSummary {
    refused_for(actor, id, Reason { policy: None, effect: None, text: why.to_owned() }, work)
}

/// The same, for a reason that is known.
pub(super) fn refused_for(actor: PrincipalId, id: DecisionId, reason: Reason, work: &mut Work) -> DecisionSummary {
    let reasons = vec![reason];
    let seq = work.write_decision(actor, id, None, Payload::new().serialize("reasons", &reasons));
    DecisionSummary {
        id,
        permitted: false,
        reasons,
        obligations: Vec::new(),
        would_deny: false,
        overridden: None,
        risk: None,
        shadow: None,
        bundle: None,
        seq,
    }
}

/// What a step does, to whoever answers for it.
pub(super) fn act_of(member: &Transaction, node: NodeRef) -> Act {
    let step = member.step_of(node).map_or_else(String::new, |step| node.name(&step.id));
    Act { transaction: member.head().beginning.id, step: Some(step) }
}

/// What policy is asked about a start.
pub(super) fn start_request(beginning: &Beginning, context: Map<String, Value>) -> Request {
    Request {
        principal: beginning.principal.into(),
        action: START.to_owned(),
        resource: ResourceRef::new("Definition", beginning.definition.as_str()),
        context,
        irreversible: false,
    }
}

/// The same with what a bundle's schema declares of the data of a transaction that begins.
pub(super) fn start_question(member: &Transaction, question: Request) -> impl Fn(&Bundle) -> Request {
    move |bundle| {
        let mut question = question.clone();
        let definition = member.definition();
        let (classes, purpose) = (&definition.classes, definition.purpose.as_ref());
        add_data((bundle, START), classes, || member.taint(), purpose, &mut question.context);
        question
    }
}

/// The resource that a step's decision is about.
pub(crate) fn resource_of(member: &Transaction, node: NodeRef, named: Option<&Resource>) -> ResourceRef {
    let definition = member.definition();
    match named {
        Some(resource) => ResourceRef {
            entity: EntityRef::new(&resource.resource_type, &resource.id),
            attributes: resource.attributes.clone(),
            parents: Vec::new(),
        },
        None => {
            let step = member.step_of(node).map_or("", |step| step.id.as_str());
            ResourceRef {
                parents: vec![EntityRef::new("Definition", definition.name.as_str())],
                ..ResourceRef::new("Step", format!("{}/{step}", definition.name))
            }
        }
    }
}

/// A denial, and why.
fn denied(decision: impl Into<Arc<Decision>>, failure: Failure) -> Permit {
    let decision = decision.into();
    let why = decision.explanation();
    Permit::Denied(Some(decision), why, failure)
}

/// What the platform says of an attempt, where the bundle's schema declares it.
pub(crate) fn add_built_ins(
    bundle: &Bundle,
    action: &str,
    member: &Transaction,
    node: NodeRef,
    worker: Option<PrincipalId>,
    context: &mut Map<String, Value>,
) {
    let attempt = member.state(node).map_or(0, |state| state.attempts) + 1;
    let built_ins = [
        ("attempt", Some(Value::from(attempt))),
        ("index", node.index().map(Value::from)),
        ("transaction", Some(Value::from(member.id().to_string()))),
        ("worker", worker.map(|worker| Value::from(worker.to_string()))),
    ];
    let declared = built_ins.into_iter().filter(|(name, _)| bundle.context_declares(action, name));
    context.extend(declared.filter_map(|(name, value)| Some((name.to_owned(), value?))));
    add_data_of_step((bundle, action), (member, node), context);
}
