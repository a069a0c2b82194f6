//! A bundle's own tests: questions with the answers that it must give.
//!
//! A case names its principal by what the directory would say of it, so that it needs no directory and means the same
//! wherever it runs.

use crate::bundle::{Bundle, Problem};
use crate::decide::{Outcome, decide};
use crate::directory::{Directory, Principal};
use crate::request::{EntityRef, Request, ResourceRef};
use chancery_base::limits::{BUNDLE_CASES_MAX, TEXT_BYTES_MAX};
use chancery_base::{Digest, Entropy, Name, PrincipalId, PrincipalKind, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A question and the answer that a bundle must give.
#[derive(Debug, Clone)]
pub struct Case {
    name: String,
    directory: Directory,
    request: Request,
    expect: Outcome,
    policies: Option<BTreeSet<String>>,
    obligations: Option<BTreeSet<String>>,
    reason: Option<String>,
}

/// What a case calls an obligation that the bundle's mode makes.
const OF_MODE: &str = "mode";

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// The case.
    pub name: String,
    /// Why it failed, with the answer that it expected and the one that it got; none if it passed.
    pub failure: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    principal: Who,
    action: String,
    resource: What,
    #[serde(default)]
    context: Map<String, Value>,
    #[serde(default)]
    irreversible: bool,
    expect: Outcome,
    #[serde(default)]
    policies: Option<BTreeSet<String>>,
    #[serde(default)]
    obligations: Option<BTreeSet<String>>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    id: Option<PrincipalId>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    roles: BTreeSet<Name>,
    #[serde(default)]
    attributes: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct What {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    parents: Vec<EntityRef>,
}

/// Reads a list of cases.
///
/// # Errors
/// Every case that is none, by its number in the list.
pub fn read(tests: Value) -> Result<Vec<Case>, Vec<Problem>> {
    let Value::Array(tests) = tests else { return Err(vec![problem("the tests are a list".to_owned())]) };
    if tests.len() > BUNDLE_CASES_MAX {
        return Err(vec![problem(format!("more than {BUNDLE_CASES_MAX} tests"))]);
    }
    let (mut cases, mut problems, mut names) = (Vec::with_capacity(tests.len()), Vec::new(), BTreeSet::new());
    for (number, test) in (1..).zip(tests) {
        let called = test.get("name").and_then(Value::as_str).map(|name| format!(" `{name}`")).unwrap_or_default();
        match Case::read(test) {
            Ok(case) if !names.insert(case.name.clone()) => {
                problems.push(problem(format!("test {number}{called}: another test has the same name")));
            }
            Ok(case) => cases.push(case),
            Err(what) => problems.push(problem(format!("test {number}{called}: {what}"))),
        }
    }
    if problems.is_empty() { Ok(cases) } else { Err(problems) }
}

/// Puts a bundle's own cases to it.
#[must_use]
pub fn run(bundle: &Bundle) -> Vec<CaseResult> {
    bundle.cases().iter().map(|case| case.run(bundle)).collect()
}

fn problem(message: String) -> Problem {
    Problem { file: "tests".to_owned(), place: None, policy: None, message, help: None }
}

impl Case {
    fn read(test: Value) -> Result<Self, String> {
        let Document {
            name,
            principal,
            action,
            resource,
            context,
            irreversible,
            expect,
            policies,
            obligations,
            reason,
        } = serde_json::from_value(test).map_err(|err| err.to_string())?;
        if name.is_empty() || name.len() > TEXT_BYTES_MAX {
            return Err(format!("its `name` has 1 to {TEXT_BYTES_MAX} bytes"));
        }
        let principal = principal.principal()?;
        let id = principal.id;
        let directory = Directory::new([principal]).map_err(|err| err.to_string())?;
        let resource = ResourceRef {
            entity: EntityRef::new(resource.kind, resource.id),
            attributes: resource.attributes,
            parents: resource.parents,
        };
        let request = Request { principal: id.into(), action, resource, context, irreversible };
        Ok(Self { name, directory, request, expect, policies, obligations, reason })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts it to a bundle.
    ///
    /// A question that does not fit the schema is denied whatever the policies say. A case passes on that only if its
    /// `reason` says so: else a misspelt action would prove a denial.
    #[must_use]
    pub fn run(&self, bundle: &Bundle) -> CaseResult {
        let decision = decide(bundle, &self.directory, &self.request);
        let determining: BTreeSet<&str> =
            decision.reasons.iter().filter_map(|reason| reason.policy.as_deref()).collect();
        let demanding = decision.obligations.iter().map(|obligation| obligation.policy.as_deref().unwrap_or(OF_MODE));
        let demanding: BTreeSet<&str> = demanding.collect();
        let explanation = decision.explanation();
        let is = |wanted: &Option<BTreeSet<String>>, found: &BTreeSet<&str>| {
            wanted.as_ref().is_none_or(|wanted| wanted.iter().map(String::as_str).eq(found.iter().copied()))
        };
        let passes = decision.outcome == self.expect
            && is(&self.policies, &determining)
            && is(&self.obligations, &demanding)
            && self.reason.as_ref().is_none_or(|reason| explanation.contains(reason));
        let failure = if !passes {
            let under = if demanding.is_empty() {
                String::new()
            } else {
                format!(" under {}", demanding.iter().copied().collect::<Vec<_>>().join(", "))
            };
            let got = decision.outcome.word();
            Some(format!("expected {}, got {got}{under} because {explanation}", self.expected()))
        } else if decision.misfit && self.reason.is_none() {
            Some(format!(
                "expected {}, but no policy was asked because {explanation}; if that is meant, say so in `reason`",
                self.expected()
            ))
        } else {
            None
        };
        CaseResult { name: self.name.clone(), failure }
    }

    fn expected(&self) -> String {
        let mut text = self.expect.word().to_owned();
        if let Some(policies) = &self.policies {
            let ids: Vec<&str> = policies.iter().map(String::as_str).collect();
            text.push_str(&if ids.is_empty() { " by no policy".to_owned() } else { format!(" by {}", ids.join(", ")) });
        }
        if let Some(obligations) = &self.obligations {
            let ids: Vec<&str> = obligations.iter().map(String::as_str).collect();
            let under = if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") };
            text.push_str(&format!(" under {under}"));
        }
        if let Some(reason) = &self.reason {
            text.push_str(&format!(" because of “{reason}”"));
        }
        text
    }
}

impl Who {
    fn principal(self) -> Result<Principal, String> {
        let kind = self.kind.map(|kind| kind.parse::<PrincipalKind>()).transpose().map_err(|err| err.to_string())?;
        let name = self.name.unwrap_or_else(|| "test".to_owned());
        let id = match (self.id, kind) {
            (Some(id), Some(kind)) if id.kind() != kind => {
                return Err(format!("the principal {id} is no {}", kind.word()));
            }
            (Some(id), _) => id,
            (None, Some(kind)) => {
                let seed = Digest::of_parts(&[kind.word().as_bytes(), name.as_bytes()]);
                PrincipalId::draw(kind, Timestamp::EPOCH, &mut Entropy::from_seed(*seed.as_bytes()))
            }
            (None, None) => return Err("the principal has a `kind` (user, service, agent) or an `id`".to_owned()),
        };
        let mut principal = Principal::new(id, name).with_roles(self.roles);
        principal.attributes = self.attributes;
        Ok(principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_base::json::canonical;
    use serde_json::json;

    const SCHEMA: &str = "
        entity Role; entity User in [Role]; entity Agent in [Role] = { limit?: Long };
        entity Shelf; entity Book in [Shelf] = { @asserted pages?: Long };
        action read appliesTo { principal: [User, Agent], resource: [Book], context: { loud?: Bool } };";
    const POLICIES: &str = r#"
        @id("readers-read") @reason("readers may read")
        permit (principal in Role::"reader", action == Action::"read", resource in Shelf::"open");
        @id("not-loud") @reason("silence, please")
        forbid (principal, action, resource) when { context has loud && context.loud };
        @id("short") permit (principal is Agent, action, resource)
        when { principal has limit && resource has pages && resource.pages <= principal.limit };"#;

    fn document(tests: &Value) -> Value {
        json!({ "name": "library", "version": 1, "schema": SCHEMA, "policies": POLICIES, "tests": tests })
    }

    /// Runs one case that begins as `reads` does.
    fn failure(edit: impl FnOnce(&mut Value)) -> Option<String> {
        let mut case = json!({
            "name": "reads", "principal": { "kind": "user", "roles": ["reader"] }, "action": "read",
            "resource": { "type": "Book", "id": "b", "parents": [{ "type": "Shelf", "id": "open" }] },
            "expect": "permit", "policies": ["readers-read"], "reason": "readers may read",
        });
        edit(&mut case);
        let bundle = Bundle::parse(&canonical(&document(&json!([case])))).unwrap();
        let [result] = run(&bundle).try_into().unwrap();
        assert!(result.name == case["name"]);
        result.failure
    }

    #[track_caller]
    fn fails(edit: impl FnOnce(&mut Value), expected: &str) {
        assert_eq!(failure(edit).as_deref(), Some(expected));
    }

    #[test]
    fn a_case_passes_or_says_both_answers() {
        assert_eq!(failure(|_| ()), None);
        fails(
            |case| case["context"] = json!({ "loud": true }),
            "expected permit by readers-read because of “readers may read”, got deny because not-loud: silence, please",
        );
        fails(
            |case| case["policies"] = json!(["short"]),
            "expected permit by short because of “readers may read”, got permit because readers-read: readers may read",
        );
        fails(
            |case| case["reason"] = json!("writers"),
            "expected permit by readers-read because of “writers”, got permit because readers-read: readers may read",
        );
        let agent = |limit: u32| {
            failure(move |case| {
                case["principal"] = json!({ "kind": "agent", "attributes": { "limit": limit } });
                case["resource"] = json!({ "type": "Book", "id": "b", "attributes": { "pages": 300 } });
                case["policies"] = json!(["short"]);
                case["reason"] = Value::Null;
            })
        };
        assert_eq!(agent(300), None);
        assert!(agent(299).unwrap().ends_with("got deny because no policy permits `read` on Book::\"b\""));
    }

    #[test]
    fn a_denial_of_a_question_that_is_none_must_be_meant() {
        let misspelt = |reason: Value| {
            failure(move |case| {
                case["action"] = json!("fly");
                case["expect"] = json!("deny");
                case["policies"] = json!([]);
                case["reason"] = reason;
            })
        };
        let said = misspelt(Value::Null).unwrap();
        assert!(said.starts_with("expected deny by no policy, but no policy was asked because the bundle's schema"));
        assert_eq!(misspelt(json!("has no action `fly`")), None);
    }

    #[test]
    fn what_is_no_case_is_refused_with_its_number() {
        let check = |tests: Value, expected: &str| {
            let error = Bundle::parse(&canonical(&document(&tests))).unwrap_err();
            let said: Vec<&str> = error.problems().iter().map(|problem| problem.message.as_str()).collect();
            assert_eq!(error.problems()[0].file, "tests");
            assert!(said.join("\n").contains(expected), "{said:?}");
        };
        check(json!({}), "the tests are a list");
        check(json!([{}]), "test 1: missing field `name`");
        let case = |edit: fn(&mut Value)| {
            let mut case = json!({ "name": "a", "principal": { "kind": "user" }, "action": "read",
                "resource": { "type": "Book", "id": "b" }, "expect": "deny" });
            edit(&mut case);
            case
        };
        check(json!([case(|_| ()), case(|_| ())]), "test 2 `a`: another test has the same name");
        check(json!([case(|case| case["expected"] = json!("deny"))]), "unknown field `expected`");
        check(json!([case(|case| case["expect"] = json!("maybe"))]), "unknown variant `maybe`");
        check(json!([case(|case| case["principal"] = json!({}))]), "the principal has a `kind`");
        check(json!([case(|case| case["principal"] = json!({ "kind": "robot" }))]), "a kind of principal");
        check(
            json!([case(|case| case["principal"]["attributes"] = json!({ "id": "x" }))]),
            "is given by the directory",
        );
        let id = format!("agt_{}", "0".repeat(32));
        check(
            json!([case(|case| case["principal"]["id"] = json!(format!("agt_{}", "0".repeat(32))))]),
            &format!("{id} is no user"),
        );
        check(json!(vec![Value::Null; BUNDLE_CASES_MAX + 1]), "more than 1000 tests");
    }
}
