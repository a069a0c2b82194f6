//! Values of callers that are stored as payloads: how large they may be, and how deep they may nest.

use crate::Error;
use chancery_base::limits::{NESTING_MAX, PAYLOAD_BYTES_MAX};
use chancery_base::{Document, json};
use chancery_engine::StepError;
use chancery_shard::input::{Report, ReportedOutcome};
use serde_json::Value;
use std::sync::Arc;

/// A value that may be a payload, as it is shared from here on: what can't be read again is not taken.
pub(crate) fn taken(value: Value, what: &str) -> Result<Arc<Document>, Error> {
    taken_within(value, what, PAYLOAD_BYTES_MAX)
}

/// As [`taken`], of at most so many bytes as canonical JSON.
pub(crate) fn taken_within(value: Value, what: &str, bytes_max: usize) -> Result<Arc<Document>, Error> {
    if json::depth(&value) > NESTING_MAX {
        return Err(Error::Invalid(format!("{what} nests deeper than {NESTING_MAX}")));
    }
    let document = Document::shared(value);
    let bytes = document.canonical().len();
    if bytes > bytes_max {
        return Err(Error::Invalid(format!("{what} has {bytes} bytes, at most {bytes_max} are allowed")));
    }
    Ok(document)
}

/// What a worker says of a task, as it can be kept. With an output that can't be, the step is unknown: it was done, and
/// is undone if there is an undo. An error goes without a detail that can't. One such answer must not hold up those
/// that travel with it.
pub(crate) fn reported(report: Report) -> Report {
    Report { outcome: kept(report.outcome), ..report }
}

fn kept(outcome: ReportedOutcome) -> ReportedOutcome {
    match outcome {
        ReportedOutcome::Completed(output) => {
            let bytes = output.canonical().len();
            if bytes <= PAYLOAD_BYTES_MAX {
                return ReportedOutcome::Completed(output);
            }
            bad_output(format!("the output has {bytes} bytes, at most {PAYLOAD_BYTES_MAX} are taken"))
        }
        ReportedOutcome::Failed(error) => ReportedOutcome::Failed(without_large_detail(error)),
        ReportedOutcome::Unknown(error) => ReportedOutcome::Unknown(without_large_detail(error)),
        ReportedOutcome::Accepted => ReportedOutcome::Accepted,
    }
}

/// As [`reported`], of a closure, whose values did not come through the JSON reader: they are brought into its form.
pub(crate) fn said(outcome: Result<Value, StepError>) -> ReportedOutcome {
    kept(match outcome.map(json::normalize) {
        Ok(Ok(output)) => ReportedOutcome::Completed(Document::shared(output)),
        Ok(Err(problem)) => bad_output(format!("the output is no value: {problem}")),
        Err(error) => {
            let detail = error.detail.and_then(|detail| json::normalize(*detail).ok());
            ReportedOutcome::Failed(StepError { detail: detail.map(Box::new), ..error })
        }
    })
}

fn bad_output(message: String) -> ReportedOutcome {
    ReportedOutcome::Unknown(StepError::fatal("BadOutput", message))
}

fn without_large_detail(error: StepError) -> StepError {
    let detail = error.detail.filter(|detail| json::canonical_text(detail).len() <= PAYLOAD_BYTES_MAX);
    StepError { detail, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(bytes: usize) -> Value {
        Value::from("a".repeat(bytes - 2))
    }

    fn nested(depth: usize) -> Value {
        (0..depth).fold(Value::Null, |inner, _| json!([inner]))
    }

    #[test]
    fn a_payload_has_its_limits() {
        for good in [text(PAYLOAD_BYTES_MAX), nested(NESTING_MAX)] {
            assert_eq!(taken(good.clone(), "it").unwrap().value(), &good);
        }
        for (bad, says) in [
            (text(PAYLOAD_BYTES_MAX + 1), "it has 1048577 bytes, at most 1048576 are allowed"),
            (nested(NESTING_MAX + 1), "it nests deeper than 32"),
        ] {
            assert_eq!(taken(bad, "it").unwrap_err().to_string(), says);
        }
    }

    #[test]
    fn an_answer_that_can_not_be_kept_is_unknown_and_says_why() {
        let done = |value: Value| kept(ReportedOutcome::Completed(Document::shared(value)));
        assert!(matches!(done(text(PAYLOAD_BYTES_MAX)), ReportedOutcome::Completed(_)));
        for (outcome, says) in [
            (done(text(PAYLOAD_BYTES_MAX + 1)), "the output has 1048577 bytes, at most 1048576 are taken"),
            (said(Ok(nested(NESTING_MAX + 1))), "the output is no value: nested deeper than 32"),
        ] {
            let ReportedOutcome::Unknown(error) = outcome else { panic!("{outcome:?}") };
            assert_eq!((&*error.r#type, &*error.message, error.is_final), ("BadOutput", says, true));
        }
    }

    #[test]
    fn an_error_goes_without_a_detail_that_can_not_be_kept() {
        let failed = |detail: Value| StepError { detail: Some(Box::new(detail)), ..StepError::new("E", "m") };
        let detail_of = |outcome: ReportedOutcome| {
            let ReportedOutcome::Failed(error) = outcome else { panic!("{outcome:?}") };
            error.detail.map(|detail| *detail)
        };
        assert_eq!(detail_of(said(Err(failed(json!({ "at": 1.0 }))))), Some(json!({ "at": 1 })));
        for bad in [text(PAYLOAD_BYTES_MAX + 1), nested(NESTING_MAX + 1), json!(1e300)] {
            assert_eq!(detail_of(said(Err(failed(bad)))), None);
        }
        let large = ReportedOutcome::Failed(failed(text(PAYLOAD_BYTES_MAX + 1)));
        assert_eq!(detail_of(kept(large)), None);
    }
}
