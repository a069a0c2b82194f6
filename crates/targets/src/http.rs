//! The caller of `run: {http: …}` steps.

use crate::AllowList;
use crate::breaker::Verdict;
use crate::guard::{Guard, Refused};
use chancery_base::limits::{JSON_VALUES_MAX, PAYLOAD_BYTES_MAX};
use chancery_base::webhook::{self, SigningSecret};
use chancery_base::{Digest, Document, Kind, TargetId, Timestamp, json};
use chancery_engine::StepError;
use chancery_engine::definition::HttpRequest;
use chancery_shard::input::ReportedOutcome;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The header with the token that completes a call that the target only accepts.
pub const TASK_TOKEN: &str = "chancery-task-token";
/// The header that says where to report what came of it.
pub const CALLBACK: &str = "chancery-callback";

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
    /// The origin is not on the allow-list, or its address may not be called.
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
    guard: Guard,
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
    /// `X-Forward-Idempotency-Key`, for a compensation or a confirm: the key of the step that it undoes or confirms. For a
    /// round after the first: the key of that.
    pub forward_key: Option<&'a str>,
    /// `X-Forward-Outcome: unknown`, for a compensation of a step that may or may not have taken effect.
    pub forward_unknown: bool,
    /// `X-Limits`: what policy has the target keep within, as JSON; empty: nothing.
    pub limits: &'a Map<String, Value>,
    /// `traceparent`, W3C trace context.
    pub traceparent: Option<&'a str>,
    /// `X-Transactional-Id`: the transaction.
    pub transaction: &'a str,
    /// How long it may take: the target's timeout, and no longer than the attempt has.
    pub timeout: Duration,
    /// What it is signed with, after Standard Webhooks; empty: it is not signed.
    pub signing: &'a [SigningSecret],
    /// The time that the signature says.
    pub now: Timestamp,
    /// Where the target may report later what came of it; none: an answer of 202 is like any other of 2xx.
    pub callback: Option<Callback<'a>>,
}

/// Where a target reports later.
#[derive(Debug, Clone, Copy)]
pub struct Callback<'a> {
    /// `Chancery-Callback`.
    pub url: &'a str,
    /// `Chancery-Task-Token`.
    pub token: &'a str,
}

