//! Runs seeds: `cargo run -p chancery-sim -- --seed N` replays one, `-v` with all that happens.

use chancery_sim::{Bounds, Case, Fault, Material, Options, Report, run, shrink};
use clap::Parser;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates shards over a store with faults, and checks what must hold.
#[derive(Debug, Parser)]
#[command(name = "chancery-sim")]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds to run.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Runs at the same time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Definitions of up to twelve steps instead of up to six.
    #[arg(long)]
    wide: bool,
    /// Definitions with everything that a saga may say.
    #[arg(long, conflicts_with = "wide")]
    varied: bool,
    /// Open transactions.
    #[arg(long, conflicts_with_all = ["wide", "varied"])]
    open: bool,
    /// Definitions of TCCs.
    #[arg(long, conflicts_with_all = ["wide", "varied", "open"])]
    tcc: bool,
    /// Sagas whose steps run sagas.
    #[arg(long, conflicts_with_all = ["wide", "varied", "open", "tcc"])]
    children: bool,
    /// Varied definitions of which some steps fan out.
    #[arg(long, conflicts_with_all = ["wide", "varied", "open", "tcc", "children"])]
    fanned: bool,
    /// Schedules, which start what clients start as well.
    #[arg(long, conflicts_with_all = ["wide", "varied", "open", "tcc", "children", "fanned"])]
    scheduled: bool,
    /// Sagas that are forked once they have ended.
    #[arg(long, conflicts_with_all = ["wide", "varied", "open", "tcc", "children", "fanned"])]
    forked: bool,
    /// Sagas that ask people.
    #[arg(long, conflicts_with_all = ["wide", "varied", "open", "tcc", "children", "fanned"])]
    asked: bool,
    /// Sagas and TCCs of which bundles demand something, and for which people answer.
    #[arg(long, conflicts_with_all = ["wide", "varied", "open", "tcc", "children", "fanned", "asked"])]
    governed: bool,
    /// Attempts of each queue that the tenants let out at once.
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// Stop things, and lift that again.
    #[arg(long, conflicts_with_all = ["scheduled", "forked"])]
    stops: bool,
    /// Milliseconds after their end after which transactions are removed.
    #[arg(long, value_name = "MS")]
    retention: Option<u64>,
    /// Run a case that was kept, instead of seeds.
    #[arg(long)]
    case: Option<PathBuf>,
    /// Where the smallest form of a failing run is kept.
    #[arg(long, default_value = "crates/sim/seeds")]
    keep: PathBuf,
    /// Print everything that happens.
    #[arg(short, long)]
    verbose: bool,
    /// Go on after a violation.
    #[arg(long)]
    all: bool,
}

/// What came of all runs so far.
#[derive(Debug)]
struct Tally {
    runs: u64,
    entries: u64,
    failures: u64,
    runs_with: Vec<u64>,
}

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let sorts = [
        (arguments.wide, Material::Wide),
        (arguments.varied, Material::Varied),
        (arguments.open, Material::Open),
        (arguments.tcc, Material::Tcc),
        (arguments.children, Material::Children),
        (arguments.fanned, Material::Fanned),
        (arguments.scheduled, Material::Scheduled),
        (arguments.forked, Material::Forked),
        (arguments.asked, Material::Asked),
        (arguments.governed, Material::Governed),
    ];
    let asked = sorts.into_iter().find(|(is_asked, _)| *is_asked);
    let material = asked.map_or(Material::Narrow, |(_, material)| material);
    let bounds = Bounds {
        concurrency: arguments.concurrency,
        stops: arguments.stops,
        retention: arguments.retention,
        ..Bounds::default()
    };
    let options = Options { is_verbose: arguments.verbose, material, bounds, ..Options::default() };
    match &arguments.case {
        Some(path) => replay(path, arguments.verbose),
        None => run_all(&arguments, &options),
    }
}

#[expect(clippy::print_stdout, reason = "a program that prints")]
fn replay(path: &Path, is_verbose: bool) -> ExitCode {
    let case = std::fs::read(path).map_err(|err| err.to_string());
    let case = case.and_then(|text| serde_json::from_slice::<Case>(&text).map_err(|err| err.to_string()));
    let violation = match case {
        Ok(case) => run(case.seed, &Options { is_verbose, ..case.options() }).violation,
        Err(err) => Some(err),
    };
    println!("{}: {}", path.display(), violation.as_deref().unwrap_or("holds"));
    if violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "a program that prints")]
