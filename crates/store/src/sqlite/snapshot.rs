//! The whole store at one moment, read without a server or beside one.

use crate::error;
use crate::scan::{KeyPlace, PointerRow, Scan, SlotRow};
use crate::sqlite::fault::{reading, sql};
use crate::sqlite::schema::HISTORY;
use crate::sqlite::{OpenError, open, read, rows};
use crate::{CheckpointRow, TileRow, words};
use chancery_base::{
    EvidenceId, KeyId, Kind, Name, OverrideId, PrincipalId, RequestId, SigningSecretId, StopId, TargetId, TenantId,
    TransactionId,
};
use chancery_shard::batch::StoreError;
use chancery_shard::replay::{NotifierSeen, SigningSecretSeen};
use chancery_shard::row::{
    AccountRow, BudgetRow, BundleRow, CredentialRow, DefinitionRow, EntryRow, EventRow, EvidenceContentRow,
    EvidenceRow, KeyRow, LabelRow, LogId, LogRow, MaintenanceRow, OverrideRow, PrincipalRow, QueueRow, RequestRow,
    RetentionRow, ScheduleRow, SettingsRow, StepRow, StopRow, TargetRow, TenantRow, TransactionRow, TrustRow,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row, params};
use std::path::Path;

/// A table as the schema has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<String>,
    /// Those of them that are its key, in the key's order.
    pub key: Vec<String>,
}

/// A store's files at one moment. While this is held beside a server, the write-ahead log does not begin anew.
#[derive(Debug)]
pub struct Snapshot {
    conn: Connection,
}

type Answer<T> = Result<T, StoreError>;

impl Snapshot {
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let conn = open::reader_checked(dir)?;
        // The first read fixes the moment.
        let begin = || {
            conn.execute_batch("BEGIN")?;
            conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        };
        begin().map_err(|source| OpenError::Sqlite { operation: "begin to read", dir: dir.to_owned(), source })?;
        Ok(Self { conn })
    }

    /// Every table that there is, but for the history of migrations.
    ///
    /// # Errors
    /// `Broken` if the schema cannot be read.
    pub fn tables(&self) -> Answer<Vec<Table>> {
        let names = "SELECT name FROM sqlite_schema \
             WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> ?1 ORDER BY name";
        let names: Vec<String> = read::all(&self.conn, "read the schema", names, [HISTORY], |row| row.get(0))?;
        names.into_iter().map(|name| self.table(name)).collect()
    }

    fn table(&self, name: String) -> Answer<Table> {
        let statement = "SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let found: Vec<(String, u32)> = read::all(&self.conn, "read the schema", statement, [&name], read)?;
        let mut key: Vec<_> = found.iter().filter(|(_, place)| *place > 0).cloned().collect();
        key.sort_unstable_by_key(|(_, place)| *place);
        let key = key.into_iter().map(|(column, _)| column).collect();
        Ok(Table { name, columns: found.into_iter().map(|(column, _)| column).collect(), key })
    }

    /// What SQLite finds wrong with the file's structure: pages, order of keys, indexes that lack a row or have one
    /// too many. Reads the whole file.
    ///
    /// # Errors
    /// `Broken` if it cannot be read.
    pub fn integrity(&self) -> Answer<Vec<String>> {
        let found = read::all(&self.conn, "check the file", "PRAGMA integrity_check(100)", [], |row| row.get(0))?;
        Ok(found.into_iter().filter(|line: &String| line != "ok").collect())
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// `Broken` if it cannot be read.
    pub fn row_count(&self, table: &Table) -> Answer<u64> {
        self.count("count rows", &format!("SELECT count(*) FROM {}", table.name))
    }

    fn count(&self, table: &'static str, query: &str) -> Answer<u64> {
        self.conn.query_row(query, [], |row| row.get(0)).map_err(reading(table))
    }

    /// Rows of a query, and on a bad one where it is.
    fn scan<T, P: Params>(
        &self,
        table: &'static str,
        query: &str,
        params: P,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Answer<Vec<T>> {
        let mut statement = self.conn.prepare_cached(query).map_err(reading(table))?;
        let mut rows = statement.query(params).map_err(reading(table))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(reading(table))? {
            found.push(read(row).map_err(|failure| bad_row(table, row, &failure))?);
        }
        Ok(found)
    }
}

/// Says which row and column of a table is not as it must be.
fn bad_row(table: &'static str, row: &Row<'_>, failure: &rusqlite::Error) -> StoreError {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    let (FromSqlConversionFailure(column, _, _) | IntegralValueOutOfRange(column, _) | InvalidColumnType(column, _, _)) =
        failure
    else {
        return sql(table, failure);
    };
    let column = *column;
    let name = row.as_ref().column_name(column).unwrap_or("?");
    // The columns of the longest key.
    let key: Vec<String> = (0..4).map_while(|column| row.get_ref(column).ok()).map(show).collect();
    error(table, Kind::Broken, format!("column `{name}` of row ({}…): {failure}", key.join(", ")))
}

fn show(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text.get(..64).unwrap_or(text)).into_owned(),
        ValueRef::Blob(bytes) => chancery_base::digest::hex_encode(bytes.get(..32).unwrap_or(bytes)),
    }
}

