//! Queues.

use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::queue::{Queue, QueueSettings, QueueVersion};
use chancery_app::queues::QueueView;
use chancery_base::duration;
use chancery_shard::input::Hold;
use chancery_shard::queue;
use std::time::Duration;

pub(crate) fn queue_settings(body: &QueueSettings) -> Result<queue::QueueSettings, Failure> {
    let rate_per = body.rate_per.as_deref().map(duration::parse).transpose();
    let rate_per = rate_per.map_err(|error| invalid("rate_per", &error.to_string()))?;
    Ok(queue::QueueSettings {
        concurrency: body.concurrency,
        rate: body.rate,
        rate_per_ms: rate_per.map(whole_millis),
        versions: body.versions.clone(),
    })
}

pub(crate) fn queue(view: QueueView) -> Queue {
    Queue {
        name: view.name,
        waiting: view.waiting,
        waited_ms: view.waited.map(whole_millis),
        out: view.out,
        workers: view.workers,
        versions: view.versions.into_iter().map(version).collect(),
        held_by: view.held.map(word).map(str::to_owned),
        settings: QueueSettings {
            concurrency: view.settings.concurrency,
            rate: view.settings.rate,
            rate_per: view.settings.rate_per_ms.map(|ms| duration::format(Duration::from_millis(ms))),
            versions: view.settings.versions,
        },
    }
}

fn version((version, workers, takes): (Option<String>, usize, bool)) -> QueueVersion {
    QueueVersion { version, workers, takes }
}

const fn word(hold: Hold) -> &'static str {
    match hold {
        Hold::Concurrency => "concurrency",
        Hold::Versions => "versions",
        Hold::Stopped => "stopped",
        Hold::Keys => "keys",
        Hold::Rate(_) => "rate",
    }
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
