//! One who drives a shard: pushes inputs, carries out its calls at once, keeps the answers.

use super::watch::Watch;
use chancery_base::Document;
use chancery_base::*;
use chancery_engine::definition::Definition;
use chancery_engine::{Fault, Headers, ShownStatus, Signal, Status};
use chancery_policy::{Bundle, Principal};
use chancery_shard::input::*;
use chancery_shard::queue::QueueSettings;
use chancery_shard::row::{ControlRow, LogId, TenantRow};
use chancery_shard::token::AttemptRef;
use chancery_shard::{Batch, Call, Config, Poll, Reply, Shard, TaskToken, TokenKey};
use chancery_store::scan::Scan;
use chancery_store::{SimStore, Store};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

pub(super) const SCHEMA: &str =
    "entity Definition; entity Step in [Definition]; entity User; entity Service; entity Agent;
    action start appliesTo { principal: [User, Service, Agent], resource: [Definition], context: {} };
    action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };
    action greet appliesTo { principal: [User, Service, Agent], resource: [Step], context: { times: Long } };
    action charge appliesTo { principal: [User, Service, Agent], resource: [Step], context: { amount: Long } };";

#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) store: SimStore,
    pub(crate) actor: Principal,
    pub(crate) worker: Principal,
    /// What the worker takes from.
    pub(crate) queues: Vec<Queue>,
    pub(crate) watch: Rc<Watch>,
    pub(crate) logs: Vec<LogId>,
    definitions: BTreeMap<String, Arc<Definition>>,
}

#[derive(Debug)]
pub(crate) struct Hand {
    pub(crate) shard: Shard,
    pub(crate) now: Timestamp,
    pub(crate) entropy: Entropy,
    store: SimStore,
    watch: Rc<Watch>,
    tenant: TenantId,
    log: LogId,
    shards: u16,
    number: u16,
    actor: PrincipalId,
    worker: PrincipalId,
    queues: Vec<Queue>,
    definitions: BTreeMap<String, Arc<Definition>>,
    answers: HashMap<ReplyTo, Result<Response, Refusal>>,
    settled: HashMap<TransactionId, (Status, Option<Value>)>,
    next: u64,
}

pub(crate) fn signal(name: &str, id: Option<&str>) -> Signal {
    let payload = Document::shared(json!({ "name": name, "id": id }));
    Signal { name: name.parse().unwrap(), id: id.map(str::to_owned), payload }
}

pub(crate) fn output(value: Value) -> ReportedOutcome {
    ReportedOutcome::Completed(Document::shared(value))
}

impl Tenant {
    /// A tenant `acme` whose bundle permits everything.
    pub(crate) fn new(shards: u16, definitions: &[&str]) -> Self {
        let (store, now) = (SimStore::new(), Timestamp::from_micros(1_795_246_020_000_000));
        let row = |tenant: &TenantId, shards| TenantRow {
            tenant: tenant.clone(),
            shards,
            hash_key: [5; 32],
            created_at: now,
        };
        let system = TenantId::system();
        let handle = store.clone();
        let mut made = handle.bootstrap(row(&system, 1), "test/system/0/1".parse().unwrap());
        let made = made.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let std::task::Poll::Ready(Ok(log)) = made else { panic!("{made:?}") };
        let Reply::Owned(Ok(log)) = store.answer(Call::Own { log: log.id }, "test") else { panic!() };
        let id: TenantId = "acme".parse().unwrap();
        let origins = (0..shards).map(|shard| format!("test/acme/{shard}/1").parse().unwrap()).collect();
        let batch = Batch { control: vec![ControlRow::Tenant(row(&id, shards), origins)], ..Batch::after(&log) };
        assert!(matches!(store.answer(Call::Commit(Box::new(batch)), "test"), Reply::Committed(Ok(()))));
        let logs = Scan::logs(&store).unwrap().into_iter().filter(|log| log.tenant == id).map(|log| log.id).collect();
        let mut entropy = Entropy::from_seed([1; 32]);
        let mut principal = |name| Principal::new(PrincipalId::draw(PrincipalKind::Service, now, &mut entropy), name);
        let (actor, worker) = (principal("shop"), principal("worker"));
        let parse = |text: &&str| Arc::new(Definition::parse(text.as_bytes()).unwrap());
        let definitions: Vec<Arc<Definition>> = definitions.iter().map(parse).collect();
        let by_name = definitions.iter().map(|definition| (definition.name.to_string(), Arc::clone(definition)));
        let queues = ["w", "undo"].map(|name| Queue::Worker(name.parse().unwrap())).to_vec();
        let (watch, by_name) = (Rc::default(), by_name.collect());
        let tenant = Self { id, store, actor, worker, queues, watch, logs, definitions: by_name };
        tenant.fill(definitions);
        tenant
    }

