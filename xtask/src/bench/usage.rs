//! What a server and its children have used, from `/proc`.

use crate::TaskError;
use crate::process::{output, read};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What a process has used since its start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// The resident set.
    pub resident_bytes: f64,
    /// The largest resident set.
    pub peak_bytes: f64,
}

/// What a process and its children have used. Memory is the sum, in which shared pages count each time.
///
/// # Errors
///
/// There is no `/proc`, or no such process.
pub fn usage(process: u32) -> Result<Usage, TaskError> {
    let mut total = one(process)?;
    for child in children(process) {
        // A child may have ended meanwhile; its time is then its parent's.
        if let Ok(usage) = one(child) {
            total.cpu += usage.cpu;
            total.resident_bytes += usage.resident_bytes;
            total.peak_bytes += usage.peak_bytes;
        }
    }
    Ok(total)
}

fn one(process: u32) -> Result<Usage, TaskError> {
    let directory = Path::new("/proc").join(process.to_string());
    let ticks = output(Command::new("getconf").arg("CLK_TCK")).and_then(|ticks| ticks.parse().ok()).unwrap_or(100.0);
    let (stat, status) = (read(&directory.join("stat"))?, read(&directory.join("status"))?);
    parse(&stat, &status, ticks).ok_or_else(|| TaskError::Answer("/proc is not as expected".into()))
}

fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let list = std::fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// From proc(5): fields 14 to 17 of `stat` are the user and system time of the process and of its ended children, in
/// ticks; `VmRSS` and `VmHWM` are the resident set and its peak in kB.
fn parse(stat: &str, status: &str, ticks_per_second: f64) -> Option<Usage> {
    let after_name = stat.rsplit_once(") ")?.1;
    let times: Option<Vec<f64>> = after_name.split(' ').skip(11).take(4).map(|field| field.parse().ok()).collect();
    let ticks: f64 = times.filter(|times| times.len() == 4)?.iter().sum();
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kilobytes * 1024.0)
    };
    Some(Usage {
        cpu: Duration::from_secs_f64(ticks / ticks_per_second),
        resident_bytes: bytes("VmRSS:")?,
        peak_bytes: bytes("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_proc() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4 1 0 0 0 250 50 70 30 20 0";
        let usage = parse(stat, "VmPeak:\t9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n", 100.0).expect("well-formed");
        assert_eq!(usage.cpu, Duration::from_secs(4));
        assert!((usage.peak_bytes - 2_097_152.0).abs() < 1.0);
        assert!((usage.resident_bytes - 1_048_576.0).abs() < 1.0);
        assert!(parse("", "", 100.0).is_none());
    }
}
