//! The log of calls: what went on outside, in the words of the one who was called.

use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// One line: a call arrived, or was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The path that was called.
    pub path: String,
    /// The call's `Idempotency-Key`.
    pub key: String,
    /// What it is for, as the caller says.
    pub reference: String,
    /// `received`; then `answered`, or `repeated` if the key had been answered before.
    pub result: String,
    /// The answer's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// Why the log can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file.
    #[error("failed to use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line.
    #[error("failed to understand a line of {}", path.display())]
    Line {
        /// Of which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// A call, as the log names it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) path: &'static str,
    pub(super) key: String,
    pub(super) reference: String,
}

#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Mutex<File>,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|source| LogError::File { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    pub(super) fn write(&self, call: &Call, result: &str, status: Option<u16>) -> Result<(), LogError> {
        let Call { path, key, reference } = call.clone();
        let line = Line { at: now_ms(), path: path.to_owned(), key, reference, result: result.to_owned(), status };
        let text = serde_json::to_string(&line).map_err(|source| LogError::Line { path: self.path.clone(), source })?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{text}").map_err(|source| LogError::File { path: self.path.clone(), source })
    }
}

/// Every whole line that the log has; none if there is no log yet.
///
/// # Errors
/// If the file can't be read, or a line is not one.
pub fn read(path: &Path) -> Result<Vec<Line>, LogError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(LogError::File { path: path.to_owned(), source }),
    };
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole
        .map(|line| serde_json::from_str(line).map_err(|source| LogError::Line { path: path.to_owned(), source }))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "this service is no part of the platform, and its log has its own clock")]
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
