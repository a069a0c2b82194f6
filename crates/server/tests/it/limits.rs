//! Every limit is reached here.

use crate::house::{House, node, options};
use crate::http::{Call, raw};
use chancery_app::Tasks;
use chancery_server::{ServeError, ServerOptions, serve};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_body_above_the_limit_is_refused_whether_it_says_so_or_not() {
    let house = House::with(ServerOptions { body_bytes_max: 1_000, ..options() }).await;
    let start = Call::new("POST", "/v1/transactions").key(&house.owner);
    let said = start.body("application/json", &b" ".repeat(1_001)).send(house.addr).await;
    assert_eq!((said.slug().as_str(), said.problem().detail.as_str()), ("413 too-large", "a body may have 1000 bytes"));
    let head = format!(
        "POST /v1/transactions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
        house.owner
    );
    let chunk = format!("400\r\n{}\r\n0\r\n\r\n", " ".repeat(1_024));
    let unsaid = raw(house.addr, (head + &chunk).as_bytes()).await.unwrap();
    assert_eq!(unsaid.status, 413);
}

#[tokio::test]
async fn headers_and_paths_above_the_limits_are_refused() {
    let house = House::new().await;
    let plain = Call::new("GET", "/health/live");
    let large = plain.clone().header("x-large", &"a".repeat(20_000)).send(house.addr).await;
    assert_eq!(large.slug(), "431 headers-too-large");
    let many = (0..100).fold(plain, |call, number| call.header(&format!("x-{number}"), "a"));
    assert_eq!(many.send(house.addr).await.slug(), "431 headers-too-large");
    let long = Call::new("GET", format!("/health/live?{}", "a".repeat(9_000))).send(house.addr).await;
    assert_eq!(long.slug(), "414 uri-too-long");
    let beyond = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(200_000));
    assert!(raw(house.addr, beyond.as_bytes()).await.is_none_or(|answer| answer.status == 431));
}

#[tokio::test]
async fn who_sends_too_slowly_is_cut_off() {
    let slow = Duration::from_millis(50);
    let house = House::with(ServerOptions { header_timeout: slow, body_timeout: slow, ..options() }).await;
    // Headers that never end: the connection is closed.
    let mut stream = TcpStream::connect(house.addr).await.unwrap();
    stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.unwrap();
    assert!(got.is_empty() || got.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&got));
    // A body that never comes: 408.
    let head = format!(
        "POST /v1/transactions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 10\r\nconnection: close\r\n\r\n{{",
        house.owner
    );
    let answer = raw(house.addr, head.as_bytes()).await.unwrap();
    assert_eq!(answer.slug(), "408 request-timeout");
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_the_next_after_a_close_is_served() {
    let house = House::with(ServerOptions { connections_max: 1, ..options() }).await;
    let mut held = TcpStream::connect(house.addr).await.unwrap();
    held.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // With its answer read, the connection is known to hold the one place.
    let mut some = [0; 15];
    held.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"HTTP/1.1 200 OK");
    let refused = Call::new("GET", "/health/live").send(house.addr).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.json()["type"], "urn:chancery:problem:unavailable");
    drop(held);
    for _ in 0..200 {
        if Call::new("GET", "/health/live").send(house.addr).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place was not given back");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let house = House::new().await;
    let mut stream = TcpStream::connect(house.addr).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"}") {
            got.push(stream.read_u8().await.unwrap());
        }
        assert!(got.starts_with(b"HTTP/1.1 200 OK"));
    }
}

#[tokio::test]
async fn a_port_in_use_and_an_address_beyond_loopback_are_refused() {
    let house = House::new().await;
    let (app, _, _dir) = node().await;
    let busy = serve(app.clone(), ServerOptions { listen: house.addr, ..options() }).await.unwrap_err();
    assert!(matches!(busy, ServeError::Busy { .. }));
    let text = format!("{} is in use: another server, or another program, listens there", house.addr);
    assert_eq!(busy.to_string(), text);
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let remote = serve(app.clone(), ServerOptions { listen: everywhere, ..options() }).await.unwrap_err();
    assert!(matches!(remote, ServeError::Remote { .. }));
    let insecure_remote = true;
    let allowed = serve(app, ServerOptions { listen: everywhere, insecure_remote, ..options() }).await.unwrap();
    assert!(allowed.shutdown().await);
}

#[tokio::test]
async fn a_shutdown_lets_answers_finish_and_closes_the_port() {
    let house = House::new().await;
    house.shop().await;
    let id = house.order(&house.owner).await;
    let waiting = Call::new("GET", format!("/v1/transactions/{id}/result?wait=200ms")).key(&house.owner);
    let addr = house.addr;
    let answer = Tasks::new().spawn(async move { waiting.send(addr).await });
    // An answer to another call says that the one before has been taken, too, or will find the port closed.
    assert_eq!(house.get("/health/ready", &house.owner).await.status, 200);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(house.server.shutdown().await);
    assert_eq!(answer.await.unwrap().json()["status"], json!("running"));
    assert!(TcpStream::connect(addr).await.is_err());
    house.app.shutdown().await.unwrap();
}
