use super::*;
use chancery_base::Entropy;
use chancery_policy::ResourceRef;
use proptest::prelude::*;
use serde_json::Map;
use std::time::Duration;

const WHY: &str = "the warehouse burns, incident 4711";

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_795_246_020_000_000).plus(Duration::from_secs(seconds))
}

fn who(kind: PrincipalKind, seed: u8) -> PrincipalId {
    PrincipalId::draw(kind, Timestamp::EPOCH, &mut Entropy::from_seed([seed; 32]))
}

fn person(seed: u8) -> PrincipalId {
    who(PrincipalKind::User, seed)
}

fn agent() -> PrincipalId {
    who(PrincipalKind::Agent, 9)
}

fn access() -> OverrideOn {
    let resource = EntityRef::new("Step", "order/charge");
    OverrideOn::Access { principal: agent(), action: "run".to_owned(), resource }
}

fn act(step: &str) -> Act {
    Act { transaction: TransactionId::from_bytes([1; 16]), step: Some(step.to_owned()) }
}

fn used(step: &str) -> OverrideEvent {
    OverrideEvent::Used(Used { act: act(step), decision: DecisionId::from_bytes([2; 16]) })
}

/// One that person 1 asked for at 0, until 1,000.
fn requested(kind: OverrideKind, on: OverrideOn) -> Override {
    let id = OverrideId::from_bytes([7; 16]);
    Override::requested(id, (kind, on, at(1_000)), WHY, (person(1), at(0))).unwrap()
}

fn granted(kind: OverrideKind, on: OverrideOn) -> Override {
    requested(kind, on).after(&OverrideEvent::Granted(WHY.to_owned()), person(2), at(1)).unwrap()
}

fn request(action: &str) -> Request {
    let (principal, resource) = (agent().into(), ResourceRef::new("Step", "order/charge"));
    Request { principal, action: action.to_owned(), resource, context: Map::new(), irreversible: false }
}

#[test]
fn people_who_have_no_part_in_it_yet_say_the_next_thing() {
    let asked = requested(OverrideKind::EmergencyBypass, access());
    let grant = OverrideEvent::Granted(WHY.to_owned());
    let refuse = OverrideEvent::Refused(WHY.to_owned());
    for event in [&grant, &refuse] {
        let own = asked.clone().after(event, person(1), at(1)).unwrap_err();
        assert_eq!(own, OverrideRefusal::Requester(person(1)));
        let machine = asked.clone().after(event, who(PrincipalKind::Service, 3), at(1)).unwrap_err();
        assert_eq!(machine.kind(), chancery_base::Kind::Denied);
    }
    let of_person =
        OverrideOn::Access { principal: person(4), action: "run".to_owned(), resource: EntityRef::new("A", "b") };
    let own = requested(OverrideKind::RiskAccepted, of_person).after(&grant, person(4), at(1)).unwrap_err();
    assert_eq!(own, OverrideRefusal::Beneficiary(person(4)));
    let used =
        granted(OverrideKind::EmergencyBypass, access()).after(&used("charge"), PrincipalId::SYSTEM, at(2)).unwrap();
    let review = OverrideEvent::Reviewed(WHY.to_owned());
    assert_eq!(used.clone().after(&review, person(1), at(3)).unwrap_err(), OverrideRefusal::Requester(person(1)));
    assert_eq!(used.clone().after(&review, person(2), at(3)).unwrap_err(), OverrideRefusal::Granter(person(2)));
    let reviewed = used.after(&review, person(3), at(3)).unwrap();
    assert!(reviewed.is_closed() && reviewed.review_due().is_none());
    assert!(reviewed.after(&review, person(5), at(4)).is_err(), "once is enough");
}

#[test]
fn what_is_said_has_a_reason_and_an_end_within_a_day() {
    let ask = |until, why: &str| {
        let id = OverrideId::from_bytes([7; 16]);
        Override::requested(id, (OverrideKind::RiskAccepted, access(), until), why, (person(1), at(0))).map(|_| ())
    };
    assert_eq!(ask(at(60), "  too short      "), Err(OverrideRefusal::Justification(9)));
    assert_eq!(ask(at(24 * 3_600), WHY), Ok(()));
    for until in [at(0), at(24 * 3_600 + 1)] {
        assert!(matches!(ask(until, WHY), Err(OverrideRefusal::Until { .. })), "{until}");
    }
    let asked = requested(OverrideKind::RiskAccepted, access());
    let late = asked.clone().after(&OverrideEvent::Granted(WHY.to_owned()), person(2), at(1_000));
    assert!(matches!(late, Err(OverrideRefusal::Status { .. })), "its time has come");
    let expired = asked.after(&OverrideEvent::Expired, PrincipalId::SYSTEM, at(1_000)).unwrap();
    assert!(expired.is_closed(), "nothing was granted: there is nothing to review");
    let early = granted(OverrideKind::TimeLimitedException, access());
    let review = OverrideEvent::Reviewed(WHY.to_owned());
    assert_eq!(early.after(&review, person(3), at(5)).unwrap_err(), OverrideRefusal::Early(at(1_000)));
}

