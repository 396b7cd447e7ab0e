//! Random aggregates over joins of tables, most of which can be aggregated before they are joined.

use crate::run;
use crate::views::{Host, holds};
use headwater_expr::registry::resolve_operator;
use headwater_expr::{Aggregate, AggregateFunction, Cast, CastContext, Expr};
use headwater_plan::hir::{HirAggregate, HirLeaf, HirQuery, HirRelation, HirScalar, JoinKind};
use headwater_plan::lir::Plan;
use headwater_plan::{PlanOptions, RewriteOptions, plan_query, plan_view};
use headwater_types::{DataType, Datum, Field, Numeric, RelationId};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const QUERY_SEEDS: u64 = 1500;
const VIEW_SEEDS: u64 = 150;

/// Rows for which another table has rows of the same value, or has none.
fn existing(random: &mut SmallRng, relation: HirRelation, types: &[DataType]) -> HirRelation {
    let (inner, inner_types) = table(random);
    let (a, b) = (int_column(random, types, 0..types.len()), int_column(random, &inner_types, 0..inner_types.len()));
    let outer = Expr::Leaf(HirLeaf::Column { level: 1, index: a, data_type: types[a].clone() });
    let predicates = vec![compared("=", column(&inner_types, b), outer)];
    let inner = HirRelation::Filter { input: Box::new(inner), predicates };
    let exists = Expr::Leaf(HirLeaf::Exists(Box::new(inner)));
    let exists = if random.random_bool(0.4) { Expr::Not(Box::new(exists)) } else { exists };
    HirRelation::Filter { input: Box::new(relation), predicates: vec![exists] }
}

/// A query in the making: joined tables, and which of their columns have been joined on.
struct Joined {
    relation: HirRelation,
    types: Vec<DataType>,
    /// Where each table's columns start.
    starts: Vec<usize>,
    keys: Vec<usize>,
}

fn column(types: &[DataType], index: usize) -> HirScalar {
    Expr::Leaf(HirLeaf::Column { level: 0, index, data_type: types[index].clone() })
}

fn literal(value: i32) -> HirScalar {
    Expr::Literal(Datum::Int4(value), DataType::Int4)
}

fn compared(symbol: &str, left: HirScalar, right: HirScalar) -> HirScalar {
    let resolved = resolve_operator(symbol, Some(left.data_type()), right.data_type()).expect("a comparison");
    Expr::Call { function: resolved.function, args: vec![left, right], data_type: resolved.data_type }
}

fn int_column(random: &mut SmallRng, types: &[DataType], range: std::ops::Range<usize>) -> usize {
    let ints: Vec<usize> = range.filter(|&c| types[c] == DataType::Int4).collect();
    ints[random.random_range(0..ints.len())]
}

/// Something about a column that is never an error.
fn condition(random: &mut SmallRng, types: &[DataType], range: std::ops::Range<usize>) -> HirScalar {
    let one = column(types, int_column(random, types, range.clone()));
    match random.random_range(0..4) {
        0 => Expr::Not(Box::new(Expr::IsNull(Box::new(one)))),
        1 => compared("<", one, column(types, int_column(random, types, range))),
        2 => compared("<>", one, literal(random.random_range(0..4))),
        _ => compared("=", one, literal(random.random_range(0..4))),
    }
}

fn table(random: &mut SmallRng) -> (HirRelation, Vec<DataType>) {
    let table = random.random_range(1..=3);
    let mut types = run::types(table);
    let mut relation = HirRelation::Get { relation: RelationId(table), types: types.clone() };
    if random.random_bool(0.2) {
        let predicates = vec![condition(random, &types, 0..types.len())];
        relation = HirRelation::Filter { input: Box::new(relation), predicates };
    }
    if random.random_bool(0.15) {
        let c = int_column(random, &types, 0..types.len());
        let scalars = vec![Expr::Coalesce(vec![column(&types, c), literal(1)])];
        relation = HirRelation::Map { input: Box::new(relation), scalars };
        types.push(DataType::Int4);
    }
    (relation, types)
}

