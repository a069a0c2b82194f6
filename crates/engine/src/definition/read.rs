//! From a document to a definition. Reads on after a problem, so that all are told at once.

pub(super) mod open;
pub(super) mod participant;

use super::check::{self, Site, Use};
use super::document::{Data, Node};
use super::fields::{Cursor, Keys, did_you_mean, join};
use super::flow::SetPlaces;
use super::graph::{self, Upstream};
use super::input;
use super::lint;
use super::problem::{DefinitionError, Problems};
use super::retry::Retry;
use super::{
    CONCURRENCY_DEFAULT, CONCURRENCY_MAX, CompensationPolicy, Definition, DefinitionKind, Each, Http, Method, Mode,
    OnError, PRIORITY_MAX, QUEUE_TIMEOUT_DEFAULT, ResourceTemplate, Run, Step, StepIndex, TIMEOUT_DEFAULT, Undo,
};
use crate::headers::is_secret;
use chancery_base::limits::{ATTEMPTS_MAX, LABELS_MAX, STEPS_MAX};
use chancery_base::{Digest, Name, json};
use chancery_expr::{PathSegment, Program, Template};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const TOP: Keys = Keys {
    known: &[
        "name",
        "version",
        "kind",
        "input",
        "key",
        "timeout",
        "concurrency",
        "mode",
        "compensation",
        "steps",
        "output",
        "context",
        "policy",
        "classes",
        "purpose",
        "lint",
    ],
    later: &["subjects", "vars", "set", "labels", "schedule", "capability", "obligations", "description"],
    elsewhere: &[("participants", "they are of kind `tcc`, a saga has `steps`"), ENV, ("headers", OF_START)],
};
pub(super) const STEP: Keys = Keys {
    known: &[
        "id",
        "after",
        "when",
        "each",
        "concurrency",
        "run",
        "until",
        "every",
        "at_most",
        "with",
        "set",
        "retry",
        "timeout",
        "queue_timeout",
        "priority",
        "fairness",
        "on_failure",
        "compensate",
        "pivot",
        "irreversible",
        "capability",
        "action",
        "resource",
        "classes",
        "purpose",
        "context",
        "approval",
        "lint",
    ],
    later: &[
        "vars",
        "subjects",
        "critical",
        "on_error",
        "attempts",
        "mode",
        "obligations",
        "policy",
        "output",
        "input",
        "description",
    ],
    elsewhere: &[
        ("try", "it is of kind `tcc`, a step has `run`"),
        ("confirm", "it is of kind `tcc`, a step is done when it was run"),
        ("cancel", "it is of kind `tcc`, a step has `compensate`"),
        ("optional", "it is of kind `tcc`, a step has `on_failure: continue`"),
        ("headers", OF_CALL),
    ],
};
pub(super) const RUN: Keys = Keys {
    known: &["worker", "http", "noop", "wait", "signal", "request", "transaction", "version", "decide", "emit"],
    later: &["rules", "mcp", "callback"],
    elsewhere: &[],
};
pub(super) const HTTP: Keys = Keys {
    known: &["method", "url", "headers", "pass", "keep"],
    later: &["body", "query", "sign", "callback"],
    elsewhere: &[],
};
pub(super) const UNDO: Keys = Keys {
    known: &["run", "with", "retry", "timeout", "on_error", "critical"],
    later: &["when", "set", "queue_timeout"],
    elsewhere: &[("until", POLLS), ("every", POLLS), ("at_most", POLLS), ("headers", OF_CALL)],
};
const OF_START: &str = "a start says what its transaction's are, `chancery tx start --header`";
/// Said of a step's `headers`.
pub(super) const OF_CALL: &str =
    "they are said in `run: {http: {headers}}`; a worker's task has those of its transaction";
const POLLS: &str = "only a step polls";
pub(super) const RETRY: Keys =
    Keys { known: &["attempts", "backoff", "factor", "max", "jitter", "unless"], later: &[], elsewhere: &[] };
