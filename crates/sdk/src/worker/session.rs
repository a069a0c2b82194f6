//! The worker's side of the exchange as a state machine: what to send when, and what an answer means. No I/O, no clock.
//!
//! A *taking* call names queues and is held by the server until there is a task. A *report* names none. Outcomes travel
//! with the next taking call where that is about to leave anyway: the server then completes a step and hands out the
//! one after it in a single commit, so that a chain of steps costs one round trip each. While a taking call is held,
//! they go out as a report at once.

use chancery_api::worker::{Ack, Exchange, Exchanged, QueueWant, Report, Task};
use chancery_base::limits::EXCHANGE_TASKS_MAX;
use chancery_base::{Name, PublicKey};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Reports in flight at a time: one that the server commits and one that waits for it.
const REPORTS_IN_FLIGHT_MAX: usize = 2;
/// Bytes of outcomes in one call, well under what a body may have.
const CALL_BYTES_MAX: usize = chancery_base::limits::BODY_BYTES_MAX / 2;
/// How long a taking call waits for tasks that just arrived, so that quick ones are reported with it.
pub(super) const LINGER: Duration = Duration::from_millis(1);

const _: () = assert!(chancery_base::limits::PAYLOAD_BYTES_MAX * 2 <= CALL_BYTES_MAX);

/// Names a call until it is answered or lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CallId(u64);

/// A call to make.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) body: Exchange,
}

/// How the worker introduces itself and how much it takes.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) instance: String,
    pub(super) version: Option<String>,
    /// The key that its capability tokens are bound to.
    pub(super) key: Option<PublicKey>,
    /// Tasks at a time, by queue.
    pub(super) queues: Vec<(Name, u32)>,
    /// How long a taking call is held.
    pub(super) hold: Duration,
}

/// What an answer brought.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Tasks to begin.
    pub(super) begin: Vec<Task>,
    /// Tasks to drop.
    pub(super) drop: Vec<String>,
    /// Outcomes that came too late.
    pub(super) superseded: usize,
    /// Outcomes whose token the server does not know.
    pub(super) refused: usize,
}

#[derive(Debug)]
struct Taking {
    /// What it offers, by queue.
    wants: Vec<u32>,
    /// It takes nothing and says goodbye.
    farewell: bool,
}

