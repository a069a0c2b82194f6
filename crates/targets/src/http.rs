//! The caller of `run: {http: …}` steps.

use crate::AllowList;
use chancery_base::limits::{JSON_VALUES_MAX, PAYLOAD_BYTES_MAX};
use chancery_base::{Document, Kind, json};
use chancery_engine::StepError;
use chancery_engine::definition::HttpRequest;
use chancery_shard::input::ReportedOutcome;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use serde_json::{Value, json};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may take to come about; until then nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept that nobody uses.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// Bytes of an answer's body that an error repeats.
const DETAIL_BYTES_MAX: usize = 4_096;
/// Headers that belong to the connection or to us, not to a definition.
const RESERVED: [&str; 7] = ["host", "content-length", "connection", "transfer-encoding", "upgrade", "te", "trailer"];

/// The types of the errors that a call ends with.
pub mod error_type {
    /// The target answered with a status that is not 2xx.
    pub const HTTP_STATUS: &str = "HttpStatus";
    /// No answer in time.
    pub const TIMEOUT: &str = "Timeout";
    /// The connection did not come about, or was cut.
    pub const CONNECTION: &str = "Connection";
    /// The origin is not on the allow-list.
    pub const TARGET_NOT_ALLOWED: &str = "TargetNotAllowed";
    /// The definition's expressions made something that is not an HTTP request.
    pub const BAD_REQUEST: &str = "BadRequest";
    /// The answer is larger than a payload may be.
    pub const RESPONSE_TOO_LARGE: &str = "ResponseTooLarge";
}

/// Calls HTTP targets. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    client: Client,
    allow: Arc<AllowList>,
    timeout: Duration,
}

/// Why the caller can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the HTTP client")]
pub struct SetupError(#[source] reqwest::Error);

impl SetupError {
    /// What it means to the one who starts the node.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Broken
    }
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Method, URL and headers, as the definition's expressions made them.
    pub http: &'a HttpRequest,
    /// The body, sent as JSON; null: none. GET and DELETE have none.
    pub body: &'a Value,
    /// `Idempotency-Key`: the same for every attempt of the step.
    pub idempotency_key: &'a str,
    /// `X-Forward-Idempotency-Key`, for a compensation or a confirm: the key of the step that it undoes or confirms.
    pub forward_key: Option<&'a str>,
    /// `X-Forward-Outcome: unknown`, for a compensation of a step that may or may not have taken effect.
    pub forward_unknown: bool,
    /// `traceparent`, W3C trace context.
    pub traceparent: Option<&'a str>,
    /// `X-Transactional-Id`: the transaction.
    pub transaction: &'a str,
    /// How long the attempt may yet take; the target's own timeout applies besides.
    pub time_left: Duration,
}