    /// The definition of this name.
    pub(crate) fn definition(&self, name: &str) -> &Arc<Definition> {
        &self.definitions[name]
    }

    fn fill(&self, definitions: Vec<Arc<Definition>>) {
        let document = json!({"name": "open", "version": 1, "schema": SCHEMA, "policies": "permit (principal, action, resource);"});
        let bundle = Arc::new(Bundle::parse(&json::canonical(&document)).unwrap());
        let mut hand = self.hand(0);
        let people = [&self.actor, &self.worker].map(|principal| Change::PrincipalCreate(principal.clone()));
        let bundles = in_force(&bundle);
        for change in people.into_iter().chain(definitions.into_iter().map(Change::Register)).chain(bundles) {
            assert!(matches!(hand.change(change), Ok(Response::Done { seq: Some(_) })));
        }
    }

    /// A shard of the tenant that owns its log.
    pub(crate) fn hand(&self, number: u16) -> Hand {
        self.hand_at(number, Timestamp::from_micros(1_795_246_020_000_000))
    }

    pub(crate) fn hand_at(&self, number: u16, now: Timestamp) -> Hand {
        self.hand_with(number, now, |config| config)
    }

    /// The same, with other settings.
    pub(crate) fn hand_with(&self, number: u16, now: Timestamp, settings: impl FnOnce(Config) -> Config) -> Hand {
        let log = self.logs[usize::from(number)];
        let mut hand = Hand {
            // Whatever only waits leaves memory at once.
            shard: Shard::new(settings(Config { resting_max: 0, ..Config::new(log, TokenKey::new([7; 32])) })),
            now,
            entropy: Entropy::from_seed([u8::try_from(number).unwrap(); 32]),
            store: self.store.clone(),
            watch: Rc::clone(&self.watch),
            tenant: self.id.clone(),
            log,
            shards: u16::try_from(self.logs.len()).unwrap(),
            number,
            actor: self.actor.id,
            worker: self.worker.id,
            queues: self.queues.clone(),
            definitions: self.definitions.clone(),
            answers: HashMap::new(),
            settled: HashMap::new(),
            next: 0,
        };
        // Ids of another hand at the same time must differ.
        hand.entropy = Entropy::from_seed(
            *Digest::of(format!("{number} {:?}", Scan::logs(&self.store).unwrap()).as_bytes()).as_bytes(),
        );
        hand.run();
        hand
    }
}

impl Hand {
    pub(crate) fn push(&mut self, command: Command) -> ReplyTo {
        self.next += 1;
        self.shard.push(Input { reply: ReplyTo(self.next), command });
        ReplyTo(self.next)
    }

    /// Carries out what the shard asks for until it waits.
    pub(crate) fn run(&mut self) {
        for _ in 0..1_000 {
            if self.watch.is_dead() {
                return;
            }
            let poll = self.shard.poll(self.now, &mut self.entropy);
            self.hear();
            let Poll::Call(call) = poll else { return };
            let Some(reply) = self.watch.carry_out(&self.store, call) else { return };
            self.shard.reply(reply, self.now);
            self.hear();
        }
        panic!("the shard does not come to rest");
    }

    /// Lets the shard build a batch, and gives it instead of committing it.
    pub(crate) fn send(&mut self) -> Box<Batch> {
        let poll = self.shard.poll(self.now, &mut self.entropy);
        self.hear();
        let Poll::Call(Call::Commit(batch)) = poll else { panic!("{poll:?}") };
        batch
    }

    /// Lets the shard go on while a batch is out.
    pub(crate) fn go_on(&mut self) {
        let poll = self.shard.poll(self.now, &mut self.entropy);
        assert!(matches!(poll, Poll::Wait(None)), "{poll:?}");
        self.hear();
    }

