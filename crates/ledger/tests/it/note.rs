use crate::support::{Log, origin, signing_key};
use chancery_base::Secret;
use chancery_ledger::note::{Note, NoteError};
use chancery_ledger::proof::inclusion_proof;
use chancery_ledger::tlog_proof::TlogProof;
use chancery_ledger::{Checkpoint, Hash, Keys, LeafIndex, SigningKey, TreeSize, VerifierKey};
use std::convert::Infallible;

/// A note of the Go checksum database, and its key (golang.org/x/mod/sumdb/note documents both).
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = concat!(
    "If you think cryptography is the answer to your problem,\n",
    "then you don't know what your problem is.\n",
    "\n",
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
);
const GO_SIGNER: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

fn go_keys() -> Keys {
    Keys::one(GO_KEY.parse().unwrap())
}

#[test]
fn notes_and_keys_are_those_of_go() {
    let note = Note::parse(GO_NOTE).unwrap();
    assert_eq!(note.to_string(), GO_NOTE);
    let keys = go_keys();
    assert_eq!(note.verify(&keys).unwrap()[0].to_string(), GO_KEY);
    let signer = SigningKey::from_secret(&Secret::new(GO_SIGNER.to_owned())).unwrap();
    assert_eq!(signer.to_secret().expose(), GO_SIGNER);
    assert_eq!(signer.verifier().to_string(), GO_KEY);
    assert_eq!(Note::sign(note.text().to_owned(), &[&signer]).unwrap().to_string(), GO_NOTE);
}

#[test]
fn a_signing_key_does_not_print() {
    let key = signing_key("example.org", 7);
    let shown = format!("{key:?} {:?}", key.to_secret());
    assert_eq!(shown, "SigningKey { name: KeyName(\"example.org\"), .. } [redacted]");
}

#[test]
fn one_flipped_bit_in_a_note_or_key_is_noticed() {
    for bit in 0..GO_NOTE.len() * 8 {
        let mut bytes = GO_NOTE.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let verified = std::str::from_utf8(&bytes)
            .is_ok_and(|text| Note::parse(text).and_then(|note| note.verify(&go_keys()).map(|_| ())).is_ok());
        assert!(!verified, "bit {bit}");
    }
    for bit in 0..GO_KEY.len() * 8 {
        let mut bytes = GO_KEY.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let parsed = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse::<VerifierKey>().ok());
        assert!(parsed.is_none(), "bit {bit}");
    }
}

#[test]
fn bad_notes_say_what_is_wrong() {
    let check = |note: &str, expected: &str| {
        let message = Note::parse(note).and_then(|note| note.verify(&go_keys()).map(|_| ()));
        assert_eq!(message.map_or_else(|err| err.to_string(), |()| "ok".to_owned()), expected, "{note:?}");
    };
    let (text, line) = GO_NOTE.split_once("\n\n").unwrap();
    check(GO_NOTE, "ok");
    check(text, "not a signed note: no blank line before the signatures");
    check(GO_NOTE.trim_end(), "not a signed note: it does not end in a newline");
    check(&format!("a\tb\n\n{line}"), "not a signed note: it has control characters");
    check(&format!("{text}\n\n- x y\n"), "not a signed note: a signature is `— <key name> <base64>`");
    check(&format!("{text}\n\n— a b+c AAAA\n"), "not a signed note: a signature is `— <key name> <base64>`");
    check(&format!("{text}!\n\n{line}"), "the signature of `PeterNeumann` does not fit the text");
    check(&format!("{text}\n\n— other AAAAAAAA\n"), "signed by `other`, none of which is a known key");
    // Unknown signatures are skipped, whatever they hold.
    check(&format!("{GO_NOTE}— other AAAAAAAA\n"), "ok");
    check(&format!("{GO_NOTE}— PeterNeumann AAAAAAAA\n"), "ok");
    check(&"x".repeat(200_000), "the note is too large");
    let many = format!("{GO_NOTE}{}", "— other AAAAAAAA\n".repeat(64));
    check(&many, "the note is too large");
}

