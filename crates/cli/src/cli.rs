//! The command line itself: commands, global options, and how help is laid out.

use crate::commands::Command;
use crate::output::Format;
use clap::{Args, CommandFactory as _, Parser};
use std::path::PathBuf;

/// What comes first is what people look for first.
const HELP: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

const EXIT_CODES: &str = "\
Exit codes:
  0   done, and as it should be
  1   done, and the outcome is not the one hoped for: a transaction that did not complete, a denied
      question, a document with faults, a receipt or log that does not verify
  2   the command line, or a file or value that it names, is wrong
  3   there is no such thing
  4   not permitted, or no valid key
  5   it contradicts what is already so
  6   the server cannot be reached, is busy, or was not done in time: the same again may succeed
  70  something is broken: a defect, damaged data, a system that refuses

Data go to the standard output, messages and progress to the standard error. NO_COLOR turns colours off.";

/// Business operations that are done whole or not at all, permitted each time, and provable afterwards.
#[derive(Debug, Parser)]
#[command(
    name = "chancery",
    version,
    propagate_version = true,
    subcommand_required = true,
    before_help = "\
Examples:
  chancery dev                                    # a temporary server; Ctrl-C ends it
  chancery run examples/hello.yaml                # push, start, wait
  chancery receipt txn_…/greet | chancery verify receipt -
  chancery bundle push chancery-starter --activate
  chancery tx list --status parked -o json",
    after_long_help = EXIT_CODES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// How data are written.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// The server's address, such as `http://127.0.0.1:8080`; else the one of the saved context.
    #[arg(long, global = true, env = "CHANCERY_SERVER", hide_env_values = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The file with the API key, mode 0600; else `CHANCERY_KEY`, else the key of the saved context.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Where server and key are saved; else ~/.config/chancery/context.json.
    #[arg(long, global = true, env = "CHANCERY_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) context_file: Option<PathBuf>,
}

/// The command line, as completions and the tests see it.
#[must_use]
pub fn command() -> clap::Command {
    lay_out(Cli::command())
}

/// Gives every command the same layout of its help.
fn lay_out(command: clap::Command) -> clap::Command {
    command.help_template(HELP).mut_subcommands(lay_out)
}
