//! Steps that wait: what may be written, what is refused, and until when they wait.

use super::read::parse;
use chancery_base::{Timestamp, TransactionId};
use chancery_engine::Headers;
use chancery_engine::definition::{Definition, Facts, Run, StepIndex};
use serde_json::{Value, json};

const NOW: i64 = 1_795_246_020_000_000;

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

fn until(run: &str, input: &Value) -> Result<Option<i64>, String> {
    let definition = parse(&step(run, ""));
    let now = Timestamp::from_micros(NOW);
    let (transaction, headers) = (TransactionId::from_bytes([7; 16]), Headers::default());
    let facts = Facts { transaction, key: None, input, env: &Value::Null, headers: &headers, now };
    let step = definition.step(StepIndex(0)).unwrap();
    let until = step.waits_until(&facts.step_scope(&definition, step, |_| None), now);
    until.map(|until| until.map(Timestamp::as_micros)).map_err(|err| err.to_string())
}

#[test]
fn a_wait_is_a_duration_or_an_instant_or_an_expression_of_either() {
    let input =
        json!({"cool_off": "3d", "days": 2, "at": "2026-11-21T07:27:00.000001Z", "bad": ["5m"], "word": "soon"});
    let day = 86_400_000_000;
    for (run, expected) in [
        ("{wait: 5m}", NOW + 300_000_000),
        ("{wait: 0s}", NOW),
        ("{wait: '2026-11-21T07:28:00Z'}", NOW + 60_000_000),
        ("{wait: '2026-11-21T08:28:00+01:00'}", NOW + 60_000_000),
        ("{wait: '1999-01-01T00:00:00Z'}", 915_148_800_000_000),
        ("{wait: '${{ input.cool_off }}'}", NOW + 3 * day),
        ("{wait: '${{ input.days }}d'}", NOW + 2 * day),
        ("{wait: '${{ input.at }}'}", NOW - NOW % 60_000_000 + 1),
        ("{signal: {name: go, timeout: '${{ input.cool_off }}'}}", NOW + 3 * day),
        ("{signal: {name: go, timeout: 1s}}", NOW + 1_000_000),
    ] {
        assert_eq!(until(run, &input), Ok(Some(expected)), "{run}");
    }
    for run in ["{signal: {name: go}}", "noop", "{worker: w}"] {
        assert_eq!(until(run, &input), Ok(None), "{run}");
    }
    let neither = "is neither a duration such as `5m` nor an instant such as `2026-11-21T07:27:00Z`";
    for (run, expected) in [
        ("{wait: '${{ input.word }}'}", format!("run.wait: `soon` {neither}")),
        ("{wait: '${{ input.days }}'}", format!("run.wait: `2` {neither}")),
        ("{wait: '${{ input.bad }}'}", "run.wait: a text is needed here".to_owned()),
        ("{wait: '${{ input.?none }}'}", "run.wait: a text is needed here, there is none".to_owned()),
        ("{wait: '${{ input.days }}00000d'}", "run.wait: `200000d` is longer than 10 years".to_owned()),
        ("{signal: {name: go, timeout: '${{ input.word }}'}}", format!("run.signal.timeout: `soon` {neither}")),
    ] {
        assert_eq!(until(run, &input), Err(expected), "{run}");
    }
}

#[test]
fn what_waits_is_known() {
    let passive = |run: &str| parse(&step(run, "")).steps[0].run.is_passive();
    assert!(passive("{wait: 5m}") && passive("{signal: {name: go}}") && !passive("noop") && !passive("{worker: w}"));
    let go = parse(&step("{signal: {name: go, timeout: 3d}}", "    pivot: true\n"));
    assert_eq!(go.steps[0].signal().map(|signal| signal.name.as_str()), Some("go"));
    assert!(go.steps[0].pivot && matches!(parse(&step("{wait: 5m}", "")).steps[0].run, Run::Wait(_)));
    let words: Vec<String> = ["{wait: 5m}", "{wait: '${{ input.at }}'}", "{signal: {name: go}}"]
        .map(|run| parse(&step(run, "")).steps[0].run.describe())
        .into();
    assert_eq!(words, ["wait 5m", "wait", "signal go"]);
}

#[test]
fn a_wait_that_can_never_be_one_is_refused() {
    let at = "5:17: steps[0].run.wait";
    refused(
        &step("{wait: soon}", ""),
        &[&format!("{at}: `soon` is neither a duration such as `5m` nor an instant such as `2026-11-21T07:27:00Z`")],
    );
    refused(
        &step("{wait: 5}", ""),
        &["5:17: steps[0].run.wait: `5` has no unit: write `5s`, say; there are ms, s, m, h and d"],
    );
    refused(&step("{wait: 3651d}", ""), &["5:17: steps[0].run.wait: `3651d` is longer than 10 years"]);
    refused(&step("{wait: [5m]}", ""), &["5:17: steps[0].run.wait: a text is expected here, not a list"]);
    refused(
        &step("{wait: '${{ steps.a.output }}'}", ""),
        &["5:17: steps[0].run.wait: step `a` cannot use its own output"],
    );
    refused(&step("{signal: {}}", ""), &["5:19: steps[0].run.signal: `name` is missing"]);
    refused(
        &step("{signal: {name: 'a b', timeout: soon, until: 5m}}", ""),
        &[
            "5:26: steps[0].run.signal.name: ` ` is not allowed in a name: use a-z, A-Z, 0-9, `-`, `_`, `.`, and begin with a letter or digit",
            "5:42: steps[0].run.signal.timeout: `soon` is neither a duration such as `5m` nor an instant such as `2026-11-21T07:27:00Z`",
            "5:48: steps[0].run.signal.until: unknown key `until`",
        ],
    );
    refused(&step("{wait: 5m, signal: {name: go}}", ""), &["5:10: steps[0].run: only one of `wait`, `signal` can run"]);
}

#[test]
fn what_belongs_to_attempts_is_refused_where_there_are_none() {
    refused(
        &step(
            "{wait: 5m}",
            "    with: {a: 1}\n    retry: {attempts: 2}\n    timeout: 5s\n    compensate: {run: noop}\n",
        ),
        &[
            "6:11: steps[0].with: a step that waits has no `with`: nothing is called",
            "7:12: steps[0].retry: a step that waits has no `retry`: nothing is called",
            "8:14: steps[0].timeout: a step that waits has no `timeout`: nothing is called",
            "9:17: steps[0].compensate: a step that waits has no `compensate`: nothing is called",
        ],
    );
    refused(
        &step("{signal: {name: go}}", "    timeout: 3d\n    action: approve\n"),
        &[
            "6:14: steps[0].timeout: a step that waits has no `timeout`: write `run: {signal: {name: …, timeout: …}}`",
            "7:13: steps[0].action: a step that waits has no `action`: nothing is called",
        ],
    );
    refused(
        &step("{wait: 5m}", "    priority: 5\n    fairness: '${{ input.customer }}'\n"),
        &[
            "6:15: steps[0].priority: a step that waits has no `priority`: nothing is called",
            "7:15: steps[0].fairness: a step that waits has no `fairness`: nothing is called",
        ],
    );
    refused(
        &step("{worker: w}", "    compensate: {run: {wait: 5m}}\n"),
        &["6:23: steps[0].compensate.run: a compensation does not wait: it runs a `worker`, `http` or `noop`"],
    );
    // A signal has one receiver, and who waits for a time waits for all elements alike.
    refused(
        &step("{signal: {name: go}}", "    each: '${{ input.list }}'\n    concurrency: 2\n"),
        &["6:11: steps[0].each: a step that waits has no `each`: only a step that calls something fans out"],
    );
}
