//! `chancery bundle rules`

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::fields;
use crate::session::Session;
use chancery_api::bundle::BundleRules;
use clap::ValueEnum;

/// Show what a bundle needs to be put into force, or say it: an entry in the ledger.
///
/// With a second person, whoever pushed a bundle does not put it into force, owners included. With N signatures, that
/// many of those whom `signer list` shows have signed it. A tenant begins without either.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle rules
  chancery bundle rules --second-person on --signatures 2
  chancery bundle rules --signatures 0")]
pub(crate) struct Args {
    /// Whether somebody else than who pushed it has to.
    #[arg(long, value_name = "on|off")]
    second_person: Option<Switch>,
    /// How many trusted signers must have signed it.
    #[arg(long, value_name = "N")]
    signatures: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

pub(super) async fn run(args: &Args, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let before = client.bundle_rules().await?;
    let rules = BundleRules {
        second_person: args.second_person.map_or(before.second_person, |switch| switch == Switch::On),
        signatures: args.signatures.unwrap_or(before.signatures),
    };
    let is_said = args.second_person.is_some() || args.signatures.is_some();
    let stands = if is_said { client.bundle_rules_set(&rules).await? } else { before };
    session.out.show(&stands, |rules| {
        let person = if rules.second_person { "somebody else than who pushed it" } else { "anyone who may" };
        fields([("puts it into force", Some(person.to_owned())), ("signatures", Some(rules.signatures.to_string()))])
    })?;
    Ok(Exit::Ok)
}