pub(super) const RESOURCE: Keys = Keys { known: &["type", "id", "attributes"], later: &[], elsewhere: &[] };
pub(super) const COMPENSATION: Keys = Keys { known: &["policy", "on_error"], later: &[], elsewhere: &[] };
const NOTHING: Keys = Keys { known: &[], later: &[], elsewhere: &[] };

pub(super) const ENV: (&str, &str) = ("env", "the tenant's settings are set by `chancery settings set`");

/// Headers that the server sets itself.
const HEADERS_RESERVED: [&str; 9] = [
    "idempotency-key",
    "traceparent",
    "tracestate",
    "x-transactional-id",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "connection",
];

/// A definition as it was read, and what is known of where its expressions stand.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) definition: Definition,
    pub(super) upstream: Upstream,
    pub(super) uses: Vec<Use>,
}

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) problems: Problems,
    uses: Vec<Use>,
    sets: SetPlaces,
    /// In which order steps are undone, and what becomes of a compensation that failed and does not say so itself.
    undoing: (CompensationPolicy, OnError),
    /// What the definition is called.
    name: Option<Name>,
}

impl Reader {
    /// Reads the definition that a document is.
    ///
    /// # Errors
    /// Every problem.
    pub(super) fn read(root: &Node) -> Result<Reading, DefinitionError> {
        let strict = CompensationPolicy::StrictSequential;
        let undoing = (strict, strict.on_error());
        let (problems, sets) = (Problems::default(), SetPlaces::default());
        let mut reader = Self { problems, uses: Vec::new(), sets, undoing, name: None };
        let cursor = Cursor::root(root);
        let draft = reader.top(&cursor);
        let Some(mut definition) = draft else { return Err(reader.problems.into_error()) };
        let upstream = graph::link(&mut definition, &cursor, &mut reader.problems);
        if let Some(upstream) = &upstream {
            check::uses(&mut definition, (&reader.uses, &reader.sets), upstream, &mut reader.problems);
        }
        match upstream {
            Some(upstream) if reader.problems.is_empty() => Ok(Reading { definition, upstream, uses: reader.uses }),
            Some(_) | None => Err(reader.problems.into_error()),
        }
    }

    /// `None` where not even steps could be read.
    fn top(&mut self, cursor: &Cursor<'_>) -> Option<Definition> {
        let kind = self.kind(cursor);
        let (keys, time) = match kind {
            DefinitionKind::Saga => (&TOP, "timeout"),
            DefinitionKind::Tcc => (&participant::TOP, "timeout"),
            DefinitionKind::Open => (&open::TOP, "deadline"),
        };
        if !cursor.check_keys(keys, &mut self.problems) {
            return None;
        }
        let name = cursor.required("name", &mut self.problems).and_then(|field| field.name(&mut self.problems));
        self.name.clone_from(&name);
        let version = cursor.required("version", &mut self.problems);
        let version = version.and_then(|field| field.whole(1, u32::MAX, &mut self.problems));
        let (compensation, on_error) = self.compensation(cursor);
        self.undoing = (compensation, on_error);
        let mode = self.mode(cursor, kind);
        let timeout = cursor.field(time).and_then(|field| field.timeout(&mut self.problems));
        let input = cursor.field("input").and_then(|field| input::compile(&field, &mut self.problems));
        let key = cursor.field("key").and_then(|field| self.template(&field, Site::Key));
        let concurrency = cursor.field("concurrency");
        let concurrency = concurrency.and_then(|field| field.whole(1, CONCURRENCY_MAX, &mut self.problems));
        let output = cursor.field("output").and_then(|field| self.template(&field, Site::Output));
        let context = cursor.field("context").map(|field| self.named_templates(&field, Site::Start));
        let (policy, classes, purpose) = (self.policy(cursor), self.classes(cursor), self.purpose(cursor));
        let (steps, frame) = match kind {
            DefinitionKind::Saga => {
                lint::check(cursor, &mut self.problems);
                (self.steps(cursor)?, None)
            }
            DefinitionKind::Tcc => {
                lint::check(cursor, &mut self.problems);
                (self.participants(cursor)?, None)
            }
            DefinitionKind::Open => (Vec::new(), Some(self.frame(cursor))),
        };
        let source = json::canonical(&cursor.node.to_json());
        Some(Definition {
            // What stands in for something missing never leaves: the problem is noted.
            name: name.or_else(|| "unnamed".parse().ok())?,
            version: version.unwrap_or(1),
            digest: Digest::of(&source),
            input: input.map(Arc::new),
            key,
            concurrency: concurrency.unwrap_or(CONCURRENCY_DEFAULT),
            kind,
            frame,
            timeout,
            mode,
            compensation,
            steps,
            output,
            policy,
            classes,
            purpose,
            context: context.unwrap_or_default(),
            output_reads: Vec::new(),
            output_variables: Vec::new(),
            source: Arc::from(source),
        })
    }

