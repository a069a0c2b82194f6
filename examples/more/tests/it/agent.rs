//! The agent: it goes on where it was stopped, and what it gives up is let go.

use crate::breaks::{Break, Breaks, Place};
use crate::examples::{books, handlers};
use crate::house::{House, Running, STARTER, definition};
use crate::program::PATIENCE;
use chancery_sdk::api::transaction::{Status, TransactionsQuery};
use chancery_sdk::{HandlerError, OpenError};
use more_examples::agent::{Outcome, Request, Tool, plan};
use more_examples::trip::{Booking, Desks, Wish, book_now};
use serde_json::{Value, json};
use std::sync::Mutex;
use tempfile::TempDir;
use tokio::sync::Notify;

/// What is done to the agent at one of its tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is stopped before it books.
    StopBefore,
    /// It is stopped when it has booked and told nobody.
    StopAfter,
    /// What it calls does nothing and says so.
    Refuse,
    /// It books, and does not learn that it did.
    Lose,
    /// It books twice.
    Repeat,
}

/// The agent at work on one trip.
struct Travel<'h> {
    house: &'h House,
    trip: String,
    data: TempDir,
    desks: Desks,
    worker: Running,
    before: Value,
    /// Every call of a tool, with its idempotency key.
    calls: Mutex<Vec<String>>,
    stopped: Notify,
}

async fn house() -> House {
    House::new(STARTER, &[definition("plan-trip.yaml")], &[]).await
}

impl<'h> Travel<'h> {
    fn new(house: &'h House, trip: &str, breaks: &Breaks) -> Self {
        let data = tempfile::tempdir().unwrap();
        let worker = house.work(breaks, |worker| handlers(worker, data.path()));
        let desks = Desks::open(data.path()).unwrap();
        let before = books(data.path());
        let (trip, calls, stopped) = (trip.to_owned(), Mutex::default(), Notify::new());
        Self { house, trip, data, desks, worker, before, calls, stopped }
    }

    fn books(&self) -> Value {
        books(self.data.path())
    }

    /// A tool of the agent, with a fate at one of them.
    async fn book(
        &self,
        (tool, key, wish): (Tool, &str, Wish),
        fate: Option<Fate>,
    ) -> Result<Option<Booking>, HandlerError> {
        self.calls.lock().unwrap().push(key.to_owned());
        let desk = if tool == Tool::Hotel { &self.desks.hotel } else { &self.desks.flight };
        let is_stopped = matches!(fate, Some(Fate::StopBefore | Fate::StopAfter));
        if matches!(fate, Some(Fate::StopAfter | Fate::Lose | Fate::Repeat)) {
            book_now(desk, key, wish.clone()).await?;
        }
        if is_stopped {
            self.stopped.notify_one();
            std::future::pending::<()>().await;
        }
        match fate {
            Some(Fate::Refuse) => Err(HandlerError::refused("Broken", "as the test wants it")),
            Some(Fate::Lose) => Err(HandlerError::unknown("Lost", "as the test wants it")),
            _ => book_now(desk, key, wish).await,
        }
    }

