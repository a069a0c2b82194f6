use crate::support::{Log, records, signing_key};
use chancery_base::{Entropy, PrincipalId, PrincipalKind, Timestamp, TransactionId};
use chancery_ledger::export::{
    Counts, ExportFault, ExportReport, ExportVerifier, ExportWriter, Filter, Form, Manifest,
};
use chancery_ledger::proof::range_hashes;
use chancery_ledger::{Keys, LeafIndex, Record, Shown, TreeSize};
use proptest::prelude::*;
use std::convert::Infallible;
use std::sync::LazyLock;

const SIZE: u64 = 300;

static LOG: LazyLock<Log> = LazyLock::new(|| Log::new(SIZE, &[SIZE]));

fn manifest(from: u64, to: u64) -> Manifest {
    let at = Timestamp::from_micros(1_795_246_999_000_000);
    Manifest {
        origin: LOG.origin.clone(),
        from,
        to,
        times: (None, Some(at)),
        filter: Filter::default(),
        payloads: true,
        actor: PrincipalId::draw(PrincipalKind::User, at, &mut Entropy::from_seed([5; 32])),
        at,
        justification: "a yearly audit: `1 < 2 | 3` & <script>alert(1)</script>\n--> \"end\" \u{85}".to_owned(),
        entry: SIZE,
        checkpoint: LOG.checkpoints[0].clone(),
    }
}

fn skip(writer: &mut ExportWriter, to: u64) -> String {
    let read = |id| Ok::<_, Infallible>(LOG.tiles[&id].clone());
    let hashes = range_hashes(LeafIndex(writer.next()), TreeSize(to), TreeSize(SIZE), read).unwrap();
    writer.skip(to, &hashes)
}

/// An export of the log, of which some payloads are erased.
fn export(form: Form, manifest: &Manifest) -> String {
    let (mut writer, mut text) = ExportWriter::begin(form, manifest, &LOG.key).unwrap();
    for seq in manifest.from..manifest.to {
        let entry = &LOG.entries[usize::try_from(seq).unwrap()];
        let record = Record::parse(&entry.record).unwrap();
        if !manifest.filter.takes(&record) {
            continue;
        }
        if seq > writer.next() {
            text += &skip(&mut writer, seq);
        }
        let payload = match &entry.payload {
            Some(_) if manifest.payloads && seq % 5 == 0 => Shown::Redacted,
            Some((salt, bytes)) if manifest.payloads => {
                Shown::Payload { salt: *salt, text: String::from_utf8(bytes.clone()).unwrap() }
            }
            Some(_) | None => Shown::Nothing,
        };
        text += &writer.entry(std::str::from_utf8(&entry.record).unwrap(), &record, &payload);
    }
    if writer.next() < SIZE {
        text += &skip(&mut writer, SIZE);
    }
    text + &writer.close(&LOG.key).unwrap()
}

fn verify(text: &[u8]) -> Result<ExportReport, ExportFault> {
    verify_with(text, &LOG.keys())
}

fn verify_with(text: &[u8], keys: &Keys) -> Result<ExportReport, ExportFault> {
    let mut verifier = ExportVerifier::new(keys);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        verifier.line(line)?;
    }
    verifier.finish()
}

/// A transaction of the sample.
fn transaction() -> TransactionId {
    records(SIZE)[10].0.refs.transaction.unwrap()
}

#[test]
fn an_export_proves_what_it_is_of_in_every_form() {
    let one = Filter { transaction: Some(transaction()), kinds: None };
    let steps = Filter { transaction: None, kinds: Some("step.".parse().unwrap()) };
    for (from, to) in [(0, SIZE), (0, 1), (17, 42), (255, 257), (299, 300)] {
        for filter in [Filter::default(), one.clone(), steps.clone()] {
            for payloads in [true, false] {
                let asked = Manifest { filter: filter.clone(), payloads, ..manifest(from, to) };
                let reports = Form::ALL.map(|form| {
                    let report = verify(export(form, &asked).as_bytes()).unwrap();
                    assert_eq!(report.form, form);
                    report
                });
                let digests = reports.clone().map(|report| report.closing.digest);
                assert!(digests.iter().all(|digest| *digest == digests[0]), "all carry the same package");
                assert_eq!((&reports[0].manifest, reports[0].complete), (&asked, filter.is_all()));
            }
        }
    }
}

