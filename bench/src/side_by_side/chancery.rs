//! Chancery's side: a server, and a worker on the Rust SDK that it reaches steps through, over HTTP.

use super::cell::Side;
use super::crew::Caller;
use super::workload::{Due, TIMER, Workload};
use crate::fixture::{DURABILITY, name};
use crate::harness::{Error, cpu_time, rss_mib, this_program};
use crate::inprocess::now;
use crate::remote::{SAGA_MAX, Served};
use crate::steps::{Steps, Told};
use chancery_sdk::api::transaction::{SendSignal, Status};
use chancery_sdk::{Client, Start};
use serde_json::json;
use std::time::Duration;

/// A server and a worker, both processes of this run.
pub(super) struct Chancery {
    served: Served,
    steps: Steps,
    client: Client,
}

impl Chancery {
    pub(super) async fn start() -> Result<Self, Error> {
        let served = Served::start(&["server"], None).await?;
        let mut worker = this_program()?;
        worker.arg("worker");
        let mut steps = Steps::start(worker, |_| ())?;
        steps.write(&served.hello().to_string()).await?;
        let client = served.client()?;
        Ok(Self { served, steps, client })
    }

    fn pid(&self) -> Result<u32, Error> {
        self.served.pid().ok_or_else(|| Error::Failed("the server ended".to_owned()))
    }
}

impl Side for Chancery {
    type Caller = ChanceryCaller;

    fn durability(&self) -> &str {
        DURABILITY
    }

    async fn callers(&mut self, workload: Workload, due: &Due, count: usize) -> Result<Vec<ChanceryCaller>, Error> {
        let definition = workload.definition()?;
        let caller = || ChanceryCaller {
            client: self.client.clone(),
            workload,
            due: due.clone(),
            start: Start::new(definition.clone(), workload.input(due)),
        };
        Ok(std::iter::repeat_with(caller).take(count).collect())
    }

    async fn told(&mut self) -> Result<Told, Error> {
        self.steps.told().await
    }

    fn cpu_time(&self) -> Result<Duration, Error> {
        Ok(cpu_time(self.pid()?)? + cpu_time(self.steps.pid()?)?)
    }

    fn rss_mib(&self) -> Result<u64, Error> {
        Ok(rss_mib(self.pid()?))
    }

    async fn end(self) -> Result<(), Error> {
        self.steps.end().await?;
        self.served.end().await.map(drop)
    }
}

/// A client on the SDK.
pub(super) struct ChanceryCaller {
    client: Client,
    workload: Workload,
    due: Due,
    start: Start,
}

impl Caller for ChanceryCaller {
    async fn call(&mut self) -> Result<Duration, Error> {
        match self.workload {
            Workload::Saga1 | Workload::Saga10 | Workload::Saga100 | Workload::Fanout => {
                self.until_it_ends(Status::Completed).await
            }
            Workload::Compensate => self.until_it_ends(Status::Compensated).await,
            Workload::Timer => Ok(self.until_it_ends(Status::Completed).await?.saturating_sub(TIMER)),
            Workload::TimersAtOnce => {
                let start = Start::new(self.workload.definition()?, self.workload.input(&self.due));
                self.client.start(&start).await?;
                Ok(Duration::ZERO)
            }
            Workload::Signal => self.signal().await,
        }
    }
}

impl ChanceryCaller {
    /// Starts, and is answered when it has ended.
    async fn until_it_ends(&self, expected: Status) -> Result<Duration, Error> {
        let (start, began) = (self.start.clone().wait(SAGA_MAX), now());
        let ended = self.client.start(&start).await?;
        expect(ended.status, expected)?;
        Ok(began.elapsed())
    }

    /// Starts, and then says what it waits for.
    async fn signal(&self) -> Result<Duration, Error> {
        let started = self.client.start(&self.start).await?;
        let signal = SendSignal { name: name("go")?, id: None, payload: json!({ "said": 1 }) };
        let began = now();
        self.client.signal(started.id, &signal).await?;
        let ended = self.client.wait_for(started.id, SAGA_MAX).await?;
        expect(ended.status, Status::Completed)?;
        Ok(began.elapsed())
    }
}

fn expect(status: Status, expected: Status) -> Result<(), Error> {
    if status == expected {
        return Ok(());
    }
    Err(Error::Failed(format!("a transaction ended as {status:?}, not as {expected:?}")))
}
