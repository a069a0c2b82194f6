//! Desks that sell flights, rooms and cars. Of `book-trip.yaml` a try holds a place, its confirm books it, and its
//! cancel lets it go. The agent of `plan-trip.yaml` books at once, and has it let go if it gives up.

use chancery_sdk::fence::sqlite::FenceError;
use chancery_sdk::{HandlerError, Task, Worker};
use example_participant::{OrNotDone as _, Participant, rows};
use rusqlite::{OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::Path;

/// A desk: what it sells, and what it has in the beginning.
struct Desk {
    hold: &'static str,
    book: &'static str,
    release: &'static str,
    file: &'static str,
    stock: &'static str,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS places (
        place TEXT PRIMARY KEY,
        free INTEGER NOT NULL CHECK (free >= 0),
        price INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS bookings (
        number INTEGER PRIMARY KEY,
        place TEXT NOT NULL,
        price INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('held', 'booked'))
    ) STRICT;
";

const FLIGHT: Desk = Desk {
    hold: "flight.hold",
    book: "flight.book",
    release: "flight.release",
    file: "flight.db",
    stock: "INSERT INTO places VALUES ('BER-LIS', 9, 120), ('BER-OSL', 9, 90), ('BER-PRG', 9, 60)
            ON CONFLICT DO NOTHING",
};
/// Oslo is full.
const HOTEL: Desk = Desk {
    hold: "hotel.hold",
    book: "hotel.book",
    release: "hotel.release",
    file: "hotel.db",
    stock: "INSERT INTO places VALUES ('LIS', 9, 80), ('OSL', 0, 150), ('PRG', 9, 50) ON CONFLICT DO NOTHING",
};
/// Prague has no cars.
const CAR: Desk = Desk {
    hold: "car.hold",
    book: "car.book",
    release: "car.release",
    file: "car.db",
    stock: "INSERT INTO places VALUES ('LIS', 9, 40), ('OSL', 9, 70) ON CONFLICT DO NOTHING",
};

/// The desks' databases. Clones share them.
#[derive(Debug, Clone)]
pub struct Desks {
    /// Of flights.
    pub flight: Participant,
    /// Of rooms.
    pub hotel: Participant,
    /// Of cars.
    pub car: Participant,
}

impl Desks {
    /// Opens the databases, and fills those that are new.
    ///
    /// # Errors
    /// If one can't be opened.
    pub fn open(data: &Path) -> Result<Self, FenceError> {
        let open = |desk: &Desk| Participant::open(&data.join(desk.file), &format!("{SCHEMA} {};", desk.stock));
        Ok(Self { flight: open(&FLIGHT)?, hotel: open(&HOTEL)?, car: open(&CAR)? })
    }
}

/// What is asked for at a desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wish {
    /// A flight.
    Flight {
        /// Where from.
        from: String,
        /// Where to.
        to: String,
    },
    /// A room, or a car.
    Stay {
        /// Where.
        city: String,
        /// How long; a day if nobody says.
        #[serde(default = "one")]
        nights: i64,
    },
}

/// What a desk holds for somebody, or has booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// What the desk calls it.
    pub id: String,
    /// Its number in the desk's book.
    pub number: i64,
    /// What it costs in all.
    pub price: i64,
}

const fn one() -> i64 {
    1
}

/// Adds the handlers of the desks.
#[must_use]
pub fn handle(worker: Worker, desks: &Desks) -> Worker {
    let all = [(FLIGHT, &desks.flight), (HOTEL, &desks.hotel), (CAR, &desks.car)];
    all.into_iter().fold(worker, |worker, (desk, db)| {
        let (to_hold, to_book, to_release) = (db.clone(), db.clone(), db.clone());
        worker
            .handle(desk.hold, move |task| hold(to_hold.clone(), task))
            .handle(desk.book, move |task| book(to_book.clone(), task))
            .handle(desk.release, move |task| release(to_release.clone(), task))
    })
}

/// What the desks have free and whom they have promised something, desk by desk.
///
/// # Errors
/// If a database is missing or can't be read.
pub fn books(data: &Path) -> Result<Value, rusqlite::Error> {
    let of = |desk: &Desk| {
        let database = data.join(desk.file);
        let free = rows(&database, "SELECT place, free FROM places ORDER BY place")?;
        let bookings = rows(&database, "SELECT place, price, state FROM bookings ORDER BY place, price, state")?;
        Ok::<_, rusqlite::Error>(json!({"free": free, "bookings": bookings}))
    };
    let desks = [("flight", of(&FLIGHT)?), ("hotel", of(&HOTEL)?), ("car", of(&CAR)?)];
    Ok(desks.into_iter().map(|(name, books)| (name.to_owned(), books)).collect::<Map<_, _>>().into())
}

/// Books at once, under a step's idempotency key. That there is no room is an answer, too: none.
///
/// # Errors
/// If the database does not take it.
pub async fn book_now(desk: &Participant, key: &str, wish: Wish) -> Result<Option<Booking>, HandlerError> {
    let booked = desk.forward(key, move |tx| Ok(json!(reserve(tx, &wish, "booked")?))).await?;
    Ok(serde_json::from_value(booked)?)
}

async fn hold(desk: Participant, task: Task) -> Result<Value, HandlerError> {
    let wish: Wish = task.input()?;
    desk.forward(task.fence_key(), move |tx| match reserve(tx, &wish, "held")? {
        Some(booking) => Ok(json!(booking)),
        None => Err(HandlerError::refused("Full", "there is no room")),
    })
    .await
}

async fn book(desk: Participant, task: Task) -> Result<Value, HandlerError> {
    desk.confirm(task.fence_key(), |tx, held| {
        let number = held.get("number").and_then(Value::as_i64);
        tx.execute("UPDATE bookings SET state = 'booked' WHERE number = ?1", [number]).or_not_done()?;
        Ok(())
    })
    .await
}

async fn release(desk: Participant, task: Task) -> Result<Value, HandlerError> {
    desk.undo(task.fence_key(), |tx, held| {
        // Where there was no room nothing is held.
        let Some(number) = held.get("number").and_then(Value::as_i64) else { return Ok(()) };
        let update = "UPDATE places SET free = free + 1
                      WHERE place = (SELECT place FROM bookings WHERE number = ?1)";
        tx.execute(update, [number]).or_not_done()?;
        tx.execute("DELETE FROM bookings WHERE number = ?1", [number]).or_not_done()?;
        Ok(())
    })
    .await
}

/// Takes a place, if there is one.
fn reserve(tx: &rusqlite::Transaction<'_>, wish: &Wish, state: &str) -> Result<Option<Booking>, HandlerError> {
    let (place, nights) = match wish {
        Wish::Flight { from, to } => (format!("{from}-{to}"), 1),
        Wish::Stay { city, nights } => (city.clone(), *nights),
    };
    let update = "UPDATE places SET free = free - 1 WHERE place = ?1 AND free > 0 RETURNING price";
    let price: Option<i64> = tx.query_row(update, [&place], |row| row.get(0)).optional().or_not_done()?;
    let Some(price) = price else { return Ok(None) };
    let price = price.saturating_mul(nights);
    let insert = "INSERT INTO bookings (place, price, state) VALUES (?1, ?2, ?3)";
    tx.execute(insert, params![place, price, state]).or_not_done()?;
    let number = tx.last_insert_rowid();
    Ok(Some(Booking { id: format!("{place}/{number}"), number, price }))
}
