//! The definitions of `examples/`, whose owner dies at every commit, before it and after it: they end as if nothing had
//! happened, and so do the books of those who were called.

use super::crash::Drive;
use super::hand::{Hand, Tenant, output};
use chancery_base::{Document, TransactionId};
use chancery_engine::{Intent, IntentTarget, IntentUndo, Phase, Signal, StepError};
use chancery_shard::input::*;
use chancery_store::sim::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What those who are called answer.
type Script = fn(&Task) -> ReportedOutcome;

/// One way in which an example may go.
struct Way {
    file: &'static str,
    what: &'static str,
    input: Value,
    script: Script,
    /// What the signal that it waits for says; none: it does not come.
    signal: Option<Value>,
    /// What its row says in the end.
    ends: &'static str,
}

/// The frame of an open transaction has no steps: its driver is further below.
const OPEN: &str = "plan-trip.yaml";

/// What is held of a run: what the rows say, the output, and the books.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    words: Vec<&'static str>,
    output: Option<Value>,
    books: Books,
}

/// The books of those who are called, behind a fence: of each step's key, how it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Books(BTreeMap<String, &'static str>);

impl Books {
    /// Notes what was done. What is unknown was.
    fn note(&mut self, task: &Task, said: &ReportedOutcome) {
        if matches!(said, ReportedOutcome::Failed(_)) {
            return;
        }
        let key = task.forward_key.as_ref().unwrap_or(&task.idempotency_key).clone();
        match task.phase {
            Phase::Do => self.done(key),
            Phase::Confirm => {
                let before = self.0.insert(key, "confirmed");
                assert!(matches!(before, Some("done" | "confirmed")), "{before:?} is confirmed: {task:?}");
            }
            Phase::Undo => {
                let before = self.0.insert(key, "undone");
                assert_ne!(before, Some("confirmed"), "what is confirmed is undone: {task:?}");
            }
        }
    }

    fn done(&mut self, key: String) {
        // What was undone before it came is refused.
        self.0.entry(key).or_insert("done");
    }

    /// What took effect. To undo what was never done is as good as nothing.
    fn effects(&self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(_, stands)| **stands != "undone")
                .map(|(key, stands)| (key.clone(), *stands))
                .collect(),
        )
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn text(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).unwrap()
}

/// A tenant with this definition, whose worker takes from every queue that it names.
fn tenant(definition: &str, others: &[&str]) -> Tenant {
    let mut tenant = Tenant::new(1, &[definition]);
    let named = definition.split("{worker: ").skip(1).map(|rest| rest.split('}').next().unwrap());
    let worker = |name: &str| Queue::Worker(name.parse().unwrap());
    tenant.queues = named.chain(others.iter().copied()).map(worker).chain([Queue::AnyHttp]).collect();
    tenant
}

/// Everything that a definition may read of an output.
fn done(task: &Task) -> ReportedOutcome {
    output(json!({
        "id": task.step.as_str(), "of": task.index, "charge": "c-1", "parcel": "p-1", "by": "Ada", "text": "Hello!",
    }))
}

fn refused() -> ReportedOutcome {
    ReportedOutcome::Failed(StepError::fatal("Refused", "as the test wants it"))
}

fn is_do_of(task: &Task, step: &str) -> bool {
    task.phase == Phase::Do && task.step.as_str() == step
}

fn order() -> Value {
    json!({"order_id": "o-1", "sku": "chair", "quantity": 2, "total": 4_200, "card": "visa"})
}

fn trip() -> Value {
    json!({"trip": "t-1", "from": "BER", "to": "LIS", "nights": 3})
}

fn transfer(amount: u64) -> Value {
    json!({"transfer": "p-1", "from": "ann", "to": "ben", "amount": amount, "patience": "3s"})
}

fn night() -> Value {
    json!({"night": "n-1", "accounts": ["a", "b", "c", "d", "e", "f"]})
}

