//! The campaign: a server under load is killed at random moments, every second time together with all that it had not
//! synced, and started again on what is left. In the end everything that it acknowledged must be there and be done.

use crate::chance::Chance;
use crate::ledger::Ledger;
use crate::load::{Acknowledged, Load, Sort};
use crate::outside::Outside;
use crate::stage::{Place, Stage};
use chancery_base::TransactionId;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;

/// Calls that must be under way as the server is killed. Some end before the signal arrives.
const UNDER_WAY_MIN: usize = 48;
/// Attempts that were out at a kill, by the ledger, at least.
const OUT_MIN: usize = 32;
/// Looks of 5 ms each until so many calls are under way.
const BUSY_LOOKS: u32 = 12_000;
/// Looks of 100 ms each until all that began has ended.
const DRAIN_LOOKS: u32 = 1_200;
/// Looks of 20 ms each until a fault of the disk shows.
const FAULT_LOOKS: u32 = 3_000;
/// How the server ends when a sync fails: `EX_SOFTWARE`.
const EXIT_FATAL: i32 = 70;
/// Every so many kills, what the server left is verified before the next start.
const VERIFY_EVERY: u32 = 5;

/// What happens to the server, or to its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL, every second time with a loss of power.
    Killed,
    /// SIGKILL, always with a loss of power and of all that was not synced.
    Unpowered,
    /// A sync fails, which must end the process; with a loss of power.
    SyncFails,
    /// The disk is full for a while, which the server must survive.
    Full,
    /// The database dies and comes back, which the server must survive.
    DatabaseDies,
}

/// A life of one data directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) kills: u32,
    pub(crate) fault: Fault,
    pub(crate) place: Place,
    /// What the server is told to do wrong.
    pub(crate) sabotage: Option<&'static str>,
}

/// What a life came to.
#[derive(Debug, Default, Clone)]
pub(crate) struct Report {
    pub(crate) kills: u32,
    pub(crate) power_losses: u32,
    /// Writes that the losses of power undid, or that a full disk refused.
    pub(crate) undone: u64,
    pub(crate) acknowledged: usize,
    /// Of them, how many are of which sort.
    pub(crate) sorts: BTreeMap<Sort, usize>,
    pub(crate) started: usize,
    pub(crate) entries: u64,
    pub(crate) calls: usize,
    pub(crate) repeats: usize,
    /// Attempts that were out at the kills, by the ledger.
    pub(crate) out: usize,
    pub(crate) out_min: usize,
    /// What was not as it must be.
    pub(crate) wrong: Vec<Wrong>,
}

/// What was not as it must be.
#[derive(Debug, Clone)]
pub(crate) enum Wrong {
    /// Something that was acknowledged, recorded or called is not as it was promised, or the server can't go on.
    Promise(String),
    /// The campaign itself did not come about: it says nothing of the server.
    Campaign(String),
}

impl From<String> for Wrong {
    fn from(said: String) -> Self {
        Self::Promise(said)
    }
}

impl Report {
    /// Whether a promise was seen to be broken.
    pub(crate) fn noticed(&self) -> bool {
        self.wrong.iter().any(|wrong| matches!(wrong, Wrong::Promise(_)))
    }

    /// Adds another life.
    pub(crate) fn add(&mut self, other: Self) {
        self.out_min = if self.kills == 0 { other.out_min } else { self.out_min.min(other.out_min) };
        self.kills += other.kills;
        self.power_losses += other.power_losses;
        self.undone += other.undone;
        self.acknowledged += other.acknowledged;
        for (sort, count) in other.sorts {
            *self.sorts.entry(sort).or_default() += count;
        }
        self.started += other.started;
        self.entries += other.entries;
        self.calls += other.calls;
        self.repeats += other.repeats;
        self.out += other.out;
        self.wrong.extend(other.wrong);
    }
}

