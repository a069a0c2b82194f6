//! The book of accounts: what was reserved with each hand-out, settled or returned with its outcome, and what a budget
//! had room for. It keeps every account of every window for ever.

use super::{Check, ensure};
use crate::law::{CostPlan, Demanded, Pace, PerPlan, Rule, Spend};
use crate::reference::WrongRule;
use chancery_base::{Name, PrincipalId, Timestamp, TransactionId};
use chancery_engine::{AccountOf, Charge as Recorded, NodeRef};
use chancery_policy::{Per, Window};
use chancery_shard::budget::{Account as Row, BudgetTerms, Measure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What an account is of, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Of {
    /// The budget, or the rate with the seconds of its window.
    what: (&'static str, String),
    /// The entry with which the accounts of a budget began.
    opened: Option<u64>,
    holder: String,
}

/// One window of an account: of what it is, since when and until when.
type Account = (Of, Timestamp, Option<Timestamp>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    reserved: u64,
    settled: u64,
}

/// What is taken with a hand-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Charge {
    account: Account,
    amount: u64,
    cost: Option<CostPlan>,
    limit: u64,
}

/// What comes of counting.
#[derive(Debug)]
pub(super) enum Counted {
    Fits(Vec<Charge>),
    /// Of a rate too much went out already.
    Waits,
    Short(String),
}

/// Who spends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spender<'a> {
    pub(super) principal: PrincipalId,
    pub(super) definition: &'a Name,
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) number: u64,
    /// Its number is in the step's input.
    pub(super) is_in_input: bool,
}

#[derive(Debug, Clone)]
struct Budget {
    terms: BudgetTerms,
    opened: u64,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    budgets: BTreeMap<Name, Budget>,
    sums: BTreeMap<Account, Sums>,
    /// What is out.
    out: BTreeMap<(TransactionId, NodeRef), Vec<Charge>>,
    /// When something was written in it last.
    at: Option<Timestamp>,
    wrong: Option<WrongRule>,
}

impl Book {
    pub(super) fn new(wrong: Option<WrongRule>) -> Self {
        Self { wrong, ..Self::default() }
    }

    pub(super) fn set(&mut self, name: Name, terms: BudgetTerms, seq: u64) {
        let same = |old: &&Budget| {
            let (old, new) = (&old.terms, &terms);
            (old.measure, &old.per, &old.unit, old.window) == (new.measure, &new.per, &new.unit, new.window)
        };
        let opened = self.budgets.get(&name).filter(same).map_or(seq, |old| old.opened);
        self.budgets.insert(name, Budget { terms, opened });
    }

    pub(super) fn delete(&mut self, name: &Name) -> Check {
        ensure(self.budgets.remove(name).is_some(), || format!("there is no budget {name}"))
    }

