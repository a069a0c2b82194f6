//! The commands of `examples/README.md`, one after the other, as its reader types them.

use crate::program::{Program, repository, shell};
use std::path::Path;

/// A command of the page, and how it exits: its comment says so where it is not 0.
#[derive(Debug)]
struct Command<'p> {
    line: &'p str,
    exits: i32,
}

/// The lines of the page's shell blocks.
fn commands(page: &str) -> Vec<Command<'_>> {
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (line, comment) = line.split_once(" # ").unwrap_or((line, ""));
            let exits = comment.split_once("exits ").map_or("0", |(_, code)| code.split(':').next().unwrap());
            Command { line: line.trim(), exits: exits.parse().unwrap() }
        })
        .collect()
}

/// The last transaction that is named.
fn transaction(said: &str) -> Option<&str> {
    let (_, id) = said.rsplit_once("txn_")?;
    id.get(..32).filter(|id| id.chars().all(|digit| digit.is_ascii_hexdigit()))
}

/// What a command is before the others run: it stays.
fn stays(dir: &Path, line: &str) -> Option<Program> {
    match line {
        "chancery dev" => Some(Program::start(dir, line, "Ctrl-C ends it.")),
        "example-worker" => Some(Program::start(dir, line, "Ctrl-C ends it")),
        _ => None,
    }
}

#[test]
fn its_commands_work() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(repository("examples"), dir.path().join("examples")).unwrap();
    let page = std::fs::read_to_string(repository("examples/README.md")).unwrap();
    let (mut stay, mut last, mut ran) = (Vec::new(), String::new(), 0);
    for Command { line, exits } in commands(&page) {
        // The programs are built, and found where they are.
        if line.starts_with("cargo build") || line.starts_with("export PATH") {
            continue;
        }
        if let Some(program) = stays(dir.path(), line) {
            stay.push(program);
            continue;
        }
        let line = line.replace("txn_…", &format!("txn_{last}"));
        let output = shell(dir.path(), &line).output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(exits), "{line}\n{stdout}\n{stderr}");
        if let Some(id) = transaction(&stdout) {
            id.clone_into(&mut last);
        }
        ran += 1;
    }
    assert_eq!(stay.len(), 2, "a server and a worker");
    assert!(ran >= 8, "two commands for each of four examples, {ran} ran");
}