fn joined(random: &mut SmallRng) -> Joined {
    let (relation, types) = table(random);
    let mut all = Joined { relation, types, starts: vec![0], keys: vec![] };
    for _ in 0..random.random_range(1..4) {
        let (right, more) = table(random);
        let l = all.types.len();
        all.types.extend(more);
        let width = all.types.len();
        let (a, b) = (int_column(random, &all.types, 0..l), int_column(random, &all.types, l..width));
        let mut on = vec![compared("=", column(&all.types, a), column(&all.types, b))];
        if random.random_bool(0.2) {
            on.push(condition(random, &all.types, 0..width));
        }
        let on = if on.len() == 1 { on.remove(0) } else { Expr::And(on) };
        use JoinKind::{Inner, Left, Right};
        let kind = [Inner, Inner, Inner, Left, Right][random.random_range(0..5)];
        let (left, right, on) = (Box::new(all.relation), Box::new(right), Box::new(on));
        all.relation = HirRelation::Join { left, right, on, kind, lateral: false };
        all.starts.push(l);
        all.keys.extend([a, b]);
    }
    if random.random_bool(0.25) {
        all.relation = existing(random, all.relation, &all.types);
    }
    if random.random_bool(0.3) {
        let predicates = vec![condition(random, &all.types, 0..all.types.len())];
        all.relation = HirRelation::Filter { input: Box::new(all.relation), predicates };
    }
    all
}

fn number(random: &mut SmallRng) -> HirScalar {
    let text = ["1.50", "2.250", "0", "-3", "NaN", "Infinity"][random.random_range(0..6)];
    Expr::Literal(Datum::Numeric(Numeric::parse(text).expect("a number")), DataType::Numeric(None))
}

fn call(random: &mut SmallRng, types: &[DataType], range: std::ops::Range<usize>) -> HirAggregate {
    use AggregateFunction::{Avg, BoolOr, Count, CountStar, Max, Min, Sum};
    let mut arg = column(types, int_column(random, types, range.clone()));
    if random.random_bool(0.3) {
        let otherwise = Box::new(Expr::Literal(Datum::Null, DataType::Int4));
        arg = Expr::Case { branches: vec![(condition(random, types, range.clone()), arg)], otherwise };
    }
    let numeric = DataType::Numeric(None);
    if random.random_bool(0.2) {
        let to = Cast { to: numeric.clone(), context: CastContext::Explicit };
        let otherwise = Box::new(Expr::Cast(Box::new(arg), to));
        arg = Expr::Case { branches: vec![(condition(random, types, range.clone()), number(random))], otherwise };
    }
    if arg.data_type() == DataType::Int4 && random.random_bool(0.1) {
        // Small whole numbers: their sums are exact in any order.
        arg = Expr::Cast(Box::new(arg), Cast { to: DataType::Float8, context: CastContext::Explicit });
    }
    let of = arg.data_type();
    let total = if of == DataType::Int4 { DataType::Int8 } else { of.clone() };
    let average = if of == DataType::Float8 { DataType::Float8 } else { numeric };
    let (function, data_type) = [
        (CountStar, DataType::Int8),
        (Count, DataType::Int8),
        (Count, DataType::Int8),
        (Sum, total.clone()),
        (Sum, total),
        (Avg, average),
        (Min, of.clone()),
        (Max, of),
        (BoolOr, DataType::Bool),
    ][random.random_range(0..9)]
    .clone();
    let args = match function {
        CountStar => vec![],
        BoolOr => vec![condition(random, types, range.clone())],
        _ => vec![arg],
    };
    let filter = random.random_bool(0.2).then(|| condition(random, types, range));
    let distinct = !args.is_empty() && random.random_bool(0.3);
    Aggregate { function, args, distinct, filter, order_by: vec![], data_type }
}

