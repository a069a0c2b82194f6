//! A server of our own: its start, its end, and what is in its way.

use crate::support::{SERVE, Server, ask, command, run, write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A data directory and its owner's key.
pub(crate) fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(dir.path(), &["init", "--data", "data", "--key-file", "system.key", "-o", "json"]).succeeds();
    assert!(ran.stderr.contains("next:\n  chancery serve --data data"), "{ran:#?}");
    let made = ran.json();
    assert_eq!((&made["tenant"], &made["cluster"]), (&"system".into(), &"chancery".into()));
    assert!(made["verifier_key"].as_str().unwrap().starts_with("chancery+"), "{made}");
    let mode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("system.key")), (0o700, 0o600));
    let key = std::fs::read_to_string(dir.path().join("system.key")).unwrap();
    assert!(!ran.stdout.contains(key.trim()) && !ran.stderr.contains(key.trim()), "the key is not shown");
    dir
}

#[test]
fn init_overwrites_nothing() {
    let dir = made();
    let key = std::fs::read(dir.path().join("system.key")).unwrap();
    let ran = run(dir.path(), &["init", "--data", "other", "--key-file", "system.key"]);
    ran.fails(2, &["failed to write system.key", "it exists already"]);
    assert!(!dir.path().join("other").exists());
    let ran = run(dir.path(), &["init", "--data", "data", "--key-file", "new.key"]);
    ran.fails(5, &["data holds keys already", "chancery serve --data data"]);
    assert!(!dir.path().join("new.key").exists());
    assert_eq!(std::fs::read(dir.path().join("system.key")).unwrap(), key);
    run(dir.path(), &["init", "--data", "third"]).fails(2, &["--key-file"]);
}

#[test]
fn a_server_ends_in_order_and_what_it_left_verifies() {
    let dir = made();
    let server = Server::start(dir.path(), &SERVE);
    let ask = |args: &[&str]| ask(dir.path(), &server, "system", args);
    assert_eq!(ask(&["ledger", "logs", "-o", "json"]).succeeds().json()["items"][0]["origin"], "chancery/system/0/1");
    ask(&["tenant", "create", "acme", "--key-out", "acme.key"]).succeeds();
    ask(&["tenant", "create", "acme", "--key-out", "again.key"]).fails(5, &["error: "]);
    assert!(!dir.path().join("again.key").exists(), "no key, no file");
    ask(&["tx", "get", "txn_019312d8a0b07c3e9f2a4b5c6d7e8f90"]).fails(3, &["error: "]);
    let stranger =
        "chk_019312d8a0b07c3e9f2a4b5c6d7e8f90_00000000000000000000000000000000000000000000000000000000000000ff";
    write(dir.path(), "stranger.key", stranger, 0o600);
    let ran = run(dir.path(), &["tx", "list", "--server", &server.url, "--key-file", "stranger.key"]);
    ran.fails(4, &["error: ", "try: the key is unknown"]);

    let second = run(dir.path(), &SERVE);
    second.fails(5, &["another process", "has the store in data open"]);

    // Verification does not need the server to be down.
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
    let key = ask(&["ledger", "key"]).succeeds().stdout;
    let checkpoint = ask(&["ledger", "checkpoint"]).succeeds().stdout;
    write(dir.path(), "kept.checkpoint", &checkpoint, 0o644);
    ask(&["principal", "create", "--kind", "service", "--name", "shop", "--role", "service"]).succeeds();
    assert_eq!(server.stop(), 0);
    let args = ["verify", "log", "--data", "data", "--checkpoint", "kept.checkpoint", "--key", key.trim()];
    let ran = run(dir.path(), &args).succeeds();
    assert!(ran.stdout.starts_with("store    verified\n"), "{ran:#?}");
    let ran = run(dir.path(), &["verify", "log", "--data", "data", "-o", "json"]).succeeds();
    assert_eq!(ran.json()["logs"].as_array().unwrap().len(), 2);

    let rewritten = checkpoint.replacen("chancery/system/0/1\n", "chancery/system/0/9\n", 1);
    write(dir.path(), "wrong.checkpoint", &rewritten, 0o644);
    let args = ["verify", "log", "--data", "data", "--checkpoint", "wrong.checkpoint"];
    run(dir.path(), &args).fails(1, &["data does not verify: ", "chancery/system/0/9"]);
}

