//! What is known of a request to people: the request, and what it is of.

use chancery_base::{Digest, Name, PrincipalId, RequestId};
use chancery_engine::{NodeRef, RequestState, Transaction};
use serde::{Deserialize, Serialize};

/// A request and what it is of, as its row has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestBody {
    /// The definition of its transaction.
    pub definition: Name,
    /// That one's digest.
    pub definition_digest: Digest,
    /// The request.
    pub request: RequestState,
    /// Whose transaction it is.
    pub requester: PrincipalId,
    /// Which step: `ship`, or for a clone `ship[3]`.
    pub step: String,
    /// The definition's version.
    pub version: u32,
}

impl RequestBody {
    /// What is known of a request of a node; none if it has none such.
    #[must_use]
    pub fn of(transaction: &Transaction, node: NodeRef, request: RequestId) -> Option<Self> {
        let found = transaction.state(node)?.requests.iter().find(|found| found.id == request)?;
        let beginning = &transaction.head().beginning;
        Some(Self {
            definition: beginning.definition.clone(),
            definition_digest: beginning.digest,
            request: found.clone(),
            requester: beginning.principal,
            step: node.name(&transaction.step_of(node)?.id),
            version: beginning.version,
        })
    }
}
