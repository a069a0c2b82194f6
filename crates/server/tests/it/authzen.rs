//! The Authorization API 1.0 of `OpenID` `AuthZEN`, with the fixture of its certification scenario.

use crate::house::{House, node_with, options};
use crate::http::{Answer, Call};
use crate::pip::{Pip, Said};
use chancery_app::{Config, InformationOptions};
use chancery_base::Secret;
use serde_json::{Value, json};
use std::time::Duration;

const SCHEMA: &str = r#"
entity User, Service, Agent = { name: String };
entity group;
entity user in [group] = { @asserted role?: String, @asserted department?: String, level?: Long };
entity record = { @asserted status?: String, @asserted owner?: String };
entity guest = { level: Long };
type Around = { time?: String, ip?: String, source?: String, "action"?: { method?: String, soft?: Bool } };
action read, write, delete appliesTo { principal: [user], resource: [record], context: Around };
action enter appliesTo { principal: [guest, User, Service, Agent], resource: [record], context: { door: Long } };
"#;
const POLICIES: &str = r#"
@id("readers") @reason("staff read records")
permit (principal in group::"staff", action == Action::"read", resource is record);
@id("writer")
permit (principal == user::"alice", action == Action::"write", resource is record)
unless { resource has status && resource.status == "archived" };
@id("admins")
permit (principal is user, action == Action::"write", resource is record)
when { principal has role && principal.role == "admin" && resource has status && resource.status == "archived" };
@id("soft")
permit (principal == user::"alice", action == Action::"delete", resource is record)
when { context has action && context.action has soft && context.action.soft };
@id("seniors")
permit (principal is guest, action == Action::"enter", resource is record) when { principal.level > 3 };
@id("servants")
permit (principal is Service, action == Action::"enter", resource is record);
"#;

fn entities() -> Value {
    let staff = json!([{ "type": "group", "id": "staff" }]);
    let of = |kind: &str, id: &str, attrs: Value, parents: &Value| json!({ "uid": { "type": kind, "id": id }, "attrs": attrs, "parents": parents });
    json!([
        of("user", "alice", json!({}), &staff),
        of("user", "bob", json!({ "role": "admin" }), &staff),
        of("group", "staff", json!({}), &json!([])),
        of("record", "record-1", json!({ "status": "active" }), &json!([])),
        of("record", "record-2", json!({ "status": "archived" }), &json!([])),
    ])
}

/// Puts the fixture into force in `acme`.
async fn furnish(house: &House) {
    furnish_with(house, entities()).await;
}

async fn furnish_with(house: &House, entities: Value) {
    let bundle = json!({
        "name": "records", "version": 1, "schema": SCHEMA, "policies": POLICIES, "entities": entities,
    });
    house.decide_by(&bundle).await;
}

async fn house() -> House {
    let house = House::new().await;
    furnish(&house).await;
    house
}

async fn ask(house: &House, body: &Value) -> Answer {
    house.post("/access/v1/evaluation", &house.owner, body).await
}

fn question(user: &str, action: &str, record: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": user }, "action": { "name": action },
        "resource": { "type": "record", "id": record },
    })
}

/// `question` with something else in one place.
fn with(mut question: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    question.pointer_mut(parent).unwrap()[name] = value;
    question
}

#[tokio::test]
async fn the_scenario_is_decided_as_it_must_be() {
    let house = house().await;
    let more = with(
        question("alice", "read", "record-1"),
        "/subject/properties",
        json!({ "department": "Sales", "role": "manager" }),
    );
    let more = with(more, "/action/properties", json!({ "method": "GET" }));
    let more = with(more, "/resource/properties", json!({ "status": "active", "owner": "bob" }));
    let archived =
        |user| with(question(user, "write", "record-2"), "/resource/properties", json!({ "status": "archived" }));
    let soft =
        |soft: bool| with(question("alice", "delete", "record-1"), "/action/properties", json!({ "soft": soft }));
    let around = json!({ "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" });
    let cases = [
        (question("alice", "read", "record-1"), true),
        (question("alice", "write", "record-1"), true),
        (question("bob", "read", "record-1"), true),
        (question("bob", "write", "record-1"), false),
        (archived("alice"), false),
        (with(archived("bob"), "/subject/properties", json!({ "role": "admin" })), true),
        (soft(true), true),
        (soft(false), false),
        (with(question("alice", "read", "record-1"), "/context", around), true),
        (more, true),
        (with(with(question("alice", "read", "record-1"), "/foo", json!("bar")), "/subject/nick", json!({})), true),
    ];
    for (body, expected) in cases {
        let answer = ask(&house, &body).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{}",
            answer.text()
        );
        assert_eq!(answer.json()["decision"], expected, "{body}: {}", answer.text());
    }
}

