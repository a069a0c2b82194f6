//! The documents of undos and confirms, and of how they and steps are tried again.

use super::{ConfirmPlan, FINAL, RetryPlan, UndoPlan, inline};
use serde_json::{Map, Value, json};

impl UndoPlan {
    pub(super) fn document(&self) -> Value {
        let mut document = if self.is_event {
            // Nobody is called, and so nothing is tried again.
            Map::from_iter([("run".to_owned(), inline::event("sim.undone"))])
        } else {
            closing(self.is_noop, &self.retry, self.timeout)
        };
        document.extend(self.on_error.map(|on_error| ("on_error".to_owned(), json!(on_error))));
        document.extend(self.is_critical.then(|| ("critical".to_owned(), json!(true))));
        Value::Object(document)
    }
}

impl ConfirmPlan {
    pub(super) fn document(&self) -> Value {
        Value::Object(closing(self.is_noop, &self.retry, self.timeout))
    }
}

/// What an undo and a confirm say alike.
fn closing(is_noop: bool, retry: &RetryPlan, timeout: u64) -> Map<String, Value> {
    let run = if is_noop { json!("noop") } else { json!({ "worker": "queue.undo" }) };
    let parts = [("run", run), ("retry", retry.document()), ("timeout", json!(format!("{timeout}ms")))];
    parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

impl RetryPlan {
    pub(super) fn document(&self) -> Value {
        let mut retry = json!({ "attempts": self.attempts, "backoff": format!("{}ms", self.backoff) });
        if let Some(retry) = retry.as_object_mut().filter(|_| self.unless) {
            retry.insert("unless".to_owned(), json!([FINAL]));
        }
        retry
    }
}
