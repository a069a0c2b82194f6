//! Steps whose workers get a capability token: what it says beside what every attempt has.

use super::check::Site;
use super::document::Data;
use super::facts::{BadExpression, Resource, as_text, render};
use super::fields::{Cursor, Keys};
use super::read::Reader;
use super::{Run, Step};
use chancery_base::limits::{
    CAPABILITY_PURPOSE_BYTES_MAX, CAPABILITY_RESOURCE_BYTES_MAX, CAPABILITY_SECONDS_DEFAULT, CAPABILITY_SECONDS_MAX,
};
use chancery_expr::{Scope, Template};
use serde_json::Value;
use std::time::Duration;

const CAPABILITY: Keys = Keys { known: &["seconds", "purpose", "budget"], later: &[], elsewhere: &[] };

/// That the worker of a step gets a capability token with each attempt, and the one of its undo or confirm, too.
#[derive(Debug, Clone)]
pub struct Capability {
    /// How long it is good for at most: `CAPABILITY_SECONDS_MAX` and no longer than the attempt may take.
    pub lifetime: Duration,
    /// What it is for, in words.
    pub purpose: Option<Template>,
    /// How much may be spent on it.
    pub budget: Option<Template>,
}

/// What the capability token of an attempt says beside what every attempt has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityTerms {
    /// What policy was asked for.
    pub action: String,
    /// On what; none: the step itself.
    pub resource: Option<Resource>,
    /// What it is for.
    pub purpose: Option<String>,
    /// How much may be spent on it.
    pub budget: Option<u64>,
    /// How long it is good for at most.
    pub lifetime: Duration,
}

impl Step {
    /// What the capability token of an attempt says, of a step that has one.
    ///
    /// # Errors
    /// If it can't be computed, is longer than it may be, or the budget is no whole number from 0 on.
    pub fn capability_terms(&self, scope: &Scope<'_>) -> Result<Option<CapabilityTerms>, BadExpression> {
        let Some(capability) = &self.capability else { return Ok(None) };
        let resource = self.decision_resource(scope)?;
        if let Some(resource) = &resource {
            bounded(&resource.id, "resource.id", CAPABILITY_RESOURCE_BYTES_MAX)?;
        }
        let purpose = capability.purpose.as_ref().map(|purpose| text(purpose, "capability.purpose", scope));
        let purpose = purpose.transpose()?.flatten();
        let budget = capability.budget.as_ref().map(|budget| amount(budget, "capability.budget", scope));
        Ok(Some(CapabilityTerms {
            action: self.action.to_string(),
            resource,
            purpose,
            budget: budget.transpose()?,
            lifetime: capability.lifetime,
        }))
    }
}

impl Reader {
    /// What a step says of capability tokens that runs this.
    pub(super) fn capability(&mut self, cursor: &Cursor<'_>, site: Site, run: Option<&Run>) -> Option<Capability> {
        let field = cursor.field("capability")?;
        let mut capability = Capability {
            lifetime: Duration::from_secs(CAPABILITY_SECONDS_DEFAULT.into()),
            purpose: None,
            budget: None,
        };
        match &field.node.data {
            Data::Bool(false) => return None,
            Data::Bool(true) => {}
            Data::Null | Data::Number(_) | Data::Text(_) | Data::List(_) | Data::Map(_) => {
                if !field.check_keys(&CAPABILITY, &mut self.problems) {
                    return None;
                }
                let seconds = field.field("seconds");
                let seconds = seconds.and_then(|field| field.whole(1, CAPABILITY_SECONDS_MAX, &mut self.problems));
                capability.lifetime =
                    seconds.map_or(capability.lifetime, |seconds| Duration::from_secs(seconds.into()));
                capability.purpose = field.field("purpose").and_then(|field| {
                    field.text(&mut self.problems)?;
                    self.template(&field, site)
                });
                capability.budget = field.field("budget").and_then(|field| self.template(&field, site));
            }
        }
        if run.is_some_and(|run| run.queue().is_none()) {
            let message = "a token is bound to a worker's key: a step with `capability` runs a `worker`";
            field.fail(&mut self.problems, message);
        }
        Some(capability)
    }
}

fn text(template: &Template, path: &str, scope: &Scope<'_>) -> Result<Option<String>, BadExpression> {
    let Some(value) = render(template, path, scope)? else { return Ok(None) };
    let text = as_text(&value, path)?;
    bounded(&text, path, CAPABILITY_PURPOSE_BYTES_MAX)?;
    Ok(Some(text))
}

fn bounded(text: &str, path: &str, most: usize) -> Result<(), BadExpression> {
    if text.is_empty() || text.len() > most {
        let message = format!("in a capability token it has 1 to {most} bytes, this has {}", text.len());
        return Err(BadExpression::new(path, message));
    }
    Ok(())
}

/// A budget that is absent is none that was forgotten: without a number there is no token.
fn amount(template: &Template, path: &str, scope: &Scope<'_>) -> Result<u64, BadExpression> {
    let number = render(template, path, scope)?.as_ref().and_then(Value::as_i64);
    let amount = number.and_then(|number| u64::try_from(number).ok());
    amount.ok_or_else(|| BadExpression::new(path, "a whole number from 0 on is needed here"))
}
