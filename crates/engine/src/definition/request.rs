//! Steps that ask people, and what is asked before a step is handed out.

use super::check::Site;
use super::document::Data;
use super::facts::{BadExpression, text};
use super::fields::{Cursor, Keys};
use super::read::Reader;
use super::{Run, Step};
use crate::request::{Demand, RequestKind, RequestTerms, Trigger, sla_of};
use chancery_base::limits::{
    REQUEST_APPROVERS_MAX, REQUEST_JUSTIFICATION_MIN, REQUEST_JUSTIFICATION_MIN_MAX, REQUEST_OPEN_MAX,
    REQUEST_TITLE_BYTES_MAX, TEXT_BYTES_MAX,
};
use chancery_base::{Name, Timestamp, duration};
use chancery_expr::{Scope, Template};
use std::time::Duration;

pub(super) const REQUEST: Keys = Keys {
    known: &["kind", "title", "reason", "trigger", "role", "approvers", "sla", "risk", "justification"],
    later: &["escalate_to", "notify", "by"],
    elsewhere: &[
        ("input", "what people are shown is the step's `with`"),
        ("with", "it is said of the step"),
        ("timeout", "how long people have is its `sla`"),
    ],
};
pub(super) const APPROVAL: Keys = Keys {
    known: &["reason", "role", "approvers", "sla", "risk", "justification"],
    later: &["by"],
    elsewhere: &[("title", "it says which step is to run"), ("timeout", "how long people have is its `sla`")],
};

/// What belongs to attempts, of which a step that asks people has none, or to what takes effect.
const OF_CALLS: [(&str, &str); 15] = [
    ("each", "only a step that calls something fans out"),
    ("until", "only a step that calls something polls"),
    ("every", "only a step that calls something polls"),
    ("at_most", "only a step that calls something polls"),
    ("retry", "what people said is not asked again"),
    ("timeout", "how long people have is the request's `sla`"),
    ("queue_timeout", "it waits for no worker"),
    ("priority", "it waits for no worker"),
    ("fairness", "it waits for no worker"),
    ("compensate", "an answer changes nothing"),
    ("irreversible", "an answer changes nothing"),
    ("action", "policy is not asked, people are"),
    ("resource", "policy is not asked, people are"),
    ("context", "policy is not asked, people are"),
    ("approval", "it is a request itself"),
];

/// Who has to say yes, and by when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// How many people; 1 to `REQUEST_APPROVERS_MAX`.
    pub approvers: u32,
    /// Their role; none: whoever may answer requests.
    pub role: Option<Name>,
    /// How long they have; none: as the risk says.
    pub sla: Option<Duration>,
    /// The risk, 0 to 100, where its author says so.
    pub risk: Option<u8>,
    /// How many characters their justifications have at least.
    pub justification_min: u32,
}

/// A request that a step runs.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Of what kind it is.
    pub kind: RequestKind,
    /// What is asked, in a line.
    pub title: Template,
    /// Why it is asked.
    pub reason: Option<Template>,
    /// Why it is escalated: every escalation says so, and nothing else.
    pub trigger: Option<Trigger>,
    /// Who has to say yes.
    pub quorum: Quorum,
}

/// What people have to approve before a step is handed out.
#[derive(Debug, Clone)]
pub struct Approval {
    /// Why it is asked.
    pub reason: Option<Template>,
    /// Who has to say yes.
    pub quorum: Quorum,
}

impl Run {
    /// The request that it is.
    #[must_use]
    pub const fn request(&self) -> Option<&Ask> {
        match self {
            Self::Request(ask) => Some(ask),
            Self::Worker(_)
            | Self::Http(_)
            | Self::Noop
            | Self::Wait(_)
            | Self::Signal(_)
            | Self::Transaction(_)
            | Self::Decide(_)
            | Self::Emit(_) => None,
        }
    }
}

impl Ask {
    /// What is asked, if it is at `now`.
    ///
    /// # Errors
    /// If its texts can't be computed, or are too long.
    pub fn terms(&self, scope: &Scope<'_>, now: Timestamp) -> Result<RequestTerms, BadExpression> {
        const TITLE: &str = "run.request.title";
        let title = text(&self.title, TITLE, scope)?;
        if title.trim().is_empty() || title.len() > REQUEST_TITLE_BYTES_MAX {
            let found = title.len();
            let message = format!("a title has 1 to {REQUEST_TITLE_BYTES_MAX} bytes, this one has {found}");
            return Err(BadExpression::new(TITLE, message));
        }
        let Quorum { approvers, role, sla, risk, justification_min } = self.quorum.clone();
        Ok(RequestTerms {
            approvers,
            due_at: now.plus(sla.unwrap_or_else(|| sla_of(risk))),
            justification_min,
            kind: self.kind,
            reason: reason(self.reason.as_ref(), "run.request.reason", scope)?,
            risk,
            role,
            title,
            trigger: self.trigger,
        })
    }
}

impl Step {
    /// What its author has people approve before it is handed out.
    ///
    /// # Errors
    /// If its text can't be computed, or is too long.
    pub fn demand(&self, scope: &Scope<'_>) -> Result<Option<Demand>, BadExpression> {
        let Some(Approval { reason: why, quorum }) = &self.approval else { return Ok(None) };
        let Quorum { approvers, role, sla, risk, justification_min } = quorum.clone();
        let reason = reason(why.as_ref(), "approval.reason", scope)?;
        Ok(Some(Demand { kind: RequestKind::Approval, approvers, role, sla, reason, risk, justification_min }))
    }
}

