//! What auditors read.

use crate::convert;
use crate::cursor;
use crate::extract::{Granted, Path, Query, invalid, segment};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{self, Ok200};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use chancery_api::ledger::{
    ConsistencyProof, ConsistencyQuery, EntriesQuery, Entry, InclusionProof, InclusionQuery, Logs,
};
use chancery_api::page::Page;
use chancery_api::{Problem, ProblemKind};
use chancery_app::ledger::{self, EntryFilter, Served};
use chancery_app::receipts::{self, Subject};
use chancery_base::Name;
use chancery_engine::Phase;
use chancery_ledger::Resource;
use std::str::FromStr as _;
use std::sync::Arc;

pub(crate) async fn logs(State(node): State<Arc<Node>>, Granted(grant): Granted) -> Result<Ok200<Logs>, Failure> {
    let items = ledger::logs(&node.app, &grant).await?;
    Ok(Ok200(Logs { items: items.iter().map(convert::log).collect() }))
}

pub(crate) async fn entries(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<EntriesQuery>,
) -> Result<Ok200<Page<Entry>>, Failure> {
    let mut page = cursor::page(query.limit, query.cursor.as_deref())?;
    page.after = page.after.or(query.from.and_then(|from: u64| from.checked_sub(1)));
    let filter = EntryFilter { transaction: query.transaction };
    let found = ledger::entries(&node.app, &grant, filter, page).await?;
    Ok(Ok200(cursor::wire(found, convert::entry)))
}

pub(crate) async fn inclusion(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<InclusionQuery>,
) -> Result<Ok200<InclusionProof>, Failure> {
    let proof = ledger::inclusion(&node.app, &grant, query.entry, query.size).await?;
    Ok(Ok200(convert::inclusion(proof)))
}

pub(crate) async fn consistency(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<ConsistencyQuery>,
) -> Result<Ok200<ConsistencyProof>, Failure> {
    let proof = ledger::consistency(&node.app, &grant, query.from, query.to).await?;
    Ok(Ok200(convert::consistency(&proof)))
}

pub(crate) async fn key(State(node): State<Arc<Node>>, Granted(_): Granted) -> Response {
    reply::text(format!("{}\n", ledger::key(&node.app)))
}

/// As JSON, or as a `.tlog-proof` for who asks for text.
pub(crate) async fn receipt(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    headers: HeaderMap,
    Path(path): Path,
) -> Result<Response, Failure> {
    let text = path.strip_prefix("/v1/receipts/").unwrap_or_default();
    // Brackets may be sent as they are (`ship[3]`), or escaped, as RFC 3986 has it.
    let escaped = [("%5B", "["), ("%5b", "["), ("%5D", "]"), ("%5d", "]")];
    let text = escaped.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let subject = subject(&text)?;
    if wants_text(&headers) {
        return Ok(reply::text(receipts::tlog_proof(&node.app, &grant, &subject).await?));
    }
    let bytes = receipts::json(&node.app, &grant, &subject).await?;
    Ok(reply::typed(StatusCode::OK, "application/json", bytes))
}

/// The tenant stands in the path, as origins have it, and is the caller's own, or there is nothing there.
pub(crate) async fn tlog(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Path(path): Path,
) -> Result<Response, Failure> {
    let (shard, generation, resource) =
        place(&path).filter(|_| segment(&path, 1) == grant.tenant().as_str()).ok_or_else(nothing)?;
    Ok(match ledger::tlog(&node.app, &grant, shard, generation, resource).await? {
        Served::Checkpoint(note) => cached(reply::text(note), "no-cache"),
        Served::Immutable(bytes) => {
            let response = reply::typed(StatusCode::OK, "application/octet-stream", bytes);
            cached(response, "private, max-age=31536000, immutable")
        }
    })
}

/// `/tlog/<tenant>/<shard>/<generation>/<resource>`
fn place(path: &str) -> Option<(u16, u32, Resource)> {
    let mut parts = path.strip_prefix("/tlog/")?.splitn(4, '/').skip(1);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn nothing() -> Problem {
    Problem::new(ProblemKind::NotFound, "there is no such log, or it serves nothing under this path")
}

fn cached(mut response: Response, how: &'static str) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(how));
    response
}

fn wants_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.trim_start().starts_with("text/plain"))
}

fn subject(text: &str) -> Result<Subject, Failure> {
    const FORM: &str = "a receipt is of `<number>`, `txn_…`, `txn_…/<step>`, `txn_…/<step>[<index>]`, or one of these two with `/undo` or `/confirm`";
    let wrong = || invalid("entry", FORM);
    if let Ok(seq) = text.parse() {
        return Ok(Subject::Entry(seq));
    }
    let mut parts = text.split('/');
    let transaction = parts.next().and_then(|id| id.parse().ok()).ok_or_else(wrong)?;
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => Ok(Subject::Transaction(transaction)),
        (Some(step), phase @ (None | Some("undo" | "confirm")), None) => {
            // A clone is named by its step's id and its index behind it: `ship[3]`.
            let id = step.strip_suffix(']').and_then(|step| step.split_once('[')).map_or(step, |(id, _)| id);
            Name::from_str(id).map_err(|error| invalid("entry", &error.to_string()))?;
            let phase = phase.and_then(Phase::from_word).unwrap_or(Phase::Do);
            Ok(Subject::Step { transaction, step: step.to_owned(), phase })
        }
        (Some(_), Some(_), _) | (Some(_), None, Some(_)) => Err(wrong()),
    }
}
