//! A PostgreSQL server of its own for tests: in a temporary directory, on a free port of the loopback interface,
//! stopped when it is dropped and also when its process ends in any other way.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const USER: &str = "chancery";
/// What it is not: secret.
pub(crate) const PASSWORD: &str = "pass-in-tests";

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    guard: Child,
    port: u16,
    databases: AtomicU32,
    // Last, so that it goes after the server.
    dir: TempDir,
}

/// The newest server that is installed.
fn bin() -> PathBuf {
    let mut found: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .map(|dir| {
            dir.map(|entry| entry.unwrap().path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect()
        })
        .unwrap_or_default();
    let version =
        |path: &PathBuf| path.parent().unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap_or(0_u32);
    found.sort_unstable_by_key(version);
    found.pop().expect("PostgreSQL is not installed: run scripts/setup.sh test")
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0
}

/// A command that does not run as root, which these programs refuse.
pub(crate) fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command.current_dir("/");
    command
}

/// Gives a path to the user that [`unprivileged`] commands run as.
pub(crate) fn hand_over(path: &Path) {
    if is_root() {
        run(Command::new("chown").args(["-R", "postgres:postgres"]).arg(path));
    }
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn wait_until_open(port: u16, log: &Path) {
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no server on port {port} after 30 s: {}", fs::read_to_string(log).unwrap_or_default());
}

/// Copies a directory with its owners.
fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(from).arg(to));
}

/// A new cluster, made once and then copied: making one takes longer than most tests.
fn cluster(bin: &Path, data: &Path) {
    let version = bin.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("postgres-{version}-{}", u8::from(is_root())));
    fs::create_dir_all(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let lock = fs::File::create(made.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !made.exists() {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let password = dir.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        hand_over(dir.path());
        let new = dir.path().join("data");
        let pwfile = format!("--pwfile={}", password.display());
        run(unprivileged(&bin.join("initdb"))
            .args(["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--username", USER])
            .arg(pwfile)
            .arg(&new));
        let unfinished = made.with_extension("new");
        run(Command::new("rm").arg("-rf").arg(&unfinished));
        copy(&new, &unfinished);
        fs::rename(&unfinished, &made).unwrap();
    }
    drop(lock);
    copy(&made, data);
}

const FAST: &[&str] = &["fsync=off", "full_page_writes=off", "synchronous_commit=off"];

impl Server {
    /// The process' server, which does not sync; it runs as long as anybody holds it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start(FAST));
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Starts a server with these settings beside the usual ones.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, &[])
    }

    /// Starts a server that has these files in its directory, readable by it alone.
    pub(crate) fn start_with(settings: &[&str], files: &[&Path]) -> Self {
        let bin = bin();
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        hand_over(dir.path());
        let data = dir.path().join("data");
        cluster(&bin, &data);
        for file in files {
            let copied = data.join(file.file_name().unwrap());
            fs::copy(file, &copied).unwrap();
            fs::set_permissions(&copied, fs::Permissions::from_mode(0o600)).unwrap();
            hand_over(&copied);
        }
        let port = free_port();
        let mut conf = fs::OpenOptions::new().append(true).open(data.join("postgresql.conf")).unwrap();
        let usual = ["listen_addresses='127.0.0.1'", "unix_socket_directories=''", "shared_buffers='32MB'", "jit=off"];
        for setting in usual.iter().chain(settings) {
            writeln!(conf, "{setting}").unwrap();
        }
        writeln!(conf, "port={port}").unwrap();
        let log = dir.path().join("log");
        // The pipe ends with this process, however it ends, and with it the server.
        let script =
            "\"$0/postgres\" -D \"$1\" >\"$2\" 2>&1 & cat >/dev/null; \"$0/pg_ctl\" -D \"$1\" -m immediate stop";
        let mut command = unprivileged(Path::new("/bin/sh"));
        command.args(["-c", script]).arg(&bin).arg(&data).arg(&log);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guard = command.spawn().unwrap();
        let server = Self { guard, port, databases: AtomicU32::new(0), dir };
        server.wait();
        server
    }

    fn wait(&self) {
        wait_until_open(self.port, &self.dir.path().join("log"));
        for _ in 0..600 {
            if self.psql("postgres", "SELECT 1").is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server is not ready after 30 s: {}", fs::read_to_string(self.dir.path().join("log")).unwrap());
    }

    /// Restarts it without a checkpoint, as after a crash: what it had committed it must recover.
    pub(crate) fn restart_immediately(&self) {
        self.stop_immediately();
        self.start_again();
    }

    /// Stops it as a crash would.
    pub(crate) fn stop_immediately(&self) {
        run(self.pg_ctl().args(["-m", "immediate", "-w", "stop"]));
    }

    /// Starts it after it was stopped.
    pub(crate) fn start_again(&self) {
        // What it starts must not hold this process' pipes open.
        run(self.pg_ctl().args(["-w", "start", "-l"]).arg(self.dir.path().join("log")).stdout(Stdio::null()));
        self.wait();
    }

    fn pg_ctl(&self) -> Command {
        let mut command = unprivileged(&bin().join("pg_ctl"));
        command.arg("-D").arg(self.dir.path().join("data"));
        command
    }

    /// Its port on 127.0.0.1.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The directory that it and what belongs to it is in.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs statements, and returns what they print.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new(bin().join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", USER, "-d", database]);
        command.arg("-p").arg(self.port.to_string()).env("PGPASSWORD", PASSWORD).args(["-c", sql]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Makes a database, a copy of `template`, and returns its name.
    pub(crate) fn database(&self, template: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}")).unwrap();
        name
    }

    /// The address of a database of this server, by this port.
    pub(crate) fn url_at(port: u16, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}")
    }

    /// The address of a database of this server.
    pub(crate) fn url(&self, database: &str) -> String {
        Self::url_at(self.port, database)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().unwrap();
    }
}
