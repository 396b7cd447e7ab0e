//! Exact sums of numerics.
//!
//! ```text
//!  per group and scale   Σ mantissa × weight            128 bits, and the number of values
//!                          └─ what they do not hold ─▶ wide: Σ mantissa × 10^(28 − scale) × weight, 256 bits
//!  display scale = the largest scale among live values
//! ```
//!
//! A sum in `rust_decimal` rounds past 96 bits, so that retracting would not give back what was there. Here nothing is
//! rounded before the value is read; it is then rounded once (half away from zero) if 96 bits do not hold it, and out of
//! range if they do not hold its integer part. 256 bits hold every sum: |mantissa| < 2^96, 10^28 < 2^94, weight < 2^63.
//!
//! Sum states are merged: each comes and goes as a whole, so that the display scale is the largest of the live states'.

use super::{Input, Values};
use crate::order_key::{SCALE_MAX, scaled};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BinaryArray, FixedSizeBinaryArray};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer, i256};
use hashbrown::HashMap;
use headwater_expr::AggregateFunction;
use headwater_types::{Datum, NUMERIC_BYTES, Numeric, Result, SumState};
use smallvec::SmallVec;
use std::sync::Arc;

/// sum and avg of numerics, and their state.
#[derive(Debug)]
pub(super) struct NumericSums {
    function: AggregateFunction,
    sums: Vec<Sum>,
    /// NaN, Infinity, −Infinity, of the groups that have any.
    specials: HashMap<usize, [i64; 3], ahash::RandomState>,
}

/// A group's.
#[derive(Debug, Default)]
struct Sum {
    count: i64,
    /// Of the scales that occur.
    lanes: SmallVec<[Lane; 2]>,
    wide: Option<Box<i256>>,
}

#[derive(Debug)]
struct Lane {
    sum: i128,
    /// Live values.
    count: i64,
    scale: u32,
}

impl Sum {
    #[inline]
    fn add(&mut self, mantissa: i128, scale: u32, weight: i64) {
        self.count = self.count.wrapping_add(weight);
        let lane = match self.lanes.iter().position(|lane| lane.scale == scale) {
            Some(lane) => lane,
            None => {
                self.lanes.push(Lane { sum: 0, count: 0, scale });
                self.lanes.len() - 1
            }
        };
        let held = &mut self.lanes[lane];
        held.count = held.count.wrapping_add(weight);
        let sum = mantissa.checked_mul(i128::from(weight)).and_then(|term| held.sum.checked_add(term));
        match sum {
            Some(sum) => held.sum = sum,
            None => {
                let term = scaled(mantissa, SCALE_MAX - scale);
                self.add_wide(term.wrapping_mul(i256::from_i128(i128::from(weight))));
            }
        }
        if self.lanes[lane].count == 0 {
            let Lane { sum, .. } = self.lanes.swap_remove(lane);
            if sum != 0 {
                self.add_wide(scaled(sum, SCALE_MAX - scale));
            }
        }
    }

    fn absorb(&mut self, other: Self) {
        self.count = self.count.wrapping_add(other.count);
        for lane in other.lanes {
            let Some(held) = self.lanes.iter_mut().find(|held| held.scale == lane.scale) else {
                self.lanes.push(lane);
                continue;
            };
            held.count = held.count.wrapping_add(lane.count);
            match held.sum.checked_add(lane.sum) {
                Some(sum) => held.sum = sum,
                None => self.add_wide(scaled(lane.sum, SCALE_MAX - lane.scale)),
            }
        }
        if let Some(wide) = other.wide {
            self.add_wide(*wide);
        }
    }

    /// Adds what is known of other values.
    fn add_state(&mut self, state: &SumState, weight: i64) {
        let specials = state.specials.iter().fold(0i64, |sum, count| sum.wrapping_add(*count));
        self.count = self.count.wrapping_add(specials.wrapping_mul(weight));
        let finite = state.count.wrapping_sub(specials);
        if finite != 0 {
            self.add(0, state.scale, finite.wrapping_mul(weight));
            self.add_wide(state.sum.wrapping_mul(i256::from_i128(i128::from(weight))));
        }
    }

