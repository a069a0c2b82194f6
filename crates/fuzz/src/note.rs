//! Notes, checkpoints and the names and keys in them.

use crate::Verdict;
use crate::check::{sure, words};
use crate::sample;
use chancery_ledger::note::{NOTE_BYTES_MAX, Note, SIGNATURES_MAX};
use chancery_ledger::{Checkpoint, Origin, VerifierKey};

pub(crate) fn checkpoint(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else { return Verdict::Refused };
    if let Ok(head) = Checkpoint::parse_text(text) {
        assert_eq!(head.text(), text, "a checkpoint of two spellings");
    }
    if let Ok(origin) = text.parse::<Origin>() {
        assert_eq!(origin.as_str(), text, "an origin of two spellings");
        assert_eq!(origin.to_string().parse().as_ref(), Ok(&origin));
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        let written = key.to_string();
        assert_eq!(written, text, "a key of two spellings");
    }
    let note = match Note::parse(text) {
        Ok(note) => note,
        Err(error) => {
            words(&error.to_string());
            return Verdict::Refused;
        }
    };
    assert!(text.len() <= NOTE_BYTES_MAX && note.signatures().len() <= SIGNATURES_MAX, "the limit does not hold");
    assert_eq!(note.to_string(), text, "a note of two spellings");
    let log = sample::log();
    assert!(Checkpoint::open(text, &log.others_keys()).is_err(), "believed under another key");
    match Checkpoint::open(text, &log.keys()) {
        Err(error) => words(&error.to_string()),
        Ok(head) => {
            // Other people's signatures may stand below; the text is one that the log signed.
            let signed = log.checkpoints.iter().map(|note| sure(Note::parse(note), "a checkpoint of the log"));
            assert!(signed.into_iter().any(|known| known.text() == head.text()), "a head that was not signed");
        }
    }
    Verdict::Taken
}
