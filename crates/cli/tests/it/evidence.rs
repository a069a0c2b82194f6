//! `chancery evidence` against a server: it is added and read, outlives the server, and verifies.

use crate::support::{SERVE, Server, ask, run, run_with, write};

#[test]
fn evidence_is_added_and_read_from_the_command_line_and_outlives_the_server() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let server = Server::start(dir.path(), &SERVE);
    let ask = |server: &Server, args: &[&str]| ask(dir.path(), server, "system", args);
    assert!(ask(&server, &["evidence", "list"]).succeeds().stdout.contains("no evidence"));
    write(dir.path(), "dpia.txt", "we looked at it", 0o644);
    let add = ["evidence", "add", "dpia.txt", "--name", "dpia", "--type", "text/plain", "-o", "json"];
    let added = ask(&server, &add).succeeds().json();
    assert_eq!((&added["size"], &added["type"]), (&15.into(), &"text/plain".into()));
    let id = added["id"].as_str().unwrap();
    let elsewhere = ["evidence", "add", "dpia.txt", "--digest-only", "--name", "film", "-o", "json"];
    let film = ask(&server, &elsewhere).succeeds().json();
    assert_eq!((&film["digest"], film.get("size")), (&added["digest"], None));
    let at = ["--server", &server.url, "--key-file", "system.key"];
    let piped = [&["evidence", "add", "-", "--name", "piped", "--keep", "30d"], &at[..]].concat();
    let piped = run_with(dir.path(), &piped, b"we looked at it").succeeds().stdout;
    assert!(piped.contains(added["digest"].as_str().unwrap()), "{piped}");
    ask(&server, &["evidence", "add", "--name", "dpia"]).fails(2, &["FILE"]);
    ask(&server, &["evidence", "add", "absent.txt", "--name", "dpia"]).fails(2, &["failed to read absent.txt"]);
    ask(&server, &["evidence", "add", "dpia.txt", "--name", "dpia", "--step", "pay"]).fails(2, &["--transaction"]);
    ask(&server, &["evidence", "add", "dpia.txt", "--name", "dpia", "--type", "text"]).fails(2, &["no media type"]);
    let large = "x".repeat((1 << 20) + 1);
    write(dir.path(), "large.txt", &large, 0o644);
    ask(&server, &["evidence", "add", "large.txt", "--name", "dpia"]).fails(2, &["more than 1048576 bytes"]);
    assert_eq!(server.stop(), 0);

    let server = Server::start_saying(dir.path(), &SERVE, "second.err");
    let listed = ask(&server, &["evidence", "list", "--name", "dpia"]).succeeds().stdout;
    assert!(listed.contains(id) && listed.contains("the tenant") && !listed.contains("film"), "{listed}");
    assert!(ask(&server, &["evidence", "show", id]).succeeds().stdout.contains("text/plain"));
    ask(&server, &["evidence", "get", id, "--out", "copy.txt"]).succeeds();
    assert_eq!(std::fs::read_to_string(dir.path().join("copy.txt")).unwrap(), "we looked at it");
    ask(&server, &["evidence", "get", id, "--out", "copy.txt"]).fails(2, &["failed to write copy.txt"]);
    assert_eq!(ask(&server, &["evidence", "get", id, "--out", "-"]).succeeds().stdout, "we looked at it");
    let film = film["id"].as_str().unwrap();
    ask(&server, &["evidence", "get", film, "--out", "film.mp4"]).fails(3, &["stored content of evidence"]);
    assert_eq!(server.stop(), 0);
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
}
