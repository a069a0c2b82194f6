//! Stops: kill switches. What is stopped neither begins nor is handed out, whatever the tenant's bundle permits.

use crate::row::{Sealed, StopRow};
use chancery_base::{Digest, Name, PrincipalId, StopId, TargetId, Timestamp};
use chancery_policy::{Decision, Effect, Reason, Request};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a stop is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "lowercase", deny_unknown_fields)]
pub enum StopOn {
    /// Everything in the tenant.
    Tenant,
    /// What this principal started, and its own calls.
    Principal(PrincipalId),
    /// Steps that ask for this Cedar action; `start` is that of starts.
    Action(Name),
    /// Calls of this worker's queue, or of this origin.
    Target(TargetId),
    /// Transactions of this definition, and the children that they run.
    Definition(Name),
}

impl StopOn {
    /// The word for its kind.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Principal(_) => "principal",
            Self::Action(_) => "action",
            Self::Target(_) => "target",
            Self::Definition(_) => "definition",
        }
    }

    /// Which of its kind; none for the tenant.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self {
            Self::Tenant => None,
            Self::Principal(id) => Some(id.to_string()),
            Self::Action(name) | Self::Definition(name) => Some(name.to_string()),
            Self::Target(target) => Some(target.to_string()),
        }
    }
}

impl fmt::Display for StopOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id() {
            Some(id) => write!(f, "{} `{id}`", self.word()),
            None => f.write_str("the tenant"),
        }
    }
}

/// A stop: on what, who set it, when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Its id.
    pub id: StopId,
    /// What it is on.
    pub on: StopOn,
    /// Who set it.
    pub by: PrincipalId,
    /// Why.
    pub justification: String,
    /// Since when.
    pub since: Timestamp,
}

impl Stop {
    /// What a row says; none if it is damaged.
    pub(crate) fn of(row: &StopRow) -> Option<Self> {
        row.body.read::<Self>().filter(|stop| stop.id == row.id)
    }

    /// Its row.
    pub(crate) fn row(&self) -> StopRow {
        StopRow { id: self.id, body: Sealed::json(self) }
    }

    /// Why it denies: its id stands where a policy's would.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let text = format!("{} is stopped since {}: {}", self.on, self.since, self.justification);
        Reason { policy: Some(self.id.to_string()), effect: Some(Effect::Forbid), text }
    }

    /// The deny that it is to a request, which the bundle's policies are not asked about.
    #[must_use]
    pub fn decision(&self, bundle: Digest, request: &Request) -> Decision {
        Decision::barred(bundle, request, self.reason())
    }
}

/// A tenant's stops: one at most on each thing.
#[derive(Debug, Clone, Default)]
pub struct Stops {
    of: BTreeMap<StopId, Stop>,
    ids: BTreeMap<StopOn, StopId>,
}

impl FromIterator<Stop> for Stops {
    fn from_iter<I: IntoIterator<Item = Stop>>(stops: I) -> Self {
        let of: BTreeMap<StopId, Stop> = stops.into_iter().map(|stop| (stop.id, stop)).collect();
        let ids = of.values().map(|stop| (stop.on.clone(), stop.id)).collect();
        Self { of, ids }
    }
}

impl Stops {
    /// Whether nothing is stopped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Stop> {
        self.of.values()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: StopId) -> Option<&Stop> {
        self.of.get(&id)
    }

    /// The one on a thing.
    #[must_use]
    pub fn on(&self, on: &StopOn) -> Option<&Stop> {
        self.ids.get(on).and_then(|id| self.of.get(id))
    }

    /// The one on an action.
    #[must_use]
    pub fn on_action(&self, action: &str) -> Option<&Stop> {
        // What is no name can't be stopped.
        if self.is_empty() { None } else { self.on(&StopOn::Action(action.parse().ok()?)) }
    }

    /// The one that denies a question: on the tenant, on who is asked about, on the action, or on the definition that
    /// the resource is or is a step of.
    #[must_use]
    pub fn about(&self, request: &Request) -> Option<&Stop> {
        if self.is_empty() {
            return None;
        }
        let entity = &request.resource.entity;
        let definition = match entity.kind.as_str() {
            "Definition" => Some(entity.id.as_str()),
            "Step" => entity.id.split('/').next(),
            _ => None,
        };
        let definition = definition.and_then(|name| name.parse().ok());
        self.on(&StopOn::Tenant)
            .or_else(|| self.on(&StopOn::Principal(request.principal.id()?)))
            .or_else(|| self.on_action(&request.action))
            .or_else(|| self.on(&StopOn::Definition(definition?)))
    }
}

#[cfg(test)]
mod tests;
