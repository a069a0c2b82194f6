//! The places that `concurrency` leaves, and how long those that may have one wait for a worker.

use super::stand::Stage;
use super::{Fact, Saga, WrongRule};
use chancery_base::Timestamp;
use chancery_engine::Phase;
use std::collections::BTreeMap;
use std::time::Duration;

impl Saga {
    /// How many attempts may be out at a time.
    pub(super) fn places(&self) -> usize {
        let most = self.plan.concurrency.unwrap_or(8);
        let most = if self.is_told(WrongRule::LessConcurrency) { most.saturating_sub(1).max(1) } else { most };
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// How many clones of its step may be out at a time, if the step says.
    pub(super) fn window(&self, asked: usize) -> Option<usize> {
        let most = self.step(asked)?.window?;
        let most = if self.is_told(WrongRule::LessWindow) { most.saturating_sub(1).max(1) } else { most };
        usize::try_from(most).ok()
    }

    /// How many clones of a step are out.
    pub(super) fn clones_out(&self, step: usize) -> usize {
        let clones = self.clones(step).unwrap_or_default();
        clones.into_iter().filter(|clone| self.is_at_work(*clone)).count()
    }

    pub(super) fn is_at_work(&self, unit: usize) -> bool {
        matches!(self.stage(unit), Stage::Out(_) | Stage::Child)
    }

    fn at_work(&self) -> usize {
        self.all().filter(|unit| self.is_at_work(*unit)).count()
    }

    /// Where there is no place: for all, and for the clones of a step.
    pub(super) fn full(&self) -> Vec<Option<usize>> {
        if self.turn().is_some() {
            return Vec::new();
        }
        let is_full = self.units.len() >= self.places() && self.at_work() >= self.places();
        let mut full = Vec::from_iter(is_full.then_some(None));
        let with_window = (0..self.plan.steps.len()).filter_map(|step| Some((step, self.window(step)?)));
        full.extend(with_window.filter(|(step, most)| self.clones_out(*step) >= *most).map(|(step, _)| Some(step)));
        full
    }

    /// Notes where something happened that made a place.
    pub(super) fn note_room(&mut self, were_full: &[Option<usize>], at: Timestamp) {
        if were_full.is_empty() {
            return;
        }
        let are_full = self.full();
        let freed = were_full.iter().filter(|window| !are_full.contains(window));
        self.room_since.extend(freed.map(|window| (*window, at)));
    }

    /// When the last of the clones began that a unit is one of.
    fn moved_at(&self, unit: usize) -> Option<Timestamp> {
        let (step, is_clone) = (self.step_of(unit), self.place(unit).is_some_and(|(_, clone)| clone > 0));
        let clones = self.clones(step).filter(|_| is_clone)?;
        let began = |fact: &Fact| {
            let is_out =
                matches!(fact, Fact::HandedOut { step, phase: Phase::Do, attempt: 1, .. } if clones.contains(step));
            is_out || matches!(fact, Fact::ChildBegan { step, attempt: 1, .. } if clones.contains(step))
        };
        self.facts.iter().rev().find(|(_, fact)| began(fact)).map(|(at, _)| *at)
    }

    /// Those that a worker may take next, and until when each waits for one.
    pub(super) fn queue_ends(&self) -> Vec<(usize, Timestamp)> {
        if !self.moves() || self.turn().is_some() || self.parked().is_some() {
            return Vec::new();
        }
        let mut waiting = Vec::new();
        for unit in self.all().filter(|unit| !self.is_whole(*unit) && !self.is_inline(*unit, Phase::Do)) {
            if let Stage::Ready(since) | Stage::Backoff(since) = self.stage(unit) {
                waiting.push((since, self.place(unit), unit));
            }
        }
        waiting.sort_unstable();
        let mut room = self.places().saturating_sub(self.at_work());
        let (mut taken, mut ends) = (BTreeMap::<usize, usize>::new(), Vec::new());
        for (since, _, unit) in waiting {
            let step = self.step_of(unit);
            let taken = taken.entry(step).or_insert_with(|| self.clones_out(step));
            if room == 0 || self.window(unit).is_some_and(|most| *taken >= most) {
                continue;
            }
            (room, *taken) = (room - 1, *taken + 1);
            if !self.runs_child(unit) {
                let rooms = [None, self.window(unit).map(|_| step)];
                let is_told = self.is_told(WrongRule::WaitForPlace);
                let rooms = rooms.iter().filter_map(|window| self.room_since.get(window)).filter(|_| !is_told);
                let moved = self.moved_at(unit).filter(|_| !is_told);
                let rooms = rooms.chain(moved.as_ref());
                let timeout = self.step(unit).map_or(0, |step| step.queue_timeout);
                ends.push((unit, rooms.fold(since, |since, at| since.max(*at)).plus(Duration::from_secs(timeout))));
            }
        }
        ends
    }
}
