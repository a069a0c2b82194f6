//! Steps of which people are asked before they are permitted, and what policy has them keep within.

use super::*;
use chancery_base::RequestId;
use chancery_engine::{AccountId, AccountOf, Charge, Demand, Gate, Person, RequestFact, RequestStatus, Say, StepState};
use std::collections::BTreeSet;

const WHY: &str = "seen the invoice, and it is ours";

/// The input of the step that an event is the first of.
pub(super) fn input_of(event: &Event) -> Arc<Document> {
    if let Event::Permitted(permitted) = event {
        return Arc::clone(&permitted.input);
    }
    let Event::Requested(requested) = event else { panic!("{event:?}") };
    let RequestFact::Opened { input, .. } = &requested.fact else { panic!("{requested:?}") };
    Arc::clone(input)
}

impl Run {
    fn state(&self, id: &str) -> &StepState {
        self.transaction.state(self.transaction.find(id).unwrap()).unwrap()
    }

    /// Asks for a step as the shard does, policy demanding that one person approves it.
    fn gated(&mut self, driver: u32, id: &str) -> Result<Asked, Refusal> {
        let (intent, input) = (Arc::new(intent(id, true)), json!({ "of": id }));
        let asked = self.ask(driver, &intent, &input)?;
        let Asked::Attempt(node) = asked else { return Ok(asked) };
        let (demands, document) = ([Demand::approvals(1)], Document::shared(input.clone()));
        match self.transaction.gate(node, &demands, &document.digest()) {
            Gate::Open => {
                let outgoing = self.outgoing(input, None);
                self.cx(|t, cx| t.permit(node, &intent, outgoing, cx))?;
            }
            Gate::Shut(demand) => self.cx(|t, cx| t.ask_for_step(node, &intent, demand, document, cx))?,
            Gate::Waits(request) => panic!("{request} is open, and the driver was told to try"),
        }
        Ok(asked)
    }

    fn say(&mut self, id: &str, answer: Say) -> Result<(), Refusal> {
        let by = PrincipalId::draw(PrincipalKind::User, self.now, &mut self.entropy);
        let node = self.transaction.find(id).unwrap();
        let at: (_, RequestId) = (node, self.state(id).requests.last().unwrap().id);
        let person = Person { id: by, roles: &BTreeSet::new() };
        self.cx(|t, cx| t.answer_request(at, person, answer, WHY.to_owned(), cx))
    }
}

#[test]
fn people_are_asked_and_its_driver_asks_again() {
    let mut run = Run::new(FRAME);
    assert!(matches!(run.gated(1, "pay"), Ok(Asked::Attempt(_))));
    assert!(matches!(run.gated(1, "pay"), Ok(Asked::Waits(_))));
    assert_eq!((run.status_of("pay"), run.state("pay").attempts), (StepStatus::Waiting, 0));
    assert_eq!(run.events.len(), 2, "to ask again is no entry");
    refused(run.commit(1), "a step waits for people: `pay`");
    run.assert_replays();
    run.say("pay", Say::Approved).unwrap();
    refused(run.commit(1), "a step waits for people: `pay`");
    assert!(run.transaction.ready(run.now).is_empty(), "no worker gets what its driver does");
    run.assert_replays();
    assert!(matches!(run.gated(1, "pay"), Ok(Asked::Attempt(_))));
    assert_eq!((run.status_of("pay"), run.state("pay").attempts), (StepStatus::Dispatched, 1));
    // The answer is good for this step with this input, its retries included.
    assert!(run.answer("pay", Answer::Failed(StepError::new("Busy", "later"))));
    assert!(matches!(run.gated(1, "pay"), Ok(Asked::Attempt(_))));
    assert!(run.answer("pay", Answer::Completed(output("pay"))));
    run.commit(1).unwrap();
    assert_eq!(run.state("pay").requests.len(), 1);
    run.assert_replays();
}

#[test]
fn a_no_is_for_good_and_stops_nothing() {
    let mut run = Run::new(FRAME);
    run.gated(1, "pay").unwrap();
    run.say("pay", Say::Denied).unwrap();
    assert_eq!((run.status_of("pay"), run.transaction.status()), (StepStatus::Failed, Status::Running));
    let entries = run.events.len();
    assert!(matches!(run.gated(1, "pay"), Ok(Asked::Refused(_))));
    assert_eq!(run.events.len(), entries, "people are not asked until they say yes");
    let driver = run.resume();
    refused(run.commit(driver), "this driver has not asked for it: `pay`");
    assert!(matches!(run.gated(driver, "pay"), Ok(Asked::Refused(_))));
    run.done(driver, "cash");
    run.commit(driver).unwrap();
    assert_eq!(run.transaction.status(), Status::Completed);
    run.assert_replays();
}

