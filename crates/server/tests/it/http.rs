//! A client for HTTP/1.1 that sends what it is told, sound or not.

use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, self.text()))
    }

    /// The answer, which must be a problem that is whole: type, title, status, detail, instance.
    #[track_caller]
    pub(crate) fn problem(&self) -> chancery_api::Problem {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: chancery_api::Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status);
        let kind = problem.kind().unwrap_or_else(|| panic!("{} is not in the catalogue", problem.problem_type));
        assert_eq!((problem.title.as_ref(), problem.status), (kind.title(), kind.status()));
        let instance = format!("urn:chancery:request:{}", self.header("x-request-id").unwrap());
        assert_eq!(problem.instance.as_deref(), Some(instance.as_str()));
        problem
    }

    /// `<status> <slug>`
    #[track_caller]
    pub(crate) fn slug(&self) -> String {
        format!("{} {}", self.status, self.problem().kind().unwrap().slug())
    }
}

/// A request to be.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string().as_bytes())
    }

    pub(crate) fn body(mut self, media_type: &str, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.header("content-type", media_type)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: localhost\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", self.body.len()));
        [head.as_bytes(), &self.body].concat()
    }

    pub(crate) async fn send(&self, to: SocketAddr) -> Answer {
        raw(to, &self.bytes()).await.unwrap()
    }

    /// The same; none where the server closed without an answer.
    pub(crate) async fn send_at_all(&self, to: SocketAddr) -> Option<Answer> {
        raw(to, &self.bytes()).await
    }
}

/// Sends bytes as they are and reads until the server closes; none where it closed without an answer.
pub(crate) async fn raw(to: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // A server that refuses early may close before it has read all: then what it said still counts.
    let written = stream.write_all(bytes).await;
    let mut got = Vec::new();
    let read = stream.read_to_end(&mut got).await;
    if got.is_empty() {
        drop((written, read));
        return None;
    }
    Some(parse(&got))
}

/// Reads an answer with a length.
fn parse(bytes: &[u8]) -> Answer {
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes[split + 4..].to_vec() }
}
