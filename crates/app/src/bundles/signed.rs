//! Signatures of bundles. They stand beside a bundle's document under `signatures`, and are no part of what they sign.

use super::SignatureView;
use crate::Error;
use crate::error::Fault;
use crate::tenant::Tenant;
use crate::transactions::damaged;
use chancery_base::json::{self, Bounds};
use chancery_base::limits::{BUNDLE_BYTES_MAX, BUNDLE_VALUES_MAX};
use chancery_ledger::note::SIGNATURES_MAX;
use chancery_policy::Bundle;
use chancery_shard::row::BundleRow;
use chancery_shard::trust::{self, KeyName, Subject, Taken, Trust};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// Under what they stand.
const SIGNATURES: &str = "signatures";

/// A document without its signatures, and those, where it has any.
pub(super) fn apart(source: &[u8]) -> Result<(Cow<'_, [u8]>, Option<String>), Error> {
    let bounds = Bounds { bytes: BUNDLE_BYTES_MAX, values: BUNDLE_VALUES_MAX };
    // What is no document is told by who reads bundles.
    let Ok(parsed) = json::parse_within(source, bounds) else { return Ok((Cow::Borrowed(source), None)) };
    let Value::Object(mut document) = parsed.value else { return Ok((Cow::Borrowed(source), None)) };
    match document.remove(SIGNATURES) {
        None => Ok((Cow::Borrowed(source), None)),
        Some(Value::String(note)) => Ok((Cow::Owned(json::canonical(&Value::Object(document))), Some(note))),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Error::Invalid(format!("{SIGNATURES}: a text, a signed note of the bundle's digest")))
        }
    }
}

/// What of a note counts.
pub(super) fn taken(tenant: &Tenant, note: &str, bundle: &Bundle) -> Result<Taken, Error> {
    let taken = tenant.control()?.trust.take(note, Subject::from(bundle));
    taken.map_err(|error| Error::Invalid(error.to_string()))
}

/// That a signature was left out.
pub(super) fn left_out(signer: &KeyName) -> Fault {
    let message = format!(
        "`{signer}` is no trusted signer, and this signature is left out: trust them and push it again if it is to count"
    );
    Fault { path: SIGNATURES.to_owned(), line: None, column: None, message, rule: None }
}

/// Lines that are no more than a note may have.
pub(super) fn bounded(lines: Arc<str>) -> Result<Arc<str>, Error> {
    if lines.lines().count() > SIGNATURES_MAX {
        return Err(Error::Invalid(format!("{SIGNATURES}: a bundle has at most {SIGNATURES_MAX}")));
    }
    Ok(lines)
}

/// Who signed a bundle, and whether that counts.
pub(super) fn views(row: &BundleRow, trust: &Trust) -> Result<Vec<SignatureView>, Error> {
    let subject = Subject { name: &row.name, version: u64::from(row.version), digest: row.digest };
    let Some(note) = trust::note_of(subject, &row.signatures).map_err(damaged("signatures of a bundle"))? else {
        return Ok(Vec::new());
    };
    let trusted = trust.signers_of(&note);
    let view = |line: &chancery_ledger::note::NoteSignature| SignatureView {
        signer: line.name.to_string(),
        trusted: trusted.iter().any(|key| *key.name() == line.name && key.id() == line.id),
        line: line.to_string(),
    };
    Ok(note.signatures().iter().map(view).collect())
}
