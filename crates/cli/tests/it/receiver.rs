//! Receivers of what notifiers tell: a webhook, and a mail relay.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What was told to a server of the test's own, a text a message.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn has(&self, text: &str) -> Option<String> {
        self.all().into_iter().find(|heard| heard.contains(text))
    }
}

/// Serves each connection by `serve`, which gives what it heard.
pub(crate) fn listen(
    at: &str,
    serve: impl Fn(TcpStream) -> Option<String> + Send + Sync + 'static,
) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind(at).unwrap();
    let (addr, heard) = (listener.local_addr().unwrap(), Heard::default());
    let (into, serve) = (heard.clone(), Arc::new(serve));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (into, serve) = (into.clone(), Arc::clone(&serve));
            std::thread::spawn(move || {
                let heard = stream.ok().and_then(|stream| serve(stream));
                into.0.lock().unwrap().extend(heard);
            });
        }
    });
    (addr, heard)
}

/// Takes POSTs: head and body.
pub(crate) fn webhook(stream: TcpStream) -> Option<String> {
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

pub(crate) fn header(text: &str, name: &str) -> Option<String> {
    let (head, _) = text.split_once("\r\n\r\n")?;
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// Takes mail: enough of SMTP for one message a connection; gives all that was said. It greets unless that was done.
pub(crate) fn smtp(stream: impl Read + Write, greets: bool) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut mail = String::new();
    if greets {
        reader.get_mut().write_all(b"220 relay\r\n").ok()?;
    }
    loop {
        let mut line = String::new();
        if !reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            return Some(mail);
        }
        mail.push_str(&line);
        let answer: &[u8] = if line.starts_with("DATA") {
            reader.get_mut().write_all(b"354 go on\r\n").ok()?;
            while !mail.ends_with("\r\n.\r\n") {
                reader.read_line(&mut mail).ok()?;
            }
            reader.get_mut().write_all(b"250 taken\r\n").ok()?;
            return Some(mail);
        } else if line.starts_with("EHLO") {
            b"250-relay\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n"
        } else if line.starts_with("AUTH") {
            b"235 welcome\r\n"
        } else {
            b"250 fine\r\n"
        };
        reader.get_mut().write_all(answer).ok()?;
    }
}
