//! Steps that run a transaction: what may be written, and what is refused.

use super::read::parse;
use chancery_engine::definition::{Child, Definition, OnError};

fn step(run: &str, more: &str) -> String {
    format!("name: x\nversion: 1\nsteps:\n  - id: a\n    run: {run}\n{more}")
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let shown: Vec<String> = match Definition::parse(text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(err) => err.problems.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(shown, expected, "{text}");
}

fn child(name: &str, version: Option<u32>) -> Child {
    Child { name: name.parse().unwrap(), version }
}

#[test]
fn a_step_names_what_it_runs_and_perhaps_which_version() {
    for (run, expected, told) in [
        ("{transaction: ship}", child("ship", None), "transaction ship"),
        ("{transaction: ship, version: 3}", child("ship", Some(3)), "transaction ship 3"),
    ] {
        let read = parse(&step(run, "    with: '${{ input }}'\n"));
        assert_eq!(read.steps[0].run.child(), Some(&expected));
        assert_eq!(read.steps[0].run.describe(), told);
        assert!(!read.steps[0].run.is_passive() && read.steps[0].with.is_some());
    }
}

#[test]
fn a_child_is_its_own_undo_unless_something_else_is_said() {
    let undo = |more: &str| parse(&step("{transaction: ship}", more)).steps.remove(0);
    assert!(undo("").recalls_child());
    assert!(undo("    on_failure: continue\n").recalls_child());
    for more in ["    compensate: {run: {worker: recall}}\n", "    pivot: true\n", "    irreversible: true\n"] {
        assert!(!undo(more).recalls_child(), "{more}");
    }
    assert!(!parse(&step("{worker: w}", "    compensate: {run: {worker: u}}\n")).steps[0].recalls_child());
    let of_policy = format!("compensation: {{policy: retry-with-backoff}}\n{}", step("{transaction: ship}", ""));
    assert_eq!(parse(&of_policy).steps[0].compensate.as_ref().unwrap().on_error, OnError::Continue);
}

#[test]
fn a_drawing_says_that_the_child_is_recalled() {
    let definition = parse(&step("{transaction: ship}", ""));
    assert!(definition.graph_mermaid().contains("undo a<br/>recall ship"), "{}", definition.graph_mermaid());
    assert!(definition.graph_dot().contains("undo a\\nrecall ship"), "{}", definition.graph_dot());
    assert!(definition.graph_svg().contains("recall ship"));
}

#[test]
fn what_can_be_recalled_has_no_pivot_and_is_a_saga() {
    assert!(parse(&step("{worker: w}", "    irreversible: true\n")).can_be_recalled());
    assert!(!parse(&step("{worker: w}", "    pivot: true\n")).can_be_recalled());
    assert!(!parse("name: x\nversion: 1\nkind: open\n").can_be_recalled());
    let tcc = "name: x\nversion: 1\nkind: tcc\nparticipants:\n  - {id: a, try: {run: {worker: t}}, confirm: {run: {worker: c}}, cancel: {run: {worker: u}}}\n";
    assert!(!parse(tcc).can_be_recalled());
}

#[test]
fn what_belongs_to_attempts_is_said_elsewhere() {
    refused(
        &step(
            "{transaction: ship}",
            "    retry: {attempts: 2}\n    timeout: 5s\n    queue_timeout: 5s\n    priority: 1\n    \
             fairness: a\n    action: ship\n    \
             resource: {type: Order, id: a}\n    context: {a: 1}\n",
        ),
        &[
            "6:12: steps[0].retry: a step that runs a transaction has no `retry`: what failed for good has undone itself",
            "7:14: steps[0].timeout: a step that runs a transaction has no `timeout`: the definition that it runs has one",
            "8:20: steps[0].queue_timeout: a step that runs a transaction has no `queue_timeout`: it waits for no worker",
            "9:15: steps[0].priority: a step that runs a transaction has no `priority`: it waits for no worker",
            "10:15: steps[0].fairness: a step that runs a transaction has no `fairness`: it waits for no worker",
            "11:13: steps[0].action: a step that runs a transaction has no `action`: the start is decided as any start of that definition",
            "12:15: steps[0].resource: a step that runs a transaction has no `resource`: the start is decided as any start of that definition",
            "13:14: steps[0].context: a step that runs a transaction has no `context`: the definition that it runs has one",
        ],
    );
}

#[test]
fn what_would_never_end_or_is_no_child_is_refused() {
    refused(
        &step("{transaction: x}", ""),
        &["5:24: steps[0].run.transaction: a definition does not run itself: it would never end"],
    );
    refused(
        &step("{worker: w, version: 2}", ""),
        &["5:31: steps[0].run.version: `version` is that of a `transaction`"],
    );
    refused(
        &step("{version: 2}", ""),
        &[
            "5:10: steps[0].run: one of `worker`, `http`, `noop`, `wait`, `signal`, `request`, `transaction`, `decide` and `emit` is expected here",
        ],
    );
    refused(
        &step("{transaction: ship, version: 0}", ""),
        &["5:39: steps[0].run.version: a whole number from 1 to 4294967295 is expected here"],
    );
    refused(
        &step("{worker: w, transaction: ship}", ""),
        &["5:10: steps[0].run: only one of `worker`, `transaction` can run"],
    );
    refused(
        &step("{worker: w}", "    compensate: {run: {transaction: ship}}\n"),
        &["6:23: steps[0].compensate.run: a compensation runs no transaction: it runs a `worker`, `http` or `noop`"],
    );
    refused(
        "name: x\nversion: 1\nkind: tcc\nparticipants:\n  - id: a\n    try: {run: {transaction: ship}}\n    \
         confirm: {run: noop}\n    cancel: {run: noop}\n",
        &["6:16: participants[0].try.run: a try runs no transaction: it runs a `worker`, `http` or `noop`"],
    );
}
