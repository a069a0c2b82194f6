//! The definitions of `examples/`, whose owner dies at every commit, before it and after it. The reference model judges
//! each batch, and so how they end; they end as if nothing had happened, and so do the books of those who were called.

mod agent;

use super::crash::Drive;
use super::hand::{Hand, Tenant, output};
use super::watch::Death;
use chancery_base::{Document, TransactionId};
use chancery_engine::{Phase, Signal, StepError};
use chancery_shard::input::*;
use chancery_sim::{Judge, WrongRule};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What those who are called answer.
type Script = fn(&Task) -> ReportedOutcome;

/// One way in which an example may go.
#[derive(Debug, Clone)]
struct Way {
    file: &'static str,
    what: &'static str,
    input: Value,
    script: Script,
    /// What the signal that it waits for says; none: it does not come.
    signal: Option<Value>,
    /// What its row says in the end; none: what the reference model says.
    ends: Option<&'static str>,
    /// What fails for good the first time that it is called.
    fails: Option<Called>,
}

/// A call of a step, or of the first clone of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Called {
    phase: Phase,
    step: String,
}

impl Called {
    fn of(task: &Task) -> Self {
        Self { phase: task.phase, step: task.step.to_string() }
    }
}

impl Way {
    fn answer(&self, task: &Task) -> ReportedOutcome {
        let is_it = self.fails.as_ref().is_some_and(|fails| *fails == Called::of(task));
        let is_first = task.attempt == 1 && task.index.is_none_or(|index| index == 0);
        if is_it && is_first { refused() } else { (self.script)(task) }
    }

    fn told(&self) -> String {
        let fails = self.fails.as_ref().map(|Called { phase, step }| format!(", and {phase:?} of {step} fails once"));
        format!("{}: {}{}", self.file, self.what, fails.unwrap_or_default())
    }
}

/// The frame of an open transaction has no steps: its driver is apart.
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
    let way = |file, what, input, script: Script, ends| {
        let (signal, fails) = (None, None);
        Way { file, what, input, script, signal, ends: Some(ends), fails }
    };
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

/// Takes tasks and answers them; gives which these were, and whether they were done.
fn work(drive: &mut Drive, books: &mut Books, script: impl Fn(&Task) -> ReportedOutcome) -> Vec<(Arc<Task>, bool)> {
    // A hand-out that did not arrive lapses, and is another run: here it arrives if it lands.
    let tasks: Vec<Arc<Task>> = drive.act_heard(Hand::try_take).unwrap_or_default();
    let answer = |task: Arc<Task>| {
        let said = script(&task);
        drive.tenant.watch.took(&task);
        drive.tenant.watch.said(task.token.attempt, &said);
        books.note(&task, &said);
        drive.insist(|hand| hand.try_report(task.token, said.clone()));
        (task, matches!(said, ReportedOutcome::Completed(_)))
    };
    tasks.into_iter().map(answer).collect()
}

/// A person has what is parked tried again. Who gets no answer looks whether it still is.
fn retry(drive: &mut Drive, id: TransactionId) {
    let operation = Operation { id, actor: drive.tenant.actor.id, justification: "a test".to_owned() };
    drop(drive.act(|hand| hand.ask(Command::Retry(operation))));
}

/// What came of a run: how it ended, the kinds of its entries, how many commits it took, and which calls were done.
#[derive(Debug)]
struct Ran {
    end: End,
    kinds: Vec<String>,
    commits: usize,
    done: BTreeSet<Called>,
}

impl Ran {
    /// What did not hold, if something did not.
    fn judged(drive: &Drive, (id, books): (TransactionId, &Books), done: BTreeSet<Called>) -> Result<Self, String> {
        let (kinds, commits) = (drive.kinds(), drive.commits());
        match drive.tenant.watch.violation() {
            None => Ok(Self { end: end(drive, id, books), kinds, commits, done }),
            Some(why) => Err(format!("{why}: {kinds:?}")),
        }
    }
}