/// Every way: which file, what happens, the input, what is answered, the signal, how it ends.
fn ways() -> Vec<Way> {
    let way = |file, what, input, script: Script, ends| Way { file, what, input, script, signal: None, ends };
    let hello: Script = |task| if is_do_of(task, "fail") { refused() } else { done(task) };
    let charge: Script = |task| if is_do_of(task, "charge") { refused() } else { done(task) };
    let notify: Script = |task| if is_do_of(task, "notify") { refused() } else { done(task) };
    let hotel: Script = |task| if is_do_of(task, "hotel") { refused() } else { done(task) };
    let car: Script =
        |task| if is_do_of(task, "car") { ReportedOutcome::Unknown(StepError::new("Cut", "")) } else { done(task) };
    let check: Script = |task| if is_do_of(task, "check") { refused() } else { done(task) };
    let credit: Script = |task| if is_do_of(task, "credit") { refused() } else { done(task) };
    let second: Script =
        |task| if is_do_of(task, "interest") && task.index == Some(1) { refused() } else { done(task) };
    let report: Script = |task| if is_do_of(task, "report") { refused() } else { done(task) };
    let signalled = |way: Way| Way { signal: Some(json!({"yes": true, "by": "Ada"})), ..way };
    vec![
        way("hello.yaml", "its second step fails", json!({}), hello, "compensated"),
        way("order/create-order.yaml", "all is done", order(), done, "completed"),
        way("order/create-order.yaml", "the card is declined", order(), charge, "compensated"),
        way("order/create-order.yaml", "nobody can be told", order(), notify, "compensated"),
        way("book-trip.yaml", "all is confirmed", trip(), done, "completed"),
        way("book-trip.yaml", "there is no room", trip(), hotel, "compensated"),
        way("book-trip.yaml", "nobody knows of the car", trip(), car, "completed"),
        way("transfer.yaml", "little goes without leave", transfer(100), done, "completed"),
        signalled(way("transfer.yaml", "much is approved", transfer(250_000), done, "completed")),
        signalled(way("transfer.yaml", "somebody says no", transfer(250_000), check, "compensated")),
        signalled(way("transfer.yaml", "it can't be credited", transfer(250_000), credit, "compensated")),
        way("transfer.yaml", "nobody says anything", transfer(250_000), done, "compensated"),
        way("nightly.yaml", "all are paid", night(), done, "completed"),
        way("nightly.yaml", "one is left out", night(), second, "completed"),
        way("nightly.yaml", "there is no report", night(), report, "compensated"),
    ]
}

/// Does it, and once more if there was no answer: whoever asks does so under a key.
fn insist<R>(drive: &mut Drive, act: impl Fn(&mut Hand) -> Result<R, Refusal>) -> R {
    let first = drive.act(&act);
    first.or_else(|_| drive.act(&act)).unwrap()
}

/// Takes tasks and answers them; whether there were any.
fn work(drive: &mut Drive, books: &mut Books, script: impl Fn(&Task) -> ReportedOutcome) -> bool {
    // A hand-out that did not arrive lapses, and is another run: here it arrives if it lands.
    let taken = drive.act_unless(Some(Fault::UnknownApplied), Hand::try_take);
    let tasks: Vec<Arc<Task>> = taken.unwrap_or_default();
    for task in &tasks {
        let said = script(task);
        books.note(task, &said);
        insist(drive, |hand| hand.try_report(task.token, said.clone()));
    }
    !tasks.is_empty()
}

