use crate::support::{Log, bundle, records, signing_key};
use chancery_base::Digest;
use chancery_ledger::note::Note;
use chancery_ledger::proof::inclusion_proof;
use chancery_ledger::{Checkpoint, Data, Keys, LeafIndex, Proven, Receipt, Record, Refs, Shown, TreeSize, Word};
use std::convert::Infallible;

/// Of the sample's entries 8 to 15, 8 and 9 start, 10 and 11 hand out, 12 and 13 complete steps, 14 and 15 end.
const PERMIT: u64 = 10;
const OUTCOME: u64 = 12;

fn log() -> Log {
    Log::new(300, &[300])
}

/// The receipt of an outcome under the last checkpoint.
fn receipt(log: &Log, permit: u64, outcome: u64) -> Receipt {
    let checkpoint = log.checkpoints.last().unwrap().clone();
    let size = Checkpoint::open(&checkpoint, &log.keys()).unwrap().size;
    let (outcome, permit) = (proven(log, outcome, size), proven(log, permit, size));
    Receipt { outcome, permit, forward: None, checkpoint, bundle: bundle() }
}

fn proven(log: &Log, seq: u64, size: TreeSize) -> Proven {
    let entry = &log.entries[usize::try_from(seq).unwrap()];
    let payload = match &entry.payload {
        Some((salt, bytes)) => Shown::Payload { salt: *salt, text: String::from_utf8(bytes.clone()).unwrap() },
        None => Shown::Nothing,
    };
    let read = |id| Ok::<_, Infallible>(log.tiles[&id].clone());
    Proven {
        record: String::from_utf8(entry.record.clone()).unwrap(),
        payload,
        proof: inclusion_proof(LeafIndex(seq), size, read).unwrap(),
    }
}

fn check(change: impl FnOnce(&Log, &mut Receipt), expected: &str) {
    let log = log();
    let mut receipt = receipt(&log, PERMIT, OUTCOME);
    change(&log, &mut receipt);
    let error = receipt.verify(&log.keys()).map_or_else(|err| err.to_string(), |_| "ok".to_owned());
    assert_eq!(error, expected);
}

#[test]
fn a_receipt_proves_permit_and_outcome() {
    let log = log();
    for (permit, outcome) in [(PERMIT, OUTCOME), (11, 13), (8, 14)] {
        let made = receipt(&log, permit, outcome);
        let text = made.to_text();
        let read = Receipt::parse(text.as_bytes()).unwrap();
        assert_eq!(read, made);
        let report = read.verify(&log.keys()).unwrap();
        assert_eq!((report.permit.seq, report.outcome.seq), (permit, outcome));
        assert_eq!(report.checkpoint.size.0, 300);
        assert_eq!(report.signers, ["example.org".parse().unwrap()]);
        assert_eq!(report.bundle, bundle());
    }
}

