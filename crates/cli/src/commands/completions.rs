//! `chancery completions`

use crate::cli::command;
use crate::error::CliError;
use crate::exit::Exit;
use crate::session::Session;
use clap_complete::Shell;

/// Write a completion script for a shell to the standard output.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery completions bash > ~/.local/share/bash-completion/completions/chancery
  chancery completions zsh > \"${fpath[1]}/_chancery\"
  chancery completions fish > ~/.config/fish/completions/chancery.fish")]
pub(crate) struct Args {
    /// Which shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args, session: &Session) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "chancery", &mut script);
    session.out.bytes(&script)?;
    Ok(Exit::Ok)
}
