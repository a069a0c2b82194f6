//! Evaluating a definition's expressions over a transaction.

use super::flow::Variables;
use super::{Confirm, Definition, Http, Method, ResourceTemplate, Step, StepIndex, Undo};
use crate::event::StepError;
use crate::headers::Headers;
use crate::status::StepStatus;
use chancery_base::limits::{CLONES_MAX, KEY_BYTES_MAX};
use chancery_base::{Document, Kind, Timestamp, TransactionId, json};
use chancery_expr::{FUEL_DEFAULT, Scope, Template, Tree};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What every expression of a transaction sees.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The transaction.
    pub transaction: TransactionId,
    /// Its business key.
    pub key: Option<&'a str>,
    /// Its input.
    pub input: &'a Value,
    /// The tenant's settings, as they were when it began.
    pub env: &'a Value,
    /// What the transaction was told beside its input.
    pub headers: &'a Headers,
    /// The instant of the input that is being handled; a replay has the same.
    pub now: Timestamp,
}

/// What expressions see of a step that is over.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Where it stands.
    pub status: StepStatus,
    /// Its output, if it has one: a skipped step has none, nor has one whose outcome is unknown.
    pub output: Option<&'a Value>,
    /// The outputs of its clones, in their order, where it fanned out: a list, in which what failed has null.
    pub outputs: Option<&'a [Option<Arc<Document>>]>,
    /// Its latest error, where it failed for good.
    pub error: Option<&'a StepError>,
    /// The variables that it set; none unless it is done.
    pub variables: Option<&'a Variables>,
}

/// An expression that did not apply to the values it met. The step fails with it, as an error of this type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct BadExpression {
    /// Which part of the step: `with.sku`, `when`, `run.http.url`.
    pub path: String,
    /// What happened.
    pub message: String,
}

/// The resource of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its Cedar entity type.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// What the definition asserts of it.
    pub attributes: Map<String, Value>,
}

/// A request whose body is the step's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The URL; `http` or `https`.
    pub url: String,
    /// Names in lower case, values without line breaks.
    pub headers: Vec<(String, String)>,
    /// Which headers of the answer its outcome has, in lower case; none: its outcome is the body alone.
    pub keep: Vec<String>,
}

impl BadExpression {
    /// The `type` of the error that the step fails with.
    pub const ERROR_TYPE: &str = "BadExpression";

    /// Whose fault it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Invalid
    }

    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl<'a> Facts<'a> {
    /// What the context of the start sees.
    #[must_use]
    pub fn start_scope(&self) -> Scope<'a> {
        let mut scope = Scope::new();
        scope.bind("input", Tree::Value(self.input));
        scope.bind("env", Tree::Value(self.env));
        scope.bind("headers", self.headers.tree());
        scope.bind("now", Tree::Text(self.now.to_string()));
        let mut transaction = BTreeMap::from([("id", Tree::Text(self.transaction.to_string()))]);
        if let Some(key) = self.key {
            transaction.insert("key", Tree::Text(key.to_owned()));
        }
        scope.bind("transaction", Tree::Map(transaction));
        scope
    }

    /// What a step's expressions and those of its undo see; `seen` is asked for the steps of [`Step::reads`] and of
    /// [`Step::variables`].
    pub fn step_scope(
        &self,
        definition: &'a Definition,
        step: &'a Step,
        seen: impl FnMut(StepIndex) -> Option<Seen<'a>>,
    ) -> Scope<'a> {
        self.scope_with(definition, (&step.reads, &step.variables), seen)
    }

    /// What the definition's `output` sees; `seen` is asked for the steps of [`Definition::output_reads`] and of
    /// [`Definition::output_variables`].
    pub fn output_scope(
        &self,
        definition: &'a Definition,
        seen: impl FnMut(StepIndex) -> Option<Seen<'a>>,
    ) -> Scope<'a> {
        self.scope_with(definition, (&definition.output_reads, &definition.output_variables), seen)
    }

    fn scope_with(
        &self,
        definition: &'a Definition,
        (reads, variables): (&[StepIndex], &'a [(String, Vec<StepIndex>)]),
        mut seen: impl FnMut(StepIndex) -> Option<Seen<'a>>,
    ) -> Scope<'a> {
        let mut scope = self.start_scope();
        let steps = reads.iter().filter_map(|index| {
            let id = definition.step(*index)?.id.as_str();
            Some((id, Tree::Map(seen(*index).map(Seen::members).unwrap_or_default())))
        });
        scope.bind("steps", Tree::Map(steps.collect()));
        let variables = variables.iter().filter_map(|(name, setters)| {
            let mut values = setters.iter().filter_map(|setter| seen(*setter)?.variables?.get(name));
            Some((name.as_str(), Tree::Value(values.next()?)))
        });
        scope.bind("vars", Tree::Map(variables.collect()));
        scope
    }
}

