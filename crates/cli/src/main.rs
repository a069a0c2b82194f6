//! The binary `chancery`.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// What a batch is made of is freed on the store's thread, which the system's allocator takes locks for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A server gives freed memory back at once, and does without huge pages, which a few small values keep resident.
const OPTIONS: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_ALLOW_THP", "0")];

fn main() -> ExitCode {
    if std::env::args_os().any(|argument| argument == "serve") {
        set_allocator();
    }
    chancery_cli::main()
}

/// Starts this program again with the options that nobody has set: the allocator reads them before `main`.
fn set_allocator() {
    let unset: Vec<_> = OPTIONS.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if unset.is_empty() {
        return;
    }
    let again = |program| Command::new(program).args(std::env::args_os().skip(1)).envs(unset).exec();
    let error = std::env::current_exe().map_or_else(|error| error, again);
    let said = "chancery: it may take more memory than it should, because it could not start itself again";
    // Nobody to tell it to is no reason not to serve.
    drop(writeln!(std::io::stderr(), "{said}: {error}"));
}