#[test]
fn one_act_uses_it_up_and_its_retries_do_not() {
    let nobody = |_| false;
    let over = granted(OverrideKind::EmergencyBypass, access());
    let all = |over: &Override| [over.clone()].into_iter().collect::<Overrides>();
    let find =
        |over: &Override, act: Option<&Act>, now| all(over).covering(&request("run"), act, now, nobody).is_some();
    assert!(find(&over, Some(&act("charge")), at(2)));
    assert!(!find(&over, None, at(2)), "a question does nothing that could use it up");
    assert!(!find(&over, Some(&act("charge")), at(1_000)), "it has an end");
    assert!(all(&over).covering(&request("other"), Some(&act("charge")), at(2), nobody).is_none());
    assert!(all(&over).covering(&request("run"), Some(&act("charge")), at(2), |_| true).is_none());
    let over = over.after(&used("charge"), PrincipalId::SYSTEM, at(2)).unwrap();
    assert!(find(&over, Some(&act("charge")), at(3)) && !find(&over, Some(&act("refund")), at(3)));
    assert_eq!(over.clone().after(&used("charge"), PrincipalId::SYSTEM, at(3)), Ok(over.clone()));
    assert!(over.clone().after(&used("refund"), PrincipalId::SYSTEM, at(3)).is_err());
    let reviewed = over.clone().after(&OverrideEvent::Reviewed(WHY.to_owned()), person(3), at(4)).unwrap();
    assert!(reviewed.is_closed() && !find(&reviewed, Some(&act("charge")), at(5)), "what was reviewed is over");
    let again = reviewed.clone().after(&used("charge"), PrincipalId::SYSTEM, at(5));
    assert!(matches!(again, Err(OverrideRefusal::Status { .. })));
    assert!(reviewed.after(&OverrideEvent::Revoked(WHY.to_owned()), person(1), at(5)).is_err());
    let over = over.after(&OverrideEvent::Revoked(WHY.to_owned()), person(1), at(4)).unwrap();
    assert!(!find(&over, Some(&act("charge")), at(5)));

    let exception = granted(OverrideKind::TimeLimitedException, access());
    assert_eq!(exception.clone().after(&used("refund"), PrincipalId::SYSTEM, at(3)), Ok(exception.clone()));
    assert!(find(&exception, Some(&act("refund")), at(3)) && find(&exception, None, at(3)));
    let on = OverrideOn::Step { transaction: act("").transaction, step: "charge".to_owned(), principal: agent() };
    let of_step = granted(OverrideKind::RiskAccepted, on);
    assert!(find(&of_step, Some(&act("charge")), at(2)) && !find(&of_step, Some(&act("refund")), at(2)));
}

#[test]
fn a_row_says_what_it_was_made_of() {
    let over =
        granted(OverrideKind::RiskAccepted, access()).after(&used("charge"), PrincipalId::SYSTEM, at(2)).unwrap();
    assert_eq!(Override::of(&over.row()), Some(over.clone()));
    let other = OverrideRow { id: OverrideId::from_bytes([8; 16]), ..over.row() };
    assert_eq!(Override::of(&other), None);
}

fn event() -> impl Strategy<Value = OverrideEvent> {
    let why = || Just(WHY.to_owned());
    prop_oneof![
        why().prop_map(OverrideEvent::Granted),
        why().prop_map(OverrideEvent::Refused),
        why().prop_map(OverrideEvent::Revoked),
        why().prop_map(OverrideEvent::Reviewed),
        Just(OverrideEvent::Expired),
        prop_oneof![Just("charge"), Just("refund")].prop_map(used),
    ]
}

proptest! {
    /// Whatever is tried, whoever tries it: nobody grants what they ask for or gain by, nor reviews what they had a part
    /// in; what is in force was granted, and its time has not come; and what is over stays over.
    #[test]
    fn whatever_happens_others_answer_for_it(
        single in any::<bool>(),
        steps in prop::collection::vec((event(), 0..6_u8, 0..1_200_u64), 0..12),
    ) {
        let kind = if single { OverrideKind::EmergencyBypass } else { OverrideKind::TimeLimitedException };
        let mut over = requested(kind, access());
        let mut now = 0;
        for (event, by, seconds) in steps {
            now = (now + seconds / 4).min(2_000);
            let was_over = over.is_closed();
            if let Ok(after) = over.clone().after(&event, person(by), at(now)) {
                prop_assert!(!was_over, "{event:?}");
                over = after;
            }
            if over.is_in_force(at(now)) {
                prop_assert!(over.granted.is_some() && over.revoked.is_none() && now < 1_000);
            }
            let (asked, granted) = (over.requested.by, over.granted.as_ref().map(|said| said.by));
            prop_assert!(granted != Some(asked));
            let reviewer = over.reviewed.as_ref().map(|said| said.by);
            prop_assert!(reviewer.is_none_or(|by| by != asked && Some(by) != granted && granted.is_some()));
        }
    }
}
