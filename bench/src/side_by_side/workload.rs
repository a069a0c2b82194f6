//! The workloads, what stands for a unit of each, and what Chancery runs for it.

use crate::fixture::{name, payload, saga};
use crate::harness::Error;
use chancery_base::{Name, Timestamp};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Steps of the saga that is undone; the last is refused.
pub(super) const COMPENSATED_STEPS: usize = 5;
/// Steps at once.
pub(super) const FANOUT: usize = 100;
/// How long a timer takes.
pub(super) const TIMER: Duration = Duration::from_millis(100);
/// Timers that are due at one instant: fewer than the 1,000 invocations that Restate has going at a time.
pub(super) const AT_ONCE: usize = 896;
/// Who starts them.
pub(super) const STARTERS: usize = 32;

const EVERY: &[usize] = &[1, 8, 32, 128];

/// A workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// One step.
    #[value(name = "saga-1")]
    Saga1,
    /// Ten steps, one after the other.
    #[value(name = "saga-10")]
    Saga10,
    /// A hundred steps, one after the other.
    #[value(name = "saga-100")]
    Saga100,
    /// Four steps that are undone, since the fifth is refused.
    #[value(name = "compensate-5")]
    Compensate,
    /// A hundred steps at once.
    #[value(name = "fanout-100")]
    Fanout,
    /// A wait of 100 ms.
    #[value(name = "timer")]
    Timer,
    /// 896 waits for the same instant, and a step behind each.
    #[value(name = "timers-at-once")]
    TimersAtOnce,
    /// A wait for what somebody outside says.
    #[value(name = "signal")]
    Signal,
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    /// At least this many times the other's rate.
    Rate(f64),
    /// At most this much of the other's time.
    Time(f64),
}

impl Workload {
    pub(super) const ALL: [Self; 8] = [
        Self::Saga1,
        Self::Saga10,
        Self::Saga100,
        Self::Compensate,
        Self::Fanout,
        Self::Timer,
        Self::TimersAtOnce,
        Self::Signal,
    ];

    pub(super) fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// How many clients it is measured with.
    pub(super) const fn clients(self) -> &'static [usize] {
        match self {
            Self::Saga1 | Self::Saga10 | Self::Saga100 | Self::Compensate | Self::Timer | Self::Signal => EVERY,
            Self::Fanout => &[1, 8, 32],
            Self::TimersAtOnce => &[STARTERS],
        }
    }

    /// What is counted.
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Saga1 | Self::Saga10 | Self::Saga100 | Self::Fanout => "step",
            Self::Compensate => "saga",
            Self::Timer | Self::TimersAtOnce => "timer",
            Self::Signal => "signal",
        }
    }

    /// How many runs of handlers are a unit. Where none run, a call is one.
    pub(super) const fn runs_per_unit(self) -> Option<u64> {
        match self {
            Self::Saga1 | Self::Saga10 | Self::Saga100 | Self::Fanout => Some(1),
            // Forward all, and back those that were done.
            Self::Compensate => Some(2 * COMPENSATED_STEPS as u64 - 1),
            Self::TimersAtOnce | Self::Timer | Self::Signal => None,
        }
    }

    /// Steps one after the other in a call: its time is divided by them.
    pub(super) const fn steps_in_turn(self) -> u64 {
        match self {
            Self::Saga10 => 10,
            Self::Saga100 => 100,
            Self::Saga1 | Self::Compensate | Self::Fanout | Self::Timer | Self::TimersAtOnce | Self::Signal => 1,
        }
    }

    /// What its times are.
    pub(super) const fn time(self) -> &'static str {
        match self {
            Self::Saga1 | Self::Saga10 | Self::Saga100 => "a step's share of its saga",
            Self::Compensate => "from start to end",
            Self::Fanout => "from start to end of all",
            Self::Timer => "from start to end, without the 100 ms",
            Self::TimersAtOnce => "from when it was due to its step",
            Self::Signal => "from the signal's sending to the end",
        }
    }

    /// None for timers: how many there are a second, the workload says.
    pub(super) const fn target(self, clients: usize) -> Option<Target> {
        match (self, clients) {
            (Self::Timer | Self::TimersAtOnce, _) => None,
            (_, 1) => Some(Target::Time(0.5)),
            (_, 32 | 128) => Some(Target::Rate(5.0)),
            (_, _) => None,
        }
    }

    /// The name of what Chancery runs.
    pub(super) fn definition(self) -> Result<Name, Error> {
        name(&format!("peer-{}", self.word()))
    }

    /// The input of what Chancery runs.
    pub(super) fn input(self, due: &Due) -> Value {
        match self {
            Self::Saga1 | Self::Saga10 | Self::Saga100 | Self::Compensate => payload(),
            Self::Fanout => json!({ "of": (0..FANOUT).collect::<Vec<_>>(), "payload": payload() }),
            Self::Timer | Self::Signal => Value::Null,
            Self::TimersAtOnce => json!({ "at": due.get().to_string(), "due_us": due.get().as_micros() }),
        }
    }
}

