//! What handlers take from a request.

use crate::failure::Failure;
use crate::gate::Node;
use crate::json;
use crate::request_id::traceparent;
use crate::tally::Stay;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use chancery_api::{IDEMPOTENCY_KEY, Problem, ProblemKind};
use chancery_app::Caller;
use chancery_base::limits::JSON_VALUE_BYTES;
use chancery_policy::Grant;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

/// The permission that the gate found; there is none on open routes.
#[derive(Debug, Clone)]
pub(crate) struct Granted(pub(crate) Grant);

/// Who calls, as the gate authenticated it.
#[derive(Debug, Clone)]
pub(crate) struct CallerIs {
    pub(crate) caller: Arc<Caller>,
    /// Whether a list may show only what is the caller's own.
    pub(crate) own_only: bool,
}

/// The call's place among those in hand; there is none on open routes.
#[derive(Debug, Clone)]
pub(crate) struct Staying(pub(crate) Arc<Stay>);

/// A body of JSON.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// A body of JSON of the Authorization API, which answers 400 to any other.
#[derive(Debug)]
pub(crate) struct AccessJson<T>(pub(crate) T);

/// A body that is a document: its bytes, and whether they are said to be JSON.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Bytes,
    pub(crate) is_json: bool,
}

/// A body of JSON, as its bytes: what reads it checks it.
#[derive(Debug)]
pub(crate) struct JsonDocument(pub(crate) Bytes);

/// The header `Idempotency-Key`.
#[derive(Debug)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

/// The header `traceparent`, if it is one.
#[derive(Debug)]
pub(crate) struct TraceParent(pub(crate) Option<String>);

/// The path as it was sent.
#[derive(Debug)]
pub(crate) struct Path(pub(crate) String);

/// The query.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// The path's only parameter.
#[derive(Debug)]
pub(crate) struct Param<T>(pub(crate) T);

/// The path's parameter `step`.
#[derive(Debug)]
pub(crate) struct StepParam<T>(pub(crate) T);

impl FromRequestParts<Arc<Node>> for Granted {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Node>) -> Result<Self, Failure> {
        // INVARIANT: the gate put it there, unless the table says that the route is open: then this is a defect, and
        // the route is closed.
        parts.extensions.get().cloned().ok_or_else(|| Failure::bug(String::from("an open route needs a grant")))
    }
}

impl FromRequestParts<Arc<Node>> for CallerIs {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Node>) -> Result<Self, Failure> {
        parts.extensions.get().cloned().ok_or_else(|| Failure::bug(String::from("an open route needs a caller")))
    }
}

impl FromRequestParts<Arc<Node>> for Staying {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Node>) -> Result<Self, Failure> {
        parts.extensions.get().cloned().ok_or_else(|| Failure::bug(String::from("an open route needs a place")))
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Node>> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, node: &Arc<Node>) -> Result<Self, Failure> {
        if !media_type(request.headers()).is_some_and(is_json) {
            return Err(unsupported("application/json"));
        }
        let (bytes, stay) = body(request, node).await?;
        let (read, values) = json::read(&bytes, node.options.body_bytes_max)?;
        drop(bytes);
        stay.hold(values * JSON_VALUE_BYTES)?;
        Ok(Self(read))
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Node>> for AccessJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, node: &Arc<Node>) -> Result<Self, Failure> {
        if !media_type(request.headers()).is_some_and(is_json) {
            let detail = "this route takes a body with `Content-Type: application/json`";
            return Err(Problem::new(ProblemKind::InvalidBody, detail).into());
        }
        Json::from_request(request, node).await.map(|Json(read)| Self(read))
    }
}

impl FromRequest<Arc<Node>> for Document {
    type Rejection = Failure;

    async fn from_request(request: Request, node: &Arc<Node>) -> Result<Self, Failure> {
        let is_json = match media_type(request.headers()) {
            Some(media_type) if is_json(media_type) => true,
            Some("application/yaml" | "application/x-yaml" | "text/yaml") => false,
            Some(_) | None => return Err(unsupported("application/yaml or application/json")),
        };
        let (bytes, stay) = body(request, node).await?;
        stay.document().await;
        Ok(Self { bytes, is_json })
    }
}

impl FromRequest<Arc<Node>> for JsonDocument {
    type Rejection = Failure;

    async fn from_request(request: Request, node: &Arc<Node>) -> Result<Self, Failure> {
        if !media_type(request.headers()).is_some_and(is_json) {
            return Err(unsupported("application/json"));
        }
        let (bytes, stay) = body(request, node).await?;
        stay.document().await;
        Ok(Self(bytes))
    }
}

