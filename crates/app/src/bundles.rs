//! Bundles of the tenant's policy: checking, pushing, activating, looking at them.

mod impact;
mod lacks;
mod read;
pub mod replay;
mod signed;

pub use impact::{Impact, WouldDeny};
pub(crate) use read::ReadBundles;

use crate::Error;
use crate::app::App;
use crate::decisions::Question;
use crate::definitions::{Checked, Registered};
use crate::error::Fault;
use crate::page::{Page, Paged};
use crate::transactions::damaged;
use chancery_base::limits::LINT_POLICIES_MAX;
use chancery_base::{Digest, Name, PrincipalId, Timestamp, json, limits};
use chancery_ledger::Record;
use chancery_policy::lint::{self, Warning};
use chancery_policy::{Bundle, Decision, Grant, Problem, cases};
use chancery_shard::entry::kind;
use chancery_shard::input::{Change, Refusal};
use chancery_shard::risk::{self, RiskFinding};
use chancery_shard::row::BundleRow;
use chancery_shard::trust::{self, Subject, Trust};
use serde_json::Value;
use std::sync::Arc;

/// Entries that are looked at together for the activation before.
const LOOK_BACK: u64 = 1_000;

/// A pushed bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct BundleView {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// SHA-256 of its canonical JSON.
    pub digest: Digest,
    /// When it was pushed.
    pub pushed_at: Timestamp,
    /// Who pushed it.
    pub pushed_by: PrincipalId,
    /// Who signed it.
    pub signatures: Vec<SignatureView>,
    /// Whether it is the active one.
    pub active: bool,
    /// Whether it is asked beside that, and not obeyed.
    pub shadow: bool,
    /// The document.
    pub source: Value,
}

/// A signature of a bundle, which was right when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureView {
    /// The name of the signer's key.
    pub signer: String,
    /// Whether the signer's signatures count now.
    pub trusted: bool,
    /// The signature, as a line of a signed note.
    pub line: String,
}

/// Checks a bundle without pushing it.
///
/// # Errors
/// [`Error::Faulty`] with everything that is wrong with it.
pub fn check(source: &[u8]) -> Result<Checked, Error> {
    let (bundle, warnings) = tested(source)?;
    Ok(checked(&bundle, warnings))
}

/// Pushes a bundle, and the signatures that stand beside it; the same content again is no change, but for signatures
/// that were not there. It decides nothing until it is activated.
///
/// # Errors
/// As [`check`]; `Conflict` if the version exists with other content; [`Error::Invalid`] if the signature of one whose
/// signatures count is wrong.
pub async fn push(app: &App, grant: &Grant, source: &[u8]) -> Result<Registered, Error> {
    let (source, note) = signed::apart(source)?;
    let (bundle, warnings) = tested(&source)?;
    let mut checked = checked(&bundle, warnings);
    let tenant = app.tenant(grant)?;
    let taken = note.map(|note| signed::taken(&tenant, &note, &bundle)).transpose()?.unwrap_or_default();
    checked.warnings.extend(taken.left_out.iter().map(signed::left_out));
    // One at a time, so that of signatures that come together none is lost.
    let _turn = tenant.signing.lock().await;
    if let Some(row) = app.store().bundle(grant, checked.digest).await? {
        let united = trust::united(&row.signatures, &taken.lines);
        if united == row.signatures {
            return Ok(Registered { checked, existing: true, seq: None });
        }
        let change = Change::BundleSign { bundle: checked.digest, signatures: signed::bounded(united)? };
        let seq = tenant.change(grant, change).await?;
        return Ok(Registered { checked, existing: true, seq });
    }
    let Ok(version) = u32::try_from(checked.version) else {
        return Err(Error::Invalid(format!("version {}: a version has 32 bits", checked.version)));
    };
    let before = (checked.name.clone(), version.saturating_sub(1));
    let (next, _) = app.store().bundles(grant, Some(before), 1).await?;
    if next.iter().any(|row| row.name == checked.name && row.version == version) {
        let name = &checked.name;
        return Err(Error::Conflict(format!("version {version} of bundle `{name}` exists with other content")));
    }
    let signatures = Arc::from(taken.lines);
    let seq = tenant.change(grant, Change::BundlePush { bundle: Arc::new(bundle), signatures }).await?;
    Ok(Registered { checked, existing: seq.is_none(), seq })
}

/// A bundle that was put into force.
#[derive(Debug, Clone, PartialEq)]
pub struct Activated {
    /// The bundle.
    pub digest: Digest,
    /// The entry; none where it was active already.
    pub entry: Option<u64>,
    /// What it denies of what ran.
    pub impact: Impact,
    /// What its obligations name that the tenant does not have.
    pub warnings: Vec<Fault>,
}

