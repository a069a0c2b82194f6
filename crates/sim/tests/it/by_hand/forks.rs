//! Forks of what has ended, through a shard: in one commit, once, across restarts and crashes.

use super::crash::Drive;
use super::hand::{Hand, Tenant, output};
use super::watch::Death;
use chancery_base::{Entropy, TransactionId};
use chancery_engine::{ForkRefusal, Phase, Refusal as EngineRefusal, Status, StepError};
use chancery_ledger::Record;
use chancery_shard::input::*;
use chancery_shard::replay::Replay;
use chancery_shard::row::KeyScope;
use chancery_sim::Judge;
use chancery_store::scan::Scan;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const ORDER: &str = r#"{"name": "order", "version": 1, "steps": [
    {"id": "reserve", "run": {"worker": "w"}, "set": {"of": "${{ steps.reserve.output }}"},
        "compensate": {"run": {"worker": "undo"}, "with": {"of": "${{ transaction.id }}"}}},
    {"id": "charge", "after": ["reserve"], "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "ship", "after": ["charge"], "run": {"worker": "w"}, "retry": {"attempts": 1},
        "with": {"charge": "${{ steps.charge.output }}", "of": "${{ vars.of }}"}}
], "output": {"of": "${{ steps.ship.output }}"}}"#;

fn failed() -> ReportedOutcome {
    ReportedOutcome::Failed(StepError::fatal("Broken", "it broke"))
}

fn ok(hand: &mut Hand, step: &str) {
    let task = hand.take_one(step);
    assert_eq!(hand.report(&task, output(json!({ "of": step }))), Ack::Recorded);
}

fn fork_of(hand: &mut Hand, tenant: &Tenant, source: TransactionId, step: &str, key: Option<&str>) -> Fork {
    let mut entropy = Entropy::from_seed([u8::try_from(hand.size() % 251).unwrap(); 32]);
    Fork {
        id: TransactionId::draw(hand.now, source.slot(), &mut entropy),
        actor: tenant.actor.id,
        source,
        step: step.parse().unwrap(),
        justification: "the carrier is back".to_owned(),
        idempotency_key: key.map(str::to_owned),
        traceparent: None,
        is_closed: false,
    }
}

fn ask(hand: &mut Hand, fork: Fork) -> Result<(TransactionId, bool), Refusal> {
    let to = hand.push(Command::Fork(Box::new(fork)));
    hand.run();
    let answer = hand.answer_of(to).unwrap_or_else(|| panic!("no answer"))?;
    let Response::Started { id, existing, .. } = answer else { panic!("{answer:?}") };
    Ok((id, existing))
}

pub(super) fn fork(
    hand: &mut Hand,
    tenant: &Tenant,
    source: TransactionId,
    step: &str,
) -> Result<TransactionId, Refusal> {
    let fork = fork_of(hand, tenant, source, step, None);
    ask(hand, fork).map(|(id, _)| id)
}

/// An order that was ended when it had reserved and charged.
fn terminated(hand: &mut Hand, business: Option<&str>) -> TransactionId {
    let id = hand.start("order", json!({}), Some("k"), business).unwrap();
    ok(hand, "reserve");
    ok(hand, "charge");
    let to = hand.push_terminate(id);
    hand.run();
    assert!(matches!(hand.answer_of(to), Some(Ok(Response::Operated(_)))));
    id
}

/// What the rows say is what the entries amount to.
fn replays(tenant: &Tenant) {
    let dump = tenant.store.dump();
    let log = Scan::logs(&tenant.store).unwrap().into_iter().find(|log| log.tenant == tenant.id).unwrap().id;
    let mut replay = Replay::new(log);
    let mut found = Vec::new();
    for entry in &dump.entries[&log] {
        found.extend(replay.entry(entry).unwrap_or_else(|err| panic!("entry {}: {err}", entry.seq)).ended);
    }
    let (open, rows) = replay.finish();
    found.extend(open);
    found.sort_by_key(|rows| rows.transaction.id);
    assert_eq!(found.iter().map(|rows| rows.transaction.clone()).collect::<Vec<_>>(), dump.transactions);
    assert_eq!(found.into_iter().flat_map(|rows| rows.steps).collect::<Vec<_>>(), dump.steps);
    let mut stored: Vec<_> = dump.keys.iter().map(|(_, row)| row.clone()).collect();
    stored.sort_by_key(|row| (row.scope, row.slot, row.key));
    assert_eq!(rows.keys.into_values().collect::<Vec<_>>(), stored);
}