#[test]
fn a_report_says_what_there_is() {
    let report = verify(export(Form::Json, &manifest(10, 20)).as_bytes()).unwrap();
    assert_eq!(report.closing.counts, Counts { entries: 10, payloads: 7, erased: 1, skipped: 290 });
    assert!(report.complete && !report.whole_transaction);
    assert_eq!(report.signers, ["example.org".parse().unwrap()]);
    let filter = Filter { transaction: Some(transaction()), kinds: None };
    let report = verify(export(Form::Json, &Manifest { filter: filter.clone(), ..manifest(0, SIZE) }).as_bytes());
    let report = report.unwrap();
    assert_eq!((report.closing.counts.entries, report.complete, report.whole_transaction), (4, false, true));
    let part = verify(export(Form::Json, &Manifest { filter, ..manifest(11, SIZE) }).as_bytes()).unwrap();
    assert!(!part.whole_transaction, "its first entry is not in it");
    let none = Filter { transaction: None, kinds: Some("never.".parse().unwrap()) };
    let report = verify(export(Form::Json, &Manifest { filter: none, ..manifest(0, SIZE) }).as_bytes()).unwrap();
    assert_eq!((report.closing.counts.entries, report.closing.counts.skipped), (0, SIZE));
}

#[test]
fn a_page_shows_no_text_of_others_as_markup() {
    let page = export(Form::Html, &manifest(0, 20));
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    // The justification would end the comment that carries it.
    assert_eq!(page.matches("-->").count(), page.matches("<!--").count());
    let table = export(Form::Csv, &manifest(0, 20));
    for row in table.lines() {
        assert_eq!(columns(row), 13, "{row}");
    }
    for row in export(Form::Markdown, &manifest(3, 20)).lines().filter(|line| line.starts_with('|')) {
        assert_eq!(row.matches('|').count(), 12, "{row}");
    }
}

/// Columns of a line of CSV.
fn columns(row: &str) -> usize {
    let quoted = row.split('"').step_by(2).map(|outside| outside.matches(',').count());
    quoted.sum::<usize>() + 1
}

/// Makes a package's lines follow from one another again, as someone would who has no key.
fn chained_anew(text: &str) -> String {
    let mut chain = chancery_base::Digest::of(b"chancery-export/1");
    let mut out = String::new();
    for line in text.lines() {
        let rest = line.split_at_checked("{\"chain\":\"\",".len() + 71).map_or("", |(_, rest)| rest);
        let body = format!("{{{rest}");
        chain = chancery_base::Digest::of_parts(&[chain.as_bytes(), body.as_bytes()]);
        out += &format!("{{\"chain\":\"{chain}\",{rest}\n");
    }
    out
}

fn refused(change: impl FnOnce(&mut Vec<String>), is_chained: bool, expected: &str) {
    let text = export(Form::Json, &manifest(16, 32));
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    change(&mut lines);
    let text = if is_chained { chained_anew(&lines.concat()) } else { lines.concat() };
    let fault = verify(text.as_bytes()).map_or_else(|fault| fault.to_string(), |_| "ok".to_owned());
    assert!(fault.starts_with(expected), "{fault}");
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    const CHAIN: &str = "it does not go on from the line before";
    let edit = |line: usize, from: &'static str, to: &'static str| {
        move |lines: &mut Vec<String>| {
            let edited = lines[line - 1].replacen(from, to, 1);
            assert_ne!(edited, lines[line - 1], "{from}");
            lines[line - 1] = edited;
        }
    };
    // Line 2 stands for entries 0 to 15; entries 16 and 17 are in lines 3 and 4.
    refused(|_| (), false, "ok");
    refused(|_| (), true, "ok");
    refused(edit(4, "\\\"epoch\\\":1", "\\\"epoch\\\":2"), false, &format!("line 4: {CHAIN}"));
    refused(|lines| drop(lines.remove(6)), false, &format!("line 7: {CHAIN}"));
    refused(|lines| lines.swap(4, 8), false, &format!("line 5: {CHAIN}"));
    refused(|lines| drop(lines.pop()), false, "line 20: the file ends here");
    refused(|lines| lines.push("{}\n".to_owned()), false, "line 21: not a line of an export");
    refused(edit(1, "yearly", "weekly"), true, "line 1: its signature is not believed");
    refused(edit(1, "example.org/acme/0/0\",\"pay", "example.org/acme/0/1\",\"pay"), true, "line 1: its signature");
    refused(edit(20, "\"entries\":16", "\"entries\":17"), true, "line 20: its signature is not believed");
    refused(|lines| drop(lines.remove(6)), true, "line 7: here is entry 21, and entry 20 comes next");
    refused(|lines| lines.swap(4, 8), true, "line 5: here is entry 22, and entry 18 comes next");
    refused(edit(4, "\\\"seq\\\":17", "\\\"seq\\\":017"), true, "line 4: not a record");
    refused(edit(4, "a \\\\\\\"b", "a \\\\\\\"c"), true, "line 4: the payload of entry 17 is not the one");
    refused(edit(4, "\"salt\":\"", "\"erased\":true,\"salt\":\""), true, "line 4: not a line of an export");
    refused(edit(7, "\"payload\":{\"erased\":true},", ""), true, "line 7: the payload of entry 20 is missing");
    refused(edit(11, "\"record\"", "\"payload\":{\"erased\":true},\"record\""), true, "line 11: not a line");
    refused(edit(4, "\\\"epoch\\\":1", "\\\"epoch\\\":2"), true, "line 5: its epoch 1 is lower than 2");
    refused(edit(2, "\"to\":16", "\"to\":17"), true, "line 2: entries 16 to 16 are left out");
    refused(edit(2, "\"to\":16", "\"to\":12"), true, "line 2: what stands for the entries");
    refused(edit(19, "\"from\":32", "\"from\":31"), true, "line 19: here is entry 31, and entry 32 comes next");
    refused(|lines| drop(lines.remove(18)), true, "line 19: the closing is of the package");
    refused(|lines| drop(lines.remove(0)), true, "line 1: here is a line before the manifest");
    refused(|lines| lines.insert(1, lines[0].clone()), true, "line 2: here is a second manifest");
    refused(|lines| lines.push(lines[0].clone()), true, "line 21: here is a line after the closing");
    refused(|lines| lines[0] = "Hello\n".to_owned(), false, "line 1: this is no export");
    refused(|lines| lines[19] = lines[19].trim_end().to_owned(), false, "line 20: the line does not end");
}

