//! The "Todo" requests of the `AuthZEN` working group, put to a server over HTTP. The folder with
//! `authzen/todo-1_0-02.json` is `CHANCERY_VECTORS`, by default `../shared/vectors` beside the workspace; where it is
//! missing the case is reported as ignored, in CI as failed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test; it has a main of its own, which clippy does not take for one"
)]

#[expect(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "it/house.rs"]
mod house;
#[expect(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "it/http.rs"]
mod http;
#[expect(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "it/pip.rs"]
mod pip;

use crate::house::{House, node_with, options};
use crate::http::Call;
use crate::pip::{Pip, Said};
use chancery_app::{Config, InformationOptions};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const SCHEMA: &str = "
entity user = { email?: String, roles?: Set<String> };
entity todo = { @asserted ownerID?: String };
action can_read_user appliesTo { principal: [user], resource: [user], context: {} };
action can_read_todos, can_create_todo, can_update_todo, can_delete_todo appliesTo {
  principal: [user], resource: [todo], context: {}
};
";
const POLICIES: &str = r#"
@id("readers")
permit (principal is user, action in [Action::"can_read_user", Action::"can_read_todos"], resource)
when { principal has roles && principal.roles.containsAny(["viewer", "editor", "admin", "evil_genius"]) };
@id("creators")
permit (principal is user, action == Action::"can_create_todo", resource)
when { principal has roles && principal.roles.containsAny(["editor", "admin"]) };
@id("owners")
permit (principal is user, action in [Action::"can_update_todo", Action::"can_delete_todo"], resource is todo)
when {
  principal has roles && principal.roles.contains("editor") &&
  principal has email && resource has ownerID && resource.ownerID == principal.email
};
@id("admins")
permit (principal is user, action == Action::"can_delete_todo", resource)
when { principal has roles && principal.roles.contains("admin") };
@id("evil geniuses")
permit (principal is user, action == Action::"can_update_todo", resource)
when { principal has roles && principal.roles.contains("evil_genius") };
"#;

/// The five of the cartoon: how their ids begin, and what is known of them.
const PEOPLE: [(&str, &str, &[&str]); 5] = [
    ("CiRmZDA2", "rick@the-citadel.com", &["admin", "evil_genius"]),
    ("CiRmZDE2", "morty@the-citadel.com", &["editor"]),
    ("CiRmZDI2", "summer@the-smiths.com", &["editor"]),
    ("CiRmZDM2", "beth@the-smiths.com", &["viewer"]),
    ("CiRmZDQ2", "jerry@the-smiths.com", &["viewer"]),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("CHANCERY_VECTORS").map_or(default, PathBuf::from);
    let file = folder.join("authzen/todo-1_0-02.json");
    let trial = if file.is_file() {
        Trial::test("authzen-todo", move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(check_all(&file))
        })
    } else {
        let missing = format!("vectors not found: {}", file.display());
        eprintln!("{missing}");
        let is_ci = std::env::var_os("CI").is_some();
        Trial::test("authzen-todo", move || Err(Failed::from(missing))).with_ignored_flag(!is_ci)
    };
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}

async fn check_all(file: &Path) -> Result<(), Failed> {
    let vectors: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let pip = Pip::new(say).await;
    let information = Some(InformationOptions::new(&pip.url));
    let house = House::on(node_with(|config| Config { information, ..config }).await, options()).await;
    let bundle = json!({ "name": "todo", "version": 1, "schema": SCHEMA, "policies": POLICIES });
    let pushed = house.post("/v1/bundles", &house.owner, &bundle).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let digest = pushed.json()["digest"].as_str().unwrap().to_owned();
    let activate = Call::new("POST", format!("/v1/bundles/{digest}/activate")).key(&house.owner);
    assert_eq!(activate.send(house.addr).await.status, 200);
    let (single, several) = (cases(&vectors, "evaluation"), cases(&vectors, "evaluations"));
    assert_eq!((single.len(), several.len()), (40, 3), "the vectors are others");
    let before = house.log_size().await;
    let mut failures = Vec::new();
    for case in single {
        let answer = house.post("/access/v1/evaluation", &house.owner, &case["request"]).await;
        if answer.status != 200 || answer.json()["decision"] != case["expected"] {
            failures.push(format!("{}: {} {}", case["request"], answer.status, answer.text()));
        }
    }
    for case in several {
        let answer = house.post("/access/v1/evaluations", &house.owner, &case["request"]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let got: Vec<Value> =
            cases(&answer.json(), "evaluations").iter().map(|one| json!({ "decision": one["decision"] })).collect();
        if Value::Array(got) != case["expected"] {
            failures.push(format!("{}: {}", case["request"], answer.text()));
        }
    }
    assert_eq!(house.log_size().await - before, 46, "each decision is an entry");
    if failures.is_empty() { Ok(()) } else { Err(Failed::from(failures.join("\n"))) }
}

fn cases(vectors: &Value, name: &str) -> Vec<Value> {
    vectors[name].as_array().cloned().unwrap_or_default()
}

/// What the information point knows.
fn say(question: &Value) -> Said {
    let id = question["subject"]["id"].as_str().unwrap_or_default();
    match PEOPLE.iter().find(|(start, ..)| id.starts_with(start)) {
        Some((_, email, roles)) => {
            Said::Answer(200, json!({ "attrs": { "email": email, "roles": roles } }).to_string())
        }
        None => Said::Answer(404, String::new()),
    }
}
