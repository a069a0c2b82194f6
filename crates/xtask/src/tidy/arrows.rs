//! Which crate may depend on which. The tables are the design; a new arrow is a decision, made here
//! and in ARCHITECTURE.md, not a line that slips into a manifest.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use super::{Error, Finding};

/// The crates without tokio, SQL, HTTP, clock or randomness.
const PURE: &[&str] = &["base", "expr", "ledger", "policy", "rules", "engine", "shard"];

/// What each crate may name in `[dependencies]`.
const ARROWS: &[(&str, &[&[&str]])] = &[
    ("crates/base", &[]),
    ("crates/expr", &[&["base"]]),
    ("crates/ledger", &[&["base"]]),
    ("crates/policy", &[&["base", "expr"]]),
    ("crates/rules", &[&["base", "expr"]]),
    ("crates/engine", &[&["base", "expr"]]),
    ("crates/shard", &[&["base", "expr", "engine", "policy", "rules", "ledger"]]),
    ("crates/store", &[&["base", "shard"]]),
    ("crates/identity", &[PURE]),
    ("crates/capability", &[&["base"]]),
    ("crates/targets", &[PURE]),
    ("crates/app", &[PURE, &["store", "identity", "capability", "targets"]]),
    ("crates/api", &[&["base"]]),
    ("crates/server", &[PURE, &["app", "api"]]),
    ("crates/sdk", &[&["base", "api", "capability"]]),
    ("crates/cli", &[PURE, &["server", "app", "sdk", "api", "capability"]]),
    ("crates/sim", &[PURE, &["store"]]),
    ("crates/fuzz", &[PURE, &["api", "capability"]]),
    ("crates/xtask", &[]),
    ("bench", &[PURE, &["app", "store", "server", "sdk", "api"]]),
];

/// What a program below `examples/` may name: what its reader could name, too, and what the examples share.
const EXAMPLE: &[&[&str]] = &[&["sdk", "examples/order", "examples/participant"]];

/// What no pure crate may reach, however far down.
const IMPURE: &[&str] = &["tokio", "rusqlite", "tokio-postgres", "axum", "reqwest", "hyper"];

/// Libraries with one home each: nobody else names them in `[dependencies]`.
const HOMES: &[(&str, &[&str])] = &[
    ("rusqlite", &["crates/store", "crates/sdk"]),
    ("tokio-postgres", &["crates/store", "crates/sdk"]),
    ("axum", &["crates/api", "crates/server"]),
    ("biscuit-auth", &["crates/capability"]),
];

/// A package of the workspace.
#[derive(Debug)]
pub(super) struct Member {
    id: String,
    /// Relative to the workspace root.
    folder: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug)]
struct Dependency {
    name: String,
    for_tests: bool,
}

