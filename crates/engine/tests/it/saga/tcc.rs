//! TCCs: tries, the decision, confirms and cancels.

use super::{Run, check};
use chancery_engine::definition::StepIndex;
use chancery_engine::{Event, ParticipantState, Phase, ShownStatus, Staged, Status, TccState};
use serde_json::{Value, json};
use std::time::Duration;

/// Three participants, one after the other, each with a confirm and a cancel that are tried twice.
fn tcc(mode: &str, more: &str, participants: &[&str]) -> String {
    let list = participants.iter().map(|participant| {
        let (id, rest) = participant.split_once(' ').unwrap_or((participant, ""));
        let closing = "retry: {attempts: 2, backoff: 1s, jitter: 0}";
        format!(
            "  - {{id: {id}, try: {{run: {{worker: t}}}}, confirm: {{run: {{worker: c}}, {closing}}}, \
             cancel: {{run: {{worker: u}}, {closing}}}{rest}}}\n"
        )
    });
    let list: String = list.collect();
    format!("name: tcc\nversion: 1\nkind: tcc\nmode: {mode}\n{more}participants:\n{list}")
}

fn three() -> String {
    tcc("sequence", "output: {a: '${{ steps.a.output.of }}'}\n", &["a", "b", "c"])
}

#[track_caller]
fn check_three(script: &str, expected: &str) {
    check(&three(), json!({}), script, expected);
}

fn run(yaml: &str, script: &str) -> Run {
    let mut run = Run::new(yaml, json!({}));
    for line in script.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        run.act(line);
    }
    run.assert_replays();
    run
}

/// Where the TCC stands, and its participants.
fn words(run: &Run) -> String {
    let head = run.transaction.head();
    let participants = run.transaction.nodes().map(|(_, state)| ParticipantState::of(head, state).word());
    let state = TccState::of(head, run.transaction.nodes().map(|(_, state)| state)).word();
    format!("{state}: {}", participants.collect::<Vec<_>>().join(" "))
}

const TRIED: &str = "dispatched a, completed a, dispatched b, completed b, dispatched c, completed c";

#[test]
fn all_tried_is_decided_before_any_confirm() {
    check_three(
        "ok a; ok b; ok c; confirmed a; confirmed b; confirmed c",
        &format!(
            "{TRIED}, confirming, confirm dispatched a, confirm completed a, confirm dispatched b, \
             confirm completed b, confirm dispatched c, confirm completed c, completed"
        ),
    );
    let together = tcc("parallel", "", &["a", "b", "c"]);
    check(
        &together,
        json!({}),
        "ok c; ok a; ok b; confirmed b; confirmed c; confirmed a",
        "dispatched a, dispatched b, dispatched c, completed c, completed a, completed b, confirming, \
         confirm dispatched a, confirm dispatched b, confirm dispatched c, confirm completed b, confirm completed c, \
         confirm completed a, completed",
    );
}

#[test]
fn an_accepted_confirm_is_over_when_it_is_reported_or_too_late() {
    check_three(
        "ok a; ok b; ok c; accept-confirm a; accept-confirm a; confirmed a; accept-confirm b; wait 30s; wait 1s; \
         confirmed b; confirmed c",
        &format!(
            "{TRIED}, confirming, confirm dispatched a, confirm accepted a, confirm completed a, \
             confirm dispatched b, confirm accepted b, again b, confirm dispatched b, confirm completed b, \
             confirm dispatched c, confirm completed c, completed"
        ),
    );
}

#[test]
fn two_tcc_participants_both_cancel_when_a_third_fails() {
    check_three(
        "ok a; ok b; fail c; undone b; undone a",
        "dispatched a, completed a, dispatched b, completed b, dispatched c, attempt failed c, undo dispatched b, \
         undo completed b, undo dispatched a, undo completed a, compensated",
    );
    let mut run = run(&three(), "ok a; ok b; fail c");
    assert_eq!(words(&run), "cancelling: tried cancelling try_failed");
    run.act("undone b");
    run.act("undone a");
    assert_eq!(words(&run), "cancelled: cancelled cancelled try_failed");
    assert_eq!(run.transaction.status(), Status::Compensated);
}

#[test]
fn three_participants_whose_third_try_fails() {
    // Refused, out of time, denied, not known, and in a mode in which the others are still out.
    for (last, ended) in [("fail c", "try_failed"), ("unknown c", "cancelled"), ("wait 30s", "cancelled")] {
        let third = if ended == "cancelled" { "undone c; " } else { "" };
        let script = format!("ok a; ok b; {last}; {third}undone b; undone a");
        let run = run(&three(), &script);
        assert_eq!(words(&run), format!("cancelled: cancelled cancelled {ended}"), "{last}");
        assert!(!run.told().contains("confirm"), "{}", run.told());
    }
    let together = tcc("parallel", "", &["a", "b", "c"]);
    let mut run = run(&together, "ok a; fail c");
    assert_eq!(words(&run), "cancelling: tried trying try_failed", "what is out comes in first");
    run.act("ok b");
    run.act("undone b");
    run.act("undone a");
    assert_eq!(words(&run), "cancelled: cancelled cancelled try_failed");
}

