//! Answers.

use crate::failure::Failure;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// JSON with 200.
#[derive(Debug)]
pub(crate) struct Ok200<T>(pub(crate) T);

/// JSON with 201, or with 200 where it had been made before.
#[derive(Debug)]
pub(crate) struct Made<T> {
    pub(crate) existing: bool,
    pub(crate) body: T,
}

/// 204.
#[derive(Debug)]
pub(crate) struct Empty;

impl<T: Serialize> IntoResponse for Ok200<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        json(if self.existing { StatusCode::OK } else { StatusCode::CREATED }, &self.body)
    }
}

impl IntoResponse for Empty {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// JSON with a status.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => typed(status, "application/json", bytes),
        Err(error) => Failure::bug(format!("an answer could not be written: {error}")).into_response(),
    }
}

/// Bytes of a media type.
pub(crate) fn typed(status: StatusCode, media_type: &'static str, bytes: impl Into<Body>) -> Response {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Bytes of a media type that a caller chose. A browser keeps them, and neither shows nor runs them.
pub(crate) fn attachment(media_type: &str, bytes: Vec<u8>) -> Result<Response, Failure> {
    let media_type = HeaderValue::from_str(media_type);
    let media_type = media_type.map_err(|error| Failure::bug(format!("a media type is no header: {error}")))?;
    let mut response = typed(StatusCode::OK, "application/octet-stream", bytes);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// Plain text.
pub(crate) fn text(body: String) -> Response {
    typed(StatusCode::OK, "text/plain; charset=utf-8", body)
}
