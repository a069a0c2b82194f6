//! Definitions: what a transaction of a name and version does. Written in YAML or JSON, kept as canonical JSON,
//! named by its digest.

mod capability;
mod check;
mod child;
mod diff;
mod document;
mod facts;
mod fields;
mod flow;
mod graph;
mod inline;
mod input;
mod json_text;
mod lint;
mod policy;
mod poll;
mod problem;
mod read;
mod render;
mod request;
mod retry;
mod schema;
mod wait;
mod yaml;

pub use capability::{Capability, CapabilityTerms};
pub use diff::{Change, Diff, OrderChange, StepChanges};
pub use facts::{BadExpression, Facts, HttpRequest, Resource, Seen};
pub use flow::Variables;
pub use inline::{Emit, Question};
pub use input::{InputFault, InputSchema};
pub use lint::{Rule, Warning};
pub use policy::{Classes, PolicyInFlight};
pub use poll::{POLL_EVERY_DEFAULT, POLL_ROUNDS_DEFAULT, Poll};
pub use problem::{DefinitionError, Problem};
pub(crate) use read::{header_fault, is_identifier};
pub use request::{Approval, Ask, Quorum};
pub use retry::Retry;
pub use schema::SCHEMA;

use crate::node::NodeRef;
use crate::status::Phase;
use chancery_base::limits::DEFINITION_BYTES_MAX;
use chancery_base::{Digest, Name, json};
use chancery_expr::{Program, Template, on_large_stack};
use document::{Node, Place};
use read::Reader;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Steps of one transaction that run at once, where the definition does not say.
pub const CONCURRENCY_DEFAULT: u32 = 8;
/// The most that a definition may say.
pub const CONCURRENCY_MAX: u32 = 1_000;
/// How long an attempt may take from its hand-out, where the step does not say.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// How long a step may wait for a worker, where it does not say.
pub const QUEUE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);

/// How far a step's priority may be from 0.
pub const PRIORITY_MAX: i8 = 9;

/// How long the driver of an open transaction may say nothing, where the definition does not say.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(300);

/// A definition that passed every check. Two with the same digest are the same.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its name.
    pub name: Name,
    /// Its version, from 1.
    pub version: u32,
    /// SHA-256 of [`Definition::source`].
    pub digest: Digest,
    /// What its input must be; none: anything.
    pub input: Option<Arc<InputSchema>>,
    /// The business key: one running transaction per key. Over `input` alone.
    pub key: Option<Template>,
    /// How many steps of one transaction run at once, or compensations.
    pub concurrency: u32,
    /// What its steps are.
    pub kind: DefinitionKind,
    /// What the driver of an open transaction may do; every one of that kind has it.
    pub frame: Option<OpenFrame>,
    /// How long the transaction may run forward.
    pub timeout: Option<Duration>,
    /// In which order steps begin.
    pub mode: Mode,
    /// In which order steps are undone.
    pub compensation: CompensationPolicy,
    /// The steps in the order in which they are written; a [`StepIndex`] counts them.
    pub steps: Vec<Step>,
    /// The transaction's output; null if there is none.
    pub output: Option<Template>,
    /// Under which bundle its steps are decided.
    pub policy: PolicyInFlight,
    /// The classes of data in its input.
    pub classes: Classes,
    /// What its steps are for that do not say so themselves.
    pub purpose: Option<Name>,
    /// What the decision about the start is told, by name.
    pub context: Vec<(String, Template)>,
    /// The steps whose outputs `output` uses.
    pub output_reads: Vec<StepIndex>,
    /// The variables that `output` uses: for each the steps that may have set it, the last one first.
    pub output_variables: Vec<(String, Vec<StepIndex>)>,
    /// The document as canonical JSON.
    pub source: Arc<[u8]>,
}

/// Which step of a definition, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIndex(pub u32);

/// What the steps of a definition are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefinitionKind {
    /// Steps, each done and, if need be, undone.
    Saga,
    /// Participants: each is tried, and when all are, each is confirmed; or else each is cancelled. A participant's
    /// [`Step::run`] is its try, its [`Step::compensate`] its cancel.
    Tcc,
    /// None: the driver of the transaction adds them while it runs, within an [`OpenFrame`].
    Open,
}