#[test]
fn every_flipped_bit_of_a_receipt_is_noticed() {
    let log = log();
    let keys = log.keys();
    let mut redacted = receipt(&log, PERMIT, OUTCOME);
    redacted.permit.payload = Shown::Redacted;
    let (_, undo) = compensated(|_| ());
    for receipt in [receipt(&log, PERMIT, OUTCOME), redacted, undo] {
        let mut bytes = receipt.to_text().into_bytes();
        assert!(Receipt::parse(&bytes).unwrap().verify(&keys).is_ok());
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let verified = Receipt::parse(&bytes).and_then(|receipt| receipt.verify(&keys)).is_ok();
            assert!(!verified, "bit {bit} of {}", String::from_utf8_lossy(&bytes));
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_receipt_has_one_spelling() {
    let text = receipt(&log(), PERMIT, OUTCOME).to_text();
    let check = |text: String, expected: &str| {
        let error = Receipt::parse(text.as_bytes()).unwrap_err();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let message = format!("{error}{cause}");
        assert!(message.starts_with(expected), "{message}");
    };
    let other = "a receipt has one spelling, and this is another: it was edited or reformatted";
    check(text.replacen("{", "{ ", 1), other);
    check(text.trim_end().to_owned(), other);
    check(format!("{text}\n"), other);
    check(text.replacen("\"bundle\"", "\"\\u0062undle\"", 1), other);
    check(text.replacen("{\"bundle\"", "{\"a\":1,\"bundle\"", 1), "not a receipt: unknown field `a`");
    check(text.replacen("{\"bundle\"", "{\"format\":\"x\",\"bundle\"", 1), "not a receipt: key `format` stands twice");
    check(text.replace("chancery-receipt/1", "chancery-receipt/2"), "not a receipt: its format is not");
    check(format!("{text}{}", " ".repeat(9 << 20)), "not a receipt: 94");
}

#[test]
fn a_receipt_refuses_what_does_not_belong_together() {
    check(|_, _| (), "ok");
    check(|_, r| r.permit.payload = Shown::Redacted, "ok");
    check(
        |log, r| r.permit = receipt(log, 11, 13).permit,
        "the permit is not the outcome's: it is of another transaction",
    );
    check(
        |log, r| r.permit = receipt(log, 8, 12).permit,
        "the permit is not the outcome's: its kind permits no such outcome",
    );
    check(|log, r| *r = receipt(log, 12, 10), "the permit is not the outcome's: the first entry is not an outcome");
    check(|_, r| r.permit.payload = Shown::Nothing, "the permit's payload is not the one that was recorded");
    check(
        |log, r| r.outcome.payload = receipt(log, 11, 13).outcome.payload,
        "the outcome's payload is not the one that was recorded",
    );
    check(|_, r| r.outcome.record.push(' '), "the outcome's record is not one");
    check(
        |_, r| {
            r.outcome.proof.pop();
        },
        "the outcome is not proven to be in the log",
    );
    check(|_, r| r.permit.proof.clear(), "the permit is not proven to be in the log");
    check(|_, r| r.checkpoint = r.checkpoint.replace("\n300\n", "\n301\n"), "the receipt's checkpoint is not believed");
    let named = Digest::of(b"another bundle");
    check(
        |_, r| r.bundle = named,
        &format!("the receipt names bundle {named}, and the permit was given under {}", bundle()),
    );
}

#[test]
fn a_receipt_has_no_signature_that_nobody_can_check() {
    let log = log();
    let (known, stranger) = (signing_key("example.org", 7), signing_key("witness.example", 9));
    let mut receipt = receipt(&log, PERMIT, OUTCOME);
    let text = Note::parse(&receipt.checkpoint).unwrap().text().to_owned();
    receipt.checkpoint = Note::sign(text, &[&known, &stranger]).unwrap().to_string();
    let error = receipt.verify(&log.keys()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the receipt's checkpoint has a signature by `witness.example`, which is not a known key"
    );
    assert!(receipt.verify(&Keys::one(stranger.verifier())).is_err());
}

/// Of a transaction with entries 0, 2, 4 and 6: started, handed out, and the step's compensation, which cites the
/// decision of the hand-out.
fn compensated(change: impl FnOnce(&mut Vec<Record>)) -> (Log, Receipt) {
    let (mut records, payloads): (Vec<_>, Vec<_>) = records(8).into_iter().unzip();
    let forward = records[2].refs.clone();
    records[4].kind = Word::literal("compensation.started");
    records[4].refs.decision = forward.decision;
    records[4].data = Data::new();
    records[6].kind = Word::literal("compensation.completed");
    records[6].refs = Refs { n: Some(3), last: true, decision: None, ..forward };
    change(&mut records);
    let log = Log::of(records.into_iter().zip(payloads).collect(), &[8]);
    let mut receipt = receipt(&log, 4, 6);
    receipt.forward = Some(proven(&log, 2, TreeSize(8)));
    (log, receipt)
}

#[test]
fn a_compensation_is_permitted_with_its_step() {
    let check = |change: fn(&mut Vec<Record>), expected: &str| {
        let (log, receipt) = compensated(change);
        let error = receipt.verify(&log.keys()).map_or_else(|err| err.to_string(), |_| "ok".to_owned());
        assert_eq!(error, expected);
    };
    check(|_| (), "ok");
    check(
        |records| records[4].refs.decision = records[0].refs.decision,
        "the permit is not the outcome's: it cites another decision than that of the forward entry",
    );
    check(
        |records| records[2].refs.step = Some(7),
        "the permit is not the outcome's: the forward entry is of another step",
    );
    check(
        |records| records[2].kind = Word::literal("step.completed"),
        "the permit is not the outcome's: the forward entry is not the hand-out of a compensated or confirmed step",
    );

    let (log, mut receipt) = compensated(|_| ());
    let read = Receipt::parse(receipt.to_text().as_bytes()).unwrap();
    assert_eq!(read, receipt);
    assert_eq!(read.verify(&log.keys()).unwrap().forward.unwrap().seq, 2);
    let forward = receipt.forward.take();
    let error = receipt.verify(&log.keys()).unwrap_err().to_string();
    assert_eq!(error, "the permit is not the outcome's: it cites a decision, and the forward entry is missing");
    let stray = Log::new(8, &[8]);
    let mut receipt = self::receipt(&stray, 2, 4);
    receipt.forward = forward;
    let error = receipt.verify(&stray.keys()).unwrap_err().to_string();
    assert_eq!(error, "the permit is not the outcome's: it has a decision of its own and cites no forward entry");
}
