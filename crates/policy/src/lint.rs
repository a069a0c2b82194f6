//! What a bundle may say and probably does not mean.

use crate::bundle::{Bundle, BundleError, on_a_large_stack};
use crate::mode::Mode;
use crate::scan::line_column;
use crate::words;
use cedar_policy::{
    Effect, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint, ValidationMode,
    ValidationWarning, Validator,
};
use chancery_base::json;
use chancery_base::limits::BUNDLE_BYTES_MAX;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A policy's conditions never hold.
    NeverApplies,
    /// A text reads otherwise than it looks.
    ConfusingText,
    /// Whatever a permit permits is forbidden.
    Shadowed,
    /// Another policy does the same and more.
    Redundant,
    /// Two policies are the same but for their ids.
    Duplicate,
    /// No policy permits an action of the schema.
    UnpermittedAction,
    /// A step asks for an action that the schema does not declare.
    UndeclaredAction,
    /// No policy permits a step's action on it, so that neither it nor its undo could run.
    UnpermittedStep,
}

impl Rule {
    /// What it is called.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::NeverApplies => "never-applies",
            Self::ConfusingText => "confusing-text",
            Self::Shadowed => "shadowed",
            Self::Redundant => "redundant",
            Self::Duplicate => "duplicate",
            Self::UnpermittedAction => "unpermitted-action",
            Self::UndeclaredAction => "undeclared-action",
            Self::UnpermittedStep => "unpermitted-step",
        }
    }
}

/// A warning, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// `schema`, `policies`, the name of a file of policies, or the definition's name.
    pub file: String,
    /// Line and column in that file, from 1.
    pub place: Option<(usize, usize)>,
    /// The policy.
    pub policy: Option<String>,
    /// What it is about.
    pub rule: Rule,
    /// What is probably not meant.
    pub message: String,
}

/// A step of a definition, as far as policy is asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its definition.
    pub definition: String,
    /// Its id there.
    pub step: String,
    /// The action that is asked of policy.
    pub action: String,
    /// The type of the resource; none if it is worked out when it runs.
    pub resource_type: Option<String>,
    /// Whether it has a compensation, which its own permit authorises.
    pub has_undo: bool,
    /// Whether it can't be undone, so that not even a permissive bundle permits it where no policy does.
    pub irreversible: bool,
}

/// What of a bundle is probably not meant, in order of place; and of the steps that it is to decide about.
///
/// # Errors
/// If the thread that Cedar's validator needs can't be started.
pub fn lint(bundle: &Bundle, steps: &[Step]) -> Result<Vec<Warning>, BundleError> {
    on_a_large_stack(|| {
        let linter = Linter::new(bundle);
        let mut warnings = linter.validation();
        linter.covered(&mut warnings);
        linter.duplicates(&mut warnings);
        linter.actions(&mut warnings);
        warnings.extend(steps.iter().filter_map(|step| linter.step(step)));
        warnings.sort();
        warnings
    })
}

struct Linter<'a> {
    bundle: &'a Bundle,
    /// In order of ids.
    policies: Vec<Scoped<'a>>,
    files: Vec<(String, String)>,
}

struct Scoped<'a> {
    policy: &'a Policy,
    principal: Scope,
    actions: BTreeSet<&'a EntityUid>,
    resource: Scope,
    conditions: String,
}

/// What a scope asks of a principal or a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Any,
    Is(EntityTypeName),
    Eq(EntityUid),
    In(EntityUid),
    IsIn(EntityTypeName, EntityUid),
}

impl Scope {
    /// Whether whatever this holds of, the other one does, too.
    fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Any) => true,
            (Self::Is(kind) | Self::IsIn(kind, _), Self::Is(wider)) => kind == wider,
            (Self::Eq(uid), Self::Is(wider)) => uid.type_name() == wider,
            (Self::In(uid) | Self::IsIn(_, uid) | Self::Eq(uid), Self::In(wider)) => uid == wider,
            (Self::IsIn(kind, uid), Self::IsIn(wider_kind, wider)) => kind == wider_kind && uid == wider,
            (Self::Eq(uid), Self::IsIn(wider_kind, wider)) => uid == wider && uid.type_name() == wider_kind,
            (Self::Eq(uid), Self::Eq(wider)) => uid == wider,
            (Self::Any | Self::Is(_) | Self::In(_) | Self::IsIn(..), Self::Eq(_))
            | (Self::Any | Self::In(_), Self::Is(_))
            | (Self::Any | Self::Is(_), Self::In(_))
            | (Self::Any | Self::Is(_) | Self::In(_), Self::IsIn(..)) => false,
        }
    }
}