fn records(tenant: &Tenant, id: TransactionId) -> Vec<Record> {
    let dump = tenant.store.dump();
    let entries = dump.entries.values().flatten().filter(|entry| entry.transaction.is_some_and(|(of, _)| of == id));
    entries.map(|entry| Record::parse(&entry.record).unwrap()).collect()
}

#[test]
fn a_fork_begins_in_one_commit_and_names_its_source() {
    let tenant = Tenant::new(1, &[ORDER]);
    let mut hand = tenant.hand(0);
    let source = terminated(&mut hand, None);
    let (before, size) = (tenant.store.dump(), hand.size());
    let id = fork(&mut hand, &tenant, source, "ship").unwrap();
    assert_eq!(hand.size(), size + 3, "its beginning, and what it took over");
    assert_eq!(id.slot(), source.slot());
    let of = records(&tenant, id);
    let kinds: Vec<&str> = of.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["transaction.started", "step.inherited", "step.inherited"]);
    assert_eq!(of[0].data.get_word("fork_of"), Some(source.to_string().as_str()));
    let permits = records(&tenant, source).into_iter().filter(|record| record.kind.as_str() == "step.dispatched");
    let permits: Vec<_> = permits.map(|record| record.refs.decision).collect();
    assert_eq!(of[1..].iter().map(|record| record.refs.decision).collect::<Vec<_>>(), permits, "of its source");
    let after = tenant.store.dump();
    let of_source = after.transactions.into_iter().filter(|row| row.id == source).collect::<Vec<_>>();
    assert_eq!(of_source, before.transactions, "its source stays as it was");
    assert_eq!(records(&tenant, source).iter().filter(|record| record.refs.last).count(), 1);
    let ship = hand.take_one("ship");
    assert_eq!(*ship.input.value(), json!({ "charge": { "of": "charge" }, "of": { "of": "reserve" } }));
    assert_eq!(ship.idempotency_key, format!("{id}/ship"));
    hand.report(&ship, output(json!(1)));
    assert_eq!(hand.settled(id), (Status::Completed, Some(json!({ "of": 1 }))));
    replays(&tenant);
}

#[test]
fn a_fork_undoes_what_it_took_over() {
    for restarts in [false, true] {
        let tenant = Tenant::new(1, &[ORDER]);
        let mut hand = tenant.hand(0);
        let source = terminated(&mut hand, None);
        let id = fork(&mut hand, &tenant, source, "ship").unwrap();
        if restarts {
            drop(hand);
            hand = tenant.hand(0);
        }
        let ship = hand.take_one("ship");
        assert_eq!(*ship.input.value(), json!({ "charge": { "of": "charge" }, "of": { "of": "reserve" } }));
        hand.report(&ship, failed());
        for step in ["charge", "reserve"] {
            let undo = hand.take_one(step);
            assert_eq!((undo.transaction, undo.phase), (id, Phase::Undo));
            assert_eq!(undo.forward_key, Some(format!("k/{step}")), "the key under which it was done");
            assert_eq!(undo.idempotency_key, format!("k/{step}/undo"));
            if step == "reserve" {
                assert_eq!(*undo.input.value(), json!({ "of": source.to_string() }), "who did it");
            }
            hand.report(&undo, output(json!(null)));
        }
        assert_eq!(hand.settled(id).0, Status::Compensated);
        replays(&tenant);
    }
}

#[test]
fn what_was_forked_is_not_forked_again() {
    let tenant = Tenant::new(1, &[ORDER]);
    let mut hand = tenant.hand(0);
    let source = terminated(&mut hand, None);
    let first = fork_of(&mut hand, &tenant, source, "ship", Some("again"));
    let (id, existing) = ask(&mut hand, first).unwrap();
    assert!(!existing);
    let size = hand.size();
    for restarts in [false, true] {
        if restarts {
            hand = tenant.hand(0);
        }
        let same = fork_of(&mut hand, &tenant, source, "ship", Some("again"));
        assert_eq!(ask(&mut hand, same.clone()).unwrap(), (id, true), "the same is asked for again");
        let others = [
            Fork { idempotency_key: None, ..same.clone() },
            Fork { idempotency_key: Some("other".to_owned()), ..same.clone() },
            Fork { step: "charge".parse().unwrap(), ..same.clone() },
            Fork { justification: "for fun".to_owned(), ..same },
        ];
        for other in others {
            let refusal = ask(&mut hand, other).unwrap_err();
            assert!(matches!(refusal, Refusal::Forked(of) if of == id), "{refusal}");
        }
    }
    assert_eq!(hand.size(), size, "nothing was written");
    let keys = tenant.store.dump().keys;
    assert_eq!(keys.iter().filter(|(_, row)| row.scope == KeyScope::Fork).count(), 1);
    // Two at once: one of them is the fork.
    let tenant = Tenant::new(1, &[ORDER]);
    let mut hand = tenant.hand(0);
    let source = terminated(&mut hand, None);
    let forks = [1, 2].map(|seed| {
        let id = TransactionId::draw(hand.now, source.slot(), &mut Entropy::from_seed([seed; 32]));
        let fork = fork_of(&mut hand, &tenant, source, "ship", None);
        hand.push(Command::Fork(Box::new(Fork { id, ..fork })))
    });
    hand.run();
    let answers = forks.map(|to| hand.answer_of(to).unwrap());
    let [Ok(Response::Started { id, .. }), Err(Refusal::Forked(of))] = answers else { panic!("{answers:?}") };
    assert_eq!(id, of);
    replays(&tenant);
}

