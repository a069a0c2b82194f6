//! `chancery definition`

mod diff;

use super::PageArgs;
use crate::definition_source::{self, Source};
use crate::error::{CliError, Found};
use crate::exit::Exit;
use crate::input;
use crate::output::{Cell, fault_line, fields, put};
use crate::session::Session;
use crate::show;
use chancery_api::Fault;
use chancery_api::definition::{Checked, Registered};
use chancery_base::Name;
use chancery_engine::definition::{Definition, DefinitionKind, Problem, Rule, SCHEMA};
use chancery_sdk::Client;
use chancery_sdk::client::Language;
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Check, push, draw and list definitions: what a transaction of a name and version does.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery definition check create-order.yaml
  chancery definition lint create-order.yaml
  chancery definition push create-order.yaml
  chancery definition diff create-order@1 create-order.yaml
  chancery definition graph create-order.yaml --format svg > create-order.svg
  chancery definition list")]
pub(crate) enum Command {
    Check(FileArgs),
    Lint(LintArgs),
    Push(PushArgs),
    Diff(diff::Args),
    Graph(GraphArgs),
    Schema(SchemaArgs),
    List(ListArgs),
    Get(GetArgs),
}

/// Check a definition without a server: every fault with its path, line and column; exits 1 if there is one.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery definition check create-order.yaml
  chancery definition check - -o json < create-order.json")]
pub(crate) struct FileArgs {
    /// The document, YAML or JSON; - for the standard input.
    file: PathBuf,
}

/// Say what in definitions is allowed and probably not meant, without a server; exits 1 if there is something.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery definition lint create-order.yaml
  chancery definition lint definitions/a.yaml definitions/b.yaml -o json")]
pub(crate) struct LintArgs {
    /// The documents, YAML or JSON; - for the standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Write the JSON Schema of definitions, with which editors complete and check them.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery definition schema > definition.schema.json")]
pub(crate) struct SchemaArgs {}

/// Register a definition with the server. The same content again changes nothing; other content needs a new version.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery definition push create-order.yaml
  chancery definition push create-order.yaml -o json")]
pub(crate) struct PushArgs {
    /// The document, YAML or JSON; - for the standard input.
    file: PathBuf,
}

/// Draw a definition's steps without a server: layers as ranks, compensations dashed.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery definition graph create-order.yaml --format svg > create-order.svg
  chancery definition graph create-order.yaml --format mermaid
  chancery definition graph create-order.yaml | dot -Tpdf > create-order.pdf")]
pub(crate) struct GraphArgs {
    /// The document, YAML or JSON; - for the standard input.
    file: PathBuf,
    /// The language of the drawing.
    #[arg(long, value_enum, default_value_t = GraphFormat::Dot)]
    format: GraphFormat,
}

/// List the registered definitions.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery definition list
  chancery definition list --limit 10 -o json")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    page: PageArgs,
}

/// Show a registered definition: this version, or the newest.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery definition get create-order -o yaml
  chancery definition get create-order --version-number 2 -o json")]
pub(crate) struct GetArgs {
    /// Its name.
    name: Name,
    /// Its version; the newest without it.
    #[arg(long, value_name = "N")]
    version_number: Option<u32>,
}

/// The language of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
    /// A picture.
    Svg,
}

/// What `check -o json` writes of a document with faults.
#[derive(Debug, Serialize)]
struct Faults<'a> {
    errors: &'a [Found],
}

/// What `lint -o json` writes.
#[derive(Debug, Serialize)]
struct Linted {
    /// Of documents that are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Found>,
    warnings: Vec<Found>,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    match command {
        Command::Check(args) => check(&args, session),
        Command::Push(args) => {
            let registered = push(&args.file, &session.client()?).await?;
            warn(session, "definition", &registered.warnings);
            session.out.show(&registered, registered_line)?;
            Ok(Exit::Ok)
        }
        Command::Graph(args) => {
            let (definition, _) = parse(&args.file, &definition_source::read(&args.file)?)?;
            if definition.kind == DefinitionKind::Open {
                let why =
                    format!("`{}` is open: its driver adds the steps, so there are none to draw", definition.name);
                return Err(CliError::Usage(why));
            }
            session.out.line(&match args.format {
                GraphFormat::Dot => definition.graph_dot(),
                GraphFormat::Mermaid => definition.graph_mermaid(),
                GraphFormat::Svg => definition.graph_svg(),
            })?;
            Ok(Exit::Ok)
        }
        Command::Lint(args) => lint(&args, session),
        Command::Diff(args) => diff::run(&args, session).await,
        Command::Schema(SchemaArgs {}) => {
            session.out.line(SCHEMA)?;
            Ok(Exit::Ok)
        }
        Command::List(args) => list(args, session).await,
        Command::Get(args) => get(args, session).await,
    }
}

/// Checks a document here, then registers it there.
pub(crate) async fn push(file: &Path, client: &Client) -> Result<Registered, CliError> {
    let source = definition_source::read(file)?;
    parse(file, &source)?;
    let text = String::from_utf8_lossy(&source.bytes);
    let language = if text.trim_start().starts_with('{') { Language::Json } else { Language::Yaml };
    Ok(client.definition_register(language, &text).await?)
}

