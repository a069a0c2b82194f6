//! Requests to people: what is asked, of whom, and what was said to it.
//!
//! A request belongs to one step, or one clone of it, and to the input that it was opened with. It is opened by a step
//! that runs one, or by what has to be answered before a step is handed out. It counts for nothing else.

use crate::conditions::Charge;
use crate::node::NodeRef;
use crate::open::Intent;
use crate::status::words;
use chancery_base::limits::REQUEST_JUSTIFICATION_MIN;
use chancery_base::{Digest, Document, Kind, Name, PrincipalId, PrincipalKind, RequestId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long before it is due a request is warned of.
pub const REQUEST_WARNED_BEFORE: Duration = Duration::from_secs(60 * 60);

words!(
    /// What is asked of people.
    RequestKind {
        /// Whether something may be done.
        Approval = "approval",
        /// What to make of something that rules do not settle.
        Escalation = "escalation",
    }
);

words!(
    /// Why something is escalated.
    Trigger {
        /// Its risk is too high for rules to settle.
        RiskThreshold = "risk_threshold",
        /// Policies contradict one another.
        PolicyConflict = "policy_conflict",
        /// A rule says that people settle it.
        ExplicitRule = "explicit_rule",
        /// Who acts asked for it.
        ActorRequest = "actor_request",
        /// Something is not as it usually is.
        Anomaly = "anomaly",
    }
);

words!(
    /// Where a request stands.
    RequestStatus {
        /// Nobody has said anything yet.
        Open = "open",
        /// Somebody has seen it.
        Acknowledged = "acknowledged",
        /// As many as it takes said yes.
        Approved = "approved",
        /// Somebody said no.
        Denied = "denied",
        /// It was due and not answered, which counts as no.
        Expired = "expired",
        /// What it was for is not wanted any more.
        Withdrawn = "withdrawn",
    }
);

words!(
    /// What a person can say to a request.
    Say {
        /// Yes.
        Approved = "approved",
        /// No.
        Denied = "denied",
    }
);

/// What is asked, and of whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestTerms {
    /// How many people have to say yes.
    pub approvers: u32,
    /// By when, if nobody puts it off.
    pub due_at: Timestamp,
    /// How many characters a justification has at least.
    pub justification_min: u32,
    /// Of what kind it is.
    pub kind: RequestKind,
    /// Why it is asked; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The risk of what it is about, 0 to 100, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<u8>,
    /// The role of those who may answer; none: whoever may answer requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Name>,
    /// What is asked, in a line.
    pub title: String,
    /// Why it is escalated, of an escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
}

/// A request as its step keeps it. Its fields stand in the order of their names, as those of all that is written at each
/// commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestState {
    /// Who has seen it first, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// What was said to it, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<RequestAnswer>,
    /// When it was decided, expired or withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// Who put it off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferrals: Vec<Deferral>,
    /// Who handed their say on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegations: Vec<Delegation>,
    /// When it expires.
    pub due_at: Timestamp,
    /// Its id.
    pub id: RequestId,
    /// SHA-256 of the canonical input that it is about.
    pub input: Digest,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The sequence number of the entry that opened it, whose payload has the input.
    pub opened_seq: u64,
    /// Where it stands.
    pub status: RequestStatus,
    /// What is asked, and of whom.
    pub terms: RequestTerms,
    /// That it is due soon was said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warned: bool,
}

/// That somebody has seen a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: PrincipalId,
}

/// What somebody said to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestAnswer {
    /// Yes or no.
    pub answer: Say,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: PrincipalId,
    /// Why.
    pub justification: String,
}

/// That somebody put a request off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferral {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: PrincipalId,
    /// Why.
    pub justification: String,
    /// Until when it may be answered from then on.
    pub until: Timestamp,
}

/// That somebody handed their say on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: PrincipalId,
    /// Why.
    pub justification: String,
    /// To whom.
    pub to: PrincipalId,
}

/// What happened to a request of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// Which step, or clone of one.
    pub node: NodeRef,
    /// Which request.
    pub request: RequestId,
    /// What.
    pub fact: RequestFact,
}

/// The driver for whose step people are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opener {
    /// Its number.
    pub driver: u32,
    /// With the first that is recorded of the step: what was declared of it.
    pub intent: Option<Arc<Intent>>,
    /// What was counted for the attempt that a driver before this one has left.
    pub returned: Vec<Charge>,
}

