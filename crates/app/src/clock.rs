//! The one place that reads clocks and draws randomness: everything else takes both as arguments.

use chancery_base::{Entropy, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// How late something may be that waits for the system's clock when that is set forward.
const AHEAD_MAX: Duration = Duration::from_secs(5);

static LATEST: AtomicI64 = AtomicI64::new(0);

/// The time by the system's clock; never earlier than what an earlier call returned, even if the clock was set back.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(LATEST.fetch_max(micros, Ordering::Relaxed).max(micros))
}

/// A point on the monotonic clock: for measuring and for timers.
#[must_use]
pub fn instant() -> Instant {
    Instant::now()
}

/// The point on the monotonic clock at which the system's clock will show `at`, at most `AHEAD_MAX` ahead: whoever
/// sleeps until then looks at the system's clock again, which may have been set forward meanwhile.
#[must_use]
pub fn instant_at(at: Timestamp) -> Instant {
    instant() + at.since(now()).min(AHEAD_MAX)
}

/// The point on the monotonic clock that is as far ahead as `at` is by the system's clock now, however far: for what is
/// cut off then, and does not look again.
#[must_use]
pub fn deadline(at: Timestamp) -> Instant {
    instant() + at.since(now())
}

/// Randomness from the operating system.
///
/// # Errors
/// If the operating system gives none: then nothing that needs to be unguessable can be made.
pub fn entropy() -> Result<Entropy, EntropyError> {
    random_bytes().map(Entropy::from_seed)
}

/// 32 random bytes: a key.
///
/// # Errors
/// As [`entropy`].
#[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
pub fn random_bytes() -> Result<[u8; 32], EntropyError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(EntropyError)?;
    Ok(bytes)
}

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no randomness")]
pub struct EntropyError(#[source] getrandom::Error);
