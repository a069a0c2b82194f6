//! Stops over the API: each cell of what they do, by what they are on.

use crate::house::House;
use crate::http::{Answer, Call};
use serde_json::{Value, json};

const DEFINITION: &str = "
name: booking
version: 1
steps:
  - id: first
    run: {worker: book}
    compensate: {run: {worker: unbook}}
  - id: second
    after: [first]
    run: {worker: pay}
    retry: {attempts: 2, backoff: 0ms}
";

/// A house with a shop that starts, a worker that works, and an operator who stops.
struct Stage {
    house: House,
    shop: String,
    shop_id: String,
    worker: String,
    operator: String,
}

impl Stage {
    async fn new() -> Self {
        let house = House::new().await;
        house.shop().await;
        let call = Call::new("POST", "/v1/definitions").key(&house.owner);
        assert_eq!(call.body("application/yaml", DEFINITION.as_bytes()).send(house.addr).await.status, 201);
        let (shop_id, shop) = house.principal("shop", &["service"]).await;
        let (_, worker) = house.principal("worker", &["service"]).await;
        let (_, operator) = house.principal("op", &["operator"]).await;
        Self { house, shop, shop_id, worker, operator }
    }

    async fn start(&self) -> Answer {
        self.house.post("/v1/transactions", &self.shop, &json!({ "definition": "booking" })).await
    }

