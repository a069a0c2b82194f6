//! Writing data: as a table to read, as JSON or YAML to pipe.

mod grid;

pub(crate) use grid::{Cell, Grid, Tone, fields};

use crate::error::CliError;
use crate::exit::Exit;
use chancery_api::bundle::{Impact, WouldDeny};
use chancery_api::decision::{Effect, Reason};
use chancery_api::{Fault, Problem};
use clap::ValueEnum;
use serde::Serialize;
use std::error::Error as _;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

/// How data are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// To read.
    Table,
    /// The API's bodies as JSON.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Where data and messages go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    /// Whether tables have colours.
    colours: bool,
    /// Whether messages have colours.
    message_colours: bool,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            format,
            colours: wanted && io::stdout().is_terminal(),
            message_colours: wanted && io::stderr().is_terminal(),
        }
    }

    pub(crate) const fn is_table(&self) -> bool {
        matches!(self.format, Format::Table)
    }

    /// A table with these columns.
    pub(crate) fn grid(&self, columns: &[&str]) -> Grid {
        Grid::new(columns, self.colours)
    }

    /// Shows a body: in the format asked for, or as the table that is made of it.
    pub(crate) fn show<T: Serialize>(&self, body: &T, table: impl FnOnce(&T) -> String) -> Result<(), CliError> {
        let text = match self.format {
            Format::Table => table(body),
            Format::Json => serde_json::to_string_pretty(body).map_err(|error| CliError::Stdout(error.into()))?,
            Format::Yaml => serde_saphyr::to_string(body).map_err(|error| CliError::Stdout(io::Error::other(error)))?,
        };
        self.line(&text)
    }

    /// Writes text that ends in one line break.
    pub(crate) fn line(&self, text: &str) -> Result<(), CliError> {
        self.bytes(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        self.bytes_read(bytes).map(drop)
    }

    /// The same; whether anybody reads on.
    pub(crate) fn bytes_read(&self, bytes: &[u8]) -> Result<bool, CliError> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true).map_err(CliError::Stdout),
        }
    }

    /// Writes one of many that come one by one: a JSON document in a line, a YAML document, or the line that is made
    /// of it. Whether anybody reads on.
    pub(crate) fn item<T: Serialize>(&self, item: &T, line: impl FnOnce(&T) -> String) -> Result<bool, CliError> {
        let text = match self.format {
            Format::Table => format!("{}\n", line(item)),
            Format::Json => {
                let text = serde_json::to_string(item).map_err(|error| CliError::Stdout(error.into()))?;
                format!("{text}\n")
            }
            Format::Yaml => {
                let text = serde_saphyr::to_string(item).map_err(|error| CliError::Stdout(io::Error::other(error)))?;
                format!("---\n{}\n", text.trim_end_matches('\n'))
            }
        };
        self.bytes_read(text.as_bytes())
    }

    /// Tells a person something. Nobody to tell it to is no failure.
    pub(crate) fn say(&self, text: &str) {
        drop(writeln!(io::stderr().lock(), "{text}"));
    }

    /// Tells what went wrong and what to do about it, and gives the code to exit with.
    pub(crate) fn fail(&self, error: &CliError) -> Exit {
        let mut text = String::new();
        if let CliError::Faulty { faults, .. } = error {
            for found in faults {
                put(&mut text, format_args!("{}\n", fault_line(&found.file, &found.fault)));
            }
        }
        put(&mut text, format_args!("{} {}", self.paint("error:", "1;31"), plain(&error.to_string())));
        if let CliError::Remote(chancery_sdk::Error::Problem(problem)) = error {
            problem_lines(problem, &mut text);
        } else {
            let mut cause = error.source();
            while let Some(source) = cause {
                put(&mut text, format_args!("\n  because {}", plain(&source.to_string())));
                cause = source.source();
            }
        }
        if let Some(hint) = error.hint() {
            put(&mut text, format_args!("\n  {} {hint}", self.paint("try:", "1")));
        }
        self.say(&text);
        error.exit()
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.message_colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// `FILE:line:column: path: message`, and of a warning ` [rule]`
pub(crate) fn fault_line(document: &str, fault: &Fault) -> String {
    let mut line = document.to_owned();
    for number in [fault.line, fault.column].into_iter().flatten() {
        put(&mut line, format_args!(":{number}"));
    }
    if !fault.path.is_empty() {
        put(&mut line, format_args!(": {}", plain(&fault.path)));
    }
    put(&mut line, format_args!(": {}", plain(&fault.message)));
    if let Some(rule) = &fault.rule {
        put(&mut line, format_args!(" [{}]", plain(rule)));
    }
    line
}

fn problem_lines(problem: &Problem, text: &mut String) {
    // The detail says all of a single fault that there is to say.
    let is_said = |fault: &&Fault| problem.errors.len() == 1 && problem.detail.ends_with(&fault.message);
    for fault in problem.errors.iter().filter(|fault| !is_said(fault)) {
        put(text, format_args!("\n  {}", fault_line("document", fault)));
    }
    for reason in &problem.reasons {
        put(text, format_args!("\n  because {}", reason_line(reason)));
    }
    if let Some(impact) = &problem.impact {
        impact_lines(impact, text);
    }
    if let Some(decision) = problem.decision {
        put(text, format_args!("\n  decision {decision}"));
    }
    if let Some(transaction) = problem.transaction {
        put(text, format_args!("\n  transaction {transaction}"));
    }
    if let Some(instance) = &problem.instance {
        put(text, format_args!("\n  request {}", plain(instance.trim_start_matches("urn:chancery:request:"))));
    }
}

fn impact_lines(impact: &Impact, text: &mut String) {
    for denied in &impact.would_deny {
        let WouldDeny { transaction, definition, step, action, resource, reasons } = denied;
        let reasons: Vec<String> = reasons.iter().map(reason_line).collect();
        let [step, action, resource] = [step, action, resource].map(|word| plain(word));
        put(text, format_args!("\n  {transaction} {definition}/{step} `{action}` {resource}: {}", reasons.join("; ")));
    }
    if impact.untold > 0 {
        let untold = impact.untold;
        put(
            text,
            format_args!("\n  of {untold} more steps it can't be told yet: it depends on what comes before them"),
        );
    }
}

/// Why a decision is what it is, in one line.
pub(crate) fn reason_line(reason: &Reason) -> String {
    let effect = match reason.effect {
        Some(Effect::Permit) => "permits",
        Some(Effect::Forbid) => "forbids",
        None => "says",
    };
    match &reason.policy {
        Some(policy) => format!("policy `{}` {effect}: {}", plain(policy), plain(&reason.text)),
        None => plain(&reason.text),
    }
}

/// Text from elsewhere in one line and without control characters, which could make a terminal show what is not so.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Appends to a text, which cannot fail.
pub(crate) fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(more);
    debug_assert!(written.is_ok());
}