/// Groups joined tables by most of the columns that they are joined on, or by few, and some more.
fn query(random: &mut SmallRng) -> HirQuery {
    let Joined { mut relation, mut types, starts, keys } = joined(random);
    let width = types.len();
    let pick = random.random_range(0..starts.len());
    let side = starts[pick]..starts.get(pick + 1).copied().unwrap_or(width);
    let anywhere = random.random_bool(0.1);
    let of = if anywhere { 0..width } else { side.clone() };
    let mut aggregates: Vec<HirAggregate> =
        (0..random.random_range(0..4)).map(|_| call(random, &types, of.clone())).collect();
    if random.random_bool(0.3) {
        let of = if random.random_bool(0.5) { 0..width } else { side.clone() };
        relation = HirRelation::Map { input: Box::new(relation), scalars: vec![condition(random, &types, of)] };
        types.push(DataType::Bool);
    }
    let merges = random.random_bool(0.4);
    if merges {
        aggregates.iter_mut().for_each(|call| call.distinct = false);
    }
    let kept = if merges { 0.1 } else { 0.8 };
    let mut group_key: Vec<usize> = keys.into_iter().filter(|_| random.random_bool(kept)).collect();
    let more: Vec<usize> = (0..types.len()).filter(|c| !merges || !side.contains(c)).collect();
    group_key.extend((0..random.random_range(0..3)).map(|_| more[random.random_range(0..more.len())]));
    let all: Vec<DataType> =
        group_key.iter().map(|&c| types[c].clone()).chain(aggregates.iter().map(|a| a.data_type.clone())).collect();
    let relation = if aggregates.is_empty() && random.random_bool(0.5) {
        let projected = HirRelation::Project { input: Box::new(relation), columns: group_key };
        HirRelation::Distinct(Box::new(projected))
    } else {
        HirRelation::Aggregate { input: Box::new(relation), group_key, aggregates }
    };
    let schema = all.iter().map(|t| Field::new("column", t.clone())).collect();
    let (projection, origins) = ((0..all.len()).collect(), vec![None; all.len()]);
    HirQuery { relation, order_by: vec![], limit: None, offset: None, projection, schema, origins }
}

fn options(random: &mut SmallRng) -> PlanOptions {
    let rewrites = match random.random_range(0..3) {
        0 => RewriteOptions { eager_aggregation: true, ..RewriteOptions::none() },
        1 => RewriteOptions::all(),
        _ => RewriteOptions { eager_aggregation: true, ..RewriteOptions::from_bits(random.random()) },
    };
    PlanOptions { rewrites, ..PlanOptions::default() }
}

#[test]
fn plans_give_the_oracles_rows() {
    let first = crate::first_seed();
    let (mut pushed, mut merged) = (0, 0);
    for seed in first..first + QUERY_SEEDS {
        let mut random = SmallRng::seed_from_u64(seed);
        let tables = run::Tables::random(&mut random);
        let query = query(&mut random);
        let options = options(&mut random);
        let mut expected = run::oracle(&query, &tables).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let what = || format!("seed {seed}\n{}", run::explained(&query, &tables, &options));
        let mut found = run::planned(&query, &tables, &options).unwrap_or_else(|error| panic!("{error}: {}", what()));
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{}", what());
        let is_pushed = |plan: &Plan| plan.rewrites.iter().any(|name| name == "eager aggregation");
        let (plan, _) = plan_query(&query, &tables, &options).expect("it was planned before");
        let view = plan_view(&query, &tables, &options).expect("a view of it is planned likewise");
        // What a view does not push is merged.
        merged += usize::from(is_pushed(&plan) && !is_pushed(&view.plan));
        pushed += usize::from(is_pushed(&plan));
    }
    assert!(merged > 20, "only {merged} partial aggregates were merged");
    assert!(pushed > 200, "only {pushed} aggregates were pushed");
}

#[test]
fn views_hold_the_oracles_rows() {
    let first = crate::first_seed();
    for workers in [1, 2] {
        let mut host = Host::start(workers);
        for seed in first..first + VIEW_SEEDS {
            let mut random = SmallRng::seed_from_u64(seed);
            let tables = run::Tables::random(&mut random);
            let query = query(&mut random);
            let options = options(&mut random);
            holds(seed, &query, tables, &options, &mut random, &mut host);
        }
    }
}
