//! Migrations of a database's schema, by `refinery`.

use refinery::{Migration, Runner};

/// A store's migrations: name, such as `V1__schema`, and SQL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migrations(pub(crate) &'static [(&'static str, &'static str)]);

/// Which migrations a database has, and which it has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Versions and names of those that were applied.
    pub applied: Vec<(i64, String)>,
    /// Versions and names of those that are to be applied.
    pub pending: Vec<(i64, String)>,
}

/// Why a database's migrations are not these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// A newer build migrated it.
    #[error("the schema has version {found}, this build knows versions up to {known}: use the newer build")]
    Newer {
        /// Its version.
        found: i64,
        /// The newest version that this build knows.
        known: i64,
    },
    /// A migration was applied that is not this build's of that version.
    #[error("migration {version} ({name}) is not the one that this build knows")]
    Divergent {
        /// Its version.
        version: i64,
        /// Its name, as applied.
        name: String,
    },
    /// A migration of this build is none: a defect.
    #[error("a migration of this build is not one: {0}")]
    Malformed(String),
}

impl Migrations {
    fn all(self) -> Result<Vec<Migration>, MigrationError> {
        let read = |(name, sql): &(&str, &str)| {
            Migration::unapplied(name, sql).map_err(|error| MigrationError::Malformed(error.to_string()))
        };
        self.0.iter().map(read).collect()
    }

    pub(crate) fn runner(self) -> Result<Runner, MigrationError> {
        Ok(Runner::new(&self.all()?))
    }

    /// Compares what was applied with what there is.
    pub(crate) fn state(self, applied: &[Migration]) -> Result<State, MigrationError> {
        let all = self.all()?;
        let known = all.iter().map(|migration| i64::from(migration.version())).max().unwrap_or(0);
        for done in applied {
            let version = i64::from(done.version());
            match all.iter().find(|migration| migration.version() == done.version()) {
                None => return Err(MigrationError::Newer { found: version, known }),
                Some(migration) if migration.checksum() != done.checksum() => {
                    return Err(MigrationError::Divergent { version, name: done.name().to_owned() });
                }
                Some(_) => {}
            }
        }
        let named = |migration: &Migration| (i64::from(migration.version()), migration.name().to_owned());
        let is_applied = |migration: &&Migration| applied.iter().any(|done| done.version() == migration.version());
        Ok(State {
            applied: applied.iter().map(named).collect(),
            pending: all.iter().filter(|migration| !is_applied(migration)).map(named).collect(),
        })
    }
}
