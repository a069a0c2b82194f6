//! A queue against a list that counts nothing: each transaction waits, is out, or is over.

use super::{Hand, Tenant, at_most, output};
use chancery_base::{Entropy, TransactionId};
use chancery_engine::StepError;
use chancery_shard::input::*;
use chancery_shard::queue::QueueSettings;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often a step of these is tried.
const ATTEMPTS: u32 = 3;
const QUEUES: [&str; 2] = ["w", "undo"];

fn definition(queue: &str) -> String {
    format!(
        r#"{{"name": "{queue}", "version": 1, "steps": [{{"id": "only", "run": {{"worker": "{queue}"}},
        "retry": {{"attempts": {ATTEMPTS}, "backoff": "0ms"}}, "timeout": "9h", "queue_timeout": "9h"}}]}}"#
    )
}

#[derive(Debug)]
enum Stand {
    Waits,
    Out { task: Arc<Task>, accepted: bool },
    Over,
}

#[derive(Debug)]
struct Known {
    queue: usize,
    attempts: u32,
    stand: Stand,
}

struct Pair {
    tenant: Tenant,
    hand: Hand,
    limits: [Option<usize>; 2],
    known: BTreeMap<TransactionId, Known>,
}

impl Pair {
    fn new() -> Self {
        let definitions = QUEUES.map(definition);
        let tenant = Tenant::new(1, &[&definitions[0], &definitions[1]]);
        let hand = tenant.hand(0);
        Self { tenant, hand, limits: [None; 2], known: BTreeMap::new() }
    }

    fn of(&self, queue: usize) -> (usize, usize) {
        let of_queue = || self.known.values().filter(|known| known.queue == queue);
        let waiting = of_queue().filter(|known| matches!(known.stand, Stand::Waits)).count();
        (waiting, of_queue().filter(|known| matches!(known.stand, Stand::Out { .. })).count())
    }

    /// What is out, in an order that does not depend on chance.
    fn out(&self) -> Vec<TransactionId> {
        self.known.iter().filter(|(_, known)| matches!(known.stand, Stand::Out { .. })).map(|(id, _)| *id).collect()
    }

    /// An attempt is over; whether the step is.
    fn attempt_over(&mut self, id: TransactionId, is_last: bool) {
        let known = self.known.get_mut(&id).unwrap();
        let is_over = is_last || known.attempts == ATTEMPTS;
        known.stand = if is_over { Stand::Over } else { Stand::Waits };
    }

    fn start(&mut self, queue: usize) {
        let id = self.hand.start(QUEUES[queue], json!(1), None, None).unwrap();
        self.known.insert(id, Known { queue, attempts: 0, stand: Stand::Waits });
    }

    /// As many go out as wait, are wanted and may: not one more, and not one less.
    fn take(&mut self, wants: [u32; 2]) {
        let expected = [0, 1].map(|queue| {
            let (waiting, out) = self.of(queue);
            let free = self.limits[queue].map_or(usize::MAX, |most| most.saturating_sub(out));
            waiting.min(free).min(wants[queue] as usize)
        });
        let tasks = self.hand.take_of(&[(QUEUES[0], wants[0]), (QUEUES[1], wants[1])]);
        let mut found = [0; 2];
        for task in tasks {
            let known = self.known.get_mut(&task.transaction).unwrap();
            assert!(matches!(known.stand, Stand::Waits), "{known:?}");
            known.attempts += 1;
            assert_eq!(task.attempt, known.attempts);
            found[known.queue] += 1;
            known.stand = Stand::Out { task, accepted: false };
        }
        assert_eq!(found, expected, "limits {:?}", self.limits);
    }

    fn report(&mut self, id: TransactionId, what: u8) {
        let Stand::Out { task, accepted } = &mut self.known.get_mut(&id).unwrap().stand else { panic!() };
        let task = Arc::clone(task);
        let outcome = match what % 4 {
            0 | 1 => output(json!(1)),
            2 => ReportedOutcome::Failed(StepError::new("Down", "not now")),
            _ => {
                *accepted = true;
                assert_eq!(self.hand.report(&task, ReportedOutcome::Accepted), Ack::Recorded);
                return;
            }
        };
        assert_eq!(self.hand.report(&task, outcome), Ack::Recorded);
        self.attempt_over(id, what % 4 < 2);
    }

    /// Every lease lapses; what was accepted has none.
    fn lapse(&mut self) {
        self.hand.wait(Duration::from_secs(11));
        for id in self.out() {
            if let Stand::Out { accepted: false, .. } = self.known[&id].stand {
                self.attempt_over(id, false);
            }
        }
    }

    fn limit(&mut self, queue: usize, most: u8) {
        let most = most % 5;
        self.limits[queue] = (most > 0).then_some(usize::from(most));
        let settings = if most > 0 { at_most(u32::from(most)) } else { QueueSettings::default() };
        self.hand.limit(QUEUES[queue], settings);
    }

    fn compare(&self) {
        let gauges = self.hand.shard.gauges();
        for (queue, name) in QUEUES.iter().enumerate() {
            let key = Queue::Worker(name.parse().unwrap());
            let (waiting, out) = self.of(queue);
            assert_eq!(gauges.out.get(&key).copied().unwrap_or_default(), out, "out of {name}");
            let found = gauges.queues.iter().find(|(other, ..)| *other == key).map_or(0, |(_, waiting, _)| *waiting);
            assert_eq!(found, waiting, "waiting in {name}");
        }
    }
}

#[test]
fn places_are_what_the_steps_say_whatever_happens() {
    let mut entropy = Entropy::from_seed([9; 32]);
    let (mut restarts, mut lapses) = (0, 0);
    for _ in 0..12 {
        let mut pair = Pair::new();
        for _ in 0..250 {
            let [what, which, more, much, ..] = entropy.bytes8();
            let queue = usize::from(which % 2);
            let out = pair.out();
            match what % 16 {
                0..=4 => pair.start(queue),
                5..=8 => pair.take([u32::from(more % 5), u32::from(much % 5)]),
                9..=12 if !out.is_empty() => pair.report(out[usize::from(which) % out.len()], more),
                13 if what < 128 && !pair.known.is_empty() => {
                    let running = pair.known.iter().filter(|(_, known)| !matches!(known.stand, Stand::Over));
                    let running: Vec<TransactionId> = running.map(|(id, _)| *id).collect();
                    if let Some(id) = running.get(usize::from(more) % running.len().max(1)) {
                        pair.hand.push_terminate(*id);
                        pair.hand.run();
                        pair.known.get_mut(id).unwrap().stand = Stand::Over;
                    }
                }
                13 => {
                    lapses += 1;
                    pair.lapse();
                }
                14 => {
                    restarts += 1;
                    let now = pair.hand.now;
                    pair.hand = pair.tenant.hand_at(0, now);
                }
                _ => pair.limit(queue, more),
            }
            pair.compare();
        }
    }
    assert!(restarts > 50 && lapses > 20, "{restarts} restarts, {lapses} lapses");
}
