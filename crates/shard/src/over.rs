//! Overrides: people answer for what the tenant's policy denies, one for the other, and others look at it afterwards.

mod refusal;

pub use refusal::OverrideRefusal;

use crate::row::{OverrideRow, Sealed};
use chancery_base::limits::{OVERRIDE_JUSTIFICATION_MIN, OVERRIDE_MAX, OVERRIDE_REVIEW_WITHIN};
use chancery_base::{DecisionId, OverrideId, PrincipalId, PrincipalKind, Timestamp, TransactionId};
pub use chancery_policy::OverrideKind;
use chancery_policy::{EntityRef, Request};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an override is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "lowercase", deny_unknown_fields)]
pub enum OverrideOn {
    /// That a principal does an action to a resource.
    Access {
        /// Who.
        principal: PrincipalId,
        /// The Cedar action; `start` is that of starts.
        action: String,
        /// To what.
        resource: EntityRef,
    },
    /// Whatever a step of a transaction asks for.
    Step {
        /// Whose.
        transaction: TransactionId,
        /// Which: `ship`, or for a clone `ship[3]`.
        step: String,
        /// Who started the transaction.
        principal: PrincipalId,
    },
}

impl OverrideOn {
    /// For whose acts it is.
    #[must_use]
    pub const fn principal(&self) -> PrincipalId {
        match self {
            Self::Access { principal, .. } | Self::Step { principal, .. } => *principal,
        }
    }
}

/// What is done under an override: a start, or a step with its retries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// The transaction.
    pub transaction: TransactionId,
    /// The step; none for the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// What a person said of an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Who.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub justification: String,
}

/// Where an override stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverrideStatus {
    /// Asked for, and not answered.
    Requested,
    /// Granted.
    Granted,
    /// Granted for one act, and that one was done: its retries still are.
    Used,
    /// Refused.
    Refused,
    /// Ended before its time.
    Revoked,
    /// Its time has come.
    Expired,
}

impl OverrideStatus {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Granted => "granted",
            Self::Used => "used",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// An override: what was asked for, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Its id.
    pub id: OverrideId,
    /// Of what kind it is.
    pub kind: OverrideKind,
    /// What it is on.
    pub on: OverrideOn,
    /// Until when it is in force at most.
    pub until: Timestamp,
    /// Where it stands.
    pub status: OverrideStatus,
    /// Who asked for it.
    pub requested: Said,
    /// Who granted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Said>,
    /// Who refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Said>,
    /// Who ended it before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Said>,
    /// The one act that it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
    /// Who reviewed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed: Option<Said>,
}

/// That something was done under an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// What.
    pub act: Act,
    /// By which decision.
    pub decision: DecisionId,
}

/// What happens to an override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverrideEvent {
    /// Somebody asks for it.
    Requested {
        /// Of what kind.
        kind: OverrideKind,
        /// On what.
        on: OverrideOn,
        /// Until when.
        until: Timestamp,
        /// Why.
        justification: String,
        /// The one that goes, to make room.
        forgets: Option<OverrideId>,
    },
    /// Another grants it.
    Granted(String),
    /// Another refuses it.
    Refused(String),
    /// Something is done under it.
    Used(Used),
    /// Somebody ends it before its time, or takes back what they asked for.
    Revoked(String),
    /// Its time has come.
    Expired,
    /// Somebody who had no part in it reviews it.
    Reviewed(String),
}

