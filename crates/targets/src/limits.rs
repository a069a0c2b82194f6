//! What a target is given, and from when on it counts as ill.

use chancery_base::Rate;
use chancery_shard::target::TargetSettings;
use std::time::Duration;

/// The limits of one target, all of them said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls at a time.
    pub concurrency: u32,
    /// How long a step may wait for a place before the target is said to be saturated.
    pub wait: Duration,
    /// How long a call may take.
    pub timeout: Duration,
    /// Calls in a time; none: as many as there are places for.
    pub rate: Option<Rate>,
    /// When calls are held back.
    pub breaker: BreakerLimits,
}

/// When a breaker opens, and closes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// How many of the last calls count.
    pub window: u32,
    /// How many of them there have to be.
    pub calls_min: u32,
    /// It opens from so many failures of a hundred calls on.
    pub failure_percent: u32,
    /// It opens from so many slow calls of a hundred on.
    pub slow_percent: u32,
    /// What takes longer is slow.
    pub slow: Duration,
    /// How long it stays open.
    pub open: Duration,
    /// Calls that have to succeed before it closes.
    pub probes: u32,
}

impl Limits {
    /// What holds where nobody says otherwise.
    pub const DEFAULT: Self = Self {
        concurrency: 50,
        wait: Duration::from_secs(10),
        timeout: Duration::from_secs(30),
        rate: None,
        breaker: BreakerLimits {
            window: 100,
            calls_min: 20,
            failure_percent: 50,
            slow_percent: 70,
            slow: Duration::from_secs(5),
            open: Duration::from_secs(60),
            probes: 3,
        },
    };

    /// These, where the settings say nothing else.
    #[must_use]
    pub fn with(self, settings: &TargetSettings) -> Self {
        let millis = |ms: Option<u64>, or: Duration| ms.map_or(or, Duration::from_millis);
        let per = millis(settings.rate_per_ms, self.rate.map_or(Duration::from_secs(1), |rate| rate.per));
        let count = settings.rate.or(self.rate.map(|rate| rate.count));
        let window = settings.window.unwrap_or(self.breaker.window).max(1);
        Self {
            concurrency: settings.concurrency.unwrap_or(self.concurrency),
            wait: millis(settings.wait_ms, self.wait),
            timeout: millis(settings.timeout_ms, self.timeout),
            rate: count.map(|count| Rate { count: count.max(1), per }),
            breaker: BreakerLimits {
                window,
                // More calls than count can't be waited for.
                calls_min: settings.calls_min.unwrap_or(self.breaker.calls_min).min(window),
                failure_percent: settings.failure_percent.unwrap_or(self.breaker.failure_percent),
                slow_percent: settings.slow_percent.unwrap_or(self.breaker.slow_percent),
                slow: millis(settings.slow_ms, self.breaker.slow),
                open: millis(settings.open_ms, self.breaker.open),
                probes: settings.probes.unwrap_or(self.breaker.probes).max(1),
            },
        }
    }
}
