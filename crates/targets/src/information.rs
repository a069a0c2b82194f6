//! The policy information point: who a subject is that the tenant's directory does not know.
//!
//! `POST {"tenant": …, "subject": {"type", "id"}}` is answered with `{"attrs": {…}, "parents": [{"type", "id"}, …]}`, or
//! with 404 where there is no such subject. Whatever else comes of a call is no answer, and whoever asks for a subject of
//! which there is none is denied.

use crate::Guard;
use crate::http::{self, ReadError};
use chancery_base::limits::{
    INFORMATION_BYTES_MAX, INFORMATION_CALLS_MAX, INFORMATION_KEPT_BYTES_MAX, INFORMATION_KEPT_MAX, JSON_VALUES_MAX,
};
use chancery_base::{Kind, Secret, TenantId, json};
use chancery_policy::{EntityRef, Information};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Where the policy information point is, and how it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InformationOptions {
    /// Its URL, `http` or `https`.
    pub url: String,
    /// How long an answer may take, the wait for a place included. Default 1 s.
    pub timeout: Duration,
    /// How long an answer is kept; zero: not at all. Default 10 s.
    pub ttl: Duration,
    /// Sent as `Authorization: Bearer …`. Default none.
    pub secret: Option<Secret>,
}

impl InformationOptions {
    /// The defaults for one at this URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), timeout: Duration::from_secs(1), ttl: Duration::from_secs(10), secret: None }
    }
}

/// Why a policy information point can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum InformationError {
    /// Its URL is none.
    #[error("the URL of the policy information point is not one: {0}")]
    Url(String),
    /// Its secret can't stand in a header.
    #[error("the secret for the policy information point has characters that a header can't have")]
    Secret,
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] http::SetupError),
}

impl InformationError {
    /// What it means to the one who starts the node.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Url(_) | Self::Secret => Kind::Invalid,
            Self::Client(error) => error.kind(),
        }
    }
}

/// Asks a policy information point, and keeps what it says for a while.
#[derive(Debug)]
pub struct InformationPoint {
    client: Client,
    guard: Guard,
    url: Url,
    timeout: Duration,
    ttl: Duration,
    authorization: Option<HeaderValue>,
    places: Semaphore,
    kept: Mutex<HashMap<(TenantId, EntityRef), (Instant, Information)>>,
}

/// An answer of 200.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    attrs: Map<String, Value>,
    #[serde(default)]
    parents: Vec<EntityRef>,
}