    #[cold]
    fn add_wide(&mut self, term: i256) {
        let wide = self.wide.get_or_insert_default();
        **wide = wide.wrapping_add(term);
    }

    fn scale(&self) -> u32 {
        self.lanes.iter().map(|lane| lane.scale).max().unwrap_or(0)
    }

    /// The sum in units of 10^-28.
    fn total(&self) -> i256 {
        let wide = self.wide.as_deref().copied().unwrap_or(i256::ZERO);
        let lanes = self.lanes.iter().map(|lane| scaled(lane.sum, SCALE_MAX - lane.scale));
        lanes.fold(wide, i256::wrapping_add)
    }

    /// The sum's bytes, where it takes no more than 128 bits on the way and 96 in the end.
    fn narrow_bytes(&self) -> Option<[u8; NUMERIC_BYTES]> {
        if self.wide.is_some() {
            return None;
        }
        let scale = self.scale();
        let aligned = |lane: &Lane| lane.sum.checked_mul(10i128.pow(scale - lane.scale));
        let sum = self.lanes.iter().try_fold(0i128, |sum, lane| sum.checked_add(aligned(lane)?))?;
        Numeric::bytes_of_parts(sum, scale)
    }
}

impl NumericSums {
    pub(super) fn new(function: AggregateFunction) -> Self {
        // Looked up by slot only: its order is never seen.
        let specials = HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
        Self { function, sums: vec![], specials }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        self.sums.resize_with(slots, Sum::default);
    }

    pub(super) fn reset(&mut self, slot: usize) {
        self.sums[slot] = Sum::default();
        self.specials.remove(&slot);
    }

    /// Adds what another has of other rows; its group `i` is `slots[i]` here.
    pub(super) fn absorb(&mut self, other: Self, slots: &[u32]) {
        for (&slot, theirs) in slots.iter().zip(other.sums) {
            self.sums[slot as usize].absorb(theirs);
        }
        for (theirs, counts) in other.specials {
            let held = self.specials.entry(slots[theirs] as usize).or_default();
            for (sum, count) in held.iter_mut().zip(counts) {
                *sum = sum.wrapping_add(count);
            }
        }
    }

    pub(super) fn update(&mut self, input: &Input<'_>) {
        let Some(arg) = input.args.first() else { return };
        if let Some(states) = arg.as_binary_opt::<i32>() {
            return self.merge(states, input);
        }
        let values = arg.as_fixed_size_binary().value_data().as_chunks::<NUMERIC_BYTES>().0;
        input.for_each(|row, slot, weight| {
            let bytes = values[row];
            match Numeric::finite_parts(bytes) {
                Some((mantissa, scale)) => self.sums[slot].add(mantissa, scale, weight),
                None => self.add_special(slot, Numeric::from_bytes(bytes), weight),
            }
        });
    }

    /// Adds sum states.
    fn merge(&mut self, states: &BinaryArray, input: &Input<'_>) {
        input.for_each(|row, slot, weight| {
            let state = SumState::decode(states.value(row)).expect("an aggregate below has made it");
            self.sums[slot].add_state(&state, weight);
            if state.specials != [0; 3] {
                self.count_specials(slot, state.specials.map(|count| count.wrapping_mul(weight)));
            }
        });
    }

    /// Adds a zero of this scale for every row.
    pub(super) fn add_zeros(&mut self, input: &Input<'_>, scale: u32) {
        input.for_each(|_, slot, weight| self.sums[slot].add(0, scale, weight));
    }

    #[cold]
    fn add_special(&mut self, slot: usize, value: Numeric, weight: i64) {
        let sum = &mut self.sums[slot];
        sum.count = sum.count.wrapping_add(weight);
        self.count_specials(
            slot,
            match value {
                Numeric::Infinity => [0, weight, 0],
                Numeric::NegInfinity => [0, 0, weight],
                Numeric::NaN | Numeric::Finite(_) => [weight, 0, 0],
            },
        );
    }

    #[cold]
    fn count_specials(&mut self, slot: usize, more: [i64; 3]) {
        let counts = self.specials.entry(slot).or_default();
        for (count, more) in counts.iter_mut().zip(more) {
            *count = count.wrapping_add(more);
        }
        if *counts == [0; 3] {
            self.specials.remove(&slot);
        }
    }

