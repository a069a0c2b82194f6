//! Tenants.

use crate::OneTimeKey;
use chancery_base::{PrincipalId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Makes a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// Its name: a-z, 0-9 and `-`, at most 63 bytes.
    #[schema(value_type = String, example = "acme", max_length = 63)]
    pub name: TenantId,
}

/// A tenant that was made, and its owner's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedTenant {
    /// Its name.
    #[schema(value_type = String)]
    pub tenant: TenantId,
    /// Its first principal, with the role `owner`.
    #[schema(value_type = String)]
    pub owner: PrincipalId,
    /// The owner's API key. It is not shown again.
    #[schema(value_type = String)]
    pub key: OneTimeKey,
}
