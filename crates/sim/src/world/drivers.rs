//! Drivers of open transactions: they add steps, die, are taken over from, and come back late.

use super::clients::Purpose;
use super::{Event, World};
use crate::faults::Fault;
use crate::model::{Check, Drove as Told};
use crate::reference::{Plan, StepPlan};
use chancery_base::{Document, PrincipalId, TransactionId};
use chancery_engine::definition::Classes;
use chancery_engine::{Intent, IntentTarget, IntentUndo, OpenRefusal, Refusal as EngineRefusal, StepError};
use chancery_shard::TaskToken;
use chancery_shard::input::{
    Ack, Command, Drive, Driven, Driving, Permit, Refusal, Report, ReportedOutcome, Response, Stepped,
};
use chancery_shard::token::AttemptRef;
use serde_json::json;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DriverId(u64);

/// A program that drives an open transaction.
#[derive(Debug)]
pub(crate) struct DriverState {
    id: TransactionId,
    place: usize,
    actor: PrincipalId,
    plan: Arc<Plan>,
    /// Its number; none until it has taken over.
    driver: Option<u32>,
    /// The next step of its script.
    next: usize,
    permit: Option<Permit>,
    /// Its call is on the way.
    waits: bool,
    /// How often it has run through its script.
    rounds: u32,
}

/// What a driver asked for.
#[derive(Debug, Clone)]
pub(crate) enum Drove {
    Step { number: usize, other_input: bool },
    Outcome(AttemptRef),
    Commit,
    Abort,
    TakeOver,
    Heartbeat,
}

impl World {
    /// Whoever started an open transaction drives it; where it had begun before, by taking over.
    pub(super) fn drive_started(&mut self, id: TransactionId, existing: bool) -> Check {
        let Some(transaction) = self.model.transactions.get(&id) else { return Ok(()) };
        let Some(plan) = transaction.open_plan() else { return Ok(()) };
        let place = self.places.iter().position(|(log, _)| log.id == transaction.log).unwrap_or(0);
        let actor = transaction.started_by();
        self.begin_driver(id, place, actor, plan, (!existing).then_some(1));
        Ok(())
    }

    fn begin_driver(
        &mut self,
        id: TransactionId,
        place: usize,
        actor: PrincipalId,
        plan: Arc<Plan>,
        driver: Option<u32>,
    ) {
        self.next += 1;
        let name = DriverId(self.next);
        let state = DriverState { id, place, actor, plan, driver, next: 0, permit: None, waits: false, rounds: 0 };
        self.drivers.insert(name, state);
        self.drive_within(name, 300);
    }

    fn drive_within(&mut self, name: DriverId, millis: u64) {
        let wait = self.within(millis);
        self.after(wait, Event::Drive(name));
    }

    /// A driver does its next thing.
    pub(super) fn drive(&mut self, name: DriverId) -> Check {
        if self.drivers.get(&name).is_none_or(|state| state.waits) {
            return Ok(());
        }
        if self.strikes(Fault::DriverDied, 40) {
            self.count(Fault::DriverDied);
            return self.driver_dies(name);
        }
        let is_hurt = !self.is_calm && self.rng.permille(60);
        let beats = self.rng.permille(120);
        let Some(state) = self.drivers.get(&name) else { return Ok(()) };
        let Some(driver) = state.driver else { return self.drive_with(name, Drove::TakeOver, Driving::Resume) };
        if beats {
            return self.drive_with(name, Drove::Heartbeat, Driving::Heartbeat { driver });
        }
        if let Some(permit) = state.permit.clone() {
            return self.say(name, &permit);
        }
        let open = state.plan.open.as_ref().ok_or("a driver of a saga")?;
        if let Some(step) = open.script.get(state.next) {
            let (number, id) = (state.next, state.id);
            // Its program is at fault: what is recorded it asks for with another input.
            let recorded = self.model.transactions.get(&id);
            let is_hurt = is_hurt && recorded.is_some_and(|recorded| recorded.has_step(&format!("s{number}")));
            let driving =
                Driving::Step { driver, intent: Arc::new(intent(number, step)), input: input(id, number, is_hurt) };
            return self.drive_with(name, Drove::Step { number, other_input: is_hurt }, driving);
        }
        // What can't be committed after a few rounds is given up.
        if open.aborts || state.rounds > 3 {
            return self.drive_with(
                name,
                Drove::Abort,
                Driving::Abort { driver, reason: "as its script says".to_owned() },
            );
        }
        let output = Document::shared(json!({ "rounds": state.rounds }));
        self.drive_with(name, Drove::Commit, Driving::Commit { driver, output })
    }

