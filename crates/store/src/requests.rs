//! Finding the requests to people of a log, what is due first before what is due later.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::search::{Statement, Value};
use chancery_base::{Name, RequestId, Timestamp, TransactionId};
use chancery_shard::RequestStatus;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use chancery_shard::row::LogId;
use chancery_shard::row::RequestRow;

/// Which requests are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestSearch {
    /// Where they stand.
    pub standing: RequestStanding,
    /// The role of those who may answer; none: any, or none.
    pub role: Option<Name>,
    /// Whose they are.
    pub transaction: Option<TransactionId>,
}

/// Where requests stand that are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestStanding {
    /// Anywhere.
    #[default]
    Any,
    /// They can be answered.
    Open,
    /// There.
    Is(RequestStatus),
}

/// How far a page reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestReach {
    /// After the request that is due then; none: from the first on.
    pub after: Option<(Timestamp, RequestId)>,
    /// How many at most.
    pub limit: usize,
}

impl RequestSearch {
    /// Whether a request is meant.
    #[must_use]
    pub fn holds(&self, row: &RequestRow) -> bool {
        let stands = match self.standing {
            RequestStanding::Any => true,
            RequestStanding::Open => row.decided_at.is_none(),
            RequestStanding::Is(status) => row.status == status,
        };
        let of_role = self.role.is_none() || self.role == row.role;
        stands && of_role && self.transaction.is_none_or(|transaction| transaction == row.transaction)
    }

    /// The statement that reads a page.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn statement(&self, sigil: char, log: LogId, reach: RequestReach, columns: &str) -> Statement {
        let mut s = Statement::new(sigil);
        let log = s.bind(Value::Int(log.0));
        let mut sql = format!("SELECT {columns} FROM requests WHERE log = {log}");
        match self.standing {
            RequestStanding::Any => {}
            RequestStanding::Open => sql.push_str(" AND decided_at IS NULL"),
            RequestStanding::Is(status) => {
                let status = s.bind(Value::Text(status.word().to_owned()));
                sql.push_str(&format!(" AND status = {status}"));
            }
        }
        if let Some(role) = &self.role {
            let role = s.bind(Value::Text(role.to_string()));
            sql.push_str(&format!(" AND role = {role}"));
        }
        if let Some(transaction) = self.transaction {
            let transaction = s.bind(Value::Id(transaction));
            sql.push_str(&format!(" AND transaction_id = {transaction}"));
        }
        if let Some((due_at, id)) = reach.after {
            let (due_at, id) = (s.bind(Value::Int(due_at.as_micros())), s.bind(Value::Request(id)));
            sql.push_str(&format!(" AND (due_at, id) > ({due_at}, {id})"));
        }
        let rows = s.bind(Value::Int(i64::try_from(reach.limit).unwrap_or(i64::MAX)));
        s.sql = format!("{sql} ORDER BY due_at, id LIMIT {rows}");
        s
    }
}
