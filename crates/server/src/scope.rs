//! What a call is about: who started a transaction may do more with it than others may.

use crate::extract::{invalid, segment};
use crate::failure::Failure;
use chancery_api::Route;
use chancery_app::{About, App, Caller};
use chancery_base::TransactionId;
use chancery_policy::Action;

/// Where to find what a route's calls are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The tenant as a whole.
    Tenant,
    /// The transaction in the path: `/v1/transactions/{id}…`.
    Transaction,
    /// The transaction in the path, if the receipt is one of a transaction: `/v1/receipts/{*entry}`.
    Receipt,
    /// A list: all of it, or only what is the caller's own.
    List,
}

impl Scope {
    /// What a route's calls are about.
    pub(crate) fn of(route: &Route, action: Action) -> Self {
        if route.path.starts_with("/v1/transactions/{id}") {
            Self::Transaction
        } else if route.path.starts_with("/v1/receipts/") {
            Self::Receipt
        } else if action == Action::TransactionList {
            Self::List
        } else {
            Self::Tenant
        }
    }

    /// What this call is about.
    pub(crate) fn about(self, app: &App, caller: &Caller, action: Action, path: &str) -> Result<About, Failure> {
        let third = segment(path, 2);
        Ok(match self {
            Self::Tenant => About::Tenant,
            // Who may do it to any transaction need not be looked up as the one who started this one.
            Self::Transaction | Self::Receipt | Self::List if app.permits(caller, action) => About::Tenant,
            Self::Transaction => About::Transaction(transaction(third)?),
            Self::Receipt if third.starts_with("txn_") => About::Transaction(transaction(third)?),
            Self::Receipt => About::Tenant,
            Self::List => About::Own,
        })
    }
}

fn transaction(text: &str) -> Result<TransactionId, Failure> {
    text.parse().map_err(|error: chancery_base::id::IdError| invalid("id", &error.to_string()))
}
