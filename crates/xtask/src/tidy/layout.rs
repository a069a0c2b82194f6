//! Where things are: modules, manifests, and the table that tells newcomers what each crate is for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, crate_of};

const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// No `mod.rs`: twenty tabs of one name help nobody.
pub(super) fn check_path(path: &str) -> Option<Finding> {
    let folder = path.strip_suffix("/mod.rs")?;
    let message = format!("move it to {folder}.rs (a module is `foo.rs` with its parts in `foo/`)");
    Some(Finding { path: path.to_owned(), line: 1, message })
}

/// Every package inherits the workspace's lints; otherwise it has none, silently.
pub(super) fn check_manifests(files: &BTreeMap<&str, &str>) -> Vec<Finding> {
    let packages = files.iter().filter(|(path, text)| path.ends_with("Cargo.toml") && text.contains("[package]"));
    packages
        .filter(|(_, text)| !inherits_lints(text))
        .map(|(path, _)| Finding {
            path: (*path).to_owned(),
            line: 1,
            message: "add `[lints]` with `workspace = true`, so that the workspace's lints apply".to_owned(),
        })
        .collect()
}

fn inherits_lints(manifest: &str) -> bool {
    let mut table = "";
    for line in manifest.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if line.starts_with('[') {
            table = line;
        }
        let compact: String = line.split_whitespace().collect();
        if (table == "[lints]" && compact == "workspace=true") || compact == "lints.workspace=true" {
            return true;
        }
    }
    false
}

/// The table in ARCHITECTURE.md has a row for each crate, and none for one that is gone.
pub(super) fn check_architecture(files: &BTreeMap<&str, &str>) -> Vec<Finding> {
    let crates: BTreeSet<&str> = files
        .keys()
        .filter(|path| path.ends_with("/Cargo.toml") && path.split('/').count() == 3)
        .filter_map(|path| crate_of(path))
        .collect();
    let text = files.get(ARCHITECTURE).copied().unwrap_or_default();
    let rows: BTreeMap<&str, usize> =
        text.lines().enumerate().filter_map(|(index, line)| Some((table_row(line)?, index + 1))).collect();

    let missing = crates.iter().filter(|name| !rows.contains_key(*name)).map(|name| Finding {
        path: ARCHITECTURE.to_owned(),
        line: 1,
        message: format!("the table of crates lacks a row for `crates/{name}`: say what it is for"),
    });
    let stale = rows.iter().filter(|(name, _)| !crates.contains(*name)).map(|(name, line)| Finding {
        path: ARCHITECTURE.to_owned(),
        line: *line,
        message: format!("there is no `crates/{name}`: take the row out"),
    });
    missing.chain(stale).collect()
}

/// The crate that a row of the table is about: ``| `crates/base` | … |``.
fn table_row(line: &str) -> Option<&str> {
    line.strip_prefix("| `crates/")?.split_once('`').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn modules_are_named_files() {
        let finding = check_path("crates/a/src/b/mod.rs").unwrap();
        assert!(finding.message.contains("crates/a/src/b.rs"), "{finding}");
        assert!(check_path("crates/a/src/b.rs").is_none());
        assert!(check_path("crates/a/src/admod.rs").is_none());
    }

    #[test]
    fn lints_are_inherited() {
        let cases = [
            ("[package]\nname = \"a\"\n[lints]\nworkspace = true\n", 0),
            ("[package]\nname = \"a\"\nlints.workspace=true\n", 0),
            ("[package]\nname = \"a\"\n", 1),
            ("[package]\nname = \"a\"\n[lints]\n# workspace = true\n[features]\n", 1),
            ("[package]\nname = \"a\"\n[lints]\n[badges]\nworkspace = true\n", 1),
            ("[workspace]\nmembers = []\n", 0),
        ];
        for (manifest, wanted) in cases {
            let files = BTreeMap::from([("crates/a/Cargo.toml", manifest)]);
            assert_eq!(check_manifests(&files).len(), wanted, "{manifest}");
        }
    }

    #[test]
    fn the_table_of_crates_is_whole() {
        let table = "# A\n\n| crate | for |\n|---|---|\n| `crates/a` | letters |\n| `crates/old` | nothing |\n";
        let files = BTreeMap::from([
            ("ARCHITECTURE.md", table),
            ("crates/a/Cargo.toml", "[package]"),
            ("crates/b/Cargo.toml", "[package]"),
        ]);
        let found = messages(&check_architecture(&files));
        assert_eq!(
            found,
            [
                "ARCHITECTURE.md:1: the table of crates lacks a row for `crates/b`: say what it is for",
                "ARCHITECTURE.md:6: there is no `crates/old`: take the row out",
            ]
        );
    }
}
