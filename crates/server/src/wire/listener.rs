//! Accepts connections, and moves bytes between their sockets and their state machines.
//!
//! ```text
//! accept ──▶ thread per connection:   read ──▶ advance ──▶ write ──▶ …
//!                                       ▲ ends at once when the server or another session ends the connection:
//!                                         the socket's reading side is shut down
//! ```
//!
//! The engine blocks, and a small statement takes less than handing it to another thread: a connection is a thread that
//! reads, works and writes, two system calls a statement. An idle one costs its stack. A panic in a connection is a bug
//! of ours and costs that connection.

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
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// A client that has not said who it is by then is dropped.
const STARTUP_SECONDS_MAX: u64 = 60;

/// What open connections get to finish once the server stops.
const SHUTDOWN_SECONDS_MAX: u64 = 5;

/// The pause after a failed accept: most often the process is out of file descriptors, and some come back.
const ACCEPT_RETRY_MILLIS: u64 = 50;

/// A buffer that a large message has grown beyond this is given back.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

/// Sockets served at once: sessions, and clients that have not yet said who they are.
const SOCKETS_MAX: usize = CONNECTIONS_MAX + 64;

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
    shutdown: Shutdown,
}

/// What every connection needs.
struct Services {
    database: Database,
    authentication: Authentication,
    /// Connections with a session.
    connections: AtomicUsize,
    /// Cancel keys of the open sessions, by process id.
    sessions: Mutex<HashMap<i32, i32>>,
    /// The sockets, by number: shutdown ends them.
    sockets: Mutex<HashMap<u64, Arc<Socket>>>,
}

/// A client's socket, and whether its connection is to end.
struct Socket {
    stream: TcpStream,
    ended: AtomicBool,
}

impl Socket {
    /// Ends the connection before its next message: a thread that waits for input finds the end of the stream.
    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        // A socket that is gone already needs no end.
        let _ = self.stream.shutdown(std::net::Shutdown::Read);
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() { Ok(()) } else { (&self.stream).write_all(bytes) }
    }
}

impl Listener {
    /// Serves `database` at a socket that listens already.
    pub fn new(socket: TcpListener, database: Database, authentication: Authentication, shutdown: Shutdown) -> Self {
        let services = Services {
            database,
            authentication,
            connections: AtomicUsize::new(0),
            sessions: Mutex::default(),
            sockets: Mutex::default(),
        };
        Self { socket, services: Arc::new(services), shutdown }
    }

    /// Serves until shutdown, then lets connections say good-bye.
    pub async fn run(self) {
        let mut shutdown = self.shutdown.0.subscribe();
        // Every connection's thread holds a sender: the receiver's end is the end of the last one.
        let (alive, mut all_ended) = mpsc::channel::<()>(1);
        let mut number = 0;
        loop {
            tokio::select! {
                stream = accept(&self.socket) => {
                    number += 1;
                    start(number, stream, &self.services, alive.clone());
                }
                () = shutdown_begun(&mut shutdown) => break,
            }
        }
        drop((self.socket, alive));
        self.services.end_all();
        let all_ended = all_ended.recv();
        if tokio::time::timeout(Duration::from_secs(SHUTDOWN_SECONDS_MAX), all_ended).await.is_err() {
            eprintln!("headwater: some connections did not end in {SHUTDOWN_SECONDS_MAX} s and were cut");
        }
    }
}

