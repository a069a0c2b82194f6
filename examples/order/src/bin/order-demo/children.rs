//! The processes that the demo starts. Each is ended by its id, whatever happens.

use crate::deviation::Deviation;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// How long a process may take to end when it is asked to.
const END_MAX: Duration = Duration::from_secs(45);
/// How often something that is waited for is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A process that is killed when this is dropped, unless it was left alone.
#[derive(Debug)]
pub(crate) struct Child {
    name: &'static str,
    process: Option<std::process::Child>,
    out: PathBuf,
}

impl Child {
    /// Starts a program. What it writes goes to `<dir>/<name>.out` and `.log`, after what an earlier one wrote.
    pub(crate) fn start(name: &'static str, dir: &Path, mut command: Command) -> Result<Self, Deviation> {
        let out = dir.join(format!("{name}.out"));
        let log = dir.join(format!("{name}.log"));
        command.stdin(Stdio::null()).stdout(append(&out)?).stderr(append(&log)?);
        // A Ctrl-C at the terminal is for the demo, which then ends them in order.
        command.process_group(0);
        let path = PathBuf::from(command.get_program());
        let process = command.spawn().map_err(|source| Deviation::System { doing: "start", path, source })?;
        Ok(Self { name, process: Some(process), out })
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().map_or(0, std::process::Child::id)
    }

    /// Fails if it ended.
    pub(crate) fn check_runs(&mut self) -> Result<(), Deviation> {
        let status = self.process.as_mut().and_then(|process| process.try_wait().transpose());
        match status {
            None => Ok(()),
            Some(status) => Err(Deviation::Ended { name: self.name, status: format!("{status:?}") }),
        }
    }

    /// The first line that it wrote to its standard output, once it did.
    pub(crate) async fn first_line(&mut self, after: Duration) -> Result<String, Deviation> {
        let until = Instant::now() + after;
        loop {
            let text = std::fs::read_to_string(&self.out).unwrap_or_default();
            if let Some((line, _)) = text.split_once('\n') {
                return Ok(line.to_owned());
            }
            self.check_runs()?;
            if Instant::now() > until {
                return Err(Deviation::Late { what: format!("the first line of {}", self.name), after });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// SIGKILL: it gets no chance to tidy up.
    pub(crate) fn kill(&mut self) -> Result<(), Deviation> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let failed = |source| Deviation::System { doing: "kill", path: PathBuf::from(self.name), source };
        process.kill().map_err(failed)?;
        process.wait().map_err(failed)?;
        Ok(())
    }

    /// SIGTERM, and waits until it ended in order.
    pub(crate) async fn terminate(&mut self) -> Result<(), Deviation> {
        let Some(process) = self.process.as_mut() else { return Ok(()) };
        let failed = |source| Deviation::System { doing: "end", path: PathBuf::from(self.name), source };
        // The standard library sends SIGKILL alone, and every shell has a `kill`.
        Command::new("sh").args(["-c", "kill -TERM \"$0\"", &process.id().to_string()]).status().map_err(failed)?;
        let until = Instant::now() + END_MAX;
        loop {
            if let Some(status) = process.try_wait().map_err(failed)? {
                self.process = None;
                return if status.success() {
                    Ok(())
                } else {
                    Err(Deviation::Ended { name: self.name, status: status.to_string() })
                };
            }
            if Instant::now() > until {
                return Err(Deviation::Late { what: format!("the end of {}", self.name), after: END_MAX });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Lets it live on.
    pub(crate) fn leave(&mut self) -> u32 {
        self.process.take().map_or(0, |process| process.id())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself, which is as good.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn append(path: &Path) -> Result<File, Deviation> {
    let file = File::options().create(true).append(true).open(path);
    file.map_err(|source| Deviation::System { doing: "open", path: path.to_owned(), source })
}
