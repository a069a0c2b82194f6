//! What a shard is told.

#[cfg(feature = "sabotage")]
use super::Sabotage;
use crate::retention::Expiry;
use crate::row::LogId;
use crate::token::TokenKey;
use chancery_base::limits::{ACTIVE_TRANSACTIONS_MAX, RESTING_TRANSACTIONS_MAX};
use chancery_policy::Access;
use std::sync::Arc;
use std::time::Duration;

/// What a shard is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its log.
    pub log: LogId,
    /// What task tokens are made with.
    pub token_key: TokenKey,
    /// How long a hand-out is leased without renewal.
    pub lease: Duration,
    /// Running transactions at most; those that wait and are not in memory are not counted.
    pub active_max: usize,
    /// Transactions that only wait and stay in memory all the same.
    pub resting_max: usize,
    /// Who may call the API: a principal whose roles don't let it start transactions any more does not start them by its
    /// schedules either. None: only the tenant's policy is asked.
    pub access: Option<Arc<Access>>,
    /// When what has ended long ago is removed; none: never.
    pub expiry: Option<Expiry>,
    /// The rule that it breaks; none.
    #[cfg(feature = "sabotage")]
    pub sabotage: Option<Sabotage>,
}

impl Config {
    /// The usual times and limits; nothing is removed.
    #[must_use]
    pub const fn new(log: LogId, token_key: TokenKey) -> Self {
        Self {
            log,
            token_key,
            lease: Duration::from_secs(10),
            active_max: ACTIVE_TRANSACTIONS_MAX,
            resting_max: RESTING_TRANSACTIONS_MAX,
            access: None,
            expiry: None,
            #[cfg(feature = "sabotage")]
            sabotage: None,
        }
    }
}
