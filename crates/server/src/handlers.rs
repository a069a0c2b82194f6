//! Handlers: extract, call one use-case, convert.

pub(crate) mod authzen;
pub(crate) mod budgets;
pub(crate) mod bundles;
pub(crate) mod capabilities;
pub(crate) mod compliance;
pub(crate) mod definitions;
pub(crate) mod events;
pub(crate) mod evidence;
pub(crate) mod exports;
pub(crate) mod health;
pub(crate) mod ledger;
pub(crate) mod maintenance;
pub(crate) mod notifiers;
pub(crate) mod open;
pub(crate) mod operations;
pub(crate) mod overrides;
pub(crate) mod principals;
pub(crate) mod queues;
pub(crate) mod reports;
pub(crate) mod requests;
pub(crate) mod retention;
pub(crate) mod schedules;
pub(crate) mod settings;
pub(crate) mod signers;
pub(crate) mod stops;
pub(crate) mod targets;
pub(crate) mod transactions;
pub(crate) mod workers;

use crate::extract::invalid;
use crate::failure::Failure;
use crate::gate::Node;
use chancery_app::{About, Caller};
use chancery_base::PrincipalId;
use chancery_policy::Action;
use std::time::Duration;

/// A duration that a caller wrote, such as `30s`.
fn duration(name: &str, text: &str) -> Result<Duration, Failure> {
    chancery_base::duration::parse(text).map_err(|error| invalid(name, &error.to_string()))
}

/// The same, where it may be absent.
fn wait(text: Option<&str>) -> Result<Option<Duration>, Failure> {
    text.map(|text| duration("wait", text)).transpose()
}

/// Asking about another principal tells what it may do, which takes the right to look at it.
async fn may_ask_about(
    node: &Node,
    caller: &Caller,
    mut principals: impl Iterator<Item = PrincipalId> + Send,
) -> Result<(), Failure> {
    if principals.any(|principal| principal != caller.principal().id) {
        node.app.authorize(caller, Action::PrincipalRead, About::Tenant).await?;
    }
    Ok(())
}
