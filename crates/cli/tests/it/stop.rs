//! `chancery stop` against a server: what it sets lasts, is listed and lifted, and verifies.

use crate::support::{SERVE, Server, ask, run};

#[test]
fn stops_are_set_listed_and_lifted_from_the_command_line_and_outlive_the_server() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let server = Server::start(dir.path(), &SERVE);
    let ask = |server: &Server, args: &[&str]| ask(dir.path(), server, "system", args);
    let why = ["--justification", "they are charging twice"];
    assert!(ask(&server, &["stop", "list"]).succeeds().stdout.contains("nothing is stopped"));
    ask(&server, &["stop", "set", "--tenant"]).fails(2, &["--justification"]);
    ask(&server, &[&["stop", "set"][..], &why].concat()).fails(2, &["--tenant", "--principal", "--definition"]);
    ask(&server, &[&["stop", "set", "--tenant", "--action", "run"][..], &why].concat()).fails(2, &["cannot be used"]);
    ask(&server, &[&["stop", "set", "--definition", "nothing"][..], &why].concat()).fails(3, &["definition `nothing`"]);
    let target = ["stop", "set", "--target", "https://payments.example", "-o", "json"];
    let set = ask(&server, &[&target[..], &why].concat()).succeeds().json();
    assert_eq!((&set["on"], &set["name"]), (&"target".into(), &"https:payments.example:443".into()));
    let id = set["id"].as_str().unwrap();
    ask(&server, &[&["stop", "set", "--action", "payments.refund"][..], &why].concat()).succeeds();
    assert_eq!(server.stop(), 0);

    let server = Server::start_saying(dir.path(), &SERVE, "second.err");
    let listed = ask(&server, &["stop", "list"]).succeeds().stdout;
    assert!(listed.contains(id) && listed.contains("payments.refund"), "{listed}");
    assert!(ask(&server, &["stop", "show", id]).succeeds().stdout.contains("they are charging twice"));
    let lift = ["stop", "lift", id, "--justification", "they were paid back"];
    ask(&server, &lift).succeeds();
    ask(&server, &lift).fails(3, &[id]);
    let left = ask(&server, &["stop", "list", "-o", "json"]).succeeds().json();
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.stop(), 0);
    run(dir.path(), &["verify", "--data", "data"]).succeeds();
}
