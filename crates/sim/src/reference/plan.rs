//! What a saga or a TCC does, as plain data: the definition's document is written from it, and the reference model judges by
//! it, so that reading a definition is put to the test as well.

mod closing;
mod draw;
mod family;
mod governed;
mod inline;
mod read;
mod request;
mod signal;

pub use read::ReadPlan;
pub(crate) use request::ROLE;
pub use request::RequestPlan;
pub use signal::{SignalName, SignalPlan};

use super::poll::PollPlan;
use super::variable;
use crate::rng::Rng;
use draw::{on_error, retry, undo, waits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A saga, or a TCC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The definition's name.
    pub name: String,
    /// Its steps; each comes after steps before it in the list.
    pub steps: Vec<StepPlan>,
    /// How many of them are out at once; none: 8.
    pub concurrency: Option<u64>,
    /// What the transaction gives.
    pub output: OutputPlan,
    /// Milliseconds that it may go forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<u64>,
    /// A layer of steps begins when the one before it is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_layered: bool,
    /// In which order steps are undone; none: the last one first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyPlan>,
    /// What becomes of a compensation that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnErrorPlan>,
    /// It is open: its driver adds the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenPlan>,
    /// It is a TCC: its steps are participants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcc: Option<TccPlan>,
    /// Its steps are decided under the bundle that is active, not under that of its beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_latest: bool,
    /// What its steps run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Self>,
    /// It was not drawn, but read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadPlan>,
}

/// In which order participants are tried, and confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TccPlan {
    /// One after the other; each step comes after the one before it.
    Sequence,
    /// All together.
    Parallel,
}

/// What the driver of an open transaction does, and what it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenPlan {
    /// Milliseconds that it may say nothing.
    pub grace: u64,
    /// How many steps it may have.
    pub steps_max: usize,
    /// The steps that it asks for, one after the other. They become [`Plan::steps`] as they are permitted.
    pub script: Vec<StepPlan>,
    /// It aborts at the end.
    pub aborts: bool,
}

/// In which order steps are undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyPlan {
    /// The last one first; a failure parks.
    StrictSequential,
    /// The deepest layer first, its steps together; a failure parks.
    GroupedParallel,
    /// The last one first; a failure is left.
    RetryWithBackoff,
    /// The last one first; a failure is left, and after a critical one all.
    CircuitBreaker,
    /// All together; a failure is left.
    BestEffortParallel,
}

/// What becomes of a compensation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnErrorPlan {
    /// It is left after its last attempt.
    Continue,
    /// It is tried without end.
    Retry,
    /// It parks after its last attempt.
    Fail,
    /// It is left after its first attempt.
    Skip,
    /// It counts as done after its last attempt.
    MarkCompensated,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is said of a step by itself")]
pub struct StepPlan {
    /// The numbers of the steps before it.
    pub after: Vec<usize>,
    /// What it runs.
    pub run: RunPlan,
    /// The step whose output is its input; none: the transaction's number.
    pub input_of: Option<usize>,
    /// It is skipped unless the transaction's number is above this.
    pub above: Option<u64>,
    /// How it is tried again.
    pub retry: RetryPlan,
    /// Milliseconds that an attempt may take.
    pub timeout: u64,
    /// Seconds that it may wait for a worker.
    pub queue_timeout: u64,
    /// How it is undone.
    pub undo: Option<UndoPlan>,
    /// How it is confirmed; a participant says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<ConfirmPlan>,
    /// Past it the saga only goes forward.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pivot: bool,
    /// The saga goes on without it when it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_optional: bool,
    /// It fans out, over as many elements as the transaction's number says, but no more than these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_clones: Option<u64>,
    /// How many of its clones are out at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// It is called round by round, until what it gives is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<PollPlan>,
    /// How much it adds to the variable when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adds: Option<u64>,
    /// The variable is a part of its input.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_variable: bool,
    /// The setting is a part of its input.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_setting: bool,
    /// Who has to say yes before it is handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<RequestPlan>,
    /// It says to policy which step it is, and the transaction's number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub says_deed: bool,
    /// Policy is told that it can't be undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_irreversible: bool,
}

