//! The decision.

mod also;
mod classes;
mod facts;

pub use also::Also;

use crate::bundle::Bundle;
use crate::directory::{Directory, Principal};
use crate::index::Answer;
use crate::mode::Mode;
use crate::obligation::{Approval, Demand, Handed, Obligation};
use crate::over::{Overridden, Override};
use crate::request::Request;
use crate::risk::Risk;
use chancery_base::{Digest, Name, json};
use facts::Facts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
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
    /// The policies and obligations that failed.
    pub errors: Vec<PolicyFailure>,
    /// What must hold for it to be done; empty unless it is permitted.
    pub obligations: Vec<Obligation>,
    /// Only the bundle's mode permits it: under [`Mode::Strict`] it would have been denied.
    pub would_deny: bool,
    /// Policy denied it, and people answer for its being permitted all the same.
    pub overridden: Option<Overridden>,
    /// No policy was asked, for the question is none: the principal is unknown, or something is not as the schema says.
    /// A suspended principal is no such case: that nothing is permitted to it is an answer.
    pub misfit: bool,
    /// How risky it is, where the bundle has tables that say so.
    pub risk: Option<Risk>,
    /// What other bundles said to the same question.
    pub also: Also,
    /// Digest of the bundle.
    pub bundle: Digest,
    /// Digest of the canonical JSON of `entities` in the payload.
    pub entities: Digest,
    /// Digest of the canonical JSON of `request` in the payload.
    pub request: Digest,
    handed: Handed,
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
    let principal = request.principal.id().and_then(|id| directory.principal(&id));
    decide_for(bundle, principal, directory, request, (Ok(None), None))
}

/// Decides as [`decide`] does, and keeps how risky it is with the decision. The context has what the policies are to
/// know of that. Where the bundle's tables could not say it, nothing is permitted, and the reason is theirs.
#[must_use]
pub fn decide_at_risk(
    bundle: &Bundle,
    directory: &Directory,
    request: &Request,
    risk: Result<Risk, String>,
) -> Decision {
    let principal = request.principal.id().and_then(|id| directory.principal(&id));
    decide_for(bundle, principal, directory, request, (risk.map(Some), None))
}

/// Decides where an override is in force. A deny of policy's becomes a permit: that no policy permits, or that one
/// forbids. What is no question to policy, a policy or an obligation that failed, and a suspended principal stay denied,
/// and what is demanded of a permit is demanded of this one.
#[must_use]
pub fn decide_overridden(
    bundle: &Bundle,
    directory: &Directory,
    request: &Request,
    risk: Result<Option<Risk>, String>,
    over: &Override,
) -> Decision {
    let principal = request.principal.id().and_then(|id| directory.principal(&id));
    decide_for(bundle, principal, directory, request, (risk, Some(over)))
}

/// Decides for a principal that the caller already holds.
pub(crate) fn decide_for(
    bundle: &Bundle,
    principal: Option<&Principal>,
    directory: &Directory,
    request: &Request,
    (risk, over): (Result<Option<Risk>, String>, Option<&Override>),
) -> Decision {
    let mut facts = Facts::of_request(request);
    let unfit = facts.gather(bundle, principal, directory, request).err();
    let is_misfit = unfit.is_some() && !principal.is_some_and(|principal| principal.suspended);
    let (risk, unknown) = risk.map_or_else(|text| (None, Some(text)), |risk| (risk, None));
    let refused = unfit.or(unknown);
    let (verdict, misfit) = match &refused {
        Some(text) => (Verdict::denied(text.clone()), is_misfit),
        None => answer(bundle, &facts, risk.as_ref().map(|risk| risk.score), over),
    };
    let Verdict { outcome, reasons, errors, obligations, would_deny, overridden } = verdict;
    let (entities_text, request_text) = (json::canonical_text(facts.entities()), json::canonical_text(facts.request()));
    let mut decision = Decision {
        outcome,
        reasons,
        errors,
        obligations,
        would_deny,
        overridden,
        misfit,
        risk,
        also: Also::default(),
        bundle: bundle.digest(),
        entities: Digest::of(entities_text.as_bytes()),
        request: Digest::of(request_text.as_bytes()),
        handed: Handed::default(),
        payload: Box::default(),
    };
    decision.settle(&entities_text, refused.as_deref(), &request_text);
    decision
}

/// Decides again what a [`Decision::payload`] records. Under the same bundle the outcome is the recorded one; under
/// another it is what that one would have said. A payload of another form is denied. An override that it names stands.
#[must_use]
pub fn decide_again(bundle: &Bundle, payload: &Value) -> Outcome {
    match Facts::of_payload(payload) {
        Some(facts) if payload.get("refused").is_none() => {
            answer(bundle, &facts, None, Override::of_payload(payload).as_ref()).0.outcome
        }
        Some(_) | None => Outcome::Deny,
    }
}

