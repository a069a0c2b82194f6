//! Checkpoints and receipts that were given out, with one bit changed.

use crate::world::World;
use chancery_app::verify::{self, Options};
use chancery_ledger::note::KeyName;
use chancery_ledger::{Keys, Receipt, SigningKey};

/// A text with one bit flipped, if it still is one.
fn flipped(text: &str, byte: usize, bit: usize) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    bytes[byte] ^= 1 << bit;
    String::from_utf8(bytes).ok()
}

#[test]
fn every_bit_of_a_receipt_matters() {
    let world = World::make();
    for receipt in &world.receipts {
        let text = std::str::from_utf8(receipt).unwrap();
        Receipt::parse(receipt).unwrap().verify(&world.keys).unwrap();
        for byte in 0..text.len() {
            for bit in 0..8 {
                let mut changed = receipt.clone();
                changed[byte] ^= 1 << bit;
                let verified = Receipt::parse(&changed).is_ok_and(|receipt| receipt.verify(&world.keys).is_ok());
                assert!(!verified, "bit {bit} of byte {byte} of {text}");
            }
        }
    }
}

#[test]
fn every_byte_of_a_served_checkpoint_matters() {
    let world = World::make();
    let check = |checkpoint: &str| {
        let options =
            Options { keys: Some(world.keys.clone()), checkpoints: vec![checkpoint.to_owned()], ..Options::default() };
        verify::run(world.dir(), &options, &mut |_| ())
    };
    for note in &world.checkpoints {
        check(note).unwrap_or_else(|error| panic!("{error}: {note}"));
        for byte in 0..note.len() {
            if let Some(changed) = flipped(note, byte, byte % 8) {
                assert!(check(&changed).is_err(), "byte {byte} of {note}");
            }
        }
    }
}

#[test]
fn another_key_believes_nothing() {
    let world = World::make();
    let name: KeyName = world.keys.iter().next().unwrap().name().clone();
    let other = Keys::one(SigningKey::from_seed(name, &[7; 32]).verifier());
    let options = Options { keys: Some(other.clone()), checkpoints: Vec::new(), ..Options::default() };
    let error = verify::run(world.dir(), &options, &mut |_| ()).unwrap_err().to_string();
    assert!(error.starts_with("log main/"), "{error}");
    assert!(error.contains("checkpoint"), "{error}");
    assert!(Receipt::parse(&world.receipts[0]).unwrap().verify(&other).is_err());
}

#[test]
fn a_kept_checkpoint_of_another_history_is_refused() {
    let (world, other) = (World::make(), World::make());
    let keys = Keys::new(world.keys.iter().chain(other.keys.iter()).cloned().collect());
    let options = Options { keys: Some(keys), checkpoints: vec![other.checkpoints[1].clone()], ..Options::default() };
    let error = verify::run(world.dir(), &options, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("history was rewritten"), "{error}");
}
