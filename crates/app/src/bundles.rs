//! Bundles of the tenant's policy: checking, pushing, activating, looking at them.

use crate::Error;
use crate::app::App;
use crate::decisions::Question;
use crate::definitions::{Checked, Registered};
use crate::error::Fault;
use crate::page::{Page, Paged};
use crate::transactions::damaged;
use chancery_base::{Digest, Name, Timestamp, json, limits};
use chancery_ledger::Record;
use chancery_policy::{Bundle, Decision, Grant, Problem, cases};
use chancery_shard::entry::kind;
use chancery_shard::input::Change;
use chancery_shard::risk::{self, RiskFinding};
use chancery_shard::row::BundleRow;
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
    /// Whether it is the active one.
    pub active: bool,
    /// Whether it is asked beside that, and not obeyed.
    pub shadow: bool,
    /// The document.
    pub source: Value,
}

/// Checks a bundle without pushing it.
///
/// # Errors
/// [`Error::Faulty`] with everything that is wrong with it.
pub fn check(source: &[u8]) -> Result<Checked, Error> {
    let (bundle, warnings) = tested(source)?;
    Ok(checked(&bundle, warnings))
}

/// Pushes a bundle; the same content again is no change. It decides nothing until it is activated.
///
/// # Errors
/// As [`check`]; `Conflict` if the version exists with other content.
pub async fn push(app: &App, grant: &Grant, source: &[u8]) -> Result<Registered, Error> {
    let (bundle, warnings) = tested(source)?;
    let checked = checked(&bundle, warnings);
    if app.store().bundle(grant, checked.digest).await?.is_some() {
        return Ok(Registered { checked, existing: true, seq: None });
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
    let seq = app.tenant(grant)?.change(grant, Change::BundlePush(Arc::new(bundle))).await?;
    Ok(Registered { checked, existing: seq.is_none(), seq })
}

/// Makes a pushed bundle the active one: in force when this returns. Gives the entry; none where it was active already.
///
/// # Errors
/// If there is no such bundle, or it no longer loads.
pub async fn activate(app: &App, grant: &Grant, digest: Digest) -> Result<Option<u64>, Error> {
    let row = app.store().bundle(grant, digest).await?.ok_or_else(|| missing(digest))?;
    let (bundle, _) = parse(&row.source)?;
    app.tenant(grant)?.change(grant, Change::BundleActivate(Arc::new(bundle))).await
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

/// Makes that bundle the active one which was so before: in force when this returns. Gives it and the entry. The ledger
/// says which it was.
///
/// # Errors
/// `Conflict` if no other was ever active; else as [`activate`].
pub async fn rollback(app: &App, grant: &Grant) -> Result<(Digest, Option<u64>), Error> {
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
                return Ok((digest, activate(app, grant, digest).await?));
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
    view(&row, pointers(app, grant)?)
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
    let (bundle, _) = parse(&row.source)?;
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
    let views = found.iter().map(|row| view(row, [active, shadow])).collect::<Result<Vec<_>, _>>()?;
    Ok(Paged::cut(views, rows, |view| (view.name.clone(), view.version)))
}

fn missing(digest: Digest) -> Error {
    Error::Missing(format!("bundle {digest}"))
}

fn view(row: &BundleRow, [active, shadow]: [Option<Digest>; 2]) -> Result<BundleView, Error> {
    let source = json::parse(&row.source, limits::BUNDLE_BYTES_MAX).map_err(damaged("a bundle"))?;
    Ok(BundleView {
        name: row.name.clone(),
        version: row.version,
        digest: row.digest,
        pushed_at: row.pushed_at,
        active: active == Some(row.digest),
        shadow: shadow == Some(row.digest),
        source,
    })
}

/// A bundle that passes its own tests, and what is allowed but probably not meant.
fn tested(source: &[u8]) -> Result<(Bundle, Vec<Fault>), Error> {
    let (bundle, warnings) = parse(source)?;
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

fn checked(bundle: &Bundle, warnings: Vec<Fault>) -> Checked {
    Checked { name: bundle.name().clone(), version: bundle.version(), digest: bundle.digest(), warnings }
}
