//! Laws, drawn.

use super::{AmountPlan, Case, CostPlan, Demanded, Law, Pace, PerPlan, Rule, Spend};
use crate::rng::Rng;
use chancery_base::PrincipalKind;

/// The budgets that laws speak of.
pub(crate) const BUDGETS: [&str; 3] = ["money", "calls", "team"];
/// What evidence is called.
pub(crate) const EVIDENCE: [&str; 2] = ["dpia", "contract"];
/// What masks take away.
const FIELDS: [&str; 5] = ["n", "g", "v", "of", "of.by"];
const HOSTS: [&str; 3] = ["payments.test", "mail.test", "files.test"];

impl Law {
    /// One of those that there are.
    pub(crate) fn draw(number: usize) -> Self {
        let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0x1a3_0000);
        let is_permissive = rng.permille(350);
        let permits = rng.permille(if is_permissive { 700 } else { 150 }).then(|| Case::draw(&mut rng));
        let often = rng.pick(&[0, 1, 1, 2]).copied().unwrap_or(0);
        let forbids = (0..often).map(|_| Case::draw(&mut rng)).collect();
        let barred = rng.permille(150).then(|| kind(&mut rng));
        let count = rng.between(1, 5);
        let rules = (0..count).map(|_| Rule::draw(&mut rng)).collect::<Vec<_>>();
        let mut law = Self { name: format!("law-{number}"), is_permissive, permits, forbids, barred, rules };
        law.name_rules();
        law
    }

    /// Rules are named by what they demand, so that those of other laws have the same names.
    fn name_rules(&mut self) {
        for at in 0..self.rules.len() {
            let word = self.rules.get(at).map_or("", |rule| rule.demand.word());
            let before = self.rules.iter().take(at).filter(|rule| rule.demand.word() == word).count();
            if let Some(rule) = self.rules.get_mut(at) {
                rule.id = format!("{word}-{before}");
            }
        }
    }
}

impl Demanded {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Budget(_) => "budget",
            Self::Rate(_) => "rate",
            Self::Mask(_) => "mask",
            Self::Limits { .. } => "limits",
            Self::Evidence { .. } => "evidence",
        }
    }
}

impl Rule {
    fn draw(rng: &mut Rng) -> Self {
        let case = if rng.permille(400) { Case::default() } else { Case::draw(rng) };
        let demand = match rng.below(10) {
            0..4 => Demanded::Budget(Spend::draw(rng)),
            4 | 5 => Demanded::Rate(Pace::draw(rng)),
            6 => Demanded::Mask(some(&FIELDS, rng)),
            7 => {
                let timeout = rng.permille(800).then(|| rng.between(300, 4_000));
                let network = (timeout.is_none() || rng.permille(500)).then(|| some(&HOSTS, rng));
                Demanded::Limits { timeout, network }
            }
            _ => {
                let name = rng.pick(&EVIDENCE).copied().unwrap_or("dpia");
                Demanded::Evidence { name, of_tenant: rng.permille(500) }
            }
        };
        // What is demanded of all at once is rarely there.
        let case = match demand {
            Demanded::Evidence { .. } if case == Case::default() => Case::draw(rng),
            Demanded::Evidence { .. }
            | Demanded::Budget(_)
            | Demanded::Rate(_)
            | Demanded::Mask(_)
            | Demanded::Limits { .. } => case,
        };
        Self { id: String::new(), case, demand }
    }
}

impl Spend {
    fn draw(rng: &mut Rng) -> Self {
        let amount = match rng.below(10) {
            0 => None,
            1..4 => Some(AmountPlan::Fixed(rng.between(0, 6))),
            4..7 => Some(AmountPlan::Number(rng.between(1, 3))),
            7 | 8 => Some(AmountPlan::Input),
            _ => Some(AmountPlan::TwoLess),
        };
        let cost = match rng.below(3) {
            0 => None,
            1 => Some(CostPlan::Cost),
            _ => Some(CostPlan::Attempt),
        };
        Self { budget: rng.pick(&BUDGETS).copied().unwrap_or("money"), amount, cost }
    }
}

impl Pace {
    fn draw(rng: &mut Rng) -> Self {
        let per = match rng.below(8) {
            0..3 => PerPlan::Tenant,
            3..6 => PerPlan::Principal,
            6 => PerPlan::Definition,
            _ => PerPlan::Label("l0"),
        };
        Self { limit: rng.between(1, 4), window: rng.pick(&[1, 2, 5]).copied().unwrap_or(1), per }
    }
}

impl Case {
    /// One that says something.
    fn draw(rng: &mut Rng) -> Self {
        let mut case = Self::default();
        while case == Self::default() {
            case = Self {
                who: rng.permille(350).then(|| kind(rng)),
                step: rng.permille(450).then(|| rng.below(4)),
                above: rng.permille(350).then(|| rng.below(4)),
                is_again: rng.permille(200),
            };
        }
        case
    }
}

fn kind(rng: &mut Rng) -> PrincipalKind {
    rng.pick(&PrincipalKind::ALL).copied().unwrap_or(PrincipalKind::Agent)
}

/// One or two of them.
fn some(of: &[&'static str], rng: &mut Rng) -> Vec<&'static str> {
    let mut some: Vec<&'static str> = (0..rng.between(1, 2)).filter_map(|_| rng.pick(of).copied()).collect();
    some.sort_unstable();
    some.dedup();
    some
}
