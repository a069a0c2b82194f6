//! Questions and events, through a shard: one entry each, under the bundle that decides the transaction's hand-outs.

use super::hand::{Hand, Tenant, in_force};
use chancery_base::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, PAYLOAD_BYTES_MAX};
use chancery_base::{Document, Name, PrincipalId, Timestamp, TransactionId, json};
use chancery_engine::definition::Definition;
use chancery_engine::{Status, StepError};
use chancery_ledger::Record;
use chancery_policy::{Access, Bundle, Outcome, Principal, decide_again};
use chancery_shard::input::*;
use chancery_shard::replay::{self, Replay};
use chancery_shard::{Call, Poll};
use chancery_store::scan::Scan;
use serde_json::{Value, json};
use std::sync::Arc;

const SCHEMA: &str = "entity Definition; entity Step in [Definition]; entity Order;
    entity User; entity Service = { roles: Set<String> }; entity Agent;
    action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
    action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: { attempt: Long } };
    action tell appliesTo { principal: [User, Service, Agent], resource: [Order], context: {} };
    action pay appliesTo { principal: [User, Service, Agent], resource: [Order], context: { amount: Long } };";

const POLICIES: &str = "@id(\"all\") permit (principal, action, resource);
    @id(\"limit\") forbid (principal, action == Action::\"pay\", resource) when { context.amount > 50 };
    @id(\"hush\") forbid (principal, action == Action::\"tell\", resource == Order::\"secret\");";

const ASK: &str = r#"{"name": "ask", "version": 1, "steps": [{"id": "may",
    "run": {"decide": {"action": "pay", "resource": {"type": "Order", "id": "${{ input.id }}"}}},
    "context": {"amount": "${{ input.amount }}"}}], "output": "${{ steps.may.output }}"}"#;

const ABOUT: &str = r#"{"name": "about", "version": 1, "steps": [{"id": "may",
    "run": {"decide": {"action": "pay", "resource": {"type": "Order", "id": "a"}, "principal": "${{ input.who }}"}},
    "context": {"amount": 1}}], "output": "${{ steps.may.output }}"}"#;

const TELL: &str = r#"{"name": "tell", "version": 1, "steps": [
    {"id": "tell", "run": {"emit": {"type": "order.paid", "subject": "${{ input.id }}"}}, "with": {"of": "${{ input.id }}"},
        "action": "tell", "resource": {"type": "Order", "id": "${{ input.id }}"},
        "compensate": {"run": {"emit": {"type": "order.unpaid"}}}},
    {"id": "last", "after": ["tell"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
], "output": "${{ steps.tell.output }}"}"#;

const MANY: &str = r#"{"name": "many", "version": 1, "steps": [
    {"id": "go", "run": {"worker": "w"}},
    {"id": "tell", "after": ["go"], "each": "${{ steps.go.output }}", "run": {"emit": {"type": "part.told"}},
        "with": "${{ input.text }}", "irreversible": true}
]}"#;

/// A tenant whose bundle forbids some of it, and a shard of its.
fn tenant() -> (Tenant, Hand, Arc<Bundle>) {
    let tenant = Tenant::new(1, &[ASK, ABOUT, TELL, MANY]);
    let document = json!({"name": "strict", "version": 1, "schema": SCHEMA, "policies": POLICIES});
    let bundle = Arc::new(Bundle::parse(&json::canonical(&document)).unwrap());
    let mut hand = tenant.hand(0);
    for change in in_force(&bundle) {
        assert!(hand.change(change).is_ok());
    }
    (tenant, hand, bundle)
}

/// The records of a transaction with their payloads.
fn entries(tenant: &Tenant, id: TransactionId) -> Vec<(Record, Value)> {
    let dump = tenant.store.dump();
    let of_it = dump.entries.values().flatten().filter(|entry| entry.transaction.is_some_and(|(of, _)| of == id));
    let read = |entry: &Arc<chancery_shard::row::EntryRow>| {
        let payload = entry
            .payload
            .as_ref()
            .map_or(Value::Null, |payload| serde_json::from_slice(&payload.sealed.bytes).unwrap());
        (Record::parse(&entry.record).unwrap(), payload)
    };
    of_it.map(read).collect()
}

