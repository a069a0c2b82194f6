//! `chancery bundle diff`

use super::named;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{plain, put};
use crate::session::Session;
use chancery_base::{Digest, Name};
use chancery_policy::Bundle;
use chancery_policy::diff::{self, Change};
use serde::Serialize;

/// Say in words how two bundles differ: policies, schema, entities, tests.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle diff policies-before/ policies/
  chancery bundle diff sha256:… policies/ --exit-code")]
pub(crate) struct Args {
    /// The earlier one: a digest, a directory or a file.
    #[arg(value_name = "BUNDLE")]
    before: String,
    /// The later one.
    #[arg(value_name = "BUNDLE")]
    after: String,
    /// Exit 1 if they differ.
    #[arg(long)]
    exit_code: bool,
}

/// What `diff -o json` writes.
#[derive(Debug, Serialize)]
struct Body {
    before: Which,
    after: Which,
    differences: Vec<Shown>,
}

#[derive(Debug, Serialize)]
struct Which {
    name: Name,
    version: u64,
    digest: Digest,
}

#[derive(Debug, Serialize)]
struct Shown {
    part: &'static str,
    name: String,
    change: &'static str,
    details: Vec<String>,
}

pub(super) async fn run(args: &Args, session: &Session) -> Result<Exit, CliError> {
    let (before, after) = (named::read(&args.before, session).await?, named::read(&args.after, session).await?);
    let differences: Vec<Shown> = diff::between(&before, &after).into_iter().map(shown).collect();
    let exit = if args.exit_code && !differences.is_empty() { Exit::Failed } else { Exit::Ok };
    session.out.show(&Body { before: which(&before), after: which(&after), differences }, table)?;
    Ok(exit)
}

fn which(bundle: &Bundle) -> Which {
    Which { name: bundle.name().clone(), version: bundle.version(), digest: bundle.digest() }
}

fn shown(difference: diff::Difference) -> Shown {
    let change = match difference.change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Changed => "changed",
    };
    Shown { part: difference.part.word(), name: difference.name, change, details: difference.details }
}

fn table(body: &Body) -> String {
    let Body { before, after, differences } = body;
    let mut text = format!("{} {} → {} {}", before.name, before.version, after.name, after.version);
    if differences.is_empty() {
        text.push_str("\nno difference");
    }
    for Shown { part, name, change, details } in differences {
        let sign = match *change {
            "added" => '+',
            "removed" => '-',
            _ => '~',
        };
        put(&mut text, format_args!("\n{sign} {part} {}", plain(name)));
        for line in details {
            put(&mut text, format_args!("\n    {}", plain(line)));
        }
    }
    text
}
