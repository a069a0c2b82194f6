//! A scripted server on one side, handlers on the other, and no time but the test's own.

use super::*;
use chancery_api::worker::{Acknowledged, Phase};
use chancery_base::{DecisionId, Document, Entropy, Slot, TenantId, Timestamp, TransactionId};
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const HOLD: Duration = Duration::from_secs(4);
const QUEUES: [&str; 2] = ["a", "b"];

fn session(concurrency: u32) -> Session {
    let queues = QUEUES.map(|name| (name.parse().unwrap(), concurrency)).to_vec();
    Session::new(Identity { instance: "test".to_owned(), version: None, key: None, queues, hold: HOLD })
}

fn task(token: &str, queue: &str) -> Task {
    let mut entropy = Entropy::from_seed([7; 32]);
    Task {
        task: token.to_owned(),
        queue: queue.parse().unwrap(),
        transaction: TransactionId::draw(Timestamp::EPOCH, Slot::of_key(&TenantId::system(), ""), &mut entropy),
        step: "step".parse().unwrap(),
        index: None,
        phase: Phase::Do,
        attempt: 1,
        input: Document::shared(Value::Null),
        limits: Map::new(),
        idempotency_key: "key".to_owned(),
        forward_key: None,
        forward_unknown: false,
        decision: DecisionId::draw(Timestamp::EPOCH, &mut entropy),
        deadline: Timestamp::MAX,
        traceparent: None,
        headers: BTreeMap::new(),
        capability: None,
    }
}

fn report(token: &str) -> Report {
    Report { task: token.to_owned(), output: Some(Document::shared(Value::Null)), error: None }
}

fn finish(session: &mut Session, token: &str) {
    session.finish(report(token), 10);
}

fn tasks(tokens: &[&str]) -> Exchanged {
    Exchanged { tasks: tokens.iter().map(|token| task(token, "a")).collect(), ..Exchanged::default() }
}

fn acks(tokens: &[&str]) -> Exchanged {
    let ack = |token: &&str| Acknowledged { task: (*token).to_owned(), ack: Ack::Recorded };
    Exchanged { acks: tokens.iter().map(ack).collect(), ..Exchanged::default() }
}

fn done(call: &Call) -> Vec<&str> {
    call.body.done.iter().map(|report| report.task.as_str()).collect()
}

fn wants(call: &Call) -> Vec<u32> {
    call.body.queues.iter().map(|queue| queue.want).collect()
}

#[track_caller]
fn next(session: &mut Session, now: Duration) -> Call {
    let call = session.next_call(now).expect("a call is due");
    assert!(session.next_call(now).is_none(), "one call is enough");
    call
}

const T0: Duration = Duration::ZERO;
const AFTER_LINGER: Duration = Duration::from_millis(1);

#[test]
fn a_chain_of_quick_steps_is_one_call_each() {
    let mut session = session(8);
    let mut call = next(&mut session, T0);
    assert_eq!((done(&call), wants(&call)), (vec![], vec![8, 8]));
    for number in 0..5 {
        let token = format!("t{number}");
        let previous = call.body.done.iter().map(|report| report.task.clone()).collect::<Vec<_>>();
        let mut response = acks(&previous.iter().map(String::as_str).collect::<Vec<_>>());
        response.tasks.push(task(&token, "a"));
        let answer = session.answered(call.id, response, T0);
        assert_eq!(answer.begin.len(), 1);
        assert!(session.next_call(T0).is_none(), "a quick task is worth a moment");
        finish(&mut session, &token);
        call = next(&mut session, T0);
        assert_eq!((done(&call), wants(&call)), (vec![token.as_str()], vec![8, 8]));
        assert!(call.body.holding.is_empty());
    }
}