fn check(args: &FileArgs, session: &Session) -> Result<Exit, CliError> {
    let (definition, warnings) = match parse(&args.file, &definition_source::read(&args.file)?) {
        Ok(checked) => checked,
        Err(error) => return report_faults(session, error),
    };
    let checked = Checked {
        name: definition.name.clone(),
        version: definition.version,
        digest: definition.digest,
        warnings: warnings.into_iter().map(|found| found.fault).collect(),
    };
    session.out.show(&checked, |checked| {
        let mut text = String::new();
        for warning in &checked.warnings {
            put(&mut text, format_args!("{}\n", fault_line(&input::name(&args.file), warning)));
        }
        let steps = definition.steps.len();
        put(
            &mut text,
            format_args!("{} {} is sound: {steps} steps, {}", checked.name, checked.version, checked.digest),
        );
        text
    })?;
    Ok(Exit::Ok)
}

fn lint(args: &LintArgs, session: &Session) -> Result<Exit, CliError> {
    let (mut warnings, mut errors, mut faulty) = (Vec::new(), Vec::new(), Vec::new());
    for file in &args.files {
        match parse(file, &definition_source::read(file)?) {
            Ok((_, found)) => warnings.extend(found),
            // The others are looked at all the same.
            Err(CliError::Faulty { document, faults }) => {
                faulty.push(document);
                errors.extend(faults);
            }
            Err(error) => return Err(error),
        }
    }
    if errors.is_empty() {
        return report_warnings(session, warnings);
    }
    if session.out.is_table() {
        warnings.iter().for_each(|found| session.out.say(&fault_line(&found.file, &found.fault)));
        return Err(CliError::Faulty { document: faulty.join(", "), faults: errors });
    }
    session.out.show(&Linted { errors, warnings }, |_| String::new())?;
    Ok(Exit::Failed)
}

/// What a linter found; exits 1 if that is anything.
pub(crate) fn report_warnings(session: &Session, warnings: Vec<Found>) -> Result<Exit, CliError> {
    let exit = if warnings.is_empty() { Exit::Ok } else { Exit::Failed };
    session.out.show(&Linted { errors: Vec::new(), warnings }, |linted| match linted.warnings.as_slice() {
        [] => "nothing to say".to_owned(),
        warnings => {
            let lines = warnings.iter().map(|found| fault_line(&found.file, &found.fault));
            lines.collect::<Vec<_>>().join("\n")
        }
    })?;
    Ok(exit)
}

/// In JSON and YAML the faults are the data that were asked for.
pub(crate) fn report_faults(session: &Session, error: CliError) -> Result<Exit, CliError> {
    if let CliError::Faulty { faults, .. } = &error
        && !session.out.is_table()
    {
        session.out.show(&Faults { errors: faults }, |_| String::new())?;
        return Ok(error.exit());
    }
    Err(error)
}

/// A definition, and what the linter says of it.
pub(super) fn parse(file: &Path, source: &Source) -> Result<(Definition, Vec<Found>), CliError> {
    let document = input::name(file);
    let found = |problem: Problem, rule: Option<Rule>| Found {
        file: document.clone(),
        fault: Fault {
            path: problem.path,
            line: Some(problem.line).filter(|_| !source.is_bundled),
            column: Some(problem.column).filter(|_| !source.is_bundled),
            message: problem.message,
            rule: rule.map(|rule| rule.id().to_owned()),
        },
    };
    match Definition::lint(&source.bytes) {
        Ok((definition, warnings)) => {
            let warnings = warnings.into_iter().map(|warning| found(warning.problem, Some(warning.rule))).collect();
            Ok((definition, warnings))
        }
        Err(error) => {
            let faults = error.problems.into_iter().map(|problem| found(problem, None)).collect();
            Err(CliError::Faulty { faults, document: document.clone() })
        }
    }
}

/// Tells what of a document that was taken is probably not meant; in JSON it is part of the data.
pub(crate) fn warn(session: &Session, document: &str, warnings: &[Fault]) {
    if session.out.is_table() {
        warnings.iter().for_each(|fault| session.out.say(&fault_line(document, fault)));
    }
}

/// What was registered or pushed, in one line.
pub(crate) fn registered_line(body: &Registered) -> String {
    let was = if body.existing { "was there already" } else { "is registered" };
    format!("{} {} {was}: {}", body.name, body.version, body.digest)
}

async fn list(args: ListArgs, session: &Session) -> Result<Exit, CliError> {
    let pages = session.client()?.definitions();
    args.page
        .show(session, pages, |items| {
            let mut grid = session.out.grid(&["NAME", "VERSION", "REGISTERED", "DIGEST"]);
            for item in items {
                grid.row([
                    Cell::from(item.name.as_str()),
                    Cell::from(item.version.to_string()),
                    Cell::from(show::time(item.registered_at)),
                    Cell::from(item.digest.to_string()),
                ]);
            }
            grid.text_or("no definitions")
        })
        .await
}

async fn get(args: GetArgs, session: &Session) -> Result<Exit, CliError> {
    let body = session.client()?.definition_get(&args.name, args.version_number).await?;
    session.out.show(&body, |body| {
        let head = fields([
            ("definition", Some(format!("{} {}", body.name, body.version))),
            ("digest", Some(body.digest.to_string())),
            ("registered", Some(show::time(body.registered_at))),
        ]);
        let source = serde_saphyr::to_string(&body.source).unwrap_or_else(|_error| body.source.to_string());
        format!("{head}\n{source}")
    })?;
    Ok(Exit::Ok)
}
