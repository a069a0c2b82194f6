//! `chancery dev`

mod place;

use super::{bundle, serve};
use crate::bundle_source;
use crate::context::{self, Context};
use crate::error::CliError;
use crate::exit::Exit;
use crate::key_file::NewKeyFile;
use crate::output::Output;
use crate::session::Session;
use crate::signals::StopSignals;
use crate::starter;
use chancery_api::OneTimeKey;
use chancery_api::principal::{CreatePrincipal, PrincipalKind};
use chancery_app::data::DataDir;
use chancery_app::{AllowList, App, Config, Guard, bootstrap};
use chancery_base::{Name, Secret, TenantId};
use chancery_sdk::{Client, ClientOptions};
use chancery_server::telemetry::{LogFormat, install_logs};
use chancery_server::{ServerOptions, serve as listen};
use place::Place;
use serde_json::Map;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The tenant of a temporary server: `system` is the platform's own.
const TENANT: &str = "dev";

/// Start a temporary server with keys, a starter bundle and a saved context.
///
/// It listens on loopback. Ctrl-C ends it, removes its store, and restores the context that was saved before.
///
/// The starter bundle is written to ./chancery-starter unless that is there; what is there is pushed and activated.
/// Two workers run in the process: hello.greet, and hello.fail, which always fails.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery dev
  chancery dev --listen 127.0.0.1:8080
  chancery dev --allow-http-target http://127.0.0.1:7001
  chancery dev --keep ./my-dev          # keep the store, and go on with it the next time")]
pub(crate) struct Args {
    /// Where to listen, on loopback; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Keep store and keys in this directory, and go on with them if they are there.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// An origin that steps may call over HTTP, such as `http://127.0.0.1:7001`. Can be repeated; else none.
    #[arg(long, value_name = "ORIGIN")]
    allow_http_target: Vec<String>,
    /// What is logged to the standard error, such as `info`.
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log_filter: String,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    if !args.listen.ip().is_loopback() {
        return Err(CliError::Usage("`chancery dev` listens on loopback only: use `chancery serve`".to_owned()));
    }
    let targets = serve::allow_list(&args.allow_http_target)?;
    install_logs(LogFormat::Text, &args.log_filter)?;
    let mut signals = StopSignals::listen()?;
    let written = starter::write(Path::new(starter::DIR))?;
    let place = Place::open(args.keep)?;
    let (app, system_key) = open(&place, targets).await?;
    let options = ServerOptions { listen: args.listen, ..ServerOptions::default() };
    let server = match listen(app.clone(), options).await {
        Ok(server) => server,
        Err(error) => {
            app.shutdown().await?;
            return Err(error.into());
        }
    };
    let url = format!("http://{}", server.local_addr());
    let ran = match set_up(&place, &url, &system_key).await {
        Ok(context) => {
            let path = session.context_path()?;
            let saved = SavedContext::save(path, context);
            if let Ok(saved) = &saved {
                tell(&session.out, &place, &url, &saved.path, written);
                signals.next().await;
                session.out.say("\nending");
            }
            saved.and_then(SavedContext::restore)
        }
        Err(error) => Err(error),
    };
    let ended = serve::end(server, &app, &mut signals, session).await;
    ran.and(ended)
}

/// Opens the store, a new one with the tenant `system`; gives the key of that tenant's owner.
async fn open(place: &Place, targets: AllowList) -> Result<(App, Secret), CliError> {
    let cluster: Name = TENANT.parse().map_err(|error| CliError::Usage(format!("{error}")))?;
    let (data_dir, key_path) = (place.data(), place.key("system"));
    let is_new = !data_dir.exists();
    let data = if is_new { DataDir::create(&data_dir, &cluster)? } else { DataDir::open(&data_dir)? };
    if is_new {
        bootstrap::system(&data, &cluster).await?;
    }
    let config = Config {
        targets,
        target_guard: Guard::with_loopback(),
        allow_faults: true,
        ..Config::new(data.cluster(), "dev")
    };
    let app = App::open(config, data.keys, data.store, starter::closures()?).await?;
    if !is_new {
        let key = crate::key_file::read(&key_path)?;
        return Ok((app, key));
    }
    let file = NewKeyFile::create(&key_path)?;
    let owner = bootstrap::first_owner(&app).await?;
    file.write(&owner.key)?;
    Ok((app, owner.key))
}