    /// What is known of a group with values.
    fn state(&self, slot: usize) -> Option<SumState> {
        let sum = &self.sums[slot];
        (sum.count != 0).then(|| SumState {
            sum: sum.total(),
            scale: sum.scale(),
            count: sum.count,
            specials: self.specials.get(&slot).copied().unwrap_or_default(),
        })
    }

    pub(super) fn value(&self, slot: usize) -> Result<Datum> {
        self.state(slot).map_or(Ok(Datum::Null), |state| shown(self.function, &state))
    }

    /// The values of these groups, but for averages.
    pub(super) fn values(&self, slots: &[u32]) -> Option<Values> {
        match self.function {
            AggregateFunction::Sum => Some(self.sums_of(slots)),
            AggregateFunction::SumState => Some(Values { column: self.states_of(slots), errors: vec![] }),
            _ => None,
        }
    }

    fn sums_of(&self, slots: &[u32]) -> Values {
        let mut bytes = Vec::with_capacity(slots.len() * NUMERIC_BYTES);
        let mut nulls = NullBufferBuilder::new(slots.len());
        let mut errors = vec![];
        for (place, &slot) in (0u32..).zip(slots) {
            let slot = slot as usize;
            let narrow = || self.sums[slot].narrow_bytes().filter(|_| !self.specials.contains_key(&slot));
            let value = match self.sums[slot].count {
                0 => None,
                _ => narrow().or_else(|| match self.value(slot) {
                    Ok(Datum::Numeric(value)) => Some(value.to_bytes()),
                    Ok(_) => None,
                    Err(error) => {
                        errors.push((place, error));
                        None
                    }
                }),
            };
            bytes.extend(value.unwrap_or_default());
            nulls.append(value.is_some());
        }
        let width = i32::try_from(NUMERIC_BYTES).expect("16 is an i32");
        let column = FixedSizeBinaryArray::new(width, Buffer::from_vec(bytes), nulls.finish());
        Values { column: Arc::new(column), errors }
    }

