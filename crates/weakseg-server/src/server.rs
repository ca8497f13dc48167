//! [`Server`]: a socket, its connections, and their end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weakseg::progress::Stop;

use crate::bounds::Bounds;
use crate::routes::{Served, router};
use crate::site::Site;

/// How often it is looked whether the server is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Threads that read and predict: one for each queue.
const THREADS: usize = 2;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error(
        "cannot listen on {host}, port {port}: {source}; choose another --port (0 for any that is free) or --host"
    )]
    Bind {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// The system's own reason.
        source: io::Error,
    },
    /// The system refuses what a server needs.
    #[error("cannot serve: {0}")]
    System(#[from] io::Error),
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    host: String,
}

impl Server {
    /// Listens on `port` of `host`, an address or a name of this machine; port 0 is any that is free.
    ///
    /// # Errors
    /// [`ServeError::Bind`].
    pub fn bind(host: &str, port: u16) -> Result<Self, ServeError> {
        let bind = || {
            let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
            let listener = TcpListener::bind(addresses.as_slice())?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bind().map_err(|source| ServeError::Bind {
            host: host.to_owned(),
            port,
            source,
        })?;
        Ok(Self {
            listener,
            address,
            host: host.to_owned(),
        })
    }

    /// Where a browser on this machine finds it.
    pub fn url(&self) -> String {
        let here = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        format!("http://{}/", SocketAddr::new(here, self.address.port()))
    }

    /// Whether other machines can reach it.
    pub fn is_open(&self) -> bool {
        !self.address.ip().is_loopback()
    }

    /// Serves until it is asked to stop, and then for the time that [`Bounds::grace`] leaves to requests under way. A
    /// prediction that takes longer is left to itself: it ends with the process.
    ///
    /// Not to be called on a thread of rayon's pool, on which predictions run.
    ///
    /// # Errors
    /// [`ServeError::System`].
    pub fn run(self, site: Site, bounds: Bounds, stop: &Stop) -> Result<(), ServeError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(THREADS)
            .build()?;
        let router = router(Arc::new(Served::new(site, bounds, &self.host)));
        let ended = runtime.block_on(serve(self.listener, router, bounds, stop));
        runtime.shutdown_background();
        Ok(ended?)
    }
}

async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: &Stop,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(bounds.connections));
    let connections = GracefulShutdown::new();
    let mut asked = pin!(async {
        while !stop.asked() {
            tokio::time::sleep(LOOK).await;
        }
    });
    loop {
        let (stream, permit) = tokio::select! {
            () = &mut asked => break,
            next = next(&listener, &room) => next,
        };
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .keep_alive(false)
            .header_read_timeout(bounds.head);
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // What went wrong with a connection is its client's affair.
            let _ = tokio::time::timeout(bounds.connection, connection).await;
            drop(permit);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(bounds.grace, connections.shutdown()).await;
    Ok(())
}

/// The next connection, once there is room for one.
async fn next(
    listener: &tokio::net::TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // It is never closed.
    let permit = room.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            // Too many open files, or a client that has gone: neither ends the server.
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
