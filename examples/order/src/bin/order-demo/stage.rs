//! The stage: a temporary directory, a server, a worker, a payment service, and everybody's keys.

use crate::children::{Child, LOOK_EVERY};
use crate::cli::Chancery;
use crate::deviation::Deviation;
use crate::{head, say};
use chancery_sdk::{Client, ClientOptions, Secret};
use clap::ValueEnum;
use order_example::payments;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// How long a process may take to be ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long a hand-out is leased: a server that was killed gives each so long before it offers it again.
const LEASE: &str = "2s";
/// What an agent may charge at once, in cents.
pub(crate) const AGENT_LIMIT: i64 = 5_000;
/// Lines of a log that are shown when something went wrong.
const LOG_LINES: usize = 20;

/// What can be made to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// The payment service takes the card that should be declined.
    AcceptAll,
    /// The agent has a limit that it does not exceed.
    NoLimit,
    /// The server is not killed.
    NoKill,
    /// One bit of a receipt is flipped.
    TamperReceipt,
    /// One bit of the log is flipped.
    TamperLog,
}

#[derive(Debug)]
pub(crate) struct Stage {
    // Dropped in this order: those who call, those who are called, the files.
    worker: Option<Child>,
    server: Option<Child>,
    payments: Option<Child>,
    dir: TempDir,
    examples: PathBuf,
    programs: PathBuf,
    chancery: Chancery,
    port: u16,
    payments_url: String,
    pub(crate) sabotage: Option<Sabotage>,
}

impl Stage {
    /// An empty stage.
    pub(crate) fn new(
        program: Option<PathBuf>,
        examples: PathBuf,
        sabotage: Option<Sabotage>,
    ) -> Result<Self, Deviation> {
        let here = |source| Deviation::System { doing: "find", path: PathBuf::from("this program"), source };
        let programs = std::env::current_exe().map_err(here)?.parent().map(Path::to_owned).unwrap_or_default();
        let dir = tempfile::Builder::new().prefix("chancery-demo-").tempdir();
        let dir = dir.map_err(|source| Deviation::System { doing: "make", path: std::env::temp_dir(), source })?;
        let chancery = Chancery::new(program.unwrap_or_else(|| programs.join("chancery")), dir.path());
        Ok(Self {
            worker: None,
            server: None,
            payments: None,
            dir,
            examples,
            programs,
            chancery,
            port: free_port()?,
            payments_url: String::new(),
            sabotage,
        })
    }

    /// Starts everybody and registers what they need.
    pub(crate) async fn set(&mut self) -> Result<(), Deviation> {
        head("A server, a payment service, a worker");
        self.start_payments().await?;
        self.init().await?;
        self.start_server().await?;
        self.register().await?;
        self.start_worker()
    }

    /// A path in the temporary directory, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The server's address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The command line without server and key.
    pub(crate) fn offline(&self) -> &Chancery {
        &self.chancery
    }

