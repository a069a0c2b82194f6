//! Signals: messages for transactions that run.

use crate::app::App;
use crate::{Error, past, payloads};
use chancery_base::limits::{KEY_BYTES_MAX, SIGNAL_BYTES_MAX};
use chancery_base::{Digest, Name, TransactionId};
use chancery_engine::{ShownStatus, Signal};
use chancery_policy::Grant;
use chancery_shard::input::{Command, Operation, Response};
use serde_json::Value;

/// What to send.
#[derive(Debug, Clone, PartialEq)]
pub struct SendSignal {
    /// The signal's name, as a step of the definition has it.
    pub name: Name,
    /// A second one with this id changes nothing. 1 to [`KEY_BYTES_MAX`] bytes.
    pub id: Option<String>,
    /// What it says, at most [`SIGNAL_BYTES_MAX`] bytes as canonical JSON.
    pub payload: Value,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Whether one with this id had come before.
    pub existing: bool,
    /// What the transaction is doing now.
    pub status: ShownStatus,
}

/// Sends a transaction a signal: returns when it is durable. It is kept until a step takes it.
///
/// # Errors
/// If there is no such transaction, it goes forward no more, none of its steps waits for such a signal, it keeps too
/// many, or the signal is not as it should be.
pub async fn send(app: &App, grant: &Grant, id: TransactionId, signal: SendSignal) -> Result<Sent, Error> {
    let signal = checked(signal)?;
    let tenant = app.tenant(grant)?;
    let operation = Operation { id, actor: grant.principal(), justification: String::new() };
    let answer = tenant.pump.ask(Command::Signal(operation, signal)).await.map_err(Error::from);
    match past::or_expired(app, grant, answer).await? {
        Response::Signalled { existing, status } => Ok(Sent { existing, status }),
        Response::Started { .. }
        | Response::Exchanged(_)
        | Response::Operated(_)
        | Response::Requested(_)
        | Response::Driven(_)
        | Response::Decided(_)
        | Response::Triggered(_)
        | Response::Done { .. } => Err(Error::Bug("a signal was answered as something else")),
    }
}

/// A signal whose parts are within their limits.
pub(crate) fn checked(signal: SendSignal) -> Result<Signal, Error> {
    if signal.id.as_ref().is_some_and(|id| !(1..=KEY_BYTES_MAX).contains(&id.len())) {
        return Err(Error::Invalid(format!("a signal's id has 1 to {KEY_BYTES_MAX} bytes")));
    }
    let payload = payloads::taken_within(signal.payload, "the signal's payload", SIGNAL_BYTES_MAX)?;
    Ok(Signal { name: signal.name, id: signal.id, payload })
}

/// A signal that a start brings. Without an id of its own it has one of the start's key and what it says: a start that
/// is sent again must not signal again, and one that says something else must.
pub(crate) fn of_start(signal: Signal, key: Option<&str>) -> Signal {
    let said = |key: &str| {
        let parts = [key, "\0", signal.name.as_str(), "\0", signal.payload.canonical()];
        Digest::of_parts(&parts.map(str::as_bytes)).to_string()
    };
    let id = signal.id.clone().or_else(|| key.map(said));
    Signal { id, ..signal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_says_something_else_signals_anew() {
        let signal = |sku: &str, id: Option<&str>| {
            let asked = SendSignal {
                name: "add".parse().unwrap(),
                id: id.map(str::to_owned),
                payload: serde_json::json!({ "sku": sku }),
            };
            of_start(checked(asked).unwrap(), Some("cart-9")).id.unwrap()
        };
        assert_eq!(signal("chair", None), signal("chair", None));
        assert_ne!(signal("chair", None), signal("table", None));
        assert_eq!(signal("chair", Some("s-1")), "s-1");
        assert!(signal("chair", None).len() <= KEY_BYTES_MAX);
    }

    #[test]
    fn a_signal_has_its_limits() {
        let name: Name = "approved".parse().unwrap();
        let signal = |id: Option<&str>, bytes: usize| SendSignal {
            name: name.clone(),
            id: id.map(str::to_owned),
            payload: Value::from("a".repeat(bytes - 2)),
        };
        assert_eq!(checked(signal(Some("s-1"), SIGNAL_BYTES_MAX)).unwrap().id.as_deref(), Some("s-1"));
        for (bad, says) in [
            (signal(None, SIGNAL_BYTES_MAX + 1), "16385 bytes, at most 16384"),
            (signal(Some(""), 2), "1 to 256 bytes"),
            (signal(Some(&"x".repeat(KEY_BYTES_MAX + 1)), 2), "1 to 256 bytes"),
        ] {
            let error = checked(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
