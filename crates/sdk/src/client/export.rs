//! Exports.

use super::Client;
use super::transport::{Body, Call, Pieces};
use crate::Error;
use chancery_api::export::MakeExport;

/// An export that is under way. Dropping it ends it.
#[derive(Debug)]
pub struct Export(Pieces);

impl Export {
    /// The next piece of the file; none where it was the last. Without having got to that, the file is not whole.
    ///
    /// # Errors
    /// If the server breaks off or can't be reached.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.0.next().await
    }
}

impl Client {
    /// Makes an export of the tenant's log. It is not repeated: each one is recorded.
    ///
    /// # Errors
    /// If the server refuses, or no checkpoint covers the range yet.
    pub async fn export(&self, export: &MakeExport) -> Result<Export, Error> {
        let call = Call::post("export_make", &["v1", "exports"]).header("accept", "*/*").body(Body::json(export)?);
        self.transport.pieces(&call).await.map(Export)
    }
}
