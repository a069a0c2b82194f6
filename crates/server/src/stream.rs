//! Answers that are made while they are sent: no more of one is in memory than the piece under way.

use crate::failure::Failure;
use crate::reply;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use chancery_app::Error;
use chancery_app::exports::Export;
use hyper::body::{Body as HttpBody, Frame};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tracing::warn;

type Piece = Pin<Box<dyn Future<Output = (Export, Result<Option<String>, Error>)> + Send>>;

/// The body of an export.
struct Pieces {
    /// The piece under way; none when it is over.
    next: Option<Piece>,
}

/// An export as a file to be saved.
pub(crate) fn export(export: Export) -> Result<Response, Failure> {
    let (form, manifest) = (export.form(), export.manifest());
    let tenant = manifest.origin.tenant();
    let last = manifest.to.saturating_sub(1);
    let name = format!("attachment; filename=\"{tenant}-{}-{last}.{}\"", manifest.from, form.extension());
    let name = HeaderValue::from_str(&name).map_err(|error| Failure::bug(error.to_string()))?;
    let body = Body::new(Pieces { next: Some(piece(export)) });
    let mut response = reply::typed(StatusCode::OK, form.media_type(), body);
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn piece(mut export: Export) -> Piece {
    Box::pin(async move {
        let piece = export.next().await;
        (export, piece)
    })
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Error;

    /// An error breaks the answer off, so that nobody takes a part for the whole.
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let Poll::Ready((export, made)) = next.as_mut().poll(cx) else { return Poll::Pending };
        self.next = None;
        Poll::Ready(match made {
            Ok(Some(text)) => {
                self.next = Some(piece(export));
                Some(Ok(Frame::data(Bytes::from(text))))
            }
            Ok(None) => None,
            Err(error) => {
                let tenant = export.manifest().origin.tenant();
                warn!(%tenant, entry = export.manifest().entry, "an export of `{tenant}` broke off: {error}");
                Some(Err(error))
            }
        })
    }
}
