//! What runs are made of: definitions and bundles. Read once, shared by all runs.

use crate::Material;
use crate::law::Law;
use crate::reference::Plan;
use crate::rng::Rng;
use chancery_base::{PrincipalId, json};
use chancery_engine::definition::Definition;
use chancery_policy::Bundle;
use chancery_shard::input::Change;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How many different definitions there are of each sort.
const DEFINITIONS: usize = 256;
const WIDE_DEFINITIONS: usize = 4_096;

/// The queues that steps wait in.
pub(crate) const QUEUES: [&str; 3] = ["queue.a", "queue.b", "queue.undo"];

/// A definition and the plan that it was written from.
pub(crate) type Planned = (Arc<Definition>, Arc<Plan>);

type Pool = Mutex<BTreeMap<usize, Planned>>;

/// One of the definitions that runs are made of.
pub(crate) fn draw(material: Material, rng: &mut Rng) -> Result<Planned, String> {
    static NARROW: OnceLock<Pool> = OnceLock::new();
    static WIDE: OnceLock<Pool> = OnceLock::new();
    static VARIED: OnceLock<Pool> = OnceLock::new();
    static OPEN: OnceLock<Pool> = OnceLock::new();
    static TCC: OnceLock<Pool> = OnceLock::new();
    static CHILDREN: OnceLock<Pool> = OnceLock::new();
    static FANNED: OnceLock<Pool> = OnceLock::new();
    static FORKED: OnceLock<Pool> = OnceLock::new();
    static ASKED: OnceLock<Pool> = OnceLock::new();
    static GOVERNED: OnceLock<Pool> = OnceLock::new();
    let (pool, number, plan): (_, _, fn(usize) -> Plan) = match material {
        Material::Narrow | Material::Scheduled => (&NARROW, rng.index(DEFINITIONS), Plan::narrow),
        Material::Wide => (&WIDE, rng.index(WIDE_DEFINITIONS), Plan::wide),
        Material::Varied => (&VARIED, rng.index(WIDE_DEFINITIONS), Plan::varied),
        Material::Open => (&OPEN, rng.index(WIDE_DEFINITIONS), Plan::open),
        Material::Tcc => (&TCC, rng.index(WIDE_DEFINITIONS), Plan::tcc),
        Material::Children => (&CHILDREN, rng.index(WIDE_DEFINITIONS), Plan::family),
        Material::Fanned => (&FANNED, rng.index(WIDE_DEFINITIONS), Plan::fanned),
        Material::Forked => (&FORKED, rng.index(WIDE_DEFINITIONS), Plan::forked),
        Material::Asked => (&ASKED, rng.index(WIDE_DEFINITIONS), Plan::asked),
        Material::Governed => (&GOVERNED, rng.index(WIDE_DEFINITIONS), Plan::governed),
    };
    let mut pool = pool.get_or_init(Pool::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = pool.get(&number) {
        return Ok(known.clone());
    }
    let planned = read(&Arc::new(plan(number)))?;
    pool.insert(number, planned.clone());
    Ok(planned)
}

/// A law, and the bundle that says it.
type Laid = (Arc<Law>, Arc<Bundle>);

/// One of the laws that runs are under, and the bundle that says it.
pub(crate) fn draw_law(rng: &mut Rng) -> Result<Laid, String> {
    static LAWS: OnceLock<Mutex<BTreeMap<usize, Laid>>> = OnceLock::new();
    let number = rng.index(DEFINITIONS);
    let mut pool = LAWS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = pool.get(&number) {
        return Ok(known.clone());
    }
    let law = Law::draw(number);
    let bundle = law.bundle()?;
    pool.insert(number, (Arc::new(law), Arc::clone(&bundle)));
    pool.get(&number).cloned().ok_or_else(|| format!("law {number} is gone"))
}

/// The definition of a plan.
pub(crate) fn read(plan: &Arc<Plan>) -> Result<Planned, String> {
    let text = json::canonical(&plan.document());
    let definition = Definition::parse(&text).map_err(|err| format!("definition {}: {err}", plan.name))?;
    Ok((Arc::new(definition), Arc::clone(plan)))
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
    action ask appliesTo { principal: [User, Service, Agent], resource: [Definition], context: { n: Long } };
";
const OPEN: &str = "permit (principal, action, resource);";
const STRICT: &str = "
    permit (principal, action, resource);
    forbid (principal is Agent, action == Action::\"start\", resource);
    forbid (principal is User, action == Action::\"run\", resource) when { context.attempt > 1 };
    forbid (principal, action == Action::\"ask\", resource) when { context.n > 2 };
";

/// The bundles that a tenant has: one permits everything, one does not.
pub(crate) fn bundles() -> Result<[Arc<Bundle>; 2], String> {
    static BUNDLES: OnceLock<Result<[Arc<Bundle>; 2], String>> = OnceLock::new();
    BUNDLES.get_or_init(|| Ok([bundle("open", OPEN)?, bundle("strict", STRICT)?])).clone()
}

/// Pushes a bundle that nobody signed.
pub(crate) fn push(bundle: &Arc<Bundle>) -> Change {
    Change::BundlePush { bundle: Arc::clone(bundle), signatures: Arc::from("") }
}

/// Puts a bundle into force.
pub(crate) fn activate(bundle: &Arc<Bundle>) -> Change {
    let bundle = Arc::clone(bundle);
    Change::BundleActivate { bundle, pushed_by: PrincipalId::SYSTEM, signatures: Arc::from(""), denies: 0 }
}

fn bundle(name: &str, policies: &str) -> Result<Arc<Bundle>, String> {
    let document = json!({ "name": name, "version": 1, "schema": SCHEMA, "policies": policies });
    Bundle::parse(&json::canonical(&document)).map(Arc::new).map_err(|err| err.to_string())
}
