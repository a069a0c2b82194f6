//! The command line, as a person would use it.

use crate::deviation::Deviation;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long a command may take; each that waits has a shorter limit of its own.
const COMMAND_MAX: Duration = Duration::from_secs(120);

/// The program, and where it keeps its context.
#[derive(Debug, Clone)]
pub(crate) struct Chancery {
    program: PathBuf,
    context: PathBuf,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    command: String,
    status: String,
    code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    stderr: String,
}

impl Chancery {
    /// The program, with an empty context in `dir`.
    pub(crate) fn new(program: PathBuf, dir: &Path) -> Self {
        Self { program, context: dir.join("context.json") }
    }

    /// The command for a process that stays.
    pub(crate) fn process(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(arguments).env_remove("CHANCERY_SERVER").env_remove("CHANCERY_KEY");
        command.env("CHANCERY_CONFIG", &self.context);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Ran, Deviation> {
        let command = format!("chancery {}", arguments.join(" "));
        let mut process = Command::from(self.process(arguments));
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let late = || Deviation::Late { what: format!("the end of `{command}`"), after: COMMAND_MAX };
        let output = tokio::time::timeout(COMMAND_MAX, process.output()).await.map_err(|_elapsed| late())?;
        let failed = |source| Deviation::System { doing: "run", path: self.program.clone(), source };
        let output = output.map_err(failed)?;
        Ok(Ran {
            command,
            status: output.status.to_string(),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs a command that succeeds.
    pub(crate) async fn ok(&self, arguments: &[&str]) -> Result<Ran, Deviation> {
        self.run(arguments).await?.exits(0)
    }

    /// Runs a command that exits with `code` and writes JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, code: i32, arguments: &[&str]) -> Result<T, Deviation> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        let ran = self.run(&arguments).await?.exits(code)?;
        serde_json::from_slice(&ran.stdout).map_err(|source| Deviation::Output {
            command: ran.command.clone(),
            output: ran.text(),
            source,
        })
    }
}

impl Ran {
    /// Holds that it exited with this code.
    pub(crate) fn exits(self, code: i32) -> Result<Self, Deviation> {
        if self.code == Some(code) {
            return Ok(self);
        }
        let output = format!("{}{}", self.text(), self.stderr);
        Err(Deviation::Exit { command: self.command, expected: code.to_string(), found: self.status, output })
    }

    /// What it wrote to its standard output.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}
