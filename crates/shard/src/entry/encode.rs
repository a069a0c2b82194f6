//! Events as entries.

use super::kind;
use super::told::NOTIFY;
use crate::payload::Payload;
use crate::row::{EntryRow, PayloadRow, Sealed};
use chancery_base::{DecisionId, Digest, Document, Entropy, PrincipalId, Salt, Timestamp, TransactionId};
use chancery_engine::definition::Classes;
use chancery_engine::{
    Beginning, CarriedOut, Charge, ChildStart, Conditions, Deed, Event, Inherited, Intent, Permitted, Phase, Signal,
    Staged, Status,
};
use chancery_ledger::{Data, Origin, Record, Refs, Word};
use chancery_policy::Decision;

/// Writes the entries of one batch.
#[derive(Debug)]
pub(crate) struct EntryWriter<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) epoch: u64,
    pub(crate) now: Timestamp,
    pub(crate) entropy: &'a mut Entropy,
    pub(crate) out: &'a mut Vec<EntryRow>,
}

/// What the entries of a transaction share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfTransaction<'a> {
    pub(crate) id: TransactionId,
    pub(crate) is_child: bool,
    pub(crate) actor: PrincipalId,
    /// The decision that an event of this call names.
    pub(crate) decision: Option<&'a Decision>,
}

/// An entry before it is numbered and digested.
pub(super) struct Draft {
    pub(super) kind: Word,
    pub(super) data: Data,
    pub(super) payload: Option<Vec<u8>>,
}

impl EntryWriter<'_> {
    /// Adds the entry of a transaction's event.
    pub(crate) fn transaction(&mut self, staged: &Staged, of: OfTransaction<'_>) {
        let salt = Salt::draw(self.entropy);
        let draft = draft(&staged.event, of.decision, &salt);
        let refs = Refs {
            n: Some(staged.n),
            transaction: Some(of.id),
            last: is_last(&staged.event, of.is_child),
            ..refs(&staged.event)
        };
        self.write(staged.seq, draft, refs, of.actor, &salt);
    }

    /// Adds an entry that belongs to no transaction.
    pub(crate) fn control(&mut self, seq: u64, kind: Word, actor: PrincipalId, data: Data, payload: Option<Vec<u8>>) {
        let salt = Salt::draw(self.entropy);
        self.write(seq, Draft { kind, data, payload }, Refs::default(), actor, &salt);
    }

    /// Adds the entry of a decision that belongs to no transaction.
    pub(crate) fn decision(
        &mut self,
        seq: u64,
        actor: PrincipalId,
        id: DecisionId,
        decision: Option<&Decision>,
        payload: Payload,
    ) {
        let salt = Salt::draw(self.entropy);
        let permitted = decision.is_some_and(Decision::is_permit);
        let kind = if permitted { kind::DECISION_PERMITTED } else { kind::DECISION_DENIED };
        let data = of_decision(Data::new(), decision, &salt);
        let refs = Refs { decision: Some(id), ..Refs::default() };
        self.write(seq, Draft { kind, data, payload: Some(payload.finish()) }, refs, actor, &salt);
    }

    fn write(&mut self, seq: u64, draft: Draft, refs: Refs, actor: PrincipalId, salt: &Salt) {
        let transaction = refs.transaction.zip(refs.n);
        let record = Record {
            actor,
            at: self.now,
            data: draft.data,
            epoch: self.epoch,
            kind: draft.kind,
            log: self.origin.clone(),
            payload: draft.payload.as_deref().map(|payload| salt.digest(payload)),
            refs,
            seq,
        };
        let payload =
            draft.payload.map(|bytes| PayloadRow { salt: *salt, sealed: Sealed::plain(bytes), subject: None });
        self.out.push(EntryRow { seq, transaction, record: record.to_bytes(), payload });
    }
}

