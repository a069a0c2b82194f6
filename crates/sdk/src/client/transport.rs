//! Calls over HTTP: how they are written, repeated and read.

use super::ClientOptions;
use crate::Error;
use chancery_api::{BEARER, IDEMPOTENCY_KEY, Problem, TRACEPARENT};
use chancery_base::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;
use tokio::time::Instant;

const JSON: &str = "application/json";
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What calls are made through.
#[derive(Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base: Url,
    options: ClientOptions,
}

/// A call to make.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    operation: &'static str,
    method: Method,
    path: Vec<String>,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Body>,
    repeatable: bool,
    wait: Duration,
}

/// A body and its type.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    content_type: &'static str,
    bytes: Vec<u8>,
}

/// An answer and when the server gave it, to the second.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) bytes: Vec<u8>,
    pub(crate) date: Option<Timestamp>,
}

/// An answer that is read piece by piece.
#[derive(Debug)]
pub(crate) struct Pieces {
    operation: &'static str,
    server: String,
    response: Response,
    longest: Duration,
}

impl Pieces {
    /// The next piece; none where it was the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let (operation, server) = (self.operation, &self.server);
        match tokio::time::timeout(self.longest, self.response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece.map(|bytes| bytes.to_vec())),
            Ok(Err(source)) => {
                Err(Error::Unreachable { operation, server: server.clone(), source: source.without_url() })
            }
            Err(_elapsed) => Err(Error::Silent { operation, server: server.clone() }),
        }
    }
}

impl Body {
    pub(crate) fn json<T: Serialize>(value: &T) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(value)
            .map_err(|error| Error::Request { operation: "write the request", reason: error.to_string() })?;
        Ok(Self { content_type: JSON, bytes })
    }

    pub(crate) fn text(content_type: &'static str, text: &str) -> Self {
        Self { content_type, bytes: text.as_bytes().to_vec() }
    }
}

impl Call {
    fn new(method: Method, operation: &'static str, path: &[&str]) -> Self {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        Self {
            operation,
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            repeatable: false,
            wait: Duration::ZERO,
        }
    }

    /// Reads; safe to repeat.
    pub(crate) fn get(operation: &'static str, path: &[&str]) -> Self {
        Self::new(Method::GET, operation, path).repeatable()
    }

    pub(crate) fn post(operation: &'static str, path: &[&str]) -> Self {
        Self::new(Method::POST, operation, path)
    }

    pub(crate) fn put(operation: &'static str, path: &[&str]) -> Self {
        Self::new(Method::PUT, operation, path)
    }

    pub(crate) fn patch(operation: &'static str, path: &[&str]) -> Self {
        Self::new(Method::PATCH, operation, path)
    }

    pub(crate) fn delete(operation: &'static str, path: &[&str]) -> Self {
        Self::new(Method::DELETE, operation, path)
    }

    pub(crate) fn body(self, body: Body) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn parameter(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Every member of a query type as a parameter.
    pub(crate) fn query<T: Serialize>(mut self, query: &T) -> Result<Self, Error> {
        self.query.extend(parameters(query)?);
        Ok(self)
    }

    /// The same call again changes nothing more.
    pub(crate) fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    /// It begins something: with an idempotency key the same call again begins nothing more.
    pub(crate) fn begins(mut self, idempotency_key: Option<&str>, traceparent: Option<&str>) -> Self {
        if let Some(key) = idempotency_key {
            self = self.header(IDEMPOTENCY_KEY, key).repeatable();
        }
        match traceparent {
            Some(traceparent) => self.header(TRACEPARENT, traceparent),
            None => self,
        }
    }

    /// It asks the server to wait so long.
    pub(crate) fn waits(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }
}

/// The members of a query type, in their order.
pub(super) fn parameters<T: Serialize>(query: &T) -> Result<Vec<(String, String)>, Error> {
    let operation = "write the query";
    let value = serde_json::to_value(query);
    let value = value.map_err(|error| Error::Request { operation, reason: error.to_string() })?;
    let serde_json::Value::Object(members) = value else {
        return Err(Error::Request { operation, reason: "it is no object".to_owned() });
    };
    let text = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(members.into_iter().map(|(name, value)| (name, text(value))).collect())
}

