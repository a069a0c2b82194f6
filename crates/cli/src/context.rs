//! The saved context: which server, as whom, and with which key its ledger is verified.

use crate::error::CliError;
use crate::key_file;
use chancery_api::OneTimeKey;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What is saved. The file has mode 0600, because the key is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// The server's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// The API key for that server and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<OneTimeKey>,
    /// The key that checks that server's checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verifier_key: Option<String>,
}

/// Where the context is, unless told otherwise: `$XDG_CONFIG_HOME/chancery/context.json`, else in `~/.config`.
pub(crate) fn default_path() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = named("XDG_CONFIG_HOME").or_else(|| named("HOME").map(|home| home.join(".config")))?;
    Some(config.join("chancery").join("context.json"))
}

/// Reads the context; an empty one if there is no file.
pub(crate) fn load(path: &Path) -> Result<Context, CliError> {
    let text = match key_file::read_private(path) {
        Ok(text) => text,
        Err(CliError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(Context::default()),
        Err(error) => return Err(error),
    };
    let read = serde_json::from_str(text.expose());
    read.map_err(|error| CliError::Context { path: path.to_owned(), reason: error.to_string() })
}

/// Saves the context: whole or not at all.
pub(crate) fn save(path: &Path, context: &Context) -> Result<(), CliError> {
    let failed = |source| CliError::Write { path: path.to_owned(), source };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let mut text = serde_json::to_string_pretty(context).map_err(|error| failed(error.into()))?;
    text.push('\n');
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let saved = written.and_then(|()| std::fs::rename(&draft, path));
    if saved.is_err() {
        // The draft has a key in it; if it cannot be removed either, the error says which directory to look into.
        drop(std::fs::remove_file(&draft));
    }
    saved.map_err(failed)
}
