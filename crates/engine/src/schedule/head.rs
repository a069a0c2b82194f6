//! What a schedule is, as its events make it: one table of transitions, for running and for replay.

use super::{Event, Overlap, Reason, Terms};
use chancery_base::limits::{SCHEDULE_RECENT_MAX, SCHEDULE_WAITING_MAX};
use chancery_base::{PrincipalId, Timestamp, TransactionId};
use serde::{Deserialize, Serialize};

/// What a schedule is: all that its row holds. Its input is in the entry that told it its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// What it was told.
    pub terms: Terms,
    /// Under whose grants it starts.
    pub owner: PrincipalId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was told its terms.
    pub changed_at: Timestamp,
    /// The entry that says so, whose payload has the input.
    pub input_seq: u64,
    /// Why it is paused, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// The next time that it is due; none while it is paused, and when it never is again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Times that wait for the end of what runs, in their turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Timestamp>,
    /// The transaction that it started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// How many it started.
    pub fired: u64,
    /// What came of its latest times, oldest first.
    pub recent: Vec<Firing>,
    /// Why it could not start, if nothing was started since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// What came of a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firing {
    /// When it was due.
    pub due: Timestamp,
    /// Of several: they are before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it was dealt with.
    pub at: Timestamp,
    /// What came of it.
    pub came: Came,
    /// What was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
}

/// What can come of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Came {
    /// A transaction was started.
    Fired,
    /// It waits for the end of what runs.
    Buffered,
    /// See [`Reason::Missed`].
    Missed,
    /// See [`Reason::Overlap`].
    Overlap,
    /// See [`Reason::Denied`].
    Denied,
    /// See [`Reason::Conflict`].
    Conflict,
    /// See [`Reason::Failed`].
    Failed,
}

impl Came {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Buffered => "buffered",
            Self::Missed => Reason::Missed.word(),
            Self::Overlap => Reason::Overlap.word(),
            Self::Denied => Reason::Denied.word(),
            Self::Conflict => Reason::Conflict.word(),
            Self::Failed => Reason::Failed.word(),
        }
    }
}

impl From<Reason> for Came {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Missed => Self::Missed,
            Reason::Overlap => Self::Overlap,
            Reason::Denied => Self::Denied,
            Reason::Conflict => Self::Conflict,
            Reason::Failed => Self::Failed,
        }
    }
}

/// Why a schedule could not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// For which time.
    pub due: Timestamp,
    /// When that was found.
    pub at: Timestamp,
    /// What was wrong.
    pub message: String,
}

/// An event that can't happen to a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IllegalEvent {
    /// There is no such schedule.
    #[error("there is no such schedule")]
    Missing,
    /// There is one of that name.
    #[error("there is a schedule of this name")]
    Exists,
    /// It is paused already.
    #[error("the schedule is paused")]
    Paused,
    /// It is not paused.
    #[error("the schedule is not paused")]
    NotPaused,
}

/// What a schedule is after an event, none if it is gone. `seq` is the number of the event's entry.
///
/// # Errors
/// If that can't happen to it.
pub fn apply(head: Option<Head>, event: &Event, at: Timestamp, seq: u64) -> Result<Option<Head>, IllegalEvent> {
    if let Event::Created { terms, owner, next } = event {
        return if head.is_some() {
            Err(IllegalEvent::Exists)
        } else {
            Ok(Some(Head::new(terms, *owner, *next, at, seq)))
        };
    }
    let mut head = head.ok_or(IllegalEvent::Missing)?;
    match event {
        Event::Created { .. } => return Err(IllegalEvent::Exists),
        Event::Deleted => return Ok(None),
        Event::Changed { terms, owner, next } => {
            let before = head.clone();
            let next = next.filter(|_| before.paused.is_none());
            head = Head {
                created_at: before.created_at,
                paused: before.paused,
                waiting: before.waiting,
                transaction: before.transaction,
                fired: before.fired,
                recent: before.recent,
                ..Head::new(terms, *owner, next, at, seq)
            };
        }
        Event::Paused { note } => {
            if head.paused.is_some() {
                return Err(IllegalEvent::Paused);
            }
            (head.paused, head.next) = (Some(note.clone()), None);
        }
        Event::Resumed { next, .. } => {
            if head.paused.take().is_none() {
                return Err(IllegalEvent::NotPaused);
            }
            head.next = *next;
        }
        Event::Buffered { due, next } => {
            head.next = *next;
            // What is asked for at one instant is one time.
            if !head.waiting.contains(due) {
                head.waiting.push(*due);
            }
            head.note(Firing { due: *due, until: None, at, came: Came::Buffered, transaction: None });
        }
        Event::Fired { due, transaction, next, by_hand: _ } => {
            head.dealt_with(*due, *next);
            head.fired += 1;
            (head.transaction, head.error) = (Some(*transaction), None);
            head.note(Firing { due: *due, until: None, at, came: Came::Fired, transaction: Some(*transaction) });
        }
        Event::Skipped { due, until, reason, error, next } => {
            head.dealt_with(*due, *next);
            if let Some(message) = error {
                head.error = Some(Failure { due: *due, at, message: message.clone() });
            }
            head.note(Firing { due: *due, until: *until, at, came: (*reason).into(), transaction: None });
        }
    }
    Ok(Some(head))
}

impl Head {
    fn new(terms: &Terms, owner: PrincipalId, next: Option<Timestamp>, at: Timestamp, seq: u64) -> Self {
        Self {
            terms: terms.clone(),
            owner,
            created_at: at,
            changed_at: at,
            input_seq: seq,
            paused: None,
            next,
            waiting: Vec::new(),
            transaction: None,
            fired: 0,
            recent: Vec::new(),
            error: None,
        }
    }

    /// Whether one more time may wait for the end of what runs, under an overlap by which times wait.
    pub(super) const fn has_room(&self, overlap: Overlap) -> bool {
        let most = match overlap {
            Overlap::BufferOne | Overlap::CancelRunning => 1,
            Overlap::BufferAll => SCHEDULE_WAITING_MAX,
            Overlap::Skip | Overlap::Allow | Overlap::TerminateRunning => usize::MAX,
        };
        self.waiting.len() < most
    }

    fn dealt_with(&mut self, due: Timestamp, next: Option<Timestamp>) {
        self.next = next;
        self.waiting.retain(|waiting| *waiting != due);
    }

    fn note(&mut self, firing: Firing) {
        if self.recent.len() >= SCHEDULE_RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(firing);
    }
}
