//! What targets report of calls that they only accepted. The task's token is the one credential: it proves that the
//! attempt was handed out, and names it.

use crate::app::App;
use crate::{Error, clock, payloads};
use chancery_base::{PrincipalId, TenantId};
use chancery_shard::input::{Ack, Command, Exchange, Report, ReportedOutcome, Response, Worker};
use chancery_shard::token::TaskToken;
use std::sync::Arc;

/// What became of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackAck {
    /// The outcome is in the ledger.
    Recorded,
    /// The attempt is over: nothing changed.
    Superseded,
    /// The attempt is still waited for.
    Waiting,
}

/// Reports how an attempt ended; with no outcome, asks whether it is still waited for. Its deadline stays what it is.
///
/// # Errors
/// [`Error::Unauthenticated`] if the token was not issued, in whatever way it is wrong.
pub async fn report(
    app: &App,
    tenant: &TenantId,
    token: TaskToken,
    outcome: Option<ReportedOutcome>,
) -> Result<CallbackAck, Error> {
    let tenant = app.tenant_of(tenant).ok_or(Error::Unauthenticated)?;
    let is_report = outcome.is_some();
    // Who asks has the task, and accepts it.
    let outcome = outcome.unwrap_or(ReportedOutcome::Accepted);
    let exchange = Exchange {
        worker: Worker { principal: PrincipalId::SYSTEM, instance: Arc::from("callback") },
        version: None,
        key: None,
        queues: Vec::new(),
        done: vec![payloads::reported(Report { task: token, outcome })],
        holding: Vec::new(),
        hold_until: clock::now(),
    };
    let exchanged = match tenant.pump.ask(Command::Exchange(exchange)).await? {
        Response::Exchanged(exchanged) => exchanged,
        Response::Started { .. }
        | Response::Signalled { .. }
        | Response::Operated(_)
        | Response::Requested(_)
        | Response::Driven(_)
        | Response::Decided(_)
        | Response::Triggered(_)
        | Response::Done { .. } => {
            return Err(Error::Bug("a callback was answered as something else"));
        }
    };
    match exchanged.acks.first().map(|(_, ack)| *ack) {
        Some(Ack::Recorded) if is_report => Ok(CallbackAck::Recorded),
        Some(Ack::Recorded) => Ok(CallbackAck::Waiting),
        Some(Ack::Superseded) => Ok(CallbackAck::Superseded),
        Some(Ack::Refused) => Err(Error::Unauthenticated),
        None => Err(Error::Bug("a callback was not acknowledged")),
    }
}
