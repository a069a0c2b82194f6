//! The lines of a package.

use super::verify::ExportProblem;
use super::{Closing, Counts, EXPORT_FORMAT, EXPORT_LINE_BYTES_MAX, Filter, Manifest};
use crate::hash::Hash;
use crate::note::{Keys, Note, NoteError, SigningKey, VerifierKey};
use crate::range::RANGE_HASHES_MAX;
use crate::receipt::Shown;
use crate::record::Word;
use chancery_base::digest::{hex_decode, hex_encode};
use chancery_base::{Digest, PrincipalId, Salt, TenantId, Timestamp, TransactionId, json};
use serde::Deserialize;
use serde_json::{Value, json};

/// The first line of what is signed as the closing.
const CLOSING: &str = "chancery-export-closing/1";
const CHAIN: &str = "{\"chain\":\"";
/// Bytes of a digest's text.
const DIGEST_BYTES: usize = 71;

/// A line that was read, and not yet believed.
#[derive(Debug)]
pub(super) enum Line {
    Manifest(Signed<Box<Manifest>>),
    Entry { record: String, payload: Shown },
    Skip { from: u64, to: u64, hashes: Vec<Hash> },
    Closing(Signed<Closing>),
}

/// Something, the text of it that is signed, and the signature's line.
#[derive(Debug)]
pub(super) struct Signed<T> {
    pub(super) value: T,
    note: String,
}

impl<T> Signed<T> {
    /// Verifies the signature: by known keys alone, so that no bit of it can be changed.
    pub(super) fn verify<'k>(&self, keys: &'k Keys) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let note = Note::parse(&self.note)?;
        let signers = note.verify(keys)?;
        if signers.len() < note.signatures().len() {
            return Err(NoteError::Form("it also has a signature by a key that is not known"));
        }
        Ok(signers)
    }
}

/// What the first line's chain goes on from.
pub(super) fn first_chain() -> Digest {
    Digest::of(EXPORT_FORMAT.as_bytes())
}

/// The chain of a line: over the chain before it and what it says beside its chain.
pub(super) fn chain(before: &Digest, body: &str) -> Digest {
    Digest::of_parts(&[before.as_bytes(), body.as_bytes()])
}

/// A line, without its end: the chain, then the body's members.
pub(super) fn chained(chain: &Digest, body: &str) -> String {
    let members = body.strip_prefix('{').unwrap_or(body);
    [CHAIN, &chain.text(), "\",", members].concat()
}

/// A line's chain and body.
pub(super) fn unchained(line: &str) -> Option<(Digest, String)> {
    let (chain, members) = line.strip_prefix(CHAIN)?.split_at_checked(DIGEST_BYTES)?;
    let members = members.strip_prefix("\",")?;
    Some((chain.parse().ok()?, ["{", members].concat()))
}

pub(super) fn write_manifest(manifest: &Manifest, key: &SigningKey) -> Result<String, NoteError> {
    write_signed("manifest", EXPORT_FORMAT, &manifest_value(manifest), key)
}

pub(super) fn write_closing(closing: &Closing, key: &SigningKey) -> Result<String, NoteError> {
    write_signed("closing", CLOSING, &closing_value(closing), key)
}

fn write_signed(name: &str, header: &str, value: &Value, key: &SigningKey) -> Result<String, NoteError> {
    let note = Note::sign(signed_text(header, value), &[key])?.to_string();
    let signature = note.rsplit_once("\n\n").map_or("", |(_, lines)| lines.trim_end_matches('\n'));
    let mut out = format!("{{\"{name}\":");
    json::write_canonical(value, &mut out);
    out.push_str(",\"signature\":");
    json::write_string(signature, &mut out);
    out.push('}');
    Ok(out)
}

fn signed_text(header: &str, value: &Value) -> String {
    format!("{header}\n{}\n", json::canonical_text(value))
}

fn manifest_value(manifest: &Manifest) -> Value {
    let mut value = json!({
        "actor": manifest.actor, "at": manifest.at, "checkpoint": manifest.checkpoint, "entry": manifest.entry,
        "filter": filter_value(&manifest.filter), "format": EXPORT_FORMAT, "from": manifest.from,
        "justification": manifest.justification, "log": manifest.origin.as_str(), "payloads": manifest.payloads,
        "tenant": manifest.origin.tenant(), "to": manifest.to,
    });
    let times = [("since", manifest.times.0), ("until", manifest.times.1)];
    if let Some(object) = value.as_object_mut() {
        object.extend(times.into_iter().filter_map(|(name, at)| Some((name.to_owned(), json!(at?)))));
    }
    value
}

fn filter_value(filter: &Filter) -> Value {
    let transaction = filter.transaction.map(|id| ("transaction".to_owned(), json!(id)));
    let kinds = filter.kinds.as_ref().map(|kinds| ("kinds".to_owned(), json!(kinds.as_str())));
    Value::Object(transaction.into_iter().chain(kinds).collect())
}

fn closing_value(closing: &Closing) -> Value {
    let Counts { entries, payloads, erased, skipped } = closing.counts;
    json!({
        "digest": closing.digest, "entries": entries, "erased": erased, "payloads": payloads, "skipped": skipped,
    })
}

