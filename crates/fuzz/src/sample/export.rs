//! Exports of the sample's log.

use super::{Log, start};
use crate::check::{find, sure};
use chancery_base::{Entropy, PrincipalId, PrincipalKind};
use chancery_ledger::export::{ExportFault, ExportReport, ExportVerifier, ExportWriter, Filter, Form, Manifest};
use chancery_ledger::proof::range_hashes;
use chancery_ledger::{Keys, LeafIndex, Record, Shown, TreeSize};
use std::sync::OnceLock;

/// An export that was made.
#[derive(Debug)]
pub struct Export {
    /// The file.
    pub text: String,
    /// What it proves.
    pub report: ExportReport,
    /// Which line of the file, from 0, carries its closing.
    pub closing_at: usize,
}

/// The exports, made once.
pub fn exports() -> &'static [Export] {
    static EXPORTS: OnceLock<Vec<Export>> = OnceLock::new();
    EXPORTS.get_or_init(|| {
        let log = super::log();
        let asked = asked(log);
        let all = Form::ALL.into_iter().flat_map(|form| asked.iter().map(move |(asked, size)| (form, asked, *size)));
        all.map(|(form, asked, size)| log.export(form, asked, size)).collect()
    })
}

/// Verifies a file.
///
/// # Errors
/// What is wrong with it, and in which line.
pub fn verify(file: &[u8], keys: &Keys) -> Result<ExportReport, ExportFault> {
    let mut verifier = ExportVerifier::new(keys);
    file.split_inclusive(|byte| *byte == b'\n').try_for_each(|line| verifier.line(line))?;
    verifier.finish()
}

/// What was asked for, and the size of the log at that time.
fn asked(log: &Log) -> Vec<(Manifest, u64)> {
    let first = log.entries.get(10).map(|entry| sure(Record::parse(&entry.record), "a record"));
    let Some(first) = first else { find("a log of ten entries") };
    let manifest = |from, to, checkpoint: usize, filter| Manifest {
        origin: first.log.clone(),
        from,
        to,
        times: (None, Some(start())),
        filter,
        payloads: true,
        actor: PrincipalId::draw(PrincipalKind::User, start(), &mut Entropy::from_seed([5; 32])),
        at: start(),
        justification: "a yearly audit: `1 < 2 | 3` & <b>\n--> \"end\"".to_owned(),
        entry: log.size(),
        checkpoint: log.checkpoints.get(checkpoint).cloned().unwrap_or_default(),
    };
    let one = Filter { transaction: first.refs.transaction, kinds: None };
    let steps = Filter { transaction: None, kinds: Some(sure("step.".parse(), "a word")) };
    vec![
        (manifest(0, 1, 0, Filter::default()), 1),
        (manifest(10, 16, 2, Filter::default()), 300),
        (manifest(0, 256, 1, one), 256),
        (Manifest { payloads: false, ..manifest(290, 300, 2, steps) }, 300),
    ]
}

impl Log {
    /// An export of which every fifth payload is erased.
    fn export(&self, form: Form, asked: &Manifest, size: u64) -> Export {
        let (mut writer, mut text) = sure(ExportWriter::begin(form, asked, &self.key), "an export begins");
        for (seq, entry) in (0..size).zip(&self.entries) {
            let record = sure(Record::parse(&entry.record), "a record");
            if !(asked.from..asked.to).contains(&seq) || !asked.filter.takes(&record) {
                continue;
            }
            text += &self.left_out(&mut writer, seq, size);
            let payload = match &entry.payload {
                Some(_) if asked.payloads && seq % 5 == 0 => Shown::Redacted,
                Some((salt, text)) if asked.payloads => Shown::Payload { salt: *salt, text: text.clone() },
                Some(_) | None => Shown::Nothing,
            };
            text += &writer.entry(&String::from_utf8_lossy(&entry.record), &record, &payload);
        }
        text += &self.left_out(&mut writer, size, size);
        let closing_at = text.lines().count();
        text += &sure(writer.close(&self.key), "an export is closed");
        let report = sure(verify(text.as_bytes(), &self.keys()), "an export verifies");
        Export { text, report, closing_at }
    }

    fn left_out(&self, writer: &mut ExportWriter, to: u64, size: u64) -> String {
        if writer.next() == to {
            return String::new();
        }
        let hashes = range_hashes(LeafIndex(writer.next()), TreeSize(to), TreeSize(size), |id| self.tile(id));
        writer.skip(to, &sure(hashes, "hashes of what is left out"))
    }
}
