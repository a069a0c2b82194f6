//! The payment service: somebody else's, over plain HTTP, that knows nothing of Chancery but the header
//! `Idempotency-Key`. It charges once per key, refunds once, and writes a line for every call it gets.

mod log;

pub use log::{Line, LogError, read};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chancery_sdk::fence::sqlite::{self, FenceError, Forward, Undo};
use log::{Call, Log};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The card that is declined.
pub const DECLINED_CARD: &str = "declined";
/// The longest delay that a caller may ask for.
const DELAY_MAX: Duration = Duration::from_secs(60);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, status INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS charges (
        number INTEGER PRIMARY KEY,
        reference TEXT NOT NULL UNIQUE,
        amount INTEGER NOT NULL,
        refunded INTEGER NOT NULL DEFAULT 0
    ) STRICT;
";

/// How the service behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// It takes every card: what the demo must notice.
    pub accepts_all: bool,
}

/// The service. Clones share it.
#[derive(Debug, Clone)]
pub struct Payments {
    db: Arc<Mutex<Connection>>,
    log: Arc<Log>,
    rules: Rules,
}

/// Why the service can't begin, or can't answer.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// The database.
    #[error("failed to use the payments' database")]
    Database(#[from] rusqlite::Error),
    /// The fence.
    #[error("failed to ask the fence")]
    Fence(#[from] FenceError),
    /// The log of calls.
    #[error("failed to log a call")]
    Log(#[from] LogError),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Charge {
    /// What it is for; the refund names it, too.
    reference: String,
    /// In cents.
    amount: i64,
    card: String,
    #[serde(default)]
    delay_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refund {
    reference: String,
}

/// An answer: a status and a body.
type Answer = (u16, Value);

impl Payments {
    /// Opens the service's database and its log in a directory.
    ///
    /// # Errors
    /// If either can't be opened.
    pub fn open(dir: &Path, rules: Rules) -> Result<Self, PaymentError> {
        let db = Connection::open(dir.join("payments.db"))?;
        db.pragma_update(None, "journal_mode", "wal")?;
        db.execute_batch(SCHEMA)?;
        sqlite::prepare(&db)?;
        let log = Log::open(&dir.join("payments.jsonl"))?;
        Ok(Self { db: Arc::new(Mutex::new(db)), log: Arc::new(log), rules })
    }

    /// The service's routes.
    pub fn router(self) -> Router {
        Router::new().route("/charges", post(charge)).route("/refunds", post(refund)).with_state(self)
    }

    /// Answers a call: as it did before if the key is known, else by `act`.
    fn answer(
        &self,
        key: &str,
        act: impl FnOnce(&Transaction<'_>) -> Result<Answer, PaymentError>,
    ) -> Result<(Answer, bool), PaymentError> {
        let mut db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let tx = db.transaction()?;
        let select = "SELECT status, body FROM answers WHERE key = ?1";
        let known = tx.query_row(select, [key], |row| Ok((row.get::<_, u16>(0)?, row.get::<_, String>(1)?)));
        if let Some((status, body)) = known.optional()? {
            let body = serde_json::from_str(&body).unwrap_or(Value::Null);
            return Ok(((status, body), true));
        }
        let (status, body) = act(&tx)?;
        let insert = "INSERT INTO answers (key, status, body) VALUES (?1, ?2, ?3)";
        tx.execute(insert, params![key, status, body.to_string()])?;
        tx.commit()?;
        Ok(((status, body), false))
    }

    fn charge(&self, key: &str, charge: &Charge) -> Result<(Answer, bool), PaymentError> {
        let is_declined = charge.card == DECLINED_CARD && !self.rules.accepts_all;
        self.answer(key, |tx| {
            if is_declined {
                return Ok((402, json!({"error": "card_declined"})));
            }
            match sqlite::forward(tx, &charge.reference)? {
                Forward::Permit(permit) => {
                    let insert = "INSERT INTO charges (reference, amount) VALUES (?1, ?2)";
                    tx.execute(insert, params![charge.reference, charge.amount])?;
                    let body = json!({"charge": format!("charge-{}", tx.last_insert_rowid()), "amount": charge.amount});
                    Ok((201, permit.done(body)?))
                }
                Forward::AlreadyDone(body) => Ok((200, body)),
                Forward::Refused => Ok((409, json!({"error": "refunded_before"}))),
            }
        })
    }

    fn refund(&self, key: &str, refund: &Refund) -> Result<(Answer, bool), PaymentError> {
        self.answer(key, |tx| match sqlite::undo(tx, &refund.reference)? {
            Undo::Needed { result } => {
                tx.execute("UPDATE charges SET refunded = 1 WHERE reference = ?1", [&refund.reference])?;
                Ok((201, json!({"refunded": result})))
            }
            Undo::NothingDone | Undo::AlreadyUndone => Ok((200, json!({"refunded": null}))),
        })
    }
}

async fn charge(State(service): State<Payments>, headers: HeaderMap, Json(body): Json<Charge>) -> Response {
    let Some(call) = call("/charges", &headers, &body.reference) else { return without_key() };
    let delay = Duration::from_millis(body.delay_ms).min(DELAY_MAX);
    serve(service, call, delay, move |service, key| service.charge(key, &body)).await
}

async fn refund(State(service): State<Payments>, headers: HeaderMap, Json(body): Json<Refund>) -> Response {
    let Some(call) = call("/refunds", &headers, &body.reference) else { return without_key() };
    serve(service, call, Duration::ZERO, move |service, key| service.refund(key, &body)).await
}

fn call(path: &'static str, headers: &HeaderMap, reference: &str) -> Option<Call> {
    let key = headers.get("idempotency-key")?.to_str().ok()?.to_owned();
    Some(Call { path, key, reference: reference.to_owned() })
}

fn without_key() -> Response {
    reply((400, json!({"error": "no_idempotency_key"})))
}

/// Logs a call, does it, and logs the answer. On a thread of its own, which goes on when the caller hangs up: a real
/// payment is made or not made whoever still listens.
async fn serve<F>(service: Payments, call: Call, delay: Duration, act: F) -> Response
where
    F: FnOnce(&Payments, &str) -> Result<(Answer, bool), PaymentError> + Send + 'static,
{
    let answered = tokio::task::spawn_blocking(move || {
        service.log.write(&call, "received", None)?;
        std::thread::sleep(delay);
        let ((status, body), repeated) = act(&service, &call.key)?;
        service.log.write(&call, if repeated { "repeated" } else { "answered" }, Some(status))?;
        Ok::<Answer, PaymentError>((status, body))
    });
    match answered.await {
        Ok(Ok(answer)) => reply(answer),
        Ok(Err(error)) => broken(&error),
        Err(error) => broken(&error),
    }
}

fn broken(error: &dyn std::error::Error) -> Response {
    tracing::error!(error = %error, "failed to answer a call");
    reply((500, json!({"error": "internal"})))
}

fn reply((status, body): Answer) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}