/// Whether an event is the last of its transaction. A child that completed may be recalled until its root has ended:
/// that nothing was left out, its parent says, which has the number of its entries.
const fn is_last(event: &Event, is_child: bool) -> bool {
    match event {
        Event::Ended { status: Status::Completed, .. } => !is_child,
        Event::Ended { .. } => true,
        Event::Started { .. }
        | Event::Dispatched { .. }
        | Event::Permitted(_)
        | Event::StepDenied { .. }
        | Event::Claimed { .. }
        | Event::DriverResumed { .. }
        | Event::DriverHeard { .. }
        | Event::DriverLost
        | Event::Accepted { .. }
        | Event::Completed { .. }
        | Event::CarriedOut(_)
        | Event::ChildStarted(_)
        | Event::ChildRecalled { .. }
        | Event::Recalled
        | Event::Inherited(_)
        | Event::Resolved { .. }
        | Event::AttemptFailed { .. }
        | Event::Denied { .. }
        | Event::Expanded { .. }
        | Event::Skipped { .. }
        | Event::TimerStarted { .. }
        | Event::Polled { .. }
        | Event::TimerFired { .. }
        | Event::SignalAwaited { .. }
        | Event::SignalReceived { .. }
        | Event::SignalTaken { .. }
        | Event::Requested(_)
        | Event::Paused { .. }
        | Event::Unpaused { .. }
        | Event::OutputFailed { .. }
        | Event::CancelRequested { .. }
        | Event::TimedOut
        | Event::Confirming
        | Event::Parked { .. }
        | Event::Resumed { .. } => false,
    }
}

/// The number of the attempt that an event is about.
fn attempt_of(event: &Event) -> Option<u32> {
    match event {
        Event::Dispatched { attempt, .. }
        | Event::Accepted { attempt, .. }
        | Event::Completed { attempt, .. }
        | Event::Polled { attempt, .. }
        | Event::ChildRecalled { attempt, .. }
        | Event::AttemptFailed { attempt, .. } => Some(*attempt),
        Event::ChildStarted(start) => Some(start.attempt),
        Event::CarriedOut(done) => Some(done.attempt),
        Event::Permitted(permitted) => Some(permitted.attempt),
        Event::Started { .. }
        | Event::Recalled
        | Event::Inherited(_)
        | Event::Resolved { .. }
        | Event::Denied { .. }
        | Event::Expanded { .. }
        | Event::Skipped { .. }
        | Event::StepDenied { .. }
        | Event::Claimed { .. }
        | Event::DriverResumed { .. }
        | Event::DriverHeard { .. }
        | Event::DriverLost
        | Event::TimerStarted { .. }
        | Event::TimerFired { .. }
        | Event::SignalAwaited { .. }
        | Event::SignalReceived { .. }
        | Event::SignalTaken { .. }
        | Event::Requested(_)
        | Event::Paused { .. }
        | Event::Unpaused { .. }
        | Event::OutputFailed { .. }
        | Event::TimedOut
        | Event::Confirming
        | Event::CancelRequested { .. }
        | Event::Parked { .. }
        | Event::Resumed { .. }
        | Event::Ended { .. } => None,
    }
}

fn refs(event: &Event) -> Refs {
    let attempt = attempt_of(event);
    let decision = match event {
        Event::Started { decision, .. }
        | Event::Dispatched { decision, .. }
        | Event::Denied { decision, .. }
        | Event::StepDenied { decision, .. } => Some(*decision),
        Event::Permitted(permitted) => Some(permitted.decision),
        Event::ChildStarted(start) => Some(start.decision),
        Event::CarriedOut(done) => Some(done.decision),
        Event::Inherited(inherited) => inherited.stood.decision,
        Event::ChildRecalled { .. }
        | Event::Recalled
        | Event::Accepted { .. }
        | Event::Completed { .. }
        | Event::Resolved { .. }
        | Event::AttemptFailed { .. }
        | Event::Expanded { .. }
        | Event::Skipped { .. }
        | Event::Claimed { .. }
        | Event::DriverResumed { .. }
        | Event::DriverHeard { .. }
        | Event::DriverLost
        | Event::TimerStarted { .. }
        | Event::Polled { .. }
        | Event::TimerFired { .. }
        | Event::SignalAwaited { .. }
        | Event::SignalReceived { .. }
        | Event::SignalTaken { .. }
        | Event::Requested(_)
        | Event::Paused { .. }
        | Event::Unpaused { .. }
        | Event::OutputFailed { .. }
        | Event::TimedOut
        | Event::Confirming
        | Event::CancelRequested { .. }
        | Event::Parked { .. }
        | Event::Resumed { .. }
        | Event::Ended { .. } => None,
    };
    let node = event.node();
    let (step, clone) = (node.map(|node| node.step.0), node.map(|node| node.clone));
    Refs { attempt, decision, step, clone, ..Refs::default() }
}

