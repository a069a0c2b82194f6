//! What a TCC may say, what is refused and where, and how it is drawn.

use super::read::parse;
use chancery_base::{Timestamp, TransactionId};
use chancery_engine::definition::{
    CompensationPolicy, Definition, DefinitionKind, Facts, Mode, OnError, Run, Seen, StepIndex,
};
use chancery_engine::{Headers, Phase, StepStatus};
use serde_json::json;
use std::time::Duration;

const TRIP: &str = r#"
name: book-trip
version: 1
kind: tcc
participants:
  - id: flight
    try: {run: {worker: flight.hold}, with: {seat: "${{ input.seat }}"}}
    confirm: {run: {worker: flight.book}, with: {hold: "${{ steps.flight.output.id }}", room: "${{ steps.hotel.?output.?id }}"}}
    cancel: {run: {worker: flight.release}, with: {hold: "${{ steps.flight.?output.?id }}"}}
  - id: hotel
    when: "${{ input.nights > 0 }}"
    optional: true
    action: hold
    try:
      run: {worker: hotel.hold}
      with: {flight: "${{ steps.flight.output.id }}"}
      retry: {attempts: 2}
      timeout: 5s
      queue_timeout: 1m
      priority: 2
      fairness: "${{ input.to }}"
    confirm: {run: {http: {url: "https://hotel.internal/book"}}, retry: {backoff: 1s}, timeout: 2m}
    cancel: {run: noop, retry: {attempts: 9}, on_error: continue}
output: {flight: "${{ steps.flight.output.id }}"}
"#;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let shown = match Definition::parse(text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(err) => err.problems.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn a_participant_is_a_step_with_a_confirm() {
    let trip = parse(TRIP);
    assert_eq!((trip.kind, trip.mode), (DefinitionKind::Tcc, Mode::Sequence));
    assert_eq!(trip.compensation, CompensationPolicy::StrictSequential);
    let [flight, hotel] = trip.steps.as_slice() else { panic!("two participants") };
    let (seconds, ms) = (Duration::from_secs, Duration::from_millis);
    assert!(matches!(flight.run_of(Phase::Do), Some(Run::Worker(name)) if name.as_str() == "flight.hold"));
    assert!(matches!(flight.run_of(Phase::Confirm), Some(Run::Worker(name)) if name.as_str() == "flight.book"));
    assert!(matches!(flight.run_of(Phase::Undo), Some(Run::Worker(name)) if name.as_str() == "flight.release"));
    let retries = |phase| flight.retry_of(phase).map(|retry| (retry.attempts, retry.backoff, retry.jitter));
    assert_eq!(retries(Phase::Do), Some((1, ms(100), 0.2)), "a try is made once");
    assert_eq!(retries(Phase::Confirm), Some((4, ms(100), 0.2)), "a confirm is tried again three times");
    assert_eq!(retries(Phase::Undo), Some((4, ms(100), 0.2)), "a cancel is tried again three times");
    let (confirm, cancel) = (flight.confirm.as_ref().unwrap(), flight.compensate.as_ref().unwrap());
    assert_eq!((flight.timeout, confirm.timeout, cancel.timeout), (seconds(30), seconds(30), seconds(30)));
    assert_eq!((cancel.on_error, flight.optional, hotel.optional), (OnError::Fail, false, true));
    assert_eq!((hotel.timeout, hotel.queue_timeout, hotel.action.as_str()), (seconds(5), seconds(60), "hold"));
    assert_eq!((hotel.priority, hotel.fairness.is_some()), (2, true));
    assert_eq!(hotel.retry.attempts, 2);
    let confirm = hotel.confirm.as_ref().unwrap();
    assert_eq!((confirm.retry.attempts, confirm.retry.backoff, confirm.timeout), (4, seconds(1), seconds(120)));
    assert_eq!(hotel.compensate.as_ref().map(|cancel| cancel.on_error), Some(OnError::Continue));
    assert_eq!((flight.after.as_slice(), hotel.after.as_slice()), (&[][..], &[StepIndex(0)][..]));
    assert_eq!((flight.dependents.as_slice(), flight.layer, hotel.layer), (&[StepIndex(1)][..], 0, 1));
    assert_eq!(flight.reads, [StepIndex(0), StepIndex(1)], "a confirm sees every participant");
    assert_eq!(Definition::from_canonical(&trip.source).unwrap().digest, trip.digest);
    // What waits for one another in a sequence begins together otherwise.
    let apart = TRIP.replace("      with: {flight: \"${{ steps.flight.output.id }}\"}\n", "");
    let trip = parse(&apart.replace("kind: tcc", "kind: tcc\nmode: parallel"));
    assert_eq!((trip.mode, trip.steps[1].after.len(), trip.steps[1].layer), (Mode::Parallel, 0, 0));
}

