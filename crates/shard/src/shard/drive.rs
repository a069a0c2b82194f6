//! Open transactions: what their drivers call. Each call is one entry at most, and its answer waits for that.

use super::budgets::{Basis, Counted};
use super::demands::{Deed, approvals_of, conditions_of, timeout, unmet};
use super::dispatch::{BUNDLE_LOST, Standing, observe};
use super::judge::{Under, add_data};
use super::lookup;
use super::work::Work;
use super::{Control, Shard, overrides, stops};
use crate::input::{
    Asking, DecisionSummary, Drive, Driven, Driving, Heard, Permit, RecordedStep, Refusal, ReplyTo, Report, Response,
    Resumed, Stepped,
};
use crate::over::Act;
use crate::stop::StopOn;
use crate::token::AttemptRef;
use chancery_base::{DecisionId, Document, Name, PrincipalId, TransactionId};
use chancery_engine::{Asked, Charge, Gate, Intent, NodeRef, Outgoing, Phase, Transaction};
use chancery_policy::{Bundle, EntityRef, Request, ResourceRef};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Whether an attempt of a driver's step begins.
enum Go {
    /// It does, and this is counted for it.
    Begins(Vec<Charge>),
    /// Not now.
    Held(Stepped),
    /// It is denied; where policy permits it, why.
    Denied(Option<String>),
}

impl Shard {
    pub(super) fn drive(&mut self, reply: ReplyTo, drive: &Drive, control: &Control, work: &mut Work) {
        let entries = work.entries.len();
        let answer = self.try_drive(drive, control, work);
        // What was said without an entry is what memory says.
        work.rests_on_memory |= work.entries.len() == entries;
        work.reply(reply, answer.map(|driven| Response::Driven(Box::new(driven))));
    }

    fn try_drive(&mut self, drive: &Drive, control: &Control, work: &mut Work) -> Result<Driven, Refusal> {
        let (id, actor) = (drive.id, drive.actor);
        self.pass_time_of(id, work)?;
        self.may_drive(drive, control, work)?;
        let standing = Standing { actor, decision: None };
        match &drive.driving {
            Driving::Step { driver, intent, input } => {
                self.ask_step(id, actor, (*driver, intent, input), control, work).map(Driven::Stepped)
            }
            Driving::Outcome { step, report } => self.outcome(id, actor, step, report, control, work),
            Driving::Commit { driver, output } => {
                let output = Arc::clone(output);
                self.run(id, standing, work, |member, cx| member.commit(*driver, output, cx))?;
                Ok(Driven::Settled)
            }
            Driving::Abort { driver, reason } => {
                let reason = reason.clone();
                self.run(id, standing, work, |member, cx| member.abort(*driver, reason, cx))?;
                Ok(Driven::Settled)
            }
            Driving::Resume => {
                let driver = self.run(id, standing, work, Transaction::resume)?;
                let heard = self.heard(id, driver)?;
                let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
                let steps = member.nodes().filter_map(|(node, state)| {
                    let step = member.step_of(node)?.id.clone();
                    Some(RecordedStep { step, status: state.status, attempts: state.attempts })
                });
                Ok(Driven::Resumed(Resumed { heard, steps: steps.collect() }))
            }
            Driving::Heartbeat { driver } => {
                self.run(id, standing, work, |member, cx| member.heartbeat(*driver, cx))?;
                self.heard(id, *driver).map(Driven::Heard)
            }
        }
    }

    /// A principal that is stopped takes over and completes nothing; what it has out comes in, and it may undo.
    fn may_drive(&self, drive: &Drive, control: &Control, work: &mut Work) -> Result<(), Refusal> {
        let is_stopped = match &drive.driving {
            Driving::Commit { .. } | Driving::Resume => control.stops.on(&StopOn::Principal(drive.actor)),
            // A step is asked for below, and denied there.
            Driving::Step { .. } | Driving::Outcome { .. } | Driving::Abort { .. } | Driving::Heartbeat { .. } => None,
        };
        is_stopped.map_or(Ok(()), |stop| Err(stops::refuse(drive.actor, stop, work)))
    }

    /// What time has done to it by now, whether or not anybody looked: a call that comes too late is too late.
    pub(super) fn pass_time_of(&mut self, id: TransactionId, work: &mut Work) -> Result<(), Refusal> {
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        if member.wake_at().is_some_and(|at| at <= work.now) {
            self.run(id, Standing::system(), work, Transaction::time_out)?;
        }
        Ok(())
    }

