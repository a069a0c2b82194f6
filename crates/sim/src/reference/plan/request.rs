//! Steps that ask people, and what people are asked before a step is handed out.

use super::{Plan, RunPlan};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The role that some requests name.
pub(crate) const ROLE: &str = "finance";

/// What is asked of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestPlan {
    /// How many of them have to say yes.
    pub approvers: u64,
    /// Milliseconds that they have.
    pub lasts: u64,
    /// They have the role.
    pub has_role: bool,
}

impl RequestPlan {
    /// Some are due in seconds; others in an hour and some seconds, of which that they are due soon is said.
    fn draw(rng: &mut Rng) -> Self {
        let hour = if rng.permille(400) { 3_600_000 } else { 0 };
        Self { approvers: rng.between(1, 2), lasts: hour + rng.between(500, 15_000), has_role: rng.permille(400) }
    }

    /// What a step that asks runs.
    pub(super) fn run(&self) -> Value {
        let mut request = self.approval();
        if let Some(request) = request.as_object_mut() {
            request.insert("title".to_owned(), json!("Go on with ${{ input.n }}?"));
        }
        json!({ "request": request })
    }

    /// What a step says that is asked before it is handed out.
    pub(super) fn approval(&self) -> Value {
        let mut approval = json!({ "approvers": self.approvers, "sla": format!("{}ms", self.lasts) });
        if let Some(approval) = approval.as_object_mut().filter(|_| self.has_role) {
            approval.insert("role".to_owned(), json!(ROLE));
        }
        approval
    }
}

impl Plan {
    /// A varied one, or one of which some steps fan out, where people are asked: by steps, and before others are handed
    /// out.
    pub(crate) fn asked(number: usize) -> Self {
        let plan = if number.is_multiple_of(3) { Self::fanned(number) } else { Self::varied(number) };
        let mut plan = Self { name: format!("asked-{number}"), ..plan };
        let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0xa5ed_0000);
        let often = rng.pick(&[150, 400, 700]).copied().unwrap_or(150);
        for step in &mut plan.steps {
            let request = RequestPlan::draw(&mut rng);
            if !rng.permille(often) {
                continue;
            }
            if rng.permille(350) && step.most_clones.is_none() {
                step.run = RunPlan::Request(request);
                (step.undo, step.input_of, step.poll) = (None, None, None);
                (step.takes_variable, step.takes_setting) = (false, false);
            } else if !step.is_without_effect() {
                step.approval = Some(request);
            }
        }
        plan
    }
}
