//! What a saga does, as plain data: the definition's document is written from it, and the reference model judges by
//! it, so that reading a definition is put to the test as well.

use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A saga.
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
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
}

/// How a step is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoPlan {
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
        Self { name: format!("saga-{number}"), steps, concurrency, output }
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
        Self { name: format!("wide-{number}"), steps, concurrency, output }
    }

    /// The definition's document.
    pub(crate) fn document(&self) -> Value {
        let mut document = Map::new();
        document.insert("name".to_owned(), json!(self.name));
        document.insert("version".to_owned(), json!(1));
        let steps = self.steps.iter().enumerate().map(|(index, step)| step.document(index));
        document.insert("steps".to_owned(), steps.collect());
        if let Some(concurrency) = self.concurrency {
            document.insert("concurrency".to_owned(), json!(concurrency));
        }
        match self.output {
            OutputPlan::Nothing => {}
            OutputPlan::Number => {
                document.insert("output".to_owned(), json!({ "n": "${{ input.n }}" }));
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
        }
        let output = match self.output {
            OutputPlan::Of(step) if step == gone => OutputPlan::Nothing,
            OutputPlan::Of(step) => OutputPlan::Of(moved(step)),
            OutputPlan::Nothing => OutputPlan::Nothing,
            OutputPlan::Number => OutputPlan::Number,
        };
        Self { name: self.name.clone(), steps, concurrency: self.concurrency, output }
    }
}

impl StepPlan {
    fn document(&self, index: usize) -> Value {
        let mut step = Map::new();
        step.insert("id".to_owned(), json!(format!("s{index}")));
        step.insert("after".to_owned(), self.after.iter().map(|before| format!("s{before}")).collect());
        let run = match self.run {
            RunPlan::Noop => json!("noop"),
            RunPlan::Http => json!({ "http": { "url": "https://payments.test/charges" } }),
            RunPlan::QueueA => json!({ "worker": "queue.a" }),
            RunPlan::QueueB => json!({ "worker": "queue.b" }),
        };
        step.insert("run".to_owned(), run);
        let with = match self.input_of {
            // What was skipped has no output: then this fails as a bad expression.
            Some(before) => json!({ "of": format!("${{{{ steps.s{before}.output }}}}") }),
            None => json!({ "n": "${{ input.n }}" }),
        };
        step.insert("with".to_owned(), with);
        if let Some(above) = self.above {
            step.insert("when".to_owned(), json!(format!("${{{{ input.n > {above} }}}}")));
        }
        step.insert("retry".to_owned(), self.retry.document());
        step.insert("timeout".to_owned(), json!(format!("{}ms", self.timeout)));
        step.insert("queue_timeout".to_owned(), json!(format!("{}s", self.queue_timeout)));
        if let Some(undo) = &self.undo {
            let run = if undo.is_noop { json!("noop") } else { json!({ "worker": "queue.undo" }) };
            let timeout = format!("{}ms", undo.timeout);
            let undo = json!({ "run": run, "retry": undo.retry.document(), "timeout": timeout });
            step.insert("compensate".to_owned(), undo);
        }
        Value::Object(step)
    }
}

impl RetryPlan {
    fn document(&self) -> Value {
        let mut retry = json!({ "attempts": self.attempts, "backoff": format!("{}ms", self.backoff) });
        if let Some(retry) = retry.as_object_mut().filter(|_| self.unless) {
            retry.insert("unless".to_owned(), json!([FINAL]));
        }
        retry
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
    StepPlan { after, run, input_of, above, retry, timeout, queue_timeout, undo: undo(rng, 2) }
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
    StepPlan { after, run, input_of, above, retry, timeout, queue_timeout, undo: undo(rng, 4) }
}

fn undo(rng: &mut Rng, most: u64) -> Option<UndoPlan> {
    if !rng.permille(700) {
        return None;
    }
    let is_noop = rng.permille(100);
    let timeout = rng.between(2_000, 6_000);
    Some(UndoPlan { is_noop, retry: retry(rng, most), timeout })
}

fn retry(rng: &mut Rng, most: u64) -> RetryPlan {
    let backoff = rng.pick(&[0, 50, 400, 1_500]).copied().unwrap_or(0);
    RetryPlan { backoff, attempts: rng.between(1, most), unless: rng.permille(300) }
}
