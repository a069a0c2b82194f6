//! Which server, as whom: as `chancery` finds it.

use chancery_sdk::{Client, ClientOptions, Error, Secret};
use serde::Deserialize;
use std::path::PathBuf;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Nothing says which server.
    #[error("there is no saved context: start `chancery dev` first, or set CHANCERY_SERVER and CHANCERY_KEY")]
    Nowhere,
    /// The saved context can't be read.
    #[error("failed to read the saved context {}", path.display())]
    Read {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The saved context is none.
    #[error("the saved context {} names no server and key", path.display())]
    Context {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The server's address or the key can't be one.
    #[error(transparent)]
    Client(#[from] Error),
}

/// The part of the context that a client needs.
#[derive(Deserialize)]
struct Context {
    server: String,
    key: String,
}

/// A client of the server that the environment names (`CHANCERY_SERVER` and `CHANCERY_KEY`), else the saved context.
///
/// # Errors
/// If neither names one, or it can't be one.
pub fn client() -> Result<Client, AccessError> {
    let named = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let context = match (named("CHANCERY_SERVER"), named("CHANCERY_KEY")) {
        (Some(server), Some(key)) => Context { server, key },
        _ => saved()?,
    };
    Ok(Client::new(ClientOptions::new(context.server, Secret::new(context.key)))?)
}

fn saved() -> Result<Context, AccessError> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let in_config = || {
        let config = named("XDG_CONFIG_HOME").or_else(|| named("HOME").map(|home| home.join(".config")))?;
        Some(config.join("chancery").join("context.json"))
    };
    let path = named("CHANCERY_CONFIG").or_else(in_config).ok_or(AccessError::Nowhere)?;
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Err(AccessError::Nowhere),
        Err(source) => return Err(AccessError::Read { path, source }),
    };
    serde_json::from_str(&text).map_err(|source| AccessError::Context { path, source })
}
