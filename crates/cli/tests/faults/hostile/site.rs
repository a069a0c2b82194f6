//! The server, and two tenants: one that means well and one that does not.

use chancery_sdk::{Client, ClientOptions, Secret};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A hand-out lives so long without a sign of its worker.
const LEASE: &str = "1s";
/// Looks of 20 ms each until a server must have started.
const START_LOOKS: u32 = 1_500;
/// Retries, because workers may take a task and not answer.
const DEFINITION: &str = "
name: errand
version: 1
kind: saga
steps:
  - id: first
    run: {worker: errands}
    with: {n: \"${{ input.n }}\"}
    retry: {attempts: 20, backoff: 10ms, max: 50ms}
    compensate: {run: noop}
  - id: second
    after: [first]
    run: {worker: errands}
    with: {n: \"${{ steps.first.output.n }}\"}
    retry: {attempts: 20, backoff: 10ms, max: 50ms}
    compensate: {run: noop}
output: {n: \"${{ steps.second.output.n }}\"}
";

#[derive(Debug)]
pub(super) struct Site {
    home: tempfile::TempDir,
    server: Child,
    pub(super) addr: SocketAddr,
}

impl Site {
    pub(super) async fn open() -> Self {
        Self::with_files(u32::MAX).await
    }

    /// The same, on a server that may have so many files open, or as many as this process.
    pub(super) async fn with_files(files: u32) -> Self {
        let home = tempfile::Builder::new().prefix("chancery-hostile-").tempdir().unwrap();
        run(home.path(), &["init", "--data", "data", "--key-file", "system.key"]);
        let said = home.path().join("server.err");
        let mut command = Command::new("sh");
        let start = "[ \"$0\" = 4294967295 ] || ulimit -n \"$0\"; exec \"$@\"";
        command.args(["-c", start, &files.to_string(), env!("CARGO_BIN_EXE_chancery")]);
        command.args(["serve", "--data", "data", "--listen", "127.0.0.1:0", "--lease", LEASE]);
        command.args(["--log-filter", "warn,chancery_server::listener=info"]);
        clean(&mut command, home.path());
        let server = command.stdout(Stdio::null()).stderr(File::create(&said).unwrap()).spawn().unwrap();
        let mut site = Self { home, server, addr: SocketAddr::from(([127, 0, 0, 1], 0)) };
        site.addr = site.wait_for_start(&said).await;
        let at = format!("http://{}", site.addr);
        let system = ["--server", &at, "--key-file", "system.key"];
        for tenant in ["good", "bad"] {
            let key = format!("{tenant}.key");
            run(site.home.path(), &[&system[..], &["tenant", "create", tenant, "--key-out", &key]].concat());
            let online = ["--server", &at, "--key-file", &key];
            let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/starter");
            run(site.home.path(), &[&online[..], &["bundle", "push", bundle, "--activate"]].concat());
            std::fs::write(site.home.path().join("errand.yaml"), DEFINITION).unwrap();
            run(site.home.path(), &[&online[..], &["definition", "push", "errand.yaml"]].concat());
        }
        site
    }

    async fn wait_for_start(&mut self, said: &PathBuf) -> SocketAddr {
        for _ in 0..START_LOOKS {
            let text = std::fs::read_to_string(said).unwrap();
            let ended = self.server.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended with {ended:?}: {text}");
            let address = text.split_once("http://").and_then(|(_, rest)| rest.split_once('\n'));
            if let Some((line, _)) = address {
                let end = line.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(line.len());
                return line.get(..end).unwrap().parse().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server does not say where it listens");
    }

    pub(super) fn key(&self, who: &str) -> String {
        let key = std::fs::read_to_string(self.home.path().join(format!("{who}.key"))).unwrap();
        key.trim().to_owned()
    }

    /// Talks to the server as somebody; gives up at once where it is refused, unless it has patience.
    pub(super) fn client(&self, who: &str, patience: Duration) -> Client {
        let mut options = ClientOptions::new(format!("http://{}", self.addr), Secret::new(self.key(who)));
        options.patience = patience;
        options.timeout = Duration::from_secs(30);
        Client::new(options).unwrap()
    }

    /// What the server has resident now.
    pub(super) fn resident_kb(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// What it had resident at most.
    pub(super) fn peak_kb(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Waits until the server has nothing in hand but what it is asked here.
    pub(super) async fn comes_to_rest(&self, looks: u32) {
        let mut said = String::new();
        for _ in 0..looks {
            said = super::attack::get(self.addr, "/metrics", &self.key("system")).await.unwrap_or_default();
            let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u32>().ok());
            let calls = value("chancery_http_calls{class=\"call\"}");
            if calls.is_some_and(|calls| calls < 40) && value("chancery_http_room_bytes") == Some(0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not come to rest: {said}");
    }

    /// SIGTERM, its end in order, and what it left must verify.
    pub(super) fn stop(mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.server.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert!(self.server.wait().unwrap().success());
        run(self.home.path(), &["verify", "--data", "data"]);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // After `stop` there is nothing left to kill.
        drop(self.server.kill());
        drop(self.server.wait());
        if std::thread::panicking() {
            println!("{}", std::fs::read_to_string(self.home.path().join("server.err")).unwrap_or_default());
        }
    }
}

fn clean(command: &mut Command, home: &Path) {
    command.current_dir(home).stdin(Stdio::null()).env("NO_COLOR", "1");
    for name in ["CHANCERY_SERVER", "CHANCERY_KEY", "XDG_CONFIG_HOME"] {
        command.env_remove(name);
    }
    command.env("CHANCERY_CONFIG", home.join("context.json")).env("HOME", home);
}

fn run(home: &Path, args: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
    clean(command.args(args), home);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {}{said}", String::from_utf8_lossy(&output.stdout));
}
