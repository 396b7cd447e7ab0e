//! Aggregates' state: one accumulator per group, kept by aggregate in columns indexed by the group's slot.
//!
//! ```text
//!  batch ─▶ FILTER, arguments (evaluated once, vectorised) ─▶ [DISTINCT: weights → appearances] ─▶ accumulator ─▶ value
//! ```
//!
//! # Invariants
//!
//! 1. Every accumulator is a sum over rows with signed weights: order and cut do not matter, retraction is exact.
//! 2. Counts and integer sums wrap; they are bounded by the group's number of rows (which is checked) times 64 bits, so
//!    a wrapped value is never read.
//! 3. One dispatch per batch and aggregate; the loops are typed.

mod code_set;
mod distinct;
mod distinct_shown;
mod extremes;
mod float_sum;
mod numeric_sum;
mod ordered;
mod simple;
mod simplify;

pub(crate) use simplify::simplify;

use crate::delta::{StepContext, StepError};
use crate::map_filter_project::{report, without};
use crate::order_key::equal_may_differ;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use distinct::{Appeared, DistinctSet};
use distinct_shown::ShownValues;
use extremes::Extremes;
use float_sum::FloatSums;
use headwater_expr::{Aggregate, AggregateFunction, Column, Scalar, evaluate, evaluate_predicate};
use headwater_types::{ColumnBuilder, ColumnOrder, DataType, Datum, DeltaBatch, SqlError, SqlState};
use numeric_sum::NumericSums;
use ordered::Collected;
use simple::{Booleans, Counts, IntegerSums, IntervalSums};
use simplify::SimpleCall;

/// Bytes of text in one column of values.
const COLUMN_BYTES_MAX: usize = 1 << 30;

/// What an accumulator takes of a batch: the rows that count, with their groups, weights and arguments.
pub(crate) struct Input<'a> {
    pub(crate) slots: &'a [u32],
    pub(crate) weights: &'a [i64],
    pub(crate) args: &'a [ArrayRef],
    /// ORDER BY keys.
    pub(crate) keys: &'a [ArrayRef],
    /// The rows that count; None: all.
    pub(crate) selected: Option<&'a BooleanBuffer>,
    /// Whether only the best value need be kept: nothing will ever be retracted.
    pub(crate) final_insertions: bool,
}

impl Input<'_> {
    /// Calls `each(row, slot, weight)` for the rows that count.
    fn for_each(&self, mut each: impl FnMut(usize, usize, i64)) {
        match self.selected {
            None => {
                for (row, (&slot, &weight)) in self.slots.iter().zip(self.weights).enumerate() {
                    each(row, slot as usize, weight);
                }
            }
            Some(selected) => {
                for row in selected.set_indices() {
                    each(row, self.slots[row] as usize, self.weights[row]);
                }
            }
        }
    }
}

/// The state of one aggregate for all groups.
#[derive(Debug)]
enum Accumulator {
    Count(Counts),
    Integers(IntegerSums),
    Numerics(NumericSums),
    Floats(FloatSums),
    Intervals(IntervalSums),
    Booleans(Booleans),
    Extremes(Extremes),
    Collected(Collected),
    /// count(DISTINCT x).
    DistinctCount(Box<DistinctSet>),
}

/// DISTINCT of an aggregate that looks at the values.
#[derive(Debug)]
enum Distinct {
    /// Any of SQL-equal values will do.
    Any(Box<DistinctSet>),
    /// The group's least of SQL-equal values is the one.
    Least(Box<ShownValues>),
}

impl Distinct {
    fn new(call: &Aggregate<Column>, types: &[DataType]) -> Self {
        // With DISTINCT, the keys are arguments; two subqueries of one text may still be two columns.
        let place = |key: &Scalar| call.args.iter().position(|arg| arg == key);
        let key_args: Option<Vec<usize>> = call.order_by.iter().map(|(key, _)| place(key)).collect();
        match key_args {
            Some(key_args) if types.iter().any(equal_may_differ) => {
                Self::Least(Box::new(ShownValues::new(types, key_args)))
            }
            _ => Self::Any(Box::new(DistinctSet::new(types))),
        }
    }

    fn grow(&mut self, slots: usize) {
        if let Self::Any(set) = self {
            set.grow(slots);
        }
    }

    fn apply(&mut self, input: &Input<'_>) -> Result<Appeared, StepError> {
        match self {
            Self::Any(set) => set.apply(input),
            Self::Least(values) => values.apply(input),
        }
    }
}

