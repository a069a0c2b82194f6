//! The worker's call, and the tokens in it.

use crate::Verdict;
use crate::check::{sure, words};
use crate::sample;
use chancery_api::worker::Exchange;
use chancery_base::json::{canonical, parse_as};
use chancery_shard::TaskToken;
use serde_json::Value;

const BYTES_MAX: usize = 16 << 10;

pub(crate) fn exchange(data: &[u8]) -> Verdict {
    if let Ok(text) = std::str::from_utf8(data) {
        token(text);
    }
    let call = match parse_as::<Exchange>(data, BYTES_MAX) {
        Ok(call) => call,
        Err(error) => {
            words(&error.to_string());
            return Verdict::Refused;
        }
    };
    let value = sure(serde_json::to_value(&call), "a call is written");
    let bytes = canonical(&value);
    assert_eq!(sure(parse_as::<Exchange>(&bytes, usize::MAX), "a call is read"), call, "it reads back as another");
    let mut unknown = value;
    if let Value::Object(map) = &mut unknown {
        map.insert("unheard-of".to_owned(), Value::Null);
    }
    let unknown = parse_as::<Exchange>(&canonical(&unknown), usize::MAX);
    assert!(unknown.is_err(), "a key that a call does not have is ignored");
    let done = call.done.iter().map(|report| report.task.as_str());
    done.chain(call.holding.iter().map(String::as_str)).for_each(token);
    Verdict::Taken
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
