//! What the shard carries out itself, in the commit in which it is decided: questions for policy, and events.

use super::check::Site;
use super::facts::{BadExpression, Resource, as_text, render, text};
use super::fields::{Cursor, Keys};
use super::read::{Reader, UNDO};
use super::{ResourceTemplate, Run};
use chancery_base::limits::EVENT_SUBJECT_BYTES_MAX;
use chancery_base::{EventType, Name, PrincipalId};
use chancery_expr::{Scope, Template};

pub(super) const DECIDE: Keys = Keys {
    known: &["action", "resource", "principal"],
    later: &["batch"],
    elsewhere: &[("context", "it is said of the step"), ("with", "what a question is told is the step's `context`")],
};
pub(super) const EMIT: Keys = Keys {
    known: &["type", "subject"],
    later: &["key", "topic", "extensions"],
    elsewhere: &[
        ("data", "it is the step's `with`"),
        ("with", "it is said of the step"),
        ("id", "each event gets one of its own"),
        ("source", "it is the definition"),
        ("time", "it is that of the event's entry"),
    ],
};

/// What belongs to attempts, which nothing that the shard carries out itself has, or to calls.
const OF_CALLS: [(&str, &str); 9] = [
    ("retry", "nothing is called that could fail and be tried again"),
    ("timeout", "it takes no time"),
    ("queue_timeout", "it waits for nobody"),
    ("priority", "it waits for nobody"),
    ("fairness", "it waits for nobody"),
    ("concurrency", "its clones take no places: nobody is called"),
    ("until", "nobody is called who could say something else the next time"),
    ("every", "it does not poll"),
    ("at_most", "it does not poll"),
];
/// What belongs to what takes effect, which a question does not, or is said in the question.
const OF_EFFECTS: [(&str, &str); 5] = [
    ("with", "what it is told is its `context`"),
    ("action", "it is that of the question"),
    ("resource", "it is that of the question"),
    ("compensate", "a question changes nothing"),
    ("irreversible", "a question changes nothing"),
];

/// A question for policy.
#[derive(Debug, Clone)]
pub struct Question {
    /// The action that it is about.
    pub action: Name,
    /// What that would be done to.
    pub resource: ResourceTemplate,
    /// Who would do it; none: who started the transaction.
    pub principal: Option<Template>,
}

/// An event.
#[derive(Debug, Clone)]
pub struct Emit {
    /// What it is called.
    pub event_type: EventType,
    /// What it is about.
    pub subject: Option<Template>,
}

impl Run {
    /// Whether the shard carries it out itself, in the commit in which it is decided.
    #[must_use]
    pub const fn is_inline(&self) -> bool {
        match self {
            Self::Decide(_) | Self::Emit(_) => true,
            Self::Worker(_)
            | Self::Http(_)
            | Self::Noop
            | Self::Wait(_)
            | Self::Signal(_)
            | Self::Request(_)
            | Self::Transaction(_) => false,
        }
    }
}

impl Question {
    /// What the question is about.
    ///
    /// # Errors
    /// If it can't be computed.
    pub fn resource(&self, scope: &Scope<'_>) -> Result<Resource, BadExpression> {
        self.resource.render("run.decide.resource", scope)
    }

    /// Whom the question is about, where it says so.
    ///
    /// # Errors
    /// If it can't be computed, or is no principal's id.
    pub fn principal(&self, scope: &Scope<'_>) -> Result<Option<PrincipalId>, BadExpression> {
        const PATH: &str = "run.decide.principal";
        let Some(template) = &self.principal else { return Ok(None) };
        let principal: Result<PrincipalId, _> = text(template, PATH, scope)?.parse();
        principal.map(Some).map_err(|err| BadExpression::new(PATH, err.to_string()))
    }
}

