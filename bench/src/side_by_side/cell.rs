//! A cell of the table: both sides take turns at one workload.

use super::crew::{Caller, Crew};
use super::table::{Compared, Tally};
use super::workload::{AT_ONCE, Due, STARTERS, Workload};
use crate::harness::{Error, Times};
use crate::inprocess::now;
use crate::scale::clock;
use crate::steps::Told;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long clients work before it counts.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long before they are due timers are started that are due at once.
const LEAD: Duration = Duration::from_secs(4);
/// How late the last of them may be.
const LATE_MAX: Duration = Duration::from_secs(20);

/// One of the two.
pub(super) trait Side {
    type Caller: Caller;

    /// How it keeps what it is given.
    fn durability(&self) -> &str;
    /// Clients, connected.
    async fn callers(&mut self, workload: Workload, due: &Due, count: usize) -> Result<Vec<Self::Caller>, Error>;
    /// What its steps tell.
    async fn told(&mut self) -> Result<Told, Error>;
    /// Processor time so far, of the server and of what runs the steps.
    fn cpu_time(&self) -> Result<Duration, Error>;
    /// Memory of the server.
    fn rss_mib(&self) -> Result<u64, Error>;
    async fn end(self) -> Result<(), Error>;
}

/// A workload with a number of clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) workload: Workload,
    pub(super) clients: usize,
}

/// How the two take turns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turns {
    pub(super) time: Duration,
    pub(super) rounds: u32,
}

/// A side, its clients, and what came of its turns so far.
struct Player<S: Side> {
    side: S,
    callers: Vec<S::Caller>,
    tally: Tally,
}

impl<S: Side> Player<S> {
    async fn new(cell: Cell, mut side: S, due: &Due) -> Result<Self, Error> {
        let callers = side.callers(cell.workload, due, cell.clients).await?;
        let tally = Tally::new(side.durability());
        Ok(Self { side, callers, tally })
    }

    async fn end(self) -> Result<Tally, Error> {
        let mut tally = self.tally;
        tally.rss_mib = self.side.rss_mib()?;
        drop(self.callers);
        self.side.end().await?;
        Ok(tally)
    }
}

impl Cell {
    pub(super) fn name(self) -> String {
        format!("peer-restate-{}", self.workload.word())
    }

    pub(super) fn title(self) -> String {
        format!("{}, {} clients", self.workload.word(), self.clients)
    }

    /// Lets both take turns.
    pub(super) async fn compare(self, turns: Turns, ours: impl Side, theirs: impl Side) -> Result<Compared, Error> {
        let due = Due::default();
        let mut ours = Player::new(self, ours, &due).await?;
        let mut theirs = Player::new(self, theirs, &due).await?;
        for round in 0..turns.rounds {
            if round % 2 == 0 {
                self.turn(turns.time, &mut ours, &mut theirs, &due).await?;
                self.turn(turns.time, &mut theirs, &mut ours, &due).await?;
            } else {
                self.turn(turns.time, &mut theirs, &mut ours, &due).await?;
                self.turn(turns.time, &mut ours, &mut theirs, &due).await?;
            }
        }
        Ok(Compared { cell: self, ours: ours.end().await?, theirs: theirs.end().await? })
    }

    /// One side's turn; what the other used meanwhile is kept with it.
    async fn turn(
        self,
        time: Duration,
        who: &mut Player<impl Side>,
        other: &mut Player<impl Side>,
        due: &Due,
    ) -> Result<(), Error> {
        let (began, cpu) = (now(), other.side.cpu_time()?);
        match self.workload {
            Workload::TimersAtOnce => at_once(who, due).await?,
            Workload::Saga1
            | Workload::Saga10
            | Workload::Saga100
            | Workload::Compensate
            | Workload::Fanout
            | Workload::Timer
            | Workload::Signal => self.work(time, who).await?,
        }
        other.tally.idle_cpu += other.side.cpu_time()?.saturating_sub(cpu);
        other.tally.idle += began.elapsed();
        Ok(())
    }

    /// The clients work for so long.
    async fn work(self, time: Duration, who: &mut Player<impl Side>) -> Result<(), Error> {
        let crew = Crew::begin(std::mem::take(&mut who.callers));
        tokio::time::sleep(WARM_UP).await;
        let (steps, cpu) = (who.side.told().await?.steps, who.side.cpu_time()?);
        let began = now();
        let counted = crew.count(time).await;
        let (steps, cpu) = (who.side.told().await?.steps - steps, who.side.cpu_time()?.saturating_sub(cpu));
        let between = began.elapsed();
        let (callers, times) = crew.end().await?;
        who.callers = callers;
        #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]
        let (units, took) = match self.workload.runs_per_unit() {
            Some(runs) => (steps as f64 / runs as f64, between),
            None => (times.len() as f64, counted),
        };
        who.tally.add(units, took, times, cpu);
        Ok(())
    }
}

/// Timers that are due at one instant: how late each is, and how many fire a second until the last has.
async fn at_once<S: Side>(who: &mut Player<S>, due: &Due) -> Result<(), Error> {
    due.set(clock().plus(LEAD));
    // What was late before is not asked for.
    drop(who.side.told().await?);
    let mut starting = JoinSet::new();
    for mut caller in std::mem::take(&mut who.callers) {
        starting.spawn(async move {
            for _ in 0..AT_ONCE / STARTERS {
                caller.call().await?;
            }
            Ok::<_, Error>(caller)
        });
    }
    while let Some(joined) = starting.join_next().await {
        who.callers.push(joined.map_err(|err| Error::Failed(err.to_string()))??);
    }
    let left = due.get().since(clock());
    if left.is_zero() {
        return Err(Error::Failed(format!("{AT_ONCE} starts took longer than {} s", LEAD.as_secs())));
    }
    tokio::time::sleep(left).await;
    let (cpu, mut times, mut last_us) = (who.side.cpu_time()?, Times::default(), 0);
    while times.len() < AT_ONCE {
        if due.get().plus(LATE_MAX) < clock() {
            let fired = times.len();
            return Err(Error::Failed(format!("{fired} of {AT_ONCE} timers fired within {} s", LATE_MAX.as_secs())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        for late_us in who.side.told().await?.late_us {
            last_us = last_us.max(late_us);
            times.add(Duration::from_micros(late_us));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "it is below a thousand")]
    let units = times.len() as f64;
    let cpu = who.side.cpu_time()?.saturating_sub(cpu);
    who.tally.add(units, Duration::from_micros(last_us.max(1)), times, cpu);
    Ok(())
}
