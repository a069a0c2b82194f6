//! Whoever watches what shards commit: counts it, has an owner die at one, and has each judged.

use chancery_base::TransactionId;
use chancery_shard::input::*;
use chancery_shard::token::AttemptRef;
use chancery_shard::{Call, Reply};
use chancery_sim::Judge;
use chancery_store::SimStore;
use std::cell::{Cell, RefCell};

/// How an owner dies at a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// Before it: nothing of it is there.
    Before,
    /// After it, but what was answered arrives where it matters: see [`Watch::hears`].
    After,
    /// After it, and nobody is answered anything.
    Unheard,
}

impl Death {
    pub(crate) const ALL: [Self; 3] = [Self::Before, Self::After, Self::Unheard];
}

#[derive(Debug, Default)]
pub(crate) struct Watch {
    commits: Cell<usize>,
    dies: Cell<Option<(usize, Death)>>,
    stands: Cell<Stands>,
    hears: Cell<bool>,
    judge: RefCell<Option<Judge>>,
    violation: RefCell<Option<String>>,
}

/// Where the owner stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stands {
    #[default]
    Lives,
    /// It dies when it has answered.
    Dying,
    /// It does nothing any more.
    Dead,
}

impl Watch {
    /// From here on commits are counted, from 0, and judged.
    pub(crate) fn begin(&self, store: &SimStore, dies: Option<(usize, Death)>, judge: Judge) {
        self.judge.replace(Some(judge));
        self.look(store);
        self.commits.set(0);
        self.dies.set(dies);
    }

    pub(crate) fn commits(&self) -> usize {
        self.commits.get()
    }

    /// What did not hold, if something did not.
    pub(crate) fn violation(&self) -> Option<String> {
        self.violation.borrow().clone()
    }

    /// Whether the answers of what is done now arrive though the owner dies after its commit.
    pub(crate) fn hears(&self, hears: bool) {
        self.hears.set(hears);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.stands.get() == Stands::Dead
    }

    /// Whether the owner died; from here on there is another one.
    pub(crate) fn take_death(&self) -> bool {
        self.stands.take() != Stands::Lives
    }

    /// Carries out a call of a shard; none: its owner died at it.
    pub(crate) fn carry_out(&self, store: &SimStore, call: Call) -> Option<Reply> {
        if !matches!(call, Call::Commit(_)) {
            return Some(store.answer(call, "test"));
        }
        let at = self.commits.replace(self.commits.get() + 1);
        let death = self.dies.get().filter(|(of, _)| *of == at).map(|(_, death)| death);
        let reply = (death != Some(Death::Before)).then(|| store.answer(call, "test"));
        self.look(store);
        match death {
            None => {}
            Some(Death::After) if self.hears.get() => self.stands.set(Stands::Dying),
            Some(Death::Before | Death::After | Death::Unheard) => self.stands.set(Stands::Dead),
        }
        reply.filter(|_| !self.is_dead())
    }

    /// Nobody answered: that is so where the owner died.
    #[track_caller]
    pub(crate) fn no_answer(&self) -> Refusal {
        assert!(self.is_dead(), "no answer");
        Refusal::Unknown
    }

    pub(crate) fn took(&self, task: &Task) {
        self.judged(|judge| judge.took(task));
    }

    pub(crate) fn permitted(&self, id: TransactionId, permit: &Permit) {
        self.judged(|judge| judge.permitted(id, permit));
    }

    pub(crate) fn said(&self, attempt: AttemptRef, outcome: &ReportedOutcome) {
        self.judged(|judge| {
            judge.said(attempt, outcome);
            Ok(())
        });
    }

    fn look(&self, store: &SimStore) {
        self.judged(|judge| judge.look(store));
    }

    /// What did not hold first stays.
    fn judged(&self, ask: impl FnOnce(&mut Judge) -> Result<(), String>) {
        if self.violation.borrow().is_some() {
            return;
        }
        let said = self.judge.borrow_mut().as_mut().map_or(Ok(()), ask);
        self.violation.replace(said.err());
    }
}
