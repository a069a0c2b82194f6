//! Decisions of the past under another bundle.
//!
//! What a decision rested on is in its entry: request, context, and the entities that the directory and the request
//! gave. Under its own bundle it comes out as it was. For another one the parts that only its own schema asked for are
//! left out; what the other asks for and nobody recorded denies, and the flip says so.

use crate::bundle::Bundle;
use crate::decide::{Outcome, Reason, decide_again, reasons_again};
use crate::request::EntityRef;
use chancery_base::PrincipalKind;
use chancery_base::limits::REPLAY_GROUPS_MAX;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the platform puts into a context only where the schema declares it.
const BUILT_IN: [&str; 5] = ["attempt", "purpose", "taint", "transaction", "worker"];

/// A decision that another bundle takes otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    /// What it was about.
    pub asked: Asked,
    /// What was decided.
    pub before: Outcome,
    /// What the other bundle says.
    pub after: Outcome,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// What a decision was about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The definition that the resource is, or is a step of. For other resources none, until whoever knows of which
    /// transaction it was says it.
    pub definition: Option<String>,
    /// The principal.
    pub principal: String,
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: String,
}

/// Why a decision can't be taken again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreplayable {
    /// It was denied before a policy was asked, so that nothing was gathered to decide by.
    Refused,
    /// The payload is not that of a decision.
    Malformed,
}

/// Decides again what a payload records, and gives the flip if it is one.
///
/// # Errors
/// If that can't be done.
pub fn again(bundle: &Bundle, payload: &Value) -> Result<Option<Flip>, Unreplayable> {
    let before = match payload.get("outcome").and_then(Value::as_str) {
        Some("permit") => Outcome::Permit,
        Some("deny") => Outcome::Deny,
        Some(_) | None => return Err(Unreplayable::Malformed),
    };
    let of_own = payload.get("bundle").and_then(Value::as_str).is_some_and(|digest| digest == &*bundle.digest().text());
    if !of_own && payload.get("refused").is_some() {
        return Err(Unreplayable::Refused);
    }
    let mut projected = None;
    if payload.get("request").is_none() {
        return Err(Unreplayable::Malformed);
    }
    let payload: &Value = if of_own { payload } else { projected.insert(project(bundle, payload)) };
    let after = decide_again(bundle, payload);
    if after == before {
        return Ok(None);
    }
    let asked = Asked::of(payload).ok_or(Unreplayable::Malformed)?;
    Ok(Some(Flip { asked, before, after, reasons: reasons_again(bundle, payload) }))
}

/// The payload without what the bundle's schema does not ask for, as the platform would have left it out.
fn project(bundle: &Bundle, payload: &Value) -> Value {
    let mut payload = payload.clone();
    for entity in payload.get_mut("entities").and_then(Value::as_array_mut).into_iter().flatten() {
        let kind = entity.pointer("/uid/type").and_then(Value::as_str).unwrap_or_default();
        if !PrincipalKind::ALL.iter().any(|principal| principal.entity_type() == kind) {
            continue;
        }
        let Some(declared) = bundle.schema_facts().entity_type(kind) else { continue };
        if let Some(attributes) = entity.get_mut("attrs").and_then(Value::as_object_mut) {
            attributes.retain(|name, _| declared.attributes.attributes.contains_key(name));
        }
        if let Some(parents) = entity.get_mut("parents").and_then(Value::as_array_mut) {
            let is_declared = |parent: &EntityRef| declared.parents.contains(&parent.kind);
            parents.retain(|parent| EntityRef::of_json(parent).as_ref().is_some_and(is_declared));
        }
    }
    let action = payload.pointer("/request/action").and_then(Value::as_str).map(str::to_owned);
    let context = payload.pointer_mut("/request/context").and_then(Value::as_object_mut);
    if let (Some(action), Some(context)) = (action, context) {
        context.retain(|name, _| !BUILT_IN.contains(&name.as_str()) || bundle.context_declares(&action, name));
    }
    payload
}

impl Asked {
    fn of(payload: &Value) -> Option<Self> {
        let request = payload.get("request")?;
        let reference = |key: &str| request.get(key).and_then(EntityRef::of_json);
        let resource = reference("resource")?;
        let definition = match resource.kind.as_str() {
            "Definition" => Some(resource.id.clone()),
            "Step" => resource.id.split('/').next().map(str::to_owned),
            _ => None,
        };
        Some(Self {
            definition,
            principal: reference("principal")?.id,
            action: request.get("action")?.as_str()?.to_owned(),
            resource: resource.to_string(),
        })
    }
}

/// How often decisions flipped each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flips {
    /// Permits that would be denials.
    pub denied: u64,
    /// Denials that would be permits.
    pub permitted: u64,
}

impl Flips {
    fn add(&mut self, flip: &Flip) {
        match flip.after {
            Outcome::Deny => self.denied += 1,
            Outcome::Permit => self.permitted += 1,
        }
    }
}

/// What a replay amounts to. It keeps sums, not decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Decisions that were taken again.
    pub decisions: u64,
    /// All flips.
    pub flips: Flips,
    /// Flips by definition, principal and action, at most [`REPLAY_GROUPS_MAX`].
    pub groups: BTreeMap<(Option<String>, String, String), Flips>,
    /// Flips of further definitions, principals and actions.
    pub others: Flips,
    /// Decisions whose payload was erased or may not be seen.
    pub erased: u64,
    /// Denials before a policy was asked.
    pub refused: u64,
    /// Decisions whose payload is none.
    pub malformed: u64,
}

impl Tally {
    /// Decides again what an entry records, of which the payload may be gone; gives the flip if it is one, which
    /// [`Tally::flipped`] counts.
    pub fn take(&mut self, bundle: &Bundle, payload: Option<&Value>) -> Option<Flip> {
        let Some(payload) = payload else {
            self.erased += 1;
            return None;
        };
        self.count(again(bundle, payload))
    }

    /// Counts a decision that was taken again; gives the flip if it is one, which [`Tally::flipped`] counts.
    pub fn count(&mut self, again: Result<Option<Flip>, Unreplayable>) -> Option<Flip> {
        match again {
            Ok(flip) => {
                self.decisions += 1;
                return flip;
            }
            Err(Unreplayable::Refused) => self.refused += 1,
            Err(Unreplayable::Malformed) => self.malformed += 1,
        }
        None
    }

    /// Counts a flip.
    pub fn flipped(&mut self, flip: &Flip) {
        self.flips.add(flip);
        let key = (flip.asked.definition.clone(), flip.asked.principal.clone(), flip.asked.action.clone());
        if self.groups.len() < REPLAY_GROUPS_MAX || self.groups.contains_key(&key) {
            self.groups.entry(key).or_default().add(flip);
        } else {
            self.others.add(flip);
        }
    }
}