    fn kind(&mut self, cursor: &Cursor<'_>) -> DefinitionKind {
        let saga = DefinitionKind::Saga;
        let Some(field) = cursor.field("kind") else { return saga };
        let kinds = [("saga", saga), ("tcc", DefinitionKind::Tcc), ("open", DefinitionKind::Open)];
        field.word("kind", &kinds, &mut self.problems).unwrap_or(saga)
    }

    fn mode(&mut self, cursor: &Cursor<'_>, kind: DefinitionKind) -> Mode {
        let modes = match kind {
            DefinitionKind::Saga | DefinitionKind::Open => [("graph", Mode::Graph), ("layers", Mode::Layers)],
            DefinitionKind::Tcc => [("sequence", Mode::Sequence), ("parallel", Mode::Parallel)],
        };
        let [(_, usual), _] = modes;
        let field = cursor.field("mode");
        field.and_then(|field| field.word("mode", &modes, &mut self.problems)).unwrap_or(usual)
    }

    /// The order in which steps are undone, and what becomes of a compensation that failed.
    fn compensation(&mut self, cursor: &Cursor<'_>) -> (CompensationPolicy, OnError) {
        let strict = CompensationPolicy::StrictSequential;
        let Some(field) = cursor.field("compensation") else { return (strict, strict.on_error()) };
        if !field.check_keys(&COMPENSATION, &mut self.problems) {
            return (strict, strict.on_error());
        }
        let policies = CompensationPolicy::ALL.map(|policy| (policy.word(), policy));
        let policy = field.required("policy", &mut self.problems);
        let policy = policy.and_then(|field| field.word("compensation policy", &policies, &mut self.problems));
        let policy = policy.unwrap_or(strict);
        (policy, self.on_error(&field).unwrap_or(policy.on_error()))
    }

    fn on_error(&mut self, cursor: &Cursor<'_>) -> Option<OnError> {
        let actions = OnError::ALL.map(|action| (action.word(), action));
        cursor.field("on_error")?.word("action", &actions, &mut self.problems)
    }

    fn steps(&mut self, cursor: &Cursor<'_>) -> Option<Vec<Step>> {
        self.list(cursor, ("steps", "step"), |reader, item, index| reader.step(item, index))
    }

