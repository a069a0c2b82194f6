//! The address of a database: a URL as libpq takes it.

use crate::postgres::tls::{self, Check, Connector};
use chancery_base::Secret;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::config::{Config, Host, SslMode};

/// Why an address is not one. None of these quotes it, since it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is not a URL.
    #[error("the database's address must begin with `postgres://` or `postgresql://`")]
    Scheme,
    /// A part of it is not understood.
    #[error("the database's address is not understood: {0}")]
    Syntax(String),
    /// There is no such mode.
    #[error(
        "the database's address has an unknown `sslmode`: it is disable, prefer, require, verify-ca or verify-full"
    )]
    SslMode,
    /// The roots cannot be read.
    #[error("failed to read the certificates to verify the database by: {0}")]
    Roots(String),
}

/// How to reach a database.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) connector: Connector,
}

/// What `sslmode` and `sslrootcert` of a URL say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tls {
    mode: Option<String>,
    roots: Option<PathBuf>,
}

/// Reads a URL.
pub(super) fn parse(url: &Secret, connect_timeout: Duration) -> Result<Address, UrlError> {
    let url = url.expose();
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(UrlError::Scheme);
    }
    let (rest, tls) = split(url);
    let mut config: Config =
        rest.parse().map_err(|error: tokio_postgres::Error| UrlError::Syntax(super::fault::chain(&error)))?;
    let (mode, check) = settle(&tls, &config)?;
    config
        .ssl_mode(mode)
        .connect_timeout(connect_timeout)
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(30))
        .tcp_user_timeout(Duration::from_secs(30));
    if config.get_application_name().is_none() {
        config.application_name("chancery");
    }
    let connector = tls::connector(check, tls.roots.as_deref()).map_err(UrlError::Roots)?;
    Ok(Address { config, connector })
}

/// Takes what the driver does not know out of a URL's query.
fn split(url: &str) -> (String, Tls) {
    let mut tls = Tls::default();
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), tls) };
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => tls.mode = Some(mode.to_owned()),
            Some(("sslrootcert", path)) => tls.roots = Some(PathBuf::from(path)),
            Some(_) | None => kept.push(pair),
        }
    }
    (if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }, tls)
}

/// The modes mean what they mean to libpq; without one, a database on this machine need not speak TLS, and any
/// other must, and must show whose it is.
fn settle(tls: &Tls, config: &Config) -> Result<(SslMode, Check), UrlError> {
    let unchecked = if tls.roots.is_some() { Check::Issuer } else { Check::Nothing };
    Ok(match tls.mode.as_deref() {
        Some("disable") => (SslMode::Disable, Check::Nothing),
        Some("prefer") => (SslMode::Prefer, unchecked),
        Some("require") => (SslMode::Require, unchecked),
        Some("verify-ca") => (SslMode::Require, Check::Issuer),
        Some("verify-full") => (SslMode::Require, Check::Full),
        Some(_) => return Err(UrlError::SslMode),
        None if config.get_hosts().iter().all(is_local) => (SslMode::Prefer, unchecked),
        None => (SslMode::Require, Check::Full),
    })
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(url: &str) -> (SslMode, Check) {
        let (rest, tls) = split(url);
        settle(&tls, &rest.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_modes_of_libpq_are_known() {
        for (url, mode, check) in [
            ("postgres://u:p@db.example/x", SslMode::Require, Check::Full),
            ("postgres://u:p@127.0.0.1/x", SslMode::Prefer, Check::Nothing),
            ("postgres://u:p@db.example/x?sslmode=disable", SslMode::Disable, Check::Nothing),
            ("postgres://u:p@db.example/x?sslmode=require", SslMode::Require, Check::Nothing),
            ("postgres://u:p@db.example/x?sslmode=require&sslrootcert=/ca.pem", SslMode::Require, Check::Issuer),
            ("postgres://u:p@db.example/x?connect_timeout=3&sslmode=verify-ca", SslMode::Require, Check::Issuer),
            ("postgres://u:p@127.0.0.1/x?sslmode=verify-full", SslMode::Require, Check::Full),
        ] {
            assert_eq!(settled(url), (mode, check), "{url}");
        }
    }

    #[test]
    fn no_error_holds_the_password() {
        for url in [
            "postgres://u:hunter2@db.example/x?sslmode=hunter2",
            "postgres://u:hunter2@db.example:hunter2/x",
            "postgres://u:hunter2@db.example/x?nonsense=hunter2",
            "hunter2",
        ] {
            let error = parse(&Secret::new(url.to_owned()), Duration::from_secs(1)).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