impl Scoped<'_> {
    fn is_within(&self, other: &Self) -> bool {
        self.principal.is_within(&other.principal)
            && self.resource.is_within(&other.resource)
            && self.actions.is_subset(&other.actions)
    }

    fn is_unconditional(&self) -> bool {
        matches!(self.conditions.as_str(), "" | "when { true }")
    }

    fn id(&self) -> &str {
        self.policy.id().as_ref()
    }
}

impl<'a> Linter<'a> {
    fn new(bundle: &'a Bundle) -> Self {
        let mut policies: Vec<Scoped<'a>> =
            bundle.index().policies().policies().map(|policy| scoped(bundle, policy)).collect();
        policies.sort_by(|a, b| a.id().cmp(b.id()));
        let document = json::parse_stored(bundle.canonical(), BUNDLE_BYTES_MAX).unwrap_or_default();
        let files = match document.get("policies") {
            Some(Value::String(text)) => vec![("policies".to_owned(), text.clone())],
            Some(Value::Object(files)) => {
                let texts = files.iter().filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())));
                texts.collect()
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => Vec::new(),
        };
        Self { bundle, policies, files }
    }

    fn warning(&self, policy: &Policy, rule: Rule, message: String) -> Warning {
        let text = policy.to_cedar().unwrap_or_default();
        let found = self.files.iter().find_map(|(name, file)| {
            let offset = file.find(&text).filter(|_| !text.is_empty())?;
            Some((name.clone(), line_column(file, offset)))
        });
        let (file, place) = found.unzip();
        let file = file.unwrap_or_else(|| "policies".to_owned());
        Warning { file, place, policy: Some(AsRef::<str>::as_ref(policy.id()).to_owned()), rule, message }
    }

    /// What Cedar's validator warns of, beyond what keeps a bundle from being taken.
    fn validation(&self) -> Vec<Warning> {
        let validator = Validator::new(self.bundle.schema().clone());
        let result = validator.validate(self.bundle.index().policies(), ValidationMode::Strict);
        let warnings = result.validation_warnings().filter_map(|warning| {
            let policy = self.bundle.index().policies().policy(warning.policy_id())?;
            let is_impossible = matches!(warning, ValidationWarning::ImpossiblePolicy(_));
            let rule = if is_impossible { Rule::NeverApplies } else { Rule::ConfusingText };
            Some(self.warning(policy, rule, crate::chain(warning)))
        });
        warnings.collect()
    }

    /// Permits that a forbid takes back, and policies that another one makes superfluous.
    fn covered(&self, warnings: &mut Vec<Warning>) {
        let unconditional: Vec<(usize, &Scoped<'_>)> =
            self.policies.iter().enumerate().filter(|(_, policy)| policy.is_unconditional()).collect();
        for (number, policy) in self.policies.iter().enumerate() {
            let wider = |other: &&(usize, &Scoped<'_>)| other.0 != number && policy.is_within(other.1);
            // Of two that are the same the earlier one stands.
            let counts = |(at, other): &(usize, &Scoped<'_>)| {
                other.policy.effect() == policy.policy.effect()
                    && (*at < number || !policy.is_unconditional() || !other.is_within(policy))
            };
            let forbids = |(_, other): &(usize, &Scoped<'_>)| other.policy.effect() == Effect::Forbid;
            let is_permit = policy.policy.effect() == Effect::Permit;
            if let Some((_, other)) = unconditional.iter().filter(wider).find(|other| is_permit && forbids(other)) {
                let message = format!("whatever it permits, `{}` forbids", other.id());
                warnings.push(self.warning(policy.policy, Rule::Shadowed, message));
            } else if let Some((_, other)) = unconditional.iter().filter(wider).find(|other| counts(other)) {
                let message = format!("`{}` does the same without conditions, and for as much or more", other.id());
                warnings.push(self.warning(policy.policy, Rule::Redundant, message));
            }
        }
    }

    fn duplicates(&self, warnings: &mut Vec<Warning>) {
        let mut seen: BTreeMap<(String, &str), &str> = BTreeMap::new();
        for policy in self.policies.iter().filter(|policy| !policy.is_unconditional()) {
            let key = (words::scope(policy.policy), policy.conditions.as_str());
            match seen.get(&key) {
                Some(other) => {
                    let message = format!("it has the scope and the conditions of `{other}`");
                    warnings.push(self.warning(policy.policy, Rule::Duplicate, message));
                }
                None => drop(seen.insert(key, policy.id())),
            }
        }
    }

    fn actions(&self, warnings: &mut Vec<Warning>) {
        let applicable: BTreeSet<EntityUid> =
            self.bundle.schema().request_envs().map(|environment| environment.action().clone()).collect();
        for action in applicable.iter().filter(|action| !self.is_permissive(action.id().unescaped())) {
            let permits =
                |policy: &Scoped<'_>| policy.policy.effect() == Effect::Permit && policy.actions.contains(action);
            if !self.policies.iter().any(permits) {
                let message = format!("no policy permits {}", words::action(action));
                let file = "schema".to_owned();
                warnings.push(Warning { file, place: None, policy: None, rule: Rule::UnpermittedAction, message });
            }
        }
    }

    /// Whether an action is permitted that no policy permits.
    fn is_permissive(&self, action: &str) -> bool {
        match self.bundle.mode(action) {
            Mode::Permissive => true,
            Mode::Strict | Mode::Paranoid => false,
        }
    }

    fn step(&self, step: &Step) -> Option<Warning> {
        let Step { definition, step: id, action, resource_type, has_undo, irreversible } = step;
        if self.is_permissive(action) && !irreversible {
            return None;
        }
        let warning =
            |rule, message| Some(Warning { file: definition.clone(), place: None, policy: None, rule, message });
        let Some(uid) = self.bundle.action(action) else {
            return warning(
                Rule::UndeclaredAction,
                format!("step `{id}` asks for `{action}`, which the schema does not declare"),
            );
        };
        let kind = resource_type.as_ref().map(|kind| self.bundle.type_name(kind));
        let mut environments = self.bundle.schema().request_envs().filter(|environment| {
            environment.action() == uid && kind.is_none_or(|kind| kind == Some(environment.resource()))
        });
        let permitted = environments.any(|environment| {
            self.policies.iter().any(|policy| {
                policy.policy.effect() == Effect::Permit
                    && policy.actions.contains(uid)
                    && policy.principal.can_be(environment.principal())
                    && policy.resource.can_be(environment.resource())
            })
        });
        if permitted {
            return None;
        }
        let undo = if *has_undo { ", nor run its compensation, which the same permit authorises" } else { "" };
        warning(
            Rule::UnpermittedStep,
            format!("nobody could run step `{id}`: no policy permits `{action}` there{undo}"),
        )
    }
}

impl Scope {
    fn can_be(&self, kind: &EntityTypeName) -> bool {
        match self {
            Self::Any | Self::In(_) => true,
            Self::Is(only) | Self::IsIn(only, _) => only == kind,
            Self::Eq(uid) => uid.type_name() == kind,
        }
    }
}

fn scoped<'a>(bundle: &'a Bundle, policy: &'a Policy) -> Scoped<'a> {
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::Any => Scope::Any,
        PrincipalConstraint::Is(kind) => Scope::Is(kind),
        PrincipalConstraint::Eq(uid) => Scope::Eq(uid),
        PrincipalConstraint::In(uid) => Scope::In(uid),
        PrincipalConstraint::IsIn(kind, uid) => Scope::IsIn(kind, uid),
    };
    let resource = match policy.resource_constraint() {
        ResourceConstraint::Any => Scope::Any,
        ResourceConstraint::Is(kind) => Scope::Is(kind),
        ResourceConstraint::Eq(uid) => Scope::Eq(uid),
        ResourceConstraint::In(uid) => Scope::In(uid),
        ResourceConstraint::IsIn(kind, uid) => Scope::IsIn(kind, uid),
    };
    let actions = bundle.schema().actions().filter(|action| bundle.index().has_action(policy, action)).collect();
    Scoped { policy, principal, actions, resource, conditions: words::conditions(policy) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SCHEMA: &str = "entity Role; entity User in [Role]; entity Agent in [Role]; entity Step; entity Order;
        action read appliesTo { principal: [User, Agent], resource: [Step, Order] };
        action write appliesTo { principal: [User], resource: [Order] };";

    fn warnings(policies: &str, steps: &[Step]) -> Vec<String> {
        warnings_in("strict", policies, steps)
    }

    fn warnings_in(mode: &str, policies: &str, steps: &[Step]) -> Vec<String> {
        let document = json!({
            "name": "a", "version": 1, "schema": SCHEMA, "mode": mode, "policies": { "p.cedar": policies },
        });
        let bundle = Bundle::parse(&json::canonical(&document)).unwrap_or_else(|err| panic!("{err}"));
        lint(&bundle, steps)
            .unwrap()
            .iter()
            .map(|found| {
                let place = found.place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
                let policy = found.policy.as_ref().map(|policy| format!(" {policy}")).unwrap_or_default();
                format!("{}{place}{policy} [{}] {}", found.file, found.rule.id(), found.message)
            })
            .collect()
    }

    #[track_caller]
    fn check(policies: &str, expected: &[&str]) {
        let all = format!("@id(\"all\") permit (principal is User, action, resource);\n{policies}");
        let found = warnings(&all, &[]);
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_meant_is_no_warning() {
        check("", &[]);
        check("@id(\"a\") permit (principal is Agent, action == Action::\"read\", resource is Step);", &[]);
        check("@id(\"a\") forbid (principal, action == Action::\"read\", resource is Step);", &[]);
    }

    #[test]
    fn policies_without_effect_are_found() {
        check(
            "// so\n  @id(\"a\") permit (principal is User, action == Action::\"read\", resource) when { resource is Order };",
            &["p.cedar:3:3 a [redundant] `all` does the same without conditions, and for as much or more"],
        );
        check(
            "@id(\"b\") permit (principal is User, action, resource);",
            &["p.cedar:2:1 b [redundant] `all` does the same without conditions, and for as much or more"],
        );
        check(
            "@id(\"a\") permit (principal is Agent, action == Action::\"read\", resource == Step::\"x\");
@id(\"no\") forbid (principal, action == Action::\"read\", resource is Step);",
            &["p.cedar:2:1 a [shadowed] whatever it permits, `no` forbids"],
        );
        check(
            "@id(\"a\") forbid (principal, action, resource) when { resource  is Step };
@id(\"b\") forbid (principal, action, resource)\nwhen { resource is Step };",
            &["p.cedar:3:1 b [duplicate] it has the scope and the conditions of `a`"],
        );
        let found = warnings(
            "@id(\"a\") permit (principal, action, resource) when { principal is User && principal is Agent };",
            &[],
        );
        assert!(found[0].starts_with("p.cedar:1:1 a [never-applies] "), "{found:?}");
    }

    #[test]
    fn actions_and_steps_that_nobody_may_do_are_found() {
        let policies = "@id(\"a\") permit (principal, action == Action::\"read\", resource is Order);";
        let step = |action: &str, has_undo| Step {
            definition: "order".to_owned(),
            step: "s".to_owned(),
            action: action.to_owned(),
            resource_type: Some("Step".to_owned()),
            has_undo,
            irreversible: false,
        };
        let steps = [step("read", true), step("fly", false), Step { resource_type: None, ..step("read", true) }];
        assert_eq!(
            warnings(policies, &steps),
            [
                "order [undeclared-action] step `s` asks for `fly`, which the schema does not declare",
                "order [unpermitted-step] nobody could run step `s`: no policy permits `read` there, nor run its \
                 compensation, which the same permit authorises",
                "schema [unpermitted-action] no policy permits `write`",
            ]
        );
        // What is permissive permits them, but for what can't be undone.
        let steps = [step("fly", false), Step { irreversible: true, ..step("write", false) }];
        assert_eq!(
            warnings_in("permissive", policies, &steps),
            ["order [unpermitted-step] nobody could run step `s`: no policy permits `write` there"]
        );
    }
}