async fn accept(socket: &TcpListener) -> TcpStream {
    loop {
        let accepted = match socket.accept().await {
            Ok((stream, _)) => stream.into_std().and_then(|stream| stream.set_nonblocking(false).map(|()| stream)),
            Err(error) => Err(error),
        };
        match accepted {
            Ok(stream) => return stream,
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

/// Starts a connection's thread. A client for which there is none is turned away.
fn start(number: u64, stream: TcpStream, services: &Arc<Services>, alive: mpsc::Sender<()>) {
    let socket = Arc::new(Socket { stream, ended: AtomicBool::new(false) });
    let mut sockets = services.sockets();
    if sockets.len() >= SOCKETS_MAX {
        return;
    }
    sockets.insert(number, Arc::clone(&socket));
    drop(sockets);
    let registered = RegisteredSocket { services: Arc::clone(services), number };
    let thread = std::thread::Builder::new().name("connection".to_owned());
    let started = thread.spawn(move || {
        // A lost client is noticed here, and the session's end undoes what it left open.
        let _ = serve(&socket, &registered.services);
        let _ = socket.stream.shutdown(std::net::Shutdown::Both);
        drop((registered, alive));
    });
    if let Err(error) = started {
        eprintln!("headwater: cannot start a thread for a connection: {error}");
    }
}

/// A socket's entry among those that shutdown ends.
struct RegisteredSocket {
    services: Arc<Services>,
    number: u64,
}

impl Drop for RegisteredSocket {
    fn drop(&mut self) {
        self.services.sockets().remove(&self.number);
    }
}

impl Services {
    fn sessions(&self) -> MutexGuard<'_, HashMap<i32, i32>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<u64, Arc<Socket>>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every connection, and whatever its session is doing.
    fn end_all(&self) {
        for socket in self.sockets().values() {
            socket.end();
        }
        let sessions = self.sessions().clone();
        for (pid, secret) in sessions {
            self.database.cancel(pid, secret);
        }
    }

    /// A place among the connections, if there is one.
    fn admit(self: &Arc<Self>) -> Option<Admission> {
        let admission = Admission { services: Arc::clone(self) };
        let before = self.connections.fetch_add(1, Ordering::SeqCst);
        (before < CONNECTIONS_MAX).then_some(admission)
    }

    fn connect(
        self: &Arc<Self>,
        startup: StartupParameters,
        socket: &Arc<Socket>,
    ) -> Result<(Session, Registration), SqlError> {
        let StartupParameters { user, database, settings: parameters, .. } = startup;
        let client_address: Option<SocketAddr> = socket.stream.peer_addr().ok();
        let session = self.database.connect(ConnectOptions { user, database, parameters, client_address })?;
        let pid = session.pid();
        self.sessions().insert(pid, session.secret());
        session.on_terminate({
            let socket = Arc::clone(socket);
            move || socket.end()
        });
        Ok((session, Registration { services: Arc::clone(self), pid }))
    }
}

/// A place among the connections.
struct Admission {
    services: Arc<Services>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.services.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A session's entry among those that shutdown cancels.
struct Registration {
    services: Arc<Services>,
    pid: i32,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.services.sessions().remove(&self.pid);
    }
}

/// One connection, from accept to close. Errors of the socket mean that the client is gone, which is not news.
fn serve(socket: &Arc<Socket>, services: &Arc<Services>) -> io::Result<()> {
    socket.stream.set_nodelay(true)?;
    let mut reader = Reader::new(socket);
    let Some((admission, registration, connection)) = establish(socket, &mut reader, services)? else { return Ok(()) };
    socket.stream.set_read_timeout(None)?;
    reader.deadline = None;
    let ended = converse(socket, &mut reader, connection);
    drop((registration, admission));
    ended
}

/// What has arrived from a client.
struct Reader<'s> {
    socket: &'s Socket,
    input: BytesMut,
    /// Where the kernel puts bytes: only those that came are moved on.
    block: Box<[u8]>,
    /// When what has not arrived is no longer waited for.
    deadline: Option<Instant>,
}

impl<'s> Reader<'s> {
    fn new(socket: &'s Socket) -> Self {
        let block = vec![0; INPUT_BYTES_READ].into_boxed_slice();
        let deadline = Some(Instant::now() + Duration::from_secs(STARTUP_SECONDS_MAX));
        Self { socket, input: BytesMut::new(), block, deadline }
    }

    /// Reads what has arrived, and waits if that is nothing; `false` at the end of the stream.
    fn read(&mut self) -> io::Result<bool> {
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.socket.stream.set_read_timeout(Some(left))?;
        }
        loop {
            match (&self.socket.stream).read(&mut self.block) {
                Ok(bytes) => {
                    self.input.extend_from_slice(&self.block[..bytes]);
                    return Ok(bytes > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Negotiates, authenticates and begins a session; `None` if the connection has ended instead.
fn establish(
    socket: &Arc<Socket>,
    reader: &mut Reader<'_>,
    services: &Arc<Services>,
) -> io::Result<Option<(Admission, Registration, Box<Connection>)>> {
    let mut output = BytesMut::new();
    let startup = loop {
        match startup::next_packet(&mut reader.input) {
            Ok(None) => {
                if !reader.read()? {
                    return Ok(None);
                }
            }
            Ok(Some(StartupPacket::EncryptionRequest)) => socket.write(b"N")?,
            Ok(Some(StartupPacket::Cancel { pid, secret })) => {
                services.database.cancel(pid, secret);
                return Ok(None);
            }
            Ok(Some(StartupPacket::Startup(startup))) => break startup,
            Err(error) => return refuse(socket, output, &error),
        }
    };
    let Some(admission) = services.admit() else {
        let error = SqlError::new(SqlState::TooManyConnections, "sorry, too many clients already");
        return refuse(socket, output, &error);
    };
    if let Some((version, unknown_options)) = &startup.negotiate {
        backend::negotiate_protocol_version(&mut output, *version, unknown_options.clone());
    }
    let mut exchange = services.authentication.begin(&mut output);
    while !matches!(exchange, Exchange::Done) {
        socket.write(&output)?;
        output.clear();
        let message = match frame::next_message(&mut reader.input) {
            Ok(Some(message)) => message,
            Ok(None) if reader.read()? => continue,
            Ok(None) => return Ok(None),
            Err(error) => {
                let error = SqlError::new(SqlState::ProtocolViolation, error.to_string());
                return refuse(socket, output, &error);
            }
        };
        exchange = match exchange.step(&startup.user, message, &mut output) {
            Ok(exchange) => exchange,
            Err(error) => return refuse(socket, output, &error),
        };
    }
    backend::authentication(&mut output, &pgwire::messages::startup::Authentication::Ok);
    match services.connect(startup, socket) {
        Ok((session, registration)) => Ok(Some((admission, registration, Box::new(Connection::new(session, output))))),
        Err(error) => refuse(socket, output, &error),
    }
}

fn refuse<T>(socket: &Socket, mut output: BytesMut, error: &SqlError) -> io::Result<Option<T>> {
    backend::error(&mut output, Severity::Fatal, error);
    socket.write(&output)?;
    Ok(None)
}

/// Serves an established connection until it ends.
fn converse(socket: &Socket, reader: &mut Reader<'_>, mut connection: Box<Connection>) -> io::Result<()> {
    loop {
        let progress = if connection.is_busy() || frame::has_message(&reader.input) {
            advance(&mut connection, &mut reader.input)
        } else {
            Progress::NeedInput
        };
        if socket.is_ended() && progress != Progress::Closed {
            connection.abandon(&SqlError::new(
                SqlState::AdminShutdown,
                "terminating connection due to administrator command",
            ));
            return socket.write(connection.output());
        }
        socket.write(connection.output())?;
        connection.output().clear();
        give_back(connection.output());
        match progress {
            Progress::Closed => return Ok(()),
            Progress::OutputFull => {}
            Progress::NeedInput => {
                if reader.input.is_empty() {
                    give_back(&mut reader.input);
                }
                if !reader.read()? && !socket.is_ended() {
                    return Ok(());
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

fn give_back(buffer: &mut BytesMut) {
    if buffer.capacity() > BUFFER_BYTES_KEPT {
        *buffer = BytesMut::new();
    }
}