impl HttpTarget {
    /// A caller of these origins, at the addresses that the guard lets pass. No proxy is used: it would resolve names
    /// anew.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub fn new(allow: AllowList, guard: Guard) -> Result<Self, SetupError> {
        Ok(Self { client: client(&guard)?, allow: Arc::new(allow), guard })
    }

    /// The origins that it may call.
    #[must_use]
    pub fn allow(&self) -> &AllowList {
        &self.allow
    }

    /// Makes a call and says what came of it:
    ///
    /// | answer | outcome |
    /// |---|---|
    /// | 202 where a callback was offered | accepted: the target reports later |
    /// | 2xx with JSON | completed with it |
    /// | 2xx without a body | completed with null |
    /// | 2xx with something else | completed with `{status, text}`, the text null if it is not UTF-8 |
    /// | 2xx where headers are to be kept | completed with `{headers, body}`, the body as above |
    /// | 2xx larger than a payload may be | unknown, and not tried again |
    /// | 408, 425, 429, 5xx | unknown |
    /// | any other status | failed, and not tried again; redirects are not followed |
    /// | no connection | failed |
    /// | cut or too late after that | unknown |
    /// | not on the allow-list, at an address that may not be called, not a request | failed, and not tried again |
    pub async fn call(&self, call: Call<'_>) -> ReportedOutcome {
        let request = match self.request(&call) {
            Ok(request) => request,
            Err(error) => return ReportedOutcome::Failed(*error),
        };
        let asked = Asked { is_later: call.callback.is_some(), keep: &call.http.keep };
        match tokio::time::timeout(call.timeout, exchange(&self.client, request, asked)).await {
            Ok(outcome) => outcome,
            Err(_) => unknown(error_type::TIMEOUT, format!("no answer within {} ms", call.timeout.as_millis())),
        }
    }

    fn request(&self, call: &Call<'_>) -> Result<reqwest::Request, Box<StepError>> {
        let bad = |message: String| Box::new(StepError::fatal(error_type::BAD_REQUEST, message));
        let http = call.http;
        let url: Url = http.url.parse().map_err(|error| bad(format!("the URL is wrong: {error}")))?;
        self.check(&http.url, &url)?;
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
        let body = if http.method.has_body() && !call.body.is_null() {
            let written = serde_json::to_vec(call.body);
            Some(written.map_err(|error| bad(format!("the body can't be written: {error}")))?)
        } else {
            None
        };
        // A definition can't put its own in place of ours: a wrong idempotency key would act twice.
        for (name, value) in own_headers(call, body.as_deref().unwrap_or_default()) {
            let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
            headers.remove(name);
            if let Some(value) = value {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            if !headers.contains_key(CONTENT_TYPE) {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            request = request.body(body);
        }
        request.headers(headers).build().map_err(|error| bad(error.to_string()))
    }

    /// Whether a URL may be called: it is on the list, and not an address that may not be.
    fn check(&self, text: &str, url: &Url) -> Result<(), Box<StepError>> {
        let not_allowed = |message: String| Box::new(StepError::fatal(error_type::TARGET_NOT_ALLOWED, message));
        if !url.username().is_empty() || url.password().is_some() {
            let message = "a URL holds no user and no password: what it says is recorded";
            return Err(Box::new(StepError::fatal(error_type::BAD_REQUEST, message)));
        }
        if !self.allow.permits(url) {
            let origin = url.origin().ascii_serialization();
            let message = format!(
                "{origin} is not among the targets that this server may call: it was started without \
                 --allow-http-target {origin}"
            );
            return Err(not_allowed(message));
        }
        // The step waited for a place at the target that its text names: it must be the one that is called.
        if TargetId::of_url(text) != TargetId::of_url(url.as_str()) {
            let message = "the URL's origin is not written plainly: a host in lower-case ASCII, or an address in full";
            return Err(Box::new(StepError::fatal(error_type::BAD_REQUEST, message)));
        }
        // A name is looked at when it is resolved.
        let host = url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        match host.and_then(|host| host.parse::<IpAddr>().ok()) {
            // INVARIANT: it is on the node's list, as was seen above.
            Some(address) => self.guard.check_named(address).map_err(|refused| not_allowed(refused.to_string())),
            None => Ok(()),
        }
    }
}

/// A client that connects to the addresses that the guard lets pass, follows no redirect and uses no proxy.
pub(crate) fn client(guard: &Guard) -> Result<Client, SetupError> {
    // An error says that a provider was installed before, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(guard.clone()))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .user_agent(concat!("chancery/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(SetupError)
}

/// The headers that are ours, with what they say in this call.
fn own_headers(call: &Call<'_>, body: &[u8]) -> [(&'static str, Option<String>); 11] {
    let seconds = call.now.as_micros().div_euclid(1_000_000);
    // The same for every attempt, as the key is, and without a dot, as the specification wants it.
    let id = format!("msg_{}", Digest::of(call.idempotency_key.as_bytes()).hex());
    let signatures: Vec<String> = call.signing.iter().map(|secret| secret.sign(&id, seconds, body)).collect();
    let is_signed = !signatures.is_empty();
    [
        ("idempotency-key", Some(visible(call.idempotency_key))),
        ("x-forward-idempotency-key", call.forward_key.map(visible)),
        ("x-forward-outcome", call.forward_unknown.then(|| "unknown".to_owned())),
        (
            "x-limits",
            (!call.limits.is_empty()).then(|| visible(&json::canonical_text(&Value::from(call.limits.clone())))),
        ),
        ("x-transactional-id", Some(visible(call.transaction))),
        ("traceparent", call.traceparent.map(visible)),
        (webhook::ID, is_signed.then_some(id)),
        (webhook::TIMESTAMP, is_signed.then(|| seconds.to_string())),
        (webhook::SIGNATURE, is_signed.then(|| signatures.join(" "))),
        (TASK_TOKEN, call.callback.map(|callback| callback.token.to_owned())),
        (CALLBACK, call.callback.map(|callback| callback.url.to_owned())),
    ]
}

/// What an outcome of [`HttpTarget::call`] says of the target; none where no call was made.
#[must_use]
pub fn verdict(outcome: &ReportedOutcome) -> Option<Verdict> {
    match outcome {
        ReportedOutcome::Completed(_) | ReportedOutcome::Accepted => Some(Verdict::Answers),
        ReportedOutcome::Failed(error) => match error.r#type.as_str() {
            error_type::HTTP_STATUS => Some(Verdict::Answers),
            error_type::CONNECTION => Some(Verdict::Fails),
            _ => None,
        },
        ReportedOutcome::Unknown(error) if error.r#type == error_type::RESPONSE_TOO_LARGE => Some(Verdict::Answers),
        ReportedOutcome::Unknown(_) => Some(Verdict::Fails),
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

/// What is to be seen of an answer.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// 202 says that the target reports later.
    is_later: bool,
    /// Headers that the outcome has beside the body.
    keep: &'a [String],
}

