//! Starts, polls, reports, stops and their ends in any order, against a list of what is stopped.

use super::{Hand, StopOn, Tenant, lift, operation, output, set, stop_id, target};
use chancery_base::{Entropy, StopId, TransactionId};
use chancery_engine::{Phase, Status, StepError};
use chancery_shard::input::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const CHEAP: &str = r#"{"name": "cheap", "version": 1, "steps": [
    {"id": "first", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}, "queue_timeout": "9h"},
    {"id": "second", "after": ["first"], "run": {"worker": "w"}, "retry": {"attempts": 1}, "queue_timeout": "9h"}
]}"#;

const DEAR: &str = r#"{"name": "dear", "version": 1, "steps": [
    {"id": "first", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}, "queue_timeout": "9h"},
    {"id": "second", "after": ["first"], "run": {"worker": "x"}, "action": "charge", "context": {"amount": 1},
     "retry": {"attempts": 1}, "queue_timeout": "9h"}
]}"#;

/// How many of each queue a worker takes.
const QUEUES: [(&str, u32); 3] = [("w", 2), ("x", 2), ("undo", 2)];

struct World {
    tenant: Tenant,
    hand: Hand,
    stops: BTreeMap<StopOn, StopId>,
    known: BTreeMap<TransactionId, &'static str>,
    out: Vec<Arc<Task>>,
    /// Calls that wait for tasks.
    open: Vec<ReplyTo>,
    done: BTreeSet<TransactionId>,
    undone: BTreeSet<TransactionId>,
    handed_out: usize,
}

impl World {
    fn new() -> Self {
        let mut tenant = Tenant::new(1, &[CHEAP, DEAR]);
        tenant.queues = QUEUES.iter().map(|(queue, _)| Queue::Worker(queue.parse().unwrap())).collect();
        let hand = tenant.hand(0);
        let (stops, known, out, open) = (BTreeMap::new(), BTreeMap::new(), Vec::new(), Vec::new());
        Self { tenant, hand, stops, known, out, open, done: BTreeSet::new(), undone: BTreeSet::new(), handed_out: 0 }
    }

    fn things(&self) -> [StopOn; 9] {
        [
            StopOn::Tenant,
            StopOn::Principal(self.tenant.actor.id),
            StopOn::Action("run".parse().unwrap()),
            StopOn::Action("charge".parse().unwrap()),
            StopOn::Definition("cheap".parse().unwrap()),
            StopOn::Definition("dear".parse().unwrap()),
            target("w"),
            target("x"),
            target("undo"),
        ]
    }

    /// What a task must not fall under.
    fn forbidding(&self, task: &Task) -> Vec<StopOn> {
        let Queue::Worker(queue) = &task.queue else { panic!("{task:?}") };
        let mut things = vec![target(queue.as_str())];
        if task.phase == Phase::Do {
            let definition = self.known[&task.transaction];
            let is_charge = definition == "dear" && task.step.as_str() == "second";
            let action = if is_charge { "charge" } else { "run" };
            things.push(StopOn::Tenant);
            things.push(StopOn::Principal(self.tenant.actor.id));
            things.push(StopOn::Action(action.parse().unwrap()));
            things.push(StopOn::Definition(definition.parse().unwrap()));
        }
        things
    }

    fn received(&mut self, tasks: Vec<Arc<Task>>) {
        for task in tasks {
            let under = self.forbidding(&task).into_iter().find(|on| self.stops.contains_key(on));
            assert_eq!(under, None, "{} {:?} of {} went out", task.step, task.phase, task.transaction);
            self.handed_out += 1;
            self.out.push(task);
        }
    }

    fn start(&mut self, name: &'static str) {
        let is_stopped = [StopOn::Tenant, StopOn::Principal(self.tenant.actor.id)]
            .into_iter()
            .chain([StopOn::Definition(name.parse().unwrap())])
            .any(|on| self.stops.contains_key(&on));
        match self.hand.start(name, json!({}), None, None) {
            Ok(id) => {
                assert!(!is_stopped, "{name} began");
                self.known.insert(id, name);
            }
            Err(Refusal::Stopped(_)) => assert!(is_stopped, "{name} was refused"),
            Err(other) => panic!("{other}"),
        }
    }

    fn report(&mut self, which: usize, fails: bool) {
        let task = self.out.remove(which % self.out.len());
        let outcome = if fails && task.phase == Phase::Do && task.step.as_str() == "second" {
            ReportedOutcome::Failed(StepError::fatal("No", "no"))
        } else {
            output(json!(1))
        };
        let ack = self.hand.report(&task, outcome);
        if ack == Ack::Recorded && task.step.as_str() == "first" {
            let of_phase = if task.phase == Phase::Do { &mut self.done } else { &mut self.undone };
            of_phase.insert(task.transaction);
        }
    }

