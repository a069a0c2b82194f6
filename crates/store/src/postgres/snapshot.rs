//! The whole store at one moment, read without a server or beside one.

use crate::check::LOG_ENTRIES_MAX;
use crate::error;
use crate::postgres::pool::{Connection, Param};
use crate::postgres::read::rows_max;
use crate::postgres::{OpenError, Options, connect, rows, schema};
use crate::scan::{KeyPlace, PointerRow, Scan, SlotRow};
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
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

type Answer<T> = Result<T, StoreError>;

/// A value that goes to the thread that reads.
type Value = (Box<dyn ToSql + Sync + Send>, Type);

struct Query {
    table: &'static str,
    sql: String,
    values: Vec<Value>,
    answer: mpsc::SyncSender<Answer<Vec<Row>>>,
}

/// A store at one moment, in a transaction of a connection that a thread of its own keeps, so that it can be read
/// from where nothing may wait for the driver. While this is held, the database keeps row versions that it might
/// have cleaned away.
#[derive(Debug)]
pub struct Snapshot {
    queries: Option<UnboundedSender<Query>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        drop(self.queries.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that read the database panicked");
        }
    }
}

/// The transaction of a snapshot.
async fn begin(options: &Options) -> Result<Connection, OpenError> {
    // Reading a whole table may take longer than a statement that somebody waits for.
    let connections = connect(&Options { prepare: false, ..options.clone() })?;
    let state = schema::state(&connections).await?;
    if !state.pending.is_empty() {
        return Err(OpenError::Pending(state.pending.len()));
    }
    let conn = connections.open("begin to read").await?;
    conn.begin().await?;
    // The first read fixes the moment.
    conn.rows("begin to read", "SELECT count(*) FROM logs", &[]).await?;
    Ok(conn)
}

async fn serve(conn: &Connection, mut queries: UnboundedReceiver<Query>) {
    while let Some(Query { table, sql, values, answer }) = queries.recv().await {
        let params: Vec<Param<'_>> =
            values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
        let found = conn.rows(table, &sql, &params).await;
        // Who asked may have given up.
        answer.send(found).ok();
    }
}

impl Snapshot {
    pub(super) fn open(options: &Options) -> Result<Self, OpenError> {
        let options = options.clone();
        let (queries, queue) = unbounded_channel();
        let (opened, is_open) = mpsc::sync_channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(OpenError::Thread)?;
        let run = move || {
            runtime.block_on(async {
                match begin(&options).await {
                    Ok(conn) => {
                        opened.send(Ok(())).ok();
                        serve(&conn, queue).await;
                    }
                    Err(error) => {
                        opened.send(Err(error)).ok();
                    }
                }
            });
        };
        let thread = std::thread::Builder::new().name("store-scan".to_owned()).spawn(run).map_err(OpenError::Thread)?;
        let snapshot = Self { queries: Some(queries), thread: Some(thread) };
        let gone = || error("begin to read", Kind::Bug, "the thread that reads ended");
        is_open.recv().ok().ok_or_else(gone)??;
        Ok(snapshot)
    }

    fn query(&self, table: &'static str, sql: String, values: Vec<Value>) -> Answer<Vec<Row>> {
        let gone = || error(table, Kind::Bug, "the thread that reads ended");
        let (answer, answered) = mpsc::sync_channel(1);
        let queries = self.queries.as_ref().ok_or_else(gone)?;
        queries.send(Query { table, sql, values, answer }).ok().ok_or_else(gone)?;
        answered.recv().ok().ok_or_else(gone)?
    }

    /// Rows of a query, and on a bad one where it is.
    fn scan<T>(
        &self,
        table: &'static str,
        sql: String,
        values: Vec<Value>,
        read: impl Fn(&Row) -> Result<T, rows::BadColumn>,
    ) -> Answer<Vec<T>> {
        rows::all(table, &self.query(table, sql, values)?, read)
    }

    fn count(&self, table: &'static str) -> Answer<u64> {
        let counts =
            self.scan(table, format!("SELECT count(*) FROM {table}"), vec![], |row| rows::number::<u64>(row, 0))?;
        counts.first().copied().ok_or_else(|| error(table, Kind::Broken, "there is no count"))
    }
}

fn int(value: impl Into<i64>) -> Value {
    (Box::new(value.into()), Type::INT8)
}

