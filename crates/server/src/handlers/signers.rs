//! What bundles need to be put into force, and whose signatures of them count.

use crate::convert;
use crate::extract::{Granted, Json, Param};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{Empty, Made, Ok200};
use axum::extract::State;
use chancery_api::bundle::{AddSigner, BundleRules, Signer};
use chancery_api::page::Page;
use chancery_app::signers;
use std::sync::Arc;

pub(crate) async fn rules(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
) -> Result<Ok200<BundleRules>, Failure> {
    Ok(Ok200(convert::bundle_rules(signers::rules(&node.app, &grant)?)))
}

pub(crate) async fn set_rules(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<BundleRules>,
) -> Result<Ok200<BundleRules>, Failure> {
    let BundleRules { second_person, signatures } = body;
    let rules = signers::BundleRules { second_person, signatures };
    Ok(Ok200(convert::bundle_rules(signers::set_rules(&node.app, &grant, rules).await?)))
}

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
) -> Result<Ok200<Page<Signer>>, Failure> {
    let items = signers::list(&node.app, &grant)?.iter().map(convert::signer).collect();
    Ok(Ok200(Page { items, next: None }))
}

pub(crate) async fn add(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Json(body): Json<AddSigner>,
) -> Result<Made<Signer>, Failure> {
    let (key, existing) = signers::add(&node.app, &grant, &body.key).await?;
    Ok(Made { existing, body: convert::signer(&key) })
}

pub(crate) async fn remove(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<signers::KeyName>,
) -> Result<Empty, Failure> {
    signers::remove(&node.app, &grant, name).await?;
    Ok(Empty)
}