/// What the schema does not know is denied and recorded; whatever goes wrong, nothing is permitted.
#[tokio::test]
async fn what_does_not_fit_is_a_deny_that_says_why_and_is_recorded() {
    let house = house().await;
    let read = || question("alice", "read", "record-1");
    let nobody = "usr_00000000-0000-7000-8000-000000000000";
    let cases = [
        (with(read(), "/action/name", json!("fly")), "has no action `fly`"),
        (with(read(), "/subject/type", json!("spaceship")), "has no entity type `spaceship`"),
        (with(read(), "/resource/type", json!("spaceship")), "has no entity type `spaceship`"),
        (with(read(), "/subject/type", json!("group")), "does not let `read` be done by group"),
        (with(read(), "/subject", json!({ "type": "User", "id": "alice" })), "is unknown"),
        (with(read(), "/subject/id", json!("eve")), "no policy permits `read`"),
        (with(read(), "/context", json!({ "weather": "rain" })), "`context.weather` is not declared"),
        (with(read(), "/context", json!({ "time": 0.5 })), "policies know whole numbers only"),
        (with(read(), "/action/properties", json!({ "speed": 1 })), "`context.action.speed` is not declared"),
        (with(read(), "/resource/properties", json!({ "status": "archived" })), "the bundle's entities give it"),
        (with(read(), "/resource/properties", json!({ "status": 7 })), "`resource.attributes.status` may not be given"),
        (
            with(with(read(), "/subject/type", json!("guest")), "/action/name", json!("enter")),
            "`principal.level` is missing",
        ),
    ];
    for (body, expected) in cases {
        let before = house.log_size().await;
        let answer = ask(&house, &body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        let said = answer.json();
        assert_eq!(said["decision"], false, "{body}");
        let why = said["context"]["reason_admin"]["403"].as_str().unwrap();
        assert!(why.contains(expected), "{body}: {why}");
        assert_eq!(said["context"]["reason_user"]["403"], "this is not permitted", "the subject learns no schema");
        assert_eq!(said["context"]["entry"], before, "it is the next entry");
        assert_eq!(house.log_size().await, before + 1);
    }
    let unknown = with(read(), "/subject", json!({ "type": "User", "id": nobody }));
    assert_eq!(ask(&house, &unknown).await.status, 200);
    let other = house.tenant("bare").await;
    let answer = house.post("/access/v1/evaluation", &other, &read()).await;
    assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!(false)), "no bundle is in force");
}

