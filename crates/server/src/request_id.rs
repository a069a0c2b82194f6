//! What logs and problems call a request, and the trace that it is part of.

use axum::http::HeaderMap;
use chancery_api::{REQUEST_ID, TRACEPARENT};
use chancery_base::digest::hex_encode;
use std::sync::atomic::{AtomicU64, Ordering};

const LEN_MAX: usize = 64;

/// Gives requests ids: the caller's own if it is one, else the process' random prefix and a number.
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: String,
    next: AtomicU64,
}

impl RequestIds {
    /// Ids with the prefix of this process, so that they differ from those of another run.
    pub(crate) fn new(process: [u8; 8]) -> Self {
        Self { prefix: hex_encode(&process), next: AtomicU64::new(1) }
    }

    /// The id of a request with these headers.
    pub(crate) fn of(&self, headers: &HeaderMap) -> String {
        let own = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|text| is_id(text));
        own.map_or_else(|| format!("{}-{:x}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed)), str::to_owned)
    }
}

fn is_id(text: &str) -> bool {
    let fits = (1..=LEN_MAX).contains(&text.len());
    fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The header `traceparent`, if it is one of W3C Trace Context, level 1; another is treated as absent, as it says.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let hex = |part: &str, len| part.len() == len && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let sound = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2) && version != "ff";
    (sound && parts.next().is_none() && !zero(trace) && !zero(parent)).then_some(text)
}

/// The trace's id in a `traceparent`.
pub(crate) fn trace_id(traceparent: &str) -> &str {
    traceparent.split('-').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(axum::http::HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_callers_id_is_kept_if_it_can_stand_in_a_log() {
        let ids = RequestIds::new([1; 8]);
        assert_eq!(ids.of(&headers(REQUEST_ID, "abc-1.2_3")), "abc-1.2_3");
        for bad in ["", "a b", "a\"b", "0123456789012345678901234567890123456789012345678901234567890123456789"] {
            assert!(ids.of(&headers(REQUEST_ID, bad)).starts_with("0101010101010101-"), "{bad}");
        }
        assert_ne!(ids.of(&HeaderMap::new()), ids.of(&HeaderMap::new()));
    }

    #[test]
    fn a_traceparent_is_taken_if_it_is_one() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&headers(TRACEPARENT, good)), Some(good));
        assert_eq!(trace_id(good), "4bf92f3577b34da6a3ce929d0e0e4736");
        for bad in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(traceparent(&headers(TRACEPARENT, bad)), None, "{bad}");
        }
    }
}
