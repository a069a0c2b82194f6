//! Requests to people: steps that run one, and steps that are not handed out before one is answered. Both wait for
//! people as a step waits for its time, and what people say is an event like any other.

use super::active::Class;
use super::apply::IllegalEvent;
use super::command::Refusal;
use super::offer::bounded;
use super::{Cx, Transaction};
use crate::event::{Event, Failure, StepError};
use crate::node::NodeRef;
use crate::request::{
    Acknowledgement, Deferral, Delegation, Demand, Gate, Opener, Person, RequestAnswer, RequestFact, RequestRefusal,
    RequestState, RequestStatus, RequestTerms, Requested, Say, sla_of,
};
use crate::status::{Phase, Status, StepStatus};
use chancery_base::limits::{REQUEST_OPEN_MAX, REQUEST_TURNS_MAX, REQUESTS_A_STEP_MAX};
use chancery_base::{Digest, Document, PrincipalId, RequestId, Timestamp};
use serde_json::json;
use std::sync::Arc;

/// Which request of which step somebody speaks to.
pub type RequestAt = (NodeRef, RequestId);

impl Transaction {
    /// What its author has people approve before a ready step is handed out.
    ///
    /// # Errors
    /// [`StepError::BAD_EXPRESSION`] if an expression fails.
    pub fn demand(&self, node: NodeRef) -> Result<Option<Demand>, StepError> {
        let Some(step) = self.step_of(node).filter(|step| step.approval.is_some()) else { return Ok(None) };
        let ready_at = self.state(node).and_then(|state| state.ready_at);
        Ok(step.demand(&self.scope(node, step, ready_at))?)
    }

