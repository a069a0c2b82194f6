//! Stops.

use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::stop::{SetStop, Stop, StopKind};
use chancery_app::stops::{Stop as StopView, StopOn};
use std::fmt::Display;
use std::str::FromStr;

/// What is to be stopped.
pub(crate) fn stop_on(body: &SetStop) -> Result<StopOn, Failure> {
    let name = body.name.as_deref();
    Ok(match (body.on, name) {
        (StopKind::Tenant, None) => StopOn::Tenant,
        (StopKind::Tenant, Some(_)) => {
            return Err(invalid("name", "the tenant has none here: it is the caller's own"));
        }
        (StopKind::Principal, name) => StopOn::Principal(read(name, "a principal's id")?),
        (StopKind::Action, name) => StopOn::Action(read(name, "an action")?),
        (StopKind::Target, name) => StopOn::Target(read(name, "`worker:<queue>` or an origin")?),
        (StopKind::Definition, name) => StopOn::Definition(read(name, "a definition's name")?),
    })
}

fn read<T>(name: Option<&str>, what: &str) -> Result<T, Failure>
where
    T: FromStr<Err: Display>,
{
    let name = name.ok_or_else(|| invalid("name", &format!("it is missing: {what}")))?;
    name.parse::<T>().map_err(|error| invalid("name", &error.to_string()))
}

pub(crate) fn stop(view: StopView) -> Stop {
    let on = match view.on {
        StopOn::Tenant => StopKind::Tenant,
        StopOn::Principal(_) => StopKind::Principal,
        StopOn::Action(_) => StopKind::Action,
        StopOn::Target(_) => StopKind::Target,
        StopOn::Definition(_) => StopKind::Definition,
    };
    let name = view.on.id();
    Stop { id: view.id, on, name, by: view.by, since: view.since, justification: view.justification }
}
