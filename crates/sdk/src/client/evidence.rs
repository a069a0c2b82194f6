//! Evidence.

use super::transport::{Body, Call};
use super::{Client, Pages};
use crate::Error;
use chancery_api::evidence::{AddEvidence, Evidence};
use chancery_base::{EvidenceId, Name, TransactionId};

impl Client {
    /// Adds an artefact that shows that something was done; it counts when the call returns.
    ///
    /// # Errors
    /// If the server refuses: there is no such transaction or step, or it is too large to be stored.
    pub async fn evidence_add(&self, evidence: &AddEvidence) -> Result<Evidence, Error> {
        self.transport.json(Call::post("evidence_add", &["v1", "evidence"]).body(Body::json(evidence)?)).await
    }

    /// The evidence whose time is not over, oldest first: of this name, and of this transaction.
    #[must_use]
    pub fn evidence(&self, name: Option<&Name>, transaction: Option<TransactionId>) -> Pages<Evidence> {
        let name = name.map(|name| ("name".to_owned(), name.to_string()));
        let transaction = transaction.map(|id| ("transaction".to_owned(), id.to_string()));
        self.pages("evidence_list", &["v1", "evidence"], name.into_iter().chain(transaction).collect())
    }

    /// Reads what an artefact is.
    ///
    /// # Errors
    /// If there is no such evidence, or its time is over.
    pub async fn evidence_get(&self, id: EvidenceId) -> Result<Evidence, Error> {
        self.transport.json(Call::get("evidence_get", &["v1", "evidence", &id.to_string()])).await
    }

    /// The content of an artefact.
    ///
    /// # Errors
    /// If there is no such evidence, its time is over, or its content is not stored.
    pub async fn evidence_content(&self, id: EvidenceId) -> Result<Vec<u8>, Error> {
        let call = Call::get("evidence_content", &["v1", "evidence", &id.to_string(), "content"]);
        Ok(self.transport.bytes(call.header("accept", "*/*")).await?.bytes)
    }
}
