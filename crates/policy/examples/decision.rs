//! Times a decision: `cargo run --release -p chancery-policy --example decision`.
#![expect(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, run by hand")]

use chancery_base::{Entropy, PrincipalId, PrincipalKind, Timestamp, json};
use chancery_policy::{Bundle, Directory, EntityRef, Principal, Request, ResourceRef, decide};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

const ACTIONS: usize = 50;

fn bundle(policies: usize) -> Bundle {
    let names: Vec<String> = (0..ACTIONS).map(|n| format!("\"act-{n}\"")).collect();
    let schema = format!(
        "entity Role; entity Definition;
         entity Agent in [Role] = {{ name: String, roles: Set<String>, limit?: Long }};
         entity User in [Role] = {{ name: String, roles: Set<String>, limit?: Long }};
         entity Step in [Definition] = {{ @asserted amount?: Long, @asserted currency?: String }};
         action {} appliesTo {{ principal: [User, Agent], resource: [Step, Definition],
                               context: {{ attempt: Long, amount?: Long }} }};",
        names.join(", ")
    );
    let mut text = String::new();
    for n in 0..policies {
        let (action, effect) = (n % ACTIONS, if n % 10 == 9 { "forbid" } else { "permit" });
        writeln!(
            text,
            "@id(\"p{n}\") @reason(\"reason {n}\") {effect} (principal in Role::\"role-{}\", action == Action::\"act-{action}\", \
             resource in Definition::\"create-order\") when {{ context.attempt < {} && principal has limit && \
             context has amount && context.amount <= principal.limit }};",
            n % 7,
            if effect == "forbid" { 0 } else { 9 }
        )
        .unwrap();
    }
    let document = json!({ "name": "bench", "version": 1, "schema": schema, "policies": text });
    Bundle::parse(&json::canonical(&document)).unwrap()
}

fn main() {
    let id = PrincipalId::draw(PrincipalKind::Agent, Timestamp::EPOCH, &mut Entropy::from_seed([1; 32]));
    let mut agent = Principal::new(id, "buyer").with_roles((0..2).map(|n| format!("role-{n}").parse().unwrap()));
    agent.attributes.insert("limit".to_owned(), Value::from(100_000));
    let directory = Directory::new([agent]).unwrap();
    let mut resource = ResourceRef::new("Step", "create-order/charge");
    resource.attributes.insert("amount".to_owned(), Value::from(1999));
    resource.parents.push(EntityRef::new("Definition", "create-order"));
    let context: Map<String, Value> = json!({ "attempt": 1, "amount": 1999 }).as_object().cloned().unwrap();
    for policies in [1, 100, 1_000, 10_000] {
        let begin = Instant::now();
        let bundle = bundle(policies);
        let load = begin.elapsed();
        let request = Request {
            principal: id.into(),
            action: "act-0".to_owned(),
            resource: resource.clone(),
            context: context.clone(),
            irreversible: false,
        };
        let outcome = decide(&bundle, &directory, &request).outcome;
        let mut times: Vec<f64> = (0..2_000)
            .map(|_| {
                let begin = Instant::now();
                black_box(decide(black_box(&bundle), &directory, black_box(&request)));
                begin.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let payload = decide(&bundle, &directory, &request).payload().len();
        let (p50, p99) = (times.get(1_000).unwrap(), times.get(1_980).unwrap());
        println!(
            "{policies} policies: load {load:?}, {outcome:?} p50 {p50:.1} µs, p99 {p99:.1} µs, payload {payload} bytes"
        );
    }
}
