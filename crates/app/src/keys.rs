//! API keys of principals.

use crate::app::App;
use crate::{Error, clock};
use chancery_base::{KeyId, PrincipalId, Secret, Timestamp};
use chancery_identity::ApiKey;
use chancery_policy::Grant;
use chancery_shard::input::Change;
use std::time::Duration;

/// A key as it was issued: the only time that its secret is seen.
#[derive(Debug)]
pub struct IssuedKey {
    /// Its public id.
    pub id: KeyId,
    /// Whose it is.
    pub principal: PrincipalId,
    /// `chk_<id>_<secret>`.
    pub key: Secret,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// A key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyView {
    /// Its public id.
    pub id: KeyId,
    /// Whose it is.
    pub principal: PrincipalId,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Issues a key.
///
/// # Errors
/// If there is no such principal.
pub async fn issue(
    app: &App,
    grant: &Grant,
    principal: PrincipalId,
    expires_in: Option<Duration>,
) -> Result<IssuedKey, Error> {
    let now = clock::now();
    let made = ApiKey::draw(now, &mut clock::entropy()?);
    let expires_at = expires_in.map(|after| now.plus(after));
    let change = Change::KeyIssue { id: made.id(), principal, hash: made.hash(), expires_at };
    app.tenant(grant)?.change(grant, change).await?;
    Ok(IssuedKey { id: made.id(), principal, key: made.text(), expires_at })
}

/// Revokes a key: it stops working before this returns.
///
/// # Errors
/// If there is no such key.
pub async fn revoke(app: &App, grant: &Grant, id: KeyId) -> Result<(), Error> {
    app.tenant(grant)?.change(grant, Change::KeyRevoke(id)).await.map(|_| ())
}

/// A principal's keys, by id.
///
/// # Errors
/// If there is no such principal.
pub fn list(app: &App, grant: &Grant, principal: PrincipalId) -> Result<Vec<KeyView>, Error> {
    let control = app.tenant(grant)?.control()?;
    if control.directory.principal(&principal).is_none() {
        return Err(Error::Missing(format!("principal {principal}")));
    }
    let of_principal = control.credentials.values().filter(|row| row.principal == principal);
    Ok(of_principal
        .map(|row| KeyView {
            id: row.id,
            principal: row.principal,
            issued_at: row.issued_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        })
        .collect())
}
