//! `headwater demo`: the marketing tutorial by itself.
//!
//! ```text
//! server (ours, or one that runs already)
//!   ▲ tutorial  tables, views, campaigns: what is missing
//!   ▲ stream    events over the wire at a rate; after some COMMITs, the time until a read shows it ──▶ progress
//!   ▲ views     the newest rows of the three views ──▶ screen (a terminal) or plain lines
//! ```
//!
//! It may run beside a server, beside another demo, and over the data of any of them: it creates only what is missing,
//! and its event ids are its own.

mod events;
mod plain;
mod progress;
mod screen;
mod stream;
mod tutorial;
mod views;

use crate::cli::DemoOptions;
use crate::serve::{self, ServeError, Server};
use progress::Progress;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_postgres::{Client, NoTls};

/// How long a server that runs already may take to accept.
const CONNECT_SECONDS_MAX: u64 = 2;

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Its server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A statement, or the connection.
    #[error("{}", describe(.0))]
    Client(#[from] tokio_postgres::Error),
    /// The terminal.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// An answer that cannot be.
    #[error("the server answered {answer:?} where a number was expected")]
    Answer { answer: String },
}

fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("the server said {}: {} ({})", error.severity(), error.message(), error.code().code()),
        None => format!("the connection to the server: {error}"),
    }
}

/// Runs the demo until its events are sent, `q` is pressed or a signal comes.
///
/// # Errors
///
/// [`DemoError`], one line for the user.
pub async fn demo(options: DemoOptions) -> Result<(), DemoError> {
    let address = local(serve::resolve(&options.serve.listen).await?);
    let (server, address) = if answers(address).await {
        (None, address)
    } else {
        let server = Server::start(&options.serve).await?;
        let address = local(server.address());
        (Some(server), address)
    };
    let ran = run(&options, server.as_ref(), address).await;
    if let Some(server) = server {
        server.stop().await;
    }
    match ran {
        // `headwater demo | head` has seen enough.
        Err(DemoError::Terminal(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        ran => ran,
    }
}

async fn run(options: &DemoOptions, server: Option<&Server>, address: SocketAddr) -> Result<(), DemoError> {
    let password = options.serve.password.as_deref();
    let writer = connect(address, password).await?;
    let reader = connect(address, password).await?;
    let watcher = connect(address, password).await?;
    tutorial::create(&writer).await?;

    let progress = Progress::default();
    let titles = match server {
        Some(server) => format!("server at {address}, data in {}", server.data_dir().display()),
        None => format!("server at {address}, which was running already"),
    };
    let facts = Facts { server: titles, psql: serve::psql(address) };
    let streaming = stream::stream(&writer, &reader, options.rate, options.events, &progress);
    let interactive = io::stdout().is_terminal() && io::stdin().is_terminal();
    let showing = async {
        if interactive {
            screen::show(&watcher, &facts, &progress).await
        } else {
            plain::show(&watcher, &facts, &progress).await
        }
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let ended = tokio::select! {
        streamed = streaming => streamed,
        shown = showing => shown,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(DemoError::from),
        _ = terminate.recv() => Ok(()),
    };
    ended?;
    plain::summary(&watcher, &progress).await
}

/// What the demo tells of its server.
struct Facts {
    server: String,
    psql: String,
}

/// The address to connect to, of a server that listens at `address`.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn answers(address: SocketAddr) -> bool {
    if address.port() == 0 {
        return false;
    }
    let connecting = tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS_MAX), TcpStream::connect(address));
    matches!(connecting.await, Ok(Ok(_)))
}

async fn connect(address: SocketAddr, password: Option<&str>) -> Result<Client, DemoError> {
    let mut config = tokio_postgres::Config::new();
    config.host(address.ip().to_string()).port(address.port());
    config.user("root").dbname("dev").application_name("headwater demo");
    if let Some(password) = password {
        config.password(password);
    }
    let (client, connection) = config.connect(NoTls).await?;
    // The connection's error is also that of the statement which waits for it.
    tokio::spawn(connection);
    Ok(client)
}