/// The key before every other.
const FIRST: &[u8] = &[];

impl Scan for Snapshot {
    fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<TenantRow>> {
        let query = format!("SELECT {} FROM tenants WHERE tenant > ?1 ORDER BY tenant LIMIT ?2", rows::TENANT);
        let page = params![after.map_or("", TenantId::as_str), read::rows_max(limit)];
        self.scan("tenants", &query, page, rows::tenant)
    }

    fn logs(&self) -> Answer<Vec<LogRow>> {
        self.scan("logs", &format!("SELECT {} FROM logs ORDER BY id", rows::LOG), [], rows::log)
    }

    fn slots(&self, after: Option<(&TenantId, u16)>, limit: usize) -> Answer<Vec<SlotRow>> {
        let query = format!(
            "SELECT {} FROM slots WHERE (tenant, first_slot) > (?1, ?2) ORDER BY tenant, first_slot LIMIT ?3",
            rows::SLOT
        );
        let (tenant, first) = after.map_or(("", 0), |(tenant, first)| (tenant.as_str(), first));
        self.scan("slots", &query, params![tenant, first, read::rows_max(limit)], rows::slot)
    }

    fn entries(&self, log: LogId, from: u64, limit: usize) -> Answer<Vec<EntryRow>> {
        let last = rows::position(log, crate::check::LOG_ENTRIES_MAX - 1);
        let (Some(first), Some(last)) = (rows::position(log, from), last) else { return Ok(Vec::new()) };
        let query =
            format!("SELECT {} FROM entries WHERE position BETWEEN ?1 AND ?2 ORDER BY position LIMIT ?3", rows::ENTRY);
        let page = params![first, last, read::rows_max(limit)];
        self.scan("entries", &query, page, |row| Ok(rows::entry(row)?.1))
    }

