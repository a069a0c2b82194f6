//! What a ready step comes to when it is handed out: its input, where it goes, and what policy is asked.

use super::Transaction;
use crate::conditions::Conditions;
use crate::definition::{
    BadExpression, CapabilityTerms, Child, DefinitionKind, Facts, HttpRequest, Resource, Run, Seen, Step, StepIndex,
    Variables,
};
use crate::event::StepError;
use crate::headers::Headers;
use crate::node::NodeRef;
use crate::status::{Phase, StepStatus};
use chancery_base::limits::{PAYLOAD_BYTES_MAX, TRANSACTION_CLONES_MAX, TRANSACTION_OUTPUT_BYTES_MAX};
use chancery_base::{DecisionId, Document, EventType, Name, PrincipalId, Timestamp};
use chancery_expr::{Scope, Tree};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A ready step or compensation, rendered.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What is to be called.
    pub call: Call,
    /// With what.
    pub input: Arc<Document>,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// The same for every attempt; of a step that polls, for every attempt of a round.
    pub idempotency_key: String,
    /// For a compensation, a confirm, and a round after the first: the key of its step.
    pub forward_key: Option<String>,
    /// For a compensation: whether it is unknown if the step took effect.
    pub forward_unknown: bool,
    /// What policy is asked; a compensation or a confirm was authorised with its step.
    pub authorization: Authorization,
    /// For a compensation or a confirm: what policy demanded of its step.
    pub conditions: Option<Arc<Conditions>>,
    /// What the capability token of the attempt says, where it has one.
    pub capability: Option<CapabilityTerms>,
}

/// What is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A worker's queue.
    Worker(Name),
    /// A URL; the body is the input.
    Http(HttpRequest),
    /// Nothing: the output is the input.
    Noop,
    /// A transaction.
    Child(Child),
    /// Policy: what is asked is what [`Authorization::Ask`] says.
    Decide {
        /// Whom the question is about; none: who started the transaction.
        principal: Option<PrincipalId>,
    },
    /// Nobody: an event is emitted, and the input is what it says.
    Emit {
        /// What it is called.
        event_type: EventType,
        /// What it is about.
        subject: Option<String>,
    },
}

/// On what ground a step may be handed out.
#[derive(Debug, Clone, PartialEq)]
pub enum Authorization {
    /// Policy is to be asked this.
    Ask {
        /// The action.
        action: String,
        /// The resource; none: the step itself.
        resource: Option<Resource>,
        /// The context.
        context: Map<String, Value>,
    },
    /// A decision taken before covers it.
    Cite(DecisionId),
    /// As any start of the definition that it runs, which is not known here.
    AsStart,
}