/// What the driver of an open transaction may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFrame {
    /// The actions that its steps may have; none: any.
    pub actions: Option<Vec<Name>>,
    /// How many steps it may have.
    pub steps_max: u32,
    /// After how long without a sign of its driver it aborts.
    pub grace: Duration,
    /// What becomes of a compensation that failed, where the step does not say.
    pub on_error: OnError,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its id, unique in the definition.
    pub id: Name,
    /// The steps that must be done or skipped before it, ascending.
    pub after: Vec<StepIndex>,
    /// The steps that have it in their `after`, ascending.
    pub dependents: Vec<StepIndex>,
    /// The step is skipped if this is false.
    pub when: Option<Program>,
    /// Its fan-out: a clone of it for each element.
    pub each: Option<Each>,
    /// What it runs.
    pub run: Run,
    /// It is called round by round, until what it gives is enough.
    pub poll: Option<Poll>,
    /// Its input; null if there is none.
    pub with: Option<Template>,
    /// The variables that it sets when it is done, by name.
    pub set: Vec<(String, Template)>,
    /// How it is tried again; in each round.
    pub retry: Retry,
    /// How long one attempt may take, from its hand-out.
    pub timeout: Duration,
    /// How long it may wait for a worker; in each round.
    pub queue_timeout: Duration,
    /// What goes first in its queue: the higher, `-PRIORITY_MAX` to [`PRIORITY_MAX`]. Its undo or confirm has the same.
    pub priority: i8,
    /// What it is to take turns by with others of its priority, in its queue.
    pub fairness: Option<Template>,
    /// How it is undone.
    pub compensate: Option<Undo>,
    /// How what was tried is confirmed; every participant of a TCC says so.
    pub confirm: Option<Confirm>,
    /// Past it the transaction only goes forward: a failure parks it.
    pub pivot: bool,
    /// It can't be undone, its author says.
    pub irreversible: bool,
    /// The transaction goes on without it when it has failed.
    pub optional: bool,
    /// 0 without `after`, else one more than the highest of those.
    pub layer: u32,
    /// Its worker gets a capability token.
    pub capability: Option<Capability>,
    /// The action that is asked of policy.
    pub action: Name,
    /// The resource that is asked of policy, where it is not the step itself.
    pub resource: Option<ResourceTemplate>,
    /// The classes of data that it uses.
    pub classes: Classes,
    /// What it is for.
    pub purpose: Option<Name>,
    /// What the decisions about its attempts are told, by name.
    pub context: Vec<(String, Template)>,
    /// What people have to approve before it is handed out.
    pub approval: Option<Approval>,
    /// The steps that its expressions use, its own among them if its undo does; ascending.
    pub reads: Vec<StepIndex>,
    /// The variables that its expressions use: for each the steps that may have set it, the last one first.
    pub variables: Vec<(String, Vec<StepIndex>)>,
}

/// In which order steps begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each as soon as its own `after` is over.
    Graph,
    /// A layer when the whole layer before it is over.
    Layers,
    /// Participants one after the other, as they are written: their tries, and then their confirms.
    Sequence,
    /// Participants all together: their tries, and then their confirms.
    Parallel,
}

/// In which order steps are undone, and what becomes of a compensation that failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompensationPolicy {
    /// Reverse order of completion, one at a time; a failure parks.
    StrictSequential,
    /// Reverse layers, those of one layer together; a failure parks once the layer is through.
    GroupedParallel,
    /// As strict-sequential, but goes on after a failure.
    RetryWithBackoff,
    /// As retry-with-backoff, but after the failure of a critical one the rest is left.
    CircuitBreaker,
    /// All together; goes on after a failure.
    BestEffortParallel,
}

