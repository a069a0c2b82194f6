//! Evidence: artefacts that show that something was done, such as an assessment or a signed contract.
//!
//! What an artefact is, is in the control state, so that a hand-out that demands one looks it up in memory; its content
//! is in the store alone. None is ever changed. When its time is over its row and its content go; the entry that added
//! it stays, with the content's digest.

use crate::row::{EvidenceRow, Sealed};
use chancery_base::limits::{EVIDENCE_KEPT_MAX, EVIDENCE_KEPT_MIN, EVIDENCE_LINK_BYTES_MAX, MEDIA_TYPE_BYTES_MAX};
use chancery_base::{Digest, EvidenceId, Name, PrincipalId, Timestamp, TransactionId, duration};
use chancery_policy::Scope;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What an artefact belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundTo {
    /// The transaction.
    pub transaction: TransactionId,
    /// The one step of it; none: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Name>,
}

/// What is said of an artefact when it is added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What an obligation calls it; several may have the same.
    pub name: Name,
    /// Its media type, such as `application/pdf`.
    pub media_type: String,
    /// SHA-256 of its content.
    pub digest: Digest,
    /// Bytes of its content, where that is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Where its content is, if that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What it belongs to; none: the tenant as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<BoundTo>,
}

impl Terms {
    /// Says what is not as it has to be.
    ///
    /// # Errors
    /// Which field, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        if !is_media_type(&self.media_type) {
            return Err(format!("type: `{}` is no media type, such as `application/pdf`", self.media_type));
        }
        match &self.link {
            Some(link)
                if link.is_empty() || link.len() > EVIDENCE_LINK_BYTES_MAX || link.chars().any(char::is_control) =>
            {
                Err(format!("link: it has 1 to {EVIDENCE_LINK_BYTES_MAX} bytes and no control characters"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// `type/subtype` and parameters (RFC 9110, 8.3.1), as it may stand in a header.
fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let is_essence = essence.split_once('/').is_some_and(|(main, sub)| is_token(main) && is_token(sub));
    is_essence && text.len() <= MEDIA_TYPE_BYTES_MAX && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Says whether something may be kept from `now` until a time.
///
/// # Errors
/// What it may be.
pub fn check_until(now: Timestamp, until: Timestamp) -> Result<(), String> {
    let kept = until.since(now);
    if (EVIDENCE_KEPT_MIN..=EVIDENCE_KEPT_MAX).contains(&kept) {
        return Ok(());
    }
    let [least, most] = [EVIDENCE_KEPT_MIN, EVIDENCE_KEPT_MAX].map(duration::format);
    Err(format!("keep: until {until}, it may be {least} to {most} from now"))
}

/// An artefact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Its id.
    pub id: EvidenceId,
    /// What was said of it.
    pub terms: Terms,
    /// Who added it.
    pub by: PrincipalId,
    /// When.
    pub added_at: Timestamp,
    /// Until when it is kept, and counts.
    pub until: Timestamp,
}

impl Evidence {
    /// What a row says; none if it is damaged.
    #[must_use]
    pub fn of(row: &EvidenceRow) -> Option<Self> {
        row.body.read::<Self>().filter(|evidence| evidence.id == row.id)
    }

    /// Its row.
    pub(crate) fn row(&self) -> EvidenceRow {
        EvidenceRow { id: self.id, body: Sealed::json(self) }
    }

    /// The transaction that it belongs to, if it does.
    #[must_use]
    pub fn transaction(&self) -> Option<TransactionId> {
        self.terms.bound.as_ref().map(|bound| bound.transaction)
    }

    /// Whether it is what is sought: something of the tenant as a whole, or of a transaction, or of a step of that.
    fn counts(&self, scope: Scope, step: Option<(TransactionId, &str)>) -> bool {
        match (scope, &self.terms.bound, step) {
            (Scope::Tenant, None, _) => true,
            (Scope::Transaction, Some(bound), Some((transaction, step))) => {
                bound.transaction == transaction && bound.step.as_ref().is_none_or(|name| name.as_str() == step)
            }
            (Scope::Tenant, Some(_), _) | (Scope::Transaction, _, _) => false,
        }
    }
}

/// A tenant's evidence.
#[derive(Debug, Clone, Default)]
pub struct EvidenceIndex {
    of: BTreeMap<EvidenceId, Evidence>,
    names: BTreeMap<Name, BTreeSet<EvidenceId>>,
    ends: BTreeSet<(Timestamp, EvidenceId)>,
}

impl FromIterator<Evidence> for EvidenceIndex {
    fn from_iter<I: IntoIterator<Item = Evidence>>(all: I) -> Self {
        let mut index = Self::default();
        for evidence in all {
            index.names.entry(evidence.terms.name.clone()).or_default().insert(evidence.id);
            index.ends.insert((evidence.until, evidence.id));
            index.of.insert(evidence.id, evidence);
        }
        index
    }
}

impl EvidenceIndex {
    /// How much there is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// All of it, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Evidence> {
        self.of.values()
    }

    /// All of it after an id, oldest first.
    pub fn after(&self, id: Option<EvidenceId>) -> impl Iterator<Item = &Evidence> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.of.range((id.map_or(Unbounded, Excluded), Unbounded)).map(|(_, evidence)| evidence)
    }

    /// One of it.
    #[must_use]
    pub fn get(&self, id: EvidenceId) -> Option<&Evidence> {
        self.of.get(&id)
    }

    /// The newest of a name that counts now, for a step or, without one, for the tenant alone.
    #[must_use]
    pub fn find(
        &self,
        name: &Name,
        scope: Scope,
        step: Option<(TransactionId, &str)>,
        now: Timestamp,
    ) -> Option<&Evidence> {
        let ids = self.names.get(name)?.iter().rev();
        let mut all = ids.filter_map(|id| self.of.get(id));
        all.find(|evidence| evidence.until > now && evidence.counts(scope, step))
    }

    /// When the next of it ends.
    #[must_use]
    pub fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// What has ended by now, the earliest first.
    pub fn ended(&self, now: Timestamp) -> impl Iterator<Item = EvidenceId> {
        self.ends.iter().take_while(move |(until, _)| *until <= now).map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests;
