//! Budgets and rates: what is reserved, settled and returned, by whom and when, and that no crash loses or doubles any
//! of it.

use super::hand::{Hand, SCHEMA, Tenant, in_force, output};
use chancery_base::{Name, PrincipalId, StopId, Timestamp, TransactionId, json as canonical};
use chancery_engine::{AccountId, Status, StepError, StepState};
use chancery_policy::Bundle;
use chancery_shard::budget::{Account, BudgetTerms, Measure, Span};
use chancery_shard::input::*;
use chancery_shard::replay::Replay;
use chancery_shard::stop::StopOn;
use chancery_shard::{Call, Config, Poll};
use chancery_store::scan::Scan;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const SPEND: &str = r#"{"name": "spend", "version": 1, "steps": [
    {"id": "pay", "run": {"worker": "w"}, "action": "charge", "context": {"amount": "${{ input.amount }}"},
     "with": "${{ input }}", "retry": {"attempts": 3, "backoff": "0ms"}, "timeout": "8s",
     "compensate": {"run": {"worker": "undo"}}},
    {"id": "end", "after": ["pay"], "run": "noop", "when": "${{ input.?fails }}",
     "action": "greet", "context": {"times": 1}}
]}"#;

const BUDGET: &str = "@id(\"purse\") @obligation(\"budget\") @budget(\"purse\") @amount(\"context.amount\") \
     @cost(\"output.cost\") permit (principal, action == Action::\"charge\", resource);";
const RATE: &str = "@id(\"pace\") @obligation(\"rate\") @limit(\"2\") @window(\"10s\") @per(\"principal\") \
     permit (principal, action == Action::\"charge\", resource);";
const LIMIT: u64 = 100;

fn terms(window: Option<&str>) -> BudgetTerms {
    BudgetTerms {
        limit: LIMIT,
        measure: Measure::Amount,
        per: "principal".parse().unwrap(),
        unit: Some("EUR cents".to_owned()),
        window: window.map(|window| window.parse().unwrap()),
    }
}

fn purse() -> Name {
    "purse".parse().unwrap()
}

fn oblige(hand: &mut Hand, version: u32, obligations: &str) {
    let document = json!({
        "name": "obliged", "version": version, "schema": SCHEMA,
        "policies": "permit (principal, action, resource) unless { action == Action::\"greet\" };",
        "obligations": obligations,
    });
    let bundle = Arc::new(Bundle::parse(&canonical::canonical(&document)).unwrap());
    for change in in_force(&bundle) {
        assert!(matches!(hand.change(change), Ok(Response::Done { seq: Some(_) })));
    }
}

fn set(hand: &mut Hand, terms: BudgetTerms) {
    let set = hand.change(Change::BudgetSet { budget: purse(), terms: Box::new(terms) });
    assert!(matches!(set, Ok(Response::Done { .. })), "{set:?}");
}

/// A tenant with a budget of 100 cents a principal, and a hand of it.
fn obliged(obligations: &str, window: Option<&str>) -> (Tenant, Hand) {
    obliged_to(SPEND, obligations, window)
}

fn obliged_to(definition: &str, obligations: &str, window: Option<&str>) -> (Tenant, Hand) {
    let tenant = Tenant::new(1, &[definition]);
    let mut hand = hand_of(&tenant, Timestamp::from_micros(1_795_246_020_000_000));
    oblige(&mut hand, 1, obligations);
    set(&mut hand, terms(window));
    (tenant, hand)
}

fn hand_of(tenant: &Tenant, now: Timestamp) -> Hand {
    tenant.hand_with(0, now, |config| Config { lease: Duration::from_secs(3), ..config })
}

fn spend(hand: &mut Hand, amount: u64) -> TransactionId {
    hand.start("spend", json!({ "amount": amount }), None, None).unwrap()
}

fn accounts(tenant: &Tenant) -> Vec<Account> {
    let rows = Scan::accounts(&tenant.store, None, usize::MAX).unwrap();
    rows.iter().map(|(_, row)| Account::of(row).unwrap()).collect()
}

