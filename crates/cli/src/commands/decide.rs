//! `chancery decide`

use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::{fields, reason_line};
use crate::session::Session;
use chancery_api::decision::{Decide, Decision, Resource};
use chancery_base::PrincipalId;

/// Ask the tenant's policy whether somebody may do something; the decision is recorded. Exits 1 if it is denied.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery decide --action refund --resource Order::17 --context '{\"amount\": 120}'
  chancery decide --action ship --resource Order::17 --attribute total=250 \\
      --principal agt_… -o json")]
pub(crate) struct Args {
    /// What would be done: an action of the bundle's schema.
    #[arg(long, value_name = "ACTION")]
    action: String,
    /// To what: the entity type, `::`, and the id.
    #[arg(long, value_name = "TYPE::ID", value_parser = resource)]
    resource: (String, String),
    /// An attribute of the resource that the schema marks `@asserted`: JSON, else text. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    attribute: Vec<(String, String)>,
    /// What else the policies look at: a JSON object, @FILE, or - for the standard input.
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// Who would act; without it the caller.
    #[arg(long, value_name = "ID")]
    principal: Option<PrincipalId>,
}

/// `Type::id`, and `Namespace::Type::"id"` as Cedar writes it.
fn resource(text: &str) -> Result<(String, String), String> {
    let form = "write it as TYPE::ID, such as Order::17";
    let (entity_type, id) = match text.split_once("::\"") {
        Some((entity_type, quoted)) => (entity_type, quoted.strip_suffix('"').ok_or(form)?),
        None => text.rsplit_once("::").ok_or(form)?,
    };
    if entity_type.is_empty() || id.is_empty() {
        Err(form.to_owned())
    } else {
        Ok((entity_type.to_owned(), id.to_owned()))
    }
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let context = args.context.as_deref().map(|text| input::json_object("--context", text)).transpose()?;
    let (entity_type, id) = args.resource;
    let question = Decide {
        principal: args.principal,
        action: args.action,
        resource: Resource { entity_type, id, attributes: input::attributes(&args.attribute) },
        context: context.unwrap_or_default(),
    };
    let decision = session.client()?.decide(&question).await?;
    session.out.show(&decision, table)?;
    Ok(if decision.permitted { Exit::Ok } else { Exit::Failed })
}

fn table(decision: &Decision) -> String {
    let word = if decision.permitted { "permitted" } else { "denied" };
    let bundle = decision.bundle.map_or_else(|| "none is active".to_owned(), |digest| digest.to_string());
    let head = [
        ("outcome", Some(word.to_owned())),
        ("decision", Some(decision.decision.to_string())),
        ("bundle", Some(bundle)),
        ("entry", Some(decision.entry.to_string())),
    ];
    let reasons = decision.reasons.iter().map(|reason| ("because", Some(reason_line(reason))));
    fields(head.into_iter().chain(reasons))
}
