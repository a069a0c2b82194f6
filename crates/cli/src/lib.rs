//! The command line of Chancery.
//!
//! Everything that a server can do is asked of it through [`chancery_sdk::Client`]; what needs no server (checking
//! documents, drawing graphs, verifying receipts and logs) is done here. Standard output is for data, standard error
//! for messages and progress. The exit codes are [`Exit`]'s.

mod bundle_source;
mod cli;
mod commands;
mod context;
mod database;
mod definition_source;
mod error;
mod exit;
mod fault;
mod information;
mod input;
mod key_file;
mod output;
mod progress;
mod session;
mod show;
mod signals;
mod starter;

pub use cli::command;
pub use exit::Exit;

use clap::{CommandFactory as _, FromArgMatches as _};
use cli::Cli;
use std::io::Write as _;
use std::process::ExitCode;

/// Reads the arguments of this process, does what they say, and gives the code to exit with.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(run().code())
}

fn run() -> Exit {
    if std::env::args_os().len() <= 1 {
        // Nobody to tell it to is no failure.
        drop(writeln!(std::io::stderr().lock(), "{}", command().render_help()));
        return Exit::Usage;
    }
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error.format(&mut Cli::command())),
    };
    let session = session::Session::new(cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return session.out.fail(&error::CliError::Runtime { source }),
    };
    match runtime.block_on(commands::run(cli.command, &session)) {
        Ok(exit) => exit,
        Err(error) => session.out.fail(&error),
    }
}

/// Help and the version are no errors; clap prints them to the standard output.
fn refuse(error: &clap::Error) -> Exit {
    let printed = error.print();
    if error.use_stderr() || printed.is_err() { Exit::Usage } else { Exit::Ok }
}
