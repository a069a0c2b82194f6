//! What a definition's schema says of inputs: of starts, of children, of what schedules start.

use super::hand::{Tenant, output};
use chancery_engine::{Status, StepError};
use chancery_shard::input::*;
use serde_json::json;

const STRICT: &str = r#"{"name": "strict", "version": 1,
    "input": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 1}}},
    "steps": [{"id": "only", "run": {"worker": "w"}, "with": "${{ input.n }}"}], "output": "${{ input.n }}"}"#;

const PARENT: &str = r#"{"name": "parent", "version": 1, "steps": [
    {"id": "first", "run": {"worker": "w"}, "compensate": {"run": {"worker": "undo"}}},
    {"id": "child", "after": ["first"], "run": {"transaction": "strict"}, "with": {"n": "${{ input.n }}"}}
]}"#;

#[test]
fn a_start_whose_input_is_not_as_it_must_be_writes_nothing() {
    let tenant = Tenant::new(1, &[STRICT]);
    let mut hand = tenant.hand(0);
    let size = hand.size();
    let refused = hand.start("strict", json!({"n": 0}), Some("k"), None);
    let Err(Refusal::InputRefused { definition, faults }) = refused else { panic!("{refused:?}") };
    assert_eq!((definition.as_str(), faults.len()), ("strict", 1));
    let found = (faults[0].pointer.as_str(), faults[0].rule.as_str(), faults[0].message.as_str());
    assert_eq!(found, ("/n", "/properties/n/minimum", "0 is not at least 1"));
    assert_eq!(hand.size(), size);
    let id = hand.start("strict", json!({"n": 1}), Some("k"), None).unwrap();
    // Who asks again with its key finds it, whatever is wrong with what is sent now: that is another request.
    assert!(
        matches!(hand.start("strict", json!({"n": 0}), Some("k"), None), Err(Refusal::KeyReused(found)) if found == id)
    );
}

#[test]
fn a_child_whose_input_is_not_as_it_must_be_fails_its_step() {
    let tenant = Tenant::new(1, &[PARENT, STRICT]);
    let mut hand = tenant.hand(0);
    let id = hand.start("parent", json!({"n": "five"}), None, None).unwrap();
    let first = hand.take_one("first");
    assert_eq!(hand.report(&first, output(json!(1))), Ack::Recorded);
    let undo = hand.take_one("first");
    assert_eq!(hand.report(&undo, output(json!(null))), Ack::Recorded);
    assert_eq!(hand.settled(id).0, Status::Compensated);
    let rows = tenant.store.dump().transactions;
    assert_eq!(rows.len(), 1, "no child began");
    let head = std::str::from_utf8(&rows[0].body.bytes).unwrap().to_owned();
    assert!(head.contains(StepError::INPUT_REFUSED), "{head}");
    assert!(head.contains(r#""path":"/n""#) && head.contains("/properties/n/type"), "{head}");
    let good = hand.start("parent", json!({"n": 5}), None, None).unwrap();
    let first = hand.take_one("first");
    assert_eq!(hand.report(&first, output(json!(1))), Ack::Recorded);
    let only = hand.take_one("only");
    assert_eq!(hand.report(&only, output(json!(1))), Ack::Recorded);
    assert_eq!(hand.settled(good).0, Status::Completed);
}