impl HttpTarget {
    /// A caller of these origins; a call takes `timeout` at most.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub fn new(allow: AllowList, timeout: Duration) -> Result<Self, SetupError> {
        // An error says that a provider was installed before, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            .user_agent(concat!("chancery/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(SetupError)?;
        Ok(Self { client, allow: Arc::new(allow), timeout })
    }

    /// Makes a call and says what came of it:
    ///
    /// | answer | outcome |
    /// |---|---|
    /// | 2xx with JSON | completed with it |
    /// | 2xx without a body | completed with null |
    /// | 2xx with something else | completed with `{status, text}`, the text null if it is not UTF-8 |
    /// | 2xx larger than a payload may be | unknown, and not tried again |
    /// | 408, 425, 429, 5xx | unknown |
    /// | any other status | failed, and not tried again; redirects are not followed |
    /// | no connection | failed |
    /// | cut or too late after that | unknown |
    /// | not on the allow-list, not a request | failed, and not tried again |
    pub async fn call(&self, call: Call<'_>) -> ReportedOutcome {
        let request = match self.request(&call) {
            Ok(request) => request,
            Err(error) => return ReportedOutcome::Failed(*error),
        };
        let time = self.timeout.min(call.time_left);
        match tokio::time::timeout(time, exchange(&self.client, request)).await {
            Ok(outcome) => outcome,
            Err(_) => unknown(error_type::TIMEOUT, format!("no answer within {} ms", time.as_millis())),
        }
    }

    fn request(&self, call: &Call<'_>) -> Result<reqwest::Request, Box<StepError>> {
        let bad = |message: String| Box::new(StepError::fatal(error_type::BAD_REQUEST, message));
        let http = call.http;
        let url: Url = http.url.parse().map_err(|error| bad(format!("the URL is wrong: {error}")))?;
        if !self.allow.permits(&url) {
            let origin = url.origin().ascii_serialization();
            let message = format!("{origin} is not among the targets that this server may call");
            return Err(Box::new(StepError::fatal(error_type::TARGET_NOT_ALLOWED, message)));
        }
        let word = http.method.word();
        let method: Method = word.parse().ok().ok_or_else(|| bad(format!("`{word}` is not a method")))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &http.headers {
            let parsed: HeaderName =
                name.parse().ok().ok_or_else(|| bad(format!("`{name}` is not a header's name")))?;
            if RESERVED.contains(&parsed.as_str()) {
                return Err(bad(format!("header `{name}` can't be set")));
            }
            let wrong = || bad(format!("header `{name}` has a wrong value"));
            let value = HeaderValue::from_str(value).ok().ok_or_else(wrong)?;
            headers.append(parsed, value);
        }
        let own = [
            ("idempotency-key", Some(visible(call.idempotency_key))),
            ("x-forward-idempotency-key", call.forward_key.map(visible)),
            ("x-forward-outcome", call.forward_unknown.then(|| "unknown".to_owned())),
            ("x-transactional-id", Some(visible(call.transaction))),
            ("traceparent", call.traceparent.map(visible)),
        ];
        for (name, value) in own {
            let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
            // A definition can't put its own in place of ours: a wrong idempotency key would act twice.
            headers.remove(name);
            if let Some(value) = value {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let mut request = self.client.request(method, url).headers(headers);
        if http.method.has_body() && !call.body.is_null() {
            request = request.json(call.body);
        }
        request.build().map_err(|error| bad(error.to_string()))
    }
}

/// A text as a header can carry it: visible ASCII, all else and `%` percent-encoded. Different texts stay different.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

async fn exchange(client: &Client, request: reqwest::Request) -> ReportedOutcome {
    let response = match client.execute(request).await {
        Ok(response) => response,
        // Nothing was sent before there was a connection.
        Err(error) if error.is_connect() => {
            return ReportedOutcome::Failed(StepError::new(error_type::CONNECTION, describe(&error)));
        }
        Err(error) => return unknown(error_type::CONNECTION, describe(&error)),
    };
    let status = response.status();
    match (read(response).await, status.is_success()) {
        (Ok(body), true) => completed(status, &body),
        (Ok(body), false) => refused(status, Some(&body)),
        (Err(ReadError::Cut(message)), true) => unknown(error_type::CONNECTION, message),
        (Err(ReadError::TooLarge), true) => {
            let message = format!("the answer has more than {PAYLOAD_BYTES_MAX} bytes");
            ReportedOutcome::Unknown(StepError::fatal(error_type::RESPONSE_TOO_LARGE, message))
        }
        // What the status says holds, whatever became of the body.
        (Err(ReadError::Cut(_) | ReadError::TooLarge), false) => refused(status, None),
    }
}

fn completed(status: StatusCode, body: &[u8]) -> ReportedOutcome {
    if body.is_empty() {
        return ReportedOutcome::Completed(Document::shared(Value::Null));
    }
    let bounds = json::Bounds { bytes: PAYLOAD_BYTES_MAX, values: JSON_VALUES_MAX };
    let output = json::parse_within(body, bounds)
        .map(|parsed| parsed.value)
        .unwrap_or_else(|_| json!({ "status": status.as_u16(), "text": std::str::from_utf8(body).ok() }));
    ReportedOutcome::Completed(Document::shared(output))
}

fn refused(status: StatusCode, body: Option<&[u8]>) -> ReportedOutcome {
    let mut message = format!("the target answered {}", status.as_u16());
    if status.is_redirection() {
        message.push_str("; redirects are not followed");
    }
    let retryable = matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error();
    let error = if retryable { StepError::new } else { StepError::fatal };
    let error = StepError { detail: Some(Box::new(detail(status, body))), ..error(error_type::HTTP_STATUS, message) };
    if retryable { ReportedOutcome::Unknown(error) } else { ReportedOutcome::Failed(error) }
}

fn detail(status: StatusCode, body: Option<&[u8]>) -> Value {
    let mut detail = serde_json::Map::from_iter([(String::from("status"), Value::from(status.as_u16()))]);
    let body = body.filter(|body| !body.is_empty() && body.len() <= DETAIL_BYTES_MAX);
    let shown = body.and_then(|body| {
        let text = || std::str::from_utf8(body).ok().map(Value::from);
        json::parse(body, DETAIL_BYTES_MAX).ok().or_else(text)
    });
    if let Some(shown) = shown {
        detail.insert(String::from("body"), shown);
    }
    Value::Object(detail)
}

enum ReadError {
    Cut(String),
    TooLarge,
}

async fn read(mut response: Response) -> Result<Vec<u8>, ReadError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() > PAYLOAD_BYTES_MAX => return Err(ReadError::TooLarge),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Err(ReadError::Cut(describe(&error))),
        }
    }
}

fn unknown(kind: &str, message: String) -> ReportedOutcome {
    ReportedOutcome::Unknown(StepError::new(kind, message))
}

/// The error and its causes, without the URL: it may hold what must not be repeated.
fn describe(error: &reqwest::Error) -> String {
    let mut text =
        if error.is_connect() { String::from("no connection") } else { String::from("the connection failed") };
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
