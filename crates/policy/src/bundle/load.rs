//! Parsing, validating and indexing what a document holds.

use super::document::{File, Texts};
use super::{BundleError, Loaded, PolicyFacts, Problem};
use crate::chain;
use crate::decide::Effect;
use crate::entity::{self, StaticEntity, Statics};
use crate::index::Index;
use crate::obligation::{self, Obligation};
use crate::request::EntityRef;
use crate::scan::line_column;
use crate::schema::SchemaFacts;
use cedar_policy::{
    Entities, EntityUid, Policy, PolicyId, PolicySet, Schema, SchemaFragment, ValidationMode, ValidationResult,
    ValidationWarning, Validator,
};
use miette::Diagnostic;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Within the limits of [`crate::scan`] Cedar needs less than a tenth of this, in a debug build.
const STACK_BYTES: usize = 64 << 20;

/// Annotations of policies that mean something elsewhere, or in later versions: to ignore one would permit more than it
/// says.
const ELSEWHERE: [&str; 6] = ["obligation", "approvers", "role", "sla", "budget", "amount"];
const LATER: [&str; 2] = ["by", "mode"];

/// Loads the texts.
pub(super) fn load(texts: &Texts) -> Result<Loaded, BundleError> {
    on_a_large_stack(|| read(texts))?
}

/// Works on a thread of its own, whose stack is large enough for Cedar's recursion.
pub(crate) fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, BundleError> {
    let builder = std::thread::Builder::new().name("bundle-reader".to_owned()).stack_size(STACK_BYTES);
    std::thread::scope(|scope| {
        let reader = builder.spawn_scoped(scope, work).map_err(|err| BundleError::Reader(err.to_string()))?;
        // What a panic carries is of any type; the panic itself has been reported where it happened.
        reader.join().map_err(|_panic| BundleError::Reader("the reader of bundles failed".to_owned()))
    })
}

fn read(texts: &Texts) -> Result<Loaded, BundleError> {
    let (schema, facts) = read_schema(&texts.schema)?;
    let (set, policies) = read_policies(&texts.policies, policy_facts)?;
    validate(&schema, &set, &texts.policies, &policies)?;
    let (demanding, obligations) = read_policies(&texts.obligations, obligation)?;
    validate(&schema, &demanding, &texts.obligations, &obligations)?;
    let statics = read_entities(&texts.entities, &schema)?;
    let types = schema.entity_types().map(|kind| (kind.to_string(), kind.clone())).collect::<HashMap<_, _>>();
    let outside = schema.actions().filter(|uid| uid.type_name().to_string() == "Action");
    let actions = outside.map(|uid| (AsRef::<str>::as_ref(uid.id()).to_owned(), uid.clone())).collect();
    let index = |set| Index::new(set, &schema).map_err(|err| one("schema", chain(&*err)));
    let obligation_index = Some(demanding).filter(|set| !set.is_empty()).map(index).transpose()?;
    let index = index(set)?;
    let (policies, obligations) = (without_files(policies), without_files(obligations));
    Ok(Loaded { schema, facts, index, obligation_index, statics, policies, obligations, types, actions })
}

fn without_files<T>(by_id: ById<T>) -> BTreeMap<PolicyId, T> {
    by_id.into_iter().map(|(id, (_, facts))| (id, facts)).collect()
}

fn read_schema(text: &str) -> Result<(Schema, SchemaFacts), BundleError> {
    let problem = |err: &dyn Diagnostic| BundleError::Problems(vec![problem("schema", text, None, err)]);
    let (fragment, _) = SchemaFragment::from_cedarschema_str(text).map_err(|err| problem(&err))?;
    let json = fragment.clone().to_json_value().map_err(|err| problem(&err))?;
    let facts = SchemaFacts::read(&json).map_err(|problem| BundleError::Limit { file: "schema", problem })?;
    let schema = Schema::from_schema_fragments([fragment]).map_err(|err| problem(&err))?;
    Ok((schema, facts))
}

/// What is known of policies by id, each with the number of its file.
type ById<T> = BTreeMap<PolicyId, (usize, T)>;

