//! COPY's formats: the tutorial's events from bytes to columns, in chunks as a socket gives them, and back.

use criterion::{BenchmarkId, Criterion, Throughput};
use headwater_types::{Batch, CopyDecoder, CopyEncoder, CopyFormat, CopyOptions, DataType, Field, SessionSettings};
use std::fmt::Write;
use std::hint::black_box;

const ROWS: usize = 20_000;
/// What one read of a connection gives at most.
const CHUNK_BYTES: usize = 64 * 1024;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let csv = options(CopyFormat::Csv);
    let batches = decode(&csv, &events("").into_bytes());
    let inputs = [
        ("csv", csv.clone(), events("").into_bytes()),
        ("csv, quoted", csv, events("\"").into_bytes()),
        ("text", options(CopyFormat::Text), encode(&options(CopyFormat::Text), &batches)),
        ("binary", options(CopyFormat::Binary), encode(&options(CopyFormat::Binary), &batches)),
    ];
    let rows = Throughput::Elements(ROWS.try_into().expect("usize fits u64"));
    let mut group = criterion.benchmark_group("COPY in");
    group.throughput(rows.clone()).sample_size(30);
    for (name, options, data) in &inputs {
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| decode(options, black_box(data)));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("COPY out");
    group.throughput(rows).sample_size(30);
    for format in [CopyFormat::Csv, CopyFormat::Text, CopyFormat::Binary] {
        group.bench_function(BenchmarkId::from_parameter(format!("{format:?}").to_lowercase()), |bencher| {
            bencher.iter(|| encode(&options(format), black_box(&batches)));
        });
    }
    group.finish();
    criterion.final_summary();
}

fn options(format: CopyFormat) -> CopyOptions {
    CopyOptions::new(format, "marketing_events")
}

/// The columns of `marketing_events`.
fn fields() -> Vec<Field> {
    let text = DataType::Varchar(None);
    [
        ("event_id", text.clone()),
        ("user_id", DataType::Int4),
        ("campaign_id", text.clone()),
        ("channel_type", text.clone()),
        ("event_type", text.clone()),
        ("amount", DataType::Numeric(None)),
        ("utm_source", text.clone()),
        ("utm_medium", text.clone()),
        ("utm_campaign", text),
        ("timestamp", DataType::Timestamptz),
    ]
    .map(|(name, data_type)| Field::new(name, data_type))
    .into()
}

/// Events as CSV, each text in `quote`.
fn events(quote: &str) -> String {
    let mut data = String::new();
    for i in 0..ROWS {
        let (kind, cents) = if i % 10 == 0 { ("conversion", i % 50_000) } else { ("impression", 0) };
        let (user, campaign, second) = (i * 7919 % 10_000, i * 31 % 100, i % 60);
        let q = quote;
        writeln!(
            data,
            "{q}6f1c8d0e-7f5b-4a53-9a57-{i:012x}{q},{user},{q}camp_{campaign:03}{q},{q}email{q},{q}{kind}{q},{}.{:02},\
             {q}newsletter{q},{q}organic{q},{q}campaign_{campaign}{q},2026-10-27 21:11:{second:02}.699472+00",
            cents / 100,
            cents % 100
        )
        .expect("writing to a string does not fail");
    }
    data
}

fn decode(options: &CopyOptions, data: &[u8]) -> Vec<Batch> {
    let mut decoder = CopyDecoder::new(options.clone(), fields(), SessionSettings::default(), 0);
    for chunk in data.chunks(CHUNK_BYTES) {
        decoder.push(chunk).expect("the data is valid");
    }
    decoder.finish().expect("the data is whole");
    let batches: Vec<Batch> = std::iter::from_fn(|| decoder.take_batch(1)).collect();
    assert_eq!(batches.iter().map(|batch| batch.rows).sum::<usize>(), ROWS);
    batches
}

fn encode(options: &CopyOptions, batches: &[Batch]) -> Vec<u8> {
    let mut encoder = CopyEncoder::new(options.clone(), fields(), SessionSettings::default());
    let mut data = Vec::new();
    encoder.header(&mut data);
    for batch in batches {
        for row in 0..batch.rows {
            encoder.row(&batch.columns, row, &mut data);
        }
    }
    encoder.trailer(&mut data);
    data
}