/// Lives one life of a data directory.
pub(crate) async fn live(plan: Plan) -> Report {
    let outside = Outside::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let mut service = JoinSet::new();
    service.spawn(axum::serve(listener, outside.router()).into_future());
    let stage = Stage::set(target, plan.place, plan.sabotage).await;
    let load = Load::start(&stage, &outside, plan.seed);
    let life = Life {
        plan,
        chance: Chance::new(plan.seed),
        stage,
        outside,
        ledger: Ledger::default(),
        report: Report::default(),
    };
    life.run(load).await
}

struct Life {
    plan: Plan,
    chance: Chance,
    stage: Stage,
    outside: Outside,
    ledger: Ledger,
    report: Report,
}

impl Life {
    async fn run(mut self, mut load: Load) -> Report {
        for round in 0..self.plan.kills {
            if let Err(wrong) = self.round(round, &load).await {
                self.report.wrong.push(match wrong {
                    Wrong::Promise(said) => Wrong::Promise(format!("round {round}: {said}")),
                    Wrong::Campaign(said) => Wrong::Campaign(format!("round {round}: {said}")),
                });
                return self.report;
            }
        }
        load.stop_starting().await;
        let acknowledged = load.acknowledged();
        if let Err(wrong) = self.drain(&acknowledged).await {
            self.report.wrong.push(wrong);
        }
        self.report.wrong.extend(load.end().await.into_iter().map(Wrong::Promise));
        self.check(&acknowledged);
        self.report
    }