#[test]
fn nothing_tried_leaves_nothing_to_cancel() {
    let run = run(&three(), "fail a");
    assert_eq!(
        (run.transaction.status(), words(&run)),
        (Status::Failed, "cancelled: try_failed skipped skipped".into())
    );
}

#[test]
fn a_confirm_that_failed_is_not_reported_as_success() {
    let failed = "ok a; ok b; ok c; confirmfail a; wait 1s; confirmfail a";
    let mut run = run(&three(), failed);
    assert_eq!(words(&run), "confirming: confirm_failed confirming tried", "the others go on");
    run.act("confirmed b");
    assert_eq!(run.transaction.status(), Status::Confirming);
    run.act("confirmed c");
    assert_eq!(run.transaction.status(), Status::Parked);
    assert_eq!(run.transaction.head().parked_at, Some(StepIndex(0).into()));
    assert_eq!(words(&run), "confirming: confirm_failed confirmed confirmed");
    assert!(run.transaction.head().output_seq.is_none() && run.transaction.head().ended_at.is_none());
    let refusal = run.cx(|t, cx| t.cancel(String::new(), cx)).unwrap_err();
    assert!(refusal.to_string().contains("only confirms from here on"), "{refusal}");
    let mut again = Run::new(&three(), json!({}));
    for line in [failed, "confirmed b; confirmed c; retry; confirmed a"].iter().flat_map(|text| text.split(';')) {
        again.act(line.trim());
    }
    assert!(again.told().ends_with("parked a, resumed a, confirm dispatched a, confirm completed a, completed"));
    again.assert_replays();
    run.act("resolve a");
    assert!(run.told().ends_with("parked a, confirm resolved a, completed"), "{}", run.told());
    run.assert_replays();
    assert_eq!(words(&run), "confirmed: confirmed confirmed confirmed");
}

#[test]
fn a_confirm_is_tried_again_whatever_came_of_it() {
    for first in ["confirmfail a", "confirmunknown a", "confirmlapse a", "wait 30s"] {
        let run = run(&three(), &format!("ok a; ok b; ok c; {first}; wait 1s; confirmed a; confirmed b; confirmed c"));
        assert!(run.told().contains("again a, confirm dispatched a"), "{first}: {}", run.told());
        assert_eq!(run.transaction.status(), Status::Completed);
    }
}

#[test]
fn a_cancel_that_failed_for_good_parks_or_is_left() {
    let mut run = run(&three(), "ok a; ok b; fail c; undofail b; wait 1s; undofail b");
    assert_eq!(
        (run.transaction.status(), words(&run)),
        (Status::Parked, "cancelling: tried cancel_failed try_failed".to_owned())
    );
    run.act("retry");
    run.act("undone b");
    run.act("undone a");
    assert_eq!(words(&run), "cancelled: cancelled cancelled try_failed");
    let lenient = tcc("sequence", "compensation: {policy: retry-with-backoff}\n", &["a", "b", "c"]);
    let mut run = self::run(&lenient, "ok a; ok b; fail c; undofail b; wait 1s; undofail b; undone a");
    assert_eq!(run.transaction.status(), Status::Failed);
    assert_eq!(words(&run), "cancelling: cancelled cancel_failed try_failed", "it says how far it came");
    let summary = run.cx(|t, _| t.summary(None));
    assert_eq!((summary.left_undone, summary.state), (vec![StepIndex(1).into()], Some(TccState::Cancelling)));
}

#[test]
fn an_optional_participant_may_fail() {
    let yaml = tcc("sequence", "", &["a", "b , optional: true", "c"]);
    let mut run = run(&yaml, "ok a; fail b; ok c; confirmed a");
    assert_eq!(words(&run), "confirming: confirmed try_failed confirming");
    run.act("confirmed c");
    assert_eq!(words(&run), "confirmed: confirmed try_failed confirmed");
    assert_eq!(run.cx(|t, _| t.summary(None)).left_undone, []);
    let run = self::run(&yaml, "ok a; ok b; ok c; confirmed a; confirmed b; confirmed c");
    assert_eq!(words(&run), "confirmed: confirmed confirmed confirmed");
    let run = self::run(&yaml, "ok a; fail b; fail c; undone a");
    assert_eq!(words(&run), "cancelled: cancelled try_failed try_failed");
}

