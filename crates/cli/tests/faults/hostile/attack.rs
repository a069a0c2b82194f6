//! What a hostile client sends.

use super::site::Site;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connections held open at a time, unless there are fewer files.
const HELD_MAX: usize = 6_000;
/// Files that are not held connections.
const FILES_OWN: usize = 400;
/// How long to listen for an answer.
const LISTEN: Duration = Duration::from_secs(10);

/// One kind of harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attack {
    /// A connection, and not a byte.
    Silent,
    /// Half a head, large, then nothing.
    HalfHead,
    /// The same after a call with a good key.
    HalfHeadKnown,
    /// A head, half a small body, then nothing.
    HalfBody,
    /// A large body, most of it, a byte a frame, then nothing.
    SlowBody,
    /// Many answers asked for and none read.
    Unread,
    /// A head of 200 kB.
    HugeHead,
    /// A body said to have 1 GB.
    HugeBody,
    /// A body without an end.
    EndlessBody,
    /// Brackets, a hundred thousand deep.
    DeepJson,
    /// Millions of small numbers.
    ManyValues,
    /// Hundreds of thousands of small objects.
    ManyObjects,
    /// A transaction whose input is one large text, which no worker takes.
    LargeInput,
    /// The same with many values.
    ManyInputs,
    /// A key that nobody has.
    BadKey,
    /// A worker's call that is held.
    Poll,
    /// A wait for a result that does not come.
    Wait,
    /// A definition of half a megabyte.
    Definition,
    /// A thousand entries, large ones among them.
    Page,
}

/// What there is most of: cheap to send and long to hold. The others come once in a while.
const CHEAP: [Attack; 8] = [
    Attack::Silent,
    Attack::HalfHead,
    Attack::HalfBody,
    Attack::BadKey,
    Attack::Poll,
    Attack::HugeHead,
    Attack::HalfHeadKnown,
    Attack::HugeBody,
];
const DEAR: [Attack; 11] = [
    Attack::ManyValues,
    Attack::LargeInput,
    Attack::Wait,
    Attack::ManyObjects,
    Attack::SlowBody,
    Attack::Unread,
    Attack::EndlessBody,
    Attack::DeepJson,
    Attack::ManyInputs,
    Attack::Definition,
    Attack::Page,
];

impl Attack {
    /// What the request of this number does: every tenth is a dear one.
    pub(super) fn of(number: u64) -> Self {
        let pick = |from: &[Self], number: u64| from[usize::try_from(number).unwrap() % from.len()];
        if number % 10 == 9 { pick(&DEAR, number / 10) } else { pick(&CHEAP, number) }
    }
}

/// Whoever does it.
#[derive(Debug)]
pub(super) struct Attacker {
    addr: SocketAddr,
    key: String,
    held_max: usize,
    held: Mutex<VecDeque<TcpStream>>,
    answers: Mutex<BTreeMap<Attack, BTreeMap<String, u64>>>,
    sent: AtomicU64,
}

