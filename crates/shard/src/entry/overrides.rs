//! What happens to overrides, as entries and back.

use super::kind;
use crate::over::{OverrideEvent, OverrideKind, OverrideOn, Used};
use crate::payload::Payload;
use chancery_base::{DecisionId, OverrideId, Timestamp};
use chancery_ledger::{Data, Record, Word};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The entry of what happened to an override.
pub(crate) fn write(id: OverrideId, event: &OverrideEvent) -> (Word, Data, Option<Vec<u8>>) {
    let data = Data::new();
    let said = |text: &str| Some(Payload::new().text("justification", text));
    let (kind, data, payload) = match event {
        OverrideEvent::Requested { kind, on, until, justification, forgets } => {
            let payload = match forgets {
                Some(gone) => Payload::new().text("forgets", &gone.to_string()),
                None => Payload::new(),
            };
            let payload = payload.text("justification", justification).serialize("on", on);
            (kind::OVERRIDE_REQUESTED, data.word("kind", kind.word()).int("until", until.as_micros()), Some(payload))
        }
        OverrideEvent::Granted(why) => (kind::OVERRIDE_GRANTED, data, said(why)),
        OverrideEvent::Refused(why) => (kind::OVERRIDE_REFUSED, data, said(why)),
        OverrideEvent::Used(used) => {
            let payload = Payload::new().serialize("act", &used.act);
            (kind::OVERRIDE_USED, data.word("decision", &used.decision), Some(payload))
        }
        OverrideEvent::Revoked(why) => (kind::OVERRIDE_REVOKED, data, said(why)),
        OverrideEvent::Expired => (kind::OVERRIDE_EXPIRED, data, None),
        OverrideEvent::Reviewed(note) => (kind::OVERRIDE_REVIEWED, data, said(note)),
    };
    (kind, data.word("override", &id), payload.map(Payload::finish))
}

/// What happened to an override, if that is what the entry says; else the part that is not as it should be.
pub(crate) fn read(
    record: &Record,
    payload: &Map<String, Value>,
) -> Option<Result<(OverrideId, OverrideEvent), &'static str>> {
    record.kind.as_str().starts_with("override.").then(|| {
        let id = word::<OverrideId>(record, "override")?;
        let why = || typed::<String>(payload, "justification");
        let event = match record.kind.as_str() {
            "override.requested" => OverrideEvent::Requested {
                kind: kind_of(record)?,
                on: typed::<OverrideOn>(payload, "on")?,
                until: record.data.get_int("until").map(Timestamp::from_micros).ok_or("until")?,
                justification: why()?,
                forgets: payload.contains_key("forgets").then(|| typed(payload, "forgets")).transpose()?,
            },
            "override.granted" => OverrideEvent::Granted(why()?),
            "override.refused" => OverrideEvent::Refused(why()?),
            "override.used" => OverrideEvent::Used(Used {
                act: typed(payload, "act")?,
                decision: word::<DecisionId>(record, "decision")?,
            }),
            "override.revoked" => OverrideEvent::Revoked(why()?),
            "override.expired" => OverrideEvent::Expired,
            "override.reviewed" => OverrideEvent::Reviewed(why()?),
            _ => return Err("kind"),
        };
        Ok((id, event))
    })
}

fn kind_of(record: &Record) -> Result<OverrideKind, &'static str> {
    let word = record.data.get_word("kind");
    OverrideKind::ALL.into_iter().find(|kind| word == Some(kind.word())).ok_or("kind")
}

fn word<T: std::str::FromStr>(record: &Record, name: &'static str) -> Result<T, &'static str> {
    record.data.get_word(name).and_then(|word| word.parse().ok()).ok_or(name)
}

fn typed<T: DeserializeOwned>(payload: &Map<String, Value>, name: &'static str) -> Result<T, &'static str> {
    payload.get(name).and_then(|value| T::deserialize(value).ok()).ok_or(name)
}
