//! What obligations count, where something is about to be handed out: budgets and rates.

use super::{Control, Shard};
use crate::budget::{Measure, Span, holder};
use chancery_base::{Document, Timestamp, TransactionId};
use chancery_engine::{AccountId, AccountOf, Authorization, Beginning, Charge, Offer};
use chancery_expr::{Scope, Tree};
use chancery_policy::{Amount, Decision, Demand, Pace, Spending, Window};
use serde_json::{Map, Value};

/// What comes of counting a hand-out.
#[derive(Debug)]
pub(super) enum Counted {
    /// It fits: this is taken with it.
    Fits(Vec<Charge>),
    /// A rate has no room before then.
    Waits(Timestamp),
    /// It does not fit a budget, or can't be counted.
    Denied(String),
}

/// What an obligation's amount is worked out from, and what there is room for it by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Basis<'a> {
    /// What the definition says of the context; none of a driver's step.
    pub(super) context: Option<&'a Map<String, Value>>,
    /// The attributes of the resource.
    pub(super) resource: Option<&'a Map<String, Value>>,
    /// What would go out.
    pub(super) input: &'a Document,
    /// What is given back with it: of the attempt that it takes the place of.
    pub(super) returned: &'a [Charge],
}

/// What is counted somewhere.
struct Count<'a> {
    id: AccountId,
    opened: Option<u64>,
    window: Option<Window>,
    limit: u64,
    amount: u64,
    cost: Option<&'a Amount>,
}

impl Count<'_> {
    /// Has what the other demands of the same account hold, too.
    fn tighten(&mut self, other: &Self) {
        self.limit = self.limit.min(other.limit);
        self.amount = self.amount.max(other.amount);
        // Two ways to say what was spent leave all of it.
        self.cost = self.cost.filter(|cost| other.cost == Some(*cost));
    }
}

impl Shard {
    /// Counts a hand-out where its obligations say, if it fits everywhere: nothing is taken yet.
    pub(super) fn count(
        &self,
        id: TransactionId,
        basis: &Basis<'_>,
        decision: &Decision,
        control: &Control,
        now: Timestamp,
    ) -> Counted {
        let Some(member) = self.members.get(&id).filter(|_| !decision.obligations.is_empty()) else {
            return Counted::Fits(Vec::new());
        };
        let counts = match counts_of(decision, &member.head().beginning, basis, control) {
            Ok(counts) => counts,
            Err(why) => return Counted::Denied(why),
        };
        let (mut charges, mut waits) = (Vec::with_capacity(counts.len()), None);
        for (policy, count) in counts {
            match self.charge(count, (&charges, basis.returned), control, now) {
                Ok(Ok(charge)) => charges.push(charge),
                Ok(Err(until)) => waits = waits.max(Some(until)),
                Err(why) => return Counted::Denied(demanded_by(policy, why)),
            }
        }
        waits.map_or(Counted::Fits(charges), Counted::Waits)
    }

    /// What is taken from an account beside what others take with it, and give back; or when a rate has room again.
    fn charge(
        &self,
        count: Count<'_>,
        (taken, returned): (&[Charge], &[Charge]),
        control: &Control,
        now: Timestamp,
    ) -> Result<Result<Charge, Timestamp>, String> {
        let Count { id, opened, window, limit, amount, cost } = count;
        // Shards would count each for itself, and together more than the limit.
        if self.log.as_ref().is_none_or(|log| log.shard != 0) {
            return Err("it is counted on the tenant's shard 0, and this transaction is on another".to_owned());
        }
        if !self.accounts.has_room(&id, now) {
            return Err("the tenant has as many accounts as one may have".to_owned());
        }
        let span = Span::around(opened, window, now);
        #[cfg(feature = "sabotage")]
        let span = self.sabotage_span(&id, span);
        let (used, span) = self.accounts.used_at(&id, span);
        let with_it: u64 = taken.iter().filter(|charge| charge.account == id).map(|charge| charge.amount).sum();
        let gives_back = |charge: &&Charge| charge.account == id && charge.is_reserved() && span == Span::of(charge);
        let freed: u64 = returned.iter().filter(gives_back).map(|charge| charge.amount).sum();
        let left = limit.saturating_sub(used.saturating_sub(freed).saturating_add(with_it));
        if amount > left {
            return match (&id.of, span.until) {
                (AccountOf::Rate(_), Some(until)) => Ok(Err(until)),
                (AccountOf::Rate(_) | AccountOf::Budget(_), until) => Err(short(&id, control, (left, amount), until)),
            };
        }
        let Span { opened, since, until } = span;
        let cost = cost.map(|cost| cost.text().to_owned());
        Ok(Ok(Charge { account: id, amount, cost, opened, since, until }))
    }
}

