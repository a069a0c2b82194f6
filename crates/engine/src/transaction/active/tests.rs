//! The active set says what a scan of all nodes says, whatever happened; and looking at it costs what is active.

use super::*;
use crate::definition::{Classes, Definition};
use crate::event::{Beginning, Event, Failure, StepError};
use crate::headers::Headers;
use crate::status::{Phase, Status};
use crate::transaction::nodes::LOOKS;
use crate::transaction::{Answer, Cx, Given, Outgoing, Parts, Ready, Staged, queue_ends};
use chancery_base::{DecisionId, Document, Entropy, PrincipalId, PrincipalKind, Slot, TransactionId};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

struct Run {
    transaction: Transaction,
    now: Timestamp,
    entropy: Entropy,
    events: Vec<Staged>,
}

impl Run {
    fn new(definition: &Value, input: Value) -> Self {
        let mut entropy = Entropy::from_seed([7; 32]);
        let now = Timestamp::from_micros(1_795_246_020_000_000);
        let definition = Arc::new(Definition::parse(definition.to_string().as_bytes()).unwrap());
        let beginning = Beginning {
            id: TransactionId::draw(now, Slot::new(1).unwrap(), &mut entropy),
            definition: definition.name.clone(),
            version: 1,
            version_asked: None,
            digest: definition.digest,
            faults: Vec::new(),
            fork: None,
            headers: Headers::default(),
            principal: PrincipalId::draw(PrincipalKind::Service, now, &mut entropy),
            bundle: definition.digest,
            idempotency_key: None,
            business_key: None,
            labels: BTreeMap::new(),
            parent: None,
            settings: None,
            taint: Classes::new(),
            start_at: None,
            traceparent: None,
        };
        let given = Given::of_input(Document::shared(input));
        let decision = DecisionId::draw(now, &mut entropy);
        let transaction = Transaction::begin(definition, Arc::new(beginning), given, decision, now, 0);
        let mut run = Self { transaction, now, entropy, events: Vec::new() };
        run.cx(Transaction::start).unwrap();
        run
    }

    fn decision(&mut self) -> DecisionId {
        DecisionId::draw(self.now, &mut self.entropy)
    }

