//! The demo: four orders through a server that is killed on the way, and the proof afterwards, offline.
//!
//! Everything that it expects is checked; whatever is otherwise ends it with status 1.

mod children;
mod cli;
mod deviation;
mod orders;
mod proof;
mod stage;

use clap::Parser;
use deviation::Deviation;
use stage::{Sabotage, Stage};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Runs four orders through a server that is killed on the way, and verifies the receipts offline.
#[derive(Debug, Parser)]
struct Arguments {
    /// The `chancery` program; else the one beside this program.
    #[arg(long, env = "CHANCERY_BIN")]
    chancery: Option<PathBuf>,
    /// The folder with create-order.yaml and the bundle.
    #[arg(long, default_value = "examples/order")]
    examples: PathBuf,
    /// Leave the server up at the end, if this is not empty and not 0.
    #[arg(long, env = "KEEP", default_value = "")]
    keep: String,
    /// Make something go wrong, which the demo must notice.
    #[arg(long, env = "DEMO_SABOTAGE", value_enum)]
    sabotage: Option<Sabotage>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = tokio::select! {
        ended = play(arguments) => ended,
        () = interrupted() => Err(Deviation::Interrupted),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(deviation) => {
            // Nothing is left to be told if this can't be written.
            drop(writeln!(std::io::stderr(), "\nDEVIATION: {deviation}"));
            ExitCode::FAILURE
        }
    }
}

async fn play(arguments: Arguments) -> Result<(), Deviation> {
    let keep = !matches!(arguments.keep.as_str(), "" | "0");
    let mut stage = Stage::new(arguments.chancery, arguments.examples, arguments.sabotage)?;
    let played = act(&mut stage, keep).await;
    if let Err(deviation) = played {
        stage.show_logs();
        return Err(deviation);
    }
    say("\nAll is as expected.");
    if keep {
        stage.leave();
    }
    Ok(())
}

async fn act(stage: &mut Stage, keep: bool) -> Result<(), Deviation> {
    stage.set().await?;
    let orders = [
        orders::completes(stage).await?,
        orders::payment_declined(stage).await?,
        orders::agent_over_limit(stage).await?,
        orders::server_killed(stage).await?,
    ];
    let proofs = proof::fetch(stage, &orders).await?;
    stage.stop_server().await?;
    proof::verify(stage, &proofs).await?;
    if keep { stage.start_server().await } else { stage.stop_all().await }
}

/// Told to stop, by a terminal or another program.
async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// A line for whoever watches.
fn say(line: &str) {
    // A closed terminal is no reason to stop.
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// A heading.
fn head(line: &str) {
    say(&format!("\n== {line}"));
}
