//! Transactions: starting them, waiting for them, looking at them.

mod fork;
mod view;
mod waits;

pub use chancery_engine::search::{Condition, Search};
pub use chancery_store::Count;
pub use fork::{Fork, fork};
pub use view::{
    CauseView, ForkView, HistoryEntry, PollView, ResultView, SeenView, StepView, TransactionHead, TransactionView,
    UndoView,
};
pub(crate) use view::{Source, damaged, entries as entry_views, member, node_named, open};
pub use waits::{WaitKind, WaitView};

use crate::app::App;
use crate::page::{Page, Paged};
use crate::settings;
use crate::signals::{self, SendSignal};
use crate::tenant::Tenant;
use crate::{Error, clock, past, payloads};
use chancery_base::limits::{COUNT_LOOKS_MAX, COUNT_MAX, KEY_BYTES_MAX, LABELS_MAX, NAME_BYTES_MAX, SEARCH_LOOKS_MAX};
use chancery_base::{Name, Slot, Timestamp, TransactionId};
use chancery_engine::definition::{Definition, DefinitionKind};
use chancery_engine::{Fault, Headers, ShownStatus, Summary};
use chancery_policy::Grant;
use chancery_shard::batch::LoadedTransaction;
use chancery_shard::input::{self, Command, Refusal, Response};
use chancery_store::Reach;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a caller is told who asks for faults where there are none.
const FAULTS_ARE_OFF: &str = "`faults`: this server injects none; one for tests is started with `--allow-faults`";

/// What to start.
#[derive(Debug, Clone)]
pub struct Start {
    /// Which definition.
    pub definition: Name,
    /// Which version; the newest where none is named.
    pub version: Option<u32>,
    /// Its input, as [`chancery_base::json::parse`] gives it.
    pub input: Value,
    /// The same key with the same body gives the same transaction; where the definition has a business key, for each of
    /// these. 1 to [`KEY_BYTES_MAX`] bytes.
    pub idempotency_key: Option<String>,
    /// For people to search by; at most [`LABELS_MAX`].
    pub labels: BTreeMap<String, String>,
    /// What it is told beside its input, as [`Headers::new`] takes it.
    pub headers: BTreeMap<String, String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// When its first steps begin; none, or what is past: at once.
    pub start_at: Option<Timestamp>,
    /// What it begins with. If a transaction that runs has one of the keys, that one gets it, and nothing is started.
    pub signal: Option<SendSignal>,
    /// What is to go wrong: only where the node allows it. It takes [`chancery_policy::Action::FaultInject`], which the
    /// caller of this asks for.
    pub faults: Vec<Fault>,
}

/// What a start gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The transaction.
    pub id: TransactionId,
    /// Whether it had been started before under the same idempotency key, or got the signal that was to start it.
    pub existing: bool,
    /// What it is doing.
    pub status: ShownStatus,
}

/// A start that was checked, and how it is asked for.
struct Prepared {
    tenant: Arc<Tenant>,
    definition: Arc<Definition>,
    id: TransactionId,
    command: Command,
    takes_room: bool,
}

/// Starts a transaction: returns when its start is durable.
///
/// # Errors
/// If the definition is unknown, the input, key or labels are not as they should be, policy denies, the key was used
/// for another request, or a limit is reached.
pub async fn start(app: &App, grant: &Grant, start: Start) -> Result<Started, Error> {
    prepare(app, grant, start).await?.ask(app).await
}

/// Starts a transaction and says how it stands: as it began, or as it ended or was parked if that is within `hold` (at
/// most the configured maximum).
///
/// # Errors
/// As [`start`], or that too many wait already; the transaction may have been started then.
pub async fn run(
    app: &App,
    grant: &Grant,
    start: Start,
    hold: Option<Duration>,
) -> Result<(Started, ResultView), Error> {
    let prepared = prepare(app, grant, start).await?;
    prepared.run(app, grant, hold).await
}

async fn prepare(app: &App, grant: &Grant, start: Start) -> Result<Prepared, Error> {
    check_start(&start)?;
    if !start.faults.is_empty() && !app.config().allow_faults {
        return Err(Error::Invalid(FAULTS_ARE_OFF.to_owned()));
    }
    let headers = Headers::new(start.headers).map_err(|fault| Error::Invalid(format!("headers: {fault}")))?;
    let tenant = app.tenant(grant)?;
    let definition = tenant.definitions.resolve(app, grant, &tenant, &start.definition, start.version).await?;
    Fault::check_all(&start.faults, &definition).map_err(|bad| Error::Invalid(bad.to_string()))?;
    let business_key = definition
        .business_key(&start.input)
        .map_err(|error| Error::Invalid(format!("the definition's `key` fails on this input: {error}")))?;
    let mut entropy = clock::entropy()?;
    let slot = match business_key.as_ref().or(start.idempotency_key.as_ref()) {
        Some(key) => Slot::of_key(&tenant.id, key),
        None => random_slot(&mut entropy),
    };
    let id = TransactionId::draw(clock::now(), slot, &mut entropy);
    let document = payloads::taken(start.input, "the input")?;
    let signal = start.signal.map(signals::checked).transpose()?;
    let signal = signal.map(|signal| signals::of_start(signal, start.idempotency_key.as_deref()));
    let takes_room = tenant.inputs.hold(id, &document)?;
    let command = Command::Start(Box::new(input::Start {
        id,
        actor: grant.principal(),
        definition: Arc::clone(&definition),
        version_asked: start.version,
        input: document,
        idempotency_key: start.idempotency_key,
        business_key,
        labels: start.labels,
        headers,
        traceparent: start.traceparent,
        start_at: start.start_at,
        signal,
        faults: start.faults,
        is_closed: crate::maintenance::of_platform(app),
    }));
    Ok(Prepared { tenant, definition, id, command, takes_room })
}

