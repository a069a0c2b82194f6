//! Names of what steps reach: the origin of a URL, or a worker's queue.

use crate::Name;
use crate::wire::serde_as;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

/// Bytes of a host's name (RFC 1035).
const HOST_BYTES_MAX: usize = 253;

/// What stands before a worker's name.
const WORKER: &str = "worker:";

/// A target: `https:payments.example:443`, `http:[::1]:8080`, `worker:inventory.reserve`; or `default`, which stands for
/// every URL's origin that has no settings of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId(Arc<str>);

/// Why a text names no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a target is an origin such as `https://payments.example` or `http:localhost:8080`, with the host in lower-case \
     ASCII, or `worker:<queue>`, or `default`"
)]
pub struct TargetIdError;

impl TargetId {
    /// Whose settings hold for every origin that has none of its own.
    #[must_use]
    pub fn fallback() -> Self {
        Self(Arc::from("default"))
    }

    /// A worker's queue.
    #[must_use]
    pub fn worker(queue: &Name) -> Self {
        Self(Arc::from(format!("{WORKER}{queue}")))
    }

    /// The origin of a URL; none where its origin is not written plainly: with a name and a password, an escape, or
    /// letters beyond ASCII. The scheme may be `http` or `https`, and the port its own.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        origin(scheme, authority)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `https://payments.example:443`, if it is an origin.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let (scheme, rest) = self.0.split_once(':').filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
        Some(format!("{scheme}://{rest}"))
    }

    /// Whether a worker's queue is meant.
    #[must_use]
    pub fn is_worker(&self) -> bool {
        self.0.starts_with(WORKER)
    }

    /// Whether it stands for every origin without settings of its own.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        &*self.0 == "default"
    }
}

fn origin(scheme: &str, authority: &str) -> Option<TargetId> {
    let scheme = scheme.to_ascii_lowercase();
    let own_port: u16 = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let port = match port {
        Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
        Some(_) => return None,
        None => own_port,
    };
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => format!("[{}]", address.parse::<Ipv6Addr>().ok()?),
        None => {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            let fits = (1..=HOST_BYTES_MAX).contains(&host.len()) && host.bytes().all(is_plain);
            fits.then(|| host.to_ascii_lowercase())?
        }
    };
    Some(TargetId(Arc::from(format!("{scheme}:{host}:{port}"))))
}

impl FromStr for TargetId {
    type Err = TargetIdError;

    /// Reads an id, or an origin as people write it: `https://payments.example`.
    fn from_str(text: &str) -> Result<Self, TargetIdError> {
        if text == "default" {
            return Ok(Self::fallback());
        }
        if let Some(queue) = text.strip_prefix(WORKER) {
            return queue.parse().map(|queue| Self::worker(&queue)).ok().ok_or(TargetIdError);
        }
        let (scheme, rest) = text.split_once(':').ok_or(TargetIdError)?;
        let authority = rest.strip_prefix("//").map_or(rest, |rest| rest.strip_suffix('/').unwrap_or(rest));
        origin(scheme, authority).ok_or(TargetIdError)
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as!(TargetId, it => it.0);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Option<&str>) {
        assert_eq!(TargetId::of_url(url).as_ref().map(TargetId::as_str), expected, "{url}");
    }

    #[test]
    fn a_url_has_an_origin_if_it_is_written_plainly() {
        check("https://a.example/x?y#z", Some("https:a.example:443"));
        check("http://A.Example", Some("http:a.example:80"));
        check("http://a.example:8080?x", Some("http:a.example:8080"));
        check("http://[0:0:0:0:0:0:0:1]:80/", Some("http:[::1]:80"));
        check("http://[::1]/", Some("http:[::1]:80"));
        check("http://127.0.0.1:7001/charges", Some("http:127.0.0.1:7001"));
        for wrong in [
            "ftp://a.example/",
            "a.example",
            "http://u:p@a.example/",
            "http://u@a.example/",
            "http://a\\@b.example/",
            "http://a.example:/",
            "http://a.example:99999/",
            "http://a.example:+80/",
            "http://b\u{fc}cher.example/",
            "http://a%2eexample/",
            "http:///x",
            "http://[::1/",
            "http://[::1]x:80/",
            "http://a b/",
            " http://a/",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn an_id_has_one_spelling_and_is_read_as_people_write_it() {
        for (text, expected) in [
            ("https://a.example", "https:a.example:443"),
            ("https://a.example/", "https:a.example:443"),
            ("https:a.example:443", "https:a.example:443"),
            ("HTTP:a.example:80", "http:a.example:80"),
            ("worker:inventory.reserve", "worker:inventory.reserve"),
            ("default", "default"),
        ] {
            let id: TargetId = text.parse().unwrap();
            assert_eq!(id.as_str(), expected);
            assert_eq!(id.as_str().parse(), Ok(id));
        }
        for wrong in ["", "x", "worker:", "worker:a b", "https://a/b", "https://a?b", "https:", "default:80"] {
            assert_eq!(wrong.parse::<TargetId>(), Err(TargetIdError), "{wrong}");
        }
        let id: TargetId = "https://a.example".parse().unwrap();
        assert_eq!(id.origin().as_deref(), Some("https://a.example:443"));
        assert_eq!((TargetId::fallback().origin(), TargetId::fallback().is_fallback()), (None, true));
    }
}
