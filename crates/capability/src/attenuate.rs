//! Narrowing: what a holder may add to a token.

use crate::issue::{at_most, before};
use crate::key::{pair, seed};
use crate::{CapabilityError, Resource, text};
use biscuit_auth::builder::{Check, CheckKind, Predicate, Rule, Term, pred, rule, string};
use biscuit_auth::{BlockBuilder, error};
use chancery_base::limits::CAPABILITY_BLOCKS_MAX;
use chancery_base::{Entropy, Timestamp};

/// What a token is narrowed to; what is not said stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attenuation {
    /// One of these actions.
    pub actions: Vec<String>,
    /// One of these resources.
    pub resources: Vec<Resource>,
    /// Before this second.
    pub expires_at: Option<Timestamp>,
    /// So much at most.
    pub amount_max: Option<u64>,
}

/// Narrows a token: the result grants what the token grants and the attenuation leaves, never more. It takes neither a
/// key nor a server.
///
/// # Errors
/// If it is no token, was narrowed too often, would be too long, or nothing is said.
pub fn attenuate(token: &str, to: &Attenuation, entropy: &mut Entropy) -> Result<String, CapabilityError> {
    let biscuit = text::read(token)?;
    if biscuit.block_count() > CAPABILITY_BLOCKS_MAX {
        return Err(CapabilityError::TooDeep);
    }
    let checks = checks(to)?;
    if checks.is_empty() {
        return Err(CapabilityError::Narrowing("say what is left: an action, a resource, a time or an amount"));
    }
    let block = checks.into_iter().try_fold(BlockBuilder::new(), BlockBuilder::check);
    let next = pair(&seed(entropy))?;
    let narrowed = block.and_then(|block| biscuit.append_with_keypair(&next, block)?.to_vec());
    text::encode(&narrowed.map_err(CapabilityError::form)?)
}

fn checks(to: &Attenuation) -> Result<Vec<Check>, CapabilityError> {
    let mut checks = Vec::new();
    let actions = to.actions.iter().map(|action| pred("action", &[string(action)]));
    checks.extend(one_of(actions.collect()));
    let resource = |of: &Resource| pred("resource", &[string(&of.resource_type), string(&of.id)]);
    checks.extend(one_of(to.resources.iter().map(resource).collect()));
    let amount = to.amount_max.map(i64::try_from).transpose().map_err(CapabilityError::form)?;
    let limits: Result<Vec<Check>, error::Token> =
        to.expires_at.map(before).into_iter().chain(amount.map(at_most)).collect();
    checks.extend(limits.map_err(CapabilityError::form)?);
    Ok(checks)
}

/// That one of these facts holds; none where there are none.
fn one_of(facts: Vec<Predicate>) -> Option<Check> {
    let query = |fact| rule::<Term, Predicate>("query", &[], &[fact]);
    let queries: Vec<Rule> = facts.into_iter().map(query).collect();
    (!queries.is_empty()).then_some(Check { queries, kind: CheckKind::One })
}
