//! Bundles as people keep them: a directory with a `bundle.yaml` and the files that it names, or one document.

use crate::error::{CliError, Found};
use crate::input;
use chancery_api::Fault;
use chancery_base::limits::BUNDLE_BYTES_MAX;
use chancery_base::{Name, json};
use chancery_policy::bundle::{BundleError, Problem};
use chancery_policy::{Bundle, cases};
use chancery_shard::risk::{self, RiskFinding};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The file that a directory's bundle is described in.
const DESCRIPTION: &str = "bundle.yaml";
/// The folder beside it whose files are lists of tests.
const TESTS: &str = "tests";

/// `bundle.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: Name,
    /// Where it is absent, a push takes the number after the newest pushed one.
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    description: Option<String>,
    /// A file of Cedar schema text.
    schema: PathBuf,
    /// Files of Cedar policies.
    policies: Vec<PathBuf>,
    /// Files of Cedar policies that say what is demanded of what is permitted.
    #[serde(default)]
    obligations: Vec<PathBuf>,
    /// What is taken into the document as it stands.
    #[serde(default)]
    mode: Option<Value>,
    #[serde(default)]
    modes: Option<Value>,
    #[serde(default)]
    risk_threshold: Option<Value>,
    #[serde(default)]
    classes: Option<Value>,
    #[serde(default)]
    purposes: Option<Value>,
    /// A file with a list of entities in Cedar's JSON.
    #[serde(default)]
    entities: Option<PathBuf>,
    /// A JSON or YAML file with the risk tables.
    #[serde(default)]
    risk: Option<PathBuf>,
}

/// A bundle's document before its version is settled.
#[derive(Debug)]
pub(crate) struct Source {
    document: Map<String, Value>,
    /// Where each part of the document stands, by the name that faults give it.
    places: BTreeMap<String, PathBuf>,
    path: PathBuf,
}

/// Reads a directory or a document.
pub(crate) fn read(path: &Path) -> Result<Source, CliError> {
    if path.is_dir() { read_dir(path) } else { read_document(path) }
}

fn read_document(path: &Path) -> Result<Source, CliError> {
    let bytes = input::read(path, BUNDLE_BYTES_MAX)?;
    let Value::Object(document) = value_of(path, &bytes)? else {
        return Err(fault(path, "a bundle is an object".to_owned()));
    };
    Ok(Source { document, places: BTreeMap::new(), path: path.to_owned() })
}

fn read_dir(dir: &Path) -> Result<Source, CliError> {
    let path = dir.join(DESCRIPTION);
    let description: Description = yaml(&path, &input::read(&path, BUNDLE_BYTES_MAX)?)?;
    let mut places = BTreeMap::new();
    let mut document = Map::new();
    document.insert("name".to_owned(), Value::from(description.name.as_str()));
    if let Some(version) = description.version {
        document.insert("version".to_owned(), Value::from(version));
    }
    if let Some(text) = description.description {
        document.insert("description".to_owned(), Value::from(text));
    }
    document.insert("schema".to_owned(), Value::from(text_of(dir, &path, &description.schema)?));
    places.insert("schema".to_owned(), dir.join(&description.schema));
    for (key, files) in [("policies", &description.policies), ("obligations", &description.obligations)] {
        // A bundle without policies says so; one without obligations says nothing.
        if key == "policies" || !files.is_empty() {
            let texts = texts_of(dir, &path, (key, files), &mut places)?;
            document.insert(key.to_owned(), Value::Object(texts));
        }
    }
    let said = [
        ("mode", description.mode),
        ("modes", description.modes),
        ("risk_threshold", description.risk_threshold),
        ("classes", description.classes),
        ("purposes", description.purposes),
    ];
    document.extend(said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    if let Some(file) = &description.entities {
        let text = text_of(dir, &path, file)?;
        let entities = json::parse(text.as_bytes(), BUNDLE_BYTES_MAX);
        let entities = entities.map_err(|error| fault(&dir.join(file), error.to_string()))?;
        document.insert("entities".to_owned(), entities);
        places.insert("entities".to_owned(), dir.join(file));
    }
    if let Some(file) = &description.risk {
        let text = text_of(dir, &path, file)?;
        document.insert("risk".to_owned(), value_of(&dir.join(file), text.as_bytes())?);
        places.insert("risk".to_owned(), dir.join(file));
    }
    let tests = tests_of(&dir.join(TESTS))?;
    if !tests.is_empty() {
        document.insert("tests".to_owned(), Value::Array(tests));
        places.insert("tests".to_owned(), dir.join(TESTS));
    }
    Ok(Source { document, places, path })
}

/// The texts of the files that stand under `key`, by their names.
fn texts_of(
    dir: &Path,
    path: &Path,
    (key, files): (&str, &[PathBuf]),
    places: &mut BTreeMap<String, PathBuf>,
) -> Result<Map<String, Value>, CliError> {
    let mut texts = Map::new();
    for file in files {
        let name = file.to_string_lossy().into_owned();
        let text = text_of(dir, path, file)?;
        if places.insert(name.clone(), dir.join(file)).is_some() {
            return Err(fault(path, format!("{key}: `{name}` stands twice")));
        }
        texts.insert(name, Value::from(text));
    }
    Ok(texts)
}

/// The text of a file that `bundle.yaml` names: it is within the directory, so that a bundle from elsewhere does not
/// push what lies around it.
fn text_of(dir: &Path, described_in: &Path, file: &Path) -> Result<String, CliError> {
    if file.as_os_str().is_empty() || !file.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(fault(described_in, format!("`{}` is not a path within the directory", file.display())));
    }
    let path = dir.join(file);
    let bytes = input::read(&path, BUNDLE_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|error| fault(&path, error.to_string()))
}