#[test]
fn keys_of_others_prove_nothing() {
    let text = export(Form::Json, &manifest(0, 9));
    let said = |name, seed| {
        let keys = Keys::one(signing_key(name, seed).verifier());
        verify_with(text.as_bytes(), &keys).unwrap_err().to_string()
    };
    assert!(said("example.org", 8).starts_with("line 1: its signature is not believed: signed by"));
    assert!(said("elsewhere.org", 7).starts_with("line 1: its signature is not believed: signed by"));
    // A key that signs for another installation, and is trusted for that.
    let other = signing_key("elsewhere.org", 7);
    let (_, text) = ExportWriter::begin(Form::Json, &manifest(0, 9), &other).unwrap();
    let keys = Keys::new(vec![other.verifier(), LOG.key.verifier()]);
    let fault = verify_with(text.as_bytes(), &keys).unwrap_err().to_string();
    assert!(fault.contains("does not sign for `example.org/acme/0/0`"), "{fault}");
}

#[test]
fn an_owner_of_the_key_cannot_leave_out_or_make_up_entries() {
    // Signed in order, yet with an entry that the checkpoint's tree does not have.
    let asked = Manifest { payloads: false, ..manifest(0, SIZE) };
    let (mut writer, mut text) = ExportWriter::begin(Form::Json, &asked, &LOG.key).unwrap();
    for (record, _) in records(SIZE) {
        let made_up = Record { epoch: if record.seq < 100 { 1 } else { 7 }, ..record };
        text += &writer.entry(&String::from_utf8(made_up.to_bytes()).unwrap(), &made_up, &Shown::Nothing);
    }
    text += &writer.close(&LOG.key).unwrap();
    let fault = verify(text.as_bytes()).unwrap_err().to_string();
    assert!(fault.starts_with("line 302: the entries lead to the root"), "{fault}");
    let (mut writer, mut text) = ExportWriter::begin(Form::Json, &manifest(0, 9), &LOG.key).unwrap();
    text += &skip(&mut writer, SIZE);
    text += &writer.close(&LOG.key).unwrap();
    let fault = verify(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(fault, "line 2: entries 0 to 8 are left out, and the range is said to be complete");
}

/// A few exports, in all forms.
static SAMPLES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let steps = Filter { transaction: None, kinds: Some("step.".parse().unwrap()) };
    let asked = [manifest(40, 52), Manifest { filter: steps, ..manifest(20, 36) }];
    asked.iter().flat_map(|asked| Form::ALL.map(|form| export(form, asked))).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_flipped_bit_goes_unnoticed(sample in 0..8_usize, at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut bytes = SAMPLES[sample].clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(verify(&bytes).is_err(), "bit {} of byte {}", bit, at);
    }

    #[test]
    fn no_line_can_be_left_out_doubled_or_moved(
        sample in 0..8_usize, one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(), what in 0..3,
    ) {
        let mut lines: Vec<&str> = SAMPLES[sample].split_inclusive('\n').collect();
        let before = lines.clone();
        let (one, other) = (one.index(lines.len()), other.index(lines.len()));
        match what {
            0 => drop(lines.remove(one)),
            1 => lines.insert(other, before[one]),
            _ => lines.swap(one, other),
        }
        prop_assume!(lines != before);
        prop_assert!(verify(lines.concat().as_bytes()).is_err());
    }

    #[test]
    fn a_file_that_was_cut_off_does_not_verify(sample in 0..8_usize, at in any::<prop::sample::Index>()) {
        let text = &SAMPLES[sample];
        prop_assert!(verify(&text.as_bytes()[..at.index(text.len())]).is_err());
    }
}
