use super::*;
use chancery_policy::{Outcome, ResourceRef};
use serde_json::Map;

fn stop(number: u8, on: StopOn) -> Stop {
    let since = Timestamp::from_micros(1_795_246_020_000_000);
    let id = StopId::from_bytes([number; 16]);
    Stop { id, on, by: PrincipalId::SYSTEM, justification: "runaway agent".to_owned(), since }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn all() -> Vec<StopOn> {
    vec![
        StopOn::Tenant,
        StopOn::Principal(PrincipalId::SYSTEM),
        StopOn::Action(name("charge")),
        StopOn::Target("worker:payments".parse().unwrap()),
        StopOn::Definition(name("order")),
    ]
}

fn request(action: &str, kind: &str, id: &str) -> Request {
    Request {
        principal: PrincipalId::SYSTEM.into(),
        action: action.to_owned(),
        resource: ResourceRef::new(kind, id),
        context: Map::new(),
        irreversible: false,
    }
}

#[test]
fn a_row_reads_back() {
    for on in all() {
        let stop = stop(1, on);
        let row = stop.row();
        assert_eq!(Stop::of(&row), Some(stop));
        assert_eq!(Stop::of(&StopRow { id: StopId::from_bytes([2; 16]), ..row }), None, "it is another's");
    }
    let damaged = StopRow { id: StopId::from_bytes([1; 16]), body: Sealed::plain(b"{}".to_vec()) };
    assert_eq!(Stop::of(&damaged), None);
}

#[test]
fn a_question_is_denied_by_the_stop_that_it_falls_under() {
    for (on, action, kind, id, denied) in [
        (StopOn::Tenant, "run", "Order", "o-1", true),
        (StopOn::Principal(PrincipalId::SYSTEM), "run", "Order", "o-1", true),
        (StopOn::Action(name("charge")), "charge", "Order", "o-1", true),
        (StopOn::Action(name("charge")), "refund", "Order", "o-1", false),
        (StopOn::Definition(name("order")), "start", "Definition", "order", true),
        (StopOn::Definition(name("order")), "run", "Step", "order/charge", true),
        (StopOn::Definition(name("order")), "run", "Step", "orders/charge", false),
        (StopOn::Definition(name("order")), "run", "Order", "order", false),
        // What is to go to a target waits: it is not denied.
        (StopOn::Target("worker:payments".parse().unwrap()), "run", "Step", "order/charge", false),
    ] {
        let stops: Stops = [stop(1, on.clone())].into_iter().collect();
        let found = stops.about(&request(action, kind, id)).map(|stop| &stop.on);
        assert_eq!(found, denied.then_some(&on), "{action} on {kind} {id}");
    }
}

#[test]
fn a_stops_deny_names_it_and_says_why() {
    let stop = stop(7, StopOn::Definition(name("order")));
    let request = request("start", "Definition", "order");
    let decision = stop.decision(Digest::of(b"bundle"), &request);
    assert_eq!(decision.outcome, Outcome::Deny);
    let why = format!("{}: definition `order` is stopped since {}: runaway agent", stop.id, stop.since);
    assert_eq!(decision.explanation(), why);
    let payload: serde_json::Value = serde_json::from_str(decision.payload()).unwrap();
    assert_eq!((&payload["refused"], &payload["outcome"]), (&why.into(), &"deny".into()));
    assert_eq!(payload["request"]["action"], "start");
}
