//! The server's process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server at a port of the system's choice. It ends with this value.
pub struct Process(Child);

impl Process {
    /// Starts one over this data.
    pub fn spawn(data_dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
        for variable in ["HEADWATER_LISTEN", "HEADWATER_DATA_DIR", "HEADWATER_WORKERS", "HEADWATER_PASSWORD"] {
            command.env_remove(variable);
        }
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the binary runs"))
    }

    /// Waits until it listens, and tells where.
    pub fn address(&mut self) -> SocketAddr {
        let output = self.0.stdout.take().expect("its output is a pipe, and read once");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.trim().strip_prefix("listening")?.trim().parse().ok());
        // Somebody must read the rest, lest it wait.
        std::thread::spawn(move || lines.for_each(drop));
        address.expect("the server starts, whatever the kill left of its data")
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.0.kill().expect("it was running");
        self.0.wait().expect("a child can be waited for");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, or the test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
