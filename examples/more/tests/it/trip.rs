//! A flight, a hotel and a car: all that is needed, or nothing.

use crate::breaks::{Break, Breaks, Place};
use crate::examples::{books, handlers, replaced};
use crate::house::{House, Running, STARTER, definition, name};
use chancery_sdk::Start;
use chancery_sdk::api::transaction::{Status, Transaction};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Agency<'h> {
    house: &'h House,
    data: TempDir,
    worker: Running,
    breaks: Breaks,
}

/// With the definition as it is, and one in which the car is needed as well and each is tried after the other.
async fn house() -> House {
    let trip = definition("book-trip.yaml");
    let all = replaced(&replaced(&trip, "    optional: true\n", ""), "mode: parallel", "mode: sequence");
    let all = replaced(&all, "name: book-trip", "name: book-all");
    House::new(STARTER, &[trip, all], &[]).await
}

impl<'h> Agency<'h> {
    fn new(house: &'h House, rules: &[(Place, Break)]) -> Self {
        let (data, breaks) = (tempfile::tempdir().unwrap(), Breaks::new(rules));
        let worker = house.work(&breaks, |worker| handlers(worker, data.path()));
        Self { house, data, worker, breaks }
    }

    fn books(&self) -> Value {
        books(self.data.path())["trip"].clone()
    }

    async fn book(&self, definition: &str, to: &str) -> Transaction {
        let input = json!({"trip": to, "from": "BER", "to": to, "nights": 3});
        self.house.run(&Start::new(name(definition), input)).await
    }
}

fn states(trip: &Transaction) -> Vec<&str> {
    trip.steps.iter().map(|step| step.state.as_deref().unwrap()).collect()
}

#[tokio::test]
async fn a_trip_is_booked_whole_or_not_at_all() {
    let house = house().await;
    let agency = Agency::new(&house, &[]);
    let before = agency.books();
    let full = agency.book("book-trip", "OSL").await;
    assert_eq!((full.status, full.state.as_deref()), (Status::Compensated, Some("cancelled")), "{full:?}");
    assert_eq!(states(&full)[1], "try_failed");
    assert_eq!(agency.books(), before, "nothing is held");

    let third = agency.book("book-all", "PRG").await;
    assert_eq!(states(&third), ["cancelled", "cancelled", "try_failed"], "{third:?}");
    assert_eq!(agency.books(), before, "both that were held are let go");

    let without = agency.book("book-trip", "PRG").await;
    assert_eq!(without.status, Status::Completed, "{without:?}");
    assert_eq!(states(&without), ["confirmed", "confirmed", "try_failed"]);
    assert_eq!(without.output.as_ref().unwrap().get("car"), None);
    assert_eq!(agency.books()["car"], before["car"]);
    assert_eq!(agency.books()["hotel"]["bookings"], json!([["PRG", 150, "booked"]]));

    let whole = agency.book("book-trip", "LIS").await;
    assert_eq!((whole.status, states(&whole)), (Status::Completed, vec!["confirmed"; 3]), "{whole:?}");
    let books = agency.books();
    assert_eq!(books["flight"]["bookings"], json!([["BER-LIS", 120, "booked"], ["BER-PRG", 60, "booked"]]));
    assert_eq!(books["hotel"]["bookings"], json!([["LIS", 240, "booked"], ["PRG", 150, "booked"]]));
    assert_eq!(books["car"]["bookings"], json!([["LIS", 40, "booked"]]));
    agency.worker.end().await;
}

#[tokio::test]
async fn a_confirm_that_is_refused_waits_for_a_person_and_is_no_success() {
    let house = house().await;
    for refused in ["flight.book", "hotel.book", "car.book"] {
        let agency = Agency::new(&house, &[(Place { name: refused, index: None }, Break::Refuse)]);
        let parked = agency.book("book-trip", "LIS").await;
        assert_eq!((parked.status, parked.state.as_deref()), (Status::Parked, Some("confirming")), "{refused}");
        agency.breaks.assert_met();
        agency.breaks.heal();
        agency.house.owner.retry(parked.id, "they answer again").await.unwrap();
        let whole = agency.house.ended(parked.id).await;
        assert_eq!((whole.status, states(&whole)), (Status::Completed, vec!["confirmed"; 3]), "{refused}");
        let books = agency.books();
        for desk in ["flight", "hotel", "car"] {
            let bookings = books[desk]["bookings"].as_array().unwrap();
            assert_eq!((bookings.len(), &bookings[0][2]), (1, &json!("booked")), "{refused}: {books}");
        }
        agency.worker.end().await;
    }
}
