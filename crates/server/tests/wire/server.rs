//! A server process on a port and a directory of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// A running server; it ends with this value.
pub struct Server {
    process: Child,
    address: SocketAddr,
    data: TempDir,
}

impl Server {
    /// With the defaults.
    pub fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// With more arguments and environment variables.
    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary directory"), arguments, environment)
    }

    /// Over the data of another, which has ended.
    pub fn start_in(data: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut process = command(data.path())
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let output = process.stdout.take().expect("its output is a pipe");
        let mut lines = BufReader::new(output).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.trim().strip_prefix("listening")?.trim().parse().ok())
            .expect("it says where it listens");
        // Somebody must read what it says, lest it wait.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address, data }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its data is.
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end; how it ended, and its data.
    pub fn wait(mut self) -> (ExitStatus, TempDir) {
        let status = self.process.wait().expect("a child can be waited for");
        let data = std::mem::replace(&mut self.data, tempfile::tempdir().expect("a temporary directory"));
        (status, data)
    }

    /// A connection of tokio-postgres.
    pub async fn connect(&self) -> tokio_postgres::Client {
        let parameters = format!("host=127.0.0.1 port={} user=root dbname=dev", self.address.port());
        let (client, connection) =
            tokio_postgres::connect(&parameters, tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The server's command, at a port of the system's choice.
pub fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
    for variable in ["HEADWATER_LISTEN", "HEADWATER_DATA_DIR", "HEADWATER_WORKERS", "HEADWATER_PASSWORD"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a server that is expected not to start; what it says on stderr.
pub fn refusal(command: &mut Command) -> String {
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut text = String::new();
    process.stderr.take().expect("stderr is a pipe").read_to_string(&mut text).expect("text");
    let status = process.wait().expect("a child can be waited for");
    assert_eq!(status.code(), Some(1), "{text}");
    text
}