impl InformationPoint {
    /// One at this URL, at an address that the guard lets pass. Redirects are not followed, and no proxy is used.
    ///
    /// # Errors
    /// If the URL is none of `http` or `https`, or has a user or a fragment; if the secret can't be sent; if TLS can't be
    /// set up.
    pub fn new(options: &InformationOptions, guard: Guard) -> Result<Self, InformationError> {
        let wrong = |why: &str| InformationError::Url(why.to_owned());
        let url: Url = options.url.parse().map_err(|error| wrong(&format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(wrong("it may have no user, password or fragment"));
        }
        let bearer = |secret: &Secret| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose())).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let authorization = match &options.secret {
            Some(secret) => Some(bearer(secret).ok_or(InformationError::Secret)?),
            None => None,
        };
        Ok(Self {
            client: http::client(&guard)?,
            guard,
            url,
            timeout: options.timeout,
            ttl: options.ttl,
            authorization,
            places: Semaphore::new(INFORMATION_CALLS_MAX),
            kept: Mutex::default(),
        })
    }

    /// What is known of a subject of a tenant: as it was said before, if that is not longer ago than it is kept, else as
    /// it is said now. Where there is no answer it says why.
    pub async fn ask(&self, tenant: &TenantId, subject: &EntityRef, now: Instant) -> Information {
        let key = (tenant.clone(), subject.clone());
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((until, known)) = kept
            && now < until
        {
            return known;
        }
        let called = tokio::time::timeout(self.timeout, self.call(&key)).await;
        let called = called.unwrap_or_else(|_| Err(format!("it did not answer within {:?}", self.timeout)));
        match called {
            Ok((known, bytes)) => {
                if bytes <= INFORMATION_KEPT_BYTES_MAX {
                    self.keep(key, known.clone(), now);
                }
                known
            }
            Err(why) => Information::Missing(format!("the policy information point gave no answer: {why}")),
        }
    }

    fn keep(&self, key: (TenantId, EntityRef), known: Information, now: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= INFORMATION_KEPT_MAX {
            kept.retain(|_, (until, _)| now < *until);
        }
        if kept.len() >= INFORMATION_KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, (now + self.ttl, known));
    }

    /// Makes a call; gives what it says and how many bytes that took.
    async fn call(&self, (tenant, subject): &(TenantId, EntityRef)) -> Result<(Information, usize), String> {
        // INVARIANT: the semaphore is never closed.
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        // A name is looked at when it is resolved.
        let host = self.url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        if let Some(address) = host.and_then(|host| host.parse::<IpAddr>().ok()) {
            self.guard.check_named(address).map_err(|refused| refused.to_string())?;
        }
        let question = json!({ "tenant": tenant.as_str(), "subject": { "type": subject.kind, "id": subject.id } });
        let mut request = self.client.post(self.url.clone());
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let request = request.header(CONTENT_TYPE, "application/json").body(json::canonical(&question));
        let response = request.send().await.map_err(|error| http::describe(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                return Ok((Information::Missing("the policy information point does not know it".to_owned()), 0));
            }
            status => return Err(format!("it answered {}", status.as_u16())),
        }
        let body = http::read(response, INFORMATION_BYTES_MAX).await.map_err(|error| match error {
            ReadError::Cut(why) => why,
            ReadError::TooLarge => format!("its answer has more than {INFORMATION_BYTES_MAX} bytes"),
        })?;
        let bounds = json::Bounds { bytes: INFORMATION_BYTES_MAX, values: JSON_VALUES_MAX };
        let parsed = json::parse_within(&body, bounds).map_err(|error| format!("its answer is not JSON: {error}"))?;
        if !parsed.value.is_object() {
            return Err("its answer is not an object".to_owned());
        }
        let Answer { attrs, parents } = serde_json::from_value(parsed.value)
            .map_err(|error| format!("its answer is not of the form {{\"attrs\", \"parents\"}}: {error}"))?;
        Ok((Information::Known { attributes: attrs, parents }, body.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_asked_is_refused_at_the_start() {
        for url in ["subjects", "ftp://a.example/", "https://user:password@a.example/", "https://a.example/#x"] {
            let made = InformationPoint::new(&InformationOptions::new(url), Guard::default());
            assert_eq!(made.unwrap_err().kind(), Kind::Invalid, "{url}");
        }
        let secret = Some(Secret::new("a\nb".to_owned()));
        let options = InformationOptions { secret, ..InformationOptions::new("https://a.example/") };
        assert!(matches!(InformationPoint::new(&options, Guard::default()), Err(InformationError::Secret)));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let point = InformationPoint::new(&InformationOptions::new("https://a.example/"), Guard::default()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test of what is kept for a while")]
        let now = Instant::from_std(std::time::Instant::now());
        let key = |number: usize| (TenantId::system(), EntityRef::new("user", number.to_string()));
        let kept = || point.kept.lock().unwrap().len();
        let known = || Information::Missing(String::new());
        (0..INFORMATION_KEPT_MAX).for_each(|number| point.keep(key(number), known(), now));
        assert_eq!(kept(), INFORMATION_KEPT_MAX);
        point.keep(key(INFORMATION_KEPT_MAX), known(), now);
        assert_eq!(kept(), 1, "none was out of date, so that all went");
        (0..INFORMATION_KEPT_MAX - 1).for_each(|number| point.keep(key(number), known(), now));
        let later = now + point.ttl;
        point.keep(key(INFORMATION_KEPT_MAX + 1), known(), later);
        assert_eq!(kept(), 1, "what is out of date goes");
    }
}