#[test]
fn a_confirm_takes_what_it_says_or_what_was_tried() {
    let trip = parse(TRIP);
    let (input, held) = (json!({"seat": 1, "nights": 0}), json!({"id": "f-1"}));
    let now = Timestamp::from_micros(1_795_246_020_000_000);
    let headers = Headers::default();
    let transaction = TransactionId::from_bytes([7; 16]);
    let facts = Facts { transaction, key: None, input: &input, env: &json!({}), headers: &headers, now };
    let seen = |index| {
        let output = Some(&held).filter(|_| index == StepIndex(0));
        Some(Seen { status: StepStatus::Completed, output, outputs: None, error: None, variables: None })
    };
    let input_of = |step: usize, output| {
        let step = &trip.steps[step];
        step.confirm.as_ref().unwrap().input(&facts.step_scope(&trip, step, seen), output)
    };
    assert_eq!(input_of(0, Some(&held)), Ok(json!({"hold": "f-1"})), "the hotel was left out");
    assert_eq!(input_of(1, Some(&json!({"id": "h-1"}))), Ok(json!({"id": "h-1"})));
    let seen =
        |_| Some(Seen { status: StepStatus::Skipped, output: None, outputs: None, error: None, variables: None });
    let flight = &trip.steps[0];
    let failed = flight.confirm.as_ref().unwrap().input(&facts.step_scope(&trip, flight, seen), None);
    assert!(failed.unwrap_err().to_string().starts_with("confirm.with.hold: "));
}

