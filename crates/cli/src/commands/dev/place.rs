//! Where a temporary server has its store and keys.

use crate::error::CliError;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory, for its owner alone.
#[derive(Debug)]
pub(super) enum Place {
    /// Removed with this value.
    Temporary(TempDir),
    /// Kept.
    Kept(PathBuf),
}

impl Place {
    /// Makes the directory, or takes one that is there.
    pub(super) fn open(keep: Option<PathBuf>) -> Result<Self, CliError> {
        match keep {
            Some(dir) => {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
                made.map_err(|source| CliError::Write { path: dir.clone(), source })?;
                Ok(Self::Kept(dir))
            }
            None => {
                let made = tempfile::Builder::new().prefix("chancery-dev-").tempdir();
                made.map(Self::Temporary).map_err(|source| CliError::Write { path: std::env::temp_dir(), source })
            }
        }
    }

    pub(super) fn dir(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }

    /// The store's directory.
    pub(super) fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// The file with somebody's key.
    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.dir().join(format!("{name}.key"))
    }

    pub(super) const fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}