/// What becomes of a compensation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// After its last attempt it is left undone, and the others go on.
    Continue,
    /// It is tried again without end; an error that is final parks.
    Retry,
    /// After its last attempt the transaction is parked.
    Fail,
    /// After its first attempt it is left undone, and the others go on.
    Skip,
    /// After its last attempt it counts as done.
    MarkCompensated,
}

/// Over what a step fans out.
#[derive(Debug, Clone)]
pub struct Each {
    /// The list.
    pub list: Program,
    /// How many of its clones are out at once; none: as many as the transaction's own `concurrency` lets.
    pub concurrency: Option<u32>,
}

/// How a step is undone.
#[derive(Debug, Clone)]
pub struct Undo {
    /// What it runs.
    pub run: Run,
    /// Its input; where there is none, the step's output, or else the step's input.
    pub with: Option<Template>,
    /// How it is tried again.
    pub retry: Retry,
    /// How long one attempt may take, from its hand-out.
    pub timeout: Duration,
    /// What becomes of it when it failed.
    pub on_error: OnError,
    /// Under the policy circuit-breaker its failure leaves the rest undone.
    pub critical: bool,
}

/// How a participant is confirmed.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// What it runs.
    pub run: Run,
    /// Its input; where there is none, the try's output.
    pub with: Option<Template>,
    /// How it is tried again.
    pub retry: Retry,
    /// How long one attempt may take, from its hand-out.
    pub timeout: Duration,
}

/// What a step, an undo or a confirm runs.
#[derive(Debug, Clone)]
pub enum Run {
    /// Code that takes tasks of this name.
    Worker(Name),
    /// A request; its body is the step's input.
    Http(Http),
    /// Nothing: done at once, with its input as output.
    Noop,
    /// Nothing until a time: a duration from when it is ready, or an instant.
    Wait(Template),
    /// Nothing until a signal comes; its payload is the output.
    Signal(Signal),
    /// Nothing until people have answered; what they said is the output.
    Request(Box<Ask>),
    /// A transaction of its own; its output is the output.
    Transaction(Child),
    /// A question for policy, whose answer is the output.
    Decide(Question),
    /// An event, whose id is the output; what it says is the step's input.
    Emit(Emit),
}

/// A transaction that a step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The definition's name.
    pub name: Name,
    /// The definition's version; none: the newest when the step's turn comes.
    pub version: Option<u32>,
}

/// A signal that a step waits for.
#[derive(Debug, Clone)]
pub struct Signal {
    /// Its name.
    pub name: Name,
    /// How long, or until when: then the step fails. None: however long it takes.
    pub timeout: Option<Template>,
}

/// A request as it is written.
#[derive(Debug, Clone)]
pub struct Http {
    /// The method.
    pub method: Method,
    /// The URL; `http` or `https`.
    pub url: Template,
    /// Headers, their names in lower case.
    pub headers: Vec<(String, Template)>,
    /// Which headers of the transaction go with it, where it has them.
    pub pass: Vec<String>,
    /// Which headers of the answer are kept: the output is `{headers, body}` then, else the body alone.
    pub keep: Vec<String>,
}

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET, without a body.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE, without a body.
    Delete,
}

/// The resource of a step's decisions as it is written.
#[derive(Debug, Clone)]
pub struct ResourceTemplate {
    /// Its Cedar entity type.
    pub resource_type: String,
    /// Its id.
    pub id: Template,
    /// Attributes that the definition asserts of it.
    pub attributes: Vec<(String, Template)>,
}

impl Run {
    /// The queue that it waits in, if a worker does it.
    #[must_use]
    pub const fn queue(&self) -> Option<&Name> {
        if let Self::Worker(name) = self { Some(name) } else { None }
    }

    /// Whether an attempt of it is a call that takes its time.
    pub(crate) const fn is_call(&self) -> bool {
        match self {
            Self::Worker(_) | Self::Http(_) => true,
            Self::Noop
            | Self::Wait(_)
            | Self::Signal(_)
            | Self::Request(_)
            | Self::Transaction(_)
            | Self::Decide(_)
            | Self::Emit(_) => false,
        }
    }

