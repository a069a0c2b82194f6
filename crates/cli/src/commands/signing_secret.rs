//! `chancery signing-secret`

use crate::error::CliError;
use crate::exit::Exit;
use crate::key_file::NewKeyFile;
use crate::output::{Cell, fields};
use crate::session::Session;
use crate::show;
use chancery_api::Page;
use chancery_base::{SigningSecretId, TargetId};
use clap::Subcommand;
use serde::Serialize;
use std::path::PathBuf;

/// Issue, list and retire the secrets that calls of HTTP targets are signed with (Standard Webhooks).
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery signing-secret issue --secret-out payments.secret
  chancery signing-secret list
  chancery signing-secret retire whs_…")]
pub(crate) enum Command {
    Issue(IssueArgs),
    List(ListArgs),
    Retire(RetireArgs),
}

/// Issue a secret. It is shown once: with --secret-out it goes to a file with mode 0600 and is not shown at all.
///
/// To rotate one, issue another, give it to the receivers, then retire the first: in between calls are signed with both.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery signing-secret issue --secret-out payments.secret
  chancery signing-secret issue --target https://payments.example -o json | jq -r .secret")]
pub(crate) struct IssueArgs {
    /// The one target whose calls it signs; without it, those of every target that has none of its own.
    #[arg(long, value_name = "TARGET")]
    target: Option<TargetId>,
    /// The new file to write the secret to.
    #[arg(long, value_name = "FILE")]
    secret_out: Option<PathBuf>,
}

/// List the secrets: their ids and digests, never the secrets.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery signing-secret list
  chancery signing-secret list -o json")]
pub(crate) struct ListArgs {}

/// Destroy a secret: calls are not signed with it any more when this returns.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery signing-secret retire whs_…")]
pub(crate) struct RetireArgs {
    /// The secret's id.
    id: SigningSecretId,
}

/// A secret that went to a file: what can be shown of it.
#[derive(Debug, Serialize)]
struct Kept {
    id: SigningSecretId,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<TargetId>,
    secret_file: String,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::Issue(args) => issue(args, session).await,
        Command::List(ListArgs {}) => list(session).await,
        Command::Retire(args) => {
            session.client()?.signing_secret_retire(args.id).await?;
            session.out.say(&format!("{} is destroyed", args.id));
            Ok(Exit::Ok)
        }
    }
}

async fn issue(args: IssueArgs, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let file = args.secret_out.as_deref().map(NewKeyFile::create).transpose()?;
    let issued = client.signing_secret_issue(args.target).await?;
    if let (Some(file), Some(path)) = (file, args.secret_out) {
        file.write(&issued.secret.into_secret())?;
        let kept = Kept { id: issued.id, target: issued.target, secret_file: path.display().to_string() };
        session.out.show(&kept, |kept| {
            fields([
                ("id", Some(kept.id.to_string())),
                ("target", kept.target.as_ref().map(ToString::to_string)),
                ("file", Some(kept.secret_file.clone())),
            ])
        })?;
        return Ok(Exit::Ok);
    }
    session.out.show(&issued, |issued| {
        fields([
            ("id", Some(issued.id.to_string())),
            ("target", issued.target.as_ref().map(ToString::to_string)),
            ("secret", Some(issued.secret.clone().into_secret().expose().to_owned())),
        ])
    })?;
    session.out.say("the secret is not shown again");
    Ok(Exit::Ok)
}

async fn list(session: &Session) -> Result<Exit, CliError> {
    let items = session.client()?.signing_secrets().all().await?;
    session.out.show(&Page { items, next: None }, |page| {
        let mut grid = session.out.grid(&["SECRET", "TARGET", "ISSUED", "SHA-256"]);
        for secret in &page.items {
            grid.row([
                Cell::from(secret.id.to_string()),
                Cell::from(secret.target.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string)),
                Cell::from(show::time(secret.issued_at)),
                Cell::from(secret.hash.to_string()),
            ]);
        }
        grid.text_or("no secrets: calls are not signed")
    })?;
    Ok(Exit::Ok)
}