fn large(value: u64) -> Value {
    int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn limited(limit: usize) -> Value {
    int(rows_max(limit))
}

fn text(value: impl Into<String>) -> Value {
    (Box::new(value.into()), Type::TEXT)
}

fn uuid(bytes: &[u8; 16]) -> Value {
    (Box::new(Uuid::from_bytes(*bytes)), Type::UUID)
}

fn bytes(value: &[u8]) -> Value {
    (Box::new(value.to_vec()), Type::BYTEA)
}

/// The rest of a query for a page by `key`, whose values begin after `after`; the limit is the next value.
fn page(key: &str, after: &[Value]) -> String {
    let names: Vec<String> = (1..=after.len()).map(|number| format!("${number}")).collect();
    let limit = after.len() + 1;
    if after.is_empty() {
        return format!("ORDER BY {key} LIMIT ${limit}");
    }
    format!("WHERE ({key}) > ({}) ORDER BY {key} LIMIT ${limit}", names.join(", "))
}

impl Snapshot {
    /// A page of a table by its key.
    fn pages<T>(
        &self,
        (table, columns, key): (&'static str, &str, &str),
        mut after: Vec<Value>,
        limit: usize,
        read: impl Fn(&Row) -> Result<T, rows::BadColumn>,
    ) -> Answer<Vec<T>> {
        let sql = format!("SELECT {columns} FROM {table} {}", page(key, &after));
        after.push(limited(limit));
        self.scan(table, sql, after, read)
    }
}

impl Scan for Snapshot {
    fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<TenantRow>> {
        let after = after.map(|tenant| vec![text(tenant.as_str())]).unwrap_or_default();
        self.pages(("tenants", rows::TENANT, "tenant"), after, limit, rows::tenant)
    }

    fn logs(&self) -> Answer<Vec<LogRow>> {
        self.scan("logs", format!("SELECT {} FROM logs ORDER BY id", rows::LOG), vec![], rows::log)
    }

    fn slots(&self, after: Option<(&TenantId, u16)>, limit: usize) -> Answer<Vec<SlotRow>> {
        let after = after.map(|(tenant, first)| vec![text(tenant.as_str()), int(first)]).unwrap_or_default();
        self.pages(("slots", rows::SLOT, "tenant, first_slot"), after, limit, rows::slot)
    }

    fn entries(&self, log: LogId, from: u64, limit: usize) -> Answer<Vec<EntryRow>> {
        if from >= LOG_ENTRIES_MAX {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {} FROM entries WHERE log = $1 AND seq >= $2 ORDER BY seq LIMIT $3", rows::ENTRY);
        let found = self.scan("entries", sql, vec![int(log.0), large(from), limited(limit)], rows::entry)?;
        Ok(found.into_iter().map(|(_, entry)| entry).collect())
    }

    fn entry_logs(&self) -> Answer<Vec<LogId>> {
        // From one log to the next, not through all entries.
        let sql = "WITH RECURSIVE found (id) AS (\
             SELECT min(log) FROM entries \
             UNION ALL SELECT (SELECT min(log) FROM entries WHERE log > found.id) FROM found WHERE found.id IS NOT NULL\
             ) SELECT id FROM found WHERE id IS NOT NULL";
        self.scan("entries", sql.to_owned(), vec![], |row| rows::value(row).map(LogId))
    }

    fn tree_logs(&self) -> Answer<Vec<(&'static str, LogId)>> {
        let mut found = Vec::new();
        for table in ["tiles", "checkpoints"] {
            let sql = format!("SELECT DISTINCT log FROM {table} ORDER BY log");
            found.extend(self.scan(table, sql, vec![], |row| Ok((table, LogId(rows::value(row)?))))?);
        }
        Ok(found)
    }

    fn transaction_count(&self) -> Answer<u64> {
        self.count("transactions")
    }

    fn step_count(&self) -> Answer<u64> {
        self.count("steps")
    }

    fn transactions(&self, after: Option<TransactionId>, limit: usize) -> Answer<Vec<TransactionRow>> {
        let after = after.map(|id| vec![uuid(id.as_bytes())]).unwrap_or_default();
        self.pages(("transactions", rows::TRANSACTION, "id"), after, limit, rows::transaction)
    }

    fn steps(&self, after: Option<(TransactionId, u32, u32)>, limit: usize) -> Answer<Vec<StepRow>> {
        let after = after.map(|(id, step, clone)| vec![uuid(id.as_bytes()), int(step), int(clone)]).unwrap_or_default();
        self.pages(("steps", rows::STEP, "transaction_id, step, clone"), after, limit, rows::step)
    }

    fn label_count(&self) -> Answer<u64> {
        self.count("labels")
    }

    fn labels(&self, after: Option<&LabelRow>, limit: usize) -> Answer<Vec<LabelRow>> {
        let after = after.map(|row| {
            vec![int(row.log.0), text(&row.name), bytes(row.value.as_bytes()), uuid(row.transaction.as_bytes())]
        });
        let key = "log, name, value, transaction_id";
        self.pages(("labels", rows::LABEL, key), after.unwrap_or_default(), limit, rows::label)
    }

    fn events(&self, after: Option<(LogId, u64)>, limit: usize) -> Answer<Vec<EventRow>> {
        let after = after.map(|(log, seq)| vec![int(log.0), int(i64::try_from(seq).unwrap_or(i64::MAX))]);
        self.pages(("events", rows::EVENT, "log, seq"), after.unwrap_or_default(), limit, rows::event)
    }

    fn request_count(&self) -> Answer<u64> {
        self.count("requests")
    }

    fn requests(&self, after: Option<(TransactionId, RequestId)>, limit: usize) -> Answer<Vec<RequestRow>> {
        let after = after.map(|(transaction, id)| vec![uuid(transaction.as_bytes()), uuid(id.as_bytes())]);
        self.pages(("requests", rows::REQUEST, "transaction_id, id"), after.unwrap_or_default(), limit, rows::request)
    }

    fn keys(&self, after: Option<&KeyPlace>, limit: usize) -> Answer<Vec<(TenantId, KeyRow)>> {
        let after = after.map(|(tenant, scope, slot, key)| {
            vec![text(tenant.as_str()), text(words::scope(*scope)), int(*slot), bytes(key)]
        });
        self.pages(("keys", rows::KEY, "tenant, scope, slot, key"), after.unwrap_or_default(), limit, rows::key)
    }

    fn principals(
        &self,
        after: Option<(&TenantId, PrincipalId)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, PrincipalRow)>> {
        let after = after.map(|(tenant, id)| vec![text(tenant.as_str()), text(id.to_string())]).unwrap_or_default();
        self.pages(("principals", rows::PRINCIPAL, "tenant, id"), after, limit, rows::principal)
    }

    fn credentials(&self, after: Option<(&TenantId, KeyId)>, limit: usize) -> Answer<Vec<(TenantId, CredentialRow)>> {
        let after = after.map(|(tenant, id)| vec![text(tenant.as_str()), uuid(id.as_bytes())]).unwrap_or_default();
        self.pages(("credentials", rows::CREDENTIAL, "tenant, id"), after, limit, rows::credential)
    }

    fn targets(&self, after: Option<(&TenantId, &TargetId)>, limit: usize) -> Answer<Vec<(TenantId, TargetRow)>> {
        let after = after.map(|(tenant, target)| vec![text(tenant.as_str()), text(target.as_str())]);
        self.pages(("targets", rows::TARGET, "tenant, target"), after.unwrap_or_default(), limit, rows::target)
    }

    fn queues(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, QueueRow)>> {
        let after = after.map(|(tenant, queue)| vec![text(tenant.as_str()), text(queue.as_str())]);
        self.pages(("queues", rows::QUEUE, "tenant, queue"), after.unwrap_or_default(), limit, rows::queue)
    }

    fn settings(&self, after: Option<(&TenantId, u32)>, limit: usize) -> Answer<Vec<(TenantId, SettingsRow)>> {
        let after = after.map(|(tenant, version)| vec![text(tenant.as_str()), int(version)]).unwrap_or_default();
        self.pages(("settings", rows::SETTINGS, "tenant, version"), after, limit, rows::tenant_settings)
    }

    fn maintenance(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<(TenantId, MaintenanceRow)>> {
        let after = after.map(|tenant| vec![text(tenant.as_str())]).unwrap_or_default();
        self.pages(("maintenance", rows::MAINTENANCE, "tenant"), after, limit, rows::maintenance)
    }

    fn stops(&self, after: Option<(&TenantId, StopId)>, limit: usize) -> Answer<Vec<(TenantId, StopRow)>> {
        let after = after.map(|(tenant, id)| vec![text(tenant.as_str()), text(id.to_string())]).unwrap_or_default();
        self.pages(("stops", rows::STOP, "tenant, id"), after, limit, rows::stop)
    }

    fn budgets(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, BudgetRow)>> {
        let after = after.map(|(tenant, name)| vec![text(tenant.as_str()), text(name.as_str())]);
        self.pages(("budgets", rows::BUDGET, "tenant, name"), after.unwrap_or_default(), limit, rows::budget)
    }

    fn accounts(&self, after: Option<(&TenantId, &str)>, limit: usize) -> Answer<Vec<(TenantId, AccountRow)>> {
        let after = after.map(|(tenant, account)| vec![text(tenant.as_str()), text(account)]);
        self.pages(("accounts", rows::ACCOUNT, "tenant, account"), after.unwrap_or_default(), limit, rows::account)
    }

    fn evidence(&self, after: Option<(&TenantId, EvidenceId)>, limit: usize) -> Answer<Vec<(TenantId, EvidenceRow)>> {
        let after = after.map(|(tenant, id)| vec![text(tenant.as_str()), text(id.to_string())]).unwrap_or_default();
        self.pages(("evidence", rows::EVIDENCE, "tenant, id"), after, limit, rows::evidence)
    }

    fn evidence_contents(
        &self,
        after: Option<(&TenantId, EvidenceId)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, EvidenceContentRow)>> {
        let after = after.map(|(tenant, id)| vec![text(tenant.as_str()), text(id.to_string())]).unwrap_or_default();
        self.pages(("evidence_contents", rows::EVIDENCE, "tenant, id"), after, limit, rows::evidence_content)
    }

    fn notifiers(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, NotifierSeen)>> {
        let after = after.map(|(tenant, name)| vec![text(tenant.as_str()), text(name.as_str())]).unwrap_or_default();
        self.pages(("notifiers", rows::NOTIFIER, "tenant, name"), after, limit, |row| {
            rows::notifier(row).map(|(tenant, row)| (tenant, NotifierSeen::of(&row)))
        })
    }

    fn overrides(&self, after: Option<(&TenantId, OverrideId)>, limit: usize) -> Answer<Vec<(TenantId, OverrideRow)>> {
        let after = after.map(|(tenant, id)| vec![text(tenant.as_str()), text(id.to_string())]).unwrap_or_default();
        self.pages(("overrides", rows::OVERRIDE, "tenant, id"), after, limit, rows::over)
    }

    fn retention(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<(TenantId, RetentionRow)>> {
        let after = after.map(|tenant| vec![text(tenant.as_str())]).unwrap_or_default();
        self.pages(("retention", rows::RETENTION, "tenant"), after, limit, rows::retention)
    }

    fn trust(&self, after: Option<&TenantId>, limit: usize) -> Answer<Vec<(TenantId, TrustRow)>> {
        let after = after.map(|tenant| vec![text(tenant.as_str())]).unwrap_or_default();
        self.pages(("trust", rows::TRUST, "tenant"), after, limit, rows::trust)
    }

    fn schedules(&self, after: Option<(&TenantId, &Name)>, limit: usize) -> Answer<Vec<(TenantId, ScheduleRow)>> {
        let after = after.map(|(tenant, name)| vec![text(tenant.as_str()), text(name.as_str())]);
        self.pages(("schedules", rows::SCHEDULE, "tenant, name"), after.unwrap_or_default(), limit, rows::schedule)
    }

    fn signing_secrets(
        &self,
        after: Option<(&TenantId, SigningSecretId)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, SigningSecretSeen)>> {
        let after = after.map(|(tenant, id)| vec![text(tenant.as_str()), uuid(id.as_bytes())]).unwrap_or_default();
        self.pages(("signing_secrets", rows::SIGNING_SECRET, "tenant, id"), after, limit, |row| {
            rows::signing_secret(row).map(|(tenant, row)| (tenant, SigningSecretSeen::of(&row)))
        })
    }

    fn definitions(
        &self,
        after: Option<(&TenantId, &Name, u32)>,
        limit: usize,
    ) -> Answer<Vec<(TenantId, DefinitionRow)>> {
        self.pages(("definitions", rows::DEFINITION, VERSIONED), versioned(after), limit, rows::definition)
    }

    fn bundles(&self, after: Option<(&TenantId, &Name, u32)>, limit: usize) -> Answer<Vec<(TenantId, BundleRow)>> {
        self.pages(("bundles", rows::BUNDLES, VERSIONED), versioned(after), limit, rows::bundle)
    }

    fn pointers(&self) -> Answer<Vec<PointerRow>> {
        let sql = "SELECT tenant, kind, digest FROM pointers ORDER BY tenant, kind";
        self.scan("pointers", sql.to_owned(), vec![], rows::pointer)
    }

    fn tiles(&self, log: LogId, after: Option<(u8, u64)>, limit: usize) -> Answer<Vec<TileRow>> {
        let sql = "SELECT level, tile, hashes FROM tiles WHERE log = $1 AND (level, tile) > ($2, $3) \
             ORDER BY level, tile LIMIT $4";
        let (level, index) = after.map_or((-1, 0), |(level, index)| (i64::from(level), index));
        self.scan("tiles", sql.to_owned(), vec![int(log.0), int(level), large(index), limited(limit)], rows::tile)
    }

    fn checkpoints(&self, log: LogId, after: Option<u64>, limit: usize) -> Answer<Vec<CheckpointRow>> {
        let sql = "SELECT size, note FROM checkpoints WHERE log = $1 AND size > $2 ORDER BY size LIMIT $3";
        let after = after.map_or(int(-1), large);
        self.scan("checkpoints", sql.to_owned(), vec![int(log.0), after, limited(limit)], rows::checkpoint)
    }
}

const VERSIONED: &str = "tenant, name, version";

fn versioned(after: Option<(&TenantId, &Name, u32)>) -> Vec<Value> {
    after
        .map(|(tenant, name, version)| vec![text(tenant.as_str()), text(name.as_str()), int(version)])
        .unwrap_or_default()
}
