//! Reduce against a row-at-a-time recomputation.

use super::*;
use crate::spec::Mfp;
use crate::testing::{Bag, Random, Row, as_integer, check, context, delta_of, numeric};
use headwater_expr::{Aggregate, AggregateFunction as F, Column, ColumnOrder, Scalar};
use headwater_types::{ArrayDatum, Datum, Numeric};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

const KEY: usize = 0;
const INT: usize = 1;
const NUM: usize = 2;
const FLOAT: usize = 3;
const TEXT: usize = 4;
const FLAG: usize = 5;
/// 2^900: small multiples of it are exact.
const LARGE: f64 = f64::from_bits((900 + 1023) << 52);

fn types() -> Vec<DataType> {
    vec![
        DataType::Numeric(None),
        DataType::Int4,
        DataType::Numeric(None),
        DataType::Float8,
        DataType::Text,
        DataType::Bool,
    ]
}

fn make(random: &mut Random) -> Row {
    vec![
        random.numeric(&["1", "1.0", "2", "-0.5"]),
        random.int(5),
        random.numeric(&["0", "1.5", "1.50", "2.25", "-3", "10", "10.00"]),
        Datum::Float8([0.5, LARGE, -LARGE, 0.125, -0.0][usize::try_from(random.below(5)).expect("small")]),
        random.text(&["a", "b", "ab", ""]),
        Datum::Bool(random.below(2) == 0),
    ]
}

fn call(function: F, args: &[usize], data_type: DataType) -> Aggregate<Column> {
    let args = args.iter().map(|&c| Scalar::column(c, types()[c].clone())).collect();
    Aggregate { function, args, distinct: false, filter: None, order_by: vec![], data_type }
}

fn distinct(call: Aggregate<Column>) -> Aggregate<Column> {
    Aggregate { distinct: true, ..call }
}

fn filtered(call: Aggregate<Column>) -> Aggregate<Column> {
    Aggregate { filter: Some(Scalar::column(FLAG, DataType::Bool)), ..call }
}

fn aggregates() -> Vec<Aggregate<Column>> {
    let numeric = DataType::Numeric(None);
    let ordered = |mut call: Aggregate<Column>| {
        let order = ColumnOrder { column: 0, descending: true, nulls_first: true };
        call.order_by = vec![(Scalar::column(INT, DataType::Int4), order)];
        call
    };
    let by_itself = |mut call: Aggregate<Column>| {
        let order = ColumnOrder { column: 0, descending: false, nulls_first: false };
        call.order_by = vec![(call.args[0].clone(), order)];
        call
    };
    let separated = |mut call: Aggregate<Column>| {
        call.args.push(Scalar::literal(Datum::text(","), DataType::Text));
        call
    };
    vec![
        call(F::CountStar, &[], DataType::Int8),
        call(F::Count, &[INT], DataType::Int8),
        filtered(call(F::Sum, &[INT], DataType::Int8)),
        call(F::Avg, &[INT], numeric.clone()),
        call(F::Sum, &[NUM], numeric.clone()),
        call(F::Sum, &[FLOAT], DataType::Float8),
        call(F::Min, &[TEXT], DataType::Text),
        call(F::Max, &[INT], DataType::Int4),
        distinct(call(F::Count, &[INT], DataType::Int8)),
        distinct(filtered(call(F::Count, &[TEXT], DataType::Int8))),
        distinct(call(F::Sum, &[INT], DataType::Int8)),
        call(F::BoolAnd, &[FLAG], DataType::Bool),
        call(F::BoolOr, &[FLAG], DataType::Bool),
        ordered(call(F::ArrayAgg, &[INT], DataType::Array(Box::new(DataType::Int4)))),
        separated(call(F::StringAgg, &[TEXT], DataType::Text)),
        distinct(call(F::Sum, &[NUM], numeric.clone())),
        distinct(call(F::Count, &[NUM], DataType::Int8)),
        by_itself(distinct(call(F::ArrayAgg, &[NUM], DataType::Array(Box::new(numeric))))),
    ]
}

fn decimal(datum: &Datum) -> Decimal {
    match datum {
        Datum::Numeric(Numeric::Finite(value)) => *value,
        Datum::Int4(value) => Decimal::from(*value),
        other => panic!("{other:?} is no number"),
    }
}

fn as_numeric(value: Decimal) -> Datum {
    Datum::Numeric(Numeric::Finite(value))
}

