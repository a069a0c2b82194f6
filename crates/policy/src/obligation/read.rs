//! Obligations as a bundle's author writes them: annotations of Cedar policies.

use super::{Approval, Artefact, Demand, FieldPath, Limits, Obligation, Pace, Scope, Spending};
use crate::amount::Amount;
use chancery_base::duration;
use chancery_base::limits::{NAME_BYTES_MAX, NOTIFIERS_MAX, REQUEST_APPROVERS_MAX};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Annotations that every obligation may have.
const COMMON: [&str; 5] = ["id", "obligation", "reason", "justification", "description"];
/// An attempt shorter than this would never end in time.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// Reads the annotations of one kind.
type Reader = fn(&Annotations<'_>) -> Result<Demand, String>;

/// Reads what a policy's annotations demand.
///
/// # Errors
/// Says which annotation is missing, unknown, or not of its form: none is passed over, for that would demand less than
/// its author did.
pub(crate) fn read(
    policy: &str,
    reason: Option<String>,
    annotations: &BTreeMap<&str, &str>,
) -> Result<Obligation, String> {
    let kind =
        annotations.get("obligation").copied().ok_or("an obligation says its kind: `@obligation(\"approval\")`")?;
    let (known, reader): (&[&str], Reader) = match kind {
        "approval" => (&["approvers", "role", "sla"], approval),
        "evidence" => (&["name", "for"], evidence),
        "mask" => (&["fields"], mask),
        "limits" => (&["timeout", "paths", "commands", "network", "cpu", "memory"], limits),
        "budget" => (&["budget", "amount", "cost"], budget),
        "rate" => (&["limit", "window", "per"], rate),
        "notify" => (&["notifier"], notify),
        other => {
            let all = "`approval`, `evidence`, `mask`, `limits`, `budget`, `rate` and `notify`";
            return Err(format!("there is no obligation `{other}`: there are {all}"));
        }
    };
    if let Some(unknown) = annotations.keys().find(|name| !known.contains(*name) && !COMMON.contains(*name)) {
        return Err(format!("an obligation `{kind}` has no `@{unknown}`: it has {}", list(known)));
    }
    // What is counted is counted under this name, which stands in the key of a row.
    if kind == "rate" && policy.len() > NAME_BYTES_MAX {
        return Err(format!("an obligation `rate` has an `@id` of at most {NAME_BYTES_MAX} bytes"));
    }
    let demand = reader(&Annotations(annotations))?;
    Ok(Obligation { policy: Some(policy.to_owned()), reason, demand })
}

struct Annotations<'a>(&'a BTreeMap<&'a str, &'a str>);

impl Annotations<'_> {
    fn read<T>(&self, name: &str, reader: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, String> {
        let value = self.0.get(name).map(|text| reader(text));
        value.transpose().map_err(|problem| format!("@{name}: {problem}"))
    }

    fn set(&self, name: &str) -> Result<Option<BTreeSet<String>>, String> {
        self.read(name, |text| Ok(parts(text).map(str::to_owned).collect()))
    }
}

fn approval(annotations: &Annotations<'_>) -> Result<Demand, String> {
    let approvers = annotations.read("approvers", |text| {
        let count = text.parse::<u32>().ok().filter(|count| (1..=REQUEST_APPROVERS_MAX).contains(count));
        count.ok_or_else(|| format!("`{text}` is no whole number from 1 to {REQUEST_APPROVERS_MAX}"))
    })?;
    let role = annotations.read("role", |text| text.parse().map_err(|err| format!("{err}")))?;
    let within = annotations.read("sla", |text| match duration::parse(text) {
        Ok(Duration::ZERO) => Err("nobody answers within no time".to_owned()),
        Ok(within) => Ok(within),
        Err(err) => Err(err.to_string()),
    })?;
    Ok(Demand::Approval(Approval { approvers: approvers.unwrap_or(1), role, within }))
}

fn evidence(annotations: &Annotations<'_>) -> Result<Demand, String> {
    let name = annotations.read("name", |text| text.parse().map_err(|err| format!("{err}")))?;
    let name = name.ok_or("evidence says what it is called: `@name(\"dpia\")`")?;
    let scope = annotations.read("for", |text| {
        let found = [Scope::Transaction, Scope::Tenant].into_iter().find(|scope| scope.word() == text);
        found.ok_or_else(|| format!("`{text}` is neither `transaction` nor `tenant`"))
    })?;
    Ok(Demand::Evidence(Artefact { name, scope: scope.unwrap_or(Scope::Transaction), cited: None }))
}

