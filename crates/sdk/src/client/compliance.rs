//! Compliance packs, and how their controls stand.

use super::transport::{Body, Call};
use super::{Client, Pages};
use crate::Error;
use chancery_api::compliance::{CompliancePack, ComplianceQuery, ComplianceStatus};
use chancery_base::Name;
use serde_json::Value;

impl Client {
    /// The compliance packs that come with the server.
    #[must_use]
    pub fn compliance_packs(&self) -> Pages<CompliancePack> {
        self.pages("compliance_list", &["v1", "compliance", "packs"], Vec::new())
    }

    /// How the controls of such a pack stand.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn compliance(&self, pack: &Name, range: &ComplianceQuery) -> Result<ComplianceStatus, Error> {
        let call = Call::get("compliance_get", &["v1", "compliance", "packs", pack.as_str()]);
        self.transport.json(call.query(range)?).await
    }

    /// How the controls of a pack of one's own stand. It is not kept.
    ///
    /// # Errors
    /// If the server refuses, for instance because the pack is not sound.
    pub async fn compliance_of(&self, pack: &Value, range: &ComplianceQuery) -> Result<ComplianceStatus, Error> {
        let call = Call::post("compliance_status", &["v1", "compliance", "status"]).query(range)?;
        self.transport.json(call.body(Body::json(pack)?).repeatable()).await
    }
}
