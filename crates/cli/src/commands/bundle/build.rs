//! `chancery bundle build`

use crate::bundle_source::{self, Source};
use crate::commands::definition::report_faults;
use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;
use chancery_base::{Digest, Name};
use serde::Serialize;
use std::path::PathBuf;

/// Write a bundle as one file, canonical JSON, and say its digest: what is signed and pushed.
///
/// The bundle is checked and tested first, without a server; nothing is written if it has faults or a test fails.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle build policies/ --out shop-4.json
  chancery bundle build chancery-starter --version-number 1 --out starter-1.json")]
pub(crate) struct Args {
    /// A directory with a `bundle.yaml`, or one JSON or YAML document.
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// The file to write, in place of what is there.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Its version, where it says none itself.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version_number: Option<u32>,
}

/// What `build -o json` writes.
#[derive(Debug, Serialize)]
struct Built {
    name: Name,
    version: u64,
    digest: Digest,
    file: PathBuf,
    tests: usize,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Exit, CliError> {
    let source = match bundle_source::read(&args.path) {
        Ok(source) => source,
        Err(error) => return report_faults(session, error),
    };
    let version = version(&source, args.version_number)?;
    // Warnings are what `check` and `lint` tell.
    let (bundle, _) = match source.check_tested(version) {
        Ok(checked) => checked,
        Err(error) => return report_faults(session, error),
    };
    std::fs::write(&args.out, bundle.canonical())
        .map_err(|source| CliError::Write { path: args.out.clone(), source })?;
    let built = Built {
        name: bundle.name().clone(),
        version: bundle.version(),
        digest: bundle.digest(),
        file: args.out.clone(),
        tests: bundle.cases().len(),
    };
    session.out.show(&built, |built| {
        let Built { name, version, digest, file, tests } = built;
        format!("{name} {version}, {tests} tests passed: {digest} in {}", file.display())
    })?;
    Ok(Exit::Ok)
}

/// The version that a bundle gets, where it says none itself; where it does, that is the one that counts.
pub(super) fn version(source: &Source, named: Option<u32>) -> Result<u32, CliError> {
    match (source.is_unversioned(), named) {
        (true, None) => Err(CliError::Usage("the bundle says no version: name one with --version-number".to_owned())),
        (false, Some(_)) => {
            Err(CliError::Usage("the bundle says its version itself: leave out --version-number".to_owned()))
        }
        (true, Some(version)) => Ok(version),
        (false, None) => Ok(1),
    }
}
