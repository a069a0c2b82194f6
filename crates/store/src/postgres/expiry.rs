//! What has ended long ago: finding it, and removing it.

use crate::expiry::{Below, OPERATION, Picker};
use crate::postgres::pool::{Connection, Connections, Param};
use crate::postgres::read::{Answer, all, rows_max};
use crate::postgres::rows;
use crate::postgres::statement::{Statement, column};
use crate::words;
use chancery_base::TransactionId;
use chancery_shard::expiry::{Expired, Expiring, Gone, Place};
use chancery_shard::row::{LogId, TransactionRow};
use std::collections::HashMap;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// Families that are looked at with one statement: each may be large.
const FAMILIES: usize = 50;

/// Transactions by id, each with whether it is a root that ended before a time.
const LOOK: &str = "SELECT id, parent_id IS NULL AND ended_at IS NOT NULL AND ended_at < $4 FROM transactions \
     WHERE log = $1 AND ($2::uuid IS NULL OR id > $2) AND id < $3 ORDER BY id LIMIT $5";

/// All that stands below some transactions: below which, and whether it has ended.
const BELOW: &str = "WITH RECURSIVE family (root, id, has_ended, depth) AS ( \
         SELECT parent_id, id, ended_at IS NOT NULL, 1::int8 FROM transactions WHERE log = $1 AND parent_id = ANY($2) \
         UNION ALL \
         SELECT family.root, child.id, child.ended_at IS NOT NULL, family.depth + 1 FROM family \
         JOIN transactions AS child ON child.log = $1 AND child.parent_id = family.id \
     ) SELECT root, id, has_ended, depth FROM family";

const STEPS: &str = "SELECT transaction_id, count(*) FROM steps WHERE transaction_id = ANY($1) GROUP BY transaction_id";

pub(super) async fn expired(connections: &Connections, log: LogId, expiring: Expiring) -> Answer<Expired> {
    let conn = connections.get(OPERATION).await?;
    conn.begin().await?;
    let mut picker = Picker::new(expiring);
    let (after, before) = (picker.after().map(uuid), uuid(picker.before()));
    let (ended_before, looks) = (expiring.ended_before.as_micros(), rows_max(expiring.looks));
    let page: &[Param<'_>] = &[
        (&log.0, Type::INT8),
        (&after, Type::UUID),
        (&before, Type::UUID),
        (&ended_before, Type::INT8),
        (&looks, Type::INT8),
    ];
    let looked = all(&conn, OPERATION, LOOK, page, rows::flagged).await?;
    picker.looked(looked.last().map(|(id, _)| *id), looked.len());
    let roots: Vec<TransactionId> = looked.into_iter().filter(|(_, goes)| *goes).map(|(id, _)| id).collect();
    for roots in roots.chunks(FAMILIES) {
        if picker.is_full() {
            break;
        }
        let ids: Vec<Uuid> = roots.iter().copied().map(uuid).collect();
        let params: &[Param<'_>] = &[(&log.0, Type::INT8), (&ids, Type::UUID_ARRAY)];
        let mut below: HashMap<TransactionId, Vec<Below>> = HashMap::new();
        for (root, member) in all(&conn, OPERATION, BELOW, params, rows::below).await? {
            below.entry(root).or_default().push(member);
        }
        for root in roots {
            if picker.is_full() {
                break;
            }
            picker.take(*root, below.remove(root).unwrap_or_default());
        }
    }
    let found = with_steps(&conn, picker.places()).await?;
    conn.end().await?;
    Ok(picker.finish(found))
}

/// The rows of these places, in their order, each with how many steps it has.
async fn with_steps(conn: &Connection, places: &[Place]) -> Answer<Vec<(TransactionRow, u64)>> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = places.iter().map(|place| uuid(place.id())).collect();
    let params: &[Param<'_>] = &[(&ids, Type::UUID_ARRAY)];
    let query = format!("SELECT {} FROM transactions WHERE id = ANY($1)", rows::TRANSACTION);
    let found = all(conn, OPERATION, &query, params, rows::transaction).await?;
    let mut found: HashMap<TransactionId, TransactionRow> = found.into_iter().map(|row| (row.id, row)).collect();
    let steps: HashMap<TransactionId, u64> =
        all(conn, OPERATION, STEPS, params, rows::counted).await?.into_iter().collect();
    let row = |place: &Place| Some((found.remove(&place.id())?, steps.get(&place.id()).copied().unwrap_or_default()));
    Ok(places.iter().filter_map(row).collect())
}

/// Adds what a batch removes, but for what has not ended, to a statement whose first part is `guard`.
pub(super) fn parts<'a>(statement: &mut Statement<'a>, gone: &'a Gone) {
    if gone.transactions.is_empty() {
        return;
    }
    let ids: Vec<Uuid> = gone.transactions.iter().copied().map(uuid).collect();
    let ids = statement.bind(ids, Type::UUID_ARRAY);
    statement.part(
        "gone",
        format!(
            "DELETE FROM transactions WHERE id = ANY({ids}) AND ended_at IS NOT NULL \
             AND log IN (SELECT guard.id FROM guard) RETURNING transactions.id"
        ),
    );
    statement.part(
        "gone_steps",
        format!(
            "DELETE FROM steps WHERE transaction_id = ANY({ids}) AND transaction_id IN (SELECT gone.id FROM gone) \
             RETURNING 1"
        ),
    );
    statement.part(
        "gone_requests",
        format!(
            "DELETE FROM requests WHERE transaction_id = ANY({ids}) AND transaction_id IN (SELECT gone.id FROM gone) \
             RETURNING 1"
        ),
    );
    if !gone.keys.is_empty() {
        let keys = &gone.keys;
        let source = statement.unnest(vec![
            column(keys, Type::TEXT_ARRAY, |key| words::scope(key.scope)),
            column(keys, Type::INT8_ARRAY, |key| i64::from(key.slot)),
            column(keys, Type::BYTEA_ARRAY, |key| key.key.to_vec()),
            column(keys, Type::UUID_ARRAY, |key| uuid(key.transaction)),
        ]);
        statement.part(
            "gone_keys",
            format!(
                "DELETE FROM keys USING guard, {source} AS old (scope, slot, key, id) WHERE keys.tenant = guard.tenant \
                 AND keys.scope = old.scope AND keys.slot = old.slot AND keys.key = old.key \
                 AND keys.transaction_id = old.id AND old.id IN (SELECT gone.id FROM gone) RETURNING 1"
            ),
        );
    }
    if !gone.labels.is_empty() {
        let labels: Vec<_> = gone.labels.iter().collect();
        let source = statement.unnest(vec![
            column(&labels, Type::INT8_ARRAY, |row| row.log.0),
            column(&labels, Type::TEXT_ARRAY, |row| row.name.as_str()),
            column(&labels, Type::BYTEA_ARRAY, |row| row.value.as_bytes()),
            column(&labels, Type::UUID_ARRAY, |row| uuid(row.transaction)),
        ]);
        statement.part(
            "gone_labels",
            format!(
                "DELETE FROM labels USING {source} AS old (log, name, value, id) WHERE labels.log = old.log \
                 AND labels.name = old.name AND labels.value = old.value AND labels.transaction_id = old.id \
                 AND old.id IN (SELECT gone.id FROM gone) RETURNING 1"
            ),
        );
    }
}

fn uuid(id: TransactionId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}
