//! A table as the tutorial fills it: appending and sealing, scanning, fetching rows, finding and inserting keys, and what
//! a row takes in memory by column.
//!
//! The tables are made once; what a measurement inserts goes into a clone, which shares everything, as a table shares
//! everything with the snapshots that readers have.

use arrow_array::{ArrayRef, FixedSizeBinaryArray, Int32Array, StringArray, TimestampMicrosecondArray};
use arrow_buffer::Buffer;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use headwater_arrange::{KeyedRelation, RowStore, TextForm};
use headwater_types::{Batch, DataType, Numeric};
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

/// Rows of a large COPY that reach the table together, and of a segment.
const BATCH_ROWS: usize = 65_536;
/// Rows there, in batches.
const SIZES: [(&str, usize); 2] = [("1M", 16), ("10M", 153)];

fn mix(value: u64) -> u64 {
    let product = u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * 0xd1b5_4a32_d192_ed03_u128;
    (product as u64) ^ ((product >> 64) as u64)
}

fn below(random: u64, bound: u64) -> usize {
    usize::try_from((u128::from(random) * u128::from(bound)) >> 64).expect("small")
}

fn event_types() -> Vec<DataType> {
    let text = DataType::Varchar(None);
    vec![
        text.clone(),
        DataType::Int4,
        text.clone(),
        text.clone(),
        text.clone(),
        DataType::Numeric(None),
        text.clone(),
        text.clone(),
        text,
        DataType::Timestamptz,
    ]
}

/// The ids of some events, as text.
fn event_ids(first: usize, count: usize) -> ArrayRef {
    let mut text = String::new();
    Arc::new(StringArray::from_iter_values((first..first + count).map(|number| {
        let number = u64::try_from(number).expect("64 bits");
        let digits = format!("{:016x}{:016x}", mix(number), mix(!number));
        text.clear();
        for (group, end) in [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)] {
            write!(text, "{}{}", if group == 0 { "" } else { "-" }, &digits[group..end]).expect("a string takes all");
        }
        text.clone()
    })))
}

/// Events made up as the tutorial's generator does, with times within a day.
fn events(first: usize, count: usize) -> Batch {
    const DAY_MICROS: u64 = 86_400_000_000;
    let random = |row: usize, column: u64| mix(mix(row as u64) ^ column);
    let rows = || first..first + count;
    let texts = |column: u64, values: &[&str]| -> ArrayRef {
        let pick = |row| values[below(random(row, column), values.len() as u64)];
        Arc::new(StringArray::from_iter_values(rows().map(pick)))
    };
    let campaigns: Vec<String> = (0..100).map(|number| format!("camp_{number}")).collect();
    let campaigns: Vec<&str> = campaigns.iter().map(String::as_str).collect();
    let kind = |row| below(random(row, 4), 10);
    let amount = |row| match kind(row) {
        9 => Numeric::parse(&format!("{}.{:02}", below(random(row, 5), 500), below(random(row, 6), 100))),
        _ => Numeric::parse("0"),
    };
    let amounts: Vec<u8> = rows().flat_map(|row| amount(row).expect("a numeric").to_bytes()).collect();
    let user = |row| i32::try_from(below(random(row, 7), 10_000)).expect("small");
    let time = |row| 1_793_000_000_000_000 + i64::try_from(below(random(row, 8), DAY_MICROS)).expect("small");
    let columns: Vec<ArrayRef> = vec![
        event_ids(first, count),
        Arc::new(Int32Array::from_iter_values(rows().map(user))),
        texts(1, &campaigns),
        texts(2, &["email", "social", "search", "display"]),
        Arc::new(StringArray::from_iter_values(rows().map(|row| match kind(row) {
            0..6 => "impression",
            6..9 => "click",
            _ => "conversion",
        }))),
        Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(amounts), None)),
        texts(9, &["google", "facebook", "newsletter", "bing", "direct"]),
        texts(10, &["cpc", "organic", "email", "social"]),
        texts(11, &campaigns),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows().map(time)).with_timezone("UTC")),
    ];
    Batch::new(columns, count)
}

fn rows_of(count: usize) -> Throughput {
    Throughput::Elements(count.try_into().expect("usize fits u64"))
}

