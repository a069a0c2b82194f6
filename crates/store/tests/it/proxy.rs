//! A proxy between a store and its server that cuts connections after as many bytes as a test says.

#![expect(clippy::disallowed_methods, reason = "the test's runtime ends what it spawned")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Without a cut.
pub(crate) const ALL: i64 = i64::MAX / 2;

/// How many bytes still pass each way, over all connections.
#[derive(Debug)]
struct Budget {
    up: AtomicI64,
    down: AtomicI64,
}

#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    budget: Arc<Budget>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let budget = Arc::new(Budget { up: AtomicI64::new(ALL), down: AtomicI64::new(ALL) });
        let task = tokio::task::spawn(serve(listener, server, Arc::clone(&budget)));
        Self { port, budget, task }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Lets this many bytes pass to the server and back from now on; what exceeds it ends its connection.
    pub(crate) fn pass(&self, up: i64, down: i64) {
        self.budget.up.store(up, Ordering::SeqCst);
        self.budget.down.store(down, Ordering::SeqCst);
    }

    /// How many bytes have passed to the server since [`Proxy::pass`] with [`ALL`].
    pub(crate) fn passed_up(&self) -> i64 {
        ALL - self.budget.up.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, server: u16, budget: Arc<Budget>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let budget = Arc::clone(&budget);
        tokio::task::spawn(async move {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            // When one way ends, both do: the halves of the other are dropped with it.
            tokio::select! {
                () = copy(from_client, to_server, &budget.up) => {}
                () = copy(from_server, to_client, &budget.down) => {}
            }
        });
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, budget: &AtomicI64) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(count) = from.read(&mut buffer).await else { return };
        if count == 0 {
            return;
        }
        let left = budget.fetch_sub(i64::try_from(count).unwrap(), Ordering::SeqCst);
        let passes = usize::try_from(left.max(0)).unwrap().min(count);
        if to.write_all(&buffer[..passes]).await.is_err() || passes < count {
            to.flush().await.ok();
            return;
        }
    }
}
