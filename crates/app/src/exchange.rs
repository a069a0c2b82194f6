//! The worker exchange: one call both hands in and takes out.

use crate::app::App;
use crate::{Error, capabilities, clock, payloads};
use chancery_base::limits::{CREDIT_MAX, EXCHANGE_QUEUES_MAX, EXCHANGE_TASKS_MAX, NAME_BYTES_MAX, VERSION_BYTES_MAX};
use chancery_base::{Name, PublicKey};
use chancery_policy::Grant;
use chancery_shard::input::{self, Command, Exchanged, Queue, Report, Response, Worker};
use chancery_shard::queue::is_version;
use chancery_shard::token::TaskToken;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One call of a worker; what it means is at [`chancery_shard::input::Exchange`].
#[derive(Debug, Clone)]
pub struct Call {
    /// Which process, as it names itself: 1 to [`NAME_BYTES_MAX`] bytes.
    pub worker: String,
    /// The version of its code: 1 to `VERSION_BYTES_MAX` letters, digits and `. _ + -`.
    pub version: Option<String>,
    /// The key that its capability tokens are to be bound to. Without one it gets no task that has such a token.
    pub key: Option<PublicKey>,
    /// How many tasks it takes, by queue; empty where it only reports.
    pub queues: Vec<(Name, u32)>,
    /// How tasks ended.
    pub done: Vec<Report>,
    /// Tasks that it still works on.
    pub holding: Vec<TaskToken>,
    /// How long a call that finds nothing is held; cut to the configured maximum.
    pub wait: Duration,
}

impl Call {
    /// Whether it may be held until there is a task.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.queues.is_empty() && !self.wait.is_zero()
    }
}

/// What a worker's call is answered.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    /// What the shard says.
    pub exchanged: Exchanged,
    /// The capability tokens of tasks that have one, by the tasks' own.
    pub capabilities: BTreeMap<TaskToken, String>,
}

/// Hands in and takes out.
///
/// # Errors
/// If a limit of the call is exceeded or the shard can't take it now.
pub async fn exchange(app: &App, grant: &Grant, call: Call) -> Result<Answered, Error> {
    check(&call)?;
    let tenant = app.tenant(grant)?;
    let hold_until = clock::now().plus(call.wait.min(app.config().hold_max));
    let command = Command::Exchange(input::Exchange {
        worker: Worker { principal: grant.principal(), instance: Arc::from(call.worker) },
        version: call.version.map(Arc::from),
        key: call.key,
        queues: call.queues.into_iter().map(|(name, want)| (Queue::Worker(name), want)).collect(),
        done: call.done.into_iter().map(payloads::reported).collect(),
        holding: call.holding,
        hold_until,
    });
    match tenant.pump.ask(command).await? {
        Response::Exchanged(exchanged) => {
            let capabilities = capabilities::issue(app, grant.tenant(), &exchanged.tasks).await?;
            Ok(Answered { exchanged, capabilities })
        }
        Response::Started { .. }
        | Response::Signalled { .. }
        | Response::Operated(_)
        | Response::Requested(_)
        | Response::Driven(_)
        | Response::Decided(_)
        | Response::Triggered(_)
        | Response::Done { .. } => Err(Error::Bug("an exchange was answered as something else")),
    }
}

fn check(call: &Call) -> Result<(), Error> {
    let invalid = |message: String| Err(Error::Invalid(message));
    if call.worker.is_empty() || call.worker.len() > NAME_BYTES_MAX {
        return invalid(format!("a worker's name has 1 to {NAME_BYTES_MAX} bytes"));
    }
    if call.version.as_deref().is_some_and(|version| !is_version(version)) {
        return invalid(format!("version: it has 1 to {VERSION_BYTES_MAX} letters, digits and `. _ + -`"));
    }
    if call.key.is_some_and(|key| !chancery_capability::is_sound(&key)) {
        return invalid("key: it is no sound Ed25519 public key".to_owned());
    }
    if call.queues.len() > EXCHANGE_QUEUES_MAX {
        return invalid(format!("{} queues, at most {EXCHANGE_QUEUES_MAX} are allowed", call.queues.len()));
    }
    if let Some((queue, want)) = call.queues.iter().find(|(_, want)| *want > CREDIT_MAX) {
        return invalid(format!("queue `{queue}` wants {want} tasks, at most {CREDIT_MAX} are allowed"));
    }
    if call.done.len() > EXCHANGE_TASKS_MAX || call.holding.len() > EXCHANGE_TASKS_MAX {
        return invalid(format!("at most {EXCHANGE_TASKS_MAX} tasks may be reported or held in one call"));
    }
    Ok(())
}