    /// Commits a batch that was sent, and hears what the shard says then.
    pub(crate) fn commit(&mut self, batch: Box<Batch>) {
        let reply = self.store.answer(Call::Commit(batch), "test");
        self.shard.reply(reply, self.now);
        self.hear();
    }

    fn hear(&mut self) {
        for effect in self.shard.effects() {
            self.effect(effect);
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Reply(to, answer) => {
                let before = self.answers.insert(to, answer);
                assert!(before.is_none(), "{to:?} was answered twice");
            }
            Effect::Settled(id, summary) => {
                let output = summary.output.as_deref().map(|output| output.value().clone());
                // What settled is neither paused nor waiting.
                let status = Status::from_word(summary.status.word()).unwrap();
                self.settled.insert(id, (status, output));
            }
            Effect::Grown(..)
            | Effect::Control(_)
            | Effect::Notified(_)
            | Effect::TenantCreated(_)
            | Effect::Fenced
            | Effect::Observed(_)
            | Effect::Expired(_) => {}
        }
    }

    /// Lets time pass, with a look at every tenth of a second.
    pub(crate) fn wait(&mut self, duration: Duration) {
        let until = self.now.plus(duration);
        while self.now < until {
            self.now = self.now.plus(Duration::from_millis(100)).min(until);
            self.run();
        }
    }

    pub(crate) fn answer_of(&mut self, to: ReplyTo) -> Option<Result<Response, Refusal>> {
        self.answers.remove(&to)
    }

    pub(crate) fn ask(&mut self, command: Command) -> Result<Response, Refusal> {
        let to = self.push(command);
        self.run();
        self.answer_of(to).unwrap_or_else(|| Err(self.watch.no_answer()))
    }

    pub(crate) fn change(&mut self, change: Change) -> Result<Response, Refusal> {
        self.ask(Command::Control(Box::new(ControlChange { actor: PrincipalId::SYSTEM, change })))
    }

    pub(crate) fn push_suspend(&mut self, principal: &Principal, suspended: bool) -> ReplyTo {
        let change = Change::PrincipalSet(Principal { suspended, ..principal.clone() });
        self.push(Command::Control(Box::new(ControlChange { actor: PrincipalId::SYSTEM, change })))
    }

    pub(crate) fn suspend(&mut self, principal: &Principal, suspended: bool) {
        let to = self.push_suspend(principal, suspended);
        self.run();
        assert!(matches!(self.answer_of(to), Some(Ok(Response::Done { seq: Some(_) }))));
    }

    pub(crate) fn push_start(
        &mut self,
        name: &str,
        input: Value,
        key: Option<&str>,
        business: Option<&str>,
    ) -> ReplyTo {
        let start = self.a_start(name, input, key, business);
        self.push(Command::Start(Box::new(start)))
    }

    /// Starts something in which something goes wrong.
    pub(crate) fn start_faulty(
        &mut self,
        name: &str,
        key: Option<&str>,
        faults: Vec<Fault>,
    ) -> Result<TransactionId, Refusal> {
        let start = Start { faults, ..self.a_start(name, json!({"n": 1}), key, None) };
        let response = self.ask(Command::Start(Box::new(start)))?;
        let Response::Started { id, .. } = response else { panic!("{response:?}") };
        Ok(id)
    }

    /// The same, told this beside its input.
    pub(crate) fn start_told(
        &mut self,
        name: &str,
        key: Option<&str>,
        headers: Headers,
    ) -> Result<TransactionId, Refusal> {
        let start = Start { headers, ..self.a_start(name, json!({}), key, None) };
        let response = self.ask(Command::Start(Box::new(start)))?;
        let Response::Started { id, .. } = response else { panic!("{response:?}") };
        Ok(id)
    }

