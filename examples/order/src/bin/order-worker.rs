//! Inventory, shipping and notification as one worker process.

use chancery_sdk::{Client, ClientOptions, Secret, Worker};
use clap::Parser;
use example_participant::Participant;
use order_example::{inventory, notification, shipping};
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Does the steps of create-order.yaml that are not payments.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server, such as `http://127.0.0.1:7400`.
    #[arg(long, env = "CHANCERY_SERVER")]
    server: String,
    /// The file with the worker's API key.
    #[arg(long)]
    key_file: PathBuf,
    /// The directory of the services' databases.
    #[arg(long)]
    data: PathBuf,
    /// What this process is called.
    #[arg(long, default_value = "order-worker-1")]
    instance: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Arguments { server, key_file, data, instance } = Arguments::parse();
    let key = Secret::new(std::fs::read_to_string(&key_file)?.trim().to_owned());
    let client = Client::new(ClientOptions::new(server, key))?;
    std::fs::create_dir_all(&data)?;
    let worker = Worker::new(client, instance).version(env!("CARGO_PKG_VERSION")).hold(Duration::from_secs(1));
    let worker = inventory::handle(worker, Participant::open(&data.join("inventory.db"), inventory::SCHEMA)?);
    let worker = shipping::handle(worker, Participant::open(&data.join("shipping.db"), shipping::SCHEMA)?);
    let worker = notification::handle(worker, Participant::open(&data.join("notification.db"), notification::SCHEMA)?);
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
