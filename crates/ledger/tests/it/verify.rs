use crate::support::{Entry, Log};
use chancery_base::{Salt, TransactionId};
use chancery_ledger::verify::{BoxError, Fault};
use chancery_ledger::{Kept, LogReport, LogVerifier, Record, TileId, TreeSize};

fn run(log: &Log) -> Result<LogReport, Fault> {
    run_expecting(log, None)
}

fn run_expecting(log: &Log, expected: Option<TreeSize>) -> Result<LogReport, Fault> {
    let read = |id: TileId| Ok::<_, BoxError>(log.tiles.get(&id).cloned());
    let mut verifier = LogVerifier::new(log.origin.clone()).with_tiles(Box::new(read));
    for note in &log.checkpoints {
        verifier.checkpoint(note, &log.keys())?;
    }
    for entry in &log.entries {
        let kept = entry.payload.as_ref().map_or(Kept::Nothing, |(salt, bytes)| Kept::Bytes(*salt, bytes));
        verifier.entry(&entry.record, kept)?;
    }
    verifier.finish(expected)
}

fn log() -> Log {
    Log::new(1_000, &[1, 100, 600, 812])
}

fn check(change: impl FnOnce(&mut Log), expected: &str) {
    let mut log = log();
    change(&mut log);
    let message = run(&log).map_or_else(|fault| fault.to_string(), |_| "ok".to_owned());
    assert!(message.starts_with(expected), "{message}\nwanted {expected}");
}

/// Changes a record and everything that the change does not give away by itself.
fn rewrite(log: &mut Log, seq: usize, change: impl FnOnce(&mut Record)) {
    let mut record = Record::parse(&log.entries[seq].record).unwrap();
    change(&mut record);
    log.entries[seq].record = record.to_bytes();
}

#[test]
fn a_sound_log_verifies() {
    let log = log();
    let report = run_expecting(&log, Some(TreeSize(1_000))).unwrap();
    assert_eq!((report.size, report.integrated, report.checkpoints), (TreeSize(1_000), TreeSize(812), 4));
    assert_eq!(report.newest.unwrap().size, TreeSize(812));
    assert_eq!(report.tiles, u64::try_from(log.tiles.len()).unwrap());
    assert_eq!((report.transactions_closed, report.transactions_open), (250, 0));
    assert_eq!((report.payloads_checked, report.payloads_withheld, report.clock_set_back), (750, 0, 0));
    // Tiles may be ahead of the checkpoints, and may end with a full one.
    for size in [256, 512, 513, 1_000] {
        let mut log = Log::new(1_000, &[100, size]);
        run(&log).unwrap();
        log.checkpoints.pop();
        assert_eq!(run(&log).unwrap().integrated, TreeSize(size));
    }
    run(&Log::new(0, &[])).unwrap();
}

#[test]
fn payloads_may_be_withheld_and_tiles_left_out() {
    let log = log();
    let mut verifier = LogVerifier::new(log.origin.clone());
    for entry in &log.entries {
        verifier.entry(&entry.record, Kept::Withheld).unwrap();
    }
    let report = verifier.finish(None).unwrap();
    assert_eq!((report.payloads_checked, report.payloads_withheld, report.tiles), (0, 750, 0));
}

#[test]
fn what_is_missing_or_moved_is_named() {
    check(|_| (), "ok");
    check(
        |log| drop(log.entries.remove(41)),
        "entry 41: its seq is 42: an entry is missing, stands twice or was moved",
    );
    check(|log| log.entries.swap(41, 42), "entry 41: its seq is 42");
    check(|log| log.entries.insert(41, log.entries[41].clone()), "entry 42: its seq is 41");
    check(|log| log.entries.truncate(811), "entry 811: it is missing, and checkpoint 812 covers it");
    check(|log| log.entries.truncate(0), "entry 0: it is missing, and checkpoint 1 covers it");
    check(
        |log| {
            log.checkpoints.clear();
            log.entries.truncate(811);
        },
        "tile 0/3: it has 44 hashes, and the entries give 43: entries are missing at the end",
    );
    let mut short = log();
    short.entries.truncate(999);
    let fault = run_expecting(&short, Some(TreeSize(1_000))).unwrap_err();
    assert_eq!(fault.to_string(), "entry 999: there are 999 entries, and there should be 1000");
}

/// An entry of a transaction is taken out and all that follows is renumbered.
#[test]
fn an_entry_missing_inside_a_transaction_is_named() {
    check(
        |log| {
            log.entries.remove(42);
            for seq in 42..log.entries.len() {
                rewrite(log, seq, |record| record.seq -= 1);
            }
            (log.tiles, log.checkpoints) = Default::default();
        },
        "entry 43: it is n 2 of txn_",
    );
}

#[test]
fn what_a_record_must_not_say_is_named() {
    let other = TransactionId::from_bytes([1; 16]);
    check(|log| rewrite(log, 150, |r| r.epoch = 1), "entry 150: its epoch 1 is lower than 2 before it");
    check(|log| rewrite(log, 41, |r| r.refs.n = Some(2)), "entry 41: it is n 2 of txn_");
    check(|log| rewrite(log, 41, |r| r.refs.n = None), "entry 41: its refs name a transaction without n");
    check(|log| rewrite(log, 41, |r| r.refs.transaction = Some(other)), "entry 43: it is n 1 of txn_");
    check(
        |log| rewrite(log, 43, |r| r.refs.transaction = Some(other)),
        "entry 43: it is n 1 of txn_01010101010101010101010101010101, which comes to n 0",
    );
    check(|log| rewrite(log, 40, |r| r.refs.last = true), "entry 42: txn_");
    check(|log| rewrite(log, 41, |r| r.payload = None), "entry 41: it has a payload that its record does not name");
    check(|log| log.entries[41].payload = None, "entry 41: its payload is missing");
    check(
        |log| rewrite(log, 41, |r| r.log = "example.org/acme/0/1".parse().unwrap()),
        "entry 41: it is of the log `example.org/acme/0/1`",
    );
    check(|log| log.entries[41].record.push(b' '), "entry 41: not a record: at byte");
}

