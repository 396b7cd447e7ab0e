//! The operators as the tutorial's views use them: events joined with campaigns, counted and summed by hour and campaign.
//!
//! `fill` gives everything in one step. `replace` is a step that retracts some events and inserts as many new ones, with
//! [`EVENTS`] there, so that the size stays while it is measured.
//!
//! `campaign` and `channel` are the two reduces to which the planner brings the tutorial's views, below their joins:
//! filled with a million events in pieces of 64 Ki rows, as a load gives them, and a step of one event after that; event
//! times in order or random over 24 hours. `window` is what the source does to an event for both. `from dictionaries` has
//! the texts in the form in which encoded segments give them. These fills are measured
//! in the thread's CPU time, so that other work on the machine shows less.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt16Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray, TimestampMicrosecondArray};
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use headwater_arrange::KeyedRelation;
use headwater_dataflow::spec::{JoinKind, JoinPlan, Mfp, ReducePlan, SideState};
use headwater_dataflow::{Delta, Join, MapFilterProject, Reduce, SideInput, SideRelation, SourceDelta, StepContext};
use headwater_expr::registry::{resolve_function, resolve_operator};
use headwater_expr::{Aggregate, AggregateFunction, Cast, CastContext, Column, EvalContext, Expr, Scalar, evaluate};
use headwater_types::{Batch, DataType, Datum, DeltaBatch, Interval, Numeric, SessionSettings, array_of};
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: usize = 100_000;
const CAMPAIGNS: i32 = 100;
const USERS: i32 = 5_000;
const HOURS: i64 = 48;
const HOUR_MICROS: i64 = 3_600_000_000;

/// Columns of an event.
const USER: usize = 1;
const CAMPAIGN: usize = 2;
const KIND: usize = 3;
const AMOUNT: usize = 4;
const HOUR: usize = 5;
/// Columns of an event.
const EVENT_COLUMNS: usize = 6;

static SETTINGS: LazyLock<SessionSettings> = LazyLock::new(SessionSettings::default);

fn context() -> StepContext<'static> {
    StepContext::new(EvalContext { settings: &SETTINGS, now_micros: 0, catalog: None }, false)
}

fn event_types() -> Vec<DataType> {
    vec![DataType::Text, DataType::Int4, DataType::Text, DataType::Text, DataType::Numeric(None), DataType::Timestamptz]
}

fn campaign_types() -> Vec<DataType> {
    vec![DataType::Text, DataType::Text]
}

/// Events in the order of their numbers, made up.
fn events(first: usize, count: usize) -> Batch {
    let amount = Numeric::parse("49.95").expect("a numeric");
    let rows: Vec<Vec<Datum>> = (first..first + count)
        .map(|number| {
            let i = i32::try_from(number % 1_000_000_007).expect("bounded");
            let kind = ["impression", "impression", "impression", "click", "conversion"][number % 5];
            vec![
                Datum::text(format!("event-{number}")),
                Datum::Int4(i.wrapping_mul(7919).rem_euclid(USERS)),
                Datum::text(format!("camp_{:03}", i.wrapping_mul(31).rem_euclid(CAMPAIGNS))),
                Datum::text(kind),
                if kind == "conversion" { Datum::Numeric(amount) } else { Datum::Null },
                Datum::Timestamp(i64::from(i) % HOURS * HOUR_MICROS),
            ]
        })
        .collect();
    Batch::from_rows(&event_types(), &rows)
}

fn campaigns() -> Batch {
    let rows: Vec<Vec<Datum>> = (0..CAMPAIGNS)
        .map(|i| vec![Datum::text(format!("camp_{i:03}")), Datum::text(format!("Campaign {i}"))])
        .collect();
    Batch::from_rows(&campaign_types(), &rows)
}

/// A table, and its changes as views get them.
struct Table {
    rows: KeyedRelation,
}

impl Table {
    fn new(types: Vec<DataType>) -> Self {
        Self { rows: KeyedRelation::new(types, Some(vec![0])) }
    }