    /// How a ready step with this input stands to what is demanded of it, all of which has to be met. What people said
    /// of another step, another input or before somebody had the step tried again does not count.
    #[must_use]
    pub fn gate<'a>(&self, node: NodeRef, demands: &'a [Demand], input: &Digest) -> Gate<'a> {
        let requests = self.state(node).map(|state| state.requests.as_slice()).unwrap_or_default();
        Demand::gate(demands, requests, input)
    }

    /// Asks people before a ready step is handed out: it waits until they have answered. One that has asked as often as
    /// it may fails.
    ///
    /// # Errors
    /// If it is not ready.
    pub fn ask(
        &mut self,
        node: NodeRef,
        demand: &Demand,
        input: Arc<Document>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let asked = self.state(node).map_or(0, |state| state.requests.len());
        if asked >= REQUESTS_A_STEP_MAX {
            let message = format!("the step has asked people {asked} times, as often as one may");
            let error = StepError::fatal(StepError::TOO_MANY_REQUESTS, message);
            return self.fail(node, Phase::Do, Failure::Refused, error, cx);
        }
        let terms = self.terms_of(demand, &self.name_of(node), cx.now);
        self.open_request(node, (terms, input), None, cx)
    }

    /// What people are asked where a step demands something of them before it goes out.
    pub(super) fn terms_of(&self, demand: &Demand, step: &str, now: Timestamp) -> RequestTerms {
        let Demand { kind, approvers, role, sla, reason, risk, justification_min } = demand.clone();
        RequestTerms {
            approvers,
            due_at: now.plus(sla.unwrap_or_else(|| sla_of(risk)).min(REQUEST_OPEN_MAX)),
            justification_min,
            kind,
            reason,
            risk,
            role,
            title: format!("May step `{step}` of `{}` run?", self.definition.name),
            trigger: None,
        }
    }

    /// Has a ready step that runs a request open it.
    pub(super) fn begin_to_ask(&mut self, node: NodeRef, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if self.is_full() {
            let message = "the transaction has as many entries as one may have";
            let error = StepError::fatal(StepError::TOO_MANY_ENTRIES, message);
            return self.mark_failed(node, error, cx);
        }
        match self.what_to_ask(node, cx.now) {
            Ok((terms, input)) => self.open_request(node, (terms, Arc::new(input)), None, cx),
            Err(error) => self.mark_failed(node, error, cx),
        }
    }

    fn what_to_ask(&self, node: NodeRef, now: Timestamp) -> Result<(RequestTerms, Document), StepError> {
        let step = self.step_of(node).and_then(|step| Some((step, step.run.request()?)));
        let (step, ask) =
            step.ok_or_else(|| StepError::fatal(StepError::BAD_EXPRESSION, "the step asks nobody anything"))?;
        let ready_at = self.state(node).and_then(|state| state.ready_at);
        let scope = self.scope(node, step, ready_at);
        Ok((ask.terms(&scope, now)?, bounded(step.input(&scope)?, "with")?))
    }

    pub(super) fn open_request(
        &mut self,
        node: NodeRef,
        (terms, input): (RequestTerms, Arc<Document>),
        opener: Option<Box<Opener>>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let request = RequestId::of(cx.now, self.id(), self.head.entries);
        Ok(self.tell((node, request), RequestFact::Opened { terms, input, opener }, cx)?)
    }

    fn tell(&mut self, (node, request): RequestAt, fact: RequestFact, cx: &mut Cx<'_>) -> Result<(), IllegalEvent> {
        self.emit(Event::Requested(Box::new(Requested { node, request, fact })), cx)
    }

    /// The request that is spoken to, if this person may say something to it now.
    fn heard(&self, (node, request): RequestAt, person: Person<'_>, now: Timestamp) -> Result<&RequestState, Refusal> {
        let requests = self.state(node).map(|state| state.requests.as_slice()).unwrap_or_default();
        let found = requests.iter().find(|state| state.id == request).ok_or(RequestRefusal::Superseded)?;
        if let Some(refusal) = found.shuts_out_person(person, self.head.beginning.principal) {
            return Err(refusal.into());
        }
        if found.due_at <= now {
            return Err(RequestRefusal::Overdue(found.due_at).into());
        }
        if self.head.status != Status::Running {
            return Err(Refusal::Status { operation: "say something to a request of", status: self.head.status });
        }
        Ok(found)
    }

    /// Records that a person has seen a request. Said again it changes nothing.
    ///
    /// # Errors
    /// If they may not answer it.
    pub fn acknowledge(&mut self, at: RequestAt, person: Person<'_>, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if self.heard(at, person, cx.now)?.acknowledged.is_none() {
            self.tell(at, RequestFact::Acknowledged { by: person.id }, cx)?;
        }
        Ok(())
    }

    /// Records a person's answer, and what follows where it decides the request: the first no does, and so does the yes
    /// that makes as many as it takes.
    ///
    /// # Errors
    /// If they may not answer it, or say too little.
    pub fn answer_request(
        &mut self,
        at: RequestAt,
        person: Person<'_>,
        answer: Say,
        justification: String,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let found = self.heard(at, person, cx.now)?;
        said_enough(&justification, found)?;
        let decides = answer == Say::Denied || found.lacks_one();
        let (node, by, input) = (at.0, person.id, found.input);
        if answer == Say::Denied {
            let error = denied(found, by, &justification);
            self.tell(at, RequestFact::Answered { by, answer, input, justification, output: None }, cx)?;
            return self.fail(node, Phase::Do, Failure::RequestDenied, error, cx);
        }
        let gives = decides && self.runs_request(node);
        let output = gives.then(|| Arc::new(given(found, by, &justification, cx.now)));
        let unset = output.as_ref().and_then(|output| self.evaluate_set(node, Some(output.value()), cx.now).err());
        // An answer of which the step's variables can't be set is one all the same: the step fails after it.
        let output = output.filter(|_| unset.is_none());
        self.tell(at, RequestFact::Answered { by, answer, input, justification, output }, cx)?;
        match unset {
            Some(error) => self.fail(node, Phase::Do, Failure::Refused, error, cx),
            None => self.advance(cx),
        }
    }

    /// Puts a request off: from then on it may be answered until that time.
    ///
    /// # Errors
    /// If they may not answer it, say too little, or the time is past or too far away.
    pub fn defer_request(
        &mut self,
        at: RequestAt,
        person: Person<'_>,
        until: Timestamp,
        justification: String,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let found = self.heard(at, person, cx.now)?;
        said_enough(&justification, found)?;
        let latest = found.opened_at.plus(REQUEST_OPEN_MAX);
        if until <= cx.now || until > latest {
            return Err(RequestRefusal::Until { until, latest }.into());
        }
        if found.deferrals.len() >= REQUEST_TURNS_MAX {
            return Err(RequestRefusal::Turns { what: "put off", max: REQUEST_TURNS_MAX }.into());
        }
        Ok(self.tell(at, RequestFact::Deferred { by: person.id, until, justification }, cx)?)
    }

    /// Hands a person's say on to another, who answers in their place.
    ///
    /// # Errors
    /// If they may not answer it, say too little, or the other could not answer it either.
    pub fn delegate_request(
        &mut self,
        at: RequestAt,
        person: Person<'_>,
        to: PrincipalId,
        justification: String,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let found = self.heard(at, person, cx.now)?;
        said_enough(&justification, found)?;
        if let Some(refusal) = no_delegate(found, (person.id, to), self.head.beginning.principal) {
            return Err(refusal.into());
        }
        if found.delegations.len() >= REQUEST_TURNS_MAX {
            return Err(RequestRefusal::Turns { what: "handed on", max: REQUEST_TURNS_MAX }.into());
        }
        Ok(self.tell(at, RequestFact::Delegated { by: person.id, to, justification }, cx)?)
    }

    /// Says that a request is due soon, or has it expire: its time has come.
    pub(super) fn remind_or_expire(&mut self, node: NodeRef, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let Some(found) = self.state(node).and_then(|state| state.open_request()) else { return Ok(()) };
        let at = (node, found.id);
        if found.due_at > cx.now {
            return Ok(self.tell(at, RequestFact::DueSoon, cx)?);
        }
        let (due_at, yes, approvers) = (found.due_at, found.yes_count(), found.terms.approvers);
        let message = format!("{yes} of {approvers} had said yes by {due_at}, when the request was due");
        let error = StepError::fatal(StepError::REQUEST_EXPIRED, message);
        let error = StepError { detail: Some(Box::new(json!({ "request": at.1.to_string() }))), ..error };
        self.tell(at, RequestFact::Expired, cx)?;
        self.fail(node, Phase::Do, Failure::RequestExpired, error, cx)
    }

    /// Withdraws the requests of steps that wait no more: the transaction goes backward.
    pub(super) fn withdraw(&mut self, cx: &mut Cx<'_>) -> Result<(), IllegalEvent> {
        let asked: Vec<NodeRef> = self.active.all(Class::Asked).map(|(_, node)| node).collect();
        self.withdraw_from(&asked, cx)
    }

    /// Withdraws all requests: the transaction ends at once.
    pub(super) fn withdraw_all(&mut self, cx: &mut Cx<'_>) -> Result<(), IllegalEvent> {
        let waiting = self.active.all(Class::Waiting).map(|(_, node)| node);
        let asked: Vec<NodeRef> = waiting.filter(|node| self.asks(*node)).collect();
        self.withdraw_from(&asked, cx)
    }

    fn withdraw_from(&mut self, nodes: &[NodeRef], cx: &mut Cx<'_>) -> Result<(), IllegalEvent> {
        for node in nodes {
            let open = self.state(*node).and_then(|state| state.open_request()).map(|request| request.id);
            if let Some(request) = open {
                self.tell((*node, request), RequestFact::Withdrawn, cx)?;
            }
        }
        Ok(())
    }

    /// Whether a step waits for people.
    pub(super) fn asks(&self, node: NodeRef) -> bool {
        let waits = self.state(node).filter(|state| state.status == StepStatus::Waiting);
        waits.is_some_and(|state| state.open_request().is_some())
    }

    /// Whether any request of it is open.
    pub(super) fn is_asking(&self) -> bool {
        let mut waiting = self.active.all(Class::Waiting);
        self.active.any(&[Class::Asked]) || waiting.any(|(_, node)| self.asks(node))
    }

    /// What came of the request that a step waited for, where it waits and has yet to go on.
    pub(super) fn said_at(&self, node: NodeRef) -> Option<RequestStatus> {
        let waits = self.state(node).filter(|state| state.status == StepStatus::Waiting)?;
        waits.requests.last().map(|request| request.status).filter(|status| !status.is_open())
    }

    fn runs_request(&self, node: NodeRef) -> bool {
        self.step_of(node).is_some_and(|step| step.run.request().is_some())
    }

    /// What happens to requests.
    pub(super) fn apply_requested(
        &mut self,
        requested: &Requested,
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        let Requested { node, request, fact } = requested;
        if let RequestFact::Opened { terms, input, opener } = fact {
            return self.apply_opened((*node, *request), (terms, input, opener.as_deref()), event, now, seq);
        }
        let found = self.state(*node).and_then(|state| state.open_request()).filter(|found| found.id == *request);
        let found = found.ok_or_else(|| self.illegal(event))?.clone();
        let running = self.head.status == Status::Running && found.due_at > now && self.asks(*node);
        let may = |person| running && found.shuts_out(person, self.head.beginning.principal).is_none();
        let legal = match fact {
            RequestFact::Opened { .. } => false,
            RequestFact::Acknowledged { by } => may(*by) && found.acknowledged.is_none(),
            RequestFact::Answered { by, input, justification, .. } => {
                may(*by) && *input == found.input && said_enough(justification, &found).is_ok()
            }
            RequestFact::Deferred { by, until, justification } => {
                let is_within = *until > now && *until <= found.opened_at.plus(REQUEST_OPEN_MAX);
                may(*by) && is_within && said_enough(justification, &found).is_ok()
            }
            RequestFact::Delegated { by, to, justification } => {
                let is_delegate = no_delegate(&found, (*by, *to), self.head.beginning.principal).is_none();
                may(*by) && is_delegate && said_enough(justification, &found).is_ok()
            }
            RequestFact::DueSoon => {
                let is_soon = !found.warned && found.warns_at().is_some_and(|at| at <= now);
                self.moves() && running && is_soon
            }
            RequestFact::Expired => self.moves() && self.asks(*node) && found.due_at <= now,
            RequestFact::Withdrawn => true,
        };
        self.expect_that(legal, event)?;
        match fact {
            RequestFact::Answered { by, answer, justification, output, .. } => {
                let said = RequestAnswer { answer: *answer, at: now, by: *by, justification: justification.clone() };
                self.apply_answered((*node, found), said, output.as_ref(), event, seq)
            }
            RequestFact::Opened { .. }
            | RequestFact::Acknowledged { .. }
            | RequestFact::Deferred { .. }
            | RequestFact::Delegated { .. }
            | RequestFact::DueSoon
            | RequestFact::Expired
            | RequestFact::Withdrawn => {
                self.apply_said(*node, found, fact, now);
                Ok(())
            }
        }
    }

    fn apply_opened(
        &mut self,
        (node, id): RequestAt,
        (terms, input, opener): (&RequestTerms, &Document, Option<&Opener>),
        event: &Event,
        now: Timestamp,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        let is_its_id = id == RequestId::of(now, self.id(), self.head.entries);
        let is_due_later = terms.due_at > now && terms.due_at <= now.plus(REQUEST_OPEN_MAX);
        self.expect_that(is_its_id && is_due_later && opener.is_some() == self.is_driven(), event)?;
        let request = opened(id, terms, input.digest(), (now, seq));
        if let Some(opener) = opener {
            return self.apply_asked((node, request), (opener, input), event, now, seq);
        }
        let Some(step) = self.step_of(node) else { return Err(self.illegal(event)) };
        let runs = step.run.request().is_some();
        // A step as a whole that fans out is not handed out, and what waits for something else asks nobody.
        let may_ask = runs || !(step.run.is_passive() || step.each.is_some() && node.clone == 0);
        let may = may_ask && self.head.status == Status::Running;
        // What runs a request opens it when its turn comes, paused or not: nothing is handed out.
        let may = may && (runs || self.moves());
        self.expect(node, event, |state| {
            let is_ready = state.status == StepStatus::Ready || !runs && state.status == StepStatus::Backoff;
            may && is_ready && state.requests.len() < REQUESTS_A_STEP_MAX && state.open_request().is_none()
        })?;
        let state = self.touch(node);
        state.status = StepStatus::Waiting;
        state.wake_at = Some(request.wakes_at());
        if runs {
            state.started_at.get_or_insert(now);
            state.input = Some(input.digest());
        }
        state.requests.push(request);
        Ok(())
    }

    /// What is said to a request and does not decide it, and that time or what happened elsewhere did.
    fn apply_said(&mut self, node: NodeRef, mut found: RequestState, fact: &RequestFact, now: Timestamp) {
        let closed = match fact {
            RequestFact::Acknowledged { by } => {
                found.acknowledged = Some(Acknowledgement { at: now, by: *by });
                found.status = RequestStatus::Acknowledged;
                None
            }
            RequestFact::Deferred { by, until, justification } => {
                let justification = justification.clone();
                found.deferrals.push(Deferral { at: now, by: *by, justification, until: *until });
                found.due_at = *until;
                found.warned = false;
                None
            }
            RequestFact::Delegated { by, to, justification } => {
                let justification = justification.clone();
                found.delegations.push(Delegation { at: now, by: *by, justification, to: *to });
                None
            }
            RequestFact::DueSoon => {
                found.warned = true;
                None
            }
            RequestFact::Expired => Some(RequestStatus::Expired),
            RequestFact::Withdrawn => Some(RequestStatus::Withdrawn),
            RequestFact::Opened { .. } | RequestFact::Answered { .. } => None,
        };
        if let Some(status) = closed {
            found.status = status;
            found.decided_at = Some(now);
            self.hear(now);
        }
        let wakes_at = found.wakes_at();
        let n = self.head.entries;
        self.keep(node, found);
        let state = self.touch(node);
        if state.status != StepStatus::Waiting {
            return;
        }
        match closed {
            None => state.wake_at = Some(wakes_at),
            // What is withdrawn while it waits ends with its transaction.
            Some(RequestStatus::Withdrawn) => {
                let acted = state.may_have_acted();
                self.finish(node, if acted { StepStatus::Unknown } else { StepStatus::Cancelled }, now, n);
            }
            Some(_) => {}
        }
    }

    fn apply_answered(
        &mut self,
        (node, mut found): (NodeRef, RequestState),
        said: RequestAnswer,
        output: Option<&Arc<Document>>,
        event: &Event,
        seq: u64,
    ) -> Result<(), IllegalEvent> {
        let (now, decides) = (said.at, said.answer == Say::Denied || found.lacks_one());
        let runs = self.runs_request(node);
        let is_given = |output: &&Arc<Document>| ***output == given(&found, said.by, &said.justification, now);
        let may_give = decides && runs && said.answer == Say::Approved;
        let fits = output.is_none_or(|output| may_give && is_given(&output));
        self.expect_that(fits, event)?;
        let is_yes = said.answer == Say::Approved;
        found.answers.push(said);
        if decides {
            found.status = if is_yes { RequestStatus::Approved } else { RequestStatus::Denied };
            found.decided_at = Some(now);
            // Its driver has from now on to ask for the step again.
            self.hear(now);
        }
        self.keep(node, found);
        if let Some(output) = output {
            return self.closed((node, Phase::Do), output, event, now, seq);
        }
        // From here on it waits for a worker again, and is decided anew. When it was ready first stays as it was, so
        // that its input is the one that was approved. A driver's step waits for its driver, who is asked for nothing.
        if decides && is_yes && !runs {
            let is_driven = self.is_driven();
            let state = self.touch(node);
            (state.status, state.wake_at) =
                if is_driven { (StepStatus::Waiting, None) } else { (StepStatus::Backoff, Some(now)) };
        }
        Ok(())
    }

    fn keep(&mut self, node: NodeRef, request: RequestState) {
        if let Some(last) = self.touch(node).requests.last_mut() {
            *last = request;
        }
    }
}