impl Override {
    /// What it is after something happened to it: the one table, for running and for replay. That something was done
    /// under one that is for as many acts as come changes nothing of it.
    ///
    /// # Errors
    /// If that may not happen to it, or not by them.
    pub fn after(self, event: &OverrideEvent, by: PrincipalId, at: Timestamp) -> Result<Self, OverrideRefusal> {
        use OverrideStatus::{Expired, Granted, Refused, Requested, Revoked, Used};
        let said = |text: &str| said(by, at, text);
        let is_open = at < self.until;
        Ok(match (self.status, event) {
            (Requested, OverrideEvent::Granted(why)) if is_open => {
                self.expect_other(by)?;
                Self { status: Granted, granted: Some(said(why)?), ..self }
            }
            (Requested, OverrideEvent::Refused(why)) if is_open => {
                self.expect_other(by)?;
                Self { status: Refused, refused: Some(said(why)?), ..self }
            }
            (Granted, OverrideEvent::Used(used)) if is_open && self.kind.is_single() => {
                Self { status: Used, used: Some(used.clone()), ..self }
            }
            (Granted, OverrideEvent::Used(_)) if is_open => self,
            (Used, OverrideEvent::Used(used)) if self.is_in_force(at) && self.is_for(&used.act) => self,
            (Requested | Granted | Used, OverrideEvent::Revoked(why)) if is_open && self.reviewed.is_none() => {
                Self { status: Revoked, revoked: Some(said(why)?), ..self }
            }
            (Requested | Granted, OverrideEvent::Expired) if !is_open => Self { status: Expired, ..self },
            (Used | Revoked | Expired, OverrideEvent::Reviewed(note))
                if self.granted.is_some() && self.reviewed.is_none() =>
            {
                self.expect_outsider(by)?;
                Self { reviewed: Some(said(note)?), ..self }
            }
            (Granted, OverrideEvent::Reviewed(_)) => return Err(OverrideRefusal::Early(self.until)),
            (status, _) => return Err(OverrideRefusal::Status { status, reviewed: self.reviewed.is_some() }),
        })
    }

    /// One that somebody asks for.
    ///
    /// # Errors
    /// If they are no person, or ask for what can't be.
    pub fn requested(
        id: OverrideId,
        (kind, on, until): (OverrideKind, OverrideOn, Timestamp),
        why: &str,
        (by, at): (PrincipalId, Timestamp),
    ) -> Result<Self, OverrideRefusal> {
        let latest = at.plus(OVERRIDE_MAX);
        if until <= at || until > latest {
            return Err(OverrideRefusal::Until { until, latest });
        }
        let requested = said(by, at, why)?;
        let (granted, refused, revoked) = (None, None, None);
        let status = OverrideStatus::Requested;
        Ok(Self { id, kind, on, until, status, requested, granted, refused, revoked, used: None, reviewed: None })
    }

    /// Whether something may be done under it now. Once it was reviewed it is over, for retries of its act, too.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        matches!(self.status, OverrideStatus::Granted | OverrideStatus::Used)
            && now < self.until
            && self.reviewed.is_none()
    }

    /// By when it is to be reviewed; none where it was not granted, or was reviewed.
    #[must_use]
    pub fn review_due(&self) -> Option<Timestamp> {
        let granted = self.granted.as_ref().filter(|_| self.reviewed.is_none())?;
        Some(granted.at.plus(OVERRIDE_REVIEW_WITHIN))
    }

    /// Whether nothing more comes of it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let is_over = match self.status {
            OverrideStatus::Requested | OverrideStatus::Granted => false,
            OverrideStatus::Used | OverrideStatus::Refused | OverrideStatus::Revoked | OverrideStatus::Expired => true,
        };
        is_over && self.review_due().is_none()
    }

    /// When it expires if nobody does anything.
    fn expires_at(&self) -> Option<Timestamp> {
        matches!(self.status, OverrideStatus::Requested | OverrideStatus::Granted).then_some(self.until)
    }

    /// Whether its one act is this.
    fn is_for(&self, act: &Act) -> bool {
        self.used.as_ref().is_some_and(|used| used.act == *act)
    }

    /// Whether it is on this; a question that nothing is done by has no act, and only what is for as many acts as come
    /// answers it.
    fn covers(&self, request: &Request, act: Option<&Act>) -> bool {
        let is_free = match act {
            Some(act) => self.used.is_none() || self.is_for(act),
            None => !self.kind.is_single(),
        };
        is_free
            && match &self.on {
                OverrideOn::Access { principal, action, resource } => {
                    request.principal.id() == Some(*principal)
                        && request.action == *action
                        && request.resource.entity == *resource
                }
                OverrideOn::Step { transaction, step, .. } => {
                    act.is_some_and(|act| act.transaction == *transaction && act.step.as_deref() == Some(step.as_str()))
                }
            }
    }

    /// As a decision takes it.
    #[must_use]
    pub fn in_force(&self) -> chancery_policy::Override {
        let granted = self.granted.as_ref().unwrap_or(&self.requested);
        chancery_policy::Override { id: self.id, kind: self.kind, justification: granted.justification.clone() }
    }

    /// Who asks does not answer, nor does whose acts it is for.
    fn expect_other(&self, by: PrincipalId) -> Result<(), OverrideRefusal> {
        if by == self.requested.by {
            return Err(OverrideRefusal::Requester(by));
        }
        if by == self.on.principal() { Err(OverrideRefusal::Beneficiary(by)) } else { Ok(()) }
    }

    /// Who reviews it had no part in it.
    fn expect_outsider(&self, by: PrincipalId) -> Result<(), OverrideRefusal> {
        self.expect_other(by)?;
        let is_granter = self.granted.as_ref().is_some_and(|granted| granted.by == by);
        if is_granter { Err(OverrideRefusal::Granter(by)) } else { Ok(()) }
    }

    /// What a row says; none if it is damaged.
    pub(crate) fn of(row: &OverrideRow) -> Option<Self> {
        row.body.read::<Self>().filter(|over| over.id == row.id)
    }

    /// Its row.
    pub(crate) fn row(&self) -> OverrideRow {
        OverrideRow { id: self.id, body: Sealed::json(self) }
    }
}

