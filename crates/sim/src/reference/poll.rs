//! Steps that poll: rounds, each a call of its own, until what one gives is enough.

use super::plan::{Plan, RunPlan};
use super::stand::Stage;
use super::told::resumed;
use super::{Fact, Saga, WrongRule};
use crate::model::{Check, ensure};
use crate::rng::Rng;
use chancery_base::Timestamp;
use chancery_engine::{Event, Phase};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How a step polls. A worker's output says which attempt it is of, which is what `until` looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollPlan {
    /// A round is enough if its attempt's number can be divided by this.
    pub divisor: u64,
    /// Milliseconds from a round to the next.
    pub every: u64,
    /// How many rounds there are at most.
    pub at_most: u64,
}

impl PollPlan {
    fn draw(rng: &mut Rng) -> Self {
        Self { divisor: rng.between(1, 4), every: rng.between(100, 4_000), at_most: rng.between(1, 4) }
    }

    /// What the step of this number says of it.
    pub(super) fn document(&self, index: usize) -> [(String, Value); 3] {
        let until = format!("${{{{ steps.s{index}.output.attempt % {} == 0 }}}}", self.divisor);
        let every = format!("{}ms", self.every);
        [("until", json!(until)), ("every", json!(every)), ("at_most", json!(self.at_most))]
            .map(|(key, value)| (key.to_owned(), value))
    }
}

impl Plan {
    /// The same, of which some steps that call something poll.
    pub(super) fn with_polls(mut self, rng: &mut Rng) -> Self {
        let often = rng.pick(&[0, 0, 300, 600]).copied().unwrap_or(0);
        for step in &mut self.steps {
            let poll = rng.permille(often).then(|| PollPlan::draw(rng));
            let calls = matches!(step.run, RunPlan::Http | RunPlan::QueueA | RunPlan::QueueB);
            step.poll = poll.filter(|_| calls);
        }
        self
    }
}

impl Saga {
    fn poll(&self, asked: usize) -> Option<PollPlan> {
        self.step(asked).and_then(|step| step.poll)
    }

    pub(super) fn polls(&self, asked: usize) -> bool {
        self.poll(asked).is_some()
    }

    /// Whether what an attempt gave was taken as what it is: enough, or not.
    pub(super) fn judges(&self, event: &Event) -> Check {
        let (node, output, is_taken) = if let Event::Completed { node, phase: Phase::Do, output, .. } = event {
            (node, output, true)
        } else if let Event::Polled { node, output, .. } = event {
            (node, output, false)
        } else {
            return Ok(());
        };
        let step = self.unit(node);
        let Some(poll) = self.poll(step) else { return ensure(is_taken, || "it does not poll".to_owned()) };
        let attempt = output.get("attempt").and_then(Value::as_u64);
        let is_enough = attempt.is_some_and(|attempt| attempt % poll.divisor == 0);
        let is_enough = is_enough || self.is_told(WrongRule::AnythingIsEnough);
        ensure(is_enough == is_taken, || format!("{attempt:?} is enough for step {step}: {is_enough}"))
    }

    /// Whether a round may end that was not enough, and another one begin then.
    pub(super) fn may_poll(&self, at: Timestamp, (step, attempt): (usize, u64), next_at: Option<Timestamp>) -> Check {
        self.is_out(step, Phase::Do, attempt)?;
        let poll = self.poll(step).ok_or("it does not poll")?;
        let more = u64::from(self.is_told(WrongRule::OneRoundMore));
        let later = if self.is_told(WrongRule::RoundLater) { 100 } else { 0 };
        let goes_on = self.turn().is_none() && self.rounds_since_resumed(step) + 1 < poll.at_most + more;
        let expected = goes_on.then(|| at.plus(Duration::from_millis(poll.every + later)));
        ensure(next_at == expected, || format!("its next round begins at {expected:?}"))
    }

    /// Whether the next round may begin.
    pub(super) fn may_begin_round(&self, step: usize, at: Timestamp) -> Check {
        self.goes_forward()?;
        self.is_time(step, at)
    }

    /// Rounds that were not enough, since a person had the step tried again.
    fn rounds_since_resumed(&self, asked: usize) -> u64 {
        let mut count = 0;
        for (at, (_, fact)) in self.facts.iter().enumerate() {
            if resumed(fact) == Some(asked) && self.goes_forward_at(at) {
                count = 0;
            }
            count += u64::from(matches!(fact, Fact::Polled { step, .. } if *step == asked));
        }
        count
    }

    /// Whether a round was done after so many facts: then it took effect, though it was not enough.
    pub(super) fn has_rounds(&self, asked: usize, facts: usize) -> bool {
        let is_it = |fact: &Fact| matches!(fact, Fact::Polled { step, .. } if *step == asked);
        !self.is_told(WrongRule::ForgetRounds) && self.facts.iter().take(facts).any(|(_, fact)| is_it(fact))
    }

    /// Where a step stands of whose rounds this is the latest fact.
    pub(super) fn stage_of_rounds(&self, asked: usize, at: Timestamp, fact: &Fact) -> Option<Stage> {
        if let Fact::Polled { step, next_at, .. } = fact {
            return (*step == asked).then_some(Stage::Waiting(*next_at));
        }
        let begins = matches!(fact, Fact::RoundBegan { step } if *step == asked);
        begins.then(|| Stage::Ready(self.not_before_resumed(at)))
    }
}