/// What can happen to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFact {
    /// It was opened.
    Opened {
        /// What is asked, and of whom.
        terms: RequestTerms,
        /// The input that it is about.
        input: Arc<Document>,
        /// Of an open transaction: the driver whose step it is.
        opener: Option<Box<Opener>>,
    },
    /// Somebody has seen it.
    Acknowledged {
        /// Who.
        by: PrincipalId,
    },
    /// Somebody answered it. The first no decides it, and so does the yes that makes as many as it takes.
    Answered {
        /// Who.
        by: PrincipalId,
        /// Yes or no.
        answer: Say,
        /// SHA-256 of the canonical input that it is about.
        input: Digest,
        /// Why.
        justification: String,
        /// Where it decides a step that runs the request: what that gives.
        output: Option<Arc<Document>>,
    },
    /// Somebody put it off.
    Deferred {
        /// Who.
        by: PrincipalId,
        /// Until when it may be answered.
        until: Timestamp,
        /// Why.
        justification: String,
    },
    /// Somebody handed their say on.
    Delegated {
        /// Who.
        by: PrincipalId,
        /// To whom.
        to: PrincipalId,
        /// Why.
        justification: String,
    },
    /// It is due soon.
    DueSoon,
    /// It was due, and not answered.
    Expired,
    /// What it was for is not wanted any more.
    Withdrawn,
}

/// What has to be answered before a step is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Of what kind the request is.
    pub kind: RequestKind,
    /// How many people have to say yes.
    pub approvers: u32,
    /// Their role; none: whoever may answer requests.
    pub role: Option<Name>,
    /// How long they have; none: as the risk says.
    pub sla: Option<Duration>,
    /// Why it is asked; may be empty.
    pub reason: String,
    /// The risk of the step, 0 to 100, where that is known.
    pub risk: Option<u8>,
    /// How many characters a justification has; less than the least there is counts as that.
    pub justification_min: u32,
}

/// How a ready step stands to what has to be answered before it is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate<'a> {
    /// All is answered with yes: it may go.
    Open,
    /// A request of it is open.
    Waits(RequestId),
    /// This is to be asked.
    Shut(&'a Demand),
}

/// Who answers.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// Who.
    pub id: PrincipalId,
    /// Their roles, as the directory has them now.
    pub roles: &'a BTreeSet<Name>,
}

/// Why a person's word was not taken. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// It is a machine.
    #[error("{0} is not a person: requests are answered by people, with a `user`'s credential")]
    Machine(PrincipalId),
    /// Whose transaction it is.
    #[error("{0} started the transaction, and who asks does not answer: somebody else has to")]
    Requester(PrincipalId),
    /// They lack the role that it names.
    #[error("only those with the role `{0}` answer this request, or to whom one of them handed it on")]
    Role(Name),
    /// They have answered it.
    #[error("{0} has answered this request already: it takes different people")]
    Answered(PrincipalId),
    /// They have handed their say on.
    #[error("{by} has handed their say on to {to}, who answers in their place")]
    HandedOn {
        /// Who.
        by: PrincipalId,
        /// To whom.
        to: PrincipalId,
    },
    /// It is decided, expired or withdrawn.
    #[error("the request is {}: nothing more is taken to it", .0.word())]
    Closed(RequestStatus),
    /// A person had its step tried again since.
    #[error("the request is not asked any more: its step was tried again, and asked anew")]
    Superseded,
    /// Its time has come.
    #[error("the request was due at {0} and counts as denied")]
    Overdue(Timestamp),
    /// Too short.
    #[error(
        "the justification has {found} characters, {least} are needed: say what was checked, and why that is enough"
    )]
    Justification {
        /// How many it has.
        found: usize,
        /// How many it needs.
        least: u32,
    },
    /// It can't be put off so.
    #[error("the request can be put off until a time from now to {latest}, 30 days after it was opened, not {until}")]
    Until {
        /// Until when it was to be.
        until: Timestamp,
        /// The latest that is possible.
        latest: Timestamp,
    },
    /// It was put off or handed on too often.
    #[error("the request was {what} {max} times, as often as one may be: answer it")]
    Turns {
        /// What was done to it.
        what: &'static str,
        /// How often it may be.
        max: usize,
    },
}

impl RequestRefusal {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Machine(_) | Self::Requester(_) | Self::Role(_) | Self::HandedOn { .. } => Kind::Denied,
            Self::Answered(_) | Self::Closed(_) | Self::Superseded | Self::Overdue(_) | Self::Turns { .. } => {
                Kind::Conflict
            }
            Self::Justification { .. } | Self::Until { .. } => Kind::Invalid,
        }
    }
}

impl RequestFact {
    /// A word for it, for errors.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "request opened",
            Self::Acknowledged { .. } => "request acknowledged",
            Self::Answered { .. } => "request answered",
            Self::Deferred { .. } => "request deferred",
            Self::Delegated { .. } => "request delegated",
            Self::DueSoon => "request due soon",
            Self::Expired => "request expired",
            Self::Withdrawn => "request withdrawn",
        }
    }

    /// What it gives the step.
    pub(crate) const fn output(&self) -> Option<&Arc<Document>> {
        match self {
            Self::Answered { output, .. } => output.as_ref(),
            Self::Opened { .. }
            | Self::Acknowledged { .. }
            | Self::Deferred { .. }
            | Self::Delegated { .. }
            | Self::DueSoon
            | Self::Expired
            | Self::Withdrawn => None,
        }
    }
}

