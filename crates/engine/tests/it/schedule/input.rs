//! What a schedule gives to what it starts.

use chancery_base::limits::{SCHEDULE_EXPRESSIONS_MAX, SCHEDULE_INPUT_BYTES_MAX};
use chancery_base::{Document, Name, Timestamp};
use chancery_engine::schedule::{Moment, Zone, check_input, render};
use serde_json::{Value, json};

fn rendered(input: Value) -> Value {
    let (name, zone): (Name, _) = ("nightly".parse().unwrap(), Zone::find("Europe/Berlin").unwrap());
    let due: Timestamp = "2026-11-21T01:30:00Z".parse().unwrap();
    render(&Document::new(input), Moment { name: &name, due, zone: &zone }).unwrap()
}

#[track_caller]
fn refused(input: Value, expected: &str) {
    assert_eq!(check_input(&Document::new(input)).unwrap_err().to_string(), expected);
}

#[test]
fn expressions_see_the_schedule_and_its_time() {
    let input = json!({
        "due": "${{ schedule.due }}",
        "text": "report of ${{ schedule.name }} at ${{ schedule.local }}",
        "zone": ["${{ schedule.zone }}", 7],
        "is_nightly": "${{ schedule.name == 'nightly' }}",
        "plain": {"a": null},
    });
    let expected = json!({
        "due": "2026-11-21T01:30:00.000000Z",
        "text": "report of nightly at 2026-11-21T02:30:00+01:00",
        "zone": ["Europe/Berlin", 7],
        "is_nightly": true,
        "plain": {"a": null},
    });
    assert_eq!(rendered(input), expected);
    assert_eq!(rendered(Value::Null), Value::Null);
}

#[test]
fn a_refusal_says_where() {
    let there = "there are `schedule.name`, `schedule.due`, `schedule.local`, `schedule.zone`";
    refused(json!({"a": ["${{ input.x }}"]}), &format!("input.a[0]: there is no `input` here; {there}"));
    refused(json!("${{ schedule.day }}"), &format!("input: there is no `schedule.day`; {there}"));
    assert_eq!(check_input(&Document::new(json!({"a": "${{ 1 + }}"}))).unwrap_err().path, "input.a");
    refused(json!({"a": "${{ 1"}), "input.a: `${{` at column 1 is not closed by `}}`");
    let many: Vec<_> = (0..=SCHEDULE_EXPRESSIONS_MAX).map(|_| "${{ schedule.due }}").collect();
    refused(json!(many), "input: 65 expressions, at most 64 are allowed");
    let long = "a".repeat(SCHEDULE_INPUT_BYTES_MAX - 1);
    refused(json!(long), "input: it has 65537 bytes, at most 65536 are allowed");
    check_input(&Document::new(json!("a".repeat(SCHEDULE_INPUT_BYTES_MAX - 2)))).unwrap();
}
