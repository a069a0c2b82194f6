//! `chancery definition diff`

use super::parse;
use crate::definition_source::{self, Source};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{plain, put};
use crate::session::Session;
use chancery_base::{Name, json};
use chancery_engine::definition::{Change, Definition, Diff};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// Say what two definitions differ in: steps, keys, order, and what it means for compensation.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery definition diff create-order@1 create-order@2
  chancery definition diff create-order@2 create-order.yaml
  chancery definition diff old.yaml new.yaml --exit-code -o json")]
pub(crate) struct Args {
    /// The first: a file, or NAME@VERSION for one that is registered with the server.
    before: String,
    /// The second.
    after: String,
    /// Exit 1 where they differ.
    #[arg(long)]
    exit_code: bool,
}

/// What `-o json` writes.
#[derive(Debug, Serialize)]
struct Body {
    before: Which,
    after: Which,
    whole: Vec<Changed>,
    added: Vec<Name>,
    removed: Vec<Name>,
    changed: Vec<Step>,
    order: Vec<Order>,
    compensation: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Which {
    name: Name,
    version: u32,
}

#[derive(Debug, Serialize)]
struct Changed {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Step {
    step: Name,
    changes: Vec<Changed>,
}

#[derive(Debug, Serialize)]
struct Order {
    step: Name,
    waits_for: Vec<Name>,
    no_longer: Vec<Name>,
}

pub(super) async fn run(args: &Args, session: &Session) -> Result<Exit, CliError> {
    let before = read(&args.before, session).await?;
    let after = read(&args.after, session).await?;
    let diff = Diff::between(&before, &after);
    let exit = if args.exit_code && !diff.is_empty() { Exit::Failed } else { Exit::Ok };
    session.out.show(&body(&before, &after, diff), text)?;
    Ok(exit)
}

/// A file; or what the server has, where it is written so and no file is called that.
async fn read(text: &str, session: &Session) -> Result<Definition, CliError> {
    let path = Path::new(text);
    let registered = text.rsplit_once('@').and_then(|(name, version)| {
        Some((name.parse::<Name>().ok()?, version.parse::<u32>().ok()?)).filter(|_| !path.exists())
    });
    let Some((name, version)) = registered else {
        return Ok(parse(path, &definition_source::read(path)?)?.0);
    };
    let found = session.client()?.definition_get(&name, Some(version)).await?;
    let source = Source { bytes: json::canonical(&found.source), is_bundled: false };
    Ok(parse(path, &source)?.0)
}

fn body(before: &Definition, after: &Definition, diff: Diff) -> Body {
    let which = |definition: &Definition| Which { name: definition.name.clone(), version: definition.version };
    let changes = |changes: Vec<Change>| {
        let changes = changes.into_iter();
        changes.map(|Change { path, before, after }| Changed { path, before, after }).collect::<Vec<_>>()
    };
    let changed = diff.changed.into_iter().map(|step| Step { step: step.step, changes: changes(step.changes) });
    let order = diff.order.into_iter();
    Body {
        before: which(before),
        after: which(after),
        changed: changed.collect(),
        whole: changes(diff.whole),
        added: diff.added,
        removed: diff.removed,
        order: order
            .map(|order| Order { step: order.step, waits_for: order.waits_for, no_longer: order.no_longer })
            .collect(),
        compensation: diff.undoing,
    }
}

fn text(body: &Body) -> String {
    let which = |which: &Which| format!("{} {}", which.name, which.version);
    let mut out = format!("{} → {}\n", which(&body.before), which(&body.after));
    if body.whole.is_empty() && body.added.is_empty() && body.removed.is_empty() && body.changed.is_empty() {
        out.push_str("no difference");
        return out;
    }
    lines(&mut out, "", &body.whole);
    for step in &body.added {
        put(&mut out, format_args!("+ step {step}\n"));
    }
    for step in &body.removed {
        put(&mut out, format_args!("- step {step}\n"));
    }
    for Step { step, changes } in &body.changed {
        put(&mut out, format_args!("~ step {step}\n"));
        lines(&mut out, "  ", changes);
    }
    if !body.order.is_empty() {
        out.push_str("order\n");
    }
    for Order { step, waits_for, no_longer } in &body.order {
        for (verb, names) in [("waits for", waits_for), ("no longer waits for", no_longer)] {
            let names: Vec<&str> = names.iter().map(Name::as_str).collect();
            if !names.is_empty() {
                put(&mut out, format_args!("  {step} {verb} {}\n", names.join(", ")));
            }
        }
    }
    if !body.compensation.is_empty() {
        out.push_str("compensation\n");
    }
    for told in &body.compensation {
        put(&mut out, format_args!("  {told}\n"));
    }
    out
}

fn lines(out: &mut String, indent: &str, changes: &[Changed]) {
    for Changed { path, before, after } in changes {
        let path = plain(path);
        let shown = |value: &Option<Value>| value.as_ref().map(|value| plain(&value.to_string()));
        match (shown(before), shown(after)) {
            (Some(before), Some(after)) => put(out, format_args!("{indent}~ {path}: {before} → {after}\n")),
            (None, Some(after)) => put(out, format_args!("{indent}+ {path}: {after}\n")),
            (Some(before), None) => put(out, format_args!("{indent}- {path}: {before}\n")),
            (None, None) => {}
        }
    }
}