#[test]
fn a_saga_and_a_tcc_have_keys_of_their_own() {
    let top = "name: x\nversion: 1\n";
    check(
        &format!("{top}kind: tcc\nsteps: []\n"),
        &[
            "1:1: `participants` is missing",
            "4:1: steps: `steps` does not belong here: they are of kind `saga`, a tcc has `participants`",
        ],
    );
    check(
        &format!("{top}participants: []\nsteps: [{{id: a, run: noop}}]\n"),
        &["3:1: participants: `participants` does not belong here: they are of kind `tcc`, a saga has `steps`"],
    );
    check(
        &format!("{top}kind: tcc\nmode: layers\nparticipants: []\n"),
        &[
            "4:7: mode: unknown mode `layers`; there is `sequence`, `parallel`",
            "5:15: participants: a definition has at least one participant",
        ],
    );
    check(
        &format!("{top}mode: parallel\nsteps: [{{id: a, run: noop, try: 1, confirm: 1, cancel: 1, optional: true}}]\n"),
        &[
            "3:7: mode: unknown mode `parallel`; there is `graph`, `layers`",
            "4:28: steps[0].try: `try` does not belong here: it is of kind `tcc`, a step has `run`",
            "4:36: steps[0].confirm: `confirm` does not belong here: it is of kind `tcc`, a step is done when it was run",
            "4:48: steps[0].cancel: `cancel` does not belong here: it is of kind `tcc`, a step has `compensate`",
            "4:59: steps[0].optional: `optional` does not belong here: it is of kind `tcc`, a step has `on_failure: continue`",
        ],
    );
    let one = |rest: &str| {
        let closing = "confirm: {run: noop}\n  cancel: {run: noop}";
        format!("{top}kind: tcc\nparticipants:\n- id: a\n  try: {{run: noop}}\n  {closing}\n{rest}")
    };
    check(&one(""), &[]);
    let place = "is said of the `try`, the `confirm` or the `cancel`";
    check(
        &one(
            "  run: noop\n  retry: {}\n  after: []\n  on_failure: stop\n  compensate: 1\n  pivot: true\n  irreversible: true\n  each: 1\n  optionl: 1\n",
        ),
        &[
            &format!("9:3: participants[0].run: `run` does not belong here: it {place}"),
            &format!("10:3: participants[0].retry: `retry` does not belong here: it {place}"),
            "11:3: participants[0].after: `after` does not belong here: participants are tried as `mode` of the definition says",
            "12:3: participants[0].on_failure: `on_failure` does not belong here: it is of kind `saga`, a participant has `optional`",
            "13:3: participants[0].compensate: `compensate` does not belong here: it is of kind `saga`, a participant has `cancel`",
            "14:3: participants[0].pivot: `pivot` does not belong here: it is of kind `saga`, a tcc only goes forward once all are tried",
            "15:3: participants[0].irreversible: `irreversible` does not belong here: it is of kind `saga`, a participant has `cancel`",
            "16:3: participants[0].each: `each` does not belong here: it is of kind `saga`, a participant is tried once",
            "17:3: participants[0].optionl: unknown key `optionl`; did you mean `optional`?",
        ],
    );
}

#[test]
fn a_participant_says_all_three() {
    let top = "name: x\nversion: 1\nkind: tcc\nparticipants:\n";
    check(
        &format!(
            "{top}- id: a\n  try: {{}}\n- id: b\n  confirm: {{run: noop, on_error: continue}}\n- id: a\n  try: 1\n  confirm: {{run: noop}}\n  cancel: {{run: noop, queue_timeout: 1s}}\n"
        ),
        &[
            "5:3: participants[0]: `cancel` is missing",
            "5:3: participants[0]: `confirm` is missing",
            "6:8: participants[0].try: `run` is missing",
            "7:3: participants[1]: `cancel` is missing",
            "7:3: participants[1]: `try` is missing",
            "8:24: participants[1].confirm.on_error: `on_error` does not belong here: a confirm that failed for good waits for a person",
            "9:7: participants[2].id: participants[0] has this id already",
            "10:8: participants[2].try: a map is expected here, not a number",
            "12:23: participants[2].cancel.queue_timeout: `queue_timeout` is not supported yet",
        ],
    );
}

#[test]
fn expressions_see_what_was_tried_before() {
    let both = |mode: &str, a: &str, b: &str| {
        let rest = "confirm: {run: noop}, cancel: {run: noop}";
        let with = |with: &str| format!("try: {{run: noop, with: \"{with}\"}}, {rest}");
        let list = format!("- {{id: a, {}}}\n- {{id: b, {}}}\n", with(a), with(b));
        format!("name: x\nversion: 1\nkind: tcc\nmode: {mode}\nparticipants:\n{list}")
    };
    check(&both("sequence", "", "${{ steps.a.output }}"), &[]);
    let later = "6:34: participants[0].try.with: participant `b` is not tried before `a`";
    check(&both("sequence", "${{ steps.b.output }}", ""), &[later]);
    let earlier = "7:34: participants[1].try.with: participant `a` is not tried before `b`";
    check(&both("parallel", "", "${{ steps.a.output }}"), &[earlier]);
    let absent = TRIP.replace("steps.flight.?output.?id", "steps.flight.output.id");
    let message = "9:58: participants[0].cancel.with.hold: the output of `flight` is absent when its outcome is unknown: write `steps.flight.?output`";
    check(&absent, &[message]);
}

