//! `chancery tenant`

use crate::error::CliError;
use crate::exit::Exit;
use crate::key_file::NewKeyFile;
use crate::output::fields;
use crate::session::Session;
use chancery_base::{PrincipalId, TenantId};
use clap::Subcommand;
use serde::Serialize;
use std::path::PathBuf;

/// Make tenants: the boundary of data, policy and ledger.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery tenant create acme --key-out acme-owner.key")]
pub(crate) enum Command {
    Create(CreateArgs),
}

/// Make a tenant, its owner and the owner's key. Takes the role platform-operator in the tenant `system`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery tenant create acme --key-out acme-owner.key
  chancery tenant create acme --key-file system.key --key-out acme-owner.key -o json")]
pub(crate) struct CreateArgs {
    /// Its name: a-z, 0-9 and -, at most 63 characters.
    name: TenantId,
    /// The new file to write the owner's key to, with mode 0600; without it the key is shown, once.
    #[arg(long, value_name = "FILE")]
    key_out: Option<PathBuf>,
}

/// A tenant whose owner's key went to a file.
#[derive(Debug, Serialize)]
struct Kept {
    tenant: TenantId,
    owner: PrincipalId,
    key_file: String,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let Command::Create(args) = command;
    let client = session.client()?;
    let file = args.key_out.as_deref().map(NewKeyFile::create).transpose()?;
    let made = client.tenant_create(args.name).await?;
    if let (Some(file), Some(path)) = (file, args.key_out) {
        file.write(&made.key.into_secret())?;
        let kept = Kept { tenant: made.tenant, owner: made.owner, key_file: path.display().to_string() };
        session.out.show(&kept, |kept| {
            fields([
                ("tenant", Some(kept.tenant.to_string())),
                ("owner", Some(kept.owner.to_string())),
                ("key file", Some(kept.key_file.clone())),
            ])
        })?;
        return Ok(Exit::Ok);
    }
    session.out.show(&made, |made| {
        fields([
            ("tenant", Some(made.tenant.to_string())),
            ("owner", Some(made.owner.to_string())),
            ("key", Some(made.key.clone().into_secret().expose().to_owned())),
        ])
    })?;
    session.out.say("the key is not shown again");
    Ok(Exit::Ok)
}