/// What all files of a folder of tests hold, in order of their names; nothing if there is no such folder.
fn tests_of(dir: &Path) -> Result<Vec<Value>, CliError> {
    let files = match input::documents_in(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files.map_err(|source| CliError::Read { path: dir.to_owned(), source })?,
    };
    let mut all = Vec::new();
    for path in files {
        let tests = value_of(&path, &input::read(&path, BUNDLE_BYTES_MAX)?)?;
        // Read here, too, so that the fault names the file.
        if let Err(problems) = cases::read(tests.clone()) {
            let found = |problem: Problem| Found::of(&path, problem.message);
            let faults = problems.into_iter().map(found).collect();
            return Err(CliError::Faulty { document: path.display().to_string(), faults });
        }
        if let Value::Array(tests) = tests {
            all.extend(tests);
        }
    }
    Ok(all)
}

/// A value that is written as JSON, or as YAML.
pub(crate) fn value_of(path: &Path, bytes: &[u8]) -> Result<Value, CliError> {
    if bytes.trim_ascii_start().starts_with(b"{") || bytes.trim_ascii_start().starts_with(b"[") {
        return json::parse(bytes, BUNDLE_BYTES_MAX).map_err(|error| fault(path, error.to_string()));
    }
    yaml(path, bytes)
}

fn yaml<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, CliError> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(fault(path, "it is not UTF-8".to_owned())) };
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location();
        let fault = Fault {
            path: String::new(),
            line: place.and_then(|place| usize::try_from(place.line()).ok()),
            column: place.and_then(|place| usize::try_from(place.column()).ok()),
            message: error.without_snippet().to_string(),
            rule: None,
        };
        let file = path.display().to_string();
        CliError::Faulty { document: file.clone(), faults: vec![Found { file, fault }] }
    })
}

impl Source {
    /// Its name, if it says one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.document.get("name").and_then(Value::as_str)
    }

    /// Whether it leaves its version to the push.
    pub(crate) fn is_unversioned(&self) -> bool {
        !self.document.contains_key("version")
    }

    /// The document; with this version where it says none itself.
    pub(crate) fn document(&self, version: u32) -> Value {
        let mut document = self.document.clone();
        document.entry("version").or_insert_with(|| Value::from(version));
        Value::Object(document)
    }

    /// Reads and validates it as the server would. Gives what is allowed but probably not meant, too.
    pub(crate) fn check(&self, version: u32) -> Result<(Bundle, Vec<Found>), CliError> {
        let bundle = Bundle::parse(&json::canonical(&self.document(version))).map_err(|error| self.faults(&error))?;
        let found = |findings: Vec<RiskFinding>| findings.iter().map(|finding| self.of_risk(finding)).collect();
        match risk::check(&bundle) {
            Ok(warnings) => Ok((bundle, found(warnings))),
            Err(faults) => Err(CliError::Faulty { document: self.path.display().to_string(), faults: found(faults) }),
        }
    }

    fn of_risk(&self, found: &RiskFinding) -> Found {
        let fault =
            Fault { path: found.place(), line: None, column: None, message: found.finding.to_string(), rule: None };
        Found { file: self.places.get("risk").unwrap_or(&self.path).display().to_string(), fault }
    }

    /// The same, and its own tests pass.
    pub(crate) fn check_tested(&self, version: u32) -> Result<(Bundle, Vec<Found>), CliError> {
        let (bundle, warnings) = self.check(version)?;
        let file = self.places.get("tests").unwrap_or(&self.path);
        let faults: Vec<Found> = cases::run(&bundle)
            .into_iter()
            .filter_map(|result| {
                let mut found = Found::of(file, result.failure?);
                found.fault.path = format!("test `{}`", result.name);
                Some(found)
            })
            .collect();
        if faults.is_empty() {
            Ok((bundle, warnings))
        } else {
            Err(CliError::Faulty { document: self.path.display().to_string(), faults })
        }
    }

    fn faults(&self, error: &BundleError) -> CliError {
        if error.problems().is_empty() {
            return fault(&self.path, error.to_string());
        }
        let faults = error.problems().iter().map(|problem| self.fault(problem)).collect();
        CliError::Faulty { document: self.path.display().to_string(), faults }
    }

    fn fault(&self, problem: &Problem) -> Found {
        let place = self.places.get(&problem.file);
        let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        let policy = problem.policy.as_ref().map(|policy| format!("policy `{policy}`"));
        // In one document the lines of a problem count within one of its texts.
        let path = match (place, policy) {
            (Some(_), policy) => policy.unwrap_or_default(),
            (None, None) => problem.file.clone(),
            (None, Some(policy)) => format!("{}: {policy}", problem.file),
        };
        Found {
            file: place.unwrap_or(&self.path).display().to_string(),
            fault: Fault {
                path,
                line: problem.place.map(|(line, _)| line),
                column: problem.place.map(|(_, column)| column),
                message: format!("{}{help}", problem.message),
                rule: None,
            },
        }
    }
}

fn fault(path: &Path, message: String) -> CliError {
    CliError::faulty(path, message)
}
