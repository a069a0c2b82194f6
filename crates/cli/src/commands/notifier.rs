//! `chancery notifier`

use super::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::key_file;
use crate::output::{Cell, fields};
use crate::session::Session;
use crate::show::time;
use chancery_api::notifier::{Notifier, NotifierChannel, NotifierTested, NotifierTls, SetNotifier};
use chancery_base::Name;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// Tell people what is asked of them: by a signed webhook, or by mail.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery notifier set finance --smtp mail.example:587 --username chancery \\
      --password-file smtp.password --from chancery@example.org --to finance@example.org
  chancery notifier set desk --webhook https://desk.example/asked --event request.opened
  chancery notifier test finance
  chancery notifier list")]
pub(crate) enum Command {
    Set(Box<SetArgs>),
    List(ListArgs),
    Show(ShowArgs),
    Delete(DeleteArgs),
    Test(TestArgs),
}

/// Set a notifier: it tells of what happens from now on, and goes on where it stood if there was one of that name.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery notifier set desk --webhook https://desk.example/asked
  chancery notifier set finance --smtp mail.example:465 --tls tls --username chancery \\
      --password-file smtp.password --from chancery@example.org --to ann@example.org")]
pub(crate) struct SetArgs {
    /// Its name.
    name: Name,
    /// Where to POST, signed as calls of HTTP targets are: an origin that the node may call.
    #[arg(long, value_name = "URL", required_unless_present = "smtp", conflicts_with = "smtp")]
    webhook: Option<String>,
    /// The mail relay.
    #[arg(long, value_name = "HOST:PORT", value_parser = relay, requires = "from", requires = "to")]
    smtp: Option<(String, u16)>,
    /// How the connection to the relay is kept from being read.
    #[arg(long, value_enum, value_name = "MODE", default_value = "starttls")]
    tls: TlsArg,
    /// As whom mail is handed to the relay.
    #[arg(long, value_name = "NAME", requires = "smtp")]
    username: Option<String>,
    /// The file with the password, that only you may read; without it the one that is kept stays.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// From whom mail is.
    #[arg(long, value_name = "ADDRESS", requires = "smtp")]
    from: Option<String>,
    /// To whom mail goes. Can be repeated.
    #[arg(long, value_name = "ADDRESS", requires = "smtp")]
    to: Vec<String>,
    /// Of what it tells, such as `request.opened`; without it of all of it. Can be repeated.
    #[arg(long, value_name = "EVENT")]
    event: Vec<String>,
}

/// How the connection is kept from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TlsArg {
    /// It begins in the clear and must go on under TLS.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: for a relay next door that takes no password.
    None,
}

/// List notifiers: how often each told, what it tries again, and what it gave up.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery notifier list
  chancery notifier list -o json")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    page: PageArgs,
}

/// Show a notifier, never its password.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery notifier show finance")]
pub(crate) struct ShowArgs {
    /// Which.
    name: Name,
}

/// Delete a notifier, with its password.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery notifier delete finance")]
pub(crate) struct DeleteArgs {
    /// Which.
    name: Name,
}

/// Have a notifier tell something now, once. Exits 1 if it can't.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery notifier test finance")]
pub(crate) struct TestArgs {
    /// Which.
    name: Name,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    let notifier = match command {
        Command::List(args) => {
            return args.page.show(session, client.notifiers(), |items| table(items, session)).await;
        }
        Command::Delete(args) => {
            client.notifier_delete(&args.name).await?;
            session.out.say(&format!("notifier `{}` is deleted", args.name));
            return Ok(Exit::Ok);
        }
        Command::Test(args) => {
            let tested = client.notifier_test(&args.name).await?;
            session.out.show(&tested, tested_in_words)?;
            return Ok(if tested.told { Exit::Ok } else { Exit::Failed });
        }
        Command::Show(args) => client.notifier_get(&args.name).await?,
        Command::Set(args) => {
            let name = args.name.clone();
            client.notifier_set(&name, &settings(*args)?).await?
        }
    };
    session.out.show(&notifier, one)?;
    Ok(Exit::Ok)
}

fn settings(args: SetArgs) -> Result<SetNotifier, CliError> {
    let password = args.password_file.as_deref().map(key_file::read_private).transpose()?;
    let tls = match args.tls {
        TlsArg::Starttls => NotifierTls::Starttls,
        TlsArg::Tls => NotifierTls::Tls,
        TlsArg::None => NotifierTls::None,
    };
    let channel = match args.smtp {
        Some((host, port)) => {
            let from = args.from.unwrap_or_default();
            NotifierChannel::Smtp { host, port, tls, username: args.username, from, to: args.to }
        }
        None => NotifierChannel::Webhook { url: args.webhook.unwrap_or_default() },
    };
    let password = password.map(|password| password.expose().trim_end_matches(['\n', '\r']).to_owned());
    Ok(SetNotifier { channel, password, events: args.event })
}

/// `host:port`
fn relay(text: &str) -> Result<(String, u16), String> {
    let read = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match read {
        Some((host, port)) if !host.is_empty() && port > 0 => Ok((host.trim_matches(['[', ']']).to_owned(), port)),
        Some(_) | None => Err("write it as HOST:PORT, such as mail.example:587".to_owned()),
    }
}

fn to(channel: &NotifierChannel) -> String {
    match channel {
        NotifierChannel::Webhook { url } => url.clone(),
        NotifierChannel::Smtp { host, port, to, .. } => format!("{} by {host}:{port}", to.join(", ")),
    }
}

fn trouble(notifier: &Notifier) -> Option<String> {
    let retry = notifier.retrying.as_ref().map(|retry| {
        let (entry, attempts, at) = (retry.entry, retry.attempts, time(retry.next_at));
        format!("entry {entry}, attempt {attempts} failed, next {at}: {}", retry.error)
    });
    let given_up = notifier.given_up.as_ref();
    retry.or_else(|| given_up.map(|last| format!("gave up entry {}, {}: {}", last.entry, time(last.at), last.error)))
}

fn table(items: &[Notifier], session: &Session) -> String {
    let mut grid = session.out.grid(&["NOTIFIER", "TO", "TOLD", "FAILED", "TROUBLE"]);
    for notifier in items {
        grid.row([
            Cell::from(notifier.name.to_string()),
            Cell::from(to(&notifier.channel)),
            Cell::from(notifier.told.to_string()),
            Cell::from(notifier.failed.to_string()),
            Cell::from(trouble(notifier)),
        ]);
    }
    grid.text_or("no notifiers")
}

fn one(notifier: &Notifier) -> String {
    let events = if notifier.events.is_empty() { "all".to_owned() } else { notifier.events.join(", ") };
    fields([
        ("notifier", Some(notifier.name.to_string())),
        ("to", Some(to(&notifier.channel))),
        ("password", Some(if notifier.password { "kept" } else { "none" }.to_owned())),
        ("events", Some(events)),
        ("told", Some(notifier.told.to_string())),
        ("failed", Some(notifier.failed.to_string())),
        ("next entry", Some(notifier.next.to_string())),
        ("trouble", trouble(notifier)),
    ])
}

fn tested_in_words(tested: &NotifierTested) -> String {
    match &tested.error {
        None => "the receiver took it".to_owned(),
        Some(error) => format!("it was not told: {error}"),
    }
}