impl Transaction {
    /// Renders a ready step, compensation or confirm. The same for every attempt of it, whenever it is asked.
    ///
    /// # Errors
    /// [`StepError::BAD_EXPRESSION`] if an expression fails, [`StepError::TOO_MANY_ENTRIES`] if the transaction is full.
    pub fn offer(&self, node: NodeRef, phase: Phase) -> Result<Offer, StepError> {
        let step = self.step_of(node).ok_or_else(|| lacking("such step"))?;
        let state = self.state(node).ok_or_else(|| lacking("such clone of a step"))?;
        let forward_key = self.step_key(node);
        match phase {
            Phase::Do if self.is_full() => Err(StepError::fatal(
                StepError::TOO_MANY_ENTRIES,
                "the transaction has as many entries as one may have",
            )),
            Phase::Do if self.gave_bytes() > TRANSACTION_OUTPUT_BYTES_MAX => Err(StepError::fatal(
                StepError::TOO_MUCH_OUTPUT,
                format!(
                    "the outputs of the transaction, its events and the decisions that it asked for have more than \
                     {TRANSACTION_OUTPUT_BYTES_MAX} bytes"
                ),
            )),
            Phase::Do => self.offer_do(node, step, state.ready_at, forward_key),
            Phase::Undo => {
                let undo = step.compensate.as_ref().ok_or_else(|| lacking("compensation of the step"))?;
                let scope = self.scope(node, step, state.undo.ready_at);
                let output = self.output_of(node);
                let forward_input = match (output, &undo.with) {
                    (None, None) => step.input(&self.scope(node, step, state.ready_at))?,
                    (Some(_), _) | (_, Some(_)) => Value::Null,
                };
                let input = undo.input(&scope, output, &forward_input, self.undo_path())?;
                Ok(Offer {
                    call: render_call(&undo.run, &scope, &self.head.beginning.headers)?,
                    input: Arc::new(bounded(input, self.undo_path())?),
                    timeout: undo.timeout,
                    idempotency_key: format!("{forward_key}/undo"),
                    forward_key: Some(forward_key),
                    forward_unknown: state.status == StepStatus::Unknown,
                    authorization: Authorization::Cite(self.covering_decision(node)),
                    conditions: Conditions::lasting(state.conditions.as_ref()),
                    capability: self.capability(node, step, phase)?,
                })
            }
            Phase::Confirm => {
                let confirm = step.confirm.as_ref().ok_or_else(|| lacking("confirm of the step"))?;
                let scope = self.scope(node, step, state.undo.ready_at);
                let input = confirm.input(&scope, self.output_of(node))?;
                Ok(Offer {
                    call: render_call(&confirm.run, &scope, &self.head.beginning.headers)?,
                    input: Arc::new(bounded(input, "confirm.with")?),
                    timeout: confirm.timeout,
                    idempotency_key: format!("{forward_key}/confirm"),
                    forward_key: Some(forward_key),
                    forward_unknown: false,
                    authorization: Authorization::Cite(self.covering_decision(node)),
                    conditions: Conditions::lasting(state.conditions.as_ref()),
                    capability: self.capability(node, step, phase)?,
                })
            }
        }
    }

    /// What the capability token of a compensation or a confirm says, if a worker does it: what that of its step said,
    /// since the decision about the step covers it.
    fn capability(&self, node: NodeRef, step: &Step, phase: Phase) -> Result<Option<CapabilityTerms>, StepError> {
        if step.run_of(phase).and_then(Run::queue).is_none() {
            return Ok(None);
        }
        let ready_at = self.state(node).and_then(|state| state.ready_at);
        Ok(step.capability_terms(&self.scope(node, step, ready_at))?)
    }

    /// The decision that covers a step's compensation or confirm: the step's own, or the start's where a person settled
    /// by hand what was never decided, since its request was answered no or it could not be rendered.
    pub(super) fn covering_decision(&self, node: NodeRef) -> DecisionId {
        self.state(node).and_then(|state| state.decision).unwrap_or(self.head.decision)
    }

