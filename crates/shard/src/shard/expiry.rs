//! What ended long ago goes. Each night, and when a log is owned, the shard asks the store for it, a page at a time, and
//! removes a page with the entry that says so; between two of them everything else has its turn.
//!
//! What is found is final: nothing can happen to it any more, so a page stays what it is until its batch is built.

use super::{Control, Shard, State};
use crate::batch::Call;
use crate::entry::kind;
use crate::expiry::{Expired, Expiring, ExpiryRun, Gone, GoneKey, Place, Removed};
use crate::input::{Effect, Observation};
use crate::retention::Expiry;
use crate::row::{KeyScope, TransactionRow};
use crate::rows::{self, RowError};
use crate::shard::dispatch::key_hash;
use crate::shard::work::Work;
use chancery_base::limits::EXPIRED_STEPS_AT_ONCE;
use chancery_base::{PrincipalId, Timestamp, TransactionId};

/// Where the search for what expires is.
#[derive(Debug, Default)]
pub(super) struct Expiries {
    run: Option<Run>,
    /// The look whose search is over; none: there was none since the log was owned.
    done: Option<Timestamp>,
    /// What the next batch removes.
    page: Option<Page>,
    /// How the search before went.
    last: Option<ExpiryRun>,
}

/// A search.
#[derive(Debug)]
struct Run {
    look: Timestamp,
    after: Option<Place>,
    goes_on_at: Timestamp,
    seen: ExpiryRun,
}

/// What was found and is to go.
#[derive(Debug)]
struct Page {
    after: Option<Place>,
    to: Place,
    /// Where the search goes on; none: it is over.
    next: Option<Place>,
    gone: Gone,
}

impl Expiries {
    /// How the newest search goes, or went.
    pub(super) fn newest(&self) -> Option<&ExpiryRun> {
        self.run.as_ref().map(|run| &run.seen).or(self.last.as_ref())
    }

    /// Forgets what it knows of the store: the newest look is made again.
    pub(super) fn forget(&mut self) {
        *self = Self { last: self.last.take(), ..Self::default() };
    }

    /// The search is over.
    fn end(&mut self, now: Timestamp, problem: Option<String>) -> Option<ExpiryRun> {
        let run = self.run.take()?;
        self.done = Some(run.look);
        self.last = Some(ExpiryRun { ended_at: Some(now), problem, ..run.seen });
        self.last.clone()
    }
}

impl Shard {
    /// What to ask the store for, if it is time to look.
    pub(super) fn seek_expired(&mut self, now: Timestamp) -> Option<Call> {
        let (expiry, control) = (self.config.expiry?, self.control.clone()?);
        let control = &*control;
        if self.stopping || self.draining || self.expiry.page.is_some() {
            return None;
        }
        let look = expiry.newest(now);
        if self.expiry.run.is_none() && self.expiry.done.is_none_or(|done| done < look) {
            let ended_before = self.horizon(expiry, look, control);
            let seen = ExpiryRun { began_at: now, ended_at: None, ended_before, removed: 0, problem: None };
            self.expiry.run = Some(Run { look, after: None, goes_on_at: now, seen });
        }
        let look = self.expiry.run.as_ref().filter(|run| run.goes_on_at <= now)?.look;
        let ended_before = self.horizon(expiry, look, control);
        let run = self.expiry.run.as_mut()?;
        if run.seen.ended_before != ended_before {
            // The tenant has said otherwise since: from the first on.
            (run.seen.ended_before, run.after) = (ended_before, None);
        }
        let (limit, looks) = (expiry.at_once, expiry.looks);
        let expiring = Expiring { ended_before, after: run.after, limit, steps: EXPIRED_STEPS_AT_ONCE, looks };
        Some(Call::Expired { log: self.config.log, expiring })
    }

    /// What ended before this goes.
    fn horizon(&self, expiry: Expiry, look: Timestamp, control: &Control) -> Timestamp {
        let horizon = expiry.horizon(look, control.retention.as_ref());
        #[cfg(feature = "sabotage")]
        let horizon = self.sabotage_horizon(look, horizon);
        horizon
    }

