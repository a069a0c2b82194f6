//! What a call's answer counts as, against a server that answers as told.

use chancery_base::Timestamp;
use chancery_base::webhook::{Headers, SigningSecret, verify};
use chancery_engine::definition::{HttpRequest, Method};
use chancery_shard::input::ReportedOutcome;
use chancery_targets::{AllowList, Call, Callback, Guard, HttpTarget, Verdict, verdict};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What the server does with the one connection that it takes.
enum Script {
    /// Reads the request, then writes this and closes.
    Answer(Vec<u8>),
    /// Reads the request, then closes.
    Cut,
    /// Reads the request, then is silent.
    Silent,
}

/// Starts a server for one request; gives its origin and, later, the request as it came.
async fn server(script: Script) -> (String, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (send, receive) = oneshot::channel();
    // The clippy lint on spawning is for the product, whose shutdown waits; a test's server ends with its runtime.
    drop(tokio::runtime::Handle::current().spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !is_whole(&request) {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).await.unwrap();
            request.extend_from_slice(&part[..read]);
        }
        send.send(String::from_utf8(request).unwrap()).unwrap();
        match script {
            Script::Answer(bytes) => {
                // A caller that stops reading in the middle closes the connection.
                drop(stream.write_all(&bytes).await);
                drop(stream.shutdown().await);
            }
            Script::Cut => {}
            Script::Silent => std::future::pending().await,
        }
    }));
    (origin, receive)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn http(status: &str, headers: &str, body: &str) -> Script {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n");
    Script::Answer([head.as_bytes(), body.as_bytes()].concat())
}

/// What a call says besides its request.
#[derive(Debug, Clone, Copy)]
struct Told<'a> {
    key: &'a str,
    timeout: Duration,
    signing: &'a [SigningSecret],
    callback: Option<Callback<'a>>,
    /// JSON.
    limits: &'a str,
}

const USUAL: Told<'_> = Told { key: "k", timeout: Duration::from_secs(10), signing: &[], callback: None, limits: "{}" };
const NOW: Timestamp = Timestamp::from_micros(1_614_265_330_000_000);

async fn call_with(allow: &str, call: &HttpRequest, told: Told<'_>) -> ReportedOutcome {
    call_through(Guard::default(), allow, call, told).await
}

async fn call_through(guard: Guard, allow: &str, call: &HttpRequest, told: Told<'_>) -> ReportedOutcome {
    let target = HttpTarget::new(allow.parse().unwrap(), guard).unwrap();
    let body = json!({"amount": 7});
    let limits: Map<String, Value> = serde_json::from_str(told.limits).unwrap();
    let call = Call {
        http: call,
        body: &body,
        idempotency_key: told.key,
        forward_key: Some("order-1/charge"),
        forward_unknown: true,
        limits: &limits,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        transaction: "txn_1",
        timeout: told.timeout,
        signing: told.signing,
        now: NOW,
        callback: told.callback,
    };
    target.call(call).await
}

fn post(url: String) -> HttpRequest {
    HttpRequest { method: Method::Post, url, headers: Vec::new(), keep: Vec::new() }
}