/// Puts a pushed bundle in the shadow, or none: from when this returns it is asked beside the one that counts, and what it
/// says is recorded. Gives the entry; none where nothing changed.
///
/// # Errors
/// As [`activate`].
pub async fn shadow(app: &App, grant: &Grant, digest: Option<Digest>) -> Result<Option<u64>, Error> {
    let bundle = match digest {
        Some(digest) => {
            let row = app.store().bundle(grant, digest).await?.ok_or_else(|| missing(digest))?;
            Some(Arc::new(parse(&row.source)?.0))
        }
        None => None,
    };
    app.tenant(grant)?.change(grant, Change::BundleShadow(bundle)).await
}

/// Makes a pushed bundle the active one: in force when this returns. What it would deny of running transactions is to
/// be accepted: at least so many of them.
///
/// # Errors
/// If there is no such bundle, it no longer loads, the tenant's rules for bundles keep the caller from it, or
/// [`Error::WouldDeny`].
pub async fn activate(app: &App, grant: &Grant, digest: Digest, accept: u64) -> Result<Activated, Error> {
    let row = app.store().bundle(grant, digest).await?.ok_or_else(|| missing(digest))?;
    let (bundle, _) = parse(&row.source)?;
    let tenant = app.tenant(grant)?;
    let control = tenant.control()?;
    let is_active = control.bundle.as_ref().is_some_and(|active| active.digest() == digest);
    let standing = (row.pushed_by, &*row.signatures);
    // What the rules keep from it, the shard denies, whatever it would do to what runs.
    let is_kept_back = control.trust.check(grant.principal(), Subject::from(&bundle), standing).is_err();
    let impact = if is_active || is_kept_back { Impact::default() } else { impact::of(app, grant, &bundle).await? };
    if impact.transactions > accept {
        return Err(Error::WouldDeny(Box::new(impact)));
    }
    let warnings = lacks::of(&bundle, &control);
    let change = Change::BundleActivate {
        bundle: Arc::new(bundle),
        pushed_by: row.pushed_by,
        signatures: row.signatures,
        denies: impact.transactions,
    };
    let entry = tenant.change(grant, change).await.inspect_err(|error| {
        if matches!(error, Error::Refused(Refusal::NotActivated(_))) {
            metrics::counter!("chancery_denials_total", "reason" => "rule").increment(1);
        }
    })?;
    Ok(Activated { digest, entry, impact, warnings })
}

/// Makes that bundle the active one which was so before: in force when this returns. The ledger says which it
/// was.
///
/// # Errors
/// `Conflict` if no other was ever active; else as [`activate`].
pub async fn rollback(app: &App, grant: &Grant, accept: u64) -> Result<Activated, Error> {
    let tenant = app.tenant(grant)?;
    let active = tenant.control()?.bundle.as_ref().map(|bundle| bundle.digest());
    let mut end = tenant.head().size;
    while end > 0 {
        let from = end.saturating_sub(LOOK_BACK);
        let count = usize::try_from(end - from).unwrap_or(usize::MAX);
        for row in app.store().entries(tenant.log, from, count, false).await?.iter().rev() {
            let record = Record::parse(&row.record).map_err(damaged("a record"))?;
            let digest = record.data.get_digest("bundle").filter(|_| record.kind == kind::BUNDLE_ACTIVATED);
            if let Some(digest) = digest.filter(|digest| Some(*digest) != active) {
                return activate(app, grant, digest, accept).await;
            }
        }
        end = from;
    }
    Err(Error::Conflict("no other bundle was active before".to_owned()))
}

/// A bundle.
///
/// # Errors
/// If there is none with this digest.
pub async fn get(app: &App, grant: &Grant, digest: Digest) -> Result<BundleView, Error> {
    let row = app.store().bundle(grant, digest).await?.ok_or_else(|| missing(digest))?;
    view(&row, pointers(app, grant)?, &app.tenant(grant)?.control()?.trust)
}

/// The active bundle and the one in the shadow.
fn pointers(app: &App, grant: &Grant) -> Result<[Option<Digest>; 2], Error> {
    let control = app.tenant(grant)?.control()?;
    Ok([&control.bundle, &control.shadow].map(|bundle| bundle.as_ref().map(|bundle| bundle.digest())))
}

/// What a pushed bundle would decide, active or not. Nothing is recorded.
///
/// # Errors
/// If there is no such bundle, or it no longer loads.
pub async fn simulate(app: &App, grant: &Grant, digest: Digest, question: Question) -> Result<Decision, Error> {
    let row = app.store().bundle(grant, digest).await?.ok_or_else(|| missing(digest))?;
    let bundle = app.read_bundles().of(&row)?;
    let control = app.tenant(grant)?.control()?;
    let request = crate::decisions::alone(app, grant, &bundle, question).await;
    Ok(chancery_shard::decide(&bundle, &control.directory, &request))
}

