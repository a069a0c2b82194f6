//! What has ended long ago: finding it, and removing it.

use crate::expiry::{OPERATION, Picker};
use crate::sqlite::fault::{WriteError, during};
use crate::sqlite::read::{all, one, rows_max, snapshot};
use crate::sqlite::rows;
use crate::{error, words};
use chancery_base::{Kind, TenantId, TransactionId};
use chancery_shard::batch::StoreError;
use chancery_shard::expiry::{Expired, Expiring, Gone};
use chancery_shard::row::LogId;
use rusqlite::{Connection, params};
use std::collections::HashSet;

/// Transactions by id, each with whether it is a root that ended before a time.
const LOOK: &str = "SELECT id, parent_id IS NULL AND ended_at IS NOT NULL AND ended_at < ?4 FROM transactions \
     WHERE log = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT ?5";

/// All that stands below a transaction, each with whether it has ended and how deep it stands.
const BELOW: &str = "WITH RECURSIVE family (id, has_ended, depth) AS ( \
         SELECT id, ended_at IS NOT NULL, 1 FROM transactions WHERE log = ?1 AND parent_id = ?2 \
         UNION ALL \
         SELECT child.id, child.ended_at IS NOT NULL, family.depth + 1 FROM family \
         JOIN transactions AS child ON child.log = ?1 AND child.parent_id = family.id \
     ) SELECT id, has_ended, depth FROM family";

const STEPS: &str = "SELECT count(*) FROM steps WHERE transaction_id = ?1";

pub(super) fn expired(conn: &Connection, log: LogId, expiring: Expiring) -> Result<Expired, StoreError> {
    snapshot(conn, |conn| {
        let mut picker = Picker::new(expiring);
        let after = picker.after().map_or(Vec::new(), |id| id.as_bytes().to_vec());
        let (before, ended_before) = (picker.before(), expiring.ended_before.as_micros());
        let page = params![log.0, after, before.as_bytes(), ended_before, rows_max(expiring.looks)];
        let looked = all(conn, OPERATION, LOOK, page, rows::flagged)?;
        picker.looked(looked.last().map(|(id, _)| *id), looked.len());
        for (root, _) in looked.into_iter().filter(|(_, goes)| *goes) {
            if picker.is_full() {
                break;
            }
            picker.take(root, all(conn, OPERATION, BELOW, params![log.0, root.as_bytes()], rows::below)?);
        }
        let query = format!("SELECT {} FROM transactions WHERE id = ?1", rows::TRANSACTION);
        let mut found = Vec::new();
        for place in picker.places() {
            let id = place.id();
            let missing = || error(OPERATION, Kind::Bug, format!("{id} is gone"));
            let row = one(conn, OPERATION, &query, [id.as_bytes()], rows::transaction)?.ok_or_else(missing)?;
            let steps = one(conn, OPERATION, STEPS, [id.as_bytes()], |row| row.get::<_, u64>(0))?;
            found.push((row, steps.unwrap_or_default()));
        }
        Ok(picker.finish(found))
    })
}

/// Removes what a batch says, but for what has not ended.
pub(super) fn remove(conn: &Connection, log: LogId, tenant: &TenantId, gone: &Gone) -> Result<(), WriteError> {
    if gone.transactions.is_empty() {
        return Ok(());
    }
    let sql = during("remove transactions");
    let head = "DELETE FROM transactions WHERE id = ?1 AND log = ?2 AND ended_at IS NOT NULL";
    let mut head = conn.prepare_cached(head).map_err(&sql)?;
    let mut steps = conn.prepare_cached("DELETE FROM steps WHERE transaction_id = ?1").map_err(&sql)?;
    let mut requests = conn.prepare_cached("DELETE FROM requests WHERE transaction_id = ?1").map_err(&sql)?;
    let mut removed: HashSet<TransactionId> = HashSet::with_capacity(gone.transactions.len());
    for id in &gone.transactions {
        if head.execute(params![id.as_bytes(), log.0]).map_err(&sql)? > 0 {
            steps.execute([id.as_bytes()]).map_err(&sql)?;
            requests.execute([id.as_bytes()]).map_err(&sql)?;
            removed.insert(*id);
        }
    }
    let key = "DELETE FROM keys WHERE tenant = ?1 AND scope = ?2 AND slot = ?3 AND key = ?4 AND transaction_id = ?5";
    let mut statement = conn.prepare_cached(key).map_err(&sql)?;
    for key in gone.keys.iter().filter(|key| removed.contains(&key.transaction)) {
        let scope = words::scope(key.scope);
        let values = params![tenant.as_str(), scope, key.slot, key.key, key.transaction.as_bytes()];
        statement.execute(values).map_err(&sql)?;
    }
    let label = "DELETE FROM labels WHERE log = ?1 AND name = ?2 AND value = ?3 AND transaction_id = ?4";
    let mut statement = conn.prepare_cached(label).map_err(&sql)?;
    for row in gone.labels.iter().filter(|row| removed.contains(&row.transaction)) {
        let values = params![row.log.0, row.name, row.value.as_bytes(), row.transaction.as_bytes()];
        statement.execute(values).map_err(&sql)?;
    }
    Ok(())
}
