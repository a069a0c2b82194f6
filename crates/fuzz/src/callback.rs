//! What a target reports later, the names of targets, and what receivers of calls check: a line of headers and a body.

use crate::Verdict;
use crate::check::{body, sure, words};
use crate::exchange::token;
use chancery_api::target::Callback;
use chancery_base::webhook::{Headers, SigningSecret, verify};
use chancery_base::{TargetId, Timestamp};

/// The key that calls are signed with here.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Where the clock of the receiver stands.
const NOW: Timestamp = Timestamp::from_micros(1_614_265_330_000_000);

pub(crate) fn callback(data: &[u8]) -> Verdict {
    if let Ok(text) = std::str::from_utf8(data) {
        target(text);
        signature(text);
    }
    let Some(call) = body!(Callback, data) else { return Verdict::Refused };
    token(&call.token);
    Verdict::Taken
}

/// A target has one spelling, and a URL's origin is read as the target that its name is.
fn target(text: &str) {
    if let Ok(id) = text.parse::<TargetId>() {
        assert_eq!(id.as_str().parse(), Ok(id.clone()), "a target of two spellings");
        let origin = id.origin();
        assert_eq!(
            origin.as_deref().and_then(TargetId::of_url),
            origin.as_ref().map(|_| id),
            "its origin is another's"
        );
    }
    if let Some(id) = TargetId::of_url(text) {
        assert_eq!(id.as_str().parse(), Ok(id), "a URL's target has no name");
    }
}

/// The first line is what a caller shows: id, time and signature, a tab between. The rest is the body. Nothing verifies
/// but what the secret signs.
fn signature(text: &str) {
    let (head, body) = text.split_once('\n').unwrap_or((text, ""));
    let mut parts = head.splitn(3, '\t');
    let mut part = || parts.next().unwrap_or_default();
    let headers = Headers { id: part(), timestamp: part(), signature: part() };
    let secret = sure(SigningSecret::parse(SECRET), "the secret is one");
    let verified = verify(std::slice::from_ref(&secret), headers, body.as_bytes(), NOW);
    let signed = headers.timestamp.parse().map(|seconds| secret.sign(headers.id, seconds, body.as_bytes()));
    let is_shown = signed.is_ok_and(|signed| {
        let own = signed.trim_end_matches('=');
        headers.signature.split(' ').any(|shown| shown.trim_end_matches('=') == own)
    });
    assert!(verified.is_err() || is_shown, "a signature that the secret does not make");
    if let Err(error) = verified {
        words(&error.to_string());
    }
}
