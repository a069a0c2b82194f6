//! Files with an API key in them: for their owner alone.

use crate::error::CliError;
use chancery_base::Secret;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes of a key file at most; a key has 101.
const BYTES_MAX: u64 = 4 << 10;

/// Reads a key. A file that others can read is refused.
pub(crate) fn read(path: &Path) -> Result<Secret, CliError> {
    let text = read_private(path)?;
    let key = Secret::new(text.expose().trim().to_owned());
    if key.expose().starts_with("chk_") && !key.expose().contains(char::is_whitespace) {
        return Ok(key);
    }
    Err(CliError::NoKeyInFile { path: path.to_owned() })
}

/// Reads a file that nobody else can read.
pub(crate) fn read_private(path: &Path) -> Result<Secret, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    // A pipe, as from `<(…)` of a shell, has no mode that says anything.
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(CliError::Mode { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(Secret::new(text))
}

/// A new key file that is there before the key is made, so that no key is made that cannot be kept. Removed again
/// unless a key was written to it.
#[derive(Debug)]
pub(crate) struct NewKeyFile {
    path: PathBuf,
    file: File,
    written: bool,
}

impl NewKeyFile {
    /// Makes the file; one that exists is not overwritten.
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|source| CliError::Write { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file, written: false })
    }

    /// Writes the key and keeps the file.
    pub(crate) fn write(mut self, key: &Secret) -> Result<(), CliError> {
        let written = writeln!(self.file, "{}", key.expose()).and_then(|()| self.file.sync_all());
        written.map_err(|source| CliError::Write { path: self.path.clone(), source })?;
        self.written = true;
        Ok(())
    }
}

impl Drop for NewKeyFile {
    fn drop(&mut self) {
        if !self.written {
            // What is left is an empty file that its owner can remove.
            drop(std::fs::remove_file(&self.path));
        }
    }
}
