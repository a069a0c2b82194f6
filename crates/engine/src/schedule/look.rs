//! What is to be done with the times that have come.

use super::calendar::{before, minus};
use super::{Calendar, CatchUp, Head, Overlap, Reason};
use chancery_base::limits::SCHEDULE_LATE_MAX;
use chancery_base::{Timestamp, TransactionId};

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing: no time has come, or what has come waits.
    Nothing,
    /// A start.
    Start {
        /// For which time.
        due: Timestamp,
        /// What is to be terminated for it.
        ends: Option<TransactionId>,
        /// When it is due next.
        next: Option<Timestamp>,
    },
    /// A time waits for the end of what runs.
    Buffer {
        /// Which.
        due: Timestamp,
        /// What is to be cancelled for it.
        cancels: Option<TransactionId>,
        /// When it is due next.
        next: Option<Timestamp>,
    },
    /// Times are left out.
    Skip {
        /// The first.
        due: Timestamp,
        /// They are before this one.
        until: Timestamp,
        /// Why.
        reason: Reason,
        /// When it is due next.
        next: Option<Timestamp>,
    },
}

/// What comes of a start that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByHand {
    /// It is done; this is to be terminated for it.
    Start(Option<TransactionId>),
    /// It waits for the end of what runs; this is to be cancelled for it.
    Buffer(Option<TransactionId>),
    /// It is not done: this one runs.
    Refuse(TransactionId),
}

/// What is to be done next by a schedule; asked again after that is done, until it is nothing. `runs` says whether
/// [`Head::transaction`] has not ended.
#[must_use]
pub fn look(head: &Head, calendar: &Calendar, now: Timestamp, runs: bool) -> Look {
    if head.paused.is_some() {
        return Look::Nothing;
    }
    let running = head.transaction.filter(|_| runs);
    if let (Some(due), None) = (head.waiting.first(), running) {
        return Look::Start { due: *due, ends: None, next: head.next };
    }
    let Some(due) = head.next.filter(|due| *due <= now) else { return Look::Nothing };
    if let Some(until) = missed(head, calendar, due, now) {
        return Look::Skip { due, until, reason: Reason::Missed, next: calendar.next(before(until)) };
    }
    let next = calendar.next(due);
    // What is due by now is all left out for the same reason.
    let until = Timestamp::from_micros(now.as_micros() + 1);
    let skip = Look::Skip { due, until, reason: Reason::Overlap, next: calendar.next(now) };
    match (head.terms.overlap, running) {
        (_, None) | (Overlap::Allow, Some(_)) => Look::Start { due, ends: None, next },
        (Overlap::TerminateRunning, Some(running)) => Look::Start { due, ends: Some(running), next },
        (Overlap::Skip, Some(_)) => skip,
        (overlap, Some(_)) if !head.has_room(overlap) => skip,
        (Overlap::BufferOne | Overlap::BufferAll, Some(_)) => Look::Buffer { due, cancels: None, next },
        (Overlap::CancelRunning, Some(running)) => Look::Buffer { due, cancels: Some(running), next },
    }
}

/// Before which time whatever is due is left out as missed, from `due` on; none if `due` is not.
fn missed(head: &Head, calendar: &Calendar, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let in_time = minus(now, SCHEDULE_LATE_MAX);
    if due >= in_time {
        return None;
    }
    let until = match head.terms.catch_up {
        CatchUp::None => in_time,
        CatchUp::All => minus(now, head.terms.window()),
        CatchUp::Last => {
            // Of those that are late only the newest counts, and none if one comes that is in time.
            let reach = minus(now, head.terms.window());
            calendar.newest(due.max(reach), now).map_or(reach, |newest| newest.min(in_time))
        }
    };
    (due < until).then_some(until)
}

/// What comes of a start that somebody asks for, out of turn.
#[must_use]
pub fn by_hand(head: &Head, overlap: Option<Overlap>, runs: bool) -> ByHand {
    match (overlap.unwrap_or(head.terms.overlap), head.transaction.filter(|_| runs)) {
        (_, None) | (Overlap::Allow, Some(_)) => ByHand::Start(None),
        (Overlap::TerminateRunning, Some(running)) => ByHand::Start(Some(running)),
        (Overlap::Skip, Some(running)) => ByHand::Refuse(running),
        (overlap, Some(running)) if !head.has_room(overlap) => ByHand::Refuse(running),
        (Overlap::BufferOne | Overlap::BufferAll, Some(_)) => ByHand::Buffer(None),
        (Overlap::CancelRunning, Some(running)) => ByHand::Buffer(Some(running)),
    }
}