/// A bad request is never a deny, and leaves no entry.
#[tokio::test]
async fn a_bad_request_is_400_and_says_where() {
    let house = house().await;
    let read = || question("alice", "read", "record-1");
    let without = |pointer: &str| {
        let (mut body, (parent, name)) = (read(), pointer.rsplit_once('/').unwrap());
        body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        body
    };
    let cases = [
        (without("/subject"), "missing field `subject`"),
        (without("/action"), "missing field `action`"),
        (without("/resource"), "missing field `resource`"),
        (without("/subject/type"), "missing field `type`"),
        (without("/subject/id"), "missing field `id`"),
        (without("/action/name"), "missing field `name`"),
        (without("/resource/type"), "missing field `type`"),
        (without("/resource/id"), "missing field `id`"),
        (with(read(), "/subject", json!("alice")), "invalid type: string"),
        (with(read(), "/action/name", json!(123)), "invalid type: integer"),
        (with(read(), "/context", json!([])), "invalid type: sequence"),
        (with(read(), "/subject/properties", json!({ "level": 9 })), "`subject.properties.level` may not be given"),
        (
            with(read(), "/resource/properties", json!({ "colour": "red" })),
            "`resource.properties.colour` may not be given",
        ),
        (
            with(with(read(), "/context", json!({ "action": {} })), "/action/properties", json!({ "soft": true })),
            "`context.action`",
        ),
        (with(read(), "/context", json!({ "time": "x".repeat(70_000) })), "at most 65536 are allowed"),
    ];
    let before = house.log_size().await;
    for (body, expected) in cases {
        let answer = ask(&house, &body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert!(answer.problem().detail.contains(expected), "{body}: {}", answer.problem().detail);
    }
    let call = || Call::new("POST", "/access/v1/evaluation").key(&house.owner);
    for (media_type, body) in [
        ("text/plain", read().to_string()),
        ("application/json", String::new()),
        ("application/json", "{".to_owned()),
        ("application/json", "[]".to_owned()),
    ] {
        let answer = call().body(media_type, body.as_bytes()).send(house.addr).await;
        assert_eq!(answer.slug(), "400 invalid-body", "{media_type} {body}");
    }
    assert_eq!(house.log_size().await, before, "none of it is a decision");
}

#[tokio::test]
async fn a_request_s_id_comes_back_and_the_same_request_is_decided_the_same() {
    let house = house().await;
    let call =
        Call::new("POST", "/access/v1/evaluation").key(&house.owner).json(&question("alice", "read", "record-1"));
    let id = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716";
    let mut ids = Vec::new();
    for _ in 0..3 {
        let answer = call.clone().header("x-request-id", id).send(house.addr).await;
        assert_eq!(answer.header("x-request-id"), Some(id));
        assert_eq!(answer.json()["decision"], true);
        assert_eq!(answer.json()["context"]["reason_admin"]["200"], "readers: staff read records");
        assert_eq!(answer.json()["context"]["reason_user"]["200"], "staff read records");
        ids.push(answer.json()["context"]["id"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "each is a decision of its own");
}

/// Of a principal of the directory one must be allowed to know what it may do.
#[tokio::test]
async fn a_principal_may_ask_about_itself_and_others_take_a_role() {
    let house = house().await;
    let (id, key) = house.principal("porter", &["service"]).await;
    let (other, _) = house.principal("other", &["service"]).await;
    let enter = |id: &str| {
        json!({
            "subject": { "type": "Service", "id": id }, "action": { "name": "enter" }, "context": { "door": 1 },
            "resource": { "type": "record", "id": "record-1" },
        })
    };
    let own = house.post("/access/v1/evaluation", &key, &enter(&id)).await;
    assert_eq!((own.status, &own.json()["decision"]), (200, &json!(true)), "{}", own.text());
    assert_eq!(house.post("/access/v1/evaluation", &key, &enter(&other)).await.slug(), "403 denied");
    let both = json!({ "evaluations": [enter(&id), enter(&other)] });
    assert_eq!(house.post("/access/v1/evaluations", &key, &both).await.slug(), "403 denied");
    assert_eq!(ask(&house, &enter(&other)).await.json()["decision"], true);
    let asserted = with(enter(&id), "/subject/properties", json!({ "name": "boss" }));
    assert_eq!(ask(&house, &asserted).await.slug(), "400 invalid-request");
    let search = json!({ "subject": { "type": "Service" }, "action": { "name": "enter" }, "context": { "door": 1 },
        "resource": { "type": "record", "id": "record-1" } });
    assert_eq!(house.post("/access/v1/search/subject", &key, &search).await.slug(), "403 denied");
    let found = house.post("/access/v1/search/subject", &house.owner, &search).await.json();
    let mut expected = [id.as_str(), &other].map(|id| json!({ "type": "Service", "id": id }));
    expected.sort_by_key(ToString::to_string);
    assert_eq!(found["results"], json!(expected));
    // The same from the platform's own route.
    let question = json!({ "subject": { "type": "user", "id": "bob", "attributes": { "department": "Sales" } },
        "action": "read", "resource": { "type": "record", "id": "record-1" } });
    let decided = house.post("/v1/decisions", &key, &question).await;
    assert_eq!((decided.status, &decided.json()["permitted"]), (200, &json!(true)), "{}", decided.text());
    let two = with(question, "/principal", json!(id));
    assert_eq!(house.post("/v1/decisions", &key, &two).await.slug(), "400 invalid-request");
}

async fn evaluate(house: &House, semantic: Option<&str>, evaluations: &Value) -> (Vec<Value>, u64) {
    let mut body = json!({
        "subject": { "type": "user", "id": "alice" }, "action": { "name": "write" }, "evaluations": evaluations,
    });
    if let Some(semantic) = semantic {
        body["options"] = json!({ "evaluations_semantic": semantic, "another": 1 });
    }
    let before = house.log_size().await;
    let answer = house.post("/access/v1/evaluations", &house.owner, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let said = answer.json();
    assert!(said.get("decision").is_none(), "several have no decision of their own");
    let decisions = said["evaluations"].as_array().unwrap().clone();
    (decisions, house.log_size().await - before)
}

#[tokio::test]
async fn the_three_semantics_stop_where_they_say() {
    let house = house().await;
    let record = |id: &str| json!({ "resource": { "type": "record", "id": id } });
    let (good, bad, wrong) = (record("record-1"), record("record-2"), json!({ "resource": { "type": "record" } }));
    let cases = [
        (None, json!([&good, &bad, &good]), "+-+", 3),
        (Some("execute_all"), json!([&bad, &wrong, {}, &good]), "-!!+", 2),
        (Some("deny_on_first_deny"), json!([&good, &bad, &good]), "+-", 2),
        (Some("deny_on_first_deny"), json!([&good, &good]), "++", 2),
        (Some("deny_on_first_deny"), json!([&good, &wrong, &good]), "+!", 1),
        (Some("deny_on_first_deny"), json!([&bad, &wrong, &good]), "-", 1),
        (Some("permit_on_first_permit"), json!([&bad, &good, &good]), "-+", 2),
        (Some("permit_on_first_permit"), json!([&wrong, &bad, &good, &wrong]), "!-+", 2),
        (Some("permit_on_first_permit"), json!([&bad, &wrong]), "-!", 1),
        (Some("permit_on_first_permit"), json!([&good, &bad]), "+", 1),
    ];
    for (semantic, evaluations, expected, entries) in cases {
        let (decisions, written) = evaluate(&house, semantic, &evaluations).await;
        let sign = |decision: &Value| match (&decision["decision"], decision["context"].get("error")) {
            (Value::Bool(true), None) => '+',
            (Value::Bool(false), None) => '-',
            (Value::Bool(false), Some(error)) if error["status"] == 400 => '!',
            other => panic!("{other:?}"),
        };
        let signs: String = decisions.iter().map(sign).collect();
        assert_eq!((signs.as_str(), written), (expected, entries), "{semantic:?} {evaluations}");
    }
}

#[tokio::test]
async fn defaults_are_taken_whole_and_overridden_whole() {
    let house = house().await;
    let status = |id: &str, status: &str| json!({ "type": "record", "id": id, "properties": { "status": status } });
    let send = async |body: Value| house.post("/access/v1/evaluations", &house.owner, &body).await;
    let decisions = async |body: Value| -> Vec<bool> {
        let answer = send(body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["evaluations"].as_array().unwrap().iter().map(|one| one["decision"].as_bool().unwrap()).collect()
    };
    let (alice, bob) = (json!({ "type": "user", "id": "alice" }), json!({ "type": "user", "id": "bob" }));
    let write = json!({ "name": "write" });
    let own = json!({ "subject": alice, "action": write, "resource": status("record-1", "active"),
        "evaluations": [{}, { "resource": status("record-2", "archived") }] });
    assert_eq!(decisions(own).await, [true, false]);
    let subjects = json!({ "action": write, "resource": status("record-2", "archived"),
        "evaluations": [{ "subject": alice }, { "subject": bob }] });
    assert_eq!(decisions(subjects).await, [false, true]);
    let actions = json!({ "subject": bob, "resource": { "type": "record", "id": "record-1" },
        "evaluations": [{ "action": { "name": "read" } }, { "action": write }] });
    assert_eq!(decisions(actions).await, [true, false]);
    // An overridden context has nothing of the default's: the unknown attribute is gone with it.
    let contexts = json!({ "subject": alice, "action": { "name": "read" }, "context": { "weather": "rain" },
        "resource": { "type": "record", "id": "record-1" }, "evaluations": [{}, { "context": { "time": "now" } }] });
    assert_eq!(decisions(contexts).await, [false, true]);
    // Without evaluations it is the one.
    for evaluations in [None, Some(json!([]))] {
        let mut body = question("alice", "read", "record-1");
        if let Some(evaluations) = evaluations {
            body["evaluations"] = evaluations;
        }
        let answer = send(body).await.json();
        assert_eq!((&answer["decision"], answer.get("evaluations")), (&json!(true), None), "{answer}");
    }
    let none = send(json!({ "subject": alice, "action": write })).await;
    assert_eq!(none.status, 400);
    assert!(none.problem().detail.contains("missing field `resource`"), "{}", none.text());
    let many = json!({ "subject": alice, "action": write, "evaluations": vec![json!({}); 101] });
    assert!(send(many).await.problem().detail.contains("at most 100 are allowed"));
    let unknown = json!({ "subject": alice, "evaluations": [{}], "options": { "evaluations_semantic": "guess" } });
    assert_eq!(send(unknown).await.slug(), "400 invalid-body");
    let large = json!({ "context": { "time": "x".repeat(70_000) }, "evaluations": [{}] });
    assert!(send(large).await.problem().detail.contains("the defaults of evaluations: "));
}

async fn found(house: &House, what: &str, body: &Value) -> Vec<String> {
    let answer = house.post(&format!("/access/v1/search/{what}"), &house.owner, body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    assert_eq!(answer.json()["page"]["next_token"], "", "{}", answer.text());
    let name = |result: &Value| result.get("id").or_else(|| result.get("name")).unwrap().as_str().unwrap().to_owned();
    answer.json()["results"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn a_search_finds_what_would_be_permitted_and_leaves_no_entries() {
    let house = house().await;
    let before = house.log_size().await;
    let (user, record) = (json!({ "type": "user" }), json!({ "type": "record" }));
    let (alice, bob) = (json!({ "type": "user", "id": "alice" }), json!({ "type": "user", "id": "bob" }));
    let at = |id: &str| json!({ "type": "record", "id": id });
    let archived = json!({ "type": "record", "id": "record-2", "properties": { "status": "archived" } });
    let admin = json!({ "type": "user", "id": "bob", "properties": { "role": "admin" } });
    let (read, write) = (json!({ "name": "read" }), json!({ "name": "write" }));
    let around = json!({ "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" });
    let cases = [
        ("subject", json!({ "subject": user, "action": read, "resource": at("record-1") }), vec!["alice", "bob"]),
        ("subject", json!({ "subject": alice, "action": read, "resource": at("record-1") }), vec!["alice", "bob"]),
        (
            "subject",
            json!({ "subject": user, "action": read, "resource": at("record-1"), "context": around }),
            vec!["alice", "bob"],
        ),
        ("subject", json!({ "subject": user, "action": write, "resource": archived }), vec!["bob"]),
        ("subject", json!({ "subject": { "type": "spaceship" }, "action": read, "resource": at("record-1") }), vec![]),
        ("resource", json!({ "subject": alice, "action": write, "resource": record }), vec!["record-1"]),
        (
            "resource",
            json!({ "subject": alice, "action": read, "resource": at("record-1") }),
            vec!["record-1", "record-2"],
        ),
        ("resource", json!({ "subject": admin, "action": write, "resource": record }), vec!["record-2"]),
        ("resource", json!({ "subject": alice, "action": read, "resource": { "type": "spaceship" } }), vec![]),
        ("action", json!({ "subject": alice, "resource": at("record-1") }), vec!["read", "write"]),
        ("action", json!({ "subject": alice, "resource": at("record-1"), "context": around }), vec!["read", "write"]),
        ("action", json!({ "subject": admin, "resource": archived }), vec!["read", "write"]),
        ("action", json!({ "subject": bob, "resource": at("record-1") }), vec!["read"]),
        ("action", json!({ "subject": { "type": "user", "id": "nobody" }, "resource": at("record-1") }), vec![]),
    ];
    for (what, body, expected) in cases {
        assert_eq!(found(&house, what, &body).await, expected, "{what} {body}");
    }
    assert_eq!(house.log_size().await, before, "a search leaves no entries");
    let wrong = [
        ("subject", json!({ "subject": user, "resource": at("record-1") })),
        ("subject", json!({ "subject": user, "action": read, "resource": record })),
        ("resource", json!({ "action": read, "resource": record })),
        ("resource", json!({ "subject": user, "action": read, "resource": record })),
        ("action", json!({ "subject": alice })),
        ("action", json!({ "subject": user, "resource": at("record-1") })),
        ("action", json!({ "subject": alice, "resource": at("record-1"), "page": { "limit": 0 } })),
        ("action", json!({ "subject": alice, "resource": at("record-1"), "page": { "token": "x" } })),
        (
            "subject",
            json!({ "subject": { "type": "user", "properties": { "level": 1 } }, "action": read, "resource": at("record-1") }),
        ),
    ];
    for (what, body) in wrong {
        let answer = house.post(&format!("/access/v1/search/{what}"), &house.owner, &body).await;
        assert_eq!(answer.status, 400, "{what} {body}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_search_goes_on_where_its_token_says() {
    let house = house().await;
    let body = |page: Value| {
        json!({ "subject": { "type": "user" }, "action": { "name": "read" }, "page": page,
            "resource": { "type": "record", "id": "record-1" } })
    };
    let send = async |body: Value| house.post("/access/v1/search/subject", &house.owner, &body).await;
    let first = send(body(json!({ "limit": 1 }))).await.json();
    assert_eq!((&first["results"][0]["id"], &first["page"]["count"]), (&json!("alice"), &json!(1)));
    let token = first["page"]["next_token"].as_str().unwrap();
    assert!(!token.is_empty(), "{first}");
    // The limit may be repeated or left out; anything else must be as it was.
    for page in [json!({ "token": token }), json!({ "token": token, "limit": 1 })] {
        let second = send(body(page)).await.json();
        assert_eq!(
            (&second["results"], &second["page"]["next_token"]),
            (&json!([{ "type": "user", "id": "bob" }]), &json!(""))
        );
    }
    let other_limit = send(body(json!({ "token": token, "limit": 2 }))).await;
    assert!(other_limit.problem().detail.contains("another limit"), "{}", other_limit.text());
    let other = with(body(json!({ "token": token })), "/action/name", json!("write"));
    assert!(send(other).await.problem().detail.contains("another question"));
}

/// One call asks policy about so many; what is further on is found by the next.
#[tokio::test]
async fn a_search_looks_at_a_thousand_candidates_a_call() {
    let house = House::new().await;
    let mut entities = entities();
    let crowd =
        (0..1_000).map(|n| json!({ "uid": { "type": "user", "id": format!("a{n:03}") }, "attrs": {}, "parents": [] }));
    entities.as_array_mut().unwrap().extend(crowd);
    furnish_with(&house, entities).await;
    let body = |page: Value| {
        json!({ "subject": { "type": "user" }, "action": { "name": "read" }, "page": page,
            "resource": { "type": "record", "id": "record-1" } })
    };
    let send = async |body: Value| house.post("/access/v1/search/subject", &house.owner, &body).await.json();
    let first = send(body(json!({}))).await;
    assert_eq!((&first["results"], &first["page"]["count"]), (&json!([]), &json!(0)), "a999 is the thousandth");
    let second = send(body(json!({ "token": first["page"]["next_token"] }))).await;
    let found = json!([{ "type": "user", "id": "alice" }, { "type": "user", "id": "bob" }]);
    assert_eq!((&second["results"], &second["page"]["next_token"]), (&found, &json!("")));
}

#[tokio::test]
async fn the_configuration_says_where_everything_is() {
    let public = |config| Config { public_url: Some("https://pdp.example.com/".to_owned()), ..config };
    let house = House::on(node_with(public).await, options()).await;
    let answer = Call::new("GET", "/.well-known/authzen-configuration").send(house.addr).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let expected = json!({
        "policy_decision_point": "https://pdp.example.com",
        "access_evaluation_endpoint": "https://pdp.example.com/access/v1/evaluation",
        "access_evaluations_endpoint": "https://pdp.example.com/access/v1/evaluations",
        "search_subject_endpoint": "https://pdp.example.com/access/v1/search/subject",
        "search_resource_endpoint": "https://pdp.example.com/access/v1/search/resource",
        "search_action_endpoint": "https://pdp.example.com/access/v1/search/action",
    });
    assert_eq!(answer.json(), expected);
    let local = House::new().await;
    let answer = Call::new("GET", "/.well-known/authzen-configuration").send(local.addr).await.json();
    assert_eq!(answer["policy_decision_point"], format!("http://{}", local.addr));
}

/// A house whose subjects are looked up at a point that says this.
async fn informed(
    say: impl Fn(&Value) -> Said + Clone + Send + 'static,
    ttl: Duration,
    timeout: Duration,
) -> (House, Pip) {
    let pip = Pip::new(say).await;
    let secret = Some(Secret::new("s3cret".to_owned()));
    let information = Some(InformationOptions { ttl, timeout, secret, ..InformationOptions::new(&pip.url) });
    let house = House::on(node_with(|config| Config { information, ..config }).await, options()).await;
    furnish(&house).await;
    (house, pip)
}

fn enter(guest: &str) -> Value {
    json!({ "subject": { "type": "guest", "id": guest }, "action": { "name": "enter" }, "context": { "door": 1 },
        "resource": { "type": "record", "id": "record-1" } })
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_subject_is_looked_up_once_and_the_entry_has_what_was_said() {
    let say = |question: &Value| match question["subject"]["id"].as_str() {
        Some("senior") => Said::Answer(200, r#"{"attrs":{"level":5,"shoe":44},"parents":[]}"#.to_owned()),
        Some("junior") => Said::Answer(200, r#"{"attrs":{"level":1}}"#.to_owned()),
        _ => Said::Answer(200, r#"{"parents":[{"type":"group","id":"staff"},{"type":"record","id":"x"}]}"#.to_owned()),
    };
    let (house, pip) = informed(say, LONG, LONG).await;
    for (guest, expected) in [("senior", true), ("junior", false), ("senior", true)] {
        assert_eq!(ask(&house, &enter(guest)).await.json()["decision"], expected, "{guest}");
    }
    assert_eq!(pip.asked().len(), 2, "what was said is kept");
    let (head, body) = pip.asked().remove(0);
    assert!(head.contains("authorization: bearer s3cret"), "{head}");
    assert_eq!(body, json!({ "tenant": "acme", "subject": { "type": "guest", "id": "senior" } }));
    // The bundle has alice, and the schema has no spaceships: nobody is asked. What carol is in comes from the point.
    assert_eq!(ask(&house, &question("alice", "read", "record-1")).await.json()["decision"], true);
    let spaceship = with(enter("x"), "/subject/type", json!("spaceship"));
    assert_eq!(ask(&house, &spaceship).await.json()["decision"], false);
    assert_eq!(pip.asked().len(), 2);
    assert_eq!(ask(&house, &question("carol", "read", "record-1")).await.json()["decision"], true);
    let entry = ask(&house, &enter("senior")).await.json()["context"]["entry"].as_u64().unwrap();
    let entries = house.get(&format!("/v1/ledger/entries?from={entry}&limit=1"), &house.owner).await.json();
    let decision = &entries["items"][0]["payload"]["decision"];
    assert_eq!(decision["entities"][0]["attrs"], json!({ "level": 5 }), "what the schema declares: {entries}");
    assert_eq!(decision["request"]["principal"], json!({ "type": "guest", "id": "senior" }));
    let subjects = ["a", "a", "b"].map(|id| json!({ "subject": { "type": "user", "id": id } }));
    let several = json!({ "action": { "name": "enter" }, "context": { "door": 1 },
        "resource": { "type": "record", "id": "record-1" },
        "evaluations": subjects });
    assert_eq!(house.post("/access/v1/evaluations", &house.owner, &several).await.status, 200);
    assert_eq!(pip.asked().len(), 5, "each of several once");
    let actions = json!({ "subject": { "type": "guest", "id": "senior" }, "resource": { "type": "record", "id": "record-1" },
        "context": { "door": 1 } });
    assert_eq!(found(&house, "action", &actions).await, ["enter"]);
}

#[tokio::test]
async fn what_is_not_kept_is_looked_up_again() {
    let (house, pip) =
        informed(|_| Said::Answer(200, r#"{"attrs":{"level":5}}"#.to_owned()), Duration::ZERO, LONG).await;
    for _ in 0..2 {
        assert_eq!(ask(&house, &enter("senior")).await.json()["decision"], true);
    }
    assert_eq!(pip.asked().len(), 2);
}

/// Fail closed: whatever the point does but answer, nobody enters, and the entry says why.
#[tokio::test]
async fn without_information_all_are_denied_and_the_entry_says_why() {
    let answer = |status: u16, body: &str| Said::Answer(status, body.to_owned());
    let large = format!(r#"{{"attrs":{{"level":5,"x":"{}"}}}}"#, "x".repeat(70_000));
    let cases = [
        (Said::Nothing, "it did not answer within 50ms"),
        (answer(500, ""), "it answered 500"),
        (answer(204, ""), "it answered 204"),
        (answer(302, ""), "it answered 302"),
        (answer(404, ""), "the policy information point does not know it"),
        (answer(200, "level 5"), "its answer is not JSON"),
        (answer(200, "[]"), "its answer is not an object"),
        (answer(200, r#"{"attributes":{"level":5}}"#), "unknown field `attributes`"),
        (answer(200, r#"{"attrs":{"level":5},"attrs":{"level":5}}"#), "stands twice"),
        (answer(200, r#"{"attrs":{"level":"5"}}"#), "`principal.level` must be a whole number"),
        (answer(200, r#"{"attrs":{"level":5.5}}"#), "`information.attrs.level` is 5.5"),
        (answer(200, r#"{"attrs":{}}"#), "`principal.level` is missing"),
        (answer(200, &large), "its answer has more than 65536 bytes"),
    ];
    for (said, expected) in cases {
        let say = {
            let said = said.clone();
            move |_: &Value| said.clone()
        };
        let is_slow = matches!(said, Said::Nothing);
        let timeout = if is_slow { Duration::from_millis(50) } else { LONG };
        let (house, _pip) = informed(say, LONG, timeout).await;
        denied_for_want(&house, expected).await;
    }
    // Nothing listens there.
    let information = Some(InformationOptions::new("http://127.0.0.1:1/"));
    let house = House::on(node_with(|config| Config { information, ..config }).await, options()).await;
    furnish(&house).await;
    denied_for_want(&house, "no connection").await;
    let search =
        json!({ "subject": { "type": "guest", "id": "senior" }, "resource": { "type": "record", "id": "record-1" } });
    let found = house.post("/access/v1/search/action", &house.owner, &search).await.json();
    assert_eq!(found["results"], json!([]));
    assert!(found["context"]["reason_admin"]["403"].as_str().unwrap().contains("no connection"), "{found}");
    // A name whose address is this very host is not called, unless the operator says so.
    let information = Some(InformationOptions::new("http://localhost:1/"));
    let house = House::on(node_with(|config| Config { information, ..config }).await, options()).await;
    furnish(&house).await;
    denied_for_want(&house, "which this server may not call").await;
}

async fn denied_for_want(house: &House, expected: &str) {
    let before = house.log_size().await;
    let said = ask(house, &enter("senior")).await.json();
    assert_eq!(said["decision"], false, "{expected}: {said}");
    let why = said["context"]["reason_admin"]["403"].as_str().unwrap();
    assert!(why.contains(expected), "expected {expected:?} in {why:?}");
    assert_eq!((&said["context"]["entry"], house.log_size().await), (&json!(before), before + 1), "it is recorded");
}