async fn exchange(client: &Client, request: reqwest::Request, asked: Asked<'_>) -> ReportedOutcome {
    let response = match client.execute(request).await {
        Ok(response) => response,
        // Nothing was sent before there was a connection.
        Err(error) if error.is_connect() => {
            return ReportedOutcome::Failed(match refused_address(&error) {
                Some(refused) => StepError::fatal(error_type::TARGET_NOT_ALLOWED, refused.to_string()),
                None => StepError::new(error_type::CONNECTION, describe(&error)),
            });
        }
        Err(error) => return unknown(error_type::CONNECTION, describe(&error)),
    };
    let status = response.status();
    if status == StatusCode::ACCEPTED && asked.is_later {
        return ReportedOutcome::Accepted;
    }
    let kept = kept(response.headers(), asked.keep);
    match (read(response, PAYLOAD_BYTES_MAX).await, status.is_success()) {
        (Ok(body), true) => completed(status, &body, kept).unwrap_or_else(too_large),
        (Ok(body), false) => refused(status, Some(&body)),
        (Err(ReadError::Cut(message)), true) => unknown(error_type::CONNECTION, message),
        (Err(ReadError::TooLarge), true) => too_large(),
        // What the status says holds, whatever became of the body.
        (Err(ReadError::Cut(_) | ReadError::TooLarge), false) => refused(status, None),
    }
}

/// The headers of an answer that are to be kept: of one that stands more than once the fields one after another, as RFC
/// 9110, 5.3 has it; of one that is no text, or not there, nothing. None: none are to be kept.
fn kept(headers: &HeaderMap, keep: &[String]) -> Option<Value> {
    let field = |name: &String| {
        let fields: Result<Vec<&str>, _> = headers.get_all(name).iter().map(HeaderValue::to_str).collect();
        let fields = fields.ok().filter(|fields| !fields.is_empty())?;
        Some((name.clone(), Value::from(fields.join(", "))))
    };
    (!keep.is_empty()).then(|| keep.iter().filter_map(field).collect())
}

/// None: it is larger than a payload may be.
fn completed(status: StatusCode, body: &[u8], kept: Option<Value>) -> Option<ReportedOutcome> {
    let bounds = json::Bounds { bytes: PAYLOAD_BYTES_MAX, values: JSON_VALUES_MAX };
    let body = match json::parse_within(body, bounds) {
        _ if body.is_empty() => Value::Null,
        Ok(parsed) => parsed.value,
        Err(_) => json!({ "status": status.as_u16(), "text": std::str::from_utf8(body).ok() }),
    };
    let output = Document::shared(match kept {
        Some(headers) => json!({ "headers": headers, "body": body }),
        None => body,
    });
    (output.canonical().len() <= PAYLOAD_BYTES_MAX).then_some(ReportedOutcome::Completed(output))
}

fn too_large() -> ReportedOutcome {
    let message = format!("the answer has more than {PAYLOAD_BYTES_MAX} bytes");
    ReportedOutcome::Unknown(StepError::fatal(error_type::RESPONSE_TOO_LARGE, message))
}

fn refused(status: StatusCode, body: Option<&[u8]>) -> ReportedOutcome {
    let mut message = format!("the target answered {}", status.as_u16());
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        message.push_str("; redirects are not followed");
    }
    let retryable = matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error();
    let error = if retryable { StepError::new } else { StepError::fatal };
    let error = StepError { detail: Some(Box::new(detail(status, body))), ..error(error_type::HTTP_STATUS, message) };
    if retryable { ReportedOutcome::Unknown(error) } else { ReportedOutcome::Failed(error) }
}

fn detail(status: StatusCode, body: Option<&[u8]>) -> Value {
    let mut detail = Map::from_iter([(String::from("status"), Value::from(status.as_u16()))]);
    let body = body.filter(|body| !body.is_empty() && body.len() <= DETAIL_BYTES_MAX);
    let shown = body.and_then(|body| {
        let text = || std::str::from_utf8(body).ok().map(Value::from);
        let bounds = json::Bounds { bytes: DETAIL_BYTES_MAX, values: JSON_VALUES_MAX };
        json::parse_within(body, bounds).ok().map(|parsed| parsed.value).or_else(text)
    });
    if let Some(shown) = shown {
        detail.insert(String::from("body"), shown);
    }
    Value::Object(detail)
}

/// Why a body was not read whole.
pub(crate) enum ReadError {
    Cut(String),
    TooLarge,
}

/// Reads a body of `bytes_max` bytes at most.
pub(crate) async fn read(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, ReadError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() > bytes_max => return Err(ReadError::TooLarge),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Err(ReadError::Cut(describe(&error))),
        }
    }
}

fn unknown(kind: &str, message: String) -> ReportedOutcome {
    ReportedOutcome::Unknown(StepError::new(kind, message))
}

/// The address at which the guard stopped a call.
fn refused_address(error: &reqwest::Error) -> Option<Refused> {
    let mut cause = error.source();
    while let Some(source) = cause {
        if let Some(refused) = source.downcast_ref::<Refused>() {
            return Some(*refused);
        }
        cause = source.source();
    }
    None
}

/// The error and its causes, without the URL: it may hold what must not be repeated.
pub(crate) fn describe(error: &reqwest::Error) -> String {
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