fn mask(annotations: &Annotations<'_>) -> Result<Demand, String> {
    let fields =
        annotations.read("fields", |text| parts(text).map(FieldPath::read).collect::<Result<BTreeSet<_>, _>>())?;
    match fields.filter(|fields| !fields.is_empty()) {
        Some(fields) => Ok(Demand::Mask(fields)),
        None => Err("a mask says what it takes away: `@fields(\"card.number, email\")`".to_owned()),
    }
}

fn limits(annotations: &Annotations<'_>) -> Result<Demand, String> {
    let limits = Limits {
        timeout: annotations.read("timeout", |text| match duration::parse(text) {
            Ok(timeout) if timeout >= TIMEOUT_MIN => Ok(timeout),
            Ok(_) => Err(format!("`{text}` is less than {}", duration::format(TIMEOUT_MIN))),
            Err(err) => Err(err.to_string()),
        })?,
        paths: annotations.set("paths")?,
        commands: annotations.set("commands")?,
        network: annotations.set("network")?,
        cpu: annotations.read("cpu", cpu)?,
        memory: annotations.read("memory", memory)?,
    };
    if limits == Limits::default() {
        return Err("limits say what they limit: `@timeout(\"30s\")`, `@memory(\"256Mi\")`".to_owned());
    }
    Ok(Demand::Limits(limits))
}

fn budget(annotations: &Annotations<'_>) -> Result<Demand, String> {
    let budget = annotations.read("budget", |text| text.parse().map_err(|err| format!("{err}")))?;
    let amount = annotations.read("amount", |text| Amount::read(text, Amount::OF_STEP))?;
    let cost = annotations.read("cost", |text| Amount::read(text, Amount::OF_OUTCOME))?;
    match budget {
        Some(budget) => Ok(Demand::Budget(Spending { budget, amount, cost })),
        None => Err("an obligation `budget` says of which: `@budget(\"refunds\")`".to_owned()),
    }
}

fn rate(annotations: &Annotations<'_>) -> Result<Demand, String> {
    let limit = annotations
        .read("limit", |text| amount(text, text, 1).ok_or_else(|| format!("`{text}` is no whole number from 1 on")))?;
    let window = annotations.read("window", str::parse)?;
    let per = annotations.read("per", str::parse)?;
    let (Some(limit), Some(window), Some(per)) = (limit, window, per) else {
        let example = "`@limit(\"100\") @window(\"1m\") @per(\"principal\")`";
        return Err(format!("a rate says how many, in what time and for whom: {example}"));
    };
    Ok(Demand::Rate(Pace { limit, window, per }))
}

fn notify(annotations: &Annotations<'_>) -> Result<Demand, String> {
    let notifiers = annotations.read("notifier", |text| {
        let names = parts(text).map(|part| part.parse().map_err(|err| format!("{err}")));
        let names = names.collect::<Result<BTreeSet<_>, String>>()?;
        match names.len() {
            0..=NOTIFIERS_MAX => Ok(names),
            many => Err(format!("it names {many}, and a tenant has at most {NOTIFIERS_MAX}")),
        }
    })?;
    match notifiers.filter(|notifiers| !notifiers.is_empty()) {
        Some(notifiers) => Ok(Demand::Notify(notifiers)),
        None => Err("an obligation `notify` says who tells of it: `@notifier(\"finance\")`".to_owned()),
    }
}

/// `500m`, or whole processors: thousandths of one.
fn cpu(text: &str) -> Result<u64, String> {
    let (number, scale) = text.strip_suffix('m').map_or((text, 1_000), |number| (number, 1));
    amount(text, number, scale).ok_or_else(|| format!("`{text}` is no share of processors: write `500m` or `2`"))
}

/// `1048576`, `256Ki`, `256Mi`, `2Gi`: bytes.
fn memory(text: &str) -> Result<u64, String> {
    let suffixes = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)];
    let found = suffixes.iter().find_map(|(suffix, scale)| Some((text.strip_suffix(suffix)?, *scale)));
    let (number, scale) = found.unwrap_or((text, 1));
    amount(text, number, scale).ok_or_else(|| format!("`{text}` is no size: write bytes, or `256Ki`, `256Mi`, `2Gi`"))
}

/// Positive, and a number that JSON keeps.
fn amount(text: &str, number: &str, scale: u64) -> Option<u64> {
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 20;
    let amount = number.parse::<u64>().ok().filter(|_| digits)?.checked_mul(scale)?;
    (1..=chancery_base::json::INTEGER_MAX.unsigned_abs()).contains(&amount).then_some(amount)
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`@{name}`")).collect::<Vec<_>>().join(", ")
}
