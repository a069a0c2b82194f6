//! Tenants, principals and their keys.

use crate::convert;
use crate::cursor;
use crate::extract::{CallerIs, Granted, Json, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::handlers::duration;
use crate::reply::{Empty, Made, Ok200};
use axum::extract::State;
use chancery_api::page::{Page, PageQuery};
use chancery_api::principal::{ChangePrincipal, CreatePrincipal, IssueKey, IssuedKey, Key, Principal};
use chancery_api::tenant::{CreateTenant, CreatedTenant};
use chancery_app::{About, keys, principals, tenants};
use chancery_base::{KeyId, PrincipalId};
use chancery_policy::Action;
use std::sync::Arc;

pub(crate) async fn tenant_create(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<CreateTenant>,
) -> Result<Made<CreatedTenant>, Failure> {
    let made = tenants::create(&node.app, &grant, body.name).await?;
    Ok(Made { existing: false, body: convert::created_tenant(made) })
}

pub(crate) async fn create(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<CreatePrincipal>,
) -> Result<Made<Principal>, Failure> {
    let made = principals::create(&node.app, &grant, convert::new_principal(body)).await?;
    Ok(Made { existing: false, body: convert::principal(made) })
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<PageQuery>,
) -> Result<Ok200<Page<Principal>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    Ok(Ok200(cursor::wire(principals::list(&node.app, &grant, &page)?, convert::principal)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<PrincipalId>,
) -> Result<Ok200<Principal>, Failure> {
    Ok(Ok200(convert::principal(principals::get(&node.app, &grant, id)?)))
}

/// Suspending is its own permission.
pub(crate) async fn set(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    CallerIs { caller, .. }: CallerIs,
    Param(id): Param<PrincipalId>,
    Json(body): Json<ChangePrincipal>,
) -> Result<Ok200<Principal>, Failure> {
    if body.suspended.is_some() {
        node.app.authorize(&caller, Action::PrincipalSuspend, About::Tenant).await?;
    }
    Ok(Ok200(convert::principal(principals::set(&node.app, &grant, id, convert::patch(body)).await?)))
}

pub(crate) async fn key_issue(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<PrincipalId>,
    Json(body): Json<IssueKey>,
) -> Result<Made<IssuedKey>, Failure> {
    let expires_in = body.expires_in.map(|text| duration("expires_in", &text)).transpose()?;
    let issued = keys::issue(&node.app, &grant, id, expires_in).await?;
    Ok(Made { existing: false, body: convert::issued_key(issued) })
}

pub(crate) async fn key_list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<PrincipalId>,
) -> Result<Ok200<Page<Key>>, Failure> {
    let items = keys::list(&node.app, &grant, id)?.iter().map(convert::key).collect();
    Ok(Ok200(Page { items, next: None }))
}

pub(crate) async fn key_revoke(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(id): Param<KeyId>,
) -> Result<Empty, Failure> {
    keys::revoke(&node.app, &grant, id).await?;
    Ok(Empty)
}