    /// Arguments, with the server and somebody's key before them.
    pub(crate) fn online<'a>(&self, access: &'a Access, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["--server", &access.url, "--key-file", &access.key_file];
        all.extend_from_slice(arguments);
        all
    }

    /// How somebody reaches the server.
    pub(crate) fn access(&self, who: &str) -> Access {
        Access { url: self.url(), key_file: self.path(&format!("{who}.key")) }
    }

    /// Runs a command as somebody; it succeeds.
    pub(crate) async fn ok(&self, who: &str, arguments: &[&str]) -> Result<crate::cli::Ran, Deviation> {
        let access = self.access(who);
        self.chancery.ok(&self.online(&access, arguments)).await
    }

    /// Every call that the payment service logged.
    pub(crate) fn payment_calls(&self) -> Result<Vec<payments::Line>, Deviation> {
        let log = self.dir.path().join("payments").join("payments.jsonl");
        payments::read(&log).map_err(|error| Deviation::Service(error.to_string()))
    }

    /// How many chairs are in stock.
    pub(crate) fn chairs(&self) -> Result<i64, Deviation> {
        let database = self.dir.path().join("worker").join("inventory.db");
        order_example::inventory::stock(&database, "chair").map_err(|error| Deviation::Service(error.to_string()))
    }

    async fn start_payments(&mut self) -> Result<(), Deviation> {
        let mut command = Command::new(self.programs.join("payment-service"));
        command.args(["--data", &self.path("payments")]);
        if self.sabotage == Some(Sabotage::AcceptAll) {
            command.arg("--accept-all");
        }
        let mut child = Child::start("payment-service", self.dir.path(), command)?;
        self.payments_url = child.first_line(READY_MAX).await?;
        say(&format!("payment service   {} (pid {})", self.payments_url, child.id()));
        self.payments = Some(child);
        Ok(())
    }

    async fn init(&self) -> Result<(), Deviation> {
        let (data, key) = (self.path("data"), self.path("system.key"));
        self.chancery.ok(&["init", "--data", &data, "--key-file", &key]).await?;
        Ok(())
    }

    /// Starts the server and waits until it is ready.
    pub(crate) async fn start_server(&mut self) -> Result<(), Deviation> {
        let (data, listen) = (self.path("data"), format!("127.0.0.1:{}", self.port));
        let target = self.payments_url.clone();
        let arguments =
            ["serve", "--data", &data, "--listen", &listen, "--allow-http-target", &target, "--lease", LEASE];
        let child = Child::start("server", self.dir.path(), self.chancery.process(&arguments))?;
        say(&format!("server            {} (pid {})", self.url(), child.id()));
        let key_file = PathBuf::from(self.path("system.key"));
        let key = std::fs::read_to_string(&key_file);
        let key = key.map_err(|source| Deviation::System { doing: "read", path: key_file, source })?;
        let mut options = ClientOptions::new(format!("http://{listen}"), Secret::new(key.trim().to_owned()));
        options.patience = Duration::ZERO;
        let client = Client::new(options).map_err(|error| Deviation::Service(error.to_string()))?;
        let child = self.server.insert(child);
        let until = Instant::now() + READY_MAX;
        while client.health().await.is_err() {
            child.check_runs()?;
            if Instant::now() > until {
                return Err(Deviation::Late { what: "a ready server".to_owned(), after: READY_MAX });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn start_worker(&mut self) -> Result<(), Deviation> {
        let mut command = Command::new(self.programs.join("order-worker"));
        command.args(["--server", &self.url(), "--key-file", &self.path("worker.key"), "--data", &self.path("worker")]);
        let child = Child::start("order-worker", self.dir.path(), command)?;
        say(&format!("worker            inventory, shipping, notification (pid {})", child.id()));
        self.worker = Some(child);
        Ok(())
    }

    /// The tenant, its principals, its bundle and its definition.
    async fn register(&self) -> Result<(), Deviation> {
        let owner = self.path("owner.key");
        self.ok("system", &["tenant", "create", "acme", "--key-out", &owner]).await?;
        let limit = if self.sabotage == Some(Sabotage::NoLimit) { AGENT_LIMIT * 100 } else { AGENT_LIMIT };
        let limit = format!("limit={limit}");
        for (kind, name, attribute) in
            [("service", "worker", None), ("service", "orders", None), ("agent", "bot", Some(&limit))]
        {
            let key = self.path(&format!("{name}.key"));
            let mut arguments =
                vec!["principal", "create", "--kind", kind, "--name", name, "--role", kind, "--key-out", &key];
            arguments.extend(attribute.iter().flat_map(|attribute| ["--attribute", attribute.as_str()]));
            self.ok("owner", &arguments).await?;
        }
        let bundle = self.examples.join("bundle").display().to_string();
        self.ok("owner", &["bundle", "push", &bundle, "--activate"]).await?;
        let definition = self.definition()?;
        self.ok("owner", &["definition", "push", &definition]).await?;
        say("tenant            acme: bundle `shop` is active, definition `create-order` is registered");
        say(&format!("agent             bot: may charge {AGENT_LIMIT} cents at once"));
        Ok(())
    }

    /// The definition with the payment service's address in it.
    fn definition(&self) -> Result<String, Deviation> {
        let source = self.examples.join("create-order.yaml");
        let text = std::fs::read_to_string(&source);
        let text = text.map_err(|error| Deviation::System { doing: "read", path: source, source: error })?;
        let path = self.path("create-order.yaml");
        let written = std::fs::write(&path, text.replace("http://payments.invalid", &self.payments_url));
        written.map_err(|source| Deviation::System { doing: "write", path: PathBuf::from(&path), source })?;
        Ok(path)
    }

    /// SIGKILL, and a new server on the same data.
    pub(crate) async fn kill_server(&mut self) -> Result<(), Deviation> {
        if let Some(server) = &mut self.server {
            say(&format!("killing the server with SIGKILL (pid {})", server.id()));
            server.kill()?;
        }
        self.start_server().await
    }

    /// SIGTERM.
    pub(crate) async fn stop_server(&mut self) -> Result<(), Deviation> {
        match self.server.take() {
            Some(mut server) => server.terminate().await,
            None => Ok(()),
        }
    }

    /// Ends the services in order.
    pub(crate) async fn stop_all(&mut self) -> Result<(), Deviation> {
        // The worker has nothing left to report, but can't say goodbye to a server that is gone: it is simply ended.
        self.worker = None;
        self.stop_server().await?;
        match self.payments.take() {
            Some(mut payments) => payments.terminate().await,
            None => Ok(()),
        }
    }

    /// Leaves everything up and says where.
    pub(crate) fn leave(self) {
        let Self { mut worker, mut server, mut payments, dir, port, payments_url, .. } = self;
        let pids = [&mut worker, &mut server, &mut payments].map(|child| child.as_mut().map_or(0, Child::leave));
        let [worker, server, payments] = pids;
        let dir = dir.keep();
        say(&format!("\nThe server stays up at http://127.0.0.1:{port}"));
        say(&format!("  keys      {0}/system.key {0}/owner.key {0}/orders.key {0}/bot.key", dir.display()));
        say(&format!("  data      {}/data", dir.display()));
        say(&format!("  payments  {payments_url}, its log {}/payments/payments.jsonl", dir.display()));
        say(&format!(
            "  try       chancery --server http://127.0.0.1:{port} --key-file {}/owner.key tx list",
            dir.display()
        ));
        say(&format!("  end it    kill {worker} {server} {payments}; rm -r {}", dir.display()));
    }

    /// The last lines of everybody's log.
    pub(crate) fn show_logs(&self) {
        for name in ["server", "order-worker", "payment-service"] {
            let text = std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let skipped = lines.len().saturating_sub(LOG_LINES);
            say(&format!("\n-- the end of {name}.log"));
            lines.iter().skip(skipped).for_each(|line| say(line));
        }
    }
}

/// Where the server is and whose key is used.
#[derive(Debug)]
pub(crate) struct Access {
    url: String,
    key_file: String,
}

/// A port that nobody has. Somebody could take it before the server does, in which case the server says so.
fn free_port() -> Result<u16, Deviation> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let failed = |source| Deviation::System { doing: "find", path: PathBuf::from("a free port"), source };
    Ok(listener.map_err(failed)?.port())
}