impl Attacker {
    pub(super) fn new(site: &Site) -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let files: usize = files.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX);
        Self {
            addr: site.addr,
            key: site.key("bad"),
            held_max: HELD_MAX.min(files.saturating_sub(FILES_OWN)),
            held: Mutex::default(),
            answers: Mutex::default(),
            sent: AtomicU64::new(0),
        }
    }

    /// How many requests were sent, and how each kind was answered.
    pub(super) fn report(&self) -> (u64, BTreeMap<Attack, BTreeMap<String, u64>>) {
        (self.sent.load(Ordering::Relaxed), self.answers.lock().unwrap().clone())
    }

    pub(super) async fn connect(&self) -> TcpStream {
        loop {
            match TcpStream::connect(self.addr).await {
                Ok(stream) => return stream,
                // The system has no room for another connection just now.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Sends one request of this kind, and gives what it was answered with, or what became of it.
    pub(super) async fn send(&self, attack: Attack) -> String {
        let stream = self.connect().await;
        let said = match self.sent(attack, stream).await {
            Ok(said) => said,
            // The server closed, which it may do with any of them.
            Err(_) => "closed".to_owned(),
        };
        *self.answers.lock().unwrap().entry(attack).or_default().entry(said.clone()).or_default() += 1;
        self.sent.fetch_add(1, Ordering::Relaxed);
        said
    }

    async fn sent(&self, attack: Attack, stream: TcpStream) -> io::Result<String> {
        match attack {
            Attack::Silent => self.hold(stream, b"").await,
            Attack::HalfHead => {
                let head = format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}", "a".repeat(20_000));
                self.hold(stream, head.as_bytes()).await
            }
            Attack::HalfHeadKnown => {
                let whole = self.head("GET", "/v1/ledger/key", "");
                let half = format!("{whole}GET /health HTTP/1.1\r\nhost: x\r\nx: {}", "a".repeat(20_000));
                self.hold(stream, half.as_bytes()).await
            }
            Attack::HalfBody => {
                let head = self.head("POST", "/v1/transactions", "content-length: 20000\r\n");
                self.hold(stream, format!("{head}{}", " ".repeat(10_000)).as_bytes()).await
            }
            Attack::SlowBody => self.slowly(stream).await,
            Attack::Unread => {
                let many = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
                self.hold(stream, many.as_bytes()).await
            }
            Attack::Poll => {
                let worker = self.sent.load(Ordering::Relaxed);
                let queues = "[{\"name\":\"nothing\",\"want\":1}]";
                let body = format!("{{\"worker\":\"w{worker}\",\"queues\":{queues},\"wait\":\"5s\"}}");
                self.hold(stream, &self.post("/v1/workers/exchange", &body)).await
            }
            Attack::Wait => {
                let body = "{\"definition\":\"errand\",\"input\":{\"n\":1},\"wait\":\"60s\"}";
                self.hold(stream, &self.post("/v1/transactions", body)).await
            }
            Attack::HugeHead
            | Attack::HugeBody
            | Attack::EndlessBody
            | Attack::DeepJson
            | Attack::ManyValues
            | Attack::ManyObjects
            | Attack::LargeInput
            | Attack::ManyInputs
            | Attack::BadKey
            | Attack::Definition
            | Attack::Page => ask(stream, &self.whole(attack)).await,
        }
    }

    /// A request that is sent to its end and answered.
    fn whole(&self, attack: Attack) -> Vec<u8> {
        let input = |of: &str| format!("{{\"definition\":\"errand\",\"input\":{{\"n\":1,\"of\":{of}}}}}");
        match attack {
            Attack::HugeHead => {
                let head = format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(200_000));
                head.into_bytes()
            }
            Attack::HugeBody => {
                let head = self.head("POST", "/v1/transactions", "content-length: 1000000000\r\n");
                format!("{head}{}", " ".repeat(1_000)).into_bytes()
            }
            Attack::EndlessBody => {
                let head = self.head("POST", "/v1/transactions", "transfer-encoding: chunked\r\n");
                let chunk = format!("100000\r\n{}\r\n", " ".repeat(1 << 20));
                format!("{head}{}", chunk.repeat(9)).into_bytes()
            }
            Attack::DeepJson => {
                let deep = "[".repeat(100_000);
                self.post("/v1/transactions", &input(&deep))
            }
            Attack::ManyValues => {
                let many = format!("[{}1]", "1,".repeat(2 << 20));
                self.post("/v1/transactions", &input(&many))
            }
            Attack::ManyObjects => {
                let many = format!("[{}1]", "{\"a\":1},".repeat(300_000));
                self.post("/v1/transactions", &input(&many))
            }
            Attack::LargeInput => {
                let text = format!("\"{}\"", "a".repeat(1_000_000));
                self.post("/v1/transactions", &input(&text))
            }
            Attack::ManyInputs => {
                let many = format!("[{}1]", "1,".repeat(60_000));
                self.post("/v1/transactions", &input(&many))
            }
            Attack::BadKey => {
                let zeros = "0".repeat(64);
                let key = format!("chk_019312d8a0b07c3e9f2a4b5c6d7e8f90_{zeros}");
                let head = format!("GET /v1/ledger/logs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n");
                head.into_bytes()
            }
            Attack::Definition => {
                let steps = "  - {id: a, run: {worker: a}, with: {b: [1, 2, 3]}}\n".repeat(9_500);
                let body = format!("name: large\nversion: 1\nsteps:\n{steps}");
                let headers = format!("content-type: application/yaml\r\ncontent-length: {}\r\n", body.len());
                let head = self.head("POST", "/v1/definitions/check", &headers);
                format!("{head}{body}").into_bytes()
            }
            Attack::Page => self.head("GET", "/v1/ledger/entries?limit=1000", "").into_bytes(),
            Attack::Silent
            | Attack::HalfHead
            | Attack::HalfHeadKnown
            | Attack::HalfBody
            | Attack::SlowBody
            | Attack::Unread
            | Attack::Poll
            | Attack::Wait => Vec::new(),
        }
    }

    /// Most of a body, in as many chunks as it has bytes, so that each may arrive by itself.
    async fn slowly(&self, mut stream: TcpStream) -> io::Result<String> {
        let head = self.head("POST", "/v1/transactions", "transfer-encoding: chunked\r\n");
        stream.set_nodelay(true)?;
        stream.write_all(head.as_bytes()).await?;
        for _ in 0..50 {
            stream.write_all(b"1\r\n \r\n").await?;
            tokio::task::yield_now().await;
        }
        self.hold(stream, "1\r\n \r\n".repeat(30_000).as_bytes()).await
    }

    fn head(&self, method: &str, path: &str, headers: &str) -> String {
        let json = if method == "POST" && !headers.contains("content-type") {
            "content-type: application/json\r\n"
        } else {
            ""
        };
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{json}{headers}\r\n", self.key)
    }

    fn post(&self, path: &str, body: &str) -> Vec<u8> {
        let head = self.head("POST", path, &format!("content-length: {}\r\n", body.len()));
        [head.as_bytes(), body.as_bytes()].concat()
    }

    /// Sends what there is and leaves the connection open, until too many are.
    async fn hold(&self, mut stream: TcpStream, bytes: &[u8]) -> io::Result<String> {
        // A server that reads no further must not keep us.
        let written = tokio::time::timeout(Duration::from_millis(500), stream.write_all(bytes)).await;
        let mut held = self.held.lock().unwrap();
        held.push_back(stream);
        if held.len() > self.held_max {
            drop(held.pop_front());
        }
        Ok(if matches!(written, Ok(Err(_))) { "closed" } else { "held" }.to_owned())
    }
}

/// Sends a request whole and gives its answer's status.
async fn ask(mut stream: TcpStream, bytes: &[u8]) -> io::Result<String> {
    let (mut from, mut to) = stream.split();
    let asked = async {
        // An answer may come before all was sent, and the sending fail after it.
        let (written, read) = tokio::join!(to.write_all(bytes), status(&mut from));
        drop(written);
        read
    };
    tokio::time::timeout(LISTEN, asked).await.unwrap_or_else(|_| Ok("no answer".to_owned()))
}

async fn status(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = [0; 12];
    from.read_exact(&mut head).await?;
    Ok(String::from_utf8_lossy(&head[9..]).into_owned())
}

/// Asks on a connection of its own and gives all that is answered.
pub(super) async fn get(addr: SocketAddr, path: &str, key: &str) -> io::Result<String> {
    let asked = async {
        let mut stream = TcpStream::connect(addr).await?;
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        Ok(said)
    };
    tokio::time::timeout(LISTEN, asked).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