    /// Runs the agent; none: it was stopped.
    async fn plan(&self, budget: i64, at: Option<(&str, Fate)>) -> Option<Result<Outcome, OpenError>> {
        let cities = vec!["OSL".to_owned(), "LIS".to_owned()];
        let request = Request { trip: self.trip.clone(), from: "BER".to_owned(), cities, nights: 3, budget };
        let running = plan(&self.house.client, &request, async |tool, permit, wish| {
            let key = permit.idempotency_key;
            let fate = at.filter(|(step, _)| key.ends_with(step)).map(|(_, fate)| fate);
            self.book((tool, &key, wish), fate).await
        });
        let ended = async {
            tokio::select! {
                ended = running => Some(ended),
                () = self.stopped.notified() => None,
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("it ends, or is stopped")
    }

    /// How the trip's transaction ended.
    async fn status(&self) -> Status {
        let query = TransactionsQuery { search: Some(format!("key:{}", self.trip)), ..TransactionsQuery::default() };
        let found = self.house.owner.transactions(&query).unwrap().all().await.unwrap();
        assert_eq!(found.len(), 1, "it is one transaction, however often the agent runs: {found:?}");
        self.house.ended(found[0].id).await.status
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    #[track_caller]
    fn assert_planned(&self, case: &str, outcome: &Outcome) {
        let Outcome::Planned(plan) = outcome else { panic!("{case}: {outcome:?}") };
        assert_eq!((plan.city.as_str(), plan.hotel.price, plan.flight.price), ("LIS", 240, 120), "{case}");
        let trip = &self.books()["trip"];
        assert_eq!(trip["hotel"]["bookings"], json!([["LIS", 240, "booked"]]), "{case}");
        assert_eq!(trip["flight"]["bookings"], json!([["BER-LIS", 120, "booked"]]), "{case}");
    }
}

/// Its steps when nothing is broken: Oslo is full, and Lisbon is not.
const STEPS: [&str; 3] = ["hotel-OSL", "hotel-LIS", "flight"];

#[tokio::test]
async fn it_is_stopped_anywhere_and_goes_on() {
    let house = house().await;
    for step in STEPS {
        for fate in [Fate::StopBefore, Fate::StopAfter] {
            let case = format!("{fate:?}-{step}");
            let travel = Travel::new(&house, &case, &Breaks::default());
            assert!(travel.plan(1_000, Some((step, fate))).await.is_none(), "{case}: it is stopped");
            let outcome = travel.plan(1_000, None).await.unwrap().unwrap();
            travel.assert_planned(&case, &outcome);
            assert_eq!(travel.status().await, Status::Completed, "{case}");
            // What was done is not done again; what was under way is, with the same key.
            let twice = |other: &str| if other == step { 2 } else { 1 };
            // The trip is the transaction's business key, and the key that it was begun with.
            let expected: Vec<String> =
                STEPS.iter().flat_map(|step| vec![format!("{case}/{case}/{step}"); twice(step)]).collect();
            assert_eq!(travel.calls(), expected, "{case}");
            // Once it is over the agent is told what it came to.
            let again = travel.plan(1_000, None).await.unwrap().unwrap();
            travel.assert_planned(&case, &again);
            assert_eq!(travel.calls(), expected, "{case}");
            travel.worker.end().await;
        }
    }
}

#[tokio::test]
async fn a_step_of_it_fails_or_is_repeated() {
    let house = house().await;
    for step in STEPS {
        for fate in [Fate::Refuse, Fate::Lose, Fate::Repeat] {
            let case = format!("{fate:?}-{step}");
            let travel = Travel::new(&house, &case, &Breaks::default());
            let outcome = travel.plan(1_000, Some((step, fate))).await.unwrap().unwrap();
            if fate == Fate::Repeat {
                travel.assert_planned(&case, &outcome);
                assert_eq!(travel.status().await, Status::Completed, "{case}");
            } else {
                assert_eq!(outcome, Outcome::GaveUp("a step failed"), "{case}");
                assert_eq!(travel.status().await, Status::Cancelled, "{case}");
                assert_eq!(travel.books(), travel.before, "{case}");
            }
            travel.worker.end().await;
        }
    }
}

#[tokio::test]
async fn what_it_gives_up_is_let_go_once() {
    let house = house().await;
    for (undo, what) in [
        ("hotel.release", Break::Repeat),
        ("hotel.release", Break::LoseOnce),
        ("flight.release", Break::Repeat),
        ("flight.release", Break::LoseOnce),
    ] {
        let breaks = Breaks::new(&[(Place { name: undo, index: None }, what)]);
        let case = format!("{what:?}-{undo}");
        let travel = Travel::new(&house, &case, &breaks);
        let outcome = travel.plan(300, None).await.unwrap().unwrap();
        assert_eq!(outcome, Outcome::GaveUp("it is too dear"), "{case}");
        assert_eq!(travel.calls().len(), STEPS.len(), "both were booked before it knew");
        assert_eq!(travel.status().await, Status::Cancelled, "{case}");
        assert_eq!(travel.books(), travel.before, "{case}");
        breaks.assert_met();
        travel.worker.end().await;
    }
}