/// Runs an example to its end; gives how it ended, the kinds of its entries, and how many commits it took.
fn run(way: &Way, dies: Option<(usize, Fault)>) -> (End, Vec<String>, usize) {
    let definition = text(way.file);
    let mut drive = Drive::new(tenant(&definition, &[]), dies);
    let (name, key) = named(&definition, &way.input);
    let id = insist(&mut drive, |hand| hand.start(&name, way.input.clone(), Some("k"), key.as_deref()));
    let mut books = Books::default();
    for _ in 0..100 {
        if drive.is_settled() {
            return (end(&drive, id, &books), drive.kinds(), drive.commits);
        }
        let is_waiting = drive.hand.row(id).0 == "waiting";
        if let Some(says) = way.signal.as_ref().filter(|_| is_waiting) {
            let payload = Document::shared(says.clone());
            let signal = Signal { name: "approved".parse().unwrap(), id: Some("s".to_owned()), payload };
            insist(&mut drive, |hand| hand.send_signal(id, signal.clone()));
        } else if !work(&mut drive, &mut books, way.script) {
            drive.hand.wait(Duration::from_millis(500));
        }
    }
    panic!("{}: {}: it does not end: {:?}", way.file, way.what, drive.words(id));
}

/// A definition's name, and its business key for an input.
fn named(definition: &str, input: &Value) -> (String, Option<String>) {
    let line = |start: &str| definition.lines().find_map(|line| line.strip_prefix(start));
    let field = line("key: \"${{ input.").map(|rest| rest.split(' ').next().unwrap());
    let key = field.map(|field| input[field].as_str().unwrap().to_owned());
    (line("name: ").unwrap().to_owned(), key)
}

fn end(drive: &Drive, id: TransactionId, books: &Books) -> End {
    let (head, _) = drive.tenant.store.standing(id).unwrap();
    let closing = head.output_seq.map(|seq| drive.payload(seq));
    let output = closing.and_then(|payload| payload.get("output").cloned());
    End { words: drive.words(id), output, books: books.effects() }
}

/// Every file that is a definition is driven here.
#[test]
fn no_example_is_missing() {
    let mut found = Vec::new();
    let mut folders = vec![folder()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let is_yaml = path.extension().is_some_and(|end| end == "yaml");
            let starts = ["\nsteps:", "\nparticipants:", "\nkind: open"];
            if path.is_dir() {
                folders.push(path);
            } else if is_yaml && starts.iter().any(|key| std::fs::read_to_string(&path).unwrap().contains(key)) {
                found.push(path.strip_prefix(folder()).unwrap().display().to_string());
            }
        }
    }
    let mut driven: Vec<String> = ways().iter().map(|way| way.file).chain([OPEN]).map(str::to_owned).collect();
    found.sort_unstable();
    driven.sort_unstable();
    driven.dedup();
    assert_eq!(found, driven);
}

#[test]
fn a_crash_at_every_entry_boundary_of_an_example_changes_nothing() {
    for way in ways() {
        let told = format!("{}: {}", way.file, way.what);
        let (undisturbed, kinds, commits) = run(&way, None);
        assert_eq!(undisturbed.words[0], way.ends, "{told}: {kinds:?}");
        assert!(commits >= 5, "{told}: {commits} commits, {kinds:?}");
        for (at, fault) in (0..commits).flat_map(|at| [(at, Fault::UnknownLost), (at, Fault::UnknownApplied)]) {
            let (ended, kinds, _) = run(&way, Some((at, fault)));
            assert_eq!(ended, undisturbed, "{told}, {fault:?} at commit {at}: {kinds:?}");
        }
    }
}

/// The steps of an agent, and what came of each; the first found nothing.
fn agent() -> [(&'static str, &'static str, Value); 3] {
    [
        ("hotel-OSL", "hotel.release", Value::Null),
        ("hotel-LIS", "hotel.release", json!({"id": "LIS/1", "price": 240})),
        ("flight", "flight.release", json!({"id": "BER-LIS/1", "price": 120})),
    ]
}

fn call(drive: &mut Drive, id: TransactionId, driving: Driving) -> Result<Driven, Refusal> {
    drive.act(|hand| hand.drive(id, driving))
}

