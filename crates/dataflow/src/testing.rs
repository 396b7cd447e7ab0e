//! What the operators' tests share: seeded random deltas over few rows, so that weights cancel, and Z-sets to compare.

use crate::{Delta, StepContext};
use headwater_expr::{Cast, CastContext, EvalContext, Scalar};
use headwater_types::{DataType, Datum, DeltaBatch, Numeric, SessionSettings};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static SETTINGS: LazyLock<SessionSettings> = LazyLock::new(SessionSettings::default);

pub(crate) fn context(one_shot: bool) -> StepContext<'static> {
    StepContext::new(EvalContext { settings: &SETTINGS, now_micros: 0, catalog: None }, one_shot)
}

/// A linear congruential generator: the same sequence for a seed, everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }

    /// A small int4, sometimes NULL.
    pub(crate) fn int(&mut self, limit: u64) -> Datum {
        if self.below(8) == 0 {
            return Datum::Null;
        }
        Datum::Int4(i32::try_from(self.below(limit)).expect("small"))
    }

    /// One of these texts as a numeric, sometimes NULL.
    pub(crate) fn numeric(&mut self, texts: &[&str]) -> Datum {
        if self.below(8) == 0 {
            return Datum::Null;
        }
        let place = usize::try_from(self.below(u64::try_from(texts.len()).expect("small"))).expect("small");
        numeric(texts[place])
    }

    pub(crate) fn text(&mut self, texts: &[&str]) -> Datum {
        let place = usize::try_from(self.below(u64::try_from(texts.len()).expect("small"))).expect("small");
        Datum::text(texts[place])
    }
}

pub(crate) fn numeric(text: &str) -> Datum {
    Datum::Numeric(Numeric::parse(text).expect("a numeric"))
}

/// `column::integer`, of a text: fails where it is no number.
pub(crate) fn as_integer(column: usize) -> Scalar {
    let cast = Cast { to: DataType::Int4, context: CastContext::Explicit };
    Scalar::Cast(Box::new(Scalar::column(column, DataType::Text)), cast)
}

pub(crate) type Row = Vec<Datum>;

/// Rows by their text, with weights; none of weight 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bag(pub(crate) BTreeMap<String, i64>);

impl Bag {
    pub(crate) fn add(&mut self, text: String, weight: i64) {
        let sum = self.0.entry(text.clone()).or_default();
        *sum += weight;
        if *sum == 0 {
            self.0.remove(&text);
        }
    }

    pub(crate) fn add_row(&mut self, row: &Row, weight: i64) {
        self.add(format!("{row:?}"), weight);
    }

    /// Adds a delta's rows and, by their code and message, its errors.
    pub(crate) fn add_delta(&mut self, delta: &Delta, types: &[DataType]) {
        for batch in &delta.batches {
            for (row, weight) in batch.to_rows(types) {
                self.add_row(&row, weight);
            }
        }
        for (error, weight) in &delta.errors {
            self.add(format!("error {} {}", error.state.code(), error.message), *weight);
        }
    }

    pub(crate) fn of(rows: impl IntoIterator<Item = (Row, i64)>) -> Self {
        let mut bag = Self::default();
        for (row, weight) in rows {
            bag.add_row(&row, weight);
        }
        bag
    }
}

/// An input relation: its rows so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    /// One entry per copy.
    pub(crate) rows: Vec<Row>,
}

impl Input {
    /// Random insertions and deletions of rows that are there.
    pub(crate) fn change(
        &mut self,
        random: &mut Random,
        size: u64,
        make: &mut dyn FnMut(&mut Random) -> Row,
    ) -> Vec<(Row, i64)> {
        let mut changes = vec![];
        for _ in 0..size {
            if !self.rows.is_empty() && random.below(5) < 2 {
                let place =
                    usize::try_from(random.below(u64::try_from(self.rows.len()).expect("small"))).expect("small");
                changes.push((self.rows.swap_remove(place), -1));
            } else {
                let row = make(random);
                self.rows.push(row.clone());
                changes.push((row, 1));
            }
        }
        changes
    }

    /// The rows with how often each occurs.
    pub(crate) fn weighted(&self) -> Vec<(Row, i64)> {
        self.rows.iter().map(|row| (row.clone(), 1)).collect()
    }
}

/// The changes in an order of its own, cut into batches of a random size.
pub(crate) fn delta_of(random: &mut Random, mut changes: Vec<(Row, i64)>, types: &[DataType]) -> Delta {
    for place in (1..changes.len()).rev() {
        let other = usize::try_from(random.below(u64::try_from(place + 1).expect("small"))).expect("small");
        changes.swap(place, other);
    }
    let size = usize::try_from(1 + random.below(20)).expect("small");
    let batches = changes.chunks(size).map(|rows| DeltaBatch::from_rows(types, rows)).collect();
    Delta { batches, errors: vec![] }
}

/// Drives an operator of one input with random deltas: after every step its outputs must add up to `recompute` of the
/// inputs, and so must one step with everything, both as the first of many and as a one-shot.
pub(crate) fn check<Op>(
    types: &[DataType],
    output: &[DataType],
    new: impl Fn() -> Op,
    step: impl Fn(&mut Op, Delta, &StepContext<'_>) -> Delta,
    mut make: impl FnMut(&mut Random) -> Row,
    recompute: impl Fn(&[Row]) -> Bag,
) {
    for seed in 0..12 {
        let mut random = Random(seed * 7919 + 1);
        let mut operator = new();
        let (mut input, mut seen) = (Input::default(), Bag::default());
        seen.add_delta(&step(&mut operator, Delta::default(), &context(false)), output);
        assert_eq!(seen, recompute(&[]), "seed {seed}: the first step, without rows");
        for round in 0..25 {
            let size = [0, 1, 2, 7, 40][usize::try_from(random.below(5)).expect("small")];
            let changes = input.change(&mut random, size, &mut make);
            let delta = delta_of(&mut random, changes, types);
            seen.add_delta(&step(&mut operator, delta, &context(false)), output);
            assert_eq!(seen, recompute(&input.rows), "seed {seed}, step {round}");
        }
        for one_shot in [false, true] {
            let mut whole = Bag::default();
            let delta = delta_of(&mut random, input.weighted(), types);
            whole.add_delta(&step(&mut new(), delta, &context(one_shot)), output);
            assert_eq!(whole, seen, "seed {seed}: everything in one step, one-shot {one_shot}");
        }
    }
}
