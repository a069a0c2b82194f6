//! Making a failing run smaller: fewer faults, less time, fewer transactions, smaller definitions, as long as it
//! still fails.

use crate::{Bounds, Fault, Material, Options, Plan, run};
use serde::{Deserialize, Serialize};

/// A run that failed, as it is kept in `seeds/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The seed.
    pub seed: u64,
    /// What went wrong.
    pub why: String,
    /// What sort of definitions it draws.
    #[serde(default)]
    pub material: Material,
    /// What it is kept to.
    #[serde(default)]
    pub bounds: Bounds,
}

impl Case {
    /// What the run is told.
    #[must_use]
    pub fn options(&self) -> Options {
        Options { material: self.material, bounds: self.bounds.clone(), ..Options::default() }
    }
}

/// Makes a failing run as small as it gets. `None` if it does not fail.
#[must_use]
pub fn shrink(seed: u64, options: &Options) -> Option<Case> {
    let mut smaller = Smaller { seed, options: options.clone(), why: String::new() };
    if !smaller.fails(options.bounds.clone()) {
        return None;
    }
    smaller.faults();
    smaller.lasts();
    smaller.starts();
    smaller.plans();
    smaller.faults();
    let Smaller { options, why, .. } = smaller;
    Some(Case { seed, why, material: options.material, bounds: options.bounds })
}

struct Smaller {
    seed: u64,
    options: Options,
    why: String,
}

impl Smaller {
    /// Whether the run fails with these bounds; then they are kept.
    fn fails(&mut self, bounds: Bounds) -> bool {
        let options = Options { bounds, is_verbose: false, ..self.options.clone() };
        let Some(why) = run(self.seed, &options).violation else { return false };
        self.options = options;
        self.why = why;
        true
    }

    fn bounds(&self) -> Bounds {
        self.options.bounds.clone()
    }

    fn faults(&mut self) {
        let all = (1_u64 << Fault::ALL.len()) - 1;
        for bit in 0..Fault::ALL.len() {
            let left = self.options.bounds.faults.unwrap_or(all) & !(1 << bit);
            self.fails(Bounds { faults: Some(left), ..self.bounds() });
        }
    }

    fn lasts(&mut self) {
        let mut lasts = 40_000;
        while lasts > 500 {
            lasts = lasts * 3 / 4;
            self.fails(Bounds { lasts: Some(lasts), ..self.bounds() });
        }
    }

    fn starts(&mut self) {
        for starts in 1..12 {
            if self.fails(Bounds { starts: Some(starts), ..self.bounds() }) {
                return;
            }
        }
    }

    /// Fewer definitions, then fewer steps, then plainer ones.
    fn plans(&mut self) {
        let drawn =
            self.options.bounds.plans.clone().unwrap_or_else(|| crate::world::plans_of(self.seed, &self.options));
        let single = drawn.iter().any(|plan| self.fails(Bounds { plans: Some(vec![plan.clone()]), ..self.bounds() }));
        if !single && !self.fails(Bounds { plans: Some(drawn), ..self.bounds() }) {
            return;
        }
        while self.smaller_plan() {}
    }

    /// Tries everything that makes one of the plans smaller; whether something did.
    fn smaller_plan(&mut self) -> bool {
        let plans = self.options.bounds.plans.clone().unwrap_or_default();
        for (at, plan) in plans.iter().enumerate() {
            for candidate in candidates(plan) {
                let mut changed = plans.clone();
                changed.splice(at..=at, [candidate]);
                if self.fails(Bounds { plans: Some(changed), ..self.bounds() }) {
                    return true;
                }
            }
        }
        false
    }
}

/// What is a little smaller than a plan.
fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut out = Vec::new();
    for step in 0..plan.steps.len() {
        if plan.steps.len() > 1 {
            out.push(plan.without(step));
        }
    }
    for at in 0..plan.steps.len() {
        let mut changes: Vec<fn(&mut crate::StepPlan)> =
            vec![|step| step.above = None, |step| step.input_of = None, |step| step.retry.attempts = 1, |step| {
                step.is_optional = false
            }];
        changes.push(|step| step.approval = None);
        // A participant has both, and its place.
        if plan.tcc.is_none() {
            changes.push(|step| step.undo = None);
            changes.push(|step| step.is_pivot = false);
            changes.push(|step| step.window = None);
            changes.push(|step| (step.most_clones, step.window) = (None, None));
            changes.push(|step| {
                step.after.clear();
                step.input_of = None;
            });
        }
        for change in changes {
            let mut changed = plan.clone();
            if let Some(step) = changed.steps.get_mut(at) {
                change(step);
            }
            if changed != *plan {
                out.push(changed);
            }
        }
    }
    if plan.concurrency.is_some() {
        out.push(Plan { concurrency: None, ..plan.clone() });
    }
    let plain = Plan { lasts: None, is_layered: false, ..plan.clone() };
    if plain != *plan {
        out.push(plain);
    }
    out
}