/// The group's row: obviously right, never fast.
fn row_of(key: Option<&Row>, rows: &[&Row]) -> Row {
    let present = |column: usize| rows.iter().map(|row| &row[column]).filter(|v| !v.is_null()).collect::<Vec<_>>();
    let count = |n: usize| Datum::Int8(i64::try_from(n).expect("small"));
    let int_sum = |values: &[&Datum]| match values {
        [] => Datum::Null,
        values => Datum::Int8(values.iter().map(|v| i64::try_from(decimal(v)).expect("small")).sum()),
    };
    let num_sum = |nums: &[&Datum]| match nums.iter().map(|v| decimal(v).scale()).max() {
        None => Datum::Null,
        Some(scale) => {
            let mut sum: Decimal = nums.iter().map(|v| decimal(v)).sum();
            sum.rescale(scale);
            as_numeric(sum)
        }
    };
    let unique = |mut values: Vec<&'_ Datum>| {
        let mut seen = vec![];
        values.retain(|value| {
            let new = !seen.contains(value);
            seen.push(*value);
            new
        });
        values.into_iter().cloned().collect::<Vec<_>>()
    };
    let ints = present(INT);
    let nums = present(NUM);
    let flagged: Vec<&&Row> = rows.iter().filter(|row| row[FLAG] == Datum::Bool(true)).collect();
    let flagged_ints: Vec<&Datum> = flagged.iter().map(|row| &row[INT]).filter(|v| !v.is_null()).collect();
    let mut row = key.map(|key| vec![key[KEY].clone()]).unwrap_or_default();
    row.push(count(rows.len()));
    row.push(count(ints.len()));
    row.push(int_sum(&flagged_ints));
    row.push(match ints.len() {
        0 => Datum::Null,
        n => as_numeric(ints.iter().map(|v| decimal(v)).sum::<Decimal>() / Decimal::from(n)),
    });
    row.push(num_sum(&nums));
    // Large values cancel exactly, small ones are multiples of 1/8: count them apart.
    let floats: Vec<f64> =
        rows.iter().map(|row| if let Datum::Float8(v) = row[FLOAT] { v } else { panic!("floats") }).collect();
    let large: f64 = floats.iter().filter(|v| v.abs() > 1e200).map(|v| v.signum()).sum();
    let small: f64 = floats.iter().filter(|v| v.abs() < 1e200).sum::<f64>() + 0.0;
    row.push(match (floats.len(), large) {
        (0, _) => Datum::Null,
        (_, 0.0) => Datum::Float8(small),
        (_, n) => Datum::Float8(n * LARGE),
    });
    row.push(present(TEXT).into_iter().min_by(|a, b| a.sql_cmp(b)).cloned().unwrap_or(Datum::Null));
    row.push(ints.iter().max_by(|a, b| a.sql_cmp(b)).map_or(Datum::Null, |v| (*v).clone()));
    row.push(count(unique(ints.clone()).len()));
    row.push(count(unique(flagged.iter().map(|row| &row[TEXT]).collect()).len()));
    row.push(int_sum(&unique(ints.clone()).iter().collect::<Vec<_>>()));
    row.push(if rows.is_empty() { Datum::Null } else { Datum::Bool(flagged.len() == rows.len()) });
    row.push(if rows.is_empty() { Datum::Null } else { Datum::Bool(!flagged.is_empty()) });
    let mut values: Vec<Datum> = rows.iter().map(|row| row[INT].clone()).collect();
    // Descending, NULLs first.
    values.sort_by(|a, b| b.sql_cmp(a));
    row.push(if values.is_empty() {
        Datum::Null
    } else {
        Datum::Array(Arc::new(ArrayDatum { element: DataType::Int4, values }))
    });
    let mut texts: Vec<&str> =
        rows.iter().map(|row| if let Datum::Text(t) = &row[TEXT] { &**t } else { panic!("texts") }).collect();
    texts.sort_unstable();
    row.push(if texts.is_empty() { Datum::Null } else { Datum::text(texts.join(",")) });
    // Of equal numbers this group's least by identity, which is the one with the fewest digits.
    let mut shown = nums.clone();
    shown.sort_by(|a, b| a.sql_cmp(b).then(decimal(a).scale().cmp(&decimal(b).scale())));
    shown.dedup_by(|a, b| a.sql_cmp(b).is_eq());
    row.push(num_sum(&shown));
    row.push(count(shown.len()));
    let null = rows.iter().any(|row| row[NUM].is_null()).then_some(Datum::Null);
    let values: Vec<Datum> = shown.into_iter().cloned().chain(null).collect();
    row.push(if values.is_empty() {
        Datum::Null
    } else {
        Datum::Array(Arc::new(ArrayDatum { element: DataType::Numeric(None), values }))
    });
    row
}

