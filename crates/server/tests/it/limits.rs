//! Every limit is reached here.

use crate::house::{House, node, node_with, options};
use crate::http::{Answer, Call, raw};
use chancery_app::{Config, Tasks};
use chancery_server::{CallLimits, ConnectionLimits, ServeError, ServerOptions, Shares, serve};
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

fn connections(all: usize, strangers: usize, tenant: usize) -> ServerOptions {
    ServerOptions { connections: ConnectionLimits { all, strangers, tenant }, ..options() }
}

/// Whether the other side has closed; else it has not within a moment.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut [0; 1])).await;
    read.is_ok_and(|read| read.map_or(true, |bytes| bytes == 0))
}

#[tokio::test]
async fn a_newcomer_takes_the_place_of_the_stranger_that_has_waited_longest() {
    let house = House::with(connections(10, 2, 8)).await;
    let mut silent = TcpStream::connect(house.addr).await.unwrap();
    let mut slow = TcpStream::connect(house.addr).await.unwrap();
    slow.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    assert_eq!(Call::new("GET", "/health/live").send(house.addr).await.status, 200);
    assert!(is_closed(&mut silent).await);
    // What it says slowly does not make it younger; an answer does.
    slow.write_all(b"x: y\r\n\r\n").await.unwrap();
    let mut some = [0; 15];
    slow.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"HTTP/1.1 200 OK");
    let metrics = house.get("/metrics", &house.platform).await;
    assert!(metrics.text().contains("chancery_http_connections_displaced_total{whose=\"stranger\"}"));
}

