use super::*;
use chancery_base::{Entropy, TransactionId};
use serde_json::json;

fn person(seed: u8) -> PrincipalId {
    PrincipalId::draw(PrincipalKind::User, Timestamp::EPOCH, &mut Entropy::from_seed([seed; 32]))
}

fn approved(approvers: u32, role: Option<&str>, input: Digest) -> RequestState {
    let opened_at = Timestamp::from_micros(1_000_000);
    let due_at = opened_at.plus(Duration::from_secs(24 * 60 * 60));
    let answer = |seed| RequestAnswer {
        answer: Say::Approved,
        at: opened_at,
        by: person(seed),
        justification: "checked against the ledger".to_owned(),
    };
    RequestState {
        acknowledged: None,
        answers: (1..=u8::try_from(approvers).unwrap()).map(answer).collect(),
        decided_at: Some(opened_at),
        deferrals: Vec::new(),
        delegations: Vec::new(),
        due_at,
        id: RequestId::of(opened_at, TransactionId::from_bytes([7; 16]), 1),
        input,
        opened_at,
        opened_seq: 9,
        status: RequestStatus::Approved,
        terms: RequestTerms {
            approvers,
            due_at,
            justification_min: REQUEST_JUSTIFICATION_MIN,
            kind: RequestKind::Approval,
            reason: String::new(),
            risk: None,
            role: role.map(|role| role.parse().unwrap()),
            title: "May `charge` run?".to_owned(),
            trigger: None,
        },
        warned: false,
    }
}

#[track_caller]
fn check(demand: &Demand, request: &RequestState, input: &[u8], opens: bool) {
    let demands = [demand.clone()];
    let gate = Demand::gate(&demands, std::slice::from_ref(request), &Digest::of(input));
    assert_eq!(gate == Gate::Open, opens, "{gate:?}");
}

#[test]
fn an_approval_meets_the_demand_that_it_was_opened_for_and_any_weaker_one() {
    let input = Digest::of(b"a");
    let role = |role: &str| Demand { role: Some(role.parse().unwrap()), ..Demand::approvals(2) };
    check(&Demand::approvals(2), &approved(2, None, input), b"a", true);
    check(&Demand::approvals(1), &approved(2, None, input), b"a", true);
    check(&role("finance"), &approved(2, Some("finance"), input), b"a", true);
    // What became stricter asks again.
    check(&Demand::approvals(3), &approved(2, None, input), b"a", false);
    check(&role("finance"), &approved(2, None, input), b"a", false);
    check(&role("finance"), &approved(2, Some("legal"), input), b"a", false);
    check(&Demand { justification_min: 40, ..Demand::approvals(1) }, &approved(2, None, input), b"a", false);
    check(&Demand { kind: RequestKind::Escalation, ..Demand::approvals(1) }, &approved(2, None, input), b"a", false);
}

#[test]
fn an_approval_is_of_one_input() {
    check(&Demand::approvals(1), &approved(1, None, Digest::of(b"a")), b"b", false);
}

#[test]
fn what_was_not_approved_opens_nothing() {
    for status in [RequestStatus::Denied, RequestStatus::Expired, RequestStatus::Withdrawn] {
        let request = RequestState { status, ..approved(1, None, Digest::of(b"a")) };
        check(&Demand::approvals(1), &request, b"a", false);
    }
}

#[test]
fn each_demand_is_asked_after_the_one_before() {
    let input = Digest::of(b"a");
    let legal = Demand { role: Some("legal".parse().unwrap()), ..Demand::approvals(1) };
    let demands = [Demand::approvals(1), legal.clone()];
    assert_eq!(Demand::gate(&demands, &[], &input), Gate::Shut(&demands[0]));
    let first = approved(1, None, input);
    assert_eq!(Demand::gate(&demands, std::slice::from_ref(&first), &input), Gate::Shut(&legal));
    let asked = RequestState { status: RequestStatus::Open, ..approved(1, Some("legal"), input) };
    let id = asked.id;
    assert_eq!(Demand::gate(&demands, &[first.clone(), asked], &input), Gate::Waits(id));
    assert_eq!(Demand::gate(&demands, &[first, approved(1, Some("legal"), input)], &input), Gate::Open);
}

