//! Steps that run transactions, from the parent's side.

use super::{Run, check};
use chancery_engine::{Event, Phase, ShownStatus, Status, StepStatus, UndoStatus};
use serde_json::json;

const ORDER: &str = "
name: order
version: 1
steps:
  - {id: reserve, run: {worker: w}, retry: {attempts: 1}, compensate: {run: {worker: u}}}
  - {id: ship, after: [reserve], run: {transaction: parcel}, with: '${{ steps.reserve.output }}'}
  - {id: bill, after: [ship], run: {worker: w}, with: '${{ steps.ship.output }}', retry: {attempts: 1}}
";

#[test]
fn a_step_is_done_with_its_child() {
    check(
        ORDER,
        json!({}),
        "ok reserve; child ship completed; ok bill",
        "dispatched reserve, completed reserve, child started ship, completed ship, dispatched bill, completed bill, \
         completed",
    );
    let mut run = Run::new(ORDER, json!({}));
    run.act("ok reserve");
    let ship = run.step("ship");
    assert_eq!(run.transaction.shown(), ShownStatus::Running, "its child runs");
    assert_eq!(run.transaction.wake_at(), None, "a child has a time of its own");
    assert_eq!(run.transaction.dispatched(ship, Phase::Do), None, "nobody leases it");
    assert_eq!(
        run.transaction.children_out().map(|(node, phase, _)| (node, phase)).collect::<Vec<_>>(),
        [(ship, Phase::Do)]
    );
    run.act("child ship completed");
    let entries =
        |event: &Event| if let Event::Completed { child_entries, .. } = event { *child_entries } else { None };
    let told = run.events.iter().find_map(|staged| entries(&staged.event));
    assert_eq!(told, Some(9), "how many entries it has");
}

#[test]
fn a_child_that_failed_fails_its_parent_which_undoes_the_rest() {
    check(
        ORDER,
        json!({}),
        "ok reserve; child ship failed; undone reserve",
        "dispatched reserve, completed reserve, child started ship, attempt failed ship, undo dispatched reserve, \
         undo completed reserve, compensated",
    );
}

#[test]
fn what_a_child_left_is_for_a_person() {
    let mut run = Run::new(ORDER, json!({}));
    run.act("ok reserve");
    run.act("child ship unknown");
    assert_eq!(run.transaction.state(run.step("ship")).unwrap().status, StepStatus::Unknown);
    // Nothing can be recalled of it: its undo fails, and parks.
    assert_eq!(run.transaction.ready(run.now).len(), 1);
    run.act("refuse-undo ship");
    assert_eq!(run.transaction.status(), Status::Parked);
    run.act("resolve ship");
    run.act("undone reserve");
    assert_eq!(run.transaction.status(), Status::Compensated);
    run.assert_replays();
}

#[test]
fn a_child_that_completed_is_undone_by_itself_and_in_its_turn() {
    check(
        ORDER,
        json!({}),
        "ok reserve; child ship completed; fail bill; recall ship; child ship undone; undone reserve",
        "dispatched reserve, completed reserve, child started ship, completed ship, dispatched bill, \
         attempt failed bill, child recalled ship, undo completed ship, undo dispatched reserve, \
         undo completed reserve, compensated",
    );
    let mut run = Run::new(ORDER, json!({}));
    for line in ["ok reserve", "child ship completed", "fail bill", "recall ship"] {
        run.act(line);
    }
    assert_eq!(run.transaction.state(run.step("ship")).unwrap().undo.status, UndoStatus::Dispatched);
    assert_eq!(run.transaction.status(), Status::Compensating);
    run.act("child ship failed");
    assert_eq!(run.transaction.status(), Status::Parked, "by the policy's action on a failed compensation");
}