    /// When to look, or to go on, though nothing arrives.
    pub(super) fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let expiry = self.config.expiry.filter(|_| !self.stopping && !self.draining)?;
        Some(self.expiry.run.as_ref().map_or_else(|| expiry.next(now), |run| run.goes_on_at))
    }

    /// The store's answer.
    pub(super) fn expired_loaded(&mut self, found: &Expired, now: Timestamp) {
        self.state = State::Open;
        let (Some(run), Some(control)) = (&mut self.expiry.run, &self.control) else { return };
        let Some((to, _)) = found.transactions.last() else {
            match found.next {
                Some(next) => (run.after, run.goes_on_at) = (Some(next), now),
                None => self.expiry_over(now, None),
            }
            return;
        };
        match gone(&found.transactions, &control.tenant.hash_key) {
            Ok(gone) => self.expiry.page = Some(Page { after: run.after, to: *to, next: found.next, gone }),
            // Nothing is removed of which is not known what belongs to it.
            Err((id, err)) => self.expiry_over(now, Some(format!("{id} can't be read: {err}"))),
        }
    }

    /// Removes what was found, at the end of a batch.
    pub(super) fn expire(&mut self, control: &Control, work: &mut Work) {
        if work.raises() || work.is_closed || work.is_full() {
            return;
        }
        let (Some(page), Some(expiry)) = (self.expiry.page.take(), self.config.expiry) else { return };
        let holds = |run: &&Run| self.horizon(expiry, run.look, control) == run.seen.ended_before;
        // Where the tenant has said otherwise since, the search begins again.
        let Some(ended_before) = self.expiry.run.as_ref().filter(holds).map(|run| run.seen.ended_before) else {
            return;
        };
        // Of what is final only an owner knows less than the store that was superseded: it removes nothing, and its next
        // commit is refused.
        let lives = |id: &&TransactionId| {
            work.touched.contains(*id) || self.members.get(*id).is_some_and(|member| !member.status().is_ended())
        };
        if let Some(id) = page.gone.transactions.iter().find(lives) {
            let problem = format!("{id} is to go and is not final");
            return self.expiry_over(work.now, Some(problem));
        }
        self.remove(page, ended_before, work);
        if let Some(run) = self.expiry.run.as_mut() {
            run.goes_on_at = work.now.plus(expiry.pause);
        }
    }

    fn remove(&mut self, page: Page, ended_before: Timestamp, work: &mut Work) {
        let Page { after, to, next, mut gone } = page;
        let count = gone.transactions.len();
        let transactions = u64::try_from(count).unwrap_or(u64::MAX);
        let data = Removed { ended_before, after, to, transactions }.data();
        work.write_control(kind::TRANSACTIONS_EXPIRED, PrincipalId::SYSTEM, data, None);
        work.observe(Observation::Expired { transactions: count });
        // A business key may be another's from this batch on.
        gone.keys.retain(|gone| !work.keys.iter().any(|key| (key.scope, key.slot, key.key) == of(gone)));
        for key in &gone.keys {
            if let Some(known) = self.keys.get_mut(&of(key)) {
                known.take_if(|row| row.transaction == key.transaction);
            }
        }
        work.gone = gone;
        work.is_closed = true;
        if let Some(run) = self.expiry.run.as_mut() {
            run.seen.removed += transactions;
            run.after = next;
        }
        if next.is_none() {
            let run = self.expiry.end(work.now, None);
            work.held.effects.extend(run.map(Effect::Expired));
        }
    }

    fn expiry_over(&mut self, now: Timestamp, problem: Option<String>) {
        let run = self.expiry.end(now, problem);
        self.effects.extend(run.map(Effect::Expired));
    }
}

const fn of(key: &GoneKey) -> (KeyScope, u16, [u8; 32]) {
    (key.scope, key.slot, key.key)
}

/// What goes with these transactions.
fn gone(found: &[(Place, TransactionRow)], hash_key: &[u8; 32]) -> Result<Gone, (TransactionId, RowError)> {
    let mut gone = Gone::default();
    for (_, row) in found {
        let head = rows::head(row).map_err(|err| (row.id, err))?;
        let beginning = &head.beginning;
        let business = beginning.business_key.as_deref();
        let of_start = beginning.idempotency_key.as_deref().map(|key| (KeyScope::Start, key));
        for (scope, key) in of_start.into_iter().chain(business.map(|_| (KeyScope::Business, ""))) {
            let hash = key_hash(hash_key, scope, business.unwrap_or_default(), key);
            gone.keys.push(GoneKey { scope, slot: row.id.slot().number(), key: hash, transaction: row.id });
        }
        gone.labels.extend(rows::label_rows(row.log, beginning));
        gone.transactions.push(row.id);
    }
    Ok(gone)
}
