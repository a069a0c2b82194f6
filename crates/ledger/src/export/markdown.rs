//! A report in Markdown. What carries the package stands in comments.

use super::form::{cells, data, shown};
use super::html::facts;
use super::{Closing, Manifest, Part};
use crate::receipt::Shown;

pub(super) const PREFIX: &str = "# Ledger export\n";

pub(super) fn chunk(carried: &str, part: Part<'_>) -> String {
    match part {
        Part::Manifest(manifest) => head(carried, manifest),
        Part::Skip(from, to) => {
            format!("| {from} to {} | | left out | | | | | | | | {carried} |\n", to - 1)
        }
        Part::Entry(record, payload) => {
            let cells = cells(record).join(" | ");
            let payload = match payload {
                Shown::Nothing => "",
                Shown::Redacted => "erased",
                Shown::Payload { .. } => "carried",
            };
            format!("| {cells} | {} | {payload}{carried} |\n", data(&record.data, true))
        }
        Part::Closing(closing) => foot(carried, closing),
    }
}

fn head(carried: &str, manifest: &Manifest) -> String {
    let fact = |(name, value): &(&str, String)| format!("- {name}: {}\n", quoted(value));
    let facts: String = facts(manifest).iter().map(fact).collect();
    format!(
        "{carried}\n\n{facts}\nThis report carries the entries byte for byte, the proofs that they are in the log, and \
         the signatures. `chancery verify export FILE --key KEY` verifies all of it without a server, and that the \
         report shows what it carries.\n\n\
         | Entry | At | Kind | Actor | Transaction | N | Step | Attempt | Decision | Data | Payload |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n"
    )
}

fn foot(carried: &str, closing: &Closing) -> String {
    let counts = closing.counts;
    format!(
        "| | | end | | | | | | | | {carried} |\n\n{} entries, {} payloads, {} erased, {} entries of the log left out.\n\n\
         Digest of the package: `{}`\n",
        counts.entries, counts.payloads, counts.erased, counts.skipped, closing.digest
    )
}

/// Text of which Markdown makes nothing.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in shown(text).chars() {
        if "\\`*_[]#!~".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    // The entity of `|` has lost its number sign.
    out.replace("&\\#124;", "&#124;")
}