    /// Deletes the rows with the keys of `old`, and inserts `new`.
    fn change(&mut self, old: &Batch, new: &Batch) -> SourceDelta {
        let keys = old.project(&[0]).columns;
        let hashes = self.rows.key_hashes(&keys, old.rows);
        let found = self.rows.find(&keys, &hashes).expect("small keys");
        let deleted: Vec<u32> = found.into_iter().map(|row| row.expect("the row is there")).collect();
        let applied = self.rows.apply(&deleted, new).expect("there is room");
        SourceDelta { batches: vec![applied.delta], moves: applied.moves, after: self.rows.snapshot() }
    }
}

/// `campaign_performance`, about: its join and its reduce.
struct View {
    join: Join,
    reduce: Reduce,
}

impl View {
    fn new() -> Self {
        let (left, right) = (event_types(), campaign_types());
        let columns = EVENT_COLUMNS + right.len();
        // hour, campaign, name, user, kind, amount
        let mfp =
            Mfp { projection: vec![HOUR, CAMPAIGN, EVENT_COLUMNS + 1, USER, KIND, AMOUNT], ..Mfp::identity(columns) };
        let plan = JoinPlan {
            kind: JoinKind::Inner,
            left_key: vec![CAMPAIGN],
            right_key: vec![0],
            null_safe: vec![false],
            residual: vec![],
            left_state: SideState::Shared,
            right_state: SideState::Shared,
            mfp,
        };
        let shared = |types: Vec<DataType>| SideRelation::Shared { mfp: Mfp::identity(types.len()), types };
        let joined: Vec<DataType> =
            [HOUR, CAMPAIGN].map(|c| left[c].clone()).into_iter().chain([right[1].clone()]).collect();
        let joined = [joined, [USER, KIND, AMOUNT].map(|c| left[c].clone()).to_vec()].concat();
        let reduce = ReducePlan { key: vec![0, 1, 2], aggregates: aggregates(&joined), mfp: Mfp::identity(3 + 5) };
        Self { join: Join::new(&plan, shared(left), shared(right)), reduce: Reduce::new(&reduce, &joined) }
    }

    fn step(&mut self, events: Option<&SourceDelta>, campaigns: Option<&SourceDelta>) -> usize {
        let context = context();
        let input = |source| SideInput {
            delta: Option::map_or_else(source, Delta::default, |s: &SourceDelta| Delta {
                batches: s.batches.clone(),
                errors: vec![],
            }),
            source,
        };
        let joined = self.join.step(input(events), input(campaigns), &context).expect("nothing fails");
        self.reduce.step(joined, &context).expect("nothing fails").rows()
    }
}

/// Three counts by kind, the revenue, and the distinct users.
fn aggregates(types: &[DataType]) -> Vec<Aggregate<Column>> {
    let column = |index: usize| Scalar::column(index, types[index].clone());
    let is_kind = |kind: &str| {
        let equal = resolve_operator("=", Some(DataType::Text), DataType::Text).expect("texts have an equality");
        let args = vec![column(4), Scalar::literal(Datum::text(kind), DataType::Text)];
        Expr::Call { function: equal.function, args, data_type: equal.data_type }
    };
    let aggregate = |function, args, filter, data_type| Aggregate {
        function,
        args,
        distinct: false,
        filter,
        order_by: vec![],
        data_type,
    };
    let count = |kind| aggregate(AggregateFunction::CountStar, vec![], Some(is_kind(kind)), DataType::Int8);
    let users = aggregate(AggregateFunction::Count, vec![column(3)], None, DataType::Int8);
    vec![
        count("impression"),
        count("click"),
        count("conversion"),
        aggregate(AggregateFunction::Sum, vec![column(5)], None, DataType::Numeric(None)),
        Aggregate { distinct: true, ..users },
    ]
}

