//! Compiled definitions. A version's content never changes, so nothing here goes stale.

use super::missing;
use crate::Error;
use crate::app::App;
use crate::tenant::Tenant;
use crate::transactions::damaged;
use chancery_base::Name;
use chancery_engine::definition::Definition;
use chancery_policy::Grant;
use chancery_shard::row::TransactionRow;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Definitions that a tenant keeps compiled at most.
const CACHE_MAX: usize = 1_024;

/// The compiled definitions of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    known: RwLock<BTreeMap<(Name, u32), Arc<Definition>>>,
}

impl Definitions {
    /// The definition to start: the named version, else the newest.
    pub(crate) async fn resolve(
        &self,
        app: &App,
        grant: &Grant,
        tenant: &Tenant,
        name: &Name,
        version: Option<u32>,
    ) -> Result<Arc<Definition>, Error> {
        let newest = tenant.control()?.definitions.get(name).map(|(version, _)| *version);
        let newest = newest.ok_or_else(|| missing(name, None))?;
        self.version(app, grant, name, version.unwrap_or(newest)).await
    }

    /// The definition that a transaction runs.
    pub(crate) async fn of_row(
        &self,
        app: &App,
        grant: &Grant,
        row: &TransactionRow,
    ) -> Result<Arc<Definition>, Error> {
        let definition = self.version(app, grant, &row.definition, row.version).await?;
        if definition.digest != row.definition_digest {
            let detail = format!("{} names another definition than `{}` {}", row.id, row.definition, row.version);
            return Err(Error::Damaged { what: "a transaction", detail });
        }
        Ok(definition)
    }

    async fn version(&self, app: &App, grant: &Grant, name: &Name, version: u32) -> Result<Arc<Definition>, Error> {
        let key = (name.clone(), version);
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(known));
        }
        let row = app.store().definition(grant, name, Some(version)).await?;
        let row = row.ok_or_else(|| missing(name, Some(version)))?;
        let definition = Arc::new(Definition::from_canonical(&row.source).map_err(damaged("a definition"))?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHE_MAX {
            known.clear();
        }
        known.insert(key, Arc::clone(&definition));
        Ok(definition)
    }
}
