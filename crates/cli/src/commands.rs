//! The commands, one module each.

mod apply;
mod budget;
mod bundle;
mod capability;
mod completions;
mod compliance;
mod context;
mod decide;
mod definition;
mod dev;
mod event;
mod evidence;
mod export;
mod init;
mod key;
mod ledger;
mod maintenance;
mod migrate;
mod notifier;
mod overrides;
mod principal;
mod queue;
mod receipt;
mod report;
mod request;
mod retention;
mod run;
mod schedule;
mod serve;
mod settings;
mod signer;
mod signing_secret;
mod stop;
mod target;
mod tenant;
mod tx;
mod verify;

pub(crate) use tx::{Branch, Summary};

use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;
use clap::Subcommand;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
    Serve(serve::Args),
    Dev(dev::Args),
    #[command(subcommand)]
    Migrate(migrate::Command),
    Run(run::Args),
    #[command(subcommand)]
    Tx(tx::Command),
    Receipt(receipt::Args),
    Export(export::Args),
    Verify(verify::Args),
    #[command(subcommand)]
    Compliance(compliance::Command),
    #[command(subcommand)]
    Report(report::Command),
    #[command(subcommand)]
    Evidence(evidence::Command),
    #[command(subcommand)]
    Definition(definition::Command),
    #[command(subcommand)]
    Bundle(bundle::Command),
    Decide(decide::Args),
    Apply(apply::ApplyArgs),
    Diff(apply::DiffArgs),
    #[command(subcommand)]
    Ledger(ledger::Command),
    #[command(subcommand)]
    Maintenance(maintenance::Command),
    #[command(subcommand)]
    Stop(stop::Command),
    #[command(subcommand)]
    Budget(budget::Command),
    #[command(subcommand)]
    Override(overrides::Command),
    #[command(subcommand)]
    Notifier(notifier::Command),
    #[command(subcommand)]
    Retention(retention::Command),
    #[command(subcommand)]
    Queue(queue::Command),
    #[command(subcommand)]
    Settings(settings::Command),
    #[command(subcommand)]
    Schedule(schedule::Command),
    #[command(subcommand)]
    Request(request::Command),
    #[command(subcommand)]
    Event(event::Command),
    #[command(subcommand)]
    Target(target::Command),
    #[command(subcommand)]
    SigningSecret(signing_secret::Command),
    #[command(subcommand)]
    Signer(signer::Command),
    #[command(subcommand)]
    Capability(capability::Command),
    #[command(subcommand)]
    Tenant(tenant::Command),
    #[command(subcommand)]
    Principal(principal::Command),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Context(context::Command),
    Completions(completions::Args),
}

/// Does it.
pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::Init(args) => Box::pin(init::run(args, session)).await,
        Command::Serve(args) => Box::pin(serve::run(args, session)).await,
        Command::Dev(args) => Box::pin(dev::run(args, session)).await,
        Command::Migrate(command) => Box::pin(migrate::run(command, session)).await,
        Command::Run(args) => Box::pin(run::run(args, session)).await,
        Command::Tx(command) => Box::pin(tx::run(command, session)).await,
        Command::Receipt(args) => receipt::run(args, session).await,
        Command::Export(args) => Box::pin(export::run(args, session)).await,
        Command::Verify(args) => verify::run(args, session),
        Command::Compliance(command) => Box::pin(compliance::run(command, session)).await,
        Command::Report(command) => Box::pin(report::run(command, session)).await,
        Command::Evidence(command) => Box::pin(evidence::run(command, session)).await,
        Command::Definition(command) => Box::pin(definition::run(command, session)).await,
        Command::Bundle(command) => Box::pin(bundle::run(command, session)).await,
        Command::Apply(args) => Box::pin(apply::run(args, session)).await,
        Command::Diff(args) => Box::pin(apply::diff(args, session)).await,
        Command::Decide(args) => decide::run(args, session).await,
        Command::Ledger(command) => Box::pin(ledger::run(command, session)).await,
        Command::Maintenance(command) => maintenance::run(command, session).await,
        Command::Stop(command) => Box::pin(stop::run(command, session)).await,
        Command::Budget(command) => Box::pin(budget::run(command, session)).await,
        Command::Notifier(command) => Box::pin(notifier::run(command, session)).await,
        Command::Override(command) => Box::pin(overrides::run(command, session)).await,
        Command::Retention(command) => retention::run(command, session).await,
        Command::Queue(command) => Box::pin(queue::run(command, session)).await,
        Command::Settings(command) => Box::pin(settings::run(command, session)).await,
        Command::Schedule(command) => Box::pin(schedule::run(command, session)).await,
        Command::Request(command) => Box::pin(request::run(command, session)).await,
        Command::Event(command) => Box::pin(event::run(command, session)).await,
        Command::Target(command) => Box::pin(target::run(command, session)).await,
        Command::SigningSecret(command) => Box::pin(signing_secret::run(command, session)).await,
        Command::Signer(command) => Box::pin(signer::run(command, session)).await,
        Command::Capability(command) => Box::pin(capability::run(command, session)).await,
        Command::Tenant(command) => tenant::run(command, session).await,
        Command::Principal(command) => Box::pin(principal::run(command, session)).await,
        Command::Key(command) => Box::pin(key::run(command, session)).await,
        Command::Context(command) => Box::pin(context::run(command, session)).await,
        Command::Completions(args) => completions::run(&args, session),
    }
}

/// How much of a list to show.
#[derive(Debug, clap::Args)]
pub(crate) struct PageArgs {
    /// How many items at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Go on after an earlier page: what it named as `next`.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl PageArgs {
    /// Fetches the page, shows it, and says where the next one begins.
    async fn show<T>(
        self,
        session: &Session,
        pages: chancery_sdk::client::Pages<T>,
        table: impl FnOnce(&[T]) -> String,
    ) -> Result<Exit, CliError>
    where
        T: serde::Serialize + serde::de::DeserializeOwned,
    {
        let mut pages = pages.limit(usize::try_from(self.limit).unwrap_or(usize::MAX));
        if let Some(cursor) = self.cursor {
            pages = pages.after(cursor);
        }
        let items = pages.next().await?.unwrap_or_default();
        let page = chancery_api::Page { items, next: pages.cursor().map(str::to_owned) };
        session.out.show(&page, |page| table(&page.items))?;
        if let Some(next) = page.next.filter(|_| session.out.is_table()) {
            session.out.say(&format!("there is more: --cursor {next}"));
        }
        Ok(Exit::Ok)
    }
}
