//! Under which bundle something is decided, and what that bundle is told of the data that is used.
//!
//! A transaction in flight is decided under the bundle that it began under, under the active one, or under both, as its
//! definition says. A bundle in the shadow is asked beside whichever counts; its answer is recorded and nothing else.

use super::Control;
use super::decisions::Decisions;
use super::work::Work;
use crate::input::Observation;
use crate::over::Act;
use chancery_base::{Digest, Name};
use chancery_engine::definition::{Classes, PolicyInFlight};
use chancery_engine::{Failure, NodeRef, Transaction};
use chancery_policy::{Also, Bundle, Decision, Request};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// The bundles that are known, by digest; none: it can't be loaded.
pub(super) type Bundles = HashMap<Digest, Option<Arc<Bundle>>>;

/// The bundles that have a say, and which of them counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Under<'a> {
    policy: PolicyInFlight,
    pinned: Option<&'a Arc<Bundle>>,
    latest: Option<&'a Arc<Bundle>>,
}

/// What was decided, and under which bundle.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) bundle: Arc<Bundle>,
    pub(super) decision: Arc<Decision>,
    /// Only the active bundle denies: the one that the transaction began under would not have.
    pub(super) anew: bool,
}

impl Judgement {
    /// How a step fails that it denies.
    pub(super) const fn failure(&self) -> Failure {
        if self.anew { Failure::DeniedAnew } else { Failure::Denied }
    }
}

impl<'a> Under<'a> {
    /// What a transaction's definition says.
    pub(super) fn of(member: &Transaction, bundles: &'a Bundles, control: &'a Control) -> Self {
        Self {
            policy: member.definition().policy,
            pinned: bundles.get(&member.head().beginning.bundle).and_then(Option::as_ref),
            latest: control.bundle.as_ref(),
        }
    }
}

impl Decisions {
    /// Decides under the active bundle: what begins, and what somebody asks, who does nothing by it. `ask` makes of the
    /// question what a bundle's schema declares.
    pub(super) fn judge(
        &mut self,
        bundle: &Bundle,
        (control, act): (&Control, Option<&Act>),
        ask: impl Fn(&Bundle) -> Request,
        work: &mut Work,
    ) -> Arc<Decision> {
        let decision = self.say(bundle, ask(bundle), act, control, work);
        self.beside(decision, None, control, ask, work)
    }

    /// Decides for a transaction in flight. None: the bundle that counts can't be loaded.
    pub(super) fn judge_in_flight(
        &mut self,
        under: Under<'_>,
        (control, act): (&Control, Option<&Act>),
        ask: impl Fn(&Bundle) -> Request,
        work: &mut Work,
    ) -> Option<Judgement> {
        let mut say = |bundle: &Bundle| self.say(bundle, ask(bundle), act, control, work);
        let (bundle, decision, anew, beside) = match under.policy {
            PolicyInFlight::Pinned => (under.pinned?, say(under.pinned?), false, None),
            PolicyInFlight::Latest => {
                let latest = under.latest?;
                let decision = say(latest);
                let pinned = under.pinned.filter(|pinned| pinned.digest() != latest.digest());
                let anew = !decision.is_permit() && pinned.is_some_and(|pinned| say(pinned).is_permit());
                (latest, decision, anew, None)
            }
            PolicyInFlight::Both => {
                let (pinned, latest) = (under.pinned?, under.latest?);
                let first = say(pinned);
                if pinned.digest() == latest.digest() || !first.is_permit() {
                    (pinned, first, false, None)
                } else {
                    let decision = say(latest);
                    let anew = !decision.is_permit();
                    (latest, decision, anew, Some(first).filter(|_| !anew))
                }
            }
        };
        let decision = self.beside(decision, beside, control, ask, work);
        Some(Judgement { bundle: Arc::clone(bundle), decision, anew })
    }

    /// The decision with what is recorded beside it.
    fn beside(
        &mut self,
        decision: Arc<Decision>,
        pinned: Option<Arc<Decision>>,
        control: &Control,
        ask: impl Fn(&Bundle) -> Request,
        work: &mut Work,
    ) -> Arc<Decision> {
        let shadow = control.shadow.as_ref().filter(|shadow| shadow.digest() != decision.bundle);
        let shadow = shadow.map(|shadow| self.decide(shadow, &control.directory, ask(shadow)));
        if let Some(shadow) = &shadow {
            work.observe(Observation::Shadowed { agrees: shadow.outcome == decision.outcome });
        }
        match (pinned, shadow) {
            (None, None) => decision,
            (pinned, shadow) => Arc::new(decision.beside(Also { pinned, shadow })),
        }
    }
}

/// What policy is told of data, where the bundle's schema declares it. Classes that it can't see are put in all the
/// same, which denies: a permit has to cover each of them.
pub(super) fn add_data(
    (bundle, action): (&Bundle, &str),
    classes: &Classes,
    taint: impl FnOnce() -> Classes,
    purpose: Option<&Name>,
    context: &mut Map<String, Value>,
) {
    let declares = |name: &str| bundle.context_declares(action, name);
    if !classes.is_empty() || declares("classes") {
        let said = context.remove("classes");
        let more = said.iter().filter_map(Value::as_array).flatten().filter(|value| !is_in(classes, value)).cloned();
        let all = names(classes).chain(more).collect();
        context.insert("classes".to_owned(), Value::Array(all));
    }
    if declares("taint") {
        context.insert("taint".to_owned(), Value::Array(names(&taint()).collect()));
    }
    if let Some(purpose) = purpose.filter(|_| declares("purpose")) {
        context.insert("purpose".to_owned(), Value::from(purpose.as_str()));
    }
}

/// The same of a step.
pub(super) fn add_data_of_step(
    (bundle, action): (&Bundle, &str),
    (member, node): (&Transaction, NodeRef),
    context: &mut Map<String, Value>,
) {
    let none = Classes::new();
    let classes = member.step_of(node).map_or(&none, |step| &step.classes);
    add_data((bundle, action), classes, || &member.taint() | classes, member.purpose_of(node), context);
}

fn names(classes: &Classes) -> impl Iterator<Item = Value> + '_ {
    classes.iter().map(|class| Value::from(class.as_str()))
}

fn is_in(classes: &Classes, value: &Value) -> bool {
    value.as_str().is_some_and(|class| classes.iter().any(|known| known.as_str() == class))
}