/// How a step is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoPlan {
    /// Nobody is called.
    pub is_noop: bool,
    /// It emits an event, and calls nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_event: bool,
    /// How it is tried again.
    pub retry: RetryPlan,
    /// Milliseconds that an attempt may take.
    pub timeout: u64,
    /// What becomes of it when it failed, where that is another than the saga's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnErrorPlan>,
    /// After its failure the policy circuit-breaker leaves the rest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_critical: bool,
}

/// How a participant is confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmPlan {
    /// Nobody is called.
    pub is_noop: bool,
    /// How it is tried again.
    pub retry: RetryPlan,
    /// Milliseconds that an attempt may take.
    pub timeout: u64,
}

/// How something is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPlan {
    /// All tries.
    pub attempts: u64,
    /// Milliseconds before the second; twice as long each time.
    pub backoff: u64,
    /// An error `OutOfStock` is final.
    pub unless: bool,
}

/// What a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPlan {
    /// Nothing.
    Noop,
    /// A request.
    Http,
    /// A worker of one queue.
    QueueA,
    /// A worker of the other.
    QueueB,
    /// Nothing, for so many milliseconds.
    Wait(u64),
    /// Nothing, until a signal comes.
    Signal(SignalPlan),
    /// Nothing, until people have answered.
    Request(RequestPlan),
    /// The child that has this number.
    Child(usize),
    /// A question for policy.
    Decide,
    /// An event.
    Emit,
}

/// What a transaction gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputPlan {
    /// Nothing.
    Nothing,
    /// Its number.
    Number,
    /// A step's output: it fails where that was skipped.
    Of(usize),
}

/// The error that [`RetryPlan::unless`] is about.
pub(crate) const FINAL: &str = "OutOfStock";

