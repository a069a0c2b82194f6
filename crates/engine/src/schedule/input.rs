//! The input of what a schedule starts: a value with expressions over `schedule` in it.

use super::Zone;
use chancery_base::limits::{PAYLOAD_BYTES_MAX, SCHEDULE_EXPRESSIONS_MAX, SCHEDULE_INPUT_BYTES_MAX};
use chancery_base::{Document, Name, Timestamp};
use chancery_expr::{Access, FUEL_DEFAULT, Scope, Template, Tree, on_large_stack};
use serde_json::Value;
use std::collections::BTreeMap;

/// What `schedule` has.
const MEMBERS: [&str; 4] = ["name", "due", "local", "zone"];

/// What is wrong with a schedule's input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct InputError {
    /// Where, such as `input.date`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// What the expressions of an input see.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The schedule's name.
    pub name: &'a Name,
    /// The time that it is due: by the calendar, not by when that is noticed.
    pub due: Timestamp,
    /// Its time zone.
    pub zone: &'a Zone,
}

/// Checks an input.
///
/// # Errors
/// What is wrong with it, and where.
pub fn check_input(input: &Document) -> Result<(), InputError> {
    compile(input).map(drop)
}

/// The input of the transaction that is started for a time.
///
/// # Errors
/// What is wrong, and where.
pub fn render(input: &Document, moment: Moment<'_>) -> Result<Value, InputError> {
    let template = compile(input)?;
    let mut scope = Scope::new();
    let members =
        [moment.name.to_string(), moment.due.to_string(), moment.zone.show(moment.due), moment.zone.to_string()];
    let members = MEMBERS.into_iter().zip(members).map(|(name, text)| (name, Tree::Text(text)));
    scope.bind("schedule", Tree::Map(members.collect::<BTreeMap<_, _>>()));
    let rendered = template.render(&scope, FUEL_DEFAULT);
    let rendered = rendered.map_err(|err| wrong(&err.path.to_string(), err.err.to_string()))?.unwrap_or(Value::Null);
    let bytes = chancery_base::json::canonical(&rendered).len();
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(wrong("", format!("it has {bytes} bytes, at most {PAYLOAD_BYTES_MAX} are allowed")));
    }
    Ok(rendered)
}

fn compile(input: &Document) -> Result<Template, InputError> {
    let text = input.canonical();
    if text.len() > SCHEDULE_INPUT_BYTES_MAX {
        let message = format!("it has {} bytes, at most {SCHEDULE_INPUT_BYTES_MAX} are allowed", text.len());
        return Err(wrong("", message));
    }
    // Counted before anything is compiled, so that an input takes no longer than so many expressions do.
    let expressions = text.matches("${{").count();
    if expressions > SCHEDULE_EXPRESSIONS_MAX {
        let message = format!("{expressions} expressions, at most {SCHEDULE_EXPRESSIONS_MAX} are allowed");
        return Err(wrong("", message));
    }
    let template = if expressions == 0 {
        Ok(Template::literal(input.value().clone()))
    } else {
        on_large_stack(|| Template::compile(input.value())).map_err(|err| wrong("", err.to_string()))?
    };
    let template = template.map_err(|errors| match errors.into_iter().next() {
        Some(error) => wrong(&error.path.to_string(), error.message),
        None => wrong("", "it does not compile".to_owned()),
    })?;
    for (path, program) in template.programs() {
        for access in program.references() {
            check(access).map_err(|message| wrong(&path.to_string(), message))?;
        }
    }
    Ok(template)
}

fn check(access: &Access) -> Result<(), String> {
    let members = MEMBERS.map(|member| format!("`schedule.{member}`")).join(", ");
    if access.root != "schedule" {
        return Err(format!("there is no `{}` here; there are {members}", access.root));
    }
    match access.segments.first() {
        Some(first) if !MEMBERS.contains(&first.name.as_str()) => {
            Err(format!("there is no `schedule.{}`; there are {members}", first.name))
        }
        Some(_) | None => Ok(()),
    }
}

fn wrong(path: &str, message: String) -> InputError {
    let path = match path {
        "" => "input".to_owned(),
        path if path.starts_with('[') => format!("input{path}"),
        path => format!("input.{path}"),
    };
    InputError { path, message }
}
