//! Requests to people: steps that run one, and steps that are not handed out before people have said yes.

use super::plan::{RequestPlan, RunPlan};
use super::stand::Stage;
use super::told::resumed;
use super::{Due, Fact, Saga, WrongRule};
use crate::model::{Check, ensure};
use chancery_base::Timestamp;
use chancery_engine::{Failure, RequestFact, RequestTerms, Say, Status};
use serde_json::Value;
use std::time::Duration;

/// How long before it is due is said that it is.
const WARNED_BEFORE: Duration = Duration::from_secs(3_600);

/// The request of a step, as far as what happened says.
#[derive(Debug)]
struct Asked<'a> {
    input: &'a Value,
    /// Since when it is due then.
    since: Timestamp,
    until: Timestamp,
    yes: u64,
    is_seen: bool,
    is_warned: bool,
    over: Option<(Timestamp, End)>,
}

/// How a request is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Yes,
    No,
    Expired,
    Withdrawn,
}

impl Asked<'_> {
    fn take(&mut self, at: Timestamp, said: &RequestFact, most: u64, forgets_deferral: bool) {
        match said {
            RequestFact::Opened { .. } | RequestFact::Delegated { .. } => {}
            RequestFact::Acknowledged { .. } => self.is_seen = true,
            RequestFact::Answered { answer: Say::Approved, .. } => {
                self.yes += 1;
                self.over = (self.yes >= most).then_some((at, End::Yes));
            }
            RequestFact::Answered { answer: Say::Denied, .. } => self.over = Some((at, End::No)),
            RequestFact::Deferred { until, .. } => {
                if !forgets_deferral {
                    (self.since, self.until, self.is_warned) = (at, *until, false);
                }
            }
            RequestFact::DueSoon => self.is_warned = true,
            RequestFact::Expired => self.over = Some((at, End::Expired)),
            RequestFact::Withdrawn => self.over = Some((at, End::Withdrawn)),
        }
    }

    /// When it is said that it is due soon; never, where it was from the first.
    fn warns_at(&self) -> Option<Timestamp> {
        Some(self.until.minus(WARNED_BEFORE)).filter(|at| *at > self.since && !self.is_warned)
    }
}

impl Saga {
    /// What people are asked by a step, or before it is handed out.
    fn asks(&self, asked: usize) -> Option<RequestPlan> {
        let step = self.step(asked)?;
        if let RunPlan::Request(plan) = step.run { Some(plan) } else { step.approval }
    }

    fn runs_request(&self, asked: usize) -> bool {
        self.step(asked).is_some_and(|step| matches!(step.run, RunPlan::Request(_)))
    }

