//! `chancery bundle simulate`

use super::named;
use crate::commands::decide::{Question, demand_line};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{fields, reason_line};
use crate::session::Session;
use chancery_api::bundle::Simulated;
use chancery_api::decision::Decide;
use chancery_base::Digest;
use chancery_policy::{Directory, EntityRef, Principal, Request, ResourceRef};
use chancery_sdk::Client;
use chancery_shard::decide;

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
        Err(_) => here(&args.bundle, question, session).await?,
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

/// Asks a bundle that the server does not have, with the server's directory.
async fn here(bundle: &str, question: Decide, session: &Session) -> Result<Simulated, CliError> {
    let Some(principal) = question.principal else {
        return Err(CliError::Usage("name who would act with --principal".to_owned()));
    };
    let bundle = named::read(bundle, session).await?;
    let directory = directory(&session.client()?).await?;
    let resource = ResourceRef {
        entity: EntityRef::new(question.resource.entity_type, question.resource.id),
        attributes: question.resource.attributes,
        parents: Vec::new(),
    };
    let (principal, action) = (principal.into(), question.action);
    let request = Request { principal, action, resource, context: question.context, irreversible: false };
    Ok(chancery_server::simulated(&decide(&bundle, &directory, &request)))
}

/// The server's directory.
async fn directory(client: &Client) -> Result<Directory, CliError> {
    let principals = client.principals().all().await?;
    let principal = |found: chancery_api::principal::Principal| Principal {
        id: found.id,
        name: found.name,
        roles: found.roles.into_iter().collect(),
        attributes: found.attributes,
        suspended: found.suspended,
    };
    Directory::new(principals.into_iter().map(principal)).map_err(|error| CliError::Missing(error.to_string()))
}