impl Transport {
    pub(crate) fn new(options: ClientOptions) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Server { server: options.server.clone(), reason };
        let base = Url::parse(&options.server).map_err(|error| wrong(error.to_string()))?;
        let is_secure = match base.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("it begins neither with http:// nor https://".to_owned())),
        };
        // The HTTP client wants one even if it never uses it. It may have been set before, by whoever else uses TLS in
        // this process, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut key = HeaderValue::from_str(&format!("{BEARER}{}", options.key.expose()))
            .map_err(|_invalid| wrong("the key has characters that no key has".to_owned()))?;
        key.set_sensitive(true);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, key), (ACCEPT, HeaderValue::from_static(JSON))]);
        let builder = reqwest::Client::builder();
        // Without TLS no root certificates are needed, and a machine that has none is no obstacle.
        let builder = if is_secure { builder } else { builder.tls_certs_only([]) };
        let http = builder
            .default_headers(headers)
            .user_agent(concat!("chancery-sdk/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { http, base, options })
    }

    pub(crate) fn server(&self) -> &str {
        &self.options.server
    }

    /// Makes a call and reads its JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let operation = call.operation;
        let answered = self.bytes(call).await?;
        serde_json::from_slice(&answered.bytes).map_err(|source| Error::Answer { operation, source })
    }

    /// Makes a call whose answer is text.
    pub(crate) async fn text(&self, call: Call) -> Result<String, Error> {
        let bytes = self.bytes(call).await?.bytes;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Makes a call; again and again while that is safe, may help, and the client's patience lasts.
    pub(crate) async fn bytes(&self, call: Call) -> Result<Answered, Error> {
        let gives_up_at = Instant::now() + self.options.patience;
        let mut pause = PAUSE_MIN;
        loop {
            let error = match self.once(&call).await {
                Ok(answered) => return Ok(answered),
                Err(error) => error,
            };
            let wait = error.retry_after().unwrap_or_default().max(spread(pause));
            if !call.repeatable || !error.is_temporary() || Instant::now() + wait > gives_up_at {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Makes a call once.
    pub(crate) async fn once(&self, call: &Call) -> Result<Answered, Error> {
        let longest = self.options.timeout.saturating_add(call.wait);
        let response = self.send(call, |request| request.timeout(longest)).await?;
        let date = date(&response);
        let bytes = response.bytes().await.map_err(|source| self.unreachable(call.operation, source))?;
        Ok(Answered { bytes: bytes.to_vec(), date })
    }

    /// Makes a call once; its answer is read piece by piece, and may take as long as none of them takes too long.
    pub(crate) async fn pieces(&self, call: &Call) -> Result<Pieces, Error> {
        let longest = self.options.timeout.saturating_add(call.wait);
        let sent = self.send(call, |request| request);
        let response = tokio::time::timeout(longest, sent).await;
        let silent = |_elapsed| Error::Silent { operation: call.operation, server: self.options.server.clone() };
        let response = response.map_err(silent)??;
        Ok(Pieces { operation: call.operation, server: self.options.server.clone(), response, longest })
    }

    async fn send(
        &self,
        call: &Call,
        how: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Result<Response, Error> {
        let operation = call.operation;
        let mut request = how(self.http.request(call.method.clone(), self.url(call)?));
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, body.content_type).body(body.bytes.clone());
        }
        let response = request.send().await.map_err(|source| self.unreachable(operation, source))?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(response);
        }
        let retry_after = seconds(&response);
        let bytes = response.bytes().await.map_err(|source| self.unreachable(operation, source))?;
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => {
                let retry_after = problem.retry_after.or(retry_after);
                Err(Error::Problem(Box::new(Problem { retry_after, ..problem })))
            }
            Err(_not_a_problem) => Err(Error::Foreign { operation, status }),
        }
    }

    fn unreachable(&self, operation: &'static str, source: reqwest::Error) -> Error {
        Error::Unreachable { operation, server: self.options.server.clone(), source: source.without_url() }
    }

    fn url(&self, call: &Call) -> Result<Url, Error> {
        let mut url = self.base.clone();
        let reason = "the server's address takes no path".to_owned();
        let mut segments =
            url.path_segments_mut().map_err(|()| Error::Request { operation: call.operation, reason })?;
        segments.pop_if_empty().extend(&call.path);
        drop(segments);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }
}

/// The `Date` of an answer (RFC 9110, 6.6.1).
fn date(response: &Response) -> Option<Timestamp> {
    let text = response.headers().get(DATE)?.to_str().ok()?;
    let instant = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Timestamp::from_micros(instant.timestamp().as_microsecond()))
}

fn seconds(response: &Response) -> Option<u64> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

/// A number in 0..=1000 that differs from process to process and call to call.
pub(crate) fn chance() -> u32 {
    let hash = RandomState::new().hash_one(0_u8);
    u32::try_from(hash % 1_001).unwrap_or(0)
}

/// Between half of a pause and all of it, so that many clients do not come back at once.
fn spread(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + f64::from(chance()) / 2_000.0)
}