    fn cx<R>(&mut self, f: impl FnOnce(&mut Transaction, &mut Cx<'_>) -> R) -> R {
        let seq = u64::try_from(self.events.len()).unwrap();
        f(&mut self.transaction, &mut Cx { now: self.now, seq, out: &mut self.events })
    }

    fn hand_out(&mut self, ready: Ready) {
        let (node, phase) = (ready.node, ready.phase);
        let decision = match phase {
            Phase::Do => self.decision(),
            Phase::Undo | Phase::Confirm => self.transaction.state(node).unwrap().decision.unwrap(),
        };
        match self.transaction.offer(node, phase) {
            Ok(offer) => {
                let deadline = self.now.plus(offer.timeout);
                self.cx(|t, cx| {
                    t.dispatch(node, phase, Outgoing { decision, input: offer.input, deadline, conditions: None }, cx)
                })
                .unwrap();
            }
            Err(error) => self.cx(|t, cx| t.refuse(node, phase, error, cx)).unwrap(),
        }
    }

    fn answer(&mut self, (node, phase): (NodeRef, Phase), answer: Answer) {
        let (attempt, _) = self.transaction.dispatched(node, phase).unwrap();
        assert!(self.cx(|t, cx| t.answer(node, phase, attempt, answer, cx)).unwrap());
    }

    /// One of the many things that may happen next.
    fn act(&mut self, choice: u32) {
        let pick = usize::try_from(choice / 16).unwrap();
        let out: Vec<(NodeRef, Phase)> = self.transaction.out().collect();
        let ready = self.transaction.ready(self.now);
        let one_out = out.get(pick % out.len().max(1)).copied();
        let one_ready = ready.get(pick % ready.len().max(1)).copied();
        let error = || StepError::new("Boom", "it broke");
        match (choice % 16, one_ready, one_out) {
            (0..=4, Some(ready), _) => self.hand_out(ready),
            (5..=7, _, Some(out)) => self.answer(out, Answer::Completed(Document::shared(json!({ "of": choice })))),
            (8, _, Some(out)) => self.answer(out, Answer::Failed(error())),
            (9, _, Some(out)) => self.answer(out, Answer::Unknown(error())),
            (10, Some(Ready { node, phase: Phase::Do, .. }), _) => {
                let decision = self.decision();
                self.cx(|t, cx| t.deny(node, (decision, Failure::Denied), "no".to_owned(), cx)).unwrap();
            }
            (11, ..) => drop(self.cx(|t, cx| t.retry("mended", cx))),
            (12, ..) if pick % 4 == 0 => drop(self.cx(|t, cx| t.cancel("unwanted".to_owned(), cx))),
            (13, ..) => self.resolve(),
            _ => {
                self.now = self.now.plus(Duration::from_millis(u64::from(choice % 4_000)));
                self.cx(Transaction::time_out).unwrap();
            }
        }
    }

    fn resolve(&mut self) {
        let Some(node) = self.transaction.stuck().next() else { return };
        let name = self.transaction.definition.name_of(node).unwrap();
        let output = Document::shared(json!("by hand"));
        self.cx(|t, cx| t.resolve(&name, output, "by phone".to_owned(), cx)).unwrap();
    }

    /// Plain scans of every node.
    fn check(&self) {
        let transaction = &self.transaction;
        let mut again = transaction.clone();
        again.active = Active::default();
        again.nodes.iter_mut().for_each(|node| node.is_placed = false);
        again.place_all();
        assert_eq!(again.active, transaction.active);
        assert!(transaction.displaced.is_empty());
        let loaded = Transaction::from_parts(self.parts()).unwrap();
        assert_eq!(loaded.active, transaction.active);
        assert_eq!(loaded.nodes.output_bytes(), transaction.nodes.output_bytes());
        let (wake, is_overdue) = (self.wake_by_scan(None), transaction.is_overdue(self.now));
        assert_eq!(transaction.wake_at(), wake);
        assert!(!is_overdue || wake.is_some_and(|at| at <= self.now), "it does not wake for what is overdue");
        let look = transaction.look(self.now);
        assert_eq!(look.wake, if is_overdue { Some(self.now) } else { self.wake_by_scan(Some(self.now)) });
        assert_eq!(look.ready, transaction.ready(self.now));
        assert_eq!(transaction.ready(self.now), self.ready_by_scan());
        let states = || transaction.nodes().map(|(node, state)| (transaction.step_of(node).unwrap(), state));
        assert_eq!(transaction.active.is_finished(), states().all(|(step, state)| is_finished(step, state)));
        let is_pivot = |(step, state): (&Step, &StepState)| step.pivot && state.took_effect();
        let is_decided = transaction.head.confirming_at.is_some();
        assert_eq!(transaction.is_forward_only(), is_decided || states().any(is_pivot));
        let mut stuck: Vec<NodeRef> = transaction.stuck().collect();
        stuck.sort_unstable();
        let by_scan = transaction
            .nodes()
            .map(|(node, _)| node)
            .filter(|node| transaction.is_stuck(*node, transaction.phase_at(*node)));
        let mut by_scan: Vec<NodeRef> = by_scan.collect();
        by_scan.sort_unstable();
        assert!(transaction.head.status.is_ended() || by_scan == stuck);
    }

    /// As it is stored.
    fn parts(&self) -> Parts {
        let transaction = &self.transaction;
        let mut nodes: Vec<_> = transaction.nodes().map(|(node, state)| (node, state.clone())).collect();
        nodes.sort_by_key(|(node, _)| *node);
        let document = |node: NodeRef, state: &StepState| {
            let clones = (1..=state.clones?).map(|clone| NodeRef { step: node.step, clone });
            let items = clones.map(|clone| transaction.nodes.item(clone).unwrap().clone());
            Some(Document::shared(Value::Array(items.collect())))
        };
        let with_document = |(node, state): (NodeRef, StepState)| {
            let document = document(node, &state).or(transaction.nodes.output(node).cloned());
            (node, state, document)
        };
        Parts {
            definition: Arc::clone(&transaction.definition),
            head: transaction.head.clone(),
            nodes: nodes.into_iter().map(with_document).collect(),
            declared: Vec::new(),
            given: transaction.given.clone(),
            kept: Vec::new(),
        }
    }

    fn wake_by_scan(&self, past: Option<Timestamp>) -> Option<Timestamp> {
        let transaction = &self.transaction;
        if transaction.head.status.is_settled() {
            return None;
        }
        let is_held = transaction.head.held;
        let nodes = transaction.nodes().map(|(node, state)| (node, transaction.step_of(node).unwrap(), state));
        let ends = queue_ends(&transaction.definition, &transaction.head, nodes);
        let of_nodes = transaction.nodes().flat_map(|(node, state)| {
            let queued = ends.get(&node).copied().filter(|_| !is_held);
            let next = state.wake_at.filter(|_| !is_held || state.status == StepStatus::Dispatched);
            let undo = state.undo.wake_at.filter(|_| !is_held || state.undo.status == UndoStatus::Dispatched);
            [queued, next, undo].into_iter().flatten()
        });
        of_nodes.chain(transaction.times_out_at()).filter(|at| past.is_none_or(|past| *at > past)).min()
    }

    fn ready_by_scan(&self) -> Vec<Ready> {
        let (transaction, now) = (&self.transaction, self.now);
        let status = transaction.head.status;
        let is_forward = status == Status::Running;
        let goes_on = matches!(status, Status::Running | Status::Confirming) && !transaction.head.held;
        if !goes_on && status != Status::Compensating {
            return Vec::new();
        }
        let phase = |node| if is_forward { Phase::Do } else { transaction.closing(node) };
        let since = |state: &StepState| {
            if is_forward {
                return state.queued_since().filter(|at| state.status != StepStatus::Backoff || *at <= now);
            }
            let waits = state.undo.wake_at.filter(|at| state.undo.status == UndoStatus::Backoff && *at <= now);
            state.undo.ready_at.filter(|_| state.undo.status == UndoStatus::Ready).or(waits)
        };
        let out = transaction.nodes().filter(|(node, _)| transaction.dispatched(*node, phase(*node)).is_some()).count();
        let room = usize::try_from(transaction.definition.concurrency).unwrap().saturating_sub(out);
        let ready_at = |(node, state)| Some(Ready { since: since(state)?, node, phase: phase(node) });
        let mut waiting: Vec<Ready> = transaction.nodes().filter_map(ready_at).collect();
        waiting.sort_unstable();
        let mut ready: Vec<Ready> = Vec::new();
        for one in waiting {
            let of_step = |node: &NodeRef| node.step == one.node.step;
            let window = transaction.step_of(one.node).and_then(|step| step.each.as_ref()?.concurrency);
            let out = transaction.out().filter(|(node, _)| of_step(node)).count();
            let taken = out + ready.iter().filter(|ready| of_step(&ready.node)).count();
            let has_room = !is_forward || window.is_none_or(|most| taken < usize::try_from(most).unwrap());
            if ready.len() < room && has_room {
                ready.push(one);
            }
        }
        ready
    }

    /// What applying the same events to a fresh state gives.
    fn check_replay(&self) {
        let Event::Started { beginning, decision, .. } = &self.events[0].event else { panic!("no start") };
        let definition = Arc::clone(&self.transaction.definition);
        let (began, given) = (self.transaction.head.started_at, self.transaction.given.clone());
        let mut again = Transaction::begin(definition, Arc::clone(beginning), given, *decision, began, 0);
        for staged in &self.events[1..] {
            again.apply(&staged.event, self.now, staged.seq).unwrap();
        }
        let states = |t: &Transaction| t.nodes().map(|(node, state)| (node, state.status)).collect::<Vec<_>>();
        assert_eq!(states(&again), states(&self.transaction));
    }
}

/// Up to eight steps, each after some of those before it, of every kind that makes a difference.
fn any_definition() -> impl Strategy<Value = Value> {
    let policies = proptest::sample::select(CompensationPolicy::ALL.map(CompensationPolicy::word).to_vec());
    let steps = proptest::collection::vec((any::<u8>(), 0..14_u8), 1..8);
    (steps, policies, 1..5_u32, any::<bool>(), any::<bool>()).prop_map(|(steps, policy, concurrency, times_out, layers)| {
        let step = |(at, (after, kind)): (usize, &(u8, u8))| {
            let after: Vec<String> =
                (0..at).filter(|before| after >> before & 1 == 1).map(|before| format!("s{before}")).collect();
            let mut step = json!({
                "id": format!("s{at}"), "after": after, "run": {"worker": "w"}, "timeout": "5s", "queue_timeout": "7s",
                "retry": {"attempts": 2, "backoff": "1s"},
            });
            match kind {
                0 => step["pivot"] = true.into(),
                1 => step["when"] = "${{ input.yes }}".into(),
                2..=3 => step["on_failure"] = "continue".into(),
                4..=9 => step["compensate"] = json!({"run": {"worker": "u"}, "retry": {"attempts": 1}}),
                10 => {
                    let critical = policy == CompensationPolicy::CircuitBreaker.word();
                    step["compensate"] = json!({"run": {"worker": "u"}, "on_error": "fail", "critical": critical});
                }
                11 | 12 => {
                    step["each"] = "${{ input.list }}".into();
                    step["compensate"] = json!({"run": {"worker": "u"}});
                    if *kind == 12 {
                        step["concurrency"] = 2.into();
                    }
                }
                13 => {
                    step["each"] = "${{ [] }}".into();
                    step["on_failure"] = "continue".into();
                }
                _ => {}
            }
            step
        };
        let mut definition = json!({
            "name": "x", "version": 1, "concurrency": concurrency, "compensation": {"policy": policy},
            "mode": if layers { "layers" } else { "graph" },
            "steps": steps.iter().enumerate().map(step).collect::<Vec<_>>(),
        });
        if times_out {
            definition["timeout"] = "20s".into();
        }
        definition
    })
}

/// Up to eight participants, some of which may fail.
fn any_tcc() -> impl Strategy<Value = Value> {
    let policies = proptest::sample::select(CompensationPolicy::ALL.map(CompensationPolicy::word).to_vec());
    let participants = proptest::collection::vec(0..8_u8, 1..8);
    (participants, policies, 1..5_u32, any::<bool>(), any::<bool>()).prop_map(
        |(participants, policy, concurrency, times_out, parallel)| {
            let participant = |(at, kind): (usize, &u8)| {
                let closing = json!({"run": {"worker": "u"}, "retry": {"attempts": 2, "backoff": "1s"}});
                let mut participant = json!({
                    "id": format!("s{at}"), "optional": kind % 2 == 0, "confirm": closing, "cancel": closing,
                    "try": {"run": {"worker": "w"}, "timeout": "5s", "queue_timeout": "7s"},
                });
                if *kind == 7 {
                    participant["when"] = "${{ input.yes }}".into();
                }
                participant
            };
            let mut definition = json!({
                "name": "x", "version": 1, "kind": "tcc", "concurrency": concurrency,
                "compensation": {"policy": policy}, "mode": if parallel { "parallel" } else { "sequence" },
                "participants": participants.iter().enumerate().map(participant).collect::<Vec<_>>(),
            });
            if times_out {
                definition["timeout"] = "20s".into();
            }
            definition
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_active_set_is_what_a_scan_finds(
        definition in prop_oneof![3 => any_definition(), 2 => any_tcc()],
        choices in proptest::collection::vec(any::<u32>(), 1..120),
    ) {
        let mut run = Run::new(&definition, json!({"yes": false, "list": [1, 2, 3]}));
        run.check();
        for choice in choices {
            if run.transaction.status().is_ended() {
                break;
            }
            run.act(choice);
            run.check();
        }
        run.check_replay();
    }
}

/// What it costs to hand one step out and take its answer in.
fn cost_of_next(run: &mut Run) -> u64 {
    let before = LOOKS.get();
    let ready = run.transaction.ready(run.now);
    run.hand_out(ready[0]);
    run.answer((ready[0].node, ready[0].phase), Answer::Completed(Document::shared(Value::Null)));
    std::hint::black_box(run.transaction.look(run.now).wake);
    run.transaction.take_touched();
    LOOKS.get() - before
}

#[test]
fn the_last_of_many_steps_costs_what_the_tenth_costs() {
    let step = |at: usize| {
        let after: Vec<String> = at.checked_sub(1).map(|before| format!("s{before}")).into_iter().collect();
        json!({"id": format!("s{at}"), "after": after, "run": {"worker": "w"}, "compensate": {"run": {"worker": "u"}}})
    };
    let count = chancery_base::limits::STEPS_MAX;
    let definition = json!({"name": "x", "version": 1, "steps": (0..count).map(step).collect::<Vec<_>>()});
    let mut run = Run::new(&definition, json!({}));
    let costs: Vec<u64> = (0..count).map(|_| cost_of_next(&mut run)).collect();
    assert_eq!(run.transaction.status(), Status::Completed);
    let (tenth, last) = (costs[9], costs[count - 1]);
    assert!(2 * last <= 3 * tenth, "the tenth cost {tenth}, the last {last}");
}

#[test]
fn the_last_of_many_clones_costs_what_the_tenth_costs() {
    let count = chancery_base::limits::CLONES_MAX;
    let step = json!({
        "id": "a", "each": "${{ input.list }}", "concurrency": 4, "run": {"worker": "w"},
        "compensate": {"run": {"worker": "u"}},
    });
    let mut run = Run::new(&json!({"name": "x", "version": 1, "steps": [step]}), json!({"list": vec![0; count]}));
    let costs: Vec<u64> = (0..count).map(|_| cost_of_next(&mut run)).collect();
    assert_eq!(run.transaction.status(), Status::Completed);
    let (tenth, last) = (costs[9], costs[count - 1]);
    assert!(2 * last <= 3 * tenth, "the tenth cost {tenth}, the last {last}");
}
