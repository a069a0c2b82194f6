//! Steps that poll: what they call is called again, round by round, until what it gives is enough.

use super::check::Site;
use super::document::Data;
use super::facts::BadExpression;
use super::fields::Cursor;
use super::read::Reader;
use super::{Run, Step, StepIndex};
use chancery_base::duration;
use chancery_base::limits::{POLL_EVERY_MIN, POLL_ROUNDS_MAX};
use chancery_expr::{FUEL_DEFAULT, Program, Scope};
use std::time::Duration;

/// From the end of a round to the next one, where the step does not say.
pub const POLL_EVERY_DEFAULT: Duration = Duration::from_secs(30);
/// Rounds at most, where the step does not say.
pub const POLL_ROUNDS_DEFAULT: u32 = 100;

/// How a step polls.
#[derive(Debug, Clone)]
pub struct Poll {
    /// Whether a round was enough, over what it gave.
    pub until: Program,
    /// From the end of a round to the next one; `POLL_EVERY_MIN` at least.
    pub every: Duration,
    /// How many rounds there are at most; 1 to `POLL_ROUNDS_MAX`.
    pub at_most: u32,
}

/// What a step says only if it polls.
const OF_POLLS: [&str; 2] = ["every", "at_most"];

impl Step {
    /// Whether a round was enough; of a step that does not poll everything is.
    ///
    /// # Errors
    /// If `until` does not apply to the values, or is not a boolean.
    pub fn is_enough(&self, scope: &Scope<'_>) -> Result<bool, BadExpression> {
        let Some(poll) = &self.poll else { return Ok(true) };
        poll.until.evaluate_bool(scope, FUEL_DEFAULT).map_err(|err| BadExpression::new("until", err.to_string()))
    }
}

impl Reader {
    /// How a step polls that runs this, if it does.
    pub(super) fn poll(&mut self, cursor: &Cursor<'_>, index: StepIndex, run: Option<&Run>) -> Option<Poll> {
        // What calls nobody and what runs a transaction is told by those who know why.
        if run.is_some_and(|run| run.is_passive() || run.is_inline() || run.child().is_some()) {
            return None;
        }
        let Some(until) = cursor.field("until") else {
            for (key, field) in OF_POLLS.iter().filter_map(|key| Some((key, cursor.field(key)?))) {
                field.fail(&mut self.problems, format!("`{key}` is of a step that polls: it has no `until`"));
            }
            return None;
        };
        if matches!(run, Some(Run::Noop)) {
            let message = "a step that polls calls a worker or a URL: what a `noop` gives is its input, every time";
            until.fail(&mut self.problems, message);
        }
        self.check_not_once(cursor);
        let until = self.condition(&until, Site::Round(index));
        let every = cursor.field("every").and_then(|field| self.every(&field));
        let at_most = cursor.field("at_most");
        let at_most = at_most.and_then(|field| field.whole(1, POLL_ROUNDS_MAX, &mut self.problems));
        Some(Poll {
            until: until?,
            every: every.unwrap_or(POLL_EVERY_DEFAULT),
            at_most: at_most.unwrap_or(POLL_ROUNDS_DEFAULT),
        })
    }

    fn every(&mut self, cursor: &Cursor<'_>) -> Option<Duration> {
        let every = cursor.duration(&mut self.problems)?;
        if every < POLL_EVERY_MIN {
            let least = duration::format(POLL_EVERY_MIN);
            cursor.fail(&mut self.problems, format!("rounds follow one another after {least} at least"));
            return None;
        }
        Some(every)
    }

    /// What must not be called twice is not called again and again.
    fn check_not_once(&mut self, cursor: &Cursor<'_>) {
        let attempts = cursor.field("retry").filter(|retry| matches!(retry.node.data, Data::Map(_)));
        let Some(field) = attempts.and_then(|retry| retry.field("attempts")) else { return };
        if matches!(&field.node.data, Data::Text(text) if text == "once") {
            let message = "what must be called once does not poll: write `attempts: 1`, of each round";
            field.fail(&mut self.problems, message);
        }
    }
}
