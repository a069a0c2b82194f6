//! The secrets that calls of HTTP targets are signed with, after Standard Webhooks. To rotate one, issue another,
//! give it to the receivers, and retire the first: in between, calls have a signature of each.

use crate::app::App;
use crate::{Error, clock};
use chancery_base::webhook::SigningSecret;
use chancery_base::{Digest, Secret, SigningSecretId, TargetId, Timestamp};
use chancery_policy::Grant;
use chancery_shard::input::Change;

/// A secret as it was issued: the only time that it is seen.
#[derive(Debug)]
pub struct IssuedSecret {
    /// Its public id.
    pub id: SigningSecretId,
    /// The one target whose calls it signs.
    pub target: Option<TargetId>,
    /// `whsec_…`.
    pub secret: Secret,
}

/// A secret as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretView {
    /// Its public id.
    pub id: SigningSecretId,
    /// The one target whose calls it signs; none: those of every target that has none of its own.
    pub target: Option<TargetId>,
    /// SHA-256 of its bytes.
    pub hash: Digest,
    /// When it was issued.
    pub issued_at: Timestamp,
}

/// Issues a secret; calls are signed with it when this returns.
///
/// # Errors
/// If there are too many.
pub async fn issue(app: &App, grant: &Grant, target: Option<TargetId>) -> Result<IssuedSecret, Error> {
    let mut entropy = clock::entropy()?;
    let id = SigningSecretId::draw(clock::now(), &mut entropy);
    let secret = SigningSecret::draw(&mut entropy);
    let text = secret.text();
    let change = Change::SigningSecretIssue { id, target: target.clone(), secret };
    app.tenant(grant)?.change(grant, change).await?;
    Ok(IssuedSecret { id, target, secret: text })
}

/// Destroys a secret: calls are not signed with it any more when this returns.
///
/// # Errors
/// If there is no such secret.
pub async fn retire(app: &App, grant: &Grant, id: SigningSecretId) -> Result<(), Error> {
    app.tenant(grant)?.change(grant, Change::SigningSecretRetire(id)).await.map(|_| ())
}

/// The tenant's secrets, oldest first.
///
/// # Errors
/// If the tenant is not served here.
pub fn list(app: &App, grant: &Grant) -> Result<Vec<SecretView>, Error> {
    let control = app.tenant(grant)?.control()?;
    let views = control.signing_secrets.iter().map(|row| SecretView {
        id: row.id,
        target: row.target.clone(),
        hash: row.secret.digest(),
        issued_at: row.issued_at,
    });
    Ok(views.collect())
}
