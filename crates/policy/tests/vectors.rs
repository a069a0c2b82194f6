//! The Cedar project's own cases, put to our index. The folder with `cedar-corpus.tar.gz` is `CHANCERY_VECTORS`, by
//! default `../shared/vectors` beside the workspace; where it is missing the cases are reported as ignored, in CI as
//! failed.
//!
//! The cases go in below the guards of bundles and below the layer where errors deny.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test; it has a main of its own, which clippy does not take for one"
)]

use cedar_policy::{Context, Entities, EntityUid, PolicySet, Request, Schema, ValidationMode, Validator};
use chancery_base::json;
use chancery_policy::import::lexecon;
use chancery_policy::index::Index;
use chancery_policy::{Bundle, cases};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

const CASES: usize = 601;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("CHANCERY_VECTORS").map_or(default, PathBuf::from);
    let archive = folder.join("cedar-corpus.tar.gz");
    let lexecon = folder.join("lexecon-policies");
    if !archive.is_file() || !lexecon.is_dir() {
        let missing = format!("vectors not found: {} and {}", archive.display(), lexecon.display());
        eprintln!("{missing}");
        let is_ci = std::env::var_os("CI").is_some();
        let trial = Trial::test("cedar-corpus", move || Err(Failed::from(missing))).with_ignored_flag(!is_ci);
        return libtest_mimic::run(&arguments, vec![trial]).exit_code();
    }
    let unpacked = tempfile::tempdir().unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(unpacked.path()).status().unwrap();
    assert!(tar.success(), "tar cannot unpack {}", archive.display());
    let root: Arc<Path> = Arc::from(unpacked.path());
    let trial = Trial::test("cedar-corpus", move || on_a_large_stack(move || check_all(&root)));
    let import = Trial::test("lexecon-policies", move || import_all(&lexecon));
    libtest_mimic::run(&arguments, vec![trial, import]).exit_code()
}

/// Lexecon's own policies become bundles that Cedar takes and that pass the tests made of them.
fn import_all(folder: &Path) -> Result<(), Failed> {
    let mut imported = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let policy: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        let import = lexecon::import(&policy)?;
        let bundle = Bundle::parse(&json::canonical(&import.document(1)))?;
        let relations = policy.get("relations").and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(bundle.policies().count(), relations, "{}", path.display());
        assert!(bundle.cases().len() > relations, "{}", path.display());
        let failed: Vec<_> = cases::run(&bundle).into_iter().filter(|case| case.failure.is_some()).collect();
        assert!(failed.is_empty(), "{}: {failed:?}", path.display());
        assert!(!import.notes.is_empty(), "{}", path.display());
        imported.push(import.name.to_string());
    }
    imported.sort();
    assert_eq!(imported, ["enterprise-general-ai-governance-policy", "gdpr-compliance-policy"]);
    Ok(())
}

/// The cases nest more deeply than bundles may.
fn on_a_large_stack(test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Result<(), Failed> {
    std::thread::Builder::new().stack_size(256 << 20).spawn(test).unwrap().join().unwrap()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    policies: PathBuf,
    entities: PathBuf,
    schema: PathBuf,
    should_validate: bool,
    requests: Vec<Question>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Question {
    description: String,
    principal: Value,
    action: Value,
    resource: Value,
    context: Value,
    validate_request: bool,
    decision: String,
    reason: BTreeSet<String>,
    errors: BTreeSet<String>,
}

fn check_all(root: &Path) -> Result<(), Failed> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root.join("corpus-tests"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    cases.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".json") && !name.ends_with(".entities.json")
    });
    cases.sort();
    let (mut failures, mut sliced, mut refused, mut with_errors) = (Vec::new(), 0, 0, 0);
    for path in &cases {
        let case: Case = serde_json::from_slice(&std::fs::read(path)?)?;
        let result = check(root, &case, &mut sliced, &mut with_errors);
        failures.extend(result.err().map(|failure| format!("{}: {failure}", path.display())));
        refused += usize::from(!case.should_validate);
    }
    assert_eq!((cases.len(), refused), (CASES, 144), "the corpus is another one");
    assert!(sliced > 4_000, "only {sliced} requests went through a slice");
    assert!(with_errors > 0, "no request of the corpus erred");
    println!("{} cases, {sliced} requests through a slice, {with_errors} with errors", cases.len());
    if failures.is_empty() { Ok(()) } else { Err(Failed::from(failures.join("\n"))) }
}

fn check(root: &Path, case: &Case, sliced: &mut usize, with_errors: &mut usize) -> Result<(), String> {
    let text = |path: &Path| std::fs::read_to_string(root.join(path)).map_err(|err| err.to_string());
    let say = |err: &dyn std::error::Error| err.to_string();
    let (schema, _) = Schema::from_cedarschema_str(&text(&case.schema)?).map_err(|err| say(&err))?;
    let policies: PolicySet = text(&case.policies)?.parse().map_err(|err| say(&err))?;
    let result = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
    if chancery_policy::bundle::faults(&result).next().is_none() != case.should_validate {
        return Err(format!("validation: expected {}, got {result:?}", case.should_validate));
    }
    let entities = Entities::from_json_str(&text(&case.entities)?, Some(&schema)).map_err(|err| say(&err))?;
    let index = Index::new(policies, &schema).map_err(|err| say(&err))?;
    for question in &case.requests {
        let uid = |json: &Value| EntityUid::from_json(json.clone()).map_err(|err| say(&err));
        let (principal, action, resource) =
            (uid(&question.principal)?, uid(&question.action)?, uid(&question.resource)?);
        *sliced += usize::from(index.has_environment(&action, principal.type_name(), resource.type_name()));
        let context = Context::from_json_value(question.context.clone(), Some((&schema, &action)));
        let context = context.map_err(|err| say(&err))?;
        let validated = question.validate_request.then_some(&schema);
        let request = Request::new(principal, action, resource, context, validated).map_err(|err| say(&err))?;
        let answer = index.evaluate(&request, &entities);
        let decision = if answer.is_allowed() { "allow" } else { "deny" };
        let reasons: BTreeSet<String> = answer.reasons().iter().map(ToString::to_string).collect();
        let errors: BTreeSet<String> = answer.errors().keys().map(ToString::to_string).collect();
        *with_errors += usize::from(!errors.is_empty());
        if (decision, &reasons, &errors) != (question.decision.as_str(), &question.reason, &question.errors) {
            return Err(format!("{}: got {decision}, {reasons:?}, {errors:?}", question.description));
        }
        if answer != index.evaluate_all(&request, &entities) {
            return Err(format!("{}: the slice differs from the full set", question.description));
        }
    }
    Ok(())
}
