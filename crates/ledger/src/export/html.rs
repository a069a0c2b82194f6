//! A report as an HTML page: no scripts, nothing from elsewhere. What carries the package stands in comments.

use super::form::{cells, data, shown};
use super::{Closing, Manifest, Part};
use crate::receipt::Shown;

pub(super) const PREFIX: &str = "<!doctype html>\n";

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1500px;padding:0 1rem;\
color:#1c2430;background:#fff}h1{font-size:1.5rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.5rem}\
dt{color:#5b6675}dd{margin:0;overflow-wrap:anywhere}code,td,pre{font:12.5px/1.5 ui-monospace,monospace}\
p.note{background:#f2f5f9;border-left:3px solid #4a6fa5;padding:.6rem 1rem}table{border-collapse:collapse;width:100%}\
th{position:sticky;top:0;background:#fff;text-align:left;font-size:.8rem;color:#5b6675}\
th,td{padding:.25rem .6rem;border-bottom:1px solid #e3e8ee;vertical-align:top;overflow-wrap:anywhere}\
tr:hover td{background:#f7f9fc}tr.skip td{color:#8791a0;background:#fafbfc}pre{white-space:pre-wrap;margin:.3rem 0}";

/// Names and values of what a manifest says, for people.
pub(super) fn facts(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let filter = &manifest.filter;
    let entries = format!("{} to {}", manifest.from, manifest.to.saturating_sub(1));
    let mut facts = vec![
        ("Log", manifest.origin.to_string()),
        ("Tenant", manifest.origin.tenant().to_string()),
        ("Entries", if filter.is_all() { format!("all from {entries}") } else { format!("some from {entries}") }),
    ];
    facts.extend(manifest.times.0.map(|at| ("Not before", at.to_string())));
    facts.extend(manifest.times.1.map(|at| ("Before", at.to_string())));
    facts.extend(filter.transaction.map(|id| ("Only of transaction", id.to_string())));
    facts.extend(filter.kinds.as_ref().map(|kinds| ("Only kinds that begin with", kinds.to_string())));
    facts.extend([
        ("Payloads", if manifest.payloads { "as far as they are not erased" } else { "not asked for" }.to_owned()),
        ("Asked for by", manifest.actor.to_string()),
        ("At", manifest.at.to_string()),
        ("Because", manifest.justification.clone()),
        ("Recorded as entry", manifest.entry.to_string()),
    ]);
    facts
}

pub(super) fn chunk(carried: &str, part: Part<'_>) -> String {
    match part {
        Part::Manifest(manifest) => head(carried, manifest),
        Part::Skip(from, to) => {
            let last = to - 1;
            format!("<tr class=\"skip\"><td>{from} to {last}<td colspan=\"10\">left out</tr>{carried}\n")
        }
        Part::Entry(record, payload) => {
            let payload = match payload {
                Shown::Nothing => String::new(),
                Shown::Redacted => "erased".to_owned(),
                Shown::Payload { text, .. } => {
                    format!("<details><summary>show</summary><pre>{}</pre></details>", shown(text))
                }
            };
            let cells = cells(record).join("<td>");
            format!("<tr><td>{cells}<td>{}<td>{payload}</tr>{carried}\n", data(&record.data, true))
        }
        Part::Closing(closing) => foot(carried, closing),
    }
}

fn head(carried: &str, manifest: &Manifest) -> String {
    let fact = |(name, value): &(&str, String)| format!("<dt>{name}<dd>{}\n", shown(value));
    let facts: String = facts(manifest).iter().map(fact).collect();
    format!(
        "<html lang=\"en\">{carried}\n<head><meta charset=\"utf-8\"><title>Ledger export of {origin}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n<body><h1>Ledger export</h1>\n\
         <dl>\n{facts}</dl>\n<p class=\"note\">This page carries the entries byte for byte, the proofs that they are in \
         the log, and the signatures. <code>chancery verify export FILE --key KEY</code> verifies all of it without a \
         server, and that the page shows what it carries.</p>\n<table><thead><tr><th>Entry<th>At<th>Kind<th>Actor\
         <th>Transaction<th>N<th>Step<th>Attempt<th>Decision<th>Data<th>Payload</tr></thead>\n<tbody>\n",
        origin = shown(manifest.origin.as_str()),
    )
}

fn foot(carried: &str, closing: &Closing) -> String {
    let counts = closing.counts;
    format!(
        "</tbody></table>{carried}\n<p>{} entries, {} payloads, {} erased, {} entries of the log left out.</p>\n\
         <p>Digest of the package: <code>{}</code></p>\n</body></html>\n",
        counts.entries, counts.payloads, counts.erased, counts.skipped, closing.digest
    )
}
