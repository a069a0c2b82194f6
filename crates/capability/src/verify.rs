//! Checking a token: who issued it, who presents it, and whether it grants what is asked.

use crate::issue::seconds;
use crate::key::key_id;
use crate::{CapabilityError, Claims, Phase, Proof, Resource, text};
use biscuit_auth::builder::{Fact, Term, fact, int, string};
use biscuit_auth::error::{Logic, Token};
use biscuit_auth::{Algorithm, Authorizer, AuthorizerBuilder, AuthorizerLimits, Biscuit, PublicKey as BiscuitKey};
use chancery_base::{PublicKey, Timestamp};
use std::str::FromStr;
use std::time::Duration;

/// How much a token may make its checking cost, whatever its holders added. A token of ours needs thousandths of it; the
/// time is long since a busy machine must not refuse a good one.
const LIMITS: AuthorizerLimits =
    AuthorizerLimits { max_facts: 1_000, max_iterations: 20, max_time: Duration::from_millis(500) };

/// What grants: only what the issuer signed, since a policy of the one who checks trusts the first block alone.
const GRANTS: &str = "allow if right($action, $type, $id), action($action), resource($type, $id)";

/// Every claim that each token has.
const CLAIMS: &str = "claims($capability, $tenant, $principal, $transaction, $step, $phase, $attempt, $input, $decision, \
     $worker, $holder, $expires, $action, $type, $id) <- capability($capability), tenant($tenant), \
     principal($principal), transaction($transaction), step($step), phase($phase), attempt($attempt), input($input), \
     decision($decision), worker($worker), holder($holder), expires($expires), right($action, $type, $id)";

/// What somebody wants to do with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The action.
    pub action: String,
    /// On what.
    pub resource: Resource,
    /// How much it spends, of what the token's budget counts.
    pub amount: u64,
    /// What it is for, where that is to be the token's; none: whatever it is.
    pub purpose: Option<String>,
}

/// Whether whoever presents a token has to prove that it holds the key that the token is bound to.
#[derive(Debug, Clone, Copy)]
pub enum Presenter<'a> {
    /// It did, for this challenge, which whoever checks drew and takes once.
    Proven {
        /// What was to be signed.
        challenge: &'a [u8],
        /// The signature.
        proof: &'a Proof,
    },
    /// It did not. For looking at a token: a service that does what a token says never takes one so.
    Unproven,
}

/// A token that was checked, and grants what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// How often it was narrowed.
    pub narrowed: usize,
    /// Whether its presenter proved that it holds its key.
    pub proven: bool,
}

/// Checks tokens under keys that it trusts. Without keys it trusts nobody.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    keys: Vec<PublicKey>,
}

impl Demand {
    /// An action on a resource that spends nothing.
    pub fn new(action: impl Into<String>, resource_type: impl Into<String>, id: impl Into<String>) -> Self {
        let resource = Resource { resource_type: resource_type.into(), id: id.into() };
        Self { action: action.into(), resource, amount: 0, purpose: None }
    }
}

impl Verifier {
    /// Trusts these issuers.
    #[must_use]
    pub const fn new(keys: Vec<PublicKey>) -> Self {
        Self { keys }
    }

    /// Checks who issued a token, that it has not expired at `now`, who presents it, and that it grants what is asked.
    ///
    /// # Errors
    /// If it is no token, none of the keys signed it, its presenter does not hold its key, or it does not grant this.
    pub fn verify(
        &self,
        token: &str,
        demand: &Demand,
        presenter: Presenter<'_>,
        now: Timestamp,
    ) -> Result<Verified, CapabilityError> {
        let biscuit = self.open(token)?;
        let claims = claims(&mut authorizer(&biscuit, AuthorizerBuilder::new())?)?;
        let proven = match presenter {
            Presenter::Proven { challenge, proof } if proof.fits(&claims.key, token, challenge)? => true,
            Presenter::Proven { .. } => return Err(CapabilityError::Proof),
            Presenter::Unproven => false,
        };
        let asked = asked(demand, &claims, now).map_err(CapabilityError::form)?;
        authorizer(&biscuit, asked)?.authorize().map_err(|error| denied(error, demand))?;
        if demand.purpose.is_some() && demand.purpose != claims.purpose {
            return Err(CapabilityError::Denied(vec!["it is for another purpose".to_owned()]));
        }
        Ok(Verified { claims, narrowed: biscuit.block_count().saturating_sub(1), proven })
    }

    /// Reads a token whose signatures fit.
    fn open(&self, token: &str) -> Result<Biscuit, CapabilityError> {
        let biscuit = text::read(token)?;
        let is_it = |key: &&PublicKey| biscuit.root_key_id() == Some(key_id(key));
        let key = self.keys.iter().find(is_it).ok_or(CapabilityError::Untrusted)?;
        let key = BiscuitKey::from_bytes(key.as_bytes(), Algorithm::Ed25519).map_err(CapabilityError::form)?;
        biscuit.verify(key).map_err(|_unfit| CapabilityError::Signature)
    }
}

fn authorizer(biscuit: &Biscuit, with: AuthorizerBuilder) -> Result<Authorizer, CapabilityError> {
    with.set_limits(LIMITS).build(biscuit).map_err(CapabilityError::form)
}

