//! What tokens cost: `cargo run --release -p chancery-capability --example cost`.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures, and says what it measured")]

use chancery_base::{
    DecisionId, Digest, Entropy, PrincipalId, PrincipalKind, Slot, TenantId, Timestamp, TransactionId,
};
use chancery_capability::{
    Attenuation, CapabilityError, Claims, Demand, IssuerKey, Phase, Presenter, Resource, Verifier, WorkerKey, attenuate,
};
use std::error::Error;
use std::time::Instant;

const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
const TIMES: u32 = 5_000;

fn claims(key: &WorkerKey, entropy: &mut Entropy) -> Result<Claims, Box<dyn Error>> {
    let tenant: TenantId = "acme".parse()?;
    Ok(Claims {
        id: format!("cap_{}", "0".repeat(58)).parse()?,
        principal: PrincipalId::draw(PrincipalKind::User, NOW, entropy),
        transaction: TransactionId::draw(NOW, Slot::of_key(&tenant, "order-17"), entropy),
        tenant,
        step: "refund".parse()?,
        index: None,
        phase: Phase::Do,
        attempt: 1,
        input: Digest::of(b"{}"),
        decision: DecisionId::draw(NOW, entropy),
        action: "refund".to_owned(),
        resource: Resource { resource_type: "Order".to_owned(), id: "17".to_owned() },
        purpose: Some("a broken parcel".to_owned()),
        budget: Some(120),
        worker: PrincipalId::draw(PrincipalKind::Service, NOW, entropy),
        key: key.public(),
        expires_at: Timestamp::from_micros(NOW.as_micros() + 300_000_000),
    })
}

/// Does it many times and says how long one takes.
fn measure(what: &str, mut once: impl FnMut() -> Result<(), CapabilityError>) -> Result<(), CapabilityError> {
    let began = Instant::now();
    for _ in 0..TIMES {
        once()?;
    }
    let each = began.elapsed() / TIMES;
    println!("{what:<32} {:>8.1} µs {:>8.0} a second", each.as_secs_f64() * 1e6, 1.0 / each.as_secs_f64());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut entropy = Entropy::from_seed([1; 32]);
    let (issuer, worker) = (IssuerKey::draw(&mut entropy), WorkerKey::draw(&mut entropy));
    let claims = claims(&worker, &mut entropy)?;
    let token = issuer.issue(&claims, &mut entropy)?;
    let half = Attenuation { amount_max: Some(60), ..Attenuation::default() };
    let narrow = attenuate(&token, &half, &mut entropy)?;
    let verifier = Verifier::new(vec![issuer.public()]);
    let demand = Demand { amount: 60, ..Demand::new("refund", "Order", "17") };
    println!("a token has {} bytes, narrowed once {}", token.len(), narrow.len());
    measure("issue", || issuer.issue(&claims, &mut entropy).map(drop))?;
    let mut entropy = Entropy::from_seed([2; 32]);
    measure("narrow", || attenuate(&token, &half, &mut entropy).map(drop))?;
    measure("prove", || worker.prove(&token, b"challenge").map(drop))?;
    for (what, token) in [("check, with proof", &token), ("check, narrowed once, with proof", &narrow)] {
        let proof = worker.prove(token, b"challenge")?;
        let presenter = Presenter::Proven { challenge: b"challenge", proof: &proof };
        measure(what, || verifier.verify(token, &demand, presenter, NOW).map(drop))?;
    }
    Ok(())
}