    fn a_start(&mut self, name: &str, input: Value, key: Option<&str>, business: Option<&str>) -> Start {
        let slot = match business.or(key) {
            Some(key) => Slot::of_key(&self.tenant, key),
            None => Slot::new(self.number * (4096 / self.shards)).unwrap(),
        };
        Start {
            id: TransactionId::draw(self.now, slot, &mut self.entropy),
            actor: self.actor,
            definition: Arc::clone(&self.definitions[name]),
            version_asked: None,
            input: Document::shared(input),
            idempotency_key: key.map(str::to_owned),
            business_key: business.map(str::to_owned),
            labels: BTreeMap::new(),
            headers: Headers::default(),
            traceparent: None,
            start_at: None,
            signal: None,
            faults: Vec::new(),
            is_closed: false,
        }
    }

    /// The same, to begin later or with a signal: how it was answered.
    pub(crate) fn start_with(
        &mut self,
        name: &str,
        key: Option<&str>,
        business: Option<&str>,
        start_at: Option<Timestamp>,
        signal: Option<Signal>,
    ) -> Result<(TransactionId, bool, ShownStatus), Refusal> {
        let slot = business.or(key).map_or(Slot::new(0).unwrap(), |key| Slot::of_key(&self.tenant, key));
        let start = Start {
            id: TransactionId::draw(self.now, slot, &mut self.entropy),
            actor: self.actor,
            definition: Arc::clone(&self.definitions[name]),
            version_asked: None,
            input: Document::shared(json!({})),
            idempotency_key: key.map(str::to_owned),
            business_key: business.map(str::to_owned),
            labels: BTreeMap::new(),
            headers: Headers::default(),
            traceparent: None,
            start_at,
            signal,
            faults: Vec::new(),
            is_closed: false,
        };
        let response = self.ask(Command::Start(Box::new(start)))?;
        let Response::Started { id, existing, status } = response else { panic!("{response:?}") };
        Ok((id, existing, status))
    }

    pub(crate) fn signal(&mut self, id: TransactionId, name: &str, with_id: Option<&str>) -> Result<bool, Refusal> {
        self.send_signal(id, signal(name, with_id))
    }

    /// The same with what it says; whether one with its id had come.
    pub(crate) fn send_signal(&mut self, id: TransactionId, signal: Signal) -> Result<bool, Refusal> {
        let operation = Operation { id, actor: self.actor, justification: String::new() };
        let answer = self.ask(Command::Signal(operation, signal))?;
        let Response::Signalled { existing, .. } = answer else { panic!("{answer:?}") };
        Ok(existing)
    }

    /// A call of the driver of an open transaction.
    pub(crate) fn drive(&mut self, id: TransactionId, driving: Driving) -> Result<Driven, Refusal> {
        let answer = self.ask(Command::Drive(Box::new(Drive { id, actor: self.actor, driving })))?;
        let Response::Driven(driven) = answer else { panic!("{answer:?}") };
        Ok(*driven)
    }

    pub(crate) fn pause(&mut self, id: TransactionId) {
        self.operate(Command::Pause, id);
    }

    pub(crate) fn resume(&mut self, id: TransactionId) {
        self.operate(Command::Resume, id);
    }

    pub(crate) fn cancel(&mut self, id: TransactionId) {
        self.operate(Command::Cancel, id);
    }

    fn operate(&mut self, command: impl Fn(Operation) -> Command, id: TransactionId) {
        let operation = Operation { id, actor: self.actor, justification: "a test".to_owned() };
        let answer = self.ask(command(operation));
        assert!(matches!(answer, Ok(Response::Operated(_))), "{answer:?}");
    }

    /// The status in a transaction's row, and when it wakes.
    pub(crate) fn row(&self, id: TransactionId) -> (&'static str, Option<Timestamp>) {
        let (head, _) = self.store.standing(id).unwrap();
        (head.status, head.wake_at)
    }

    /// The kinds of a transaction's entries.
    pub(crate) fn kinds(&self, id: TransactionId) -> Vec<String> {
        let entries = self.store.dump().entries.remove(&self.log).unwrap();
        let of_it = entries.iter().filter(|entry| entry.transaction.is_some_and(|(of, _)| of == id));
        of_it.map(|entry| chancery_ledger::Record::parse(&entry.record).unwrap().kind.to_string()).collect()
    }

    pub(crate) fn is_settled(&self, id: TransactionId) -> bool {
        self.settled.contains_key(&id)
    }

