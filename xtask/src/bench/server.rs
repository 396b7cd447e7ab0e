//! A server on a port and a directory of its own, and what it uses.

use super::usage::{Usage, usage};
use super::wire::{Address, Client};
use crate::TaskError;
use crate::process::run;
use crate::test::target;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running server; it and its data end with this value.
pub struct Server {
    process: Child,
    address: Address,
    _data: TempDir,
}

/// The release binary, built now.
///
/// # Errors
///
/// It does not build.
pub fn build(root: &Path) -> Result<PathBuf, TaskError> {
    run(Command::new("cargo").current_dir(root).args(["build", "--release", "--package", "headwater"]))?;
    Ok(target(root).join("release").join("headwater"))
}

/// An empty directory on the disk that cargo builds on: the system's temporary one may be memory.
///
/// # Errors
///
/// The disk cannot be written.
pub fn directory(root: &Path) -> Result<TempDir, TaskError> {
    let failed = |source| TaskError::Io { what: "a directory for the data".into(), source };
    tempfile::Builder::new().prefix("bench-").tempdir_in(target(root)).map_err(failed)
}

impl Server {
    /// Starts one on an empty directory.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(root: &Path, binary: &Path, port: u16, workers: usize) -> Result<Self, TaskError> {
        let data = directory(root)?;
        let mut process = Command::new(binary)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--workers", &workers.to_string(), "--data-dir"])
            .arg(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| TaskError::NotRun { command: binary.display().to_string(), source })?;
        let banner = process.stdout.take().expect("its output is a pipe");
        let port = BufReader::new(banner).lines().map_while(Result::ok).find_map(|line| {
            line.trim().strip_prefix("listening").and_then(|address| address.rsplit(':').next()?.parse().ok())
        });
        let address = Address { port: port.unwrap_or(0), user: "root", database: "dev" };
        let server = Self { process, address, _data: data };
        match port {
            Some(_) => Ok(server),
            None => Err(TaskError::Answer("the server did not say where it listens".into())),
        }
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

    /// What it has used.
    ///
    /// # Errors
    ///
    /// There is no `/proc`, or no such process.
    pub fn usage(&self) -> Result<Usage, TaskError> {
        usage(self.process.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is needed any more, so it need not end in good order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