/// Why [`decide_again`] says what it says.
pub(crate) fn reasons_again(bundle: &Bundle, payload: &Value) -> Vec<Reason> {
    match (Facts::of_payload(payload), payload.get("refused").and_then(Value::as_str)) {
        (Some(facts), None) => answer(bundle, &facts, None, Override::of_payload(payload).as_ref()).0.reasons,
        (Some(_), Some(refused)) => Verdict::denied(refused.to_owned()).reasons,
        (None, _) => Verdict::denied("the payload is not that of a decision".to_owned()).reasons,
    }
}

impl Decision {
    /// A deny that stands above the bundle: its policies are not asked.
    #[must_use]
    pub fn barred(bundle: Digest, request: &Request, reason: Reason) -> Self {
        let facts = Facts::of_request(request);
        let (entities, asked) = (json::canonical_text(facts.entities()), json::canonical_text(facts.request()));
        let why = reason.to_string();
        let mut decision = Self {
            outcome: Outcome::Deny,
            reasons: vec![reason],
            errors: Vec::new(),
            obligations: Vec::new(),
            would_deny: false,
            overridden: None,
            misfit: false,
            risk: None,
            also: Also::default(),
            bundle,
            entities: Digest::of(entities.as_bytes()),
            request: Digest::of(asked.as_bytes()),
            handed: Handed::default(),
            payload: Box::default(),
        };
        decision.settle(&entities, Some(&why), &asked);
        decision
    }

    /// The same decision, whose obligations say what meets them.
    #[must_use]
    pub fn with_obligations(&self, obligations: Vec<Obligation>) -> Self {
        let mut decision = Self { obligations, ..self.clone() };
        decision.rewrite(None);
        decision
    }

    /// The deny that a permit becomes where something that it demands is lacking. Taken again it stays a deny, for the
    /// bundle alone did not decide it.
    #[must_use]
    pub fn lacking(&self, reason: Reason) -> Self {
        let why = reason.to_string();
        let (outcome, reasons, obligations) = (Outcome::Deny, vec![reason], Vec::new());
        let mut decision = Self { outcome, reasons, obligations, would_deny: false, ..self.clone() };
        decision.rewrite(Some(&why));
        decision
    }

    /// Writes the payload anew, from the parts that the one before has.
    fn rewrite(&mut self, refused: Option<&str>) {
        // It is canonical JSON that was written here.
        let before: Value = serde_json::from_str(&self.payload).unwrap_or_default();
        let part = |key: &str| before.get(key).map(json::canonical_text).unwrap_or_default();
        let refused = refused.or_else(|| before.get("refused").and_then(Value::as_str));
        self.settle(&part("entities"), refused, &part("request"));
    }

    /// Works out what goes with it, now that its parts are as they are.
    fn settle(&mut self, entities: &str, refused: Option<&str>, request: &str) {
        self.handed = Handed::of(&self.obligations);
        self.payload = self.write(entities, refused, request);
    }

    /// Whether it permits.
    #[must_use]
    pub fn is_permit(&self) -> bool {
        self.outcome == Outcome::Permit
    }

    /// What its obligations demand of what is handed out.
    #[must_use]
    pub const fn handed(&self) -> &Handed {
        &self.handed
    }

    /// The notifiers that tell of what is done by it.
    #[must_use]
    pub fn told(&self) -> BTreeSet<&Name> {
        self.obligations.iter().flat_map(|obligation| obligation.demand.told()).collect()
    }

