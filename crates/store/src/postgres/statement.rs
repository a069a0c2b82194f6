//! One statement made of parts, and the values that it is run with.

use crate::error;
use crate::postgres::pool::{Connection, Param, Trouble};
use chancery_base::Kind;
use chancery_shard::batch::StoreError;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// A statement in the making: `WITH part, part … SELECT from each part`.
///
/// The parts that write are evaluated in the order in which the last SELECT names them, which is the order of their
/// making, so that of several violated constraints the first is reported.
pub(super) struct Statement<'a> {
    parts: Vec<(String, String)>,
    values: Vec<(Box<dyn ToSql + Sync + Send + 'a>, Type)>,
}

impl<'a> Statement<'a> {
    pub(super) const fn new() -> Self {
        Self { parts: Vec::new(), values: Vec::new() }
    }

    /// Adds a value, and says how the statement names it.
    pub(super) fn bind(&mut self, value: impl ToSql + Sync + Send + 'a, kind: Type) -> String {
        self.values.push((Box::new(value), kind));
        format!("${}", self.values.len())
    }

    /// Adds values of columns, row by row, and says how the statement names them as a table's source.
    pub(super) fn unnest(&mut self, columns: Vec<Column<'a>>) -> String {
        let mut names = Vec::with_capacity(columns.len());
        for Column { values, kind } in columns {
            self.values.push((values, kind));
            names.push(format!("${}", self.values.len()));
        }
        format!("unnest({})", names.join(", "))
    }

    /// Adds a part that returns a row for each that it wrote.
    pub(super) fn part(&mut self, name: impl Into<String>, sql: String) {
        self.parts.push((name.into(), sql));
    }

    /// Runs it; the answer is how many rows the first part returned.
    pub(super) async fn run(&self, conn: &Connection, operation: &'static str) -> Result<Vec<Row>, Trouble> {
        let parts: Vec<_> = self.parts.iter().map(|(name, sql)| format!("{name} AS ({sql})")).collect();
        let counts: Vec<_> = self.parts.iter().map(|(name, _)| format!("(SELECT count(*) FROM {name})")).collect();
        let sql = format!("WITH {} SELECT {}", parts.join(", "), counts.join(", "));
        let params: Vec<Param<'_>> =
            self.values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
        conn.run(operation, &sql, &params).await
    }
}

/// The values of one column.
pub(super) struct Column<'a> {
    values: Box<dyn ToSql + Sync + Send + 'a>,
    kind: Type,
}

/// A column of the values that `value` takes from each row.
pub(super) fn column<'a, R, T>(rows: &[R], kind: Type, value: impl Fn(&R) -> T) -> Column<'a>
where
    T: ToSql + Sync + Send + 'a,
{
    Column { values: Box::new(rows.iter().map(value).collect::<Vec<T>>()), kind }
}

/// A number as PostgreSQL keeps it.
pub(super) fn int(operation: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).ok().ok_or_else(|| error(operation, Kind::Limited, format!("{value} is too large")))
}
