//! The plan of a definition that somebody wrote, read from its document and the input of its transactions: by other
//! code than the engine's, and with every default said here again. What it does not know it refuses.

use super::{
    ConfirmPlan, FINAL, OnErrorPlan, OpenPlan, OutputPlan, Plan, RetryPlan, RunPlan, SignalName, SignalPlan, StepPlan,
    TccPlan, UndoPlan,
};
use crate::model::Check;
use chancery_engine::{Intent, IntentUndo};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What there is of a plan that was read, beside what there is of one that was drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadPlan {
    /// The number of its transactions.
    pub number: u64,
    /// What its steps are called, or those that its driver asks for.
    pub names: Vec<String>,
    /// The steps of which an attempt waits for longer or shorter by another part than a fifth: how many percent.
    pub jitter: BTreeMap<usize, u64>,
}

/// How long an attempt may take.
const TIMEOUT: u64 = 30_000;
/// How many seconds a step may wait for a worker.
const QUEUE_TIMEOUT: u64 = 300;
/// How many percent of a wait are added or taken at most.
const JITTER: u64 = 20;

impl Plan {
    /// Reads a document. `script` has the steps that the driver of an open transaction asks for.
    pub(crate) fn read(document: &[u8], input: &Value, script: &[Intent]) -> Check<Self> {
        let document: Value = serde_json::from_slice(document).map_err(|err| err.to_string())?;
        let mut keys = Keys::of("the definition", &document)?;
        // What these say is about keys, names, policy and hints.
        keys.leave(&["version", "key", "lint", "allow", "action", "context", "description"]);
        let mut reader = Reader { input, number: None, read: ReadPlan::default() };
        let mut plan = Self::empty(keys.text("name")?.unwrap_or_default());
        plan.concurrency = keys.count("concurrency")?;
        if let Some(compensation) = keys.take("compensation") {
            let mut keys = Keys::of("compensation", &compensation)?;
            (plan.policy, plan.on_error) = (keys.word("policy")?, keys.word("on_error")?);
            keys.done()?;
        }
        match keys.text("kind")?.as_deref() {
            None | Some("saga") => {
                plan.lasts = keys.millis("timeout")?;
                plan.is_layered = keys.text("mode")?.is_some_and(|mode| mode == "layers");
                for step in keys.list("steps")? {
                    let step = reader.step(&step, &plan)?;
                    plan.steps.push(step);
                }
            }
            Some("tcc") => {
                plan.lasts = keys.millis("timeout")?;
                let order = keys.word("mode")?.unwrap_or(TccPlan::Sequence);
                plan.tcc = Some(order);
                for participant in keys.list("participants")? {
                    let step = reader.participant(&participant, order, &plan)?;
                    plan.steps.push(step);
                }
            }
            Some("open") => {
                plan.lasts = keys.millis("deadline")?;
                plan.open = Some(reader.frame(&mut keys, script)?);
            }
            Some(other) => return Err(format!("a definition of kind {other}")),
        }
        if let Some(output) = keys.take("output") {
            plan.output = reader.output(&output, &plan)?;
        }
        keys.done()?;
        reader.read.number = reader.number.unwrap_or(0);
        plan.read = Some(reader.read);
        Ok(plan)
    }

    /// The number of a transaction, which conditions and fan-outs look at.
    pub(crate) fn number(&self, input: &Value) -> u64 {
        let own = || input.get("n").and_then(Value::as_u64).unwrap_or(0);
        self.read.as_ref().map_or_else(own, |read| read.number)
    }

    /// The step that a driver asks for by this name.
    pub(crate) fn scripted(&self, name: &str) -> Option<&StepPlan> {
        let number = match &self.read {
            Some(read) => read.names.iter().position(|known| known == name),
            None => name.strip_prefix('s').and_then(|number| number.parse().ok()),
        };
        self.open.as_ref()?.script.get(number?)
    }

    /// How many percent longer or shorter the wait for an attempt of a step may be.
    pub(crate) fn jitter(&self, step: usize) -> u64 {
        self.read.as_ref().and_then(|read| read.jitter.get(&step).copied()).unwrap_or(JITTER)
    }
}

/// Reads what depends on the input and on the steps before.
struct Reader<'a> {
    input: &'a Value,
    number: Option<u64>,
    read: ReadPlan,
}

