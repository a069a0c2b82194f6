//! Steps that wait, for a time or for a signal: nobody is called, nothing is decided.

use super::document::Data;
use super::facts::{BadExpression, text};
use super::fields::{Cursor, Keys};
use super::read::Reader;
use super::{Run, Signal, Step};
use crate::definition::check::Site;
use chancery_base::Timestamp;
use chancery_base::duration::{self, DurationError};
use chancery_expr::{Scope, Template};

pub(super) const SIGNAL: Keys = Keys { known: &["name", "timeout"], later: &["when", "count"], elsewhere: &[] };

/// What belongs to attempts, of which a step that waits has none, and that it fans out.
const OF_CALLS: [&str; 15] = [
    "each",
    "until",
    "every",
    "at_most",
    "with",
    "retry",
    "timeout",
    "queue_timeout",
    "priority",
    "fairness",
    "compensate",
    "irreversible",
    "action",
    "resource",
    "context",
];

impl Run {
    /// Whether it waits, rather than being handed out.
    #[must_use]
    pub const fn is_passive(&self) -> bool {
        match self {
            Self::Wait(_) | Self::Signal(_) | Self::Request(_) => true,
            Self::Worker(_) | Self::Http(_) | Self::Noop | Self::Transaction(_) | Self::Decide(_) | Self::Emit(_) => {
                false
            }
        }
    }
}

impl Step {
    /// Until when it waits if it begins to at `since`; none: until its signal comes, or it is none that waits.
    ///
    /// # Errors
    /// If it cannot be computed, or is neither a duration nor an instant.
    pub fn waits_until(&self, scope: &Scope<'_>, since: Timestamp) -> Result<Option<Timestamp>, BadExpression> {
        match &self.run {
            Run::Wait(until) => moment(until, "run.wait", scope, since).map(Some),
            Run::Signal(signal) => {
                let timeout = signal.timeout.as_ref();
                timeout.map(|until| moment(until, "run.signal.timeout", scope, since)).transpose()
            }
            Run::Worker(_)
            | Run::Http(_)
            | Run::Noop
            | Run::Request(_)
            | Run::Transaction(_)
            | Run::Decide(_)
            | Run::Emit(_) => Ok(None),
        }
    }

    /// The signal that it waits for.
    #[must_use]
    pub const fn signal(&self) -> Option<&Signal> {
        match &self.run {
            Run::Signal(signal) => Some(signal),
            Run::Worker(_)
            | Run::Http(_)
            | Run::Noop
            | Run::Wait(_)
            | Run::Request(_)
            | Run::Transaction(_)
            | Run::Decide(_)
            | Run::Emit(_) => None,
        }
    }
}

impl Reader {
    pub(super) fn wait(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Run> {
        self.moment(cursor, site).map(Run::Wait)
    }

    pub(super) fn signal(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Run> {
        if !cursor.check_keys(&SIGNAL, &mut self.problems) {
            return None;
        }
        let name = cursor.required("name", &mut self.problems).and_then(|field| field.name(&mut self.problems));
        let timeout = cursor.field("timeout").map(|field| self.moment(&field, site));
        Some(Run::Signal(Signal { name: name?, timeout: timeout.flatten() }))
    }

    /// A step that waits has nothing of what belongs to attempts, and does not fan out. Of one that asks people is told
    /// by those who know why.
    pub(super) fn check_passive(&mut self, cursor: &Cursor<'_>, run: &Run) {
        let waits = run.is_passive() && run.request().is_none();
        for field in OF_CALLS.iter().filter_map(|key| cursor.field(key)).filter(|_| waits) {
            let key = field.path.rsplit('.').next().unwrap_or_default();
            let hint = match (key, run) {
                ("timeout", Run::Signal(_)) => ": write `run: {signal: {name: …, timeout: …}}`",
                ("each", _) => ": only a step that calls something fans out",
                ("until" | "every" | "at_most", _) => ": only a step that calls something polls",
                _ => ": nothing is called",
            };
            field.fail(&mut self.problems, format!("a step that waits has no `{key}`{hint}"));
        }
    }

    /// A duration or an instant, or an expression that gives one of them.
    fn moment(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Template> {
        if matches!(cursor.node.data, Data::Number(_)) {
            cursor.duration(&mut self.problems)?;
        }
        let written = cursor.text(&mut self.problems)?;
        let is_fixed = !written.contains("${{");
        if let Err(message) = moment_of(written, Timestamp::EPOCH)
            && is_fixed
        {
            cursor.fail(&mut self.problems, message);
            return None;
        }
        self.template(cursor, site)
    }
}

fn moment(until: &Template, path: &str, scope: &Scope<'_>, since: Timestamp) -> Result<Timestamp, BadExpression> {
    moment_of(&text(until, path, scope)?, since).map_err(|message| BadExpression::new(path, message))
}

fn moment_of(written: &str, since: Timestamp) -> Result<Timestamp, String> {
    if let Ok(instant) = written.parse() {
        return Ok(instant);
    }
    match duration::parse(written) {
        Ok(duration) => Ok(since.plus(duration)),
        Err(err @ DurationError::TooLong(_)) => Err(err.to_string()),
        Err(DurationError::Form(_)) => {
            let shown: String = written.chars().take(64).collect();
            Err(format!("`{shown}` is neither a duration such as `5m` nor an instant such as `2026-11-21T07:27:00Z`"))
        }
    }
}
