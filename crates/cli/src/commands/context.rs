//! `chancery context`

use crate::context::{self, Context};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::fields;
use crate::session::{Session, verifier_key};
use chancery_api::OneTimeKey;
use chancery_sdk::{Client, ClientOptions};
use clap::Subcommand;
use serde::Serialize;
use std::time::Duration;

/// Show or save which server is used, as whom, and the key that verifies its ledger.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery context set --server http://127.0.0.1:8080 --key-file owner.key
  chancery context show")]
pub(crate) enum Command {
    Show(ShowArgs),
    Set(SetArgs),
}

/// Show the saved context. Of the key, only its id.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery context show
  chancery context show -o json --context-file ./team.json")]
pub(crate) struct ShowArgs {}

/// Save the context: what is named replaces what was saved, the rest stays. The file gets mode 0600.
///
/// Without --verifier-key the server is asked for its verifier key once, and the answer is trusted from then on. To
/// trust nobody, get the key from whoever runs the server.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery context set --server http://127.0.0.1:8080 --key-file owner.key
  chancery context set --verifier-key acme+1f2e3d4c+ATqv…
  chancery context set --context-file ./team.json \\
      --server https://chancery.example --key-file me.key")]
pub(crate) struct SetArgs {
    /// The key that checks the server's checkpoints: its text, or a file with it.
    #[arg(long, value_name = "TEXT|FILE")]
    verifier_key: Option<String>,
}

/// What is shown of a context.
#[derive(Debug, Serialize)]
struct Shown {
    file: String,
    server: Option<String>,
    key: Option<String>,
    verifier_key: Option<String>,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::Show(ShowArgs {}) => {
            let context = session.context()?;
            show(session, &context)
        }
        Command::Set(args) => set(args, session).await,
    }
}

async fn set(args: SetArgs, session: &Session) -> Result<Exit, CliError> {
    let path = session.context_path()?;
    let mut context = context::load(&path)?;
    let before = context.server.clone();
    if let Some(server) = session.server() {
        context.server = Some(server.to_owned());
    }
    let moved = context.server != before;
    if moved {
        // Neither key says anything of another server.
        context.key = None;
        context.verifier_key = None;
    }
    let key = session.key()?;
    let key_is_new = key.is_some();
    if let Some(key) = key {
        context.key = Some(OneTimeKey::new(key));
    }
    match args.verifier_key {
        Some(named) => context.verifier_key = Some(verifier_key(&named)?.to_string()),
        None if moved || (key_is_new && context.verifier_key.is_none()) => {
            context.verifier_key = ask_for_verifier_key(&context, session).await;
        }
        None => {}
    }
    context::save(&path, &context)?;
    show(session, &context)
}

/// Asks the server; where it does not say, the context is saved without.
async fn ask_for_verifier_key(context: &Context, session: &Session) -> Option<String> {
    let (server, key) = (context.server.clone()?, context.key.clone()?);
    let patience = Duration::ZERO;
    let client = Client::new(ClientOptions { patience, ..ClientOptions::new(server, key.into_secret()) });
    let asked = match client {
        Ok(client) => client.verifier_key().await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(text) => {
            session.out.say("the verifier key is the one that the server gave; whoever runs it can confirm it");
            Some(text)
        }
        Err(error) => {
            session.out.say(&format!("no verifier key was saved: {error}; name it with --verifier-key"));
            None
        }
    }
}

fn show(session: &Session, context: &Context) -> Result<Exit, CliError> {
    let shown = Shown {
        file: session.context_path()?.display().to_string(),
        server: context.server.clone(),
        key: context.key.clone().map(|key| key_id(key.into_secret().expose())),
        verifier_key: context.verifier_key.clone(),
    };
    session.out.show(&shown, |shown| {
        let or_none = |value: &Option<String>| Some(value.clone().unwrap_or_else(|| "none".to_owned()));
        fields([
            ("file", Some(shown.file.clone())),
            ("server", or_none(&shown.server)),
            ("key", or_none(&shown.key)),
            ("verifier key", or_none(&shown.verifier_key)),
        ])
    })?;
    Ok(Exit::Ok)
}

/// The public part of an API key: `chk_<id>_<secret>` has the id `key_<id>`.
fn key_id(key: &str) -> String {
    let id = key.strip_prefix("chk_").and_then(|rest| rest.split_once('_')).map(|(id, _)| id);
    id.map_or_else(|| "of an unknown form".to_owned(), |id| format!("key_{id}"))
}
