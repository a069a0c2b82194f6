//! `chancery capability`

mod offline;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::fields;
use crate::session::Session;
use clap::Subcommand;

/// Look at, narrow, check and revoke capability tokens. All but `keys` and `revoke` need no server.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery capability keys > chancery.keys
  chancery capability inspect task.token
  chancery capability attenuate task.token --action refund --expires 60s > narrow.token
  chancery capability verify narrow.token --key chancery.keys --action refund \\
      --resource Order::17 --no-proof
  chancery capability revoke cap_… --justification 'the worker was stolen'")]
pub(crate) enum Command {
    Keys(KeysArgs),
    Inspect(offline::InspectArgs),
    Attenuate(offline::AttenuateArgs),
    Verify(offline::VerifyArgs),
    Revoke(RevokeArgs),
}

/// Show the public keys that capability tokens are checked with, one a line: the first one signs.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery capability keys > chancery.keys
  chancery capability keys -o json")]
pub(crate) struct KeysArgs {}

/// Revoke the capability token of an attempt that is out: the attempt ends, and what its worker reports is not taken.
///
/// What can be undone is undone, since it may have taken effect. Who checks the token without the server takes it until
/// it expires.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery capability revoke cap_… --justification 'the worker was stolen'")]
pub(crate) struct RevokeArgs {
    /// The token's id, as `chancery capability inspect` shows it.
    id: String,
    /// Why: it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    justification: String,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::Keys(KeysArgs {}) => {
            let keys = session.client()?.capability_keys().await?;
            let line = |keys: &[chancery_base::PublicKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
            session.out.show(&keys, |keys| line(&keys.keys).join("\n"))?;
        }
        Command::Revoke(args) => {
            let revoked = session.client()?.capability_revoke(&args.id, &args.justification).await?;
            session.out.show(&revoked, |revoked| {
                fields([("revoked", Some(revoked.id.clone())), ("entry", Some(revoked.seq.to_string()))])
            })?;
        }
        Command::Inspect(args) => offline::inspect(&args, session)?,
        Command::Attenuate(args) => offline::attenuate(args, session)?,
        Command::Verify(args) => offline::verify(args, session)?,
    }
    Ok(Exit::Ok)
}
