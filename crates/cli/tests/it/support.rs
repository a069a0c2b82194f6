//! Running the binary.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// What a run of the binary left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
        let code = output.status.code().expect("the process was not killed");
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Holds that it ended with this code and said these things to the person.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        for text in said {
            assert!(self.stderr.contains(text), "`{text}` is not said: {self:#?}");
        }
        self
    }

    /// Holds that it ended well.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// The standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON, {error}: {self:#?}"))
    }
}

/// The binary with these arguments in a directory, with nothing of the environment's context.
pub(crate) fn command<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
    command.args(args).current_dir(dir).stdin(Stdio::null());
    for name in ["CHANCERY_SERVER", "CHANCERY_KEY", "CHANCERY_DATABASE_URL", "XDG_CONFIG_HOME"] {
        command.env_remove(name);
    }
    command.env("CHANCERY_CONFIG", dir.join("context.json")).env("HOME", dir);
    command
}

/// Runs it to its end.
pub(crate) fn run<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Ran {
    Ran::of(command(dir, args).output().expect("the binary runs"))
}

/// Runs it as somebody at a server, whose key is in the file of their name.
pub(crate) fn ask(dir: &Path, server: &Server, who: &str, args: &[&str]) -> Ran {
    run(dir, &[args, &["--server", &server.url, "--key-file", &format!("{who}.key")]].concat())
}

/// Runs it to its end with this standard input.
pub(crate) fn run_with<S: AsRef<OsStr>>(dir: &Path, args: &[S], input: &[u8]) -> Ran {
    let mut command = command(dir, args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    // What does not read its input may end before all of it is written.
    drop(child.stdin.take().expect("it has an input").write_all(input));
    Ran::of(child.wait_with_output().expect("it ends"))
}

/// Writes a file, readable by others or not.
pub(crate) fn write(dir: &Path, name: &str, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join(name);
    std::fs::write(&path, text).expect("the file can be written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode can be set");
}

/// How long a server or its client may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until there is something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looks = PATIENCE.as_millis() / 20;
    for _ in 0..looks {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("in vain: {what}");
}

/// Sends SIGTERM to a process of ours.
pub(crate) fn terminate(pid: u32) {
    signal(pid, "-TERM");
}

/// Sends a signal to a process of ours.
pub(crate) fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill runs");
    assert!(sent.success(), "{pid} takes no signal");
}

/// How a server is started that keeps its store in `data`.
pub(crate) const SERVE: [&str; 5] = ["serve", "--data", "data", "--listen", "127.0.0.1:0"];

/// A server at what `init` made, with a tenant `acme`, whose owner's key is `acme.key`.
pub(crate) fn serve_acme(dir: &Path) -> Server {
    let server = Server::start(dir, &SERVE);
    ask(dir, &server, "system", &["tenant", "create", "acme", "--key-out", "acme.key"]).succeeds();
    server
}

/// A server that runs until it is stopped or dropped; what it says goes to `server.err` in its directory.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    said: PathBuf,
}

impl Server {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Self {
        Self::start_saying(dir, args, "server.err")
    }

    /// The same, with what it says in a file of this name.
    pub(crate) fn start_saying<S: AsRef<OsStr>>(dir: &Path, args: &[S], said: &str) -> Self {
        Self::start_with(dir, args, said, &[])
    }

    /// The same, with this in its environment.
    pub(crate) fn start_with<S: AsRef<OsStr>>(dir: &Path, args: &[S], said: &str, with: &[(&str, &OsStr)]) -> Self {
        let said = dir.join(said);
        let file = std::fs::File::create(&said).expect("its log can be made");
        let mut child = command(dir, args)
            .env("NO_COLOR", "1")
            .envs(with.iter().copied())
            .stderr(file)
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let url = wait_for("where the server listens", || {
            let text = std::fs::read_to_string(&said).ok()?;
            assert!(child.try_wait().expect("it can be asked").is_none(), "it ended: {text}");
            let at = text.find("http://127.0.0.1:")?;
            let url = text.get(at..)?.split(|c: char| c.is_whitespace() || c == ',').next()?;
            text.get(at..)?.contains('\n').then(|| url.to_owned())
        });
        Self { child, url, said }
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("its log can be read")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The HTTP status of what it answers to a GET, without a key.
    pub(crate) fn status(&self, path: &str) -> u16 {
        let address = self.url.strip_prefix("http://").expect("it speaks HTTP");
        let mut connection = TcpStream::connect(address).expect("it takes connections");
        connection.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers");
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
    }

    /// SIGKILL.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Waits for its end and gives its exit code.
    pub(crate) fn ended(mut self) -> i32 {
        self.child.wait().expect("it ends").code().expect("it was not killed")
    }

    /// Ends it with SIGTERM and gives its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        terminate(self.child.id());
        self.child.wait().expect("it ends").code().expect("it was not killed")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nothing left to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