/// What is counted, by the policies that demand it. Where two bundles have a say, the two forms of one policy count the
/// same hand-out: once, by the stricter.
fn counts_of<'a>(
    decision: &'a Decision,
    beginning: &Beginning,
    basis: &Basis<'_>,
    control: &Control,
) -> Result<Vec<(&'a str, Count<'a>)>, String> {
    let mut counts: Vec<(&str, Count<'_>)> = Vec::new();
    for obligation in &decision.obligations {
        let policy = obligation.policy.as_deref().unwrap_or_default();
        let count = match &obligation.demand {
            Demand::Budget(spending) => of_budget(spending, beginning, basis, control),
            Demand::Rate(pace) => of_rate(policy, pace, beginning),
            Demand::Approval(_) | Demand::Evidence(_) | Demand::Mask(_) | Demand::Limits(_) | Demand::Notify(_) => {
                continue;
            }
        };
        let count = count.map_err(|why| demanded_by(policy, why))?;
        match counts.iter_mut().find(|(of, known)| *of == policy && known.id == count.id) {
            Some((_, known)) => known.tighten(&count),
            None => counts.push((policy, count)),
        }
    }
    Ok(counts)
}

fn demanded_by(policy: &str, why: impl std::fmt::Display) -> String {
    format!("obligation `{policy}`: {why}")
}

/// What a step takes of a budget.
fn of_budget<'a>(
    spending: &'a Spending,
    beginning: &Beginning,
    basis: &Basis<'_>,
    control: &Control,
) -> Result<Count<'a>, String> {
    let Spending { budget: name, amount, cost } = spending;
    let budget = control.budgets.get(name).ok_or_else(|| format!("there is no budget `{name}`"))?;
    let about = |why: String| format!("budget `{name}`: {why}");
    let amount = match (amount, budget.terms.measure) {
        (Some(amount), Measure::Count | Measure::Amount) => basis.evaluate(amount).map_err(about)?,
        (None, Measure::Count) => 1,
        (None, Measure::Amount) => {
            return Err(about("it counts amounts, and the obligation has no `@amount`".to_owned()));
        }
    };
    let holder = holder(&budget.terms.per, beginning).map_err(about)?;
    Ok(Count {
        id: AccountId { holder, of: AccountOf::Budget(name.clone()) },
        opened: Some(budget.opened),
        window: budget.terms.window,
        limit: budget.terms.limit,
        amount,
        cost: cost.as_ref(),
    })
}

/// What a step takes of a rate: one hand-out.
fn of_rate<'a>(policy: &str, pace: &Pace, beginning: &Beginning) -> Result<Count<'a>, String> {
    // What began under another bundle goes on beside it: a window of another length is an account of its own.
    let of = AccountOf::Rate(format!("{policy}/{}", pace.window));
    let id = AccountId { holder: holder(&pace.per, beginning)?, of };
    Ok(Count { id, opened: None, window: Some(pace.window), limit: pace.limit, amount: 1, cost: None })
}

impl<'a> Basis<'a> {
    /// Of what waits for a worker.
    pub(super) fn of(offer: &'a Offer) -> Self {
        let (context, resource) = match &offer.authorization {
            Authorization::Ask { context, resource, .. } => {
                (Some(context), resource.as_ref().map(|resource| &resource.attributes))
            }
            Authorization::Cite(_) | Authorization::AsStart => (None, None),
        };
        Self { context, resource, input: &offer.input, returned: &[] }
    }

    /// How much a step asks for, by what it is asked about and what it would get.
    fn evaluate(&self, amount: &Amount) -> Result<u64, String> {
        let object = |map: Option<&Map<String, Value>>| Value::Object(map.cloned().unwrap_or_default());
        let [context, resource] = [self.context, self.resource].map(object);
        let mut scope = Scope::new();
        scope.bind("context", Tree::Value(&context));
        scope.bind("resource", Tree::Value(&resource));
        scope.bind("input", Tree::Value(self.input.value()));
        amount.evaluate(&scope)
    }
}

/// What is left, what is asked for, to whom and until when.
fn short(id: &AccountId, control: &Control, (left, asked): (u64, u64), until: Option<Timestamp>) -> String {
    let AccountOf::Budget(name) = &id.of else { return "the rate has no room".to_owned() };
    let say = |amount: u64| control.budgets.get(name).map_or_else(|| amount.to_string(), |budget| budget.say(amount));
    let holder = if id.holder.is_empty() { String::new() } else { format!(" to `{}`", id.holder) };
    let until = until.map_or_else(String::new, |until| format!(" until {until}"));
    format!("budget `{name}` has {} left{holder}{until}, and {} are asked for", say(left), say(asked))
}
