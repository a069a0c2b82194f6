//! `chancery decide`

use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::{fields, reason_line};
use crate::session::Session;
use chancery_api::decision::{Decide, DecideSubject, Decision, Demand, Obligation, Outcome, Resource, Risk, RiskLevel};
use chancery_base::{Name, PrincipalId};
use serde_json::Value;

/// Ask the tenant's policy whether somebody may do something; the decision is recorded. Exits 1 if it is denied.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery decide --action refund --resource Order::17 --context '{\"amount\": 120}'
  chancery decide --action ship --resource Order::17 --attribute total=250 \\
      --principal agt_… -o json
  chancery decide --action can_read_todos --resource todo::1 --subject user::beth \\
      --subject-attribute role=viewer")]
pub(crate) struct Args {
    #[command(flatten)]
    question: Question,
}

/// May somebody do this to that?
#[derive(Debug, clap::Args)]
pub(crate) struct Question {
    /// What would be done: an action of the bundle's schema.
    #[arg(long, value_name = "ACTION")]
    action: String,
    /// To what: the entity type, `::`, and the id.
    #[arg(long, value_name = "TYPE::ID", value_parser = entity)]
    resource: (String, String),
    /// An attribute of the resource that the schema marks `@asserted`: JSON, else text. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    attribute: Vec<(String, String)>,
    /// What else the policies look at: a JSON object, @FILE, or - for the standard input.
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// Who would act; without it the caller.
    #[arg(long, value_name = "ID", conflicts_with = "subject")]
    principal: Option<PrincipalId>,
    /// Who would act, where the directory does not know them: their entity type, `::`, and their id.
    #[arg(long, value_name = "TYPE::ID", value_parser = entity)]
    subject: Option<(String, String)>,
    /// An attribute of the subject that the schema marks `@asserted`: JSON, else text. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair, requires = "subject")]
    subject_attribute: Vec<(String, String)>,
}

/// `Type::id`, and `Namespace::Type::"id"` as Cedar writes it.
pub(super) fn entity(text: &str) -> Result<(String, String), String> {
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

impl Question {
    /// The question that the command line asks.
    pub(crate) fn read(self) -> Result<Decide, CliError> {
        let context = self.context.as_deref().map(|text| input::json_object("--context", text)).transpose()?;
        let attributes = input::attributes("--subject-attribute", &self.subject_attribute)?;
        let subject = self.subject.map(|(entity_type, id)| DecideSubject { entity_type, id, attributes });
        let (entity_type, id) = self.resource;
        Ok(Decide {
            principal: self.principal,
            subject,
            action: self.action,
            resource: Resource { entity_type, id, attributes: input::attributes("--attribute", &self.attribute)? },
            context: context.unwrap_or_default(),
        })
    }
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let question = args.question.read()?;
    let decision = session.client()?.decide(&question).await?;
    session.out.show(&decision, table)?;
    Ok(if decision.permitted { Exit::Ok } else { Exit::Failed })
}

/// The score, what it is the mean of, and the rows that say so.
fn risk_fields(risk: &Risk) -> Vec<(&'static str, Option<String>)> {
    let level = match risk.level {
        RiskLevel::Low => "low",
        RiskLevel::Medium => "medium",
        RiskLevel::High => "high",
        RiskLevel::Critical => "critical",
    };
    let dimensions: Vec<String> = risk.dimensions.iter().map(|(name, given)| format!("{name} {given}")).collect();
    let rows = risk.rows.iter().map(|row| {
        let id = row.id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
        ("by", Some(format!("{} {}, row {}{id}", row.table, row.version, row.row)))
    });
    let omitted = (risk.rows_omitted > 0).then(|| format!("{} rows more", risk.rows_omitted));
    let head = ("risk", Some(format!("{} {level}: {}", risk.score, dimensions.join(", "))));
    std::iter::once(head).chain(rows).chain([("by", omitted)]).collect()
}

fn table(decision: &Decision) -> String {
    let word = match decision.outcome {
        Outcome::Approved => "permitted",
        Outcome::Denied => "denied",
        Outcome::Escalated => "not yet: people must approve it, or evidence is lacking",
        Outcome::Conditional => "permitted, under what is demanded",
    };
    let bundle = decision.bundle.map_or_else(|| "none is active".to_owned(), |digest| digest.to_string());
    let head = [
        ("outcome", Some(word.to_owned())),
        ("decision", Some(decision.decision.to_string())),
        ("bundle", Some(bundle)),
        ("entry", Some(decision.entry.to_string())),
    ];
    let risk = decision.risk.as_ref().into_iter().flat_map(risk_fields);
    let reasons = decision.reasons.iter().map(|reason| ("because", Some(reason_line(reason))));
    let demands = decision.obligations.iter().map(|obligation| ("demanded", Some(demand_line(obligation))));
    fields(head.into_iter().chain(risk).chain(reasons).chain(demands))
}

pub(crate) fn demand_line(obligation: &Obligation) -> String {
    let what = match &obligation.demand {
        Demand::Approval { approvers, role, within } => {
            let role = role.as_ref().map(|role| format!(" of the role {role}")).unwrap_or_default();
            let within = within.as_ref().map(|within| format!(" within {within}")).unwrap_or_default();
            let people = if *approvers == 1 { "person" } else { "people" };
            format!("the approval of {approvers} {people}{role}{within}")
        }
        Demand::Evidence { name, scope, evidence, .. } => {
            let found = evidence.map(|id| format!(": {id}")).unwrap_or_default();
            format!("the evidence `{name}` of the {scope}{found}")
        }
        Demand::Mask { fields } => format!("that the input lacks {}", fields.join(", ")),
        Demand::Limits { limits } => format!("limits {}", Value::Object(limits.clone())),
        Demand::Budget { budget, amount, cost: _ } => {
            format!("{} of the budget `{budget}`", amount.as_deref().unwrap_or("1"))
        }
        Demand::Rate { limit, window, per } => format!("at most {limit} in {window}, per {per}"),
        Demand::Notify { notifiers } => {
            let notifiers: Vec<&str> = notifiers.iter().map(Name::as_str).collect();
            format!("that it is told by {}", notifiers.join(", "))
        }
    };
    let by = obligation.policy.as_ref().map(|policy| format!(" ({policy})")).unwrap_or_default();
    let reason = obligation.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{what}{by}{reason}")
}
