//! Steps that poll: what may be written, and what is refused.

use super::read::parse;
use super::schema;
use chancery_base::limits::POLL_ROUNDS_MAX;
use chancery_engine::definition::{Definition, POLL_EVERY_DEFAULT, POLL_ROUNDS_DEFAULT};
use std::time::Duration;

fn step(run: &str, more: &str) -> String {
    format!("name: x\nversion: 1\nsteps:\n  - id: a\n    run: {run}\n{more}")
}

#[track_caller]
fn refused(run: &str, more: &str, expected: &[&str]) {
    refused_text(&step(run, more), expected);
}

#[track_caller]
fn refused_text(text: &str, expected: &[&str]) {
    let shown: Vec<String> = match Definition::parse(text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(err) => err.problems.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(shown, expected, "{text}");
    schema::agrees(text, &shown);
}

const WORKER: &str = "{worker: w}";
const DONE: &str = "    until: ${{ steps.a.output.done }}\n";

#[test]
fn a_step_says_how_it_polls() {
    let poll = |more: &str| parse(&step(WORKER, more)).steps[0].poll.clone();
    assert!(poll("").is_none());
    let poll_default = poll(DONE).unwrap();
    assert_eq!((poll_default.every, poll_default.at_most), (POLL_EVERY_DEFAULT, POLL_ROUNDS_DEFAULT));
    let said = poll(&format!("{DONE}    every: 100ms\n    at_most: {POLL_ROUNDS_MAX}\n")).unwrap();
    assert_eq!((said.every, said.at_most), (Duration::from_millis(100), POLL_ROUNDS_MAX));
    for run in ["{http: {url: 'http://x', method: GET}}", "{http: {url: 'http://x'}}"] {
        assert!(parse(&step(run, DONE)).steps[0].poll.is_some(), "{run}");
    }
    let drawn = parse(&step(WORKER, &format!("{DONE}    every: 90s\n    pivot: true\n"))).graph_dot();
    assert!(drawn.contains("polls every 90s, pivot"), "{drawn}");
}

/// What it reads is known: an own output, upstream steps, variables that are set before, and in a clone its element.
#[test]
fn until_sees_what_the_step_does_and_its_own_output() {
    let before = "name: x\nversion: 1\nsteps:\n  - {id: b, run: {worker: w}, set: {n: 1}}\n  - id: a\n    after: [b]\n    run: {worker: w}\n";
    for until in [
        "steps.a.output.n == steps.b.output",
        "steps.a.output.n >= vars.n && now > input.at",
        "steps.a.?output.?n.orValue(0) > 1",
        "has(steps.a.output.n)",
    ] {
        parse(&format!("{before}    until: ${{{{ {until} }}}}\n"));
    }
    parse(&format!(
        "{before}    each: ${{{{ input.l }}}}\n    until: ${{{{ steps.a.output == item && index > 0 }}}}\n"
    ));
    refused_text(
        &format!("{before}    until: ${{{{ steps.a.output == item }}}}\n"),
        &["8:12: steps[1].until: `item` is known in what a step with `each` does, and in its `compensate`"],
    );
    refused_text(
        &format!("{before}    set: {{n: 2}}\n    until: ${{{{ vars.other == steps.nobody.output }}}}\n"),
        &["9:12: steps[1].until: no step sets `other`", "9:12: steps[1].until: there is no step `nobody`"],
    );
}

#[test]
fn what_is_no_poll_is_refused() {
    refused(
        WORKER,
        "    every: 5s\n    at_most: 3\n",
        &[
            "6:12: steps[0].every: `every` is of a step that polls: it has no `until`",
            "7:14: steps[0].at_most: `at_most` is of a step that polls: it has no `until`",
        ],
    );
    refused(WORKER, "    until: soon\n", &["6:12: steps[0].until: a condition is written as `${{ … }}`"]);
    refused(
        WORKER,
        "    until: ${{ 1 + 2 }}\n",
        &["6:12: steps[0].until: a condition is true or false, this can be neither"],
    );
    refused(
        WORKER,
        &format!("{DONE}    every: 99ms\n    at_most: 30001\n"),
        &[
            "7:12: steps[0].every: rounds follow one another after 100ms at least",
            "8:14: steps[0].at_most: a whole number from 1 to 30000 is expected here",
        ],
    );
    refused(
        WORKER,
        &format!("{DONE}    every: 5\n    at_most: 0\n"),
        &[
            "7:12: steps[0].every: `5` has no unit: write `5s`, say; there are ms, s, m, h and d",
            "8:14: steps[0].at_most: a whole number from 1 to 30000 is expected here",
        ],
    );
    refused(
        WORKER,
        &format!("{DONE}    retry: {{attempts: once}}\n"),
        &["7:23: steps[0].retry.attempts: what must be called once does not poll: write `attempts: 1`, of each round"],
    );
}

#[test]
fn only_what_calls_something_polls() {
    let noop =
        "6:12: steps[0].until: a step that polls calls a worker or a URL: what a `noop` gives is its input, every time";
    refused("noop", DONE, &[noop]);
    refused("{noop: {}}", DONE, &[noop]);
    let more = format!("{DONE}    every: 5s\n");
    for run in ["{wait: 5m}", "{signal: {name: go}}"] {
        refused(
            run,
            &more,
            &[
                "6:12: steps[0].until: a step that waits has no `until`: only a step that calls something polls",
                "7:12: steps[0].every: a step that waits has no `every`: only a step that calls something polls",
            ],
        );
    }
    refused(
        "{transaction: other}",
        &more,
        &[
            "6:12: steps[0].until: a step that runs a transaction has no `until`: what its transaction gives is final",
            "7:12: steps[0].every: a step that runs a transaction has no `every`: what its transaction gives is final",
        ],
    );
    refused(
        WORKER,
        "    compensate: {run: {worker: u}, until: x, at_most: 3}\n",
        &[
            "6:36: steps[0].compensate.until: `until` does not belong here: only a step polls",
            "6:46: steps[0].compensate.at_most: `at_most` does not belong here: only a step polls",
        ],
    );
    let part = "does not belong here: it is of kind `saga`, a participant does not poll";
    refused_text(
        "name: x\nversion: 1\nkind: tcc\nparticipants:\n  - {id: a, every: 5s, try: {run: noop, until: x}, confirm: {run: noop, at_most: 3}, cancel: {run: noop}}\n",
        &[
            &format!("5:13: participants[0].every: `every` {part}"),
            &format!("5:41: participants[0].try.until: `until` {part}"),
            &format!("5:73: participants[0].confirm.at_most: `at_most` {part}"),
        ],
    );
}
