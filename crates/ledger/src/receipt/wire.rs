//! The form of a receipt's file.

use super::{Proven, RECEIPT_BYTES_MAX, Receipt, ReceiptError, Shown};
use crate::hash::Hash;
use crate::proof::PROOF_HASHES_MAX;
use chancery_base::digest::{hex_decode, hex_encode};
use chancery_base::{Digest, Salt, json};
use serde::Deserialize;
use serde_json::{Value, json};

const FORMAT: &str = "chancery-receipt/1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    bundle: Digest,
    checkpoint: String,
    #[serde(default)]
    forward: Option<Entry>,
    format: String,
    outcome: Entry,
    permit: Entry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    payload: Option<Payload>,
    proof: Vec<String>,
    record: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    #[serde(default)]
    redacted: bool,
    #[serde(default)]
    salt: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

pub(super) fn write(receipt: &Receipt) -> String {
    let mut file = json!({
        "bundle": receipt.bundle.to_string(),
        "checkpoint": receipt.checkpoint,
        "format": FORMAT,
        "outcome": write_entry(&receipt.outcome),
        "permit": write_entry(&receipt.permit),
    });
    if let (Some(forward), Some(object)) = (&receipt.forward, file.as_object_mut()) {
        object.insert("forward".to_owned(), write_entry(forward));
    }
    let mut out = String::new();
    json::write_canonical(&file, &mut out);
    out.push('\n');
    out
}

fn write_entry(entry: &Proven) -> Value {
    let proof: Vec<String> = entry.proof.iter().map(Hash::to_string).collect();
    let mut value = json!({"proof": proof, "record": entry.record});
    let payload = match &entry.payload {
        Shown::Nothing => None,
        Shown::Redacted => Some(json!({"redacted": true})),
        Shown::Payload { salt, text } => Some(json!({"salt": hex_encode(&salt.0), "text": text})),
    };
    if let (Some(payload), Some(object)) = (payload, value.as_object_mut()) {
        object.insert("payload".to_owned(), payload);
    }
    value
}

pub(super) fn read(text: &[u8]) -> Result<Receipt, ReceiptError> {
    let file: File = json::parse_stored_as(text, RECEIPT_BYTES_MAX).map_err(ReceiptError::Json)?;
    if file.format != FORMAT {
        return Err(ReceiptError::Form("its format is not `chancery-receipt/1`"));
    }
    Ok(Receipt {
        outcome: read_entry(file.outcome)?,
        permit: read_entry(file.permit)?,
        forward: file.forward.map(read_entry).transpose()?,
        checkpoint: file.checkpoint,
        bundle: file.bundle,
    })
}

fn read_entry(entry: Entry) -> Result<Proven, ReceiptError> {
    if entry.proof.len() > PROOF_HASHES_MAX {
        return Err(ReceiptError::Form("a proof has at most 65 hashes"));
    }
    let proof: Result<Vec<Hash>, _> = entry.proof.iter().map(|hash| hash.parse()).collect();
    let proof = proof.ok().ok_or(ReceiptError::Form("a hash of a proof is not 32 bytes in base64"))?;
    let payload = match entry.payload {
        None => Shown::Nothing,
        Some(Payload { redacted: true, salt: None, text: None }) => Shown::Redacted,
        Some(Payload { redacted: false, salt: Some(salt), text: Some(text) }) => {
            let salt = hex_decode(&salt).map(Salt).ok_or(ReceiptError::Form("a salt is 32 lower-case hex digits"))?;
            Shown::Payload { salt, text }
        }
        Some(_) => return Err(ReceiptError::Form("a payload has salt and text, or is redacted")),
    };
    Ok(Proven { record: entry.record, payload, proof })
}