/// Adds what a record says of a decision: the bundle, and salted digests of what it was asked and of whom.
pub(super) fn of_decision(data: Data, decision: Option<&Decision>, salt: &Salt) -> Data {
    let Some(decision) = decision else { return data };
    let data = data
        .digest("bundle", decision.bundle)
        .digest("entities", salt.digest(decision.entities.as_bytes()))
        .digest("request", salt.digest(decision.request.as_bytes()));
    match u64::try_from(decision.obligations.len()) {
        Ok(0) | Err(_) => data,
        Ok(count) => data.count("obligations", count),
    }
}

/// The same of a permit by which something is done, and how many notifiers are to tell of it: who tells sees it without
/// the payload, which has their names.
fn of_permit(data: Data, decision: Option<&Decision>, salt: &Salt) -> Data {
    let data = of_decision(data, decision, salt);
    match decision.map(|decision| u64::try_from(decision.told().len())) {
        None | Some(Ok(0) | Err(_)) => data,
        Some(Ok(notifiers)) => data.count(NOTIFY, notifiers),
    }
}

pub(super) fn salted(salt: &Salt, document: &Document) -> Digest {
    salt.digest(document.canonical().as_bytes())
}

pub(super) fn with_decision(payload: Payload, decision: Option<&Decision>) -> Payload {
    match decision {
        Some(decision) => payload.canonical("decision", decision.payload()),
        None => payload,
    }
}