fn run_all(arguments: &Arguments, options: &Options) -> ExitCode {
    let mut tally = Tally { runs: 0, entries: 0, failures: 0, runs_with: vec![0; Fault::ALL.len()] };
    let end = arguments.seed.saturating_add(arguments.seeds);
    let (next, is_over) = (AtomicU64::new(arguments.seed), AtomicBool::new(false));
    let (sender, reports) = mpsc::sync_channel(64);
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            let (sender, next, is_over) = (sender.clone(), &next, &is_over);
            scope.spawn(move || {
                let seeds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
                let mut seeds = seeds.take_while(|seed| *seed < end && !is_over.load(Ordering::Relaxed));
                // An error means that nobody counts any more.
                seeds.all(|seed| sender.send(run(seed, options)).is_ok());
            });
        }
        drop(sender);
        scope.spawn(|| tell(&next, arguments.seed, end, &is_over));
        for report in reports {
            if arguments.seeds == 1 {
                println!("seed {}: digest {:016x}, {:?}", report.seed, report.digest, report.stats);
            }
            if !tally.take(&report, options, arguments) && !arguments.all {
                is_over.store(true, Ordering::Relaxed);
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    println!("{} seeds, {} entries, {} failures", tally.runs, tally.entries, tally.failures);
    for (fault, count) in Fault::ALL.iter().zip(&tally.runs_with) {
        println!("{count:>8} runs with: {fault}");
    }
    if tally.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says now and then how far it is.
fn tell(next: &AtomicU64, first: u64, end: u64, is_over: &AtomicBool) {
    let (mut waited, mut before) = (Duration::ZERO, first);
    let nap = Duration::from_millis(100);
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(nap);
        waited += nap;
        if waited < TOLD_EVERY {
            continue;
        }
        let now = next.load(Ordering::Relaxed).min(end);
        let rate = now.saturating_sub(before) / TOLD_EVERY.as_secs();
        // Nobody may be listening.
        let written = writeln!(std::io::stderr(), "{} of {} seeds, {rate} a second", now - first, end - first);
        drop(written);
        (waited, before) = (Duration::ZERO, now);
    }
}

impl Tally {
    /// Counts a run; whether all held in it.
    #[expect(clippy::print_stdout, reason = "a program that prints")]
    fn take(&mut self, report: &Report, options: &Options, arguments: &Arguments) -> bool {
        self.runs += 1;
        self.entries += report.stats.entries;
        for (count, (_, occurred)) in self.runs_with.iter_mut().zip(report.faults.iter()) {
            *count += u64::from(occurred > 0);
        }
        let Some(why) = &report.violation else { return true };
        self.failures += 1;
        let sort = match options.material {
            Material::Narrow => "",
            Material::Wide => " --wide",
            Material::Varied => " --varied",
            Material::Open => " --open",
            Material::Tcc => " --tcc",
            Material::Children => " --children",
            Material::Fanned => " --fanned",
            Material::Scheduled => " --scheduled",
            Material::Forked => " --forked",
            Material::Asked => " --asked",
            Material::Governed => " --governed",
        };
        let queues = options.bounds.concurrency.map(|most| format!(" --concurrency {most}")).unwrap_or_default();
        let kept = options.bounds.retention.map(|ms| format!(" --retention {ms}")).unwrap_or_default();
        let stops = if options.bounds.stops { " --stops" } else { "" };
        let seed = report.seed;
        println!(
            "seed {seed}: {why}\n  replay: cargo run -p chancery-sim -- --seed {seed}{sort}{queues}{stops}{kept} -v"
        );
        match keep(report.seed, options, &arguments.keep) {
            Ok(path) => println!("  smallest: cargo run -p chancery-sim -- --case {} -v", path.display()),
            Err(err) => println!("  its smallest form can't be kept: {err}"),
        }
        false
    }
}

/// Keeps the smallest form of a failing run.
fn keep(seed: u64, options: &Options, folder: &Path) -> Result<PathBuf, String> {
    let case = shrink(seed, options).ok_or("it did not fail again")?;
    let sort = match case.material {
        Material::Narrow => "narrow",
        Material::Wide => "wide",
        Material::Varied => "varied",
        Material::Open => "open",
        Material::Tcc => "tcc",
        Material::Children => "children",
        Material::Fanned => "fanned",
        Material::Scheduled => "scheduled",
        Material::Forked => "forked",
        Material::Asked => "asked",
        Material::Governed => "governed",
    };
    let path = folder.join(format!("{sort}-{seed}.json"));
    let text = serde_json::to_string_pretty(&case).map_err(|err| err.to_string())?;
    std::fs::write(&path, text + "\n").map_err(|err| format!("{}: {err}", path.display()))?;
    Ok(path)
}