#[test]
fn queues_are_limited_from_the_command_line_and_stay_so() {
    let dir = made();
    let server = Server::start(dir.path(), &SERVE);
    let ask = |server: &Server, args: &[&str]| ask(dir.path(), server, "system", args);
    assert!(ask(&server, &["queue", "list"]).succeeds().stdout.contains("no queues"));
    ask(&server, &["queue", "show", "mail.send"]).fails(3, &["there is no queue `mail.send`"]);
    let shown = ask(&server, &["queue", "set", "mail.send", "--rate", "100", "--rate-per", "1m"]).succeeds();
    assert!(shown.stdout.contains("100 in 1m"), "{shown:#?}");
    // What is not named stays.
    let set = ask(&server, &["queue", "set", "mail.send", "--concurrency", "5", "-o", "json"]).succeeds().json();
    assert_eq!(set["settings"], serde_json::json!({"concurrency": 5, "rate": 100, "rate_per": "1m"}));
    let set =
        ask(&server, &["queue", "set", "mail.send", "--worker-version", "2.*", "--worker-version", "1.9.0"]).succeeds();
    assert!(set.stdout.contains("2.* 1.9.0") && set.stdout.contains("100 in 1m"), "{set:#?}");
    ask(&server, &["queue", "set", "mail.send", "--worker-version", "2 0"]).fails(2, &["versions[0]"]);
    let set = ask(&server, &["queue", "set", "mail.send", "--any-version", "-o", "json"]).succeeds().json();
    assert_eq!(set["settings"].get("versions"), None);
    ask(&server, &["queue", "set", "mail.send"]).fails(2, &["--concurrency"]);
    ask(&server, &["queue", "set", "mail.send", "--concurrency", "0"]).fails(2, &["it may be 1 to 100000"]);
    assert_eq!(server.stop(), 0);

    let server = Server::start_saying(dir.path(), &SERVE, "second.err");
    let listed = ask(&server, &["queue", "list"]).succeeds().stdout;
    assert!(listed.contains("mail.send") && listed.contains("100 in 1m"), "{listed}");
    ask(&server, &["queue", "reset", "mail.send"]).succeeds();
    ask(&server, &["queue", "reset", "mail.send"]).fails(3, &["there is no setting of queue `mail.send`"]);
    assert_eq!(server.stop(), 0);
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
}

#[test]
fn maintenance_is_begun_from_the_command_line_and_lasts() {
    let dir = made();
    let server = Server::start(dir.path(), &SERVE);
    let ask = |server: &Server, args: &[&str]| ask(dir.path(), server, "system", args);
    ask(&server, &["maintenance", "on"]).fails(2, &["--justification"]);
    let on = ask(&server, &["maintenance", "on", "--justification", "a new release", "-o", "json"]).succeeds().json();
    assert_eq!((&on["on"], &on["platform"]), (&true.into(), &true.into()), "that of `system` is the platform's");
    assert_eq!((server.status("/ready"), server.stop()), (200, 0));

    let server = Server::start_saying(dir.path(), &SERVE, "second.err");
    let shown = ask(&server, &["maintenance", "show"]).succeeds().stdout;
    assert!(shown.contains("on") && shown.contains("a new release"), "{shown}");
    let off = ask(&server, &["maintenance", "off", "--justification", "it is out", "-o", "json"]).succeeds().json();
    assert_eq!(off, serde_json::json!({"on": false, "platform": false}));
    assert_eq!(server.stop(), 0);
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
}

#[test]
fn a_number_of_running_transactions_that_may_not_be_is_refused() {
    let dir = made();
    for number in ["0", "100001", "many"] {
        let args = ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--running-max", number];
        run(dir.path(), &args).fails(2, &["--running-max"]);
    }
}

