//! The built programs, in a directory of their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a program may take for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often something that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Where the programs are: beside those of this crate.
pub(crate) fn programs() -> PathBuf {
    let dir = Path::new(env!("CARGO_BIN_EXE_example-worker")).parent().unwrap().to_owned();
    assert!(dir.join("chancery").exists(), "{} has no `chancery`: run `cargo build --workspace`", dir.display());
    dir
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A shell's command line in a directory, that finds the programs and knows of no server but its own.
pub(crate) fn shell(dir: &Path, line: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(dir).stdin(Stdio::null());
    command.env("PATH", format!("{}:{path}", programs().display())).env("HOME", dir).env("NO_COLOR", "1");
    for name in ["CHANCERY_SERVER", "CHANCERY_KEY", "CHANCERY_DATABASE_URL", "XDG_CONFIG_HOME"] {
        command.env_remove(name);
    }
    // What is left of a server that was killed goes with the directory.
    command.env("CHANCERY_CONFIG", dir.join("context.json")).env("TMPDIR", dir);
    command
}

/// A program that runs until this is dropped. What it says to the person is in a file.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    said: PathBuf,
}

impl Program {
    /// Starts it, and waits until it says something.
    pub(crate) fn start(dir: &Path, line: &str, says: &str) -> Self {
        let name = line.split(' ').take(2).collect::<Vec<_>>().join("-");
        let said = dir.join(format!("{name}.err"));
        let file = std::fs::File::create(&said).unwrap();
        // The shell gives its place to the program, so that what is ended is the program.
        let child = shell(dir, &format!("exec {line}")).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let mut program = Self { child, said };
        program.wait_until(says);
        program
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap()
    }

    /// The address after these words.
    pub(crate) fn address(&self, after: &str) -> String {
        let said = self.said();
        let (_, rest) = said.split_once(after).unwrap();
        rest.split(|c: char| c.is_whitespace() || c == ',').next().unwrap().to_owned()
    }

    fn wait_until(&mut self, says: &str) {
        for _ in 0..PATIENCE.as_millis() / LOOK_EVERY.as_millis() {
            let said = self.said();
            // A line that is half written is not told yet.
            if said.rsplit_once('\n').is_some_and(|(whole, _)| whole.contains(says)) {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {said}");
            std::thread::sleep(LOOK_EVERY);
        }
        panic!("it does not say `{says}`: {}", self.said());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