/// A package of the resolved graph: ours or anybody's.
#[derive(Debug)]
struct Node {
    name: String,
    dependencies: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Graph {
    members: Vec<Member>,
    nodes: BTreeMap<String, Node>,
}

/// Asks cargo.
pub(super) fn read(root: &Path) -> Result<Graph, Error> {
    let options = ["--locked", "--filter-platform", "host-tuple"].map(str::to_owned).to_vec();
    let metadata = MetadataCommand::new().current_dir(root).other_options(options).exec().map_err(Error::Metadata)?;
    let names: BTreeMap<&PackageId, String> =
        metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
    let resolve = metadata.resolve.as_ref().ok_or(Error::Unresolved)?;
    let mut nodes = BTreeMap::new();
    for node in &resolve.nodes {
        let normal =
            node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        let dependencies = normal.map(|dep| dep.pkg.repr.clone()).collect();
        let name = names.get(&node.id).cloned().unwrap_or_default();
        nodes.insert(node.id.repr.clone(), Node { name, dependencies });
    }
    Ok(Graph { members: members(&metadata), nodes })
}

fn members(metadata: &Metadata) -> Vec<Member> {
    let root = &metadata.workspace_root;
    let packages = metadata.workspace_packages();
    packages
        .into_iter()
        .map(|package| Member {
            id: package.id.repr.clone(),
            folder: package
                .manifest_path
                .parent()
                .map(|folder| folder.strip_prefix(root).unwrap_or(folder).to_string())
                .unwrap_or_default(),
            dependencies: package
                .dependencies
                .iter()
                .map(|dep| Dependency { name: dep.name.clone(), for_tests: dep.kind == DependencyKind::Development })
                .collect(),
        })
        .collect()
}

/// Holds the graph against the tables. `files` gives the manifests' text, for line numbers.
pub(super) fn check(graph: &Graph, files: &BTreeMap<&str, &str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &graph.members {
        let manifest = format!("{}/Cargo.toml", member.folder);
        let text = files.get(manifest.as_str()).copied().unwrap_or_default();
        let mut found = |name: &str, message: String| {
            findings.push(Finding { path: manifest.clone(), line: line_of(text, name), message });
        };
        let Some(allowed) = allowed(&member.folder) else {
            let message = "no row in the table of arrows: decide what it may depend on, in ARCHITECTURE.md and in \
                           crates/xtask/src/tidy/arrows.rs";
            found("name", message.to_owned());
            continue;
        };
        // A crate whose tests want its own features names itself among its dev-dependencies.
        let own_name = graph.nodes.get(&member.id).map(|node| node.name.as_str());
        for dependency in member.dependencies.iter().filter(|dep| !dep.for_tests || Some(dep.name.as_str()) != own_name)
        {
            if let Some(message) = fault(graph, member, dependency, allowed) {
                found(&dependency.name, message);
            }
        }
        let (pure, first) = (is_pure(&member.folder), path_to_impure(graph, &member.id));
        if let Some(path) = first.filter(|_| pure) {
            let direct = path.get(1).map(String::as_str).unwrap_or_default();
            let message = format!(
                "a pure crate reaches {}: {}. Take it out, or switch off the feature that brings it",
                path.last().map(String::as_str).unwrap_or_default(),
                path.join(" → ")
            );
            found(direct, message);
        }
    }
    findings
}

fn fault(graph: &Graph, member: &Member, dependency: &Dependency, allowed: &[&[&str]]) -> Option<String> {
    let name = &dependency.name;
    if let Some((_, homes)) = HOMES.iter().find(|(library, _)| library == name).filter(|_| !dependency.for_tests) {
        let at_home = homes.contains(&member.folder.as_str()) || !member.folder.starts_with("crates/");
        return (!at_home).then(|| format!("only {} may depend on {name}", homes.join(" and ")));
    }
    let target =
        graph.members.iter().find(|other| graph.nodes.get(&other.id).is_some_and(|node| node.name == *name))?;
    let short = target.folder.strip_prefix("crates/").unwrap_or(&target.folder);
    // The tests of a crate that is not pure may look at anything pure; the tests of a pure one stay as pure.
    let tests_may = dependency.for_tests
        && (is_free_in_tests(&member.folder) || (!is_pure(&member.folder) && PURE.contains(&short)));
    if tests_may || allowed.iter().any(|group| group.contains(&short)) {
        return None;
    }
    Some(format!("{} may not depend on {short}: see the arrows in ARCHITECTURE.md", member.folder))
}

fn allowed(folder: &str) -> Option<&'static [&'static [&'static str]]> {
    if folder.starts_with("examples/") {
        return Some(EXAMPLE);
    }
    ARROWS.iter().find(|(name, _)| *name == folder).map(|(_, allowed)| *allowed)
}

fn is_pure(folder: &str) -> bool {
    folder.strip_prefix("crates/").is_some_and(|name| PURE.contains(&name))
}

/// The crates that exist only to test the others.
fn is_free_in_tests(folder: &str) -> bool {
    matches!(folder, "crates/sim" | "crates/xtask")
}

/// The shortest way from a package to one of [`IMPURE`], both ends included.
fn path_to_impure(graph: &Graph, from: &str) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, Option<&str>> = BTreeMap::from([(from, None)]);
    let mut queue = VecDeque::from([from]);
    while let Some(id) = queue.pop_front() {
        let Some(node) = graph.nodes.get(id) else { continue };
        if IMPURE.contains(&node.name.as_str()) {
            let mut path = Vec::new();
            let mut at = Some(id);
            while let Some(id) = at {
                path.extend(graph.nodes.get(id).map(|node| node.name.clone()));
                at = before.get(id).copied().flatten();
            }
            path.reverse();
            return Some(path);
        }
        for next in &node.dependencies {
            if !before.contains_key(next.as_str()) {
                before.insert(next, Some(id));
                queue.push_back(next);
            }
        }
    }
    None
}