    async fn started(&self) -> String {
        let answer = self.start().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// The tasks that one worker gets at once, as one that nobody has seen before.
    async fn take(&self, instance: &str) -> Vec<Value> {
        let queues: Vec<Value> = ["book", "pay", "unbook"].map(|name| json!({ "name": name, "want": 5 })).into();
        let answer = self.house.exchange(&self.worker, json!({ "worker": instance, "queues": queues })).await;
        answer["tasks"].as_array().unwrap().clone()
    }

    async fn take_one(&self, instance: &str, step: &str) -> Value {
        let tasks = self.take(instance).await;
        assert_eq!(tasks.iter().map(|task| task["step"].clone()).collect::<Vec<_>>(), [json!(step)]);
        tasks[0]["task"].clone()
    }

    async fn done(&self, task: &Value) {
        let answer =
            self.house.exchange(&self.worker, json!({ "worker": "w", "done": [{ "task": task, "output": 1 }] })).await;
        assert_eq!(answer["acks"][0]["ack"], json!("recorded"), "{answer}");
    }

    async fn cancelled(&self, instance: &str, task: &Value) -> Value {
        self.house.exchange(&self.worker, json!({ "worker": instance, "holding": [task] })).await["cancelled"].clone()
    }

    async fn stop(&self, on: &str, name: Option<&str>) -> String {
        let mut body = json!({ "on": on, "justification": "a runaway agent" });
        if let Some(name) = name {
            body["name"] = json!(name);
        }
        let answer = self.house.post("/v1/stops", &self.operator, &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Stops what the shop's bookings need, by this sort of thing.
    async fn stop_by(&self, on: &str) -> String {
        let name = match on {
            "tenant" => None,
            "principal" => Some(self.shop_id.as_str()),
            "action" => Some("run"),
            _ => Some("booking"),
        };
        self.stop(on, name).await
    }

    async fn lift(&self, id: &str) -> Answer {
        let body = json!({ "justification": "it was replaced" });
        self.house.post(&format!("/v1/stops/{id}/lift"), &self.operator, &body).await
    }

    /// The transaction, once it settled.
    async fn result(&self, id: &str) -> Value {
        self.house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &self.house.owner).await.json()
    }

    async fn kinds(&self, id: &str) -> Vec<String> {
        let history = self.house.get(&format!("/v1/transactions/{id}/history"), &self.house.owner).await.json();
        let kind = |entry: &Value| {
            let record: Value = serde_json::from_str(entry["record"].as_str().unwrap()).unwrap();
            record["kind"].as_str().unwrap().to_owned()
        };
        history["items"].as_array().unwrap().iter().map(kind).collect()
    }

    /// The payload of the entry that denied something of a transaction.
    async fn denial(&self, id: &str) -> Value {
        let history = self.house.get(&format!("/v1/transactions/{id}/history"), &self.house.owner).await.json();
        let denies = |entry: &&Value| entry["record"].as_str().unwrap().contains("\"kind\":\"decision.denied\"");
        history["items"].as_array().unwrap().iter().find(denies).expect("a denial")["payload"].clone()
    }
}

async fn start_is_refused(on: &str) {
    let stage = Stage::new().await;
    // That of starts has an action of its own.
    let stop = if on == "action" { stage.stop("action", Some("start")).await } else { stage.stop_by(on).await };
    let size = stage.house.log_size().await;
    let refused = stage.start().await;
    assert_eq!(refused.slug(), "403 stopped");
    let problem = refused.problem();
    assert_eq!(problem.reasons[0].policy.as_deref(), Some(stop.as_str()), "it names the stop");
    assert!(problem.detail.contains("a runaway agent"), "{}", problem.detail);
    assert_eq!(stage.house.log_size().await, size + 1, "that it was refused is an entry");
    assert_eq!(stage.lift(&stop).await.status, 200);
    stage.started().await;
}

async fn next_step_is_denied(on: &str) {
    let stage = Stage::new().await;
    let id = stage.started().await;
    let first = stage.take_one("w", "first").await;
    let stop = stage.stop_by(on).await;
    stage.done(&first).await;
    let denial = stage.denial(&id).await;
    assert_eq!(denial["decision"]["reasons"][0]["policy"], json!(stop), "{denial}");
    assert_eq!(denial["decision"]["outcome"], json!("deny"));
    let undo = stage.take_one("w2", "first").await;
    stage.done(&undo).await;
    let result = stage.result(&id).await;
    assert_eq!((&result["status"], &result["cause"]["kind"]), (&json!("compensated"), &json!("step_denied")));
}

async fn what_is_queued_is_denied(on: &str) {
    let stage = Stage::new().await;
    let id = stage.started().await;
    let stop = stage.stop_by(on).await;
    // No worker ever asked for it.
    let result = stage.result(&id).await;
    assert_eq!(result["status"], json!("failed"), "{result}");
    assert_eq!(stage.kinds(&id).await[1..3], ["decision.denied", "step.failed"]);
    let denial = stage.denial(&id).await;
    assert_eq!(denial["decision"]["reasons"][0]["policy"], json!(stop));
    assert!(denial["decision"]["reasons"][0]["text"].as_str().unwrap().ends_with("a runaway agent"), "{denial}");
    assert!(stage.take("w").await.is_empty());
}

async fn who_runs_it_is_told(on: &str, name: Option<&str>) {
    let stage = Stage::new().await;
    stage.started().await;
    let first = stage.take_one("w", "first").await;
    assert_eq!(stage.cancelled("w", &first).await, json!([]));
    match name {
        Some(name) => stage.stop(on, Some(name)).await,
        None => stage.stop_by(on).await,
    };
    assert_eq!(stage.cancelled("w", &first).await, json!([first]));
}

async fn compensation_goes_on(on: &str) {
    let stage = Stage::new().await;
    let id = stage.started().await;
    let first = stage.take_one("w", "first").await;
    stage.done(&first).await;
    let cancel = Call::new("POST", format!("/v1/transactions/{id}/cancel")).key(&stage.operator).json(&json!({}));
    assert_eq!(cancel.send(stage.house.addr).await.status, 200);
    stage.stop_by(on).await;
    let undo = stage.take_one("w2", "first").await;
    assert_eq!(stage.cancelled("w2", &undo).await, json!([]), "it is wanted");
    stage.done(&undo).await;
    assert_eq!(stage.result(&id).await["status"], json!("cancelled"));
}

async fn reading_and_lifting_are_allowed(on: &str, name: Option<&str>) {
    let stage = Stage::new().await;
    let id = stage.started().await;
    let stop = match name {
        Some(name) => stage.stop(on, Some(name)).await,
        None => stage.stop_by(on).await,
    };
    let read = stage.house.get(&format!("/v1/transactions/{id}"), &stage.shop).await;
    assert_eq!(read.status, 200, "{}", read.text());
    let shown = stage.house.get(&format!("/v1/stops/{stop}"), &stage.operator).await.json();
    assert_eq!((&shown["on"], &shown["justification"]), (&json!(on), &json!("a runaway agent")));
    let listed = stage.house.get("/v1/stops", &stage.operator).await.json();
    assert_eq!(listed["items"], json!([shown]));
    assert_eq!(stage.lift(&stop).await.json(), shown, "as it was");
    assert_eq!(stage.lift(&stop).await.slug(), "404 not-found");
    assert_eq!(stage.house.get(&format!("/v1/stops/{stop}"), &stage.operator).await.slug(), "404 not-found");
    assert_eq!(stage.start().await.status, 201);
}

/// The row of the table for what denies, a module a sort.
macro_rules! denies {
    ($($on:ident)*) => {
        $(mod $on {
            const ON: &str = stringify!($on);

            #[tokio::test]
            async fn a_start_is_refused() {
                super::start_is_refused(ON).await;
            }

            #[tokio::test]
            async fn the_next_step_is_denied() {
                super::next_step_is_denied(ON).await;
            }

            #[tokio::test]
            async fn what_is_queued_is_denied() {
                super::what_is_queued_is_denied(ON).await;
            }

            #[tokio::test]
            async fn who_runs_it_is_told() {
                super::who_runs_it_is_told(ON, None).await;
            }

            #[tokio::test]
            async fn a_compensation_goes_on() {
                super::compensation_goes_on(ON).await;
            }

            #[tokio::test]
            async fn reading_and_lifting_are_allowed() {
                super::reading_and_lifting_are_allowed(ON, None).await;
            }
        })*
    };
}

denies! { tenant principal action definition }

/// The row of the table for targets.
mod target {
    use super::*;

    #[tokio::test]
    async fn a_start_is_allowed() {
        let stage = Stage::new().await;
        stage.stop("target", Some("worker:book")).await;
        stage.started().await;
    }

    #[tokio::test]
    async fn the_next_step_waits() {
        let stage = Stage::new().await;
        let id = stage.started().await;
        let first = stage.take_one("w", "first").await;
        let stop = stage.stop("target", Some("worker:pay")).await;
        stage.done(&first).await;
        assert!(stage.take("w2").await.is_empty());
        let queue = stage.house.get("/v1/queues/pay", &stage.operator).await.json();
        assert_eq!((&queue["held_by"], &queue["waiting"]), (&json!("stopped"), &json!(1)), "{queue}");
        let target = stage.house.get("/v1/targets/worker:pay", &stage.operator).await.json();
        assert_eq!(target["health"], json!("stopped"));
        assert_eq!(stage.lift(&stop).await.status, 200);
        let second = stage.take_one("w3", "second").await;
        stage.done(&second).await;
        assert_eq!(stage.result(&id).await["status"], json!("completed"));
    }

    #[tokio::test]
    async fn what_is_queued_waits_and_goes_out_as_soon_as_the_stop_is_lifted() {
        let stage = Stage::new().await;
        stage.started().await;
        let stop = stage.stop("target", Some("worker:book")).await;
        let queues = json!([{ "name": "book", "want": 1 }]);
        let held = stage.house.exchange(&stage.worker, json!({ "worker": "w", "queues": queues, "wait": "20s" }));
        let lifted = async {
            tokio::task::yield_now().await;
            stage.lift(&stop).await.status
        };
        let (answer, status) = tokio::join!(held, lifted);
        assert_eq!((status, answer["tasks"].as_array().unwrap().len()), (200, 1), "{answer}");
    }

    #[tokio::test]
    async fn who_runs_it_is_told() {
        super::who_runs_it_is_told("target", Some("worker:book")).await;
    }

    #[tokio::test]
    async fn a_compensation_parks() {
        let stage = Stage::new().await;
        let id = stage.started().await;
        let first = stage.take_one("w", "first").await;
        stage.done(&first).await;
        let stop = stage.stop("target", Some("worker:unbook")).await;
        let cancel = Call::new("POST", format!("/v1/transactions/{id}/cancel")).key(&stage.operator).json(&json!({}));
        assert_eq!(cancel.send(stage.house.addr).await.status, 200);
        let parked = stage.result(&id).await;
        assert_eq!(parked["status"], json!("parked"), "{parked}");
        assert!(parked.to_string().contains(&stop), "it says which stop: {parked}");
        assert_eq!(stage.lift(&stop).await.status, 200);
        let retry = json!({ "justification": "the stop is lifted" });
        let retried = stage.house.post(&format!("/v1/transactions/{id}/retry"), &stage.operator, &retry).await;
        assert_eq!(retried.status, 200, "{}", retried.text());
        let undo = stage.take_one("w2", "first").await;
        stage.done(&undo).await;
        assert_eq!(stage.result(&id).await["status"], json!("cancelled"));
    }

    #[tokio::test]
    async fn reading_and_lifting_are_allowed() {
        super::reading_and_lifting_are_allowed("target", Some("worker:book")).await;
    }
}

#[tokio::test]
async fn what_a_stopped_principal_asks_is_refused_but_for_reading() {
    let stage = Stage::new().await;
    let id = stage.started().await;
    stage.stop("principal", Some(&stage.shop_id)).await;
    let path = format!("/v1/transactions/{id}");
    assert_eq!(stage.house.get(&path, &stage.shop).await.status, 200);
    let cancel = Call::new("POST", format!("{path}/cancel")).key(&stage.shop).json(&json!({}));
    let refused = cancel.send(stage.house.addr).await;
    assert_eq!(refused.slug(), "403 stopped");
    assert!(refused.problem().detail.starts_with("`transaction:cancel` is stopped: stp_"), "{}", refused.text());
    let (_, second) = stage.house.principal("second", &["operator"]).await;
    let listed = stage.house.get("/v1/stops", &second).await.json();
    let lift = format!("/v1/stops/{}/lift", listed["items"][0]["id"].as_str().unwrap());
    let body = json!({ "justification": "let me" });
    assert_eq!(stage.house.post(&lift, &stage.shop, &body).await.slug(), "403 denied", "nor do its roles let it");
    assert_eq!(stage.house.post(&lift, &second, &body).await.status, 200);
}

#[tokio::test]
async fn an_operator_stops_and_lifts_no_stop_on_itself() {
    let stage = Stage::new().await;
    let (second_id, second) = stage.house.principal("second", &["operator"]).await;
    let stop = stage.stop("principal", Some(&second_id)).await;
    let lift = format!("/v1/stops/{stop}/lift");
    let body = json!({ "justification": "let me" });
    assert_eq!(stage.house.post(&lift, &second, &body).await.slug(), "403 stopped");
    assert_eq!(stage.lift(&stop).await.status, 200);
    let own = json!({ "on": "principal", "name": second_id, "justification": "a test" });
    let refused = stage.house.post("/v1/stops", &second, &own).await;
    assert_eq!(refused.slug(), "400 invalid-request");
    assert!(refused.problem().detail.contains("does not stop itself"), "{}", refused.text());
}

#[tokio::test]
async fn a_question_about_what_is_stopped_is_answered_with_no() {
    let stage = Stage::new().await;
    let ask = json!({ "action": "start", "resource": { "type": "Definition", "id": "booking" } });
    let asked = async || stage.house.post("/v1/decisions", &stage.shop, &ask).await.json();
    assert_eq!(asked().await["permitted"], json!(true));
    for (on, name) in [
        ("tenant", None),
        ("principal", Some(stage.shop_id.as_str())),
        ("action", Some("start")),
        ("definition", Some("booking")),
    ] {
        let stop = stage.stop(on, name).await;
        let answer = asked().await;
        assert_eq!((&answer["permitted"], &answer["reasons"][0]["policy"]), (&json!(false), &json!(stop)), "{on}");
        stage.lift(&stop).await;
    }
    assert_eq!(asked().await["permitted"], json!(true));
}

#[tokio::test]
async fn the_same_stop_is_set_once() {
    let stage = Stage::new().await;
    let stop = stage.stop("definition", Some("booking")).await;
    let size = stage.house.log_size().await;
    let again = json!({ "on": "definition", "name": "booking", "justification": "another reason" });
    let answer = stage.house.post("/v1/stops", &stage.operator, &again).await;
    assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(stop)));
    assert_eq!(answer.json()["justification"], json!("a runaway agent"), "it stands as it was set first");
    assert_eq!(stage.house.log_size().await, size, "nothing changed");
}