impl Reader<'_> {
    fn step(&mut self, document: &Value, plan: &Plan) -> Check<StepPlan> {
        let mut keys = Keys::of("a step", document)?;
        keys.leave(&["action", "context", "resource", "description"]);
        let name = keys.text("id")?.ok_or("a step without a name")?;
        let mut step = StepPlan { above: self.condition(&mut keys, plan)?, ..self.forward(&mut keys, 3)? };
        for before in keys.list("after")? {
            step.after.push(self.position(before.as_str().unwrap_or_default())?);
        }
        if let Some(each) = keys.text("each")? {
            let list = within(&each).and_then(|inner| self.input_of(inner)).and_then(Value::as_array);
            self.count_by(u64::try_from(list.ok_or_else(|| format!("each {each}"))?.len()).unwrap_or(u64::MAX))?;
            step.most_clones = Some(u64::MAX);
        }
        step.window = keys.count("concurrency")?;
        step.undo = keys.take("compensate").map(|undo| self.undo(&undo, 3)).transpose()?;
        step.is_pivot = keys.flag("pivot")?;
        step.is_optional = match keys.text("on_failure")?.as_deref() {
            None => false,
            Some("continue") => true,
            Some(other) => return Err(format!("on_failure {other}")),
        };
        keys.done()?;
        self.read.names.push(name);
        Ok(step)
    }

    fn participant(&mut self, document: &Value, order: TccPlan, plan: &Plan) -> Check<StepPlan> {
        let mut keys = Keys::of("a participant", document)?;
        keys.leave(&["action", "context", "resource", "description"]);
        let name = keys.text("id")?.ok_or("a participant without a name")?;
        let mut tried = Keys::of("try", &keys.take("try").ok_or("nothing is tried")?)?;
        let mut step = StepPlan { above: self.condition(&mut keys, plan)?, ..self.forward(&mut tried, 1)? };
        tried.done()?;
        step.after = plan.steps.len().checked_sub(1).filter(|_| order == TccPlan::Sequence).into_iter().collect();
        step.undo = Some(self.undo(&keys.take("cancel").ok_or("nothing cancels it")?, 4)?);
        let confirm = self.undo(&keys.take("confirm").ok_or("nothing confirms it")?, 4)?;
        if confirm.on_error.is_some() || confirm.is_critical {
            return Err("a confirm has no action".to_owned());
        }
        step.confirm = Some(ConfirmPlan { is_noop: confirm.is_noop, retry: confirm.retry, timeout: confirm.timeout });
        step.is_optional = keys.flag("optional")?;
        keys.done()?;
        self.read.names.push(name);
        Ok(step)
    }

    /// What an open transaction may do, and what its driver does.
    fn frame(&mut self, keys: &mut Keys, script: &[Intent]) -> Check<OpenPlan> {
        let grace = keys.millis("grace")?.ok_or("no grace")?;
        let steps_max = keys.count("steps_max")?.and_then(|most| usize::try_from(most).ok()).ok_or("no steps_max")?;
        self.read.names = script.iter().map(|intent| intent.step.to_string()).collect();
        let script = script.iter().map(driven).collect::<Check<_>>()?;
        // Whether it aborts, it says by doing so.
        Ok(OpenPlan { grace, steps_max, script, aborts: false })
    }

    /// What a step does on the way forward; `attempts` where it does not say how many.
    fn forward(&mut self, keys: &mut Keys, attempts: u64) -> Check<StepPlan> {
        let run = self.run(&keys.take("run").ok_or("it runs nothing")?)?;
        let needed = keys.take("with").map(|with| self.needs(&with)).transpose()?.unwrap_or_default();
        if needed.len() > 1 {
            return Err("an input of several outputs".to_owned());
        }
        let (retry, jitter) = retry(keys.take("retry"), attempts)?;
        self.read.jitter.extend(jitter.map(|jitter| (self.read.names.len(), jitter)));
        let timeout = keys.millis("timeout")?.unwrap_or(TIMEOUT);
        let queue_timeout = keys.millis("queue_timeout")?.map_or(QUEUE_TIMEOUT, |millis| millis / 1_000);
        let input_of = needed.first().copied();
        Ok(StepPlan { input_of, ..StepPlan::plain(run, retry, timeout, queue_timeout) })
    }

    fn run(&self, document: &Value) -> Check<RunPlan> {
        if document == "noop" {
            return Ok(RunPlan::Noop);
        }
        let mut keys = Keys::of("run", document)?;
        let run = if keys.take("worker").is_some() {
            RunPlan::QueueA
        } else if keys.take("http").is_some() {
            RunPlan::Http
        } else if let Some(wait) = keys.text("wait")? {
            RunPlan::Wait(self.time(&wait)?)
        } else if let Some(signal) = keys.take("signal") {
            let mut keys = Keys::of("signal", &signal)?;
            let name = keys.text("name")?.unwrap_or_default();
            let known = SignalName::ALL.into_iter().find(|known| known.word() == name);
            let timeout = keys.text("timeout")?.map(|timeout| self.time(&timeout)).transpose()?;
            keys.done()?;
            RunPlan::Signal(SignalPlan { name: known.ok_or_else(|| format!("the signal {name}"))?, timeout })
        } else {
            return Err(format!("it runs {document}"));
        };
        keys.done()?;
        Ok(run)
    }

    /// A compensation, a cancel or a confirm.
    fn undo(&self, document: &Value, attempts: u64) -> Check<UndoPlan> {
        let mut keys = Keys::of("what closes a step", document)?;
        // What it is called with does not matter to the model.
        keys.leave(&["with", "description"]);
        let is_noop = self.run(&keys.take("run").ok_or("it runs nothing")?)? == RunPlan::Noop;
        let (retry, jitter) = retry(keys.take("retry"), attempts)?;
        if jitter.is_some() {
            return Err("what closes a step has a jitter of its own".to_owned());
        }
        let timeout = keys.millis("timeout")?.unwrap_or(TIMEOUT);
        let (on_error, is_critical) = (keys.word("on_error")?, keys.flag("critical")?);
        keys.done()?;
        Ok(UndoPlan { is_noop, is_event: false, retry, timeout, on_error, is_critical })
    }

    /// Above which number a step is not skipped.
    fn condition(&mut self, keys: &mut Keys, plan: &Plan) -> Check<Option<u64>> {
        let Some(when) = keys.text("when")? else { return Ok(None) };
        let unknown = || format!("when {when}");
        let inner = within(&when).ok_or_else(unknown)?;
        if let Some((left, above)) = inner.split_once(" > ") {
            let number = self.input_of(left).and_then(Value::as_u64).ok_or_else(unknown)?;
            self.count_by(number)?;
            return above.parse().map(Some).map_err(|err| format!("{}: {err}", unknown()));
        }
        // Whoever asks whether a step was done is skipped with it, if nothing else leaves that one undone.
        let of = inner.strip_prefix("steps.").and_then(|rest| rest.strip_suffix(".status == 'completed'"));
        let of = self.position(of.ok_or_else(unknown)?)?;
        let of = plan.steps.get(of).filter(|of| !of.is_optional).ok_or_else(unknown)?;
        Ok(of.above)
    }

    /// There is one number that conditions and fan-outs look at.
    fn count_by(&mut self, number: u64) -> Check {
        let before = self.number.replace(number);
        if before.is_none_or(|before| before == number) {
            Ok(())
        } else {
            Err(format!("it looks at {before:?} and at {number}"))
        }
    }

    /// The step without which there is no output; of those that are never left out any will do.
    fn output(&self, document: &Value, plan: &Plan) -> Check<OutputPlan> {
        let needed = self.needs(document)?;
        let is_left_out = |step: &usize| {
            let step = plan.steps.get(*step);
            step.is_none_or(|step| step.above.is_some() || step.is_optional && step.most_clones.is_none())
        };
        let lacking: Vec<usize> = needed.iter().copied().filter(is_left_out).collect();
        let sure = || (0..plan.steps.len()).find(|step| !is_left_out(step));
        match lacking.as_slice() {
            [] => sure().map(OutputPlan::Of).ok_or_else(|| "an output of a definition without a sure step".to_owned()),
            [step] => Ok(OutputPlan::Of(*step)),
            [..] => Err("an output of several steps that may be left out".to_owned()),
        }
    }

    /// The steps without whose outputs the expressions of a value fail.
    fn needs(&self, value: &Value) -> Check<BTreeSet<usize>> {
        let mut needed = BTreeSet::new();
        let text = value.to_string();
        for rest in text.split("steps").skip(1) {
            let unknown = || format!("steps{rest}");
            let (name, rest) = if let Some(quoted) = rest.strip_prefix("['") {
                quoted.split_once("']").ok_or_else(unknown)?
            } else {
                let dotted = rest.strip_prefix('.').ok_or_else(unknown)?;
                let end = dotted.find(|of: char| !of.is_ascii_alphanumeric() && of != '_').ok_or_else(unknown)?;
                dotted.split_at(end)
            };
            let step = self.position(name)?;
            if rest.starts_with(".output") {
                needed.insert(step);
            } else if !rest.starts_with(".?output") {
                return Err(unknown());
            }
        }
        Ok(needed)
    }

    fn position(&self, name: &str) -> Check<usize> {
        let position = self.read.names.iter().position(|known| known == name);
        position.ok_or_else(|| format!("there is no step `{name}` before it"))
    }

    /// What `input.<field>` is.
    fn input_of(&self, expression: &str) -> Option<&Value> {
        self.input.get(expression.strip_prefix("input.")?)
    }

    /// A duration, as such or as the input may have it.
    fn time(&self, text: &str) -> Check<u64> {
        let Some(inner) = within(text) else { return millis(text) };
        let unknown = || format!("the duration {text}");
        let (field, or) =
            inner.strip_prefix("input.?").and_then(|rest| rest.split_once(".orValue('")).ok_or_else(unknown)?;
        let given = self.input.get(field).and_then(Value::as_str);
        millis(given.map_or_else(|| or.strip_suffix("')").ok_or_else(unknown), Ok)?)
    }
}

