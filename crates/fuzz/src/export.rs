//! Exports: nothing is believed but what the log's key signed, in whatever form it is shown.

use crate::Verdict;
use crate::check::{find, words};
use crate::sample::{self, Export, exports, verify};

pub(crate) fn export(data: &[u8]) -> Verdict {
    let log = sample::log();
    assert!(verify(data, &log.others_keys()).is_err(), "believed under another key");
    let report = match verify(data, &log.keys()) {
        Ok(report) => report,
        Err(fault) => {
            words(&fault.problem.to_string());
            let lines = u64::try_from(lines(data).count()).unwrap_or(u64::MAX);
            assert!((1..=lines.saturating_add(1)).contains(&fault.line), "line {} of {lines}", fault.line);
            return Verdict::Refused;
        }
    };
    // Whoever lacks the key can make no export of anything that was not exported.
    let Some(made) = exports().iter().find(|made| made.report == report) else { find("it was never made") };
    is_as_made(data, made);
    if data == made.text.as_bytes() {
        one_bit(data);
    }
    Verdict::Taken
}

/// Every line is as it was made, and with it every entry, proof and checkpoint. The closing is signed in what it says:
/// how it is spelled may be changed, which changes nothing.
fn is_as_made(data: &[u8], made: &Export) {
    let (found, made_lines) = (lines(data), lines(made.text.as_bytes()));
    let changed: Vec<usize> =
        found.zip(made_lines).enumerate().filter(|(_, (found, made))| found != made).map(|(at, _)| at).collect();
    let counts = [data, made.text.as_bytes()].map(|text| lines(text).count());
    assert!(counts[0] == counts[1], "{counts:?} lines");
    assert!(changed.iter().all(|at| *at == made.closing_at), "lines {changed:?} were changed");
}

fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split_inclusive(|byte| *byte == b'\n')
}

/// No bit of an export can be changed; which one is tried depends on the export.
fn one_bit(data: &[u8]) {
    for turn in 0_usize..8 {
        let mut changed = data.to_vec();
        let at = turn * data.len() / 8;
        let Some(byte) = changed.get_mut(at) else { find("an empty export") };
        *byte ^= 1 << turn;
        assert!(verify(&changed, &sample::log().keys()).is_err(), "bit {turn} of byte {at} can be changed");
    }
}
