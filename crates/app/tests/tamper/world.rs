//! A store that an application filled: transactions that ended in every way, and some that did not.

use crate::check::copy;
use chancery_app::budgets::{self, BudgetTerms, Measure};
use chancery_app::data::DataDir;
use chancery_app::definitions::Format;
use chancery_app::evidence::Artefact;
use chancery_app::notifiers::{Channel, NotifierSettings};
use chancery_app::principals::{NewPrincipal, PrincipalPatch};
use chancery_app::receipts::{self, Subject};
use chancery_app::settings::Edit;
use chancery_app::transactions::{Start, TransactionView};
use chancery_app::{
    About, App, Caller, Closures, Config, Page, bootstrap, bundles, clock, decisions, definitions, evidence, keys,
    ledger, maintenance, notifiers, operations, overrides, principals, queues, requests, retention, schedules,
    settings, signers, signing, stops, targets, tenants, transactions,
};
use chancery_base::{Digest, Name, PrincipalKind, Secret, TargetId, TenantId, TransactionId};
use chancery_engine::{Headers, Phase, StepError};
use chancery_ledger::{Keys, Resource};
use chancery_policy::{Action, Bundle, EntityRef, Grant};
use chancery_shard::queue::QueueSettings;
use chancery_shard::retention::Expiry;
use chancery_shard::target::{Forced, TargetSettings};
use chancery_shard::trust::{self, SigningKey};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::path::Path;
use std::time::Duration;

const ORDER: &str = r#"
name: order
version: 1
key: "${{ input.id }}"
steps:
  - id: reserve
    run: {worker: reserve}
    with: {n: "${{ input.n }}"}
    compensate: {run: {worker: release}, with: {n: "${{ input.n }}"}, retry: {attempts: 1}}
  - id: charge
    after: [reserve]
    action: charge
    context: {amount: "${{ input.n }}"}
    run: {worker: charge}
    with: {n: "${{ input.n }}"}
    retry: {attempts: 2, backoff: 1ms, max: 1ms}
    compensate: {run: noop}
  - id: tell
    after: [charge]
    when: "${{ input.n > 1 }}"
    run: noop
output: {charge: "${{ steps.charge.output }}"}
"#;

const WAIT: &str = r#"
name: wait
version: 1
steps:
  - {id: first, run: noop, compensate: {run: noop}}
  - {id: second, after: [first], run: {worker: nobody}}
"#;

const TELL: &str = r#"
name: tell
version: 1
steps:
  - id: may
    run: {decide: {action: charge, resource: {type: Step, id: order/charge}}}
    context: {amount: "${{ input.n }}"}
  - id: tell
    after: [may]
    run: {emit: {type: order.told, subject: "${{ input.id }}"}}
    with: {n: "${{ input.n }}"}
    compensate: {run: {emit: {type: order.untold}}}
  - {id: charge, after: [tell], run: {worker: charge}, with: {n: "${{ input.n }}"}}
"#;

const HANG: &str = r#"
name: hang
version: 1
steps:
  - {id: hang, run: {worker: hang}, timeout: 1h}
"#;

/// Its first step asks people, and so does what is said of its second.
const ASK: &str = r#"
name: ask
version: 1
steps:
  - id: agreed
    run: {request: {title: "Charge ${{ input.id }}?", role: finance, risk: 90}}
    with: {n: "${{ input.n }}"}
  - {id: charge, run: {worker: charge}, with: {n: "${{ input.n }}"}, approval: {approvers: 2}}
"#;

const SCHEMA: &str = r#"
entity Role;
entity User in [Role] = { name: String };
entity Service in [Role] = { name: String };
entity Agent in [Role] = { name: String };
entity Definition;
entity Step in [Definition];
action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };
action charge appliesTo { principal: [User, Service, Agent], resource: [Step], context: { amount: Long } };
"#;

const POLICIES: &str = r#"
@id("all") permit (principal, action, resource);
@id("limit") forbid (principal, action == Action::"charge", resource) when { context.amount > 50 };
"#;

const OBLIGATIONS: &str = r#"
@id("charges") @obligation("budget") @budget("charges") @amount("context.amount")
permit (principal, action == Action::"charge", resource);
"#;