/// A step that a driver declares.
fn driven(intent: &Intent) -> Check<StepPlan> {
    let retry = |attempts: u32| RetryPlan { attempts: u64::from(attempts), backoff: 100, unless: false };
    let undo = |undo: &IntentUndo| -> Check<UndoPlan> {
        let on_error: Option<OnErrorPlan> = serde_json::to_value(undo.on_error)
            .and_then(serde_json::from_value)
            .map_err(|err| format!("on_error: {err}"))?;
        let (timeout, is_critical) = (undo.timeout_ms, undo.critical);
        Ok(UndoPlan { is_noop: false, is_event: false, retry: retry(undo.attempts), timeout, on_error, is_critical })
    };
    let undo = intent.undo.as_ref().map(undo).transpose()?;
    let plain = StepPlan::plain(RunPlan::QueueA, retry(1), intent.timeout_ms, QUEUE_TIMEOUT);
    Ok(StepPlan { undo, is_optional: true, ..plain })
}

/// How something is tried again, and by how many percent its waits differ, where it says so.
fn retry(document: Option<Value>, attempts: u64) -> Check<(RetryPlan, Option<u64>)> {
    let mut keys = Keys::of("retry", &document.unwrap_or_else(|| Value::Object(Map::new())))?;
    let attempts = keys.count("attempts")?.unwrap_or(attempts);
    let backoff = keys.millis("backoff")?.unwrap_or(100);
    // The model knows no others.
    let factor = keys.count("factor")?.unwrap_or(2);
    let max = keys.millis("max")?.unwrap_or(10_000);
    if (factor, max) != (2, 10_000) {
        return Err(format!("a factor of {factor}, at most {max} ms"));
    }
    let jitter = keys.take("jitter").map(|jitter| percent(&jitter)).transpose()?;
    let unless = keys.list("unless")?;
    if unless.iter().any(|of| of != FINAL) {
        return Err(format!("unless {unless:?}"));
    }
    keys.done()?;
    Ok((RetryPlan { attempts, backoff, unless: !unless.is_empty() }, jitter))
}