/// Appending a segment's worth, which seals the one before.
fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append and seal");
    let mut store = RowStore::new(event_types());
    store.append(&events(0, BATCH_ROWS));
    let next = events(BATCH_ROWS, BATCH_ROWS);
    group.throughput(rows_of(BATCH_ROWS));
    group.bench_function("event", |bencher| {
        bencher.iter_batched(|| store.clone(), |mut store| store.append(&next).len(), BatchSize::PerIteration);
    });
    for (column, data_type) in event_types().into_iter().enumerate() {
        let mut store = RowStore::new(vec![data_type]);
        store.append(&events(0, BATCH_ROWS).project(&[column]));
        let next = next.project(&[column]);
        group.bench_function(BenchmarkId::new("column", column), |bencher| {
            bencher.iter_batched(|| store.clone(), |mut store| store.append(&next).len(), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn read(criterion: &mut Criterion) {
    const BATCHES: usize = 16;
    let mut table = KeyedRelation::new(event_types(), Some(vec![0]));
    for batch in 0..=BATCHES {
        table.apply(&[], &events(batch * BATCH_ROWS, BATCH_ROWS)).expect("room");
    }
    let snapshot = table.snapshot();
    let rows = snapshot.live_rows();
    let mut group = criterion.benchmark_group("read");
    group.throughput(rows_of(rows));
    let all: Vec<usize> = (0..event_types().len()).collect();
    for (name, columns, form) in [
        ("scan all", &all[..], TextForm::Plain),
        ("scan all, dictionaries", &all[..], TextForm::Dictionary),
        ("scan time and amount", &[9, 5][..], TextForm::Plain),
        ("scan campaign", &[2][..], TextForm::Plain),
        ("scan campaign, dictionaries", &[2][..], TextForm::Dictionary),
        ("scan id", &[0][..], TextForm::Plain),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| snapshot.scan_with(columns, form).map(|batch| black_box(batch).rows.rows).sum::<usize>());
        });
    }
    let ids: Vec<u32> =
        (0..BATCH_ROWS as u64).map(|i| u32::try_from(below(mix(i), rows as u64)).expect("a row id")).collect();
    group.throughput(rows_of(ids.len()));
    for (name, columns) in
        [("gather all", &all[..]), ("gather id", &[0]), ("gather campaign", &[2]), ("gather time", &[9])]
    {
        group.bench_function(name, |bencher| bencher.iter(|| snapshot.gather(&ids, columns).expect("small").len()));
    }
    group.throughput(rows_of(1));
    group.bench_function("gather one row", |bencher| bencher.iter(|| snapshot.gather(&ids[..1], &all).expect("small")));
    group.finish();
}

fn keys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("keys");
    group.sample_size(20);
    for (name, batches) in SIZES {
        let mut table = KeyedRelation::new(vec![DataType::Varchar(None)], Some(vec![0]));
        for batch in 0..batches {
            let ids = event_ids(batch * BATCH_ROWS, BATCH_ROWS);
            table.apply(&[], &Batch::new(vec![ids], BATCH_ROWS)).expect("room");
        }
        let fresh = [event_ids(batches * BATCH_ROWS, BATCH_ROWS)];
        // Every so many-th of those that are there.
        let known: StringArray = (0..BATCH_ROWS)
            .map(|i| event_ids(i * batches, 1))
            .map(|id| arrow_array::cast::AsArray::as_string::<i32>(&id).value(0).to_owned())
            .map(Some)
            .collect();
        let known: [ArrayRef; 1] = [Arc::new(known)];
        group.throughput(rows_of(BATCH_ROWS));
        for (what, keys) in [("find fresh", &fresh), ("find known", &known)] {
            group.bench_function(BenchmarkId::new(what, name), |bencher| {
                bencher.iter(|| table.find(keys, &table.key_hashes(keys, BATCH_ROWS)).expect("small").len());
            });
        }
        let batch = Batch::new(fresh.to_vec(), BATCH_ROWS);
        group.bench_function(BenchmarkId::new("find and insert fresh", name), |bencher| {
            bencher.iter_batched(
                || table.clone(),
                |mut table| {
                    let hashes = table.key_hashes(&batch.columns, BATCH_ROWS);
                    let found = table.find(&batch.columns, &hashes).expect("small");
                    assert!(found.iter().all(Option::is_none), "fresh keys");
                    table.apply(&[], &batch).expect("room");
                    table
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    append(&mut criterion);
    read(&mut criterion);
    keys(&mut criterion);
    criterion.final_summary();
}