#[test]
fn a_parent_that_turns_waits_for_what_its_child_comes_to() {
    check(
        ORDER,
        json!({}),
        "ok reserve; cancel; child ship failed; undone reserve",
        "dispatched reserve, completed reserve, child started ship, cancel requested, attempt failed ship, \
         undo dispatched reserve, undo completed reserve, cancelled",
    );
    // It was past its pivot, or done already.
    check(
        ORDER,
        json!({}),
        "ok reserve; cancel; child ship completed; recall ship; child ship undone; undone reserve",
        "dispatched reserve, completed reserve, child started ship, cancel requested, completed ship, \
         child recalled ship, undo completed ship, undo dispatched reserve, undo completed reserve, cancelled",
    );
}

#[test]
fn an_undo_that_is_said_takes_the_place_of_the_other() {
    let yaml = ORDER.replace("{transaction: parcel},", "{transaction: parcel}, compensate: {run: {worker: u}},");
    check(
        &yaml,
        json!({}),
        "ok reserve; child ship completed; fail bill; undone ship; undone reserve",
        "dispatched reserve, completed reserve, child started ship, completed ship, dispatched bill, \
         attempt failed bill, undo dispatched ship, undo completed ship, undo dispatched reserve, \
         undo completed reserve, compensated",
    );
}

#[test]
fn a_child_takes_one_of_the_places() {
    let yaml = "
name: two
version: 1
concurrency: 1
steps:
  - {id: a, run: {transaction: parcel}}
  - {id: b, run: {transaction: parcel}}
";
    check(
        yaml,
        json!({}),
        "child a completed; child b completed",
        "child started a, completed a, child started b, completed b, completed",
    );
}

#[test]
fn only_a_child_that_completed_can_be_recalled() {
    let mut run = Run::new(ORDER, json!({}));
    let refused = run.cx(|t, cx| t.recall(cx)).unwrap_err();
    assert_eq!(refused.to_string(), "can't recall a transaction that is running");
    for line in ["ok reserve", "child ship completed", "ok bill"] {
        run.act(line);
    }
    let refused = run.cx(|t, cx| t.recall(cx)).unwrap_err();
    assert_eq!(refused.to_string(), "can't recall a transaction that is completed", "it is nobody's child");
}

const PARCELS: &str = "
name: parcels
version: 1
steps:
  - {id: ship, each: '${{ input.parcels }}', concurrency: 2, run: {transaction: parcel}, with: '${{ item }}'}
  - {id: bill, after: [ship], run: {worker: w}, with: '${{ steps.ship.output }}', retry: {attempts: 1}}
";

#[test]
fn what_fans_out_has_a_child_for_each_clone() {
    let mut run = Run::new(PARCELS, json!({"parcels": ["a", "b", "c"]}));
    let out = |run: &Run| run.transaction.children_out().map(|(node, ..)| node).collect::<Vec<_>>();
    assert_eq!(out(&run), [run.step("ship[0]"), run.step("ship[1]")], "two at once");
    let key = run.transaction.child_key(run.step("ship[1]"));
    assert!(key.ends_with("/ship[1]~2"), "that of the next attempt: {key}");
    run.act("child ship[1] completed");
    assert_eq!(out(&run), [run.step("ship[0]"), run.step("ship[2]")]);
    for line in ["child ship[0] completed", "child ship[2] completed", "fail bill"] {
        run.act(line);
    }
    // Each is undone by itself, in reverse order of completion.
    for clone in ["ship[2]", "ship[0]", "ship[1]"] {
        assert_eq!(run.transaction.ready(run.now).first().map(|ready| ready.node), Some(run.step(clone)));
        run.act(&format!("recall {clone}"));
        run.act(&format!("child {clone} undone"));
    }
    assert_eq!(run.transaction.status(), Status::Compensated);
    run.assert_replays();
}

#[test]
fn a_clone_whose_child_failed_turns_the_rest() {
    let mut run = Run::new(PARCELS, json!({"parcels": ["a", "b", "c"]}));
    run.act("child ship[0] completed");
    run.act("child ship[1] failed");
    assert_eq!(run.transaction.status(), Status::Compensating);
    run.act("child ship[2] failed");
    run.act("recall ship[0]");
    run.act("child ship[0] undone");
    assert_eq!(run.transaction.status(), Status::Compensated);
    run.assert_replays();
}
