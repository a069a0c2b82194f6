//! The decision.

mod facts;

use crate::bundle::Bundle;
use crate::directory::{Directory, Principal};
use crate::index::Answer;
use crate::request::Request;
use chancery_base::{Digest, json};
use facts::Facts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A policy permits, none forbids, none failed.
    Permit,
    /// Anything else.
    Deny,
}

/// What a policy does where it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It permits.
    Permit,
    /// It forbids, whatever others permit.
    Forbid,
}

/// Why it was decided so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The policy that determined it; absent when no policy did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What that policy does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// For people: the policy's `@reason`, or what was wrong with the request.
    pub text: String,
}

/// A policy that failed, which denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFailure {
    /// The policy.
    pub policy: String,
    /// Cedar's error.
    pub error: String,
}

/// A decision, with what it takes to decide again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Permit or deny.
    pub outcome: Outcome,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
    /// The policies that failed.
    pub errors: Vec<PolicyFailure>,
    /// No policy was asked, for the question is none: the principal is unknown, or something is not as the schema says.
    /// A suspended principal is no such case: that nothing is permitted to it is an answer.
    pub misfit: bool,
    /// Digest of the bundle.
    pub bundle: Digest,
    /// Digest of the canonical JSON of `entities` in the payload.
    pub entities: Digest,
    /// Digest of the canonical JSON of `request` in the payload.
    pub request: Digest,
    payload: Box<str>,
}

/// The engine and its version, as it stands in payloads.
#[must_use]
pub fn engine() -> &'static str {
    static ENGINE: LazyLock<String> = LazyLock::new(|| format!("cedar-policy {}", cedar_policy::get_sdk_version()));
    &ENGINE
}

/// Decides. Whatever is wrong with the request, such as an unknown action, a suspended principal, a fraction in the
/// context or a missing attribute, is a deny whose reason says where.
#[must_use]
pub fn decide(bundle: &Bundle, directory: &Directory, request: &Request) -> Decision {
    decide_for(bundle, directory.principal(&request.principal), directory, request)
}

/// Decides for a principal that the caller already holds.
pub(crate) fn decide_for(
    bundle: &Bundle,
    principal: Option<&Principal>,
    directory: &Directory,
    request: &Request,
) -> Decision {
    let mut facts = Facts::of_request(request);
    let refused = facts.gather(bundle, principal, directory, request).err();
    let ((outcome, reasons, errors), misfit) = match &refused {
        Some(text) => (denied(text.clone()), !principal.is_some_and(|principal| principal.suspended)),
        None => answer(bundle, &facts),
    };
    let (entities_text, request_text) = (json::canonical_text(facts.entities()), json::canonical_text(facts.request()));
    let mut decision = Decision {
        outcome,
        reasons,
        errors,
        misfit,
        bundle: bundle.digest(),
        entities: Digest::of(entities_text.as_bytes()),
        request: Digest::of(request_text.as_bytes()),
        payload: Box::default(),
    };
    decision.payload = decision.write(&entities_text, refused.as_deref(), &request_text);
    decision
}

/// Decides again what a [`Decision::payload`] records. Under the same bundle the outcome is the recorded one; under
/// another it is what that one would have said. A payload of another form is denied.
#[must_use]
pub fn decide_again(bundle: &Bundle, payload: &Value) -> Outcome {
    match Facts::of_payload(payload) {
        Some(facts) if payload.get("refused").is_none() => answer(bundle, &facts).0.0,
        Some(_) | None => Outcome::Deny,
    }
}

impl Decision {
    /// Whether it permits.
    #[must_use]
    pub fn is_permit(&self) -> bool {
        self.outcome == Outcome::Permit
    }