    fn states_of(&self, slots: &[u32]) -> ArrayRef {
        let (mut offsets, mut bytes) = (Vec::with_capacity(slots.len() + 1), Vec::with_capacity(slots.len() * 24));
        let mut nulls = NullBufferBuilder::new(slots.len());
        offsets.push(0);
        for &slot in slots {
            let state = self.state(slot as usize);
            nulls.append(state.is_some());
            if let Some(state) = state {
                bytes.extend(state.encode());
            }
            offsets.push(i32::try_from(bytes.len()).expect("a state is small, and the groups of an output few"));
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Arc::new(BinaryArray::new(offsets, Buffer::from_vec(bytes), nulls.finish()))
    }

    /// The memory kept.
    pub(super) fn state_bytes(&self) -> usize {
        let wide = self.sums.iter().filter(|sum| sum.wide.is_some()).count();
        self.sums.capacity() * size_of::<Sum>() + wide * size_of::<i256>() + self.specials.allocation_size()
    }
}

/// What the aggregate says of a sum of numerics.
pub(super) fn shown(function: AggregateFunction, state: &SumState) -> Result<Datum> {
    Ok(match function {
        AggregateFunction::SumState => Datum::Bytes(state.encode().into()),
        AggregateFunction::Avg => Datum::Numeric(state.average()?),
        _ => Datum::Numeric(state.sum()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::{DataType, SqlState, array_of};

    /// The state of these values, or of these states, in one group.
    fn state_of(data_type: &DataType, values: &[(Datum, i64)]) -> Datum {
        let mut sums = NumericSums::new(AggregateFunction::SumState);
        sums.grow(1);
        let data: Vec<Datum> = values.iter().map(|(value, _)| value.clone()).collect();
        let weights: Vec<i64> = values.iter().map(|(_, weight)| *weight).collect();
        let (slots, args) = (vec![0; values.len()], [array_of(data_type, &data)]);
        let (slots, weights, args) = (&slots[..], &weights[..], &args[..]);
        sums.update(&Input { slots, weights, args, keys: &[], selected: None, final_insertions: false });
        sums.value(0).expect("a state never fails")
    }

    #[test]
    fn merged_states_are_the_state_of_all_values() {
        let value = |text: &str| Datum::Numeric(Numeric::parse(text).expect("a numeric"));
        let numbers = |texts: &[&str]| {
            let values: Vec<_> = texts.iter().map(|text| (value(text), 1)).collect();
            state_of(&DataType::Numeric(None), &values)
        };
        let merged = |states: &[(Datum, i64)]| state_of(&DataType::Bytea, states);
        let max = "79228162514264337593543950335";
        let parts: [&[&str]; 4] = [&["1.5", "-2"], &["0.00", max], &["NaN", "2.125"], &["Infinity"]];
        for left in parts {
            for right in parts {
                let both = numbers(&[left, right].concat());
                assert_eq!(merged(&[(numbers(left), 1), (numbers(right), 1)]), both, "{left:?} {right:?}");
                // What is taken back leaves no trace, neither in the scale nor in the specials.
                let states = [(numbers(left), 2), (numbers(right), 3), (numbers(left), -1), (numbers(right), -3)];
                assert_eq!(merged(&states), numbers(left), "{left:?} {right:?}");
                assert_eq!(merged(&[(numbers(left), 1), (numbers(left), -1)]), Datum::Null);
            }
        }
    }

    fn sum_of(values: &[(&str, i64)], average: bool) -> Result<String> {
        let function = if average { AggregateFunction::Avg } else { AggregateFunction::Sum };
        let mut state = NumericSums::new(function);
        state.grow(1);
        let data: Vec<Datum> =
            values.iter().map(|(t, _)| Datum::Numeric(Numeric::parse(t).expect("a numeric"))).collect();
        let weights: Vec<i64> = values.iter().map(|(_, w)| *w).collect();
        let slots = vec![0; values.len()];
        let args = [array_of(&DataType::Numeric(None), &data)];
        state.update(&Input {
            slots: &slots,
            weights: &weights,
            args: &args,
            keys: &[],
            selected: None,
            final_insertions: false,
        });
        state.value(0).map(|value| match value {
            Datum::Numeric(v) => v.to_string(),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn sums_are_those_of_what_is_left() {
        let max = "79228162514264337593543950335";
        assert_eq!(sum_of(&[("1.5", 1), ("2.25", 1)], false).as_deref(), Ok("3.75"));
        assert_eq!(sum_of(&[("1.5", 1), ("2.25", 1), ("2.25", -1)], false).as_deref(), Ok("1.5"));
        assert_eq!(sum_of(&[("0", 1), ("0.00", 1)], false).as_deref(), Ok("0.00"));
        assert_eq!(sum_of(&[(max, 3), ("0.1", 1), (max, -3)], false).as_deref(), Ok("0.1"));
        assert_eq!(sum_of(&[("NaN", 1), ("1", 2), ("NaN", -1)], false).as_deref(), Ok("2"));
        assert_eq!(sum_of(&[("Infinity", 1), ("-Infinity", 1)], false).as_deref(), Ok("NaN"));
        assert_eq!(sum_of(&[("-Infinity", 1), ("5", 1)], false).as_deref(), Ok("-Infinity"));
        assert_eq!(sum_of(&[("4523.88", 1)], true).as_deref(), Ok("4523.88"));
        assert_eq!(sum_of(&[(max, 2)], false).map_err(|e| e.state), Err(SqlState::NumericValueOutOfRange));
        // 96 bits hold one decimal of this sum, not two.
        assert_eq!(
            sum_of(&[("7922816251426433759354395033.5", 1), ("0.01", 1)], false).as_deref(),
            Ok("7922816251426433759354395033.5")
        );
        assert_eq!(sum_of(&[("1", 1), ("1", -1)], false).as_deref(), Ok("Null"));
        // Beyond 128 bits, and back; two values of one scale that cancel in number but not in sum.
        let many = i64::MAX / 4;
        assert_eq!(sum_of(&[(max, many), ("0.25", 1), (max, -many)], false).as_deref(), Ok("0.25"));
        assert_eq!(sum_of(&[("5", 1), ("2", -1), ("0.5", 1)], false).as_deref(), Ok("3.5"));
    }
}
