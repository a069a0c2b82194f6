//! Who acts: credentials. Here are API keys; nothing in this crate reads a clock, a file or a random source.

mod api_key;

pub use api_key::{API_KEY_PREFIX, ApiKey, ApiKeyError, KeyRecord, Rejection};
