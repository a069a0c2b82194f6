//! Telling people: reads the tenant's log behind the commits, and tells of what its notifiers are set on, and of the
//! permits whose obligations name them.
//!
//! INVARIANT: what is told of is committed, and what is not known to be told is told again: a notifier moves on by an
//! entry, after the receiver has taken it. A crash in between tells the same twice, under one id.

pub(crate) mod notice;

use crate::tasks::Tasks;
use crate::tenant::Tenant;
use crate::{clock, measure};
use chancery_base::limits::{NOTIFIER_ATTEMPTS_MAX, NOTIFIER_LOOKS, NOTIFIER_PASSES_AFTER};
use chancery_base::{Name, PrincipalId, Secret, Timestamp};
use chancery_ledger::Record;
use chancery_policy::Grant;
use chancery_shard::control::Control;
use chancery_shard::entry::{ToldPermit, is_told};
use chancery_shard::input::{Change, Command, ControlChange};
use chancery_shard::notifier::{Channel, Notified, Notifier, NotifierSettings};
use chancery_store::Store;
use chancery_targets::{Guard, Mail, mail};
use notice::Notice;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// How long one attempt to tell may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long it takes from the first attempt to the second; each time twice as long, to `BACKOFF_MAX`.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(15 * 60);
/// Characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 500;
/// When the store is asked again that did not answer.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// An attempt that failed, and when the next one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The entry that is to be told of.
    pub entry: u64,
    /// Attempts so far.
    pub attempts: u32,
    /// What the last one failed with.
    pub error: String,
    /// When the next one is.
    pub next_at: Timestamp,
}

/// How notifiers do, beside what the control state says of them.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<Name, Posted>>);

/// How one does.
#[derive(Debug, Default)]
struct Posted {
    /// As it was committed when it last came further: the control state may be older.
    came: Option<Notifier>,
    /// What is tried again.
    retry: Option<Retry>,
}

impl Board {
    /// What a notifier tries again.
    pub(crate) fn retrying(&self, name: &Name) -> Option<Retry> {
        self.lock().get(name)?.retry.clone()
    }

    /// A notifier as it stands, of which the control state may not know how far it came.
    pub(crate) fn standing(&self, known: &Notifier) -> Notifier {
        match self.lock().get(&known.name).and_then(|posted| posted.came.as_ref()) {
            Some(came) if came.next > known.next => {
                Notifier { settings: known.settings.clone(), password: known.password, ..came.clone() }
            }
            Some(_) | None => known.clone(),
        }
    }

    /// A notifier came further.
    pub(crate) fn came(&self, notifier: Notifier) {
        let name = notifier.name.clone();
        self.lock().entry(name).or_default().came = Some(notifier);
    }

    fn retry(&self, name: &Name, retry: Option<Retry>) {
        self.lock().entry(name.clone()).or_default().retry = retry;
    }

    /// Forgets those that are gone.
    fn keep(&self, known: &BTreeMap<Name, (Notifier, Option<Secret>)>) {
        self.lock().retain(|name, _| known.contains_key(name));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Posted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry that is told of.
struct Found {
    record: Record,
    /// What it permits, where it is a permit that has the notifier tell of it.
    permit: Option<ToldPermit>,
}

/// Everything that the task works with.
#[derive(Debug)]
pub(crate) struct Notifications {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) guard: Guard,
    pub(crate) tasks: Tasks,
}

/// Where a notifier stands in memory: as its row, or further.
#[derive(Debug)]
struct Standing {
    settings: NotifierSettings,
    next: u64,
    attempts: u32,
    retry_at: Option<Instant>,
}

/// What a look at a notifier came to.
enum Turn {
    /// It moved on.
    Moved,
    /// Nothing to do before this time, if one is given, or before the log grows.
    Rests(Option<Instant>),
}

impl Notifications {
    /// Runs until the node stops.
    pub(crate) async fn run(self) {
        if self.tenant.is_ready().await.is_err() {
            return;
        }
        let mut head = self.tenant.watch_head();
        let mut standings = BTreeMap::new();
        loop {
            if self.tenant.is_over() || self.tasks.is_stopping() {
                return;
            }
            let size = head.borrow_and_update().size;
            let wake = tokio::select! {
                wake = self.look(&mut standings, size) => wake,
                () = self.tasks.stopping() => return,
            };
            let until = wake.unwrap_or_else(|| clock::instant() + BACKOFF_MAX);
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(until) => {}
                () = self.tenant.over() => return,
                () = self.tasks.stopping() => return,
            }
        }
    }