pub(super) fn write_skip(from: u64, to: u64, hashes: &[Hash]) -> String {
    let hashes: Vec<String> = hashes.iter().map(|hash| format!("\"{hash}\"")).collect();
    format!("{{\"skip\":{{\"from\":{from},\"hashes\":[{}],\"to\":{to}}}}}", hashes.join(","))
}

pub(super) fn write_entry(record: &str, payload: &Shown) -> String {
    let mut out = String::with_capacity(record.len() + record.len() / 4);
    out.push_str("{\"entry\":{");
    match payload {
        Shown::Nothing => {}
        Shown::Redacted => out.push_str("\"payload\":{\"erased\":true},"),
        Shown::Payload { salt, text } => {
            out.push_str("\"payload\":{\"salt\":\"");
            out.push_str(&hex_encode(&salt.0));
            out.push_str("\",\"text\":");
            json::write_string(text, &mut out);
            out.push_str("},");
        }
    }
    out.push_str("\"record\":");
    json::write_string(record, &mut out);
    out.push_str("}}");
    out
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    manifest: Option<ManifestBody>,
    entry: Option<EntryBody>,
    skip: Option<SkipBody>,
    closing: Option<ClosingBody>,
    signature: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestBody {
    actor: PrincipalId,
    at: Timestamp,
    checkpoint: String,
    entry: u64,
    filter: FilterBody,
    format: String,
    from: u64,
    justification: String,
    log: String,
    payloads: bool,
    since: Option<Timestamp>,
    tenant: TenantId,
    to: u64,
    until: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterBody {
    transaction: Option<TransactionId>,
    kinds: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryBody {
    record: String,
    payload: Option<PayloadBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadBody {
    #[serde(default)]
    erased: bool,
    salt: Option<String>,
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkipBody {
    from: u64,
    hashes: Vec<String>,
    to: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClosingBody {
    digest: Digest,
    entries: u64,
    erased: u64,
    payloads: u64,
    skipped: u64,
}

const FORM: fn(&'static str) -> ExportProblem = ExportProblem::Form;

/// Reads a line's body.
pub(super) fn read(body: &str) -> Result<Line, ExportProblem> {
    let body: Body = json::parse_stored_as(body.as_bytes(), EXPORT_LINE_BYTES_MAX).map_err(ExportProblem::Json)?;
    match (body.manifest, body.entry, body.skip, body.closing, body.signature) {
        (Some(manifest), None, None, None, Some(signature)) => {
            let manifest = read_manifest(manifest)?;
            let note = note_of(EXPORT_FORMAT, &manifest_value(&manifest), &signature);
            Ok(Line::Manifest(Signed { value: Box::new(manifest), note }))
        }
        (None, Some(entry), None, None, None) => {
            Ok(Line::Entry { record: entry.record, payload: entry.payload.map_or(Ok(Shown::Nothing), read_payload)? })
        }
        (None, None, Some(skip), None, None) => {
            if skip.hashes.len() > RANGE_HASHES_MAX {
                return Err(FORM("what is left out has at most 126 hashes"));
            }
            let hashes: Result<Vec<Hash>, _> = skip.hashes.iter().map(|hash| hash.parse()).collect();
            let hashes = hashes.ok().ok_or(FORM("a hash is not 32 bytes in base64"))?;
            Ok(Line::Skip { from: skip.from, to: skip.to, hashes })
        }
        (None, None, None, Some(closing), Some(signature)) => {
            let ClosingBody { digest, entries, erased, payloads, skipped } = closing;
            let closing = Closing { digest, counts: Counts { entries, payloads, erased, skipped } };
            let note = note_of(CLOSING, &closing_value(&closing), &signature);
            Ok(Line::Closing(Signed { value: closing, note }))
        }
        _ => Err(FORM("a line has a manifest and its signature, an entry, a skip, or a closing and its signature")),
    }
}

fn note_of(header: &str, value: &Value, signature: &str) -> String {
    format!("{}\n{signature}\n", signed_text(header, value))
}

fn read_manifest(body: ManifestBody) -> Result<Manifest, ExportProblem> {
    if body.format != EXPORT_FORMAT {
        return Err(FORM("its format is not `chancery-export/1`"));
    }
    let origin: crate::record::Origin = body.log.parse().ok().ok_or(FORM("the log is not named as one of ours"))?;
    if *origin.tenant() != body.tenant {
        return Err(FORM("the tenant is not the log's"));
    }
    let kinds = body.filter.kinds.map(Word::new).transpose().ok().ok_or(FORM("the kinds are no word"))?;
    Ok(Manifest {
        origin,
        from: body.from,
        to: body.to,
        times: (body.since, body.until),
        filter: Filter { transaction: body.filter.transaction, kinds },
        payloads: body.payloads,
        actor: body.actor,
        at: body.at,
        justification: body.justification,
        entry: body.entry,
        checkpoint: body.checkpoint,
    })
}

fn read_payload(body: PayloadBody) -> Result<Shown, ExportProblem> {
    match body {
        PayloadBody { erased: true, salt: None, text: None } => Ok(Shown::Redacted),
        PayloadBody { erased: false, salt: Some(salt), text: Some(text) } => {
            let salt = hex_decode(&salt).map(Salt).ok_or(FORM("a salt is 32 lower-case hex digits"))?;
            Ok(Shown::Payload { salt, text })
        }
        PayloadBody { .. } => Err(FORM("a payload has salt and text, or is erased")),
    }
}