#[test]
fn a_slow_task_is_held_and_then_reported_at_once() {
    let mut session = session(8);
    let taking = next(&mut session, T0);
    session.answered(taking.id, tasks(&["slow"]), T0);
    assert_eq!(session.wake_at(T0), Some(AFTER_LINGER));
    let taking = next(&mut session, AFTER_LINGER);
    assert_eq!((taking.body.holding.as_slice(), wants(&taking)), (["slow".to_owned()].as_slice(), vec![7, 8]));
    assert_eq!(taking.body.wait.as_deref(), Some("4s"));
    finish(&mut session, "slow");
    let report = next(&mut session, Duration::from_secs(1));
    assert_eq!((done(&report), report.body.queues.len()), (vec!["slow"], 0));
    assert!(session.answered(report.id, acks(&["slow"]), T0).begin.is_empty());
    assert_eq!(session.unreported(), 0);
}

#[test]
fn a_full_queue_that_gets_room_replaces_the_held_call() {
    let mut session = session(1);
    let first = next(&mut session, T0);
    session.answered(first.id, tasks(&["only"]), T0);
    let held = next(&mut session, AFTER_LINGER);
    assert_eq!(wants(&held), [0, 1]);
    finish(&mut session, "only");
    let replacing = next(&mut session, AFTER_LINGER);
    assert_eq!((done(&replacing), wants(&replacing)), (vec!["only"], vec![1, 1]));
    session.answered(held.id, Exchanged::default(), T0);
    assert!(session.next_call(AFTER_LINGER).is_none(), "the replacing call is the one that takes");
}

#[test]
fn what_is_being_reported_is_held_until_it_is_acknowledged() {
    let mut session = session(8);
    let taking = next(&mut session, T0);
    session.answered(taking.id, tasks(&["one"]), T0);
    let taking = next(&mut session, AFTER_LINGER);
    finish(&mut session, "one");
    let report = next(&mut session, AFTER_LINGER);
    session.answered(taking.id, Exchanged::default(), AFTER_LINGER);
    let taking = next(&mut session, AFTER_LINGER);
    assert_eq!(taking.body.holding, ["one"], "else the server would send it again");
    // The report overtook the call: the server no longer wants what that one holds. It is nobody's loss.
    session.answered(report.id, acks(&["one"]), AFTER_LINGER);
    let cancelled = Exchanged { cancelled: vec!["one".to_owned()], ..Exchanged::default() };
    assert!(session.answered(taking.id, cancelled, AFTER_LINGER).drop.is_empty());
}

#[test]
fn a_task_that_is_here_already_is_not_begun_again() {
    let mut session = session(8);
    let taking = next(&mut session, T0);
    assert_eq!(session.answered(taking.id, tasks(&["one", "one"]), T0).begin.len(), 1);
    let taking = next(&mut session, AFTER_LINGER);
    assert!(session.answered(taking.id, tasks(&["one"]), T0).begin.is_empty());
    finish(&mut session, "one");
    let taking = next(&mut session, AFTER_LINGER);
    assert_eq!(done(&taking), ["one"]);
    assert!(session.answered(taking.id, tasks(&["one"]), T0).begin.is_empty());
    assert_eq!(session.unreported(), 1, "its outcome was not acknowledged");
}

#[test]
fn a_task_that_is_over_is_not_begun_again_by_an_answer_from_before() {
    let mut session = session(8);
    let taking = next(&mut session, T0);
    session.answered(taking.id, tasks(&["a1", "a2", "a3", "a4", "a5"]), T0);
    let first = next(&mut session, AFTER_LINGER);
    for token in ["a1", "a2", "a3", "a4", "a5"] {
        finish(&mut session, token);
    }
    let second = next(&mut session, AFTER_LINGER);
    assert_eq!((wants(&first)[0], wants(&second)[0]), (3, 8), "the second call replaces the first");
    // The first was answered before the second reached the server, which then sends the task again with its answer.
    assert_eq!(session.answered(first.id, tasks(&["one"]), AFTER_LINGER).begin.len(), 1);
    finish(&mut session, "one");
    let report = next(&mut session, AFTER_LINGER);
    session.answered(report.id, acks(&["one"]), AFTER_LINGER);
    assert!(session.answered(second.id, tasks(&["one"]), AFTER_LINGER).begin.is_empty());
    assert!(session.crossed.is_empty(), "no call is left that could bring it");
}