/// One aggregate call.
#[derive(Debug)]
pub(crate) struct AggregateState {
    args: Vec<Scalar>,
    filter: Option<Scalar>,
    order_keys: Vec<Scalar>,
    /// Whether a NULL first argument counts for nothing.
    skips_null: bool,
    /// The scale of the zeros that rows outside the filter add to the sum, if they do.
    zero_scale: Option<u32>,
    distinct: Option<Distinct>,
    accumulator: Accumulator,
    data_type: DataType,
}

/// An output column, and the groups (by place) whose value is an error instead.
pub(crate) struct Values {
    pub(crate) column: ArrayRef,
    pub(crate) errors: Vec<(u32, SqlError)>,
}

impl AggregateState {
    pub(crate) fn new(SimpleCall { call, zero_scale }: &SimpleCall) -> Self {
        let arg_types: Vec<DataType> = call.args.iter().map(Scalar::data_type).collect();
        let key_types: Vec<DataType> = call.order_by.iter().map(|(key, _)| key.data_type()).collect();
        let orders: Vec<ColumnOrder> = call.order_by.iter().map(|(_, order)| *order).collect();
        let accumulator = accumulator_for(call, &arg_types, key_types, orders);
        use AggregateFunction as F;
        // Counted without being looked at, or the same with and without.
        let own = matches!(call.function, F::Count | F::Min | F::Max | F::BoolAnd | F::BoolOr);
        let collects = call.function == AggregateFunction::ArrayAgg;
        Self {
            args: call.args.clone(),
            filter: call.filter.clone(),
            order_keys: call.order_by.iter().map(|(key, _)| key.clone()).collect(),
            skips_null: !collects && !call.args.is_empty(),
            zero_scale: *zero_scale,
            distinct: (call.distinct && !own && !call.args.is_empty()).then(|| Distinct::new(call, &arg_types)),
            accumulator,
            data_type: call.data_type.clone(),
        }
    }

    /// Makes room for groups below `slots`.
    pub(crate) fn grow(&mut self, slots: usize) {
        if let Some(distinct) = &mut self.distinct {
            distinct.grow(slots);
        }
        match &mut self.accumulator {
            Accumulator::Count(state) => state.grow(slots),
            Accumulator::Integers(state) => state.grow(slots),
            Accumulator::Numerics(state) => state.grow(slots),
            Accumulator::Floats(state) => state.grow(slots),
            Accumulator::Intervals(state) => state.grow(slots),
            Accumulator::Booleans(state) => state.grow(slots),
            Accumulator::Extremes(state) => state.grow(slots),
            Accumulator::Collected(state) => state.grow(slots),
            Accumulator::DistinctCount(state) => state.grow(slots),
        }
    }

    /// Adds a batch whose rows are in these groups. Rows whose filter or argument fails count for nothing and are
    /// reported.
    pub(crate) fn update(
        &mut self,
        batch: &DeltaBatch,
        slots: &[u32],
        context: &StepContext<'_>,
        final_insertions: bool,
        errors: &mut Vec<(SqlError, i64)>,
    ) -> Result<(), StepError> {
        let rows = &batch.rows;
        let mut selected: Option<BooleanBuffer> = None;
        let mut narrow = |mask: BooleanBuffer| {
            selected = Some(match &selected {
                Some(selected) => selected & &mask,
                None => mask,
            });
        };
        let mut failed = vec![];
        if let Some(filter) = &self.filter {
            let (mask, failures) = evaluate_predicate(filter, rows, &context.eval);
            report(&failures, &batch.weights, errors);
            if let Some(scale) = self.zero_scale {
                let others = !mask.values();
                let others =
                    if failures.is_empty() { others } else { &others & without(&failures, rows.rows).values() };
                let weights = &batch.weights;
                let selected = Some(&others);
                let input = Input { slots, weights, args: &[], keys: &[], selected, final_insertions };
                self.accumulator.add_zeros(&input, scale);
            }
            narrow(mask.values().clone());
        }
        let mut value_of = |expr: &Scalar| {
            let value = evaluate(expr, rows, &context.eval);
            failed.extend(value.errors);
            value.array
        };
        let args: Vec<ArrayRef> = self.args.iter().map(&mut value_of).collect();
        let keys: Vec<ArrayRef> = self.order_keys.iter().map(&mut value_of).collect();
        if self.skips_null
            && let Some(nulls) = args[0].logical_nulls().filter(|nulls| nulls.null_count() > 0)
        {
            narrow(nulls.inner().clone());
        }
        if !failed.is_empty() {
            self.reject(&mut failed, batch, context, errors);
            let mut keep = vec![true; rows.rows];
            for (row, _) in &failed {
                keep[*row as usize] = false;
            }
            narrow(BooleanBuffer::from(keep));
        }
        let weights = &batch.weights;
        let input = Input { slots, weights, args: &args, keys: &keys, selected: selected.as_ref(), final_insertions };
        let Some(set) = &mut self.distinct else { return self.accumulator.update(&input) };
        let appeared = set.apply(&input)?;
        self.accumulator.update(&Input {
            slots: &appeared.slots,
            weights: &appeared.weights,
            args: &appeared.args,
            keys: &appeared.keys,
            selected: None,
            // What stands for a value may be taken back for a lesser one, whatever the input does.
            final_insertions: final_insertions && matches!(set, Distinct::Any(_)),
        })
    }

