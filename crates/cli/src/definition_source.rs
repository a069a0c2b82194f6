//! Definitions as people keep them: a document, and the files that its `input` refers to, which are put in their places.

use crate::error::CliError;
use crate::input;
use chancery_base::limits::DEFINITION_BYTES_MAX;
use chancery_engine::definition::Definition;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Files that a definition refers to at most.
const FILES_MAX: usize = 100;
/// The dialect that schemas are read in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What has values in it and no schemas.
const VALUES: [&str; 4] = ["const", "enum", "default", "examples"];

/// A definition's document.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) bytes: Vec<u8>,
    /// Whether files were put in it: then lines are not those of the file that was read.
    pub(crate) is_bundled: bool,
}

/// Reads a definition, with what its `input` refers to.
pub(crate) fn read(path: &Path) -> Result<Source, CliError> {
    let bytes = input::read(path, DEFINITION_BYTES_MAX)?;
    // What is wrong with a document that does not read, whoever checks it says with its place.
    let Ok(Value::Object(mut document)) = Definition::read_document(&bytes) else {
        return Ok(Source { bytes, is_bundled: false });
    };
    let Some(schema) = document.get_mut("input") else { return Ok(Source { bytes, is_bundled: false }) };
    let folder = if path.as_os_str() == "-" { Path::new("") } else { path.parent().unwrap_or(Path::new("")) };
    let mut files = Files { folder: folder.to_owned(), found: BTreeMap::new() };
    files.refer(schema, Path::new(""), None)?;
    let Value::Object(schema) = schema else { return Ok(Source { bytes, is_bundled: false }) };
    if files.found.is_empty() {
        return Ok(Source { bytes, is_bundled: false });
    }
    let named = schema.entry("$defs").or_insert_with(|| Value::Object(Map::new()));
    for (name, found) in files.found {
        let taken = named.as_object_mut().and_then(|named| named.insert(name.clone(), found?));
        if taken.is_some() {
            return Err(CliError::Usage(format!(
                "`input` has a schema `{name}` in its `$defs`, and refers to such a file"
            )));
        }
    }
    let bytes = serde_json::to_vec(&document).map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(Source { bytes, is_bundled: true })
}

/// Files that schemas refer to.
struct Files {
    /// Where the definition lies.
    folder: PathBuf,
    /// What was read, by its path from there; none while it is being read.
    found: BTreeMap<String, Option<Value>>,
}

impl Files {
    /// Has a schema refer to files as they will stand beside it. `within` is the file that it is of, which lies in
    /// `folder`.
    fn refer(&mut self, schema: &mut Value, folder: &Path, within: Option<&str>) -> Result<(), CliError> {
        match schema {
            Value::Object(map) => {
                if let Some(Value::String(to)) = map.get_mut("$ref") {
                    *to = self.place(to, folder, within)?;
                }
                for (_, part) in map.iter_mut().filter(|(key, _)| !VALUES.contains(&key.as_str())) {
                    self.refer(part, folder, within)?;
                }
            }
            Value::Array(parts) => {
                for part in parts {
                    self.refer(part, folder, within)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }

    /// What a reference becomes.
    fn place(&mut self, to: &str, folder: &Path, within: Option<&str>) -> Result<String, CliError> {
        let (file, fragment) = to.split_once('#').unwrap_or((to, ""));
        let name = match (file, within) {
            // Whoever checks the definition says that this is refused.
            (file, _) if file.contains("://") => return Ok(to.to_owned()),
            ("", None) => return Ok(to.to_owned()),
            ("", Some(within)) => within.to_owned(),
            (file, _) => self.read(file, folder)?,
        };
        Ok(format!("#/$defs/{}{fragment}", name.replace('~', "~0").replace('/', "~1").replace('%', "%25")))
    }

    /// Reads a file if it was not read yet: what it is called.
    fn read(&mut self, file: &str, folder: &Path) -> Result<String, CliError> {
        let path = below(&folder.join(file)).ok_or_else(|| {
            CliError::Usage(format!("`input` refers to `{file}`: schemas lie in the definition's folder or below it"))
        })?;
        let name = path.to_string_lossy().replace('\\', "/");
        if self.found.contains_key(&name) {
            return Ok(name);
        }
        if self.found.len() >= FILES_MAX {
            return Err(CliError::Usage(format!("`input` refers to more than {FILES_MAX} files")));
        }
        self.found.insert(name.clone(), None);
        let place = self.folder.join(&path);
        let bytes = input::read(&place, DEFINITION_BYTES_MAX)?;
        let mut schema = Definition::read_document(&bytes)
            .map_err(|error| CliError::Usage(format!("{} is no schema: {error}", place.display())))?;
        if let Value::Object(map) = &mut schema {
            // Said of the whole file, which is a part now.
            map.remove("$id");
            if map.get("$schema").is_some_and(|dialect| dialect == DIALECT) {
                map.remove("$schema");
            }
        }
        self.refer(&mut schema, path.parent().unwrap_or(Path::new("")), Some(&name))?;
        self.found.insert(name.clone(), Some(schema));
        Ok(name)
    }
}

/// A path without `.` and `..`; none if it leads out of where it begins.
fn below(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir if clean.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!clean.as_os_str().is_empty()).then_some(clean)
}