    /// Looks at each notifier; gives when to look again though the log does not grow.
    async fn look(&self, standings: &mut BTreeMap<Name, Standing>, size: u64) -> Option<Instant> {
        let Ok(control) = self.tenant.control() else { return Some(clock::instant() + STORE_AGAIN) };
        standings.retain(|name, _| control.notifiers.contains_key(name));
        self.tenant.notifying.keep(&control.notifiers);
        let mut wake: Option<Instant> = None;
        for (name, (notifier, secret)) in &control.notifiers {
            let notifier = self.tenant.notifying.standing(notifier);
            let standing = standings.entry(name.clone()).or_insert_with(|| Standing::of(&notifier));
            standing.follow(&notifier);
            let turn = match self.turn(&notifier, secret.as_ref(), standing, (&*control, size)).await {
                Ok(turn) => turn,
                Err(error) => {
                    warn!(tenant = %self.tenant.id, notifier = %name, "notifier `{name}` could not go on: {error}");
                    Turn::Rests(Some(clock::instant() + STORE_AGAIN))
                }
            };
            let at = match turn {
                Turn::Moved => Some(clock::instant()),
                Turn::Rests(at) => at,
            };
            wake = [wake, at].into_iter().flatten().min();
        }
        wake
    }

    async fn turn(
        &self,
        notifier: &Notifier,
        secret: Option<&Secret>,
        standing: &mut Standing,
        (control, size): (&Control, u64),
    ) -> Result<Turn, crate::Error> {
        if let Some(at) = standing.retry_at.filter(|at| *at > clock::instant()) {
            return Ok(Turn::Rests(Some(at)));
        }
        let Some(found) = self.next(notifier, standing, size).await? else {
            if standing.next.saturating_sub(notifier.next) >= NOTIFIER_PASSES_AFTER {
                return self.moved(notifier, Notified::Nothing(standing.next), standing).await;
            }
            let is_more = standing.next < size;
            return Ok(Turn::Rests(is_more.then(clock::instant)));
        };
        let entry = found.record.seq;
        let grant = Grant::system("to tell people what is asked of them", self.tenant.id.clone());
        let from = (&self.tenant.id, self.store.as_ref(), &grant);
        let notice = match &found.permit {
            Some(permit) => Some(Notice::of_permit(&found.record, permit, from, control).await?),
            None => Notice::of(&found.record, from, control).await?,
        };
        // What it was about is kept no longer: there is nothing to tell.
        let Some(notice) = notice else {
            return self.moved(notifier, Notified::Nothing(entry + 1), standing).await;
        };
        let told = self.tell(notifier, secret, &notice).await;
        measure::notified(&self.tenant.id, &notifier.name, told.is_ok());
        match told {
            Ok(()) => self.moved(notifier, Notified::Told(entry), standing).await,
            Err(error) => {
                standing.attempts += 1;
                let error: String = error.chars().take(ERROR_CHARS_MAX).collect();
                if standing.attempts >= NOTIFIER_ATTEMPTS_MAX {
                    return self.moved(notifier, Notified::GaveUp(entry, error), standing).await;
                }
                let wait = BACKOFF_MAX.min(BACKOFF * 2_u32.saturating_pow(standing.attempts - 1));
                let (attempts, next_at) = (standing.attempts, clock::now().plus(wait));
                self.tenant.notifying.retry(&notifier.name, Some(Retry { entry, attempts, error, next_at }));
                standing.retry_at = Some(clock::instant() + wait);
                Ok(Turn::Rests(standing.retry_at))
            }
        }
    }