    pub(crate) fn start(
        &mut self,
        name: &str,
        input: Value,
        key: Option<&str>,
        business: Option<&str>,
    ) -> Result<TransactionId, Refusal> {
        let to = self.push_start(name, input, key, business);
        self.run();
        let response = self.answer_of(to).unwrap_or_else(|| Err(self.watch.no_answer()))?;
        let Response::Started { id, .. } = response else { panic!("{response:?}") };
        Ok(id)
    }

    /// Starts what runs a definition, and lets it run.
    pub(crate) fn start_of(&mut self, definition: &Arc<Definition>, input: Value) -> TransactionId {
        self.definitions.insert(definition.name.to_string(), Arc::clone(definition));
        self.start(definition.name.as_str(), input, None, None).unwrap()
    }

    fn call(&self, instance: &str, done: Vec<Report>, holding: &[TaskToken], takes: bool, hold: Duration) -> Command {
        let queues = self.queues.iter().map(|queue| (queue.clone(), 10));
        Command::Exchange(Exchange {
            worker: Worker { principal: self.worker, instance: Arc::from(instance) },
            version: None,
            key: None,
            queues: if takes { queues.collect() } else { Vec::new() },
            done,
            holding: holding.to_vec(),
            hold_until: self.now.plus(hold),
        })
    }

    /// Takes as the caller of URLs does: so many for each target, and so many for others.
    pub(crate) fn take_calls(&mut self, named: &[(&str, u32)], others: u32) -> Vec<Arc<Task>> {
        let named = named.iter().map(|(target, want)| (Queue::Http(target.parse().unwrap()), *want));
        let queues = named.chain([(Queue::AnyHttp, others)]).collect();
        let Command::Exchange(call) = self.call("http", Vec::new(), &[], true, Duration::ZERO) else { panic!() };
        self.exchange(Command::Exchange(Exchange { queues, ..call })).unwrap().tasks
    }

    /// Takes so many of each queue, as an instance that nobody has seen before.
    pub(crate) fn take_of(&mut self, queues: &[(&str, u32)]) -> Vec<Arc<Task>> {
        let queues = queues.iter().map(|(queue, want)| (Queue::Worker(queue.parse().unwrap()), *want)).collect();
        let instance = format!("fresh-{}", self.next);
        let Command::Exchange(call) = self.call(&instance, Vec::new(), &[], true, Duration::ZERO) else { panic!() };
        self.exchange(Command::Exchange(Exchange { queues, ..call })).unwrap().tasks
    }

    /// Takes ten of each queue as an instance of a version.
    pub(crate) fn take_as_version(&mut self, instance: &str, version: Option<&str>) -> Exchanged {
        let Command::Exchange(call) = self.call(instance, Vec::new(), &[], true, Duration::ZERO) else { panic!() };
        self.exchange(Command::Exchange(Exchange { version: version.map(Arc::from), ..call })).unwrap()
    }

    /// Takes ten of each queue as an instance that presents a key, or none.
    pub(crate) fn take_with_key(&mut self, instance: &str, key: Option<PublicKey>) -> Vec<Arc<Task>> {
        let Command::Exchange(call) = self.call(instance, Vec::new(), &[], true, Duration::ZERO) else { panic!() };
        self.exchange(Command::Exchange(Exchange { key, ..call })).unwrap().tasks
    }

    /// Revokes the capability token of an attempt.
    pub(crate) fn revoke(&mut self, attempt: AttemptRef) -> Result<Response, Refusal> {
        let (id, justification) = (attempt.transaction, "a test".to_owned());
        self.ask(Command::RevokeCapability(Operation { id, actor: self.actor, justification }, attempt))
    }

    /// A call of an instance of a version that waits for tasks.
    pub(crate) fn open_as_version(&mut self, instance: &str, version: Option<&str>) -> ReplyTo {
        let Command::Exchange(call) = self.call(instance, Vec::new(), &[], true, Duration::from_secs(60)) else {
            panic!()
        };
        let to = self.push(Command::Exchange(Exchange { version: version.map(Arc::from), ..call }));
        self.run();
        to
    }

    /// Sets what a queue is given.
    pub(crate) fn limit(&mut self, queue: &str, settings: QueueSettings) {
        let set = self.change(Change::QueueSet { queue: queue.parse().unwrap(), settings });
        assert!(matches!(set, Ok(Response::Done { .. })), "{set:?}");
    }