fn draft(event: &Event, decision: Option<&Decision>, salt: &Salt) -> Draft {
    let empty = Data::new;
    match event {
        Event::Started { beginning, input, .. } => draft_started(beginning, input, decision, salt),
        Event::Dispatched { phase, input, deadline, conditions, .. } => {
            draft_dispatched(*phase, (input, *deadline, conditions.as_deref()), decision, salt)
        }
        Event::Accepted { phase, .. } => Draft { kind: accepted_kind(*phase), data: empty(), payload: None },
        Event::Completed { phase, output, child_entries, taint, .. } => {
            draft_completed(*phase, output, *child_entries, taint)
        }
        Event::Polled { output, next_at, .. } => draft_polled(output, *next_at),
        Event::CarriedOut(done) => draft_carried_out(done, decision, salt),
        Event::Requested(requested) => super::requests::draft(requested, decision, salt),
        Event::ChildStarted(start) => draft_child(start),
        Event::ChildRecalled { .. } => bare(kind::CHILD_RECALLED),
        Event::Recalled => bare(kind::TRANSACTION_RECALLED),
        Event::Inherited(inherited) => draft_inherited(inherited),
        Event::Resolved { phase, output, justification, .. } => {
            let payload = Payload::new().text("justification", justification).document("output", output);
            let data = empty().bool("by_hand", true);
            Draft { kind: completed_kind(*phase), data, payload: Some(payload.finish()) }
        }
        Event::AttemptFailed { phase, failure, error, retry_at, .. } => {
            let data = empty().word("failure", failure.word());
            let data = match retry_at {
                Some(at) => data.int("retry_at", at.as_micros()),
                None => data,
            };
            let payload = Payload::new().serialize("error", error).finish();
            Draft { kind: failed_kind(*phase), data, payload: Some(payload) }
        }
        Event::Denied { .. } => {
            let payload = with_decision(Payload::new(), decision).finish();
            Draft { kind: kind::DECISION_DENIED, data: of_decision(empty(), decision, salt), payload: Some(payload) }
        }
        Event::Permitted(permitted) => draft_permitted(permitted, decision, salt),
        Event::StepDenied { driver, intent, input, .. } => draft_step_denied(*driver, (intent, input), decision, salt),
        Event::Claimed { driver, .. } => of_driver(kind::STEP_CLAIMED, *driver),
        Event::DriverResumed { driver } => of_driver(kind::DRIVER_RESUMED, *driver),
        Event::DriverHeard { driver } => of_driver(kind::DRIVER_HEARD, *driver),
        Event::DriverLost => bare(kind::DRIVER_LOST),
        Event::Expanded { items, .. } => draft_expanded(items),
        Event::Skipped { .. } => bare(kind::STEP_SKIPPED),
        Event::TimerStarted { until, .. } => until_then(kind::TIMER_STARTED, Some(*until)),
        Event::TimerFired { .. } => bare(kind::TIMER_FIRED),
        Event::SignalAwaited { until, .. } => until_then(kind::SIGNAL_AWAITED, *until),
        Event::SignalReceived { signal } => draft_signal(signal),
        Event::SignalTaken { signal, .. } => {
            Draft { kind: kind::SIGNAL_TAKEN, data: empty().count("signal", *signal), payload: None }
        }
        Event::Paused { justification } => justified(kind::TRANSACTION_PAUSED, justification),
        Event::Unpaused { justification } => justified(kind::TRANSACTION_UNPAUSED, justification),
        Event::OutputFailed { error } => {
            let payload = Payload::new().serialize("error", error);
            Draft { kind: kind::TRANSACTION_OUTPUT_FAILED, data: empty(), payload: Some(payload.finish()) }
        }
        Event::TimedOut => bare(kind::TRANSACTION_TIMED_OUT),
        Event::CancelRequested { justification } => justified(kind::TRANSACTION_CANCEL_REQUESTED, justification),
        Event::Confirming => bare(kind::TRANSACTION_CONFIRMING),
        Event::Parked { .. } => bare(kind::TRANSACTION_PARKED),
        Event::Resumed { justification, .. } => justified(kind::TRANSACTION_RESUMED, justification),
        Event::Ended { status, output, justification } => {
            let payload = Payload::new()
                .maybe_text("justification", justification.as_deref())
                .maybe_document("output", output.as_deref());
            let data = empty().word("status", status.word());
            Draft { kind: ended_kind(*status), data, payload: Some(payload.finish()) }
        }
    }
}

fn draft_started(beginning: &Beginning, input: &Document, decision: Option<&Decision>, salt: &Salt) -> Draft {
    let data = of_permit(Data::new(), decision, salt)
        .digest("definition", beginning.digest)
        .digest("input", salted(salt, input))
        .count("version", u64::from(beginning.version));
    let data = match &beginning.fork {
        Some(fork) => data.word("fork_of", Word::from(&fork.source)),
        None => data,
    };
    let payload = Payload::new().canonical("beginning", &Payload::written(beginning));
    let payload = with_decision(payload, decision).document("input", input);
    Draft { kind: kind::TRANSACTION_STARTED, data, payload: Some(payload.finish()) }
}

/// The permit, and with the first one the intent and its undo: one entry.
fn draft_permitted(permitted: &Permitted, decision: Option<&Decision>, salt: &Salt) -> Draft {
    let data = of_permit(Data::new(), decision, salt)
        .int("deadline", permitted.deadline.as_micros())
        .count("driver", u64::from(permitted.driver))
        .digest("input", salted(salt, &permitted.input));
    let (conditions, input) = (permitted.conditions.as_deref(), &permitted.input);
    let payload = with_conditions(conditions, decision, input.canonical().len()).document("input", input);
    let payload = with_intent(payload, permitted.intent.as_deref(), &permitted.returned);
    Draft { kind: kind::STEP_DISPATCHED, data, payload: Some(payload.finish()) }
}

