//! Schedules.

use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::schedule::{
    CatchUp, DueTime, Firing, FiringError, Overlap, Schedule, ScheduleTerms, TriggeredSchedule,
};
use chancery_app::schedules::{self, ScheduleView, Triggered};
use chancery_base::duration;
use chancery_engine::Headers;
use serde_json::Value;
use std::time::Duration;

/// Where nothing is said of how far back a schedule makes up for what it missed.
const WINDOW_DEFAULT: Duration = Duration::from_secs(60 * 60);

/// What a schedule is told, and its input.
pub(crate) fn schedule_terms(body: ScheduleTerms) -> Result<(schedules::Terms, Value), Failure> {
    let when = when(&body)?;
    let window = millis("catch_up_window", body.catch_up_window.as_ref())?.unwrap_or(whole_millis(WINDOW_DEFAULT));
    let headers = Headers::new(body.headers).map_err(|fault| invalid("headers", &fault))?;
    let terms = schedules::Terms {
        definition: body.definition,
        version: body.version,
        labels: body.labels,
        headers,
        when,
        zone: body.zone.unwrap_or_else(|| "UTC".to_owned()),
        from: body.from,
        until: body.until,
        overlap: body.overlap.map_or(schedules::Overlap::Skip, overlap),
        catch_up: body.catch_up.map_or(schedules::CatchUp::Last, catch_up),
        window_ms: window,
    };
    Ok((terms, body.input))
}

fn when(body: &ScheduleTerms) -> Result<schedules::When, Failure> {
    let every = millis("every", body.every.as_ref())?;
    let offset = millis("offset", body.offset.as_ref())?;
    if offset.is_some() && every.is_none() {
        return Err(invalid("offset", "it belongs to `every`"));
    }
    match (&body.cron, every, body.at) {
        (Some(cron), None, None) => Ok(schedules::When::Cron(cron.clone())),
        (None, Some(interval_ms), None) => {
            Ok(schedules::When::Every { interval_ms, offset_ms: offset.unwrap_or_default() })
        }
        (None, None, Some(at)) => Ok(schedules::When::At(at)),
        (None, None, None) => Err(invalid("the body", "it takes one of `cron`, `every` and `at`")),
        (Some(_), _, _) | (None, Some(_), Some(_)) => {
            Err(invalid("the body", "it takes one of `cron`, `every` and `at`, not several"))
        }
    }
}

fn millis(name: &str, text: Option<&String>) -> Result<Option<u64>, Failure> {
    let parsed = text.map(|text| duration::parse(text)).transpose();
    Ok(parsed.map_err(|error| invalid(name, &error.to_string()))?.map(whole_millis))
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) const fn overlap(overlap: Overlap) -> schedules::Overlap {
    match overlap {
        Overlap::Skip => schedules::Overlap::Skip,
        Overlap::BufferOne => schedules::Overlap::BufferOne,
        Overlap::BufferAll => schedules::Overlap::BufferAll,
        Overlap::Allow => schedules::Overlap::Allow,
        Overlap::CancelRunning => schedules::Overlap::CancelRunning,
        Overlap::TerminateRunning => schedules::Overlap::TerminateRunning,
    }
}

const fn catch_up(catch_up: CatchUp) -> schedules::CatchUp {
    match catch_up {
        CatchUp::None => schedules::CatchUp::None,
        CatchUp::Last => schedules::CatchUp::Last,
        CatchUp::All => schedules::CatchUp::All,
    }
}

pub(crate) fn schedule(view: ScheduleView) -> Schedule {
    let head = view.head;
    let terms = terms(head.terms, view.input.unwrap_or(Value::Null));
    let error = head.error.map(|error| FiringError { due: error.due, at: error.at, message: error.message });
    Schedule {
        name: view.name,
        terms,
        owner: head.owner,
        created_at: head.created_at,
        changed_at: head.changed_at,
        paused: head.paused.is_some(),
        note: head.paused.filter(|note| !note.is_empty()),
        next: view.next.into_iter().map(|(at, local)| DueTime { at, local }).collect(),
        waiting: head.waiting,
        transaction: head.transaction,
        fired: head.fired,
        recent: head.recent.iter().map(firing).collect(),
        error,
    }
}

fn firing(firing: &schedules::Firing) -> Firing {
    Firing {
        due: firing.due,
        until: firing.until,
        at: firing.at,
        came: firing.came.word().to_owned(),
        transaction: firing.transaction,
    }
}

fn terms(terms: schedules::Terms, input: Value) -> ScheduleTerms {
    let text = |millis| duration::format(Duration::from_millis(millis));
    let (cron, every, offset, at) = match terms.when {
        schedules::When::Cron(cron) => (Some(cron), None, None, None),
        schedules::When::Every { interval_ms, offset_ms } => {
            (None, Some(text(interval_ms)), Some(offset_ms).filter(|offset| *offset > 0).map(text), None)
        }
        schedules::When::At(at) => (None, None, None, Some(at)),
    };
    ScheduleTerms {
        definition: terms.definition,
        version: terms.version,
        input,
        labels: terms.labels,
        headers: terms.headers.as_map().clone(),
        cron,
        every,
        offset,
        at,
        zone: Some(terms.zone),
        from: terms.from,
        until: terms.until,
        overlap: Some(wire_overlap(terms.overlap)),
        catch_up: Some(wire_catch_up(terms.catch_up)),
        catch_up_window: Some(text(terms.window_ms)),
    }
}

const fn wire_overlap(overlap: schedules::Overlap) -> Overlap {
    match overlap {
        schedules::Overlap::Skip => Overlap::Skip,
        schedules::Overlap::BufferOne => Overlap::BufferOne,
        schedules::Overlap::BufferAll => Overlap::BufferAll,
        schedules::Overlap::Allow => Overlap::Allow,
        schedules::Overlap::CancelRunning => Overlap::CancelRunning,
        schedules::Overlap::TerminateRunning => Overlap::TerminateRunning,
    }
}

const fn wire_catch_up(catch_up: schedules::CatchUp) -> CatchUp {
    match catch_up {
        schedules::CatchUp::None => CatchUp::None,
        schedules::CatchUp::Last => CatchUp::Last,
        schedules::CatchUp::All => CatchUp::All,
    }
}

pub(crate) const fn triggered(triggered: Triggered) -> TriggeredSchedule {
    match triggered {
        Triggered::Started(id) => TriggeredSchedule { transaction: Some(id) },
        Triggered::Waits => TriggeredSchedule { transaction: None },
    }
}
