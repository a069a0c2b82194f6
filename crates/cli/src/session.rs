//! What every command has at hand: the global options, the output, a way to the server.

use crate::cli::Global;
use crate::context::{self, Context};
use crate::error::CliError;
use crate::input;
use crate::key_file;
use crate::output::Output;
use chancery_base::Secret;
use chancery_ledger::{Keys, VerifierKey};
use chancery_sdk::{Client, ClientOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a call that is safe to repeat is repeated while the server is away: a person is waiting.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long waiting for a transaction outlasts a server that is restarted.
const PATIENCE_WAITING: Duration = Duration::from_secs(30);
/// Bytes of a file with a verifier key at most.
const VERIFIER_KEY_BYTES_MAX: usize = 4 << 10;

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) out: Output,
    global: Global,
}

impl Session {
    pub(crate) fn new(global: Global) -> Self {
        Self { out: Output::new(global.output), global }
    }

    /// Where the context is saved.
    pub(crate) fn context_path(&self) -> Result<PathBuf, CliError> {
        let path = self.global.context_file.clone().or_else(context::default_path);
        path.ok_or_else(|| {
            CliError::Usage(
                "there is no home directory to save a context in: name a file with --context-file".to_owned(),
            )
        })
    }

    /// The saved context.
    pub(crate) fn context(&self) -> Result<Context, CliError> {
        match self.global.context_file.clone().or_else(context::default_path) {
            Some(path) => context::load(&path),
            None => Ok(Context::default()),
        }
    }

    /// The server that a flag or the environment names.
    pub(crate) fn server(&self) -> Option<&str> {
        self.global.server.as_deref()
    }

    /// The file that `--key-file` names.
    pub(crate) fn key_file(&self) -> Option<&Path> {
        self.global.key_file.as_deref()
    }

    /// The key that a flag or the environment names.
    pub(crate) fn key(&self) -> Result<Option<Secret>, CliError> {
        if let Some(path) = &self.global.key_file {
            return key_file::read(path).map(Some);
        }
        Ok(std::env::var("CHANCERY_KEY").ok().filter(|key| !key.is_empty()).map(Secret::new))
    }

    /// A client of the server.
    pub(crate) fn client(&self) -> Result<Client, CliError> {
        self.connect(PATIENCE)
    }

    /// A client that outlasts a restart of the server.
    pub(crate) fn patient_client(&self) -> Result<Client, CliError> {
        self.connect(PATIENCE_WAITING)
    }

    fn connect(&self, patience: Duration) -> Result<Client, CliError> {
        let key = self.key()?;
        // With both named, a broken context is not in the way.
        let context = if key.is_some() && self.server().is_some() { Context::default() } else { self.context()? };
        let server = self.server().or(context.server.as_deref()).ok_or(CliError::NoServer)?;
        let key = match (key, context.key) {
            (Some(key), _) => key,
            (None, None) => return Err(CliError::NoKey),
            (None, Some(saved)) => {
                check_same_server(context.server.as_deref(), server)?;
                saved.into_secret()
            }
        };
        Ok(Client::new(ClientOptions { patience, ..ClientOptions::new(server, key) })?)
    }

    /// The verifier keys that are named, each as text or as a file, or else the saved one.
    pub(crate) fn verifier_keys(&self, named: &[String]) -> Result<Keys, CliError> {
        if named.is_empty() {
            let saved = self.context()?.verifier_key.ok_or(CliError::NoVerifierKey)?;
            return verifier_key(&saved).map(Keys::one);
        }
        named.iter().map(|key| verifier_key(key)).collect::<Result<Vec<_>, _>>().map(Keys::new)
    }
}

/// A saved key goes to the server that it was saved with and to no other.
fn check_same_server(saved: Option<&str>, named: &str) -> Result<(), CliError> {
    let same = |saved: &str| saved.trim_end_matches('/') == named.trim_end_matches('/');
    if saved.is_some_and(same) {
        return Ok(());
    }
    let saved = saved.unwrap_or("no server").to_owned();
    Err(CliError::OtherServer { saved, named: named.to_owned() })
}

/// A verifier key, which is public: its text `<name>+<id>+<base64>`, or a file with that text.
pub(crate) fn verifier_key(text_or_file: &str) -> Result<VerifierKey, CliError> {
    let given = text_or_file.trim();
    if let Ok(key) = given.parse() {
        return Ok(key);
    }
    let path = Path::new(given);
    if !path.exists() {
        return Err(CliError::Usage(format!(
            "`{given}` is neither a verifier key (`<name>+<8 hex digits>+<base64>`) nor a file with one"
        )));
    }
    let bytes = input::read(path, VERIFIER_KEY_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    text.trim().parse().map_err(|error| CliError::Usage(format!("{} holds no verifier key: {error}", path.display())))
}