/// Reads texts of policies, and of each what `facts` makes of it.
fn read_policies<T>(
    files: &[File],
    facts: fn(&Policy) -> Result<T, String>,
) -> Result<(PolicySet, ById<T>), BundleError> {
    let (mut set, mut by_id, mut problems) = (PolicySet::new(), ById::new(), Vec::new());
    for (number, file) in files.iter().enumerate() {
        let parsed = match file.text.parse::<PolicySet>() {
            Ok(parsed) => parsed,
            Err(errors) => {
                problems.extend(errors.iter().map(|err| problem(&file.name, &file.text, None, err)));
                continue;
            }
        };
        if let Some(template) = parsed.templates().next() {
            let what = format!("template `{}` in {} (`?principal`, `?resource`)", template.id(), file.name);
            return Err(BundleError::NotSupported(what));
        }
        for policy in in_order(&parsed) {
            let policy = name(policy, file)?;
            let id = policy.id().clone();
            let wrong = |message: String| Problem {
                file: file.name.clone(),
                place: None,
                policy: Some(id.to_string()),
                message,
                help: None,
            };
            match facts(&policy) {
                Err(message) => problems.push(wrong(message)),
                Ok(_) if by_id.contains_key(&id) => problems.push(wrong("another policy has the same id".to_owned())),
                Ok(facts) => {
                    by_id.insert(id, (number, facts));
                    set.add(policy).map_err(|err| one(&file.name, chain(&err)))?;
                }
            }
        }
    }
    if problems.is_empty() { Ok((set, by_id)) } else { Err(sorted(problems)) }
}

/// Cedar numbers the policies of a text `policy0`, `policy1`, …
fn in_order(parsed: &PolicySet) -> Vec<&Policy> {
    let mut policies: Vec<&Policy> = parsed.policies().collect();
    policies.sort_by_key(|policy| number_of(policy));
    policies
}

fn number_of(policy: &Policy) -> usize {
    let id: &str = policy.id().as_ref();
    id.trim_start_matches("policy").parse().unwrap_or(usize::MAX)
}

fn name(policy: &Policy, file: &File) -> Result<Policy, BundleError> {
    if let Some(later) = LATER.iter().find(|key| policy.annotation(**key).is_some()) {
        return Err(BundleError::NotSupported(format!("@{later} (in {})", file.name)));
    }
    let id = match policy.annotation("id") {
        Some("") => return Err(one(&file.name, "an `@id` is empty".to_owned())),
        Some(id) => id.to_owned(),
        None => format!("{}{}", file.id_prefix, number_of(policy)),
    };
    Ok(policy.new_id(PolicyId::new(id)))
}

fn policy_facts(policy: &Policy) -> Result<PolicyFacts, String> {
    if let Some(other) = ELSEWHERE.iter().find(|key| policy.annotation(**key).is_some()) {
        return Err(format!("`@{other}` is an obligation's: it stands under `obligations`"));
    }
    let effect = match policy.effect() {
        cedar_policy::Effect::Permit => Effect::Permit,
        cedar_policy::Effect::Forbid => Effect::Forbid,
    };
    Ok(PolicyFacts { effect, reason: reason_of(policy) })
}

fn obligation(policy: &Policy) -> Result<Obligation, String> {
    match policy.effect() {
        cedar_policy::Effect::Permit => {
            let annotations = policy.annotations().collect();
            obligation::read(policy.id().as_ref(), reason_of(policy), &annotations)
        }
        cedar_policy::Effect::Forbid => {
            Err("an obligation is a `permit`, which says when it applies: what forbids stands under `policies`"
                .to_owned())
        }
    }
}

