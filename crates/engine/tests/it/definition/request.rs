//! Requests to people: what may be written, what is refused, and what it comes to.

use super::read::parse;
use chancery_engine::definition::{Definition, Quorum};
use chancery_engine::{RequestKind, Trigger};
use std::time::Duration;

fn step(run: &str, more: &str) -> String {
    format!("name: x\nversion: 1\nsteps:\n  - id: a\n    run: {run}\n{more}")
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let shown: Vec<String> = match Definition::parse(text.as_bytes()) {
        Ok(_) => Vec::new(),
        // Where it stands is held by the tests of reading.
        Err(err) => err.problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect(),
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn a_request_says_what_is_asked_and_of_whom() {
    let run = "{request: {kind: escalation, trigger: anomaly, title: 'Odd?', role: risk, approvers: 2, sla: 90m, risk: 70, \
               justification: 40}}";
    let definition = parse(&step(run, "    with: {a: 1}\n    on_failure: continue\n"));
    let ask = definition.steps[0].run.request().unwrap();
    assert_eq!((ask.kind, ask.trigger), (RequestKind::Escalation, Some(Trigger::Anomaly)));
    let quorum = Quorum {
        approvers: 2,
        role: Some("risk".parse().unwrap()),
        sla: Some(Duration::from_secs(5_400)),
        risk: Some(70),
        justification_min: 40,
    };
    assert_eq!(ask.quorum, quorum);
    let plain = parse(&step("{request: {title: 'OK?'}}", ""));
    let usual = Quorum { approvers: 1, role: None, sla: None, risk: None, justification_min: 20 };
    assert_eq!(plain.steps[0].run.request().map(|ask| (ask.kind, &ask.quorum)), Some((RequestKind::Approval, &usual)));
    let gated = parse(&step("{worker: w}", "    approval: {role: finance, reason: 'much ${{ input.n }}'}\n"));
    assert_eq!(gated.steps[0].approval.as_ref().unwrap().quorum.role, Some("finance".parse().unwrap()));
    let words = [&definition, &plain].map(|definition| definition.steps[0].run.describe());
    assert_eq!(words, ["escalation by 2 of risk", "approval by a person"]);
    assert!(gated.graph_dot().contains("approved by finance"), "{}", gated.graph_dot());
}

#[test]
fn what_a_request_can_t_say_is_refused() {
    refused(&step("{request: {}}", ""), &["steps[0].run.request: `title` is missing"]);
    refused(
        &step("{request: {title: x, input: {}}}", ""),
        &["steps[0].run.request.input: `input` does not belong here: what people are shown is the step's `with`"],
    );
    refused(
        &step("{request: {title: x, kind: escalation}}", ""),
        &["steps[0].run.request: an escalation says its `trigger`: why people are asked"],
    );
    refused(
        &step("{request: {title: x, trigger: anomaly}}", ""),
        &["steps[0].run.request.trigger: `trigger` is of an escalation: write `kind: escalation`"],
    );
    refused(
        &step("{request: {title: x, approvers: 11}}", ""),
        &["steps[0].run.request.approvers: a whole number from 1 to 10 is expected here"],
    );
    refused(
        &step("{request: {title: x, justification: 19}}", ""),
        &["steps[0].run.request.justification: a whole number from 20 to 500 is expected here"],
    );
    refused(
        &step("{request: {title: x, sla: 31d}}", ""),
        &["steps[0].run.request.sla: people have at most 30d to answer"],
    );
    refused(
        &step("{request: {title: x}}", "    retry: {attempts: 2}\n"),
        &["steps[0].retry: a step that asks people has no `retry`: what people said is not asked again"],
    );
    refused(
        &step("{request: {title: x}}", "    approval: {}\n"),
        &["steps[0].approval: a step that asks people has no `approval`: it is a request itself"],
    );
    refused(
        &step("{wait: 5m}", "    approval: {}\n"),
        &["steps[0].approval: a step that waits has no `approval`: nothing is called"],
    );
}