impl Plan {
    /// One of the small ones: up to six steps.
    pub(crate) fn narrow(number: usize) -> Self {
        let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0xdef1);
        let count = rng.between(1, 6);
        let steps = (0..count).map(|index| narrow_step(index, &mut rng)).collect();
        let concurrency = rng.permille(500).then(|| rng.between(1, 3));
        let output = if rng.permille(500) { OutputPlan::Number } else { OutputPlan::Nothing };
        Self { steps, concurrency, output, ..Self::empty(format!("saga-{number}")) }
    }

    /// One of the wide ones: up to twelve steps, any shape, up to five attempts.
    pub(crate) fn wide(number: usize) -> Self {
        let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0x51de_0000);
        let count = usize::try_from(rng.between(1, 12)).unwrap_or(1);
        let density = rng.pick(&[80, 200, 400, 800]).copied().unwrap_or(200);
        let steps: Vec<StepPlan> = (0..count).map(|index| wide_step(index, density, &mut rng)).collect();
        let concurrency = rng.permille(600).then(|| rng.between(1, 8));
        let output = match rng.below(4) {
            0 => OutputPlan::Nothing,
            1 => OutputPlan::Of(rng.index(count)),
            _ => OutputPlan::Number,
        };
        Self { steps, concurrency, output, ..Self::empty(format!("wide-{number}")) }
    }

    /// One with everything that a saga may say: up to eight steps, every order of undoing.
    pub(crate) fn varied(number: usize) -> Self {
        let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0x7a21_ed00);
        let count = usize::try_from(rng.between(1, 8)).unwrap_or(1);
        let density = rng.pick(&[0, 150, 400, 800]).copied().unwrap_or(150);
        let policies = [
            PolicyPlan::StrictSequential,
            PolicyPlan::GroupedParallel,
            PolicyPlan::RetryWithBackoff,
            PolicyPlan::CircuitBreaker,
            PolicyPlan::BestEffortParallel,
        ];
        let policy = rng.pick(&policies).copied();
        let pivots = rng.pick(&[0, 0, 150, 400]).copied().unwrap_or(0);
        let mut steps: Vec<StepPlan> = (0..count).map(|index| wide_step(index, density, &mut rng)).collect();
        for step in &mut steps {
            vary(step, policy, pivots, &mut rng);
        }
        let passive = rng.pick(&[0, 0, 200, 500]).copied().unwrap_or(0);
        for step in &mut steps {
            if rng.permille(passive) {
                step.run = waits(&mut rng);
                (step.undo, step.input_of) = (None, None);
            }
        }
        let concurrency = rng.permille(600).then(|| rng.between(1, 8));
        let output = match rng.below(4) {
            0 => OutputPlan::Nothing,
            1 => OutputPlan::Of(rng.index(count)),
            _ => OutputPlan::Number,
        };
        let lasts = rng.permille(250).then(|| rng.between(500, 30_000));
        let is_layered = rng.permille(300);
        let on_error = if policy.is_some() { on_error(&mut rng) } else { None };
        let name = format!("varied-{number}");
        let plan = Self { steps, concurrency, output, lasts, is_layered, policy, on_error, ..Self::empty(name) };
        let plan = plan.with_setting(number);
        let number = u64::try_from(number).unwrap_or(0);
        let plan = plan.with_variable(&mut Rng::new(number ^ 0x5e7_0000));
        plan.with_inline(&mut Rng::new(number ^ 0x1a11_0000)).with_polls(&mut Rng::new(number ^ 0x9011_0000))
    }

    /// An open one: up to eight steps that its driver asks for.
    pub(crate) fn open(number: usize) -> Self {
        let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0x09e4_0000);
        let count = rng.between(0, 8);
        let policies = [
            PolicyPlan::StrictSequential,
            PolicyPlan::RetryWithBackoff,
            PolicyPlan::CircuitBreaker,
            PolicyPlan::BestEffortParallel,
        ];
        let policy = rng.pick(&policies).copied();
        let script: Vec<StepPlan> = (0..count).map(|_| driven_step(policy, &mut rng)).collect();
        let steps_max = if rng.permille(150) { script.len().max(1) } else { 20 };
        let steps_max = if rng.permille(150) { steps_max.saturating_sub(1).max(1) } else { steps_max };
        let open = OpenPlan { grace: rng.between(1_000, 12_000), steps_max, script, aborts: rng.permille(200) };
        let concurrency = rng.permille(300).then(|| rng.between(1, 4));
        let lasts = rng.permille(200).then(|| rng.between(1_000, 30_000));
        let on_error = if rng.permille(300) { on_error(&mut rng) } else { None };
        Self { concurrency, lasts, policy, on_error, open: Some(open), ..Self::empty(format!("open-{number}")) }
    }

    /// A TCC: up to six participants, some of which may fail.
    pub(crate) fn tcc(number: usize) -> Self {
        let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0x7cc0_0000);
        let count = usize::try_from(rng.between(1, 6)).unwrap_or(1);
        let order = if rng.permille(500) { TccPlan::Sequence } else { TccPlan::Parallel };
        let policies = [PolicyPlan::RetryWithBackoff, PolicyPlan::CircuitBreaker, PolicyPlan::BestEffortParallel];
        let policy = if rng.permille(400) { rng.pick(&policies).copied() } else { None };
        let optional = rng.pick(&[0, 150, 400]).copied().unwrap_or(0);
        let steps = (0..count).map(|index| participant(index, order, policy, optional, &mut rng)).collect();
        let concurrency = rng.permille(600).then(|| rng.between(1, 8));
        let output = match rng.below(4) {
            0 => OutputPlan::Nothing,
            1 => OutputPlan::Of(rng.index(count)),
            _ => OutputPlan::Number,
        };
        let lasts = rng.permille(300).then(|| rng.between(500, 30_000));
        let on_error = if policy.is_some() { on_error(&mut rng) } else { None };
        let (name, tcc) = (format!("tcc-{number}"), Some(order));
        Self { steps, concurrency, output, lasts, policy, on_error, tcc, ..Self::empty(name) }
    }

    /// A varied one of which some steps fan out: of those that are handed out.
    pub(crate) fn fanned(number: usize) -> Self {
        let mut plan = Self { name: format!("fanned-{number}"), ..Self::varied(number) };
        let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0xfa11_0000);
        let often = rng.pick(&[300, 600]).copied().unwrap_or(300);
        for step in plan.steps.iter_mut().filter(|step| !step.is_passive()) {
            step.most_clones = rng.permille(often).then(|| rng.between(0, 5));
            step.window = step.most_clones.and_then(|_| rng.permille(500).then(|| rng.between(1, 3)));
            step.window = step.window.filter(|_| !step.is_inline());
        }
        plan
    }

    const fn empty(name: String) -> Self {
        Self {
            name,
            steps: Vec::new(),
            concurrency: None,
            output: OutputPlan::Nothing,
            lasts: None,
            is_layered: false,
            policy: None,
            on_error: None,
            open: None,
            tcc: None,
            is_latest: false,
            children: Vec::new(),
            read: None,
        }
    }

    /// The definition's document.
    pub(crate) fn document(&self) -> Value {
        let mut document = Map::new();
        document.insert("name".to_owned(), json!(self.name));
        document.insert("version".to_owned(), json!(1));
        let steps = self.steps.iter().enumerate();
        if let Some(open) = &self.open {
            document.insert("kind".to_owned(), json!("open"));
            document.insert("grace".to_owned(), json!(format!("{}ms", open.grace)));
            document.insert("steps_max".to_owned(), json!(open.steps_max));
        } else if let Some(order) = self.tcc {
            document.insert("kind".to_owned(), json!("tcc"));
            document.insert("mode".to_owned(), json!(order));
            let participants = steps.map(|(index, step)| step.participant(index));
            document.insert("participants".to_owned(), participants.collect());
        } else {
            let steps = steps.map(|(index, step)| step.document(index, self.is_first_setter(index)));
            document.insert("steps".to_owned(), steps.collect());
        }
        if self.is_latest {
            document.insert("policy".to_owned(), json!("latest"));
        }
        if let Some(concurrency) = self.concurrency {
            document.insert("concurrency".to_owned(), json!(concurrency));
        }
        if let Some(lasts) = self.lasts {
            let key = if self.open.is_some() { "deadline" } else { "timeout" };
            document.insert(key.to_owned(), json!(format!("{lasts}ms")));
        }
        if self.is_layered {
            document.insert("mode".to_owned(), json!("layers"));
        }
        if let Some(policy) = self.policy {
            let mut compensation = json!({ "policy": policy });
            if let Some((on_error, compensation)) = self.on_error.zip(compensation.as_object_mut()) {
                compensation.insert("on_error".to_owned(), json!(on_error));
            }
            document.insert("compensation".to_owned(), compensation);
        }
        match self.output {
            OutputPlan::Nothing => {}
            OutputPlan::Number => {
                let mut output = json!({ "n": "${{ input.n }}" });
                if let Some(output) = output.as_object_mut().filter(|_| self.has_variable()) {
                    output.insert("v".to_owned(), json!("${{ vars.?v }}"));
                }
                document.insert("output".to_owned(), output);
            }
            OutputPlan::Of(step) => {
                document.insert("output".to_owned(), json!({ "of": format!("${{{{ steps.s{step}.output }}}}") }));
            }
        }
        Value::Object(document)
    }

    /// The same without one of its steps.
    pub(crate) fn without(&self, gone: usize) -> Self {
        let moved = |step: usize| if step > gone { step - 1 } else { step };
        let mut steps = self.steps.clone();
        steps.remove(gone);
        for step in &mut steps {
            step.after.retain(|before| *before != gone);
            step.after.iter_mut().for_each(|before| *before = moved(*before));
            step.input_of = step.input_of.filter(|of| *of != gone).map(moved);
            // Who comes after whom is another than it was: the variable goes with the step.
            (step.adds, step.takes_variable) = (None, false);
        }
        if self.tcc == Some(TccPlan::Sequence) {
            for (index, step) in steps.iter_mut().enumerate() {
                step.after = index.checked_sub(1).into_iter().collect();
            }
        }
        let output = match self.output {
            OutputPlan::Of(step) if step == gone => OutputPlan::Nothing,
            OutputPlan::Of(step) => OutputPlan::Of(moved(step)),
            OutputPlan::Nothing => OutputPlan::Nothing,
            OutputPlan::Number => OutputPlan::Number,
        };
        Self { steps, output, ..self.clone() }
    }
}

