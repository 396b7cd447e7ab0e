//! Accepts connections, and moves bytes between their sockets and their state machines.
//!
//! ```text
//! accept ──▶ task per connection:   read ──▶ advance (blocking section) ──▶ write ──▶ …
//!                                     ▲ waits for input or shutdown; costs no thread
//! ```
//!
//! The engine blocks, so `advance` runs in a blocking section of its worker thread; between messages a connection is
//! a task and a buffer. A panic in a connection is a bug of ours and costs that connection.

use super::auth::{Authentication, Exchange};
use super::backend::{self, Severity};
use super::connection::{Connection, Progress};
use super::frame;
use super::startup::{self, StartupPacket, StartupParameters};
use super::{CONNECTIONS_MAX, INPUT_BYTES_READ};
use bytes::BytesMut;
use headwater_engine::{ConnectOptions, Database, Session};
use headwater_types::{SqlError, SqlState};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, block_in_place};

/// A client that has not said who it is by then is dropped.
const STARTUP_SECONDS_MAX: u64 = 60;

/// What open connections get to finish once the server stops.
const SHUTDOWN_SECONDS_MAX: u64 = 5;

/// The pause after a failed accept: most often the process is out of file descriptors, and some come back.
const ACCEPT_RETRY_MILLIS: u64 = 50;

/// A buffer that a large message has grown beyond this is given back.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

/// Tells the listener and its connections to end.
#[derive(Clone)]
pub struct Shutdown(watch::Sender<bool>);

impl Shutdown {
    /// Not yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Now.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
}

/// The server's port.
pub struct Listener {
    socket: TcpListener,
    services: Arc<Services>,
}

/// What every connection needs.
struct Services {
    database: Database,
    authentication: Authentication,
    connections: Semaphore,
    /// Cancel keys of the open sessions, by process id.
    sessions: Mutex<HashMap<i32, i32>>,
    shutdown: Shutdown,
}

impl Listener {
    /// Serves `database` at a socket that listens already.
    pub fn new(socket: TcpListener, database: Database, authentication: Authentication, shutdown: Shutdown) -> Self {
        let services = Services {
            database,
            authentication,
            connections: Semaphore::new(CONNECTIONS_MAX),
            sessions: Mutex::default(),
            shutdown,
        };
        Self { socket, services: Arc::new(services) }
    }

    /// Serves until shutdown, then lets connections say good-bye.
    pub async fn run(self) {
        let mut shutdown = self.services.shutdown.0.subscribe();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                stream = accept(&self.socket) => {
                    connections.spawn(serve(stream, Arc::clone(&self.services)));
                }
                // What a connection task returns has been dealt with in the task.
                Some(_) = connections.join_next() => {}
                () = shutdown_begun(&mut shutdown) => break,
            }
        }
        drop(self.socket);
        self.services.cancel_all();
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(SHUTDOWN_SECONDS_MAX), all_ended).await.is_err() {
            eprintln!("headwater: some connections did not end in {SHUTDOWN_SECONDS_MAX} s and were cut");
        }
    }
}

async fn accept(socket: &TcpListener) -> TcpStream {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                eprintln!("headwater: cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MILLIS)).await;
            }
        }
    }
}

/// Waits until shutdown begins; a shutdown nobody can begin any more has begun.
async fn shutdown_begun(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|&begun| begun).await;
}

impl Services {
    fn cancel_all(&self) {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (pid, secret) in sessions {
            self.database.cancel(pid, secret);
        }
    }

    fn connect(
        self: &Arc<Self>,
        startup: StartupParameters,
        client_address: Option<SocketAddr>,
    ) -> Result<(Session, Registration), SqlError> {
        let StartupParameters { user, database, settings: parameters, .. } = startup;
        let session = self.database.connect(ConnectOptions { user, database, parameters, client_address })?;
        let pid = session.pid();
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(pid, session.secret());
        let ended = Shutdown::new();
        session.on_terminate({
            let ended = ended.clone();
            move || ended.begin()
        });
        Ok((session, Registration { services: Arc::clone(self), pid, ended }))
    }
}

/// A session's entry among those that shutdown cancels.
struct Registration {
    services: Arc<Services>,
    pid: i32,
    /// This connection's own: another session has ended it.
    ended: Shutdown,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.services.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.pid);
    }
}

/// One connection, from accept to close. Errors of the socket mean that the client is gone, which is not news.
async fn serve(mut stream: TcpStream, services: Arc<Services>) {
    let _ = stream.set_nodelay(true);
    let mut shutdown = services.shutdown.0.subscribe();
    let mut input = BytesMut::new();
    let startup =
        tokio::time::timeout(Duration::from_secs(STARTUP_SECONDS_MAX), establish(&mut stream, &mut input, &services));
    let established = tokio::select! {
        established = startup => established,
        () = shutdown_begun(&mut shutdown) => return,
    };
    let Ok(Ok(Some((permit, registration, connection)))) = established else { return };
    // A lost client is noticed here, and the session's end undoes what it left open.
    let ended = registration.ended.0.subscribe();
    let _ = converse(&mut stream, &mut input, connection, shutdown, ended).await;
    let _ = stream.shutdown().await;
    drop((registration, permit));
}

