//! Counts, sums of integers and intervals, bool_and and bool_or: a few words per group, added in place.

use super::numeric_sum::shown;
use super::{Input, Values};
use crate::order_key::{SCALE_MAX, scaled};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType};
use arrow_array::{ArrayRef, Int64Array};
use headwater_expr::AggregateFunction;
use headwater_types::{DataType, Datum, Interval, Result, SqlError, SqlState, SumState};
use std::sync::Arc;

/// count(*), count(x).
#[derive(Debug, Default)]
pub(super) struct Counts {
    counts: Vec<i64>,
}

impl Counts {
    pub(super) fn grow(&mut self, slots: usize) {
        self.counts.resize(slots, 0);
    }

    pub(super) fn reset(&mut self, slot: usize) {
        self.counts[slot] = 0;
    }

    /// Adds what another has of other rows; its group `i` is `slots[i]` here.
    pub(super) fn absorb(&mut self, other: &Self, slots: &[u32]) {
        for (&slot, count) in slots.iter().zip(&other.counts) {
            let sum = &mut self.counts[slot as usize];
            *sum = sum.wrapping_add(*count);
        }
    }

    pub(super) fn update(&mut self, input: &Input<'_>) {
        let counts = &mut self.counts[..];
        input.for_each(|_, slot, weight| counts[slot] = counts[slot].wrapping_add(weight));
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }

    pub(super) fn column(&self, slots: &[u32]) -> ArrayRef {
        Arc::new(slots.iter().map(|&slot| Some(self.counts[slot as usize])).collect::<Int64Array>())
    }
}

/// sum and avg of int2, int4, int8, and their state.
#[derive(Debug)]
pub(super) struct IntegerSums {
    arg: DataType,
    function: AggregateFunction,
    /// Whether the sum is shown as int8 and not as numeric.
    narrow: bool,
    sums: Vec<i128>,
    counts: Vec<i64>,
}

impl IntegerSums {
    pub(super) fn new(arg: DataType, function: AggregateFunction, data_type: &DataType) -> Self {
        Self { arg, function, narrow: *data_type == DataType::Int8, sums: vec![], counts: vec![] }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        self.sums.resize(slots, 0);
        self.counts.resize(slots, 0);
    }

    pub(super) fn reset(&mut self, slot: usize) {
        self.sums[slot] = 0;
        self.counts[slot] = 0;
    }

    /// Adds what another has of other rows; its group `i` is `slots[i]` here.
    pub(super) fn absorb(&mut self, other: &Self, slots: &[u32]) {
        for ((&slot, sum), count) in slots.iter().zip(&other.sums).zip(&other.counts) {
            let slot = slot as usize;
            self.sums[slot] = self.sums[slot].wrapping_add(*sum);
            self.counts[slot] = self.counts[slot].wrapping_add(*count);
        }
    }

    pub(super) fn update(&mut self, input: &Input<'_>) {
        let Some(arg) = input.args.first() else { return };
        match self.arg {
            DataType::Int2 => self.add(input, arg.as_primitive::<Int16Type>().values()),
            DataType::Int4 => self.add(input, arg.as_primitive::<Int32Type>().values()),
            _ => self.add(input, arg.as_primitive::<Int64Type>().values()),
        }
    }

    fn add<T: Copy + Into<i64>>(&mut self, input: &Input<'_>, values: &[T]) {
        let (sums, counts) = (&mut self.sums[..], &mut self.counts[..]);
        input.for_each(|row, slot, weight| {
            let value: i64 = values[row].into();
            sums[slot] = sums[slot].wrapping_add(i128::from(value) * i128::from(weight));
            counts[slot] = counts[slot].wrapping_add(weight);
        });
    }

    /// Adds a zero for every row.
    pub(super) fn add_zeros(&mut self, input: &Input<'_>) {
        let counts = &mut self.counts[..];
        input.for_each(|_, slot, weight| counts[slot] = counts[slot].wrapping_add(weight));
    }

    /// The values of these groups, if they are sums shown as int8.
    pub(super) fn values(&self, slots: &[u32]) -> Option<Values> {
        if self.function != AggregateFunction::Sum || !self.narrow {
            return None;
        }
        let mut errors = vec![];
        let values = (0u32..).zip(slots).map(|(place, &slot)| match self.value(slot as usize) {
            Ok(Datum::Int8(sum)) => Some(sum),
            Ok(_) => None,
            Err(error) => {
                errors.push((place, error));
                None
            }
        });
        let column: ArrayRef = Arc::new(values.collect::<Int64Array>());
        Some(Values { column, errors })
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.counts.capacity() * size_of::<i64>()
    }