/// What is recorded of a driver's step with its first entry, and what the attempt before gives back.
pub(super) fn with_intent(payload: Payload, intent: Option<&Intent>, returned: &[Charge]) -> Payload {
    let payload = match intent {
        Some(intent) => payload.serialize("intent", intent),
        None => payload,
    };
    if returned.is_empty() { payload } else { payload.serialize("returned", &returned) }
}

/// A payload of these, with room for so many bytes of what follows them.
fn with_conditions(conditions: Option<&Conditions>, decision: Option<&Decision>, room: usize) -> Payload {
    let conditions = conditions.map(Payload::written);
    let known = conditions.as_ref().map_or(0, String::len) + decision.map_or(0, |decision| decision.payload().len());
    let payload = Payload::with_room(known + room);
    with_decision(
        match conditions {
            Some(conditions) => payload.canonical("conditions", &conditions),
            None => payload,
        },
        decision,
    )
}

fn draft_dispatched(
    phase: Phase,
    (input, deadline, conditions): (&Document, Timestamp, Option<&Conditions>),
    decision: Option<&Decision>,
    salt: &Salt,
) -> Draft {
    let data = of_permit(Data::new(), decision, salt).int("deadline", deadline.as_micros());
    let payload = with_conditions(conditions, decision, input.canonical().len()).document("input", input);
    let payload = Some(payload.finish());
    Draft { kind: dispatched_kind(phase), data: data.digest("input", salted(salt, input)), payload }
}

/// A denial of a driver's step, with what it declared: nothing else comes of it.
fn draft_step_denied(
    driver: u32,
    (intent, input): (&Intent, &Document),
    decision: Option<&Decision>,
    salt: &Salt,
) -> Draft {
    let payload = with_decision(Payload::new(), decision).document("input", input).serialize("intent", intent);
    let data = of_decision(Data::new(), decision, salt).count("driver", u64::from(driver));
    let data = data.digest("input", salted(salt, input));
    Draft { kind: kind::DECISION_DENIED, data, payload: Some(payload.finish()) }
}

fn draft_completed(phase: Phase, output: &Document, child_entries: Option<u64>, taint: &Classes) -> Draft {
    let mut payload = Payload::new().document("output", output);
    if !taint.is_empty() {
        payload = payload.serialize("taint", taint);
    }
    let data = match child_entries {
        Some(entries) => Data::new().count("child_entries", entries),
        None => Data::new(),
    };
    Draft { kind: completed_kind(phase), data, payload: Some(payload.finish()) }
}

/// What a round gave, and when the next one begins, if one does.
fn draft_polled(output: &Document, next_at: Option<Timestamp>) -> Draft {
    let data = match next_at {
        Some(at) => Data::new().int("next", at.as_micros()),
        None => Data::new(),
    };
    let payload = Payload::new().document("output", output);
    Draft { kind: kind::STEP_POLLED, data, payload: Some(payload.finish()) }
}

/// An answer with the decision that it is, or an event with the permit that let it out: one entry each. An undo's permit
/// stands with its step.
fn draft_carried_out(done: &CarriedOut, decision: Option<&Decision>, salt: &Salt) -> Draft {
    let conditions = match &done.deed {
        Deed::Emitted(_, _, conditions) => conditions.as_deref(),
        Deed::Answered { .. } => None,
    };
    let payload = with_conditions(conditions, decision, done.output.canonical().len());
    let (kind, data, payload) = match &done.deed {
        Deed::Answered { permitted, bytes } => {
            let kind = if *permitted { kind::DECISION_PERMITTED } else { kind::DECISION_DENIED };
            (kind, of_decision(Data::new(), decision, salt).count("bytes", *bytes), payload)
        }
        Deed::Emitted(emission, input, _) => {
            let data = of_permit(Data::new(), decision, salt).word("event", &emission.id);
            let data = data.digest("input", salted(salt, input)).word("phase", done.phase.word());
            (kind::EVENT_EMITTED, data, payload.serialize("event", emission).document("input", input))
        }
    };
    Draft { kind, data, payload: Some(payload.document("output", &done.output).finish()) }
}

