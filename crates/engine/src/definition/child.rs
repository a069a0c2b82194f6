//! Steps that run a transaction: a child of the one that they are of.

use super::fields::Cursor;
use super::read::Reader;
use super::retry::Retry;
use super::{Child, Run, Step, TIMEOUT_DEFAULT, Undo};

/// What belongs to attempts, which a step that runs a transaction has none of, or to what they give, and where it is
/// said instead.
const OF_ATTEMPTS: [(&str, &str); 12] = [
    ("retry", "what failed for good has undone itself"),
    ("timeout", "the definition that it runs has one"),
    ("queue_timeout", "it waits for no worker"),
    ("until", POLLS),
    ("every", POLLS),
    ("at_most", POLLS),
    ("set", "a step after it can set what its transaction gave"),
    ("priority", "it waits for no worker"),
    ("fairness", "it waits for no worker"),
    ("action", "the start is decided as any start of that definition"),
    ("resource", "the start is decided as any start of that definition"),
    ("context", "the definition that it runs has one"),
];
const POLLS: &str = "what its transaction gives is final";

impl Run {
    /// The transaction that it runs.
    #[must_use]
    pub const fn child(&self) -> Option<&Child> {
        match self {
            Self::Transaction(child) => Some(child),
            Self::Worker(_)
            | Self::Http(_)
            | Self::Noop
            | Self::Wait(_)
            | Self::Signal(_)
            | Self::Request(_)
            | Self::Decide(_)
            | Self::Emit(_) => None,
        }
    }
}

impl Step {
    /// Whether it is undone by having its child undo what it did.
    #[must_use]
    pub fn recalls_child(&self) -> bool {
        // INVARIANT: no definition can say so of an undo; what says nothing has it.
        self.compensate.as_ref().is_some_and(|undo| undo.run.child().is_some())
    }
}

impl Reader {
    /// `{transaction: NAME, version: N}`: the cursor is at the name.
    pub(super) fn child(&mut self, run: &Cursor<'_>, field: &Cursor<'_>) -> Option<Run> {
        let version = run.field("version").map(|field| field.whole(1, u32::MAX, &mut self.problems));
        let name = field.name(&mut self.problems)?;
        if self.is_named(&name) {
            field.fail(&mut self.problems, "a definition does not run itself: it would never end");
        }
        Some(Run::Transaction(Child { name, version: version.flatten() }))
    }

    /// A step that runs a transaction has nothing of what belongs to attempts.
    pub(super) fn check_child(&mut self, cursor: &Cursor<'_>, run: &Run) {
        for (key, instead) in OF_ATTEMPTS.iter().filter(|_| run.child().is_some()) {
            if let Some(field) = cursor.field(key) {
                field.fail(&mut self.problems, format!("a step that runs a transaction has no `{key}`: {instead}"));
            }
        }
    }

    /// How a step that runs a transaction is undone where it does not say: its child undoes what it did.
    pub(super) fn recall(&self, run: &Run) -> Option<Undo> {
        run.child()?;
        Some(Undo {
            run: run.clone(),
            with: None,
            retry: Retry::default(),
            timeout: TIMEOUT_DEFAULT,
            on_error: self.undoing_on_error(),
            critical: false,
        })
    }
}
