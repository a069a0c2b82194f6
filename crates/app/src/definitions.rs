//! Definitions: checking, registering, looking at them.

mod cache;

pub(crate) use cache::Definitions;

use crate::Error;
use crate::app::App;
use crate::error::Fault;
use crate::page::{Page, Paged};
use crate::transactions::damaged;
use chancery_base::{Digest, Name, Timestamp, json, limits};
use chancery_engine::definition::{Definition, Problem, Rule, Warning};
use chancery_policy::Grant;
use chancery_shard::input::Change;
use chancery_shard::row::DefinitionRow;
use serde_json::Value;
use std::sync::Arc;

/// How a document is said to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2, of which JSON is a part.
    Yaml,
    /// JSON and nothing else.
    Json,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The document's name.
    pub name: Name,
    /// Its version.
    pub version: u64,
    /// SHA-256 of its canonical JSON.
    pub digest: Digest,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Fault>,
}

/// What a registration or push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// What was registered.
    pub checked: Checked,
    /// Whether the same content had been there before: then nothing changed.
    pub existing: bool,
    /// The entry that records it.
    pub seq: Option<u64>,
}

/// A registered definition.
#[derive(Debug, Clone, PartialEq)]
pub struct DefinitionView {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// SHA-256 of its canonical JSON.
    pub digest: Digest,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// The document.
    pub source: Value,
}

/// Checks a definition, in YAML or JSON, without registering it.
///
/// # Errors
/// [`Error::Faulty`] with everything that is wrong with it.
pub fn check(source: &[u8], format: Format) -> Result<Checked, Error> {
    parse(source, format).map(|(definition, warnings)| checked(&definition, warnings))
}

/// Registers a definition; the same content again is no change.
///
/// # Errors
/// As [`check`]; `Conflict` if the version exists with other content.
pub async fn register(app: &App, grant: &Grant, source: &[u8], format: Format) -> Result<Registered, Error> {
    let (definition, warnings) = parse(source, format)?;
    let checked = checked(&definition, warnings);
    let definition = Arc::new(definition);
    let seq = app.tenant(grant)?.change(grant, Change::Register(definition)).await?;
    Ok(Registered { checked, existing: seq.is_none(), seq })
}

/// A definition; the newest version where none is named.
///
/// # Errors
/// If there is none of this name and version.
pub async fn get(app: &App, grant: &Grant, name: &Name, version: Option<u32>) -> Result<DefinitionView, Error> {
    let row = app.store().definition(grant, name, version).await?;
    view(&row.ok_or_else(|| missing(name, version))?)
}

/// A page of definitions, by name and version.
///
/// # Errors
/// If the store does not answer.
pub async fn list(
    app: &App,
    grant: &Grant,
    page: Page<(Name, u32)>,
) -> Result<Paged<DefinitionView, (Name, u32)>, Error> {
    let rows = page.rows();
    let found = app.store().definitions(grant, page.after, rows + 1).await?;
    let views = found.iter().map(view).collect::<Result<Vec<_>, _>>()?;
    Ok(Paged::cut(views, rows, |view| (view.name.clone(), view.version)))
}

pub(crate) fn missing(name: &Name, version: Option<u32>) -> Error {
    Error::Missing(
        version.map_or_else(|| format!("definition `{name}`"), |version| format!("definition `{name}` {version}")),
    )
}

fn view(row: &DefinitionRow) -> Result<DefinitionView, Error> {
    let source = json::parse_stored(&row.source, limits::DEFINITION_BYTES_MAX).map_err(damaged("a definition"))?;
    Ok(DefinitionView {
        name: row.name.clone(),
        version: row.version,
        digest: row.digest,
        registered_at: row.registered_at,
        source,
    })
}

fn parse(source: &[u8], format: Format) -> Result<(Definition, Vec<Warning>), Error> {
    let bounds = json::Bounds { bytes: limits::DEFINITION_BYTES_MAX, values: limits::JSON_VALUES_MAX };
    if format == Format::Json
        && let Err(error) = json::parse_within(source, bounds)
    {
        let fault = Fault { path: String::new(), line: None, column: None, message: error.to_string(), rule: None };
        return Err(Error::Faulty { document: "definition", faults: vec![fault] });
    }
    Definition::lint(source).map_err(|error| {
        let faults = error.problems.into_iter().map(|problem| fault(problem, None)).collect();
        Error::Faulty { document: "definition", faults }
    })
}

fn fault(problem: Problem, rule: Option<Rule>) -> Fault {
    Fault {
        path: problem.path,
        line: Some(problem.line),
        column: Some(problem.column),
        message: problem.message,
        rule: rule.map(Rule::id),
    }
}

fn checked(definition: &Definition, warnings: Vec<Warning>) -> Checked {
    let (name, version) = (definition.name.clone(), u64::from(definition.version));
    let warnings = warnings.into_iter().map(|warning| fault(warning.problem, Some(warning.rule))).collect();
    Checked { name, version, digest: definition.digest, warnings }
}