#[test]
fn what_cannot_be_forked_is_refused_and_nothing_is_written() {
    let tenant = Tenant::new(1, &[ORDER]);
    let mut hand = tenant.hand(0);
    let running = hand.start("order", json!({}), None, None).unwrap();
    let size = hand.size();
    let refusal = fork(&mut hand, &tenant, running, "ship").unwrap_err();
    let is_status = |refusal: &Refusal| {
        matches!(refusal, Refusal::Illegal(EngineRefusal::Fork(ForkRefusal::Status(Status::Running))))
    };
    assert!(is_status(&refusal), "{refusal}");
    hand.cancel(running);
    let reserve = hand.take();
    assert_eq!(reserve.len(), 0, "nothing was handed out: it is cancelled");
    let refusal = fork(&mut hand, &tenant, running, "nothing").unwrap_err();
    assert_eq!(refusal.to_string(), "the definition has no step `nothing`");
    let missing = TransactionId::draw(hand.now, running.slot(), &mut Entropy::from_seed([9; 32]));
    assert!(matches!(fork(&mut hand, &tenant, missing, "ship"), Err(Refusal::Missing(id)) if id == missing));
    let closed = Fork { is_closed: true, ..fork_of(&mut hand, &tenant, running, "ship", None) };
    assert!(matches!(ask(&mut hand, closed), Err(Refusal::Maintenance { platform: true })));
    assert_eq!(hand.size(), size + 2, "that it was cancelled");
    // Nobody is asked twice who may not.
    assert!(fork(&mut hand, &tenant, running, "reserve").is_ok());
}

#[test]
fn a_business_key_is_one_running_transaction() {
    let keyed = ORDER.replacen("\"version\": 1,", "\"version\": 1, \"key\": \"${{ input.id }}\",", 1);
    let tenant = Tenant::new(1, &[&keyed]);
    let mut hand = tenant.hand(0);
    let source = terminated(&mut hand, Some("o-1"));
    let other = hand.start("order", json!({ "id": "o-1" }), Some("l"), Some("o-1")).unwrap();
    let refusal = fork(&mut hand, &tenant, source, "ship").unwrap_err();
    assert!(matches!(refusal, Refusal::BusinessKeyTaken(id) if id == other), "{refusal}");
    hand.cancel(other);
    let id = fork(&mut hand, &tenant, source, "ship").unwrap();
    let refusal = hand.start("order", json!({ "id": "o-1" }), Some("m"), Some("o-1")).unwrap_err();
    assert!(matches!(refusal, Refusal::BusinessKeyTaken(of) if of == id), "{refusal}");
    replays(&tenant);
}

#[test]
fn a_fork_in_the_batch_after_its_sources_end_rests_on_that() {
    let tenant = Tenant::new(1, &[ORDER]);
    let mut hand = tenant.hand(0);
    let source = terminated(&mut hand, None);
    let id = fork(&mut hand, &tenant, source, "ship").unwrap();
    hand.push_terminate(id);
    let end = hand.send();
    let second = fork_of(&mut hand, &tenant, id, "ship", None);
    let to = hand.push(Command::Fork(Box::new(second)));
    hand.go_on();
    hand.commit(end);
    hand.run();
    let Some(Ok(Response::Started { id: last, .. })) = hand.answer_of(to) else { panic!("no fork") };
    let of = records(&tenant, last);
    assert_eq!(of.iter().filter(|record| record.kind.as_str() == "step.inherited").count(), 2);
    assert_eq!(of[1].data.get_word("source"), Some(source.to_string().as_str()), "who did it first");
    replays(&tenant);
}

