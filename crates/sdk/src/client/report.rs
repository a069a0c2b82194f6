//! Reports.

use super::transport::{Body, Call};
use super::{Client, Pages};
use crate::Error;
use chancery_api::report::{AccessRow, OversightReport, ReportQuery, ResponsibilityReport, SeparationReport};
use serde_json::Value;

impl Client {
    /// Who or what is responsible for the entries of a range, and at what level.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn report_responsibility(&self, range: &ReportQuery) -> Result<ResponsibilityReport, Error> {
        self.transport
            .json(Call::get("report_responsibility", &["v1", "reports", "responsibility"]).query(range)?)
            .await
    }

    /// How people oversee what is done.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn report_oversight(&self, range: &ReportQuery) -> Result<OversightReport, Error> {
        self.transport.json(Call::get("report_oversight", &["v1", "reports", "oversight"]).query(range)?).await
    }

    /// Who may do what; `denied` adds what they may not. A page may be short, though more follow.
    #[must_use]
    pub fn report_access(&self, denied: bool) -> Pages<AccessRow> {
        self.pages("report_access", &["v1", "reports", "access"], vec![("denied".to_owned(), denied.to_string())])
    }

    /// Who could do both of two duties that are kept apart, and who did: of the pairs that come with the server.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn report_separation(&self, range: &ReportQuery) -> Result<SeparationReport, Error> {
        self.transport.json(Call::get("report_separation", &["v1", "reports", "separation"]).query(range)?).await
    }

    /// The same of pairs of one's own. They are not kept.
    ///
    /// # Errors
    /// If the server refuses, for instance because the pairs are not sound.
    pub async fn report_separation_of(&self, pairs: &Value, range: &ReportQuery) -> Result<SeparationReport, Error> {
        let call = Call::post("report_separation_of", &["v1", "reports", "separation"]).query(range)?;
        self.transport.json(call.body(Body::json(pairs)?).repeatable()).await
    }
}
