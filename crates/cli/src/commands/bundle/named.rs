//! A bundle that the command line names: one that is pushed, or one in a directory or a file.

use crate::bundle_source;
use crate::error::CliError;
use crate::session::Session;
use chancery_base::{Digest, json};
use chancery_policy::Bundle;
use std::path::Path;

/// Reads it; one that is pushed is named by its digest.
pub(super) async fn read(name: &str, session: &Session) -> Result<Bundle, CliError> {
    let Ok(digest) = name.parse::<Digest>() else {
        return bundle_source::read(Path::new(name))?.check(1).map(|(bundle, _)| bundle);
    };
    let pushed = session.client()?.bundle_get(digest).await?;
    Bundle::parse(&json::canonical(&pushed.source))
        .map_err(|error| CliError::faulty(Path::new(name), error.to_string()))
}