#[test]
fn the_decision_is_drawn() {
    let trip = parse(TRIP);
    assert_eq!(
        trip.graph_dot(),
        r#"digraph "book-trip" {
  rankdir=TB;
  node [shape=box];
  { rank=same; "flight"; }
  { rank=same; "hotel"; }
  "flight" [label="try flight\nworker flight.hold"];
  "cancel flight" [label="cancel flight\nworker flight.release", style=dashed];
  "flight" -> "cancel flight" [style=dashed, constraint=false];
  "hotel" [label="try hotel\nworker hotel.hold\nconditional, may fail"];
  "flight" -> "hotel";
  "cancel hotel" [label="cancel hotel\nnoop", style=dashed];
  "hotel" -> "cancel hotel" [style=dashed, constraint=false];
  "all tried" [shape=diamond];
  "confirm flight" [label="confirm flight\nworker flight.book"];
  "all tried" -> "confirm flight";
  "hotel" -> "all tried";
  "confirm hotel" [label="confirm hotel\nhttp POST"];
  "confirm flight" -> "confirm hotel";
}
"#
    );
    assert_eq!(
        trip.graph_mermaid(),
        r#"flowchart TD
  subgraph layer0[" "]
    direction LR
    s0["try flight<br/>worker flight.hold"]
  end
  subgraph layer1[" "]
    direction LR
    s1["try hotel<br/>worker hotel.hold<br/>conditional, may fail"]
  end
  s0 --> s1
  u0["cancel flight<br/>worker flight.release"]:::undo
  s0 -.-> u0
  u1["cancel hotel<br/>noop"]:::undo
  s1 -.-> u1
  decision{"all tried"}
  c0["confirm flight<br/>worker flight.book"]
  decision --> c0
  s1 --> decision
  c1["confirm hotel<br/>http POST"]
  c0 --> c1
  classDef undo stroke-dasharray: 4
"#
    );
}

#[test]
fn a_participant_is_drawn_with_its_confirm_and_its_cancel() {
    let svg = parse(TRIP).graph_svg();
    for shown in ["try flight", "confirm flight", "cancel flight", "class=\"undo\"", "sequence · strict-sequential"] {
        assert!(svg.contains(shown), "{shown} is not in {svg}");
    }
    assert!(!svg.contains("undo flight"));
}

#[test]
fn participants_are_linted() {
    assert_eq!(lint(TRIP), [] as [String; 0]);
    let hasty = TRIP.replace("retry: {backoff: 1s}", "retry: {backoff: 0s}");
    assert_eq!(
        lint(&hasty),
        [
            "retry-without-backoff: participants[1].confirm.retry.backoff: 4 attempts follow one another at once: a target in trouble stays so"
        ]
    );
    let allowed = hasty.replace("  - id: hotel\n", "  - id: hotel\n    lint: {allow: [retry-without-backoff]}\n");
    assert_ne!(allowed, hasty);
    assert_eq!(lint(&allowed), [] as [String; 0]);
}

fn lint(text: &str) -> Vec<String> {
    let (_, warnings) = Definition::lint(text.as_bytes()).unwrap();
    warnings
        .iter()
        .map(|warning| format!("{}: {}: {}", warning.rule.id(), warning.problem.path, warning.problem.message))
        .collect()
}

#[test]
fn nothing_of_a_participant_waits() {
    let text = "name: x
version: 1
kind: tcc
participants:
- id: a
  try: {run: {wait: 5m}}
  confirm: {run: {signal: {name: go}}}
  cancel: {run: {wait: 5m}}
";
    check(
        text,
        &[
            "6:14: participants[0].try.run: a try does not wait: it runs a `worker`, `http` or `noop`",
            "7:18: participants[0].confirm.run: a confirm does not wait: it runs a `worker`, `http` or `noop`",
            "8:17: participants[0].cancel.run: a cancel does not wait: it runs a `worker`, `http` or `noop`",
        ],
    );
}
