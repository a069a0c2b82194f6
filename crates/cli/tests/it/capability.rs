//! Capability tokens from end to end: a server, a worker, a service that checks, and the command line.

use crate::open::{dev, saved};
use crate::support::{run, run_with, write};
use chancery_sdk::api::transaction::Status;
use chancery_sdk::capability::{
    Attenuation, Capability, CapabilityError, CapabilityVerifier, Demand, WorkerKey, worker_key,
};
use chancery_sdk::client::Language;
use chancery_sdk::{Client, ClientOptions, HandlerError, Name, Phase, Secret, Start, Task, Timestamp, Worker};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

const PAY: &str = "
name: pay
version: 1
steps:
  - id: charge
    run: {worker: pay.charge}
    with: {order: '${{ input.order }}'}
    timeout: 15m
    capability: {seconds: 900, purpose: 'order ${{ input.order }}', budget: '${{ input.amount }}'}
    compensate: {run: {worker: pay.refund}}
  - id: ship
    after: [charge]
    run: {worker: pay.ship}
    retry: {attempts: 1}
    irreversible: true
";

/// What the handlers were given.
#[derive(Debug, Default)]
struct Seen {
    tokens: Mutex<Vec<(Phase, Capability)>>,
    /// Lets the charge go on.
    go: Notify,
}

fn client(dir: &Path, url: &str) -> Client {
    Client::new(ClientOptions::new(url.to_owned(), Secret::new(saved(dir, "key")))).unwrap()
}

fn worker(client: &Client, seen: &Arc<Seen>) -> Worker {
    let keep = |seen: &Arc<Seen>, task: &Task| {
        let capability = task.capability().cloned();
        capability.map(|capability| seen.tokens.lock().unwrap().push((task.phase, capability)))
    };
    let (charged, refunded) = (Arc::clone(seen), Arc::clone(seen));
    Worker::new(client.clone(), "payer")
        .handle("pay.charge", move |task: Task| {
            let seen = Arc::clone(&charged);
            async move {
                keep(&seen, &task)?;
                seen.go.notified().await;
                Ok(json!("charged"))
            }
        })
        .handle("pay.refund", move |task: Task| {
            let kept = keep(&refunded, &task);
            async move { kept.map(|()| Value::Null) }
        })
        .handle("pay.ship", |task: Task| async move {
            assert_eq!(task.capability().unwrap_err().to_string().split(':').next(), Some("NoCapability"));
            Err::<Value, _>(HandlerError::refused("NoShip", "the ship has sunk"))
        })
}

async fn first(seen: &Seen, count: usize) -> Vec<(Phase, Capability)> {
    for _ in 0..2_000 {
        let tokens = seen.tokens.lock().unwrap().clone();
        if tokens.len() >= count {
            return tokens;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} tokens came", seen.tokens.lock().unwrap().len());
}

fn start() -> Start {
    Start::new("pay".parse::<Name>().unwrap(), json!({ "order": "17", "amount": 120 }))
}

fn charge(amount: u64) -> Demand {
    Demand { amount, ..Demand::new("run", "Step", "pay/charge") }
}

/// As a service: draws a challenge, and checks what the worker answers.
fn show(verifier: &CapabilityVerifier, capability: &Capability, demand: &Demand) -> Result<u64, CapabilityError> {
    let challenge = CapabilityVerifier::challenge().unwrap();
    let proof = capability.prove(&challenge).unwrap();
    let verified = verifier.verify(capability.token(), demand, &challenge, &proof)?;
    assert_eq!(verified.claims.purpose.as_deref(), Some("order 17"));
    Ok(verified.claims.budget.unwrap())
}

// The command line runs on a thread that the worker does without.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_shows_its_token_and_a_service_checks_it_without_the_server() {
    let (server, dir) = dev();
    let client = client(dir.path(), &server.url);
    client.definition_register(Language::Yaml, PAY).await.unwrap();
    let seen = Arc::new(Seen::default());
    let key = worker_key().unwrap();
    let mut workers = JoinSet::new();
    workers.spawn(worker(&client, &seen).capability_key(key).run(std::future::pending()));
    let id = client.start(&start()).await.unwrap().id;
    let charged = first(&seen, 1).await.remove(0).1;
    let verifier = CapabilityVerifier::of_server(&client).await.unwrap();
    assert_eq!(show(&verifier, &charged, &charge(120)), Ok(120));
    assert!(show(&verifier, &charged, &charge(121)).is_err());
    let narrow = charged.attenuate(&Attenuation { amount_max: Some(50), ..Attenuation::default() }).unwrap();
    assert_eq!(show(&verifier, &narrow, &charge(50)), Ok(120));
    assert!(show(&verifier, &narrow, &charge(51)).is_err());
    wrong_holders(&verifier, &charged);

    from_the_command_line(dir.path(), charged.token());
    seen.go.notify_one();
    let ended = client.wait(id).await.unwrap();
    assert_eq!(ended.status, Status::Compensated, "the ship has sunk: {ended:?}");
    let tokens = first(&seen, 2).await;
    let (phase, refunded) = &tokens[1];
    assert_eq!((*phase, tokens.len()), (Phase::Undo, 2));
    assert_ne!(refunded.token(), charged.token());
    assert_eq!(show(&verifier, refunded, &charge(120)), Ok(120), "the decision about the step covers its undo");
    workers.abort_all();
    assert_eq!(server.stop(), 0);
}