/// A step that a driver asks for.
fn driven_step(policy: Option<PolicyPlan>, rng: &mut Rng) -> StepPlan {
    let retry = |attempts| RetryPlan { attempts, backoff: 100, unless: false };
    let is_critical = policy == Some(PolicyPlan::CircuitBreaker) && rng.permille(300);
    let undo = rng.permille(800).then(|| UndoPlan {
        is_noop: false,
        is_event: false,
        retry: retry(rng.between(1, 3)),
        timeout: rng.between(500, 5_000),
        on_error: if rng.permille(200) { on_error(rng) } else { None },
        is_critical,
    });
    let timeout = rng.between(500, 6_000);
    StepPlan { undo, is_optional: true, ..StepPlan::plain(RunPlan::QueueA, retry(1), timeout, 1) }
}

impl PolicyPlan {
    /// What becomes of a compensation that failed, where nobody says.
    const fn on_error(self) -> OnErrorPlan {
        match self {
            Self::StrictSequential | Self::GroupedParallel => OnErrorPlan::Fail,
            Self::RetryWithBackoff | Self::CircuitBreaker | Self::BestEffortParallel => OnErrorPlan::Continue,
        }
    }
}

impl Plan {
    pub(crate) fn policy(&self) -> PolicyPlan {
        self.policy.unwrap_or(PolicyPlan::StrictSequential)
    }

