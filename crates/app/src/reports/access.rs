//! Who may do what: every principal is asked about, for each call of the API and for each action and type of resource of
//! the bundle in force. It is what decisions would be now, and leaves no entries.

use crate::Error;
use crate::app::App;
use crate::page::{Page, Paged};
use chancery_base::PrincipalId;
use chancery_base::limits::{ACCESS_LOOKS_MAX, REVIEW_RESOURCES_MAX};
use chancery_policy::{Access, Action, Bundle, Decision, EntityRef, Grant, Principal, Reason, Request, ResourceRef};
use chancery_shard::Control;
use serde_json::Map;

/// The type of resource of the API's own calls.
const TENANT: &str = "Tenant";
/// The type of resource that registered definitions are of.
const DEFINITION: &str = "Definition";
/// Stands for whatever resource of a type of which none is known.
const ANY: &str = "*";

/// Where a page of a review ended: so many questions about a principal were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewPlace {
    /// About whom.
    pub principal: PrincipalId,
    /// How many questions.
    pub asked: usize,
}

/// Whether somebody may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// They may.
    Permitted,
    /// They may under what obligations demand.
    Conditional,
    /// It depends on what a request says: attributes of the resource, or the context.
    Depends,
    /// They may not.
    Denied,
}

/// What one principal may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRow {
    /// Who.
    pub principal: PrincipalId,
    /// What people call them.
    pub name: String,
    /// Whether it is a call of the API; else an action of the bundle.
    pub is_call: bool,
    /// What.
    pub action: String,
    /// To what type of resource.
    pub resource_type: String,
    /// To which resource; none: to any of which nothing is known.
    pub resource: Option<String>,
    /// Whether they may.
    pub finding: Finding,
    /// The policies that say so; else why.
    pub reasons: Vec<String>,
}

/// A question about a principal.
struct Question {
    is_call: Option<Action>,
    action: String,
    resource: EntityRef,
}

/// A page of what principals may do, by their ids; `denied` adds what they may not. A page may be short, or empty, though
/// more follow.
///
/// # Errors
/// If the tenant is not served here.
pub async fn access(
    app: &App,
    grant: &Grant,
    denied: bool,
    page: &Page<ReviewPlace>,
) -> Result<Paged<AccessRow, ReviewPlace>, Error> {
    let control = app.tenant(grant)?.control()?;
    let asked_of = |id: PrincipalId| page.after.filter(|place| place.principal == id).map_or(0, |place| place.asked);
    let is_left = |principal: &&Principal| page.after.is_none_or(|place| principal.id >= place.principal);
    let (mut items, mut looks) = (Vec::new(), 0_usize);
    for principal in control.directory.iter().filter(is_left) {
        let questions = questions(&control, principal.id);
        let begun = asked_of(principal.id);
        for (number, question) in questions.into_iter().enumerate().skip(begun) {
            if items.len() >= page.rows() || looks >= ACCESS_LOOKS_MAX {
                return Ok(Paged { items, next: Some(ReviewPlace { principal: principal.id, asked: number }) });
            }
            looks += 1;
            if looks.is_multiple_of(32) {
                tokio::task::yield_now().await;
            }
            let row = answer(app.access(), &control, principal, question);
            items.extend(Some(row).filter(|row| denied || row.finding != Finding::Denied));
        }
    }
    Ok(Paged { items, next: None })
}

/// All questions about a principal, always in the same order.
fn questions(control: &Control, principal: PrincipalId) -> Vec<Question> {
    let tenant = control.tenant.tenant.as_str();
    let calls = Action::ALL.iter().map(|action| Question {
        is_call: Some(*action),
        action: action.as_str().to_owned(),
        resource: EntityRef::new(TENANT, tenant),
    });
    let mut questions: Vec<Question> = calls.collect();
    let Some(bundle) = &control.bundle else { return questions };
    let own = principal.kind().entity_type();
    for (action, _, resource_type) in bundle.environments().into_iter().filter(|(_, who, _)| who == own) {
        for id in resources(control, bundle, &resource_type) {
            let resource = EntityRef::new(resource_type.clone(), id);
            questions.push(Question { is_call: None, action: action.clone(), resource });
        }
    }
    questions
}

/// Resources of a type that are known, a few of them; else one that stands for any.
fn resources(control: &Control, bundle: &Bundle, resource_type: &str) -> Vec<String> {
    let mut ids: Vec<String> = bundle.entity_ids(resource_type, None).map(str::to_owned).collect();
    if resource_type == DEFINITION {
        ids.extend(control.definitions.keys().map(ToString::to_string));
        ids.sort_unstable();
        ids.dedup();
    }
    if ids.is_empty() {
        ids.push(ANY.to_owned());
    }
    ids.truncate(REVIEW_RESOURCES_MAX);
    ids
}

fn answer(access: &Access, control: &Control, principal: &Principal, question: Question) -> AccessRow {
    let Question { is_call, action, resource } = question;
    let (finding, reasons) = match (is_call, &control.bundle) {
        (Some(call), _) => match access.authorize(principal, &control.tenant.tenant, call, None) {
            Ok(grant) => (Finding::Permitted, vec![grant.reason()]),
            Err(denied) => (Finding::Denied, denied.reasons.iter().map(ToString::to_string).collect()),
        },
        (None, Some(bundle)) => {
            let request = Request {
                principal: principal.id.into(),
                action: action.clone(),
                resource: ResourceRef::new(resource.kind.clone(), resource.id.clone()),
                context: Map::new(),
                irreversible: false,
            };
            find(&chancery_shard::decide(bundle, &control.directory, &request))
        }
        (None, None) => (Finding::Denied, Vec::new()),
    };
    AccessRow {
        principal: principal.id,
        name: principal.name.clone(),
        is_call: is_call.is_some(),
        action,
        resource_type: resource.kind,
        resource: Some(resource.id).filter(|id| id != ANY),
        finding,
        reasons,
    }
}

/// What a decision about somebody says of what they may do.
fn find(decision: &Decision) -> (Finding, Vec<String>) {
    let reason = |reason: &Reason| reason.policy.clone().unwrap_or_else(|| reason.text.clone());
    let reasons = decision.reasons.iter().map(reason).collect();
    let finding = match (decision.is_permit(), decision.obligations.is_empty(), decision.misfit) {
        (true, true, _) => Finding::Permitted,
        (true, false, _) => Finding::Conditional,
        // No policy was asked: something is missing that a request would say.
        (false, _, true) => Finding::Depends,
        (false, _, false) => Finding::Denied,
    };
    (finding, reasons)
}
