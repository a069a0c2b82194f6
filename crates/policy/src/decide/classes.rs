//! Classes of data: a permit must cover each of them.
//!
//! Where the schema declares `class` in an action's context, policy is asked once for each of the classes that the
//! request names in `classes`, and what denies one denies all; a request that names none is asked about as
//! `unclassified`. So a permit that is meant for one class is none for the others, however it is written.

use super::facts::Facts;
use super::{Outcome, Verdict, answer_one};
use crate::bundle::Bundle;
use crate::over::Override;
use crate::vocabulary::{CLASS, CLASSES, UNCLASSIFIED, listed};

/// The question of each class; none where there is but one question.
///
/// # Errors
/// Says which class or purpose is none that the bundle knows.
pub(super) fn of(bundle: &Bundle, facts: &Facts) -> Result<Option<Vec<(String, Facts)>>, String> {
    let Some(context) = facts.context() else { return Ok(None) };
    if !bundle.vocabulary().is_open() {
        bundle.vocabulary().check(context)?;
    }
    if context.contains_key(CLASS) || !bundle.context_declares(facts.action(), CLASS) {
        return Ok(None);
    }
    let classes = listed(context, CLASSES)?;
    let classes = if classes.is_empty() { vec![UNCLASSIFIED] } else { classes };
    let each = classes.into_iter().map(|class| (class.to_owned(), facts.of_class(bundle, class)));
    Ok(Some(each.collect()))
}

/// What is said to all of them: a permit where each is permitted, with all that is demanded.
pub(super) fn answer(
    bundle: &Bundle,
    each: &[(String, Facts)],
    risk: Option<u8>,
    over: Option<&Override>,
) -> (Verdict, bool) {
    let mut whole: Option<Verdict> = None;
    for (class, facts) in each {
        let (mut verdict, misfit) = answer_one(bundle, facts, risk, over);
        for reason in &mut verdict.reasons {
            reason.text = format!("{} (data of class `{class}`)", reason.text);
        }
        if verdict.outcome == Outcome::Deny {
            return (verdict, misfit);
        }
        whole = Some(match whole {
            None => verdict,
            Some(before) => before.and(verdict),
        });
    }
    debug_assert!(whole.is_some(), "what names no class is asked about as unclassified");
    (whole.unwrap_or_else(|| Verdict::denied(format!("context.{CLASSES}: none is named"))), false)
}

impl Verdict {
    /// Two permits as one.
    fn and(mut self, other: Self) -> Self {
        self.reasons.extend(other.reasons);
        for obligation in other.obligations {
            if !self.obligations.contains(&obligation) {
                self.obligations.push(obligation);
            }
        }
        self.would_deny |= other.would_deny;
        self.overridden = self.overridden.or(other.overridden);
        self
    }
}