    /// What a hand-out takes that is under these rules.
    pub(super) fn count<'a>(
        &self,
        rules: impl Iterator<Item = &'a Rule>,
        spender: Spender<'_>,
        at: Timestamp,
    ) -> Check<Counted> {
        let (mut charges, mut waits) = (Vec::<Charge>::new(), false);
        for rule in rules {
            let charge = match &rule.demand {
                Demanded::Budget(spend) => self.of_budget(spend, spender, at)?,
                Demanded::Rate(pace) => self.of_rate(&rule.id, pace, spender, at),
                Demanded::Mask(_) | Demanded::Limits { .. } | Demanded::Evidence { .. } => continue,
            };
            let charge = match charge {
                Ok(charge) => charge,
                Err(why) => return Ok(Counted::Short(why)),
            };
            let sums = self.sums.get(&charge.account).copied().unwrap_or_default();
            let beside = charges.iter().filter(|other| other.account == charge.account);
            let used = sums.reserved + sums.settled + beside.map(|other| other.amount).sum::<u64>();
            let is_rate = charge.is_rate();
            // Nothing fits always, also where the limit was lowered below what is used.
            if charge.amount == 0 || used + charge.amount <= charge.limit {
                charges.push(charge);
            } else if is_rate {
                waits = true;
            } else {
                let Charge { account, amount, limit, .. } = charge;
                return Ok(Counted::Short(format!("{used} of {limit} are used, {amount} asked for: {account:?}")));
            }
        }
        Ok(if waits { Counted::Waits } else { Counted::Fits(charges) })
    }

    fn of_budget(&self, spend: &Spend, spender: Spender<'_>, at: Timestamp) -> Check<Result<Charge, String>> {
        let Some((name, budget)) = self.budgets.iter().find(|(name, _)| name.as_str() == spend.budget) else {
            return Ok(Err(format!("there is no budget {}", spend.budget)));
        };
        let amount = match (spend.amount, budget.terms.measure) {
            (Some(amount), Measure::Count | Measure::Amount) => amount.of(spender.number, spender.is_in_input),
            (None, Measure::Count) => Some(1),
            (None, Measure::Amount) => None,
        };
        let Some(amount) = amount else { return Ok(Err("its amount can't be told".to_owned())) };
        let per = match &budget.terms.per {
            Per::Tenant => Some(String::new()),
            Per::Principal => Some(spender.principal.to_string()),
            Per::Definition => Some(spender.definition.to_string()),
            Per::Label(label) => spender.labels.get(label.as_str()).cloned(),
        };
        let Some(holder) = per else { return Ok(Err("it has no such label".to_owned())) };
        let (since, until) = self.window(seconds(budget.terms.window)?, at);
        let of = Of { what: ("budget", name.to_string()), opened: Some(budget.opened), holder };
        let (limit, cost) = (budget.terms.limit, spend.cost);
        Ok(Ok(Charge { account: (of, since, until), amount, cost, limit }))
    }

    fn of_rate(&self, id: &str, pace: &Pace, spender: Spender<'_>, at: Timestamp) -> Result<Charge, String> {
        let holder = match pace.per {
            PerPlan::Tenant => Some(String::new()),
            PerPlan::Principal => Some(spender.principal.to_string()),
            PerPlan::Definition => Some(spender.definition.to_string()),
            PerPlan::Label(label) => spender.labels.get(label).cloned(),
        };
        let holder = holder.ok_or("it has no such label")?;
        let (since, until) = self.window(Some(pace.window), at);
        let of = Of { what: ("rate", id.to_owned()), opened: None, holder };
        Ok(Charge { account: (of, since, until), amount: 1, cost: None, limit: pace.limit })
    }

    /// The window of so many seconds around a time: they follow one another from 1970 on.
    fn window(&self, seconds: Option<u64>, at: Timestamp) -> (Timestamp, Option<Timestamp>) {
        let Some(seconds) = seconds.filter(|_| self.wrong != Some(WrongRule::OneWindow)) else {
            return (Timestamp::EPOCH, None);
        };
        let length = i64::try_from(seconds).unwrap_or(1) * 1_000_000;
        let since = at.as_micros().div_euclid(length) * length;
        (Timestamp::from_micros(since), Some(Timestamp::from_micros(since + length)))
    }

    /// Something goes out, with which the entry says that this is taken.
    pub(super) fn reserve(
        &mut self,
        of: (TransactionId, NodeRef),
        charges: Vec<Charge>,
        recorded: &[Recorded],
        at: Timestamp,
    ) -> Check {
        let mut expected: Vec<Said> = charges.iter().map(Charge::said).collect();
        let mut said: Vec<Said> = recorded.iter().map(said).collect();
        expected.sort();
        said.sort();
        ensure(expected == said, || format!("{expected:?} is to be taken, and {said:?} is"))?;
        for charge in &charges {
            let sums = self.sums.entry(charge.account.clone()).or_default();
            let is_reserved = !charge.is_rate();
            let is_forgotten = is_reserved && self.wrong == Some(WrongRule::ReserveNothing);
            *(if is_reserved { &mut sums.reserved } else { &mut sums.settled }) +=
                if is_forgotten { 0 } else { charge.amount };
            let used = sums.reserved + sums.settled;
            let fits = charge.amount == 0 || used <= charge.limit;
            ensure(fits, || format!("{used} of {} are used: {:?}", charge.limit, charge.account))?;
        }
        if !charges.is_empty() {
            self.at = Some(at);
            let before = self.out.insert(of, charges);
            ensure(before.is_none(), || "what was out before has not come in".to_owned())?;
        }
        Ok(())
    }

    /// What is out comes in: with this output, or with none. Gives what was settled of how much.
    pub(super) fn come_in(
        &mut self,
        of: (TransactionId, NodeRef),
        output: Option<&Value>,
        at: Timestamp,
    ) -> (u64, u64) {
        let (mut settled, mut reserved) = (0, 0);
        for charge in self.out.remove(&of).unwrap_or_default().iter().filter(|charge| !charge.is_rate()) {
            self.at = Some(at);
            let Some(sums) = self.sums.get_mut(&charge.account) else { continue };
            if output.is_none() && self.wrong == Some(WrongRule::KeepWhatFailed) {
                continue;
            }
            let cost = charge.cost.filter(|_| self.wrong != Some(WrongRule::IgnoreCost));
            let spent = output.map_or(0, |output| cost.map_or(charge.amount, |cost| cost.of(output, charge.amount)));
            sums.reserved = sums.reserved.saturating_sub(charge.amount);
            sums.settled += spent;
            settled += spent;
            reserved += charge.amount;
        }
        (settled, reserved)
    }

    /// What is out of a transaction.
    pub(super) fn out_of(&self, id: TransactionId) -> Vec<NodeRef> {
        self.out.keys().filter(|(of, _)| *of == id).map(|(_, node)| *node).collect()
    }

    /// The rows say what it says: every one of them, and there is one of each account that counts still.
    pub(super) fn agree(&self, rows: &[Row]) -> Check {
        let mut known = BTreeSet::new();
        for row in rows {
            let account = account(&row.id.of, &row.id.holder, (row.span.opened, row.span.since, row.span.until));
            let sums = Sums { reserved: row.reserved, settled: row.settled };
            let expected = self.sums.get(&account).copied();
            ensure(expected == Some(sums), || format!("{account:?} has {expected:?}, its row {sums:?}"))?;
            let is_closed = account.0.opened.is_some() && !self.is_open(&account.0);
            ensure(!is_closed, || format!("{account:?} was closed, and has a row"))?;
            known.insert(account);
        }
        let at = self.at.unwrap_or(Timestamp::EPOCH);
        let counts = |account: &&Account| account.2.is_none_or(|until| until > at);
        let lost = self.sums.keys().filter(counts).find(|account| {
            let is_open = account.0.opened.is_none() || self.is_open(&account.0);
            is_open && !known.contains(*account)
        });
        ensure(lost.is_none(), || format!("{lost:?} has no row"))
    }

    fn is_open(&self, of: &Of) -> bool {
        let mut budgets = self.budgets.iter();
        budgets.any(|(name, budget)| name.as_str() == of.what.1 && Some(budget.opened) == of.opened)
    }

    /// Nothing is out, and nothing is reserved.
    pub(super) fn is_settled(&self) -> Check {
        ensure(self.out.is_empty(), || format!("{:?} is out", self.out))?;
        let left = self.sums.iter().find(|(_, sums)| sums.reserved > 0);
        ensure(left.is_none(), || format!("{left:?} is reserved"))
    }
}

