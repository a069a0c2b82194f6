//! The peers: others' servers, started and stopped by this run, under the same load.
//!
//! What they need is installed by `scripts/peers.sh`. A step is the cheapest thing that each calls durable: its result
//! is kept before the next step begins. So Restate's runs in its service's process (`ctx.run`), DBOS's in the library's,
//! Temporal's in its worker's, which the server sends it to (an activity).

pub(crate) mod cerbos;
mod dbos;
pub(crate) mod restate;
mod temporal;

use crate::harness::Error;
use crate::report::Figure;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    Restate,
    Dbos,
    Temporal,
}

/// Where the peers are installed.
#[derive(Debug)]
pub(crate) struct Tools(PathBuf);

impl Tools {
    /// Below the folder that cargo builds into.
    pub(crate) fn find() -> Result<Self, Error> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers");
        folder
            .canonicalize()
            .map(Self)
            .map_err(|err| Error::Failed(format!("the peers are not installed ({err}): run scripts/peers.sh")))
    }

    /// A program or script that must be there.
    fn path(&self, path: &str) -> Result<PathBuf, Error> {
        let path = self.0.join(path);
        if path.exists() {
            return Ok(path);
        }
        Err(Error::Failed(format!("{} is missing: run scripts/peers.sh", path.display())))
    }
}

/// Runs the workload on a peer.
pub(crate) async fn measure(peer: Peer, clients: usize, time: Duration) -> Result<Figure, Error> {
    let tools = Tools::find()?;
    match peer {
        Peer::Restate => restate::measure(&tools, clients, time).await,
        Peer::Dbos => dbos::measure(&tools, clients, time).await,
        Peer::Temporal => temporal::measure(&tools, clients, time).await,
    }
}

/// Addresses on loopback that nothing listened on a moment ago.
fn free_addresses<const N: usize>() -> Result<[SocketAddr; N], Error> {
    let mut listeners = Vec::with_capacity(N);
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for address in &mut addresses {
        let listener = TcpListener::bind(*address)?;
        *address = listener.local_addr()?;
        // Kept until all are known, so that they differ.
        listeners.push(listener);
    }
    Ok(addresses)
}
