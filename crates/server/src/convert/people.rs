//! Tenants, principals and keys.

use chancery_api::OneTimeKey;
use chancery_api::principal::{ChangePrincipal, CreatePrincipal, IssuedKey, Key, Principal, PrincipalKind};
use chancery_api::tenant::CreatedTenant;
use chancery_app::principals::{NewPrincipal, PrincipalPatch};
use chancery_app::{keys, tenants};

pub(crate) fn created_tenant(made: tenants::CreatedTenant) -> CreatedTenant {
    CreatedTenant { tenant: made.tenant, owner: made.owner.principal, key: OneTimeKey::new(made.owner.key) }
}

pub(crate) fn new_principal(body: CreatePrincipal) -> NewPrincipal {
    NewPrincipal {
        kind: match body.kind {
            PrincipalKind::User => chancery_base::PrincipalKind::User,
            PrincipalKind::Service => chancery_base::PrincipalKind::Service,
            PrincipalKind::Agent => chancery_base::PrincipalKind::Agent,
        },
        name: body.name,
        roles: body.roles.into_iter().collect(),
        attributes: body.attributes,
    }
}

pub(crate) fn patch(body: ChangePrincipal) -> PrincipalPatch {
    PrincipalPatch {
        name: body.name,
        roles: body.roles.map(|roles| roles.into_iter().collect()),
        attributes: body.attributes,
        suspended: body.suspended,
    }
}

pub(crate) fn principal(principal: chancery_policy::Principal) -> Principal {
    Principal {
        id: principal.id,
        kind: match principal.id.kind() {
            chancery_base::PrincipalKind::User => PrincipalKind::User,
            chancery_base::PrincipalKind::Service => PrincipalKind::Service,
            chancery_base::PrincipalKind::Agent => PrincipalKind::Agent,
        },
        name: principal.name,
        roles: principal.roles.into_iter().collect(),
        attributes: principal.attributes,
        suspended: principal.suspended,
    }
}

pub(crate) fn issued_key(issued: keys::IssuedKey) -> IssuedKey {
    IssuedKey { id: issued.id, key: OneTimeKey::new(issued.key), expires_at: issued.expires_at }
}

pub(crate) fn key(view: &keys::KeyView) -> Key {
    Key {
        id: view.id,
        principal: view.principal,
        issued_at: view.issued_at,
        expires_at: view.expires_at,
        revoked_at: view.revoked_at,
    }
}