    /// Lets it work for a while, kills it, and starts it on what is left.
    async fn round(&mut self, round: u32, load: &Load) -> Result<(), Wrong> {
        tokio::time::sleep(Duration::from_millis(self.chance.between(100, 1_800))).await;
        let mut looks = 0;
        while self.outside.under_way() < UNDER_WAY_MIN {
            looks += 1;
            if looks > BUSY_LOOKS || self.stage.ended().is_some() {
                let said = format!("no work: {} calls under way; {}", self.outside.under_way(), self.stage.said());
                return Err(Wrong::Campaign(said));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Anywhere in a commit.
        tokio::time::sleep(Duration::from_micros(self.chance.between(0, 20_000))).await;
        let (forgets, some) = match self.plan.fault {
            Fault::Killed => (round % 2 == 1, round % 4 == 1),
            Fault::Unpowered | Fault::SyncFails => (true, false),
            Fault::Full => return self.full(load).await,
            Fault::DatabaseDies => return self.database_dies(load).await,
        };
        if self.plan.fault == Fault::SyncFails {
            self.sync_fails().await?;
        }
        self.stage.kill();
        self.report.kills += 1;
        if forgets {
            // Every other time some of it had reached the disk.
            let seed = some.then(|| self.chance.next());
            self.report.power_losses += 1;
            self.report.undone += self.stage.lose_power(seed);
        }
        if round % VERIFY_EVERY == VERIFY_EVERY - 1 {
            self.stage.verify().map_err(|said| format!("what the kill left does not verify: {said}"))?;
        }
        // What is acknowledged from here on, is by the next server.
        let acknowledged = load.acknowledged();
        self.stage.start().await?;
        self.read(&acknowledged).await?;
        match load.wrong().first() {
            Some(wrong) => Err(Wrong::Promise(wrong.clone())),
            None => Ok(()),
        }
    }

    /// A sync fails, and the server ends by itself.
    async fn sync_fails(&mut self) -> Result<(), Wrong> {
        self.stage.disk.fail_sync(self.stage.disk.syncs() + self.chance.between(1, 5));
        for _ in 0..FAULT_LOOKS {
            if let Some(status) = self.stage.ended() {
                self.stage.disk.fail_sync(0);
                let is_fatal = status.code() == Some(EXIT_FATAL);
                let said = || format!("it ended with {status}: {}", self.stage.said());
                return if is_fatal { Ok(()) } else { Err(Wrong::Promise(said())) };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Wrong::Promise("a failed sync did not end the server".to_owned()))
    }

    /// The disk is full until writes were refused for a while; then there is room, and it goes on.
    async fn full(&mut self, load: &Load) -> Result<(), Wrong> {
        let refused = self.stage.disk.refused();
        self.stage.disk.limit(self.chance.between(0, 200_000));
        let mut looks = 0;
        while self.stage.disk.refused() < refused + 3 {
            looks += 1;
            if looks > FAULT_LOOKS {
                return Err(Wrong::Campaign("the disk did not fill up".to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let acknowledged = load.acknowledged();
        // What is full for writing can be read.
        self.read(&acknowledged).await?;
        self.stage.disk.unlimit();
        self.report.undone += self.stage.disk.refused() - refused;
        self.goes_on(&acknowledged, load).await
    }

    /// The database dies under load and comes back; the server goes on by itself.
    async fn database_dies(&mut self, load: &Load) -> Result<(), Wrong> {
        self.stage.lose_power(None);
        self.report.power_losses += 1;
        let acknowledged = load.acknowledged();
        self.goes_on(&acknowledged, load).await?;
        self.read(&acknowledged).await
    }

    /// Waits until more is acknowledged.
    async fn goes_on(
        &mut self,
        acknowledged: &BTreeMap<TransactionId, Acknowledged>,
        load: &Load,
    ) -> Result<(), Wrong> {
        let mut looks = 0;
        while load.acknowledged().len() <= acknowledged.len() {
            looks += 1;
            if looks > FAULT_LOOKS || self.stage.ended().is_some() {
                return Err(Wrong::Promise(format!("it does not go on: {}", self.stage.said())));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        load.wrong().first().map_or(Ok(()), |wrong| Err(Wrong::Promise(wrong.clone())))
    }

    async fn read(&mut self, acknowledged: &BTreeMap<TransactionId, Acknowledged>) -> Result<(), Wrong> {
        self.ledger.read(&self.stage.client("acme", Duration::from_secs(30))).await?;
        match acknowledged.keys().find(|id| !self.ledger.has(id)) {
            Some(id) => Err(Wrong::Promise(format!("lost: {id} was acknowledged and is not in the ledger"))),
            None => Ok(()),
        }
    }

    /// Waits until all that was started has ended.
    async fn drain(&mut self, acknowledged: &BTreeMap<TransactionId, Acknowledged>) -> Result<(), Wrong> {
        for _ in 0..DRAIN_LOOKS {
            self.read(acknowledged).await?;
            if acknowledged.keys().all(|id| self.ledger.end(id).is_some()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let left: Vec<_> = acknowledged.keys().filter(|id| self.ledger.end(id).is_none()).take(5).collect();
        Err(Wrong::Promise(format!("started and not ended: {left:?}")))
    }

    fn check(&mut self, acknowledged: &BTreeMap<TransactionId, Acknowledged>) {
        let mut wrong: Vec<String> = self.stage.stop().err().into_iter().collect();
        wrong.extend(self.stage.verify().err().map(|said| format!("it does not verify: {said}")));
        for (id, start) in acknowledged {
            let found = self.ledger.end(id);
            if found != Some(start.ends) {
                wrong.push(format!("{id}, a {:?}, ended as {found:?}, not as {}", start.sort, start.ends));
            }
            *self.report.sorts.entry(start.sort).or_default() += 1;
        }
        let counts = self.ledger.check_calls(&self.outside.calls(), &mut wrong);
        let out = self.ledger.out_at_kills();
        // A server that ends by itself does so when it likes.
        let is_killed = matches!(self.plan.fault, Fault::Killed | Fault::Unpowered);
        let total = out.iter().sum();
        if is_killed && counts.repeats > total {
            wrong.push(format!("{} repeats, {total} attempts out at the kills", counts.repeats));
        }
        self.report.wrong.extend(wrong.into_iter().map(Wrong::Promise));
        if let Some(few) = out.iter().find(|out| is_killed && **out < OUT_MIN) {
            let said = format!("a kill with {few} attempts out proves little: {out:?}");
            self.report.wrong.push(Wrong::Campaign(said));
        }
        self.report.acknowledged = acknowledged.len();
        self.report.started = self.ledger.started();
        self.report.entries = self.ledger.entries();
        self.report.calls = counts.calls;
        self.report.repeats = counts.repeats;
        self.report.out = total;
        self.report.out_min = out.iter().copied().min().unwrap_or(0);
    }
}
