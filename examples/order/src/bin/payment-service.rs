//! The payment service as a process.

use clap::Parser;
use order_example::payments::{Payments, Rules};
use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Charges and refunds over plain HTTP, once per `Idempotency-Key`.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; with port 0 any free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The directory of the database and of the log of calls, payments.jsonl.
    #[arg(long)]
    data: PathBuf,
    /// Take every card, also those that should be declined.
    #[arg(long)]
    accept_all: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Arguments { listen, data, accept_all } = Arguments::parse();
    std::fs::create_dir_all(&data)?;
    let service = Payments::open(&data, Rules { accepts_all: accept_all })?;
    let listener = TcpListener::bind(listen).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "http://{}", listener.local_addr()?)?;
    stdout.flush()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ended = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    axum::serve(listener, service.router()).with_graceful_shutdown(ended).await?;
    Ok(())
}
