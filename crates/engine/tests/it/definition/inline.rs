//! Questions and events: what may be written, and what is refused.

use super::read::parse;
use chancery_engine::definition::{Definition, Diff, Rule, Run};

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
    super::schema::agrees(text, &shown);
}

const ASK: &str = "{decide: {action: pay, resource: {type: Order, id: '${{ input.id }}'}}}";
const TELL: &str = "{emit: {type: order.paid}}";

#[test]
fn questions_and_events_are_read() {
    let read = parse(&step(
        "{decide: {action: pay, resource: {type: Shop::Order, id: a, attributes: {n: 1}}, principal: '${{ input.who }}'}}",
        "    context: {n: 1}\n    when: ${{ input.n > 1 }}\n    on_failure: continue\n    each: ${{ input.l }}\n",
    ));
    let Run::Decide(question) = &read.steps[0].run else { panic!("{read:?}") };
    assert_eq!((question.action.as_str(), question.resource.resource_type.as_str()), ("pay", "Shop::Order"));
    assert!(question.principal.is_some() && read.steps[0].run.is_inline());
    assert_eq!(read.steps[0].run.describe(), "decide pay");
    let read = parse(&step(
        "{emit: {type: com.example.Order-1.paid_late, subject: '${{ input.id }}'}}",
        "    with: {n: 1}\n    action: tell\n    resource: {type: Order, id: a}\n    set: {id: '${{ steps.a.output.id }}'}\n    \
         compensate: {run: {emit: {type: order.unpaid}}, on_error: continue}\n",
    ));
    assert_eq!(read.steps[0].run.describe(), "emit com.example.Order-1.paid_late");
    assert_eq!(read.steps[0].compensate.as_ref().unwrap().run.describe(), "emit order.unpaid");
    refused(&step(TELL, "    irreversible: true\n"), &[]);
    refused(&step(TELL, "    compensate: {run: {worker: w}, retry: {attempts: 2}}\n"), &[]);
}

#[test]
fn what_belongs_to_calls_is_refused() {
    let more = "    retry: {attempts: 2}\n    timeout: 5s\n    queue_timeout: 5s\n    priority: 1\n    fairness: a\n    \
                each: ${{ input.l }}\n    concurrency: 2\n    until: ${{ true }}\n    every: 1s\n    at_most: 3\n";
    let of = |what: &str| {
        [
            format!(
                "6:12: steps[0].retry: a step that {what} has no `retry`: nothing is called that could fail and be tried again"
            ),
            format!("7:14: steps[0].timeout: a step that {what} has no `timeout`: it takes no time"),
            format!("8:20: steps[0].queue_timeout: a step that {what} has no `queue_timeout`: it waits for nobody"),
            format!("9:15: steps[0].priority: a step that {what} has no `priority`: it waits for nobody"),
            format!("10:15: steps[0].fairness: a step that {what} has no `fairness`: it waits for nobody"),
            format!(
                "12:18: steps[0].concurrency: a step that {what} has no `concurrency`: its clones take no places: nobody is called"
            ),
            format!(
                "13:12: steps[0].until: a step that {what} has no `until`: nobody is called who could say something else the next time"
            ),
            format!("14:12: steps[0].every: a step that {what} has no `every`: it does not poll"),
            format!("15:14: steps[0].at_most: a step that {what} has no `at_most`: it does not poll"),
        ]
    };
    refused(&step(TELL, more), &of("emits an event").each_ref().map(String::as_str));
    refused(&step(ASK, more), &of("decides a question").each_ref().map(String::as_str));
    refused(
        &step(ASK, "    with: 1\n    action: b\n    resource: {type: A, id: a}\n    compensate: {run: noop}\n"),
        &[
            "6:11: steps[0].with: a step that decides a question has no `with`: what it is told is its `context`",
            "7:13: steps[0].action: a step that decides a question has no `action`: it is that of the question",
            "8:15: steps[0].resource: a step that decides a question has no `resource`: it is that of the question",
            "9:17: steps[0].compensate: a step that decides a question has no `compensate`: a question changes nothing",
        ],
    );
    refused(
        &step(ASK, "    irreversible: true\n"),
        &[
            "6:19: steps[0].irreversible: a step that decides a question has no `irreversible`: a question changes nothing",
        ],
    );
    refused(
        &step(TELL, "    compensate: {run: {emit: {type: a}}, retry: {attempts: 2}, timeout: 5s}\n"),
        &[
            "6:49: steps[0].compensate.retry: an undo that emits an event has no `retry`: nothing is called that could fail and be tried again",
            "6:73: steps[0].compensate.timeout: an undo that emits an event has no `timeout`: it takes no time",
        ],
    );
}