#[tokio::test]
async fn what_a_stop_can_t_be_on_is_named() {
    let stage = Stage::new().await;
    let set = async |body: Value| stage.house.post("/v1/stops", &stage.operator, &body).await;
    for (on, name, slug, says) in [
        ("tenant", Some("acme"), "400 invalid-request", "name: "),
        ("principal", None, "400 invalid-request", "name: it is missing: a principal's id"),
        ("principal", Some("shop"), "400 invalid-request", "name: `shop` is not a principal's id"),
        ("target", Some("payments"), "400 invalid-request", "name: a target is an origin"),
        ("target", Some("default"), "400 invalid-request", "a stop is on one target"),
        ("action", Some("a b"), "400 invalid-request", "name: ` ` is not allowed"),
        ("definition", Some("boking"), "404 not-found", "definition `boking`"),
        ("principal", Some("svc_019312d8a0b07c3e9f2a4b5c6d7e8f90"), "404 not-found", "principal svc_"),
    ] {
        let mut body = json!({ "on": on, "justification": "x" });
        if let Some(name) = name {
            body["name"] = json!(name);
        }
        let answer = set(body).await;
        assert_eq!(answer.slug(), slug, "{on} {name:?}");
        assert!(answer.problem().detail.contains(says), "{on} {name:?}: {}", answer.problem().detail);
    }
    for justification in [String::from("  "), "x".repeat(2_001)] {
        let body = json!({ "on": "tenant", "justification": justification });
        assert_eq!(set(body).await.slug(), "400 invalid-request");
    }
    for body in [json!({ "on": "tenant" }), json!({ "on": "queue", "name": "x", "justification": "x" })] {
        assert_eq!(set(body).await.slug(), "400 invalid-body");
    }
}

#[tokio::test]
async fn what_was_stopped_and_lifted_is_in_the_ledger_by_whom_and_why() {
    let stage = Stage::new().await;
    let stop = stage.stop("action", Some("run")).await;
    assert_eq!(stage.lift(&stop).await.status, 200);
    let entries = stage.house.get("/v1/ledger/entries?limit=1000", &stage.house.owner).await.json();
    let read = |entry: &Value| {
        let record: Value = serde_json::from_str(entry["record"].as_str().unwrap()).unwrap();
        (record["kind"].as_str().unwrap().to_owned(), record["data"].clone(), entry["payload"].clone())
    };
    let of_stops: Vec<_> = entries["items"].as_array().unwrap().iter().map(read).collect();
    let of_stops: Vec<_> = of_stops.into_iter().filter(|(kind, ..)| kind.starts_with("stop.")).collect();
    let set = json!({ "justification": "a runaway agent", "on": { "id": "run", "kind": "action" } });
    assert_eq!(
        of_stops,
        [
            ("stop.set".to_owned(), json!({ "on": "action", "stop": stop }), set),
            ("stop.lifted".to_owned(), json!({ "stop": stop }), json!({ "justification": "it was replaced" })),
        ]
    );
}
