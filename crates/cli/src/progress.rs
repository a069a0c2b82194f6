//! Progress on a terminal, for what takes over a second.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::future::Future;
use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

/// What is done sooner shows no progress.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Shows that something is under way until the future is done.
pub(crate) async fn spin<F: Future>(what: &str, future: F) -> F::Output {
    let mut future = pin!(future);
    if !io::stderr().is_terminal() {
        return future.await;
    }
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut future).await {
        return done;
    }
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.set_message(what.to_owned());
    spinner.enable_steady_tick(TICK);
    let done = future.await;
    spinner.finish_and_clear();
    done
}

/// How much has come of something whose end is not known.
#[derive(Debug)]
pub(crate) struct Flow {
    what: &'static str,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Flow {
    /// Begins now, and shows nothing yet.
    pub(crate) const fn new(what: &'static str, now: Instant) -> Self {
        Self { what, began: now, bar: None }
    }

    /// So many bytes so far.
    pub(crate) fn at(&mut self, bytes: u64) {
        if self.bar.is_none() && io::stderr().is_terminal() && self.began.elapsed() >= PATIENCE {
            self.bar = Some(styled("{spinner} {bytes} {msg}, {bytes_per_sec}, {elapsed}", self.what));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How far something with a known end is.
#[derive(Debug)]
pub(crate) struct Bar {
    what: &'static str,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// Begins now, and shows nothing yet.
    pub(crate) const fn new(what: &'static str, now: Instant) -> Self {
        Self { what, began: now, bar: None }
    }

    /// So far of so many.
    pub(crate) fn at(&mut self, done: u64, total: u64) {
        if self.bar.is_none() && io::stderr().is_terminal() && self.began.elapsed() >= PATIENCE {
            self.bar = Some(styled("{wide_bar} {human_pos}/{human_len} {msg}, {per_sec}, {eta} left", self.what));
        }
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn styled(template: &str, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
