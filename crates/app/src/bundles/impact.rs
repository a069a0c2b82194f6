//! What putting a bundle into force would deny of what runs.

use super::parse;
use crate::Error;
use crate::app::App;
use crate::settings;
use crate::transactions::damaged;
use chancery_base::limits::{IMPACT_DECISIONS_MAX, IMPACT_LOOKS_MAX, IMPACT_SHOWN_MAX};
use chancery_base::{Digest, Name, TransactionId};
use chancery_engine::ShownStatus;
use chancery_engine::definition::{Definition, PolicyInFlight};
use chancery_engine::search::{Condition, Search};
use chancery_policy::{Bundle, Grant, Reason};
use chancery_shard::control::Control;
use chancery_shard::preview::{self, Preview};
use chancery_shard::row::TransactionRow;
use chancery_shard::rows;
use chancery_store::Reach;
use std::collections::HashMap;

/// Transactions that one page of the search for those that run gives.
const PAGE: usize = 100;

/// What it comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Impact {
    /// Running transactions of which a step would be denied that is permitted now.
    pub transactions: u64,
    /// Those steps, the first [`IMPACT_SHOWN_MAX`].
    pub would_deny: Vec<WouldDeny>,
    /// Transactions that were looked at, newest first.
    pub looked_at: u64,
    /// Steps of which it can't be told: what policy is asked depends on what is not there yet.
    pub untold: u64,
    /// Whether there are more transactions than were looked at.
    pub more: bool,
}

/// A step that would be denied.
#[derive(Debug, Clone, PartialEq)]
pub struct WouldDeny {
    /// The transaction.
    pub transaction: TransactionId,
    /// Its definition.
    pub definition: Name,
    /// The step, or the clone of one: `ship[3]`.
    pub step: String,
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Looks at what runs: at most [`IMPACT_LOOKS_MAX`] transactions, for at most [`IMPACT_DECISIONS_MAX`] decisions.
pub(super) async fn of(app: &App, grant: &Grant, then: &Bundle) -> Result<Impact, Error> {
    let control = app.tenant(grant)?.control()?;
    let mut look = Look { app, grant, control: &control, then, bundles: HashMap::new(), decisions: 0 };
    let mut impact = Impact::default();
    let mut before = None;
    loop {
        let reach = Reach { before, limit: PAGE, looks: IMPACT_LOOKS_MAX };
        let found = app.store().transactions(grant, running(), reach).await?;
        // A full page goes on after its last row; one that is not ends where it stopped looking, or with all of them.
        let next = if found.rows.len() < PAGE { found.floor } else { found.rows.last().map(|row| row.id) };
        for row in found.rows {
            let looked_at = usize::try_from(impact.looked_at).unwrap_or(usize::MAX);
            if looked_at >= IMPACT_LOOKS_MAX || look.decisions >= IMPACT_DECISIONS_MAX {
                impact.more = true;
                return Ok(impact);
            }
            impact.looked_at += 1;
            if let Some(preview) = look.at(&row).await? {
                impact.add(&row, preview);
            }
        }
        if next.is_none() {
            return Ok(impact);
        }
        before = next;
    }
}

/// All that goes forward, or will when somebody has it go on.
fn running() -> Search {
    Search::default().and(Condition::Status(vec![ShownStatus::Running, ShownStatus::Waiting, ShownStatus::Paused]))
}

/// Whether a transaction of a definition is decided by a bundle that is put into force while it runs.
const fn is_decided_anew(definition: &Definition) -> bool {
    match definition.policy {
        PolicyInFlight::Pinned => false,
        PolicyInFlight::Latest | PolicyInFlight::Both => true,
    }
}

struct Look<'a> {
    app: &'a App,
    grant: &'a Grant,
    control: &'a Control,
    then: &'a Bundle,
    /// The bundles that what runs began with.
    bundles: HashMap<Digest, Bundle>,
    decisions: usize,
}

impl Look<'_> {
    /// What becomes of a transaction; none where it has ended meanwhile, or is not asked about.
    async fn at(&mut self, row: &TransactionRow) -> Result<Option<Preview>, Error> {
        let tenant = self.app.tenant(self.grant)?;
        let definition = tenant.definitions.of_row(self.app, self.grant, row).await?;
        if !is_decided_anew(&definition) {
            return Ok(None);
        }
        let Some(loaded) = self.app.store().transaction(self.grant, row.id).await? else { return Ok(None) };
        let settings = settings::of_row(self.app, self.grant, &loaded.row).await?;
        let transaction = match rows::transaction(&loaded, definition, settings) {
            Ok(transaction) => transaction,
            // What was erased can't be told.
            Err(rows::RowError::Missing(_)) => return Ok(Some(Preview { untold: 1, ..Preview::default() })),
            Err(error) => return Err(damaged("a transaction")(error)),
        };
        let began_with = transaction.head().beginning.bundle;
        if began_with == self.then.digest() {
            return Ok(None);
        }
        self.know(began_with).await?;
        let Some(now) = self.bundles.get(&began_with) else { return Err(Error::Bug("a bundle was not kept")) };
        let preview = preview::preview(&transaction, now, self.then, &self.control.directory);
        self.decisions = self.decisions.saturating_add(preview.decisions);
        Ok(Some(preview))
    }

    async fn know(&mut self, digest: Digest) -> Result<(), Error> {
        if self.bundles.contains_key(&digest) {
            return Ok(());
        }
        let row = self.app.store().bundle(self.grant, digest).await?.ok_or_else(|| super::missing(digest))?;
        let (bundle, _) = parse(&row.source)?;
        self.bundles.insert(digest, bundle);
        Ok(())
    }
}

impl Impact {
    fn add(&mut self, row: &TransactionRow, preview: Preview) {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.untold = self.untold.saturating_add(count(preview.untold));
        self.transactions += u64::from(!preview.flips.is_empty());
        let room = IMPACT_SHOWN_MAX.saturating_sub(self.would_deny.len());
        self.would_deny.extend(preview.flips.into_iter().take(room).map(|flip| WouldDeny {
            transaction: row.id,
            definition: row.definition.clone(),
            step: flip.step,
            action: flip.action,
            resource: flip.resource.to_string(),
            reasons: flip.reasons,
        }));
    }
}
