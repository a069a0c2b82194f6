//! `chancery signer`

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Cell;
use crate::session::{Session, verifier_key};
use chancery_api::Page;
use clap::Subcommand;

/// Say whose signatures of bundles count: public keys, as `chancery bundle keygen` makes them.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery signer add ann.public
  chancery signer list
  chancery signer remove ann")]
pub(crate) enum Command {
    Add(AddArgs),
    List(ListArgs),
    Remove(RemoveArgs),
}

/// Have somebody's signatures count: an entry in the ledger.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery signer add ann+1e2f3a4b+AQ…
  chancery signer add ann.public")]
pub(crate) struct AddArgs {
    /// The signer's public key, or a file with it.
    #[arg(value_name = "KEY|FILE")]
    signer: String,
}

/// List those whose signatures count.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery signer list
  chancery signer list -o json")]
pub(crate) struct ListArgs {}

/// Have somebody's signatures count no longer: an entry in the ledger. What is in force stays so.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery signer remove ann")]
pub(crate) struct RemoveArgs {
    /// The signer's name.
    name: String,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    match command {
        Command::Add(args) => {
            let added = client.signer_add(&verifier_key(&args.signer)?.to_string()).await?;
            session.out.show(&added, |signer| format!("signatures of {} count: {}", signer.name, signer.key))?;
        }
        Command::List(ListArgs {}) => {
            let items = client.signers().all().await?;
            session.out.show(&Page { items, next: None }, |page| {
                let mut grid = session.out.grid(&["SIGNER", "PUBLIC KEY"]);
                for signer in &page.items {
                    grid.row([Cell::from(signer.name.as_str()), Cell::from(signer.key.as_str())]);
                }
                grid.text_or("no signers")
            })?;
        }
        Command::Remove(args) => {
            client.signer_remove(&args.name).await?;
            session.out.say(&format!("signatures of {} count no longer", args.name));
        }
    }
    Ok(Exit::Ok)
}
