//! Why a command could not do what it was asked, and what to do about it.

use crate::exit::Exit;
use chancery_api::{Fault, ProblemKind};
use chancery_app::Error as AppError;
use chancery_app::data::DataDirError;
use chancery_base::{Kind, TransactionId};
use chancery_sdk::Error as SdkError;
use chancery_server::ServeError;
use chancery_server::telemetry::LogError;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A value on the command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file is larger than what it is taken for may be.
    #[error("{} has more than {max} bytes", path.display())]
    TooLarge { path: PathBuf, max: usize },
    /// A file cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Others can read a file with a key in it.
    #[error("{} holds a key and others can read it (mode {mode:04o})", path.display())]
    Mode { path: PathBuf, mode: u32 },
    /// A key file without a key.
    #[error("{} does not hold an API key, which begins with `chk_`", path.display())]
    NoKeyInFile { path: PathBuf },
    /// The saved context is not one.
    #[error("{} is not a context file: {reason}", path.display())]
    Context { path: PathBuf, reason: String },
    /// Nobody said which server.
    #[error("no server is named")]
    NoServer,
    /// Nobody said which key.
    #[error("no API key is named")]
    NoKey,
    /// The saved key is for another server than the one named.
    #[error("the saved key is for {saved}, and is not sent to {named}")]
    OtherServer { saved: String, named: String },
    /// No key to verify with.
    #[error("no verifier key is named")]
    NoVerifierKey,
    /// A document has faults.
    #[error("{document} has {}", count(faults.len()))]
    Faulty { document: String, faults: Vec<Found> },
    /// A receipt, checkpoint or log does not verify.
    #[error("{what} does not verify: {reason}")]
    Unverified { what: String, reason: String },
    /// The server, or the way to it.
    #[error(transparent)]
    Remote(#[from] SdkError),
    /// It took longer than the caller wanted to wait.
    #[error("{id} was still {status} after {}", chancery_base::duration::format(*waited))]
    TimedOut { id: TransactionId, status: &'static str, waited: Duration },
    /// There is no such thing.
    #[error("{0}")]
    Missing(String),
    /// The data directory.
    #[error(transparent)]
    Data(#[from] DataDirError),
    /// The node.
    #[error(transparent)]
    App(Box<AppError>),
    /// The server does not listen.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// There is no log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Signals cannot be waited for.
    #[error("failed to wait for signals")]
    Signals(#[source] io::Error),
    /// It did not end in order.
    #[error("{0}")]
    Unclean(&'static str),
    /// The standard output is gone or full.
    #[error("failed to write to the standard output")]
    Stdout(#[source] io::Error),
    /// The runtime does not start.
    #[error("failed to start the runtime")]
    Runtime {
        #[source]
        source: io::Error,
    },
}

/// A fault and the file that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    pub(crate) file: String,
    #[serde(flatten)]
    pub(crate) fault: Fault,
}

/// `1 fault`, `2 faults`.
fn count(faults: usize) -> String {
    if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") }
}

impl Found {
    /// What is wrong with a file, where there is no more to say of its place.
    pub(crate) fn of(file: &Path, message: String) -> Self {
        let fault = Fault { path: String::new(), line: None, column: None, message, rule: None };
        Self { file: file.display().to_string(), fault }
    }
}

impl From<AppError> for CliError {
    fn from(error: AppError) -> Self {
        Self::App(Box::new(error))
    }
}

impl CliError {
    /// A document with one fault, of which there is no more to say than this.
    pub(crate) fn faulty(path: &Path, message: String) -> Self {
        Self::Faulty { document: path.display().to_string(), faults: vec![Found::of(path, message)] }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_)
            | Self::Read { .. }
            | Self::TooLarge { .. }
            | Self::Write { .. }
            | Self::Mode { .. }
            | Self::NoKeyInFile { .. }
            | Self::Context { .. }
            | Self::NoServer
            | Self::NoKey
            | Self::OtherServer { .. }
            | Self::NoVerifierKey => Exit::Usage,
            Self::Faulty { .. } | Self::Unverified { .. } => Exit::Failed,
            Self::Remote(error) => error.kind().into(),
            Self::TimedOut { .. } => Exit::Unavailable,
            Self::Missing(_) => Exit::Missing,
            Self::Data(error) => error.kind().into(),
            Self::App(error) => error.kind().into(),
            Self::Serve(error) => match error {
                ServeError::Busy { .. } => Exit::Conflict,
                ServeError::Remote { .. } => Exit::Usage,
                ServeError::Listen { .. } | ServeError::Router(_) | ServeError::Entropy(_) => Exit::Broken,
            },
            Self::Log(LogError::Filter { .. }) => Exit::Usage,
            Self::Log(LogError::Installed(_))
            | Self::Signals(_)
            | Self::Unclean(_)
            | Self::Stdout(_)
            | Self::Runtime { .. } => Exit::Broken,
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Mode { path, .. } => {
                format!(
                    "keep it to yourself with `chmod 600 {0}`; if others may have read it, issue another key",
                    path.display()
                )
            }
            Self::NoKeyInFile { .. } => {
                "put the key alone into the file, as `chancery key issue --key-out FILE` does".to_owned()
            }
            Self::Context { path, .. } => {
                format!("remove {} and save it anew with `chancery context set`", path.display())
            }
            Self::NoServer => {
                "name one with --server or CHANCERY_SERVER, save one with `chancery context set`, or start \
                               a temporary one with `chancery dev`"
                    .to_owned()
            }
            Self::NoKey => {
                "name a file with --key-file, put the key into CHANCERY_KEY, or save it with `chancery context \
                            set --key-file FILE`"
                    .to_owned()
            }
            Self::OtherServer { .. } => "name the key for that server with --key-file".to_owned(),
            Self::NoVerifierKey => {
                "name it with --key TEXT or --key FILE; `chancery ledger key` asks the server for it".to_owned()
            }
            Self::Write { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                "it exists already and is not overwritten: name another file".to_owned()
            }
            Self::Remote(error) => return remote_hint(error),
            Self::TimedOut { id, .. } => format!("go on waiting with `chancery tx wait {id}`"),
            Self::Faulty { .. } => "mend what stands above; `--help` of the command shows an example".to_owned(),
            Self::Data(error) => return data_hint(error),
            Self::Serve(ServeError::Busy { .. }) => {
                "end what listens there, or name another port with --listen; port 0 takes any free one".to_owned()
            }
            Self::Usage(_)
            | Self::Read { .. }
            | Self::TooLarge { .. }
            | Self::Write { .. }
            | Self::Unverified { .. }
            | Self::Missing(_)
            | Self::App(_)
            | Self::Serve(_)
            | Self::Log(_)
            | Self::Signals(_)
            | Self::Unclean(_)
            | Self::Stdout(_)
            | Self::Runtime { .. } => return None,
        })
    }
}

/// Where the message itself does not say what to do.
fn data_hint(error: &DataDirError) -> Option<String> {
    Some(match error {
        DataDirError::Exists(dir) => {
            format!("serve it with `chancery serve --data {}`, or name a new directory", dir.display())
        }
        DataDirError::Key { .. } => "restore the file from a backup: no other key continues these logs".to_owned(),
        DataDirError::Unnamed(_) => {
            "name it with --database-url-file FILE, or put its URL into CHANCERY_DATABASE_URL".to_owned()
        }
        DataDirError::Embedded(_) => {
            "leave out --database-url-file, unset CHANCERY_DATABASE_URL, or name another directory".to_owned()
        }
        DataDirError::Stranger { .. } => "name the data directory that was made with this database".to_owned(),
        DataDirError::Database(error) if error.kind() == Kind::Busy => {
            "is the database up, and does its address name the right host, user and password?".to_owned()
        }
        DataDirError::Database(error) if error.kind() == Kind::Broken => {
            "does the database exist, and may the user connect to it and make tables there?".to_owned()
        }
        DataDirError::Store(_)
        | DataDirError::Database(_)
        | DataDirError::Read(_)
        | DataDirError::Occupied
        | DataDirError::Vacant(_)
        | DataDirError::Missing(_)
        | DataDirError::File { .. }
        | DataDirError::Mode { .. }
        | DataDirError::Entropy(_) => return None,
    })
}

fn remote_hint(error: &SdkError) -> Option<String> {
    if let SdkError::Unreachable { server, .. } | SdkError::Silent { server, .. } = error {
        return Some(format!(
            "is the server up at {server}? Start one with `chancery serve` or `chancery dev`, or name another with --server"
        ));
    }
    if let SdkError::Server { .. } = error {
        return Some("a server is named as in http://127.0.0.1:8080".to_owned());
    }
    if let Some(problem) = error.problem().filter(|problem| problem.kind() == Some(ProblemKind::Expired))
        && let Some(id) = problem.transaction
    {
        return Some(format!("read what happened to it with `chancery tx history {id}`"));
    }
    if error.problem().is_some_and(|problem| problem.kind() == Some(ProblemKind::WouldDeny)) {
        return Some("the same with --accept N, once that is what you want".to_owned());
    }
    Some(match error.kind() {
        Kind::Unauthenticated => {
            "the key is unknown to this server, expired or revoked: name another with --key-file, \
                                  or save it with `chancery context set`"
                .to_owned()
        }
        Kind::Denied => {
            "ask an owner of the tenant for a role or a policy that permits it; `chancery decide` asks the \
                         policy beforehand"
                .to_owned()
        }
        Kind::Limited | Kind::Busy => {
            let after =
                error.retry_after().map_or_else(|| "later".to_owned(), |after| format!("in {} s", after.as_secs()));
            format!("try again {after}")
        }
        Kind::Broken | Kind::Bug => {
            "look into the server's log; the request's id stands above if there is one".to_owned()
        }
        Kind::Invalid | Kind::Missing | Kind::Conflict | Kind::TooLarge => return None,
    })
}