impl RequestStatus {
    /// Whether it can be answered.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Open | Self::Acknowledged => true,
            Self::Approved | Self::Denied | Self::Expired | Self::Withdrawn => false,
        }
    }
}

impl RequestState {
    /// Whether an answer makes no difference any more.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.status.is_open()
    }

    /// How many have said yes.
    #[must_use]
    pub fn yes_count(&self) -> usize {
        self.answers.iter().filter(|answer| answer.answer == Say::Approved).count()
    }

    /// Whether one more yes decides it.
    pub(crate) fn lacks_one(&self) -> bool {
        u32::try_from(self.yes_count()).is_ok_and(|yes| yes + 1 >= self.terms.approvers)
    }

    /// Whether somebody's say was handed on to them.
    #[must_use]
    pub fn is_delegate(&self, person: PrincipalId) -> bool {
        self.delegations.iter().any(|delegation| delegation.to == person)
    }

    /// Why somebody can't say anything to it, whatever their roles; none: they can. `requester` is whose transaction it
    /// is of.
    #[must_use]
    pub fn shuts_out(&self, person: PrincipalId, requester: PrincipalId) -> Option<RequestRefusal> {
        if person.kind() != PrincipalKind::User {
            return Some(RequestRefusal::Machine(person));
        }
        if person == requester {
            return Some(RequestRefusal::Requester(person));
        }
        if !self.is_open() {
            return Some(RequestRefusal::Closed(self.status));
        }
        if let Some(handed) = self.delegations.iter().find(|delegation| delegation.by == person) {
            return Some(RequestRefusal::HandedOn { by: person, to: handed.to });
        }
        self.answers.iter().any(|answer| answer.by == person).then_some(RequestRefusal::Answered(person))
    }

    /// The same of somebody whose roles are known.
    #[must_use]
    pub fn shuts_out_person(&self, person: Person<'_>, requester: PrincipalId) -> Option<RequestRefusal> {
        let shut_out = self.shuts_out(person.id, requester);
        let role = self.terms.role.as_ref().filter(|role| !person.roles.contains(*role));
        shut_out.or_else(|| role.filter(|_| !self.is_delegate(person.id)).cloned().map(RequestRefusal::Role))
    }

    /// When it has to be looked at though nobody answers: to say that it is due soon, or that it expired.
    pub(crate) fn wakes_at(&self) -> Timestamp {
        self.warns_at().filter(|_| !self.warned).unwrap_or(self.due_at)
    }

    /// When it is due soon; none where it was due so soon from the first.
    pub(crate) fn warns_at(&self) -> Option<Timestamp> {
        let at = self.due_at.minus(REQUEST_WARNED_BEFORE);
        let since = self.deferrals.last().map_or(self.opened_at, |deferral| deferral.at);
        (at > since).then_some(at)
    }

    /// Whether it answers a demand with yes, for this input.
    fn meets(&self, demand: &Demand, input: &Digest) -> bool {
        let is_enough = u32::try_from(self.yes_count()).is_ok_and(|yes| yes >= demand.approvers);
        self.status == RequestStatus::Approved
            && self.input == *input
            && self.terms.kind == demand.kind
            && self.terms.role == demand.role
            && self.terms.justification_min >= demand.justification_min
            && is_enough
    }
}

impl Demand {
    /// Approvals by so many people.
    #[must_use]
    pub const fn approvals(approvers: u32) -> Self {
        Self {
            kind: RequestKind::Approval,
            approvers,
            role: None,
            sla: None,
            reason: String::new(),
            risk: None,
            justification_min: REQUEST_JUSTIFICATION_MIN,
        }
    }

    /// How the requests of a step stand to demands, all of which have to be met. One is asked after the other.
    pub(crate) fn gate<'a>(demands: &'a [Self], requests: &[RequestState], input: &Digest) -> Gate<'a> {
        if let Some(open) = requests.iter().find(|request| request.is_open()) {
            return Gate::Waits(open.id);
        }
        let is_met = |demand: &&Self| requests.iter().any(|request| request.meets(demand, input));
        demands.iter().find(|demand| !is_met(demand)).map_or(Gate::Open, Gate::Shut)
    }
}

/// How long people have for something of a risk, 0 to 100: 2 h where it is critical, 8 h, 24 h, 72 h where it is low,
/// and 24 h where it is not known.
#[must_use]
pub const fn sla_of(risk: Option<u8>) -> Duration {
    const HOUR: u64 = 60 * 60;
    let hours = match risk {
        Some(80..) => 2,
        Some(60..80) => 8,
        Some(30..60) | None => 24,
        Some(0..30) => 72,
    };
    Duration::from_secs(hours * HOUR)
}

#[cfg(test)]
mod tests;
