//! A policy information point that answers as it is told.

use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it says.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// A status and a body.
    Answer(u16, String),
    /// Nothing, ever.
    Nothing,
}

/// A point on a port of its own.
pub(crate) struct Pip {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Pip {
    /// One that says this to a question.
    pub(crate) async fn new(say: impl Fn(&Value) -> Said + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/subjects", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let handle = tokio::runtime::Handle::current();
        // The clippy lint on spawning is for the product, whose shutdown waits; a test's service ends with its runtime.
        drop(handle.clone().spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                drop(handle.spawn(serve(stream, Arc::clone(&seen), say.clone())));
            }
        }));
        Self { url, asked }
    }

    /// What it was asked: the request's head and its body.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

/// Takes one call and answers it.
async fn serve(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
    say: impl Fn(&Value) -> Said + Send + 'static,
) {
    let mut request = String::new();
    let (head, body) = loop {
        if let Some(whole) = whole(&request) {
            break whole;
        }
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        assert!(read > 0, "the request broke off: {request}");
        request.push_str(std::str::from_utf8(part.get(..read).unwrap()).unwrap());
    };
    let question: Value = serde_json::from_str(&body).unwrap();
    let said = say(&question);
    seen.lock().unwrap().push((head, question));
    let Said::Answer(status, body) = said else { return std::future::pending().await };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}

fn whole(request: &str) -> Option<(String, String)> {
    let (head, body) = request.split_once("\r\n\r\n")?;
    let head = head.to_lowercase();
    let length: usize = head.split("content-length: ").nth(1)?.lines().next()?.parse().unwrap();
    (body.len() >= length).then(|| (head, body.to_owned()))
}