#[test]
fn a_rewritten_history_contradicts_tiles_and_checkpoints() {
    let rewritten =
        |log: &mut Log| rewrite(log, 41, |record| record.at = record.at.plus(std::time::Duration::from_micros(1)));
    check(rewritten, "checkpoint 100: signed is the root");
    check(
        |log| {
            rewritten(log);
            log.checkpoints.clear();
        },
        "tile 0/0: hash 41 of it is not the one that the entries give",
    );
}

#[test]
fn tiles_that_are_missing_or_odd_are_named() {
    let id = |level, index| TileId { level, index };
    check(
        |log| drop(log.tiles.remove(&id(0, 1))),
        "tile 0/1: it is missing or has too few hashes: its level has 256, and 512",
    );
    check(
        |log| drop(log.tiles.remove(&id(0, 3))),
        "tile 0/3: it is missing or has too few hashes: its level has 768, and 812",
    );
    check(
        |log| drop(log.tiles.remove(&id(1, 0))),
        "tile 1/0: it is missing or has too few hashes: its level has 0, and 3",
    );
    check(|log| log.tiles.get_mut(&id(0, 0)).unwrap().truncate(320), "tile 0/0: it is missing or has too few");
    check(|log| log.tiles.get_mut(&id(1, 0)).unwrap().truncate(64), "tile 1/0: it is missing or has too few");
    check(|log| log.tiles.get_mut(&id(0, 0)).unwrap().truncate(319), "tile 0/0: its 319 bytes are not 1 to 256 hashes");
    check(
        |log| log.tiles.get_mut(&id(1, 0)).unwrap().extend([0; 32]),
        "tile 1/0: it has 4 hashes, and the entries give 3",
    );
    check(
        |log| log.tiles.get_mut(&id(0, 2)).unwrap()[67] ^= 1,
        "tile 0/2: hash 2 of it is not the one that the entries give",
    );
}

#[test]
fn checkpoints_that_are_not_ours_are_named() {
    check(
        |log| log.checkpoints[2].insert(0, 'x'),
        "checkpoint 600: the signature of `example.org` does not fit the text",
    );
    check(|log| log.checkpoints[2].clear(), "checkpoint note 2: not a signed note");
    check(
        |log| log.origin = "example.org/acme/0/1".parse().unwrap(),
        "checkpoint 1: it is of the log `example.org/acme/0/0`",
    );
    let log = log();
    let mut verifier = LogVerifier::new(log.origin.clone());
    for entry in log.entries.iter().take(101) {
        verifier.entry(&entry.record, Kept::Withheld).unwrap();
    }
    let fault = verifier.checkpoint(&log.checkpoints[1], &log.keys()).unwrap_err();
    assert_eq!(fault.to_string(), "checkpoint 100: it was given after entries that it covers; checkpoints come first");
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

type Place = fn(&mut Log, usize) -> &mut [u8];

/// Flips each bit of a place, one at a time; the log must be refused each time.
fn check_bits(log: &mut Log, place: Place, at: usize) {
    for bit in 0..place(log, at).len() * 8 {
        flip(place(log, at), bit);
        assert!(run(log).is_err(), "bit {bit} of {at}");
        flip(place(log, at), bit);
    }
}

#[test]
fn every_flipped_bit_of_a_log_is_noticed() {
    let covered = 7;
    let sound = Log::new(8, &[3, 7]);
    let mut log = sound.clone();
    for at in 0..log.entries.len() {
        // The last record is covered by no checkpoint and no tile yet, so that nothing outside of it fixes it.
        if at < covered {
            check_bits(&mut log, |log, at| &mut log.entries[at].record, at);
        }
        if log.entries[at].payload.is_some() {
            check_bits(&mut log, |log, at| log.entries[at].payload.as_mut().unwrap().1.as_mut_slice(), at);
            check_bits(&mut log, |log, at| &mut log.entries[at].payload.as_mut().unwrap().0.0, at);
        }
    }
    for at in 0..log.tiles.len() {
        check_bits(&mut log, |log, at| log.tiles.values_mut().nth(at).unwrap(), at);
    }
    for at in 0..log.checkpoints.len() {
        for bit in 0..log.checkpoints[at].len() * 8 {
            let mut bytes = sound.checkpoints[at].clone().into_bytes();
            flip(&mut bytes, bit);
            let Ok(note) = String::from_utf8(bytes) else { continue };
            log.checkpoints[at] = note;
            assert!(run(&log).is_err(), "bit {bit} of checkpoint {at}");
        }
        log.checkpoints[at].clone_from(&sound.checkpoints[at]);
    }
    run(&log).unwrap();
}

#[test]
fn a_changed_salt_is_a_changed_payload() {
    check(
        |log| {
            let Entry { payload: Some((salt, _)), .. } = &mut log.entries[41] else { panic!("it has a payload") };
            *salt = Salt([0; 16]);
        },
        "entry 41: its payload or salt was changed: the digest is another",
    );
}
