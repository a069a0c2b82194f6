//! What the linter finds, with line, column and rule.

use chancery_engine::definition::{Definition, Rule};
use std::fmt::Write as _;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (_, warnings) = Definition::lint(text.as_bytes()).unwrap_or_else(|err| panic!("{err}\n{text}"));
    let shown: Vec<String> = warnings
        .iter()
        .map(|warning| {
            let problem = &warning.problem;
            format!("{}:{}: {}: {}", problem.line, problem.column, problem.path, warning.rule.id())
        })
        .collect();
    assert_eq!(shown, expected, "{text}");
    super::schema::takes(text);
}

fn steps(head: &str, steps: &str) -> String {
    format!("name: x\nversion: 1\n{head}steps:\n{steps}")
}

const UNDONE: &str = "run: {worker: w}, compensate: {run: {worker: u}}";

#[test]
fn a_step_that_stays_done_says_so() {
    let text = |first: &str| steps("", &format!("- {{id: a, {first}}}\n- {{id: b, run: {{worker: w}}, after: [a]}}\n"));
    check(&text("run: {worker: w}"), &["4:3: steps[0]: no-undo"]);
    check(&text("run: {http: {url: 'http://x'}}"), &["4:3: steps[0]: no-undo"]);
    for said in [
        "run: noop",
        "run: {http: {url: 'http://x', method: GET}}",
        "run: {worker: w}, irreversible: true",
        "run: {worker: w}, pivot: true",
        UNDONE,
    ] {
        check(&text(said), &[]);
    }
    // Nothing fails after the last one; beside another it is not the last.
    check(&steps("", "- {id: a, run: {worker: w}}\n"), &[]);
    check(
        &steps("", "- {id: a, run: {worker: w}}\n- {id: b, run: {worker: w}}\n"),
        &["4:3: steps[0]: no-undo", "5:3: steps[1]: no-undo"],
    );
}

#[test]
fn an_undo_behind_a_pivot_never_runs() {
    let text = |pivot: &str, undone: &str| {
        steps("", &format!("- {{id: a, run: {{worker: w}}, pivot: true{pivot}}}\n- {{id: b, {UNDONE}{undone}}}\n"))
    };
    check(&text("", ", after: [a]"), &["5:41: steps[1].compensate: undo-never-runs"]);
    // Beside it, or where the pivot may be skipped, it may.
    check(&text("", ""), &[]);
    check(&text(", when: '${{ input.p }}'", ", after: [a]"), &[]);
    check(&text(", each: '${{ input.l }}'", ", after: [a]"), &[]);
}

#[test]
fn retries_wait() {
    let text = |retry: &str| steps("", &format!("- {{id: a, run: {{worker: w}}, retry: {retry}}}\n"));
    check(&text("{attempts: 2, backoff: 0s}"), &["4:59: steps[0].retry.backoff: retry-without-backoff"]);
    check(&text("{attempts: 1, backoff: 0s}"), &[]);
    check(&text("{attempts: 2}"), &[]);
    check(
        &steps("", "- {id: a, run: noop, compensate: {run: {worker: u}, retry: {backoff: 0ms}}}\n"),
        &["4:70: steps[0].compensate.retry.backoff: retry-without-backoff"],
    );
}

#[test]
fn an_attempt_fits_into_the_transaction() {
    let text = |timeout: &str| steps("timeout: 10s\n", &format!("- {{id: a, run: {{worker: w}}{timeout}}}\n"));
    check(&text(", timeout: 1m"), &["5:38: steps[0].timeout: timeout-too-long"]);
    check(&text(""), &["5:3: steps[0]: timeout-too-long"]);
    check(&text(", timeout: 10s"), &[]);
    check(&steps("timeout: 10s\n", "- {id: a, run: noop}\n"), &[]);
}

#[test]
fn a_condition_depends_on_something() {
    let text = |when: &str| steps("", &format!("- {{id: a, run: noop, when: '${{{{ {when} }}}}'}}\n"));
    check(&text("1 > 2"), &["4:28: steps[0].when: constant-condition"]);
    check(&text("true"), &["4:28: steps[0].when: constant-condition"]);
    check(&text("1 / 0 > 2"), &["4:28: steps[0].when: constant-condition"]);
    check(&text("input.a"), &[]);
}

