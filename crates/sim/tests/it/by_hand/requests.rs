//! Requests to people, with owners that begin anew while people think.

use super::hand::{Hand, Tenant, output};
use chancery_base::{Entropy, PrincipalId, PrincipalKind, TransactionId};
use chancery_engine::definition::StepIndex;
use chancery_engine::{NodeRef, Refusal as EngineRefusal, RequestRefusal, RequestStatus, Say, Status, StepError};
use chancery_policy::Principal;
use chancery_shard::input::*;
use chancery_shard::row::RequestRow;
use serde_json::json;
use std::time::Duration;

const RELEASE: &str = r#"{"name": "release", "version": 1, "steps": [
    {"id": "check", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "agreed", "after": ["check"],
     "run": {"request": {"title": "Release ${{ input.n }}?", "approvers": 2, "sla": "3h"}}}
], "output": "${{ steps.agreed.output.answer }}"}"#;

const GATED: &str = r#"{"name": "gated", "version": 1, "steps": [
    {"id": "pay", "run": {"worker": "w"}, "with": {"n": "${{ input.n }}"}, "approval": {"sla": "3h"},
     "retry": {"attempts": 2, "backoff": "0ms"}},
    {"id": "ship", "after": ["pay"], "run": {"worker": "w"}, "with": {"n": "${{ input.n }}"}, "approval": {"sla": "3h"}}
]}"#;

const HOUR: Duration = Duration::from_secs(3_600);
const WHY: &str = "the invoice was checked line by line";

/// A tenant whose transactions the first of three people starts.
fn people() -> (Tenant, [PrincipalId; 3]) {
    let mut tenant = Tenant::new(1, &[RELEASE, GATED]);
    let mut hand = tenant.hand(0);
    let mut entropy = Entropy::from_seed([9; 32]);
    let people = ["ada", "ben", "cleo"]
        .map(|name| Principal::new(PrincipalId::draw(PrincipalKind::User, hand.now, &mut entropy), name));
    for person in &people {
        hand.change(Change::PrincipalCreate(person.clone())).unwrap();
    }
    drop(hand);
    let ids = people.each_ref().map(|person| person.id);
    tenant.actor = people.into_iter().next().unwrap();
    (tenant, ids)
}

/// What was asked, in the order of the asking.
fn asked(tenant: &Tenant) -> Vec<RequestRow> {
    let mut rows = tenant.store.dump().requests;
    rows.sort_by_key(|row| (row.opened_at, row.step));
    rows
}

fn say(hand: &mut Hand, row: &RequestRow, by: PrincipalId, answer: Say) -> Result<RequestStatus, Refusal> {
    let ask = RequestAsk::Answer { answer, justification: WHY.to_owned() };
    let node = NodeRef { step: StepIndex(row.step), clone: row.clone };
    let command = RequestCommand { transaction: row.transaction, node, request: row.id, actor: by, ask };
    let answer = hand.ask(Command::Request(Box::new(command)))?;
    let Response::Requested(body) = answer else { panic!("{answer:?}") };
    Ok(body.request.status)
}

fn refused(answer: Result<RequestStatus, Refusal>) -> RequestRefusal {
    match answer {
        Err(Refusal::Illegal(EngineRefusal::Request(refusal))) => refusal,
        other => panic!("{other:?}"),
    }
}

fn again(tenant: &Tenant, hand: Hand, later: Duration) -> Hand {
    let now = hand.now.plus(later);
    drop(hand);
    let mut hand = tenant.hand_at(0, now);
    hand.run();
    hand
}

fn start(hand: &mut Hand, name: &str) -> TransactionId {
    hand.start(name, json!({"n": 7}), None, None).unwrap()
}

#[test]
fn a_request_waits_across_restarts_and_each_answer_counts_once() {
    let (tenant, [_, ben, cleo]) = people();
    let mut hand = tenant.hand(0);
    let id = start(&mut hand, "release");
    let task = hand.take_one("check");
    hand.report(&task, output(json!(1)));
    let opened_at = hand.now;
    let [row] = asked(&tenant).try_into().unwrap();
    assert_eq!((row.status, row.due_at), (RequestStatus::Open, opened_at.plus(3 * HOUR)));
    // It wakes to say that the request is due soon.
    assert_eq!(hand.row(id), ("waiting", Some(opened_at.plus(2 * HOUR))));

    let mut hand = again(&tenant, hand, HOUR);
    assert_eq!(say(&mut hand, &row, ben, Say::Approved).unwrap(), RequestStatus::Open);
    let mut hand = again(&tenant, hand, HOUR);
    assert_eq!(refused(say(&mut hand, &row, ben, Say::Approved)), RequestRefusal::Answered(ben));
    let mut hand = again(&tenant, hand, HOUR / 2);
    assert_eq!(say(&mut hand, &row, cleo, Say::Approved).unwrap(), RequestStatus::Approved);
    assert_eq!(hand.settled(id), (Status::Completed, Some(json!("approved"))));
    let of_requests: Vec<String> = hand.kinds(id).into_iter().filter(|kind| kind.starts_with("request.")).collect();
    assert_eq!(of_requests, ["request.opened", "request.answered", "request.due_soon", "request.answered"]);
}

