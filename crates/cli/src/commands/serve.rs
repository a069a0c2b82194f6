//! `chancery serve`

use crate::database::DatabaseArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::information::InformationArgs;
use crate::session::Session;
use crate::signals::StopSignals;
use chancery_app::data::{DataDir, Database};
use chancery_app::{AllowList, App, Closures, Config, Guard, Network};
use chancery_base::limits::ACTIVE_TRANSACTIONS_MAX;
use chancery_base::{TargetId, duration};
use chancery_server::telemetry::{LogFormat, install_logs};
use chancery_server::{Server, ServerOptions, listen};
use clap::ValueEnum;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Serve a data directory until SIGTERM or Ctrl-C.
///
/// A server on a PostgreSQL database takes over from one that is there: that one writes nothing more.
///
/// At its end it begins nothing more and gives attempts that are out their time to come in; a second signal ends it at
/// once, which loses nothing that was acknowledged.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery serve --data /var/lib/chancery
  chancery serve --data ./data --listen 127.0.0.1:9000 --log json
  chancery serve --data ./data --database-url-file /run/secrets/database
  chancery serve --data ./data --allow-http-target http://127.0.0.1:7001 --lease 2s")]
pub(crate) struct Args {
    /// The directory that `chancery init` made.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Connections to the PostgreSQL database at most.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(2..))]
    database_connections: u16,
    /// Keep statements prepared on their connections, which saves the database planning each. `PgBouncer` in
    /// transaction mode must know them: 1.21 or newer, with `max_prepared_statements`.
    #[arg(long)]
    database_prepare: bool,
    /// Where to listen; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Listen beyond loopback though this server speaks no TLS itself: something before it must.
    #[arg(long)]
    allow_remote: bool,
    /// An origin that steps may call over HTTP, such as `http://127.0.0.1:7001`. Can be repeated; else none.
    #[arg(long, value_name = "ORIGIN")]
    allow_http_target: Vec<String>,
    /// Addresses, such as `10.0.0.0/8`, that these may be at though they are not public. Can be repeated. An origin
    /// that is an address itself needs none.
    #[arg(long, value_name = "NETWORK")]
    allow_target_network: Vec<Network>,
    /// Where others reach this server, such as `https://chancery.example`: what steps call may then answer 202 and
    /// report later, and enforcement points find the Authorization API there.
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
    #[command(flatten)]
    information: InformationArgs,
    /// Let starts ask for faults (permission `fault:inject`), so that teams can test their handlers. Not for production.
    #[arg(long)]
    allow_faults: bool,
    /// Running transactions of a tenant at most; a start beyond is refused with 429.
    #[arg(long, value_name = "N", default_value_t = RUNNING_MAX, value_parser = clap::value_parser!(u32).range(1..=i64::from(RUNNING_MAX)))]
    running_max: u32,
    /// How long attempts that are out have to come in at the end.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    drain: Duration,
    /// How long a hand-out lives without a sign of its worker.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = lease)]
    lease: Duration,
    /// How the log is written: text to the standard error, JSON to the standard output.
    #[arg(long, value_enum, default_value_t = LogStyle::Text)]
    log: LogStyle,
    /// What is logged, such as `info,chancery_server=debug`.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log_filter: String,
    /// This node's name, as it stands in the logs' owner.
    #[arg(long, value_name = "NAME", default_value = "node-1")]
    node: String,
}

/// What one shard may have running.
const RUNNING_MAX: u32 = 100_000;
const _: () = assert!(RUNNING_MAX as usize == ACTIVE_TRANSACTIONS_MAX);
/// What a lease is at least.
const LEASE_MIN: Duration = Duration::from_millis(100);

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogStyle {
    /// Lines for people.
    Text,
    /// One object a line.
    Json,
}

/// A lease that a worker can renew in time.
fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration::parse(text).map_err(|error| error.to_string())?;
    if lease >= LEASE_MIN {
        Ok(lease)
    } else {
        Err("it is 100ms at least: workers renew it three times within it".to_owned())
    }
}

/// A URL that others can put a path behind.
fn public_url(text: &str) -> Result<String, String> {
    let target: Result<TargetId, _> = text.parse();
    if target.is_ok_and(|target| target.origin().is_some()) && text.contains("://") {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("write `https://host` or `http://host:port`, without a path".to_owned())
    }
}

/// The origins that `--allow-http-target` names.
pub(super) fn allow_list(origins: &[String]) -> Result<AllowList, CliError> {
    origins.join(",").parse().map_err(|error| CliError::Usage(format!("--allow-http-target: {error}")))
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let format = match args.log {
        LogStyle::Text => LogFormat::Text,
        LogStyle::Json => LogFormat::Json,
    };
    install_logs(format, &args.log_filter)?;
    let targets = allow_list(&args.allow_http_target)?;
    let mut signals = StopSignals::listen()?;
    let options = ServerOptions { listen: args.listen, insecure_remote: args.allow_remote, ..ServerOptions::default() };
    let listening = listen(options).await?;
    let mut database = args.database.read()?;
    if let Database::Postgres(options) = &mut database {
        options.connections = args.database_connections.into();
        options.prepare = args.database_prepare;
    }
    let data = DataDir::open_with(&args.data, &database).await?;
    let config = Config {
        lease: args.lease,
        drain: args.drain,
        running_max: usize::try_from(args.running_max).unwrap_or(ACTIVE_TRANSACTIONS_MAX),
        targets,
        target_guard: Guard::new(args.allow_target_network),
        public_url: args.public_url,
        information: args.information.read()?,
        allow_faults: args.allow_faults,
        ..Config::new(data.cluster(), args.node)
    };
    let app = App::open(config, data.keys, data.store, Closures::new()).await?;
    let server = match listening.serve(app.clone()) {
        Ok(server) => server,
        Err(error) => {
            app.shutdown().await?;
            return Err(error.into());
        }
    };
    signals.next().await;
    end(server, &app, &mut signals, session).await
}

/// Ends in order, unless another signal comes: what runs is then recovered at the next start.
pub(crate) async fn end(
    server: Server,
    app: &App,
    signals: &mut StopSignals,
    session: &Session,
) -> Result<Exit, CliError> {
    let ending = async {
        // Callers are answered until the last attempt has come in, and are told that the server is not ready.
        app.retire().await;
        let ended = server.shutdown().await;
        app.shutdown().await?;
        if ended { Ok(Exit::Ok) } else { Err(CliError::Unclean("connections were cut that did not end in time")) }
    };
    tokio::select! {
        ended = ending => ended,
        () = signals.next() => {
            session.out.say("ended at once; what was under way is recovered at the next start");
            Ok(Exit::Failed)
        }
    }
}
