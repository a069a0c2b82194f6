//! Evidence: artefacts that show that something was done.

use crate::app::App;
use crate::page::{Page, Paged};
use crate::transactions::load;
use crate::{Error, clock};
use chancery_base::limits::EVIDENCE_KEPT_DEFAULT;
use chancery_base::{Digest, EvidenceId, Name, TransactionId};
use chancery_engine::definition::DefinitionKind;
use chancery_policy::Grant;
pub use chancery_shard::evidence::{BoundTo, Evidence, Terms};
use chancery_shard::input::Change;
use std::sync::Arc;
use std::time::Duration;

/// What is to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// What an obligation calls it.
    pub name: Name,
    /// Its media type.
    pub media_type: String,
    /// Its content, which is stored; none: it is elsewhere, and only its digest is known.
    pub content: Option<Vec<u8>>,
    /// SHA-256 of its content; needed where that is elsewhere.
    pub digest: Option<Digest>,
    /// Where its content is.
    pub link: Option<String>,
    /// How long it is kept; none: [`EVIDENCE_KEPT_DEFAULT`].
    pub keep: Option<Duration>,
    /// What it belongs to; none: the tenant as a whole.
    pub bound: Option<BoundTo>,
}

/// Which evidence is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this name.
    pub name: Option<Name>,
    /// Of this transaction.
    pub transaction: Option<TransactionId>,
}

impl Wanted {
    fn takes(&self, evidence: &Evidence) -> bool {
        self.name.as_ref().is_none_or(|name| *name == evidence.terms.name)
            && self.transaction.is_none_or(|transaction| evidence.transaction() == Some(transaction))
    }
}

/// Adds an artefact; it counts when this returns, and is never changed.
///
/// # Errors
/// If there is neither content nor digest or they disagree, the content is too large to be stored, there is no such
/// transaction or step, or the tenant has too much of it.
pub async fn add(app: &App, grant: &Grant, artefact: Artefact) -> Result<Evidence, Error> {
    let Artefact { name, media_type, content, digest, link, keep, bound } = artefact;
    let of_content = content.as_deref().map(Digest::of);
    let Some(digest) = digest.or(of_content) else {
        return Err(Error::Invalid("one of `content` and `digest` is needed".to_owned()));
    };
    if let Some(bound) = &bound {
        expect(app, grant, bound).await?;
    }
    let size = content.as_ref().and_then(|content| u64::try_from(content.len()).ok());
    let (now, tenant) = (clock::now(), app.tenant(grant)?);
    let id = EvidenceId::draw(now, &mut clock::entropy()?);
    let terms = Box::new(Terms { name, media_type, digest, size, link, bound });
    let until = now.plus(keep.unwrap_or(EVIDENCE_KEPT_DEFAULT));
    tenant.change(grant, Change::EvidenceAdd { id, terms, until, content: content.map(Arc::from) }).await?;
    let added = tenant.control()?.evidence.get(id).cloned();
    added.ok_or_else(|| Error::Conflict(format!("the time of evidence {id} is over already")))
}

/// What it is to belong to must be there: it would never count, and whoever added it would not know.
async fn expect(app: &App, grant: &Grant, bound: &BoundTo) -> Result<(), Error> {
    let loaded = load(app, grant, bound.transaction).await?;
    let Some(step) = &bound.step else { return Ok(()) };
    let definition = app.tenant(grant)?.definitions.of_row(app, grant, &loaded.row).await?;
    // The steps of an open transaction are not known before its driver does them.
    let is_there = definition.kind == DefinitionKind::Open || definition.steps.iter().any(|there| there.id == *step);
    if is_there { Ok(()) } else { Err(Error::Missing(format!("step `{step}` in {}", bound.transaction))) }
}

/// An artefact whose time is not over.
///
/// # Errors
/// If there is none such.
pub fn get(app: &App, grant: &Grant, id: EvidenceId) -> Result<Evidence, Error> {
    let control = app.tenant(grant)?.control()?;
    let found = control.evidence.get(id).filter(|evidence| evidence.until > clock::now());
    found.cloned().ok_or_else(|| Error::Missing(format!("evidence {id}, or its time is over")))
}

/// Its content, which is what has its digest.
///
/// # Errors
/// If there is none such, or its content is not stored.
pub async fn content(app: &App, grant: &Grant, id: EvidenceId) -> Result<(Evidence, Vec<u8>), Error> {
    let evidence = get(app, grant, id)?;
    let row = app.store().evidence_content(grant, id).await?;
    let Some(row) = row.filter(|_| evidence.terms.size.is_some()) else {
        return Err(Error::Missing(format!("stored content of evidence {id}: it is where its link says")));
    };
    let damaged = |detail: &str| Error::Damaged { what: "the content of evidence", detail: format!("{id}: {detail}") };
    let bytes = row.body.open().ok_or_else(|| damaged("it is under a key that is not here"))?;
    if Digest::of(bytes) != evidence.terms.digest {
        return Err(damaged("it does not have its digest"));
    }
    Ok((evidence, bytes.to_vec()))
}

/// A page of the evidence whose time is not over, oldest first.
///
/// # Errors
/// If the tenant is not served here.
pub fn list(
    app: &App,
    grant: &Grant,
    wanted: &Wanted,
    page: &Page<EvidenceId>,
) -> Result<Paged<Evidence, EvidenceId>, Error> {
    let (control, now) = (app.tenant(grant)?.control()?, clock::now());
    let found = control.evidence.after(page.after).filter(|evidence| evidence.until > now && wanted.takes(evidence));
    Ok(Paged::cut(found.take(page.rows() + 1).cloned().collect(), page.rows(), |evidence| evidence.id))
}