#[test]
fn neither_a_machine_nor_the_requester_nor_anybody_twice_answers() {
    let mut request = RequestState { status: RequestStatus::Open, ..approved(1, Some("finance"), Digest::of(b"a")) };
    let (asker, given, other) = (person(9), person(1), person(2));
    let (none, finance) = (BTreeSet::new(), BTreeSet::from(["finance".parse().unwrap()]));
    let refused = |request: &RequestState, id, roles| request.shuts_out_person(Person { id, roles }, asker);
    let agent = PrincipalId::draw(PrincipalKind::Agent, Timestamp::EPOCH, &mut Entropy::from_seed([3; 32]));
    assert_eq!(refused(&request, agent, &finance), Some(RequestRefusal::Machine(agent)));
    assert_eq!(refused(&request, asker, &finance), Some(RequestRefusal::Requester(asker)));
    assert_eq!(refused(&request, given, &finance), Some(RequestRefusal::Answered(given)));
    assert_eq!(refused(&request, other, &none), Some(RequestRefusal::Role("finance".parse().unwrap())));
    assert_eq!(refused(&request, other, &finance), None);
    // To whom it was handed on needs no role, and who handed it on has no say.
    let (at, justification) = (request.opened_at, "on leave until Monday".to_owned());
    request.delegations.push(Delegation { at, by: other, justification, to: person(4) });
    assert_eq!(refused(&request, other, &finance), Some(RequestRefusal::HandedOn { by: other, to: person(4) }));
    assert_eq!(refused(&request, person(4), &none), None);
    request.status = RequestStatus::Expired;
    assert_eq!(refused(&request, person(4), &none), Some(RequestRefusal::Closed(RequestStatus::Expired)));
}

#[test]
fn the_higher_the_risk_the_less_time_there_is() {
    let hours = |risk| sla_of(risk).as_secs() / 3_600;
    let found = [Some(100), Some(80), Some(79), Some(60), Some(59), Some(30), Some(29), Some(0), None].map(hours);
    assert_eq!(found, [2, 2, 8, 8, 24, 24, 72, 72, 24]);
}

#[test]
fn a_request_is_warned_of_an_hour_before_it_is_due() {
    let mut request = approved(1, None, Digest::of(b"a"));
    assert_eq!(request.warns_at(), Some(request.due_at.minus(REQUEST_WARNED_BEFORE)));
    request.due_at = request.opened_at.plus(REQUEST_WARNED_BEFORE);
    assert_eq!(request.warns_at(), None, "it was due so soon from the first");
    assert_eq!(request.wakes_at(), request.due_at);
}

/// What is written at each commit is not sorted.
#[test]
fn a_request_is_canonical_as_it_is_written() {
    let at = Timestamp::from_micros(2_000_000);
    let mut request = approved(2, Some("finance"), Digest::of(b"a"));
    let (by, justification) = (person(1), "said \"yes\"".to_owned());
    request.acknowledged = Some(Acknowledgement { at, by });
    request.deferrals.push(Deferral { at, by, justification: justification.clone(), until: at });
    request.delegations.push(Delegation { at, by, justification, to: person(2) });
    request.terms.reason = "more than 10,000".to_owned();
    request.terms.risk = Some(80);
    request.terms.trigger = Some(Trigger::RiskThreshold);
    request.warned = true;
    let text = serde_json::to_string(&request).unwrap();
    assert!(chancery_base::json::is_canonical(&text), "{text}");
    assert_eq!(serde_json::from_str::<RequestState>(&text).unwrap(), request);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["status"], json!("approved"));
}
