//! `chancery notifier`: a webhook and mail tell what is asked of people, across kills of the server, and lose none.

use crate::support::{Server, ask, run, wait_for, write};
use chancery_base::webhook::{ID, SIGNATURE, SigningSecret, TIMESTAMP};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/starter");
const ASK: &str = "
name: ask
version: 1
steps:
  - {id: approve, run: {request: {title: Pay it?, role: finance, sla: 4h}}, with: {iban: secret-iban}}
";
const WHY: [&str; 2] = ["--justification", "checked against invoice 4711"];

/// What was told to a server of the test's own, a text a message.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn has(&self, text: &str) -> Option<String> {
        self.all().into_iter().find(|heard| heard.contains(text))
    }
}

/// Serves each connection by `serve`, which gives what it heard.
fn listen(at: &str, serve: fn(TcpStream) -> Option<String>) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind(at).unwrap();
    let (addr, heard) = (listener.local_addr().unwrap(), Heard::default());
    let into = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let into = into.clone();
            std::thread::spawn(move || into.0.lock().unwrap().extend(stream.ok().and_then(serve)));
        }
    });
    (addr, heard)
}

/// Takes POSTs: head and body.
fn webhook(stream: TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        (reader.read_line(&mut text).ok()? > 0).then_some(())?;
    }
    let length = header(&text, "content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    reader.get_mut().write_all(answer).ok()?;
    Some(text + &String::from_utf8(body).ok()?)
}

fn header(text: &str, name: &str) -> Option<String> {
    let (head, _) = text.split_once("\r\n\r\n")?;
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// Takes mail: enough of SMTP for one message a connection.
fn smtp(stream: TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut mail = String::new();
    reader.get_mut().write_all(b"220 relay\r\n").ok()?;
    loop {
        let mut line = String::new();
        (reader.read_line(&mut line).ok()? > 0).then_some(())?;
        let answer: &[u8] = if line.starts_with("DATA") {
            reader.get_mut().write_all(b"354 go on\r\n").ok()?;
            while !mail.ends_with("\r\n.\r\n") {
                reader.read_line(&mut mail).ok()?;
            }
            reader.get_mut().write_all(b"250 taken\r\n").ok()?;
            return Some(mail);
        } else if line.starts_with("EHLO") {
            b"250-relay\r\n250 8BITMIME\r\n"
        } else {
            b"250 fine\r\n"
        };
        reader.get_mut().write_all(answer).ok()?;
    }
}

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
    let (_, mailed) = listen(&relay_text, smtp);
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
