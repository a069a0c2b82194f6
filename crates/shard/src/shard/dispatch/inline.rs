//! What the shard carries out itself: questions for policy whose answers are data, and events. Both are done in the
//! entry that records them; nobody is called.

use super::{BUNDLE_LOST, Permit, Standing, add_built_ins, observe};
use crate::input::Refusal;
use crate::shard::demands;
use crate::shard::index::{Place, ReadyKey};
use crate::shard::judge::{Judgement, Under};
use crate::shard::lookup;
use crate::shard::work::Work;
use crate::shard::{Control, Shard};
use chancery_base::{DecisionId, Document, EventId, EventType, PrincipalId};
use chancery_engine::{Authorization, Call, Deed, Emission, Failure, Offer, StepError, Transaction};
use chancery_policy::{Action, Bundle, Decision, EntityRef, Obligation, Outcome, Reason, Request, ResourceRef};
use serde_json::{Value, json};
use std::sync::Arc;

/// Why a question can't be put.
type Unput = StepError;

impl Shard {
    /// Carries out what is ready, in its turn; whether anything was. A batch that is full takes no more of it: the rest
    /// is the next one's.
    pub(super) fn carry_out_inline(&mut self, control: &Control, work: &mut Work) -> bool {
        let mut progress = false;
        while !work.is_full()
            && let Some(key) = self.index.next(&Place::Inline)
        {
            progress = true;
            self.index.take_turn(&Place::Inline);
            if let Err(refusal) = self.carry_out_one(key, control, work) {
                debug_assert!(false, "{refusal}");
                self.index.remove(key.transaction);
            }
        }
        progress
    }

    fn carry_out_one(&mut self, key: ReadyKey, control: &Control, work: &mut Work) -> Result<(), Refusal> {
        let member = self.members.get(&key.transaction).ok_or(Refusal::Missing(key.transaction))?;
        let offer = match member.offer(key.node, key.phase) {
            Ok(offer) => offer,
            Err(err) => return self.refuse_inline(key, err, work),
        };
        match &offer.call {
            Call::Decide { principal } => self.answer_question(key, &offer, *principal, control, work),
            Call::Emit { event_type, subject } => {
                let (event_type, subject) = (event_type.clone(), subject.clone());
                self.emit_event(key, &offer, (event_type, subject), control, work)
            }
            Call::Worker(_) | Call::Http(_) | Call::Noop | Call::Child(_) => {
                Err(Refusal::Invalid("a call is not carried out here".to_owned()))
            }
        }
    }

    fn refuse_inline(&mut self, key: ReadyKey, error: StepError, work: &mut Work) -> Result<(), Refusal> {
        let (node, phase) = (key.node, key.phase);
        self.run(key.transaction, Standing::system(), work, |member, cx| member.refuse(node, phase, error, cx))
    }

    /// Emits an event, if policy permits: that it does is in the event's own entry.
    fn emit_event(
        &mut self,
        key: ReadyKey,
        offer: &Offer,
        (event_type, subject): (EventType, Option<String>),
        control: &Control,
        work: &mut Work,
    ) -> Result<(), Refusal> {
        let (id, node, phase) = (key.transaction, key.node, key.phase);
        let (decision_id, decision) = match self.permit(key, offer, None, control, work)? {
            // INVARIANT: what is counted is not permitted of an event.
            Permit::Granted(id, decision, _) => (id, decision),
            Permit::Held => return Ok(()),
            Permit::Denied(decision, why, failure) => {
                let denial = (DecisionId::draw(work.now, &mut work.entropy), failure);
                let standing = Standing { decision: decision.as_deref(), ..Standing::system() };
                return self.run(id, standing, work, |member, cx| member.deny(node, denial, why, cx));
            }
        };
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        let step = member.step_of(node).map_or_else(String::new, |step| node.name(&step.id));
        let emission = Emission {
            definition: member.head().beginning.definition.clone(),
            id: EventId::draw(work.now, &mut work.entropy),
            step,
            subject,
            taint: member.taint_at(node),
            event_type,
        };
        let output = Document::shared(json!({ "id": emission.id.to_string() }));
        // What undoes a step goes out under the conditions of the step.
        let conditions = match &decision {
            Some(decision) => demands::conditions_of(decision, Vec::new()),
            None => offer.conditions.clone(),
        };
        let deed = Deed::Emitted(emission, demands::masked(&offer.input, conditions.as_deref()), conditions);
        let standing = Standing { decision: decision.as_deref(), ..Standing::system() };
        self.run(id, standing, work, |member, cx| member.carry_out(node, phase, decision_id, deed, output, cx))
    }

