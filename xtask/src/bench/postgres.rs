//! A PostgreSQL of the run's own beside the server, for the rows of a table that compare the two by the same client.

use super::server::directory;
use super::usage::{Usage, usage};
use super::wire::{Address, Client};
use crate::test::installed_postgres;
use crate::{TaskError, root};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Debian's `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// What PostgreSQL's manual advises for a server with memory and a steady write load; durable as it comes.
const SETTINGS: [&str; 5] = [
    "shared_buffers=2GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=30min",
    "checkpoint_completion_target=0.9",
    "timezone=UTC",
];

/// A running PostgreSQL; it and its data end with this value.
pub struct Postgres {
    process: Child,
    address: Address,
    _data: TempDir,
}

impl Postgres {
    /// Starts one; `None`, with a word on stderr, where its programs are missing.
    ///
    /// # Errors
    ///
    /// It is there and does not start.
    pub fn start() -> Result<Option<Self>, TaskError> {
        let Some(programs) = installed_postgres() else {
            eprintln!("no PostgreSQL here (apt-get install postgresql): not compared with it");
            return Ok(None);
        };
        let data = directory(&root())?;
        let failed = |source| TaskError::Io { what: "PostgreSQL's directory".into(), source };
        let is_root = std::fs::metadata(data.path()).map_err(failed)?.uid() == 0;
        if is_root {
            chown(data.path(), Some(NOBODY), Some(NOBODY)).map_err(failed)?;
        }
        let command = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.current_dir(data.path()).env("LC_ALL", "C").env_remove("PGDATA").stdin(Stdio::null());
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        initialise(command("initdb"), programs.join("initdb"))?;
        let port = free_port()?;
        let mut server = command("postgres");
        server.args(["-D", "data", "-k", ".", "-h", "127.0.0.1", "-p", &port.to_string()]);
        server.args(SETTINGS.iter().flat_map(|setting| ["-c", setting])).stderr(Stdio::piped());
        let not_run = |source| TaskError::NotRun { command: "postgres".into(), source };
        let mut process = server.spawn().map_err(not_run)?;
        let mut log = BufReader::new(process.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let is_up = log.any(|line| line.contains("ready to accept connections"));
        // A full pipe would stop it.
        std::thread::spawn(move || log.for_each(drop));
        let address = Address { port, user: "postgres", database: "postgres" };
        let postgres = Self { process, address, _data: data };
        if is_up { Ok(Some(postgres)) } else { Err(TaskError::Answer("PostgreSQL ended".into())) }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A connection.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub fn connect(&self) -> Result<Client, TaskError> {
        Client::connect(&self.address)
    }

    /// What it and its processes have used.
    ///
    /// # Errors
    ///
    /// There is no `/proc`.
    pub fn usage(&self) -> Result<Usage, TaskError> {
        usage(self.process.id())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, but its own processes with it, so that its directory can go.
        let stop = Command::new("kill").args(["-QUIT", &self.process.id().to_string()]).status();
        if !stop.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn initialise(mut initdb: Command, shown: PathBuf) -> Result<(), TaskError> {
    initdb.args(["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    let made = initdb
        .stdout(Stdio::null())
        .status()
        .map_err(|source| TaskError::NotRun { command: shown.display().to_string(), source })?;
    if made.success() {
        return Ok(());
    }
    Err(TaskError::Failed { command: shown.display().to_string(), status: made.to_string() })
}

fn free_port() -> Result<u16, TaskError> {
    let failed = |source| TaskError::Io { what: "a free port".into(), source };
    Ok(TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?.local_addr().map_err(failed)?.port())
}