#[test]
fn bad_keys_say_what_is_wrong() {
    let check = |key: &str, expected: &str| {
        assert_eq!(key.parse::<VerifierKey>().unwrap_err().to_string(), expected, "{key}");
    };
    check("x", "a verifier key is `<name>+<8 hex digits>+<base64>`");
    check(&GO_KEY.replace("+c74f", "+C74f"), "a verifier key is `<name>+<8 hex digits>+<base64>`");
    check(&GO_KEY.replace("+c74f", "+c74e"), "the id of key `PeterNeumann` is not the one of its name and bytes");
    // The neutral element: anybody can sign for it.
    let weak = "x+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    check(weak, "key `x` is not a sound Ed25519 key");
    let error = SigningKey::from_secret(&Secret::new("PRIVATE+KEY+a+b+c".to_owned())).unwrap_err();
    assert_eq!(error.to_string(), "a signing key is `PRIVATE+KEY+<name>+<8 hex digits>+<base64>`");
}

fn head() -> Checkpoint {
    Checkpoint { origin: origin(), size: TreeSize(12), root: Hash([9; 32]) }
}

#[test]
fn a_checkpoint_reads_back() {
    let key = signing_key("example.org", 7);
    let note = head().sign(&key).unwrap();
    assert!(note.starts_with("example.org/acme/0/0\n12\nCQkJ"));
    assert_eq!(Checkpoint::open(&note, &Keys::one(key.verifier())), Ok(head()));
}

#[test]
fn a_key_signs_for_its_own_cluster_only() {
    let stranger = signing_key("example.com", 8);
    let expected = "key `example.com` does not sign for `example.org/acme/0/0`: its name is not the log's cluster";
    assert_eq!(head().sign(&stranger).unwrap_err().to_string(), expected);
    let forged = Note::sign(head().text(), &[&stranger]).unwrap().to_string();
    assert_eq!(Checkpoint::open(&forged, &Keys::one(stranger.verifier())).unwrap_err().to_string(), expected);
}

#[test]
fn bad_checkpoints_say_what_is_wrong() {
    let key = signing_key("example.org", 7);
    let check = |text: &str, expected: &str| {
        let note = Note::sign(text.to_owned(), &[&key]).unwrap().to_string();
        let error = Checkpoint::open(&note, &Keys::one(key.verifier())).unwrap_err().to_string();
        assert_eq!(error, format!("a checkpoint is three lines, origin, size and root: {expected}"), "{text}");
    };
    let text = head().text();
    check("a\nb\n", "there are not three");
    check(&format!("{text}extension\n"), "there are not three");
    check(&text.replace("/acme/0/0", "/acme"), "the origin is not one of ours");
    check(&text.replace("\n12\n", "\n-1\n"), "the size is not a number up to 2^53");
    check(&text.replace("\n12\n", "\n012\n"), "not its one spelling");
    check(&text.replace("CQkJ", "*"), "the root is not 32 bytes in base64");
    let tampered = head().sign(&key).unwrap().replace("\n12\n", "\n13\n");
    let error = Checkpoint::open(&tampered, &Keys::one(key.verifier())).unwrap_err();
    assert_eq!(error.to_string(), NoteError::Signature("example.org".parse().unwrap()).to_string());
}

#[test]
fn a_tlog_proof_proves_one_entry() {
    let log = Log::new(300, &[300]);
    let proof = |extra| TlogProof {
        extra,
        index: LeafIndex(41),
        hashes: inclusion_proof(LeafIndex(41), TreeSize(300), |id| Ok::<_, Infallible>(log.tiles[&id].clone()))
            .unwrap(),
        checkpoint: log.checkpoints[0].clone(),
    };
    for proof in [proof(None), proof(Some(log.entries[41].record.clone()))] {
        let text = proof.to_string();
        assert_eq!(text.parse(), Ok(proof.clone()));
        assert_eq!(proof.verify(&log.entries[41].record, &log.keys()).unwrap().size, TreeSize(300));
        assert!(proof.verify(&log.entries[42].record, &log.keys()).is_err());
    }
    let text = proof(None).to_string();
    for bit in 0..text.len() * 8 {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let parsed = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse::<TlogProof>().ok());
        let verified = parsed.is_some_and(|proof| proof.verify(&log.entries[41].record, &log.keys()).is_ok());
        assert!(!verified, "bit {bit}");
    }
    assert!("c2sp.org/tlog-proof@v1\nindex 01\n\nx".parse::<TlogProof>().is_err());
}
