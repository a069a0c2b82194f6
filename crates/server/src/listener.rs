//! Listening: connections with limits, and a shutdown that lets answers finish.

use crate::gate::Node;
use crate::options::ServerOptions;
use crate::request_id::RequestIds;
use crate::router::{RouterError, router};
use crate::{openapi, telemetry};
use axum::Router;
use chancery_app::clock::{self, EntropyError};
use chancery_app::{App, Tasks};
use chancery_base::Entropy;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

/// How hyper's own buffer for a request's head stands above ours, so that the gate can answer with a problem.
const HEAD_SLACK: usize = 4;
/// How often histograms are folded.
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// How long to wait after the operating system refused to accept, as it does when there are no descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    local_addr: SocketAddr,
    tasks: Tasks,
    drain: Duration,
}

/// Why a server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Something else listens there.
    #[error("{listen} is in use: another server, or another program, listens there")]
    Busy {
        /// Where.
        listen: SocketAddr,
    },
    /// It can't listen there.
    #[error("failed to listen on {listen}")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The address is not a loopback one, and nothing says that something before it speaks TLS.
    #[error(
        "{listen} can be reached from other machines and this server speaks no TLS: listen on 127.0.0.1, or say that \
         something before it does with --allow-remote"
    )]
    Remote {
        /// Where.
        listen: SocketAddr,
    },
    /// The table of routes and the router disagree.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The operating system gives no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Listens and serves until [`Server::shutdown`].
///
/// # Errors
/// If the address is not loopback and `insecure_remote` is off, if it is in use, or if it can't be listened on.
pub async fn serve(app: App, options: ServerOptions) -> Result<Server, ServeError> {
    let listen = options.listen;
    if !listen.ip().is_loopback() {
        if !options.insecure_remote {
            return Err(ServeError::Remote { listen });
        }
        warn!(%listen, "listening on {listen} without TLS: keys cross the network in the clear unless a proxy ends TLS");
    }
    let node = node(app, options)?;
    let (options, routes) = (node.options.clone(), router(&node)?);
    let listener = TcpListener::bind(listen).await.map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            ServeError::Busy { listen }
        } else {
            ServeError::Listen { listen, source }
        }
    })?;
    let local_addr = listener.local_addr().map_err(|source| ServeError::Listen { listen, source })?;
    let tasks = Tasks::new();
    tasks.spawn(fold_metrics(node, tasks.clone()));
    let drain = options.drain;
    tasks.spawn(accept(listener, routes, options, tasks.clone()));
    info!(listen = %local_addr, "listening on http://{local_addr}");
    Ok(Server { local_addr, tasks, drain })
}

/// What the routes share.
pub(crate) fn node(app: App, options: ServerOptions) -> Result<Arc<Node>, EntropyError> {
    let request_ids = RequestIds::new(Entropy::from_seed(clock::random_bytes()?).bytes8());
    let metrics = telemetry::install_metrics();
    Ok(Arc::new(Node { app, options, request_ids, metrics, openapi: openapi::text() }))
}

impl Server {
    /// Where it listens: with port 0, the port that it got.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Accepts no more, lets answers that are under way finish within the drain time, and ends. Says whether all did.
    pub async fn shutdown(self) -> bool {
        self.tasks.stop();
        let ended = self.tasks.ended(self.drain).await;
        if !ended {
            warn!("connections did not end within {:?}", self.drain);
        }
        ended
    }
}

async fn fold_metrics(node: Arc<Node>, tasks: Tasks) {
    let mut ticks = tokio::time::interval(METRICS_EVERY);
    let mut stopping = pin!(tasks.stopping());
    loop {
        tokio::select! {
            () = &mut stopping => return,
            _ = ticks.tick() => node.metrics.run_upkeep(),
        }
    }
}

async fn accept(listener: TcpListener, routes: Router, options: ServerOptions, tasks: Tasks) {
    let places = Arc::new(Semaphore::new(options.connections_max));
    let mut stopping = pin!(tasks.stopping());
    loop {
        let accepted = tokio::select! {
            () = &mut stopping => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!("failed to accept a connection: {error}");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let connection = connection(stream, routes.clone(), options.clone(), tasks.clone());
                tasks.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(_) => refuse(stream, &tasks),
        }
    }
}

async fn connection(stream: TcpStream, routes: Router, options: ServerOptions, tasks: Tasks) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!("failed to set TCP_NODELAY: {error}");
    }
    let service = TowerToHyperService::new(routes);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(HEAD_SLACK * (options.header_bytes_max + options.uri_bytes_max))
        .max_headers(HEAD_SLACK * options.headers_max)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut stopping = pin!(tasks.stopping());
    let mut told = false;
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    debug!("a connection ended: {error}");
                }
                return;
            }
            () = &mut stopping, if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Answers one connection too many, which costs no place: a fixed text, then the end.
fn refuse(mut stream: TcpStream, tasks: &Tasks) {
    const LINGER: Duration = Duration::from_secs(1);
    metrics::counter!("chancery_http_connections_refused_total").increment(1);
    tasks.spawn(async move {
        // What the caller sent is read before the end, or it would see a reset in place of the answer.
        let talk = async {
            stream.write_all(TOO_MANY.as_bytes()).await?;
            stream.shutdown().await?;
            let mut sink = [0; 1_024];
            while stream.read(&mut sink).await? > 0 {}
            io::Result::Ok(())
        };
        if let Ok(Err(error)) = tokio::time::timeout(LINGER, talk).await {
            debug!("a refused connection ended: {error}");
        }
    });
}

const TOO_MANY: &str = "HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\n\
    retry-after: 1\r\n\
    connection: close\r\n\
    content-length: 166\r\n\
    \r\n\
    {\"type\":\"urn:chancery:problem:unavailable\",\"title\":\"Not available at the moment\",\"status\":503,\
    \"detail\":\"the server has as many connections as it may\",\"retry_after\":1}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_refusal_has_the_length_that_it_says() {
        let (head, body) = TOO_MANY.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "it has {}", body.len());
        let problem: chancery_api::Problem = serde_json::from_str(body).unwrap();
        assert_eq!(problem.kind(), Some(chancery_api::ProblemKind::Unavailable));
        assert_eq!(problem.title, chancery_api::ProblemKind::Unavailable.title());
    }
}
