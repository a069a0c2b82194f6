//! The tenant's principals.

use crate::app::App;
use crate::page::{Page, Paged};
use crate::{Error, clock};
use chancery_base::limits::TEXT_BYTES_MAX;
use chancery_base::{Name, PrincipalId, PrincipalKind};
use chancery_policy::{Grant, Principal};
use chancery_shard::input::Change;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A new principal.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPrincipal {
    /// A user, service or agent.
    pub kind: PrincipalKind,
    /// What people call it; one of its kind in the tenant.
    pub name: String,
    /// Its roles.
    pub roles: BTreeSet<Name>,
    /// Further attributes, for the tenant's policy.
    pub attributes: Map<String, Value>,
}

/// What to change of a principal; what is none stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrincipalPatch {
    /// What people call it.
    pub name: Option<String>,
    /// Its roles, all of them.
    pub roles: Option<BTreeSet<Name>>,
    /// Its further attributes, all of them.
    pub attributes: Option<Map<String, Value>>,
    /// Whether everything it asks for is denied.
    pub suspended: Option<bool>,
}

/// Makes a principal.
///
/// # Errors
/// If the name is taken or the attributes are not such as policy can see.
pub async fn create(app: &App, grant: &Grant, new: NewPrincipal) -> Result<Principal, Error> {
    check_name(&new.name)?;
    let principal = Principal {
        id: PrincipalId::draw(new.kind, clock::now(), &mut clock::entropy()?),
        name: new.name,
        roles: new.roles,
        attributes: new.attributes,
        suspended: false,
    };
    app.tenant(grant)?.change(grant, Change::PrincipalCreate(principal.clone())).await?;
    Ok(principal)
}

/// Changes a principal. A suspension is in force when this returns.
///
/// # Errors
/// If there is no such principal, or as [`create`].
pub async fn set(app: &App, grant: &Grant, id: PrincipalId, patch: PrincipalPatch) -> Result<Principal, Error> {
    let tenant = app.tenant(grant)?;
    let mut principal = find(app, grant, id)?;
    if let Some(name) = patch.name {
        check_name(&name)?;
        principal.name = name;
    }
    principal.roles = patch.roles.unwrap_or(principal.roles);
    principal.attributes = patch.attributes.unwrap_or(principal.attributes);
    principal.suspended = patch.suspended.unwrap_or(principal.suspended);
    tenant.change(grant, Change::PrincipalSet(principal.clone())).await?;
    Ok(principal)
}

/// A principal.
///
/// # Errors
/// If there is no such principal.
pub fn get(app: &App, grant: &Grant, id: PrincipalId) -> Result<Principal, Error> {
    find(app, grant, id)
}

/// A page of principals, by id.
///
/// # Errors
/// If the tenant is not served here.
pub fn list(app: &App, grant: &Grant, page: &Page<PrincipalId>) -> Result<Paged<Principal, PrincipalId>, Error> {
    let control = app.tenant(grant)?.control()?;
    let later = |principal: &&Principal| page.after.is_none_or(|after| principal.id > after);
    let rows = control.directory.iter().filter(later).take(page.rows() + 1).cloned().collect();
    Ok(Paged::cut(rows, page.rows(), |principal| principal.id))
}

fn find(app: &App, grant: &Grant, id: PrincipalId) -> Result<Principal, Error> {
    let control = app.tenant(grant)?.control()?;
    control.directory.principal(&id).cloned().ok_or_else(|| Error::Missing(format!("principal {id}")))
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() || name.len() > TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("a principal's name has 1 to {TEXT_BYTES_MAX} bytes")));
    }
    Ok(())
}
