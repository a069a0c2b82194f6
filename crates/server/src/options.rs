//! What the server can be told.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The settings of the server, with the defaults that it has unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Where it listens. Default 127.0.0.1:8080; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Whether it may listen beyond loopback though it speaks no TLS itself: something before it must. Default no.
    pub insecure_remote: bool,
    /// Connections at a time; one more is answered with 503 and closed. Default 4,096.
    pub connections_max: usize,
    /// How long a request's headers may take to arrive, on a new connection or a kept one. Default 30 s.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// How long an answer may take, above the longest wait that a caller may ask for. Default 75 s.
    pub request_timeout: Duration,
    /// How long a shutdown waits for answers that are under way. Default 10 s.
    pub drain: Duration,
    /// Bytes of a request's headers. Default 16 KiB.
    pub header_bytes_max: usize,
    /// Headers of a request. Default 64.
    pub headers_max: usize,
    /// Bytes of a request's target: path and query. Default 8 KiB.
    pub uri_bytes_max: usize,
    /// Bytes of a request's body. Default [`chancery_base::limits::BODY_BYTES_MAX`].
    pub body_bytes_max: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            insecure_remote: false,
            connections_max: 4_096,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(75),
            drain: Duration::from_secs(10),
            header_bytes_max: 16 << 10,
            headers_max: 64,
            uri_bytes_max: 8 << 10,
            body_bytes_max: chancery_base::limits::BODY_BYTES_MAX,
        }
    }
}