#[test]
fn an_optional_participant_that_is_unknown_is_cancelled_while_the_rest_confirm() {
    let yaml = tcc("parallel", "", &["a", "b , optional: true", "c"]);
    let mut run = run(&yaml, "ok a; unknown b; ok c");
    assert_eq!(words(&run), "confirming: confirming cancelling confirming");
    let offer = run.transaction.dispatched(StepIndex(1).into(), Phase::Undo);
    assert!(offer.is_some() && run.transaction.dispatched(StepIndex(1).into(), Phase::Confirm).is_none());
    assert_eq!(run.cx(|t, _| t.summary(None)).left_undone, [StepIndex(1).into()], "until it is cancelled");
    for line in ["confirmed a", "undone b", "confirmed c"] {
        run.act(line);
    }
    assert_eq!(
        (run.transaction.status(), words(&run)),
        (Status::Completed, "confirmed: confirmed cancelled confirmed".into())
    );
    assert_eq!(run.cx(|t, _| t.summary(None)).left_undone, []);
    // Its cancel that failed for good waits for a person, as any does.
    let run = self::run(&yaml, "ok a; unknown b; ok c; confirmed a; confirmed c; undofail b; wait 1s; undofail b");
    assert_eq!(
        (run.transaction.status(), words(&run)),
        (Status::Parked, "confirming: confirmed cancel_failed confirmed".into())
    );
    let left = tcc("parallel", "compensation: {policy: circuit-breaker}\n", &["a", "b , optional: true", "c"]);
    let left = left.replace("cancel: {", "cancel: {critical: true, ");
    let mut run = self::run(&left, "ok a; unknown b; ok c; undofail b; wait 1s; undofail b; confirmed a; confirmed c");
    assert_eq!(words(&run), "confirmed: confirmed cancel_failed confirmed", "the rest is confirmed all the same");
    assert_eq!(run.cx(|t, _| t.summary(None)).left_undone, [StepIndex(1).into()], "no failure is swallowed");
}

#[test]
fn one_that_was_skipped_is_neither_confirmed_nor_cancelled() {
    let yaml = tcc("sequence", "", &["a", "b , when: '${{ false }}'", "c"]);
    let run = run(&yaml, "ok a; ok c; confirmed a; confirmed c");
    assert_eq!(words(&run), "confirmed: confirmed skipped confirmed");
    let none = tcc("parallel", "", &["a , when: '${{ false }}'"]);
    check(&none, json!({}), "", "skipped a, confirming, completed");
}

#[test]
fn a_cancel_before_the_decision_cancels_and_after_it_is_refused() {
    check_three(
        "ok a; cancel; ok b; undone b; undone a",
        "dispatched a, completed a, dispatched b, cancel requested, completed b, undo dispatched b, undo completed b, \
         undo dispatched a, undo completed a, cancelled",
    );
    let mut run = run(&three(), "ok a; ok b; ok c; confirmed a");
    let refusal = run.cx(|t, cx| t.cancel(String::new(), cx)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "can't cancel the transaction: all its participants are tried, and it only confirms from here on"
    );
    assert_eq!(refusal.kind(), chancery_base::Kind::Conflict);
    run.act("terminate");
    assert_eq!(
        (run.transaction.status(), words(&run)),
        (Status::Terminated, "confirming: confirmed confirming tried".into())
    );
    let left = run.cx(|t, _| t.summary(None)).left_undone;
    assert_eq!(left, [StepIndex(1).into(), StepIndex(2).into()], "they are neither confirmed nor cancelled");
}

#[test]
fn its_time_runs_out_before_the_decision_and_after_it() {
    let timed = tcc("sequence", "timeout: 20s\n", &["a", "b"]);
    check(
        &timed,
        json!({}),
        "ok a; wait 20s; ok b; undone b; undone a",
        "dispatched a, completed a, dispatched b, timed out, completed b, undo dispatched b, undo completed b, \
         undo dispatched a, undo completed a, compensated",
    );
    let decided = "dispatched a, completed a, dispatched b, completed b, confirming, confirm dispatched a";
    check(
        &timed,
        json!({}),
        "ok a; ok b; wait 20s; confirmed a; retry; confirmed b",
        &format!(
            "{decided}, timed out, confirm completed a, parked, resumed, confirm dispatched b, confirm completed b, \
             completed"
        ),
    );
    // What waits for its next attempt does not wake while it is parked, and goes on afterwards.
    let mut run = run(&timed, "ok a; ok b; wait 19500ms; confirmfail a; wait 500ms");
    assert_eq!(run.transaction.status(), Status::Parked);
    assert_eq!(run.transaction.look(run.now).wake, None);
    run.act("wait 1m");
    run.act("retry");
    run.act("confirmed a");
    run.act("confirmed b");
    assert_eq!(run.transaction.status(), Status::Completed);
}

