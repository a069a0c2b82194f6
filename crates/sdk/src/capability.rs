//! Capability tokens, for workers that get them and for services that are shown them. Behind the feature `capability`.
//!
//! A worker's task of a step with `capability` has a token, [`Task::capability`](crate::Task::capability). The worker
//! shows it to the service that does the work, with a [proof](Capability::prove) for a challenge that the service drew.
//! The service checks both, with the server's public keys and without the server:
//!
//! ```no_run
//! use chancery_sdk::capability::{CapabilityVerifier, Demand};
//! use chancery_sdk::Client;
//!
//! # async fn run(client: Client, token: String, proof: String) -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = CapabilityVerifier::of_server(&client).await?;
//! let challenge = CapabilityVerifier::challenge()?; // sent to the worker, and taken once
//! let demand = Demand { amount: 120, ..Demand::new("refund", "Order", "17") };
//! let verified = verifier.verify(&token, &demand, &challenge, &proof.parse()?)?;
//! println!("{} may, until {}", verified.claims.worker, verified.claims.expires_at);
//! # Ok(())
//! # }
//! ```

pub use chancery_base::PublicKey;
pub use chancery_capability::{
    Attenuation, CapabilityError, Claims, Demand, Inspected, KeyError, Phase, Proof, ProofError, Resource, Verified,
    WorkerKey, inspect,
};

use crate::{Client, Error};
use chancery_base::{Entropy, Timestamp};
use chancery_capability::{Presenter, Verifier};
use std::fmt;
use std::sync::Arc;

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no randomness: {0}")]
pub struct NoRandomness(getrandom::Error);

/// The capability token of a task, and the worker's key that it is bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct Capability {
    token: String,
    key: Arc<WorkerKey>,
}

/// Checks tokens that it is shown, without the server.
#[derive(Debug, Clone)]
pub struct CapabilityVerifier {
    verifier: Verifier,
}

impl Capability {
    pub(crate) const fn new(token: String, key: Arc<WorkerKey>) -> Self {
        Self { token, key }
    }

    /// The token, to be shown to those who do the work. Without the key it is worth nothing to them.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Proves to the service that drew the challenge that whoever shows it this token holds its key.
    ///
    /// # Errors
    /// If the challenge is empty or longer than `CHALLENGE_BYTES_MAX`.
    pub fn prove(&self, challenge: &[u8]) -> Result<Proof, CapabilityError> {
        self.key.prove(&self.token, challenge)
    }

    /// The same token, narrowed: it grants what this one grants and the attenuation leaves. It takes no server.
    ///
    /// # Errors
    /// If nothing is said, it was narrowed too often, or there is no randomness.
    pub fn attenuate(&self, to: &Attenuation) -> Result<Self, CapabilityError> {
        let mut entropy = entropy().map_err(|error| CapabilityError::Form(error.to_string()))?;
        let token = chancery_capability::attenuate(&self.token, to, &mut entropy)?;
        Ok(Self { token, key: Arc::clone(&self.key) })
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capability").field("key", &self.key.public()).finish_non_exhaustive()
    }
}

impl CapabilityVerifier {
    /// Trusts tokens that were issued under one of these keys.
    #[must_use]
    pub const fn new(keys: Vec<PublicKey>) -> Self {
        Self { verifier: Verifier::new(keys) }
    }

    /// Trusts tokens of this server, from whose keys it asks once; after a rotation ask again.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn of_server(client: &Client) -> Result<Self, Error> {
        client.capability_keys().await.map(|keys| Self::new(keys.keys))
    }

    /// Draws a challenge. Take a proof for it once, and soon.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn challenge() -> Result<[u8; 32], NoRandomness> {
        random()
    }

    /// Checks that a token was issued under a key that is trusted, has not expired, grants what is asked, and is shown by
    /// who holds its key.
    ///
    /// # Errors
    /// If it must not be taken, and why.
    pub fn verify(
        &self,
        token: &str,
        demand: &Demand,
        challenge: &[u8],
        proof: &Proof,
    ) -> Result<Verified, CapabilityError> {
        let now = Timestamp::from_micros(jiff::Timestamp::now().as_microsecond());
        self.verify_at(token, demand, challenge, proof, now)
    }

    /// The same at another time than now.
    ///
    /// # Errors
    /// As [`CapabilityVerifier::verify`].
    pub fn verify_at(
        &self,
        token: &str,
        demand: &Demand,
        challenge: &[u8],
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Verified, CapabilityError> {
        self.verifier.verify(token, demand, Presenter::Proven { challenge, proof }, now)
    }
}

/// Draws a worker's key.
///
/// # Errors
/// If there is no randomness.
pub fn worker_key() -> Result<WorkerKey, NoRandomness> {
    entropy().map(|mut entropy| WorkerKey::draw(&mut entropy))
}

fn entropy() -> Result<Entropy, NoRandomness> {
    random().map(Entropy::from_seed)
}

#[expect(clippy::disallowed_methods, reason = "the one place of the SDK that draws randomness")]
fn random() -> Result<[u8; 32], NoRandomness> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}
