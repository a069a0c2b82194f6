//! The document, before Cedar sees any of it.

use super::BundleError;
use crate::cases::{self, Case};
use crate::mode::Modes;
use crate::scan;
use crate::vocabulary::Vocabulary;
use chancery_base::limits::{BUNDLE_BYTES_MAX, BUNDLE_VALUES_MAX, ENTITIES_MAX, POLICIES_MAX, TEXT_BYTES_MAX};
use chancery_base::{Name, json};
use serde_json::{Map, Value};

/// Keys of documents of later versions.
const LATER: [&str; 5] = ["budgets", "delegation", "rules", "signatures", "stops"];

#[derive(Debug)]
pub(super) struct Document {
    pub(super) name: Name,
    pub(super) version: u64,
    pub(super) description: Option<String>,
    pub(super) canonical: Vec<u8>,
    pub(super) modes: Modes,
    pub(super) vocabulary: Vocabulary,
    pub(super) risk: Option<Value>,
    pub(super) texts: Texts,
    pub(super) cases: Vec<Case>,
}

/// What goes to Cedar, scanned.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) schema: String,
    pub(super) policies: Vec<File>,
    pub(super) obligations: Vec<File>,
    pub(super) entities: Vec<Value>,
}

/// One text of policies.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    /// What stands before the number in the id of a policy that has no `@id`.
    pub(super) id_prefix: String,
    pub(super) text: String,
}

impl Document {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        let bounds = json::Bounds { bytes: BUNDLE_BYTES_MAX, values: BUNDLE_VALUES_MAX };
        let value = json::parse_within(bytes, bounds).map_err(BundleError::Json)?.value;
        let canonical = json::canonical(&value);
        let Value::Object(mut map) = value else { return Err(form("", "an object")) };
        let name = text(take(&mut map, "name")?, "name")?;
        let name = name.parse::<Name>().map_err(|err| form("name", &format!("a name: {err}")))?;
        let version = take(&mut map, "version")?.as_u64().filter(|version| *version > 0);
        let version = version.ok_or_else(|| form("version", "a whole number from 1"))?;
        let description = map.remove("description").map(|value| text(value, "description")).transpose()?;
        if description.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(form("description", &format!("at most {TEXT_BYTES_MAX} bytes")));
        }
        let schema = text(take(&mut map, "schema")?, "schema")?;
        let policies = files("policies", "policy", take(&mut map, "policies")?)?;
        let obligations = map.remove("obligations");
        let obligations =
            obligations.map_or_else(|| Ok(Vec::new()), |value| files("obligations", "obligation", value))?;
        let [mode, modes, threshold] = ["mode", "modes", "risk_threshold"].map(|key| map.remove(key));
        let modes = Modes::read(mode.as_ref(), modes.as_ref(), threshold.as_ref())?;
        let [classes, purposes] = ["classes", "purposes"].map(|key| map.remove(key));
        let vocabulary = Vocabulary::read(classes.as_ref(), purposes.as_ref())?;
        let entities = match map.remove("entities") {
            None => Vec::new(),
            Some(Value::Array(entities)) => entities,
            Some(_) => return Err(form("entities", "a list")),
        };
        let risk = map.remove("risk");
        let cases = map.remove("tests").map_or_else(|| Ok(Vec::new()), cases::read).map_err(BundleError::Problems)?;
        if let Some(key) = map.keys().next() {
            let is_later = LATER.contains(&key.as_str());
            return Err(if is_later {
                BundleError::NotSupported(key.clone())
            } else {
                BundleError::UnknownKey(key.clone())
            });
        }
        let texts = Texts { schema, policies, obligations, entities };
        texts.scan()?;
        Ok(Self { name, version, description, canonical, modes, vocabulary, risk, texts, cases })
    }
}

impl Texts {
    fn scan(&self) -> Result<(), BundleError> {
        scan::schema(&self.schema).map_err(|source| BundleError::Scan { file: "schema".to_owned(), source })?;
        let mut left = POLICIES_MAX;
        for file in self.policies.iter().chain(&self.obligations) {
            let count = scan::policies(&file.text, left)
                .map_err(|source| BundleError::Scan { file: file.name.clone(), source })?;
            left = left.saturating_sub(count);
        }
        if self.entities.len() > ENTITIES_MAX {
            return Err(BundleError::Limit { file: "entities", problem: format!("more than {ENTITIES_MAX} entities") });
        }
        Ok(())
    }
}

/// A text, whose policies are numbered with `prefix`, or texts by file name.
fn files(at: &str, prefix: &str, value: Value) -> Result<Vec<File>, BundleError> {
    match value {
        Value::String(text) => Ok(vec![File { name: at.to_owned(), id_prefix: prefix.to_owned(), text }]),
        Value::Object(map) => {
            let mut files = map
                .into_iter()
                .map(|(name, value)| {
                    let text = text(value, &format!("{at}.{name}"))?;
                    Ok(File { id_prefix: format!("{name}#"), name, text })
                })
                .collect::<Result<Vec<_>, BundleError>>()?;
            files.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(files)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(form(at, "text, or an object of texts by file name"))
        }
    }
}

fn take(map: &mut Map<String, Value>, key: &'static str) -> Result<Value, BundleError> {
    map.remove(key).ok_or(BundleError::Missing(key))
}

fn text(value: Value, at: &str) -> Result<String, BundleError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(form(at, "text")),
    }
}

fn form(at: &str, expected: &str) -> BundleError {
    let at = if at.is_empty() { "the bundle" } else { at };
    BundleError::Form { at: at.to_owned(), expected: expected.to_owned() }
}