    /// Whether it has no effect that could be undone.
    pub(crate) const fn leaves_nothing(&self) -> bool {
        match self {
            Self::Worker(_) | Self::Transaction(_) | Self::Emit(_) => false,
            Self::Http(http) => matches!(http.method, Method::Get),
            Self::Noop | Self::Wait(_) | Self::Signal(_) | Self::Request(_) | Self::Decide(_) => true,
        }
    }
}

impl Step {
    /// Whether it is a pivot that takes effect in every transaction that comes by: it is not skipped, and does not fan
    /// out over nothing.
    pub(crate) const fn is_sure_pivot(&self) -> bool {
        self.pivot && self.when.is_none() && self.each.is_none()
    }

    /// What it runs in a phase; none where it has no such phase.
    #[must_use]
    pub fn run_of(&self, phase: Phase) -> Option<&Run> {
        match phase {
            Phase::Do => Some(&self.run),
            Phase::Undo => self.compensate.as_ref().map(|undo| &undo.run),
            Phase::Confirm => self.confirm.as_ref().map(|confirm| &confirm.run),
        }
    }

    /// How it is tried again in a phase; none where it has no such phase.
    #[must_use]
    pub fn retry_of(&self, phase: Phase) -> Option<&Retry> {
        match phase {
            Phase::Do => Some(&self.retry),
            Phase::Undo => self.compensate.as_ref().map(|undo| &undo.retry),
            Phase::Confirm => self.confirm.as_ref().map(|confirm| &confirm.retry),
        }
    }
}

impl StepIndex {
    /// As an index into [`Definition::steps`].
    #[must_use]
    pub fn position(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    pub(crate) fn at(position: usize) -> Self {
        // INVARIANT: a definition has at most STEPS_MAX steps.
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }
}

impl CompensationPolicy {
    /// Every policy.
    pub const ALL: [Self; 5] = [
        Self::StrictSequential,
        Self::GroupedParallel,
        Self::RetryWithBackoff,
        Self::CircuitBreaker,
        Self::BestEffortParallel,
    ];

    /// The word in a definition.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::StrictSequential => "strict-sequential",
            Self::GroupedParallel => "grouped-parallel",
            Self::RetryWithBackoff => "retry-with-backoff",
            Self::CircuitBreaker => "circuit-breaker",
            Self::BestEffortParallel => "best-effort-parallel",
        }
    }

    /// What becomes of a compensation that failed, where the definition does not say.
    #[must_use]
    pub const fn on_error(self) -> OnError {
        match self {
            Self::StrictSequential | Self::GroupedParallel => OnError::Fail,
            Self::RetryWithBackoff | Self::CircuitBreaker | Self::BestEffortParallel => OnError::Continue,
        }
    }
}

impl OnError {
    /// Every action.
    pub const ALL: [Self; 5] = [Self::Continue, Self::Retry, Self::Fail, Self::Skip, Self::MarkCompensated];

    /// The word in a definition.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Retry => "retry",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::MarkCompensated => "mark-compensated",
        }
    }

    /// Whether the transaction waits for a person when no attempt is left.
    #[must_use]
    pub const fn parks(self) -> bool {
        match self {
            Self::Retry | Self::Fail => true,
            Self::Continue | Self::Skip | Self::MarkCompensated => false,
        }
    }
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The word in a request.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether the request has a body.
    #[must_use]
    pub const fn has_body(self) -> bool {
        match self {
            Self::Get | Self::Delete => false,
            Self::Post | Self::Put | Self::Patch => true,
        }
    }
}

impl Definition {
    /// Reads a definition that a person wrote, in YAML 1.2 or JSON.
    ///
    /// # Errors
    /// Every problem there is, each with its path, line and column.
    pub fn parse(text: &[u8]) -> Result<Self, DefinitionError> {
        // The whole of it on one large stack, rather than one for each expression.
        on_large_stack(|| Ok(Reader::read(&document_of(text)?)?.definition))
            .unwrap_or_else(|err| Err(DefinitionError::one(Place::START, err.to_string())))
    }

