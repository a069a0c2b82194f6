//! Help: examples first, exit codes, the same layout everywhere.

use crate::support::run;
use chancery_cli::{Exit, command};
use std::path::Path;

/// Every command's path and help.
fn helps() -> Vec<(String, String)> {
    fn walk(command: &mut clap::Command, path: &str, found: &mut Vec<(String, String)>) {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        found.push((path.clone(), command.render_long_help().to_string()));
        for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
            walk(inner, &path, found);
        }
    }
    let mut found = Vec::new();
    let mut top = command();
    top.build();
    walk(&mut top, "", &mut found);
    found
}

#[test]
fn every_command_shows_examples_first() {
    let helps = helps();
    assert!(helps.len() > 40, "{} commands are seen", helps.len());
    for (path, help) in helps {
        let (Some(examples), Some(usage)) = (help.find("\nExamples:\n"), help.find("\nUsage:")) else {
            panic!("`{path} --help` has no examples or no usage:\n{help}");
        };
        assert!(examples < usage, "`{path} --help` shows its usage first:\n{help}");
        let shown = help.get(examples..usage).unwrap();
        let words = path.strip_prefix("chancery").unwrap();
        assert!(shown.contains(&format!("chancery{words}")), "no example of `{path}` is one of it:\n{help}");
    }
}

#[test]
fn every_example_is_a_command_that_there_is() {
    for (path, help) in helps() {
        let examples = help.split("\nExamples:\n").nth(1).unwrap().split("\nUsage:").next().unwrap();
        let joined = examples.replace("\\\n", " ");
        let lengths = examples.lines().map(|line| line.chars().count());
        assert!(lengths.max() <= Some(92), "an example of `{path}` would be broken on a terminal:\n{examples}");
        for line in joined.lines().filter(|line| line.contains("chancery ")) {
            // Each command of a pipe by itself, without what the shell takes.
            for piece in line.split(" | ").filter(|piece| piece.trim_start().starts_with("chancery ")) {
                let bare = piece.split(" #").next().unwrap().split(" > ").next().unwrap().split(" < ").next().unwrap();
                check_example(&path, bare.trim());
            }
        }
    }
}

/// Parses an example as a shell would split it.
fn check_example(path: &str, example: &str) {
    let mut example = example.replace("sha256:…", &format!("sha256:{}", "0f".repeat(32)));
    for prefix in ["txn_", "usr_", "svc_", "agt_", "key_", "whs_", "stp_", "req_", "evd_", "ovr_"] {
        example = example.replace(&format!("{prefix}…"), &format!("{prefix}019312d8a0b07c3e9f2a4b5c6d7e8f90"));
    }
    let words = split(&example);
    if let Err(error) = command().try_get_matches_from(&words) {
        panic!("an example of `{path}` does not parse: {example}\n{error}");
    }
}

/// Words, quoted or not.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (' ', None) => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (c, _) => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn the_top_names_the_commands_and_the_exit_codes() {
    let dir = Path::new("/");
    let help = run(dir, &["--help"]).succeeds().stdout;
    for command in [
        "init",
        "dev",
        "serve",
        "migrate",
        "run",
        "tx",
        "receipt",
        "verify",
        "definition",
        "bundle",
        "decide",
        "ledger",
        "maintenance",
        "stop",
        "override",
        "notifier",
        "retention",
        "queue",
        "settings",
        "schedule",
        "request",
        "tenant",
        "principal",
        "key",
        "context",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "`{command}` is not listed:\n{help}");
    }
    for exit in Exit::ALL {
        assert!(help.contains(&format!("\n  {:<3} ", exit.code())), "{exit:?} is not explained:\n{help}");
    }
    assert!(run(dir, &["--version"]).succeeds().stdout.starts_with("chancery 0."));
    run(dir, &[""; 0]).fails(2, &["Examples:", "Usage: chancery [OPTIONS] <COMMAND>"]);
    run(dir, &["rum"]).fails(2, &["a similar subcommand exists: 'run'"]);
}

#[test]
fn every_exit_code_is_in_the_docs() {
    let docs = include_str!("../../../../docs/cli.md");
    for exit in Exit::ALL {
        assert!(docs.contains(&format!("\n| {} | ", exit.code())), "{exit:?} is not in docs/cli.md");
    }
    for (path, _) in helps() {
        let command = path.strip_prefix("chancery ").unwrap_or(&path);
        assert!(docs.contains(&format!("`{command}`")), "`{command}` is not in docs/cli.md");
    }
}

#[test]
fn no_option_takes_a_key() {
    fn walk(command: &clap::Command) {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            // An address of a database holds a password; what targets call the server by is public, and that of an
            // information point may hold none.
            assert!(
                !name.contains("url") || name.ends_with("_file") || ["public_url", "pip_url"].contains(&name),
                "`{}` takes `{name}`",
                command.get_name()
            );
            // Verifier keys are public; an idempotency key is no secret; the others name files.
            let known = ["key_file", "key_out", "verifier_key", "idempotency_key"].contains(&name);
            let public = matches!(command.get_name(), "receipt" | "log" | "verify" | "export") && name == "key";
            let id = command.get_name() == "revoke" && name == "key";
            assert!(!name.contains("key") || known || public || id, "`{}` takes `{name}`", command.get_name());
        }
        command.get_subcommands().for_each(walk);
    }
    let mut top = command();
    top.build();
    walk(&top);
}

#[test]
fn completions_are_written_for_every_shell() {
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef chancery"), ("fish", "complete -c chancery")] {
        let ran = run(Path::new("/"), &["completions", shell]).succeeds();
        assert!(ran.stdout.contains(sign), "{shell}");
    }
}
