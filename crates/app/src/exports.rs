//! Exports: a part of the log as one file that proves itself, streamed, so that its length costs no memory.

mod times;

pub(crate) use times::window;

use crate::app::App;
use crate::ledger::{Tiles, newest, range_hashes};
use crate::operations::Reasoned;
use crate::receipts::shown;
use crate::tenant::Tenant;
use crate::transactions::damaged;
use crate::{Error, clock};
use chancery_base::Timestamp;
use chancery_base::limits::{EXPORT_STEP, EXPORTS_AT_ONCE, PAGE_STEP};
use chancery_ledger::export::{ExportWriter, Manifest};
pub use chancery_ledger::export::{Filter, Form};
use chancery_ledger::note::NoteError;
use chancery_ledger::{Record, Shown, TreeSize};
use chancery_policy::Grant;
use chancery_shard::entry::kind;
use chancery_shard::input::{Change, ExportMade, Refusal};
use chancery_shard::row::EntryRow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// When whoever finds every place taken should come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The entry with this number.
    Entry(u64),
    /// The first entry of this time or later.
    Time(Timestamp),
}

impl Bound {
    const fn time(self) -> Option<Timestamp> {
        match self {
            Self::Entry(_) => None,
            Self::Time(at) => Some(at),
        }
    }
}

/// What is to be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// From where on; none: from the first entry.
    pub from: Option<Bound>,
    /// Up to but not including; none: what is committed now.
    pub to: Option<Bound>,
    /// Which entries of the range.
    pub filter: Filter,
    /// Whether with their payloads.
    pub payloads: bool,
    /// In which form.
    pub form: Form,
    /// Why.
    pub justification: String,
}

