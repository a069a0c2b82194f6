//! The checks behind `cargo xtask tidy`. Each is a plain function from what was read to findings,
//! so that its tests need no files.

mod arrows;
mod layout;
mod length;
mod notes;
pub(crate) mod openapi;
mod source;
mod sql;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use source::Source;

/// One thing to mend, and where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the workspace root, with `/`.
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Why the checks could not be made at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("failed to write {path}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("failed to list {path}")]
    List { path: PathBuf, source: std::io::Error },
    #[error("failed to ask cargo for the dependency graph")]
    Metadata(#[source] cargo_metadata::Error),
    #[error("cargo's answer lacks the resolved dependency graph")]
    Unresolved,
    #[error("failed to run `{command}`")]
    Run { command: String, source: std::io::Error },
    #[error("`{command}` failed:\n{output}")]
    Failed { command: String, output: String },
}

/// A text file of the workspace.
#[derive(Debug)]
struct Text {
    path: String,
    text: String,
}

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "corpus"];

/// Endings of the files that are read.
const READ: [&str; 9] = ["rs", "toml", "sh", "yaml", "yml", "cedar", "cedarschema", "sql", "md"];

/// Runs every check over the workspace at `root`.
///
/// # Errors
/// When a file cannot be read, or cargo cannot describe the workspace.
pub(crate) fn run(root: &Path) -> Result<Vec<Finding>, Error> {
    let mut texts = Vec::new();
    read_tree(root, root, &mut texts)?;

    let mut findings = Vec::new();
    for text in &texts {
        findings.extend(notes::check(&text.path, &text.text));
        findings.extend(layout::check_path(&text.path));
        findings.extend(sql::check_path(&text.path));
    }
    for text in texts.iter().filter(|text| text.path.ends_with(".rs")) {
        match Source::parse(&text.path, &text.text) {
            Ok(source) => {
                findings.extend(length::check(&source));
                findings.extend(sql::check(&source));
            }
            Err(finding) => findings.push(finding),
        }
    }

    let files: BTreeMap<&str, &str> = texts.iter().map(|text| (text.path.as_str(), text.text.as_str())).collect();
    findings.extend(layout::check_manifests(&files));
    findings.extend(layout::check_architecture(&files));
    findings.extend(arrows::check(&arrows::read(root)?, &files));
    findings.extend(openapi::check(root)?);
    findings.sort();
    Ok(findings)
}

/// Reads every file with an ending of [`READ`] below `folder`, in the order of their names.
fn read_tree(root: &Path, folder: &Path, texts: &mut Vec<Text>) -> Result<(), Error> {
    let list_error = |source| Error::List { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(list_error)? {
        paths.push(entry.map_err(list_error)?.path());
    }
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_symlink() || SKIPPED.contains(&name) {
            continue;
        }
        if path.is_dir() {
            read_tree(root, &path, texts)?;
        } else if name == "Makefile" || path.extension().and_then(|e| e.to_str()).is_some_and(|e| READ.contains(&e)) {
            let text = std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
            texts.push(Text { path: relative(root, &path), text });
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.iter().filter_map(|part| part.to_str()).collect::<Vec<_>>().join("/")
}

/// The crate's folder below `crates/`, for a path inside one.
fn crate_of(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.split('/').next()
}