    /// What becomes of a step's compensation that failed.
    pub(crate) fn on_error(&self, step: usize) -> OnErrorPlan {
        let of_step = self.steps.get(step).and_then(|step| step.undo.as_ref()).and_then(|undo| undo.on_error);
        of_step.or(self.on_error).unwrap_or(self.policy().on_error())
    }

    /// How many steps must be over, one after the other, before this one.
    pub(crate) fn layer(&self, step: usize) -> usize {
        let after = self.steps.get(step).map_or(&[][..], |step| &step.after);
        after.iter().map(|before| self.layer(*before) + 1).max().unwrap_or(0)
    }

    /// The steps that must be over before this one.
    pub(crate) fn before(&self, step: usize) -> Vec<usize> {
        if self.is_layered {
            let layer = self.layer(step);
            return (0..self.steps.len()).filter(|other| self.layer(*other) < layer).collect();
        }
        self.steps.get(step).map_or_else(Vec::new, |step| step.after.clone())
    }
}

impl StepPlan {
    /// One that says nothing beside: after none, and not undone.
    const fn plain(run: RunPlan, retry: RetryPlan, timeout: u64, queue_timeout: u64) -> Self {
        Self {
            after: Vec::new(),
            run,
            input_of: None,
            above: None,
            retry,
            timeout,
            queue_timeout,
            undo: None,
            confirm: None,
            is_pivot: false,
            is_optional: false,
            most_clones: None,
            window: None,
            poll: None,
            adds: None,
            takes_variable: false,
            takes_setting: false,
            approval: None,
            says_deed: false,
            is_irreversible: false,
        }
    }

    /// Whether nobody is called.
    pub(crate) const fn is_passive(&self) -> bool {
        match self.run {
            RunPlan::Wait(_) | RunPlan::Signal(_) | RunPlan::Request(_) => true,
            RunPlan::Noop
            | RunPlan::Http
            | RunPlan::QueueA
            | RunPlan::QueueB
            | RunPlan::Child(_)
            | RunPlan::Decide
            | RunPlan::Emit => false,
        }
    }

