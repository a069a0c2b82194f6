//! `chancery notifier`: a webhook and mail tell what is asked of people, across kills of the server, and lose none.

use crate::receiver::{header, listen, smtp, webhook};
use crate::support::{Server, ask, run, wait_for, write};
use chancery_base::webhook::{ID, SIGNATURE, SigningSecret, TIMESTAMP};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/starter");
const ASK: &str = "
name: ask
version: 1
steps:
  - {id: approve, run: {request: {title: Pay it?, role: finance, sla: 4h}}, with: {iban: secret-iban}}
";
const WHY: [&str; 2] = ["--justification", "checked against invoice 4711"];

/// A free port that nobody listens at yet.
fn later() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Two notifiers that tell of everything, one that keeps a password, and what is refused.
fn set_up(at: &Path, server: &Server, origin: &str, relay: &str) {
    let url = format!("{origin}/asked");
    ask(at, server, "acme", &["notifier", "set", "desk", "--webhook", &url]).succeeds();
    let mail = ["--from", "chancery@example.org", "--to", "ann@example.org"];
    let by_mail = [&["notifier", "set", "mail", "--smtp", relay, "--tls", "none"][..], &mail].concat();
    ask(at, server, "acme", &by_mail).succeeds();
    write(at, "smtp.password", "hunter2-hunter2\n", 0o600);
    let with_password = ["--username", "chancery", "--password-file", "smtp.password"];
    let in_the_clear = ask(at, server, "acme", &[&by_mail[..], &with_password].concat());
    in_the_clear.fails(2, &["a password is not sent in the clear"]);
    let kept = [&["notifier", "set", "kept", "--smtp", relay][..], &mail, &with_password].concat();
    let kept = [&kept[..], &["--event", "override.reviewed"]].concat();
    let shown = ask(at, server, "acme", &[&kept[..], &["-o", "json"]].concat()).succeeds();
    assert!(!shown.stdout.contains("hunter2") && shown.json()["password"] == true, "{}", shown.stdout);
    ask(at, server, "acme", &["notifier", "set", "x", "--webhook", &url, "--event", "nothing"])
        .fails(2, &["`nothing` is nothing that is told of"]);
    ask(at, server, "ann", &["notifier", "delete", "desk"]).fails(4, &["notifier:set"]);
    ask(at, server, "acme", &["notifier", "test", "mail"]).fails(1, &[]);
    // Who runs the node is told by which flag it could.
    ask(at, server, "acme", &["notifier", "set", "far", "--webhook", "https://far.example/asked"]).succeeds();
    let far = ask(at, server, "acme", &["notifier", "test", "far"]);
    assert!(far.code == 1 && far.stdout.contains("--allow-http-target https://far.example"), "{far:?}");
    let near = [&["notifier", "set", "far", "--smtp", "10.1.2.3:25", "--tls", "none"][..], &mail].concat();
    ask(at, server, "acme", &near).succeeds();
    let near = ask(at, server, "acme", &["notifier", "test", "far"]);
    assert!(near.code == 1 && near.stdout.contains("--allow-target-network"), "{near:?}");
    ask(at, server, "acme", &["notifier", "delete", "far"]).succeeds();
}

