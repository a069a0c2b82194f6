//! `chancery migrate`

use crate::database::DatabaseArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Cell, Output};
use crate::progress;
use crate::session::Session;
use chancery_app::data::{self, Database, MigrationState};
use clap::Subcommand;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Bring a store's schema to this build's version, or see which version it has.
///
/// `init` and `dev` do it by themselves, `serve` refuses a schema that lacks migrations. There is no way back: make a
/// backup first.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery migrate status --data /var/lib/chancery
  chancery migrate up --database-url-file database.url")]
pub(crate) enum Command {
    Up(Up),
    Status(Status),
}

/// Apply the migrations that a store lacks: all of them, or none if one fails.
///
/// An embedded store must not be in use. Of a PostgreSQL database the servers should be stopped; its schema may belong to
/// another role than theirs.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery migrate up --data /var/lib/chancery
  chancery migrate up --database-url-file database.url
  CHANCERY_DATABASE_URL=$(pass chancery/owner) chancery migrate up")]
pub(crate) struct Up {
    #[command(flatten)]
    store: StoreArgs,
}

/// Show which migrations a store has, and which it lacks. Exits 1 if it lacks any.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery migrate status --data /var/lib/chancery
  chancery migrate status --database-url-file database.url -o json | jq '.pending | length'")]
pub(crate) struct Status {
    #[command(flatten)]
    store: StoreArgs,
}

/// Which store.
#[derive(Debug, clap::Args)]
struct StoreArgs {
    /// The data directory. Not needed with a PostgreSQL database.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl StoreArgs {
    fn place(&self) -> Result<(&Path, Database), CliError> {
        let database = self.database.read()?;
        match (&self.data, &database) {
            (Some(dir), _) => Ok((dir, database)),
            // Nothing is looked for in it.
            (None, Database::Postgres(_)) => Ok((Path::new(""), database)),
            (None, Database::Embedded) => Err(CliError::Usage(
                "name the data directory with --data, or a PostgreSQL database with --database-url-file or \
                 CHANCERY_DATABASE_URL"
                    .to_owned(),
            )),
        }
    }
}

/// The state of a schema.
#[derive(Debug, Serialize)]
struct Shown {
    applied: Vec<Migration>,
    pending: Vec<Migration>,
}

#[derive(Debug, Serialize)]
struct Migration {
    version: i64,
    name: String,
}

impl From<MigrationState> for Shown {
    fn from(state: MigrationState) -> Self {
        let shown = |migrations: Vec<(i64, String)>| {
            migrations.into_iter().map(|(version, name)| Migration { version, name }).collect()
        };
        Self { applied: shown(state.applied), pending: shown(state.pending) }
    }
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let state = match &command {
        Command::Up(args) => {
            let (dir, database) = args.store.place()?;
            progress::spin("migrating", data::migrate(dir, &database)).await?
        }
        Command::Status(args) => {
            let (dir, database) = args.store.place()?;
            data::migration_state(dir, &database).await?
        }
    };
    let shown = Shown::from(state);
    session.out.show(&shown, |shown| table(&session.out, shown))?;
    Ok(if shown.pending.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn table(out: &Output, shown: &Shown) -> String {
    let mut grid = out.grid(&["VERSION", "NAME", "STATE"]);
    for (migrations, state) in [(&shown.applied, "applied"), (&shown.pending, "pending")] {
        for migration in migrations {
            grid.row([
                Cell::from(migration.version.to_string()),
                Cell::from(migration.name.as_str()),
                Cell::from(state),
            ]);
        }
    }
    grid.text_or("no migrations")
}
