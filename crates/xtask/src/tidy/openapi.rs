//! `openapi.json` is what the route table says today, so that its diff is the review of the API.

use std::path::Path;
use std::process::Command;

use super::{Error, Finding};

const COMMITTED: &str = "openapi.json";
/// The example that prints the document; it belongs to the server, which owns the route table.
const PRINTER: &str = "crates/server/examples/openapi.rs";

/// Compares the committed document with a fresh one. Without the printer there is nothing to compare.
pub(super) fn check(root: &Path) -> Result<Option<Finding>, Error> {
    if !root.join(PRINTER).exists() {
        return Ok(None);
    }
    let fresh = print(root)?;
    let committed = std::fs::read_to_string(root.join(COMMITTED)).unwrap_or_default();
    Ok(compare(&committed, &fresh))
}

/// Writes the document anew.
///
/// # Errors
/// When the printer does not build or run, or the file cannot be written.
pub(crate) fn write(root: &Path) -> Result<(), Error> {
    let path = root.join(COMMITTED);
    std::fs::write(&path, print(root)?).map_err(|source| Error::Write { path, source })
}

fn compare(committed: &str, fresh: &str) -> Option<Finding> {
    if committed == fresh {
        return None;
    }
    let same = committed.lines().zip(fresh.lines()).take_while(|(one, other)| one == other).count();
    let message = "not what the route table says: run `cargo xtask openapi` and commit the file".to_owned();
    Some(Finding { path: COMMITTED.to_owned(), line: same + 1, message })
}

/// Builds the printer with the whole workspace selected, so that dependencies have the same features
/// as in every other build and none is compiled twice, and runs it.
fn print(root: &Path) -> Result<String, Error> {
    run(root, "cargo", &["build", "--quiet", "--workspace", "--example", "openapi"])?;
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let printer = root.join(target).join("debug/examples/openapi");
    run(root, &printer.to_string_lossy(), &[])
}

fn run(root: &Path, program: &str, arguments: &[&str]) -> Result<String, Error> {
    let command = [&[program], arguments].concat().join(" ");
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|source| Error::Run { command: command.clone(), source })?;
    if !output.status.success() {
        return Err(Error::Failed { command, output: String::from_utf8_lossy(&output.stderr).into_owned() });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(compare("{\n  1\n}\n", "{\n  1\n}\n"), None);
        for (committed, fresh, line) in
            [("{\n  1\n}\n", "{\n  2\n}\n", 2), ("", "{\n}\n", 1), ("{\n", "{\n}\n", 2), ("{\n}\n", "{\n}", 3)]
        {
            let finding = compare(committed, fresh).unwrap();
            assert_eq!((finding.path.as_str(), finding.line), ("openapi.json", line), "{committed:?} {fresh:?}");
        }
    }
}