/// A part from 0 to 1, in hundredths.
fn percent(value: &Value) -> Check<u64> {
    let text = value.to_string();
    let (whole, parts) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = format!("{whole}{parts:0<2}");
    digits.parse().ok().filter(|_| parts.len() <= 2).ok_or_else(|| format!("the part {text}"))
}

/// What stands within `${{ }}`, where a text is nothing else.
fn within(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("${{ ")?.strip_suffix(" }}")?;
    (!inner.contains("${{")).then_some(inner)
}

fn millis(text: &str) -> Check<u64> {
    let unknown = || format!("the duration {text}");
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let of = |(unit, millis): (&str, u64)| Some(text.strip_suffix(unit)?.parse::<u64>().ok()? * millis);
    units.into_iter().find_map(of).ok_or_else(unknown)
}

/// The keys of an object. Each is taken once: what is left was not understood.
struct Keys {
    of: &'static str,
    map: Map<String, Value>,
}

impl Keys {
    fn of(of: &'static str, document: &Value) -> Check<Self> {
        let map = document.as_object().cloned().ok_or_else(|| format!("{of}: {document}"))?;
        Ok(Self { of, map })
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key)
    }

    /// Does not look at what these say.
    fn leave(&mut self, keys: &[&str]) {
        self.map.retain(|key, _| !keys.contains(&key.as_str()));
    }

    fn done(self) -> Check {
        let left: Vec<&String> = self.map.keys().collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{}: {left:?} are not known", self.of)) }
    }

    fn read<T>(&mut self, key: &str, read: impl Fn(&Value) -> Option<T>) -> Check<Option<T>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        read(&value).map(Some).ok_or_else(|| format!("{}: {key}: {value}", self.of))
    }

    fn text(&mut self, key: &str) -> Check<Option<String>> {
        self.read(key, |value| value.as_str().map(str::to_owned))
    }

    fn count(&mut self, key: &str) -> Check<Option<u64>> {
        self.read(key, Value::as_u64)
    }

    fn flag(&mut self, key: &str) -> Check<bool> {
        Ok(self.read(key, Value::as_bool)?.unwrap_or(false))
    }

    fn list(&mut self, key: &str) -> Check<Vec<Value>> {
        Ok(self.read(key, |value| value.as_array().cloned())?.unwrap_or_default())
    }

    fn millis(&mut self, key: &str) -> Check<Option<u64>> {
        self.text(key)?.map(|text| millis(&text)).transpose()
    }

    /// One of the words of a plan.
    fn word<T: serde::de::DeserializeOwned>(&mut self, key: &str) -> Check<Option<T>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|err| format!("{}: {key}: {err}", self.of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What is drawn and written is read as what was drawn, but for the names of queues and what says the same.
    #[test]
    fn what_a_plan_says_is_read_as_it_was_meant() {
        let plan = Plan::read(
            json!({
                "name": "all", "version": 3, "timeout": "2m", "concurrency": 2, "mode": "layers",
                "compensation": {"policy": "circuit-breaker", "on_error": "skip"},
                "steps": [
                    {"id": "a-b", "run": {"worker": "w"}, "retry": {"jitter": 0.5, "unless": ["OutOfStock"]},
                        "timeout": "2s", "queue_timeout": "1m", "compensate": {"run": "noop", "critical": true}},
                    {"id": "c", "run": {"http": {"url": "https://x.test"}}, "after": ["a-b"],
                        "with": {"of": "${{ steps['a-b'].output.x }}"}, "when": "${{ input.total > 7 }}"},
                    {"id": "d", "run": {"wait": "${{ input.?long.orValue('3d') }}"}, "after": ["c"],
                        "when": "${{ steps.c.status == 'completed' }}"},
                ],
                "output": {"c": "${{ steps.c.output }}", "d": "${{ steps.d.?output }}"},
            })
            .to_string()
            .as_bytes(),
            &json!({"total": 9, "long": "5s"}),
            &[],
        )
        .unwrap();
        let [first, second, third] = &plan.steps[..] else { panic!("{plan:?}") };
        assert_eq!((plan.lasts, plan.concurrency, plan.is_layered), (Some(120_000), Some(2), true));
        assert_eq!(
            (plan.number(&json!({})), plan.output, plan.jitter(0), plan.jitter(1)),
            (9, OutputPlan::Of(1), 50, 20)
        );
        assert_eq!(
            (first.retry.attempts, first.retry.unless, first.timeout, first.queue_timeout),
            (3, true, 2_000, 60)
        );
        assert!(first.undo.as_ref().is_some_and(|undo| undo.is_noop && undo.is_critical));
        assert_eq!((&second.after[..], second.input_of, second.above), (&[0][..], Some(0), Some(7)));
        assert_eq!((third.run, third.above), (RunPlan::Wait(5_000), Some(7)));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let step = |with: Value| {
            let mut step = json!({"id": "a", "run": {"worker": "w"}});
            step.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
            json!({"name": "one", "version": 1, "steps": [step]})
        };
        for (document, expected) in [
            (step(json!({"colour": "red"})), "a step: [\"colour\"] are not known"),
            (step(json!({"when": "${{ input.n == 3 }}"})), "when ${{ input.n == 3 }}"),
            (step(json!({"retry": {"factor": 3}})), "a factor of 3, at most 10000 ms"),
            (step(json!({"run": {"transaction": "b"}})), "it runs {\"transaction\":\"b\"}"),
            (step(json!({"with": "${{ steps.b.output }}"})), "there is no step `b` before it"),
            (step(json!({"timeout": "3 s"})), "the duration 3 s"),
            (json!({"name": "one", "kind": "poem"}), "a definition of kind poem"),
        ] {
            let refused = Plan::read(document.to_string().as_bytes(), &json!({"n": 3}), &[]).unwrap_err();
            assert_eq!(refused, expected);
        }
    }
}