/// When the timers of [`Workload::TimersAtOnce`] are due; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Due(Arc<AtomicI64>);

impl Due {
    /// A whole number of milliseconds, since not everybody knows finer ones.
    pub(super) fn set(&self, at: Timestamp) {
        self.0.store(at.as_micros() / 1_000 * 1_000, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// The definitions that Chancery runs.
pub(crate) fn definitions() -> [Value; 8] {
    let named = |workload: Workload| format!("peer-{}", workload.word());
    let whole = |workload: Workload, steps: &[Value]| json!({ "name": named(workload), "version": 1, "concurrency": FANOUT, "steps": steps });
    let fan = json!({ "id": "all", "each": "${{ input.of }}", "run": { "worker": "remote.0" },
        "with": "${{ input.payload }}", "irreversible": true, "concurrency": FANOUT });
    let wait = json!({ "id": "at", "run": { "wait": "100ms" } });
    let until = json!({ "id": "at", "run": { "wait": "${{ input.at }}" } });
    let note = json!({ "id": "note", "after": ["at"], "run": { "worker": "late" }, "with": "${{ input.due_us }}",
        "irreversible": true });
    let signal = json!({ "id": "go", "run": { "signal": { "name": "go" } } });
    [
        saga(&named(Workload::Saga1), "remote", 1),
        saga(&named(Workload::Saga10), "remote", 10),
        saga(&named(Workload::Saga100), "remote", 100),
        compensated(&named(Workload::Compensate)),
        whole(Workload::Fanout, &[fan]),
        whole(Workload::Timer, &[wait]),
        whole(Workload::TimersAtOnce, &[until, note]),
        whole(Workload::Signal, &[signal]),
    ]
}

/// A saga whose last step is refused; those before it are undone by the worker, with what they gave.
fn compensated(name: &str) -> Value {
    let mut definition = saga(name, "remote", COMPENSATED_STEPS);
    let steps = definition.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten();
    for (index, step) in steps.filter_map(Value::as_object_mut).enumerate() {
        if index + 1 == COMPENSATED_STEPS {
            step.insert("run".to_owned(), json!({ "worker": "refuse" }));
            step.remove("compensate");
        } else {
            step.insert("compensate".to_owned(), json!({ "run": { "worker": "undo" } }));
        }
    }
    definition
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_engine::definition::Definition;

    #[test]
    fn definitions_are_sound_and_there_is_one_for_each() {
        let named: Vec<_> = Workload::ALL.into_iter().map(|workload| workload.definition().unwrap()).collect();
        let parsed = definitions().map(|definition| Definition::parse(definition.to_string().as_bytes()).unwrap());
        assert_eq!(parsed.map(|definition| definition.name).to_vec(), named);
    }

    #[test]
    fn a_time_that_is_due_is_whole_milliseconds() {
        let due = Due::default();
        due.set(Timestamp::from_micros(1_700_000_000_123_456));
        assert_eq!(due.get(), Timestamp::from_micros(1_700_000_000_123_000));
    }
}