fn reason_of(policy: &Policy) -> Option<String> {
    let reason = policy.annotation("reason").or_else(|| policy.annotation("justification"));
    reason.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn validate<T>(schema: &Schema, set: &PolicySet, files: &[File], by_id: &ById<T>) -> Result<(), BundleError> {
    let result = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    let problems = faults(&result).map(|(id, err)| {
        let file = by_id.get(id).and_then(|(number, _)| files.get(*number));
        let (name, text) = file.map_or(("policies", ""), |file| (file.name.as_str(), file.text.as_str()));
        problem(name, text, Some(id), err)
    });
    let problems: Vec<Problem> = problems.collect();
    if problems.is_empty() { Ok(()) } else { Err(sorted(problems)) }
}

/// What of a validation keeps a bundle from being taken: every error, and of the warnings that no action of the schema
/// lets the policy apply. (To Cedar this was an error until 4.13; a policy that can never apply is a mistake.)
pub fn faults(result: &ValidationResult) -> impl Iterator<Item = (&PolicyId, &dyn Diagnostic)> {
    let errors = result.validation_errors().map(|err| (err.policy_id(), err as &dyn Diagnostic));
    let warnings = result.validation_warnings().filter_map(|warning| {
        let is_fault = matches!(warning, ValidationWarning::InvalidActionApplication(_));
        is_fault.then(|| (warning.policy_id(), warning as &dyn Diagnostic))
    });
    errors.chain(warnings)
}

fn read_entities(entities: &[Value], schema: &Schema) -> Result<Statics, BundleError> {
    let parents = check_entities(entities)?;
    entity::check_hierarchy(&parents).map_err(|problem| BundleError::Limit { file: "entities", problem })?;
    let all = Entities::from_json_value(Value::Array(entities.to_vec()), Some(schema));
    let all = all.map_err(|err| one("entities", chain(&err)))?;
    let mut statics = Statics::new();
    for (json, own) in entities.iter().zip(check_order(entities)) {
        let uid = EntityUid::from_json(own.to_json()).map_err(|err| one("entities", chain(&err)))?;
        let Some(entity) = all.get(&uid).cloned() else { continue };
        let mut references = BTreeSet::new();
        for key in ["attrs", "parents", "tags"] {
            json.get(key).into_iter().for_each(|part| entity::references(part, &mut references));
        }
        references.remove(&own);
        statics.insert(own, StaticEntity { json: json.clone(), entity, references });
    }
    Ok(statics)
}

/// Checks the entities' form as far as it is not left to Cedar, and gives each one's parents.
fn check_entities(entities: &[Value]) -> Result<BTreeMap<EntityRef, Vec<EntityRef>>, BundleError> {
    let mut hierarchy = BTreeMap::new();
    for (number, json) in entities.iter().enumerate() {
        let at = format!("entities[{number}]");
        let own = json.get("uid").and_then(EntityRef::of_json).ok_or_else(|| BundleError::Form {
            at: format!("{at}.uid"),
            expected: "an object of `type` and `id`".to_owned(),
        })?;
        if own.is_of_directory() {
            let expected = "of another type than User, Service or Agent: these come from the directory".to_owned();
            return Err(BundleError::Form { at: format!("{at}.uid"), expected });
        }
        let attributes = json.get("attrs").and_then(Value::as_object);
        if let Some(Err(problem)) = attributes.map(|map| entity::check_values(&format!("{at}.attrs"), map)) {
            return Err(one("entities", problem));
        }
        let parents = json.get("parents").and_then(Value::as_array).into_iter().flatten();
        if hierarchy.insert(own.clone(), parents.filter_map(EntityRef::of_json).collect()).is_some() {
            return Err(one("entities", format!("{at}: {own} stands twice")));
        }
    }
    Ok(hierarchy)
}

fn check_order(entities: &[Value]) -> impl Iterator<Item = EntityRef> {
    entities.iter().filter_map(|json| json.get("uid").and_then(EntityRef::of_json))
}

fn problem(file: &str, text: &str, policy: Option<&PolicyId>, err: &dyn Diagnostic) -> Problem {
    let label = err.labels().and_then(|mut labels| labels.next());
    Problem {
        file: file.to_owned(),
        place: label.map(|label| line_column(text, label.offset())),
        policy: policy.map(ToString::to_string),
        message: message(err),
        help: err.help().map(|help| help.to_string()),
    }
}

/// The error in one line, with its causes.
fn message(err: &dyn Diagnostic) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(source) = cause {
        let next = source.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = source.source();
    }
    text
}

fn one(file: &str, message: String) -> BundleError {
    BundleError::Problems(vec![Problem { file: file.to_owned(), place: None, policy: None, message, help: None }])
}

fn sorted(mut problems: Vec<Problem>) -> BundleError {
    problems.sort();
    problems.dedup();
    BundleError::Problems(problems)
}