    /// What the entry keeps, as canonical JSON: outcome, reasons and errors, the digests, and the entities and the
    /// request to decide again.
    #[must_use]
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// The payload. Its keys are written in their order, and its larger parts were made for their digests.
    fn write(&self, entities: &str, refused: Option<&str>, request: &str) -> Box<str> {
        let mut out = String::with_capacity(entities.len() + request.len() + 512);
        let failures: Value = self
            .errors
            .iter()
            .map(|failure| serde_json::json!({ "policy": failure.policy, "error": failure.error }))
            .collect();
        out.push_str("{\"bundle\":");
        json::write_string(&self.bundle.to_string(), &mut out);
        out.push_str(",\"engine\":");
        json::write_string(engine(), &mut out);
        out.push_str(",\"entities\":");
        out.push_str(entities);
        out.push_str(",\"entities_digest\":");
        json::write_string(&self.entities.to_string(), &mut out);
        out.push_str(",\"errors\":");
        json::write_canonical(&failures, &mut out);
        out.push_str(",\"outcome\":");
        json::write_string(self.outcome.word(), &mut out);
        out.push_str(",\"reasons\":");
        json::write_canonical(&self.reasons.iter().map(Reason::to_json).collect(), &mut out);
        if let Some(refused) = refused {
            out.push_str(",\"refused\":");
            json::write_string(refused, &mut out);
        }
        out.push_str(",\"request\":");
        out.push_str(request);
        out.push_str(",\"request_digest\":");
        json::write_string(&self.request.to_string(), &mut out);
        out.push('}');
        out.into_boxed_str()
    }

    /// The reasons in one line.
    #[must_use]
    pub fn explanation(&self) -> String {
        let texts: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        texts.join("; ")
    }
}

impl Outcome {
    /// The word on the wire: `permit` or `deny`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        }
    }
}

impl Effect {
    /// The word on the wire: `permit` or `forbid`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Forbid => "forbid",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.policy {
            Some(policy) => write!(f, "{policy}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl Reason {
    fn to_json(&self) -> Value {
        let mut map = Map::new();
        if let Some(policy) = &self.policy {
            map.insert("policy".to_owned(), Value::from(policy.clone()));
        }
        if let Some(effect) = self.effect {
            map.insert("effect".to_owned(), Value::from(effect.word()));
        }
        map.insert("text".to_owned(), Value::from(self.text.clone()));
        Value::Object(map)
    }
}

type Verdict = (Outcome, Vec<Reason>, Vec<PolicyFailure>);

fn denied(text: String) -> Verdict {
    (Outcome::Deny, vec![Reason { policy: None, effect: None, text }], Vec::new())
}

/// What the policies say, and whether they could not be asked.
fn answer(bundle: &Bundle, facts: &Facts) -> (Verdict, bool) {
    match facts.evaluate(bundle) {
        Ok(answer) => (verdict(bundle, facts, &answer), false),
        Err(text) => (denied(text), true),
    }
}

/// Errors deny: Cedar leaves a policy that errs out, and the one left out may be the forbid.
fn verdict(bundle: &Bundle, facts: &Facts, answer: &Answer) -> Verdict {
    let errors: Vec<PolicyFailure> = answer
        .errors()
        .iter()
        .map(|(id, error)| PolicyFailure { policy: id.to_string(), error: error.clone() })
        .collect();
    let is_permit = answer.is_allowed() && errors.is_empty();
    let mut reasons = Vec::new();
    for id in answer.reasons().iter().filter(|_| is_permit || !answer.is_allowed()) {
        let policy = bundle.policy(id);
        let effect = policy.map(|policy| policy.effect);
        let text = policy.and_then(|policy| policy.reason.clone()).unwrap_or_else(|| match effect {
            Some(Effect::Permit) => "this policy permits it".to_owned(),
            Some(Effect::Forbid) | None => "this policy forbids it".to_owned(),
        });
        reasons.push(Reason { policy: Some(id.to_string()), effect, text });
    }
    for (id, error) in answer.errors() {
        let text = format!("this policy failed, and a policy that fails denies: {error}");
        reasons.push(Reason {
            policy: Some(id.to_string()),
            effect: bundle.policy(id).map(|policy| policy.effect),
            text,
        });
    }
    if reasons.is_empty() {
        return denied(format!("no policy permits {}", facts.describe()));
    }
    (if is_permit { Outcome::Permit } else { Outcome::Deny }, reasons, errors)
}