    /// Where an undo's input stands in the definition.
    fn undo_path(&self) -> &'static str {
        match self.definition.kind {
            DefinitionKind::Saga | DefinitionKind::Open => "compensate.with",
            DefinitionKind::Tcc => "cancel.with",
        }
    }

    /// The URL of a ready step, compensation or confirm that calls one; none where it can't be told.
    #[must_use]
    pub fn url(&self, node: NodeRef, phase: Phase) -> Option<String> {
        let (step, state) = (self.step_of(node)?, self.state(node)?);
        let ready_at = match phase {
            Phase::Do => state.ready_at,
            Phase::Undo | Phase::Confirm => state.undo.ready_at,
        };
        match step.run_of(phase)? {
            Run::Http(http) => http.url(&self.scope(node, step, ready_at)).ok(),
            Run::Worker(_)
            | Run::Noop
            | Run::Wait(_)
            | Run::Signal(_)
            | Run::Request(_)
            | Run::Transaction(_)
            | Run::Decide(_)
            | Run::Emit(_) => None,
        }
    }

    /// What a ready step takes turns by in its queue, and so do its compensation and its confirm; none where it says
    /// nothing, or what it says can't be told: that fails the step when it is handed out.
    #[must_use]
    pub fn fairness_key(&self, node: NodeRef) -> Option<String> {
        let (step, state) = (self.step_of(node)?, self.state(node)?);
        step.fairness.as_ref()?;
        step.fairness_key(&self.scope(node, step, state.ready_at)).ok().flatten()
    }

    fn offer_do(
        &self,
        node: NodeRef,
        step: &Step,
        ready_at: Option<Timestamp>,
        step_key: String,
    ) -> Result<Offer, StepError> {
        let idempotency_key = self.round_key(node, &step_key);
        let scope = self.scope(node, step, ready_at);
        step.fairness_key(&scope)?;
        Ok(Offer {
            call: render_call(&step.run, &scope, &self.head.beginning.headers)?,
            input: Arc::new(bounded(step.input(&scope)?, "with")?),
            timeout: step.timeout,
            forward_key: (idempotency_key != step_key).then_some(step_key),
            idempotency_key,
            forward_unknown: false,
            conditions: None,
            capability: step.capability_terms(&scope)?,
            authorization: asked(step, &scope)?,
        })
    }

    /// On what ground a step's next attempt may be handed out, as far as that can be told before it is its turn.
    ///
    /// # Errors
    /// If it depends on what is not there yet, or an expression fails.
    pub fn authorization(&self, node: NodeRef) -> Result<Authorization, StepError> {
        let step = self.step_of(node).ok_or_else(|| lacking("such step"))?;
        let ready_at = self.state(node).and_then(|state| state.ready_at);
        Ok(asked(step, &self.scope(node, step, ready_at))?)
    }

    /// How many bytes it gave: outputs, events, and the decisions that it asked for.
    fn gave_bytes(&self) -> usize {
        let written = usize::try_from(self.head.written).unwrap_or(usize::MAX);
        self.nodes.output_bytes().saturating_add(written)
    }

    /// What a participant's idempotency key of a step is: of what a fork took over, the one under which it was done.
    #[must_use]
    pub fn step_key(&self, node: NodeRef) -> String {
        let origin = self.state(node).and_then(|state| state.origin.as_ref());
        origin.map_or_else(|| format!("{}/{}", self.key_prefix(), self.name_of(node)), |origin| origin.key.clone())
    }

    /// What policy is asked about the start.
    ///
    /// # Errors
    /// If an expression of the definition's `context` fails.
    pub fn start_context(&self) -> Result<Map<String, Value>, StepError> {
        Ok(self.definition.start_context(&self.facts(self.head.started_at).start_scope())?)
    }

    pub(super) fn evaluate_when(&self, node: NodeRef) -> Result<bool, StepError> {
        let Some(step) = self.step_of(node) else { return Ok(true) };
        let ready_at = self.state(node).and_then(|state| state.ready_at);
        Ok(step.condition(&self.scope(node, step, ready_at))?)
    }

    /// The elements of a step that fans out, if there may be so many more.
    pub(super) fn evaluate_each(&self, node: NodeRef) -> Result<Option<Document>, StepError> {
        let Some(step) = self.step_of(node).filter(|_| node.clone == 0) else { return Ok(None) };
        let ready_at = self.state(node).and_then(|state| state.ready_at);
        let Some(items) = step.elements(&self.scope(node, step, ready_at))? else { return Ok(None) };
        if !self.may_expand(items.len()) {
            let message = format!("the transaction would have more than {TRANSACTION_CLONES_MAX} clones of steps");
            return Err(StepError::fatal(StepError::TOO_MANY_CLONES, message));
        }
        Ok(Some(bounded(Value::Array(items), "each")?))
    }

    /// Until when a step waits: from when it became ready on.
    pub(super) fn evaluate_until(&self, node: NodeRef) -> Result<Option<Timestamp>, StepError> {
        let Some(step) = self.step_of(node) else { return Ok(None) };
        let since = self.state(node).and_then(|state| state.ready_at).unwrap_or(self.head.started_at);
        Ok(step.waits_until(&self.scope(node, step, Some(since)), since)?)
    }

    /// What a step sets when it is done at `now`: with the output `given`, or with what it has. The same whenever it is
    /// asked, since all that it sees is over. A clone sets nothing: its step does, when all are over.
    ///
    /// # Errors
    /// [`StepError::BAD_EXPRESSION`] if an expression fails.
    pub(super) fn evaluate_set(
        &self,
        node: NodeRef,
        given: Option<&Value>,
        now: Timestamp,
    ) -> Result<Variables, StepError> {
        let sets = |step: &&Step| node.clone == 0 && !step.set.is_empty();
        let Some(step) = self.step_of(node).filter(sets) else { return Ok(Variables::new()) };
        let outputs = self.nodes.outputs(node.step);
        let nothing = outputs.is_none().then_some(&Value::Null);
        let output = given.or_else(|| self.output_of(node)).or(nothing);
        let own = Seen { status: StepStatus::Completed, output, outputs, error: None, variables: None };
        let seen = |of: StepIndex| if of == node.step { Some(own) } else { self.seen(of.into()) };
        Ok(step.set_variables(&self.facts(now).step_scope(&self.definition, step, seen))?)
    }

    /// The variables as the output would see them: of each what the last step set that was done.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<&str, &Value> {
        let mut variables = BTreeMap::new();
        for step in self.definition.setters() {
            let set = self.nodes.variables(step).into_iter().flatten();
            variables.extend(set.map(|(name, value)| (name.as_str(), value)));
        }
        variables
    }

    pub(super) fn evaluate_output(&self, now: Timestamp) -> Result<Document, StepError> {
        let scope = self.facts(now).output_scope(&self.definition, |step| self.seen(step.into()));
        bounded(self.definition.result(&scope)?, "output")
    }

    /// What a step's expressions see. `now` is when the step, or its round, became ready, so that every attempt and
    /// every replay sees the same.
    pub(super) fn scope<'a>(&'a self, node: NodeRef, step: &'a Step, now: Option<Timestamp>) -> Scope<'a> {
        // Of its own step a clone's undo sees the clone.
        let seen = |step: StepIndex| self.seen(if step == node.step { node } else { step.into() });
        self.scope_with(node, step, now.unwrap_or(self.head.started_at), seen)
    }

    /// The same, where the steps that it reads are asked for.
    pub(super) fn scope_with<'a>(
        &'a self,
        node: NodeRef,
        step: &'a Step,
        now: Timestamp,
        seen: impl FnMut(StepIndex) -> Option<Seen<'a>>,
    ) -> Scope<'a> {
        let mut scope = self.facts_at(node, now).step_scope(&self.definition, step, seen);
        if let Some((index, item)) = node.index().zip(self.nodes.item(node)) {
            scope.bind("item", Tree::Value(item));
            scope.bind("index", Tree::Int(index.into()));
        }
        scope
    }

    pub(super) fn seen(&self, node: NodeRef) -> Option<Seen<'_>> {
        let state = self.state(node)?;
        let has_failed = matches!(state.status, StepStatus::Failed | StepStatus::Unknown);
        let error = state.error.as_ref().filter(|_| has_failed);
        let is_over = state.status == StepStatus::Completed;
        let outputs = self.nodes.outputs(node.step).filter(|_| is_over && node.clone == 0);
        // A wait that is over gives nothing, and an empty output is still one.
        let nothing = (is_over && outputs.is_none()).then_some(&Value::Null);
        let variables = self.nodes.variables(node.step);
        Some(Seen { status: state.status, output: self.output_of(node).or(nothing), outputs, error, variables })
    }

    fn output_of(&self, node: NodeRef) -> Option<&Value> {
        self.nodes.output(node).map(|output| output.value())
    }

    fn facts(&self, now: Timestamp) -> Facts<'_> {
        let key = self.head.beginning.business_key.as_deref();
        Facts {
            transaction: self.id(),
            key,
            input: &self.given.input,
            env: self.given.settings.values(),
            headers: &self.head.beginning.headers,
            now,
        }
    }

    /// What the expressions of a node see: of what a fork took over they see who did it.
    fn facts_at(&self, node: NodeRef, now: Timestamp) -> Facts<'_> {
        let origin = self.state(node).and_then(|state| state.origin.as_ref());
        let transaction = origin.map_or_else(|| self.id(), |origin| origin.transaction);
        Facts { transaction, ..self.facts(now) }
    }

    /// What a participant's idempotency keys begin with: the start's key, so that what is started again after a
    /// restore does not act twice, else the id. A fork acts anew whatever key it was asked for under: it has its id.
    /// `/` in a caller's key is escaped, so that keys can't be confused.
    fn key_prefix(&self) -> String {
        let escape = |key: &String| key.replace('%', "%25").replace('/', "%2F");
        let beginning = &self.head.beginning;
        if let Some(parent) = &beginning.parent {
            return parent.key.clone();
        }
        if beginning.fork.is_some() {
            return beginning.id.to_string();
        }
        match (&beginning.business_key, &beginning.idempotency_key) {
            (Some(business), Some(start)) => format!("{}/{}", escape(business), escape(start)),
            (None, Some(start)) => escape(start),
            (_, None) => beginning.id.to_string(),
        }
    }
}