/// What the rows say is what the entries amount to, the events' among them.
fn replays(tenant: &Tenant) {
    let dump = tenant.store.dump();
    let log = Scan::logs(&tenant.store).unwrap().into_iter().find(|log| log.tenant == tenant.id).unwrap().id;
    let (mut replay, mut found, mut events) = (Replay::new(log), Vec::new(), Vec::new());
    for entry in &dump.entries[&log] {
        let record = Record::parse(&entry.record).unwrap();
        let recorded = replay::read(&record, entry).unwrap();
        events.extend(replay::event_row(log, &record, &recorded));
        let taken = replay.take(&record, &recorded);
        found.extend(taken.unwrap_or_else(|err| panic!("entry {}: {err}", entry.seq)).ended);
    }
    found.extend(replay.finish().0);
    found.sort_by_key(|rows| rows.transaction.id);
    let heads: Vec<_> = found.iter().map(|rows| rows.transaction.clone()).collect();
    assert_eq!(heads, dump.transactions.iter().filter(|row| row.log == log).cloned().collect::<Vec<_>>());
    assert_eq!(found.into_iter().flat_map(|rows| rows.steps).collect::<Vec<_>>(), dump.steps);
    assert_eq!(events, dump.events);
}

/// Why a transaction failed.
fn error(tenant: &Tenant, id: TransactionId) -> StepError {
    let (head, _) = tenant.store.standing(id).unwrap();
    let head: chancery_engine::Head = serde_json::from_slice(head.body.open().unwrap()).unwrap();
    head.error.unwrap()
}

#[test]
fn a_no_is_an_answer_and_each_answer_is_an_entry_that_can_be_decided_again() {
    let (tenant, mut hand, bundle) = tenant();
    for (amount, word, policy, kind) in
        [(50, "permit", "all", "decision.permitted"), (51, "deny", "limit", "decision.denied")]
    {
        let id = hand.start("ask", json!({ "id": "a", "amount": amount }), None, None).unwrap();
        let (status, output) = hand.settled(id);
        let output = output.unwrap();
        assert_eq!(status, Status::Completed);
        assert_eq!((&output["decision"], &output["reasons"]), (&json!(word), &json!([policy])));
        assert_eq!(hand.kinds(id), ["transaction.started", kind, "transaction.completed"]);
        let (record, payload) = &entries(&tenant, id)[1];
        assert_eq!(output["id"], json!(record.refs.decision.unwrap().to_string()));
        assert_eq!(record.data.get_digest("bundle"), Some(bundle.digest()));
        let outcome = decide_again(&bundle, &payload["decision"]);
        assert_eq!(outcome.word(), word, "the same bundle says the same again");
        assert_eq!(payload["decision"]["request"]["principal"]["id"], json!(tenant.actor.id.to_string()));
    }
    replays(&tenant);
}