#[tokio::test]
async fn a_tenant_above_its_share_of_connections_loses_its_idlest() {
    let house = House::with(connections(10, 4, 2)).await;
    let request = |key: &str| format!("GET /v1/ledger/key HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n");
    let mut held = Vec::new();
    for key in [&house.platform, &house.owner, &house.owner, &house.owner] {
        let mut stream = TcpStream::connect(house.addr).await.unwrap();
        stream.write_all(request(key).as_bytes()).await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"\n") || !String::from_utf8_lossy(&got).contains("test.example+") {
            got.push(stream.read_u8().await.unwrap());
        }
        held.push(stream);
    }
    let mut closed = Vec::new();
    for stream in &mut held {
        closed.push(is_closed(stream).await);
    }
    assert_eq!(closed, [false, true, false, false]);
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_where_all_others_are_busy() {
    let house = House::with(connections(1, 1, 1)).await;
    house.shop().await;
    let id = house.order(&house.owner).await;
    let mut held = TcpStream::connect(house.addr).await.unwrap();
    let wait = format!(
        "GET /v1/transactions/{id}/result?wait=20s HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        house.owner
    );
    held.write_all(wait.as_bytes()).await.unwrap();
    let refused = loop {
        // Until the one place is known to be taken, a newcomer takes it, or is served beside it.
        let answer = Call::new("GET", "/health/live").send_at_all(house.addr).await;
        match answer {
            Some(answer) if answer.status == 503 => break answer,
            Some(_) | None => {
                held = TcpStream::connect(house.addr).await.unwrap();
                held.write_all(wait.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["type"], "urn:chancery:problem:unavailable");
    drop(held);
    for _ in 0..200 {
        if Call::new("GET", "/health/live").send_at_all(house.addr).await.is_some_and(|answer| answer.status == 200) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place was not given back");
}

#[tokio::test]
async fn an_answer_that_nobody_takes_ends_the_connection() {
    let house = House::with(ServerOptions { send_timeout: Duration::from_millis(100), ..options() }).await;
    let mut stream = TcpStream::connect(house.addr).await.unwrap();
    // More answers than the sockets' buffers hold, asked for until the server reads no more of it.
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(64);
    let stalled = async { while stream.write_all(&request).await.is_ok() {} };
    let ended = tokio::time::timeout(Duration::from_secs(30), stalled).await;
    assert!(ended.is_ok(), "it is kept");
    let metrics = house.get("/metrics", &house.platform).await;
    assert!(metrics.text().contains("chancery_http_connections_stalled_total"));
}

fn calls(change: impl FnOnce(&mut CallLimits)) -> ServerOptions {
    let mut options = options();
    change(&mut options.calls);
    options
}

/// Opens a call that is held, and waits until it is.
async fn hold(house: &House, call: Call, class: &str, count: usize) -> tokio::task::JoinHandle<Answer> {
    let addr = house.addr;
    let held = Tasks::new().spawn(async move { call.send(addr).await });
    let line = format!("chancery_http_calls{{class=\"{class}\"}} {count}");
    for _ in 0..400 {
        if house.get("/metrics", &house.platform).await.text().lines().any(|said| said == line) {
            return held;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the call is not held");
}

#[tokio::test]
async fn a_principal_and_a_tenant_have_so_many_calls_in_hand() {
    let house = House::with(calls(|calls| {
        calls.calls = Shares { all: 5, tenant: 2, principal: 1 };
        calls.reserved = 1;
    }))
    .await;
    house.shop().await;
    let (_, clerk) = house.principal("clerk", &["operator"]).await;
    let (_, third) = house.principal("third", &["operator"]).await;
    let other = house.tenant("small").await;
    let id = house.order(&house.owner).await;
    let wait = |key: &str| Call::new("GET", format!("/v1/transactions/{id}/result?wait=20s")).key(key);
    // One of the calls that are counted is the one that counts.
    let first = hold(&house, wait(&house.owner), "call", 2).await;
    let again = house.get("/v1/ledger/logs", &house.owner).await;
    assert_eq!(again.slug(), "429 too-many");
    assert_eq!(again.problem().detail, "this principal has as many calls in hand as it may: 1");
    assert_eq!(again.header("retry-after"), Some("1"));
    let second = hold(&house, wait(&clerk), "call", 3).await;
    let above = house.get(&format!("/v1/transactions/{id}"), &third).await;
    assert_eq!(above.problem().detail, "this tenant has as many calls in hand as it may: 2");
    assert_eq!(house.get("/v1/ledger/logs", &other).await.status, 200, "others are served");
    // Its workers have places of their own, and it can end what it waits for.
    let exchange = json!({ "worker": "w", "queues": [{ "name": "reserve", "want": 1 }] });
    let taken = house.post("/v1/workers/exchange", &house.owner, &exchange).await;
    assert_eq!(taken.json()["tasks"].as_array().unwrap().len(), 1, "{}", taken.text());
    let token = taken.json()["tasks"][0]["task"].clone();
    let cancelled = house.post(&format!("/v1/transactions/{id}/cancel"), &house.owner, &json!({})).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.text());
    let report = json!({ "worker": "w", "done": [{ "task": token, "output": { "id": 1 } }] });
    assert_eq!(house.post("/v1/workers/exchange", &house.owner, &report).await.status, 200);
    for held in [first, second] {
        assert_eq!(held.await.unwrap().json()["status"], "cancelled");
    }
    let metrics = house.get("/metrics", &house.platform).await;
    for whose in ["principal", "tenant"] {
        let line = format!("chancery_http_refused_total{{whose=\"{whose}\",what=\"calls\"}}");
        assert!(metrics.text().contains(&line), "{line}");
    }
}

#[tokio::test]
async fn polls_leave_places_for_reports_and_for_other_tenants() {
    let house = House::with(calls(|calls| {
        calls.exchanges = Shares { all: 4, tenant: 3, principal: 3 };
        calls.polls = 1;
    }))
    .await;
    house.shop().await;
    let id = house.order(&house.owner).await;
    let poll = |worker: &str, wait: &str| {
        let queues = json!([{ "name": if worker == "w0" { "reserve" } else { "none" }, "want": 1 }]);
        Call::new("POST", "/v1/workers/exchange").json(&json!({ "worker": worker, "queues": queues, "wait": wait }))
    };
    let taken = poll("w0", "0s").key(&house.owner).send(house.addr).await.json();
    let held = hold(&house, poll("w1", "4s").key(&house.owner), "exchange", 1).await;
    let refused = poll("w2", "4s").key(&house.owner).send(house.addr).await;
    assert_eq!(refused.problem().detail, "this tenant has as many exchanges that wait for tasks in hand as it may: 1");
    // What is reported along with a poll is taken, and the answer comes at once.
    let done = json!([{ "task": taken["tasks"][0]["task"], "output": { "id": 1 } }]);
    let both = json!({ "worker": "w3", "queues": [{ "name": "none", "want": 1 }], "done": done, "wait": "4s" });
    let acks = house.post("/v1/workers/exchange", &house.owner, &both).await.json()["acks"].clone();
    assert_eq!(acks[0]["ack"], "recorded", "{acks}");
    let result = house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json();
    assert_eq!(result["status"], "completed");
    let other = house.tenant("small").await;
    let theirs = poll("w1", "10ms").key(&other).send(house.addr).await;
    assert_eq!(theirs.status, 200, "{}", theirs.text());
    assert_eq!(held.await.unwrap().status, 200);
}

#[tokio::test]
async fn large_bodies_share_the_room() {
    let house = House::with(calls(|calls| {
        calls.room = Shares { all: 300_000, tenant: 200_000, principal: 0 };
    }))
    .await;
    house.shop().await;
    let other = house.tenant("small").await;
    let head = |key: &str, bytes: usize| {
        format!(
            "POST /v1/transactions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n"
        )
    };
    // Most of a body, and no more for now.
    let mut slow = TcpStream::connect(house.addr).await.unwrap();
    slow.write_all(head(&house.owner, 190_000).as_bytes()).await.unwrap();
    slow.write_all(&b" ".repeat(189_000)).await.unwrap();
    for _ in 0..400 {
        let metrics = house.get("/metrics", &house.platform).await;
        if metrics.text().lines().any(|line| line == "chancery_http_room_bytes 190000") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let large = Call::new("POST", "/v1/transactions").body("application/json", &b" ".repeat(100_000));
    let same = large.clone().key(&house.owner).send(house.addr).await;
    assert_eq!(same.problem().detail, "this tenant has as many bytes of bodies and answers in hand as it may: 200000");
    assert_eq!(large.clone().key(&other).send(house.addr).await.slug(), "400 invalid-body", "it was read");
    let larger = Call::new("POST", "/v1/transactions").body("application/json", &b" ".repeat(120_000));
    assert_eq!(larger.key(&other).send(house.addr).await.slug(), "503 unavailable");
    // What is small is read whatever others do, and what has gone leaves room.
    house.order(&house.owner).await;
    drop(slow);
    for _ in 0..400 {
        if large.clone().key(&house.owner).send(house.addr).await.status == 400 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the room was not given back");
}

#[tokio::test]
async fn values_take_room_too() {
    let house = House::with(calls(|calls| {
        calls.room = Shares { all: 300_000, tenant: 200_000, principal: 0 };
    }))
    .await;
    house.shop().await;
    let start = |values: usize| json!({ "definition": "order", "input": { "sku": "a", "n": vec![1; values] } });
    assert_eq!(house.post("/v1/transactions", &house.owner, &start(2_000)).await.status, 201);
    let many = house.post("/v1/transactions", &house.owner, &start(4_000)).await;
    assert_eq!(many.slug(), "429 too-many");
    let beyond = house.post("/v1/transactions", &house.owner, &start(140_000)).await;
    assert_eq!(beyond.slug(), "429 too-many", "even its bytes are too many here");
    let house = House::new().await;
    house.shop().await;
    let beyond = house.post("/v1/transactions", &house.owner, &start(140_000)).await;
    assert_eq!(beyond.slug(), "413 too-large");
    assert!(beyond.problem().detail.starts_with("the body: more values than 65536"), "{beyond:?}");
}

#[tokio::test]
async fn a_payload_has_at_most_a_mebibyte() {
    let house = House::new().await;
    house.shop().await;
    let text = |bytes: usize| json!("x".repeat(bytes));
    let start = json!({ "definition": "order", "input": { "sku": "a", "text": text(1 << 20) } });
    let refused = house.post("/v1/transactions", &house.owner, &start).await;
    assert_eq!(refused.slug(), "400 invalid-request");
    assert_eq!(refused.problem().detail, "the input has 1048597 bytes, at most 1048576 are allowed");
    // One answer that is too large does not hold up the other of the same call.
    let ids = [house.order(&house.owner).await, house.order(&house.owner).await];
    let take = json!({ "worker": "w-1", "queues": [{ "name": "reserve", "want": 2 }], "wait": "5s" });
    let tasks = house.exchange(&house.owner, take).await["tasks"].clone();
    let of = |id: &String| {
        let task = tasks.as_array().unwrap().iter().find(|task| task["transaction"] == json!(id));
        task.unwrap_or_else(|| panic!("{id}: {tasks}"))["task"].clone()
    };
    let done = json!([
        { "task": of(&ids[0]), "output": { "id": text(1 << 20) } },
        { "task": of(&ids[1]), "output": { "id": 7 } },
    ]);
    let acks = house.exchange(&house.owner, json!({ "worker": "w-1", "done": done })).await["acks"].clone();
    assert_eq!(acks, json!(ids.each_ref().map(|id| json!({ "task": of(id), "ack": "recorded" }))));
    let result =
        async |id: &String| house.get(&format!("/v1/transactions/{id}/result?wait=5s"), &house.owner).await.json();
    assert_eq!(result(&ids[1]).await["output"], json!({ "id": 7 }));
    let large = result(&ids[0]).await;
    let error = &large["steps"][0]["error"];
    assert_eq!(error["type"], json!("BadOutput"), "{large}");
    assert_eq!(error["message"], json!("the output has 1048585 bytes, at most 1048576 are taken"));
    // It may have been done, so it was undone.
    assert_eq!((&large["status"], &large["steps"][0]["status"]), (&json!("compensated"), &json!("unknown")), "{large}");
}

#[tokio::test]
async fn inputs_of_running_transactions_have_so_much_room() {
    let house = House::new().await;
    house.shop().await;
    let other = house.tenant("small").await;
    let start = json!({ "definition": "order", "input": { "sku": "a", "text": "x".repeat(1 << 19) } });
    let mut ids = Vec::new();
    let refused = loop {
        let answer = house.post("/v1/transactions", &house.owner, &start).await;
        if answer.status != 201 {
            break answer;
        }
        ids.push(answer.json()["id"].as_str().unwrap().to_owned());
    };
    // Each is there as a value and as text: 1 MiB of the 6.
    assert_eq!(ids.len(), 5);
    assert_eq!(refused.slug(), "429 too-many");
    assert!(refused.problem().detail.contains("inputs of a tenant's running transactions"), "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("1"));
    house.order(&house.owner).await;
    assert_eq!(house.get("/v1/ledger/logs", &other).await.status, 200);
    let cancelled = house.post(&format!("/v1/transactions/{}/cancel", ids[0]), &house.owner, &json!({})).await;
    assert_eq!(cancelled.json()["status"], "cancelled", "{}", cancelled.text());
    assert_eq!(house.post("/v1/transactions", &house.owner, &start).await.status, 201);
    // A page of them ends early and goes on where it ended.
    let (mut after, mut pages, mut entries) = (String::new(), 0, 0);
    loop {
        let page = house.get(&format!("/v1/ledger/entries?limit=1000{after}"), &house.owner).await;
        assert!(page.body.len() < 8 << 20, "{} bytes", page.body.len());
        let page = page.json();
        pages += 1;
        entries += page["items"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&cursor={next}");
    }
    assert!(pages >= 2, "{pages} for {entries}");
    assert_eq!(u64::try_from(entries).unwrap(), house.log_size().await);
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

#[tokio::test]
async fn above_the_running_transactions_that_a_tenant_may_have_a_start_is_told_when_to_come_again() {
    let house = House::on(node_with(|config| Config { running_max: 2, ..config }).await, options()).await;
    house.shop().await;
    let (_, shop) = house.principal("shop", &["service"]).await;
    for _ in 0..2 {
        house.order(&shop).await;
    }
    let start = json!({ "definition": "order", "input": { "sku": "a" } });
    let refused = house.post("/v1/transactions", &shop, &start).await;
    assert_eq!((refused.slug().as_str(), refused.header("retry-after")), ("429 too-many-running", Some("1")));
    assert_eq!(refused.problem().detail, "2 transactions run already, as many as a tenant may have running");
    // What lets them end is not held up, and then there is room.
    let take = json!({ "worker": "w1", "queues": [{ "name": "reserve", "want": 1 }], "wait": "5s" });
    let task = house.post("/v1/workers/exchange", &shop, &take).await.json()["tasks"][0]["task"].clone();
    let done = json!({ "worker": "w1", "done": [{ "task": task, "output": { "id": 7 } }] });
    house.post("/v1/workers/exchange", &shop, &done).await;
    house.order(&shop).await;
    assert_eq!(house.post("/v1/transactions", &shop, &start).await.slug(), "429 too-many-running");
    let platform = house.get("/metrics", &house.platform).await;
    assert!(platform.text().contains("chancery_transactions_active_max 2"), "{}", platform.text());
}