    /// A list of steps, each with an id of its own.
    fn list(
        &mut self,
        cursor: &Cursor<'_>,
        (key, one): (&'static str, &'static str),
        mut read: impl FnMut(&mut Self, &Cursor<'_>, StepIndex) -> Option<Step>,
    ) -> Option<Vec<Step>> {
        let field = cursor.required(key, &mut self.problems)?;
        let items = field.items(&mut self.problems);
        if items.is_empty() && matches!(field.node.data, Data::List(_)) {
            field.fail(&mut self.problems, format!("a definition has at least one {one}"));
        }
        if items.len() > STEPS_MAX {
            field.fail(&mut self.problems, format!("{} {key}, at most {STEPS_MAX} are allowed", items.len()));
            return None;
        }
        let mut seen: BTreeMap<Name, usize> = BTreeMap::new();
        let mut steps = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            let step = read(self, item, StepIndex::at(position));
            if let Some(first) = step.as_ref().and_then(|step| seen.insert(step.id.clone(), position)) {
                let at = item.field("id").unwrap_or_else(|| item.clone());
                at.fail(&mut self.problems, format!("{key}[{first}] has this id already"));
            }
            steps.push(step);
        }
        // A step without an id spoils every index after it: its own problems are told, what refers to it is not judged.
        steps.into_iter().collect()
    }

    fn step(&mut self, cursor: &Cursor<'_>, index: StepIndex) -> Option<Step> {
        if !cursor.check_keys(&STEP, &mut self.problems) {
            return None;
        }
        let site = Site::Forward(index);
        let id = cursor.required("id", &mut self.problems).and_then(|field| field.name(&mut self.problems));
        let run = cursor.required("run", &mut self.problems).and_then(|field| self.run(&field, site));
        let poll = self.poll(cursor, index, run.as_ref());
        let when = cursor.field("when").and_then(|field| self.condition(&field, Site::Whole(index)));
        let each = self.each(cursor, index);
        let with = cursor.field("with").and_then(|field| self.template(&field, site));
        let set = cursor.field("set").map(|field| self.set(&field, index));
        let retry = self.retry_or(cursor, Retry::default());
        let timeout = cursor.field("timeout").and_then(|field| field.timeout(&mut self.problems));
        let queue_timeout = cursor.field("queue_timeout").and_then(|field| field.timeout(&mut self.problems));
        let (priority, fairness) = self.turn(cursor, site);
        let compensate = cursor.field("compensate");
        let compensate =
            compensate.and_then(|field| self.undo(&field, "compensation", Site::Undo(index), Retry::default()));
        let pivot = self.flag(cursor, "pivot");
        let irreversible = self.flag(cursor, "irreversible");
        self.check_undoable(cursor);
        if let Some(run) = &run {
            self.check_passive(cursor, run);
            self.check_request(cursor, run);
            self.check_child(cursor, run);
            self.check_inline(cursor, run);
        }
        let says = pivot || irreversible || cursor.has("compensate");
        let compensate = compensate.or_else(|| self.recall(run.as_ref().filter(|_| !says)?));
        let outcomes = [("continue", true), ("stop", false)];
        let optional = cursor.field("on_failure");
        let optional = optional.and_then(|field| field.word("outcome", &outcomes, &mut self.problems));
        let capability = self.capability(cursor, site, run.as_ref());
        let action = cursor.field("action").and_then(|field| field.name(&mut self.problems));
        let resource = cursor.field("resource").and_then(|field| self.resource(&field, site));
        let (classes, purpose) = (self.classes(cursor), self.purpose(cursor));
        let context = cursor.field("context").map(|field| self.named_templates(&field, site));
        let approval = self.approval(cursor, run.as_ref(), site);
        lint::check(cursor, &mut self.problems);
        Some(Step {
            id: id?,
            after: Vec::new(),
            dependents: Vec::new(),
            when,
            each,
            run: run.unwrap_or(Run::Noop),
            poll,
            with,
            set: set.unwrap_or_default(),
            retry,
            timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
            queue_timeout: queue_timeout.unwrap_or(QUEUE_TIMEOUT_DEFAULT),
            priority,
            fairness,
            compensate,
            confirm: None,
            pivot,
            irreversible,
            optional: optional.unwrap_or(false),
            layer: 0,
            capability,
            action: action.or_else(|| "run".parse().ok())?,
            resource,
            classes,
            purpose,
            context: context.unwrap_or_default(),
            approval,
            reads: Vec::new(),
            variables: Vec::new(),
        })
    }

