//! Starts and stops a server.
//!
//! ```text
//! bind the port ──▶ open the data ──▶ listen ──▶ … ──▶ SIGINT, SIGTERM ──▶ connections end ──▶ data closed
//! ```
//!
//! The port comes first because it fails fastest; nobody can connect before the data is open.

use crate::cli::ServeOptions;
use crate::wire::{Authentication, CONNECTIONS_MAX, Listener, Shutdown};
use headwater_engine::{Config, Database};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpSocket;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Connections the kernel keeps waiting to be accepted.
const ACCEPT_BACKLOG: u32 = 1024;

/// Why the server did not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address means nothing.
    #[error("cannot listen at {listen}: {source}")]
    Address { listen: String, source: io::Error },
    /// Somebody else has the port.
    #[error("port {} at {} is in use: is another server running? (choose another with --listen)", address.port(), address.ip())]
    PortInUse { address: SocketAddr },
    /// The port cannot be had.
    #[error("cannot listen at {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
    /// Strangers could connect.
    #[error("{address} can be reached from other machines: set HEADWATER_PASSWORD, or listen at 127.0.0.1")]
    PasswordNeeded { address: SocketAddr },
    /// The data cannot be opened. The engine's line says which file and why.
    #[error("{message}")]
    Open { message: String },
    /// The engine gave up while running.
    #[error("stopped: {message}")]
    Fatal { message: String },
    /// The runtime or the signal handlers could not be set up.
    #[error("cannot start: {0}")]
    Runtime(#[from] io::Error),
}

/// The runtime a server runs on.
///
/// # Errors
///
/// What the operating system says about threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("headwater").enable_all().build()?;
    Ok(runtime)
}

/// `headwater serve`: runs a server until a signal stops it.
///
/// # Errors
///
/// [`ServeError`], one line for the user.
pub async fn serve(options: ServeOptions) -> Result<(), ServeError> {
    let server = Server::start(&options).await?;
    say(&server.banner());
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
        message = server.fatal() => {
            server.stop().await;
            return Err(ServeError::Fatal { message });
        }
    }
    say("Stopping.");
    server.stop().await;
    Ok(())
}

/// Prints a line; whether anybody still reads it is not the server's concern.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// A server that is running.
pub struct Server {
    address: SocketAddr,
    data_dir: PathBuf,
    database: Database,
    shutdown: Shutdown,
    /// Why the engine gave up, once it has.
    fatal: watch::Receiver<Option<String>>,
    listener: JoinHandle<()>,
}

impl Server {
    /// Opens the data and starts to listen.
    ///
    /// # Errors
    ///
    /// [`ServeError`], one line for the user.
    pub async fn start(options: &ServeOptions) -> Result<Self, ServeError> {
        let address = resolve(&options.listen).await?;
        let authentication = match options.password.as_deref().filter(|password| !password.is_empty()) {
            Some(password) => Authentication::scram(password),
            None if address.ip().is_loopback() => Authentication::Trust,
            None => return Err(ServeError::PasswordNeeded { address }),
        };
        let socket = bind(address)?;
        let (fatal_sender, fatal) = watch::channel(None);
        let config = Config {
            data_dir: options.data_dir.clone(),
            workers: options.workers,
            sessions_max: CONNECTIONS_MAX,
            on_fatal: Arc::new(move |reason| {
                fatal_sender.send_replace(Some(reason.to_owned()));
            }),
            ..Config::default()
        };
        let opened = tokio::task::block_in_place(|| Database::open(config));
        let database = opened.map_err(|error| ServeError::Open { message: error.to_string() })?;
        let socket = socket.listen(ACCEPT_BACKLOG).map_err(|source| bind_error(address, source))?;
        let address = socket.local_addr()?;
        let shutdown = Shutdown::new();
        let listener = Listener::new(socket, database.clone(), authentication, shutdown.clone());
        let data_dir = std::path::absolute(&options.data_dir).unwrap_or_else(|_| options.data_dir.clone());
        Ok(Self { address, data_dir, database, shutdown, fatal, listener: tokio::spawn(listener.run()) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its data is.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What a person needs to know to use it.
    pub fn banner(&self) -> String {
        format!(
            "Headwater {} is running.\n  listening  {}\n  data       {}\n  connect    {}\nCtrl+C stops it.",
            env!("CARGO_PKG_VERSION"),
            self.address,
            self.data_dir.display(),
            self.psql(),
        )
    }

    /// The command that connects psql to it.
    pub fn psql(&self) -> String {
        psql(self.address)
    }

    /// Waits until the engine gives up, if it ever does; its reason.
    pub async fn fatal(&self) -> String {
        let mut fatal = self.fatal.clone();
        let reason = fatal.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            // The engine is gone, and with it whoever could give up.
            None => std::future::pending().await,
        }
    }

    /// Ends the connections, then the engine.
    pub async fn stop(self) {
        self.shutdown.begin();
        // The listener's task ends by itself once shutdown has begun.
        let _ = self.listener.await;
        tokio::task::block_in_place(|| self.database.shutdown());
    }
}

/// The command that connects psql to a server at `address`.
pub fn psql(address: SocketAddr) -> String {
    let host = if address.ip().is_loopback() || address.ip().is_unspecified() {
        "localhost".to_owned()
    } else {
        address.ip().to_string()
    };
    format!("psql -h {host} -p {} -U root dev", address.port())
}

/// The address that `listen` (host and port) means.
///
/// # Errors
///
/// It means none.
pub async fn resolve(listen: &str) -> Result<SocketAddr, ServeError> {
    let failed = |source| ServeError::Address { listen: listen.to_owned(), source };
    let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host(listen).await.map_err(failed)?.collect();
    // "localhost" may name two; clients that are told "localhost" try both, older ones only this.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.first().copied().ok_or_else(|| failed(io::Error::other("the name has no address")))
}

fn bind(address: SocketAddr) -> Result<TcpSocket, ServeError> {
    let bound = || {
        let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
        // Connections of a server that has just ended do not keep the port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    bound().map_err(|source| bind_error(address, source))
}

fn bind_error(address: SocketAddr, source: io::Error) -> ServeError {
    match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::PortInUse { address },
        _ => ServeError::Bind { address, source },
    }
}
