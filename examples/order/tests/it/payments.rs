//! The payment service by itself: over HTTP, with a key that repeats.

use order_example::payments::{self, Payments, Rules};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

async fn start(dir: &Path, rules: Rules) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Payments::open(dir, rules).unwrap().router();
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    drop(tokio::spawn(async move { axum::serve(listener, router).await }));
    address
}

/// A call as any HTTP client makes it.
async fn call(address: SocketAddr, path: &'static str, key: Option<&'static str>, body: Value) -> (u16, Value) {
    let exchange = move || {
        let body = body.to_string();
        let key = key.map(|key| format!("Idempotency-Key: {key}\r\n")).unwrap_or_default();
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: payments\r\nConnection: close\r\n{key}");
        let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all((head + &rest).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}

fn charge(reference: &str, card: &str) -> Value {
    json!({"reference": reference, "amount": 100, "card": card})
}

#[tokio::test]
async fn a_charge_happens_once_per_key() {
    let dir = tempfile::tempdir().unwrap();
    let address = start(dir.path(), Rules::default()).await;
    let first = call(address, "/charges", Some("k1"), charge("r1", "visa")).await;
    assert_eq!(first, (201, json!({"charge": "charge-1", "amount": 100})));
    assert_eq!(call(address, "/charges", Some("k1"), charge("r1", "visa")).await, first);
    assert_eq!(call(address, "/charges", Some("k2"), charge("r2", "visa")).await.1["charge"], "charge-2");
    let lines = payments::read(&dir.path().join("payments.jsonl")).unwrap();
    let told: Vec<(&str, &str)> = lines.iter().map(|line| (line.key.as_str(), line.result.as_str())).collect();
    let wanted = [("k1", "received"), ("k1", "answered"), ("k1", "received"), ("k1", "repeated")];
    assert_eq!(told.iter().take(4).copied().collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn a_refund_undoes_and_shuts_out_what_comes_late() {
    let dir = tempfile::tempdir().unwrap();
    let address = start(dir.path(), Rules::default()).await;
    call(address, "/charges", Some("k1"), charge("r1", "visa")).await;
    let refunded = call(address, "/refunds", Some("k1/undo"), json!({"reference": "r1"})).await;
    assert_eq!(refunded, (201, json!({"refunded": {"charge": "charge-1", "amount": 100}})));
    let early = call(address, "/refunds", Some("k2/undo"), json!({"reference": "r2"})).await;
    assert_eq!(early, (200, json!({"refunded": null})));
    assert_eq!(call(address, "/charges", Some("k2"), charge("r2", "visa")).await.0, 409);
}

#[tokio::test]
async fn a_card_is_declined_and_a_call_without_a_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let address = start(dir.path(), Rules::default()).await;
    let declined = call(address, "/charges", Some("k1"), charge("r1", payments::DECLINED_CARD)).await;
    assert_eq!(declined, (402, json!({"error": "card_declined"})));
    assert_eq!(call(address, "/charges", None, charge("r1", "visa")).await.0, 400);
    let other = tempfile::tempdir().unwrap();
    let address = start(other.path(), Rules { accepts_all: true }).await;
    assert_eq!(call(address, "/charges", Some("k1"), charge("r1", payments::DECLINED_CARD)).await.0, 201);
}