    /// Reports the rows whose arguments failed; those that the filter drops do not count, and of a row's several errors
    /// the least does.
    fn reject(
        &self,
        failed: &mut Vec<(u32, SqlError)>,
        batch: &DeltaBatch,
        context: &StepContext<'_>,
        errors: &mut Vec<(SqlError, i64)>,
    ) {
        if let Some(filter) = &self.filter {
            let (mask, _) = evaluate_predicate(filter, &batch.rows, &context.eval);
            failed.retain(|(row, _)| mask.value(*row as usize));
        }
        failed.sort();
        failed.dedup_by_key(|(row, _)| *row);
        report(failed, &batch.weights, errors);
    }

    /// Whether [`AggregateState::absorb`] can add up parts.
    pub(crate) fn is_divisible(&self) -> bool {
        self.distinct.is_none()
    }

    /// Adds what the same call over other rows, none of which is ever retracted, has come to; its group `i` is `slots[i]`
    /// here.
    pub(crate) fn absorb(&mut self, other: Self, slots: &[u32]) -> Result<(), StepError> {
        use Accumulator as A;
        match (&mut self.accumulator, other.accumulator) {
            (A::Count(mine), A::Count(theirs)) => mine.absorb(&theirs, slots),
            (A::Integers(mine), A::Integers(theirs)) => mine.absorb(&theirs, slots),
            (A::Numerics(mine), A::Numerics(theirs)) => mine.absorb(theirs, slots),
            (A::Floats(mine), A::Floats(theirs)) => mine.absorb(&theirs, slots),
            (A::Intervals(mine), A::Intervals(theirs)) => mine.absorb(&theirs, slots),
            (A::Booleans(mine), A::Booleans(theirs)) => mine.absorb(&theirs, slots),
            (A::Extremes(mine), A::Extremes(theirs)) => mine.absorb(theirs, slots),
            (A::Collected(mine), A::Collected(theirs)) => mine.absorb(theirs, slots),
            (A::DistinctCount(mine), A::DistinctCount(theirs)) => mine.absorb(*theirs, slots)?,
            _ => unreachable!("parts of one call have one kind of state"),
        }
        Ok(())
    }

    /// The values of these groups.
    pub(crate) fn values(&self, slots: &[u32]) -> Values {
        let typed = match &self.accumulator {
            Accumulator::Count(state) => Some(Values { column: state.column(slots), errors: vec![] }),
            Accumulator::DistinctCount(state) => Some(Values { column: state.counts(slots), errors: vec![] }),
            Accumulator::Integers(state) => state.values(slots),
            Accumulator::Numerics(state) => state.values(slots),
            _ => None,
        };
        typed.unwrap_or_else(|| self.values_one_by_one(slots))
    }

    fn values_one_by_one(&self, slots: &[u32]) -> Values {
        let mut column = ColumnBuilder::new(&self.data_type, slots.len());
        let mut errors = vec![];
        let mut text_bytes = 0;
        for (place, &slot) in slots.iter().enumerate() {
            let slot = slot as usize;
            let mut value = match &self.accumulator {
                Accumulator::Count(_) | Accumulator::DistinctCount(_) => unreachable!("returned above"),
                Accumulator::Integers(state) => state.value(slot),
                Accumulator::Numerics(state) => state.value(slot),
                Accumulator::Floats(state) => state.value(slot),
                Accumulator::Intervals(state) => state.value(slot),
                Accumulator::Booleans(state) => Ok(state.value(slot)),
                Accumulator::Extremes(state) => Ok(state.value(slot)),
                Accumulator::Collected(state) => state.value(slot),
            };
            if let Ok(Datum::Text(text)) = &value {
                text_bytes += text.len();
                if text_bytes > COLUMN_BYTES_MAX {
                    let message = "aggregates of one batch exceed 1 GiB";
                    value = Err(SqlError::new(SqlState::ProgramLimitExceeded, message));
                }
            }
            match value {
                Ok(value) => column.append(&value),
                Err(error) => {
                    column.append_null();
                    errors.push((u32::try_from(place).expect("fewer than 2^32 groups"), error));
                }
            }
        }
        Values { column: column.finish(), errors }
    }

