//! For those who receive calls of steps (`run: {http: …}`): checks that a call came from the server that shares a
//! secret with them, just now, and as it was sent. After Standard Webhooks 1.0.0.
//!
//! ```
//! use chancery_sdk::webhook::{Headers, SigningSecret, TIMESTAMP, verify};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secrets = [SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?];
//! let headers = Headers {
//!     id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
//!     timestamp: "1614265330",
//!     signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
//! };
//! let body = br#"{"test": 2432232314}"#;
//! // A call of 2021 is too old to be taken today, and so is one that somebody sends again.
//! assert!(verify(&secrets, headers, body).is_err());
//! # Ok(())
//! # }
//! ```

pub use chancery_base::webhook::{
    Headers, ID, SIGNATURE, SecretError, SigningSecret, TIMESTAMP, TOLERANCE, WebhookError,
};

use chancery_base::Timestamp;

/// Checks a call: signed with one of these secrets, at most [`TOLERANCE`] ago. Take the body as it came, before
/// anything reads it. While a secret is rotated, give both.
///
/// # Errors
/// If the call must not be taken.
pub fn verify(secrets: &[SigningSecret], headers: Headers<'_>, body: &[u8]) -> Result<(), WebhookError> {
    verify_at(secrets, headers, body, Timestamp::from_micros(jiff::Timestamp::now().as_microsecond()))
}

/// The same at another time than now.
///
/// # Errors
/// As [`verify`].
pub fn verify_at(
    secrets: &[SigningSecret],
    headers: Headers<'_>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), WebhookError> {
    chancery_base::webhook::verify(secrets, headers, body, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the project's own tests.
    #[test]
    fn the_published_example_is_taken_at_its_time_and_refused_today() {
        let secrets = [SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()];
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let headers = Headers { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: "1614265330", signature };
        let body = br#"{"test": 2432232314}"#;
        let then = Timestamp::from_micros(1_614_265_330_000_000);
        assert_eq!(verify_at(&secrets, headers, body, then), Ok(()));
        assert_eq!(verify(&secrets, headers, body), Err(WebhookError::TooOld));
        assert_eq!(verify_at(&secrets, headers, b"{}", then), Err(WebhookError::Signature));
    }
}