/// Which child begins; what it begins with, and the decision, are in its own first entry.
fn draft_child(start: &ChildStart) -> Draft {
    let data = Data::new().word("child", Word::from(&start.child)).count("version", u64::from(start.version));
    let payload = Payload::new().text("input_digest", &start.input.to_string());
    Draft { kind: kind::CHILD_STARTED, data, payload: Some(payload.finish()) }
}

/// Who did it, and how it stood; what came of it, as its own entry has it.
fn draft_inherited(inherited: &Inherited) -> Draft {
    let stood = &inherited.stood;
    let data = Data::new().word("source", Word::from(&stood.origin.transaction)).word("status", stood.status.word());
    let payload = Payload::new().serialize("inherited", stood);
    let payload = match &inherited.document {
        Some(items) if inherited.fans_out => payload.document("items", items),
        Some(output) => payload.document("output", output),
        None => payload,
    };
    Draft { kind: kind::STEP_INHERITED, data, payload: Some(payload.finish()) }
}

/// That something happened, and nothing more.
fn bare(kind: Word) -> Draft {
    Draft { kind, data: Data::new(), payload: None }
}

/// That a step waits, and until when, if that is known.
fn until_then(kind: Word, until: Option<Timestamp>) -> Draft {
    let data = match until {
        Some(until) => Data::new().int("until", until.as_micros()),
        None => Data::new(),
    };
    Draft { kind, data, payload: None }
}

fn draft_signal(signal: &Signal) -> Draft {
    let payload = Payload::new().maybe_text("id", signal.id.as_deref()).text("name", signal.name.as_str());
    let payload = payload.document("output", &signal.payload);
    Draft { kind: kind::SIGNAL_RECEIVED, data: Data::new(), payload: Some(payload.finish()) }
}

fn of_driver(kind: Word, driver: u32) -> Draft {
    Draft { kind, data: Data::new().count("driver", u64::from(driver)), payload: None }
}

/// The elements, and in the record only how many there are.
fn draft_expanded(items: &Document) -> Draft {
    let count = items.as_array().map_or(0, Vec::len);
    let data = Data::new().count("count", u64::try_from(count).unwrap_or(u64::MAX));
    let payload = Payload::new().document("items", items);
    Draft { kind: kind::STEP_EXPANDED, data, payload: Some(payload.finish()) }
}

fn justified(kind: Word, justification: &str) -> Draft {
    let payload = Payload::new().text("justification", justification);
    Draft { kind, data: Data::new(), payload: Some(payload.finish()) }
}

const fn dispatched_kind(phase: Phase) -> Word {
    match phase {
        Phase::Do => kind::STEP_DISPATCHED,
        Phase::Undo => kind::COMPENSATION_STARTED,
        Phase::Confirm => kind::CONFIRM_STARTED,
    }
}

const fn accepted_kind(phase: Phase) -> Word {
    match phase {
        Phase::Do => kind::STEP_ACCEPTED,
        Phase::Undo => kind::COMPENSATION_ACCEPTED,
        Phase::Confirm => kind::CONFIRM_ACCEPTED,
    }
}

const fn completed_kind(phase: Phase) -> Word {
    match phase {
        Phase::Do => kind::STEP_COMPLETED,
        Phase::Undo => kind::COMPENSATION_COMPLETED,
        Phase::Confirm => kind::CONFIRM_COMPLETED,
    }
}

const fn failed_kind(phase: Phase) -> Word {
    match phase {
        Phase::Do => kind::STEP_FAILED,
        Phase::Undo => kind::COMPENSATION_FAILED,
        Phase::Confirm => kind::CONFIRM_FAILED,
    }
}

const fn ended_kind(status: Status) -> Word {
    match status {
        Status::Completed => kind::TRANSACTION_COMPLETED,
        Status::Cancelled => kind::TRANSACTION_CANCELLED,
        Status::Terminated => kind::TRANSACTION_TERMINATED,
        Status::Failed
        | Status::Compensated
        | Status::Running
        | Status::Confirming
        | Status::Compensating
        | Status::Parked => kind::TRANSACTION_FAILED,
    }
}
