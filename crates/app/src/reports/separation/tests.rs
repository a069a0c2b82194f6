use super::*;
use chancery_base::{Digest, Entropy, Slot};
use chancery_ledger::{Data, Refs, Word};
use serde_json::json;
use std::time::Duration;

pub(in crate::reports) fn second(second: u64) -> Timestamp {
    Timestamp::from_micros(1_795_000_000_000_000).plus(Duration::from_secs(second))
}

pub(in crate::reports) fn user(number: u8) -> PrincipalId {
    PrincipalId::draw(PrincipalKind::User, second(0), &mut Entropy::from_seed([number; 32]))
}

fn transaction(number: u8) -> TransactionId {
    TransactionId::draw(second(0), Slot::new(3).unwrap(), &mut Entropy::from_seed([number; 32]))
}

fn record(seq: u64, kind: &'static str, actor: PrincipalId, of: Option<u8>) -> Record {
    let refs = Refs { transaction: of.map(transaction), ..Refs::default() };
    let data = Data::new().digest("bundle", Digest::of(b"b"));
    let log = "example.org/acme/0/1".parse().unwrap();
    Record { actor, at: second(seq), data, epoch: 1, kind: Word::from(kind), log, payload: None, refs, seq }
}

/// What the built-in pair of this name finds: who, and in which entries.
fn found(pair: &str, entries: &[(&'static str, PrincipalId, Option<u8>, &str)]) -> Vec<(PrincipalId, (u64, u64))> {
    let pair = pairs().unwrap().iter().find(|known| known.name.as_str() == pair).unwrap();
    let pairs = [pair.clone()];
    let mut acts = Acts::new(&pairs);
    for (seq, (kind, actor, of, definition)) in (0..).zip(entries) {
        let payload = (!definition.is_empty()).then(|| json!({ "beginning": { "definition": definition } }));
        acts.take(&record(seq, kind, *actor, *of), payload.as_ref()).unwrap();
    }
    acts.found.remove(0).0.into_iter().map(|actual| (actual.principal, actual.entries)).collect()
}

#[test]
fn who_did_both_is_found_once_and_who_did_one_is_not() {
    let (ann, bob) = (user(1), user(2));
    let both = [
        ("bundle.pushed", ann, None, ""),
        ("bundle.activated", bob, None, ""),
        ("bundle.activated", ann, None, ""),
        ("bundle.activated", ann, None, ""),
    ];
    assert_eq!(found("push-activate", &both), [(ann, (0, 2))]);
    assert_eq!(found("push-activate", &both[..2]), []);
    let by_machine = both.map(|(kind, _, of, definition)| (kind, PrincipalId::SYSTEM, of, definition));
    assert_eq!(found("push-activate", &by_machine), []);
}

#[test]
fn duties_meet_within_their_transaction_or_their_definition() {
    let ann = user(1);
    let crossed = [
        ("transaction.started", ann, Some(1), "pay"),
        ("transaction.started", user(2), Some(2), "pay"),
        ("transaction.started", user(2), Some(3), "ship"),
        ("request.answered", ann, Some(3), ""),
        ("request.answered", ann, Some(2), ""),
    ];
    assert_eq!(found("request-approve", &crossed), [], "never of the same transaction");
    assert_eq!(found("start-answer", &crossed), [(ann, (0, 4))], "of another one of the same definition");
    let own = [("transaction.started", ann, Some(1), "pay"), ("request.answered", ann, Some(1), "")];
    assert_eq!(found("request-approve", &own), [(ann, (0, 1))]);
}

#[test]
fn what_is_wrong_with_pairs_is_named() {
    let with = |first: &str, within: &str| {
        let text = format!(
            r#"{{"pairs":[{{"name":"a","title":"t","first":{first},
            "second":{{"says":"s","kinds":["bundle.activated"]}},"within":"{within}"}}]}}"#
        );
        Pair::parse(text.as_bytes()).map_err(|err| err.to_string())
    };
    assert!(with(r#"{"says":"s","kinds":["bundle."]}"#, "tenant").is_ok());
    assert!(with(r#"{"says":"s","action":"start","kinds":["bundle."]}"#, "definition").is_ok());
    for (first, within, says) in [
        (
            r#"{"says":"s","kinds":["bundles."]}"#,
            "tenant",
            "pairs[0].first.kinds: no kind of entry begins with `bundles.`",
        ),
        (r#"{"says":"s","kinds":[]}"#, "tenant", "pairs[0].first.kinds: name the kinds"),
        (r#"{"says":"s","call":"bundle:eat","kinds":["bundle."]}"#, "tenant", "pairs[0].first.call: no call"),
        (r#"{"says":"s","action":"start","kinds":["bundle."]}"#, "tenant", "pairs[0]: an `action` is asked"),
        (r#"{"says":"s","kinds":["bundle."],"x":1}"#, "tenant", "unknown field `x`"),
        (r#"{"says":"s","kinds":["bundle."]}"#, "house", "unknown variant `house`"),
    ] {
        let error = with(first, within).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    assert!(Pair::parse(br#"{"pairs":[]}"#).unwrap_err().to_string().contains("1 to 50"));
}