/// Runs an example to its end, or until something does not hold.
fn run(way: &Way, dies: Option<(usize, Death)>, wrong: Option<WrongRule>) -> Result<Ran, String> {
    let definition = text(way.file);
    let tenant = tenant(&definition, &[]);
    let (name, key) = named(&definition, &way.input);
    let judge = Judge::new(tenant.definition(&name), &way.input, &[], wrong).unwrap();
    let mut drive = Drive::new(tenant, judge, dies);
    let id = drive.insist(|hand| hand.start(&name, way.input.clone(), Some("k"), key.as_deref()));
    let (mut books, mut done) = (Books::default(), BTreeSet::new());
    for _ in 0..150 {
        let status = drive.hand.row(id).0;
        if drive.tenant.watch.violation().is_some() || status != "parked" && drive.is_settled() {
            return Ran::judged(&drive, (id, &books), done);
        }
        if status == "parked" {
            retry(&mut drive, id);
        } else if let Some(says) = way.signal.as_ref().filter(|_| status == "waiting") {
            let payload = Document::shared(says.clone());
            let signal = Signal { name: "approved".parse().unwrap(), id: Some("s".to_owned()), payload };
            drive.insist(|hand| hand.send_signal(id, signal.clone()));
        } else {
            let tasks = work(&mut drive, &mut books, |task| way.answer(task));
            if tasks.is_empty() {
                drive.wait(Duration::from_millis(500));
            }
            done.extend(tasks.iter().filter(|(_, is_done)| *is_done).map(|(task, _)| Called::of(task)));
        }
    }
    panic!("{}: it does not end: {:?}", way.told(), drive.words(id));
}

/// Each call that is made in some way, failing for good once.
fn failing_ways() -> Vec<Way> {
    let mut known = BTreeSet::new();
    let mut failing = Vec::new();
    for way in ways() {
        let ran = run(&way, None, None).unwrap_or_else(|why| panic!("{}: {why}", way.told()));
        let calls = ran.done.into_iter().filter(|call| known.insert((way.file, call.clone())));
        failing.extend(calls.map(|call| Way { ends: None, fails: Some(call), ..way.clone() }));
    }
    failing
}

/// Drives it with its owner dying at every commit, in every way.
fn dies_at_every_commit(way: &Way) {
    let told = way.told();
    let undisturbed = run(way, None, None).unwrap_or_else(|why| panic!("{told}: {why}"));
    let (end, kinds) = (&undisturbed.end, &undisturbed.kinds);
    assert!(way.ends.is_none_or(|ends| end.words[0] == ends), "{told}: {kinds:?}");
    assert!(undisturbed.commits >= 3, "{told}: {} commits, {kinds:?}", undisturbed.commits);
    for (at, death) in (0..undisturbed.commits).flat_map(|at| Death::ALL.map(|death| (at, death))) {
        let told = format!("{told}, {death:?} commit {at}");
        let ran = run(way, Some((at, death)), None).unwrap_or_else(|why| panic!("{told}: {why}"));
        // A hand-out that nobody heard of lapses: that is another run, which the reference model judges.
        assert!(death == Death::Unheard || ran.end == *end, "{told}: {:?}, not {end:?}: {:?}", ran.end, ran.kinds);
    }
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
    ways().iter().for_each(dies_at_every_commit);
}

/// Nothing that is called has to be the last: what undoes and what confirms it fails for good as well, and waits for a
/// person.
#[test]
fn a_crash_at_every_entry_boundary_changes_nothing_where_something_fails_for_good() {
    let failing = failing_ways();
    for phase in [Phase::Do, Phase::Undo, Phase::Confirm] {
        assert!(failing.iter().any(|way| way.fails.as_ref().is_some_and(|fails| fails.phase == phase)), "{phase:?}");
    }
    failing.iter().for_each(dies_at_every_commit);
}

/// Rules of the reference model that it is told wrong, and the file of which a way shows it.
const WRONG: [(WrongRule, &str); 12] = [
    (WrongRule::IgnoreOrder, "hello.yaml"),
    (WrongRule::UndoInOrder, "order/create-order.yaml"),
    (WrongRule::NeverPark, "order/create-order.yaml"),
    (WrongRule::ForgetDecision, "book-trip.yaml"),
    (WrongRule::ConfirmUnknown, "book-trip.yaml"),
    (WrongRule::ConfirmFailedIsDone, "book-trip.yaml"),
    (WrongRule::IgnoreConditions, "transfer.yaml"),
    (WrongRule::WaitLonger, "transfer.yaml"),
    (WrongRule::OneCloneLess, "nightly.yaml"),
    (WrongRule::LessWindow, "nightly.yaml"),
    (WrongRule::StopAtOptional, "nightly.yaml"),
    (WrongRule::IgnoreGrace, OPEN),
];

#[test]
fn the_reference_model_judges_the_examples() {
    let ways: Vec<Way> = ways().into_iter().chain(failing_ways()).collect();
    for (rule, file) in WRONG {
        let mut said = ways.iter().filter(|way| way.file == file).filter_map(|way| run(way, None, Some(rule)).err());
        let caught = if file == OPEN { agent::judged(rule) } else { said.next() };
        let why = caught.unwrap_or_else(|| panic!("{rule:?} is not caught by {file}"));
        assert!(why.contains("reference: "), "{rule:?} was caught by another check: {why}");
    }
}
