//! What happens to schedules as entries, and entries as that again.

use super::kind;
use crate::payload::Payload;
use chancery_base::{Document, Name, PrincipalId, Timestamp};
use chancery_engine::schedule::{Event, Reason, Terms};
use chancery_ledger::{Data, Record, Word};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The kind, data and payload of an event's entry. `input` is what the schedule gives to what it starts, where the
/// event says so.
pub(crate) fn write(name: &Name, event: &Event, input: Option<&Document>) -> (Word, Data, Vec<u8>) {
    let named = |payload: Payload| payload.text("name", name.as_str());
    let (kind, data, payload) = match event {
        Event::Created { terms, owner, next } | Event::Changed { terms, owner, next } => {
            let kind = match event {
                Event::Created { .. } => kind::SCHEDULE_CREATED,
                Event::Changed { .. }
                | Event::Paused { .. }
                | Event::Resumed { .. }
                | Event::Deleted
                | Event::Buffered { .. }
                | Event::Fired { .. }
                | Event::Skipped { .. } => kind::SCHEDULE_CHANGED,
            };
            let payload = named(Payload::new().maybe_document("input", input));
            let payload = payload.text("owner", &owner.to_string()).serialize("terms", &**terms);
            (kind, with_next(Data::new(), *next), payload)
        }
        Event::Paused { note } => (kind::SCHEDULE_PAUSED, Data::new(), named(Payload::new()).text("note", note)),
        Event::Resumed { note, next } => {
            (kind::SCHEDULE_RESUMED, with_next(Data::new(), *next), named(Payload::new()).text("note", note))
        }
        Event::Deleted => (kind::SCHEDULE_DELETED, Data::new(), named(Payload::new())),
        Event::Buffered { due, next } => {
            let data = Data::new().int("due", due.as_micros());
            (kind::SCHEDULE_BUFFERED, with_next(data, *next), named(Payload::new()))
        }
        Event::Fired { due, transaction, by_hand, next } => {
            let data = Data::new().int("due", due.as_micros()).word("transaction", id_word(transaction.to_string()));
            let data = if *by_hand { data.bool("by_hand", true) } else { data };
            (kind::SCHEDULE_FIRED, with_next(data, *next), named(Payload::new()))
        }
        Event::Skipped { due, until, reason, error, next } => {
            let data = Data::new().int("due", due.as_micros()).word("reason", Word::literal(reason.word()));
            let data = match until {
                Some(until) => data.int("until", until.as_micros()),
                None => data,
            };
            let payload = named(Payload::new().maybe_text("error", error.as_deref()));
            (kind::SCHEDULE_SKIPPED, with_next(data, *next), payload)
        }
    };
    (kind, data, payload.finish())
}

fn with_next(data: Data, next: Option<Timestamp>) -> Data {
    match next {
        Some(next) => data.int("next", next.as_micros()),
        None => data,
    }
}

/// An id as a word: ids are `a-z`, `0-9` and `_`.
fn id_word(id: String) -> Word {
    Word::new(id).unwrap_or(Word::literal("invalid"))
}

/// The schedule and the event of an entry; the part that is not as it should be, if one is not. `None` where the
/// entry is of another kind.
pub(crate) fn read(record: &Record, payload: &Map<String, Value>) -> Option<Result<(Name, Event), &'static str>> {
    let reader = Reader { record, payload };
    let event = match record.kind.as_str() {
        "schedule.created" => reader.terms(|terms, owner, next| Event::Created { terms, owner, next }),
        "schedule.changed" => reader.terms(|terms, owner, next| Event::Changed { terms, owner, next }),
        "schedule.paused" => reader.typed("note").map(|note| Event::Paused { note }),
        "schedule.resumed" => reader.typed("note").map(|note| Event::Resumed { note, next: reader.time("next") }),
        "schedule.deleted" => Ok(Event::Deleted),
        "schedule.buffered" => reader.due().map(|due| Event::Buffered { due, next: reader.time("next") }),
        "schedule.fired" => reader.fired(),
        "schedule.skipped" => reader.skipped(),
        _ => return None,
    };
    Some(event.and_then(|event| Ok((reader.typed("name")?, event))))
}

struct Reader<'a> {
    record: &'a Record,
    payload: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn terms(
        &self,
        event: impl FnOnce(Box<Terms>, PrincipalId, Option<Timestamp>) -> Event,
    ) -> Result<Event, &'static str> {
        Ok(event(self.typed("terms")?, self.typed("owner")?, self.time("next")))
    }

    fn fired(&self) -> Result<Event, &'static str> {
        let transaction = self.record.data.get_word("transaction").and_then(|word| word.parse().ok());
        let by_hand = self.record.data.get_bool("by_hand").unwrap_or(false);
        let transaction = transaction.ok_or("data.transaction")?;
        Ok(Event::Fired { due: self.due()?, transaction, by_hand, next: self.time("next") })
    }

    fn skipped(&self) -> Result<Event, &'static str> {
        let word = self.record.data.get_word("reason").unwrap_or_default();
        let reason = Reason::ALL.into_iter().find(|reason| reason.word() == word).ok_or("data.reason")?;
        let error = if self.payload.contains_key("error") { Some(self.typed("error")?) } else { None };
        Ok(Event::Skipped { due: self.due()?, until: self.time("until"), reason, error, next: self.time("next") })
    }

    fn due(&self) -> Result<Timestamp, &'static str> {
        self.time("due").ok_or("data.due")
    }

    fn time(&self, key: &str) -> Option<Timestamp> {
        self.record.data.get_int(key).map(Timestamp::from_micros)
    }

    fn typed<T: DeserializeOwned>(&self, part: &'static str) -> Result<T, &'static str> {
        T::deserialize(self.payload.get(part).unwrap_or(&Value::Null)).ok().ok_or(part)
    }
}