    /// Whether the definition is called so.
    pub(super) fn is_named(&self, name: &Name) -> bool {
        self.name.as_ref() == Some(name)
    }

    /// What becomes of a compensation that failed and says nothing of it.
    pub(super) const fn undoing_on_error(&self) -> OnError {
        self.undoing.1
    }

    /// A fan-out, with the key that is only for one.
    fn each(&mut self, cursor: &Cursor<'_>, index: StepIndex) -> Option<Each> {
        let concurrency = cursor.field("concurrency");
        let Some(field) = cursor.field("each") else {
            if let Some(field) = concurrency {
                field.fail(&mut self.problems, "`concurrency` of a step is for its clones: it has no `each`");
            }
            return None;
        };
        let list = self.program(&field, "a list of elements", Site::Whole(index));
        let concurrency = concurrency.and_then(|field| field.whole(1, CONCURRENCY_MAX, &mut self.problems));
        Some(Each { list: list?, concurrency })
    }

    /// What says when it is a step's turn in its queue.
    fn turn(&mut self, cursor: &Cursor<'_>, site: Site) -> (i8, Option<Template>) {
        let priority = cursor.field("priority").and_then(|field| field.signed(PRIORITY_MAX, &mut self.problems));
        let fairness = cursor.field("fairness").and_then(|field| {
            field.text(&mut self.problems)?;
            self.template(&field, site)
        });
        (priority.unwrap_or(0), fairness)
    }

    /// What a step sets; where each variable stands is kept for what is told of it.
    fn set(&mut self, cursor: &Cursor<'_>, step: StepIndex) -> Vec<(String, Template)> {
        for (name, field) in cursor.pairs(&mut Problems::default()) {
            self.sets.insert((step, name.to_owned()), (field.place(), field.path));
        }
        self.named_templates(cursor, Site::Done(step))
    }

    fn flag(&mut self, cursor: &Cursor<'_>, key: &str) -> bool {
        let field = cursor.field(key);
        field.and_then(|field| field.flag(&mut self.problems)).unwrap_or(false)
    }

    /// A step is undone, or it says that it can't be, in one of two ways.
    fn check_undoable(&mut self, cursor: &Cursor<'_>) {
        let said: Vec<&str> =
            ["compensate", "pivot", "irreversible"].into_iter().filter(|key| cursor.has(key)).collect();
        if let [first, second, ..] = said.as_slice()
            && let Some(field) = cursor.field(second)
        {
            field.fail(&mut self.problems, format!("a step with `{first}` has no `{second}`"));
        }
        if cursor.has("pivot")
            && cursor.has("on_failure")
            && let Some(field) = cursor.field("on_failure")
        {
            field.fail(&mut self.problems, "a pivot has no `on_failure`: what comes after it rests on it");
        }
    }