#[test]
fn a_cancelled_task_is_dropped_and_held_until_it_has_ended() {
    let mut session = session(8);
    let taking = next(&mut session, T0);
    session.answered(taking.id, tasks(&["one"]), T0);
    let taking = next(&mut session, AFTER_LINGER);
    let cancelled = Exchanged { cancelled: vec!["one".to_owned()], ..Exchanged::default() };
    assert_eq!(session.answered(taking.id, cancelled, AFTER_LINGER).drop, ["one"]);
    let taking = next(&mut session, AFTER_LINGER);
    assert_eq!(taking.body.holding, ["one"], "it may still be at work");
    session.answered(taking.id, Exchanged::default(), AFTER_LINGER);
    finish(&mut session, "one");
    assert_eq!(done(&next(&mut session, AFTER_LINGER)), ["one"]);
}

#[test]
fn lost_outcomes_go_out_again_after_a_while() {
    let mut session = session(8);
    let taking = next(&mut session, T0);
    session.answered(taking.id, tasks(&["one", "two"]), T0);
    finish(&mut session, "one");
    finish(&mut session, "two");
    let taking = next(&mut session, T0);
    session.lost(taking.id, T0, 1_000, None);
    assert!(session.next_call(T0).is_none());
    assert_eq!(session.wake_at(T0), Some(Duration::from_millis(100)));
    let again = next(&mut session, Duration::from_millis(100));
    assert_eq!(done(&again), ["one", "two"]);
    let patient = Some(Duration::from_secs(9));
    session.lost(again.id, T0, 0, patient);
    assert_eq!(session.wake_at(T0), patient, "the server said when to come back");
}

#[test]
fn losses_make_the_pause_longer_up_to_a_limit() {
    let mut session = session(8);
    let mut now = T0;
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let call = next(&mut session, now);
        session.lost(call.id, now, 1_000, None);
        let at = session.wake_at(now).unwrap();
        pauses.push(at - now);
        now = at;
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert_eq!(pauses.last(), Some(&Duration::from_secs(5)));
}

#[test]
fn a_batch_of_large_outcomes_is_split() {
    let mut session = session(64);
    let taking = next(&mut session, T0);
    let tokens: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    session.answered(taking.id, tasks(&tokens.iter().map(String::as_str).collect::<Vec<_>>()), T0);
    for token in &tokens {
        session.finish(report(token), 1 << 20);
    }
    let fit = CALL_BYTES_MAX >> 20;
    let taking = session.next_call(T0).unwrap();
    assert_eq!((done(&taking).len(), taking.body.holding.len()), (fit, 10 - fit));
    let second = session.next_call(T0).unwrap();
    assert_eq!((done(&second).len(), second.body.queues.len()), (fit, 0));
    assert!(session.next_call(T0).is_none(), "two are on their way");
}

#[test]
fn a_worker_that_ends_takes_nothing_and_says_goodbye() {
    let mut session = session(8);
    let taking = next(&mut session, T0);
    session.answered(taking.id, tasks(&["last"]), T0);
    let held = next(&mut session, AFTER_LINGER);
    session.drain();
    let retiring = next(&mut session, AFTER_LINGER);
    assert_eq!(wants(&retiring), [0, 0]);
    // The held call was answered in the same moment, with one more task: it is done, too.
    assert_eq!(session.answered(held.id, tasks(&["late"]), AFTER_LINGER).begin.len(), 1);
    finish(&mut session, "last");
    finish(&mut session, "late");
    let report = next(&mut session, AFTER_LINGER);
    assert_eq!(done(&report), ["last", "late"]);
    session.answered(report.id, acks(&["last", "late"]), AFTER_LINGER);
    assert!(!session.is_over());
    let farewell = next(&mut session, AFTER_LINGER);
    assert_eq!((wants(&farewell), farewell.body.wait.as_deref()), (vec![0, 0], Some("0ms")));
    session.answered(retiring.id, Exchanged::default(), AFTER_LINGER);
    assert!(!session.is_over());
    session.answered(farewell.id, Exchanged::default(), AFTER_LINGER);
    assert!(session.is_over());
}

