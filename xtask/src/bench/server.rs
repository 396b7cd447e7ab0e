//! A release server on a port and a directory of its own, and what it uses.

use crate::TaskError;
use crate::process::{output, read, run};
use crate::test::target;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// A running server; it and its data end with this value.
pub struct Server {
    process: Child,
    port: u16,
    data: TempDir,
}

/// What a server has used since its start.
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// The largest resident set.
    pub peak_bytes: f64,
}

impl Server {
    /// Builds and starts one.
    ///
    /// # Errors
    ///
    /// It does not build or start.
    pub fn start(root: &Path) -> Result<Self, TaskError> {
        run(Command::new("cargo").current_dir(root).args(["build", "--release", "--package", "headwater"]))?;
        let failed = |source| TaskError::Io { what: "a directory for the data".into(), source };
        let data = tempfile::Builder::new().prefix("bench-").tempdir_in(target(root)).map_err(failed)?;
        let binary = target(root).join("release").join("headwater");
        let mut process = Command::new(&binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| TaskError::NotRun { command: binary.display().to_string(), source })?;
        let banner = process.stdout.take().expect("its output is a pipe");
        let port = BufReader::new(banner).lines().map_while(Result::ok).find_map(|line| {
            line.trim().strip_prefix("listening").and_then(|address| address.rsplit(':').next()?.parse().ok())
        });
        let server = Self { process, port: port.unwrap_or(0), data };
        match port {
            Some(_) => Ok(server),
            None => Err(TaskError::Answer("the server did not say where it listens".into())),
        }
    }

    /// Where its data is.
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// A connection.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub async fn connect(&self) -> Result<Client, TaskError> {
        let parameters = format!("host=127.0.0.1 port={} user=root dbname=dev", self.port);
        let (client, connection) = tokio_postgres::connect(&parameters, NoTls).await?;
        // The connection's error is also that of the statement which waits for it.
        tokio::spawn(connection);
        Ok(client)
    }

    /// What it has used, from `/proc`.
    ///
    /// # Errors
    ///
    /// There is no `/proc`, or no such process.
    pub fn usage(&self) -> Result<Usage, TaskError> {
        let process = Path::new("/proc").join(self.process.id().to_string());
        let ticks =
            output(Command::new("getconf").arg("CLK_TCK")).and_then(|ticks| ticks.parse().ok()).unwrap_or(100.0);
        let stat = read(&process.join("stat"))?;
        let status = read(&process.join("status"))?;
        parse_usage(&stat, &status, ticks).ok_or_else(|| TaskError::Answer("/proc is not as expected".into()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is needed any more, so it need not end in good order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// From proc(5): fields 14 and 15 of `stat` are user and system time in ticks; `VmHWM` is the peak in kB.
fn parse_usage(stat: &str, status: &str, ticks_per_second: f64) -> Option<Usage> {
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split(' ').skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(Usage { cpu: Duration::from_secs_f64(ticks / ticks_per_second), peak_bytes: kilobytes * 1024.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_proc() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4 1 0 0 0 250 50 0 0 20 0";
        let usage = parse_usage(stat, "VmPeak:\t9 kB\nVmHWM:\t    2048 kB\n", 100.0).expect("well-formed");
        assert_eq!(usage.cpu, Duration::from_secs(3));
        assert!((usage.peak_bytes - 2_097_152.0).abs() < 1.0);
        assert!(parse_usage("", "", 100.0).is_none());
    }
}
