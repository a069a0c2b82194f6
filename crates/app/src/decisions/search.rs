//! Who may do it, to what may it be done, what may be done: policy is asked about every candidate. That leaves no entries:
//! it is a question about what decisions would be.

use super::{Question, Who, check, inform, request};
use crate::Error;
use crate::app::App;
use chancery_base::PrincipalId;
use chancery_base::limits::ACCESS_LOOKS_MAX;
use chancery_policy::{Bundle, Directory, EntityRef, External, Grant, Information, Request, Subject, decide};
use metrics::counter;

/// Decisions after which others get their turn.
const DECISIONS_AT_ONCE: usize = 32;

/// What is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// Subjects of the question's type of subject, which must be [`Who::External`]; its id is not looked at.
    Subjects,
    /// Resources of the question's type of resource; its id is not looked at.
    Resources,
    /// Actions; the question's is not looked at.
    Actions,
}

/// A page of what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Ids of subjects or resources, or names of actions.
    pub ids: Vec<String>,
    /// Where the next page begins; none on the last one. A page may be short, or empty, though more follow.
    pub next: Option<String>,
    /// Why nothing was found, where it is for want of information about who asks.
    pub missing: Option<String>,
}

impl Sought {
    const fn word(self) -> &'static str {
        match self {
            Self::Subjects => "subject",
            Self::Resources => "resource",
            Self::Actions => "action",
        }
    }
}

/// Finds what policy permits, among the bundle's entities, the directory's principals and the schema's actions.
///
/// # Errors
/// If something is asserted that may not be, or `after` is not one that an earlier page gave.
pub async fn search(
    app: &App,
    grant: &Grant,
    question: Question,
    sought: Sought,
    (after, limit): (Option<&str>, usize),
) -> Result<Found, Error> {
    let control = app.tenant(grant)?.control()?;
    let Some(bundle) = control.bundle.as_deref() else { return Ok(Found::default()) };
    check(Some(bundle), &question).map_err(Error::Invalid)?;
    counter!("chancery_access_searches_total", "of" => sought.word()).increment(1);
    let candidates = candidates(bundle, &control.directory, &question, sought, after)?;
    let information = match sought {
        Sought::Subjects => std::collections::BTreeMap::new(),
        Sought::Resources | Sought::Actions => inform(app, grant, Some(bundle), std::slice::from_ref(&question)).await,
    };
    let template = request(grant, question, &information);
    let mut found = Found { missing: missing(&template.principal), ..Found::default() };
    if found.missing.is_some() {
        return Ok(found);
    }
    let mut looks: usize = 0;
    for id in &candidates {
        if found.ids.len() == limit || looks == ACCESS_LOOKS_MAX {
            // Candidates are in order, so that the one before says where to go on.
            found.next = looks.checked_sub(1).and_then(|last| candidates.get(last)).cloned();
            break;
        }
        looks += 1;
        if looks.is_multiple_of(DECISIONS_AT_ONCE) {
            tokio::task::yield_now().await;
        }
        let request = with(template.clone(), sought, id);
        if decide(bundle, &control.directory, &request).is_permit() {
            found.ids.push(id.clone());
        }
    }
    counter!("chancery_access_looks_total").increment(u64::try_from(looks).unwrap_or(u64::MAX));
    Ok(found)
}

/// What policy is asked about, in order, and one more where there are more than one call looks at.
fn candidates(
    bundle: &Bundle,
    directory: &Directory,
    question: &Question,
    sought: Sought,
    after: Option<&str>,
) -> Result<Vec<String>, Error> {
    let kind = match (sought, &question.who) {
        (Sought::Actions, _) => {
            return Ok(bundle.actions(after).take(ACCESS_LOOKS_MAX + 1).map(str::to_owned).collect());
        }
        (Sought::Resources, _) => question.resource_type.as_str(),
        (Sought::Subjects, Who::External(entity, _)) => entity.kind.as_str(),
        (Sought::Subjects, Who::Caller | Who::Principal(_)) => {
            return Err(Error::Bug("subjects are sought without their type"));
        }
    };
    if !EntityRef::new(kind, "").is_of_directory() {
        return Ok(bundle.entity_ids(kind, after).take(ACCESS_LOOKS_MAX + 1).map(str::to_owned).collect());
    }
    let after: Option<PrincipalId> = match after {
        Some(after) => {
            let wrong = || Error::Invalid("the token is not one that this search gave".to_owned());
            Some(after.parse().ok().ok_or_else(wrong)?)
        }
        None => None,
    };
    let ids = directory.iter().map(|principal| principal.id);
    let ids = ids.filter(|id| id.kind().entity_type() == kind && after.is_none_or(|after| *id > after));
    Ok(ids.take(ACCESS_LOOKS_MAX + 1).map(|id| id.to_string()).collect())
}

/// The request about one candidate.
fn with(mut request: Request, sought: Sought, id: &str) -> Request {
    match sought {
        Sought::Subjects => {
            if let Subject::External(external) = &mut request.principal {
                external.entity.id = id.to_owned();
                if external.entity.is_of_directory()
                    && external.attributes.is_empty()
                    && let Ok(id) = id.parse::<PrincipalId>()
                {
                    request.principal = id.into();
                }
            }
        }
        Sought::Resources => request.resource.entity.id = id.to_owned(),
        Sought::Actions => request.action = id.to_owned(),
    }
    request
}

/// Why who asks is unknown, if the information point was asked in vain.
fn missing(subject: &Subject) -> Option<String> {
    let Subject::External(external) = subject else { return None };
    let External { information: Information::Missing(why), .. } = &**external else { return None };
    Some(why.clone())
}