    /// It dies, or sleeps for so long that another takes over and it comes back late.
    fn driver_dies(&mut self, name: DriverId) -> Check {
        let Some(state) = self.drivers.get(&name) else { return Ok(()) };
        let grace = state.plan.open.as_ref().map_or(0, |open| open.grace);
        let (id, place, actor, plan) = (state.id, state.place, state.actor, Arc::clone(&state.plan));
        if self.rng.permille(500) {
            self.drive_within(name, grace * 2);
        } else {
            self.drivers.remove(&name);
        }
        if self.rng.permille(700) {
            self.begin_driver(id, place, actor, plan, None);
        }
        Ok(())
    }

    /// It says what came of the step that it did, or nothing.
    fn say(&mut self, name: DriverId, permit: &Permit) -> Check {
        let token: TaskToken = permit.token;
        let outcome = match self.rng.below(100) {
            0..12 => ReportedOutcome::Failed(StepError::new("NoRoom", "all is taken")),
            12..20 => ReportedOutcome::Unknown(StepError::new("CutOff", "no answer")),
            20..26 if !self.is_calm => {
                // It forgets to say it: the permit runs out.
                self.with_driver(name, |state| {
                    state.permit = None;
                    state.next += 1;
                });
                self.drive_within(name, 500);
                return Ok(());
            }
            _ => ReportedOutcome::Completed(Document::shared(json!({ "attempt": permit.attempt }))),
        };
        self.model.report(token.attempt, outcome.clone());
        let Some(state) = self.drivers.get(&name) else { return Ok(()) };
        let step = state.plan.open.as_ref().and_then(|_| self.model.transactions.get(&state.id));
        let step = step.and_then(|transaction| transaction.step_name(token.attempt.node())).unwrap_or("s0");
        let step = step.parse::<chancery_base::Name>().map_err(|err| err.to_string())?;
        let report = Report { task: token, outcome };
        self.drive_with(name, Drove::Outcome(token.attempt), Driving::Outcome { step, report })
    }

    fn drive_with(&mut self, name: DriverId, asked: Drove, driving: Driving) -> Check {
        let Some(state) = self.drivers.get_mut(&name) else { return Ok(()) };
        let (id, actor, place) = (state.id, state.actor, state.place);
        match self.server_of(place) {
            Some(server) => {
                self.with_driver(name, |state| state.waits = true);
                let command = Command::Drive(Box::new(Drive { id, actor, driving }));
                self.send(server, command, Purpose::Drive(name, asked))
            }
            None => {
                self.drive_within(name, 800);
                Ok(())
            }
        }
    }

    fn with_driver(&mut self, name: DriverId, change: impl FnOnce(&mut DriverState)) {
        if let Some(state) = self.drivers.get_mut(&name) {
            change(state);
        }
    }

    /// A driver hears the answer to its call, or that there will be none.
    pub(super) fn heard_driver(&mut self, name: DriverId, asked: &Drove, answer: Result<Response, Refusal>) -> Check {
        self.with_driver(name, |state| state.waits = false);
        let Some(state) = self.drivers.get(&name) else { return Ok(()) };
        let (id, driver) = (state.id, state.driver);
        match answer {
            Ok(Response::Driven(driven)) => {
                self.driver_heard(name, (id, driver.unwrap_or(0)), asked, *driven)?;
                self.drive_within(name, 600);
                Ok(())
            }
            Ok(other) => Err(format!("a driver was answered {other:?}")),
            Err(Refusal::Unavailable(_) | Refusal::Unknown | Refusal::Stopping | Refusal::Limited { .. }) => {
                self.drive_within(name, 900);
                Ok(())
            }
            Err(Refusal::Missing(_)) if self.model.expired.contains(&id) => {
                self.drivers.remove(&name);
                Ok(())
            }
            // What is out, or to be taken over, waits until the stop is lifted.
            Err(Refusal::Stopped(_)) => Ok(()),
            Err(Refusal::Illegal(refusal)) => self.driver_refused(name, (id, driver.unwrap_or(0)), asked, &refusal),
            Err(
                refusal @ (Refusal::Missing(_)
                | Refusal::Denied(_)
                | Refusal::KeyReused(_)
                | Refusal::Forked(_)
                | Refusal::BusinessKeyTaken(_)
                | Refusal::SettingsMoved { .. }
                | Refusal::NotActivated(_)
                | Refusal::InputRefused { .. }
                | Refusal::Overlaps(_)
                | Refusal::Override(_)
                | Refusal::Schedule(_)
                | Refusal::Exists(_)
                | Refusal::NotFound(_)
                | Refusal::TooManyRunning { .. }
                | Refusal::Maintenance { .. }
                | Refusal::Invalid(_)),
            ) => Err(format!("{asked:?} of {id} was refused: {refusal}")),
        }
    }