    /// Its document; the first step that sets the variable has nothing to add to.
    fn document(&self, index: usize, is_first: bool) -> Value {
        let mut step = self.forward();
        step.insert("id".to_owned(), json!(format!("s{index}")));
        step.insert("after".to_owned(), self.after.iter().map(|before| format!("s{before}")).collect());
        if let Some(most) = self.most_clones {
            let elements: Vec<u64> = (1..=most).collect();
            step.insert("each".to_owned(), json!(format!("${{{{ {elements:?}.filter(x, x <= input.n) }}}}")));
        }
        step.extend(self.approval.map(|approval| ("approval".to_owned(), approval.approval())));
        step.extend(self.deed(index));
        step.extend(self.is_irreversible.then(|| ("irreversible".to_owned(), json!(true))));
        step.extend(self.window.map(|window| ("concurrency".to_owned(), json!(window))));
        step.extend(self.poll.iter().flat_map(|poll| poll.document(index)));
        step.extend(self.adds.map(|adds| ("set".to_owned(), variable::sum(adds, is_first))));
        if let Some(above) = self.above {
            step.insert("when".to_owned(), json!(format!("${{{{ input.n > {above} }}}}")));
        }
        if let Some(undo) = &self.undo {
            step.insert("compensate".to_owned(), undo.document());
        }
        if self.is_pivot {
            step.insert("pivot".to_owned(), json!(true));
        }
        if self.is_optional {
            step.insert("on_failure".to_owned(), json!("continue"));
        }
        Value::Object(step)
    }

    /// A participant's document: what a step does is its try.
    fn participant(&self, index: usize) -> Value {
        let mut participant = Map::new();
        participant.insert("id".to_owned(), json!(format!("s{index}")));
        participant.insert("try".to_owned(), Value::Object(self.forward()));
        participant.extend(self.deed(index));
        if let Some(above) = self.above {
            participant.insert("when".to_owned(), json!(format!("${{{{ input.n > {above} }}}}")));
        }
        participant.extend(self.undo.as_ref().map(|undo| ("cancel".to_owned(), undo.document())));
        participant.extend(self.confirm.as_ref().map(|confirm| ("confirm".to_owned(), confirm.document())));
        if self.is_optional {
            participant.insert("optional".to_owned(), json!(true));
        }
        Value::Object(participant)
    }

    /// What it says to policy.
    fn deed(&self, index: usize) -> Option<(String, Value)> {
        let context = json!({ "n": "${{ input.n }}", "step": index });
        self.says_deed.then(|| ("context".to_owned(), context))
    }

    /// What it does on the way forward.
    fn forward(&self) -> Map<String, Value> {
        let mut step = Map::new();
        let run = match self.run {
            RunPlan::Wait(millis) => json!({ "wait": format!("{millis}ms") }),
            RunPlan::Signal(signal) => {
                let mut document = json!({ "name": signal.name.word() });
                if let Some((timeout, document)) = signal.timeout.zip(document.as_object_mut()) {
                    document.insert("timeout".to_owned(), json!(format!("{timeout}ms")));
                }
                json!({ "signal": document })
            }
            RunPlan::Request(request) => request.run(),
            RunPlan::Child(number) => json!({ "transaction": family::child_name(number) }),
            RunPlan::Decide => inline::question(),
            RunPlan::Emit => inline::event("sim.done"),
            RunPlan::Noop => json!("noop"),
            RunPlan::Http => json!({ "http": { "url": "https://payments.test/charges" } }),
            RunPlan::QueueA => json!({ "worker": "queue.a" }),
            RunPlan::QueueB => json!({ "worker": "queue.b" }),
        };
        step.insert("run".to_owned(), run);
        if self.run == RunPlan::Decide {
            step.insert("context".to_owned(), json!({ "n": "${{ input.n }}" }));
        } else if !self.is_passive() {
            self.attempts(&mut step);
        }
        step
    }