/// A request as it is opened.
fn opened(id: RequestId, terms: &RequestTerms, input: Digest, (now, seq): (Timestamp, u64)) -> RequestState {
    RequestState {
        acknowledged: None,
        answers: Vec::new(),
        decided_at: None,
        deferrals: Vec::new(),
        delegations: Vec::new(),
        due_at: terms.due_at,
        id,
        input,
        opened_at: now,
        opened_seq: seq,
        status: RequestStatus::Open,
        terms: terms.clone(),
        warned: false,
    }
}

/// Whether a justification says as much as it has to.
fn said_enough(justification: &str, request: &RequestState) -> Result<(), RequestRefusal> {
    let (found, least) = (justification.trim().chars().count(), request.terms.justification_min);
    let is_enough = u32::try_from(found).unwrap_or(u32::MAX) >= least;
    if is_enough { Ok(()) } else { Err(RequestRefusal::Justification { found, least }) }
}

/// Why somebody's say can't be handed on to another; none: it can.
fn no_delegate(
    request: &RequestState,
    (by, to): (PrincipalId, PrincipalId),
    requester: PrincipalId,
) -> Option<RequestRefusal> {
    let to_self = (by == to).then_some(RequestRefusal::HandedOn { by, to });
    to_self.or_else(|| request.shuts_out(to, requester))
}

/// What an approved request gives the step that runs it, with the answer that decides it.
fn given(request: &RequestState, by: PrincipalId, justification: &str, at: Timestamp) -> Document {
    let before = request.answers.iter().map(|answer| answer.by);
    let by: Vec<String> = before.chain([by]).map(|by| by.to_string()).collect();
    Document::new(json!({
        "answer": Say::Approved.word(),
        "at": at.to_string(),
        "by": by,
        "justification": justification,
        "request": request.id.to_string(),
    }))
}

fn denied(request: &RequestState, by: PrincipalId, justification: &str) -> StepError {
    let error = StepError::fatal(StepError::REQUEST_DENIED, format!("{by} said no: {justification}"));
    let detail = json!({ "by": by.to_string(), "request": request.id.to_string() });
    StepError { detail: Some(Box::new(detail)), ..error }
}
