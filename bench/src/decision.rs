//! How long one decision takes in a large bundle: its policies spread over as many actions, or all about one.

use crate::harness::{Error, Times};
use crate::inprocess::now;
use chancery_base::{Entropy, PrincipalId, PrincipalKind, Timestamp, json};
use chancery_policy::{Bundle, Directory, Principal, Request, ResourceRef, decide};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// The workload's name.
pub(crate) const DECISION: &str = "decision";
/// The sizes of bundle that are measured.
pub(crate) const SIZES: [usize; 2] = [100, 1_000];

/// Decisions that are timed at least.
const DECISIONS_MIN: usize = 1_000;

/// How a bundle's policies lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Each about another action: one applies to a request.
    Spread,
    /// All about the action of the request.
    OneSlice,
}

impl Layout {
    pub(crate) const ALL: [Self; 2] = [Self::Spread, Self::OneSlice];

    const fn word(self) -> &'static str {
        match self {
            Self::Spread => "spread over actions",
            Self::OneSlice => "all in one slice",
        }
    }
}

/// Times decisions, and gives the figures.
pub(crate) fn measure(policies: usize, layout: Layout, time: Duration) -> Result<Value, Error> {
    let failed = |err: &dyn std::fmt::Display| Error::Failed(format!("the decisions' bundle: {err}"));
    let bundle = Bundle::parse(&json::canonical(&document(policies, layout))).map_err(|err| failed(&err))?;
    let user = PrincipalId::draw(PrincipalKind::User, Timestamp::EPOCH, &mut Entropy::from_seed([1; 32]));
    let directory = Directory::new([Principal::new(user, "somebody")]).map_err(|err| failed(&err))?;
    let mut context = Map::new();
    context.insert("amount".to_owned(), json!(0));
    let request = Request {
        principal: user.into(),
        action: "act0".to_owned(),
        resource: ResourceRef::new("Step", "order/charge"),
        context,
        irreversible: false,
    };
    let (began, mut times) = (now(), Times::default());
    while times.len() < DECISIONS_MIN || began.elapsed() < time {
        let one = now();
        let decision = decide(&bundle, &directory, &request);
        times.add_nanos(one.elapsed());
        if !decision.is_permit() {
            return Err(Error::Failed("a decision that should permit denies".to_owned()));
        }
    }
    Ok(json!({
        "name": DECISION, "policies": policies, "layout": layout.word(), "decisions": times.len(),
        "p50_ns": times.percentile(50), "p99_ns": times.percentile(99),
    }))
}

fn document(policies: usize, layout: Layout) -> Value {
    let mut schema = "entity User = { name: String };\nentity Step;\n".to_owned();
    let mut text = String::new();
    for index in 0..policies {
        let action = match layout {
            Layout::Spread => index,
            Layout::OneSlice => 0,
        };
        let mut written = Ok(());
        if action == index {
            written = writeln!(
                schema,
                "action act{action} appliesTo {{ principal: [User], resource: [Step], context: {{ amount: Long }} }};"
            );
        }
        let written = written.and(writeln!(
            text,
            "@id(\"p{index}\")\npermit (principal, action == Action::\"act{action}\", resource) \
             when {{ context.amount == {index} && principal.name != \"nobody\" }};"
        ));
        debug_assert!(written.is_ok());
    }
    json!({ "name": "bench", "version": 1, "schema": schema, "policies": { "bench.cedar": text } })
}