fn recompute(rows: &[Row], by_key: bool) -> Bag {
    if !by_key {
        return Bag::of([(row_of(None, &rows.iter().collect::<Vec<_>>()), 1)]);
    }
    let mut groups: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let equal = if row[KEY].is_null() { "NULL".to_owned() } else { decimal(&row[KEY]).normalize().to_string() };
        groups.entry(equal).or_default().push(row);
    }
    Bag::of(groups.into_values().map(|rows| {
        let least = rows.iter().min_by_key(|row| if row[KEY].is_null() { 0 } else { decimal(&row[KEY]).scale() });
        (row_of(Some(least.expect("a group has rows")), &rows), 1)
    }))
}

#[test]
fn adds_up_to_recomputation() {
    for by_key in [true, false] {
        let key = if by_key { vec![KEY] } else { vec![] };
        let width = key.len() + aggregates().len();
        let plan = ReducePlan { key, aggregates: aggregates(), mfp: Mfp::identity(width) };
        let mut output: Vec<DataType> = plan.key.iter().map(|&c| types()[c].clone()).collect();
        output.extend(aggregates().into_iter().map(|a| a.data_type));
        let new = || Reduce::new(&plan, &types());
        let step =
            |op: &mut Reduce, delta: Delta, context: &StepContext<'_>| op.step(delta, context).expect("no limit");
        check(&types(), &output, new, step, make, |rows| recompute(rows, by_key));
    }
}

#[test]
fn held_output_comes_with_the_next_steps() {
    let plan = ReducePlan { key: vec![KEY], aggregates: aggregates(), mfp: Mfp::identity(1 + aggregates().len()) };
    let mut output: Vec<DataType> = vec![types()[KEY].clone()];
    output.extend(aggregates().into_iter().map(|a| a.data_type));
    let step = |op: &mut Reduce, mut delta: Delta, last: &StepContext<'_>| {
        let rest = delta.batches.split_off(delta.batches.len() / 2);
        let (mut output, mut holding) = (Delta::default(), context(false));
        holding.holds = true;
        for batch in delta.batches {
            let held = op.step(Delta::of(batch), &holding).expect("no limit");
            assert!(held.batches.is_empty(), "few groups are held back");
            output.append(held);
        }
        output.append(op.step(Delta { batches: rest, errors: vec![] }, last).expect("no limit"));
        output
    };
    // One-shot steps hold nothing back.
    let step = |op: &mut Reduce, delta: Delta, context: &StepContext<'_>| {
        if context.one_shot { op.step(delta, context).expect("no limit") } else { step(op, delta, context) }
    };
    check(&types(), &output, || Reduce::new(&plan, &types()), step, make, |rows| recompute(rows, true));
}

/// `sum(text::int)`: rows whose argument fails count in count(*) and are an error each.
#[test]
fn failing_arguments_are_data() {
    let types = [DataType::Int4, DataType::Text];
    let sum = Aggregate {
        function: F::Sum,
        args: vec![as_integer(1)],
        distinct: false,
        filter: None,
        order_by: vec![],
        data_type: DataType::Int8,
    };
    let plan = ReducePlan { key: vec![0], aggregates: vec![sum], mfp: Mfp::identity(2) };
    let output = [DataType::Int4, DataType::Int8];
    let make = |random: &mut Random| vec![random.int(3), random.text(&["1", "2", "x"])];
    let recompute = |rows: &[Row]| {
        let mut bag = Bag::default();
        let mut groups: BTreeMap<String, (Datum, Option<i64>)> = BTreeMap::new();
        for row in rows {
            let group = groups.entry(format!("{:?}", row[0])).or_insert((row[0].clone(), None));
            let Datum::Text(text) = &row[1] else { panic!("texts") };
            match text.parse::<i64>() {
                Ok(n) => group.1 = Some(group.1.unwrap_or(0) + n),
                Err(_) => bag.add("error 22P02 invalid input syntax for type integer: \"x\"".to_owned(), 1),
            }
        }
        for (key, sum) in groups.into_values() {
            bag.add_row(&vec![key, sum.map_or(Datum::Null, Datum::Int8)], 1);
        }
        bag
    };
    let step = |op: &mut Reduce, delta: Delta, context: &StepContext<'_>| op.step(delta, context).expect("no limit");
    check(&types, &output, || Reduce::new(&plan, &types), step, make, recompute);
}

