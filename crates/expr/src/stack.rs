//! A large stack for the parser, which recurses some twenty frames a nesting level.

use std::cell::Cell;

const STACK_BYTES: usize = 64 << 20;

thread_local! {
    static LARGE: Cell<bool> = const { Cell::new(false) };
}

/// Why something could not be run on a large stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// The operating system gave no thread.
    #[error("no thread could be started")]
    Spawn,
    /// What was run panicked: a defect, ours or the parser's.
    #[error("the parser failed")]
    Panicked,
}

/// Runs `work` on a thread with a stack of 64 MiB and waits for it; where it is on one already, runs it there.
/// Compiling many expressions is cheaper within one such call.
///
/// # Errors
/// If no thread could be started, or `work` panicked.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, StackError> {
    if LARGE.get() {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let run = || {
            LARGE.set(true);
            work()
        };
        let thread = std::thread::Builder::new().name("parser".to_owned()).stack_size(STACK_BYTES);
        let Ok(handle) = thread.spawn_scoped(scope, run) else { return Err(StackError::Spawn) };
        handle.join().ok().ok_or(StackError::Panicked)
    })
}
