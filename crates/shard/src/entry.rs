//! Events become entries, and entries events again: the one place that knows the kinds of entry.
//!
//! A record holds ids, salted digests, fixed words and small numbers. Whatever a caller chose is in the payload.

mod decode;
mod encode;
pub(crate) mod overrides;
mod requests;
pub(crate) mod schedules;
mod told;

pub use decode::{DecodeError, Recorded, decode};
pub(crate) use encode::{EntryWriter, OfTransaction};
pub use told::{ToldPermit, is_told};

use chancery_ledger::Word;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        $($(#[$doc])* pub const $name: Word = Word::literal($word);)*

        /// Every kind of entry that this version writes.
        pub const ALL: &[Word] = &[$($name,)*];
    };
}

/// The kinds of entry.
pub mod kind {
    use super::Word;

    kinds! {
        /// A log begins.
        LOG_OPENED = "log.opened",
        /// A tenant was made; in the log of `system`.
        TENANT_CREATED = "tenant.created",
        /// A principal was made.
        PRINCIPAL_CREATED = "principal.created",
        /// A principal was changed.
        PRINCIPAL_CHANGED = "principal.changed",
        /// A key was issued.
        KEY_ISSUED = "key.issued",
        /// A key was revoked.
        KEY_REVOKED = "key.revoked",
        /// The capability token of an attempt was revoked, which ends the attempt.
        CAPABILITY_REVOKED = "capability.revoked",
        /// A definition was registered.
        DEFINITION_REGISTERED = "definition.registered",
        /// A bundle was pushed.
        BUNDLE_PUSHED = "bundle.pushed",
        /// More signatures of a bundle came.
        BUNDLE_SIGNED = "bundle.signed",
        /// A bundle was activated.
        BUNDLE_ACTIVATED = "bundle.activated",
        /// A bundle was put in the shadow, or none is there any more.
        BUNDLE_SHADOWED = "bundle.shadowed",
        /// What a bundle needs to be put into force was set.
        BUNDLE_RULES_CHANGED = "bundle_rules.changed",
        /// Somebody's signatures of bundles count from here on.
        SIGNER_ADDED = "signer.added",
        /// They count no longer.
        SIGNER_REMOVED = "signer.removed",
        /// What a target is given was set.
        TARGET_CHANGED = "target.changed",
        /// A person holds a target's breaker, or lets it go.
        TARGET_FORCED = "target.forced",
        /// What a queue is given was set, or forgotten.
        QUEUE_CHANGED = "queue.changed",
        /// Settings of the tenant were set.
        SETTINGS_CHANGED = "settings.changed",
        /// No new transactions are taken from here on.
        MAINTENANCE_BEGAN = "maintenance.began",
        /// They are taken again.
        MAINTENANCE_ENDED = "maintenance.ended",
        /// Something was stopped: `data` says what sort of thing.
        STOP_SET = "stop.set",
        /// A stop was lifted.
        STOP_LIFTED = "stop.lifted",
        /// A budget was set.
        BUDGET_SET = "budget.set",
        /// A budget was deleted, and its accounts with it.
        BUDGET_DELETED = "budget.deleted",
        /// An artefact was added: `data` says what it belongs to and until when it is kept, the payload what it is.
        EVIDENCE_ADDED = "evidence.added",
        /// The time of an artefact is over: its content was erased.
        EVIDENCE_EXPIRED = "evidence.expired",
        /// A notifier was set: `data` says whether with a password, which is in no entry.
        NOTIFIER_SET = "notifier.set",
        /// A notifier was deleted, with its password.
        NOTIFIER_DELETED = "notifier.deleted",
        /// A notifier told of the entry that `data` names: its receiver took it.
        NOTIFIER_TOLD = "notifier.told",
        /// A notifier gave up telling of the entry that `data` names.
        NOTIFIER_GAVE_UP = "notifier.gave_up",
        /// A notifier had nothing to tell before the entry that `data` names.
        NOTIFIER_PASSED = "notifier.passed",
        /// Somebody asks for an override of the tenant's policy.
        OVERRIDE_REQUESTED = "override.requested",
        /// Another granted it.
        OVERRIDE_GRANTED = "override.granted",
        /// Another refused it.
        OVERRIDE_REFUSED = "override.refused",
        /// Something is done under it that policy denies: `data.decision` says by which decision.
        OVERRIDE_USED = "override.used",
        /// Somebody ended it before its time.
        OVERRIDE_REVOKED = "override.revoked",
        /// Its time has come.
        OVERRIDE_EXPIRED = "override.expired",
        /// Somebody who had no part in it reviewed it.
        OVERRIDE_REVIEWED = "override.reviewed",
        /// How long a tenant keeps what has ended was set.
        RETENTION_CHANGED = "retention.changed",
        /// Transactions that ended long ago have no rows from here on: `data` says which.
        TRANSACTIONS_EXPIRED = "transactions.expired",
        /// A secret that calls are signed with was issued.
        SIGNING_SECRET_ISSUED = "signing_secret.issued",
        /// Such a secret was destroyed.
        SIGNING_SECRET_RETIRED = "signing_secret.retired",
        /// A schedule was made.
        SCHEDULE_CREATED = "schedule.created",
        /// A schedule was told something else.
        SCHEDULE_CHANGED = "schedule.changed",
        /// A schedule was paused.
        SCHEDULE_PAUSED = "schedule.paused",
        /// A schedule was resumed.
        SCHEDULE_RESUMED = "schedule.resumed",
        /// A schedule was deleted.
        SCHEDULE_DELETED = "schedule.deleted",
        /// A time of a schedule waits for the end of what it started before.
        SCHEDULE_BUFFERED = "schedule.buffered",
        /// A schedule started a transaction.
        SCHEDULE_FIRED = "schedule.fired",
        /// A schedule started nothing for a time, or for several.
        SCHEDULE_SKIPPED = "schedule.skipped",
        /// Entries were about to leave as an export: `data` says which, the payload why.
        EXPORT_MADE = "export.made",
        /// A question was answered with permit.
        DECISION_PERMITTED = "decision.permitted",
        /// A start, an attempt, a question or a call was denied.
        DECISION_DENIED = "decision.denied",
        /// A transaction began.
        TRANSACTION_STARTED = "transaction.started",
        /// All its steps are done.
        TRANSACTION_COMPLETED = "transaction.completed",
        /// It failed; `data.status` says whether something was undone.
        TRANSACTION_FAILED = "transaction.failed",
        /// It was cancelled, and what was done is undone.
        TRANSACTION_CANCELLED = "transaction.cancelled",
        /// It was ended at once.
        TRANSACTION_TERMINATED = "transaction.terminated",
        /// Somebody asked to cancel it.
        TRANSACTION_CANCEL_REQUESTED = "transaction.cancel_requested",
        /// Somebody paused it.
        TRANSACTION_PAUSED = "transaction.paused",
        /// Somebody had it go on that was paused.
        TRANSACTION_UNPAUSED = "transaction.unpaused",
        /// Its own time ran out.
        TRANSACTION_TIMED_OUT = "transaction.timed_out",
        /// Its `output` could not be evaluated.
        TRANSACTION_OUTPUT_FAILED = "transaction.output_failed",
        /// All its participants are tried: they are to be confirmed, and nothing else.
        TRANSACTION_CONFIRMING = "transaction.confirming",
        /// It waits for a person.
        TRANSACTION_PARKED = "transaction.parked",
        /// A person had it go on.
        TRANSACTION_RESUMED = "transaction.resumed",
        /// An attempt of a step was handed out.
        STEP_DISPATCHED = "step.dispatched",
        /// A step was done.
        STEP_COMPLETED = "step.completed",
        /// An attempt of a step failed.
        STEP_FAILED = "step.failed",
        /// A driver took up a step that was done while another drove.
        STEP_CLAIMED = "step.claimed",
        /// Another driver of an open transaction took over.
        DRIVER_RESUMED = "driver.resumed",
        /// The driver said that it lives.
        DRIVER_HEARD = "driver.heard",
        /// The driver was not heard in time.
        DRIVER_LOST = "driver.lost",
        /// The target took an attempt of a step and reports later.
        STEP_ACCEPTED = "step.accepted",
        /// A round of a step that polls was done, and was not enough.
        STEP_POLLED = "step.polled",
        /// A step fanned out.
        STEP_EXPANDED = "step.expanded",
        /// A step's `when` said no.
        STEP_SKIPPED = "step.skipped",
        /// A step emitted an event, or its undo did.
        EVENT_EMITTED = "event.emitted",
        /// A fork took over what its source had done at a step.
        STEP_INHERITED = "step.inherited",
        /// A step began a child: the transaction that begins with the next entry.
        CHILD_STARTED = "child.started",
        /// The child of a step is to undo what it did.
        CHILD_RECALLED = "child.recalled",
        /// It had completed, and is to undo what it did: its parent went backward.
        TRANSACTION_RECALLED = "transaction.recalled",
        /// A step began to wait for a time.
        TIMER_STARTED = "timer.started",
        /// The time of a step, of its next round, or of a start that was to come later, has come.
        TIMER_FIRED = "timer.fired",
        /// A step began to wait for a signal.
        SIGNAL_AWAITED = "signal.awaited",
        /// A signal came.
        SIGNAL_RECEIVED = "signal.received",
        /// A step took a signal.
        SIGNAL_TAKEN = "signal.taken",
        /// People are asked.
        REQUEST_OPENED = "request.opened",
        /// Somebody has seen a request.
        REQUEST_ACKNOWLEDGED = "request.acknowledged",
        /// Somebody answered a request: `data.answer` says what.
        REQUEST_ANSWERED = "request.answered",
        /// Somebody put a request off.
        REQUEST_DEFERRED = "request.deferred",
        /// Somebody handed their say on.
        REQUEST_DELEGATED = "request.delegated",
        /// A request is due soon.
        REQUEST_DUE_SOON = "request.due_soon",
        /// A request was due, and not answered.
        REQUEST_EXPIRED = "request.expired",
        /// What a request was for is not wanted any more.
        REQUEST_WITHDRAWN = "request.withdrawn",
        /// An attempt of a compensation was handed out.
        COMPENSATION_STARTED = "compensation.started",
        /// The target took an attempt of a compensation and reports later.
        COMPENSATION_ACCEPTED = "compensation.accepted",
        /// A compensation was done.
        COMPENSATION_COMPLETED = "compensation.completed",
        /// An attempt of a compensation failed.
        COMPENSATION_FAILED = "compensation.failed",
        /// An attempt of a confirm was handed out.
        CONFIRM_STARTED = "confirm.started",
        /// The target took an attempt of a confirm and reports later.
        CONFIRM_ACCEPTED = "confirm.accepted",
        /// A confirm was done.
        CONFIRM_COMPLETED = "confirm.completed",
        /// An attempt of a confirm failed.
        CONFIRM_FAILED = "confirm.failed",
    }
}
