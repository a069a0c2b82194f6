//! What happens to requests, as entries and back. Who said something is the entry's actor and stands in its payload; the
//! input that a request is about is in the payload of the entry that opened it, and its digest in each answer's.

use super::decode::{DecodeError, Reader};
use super::encode::{Draft, of_decision, salted, with_decision, with_intent};
use super::kind;
use crate::payload::Payload;
use chancery_base::{PrincipalId, RequestId, Salt, Timestamp};
use chancery_engine::{Event, Opener, RequestFact, Requested, Say};
use chancery_ledger::{Data, Word};
use chancery_policy::Decision;

/// The entry of what happened to a request; `decision` is the one that asked for it, if one did.
pub(super) fn draft(requested: &Requested, decision: Option<&Decision>, salt: &Salt) -> Draft {
    let data = Data::new().word("request_id", &requested.request);
    let by = |by: &PrincipalId| Payload::new().text("by", &by.to_string());
    let (kind, data, payload) = match &requested.fact {
        RequestFact::Opened { terms, input, opener } => {
            let data = of_decision(data, decision, salt)
                .count("approvers", u64::from(terms.approvers))
                .int("due", terms.due_at.as_micros())
                .digest("input", salted(salt, input))
                .word("kind", terms.kind.word());
            let payload = with_decision(Payload::new(), decision).document("input", input);
            let (data, payload) = match opener.as_deref() {
                Some(Opener { driver, intent, returned }) => {
                    (data.count("driver", u64::from(*driver)), with_intent(payload, intent.as_deref(), returned))
                }
                None => (data, payload),
            };
            (kind::REQUEST_OPENED, data, Some(payload.serialize("terms", terms)))
        }
        RequestFact::Acknowledged { by: who } => (kind::REQUEST_ACKNOWLEDGED, data, Some(by(who))),
        RequestFact::Answered { by: who, answer, input, justification, output } => {
            let payload = Payload::new().text("answer", answer.word()).text("by", &who.to_string());
            let payload = payload.text("input_digest", &input.to_string()).text("justification", justification);
            let payload = payload.maybe_document("output", output.as_deref());
            (kind::REQUEST_ANSWERED, data.word("answer", answer.word()), Some(payload))
        }
        RequestFact::Deferred { by: who, until, justification } => {
            let data = data.int("until", until.as_micros());
            (kind::REQUEST_DEFERRED, data, Some(by(who).text("justification", justification)))
        }
        RequestFact::Delegated { by: who, to, justification } => {
            let payload = by(who).text("justification", justification).text("to", &to.to_string());
            (kind::REQUEST_DELEGATED, data.word("to", to), Some(payload))
        }
        RequestFact::DueSoon => (kind::REQUEST_DUE_SOON, data, None),
        RequestFact::Expired => (kind::REQUEST_EXPIRED, data, None),
        RequestFact::Withdrawn => (kind::REQUEST_WITHDRAWN, data, None),
    };
    Draft { kind, data, payload: payload.map(Payload::finish) }
}

impl Reader<'_> {
    /// What happened to a request.
    pub(super) fn requested(&self, kind: &Word) -> Result<Event, DecodeError> {
        let request: Option<RequestId> = self.record.data.get_word("request_id").and_then(|word| word.parse().ok());
        let request = request.ok_or_else(|| self.fail("data.request_id"))?;
        let fact = match kind.as_str() {
            "request.opened" => {
                let opener = self.has_driver().then(|| self.opener().map(Box::new)).transpose()?;
                RequestFact::Opened { terms: self.typed("terms")?, input: self.value("input")?, opener }
            }
            "request.acknowledged" => RequestFact::Acknowledged { by: self.by()? },
            "request.answered" => RequestFact::Answered {
                by: self.by()?,
                answer: self.said()?,
                input: self.typed("input_digest")?,
                justification: self.text("justification")?,
                output: self.payload.document("output"),
            },
            "request.deferred" => RequestFact::Deferred {
                by: self.by()?,
                until: self.until().ok_or_else(|| self.fail("data.until"))?,
                justification: self.text("justification")?,
            },
            "request.delegated" => RequestFact::Delegated {
                by: self.by()?,
                to: self.typed("to")?,
                justification: self.text("justification")?,
            },
            "request.due_soon" => RequestFact::DueSoon,
            "request.expired" => RequestFact::Expired,
            "request.withdrawn" => RequestFact::Withdrawn,
            other => return Err(DecodeError::Kind(other.to_owned())),
        };
        self.check_terms(&fact)?;
        Ok(Event::Requested(Box::new(Requested { node: self.node()?, request, fact })))
    }

    /// The driver for whose step it was opened.
    fn opener(&self) -> Result<Opener, DecodeError> {
        Ok(Opener { driver: self.driver()?, intent: self.intent()?, returned: self.returned()? })
    }

    /// Who said it, whose entry it is.
    fn by(&self) -> Result<PrincipalId, DecodeError> {
        let by: PrincipalId = self.typed("by")?;
        if by == self.record.actor { Ok(by) } else { Err(self.fail("actor")) }
    }

    fn said(&self) -> Result<Say, DecodeError> {
        let (said, told): (Say, _) = (self.typed("answer")?, self.record.data.get_word("answer"));
        if told == Some(said.word()) { Ok(said) } else { Err(self.fail("data.answer")) }
    }

    /// What the record says of a request is what the payload does.
    fn check_terms(&self, fact: &RequestFact) -> Result<(), DecodeError> {
        let data = &self.record.data;
        match fact {
            RequestFact::Opened { terms, .. } => {
                let fits = data.get_int("approvers") == Some(i64::from(terms.approvers))
                    && data.get_int("due").map(Timestamp::from_micros) == Some(terms.due_at)
                    && data.get_word("kind") == Some(terms.kind.word());
                if fits { Ok(()) } else { Err(self.fail("terms")) }
            }
            RequestFact::Delegated { to, .. } if data.get_word("to") != Some(to.to_string().as_str()) => {
                Err(self.fail("data.to"))
            }
            RequestFact::Acknowledged { .. }
            | RequestFact::Answered { .. }
            | RequestFact::Deferred { .. }
            | RequestFact::Delegated { .. }
            | RequestFact::DueSoon
            | RequestFact::Expired
            | RequestFact::Withdrawn => Ok(()),
        }
    }
}
