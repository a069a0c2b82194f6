//! The bundle that says what a law does.

use super::{AmountPlan, Case, CostPlan, Demanded, Law, PerPlan, Rule};
use crate::model::Check;
use chancery_base::{PrincipalKind, json};
use chancery_policy::Bundle;
use serde_json::{Value, json};
use std::sync::Arc;

const SCHEMA: &str = "
    entity Role;
    entity User in [Role] = { name: String };
    entity Service in [Role] = { name: String };
    entity Agent in [Role] = { name: String };
    entity Definition;
    entity Step in [Definition];
    action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
    action run appliesTo {
        principal: [User, Service, Agent], resource: [Step], context: { attempt: Long, n: Long, step: Long }
    };
    action ask appliesTo { principal: [User, Service, Agent], resource: [Definition], context: { n: Long } };
";

impl Law {
    pub(crate) fn bundle(&self) -> Check<Arc<Bundle>> {
        let text = json::canonical(&self.document());
        Bundle::parse(&text).map(Arc::new).map_err(|err| format!("{}: {err}", self.name))
    }

    fn document(&self) -> Value {
        let mut policies = "permit (principal, action == Action::\"start\", resource);\n\
             permit (principal, action == Action::\"ask\", resource);\n"
            .to_owned();
        policies += &self.permits.unwrap_or_default().policy("permit");
        self.forbids.iter().for_each(|case| policies += &case.policy("forbid"));
        if let Some(barred) = self.barred {
            policies += &format!("forbid (principal is {}, action == Action::\"start\", resource);\n", entity(barred));
        }
        let obligations: String = self.rules.iter().map(Rule::text).collect();
        let mode = if self.is_permissive { "permissive" } else { "strict" };
        json!({
            "name": self.name, "version": 1, "mode": mode, "schema": SCHEMA,
            "policies": policies, "obligations": obligations,
        })
    }
}

impl Case {
    fn policy(&self, effect: &str) -> String {
        let who = self.who.map_or_else(String::new, |who| format!(" is {}", entity(who)));
        let step = self.step.map(|step| format!("context.step == {step}"));
        let above = self.above.map(|above| format!("context.n > {above}"));
        let again = self.is_again.then(|| "context.attempt > 1".to_owned());
        let all: Vec<String> = step.into_iter().chain(above).chain(again).collect();
        let when = if all.is_empty() { String::new() } else { format!(" when {{ {} }}", all.join(" && ")) };
        format!("{effect} (principal{who}, action == Action::\"run\", resource){when};\n")
    }
}

impl Rule {
    fn text(&self) -> String {
        format!("@id(\"{}\") {} {}", self.id, self.demand.annotations(), self.case.policy("permit"))
    }
}

impl Demanded {
    fn annotations(&self) -> String {
        let kind = format!("@obligation(\"{}\")", self.word());
        match self {
            Self::Budget(spend) => {
                let amount = spend.amount.map_or_else(String::new, |it| format!(" @amount(\"{}\")", it.text()));
                let cost = spend.cost.map_or_else(String::new, |it| format!(" @cost(\"{}\")", it.text()));
                format!("{kind} @budget(\"{}\"){amount}{cost}", spend.budget)
            }
            Self::Rate(pace) => {
                format!("{kind} @limit(\"{}\") @window(\"{}s\") @per(\"{}\")", pace.limit, pace.window, pace.per.text())
            }
            Self::Mask(fields) => format!("{kind} @fields(\"{}\")", fields.join(", ")),
            Self::Limits { timeout, network } => {
                let timeout = timeout.map_or_else(String::new, |millis| format!(" @timeout(\"{millis}ms\")"));
                let network =
                    network.as_ref().map_or_else(String::new, |hosts| format!(" @network(\"{}\")", hosts.join(", ")));
                format!("{kind}{timeout}{network}")
            }
            Self::Evidence { name, of_tenant } => {
                let scope = if *of_tenant { "tenant" } else { "transaction" };
                format!("{kind} @name(\"{name}\") @for(\"{scope}\")")
            }
        }
    }
}

impl AmountPlan {
    fn text(self) -> String {
        match self {
            Self::Fixed(amount) => amount.to_string(),
            Self::Number(times) => format!("context.n * {times}"),
            Self::Input => "input.n".to_owned(),
            Self::TwoLess => "context.n - 2".to_owned(),
        }
    }
}

impl CostPlan {
    const fn text(self) -> &'static str {
        match self {
            Self::Cost => "output.cost",
            Self::Attempt => "output.attempt",
        }
    }
}

impl PerPlan {
    fn text(self) -> String {
        match self {
            Self::Tenant => "tenant".to_owned(),
            Self::Principal => "principal".to_owned(),
            Self::Definition => "definition".to_owned(),
            Self::Label(name) => format!("label:{name}"),
        }
    }
}

/// What an entity of a kind of principals is called.
const fn entity(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "User",
        PrincipalKind::Service => "Service",
        PrincipalKind::Agent => "Agent",
    }
}