fn reason(template: Option<&Template>, path: &str, scope: &Scope<'_>) -> Result<String, BadExpression> {
    let reason = template.map(|template| text(template, path, scope)).transpose()?.unwrap_or_default();
    if reason.len() <= TEXT_BYTES_MAX {
        return Ok(reason);
    }
    let message = format!("a reason has at most {TEXT_BYTES_MAX} bytes, this one has {}", reason.len());
    Err(BadExpression::new(path, message))
}

impl Reader {
    /// `{title: …, role: …, approvers: …, sla: …}`.
    pub(super) fn request(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Ask> {
        if !cursor.check_keys(&REQUEST, &mut self.problems) {
            return None;
        }
        let kinds = [RequestKind::Approval, RequestKind::Escalation].map(|kind| (kind.word(), kind));
        let kind = cursor.field("kind");
        let kind = kind.map_or(Some(RequestKind::Approval), |field| field.word("kind", &kinds, &mut self.problems));
        let title = cursor.required("title", &mut self.problems).and_then(|field| self.words(&field, site));
        let reason = cursor.field("reason").map(|field| self.words(&field, site));
        let trigger = self.trigger(cursor, kind);
        let quorum = self.quorum(cursor);
        Some(Ask { kind: kind?, title: title?, reason: reason.flatten(), trigger, quorum })
    }

    /// `{role: …, approvers: …, sla: …}`, said of a step that calls something.
    pub(super) fn approval(&mut self, cursor: &Cursor<'_>, run: Option<&Run>, site: Site) -> Option<Approval> {
        let field = cursor.field("approval")?;
        let why = match run {
            Some(Run::Wait(_) | Run::Signal(_)) => Some("a step that waits has no `approval`: nothing is called"),
            Some(Run::Decide(_)) => Some(
                "a step that decides a question has no `approval`: it changes nothing that people would have to approve",
            ),
            Some(Run::Request(_) | Run::Worker(_) | Run::Http(_) | Run::Noop | Run::Transaction(_) | Run::Emit(_))
            | None => None,
        };
        if let Some(why) = why {
            field.fail(&mut self.problems, why);
            return None;
        }
        if !field.check_keys(&APPROVAL, &mut self.problems) {
            return None;
        }
        let reason = field.field("reason").map(|field| self.words(&field, site));
        Some(Approval { reason: reason.flatten(), quorum: self.quorum(&field) })
    }

    /// A step that asks people has nothing of what belongs to calls.
    pub(super) fn check_request(&mut self, cursor: &Cursor<'_>, run: &Run) {
        for (key, why) in OF_CALLS.iter().filter(|_| run.request().is_some()) {
            if let Some(field) = cursor.field(key) {
                field.fail(&mut self.problems, format!("a step that asks people has no `{key}`: {why}"));
            }
        }
    }

    fn words(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Template> {
        cursor.text(&mut self.problems)?;
        self.template(cursor, site)
    }

    fn trigger(&mut self, cursor: &Cursor<'_>, kind: Option<RequestKind>) -> Option<Trigger> {
        let field = cursor.field("trigger");
        match (kind?, &field) {
            (RequestKind::Escalation, None) => {
                cursor.fail(&mut self.problems, "an escalation says its `trigger`: why people are asked");
                None
            }
            (RequestKind::Approval, Some(field)) => {
                field.fail(&mut self.problems, "`trigger` is of an escalation: write `kind: escalation`");
                None
            }
            (RequestKind::Escalation | RequestKind::Approval, _) => {
                let triggers: Vec<(&str, Trigger)> =
                    Trigger::ALL.iter().map(|trigger| (trigger.word(), *trigger)).collect();
                field?.word("trigger", &triggers, &mut self.problems)
            }
        }
    }

    fn quorum(&mut self, cursor: &Cursor<'_>) -> Quorum {
        let problems = &mut self.problems;
        let approvers = cursor.field("approvers").and_then(|field| field.whole(1, REQUEST_APPROVERS_MAX, problems));
        let role = cursor.field("role").and_then(|field| field.name(problems));
        let risk = cursor.field("risk").and_then(|field| field.whole(0, 100, problems));
        let (least, most) = (REQUEST_JUSTIFICATION_MIN, REQUEST_JUSTIFICATION_MIN_MAX);
        let justification = cursor.field("justification").and_then(|field| field.whole(least, most, problems));
        let sla = cursor.field("sla").and_then(|field| {
            let sla = match &field.node.data {
                Data::Text(text) if text.contains("${{") => {
                    field.fail(problems, "an SLA is fixed: a duration such as `2h`");
                    None
                }
                Data::Null | Data::Bool(_) | Data::Number(_) | Data::Text(_) | Data::List(_) | Data::Map(_) => {
                    field.timeout(problems)
                }
            }?;
            if sla > REQUEST_OPEN_MAX {
                let most = duration::format(REQUEST_OPEN_MAX);
                field.fail(problems, format!("people have at most {most} to answer"));
                return None;
            }
            Some(sla)
        });
        Quorum {
            approvers: approvers.unwrap_or(1),
            role,
            sla,
            risk: risk.and_then(|risk| u8::try_from(risk).ok()),
            justification_min: justification.unwrap_or(least),
        }
    }
}