/// An outcome on its way.
#[derive(Debug, Clone)]
struct Finished {
    report: Report,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Session {
    identity: Identity,
    next_call: u64,
    /// Task → queue, while its handler runs.
    running: BTreeMap<String, usize>,
    /// Tasks that arrived last and may be done in no time.
    fresh: BTreeSet<String>,
    linger_until: Duration,
    /// Outcomes to send.
    finished: VecDeque<Finished>,
    /// Outcomes in a call that is not answered yet.
    sent: BTreeMap<CallId, Vec<Finished>>,
    takings: BTreeMap<CallId, Taking>,
    /// Tasks that began while taking calls were under way, by the last of these. Such a call says nothing of them, so
    /// its answer may bring them once more, also after they are over.
    crossed: BTreeMap<CallId, BTreeSet<String>>,
    taken_at: Option<Duration>,
    /// After a lost call nothing is sent until then.
    quiet_until: Duration,
    losses: u32,
    draining: bool,
    retired: bool,
    parted: bool,
}

impl Session {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            next_call: 0,
            running: BTreeMap::new(),
            fresh: BTreeSet::new(),
            linger_until: Duration::ZERO,
            finished: VecDeque::new(),
            sent: BTreeMap::new(),
            takings: BTreeMap::new(),
            crossed: BTreeMap::new(),
            taken_at: None,
            quiet_until: Duration::ZERO,
            losses: 0,
            draining: false,
            retired: false,
            parted: false,
        }
    }

    /// From now on takes nothing new and ends what it has.
    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether it was told to [`Session::drain`], has nothing left, and the server knows.
    pub(super) fn is_over(&self) -> bool {
        self.parted && self.is_idle() && self.takings.is_empty()
    }

    /// Outcomes that the server has not acknowledged.
    pub(super) fn unreported(&self) -> usize {
        self.finished.len() + self.sent.values().map(Vec::len).sum::<usize>()
    }

    /// A handler ended, by itself or because it was dropped. `bytes` is about the size of the outcome on the wire.
    pub(super) fn finish(&mut self, report: Report, bytes: usize) {
        self.fresh.remove(&report.task);
        if self.running.remove(&report.task).is_some() {
            self.finished.push_back(Finished { report, bytes });
        }
    }

    /// The next call to make now, if there is one. Ask again until there is none.
    pub(super) fn next_call(&mut self, now: Duration) -> Option<Call> {
        if now < self.quiet_until || self.lingers(now) {
            return None;
        }
        if self.take_is_due(now) {
            return Some(self.take(now));
        }
        let may_report = !self.finished.is_empty() && self.sent.len() < REPORTS_IN_FLIGHT_MAX;
        may_report.then(|| self.report())
    }

    /// When to ask for [`Session::next_call`] again if nothing happens before.
    pub(super) fn wake_at(&self, now: Duration) -> Option<Duration> {
        if now < self.quiet_until {
            return Some(self.quiet_until);
        }
        if self.lingers(now) {
            return Some(self.linger_until);
        }
        self.takings.is_empty().then(|| self.renew_at())
    }

    /// What an answer means.
    pub(super) fn answered(&mut self, id: CallId, response: Exchanged, now: Duration) -> Answer {
        self.losses = 0;
        let mut answer = Answer::default();
        self.acknowledge(id, &response, &mut answer);
        if let Some(taking) = self.takings.remove(&id) {
            self.parted |= taking.farewell;
        }
        // They are held until their handlers have ended: only then may what they did be undone.
        let running = &self.running;
        answer.drop.extend(response.cancelled.into_iter().filter(|task| running.contains_key(task)));
        for task in response.tasks {
            self.accept(task, &mut answer.begin);
        }
        self.forget_crossed();
        if !answer.begin.is_empty() {
            self.parted = false;
            self.fresh = answer.begin.iter().map(|task| task.task.clone()).collect();
            self.linger_until = now.saturating_add(LINGER);
        }
        answer
    }

    /// A call got no answer: its outcomes go out again, after a while that grows with every loss. `spread` in 0..=1000
    /// keeps workers from coming back all at once.
    pub(super) fn lost(&mut self, id: CallId, now: Duration, spread: u32, at_least: Option<Duration>) {
        if let Some(reports) = self.sent.remove(&id) {
            for report in reports.into_iter().rev() {
                self.finished.push_front(report);
            }
        }
        if let Some(taking) = self.takings.remove(&id) {
            // Whoever has nothing left need not wait for a server that is away to say goodbye to it.
            self.parted |= taking.farewell;
            self.forget_crossed();
        }
        self.losses = self.losses.saturating_add(1);
        let pause = Duration::from_millis(50).saturating_mul(1 << self.losses.min(7));
        let pause = pause.min(Duration::from_secs(5)).mul_f64(0.5 + f64::from(spread.min(1_000)) / 2_000.0);
        let pause = pause.max(at_least.unwrap_or_default());
        self.quiet_until = self.quiet_until.max(now.saturating_add(pause));
    }

    fn accept(&mut self, task: Task, begin: &mut Vec<Task>) {
        let Some(queue) = self.identity.queues.iter().position(|(name, _)| *name == task.queue) else {
            return;
        };
        if self.knows(&task.task) {
            return;
        }
        if let Some(last) = self.takings.last_key_value().map(|(id, _)| *id) {
            self.crossed.entry(last).or_default().insert(task.task.clone());
        }
        self.running.insert(task.task.clone(), queue);
        begin.push(task);
    }

    /// Whether a task is here already: running, waiting to be acknowledged, or over since a call left that may bring
    /// it again.
    fn knows(&self, task: &str) -> bool {
        let mut outcomes = self.finished.iter().chain(self.sent.values().flatten());
        self.running.contains_key(task)
            || self.crossed.values().any(|tasks| tasks.contains(task))
            || outcomes.any(|finished| finished.report.task == task)
    }

    /// Once every taking call that a task crossed has its answer, none can bring it again.
    fn forget_crossed(&mut self) {
        let first = self.takings.first_key_value().map(|(id, _)| *id);
        self.crossed.retain(|last, _| first.is_some_and(|first| first <= *last));
    }

    fn acknowledge(&mut self, id: CallId, response: &Exchanged, answer: &mut Answer) {
        let Some(mut reports) = self.sent.remove(&id) else { return };
        for ack in &response.acks {
            reports.retain(|finished| finished.report.task != ack.task);
            match ack.ack {
                Ack::Recorded => {}
                Ack::Superseded => answer.superseded += 1,
                Ack::Refused => answer.refused += 1,
            }
        }
        // What the server did not mention was not taken.
        self.finished.extend(reports);
    }

    fn is_idle(&self) -> bool {
        self.running.is_empty() && self.finished.is_empty() && self.sent.is_empty()
    }

    fn lingers(&self, now: Duration) -> bool {
        now < self.linger_until && !self.fresh.is_empty() && self.takings.is_empty()
    }

    /// When the server must hear again of what is held, long before the leases lapse.
    fn renew_at(&self) -> Duration {
        self.taken_at.map_or(Duration::ZERO, |at| at.saturating_add(self.identity.hold))
    }

    /// How many more tasks each queue can take.
    fn wants(&self) -> Vec<u32> {
        let mut free: Vec<u32> = self.identity.queues.iter().map(|(_, concurrency)| *concurrency).collect();
        for queue in self.running.values() {
            if let Some(free) = free.get_mut(*queue) {
                *free = free.saturating_sub(1);
            }
        }
        if self.draining { vec![0; free.len()] } else { free }
    }

    fn take_is_due(&self, now: Duration) -> bool {
        let Some((_, latest)) = self.takings.last_key_value() else {
            let has_room = self.wants().iter().any(|want| *want > 0);
            let says_goodbye = self.draining && (!self.retired || self.is_idle() && !self.parted);
            return has_room || says_goodbye || now >= self.renew_at();
        };
        if self.draining {
            return !self.retired || (self.is_idle() && !latest.farewell);
        }
        // A queue of which the held call takes less than half of what it could would starve until that call ends.
        let wants = self.wants();
        wants.iter().zip(&latest.wants).any(|(could, does)| u64::from(*does) * 2 < u64::from(*could))
    }

    fn take(&mut self, now: Duration) -> Call {
        let wants = self.wants();
        let farewell = self.draining && self.is_idle();
        self.retired |= self.draining;
        self.taken_at = Some(now);
        let (id, done) = self.pack();
        let queues = self.identity.queues.iter().zip(&wants);
        let queues = queues.map(|((name, _), want)| QueueWant { name: name.clone(), want: *want }).collect();
        let hold = if farewell { Duration::ZERO } else { self.identity.hold };
        let body = self.body(queues, done, hold);
        self.takings.insert(id, Taking { wants, farewell });
        self.send(id, body)
    }

    fn report(&mut self) -> Call {
        let (id, done) = self.pack();
        let body = self.body(Vec::new(), done, Duration::ZERO);
        self.send(id, body)
    }

    /// Moves as many outcomes as a call takes to those that are on their way.
    fn pack(&mut self) -> (CallId, Vec<Finished>) {
        self.next_call += 1;
        let mut bytes = 0_usize;
        let mut done = Vec::new();
        while let Some(next) = self.finished.front() {
            bytes = bytes.saturating_add(next.bytes);
            if done.len() == EXCHANGE_TASKS_MAX || (bytes > CALL_BYTES_MAX && !done.is_empty()) {
                break;
            }
            done.extend(self.finished.pop_front());
        }
        (CallId(self.next_call), done)
    }

    /// A call's body. It holds everything that this worker knows of and does not report with it.
    fn body(&self, queues: Vec<QueueWant>, done: Vec<Finished>, hold: Duration) -> (Exchange, Vec<Finished>) {
        let unsent = self.finished.iter().chain(self.sent.values().flatten());
        let holding = self.running.keys().cloned().chain(unsent.map(|finished| finished.report.task.clone())).collect();
        let body = Exchange {
            worker: self.identity.instance.clone(),
            version: self.identity.version.clone(),
            key: self.identity.key,
            queues,
            done: done.iter().map(|finished| finished.report.clone()).collect(),
            holding,
            wait: Some(chancery_base::duration::format(hold)),
        };
        (body, done)
    }

    fn send(&mut self, id: CallId, (body, done): (Exchange, Vec<Finished>)) -> Call {
        if !done.is_empty() {
            self.sent.insert(id, done);
        }
        Call { id, body }
    }
}

#[cfg(test)]
mod tests;
