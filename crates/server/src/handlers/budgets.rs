//! Budgets.

use crate::convert;
use crate::cursor;
use crate::extract::{Granted, Json, Param, Query};
use crate::failure::Failure;
use crate::gate::Node;
use crate::reply::{Empty, Ok200};
use axum::extract::State;
use chancery_api::budget::{Budget, BudgetAccounts, SetBudget};
use chancery_api::page::{Page, PageQuery};
use chancery_app::budgets;
use chancery_base::Name;
use std::sync::Arc;

pub(crate) async fn list(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Query(query): Query<PageQuery>,
) -> Result<Ok200<Page<Budget>>, Failure> {
    let page = cursor::page(query.limit, query.cursor.as_deref())?;
    Ok(Ok200(cursor::wire(budgets::list(&node.app, &grant, &page)?, convert::budget)))
}

pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
) -> Result<Ok200<BudgetAccounts>, Failure> {
    Ok(Ok200(convert::budget_accounts(budgets::get(&node.app, &grant, &name).await?)))
}

pub(crate) async fn set(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
    Json(body): Json<SetBudget>,
) -> Result<Ok200<Budget>, Failure> {
    let terms = convert::budget_terms(body)?;
    Ok(Ok200(convert::budget(budgets::set(&node.app, &grant, &name, terms).await?)))
}

pub(crate) async fn delete(
    State(node): State<Arc<Node>>,
    Granted(grant): Granted,
    Param(name): Param<Name>,
) -> Result<Empty, Failure> {
    budgets::delete(&node.app, &grant, &name).await?;
    Ok(Empty)
}