/// What is settled and reserved of the one account that there is.
pub(super) fn standing(tenant: &Tenant) -> (u64, u64) {
    let accounts = accounts(tenant);
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    (accounts[0].settled, accounts[0].reserved)
}

/// What is reserved is what the rows of steps have that are out: those of the others have nothing.
pub(super) fn reserves_what_is_out(tenant: &Tenant) {
    let mut out = BTreeMap::<(AccountId, Span), u64>::new();
    for row in Scan::steps(&tenant.store, None, usize::MAX).unwrap() {
        let state: StepState = serde_json::from_slice(&row.body.bytes).unwrap();
        for charge in state.conditions.iter().flat_map(|conditions| &conditions.charges) {
            *out.entry((charge.account.clone(), Span::of(charge))).or_default() += charge.amount;
        }
    }
    for account in accounts(tenant) {
        let expected = out.get(&(account.id.clone(), account.span)).copied().unwrap_or(0);
        assert_eq!(account.reserved, expected, "{account:?}");
    }
}

/// The payload of a transaction's entry of a kind.
fn payload(tenant: &Tenant, id: TransactionId, kind: &str) -> String {
    let dump = tenant.store.dump();
    let entries = dump.entries.values().flatten().filter(|entry| entry.transaction.is_some_and(|(of, _)| of == id));
    let of_kind = |record: &[u8]| chancery_ledger::Record::parse(record).unwrap().kind.as_str() == kind;
    let entry = entries.into_iter().find(|entry| of_kind(&entry.record)).unwrap();
    String::from_utf8(entry.payload.as_ref().unwrap().sealed.bytes.clone()).unwrap()
}

/// What the rows say is what the entries amount to.
pub(super) fn replays(tenant: &Tenant) {
    let log = Scan::logs(&tenant.store).unwrap().into_iter().find(|log| log.tenant == tenant.id).unwrap().id;
    let mut replay = Replay::new(log);
    for entry in &tenant.store.dump().entries[&log] {
        replay.entry(entry).unwrap_or_else(|err| panic!("entry {}: {err}", entry.seq));
    }
    let (_, rows) = replay.finish();
    let stored = Scan::accounts(&tenant.store, None, usize::MAX).unwrap();
    assert_eq!(
        rows.accounts.into_values().collect::<Vec<_>>(),
        stored.into_iter().map(|(_, row)| row).collect::<Vec<_>>()
    );
    let stored = Scan::budgets(&tenant.store, None, usize::MAX).unwrap();
    assert_eq!(
        rows.budgets.into_values().collect::<Vec<_>>(),
        stored.into_iter().map(|(_, row)| row).collect::<Vec<_>>()
    );
}

fn failed(code: &str) -> ReportedOutcome {
    ReportedOutcome::Failed(StepError::new(code, "none left"))
}

