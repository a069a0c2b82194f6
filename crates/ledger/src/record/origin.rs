//! Origins: the name of a log.

use chancery_base::{Name, TenantId};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a log, `<cluster>/<tenant>/<shard>/<generation>`: the first line of its checkpoints, and the path
/// that it is served at. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(Arc<Parts>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Parts {
    cluster: Name,
    tenant: TenantId,
    shard: u16,
    generation: u32,
    text: String,
}

/// Why a text is not an [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an origin is `<cluster>/<tenant>/<shard>/<generation>`, such as `example.org/acme/0/0`")]
pub struct OriginError;

impl Origin {
    /// The log of a shard's generation.
    #[must_use]
    pub fn new(cluster: Name, tenant: TenantId, shard: u16, generation: u32) -> Self {
        let text = format!("{cluster}/{tenant}/{shard}/{generation}");
        Self(Arc::new(Parts { cluster, tenant, shard, generation, text }))
    }

    /// The installation that the log is of; also the name of the key that signs its checkpoints.
    #[must_use]
    pub fn cluster(&self) -> &Name {
        &self.0.cluster
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// The shard's number within the tenant, from 0.
    #[must_use]
    pub fn shard(&self) -> u16 {
        self.0.shard
    }

    /// How many times the log was begun anew, from 0.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.0.generation
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let mut parts = text.split('/');
        let (Some(cluster), Some(tenant), Some(shard), Some(generation), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(OriginError);
        };
        let cluster = cluster.parse().ok().ok_or(OriginError)?;
        let tenant = tenant.parse().ok().ok_or(OriginError)?;
        let shard = shard.parse().ok().ok_or(OriginError)?;
        let generation = generation.parse().ok().ok_or(OriginError)?;
        let origin = Self::new(cluster, tenant, shard, generation);
        // One spelling: `+1` and `01` are read as numbers, but are not how an origin writes them.
        if origin.as_str() == text { Ok(origin) } else { Err(OriginError) }
    }
}
