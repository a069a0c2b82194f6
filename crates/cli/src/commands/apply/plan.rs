//! What it takes to bring a tenant to what a folder says.

use super::budget;
use super::folder::{BundleFolder, DefinitionFile, Folder};
use crate::error::CliError;
use chancery_api::budget::SetBudget;
use chancery_api::bundle::BundleSummary;
use chancery_api::definition::DefinitionSummary;
use chancery_api::queue::QueueSettings;
use chancery_api::schedule::{CatchUp, Overlap, ScheduleTerms};
use chancery_api::target::TargetSettings;
use chancery_base::{Digest, Kind, Name, TargetId, json};
use chancery_policy::{Bundle, diff};
use chancery_sdk::{Client, Error as SdkError};
use chancery_shard::trust::{self, Note};
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Added,
    Changed,
    Same,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Act {
    Settings(Map<String, Value>),
    Target(TargetId, TargetSettings),
    Queue(Name, QueueSettings),
    Budget(Name, SetBudget),
    Definition(PathBuf),
    Push(Value),
    Activate(Digest),
    ScheduleCreate(Name, ScheduleTerms),
    ScheduleSet(Name, ScheduleTerms),
}

/// One thing of the plan.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) sign: Sign,
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// In what it changes.
    pub(super) details: Vec<String>,
    /// Nothing where it is as it is to be.
    pub(super) act: Option<Act>,
}

/// All of it, in the order in which it is done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
}

impl Plan {
    /// Whether everything is as it is to be.
    pub(super) fn is_empty(&self) -> bool {
        self.items.iter().all(|item| item.sign == Sign::Same)
    }
}

pub(super) async fn plan(folder: Folder, client: &Client) -> Result<Plan, CliError> {
    let mut items = Vec::new();
    if let Some(settings) = folder.settings {
        items.push(of_settings(settings, client).await?);
    }
    for (id, settings) in folder.targets {
        let there = found(client.target_get(&id).await)?.and_then(|target| target.settings);
        let (sign, details) = compared(there.as_ref(), &settings);
        items.push(item((sign, "target", id.to_string()), details, Act::Target(id, settings)));
    }
    for (name, settings) in folder.queues {
        // A queue that somebody takes from is there, though nothing was set for it.
        let there = found(client.queue_get(&name).await)?.map(|queue| queue.settings);
        let there = there.filter(|there| *there != QueueSettings::default());
        let (sign, details) = compared(there.as_ref(), &settings);
        items.push(item((sign, "queue", name.to_string()), details, Act::Queue(name, settings)));
    }
    // Before the policy that demands them.
    for (name, set) in folder.budgets {
        items.push(budget::planned(name, set, client).await?);
    }
    if !folder.definitions.is_empty() {
        let registered = client.definitions().all().await?;
        let of = |file| of_definition(file, &registered);
        items.extend(folder.definitions.into_iter().map(of).collect::<Result<Vec<_>, _>>()?);
    }
    if folder.policy.is_some() || !folder.bundles.is_empty() {
        let pushed = client.bundles().all().await?;
        // Signatures of others are left out by a push.
        let signers: Vec<String> = client.signers().all().await?.into_iter().map(|signer| signer.name).collect();
        for bundle in &folder.bundles {
            items.push(of_bundle(bundle, &pushed, &signers)?.1);
        }
        if let Some(policy) = &folder.policy {
            let (bundle, push) = of_bundle(policy, &pushed, &signers)?;
            items.push(push);
            items.push(in_force(&bundle, &pushed, client).await?);
        }
    }
    for (name, terms) in folder.schedules {
        items.push(of_schedule(name, terms, client).await?);
    }
    Ok(Plan { items })
}