impl Prepared {
    /// Starts it and says how it stands, waiting for its end if that is asked.
    async fn run(self, app: &App, grant: &Grant, hold: Option<Duration>) -> Result<(Started, ResultView), Error> {
        let until = hold.map(|hold| clock::instant() + hold.min(app.config().wait_max));
        let (tenant, definition) = (Arc::clone(&self.tenant), Arc::clone(&self.definition));
        // It is watched from before its start, so that what its shard says of its end is all that has to be known.
        let watcher = until.map(|_| tenant.watchers.watch(self.id)).transpose().inspect_err(|_| {
            tenant.inputs.release(self.id);
        })?;
        let started = self.ask(app).await?;
        let result = match (started.existing, until.zip(watcher)) {
            (true, Some((until, watcher))) => {
                drop(watcher);
                wait_until(app, grant, started.id, until).await?.into()
            }
            (true, None) => get(app, grant, started.id).await?.into(),
            (false, Some((until, watcher))) => match tokio::time::timeout_at(until, watcher.settled()).await {
                // What the steps of an open transaction are called, its definition does not say.
                Ok(Some(summary)) if definition.kind != DefinitionKind::Open => {
                    ResultView::settled(&summary, &definition)?
                }
                Ok(Some(_) | None) | Err(_) => {
                    let driver = ResultView::begun(started.id, started.status, &definition).driver;
                    ResultView { driver, ..get(app, grant, started.id).await?.into() }
                }
            },
            (false, None) => ResultView::begun(started.id, started.status, &definition),
        };
        Ok((started, result))
    }

    async fn ask(self, app: &App) -> Result<Started, Error> {
        let answer = if self.takes_room {
            // A task of its own: the caller may go away, and the room be given back all the same if nothing was
            // started.
            let asked = app.tasks().spawn(start_within(self.tenant, self.id, self.command));
            asked.await.unwrap_or(Err(Refusal::Stopping))
        } else {
            self.tenant.pump.ask(self.command).await
        };
        match answer? {
            Response::Started { id, existing, status } => Ok(Started { id, existing, status }),
            Response::Signalled { .. }
            | Response::Exchanged(_)
            | Response::Operated(_)
            | Response::Requested(_)
            | Response::Driven(_)
            | Response::Decided(_)
            | Response::Triggered(_)
            | Response::Done { .. } => Err(Error::Bug("a start was answered as something else")),
        }
    }
}

async fn start_within(tenant: Arc<Tenant>, id: TransactionId, command: Command) -> Result<Response, Refusal> {
    let answer = tenant.pump.ask(command).await;
    // Where it is not known whether it was started, the room goes to others, as that of one that ended does.
    if !matches!(answer, Ok(Response::Started { existing: false, .. })) {
        tenant.inputs.release(id);
    }
    answer
}

fn random_slot(entropy: &mut chancery_base::Entropy) -> Slot {
    let number = u16::try_from(entropy.next_u64() % u64::from(chancery_base::slot::SLOT_COUNT)).unwrap_or_default();
    Slot::new(number).unwrap_or_else(|| Slot::of_key(&chancery_base::TenantId::system(), ""))
}