/// A sum out of range is an error of its group, which heals.
#[test]
fn a_group_out_of_range_is_an_error_until_it_changes() {
    let types = [DataType::Int4];
    let plan = ReducePlan {
        key: vec![],
        aggregates: vec![Aggregate {
            function: F::Sum,
            args: vec![Scalar::column(0, DataType::Numeric(None))],
            distinct: false,
            filter: None,
            order_by: vec![],
            data_type: DataType::Numeric(None),
        }],
        mfp: Mfp::identity(1),
    };
    let numeric_type = [DataType::Numeric(None)];
    let mut reduce = Reduce::new(&plan, &numeric_type);
    let mut seen = Bag::default();
    let max = "79228162514264337593543950335";
    let mut feed = |text: &str, weight: i64| {
        let delta = delta_of(&mut Random(1), vec![(vec![numeric(text)], weight)], &numeric_type);
        seen.add_delta(&reduce.step(delta, &context(false)).expect("no limit"), &numeric_type);
        seen.clone()
    };
    assert_eq!(feed(max, 1), Bag::of([(vec![numeric(max)], 1)]));
    assert!(feed("1", 1).0.keys().all(|text| text.starts_with("error 22003")));
    assert!(feed("2", 1).0.values().all(|&weight| weight == 1));
    feed("2", -1);
    assert_eq!(feed("1", -1), Bag::of([(vec![numeric(max)], 1)]));
    assert_eq!(types.len(), 1);
}

/// One row more touches one group, however many there are.
#[test]
fn work_is_proportional_to_the_change() {
    let types = [DataType::Int4];
    let plan =
        ReducePlan { key: vec![0], aggregates: vec![call(F::CountStar, &[], DataType::Int8)], mfp: Mfp::identity(2) };
    let mut reduce = Reduce::new(&plan, &types);
    let rows: Vec<(Row, i64)> = (0..50_000).map(|n| (vec![Datum::Int4(n)], 1)).collect();
    reduce.step(delta_of(&mut Random(1), rows, &types), &context(false)).expect("no limit");
    let counted = context(false);
    let delta = delta_of(&mut Random(1), vec![(vec![Datum::Int4(7)], 1)], &types);
    let output = reduce.step(delta, &counted).expect("no limit");
    assert_eq!(output.rows(), 2);
    assert!(counted.rows_touched() <= 4, "{} rows", counted.rows_touched());
}

/// Rows that come once, in parts that are added up, against one step of all of them.
#[test]
fn parts_add_up() {
    let divisible = |call: &Aggregate<Column>| !call.distinct || call.function == F::Count;
    let aggregates: Vec<_> = aggregates().into_iter().filter(divisible).collect();
    let types_out: Vec<DataType> =
        [DataType::Text].into_iter().chain(aggregates.iter().map(|call| call.data_type.clone())).collect();
    for key in [vec![TEXT], vec![]] {
        let types_out = &types_out[1 - key.len()..];
        let plan = ReducePlan { mfp: Mfp::identity(types_out.len()), key, aggregates: aggregates.clone() };
        for seed in 0..20 {
            let mut random = Random(seed);
            let rows: Vec<(Row, i64)> = (0..random.below(60)).map(|_| (make(&mut random), 1)).collect();
            let mut reduces: Vec<Reduce> = (0..3).map(|_| Reduce::new(&plan, &types())).collect();
            for (place, change) in rows.iter().enumerate() {
                let delta = delta_of(&mut random, vec![change.clone()], &types());
                reduces[place % 3].collect(delta, &context(true)).expect("small");
            }
            let mut parts = reduces.into_iter();
            let mut whole = parts.next().expect("there are three");
            assert!(whole.is_divisible());
            parts.for_each(|part| whole.absorb(part).expect("small"));
            let mut found = Bag::default();
            found.add_delta(&whole.finish(&context(true)).expect("small"), types_out);
            let mut wanted = Bag::default();
            let all = delta_of(&mut random, rows, &types());
            wanted.add_delta(&Reduce::new(&plan, &types()).step(all, &context(true)).expect("small"), types_out);
            assert_eq!(found, wanted, "seed {seed}");
        }
    }
    let plan = ReducePlan { key: vec![KEY], aggregates: vec![], mfp: Mfp::identity(1) };
    assert!(!Reduce::new(&plan, &types()).is_divisible(), "1 and 1.0 are one group, of which one is shown");
}