#[test]
fn a_worker_with_nothing_left_does_not_wait_for_a_server_that_is_away() {
    let mut session = session(8);
    let held = next(&mut session, T0);
    session.drain();
    let farewell = next(&mut session, T0);
    session.lost(held.id, T0, 0, None);
    assert!(!session.is_over());
    session.lost(farewell.id, T0, 0, None);
    assert!(session.is_over());
}

#[test]
fn an_idle_worker_renews_what_it_holds() {
    let mut session = session(1);
    let taking = next(&mut session, T0);
    let both = Exchanged { tasks: vec![task("a1", "a"), task("b1", "b")], ..Exchanged::default() };
    session.answered(taking.id, both, T0);
    assert!(session.next_call(AFTER_LINGER).is_none(), "there is room for nothing");
    assert_eq!(session.wake_at(AFTER_LINGER), Some(HOLD));
    let renewing = next(&mut session, HOLD);
    assert_eq!((renewing.body.holding.len(), wants(&renewing)), (2, vec![0, 0]));
}

/// A server that hands out tasks, loses calls and answers, cancels, and sends again what it thinks did not arrive.
#[derive(Debug, Default)]
struct Server {
    /// Task → whether it is over: an outcome was recorded, or nobody wants one any more.
    handed_out: BTreeMap<String, bool>,
    made: usize,
}

impl Server {
    fn take(&mut self, call: &Call, new_tasks: usize) -> Exchanged {
        let mut response = Exchanged::default();
        for report in &call.body.done {
            let recorded = self.handed_out.get_mut(&report.task).expect("only what was handed out is reported");
            let ack = if std::mem::replace(recorded, true) { Ack::Superseded } else { Ack::Recorded };
            response.acks.push(Acknowledged { task: report.task.clone(), ack });
        }
        let is_over = |token: &String, server: &Self| server.handed_out.get(token) != Some(&false);
        response.cancelled = call.body.holding.iter().filter(|token| is_over(token, self)).cloned().collect();
        if call.body.queues.is_empty() {
            return response;
        }
        let open = self.handed_out.iter().filter(|(_, recorded)| !**recorded).map(|(token, _)| token);
        let missing = open.filter(|token| !call.body.holding.contains(*token));
        response.tasks = missing.map(|token| task(token, "a")).collect();
        let want = usize::try_from(call.body.queues[0].want).unwrap();
        for _ in 0..want.min(new_tasks) {
            self.made += 1;
            let token = format!("t{:04}", self.made);
            self.handed_out.insert(token.clone(), false);
            response.tasks.push(task(&token, "a"));
        }
        response
    }
}

/// What happens next in the world.
#[derive(Debug, Clone, Copy)]
enum Happening {
    /// The server takes the call with this number and hands out so many tasks.
    Taken(usize, usize),
    /// An answer arrives.
    Arrives(usize),
    /// A call or its answer is lost.
    Lost(usize),
    /// The server no longer wants the outcome of a task.
    Cancelled(usize),
    /// A handler ends.
    Ends(usize),
    /// Time passes.
    Passes(u64),
}

