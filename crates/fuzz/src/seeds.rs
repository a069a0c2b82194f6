//! What each target's corpus begins with: our own examples, the cases of our tests, and what a limit looks like from
//! both sides. `cargo run -p chancery-fuzz` writes them; a test says when they are stale.

mod table;
mod text;

use crate::policy::SEPARATOR;
use crate::sample::{self, Export};
use chancery_base::limits::{CAPABILITY_BYTES_MAX, EXPRESSION_BYTES_MAX, RECORD_BYTES_MAX};
use std::collections::BTreeMap;

/// A file of a corpus: target, name, content.
pub type Seed = (&'static str, String, Vec<u8>);

/// All seeds.
#[must_use]
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let texts = [
        ("json", text::JSON),
        ("definition", text::DEFINITIONS),
        ("expression", text::EXPRESSIONS),
        ("body", text::BODIES),
        ("exchange", text::EXCHANGES),
        ("callback", text::CALLBACKS),
        ("tile", text::PATHS),
        ("search", text::SEARCHES),
        ("cron", text::CRONS),
    ];
    for (target, texts) in texts {
        seeds.extend(texts.iter().map(|text| (target, text.as_bytes().to_vec())));
    }
    seeds.extend(bundles().into_iter().map(|text| ("bundle", text.into_bytes())));
    seeds.extend(table::tables().into_iter().map(|text| ("table", text.into_bytes())));
    seeds.extend(limits());
    seeds.extend(ledger());
    seeds.extend(proofs());
    seeds.extend(tiles());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let named = seeds.into_iter().map(|(target, bytes)| {
        let count = counts.entry(target).or_default();
        *count += 1;
        (target, format!("seed-{count:02}"), bytes)
    });
    named.collect()
}

fn bundles() -> Vec<String> {
    let join = |parts: &[&str]| parts.join(SEPARATOR);
    let starter = join(&[
        include_str!("../../../examples/starter/schema.cedarschema"),
        include_str!("../../../examples/starter/hello.cedar"),
    ]);
    let order = join(&[
        include_str!("../../../examples/order/bundle/schema.cedarschema"),
        include_str!("../../../examples/order/bundle/orders.cedar"),
    ]);
    let mut bundles = vec![starter, order];
    bundles.extend(text::POLICIES.iter().map(|policies| join(&[text::SCHEMA, policies])));
    bundles.extend(text::SCHEMAS.iter().map(|schema| join(&[schema, "permit (principal, action, resource);"])));
    bundles.extend(text::ENTITIES.iter().map(|entities| join(&[text::SCHEMA, text::PERMIT, entities])));
    bundles.extend(text::BUNDLES.iter().map(|text| (*text).to_owned()));
    for deep in [31, 33] {
        let brackets =
            format!("permit (principal, action, resource) when {{ {}true{} }};", "(".repeat(deep), ")".repeat(deep));
        bundles.push(join(&[text::SCHEMA, &brackets]));
        let chain = format!("permit (principal, action, resource) when {{ true{} }};", " && true".repeat(deep * 8));
        bundles.push(join(&[text::SCHEMA, &chain]));
    }
    bundles
}

/// Both sides of a limit.
fn limits() -> Vec<(&'static str, Vec<u8>)> {
    let nested =
        |open: &str, inner: &str, close: &str, depth| [&open.repeat(depth), inner, &close.repeat(depth)].concat();
    let mut seeds = Vec::new();
    for depth in [31, 32, 33] {
        seeds.push(("json", nested("[", "1", "]", depth)));
        seeds.push(("json", nested("{\"a\":", "1", "}", depth)));
        let deep = nested("[", "1", "]", depth - 2);
        seeds.push((
            "definition",
            format!("{{\"name\":\"a\",\"version\":1,\"steps\":[{{\"id\":\"a\",\"run\":\"noop\",\"with\":{deep}}}]}}"),
        ));
        seeds.push(("definition", format!("name: a\nversion: 1\nsteps: [{{id: a, run: noop, with: {deep}}}]")));
        seeds.push(("expression", nested("(", "1", ")", depth)));
        seeds.push(("expression", nested("[", "input", "]", depth)));
    }
    for operators in [255, 256, 257] {
        seeds.push(("expression", format!("1{}", "+1".repeat(operators))));
    }
    for bytes in [EXPRESSION_BYTES_MAX, EXPRESSION_BYTES_MAX + 1] {
        seeds.push(("expression", format!("'{}'", "a".repeat(bytes - 2))));
    }
    for bytes in [2_048, 2_049] {
        seeds.push(("json", format!("\"{}\"", "a".repeat(bytes - 2))));
    }
    seeds.into_iter().map(|(target, text)| (target, text.into_bytes())).collect()
}

