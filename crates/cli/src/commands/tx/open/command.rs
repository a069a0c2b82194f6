//! A command as a step.

use crate::error::CliError;
use chancery_api::open::OpenPermit;
use chancery_api::worker::ReportError;
use chancery_base::json;
use chancery_base::limits::{PAYLOAD_BYTES_MAX, REPORT_NESTING_MAX, TEXT_BYTES_MAX};
use serde_json::Value;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// What a command came to: an output or an error.
type Came = (Option<Value>, Option<ReportError>);

/// Runs a command with the step's input, and makes an outcome of what it leaves.
pub(super) async fn run(
    words: &[String],
    input: &Value,
    permit: &OpenPermit,
    failed_on: &[i32],
) -> Result<Came, CliError> {
    let [program, arguments @ ..] = words else { return Err(CliError::Usage("a command is needed".to_owned())) };
    let child = Command::new(program)
        .args(arguments)
        .env("CHANCERY_IDEMPOTENCY_KEY", &permit.idempotency_key)
        .env("CHANCERY_ATTEMPT", permit.attempt.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        // It never began.
        Err(error) => return Ok((None, Some(failure("CommandNotRun", format!("{program}: {error}"), false)))),
    };
    let bytes = json::canonical(input);
    let feed = child.stdin.take();
    let feeding = async move {
        if let Some(mut feed) = feed {
            // A command need not read its input.
            drop(feed.write_all(&bytes).await);
        }
    };
    let (left, ()) = tokio::join!(child.wait_with_output(), feeding);
    let left = match left {
        Ok(left) => left,
        Err(error) => return Ok((None, Some(failure("CommandLost", error.to_string(), true)))),
    };
    let said = String::from_utf8_lossy(&left.stderr).into_owned();
    match left.status.code() {
        Some(0) => Ok(output(&left.stdout)),
        Some(code) => {
            let is_unknown = !failed_on.contains(&code);
            Ok((None, Some(failure("CommandFailed", format!("exit code {code}: {said}"), is_unknown))))
        }
        None => Ok((None, Some(failure("CommandKilled", format!("{}: {said}", left.status), true)))),
    }
}

/// What was printed, as JSON or else as text. What can't be told was done all the same.
fn output(printed: &[u8]) -> Came {
    if printed.len() > PAYLOAD_BYTES_MAX {
        let message = format!("it printed {} bytes, at most {PAYLOAD_BYTES_MAX} are taken", printed.len());
        return (None, Some(failure("BadOutput", message, true)));
    }
    let text = String::from_utf8_lossy(printed);
    let text = text.trim();
    if text.is_empty() {
        return (Some(Value::Null), None);
    }
    let value = json::parse(text.as_bytes(), PAYLOAD_BYTES_MAX).ok();
    let value = value.filter(|value| json::depth(value) <= REPORT_NESTING_MAX);
    (Some(value.unwrap_or_else(|| Value::from(text))), None)
}

fn failure(kind: &str, mut message: String, unknown: bool) -> ReportError {
    message.truncate(message.floor_char_boundary(TEXT_BYTES_MAX));
    ReportError { error_type: kind.to_owned(), message, detail: None, unknown, is_final: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_base::{DecisionId, Entropy, Timestamp};
    use serde_json::json;

    fn came(words: &[&str]) -> Came {
        let permit = OpenPermit {
            task: "tsk".to_owned(),
            attempt: 2,
            idempotency_key: "trip-17/hotel".to_owned(),
            unknown: false,
            decision: DecisionId::draw(Timestamp::EPOCH, &mut Entropy::from_seed([1; 32])),
            deadline: Timestamp::EPOCH,
            limits: serde_json::Map::new(),
        };
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&words, &json!({ "a": 1 }), &permit, &[3])).unwrap()
    }

    #[test]
    fn what_a_command_leaves_is_the_outcome() {
        assert_eq!(came(&["cat"]), (Some(json!({ "a": 1 })), None));
        let told = came(&["sh", "-c", "echo $CHANCERY_IDEMPOTENCY_KEY $CHANCERY_ATTEMPT"]);
        assert_eq!(told, (Some(json!("trip-17/hotel 2")), None));
        assert_eq!(came(&["true"]), (Some(Value::Null), None));
        let error = |words: &[&str]| came(words).1.map(|error| (error.error_type, error.unknown)).unwrap();
        assert_eq!(error(&["sh", "-c", "echo no >&2; exit 3"]), ("CommandFailed".to_owned(), false));
        assert_eq!(error(&["sh", "-c", "exit 4"]), ("CommandFailed".to_owned(), true));
        assert_eq!(error(&["sh", "-c", "kill -9 $$"]), ("CommandKilled".to_owned(), true));
        assert_eq!(error(&["/no/such/command"]), ("CommandNotRun".to_owned(), false));
    }
}