type Established<'a> = (tokio::sync::SemaphorePermit<'a>, Registration, Box<Connection>);

/// Negotiates, authenticates and begins a session; `None` if the connection has ended instead.
async fn establish<'a>(
    stream: &mut TcpStream,
    input: &mut BytesMut,
    services: &'a Arc<Services>,
) -> io::Result<Option<Established<'a>>> {
    let mut output = BytesMut::new();
    let startup = loop {
        match startup::next_packet(input) {
            Ok(None) => {
                if !read(stream, input).await? {
                    return Ok(None);
                }
            }
            Ok(Some(StartupPacket::EncryptionRequest)) => stream.write_all(b"N").await?,
            Ok(Some(StartupPacket::Cancel { pid, secret })) => {
                block_in_place(|| services.database.cancel(pid, secret));
                return Ok(None);
            }
            Ok(Some(StartupPacket::Startup(startup))) => break startup,
            Err(error) => return refuse(stream, output, &error).await,
        }
    };
    let Ok(permit) = services.connections.try_acquire() else {
        let error = SqlError::new(SqlState::TooManyConnections, "sorry, too many clients already");
        return refuse(stream, output, &error).await;
    };
    if let Some((version, unknown_options)) = &startup.negotiate {
        backend::negotiate_protocol_version(&mut output, *version, unknown_options.clone());
    }
    let mut exchange = services.authentication.begin(&mut output);
    while !matches!(exchange, Exchange::Done) {
        stream.write_all(&output).await?;
        output.clear();
        let message = match frame::next_message(input) {
            Ok(Some(message)) => message,
            Ok(None) if read(stream, input).await? => continue,
            Ok(None) => return Ok(None),
            Err(error) => {
                let error = SqlError::new(SqlState::ProtocolViolation, error.to_string());
                return refuse(stream, output, &error).await;
            }
        };
        exchange = match exchange.step(&startup.user, message, &mut output) {
            Ok(exchange) => exchange,
            Err(error) => return refuse(stream, output, &error).await,
        };
    }
    backend::authentication(&mut output, &pgwire::messages::startup::Authentication::Ok);
    match block_in_place(|| services.connect(startup, stream.peer_addr().ok())) {
        Ok((session, registration)) => Ok(Some((permit, registration, Box::new(Connection::new(session, output))))),
        Err(error) => refuse(stream, output, &error).await,
    }
}

async fn refuse<T>(stream: &mut TcpStream, mut output: BytesMut, error: &SqlError) -> io::Result<Option<T>> {
    backend::error(&mut output, Severity::Fatal, error);
    stream.write_all(&output).await?;
    stream.shutdown().await?;
    Ok(None)
}

/// Serves an established connection until it ends.
async fn converse(
    stream: &mut TcpStream,
    input: &mut BytesMut,
    mut connection: Box<Connection>,
    mut shutdown: watch::Receiver<bool>,
    mut ended: watch::Receiver<bool>,
) -> io::Result<()> {
    loop {
        let progress = if connection.is_busy() || frame::has_message(input) {
            block_in_place(|| advance(&mut connection, input))
        } else {
            Progress::NeedInput
        };
        if (*shutdown.borrow() || *ended.borrow()) && progress != Progress::Closed {
            connection.abandon(&SqlError::new(
                SqlState::AdminShutdown,
                "terminating connection due to administrator command",
            ));
            return stream.write_all(connection.output()).await;
        }
        stream.write_all(connection.output()).await?;
        connection.output().clear();
        give_back(connection.output());
        match progress {
            Progress::Closed => return Ok(()),
            Progress::OutputFull => {}
            Progress::NeedInput => {
                if input.is_empty() {
                    give_back(input);
                }
                tokio::select! {
                    read = read(stream, input) => if !read? { return Ok(()) },
                    () = shutdown_begun(&mut shutdown) => {}
                    () = shutdown_begun(&mut ended) => {}
                }
            }
        }
    }
}

/// Advances a connection; a panic ends it, and the client is told.
fn advance(connection: &mut Connection, input: &mut BytesMut) -> Progress {
    // The connection is not used again after a panic, but for its output.
    let advanced = std::panic::catch_unwind(AssertUnwindSafe(|| connection.advance(input)));
    advanced.unwrap_or_else(|_| {
        connection.abandon(&SqlError::internal("the server has met a bug of its own and ends this connection"));
        Progress::Closed
    })
}

/// Reads what has arrived; `false` at the end of the stream.
async fn read(stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<bool> {
    input.reserve(INPUT_BYTES_READ);
    Ok(stream.read_buf(input).await? > 0)
}

fn give_back(buffer: &mut BytesMut) {
    if buffer.capacity() > BUFFER_BYTES_KEPT {
        *buffer = BytesMut::new();
    }
}
