//! The binary `chancery`.

use std::process::ExitCode;

/// What a batch is made of is freed on the store's thread, which the system's allocator takes locks for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chancery_cli::main()
}