    fn driver_heard(
        &mut self,
        name: DriverId,
        (id, driver): (TransactionId, u32),
        asked: &Drove,
        driven: Driven,
    ) -> Check {
        match (asked, driven) {
            (Drove::Step { other_input: true, .. }, Driven::Stepped(stepped)) => {
                Err(format!("asked for with another input, a step of {id} came to {stepped:?}"))
            }
            (Drove::Step { .. }, Driven::Stepped(Stepped::Permitted(permit))) => {
                self.model.permit_acknowledged(id, &permit)?;
                self.with_driver(name, |state| state.permit = Some(permit));
                Ok(())
            }
            (Drove::Step { number, .. }, Driven::Stepped(Stepped::Completed(output))) => {
                self.with_driver(name, |state| state.next += 1);
                self.model.output_acknowledged(id, &format!("s{number}"), &output)
            }
            (Drove::Step { .. }, Driven::Stepped(Stepped::Denied(decided))) => {
                self.with_driver(name, |state| state.next += 1);
                if decided.permitted { Err("denied with a permit".to_owned()) } else { Ok(()) }
            }
            (Drove::Outcome(attempt), Driven::Acknowledged(ack)) => {
                self.model.report_acknowledged(attempt, ack, false)?;
                let goes_on = ack != Ack::Recorded || self.rng.permille(500);
                self.with_driver(name, |state| {
                    state.permit = None;
                    // It asks once more: it is told what came of it, or tries again.
                    state.next += usize::from(goes_on);
                });
                Ok(())
            }
            (Drove::Commit, Driven::Settled) => {
                self.drivers.remove(&name);
                self.model.driver_acknowledged(id, driver, Told::Committed)
            }
            (Drove::Abort, Driven::Settled) => {
                self.drivers.remove(&name);
                self.model.driver_acknowledged(id, driver, Told::Aborted)
            }
            (Drove::TakeOver, Driven::Resumed(resumed)) => {
                let driver = resumed.heard.driver;
                self.with_driver(name, |state| state.driver = Some(driver));
                self.model.driver_acknowledged(id, driver, Told::TookOver)
            }
            (Drove::Heartbeat, Driven::Heard(_)) => Ok(()),
            (asked, driven) => Err(format!("{asked:?} was answered {driven:?}")),
        }
    }

    fn driver_refused(
        &mut self,
        name: DriverId,
        (id, driver): (TransactionId, u32),
        asked: &Drove,
        refusal: &EngineRefusal,
    ) -> Check {
        match (refusal, asked) {
            (EngineRefusal::Open(OpenRefusal::Superseded { .. }), _) => {
                self.count(Fault::DriverSuperseded);
                self.drivers.remove(&name);
                self.model.superseded(id, driver)
            }
            (EngineRefusal::Status { .. }, _) => {
                let goes_on = self.model.transactions.get(&id).is_some_and(|transaction| transaction.goes_forward());
                self.drivers.remove(&name);
                if goes_on { Err(format!("{asked:?} of {id} was refused, which runs: {refusal}")) } else { Ok(()) }
            }
            (EngineRefusal::Open(OpenRefusal::Unfinished(_)), Drove::Commit) => {
                self.model.commit_refused(id).map_err(|why| format!("{why}: {refusal}"))?;
                self.with_driver(name, |state| {
                    state.next = 0;
                    state.rounds += 1;
                });
                self.drive_within(name, 600);
                Ok(())
            }
            (EngineRefusal::Open(OpenRefusal::Differs(..)), Drove::Step { other_input: true, .. }) => {
                self.drive_within(name, 600);
                Ok(())
            }
            (EngineRefusal::Open(OpenRefusal::Paused(_)), Drove::Step { .. } | Drove::Commit) => {
                self.model.was_paused(id)?;
                self.drive_within(name, 900);
                Ok(())
            }
            (EngineRefusal::Open(OpenRefusal::Frame(_)), Drove::Step { .. }) => {
                // It may have no more steps: it takes what it has.
                self.with_driver(name, |state| state.next += 1);
                self.drive_within(name, 600);
                Ok(())
            }
            _ => Err(format!("{asked:?} of {id} was refused: {refusal}")),
        }
    }
}

/// What a driver declares of a step of its script.
fn intent(number: usize, step: &StepPlan) -> Intent {
    let on_error = |action| serde_json::to_value(action).and_then(serde_json::from_value).ok();
    let undo = step.undo.as_ref().map(|undo| IntentUndo {
        attempts: u32::try_from(undo.retry.attempts).unwrap_or(1),
        critical: undo.is_critical,
        input: None,
        on_error: undo.on_error.and_then(on_error),
        target: IntentTarget::Worker(name("queue.undo")),
        timeout_ms: undo.timeout,
    });
    Intent {
        action: name("run"),
        classes: Classes::new(),
        purpose: None,
        resource: None,
        step: name(&format!("s{number}")),
        timeout_ms: step.timeout,
        undo,
    }
}

#[expect(clippy::expect_used, reason = "these are names")]
fn name(text: &str) -> chancery_base::Name {
    text.parse().expect("a name")
}

/// The input of a step: the same whenever the script runs, unless its program is at fault.
fn input(id: TransactionId, number: usize, is_other: bool) -> Arc<Document> {
    let of = if is_other { "another".to_owned() } else { id.to_string() };
    Document::shared(json!({ "of": of, "step": number }))
}