#[test]
fn what_is_handed_out_is_reserved_and_settled_at_what_it_cost() {
    let (tenant, mut hand) = obliged(BUDGET, None);
    let id = spend(&mut hand, 70);
    assert_eq!(accounts(&tenant), [], "what waits reserves nothing");
    let task = hand.take_one("pay");
    assert_eq!(standing(&tenant), (0, 70));
    let said = payload(&tenant, id, "step.dispatched");
    assert!(said.contains(r#"{"charges":[{"account":{"holder":"#) && said.contains(r#""amount":70"#), "{said}");
    hand.report(&task, output(json!({ "cost": 45 })));
    assert_eq!(standing(&tenant), (45, 0));
    assert_eq!(hand.settled(id).0, Status::Completed);
    // All that was reserved, where the output says more than that, or nothing that is an amount.
    for (cost, settled) in [(json!({ "cost": 11 }), 55), (json!({ "cost": "much" }), 65), (json!(null), 75)] {
        spend(&mut hand, 10);
        let task = hand.take_one("pay");
        hand.report(&task, output(cost));
        assert_eq!(standing(&tenant), (settled, 0));
    }
    replays(&tenant);
}

#[test]
fn what_does_not_fit_is_denied_and_told_what_is_left() {
    let (tenant, mut hand) = obliged(BUDGET, None);
    spend(&mut hand, 70);
    hand.take_one("pay");
    let id = spend(&mut hand, 31);
    assert!(hand.take_as("two").is_empty());
    assert_eq!(hand.settled(id).0, Status::Failed);
    assert_eq!(hand.kinds(id)[1..3], ["decision.denied", "step.failed"]);
    let holder = tenant.actor.id;
    let why = format!("budget `purse` has 30 EUR cents left to `{holder}`, and 31 EUR cents are asked for");
    let said = payload(&tenant, id, "step.failed");
    assert!(said.contains(&why) && said.contains("obligation `purse`"), "{said}");
    assert_eq!(standing(&tenant), (0, 70), "what is denied reserves nothing");
    let fits = spend(&mut hand, 30);
    assert_eq!(hand.take_as("two")[0].transaction, fits);
    assert_eq!(standing(&tenant), (0, 100));
}

#[test]
fn what_can_t_be_counted_is_denied() {
    let no_amount =
        "@obligation(\"budget\") @budget(\"purse\") permit (principal, action == Action::\"charge\", resource);";
    let negative = "@obligation(\"budget\") @budget(\"purse\") @amount(\"-input.amount\") permit (principal, action == \
                    Action::\"charge\", resource);";
    let no_budget =
        "@obligation(\"budget\") @budget(\"other\") permit (principal, action == Action::\"charge\", resource);";
    let no_label = "@obligation(\"rate\") @limit(\"1\") @window(\"1m\") @per(\"label:team\") permit (principal, action == \
                    Action::\"charge\", resource);";
    for (obligations, why) in [
        (no_amount, "budget `purse`: it counts amounts, and the obligation has no `@amount`"),
        (negative, "budget `purse`: `-input.amount` gives -5, which is no whole number"),
        (no_budget, "there is no budget `other`"),
        (no_label, "it is counted per label `team`, which the transaction lacks"),
    ] {
        let (tenant, mut hand) = obliged(obligations, None);
        let id = spend(&mut hand, 5);
        assert!(hand.take_as("two").is_empty(), "{why}");
        let said = payload(&tenant, id, "step.failed");
        assert!(said.contains(why), "{said}");
        assert_eq!(accounts(&tenant), []);
    }
}

#[test]
fn what_fails_lapses_or_is_terminated_is_returned_once() {
    let (tenant, mut hand) = obliged(BUDGET, None);
    let id = spend(&mut hand, 60);
    let first = hand.take_one("pay");
    assert_eq!(hand.report(&first, failed("OutOfStock")), Ack::Recorded);
    assert_eq!(standing(&tenant), (0, 0));
    let second = hand.take_one("pay");
    assert_eq!((second.attempt, standing(&tenant)), (2, (0, 60)), "a retry reserves anew");
    hand.wait(Duration::from_secs(4));
    assert_eq!(standing(&tenant), (0, 0), "its lease lapsed");
    let third = hand.take_one("pay");
    assert_eq!(standing(&tenant), (0, 60));
    let to = hand.push_terminate(id);
    hand.run();
    assert!(matches!(hand.answer_of(to), Some(Ok(Response::Operated(_)))));
    assert_eq!(standing(&tenant), (0, 0));
    hand.report(&third, output(json!({ "cost": 60 })));
    assert_eq!(standing(&tenant), (0, 0), "what comes in after the end changes nothing");
    replays(&tenant);
}

#[test]
fn what_a_target_accepted_stays_reserved_until_it_comes_in_and_an_undo_takes_nothing() {
    let (tenant, mut hand) = obliged(BUDGET, None);
    let id = hand.start("spend", json!({ "amount": 60, "fails": true }), None, None).unwrap();
    let task = hand.take_one("pay");
    hand.report(&task, ReportedOutcome::Accepted);
    hand.wait(Duration::from_secs(4));
    assert_eq!(standing(&tenant), (0, 60));
    hand.report(&task, output(json!({ "cost": 20 })));
    assert_eq!(standing(&tenant), (20, 0));
    let undo = hand.take_one("pay");
    let said = payload(&tenant, id, "compensation.started");
    assert!(!said.contains("charges"), "{said}");
    hand.report(&undo, output(json!(null)));
    assert_eq!((hand.settled(id).0, standing(&tenant)), (Status::Compensated, (20, 0)), "what was spent stays spent");
    replays(&tenant);
}

#[test]
fn a_window_that_is_over_begins_anew_and_other_terms_do_too() {
    let (tenant, mut hand) = obliged(BUDGET, Some("10s"));
    spend(&mut hand, 100);
    let late = hand.take_one("pay");
    spend(&mut hand, 1);
    assert!(hand.take_as("two").is_empty());
    hand.report(&late, ReportedOutcome::Accepted);
    hand.wait(Duration::from_secs(7));
    // The first attempt timed out meanwhile, or its window is over.
    let again = spend(&mut hand, 90);
    hand.wait(Duration::from_secs(4));
    let tasks = hand.take();
    assert!(tasks.iter().any(|task| task.transaction == again));
    let (settled, reserved) = standing(&tenant);
    assert!((90..=100).contains(&reserved) && settled == 0);
    set(&mut hand, BudgetTerms { limit: 200, ..terms(Some("10s")) });
    assert_eq!(standing(&tenant), (settled, reserved), "under another limit they go on");
    set(&mut hand, BudgetTerms { limit: 200, ..terms(Some("1m")) });
    assert_eq!(accounts(&tenant), []);
    for task in &tasks {
        hand.report(task, output(json!({ "cost": 90 })));
    }
    assert_eq!(accounts(&tenant), [], "what was reserved under the old terms bears on nothing");
    let deleted = hand.change(Change::BudgetDelete(purse()));
    assert!(matches!(deleted, Ok(Response::Done { seq: Some(_) })));
    let again = hand.change(Change::BudgetDelete(purse()));
    assert!(matches!(again, Err(Refusal::NotFound(_))), "{again:?}");
    let id = spend(&mut hand, 1);
    assert!(hand.take_as("two").is_empty());
    assert_eq!(hand.settled(id).0, Status::Failed, "a budget that is deleted denies");
    replays(&tenant);
}

#[test]
fn what_is_over_a_rate_waits_for_its_next_window() {
    let (tenant, mut hand) = obliged(RATE, None);
    let mut all: Vec<TransactionId> = (0..5).map(|_| spend(&mut hand, 1)).collect();
    // Of what waits equally long the lowest id goes first.
    all.sort_unstable();
    let size = hand.size();
    let first = hand.take();
    assert_eq!(first.iter().map(|task| task.transaction).collect::<Vec<_>>(), all[..2]);
    assert_eq!(hand.size(), size + 2, "nothing is written of what waits");
    assert!(hand.take_as("two").is_empty());
    // Another owner counts on.
    let mut hand = hand_of(&tenant, hand.now);
    assert!(hand.take_as("two").is_empty());
    for task in &first {
        assert_eq!(hand.report(task, output(json!(null))), Ack::Recorded);
    }
    assert!(hand.take_as("two").is_empty(), "what was handed out stays counted");
    let call = hand.open_call();
    hand.wait(Duration::from_secs(10));
    let answer = hand.answer_of(call).unwrap().unwrap();
    let Response::Exchanged(exchanged) = answer else { panic!("{answer:?}") };
    assert_eq!(exchanged.tasks.iter().map(|task| task.transaction).collect::<Vec<_>>(), all[2..4], "who waits is told");
    // A stop does not wait for a window.
    let id = StopId::draw(hand.now, &mut hand.entropy);
    let on = StopOn::Action("charge".parse().unwrap());
    let stopped = hand.change(Change::StopSet { id, on, justification: "enough".to_owned() });
    assert!(matches!(stopped, Ok(Response::Done { seq: Some(_) })));
    assert_eq!(hand.settled(all[4]).0, Status::Failed);
    replays(&tenant);
}

/// A transaction is counted by the bundle that it began under, beside what counts since.
#[test]
fn a_rate_of_another_window_is_counted_apart() {
    let (_tenant, mut hand) = obliged(RATE, None);
    let old = spend(&mut hand, 1);
    oblige(&mut hand, 2, &RATE.replace("10s", "1m"));
    let new = [spend(&mut hand, 1), spend(&mut hand, 1)];
    let tasks = hand.take();
    assert_eq!(tasks.len(), 3, "{tasks:?}");
    for task in tasks.iter().filter(|task| new.contains(&task.transaction)) {
        assert_eq!(hand.report(task, output(json!(null))), Ack::Recorded);
    }
    hand.wait(Duration::from_secs(20));
    assert_eq!(hand.take_one("pay").transaction, old, "its lease lapsed, and its ten seconds are others");
    spend(&mut hand, 1);
    assert!(hand.take_as("two").is_empty(), "two went out within the minute");
}

/// Where two bundles have to permit, what both count of one hand-out is one count, by the stricter of the two.
#[test]
fn under_both_bundles_a_hand_out_is_counted_once() {
    let both = SPEND.replace(r#""version": 1,"#, r#""version": 1, "policy": "both","#);
    let (tenant, mut hand) = obliged_to(&both, &format!("{BUDGET}\n{}", RATE.replace("\"2\"", "\"3\"")), None);
    for _ in 0..4 {
        spend(&mut hand, 10);
    }
    let dearer = BUDGET.replace("(\"context.amount\")", "(\"context.amount * 2\")");
    oblige(&mut hand, 2, &format!("{dearer}\n{RATE}"));
    let tasks = hand.take();
    assert_eq!(tasks.len(), 2, "the active bundle lets two go at once: {tasks:?}");
    let reserved = |accounts: Vec<Account>| accounts.iter().map(Account::used).collect::<Vec<_>>();
    assert_eq!(reserved(accounts(&tenant)), [40, 2]);
    hand.report(&tasks[0], output(json!({ "cost": 5 })));
    assert_eq!(reserved(accounts(&tenant)), [25, 2], "both say in the same way what was spent");
    replays(&tenant);
}

#[test]
fn a_start_and_a_second_shard_count_nothing() {
    let of_all =
        "@id(\"all\") @obligation(\"budget\") @budget(\"purse\") @amount(\"1\") permit (principal, action, resource);";
    let (_, mut hand) = obliged(of_all, None);
    let refused = hand.start("spend", json!({ "amount": 1 }), None, None);
    let Err(Refusal::Denied(decided)) = &refused else { panic!("{refused:?}") };
    let why = &decided.reasons.last().unwrap().text;
    assert_eq!(why, "obligation `all` demands budget: nothing is counted of a start: demand it of a step");
    let tenant = Tenant::new(2, &[SPEND]);
    let mut first = tenant.hand(0);
    oblige(&mut first, 1, BUDGET);
    set(&mut first, terms(None));
    let mut second = tenant.hand(1);
    let id = spend(&mut second, 1);
    assert!(second.take_as("two").is_empty());
    let said = payload(&tenant, id, "step.failed");
    assert!(said.contains("it is counted on the tenant's shard 0, and this transaction is on another"), "{said}");
}

/// Numbers that look random: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// One who spends as chance has it, and whose owner dies when it likes.
struct Game {
    tenant: Tenant,
    hand: Hand,
    dice: Dice,
    started: Vec<TransactionId>,
    tasks: Vec<Arc<Task>>,
    deaths: usize,
}

impl Game {
    fn play(&mut self) {
        match self.dice.below(14) {
            0..4 => {
                let amount = self.dice.below(60);
                self.started.push(spend(&mut self.hand, amount));
            }
            4..6 => {
                let taken = self.hand.take();
                self.tasks.extend(taken);
            }
            6..9 => self.report(),
            9 => self.hand.wait(Duration::from_millis(100 * self.dice.below(40))),
            10 => {
                if !self.started.is_empty() {
                    let which = usize::try_from(self.dice.below(self.started.len() as u64)).unwrap();
                    let id = self.started[which];
                    let operation = Operation { id, actor: PrincipalId::SYSTEM, justification: "a test".to_owned() };
                    let command = if self.dice.below(2) == 0 {
                        Command::Terminate(operation)
                    } else {
                        Command::Cancel(operation)
                    };
                    // It may have ended.
                    drop(self.hand.ask(command));
                }
            }
            11 => self.die(),
            _ => self.die_at_a_commit(),
        }
        self.check();
    }

    fn report(&mut self) {
        if self.tasks.is_empty() {
            return;
        }
        let which = usize::try_from(self.dice.below(self.tasks.len() as u64)).unwrap();
        let outcome = match self.dice.below(6) {
            0..3 => output(json!({ "cost": self.dice.below(70) })),
            3 => failed("OutOfStock"),
            4 => ReportedOutcome::Unknown(StepError::new("Cut", "the line was cut")),
            _ => ReportedOutcome::Accepted,
        };
        // What is reported again, or too late, changes nothing.
        let task = if self.dice.below(4) == 0 { Arc::clone(&self.tasks[which]) } else { self.tasks.swap_remove(which) };
        self.hand.report(&task, outcome);
    }

    fn die(&mut self) {
        self.hand = hand_of(&self.tenant, self.hand.now);
        self.deaths += 1;
    }

    /// The owner dies when it has sent a batch, which arrives or does not.
    fn die_at_a_commit(&mut self) {
        let lands = self.dice.below(2) == 0;
        if self.dice.below(2) == 0 || self.tasks.is_empty() {
            self.hand.push_call("one");
        } else {
            let task = Arc::clone(&self.tasks[0]);
            self.hand.push_report(&task, output(json!({ "cost": 1 })));
        }
        loop {
            match self.hand.shard.poll(self.hand.now, &mut self.hand.entropy) {
                Poll::Call(call @ Call::Commit(_)) => {
                    if lands {
                        drop(self.tenant.store.answer(call, "test"));
                    }
                    break;
                }
                Poll::Call(call) => {
                    let reply = self.tenant.store.answer(call, "test");
                    self.hand.shard.reply(reply, self.hand.now);
                }
                Poll::Wait(_) => break,
            }
        }
        self.die();
    }

    /// Nothing exceeds the limit, and what is reserved is what steps have.
    fn check(&self) {
        for account in accounts(&self.tenant) {
            assert!(account.used() <= LIMIT, "{account:?}");
        }
        reserves_what_is_out(&self.tenant);
    }

    /// All that is left comes to its end.
    fn finish(&mut self) {
        for _ in 0..200 {
            let open = Scan::transactions(&self.tenant.store, None, usize::MAX).unwrap();
            if open.iter().all(|row| row.ended_at.is_some()) {
                return;
            }
            for row in open.iter().filter(|row| row.status == "parked") {
                let to = self.hand.push_terminate(row.id);
                self.hand.run();
                drop(self.hand.answer_of(to));
            }
            for task in self.hand.take() {
                self.hand.report(&task, output(json!(null)));
            }
            self.hand.wait(Duration::from_secs(1));
            self.check();
        }
        panic!("it does not come to its end");
    }
}

#[test]
fn whoever_dies_when_nothing_exceeds_a_budget_and_nothing_stays_reserved() {
    let (mut spent, mut deaths) = (0, 0);
    for seed in 0..60 {
        let window = [None, Some("5s")][usize::try_from(seed % 2).unwrap()];
        let (tenant, hand) = obliged(BUDGET, window);
        let mut game = Game { tenant, hand, dice: Dice(seed), started: Vec::new(), tasks: Vec::new(), deaths: 0 };
        for _ in 0..60 {
            game.play();
        }
        game.finish();
        let accounts = accounts(&game.tenant);
        assert!(accounts.iter().all(|account| account.reserved == 0), "seed {seed}: {accounts:?}");
        replays(&game.tenant);
        spent += accounts.iter().map(|account| account.settled).sum::<u64>();
        deaths += game.deaths;
    }
    assert!(spent > 0 && deaths > 100, "{spent} were spent, {deaths} died");
}
