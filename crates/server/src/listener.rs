//! Listening: connections with limits, and a shutdown that lets answers finish.

use crate::connections::{Connections, Seat};
use crate::gate::Node;
use crate::options::ServerOptions;
use crate::patient::Patient;
use crate::request_id::RequestIds;
use crate::router::{RouterError, router};
use crate::tally::Tally;
use crate::{openapi, telemetry};
use axum::Router;
use axum::body::Bytes;
use axum::http::Request;
use axum::response::Response;
use chancery_app::clock::{self, EntropyError};
use chancery_app::{App, Tasks};
use chancery_base::Entropy;
use chancery_base::limits::HEAD_BUFFER_BYTES_MAX;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tracing::{debug, info, warn};

/// How hyper's own limit on headers stands above ours, so that the gate can answer with a problem.
const HEADERS_SLACK: usize = 4;
/// Connections above the limit that are told so at a time.
const REFUSALS_MAX: usize = 64;
/// Open files that are not connections: the store's, the log's, calls to targets.
const FILES_RESERVED: usize = 192;
/// Connections that there are however few files.
const CONNECTIONS_MIN: usize = 32;
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

/// An address that is listened on: whoever connects waits until [`Listening::serve`].
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    local_addr: SocketAddr,
    options: ServerOptions,
}

/// Listens and serves until [`Server::shutdown`].
///
/// # Errors
/// As [`listen`] and [`Listening::serve`].
pub async fn serve(app: App, options: ServerOptions) -> Result<Server, ServeError> {
    listen(options).await?.serve(app)
}

/// Listens, and serves nobody yet. Before an application is opened, which takes the logs from whoever had them: one that
/// can't listen should not do that.
///
/// # Errors
/// If the address is not loopback and `insecure_remote` is off, if it is in use, or if it can't be listened on.
pub async fn listen(options: ServerOptions) -> Result<Listening, ServeError> {
    let listen = options.listen;
    if !listen.ip().is_loopback() {
        if !options.insecure_remote {
            return Err(ServeError::Remote { listen });
        }
        warn!(%listen, "listening on {listen} without TLS: keys cross the network in the clear unless a proxy ends TLS");
    }
    let mut options = options;
    fit_files(&mut options, files_max());
    let listener = TcpListener::bind(listen).await.map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            ServeError::Busy { listen }
        } else {
            ServeError::Listen { listen, source }
        }
    })?;
    let local_addr = listener.local_addr().map_err(|source| ServeError::Listen { listen, source })?;
    Ok(Listening { listener, local_addr, options })
}

impl Listening {
    /// Serves until [`Server::shutdown`].
    ///
    /// # Errors
    /// Only for a defect, or where the system gives no randomness.
    pub fn serve(self, app: App) -> Result<Server, ServeError> {
        let Self { listener, local_addr, options } = self;
        let node = node(app, options, local_addr)?;
        let routes = router(&node)?;
        let tasks = Tasks::new();
        tasks.spawn(fold_metrics(Arc::clone(&node), tasks.clone()));
        let drain = node.options.drain;
        tasks.spawn(accept(listener, node, routes, tasks.clone()));
        info!(listen = %local_addr, "listening on http://{local_addr}");
        Ok(Server { local_addr, tasks, drain })
    }
}