/// Makes tenant, principals and keys where they are not there, and puts the starter bundle into force.
async fn set_up(place: &Place, url: &str, system_key: &Secret) -> Result<Context, CliError> {
    let client = |key: Secret| Client::new(ClientOptions::new(url, key));
    let owner_path = place.key("owner");
    let owner_key = if owner_path.exists() {
        crate::key_file::read(&owner_path)?
    } else {
        let tenant: TenantId = TENANT.parse().map_err(|error| CliError::Usage(format!("{error}")))?;
        let file = NewKeyFile::create(&owner_path)?;
        let made = client(system_key.clone())?.tenant_create(tenant).await?.key.into_secret();
        file.write(&made)?;
        made
    };
    let owner = client(owner_key.clone())?;
    for (kind, name) in [(PrincipalKind::Service, "service"), (PrincipalKind::Agent, "agent")] {
        let path = place.key(name);
        if !path.exists() {
            make_principal(&owner, kind, name, NewKeyFile::create(&path)?).await?;
        }
    }
    let source = bundle_source::read(Path::new(starter::DIR))?;
    let pushed = bundle::push_source(&source, &owner).await?;
    owner.bundle_activate(pushed.digest, None).await?;
    let verifier_key = owner.verifier_key().await?;
    Ok(Context {
        server: Some(url.to_owned()),
        key: Some(OneTimeKey::new(owner_key)),
        verifier_key: Some(verifier_key),
    })
}

/// A principal whose role is called as it is.
async fn make_principal(owner: &Client, kind: PrincipalKind, name: &str, file: NewKeyFile) -> Result<(), CliError> {
    let role: Name = name.parse().map_err(|error| CliError::Usage(format!("{error}")))?;
    let new = CreatePrincipal { kind, name: name.to_owned(), roles: vec![role], attributes: Map::new() };
    let made = owner.principal_create(&new).await?;
    file.write(&owner.key_issue(made.id, None).await?.key.into_secret())
}

/// The context while the server runs, and the one before.
#[derive(Debug)]
struct SavedContext {
    path: PathBuf,
    ours: Context,
    before: Option<Context>,
}

impl SavedContext {
    fn save(path: PathBuf, ours: Context) -> Result<Self, CliError> {
        let before = if path.exists() { Some(context::load(&path)?) } else { None };
        context::save(&path, &ours)?;
        Ok(Self { path, ours, before })
    }

    /// Puts back what was there, unless somebody saved another context meanwhile.
    fn restore(self) -> Result<(), CliError> {
        if context::load(&self.path)? != self.ours {
            return Ok(());
        }
        match self.before {
            Some(before) => context::save(&self.path, &before),
            None => {
                std::fs::remove_file(&self.path).map_err(|source| CliError::Write { path: self.path.clone(), source })
            }
        }
    }
}

fn tell(out: &Output, place: &Place, url: &str, context: &Path, written: bool) {
    let hello = Path::new("examples").join(starter::HELLO);
    let hello = if hello.exists() { hello } else { Path::new(starter::DIR).join(starter::HELLO) };
    let bundle = if written { "written, and active" } else { "found, and active" };
    out.say(&format!(
        "\
server    {url}, tenant `{TENANT}`
context   saved in {}
keys      {}/{{owner,service,agent,system}}.key
bundle    ./{} {bundle}
store     {}{}

Now, in another terminal:
  chancery run {hello}
  chancery receipt txn_…/greet | chancery verify receipt -
Then lower the number in {}/hello.cedar, and:
  chancery bundle push {} --activate
  chancery run {hello}

Ctrl-C ends it.",
        context.display(),
        place.dir().display(),
        starter::DIR,
        place.data().display(),
        if place.is_kept() { ", kept" } else { ", removed at the end" },
        starter::DIR,
        starter::DIR,
        hello = hello.display(),
    ));
}
