//! Steps that fan out, and their clones.

use super::fork::taken;
use super::stand::Stage;
use super::{Fact, Saga, WrongRule};
use crate::model::{Check, ensure};
use chancery_base::Timestamp;
use chancery_engine::Phase;

impl Saga {
    /// Where it stands among all: its step, and which clone of that it is.
    pub(super) fn place(&self, unit: usize) -> Option<(usize, u64)> {
        self.units.get(unit).copied()
    }

    /// When a step fanned out.
    pub(super) fn expanded_at(&self, asked: usize) -> Option<Timestamp> {
        let is_it = |fact: &Fact| {
            let is_expanded = matches!(fact, Fact::Expanded { step, .. } if *step == asked);
            is_expanded || taken(fact, asked).is_some_and(|taken| taken.clones.is_some())
        };
        self.facts.iter().find(|(_, fact)| is_it(fact)).map(|(at, _)| *at)
    }

    /// How many clones a step comes to.
    pub(super) fn clone_count(&self, asked: usize) -> usize {
        let count = self.clones(asked).map_or(0, |clones| clones.len());
        if self.is_told(WrongRule::OneCloneLess) { count.saturating_sub(1) } else { count }
    }

    /// Whether a step fans out now.
    pub(super) fn is_to_expand(&self, asked: usize) -> bool {
        self.is_whole(asked) && matches!(self.stage(asked), Stage::Ready(_))
    }

    /// Where a step stands that fanned out: with its clones, unless the saga turned before they were over.
    pub(super) fn stage_of_fan(&self, asked: usize) -> Stage {
        let turned = self.turn().and_then(|turn| self.facts.get(turn));
        let since = self.over_since(asked);
        let (Some((_, fact)), false) = (turned, self.was_over_before_turn(asked)) else {
            return if since.is_some() { Stage::Completed } else { Stage::Expanded };
        };
        let is_of_clone = matches!(fact, Fact::Failed { step, .. } if self.step_of(*step) == asked);
        if is_of_clone { Stage::Failed } else { Stage::Cancelled }
    }

    /// Whether all clones of a step were over before the saga turned.
    pub(super) fn was_over_before_turn(&self, asked: usize) -> bool {
        let Some(turn) = self.turn() else { return false };
        let is_over = |clone: &usize| {
            let is_done = |fact: &Fact| {
                matches!(fact, Fact::Done { step, phase: Phase::Do, .. } | Fact::Resolved { step, phase: Phase::Do }
                    if step == clone)
            };
            let is_passed = |fact: &Fact| {
                let last = matches!(fact, Fact::Failed { step, phase: Phase::Do, retry_at: None, .. } if step == clone);
                last && self.is_optional(*clone)
            };
            let mut facts = self.facts.iter().take(turn).map(|(_, fact)| fact);
            facts.any(|fact| is_done(fact) || is_passed(fact) || taken(fact, *clone).is_some())
        };
        self.clones(asked).unwrap_or_default().iter().all(is_over)
    }

    /// So many clones of one step may be out.
    pub(super) fn has_window(&self, asked: usize) -> Check {
        let Some(most) = self.window(asked) else { return Ok(()) };
        let out = self.clones_out(self.step_of(asked));
        ensure(out < most, || format!("{out} clones are out, {most} may be"))
    }
}