/// What is so at the one who checks.
fn asked(demand: &Demand, claims: &Claims, now: Timestamp) -> Result<AuthorizerBuilder, Token> {
    let resource = &demand.resource;
    let amount = i64::try_from(demand.amount).unwrap_or(i64::MAX);
    AuthorizerBuilder::new()
        .fact(fact("action", &[string(&demand.action)]))?
        .fact(fact("resource", &[string(&resource.resource_type), string(&resource.id)]))?
        .fact(fact("amount", &[int(amount)]))?
        .fact(fact("time", &[Term::Date(seconds(now))]))?
        .fact(fact("presenter", &[Term::Bytes(claims.key.as_bytes().to_vec())]))?
        .policy(GRANTS)
}

fn denied(error: Token, demand: &Demand) -> CapabilityError {
    let (checks, grants) = match error {
        Token::FailedLogic(Logic::Unauthorized { checks, .. }) => (checks, true),
        Token::FailedLogic(Logic::NoMatchingPolicy { checks }) => (checks, false),
        Token::FailedLogic(Logic::InvalidBlockRule(..) | Logic::AuthorizerNotEmpty)
        | Token::InternalError
        | Token::Format(_)
        | Token::AppendOnSealed
        | Token::AlreadySealed
        | Token::Language(_)
        | Token::RunLimit(_)
        | Token::ConversionError(_)
        | Token::Base64(_)
        | Token::Execution(_) => return CapabilityError::Denied(vec![format!("it can't be checked: {error}")]),
    };
    let other = (!grants).then(|| format!("it is not for `{}` on `{}`", demand.action, demand.resource));
    CapabilityError::Denied(other.into_iter().chain(checks.iter().map(ToString::to_string)).collect())
}

/// The claims of a token whose signatures fit.
fn claims(authorizer: &mut Authorizer) -> Result<Claims, CapabilityError> {
    let not_ours = || CapabilityError::Form("it does not say what ours say".to_owned());
    let found: Fact = authorizer.query_exactly_one(CLAIMS).map_err(|_none| not_ours())?;
    let terms: [Term; 15] = found.predicate.terms.try_into().map_err(|_other| not_ours())?;
    let [
        id,
        tenant,
        principal,
        transaction,
        step,
        phase,
        attempt,
        input,
        decision,
        worker,
        holder,
        expires,
        right @ ..,
    ] = terms;
    let [action, resource_type, resource_id] = right;
    let claims = || {
        Some(Claims {
            id: parsed(&id)?,
            tenant: parsed(&tenant)?,
            principal: parsed(&principal)?,
            transaction: parsed(&transaction)?,
            step: parsed(&step)?,
            index: None,
            phase: Phase::of_word(as_text(&phase)?)?,
            attempt: number(&attempt)?,
            input: parsed(&input)?,
            decision: parsed(&decision)?,
            action: as_text(&action)?.to_owned(),
            resource: Resource {
                resource_type: as_text(&resource_type)?.to_owned(),
                id: as_text(&resource_id)?.to_owned(),
            },
            purpose: None,
            budget: None,
            worker: parsed(&worker)?,
            key: key(&holder)?,
            expires_at: instant(&expires)?,
        })
    };
    let mut claims = claims().ok_or_else(not_ours)?;
    if let Some(term) = optional(authorizer, "said($it) <- index($it)")? {
        claims.index = Some(number(&term).ok_or_else(not_ours)?);
    }
    if let Some(term) = optional(authorizer, "said($it) <- purpose($it)")? {
        claims.purpose = Some(as_text(&term).ok_or_else(not_ours)?.to_owned());
    }
    if let Some(term) = optional(authorizer, "said($it) <- budget($it)")? {
        claims.budget = Some(number(&term).ok_or_else(not_ours)?);
    }
    Ok(claims)
}

/// What a claim says that not every token has.
fn optional(authorizer: &mut Authorizer, query: &str) -> Result<Option<Term>, CapabilityError> {
    let found: Vec<Fact> = authorizer.query(query).map_err(CapabilityError::form)?;
    let mut terms = found.into_iter().flat_map(|fact| fact.predicate.terms);
    match (terms.next(), terms.next()) {
        (term, None) => Ok(term),
        (_, Some(_)) => Err(CapabilityError::Form("it says one thing twice".to_owned())),
    }
}

fn as_text(term: &Term) -> Option<&str> {
    if let Term::Str(text) = term { Some(text) } else { None }
}

fn parsed<T: FromStr>(term: &Term) -> Option<T> {
    as_text(term)?.parse().ok()
}

fn number<T: TryFrom<i64>>(term: &Term) -> Option<T> {
    if let Term::Integer(number) = term { T::try_from(*number).ok() } else { None }
}

fn key(term: &Term) -> Option<PublicKey> {
    let Term::Bytes(bytes) = term else { return None };
    <[u8; 32]>::try_from(bytes.as_slice()).ok().map(PublicKey::from_bytes)
}

fn instant(term: &Term) -> Option<Timestamp> {
    let Term::Date(seconds) = term else { return None };
    Some(Timestamp::from_micros(i64::try_from(*seconds).ok()?.checked_mul(1_000_000)?))
}
