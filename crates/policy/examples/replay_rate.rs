//! How many decisions a second are taken again: `cargo run --release -p chancery-policy --example replay_rate`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use chancery_base::{Entropy, PrincipalId, PrincipalKind, Timestamp, json};
use chancery_policy::replay::Tally;
use chancery_policy::{Bundle, Directory, EntityRef, Principal, Request, ResourceRef, decide};
use serde_json::{Map, Value, json};
use std::time::Instant;

const DECISIONS: usize = 200_000;

const SCHEMA: &str = "
entity Role; entity User in [Role] = { name: String }; entity Service in [Role] = { name: String };
entity Agent in [Role] = { name: String, limit?: Long };
entity Definition; entity Step in [Definition];
action run appliesTo { principal: [User, Service, Agent], resource: [Step], context: {} };
action charge appliesTo { principal: [Service, Agent], resource: [Step], context: { amount: Long } };";

fn bundle(version: u32, limit: u32) -> Bundle {
    let policies = format!(
        "@id(\"agents\") permit (principal in Role::\"agent\", action, resource in Definition::\"create-order\");
         @id(\"limit\") forbid (principal is Agent, action == Action::\"charge\", resource)
         unless {{ principal has limit && context.amount <= principal.limit && context.amount <= {limit} }};"
    );
    let document = json!({ "name": "shop", "version": version, "schema": SCHEMA, "policies": policies });
    Bundle::parse(&json::canonical(&document)).unwrap()
}

fn main() {
    let (old, new) = (bundle(1, 5_000), bundle(2, 2_500));
    let id = PrincipalId::draw(PrincipalKind::Agent, Timestamp::EPOCH, &mut Entropy::from_seed([1; 32]));
    let mut agent = Principal::new(id, "buyer").with_roles(["agent".parse().unwrap()]);
    agent.attributes.insert("limit".to_owned(), Value::from(5_000));
    let directory = Directory::new([agent]).unwrap();
    let payloads: Vec<Value> = (0..1_000)
        .map(|amount| {
            let mut resource = ResourceRef::new("Step", "create-order/charge");
            resource.parents.push(EntityRef::new("Definition", "create-order"));
            let context = Map::from_iter([("amount".to_owned(), Value::from(amount * 5))]);
            let request =
                Request { principal: id.into(), action: "charge".to_owned(), resource, context, irreversible: false };
            serde_json::from_str(decide(&old, &directory, &request).payload()).unwrap()
        })
        .collect();
    for (what, bundle) in [("its own bundle", &old), ("another bundle", &new)] {
        let (mut tally, began) = (Tally::default(), Instant::now());
        for payload in payloads.iter().cycle().take(DECISIONS) {
            let flip = tally.take(bundle, Some(payload));
            flip.inspect(|flip| tally.flipped(flip));
        }
        let seconds = began.elapsed().as_secs_f64();
        let rate = DECISIONS as f64 / seconds;
        println!(
            "under {what}: {rate:.0} decisions/s on one thread, {} flips",
            tally.flips.denied + tally.flips.permitted
        );
    }
}
