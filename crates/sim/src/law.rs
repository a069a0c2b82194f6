//! What a bundle says, as plain data: its text is written from it, and the outside record judges by it, with none of the
//! code that reads policies, asks them or counts.

mod draw;
mod text;

pub(crate) use draw::{BUDGETS, EVIDENCE};

use chancery_base::PrincipalKind;
use serde_json::Value;

/// What a bundle permits, forbids and demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Law {
    name: String,
    /// What nothing is said of is permitted, unless it can't be undone.
    is_permissive: bool,
    /// The hand-outs that are permitted; none: all.
    permits: Option<Case>,
    forbids: Vec<Case>,
    /// Who may not start anything.
    barred: Option<PrincipalKind>,
    rules: Vec<Rule>,
}

/// An obligation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// What it is called, also in other laws.
    pub(crate) id: String,
    case: Case,
    pub(crate) demand: Demanded,
}

/// What an obligation demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Demanded {
    Budget(Spend),
    Rate(Pace),
    /// The input lacks these.
    Mask(Vec<&'static str>),
    /// So many milliseconds, and these hosts.
    Limits {
        timeout: Option<u64>,
        network: Option<Vec<&'static str>>,
    },
    Evidence {
        name: &'static str,
        of_tenant: bool,
    },
}

/// What is taken of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spend {
    pub(crate) budget: &'static str,
    pub(crate) amount: Option<AmountPlan>,
    pub(crate) cost: Option<CostPlan>,
}

/// How often something may be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) limit: u64,
    /// Seconds of a window.
    pub(crate) window: u64,
    pub(crate) per: PerPlan,
}

/// For whom something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PerPlan {
    Tenant,
    Principal,
    Definition,
    /// The label that this names.
    Label(&'static str),
}

/// How much is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AmountPlan {
    Fixed(u64),
    /// So often the transaction's number.
    Number(u64),
    /// The number, where it is in the step's input.
    Input,
    /// Two less than the number: of what is less than two it is none.
    TwoLess,
}

/// How much of that was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CostPlan {
    /// What the worker says, who may say nothing, or something else.
    Cost,
    /// The number of the attempt.
    Attempt,
}

/// To which hand-outs something applies: to those of which all of this is true.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Case {
    who: Option<PrincipalKind>,
    step: Option<u64>,
    above: Option<u64>,
    is_again: bool,
}

/// What is about to be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deed {
    /// What started its transaction.
    pub(crate) who: PrincipalKind,
    /// The number of its step.
    pub(crate) step: u64,
    /// The transaction's number.
    pub(crate) number: u64,
    pub(crate) attempt: u64,
    pub(crate) is_irreversible: bool,
}

/// What a law says to a hand-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Permit,
    /// Nothing is said of it.
    LeftOpen,
    Deny,
}

impl Law {
    /// What its policies and its mode say.
    pub(crate) fn says(&self, deed: &Deed) -> Verdict {
        let is_forbidden = self.forbids.iter().any(|case| case.holds(deed));
        let is_permitted = self.permits.is_none_or(|case| case.holds(deed));
        match (is_forbidden, is_permitted) {
            (true, _) => Verdict::Deny,
            (false, true) => Verdict::Permit,
            (false, false) if self.is_permissive && !deed.is_irreversible => Verdict::LeftOpen,
            (false, false) => Verdict::Deny,
        }
    }

    pub(crate) fn masks(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule.demand, Demanded::Mask(_)))
    }

    pub(crate) fn may_start(&self, who: PrincipalKind) -> bool {
        self.barred != Some(who)
    }

    /// What applies to a hand-out that is permitted.
    pub(crate) fn demands(&self, deed: &Deed) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.case.holds(deed))
    }
}

impl Rule {
    /// Whether something is counted for it.
    pub(crate) const fn is_counted(&self) -> bool {
        matches!(self.demand, Demanded::Budget(_) | Demanded::Rate(_))
    }
}

impl Case {
    fn holds(&self, deed: &Deed) -> bool {
        self.who.is_none_or(|who| who == deed.who)
            && self.step.is_none_or(|step| step == deed.step)
            && self.above.is_none_or(|above| deed.number > above)
            && (!self.is_again || deed.attempt > 1)
    }
}

impl AmountPlan {
    /// How much it is; none: that can't be told.
    pub(crate) fn of(self, number: u64, is_in_input: bool) -> Option<u64> {
        match self {
            Self::Fixed(amount) => Some(amount),
            Self::Number(times) => Some(times * number),
            Self::Input => Some(number).filter(|_| is_in_input),
            Self::TwoLess => number.checked_sub(2),
        }
    }
}

impl CostPlan {
    /// What it was, of what was reserved: all of it, where that can't be told.
    pub(crate) fn of(self, output: &Value, reserved: u64) -> u64 {
        let field = match self {
            Self::Cost => "cost",
            Self::Attempt => "attempt",
        };
        output.get(field).and_then(Value::as_u64).unwrap_or(reserved).min(reserved)
    }
}
