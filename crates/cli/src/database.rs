//! Which database the store is in, where it is not in the data directory. Its address holds a password, so it comes
//! from a file or the environment, never from the command line.

use crate::error::CliError;
use crate::key_file;
use chancery_app::data::{Database, DatabaseOptions};
use chancery_base::Secret;
use std::path::PathBuf;

/// The variable that holds the address.
const VARIABLE: &str = "CHANCERY_DATABASE_URL";

/// Options of commands that open a store.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DatabaseArgs {
    /// The file, mode 0600, with the URL of the PostgreSQL database that is the store; else `CHANCERY_DATABASE_URL`. With
    /// neither, the store is in the data directory.
    #[arg(long, value_name = "FILE")]
    database_url_file: Option<PathBuf>,
}

impl DatabaseArgs {
    pub(crate) const fn new(database_url_file: Option<PathBuf>) -> Self {
        Self { database_url_file }
    }

    /// Where the store is.
    pub(crate) fn read(&self) -> Result<Database, CliError> {
        let url = match &self.database_url_file {
            Some(path) => Some(key_file::read_private(path)?),
            None => std::env::var(VARIABLE).ok().map(Secret::new),
        };
        let url = url.map(|url| Secret::new(url.expose().trim().to_owned())).filter(|url| !url.expose().is_empty());
        match (url, &self.database_url_file) {
            (Some(url), _) => Ok(Database::Postgres(DatabaseOptions::new(url))),
            (None, None) => Ok(Database::Embedded),
            (None, Some(path)) => Err(CliError::Usage(format!("{} is empty", path.display()))),
        }
    }

    /// The option as it was given, with a space before it, to be shown in a command.
    pub(crate) fn option(&self) -> String {
        self.database_url_file
            .as_ref()
            .map(|path| format!(" --database-url-file {}", path.display()))
            .unwrap_or_default()
    }
}