impl Emit {
    /// What the event is about; none where it does not say, or that is absent.
    ///
    /// # Errors
    /// If it can't be computed, or is not a text or number of 1 to `EVENT_SUBJECT_BYTES_MAX` bytes.
    pub fn subject(&self, scope: &Scope<'_>) -> Result<Option<String>, BadExpression> {
        const PATH: &str = "run.emit.subject";
        let Some(template) = &self.subject else { return Ok(None) };
        let Some(value) = render(template, PATH, scope)? else { return Ok(None) };
        let subject = as_text(&value, PATH)?;
        if subject.is_empty() || subject.len() > EVENT_SUBJECT_BYTES_MAX {
            let message = format!("a subject has 1 to {EVENT_SUBJECT_BYTES_MAX} bytes, this one has {}", subject.len());
            return Err(BadExpression::new(PATH, message));
        }
        Ok(Some(subject))
    }
}

impl Reader {
    /// `{action: …, resource: …, principal: …}`.
    pub(super) fn question(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Question> {
        if !cursor.check_keys(&DECIDE, &mut self.problems) {
            return None;
        }
        let action = cursor.required("action", &mut self.problems).and_then(|field| field.name(&mut self.problems));
        let resource = cursor.required("resource", &mut self.problems).and_then(|field| self.resource(&field, site));
        let principal = cursor.field("principal").and_then(|field| {
            field.text(&mut self.problems)?;
            self.template(&field, site)
        });
        Some(Question { action: action?, resource: resource?, principal })
    }

    /// `{type: …, subject: …}`.
    pub(super) fn emit(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Emit> {
        if !cursor.check_keys(&EMIT, &mut self.problems) {
            return None;
        }
        let event_type = cursor.required("type", &mut self.problems).and_then(|field| {
            let text = field.text(&mut self.problems)?;
            if text.contains("${{") {
                field.fail(&mut self.problems, "an event's type is fixed: what differs belongs into its `subject`");
                return None;
            }
            text.parse()
                .map_err(|err: chancery_base::event::EventTypeError| {
                    field.fail(&mut self.problems, err.to_string());
                })
                .ok()
        });
        let subject = cursor.field("subject").and_then(|field| {
            field.text(&mut self.problems)?;
            self.template(&field, site)
        });
        Some(Emit { event_type: event_type?, subject })
    }

    /// What the shard carries out itself has nothing of what belongs to calls, and a question nothing of what belongs
    /// to effects.
    pub(super) fn check_inline(&mut self, cursor: &Cursor<'_>, run: &Run) {
        let (what, of_effects) = match run {
            Run::Decide(_) => ("decides a question", &OF_EFFECTS[..]),
            Run::Emit(_) => ("emits an event", &[][..]),
            Run::Worker(_)
            | Run::Http(_)
            | Run::Noop
            | Run::Wait(_)
            | Run::Signal(_)
            | Run::Request(_)
            | Run::Transaction(_) => return,
        };
        for (key, why) in OF_CALLS.iter().chain(of_effects) {
            if let Some(field) = cursor.field(key) {
                field.fail(&mut self.problems, format!("a step that {what} has no `{key}`: {why}"));
            }
        }
    }

    /// Of what closes or makes up a step, only a compensation may be an event.
    pub(super) fn check_inline_call(&mut self, cursor: &Cursor<'_>, field: &Cursor<'_>, what: &str, run: &Run) {
        match run {
            Run::Decide(_) => {
                let message = format!("a {what} asks nothing: it runs a `worker`, `http` or `noop`");
                field.fail(&mut self.problems, message);
            }
            Run::Emit(_) if what != "compensation" => {
                let message = format!("a {what} emits nothing: it runs a `worker`, `http` or `noop`");
                field.fail(&mut self.problems, message);
            }
            Run::Emit(_) => {
                for (key, why) in OF_CALLS.iter().filter(|(key, _)| UNDO.known.contains(key)) {
                    if let Some(field) = cursor.field(key) {
                        field.fail(&mut self.problems, format!("an undo that emits an event has no `{key}`: {why}"));
                    }
                }
            }
            Run::Worker(_)
            | Run::Http(_)
            | Run::Noop
            | Run::Wait(_)
            | Run::Signal(_)
            | Run::Request(_)
            | Run::Transaction(_) => {}
        }
    }
}
