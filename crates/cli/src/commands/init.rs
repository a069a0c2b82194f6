//! `chancery init`

use crate::database::DatabaseArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::key_file::NewKeyFile;
use crate::output::fields;
use crate::progress;
use crate::session::Session;
use chancery_app::bootstrap;
use chancery_app::data::DataDir;
use chancery_base::{Name, PrincipalId, TenantId};
use serde::Serialize;
use std::path::PathBuf;

/// Make a data directory: an empty store, new keys, and the owner of the tenant `system`.
///
/// The store is in the directory, or in an empty PostgreSQL database, which then gets its schema.
///
/// The owner of `system` runs the platform and makes tenants. Its key is written once, to the new file that --key-file
/// names, with mode 0600.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery init --data /var/lib/chancery --key-file system.key
  chancery init --data ./data --key-file system.key --cluster acme-eu
  chancery init --data ./data --key-file system.key --database-url-file database.url")]
pub(crate) struct Args {
    /// The directory to make.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    /// The cluster's name: the first part of every log's name, and the name of the key that signs them.
    #[arg(long, value_name = "NAME", default_value = "chancery")]
    cluster: Name,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    data: String,
    cluster: Name,
    tenant: TenantId,
    owner: PrincipalId,
    key_file: String,
    verifier_key: String,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<Exit, CliError> {
    let key_path = session
        .key_file()
        .ok_or_else(|| CliError::Usage("name the new file for the owner's key with --key-file".to_owned()))?;
    let database = args.database.read()?;
    let file = NewKeyFile::create(key_path)?;
    let data = DataDir::create_with(&args.data, &args.cluster, &database).await?;
    let verifier_key = data.keys.log.verifier().to_string();
    let owner = progress::spin("making the store", bootstrap::init(data, &args.cluster)).await?;
    file.write(&owner.key)?;
    let made = Made {
        data: args.data.display().to_string(),
        cluster: args.cluster,
        tenant: TenantId::system(),
        owner: owner.principal,
        key_file: key_path.display().to_string(),
        verifier_key,
    };
    session.out.show(&made, |made| {
        fields([
            ("data", Some(made.data.clone())),
            ("cluster", Some(made.cluster.to_string())),
            ("tenant", Some(made.tenant.to_string())),
            ("owner", Some(made.owner.to_string())),
            ("key file", Some(made.key_file.clone())),
            ("verifier key", Some(made.verifier_key.clone())),
        ])
    })?;
    session.out.say(&format!(
        "\nnext:\n  chancery serve --data {}{}\n  chancery context set --server http://127.0.0.1:8080 --key-file {}\n  \
         chancery tenant create acme --key-out acme.key",
        made.data,
        args.database.option(),
        made.key_file
    ));
    Ok(Exit::Ok)
}
