//! Stops: kill switches, in force when the call that sets one returns.

use crate::app::App;
use crate::page::{Page, Paged};
use crate::{Error, clock};
use chancery_base::StopId;
use chancery_base::limits::TEXT_BYTES_MAX;
use chancery_policy::{Action, Grant};
use chancery_shard::input::Change;
pub use chancery_shard::stop::{Stop, StopOn};

/// A stop as it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopSet {
    /// The stop.
    pub stop: Stop,
    /// Whether there had been one on the same thing, which stands as it was.
    pub existing: bool,
}

/// Stops something; in force when this returns.
///
/// # Errors
/// If no justification is given, there is no such principal or definition, the caller is the principal, or there are
/// too many stops.
pub async fn set(app: &App, grant: &Grant, on: StopOn, justification: String) -> Result<StopSet, Error> {
    check(&justification)?;
    let tenant = app.tenant(grant)?;
    let id = StopId::draw(clock::now(), &mut clock::entropy()?);
    tenant.change(grant, Change::StopSet { id, on: on.clone(), justification }).await?;
    let control = tenant.control()?;
    let stop = control.stops.on(&on).cloned();
    // Lifted by another since: it is not in force.
    let stop = stop.ok_or_else(|| Error::Conflict(format!("the stop on {on} was lifted meanwhile")))?;
    Ok(StopSet { existing: stop.id != id, stop })
}

/// Lifts a stop; what waited for that goes on.
///
/// # Errors
/// If no justification is given, or there is no such stop.
pub async fn lift(app: &App, grant: &Grant, id: StopId, justification: String) -> Result<Stop, Error> {
    check(&justification)?;
    let stop = get(app, grant, id)?;
    app.tenant(grant)?.change(grant, Change::StopLift { id, justification }).await?;
    Ok(stop)
}

/// A stop that is in force.
///
/// # Errors
/// If there is no such stop.
pub fn get(app: &App, grant: &Grant, id: StopId) -> Result<Stop, Error> {
    let control = app.tenant(grant)?.control()?;
    control.stops.get(id).cloned().ok_or_else(|| Error::Missing(format!("stop {id}")))
}

/// A page of the stops that are in force, oldest first.
///
/// # Errors
/// If the tenant is not served here.
pub fn list(app: &App, grant: &Grant, page: &Page<StopId>) -> Result<Paged<Stop, StopId>, Error> {
    let control = app.tenant(grant)?.control()?;
    let later = |stop: &&Stop| page.after.is_none_or(|after| stop.id > after);
    let rows = control.stops.iter().filter(later).take(page.rows() + 1).cloned().collect();
    Ok(Paged::cut(rows, page.rows(), |stop| stop.id))
}

fn check(justification: &str) -> Result<(), Error> {
    if justification.trim().is_empty() || justification.len() > TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("a justification is needed, of at most {TEXT_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Whether a principal that is stopped may call: it reads and asks, and what the shard decides one by one it decides
/// there: the outcomes of what is out come in, and compensations go on.
pub(crate) fn lets_through(action: Action) -> bool {
    action.reads() || matches!(action, Action::DecisionMake | Action::WorkerExchange | Action::TransactionDrive)
}