    /// As [`Definition::parse`], with what is allowed in it and probably not meant, in the order of the lines.
    ///
    /// # Errors
    /// As [`Definition::parse`].
    pub fn lint(text: &[u8]) -> Result<(Self, Vec<Warning>), DefinitionError> {
        on_large_stack(|| lint::lint(&document_of(text)?))
            .unwrap_or_else(|err| Err(DefinitionError::one(Place::START, err.to_string())))
    }

    /// Reads a definition as [`Definition::source`] has it.
    ///
    /// # Errors
    /// As [`Definition::parse`], and if the bytes are not canonical.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, DefinitionError> {
        let definition = Self::parse(bytes)?;
        if *definition.source != *bytes {
            return Err(DefinitionError::one(Place::START, "the stored definition is not in canonical form"));
        }
        Ok(definition)
    }

    /// Reads a document as definitions are written, in YAML 1.2 or JSON, whatever it says.
    ///
    /// # Errors
    /// If it is neither.
    pub fn read_document(text: &[u8]) -> Result<Value, DefinitionError> {
        on_large_stack(|| document_of(text).map(|node| node.to_json()))
            .unwrap_or_else(|err| Err(DefinitionError::one(Place::START, err.to_string())))
    }

    /// What is wrong with an input; nothing if it is as the definition's schema says, or that has none.
    #[must_use]
    pub fn input_faults(&self, input: &Value) -> Vec<InputFault> {
        self.input.as_ref().map(|schema| schema.faults(input)).unwrap_or_default()
    }

    /// The document, as [`Definition::source`] has it.
    #[must_use]
    pub fn document(&self) -> Value {
        // INVARIANT: `source` was written by `json::canonical`.
        json::parse_stored(&self.source, self.source.len()).unwrap_or(Value::Null)
    }

    /// A step.
    #[must_use]
    pub fn step(&self, index: StepIndex) -> Option<&Step> {
        self.steps.get(index.position())
    }

    /// The step with this id. Linear: look it up once and keep the index.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<StepIndex> {
        self.steps.iter().position(|step| step.id.as_str() == id).map(StepIndex::at)
    }

    /// The step of this id, or its clone: `ship[3]`.
    #[must_use]
    pub fn find_node(&self, named: &str) -> Option<NodeRef> {
        let Some((id, index)) = named.strip_suffix(']').and_then(|named| named.split_once('[')) else {
            return self.find(named).map(NodeRef::of_step);
        };
        let is_number = index.bytes().all(|byte| byte.is_ascii_digit()) && (index == "0" || !index.starts_with('0'));
        let index: u32 = index.parse().ok().filter(|_| is_number)?;
        Some(NodeRef { step: self.find(id)?, clone: index.checked_add(1)? })
    }

    /// What a node is called: its step's id, and for a clone its index: `ship[3]`.
    #[must_use]
    pub fn name_of(&self, node: NodeRef) -> Option<String> {
        Some(node.name(&self.step(node.step)?.id))
    }

    /// Every step's index, in order.
    pub fn indices(&self) -> impl Iterator<Item = StepIndex> + use<> {
        (0..self.steps.len()).map(StepIndex::at)
    }
}

fn document_of(text: &[u8]) -> Result<Node, DefinitionError> {
    if text.len() > DEFINITION_BYTES_MAX {
        let message = format!("the definition has {} bytes, at most {DEFINITION_BYTES_MAX} are allowed", text.len());
        return Err(DefinitionError::one(Place::START, message));
    }
    let Ok(utf8) = std::str::from_utf8(text) else {
        return Err(DefinitionError::one(Place::START, "the definition is not UTF-8"));
    };
    // JSON is judged as JSON, so that what it means does not depend on how YAML reads it.
    let bounds = json::Bounds { bytes: DEFINITION_BYTES_MAX, values: usize::MAX };
    let is_json = utf8.trim_start().starts_with('{') && json::parse_within(text, bounds).is_ok();
    let parsed = if is_json { json_text::parse(utf8) } else { yaml::parse(utf8) };
    parsed.map_err(|err| DefinitionError::one(err.place, err.message))
}
