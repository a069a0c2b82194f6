//! What the driver of an open transaction declares of a step, and the step that comes of it.

use crate::definition::{Classes, Http, Method, OnError, Retry, Run, Step, Undo, header_fault, is_identifier};
use chancery_base::limits::{
    ATTEMPTS_MAX, CLASSES_MAX, KEY_BYTES_MAX, LABELS_MAX, OPEN_STEP_TIMEOUT_MAX, PAYLOAD_BYTES_MAX,
};
use chancery_base::{Document, Name, Timestamp};
use chancery_expr::Template;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a driver declares of a step beside its input. It is recorded with the first permit and stands from there on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The action that policy is asked about.
    pub action: Name,
    /// The classes of data that it uses.
    #[serde(default, skip_serializing_if = "Classes::is_empty")]
    pub classes: Classes,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Name>,
    /// The resource that policy is asked about; none: the step itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<IntentResource>,
    /// What the driver calls the step.
    pub step: Name,
    /// Milliseconds that an attempt may take.
    pub timeout_ms: u64,
    /// How it is undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<IntentUndo>,
}

/// What policy is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentResource {
    /// What the driver asserts of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// Its id.
    pub id: String,
    /// Its Cedar entity type.
    #[serde(rename = "type")]
    pub resource_type: String,
}

/// How a step is undone: a target that outlives the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentUndo {
    /// How many tries it has.
    pub attempts: u32,
    /// Under the policy circuit-breaker its failure leaves the rest undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub critical: bool,
    /// With what; none: with the step's output, or where there is none with its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Arc<Document>>,
    /// What becomes of it when it failed; none: what the definition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// What is called.
    pub target: IntentTarget,
    /// Milliseconds that one try may take.
    pub timeout_ms: u64,
}

/// What an undo calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum IntentTarget {
    /// Code that takes tasks of this name.
    Worker(Name),
    /// A URL; the body is the undo's input.
    Http {
        /// Headers, their names in lower case.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// The method.
        method: Method,
        /// The URL.
        url: String,
    },
}

/// The part of an open transaction's head that a saga has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenHead {
    /// Who drives it: 1 for whoever began it, one more with each resumption.
    pub driver: u32,
    /// When the driver was last heard.
    pub heard_at: Timestamp,
}

impl Intent {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    /// The part and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        within("timeout", self.timeout())?;
        if self.classes.len() > CLASSES_MAX {
            return Err(format!("classes: at most {CLASSES_MAX} are allowed"));
        }
        if let Some(resource) = &self.resource {
            if resource.id.is_empty() || resource.id.len() > KEY_BYTES_MAX {
                return Err(format!("resource.id: 1 to {KEY_BYTES_MAX} bytes are expected here"));
            }
            if resource.attributes.len() > LABELS_MAX {
                return Err(format!("resource.attributes: at most {LABELS_MAX} are allowed"));
            }
            if !resource.resource_type.split("::").all(is_identifier) {
                return Err(format!("resource.type: `{}` is not the name of an entity type", resource.resource_type));
            }
        }
        self.undo.as_ref().map_or(Ok(()), IntentUndo::check)
    }

    /// How long an attempt may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// The same step: what its undo says does not count, what was recorded of that stands.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.action == other.action && self.resource == other.resource && self.step == other.step
    }

    /// The step that comes of it. Whatever fails of it is for the driver to see: it stops nothing.
    #[must_use]
    pub fn step(&self, input: &Document, on_error: OnError) -> Step {
        let needs_input = self.undo.as_ref().is_some_and(|undo| undo.input.is_none());
        Step {
            id: self.step.clone(),
            after: Vec::new(),
            dependents: Vec::new(),
            when: None,
            each: None,
            run: Run::Noop,
            poll: None,
            // Only an undo that is given nothing may come to it.
            with: needs_input.then(|| Template::literal(input.value().clone())),
            set: Vec::new(),
            retry: once(),
            timeout: self.timeout(),
            queue_timeout: self.timeout(),
            priority: 0,
            fairness: None,
            compensate: self.undo.as_ref().map(|undo| undo.undo(on_error)),
            confirm: None,
            pivot: false,
            irreversible: self.undo.is_none(),
            optional: true,
            layer: 0,
            capability: None,
            action: self.action.clone(),
            resource: None,
            classes: self.classes.clone(),
            purpose: self.purpose.clone(),
            context: Vec::new(),
            approval: None,
            reads: Vec::new(),
            variables: Vec::new(),
        }
    }
}

impl IntentUndo {
    fn check(&self) -> Result<(), String> {
        within("undo.timeout", Duration::from_millis(self.timeout_ms))?;
        if !(1..=ATTEMPTS_MAX).contains(&self.attempts) {
            return Err(format!("undo.attempts: a number from 1 to {ATTEMPTS_MAX} is expected here"));
        }
        if self.input.as_ref().is_some_and(|input| input.canonical().len() > PAYLOAD_BYTES_MAX) {
            return Err(format!("undo.input: at most {PAYLOAD_BYTES_MAX} bytes are allowed"));
        }
        let IntentTarget::Http { headers, url, .. } = &self.target else { return Ok(()) };
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err("undo.http.url: a URL begins with `http://` or `https://`".to_owned());
        }
        if url.chars().any(|c| c.is_ascii_control() || c == ' ') {
            return Err("undo.http.url: a URL has no blanks and no control characters".to_owned());
        }
        for (name, value) in headers {
            if let Some(fault) = header_fault(name) {
                return Err(format!("undo.http.headers: {fault}"));
            }
            if value.chars().any(char::is_control) {
                return Err(format!("undo.http.headers.{name}: a header has no control characters"));
            }
        }
        Ok(())
    }

    fn undo(&self, on_error: OnError) -> Undo {
        let literal = |text: &String| Template::literal(Value::from(text.clone()));
        let run = match &self.target {
            IntentTarget::Worker(name) => Run::Worker(name.clone()),
            IntentTarget::Http { headers, method, url } => Run::Http(Http {
                method: *method,
                url: literal(url),
                headers: headers.iter().map(|(name, value)| (name.clone(), literal(value))).collect(),
                pass: Vec::new(),
                keep: Vec::new(),
            }),
        };
        Undo {
            run,
            with: self.input.as_ref().map(|input| Template::literal(input.value().clone())),
            retry: Retry { attempts: self.attempts, ..Retry::default() },
            timeout: Duration::from_millis(self.timeout_ms),
            on_error: self.on_error.unwrap_or(on_error),
            critical: self.critical,
        }
    }
}

/// It is not tried again by itself: the driver does that.
fn once() -> Retry {
    Retry { attempts: 1, once: true, ..Retry::default() }
}

fn within(part: &str, timeout: Duration) -> Result<(), String> {
    if timeout.is_zero() || timeout > OPEN_STEP_TIMEOUT_MAX {
        let max = chancery_base::duration::format(OPEN_STEP_TIMEOUT_MAX);
        return Err(format!("{part}: more than nothing and at most {max} is expected here"));
    }
    Ok(())
}
