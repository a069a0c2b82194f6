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

/// A migration as the database's history has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) checksum: u64,
}

impl From<&Migration> for Applied {
    fn from(migration: &Migration) -> Self {
        Self { version: migration.version().into(), name: migration.name().to_owned(), checksum: migration.checksum() }
    }
}

impl Migrations {
    fn all(self) -> Result<Vec<Migration>, MigrationError> {
        let read = |(name, sql): &(&str, &str)| {
            Migration::unapplied(name, sql).map_err(|error| MigrationError::Malformed(error.to_string()))
        };
        self.0.iter().map(read).collect()
    }

    /// All of them, as they are once they are applied.
    pub(crate) fn known(self) -> Result<Vec<Applied>, MigrationError> {
        Ok(self.all()?.iter().map(Applied::from).collect())
    }

    /// What applies them, all or none of those that are pending.
    pub(crate) fn runner(self) -> Result<Runner, MigrationError> {
        Ok(Runner::new(&self.all()?).set_grouped(true))
    }

    /// Compares what was applied with what there is.
    pub(crate) fn state(self, applied: &[Applied]) -> Result<State, MigrationError> {
        let all = self.known()?;
        let known = all.iter().map(|migration| migration.version).max().unwrap_or(0);
        for done in applied {
            match all.iter().find(|migration| migration.version == done.version) {
                None => return Err(MigrationError::Newer { found: done.version, known }),
                Some(migration) if migration != done => {
                    return Err(MigrationError::Divergent { version: done.version, name: done.name.clone() });
                }
                Some(_) => {}
            }
        }
        let named = |migration: &Applied| (migration.version, migration.name.clone());
        let is_applied = |migration: &&Applied| applied.contains(migration);
        Ok(State {
            applied: applied.iter().map(named).collect(),
            pending: all.iter().filter(|migration| !is_applied(migration)).map(named).collect(),
        })
    }
}
