//! What must hold when everything has settled: nothing acknowledged is missing, and the rows are what the entries
//! amount to.

use super::World;
use crate::model::Check;
use chancery_ledger::Record;
use chancery_shard::replay::{self, Replay, TenantRows, TransactionRows};
use chancery_shard::row::{KeyRow, LogId};
use chancery_store::scan::Scan;
use chancery_store::sim::Dump;
use std::collections::BTreeMap;

impl World {
    pub(super) fn finale(&mut self) -> Check {
        self.shut_down()?;
        self.observe()?;
        // Reading what was registered takes longer than all else: most replays get it as it is.
        let reads_anew = self.rng.permille(10);
        if let Some((reply, waiting)) = self.waiting.iter().next() {
            return Err(format!("#{reply} was never answered: {waiting:?}"));
        }
        for id in self.clients.acknowledged() {
            if !self.model.transactions.contains_key(&id) {
                return Err(format!("{id} was acknowledged and is missing"));
            }
        }
        self.model.books_are_settled()?;
        let dump = self.store.dump();
        self.stats.entries = dump.logs.iter().map(|log| log.size).sum();
        self.stats.expired = u64::try_from(self.model.expired.len()).unwrap_or(0);
        self.stats.transactions = u64::try_from(dump.transactions.len()).unwrap_or(0);
        for tenant in 0..self.tenants.len() {
            self.replay_tenant(tenant, &dump, reads_anew)?;
        }
        Ok(())
    }

    fn replay_tenant(&self, tenant: usize, dump: &Dump, reads_anew: bool) -> Check {
        let Some(state) = self.tenants.get(tenant) else { return Ok(()) };
        let mut of_tenant = TenantRows::default();
        let mut keys = BTreeMap::new();
        for (shard, place) in state.places.iter().enumerate() {
            let Some((log, _)) = self.places.get(*place) else { continue };
            let mut replay = Replay::new(log.id);
            if shard > 0 {
                // They see what was set on the tenant's first log.
                for row in &of_tenant.settings {
                    replay.know_settings(row).map_err(|err| err.to_string())?;
                }
            }
            if !reads_anew {
                self.bundles.iter().for_each(|bundle| replay.know_bundle(bundle));
            }
            if shard > 0 || !reads_anew {
                // Its transactions run what was registered on the tenant's first log.
                for definition in &state.definitions {
                    replay.know(definition);
                }
            }
            let (transactions, rows) = replay_log(replay, log.id, dump)?;
            check_transactions(log.id, transactions, dump)?;
            check_events(log.id, dump)?;
            keys.extend(rows.keys.clone());
            if shard == 0 {
                of_tenant = rows;
            }
        }
        let stored: Vec<&KeyRow> = dump.keys.iter().filter(|(of, _)| *of == state.id).map(|(_, row)| row).collect();
        let mut stored: Vec<KeyRow> = stored.into_iter().cloned().collect();
        stored.sort_by_key(|row| (row.scope, row.slot, row.key));
        same("keys", &keys.into_values().collect::<Vec<_>>(), &stored)?;
        self.check_control(tenant, &of_tenant)?;
        self.check_governed(tenant, &of_tenant)
    }

    fn check_control(&self, tenant: usize, rows: &TenantRows) -> Check {
        let Some(state) = self.tenants.get(tenant) else { return Ok(()) };
        let failed = |err: chancery_shard::StoreError| err.to_string();
        let of = &state.id;
        let store = &self.store;
        let tenants = Scan::tenants(store, None, usize::MAX).map_err(failed)?;
        let tenants: Vec<_> = tenants.into_iter().filter(|row| row.tenant == *of).map(Some).collect();
        same("tenant", std::slice::from_ref(&rows.tenant), &tenants)?;
        let principals = Scan::principals(store, None, usize::MAX).map_err(failed)?;
        let principals: Vec<_> = principals.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same("principals", &rows.principals.values().cloned().collect::<Vec<_>>(), &sorted(principals, |row| row.id))?;
        let definitions = Scan::definitions(store, None, usize::MAX).map_err(failed)?;
        let definitions = definitions.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same(
            "definitions",
            &sorted(rows.definitions.clone(), |row| row.digest),
            &sorted(definitions, |row| row.digest),
        )?;
        let bundles = Scan::bundles(store, None, usize::MAX).map_err(failed)?;
        let bundles = bundles.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same("bundles", &sorted(rows.bundles.clone(), |row| row.digest), &sorted(bundles, |row| row.digest))?;
        let settings = Scan::settings(store, None, usize::MAX).map_err(failed)?;
        let settings: Vec<_> = settings.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same("settings", &rows.settings, &settings)?;
        let stops = Scan::stops(store, None, usize::MAX).map_err(failed)?;
        let stops: Vec<_> = stops.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same("stops", &rows.stops.values().cloned().collect::<Vec<_>>(), &stops)?;
        let trust = Scan::trust(store, None, usize::MAX).map_err(failed)?;
        let trust: Vec<_> = trust.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same("trust", &rows.trust.clone().into_iter().collect::<Vec<_>>(), &trust)?;
        let pointers = Scan::pointers(store).map_err(failed)?;
        let active: Vec<_> = pointers.into_iter().filter(|row| row.tenant == *of).map(|row| Some(row.digest)).collect();
        same("active bundle", std::slice::from_ref(&rows.active_bundle), &active)?;
        let schedules = Scan::schedules(store, None, usize::MAX).map_err(failed)?;
        let schedules = schedules.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same(
            "schedules",
            &rows.schedules.values().cloned().collect::<Vec<_>>(),
            &sorted(schedules, |row| row.name.clone()),
        )?;
        let logs = Scan::logs(store).map_err(failed)?;
        let epochs: Vec<u64> = logs.iter().filter(|log| log.tenant == *of).map(|log| log.control_epoch).collect();
        same("control epoch", &vec![rows.control_epoch; epochs.len()], &epochs)
    }
}