    fn heard(&self, id: TransactionId, driver: u32) -> Result<Heard, Refusal> {
        let member = self.members.get(&id);
        let found = member.and_then(|member| Some((member.lost_at()?, member.definition().frame.as_ref()?.grace)));
        let (lost_at, grace) = found.ok_or(Refusal::Missing(id))?;
        Ok(Heard { driver, lost_at, grace })
    }

    fn ask_step(
        &mut self,
        id: TransactionId,
        actor: PrincipalId,
        (driver, intent, input): (u32, &Arc<Intent>, &Arc<Document>),
        control: &Control,
        work: &mut Work,
    ) -> Result<Stepped, Refusal> {
        let standing = Standing { actor, decision: None };
        let asked = self.run(id, standing, work, |member, cx| member.ask_step(driver, intent, input, cx))?;
        let (node, is_out) = match asked {
            Asked::Completed(output) => return Ok(Stepped::Completed(output)),
            Asked::Waits(node) => return self.asking(id, node).map(Stepped::Asked),
            Asked::Refused(node) => return self.asking(id, node).map(Stepped::Refused),
            Asked::Out(node) => (node, true),
            Asked::Attempt(node) => (node, false),
        };
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        // What was recorded with the first attempt stands.
        let intent = Arc::clone(member.intent(node).unwrap_or(intent));
        let stop = self.stop_on(member, intent.action.as_str(), control);
        let stop = stop.or_else(|| control.stops.on(&StopOn::Principal(actor)));
        if is_out {
            // What is out goes out no second time while it is stopped.
            return match stop {
                Some(stop) => Err(stops::refuse(actor, stop, work)),
                None => self.permit_of(id, (node, false), control).map(Stepped::Permitted),
            };
        }
        let act = Act { transaction: id, step: Some(intent.step.to_string()) };
        let ask = |bundle: &Bundle| request(bundle, member, (node, &intent, input), actor);
        let lost = || Refusal::Unavailable(BUNDLE_LOST.to_owned());
        let (bundle, decision) = match stop {
            Some(stop) => {
                let bundle = self.bundles.get(&member.head().beginning.bundle).and_then(Clone::clone);
                let bundle = bundle.ok_or_else(lost)?;
                let decision = stop.decision(bundle.digest(), &ask(&bundle));
                (bundle, Arc::new(decision))
            }
            None => {
                let under = Under::of(member, &self.bundles, control);
                let judged =
                    self.decisions.judge_in_flight(under, (control, Some(&act)), ask, work).ok_or_else(lost)?;
                (judged.bundle, judged.decision)
            }
        };
        let decision = lookup::held(decision, Some((id, intent.step.as_str())), control, work.now);
        observe(&bundle, intent.action.as_str(), &decision, work);
        let standing = Standing { actor, decision: Some(&*decision) };
        match self.may_begin((id, node), (&intent, input), standing, control, work)? {
            Go::Held(stepped) => Ok(stepped),
            Go::Begins(charges) => {
                let decision_id = DecisionId::draw(work.now, &mut work.entropy);
                let conditions = conditions_of(&decision, charges);
                let deadline = work.now.plus(timeout(intent.timeout(), conditions.as_deref()));
                let outgoing = Outgoing { decision: decision_id, input: Arc::clone(input), deadline, conditions };
                overrides::used(&decision, decision_id, &act, control, work);
                self.run(id, standing, work, |member, cx| member.permit(node, &intent, outgoing, cx))?;
                self.permit_of(id, (node, true), control).map(Stepped::Permitted)
            }
            Go::Denied(unmet) => {
                let (decision_id, seq) = (DecisionId::draw(work.now, &mut work.entropy), work.seq());
                let input = Arc::clone(input);
                self.run(id, standing, work, |member, cx| member.deny_step(intent, input, decision_id, cx))?;
                Ok(Stepped::Denied(Arc::new(DecisionSummary::of(decision_id, &decision, unmet, seq))))
            }
        }
    }

    /// Whether what policy says lets an attempt begin now: where people are to be asked first they are.
    fn may_begin(
        &mut self,
        (id, node): (TransactionId, NodeRef),
        (intent, input): (&Arc<Intent>, &Arc<Document>),
        standing: Standing<'_>,
        control: &Control,
        work: &mut Work,
    ) -> Result<Go, Refusal> {
        let Some(decision) = standing.decision.filter(|decision| decision.is_permit()) else {
            return Ok(Go::Denied(None));
        };
        if let Some(unmet) = unmet(decision, Deed::Driven) {
            return Ok(Go::Denied(Some(unmet)));
        }
        let demands: Vec<_> = approvals_of(decision).collect();
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        if let Gate::Shut(demand) = member.gate(node, &demands, &input.digest()) {
            let input = Arc::clone(input);
            self.run(id, standing, work, |member, cx| member.ask_for_step(node, intent, demand, input, cx))?;
            return self.asking(id, node).map(Stepped::Asked).map(Go::Held);
        }
        let resource = intent.resource.as_ref().map(|resource| &resource.attributes);
        let basis = Basis { context: None, resource, input, returned: member.left(node) };
        Ok(match self.count(id, &basis, decision, control, work.now) {
            Counted::Fits(charges) => Go::Begins(charges),
            Counted::Waits(until) => Go::Held(Stepped::Later(until)),
            Counted::Denied(why) => Go::Denied(Some(why)),
        })
    }

