//! `chancery bundle test`

use crate::bundle_source;
use crate::commands::definition::report_faults;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{plain, put};
use crate::session::Session;
use chancery_policy::cases::{self, CaseResult};
use serde::Serialize;
use std::path::PathBuf;

/// Put a bundle's own tests to it without a server; exits 1 if one fails.
///
/// A test has `name`, `principal` (`kind` or `id`, and where wanted `name`, `roles`, `attributes`), `action`,
/// `resource` (`type`, `id`, `attributes`, `parents`), `context`, and what is expected: `expect` (permit or deny), and
/// where wanted `policies` (the ids of those that determine it) and `reason` (part of what the decision says).
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle test chancery-starter
  chancery bundle test bundle.json -o json")]
pub(crate) struct Args {
    /// A directory with a `bundle.yaml`, or one JSON or YAML document.
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
}

/// What `test -o json` writes.
#[derive(Debug, Serialize)]
struct Tested {
    passed: usize,
    failed: usize,
    tests: Vec<Test>,
}

#[derive(Debug, Serialize)]
struct Test {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Exit, CliError> {
    let (bundle, _) = match bundle_source::read(&args.path).and_then(|source| source.check(1)) {
        Ok(bundle) => bundle,
        Err(error) => return report_faults(session, error),
    };
    let tests: Vec<Test> =
        cases::run(&bundle).into_iter().map(|CaseResult { name, failure }| Test { name, failure }).collect();
    let failed = tests.iter().filter(|test| test.failure.is_some()).count();
    session.out.show(&Tested { passed: tests.len() - failed, failed, tests }, table)?;
    Ok(if failed == 0 { Exit::Ok } else { Exit::Failed })
}

fn table(tested: &Tested) -> String {
    let mut text = String::new();
    for test in &tested.tests {
        match &test.failure {
            None => put(&mut text, format_args!("ok    {}\n", plain(&test.name))),
            Some(why) => put(&mut text, format_args!("FAIL  {}\n      {}\n", plain(&test.name), plain(why))),
        }
    }
    let count = tested.tests.len();
    put(&mut text, format_args!("{} of {count} {} passed", tested.passed, if count == 1 { "test" } else { "tests" }));
    text
}