impl World {
    /// What is counted, shown and answered for.
    fn check_governed(&self, tenant: usize, rows: &TenantRows) -> Check {
        let Some(state) = self.tenants.get(tenant) else { return Ok(()) };
        let failed = |err: chancery_shard::StoreError| err.to_string();
        let (of, store) = (&state.id, &self.store);
        let budgets = Scan::budgets(store, None, usize::MAX).map_err(failed)?;
        let budgets: Vec<_> = budgets.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same("budgets", &rows.budgets.values().cloned().collect::<Vec<_>>(), &budgets)?;
        let accounts = Scan::accounts(store, None, usize::MAX).map_err(failed)?;
        let accounts: Vec<_> = accounts.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same("accounts", &rows.accounts.values().cloned().collect::<Vec<_>>(), &accounts)?;
        let evidence = Scan::evidence(store, None, usize::MAX).map_err(failed)?;
        let evidence: Vec<_> = evidence.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same("evidence", &rows.evidence.values().cloned().collect::<Vec<_>>(), &evidence)?;
        let overrides = Scan::overrides(store, None, usize::MAX).map_err(failed)?;
        let overrides: Vec<_> = overrides.into_iter().filter(|(owner, _)| owner == of).map(|(_, row)| row).collect();
        same("overrides", &rows.overrides.values().cloned().collect::<Vec<_>>(), &overrides)
    }
}

fn sorted<T, K: Ord>(mut rows: Vec<T>, key: impl FnMut(&T) -> K) -> Vec<T> {
    rows.sort_by_key(key);
    rows
}

fn replay_log(mut replay: Replay, log: LogId, dump: &Dump) -> Check<(Vec<TransactionRows>, TenantRows)> {
    let mut transactions = BTreeMap::new();
    for entry in dump.entries.get(&log).into_iter().flatten() {
        let taken = replay.entry(entry).map_err(|err| format!("replay of log {} entry {}: {err}", log.0, entry.seq))?;
        transactions.extend(taken.ended.into_iter().map(|rows| (rows.transaction.id, rows)));
        for id in taken.expired {
            transactions.remove(&id).ok_or_else(|| format!("{id} expired twice, or before it ended"))?;
        }
    }
    let (open, rows) = replay.finish();
    transactions.extend(open.into_iter().map(|rows| (rows.transaction.id, rows)));
    Ok((transactions.into_values().collect(), rows))
}

fn check_transactions(log: LogId, replayed: Vec<TransactionRows>, dump: &Dump) -> Check {
    let stored: Vec<_> = dump.transactions.iter().filter(|row| row.log == log).cloned().collect();
    let ids: Vec<_> = stored.iter().map(|row| row.id).collect();
    let steps: Vec<_> = dump.steps.iter().filter(|row| ids.binary_search(&row.transaction).is_ok()).cloned().collect();
    let (mut heads, mut parts, mut labels, mut requests) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for rows in replayed {
        heads.push(rows.transaction);
        parts.extend(rows.steps);
        labels.extend(rows.labels);
        requests.extend(rows.requests);
    }
    same("transactions", &heads, &stored)?;
    same("steps", &parts, &steps)?;
    same("requests", &requests, &dump.requests.iter().filter(|row| row.log == log).cloned().collect::<Vec<_>>())?;
    labels.sort_unstable();
    same("labels", &labels, &dump.labels.iter().filter(|row| row.log == log).cloned().collect::<Vec<_>>())
}

fn check_events(log: LogId, dump: &Dump) -> Check {
    let mut events = Vec::new();
    for entry in dump.entries.get(&log).into_iter().flatten() {
        let record = Record::parse(&entry.record).map_err(|err| err.to_string())?;
        if record.kind == "event.emitted" {
            let recorded = replay::read(&record, entry).map_err(|err| err.to_string())?;
            events.extend(replay::event_row(log, &record, &recorded));
        }
    }
    same("events", &events, &dump.events.iter().filter(|row| row.log == log).cloned().collect::<Vec<_>>())
}

/// Replayed rows and stored ones, in one order.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, replayed: &[T], stored: &[T]) -> Check {
    if replayed == stored {
        return Ok(());
    }
    let differ = replayed.iter().zip(stored).find(|(a, b)| a != b);
    Err(format!("{what}: {} replayed, {} stored, the first that differ: {differ:?}", replayed.len(), stored.len()))
}
