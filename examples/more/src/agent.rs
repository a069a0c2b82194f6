//! An agent that plans a trip. What it does next depends on what came of what it did before, so nobody could write its
//! steps down beforehand: it is the driver of an open transaction.
//!
//! It looks for a room in one city after the other, takes a flight to the first that has one, and gives up if both
//! together are too dear. Stopped anywhere and run again it goes on where it was: a step that was done gives what it
//! gave.

use crate::trip::{Booking, Wish};
use chancery_sdk::api::open::OpenPermit;
use chancery_sdk::{Client, Error, HandlerError, Name, Open, OpenError, Start, TransactionId};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What the agent is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// What the trip is called: run again with the same name, it is the same trip.
    pub trip: String,
    /// Where from.
    pub from: String,
    /// Where to, best first.
    pub cities: Vec<String>,
    /// How many nights.
    pub nights: i64,
    /// What it may cost in all.
    pub budget: i64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All is booked.
    Planned(Plan),
    /// It gave up, and what it had booked is let go: why.
    GaveUp(&'static str),
}

/// A trip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where to.
    pub city: String,
    /// The room.
    pub hotel: Booking,
    /// The way.
    pub flight: Booking,
}

/// Where the agent books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Rooms.
    Hotel,
    /// Flights.
    Flight,
}

/// Plans the trip. `book` is called for each step that was not done before, with the permit to do it.
///
/// # Errors
/// If a step is denied or came too late, the transaction has ended in an earlier run, or the server refuses.
pub async fn plan<B>(client: &Client, request: &Request, book: B) -> Result<Outcome, OpenError>
where
    B: AsyncFn(Tool, OpenPermit, Wish) -> Result<Option<Booking>, HandlerError>,
{
    let start = Start::new(name("plan-trip")?, json!(request)).idempotency_key(&request.trip);
    let open = match client.begin(&start).await {
        Err(OpenError::Ended(ended)) => return came_to(client, ended.id).await,
        begun => begun?,
    };
    let why = match search(&open, request, &book).await {
        Ok(Ok(plan)) => {
            open.commit(&plan).await?;
            return Ok(Outcome::Planned(plan));
        }
        Ok(Err(why)) => why,
        // It may have been done all the same: then it is let go with the rest.
        Err(OpenError::Failed { .. }) => "a step failed",
        Err(error) => return Err(error),
    };
    open.abort(why).await?;
    Ok(Outcome::GaveUp(why))
}

/// What a trip came to that is over already: whoever runs the agent again is told the same.
async fn came_to(client: &Client, id: TransactionId) -> Result<Outcome, OpenError> {
    let step = name("plan-trip")?;
    match client.wait(id).await?.output {
        Some(plan) => {
            let plan = serde_json::from_value(plan).map_err(|source| OpenError::Recorded { step, source })?;
            Ok(Outcome::Planned(plan))
        }
        None => Ok(Outcome::GaveUp("it gave up before")),
    }
}

/// Looks for a trip, and says why there is none.
async fn search<B>(open: &Open, request: &Request, book: &B) -> Result<Result<Plan, &'static str>, OpenError>
where
    B: AsyncFn(Tool, OpenPermit, Wish) -> Result<Option<Booking>, HandlerError>,
{
    for city in &request.cities {
        let wish = Wish::Stay { city: city.clone(), nights: request.nights };
        let Some(hotel) = step(open, &format!("hotel-{city}"), Tool::Hotel, wish, book).await? else { continue };
        let wish = Wish::Flight { from: request.from.clone(), to: city.clone() };
        let Some(flight) = step(open, "flight", Tool::Flight, wish, book).await? else {
            return Ok(Err("there is no flight"));
        };
        if hotel.price.saturating_add(flight.price) > request.budget {
            return Ok(Err("it is too dear"));
        }
        return Ok(Ok(Plan { city: city.clone(), hotel, flight }));
    }
    Ok(Err("there is no room"))
}

/// Books something as a step. None is an answer that is recorded like any other: a step that failed would be tried
/// again when the agent runs again, and might end otherwise.
async fn step<B>(open: &Open, id: &str, tool: Tool, wish: Wish, book: &B) -> Result<Option<Booking>, OpenError>
where
    B: AsyncFn(Tool, OpenPermit, Wish) -> Result<Option<Booking>, HandlerError>,
{
    let undo = match tool {
        Tool::Hotel => "hotel.release",
        Tool::Flight => "flight.release",
    };
    let step = open.step(id, json!(wish))?.undo(name(undo)?);
    step.run(async |permit| book(tool, permit, wish).await).await
}

fn name(text: &str) -> Result<Name, OpenError> {
    let invalid = |reason: String| OpenError::Client(Error::Request { operation: "plan_trip", reason });
    text.parse().map_err(|error| invalid(format!("`{text}`: {error}")))
}
