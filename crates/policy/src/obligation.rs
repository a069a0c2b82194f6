//! What must hold for what is permitted to be done.
//!
//! Obligations are a second set of policies, permits only, asked after a permit: one that is satisfied applies, and its
//! annotations say what it demands. All that apply hold together: of limits the least, of allowed paths those that all
//! allow, of masks all, of approvals every one.

mod read;

pub(crate) use read::read;

use crate::amount::Amount;
use crate::window::{Per, Window};
use chancery_base::{Digest, EvidenceId, Name, duration};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// An obligation that applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obligation {
    /// The policy that demands it; none where the bundle's mode does.
    pub policy: Option<String>,
    /// The policy's `@reason`.
    pub reason: Option<String>,
    /// What it demands.
    pub demand: Demand,
}

/// What an obligation demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// That people approve.
    Approval(Approval),
    /// That an artefact is there.
    Evidence(Artefact),
    /// That what is handed out lacks these fields: dotted paths into the input.
    Mask(BTreeSet<FieldPath>),
    /// That what is handed out keeps within these.
    Limits(Limits),
    /// That a budget has room for it.
    Budget(Spending),
    /// That so much is handed out in so much time, and no more.
    Rate(Pace),
    /// That these notifiers tell of it once it is done.
    Notify(BTreeSet<Name>),
}

/// An approval that is demanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// How many distinct people.
    pub approvers: u32,
    /// The role that each must have; none: any who may answer requests.
    pub role: Option<Name>,
    /// Until when it is answered, from when it was asked; none: by the risk.
    pub within: Option<Duration>,
}

/// An artefact that has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// What it is called.
    pub name: Name,
    /// What it has to belong to.
    pub scope: Scope,
    /// The one that is there; none while nobody has looked.
    pub cited: Option<Citation>,
}

/// What an artefact has to belong to to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The transaction, or the step itself: one of the tenant as a whole does not count.
    Transaction,
    /// The tenant as a whole: one of a transaction does not count.
    Tenant,
}

/// The artefact that a permit rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Citation {
    /// Its id.
    pub id: EvidenceId,
    /// SHA-256 of its content.
    pub digest: Digest,
}

impl Scope {
    /// The word in bundles and on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Tenant => "tenant",
        }
    }
}

/// What a worker keeps within; none of each: no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// How long an attempt may take; the step's own timeout holds too.
    pub timeout: Option<Duration>,
    /// The only paths that may be touched.
    pub paths: Option<BTreeSet<String>>,
    /// The only commands that may be run.
    pub commands: Option<BTreeSet<String>>,
    /// The only hosts that may be called; an empty set: none.
    pub network: Option<BTreeSet<String>>,
    /// Thousandths of a processor.
    pub cpu: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
}

/// What is taken from a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The budget.
    pub budget: Name,
    /// How much is reserved when the step is handed out; none: 1.
    pub amount: Option<Amount>,
    /// How much of that its output says was spent; none: all of it.
    pub cost: Option<Amount>,
}

/// How much may be handed out in what time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// How many hand-outs, at least 1.
    pub limit: u64,
    /// In this time.
    pub window: Window,
    /// For whom they are counted.
    pub per: Per,
}

/// A dotted path to a member of an object, such as `card.number`. Through a list it names that member of each element.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(String);

impl FieldPath {
    /// Reads it.
    ///
    /// # Errors
    /// Says what it lacks.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.split('.').any(|part| part.trim().is_empty() || part.trim() != part) {
            return Err(format!("`{text}` is no path: write names with dots between, such as `card.number`"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The path that a [`FieldPath::as_str`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value without what the path names, where it is there.
    pub fn remove(&self, value: &mut Value) {
        remove(value, &self.0);
    }
}

fn remove(value: &mut Value, path: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| remove(item, path)),
        Value::Object(map) => match path.split_once('.') {
            None => {
                map.remove(path);
            }
            Some((first, rest)) => {
                if let Some(inner) = map.get_mut(first) {
                    remove(inner, rest);
                }
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl Demand {
    /// The word on the wire.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Approval(_) => "approval",
            Self::Evidence(_) => "evidence",
            Self::Mask(_) => "mask",
            Self::Limits(_) => "limits",
            Self::Budget(_) => "budget",
            Self::Rate(_) => "rate",
            Self::Notify(_) => "notify",
        }
    }

    /// The notifiers that tell of what is done.
    pub fn told(&self) -> impl Iterator<Item = &Name> {
        let notifiers = match self {
            Self::Notify(notifiers) => Some(notifiers),
            Self::Approval(_)
            | Self::Evidence(_)
            | Self::Mask(_)
            | Self::Limits(_)
            | Self::Budget(_)
            | Self::Rate(_) => None,
        };
        notifiers.into_iter().flatten()
    }
}

impl Limits {
    /// What keeps within both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            timeout: least(self.timeout, other.timeout),
            paths: common(self.paths.as_ref(), other.paths.as_ref()),
            commands: common(self.commands.as_ref(), other.commands.as_ref()),
            network: common(self.network.as_ref(), other.network.as_ref()),
            cpu: least(self.cpu, other.cpu),
            memory: least(self.memory, other.memory),
        }
    }

    /// As JSON: what is not limited is left out, times are texts such as `30s`. The members stand in their canonical
    /// order, for each hand-out writes them.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let set = |set: &Option<BTreeSet<String>>| set.as_ref().map(|set| set.iter().map(String::as_str).collect());
        let members: [(&str, Option<Value>); 6] = [
            ("commands", set(&self.commands)),
            ("cpu", self.cpu.map(Value::from)),
            ("memory", self.memory.map(Value::from)),
            ("network", set(&self.network)),
            ("paths", set(&self.paths)),
            ("timeout", self.timeout.map(|timeout| duration::format(timeout).into())),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn common(one: Option<&BTreeSet<String>>, other: Option<&BTreeSet<String>>) -> Option<BTreeSet<String>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.intersection(other).cloned().collect()),
        (one, other) => one.or(other).cloned(),
    }
}

