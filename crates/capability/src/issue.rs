//! Issuing: the first block.

use crate::key::{key_id, pair, seed};
use crate::{CapabilityError, Claims, IssuerKey, text};
use biscuit_auth::builder::{Check, Fact, Term, fact, int, string};
use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::{Biscuit, BiscuitBuilder, error};
use chancery_base::{Entropy, Timestamp};

impl IssuerKey {
    /// Issues a token.
    ///
    /// # Errors
    /// If what it says is longer than a token may be, or its budget is more than Biscuit's numbers hold.
    pub fn issue(&self, claims: &Claims, entropy: &mut Entropy) -> Result<String, CapabilityError> {
        let (root, next) = (self.pair()?, pair(&seed(entropy))?);
        let built = builder(claims, key_id(&self.public()))?
            .build_with_key_pair(&root, SymbolTable::default(), &next)
            .and_then(|biscuit| biscuit.to_vec());
        text::encode(&built.map_err(CapabilityError::form)?)
    }
}

fn builder(claims: &Claims, key_id: u32) -> Result<BiscuitBuilder, CapabilityError> {
    let budget = claims.budget.map(i64::try_from).transpose().map_err(CapabilityError::form)?;
    let built = facts(claims, budget).into_iter().try_fold(Biscuit::builder(), BiscuitBuilder::fact);
    let built = built.and_then(|builder| {
        let builder = builder.root_key_id(key_id).check(before(claims.expires_at)?)?;
        let builder = builder.check(with("check if presenter({key})", "key", key_term(claims))?)?;
        match budget {
            Some(most) => builder.check(at_most(most)?),
            None => Ok(builder),
        }
    });
    built.map_err(CapabilityError::form)
}

fn facts(claims: &Claims, budget: Option<i64>) -> Vec<Fact> {
    let text = |name: &str, text: &str| fact(name, &[string(text)]);
    let mut facts = vec![
        text("capability", claims.id.as_str()),
        text("tenant", claims.tenant.as_str()),
        text("principal", &claims.principal.text()),
        text("transaction", &claims.transaction.text()),
        text("step", claims.step.as_str()),
        text("phase", claims.phase.word()),
        fact("attempt", &[int(claims.attempt.into())]),
        text("input", &claims.input.text()),
        text("decision", &claims.decision.text()),
        text("worker", &claims.worker.text()),
        fact("holder", &[key_term(claims)]),
        fact("expires", &[Term::Date(seconds(claims.expires_at))]),
        fact("right", &[string(&claims.action), string(&claims.resource.resource_type), string(&claims.resource.id)]),
    ];
    facts.extend(claims.index.map(|index| fact("index", &[int(index.into())])));
    facts.extend(claims.purpose.as_deref().map(|purpose| text("purpose", purpose)));
    facts.extend(budget.map(|budget| fact("budget", &[int(budget)])));
    facts
}

fn key_term(claims: &Claims) -> Term {
    Term::Bytes(claims.key.as_bytes().to_vec())
}

/// That it is before this second.
pub(crate) fn before(at: Timestamp) -> Result<Check, error::Token> {
    with("check if time($now), $now < {at}", "at", Term::Date(seconds(at)))
}

/// That no more is to be spent.
pub(crate) fn at_most(most: i64) -> Result<Check, error::Token> {
    with("check if amount($amount), $amount <= {most}", "most", int(most))
}

/// A check with a parameter.
fn with(check: &str, name: &str, term: Term) -> Result<Check, error::Token> {
    let mut check = Check::try_from(check)?;
    check.set(name, term)?;
    Ok(check)
}

/// Whole seconds: Biscuit knows no smaller ones. What is rounded down ends sooner, never later.
pub(crate) fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros().div_euclid(1_000_000)).unwrap_or(0)
}