/// What an expression made is a payload: it has a payload's limit.
pub(super) fn bounded(value: Value, part: &str) -> Result<Document, StepError> {
    let document = Document::new(value);
    let bytes = document.canonical().len();
    if bytes <= PAYLOAD_BYTES_MAX {
        return Ok(document);
    }
    let message = format!("{part}: {bytes} bytes, at most {PAYLOAD_BYTES_MAX} are allowed");
    Err(StepError::fatal(StepError::BAD_EXPRESSION, message))
}

fn lacking(what: &str) -> StepError {
    StepError::fatal(StepError::BAD_EXPRESSION, format!("the definition has no {what}"))
}

fn asked(step: &Step, scope: &Scope<'_>) -> Result<Authorization, BadExpression> {
    Ok(match &step.run {
        Run::Transaction(_) => Authorization::AsStart,
        Run::Decide(question) => Authorization::Ask {
            action: question.action.to_string(),
            resource: Some(question.resource(scope)?),
            context: step.decision_context(scope)?,
        },
        Run::Worker(_) | Run::Http(_) | Run::Noop | Run::Emit(_) | Run::Wait(_) | Run::Signal(_) | Run::Request(_) => {
            Authorization::Ask {
                action: step.action.to_string(),
                resource: step.decision_resource(scope)?,
                context: step.decision_context(scope)?,
            }
        }
    })
}

fn render_call(run: &Run, scope: &Scope<'_>, told: &Headers) -> Result<Call, BadExpression> {
    Ok(match run {
        Run::Worker(name) => Call::Worker(name.clone()),
        Run::Noop => Call::Noop,
        Run::Http(http) => Call::Http(http.request(scope, told)?),
        Run::Transaction(child) => Call::Child(child.clone()),
        Run::Decide(question) => Call::Decide { principal: question.principal(scope)? },
        Run::Emit(emit) => Call::Emit { event_type: emit.event_type.clone(), subject: emit.subject(scope)? },
        Run::Wait(_) | Run::Signal(_) | Run::Request(_) => {
            return Err(BadExpression::new("run", "a step that waits is not handed out"));
        }
    })
}

impl From<BadExpression> for StepError {
    fn from(bad: BadExpression) -> Self {
        Self::fatal(BadExpression::ERROR_TYPE, bad.to_string())
    }
}