#[test]
fn retention_is_said_from_the_command_line_and_lasts() {
    let dir = made();
    let server = Server::start(dir.path(), &SERVE);
    let ask = |server: &Server, args: &[&str]| ask(dir.path(), server, "system", args);
    let usual = ask(&server, &["retention", "show"]).succeeds().stdout;
    assert!(usual.contains("90d (as is usual)") && usual.contains("02:00:00"), "{usual}");
    ask(&server, &["retention", "set"]).fails(2, &["--transactions"]);
    ask(&server, &["retention", "set", "--transactions", "6d"]).fails(2, &["transactions: 6d, it may be 7d to 3650d"]);
    let set = ask(&server, &["retention", "set", "--transactions", "30d", "-o", "json"]).succeeds().json();
    assert_eq!((&set["transactions"], &set["is_default"]), (&"30d".into(), &false.into()));
    assert_eq!(server.stop(), 0);

    let server = Server::start_saying(dir.path(), &SERVE, "second.err");
    let shown = ask(&server, &["retention", "show"]).succeeds().stdout;
    assert!(shown.contains("30d\n"), "{shown}");
    let reset = ask(&server, &["retention", "reset", "-o", "json"]).succeeds().json();
    assert_eq!((&reset["transactions"], &reset["is_default"]), (&"90d".into(), &true.into()));
    assert_eq!(server.stop(), 0);
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
}

#[test]
fn a_busy_port_is_named() {
    let dir = made();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let ran = run(dir.path(), &["serve", "--data", "data", "--listen", &taken]);
    ran.fails(5, &[&format!("{taken} is in use"), "--listen"]);
}

#[test]
fn what_cannot_be_served_is_refused() {
    let dir = made();
    let serve = |args: &[&str]| run(dir.path(), &[&["serve", "--listen", "127.0.0.1:0", "--data"], args].concat());
    serve(&["absent"]).fails(3, &["absent holds no keys", "chancery init"]);
    let open = run(dir.path(), &["serve", "--data", "data", "--listen", "0.0.0.0:0"]);
    open.fails(2, &["speaks no TLS", "--allow-remote"]);
    serve(&["data", "--allow-http-target", "ftp://x"]).fails(2, &["--allow-http-target"]);
    serve(&["data", "--log-filter", "chancery=loud"]).fails(2, &["is not a log filter"]);
    let log_key = dir.path().join("data/keys/log.key");
    std::fs::set_permissions(&log_key, std::fs::Permissions::from_mode(0o644)).unwrap();
    serve(&["data"]).fails(2, &["can be read by others", "chmod 600"]);
}

#[test]
fn a_damaged_store_is_neither_served_nor_verified() {
    let dir = made();
    let database = dir.path().join("data/chancery.db");
    let sound = std::fs::read(&database).unwrap();
    std::fs::write(&database, b"this is no database, whatever its name says").unwrap();
    let ran = run(dir.path(), &SERVE);
    assert!(ran.code != 0 && ran.stderr.contains("is not a SQLite database"), "{ran:#?}");
    run(dir.path(), &["verify", "--data", "data"]).fails(1, &["is not a SQLite database"]);
    let mut newer = sound.clone();
    // `user_version`, bytes 60 to 63 of the header (https://www.sqlite.org/fileformat2.html#the_database_header).
    newer[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
    std::fs::write(&database, &newer).unwrap();
    let ran = run(dir.path(), &SERVE).fails(2, &["schema version 9999"]);
    assert_eq!(ran.stdout, "");
    assert_eq!(std::fs::read(&database).unwrap(), newer, "a newer store is left alone");
    std::fs::write(&database, &sound).unwrap();
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
}

#[test]
fn a_log_in_json_is_json() {
    let dir = made();
    let log = std::fs::File::create(dir.path().join("server.log")).unwrap();
    let mut serve = command(dir.path(), &["serve", "--data", "data", "--listen", "127.0.0.1:0", "--log", "json"]);
    let mut child = serve.stdout(log).spawn().unwrap();
    let lines = || std::fs::read_to_string(dir.path().join("server.log")).unwrap();
    crate::support::wait_for("the server listens", || lines().contains("listening on").then_some(()));
    crate::support::terminate(child.id());
    assert!(child.wait().unwrap().success());
    for line in lines().lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(object["timestamp"].is_string() && object["message"].is_string(), "{line}");
    }
    assert!(Path::new("/proc").exists(), "this test is for Linux");
}