impl FromRequestParts<Arc<Node>> for IdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Node>) -> Result<Self, Failure> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let (first, second) = (values.next(), values.next());
        if second.is_some() {
            return Err(invalid(IDEMPOTENCY_KEY, "the header stands twice"));
        }
        let text = first.map(|value| value.to_str().map(str::to_owned)).transpose();
        text.map(Self).map_err(|error| invalid(IDEMPOTENCY_KEY, &error.to_string()))
    }
}

impl FromRequestParts<Arc<Node>> for TraceParent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Node>) -> Result<Self, Infallible> {
        Ok(Self(traceparent(&parts.headers).map(str::to_owned)))
    }
}

impl FromRequestParts<Arc<Node>> for Path {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Node>) -> Result<Self, Infallible> {
        Ok(Self(parts.uri.path().to_owned()))
    }
}

impl<T: DeserializeOwned> FromRequestParts<Arc<Node>> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Node>) -> Result<Self, Failure> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query.map(|query| Self(query.0)).map_err(|error| invalid("the query", &error.body_text()))
    }
}

impl<T> FromRequestParts<Arc<Node>> for Param<T>
where
    T: FromStr<Err: Display>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Failure> {
        parameter(parts, node, |_| true).await.map(Self)
    }
}

impl<T> FromRequestParts<Arc<Node>> for StepParam<T>
where
    T: FromStr<Err: Display>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Failure> {
        parameter(parts, node, |name| name == "step").await.map(Self)
    }
}

/// The first parameter of the path whose name is meant.
async fn parameter<T>(parts: &mut Parts, node: &Arc<Node>, is_meant: impl Fn(&str) -> bool) -> Result<T, Failure>
where
    T: FromStr<Err: Display>,
{
    let found = RawPathParams::from_request_parts(parts, node).await;
    let found = found.map_err(|error| invalid("the path", &error.body_text()))?;
    let Some((name, text)) = found.iter().find(|(name, _)| is_meant(name)) else {
        return Err(Failure::bug(String::from("a route has not the parameter that its handler takes")));
    };
    text.parse().map_err(|error: T::Err| invalid(name, &error.to_string()))
}

/// A segment of a path, from 0; empty where there is none.
pub(crate) fn segment(path: &str, index: usize) -> &str {
    path.split('/').skip(1).nth(index).unwrap_or_default()
}

/// Says that a part of the request is wrong.
pub(crate) fn invalid(part: &str, what: &str) -> Failure {
    Problem::new(ProblemKind::InvalidRequest, format!("{part}: {what}")).into()
}

fn unsupported(wanted: &str) -> Failure {
    let detail = format!("this route takes a body with `Content-Type: {wanted}`");
    Problem::new(ProblemKind::UnsupportedMediaType, detail).into()
}

/// The media type without its parameters. It may have one: `charset=utf-8`.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (media_type, parameters) = text.split_once(';').unwrap_or((text, "charset=utf-8"));
    parameters.trim().eq_ignore_ascii_case("charset=utf-8").then_some(media_type.trim())
}

fn is_json(media_type: &str) -> bool {
    media_type.eq_ignore_ascii_case("application/json")
}

/// Reads a body whole: so many bytes, in so much time, and what it takes of the room is its call's.
async fn body(request: Request, node: &Node) -> Result<(Bytes, Arc<Stay>), Failure> {
    let max = node.options.body_bytes_max;
    let (parts, body) = request.into_parts();
    let Some(Staying(stay)) = parts.extensions.get::<Staying>().cloned() else {
        return Err(Failure::bug(String::from("an open route takes a body")));
    };
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let announced = announced.map(|bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX));
    if announced.is_some_and(|bytes| bytes > max) {
        return Err(too_large(max));
    }
    let gathered = gather(body, announced.unwrap_or(max), max, &stay);
    match tokio::time::timeout(node.options.body_timeout, gathered).await {
        Ok(gathered) => Ok((gathered?, stay)),
        Err(_) => {
            let detail = format!("the body did not arrive within {:?}", node.options.body_timeout);
            Err(Problem::new(ProblemKind::RequestTimeout, detail).into())
        }
    }
}

/// Copies what arrives into one place: a frame of one byte would keep the whole buffer that it arrived in. The place
/// grows with what has come, not with what was announced.
async fn gather(mut body: Body, announced: usize, max: usize, stay: &Stay) -> Result<Bytes, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Failure::from(Problem::new(ProblemKind::InvalidBody, format!("the body broke off: {error}")))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let needed = bytes.len() + data.len();
        if needed > max {
            return Err(too_large(max));
        }
        if needed > bytes.capacity() {
            let wanted = needed.max((2 * bytes.capacity()).min(announced));
            stay.hold(wanted)?;
            bytes.reserve_exact(wanted - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Bytes::from(bytes))
}

fn too_large(max: usize) -> Failure {
    Problem::new(ProblemKind::TooLarge, format!("a body may have {max} bytes")).into()
}