impl Obligation {
    /// As JSON: `kind`, `policy`, `reason`, and what the kind demands.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut map = match &self.demand {
            Demand::Approval(approval) => approval.to_json(),
            Demand::Evidence(artefact) => artefact.to_json(),
            Demand::Mask(fields) => {
                let fields: Value = fields.iter().map(FieldPath::as_str).collect();
                Map::from_iter([("fields".to_owned(), fields)])
            }
            Demand::Limits(limits) => Map::from_iter([("limits".to_owned(), Value::Object(limits.to_json()))]),
            Demand::Budget(spending) => spending.to_json(),
            Demand::Rate(pace) => pace.to_json(),
            Demand::Notify(notifiers) => {
                let notifiers: Value = notifiers.iter().map(Name::as_str).collect();
                Map::from_iter([("notifiers".to_owned(), notifiers)])
            }
        };
        map.insert("kind".to_owned(), self.demand.word().into());
        if let Some(policy) = &self.policy {
            map.insert("policy".to_owned(), policy.clone().into());
        }
        if let Some(reason) = &self.reason {
            map.insert("reason".to_owned(), reason.clone().into());
        }
        Value::Object(map)
    }
}

impl Approval {
    fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::from_iter([("approvers".to_owned(), json!(self.approvers))]);
        if let Some(role) = &self.role {
            map.insert("role".to_owned(), role.as_str().into());
        }
        if let Some(within) = self.within {
            map.insert("within".to_owned(), duration::format(within).into());
        }
        map
    }
}

impl Spending {
    fn to_json(&self) -> Map<String, Value> {
        let texts = [("amount", self.amount.as_ref()), ("cost", self.cost.as_ref())];
        let texts = texts.into_iter().filter_map(|(key, amount)| Some((key.to_owned(), amount?.text().into())));
        texts.chain([("budget".to_owned(), self.budget.as_str().into())]).collect()
    }
}

impl Pace {
    fn to_json(&self) -> Map<String, Value> {
        Map::from_iter([
            ("limit".to_owned(), json!(self.limit)),
            ("per".to_owned(), self.per.to_string().into()),
            ("window".to_owned(), self.window.to_string().into()),
        ])
    }
}

impl Artefact {
    fn to_json(&self) -> Map<String, Value> {
        let named = [("for".to_owned(), self.scope.word().into()), ("name".to_owned(), self.name.as_str().into())];
        let mut map = Map::from_iter(named);
        if let Some(cited) = &self.cited {
            map.insert("digest".to_owned(), cited.digest.to_string().into());
            map.insert("evidence".to_owned(), cited.id.to_string().into());
        }
        map
    }
}

/// What obligations demand together of what is handed out, as workers are told and entries say it. It is made once for
/// a decision, on which many hand-outs may rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Handed {
    /// The fields that it lacks: dotted paths.
    pub mask: Arc<BTreeSet<String>>,
    /// What it keeps within, as [`Limits::to_json`] says it.
    pub limits: Arc<Map<String, Value>>,
}

impl Handed {
    /// All of them together.
    #[must_use]
    pub(crate) fn of(obligations: &[Obligation]) -> Self {
        let (mut mask, mut all) = (BTreeSet::new(), Limits::default());
        for obligation in obligations {
            match &obligation.demand {
                Demand::Approval(_) | Demand::Evidence(_) | Demand::Budget(_) | Demand::Rate(_) | Demand::Notify(_) => {
                }
                Demand::Mask(fields) => mask.extend(fields.iter().map(|path| path.as_str().to_owned())),
                Demand::Limits(limits) => all = all.and(limits),
            }
        }
        Self { mask: Arc::new(mask), limits: Arc::new(all.to_json()) }
    }
}
