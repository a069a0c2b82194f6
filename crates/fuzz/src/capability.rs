//! Capability tokens: nothing is granted but what was issued, and narrowing leaves what it says and no more.

use crate::Verdict;
use crate::check::{find, sure, words};
use crate::sample::{Capabilities, capabilities};
use chancery_base::limits::{CAPABILITY_BLOCKS_MAX, CAPABILITY_BYTES_MAX};
use chancery_base::{Entropy, Timestamp};
use chancery_capability::{Attenuation, CapabilityError, Demand, Presenter, Proof, Verified, attenuate, inspect};

const CHALLENGE: &[u8] = b"drawn by the service";

pub(crate) fn capability(data: &[u8]) -> Verdict {
    let Ok(token) = std::str::from_utf8(data) else { return Verdict::Refused };
    if let Ok(proof) = token.parse::<Proof>() {
        assert_eq!(proof.to_string(), token, "a proof of two spellings");
    }
    let known = capabilities();
    let Some((demand, now)) = known.asked.first() else { find("nothing is asked") };
    let blocks = match inspect(token) {
        Ok(seen) => seen.blocks.len(),
        Err(error) => {
            words(&error.to_string());
            assert!(known.shown(token, demand, *now).is_err(), "it can't be looked at, and is believed");
            // A holder may narrow what nobody believes.
            let narrowed = known.attenuations.iter().filter_map(|to| narrow(token, to).ok());
            for narrowed in narrowed {
                assert!(
                    known.shown(&narrowed, demand, *now).is_err(),
                    "it can't be looked at, and is believed narrowed"
                );
            }
            return Verdict::Refused;
        }
    };
    assert!(token.len() <= CAPABILITY_BYTES_MAX && blocks <= CAPABILITY_BLOCKS_MAX + 1, "the limit does not hold");
    assert!(
        known.others_verifier.verify(token, demand, Presenter::Unproven, *now).is_err() || token == known.strange,
        "believed under another key"
    );
    let is_believed = match known.shown(token, demand, *now) {
        Ok(_) | Err(CapabilityError::Denied(_)) => true,
        Err(error) => {
            words(&error.to_string());
            false
        }
    };
    let granted = if is_believed { known.granted(token) } else { vec![false; known.asked.len()] };
    for to in &known.attenuations {
        narrowing(token, (blocks, &granted), to);
    }
    if known.has(token) {
        one_bit(token);
    }
    if granted.first() == Some(&true) {
        only_its_worker(token, demand, *now);
    }
    if granted.contains(&true) { Verdict::Taken } else { Verdict::Refused }
}

impl Capabilities {
    fn shown(&self, token: &str, demand: &Demand, now: Timestamp) -> Result<Verified, CapabilityError> {
        self.verifier.verify(token, demand, Presenter::Unproven, now)
    }

    /// What a token grants of what is asked: each time its issuer granted it, too.
    fn granted(&self, token: &str) -> Vec<bool> {
        let granted = self.asked.iter().map(|(demand, now)| match self.shown(token, demand, *now) {
            Ok(verified) => {
                let issued = self.issued.iter().find(|(claims, _)| *claims == verified.claims);
                let Some((_, issued)) = issued else { find("claims that nobody issued") };
                assert!(self.shown(issued, demand, *now).is_ok(), "{demand:?} at {now} was never granted");
                true
            }
            Err(error) => {
                words(&error.to_string());
                false
            }
        });
        granted.collect()
    }
}

fn narrow(token: &str, to: &Attenuation) -> Result<String, CapabilityError> {
    attenuate(token, to, &mut Entropy::from_seed([18; 32]))
}

/// What is narrowed grants what was granted and is left, neither more nor less; and what is not believed is not believed
/// when it is narrowed.
fn narrowing(token: &str, (blocks, granted): (usize, &[bool]), to: &Attenuation) {
    let known = capabilities();
    let narrowed = match narrow(token, to) {
        Ok(narrowed) => narrowed,
        Err(error) => {
            words(&error.to_string());
            assert_eq!(error == CapabilityError::TooDeep, blocks > CAPABILITY_BLOCKS_MAX, "{blocks} blocks: {error}");
            return;
        }
    };
    assert_eq!(sure(inspect(&narrowed), "what is narrowed is a token").blocks.len(), blocks + 1);
    let after = if granted.contains(&true) {
        known.granted(&narrowed)
    } else {
        known.asked.iter().map(|(demand, now)| known.shown(&narrowed, demand, *now).is_ok()).collect()
    };
    for (((demand, now), before), after) in known.asked.iter().zip(granted).zip(after) {
        assert_eq!(after, *before && leaves(to, demand, *now), "{to:?}: {demand:?} at {now}");
    }
}

/// Whether an attenuation leaves what is asked.
fn leaves(to: &Attenuation, demand: &Demand, now: Timestamp) -> bool {
    (to.actions.is_empty() || to.actions.contains(&demand.action))
        && (to.resources.is_empty() || to.resources.contains(&demand.resource))
        && to.expires_at.is_none_or(|at| now < at)
        && to.amount_max.is_none_or(|most| demand.amount <= most)
}

/// No bit of a token can be changed; which one is tried depends on the token.
fn one_bit(token: &str) {
    let known = capabilities();
    let Some((demand, now)) = known.asked.first() else { find("nothing is asked") };
    for turn in 0_usize..8 {
        let mut changed = token.as_bytes().to_vec();
        let at = turn * token.len() / 8;
        let Some(byte) = changed.get_mut(at) else { find("an empty token") };
        *byte ^= 1 << turn;
        let believed = String::from_utf8(changed).is_ok_and(|changed| known.shown(&changed, demand, *now).is_ok());
        assert!(!believed, "bit {turn} of byte {at} can be changed");
    }
}

/// A proof is good by the worker's key, for this token and this challenge.
fn only_its_worker(token: &str, demand: &Demand, now: Timestamp) {
    let known = capabilities();
    let prove = |worker: &chancery_capability::WorkerKey, challenge: &[u8]| {
        sure(worker.prove(token, challenge), "a token is proven")
    };
    let show = |proof: &Proof| {
        known.verifier.verify(token, demand, Presenter::Proven { challenge: CHALLENGE, proof }, now).is_ok()
    };
    assert!(show(&prove(&known.worker, CHALLENGE)), "its worker can't show it");
    assert!(!show(&prove(&known.other_worker, CHALLENGE)), "another can show it");
    assert!(!show(&prove(&known.worker, b"of yesterday")), "it can be shown again");
}