/// The same of a bundle that need not be pushed.
///
/// # Errors
/// [`Error::Faulty`] with everything that is wrong with it.
pub async fn simulate_source(app: &App, grant: &Grant, source: &Value, question: Question) -> Result<Decision, Error> {
    let (bundle, _) = parse(&json::canonical(source))?;
    let control = app.tenant(grant)?.control()?;
    let request = crate::decisions::alone(app, grant, &bundle, question).await;
    Ok(chancery_shard::decide(&bundle, &control.directory, &request))
}

/// A page of bundles, by name and version.
///
/// # Errors
/// If the store does not answer.
pub async fn list(app: &App, grant: &Grant, page: Page<(Name, u32)>) -> Result<Paged<BundleView, (Name, u32)>, Error> {
    let rows = page.rows();
    let [_, shadow] = pointers(app, grant)?;
    let (found, active) = app.store().bundles(grant, page.after, rows + 1).await?;
    let control = app.tenant(grant)?.control()?;
    let views = found.iter().map(|row| view(row, [active, shadow], &control.trust)).collect::<Result<Vec<_>, _>>()?;
    Ok(Paged::cut(views, rows, |view| (view.name.clone(), view.version)))
}

fn missing(digest: Digest) -> Error {
    Error::Missing(format!("bundle {digest}"))
}

fn view(row: &BundleRow, [active, shadow]: [Option<Digest>; 2], trust: &Trust) -> Result<BundleView, Error> {
    let source = json::parse_stored(&row.source, limits::BUNDLE_BYTES_MAX).map_err(damaged("a bundle"))?;
    Ok(BundleView {
        name: row.name.clone(),
        version: row.version,
        digest: row.digest,
        pushed_at: row.pushed_at,
        pushed_by: row.pushed_by,
        signatures: signed::views(row, trust)?,
        active: active == Some(row.digest),
        shadow: shadow == Some(row.digest),
        source,
    })
}

/// A bundle that passes its own tests, and what is allowed but probably not meant.
fn tested(source: &[u8]) -> Result<(Bundle, Vec<Fault>), Error> {
    let (bundle, mut warnings) = parse(source)?;
    if bundle.policies().count() <= LINT_POLICIES_MAX {
        warnings.extend(lint::lint(&bundle, &[])?.into_iter().map(linted));
    }
    let failed = cases::run(&bundle).into_iter().filter_map(|result| {
        let path = format!("tests, `{}`", result.name);
        Some(Fault { path, line: None, column: None, message: result.failure?, rule: None })
    });
    let faults: Vec<Fault> = failed.collect();
    if faults.is_empty() { Ok((bundle, warnings)) } else { Err(Error::Faulty { document: "bundle", faults }) }
}

/// The bundle, and what is allowed but probably not meant.
fn parse(source: &[u8]) -> Result<(Bundle, Vec<Fault>), Error> {
    let bundle = Bundle::parse(source).map_err(|error| {
        let mut faults: Vec<Fault> = error.problems().iter().map(fault).collect();
        if faults.is_empty() {
            faults.push(Fault {
                path: String::new(),
                line: None,
                column: None,
                message: error.to_string(),
                rule: None,
            });
        }
        Error::Faulty { document: "bundle", faults }
    })?;
    match risk::check(&bundle) {
        Ok(warnings) => Ok((bundle, warnings.iter().map(of_risk).collect())),
        Err(faults) => Err(Error::Faulty { document: "bundle", faults: faults.iter().map(of_risk).collect() }),
    }
}

fn of_risk(found: &RiskFinding) -> Fault {
    Fault { path: found.place(), line: None, column: None, message: found.finding.to_string(), rule: None }
}

fn fault(problem: &Problem) -> Fault {
    let path = match &problem.policy {
        Some(policy) => format!("{}, policy `{policy}`", problem.file),
        None => problem.file.clone(),
    };
    let message = match &problem.help {
        Some(help) => format!("{} ({help})", problem.message),
        None => problem.message.clone(),
    };
    let (line, column) = problem.place.unzip();
    Fault { path, line, column, message, rule: None }
}

fn linted(warning: Warning) -> Fault {
    let path = match &warning.policy {
        Some(policy) => format!("{}, policy `{policy}`", warning.file),
        None => warning.file,
    };
    let (line, column) = warning.place.unzip();
    Fault { path, line, column, message: warning.message, rule: Some(warning.rule.id()) }
}

fn checked(bundle: &Bundle, warnings: Vec<Fault>) -> Checked {
    Checked { name: bundle.name().clone(), version: bundle.version(), digest: bundle.digest(), warnings }
}