fn ledger() -> Vec<(&'static str, Vec<u8>)> {
    let mut texts = records();
    texts.extend(receipts());
    texts.extend(checkpoints());
    texts.extend(exports());
    texts.extend(capabilities());
    for token in &sample::tokens().tokens {
        let done = format!("[{{\"task\":\"{token}\",\"output\":null}}]");
        texts.push(("callback", format!("{{\"token\":\"{token}\",\"output\":{{\"id\":1}}}}")));
        texts.push(("exchange", token.to_string()));
        texts.push(("exchange", format!("{{\"worker\":\"w\",\"done\":{done},\"holding\":[\"{token}\"]}}")));
    }
    texts.into_iter().map(|(target, text)| (target, text.into_bytes())).collect()
}

/// The text, and what changes make of it.
fn changed(text: &str, changes: &[(&str, &str)]) -> Vec<String> {
    changes.iter().map(|(from, to)| text.replacen(from, to, 1)).filter(|changed| changed != text).collect()
}

fn records() -> Vec<(&'static str, String)> {
    let entries = sample::log().entries.iter().take(16);
    let mut records: Vec<String> = entries.map(|entry| String::from_utf8_lossy(&entry.record).into_owned()).collect();
    let record = records.get(10).cloned().unwrap_or_default();
    records.extend(changed(&record, text::RECORD_CHANGES));
    let long = format!("\"data\":{{\"{}\":1,", "a".repeat(RECORD_BYTES_MAX));
    records.push(record.replacen("\"data\":{", &long, 1));
    records.into_iter().map(|text| ("record", text)).collect()
}

fn receipts() -> Vec<(&'static str, String)> {
    let log = sample::log();
    let mut receipts = Vec::new();
    for (outcome, permit) in sample::PAIRS {
        for redacted in [false, true] {
            let text = log.receipt(outcome, permit, redacted).to_text();
            receipts.extend(changed(&text, text::RECEIPT_CHANGES));
            receipts.push(text);
        }
    }
    receipts.push(log.receipt(13, 10, true).to_text());
    receipts.into_iter().map(|text| ("receipt", text)).collect()
}

fn exports() -> Vec<(&'static str, String)> {
    let mut files = Vec::new();
    for Export { text, .. } in sample::exports() {
        files.push(text.clone());
        files.extend(changed(text, text::EXPORT_CHANGES));
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let cut = lines.split_last().map(|(_, before)| before.concat());
        let moved = lines.iter().rev().copied().collect::<String>();
        files.extend(cut.into_iter().chain([moved]));
    }
    files.into_iter().map(|text| ("export", text)).collect()
}

fn capabilities() -> Vec<(&'static str, String)> {
    let known = sample::capabilities();
    let mut tokens: Vec<String> = known.issued.iter().map(|(_, token)| token.clone()).collect();
    tokens.extend(known.narrowed.iter().cloned());
    tokens.push(known.strange.clone());
    if let Some(token) = tokens.first().cloned() {
        tokens.extend(changed(&token, text::CAPABILITY_CHANGES));
        tokens.extend([token.trim_end_matches('=').to_owned(), format!("{token}{token}"), format!("{token}\n")]);
        let (half, _) = token.split_at(token.len() / 8 * 4);
        tokens.push(half.to_owned());
    }
    tokens.extend(text::CAPABILITIES.iter().map(|text| (*text).to_owned()));
    tokens.push("A".repeat(CAPABILITY_BYTES_MAX + 4));
    tokens.into_iter().map(|text| ("capability", text)).collect()
}

