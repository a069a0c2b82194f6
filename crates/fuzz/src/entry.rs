//! Records and receipts: one spelling each, and nothing but what was signed is believed.

use crate::Verdict;
use crate::check::{find, sure, words};
use crate::sample;
use chancery_base::json;
use chancery_base::limits::RECORD_BYTES_MAX;
use chancery_ledger::{Receipt, Record, RecordError};

pub(crate) fn record(data: &[u8]) -> Verdict {
    let record = match Record::parse(data) {
        Ok(record) => record,
        Err(error) => {
            words(&error.to_string());
            match error {
                RecordError::TooLarge(bytes) => assert!(bytes == data.len() && bytes > RECORD_BYTES_MAX, "{bytes}"),
                RecordError::Form { at, expected } => {
                    assert!(at <= data.len() && !expected.is_empty(), "at byte {at} of {}", data.len());
                }
                RecordError::Field { problem, .. } => words(&problem),
                RecordError::Spelling => {}
            }
            return Verdict::Refused;
        }
    };
    assert!(data.len() <= RECORD_BYTES_MAX, "the limit does not hold");
    assert_eq!(record.to_bytes(), data, "a record of two spellings");
    // The form is RFC 8785's, by another writer than the record's own.
    let value = sure(json::parse_stored(data, data.len()), "a record is JSON");
    assert_eq!(json::canonical(&value), data, "a record is not canonical JSON");
    assert_eq!(record.index().0, record.seq);
    let longer = [data, b" "].concat();
    assert!(Record::parse(&longer).is_err(), "a space after the record is taken");
    Verdict::Taken
}

pub(crate) fn receipt(data: &[u8]) -> Verdict {
    let receipt = match Receipt::parse(data) {
        Ok(receipt) => receipt,
        Err(error) => {
            words(&error.to_string());
            return Verdict::Refused;
        }
    };
    assert_eq!(receipt.to_text().as_bytes(), data, "a receipt of two spellings");
    let log = sample::log();
    assert!(receipt.verify(&log.others_keys()).is_err(), "believed under another key");
    let report = match receipt.verify(&log.keys()) {
        Ok(report) => report,
        Err(error) => {
            words(&error.to_string());
            return Verdict::Refused;
        }
    };
    // Whoever lacks the key cannot make a receipt of anything that did not happen.
    assert!(log.checkpoints.contains(&receipt.checkpoint), "a checkpoint that was not signed");
    for record in [Some(&report.outcome), Some(&report.permit), report.forward.as_ref()].into_iter().flatten() {
        let at = usize::try_from(record.seq).unwrap_or(usize::MAX);
        let known = log.entries.get(at).is_some_and(|entry| entry.record == record.to_bytes());
        assert!(known, "an entry {} that is not the log's", record.seq);
    }
    assert!(report.permit.seq < report.outcome.seq, "the permit comes after the outcome");
    one_bit(data);
    Verdict::Taken
}

/// No bit of a receipt can be changed; which one is tried depends on the receipt.
fn one_bit(data: &[u8]) {
    for turn in 0_usize..8 {
        let mut changed = data.to_vec();
        let at = turn * data.len() / 8;
        let Some(byte) = changed.get_mut(at) else { find("an empty receipt") };
        *byte ^= 1 << turn;
        let believed = Receipt::parse(&changed).is_ok_and(|receipt| receipt.verify(&sample::log().keys()).is_ok());
        assert!(!believed, "bit {turn} of byte {at} can be changed");
    }
}
