//! Overrides: who may say what of them, and what goes through under them, until when.

use super::governed::Of;
use super::{Check, ensure};
use crate::reference::WrongRule;
use chancery_base::{DecisionId, OverrideId, PrincipalId, PrincipalKind, Timestamp};
use chancery_ledger::Record;
use chancery_shard::over::{Act, OverrideOn};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one may be good at most, and how much its justification says at least.
const MOST: Duration = Duration::from_secs(24 * 3_600);
const LEAST: usize = 20;

/// An override, as entries have told of it.
#[derive(Debug)]
pub(super) struct Over {
    on: OverrideOn,
    is_single: bool,
    until: Timestamp,
    asked_by: PrincipalId,
    granted_by: Option<PrincipalId>,
    /// It was refused, revoked, or has expired.
    is_over: bool,
    used: Option<Act>,
    is_reviewed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Overrides {
    of: BTreeMap<OverrideId, Over>,
    /// What the entry before said was used, and for which decision.
    used: Option<(OverrideId, Act, DecisionId)>,
    wrong: Option<WrongRule>,
}

impl Overrides {
    pub(super) fn new(wrong: Option<WrongRule>) -> Self {
        Self { wrong, ..Self::default() }
    }

    pub(super) fn ids(&self) -> Vec<OverrideId> {
        self.of.keys().copied().collect()
    }

    /// Something happened to one.
    pub(super) fn follow(&mut self, record: &Record, payload: &Map<String, Value>) -> Check {
        let id = record.data.get_word("override").and_then(|word| word.parse::<OverrideId>().ok()).ok_or("no id")?;
        let (by, at) = (record.actor, record.at);
        let said = payload.get("justification").and_then(Value::as_str);
        let is_said = said.is_some_and(|said| said.trim().chars().count() >= LEAST);
        let is_person = by.kind() == PrincipalKind::User && is_said;
        let by_person = || ensure(is_person, || format!("{by} said {said:?}"));
        if record.kind.as_str() == "override.requested" {
            by_person()?;
            let over = requested(record, payload)?;
            ensure(at < over.until && over.until <= at.plus(MOST), || format!("it is good until {}", over.until))?;
            return ensure(self.of.insert(id, over).is_none(), || format!("{id} was asked for before"));
        }
        let over = self.of.get_mut(&id).ok_or("nobody asked for it")?;
        let had_part = by == over.asked_by || by == over.on.principal();
        let is_open = at < over.until && !over.is_over;
        match record.kind.as_str() {
            "override.granted" => {
                by_person()?;
                ensure(!had_part, || format!("{by} granted what is theirs"))?;
                ensure(is_open && over.granted_by.is_none(), || format!("it is {over:?}"))?;
                over.granted_by = Some(by);
            }
            "override.refused" => {
                by_person()?;
                ensure(!had_part, || format!("{by} refused what is theirs"))?;
                ensure(is_open && over.granted_by.is_none(), || format!("it is {over:?}"))?;
                over.is_over = true;
            }
            "override.revoked" => {
                by_person()?;
                ensure(is_open && !over.is_reviewed, || format!("it is {over:?}"))?;
                over.is_over = true;
            }
            "override.expired" => {
                ensure(at >= over.until && !over.is_over && over.used.is_none(), || format!("it is {over:?}"))?;
                over.is_over = true;
            }
            "override.reviewed" => {
                by_person()?;
                ensure(!had_part && over.granted_by != Some(by), || format!("{by} had a part in it"))?;
                let is_due = over.granted_by.is_some() && (over.is_over || over.used.is_some());
                ensure(is_due && !over.is_reviewed, || format!("it is {over:?}"))?;
                over.is_reviewed = true;
            }
            "override.used" => {
                let act = payload.get("act").cloned().unwrap_or_default();
                let act: Act = serde_json::from_value(act).map_err(|err| err.to_string())?;
                let decision = record.data.get_word("decision").and_then(|word| word.parse().ok());
                ensure(over.is_good(at, self.wrong), || format!("it is not in force: {over:?}"))?;
                ensure(over.is_free_for(&act, self.wrong), || format!("it was for another act: {over:?}"))?;
                over.used = over.used.take().or(Some(act.clone()).filter(|_| over.is_single));
                self.used = Some((id, act, decision.ok_or("no decision")?));
            }
            other => return Err(format!("{other} happened")),
        }
        Ok(())
    }

    /// What goes through under one: it is granted, for that, and the entry before says that it was used.
    pub(super) fn goes_through(&mut self, id: OverrideId, of: &Of<'_>, decision: DecisionId, at: Timestamp) -> Check {
        let over = self.of.get(&id).ok_or("an override that nobody asked for")?;
        ensure(over.is_good(at, None), || format!("{id} is not in force: {over:?}"))?;
        ensure(over.is_on(of), || format!("{id} is on something else: {over:?}"))?;
        let used = self.used.take();
        ensure(used == Some((id, of.act(), decision)), || format!("{used:?} was said to be used, it is {id}"))
    }

    /// Nothing was used that the entry does not rest on.
    pub(super) fn is_unused(&mut self) -> Check {
        let used = self.used.take();
        ensure(used.is_none(), || format!("{used:?} was used, by nothing"))
    }

    /// Whether one answers for this.
    pub(super) fn covers(&self, of: &Of<'_>, at: Timestamp) -> bool {
        let covers =
            |over: &Over| over.is_on(of) && over.is_good(at, self.wrong) && over.is_free_for(&of.act(), self.wrong);
        self.of.values().any(covers)
    }
}

impl Over {
    fn is_good(&self, at: Timestamp, wrong: Option<WrongRule>) -> bool {
        let is_in_time = at < self.until || wrong == Some(WrongRule::ForgetExpiry);
        let is_over = self.is_over && wrong != Some(WrongRule::ForgetExpiry);
        self.granted_by.is_some() && !is_over && !self.is_reviewed && is_in_time
    }

    fn is_free_for(&self, act: &Act, wrong: Option<WrongRule>) -> bool {
        let is_free = self.used.as_ref().is_none_or(|used| used == act);
        !self.is_single || is_free || wrong == Some(WrongRule::OverrideAll)
    }

    fn is_on(&self, of: &Of<'_>) -> bool {
        match &self.on {
            OverrideOn::Access { principal, action, resource } => {
                let is_it =
                    (resource.kind.as_str(), resource.id.as_str()) == (of.resource().0, of.resource().1.as_str());
                *principal == of.principal && *action == of.action() && is_it
            }
            OverrideOn::Step { transaction, step, .. } => {
                *transaction == of.transaction && of.step.as_ref().is_some_and(|of| of == step)
            }
        }
    }
}

fn requested(record: &Record, payload: &Map<String, Value>) -> Check<Over> {
    let on = payload.get("on").cloned().unwrap_or_default();
    let on: OverrideOn = serde_json::from_value(on).map_err(|err| err.to_string())?;
    let until = record.data.get_int("until").map(Timestamp::from_micros).ok_or("no time")?;
    let is_single = record.data.get_word("kind") != Some("time_limited_exception");
    let (granted_by, used) = (None, None);
    let asked_by = record.actor;
    Ok(Over { on, is_single, until, asked_by, granted_by, is_over: false, used, is_reviewed: false })
}
