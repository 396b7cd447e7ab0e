//! The operators as the tutorial's views use them: events joined with campaigns, counted and summed by hour and campaign.
//!
//! `fill` gives everything in one step. `replace` is a step that retracts some events and inserts as many new ones, with
//! [`EVENTS`] there, so that the size stays while it is measured.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use headwater_arrange::KeyedRelation;
use headwater_dataflow::spec::{JoinKind, JoinPlan, Mfp, ReducePlan, SideState};
use headwater_dataflow::{Delta, Join, Reduce, SideInput, SideRelation, SourceDelta, StepContext};
use headwater_expr::registry::resolve_operator;
use headwater_expr::{Aggregate, AggregateFunction, Column, EvalContext, Expr, Scalar};
use headwater_types::{Batch, DataType, Datum, Numeric, SessionSettings};
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::LazyLock;

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
        let before = self.rows.snapshot();
        let applied = self.rows.apply(&deleted, new).expect("there is room");
        SourceDelta { delta: applied.delta, moves: applied.moves, before, after: self.rows.snapshot() }
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
            delta: Option::map_or_else(source, Delta::default, |s: &SourceDelta| Delta::of(s.delta.clone())),
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

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    fill(&mut criterion);
    replace(&mut criterion);
    criterion.final_summary();
}