    pub(super) fn value(&self, slot: usize) -> Result<Datum> {
        let (sum, count) = (self.sums[slot], self.counts[slot]);
        if count == 0 {
            return Ok(Datum::Null);
        }
        if self.function == AggregateFunction::Sum && self.narrow {
            let sum = i64::try_from(sum);
            return sum
                .map(Datum::Int8)
                .map_err(|_| SqlError::new(SqlState::NumericValueOutOfRange, "bigint out of range"));
        }
        // Below 2^126 in units of 10^-28 < 2^94.
        shown(self.function, &SumState { sum: scaled(sum, SCALE_MAX), scale: 0, count, specials: [0; 3] })
    }
}

/// sum and avg of intervals, part by part.
#[derive(Debug)]
pub(super) struct IntervalSums {
    average: bool,
    sums: Vec<[i128; 3]>,
    counts: Vec<i64>,
}

impl IntervalSums {
    pub(super) fn new(average: bool) -> Self {
        Self { average, sums: vec![], counts: vec![] }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        self.sums.resize(slots, [0; 3]);
        self.counts.resize(slots, 0);
    }

    pub(super) fn reset(&mut self, slot: usize) {
        self.sums[slot] = [0; 3];
        self.counts[slot] = 0;
    }

    /// Adds what another has of other rows; its group `i` is `slots[i]` here.
    pub(super) fn absorb(&mut self, other: &Self, slots: &[u32]) {
        for ((&slot, parts), count) in slots.iter().zip(&other.sums).zip(&other.counts) {
            let slot = slot as usize;
            for (sum, part) in self.sums[slot].iter_mut().zip(parts) {
                *sum = sum.wrapping_add(*part);
            }
            self.counts[slot] = self.counts[slot].wrapping_add(*count);
        }
    }

    pub(super) fn update(&mut self, input: &Input<'_>) {
        let Some(arg) = input.args.first() else { return };
        let values = arg.as_primitive::<IntervalMonthDayNanoType>().values();
        let (sums, counts) = (&mut self.sums[..], &mut self.counts[..]);
        input.for_each(|row, slot, weight| {
            let value = Interval::from_arrow(values[row]);
            let parts = [i64::from(value.months), i64::from(value.days), value.micros];
            for (sum, part) in sums[slot].iter_mut().zip(parts) {
                *sum = sum.wrapping_add(i128::from(part) * i128::from(weight));
            }
            counts[slot] = counts[slot].wrapping_add(weight);
        });
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        self.sums.capacity() * size_of::<[i128; 3]>() + self.counts.capacity() * size_of::<i64>()
    }

    pub(super) fn value(&self, slot: usize) -> Result<Datum> {
        let count = self.counts[slot];
        if count == 0 {
            return Ok(Datum::Null);
        }
        let out_of_range = || SqlError::new(SqlState::DatetimeFieldOverflow, "interval out of range");
        let [months, days, micros] = self.sums[slot];
        let months = i32::try_from(months).map_err(|_| out_of_range())?;
        let days = i32::try_from(days).map_err(|_| out_of_range())?;
        let micros = i64::try_from(micros).map_err(|_| out_of_range())?;
        let sum = Interval::checked(months, days, micros)?;
        if !self.average {
            return Ok(Datum::Interval(sum));
        }
        // PostgreSQL divides by the count as a double too.
        Ok(Datum::Interval(sum.checked_div(count as f64)?))
    }
}

/// bool_and, bool_or.
#[derive(Debug)]
pub(super) struct Booleans {
    all: bool,
    /// (false, true)
    counts: Vec<[i64; 2]>,
}

impl Booleans {
    pub(super) fn new(all: bool) -> Self {
        Self { all, counts: vec![] }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        self.counts.resize(slots, [0; 2]);
    }

    pub(super) fn reset(&mut self, slot: usize) {
        self.counts[slot] = [0; 2];
    }

    /// Adds what another has of other rows; its group `i` is `slots[i]` here.
    pub(super) fn absorb(&mut self, other: &Self, slots: &[u32]) {
        for (&slot, counts) in slots.iter().zip(&other.counts) {
            for (sum, count) in self.counts[slot as usize].iter_mut().zip(counts) {
                *sum = sum.wrapping_add(*count);
            }
        }
    }

    pub(super) fn update(&mut self, input: &Input<'_>) {
        let Some(arg) = input.args.first() else { return };
        let values = arg.as_boolean().values();
        let counts = &mut self.counts[..];
        input.for_each(|row, slot, weight| {
            let count = &mut counts[slot][usize::from(values.value(row))];
            *count = count.wrapping_add(weight);
        });
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<[i64; 2]>()
    }

    pub(super) fn value(&self, slot: usize) -> Datum {
        match self.counts[slot] {
            [0, 0] => Datum::Null,
            [falses, _] if self.all => Datum::Bool(falses == 0),
            [_, trues] => Datum::Bool(trues != 0),
        }
    }
}
