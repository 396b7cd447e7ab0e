//! The log against cuts, flips, crashes and failing disks.

use crate::{Access, DataDir, LOG_SEGMENT_BYTES_MAX, Log, OsVfs, Record, SimVfs, StorageError, Vfs};
use bytes::Bytes;
use headwater_types::Epoch;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ROOT: &str = "/data";

fn open_dir(vfs: &SimVfs) -> DataDir {
    DataDir::open(Arc::new(vfs.clone()), Path::new(ROOT)).expect("a sound directory opens")
}

fn body_of(epoch: u64) -> Vec<u8> {
    (0..epoch * 7 % 50).map(|i| u8::try_from((i * 31 + epoch) % 256).expect("below 256")).collect()
}

fn record(epoch: u64) -> Record {
    let timestamp_micros = i64::try_from(epoch).expect("small") * 1000 - 3;
    Record { epoch: Epoch(epoch), timestamp_micros, body: body_of(epoch) }
}

fn append(log: &mut Log, epoch: u64) -> Result<(), StorageError> {
    let record = record(epoch);
    let (a, b) = record.body.split_at(record.body.len() / 2);
    log.append(
        record.epoch,
        record.timestamp_micros,
        vec![Bytes::copy_from_slice(a), Bytes::new(), Bytes::copy_from_slice(b)],
    )
}

/// Opens the log and reads all of it.
fn read_all(vfs: &SimVfs, segment_bytes_max: u64) -> Result<Vec<Record>, StorageError> {
    let directory = DataDir::open(Arc::new(vfs.clone()), Path::new(ROOT))?;
    let (_log, recovery) = Log::open_with(&directory, segment_bytes_max)?;
    recovery.collect()
}

fn expect_prefix(records: &[Record], epochs: u64, context: &str) {
    let expected: Vec<_> = (1..=epochs).map(record).collect();
    assert_eq!(records, expected, "{context}");
}

/// Groups of one to three records, each group one sync. Returns the last epoch of each group.
fn write_groups(vfs: &SimVfs, groups: u64, segment_bytes_max: u64) -> Vec<u64> {
    let directory = open_dir(vfs);
    let (mut log, _) = Log::open_with(&directory, segment_bytes_max).expect("opens");
    let mut epoch = 0;
    let mut ends = vec![];
    for group in 0..groups {
        for _ in 0..=group % 3 {
            epoch += 1;
            append(&mut log, epoch).expect("in order");
        }
        assert_eq!(log.sync().expect("syncs"), Epoch(epoch));
        ends.push(epoch);
    }
    ends
}

fn segments(vfs: &SimVfs) -> Vec<PathBuf> {
    let log = Path::new(ROOT).join("log");
    vfs.list(&log).expect("the log exists").into_iter().map(|name| log.join(name)).collect()
}

#[test]
fn records_come_back_after_a_restart_and_the_log_goes_on() {
    let vfs = SimVfs::new();
    write_groups(&vfs, 4, LOG_SEGMENT_BYTES_MAX);
    let directory = open_dir(&vfs);
    let (mut log, recovery) = Log::open(&directory).expect("opens");
    assert!(recovery.cut().is_none());
    expect_prefix(&recovery.map(|r| r.expect("valid")).collect::<Vec<_>>(), 7, "before going on");
    assert_eq!(log.last_epoch(), Epoch(7));
    append(&mut log, 8).expect("in order");
    assert!(matches!(append(&mut log, 8), Err(StorageError::EpochOrder { .. })));
    log.sync().expect("syncs");
    drop((log, directory));
    expect_prefix(&read_all(&vfs, LOG_SEGMENT_BYTES_MAX).expect("valid"), 8, "after going on");
}

#[test]
fn a_log_cut_at_any_byte_gives_whole_groups() {
    let vfs = SimVfs::new();
    let ends = write_groups(&vfs, 6, LOG_SEGMENT_BYTES_MAX);
    let path = segments(&vfs).pop().expect("one segment");
    let bytes = vfs.contents(&path).expect("it exists");
    let mut seen = 0;
    for length in 0..bytes.len() {
        let cut = vfs.fork();
        cut.put(&path, &bytes[..length]);
        match read_all(&cut, LOG_SEGMENT_BYTES_MAX) {
            Ok(records) => {
                let last = records.last().map_or(0, |record| record.epoch.0);
                assert!(last == 0 || ends.contains(&last), "cut at {length}: half a group, up to {last}");
                assert!(last >= seen, "cut at {length}: less than from a shorter file");
                seen = last;
                expect_prefix(&records, last, &format!("cut at {length}"));
                // What was cut stays cut, and the log goes on from there.
                let directory = open_dir(&cut);
                let (mut log, recovery) = Log::open(&directory).expect("opens");
                assert!(recovery.cut().is_none(), "cut at {length}: cut twice");
                append(&mut log, last + 1).expect("in order");
                log.sync().expect("syncs");
                drop((log, directory));
                expect_prefix(&read_all(&cut, LOG_SEGMENT_BYTES_MAX).expect("valid"), last + 1, "gone on");
            }
            // A segment gets its name with a durable header, so that this is no trace of a crash.
            Err(StorageError::Corrupt { .. }) => assert!(length < 32, "cut at {length}"),
            Err(error) => panic!("cut at {length}: {error}"),
        }
    }
    assert_eq!(seen, ends[ends.len() - 2]);
}

