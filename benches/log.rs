//! The log on a real disk: what a commit waits for, what it costs beside that, and how fast a start reads it back.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use headwater_storage::{DataDir, Log, OsVfs};
use headwater_types::Epoch;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

/// About what a single event's commit takes.
const BODY_BYTES: usize = 200;
/// Records of the log that is read back.
const RECOVERED_RECORDS: u64 = 100_000;
/// Records made durable together while that log is written.
const FRAME_RECORDS: u64 = 1000;

fn open(path: &Path) -> (Log, u64) {
    let directory = DataDir::open(Arc::new(OsVfs), path).expect("the directory is ours");
    let (log, records) = Log::open(&directory).expect("the log is whole");
    let count =
        records.map(|record| black_box(record.expect("the log is whole")).body.len()).filter(|&n| n > 0).count();
    (log, count.try_into().expect("usize fits u64"))
}

/// A directory on the disk that cargo builds on: the system's temporary one may be memory.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the directory can be written")
}

fn append(log: &mut Log, records: u64) {
    for _ in 0..records {
        let epoch = Epoch(log.last_epoch().0 + 1);
        log.append(epoch, 0, vec![Bytes::from_static(&[7; BODY_BYTES])]).expect("the disk has room");
    }
    log.sync().expect("the disk works");
}

/// As many appends as there are commits during one fsync, and the fsync.
fn commit(criterion: &mut Criterion) {
    let home = directory();
    let (mut log, _) = open(home.path());
    let mut group = criterion.benchmark_group("append and sync");
    group.sample_size(20);
    for records in [1, 10, 1000] {
        group.throughput(Throughput::Elements(records));
        group.bench_function(BenchmarkId::from_parameter(records), |bencher| {
            bencher.iter(|| append(&mut log, records));
        });
    }
    group.finish();
}

fn recover(criterion: &mut Criterion) {
    let home = directory();
    {
        let (mut log, _) = open(home.path());
        for _ in 0..RECOVERED_RECORDS / FRAME_RECORDS {
            append(&mut log, FRAME_RECORDS);
        }
    }
    let mut group = criterion.benchmark_group("recover");
    group.sample_size(10).throughput(Throughput::Elements(RECOVERED_RECORDS));
    group.bench_function(BenchmarkId::from_parameter(RECOVERED_RECORDS), |bencher| {
        bencher.iter(|| assert_eq!(open(home.path()).1, RECOVERED_RECORDS));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    commit(&mut criterion);
    recover(&mut criterion);
    criterion.final_summary();
}
