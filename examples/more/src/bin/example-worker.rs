//! The desks and the bank as one worker process.

use chancery_sdk::Worker;
use clap::Parser;
use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Does and undoes the steps of book-trip.yaml, transfer.yaml and nightly.yaml, and undoes those of plan-trip.yaml.
///
/// It works for the server of the saved context, or of `CHANCERY_SERVER` and `CHANCERY_KEY`, until Ctrl-C.
#[derive(Debug, Parser)]
struct Arguments {
    /// The directory of the services' databases.
    #[arg(long, default_value = "example-data")]
    data: PathBuf,
    /// Show what the databases hold, and end.
    #[arg(long)]
    books: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Arguments { data, books } = Arguments::parse();
    if books {
        let books = serde_json::to_string(&more_examples::books(&data)?)?;
        writeln!(std::io::stdout(), "{books}")?;
        return Ok(());
    }
    std::fs::create_dir_all(&data)?;
    let worker = Worker::new(more_examples::access::client()?, "example-worker");
    let worker = more_examples::handle(worker.hold(Duration::from_secs(1)), &data)?;
    writeln!(std::io::stderr(), "working, with databases in {}; Ctrl-C ends it", data.display())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    worker
        .run(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await?;
    Ok(())
}