/// What an entry says of something that is taken.
type Said = (Account, u64);

impl Charge {
    fn is_rate(&self) -> bool {
        self.account.0.what.0 == "rate"
    }

    fn said(&self) -> Said {
        (self.account.clone(), self.amount)
    }
}

fn said(charge: &Recorded) -> Said {
    let span = (charge.opened, charge.since, charge.until);
    (account(&charge.account.of, &charge.account.holder, span), charge.amount)
}

fn account(
    of: &AccountOf,
    holder: &str,
    (opened, since, until): (Option<u64>, Timestamp, Option<Timestamp>),
) -> Account {
    let what = match of {
        AccountOf::Budget(name) => ("budget", name.to_string()),
        // Its window is told apart by when it begins and ends.
        AccountOf::Rate(rate) => ("rate", rate.rsplit_once('/').map_or(rate.as_str(), |(id, _)| id).to_owned()),
    };
    (Of { what, opened, holder: holder.to_owned() }, since, until)
}

/// How many seconds a window has; none: it never ends.
fn seconds(window: Option<Window>) -> Check<Option<u64>> {
    match window {
        None => Ok(None),
        Some(Window::Fixed(length)) => Ok(Some(length.as_secs())),
        Some(Window::Hour) => Ok(Some(3_600)),
        Some(Window::Day) => Ok(Some(86_400)),
        Some(Window::Month) => Err("no run has a budget a month".to_owned()),
    }
}