#[test]
fn what_is_no_question_and_no_event_is_refused() {
    refused(
        &step("{decide: {}}", ""),
        &["5:19: steps[0].run.decide: `action` is missing", "5:19: steps[0].run.decide: `resource` is missing"],
    );
    refused(
        &step("{decide: {action: a, resource: {type: A, id: a}, context: {}}}", ""),
        &["5:59: steps[0].run.decide.context: `context` does not belong here: it is said of the step"],
    );
    refused(&step("{emit: {}}", ""), &["5:17: steps[0].run.emit: `type` is missing"]);
    refused(
        &step("{emit: {type: a b, data: 1}}", ""),
        &[
            "5:24: steps[0].run.emit.type: ` ` is not allowed in an event's type: use a-z, A-Z, 0-9, `-` and `_`, and dots between them",
            "5:29: steps[0].run.emit.data: `data` does not belong here: it is the step's `with`",
        ],
    );
    refused(
        &step("{emit: {type: 'order.${{ input.how }}'}}", ""),
        &["5:24: steps[0].run.emit.type: an event's type is fixed: what differs belongs into its `subject`"],
    );
    refused(
        &step("{emit: {type: order.}}", ""),
        &["5:24: steps[0].run.emit.type: an event's type has something before and after every dot"],
    );
    refused(
        &step("{emit: {type: chancery.x}}", ""),
        &["5:24: steps[0].run.emit.type: types that begin with `chancery.` are the platform's own"],
    );
    refused(
        &step("{worker: w}", "    compensate: {run: {decide: {action: a, resource: {type: A, id: a}}}}\n"),
        &["6:23: steps[0].compensate.run: a compensation asks nothing: it runs a `worker`, `http` or `noop`"],
    );
    let tcc = |attempt: &str, cancel: &str| {
        format!(
            "name: x\nversion: 1\nkind: tcc\nparticipants:\n  - id: a\n    try: {{run: {attempt}}}\n    \
             confirm: {{run: noop}}\n    cancel: {{run: {cancel}}}\n"
        )
    };
    refused(
        &tcc(TELL, "noop"),
        &["6:16: participants[0].try.run: a try emits nothing: it runs a `worker`, `http` or `noop`"],
    );
    refused(
        &tcc("noop", TELL),
        &["8:19: participants[0].cancel.run: a cancel emits nothing: it runs a `worker`, `http` or `noop`"],
    );
    refused(
        &tcc(ASK, "noop"),
        &["6:16: participants[0].try.run: a try asks nothing: it runs a `worker`, `http` or `noop`"],
    );
}

#[test]
fn an_event_is_an_effect_to_the_linter_and_a_question_is_none() {
    let warnings = |run: &str, more: &str| {
        let text = format!("{}  - {{id: b, after: [a], run: {{worker: w}}}}\n", step(run, more));
        let (_, warnings) = Definition::lint(text.as_bytes()).unwrap();
        warnings.iter().map(|warning| warning.rule).collect::<Vec<_>>()
    };
    assert_eq!(warnings(TELL, ""), [Rule::NoUndo]);
    assert_eq!(warnings(TELL, "    irreversible: true\n"), []);
    assert_eq!(warnings(TELL, "    compensate: {run: {emit: {type: a}}}\n"), []);
    assert_eq!(warnings(ASK, ""), []);
}

#[test]
fn a_change_and_a_drawing_name_the_event() {
    let (one, two) =
        (parse(&step(TELL, "")), parse(&step("{emit: {type: order.billed}}", "").replace("version: 1", "version: 2")));
    assert!(one.graph_mermaid().contains("emit order.paid"), "{}", one.graph_mermaid());
    let changes = &Diff::between(&one, &two).changed[0].changes;
    assert_eq!(changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["run.emit.type"]);
}
