//! Where subjects are looked up that no directory knows. Its secret comes from a file, never from the command line.

use crate::error::CliError;
use crate::key_file;
use chancery_app::InformationOptions;
use chancery_base::{Secret, duration};
use std::path::PathBuf;
use std::time::Duration;

/// Options of commands that serve.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct InformationArgs {
    /// The policy information point, such as `http://10.0.0.7:7002/subjects`: it is asked about subjects that neither the
    /// directory nor the bundle knows. An address that is not public takes --allow-target-network, unless the URL names
    /// it in figures.
    #[arg(long, value_name = "URL")]
    pip_url: Option<String>,
    /// How long it may take to answer; who asks for a subject of which there is no answer is denied.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse, requires = "pip_url")]
    pip_timeout: Duration,
    /// How long its answers are kept; `0s`: not at all.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse, requires = "pip_url")]
    pip_ttl: Duration,
    /// The file, mode 0600, with the token that it is shown as `Authorization: Bearer …`.
    #[arg(long, value_name = "FILE", requires = "pip_url")]
    pip_secret_file: Option<PathBuf>,
}

impl InformationArgs {
    /// Where it is, if there is one.
    pub(crate) fn read(self) -> Result<Option<InformationOptions>, CliError> {
        let Some(url) = self.pip_url else { return Ok(None) };
        let secret = self.pip_secret_file.as_deref().map(key_file::read_private).transpose()?;
        let secret = secret.map(|secret| Secret::new(secret.expose().trim().to_owned()));
        if let (Some(secret), Some(path)) = (&secret, &self.pip_secret_file)
            && secret.expose().is_empty()
        {
            return Err(CliError::Usage(format!("{} is empty", path.display())));
        }
        let (timeout, ttl) = (self.pip_timeout, self.pip_ttl);
        Ok(Some(InformationOptions { timeout, ttl, secret, ..InformationOptions::new(url) }))
    }
}