fn check_key(key: Option<&str>) -> Result<(), Error> {
    if key.is_some_and(|key| !(1..=KEY_BYTES_MAX).contains(&key.len())) {
        return Err(Error::Invalid(format!("an idempotency key has 1 to {KEY_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn check_start(start: &Start) -> Result<(), Error> {
    check_key(start.idempotency_key.as_deref())?;
    if start.labels.len() > LABELS_MAX {
        return Err(Error::Invalid(format!("{} labels, at most {LABELS_MAX} are allowed", start.labels.len())));
    }
    for (label, text) in &start.labels {
        label.parse::<Name>().map_err(|error| Error::Invalid(format!("label `{label}`: {error}")))?;
        if text.len() > NAME_BYTES_MAX {
            return Err(Error::Invalid(format!("label `{label}`: at most {NAME_BYTES_MAX} bytes are allowed")));
        }
    }
    Ok(())
}

pub(crate) async fn load(app: &App, grant: &Grant, id: TransactionId) -> Result<LoadedTransaction, Error> {
    let loaded = app.store().transaction(grant, id).await?;
    past::or_expired(app, grant, loaded.ok_or(Error::Refused(Refusal::Missing(id)))).await
}

/// A transaction as it stands.
///
/// # Errors
/// If there is no such transaction in the tenant, or it has expired.
pub async fn get(app: &App, grant: &Grant, id: TransactionId) -> Result<TransactionView, Error> {
    let loaded = load(app, grant, id).await?;
    let definition = app.tenant(grant)?.definitions.of_row(app, grant, &loaded.row).await?;
    let view = view::transaction(&loaded, &definition)?;
    fork::taken_over(app, grant, view).await
}

/// A transaction as its expressions see it.
///
/// # Errors
/// If there is no such transaction in the tenant.
pub async fn query(app: &App, grant: &Grant, id: TransactionId) -> Result<SeenView, Error> {
    let loaded = load(app, grant, id).await?;
    let definition = app.tenant(grant)?.definitions.of_row(app, grant, &loaded.row).await?;
    let settings = settings::of_row(app, grant, &loaded.row).await?;
    view::seen(&loaded, &definition, settings)
}

/// A page of the clones of a step that fanned out, in their order, from the one after `page.after` on.
///
/// # Errors
/// If there is no such transaction in the tenant, or no such step in its definition.
pub async fn clones(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    step: &Name,
    page: Page<u32>,
) -> Result<Paged<StepView, u32>, Error> {
    let loaded = load(app, grant, id).await?;
    let definition = app.tenant(grant)?.definitions.of_row(app, grant, &loaded.row).await?;
    view::clones(&loaded, &definition, step, &page)
}

/// A transaction as it stands when it has ended or is parked, or when `hold` (at most the configured maximum) is over.
///
/// # Errors
/// As [`get`], or that too many wait already.
pub async fn wait(app: &App, grant: &Grant, id: TransactionId, hold: Duration) -> Result<TransactionView, Error> {
    wait_until(app, grant, id, clock::instant() + hold.min(app.config().wait_max)).await
}

async fn wait_until(app: &App, grant: &Grant, id: TransactionId, until: Instant) -> Result<TransactionView, Error> {
    let tenant = app.tenant(grant)?;
    let watcher = tenant.watchers.watch(id)?;
    // The watcher is there before the look, so what settles after the look is seen.
    let view = get(app, grant, id).await?;
    if view.is_settled() || until <= clock::instant() {
        return Ok(view);
    }
    // Whether it settles or the time is over, it may go on meanwhile: this view, which has its input, is given up.
    drop(view);
    drop(tokio::time::timeout_at(until, watcher.settled()).await);
    get(app, grant, id).await
}

/// How a transaction settled, as its shard said it: the short way for callers in this process. None where it did
/// not end or park within `hold`.
///
/// # Errors
/// As [`wait`].
pub async fn settled(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    hold: Duration,
) -> Result<Option<Arc<Summary>>, Error> {
    let until = clock::instant() + hold.min(app.config().wait_max);
    let tenant = app.tenant(grant)?;
    let watcher = tenant.watchers.watch(id)?;
    Ok(tokio::time::timeout_at(until, watcher.settled()).await.ok().flatten())
}

/// Reads a search. Ages in it count back from now.
///
/// # Errors
/// Says what is wrong with it, and where.
pub fn search(text: &str) -> Result<Search, Error> {
    Ok(Search::parse(text, clock::now())?)
}

/// A page of the transactions that a search finds, newest first. It may be shorter than asked, even empty, though more
/// pages follow: where no index has what is searched, it looks at [`SEARCH_LOOKS_MAX`] transactions.
///
/// # Errors
/// If the store does not answer.
pub async fn list(
    app: &App,
    grant: &Grant,
    search: Search,
    page: Page<TransactionId>,
) -> Result<Paged<TransactionHead, TransactionId>, Error> {
    let reach = Reach { before: page.after, limit: page.rows() + 1, looks: SEARCH_LOOKS_MAX };
    let found = app.store().transactions(grant, search, reach).await?;
    let heads = found.rows.iter().map(view::head).collect::<Result<Vec<_>, _>>()?;
    let paged = Paged::cut(heads, page.rows(), |head| head.id);
    Ok(Paged { next: paged.next.or(found.floor), ..paged })
}

/// How many transactions a search finds: at most [`COUNT_MAX`] are counted, and [`COUNT_LOOKS_MAX`] looked at.
///
/// # Errors
/// If the store does not answer.
pub async fn count(app: &App, grant: &Grant, search: Search) -> Result<Count, Error> {
    let reach = Reach { before: None, limit: COUNT_MAX, looks: COUNT_LOOKS_MAX };
    Ok(app.store().transaction_count(grant, search, reach).await?)
}

/// A page of a transaction's entries, in order, from its entry number `page.after` + 1 on (from 0 where there is none);
/// of one that has expired too.
///
/// # Errors
/// If there is no such transaction in the tenant.
pub async fn history(
    app: &App,
    grant: &Grant,
    id: TransactionId,
    page: Page<u64>,
) -> Result<Paged<HistoryEntry, u64>, Error> {
    let entries = view::entries(app, &*app.tenant(grant)?, Source::Transaction(grant, id), page).await?;
    if entries.items.is_empty() && app.store().transaction(grant, id).await?.is_none() {
        return Err(Error::Refused(Refusal::Missing(id)));
    }
    Ok(entries)
}