impl<'a> Seen<'a> {
    fn members(self) -> BTreeMap<&'a str, Tree<'a>> {
        let mut members = BTreeMap::from([("status", Tree::Text(self.status.word().to_owned()))]);
        let output = self.output.map(Tree::Value).or(self.outputs.map(Tree::List));
        members.extend(output.map(|output| ("output", output)));
        members.extend(self.error.map(|error| {
            let parts = [("type", error.r#type.clone()), ("message", error.message.clone())];
            ("error", Tree::Map(parts.into_iter().map(|(name, text)| (name, Tree::Text(text))).collect()))
        }));
        members
    }
}

impl Definition {
    /// The business key of a transaction with this input, if the definition has one.
    ///
    /// # Errors
    /// If it cannot be computed, or is not a text or number of 1 to `KEY_BYTES_MAX` bytes.
    pub fn business_key(&self, input: &Value) -> Result<Option<String>, BadExpression> {
        let Some(template) = &self.key else { return Ok(None) };
        let mut scope = Scope::new();
        scope.bind("input", Tree::Value(input));
        let key = text(template, "key", &scope)?;
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            let message = format!("a business key has 1 to {KEY_BYTES_MAX} bytes, this one has {}", key.len());
            return Err(BadExpression::new("key", message));
        }
        Ok(Some(key))
    }

    /// The context of the decision about the start; absent values are left out.
    ///
    /// # Errors
    /// If it cannot be computed.
    pub fn start_context(&self, scope: &Scope<'_>) -> Result<Map<String, Value>, BadExpression> {
        named(&self.context, "context", scope)
    }

    /// The transaction's output; null if the definition has none.
    ///
    /// # Errors
    /// If it cannot be computed.
    pub fn result(&self, scope: &Scope<'_>) -> Result<Value, BadExpression> {
        optional(self.output.as_ref(), "output", scope)
    }
}

impl Step {
    /// Whether it runs, rather than being skipped.
    ///
    /// # Errors
    /// If the condition does not apply to the values, or is not a boolean.
    pub fn condition(&self, scope: &Scope<'_>) -> Result<bool, BadExpression> {
        let Some(when) = &self.when else { return Ok(true) };
        when.evaluate_bool(scope, FUEL_DEFAULT).map_err(|err| BadExpression::new("when", err.to_string()))
    }

    /// What it fans out over.
    ///
    /// # Errors
    /// If it can't be computed, is no list, or has more than `CLONES_MAX` elements.
    pub fn elements(&self, scope: &Scope<'_>) -> Result<Option<Vec<Value>>, BadExpression> {
        let Some(each) = &self.each else { return Ok(None) };
        let found = each.list.evaluate(scope, FUEL_DEFAULT);
        match found.map_err(|err| BadExpression::new("each", err.to_string()))? {
            Some(Value::Array(items)) if items.len() <= CLONES_MAX => Ok(Some(items)),
            Some(Value::Array(items)) => {
                let message = format!("{} elements, at most {CLONES_MAX} are allowed", items.len());
                Err(BadExpression::new("each", message))
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) | None => {
                Err(BadExpression::new("each", "a list is needed here"))
            }
        }
    }

    /// Its input; null if it has no `with`.
    ///
    /// # Errors
    /// If it cannot be computed.
    pub fn input(&self, scope: &Scope<'_>) -> Result<Value, BadExpression> {
        optional(self.with.as_ref(), "with", scope)
    }

    /// What it takes turns by in its queue; none where it has no `fairness`, or that is absent.
    ///
    /// # Errors
    /// If it cannot be computed, or is not a text or number of 1 to `KEY_BYTES_MAX` bytes.
    pub fn fairness_key(&self, scope: &Scope<'_>) -> Result<Option<String>, BadExpression> {
        const PATH: &str = "fairness";
        let Some(template) = &self.fairness else { return Ok(None) };
        let Some(value) = render(template, PATH, scope)? else { return Ok(None) };
        let key = as_text(&value, PATH)?;
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            let message = format!("a key has 1 to {KEY_BYTES_MAX} bytes, this one has {}", key.len());
            return Err(BadExpression::new(PATH, message));
        }
        Ok(Some(key))
    }

    /// The context of the decisions about its attempts.
    ///
    /// # Errors
    /// If it cannot be computed.
    pub fn decision_context(&self, scope: &Scope<'_>) -> Result<Map<String, Value>, BadExpression> {
        named(&self.context, "context", scope)
    }

