//! Schedules: people make them, pause them, have them start; the clock is set forward; and in the end nothing is owed.

use super::clients::Purpose;
use super::{Event, World};
use crate::Material;
use crate::faults::Fault;
use crate::model::Check;
use crate::reference::schedule::SchedulePlan;
use chancery_base::{Document, Timestamp};
use chancery_engine::schedule::Overlap;
use chancery_shard::input::{Command, Refusal, Response, ScheduleAsk, ScheduleCommand};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The names that schedules have.
const NAMES: [&str; 3] = ["dawn", "noon", "dusk"];
/// How long after the last fault everything that was due has been dealt with, and how long a time may take then.
const QUIET: Duration = Duration::from_secs(12);
const SLACK: i64 = 2_000_000;

impl World {
    pub(super) const fn has_schedules(&self) -> bool {
        matches!(self.options.material, Material::Scheduled)
    }

    /// Somebody asks something of a schedule, or the clock is set forward.
    pub(super) fn tend_schedules(&mut self) -> Check {
        if self.strikes(Fault::ClockSetForward, 40) {
            self.count(Fault::ClockSetForward);
            let by = self.far();
            self.set_forward(by);
        }
        let tenant = self.rng.index(self.tenants.len());
        let name = self.rng.pick(&NAMES).copied().unwrap_or("noon");
        let note = || "the simulator says so".to_owned();
        let ask = match self.rng.below(100) {
            0..25 => self.told(tenant).map(|(terms, input)| ScheduleAsk::Create { terms, input }),
            25..30 => self.told(tenant).map(|(terms, input)| ScheduleAsk::Set { terms, input }),
            30..35 => Some(ScheduleAsk::Pause { note: note() }),
            35..45 => Some(ScheduleAsk::Resume { note: note() }),
            45..48 => Some(ScheduleAsk::Delete),
            48..53 => {
                let overlap = self.rng.permille(300).then(|| self.rng.pick(Overlap::ALL).copied()).flatten();
                Some(ScheduleAsk::Trigger { overlap })
            }
            _ => None,
        };
        ask.map_or(Ok(()), |ask| self.ask_schedule(tenant, name, ask))
    }

    /// What a schedule may be told.
    fn told(&mut self, tenant: usize) -> Option<(Box<chancery_engine::schedule::Terms>, Arc<Document>)> {
        let state = self.tenants.get(tenant)?;
        let roots = state.definitions.get(..state.roots).unwrap_or_default();
        let definition = self.rng.pick(roots)?.name.clone();
        let plan = Arc::new(SchedulePlan::draw(definition, self.now, &mut self.rng));
        let terms = plan.terms();
        self.model.schedules.know(plan);
        let input = json!({ "n": self.rng.below(5), "due": "${{ schedule.due }}" });
        Some((Box::new(terms), Document::shared(input)))
    }

    fn ask_schedule(&mut self, tenant: usize, name: &str, ask: ScheduleAsk) -> Check {
        let Some(state) = self.tenants.get(tenant) else { return Ok(()) };
        let place = state.places.first().copied().unwrap_or(0);
        let Some(actor) = self.rng.pick(&state.principals).map(|principal| principal.id) else { return Ok(()) };
        let name = name.parse().map_err(|err| format!("{err}"))?;
        let Some(server) = self.server_of(place) else { return Ok(()) };
        let command = ScheduleCommand { actor, name, ask };
        self.send(server, Command::Schedule(Box::new(command)), Purpose::Schedule { place })
    }

    pub(super) fn heard_schedule(&self, place: usize, answer: Result<Response, Refusal>) -> Check {
        match answer {
            Ok(Response::Done { seq }) => self.heard_entry(place, seq),
            Ok(Response::Triggered(started)) => started.map_or(Ok(()), |id| self.model.start_acknowledged(id, None)),
            Ok(other) => Err(format!("what was asked of a schedule was answered {other:?}")),
            // All that it was told is drawn so that it may be.
            Err(Refusal::Invalid(why)) if why.contains("never be due") => Ok(()),
            Err(
                refusal @ (Refusal::Invalid(_)
                | Refusal::Maintenance { .. }
                | Refusal::SettingsMoved { .. }
                | Refusal::NotActivated(_)
                | Refusal::InputRefused { .. }
                | Refusal::Forked(_)),
            ) => Err(format!("refused: {refusal}")),
            Err(
                Refusal::Missing(_)
                | Refusal::Denied(_)
                | Refusal::Stopped(_)
                | Refusal::KeyReused(_)
                | Refusal::BusinessKeyTaken(_)
                | Refusal::Illegal(_)
                | Refusal::Overlaps(_)
                | Refusal::Override(_)
                | Refusal::Schedule(_)
                | Refusal::Exists(_)
                | Refusal::NotFound(_)
                | Refusal::Limited { .. }
                | Refusal::TooManyRunning { .. }
                | Refusal::Unavailable(_)
                | Refusal::Unknown
                | Refusal::Stopping,
            ) => Ok(()),
        }
    }

    /// From seconds to days.
    fn far(&mut self) -> Duration {
        let by = match self.rng.below(4) {
            0 => self.rng.between(2, 55),
            1 => self.rng.between(61, 400),
            2 => self.rng.between(600, 3 * 3_600),
            _ => self.rng.between(3_600, 30 * 3_600),
        };
        Duration::from_secs(by)
    }

    /// The clock is set forward. Servers look at it at once; all else goes on as far apart as it was.
    pub(super) fn set_forward(&mut self, by: Duration) {
        self.trace(|_| format!("the clock is set forward by {by:?}"));
        self.now = self.now.plus(by);
        self.clients.calm_at = self.clients.calm_at.plus(by);
        let events = std::mem::take(&mut self.events).into_iter();
        self.events = events
            .map(|((at, number), event)| {
                let at = if matches!(event, Event::Poll(_)) { at.max(self.now) } else { at.plus(by) };
                ((at, number), event)
            })
            .collect();
    }

    /// In the end all that was due has been dealt with, and then nothing is due any more.
    pub(super) fn end_schedules(&mut self) -> Check {
        if self.now.since(self.clients.calm_at) < QUIET {
            return Ok(());
        }
        self.model.nothing_is_owed(Timestamp::from_micros(self.now.as_micros() - SLACK))?;
        for (of, name) in self.model.schedules.active() {
            let tenant = self.tenants.iter().position(|tenant| tenant.id == of).unwrap_or(0);
            let deletes = self.rng.permille(500);
            let ask = if deletes { ScheduleAsk::Delete } else { ScheduleAsk::Pause { note: String::new() } };
            self.ask_schedule(tenant, &name, ask)?;
        }
        Ok(())
    }
}