fn fill(criterion: &mut Criterion) {
    let nothing = |types: Vec<DataType>| Batch::empty(&types);
    let (mut event_table, mut campaign_table) = (Table::new(event_types()), Table::new(campaign_types()));
    let campaigns = campaign_table.change(&nothing(campaign_types()), &campaigns());
    let events = event_table.change(&nothing(event_types()), &events(0, EVENTS));
    let mut group = criterion.benchmark_group("fill");
    group.sample_size(10).throughput(Throughput::Elements(EVENTS.try_into().expect("usize fits u64")));
    group.bench_function(BenchmarkId::from_parameter(EVENTS), |bencher| {
        bencher.iter_batched(
            View::new,
            |mut view| {
                black_box(view.step(Some(&events), Some(&campaigns)));
                // Freeing it is not measured.
                view
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn replace(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("replace");
    for rows in [1, 1000] {
        let (mut event_table, mut campaign_table) = (Table::new(event_types()), Table::new(campaign_types()));
        let mut view = View::new();
        let campaigns = campaign_table.change(&Batch::empty(&campaign_types()), &campaigns());
        view.step(None, Some(&campaigns));
        let mut there: VecDeque<Batch> = VecDeque::new();
        for first in (0..EVENTS).step_by(rows) {
            there.push_back(events(first, rows));
        }
        let all = Batch::concat(there.make_contiguous());
        view.step(Some(&event_table.change(&Batch::empty(&event_types()), &all)), None);
        let mut next = EVENTS;
        group.throughput(Throughput::Elements(rows.try_into().expect("usize fits u64")));
        group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
            bencher.iter_batched(
                || {
                    let new = events(next, rows);
                    next += rows;
                    let old = there.pop_front().expect("as many come as go");
                    let change = event_table.change(&old, &new);
                    there.push_back(new);
                    change
                },
                |change| black_box(view.step(Some(&change), None)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// What the views read of an event: time, campaign, channel, source, medium, user, kind, amount.
fn read_types() -> Vec<DataType> {
    let text = || DataType::Varchar(None);
    let amount = DataType::Numeric(None);
    vec![DataType::Timestamptz, text(), text(), text(), text(), DataType::Int4, text(), amount]
}

/// The million, in pieces; event times over 24 hours, in order or random.
fn pieces(in_order: bool) -> Vec<DeltaBatch> {
    const LOADED: u64 = 1 << 20;
    const PIECE_ROWS: u64 = 1 << 16;
    let mut state = 7_u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let mut piece = |first: u64| {
        let numbers = first..first + PIECE_ROWS;
        let time = |number: u64, random: u64| {
            let random = random % (24 * 3600) * 1_000_000;
            let micros = if in_order { number * (24 * HOUR_MICROS.unsigned_abs() / LOADED) } else { random };
            Some(i64::try_from(micros).expect("a day"))
        };
        let mut draws = |count: u64| numbers.clone().map(|_| below(count)).collect::<Vec<_>>();
        let text = |draws: &[u64], texts: &[&str]| -> ArrayRef {
            let of = |draw: &u64| texts[usize::try_from(*draw).expect("small")];
            Arc::new(StringArray::from_iter_values(draws.iter().map(of)))
        };
        let times = numbers.clone().zip(draws(1 << 31)).map(|(number, random)| time(number, random));
        let times: TimestampMicrosecondArray = times.collect();
        let campaigns = draws(100).into_iter().map(|draw| format!("camp_{draw}"));
        let campaigns: ArrayRef = Arc::new(StringArray::from_iter_values(campaigns));
        let channels = text(&draws(4), &["email", "social", "search", "display"]);
        let sources = text(&draws(5), &["google", "facebook", "newsletter", "bing", "direct"]);
        let media = text(&draws(4), &["cpc", "organic", "email", "social"]);
        let users: Int32Array = draws(10_000).into_iter().map(|user| i32::try_from(user).ok()).collect();
        let kinds = draws(10);
        let cents = kinds.iter().zip(draws(50_000)).map(|(&kind, cents)| if kind == 9 { cents } else { 0 });
        let amounts: Vec<Datum> = cents
            .map(|cents| Numeric::from_parts(i128::from(cents), if cents == 0 { 0 } else { 2 }))
            .map(|amount| Datum::Numeric(amount.expect("small")))
            .collect();
        let (impression, click) = ("impression", "click");
        let kinds = text(&kinds, &[[impression; 6].as_slice(), &[click; 3], &["conversion"]].concat());
        let times: ArrayRef = Arc::new(times.with_timezone("UTC"));
        let amounts = array_of(&DataType::Numeric(None), &amounts);
        let columns = vec![times, campaigns, channels, sources, media, Arc::new(users), kinds, amounts];
        DeltaBatch::insertions(Batch::new(columns, usize::try_from(PIECE_ROWS).expect("small")))
    };
    (0..LOADED / PIECE_ROWS).map(|number| piece(number * PIECE_ROWS)).collect()
}

fn read_column(index: usize) -> Scalar {
    Scalar::column(index, read_types()[index].clone())
}

/// `CASE WHEN kind = … THEN … ELSE … END`
fn when(kind: &str, then: Scalar, otherwise: Scalar) -> Scalar {
    let equal = resolve_operator("=", Some(DataType::Text), DataType::Text).expect("texts have an equality");
    let to_text = Cast { to: DataType::Text, context: CastContext::Implicit };
    let args = vec![Expr::Cast(Box::new(read_column(6)), to_text), Scalar::literal(Datum::text(kind), DataType::Text)];
    let condition = Expr::Call { function: equal.function, args, data_type: equal.data_type };
    Expr::Case { branches: vec![(condition, then)], otherwise: Box::new(otherwise) }
}

fn count_of(kind: &str) -> Aggregate<Column> {
    let one = Scalar::literal(Datum::Int4(1), DataType::Int4);
    let args = vec![when(kind, one, Scalar::literal(Datum::Null, DataType::Int4))];
    let function = AggregateFunction::Count;
    Aggregate { function, args, distinct: false, filter: None, order_by: vec![], data_type: DataType::Int8 }
}

fn revenue() -> Aggregate<Column> {
    let zero = Numeric::parse("0").expect("a numeric");
    let zero = Scalar::literal(Datum::Numeric(zero), DataType::Numeric(None));
    let args = vec![when("conversion", read_column(7), zero)];
    let (function, data_type) = (AggregateFunction::Sum, DataType::Numeric(None));
    Aggregate { function, args, distinct: false, filter: None, order_by: vec![], data_type }
}

/// The batch with its texts as dictionaries, as encoded segments give them.
fn with_dictionaries(batch: &DeltaBatch) -> DeltaBatch {
    let coded = |column: &ArrayRef| -> ArrayRef {
        let Some(texts) = column.as_string_opt::<i32>() else { return Arc::clone(column) };
        Arc::new(texts.iter().collect::<DictionaryArray<UInt16Type>>())
    };
    let columns = batch.rows.columns.iter().map(coded).collect();
    DeltaBatch::insertions(Batch::new(columns, batch.rows.rows))
}

/// By window and campaign.
fn by_campaign() -> ReducePlan {
    let aggregates = vec![count_of("impression"), count_of("click"), count_of("conversion"), revenue()];
    ReducePlan { key: vec![0, 1], aggregates, mfp: Mfp::identity(6) }
}

/// By window, channel, source and medium.
fn by_channel() -> ReducePlan {
    let users = Aggregate {
        function: AggregateFunction::Count,
        args: vec![read_column(5)],
        distinct: true,
        filter: None,
        order_by: vec![],
        data_type: DataType::Int8,
    };
    let aggregates = vec![users, count_of("conversion"), revenue()];
    ReducePlan { key: vec![0, 2, 3, 4], aggregates, mfp: Mfp::identity(7) }
}

/// The window's start in the place of the time.
fn window() -> MapFilterProject {
    let hour = Interval { months: 0, days: 0, micros: HOUR_MICROS };
    let args = vec![read_column(0), Scalar::literal(Datum::Interval(hour), DataType::Interval)];
    let start = resolve_function("tumble_start", &[DataType::Timestamptz, DataType::Interval]).expect("a function");
    let start = Expr::Call { function: start.function, args, data_type: start.data_type };
    let projection = vec![8, 1, 2, 3, 4, 5, 6, 7];
    MapFilterProject::new(&Mfp { input_arity: 8, expressions: vec![start], predicates: vec![], projection })
}

/// The CPU time of this thread, which the scheduler counts in steps of a few milliseconds.
struct CpuTime;

fn cpu_time() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts a thread's CPU time");
    let nanos = counted.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("it begins with nanoseconds"))
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_time()
    }

    fn end(&self, start: Duration) -> Duration {
        cpu_time().saturating_sub(start)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        WallTime.add(a, b)
    }

    fn zero(&self) -> Duration {
        WallTime.zero()
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn filled(plan: &ReducePlan, events: &[DeltaBatch]) -> Reduce {
    let mut reduce = Reduce::new(plan, &read_types());
    for piece in events {
        black_box(reduce.step(Delta::of(piece.clone()), &context()).expect("nothing fails"));
    }
    reduce
}

fn with_window(pieces: &[DeltaBatch]) -> Vec<DeltaBatch> {
    let step = |piece: &DeltaBatch| window().step(Delta::of(piece.clone()), &context()).expect("nothing fails");
    pieces.iter().flat_map(|piece| step(piece).batches).collect()
}

const TIMES: [(&str, bool); 2] = [("random", false), ("in order", true)];

fn loads(criterion: &mut Criterion<CpuTime>) {
    for (times, in_order) in TIMES {
        let read = pieces(in_order);
        let rows: usize = read.iter().map(|piece| piece.rows.rows).sum();
        let events = with_window(&read);
        let small: Vec<DeltaBatch> =
            events.iter().flat_map(|piece| (0..8).map(|part| piece.slice(part << 13, 1 << 13))).collect();
        let coded: Vec<DeltaBatch> = events.iter().map(with_dictionaries).collect();
        let throughput = || Throughput::Elements(rows.try_into().expect("usize fits u64"));
        let mut group = criterion.benchmark_group("window");
        group.sample_size(10).throughput(throughput());
        group.bench_function(times, |bencher| bencher.iter(|| with_window(&read)));
        group.finish();
        for (name, plan) in [("campaign", by_campaign()), ("channel", by_channel())] {
            let mut group = criterion.benchmark_group(name);
            group.sample_size(10).throughput(throughput());
            let load = || filled(&plan, &events);
            group.bench_function(BenchmarkId::new("fill", times), |bencher| bencher.iter_with_large_drop(load));
            let load = || filled(&plan, &small);
            let id = BenchmarkId::new("fill in pieces of 8 Ki", times);
            group.bench_function(id, |bencher| bencher.iter_with_large_drop(load));
            let load = || filled(&plan, &coded);
            let id = BenchmarkId::new("fill from dictionaries", times);
            group.bench_function(id, |bencher| bencher.iter_with_large_drop(load));
            group.finish();
        }
        let mut group = criterion.benchmark_group("kind is conversion");
        group.sample_size(10).throughput(throughput());
        let is_conversion = when("conversion", read_column(5), read_column(5)).children()[0].clone();
        for (form, batches) in [("plain", &events), ("dictionary", &coded)] {
            let evaluated = |batch: &DeltaBatch| evaluate(&is_conversion, &batch.rows, &context().eval);
            group.bench_function(BenchmarkId::new(form, times), |bencher| {
                bencher.iter(|| batches.iter().for_each(|batch| drop(black_box(evaluated(batch)))));
            });
        }
        group.finish();
    }
}

fn one_event(criterion: &mut Criterion) {
    for (times, in_order) in TIMES {
        let events = with_window(&pieces(in_order));
        let rows: usize = events.iter().map(|piece| piece.rows.rows).sum();
        for (name, plan) in [("campaign", by_campaign()), ("channel", by_channel())] {
            let mut reduce = filled(&plan, &events);
            let mut next = 0;
            let mut group = criterion.benchmark_group(name);
            group.bench_function(BenchmarkId::new("one event", times), |bencher| {
                bencher.iter_batched(
                    || {
                        next = (next + 7919) % rows;
                        let place = u32::try_from(next & 0xffff).expect("16 bits");
                        Delta::of(events[next >> 16].take(&[place]))
                    },
                    |event| black_box(reduce.step(event, &context()).expect("nothing fails")),
                    BatchSize::PerIteration,
                );
            });
            group.finish();
        }
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    fill(&mut criterion);
    replace(&mut criterion);
    one_event(&mut criterion);
    let mut by_cpu = Criterion::default().with_measurement(CpuTime).configure_from_args();
    loads(&mut by_cpu);
    criterion.final_summary();
}
