//! A server whose store is a PostgreSQL database.

use crate::postgres_server::{PASSWORD, Server as Postgres};
use crate::support::{Ran, Server, ask, command, run, run_with, signal, wait_for, write};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Steps without a worker: one after the other, the second twice as big as its input says.
const SAGA: &str = "\
name: double
version: 1
steps:
  - {id: first, run: noop, with: {n: \"${{ input.n }}\"}}
  - {id: second, after: [first], run: noop, with: {n: \"${{ input.n * 2 }}\"}}
output: {n: \"${{ steps.second.output.n }}\"}
";
const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/starter");
const SERVE: [&str; 7] = ["serve", "--data", "data", "--database-url-file", "database.url", "--listen", "127.0.0.1:0"];

/// A database that syncs, and a directory with the file that names it.
fn database() -> (TempDir, Postgres, String) {
    let (dir, postgres) = (tempfile::tempdir().unwrap(), Postgres::start(&[]));
    let database = postgres.database("template0");
    write(dir.path(), "database.url", &postgres.url(&database), 0o600);
    (dir, postgres, database)
}

fn init(dir: &Path, data: &str) -> Ran {
    let key = format!("{data}.key");
    run(dir, &["init", "--data", data, "--key-file", &key, "--database-url-file", "database.url"])
}

/// A tenant `acme` with a bundle and the saga.
fn set_up(dir: &Path, server: &Server) {
    ask(dir, server, "data", &["tenant", "create", "acme", "--key-out", "acme.key"]).succeeds();
    ask(dir, server, "acme", &["bundle", "push", BUNDLE, "--activate"]).succeeds();
    write(dir, "double.yaml", SAGA, 0o644);
    ask(dir, server, "acme", &["definition", "push", "double.yaml"]).succeeds();
}

/// Runs a saga to its end, and gives its id.
#[track_caller]
fn complete(dir: &Path, server: &Server) -> String {
    let args = ["tx", "start", "double", "--input", "{\"n\": 21}", "--wait", "30s", "-o", "json"];
    let done = ask(dir, server, "acme", &args).succeeds().json();
    assert_eq!((&done["status"], &done["output"]["n"]), (&"completed".into(), &42.into()), "{done}");
    done["id"].as_str().unwrap().to_owned()
}

/// When the server sent its last statement.
fn last_statement(postgres: &Postgres) -> String {
    let query = "SELECT count(*), max(query_start) FROM pg_stat_activity WHERE application_name = 'chancery'";
    let found = postgres.psql("postgres", query).unwrap();
    assert!(!found.starts_with("0|"), "it has connections: {found}");
    found
}

fn verify(dir: &Path) -> Ran {
    run(dir, &["verify", "--data", "data", "--database-url-file", "database.url"])
}

#[test]
fn a_second_server_that_can_not_listen_leaves_the_first_its_logs() {
    let (dir, _postgres, _) = database();
    let dir = dir.path();
    init(dir, "data").succeeds();
    let server = Server::start(dir, &SERVE);
    set_up(dir, &server);
    let address = server.url.strip_prefix("http://").unwrap();
    let second = |address: &str| {
        run(dir, &["serve", "--data", "data", "--database-url-file", "database.url", "--listen", address])
    };
    second(address).fails(5, &["is in use"]);
    second("0.0.0.0:0").fails(2, &["--allow-remote"]);
    complete(dir, &server);
    assert_eq!(server.stop(), 0);
}

#[test]
fn everything_works_and_outlives_the_deaths_of_server_and_database() {
    let (dir, postgres, _) = database();
    let dir = dir.path();
    let made = init(dir, "data").succeeds();
    assert!(made.stderr.contains("chancery serve --data data --database-url-file database.url"), "{made:#?}");
    assert!(!made.stdout.contains(PASSWORD) && !made.stderr.contains(PASSWORD), "{made:#?}");
    assert!(!dir.join("data/chancery.db").exists());

    let server = Server::start(dir, &SERVE);
    set_up(dir, &server);
    let first = complete(dir, &server);
    let receipt = ask(dir, &server, "acme", &["receipt", &format!("{first}/second")]).succeeds().stdout;
    let key = ask(dir, &server, "acme", &["ledger", "key"]).succeeds().stdout;
    run_with(dir, &["verify", "receipt", "-", "--key", key.trim()], receipt.as_bytes()).succeeds();
    let checkpoint = ask(dir, &server, "acme", &["ledger", "checkpoint"]).succeeds().stdout;
    write(dir, "kept.checkpoint", &checkpoint, 0o644);
    wait_for("it has nothing to do and sends no statement", || {
        let last = last_statement(&postgres);
        std::thread::sleep(Duration::from_secs(3));
        (last_statement(&postgres) == last).then_some(())
    });
    // Beside the server, from one snapshot.
    verify(dir).succeeds();

    server.kill();
    let server = Server::start(dir, &SERVE);
    assert_eq!(ask(dir, &server, "acme", &["tx", "get", &first, "-o", "json"]).json()["status"], "completed");
    let second = complete(dir, &server);

    postgres.restart_immediately();
    wait_for("it is ready after the database is", || (server.status("/health/ready") == 200).then_some(()));
    let args = ["tx", "start", "double", "--input", "{\"n\": 21}", "--wait", "30s"];
    wait_for("it works after the database is back", || (ask(dir, &server, "acme", &args).code == 0).then_some(()));

    postgres.stop_immediately();
    wait_for("it notices, asked by probes alone", || (server.status("/health/ready") == 503).then_some(()));
    assert_eq!(server.status("/health/live"), 200);
    ask(dir, &server, "acme", &["tx", "get", &first]).fails(6, &["error: "]);
    ask(dir, &server, "acme", &["tx", "start", "double", "--input", "{\"n\": 21}"]).fails(6, &["error: "]);
    verify(dir).fails(6, &["is the database up"]);
    let late = run(dir, &SERVE).fails(6, &["is the database up"]);
    assert!(!late.stderr.contains(PASSWORD), "{late:#?}");
    postgres.start_again();
    wait_for("it is ready again by itself", || (server.status("/health/ready") == 200).then_some(()));
    let third = complete(dir, &server);

    assert_eq!(server.stop(), 0);
    let args = ["verify", "--data", "data", "--database-url-file", "database.url"];
    let kept = ["--checkpoint", "kept.checkpoint", "--key", key.trim(), "-o", "json"];
    let verified = run(dir, &[&args[..], &kept[..]].concat()).succeeds().json();
    assert_eq!(verified["logs"].as_array().unwrap().len(), 2, "{verified}");
    assert_eq!(verified["uncovered"], 0, "{verified}");
    assert!(first != second && second != third);
}

#[test]
fn a_server_that_wakes_too_late_writes_nothing() {
    let (dir, postgres, database) = database();
    let dir = dir.path();
    init(dir, "data").succeeds();
    let slept = Server::start_saying(dir, &SERVE, "first.err");
    set_up(dir, &slept);
    complete(dir, &slept);
    signal(slept.pid(), "-STOP");
    let owner = Server::start_saying(dir, &SERVE, "second.err");
    let by_owner = complete(dir, &owner);
    signal(slept.pid(), "-CONT");

    // It may ask the store for what it does not know, and learns at its first batch that the log is another's.
    let refused = ask(dir, &slept, "acme", &["tx", "start", "double", "--input", "{\"n\": 1}"]);
    refused.fails(6, &["error: "]);
    wait_for("it says why", || slept.said().contains("another owns the log of `acme`").then_some(()));
    assert_eq!(slept.status("/health/ready"), 503);
    assert_eq!(owner.status("/health/ready"), 200);
    // Reads are of the same database.
    let seen = ask(dir, &slept, "acme", &["tx", "get", &by_owner, "-o", "json"]).succeeds().json();
    assert_eq!(seen["status"], "completed");
    let started = postgres.psql(&database, "SELECT count(*) FROM transactions").unwrap();
    assert_eq!(started, "2", "what was refused is not there");
    complete(dir, &owner);
    assert_eq!(owner.stop(), 0);
    slept.stop();
    verify(dir).succeeds();
}

#[test]
fn a_server_that_is_replaced_while_it_has_nothing_to_do_is_not_ready() {
    let (dir, _postgres, _) = database();
    let dir = dir.path();
    init(dir, "data").succeeds();
    let first = Server::start_saying(dir, &SERVE, "first.err");
    set_up(dir, &first);
    assert_eq!(first.status("/health/ready"), 200);
    let second = Server::start_saying(dir, &SERVE, "second.err");
    wait_for("the first is not ready", || (first.status("/health/ready") == 503).then_some(()));
    wait_for("it says why", || first.said().contains("another owns the log of `acme`").then_some(()));
    assert_eq!(second.status("/health/ready"), 200);
    complete(dir, &second);
    first.stop();
    assert_eq!(second.stop(), 0);
}

#[test]
fn no_store_is_taken_for_another() {
    let (dir, postgres, _) = database();
    let dir = dir.path();
    init(dir, "data").succeeds();
    let serve = |data: &str, more: &[&str]| {
        run(dir, &[&["serve", "--listen", "127.0.0.1:0", "--data", data][..], more].concat())
    };
    let named = ["--database-url-file", "database.url"];
    serve("data", &[]).fails(2, &["is a PostgreSQL database, and none is named", "CHANCERY_DATABASE_URL"]);
    run(dir, &["verify", "--data", "data"]).fails(2, &["none is named"]);
    run(dir, &["migrate", "status", "--data", "data"]).fails(2, &["none is named"]);
    assert!(!dir.join("data/chancery.db").exists());
    run(dir, &["init", "--data", "embedded", "--key-file", "embedded.key"]).succeeds();
    serve("embedded", &named).fails(2, &["is in the directory", "unset CHANCERY_DATABASE_URL"]);
    run(dir, &["migrate", "up", "--data", "embedded", named[0], named[1]]).fails(2, &["is in the directory"]);

    // A database has one installation, and that has its keys.
    init(dir, "other").fails(5, &["holds an installation already"]);
    assert!(!dir.join("other").exists() && !dir.join("other.key").exists());
    let server = Server::start(dir, &SERVE);
    ask(dir, &server, "data", &["ledger", "checkpoint"]).succeeds();
    assert_eq!(server.stop(), 0);
    let own = std::fs::read_to_string(dir.join("database.url")).unwrap();
    write(dir, "database.url", &postgres.url(&postgres.database("template0")), 0o600);
    init(dir, "other").succeeds();
    write(dir, "database.url", &postgres.url(&postgres.database("template0")), 0o600);
    serve("other", &named).fails(2, &["lacks 9 migrations"]);
    run(dir, &["migrate", "up", "--data", "other", named[0], named[1]]).succeeds();
    serve("other", &named).fails(3, &["holds no installation"]);
    write(dir, "database.url", &own, 0o600);
    serve("other", &named).fails(2, &["belongs to another installation", "chancery/system/0/1"]);

    for (url, mode, code, says) in [
        (own.replace(PASSWORD, "not-the-password"), 0o600, 70, "password authentication failed"),
        (own.clone(), 0o644, 2, "others can read it"),
        ("mysql://chancery:pass-in-tests@127.0.0.1/x".to_owned(), 0o600, 2, "must begin with `postgres://`"),
        (String::new(), 0o600, 2, "is empty"),
    ] {
        write(dir, "database.url", &url, mode);
        let ran = serve("data", &named).fails(code, &[says]);
        assert!(!ran.stderr.contains("pass-in-tests") && !ran.stderr.contains("not-the-password"), "{ran:#?}");
    }
    // The environment does as well.
    let status = command(dir, &["migrate", "status"]).env("CHANCERY_DATABASE_URL", &own).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_schema_is_migrated_on_request() {
    let (dir, postgres, database) = database();
    let dir = dir.path();
    let migrate =
        |args: &[&str]| run(dir, &[&["migrate"], args, &["--database-url-file", "database.url"][..]].concat());
    let before = migrate(&["status", "-o", "json"]).fails(1, &[]).json();
    assert_eq!((before["applied"].as_array().unwrap().len(), &before["pending"][0]["name"]), (0, &"schema".into()));
    let up = migrate(&["up"]).succeeds();
    assert!(up.stdout.contains("schema") && up.stdout.contains("applied"), "{up:#?}");
    assert_eq!(migrate(&["up"]).succeeds().stdout, up.stdout, "twice is once");
    migrate(&["status"]).succeeds();
    init(dir, "data").succeeds();

    // What a newer build applied is not touched; what lacks a migration is not served.
    let history = "refinery_schema_history";
    let newer = format!("INSERT INTO {history} SELECT 99, name, applied_on, checksum FROM {history} WHERE version = 1");
    postgres.psql(&database, &newer).unwrap();
    run(dir, &SERVE).fails(2, &["has version 99", "use the newer build"]);
    postgres.psql(&database, &format!("DELETE FROM {history} WHERE version = 99")).unwrap();
    postgres.psql(&database, &format!("CREATE TABLE kept AS SELECT * FROM {history}")).unwrap();
    postgres.psql(&database, &format!("DELETE FROM {history}")).unwrap();
    run(dir, &SERVE).fails(2, &["lacks 9 migrations", "chancery migrate up"]);
    postgres.psql(&database, &format!("INSERT INTO {history} SELECT * FROM kept")).unwrap();
    let server = Server::start(dir, &SERVE);
    assert_eq!(server.stop(), 0);

    run(dir, &["migrate", "up"]).fails(2, &["--data", "--database-url-file"]);
    run(dir, &["migrate", "status", "--data", "absent"]).fails(3, &["there is no store in absent"]);
    run(dir, &["init", "--data", "embedded", "--key-file", "embedded.key"]).succeeds();
    for what in ["status", "up"] {
        let state = run(dir, &["migrate", what, "--data", "embedded", "-o", "json"]).succeeds().json();
        assert_eq!(
            (&state["applied"][0]["version"], &state["pending"]),
            (&1.into(), &serde_json::json!([])),
            "{state}"
        );
    }
    let server = Server::start(dir, &["serve", "--data", "embedded", "--listen", "127.0.0.1:0"]);
    run(dir, &["migrate", "status", "--data", "embedded"]).succeeds();
    run(dir, &["migrate", "up", "--data", "embedded"]).fails(5, &["another process", "stop it"]);
    assert_eq!(server.stop(), 0);
    std::fs::remove_file(dir.join("embedded/chancery.db")).unwrap();
    run(dir, &["serve", "--data", "embedded", "--listen", "127.0.0.1:0"]).fails(3, &["there is no store in embedded"]);
}