    /// Its last request, since a person had it tried again.
    fn request(&self, asked: usize) -> Option<Asked<'_>> {
        let most = self.asks(asked).map_or(0, |plan| plan.approvers);
        let most = if self.is_told(WrongRule::OneYesLess) { most.saturating_sub(1).max(1) } else { most };
        let mut found = None;
        for (index, (at, fact)) in self.facts.iter().enumerate() {
            if resumed(fact) == Some(asked) && self.goes_forward_at(index) {
                found = None;
            }
            let Fact::Requested { step, said } = fact else { continue };
            if *step != asked {
                continue;
            }
            if let RequestFact::Opened { terms, input, .. } = said {
                let (since, until, input) = (*at, terms.due_at, input.value());
                found = Some(Asked { input, since, until, yes: 0, is_seen: false, is_warned: false, over: None });
            } else if let Some(request) = &mut found {
                request.take(*at, said, most, self.is_told(WrongRule::ForgetDeferral));
            }
        }
        found
    }

    /// Of which steps requests are open.
    fn asking(&self) -> impl Iterator<Item = usize> {
        self.all().filter(|step| self.request(*step).is_some_and(|request| request.over.is_none()))
    }

    /// Whether no request is open, as where it ends.
    pub(super) fn asks_nobody(&self) -> Check {
        let asking: Vec<usize> = self.asking().collect();
        ensure(asking.is_empty(), || format!("requests of {asking:?} are open"))
    }

    /// What has to happen to requests before anything else does.
    pub(super) fn due_of_requests(&self) -> Option<Vec<Due>> {
        if let Some((step, failure)) = self.fails_asked() {
            return Some(vec![Due::FailAsked(step, failure)]);
        }
        let is_withdrawn = matches!(self.facts.last(), Some((_, Fact::Requested { said: RequestFact::Withdrawn, .. })));
        let ends = is_withdrawn && self.turn().is_none();
        // What goes backward asks nobody any more, nor does what is terminated.
        let left = || self.asking().map(Due::Withdraw).collect::<Vec<_>>();
        match self.turn() {
            Some(_) => Some(left()).filter(|left| !left.is_empty()),
            None if ends => Some(left()).filter(|left| !left.is_empty()).or(Some(vec![Due::End(Status::Terminated)])),
            None => None,
        }
    }

    /// The step that fails because of what was said last, and how.
    pub(super) fn fails_asked(&self) -> Option<(usize, Failure)> {
        let Some((_, Fact::Requested { step, said })) = self.facts.last() else { return None };
        match self.request(*step)?.over {
            Some((_, End::No)) => Some((*step, Failure::RequestDenied)),
            Some((_, End::Expired)) if *said == RequestFact::Expired => Some((*step, Failure::RequestExpired)),
            Some((_, End::Expired | End::Yes | End::Withdrawn)) | None => None,
        }
    }

    /// Where a step stands of which something happened to its request last.
    pub(super) fn stage_of_request(&self, asked: usize, lost: Stage) -> Stage {
        let Some(request) = self.request(asked).filter(|_| self.turn().is_none()) else { return lost };
        match request.over {
            None if self.is_told(WrongRule::AskForGood) => Stage::Waiting(None),
            None => Stage::Waiting(Some(request.warns_at().unwrap_or(request.until))),
            Some((_, End::No | End::Expired)) => Stage::Waiting(None),
            // It waits for a worker again, and for policy.
            Some((at, End::Yes)) => Stage::Backoff(self.not_before_resumed(at)),
            Some((_, End::Withdrawn)) => lost,
        }
    }

    /// Whether a step may be handed out with this input, as far as people are concerned: enough of them have said yes to
    /// that very input, of that very step, since it was last tried again by hand.
    pub(super) fn may_pass(&self, asked: usize, input: &Value) -> Check {
        if self.asks(asked).is_none() || self.is_told(WrongRule::AskNobody) {
            return Ok(());
        }
        let said = self.request(asked);
        let is_yes = said.is_some_and(|said| matches!(said.over, Some((_, End::Yes))) && said.input == input);
        let is_used = self.is_told(WrongRule::YesForOneAttempt) && self.was_tried_since_asked(asked);
        ensure(is_yes && !is_used, || "nobody said yes to it".to_owned())
    }

    fn was_tried_since_asked(&self, asked: usize) -> bool {
        let is_of_it = |fact: &&Fact| matches!(fact, Fact::Requested { step, .. } | Fact::HandedOut { step, .. } if *step == asked);
        let last = self.facts.iter().rev().map(|(_, fact)| fact).find(is_of_it);
        matches!(last, Some(Fact::HandedOut { .. }))
    }

    /// Whether this may happen to a request.
    pub(super) fn may_request(&self, at: Timestamp, step: usize, said: &RequestFact, is_due: bool) -> Check {
        let plan = self.asks(step).ok_or("it asks nobody")?;
        if let RequestFact::Opened { terms, input, .. } = said {
            return self.may_open((at, step), plan, terms, input.value(), is_due);
        }
        let found = self.request(step).filter(|found| found.over.is_none()).ok_or("nothing is asked")?;
        match said {
            RequestFact::Opened { .. } => Ok(()),
            RequestFact::Acknowledged { .. } => {
                self.may_say(at, &found)?;
                ensure(!found.is_seen, || "somebody has seen it before".to_owned())
            }
            RequestFact::Delegated { .. } => self.may_say(at, &found),
            RequestFact::Answered { answer, output, .. } => {
                self.may_say(at, &found)?;
                let is_last = *answer == Say::Approved && found.yes + 1 >= plan.approvers;
                let gives = is_last && self.runs_request(step);
                ensure(output.is_some() == gives, || format!("it is done by this: {gives}"))
            }
            RequestFact::Deferred { until, .. } => {
                self.may_say(at, &found)?;
                ensure(*until > at, || "it is put off until a time that is past".to_owned())
            }
            RequestFact::DueSoon => {
                let is_soon = found.warns_at().is_some_and(|warns| warns <= at) && at < found.until;
                self.is_time(step, at)?;
                ensure(is_soon, || format!("it is due at {}", found.until))
            }
            RequestFact::Expired => {
                self.is_time(step, at)?;
                ensure(found.until <= at, || format!("it is due at {}", found.until))
            }
            RequestFact::Withdrawn => Ok(()),
        }
    }

    /// Whether anybody may say anything to what is asked.
    fn may_say(&self, at: Timestamp, found: &Asked<'_>) -> Check {
        self.goes_forward()?;
        let stands = self.parked().is_some();
        ensure(!stands && at < found.until, || format!("it was due at {}, parked: {stands}", found.until))
    }

    fn may_open(
        &self,
        (at, step): (Timestamp, usize),
        plan: RequestPlan,
        terms: &RequestTerms,
        input: &Value,
        is_due: bool,
    ) -> Check {
        if self.runs_request(step) {
            ensure(is_due, || "it is not its turn to ask".to_owned())?;
        } else {
            self.waits(step, at)?;
            ensure(self.has_input(step), || "its input can't be known".to_owned())?;
            self.takes(step, input)?;
            self.takes_setting(step, input)?;
            let passes = self.may_pass(step, input).is_ok();
            ensure(!passes, || "nobody has to be asked".to_owned())?;
        }
        let until = at.plus(Duration::from_millis(plan.lasts));
        ensure(terms.due_at == until, || format!("it is due at {until}"))?;
        let is_it = u64::from(terms.approvers) == plan.approvers && terms.role.is_some() == plan.has_role;
        ensure(is_it, || format!("other people are to be asked: {terms:?}"))
    }
}
