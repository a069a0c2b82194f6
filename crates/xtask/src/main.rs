//! `cargo xtask`: the checks and chores of this workspace that no other tool does.

mod tidy;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  tidy      check file lengths, dependency arrows, where SQL may be, notes without an issue,
            module layout, inherited lints, ARCHITECTURE.md's table, and that openapi.json is fresh
  openapi   write openapi.json anew from the route table
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => report(tidy::run(root)),
        ["openapi"] => match tidy::openapi::write(root) {
            Ok(()) => ExitCode::SUCCESS,
            Err(err) => fail(&err),
        },
        ["help" | "--help" | "-h"] => {
            say(USAGE);
            ExitCode::SUCCESS
        }
        _ => {
            complain(USAGE);
            ExitCode::from(2)
        }
    }
}

/// Prints what was found, one line each, in the form that editors jump to.
fn report(outcome: Result<Vec<tidy::Finding>, tidy::Error>) -> ExitCode {
    let findings = match outcome {
        Ok(findings) => findings,
        Err(err) => return fail(&err),
    };
    if findings.is_empty() {
        say("tidy: clean\n");
        return ExitCode::SUCCESS;
    }
    for finding in &findings {
        complain(&format!("{finding}\n"));
    }
    complain(&format!("tidy: {} to mend\n", findings.len()));
    ExitCode::FAILURE
}

fn fail(err: &tidy::Error) -> ExitCode {
    let mut text = format!("xtask: {err}");
    let mut source = std::error::Error::source(err);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text.push('\n');
    complain(&text);
    ExitCode::FAILURE
}

/// Writes to standard output. A closed pipe is the reader's choice and no failure of ours.
fn say(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).unwrap_or_default();
}

fn complain(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap_or_default();
}
