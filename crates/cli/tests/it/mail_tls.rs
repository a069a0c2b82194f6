//! Mail over TLS: the relay has to be who it says it is, by an authority that the system trusts, and nothing is said to one
//! that is not, or that would go on in the clear.

use crate::receiver::{Heard, listen, smtp};
use crate::support::{SERVE, Server, ask, run, wait_for, write};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// How a relay speaks.
#[derive(Clone, Copy)]
enum Way {
    /// TLS from the first byte.
    Implicit,
    /// In the clear up to `STARTTLS`.
    Starttls,
    /// As if it had never heard of it: somebody in between took it out of what the relay offers.
    Stripped,
    /// It offers it and then says no.
    Withdrawn,
}

/// Makes a certificate, and what a relay that has it serves with.
fn certificate(at: &Path, name: &str, address: &str) -> Arc<ServerConfig> {
    let [cert, key] = ["crt", "key"].map(|kind| at.join(format!("{name}.{kind}")));
    let status = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"])
        .args(["-subj", &format!("/CN={name}"), "-addext", &format!("subjectAltName={address}")])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let (cert, key) = (CertificateDer::from_pem_file(cert).unwrap(), PrivateKeyDer::from_pem_file(key).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![cert], key).unwrap())
}

/// What stands between what a relay hears in the clear and what it hears over TLS.
const TLS: &str = "--- TLS";

fn relay(way: Way, config: &Arc<ServerConfig>) -> (SocketAddr, Heard) {
    let config = Arc::clone(config);
    listen("127.0.0.1:0", move |stream| {
        let mut clear = String::new();
        let (stream, greets) = match way {
            Way::Implicit => (Some(stream), true),
            Way::Starttls => (begin(stream, true, &mut clear), false),
            Way::Withdrawn => (begin(stream, false, &mut clear), false),
            Way::Stripped => {
                clear = smtp(stream, true).unwrap_or_default();
                (None, false)
            }
        };
        let tls = |stream| StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        let mail = stream.and_then(|stream| smtp(tls(stream), greets)).unwrap_or_default();
        Some([&clear, TLS, &mail].concat())
    })
}

/// The part in the clear, up to `STARTTLS`: what goes on over TLS, if it is let.
fn begin(stream: TcpStream, goes_on: bool, heard: &mut String) -> Option<TcpStream> {
    let mut reader = BufReader::new(stream);
    let mut answer: &[u8] = b"220 relay\r\n";
    loop {
        let mut line = String::new();
        reader.get_mut().write_all(answer).ok()?;
        (reader.read_line(&mut line).ok()? > 0).then_some(())?;
        heard.push_str(&line);
        answer = match line.trim_end() {
            "STARTTLS" if goes_on => {
                reader.get_mut().write_all(b"220 go on\r\n").ok()?;
                return Some(reader.into_inner());
            }
            "STARTTLS" => b"454 not now\r\n",
            _ => b"250-relay\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
        };
    }
}

#[test]
fn mail_goes_to_a_relay_that_is_known_to_be_the_one_and_to_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    run(at, &["init", "--data", "data", "--key-file", "system.key"]).succeeds();
    let known = certificate(at, "known", "IP:127.0.0.1");
    let elsewhere = certificate(at, "elsewhere", "DNS:relay.example");
    let unknown = certificate(at, "unknown", "IP:127.0.0.1");
    let trusted = ["known.crt", "elsewhere.crt"].map(|name| std::fs::read_to_string(at.join(name)).unwrap());
    write(at, "trusted.pem", &trusted.concat(), 0o644);
    write(at, "smtp.password", "hunter2-hunter2\n", 0o600);
    let serve = [&SERVE[..], &["--allow-target-network", "127.0.0.0/8"]].concat();
    let trusted = at.join("trusted.pem");
    let server = Server::start_with(at, &serve, "server.err", &[("SSL_CERT_FILE", trusted.as_os_str())]);
    let told = |(relay, heard): (SocketAddr, Heard), tls: &str| {
        let relay = relay.to_string();
        let set = ["notifier", "set", "mail", "--smtp", &relay, "--tls", tls, "--username", "chancery"];
        let rest = ["--password-file", "smtp.password", "--from", "a@example.org", "--to", "b@example.org"];
        ask(at, &server, "system", &[&set[..], &rest].concat()).succeeds();
        let tested = ask(at, &server, "system", &["notifier", "test", "mail"]);
        (tested, wait_for("the end of the connection", || heard.all().pop()))
    };
    for (way, tls) in [(Way::Implicit, "tls"), (Way::Starttls, "starttls")] {
        let (tested, heard) = told(relay(way, &known), tls);
        tested.succeeds();
        let (clear, mail) = heard.split_once(TLS).unwrap();
        assert!(!clear.contains("AUTH") && !clear.contains("MAIL FROM"), "{tls}: {heard}");
        assert!(mail.contains("AUTH PLAIN") && mail.contains("notifier.test"), "{tls}: {heard}");
    }
    for (case, way, config, tls, why) in [
        ("an authority that nobody trusts", Way::Implicit, &unknown, "tls", "UnknownIssuer"),
        ("an authority that nobody trusts", Way::Starttls, &unknown, "starttls", "UnknownIssuer"),
        ("another's name", Way::Implicit, &elsewhere, "tls", "not valid for name"),
        ("another's name", Way::Starttls, &elsewhere, "starttls", "not valid for name"),
        ("no STARTTLS on offer", Way::Stripped, &known, "starttls", "STARTTLS"),
        ("STARTTLS refused", Way::Withdrawn, &known, "starttls", "not now"),
        ("a relay that speaks in the clear", Way::Stripped, &known, "tls", ""),
    ] {
        let (tested, heard) = told(relay(way, config), tls);
        assert!(tested.code == 1 && tested.stdout.contains(why), "{case}, {tls}: {tested:?}");
        assert!(!heard.contains("AUTH") && !heard.contains("MAIL FROM"), "{case}, {tls}: {heard}");
    }
    assert_eq!(server.stop(), 0);
}
