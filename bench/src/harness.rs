//! Times, memory and syncs of a workload.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Why a workload gave no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    App(#[from] chancery_app::Error),
    #[error(transparent)]
    Data(#[from] chancery_app::data::DataDirError),
    #[error(transparent)]
    Serve(#[from] chancery_server::ServeError),
    #[error(transparent)]
    Client(#[from] chancery_sdk::Error),
    #[error(transparent)]
    Store(#[from] chancery_shard::StoreError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Failed(String),
}

/// How long each unit took, in microseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<u64>);

impl Times {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// For what takes less than a microsecond or not much more: all of one collection must be added so.
    pub(crate) fn add_nanos(&mut self, took: Duration) {
        self.0.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value at or below which `percent` of all lie.
    pub(crate) fn percentile(&mut self, percent: usize) -> u64 {
        self.0.sort_unstable();
        let rank = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(rank).copied().unwrap_or(0)
    }
}

/// What `chancery serve` starts itself again with, so that memory that was freed goes back at once.
const ALLOCATOR: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_ALLOW_THP", "0")];

/// This program again, with the allocator's options of the server.
pub(crate) fn this_program() -> Result<tokio::process::Command, Error> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.envs(ALLOCATOR);
    Ok(command)
}

/// Runs something beside what goes on.
#[expect(clippy::disallowed_methods, reason = "a benchmark has no shutdown that would wait for tasks")]
pub(crate) fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(future)
}

/// Units a second.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]
pub(crate) fn rate(units: usize, time: Duration) -> f64 {
    units as f64 / time.as_secs_f64()
}

/// Resident memory of a process in MiB, from `/proc`.
pub(crate) fn rss_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// Counts the syncs of a child process.
#[derive(Debug)]
pub(crate) struct SyncCounter {
    library: PathBuf,
    file: tempfile::NamedTempFile,
}

impl SyncCounter {
    /// Builds the interposer with the machine's C compiler.
    pub(crate) fn new(dir: &Path) -> Result<Self, Error> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("interpose/count_syncs.c");
        let library = dir.join("count_syncs.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-ldl")
            .status()?;
        if !built.success() {
            return Err(Error::Failed("the C compiler did not build the interposer that counts syncs".to_owned()));
        }
        let file = tempfile::NamedTempFile::new()?;
        file.as_file().set_len(16)?;
        Ok(Self { library, file })
    }

    /// Makes a command count.
    pub(crate) fn watch(&self, command: &mut tokio::process::Command) {
        command.env("LD_PRELOAD", &self.library).env("SYNC_COUNT_FILE", self.file.path());
    }

    /// How many there were so far.
    pub(crate) fn count(&self) -> Result<u64, Error> {
        self.counter(0)
    }

    /// How many file locks it took so far: at least one for each SQLite statement outside a transaction.
    pub(crate) fn locks(&self) -> Result<u64, Error> {
        self.counter(1)
    }

    fn counter(&self, index: usize) -> Result<u64, Error> {
        let bytes = std::fs::read(self.file.path())?;
        let (counters, _) = bytes.as_chunks::<8>();
        let bytes = counters.get(index).ok_or_else(|| Error::Failed("the counters are cut off".to_owned()))?;
        Ok(u64::from_ne_bytes(*bytes))
    }
}

/// Processor time that a process has used so far, from `/proc`.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which may hold spaces: state is field 3, user and system time are 14 and 15, in 1/100 s.
    let ticks = stat.rsplit_once(')').map(|(_, rest)| {
        rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()
    });
    ticks.map(|ticks| Duration::from_millis(ticks * 10)).ok_or_else(|| Error::Failed(format!("process {pid} is gone")))
}