    fn entry_logs(&self) -> Answer<Vec<LogId>> {
        // From one log to the next, not through all entries.
        let query = "WITH RECURSIVE log (id) AS (
                SELECT min(position) >> 40 FROM entries
                UNION ALL
                SELECT (SELECT min(position) >> 40 FROM entries WHERE position >= (log.id + 1) << 40)
                FROM log WHERE log.id < 8388607
            ) SELECT id FROM log WHERE id IS NOT NULL";
        self.scan("entries", query, [], |row| row.get(0).map(LogId))
    }

    fn tree_logs(&self) -> Answer<Vec<(&'static str, LogId)>> {
        let mut found = Vec::new();
        for (table, query) in [
            ("tiles", "SELECT DISTINCT log FROM tiles ORDER BY log"),
            ("checkpoints", "SELECT DISTINCT log FROM checkpoints ORDER BY log"),
        ] {
            found.extend(self.scan(table, query, [], |row| Ok((table, LogId(row.get(0)?))))?);
        }
        Ok(found)
    }

    fn transaction_count(&self) -> Answer<u64> {
        self.count("transactions", "SELECT count(*) FROM transactions")
    }

    fn step_count(&self) -> Answer<u64> {
        self.count("steps", "SELECT count(*) FROM steps")
    }

    fn transactions(&self, after: Option<TransactionId>, limit: usize) -> Answer<Vec<TransactionRow>> {
        let query = format!("SELECT {} FROM transactions WHERE id > ?1 ORDER BY id LIMIT ?2", rows::TRANSACTION);
        let after = after.map_or(FIRST.to_vec(), |id| id.as_bytes().to_vec());
        self.scan("transactions", &query, params![after, read::rows_max(limit)], rows::transaction)
    }

    fn steps(&self, after: Option<(TransactionId, u32, u32)>, limit: usize) -> Answer<Vec<StepRow>> {
        let query = format!(
            "SELECT {} FROM steps WHERE (transaction_id, step, clone) > (?1, ?2, ?3) \
             ORDER BY transaction_id, step, clone LIMIT ?4",
            rows::STEP
        );
        let (id, step, clone) =
            after.map_or((FIRST.to_vec(), 0, 0), |(id, step, clone)| (id.as_bytes().to_vec(), step, clone));
        self.scan("steps", &query, params![id, step, clone, read::rows_max(limit)], rows::step)
    }

    fn label_count(&self) -> Answer<u64> {
        self.count("labels", "SELECT count(*) FROM labels")
    }

    fn labels(&self, after: Option<&LabelRow>, limit: usize) -> Answer<Vec<LabelRow>> {
        let query = format!(
            "SELECT {} FROM labels WHERE (log, name, value, transaction_id) > (?1, ?2, ?3, ?4) \
             ORDER BY log, name, value, transaction_id LIMIT ?5",
            rows::LABEL
        );
        let (log, name, value, id) = after.map_or((i64::MIN, "", FIRST, FIRST), |row| {
            (row.log.0, row.name.as_str(), row.value.as_bytes(), row.transaction.as_bytes().as_slice())
        });
        self.scan("labels", &query, params![log, name, value, id, read::rows_max(limit)], rows::label)
    }

    fn events(&self, after: Option<(LogId, u64)>, limit: usize) -> Answer<Vec<EventRow>> {
        let query =
            format!("SELECT {} FROM events WHERE (log, seq) > (?1, ?2) ORDER BY log, seq LIMIT ?3", rows::EVENT);
        let (log, seq) =
            after.map_or((i64::MIN, i64::MIN), |(log, seq)| (log.0, i64::try_from(seq).unwrap_or(i64::MAX)));
        self.scan("events", &query, params![log, seq, read::rows_max(limit)], rows::event)
    }

    fn request_count(&self) -> Answer<u64> {
        self.count("requests", "SELECT count(*) FROM requests")
    }

    fn requests(&self, after: Option<(TransactionId, RequestId)>, limit: usize) -> Answer<Vec<RequestRow>> {
        let query = format!(
            "SELECT {} FROM requests WHERE (transaction_id, id) > (?1, ?2) ORDER BY transaction_id, id LIMIT ?3",
            rows::REQUEST
        );
        let (transaction, id) = after.map_or((FIRST.to_vec(), FIRST.to_vec()), |(transaction, id)| {
            (transaction.as_bytes().to_vec(), id.as_bytes().to_vec())
        });
        self.scan("requests", &query, params![transaction, id, read::rows_max(limit)], rows::request)
    }

    fn keys(&self, after: Option<&KeyPlace>, limit: usize) -> Answer<Vec<(TenantId, KeyRow)>> {
        let query = format!(
            "SELECT {} FROM keys WHERE (tenant, scope, slot, key) > (?1, ?2, ?3, ?4) \
             ORDER BY tenant, scope, slot, key LIMIT ?5",
            rows::KEY
        );
        let limit = read::rows_max(limit);
        match after {
            None => self.scan("keys", &query, params!["", "", 0, FIRST, limit], rows::key),
            Some((tenant, scope, slot, key)) => {
                let page = params![tenant.as_str(), words::scope(*scope), slot, key, limit];
                self.scan("keys", &query, page, rows::key)
            }
        }
    }

    fn principals(
        &self,
        after: Option<(&TenantId, PrincipalId)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, PrincipalRow)>> {
        let query = format!(
            "SELECT {} FROM principals WHERE (tenant, id) > (?1, ?2) ORDER BY tenant, id LIMIT ?3",
            rows::PRINCIPAL
        );
        let (tenant, id) = after.map_or(("", String::new()), |(tenant, id)| (tenant.as_str(), id.to_string()));
        self.scan("principals", &query, params![tenant, id, read::rows_max(limit)], rows::principal)
    }

    fn credentials(&self, after: Option<(&TenantId, KeyId)>, limit: usize) -> Answer<Vec<(TenantId, CredentialRow)>> {
        let query = format!(
            "SELECT {} FROM credentials WHERE (tenant, id) > (?1, ?2) ORDER BY tenant, id LIMIT ?3",
            rows::CREDENTIAL
        );
        let (tenant, id) = after.map_or(("", FIRST.to_vec()), |(tenant, id)| (tenant.as_str(), id.as_bytes().to_vec()));
        self.scan("credentials", &query, params![tenant, id, read::rows_max(limit)], rows::credential)
    }

    fn targets(&self, after: Option<(&TenantId, &TargetId)>, limit: usize) -> Answer<Vec<(TenantId, TargetRow)>> {
        let query = format!(
            "SELECT {} FROM targets WHERE (tenant, target) > (?1, ?2) ORDER BY tenant, target LIMIT ?3",
            rows::TARGET
        );
        let (tenant, target) = after.map_or(("", ""), |(tenant, target)| (tenant.as_str(), target.as_str()));
        self.scan("targets", &query, params![tenant, target, read::rows_max(limit)], rows::target)
    }

    fn queues(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, QueueRow)>> {
        let query = format!(
            "SELECT {} FROM queues WHERE (tenant, queue) > (?1, ?2) ORDER BY tenant, queue LIMIT ?3",
            rows::QUEUE
        );
        let (tenant, queue) = after.map_or(("", ""), |(tenant, queue)| (tenant.as_str(), queue.as_str()));
        self.scan("queues", &query, params![tenant, queue, read::rows_max(limit)], rows::queue)
    }

    fn settings(&self, after: Option<(&TenantId, u32)>, limit: usize) -> Answer<Vec<(TenantId, SettingsRow)>> {
        let query = format!(
            "SELECT {} FROM settings WHERE (tenant, version) > (?1, ?2) ORDER BY tenant, version LIMIT ?3",
            rows::SETTINGS
        );
        let (tenant, version) = after.map_or(("", 0), |(tenant, version)| (tenant.as_str(), version));
        self.scan("settings", &query, params![tenant, version, read::rows_max(limit)], rows::settings)
    }

    fn maintenance(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<(TenantId, MaintenanceRow)>> {
        let query = format!("SELECT {} FROM maintenance WHERE tenant > ?1 ORDER BY tenant LIMIT ?2", rows::SINGLE);
        let page = params![after.map_or("", TenantId::as_str), read::rows_max(limit)];
        self.scan("maintenance", &query, page, rows::maintenance)
    }

    fn stops(&self, after: Option<(&TenantId, StopId)>, limit: usize) -> Answer<Vec<(TenantId, StopRow)>> {
        let query =
            format!("SELECT {} FROM stops WHERE (tenant, id) > (?1, ?2) ORDER BY tenant, id LIMIT ?3", rows::STOP);
        let (tenant, id) = after.map_or(("", String::new()), |(tenant, id)| (tenant.as_str(), id.to_string()));
        self.scan("stops", &query, params![tenant, id, read::rows_max(limit)], rows::stop)
    }

    fn budgets(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, BudgetRow)>> {
        let query = format!(
            "SELECT {} FROM budgets WHERE (tenant, name) > (?1, ?2) ORDER BY tenant, name LIMIT ?3",
            rows::BUDGET
        );
        let (tenant, name) = after.map_or(("", ""), |(tenant, name)| (tenant.as_str(), name.as_str()));
        self.scan("budgets", &query, params![tenant, name, read::rows_max(limit)], rows::budget)
    }

    fn accounts(&self, after: Option<(&TenantId, &str)>, limit: usize) -> Answer<Vec<(TenantId, AccountRow)>> {
        let query = format!(
            "SELECT {} FROM accounts WHERE (tenant, account) > (?1, ?2) ORDER BY tenant, account LIMIT ?3",
            rows::ACCOUNT
        );
        let (tenant, account) = after.map_or(("", ""), |(tenant, account)| (tenant.as_str(), account));
        self.scan("accounts", &query, params![tenant, account, read::rows_max(limit)], rows::account)
    }

    fn evidence(&self, after: Option<(&TenantId, EvidenceId)>, limit: usize) -> Answer<Vec<(TenantId, EvidenceRow)>> {
        let query = format!(
            "SELECT {} FROM evidence WHERE (tenant, id) > (?1, ?2) ORDER BY tenant, id LIMIT ?3",
            rows::EVIDENCE
        );
        let (tenant, id) = after.map_or(("", String::new()), |(tenant, id)| (tenant.as_str(), id.to_string()));
        self.scan("evidence", &query, params![tenant, id, read::rows_max(limit)], rows::evidence)
    }

    fn evidence_contents(
        &self,
        after: Option<(&TenantId, EvidenceId)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, EvidenceContentRow)>> {
        let query = format!(
            "SELECT {} FROM evidence_contents WHERE (tenant, id) > (?1, ?2) ORDER BY tenant, id LIMIT ?3",
            rows::EVIDENCE
        );
        let (tenant, id) = after.map_or(("", String::new()), |(tenant, id)| (tenant.as_str(), id.to_string()));
        self.scan("evidence_contents", &query, params![tenant, id, read::rows_max(limit)], rows::evidence_content)
    }

    fn notifiers(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, NotifierSeen)>> {
        let query = format!(
            "SELECT {} FROM notifiers WHERE (tenant, name) > (?1, ?2) ORDER BY tenant, name LIMIT ?3",
            rows::NOTIFIER
        );
        let (tenant, name) = after.map_or(("", ""), |(tenant, name)| (tenant.as_str(), name.as_str()));
        self.scan("notifiers", &query, params![tenant, name, read::rows_max(limit)], |row| {
            rows::notifier(row).map(|(tenant, row)| (tenant, NotifierSeen::of(&row)))
        })
    }

    fn overrides(&self, after: Option<(&TenantId, OverrideId)>, limit: usize) -> Answer<Vec<(TenantId, OverrideRow)>> {
        let query = format!(
            "SELECT {} FROM overrides WHERE (tenant, id) > (?1, ?2) ORDER BY tenant, id LIMIT ?3",
            rows::OVERRIDE
        );
        let (tenant, id) = after.map_or(("", String::new()), |(tenant, id)| (tenant.as_str(), id.to_string()));
        self.scan("overrides", &query, params![tenant, id, read::rows_max(limit)], rows::over)
    }

    fn retention(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<(TenantId, RetentionRow)>> {
        let query = format!("SELECT {} FROM retention WHERE tenant > ?1 ORDER BY tenant LIMIT ?2", rows::SINGLE);
        let page = params![after.map_or("", TenantId::as_str), read::rows_max(limit)];
        self.scan("retention", &query, page, rows::retention)
    }

    fn trust(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<(TenantId, TrustRow)>> {
        let query = format!("SELECT {} FROM trust WHERE tenant > ?1 ORDER BY tenant LIMIT ?2", rows::SINGLE);
        let page = params![after.map_or("", TenantId::as_str), read::rows_max(limit)];
        self.scan("trust", &query, page, rows::trust)
    }

    fn schedules(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, ScheduleRow)>> {
        let query = format!(
            "SELECT {} FROM schedules WHERE (tenant, name) > (?1, ?2) ORDER BY tenant, name LIMIT ?3",
            rows::SCHEDULE
        );
        let (tenant, name) = after.map_or(("", ""), |(tenant, name)| (tenant.as_str(), name.as_str()));
        self.scan("schedules", &query, params![tenant, name, read::rows_max(limit)], rows::schedule)
    }

    fn signing_secrets(
        &self,
        after: Option<(&TenantId, SigningSecretId)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, SigningSecretSeen)>> {
        let query = format!(
            "SELECT {} FROM signing_secrets WHERE (tenant, id) > (?1, ?2) ORDER BY tenant, id LIMIT ?3",
            rows::SIGNING_SECRET
        );
        let (tenant, id) = after.map_or(("", FIRST.to_vec()), |(tenant, id)| (tenant.as_str(), id.as_bytes().to_vec()));
        let page = params![tenant, id, read::rows_max(limit)];
        self.scan("signing_secrets", &query, page, |row| {
            rows::signing_secret(row).map(|(tenant, row)| (tenant, SigningSecretSeen::of(&row)))
        })
    }

    fn definitions(
        &self,
        after: Option<(&TenantId, &Name, u32)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, DefinitionRow)>> {
        let query = format!(
            "SELECT {} FROM definitions WHERE (tenant, name, version) > (?1, ?2, ?3) \
             ORDER BY tenant, name, version LIMIT ?4",
            rows::DEFINITION
        );
        let (tenant, name, version) = versioned(after);
        self.scan("definitions", &query, params![tenant, name, version, read::rows_max(limit)], rows::definition)
    }

    fn bundles(&self, after: Option<(&TenantId, &Name, u32)>, limit: usize) -> Answer<Vec<(TenantId, BundleRow)>> {
        let query = format!(
            "SELECT {} FROM bundles WHERE (tenant, name, version) > (?1, ?2, ?3) \
             ORDER BY tenant, name, version LIMIT ?4",
            rows::BUNDLES
        );
        let (tenant, name, version) = versioned(after);
        self.scan("bundles", &query, params![tenant, name, version, read::rows_max(limit)], rows::bundle)
    }

    fn pointers(&self) -> Answer<Vec<PointerRow>> {
        let query = "SELECT tenant, kind, digest FROM pointers ORDER BY tenant, kind";
        self.scan("pointers", query, [], rows::pointer)
    }

    fn tiles(&self, log: LogId, after: Option<(u8, u64)>, limit: usize) -> Answer<Vec<TileRow>> {
        let query = "SELECT level, tile, hashes FROM tiles WHERE log = ?1 AND (level, tile) > (?2, ?3) \
             ORDER BY level, tile LIMIT ?4";
        let (level, index) = after.map_or((-1, 0), |(level, index)| (i64::from(level), index));
        self.scan("tiles", query, params![log.0, level, index, read::rows_max(limit)], rows::tile)
    }

    fn checkpoints(&self, log: LogId, after: Option<u64>, limit: usize) -> Answer<Vec<CheckpointRow>> {
        let query = "SELECT size, note FROM checkpoints WHERE log = ?1 AND size > ?2 ORDER BY size LIMIT ?3";
        let after = after.map_or(-1, |size| i64::try_from(size).unwrap_or(i64::MAX));
        self.scan("checkpoints", query, params![log.0, after, read::rows_max(limit)], rows::checkpoint)
    }
}

fn versioned<'a>(after: Option<(&'a TenantId, &'a Name, u32)>) -> (&'a str, &'a str, u32) {
    after.map_or(("", "", 0), |(tenant, name, version)| (tenant.as_str(), name.as_str(), version))
}
