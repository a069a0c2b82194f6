//! The frame of an open transaction: what its driver may do.

use super::Reader;
use crate::definition::fields::{Cursor, Keys};
use crate::definition::{CompensationPolicy, GRACE_DEFAULT, OpenFrame};
use chancery_base::Name;
use chancery_base::limits::{OPEN_ACTIONS_MAX, OPEN_STEPS_DEFAULT, OPEN_STEPS_MAX};

pub(in crate::definition) const TOP: Keys = Keys {
    known: &[
        "name",
        "version",
        "kind",
        "input",
        "key",
        "deadline",
        "grace",
        "allow",
        "steps_max",
        "concurrency",
        "compensation",
        "context",
        "policy",
        "classes",
        "purpose",
    ],
    later: &["budget", "subjects", "vars", "labels", "capability", "obligations", "description"],
    elsewhere: &[
        ("steps", "they are of kind `saga`, the driver of an open transaction adds its own"),
        ("participants", "they are of kind `tcc`"),
        super::ENV,
        ("headers", super::OF_START),
    ],
};

impl Reader {
    /// What a driver may do.
    pub(super) fn frame(&mut self, cursor: &Cursor<'_>) -> OpenFrame {
        let (policy, on_error) = self.undoing;
        if policy == CompensationPolicy::GroupedParallel
            && let Some(field) = cursor.field("compensation").and_then(|field| field.field("policy"))
        {
            field.fail(&mut self.problems, "`grouped-parallel` goes by layers, and an open transaction has none");
        }
        let grace = cursor.field("grace").and_then(|field| field.timeout(&mut self.problems));
        let steps_max = cursor.field("steps_max");
        let steps_max = steps_max.and_then(|field| field.whole(1, OPEN_STEPS_MAX, &mut self.problems));
        OpenFrame {
            actions: cursor.field("allow").map(|field| self.actions(&field)),
            steps_max: steps_max.unwrap_or(OPEN_STEPS_DEFAULT),
            grace: grace.unwrap_or(GRACE_DEFAULT),
            on_error,
        }
    }

    fn actions(&mut self, cursor: &Cursor<'_>) -> Vec<Name> {
        let items = cursor.items(&mut self.problems);
        if items.len() > OPEN_ACTIONS_MAX {
            cursor.fail(&mut self.problems, format!("{} actions, at most {OPEN_ACTIONS_MAX} are allowed", items.len()));
        }
        let mut actions: Vec<Name> = Vec::new();
        for item in items.iter().take(OPEN_ACTIONS_MAX) {
            match item.name(&mut self.problems) {
                Some(action) if actions.contains(&action) => {
                    item.fail(&mut self.problems, "this action stands here twice");
                }
                found => actions.extend(found),
            }
        }
        actions
    }
}
