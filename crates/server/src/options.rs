//! What the server can be told.

use chancery_base::limits;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The settings of the server, with the defaults that it has unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Where it listens. Default 127.0.0.1:8080; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Whether it may listen beyond loopback though it speaks no TLS itself: something before it must. Default no.
    pub insecure_remote: bool,
    /// Connections at a time; one more closes one that waits, and is answered with 503 where none does.
    pub connections: ConnectionLimits,
    /// Calls at a time.
    pub calls: CallLimits,
    /// How long a request's headers may take to arrive, on a new connection or a kept one. Default 30 s.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// How long a caller may take nothing of an answer that waits to be sent. Default 30 s.
    pub send_timeout: Duration,
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
            connections: ConnectionLimits::default(),
            calls: CallLimits::default(),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(75),
            drain: Duration::from_secs(10),
            header_bytes_max: 16 << 10,
            headers_max: 64,
            uri_bytes_max: 8 << 10,
            body_bytes_max: limits::BODY_BYTES_MAX,
        }
    }
}

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// All of them. Default [`limits::CONNECTIONS_MAX`], or fewer where the process may not open as many files.
    pub all: usize,
    /// Those on which no valid key has been shown. Default [`limits::STRANGERS_MAX`].
    pub strangers: usize,
    /// Those of one tenant. Default [`limits::TENANT_CONNECTIONS_MAX`].
    pub tenant: usize,
}

/// How much of one thing there may be at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// On the node.
    pub all: usize,
    /// Of one tenant.
    pub tenant: usize,
    /// Of one principal.
    pub principal: usize,
}

/// How many calls there may be at a time, and what they may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls that are no worker's exchanges. Default [`limits::CALLS_MAX`] and those beside it.
    pub calls: Shares,
    /// Places above these for what lets work end or be stopped. Default [`limits::CALLS_RESERVED`].
    pub reserved: usize,
    /// Workers' exchanges. Default [`limits::EXCHANGES_MAX`] and those beside it.
    pub exchanges: Shares,
    /// Callbacks of targets, all of them counted as one principal's. Default [`limits::CALLBACKS_MAX`].
    pub callbacks: Shares,
    /// Exchanges of a tenant that are held until there is a task. Default [`limits::TENANT_POLLS_MAX`].
    pub polls: usize,
    /// Bytes of larger bodies and answers; principals have no share of their own. Default [`limits::ROOM_BYTES_MAX`]
    /// and [`limits::TENANT_ROOM_BYTES_MAX`].
    pub room: Shares,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { all: limits::CONNECTIONS_MAX, strangers: limits::STRANGERS_MAX, tenant: limits::TENANT_CONNECTIONS_MAX }
    }
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            calls: Shares {
                all: limits::CALLS_MAX,
                tenant: limits::TENANT_CALLS_MAX,
                principal: limits::PRINCIPAL_CALLS_MAX,
            },
            reserved: limits::CALLS_RESERVED,
            exchanges: Shares {
                all: limits::EXCHANGES_MAX,
                tenant: limits::TENANT_EXCHANGES_MAX,
                principal: limits::PRINCIPAL_EXCHANGES_MAX,
            },
            callbacks: Shares {
                all: limits::CALLBACKS_MAX,
                tenant: limits::CALLBACKS_MAX,
                principal: limits::CALLBACKS_MAX,
            },
            polls: limits::TENANT_POLLS_MAX,
            room: Shares {
                all: limits::ROOM_BYTES_MAX,
                tenant: limits::TENANT_ROOM_BYTES_MAX,
                principal: limits::TENANT_ROOM_BYTES_MAX,
            },
        }
    }
}