#[test]
fn a_flipped_byte_is_an_error_or_was_in_the_last_frame() {
    for sealed in [false, true] {
        let vfs = SimVfs::new();
        let ends = write_groups(&vfs, 6, 250);
        if sealed {
            let directory = open_dir(&vfs);
            let (mut log, _) = Log::open_with(&directory, 250).expect("opens");
            log.seal().expect("syncs");
        }
        let last_but_one = ends[ends.len() - 2];
        let last = ends[ends.len() - 1];
        let paths = segments(&vfs);
        assert!(paths.len() > 1, "several segments are wanted here");
        for path in paths {
            let bytes = vfs.contents(&path).expect("it exists");
            for offset in 0..bytes.len() {
                for bit in [0x01, 0x80] {
                    let flipped = vfs.fork();
                    let mut changed = bytes.clone();
                    changed[offset] ^= bit;
                    flipped.put(&path, &changed);
                    let context = format!("{} byte {offset} bit {bit:#x} sealed {sealed}", path.display());
                    match read_all(&flipped, 250) {
                        Ok(records) => {
                            let kept = if sealed { last } else { last_but_one };
                            expect_prefix(&records, kept, &context);
                        }
                        Err(StorageError::Corrupt { path: named, .. }) => {
                            assert_eq!(named.parent(), path.parent(), "{context}");
                        }
                        Err(error) => panic!("{context}: {error}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_missing_segment_is_an_error() {
    let vfs = SimVfs::new();
    write_groups(&vfs, 12, 200);
    let paths = segments(&vfs);
    assert!(paths.len() > 3, "several segments are wanted here");
    // The newest segment is not missed: nothing names it.
    for path in &paths[..paths.len() - 1] {
        let without = vfs.fork();
        without.remove(path).expect("it exists");
        let error = read_all(&without, 200).expect_err("a hole in history");
        assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("missing"), "{error}");
    }
}

#[test]
fn a_crash_keeps_what_was_synced_and_nothing_torn() {
    for seed in 0..400_u64 {
        let vfs = SimVfs::new();
        let (mut durable, mut appended) = (0, 0);
        for life in 0..4_u64 {
            let directory = open_dir(&vfs);
            let (mut log, recovery) = Log::open_with(&directory, 300).expect("a crash corrupts nothing");
            let records: Vec<_> = recovery.map(|r| r.expect("a crash corrupts nothing")).collect();
            let last = records.last().map_or(0, |record| record.epoch.0);
            expect_prefix(&records, last, &format!("seed {seed} life {life}"));
            assert!(last >= durable, "seed {seed} life {life}: lost {last} < {durable}");
            assert!(last <= appended, "seed {seed} life {life}: invented");
            appended = last;
            durable = last;
            vfs.fail_syncs_after((seed * 7 + life * 3) % 9);
            // Until the disk fails in the middle of something.
            for _ in 0..20 {
                appended += 1;
                if append(&mut log, appended).is_err() {
                    break;
                }
                if (appended + seed) % 3 == 0 {
                    match log.sync() {
                        Ok(epoch) => durable = epoch.0,
                        Err(_) => break,
                    }
                }
            }
            drop((log, directory));
            vfs.crash((seed % 4 != 0).then_some(seed * 4 + life));
        }
    }
}

#[test]
fn a_failed_fsync_or_write_poisons() {
    for fail in [SimVfs::fail_syncs_after, SimVfs::fail_writes_after] {
        let vfs = SimVfs::new();
        write_groups(&vfs, 2, LOG_SEGMENT_BYTES_MAX);
        let directory = open_dir(&vfs);
        let (log, _) = Log::open(&directory).expect("opens");
        let (mut writer, syncer) = log.split();
        writer.append(Epoch(4), 0, vec![Bytes::from_static(b"x")]).expect("in order");
        fail(&vfs, 0);
        assert!(matches!(syncer.sync(), Err(StorageError::Io { .. })));
        fail(&vfs, 1000);
        assert!(matches!(syncer.sync(), Err(StorageError::Poisoned { .. })));
        assert!(matches!(syncer.seal(), Err(StorageError::Poisoned { .. })));
        assert!(matches!(
            writer.append(Epoch(5), 0, vec![Bytes::from_static(b"y")]),
            Err(StorageError::Poisoned { .. })
        ));
    }
}

#[test]
fn two_threads_append_and_sync() {
    let vfs = SimVfs::new();
    let directory = open_dir(&vfs);
    let (log, _) = Log::open_with(&directory, 4096).expect("opens");
    let (mut writer, syncer) = log.split();
    let thread = std::thread::spawn(move || {
        let mut durable = Epoch(0);
        while durable < Epoch(500) {
            let next = syncer.sync().expect("syncs");
            assert!(next >= durable);
            durable = next;
            std::thread::yield_now();
        }
    });
    for epoch in 1..=500 {
        let record = record(epoch);
        writer.append(record.epoch, record.timestamp_micros, vec![Bytes::from(record.body.clone())]).expect("in order");
    }
    thread.join().expect("the sync thread ends");
    drop((writer, directory));
    vfs.crash(None);
    expect_prefix(&read_all(&vfs, 4096).expect("valid"), 500, "after a crash");
}

#[test]
fn a_frame_larger_than_a_segment_is_one_segment() {
    let vfs = SimVfs::new();
    let directory = open_dir(&vfs);
    let (mut log, _) = Log::open_with(&directory, 100).expect("opens");
    let large = vec![7; 5000];
    log.append(Epoch(1), 0, vec![Bytes::from(large.to_vec())]).expect("in order");
    log.sync().expect("syncs");
    log.append(Epoch(9), 0, vec![Bytes::from(large.to_vec())]).expect("in order");
    log.sync().expect("syncs");
    drop((log, directory));
    let records = read_all(&vfs, 100).expect("valid");
    assert_eq!(records.iter().map(|r| (r.epoch.0, r.body.len())).collect::<Vec<_>>(), [(1, 5000), (9, 5000)]);
    assert_eq!(segments(&vfs).len(), 2);
}

#[test]
fn the_directory_is_recognised_and_locked() {
    let vfs = SimVfs::new();
    let open = |vfs: &SimVfs| DataDir::open(Arc::new(vfs.clone()), Path::new(ROOT));
    let directory = open(&vfs).expect("created");
    assert!(matches!(open(&vfs), Err(StorageError::Locked { .. })));
    drop(directory);
    drop(open(&vfs).expect("free again"));
    let format = Path::new(ROOT).join("format");
    for (text, expected) in [
        ("headwater 2\n", "has format 2"),
        ("headwater 0\n", "no format 0"),
        ("headwater\n", "does not say"),
        ("", "does not say"),
        ("postgres 1\n", "does not say"),
    ] {
        let other = vfs.fork();
        other.put(&format, text.as_bytes());
        let error = open(&other).expect_err("not ours").to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let foreign = SimVfs::new();
    foreign.create_dir(Path::new(ROOT)).expect("created");
    foreign.put(&Path::new(ROOT).join("thesis.doc"), b"");
    assert!(matches!(open(&foreign), Err(StorageError::NotHeadwater { .. })));
    assert!(foreign.contents(&Path::new(ROOT).join("lock")).is_none(), "a foreign directory is left alone");
}

#[test]
fn a_crash_while_creating_leaves_a_directory_that_opens() {
    for seed in 0..50 {
        for syncs in 0..6 {
            let vfs = SimVfs::new();
            vfs.fail_syncs_after(syncs);
            let opened = DataDir::open(Arc::new(vfs.clone()), Path::new(ROOT))
                .and_then(|directory| Log::open(&directory).map(drop));
            assert_eq!(opened.is_ok(), syncs >= 4, "syncs {syncs}");
            vfs.crash((seed > 0).then_some(seed));
            assert!(read_all(&vfs, LOG_SEGMENT_BYTES_MAX).expect("opens").is_empty(), "seed {seed} syncs {syncs}");
        }
    }
}

#[test]
fn the_operating_systems_files_do_the_same() {
    let root = std::env::temp_dir().join(format!("headwater-storage-test-{}", std::process::id()));
    let path = root.join("nested").join("data");
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
    {
        let directory = DataDir::open(Arc::clone(&vfs), &path).expect("created");
        assert!(matches!(DataDir::open(Arc::clone(&vfs), &path), Err(StorageError::Locked { .. })));
        let (mut log, _) = Log::open_with(&directory, 200).expect("opens");
        for epoch in 1..=20 {
            append(&mut log, epoch).expect("in order");
            log.sync().expect("syncs");
        }
    }
    // A torn write at the end.
    let last = vfs.list(&path.join("log")).expect("exists").pop().expect("a segment");
    let file = vfs.open(&path.join("log").join(last), Access::Write).expect("exists");
    file.write_at(file.length().expect("a length"), b"HWf1 and no more").expect("writes");
    let directory = DataDir::open(Arc::clone(&vfs), &path).expect("free again");
    let (_log, recovery) = Log::open_with(&directory, 200).expect("opens");
    assert_eq!(recovery.cut().map(|cut| cut.bytes), Some(16));
    expect_prefix(&recovery.map(|r| r.expect("valid")).collect::<Vec<_>>(), 20, "on disk");
    drop(directory);
    std::fs::remove_dir_all(root).expect("its own files");
}