    /// What a step has that is handed out.
    fn attempts(&self, step: &mut Map<String, Value>) {
        let mut with = match self.input_of {
            // What was skipped has no output: then this fails as a bad expression.
            Some(before) => json!({ "of": format!("${{{{ steps.s{before}.output }}}}") }),
            None => json!({ "n": "${{ input.n }}" }),
        };
        if let Some(with) = with.as_object_mut().filter(|_| self.takes_variable) {
            with.insert("v".to_owned(), json!("${{ vars.?v }}"));
        }
        if let Some(with) = with.as_object_mut().filter(|_| self.takes_setting) {
            with.insert("g".to_owned(), json!("${{ env.?GEN }}"));
        }
        step.insert("with".to_owned(), with);
        if matches!(self.run, RunPlan::Child(_) | RunPlan::Emit) {
            return;
        }
        step.insert("retry".to_owned(), self.retry.document());
        step.insert("timeout".to_owned(), json!(format!("{}ms", self.timeout)));
        step.insert("queue_timeout".to_owned(), json!(format!("{}s", self.queue_timeout)));
    }
}

/// Draws in this order, so that the seeds that once failed still give the run that failed.
fn narrow_step(index: u64, rng: &mut Rng) -> StepPlan {
    let after: Vec<usize> =
        (0..index).filter(|_| rng.permille(400)).filter_map(|before| usize::try_from(before).ok()).collect();
    let run = match rng.below(10) {
        0 => RunPlan::Noop,
        1 => RunPlan::Http,
        even if even % 2 == 0 => RunPlan::QueueA,
        _ => RunPlan::QueueB,
    };
    let input_of = after.first().copied().filter(|_| rng.permille(300));
    let above = rng.permille(250).then(|| rng.below(5));
    let retry = retry(rng, 3);
    let timeout = rng.between(2_000, 8_000);
    let queue_timeout = rng.between(4, 20);
    let undo = undo(rng, 2);
    StepPlan { after, input_of, above, undo, ..StepPlan::plain(run, retry, timeout, queue_timeout) }
}

fn wide_step(index: usize, density: u64, rng: &mut Rng) -> StepPlan {
    let after: Vec<usize> = (0..index).filter(|_| rng.permille(density)).collect();
    let run = match rng.below(10) {
        0..2 => RunPlan::Noop,
        2 => RunPlan::Http,
        3..6 => RunPlan::QueueA,
        _ => RunPlan::QueueB,
    };
    let input_of = rng.pick(&after).copied().filter(|_| rng.permille(150));
    let above = rng.permille(150).then(|| rng.below(5));
    let retry = retry(rng, 5);
    let timeout = rng.between(2_000, 8_000);
    let queue_timeout = rng.between(6, 40);
    let undo = undo(rng, 4);
    StepPlan { after, input_of, above, undo, ..StepPlan::plain(run, retry, timeout, queue_timeout) }
}

/// What a step of a varied saga says beside.
fn vary(step: &mut StepPlan, policy: Option<PolicyPlan>, pivots: u64, rng: &mut Rng) {
    step.is_pivot = rng.permille(pivots);
    step.is_optional = rng.permille(150) && !step.is_pivot;
    if step.is_pivot {
        step.undo = None;
    }
    if let Some(undo) = &mut step.undo {
        undo.on_error = on_error(rng);
        undo.is_critical = policy == Some(PolicyPlan::CircuitBreaker) && rng.permille(500);
    }
}

fn participant(index: usize, order: TccPlan, policy: Option<PolicyPlan>, optional: u64, rng: &mut Rng) -> StepPlan {
    let mut step = wide_step(index, 0, rng);
    let before = index.checked_sub(1).filter(|_| order == TccPlan::Sequence);
    step.after = before.into_iter().collect();
    step.input_of = before.filter(|_| rng.permille(150));
    step.retry = retry(rng, 2);
    step.is_optional = rng.permille(optional);
    let closing = |rng: &mut Rng| (rng.permille(100), retry(rng, 4), rng.between(2_000, 6_000));
    let (is_noop, retry, timeout) = closing(rng);
    let is_critical = policy == Some(PolicyPlan::CircuitBreaker) && rng.permille(500);
    step.undo = Some(UndoPlan { is_noop, is_event: false, retry, timeout, on_error: on_error(rng), is_critical });
    let (is_noop, retry, timeout) = closing(rng);
    step.confirm = Some(ConfirmPlan { is_noop, retry, timeout });
    step
}
