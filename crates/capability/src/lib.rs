//! Capability tokens: what a worker may do for one attempt of one step, as others can check it without a server.
//!
//! A token is a [Biscuit](https://www.biscuitsec.org) that a node [issues](IssuerKey::issue) when it hands out an
//! attempt whose permit is in the ledger. It names the attempt, the action and the resource that policy permitted, and
//! the worker's key. Whoever holds it can [narrow](attenuate) it and never widen it: what a holder adds are checks, and
//! what a token grants is read from its first block alone, which the issuer signed. A service [checks](Verifier) it with
//! the issuer's public key, and has its presenter [prove](WorkerKey::prove) that it holds the worker's key.
//!
//! Time and entropy are arguments. The library below looks at a clock only to give up on a token that is costly to check.

mod attenuate;
mod claims;
mod error;
mod inspect;
mod issue;
mod issuer;
mod key;
mod proof;
mod text;
mod verify;

pub use attenuate::{Attenuation, attenuate};
pub use claims::{Claims, Phase, Resource};
pub use error::CapabilityError;
pub use inspect::{Inspected, inspect};
pub use issuer::IssuerKeys;
pub use key::{IssuerKey, KeyError, WorkerKey, is_sound, key_id};
pub use proof::{Proof, ProofError};
pub use verify::{Demand, Presenter, Verified, Verifier};
