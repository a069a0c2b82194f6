//! The worker's call and the tokens in it, a start, a signal.

use crate::Verdict;
use crate::check::body;
use crate::sample;
use chancery_api::transaction::{SendSignal, StartTransaction};
use chancery_api::worker::Exchange;
use chancery_shard::TaskToken;

pub(crate) fn exchange(data: &[u8]) -> Verdict {
    if let Ok(text) = std::str::from_utf8(data) {
        token(text);
    }
    let call = body!(Exchange, data);
    if let Some(call) = &call {
        let done = call.done.iter().map(|report| report.task.as_str());
        done.chain(call.holding.iter().map(String::as_str)).for_each(token);
    }
    let others = [body!(StartTransaction, data).is_some(), body!(SendSignal, data).is_some()];
    if call.is_some() || others.contains(&true) { Verdict::Taken } else { Verdict::Refused }
}

/// A token has one spelling, and nobody makes one up.
pub(crate) fn token(text: &str) {
    let Ok(token) = text.parse::<TaskToken>() else { return };
    assert_eq!(token.to_string(), text, "a token of two spellings");
    let issued = sample::tokens();
    let known = issued.tokens.contains(&token);
    assert_eq!(issued.key.verify(&issued.tenant, &token, &issued.input), known, "a token that was not handed out");
    assert!(!issued.key.verify(&issued.other_tenant, &token, &issued.input), "another tenant's token");
}