    fn toggle(&mut self, on: &StopOn) {
        if let Some(id) = self.stops.remove(on) {
            return lift(&mut self.hand, id);
        }
        let id = stop_id(&mut self.hand);
        // One call before it and one after it, all on their way at once.
        let change = ControlChange { actor: chancery_base::PrincipalId::SYSTEM, change: set(on, id) };
        let before = self.hand.push_call(&format!("before-{id}"));
        let changed = self.hand.push(Command::Control(Box::new(change)));
        let after = self.hand.push_call(&format!("after-{id}"));
        self.hand.run();
        if let Some(Ok(Response::Exchanged(answer))) = self.hand.answer_of(before) {
            self.received(answer.tasks);
        } else {
            self.open.push(before);
        }
        assert!(matches!(self.hand.answer_of(changed), Some(Ok(Response::Done { seq: Some(_) }))));
        self.stops.insert(on.clone(), id);
        self.open.push(after);
    }

    /// What the calls that waited got meanwhile.
    fn hear(&mut self) {
        for call in std::mem::take(&mut self.open) {
            match self.hand.answer_of(call) {
                Some(Ok(Response::Exchanged(answer))) => self.received(answer.tasks),
                Some(other) => panic!("{other:?}"),
                None => self.open.push(call),
            }
        }
    }

    /// What denies leaves nothing waiting, whether or not a worker asks.
    fn check_waiting(&self) {
        if !self.stops.keys().any(|on| matches!(on, StopOn::Tenant | StopOn::Principal(_))) {
            return;
        }
        for (queue, waiting, _) in self.hand.shard.gauges().queues {
            let is_undo = queue == Queue::Worker("undo".parse().unwrap());
            assert!(is_undo || waiting == 0, "{waiting} wait in {queue:?}");
        }
    }

    /// Everything is lifted, and whatever there is comes to its end.
    fn end(mut self) -> usize {
        for (_, id) in std::mem::take(&mut self.stops) {
            lift(&mut self.hand, id);
        }
        for _ in 0..400 {
            self.hear();
            let tasks = self.hand.take_of(&QUEUES);
            self.received(tasks);
            while !self.out.is_empty() {
                self.report(0, false);
                self.hear();
            }
            let parked = self.known.keys().filter(|id| self.hand.row(**id).0 == "parked");
            for id in parked.copied().collect::<Vec<_>>() {
                self.hand.ask(Command::Retry(operation(id))).unwrap();
            }
            if self.known.keys().all(|id| Status::from_word(self.hand.row(*id).0).is_some_and(Status::is_ended)) {
                break;
            }
            self.hand.wait(std::time::Duration::from_secs(1));
        }
        for id in self.known.keys() {
            let status = self.hand.row(*id).0;
            let is_ended = Status::from_word(status).is_some_and(Status::is_ended);
            assert!(is_ended, "{id} is {status}");
            let is_undone = !self.done.contains(id) || self.undone.contains(id);
            assert!(status == "completed" || is_undone, "{id} is {status}, and what it did stands");
        }
        self.handed_out
    }
}

#[test]
fn no_stop_is_outrun_by_a_hand_out_and_every_undo_is_done() {
    let mut entropy = Entropy::from_seed([21; 32]);
    let (mut handed_out, mut restarts) = (0, 0);
    for _ in 0..15 {
        let mut world = World::new();
        for _ in 0..150 {
            let [what, which, more, ..] = entropy.bytes8();
            match what % 16 {
                0..=4 => world.start(if more % 2 == 0 { "cheap" } else { "dear" }),
                5..=8 => {
                    let tasks = world.hand.take_of(&QUEUES);
                    world.received(tasks);
                }
                9..=12 if !world.out.is_empty() => world.report(usize::from(which), more % 3 == 0),
                13 if what > 200 => {
                    restarts += 1;
                    let now = world.hand.now;
                    world.open.clear();
                    world.hand = world.tenant.hand_at(0, now);
                }
                _ => {
                    // More often than not something is lifted, so that much goes out in between.
                    let stopped: Vec<StopOn> = world.stops.keys().filter(|_| more < 170).cloned().collect();
                    let things = if stopped.is_empty() { world.things().to_vec() } else { stopped };
                    world.toggle(&things[usize::from(which) % things.len()]);
                }
            }
            world.hear();
            world.check_waiting();
        }
        handed_out += world.end();
    }
    assert!(handed_out > 300 && restarts > 10, "{handed_out} hand-outs, {restarts} restarts");
}