    /// The next entry that the notifier tells of, if there is one among those that are looked at.
    async fn next(
        &self,
        notifier: &Notifier,
        standing: &mut Standing,
        size: u64,
    ) -> Result<Option<Found>, crate::Error> {
        let many = usize::try_from(size.saturating_sub(standing.next)).unwrap_or(usize::MAX).min(NOTIFIER_LOOKS);
        if many == 0 {
            return Ok(None);
        }
        for row in self.store.entries(self.tenant.log, standing.next, many, false).await? {
            let record = Record::parse(&row.record).map_err(crate::transactions::damaged("a record"))?;
            if notifier.settings.tells_of(record.kind.as_str()) {
                return Ok(Some(Found { record, permit: None }));
            }
            if let Some(permit) = self.permit(&record, &notifier.name).await? {
                return Ok(Some(Found { record, permit: Some(permit) }));
            }
            standing.next = row.seq + 1;
        }
        Ok(None)
    }

    /// What an entry permits, if its permit has the notifier tell of it.
    async fn permit(&self, record: &Record, notifier: &Name) -> Result<Option<ToldPermit>, crate::Error> {
        if !is_told(record) {
            return Ok(None);
        }
        let rows = self.store.entries(self.tenant.log, record.seq, 1, true).await?;
        // What was erased tells nothing.
        let Some(payload) = rows.first().and_then(|row| row.payload.as_ref()) else { return Ok(None) };
        let damaged = crate::transactions::damaged("a permit's payload");
        let bytes = payload.sealed.open().ok_or_else(|| damaged("it is under a key that is not here"))?;
        ToldPermit::read(bytes, notifier).map_err(crate::transactions::damaged("a permit's payload"))
    }

    /// Tells, once.
    async fn tell(&self, notifier: &Notifier, secret: Option<&Secret>, notice: &Notice) -> Result<(), String> {
        tell(&self.tenant, &self.guard, (&notifier.settings.channel, secret), notice).await
    }

    /// Has the notifier move on, by an entry.
    async fn moved(
        &self,
        notifier: &Notifier,
        notified: Notified,
        standing: &mut Standing,
    ) -> Result<Turn, crate::Error> {
        if let Notified::GaveUp(entry, error) = &notified {
            let (tenant, name) = (&self.tenant.id, &notifier.name);
            warn!(%tenant, notifier = %name, entry, "notifier `{name}` gave up telling of entry {entry}: {error}");
        }
        let change = Change::Notified { name: notifier.name.clone(), notified };
        let change = ControlChange { actor: PrincipalId::SYSTEM, change };
        self.tenant.pump.ask(Command::Control(Box::new(change))).await?;
        (standing.attempts, standing.retry_at) = (0, None);
        self.tenant.notifying.retry(&notifier.name, None);
        Ok(Turn::Moved)
    }
}

/// Tells by a channel, once: what failed is said without what is secret.
pub(crate) async fn tell(
    tenant: &Tenant,
    guard: &Guard,
    (channel, secret): (&Channel, Option<&Secret>),
    notice: &Notice,
) -> Result<(), String> {
    match channel {
        Channel::Webhook { url } => tenant.targets.post(url, &notice.json(), &notice.id, TIMEOUT).await,
        Channel::Smtp { host, port, tls, username, from, to } => {
            let mail = Mail {
                host,
                port: *port,
                tls: *tls,
                credentials: username.as_deref().zip(secret),
                from,
                to,
                subject: &notice.subject(),
                body: notice.text(),
                id: &notice.id,
                timeout: TIMEOUT,
            };
            mail::send(guard, mail).await.map_err(|error| error.to_string())
        }
    }
}

impl Standing {
    fn of(notifier: &Notifier) -> Self {
        Self { settings: notifier.settings.clone(), next: notifier.next, attempts: 0, retry_at: None }
    }

    /// The row may be further, or say something else: then what failed before is tried at once.
    fn follow(&mut self, notifier: &Notifier) {
        self.next = self.next.max(notifier.next);
        if self.settings != notifier.settings {
            *self = Self { next: self.next, ..Self::of(notifier) };
        }
    }
}
