//! An issuer, a worker, and a token between them.

use chancery_base::{
    DecisionId, Digest, Entropy, PrincipalId, PrincipalKind, Slot, TenantId, Timestamp, TransactionId,
};
use chancery_capability::{
    CapabilityError, Claims, Demand, IssuerKey, Phase, Presenter, Resource, Verified, Verifier, WorkerKey,
};

/// A second of 2026, to which a token of [`claims`] is good for 300 seconds.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
pub(crate) const CHALLENGE: &[u8] = b"drawn by the service";

pub(crate) fn entropy(seed: u8) -> Entropy {
    Entropy::from_seed([seed; 32])
}

pub(crate) fn issuer() -> IssuerKey {
    IssuerKey::draw(&mut entropy(1))
}

pub(crate) fn worker() -> WorkerKey {
    WorkerKey::draw(&mut entropy(2))
}

pub(crate) fn after(seconds: i64) -> Timestamp {
    Timestamp::from_micros(NOW.as_micros() + seconds * 1_000_000)
}

pub(crate) fn claims() -> Claims {
    let mut entropy = entropy(3);
    let tenant: TenantId = "acme".parse().unwrap();
    Claims {
        id: "cap_00".parse().unwrap(),
        principal: PrincipalId::draw(PrincipalKind::User, NOW, &mut entropy),
        transaction: TransactionId::draw(NOW, Slot::of_key(&tenant, "order-17"), &mut entropy),
        tenant,
        step: "refund".parse().unwrap(),
        index: Some(2),
        phase: Phase::Do,
        attempt: 1,
        input: Digest::of(b"{}"),
        decision: DecisionId::draw(NOW, &mut entropy),
        action: "refund".to_owned(),
        resource: Resource { resource_type: "Shop::Order".to_owned(), id: "17\"); right(\"all".to_owned() },
        purpose: Some("a broken parcel".to_owned()),
        budget: Some(120),
        worker: PrincipalId::draw(PrincipalKind::Service, NOW, &mut entropy),
        key: worker().public(),
        expires_at: after(300),
    }
}

pub(crate) fn token() -> String {
    issuer().issue(&claims(), &mut entropy(4)).unwrap()
}

pub(crate) fn verifier() -> Verifier {
    Verifier::new(vec![IssuerKey::draw(&mut entropy(9)).public(), issuer().public()])
}

/// What the token is for.
pub(crate) fn demand() -> Demand {
    Demand { action: "refund".to_owned(), resource: claims().resource, amount: 120, purpose: None }
}

/// Checks a token that the worker shows.
pub(crate) fn show(token: &str, demand: &Demand, now: Timestamp) -> Result<Verified, CapabilityError> {
    let proof = worker().prove(token, CHALLENGE)?;
    verifier().verify(token, demand, Presenter::Proven { challenge: CHALLENGE, proof: &proof }, now)
}