/// What the routes share.
pub(crate) fn node(app: App, options: ServerOptions, local_addr: SocketAddr) -> Result<Arc<Node>, EntropyError> {
    let request_ids = RequestIds::new(Entropy::from_seed(clock::random_bytes()?).bytes8());
    let metrics = telemetry::install_metrics();
    let connections = Arc::new(Connections::new(options.connections));
    let tally = Arc::new(Tally::new(options.calls));
    let openapi = Bytes::from(openapi::text());
    let base_url = app.config().public_url.clone().unwrap_or_else(|| format!("http://{local_addr}"));
    let base_url = base_url.trim_end_matches('/').to_owned();
    let options = Arc::new(options);
    Ok(Arc::new(Node { app, options, request_ids, metrics, openapi, base_url, connections, tally }))
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

async fn accept(listener: TcpListener, node: Arc<Node>, routes: Router, tasks: Tasks) {
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let mut stopping = pin!(tasks.stopping());
    loop {
        let accepted = tokio::select! {
            () = &mut stopping => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Most likely there are no descriptors left: then one that waits goes.
                let made_room = node.connections.make_room();
                warn!(made_room, "failed to accept a connection: {error}");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        match node.connections.arrive() {
            Some((seat, cut)) => {
                let service = Service { seat: Arc::new(seat), routes: TowerToHyperService::new(routes.clone()) };
                tasks.spawn(connection(stream, service, node.options.clone(), cut, tasks.clone()));
            }
            None => refuse(stream, &tasks, &refusals),
        }
    }
}

/// The routes as one connection reaches them.
struct Service {
    seat: Arc<Seat>,
    routes: TowerToHyperService<Router>,
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let seat = Arc::clone(&self.seat);
        seat.busy();
        request.extensions_mut().insert(Arc::clone(&seat));
        let answered = self.routes.call(request);
        Box::pin(async move {
            let answered = answered.await;
            seat.waiting();
            answered
        })
    }
}

/// Serves a connection until it ends, is told to, or has to make room.
async fn connection(
    stream: TcpStream,
    service: Service,
    options: Arc<ServerOptions>,
    cut: oneshot::Receiver<()>,
    tasks: Tasks,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!("failed to set TCP_NODELAY: {error}");
    }
    let served = async {
        // Nothing is set up for who only connects.
        let said = tokio::select! {
            said = tokio::time::timeout(options.header_timeout, stream.readable()) => said,
            () = tasks.stopping() => return,
        };
        match said {
            Ok(Ok(())) => Box::pin(requests(stream, service, &options, &tasks)).await,
            Ok(Err(error)) => debug!("a connection ended before it said anything: {error}"),
            Err(_) => debug!("a connection said nothing"),
        }
    };
    tokio::select! {
        () = served => {}
        // An error says that the seat was given up, which `served` does.
        Ok(()) = cut => debug!("a connection was closed to make room"),
    }
}

async fn requests(stream: TcpStream, service: Service, options: &ServerOptions, tasks: &Tasks) {
    let stream = TokioIo::new(Patient::new(stream, options.send_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(HEAD_BUFFER_BYTES_MAX.max(options.header_bytes_max + options.uri_bytes_max))
        .max_headers(HEADERS_SLACK * options.headers_max)
        .serve_connection(stream, service);
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
fn refuse(mut stream: TcpStream, tasks: &Tasks, refusals: &Arc<Semaphore>) {
    const LINGER: Duration = Duration::from_secs(1);
    metrics::counter!("chancery_http_connections_refused_total").increment(1);
    // Where too many are being told already, the next is closed without a word.
    let Ok(turn) = Arc::clone(refusals).try_acquire_owned() else { return };
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
        drop(turn);
    });
}

/// How many files the process may have open, where the system says so.
fn files_max() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// As many connections as there are files for, those left out that the rest of the process needs.
fn fit_files(options: &mut ServerOptions, files: Option<usize>) {
    let Some(files) = files else { return };
    let fits = files.saturating_sub(FILES_RESERVED).max(CONNECTIONS_MIN);
    let limits = &mut options.connections;
    if limits.all <= fits {
        return;
    }
    warn!(
        connections = fits,
        "the process may have {files} files open, so there are at most {fits} connections in place of {}: raise its \
         limit (`ulimit -n`, `LimitNOFILE=`)",
        limits.all
    );
    limits.all = fits;
    limits.strangers = limits.strangers.min(fits / 2);
    limits.tenant = limits.tenant.min(fits / 2);
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
    fn there_are_no_more_connections_than_files() {
        let fit = |files| {
            let mut options = ServerOptions::default();
            fit_files(&mut options, files);
            options.connections
        };
        assert_eq!(fit(None), ServerOptions::default().connections);
        assert_eq!(fit(Some(1 << 20)), ServerOptions::default().connections);
        let few = fit(Some(512));
        assert_eq!((few.all, few.strangers, few.tenant), (320, 160, 160));
        assert_eq!(fit(Some(64)).all, CONNECTIONS_MIN);
        assert!(files_max().is_some());
    }

    #[test]
    fn the_fixed_refusal_has_the_length_that_it_says() {
        let (head, body) = TOO_MANY.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "it has {}", body.len());
        let problem: chancery_api::Problem = serde_json::from_str(body).unwrap();
        assert_eq!(problem.kind(), Some(chancery_api::ProblemKind::Unavailable));
        assert_eq!(problem.title, chancery_api::ProblemKind::Unavailable.title());
    }
}
