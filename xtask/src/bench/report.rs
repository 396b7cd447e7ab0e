//! What a benchmark prints: the machine, aligned tables, percentiles.

use crate::TaskError;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Samples of the disk's fsync.
const FSYNC_SAMPLES: usize = 200;

/// Bytes of one such write: about what a commit of one row takes.
const FSYNC_WRITE_BYTES: usize = 512;

/// A table whose first column is text and whose others are figures.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        // Long runs show on stderr how far they are; the table comes whole on stdout.
        eprintln!("  … {}", cells.join("  "));
        self.rows.push(cells);
    }

    /// Prints it.
    pub fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        println!();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
}

/// Measured times, sorted.
pub struct Times(Vec<Duration>);

impl Times {
    /// Of samples in any order.
    pub fn new(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that this share of the samples does not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let index = self.0.len().saturating_sub(1) * percent / 100;
        self.0.get(index).copied().unwrap_or_default()
    }

    /// The median, the 99th percentile and the longest, as cells of a table.
    pub fn cells(&self) -> [String; 3] {
        [50, 99, 100].map(|percent| shown(self.percentile(percent)))
    }
}

/// A time as milliseconds with three digits behind the point: microseconds.
pub fn shown(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1000.0)
}

/// A count with its thousands apart.
pub fn grouped(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many per second.
pub fn rate(count: u64, time: Duration) -> String {
    grouped(to_f64(count) / time.as_secs_f64())
}

/// Microseconds for each.
pub fn micros_each(time: Duration, count: u64) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e6 / to_f64(count))
}

/// Bytes as MiB.
pub fn mebibytes(bytes: f64) -> String {
    format!("{:.0}", bytes / f64::from(1 << 20))
}

/// Counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of events are far below 2^53")]
pub fn to_f64(count: u64) -> f64 {
    count as f64
}

/// A number of samples as a count.
pub fn count(samples: usize) -> u64 {
    u64::try_from(samples).expect("usize fits u64")
}

/// One line that says on what a run was made, the disk under `directory` included.
///
/// # Errors
///
/// The disk cannot be written.
pub fn print_machine(directory: &Path) -> Result<(), TaskError> {
    let proc = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.split_once(':').map(|(_, value)| value.trim().to_owned()))
    };
    let model = value(&proc("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".into());
    let kilobytes = value(&proc("/proc/meminfo"), "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
    let load = proc("/proc/loadavg").split(' ').next().unwrap_or("?").to_owned();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fsync = fsync(directory)?;
    println!(
        "machine: {cores} × {model}, {:.0} GiB, Linux {}, load {load}; fsync of {FSYNC_WRITE_BYTES} bytes: p50 {} ms, \
         p99 {} ms",
        kilobytes.unwrap_or(0.0) / f64::from(1 << 20),
        proc("/proc/sys/kernel/osrelease").trim(),
        shown(fsync.percentile(50)),
        shown(fsync.percentile(99)),
    );
    Ok(())
}

/// How long a small write takes to reach the disk that holds the data.
fn fsync(directory: &Path) -> Result<Times, TaskError> {
    let failed = |source| TaskError::Io { what: directory.display().to_string(), source };
    let mut file = tempfile::tempfile_in(directory).map_err(failed)?;
    let mut samples = Vec::new();
    for _ in 0..FSYNC_SAMPLES {
        file.write_all(&[0; FSYNC_WRITE_BYTES]).map_err(failed)?;
        let started = Instant::now();
        file.sync_data().map_err(failed)?;
        samples.push(started.elapsed());
    }
    Ok(Times::new(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_samples() {
        let times = Times::new((1..=101).rev().map(Duration::from_millis).collect());
        assert_eq!(times.percentile(50), Duration::from_millis(51));
        assert_eq!(times.percentile(100), Duration::from_millis(101));
        assert_eq!(Times::new(vec![]).percentile(99), Duration::ZERO);
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(grouped(1_234_567.4), "1,234,567");
        assert_eq!(grouped(123.0), "123");
        assert_eq!(rate(500, Duration::from_millis(250)), "2,000");
        assert_eq!(micros_each(Duration::from_secs(2), 1_000_000), "2.00");
    }
}
