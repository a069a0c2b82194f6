//! Capability tokens of the sample, what is asked of them, and what they are narrowed to.

use super::{slot, start};
use crate::check::sure;
use chancery_base::limits::CAPABILITY_BLOCKS_MAX;
use chancery_base::{DecisionId, Digest, Entropy, PrincipalId, PrincipalKind, Timestamp, TransactionId};
use chancery_capability::{Attenuation, Claims, Demand, IssuerKey, Phase, Resource, Verifier, WorkerKey, attenuate};
use std::sync::OnceLock;
use std::time::Duration;

/// How long the tokens are good.
const LIFETIME: Duration = Duration::from_secs(300);
/// What may be spent under them.
const BUDGET: u64 = 120;

/// The tokens, and those who have to do with them.
#[derive(Debug)]
pub struct Capabilities {
    /// Who trusts the key that issued them.
    pub verifier: Verifier,
    /// Who trusts another.
    pub others_verifier: Verifier,
    /// Who they are bound to.
    pub worker: WorkerKey,
    /// Who they are not bound to.
    pub other_worker: WorkerKey,
    /// What was issued.
    pub issued: Vec<(Claims, String)>,
    /// What a holder made of that.
    pub narrowed: Vec<String>,
    /// What another issuer says.
    pub strange: String,
    /// What is asked of each, and when; of the first the answer is yes.
    pub asked: Vec<(Demand, Timestamp)>,
    /// What each is narrowed to.
    pub attenuations: Vec<Attenuation>,
}

/// The tokens, made once.
pub fn capabilities() -> &'static Capabilities {
    static CAPABILITIES: OnceLock<Capabilities> = OnceLock::new();
    CAPABILITIES.get_or_init(Capabilities::new)
}

fn entropy(seed: u8) -> Entropy {
    Entropy::from_seed([seed; 32])
}

fn order(id: &str) -> Resource {
    Resource { resource_type: "Shop::Order".to_owned(), id: id.to_owned() }
}

impl Capabilities {
    fn new() -> Self {
        let (issuer, stranger) = (IssuerKey::draw(&mut entropy(11)), IssuerKey::draw(&mut entropy(12)));
        let (worker, other_worker) = (WorkerKey::draw(&mut entropy(13)), WorkerKey::draw(&mut entropy(14)));
        let all = claims(&worker);
        let least = Claims { index: None, purpose: None, budget: None, phase: Phase::Undo, ..all.clone() };
        let issue = |issuer: &IssuerKey, claims: &Claims| sure(issuer.issue(claims, &mut entropy(15)), "it is issued");
        let strange = issue(&stranger, &all);
        let issued: Vec<_> = [all, least].into_iter().map(|claims| (claims.clone(), issue(&issuer, &claims))).collect();
        let attenuations = attenuations();
        let narrow = |token: &str, to: &Attenuation| sure(attenuate(token, to, &mut entropy(16)), "it is narrowed");
        let mut narrowed = Vec::new();
        for (_, token) in &issued {
            narrowed.extend(attenuations.iter().map(|to| narrow(token, to)));
            // As often as it may be.
            let often = attenuations.iter().cycle().take(CAPABILITY_BLOCKS_MAX);
            narrowed.push(often.fold(token.clone(), |token, to| narrow(&token, to)));
        }
        Self {
            verifier: Verifier::new(vec![issuer.public()]),
            others_verifier: Verifier::new(vec![stranger.public()]),
            worker,
            other_worker,
            issued,
            narrowed,
            strange,
            asked: asked(),
            attenuations,
        }
    }

    /// Whether it is a token of the sample, to the letter.
    #[must_use]
    pub fn has(&self, token: &str) -> bool {
        self.issued.iter().any(|(_, issued)| issued == token) || self.narrowed.iter().any(|narrowed| narrowed == token)
    }
}

fn claims(worker: &WorkerKey) -> Claims {
    let mut entropy = entropy(17);
    Claims {
        id: sure("cap_00".parse(), "a name"),
        tenant: sure("acme".parse(), "a tenant"),
        principal: PrincipalId::draw(PrincipalKind::User, start(), &mut entropy),
        transaction: TransactionId::draw(start(), slot(7), &mut entropy),
        step: sure("refund".parse(), "a name"),
        index: Some(2),
        phase: Phase::Do,
        attempt: 1,
        input: Digest::of(b"{}"),
        decision: DecisionId::draw(start(), &mut entropy),
        action: "refund".to_owned(),
        resource: order("17\"); right(\"all"),
        purpose: Some("a broken parcel".to_owned()),
        budget: Some(BUDGET),
        worker: PrincipalId::draw(PrincipalKind::Service, start(), &mut entropy),
        key: worker.public(),
        expires_at: start().plus(LIFETIME),
    }
}

fn asked() -> Vec<(Demand, Timestamp)> {
    let granted =
        Demand { action: "refund".to_owned(), resource: order("17\"); right(\"all"), amount: 0, purpose: None };
    let demands = [
        granted.clone(),
        Demand { amount: BUDGET, ..granted.clone() },
        Demand { amount: BUDGET + 1, ..granted.clone() },
        Demand { action: "charge".to_owned(), ..granted.clone() },
        Demand { resource: order("all"), ..granted.clone() },
        Demand { purpose: Some("fun".to_owned()), ..granted },
    ];
    let times = [Duration::ZERO, LIFETIME - Duration::from_secs(1), LIFETIME].map(|after| start().plus(after));
    times.into_iter().flat_map(|now| demands.clone().map(|demand| (demand, now))).collect()
}

/// The first one leaves all that is asked.
fn attenuations() -> Vec<Attenuation> {
    let nothing = Attenuation::default;
    vec![
        Attenuation { actions: vec!["charge".to_owned(), "refund".to_owned()], ..nothing() },
        Attenuation { resources: vec![order("17\"); right(\"all")], amount_max: Some(BUDGET), ..nothing() },
        Attenuation { expires_at: Some(start().plus(LIFETIME / 2)), ..nothing() },
        Attenuation { amount_max: Some(0), ..nothing() },
        Attenuation { actions: vec!["charge".to_owned()], ..nothing() },
    ]
}
