//! A folder that says what a tenant is to be like, read and checked.

use super::budget;
use crate::bundle_source::{self, Source, value_of};
use crate::commands::bundle::signatures_beside;
use crate::commands::definition;
use crate::definition_source;
use crate::error::CliError;
use crate::input;
use chancery_api::budget::SetBudget;
use chancery_api::queue::QueueSettings;
use chancery_api::schedule::ScheduleTerms;
use chancery_api::target::TargetSettings;
use chancery_base::limits::PAYLOAD_BYTES_MAX;
use chancery_base::{Name, TargetId, duration};
use chancery_engine::definition::Definition;
use chancery_shard::trust::Note;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What such a folder may have in it, beside notes for people.
const PARTS: [&str; 9] =
    ["definitions", "bundles", "policy", "budgets", "targets", "queues", "schedules", "settings.yaml", "settings.json"];
/// Keys whose values are times, which can be written in several ways.
const TIMES: [&str; 8] = ["wait", "timeout", "rate_per", "slow", "open", "every", "offset", "catch_up_window"];

/// A definition.
pub(super) struct DefinitionFile {
    pub(super) path: PathBuf,
    pub(super) definition: Definition,
}

/// A bundle, and its signatures.
pub(super) struct BundleFolder {
    pub(super) path: PathBuf,
    pub(super) source: Source,
    pub(super) note: Option<Note>,
}

/// All of it.
pub(super) struct Folder {
    pub(super) settings: Option<Map<String, Value>>,
    pub(super) targets: Vec<(TargetId, TargetSettings)>,
    pub(super) queues: Vec<(Name, QueueSettings)>,
    pub(super) budgets: Vec<(Name, SetBudget)>,
    pub(super) definitions: Vec<DefinitionFile>,
    pub(super) bundles: Vec<BundleFolder>,
    /// The bundle that is to be in force.
    pub(super) policy: Option<BundleFolder>,
    pub(super) schedules: Vec<(Name, ScheduleTerms)>,
}

pub(super) fn read(dir: &Path) -> Result<Folder, CliError> {
    let known = names_in(dir)?;
    let has = |name: &str| known.contains(name).then(|| dir.join(name));
    let named = |name: &str| has(name).map_or_else(|| Ok(Vec::new()), |dir| documents(&dir));
    let settings = has("settings.yaml").or_else(|| has("settings.json"));
    let bundles = has("bundles").map_or_else(|| Ok(Vec::new()), |dir| folders(&dir))?;
    let definitions = named("definitions")?.into_iter().map(definition_file).collect::<Result<Vec<_>, _>>()?;
    let one = |definition: &DefinitionFile| (definition.definition.name.to_string(), definition.path.clone());
    once("definition", definitions.iter().map(one))?;
    Ok(Folder {
        settings: settings.map(|path| settings_file(&path)).transpose()?,
        targets: things(named("targets")?, "target")?,
        queues: things(named("queues")?, "queue")?,
        budgets: budgets(&dir.join("budgets"), things(named("budgets")?, "budget")?)?,
        definitions,
        bundles: bundles.into_iter().map(bundle).collect::<Result<_, _>>()?,
        policy: has("policy").map(bundle).transpose()?,
        schedules: things(named("schedules")?, "schedule")?,
    })
}

/// What is in the folder, of which all is known.
fn names_in(dir: &Path) -> Result<BTreeSet<String>, CliError> {
    let failed = |source| CliError::Read { path: dir.to_owned(), source };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name.to_ascii_lowercase().ends_with(".md") {
            continue;
        }
        if !PARTS.contains(&name.as_str()) {
            let message = format!("it is none of {}", PARTS.join(", "));
            return Err(CliError::faulty(&dir.join(name), message));
        }
        names.insert(name);
    }
    Ok(names)
}

fn documents(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    input::documents_in(dir).map_err(|source| CliError::Read { path: dir.to_owned(), source })
}

/// The folders of a folder, in order of their names.
fn folders(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |source| CliError::Read { path: dir.to_owned(), source };
    let entries = std::fs::read_dir(dir).map_err(failed)?;
    let mut paths = entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect::<Result<Vec<_>, CliError>>()?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    Ok(paths)
}

fn definition_file(path: PathBuf) -> Result<DefinitionFile, CliError> {
    let (definition, _) = definition::parse(&path, &definition_source::read(&path)?)?;
    Ok(DefinitionFile { path, definition })
}

fn bundle(path: PathBuf) -> Result<BundleFolder, CliError> {
    let source = bundle_source::read(&path)?;
    source.check_tested(1)?;
    let note = signatures_beside(&path)?;
    Ok(BundleFolder { path, source, note })
}

fn object(path: &Path) -> Result<Map<String, Value>, CliError> {
    match value_of(path, &input::read(path, PAYLOAD_BYTES_MAX)?)? {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(CliError::faulty(path, "it is an object".to_owned()))
        }
    }
}

fn settings_file(path: &Path) -> Result<Map<String, Value>, CliError> {
    let settings = object(path)?;
    match settings.iter().find(|(_, value)| value.is_null()) {
        Some((name, _)) => Err(CliError::faulty(path, format!("{name}: null would take it out: leave it out here"))),
        None => Ok(settings),
    }
}

/// Documents that name what they are of under `key`, and say beside it what that is given.
fn things<N, T>(paths: Vec<PathBuf>, key: &str) -> Result<Vec<(N, T)>, CliError>
where
    N: FromStr<Err: std::fmt::Display> + std::fmt::Display,
    T: DeserializeOwned,
{
    let mut things: Vec<(N, T)> = Vec::new();
    let mut seen = Vec::new();
    for path in paths {
        let wrong = |message: String| CliError::faulty(&path, message);
        let mut document = object(&path)?;
        let name = document.remove(key);
        let name = name.as_ref().and_then(Value::as_str).ok_or_else(|| wrong(format!("{key}: a name")))?;
        let name: N = name.parse().map_err(|error| wrong(format!("{key}: {error}")))?;
        for (time, value) in document.iter_mut().filter(|(key, _)| TIMES.contains(&key.as_str())) {
            let text = value.as_str().ok_or_else(|| wrong(format!("{time}: a time, such as 30s")))?;
            let parsed = duration::parse(text).map_err(|error| wrong(format!("{time}: {error}")))?;
            *value = Value::from(duration::format(parsed));
        }
        let thing = T::deserialize(Value::Object(document)).map_err(|error| wrong(error.to_string()))?;
        seen.push((name.to_string(), path.clone()));
        things.push((name, thing));
    }
    once(key, seen.into_iter())?;
    Ok(things)
}

fn budgets(dir: &Path, said: Vec<(Name, SetBudget)>) -> Result<Vec<(Name, SetBudget)>, CliError> {
    let checked = |(name, set): (Name, SetBudget)| match budget::checked(set) {
        Ok(set) => Ok((name, set)),
        Err(error) => Err(CliError::faulty(dir, format!("budget `{name}`: {error}"))),
    };
    said.into_iter().map(checked).collect()
}

/// Nothing is said twice, for then it would depend on the order.
fn once(kind: &str, named: impl Iterator<Item = (String, PathBuf)>) -> Result<(), CliError> {
    let mut seen = BTreeSet::new();
    for (name, path) in named {
        if !seen.insert(name.clone()) {
            return Err(CliError::faulty(&path, format!("{kind} `{name}` stands in another file, too")));
        }
    }
    Ok(())
}
