//! What runs are made of: definitions and bundles. Read once, shared by all runs.

use crate::rng::Rng;
use chancery_base::json;
use chancery_engine::definition::Definition;
use chancery_policy::Bundle;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How many different definitions there are.
pub(crate) const DEFINITIONS: usize = 256;

/// The queues that steps wait in.
pub(crate) const QUEUES: [&str; 3] = ["queue.a", "queue.b", "queue.undo"];

/// The definition with this number: always the same one.
pub(crate) fn definition(number: usize) -> Result<Arc<Definition>, String> {
    static POOL: OnceLock<Mutex<Vec<Option<Arc<Definition>>>>> = OnceLock::new();
    let pool = POOL.get_or_init(|| Mutex::new(vec![None; DEFINITIONS]));
    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(slot) = pool.get_mut(number % DEFINITIONS) else { return Err("there is no such definition".to_owned()) };
    if let Some(known) = slot {
        return Ok(Arc::clone(known));
    }
    let text = json::canonical(&document(number % DEFINITIONS));
    let parsed = Definition::parse(&text).map_err(|err| format!("definition {number}: {err}"))?;
    let parsed = Arc::new(parsed);
    *slot = Some(Arc::clone(&parsed));
    Ok(parsed)
}

fn document(number: usize) -> Value {
    let mut rng = Rng::new(u64::try_from(number).unwrap_or(0) ^ 0xdef1);
    let count = rng.between(1, 6);
    let mut steps = Vec::new();
    for index in 0..count {
        steps.push(step(index, &mut rng));
    }
    let mut document = Map::new();
    document.insert("name".to_owned(), json!(format!("saga-{number}")));
    document.insert("version".to_owned(), json!(1));
    document.insert("steps".to_owned(), Value::Array(steps));
    if rng.permille(500) {
        document.insert("concurrency".to_owned(), json!(rng.between(1, 3)));
    }
    if rng.permille(500) {
        document.insert("output".to_owned(), json!({ "n": "${{ input.n }}" }));
    }
    Value::Object(document)
}

fn step(index: u64, rng: &mut Rng) -> Value {
    let mut step = Map::new();
    step.insert("id".to_owned(), json!(format!("s{index}")));
    let after: Vec<u64> = (0..index).filter(|_| rng.permille(400)).collect();
    step.insert("after".to_owned(), after.iter().map(|before| format!("s{before}")).collect());
    let run = match rng.below(10) {
        0 => json!("noop"),
        1 => json!({ "http": { "url": "https://payments.test/charges" } }),
        even if even % 2 == 0 => json!({ "worker": "queue.a" }),
        _ => json!({ "worker": "queue.b" }),
    };
    step.insert("run".to_owned(), run);
    let with = match after.first() {
        // What was skipped has no output: then this fails as a bad expression.
        Some(before) if rng.permille(300) => json!({ "of": format!("${{{{ steps.s{before}.output }}}}") }),
        Some(_) | None => json!({ "n": "${{ input.n }}" }),
    };
    step.insert("with".to_owned(), with);
    if rng.permille(250) {
        step.insert("when".to_owned(), json!(format!("${{{{ input.n > {} }}}}", rng.below(5))));
    }
    step.insert("retry".to_owned(), retry(rng, 3));
    step.insert("timeout".to_owned(), json!(format!("{}ms", rng.between(2_000, 8_000))));
    step.insert("queue_timeout".to_owned(), json!(format!("{}s", rng.between(4, 20))));
    if rng.permille(700) {
        let run = if rng.permille(100) { json!("noop") } else { json!({ "worker": "queue.undo" }) };
        let timeout = format!("{}ms", rng.between(2_000, 6_000));
        step.insert("compensate".to_owned(), json!({ "run": run, "retry": retry(rng, 2), "timeout": timeout }));
    }
    Value::Object(step)
}

fn retry(rng: &mut Rng, most: u64) -> Value {
    let backoff = [0, 50, 400, 1_500];
    let backoff = rng.pick(&backoff).copied().unwrap_or(0);
    let mut retry = json!({ "attempts": rng.between(1, most), "backoff": format!("{backoff}ms") });
    if let Some(retry) = retry.as_object_mut().filter(|_| rng.permille(300)) {
        retry.insert("unless".to_owned(), json!(["OutOfStock"]));
    }
    retry
}

const SCHEMA: &str = "
    entity Role;
    entity User in [Role] = { name: String };
    entity Service in [Role] = { name: String };
    entity Agent in [Role] = { name: String };
    entity Definition;
    entity Step in [Definition];
    action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
    action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: { attempt: Long } };
";
const OPEN: &str = "permit (principal, action, resource);";
const STRICT: &str = "
    permit (principal, action, resource);
    forbid (principal is Agent, action == Action::\"start\", resource);
    forbid (principal is User, action == Action::\"run\", resource) when { context.attempt > 1 };
";

/// The bundles that a tenant has: one permits everything, one does not.
pub(crate) fn bundles() -> Result<[Arc<Bundle>; 2], String> {
    static BUNDLES: OnceLock<Result<[Arc<Bundle>; 2], String>> = OnceLock::new();
    BUNDLES.get_or_init(|| Ok([bundle("open", OPEN)?, bundle("strict", STRICT)?])).clone()
}

fn bundle(name: &str, policies: &str) -> Result<Arc<Bundle>, String> {
    let document = json!({ "name": name, "version": 1, "schema": SCHEMA, "policies": policies });
    Bundle::parse(&json::canonical(&document)).map(Arc::new).map_err(|err| err.to_string())
}