/// The line of a manifest that names a dependency.
fn line_of(manifest: &str, name: &str) -> usize {
    let names = |line: &str| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    manifest.lines().position(names).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members as `folder: dependency dependency`, a `?` before those of tests; then the rest of the
    /// resolved graph as `package: dependency`. A crate `a` is the package `chancery-a`.
    fn graph(members: &[&str], others: &[&str]) -> Graph {
        let split = |line: &str| {
            let (name, rest) = line.split_once(':').unwrap();
            (name.to_owned(), rest.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let mut graph = Graph { members: Vec::new(), nodes: BTreeMap::new() };
        for (folder, names) in members.iter().copied().map(split) {
            let name = folder.replace("crates/", "chancery-");
            let dependencies: Vec<Dependency> = names
                .iter()
                .map(|name| Dependency {
                    name: name.trim_start_matches('?').to_owned(),
                    for_tests: name.starts_with('?'),
                })
                .collect();
            let normal = dependencies.iter().filter(|dep| !dep.for_tests).map(|dep| dep.name.clone()).collect();
            graph.nodes.insert(name.clone(), Node { name: name.clone(), dependencies: normal });
            graph.members.push(Member { id: name, folder, dependencies });
        }
        for (name, dependencies) in others.iter().copied().map(split) {
            graph.nodes.insert(name.clone(), Node { name, dependencies });
        }
        graph
    }

    #[track_caller]
    fn check_graph(members: &[&str], others: &[&str], wanted: &[&str]) {
        let found = check(&graph(members, others), &BTreeMap::new());
        assert_eq!(found.len(), wanted.len(), "{found:?}");
        for (finding, wanted) in found.iter().zip(wanted) {
            assert!(finding.to_string().contains(wanted), "{finding} lacks {wanted}");
        }
    }

    #[test]
    fn arrows_of_the_design_pass() {
        let members = [
            "crates/base:",
            "crates/engine: chancery-base",
            "crates/shard: chancery-base chancery-engine",
            "crates/store: chancery-shard rusqlite",
            "crates/app: chancery-store chancery-engine ?axum",
            "examples/participant: chancery-sdk",
            "examples/order: chancery-sdk examples/participant",
            "crates/sdk: chancery-base",
        ];
        check_graph(&members, &["rusqlite:"], &[]);
    }

    #[test]
    fn any_other_arrow_is_named() {
        check_graph(
            &["crates/base:", "crates/ledger: chancery-engine", "crates/engine: chancery-base"],
            &[],
            &["crates/ledger/Cargo.toml:1: crates/ledger may not depend on engine"],
        );
        check_graph(&["examples/order: chancery-app", "crates/app:"], &[], &["may not depend on app"]);
        check_graph(&["crates/new:"], &[], &["crates/new/Cargo.toml:1: no row in the table"]);
    }

    #[test]
    fn tests_of_the_shell_may_look_at_the_core() {
        check_graph(&["crates/store: ?chancery-ledger", "crates/ledger:"], &[], &[]);
        check_graph(&["crates/engine: ?chancery-ledger", "crates/ledger:"], &[], &["may not depend on ledger"]);
        check_graph(&["crates/store: ?chancery-app", "crates/app:"], &[], &["may not depend on app"]);
        check_graph(&["crates/sim: ?chancery-app", "crates/app:"], &[], &[]);
    }

    #[test]
    fn pure_crates_reach_nothing_impure() {
        check_graph(
            &["crates/policy: helper", "crates/base: ?tokio"],
            &["helper: deeper", "deeper: hyper", "hyper: tokio", "tokio:"],
            &["a pure crate reaches hyper: chancery-policy → helper → deeper → hyper"],
        );
    }

    #[test]
    fn some_libraries_have_a_home() {
        check_graph(
            &["crates/app: rusqlite axum"],
            &[],
            &[
                "only crates/store and crates/sdk may depend on rusqlite",
                "only crates/api and crates/server may depend on axum",
            ],
        );
    }

    #[test]
    fn a_finding_has_the_line_of_the_manifest() {
        let manifest = "[dependencies]\nchancery-engine-x = \"1\"\nchancery-engine.workspace = true\n";
        assert_eq!(line_of(manifest, "chancery-engine"), 3);
        assert_eq!(line_of(manifest, "absent"), 1);
    }
}