#[test]
fn who_requested_never_approves_and_no_machine_does() {
    let (tenant, [ada, ben, _]) = people();
    let mut hand = tenant.hand(0);
    let id = start(&mut hand, "gated");
    assert!(hand.take().is_empty(), "nothing goes out before somebody said yes");
    let [row] = asked(&tenant).try_into().unwrap();
    let before = hand.size();
    assert_eq!(refused(say(&mut hand, &row, ada, Say::Approved)), RequestRefusal::Requester(ada));
    let worker = tenant.worker.id;
    assert_eq!(refused(say(&mut hand, &row, worker, Say::Approved)), RequestRefusal::Machine(worker));
    assert_eq!(hand.size(), before, "what is refused changes nothing");
    assert!(hand.take().is_empty());
    assert_eq!(say(&mut hand, &row, ben, Say::Approved).unwrap(), RequestStatus::Approved);
    assert_eq!(hand.take_one("pay").transaction, id);
}

#[test]
fn an_answer_works_for_that_step_and_its_retries_and_for_nothing_else() {
    let (tenant, [_, ben, _]) = people();
    let mut hand = tenant.hand(0);
    let id = start(&mut hand, "gated");
    assert!(hand.take().is_empty());
    let [first] = asked(&tenant).try_into().unwrap();
    say(&mut hand, &first, ben, Say::Approved).unwrap();
    let failed = || ReportedOutcome::Failed(StepError::new("OutOfStock", "none left"));
    let task = hand.take_one("pay");
    hand.report(&task, failed());
    let task = hand.take_one("pay");
    assert_eq!((task.attempt, asked(&tenant).len()), (2, 1), "what is tried again is not asked again");
    hand.report(&task, output(json!(1)));

    // The next step has the same input, and asks all the same.
    assert!(hand.take().is_empty());
    let [_, second] = asked(&tenant).try_into().unwrap();
    assert_eq!((second.transaction, second.step), (id, 1));
    assert_eq!(refused(say(&mut hand, &first, ben, Say::Approved)), RequestRefusal::Closed(RequestStatus::Approved));
    assert_eq!(say(&mut hand, &second, ben, Say::Denied).unwrap(), RequestStatus::Denied);
    assert!(hand.take().is_empty());
    assert!(hand.is_settled(id), "{}", hand.row(id).0);

    // Nor does it count for another transaction with the same input.
    let other = start(&mut hand, "gated");
    assert!(hand.take().is_empty());
    let of_other = asked(&tenant).into_iter().filter(|row| row.transaction == other).map(|row| row.status);
    assert_eq!(of_other.collect::<Vec<_>>(), [RequestStatus::Open]);
}

#[test]
fn what_nobody_answers_expires_whoever_owns_the_log_then() {
    let (tenant, [_, ben, _]) = people();
    let mut hand = tenant.hand(0);
    let id = start(&mut hand, "release");
    let task = hand.take_one("check");
    hand.report(&task, output(json!(1)));
    let [row] = asked(&tenant).try_into().unwrap();
    let mut hand = again(&tenant, hand, 4 * HOUR);
    assert_eq!(refused(say(&mut hand, &row, ben, Say::Approved)), RequestRefusal::Closed(RequestStatus::Expired));
    let undo = hand.take_one("check");
    hand.report(&undo, output(json!(null)));
    assert_eq!(hand.settled(id).0, Status::Compensated);
    assert_eq!(asked(&tenant)[0].status, RequestStatus::Expired);
}

#[test]
fn what_is_cancelled_or_terminated_asks_nobody_any_more() {
    let (tenant, [_, ben, _]) = people();
    let mut hand = tenant.hand(0);
    let cancelled = start(&mut hand, "gated");
    let terminated = start(&mut hand, "gated");
    assert!(hand.take().is_empty());
    let rows = asked(&tenant);
    hand.cancel(cancelled);
    hand.push_terminate(terminated);
    hand.run();
    for row in &rows {
        let late = say(&mut hand, row, ben, Say::Approved);
        assert_eq!(refused(late), RequestRefusal::Closed(RequestStatus::Withdrawn));
    }
    assert!(hand.is_settled(cancelled) && hand.is_settled(terminated));
    assert!(asked(&tenant).iter().all(|row| row.status == RequestStatus::Withdrawn));
}
