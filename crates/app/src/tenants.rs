//! Tenants, for the platform's operators.

use crate::app::App;
use crate::keys::IssuedKey;
use crate::page::{Page, Paged};
use crate::{Error, bootstrap, clock};
use chancery_base::{TenantId, Timestamp};
use chancery_policy::Grant;
use chancery_shard::input::Change;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantView {
    /// Its name.
    pub tenant: TenantId,
    /// How many shards it has.
    pub shards: u16,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A tenant as it was made, with the key of its first owner.
#[derive(Debug)]
pub struct CreatedTenant {
    /// Its name.
    pub tenant: TenantId,
    /// The key of its owner.
    pub owner: IssuedKey,
}

/// Makes a tenant with an owner: the entry is in the log of `system`, the owner's in the tenant's own.
///
/// # Errors
/// If the name is taken. If it fails after the tenant was made, the same call again goes on from there as long as
/// the tenant has no principal.
pub async fn create(app: &App, grant: &Grant, tenant: TenantId) -> Result<CreatedTenant, Error> {
    if *grant.tenant() != TenantId::system() {
        return Err(Error::Invalid(String::from("only the tenant `system` makes tenants")));
    }
    let _creating = app.creating().await;
    match app.tenant_of(&tenant) {
        // Making it did not get to its owner's key: it goes on from there.
        Some(known) if known.control()?.credentials.is_empty() => {}
        Some(_) => return Err(Error::Conflict(format!("tenant `{tenant}` exists already"))),
        None => {
            let change = Change::TenantCreate { tenant: tenant.clone(), hash_key: clock::random_bytes()? };
            app.tenant(grant)?.change(grant, change).await?;
        }
    }
    let made = app.adopt(&tenant).await?;
    let owner = bootstrap::make_owner(app, &made).await?;
    Ok(CreatedTenant { tenant, owner })
}

/// A page of tenants, by name.
///
/// # Errors
/// If the store does not answer.
pub async fn list(app: &App, grant: &Grant, page: Page<TenantId>) -> Result<Paged<TenantView, TenantId>, Error> {
    let rows = page.rows();
    let found = app.store().tenants(grant, page.after, rows + 1).await?;
    let view = |row: chancery_shard::row::TenantRow| TenantView {
        tenant: row.tenant,
        shards: row.shards,
        created_at: row.created_at,
    };
    Ok(Paged::cut(found.into_iter().map(view).collect(), rows, |view| view.tenant.clone()))
}