    /// The resource of the decisions about its attempts, where the step names one.
    ///
    /// # Errors
    /// If it cannot be computed.
    pub fn decision_resource(&self, scope: &Scope<'_>) -> Result<Option<Resource>, BadExpression> {
        self.resource.as_ref().map(|resource| resource.render("resource", scope)).transpose()
    }
}

impl Undo {
    /// Its input: what its `with` says, else the step's output, else the step's input. `path` is where `with` stands.
    ///
    /// # Errors
    /// If it cannot be computed.
    pub fn input(
        &self,
        scope: &Scope<'_>,
        output: Option<&Value>,
        input: &Value,
        path: &str,
    ) -> Result<Value, BadExpression> {
        match &self.with {
            Some(template) => optional(Some(template), path, scope),
            None => Ok(output.unwrap_or(input).clone()),
        }
    }
}

impl Confirm {
    /// Its input: what its `with` says, else the try's output.
    ///
    /// # Errors
    /// If it cannot be computed.
    pub fn input(&self, scope: &Scope<'_>, output: Option<&Value>) -> Result<Value, BadExpression> {
        match &self.with {
            Some(template) => optional(Some(template), "confirm.with", scope),
            None => Ok(output.cloned().unwrap_or_default()),
        }
    }
}

impl ResourceTemplate {
    /// `path` is where it stands.
    pub(super) fn render(&self, path: &str, scope: &Scope<'_>) -> Result<Resource, BadExpression> {
        Ok(Resource {
            resource_type: self.resource_type.clone(),
            id: text(&self.id, &format!("{path}.id"), scope)?,
            attributes: named(&self.attributes, &format!("{path}.attributes"), scope)?,
        })
    }
}

impl Http {
    /// The URL.
    ///
    /// # Errors
    /// If it cannot be computed, or is no `http` or `https` one.
    pub fn url(&self, scope: &Scope<'_>) -> Result<String, BadExpression> {
        let url = text(&self.url, "run.http.url", scope)?;
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(BadExpression::new("run.http.url", "a URL begins with `http://` or `https://`"));
        }
        if url.chars().any(|c| c.is_ascii_control() || c == ' ') {
            return Err(BadExpression::new("run.http.url", "a URL has no blanks and no control characters"));
        }
        Ok(url)
    }

    /// The request, without its body.
    ///
    /// # Errors
    /// If it cannot be computed, the URL is no `http` or `https` one, or a header has a line break.
    pub fn request(&self, scope: &Scope<'_>, told: &Headers) -> Result<HttpRequest, BadExpression> {
        let url = self.url(scope)?;
        let passed = self.pass.iter().filter_map(|name| Some((name.clone(), told.get(name)?.to_owned())));
        let mut headers: Vec<(String, String)> = passed.collect();
        for (name, template) in &self.headers {
            let path = format!("run.http.headers.{name}");
            let Some(value) = render(template, &path, scope)? else { continue };
            let value = as_text(&value, &path)?;
            if value.chars().any(char::is_control) {
                return Err(BadExpression::new(path, "a header has no control characters"));
            }
            headers.push((name.clone(), value));
        }
        Ok(HttpRequest { method: self.method, url, headers, keep: self.keep.clone() })
    }
}

pub(super) fn render(template: &Template, path: &str, scope: &Scope<'_>) -> Result<Option<Value>, BadExpression> {
    template.render(scope, FUEL_DEFAULT).map_err(|failed| {
        let inner = failed.path.to_string();
        let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        BadExpression::new(format!("{path}{dot}{inner}"), failed.err.to_string())
    })
}

fn optional(template: Option<&Template>, path: &str, scope: &Scope<'_>) -> Result<Value, BadExpression> {
    let rendered = template.map(|template| render(template, path, scope)).transpose()?;
    Ok(rendered.flatten().unwrap_or(Value::Null))
}

pub(super) fn text(template: &Template, path: &str, scope: &Scope<'_>) -> Result<String, BadExpression> {
    match render(template, path, scope)? {
        Some(value) => as_text(&value, path),
        None => Err(BadExpression::new(path, "a text is needed here, there is none")),
    }
}

pub(super) fn as_text(value: &Value, path: &str) -> Result<String, BadExpression> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) => {
            let mut out = String::new();
            json::write_canonical(value, &mut out);
            Ok(out)
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(BadExpression::new(path, "a text is needed here"))
        }
    }
}

pub(super) fn named(
    templates: &[(String, Template)],
    path: &str,
    scope: &Scope<'_>,
) -> Result<Map<String, Value>, BadExpression> {
    let mut map = Map::new();
    for (name, template) in templates {
        if let Some(value) = render(template, &format!("{path}.{name}"), scope)? {
            map.insert(name.clone(), value);
        }
    }
    Ok(map)
}
