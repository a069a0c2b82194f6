//! What a bundle needs to be put into force, and whose signatures of it count.

use crate::Error;
use crate::app::App;
use chancery_policy::Grant;
use chancery_shard::input::Change;
pub use chancery_shard::trust::{BundleRules, KeyName, VerifierKey};

/// What is demanded.
///
/// # Errors
/// If the shard has been given up.
pub fn rules(app: &App, grant: &Grant) -> Result<BundleRules, Error> {
    Ok(app.tenant(grant)?.control()?.trust.rules)
}

/// Sets what is demanded; in force when this returns.
///
/// # Errors
/// If signatures of more signers are demanded than are trusted.
pub async fn set_rules(app: &App, grant: &Grant, rules: BundleRules) -> Result<BundleRules, Error> {
    app.tenant(grant)?.change(grant, Change::BundleRulesSet(rules)).await?;
    self::rules(app, grant)
}

/// Those whose signatures count, by name.
///
/// # Errors
/// If the shard has been given up.
pub fn list(app: &App, grant: &Grant) -> Result<Vec<VerifierKey>, Error> {
    Ok(app.tenant(grant)?.control()?.trust.signers.clone())
}

/// Has somebody's signatures count; in force when this returns. Says whether they did already.
///
/// # Errors
/// If the text is no key, its name is another key's, or the key has another name.
pub async fn add(app: &App, grant: &Grant, key: &str) -> Result<(VerifierKey, bool), Error> {
    let key: VerifierKey = key.parse().map_err(|error| Error::Invalid(format!("key: {error}")))?;
    let written = app.tenant(grant)?.change(grant, Change::SignerAdd(key.clone())).await?;
    Ok((key, written.is_none()))
}

/// Has somebody's signatures count no longer, from the next activation on.
///
/// # Errors
/// If there is no such signer, or those who are left could not meet the rules.
pub async fn remove(app: &App, grant: &Grant, name: KeyName) -> Result<(), Error> {
    app.tenant(grant)?.change(grant, Change::SignerRemove(name)).await.map(drop)
}
