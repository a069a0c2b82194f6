//! Retention.

use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::retention::{ExpiryRun, Retention, SetRetention};
use chancery_app::retention::{self, RetentionView};
use chancery_base::duration;

pub(crate) fn set_retention(body: &SetRetention) -> Result<retention::Retention, Failure> {
    let transactions = body.transactions.as_deref().map(duration::parse).transpose();
    let transactions = transactions.map_err(|error| invalid("transactions", &error.to_string()))?;
    let millis = transactions.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    Ok(retention::Retention { transactions_ms: millis })
}

pub(crate) fn retention(view: RetentionView) -> Retention {
    Retention {
        transactions: duration::format(view.transactions),
        is_default: !view.is_set,
        next: view.next,
        last: view.last.map(|run| ExpiryRun {
            began_at: run.began_at,
            ended_at: run.ended_at,
            ended_before: run.ended_before,
            removed: run.removed,
            problem: run.problem,
        }),
    }
}