    /// The request that a driver's step waits for, or by which it is refused.
    fn asking(&self, id: TransactionId, node: NodeRef) -> Result<Asking, Refusal> {
        let state = self.members.get(&id).and_then(|member| member.state(node)).ok_or(Refusal::Missing(id))?;
        let request = state.requests.last().ok_or(Refusal::Missing(id))?;
        let refusal = state.error.as_ref().filter(|_| state.is_refused()).map(|error| error.message.clone());
        Ok(Asking { id: request.id, status: request.status, due_at: request.due_at, refusal })
    }

    /// The permit of the attempt that is out.
    fn permit_of(
        &self,
        id: TransactionId,
        (node, is_new): (NodeRef, bool),
        control: &Control,
    ) -> Result<Permit, Refusal> {
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        let found = member.dispatched(node, Phase::Do).zip(member.state(node));
        let found = found.and_then(|(out, state)| Some((out, state, state.input?, state.decision?)));
        let ((attempt, deadline), state, input, decision) = found.ok_or(Refusal::Missing(id))?;
        let attempt_ref = AttemptRef::of(id, node, Phase::Do, attempt);
        Ok(Permit {
            token: self.config.token_key.issue(&control.tenant.tenant, attempt_ref, &input),
            attempt,
            is_new,
            idempotency_key: member.step_key(node),
            unknown: state.unknown,
            decision,
            deadline,
            limits: state.conditions.as_ref().map(|conditions| conditions.limits.clone()).unwrap_or_default(),
        })
    }

    fn outcome(
        &mut self,
        id: TransactionId,
        actor: PrincipalId,
        step: &Name,
        report: &Report,
        control: &Control,
        work: &mut Work,
    ) -> Result<Driven, Refusal> {
        let attempt = report.task.attempt;
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        if !member.is_driven() {
            let refusal = chancery_engine::OpenRefusal::NotOpen("say what came of a step of");
            return Err(Refusal::Illegal(refusal.into()));
        }
        let node = member.find(step.as_str()).filter(|node| attempt.transaction == id && attempt.node() == *node);
        let is_its = node.is_some() && attempt.phase == Phase::Do && self.is_genuine(&report.task, control);
        if !is_its {
            return Err(Refusal::NotFound(format!("task of step `{step}` with this token")));
        }
        Ok(Driven::Acknowledged(self.take_report(actor, report, work)))
    }
}

/// What policy is asked about a step. Of its context everything is the platform's own word.
fn request(
    bundle: &Bundle,
    member: &Transaction,
    (node, intent, input): (NodeRef, &Intent, &Document),
    actor: PrincipalId,
) -> Request {
    let definition = member.definition();
    let resource = match &intent.resource {
        Some(resource) => ResourceRef {
            entity: EntityRef::new(&resource.resource_type, &resource.id),
            attributes: resource.attributes.clone(),
            parents: Vec::new(),
        },
        None => ResourceRef {
            parents: vec![EntityRef::new("Definition", definition.name.as_str())],
            ..ResourceRef::new("Step", format!("{}/{}", definition.name, intent.step))
        },
    };
    let action = intent.action.as_str();
    let attempt = member.state(node).map_or(0, |state| state.attempts) + 1;
    let built_ins = [
        ("attempt", Value::from(attempt)),
        ("input", input.value().clone()),
        ("transaction", Value::from(member.id().to_string())),
        ("worker", Value::from(actor.to_string())),
    ];
    let mut context: Map<String, Value> = built_ins
        .into_iter()
        .filter(|(name, _)| bundle.context_declares(action, name))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let (classes, purpose) = (&intent.classes, intent.purpose.as_ref().or(definition.purpose.as_ref()));
    add_data((bundle, action), classes, || &member.taint() | classes, purpose, &mut context);
    Request {
        principal: member.head().beginning.principal.into(),
        action: action.to_owned(),
        resource,
        context,
        irreversible: intent.undo.is_none(),
    }
}