/// The outcome in one line.
fn show(outcome: &ReportedOutcome) -> String {
    let error = |error: &chancery_engine::StepError| {
        let status = error.detail.as_ref().and_then(|detail| detail.get("status")).map(ToString::to_string);
        let last = if error.is_final { " final" } else { "" };
        format!("{}{}{last}", error.r#type, status.map(|status| format!(" {status}")).unwrap_or_default())
    };
    match outcome {
        ReportedOutcome::Completed(output) => format!("completed {}", output.value()),
        ReportedOutcome::Failed(failed) => format!("failed {}", error(failed)),
        ReportedOutcome::Unknown(unknown) => format!("unknown {}", error(unknown)),
        ReportedOutcome::Accepted => "accepted".to_owned(),
    }
}

async fn check(script: Script, expected: &str) {
    let (origin, _request) = server(script).await;
    let outcome = call_with(&origin, &post(format!("{origin}/charges")), USUAL).await;
    assert_eq!(show(&outcome), expected);
}

#[tokio::test]
async fn an_answer_counts_as_what_the_target_said() {
    check(http("200 OK", "", r#"{"id": 5}"#), r#"completed {"id":5}"#).await;
    check(http("204 No Content", "", ""), "completed null").await;
    check(http("200 OK", "", "thanks"), r#"completed {"status":200,"text":"thanks"}"#).await;
    check(http("201 Created", "", r#"{"a":1,"a":2}"#), r#"completed {"status":201,"text":"{\"a\":1,\"a\":2}"}"#).await;
    check(http("400 Bad Request", "", ""), "failed HttpStatus 400 final").await;
    check(http("404 Not Found", "", ""), "failed HttpStatus 404 final").await;
    check(http("302 Found", "location: http://127.0.0.1:1/\r\n", ""), "failed HttpStatus 302 final").await;
    for status in ["408 Request Timeout", "425 Too Early", "429 Too Many Requests", "500 Oops", "503 Busy"] {
        let number = status.split(' ').next().unwrap();
        check(http(status, "", "x"), &format!("unknown HttpStatus {number}")).await;
    }
}

#[tokio::test]
async fn what_may_have_taken_effect_is_unknown() {
    check(Script::Cut, "unknown Connection").await;
    check(Script::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab".to_vec()), "unknown Connection").await;
    check(http("200 OK", "", &"x".repeat((1 << 20) + 1)), "unknown ResponseTooLarge final").await;
    let (origin, _request) = server(Script::Silent).await;
    let told = Told { timeout: Duration::from_millis(50), ..USUAL };
    let outcome = call_with(&origin, &post(origin.clone()), told).await;
    assert_eq!(show(&outcome), "unknown Timeout");
}

#[tokio::test]
async fn what_was_not_sent_failed() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let origin = format!("http://{free}");
    let outcome = call_with(&origin, &post(origin.clone()), USUAL).await;
    assert_eq!(show(&outcome), "failed Connection");
}

#[tokio::test]
async fn what_is_not_allowed_is_not_called() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    for (allow, call, expected) in [
        ("", post(origin.clone()), "failed TargetNotAllowed final"),
        ("https://example.org", post(origin.clone()), "failed TargetNotAllowed final"),
        (origin.as_str(), post(String::from("file:///etc/passwd")), "failed TargetNotAllowed final"),
        (origin.as_str(), post(String::from("no url")), "failed BadRequest final"),
        (
            origin.as_str(),
            HttpRequest { headers: vec![(String::from("Host"), String::from("elsewhere"))], ..post(origin.clone()) },
            "failed BadRequest final",
        ),
    ] {
        let outcome = call_with(allow, &call, USUAL).await;
        assert_eq!(show(&outcome), expected, "{call:?}");
    }
    let nobody = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
    assert!(nobody.is_err(), "somebody called");
}

#[tokio::test]
async fn a_request_carries_key_trace_and_transaction_once() {
    let (origin, request) = server(http("200 OK", "", "")).await;
    let headers = [("X-Shop", "7"), ("Idempotency-Key", "forged")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let call = HttpRequest { headers, ..post(format!("{origin}/charges?a=b")) };
    call_with(&origin, &call, Told { key: "käse/1 %", limits: r#"{"network":[],"timeout":"30s"}"#, ..USUAL }).await;
    let request = request.await.unwrap();
    assert!(request.starts_with("POST /charges?a=b HTTP/1.1\r\n"), "{request}");
    for line in [
        "idempotency-key: k%C3%A4se/1%20%25",
        "x-forward-idempotency-key: order-1/charge",
        "x-forward-outcome: unknown",
        r#"x-limits: {"network":[],"timeout":"30s"}"#,
        "x-transactional-id: txn_1",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "x-shop: 7",
        "content-type: application/json",
    ] {
        assert_eq!(request.to_lowercase().matches(&line.to_lowercase()).count(), 1, "{line}\n{request}");
    }
    assert!(!request.contains("forged"));
    assert!(request.ends_with(r#"{"amount":7}"#));
}

#[tokio::test]
async fn a_name_is_called_only_at_an_address_that_may_be() {
    let (origin, _request) = server(http("200 OK", "", "1")).await;
    let named = origin.replace("127.0.0.1", "localhost");
    let outcome = call_with(&named, &post(named.clone()), USUAL).await;
    assert_eq!(show(&outcome), "failed TargetNotAllowed final");
    let outcome = call_through(Guard::with_loopback(), &named, &post(named.clone()), USUAL).await;
    assert_eq!(show(&outcome), "completed 1");
}

#[tokio::test]
async fn an_origin_that_reads_as_another_is_not_called() {
    let outcome = call_with("http://127.0.0.1:9", &post("http://2130706433:9/".to_owned()), USUAL).await;
    assert_eq!(show(&outcome), "failed BadRequest final");
    let metadata = "http://169.254.169.254";
    let outcome = call_with(metadata, &post(metadata.to_owned()), USUAL).await;
    assert_eq!(show(&outcome), "failed TargetNotAllowed final");
}

#[tokio::test]
async fn a_call_is_signed_with_every_secret_and_the_receiver_can_tell() {
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"];
    let secrets = secrets.map(|text| SigningSecret::parse(text).unwrap());
    let (origin, request) = server(http("200 OK", "", "")).await;
    let headers = vec![(String::from("Webhook-Signature"), String::from("v1,forged"))];
    let call = HttpRequest { headers, ..post(origin.clone()) };
    call_with(&origin, &call, Told { signing: &secrets, ..USUAL }).await;
    let request = request.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
    let headers = Headers {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    assert!(headers.id.starts_with("msg_") && !headers.id.contains('.') && headers.timestamp == "1614265330");
    for secret in &secrets {
        assert_eq!(verify(std::slice::from_ref(secret), headers, body.as_bytes(), NOW), Ok(()));
    }
    assert!(verify(&secrets, headers, b"{}", NOW).is_err());
    assert!(!head.contains("forged"));
}

#[tokio::test]
async fn what_is_not_signed_says_nothing_of_it() {
    let (origin, request) = server(http("200 OK", "", "")).await;
    let headers = vec![(String::from("webhook-id"), String::from("forged"))];
    call_with(&origin, &HttpRequest { headers, ..post(origin.clone()) }, USUAL).await;
    let request = request.await.unwrap().to_lowercase();
    assert!(!request.contains("webhook-") && !request.contains("chancery-task-token"), "{request}");
}

#[tokio::test]
async fn a_target_may_report_later_where_it_is_told_where() {
    let callback = Some(Callback { url: "https://chancery.example/v1/callbacks/acme", token: "tsk_1" });
    let (origin, request) = server(http("202 Accepted", "", "{}")).await;
    let outcome = call_with(&origin, &post(origin.clone()), Told { callback, ..USUAL }).await;
    assert_eq!(show(&outcome), "accepted");
    let request = request.await.unwrap().to_lowercase();
    for line in ["chancery-callback: https://chancery.example/v1/callbacks/acme", "chancery-task-token: tsk_1"] {
        assert!(request.contains(line), "{line}\n{request}");
    }
    check(http("202 Accepted", "", r#"{"id":1}"#), r#"completed {"id":1}"#).await;
}

#[tokio::test]
async fn an_outcome_says_whether_the_target_answers() {
    for (script, expected) in [
        (http("200 OK", "", ""), Some(Verdict::Answers)),
        (http("404 Not Found", "", ""), Some(Verdict::Answers)),
        (http("503 Busy", "", ""), Some(Verdict::Fails)),
        (Script::Cut, Some(Verdict::Fails)),
    ] {
        let (origin, _request) = server(script).await;
        let outcome = call_with(&origin, &post(origin.clone()), USUAL).await;
        assert_eq!(verdict(&outcome), expected, "{outcome:?}");
    }
    let outcome = call_with("", &post("https://a.example".to_owned()), USUAL).await;
    assert_eq!(verdict(&outcome), None);
}

#[test]
fn an_allow_list_takes_origins_and_nothing_else() {
    let list: AllowList = "https://a.example, http://b.example:8080,".parse().unwrap();
    assert_eq!(list.to_string(), "http://b.example:8080,https://a.example:443");
    for (url, permitted) in [
        ("https://a.example/x?y", true),
        ("https://A.EXAMPLE:443/", true),
        ("http://a.example/", false),
        ("https://a.example.evil.example/", false),
        ("http://b.example/", false),
        ("http://b.example:8080/", true),
    ] {
        assert_eq!(list.permits(&url.parse().unwrap()), permitted, "{url}");
    }
    for wrong in ["a.example", "ftp://a.example", "https://a.example/path", "https://u:p@a.example", "https://a?x"] {
        assert!(wrong.parse::<AllowList>().is_err(), "{wrong}");
    }
    let many = |count: usize| (0..count).map(|number| format!("https://a{number}.example")).collect::<Vec<_>>();
    let most = chancery_base::limits::TARGETS_MAX;
    assert!(many(most).join(",").parse::<AllowList>().is_ok());
    let error = many(most + 1).join(",").parse::<AllowList>().unwrap_err();
    assert_eq!(error.to_string(), format!("{} origins, at most {most} are allowed", most + 1));
}

#[tokio::test]
async fn headers_of_an_answer_are_kept_where_they_are_asked_for() {
    let keep = ["etag", "link", "x-none"].map(str::to_owned).to_vec();
    let sent = "ETag: \"7\"\r\nLink: <a>\r\nLink: <b>\r\nSet-Cookie: secret\r\n";
    for (body, kept) in [(r#"{"id": 1}"#, json!({"id": 1})), ("", Value::Null)] {
        let (origin, _request) = server(http("201 Created", sent, body)).await;
        let outcome = call_with(&origin, &HttpRequest { keep: keep.clone(), ..post(origin.clone()) }, USUAL).await;
        let ReportedOutcome::Completed(output) = outcome else { panic!("{outcome:?}") };
        assert_eq!(*output.value(), json!({"headers": {"etag": "\"7\"", "link": "<a>, <b>"}, "body": kept}));
    }
}