#[test]
fn no_answer_in_time_is_a_no() {
    let mut run = Run::new(FRAME);
    run.gated(1, "pay").unwrap();
    run.wait(chancery_engine::sla_of(None));
    assert_eq!(run.state("pay").requests.last().unwrap().status, RequestStatus::Expired);
    assert!(matches!(run.gated(1, "pay"), Ok(Asked::Refused(_))));
    assert_eq!(run.transaction.lost_at(), Some(run.now.plus(GRACE)), "its grace begins when it can go on");
    run.wait(GRACE);
    assert_eq!(run.transaction.head().cause.as_ref().unwrap().kind, CauseKind::DriverLost);
    run.assert_replays();
}

#[test]
fn while_people_are_asked_its_driver_is_not_lost() {
    let mut run = Run::new(FRAME);
    run.gated(1, "pay").unwrap();
    run.wait(GRACE * 10);
    assert_eq!(run.transaction.status(), Status::Running);
    run.say("pay", Say::Approved).unwrap();
    assert_eq!(run.transaction.wake_at(), Some(run.now.plus(GRACE)));
    run.wait(GRACE);
    assert_eq!((run.transaction.shown(), run.status_of("pay")), (ShownStatus::Failed, StepStatus::Cancelled));
    run.assert_replays();
}

#[test]
fn an_abort_withdraws_what_is_asked() {
    let mut run = Run::new(FRAME);
    run.done(1, "hotel");
    run.gated(1, "pay").unwrap();
    run.cx(|t, cx| t.abort(1, "no".to_owned(), cx)).unwrap();
    let request = run.state("pay").requests.last().unwrap().status;
    assert_eq!((run.status_of("pay"), request), (StepStatus::Cancelled, RequestStatus::Withdrawn));
    assert_eq!(run.undo_all(), ["hotel"]);
    assert_eq!(run.transaction.status(), Status::Cancelled);
    run.assert_replays();
}

#[test]
fn another_driver_waits_for_the_same_answer() {
    let mut run = Run::new(FRAME);
    run.gated(1, "pay").unwrap();
    let driver = run.resume();
    assert!(matches!(run.gated(driver, "pay"), Ok(Asked::Waits(_))));
    run.say("pay", Say::Approved).unwrap();
    refused(run.gated(1, "pay"), "was superseded");
    assert!(matches!(run.gated(driver, "pay"), Ok(Asked::Attempt(_))));
    assert!(run.answer("pay", Answer::Completed(output("pay"))));
    run.commit(driver).unwrap();
    assert_eq!(run.state("pay").requests.len(), 1);
    run.assert_replays();
}

/// What was out with a driver that is gone is given back with the entry that takes its place, be it a permit or a
/// question to people.
#[test]
fn what_a_driver_left_gives_back_what_was_counted() {
    for asks in [false, true] {
        let mut run = Run::new(FRAME);
        let (intent, input) = (Arc::new(intent("pay", true)), json!({ "of": "pay" }));
        let Ok(Asked::Attempt(node)) = run.ask(1, &intent, &input) else { panic!("it may be tried") };
        let account = AccountId { holder: String::new(), of: AccountOf::Budget(name("refunds")) };
        let charge = Charge { account, amount: 7, cost: None, opened: Some(1), since: run.now, until: None };
        let conditions = Conditions { charges: vec![charge.clone()], ..Conditions::default() };
        let outgoing = run.outgoing(input, Some(conditions));
        run.cx(|t, cx| t.permit(node, &intent, outgoing, cx)).unwrap();
        let driver = run.resume();
        if asks {
            run.gated(driver, "pay").unwrap();
            let Event::Requested(requested) = &run.events.last().unwrap().event else { panic!("{:?}", run.events) };
            let RequestFact::Opened { opener: Some(opener), .. } = &requested.fact else { panic!("{requested:?}") };
            assert_eq!((&*opener.returned, opener.driver), (&[charge][..], driver));
        } else {
            run.step(driver, "pay").unwrap();
            let Event::Permitted(permitted) = &run.events.last().unwrap().event else { panic!("{:?}", run.events) };
            assert_eq!((&*permitted.returned, permitted.attempt), (&[charge][..], 2));
        }
        assert!(run.state("pay").unknown, "it may have taken effect");
        run.assert_replays();
    }
}
