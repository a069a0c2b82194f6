//! Verifying changed copies.

use crate::world::World;
use chancery_app::verify::{self, Fault, Options, Place, Report, VerifyError};
use std::fs;
use std::path::Path;

/// Verifies a directory with the world's key.
pub(crate) fn verify(world: &World, dir: &Path) -> Result<Report, VerifyError> {
    let options = Options { keys: Some(world.keys.clone()), checkpoints: Vec::new(), ..Options::default() };
    verify::run(dir, &options, &mut |_| ())
}

/// The fault that verification of a changed copy finds; panics where it finds none.
pub(crate) fn fault(world: &World, dir: &Path, change: &str) -> Fault {
    match verify(world, dir) {
        Err(VerifyError::Fault(fault)) => fault,
        Err(other) => panic!("{change}: {other}"),
        Ok(_) => panic!("{change}: nothing was noticed"),
    }
}

/// A copy of a store's files to change.
pub(crate) fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to.path().join(file.file_name())).unwrap();
        }
    }
    to
}

/// Whether a fault names a table, or the log for the tables that a log is made of.
pub(crate) fn names(fault: &Fault, table: &str) -> bool {
    let of_log = ["entries", "tiles", "checkpoints", "logs"].contains(&table);
    match &fault.place {
        Place::Table(found) | Place::Row { table: found, .. } => *found == table || fault.what.contains(table),
        Place::Log { .. } => of_log,
        Place::File => false,
    }
}