#[test]
fn what_is_no_question_fails_the_step() {
    let (tenant, mut hand, _) = tenant();
    for (amount, says) in [(json!("much"), "amount"), (json!(null), "amount")] {
        let id = hand.start("ask", json!({ "id": "a", "amount": amount }), None, None).unwrap();
        assert_eq!(hand.settled(id).0, Status::Failed);
        assert_eq!(hand.kinds(id), ["transaction.started", "step.failed", "transaction.failed"]);
        let error = error(&tenant, id);
        assert!(error.r#type == StepError::BAD_QUESTION && error.message.contains(says), "{error:?}");
    }
    let unknown = ASK.replace("\"pay\"", "\"fly\"").replace("\"version\": 1", "\"version\": 2");
    let definition = Arc::new(Definition::parse(unknown.as_bytes()).unwrap());
    hand.change(Change::Register(Arc::clone(&definition))).unwrap();
    let id = hand.start_of(&definition, json!({ "id": "a", "amount": 1 }));
    let error = error(&tenant, id);
    assert_eq!(error.r#type, StepError::BAD_QUESTION);
    assert!(error.message.contains("no action `fly`"), "{error:?}");
    replays(&tenant);
}

#[test]
fn an_answer_obeys_what_was_changed_before_it() {
    let (tenant, mut hand, _) = tenant();
    let ask = |hand: &mut Hand| {
        let to = hand.push_start("ask", json!({ "id": "a", "amount": 1 }), None, None);
        hand.run();
        hand.answer_of(to).unwrap()
    };
    assert!(ask(&mut hand).is_ok());
    hand.suspend(&tenant.worker, true);
    let about = hand.start("about", json!({ "who": tenant.worker.id.to_string() }), None, None).unwrap();
    assert_eq!(hand.settled(about).1.unwrap()["decision"], json!("deny"), "nothing is permitted to the suspended");
    hand.suspend(&tenant.worker, false);
    let about = hand.start("about", json!({ "who": tenant.worker.id.to_string() }), None, None).unwrap();
    assert_eq!(hand.settled(about).1.unwrap()["decision"], json!("permit"), "the answer of before is not kept");
    replays(&tenant);
}

#[test]
fn asking_about_others_takes_the_right_to_look_at_them() {
    let (tenant, mut first, _) = tenant();
    let mut roles = |roles: &[&str]| {
        let roles = roles.iter().map(|role| role.parse::<Name>().unwrap());
        let actor = Principal::new(tenant.actor.id, "shop").with_roles(roles);
        first.change(Change::PrincipalSet(actor)).unwrap();
    };
    let now = Timestamp::from_micros(1_795_246_021_000_000);
    let hand = || {
        let access = Some(Arc::new(Access::builtin().unwrap()));
        tenant.hand_with(0, now, |config| chancery_shard::Config { access, ..config })
    };
    let who = |id: PrincipalId| json!({ "who": id.to_string() });

    roles(&["service"]);
    let mut shop = hand();
    let id = shop.start("about", who(tenant.worker.id), None, None).unwrap();
    let denied = error(&tenant, id);
    assert_eq!(denied.r#type, StepError::POLICY_DENIED);
    assert!(denied.message.contains("principal:read"), "{denied:?}");
    let id = shop.start("about", who(tenant.actor.id), None, None).unwrap();
    assert_eq!(shop.settled(id).0, Status::Completed, "of oneself one may always ask");
    let id = shop.start("about", json!({ "who": "somebody" }), None, None).unwrap();
    assert_eq!(error(&tenant, id).r#type, StepError::BAD_EXPRESSION);

    let actor = Principal::new(tenant.actor.id, "shop").with_roles(["operator".parse().unwrap()]);
    shop.change(Change::PrincipalSet(actor)).unwrap();
    let id = shop.start("about", who(tenant.worker.id), None, None).unwrap();
    assert_eq!(shop.settled(id).1.unwrap()["decision"], json!("permit"));
    let nobody = PrincipalId::draw(chancery_base::PrincipalKind::User, now, &mut shop.entropy);
    let id = shop.start("about", who(nobody), None, None).unwrap();
    let unknown = error(&tenant, id);
    assert!(unknown.r#type == StepError::BAD_QUESTION && unknown.message.contains("is unknown"), "{unknown:?}");
    replays(&tenant);
}

#[test]
fn an_event_is_one_entry_with_its_permit_and_is_undone_by_another() {
    let (tenant, mut hand, bundle) = tenant();
    let id = hand.start("tell", json!({ "id": "a" }), None, None).unwrap();
    let task = hand.take_one("last");
    hand.report(&task, ReportedOutcome::Failed(StepError::fatal("Broken", "it broke")));
    assert_eq!(hand.settled(id).0, Status::Compensated);
    let kinds = hand.kinds(id);
    assert_eq!(
        kinds,
        [
            "transaction.started",
            "event.emitted",
            "step.dispatched",
            "step.failed",
            "event.emitted",
            "transaction.failed"
        ]
    );
    let read = entries(&tenant, id);
    let ((done, said), (undone, unsaid)) = (&read[1], &read[4]);
    assert_eq!(done.data.get_digest("bundle"), Some(bundle.digest()));
    assert_eq!((said["event"]["type"].as_str(), &said["input"]), (Some("order.paid"), &json!({ "of": "a" })));
    assert_eq!(decide_again(&bundle, &said["decision"]), Outcome::Permit);
    assert_eq!(said["output"], json!({ "id": done.data.get_word("event").unwrap() }));
    assert_eq!((done.data.get_word("phase"), undone.data.get_word("phase")), (Some("do"), Some("undo")));
    assert_eq!((undone.refs.decision, unsaid.get("decision")), (done.refs.decision, None), "it cites its step's");
    let events = tenant.store.dump().events;
    let told: Vec<_> = events.iter().map(|row| (row.seq, row.event_type.as_str(), row.subject.as_deref())).collect();
    assert_eq!(told, [(done.seq, "order.paid", Some("a")), (undone.seq, "order.unpaid", None)]);

    let id = hand.start("tell", json!({ "id": "secret" }), None, None).unwrap();
    assert_eq!(hand.kinds(id), ["transaction.started", "decision.denied", "step.failed", "transaction.failed"]);
    let denied = error(&tenant, id);
    assert!(denied.r#type == StepError::POLICY_DENIED && denied.message.contains("hush"), "{denied:?}");
    assert_eq!(tenant.store.dump().events.len(), 2, "what is denied is not emitted");
    replays(&tenant);
}

#[test]
fn an_event_waits_for_a_paused_transaction_and_for_nobody_else() {
    let (tenant, mut hand, _) = tenant();
    let id = hand.start("many", json!({ "text": "a" }), None, None).unwrap();
    let task = hand.take_one("go");
    hand.pause(id);
    hand.report(&task, ReportedOutcome::Completed(Document::shared(json!([1, 2, 3]))));
    assert_eq!(tenant.store.dump().events.len(), 0);
    // Whoever owns the log next knows what is to be done.
    let mut hand = tenant.hand_at(0, hand.now);
    assert_eq!(tenant.store.dump().events.len(), 0);
    hand.resume(id);
    assert_eq!(tenant.store.dump().events.len(), 3);
    assert_eq!(hand.settled(id).0, Status::Completed);
    replays(&tenant);
}

#[test]
fn ten_thousand_events_are_let_out_in_batches_that_are_bounded() {
    let (tenant, mut hand, _) = tenant();
    let text = "x".repeat(4_000);
    let id = hand.start("many", json!({ "text": text }), None, None).unwrap();
    let task = hand.take_one("go");
    let list: Vec<u32> = (0..10_000).collect();
    hand.push_report(&task, ReportedOutcome::Completed(Document::shared(json!(list))));
    let mut batches = Vec::new();
    loop {
        match hand.shard.poll(hand.now, &mut hand.entropy) {
            Poll::Call(Call::Commit(batch)) => {
                let payloads = batch.entries.iter().filter_map(|entry| entry.payload.as_ref());
                let bytes: usize = payloads.map(|payload| payload.sealed.bytes.len()).sum();
                batches.push((batch.entries.len(), batch.events.len(), bytes));
                hand.commit(batch);
            }
            Poll::Call(call) => panic!("{call:?}"),
            Poll::Wait(_) => break,
        }
    }
    let events: usize = batches.iter().map(|(_, events, _)| events).sum();
    assert_eq!(events, 10_000, "{batches:?}");
    assert!(batches.len() >= 3, "{batches:?}");
    for (entries, _, bytes) in &batches {
        assert!(*entries <= BATCH_ENTRIES_MAX + 8 && *bytes < BATCH_BYTES_MAX + 2 * PAYLOAD_BYTES_MAX, "{batches:?}");
    }
    assert_eq!(hand.settled(id).0, Status::Completed);
    assert_eq!(tenant.store.dump().events.len(), 10_000);
    replays(&tenant);
}

const UNDONE_BY_EVENT: &str = r#"{"name": "undone", "version": 1, "steps": [
    {"id": "pay", "run": {"worker": "w"}, "with": {"card": "${{ input.card }}", "cents": 5},
        "compensate": {"run": {"emit": {"type": "order.unpaid"}}, "with": {"card": "${{ input.card }}", "cents": 5}}},
    {"id": "last", "after": ["pay"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
]}"#;

/// A tenant whose bundle masks the card, and a shard of its.
fn masking(definition: &str) -> (Tenant, Hand) {
    let tenant = Tenant::new(1, &[definition]);
    let mask = "@id(\"hide\") @obligation(\"mask\") @fields(\"card\") \
        permit (principal, action == Action::\"run\", resource);";
    let document = json!({"name": "strict", "version": 1, "schema": SCHEMA, "policies": POLICIES, "obligations": mask});
    let bundle = Arc::new(Bundle::parse(&json::canonical(&document)).unwrap());
    let mut hand = tenant.hand(0);
    for change in in_force(&bundle) {
        assert!(hand.change(change).is_ok());
    }
    (tenant, hand)
}

/// A compensation goes out under the conditions of its step, also where it calls nobody.
#[test]
fn an_event_that_undoes_a_step_lacks_what_is_masked_of_it() {
    let (tenant, mut hand) = masking(UNDONE_BY_EVENT);
    let id = hand.start("undone", json!({ "card": "4711" }), None, None).unwrap();
    let pay = hand.take_one("pay");
    assert_eq!(pay.input.value(), &json!({ "cents": 5 }));
    hand.report(&pay, ReportedOutcome::Completed(Document::shared(json!(null))));
    let last = hand.take_one("last");
    hand.report(&last, ReportedOutcome::Failed(StepError::fatal("Refused", "no")));
    assert_eq!(hand.settled(id).0, Status::Compensated);
    let entries = entries(&tenant, id);
    let (_, undone) = entries.iter().find(|(record, _)| record.kind.as_str() == "event.emitted").unwrap();
    assert!(undone.to_string().contains("cents") && !undone.to_string().contains("4711"), "{undone}");
}

/// The same of a step that emits, where somebody is called to undo it.
#[test]
fn what_undoes_an_event_lacks_what_is_masked_of_it() {
    let undone = UNDONE_BY_EVENT
        .replace(
            r#""run": {"worker": "w"}, "with": {"card""#,
            r#""run": {"emit": {"type": "order.paid"}}, "with": {"card""#,
        )
        .replace(r#""run": {"emit": {"type": "order.unpaid"}}"#, r#""run": {"worker": "undo"}"#);
    let (tenant, mut hand) = masking(&undone);
    let id = hand.start("undone", json!({ "card": "4711" }), None, None).unwrap();
    let last = hand.take_one("last");
    hand.report(&last, ReportedOutcome::Failed(StepError::fatal("Refused", "no")));
    let undo = hand.take_one("pay");
    assert_eq!(undo.input.value(), &json!({ "cents": 5 }));
    hand.report(&undo, ReportedOutcome::Completed(Document::shared(json!(null))));
    assert_eq!(hand.settled(id).0, Status::Compensated);
    replays(&tenant);
}
