//! `chancery bundle lint`

use super::named;
use crate::commands::definition::report_warnings;
use crate::definition_source;
use crate::error::{CliError, Found};
use crate::exit::Exit;
use crate::input;
use crate::session::Session;
use chancery_api::Fault;
use chancery_engine::definition::Definition;
use chancery_policy::lint::{self, Step};
use std::path::{Path, PathBuf};

/// Say what in a bundle is allowed and probably not meant; exits 1 if there is something.
///
/// Policies that never apply, that a forbid takes back, or that another one makes superfluous; actions that nothing
/// permits; and, where definitions are given, steps whose action is unknown or permitted to nobody.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle lint policies/
  chancery bundle lint policies/ --definitions definitions/ -o json")]
pub(crate) struct Args {
    /// A digest, a directory with a `bundle.yaml`, or one JSON or YAML document.
    #[arg(value_name = "BUNDLE")]
    bundle: String,
    /// A folder of definitions whose steps it is to decide about.
    #[arg(long, value_name = "DIR")]
    definitions: Option<PathBuf>,
}

pub(super) async fn run(args: &Args, session: &Session) -> Result<Exit, CliError> {
    let bundle = named::read(&args.bundle, session).await?;
    let steps = args.definitions.as_deref().map_or_else(|| Ok(Vec::new()), steps)?;
    let found = |warning: lint::Warning| {
        let (line, column) = warning.place.unzip();
        let path = warning.policy.map(|policy| format!("policy `{policy}`")).unwrap_or_default();
        let rule = Some(warning.rule.id().to_owned());
        Found { file: warning.file, fault: Fault { path, line, column, message: warning.message, rule } }
    };
    let warnings = lint::lint(&bundle, &steps);
    let warnings = warnings.map_err(|error| CliError::faulty(Path::new(&args.bundle), error.to_string()))?;
    report_warnings(session, warnings.into_iter().map(found).collect())
}

/// The steps of every definition in a folder.
fn steps(dir: &Path) -> Result<Vec<Step>, CliError> {
    let files = input::documents_in(dir).map_err(|source| CliError::Read { path: dir.to_owned(), source })?;
    let mut steps = Vec::new();
    for path in files {
        let read = Definition::lint(&definition_source::read(&path)?.bytes);
        let (definition, _) = read.map_err(|error| CliError::faulty(&path, error.to_string()))?;
        steps.extend(definition.steps.iter().map(|step| Step {
            definition: definition.name.to_string(),
            step: step.id.to_string(),
            action: step.action.to_string(),
            resource_type: step.resource.is_none().then(|| "Step".to_owned()),
            has_undo: step.compensate.is_some(),
            irreversible: step.irreversible,
        }));
    }
    Ok(steps)
}
