//! Narrowing never widens.

use crate::support::{NOW, after, demand, entropy, show, token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use biscuit_auth::{BlockBuilder, UnverifiedBiscuit};
use chancery_base::Timestamp;
use chancery_capability::{Attenuation, CapabilityError, Demand, Resource, attenuate};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::{option, proptest};

/// Adds Datalog that no holder of good will would write.
fn add(token: &str, datalog: &str) -> String {
    let biscuit = UnverifiedBiscuit::from(URL_SAFE.decode(token).unwrap()).unwrap();
    let block = BlockBuilder::new().code(datalog).unwrap();
    URL_SAFE.encode(biscuit.append(block).unwrap().to_vec().unwrap())
}

/// What holders try: facts that the issuer would state, facts that the service states, and rules that make them.
const TRIES: [&str; 8] = [
    "right(\"charge\", \"Shop::Order\", \"17\")",
    "right($action, $type, $id) <- action($action), resource($type, $id)",
    "action(\"refund\"); resource(\"Shop::Order\", \"17\")",
    "amount(0); budget(1000000)",
    "time(1970-01-01T00:00:00Z)",
    "holder(hex:00); presenter(hex:00)",
    "check if true",
    "check if action(\"refund\") or action(\"charge\")",
];

/// One link of a chain.
#[derive(Debug, Clone)]
enum Link {
    Attenuation(Attenuation),
    Datalog(&'static str),
}

fn actions() -> impl Strategy<Value = String> {
    prop_oneof![Just("refund"), Just("charge"), Just("ship")].prop_map(str::to_owned)
}

fn resources() -> impl Strategy<Value = Resource> {
    let other = Resource { resource_type: "Shop::Order".to_owned(), id: "17".to_owned() };
    prop_oneof![3 => Just(demand().resource), 1 => Just(other)]
}

fn times() -> impl Strategy<Value = Timestamp> {
    (-100_i64..500).prop_map(after)
}

fn links() -> impl Strategy<Value = Link> {
    let said = (
        prop::collection::vec(actions(), 0..3),
        prop::collection::vec(resources(), 0..3),
        option::of(times()),
        option::of(0_u64..300),
    );
    let attenuation = said.prop_map(|(actions, resources, expires_at, amount_max)| {
        Link::Attenuation(Attenuation { actions, resources, expires_at, amount_max })
    });
    prop_oneof![3 => attenuation, 1 => prop::sample::select(TRIES.to_vec()).prop_map(Link::Datalog)]
}

fn demands() -> impl Strategy<Value = Demand> {
    let any = (actions(), resources(), 0_u64..300);
    let any = any.prop_map(|(action, resource, amount)| Demand { action, resource, amount, purpose: None });
    prop_oneof![1 => any, 2 => (0_u64..=120).prop_map(|amount| Demand { amount, ..demand() })]
}

proptest! {
    #[test]
    fn attenuation_never_widens(
        chain in prop::collection::vec(links(), 1..5),
        asked in prop::collection::vec((demands(), times()), 1..4),
        seed in any::<u8>(),
    ) {
        let mut tokens = vec![token()];
        for link in &chain {
            let last = tokens.last().unwrap();
            let next = match link {
                Link::Datalog(datalog) => add(last, datalog),
                Link::Attenuation(to) if *to == Attenuation::default() => last.clone(),
                Link::Attenuation(to) => attenuate(last, to, &mut entropy(seed)).unwrap(),
            };
            tokens.push(next);
        }
        for (demand, now) in &asked {
            for pair in tokens.windows(2) {
                if show(&pair[1], demand, *now).is_ok() {
                    assert!(show(&pair[0], demand, *now).is_ok(), "{chain:?} widened {demand:?}");
                }
            }
        }
    }
}

#[test]
fn what_is_left_is_what_both_leave() {
    let narrow = |token: &str, to: Attenuation| attenuate(token, &to, &mut entropy(5)).unwrap();
    let soon = Attenuation { expires_at: Some(after(10)), ..Attenuation::default() };
    let little = Attenuation { amount_max: Some(50), ..Attenuation::default() };
    let token = narrow(&narrow(&token(), soon), little);
    let asked = |amount| Demand { amount, ..demand() };
    let verified = show(&token, &asked(50), after(9)).unwrap();
    assert_eq!((verified.narrowed, verified.claims.budget), (2, Some(120)));
    assert!(show(&token, &asked(51), after(9)).is_err());
    assert!(show(&token, &asked(50), after(10)).is_err());
    let either = Attenuation { actions: vec!["ship".to_owned(), "refund".to_owned()], ..Attenuation::default() };
    assert!(show(&narrow(&token, either), &asked(1), NOW).is_ok(), "what is said twice may be either");
    let other = Attenuation { actions: vec!["ship".to_owned()], ..Attenuation::default() };
    assert!(show(&narrow(&token, other), &asked(1), NOW).is_err());
}

#[test]
fn what_holders_state_grants_nothing() {
    for datalog in TRIES {
        let token = add(&token(), datalog);
        let charge = Demand { action: "charge".to_owned(), ..demand() };
        assert!(show(&token, &charge, NOW).is_err(), "{datalog}");
        assert!(show(&token, &Demand { amount: 121, ..demand() }, NOW).is_err(), "{datalog}");
        assert!(show(&token, &demand(), after(300)).is_err(), "{datalog}");
    }
}

#[test]
fn a_costly_block_is_given_up() {
    let many: String = (0..1_200).map(|number| format!("n({number});")).collect();
    for datalog in [many, "n(1); n($b) <- n($a), n($b); check if n($a), n($b), n($c)".to_owned()] {
        let token = add(&token(), &datalog);
        if token.len() <= 16 * 1024 {
            // Whether it is checked or given up, it grants nothing new.
            let charge = Demand { action: "charge".to_owned(), ..demand() };
            assert!(show(&token, &charge, NOW).is_err());
        } else {
            assert_eq!(show(&token, &demand(), NOW), Err(CapabilityError::TooLarge));
        }
    }
}

#[test]
fn a_chain_has_an_end_and_nothing_said_is_none() {
    let nothing = attenuate(&token(), &Attenuation::default(), &mut entropy(5));
    assert!(matches!(nothing, Err(CapabilityError::Narrowing(_))), "{nothing:?}");
    let soon = Attenuation { expires_at: Some(after(10)), ..Attenuation::default() };
    let mut token = token();
    for _ in 0..16 {
        token = attenuate(&token, &soon, &mut entropy(5)).unwrap();
    }
    assert_eq!(show(&token, &demand(), NOW).unwrap().narrowed, 16);
    assert_eq!(attenuate(&token, &soon, &mut entropy(5)), Err(CapabilityError::TooDeep));
}
