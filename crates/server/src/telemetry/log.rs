//! Logs: one JSON object a line for machines, text for a terminal.
//!
//! An object has `timestamp`, `level`, `logger`, `message`, the event's own fields, and what the request's span knows:
//! `request_id`, `trace_id`, `tenant`, `principal`.

use chancery_app::clock;
use serde_json::{Map, Value};
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, to the standard output.
    Json,
    /// Lines for people, to the standard error.
    Text,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error("`{filter}` is not a log filter such as `info` or `info,chancery_server=debug`")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Something else in this process logs already.
    #[error("the log can't be installed")]
    Installed(#[from] TryInitError),
}

/// Makes the process log.
///
/// # Errors
/// If the filter does not parse, or something else in this process logs already.
pub fn install_logs(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let parsed = EnvFilter::try_new(filter);
    let filter = parsed.map_err(|source| LogError::Filter { filter: filter.to_owned(), source })?;
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Json => registry.with(JsonLines).try_init()?,
        LogFormat::Text => {
            let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
            registry.with(lines.with_ansi(io::stderr().is_terminal())).try_init()?;
        }
    }
    Ok(())
}

/// Writes each event as a line of JSON to the standard output.
#[derive(Debug)]
struct JsonLines;

/// What a span knows.
struct Known(Map<String, Value>);

impl<S> Layer<S> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Map::new();
        attributes.record(&mut Fields(&mut fields));
        span.extensions_mut().insert(Known(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(Known(fields)) = span.extensions_mut().get_mut() {
            values.record(&mut Fields(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let bytes = render(event.metadata(), line(event, &context));
        // A log that can't be written has nobody to be told.
        drop(io::stdout().lock().write_all(&bytes));
    }
}

/// What the spans around an event know, from the outermost on, and what it says itself.
fn line<S>(event: &Event<'_>, context: &Context<'_, S>) -> Map<String, Value>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut line = Map::new();
    for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
        if let Some(Known(fields)) = span.extensions().get() {
            line.extend(fields.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
    }
    event.record(&mut Fields(&mut line));
    line
}

fn render(metadata: &tracing::Metadata<'_>, mut line: Map<String, Value>) -> Vec<u8> {
    line.insert(String::from("timestamp"), Value::from(clock::now().to_string()));
    line.insert(String::from("level"), Value::from(metadata.level().as_str()));
    line.insert(String::from("logger"), Value::from(metadata.target()));
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::from(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// The same layer, but it keeps its lines.
    struct Kept(Arc<Mutex<Vec<Map<String, Value>>>>);

    impl<S> Layer<S> for Kept
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
            JsonLines.on_new_span(attributes, id, context);
        }
        fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
            JsonLines.on_record(id, values, context);
        }
        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            let line = line(event, &context);
            self.0.lock().unwrap().push(serde_json::from_slice(&render(event.metadata(), line)).unwrap());
        }
    }

    #[test]
    fn an_event_knows_its_request() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Kept(Arc::clone(&lines)));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", request_id = "r1", tenant = tracing::field::Empty);
            span.record("tenant", "acme");
            span.in_scope(|| tracing::warn!(status = 503_u64, "it is \"broken\""));
        });
        let lines = lines.lock().unwrap();
        let line = &lines[0];
        for (key, value) in [
            ("level", Value::from("WARN")),
            ("logger", Value::from(module_path!())),
            ("message", Value::from("it is \"broken\"")),
            ("request_id", Value::from("r1")),
            ("tenant", Value::from("acme")),
            ("status", Value::from(503)),
        ] {
            assert_eq!(line.get(key), Some(&value), "{key}");
        }
        assert!(line["timestamp"].as_str().is_some_and(|text| text.ends_with('Z')));
    }
}