    fn run(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Run> {
        if matches!(&cursor.node.data, Data::Text(text) if text == "noop") {
            return Some(Run::Noop);
        }
        if !cursor.check_keys(&RUN, &mut self.problems) {
            return None;
        }
        let is_what = |key: &&str| *key != "version" && cursor.field(key).is_some();
        let named: Vec<&str> = RUN.known.iter().copied().filter(is_what).collect();
        let field = match named.as_slice() {
            [one] => cursor.field(one)?,
            [] => {
                // A key that comes later was reported as such; that is enough.
                let is_empty = matches!(&cursor.node.data, Data::Map(entries) if entries.is_empty());
                if is_empty || cursor.has("version") {
                    cursor.fail(
                        &mut self.problems,
                        "one of `worker`, `http`, `noop`, `wait`, `signal`, `request`, `transaction`, `decide` and \
                         `emit` is expected here",
                    );
                }
                return None;
            }
            [_, _, ..] => {
                cursor.fail(&mut self.problems, format!("only one of `{}` can run", named.join("`, `")));
                return None;
            }
        };
        if let Some(version) = cursor.field("version").filter(|_| !named.contains(&"transaction")) {
            version.fail(&mut self.problems, "`version` is that of a `transaction`");
        }
        match named.first().copied() {
            Some("worker") => field.name(&mut self.problems).map(Run::Worker),
            Some("http") => self.http(&field, site).map(Run::Http),
            Some("wait") => self.wait(&field, site),
            Some("signal") => self.signal(&field, site),
            Some("request") => self.request(&field, site).map(Box::new).map(Run::Request),
            Some("transaction") => self.child(cursor, &field),
            Some("decide") => self.question(&field, site).map(Run::Decide),
            Some("emit") => self.emit(&field, site).map(Run::Emit),
            _ => field.check_keys(&NOTHING, &mut self.problems).then_some(Run::Noop),
        }
    }

    /// What is run where nothing may be waited for.
    fn call(&mut self, cursor: &Cursor<'_>, what: &str, site: Site) -> Option<Run> {
        let field = cursor.required("run", &mut self.problems)?;
        let run = self.run(&field, site)?;
        if run.is_passive() {
            field.fail(&mut self.problems, format!("a {what} does not wait: it runs a `worker`, `http` or `noop`"));
        }
        if run.child().is_some() {
            let message = format!("a {what} runs no transaction: it runs a `worker`, `http` or `noop`");
            field.fail(&mut self.problems, message);
        }
        self.check_inline_call(cursor, &field, what, &run);
        Some(run)
    }

    fn http(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Http> {
        if !cursor.check_keys(&HTTP, &mut self.problems) {
            return None;
        }
        let method = cursor.field("method").map_or(Some(Method::Post), |field| self.method(&field));
        let url = cursor.required("url", &mut self.problems).and_then(|field| self.url(&field, site));
        let headers = cursor.field("headers").map(|field| self.headers(&field, site)).unwrap_or_default();
        let pass = cursor.field("pass").map(|field| self.header_names(&field)).unwrap_or_default();
        let keep = cursor.field("keep").map(|field| self.header_names(&field)).unwrap_or_default();
        if let Some((name, _)) = headers.iter().find(|(name, _)| pass.contains(name))
            && let Some(field) = cursor.field("pass")
        {
            field.fail(&mut self.problems, format!("the header `{name}` stands in `headers`, too"));
        }
        Some(Http { method: method?, url: url?, headers, pass, keep })
    }

    /// Names of headers, in lower case.
    fn header_names(&mut self, cursor: &Cursor<'_>) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for field in cursor.items(&mut self.problems) {
            let Some(name) = field.text(&mut self.problems) else { continue };
            let lower = name.to_ascii_lowercase();
            if names.contains(&lower) {
                field.fail(&mut self.problems, format!("the header `{lower}` stands twice"));
            } else if is_secret(&lower) {
                field.fail(&mut self.problems, format!("`{lower}` is for secrets, and what it says would be recorded"));
            } else if is_header_name(&lower) {
                names.push(lower);
            } else {
                field.fail(&mut self.problems, format!("`{name}` is not the name of a header"));
            }
        }
        names
    }

    fn method(&mut self, cursor: &Cursor<'_>) -> Option<Method> {
        let text = cursor.text(&mut self.problems)?;
        let found = Method::ALL.into_iter().find(|method| method.word() == text);
        if found.is_none() {
            let words = Method::ALL.map(Method::word);
            let hint = did_you_mean(text, words.into_iter());
            cursor.fail(&mut self.problems, format!("unknown method `{text}`; there are {}{hint}", words.join(", ")));
        }
        found
    }

    fn url(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Template> {
        let text = cursor.text(&mut self.problems)?;
        let begins_well = ["http://", "https://", "${{"].iter().any(|start| text.starts_with(start));
        if !begins_well {
            cursor.fail(&mut self.problems, "a URL begins with `http://` or `https://`");
            return None;
        }
        self.template(cursor, site)
    }

    fn headers(&mut self, cursor: &Cursor<'_>, site: Site) -> Vec<(String, Template)> {
        let mut headers: Vec<(String, Template)> = Vec::new();
        for (name, field) in cursor.pairs(&mut self.problems) {
            let lower = name.to_ascii_lowercase();
            if let Some(fault) = header_fault(name) {
                field.fail(&mut self.problems, fault);
            } else if headers.iter().any(|(other, _)| *other == lower) {
                field.fail(&mut self.problems, format!("the header `{lower}` stands twice"));
            } else if field.text(&mut self.problems).is_some()
                && let Some(template) = self.template(&field, site)
            {
                headers.push((lower, template));
            }
        }
        headers
    }

    fn undo(&mut self, cursor: &Cursor<'_>, what: &str, site: Site, retry: Retry) -> Option<Undo> {
        if !cursor.check_keys(&UNDO, &mut self.problems) {
            return None;
        }
        let run = self.call(cursor, what, site);
        let with = cursor.field("with").and_then(|field| self.template(&field, site));
        let retry = self.retry_or(cursor, retry);
        let timeout = cursor.field("timeout").and_then(|field| field.timeout(&mut self.problems));
        let timeout = timeout.unwrap_or(TIMEOUT_DEFAULT);
        let (policy, on_error) = self.undoing;
        let on_error = self.on_error(cursor).unwrap_or(on_error);
        let critical = self.flag(cursor, "critical");
        if critical
            && policy != CompensationPolicy::CircuitBreaker
            && let Some(field) = cursor.field("critical")
        {
            field.fail(&mut self.problems, "`critical` is for the compensation policy `circuit-breaker`");
        }
        Some(Undo { run: run?, with, retry, timeout, on_error, critical })
    }

    /// What `retry` says, over what holds where it does not.
    fn retry_or(&mut self, cursor: &Cursor<'_>, retry: Retry) -> Retry {
        match cursor.field("retry") {
            Some(field) => self.retry(&field, retry),
            None => retry,
        }
    }

    fn retry(&mut self, cursor: &Cursor<'_>, mut retry: Retry) -> Retry {
        if !cursor.check_keys(&RETRY, &mut self.problems) {
            return retry;
        }
        let problems = &mut self.problems;
        if let Some(field) = cursor.field("attempts") {
            if matches!(&field.node.data, Data::Text(text) if text == "once") {
                (retry.attempts, retry.once) = (1, true);
            } else if let Some(attempts) = field.whole(1, ATTEMPTS_MAX, problems) {
                retry.attempts = attempts;
            }
        }
        if let Some(backoff) = cursor.field("backoff").and_then(|field| field.duration(problems)) {
            retry.backoff = backoff;
            // A longer first wait than the default cap is meant as it is written.
            retry.max = retry.max.max(backoff);
        }
        if let Some(field) = cursor.field("max")
            && let Some(max) = field.duration(problems)
        {
            retry.max = max;
            if max < retry.backoff {
                field.fail(problems, "`max` is shorter than `backoff`");
            }
        }
        if let Some(factor) = cursor.field("factor").and_then(|field| field.number(1.0, 100.0, problems)) {
            retry.factor = factor;
        }
        if let Some(jitter) = cursor.field("jitter").and_then(|field| field.number(0.0, 1.0, problems)) {
            retry.jitter = jitter;
        }
        if let Some(field) = cursor.field("unless") {
            let items = field.items(problems);
            retry.unless = items.iter().filter_map(|item| item.name(problems)).collect();
        }
        retry
    }

    pub(super) fn resource(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<ResourceTemplate> {
        if !cursor.check_keys(&RESOURCE, &mut self.problems) {
            return None;
        }
        let kind = cursor.required("type", &mut self.problems);
        let kind = kind.and_then(|field| {
            let text = field.text(&mut self.problems)?;
            let is_type = text.split("::").all(is_identifier);
            if !is_type {
                field.fail(&mut self.problems, format!("`{text}` is not the name of an entity type"));
            }
            is_type.then(|| text.to_owned())
        });
        let id = cursor.required("id", &mut self.problems);
        let id = id.and_then(|field| {
            field.text(&mut self.problems)?;
            self.template(&field, site)
        });
        let attributes = cursor.field("attributes").map(|field| self.named_templates(&field, site));
        Some(ResourceTemplate { resource_type: kind?, id: id?, attributes: attributes.unwrap_or_default() })
    }

    fn named_templates(&mut self, cursor: &Cursor<'_>, site: Site) -> Vec<(String, Template)> {
        let pairs = cursor.pairs(&mut self.problems);
        if pairs.len() > LABELS_MAX {
            cursor.fail(&mut self.problems, format!("{} keys, at most {LABELS_MAX} are allowed", pairs.len()));
        }
        let mut templates: Vec<(String, Template)> = Vec::new();
        for (name, field) in pairs {
            if !is_identifier(name) {
                field.fail(&mut self.problems, format!("`{name}` is not a name here: use letters, digits and `_`"));
            }
            templates.extend(self.template(&field, site).map(|template| (name.to_owned(), template)));
        }
        templates.sort_by(|(a, _), (b, _)| a.cmp(b));
        templates
    }

    pub(super) fn condition(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Program> {
        let program = self.program(cursor, "a condition", site)?;
        if program.provably_not_bool() {
            cursor.fail(&mut self.problems, "a condition is true or false, this can be neither");
        }
        Some(program)
    }

    /// What is one expression, and no template with several.
    fn program(&mut self, cursor: &Cursor<'_>, what: &str, site: Site) -> Option<Program> {
        if !matches!(&cursor.node.data, Data::Text(text) if text.contains("${{")) {
            cursor.fail(&mut self.problems, format!("{what} is written as `${{{{ … }}}}`"));
            return None;
        }
        let template = self.template(cursor, site)?;
        let program = template.as_program().cloned();
        if program.is_none() {
            cursor.fail(&mut self.problems, format!("{what} is one `${{{{ … }}}}` and nothing else"));
        }
        program
    }

    pub(super) fn template(&mut self, cursor: &Cursor<'_>, site: Site) -> Option<Template> {
        match Template::compile(&cursor.node.to_json()) {
            Ok(template) => {
                for (path, program) in template.programs() {
                    let (node, path) = descend(cursor, &path.0);
                    self.uses.push(Use { site, place: node.place, path, program: program.clone() });
                }
                Some(template)
            }
            Err(errors) => {
                for error in errors {
                    let (node, path) = descend(cursor, &error.path.0);
                    self.problems.add(node.place, &path, error.message);
                }
                None
            }
        }
    }
}

/// What is wrong with the name of a header that a request is to have.
pub(crate) fn header_fault(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if !is_header_name(name) {
        return Some(format!("`{name}` is not the name of a header"));
    }
    let is_reserved = HEADERS_RESERVED.contains(&lower.as_str()) || lower.starts_with("webhook-");
    is_reserved.then(|| format!("the server sets the header `{lower}` itself"))
}

/// RFC 9110, 5.6.2: a field's name is a token.
fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

pub(crate) fn is_identifier(text: &str) -> bool {
    let begins_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins_well && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The node at a path within a template, and its path in the document.
fn descend<'n>(cursor: &Cursor<'n>, segments: &[PathSegment]) -> (&'n Node, String) {
    let mut node = cursor.node;
    let mut path = cursor.path.clone();
    for segment in segments {
        let next = match segment {
            PathSegment::Key(key) => {
                path = join(&path, key);
                node.entry(key).map(|entry| &entry.node)
            }
            PathSegment::Index(index) => {
                path = format!("{path}[{index}]");
                node.element(*index)
            }
        };
        node = next.unwrap_or(node);
    }
    (node, path)
}
