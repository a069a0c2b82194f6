//! What policy demands of a driver's step, with owners that begin anew while people think.

use super::budgets::{replays, reserves_what_is_out, standing};
use super::hand::{Hand, Tenant, in_force, output};
use chancery_base::{Document, Entropy, PrincipalId, PrincipalKind, TransactionId, json as canonical};
use chancery_engine::definition::{Classes, StepIndex};
use chancery_engine::{Intent, IntentResource, NodeRef, RequestStatus, Say, Status};
use chancery_policy::{Bundle, Principal};
use chancery_shard::budget::{BudgetTerms, Measure};
use chancery_shard::input::*;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const ERRAND: &str = r#"{"name": "errand", "version": 1, "kind": "open", "grace": "5m", "policy": "latest"}"#;
const SCHEMA: &str = "entity User, Service, Agent, Definition; entity Step in [Definition];
    entity Account = { @asserted cents?: Long };
    action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
    action pay appliesTo { principal: [User, Service, Agent], resource: [Account], context: {} };";
const OBLIGATIONS: &str = "@id(\"dear\") @obligation(\"approval\") @sla(\"3h\")
    permit (principal, action == Action::\"pay\", resource) when { resource has cents && resource.cents >= 50 };
    @id(\"spent\") @obligation(\"budget\") @budget(\"purse\") @amount(\"resource.cents\")
    permit (principal, action == Action::\"pay\", resource);";
const HOUR: Duration = Duration::from_secs(3_600);

/// Puts a bundle with these obligations into force.
fn oblige(hand: &mut Hand, version: u32, obligations: &str) {
    let document = json!({ "name": "strict", "version": version, "schema": SCHEMA, "obligations": obligations,
                           "policies": "permit (principal, action, resource);" });
    for change in in_force(&Arc::new(Bundle::parse(&canonical::canonical(&document)).unwrap())) {
        hand.change(change).unwrap();
    }
}

/// A tenant with a purse of 100 and somebody who approves.
fn tenant() -> (Tenant, PrincipalId) {
    let tenant = Tenant::new(1, &[ERRAND]);
    let mut hand = tenant.hand(0);
    oblige(&mut hand, 1, OBLIGATIONS);
    let id = PrincipalId::draw(PrincipalKind::User, hand.now, &mut Entropy::from_seed([9; 32]));
    let (measure, per, unit) = (Measure::Amount, "tenant".parse().unwrap(), Some("cents".to_owned()));
    let terms = Box::new(BudgetTerms { limit: 100, measure, per, unit, window: None });
    let set = Change::BudgetSet { budget: "purse".parse().unwrap(), terms };
    for change in [set, Change::PrincipalCreate(Principal::new(id, "ann"))] {
        hand.change(change).unwrap();
    }
    drop(hand);
    (tenant, id)
}

fn pay(hand: &mut Hand, id: TransactionId, driver: u32, cents: u64) -> Stepped {
    let attributes = json!({ "cents": cents }).as_object().unwrap().clone();
    let resource = IntentResource { attributes, id: "DE12".to_owned(), resource_type: "Account".to_owned() };
    let intent = Intent {
        action: "pay".parse().unwrap(),
        classes: Classes::new(),
        purpose: None,
        resource: Some(resource),
        step: "pay".parse().unwrap(),
        timeout_ms: 30_000,
        undo: None,
    };
    let input = Document::shared(json!({ "to": "Ada" }));
    match hand.drive(id, Driving::Step { driver, intent: Arc::new(intent), input }) {
        Ok(Driven::Stepped(stepped)) => stepped,
        other => panic!("{other:?}"),
    }
}

fn again(tenant: &Tenant, hand: Hand, later: Duration) -> Hand {
    replays(tenant);
    let now = hand.now.plus(later);
    drop(hand);
    let mut hand = tenant.hand_at(0, now);
    hand.run();
    hand
}

fn say(hand: &mut Hand, id: TransactionId, asking: &Asking, by: PrincipalId, answer: Say) -> RequestStatus {
    let ask = RequestAsk::Answer { answer, justification: "the invoice was checked line by line".to_owned() };
    let node = NodeRef::of_step(StepIndex(0));
    let command = RequestCommand { transaction: id, node, request: asking.id, actor: by, ask };
    let Ok(Response::Requested(body)) = hand.ask(Command::Request(Box::new(command))) else { panic!("not heard") };
    body.request.status
}

/// Each answer of the program is followed by a crash of whoever owns the log.
#[test]
fn a_step_that_people_approve_waits_across_restarts_and_spends_once() {
    let (tenant, ann) = tenant();
    let mut hand = tenant.hand(0);
    let id = hand.start("errand", json!({}), None, None).unwrap();
    let Stepped::Asked(asking) = pay(&mut hand, id, 1, 60) else { panic!("people are asked") };
    assert_eq!(asking.due_at, hand.now.plus(3 * HOUR));
    let mut hand = again(&tenant, hand, HOUR);
    let Stepped::Asked(same) = pay(&mut hand, id, 1, 60) else { panic!("people are asked") };
    assert_eq!(same, asking, "an hour later its driver is not lost, and the question stands");
    assert_eq!(say(&mut hand, id, &asking, ann, Say::Approved), RequestStatus::Approved);
    let mut hand = again(&tenant, hand, Duration::from_secs(60));
    let Stepped::Permitted(permit) = pay(&mut hand, id, 1, 60) else { panic!("it was approved") };
    assert_eq!(standing(&tenant), (0, 60));
    // The program dies and is run again: what is out counts as unknown, and takes its place in the purse once.
    let mut hand = again(&tenant, hand, Duration::from_secs(1));
    let Ok(Driven::Resumed(resumed)) = hand.drive(id, Driving::Resume) else { panic!("it is open") };
    let driver = resumed.heard.driver;
    let Stepped::Permitted(second) = pay(&mut hand, id, driver, 60) else { panic!("it was approved") };
    assert_eq!((second.attempt, second.unknown, standing(&tenant)), (2, true, (0, 60)));
    assert_eq!(permit.idempotency_key, second.idempotency_key);
    let mut hand = again(&tenant, hand, Duration::from_secs(1));
    let report = Report { task: second.token, outcome: output(json!(1)) };
    hand.drive(id, Driving::Outcome { step: "pay".parse().unwrap(), report }).unwrap();
    assert_eq!(standing(&tenant), (60, 0));
    hand.drive(id, Driving::Commit { driver, output: Document::shared(json!("done")) }).unwrap();
    assert_eq!(hand.settled(id), (Status::Completed, Some(json!("done"))));
    replays(&tenant);
}

#[test]
fn what_nobody_approves_in_time_is_refused_whoever_owns_the_log_then() {
    let (tenant, _) = tenant();
    let mut hand = tenant.hand(0);
    let id = hand.start("errand", json!({}), None, None).unwrap();
    assert!(matches!(pay(&mut hand, id, 1, 60), Stepped::Asked(_)));
    let mut hand = again(&tenant, hand, 3 * HOUR);
    let Stepped::Refused(asking) = pay(&mut hand, id, 1, 60) else { panic!("nobody answered") };
    assert_eq!(asking.status, RequestStatus::Expired);
    assert!(asking.refusal.unwrap().contains("0 of 1 had said yes"));
    // Its driver had from the expiry on as long as it has to be heard, and a lease since somebody could hear it.
    let mut hand = again(&tenant, hand, Duration::from_secs(301));
    assert_eq!(hand.row(id).0, "running");
    hand.wait(Duration::from_secs(60));
    assert_eq!(hand.settled(id).0, Status::Failed);
    replays(&tenant);
}

/// What is out under a bundle that asked nobody is left by its driver, and another bundle asks before it goes on.
#[test]
fn what_people_are_asked_about_reserves_nothing_though_it_was_out_before() {
    let (tenant, ann) = tenant();
    let mut hand = tenant.hand(0);
    let id = hand.start("errand", json!({}), None, None).unwrap();
    let Stepped::Permitted(_) = pay(&mut hand, id, 1, 40) else { panic!("it is not dear") };
    assert_eq!(standing(&tenant), (0, 40));
    oblige(&mut hand, 2, &OBLIGATIONS.replace(">= 50", ">= 10"));
    let Ok(Driven::Resumed(resumed)) = hand.drive(id, Driving::Resume) else { panic!("it is open") };
    let driver = resumed.heard.driver;
    let Stepped::Asked(asking) = pay(&mut hand, id, driver, 40) else { panic!("people are asked") };
    assert_eq!(standing(&tenant), (0, 0));
    reserves_what_is_out(&tenant);
    assert_eq!(say(&mut hand, id, &asking, ann, Say::Approved), RequestStatus::Approved);
    let Stepped::Permitted(second) = pay(&mut hand, id, driver, 40) else { panic!("it was approved") };
    assert_eq!((second.attempt, second.unknown, standing(&tenant)), (2, true, (0, 40)));
    reserves_what_is_out(&tenant);
    replays(&tenant);
}
