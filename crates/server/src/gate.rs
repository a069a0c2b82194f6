//! The one layer around every route: limits, request id, credential, permission, time, log, metrics.

use crate::connections::{Connections, Seat};
use crate::extract::{CallerIs, Granted, Staying};
use crate::failure::Failure;
use crate::options::ServerOptions;
use crate::request_id::{RequestIds, trace_id, traceparent};
use crate::scope::Scope;
use crate::tally::{Class, Tally, keep};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chancery_api::{BEARER, Problem, ProblemKind, REQUEST_ID, Route};
use chancery_app::{About, App, Caller, Error, clock};
use chancery_base::{PrincipalId, Secret, TenantId};
use chancery_policy::Action;
use metrics::{counter, histogram};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::time::Duration;
use tracing::{Instrument as _, Span, debug, error, field, info, info_span, warn};

/// What all routes share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) app: App,
    pub(crate) options: Arc<ServerOptions>,
    pub(crate) request_ids: RequestIds,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) openapi: Bytes,
    /// Where others reach the server.
    pub(crate) base_url: String,
    pub(crate) connections: Arc<Connections>,
    pub(crate) tally: Arc<Tally>,
}

/// A route, or that there is none, where the gate stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) node: Arc<Node>,
    /// None for paths that no route has.
    pub(crate) route: Option<&'static Route>,
    /// What it takes to pass; none on open routes.
    pub(crate) action: Option<(Action, Scope)>,
    /// Which places its calls take.
    pub(crate) class: Class,
}

/// Lets a request pass, or not, and says how it went.
pub(crate) async fn gate(State(place): State<Place>, request: Request, next: Next) -> Response {
    let started = clock::instant();
    let request_id = place.node.request_ids.of(request.headers());
    let trace = traceparent(request.headers()).map(|text| trace_id(text).to_owned());
    let span = info_span!("request", request_id, trace_id = trace, tenant = field::Empty, principal = field::Empty);
    let method = word(request.method());
    let answered = pass(&place, request, next).instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(Failure::into_response);
    let failure = response.extensions_mut().remove::<Arc<Failure>>();
    let response = match &failure {
        Some(failure) => carry_headers(failure.render(&request_id), response.headers()),
        None => with_id(response, &request_id),
    };
    let _entered = span.enter();
    report(&place, method, response.status().as_u16(), clock::instant() - started, failure.as_deref());
    response
}

async fn pass(place: &Place, mut request: Request, next: Next) -> Result<Response, Failure> {
    check_size(&place.node.options, &request)?;
    let mut stay = None;
    if place.class == Class::Callback {
        let entered = place.node.tally.enter(place.class, &TenantId::system(), PrincipalId::SYSTEM)?;
        let entered = Arc::clone(stay.insert(Arc::new(entered)));
        request.extensions_mut().insert(Staying(entered));
    }
    if let Some((action, scope)) = place.action {
        let caller = authenticate(&place.node.app, request.headers())?;
        if let Some(seat) = request.extensions().get::<Arc<Seat>>() {
            seat.known(caller.tenant());
        }
        let span = Span::current();
        span.record("tenant", caller.tenant().as_str());
        span.record("principal", field::display(caller.principal().id));
        // Before anything is done for the call that takes more than finding out who calls.
        let entered = place.node.tally.enter(place.class, caller.tenant(), caller.principal().id)?;
        let entered = Arc::clone(stay.insert(Arc::new(entered)));
        request.extensions_mut().insert(Staying(entered));
        let about = scope.about(&place.node.app, &caller, action, request.uri().path())?;
        let grant = place.node.app.authorize(&caller, action, about).await?;
        request.extensions_mut().insert(Granted(grant));
        request.extensions_mut().insert(CallerIs { caller: Arc::new(caller), own_only: about == About::Own });
    }
    let longest = place.node.options.request_timeout;
    let response = tokio::time::timeout(longest, next.run(request)).await.ok().ok_or_else(|| {
        let detail = format!("the answer took longer than {longest:?}; what was asked may yet be done");
        Failure::from(Problem { retry_after: Some(1), ..Problem::new(ProblemKind::OutcomeUnknown, detail) })
    })?;
    match &stay {
        Some(stay) => keep(response, stay),
        None => Ok(response),
    }
}

/// Who shows the key in these headers.
pub(crate) fn authenticate(app: &App, headers: &HeaderMap) -> Result<Caller, Failure> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (shown.next(), shown.next()) else { return Err(Error::Unauthenticated.into()) };
    let text = value.to_str().ok().and_then(|text| text.strip_prefix(BEARER)).ok_or(Error::Unauthenticated)?;
    Ok(app.authenticate(&Secret::new(text.to_owned()))?)
}

fn check_size(options: &ServerOptions, request: &Request) -> Result<(), Failure> {
    let uri = request.uri();
    let uri_bytes = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if uri_bytes > options.uri_bytes_max {
        let detail =
            format!("the path and query have {uri_bytes} bytes, at most {} are allowed", options.uri_bytes_max);
        return Err(Problem::new(ProblemKind::UriTooLong, detail).into());
    }
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > options.headers_max || bytes > options.header_bytes_max {
        let detail = format!(
            "{} headers of {bytes} bytes, at most {} of {} bytes are allowed",
            headers.len(),
            options.headers_max,
            options.header_bytes_max
        );
        return Err(Problem::new(ProblemKind::HeadersTooLarge, detail).into());
    }
    Ok(())
}

fn with_id(mut response: Response, request_id: &str) -> Response {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// `Allow`, which the router sets where the method is wrong, belongs to the problem too.
fn carry_headers(mut rendered: Response, from: &HeaderMap) -> Response {
    if let Some(allow) = from.get(header::ALLOW) {
        rendered.headers_mut().insert(header::ALLOW, allow.clone());
    }
    rendered
}

fn report(place: &Place, method: &'static str, status: u16, took: Duration, failure: Option<&Failure>) {
    let route = place.route.map_or("none", |route| route.path);
    counter!("chancery_http_requests_total", "method" => method, "route" => route, "status" => status.to_string())
        .increment(1);
    histogram!("chancery_http_request_duration_seconds", "method" => method, "route" => route).record(took);
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if let Some(failure) = failure {
        let (problem, detail) = (failure.problem().problem_type.as_ref(), failure.problem().detail.as_str());
        match failure.cause() {
            Some(cause) if status >= 500 => error!(method, route, status, took_us, problem, "{cause}"),
            Some(cause) => warn!(method, route, status, took_us, problem, "{cause}"),
            None => info!(method, route, status, took_us, problem, "{method} {route} {status}: {detail}"),
        }
        return;
    }
    // Workers poll, probes and scrapers too: what goes well with them is not worth a line.
    let frequent = place.route.is_some_and(|route| {
        route.operation_id == "worker_exchange" || route.path == "/metrics" || route.path.starts_with("/health")
    });
    if frequent {
        debug!(method, route, status, took_us, "{method} {route} {status}");
    } else {
        info!(method, route, status, took_us, "{method} {route} {status}");
    }
}

/// The method as a label: what is not one of ours is one word, so that callers can't make labels.
fn word(method: &Method) -> &'static str {
    const KNOWN: [(&Method, &str); 7] = [
        (&Method::GET, "GET"),
        (&Method::POST, "POST"),
        (&Method::PATCH, "PATCH"),
        (&Method::DELETE, "DELETE"),
        (&Method::HEAD, "HEAD"),
        (&Method::PUT, "PUT"),
        (&Method::OPTIONS, "OPTIONS"),
    ];
    KNOWN.iter().find(|(known, _)| *known == method).map_or("other", |(_, word)| word)
}
