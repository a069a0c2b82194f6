//! The examples as tables: how each is started, which calls it makes, and what undoes them.

use crate::breaks::{Breaks, Place};
use crate::house::{Bundle, SHOP, STARTER, definition, name};
use chancery_sdk::api::transaction::SendSignal;
use chancery_sdk::{Start, Worker};
use example_participant::{Participant, rows};
use order_example::payments::{Payments, Rules};
use order_example::{inventory, notification, shipping};
use serde_json::{Value, json};
use std::path::Path;

/// An example.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Example {
    /// The text of its definition.
    pub(crate) definition: fn() -> String,
    pub(crate) bundle: Bundle,
    pub(crate) start: fn() -> Start,
    /// The worker with its handlers, whose databases are in this directory.
    pub(crate) handlers: fn(Worker, &Path) -> Worker,
    /// What the databases in this directory hold.
    pub(crate) books: fn(&Path) -> Value,
    pub(crate) steps: &'static [Step],
    /// The confirms of a TCC, whose tries are made once.
    pub(crate) confirms: &'static [&'static str],
}

/// A step, and what undoes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) does: Place,
    pub(crate) undo: Option<&'static str>,
    pub(crate) fails: Fails,
}

/// What it means when a step fails for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fails {
    /// All is undone.
    Whole,
    /// All is undone, but what it did can't be taken back where it was done: this part of the books.
    WholeBut(&'static str),
    /// The others go on without it: this part of the books is as it was.
    Alone(&'static str),
}

const fn step(does: &'static str, undo: Option<&'static str>) -> Step {
    Step { does: Place { name: does, index: None }, undo, fails: Fails::Whole }
}

const fn clone_of(does: &'static str, index: u32, undo: &'static str) -> Step {
    Step { does: Place { name: does, index: Some(index) }, undo: Some(undo), fails: Fails::Whole }
}

/// One text in the place of another that has to be there.
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not in {text}");
    text.replace(from, to)
}

pub(crate) const ORDER: Example = Example {
    // Whoever fails again and again is tried again soon, and not so often that its breaker opens.
    definition: || {
        let text = replaced(&definition("order/create-order.yaml"), "00ms", "ms");
        replaced(&text, "attempts: 5", "attempts: 2")
    },
    bundle: SHOP,
    start: || {
        let input = json!({"order_id": "o-1", "sku": "chair", "quantity": 2, "total": 4_200, "card": "visa"});
        Start::new(name("create-order"), input)
    },
    handlers: |worker, data| {
        let open = |file: &str, schema: &str| Participant::open(&data.join(file), schema).unwrap();
        let worker = inventory::handle(worker, open("inventory.db", inventory::SCHEMA));
        let worker = shipping::handle(worker, open("shipping.db", shipping::SCHEMA));
        notification::handle(worker, open("notification.db", notification::SCHEMA))
    },
    books: |data| {
        let of = |file: &str, query: &str| rows(&data.join(file), query).unwrap();
        json!({
            "stock": of("inventory.db", "SELECT sku, count FROM stock ORDER BY sku"),
            "charges": of("payments.db", "SELECT amount FROM charges WHERE refunded = 0"),
            "parcels": of("shipping.db", "SELECT reference, sku, quantity FROM parcels WHERE cancelled = 0"),
            "messages": of("notification.db", "SELECT reference FROM messages"),
        })
    },
    steps: &[
        step("inventory.reserve", Some("inventory.release")),
        step("/charges", Some("/refunds")),
        step("shipping.book", Some("shipping.cancel")),
        Step { fails: Fails::WholeBut("/messages"), ..step("notification.send", None) },
    ],
    confirms: &[],
};

pub(crate) const TRIP: Example = Example {
    definition: || definition("book-trip.yaml"),
    bundle: STARTER,
    start: || Start::new(name("book-trip"), json!({"trip": "t-1", "from": "BER", "to": "LIS", "nights": 3})),
    handlers,
    books,
    steps: &[
        step("flight.hold", Some("flight.release")),
        step("hotel.hold", Some("hotel.release")),
        Step { fails: Fails::Alone("/trip/car"), ..step("car.hold", Some("car.release")) },
    ],
    confirms: &["flight.book", "hotel.book", "car.book"],
};

pub(crate) const TRANSFER: Example = Example {
    definition: || definition("transfer.yaml"),
    bundle: STARTER,
    start: || {
        let input = json!({"transfer": "p-1", "from": "ann", "to": "ben", "amount": 250_000});
        Start::new(name("transfer"), input).signal(approval(true))
    },
    handlers,
    books,
    steps: &[
        step("account.debit", Some("account.debit.undo")),
        step("approval.check", None),
        step("account.credit", Some("account.credit.undo")),
    ],
    confirms: &[],
};

/// The night that is all or nothing. What happens to the one that goes on is in `nightly.rs`.
pub(crate) const NIGHTLY: Example = Example {
    definition: || all_or_nothing(&definition("nightly.yaml")),
    bundle: STARTER,
    start: || Start::new(name("nightly"), json!({"night": "2026-11-28", "accounts": ["ann", "ben", "cleo"]})),
    handlers,
    books,
    steps: &[clone_of("account.interest", 1, "account.interest.undo"), step("night.report", Some("night.report.undo"))],
    confirms: &[],
};

/// As the definition's own words have it: without that line.
pub(crate) fn all_or_nothing(nightly: &str) -> String {
    replaced(nightly, "    on_failure: continue\n", "")
}

/// The signal that somebody approves, or does not.
pub(crate) fn approval(yes: bool) -> SendSignal {
    SendSignal { name: name("approved"), id: None, payload: json!({"yes": yes, "by": "Ada"}) }
}

pub(crate) fn handlers(worker: Worker, data: &Path) -> Worker {
    more_examples::handle(worker, data).unwrap()
}

pub(crate) fn books(data: &Path) -> Value {
    more_examples::books(data).unwrap()
}

/// The payment service, with its database in this directory.
pub(crate) fn payments(data: &Path, breaks: &Breaks) -> (axum::Router, Breaks) {
    (Payments::open(data, Rules::default()).unwrap().router(), breaks.clone())
}

/// Every call that a definition makes is in the tables, or else nobody breaks it.
#[test]
fn no_call_is_missing() {
    for example in [ORDER, TRIP, TRANSFER, NIGHTLY] {
        let text = (example.definition)();
        let workers = text.split("{worker: ").skip(1).map(|rest| rest.split('}').next().unwrap());
        let paths = text.split("url: \"http://payments.invalid").skip(1).map(|rest| rest.split('"').next().unwrap());
        let mut called: Vec<&str> = workers.chain(paths).collect();
        let undone = example.steps.iter().filter_map(|step| step.undo);
        let does = example.steps.iter().map(|step| step.does.name);
        let mut listed: Vec<&str> = does.chain(undone).chain(example.confirms.iter().copied()).collect();
        called.sort_unstable();
        listed.sort_unstable();
        assert_eq!(called, listed);
    }
}