/// What closures make of an order: `charge` refuses from 10 on, `release` what is exactly 13.
const REFUSED: i64 = 10;
const STUCK: i64 = 13;
/// The order whose first charge fails.
const RETRIED: i64 = 5;

/// The files, and what was given out while they were made.
pub(crate) struct World {
    dir: tempfile::TempDir,
    /// As they were before anything expired.
    before: tempfile::TempDir,
    /// What believes the checkpoints.
    pub(crate) keys: Keys,
    /// Checkpoints as they were served while the logs grew.
    pub(crate) checkpoints: Vec<String>,
    /// Receipts: of a step, of a transaction, of a compensation, of an event and of one that undoes it.
    pub(crate) receipts: Vec<Vec<u8>>,
}

impl World {
    /// Has an application fill a store, twice opened, and closes it.
    pub(crate) fn make() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(make())
    }

    pub(crate) fn before_expiry(&self) -> &Path {
        self.before.path()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// One who may do everything in a tenant.
struct Owner {
    app: App,
    caller: Caller,
}

impl Owner {
    fn new(app: &App, key: &Secret) -> Self {
        Self { app: app.clone(), caller: app.authenticate(key).unwrap() }
    }

    async fn may(&self, action: Action) -> Grant {
        self.app.authorize(&self.caller, action, About::Tenant).await.unwrap()
    }

    async fn define(&self, source: &str) {
        let grant = self.may(Action::DefinitionRegister).await;
        definitions::register(&self.app, &grant, source.as_bytes(), Format::Yaml).await.unwrap();
    }

    async fn activate(&self, version: u64) {
        let (schema, policies, obligations) = (SCHEMA, POLICIES, OBLIGATIONS);
        let source = json!({"name": "shop", "version": version, "schema": schema, "policies": policies,
                            "obligations": obligations});
        let source = source.to_string();
        let pushed = bundles::push(&self.app, &self.may(Action::BundlePush).await, source.as_bytes()).await.unwrap();
        let grant = self.may(Action::BundleActivate).await;
        bundles::activate(&self.app, &grant, pushed.checked.digest, 0).await.unwrap();
    }

    async fn start(&self, definition: &str, input: Value, key: Option<&str>) -> TransactionId {
        let labels = BTreeMap::from([("channel".to_owned(), "web".to_owned())]);
        let start = Start {
            definition: definition.parse().unwrap(),
            version: None,
            input,
            idempotency_key: key.map(str::to_owned),
            labels,
            headers: BTreeMap::from([("x-user".to_owned(), "ada".to_owned())]),
            traceparent: None,
            start_at: None,
            signal: None,
            faults: Vec::new(),
        };
        transactions::start(&self.app, &self.may(Action::TransactionStart).await, start).await.unwrap().id
    }

    async fn settled(&self, id: TransactionId) -> TransactionView {
        let grant = self.may(Action::TransactionRead).await;
        transactions::wait(&self.app, &grant, id, Duration::from_secs(30)).await.unwrap()
    }

    async fn order(&self, n: i64, ends: &str) -> TransactionId {
        let input = json!({"id": format!("order-{n}"), "n": n});
        let id = self.start("order", input, Some("once")).await;
        let view = self.settled(id).await;
        assert_eq!(view.head.status.word(), ends, "order {n}: {view:?}");
        id
    }

    async fn checkpoint(&self) -> String {
        let grant = self.may(Action::LedgerRead).await;
        let served = ledger::tlog(&self.app, &grant, 0, 1, Resource::Checkpoint).await.unwrap();
        let ledger::Served::Checkpoint(note) = served else { panic!("not a checkpoint") };
        note
    }

    async fn receipt(&self, subject: Subject) -> Vec<u8> {
        receipts::json(&self.app, &self.may(Action::ReceiptRead).await, &subject).await.unwrap()
    }
}

fn closures() -> Closures {
    let n = |input: &Value| input["n"].as_i64().unwrap_or_default();
    let name = |name: &str| name.parse::<Name>().unwrap();
    Closures::new()
        .with(name("reserve"), |task| async move { Ok(json!({"reserved": task.input["n"]})) })
        .with(name("release"), move |task| {
            let stuck = n(&task.input) == STUCK;
            async move { if stuck { Err(StepError::fatal("Stuck", "it is stuck")) } else { Ok(json!("released")) } }
        })
        .with(name("charge"), move |task| {
            let (n, attempt) = (n(&task.input), task.attempt);
            async move {
                match (n, attempt) {
                    (RETRIED, 1) => Err(StepError::new("Busy", "come again")),
                    (REFUSED.., _) => Err(StepError::fatal("Refused", "not this one")),
                    _ => Ok(json!({"charge": n * 100})),
                }
            }
        })
        .with(name("hang"), |_| pending())
}

async fn open(dir: &Path) -> (App, Keys) {
    open_with(dir, Expiry::NIGHTLY).await
}

async fn open_with(dir: &Path, expiry: Expiry) -> (App, Keys) {
    let data = DataDir::open(dir).unwrap();
    let keys = Keys::one(data.keys.log.verifier());
    let config = Config {
        integrate_every: Duration::from_millis(2),
        checkpoint_every: Duration::from_millis(20),
        drain: Duration::from_millis(50),
        expiry,
        ..Config::new("main", "node-1")
    };
    (App::open(config, data.keys, data.store, closures()).await.unwrap(), keys)
}

async fn make() -> World {
    let dir = tempfile::tempdir().unwrap();
    let cluster: Name = "main".parse().unwrap();
    let root = bootstrap::init(DataDir::create(dir.path(), &cluster).unwrap(), &cluster).await.unwrap();

    let (app, keys) = open(dir.path()).await;
    let platform = Owner::new(&app, &root.key);
    let mut checkpoints = vec![platform.checkpoint().await];
    let mut owners = Vec::new();
    for tenant in ["acme", "beta"] {
        let tenant: TenantId = tenant.parse().unwrap();
        let made = tenants::create(&app, &platform.may(Action::TenantCreate).await, tenant).await.unwrap();
        let owner = Owner::new(&app, &made.owner.key);
        for definition in [ORDER, &ORDER.replace("version: 1", "version: 2"), WAIT, TELL, HANG, ASK] {
            owner.define(definition).await;
        }
        owner.activate(1).await;
        if owner.caller.tenant().as_str() == "acme" {
            owner.activate(2).await;
        }
        people(&owner).await;
        set(&owner, 1).await;
        set(&owner, 2).await;
        reached(&owner).await;
        scheduled(&owner).await;
        set(&owner, 3).await;
        owners.push((made.owner.key, owner));
    }
    let acme = &owners[0].1;
    let first = run_all(acme).await;
    owners[1].1.order(2, "completed").await;
    checkpoints.push(acme.checkpoint().await);
    let receipts = receipts(acme, &first).await;
    app.shutdown().await.unwrap();
    let key = owners.swap_remove(0).0;
    // Who still has the application has the files.
    drop((platform, owners, app));

    let before = copy(dir.path());
    expire(dir.path(), &key, [first.completed, first.asked]).await;

    // The next owner of the logs goes on with what the first ones left.
    let (app, _) = open(dir.path()).await;
    let acme = &Owner::new(&app, &key);
    for n in 100..130 {
        acme.order(n, "compensated").await;
    }
    acme.order(3, "completed").await;
    let again = acme.start("order", json!({"id": "order-3", "n": 4}), None).await;
    acme.settled(again).await;
    acme.start("hang", json!({}), None).await;
    for on in [true, false, true] {
        let grant = acme.may(Action::MaintenanceSet).await;
        maintenance::set(&app, &grant, on, "the disks are exchanged".to_owned()).await.unwrap();
    }
    for days in [Some(20), None, Some(30)] {
        let retention = retention::Retention { transactions_ms: days.map(|days: u64| days * 86_400_000) };
        retention::set(&app, &acme.may(Action::RetentionSet).await, retention).await.unwrap();
    }
    sign(acme).await;
    checkpoints.push(acme.checkpoint().await);
    app.shutdown().await.unwrap();
    World { dir, before, keys, checkpoints, receipts }
}

/// Has all that has ended expire, a few at a time.
async fn expire(dir: &Path, key: &Secret, until: [TransactionId; 2]) {
    let millis = Duration::from_millis;
    let soon = Expiry { every: millis(20), retention: millis(0), at_once: 3, pause: millis(1), ..Expiry::NIGHTLY };
    let (app, _) = open_with(dir, soon).await;
    let owner = Owner::new(&app, key);
    let read = owner.may(Action::TransactionRead).await;
    for id in until {
        while transactions::get(&app, &read, id).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
    app.shutdown().await.unwrap();
}

/// What is receipted.
struct Ran {
    completed: TransactionId,
    /// The last one that asked people and ended.
    asked: TransactionId,
    undone: TransactionId,
    told: TransactionId,
}

/// Transactions that end in every way.
async fn run_all(owner: &Owner) -> Ran {
    let app = &owner.app;
    let completed = owner.order(2, "completed").await;
    owner.order(1, "completed").await;
    owner.order(RETRIED, "completed").await;
    let undone = owner.order(REFUSED, "compensated").await;
    owner.order(60, "compensated").await;
    owner.order(STUCK, "parked").await;
    let cancelled = owner.start("wait", json!({}), None).await;
    let grant = owner.may(Action::TransactionCancel).await;
    operations::cancel(app, &grant, cancelled, "changed their mind".to_owned()).await.unwrap();
    assert_eq!(owner.settled(cancelled).await.head.status.word(), "cancelled");
    asked(owner, 3, false).await;
    asked(owner, 1, true).await;
    let asked = asked(owner, 2, true).await;
    let terminated = owner.start("wait", json!({}), None).await;
    let grant = owner.may(Action::TransactionTerminate).await;
    operations::terminate(app, &grant, terminated, "enough".to_owned()).await.unwrap();
    owner.start("wait", json!({"left": true}), None).await;
    owner.start("hang", json!({}), None).await;
    let question = decisions::Question {
        who: decisions::Who::Caller,
        action: "charge".to_owned(),
        resource_type: "Step".to_owned(),
        resource_id: "order/charge".to_owned(),
        resource_attributes: Map::new(),
        context: json!({"amount": 70}).as_object().unwrap().clone(),
    };
    decisions::decide(app, &owner.may(Action::DecisionMake).await, question).await.unwrap();
    let told = owner.start("tell", json!({"id": "order-2", "n": 2}), None).await;
    assert_eq!(owner.settled(told).await.head.status.word(), "completed");
    let told = owner.start("tell", json!({"id": "order-60", "n": 60}), None).await;
    assert_eq!(owner.settled(told).await.head.status.word(), "compensated");
    Ran { completed, asked, undone, told }
}

/// What asks people twice: left so, or cancelled.
async fn asked(owner: &Owner, n: i64, is_cancelled: bool) -> TransactionId {
    let id = owner.start("ask", json!({"id": format!("ask-{n}"), "n": n}), None).await;
    let grant = owner.may(Action::RequestRead).await;
    let query = || requests::Query { transaction: Some(id), ..requests::Query::default() };
    while requests::list(&owner.app, &grant, query(), Page::default()).await.unwrap().items.len() < 2 {
        tokio::task::yield_now().await;
    }
    if is_cancelled {
        let grant = owner.may(Action::TransactionCancel).await;
        operations::cancel(&owner.app, &grant, id, "nobody answers".to_owned()).await.unwrap();
        assert_eq!(owner.settled(id).await.head.status.word(), "cancelled");
    }
    id
}

/// Principals that were made, changed, suspended, and keys that were issued and revoked.
async fn people(owner: &Owner) {
    let app = &owner.app;
    for (kind, name) in [(PrincipalKind::Agent, "buyer"), (PrincipalKind::Service, "shop")] {
        let new = NewPrincipal { kind, name: name.to_owned(), roles: BTreeSet::new(), attributes: Map::new() };
        let made = principals::create(app, &owner.may(Action::PrincipalCreate).await, new).await.unwrap();
        let patch = PrincipalPatch { suspended: Some(name == "shop"), ..PrincipalPatch::default() };
        principals::set(app, &owner.may(Action::PrincipalSet).await, made.id, patch).await.unwrap();
        let hour = Some(Duration::from_secs(3_600));
        keys::issue(app, &owner.may(Action::KeyIssue).await, made.id, hour).await.unwrap();
        let key = keys::issue(app, &owner.may(Action::KeyIssue).await, made.id, None).await.unwrap();
        keys::revoke(app, &owner.may(Action::KeyRevoke).await, key.id).await.unwrap();
    }
}

/// Targets that were set and held, queues that were set and forgotten, stops that were set and lifted, budgets that were
/// set and deleted, artefacts, and signing secrets that were issued and retired.
async fn reached(owner: &Owner) {
    let app = &owner.app;
    let target: TargetId = "https://payments.example".parse().unwrap();
    for (id, rate) in [(&target, 5), (&TargetId::fallback(), 9)] {
        let settings = TargetSettings { rate: Some(rate), ..TargetSettings::default() };
        targets::set(app, &owner.may(Action::TargetSet).await, id, settings).await.unwrap();
    }
    let grant = owner.may(Action::TargetForce).await;
    targets::force(app, &grant, &target, Some(Forced::Open), "they migrate".to_owned()).await.unwrap();
    for (queue, concurrency) in [("charge", 40), ("gone", 41), ("reserve", 42)] {
        let settings = QueueSettings { concurrency: Some(concurrency), ..QueueSettings::default() };
        let grant = owner.may(Action::QueueSet).await;
        queues::set(app, &grant, &queue.parse().unwrap(), settings).await.unwrap();
    }
    let grant = owner.may(Action::QueueSet).await;
    queues::reset(app, &grant, &"gone".parse().unwrap()).await.unwrap();
    for (action, is_lifted) in [("refund", false), ("void", true)] {
        let (on, why) = (stops::StopOn::Action(action.parse().unwrap()), "under review".to_owned());
        let set = stops::set(app, &owner.may(Action::StopSet).await, on, why.clone()).await.unwrap();
        if is_lifted {
            stops::lift(app, &owner.may(Action::StopLift).await, set.stop.id, why).await.unwrap();
        }
    }
    for budget in ["charges", "gone", "refunds"] {
        let terms = BudgetTerms {
            limit: 1_000_000,
            measure: Measure::Amount,
            per: "definition".parse().unwrap(),
            unit: Some("EUR cents".to_owned()),
            window: Some("month".parse().unwrap()),
        };
        let name = budget.parse().unwrap();
        budgets::set(app, &owner.may(Action::BudgetSet).await, &name, terms).await.unwrap();
    }
    budgets::delete(app, &owner.may(Action::BudgetSet).await, &"gone".parse().unwrap()).await.unwrap();
    let grant = owner.may(Action::EvidenceRead).await;
    let own = format!("an assessment of {}", grant.tenant()).into_bytes();
    for (content, digest) in [(Some(own), None), (None, Some(Digest::of(b"elsewhere")))] {
        let artefact = Artefact {
            name: "dpia".parse().unwrap(),
            media_type: "text/plain".to_owned(),
            content,
            digest,
            link: None,
            keep: None,
            bound: None,
        };
        evidence::add(app, &owner.may(Action::EvidenceAdd).await, artefact).await.unwrap();
    }
    told_and_answered_for(owner).await;
    for target in [None, Some(target)] {
        let grant = owner.may(Action::SigningSecretIssue).await;
        signing::issue(app, &grant, target.clone()).await.unwrap();
        let gone = signing::issue(app, &grant, target).await.unwrap();
        signing::retire(app, &owner.may(Action::SigningSecretRetire).await, gone.id).await.unwrap();
    }
}

/// Notifiers that were set and deleted, and overrides that were asked for and taken back.
async fn told_and_answered_for(owner: &Owner) {
    let app = &owner.app;
    let names: [Name; 3] = ["desk", "gone", "site"].map(|name| name.parse().unwrap());
    for name in &names {
        let url = format!("https://{name}.example/asked");
        let events = BTreeSet::from(["override.reviewed".to_owned()]);
        let settings = NotifierSettings { channel: Channel::Webhook { url }, events };
        notifiers::set(app, &owner.may(Action::NotifierSet).await, name.clone(), settings, None).await.unwrap();
    }
    notifiers::delete(app, &owner.may(Action::NotifierSet).await, &names[1]).await.unwrap();
    for (action, is_taken_back) in [("refund", false), ("void", true)] {
        let grant = owner.may(Action::OverrideRequest).await;
        let (principal, action, resource) = (grant.principal(), action.to_owned(), EntityRef::new("Order", "17"));
        let asked = overrides::Asked::Access { principal, action, resource };
        let (until, why) = (clock::now().plus(Duration::from_secs(3_600)), "the policy is being mended".to_owned());
        let kind = overrides::OverrideKind::TimeLimitedException;
        let over = overrides::request(app, &grant, kind, asked, until, why.clone()).await.unwrap();
        if is_taken_back {
            let grant = owner.may(Action::OverrideRevoke).await;
            overrides::say(app, &grant, over.id, overrides::OverrideSay::Revoke, why).await.unwrap();
        }
    }
}

/// Settings, which what begins from then on sees.
async fn set(owner: &Owner, stage: u32) {
    let values = json!({"PAYMENTS": "https://pay.example", "STAGE": stage}).as_object().unwrap().clone();
    let grant = owner.may(Action::SettingsSet).await;
    settings::set(&owner.app, &grant, Edit::Put(values), None).await.unwrap();
}

/// Schedules: one that has started, one that could not, one that is paused, and one that is gone.
async fn scheduled(owner: &Owner) {
    let app = &owner.app;
    let terms = |definition: &str, version| schedules::Terms {
        definition: definition.parse().unwrap(),
        version,
        labels: BTreeMap::new(),
        headers: Headers::default(),
        when: schedules::When::Cron("30 2 * * *".to_owned()),
        zone: "Europe/Berlin".to_owned(),
        from: None,
        until: None,
        overlap: schedules::Overlap::BufferOne,
        catch_up: schedules::CatchUp::Last,
        window_ms: 3_600_000,
    };
    let names: Vec<Name> = ["gone", "nightly", "paused", "waiting"].map(|name| name.parse().unwrap()).into();
    for name in &names {
        let grant = owner.may(Action::ScheduleCreate).await;
        schedules::create(app, &grant, name, terms("wait", None), json!({"of": "${{ schedule.due }}"})).await.unwrap();
    }
    let [gone, nightly, paused, waiting] = names.as_slice() else { panic!() };
    for name in [nightly, waiting, waiting] {
        let grant = owner.may(Action::ScheduleTrigger).await;
        schedules::trigger(app, &grant, name, None).await.unwrap();
    }
    schedules::pause(app, &owner.may(Action::SchedulePause).await, paused, "a test".to_owned()).await.unwrap();
    let grant = owner.may(Action::ScheduleSet).await;
    schedules::set(app, &grant, nightly, terms("wait", Some(1)), json!(null)).await.unwrap();
    schedules::delete(app, &owner.may(Action::ScheduleDelete).await, gone).await.unwrap();
}

async fn receipts(owner: &Owner, ran: &Ran) -> Vec<Vec<u8>> {
    let of_step = |transaction, step: &str, phase| Subject::Step { transaction, step: step.to_owned(), phase };
    vec![
        owner.receipt(of_step(ran.completed, "charge", Phase::Do)).await,
        owner.receipt(Subject::Transaction(ran.completed)).await,
        owner.receipt(of_step(ran.undone, "reserve", Phase::Undo)).await,
        owner.receipt(of_step(ran.told, "tell", Phase::Do)).await,
        owner.receipt(of_step(ran.told, "tell", Phase::Undo)).await,
    ]
}

/// Says whose signatures of bundles count, and pushes a bundle whose signature comes after it.
async fn sign(owner: &Owner) {
    let key = SigningKey::from_seed("ann".parse().unwrap(), &[7; 32]);
    signers::add(&owner.app, &owner.may(Action::SignerAdd).await, &key.verifier().to_string()).await.unwrap();
    let mut document = json!({"name": "shop", "version": 9, "schema": SCHEMA, "policies": POLICIES});
    let bundle = Bundle::parse(document.to_string().as_bytes()).unwrap();
    for signed in [false, true] {
        if signed {
            let note = trust::sign((&bundle).into(), &key).unwrap();
            document["signatures"] = json!(note.to_string());
        }
        let grant = owner.may(Action::BundlePush).await;
        bundles::push(&owner.app, &grant, document.to_string().as_bytes()).await.unwrap();
    }
}
