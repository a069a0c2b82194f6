//! Overrides: people answer for what the tenant's policy denies.

use super::transport::Call;
use super::{Client, Pages};
use crate::Error;
use chancery_api::over::{Override, OverridesQuery, RequestOverride};
use chancery_api::transaction::Justified;
use chancery_base::OverrideId;

impl Client {
    /// The tenant's overrides, oldest first.
    #[must_use]
    pub fn overrides(&self, query: &OverridesQuery) -> Pages<Override> {
        let due = query.due.then(|| ("due".to_owned(), "true".to_owned()));
        let status = query.status.map(|status| ("status".to_owned(), status.word().to_owned()));
        self.pages("override_list", &["v1", "overrides"], due.into_iter().chain(status).collect())
    }

    /// Reads an override.
    ///
    /// # Errors
    /// If there is none.
    pub async fn override_get(&self, id: OverrideId) -> Result<Override, Error> {
        self.transport.json(Call::get("override_get", &["v1", "overrides", &id.to_string()])).await
    }

    /// Asks for an override, which another person grants.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn override_request(&self, asked: &RequestOverride) -> Result<Override, Error> {
        self.post("override_request", &["v1", "overrides"], asked).await
    }

    /// Grants an override that another asked for; in force when this returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn override_grant(&self, id: OverrideId, justification: impl Into<String>) -> Result<Override, Error> {
        self.say("override_grant", id, "grant", justification.into()).await
    }

    /// Refuses an override that another asked for.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn override_refuse(&self, id: OverrideId, justification: impl Into<String>) -> Result<Override, Error> {
        self.say("override_refuse", id, "refuse", justification.into()).await
    }

    /// Ends an override before its time; in force when this returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn override_revoke(&self, id: OverrideId, justification: impl Into<String>) -> Result<Override, Error> {
        self.say("override_revoke", id, "revoke", justification.into()).await
    }

    /// Reviews an override that is over.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn override_review(&self, id: OverrideId, note: impl Into<String>) -> Result<Override, Error> {
        self.say("override_review", id, "review", note.into()).await
    }

    async fn say(
        &self,
        operation: &'static str,
        id: OverrideId,
        what: &str,
        justification: String,
    ) -> Result<Override, Error> {
        self.post(operation, &["v1", "overrides", &id.to_string(), what], &Justified { justification }).await
    }
}