/// What came of a forked run: how both ended, and how often each key was acted under.
type End = (Vec<&'static str>, BTreeMap<String, usize>);

/// The same order, of which the reference model knows everything.
const JUDGED: &str = r#"{"name": "order", "version": 1, "steps": [
    {"id": "reserve", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "charge", "after": ["reserve"], "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "ship", "after": ["charge"], "run": {"worker": "w"}, "retry": {"attempts": 1}}
]}"#;

/// Ends the order and forks it; whoever gets no answer asks once more.
fn end_and_fork(drive: &mut Drive, source: TransactionId) -> TransactionId {
    let actor = drive.tenant.actor.id;
    drive.insist(|hand| {
        let operation = Operation { id: source, actor, justification: "a test".to_owned() };
        match hand.ask(Command::Terminate(operation)) {
            // Asked again it has ended.
            Ok(_) | Err(Refusal::Illegal(EngineRefusal::Status { .. })) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    });
    let answer = drive.insist(|hand| {
        let fork = Fork {
            id: TransactionId::draw(hand.now, source.slot(), &mut hand.entropy),
            actor,
            source,
            step: "ship".parse().unwrap(),
            justification: "again".to_owned(),
            idempotency_key: Some("f".to_owned()),
            traceparent: None,
            is_closed: false,
        };
        hand.ask(Command::Fork(Box::new(fork)))
    });
    let Response::Started { id, .. } = answer else { panic!("{answer:?}") };
    id
}

/// An order that is ended and forked, and whose fork fails.
fn run(dies: Option<(usize, Death)>) -> (End, Vec<String>, usize) {
    let tenant = Tenant::new(1, &[JUDGED]);
    let judge = Judge::new(tenant.definition("order"), &json!({}), &[], None).unwrap();
    let mut drive = Drive::new(tenant, judge, dies);
    let mut acted = BTreeMap::new();
    let source = drive.insist(|hand| hand.start("order", json!({}), Some("k"), None));
    let mut fork = None;
    for _ in 0..60 {
        assert_eq!(drive.tenant.watch.violation(), None, "{:?}", drive.kinds());
        let steps = Scan::steps(&drive.tenant.store, None, 100).unwrap();
        let done = steps.iter().filter(|step| step.status == "completed").count();
        if let Some(id) = fork.filter(|id| drive.hand.row(*id).0 == "compensated") {
            replays(&drive.tenant);
            let words = [source, id].map(|id| drive.hand.row(id).0).to_vec();
            return ((words, acted), drive.kinds(), drive.commits());
        }
        if done == 2 && fork.is_none() {
            fork = Some(end_and_fork(&mut drive, source));
            continue;
        }
        let taken = drive.act_heard(Hand::try_take).unwrap_or_default();
        for task in &taken {
            let key = task.idempotency_key.replace(&fork.unwrap_or(source).to_string(), "fork");
            *acted.entry(key).or_insert(0) += 1;
            let fails = task.step.as_str() == "ship";
            let said = if fails { failed() } else { output(json!({ "of": task.step.as_str() })) };
            drive.tenant.watch.took(task);
            drive.tenant.watch.said(task.token.attempt, &said);
            drive.insist(|hand| hand.try_report(task.token, said.clone()));
        }
        if taken.is_empty() {
            drive.wait(Duration::from_millis(500));
        }
    }
    panic!("it does not end: {:?}", drive.kinds());
}

#[test]
fn a_crash_at_every_commit_of_a_forked_run_changes_nothing() {
    let (undisturbed, kinds, commits) = run(None);
    assert_eq!(undisturbed.0, ["terminated", "compensated"]);
    let once = ["fork/ship", "k/charge", "k/charge/undo", "k/reserve", "k/reserve/undo"];
    assert_eq!(undisturbed.1, once.map(|key| (key.to_owned(), 1)).into());
    assert_eq!(kinds.iter().filter(|kind| *kind == "step.inherited").count(), 2);
    assert!(commits >= 8, "{commits} commits, {kinds:?}");
    for (at, death) in (0..commits).flat_map(|at| Death::ALL.map(|death| (at, death))) {
        let (mut ended, found, _) = run(Some((at, death)));
        // The one attempt that may be is over when nobody heard of it.
        if death == Death::Unheard && !ended.1.contains_key("fork/ship") {
            ended.1.insert("fork/ship".to_owned(), 1);
        }
        assert_eq!(ended, undisturbed, "{death:?} at commit {at}: {found:?}");
    }
}
