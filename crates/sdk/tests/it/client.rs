//! The client against a scripted server: what it repeats, what it makes of refusals, how it writes paths.

use crate::server::{Server, client, problem};
use chancery_api::ProblemKind;
use chancery_base::Kind;
use chancery_sdk::{Client, ClientOptions, Error, Secret, Start};
use serde_json::json;

fn hello() -> Start {
    Start::new("hello".parse().unwrap(), json!({"name": "world"}))
}

#[tokio::test]
async fn a_start_with_a_key_is_repeated_while_the_server_is_busy() {
    let server = Server::default();
    let listening = server.listen(0).await;
    for kind in [ProblemKind::Unavailable, ProblemKind::TooMany, ProblemKind::OutcomeUnknown] {
        server.book().refusals.push_back(problem(kind));
    }
    let started = client(listening.address).start(&hello().idempotency_key("k1").label("a", "b")).await.unwrap();
    assert_eq!(started.definition.as_str(), "hello");
    let starts = server.book().starts.clone();
    assert_eq!(starts.len(), 4);
    let body = json!({"definition": "hello", "input": {"name": "world"}, "labels": {"a": "b"}});
    assert!(starts.iter().all(|start| *start == (Some("k1".to_owned()), body.clone())), "{starts:?}");
}

#[tokio::test]
async fn a_start_without_a_key_is_made_once() {
    let server = Server::default();
    let listening = server.listen(0).await;
    server.book().refusals.push_back(problem(ProblemKind::Unavailable));
    let error = client(listening.address).start(&hello()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (Kind::Busy, true));
    assert_eq!(server.book().starts.len(), 1);
}

#[tokio::test]
async fn a_problem_is_given_as_it_came() {
    let server = Server::default();
    let listening = server.listen(0).await;
    server.book().refusals.push_back(problem(ProblemKind::PolicyDenied));
    let error = client(listening.address).start(&hello().idempotency_key("k1")).await.unwrap_err();
    let told = error.problem().expect("it is a problem");
    assert_eq!((told.kind(), error.kind()), (Some(ProblemKind::PolicyDenied), Kind::Denied));
    assert_eq!(error.to_string(), "Denied by policy: as the test wants it");
    assert_eq!(server.book().starts.len(), 1, "asking again would not help");
}

#[tokio::test]
async fn the_wait_that_the_server_asks_for_is_kept() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let mut busy = problem(ProblemKind::TooMany);
    busy.retry_after = Some(60);
    server.book().refusals.push_back(busy);
    let error = client(listening.address).start(&hello().idempotency_key("k1")).await.unwrap_err();
    // A minute is longer than the client's patience, so it does not even begin to wait.
    assert_eq!(error.retry_after().map(|after| after.as_secs()), Some(60));
}

#[tokio::test]
async fn paths_and_queries_are_written_as_they_must_be() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let client = client(listening.address);
    let entry = "txn_019312d8a0b07c3e9f2a4b5c6d7e8f90/charge/undo";
    let path = String::from_utf8(client.receipt(entry).await.unwrap()).unwrap();
    assert_eq!(path, format!("/v1/receipts/{entry}"));
    let path = client.receipt("a?b#c d").await.unwrap();
    assert_eq!(path, b"/v1/receipts/a%3Fb%23c%20d");
    let mut pages = client.principals().limit(5);
    assert_eq!(pages.next().await.unwrap(), Some(vec![]));
    assert_eq!(pages.cursor(), Some("a b&c"));
    assert_eq!(pages.next().await.unwrap(), Some(vec![]));
    assert_eq!(pages.next().await.unwrap(), None);
    let paths = server.book().paths.clone();
    assert_eq!(paths.last().unwrap(), "/v1/principals?limit=5&cursor=a+b%26c");
}

#[tokio::test]
async fn what_is_no_server_is_told() {
    let key = || Secret::new("chk_test".to_owned());
    for server in ["", "localhost:1", "ftp://localhost", "http://"] {
        let error = Client::new(ClientOptions::new(server, key())).unwrap_err();
        assert!(matches!(error, Error::Server { .. }), "{server}: {error}");
    }
    let error = Client::new(ClientOptions::new("http://localhost", Secret::new("a\nb".to_owned()))).unwrap_err();
    assert!(!format!("{error:?}").contains("a\nb"), "a key is never shown");
    let server = Server::default();
    let listening = server.listen(0).await;
    let client = client(listening.address);
    let error = client.verifier_key().await;
    assert!(matches!(error, Err(Error::Foreign { status: 502, .. })), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let address = listening.address;
    listening.stop().await;
    let mut options = ClientOptions::new(format!("http://{address}"), Secret::new("chk_test".to_owned()));
    options.patience = std::time::Duration::from_millis(100);
    let error = Client::new(options).unwrap().logs().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert_eq!(error.kind(), Kind::Busy);
}
