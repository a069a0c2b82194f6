//! Overrides: people answer for what the tenant's policy denies. In force when the call that grants one returns.

use crate::app::App;
use crate::operations::check;
use crate::page::{Page, Paged};
use crate::{Error, clock, transactions};
use chancery_base::{OverrideId, PrincipalId, Timestamp, TransactionId};
use chancery_policy::{EntityRef, Grant};
use chancery_shard::input::Change;
pub use chancery_shard::input::OverrideSay;
pub use chancery_shard::over::{Override, OverrideKind, OverrideOn, OverrideStatus, Said};

/// The most bytes of an action, and of a resource's type and id.
const NAME_BYTES_MAX: usize = 256;

/// What an override is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// That a principal does an action to a resource.
    Access {
        /// Who.
        principal: PrincipalId,
        /// The Cedar action; `start` is that of starts.
        action: String,
        /// To what.
        resource: EntityRef,
    },
    /// Whatever a step of a transaction asks for.
    Step {
        /// Whose.
        transaction: TransactionId,
        /// Which.
        step: String,
    },
}

/// Which overrides are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query {
    /// Only those that are granted and not reviewed.
    pub due: bool,
    /// Only those that stand so.
    pub status: Option<OverrideStatus>,
}

/// Asks for an override: another person grants or refuses it.
///
/// # Errors
/// If the caller is no person, the justification is too short, the time is not within 24 hours, or what it is asked for
/// does not exist or has ended.
pub async fn request(
    app: &App,
    grant: &Grant,
    kind: OverrideKind,
    asked: Asked,
    until: Timestamp,
    justification: String,
) -> Result<Override, Error> {
    check(&justification)?;
    let on = on(app, grant, asked).await?;
    let id = OverrideId::draw(clock::now(), &mut clock::entropy()?);
    let change = Change::OverrideRequest { id, kind, on, until, justification };
    app.tenant(grant)?.change(grant, change).await?;
    get(app, grant, id)
}

/// What exists and has not ended can be overridden: an override on anything else would do nothing, and who asked for it
/// would not know.
async fn on(app: &App, grant: &Grant, asked: Asked) -> Result<OverrideOn, Error> {
    match asked {
        Asked::Access { principal, action, resource } => {
            for (what, text) in
                [("action", &action), ("resource's type", &resource.kind), ("resource's id", &resource.id)]
            {
                if text.is_empty() || text.len() > NAME_BYTES_MAX {
                    return Err(Error::Invalid(format!("the {what} has 1 to {NAME_BYTES_MAX} bytes")));
                }
            }
            Ok(OverrideOn::Access { principal, action, resource })
        }
        Asked::Step { transaction, step } => {
            let view = transactions::get(app, grant, transaction).await?;
            if view.head.ended_at.is_some() {
                return Err(Error::Conflict(format!("{transaction} has ended: nothing of it is decided any more")));
            }
            // The driver of an open transaction may not have named the step yet.
            let name = step.split('[').next().unwrap_or_default();
            if view.driver.is_none() && !view.steps.iter().any(|known| known.step.as_str() == name) {
                return Err(Error::Missing(format!("step `{name}` in {transaction}")));
            }
            Ok(OverrideOn::Step { transaction, step, principal: view.head.principal })
        }
    }
}

/// Says something of an override; what it changes is in force when this returns.
///
/// # Errors
/// If there is no such override, it does not stand so that this can be said, or not by the caller.
pub async fn say(
    app: &App,
    grant: &Grant,
    id: OverrideId,
    say: OverrideSay,
    justification: String,
) -> Result<Override, Error> {
    check(&justification)?;
    app.tenant(grant)?.change(grant, Change::OverrideSay { id, say, justification }).await?;
    get(app, grant, id)
}

/// An override.
///
/// # Errors
/// If there is no such override.
pub fn get(app: &App, grant: &Grant, id: OverrideId) -> Result<Override, Error> {
    let control = app.tenant(grant)?.control()?;
    control.overrides.get(id).cloned().ok_or_else(|| Error::Missing(format!("override {id}")))
}

/// A page of the tenant's overrides, oldest first.
///
/// # Errors
/// If the tenant is not served here.
pub fn list(
    app: &App,
    grant: &Grant,
    query: Query,
    page: &Page<OverrideId>,
) -> Result<Paged<Override, OverrideId>, Error> {
    let control = app.tenant(grant)?.control()?;
    let found = control.overrides.iter().filter(|over| {
        page.after.is_none_or(|after| over.id > after)
            && query.status.is_none_or(|status| over.status == status)
            && (!query.due || over.review_due().is_some())
    });
    Ok(Paged::cut(found.take(page.rows() + 1).cloned().collect(), page.rows(), |over| over.id))
}