/// Runs the agent's program from its beginning.
fn program(
    drive: &mut Drive,
    books: &mut Books,
    (id, driver): (TransactionId, u32),
    commits: bool,
) -> Result<(), Refusal> {
    for (name, release, came) in agent() {
        let step: chancery_base::Name = name.parse().unwrap();
        let target = IntentTarget::Worker(release.parse().unwrap());
        let undo = IntentUndo { attempts: 3, critical: false, input: None, on_error: None, target, timeout_ms: 30_000 };
        let action = "run".parse().unwrap();
        let intent = Intent { action, resource: None, step: step.clone(), timeout_ms: 30_000, undo: Some(undo) };
        let input = Document::shared(json!({"of": name}));
        let asked = call(drive, id, Driving::Step { driver, intent: Arc::new(intent), input })?;
        if let Driven::Stepped(Stepped::Completed(output)) = &asked {
            assert_eq!(output.value(), &came, "{name}");
            continue;
        }
        let Driven::Stepped(Stepped::Permitted(permit)) = asked else { panic!("{name}: {asked:?}") };
        books.done(permit.idempotency_key);
        let report = Report { task: permit.token, outcome: output(came) };
        call(drive, id, Driving::Outcome { step, report })?;
    }
    let end = if commits {
        Driving::Commit { driver, output: Document::shared(json!("planned")) }
    } else {
        Driving::Abort { driver, reason: "it is too dear".to_owned() }
    };
    call(drive, id, end).map(drop)
}

/// The agent, which is run again whenever it gets no answer: it takes over, and asks for every step once more.
fn drive_agent(commits: bool, dies: Option<(usize, Fault)>) -> (End, Vec<String>, usize) {
    let mut drive = Drive::new(tenant(&text(OPEN), &["hotel.release", "flight.release"]), dies);
    let input = json!({"trip": "t-1"});
    let id = insist(&mut drive, |hand| hand.start("plan-trip", input.clone(), Some("k"), Some("t-1")));
    let (mut books, mut driver) = (Books::default(), Some(1));
    for _ in 0..100 {
        if drive.is_settled() {
            return (end(&drive, id, &books), drive.kinds(), drive.commits);
        }
        let ran = driver.map(|driver| program(&mut drive, &mut books, (id, driver), commits));
        driver = match ran {
            // It has ended, or turned: others undo what it did.
            Some(Ok(())) => None,
            Some(Err(_)) => take_over(&mut drive, id),
            None => {
                if !work(&mut drive, &mut books, done) {
                    drive.hand.wait(Duration::from_millis(500));
                }
                None
            }
        };
    }
    panic!("it does not end: {:?}", drive.words(id));
}

/// The number of the next driver; none: the transaction goes forward no more.
fn take_over(drive: &mut Drive, id: TransactionId) -> Option<u32> {
    let again = |drive: &mut Drive| match call(drive, id, Driving::Resume) {
        Ok(Driven::Resumed(resumed)) => Ok(Some(resumed.heard.driver)),
        Err(Refusal::Illegal(_)) => Ok(None),
        other => Err(other),
    };
    again(drive).or_else(|_| again(drive)).unwrap()
}

#[test]
fn an_agent_whose_server_dies_at_any_boundary_ends_the_same() {
    for (commits, ends) in [(true, "completed"), (false, "cancelled")] {
        let (undisturbed, kinds, count) = drive_agent(commits, None);
        assert_eq!(undisturbed.words[0], ends, "{kinds:?}");
        assert_eq!(undisturbed.books.0.len(), if commits { 3 } else { 0 }, "{undisturbed:?}");
        assert!(count >= 8, "{count} commits, {kinds:?}");
        for (at, fault) in (0..count).flat_map(|at| [(at, Fault::UnknownLost), (at, Fault::UnknownApplied)]) {
            let (ended, kinds, _) = drive_agent(commits, Some((at, fault)));
            assert_eq!(ended, undisturbed, "{ends}, {fault:?} at commit {at}: {kinds:?}");
        }
    }
}