pub(super) fn item((sign, kind, name): (Sign, &'static str, String), details: Vec<String>, act: Act) -> Item {
    Item { sign, kind, name, details, act: (sign != Sign::Same).then_some(act) }
}

/// What is there; none where there is no such thing.
pub(super) fn found<T>(answer: Result<T, SdkError>) -> Result<Option<T>, CliError> {
    match answer {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == Kind::Missing => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What becomes of it, and in which of its fields it changes.
pub(super) fn compared<T: Serialize + PartialEq>(there: Option<&T>, wanted: &T) -> (Sign, Vec<String>) {
    let fields = |thing: &T| match serde_json::to_value(thing) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    };
    match there {
        None => (Sign::Added, changes(&Map::new(), &fields(wanted))),
        Some(there) if there == wanted => (Sign::Same, Vec::new()),
        Some(there) => (Sign::Changed, changes(&fields(there), &fields(wanted))),
    }
}

fn changes(there: &Map<String, Value>, wanted: &Map<String, Value>) -> Vec<String> {
    let gone = there.iter().filter(|(key, _)| !wanted.contains_key(*key));
    let gone = gone.map(|(key, value)| format!("{key}: {} → nothing", json::canonical_text(value)));
    let set = wanted.iter().filter_map(|(key, value)| {
        let value_text = json::canonical_text(value);
        match there.get(key) {
            Some(there) if there == value => None,
            Some(there) => Some(format!("{key}: {} → {value_text}", json::canonical_text(there))),
            None => Some(format!("{key}: {value_text}")),
        }
    });
    gone.chain(set).collect()
}

/// Only those that the folder names: others stay.
async fn of_settings(wanted: Map<String, Value>, client: &Client) -> Result<Item, CliError> {
    let there = client.settings().await?;
    let mut named = there.values;
    named.retain(|name, _| wanted.contains_key(name));
    let sign = match (named == wanted, there.version) {
        (true, _) => Sign::Same,
        (false, 0) => Sign::Added,
        (false, _) => Sign::Changed,
    };
    let details = changes(&named, &wanted);
    Ok(item((sign, "settings", "env".to_owned()), details, Act::Settings(wanted)))
}

fn of_definition(file: DefinitionFile, registered: &[DefinitionSummary]) -> Result<Item, CliError> {
    let DefinitionFile { path, definition } = file;
    let of_name: Vec<_> = registered.iter().filter(|there| there.name == definition.name).collect();
    let name = format!("{} {}", definition.name, definition.version);
    let newest = of_name.iter().map(|there| there.version).max();
    let wrong = |message: String| Err(CliError::faulty(&path, message));
    let sign = match of_name.iter().find(|there| there.version == definition.version) {
        Some(there) if there.digest == definition.digest => Sign::Same,
        Some(_) => return wrong(format!("{name} is registered with other content: raise its version")),
        None if newest.is_some_and(|newest| newest > definition.version) => {
            return wrong(format!("{name} is older than version {} that is registered", newest.unwrap_or(0)));
        }
        None if newest.is_some() => Sign::Changed,
        None => Sign::Added,
    };
    let details = match (sign, newest) {
        (Sign::Changed, Some(newest)) => vec![format!("version: {newest} → {}", definition.version)],
        (Sign::Added | Sign::Changed | Sign::Same, _) => Vec::new(),
    };
    Ok(item((sign, "definition", name), details, Act::Definition(path)))
}

/// A bundle with the version that it has or gets, and what it takes to have it pushed.
fn of_bundle(folder: &BundleFolder, pushed: &[BundleSummary], signers: &[String]) -> Result<(Bundle, Item), CliError> {
    let BundleFolder { path, source, note } = folder;
    let of_name: Vec<_> = pushed.iter().filter(|there| Some(there.name.as_str()) == source.name()).collect();
    let newest = of_name.iter().max_by_key(|there| there.version);
    let signed = note.as_ref().zip(source.name()).and_then(|(note, name)| trust::version_of(note, name));
    let version = match (source.is_unversioned(), signed, newest) {
        (false, ..) => 1,
        (true, Some(version), _) => version,
        (true, None, None) => 1,
        (true, None, Some(newest)) => {
            let is_same = source.check(newest.version)?.0.digest() == newest.digest;
            newest.version.saturating_add(u32::from(!is_same))
        }
    };
    let (bundle, _) = source.check(version)?;
    let name = format!("{} {}", bundle.name(), bundle.version());
    let there = of_name.iter().find(|there| u64::from(there.version) == bundle.version());
    let mut details = Vec::new();
    let sign = match there {
        Some(there) if there.digest != bundle.digest() => return Err(other_content(path, &name)),
        Some(there) => {
            let signatures = note.iter().flat_map(Note::signatures);
            let trusted = signatures.filter(|signature| signers.iter().any(|name| name == signature.name.as_str()));
            let lines = trusted.map(ToString::to_string);
            let new = lines.filter(|line| !there.signatures.iter().any(|known| known.line == *line));
            details.extend(new.map(|line| format!("signature {line}")));
            if details.is_empty() { Sign::Same } else { Sign::Changed }
        }
        None if of_name.is_empty() => Sign::Added,
        None => Sign::Changed,
    };
    let mut document = source.document(version);
    if let (Some(note), Some(document)) = (note, document.as_object_mut()) {
        document.insert("signatures".to_owned(), Value::from(note.to_string()));
    }
    let item = item((sign, "bundle", name), details, Act::Push(document));
    Ok((bundle, item))
}

fn other_content(path: &Path, name: &str) -> CliError {
    CliError::faulty(path, format!("{name} is pushed with other content: raise its version, or leave it out"))
}

/// The bundle that is to be in force, and in what it differs from the one that is.
async fn in_force(bundle: &Bundle, pushed: &[BundleSummary], client: &Client) -> Result<Item, CliError> {
    let name = format!("{} {}", bundle.name(), bundle.version());
    let act = Act::Activate(bundle.digest());
    let Some(active) = pushed.iter().find(|there| there.active) else {
        return Ok(item((Sign::Added, "policy", name), Vec::new(), act));
    };
    if active.digest == bundle.digest() {
        return Ok(item((Sign::Same, "policy", name), Vec::new(), act));
    }
    let source = json::canonical(&client.bundle_get(active.digest).await?.source);
    let before = Bundle::parse(&source).map_err(|error| {
        let what = format!("bundle {}", active.digest);
        CliError::Unverified { what, reason: error.to_string() }
    })?;
    let mut details = vec![format!("in place of {} {}", active.name, active.version)];
    for difference in diff::between(&before, bundle) {
        let sign = match difference.change {
            diff::Change::Added => '+',
            diff::Change::Removed => '-',
            diff::Change::Changed => '~',
        };
        details.push(format!("{sign} {} {}", difference.part.word(), difference.name));
        details.extend(difference.details.into_iter().map(|line| format!("    {line}")));
    }
    Ok(item((Sign::Changed, "policy", name), details, act))
}

async fn of_schedule(name: Name, terms: ScheduleTerms, client: &Client) -> Result<Item, CliError> {
    // What is not said, the server says as it takes it.
    let terms = ScheduleTerms {
        zone: terms.zone.or_else(|| Some("UTC".to_owned())),
        overlap: terms.overlap.or(Some(Overlap::Skip)),
        catch_up: terms.catch_up.or(Some(CatchUp::Last)),
        catch_up_window: terms.catch_up_window.or_else(|| Some("1h".to_owned())),
        offset: terms.offset.filter(|offset| offset != "0s"),
        ..terms
    };
    let there = found(client.schedule_get(&name).await)?.map(|schedule| schedule.terms);
    let (sign, details) = compared(there.as_ref(), &terms);
    let act = match there {
        None => Act::ScheduleCreate(name.clone(), terms),
        Some(_) => Act::ScheduleSet(name.clone(), terms),
    };
    Ok(item((sign, "schedule", name.to_string()), details, act))
}
