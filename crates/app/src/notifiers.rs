//! Notifiers: who is told that people are asked something. What they tell, and when, is `notify`'s.

use crate::app::App;
use crate::notify::{self, notice::Notice};
use crate::page::{Page, Paged};
use crate::tenant::Tenant;
use crate::{Error, clock};
use chancery_base::{EventId, Name, Secret};
use chancery_policy::Grant;
use chancery_shard::input::Change;
pub use chancery_shard::notifier::{Channel, GivenUp, MailTls, Notifier, NotifierSettings};

pub use crate::notify::Retry;

/// A notifier, and how it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifierView {
    /// It, as it was committed last.
    pub notifier: Notifier,
    /// What it tries again.
    pub retrying: Option<Retry>,
}

/// Sets a notifier, in place of what was set before; in force when this returns. Without a password the one that is kept
/// stays.
///
/// # Errors
/// If something of it is not as it must be, or there are too many.
pub async fn set(
    app: &App,
    grant: &Grant,
    name: Name,
    settings: NotifierSettings,
    password: Option<Secret>,
) -> Result<NotifierView, Error> {
    let change = Change::NotifierSet { name: name.clone(), settings: Box::new(settings), password };
    app.tenant(grant)?.change(grant, change).await?;
    get(app, grant, &name)
}

/// Deletes a notifier, with its password: it tells nothing more.
///
/// # Errors
/// If there is none of that name.
pub async fn delete(app: &App, grant: &Grant, name: &Name) -> Result<(), Error> {
    app.tenant(grant)?.change(grant, Change::NotifierDelete(name.clone())).await.map(drop)
}

/// A notifier.
///
/// # Errors
/// If there is none of that name.
pub fn get(app: &App, grant: &Grant, name: &Name) -> Result<NotifierView, Error> {
    let tenant = app.tenant(grant)?;
    let control = tenant.control()?;
    let (notifier, _) = control.notifiers.get(name).ok_or_else(|| missing(name))?;
    Ok(view(&tenant, notifier))
}

/// A page of the tenant's notifiers, by name.
///
/// # Errors
/// If the tenant is not served here.
pub fn list(app: &App, grant: &Grant, page: &Page<Name>) -> Result<Paged<NotifierView, Name>, Error> {
    let tenant = app.tenant(grant)?;
    let control = tenant.control()?;
    let later = control.notifiers.iter().filter(|(name, _)| page.after.as_ref().is_none_or(|after| *name > after));
    let views = later.take(page.rows() + 1).map(|(_, (notifier, _))| view(&tenant, notifier));
    Ok(Paged::cut(views.collect(), page.rows(), |view| view.notifier.name.clone()))
}

/// Has a notifier tell something now, once, to see whether it can: what it was told if it can't. No entry: nothing
/// changes.
///
/// # Errors
/// If there is none of that name.
pub async fn test(app: &App, grant: &Grant, name: &Name) -> Result<Result<(), String>, Error> {
    let tenant = app.tenant(grant)?;
    let control = tenant.control()?;
    let (notifier, secret) = control.notifiers.get(name).ok_or_else(|| missing(name))?;
    let now = clock::now();
    let id = EventId::draw(now, &mut clock::entropy()?).to_string();
    let notice = Notice::test(grant.tenant(), id, now, grant.principal());
    let by = (&notifier.settings.channel, secret.as_ref());
    Ok(notify::tell(&tenant, &app.config().target_guard, by, &notice).await)
}

fn view(tenant: &Tenant, known: &Notifier) -> NotifierView {
    let board = &tenant.notifying;
    NotifierView { notifier: board.standing(known), retrying: board.retrying(&known.name) }
}

fn missing(name: &Name) -> Error {
    Error::Missing(format!("notifier `{name}`"))
}
