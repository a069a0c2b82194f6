use crate::support::records;
use chancery_base::json;
use chancery_base::{DecisionId, Digest, PrincipalId, Timestamp, TransactionId};
use chancery_ledger::{Data, DataValue, Origin, Record, Refs, Word};
use proptest::prelude::*;
use serde_json::Value;

const SAMPLE: &str = concat!(
    r#"{"actor":"agt_00000000000000000000000000000001","at":"2026-11-21T07:27:00.000000Z","data":{"#,
    r#""bundle":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","final":true,"k":-1,"#,
    r#""owner":"key_00000000000000000000000000000002"},"epoch":4,"kind":"step.completed","#,
    r#""log":"example.org/acme/0/0","#,
    r#""payload":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","#,
    r#""refs":{"attempt":1,"clone":0,"decision":"dec_00000000000000000000000000000003","last":true,"n":7,"step":3,"#,
    r#""transaction":"txn_00000000000000000000000000000004"},"seq":41,"v":1}"#
);

fn check(bytes: &str, expected: &str) {
    let message = Record::parse(bytes.as_bytes()).map_or_else(|err| err.to_string(), |_| "ok".to_owned());
    assert_eq!(message, expected, "{bytes}");
}

#[test]
fn a_record_reads_and_writes() {
    let record = Record::parse(SAMPLE.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(record.to_bytes()).unwrap(), SAMPLE);
    assert_eq!(record.data.get_int("k"), Some(-1));
    assert_eq!(record.data.get_bool("final"), Some(true));
    assert_eq!(record.data.get_digest("bundle"), record.payload);
    assert_eq!(record.data.get_word("owner"), Some("key_00000000000000000000000000000002"));
    assert_eq!(record.data.get("nothing"), None);
    assert_eq!(record.log.shard(), 0);
    assert_eq!(record.refs.n, Some(7));
    assert!(record.refs.last);
}

#[test]
fn anything_but_the_one_spelling_is_refused() {
    let with = |from: &str, to: &str| {
        assert!(SAMPLE.contains(from), "{from}");
        SAMPLE.replacen(from, to, 1)
    };
    check(&with("\"epoch\":4", "\"epoch\":04"), "a record has one spelling, and this is another");
    check(&with("\"k\":-1", "\"k\":-0"), "a record has one spelling, and this is another");
    check(&with("\"epoch\":4", "\"epoch\": 4"), "at byte 250 a record has a whole number from 0 to 2^53");
    check(&with("\"last\":true", "\"last\":false"), "at byte 468 a record has }");
    check(&with("\"v\":1", "\"v\":2"), "`v` is wrong: this reads version 1");
    check(&with("\"v\":1", "\"v\":1,\"w\":1"), "at byte 564 a record has }");
    check(&with("\"k\":", "\"a\":"), "at byte 193 a record has at most 64 pairs of data, in the order of their keys");
    check(&with("step.completed", "Step.completed"), "`kind` is wrong: a word is 1 to 64 of a-z, 0-9, `.`, `_`, `-`");
    check(&with("07:27:00.000000Z", "07:27:00Z"), "a record has one spelling, and this is another");
    check(
        &with("acme/0/0", "acme/0/00"),
        "`log` is wrong: an origin is `<cluster>/<tenant>/<shard>/<generation>`, such as `example.org/acme/0/0`",
    );
    check(&with("\"seq\":41", "\"seq\":9007199254740993"), "at byte 556 a record has a whole number from 0 to 2^53");
    check(&format!("{SAMPLE}\n"), "at byte 565 a record has its end");
    check(&" ".repeat(65_536), "a record has at most 65535 bytes, this one has 65536");
    check("", "at byte 0 a record has {\"actor\":\"");
}

#[test]
fn a_flipped_bit_never_gives_the_same_record() {
    let record = Record::parse(SAMPLE.as_bytes()).unwrap();
    for bit in 0..SAMPLE.len() * 8 {
        let mut bytes = SAMPLE.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Record::parse(&bytes) {
            assert_ne!(other, record);
            assert_eq!(other.to_bytes(), bytes);
        }
    }
}

#[test]
fn the_samples_of_the_other_tests_are_records() {
    for (record, _) in records(32) {
        assert_eq!(Record::parse(&record.to_bytes()), Ok(record));
    }
}

fn word() -> impl Strategy<Value = Word> {
    "[a-z0-9._-]{1,64}".prop_map(|text| Word::new(text).unwrap())
}

fn data() -> impl Strategy<Value = Data> {
    const KEYS: [&str; 6] = ["bundle", "a", "reason", "total.minor", "x_1", "z-z"];
    let value = prop_oneof![
        (-json::INTEGER_MAX..=json::INTEGER_MAX).prop_map(DataValue::Int),
        any::<bool>().prop_map(DataValue::Bool),
        any::<[u8; 32]>().prop_map(|bytes| DataValue::Digest(Digest::from_bytes(bytes))),
        word().prop_map(DataValue::Word),
    ];
    proptest::collection::vec((0..KEYS.len(), value), 0..6)
        .prop_map(|pairs| pairs.into_iter().fold(Data::new(), |data, (key, value)| data.with(KEYS[key], value)))
}

fn refs() -> impl Strategy<Value = Refs> {
    let ids = (proptest::option::of(any::<[u8; 16]>()), proptest::option::of(any::<[u8; 16]>()));
    let small = || proptest::option::of(any::<u32>());
    (small(), small(), small(), proptest::option::of(0..1_u64 << 53), any::<bool>(), ids).prop_map(
        |(attempt, clone, step, n, last, (decision, transaction))| Refs {
            attempt,
            clone,
            decision: decision.map(DecisionId::from_bytes),
            last,
            n,
            step,
            transaction: transaction.map(TransactionId::from_bytes),
        },
    )
}

fn origin() -> impl Strategy<Value = Origin> {
    ("[a-zA-Z0-9][a-zA-Z0-9._-]{0,20}", "[a-z0-9][a-z0-9-]{0,20}", any::<u16>(), any::<u32>()).prop_map(
        |(cluster, tenant, shard, generation)| {
            Origin::new(cluster.parse().unwrap(), tenant.parse().unwrap(), shard, generation)
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let actor = ("(usr|svc|agt)", any::<u128>())
        .prop_map(|(prefix, id)| format!("{prefix}_{id:032x}").parse::<PrincipalId>().unwrap());
    let numbers = (0..1_u64 << 53, 0..1_u64 << 53, 0..253_402_300_800_000_000_i64);
    (actor, data(), word(), origin(), proptest::option::of(any::<[u8; 32]>()), refs(), numbers).prop_map(
        |(actor, data, kind, log, payload, refs, (epoch, seq, at))| Record {
            actor,
            at: Timestamp::from_micros(at),
            data,
            epoch,
            kind,
            log,
            payload: payload.map(Digest::from_bytes),
            refs,
            seq,
        },
    )
}

proptest! {
    #[test]
    fn a_record_reads_back_and_its_bytes_are_canonical_json(record in record()) {
        let bytes = record.to_bytes();
        let value: Value = json::parse_stored(&bytes, 1 << 16).unwrap();
        prop_assert_eq!(Record::parse(&bytes), Ok(record));
        prop_assert_eq!(json::canonical(&value), bytes);
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(bytes in any::<Vec<u8>>()) {
        if let Ok(record) = Record::parse(&bytes) {
            prop_assert_eq!(record.to_bytes(), bytes);
        }
    }
}