/// What a person says: never a machine, and never without saying why.
fn said(by: PrincipalId, at: Timestamp, text: &str) -> Result<Said, OverrideRefusal> {
    if by.kind() != PrincipalKind::User {
        return Err(OverrideRefusal::Machine(by));
    }
    let found = text.trim().chars().count();
    if found < OVERRIDE_JUSTIFICATION_MIN {
        return Err(OverrideRefusal::Justification(found));
    }
    Ok(Said { by, at, justification: text.to_owned() })
}

/// A tenant's overrides.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    of: BTreeMap<OverrideId, Override>,
    /// Those that decisions look at.
    granted: Vec<OverrideId>,
    /// The first time at which one expires.
    next: Option<Timestamp>,
}

impl FromIterator<Override> for Overrides {
    fn from_iter<I: IntoIterator<Item = Override>>(overrides: I) -> Self {
        let of: BTreeMap<OverrideId, Override> = overrides.into_iter().map(|over| (over.id, over)).collect();
        let is_granted = |over: &&Override| matches!(over.status, OverrideStatus::Granted | OverrideStatus::Used);
        let granted = of.values().filter(is_granted).map(|over| over.id).collect();
        let next = of.values().filter_map(Override::expires_at).min();
        Self { of, granted, next }
    }
}

impl Overrides {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Override> {
        self.of.values()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: OverrideId) -> Option<&Override> {
        self.of.get(&id)
    }

    /// The first time at which one expires.
    #[must_use]
    pub const fn next_expiry(&self) -> Option<Timestamp> {
        self.next
    }

    /// Those whose time has come.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = &Override> {
        self.of.values().filter(move |over| over.expires_at().is_some_and(|at| at <= now))
    }

    /// The one under which this is done, of those that are not `taken`: one that this does not use up before one that it
    /// does.
    #[must_use]
    pub fn covering(
        &self,
        request: &Request,
        act: Option<&Act>,
        now: Timestamp,
        taken: impl Fn(OverrideId) -> bool,
    ) -> Option<&Override> {
        let granted = self.granted.iter().filter_map(|id| self.of.get(id));
        let free = granted.filter(|over| over.is_in_force(now) && over.covers(request, act) && !taken(over.id));
        free.min_by_key(|over| over.kind.is_single() && over.used.is_none())
    }

    /// The oldest that nothing more comes of.
    #[must_use]
    pub fn oldest_closed(&self) -> Option<OverrideId> {
        self.of.values().find(|over| over.is_closed()).map(|over| over.id)
    }
}

#[cfg(test)]
mod tests;