/// An export that is under way. Dropping it ends it.
#[derive(Debug)]
pub struct Export {
    app: App,
    tenant: Arc<Tenant>,
    grant: Grant,
    manifest: Manifest,
    form: Form,
    /// How many entries the tree has that everything is proven against.
    size: TreeSize,
    tiles: Tiles,
    stage: Stage,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Stage {
    /// What comes first.
    First(String, ExportWriter),
    /// The next entry to look at: by its number in the log, or in the transaction.
    Entries(u64, ExportWriter),
    /// All entries are in it.
    Last(ExportWriter),
    Over,
}

/// Begins an export: checks what is asked for, waits for a checkpoint that covers it, and records it, before anything
/// leaves.
///
/// # Errors
/// If there is no such range or transaction, no justification, no place, or no checkpoint that covers it yet.
pub async fn make(app: &App, grant: &Grant, ask: Ask) -> Result<Export, Error> {
    let tenant = app.tenant(grant)?;
    let justification = Reasoned::new(ask.justification.clone())?.into_text();
    check_kinds(&ask.filter)?;
    let place = Arc::clone(&tenant.exports).try_acquire_owned().ok();
    let busy = Refusal::Limited { what: "exports under way", max: EXPORTS_AT_ONCE, retry_after: RETRY_AFTER };
    let place = place.ok_or(busy)?;
    let (from, to) = range(app, &tenant, &ask).await?;
    if let Some(id) = ask.filter.transaction
        && app.store().history(grant, id, 0, 1).await?.is_empty()
    {
        return Err(Error::Refused(Refusal::Missing(id)));
    }
    let covered = tenant.integrator.covers(to - 1, app.config().receipt_wait).await;
    let checkpoint = newest(app, &tenant).await?;
    if !covered || checkpoint.size < to {
        return Err(Error::NotYet { what: "a checkpoint that covers the range", retry_after: RETRY_AFTER });
    }
    let (filter, payloads, form) = (ask.filter, ask.payloads, ask.form);
    let made = ExportMade { from, to, filter: filter.clone(), payloads, form, justification: justification.clone() };
    let entry = tenant.change(grant, Change::ExportMade(Box::new(made))).await?;
    let manifest = Manifest {
        origin: tenant.origin.clone(),
        from,
        to,
        times: (ask.from.and_then(Bound::time), ask.to.and_then(Bound::time)),
        filter,
        payloads,
        actor: grant.principal(),
        at: clock::now(),
        justification,
        entry: entry.ok_or(Error::Bug("an export left no entry"))?,
        checkpoint: checkpoint.note,
    };
    let (writer, text) = ExportWriter::begin(form, &manifest, &app.keys().log).map_err(|err| unsigned(&err))?;
    Ok(Export {
        app: app.clone(),
        tenant,
        grant: grant.clone(),
        manifest,
        form,
        size: TreeSize(checkpoint.size),
        tiles: Tiles::new(),
        stage: Stage::First(text, writer),
        _place: place,
    })
}

/// A kind that no entry has is a slip of the pen, and an export of nothing would look like proof that nothing happened.
fn check_kinds(filter: &Filter) -> Result<(), Error> {
    let known = |kinds: &str| kind::ALL.iter().any(|kind| kind.as_str().starts_with(kinds));
    match &filter.kinds {
        Some(kinds) if !known(kinds.as_str()) => Err(Error::Invalid(format!("no kind of entry begins with `{kinds}`"))),
        Some(_) | None => Ok(()),
    }
}

/// The range that is meant: at least one entry of what is committed.
async fn range(app: &App, tenant: &Tenant, ask: &Ask) -> Result<(u64, u64), Error> {
    let size = tenant.head().size;
    let times = (ask.from.and_then(Bound::time), ask.to.and_then(Bound::time));
    let of_times = match times {
        (None, None) => (0, size),
        (since, until) => window(app, tenant, size, since, until).await?.ok_or_else(|| none_between(times))?,
    };
    let end = |bound: Option<Bound>, of_times: u64| match bound {
        Some(Bound::Entry(seq)) => seq,
        Some(Bound::Time(_)) | None => of_times,
    };
    let (from, to) = (end(ask.from, of_times.0), end(ask.to, of_times.1));
    if to > size {
        return Err(Error::Invalid(format!("`to` is entry {to}, and the log has {size} entries")));
    }
    if from >= to {
        return Err(Error::Invalid(format!("there is no entry from {from} on and before {to}")));
    }
    Ok((from, to))
}

fn none_between((since, until): (Option<Timestamp>, Option<Timestamp>)) -> Error {
    let since = since.map_or_else(String::new, |at| format!(" at {at} or later"));
    let until = until.map_or_else(String::new, |at| format!(" before {at}"));
    Error::Missing(format!("entry{since}{until}"))
}

fn unsigned(error: &NoteError) -> Error {
    Error::Damaged { what: "what is to be signed", detail: error.to_string() }
}

impl Export {
    /// In which form it is.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// What it is of.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The next piece of the file; none when it is over. After an error it is over, and the file is not whole.
    ///
    /// # Errors
    /// If the store does not answer, or has other entries than it should.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::First(text, writer) => {
                    let first = if self.manifest.filter.transaction.is_some() { 0 } else { self.manifest.from };
                    self.stage = Stage::Entries(first, writer);
                    return Ok(Some(text));
                }
                Stage::Entries(next, writer) => {
                    let text = self.entries(next, writer).await?;
                    // Of a page there may be nothing that was asked for.
                    if !text.is_empty() {
                        return Ok(Some(text));
                    }
                }
                Stage::Last(mut writer) => {
                    let text = self.skip(self.size.0, &mut writer).await?;
                    let closing = writer.close(&self.app.keys().log).map_err(|err| unsigned(&err))?;
                    return Ok(Some(text + &closing));
                }
                Stage::Over => return Ok(None),
            }
        }
    }

    /// What there is of the next page.
    async fn entries(&mut self, next: u64, mut writer: ExportWriter) -> Result<String, Error> {
        let Some((rows, next)) = self.page(next).await? else {
            self.stage = Stage::Last(writer);
            return Ok(String::new());
        };
        let text = self.write(rows, &mut writer).await?;
        self.stage = Stage::Entries(next, writer);
        Ok(text)
    }

    /// The next entries to look at, and where those after them begin; none where there are no more.
    async fn page(&self, next: u64) -> Result<Option<(Vec<EntryRow>, u64)>, Error> {
        let payloads = self.manifest.payloads;
        let step = if payloads { PAGE_STEP } else { EXPORT_STEP };
        // It is never closed; it is given back when this returns.
        let _turn = self.tenant.pages.acquire().await;
        let (rows, last) = match self.manifest.filter.transaction {
            Some(id) => {
                let rows = self.app.store().history(&self.grant, id, next, PAGE_STEP).await?;
                let last = rows.last().and_then(|(_, row)| row.transaction.map(|(_, n)| n));
                (rows.into_iter().filter(|(log, _)| *log == self.tenant.log).map(|(_, row)| row).collect(), last)
            }
            None => {
                let left = usize::try_from(self.manifest.to.saturating_sub(next)).unwrap_or(usize::MAX);
                let rows = self.app.store().entries(self.tenant.log, next, step.min(left), payloads).await?;
                let is_next = rows.iter().zip(next..).all(|(row, seq)| row.seq == seq);
                if !is_next || rows.is_empty() && left > 0 {
                    return Err(damaged("a log")(format!("entries are missing from {next} on")));
                }
                let last = rows.last().map(|row| row.seq);
                (rows, last)
            }
        };
        Ok(last.map(|last| (rows, last + 1)))
    }

    async fn write(&mut self, rows: Vec<EntryRow>, writer: &mut ExportWriter) -> Result<String, Error> {
        let mut text = String::new();
        for row in rows {
            let record = Record::parse_of(&self.manifest.origin, &row.record).map_err(damaged("a record"))?;
            let is_in_range = (self.manifest.from..self.manifest.to).contains(&record.seq);
            if !is_in_range || !self.manifest.filter.takes(&record) {
                continue;
            }
            text += &self.skip(record.seq, writer).await?;
            let payload = if self.manifest.payloads { shown(&record, row.payload.as_ref())? } else { Shown::Nothing };
            let bytes = std::str::from_utf8(&row.record).map_err(damaged("a record"))?;
            text += &writer.entry(bytes, &record, &payload);
        }
        Ok(text)
    }

    /// What stands for the entries up to but not including `to`, where any are left out.
    async fn skip(&mut self, to: u64, writer: &mut ExportWriter) -> Result<String, Error> {
        let from = writer.next();
        if from == to {
            return Ok(String::new());
        }
        if from > to {
            return Err(damaged("a log")(format!("entry {to} comes after entry {}", from - 1)));
        }
        let hashes = range_hashes(&self.app, &self.tenant, (from, to), self.size, &mut self.tiles).await?;
        Ok(writer.skip(to, &hashes))
    }
}
