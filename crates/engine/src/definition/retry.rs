use chancery_base::{Digest, Name, TransactionId};
use std::time::Duration;

/// How often and when a step or an undo is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// All tries, the first among them; 1 to `ATTEMPTS_MAX`.
    pub attempts: u32,
    /// How long to wait before the second.
    pub backoff: Duration,
    /// By how much the wait grows each time; 1 to 100.
    pub factor: f64,
    /// The longest wait, before jitter.
    pub max: Duration,
    /// The wait is changed by up to this part of it either way; 0 to 1.
    pub jitter: f64,
    /// Errors of these types are final.
    pub unless: Vec<Name>,
    /// The one attempt is not sent again either where its task did not arrive: `attempts: once`.
    pub once: bool,
}

impl Default for Retry {
    /// Three attempts, 100 ms and then twice as long each time, at most 10 s, ± 20 %.
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Duration::from_millis(100),
            factor: 2.0,
            max: Duration::from_secs(10),
            jitter: 0.2,
            unless: Vec::new(),
            once: false,
        }
    }
}

impl Retry {
    /// How long to wait after attempt number `attempt` (from 1) of a step, or of a clone of one, failed, in whole
    /// milliseconds. The same arguments
    /// give the same delay, so that a replay agrees; the jitter is drawn from SHA-256 of them.
    #[must_use]
    pub fn delay(&self, transaction: &TransactionId, step: &str, attempt: u32) -> Duration {
        let mut seconds = self.backoff.as_secs_f64();
        let max = self.max.as_secs_f64();
        for _ in 1..attempt {
            seconds = (seconds * self.factor).min(max);
            if seconds >= max {
                break;
            }
        }
        let seed = [transaction.as_bytes().as_slice(), step.as_bytes(), &[0], &attempt.to_be_bytes()];
        let spread = self.jitter * (2.0 * uniform(&Digest::of_parts(&seed)) - 1.0);
        let delay = Duration::try_from_secs_f64(seconds.min(max) * (1.0 + spread)).unwrap_or(self.max);
        Duration::from_millis(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whether an error of this type is final.
    #[must_use]
    pub fn is_final(&self, error_type: &str) -> bool {
        self.unless.iter().any(|name| name.as_str() == error_type)
    }
}

/// A number from 0 to 1, from the first 32 bits: as many as a double takes exactly.
fn uniform(digest: &Digest) -> f64 {
    let [a, b, c, d, ..] = *digest.as_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
}
