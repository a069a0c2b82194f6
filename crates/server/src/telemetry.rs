//! Logs and metrics of the process.

mod log;

pub use log::{LogError, LogFormat, install_logs};

use crate::connections::Connections;
use crate::tally::Tally;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// Seconds: from a commit without a sync to a long poll.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];
/// Counts of things in a batch.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 4_096.0, 8_192.0];

/// Makes the process count; later calls give what the first one installed. Call it before anything is to be counted.
pub fn install_metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(install).clone()
}

fn install() -> PrometheusHandle {
    let buckets = [("_seconds", SECONDS), ("_inputs", COUNTS), ("_entries", COUNTS)];
    let builder = buckets.into_iter().try_fold(PrometheusBuilder::new(), |builder, (suffix, values)| {
        builder.set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), values)
    });
    // INVARIANT: only empty buckets are refused.
    let builder = builder.unwrap_or_else(|_| PrometheusBuilder::new());
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("something else in this process counts: /metrics stays empty");
    }
    chancery_app::health::describe_metrics();
    metrics::describe_counter!("chancery_http_requests_total", "HTTP requests, by method, route and status");
    metrics::describe_histogram!(
        "chancery_http_request_duration_seconds",
        metrics::Unit::Seconds,
        "From the request's head to the answer's, by method and route"
    );
    describe_limits();
    handle
}

fn describe_limits() {
    use metrics::Unit::{Bytes, Count};
    use metrics::{describe_counter, describe_gauge};
    describe_counter!(
        "chancery_http_connections_refused_total",
        "Connections that found no place, for all others had a request in hand"
    );
    describe_counter!(
        "chancery_http_connections_displaced_total",
        "Connections closed while they waited, to make room for another, by whose they were: `stranger` or `tenant`"
    );
    describe_counter!("chancery_http_connections_stalled_total", "Connections that took nothing of their answer");
    describe_counter!(
        "chancery_http_refused_total",
        "Calls refused for a limit on what is in hand, by whose limit it is (`node`, `tenant`, `principal`) and what of"
    );
    describe_gauge!("chancery_http_connections", Count, "Connections, by whose they are: `stranger` or `tenant`");
    describe_gauge!("chancery_http_calls", Count, "Calls in hand, by class: `call` or `exchange`");
    describe_gauge!("chancery_http_room_bytes", Bytes, "What large bodies and answers in hand take");
}

/// Sets the gauges to what holds now; to be called before they are read.
pub(crate) fn measure(connections: &Connections, tally: &Tally) {
    let (all, strangers) = connections.counts();
    let (calls, exchanges, room) = tally.counts();
    let set = |gauge: metrics::Gauge, count| gauge.set(u32::try_from(count).map_or(f64::from(u32::MAX), f64::from));
    set(metrics::gauge!("chancery_http_connections", "whose" => "stranger"), strangers);
    set(metrics::gauge!("chancery_http_connections", "whose" => "tenant"), all - strangers);
    set(metrics::gauge!("chancery_http_calls", "class" => "call"), calls);
    set(metrics::gauge!("chancery_http_calls", "class" => "exchange"), exchanges);
    set(metrics::gauge!("chancery_http_room_bytes"), room);
}
