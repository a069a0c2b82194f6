//! Taking into memory what the store brought.

use super::Shard;
use super::desk::{Lease, LeaseKey};
use crate::batch::{Loaded, StoreError};
use crate::control;
use crate::row::SettingsRow;
use crate::rows;
use chancery_base::{Digest, Timestamp};
use chancery_engine::{Phase, Settings};
use chancery_policy::Bundle;
use std::collections::HashSet;
use std::sync::Arc;

impl Shard {
    /// Takes loaded transactions into memory; every attempt that is out and has no lease gets a full one.
    pub(super) fn admit(&mut self, loaded: Loaded, now: Timestamp) -> Result<(), StoreError> {
        let damaged = |message: String| StoreError {
            operation: "read a transaction",
            kind: chancery_base::Kind::Broken,
            message,
        };
        for row in loaded.definitions {
            self.take_definition(&row)?;
        }
        for row in &loaded.settings {
            self.take_settings(row)?;
        }
        for transaction in loaded.transactions {
            let id = transaction.row.id;
            let definition = self.definitions.get(&transaction.row.definition_digest);
            let definition = definition.ok_or_else(|| damaged(format!("{id}: its definition is missing")))?;
            let settings = self.settings_of(transaction.row.settings);
            let settings = settings.ok_or_else(|| damaged(format!("{id}: its settings are missing")))?;
            let mut member = rows::transaction(&transaction, Arc::clone(definition), settings)
                .map_err(|err| damaged(format!("{id}: {err}")))?;
            // While nobody served, no worker could come for what waits: it has as long as leases have.
            if !self.is_recovered {
                member.hold(now.plus(self.config.lease));
            }
            self.join(&member);
            self.wanted_bundles.insert(member.head().beginning.bundle);
            self.index.awake(id, transaction.row.wake_at);
            self.index.refresh(&member, now);
            if member.wake_at().is_some_and(|at| at <= now) {
                self.index.look_at(id, now);
            }
            // What an open transaction's driver has out is its own until the deadline, and so is what a target accepted.
            let is_driven = |phase: Phase| phase == Phase::Do && member.is_driven();
            let leased = |(node, phase): &_| !is_driven(*phase) && member.is_leased(*node, *phase);
            for (node, phase) in member.out().filter(leased) {
                let key = LeaseKey { transaction: id, node, phase };
                if self.desk.lease(key).is_none() {
                    let until = now.plus(self.config.lease);
                    self.desk.set_lease(key, Lease { worker: None, version: None, until, token: None, task: None });
                }
            }
            if !member.status().is_settled() {
                self.running += 1;
            }
            self.clones += member.clone_count();
            if let Some(before) = self.members.insert(id, Box::new(member)) {
                self.clones -= before.clone_count();
            }
        }
        Ok(())
    }

    /// Settings that the store has: each version is in memory once, however many see it.
    fn take_settings(&mut self, row: &SettingsRow) -> Result<(), StoreError> {
        if self.settings.contains_key(&row.version) {
            return Ok(());
        }
        let settings = control::settings(row).map_err(|err| StoreError {
            operation: "read settings",
            kind: chancery_base::Kind::Broken,
            message: err.to_string(),
        })?;
        self.settings.insert(row.version, settings);
        Ok(())
    }

    /// Forgets the definitions and bundles that nobody in memory has: they are read again for whoever comes. What was
    /// read before the log's transactions came is for them.
    pub(super) fn forget_unused(&mut self) {
        if self.is_recovered {
            self.definitions.retain(|_, definition| Arc::strong_count(definition) > 1);
            let pinned: HashSet<Digest> = self.members.values().map(|member| member.head().beginning.bundle).collect();
            let has_use = |bundle: &Arc<Bundle>| Arc::strong_count(bundle) > 1;
            self.bundles.retain(|digest, bundle| pinned.contains(digest) || bundle.as_ref().is_some_and(has_use));
        }
        let definitions = &self.definitions;
        self.family.forget_versions(|digest| definitions.contains_key(digest));
    }

    /// The settings of a version; none where that is not here.
    fn settings_of(&self, version: Option<u32>) -> Option<Arc<Settings>> {
        version.map_or_else(|| Some(Settings::none()), |version| self.settings.get(&version).map(Arc::clone))
    }

    /// Keeps the newest settings, and those that somebody in memory sees.
    pub(super) fn keep_settings(&mut self, newest: &Arc<Settings>) {
        self.settings.retain(|_, settings| Arc::strong_count(settings) > 1);
        if let Some(version) = newest.version() {
            self.settings.entry(version).or_insert_with(|| Arc::clone(newest));
        }
    }
}