fn checkpoints() -> Vec<(&'static str, String)> {
    let log = sample::log();
    let mut notes: Vec<String> = log.keys().iter().map(ToString::to_string).collect();
    notes.extend(text::NAMES.iter().map(|name| (*name).to_owned()));
    for note in &log.checkpoints {
        let (head, _) = note.split_once("\n\n").unwrap_or_default();
        notes.extend([note.clone(), format!("{head}\n"), note.replacen('\n', "\r\n", 1)]);
        notes.extend(changed(note, text::CHECKPOINT_CHANGES));
    }
    notes.into_iter().map(|text| ("checkpoint", text)).collect()
}

fn proofs() -> Vec<(&'static str, Vec<u8>)> {
    let log = sample::log();
    let mut seeds = Vec::new();
    // A size and an index under it, each less one; then what is changed: operation, place, with what.
    let pairs: [[u16; 2]; 6] = [[0, 0], [1, 1], [6, 3], [255, 128], [256, 256], [299, 77]];
    let edits: [&[u8]; 4] = [&[], &[0, 1, 9], &[1, 0, 0], &[3, 2, 5, 2, 1, 0]];
    for kind in [b'i', b'c'] {
        for [size, index] in pairs {
            for edit in edits {
                let numbers = [size.to_le_bytes(), index.to_le_bytes()].concat();
                seeds.push(("proof", [&[kind], numbers.as_slice(), edit].concat()));
            }
        }
    }
    let wild: [[u64; 2]; 4] = [[0, 1], [5, 7], [u64::MAX - 1, u64::MAX], [1 << 52, 1 << 53]];
    for [index, size] in wild {
        for hashes in [0, 1, 65] {
            seeds.push((
                "proof",
                [&b"w"[..], &index.to_le_bytes(), &size.to_le_bytes(), &vec![7; 32 * hashes]].concat(),
            ));
        }
    }
    for index in [0, 12, 255, 299] {
        let text = log.tlog_proof(index).to_string();
        let without = text.lines().filter(|line| !line.starts_with("extra ")).collect::<Vec<_>>().join("\n") + "\n";
        let changed = text.replacen("index ", "index 0", 1);
        seeds.extend([text, without, changed].map(|text| ("proof", text.into_bytes())));
    }
    seeds
}

fn tiles() -> Vec<(&'static str, Vec<u8>)> {
    let records: [&[&[u8]]; 5] = [&[], &[b""], &[b"{}"], &[b"one", b"two"], &[&[b'x'; 300]]];
    let bundles = records.iter().map(|records| {
        let entries = records.iter().flat_map(|record| {
            let length = u16::try_from(record.len()).unwrap_or(u16::MAX).to_be_bytes();
            [&length, *record].concat()
        });
        [&b"b"[..], &entries.collect::<Vec<u8>>()].concat()
    });
    let cut = [&b"b\0"[..], b"b\0\x05abc"].map(<[u8]>::to_vec);
    let hashes = [0_usize, 31, 32, 64, 8_192, 8_224].map(|bytes| [&b"h"[..], &vec![3; bytes]].concat());
    // How many leaves more, and whether the tree is restored from its tiles then.
    let grown: [&[u8]; 6] =
        [&[0, 0, 0], &[1, 0, 0], &[255, 0, 1, 1, 0, 1, 1, 0, 0], &[0, 1, 1], &[0, 4, 1, 7, 0, 1], &[19, 5, 0, 0, 0, 1]];
    let grown = grown.map(|steps| [b"g", steps].concat());
    let stored = [(1, 0, 32), (256, 255, 8_192), (300, 77, 8_192), (u64::MAX, 1 << 60, 8_192), (1 << 53, 9, 64)];
    let stored = stored.map(|(size, index, bytes): (u64, u64, usize)| {
        [&b"s"[..], &size.to_le_bytes(), &index.to_le_bytes(), &vec![5; bytes]].concat()
    });
    bundles.chain(cut).chain(hashes).chain(grown).chain(stored).map(|bytes| ("tile", bytes)).collect()
}
