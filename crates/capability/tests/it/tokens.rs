//! Issuing, showing and refusing.

use crate::support::{CHALLENGE, NOW, after, claims, demand, entropy, issuer, show, token, verifier, worker};
use chancery_base::{PublicKey, Secret};
use chancery_capability::{
    CapabilityError, Claims, Demand, IssuerKey, IssuerKeys, KeyError, Presenter, Proof, Verifier, WorkerKey, inspect,
    is_sound, key_id,
};
use proptest::prelude::{any, prop};
use proptest::proptest;

#[test]
fn a_token_says_what_it_was_issued_with() {
    let verified = show(&token(), &demand(), NOW).unwrap();
    assert_eq!((verified.claims, verified.narrowed, verified.proven), (claims(), 0, true));
    let least = Claims { index: None, purpose: None, budget: None, ..claims() };
    let token = issuer().issue(&least, &mut entropy(5)).unwrap();
    assert_eq!(show(&token, &demand(), NOW).unwrap().claims, least);
}

/// What is asked, and what of it is refused.
#[track_caller]
fn denied(demand: &Demand, why: &str) {
    match show(&token(), demand, NOW) {
        Err(CapabilityError::Denied(reasons)) => assert!(reasons.join("; ").contains(why), "{reasons:?}"),
        other => panic!("{demand:?}: {other:?}"),
    }
}

#[test]
fn it_grants_one_action_on_one_resource_within_its_budget_for_its_purpose() {
    let is_other = |change: fn(&mut Demand)| {
        let mut demand = demand();
        change(&mut demand);
        demand
    };
    denied(&is_other(|demand| demand.action = "charge".to_owned()), "it is not for `charge`");
    denied(&is_other(|demand| demand.resource.id = "18".to_owned()), "it is not for `refund` on `Shop::Order::18`");
    denied(
        &is_other(|demand| demand.resource.resource_type = "Order".to_owned()),
        "it is not for `refund` on `Order::",
    );
    // The id of its resource looks like Datalog, and is none.
    denied(&is_other(|demand| demand.resource.id = "all".to_owned()), "it is not for");
    denied(&is_other(|demand| demand.amount = 121), "$amount <= 120");
    denied(&is_other(|demand| demand.amount = u64::MAX), "$amount <= 120");
    denied(&is_other(|demand| demand.purpose = Some("fun".to_owned())), "another purpose");
    let same = is_other(|demand| demand.purpose = Some("a broken parcel".to_owned()));
    assert!(show(&token(), &same, NOW).is_ok());
}

#[test]
fn at_the_second_of_its_expiry_it_is_worth_nothing() {
    assert!(show(&token(), &demand(), after(299)).is_ok());
    for seconds in [300, 301, 86_400] {
        let error = show(&token(), &demand(), after(seconds)).unwrap_err();
        assert!(error.to_string().contains("$now <"), "{error}");
    }
}

#[test]
fn only_keys_that_are_trusted_count() {
    let stranger = IssuerKey::draw(&mut entropy(7)).issue(&claims(), &mut entropy(4)).unwrap();
    assert_eq!(show(&stranger, &demand(), NOW), Err(CapabilityError::Untrusted));
    let nobody = Verifier::default().verify(&token(), &demand(), Presenter::Unproven, NOW);
    assert_eq!(nobody, Err(CapabilityError::Untrusted), "without keys nobody is trusted");
}

#[test]
fn only_who_holds_its_key_may_show_it() {
    let token = token();
    let check = |proof: &Proof, challenge: &[u8]| {
        verifier()
            .verify(&token, &demand(), Presenter::Proven { challenge, proof }, NOW)
            .map(|verified| verified.proven)
    };
    let other = WorkerKey::draw(&mut entropy(8));
    assert_eq!(check(&worker().prove(&token, CHALLENGE).unwrap(), CHALLENGE), Ok(true));
    assert_eq!(check(&other.prove(&token, CHALLENGE).unwrap(), CHALLENGE), Err(CapabilityError::Proof));
    let replayed = worker().prove(&token, b"of yesterday").unwrap();
    assert_eq!(check(&replayed, CHALLENGE), Err(CapabilityError::Proof));
    let of_another = issuer().issue(&claims(), &mut entropy(6)).unwrap();
    let of_another = worker().prove(&of_another, CHALLENGE).unwrap();
    assert_eq!(check(&of_another, CHALLENGE), Err(CapabilityError::Proof));
    assert!(worker().prove(&token, b"").is_err() && worker().prove(&token, &[0; 257]).is_err());
    let looked_at = verifier().verify(&token, &demand(), Presenter::Unproven, NOW).unwrap();
    assert!(!looked_at.proven);
}

#[test]
fn what_is_no_token_is_refused() {
    let long = "A".repeat(16 * 1024 + 4);
    for (text, expected) in [("", "not a capability token"), ("?", "not a"), ("AAAA", "not a"), (&long, "at most")] {
        let error = show(text, &demand(), NOW).unwrap_err();
        assert!(error.to_string().contains(expected), "{text:?}: {error}");
        assert!(inspect(text).is_err());
    }
}

#[test]
fn a_token_can_be_looked_at_without_a_key() {
    let seen = inspect(&token()).unwrap();
    assert_eq!((seen.key_id, seen.blocks.len()), (Some(key_id(&issuer().public())), 1));
    let block = &seen.blocks[0];
    for fact in ["capability(\"cap_00\")", "tenant(\"acme\")", "budget(120)", "check if presenter(hex:"] {
        assert!(block.contains(fact), "{fact} is missing:\n{block}");
    }
}

#[test]
fn keys_are_text_and_are_not_printed() {
    let keys = IssuerKeys::draw(&mut entropy(1));
    let text = keys.to_secret();
    assert_eq!(IssuerKeys::from_secret(&text).unwrap().public(), keys.public());
    assert!(!format!("{keys:?} {:?}", worker()).contains("private"));
    let two = format!("{}{}", IssuerKeys::draw(&mut entropy(2)).to_secret().expose(), text.expose());
    let two = IssuerKeys::from_secret(&Secret::new(two)).unwrap();
    assert_eq!(two.public(), [IssuerKey::draw(&mut entropy(2)).public(), issuer().public()]);
    let token = two.issue(&claims(), &mut entropy(4)).unwrap();
    let signer = Verifier::new(vec![two.public()[0]]);
    assert!(signer.verify(&token, &demand(), Presenter::Unproven, NOW).is_ok(), "the first one signs");
    for bad in ["", "ed25519-private/00", &text.expose().to_uppercase(), &text.expose().repeat(9)] {
        assert_eq!(IssuerKeys::from_secret(&Secret::new(bad.to_owned())).unwrap_err(), KeyError);
    }
    assert_eq!(WorkerKey::from_secret(&worker().to_secret()), Ok(worker()));
    let zero = PublicKey::from_bytes([0; 32]);
    assert!(is_sound(&worker().public()) && !is_sound(&zero), "anybody can sign for a key of small order");
}

proptest! {
    /// Whatever is changed in a token, it is refused, and nothing panics.
    #[test]
    fn a_changed_token_is_refused(places in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..=255), 1..4)) {
        let token = token();
        let mut bytes = token.clone().into_bytes();
        for (place, with) in places {
            let place = place.index(bytes.len());
            bytes[place] = b'-' + (bytes[place] ^ with) % 78;
        }
        let changed = String::from_utf8(bytes).unwrap();
        let refused = verifier().verify(&changed, &demand(), Presenter::Unproven, NOW).is_err();
        assert_eq!(refused, changed != token);
    }
}
