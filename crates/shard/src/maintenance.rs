//! Maintenance: a tenant takes no new transactions, and those that run go on.

use crate::row::{MaintenanceRow, Sealed};
use chancery_base::{PrincipalId, Timestamp};
use serde::{Deserialize, Serialize};

/// That a tenant is in maintenance, since when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// Who began it.
    pub by: PrincipalId,
    /// Why.
    pub justification: String,
    /// Since when.
    pub since: Timestamp,
}

impl Maintenance {
    /// What a row says; none if it is damaged.
    pub(crate) fn of(row: &MaintenanceRow) -> Option<Self> {
        row.body.read()
    }

    /// Its row.
    pub(crate) fn row(&self) -> MaintenanceRow {
        MaintenanceRow { body: Sealed::json(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back() {
        let since = Timestamp::from_micros(1_795_246_020_000_000);
        let maintenance = Maintenance { by: PrincipalId::SYSTEM, justification: "disks".to_owned(), since };
        assert_eq!(Maintenance::of(&maintenance.row()), Some(maintenance));
        let damaged = MaintenanceRow { body: Sealed::plain(b"{}".to_vec()) };
        assert_eq!(Maintenance::of(&damaged), None);
    }
}