#[test]
fn rounds_change_something_and_have_time() {
    let text = |until: &str, more: &str| {
        steps("timeout: 10m\n", &format!("- {{id: a, run: {{worker: w}}, until: '${{{{ {until} }}}}'{more}}}\n"))
    };
    check(&text("steps.a.output.done", ""), &[]);
    check(&text("now > input.at", ""), &[]);
    check(&text("input.done", ""), &["5:36: steps[0].until: constant-condition"]);
    check(&text("true", ""), &["5:36: steps[0].until: constant-condition"]);
    check(&text("steps.a.output.done", ", every: 9m"), &[]);
    check(&text("steps.a.output.done", ", every: 10m"), &["5:73: steps[0].every: timeout-too-long"]);
}

#[test]
fn an_output_may_be_absent() {
    let text = |first: &str, second: &str| {
        steps("", &format!("- {{id: a, run: noop, {first}}}\n- {{id: b, run: noop, after: [a], {second}}}\n"))
    };
    let skipped = "when: '${{ input.p }}'";
    let reads = "with: '${{ steps.a.output.n }}'";
    let found = ["5:40: steps[1].with: absent-output"];
    check(&text(skipped, reads), &found);
    check(&text("on_failure: continue", reads), &found);
    check(&text("with: 1", reads), &[]);
    for read in [
        "with: '${{ steps.a.?output.?n }}'",
        "with: '${{ has(steps.a.output) ? steps.a.output.n : 1 }}'",
        "with: \"${{ steps.a.status == 'completed' ? steps.a.output.n : 1 }}\"",
        "with: '${{ steps.a.output.n }}', when: '${{ has(steps.a.output) }}'",
        "with: '${{ steps.a.output.n }}', when: '${{ input.p }}'",
    ] {
        check(&text(skipped, read), &[]);
    }
    let whole = steps("output: '${{ steps.a.output }}'\n", &format!("- {{id: a, run: noop, {skipped}}}\n"));
    check(&whole, &["3:9: output: absent-output"]);
}

#[test]
fn ids_differ_by_more_than_a_slip() {
    let text =
        |one: &str, other: &str| steps("", &format!("- {{id: {one}, run: noop}}\n- {{id: {other}, run: noop}}\n"));
    for (one, other) in [("reserve", "resrve"), ("charge", "chrage"), ("charge", "charke"), ("orders", "order")] {
        check(&text(one, other), &["5:8: steps[1].id: similar-ids"]);
    }
    for (one, other) in [("step-1", "step-2"), ("ship", "skip"), ("debit-a", "credit-a"), ("order-1", "order-11")] {
        check(&text(one, other), &[]);
    }
}

#[test]
fn a_rule_is_allowed_where_it_is_meant() {
    let text = |head: &str, step: &str| {
        steps(head, &format!("- {{id: a, run: {{worker: w}}{step}}}\n- {{id: b, run: {{worker: w}}}}\n"))
    };
    check(&text("", ", lint: {allow: [no-undo]}"), &["5:3: steps[1]: no-undo"]);
    check(&text("lint: {allow: [no-undo]}\n", ""), &[]);
    check(&text("", ", lint: {allow: [similar-ids]}"), &["4:3: steps[0]: no-undo", "5:3: steps[1]: no-undo"]);
}

#[test]
fn a_warning_says_what_to_do() {
    let text = steps("", "- {id: a, run: {worker: w}}\n- {id: b, run: {worker: w}, after: [a]}\n");
    let (definition, warnings) = Definition::lint(text.as_bytes()).unwrap();
    assert_eq!(definition.steps.len(), 2);
    assert_eq!(
        warnings[0].problem.message,
        "`a` stays done if another step fails after it: give it a `compensate`, or say `irreversible: true` or `pivot: true`"
    );
    assert_eq!(Definition::lint(b"name: x").unwrap_err(), Definition::parse(b"name: x").unwrap_err());
}

#[test]
fn every_rule_is_explained() {
    let docs = include_str!("../../../../../docs/definitions.md");
    for rule in Rule::ALL {
        assert!(docs.contains(&format!("\n| `{}` | ", rule.id())), "`{}` is not in docs/definitions.md", rule.id());
    }
}

/// As many names as there may be, all alike.
#[test]
fn a_thousand_steps_are_linted() {
    let mut text = "name: x\nversion: 1\nsteps:\n".to_owned();
    for at in 0..1_000_u32 {
        let letters: String =
            (0..4).map(|place| char::from(b'a' + u8::try_from(at / 6_u32.pow(place) % 6).unwrap())).collect();
        writeln!(text, "- {{id: reserve-{letters}, run: noop}}").unwrap();
    }
    let (_, warnings) = Definition::lint(text.as_bytes()).unwrap();
    assert!(warnings.iter().all(|warning| warning.rule == Rule::SimilarIds) && warnings.len() > 900);
}
