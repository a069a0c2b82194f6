//! `chancery bundle simulate`

use crate::bundle_source;
use crate::commands::decide::{Question, demand_line};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{fields, reason_line};
use crate::session::Session;
use chancery_api::bundle::{SimulateBundle, Simulated};
use chancery_api::decision::Decide;
use chancery_base::Digest;
use std::path::Path;

/// Ask a bundle that need not be active, or even pushed; nothing is recorded. Exits 1 if it denies.
///
/// Principals are those of the server's directory.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle simulate policies/ --principal agt_… --action ship --resource Order::17
  chancery bundle simulate sha256:… --principal agt_… --action refund --resource Order::17 \\
      --context '{\"amount\": 120}' -o json")]
pub(crate) struct Args {
    /// A digest, a directory with a `bundle.yaml`, or one JSON or YAML document.
    #[arg(value_name = "BUNDLE")]
    bundle: String,
    #[command(flatten)]
    question: Question,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let question = args.question.read()?;
    let simulated = match args.bundle.parse::<Digest>() {
        Ok(digest) => session.client()?.bundle_simulate(digest, &question).await?,
        Err(_) => unpushed(&args.bundle, question, session).await?,
    };
    session.out.show(&simulated, |simulated| {
        let word = if simulated.permitted { "would be permitted" } else { "would be denied" };
        let head = [("outcome", Some(word.to_owned())), ("bundle", Some(simulated.bundle.to_string()))];
        let reasons = simulated.reasons.iter().map(|reason| ("because", Some(reason_line(reason))));
        let demands = simulated.obligations.iter().map(|obligation| ("demanded", Some(demand_line(obligation))));
        fields(head.into_iter().chain(reasons).chain(demands))
    })?;
    Ok(if simulated.permitted { Exit::Ok } else { Exit::Failed })
}

/// Asks a bundle that the server does not have.
async fn unpushed(bundle: &str, question: Decide, session: &Session) -> Result<Simulated, CliError> {
    let source = bundle_source::read(Path::new(bundle))?;
    source.check(1)?;
    let asked = SimulateBundle { bundle: source.document(1), question };
    Ok(session.client()?.bundle_simulate_source(&asked).await?)
}