#[test]
fn what_is_asked_is_told_by_webhook_and_mail_and_a_kill_in_between_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    run(at, &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let (hook, hooked) = listen("127.0.0.1:0", webhook);
    let relay = later();
    let origin = format!("http://{hook}");
    let serve = ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--allow-http-target", &origin];
    let serve = [&serve[..], &["--allow-target-network", "127.0.0.0/8"]].concat();
    let server = Server::start(at, &serve);
    ask(at, &server, "system", &["tenant", "create", "acme", "--key-out", "acme.key"]).succeeds();
    ask(at, &server, "acme", &["bundle", "push", BUNDLE, "--activate"]).succeeds();
    write(at, "ask.yaml", ASK, 0o644);
    ask(at, &server, "acme", &["definition", "push", "ask.yaml"]).succeeds();
    let ann = ["principal", "create", "--kind", "user", "--name", "ann", "--role", "approver", "--role", "finance"];
    ask(at, &server, "acme", &[&ann[..], &["--key-out", "ann.key"]].concat()).succeeds();
    let issued = ask(at, &server, "acme", &["signing-secret", "issue", "-o", "json"]).succeeds().json();
    let secret = SigningSecret::parse(issued["secret"].as_str().unwrap()).unwrap();

    set_up(at, &server, &origin, &relay.to_string());
    let relay_text = relay.to_string();

    // The relay is away: the webhook is told, mail is tried again.
    ask(at, &server, "acme", &["tx", "start", "ask"]).succeeds();
    let heard = wait_for("the webhook", || hooked.has("request.opened"));
    let (_, body) = heard.split_once("\r\n\r\n").unwrap();
    let said = |name| header(&heard, name).unwrap();
    let signed = secret.sign(&said(ID), said(TIMESTAMP).parse().unwrap(), body.as_bytes());
    assert_eq!(said(SIGNATURE), signed, "it is signed as calls of targets are");
    assert!(body.contains("Pay it?") && body.contains("chancery request approve req_"), "{body}");
    assert!(!body.contains("secret-iban"), "no payload is told: {body}");
    wait_for("trouble", || {
        let listed = ask(at, &server, "acme", &["notifier", "list", "-o", "json"]).succeeds().json();
        let items = listed["items"].as_array()?;
        items.iter().find(|notifier| notifier["name"] == "mail")?["retrying"]["error"].as_str().map(str::to_owned)
    });

    server.kill();
    let (_, mailed) = listen(&relay_text, |stream| smtp(stream, true));
    let server = Server::start_saying(at, &serve, "second.err");
    let first = wait_for("mail after a kill", || mailed.has("request.opened"));
    for text in ["Subject: [chancery acme]", "To: ann@example.org", "chancery request approve req_", "Pay it?"] {
        assert!(first.contains(text), "{text}: {first}");
    }
    assert!(!first.contains("secret-iban"), "{first}");
    ask(at, &server, "acme", &["notifier", "test", "mail"]).succeeds();
    wait_for("the test", || mailed.has("notifier.test"));
    let listed = ask(at, &server, "ann", &["request", "list", "--mine", "-o", "json"]).succeeds().json();
    let request = listed["items"][0]["id"].as_str().unwrap().to_owned();
    ask(at, &server, "ann", &[&["request", "approve", &request][..], &WHY].concat()).succeeds();
    let answered = wait_for("the answer", || mailed.has("request.answered"));
    assert!(answered.contains("approved") && answered.contains("ann (usr_"), "{answered}");
    wait_for("the answer", || hooked.has("request.answered"));

    let deleted = ask(at, &server, "acme", &["notifier", "delete", "kept"]).succeeds().stderr;
    assert!(deleted.contains("is deleted"), "{deleted}");
    assert_eq!(server.stop(), 0);
    run(at, &["verify", "--data", "data"]).succeeds();
    let ids = |heard: &[String]| {
        let of = heard.iter().filter_map(|heard| header(heard, ID).or_else(|| header(heard, "Message-ID")));
        of.collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(ids(&hooked.all()), 2, "what is told twice has one id");
}

const SCHEMA: &str = "
entity User, Service, Agent = { name: String };
entity Definition;
entity Step in [Definition];
action start, run, pay appliesTo { principal: [User, Service, Agent], resource: [Definition, Step], context: {} };
";
const HEARD: &str = "
@id(\"dear\") @obligation(\"notify\") @notifier(\"desk\") @reason(\"the desk hears of every payment\")
permit (principal, action == Action::\"pay\", resource);
";
const PAYS: &str = "
name: pays
version: 1
steps:
  - {id: seen, run: noop}
  - {id: pay, action: pay, after: [seen], run: noop, with: {iban: secret-iban}}
";

/// What is permitted under it is told of though the notifier is set on something else; before it is there nothing is.
#[test]
fn an_obligation_has_a_notifier_tell_of_what_it_permits_and_denies_while_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    run(at, &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let (hook, hooked) = listen("127.0.0.1:0", webhook);
    let origin = format!("http://{hook}");
    let serve = ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--allow-http-target", &origin];
    let server = Server::start(at, &[&serve[..], &["--allow-target-network", "127.0.0.0/8"]].concat());
    ask(at, &server, "system", &["tenant", "create", "acme", "--key-out", "acme.key"]).succeeds();
    let policies = "permit (principal, action, resource);";
    let bundle = "name: heard\nschema: s.cedarschema\npolicies: [p.cedar]\nobligations: [o.cedar]\n";
    let files = [("bundle.yaml", bundle), ("s.cedarschema", SCHEMA), ("p.cedar", policies), ("o.cedar", HEARD)];
    for (name, text) in files {
        write(at, name, text, 0o644);
    }
    let pushed = ask(at, &server, "acme", &["bundle", "push", ".", "--activate"]).succeeds();
    let warning = "obligation `dear`: there is no notifier `desk`: what it applies to is denied until there is one";
    assert!(pushed.stderr.contains(warning), "{pushed:?}");
    write(at, "pays.yaml", PAYS, 0o644);
    ask(at, &server, "acme", &["definition", "push", "pays.yaml"]).succeeds();

    let why = "obligation `dear` demands notify: there is no notifier `desk`";
    let denied = ask(at, &server, "acme", &["tx", "start", "pays", "--wait", "30s", "-o", "json"]);
    assert!(denied.code != 0 && denied.stdout.contains(why), "{denied:?}");
    let question = ["decide", "--action", "pay", "--resource", "Step::pays/pay"];
    let asked = ask(at, &server, "acme", &question);
    assert!(asked.code == 1 && asked.stdout.contains(why), "{asked:?}");

    let url = format!("{origin}/told");
    let set = ["notifier", "set", "desk", "--webhook", &url, "--event", "override.reviewed"];
    ask(at, &server, "acme", &set).succeeds();
    let again = ask(at, &server, "acme", &["bundle", "push", ".", "--activate"]).succeeds();
    assert!(!again.stderr.contains("there is no notifier"), "{again:?}");
    let asked = ask(at, &server, "acme", &question).succeeds().stdout;
    assert!(asked.contains("that it is told by desk (dear): the desk hears of every payment"), "{asked}");
    let started = ask(at, &server, "acme", &["tx", "start", "pays", "--wait", "30s", "-o", "json"]).succeeds().json();
    let heard = wait_for("the webhook", || hooked.has("step.dispatched"));
    let (_, body) = heard.split_once("\r\n\r\n").unwrap();
    let told: serde_json::Value = serde_json::from_str(body).unwrap();
    let facts = ["transaction", "definition", "step", "action", "resource", "obligation", "reason"];
    let expected = [
        started["id"].as_str().unwrap(),
        "pays 1",
        "pay",
        "pay",
        "Step::\"pays/pay\"",
        "dear",
        "the desk hears of every payment",
    ];
    assert_eq!(facts.map(|fact| told["facts"][fact].as_str().unwrap()), expected, "{body}");
    assert_eq!(told["title"], "pay Step::\"pays/pay\" was permitted");
    assert!(!body.contains("secret-iban"), "no input is told: {body}");
    let listed = || ask(at, &server, "acme", &["notifier", "list", "-o", "json"]).succeeds().json()["items"][0].clone();
    wait_for("the entry that it told", || (listed()["told"] == 1).then_some(()));
    assert_eq!(hooked.all().len(), 1, "neither the other step nor the question is told of");
    assert_eq!(server.stop(), 0);
    run(at, &["verify", "--data", "data"]).succeeds();
}
