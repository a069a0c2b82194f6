//! The beginning of an installation, and of each tenant: who comes before anybody could have been asked.

use crate::app::App;
use crate::config::Config;
use crate::data::DataDir;
use crate::keys::{self, IssuedKey};
use crate::local::Closures;
use crate::tenant::Tenant;
use crate::{Error, clock};
use chancery_base::{Name, PrincipalId, PrincipalKind, TenantId};
use chancery_ledger::Origin;
use chancery_policy::{Grant, Principal};
use chancery_shard::input::Change;
use chancery_shard::row::TenantRow;

/// The roles of a tenant's first principal; in `system` it also runs the platform.
const OWNER: &str = "owner";
const PLATFORM_OPERATOR: &str = "platform-operator";

/// Makes the tenant `system` in an empty data directory.
///
/// # Errors
/// If there is a tenant already, or the store does not answer.
pub async fn system(data: &DataDir, cluster: &Name) -> Result<(), Error> {
    let row =
        TenantRow { tenant: TenantId::system(), shards: 1, hash_key: clock::random_bytes()?, created_at: clock::now() };
    let origin = Origin::new(cluster.clone(), TenantId::system(), 0, FIRST_GENERATION);
    data.store.bootstrap(row, origin).await?;
    Ok(())
}

/// The generation of a log that was never begun anew.
const FIRST_GENERATION: u32 = 1;

/// Makes the installation's first principal, an owner of the tenant `system` that also runs the platform.
///
/// # Errors
/// `Conflict` if the tenant has a principal already.
pub async fn first_owner(app: &App) -> Result<IssuedKey, Error> {
    let tenant = app.adopt(&TenantId::system()).await?;
    make_owner(app, &tenant).await
}

/// Makes the tenant `system` and its owner in an empty data directory, and closes it again.
///
/// # Errors
/// As [`system`] and [`first_owner`].
pub async fn init(data: DataDir, cluster: &Name) -> Result<IssuedKey, Error> {
    system(&data, cluster).await?;
    let config = Config::new(cluster.as_str(), "init");
    let app = App::open(config, data.keys, data.store, Closures::new()).await?;
    let owner = first_owner(&app).await;
    app.shutdown().await?;
    owner
}

/// Makes the first principal of a tenant and its key.
pub(crate) async fn make_owner(app: &App, tenant: &Tenant) -> Result<IssuedKey, Error> {
    let control = tenant.control()?;
    let grant = Grant::system("to make a tenant's first owner", tenant.id.clone());
    // Where it failed between principal and key, the principal is there and has none.
    let principal = match control.directory.iter().next() {
        Some(known) if control.credentials.is_empty() => known.id,
        Some(_) => return Err(Error::Conflict(format!("tenant `{}` has an owner already", tenant.id))),
        None => {
            let owner = new_owner(&tenant.id)?;
            tenant.change(&grant, Change::PrincipalCreate(owner.clone())).await?;
            owner.id
        }
    };
    keys::issue(app, &grant, principal, None).await
}

fn new_owner(tenant: &TenantId) -> Result<Principal, Error> {
    let id = PrincipalId::draw(PrincipalKind::User, clock::now(), &mut clock::entropy()?);
    let mut roles = vec![OWNER];
    if *tenant == TenantId::system() {
        roles.push(PLATFORM_OPERATOR);
    }
    let roles: Result<Vec<Name>, _> = roles.into_iter().map(str::parse).collect();
    let roles = roles.ok().ok_or(Error::Bug("a role's name is not a name"))?;
    Ok(Principal::new(id, "owner").with_roles(roles))
}
