//! Forks: transactions that take over from one that has ended.

use super::view::{self, TransactionView};
use super::{Prepared, ResultView, Started, check_key};
use crate::app::App;
use crate::operations::Reasoned;
use crate::{Error, clock};
use chancery_base::{Document, Name, TransactionId};
use chancery_engine::ShownStatus;
use chancery_policy::Grant;
use chancery_shard::fork_hash;
use chancery_shard::input::{self, Command, Refusal};
use chancery_shard::row::KeyScope;
use std::sync::Arc;
use std::time::Duration;

/// How a transaction is forked.
#[derive(Debug, Clone)]
pub struct Fork {
    /// The step from which on everything is done anew.
    pub step: Name,
    /// Why.
    pub justification: String,
    /// The same key for the same step and reason gives the same fork. 1 to `KEY_BYTES_MAX` bytes.
    pub idempotency_key: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// Starts a transaction that takes over from one that has ended: what that had done before the step and not undone is
/// the fork's, all else is done anew. Says how it stands, as [`super::run`] does.
///
/// # Errors
/// If there is no such transaction, it is none that can be forked from there, it was forked before, no justification is
/// given, or as a start.
pub async fn fork(
    app: &App,
    grant: &Grant,
    source: TransactionId,
    fork: Fork,
    hold: Option<Duration>,
) -> Result<(Started, ResultView), Error> {
    prepare(app, grant, source, fork).await?.run(app, grant, hold).await
}

async fn prepare(app: &App, grant: &Grant, source: TransactionId, fork: Fork) -> Result<Prepared, Error> {
    let justification = Reasoned::new(fork.justification)?.into_text();
    check_key(fork.idempotency_key.as_deref())?;
    let tenant = app.tenant(grant)?;
    let loaded = app.store().transaction(grant, source).await?;
    let loaded = loaded.ok_or(Error::Refused(Refusal::Missing(source)))?;
    let definition = tenant.definitions.of_row(app, grant, &loaded.row).await?;
    let input = view::input(&loaded)?.ok_or(Error::Refused(Refusal::NotFound(format!("input of {source}"))))?;
    drop(loaded);
    let mut entropy = clock::entropy()?;
    let id = TransactionId::draw(clock::now(), source.slot(), &mut entropy);
    let takes_room = tenant.inputs.hold(id, &Document::new(input))?;
    let command = Command::Fork(Box::new(input::Fork {
        id,
        actor: grant.principal(),
        source,
        step: fork.step,
        justification,
        idempotency_key: fork.idempotency_key,
        traceparent: fork.traceparent,
        is_closed: crate::maintenance::of_platform(app),
    }));
    Ok(Prepared { tenant: Arc::clone(&tenant), definition, id, command, takes_room })
}

/// A transaction as it stands beside its fork, if it was forked: what that took over is no longer left undone by it.
pub(super) async fn taken_over(app: &App, grant: &Grant, view: TransactionView) -> Result<TransactionView, Error> {
    let may_be_forked = match view.head.status {
        ShownStatus::Completed
        | ShownStatus::Compensated
        | ShownStatus::Failed
        | ShownStatus::Cancelled
        | ShownStatus::Terminated => view.head.parent.is_none() && view.state.is_none() && view.driver.is_none(),
        ShownStatus::Running
        | ShownStatus::Waiting
        | ShownStatus::Confirming
        | ShownStatus::Compensating
        | ShownStatus::Paused
        | ShownStatus::Parked => false,
    };
    if !may_be_forked {
        return Ok(view);
    }
    let (tenant, source) = (app.tenant(grant)?, view.head.id);
    let hash = fork_hash(&tenant.control()?.tenant.hash_key, source);
    let key = (KeyScope::Fork, source.slot().number(), hash);
    let found = app.store().load(tenant.log, Vec::new(), vec![key]).await?;
    let Some(fork) = found.keys.first().map(|row| row.transaction) else { return Ok(view) };
    let view = TransactionView { forked_by: Some(fork), ..view };
    if view.left_undone.is_empty() {
        return Ok(view);
    }
    let Some(loaded) = app.store().transaction(grant, fork).await? else { return Ok(view) };
    let definition = tenant.definitions.of_row(app, grant, &loaded.row).await?;
    let inherited = view::inherited(&loaded, &definition)?;
    let left_undone = view.left_undone.into_iter().filter(|node| !inherited.contains(node)).collect();
    Ok(TransactionView { left_undone, ..view })
}