    /// Has policy answer a question. A no is an answer; what is no question fails the step.
    fn answer_question(
        &mut self,
        key: ReadyKey,
        offer: &Offer,
        about: Option<PrincipalId>,
        control: &Control,
        work: &mut Work,
    ) -> Result<(), Refusal> {
        let (id, node, phase) = (key.transaction, key.node, key.phase);
        let member = self.members.get(&id).ok_or(Refusal::Missing(id))?;
        if let Some(stop) = self.stop_of(member, control) {
            // It is the step that is denied: there is no answer.
            let denial = (DecisionId::draw(work.now, &mut work.entropy), Failure::Denied);
            let request = question(member, about, offer).ok_or(Refusal::Missing(id))?;
            let decision = stop.decision(member.head().beginning.bundle, &request);
            let why = decision.explanation();
            let standing = Standing { decision: Some(&decision), ..Standing::system() };
            return self.run(id, standing, work, |member, cx| member.deny(node, denial, why, cx));
        }
        let decision = match self.ask(key, offer, about, control, work) {
            Ok(decision) => decision,
            Err(unput) => return self.refuse_inline(key, unput, work),
        };
        let decision_id = DecisionId::draw(work.now, &mut work.entropy);
        let output = Document::shared(answer(decision_id, &decision));
        let bytes = u64::try_from(decision.payload().len()).unwrap_or(u64::MAX);
        let deed = Deed::Answered { permitted: may_be_done(&decision), bytes };
        let standing = Standing { decision: Some(&*decision), ..Standing::system() };
        self.run(id, standing, work, |member, cx| member.carry_out(node, phase, decision_id, deed, output, cx))
    }

    fn ask(
        &mut self,
        key: ReadyKey,
        offer: &Offer,
        about: Option<PrincipalId>,
        control: &Control,
        work: &mut Work,
    ) -> Result<Arc<Decision>, Unput> {
        let unput = |why: String| StepError::fatal(StepError::BAD_QUESTION, why);
        let member = self.members.get(&key.transaction).ok_or_else(|| unput(format!("{} is gone", key.transaction)))?;
        let beginning = &member.head().beginning;
        let request = question(member, about, offer).ok_or_else(|| unput("the step asks nothing".to_owned()))?;
        self.may_ask_about(about.unwrap_or(beginning.principal), beginning.principal, control)?;
        if let Some(stop) = control.stops.about(&request) {
            return Ok(Arc::new(stop.decision(beginning.bundle, &request)));
        }
        let ask = |bundle: &Bundle| {
            let mut request = request.clone();
            add_built_ins(bundle, &request.action, member, key.node, None, &mut request.context);
            request
        };
        let under = Under::of(member, &self.bundles, control);
        let judged = self.decisions.judge_in_flight(under, (control, None), ask, work);
        let Judgement { bundle, decision, .. } = judged.ok_or_else(|| unput(BUNDLE_LOST.to_owned()))?;
        let step = member.step_of(key.node).map_or("", |step| step.id.as_str());
        let decision = lookup::held(decision, Some((key.transaction, step)), control, work.now);
        if decision.misfit {
            return Err(unput(decision.explanation()));
        }
        observe(&bundle, &request.action, &decision, work);
        Ok(decision)
    }

    /// What somebody may do is told to who may look at them, as by a call: the starter's roles say so. Of oneself one
    /// may always ask.
    fn may_ask_about(&self, about: PrincipalId, starter: PrincipalId, control: &Control) -> Result<(), Unput> {
        let Some(access) = self.config.access.as_ref().filter(|_| about != starter) else { return Ok(()) };
        let denied = match control.directory.principal(&starter) {
            Some(principal) => access.authorize(principal, &control.tenant.tenant, Action::PrincipalRead, None).err(),
            None => return Err(StepError::fatal(StepError::POLICY_DENIED, format!("{starter} is unknown"))),
        };
        denied.map_or(Ok(()), |denied| {
            let message = format!("asking what {about} may do takes the right to look at it: {denied}");
            Err(StepError::fatal(StepError::POLICY_DENIED, message))
        })
    }
}

/// What a step asks, without what the platform says of the attempt; none where it asks nothing.
fn question(member: &Transaction, about: Option<PrincipalId>, offer: &Offer) -> Option<Request> {
    let Authorization::Ask { action, resource: Some(resource), context } = &offer.authorization else { return None };
    Some(Request {
        principal: about.unwrap_or(member.head().beginning.principal).into(),
        action: action.clone(),
        resource: ResourceRef {
            entity: EntityRef::new(&resource.resource_type, &resource.id),
            attributes: resource.attributes.clone(),
            parents: Vec::new(),
        },
        context: context.clone(),
        irreversible: false,
    })
}

/// Whether what was asked about may be done now: what people have to approve first may not.
fn may_be_done(decision: &Decision) -> bool {
    decision.is_permit() && demands::unmet(decision, demands::Deed::Asked).is_none()
}

/// What a step sees of an answer.
fn answer(id: DecisionId, decision: &Decision) -> Value {
    let reasons: Vec<&str> = decision.reasons.iter().filter_map(|Reason { policy, .. }| policy.as_deref()).collect();
    let word = if may_be_done(decision) { Outcome::Permit.word() } else { Outcome::Deny.word() };
    let obligations: Vec<Value> = decision.obligations.iter().map(Obligation::to_json).collect();
    if obligations.is_empty() {
        return json!({ "decision": word, "id": id.to_string(), "reasons": reasons });
    }
    json!({ "decision": word, "id": id.to_string(), "obligations": obligations, "reasons": reasons })
}