    fn exchange(&mut self, command: Command) -> Result<Exchanged, Refusal> {
        let response = self.ask(command)?;
        let Response::Exchanged(exchanged) = response else { panic!("{response:?}") };
        Ok(exchanged)
    }

    pub(crate) fn push_report(&mut self, task: &Task, outcome: ReportedOutcome) -> ReplyTo {
        let done = vec![Report { task: task.token, outcome }];
        self.push(self.call("one", done, &[], false, Duration::ZERO))
    }

    pub(crate) fn push_terminate(&mut self, id: TransactionId) -> ReplyTo {
        let justification = "enough".to_owned();
        self.push(Command::Terminate(Operation { id, actor: self.actor, justification }))
    }

    pub(crate) fn push_call(&mut self, instance: &str) -> ReplyTo {
        self.push(self.call(instance, Vec::new(), &[], true, Duration::from_secs(60)))
    }

    /// A call that reports and takes.
    pub(crate) fn push_call_with(&mut self, instance: &str, task: &Task, outcome: ReportedOutcome) -> ReplyTo {
        let done = vec![Report { task: task.token, outcome }];
        self.push(self.call(instance, done, &[], true, Duration::from_secs(60)))
    }

    /// A call that waits for tasks.
    pub(crate) fn open_call(&mut self) -> ReplyTo {
        let to = self.push(self.call("one", Vec::new(), &[], true, Duration::from_secs(60)));
        self.run();
        to
    }

    pub(crate) fn take_as(&mut self, instance: &str) -> Vec<Arc<Task>> {
        let call = self.call(instance, Vec::new(), &[], true, Duration::ZERO);
        self.exchange(call).unwrap().tasks
    }

    /// The same, where the shard may not answer.
    pub(crate) fn try_take(&mut self) -> Result<Vec<Arc<Task>>, Refusal> {
        let call = self.call("one", Vec::new(), &[], true, Duration::ZERO);
        self.exchange(call).map(|exchanged| exchanged.tasks)
    }

    pub(crate) fn take(&mut self) -> Vec<Arc<Task>> {
        self.take_as("one")
    }

    pub(crate) fn take_one(&mut self, step: &str) -> Arc<Task> {
        let tasks = self.take();
        assert_eq!(tasks.iter().map(|task| task.step.as_str()).collect::<Vec<_>>(), [step]);
        Arc::clone(&tasks[0])
    }

    pub(crate) fn hold(&mut self, holding: &[TaskToken]) -> Exchanged {
        let call = self.call("one", Vec::new(), holding, true, Duration::ZERO);
        self.exchange(call).unwrap()
    }

    pub(crate) fn try_report(&mut self, task: TaskToken, outcome: ReportedOutcome) -> Result<Ack, Refusal> {
        let call = self.call("one", vec![Report { task, outcome }], &[], false, Duration::ZERO);
        let exchanged = self.exchange(call)?;
        assert_eq!(exchanged.acks.len(), 1);
        Ok(exchanged.acks[0].1)
    }

    pub(crate) fn report_as(&mut self, task: TaskToken, outcome: ReportedOutcome) -> Ack {
        self.try_report(task, outcome).unwrap()
    }

    pub(crate) fn report(&mut self, task: &Task, outcome: ReportedOutcome) -> Ack {
        self.report_as(task.token, outcome)
    }

    pub(crate) fn settled(&self, id: TransactionId) -> (Status, Option<Value>) {
        self.settled[&id].clone()
    }

    pub(crate) fn size(&self) -> u64 {
        Scan::logs(&self.store).unwrap().iter().find(|log| log.id == self.log).unwrap().size
    }
}

/// Pushes a bundle and puts it into force.
pub(crate) fn in_force(bundle: &Arc<Bundle>) -> [Change; 2] {
    let (pushed, signatures) = (Arc::clone(bundle), Arc::from(""));
    let activated = Change::BundleActivate {
        bundle: Arc::clone(bundle),
        pushed_by: PrincipalId::SYSTEM,
        signatures: Arc::clone(&signatures),
        denies: 0,
    };
    [Change::BundlePush { bundle: pushed, signatures }, activated]
}
