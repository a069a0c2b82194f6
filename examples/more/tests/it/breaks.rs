//! What a test does to handlers that know nothing of it.

use chancery_sdk::{HandlerError, Phase, Task, Worker};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// It is not done, and that is final.
    Refuse,
    /// It is done, and whoever asked never hears of it, at any attempt.
    Lose,
    /// It is done, and whoever asked does not hear of it the first time: another attempt does it again.
    LoseOnce,
    /// It is done twice in one attempt, as when a task is handed out twice.
    Repeat,
}

/// Which call: that of a queue, or of a path of a service that is called over HTTP; of one clone, or of any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) index: Option<u32>,
}

#[derive(Debug)]
struct Rule {
    place: Place,
    what: Break,
    /// How many calls it met.
    met: u32,
}

/// What is done to which calls. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breaks(Arc<Mutex<Vec<Rule>>>);

impl Breaks {
    pub(crate) fn new(rules: &[(Place, Break)]) -> Self {
        let rule = |(place, what): &(Place, Break)| Rule { place: *place, what: *what, met: 0 };
        Self(Arc::new(Mutex::new(rules.iter().map(rule).collect())))
    }

    /// Whether each was met: a test that broke nothing shows nothing.
    #[track_caller]
    pub(crate) fn assert_met(&self) {
        let rules = self.0.lock().unwrap();
        assert!(rules.iter().all(|rule| rule.met > 0), "{rules:?}");
    }

    /// Leaves everything as it is from now on.
    pub(crate) fn heal(&self) {
        self.0.lock().unwrap().clear();
    }

    /// What is done to a call, and how many of its kind there were with this one.
    pub(crate) fn of(&self, name: &str, index: Option<u32>) -> Option<(Break, u32)> {
        let mut rules = self.0.lock().unwrap();
        let is_meant = |place: Place| place.name == name && (place.index.is_none() || place.index == index);
        let rule = rules.iter_mut().find(|rule| is_meant(rule.place))?;
        rule.met += 1;
        Some((rule.what, rule.met))
    }

    /// The worker with these before its handlers.
    pub(crate) fn around(&self, worker: Worker) -> Worker {
        let breaks = self.clone();
        worker.around(move |task, next| {
            let found = breaks.of(task.queue.as_str(), task.index);
            async move {
                match found.map(|(what, _)| what) {
                    None => next.run(task).await,
                    Some(Break::Refuse) => Err(HandlerError::refused("Broken", "as the test wants it")),
                    Some(Break::LoseOnce) if task.attempt > 1 => next.run(task).await,
                    Some(Break::Lose | Break::LoseOnce) => {
                        next.run(task).await?;
                        Err(HandlerError::unknown("Lost", "as the test wants it"))
                    }
                    Some(Break::Repeat) => {
                        let (first, second) = (next.run(task.clone()).await, next.run(task.clone()).await);
                        same(&task, first, &second)
                    }
                }
            }
        })
    }
}

/// What is done twice gives the same twice; an undo says what it undid, which is nothing the second time.
fn same(
    task: &Task,
    first: Result<Value, HandlerError>,
    second: &Result<Value, HandlerError>,
) -> Result<Value, HandlerError> {
    let is_undo = task.phase == Phase::Undo;
    if first == *second || (is_undo && first.is_ok() && second.is_ok()) {
        return first;
    }
    Err(HandlerError::refused("Differs", format!("{first:?}, and then {second:?}")))
}
