//! What the demo must notice. That it passes when nothing is wrong is shown by running it: `make demo`.

use std::path::Path;
use std::process::{Command, Output};

fn demo(sabotage: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_order-demo"));
    let beside = program.with_file_name("chancery");
    let is_there = beside.exists() || std::env::var_os("CHANCERY_BIN").is_some();
    assert!(is_there, "{} is not built: run `cargo build --workspace`", beside.display());
    Command::new(program)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .env("DEMO_SABOTAGE", sabotage)
        .env_remove("KEEP")
        .output()
        .unwrap()
}

/// Runs the demo with something going wrong; it must say what, and exit with 1.
#[track_caller]
fn check(sabotage: &str, deviation: &str) {
    let output = demo(sabotage);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let told = stderr.lines().find(|line| line.starts_with("DEVIATION: ")).unwrap_or_default();
    assert!(told.contains(deviation), "{sabotage}: {deviation} is not in {told}\n{stdout}\n{stderr}");
    assert_eq!(output.status.code(), Some(1), "{sabotage}");
}

#[test]
fn a_payment_that_should_be_declined_is_noticed() {
    check("accept-all", "tx start create-order");
}

#[test]
fn an_agent_that_should_be_stopped_is_noticed() {
    check("no-limit", "tx start create-order");
}

#[test]
fn a_server_that_was_not_killed_is_noticed() {
    check("no-kill", "payment calls of order 4: expected 2, found 1");
}

#[test]
fn a_receipt_that_was_changed_is_noticed() {
    check("tamper-receipt", "verify receipt");
}

#[test]
fn a_log_that_was_changed_is_noticed() {
    check("tamper-log", "verify log");
}