    /// What the entry keeps, as canonical JSON: outcome, reasons, errors and obligations, the digests, the risk, and the
    /// entities and the request to decide again.
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
        out.push('{');
        if !self.also.is_empty() {
            out.push_str("\"also\":");
            json::write_canonical(&self.also.to_json(), &mut out);
            out.push(',');
        }
        out.push_str("\"bundle\":");
        json::write_string(&self.bundle.to_string(), &mut out);
        out.push_str(",\"engine\":");
        json::write_string(engine(), &mut out);
        out.push_str(",\"entities\":");
        out.push_str(entities);
        out.push_str(",\"entities_digest\":");
        json::write_string(&self.entities.to_string(), &mut out);
        out.push_str(",\"errors\":");
        json::write_canonical(&failures, &mut out);
        if !self.obligations.is_empty() {
            out.push_str(",\"obligations\":");
            json::write_canonical(&self.obligations.iter().map(Obligation::to_json).collect(), &mut out);
        }
        out.push_str(",\"outcome\":");
        json::write_string(self.outcome.word(), &mut out);
        if let Some(overridden) = &self.overridden {
            out.push_str(",\"overridden\":");
            json::write_canonical(&overridden.to_json(), &mut out);
        }
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
        if let Some(risk) = &self.risk {
            out.push_str(",\"risk\":");
            json::write_canonical(&risk.to_json(), &mut out);
        }
        if self.would_deny {
            out.push_str(",\"would_deny\":true");
        }
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
    pub(crate) fn to_json(&self) -> Value {
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

/// What a bundle says.
struct Verdict {
    outcome: Outcome,
    reasons: Vec<Reason>,
    errors: Vec<PolicyFailure>,
    obligations: Vec<Obligation>,
    would_deny: bool,
    overridden: Option<Overridden>,
}

/// What the policies say, and whether they could not be asked. The `risk` bears on what is demanded only.
fn answer(bundle: &Bundle, facts: &Facts, risk: Option<u8>, over: Option<&Override>) -> (Verdict, bool) {
    match classes::of(bundle, facts) {
        Ok(None) => answer_one(bundle, facts, risk, over),
        Ok(Some(each)) => classes::answer(bundle, &each, risk, over),
        Err(text) => (Verdict::denied(text), true),
    }
}

fn answer_one(bundle: &Bundle, facts: &Facts, risk: Option<u8>, over: Option<&Override>) -> (Verdict, bool) {
    let case = match facts.case(bundle) {
        Ok(case) => case,
        Err(text) => return (Verdict::denied(text), true),
    };
    let mut verdict = Verdict::of(bundle, facts, &case.policies(bundle));
    if let Some(over) = over {
        verdict.yield_to(over);
    }
    if verdict.outcome == Outcome::Permit {
        verdict.demand(bundle, facts, risk, &case.obligations(bundle));
    }
    (verdict, false)
}

impl Verdict {
    fn of_reasons(outcome: Outcome, reasons: Vec<Reason>) -> Self {
        Self { outcome, reasons, errors: Vec::new(), obligations: Vec::new(), would_deny: false, overridden: None }
    }

    fn denied(text: String) -> Self {
        Self::of_reasons(Outcome::Deny, vec![Reason { policy: None, effect: None, text }])
    }

    /// Errors deny: Cedar leaves a policy that errs out, and the one left out may be the forbid.
    fn of(bundle: &Bundle, facts: &Facts, answer: &Answer) -> Self {
        let is_permit = answer.is_allowed() && answer.errors().is_empty();
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
        if reasons.is_empty() && answer.errors().is_empty() {
            return Self::left_open(bundle, facts);
        }
        let mut verdict = Self::of_reasons(if is_permit { Outcome::Permit } else { Outcome::Deny }, reasons);
        for (id, error) in answer.errors() {
            let effect = bundle.policy(id).map(|policy| policy.effect);
            verdict.fail(id.to_string(), effect, "this policy failed, and a policy that fails denies", error);
        }
        verdict
    }

    /// Where no policy applies and none failed.
    fn left_open(bundle: &Bundle, facts: &Facts) -> Self {
        let what = facts.describe();
        match facts.mode(bundle) {
            Mode::Strict | Mode::Paranoid => Self::denied(format!("no policy permits {what}")),
            Mode::Permissive if facts.is_irreversible() => Self::denied(format!(
                "no policy permits {what}, and the mode `permissive` permits nothing that cannot be undone"
            )),
            Mode::Permissive => {
                let text = format!("no policy permits {what}: the mode `permissive` does, `strict` would deny it");
                let reasons = vec![Reason { policy: None, effect: None, text }];
                Self { would_deny: true, ..Self::of_reasons(Outcome::Permit, reasons) }
            }
        }
    }

    /// Permits what policy denies, under an override. A policy that failed is nothing that people can answer for: nobody
    /// knows what it would have said.
    fn yield_to(&mut self, over: &Override) {
        if self.outcome == Outcome::Deny && self.errors.is_empty() {
            let reasons = std::mem::replace(&mut self.reasons, vec![over.reason()]);
            self.outcome = Outcome::Permit;
            self.overridden = Some(Overridden { by: over.clone(), reasons });
        }
    }

    /// Adds what is demanded of what is permitted. An obligation that fails denies.
    fn demand(&mut self, bundle: &Bundle, facts: &Facts, risk: Option<u8>, answer: &Answer) {
        self.obligations.extend(answer.reasons().iter().filter_map(|id| bundle.obligation(id).cloned()));
        if facts.mode(bundle) == Mode::Paranoid {
            self.obligations.extend(paranoia(bundle, facts, risk));
        }
        for (id, error) in answer.errors() {
            self.fail(id.to_string(), None, "this obligation failed, and one that fails denies", error);
        }
    }

    /// Denies, because a policy or an obligation failed.
    fn fail(&mut self, policy: String, effect: Option<Effect>, what: &str, error: &str) {
        if self.outcome == Outcome::Permit {
            self.reasons.clear();
        }
        self.outcome = Outcome::Deny;
        self.would_deny = false;
        self.overridden = None;
        self.obligations.clear();
        self.reasons.push(Reason { policy: Some(policy.clone()), effect, text: format!("{what}: {error}") });
        self.errors.push(PolicyFailure { policy, error: error.to_owned() });
    }
}

/// What the mode `paranoid` demands.
fn paranoia(bundle: &Bundle, facts: &Facts, risk: Option<u8>) -> Option<Obligation> {
    let threshold = u64::from(bundle.risk_threshold());
    let why = match risk.map(u64::from).or_else(|| facts.risk()).filter(|risk| *risk >= threshold) {
        _ if facts.is_irreversible() => "it cannot be undone".to_owned(),
        Some(risk) => format!("its risk is {risk}, {threshold} or more"),
        None => return None,
    };
    let demand = Demand::Approval(Approval { approvers: 1, role: None, within: None });
    Some(Obligation { policy: None, reason: Some(format!("the mode `paranoid` asks somebody: {why}")), demand })
}
