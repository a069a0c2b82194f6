//! The agent as a program, which may be stopped and run again.

use chancery_sdk::api::open::OpenPermit;
use clap::Parser;
use more_examples::agent::{Outcome, Request, Tool, plan};
use more_examples::trip::{Desks, book_now};
use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;

/// Where it dies, if it is told to: as if it had been killed there.
const DIED: i32 = 9;

/// Plans a trip: a room in the first city that has one, and a flight.
///
/// It asks the server of the saved context, or of `CHANCERY_SERVER` and `CHANCERY_KEY`.
#[derive(Debug, Parser)]
struct Arguments {
    /// What the trip is called. Run again with the same name, it goes on with the same trip.
    trip: String,
    /// Where from.
    #[arg(long, default_value = "BER")]
    from: String,
    /// Where to; as often as there are cities, best first.
    #[arg(long = "to", default_values_t = ["OSL".to_owned(), "LIS".to_owned()])]
    cities: Vec<String>,
    /// How many nights.
    #[arg(long, default_value_t = 3)]
    nights: i64,
    /// What it may cost in all.
    #[arg(long, default_value_t = 1_000)]
    budget: i64,
    /// Die when it is about to book the flight.
    #[arg(long)]
    die: bool,
    /// The directory of the services' databases.
    #[arg(long, default_value = "example-data")]
    data: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Arguments { trip, from, cities, nights, budget, die, data } = Arguments::parse();
    std::fs::create_dir_all(&data)?;
    let (client, desks) = (more_examples::access::client()?, Desks::open(&data)?);
    let request = Request { trip, from, cities, nights, budget };
    let book = async |tool, permit: OpenPermit, wish| {
        let desk = match tool {
            Tool::Hotel => &desks.hotel,
            Tool::Flight if die => std::process::exit(DIED),
            Tool::Flight => &desks.flight,
        };
        writeln!(std::io::stderr(), "booking: {wish:?}")?;
        book_now(desk, &permit.idempotency_key, wish).await
    };
    let told = match plan(&client, &request, book).await? {
        Outcome::Planned(plan) => serde_json::to_string(&plan)?,
        Outcome::GaveUp(why) => format!("gave up: {why}; what was booked is let go"),
    };
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}
