//! `chancery bundle import`

use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::output::{plain, put};
use crate::session::Session;
use chancery_base::json;
use chancery_base::limits::BUNDLE_BYTES_MAX;
use chancery_policy::import::lexecon::{self, Import};
use chancery_policy::{Bundle, cases};
use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};

/// Make a bundle of a policy that was written for something else.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery bundle import lexecon gdpr.json --out gdpr/")]
pub(crate) enum Command {
    Lexecon(Args),
}

/// Make a bundle of Lexecon's policy JSON, and say line by line what is not as it was.
///
/// Actors become roles, actions actions, data classes and conditions attributes of the context; each relation becomes a
/// policy with a test. Where a request says nothing of a condition, permits do not apply and forbids do.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle import lexecon gdpr.json --out gdpr/
  chancery bundle import lexecon gdpr.json --out gdpr-bundle.json -o json")]
pub(crate) struct Args {
    /// The policy; - for the standard input.
    file: PathBuf,
    /// A new directory, or a file whose name ends with `.json`.
    #[arg(long, value_name = "DIR|FILE")]
    out: PathBuf,
}

/// What `import -o json` writes.
#[derive(Debug, Serialize)]
struct Imported {
    name: String,
    policies: usize,
    tests: usize,
    out: PathBuf,
    changes: Vec<Changed>,
}

#[derive(Debug, Serialize)]
struct Changed {
    at: String,
    change: &'static str,
    text: String,
}

pub(super) fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let Command::Lexecon(args) = command;
    let bytes = input::read(&args.file, BUNDLE_BYTES_MAX)?;
    let policy = json::parse(&bytes, BUNDLE_BYTES_MAX);
    let policy = policy.map_err(|error| CliError::faulty(&args.file, error.to_string()))?;
    let imported = lexecon::import(&policy).map_err(|error| CliError::faulty(&args.file, error.to_string()))?;
    let bundle = Bundle::parse(&json::canonical(&imported.document(1)));
    let bundle = bundle.map_err(|error| CliError::faulty(&args.file, error.to_string()))?;
    if let Some((name, why)) = cases::run(&bundle).into_iter().find_map(|result| Some((result.name, result.failure?))) {
        return Err(CliError::faulty(&args.file, format!("the bundle does not do as it says: `{name}`: {why}")));
    }
    write(&args.out, &imported)?;
    let changes = imported.notes.iter().map(|note| Changed {
        at: note.at.clone(),
        change: note.change.word(),
        text: note.text.clone(),
    });
    let body = Imported {
        name: imported.name.to_string(),
        policies: bundle.policies().count(),
        tests: imported.tests.len(),
        out: args.out,
        changes: changes.collect(),
    };
    session.out.show(&body, table)?;
    Ok(Exit::Ok)
}

fn table(body: &Imported) -> String {
    let mut text = String::new();
    for Changed { at, change, text: what } in &body.changes {
        put(&mut text, format_args!("{}: {change}: {}\n", plain(at), plain(what)));
    }
    let Imported { name, policies, tests, out, .. } = body;
    put(&mut text, format_args!("{name}: {policies} policies, {tests} tests passed, in {}", out.display()));
    text
}

/// Nothing that is there is overwritten.
fn write(out: &Path, imported: &Import) -> Result<(), CliError> {
    if out.extension().is_some_and(|extension| extension == "json") {
        return write_file(out, &pretty(&imported.document(1)));
    }
    let tests = out.join("tests");
    for dir in [out, tests.as_path()] {
        std::fs::create_dir(dir).map_err(|source| CliError::Write { path: dir.to_owned(), source })?;
    }
    let mut description =
        value!({ "name": imported.name.as_str(), "schema": "schema.cedarschema", "policies": ["policies.cedar"] });
    if let Some(map) = description.as_object_mut() {
        map.extend(imported.said());
        if !imported.entities.is_empty() {
            map.insert("entities".to_owned(), Value::from("entities.json"));
            write_file(&out.join("entities.json"), &pretty(&Value::Array(imported.entities.clone())))?;
        }
    }
    write_file(&out.join("schema.cedarschema"), &imported.schema)?;
    write_file(&out.join("policies.cedar"), &imported.policies)?;
    write_file(&tests.join("relations.json"), &pretty(&Value::Array(imported.tests.clone())))?;
    // JSON is YAML; last, so that what is cut short is no bundle.
    write_file(&out.join("bundle.yaml"), &pretty(&description))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn write_file(path: &Path, text: &str) -> Result<(), CliError> {
    let file = std::fs::File::create_new(path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|source| CliError::Write { path: path.to_owned(), source })
}