/// A token that somebody else shows, or that is shown too late.
fn wrong_holders(verifier: &CapabilityVerifier, capability: &Capability) {
    let challenge = CapabilityVerifier::challenge().unwrap();
    let thief: WorkerKey = worker_key().unwrap();
    let forged = thief.prove(capability.token(), &challenge).unwrap();
    let stolen = verifier.verify(capability.token(), &charge(1), &challenge, &forged);
    assert_eq!(stolen, Err(CapabilityError::Proof));
    let proof = capability.prove(&challenge).unwrap();
    let verified = verifier.verify(capability.token(), &charge(1), &challenge, &proof).unwrap();
    let late = verified.claims.expires_at;
    let expired = verifier.verify_at(capability.token(), &charge(1), &challenge, &proof, late);
    assert!(matches!(expired, Err(CapabilityError::Denied(_))), "{expired:?}");
    let before = Timestamp::from_micros(late.as_micros() - 1);
    assert!(verifier.verify_at(capability.token(), &charge(1), &challenge, &proof, before).is_ok());
    let strange = CapabilityVerifier::new(vec![thief.public()]);
    let strange = strange.verify(capability.token(), &charge(1), &challenge, &proof);
    assert_eq!(strange, Err(CapabilityError::Untrusted));
}

fn from_the_command_line(dir: &Path, token: &str) {
    let keys = run(dir, &["capability", "keys"]).succeeds().stdout;
    write(dir, "keys", &keys, 0o644);
    write(dir, "token", token, 0o600);
    let seen = run(dir, &["capability", "inspect", "token"]).succeeds().stdout;
    assert!(seen.contains("right(\"run\", \"Step\", \"pay/charge\")"), "{seen}");
    let verify = |token: &str, amount: &str| {
        let args = ["capability", "verify", "-", "--key", "keys", "--action", "run", "--resource", "Step::pay/charge"];
        run_with(dir, &[&args[..], &["--amount", amount, "--no-proof", "-o", "json"]].concat(), token.as_bytes())
    };
    let verified = verify(token, "120").succeeds().json();
    assert_eq!(
        (&verified["proven"], &verified["budget"], &verified["step"]),
        (&json!(false), &json!(120), &json!("charge"))
    );
    verify(token, "121").fails(1, &["the token does not verify: ", "$amount <= 120"]);
    let narrow = run(dir, &["capability", "attenuate", "token", "--amount", "5", "--expires", "5s"]).succeeds().stdout;
    verify(&narrow, "5").succeeds();
    verify(&narrow, "6").fails(1, &["$amount <= 5"]);
    let other = run(dir, &["capability", "attenuate", "token", "--action", "ship"]).succeeds().stdout;
    verify(&other, "1").fails(1, &["action(\"ship\")"]);
    run(dir, &["capability", "attenuate", "token"]).fails(2, &["say what is left"]);
    verify("nonsense", "1").fails(1, &["this is not a capability token"]);
    let args = ["capability", "verify", "token", "--key", "keys", "--action", "run", "--resource", "Step::pay/charge"];
    run(dir, &args).fails(2, &["--proof", "--no-proof"]);
}

// The command line runs on a thread that the worker does without.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_the_attempt_of_a_worker_that_still_works() {
    let (server, dir) = dev();
    let client = client(dir.path(), &server.url);
    client.definition_register(Language::Yaml, PAY).await.unwrap();
    let seen = Arc::new(Seen::default());
    let mut workers = JoinSet::new();
    workers.spawn(worker(&client, &seen).run(std::future::pending()));
    let id = client.start(&start()).await.unwrap().id;
    let charged = first(&seen, 1).await.remove(0).1;
    write(dir.path(), "token", charged.token(), 0o600);
    let keys = run(dir.path(), &["capability", "keys"]).succeeds().stdout;
    write(dir.path(), "keys", &keys, 0o644);
    let verify =
        ["capability", "verify", "token", "--key", "keys", "--action", "run", "--resource", "Step::pay/charge"];
    let capability = run(dir.path(), &[&verify[..], &["--no-proof", "-o", "json"]].concat()).succeeds().json();
    let capability = capability["id"].as_str().unwrap();
    let revoke = ["capability", "revoke", capability, "--justification", "the worker was stolen", "-o", "json"];
    assert_eq!(run(dir.path(), &revoke).succeeds().json()["id"], json!(capability));
    let ended = client.wait(id).await.unwrap();
    assert_eq!(ended.status, Status::Compensated, "{ended:?}");
    assert_eq!(first(&seen, 2).await[1].0, Phase::Undo, "it may have charged");
    run(dir.path(), &revoke).fails(5, &["is not out any more"]);
    workers.abort_all();
    assert_eq!(server.stop(), 0);
}
