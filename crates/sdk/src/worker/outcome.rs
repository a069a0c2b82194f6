//! From what a handler says to what is reported.

use super::HandlerError;
use super::task::Failure;
use chancery_api::worker::{Report, ReportError};
use chancery_base::limits::{NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, REPORT_NESTING_MAX, TEXT_BYTES_MAX};
use chancery_base::{Document, Name, json};
use serde::Serialize;
use serde_json::Value;

/// Bytes of a report beside its payload, at most.
const FRAME_BYTES: usize = 1_024;

/// An output as JSON. What can't be written was done nevertheless.
pub(crate) fn to_value<T: Serialize>(output: &T) -> Result<Value, HandlerError> {
    serde_json::to_value(output).map_err(|error| HandlerError::unknown("BadOutput", error.to_string()))
}

/// The report of a task and about how many bytes it has on the wire. What the server would refuse is made into what
/// it takes: one bad answer must not hold up those that travel with it.
pub(crate) fn report(task: String, outcome: Result<Value, HandlerError>) -> (Report, usize) {
    match outcome.and_then(checked) {
        Ok((output, bytes)) => {
            let report = Report { task, output: Some(Document::shared(output)), error: None };
            (report, bytes.saturating_add(FRAME_BYTES))
        }
        Err(error) => {
            let (error, bytes) = presentable(error);
            (Report { task, output: None, error: Some(error) }, bytes.saturating_add(FRAME_BYTES))
        }
    }
}

/// An output that the server takes, and its bytes.
fn checked(output: Value) -> Result<(Value, usize), HandlerError> {
    let bad = |reason: String| HandlerError::unknown("BadOutput", reason);
    let output = json::normalize(output).map_err(|reason| bad(reason.to_owned()))?;
    if json::depth(&output) > REPORT_NESTING_MAX {
        return Err(bad(format!("the output nests deeper than {REPORT_NESTING_MAX}")));
    }
    let text = json::canonical_text(&output);
    if text.len() > PAYLOAD_BYTES_MAX {
        return Err(bad(format!("the output has {} bytes, at most {PAYLOAD_BYTES_MAX} are taken", text.len())));
    }
    Ok((output, text.len()))
}

fn presentable(error: HandlerError) -> (ReportError, usize) {
    let Failure { kind, message, detail, unknown, is_final } = error.into_failure();
    let detail = detail.and_then(|detail| checked(detail).ok());
    let bytes = detail.as_ref().map_or(0, |(_, bytes)| *bytes).saturating_add(TEXT_BYTES_MAX);
    let error_type = if kind.parse::<Name>().is_ok() { kind } else { as_name(&kind) };
    let message = shorten(message, TEXT_BYTES_MAX);
    (ReportError { error_type, message, detail: detail.map(|(detail, _)| detail), unknown, is_final }, bytes)
}

/// A kind that is no name, as one: other characters become `-`.
fn as_name(kind: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String =
        kind.chars().map(plain).skip_while(|c| !c.is_ascii_alphanumeric()).take(NAME_BYTES_MAX).collect();
    if name.is_empty() { "Error".to_owned() } else { name }
}

fn shorten(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}