#[test]
fn an_output_that_fails_is_told_before_the_decision() {
    let yaml = tcc("sequence", "output: {x: '${{ steps.a.output.missing }}'}\n", &["a"]);
    check(
        &yaml,
        json!({}),
        "ok a; undone a",
        "dispatched a, completed a, output failed, undo dispatched a, undo completed a, compensated",
    );
}

#[test]
fn a_confirm_and_a_cancel_are_told_the_forward_key() {
    let run = run(&three(), "ok a; ok b; ok c");
    let id = run.transaction.id();
    let offer = run.transaction.offer(StepIndex(0).into(), Phase::Confirm).unwrap();
    assert_eq!(offer.idempotency_key, format!("{id}/a/confirm"));
    assert_eq!((offer.forward_key, offer.forward_unknown), (Some(format!("{id}/a")), false));
    assert_eq!(*offer.input.value(), json!({"of": "a"}), "a confirm gets what was tried");
    let run = self::run(&three(), "ok a; unknown b");
    let offer = run.transaction.offer(StepIndex(1).into(), Phase::Undo).unwrap();
    assert_eq!(offer.idempotency_key, format!("{id}/b/undo"));
    assert_eq!((offer.forward_key, offer.forward_unknown), (Some(format!("{id}/b")), true));
    assert_eq!(*offer.input.value(), Value::Null);
}

#[test]
fn a_confirm_whose_input_can_t_be_made_waits_for_a_person() {
    let yaml = tcc("parallel", "", &["a", "b , optional: true"]);
    let yaml =
        yaml.replacen("confirm: {run: {worker: c}", "confirm: {with: '${{ steps.b.output.of }}', run: {worker: c}", 1);
    let run = run(&yaml, "ok a; fail b");
    assert!(run.told().ends_with("confirming, confirm attempt failed a, parked a"), "{}", run.told());
}

#[test]
fn the_decision_is_an_entry_of_its_own_before_any_confirm() {
    let run = run(&three(), "ok a; ok b; ok c; confirmed a");
    let is_confirm = |staged: &Staged| matches!(staged.event, Event::Dispatched { phase: Phase::Confirm, .. });
    let decided = run.events.iter().position(|staged| staged.event == Event::Confirming).unwrap();
    let last_try =
        run.events.iter().rposition(|staged| matches!(staged.event, Event::Completed { phase: Phase::Do, .. }));
    assert_eq!(last_try, Some(decided - 1), "it follows the last try at once");
    assert_eq!(run.events.iter().position(is_confirm), Some(decided + 1));
    assert_eq!(run.events.iter().filter(|staged| staged.event == Event::Confirming).count(), 1);
}

#[test]
fn a_paused_one_does_not_decide_and_can_be_cancelled() {
    let mut paused = run(&three(), "ok a; ok b; pause; ok c");
    assert_eq!(paused.told(), format!("started, {}", TRIED.replace("completed c", "paused, completed c")));
    assert_eq!(paused.transaction.shown(), ShownStatus::Paused);
    assert_eq!(paused.transaction.wake_at(), None, "nothing is out");
    paused.act("resume");
    assert_eq!(words(&paused), "confirming: confirming tried tried");
    // What is confirmed is paused like anything else.
    paused.act("pause");
    paused.act("confirmed a");
    assert_eq!((paused.transaction.shown(), paused.transaction.status()), (ShownStatus::Paused, Status::Confirming));
    assert!(paused.transaction.ready(paused.now).is_empty());
    for line in ["resume", "confirmed b", "pause", "confirmed c"] {
        paused.act(line);
    }
    assert_eq!(paused.transaction.status(), Status::Completed, "what is out comes in, and what follows, follows");
    paused.assert_replays();

    let mut cancelled = run(&three(), "ok a; ok b; pause; ok c; cancel; undone c; undone b");
    assert_eq!(words(&cancelled), "cancelling: cancelling cancelled cancelled");
    cancelled.act("undone a");
    assert_eq!(cancelled.transaction.status(), Status::Cancelled);
}

#[test]
fn one_that_is_to_come_later_is_tried_then() {
    let mut later = Run::starting(&three(), json!({}), Duration::from_secs(60));
    assert_eq!((later.told().as_str(), later.transaction.shown()), ("started", ShownStatus::Waiting));
    later.act("wait 1m");
    assert_eq!(later.told(), "started, timer fired, dispatched a");
    later.assert_replays();
}