    /// The memory kept, about.
    pub(crate) fn state_bytes(&self) -> usize {
        let distinct = match &self.distinct {
            None => 0,
            Some(Distinct::Any(set)) => set.state_bytes(),
            Some(Distinct::Least(values)) => values.state_bytes(),
        };
        self.accumulator.state_bytes() + distinct
    }

    /// Forgets a group that has no rows.
    pub(crate) fn reset(&mut self, slot: u32) {
        let slot = slot as usize;
        if let Some(Distinct::Any(set)) = &mut self.distinct {
            set.reset(slot);
        }
        match &mut self.accumulator {
            Accumulator::Count(state) => state.reset(slot),
            Accumulator::Integers(state) => state.reset(slot),
            Accumulator::Numerics(state) => state.reset(slot),
            Accumulator::Floats(state) => state.reset(slot),
            Accumulator::Intervals(state) => state.reset(slot),
            Accumulator::Booleans(state) => state.reset(slot),
            Accumulator::Extremes(state) => state.reset(slot),
            Accumulator::Collected(state) => state.reset(slot),
            Accumulator::DistinctCount(state) => state.reset(slot),
        }
    }
}

impl Accumulator {
    /// Adds zeros to sums.
    fn add_zeros(&mut self, input: &Input<'_>, scale: u32) {
        match self {
            Self::Integers(state) => state.add_zeros(input),
            Self::Numerics(state) => state.add_zeros(input, scale),
            _ => unreachable!("zeros are left out of sums of integers and numerics only"),
        }
    }

    fn state_bytes(&self) -> usize {
        match self {
            Self::Count(state) => state.state_bytes(),
            Self::Integers(state) => state.state_bytes(),
            Self::Numerics(state) => state.state_bytes(),
            Self::Floats(state) => state.state_bytes(),
            Self::Intervals(state) => state.state_bytes(),
            Self::Booleans(state) => state.state_bytes(),
            Self::Extremes(state) => state.state_bytes(),
            Self::Collected(state) => state.state_bytes(),
            Self::DistinctCount(state) => state.state_bytes(),
        }
    }

    fn update(&mut self, input: &Input<'_>) -> Result<(), StepError> {
        match self {
            Self::Count(state) => state.update(input),
            Self::Integers(state) => state.update(input),
            Self::Numerics(state) => state.update(input),
            Self::Floats(state) => state.update(input),
            Self::Intervals(state) => state.update(input),
            Self::Booleans(state) => state.update(input),
            Self::Extremes(state) => state.update(input),
            Self::Collected(state) => state.update(input),
            Self::DistinctCount(state) => state.update(input)?,
        }
        Ok(())
    }
}

fn accumulator_for(
    call: &Aggregate<Column>,
    arg_types: &[DataType],
    key_types: Vec<DataType>,
    orders: Vec<ColumnOrder>,
) -> Accumulator {
    use AggregateFunction as F;
    let arg = || arg_types[0].clone();
    let average = call.function == F::Avg;
    match call.function {
        F::Count if call.distinct => Accumulator::DistinctCount(Box::new(DistinctSet::new(arg_types))),
        F::CountStar | F::Count => Accumulator::Count(Counts::default()),
        F::Sum | F::Avg | F::SumState => match arg_types[0] {
            DataType::Int2 | DataType::Int4 | DataType::Int8 => {
                Accumulator::Integers(IntegerSums::new(arg(), call.function, &call.data_type))
            }
            DataType::Float4 | DataType::Float8 => {
                Accumulator::Floats(FloatSums::new(arg() == DataType::Float4, average, &call.data_type))
            }
            DataType::Interval => Accumulator::Intervals(IntervalSums::new(average)),
            _ => Accumulator::Numerics(NumericSums::new(call.function)),
        },
        F::Min => Accumulator::Extremes(Extremes::new(arg(), false)),
        F::Max => Accumulator::Extremes(Extremes::new(arg(), true)),
        F::BoolAnd => Accumulator::Booleans(Booleans::new(true)),
        F::BoolOr => Accumulator::Booleans(Booleans::new(false)),
        F::ArrayAgg | F::StringAgg => {
            let separated = call.function == F::StringAgg;
            Accumulator::Collected(Collected::new(arg_types.to_vec(), key_types, orders, separated))
        }
    }
}
