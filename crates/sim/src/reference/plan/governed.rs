//! Plans of which the hand-outs are under obligations.

use super::Plan;
use crate::rng::Rng;

impl Plan {
    /// A varied one, one of which some steps fan out, or a TCC: each step says to policy which it is, and of what number.
    /// Some steps can't be undone.
    pub(crate) fn governed(number: usize) -> Self {
        let plan = match number % 4 {
            0 => Self::tcc(number),
            1 => Self::fanned(number),
            _ => Self::varied(number),
        };
        let mut plan = Self { name: format!("governed-{number}"), ..plan };
        let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0x60be_0000);
        // The reference model knows no participant that a person has tried again.
        plan.is_latest = rng.permille(350) && plan.tcc.is_none();
        for step in &mut plan.steps {
            step.says_deed = !step.is_without_effect();
            let may_be_final = plan.tcc.is_none() && step.says_deed && !step.is_pivot;
            if may_be_final && rng.permille(200) {
                (step.is_irreversible, step.undo) = (true, None);
            }
        }
        plan
    }
}