fn happenings() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..8_usize, 0..4_usize).prop_map(|(call, tasks)| Happening::Taken(call, tasks)),
        4 => (0..8_usize).prop_map(Happening::Arrives),
        1 => (0..8_usize).prop_map(Happening::Lost),
        1 => (0..8_usize).prop_map(Happening::Cancelled),
        4 => (0..8_usize).prop_map(Happening::Ends),
        2 => (0..6_000_u64).prop_map(Happening::Passes),
    ]
}

/// The worker, its calls under way and the answers under way.
#[derive(Debug)]
struct World {
    session: Session,
    server: Server,
    now: Duration,
    calls: Vec<Call>,
    answers: Vec<(CallId, Exchanged)>,
    /// Begun and not ended.
    running: Vec<String>,
    begun: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        Self {
            session: session(4),
            server: Server::default(),
            now: T0,
            calls: Vec::new(),
            answers: Vec::new(),
            running: Vec::new(),
            begun: BTreeSet::new(),
        }
    }

    fn pump(&mut self) {
        while let Some(call) = self.session.next_call(self.now) {
            let told = call.body.done.iter().map(|report| &report.task).chain(&call.body.holding);
            let told: Vec<&String> = told.collect();
            let distinct: BTreeSet<&String> = told.iter().copied().collect();
            assert_eq!(told.len(), distinct.len(), "nothing is told twice in one call");
            assert!(self.running.iter().all(|token| call.body.queues.is_empty() || distinct.contains(token)));
            self.calls.push(call);
            assert!(self.calls.len() + self.answers.len() <= 64, "calls are bounded");
        }
    }

    fn apply(&mut self, happening: Happening) {
        match happening {
            Happening::Taken(index, tasks) if index < self.calls.len() => {
                let call = self.calls.remove(index);
                let response = self.server.take(&call, tasks);
                self.answers.push((call.id, response));
            }
            Happening::Arrives(index) if index < self.answers.len() => {
                let (id, response) = self.answers.remove(index);
                let answer = self.session.answered(id, response, self.now);
                assert!(answer.drop.iter().all(|token| self.running.contains(token)), "only what runs is dropped");
                for task in answer.begin {
                    assert!(self.begun.insert(task.task.clone()), "{} begins once", task.task);
                    self.running.push(task.task);
                }
            }
            Happening::Lost(index) if index < self.calls.len() => {
                let call = self.calls.remove(index);
                self.session.lost(call.id, self.now, 500, None);
            }
            Happening::Lost(index) if index < self.answers.len() => {
                let (id, _) = self.answers.remove(index);
                self.session.lost(id, self.now, 500, None);
            }
            Happening::Cancelled(index) => {
                if let Some(over) = self.server.handed_out.values_mut().nth(index) {
                    *over = true;
                }
            }
            Happening::Ends(index) if index < self.running.len() => {
                let token = self.running.remove(index);
                finish(&mut self.session, &token);
            }
            Happening::Passes(ms) => self.now += Duration::from_millis(ms),
            Happening::Taken(..) | Happening::Arrives(_) | Happening::Lost(_) | Happening::Ends(_) => {}
        }
    }

    /// From now on nothing goes wrong and nothing new is handed out.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            self.pump();
            for happening in [Happening::Taken(0, 0), Happening::Arrives(0), Happening::Ends(0)] {
                self.apply(happening);
            }
            if self.session.is_over() {
                return;
            }
            self.now = self.session.wake_at(self.now).unwrap_or(self.now).max(self.now);
        }
        panic!("it never ends: {self:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is lost, late or out of order: every task that was handed out is done once, its outcome is recorded,
    /// and the worker ends when it is told to.
    #[test]
    fn nothing_is_lost(script in prop::collection::vec(happenings(), 0..120)) {
        let mut world = World::new();
        for happening in script {
            world.pump();
            world.apply(happening);
        }
        world.session.drain();
        world.settle();
        prop_assert!(world.server.handed_out.values().all(|recorded| *recorded), "{:?}", world.server);
        prop_assert_eq!(world.session.unreported(), 0);
    }
}
