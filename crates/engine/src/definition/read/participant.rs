//! Participants of a TCC: each has a try, a confirm and a cancel.

use super::super::check::Site;
use super::super::fields::{Cursor, Keys};
use super::super::lint;
use super::super::retry::Retry;
use super::super::{Confirm, QUEUE_TIMEOUT_DEFAULT, Run, Step, StepIndex, TIMEOUT_DEFAULT};
use super::Reader;

pub(in super::super) const TOP: Keys = Keys {
    known: &[
        "name",
        "version",
        "kind",
        "input",
        "key",
        "timeout",
        "concurrency",
        "mode",
        "compensation",
        "participants",
        "output",
        "context",
        "policy",
        "classes",
        "purpose",
        "lint",
    ],
    later: super::TOP.later,
    elsewhere: &[
        ("steps", "they are of kind `saga`, a tcc has `participants`"),
        super::ENV,
        ("headers", super::OF_START),
    ],
};
pub(in super::super) const PARTICIPANT: Keys = Keys {
    known: &[
        "id",
        "when",
        "try",
        "confirm",
        "cancel",
        "optional",
        "capability",
        "action",
        "resource",
        "classes",
        "purpose",
        "context",
        "approval",
        "lint",
    ],
    later: &["set", "vars", "subjects", "obligations", "description"],
    elsewhere: &[
        ("run", IN_TRY),
        ("with", IN_TRY),
        ("retry", IN_TRY),
        ("timeout", IN_TRY),
        ("queue_timeout", IN_TRY),
        ("priority", IN_TRY),
        ("fairness", IN_TRY),
        ("each", "it is of kind `saga`, a participant is tried once"),
        ("concurrency", "it is of kind `saga`, where a step has `each`"),
        ("after", "participants are tried as `mode` of the definition says"),
        ("on_failure", "it is of kind `saga`, a participant has `optional`"),
        ("compensate", "it is of kind `saga`, a participant has `cancel`"),
        ("pivot", "it is of kind `saga`, a tcc only goes forward once all are tried"),
        ("irreversible", "it is of kind `saga`, a participant has `cancel`"),
        ("until", POLLS),
        ("every", POLLS),
        ("at_most", POLLS),
        ("headers", super::OF_CALL),
    ],
};
const POLLS: &str = "it is of kind `saga`, a participant does not poll";
const IN_TRY: &str = "it is said of the `try`, the `confirm` or the `cancel`";
pub(in super::super) const TRY: Keys = Keys {
    known: &["run", "with", "retry", "timeout", "queue_timeout", "priority", "fairness"],
    later: &["set"],
    elsewhere: &[("until", POLLS), ("every", POLLS), ("at_most", POLLS), ("headers", super::OF_CALL)],
};
pub(in super::super) const CONFIRM: Keys = Keys {
    known: &["run", "with", "retry", "timeout"],
    later: &["set", "queue_timeout"],
    elsewhere: &[
        ("on_error", WAITS),
        ("critical", WAITS),
        ("until", POLLS),
        ("every", POLLS),
        ("at_most", POLLS),
        ("headers", super::OF_CALL),
    ],
};
const WAITS: &str = "a confirm that failed for good waits for a person";

impl Retry {
    /// A try is made once.
    fn of_try() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// A confirm or a cancel is tried again three times.
    fn of_closing() -> Self {
        Self { attempts: 4, ..Self::default() }
    }
}

impl Reader {
    pub(super) fn participants(&mut self, cursor: &Cursor<'_>) -> Option<Vec<Step>> {
        self.list(cursor, ("participants", "participant"), |reader, item, index| reader.participant(item, index))
    }

    fn participant(&mut self, cursor: &Cursor<'_>, index: StepIndex) -> Option<Step> {
        if !cursor.check_keys(&PARTICIPANT, &mut self.problems) {
            return None;
        }
        lint::check(cursor, &mut self.problems);
        let site = Site::Forward(index);
        let id = cursor.required("id", &mut self.problems).and_then(|field| field.name(&mut self.problems));
        let when = cursor.field("when").and_then(|field| self.condition(&field, Site::Whole(index)));
        let attempt = cursor.required("try", &mut self.problems);
        let attempt = attempt.filter(|field| field.check_keys(&TRY, &mut self.problems));
        let confirm = cursor.required("confirm", &mut self.problems);
        let confirm = confirm.and_then(|field| self.confirm(&field, Site::Confirm(index)));
        let cancel = cursor.required("cancel", &mut self.problems);
        let cancel = cancel.and_then(|field| self.undo(&field, "cancel", Site::Undo(index), Retry::of_closing()));
        let (mut run, mut with, mut retry, mut timeout, mut queue_timeout) = (None, None, Retry::of_try(), None, None);
        let (mut priority, mut fairness) = (0, None);
        if let Some(field) = attempt {
            run = self.call(&field, "try", site);
            with = field.field("with").and_then(|field| self.template(&field, site));
            retry = self.retry_or(&field, retry);
            timeout = field.field("timeout").and_then(|field| field.timeout(&mut self.problems));
            queue_timeout = field.field("queue_timeout").and_then(|field| field.timeout(&mut self.problems));
            (priority, fairness) = self.turn(&field, site);
        }
        let optional = self.flag(cursor, "optional");
        let capability = self.capability(cursor, site, run.as_ref());
        let action = cursor.field("action").and_then(|field| field.name(&mut self.problems));
        let resource = cursor.field("resource").and_then(|field| self.resource(&field, site));
        let (classes, purpose) = (self.classes(cursor), self.purpose(cursor));
        let context = cursor.field("context").map(|field| self.named_templates(&field, site));
        let approval = self.approval(cursor, run.as_ref(), site);
        Some(Step {
            id: id?,
            after: Vec::new(),
            dependents: Vec::new(),
            when,
            each: None,
            run: run.unwrap_or(Run::Noop),
            poll: None,
            with,
            set: Vec::new(),
            retry,
            timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
            queue_timeout: queue_timeout.unwrap_or(QUEUE_TIMEOUT_DEFAULT),
            priority,
            fairness,
            compensate: cancel,
            confirm,
            pivot: false,
            irreversible: false,
            optional,
            layer: 0,
            capability,
            action: action.or_else(|| "run".parse().ok())?,
            resource,
            classes,
            purpose,
            context: context.unwrap_or_default(),
            approval,
            reads: Vec::new(),
            variables: Vec::new(),
        })
    }

    fn confirm(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Confirm> {
        if !cursor.check_keys(&CONFIRM, &mut self.problems) {
            return None;
        }
        let run = self.call(cursor, "confirm", site);
        let with = cursor.field("with").and_then(|field| self.template(&field, site));
        let retry = self.retry_or(cursor, Retry::of_closing());
        let timeout = cursor.field("timeout").and_then(|field| field.timeout(&mut self.problems));
        Some(Confirm { run: run?, with, retry, timeout: timeout.unwrap_or(TIMEOUT_DEFAULT) })
    }
}
