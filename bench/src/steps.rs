//! A process in which steps run, and which tells how many: a worker of Chancery's, a service of Restate's.

use crate::harness::{Error, spawn};
use serde::Deserialize;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What it tells.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    /// Steps that ran since it began.
    pub(crate) steps: u64,
    /// Microseconds after its time that each step ran which was waited for, since the time before that it told.
    pub(crate) late_us: Vec<u64>,
}

/// The process.
#[derive(Debug)]
pub(crate) struct Steps {
    child: Child,
    input: ChildStdin,
    answers: mpsc::UnboundedReceiver<String>,
}

impl Steps {
    /// Starts it. Lines that are no answers go to `other`.
    pub(crate) fn start(mut command: Command, other: impl FnMut(&str) + Send + 'static) -> Result<Self, Error> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let missing = || Error::Failed("a process has no pipes".to_owned());
        let (input, output) = (child.stdin.take().ok_or_else(missing)?, child.stdout.take().ok_or_else(missing)?);
        let (answer, answers) = mpsc::unbounded_channel();
        drop(spawn(read(output, answer, other)));
        Ok(Self { child, input, answers })
    }

    /// Writes it a line.
    pub(crate) async fn write(&mut self, line: &str) -> Result<(), Error> {
        Ok(self.input.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// Asks it.
    pub(crate) async fn told(&mut self) -> Result<Told, Error> {
        self.write("count").await?;
        let answer = tokio::time::timeout(ANSWER_MAX, self.answers.recv()).await;
        let ended = || Error::Failed("what runs the steps does not answer".to_owned());
        Ok(serde_json::from_str(&answer.ok().flatten().ok_or_else(ended)?)?)
    }

    pub(crate) fn pid(&self) -> Result<u32, Error> {
        self.child.id().ok_or_else(|| Error::Failed("what runs the steps has ended".to_owned()))
    }

    /// Ends it.
    pub(crate) async fn end(mut self) -> Result<(), Error> {
        Ok(self.child.kill().await?)
    }
}

/// Sorts the lines. Ends with the process.
async fn read(output: ChildStdout, answer: mpsc::UnboundedSender<String>, mut other: impl FnMut(&str)) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.starts_with('{') {
            other(&line);
        } else if answer.send(line).is_err() {
            return;
        }
    }
}
